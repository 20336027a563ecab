#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables that are not what they look like: a snapshot and the log behind it agree on their columns, keys and values, and the
# copy is what the server's client sees.
# Each test runs in a subshell.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() {
    mysql_test_setup
    URL=$URL$NAME
    COPY=$DIR/copy.db
}
teardown() { mysql_test_teardown; }

snapshot() { t cdc-snapshot --state-dir "$STATE" "$@" "$URL" 2>"$DIR/err"; }
binlog() { t mysql-binlog --state-dir "$STATE" --heartbeat 0 "$@" "$URL" 2>"$DIR/err"; }
sink() { t cdc-sink-sqlite --state-dir "$STATE" "$COPY" 2>>"$DIR/sink"; }
copy() { sqlite3 -separator $'\t' "$COPY" "$1"; }
# The columns of a table are the same in source and copy.
same_as_source() {
    local columns="ifnull(${1//,/, \'NULL\'), ifnull(}, 'NULL')"
    msql -N "select $columns from $2" | LC_ALL=C sort >"$DIR/expected"
    copy "select $columns from $2" | LC_ALL=C sort >"$DIR/actual"
    diff "$DIR/expected" "$DIR/actual" | head -20
    cmp "$DIR/expected" "$DIR/actual"
}
# Copies what is there, and then what the function $1 does to it: lines in $DIR/snapshot and $DIR/log.
copy_and_follow() {
    snapshot --ack=stdout >"$DIR/snapshot"
    sink <"$DIR/snapshot"
    "$1"
    binlog --ack=stdout --until now >"$DIR/log" || { cat "$DIR/err"; return 1; }
    sink <"$DIR/log"
}
columns_of() { jq -c "select(.op == \"schema\" and .source.table == \"$1\") | [[.columns[].name], .key_columns]" "$2" | sort -u; }

# -- values

# The "after" of each row, of the snapshot and of the log, when the log has changed nothing but column h.
same_values() {
    sed -nE '/^."op":"r"/{s/.*("key":.*)/\1/;s/"h":[0-9]+,?//;p}' "$DIR/snapshot" | LC_ALL=C sort >"$DIR/r"
    sed -nE '/^."op":"u"/{s/.*("key":.*)"before":.*("after":.*)/\1"before":null,\2/;s/"h":[0-9]+,?//;p}' "$DIR/log" | LC_ALL=C sort >"$DIR/u"
    diff "$DIR/r" "$DIR/u" | cut -c1-300 | head
    cmp "$DIR/r" "$DIR/u"
    [ -s "$DIR/r" ]
}

@test "a table that the server cannot open: 78 with its name, and the copy of the others" {
    msql "create table good (id int primary key); insert into good values (1); create table x (id int) engine = myisam; create table merged (id int) engine = merge union = (x); drop table x"
    local status=0
    LIMIT=60 t cdc-snapshot --state-dir "$STATE" --ack=stdout "$URL" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "exit status" 78 $status || { cat "$DIR/err"; return 1; }
    grep -q "table $NAME\.merged" "$DIR/err" || fail "$(cat "$DIR/err")"
    snapshot --ack=stdout -T "$NAME.merged" >"$DIR/out"
    is "rows" '{"id":1}' "$(jq -c 'select(.op == "r") | .after' "$DIR/out")"
}

# bats test_tags=only:mariadb
@test "YEAR(2): the digits that the server prints" {
    msql "set sql_mode = ''; create table t (h int, id int primary key, y year(2), y4 year); insert into t values (0, 1, 93, 1993), (0, 2, 0, 0), (0, 3, '00', '2000'), (0, 4, 70, 1970), (0, 5, 69, 2069), (0, 6, null, null), (0, 7, '0000', '0000'), (0, 8, 2155, 2155), (0, 9, 1, 1901)"
    change_all() { msql "update t set h = 1"; }
    copy_and_follow change_all
    same_values
    msql -N "select id, cast(y as unsigned), cast(y4 as unsigned) from t order by id" | sed 's/NULL/null/g' >"$DIR/expected"
    diff "$DIR/expected" <(jq -r 'select(.op == "u") | .after | [.id, .y, .y4] | map(. // "null" | tostring) | join("\t")' "$DIR/log" | sed 's/false/0/')
    is "type" "year(2)" "$(jq -r 'select(.op == "schema") | .columns[] | select(.name == "y") | .type' "$DIR/log")"
}

@test "text keys: characters that share their Unicode stay two keys" {
    local charset
    # NEC's and IBM's code of one character, in each of the charsets that have such.
    for charset in "cp932 FBFC EEE0" "ujis A2E1 ADF1" "eucjpms A2E1 ADF1" "sjis 5C 815F" "big5 A451 A2CC"; do
        # shellcheck disable=SC2086
        set -- $charset
        msql "create table $1 (h int, k varchar(20) character set $1 collate ${1}_bin, v varchar(20) character set $1, primary key (k));
              insert into $1 values (1, x'$2', x'$2'), (2, x'$3', x'$3'), (3, x'61$3', 'a')"
    done
    change_keys() {
        local table
        for table in cp932 ujis eucjpms sjis big5; do msql "update $table set h = h + 10; delete from $table where h = 11; insert into $table values (4, 'new', '')"; done
    }
    copy_and_follow change_keys
    says "30 texts .*base64"
    is "keys of the snapshot" '"\\" {"base64":"YYFf"} {"base64":"gV8="}' "$(jq -c 'select(.op == "r" and .source.table == "sjis") | .key.k' "$DIR/snapshot" | xargs -d '\n')"
    is "a value that is no key" '"髙"' "$(jq -c 'select(.op == "u" and .source.table == "cp932" and .after.h == 12) | .after.v' "$DIR/log")"
    sed -E 's/"h":[0-9]+,?//' "$DIR/snapshot" | jq -c 'select(.op == "r") | [.source.table, .key, .after]' | LC_ALL=C sort >"$DIR/r"
    sed -E 's/"h":[0-9]+,?//g' "$DIR/log" | jq -c 'select(.op == "u") | [.source.table, .key, .after]' | LC_ALL=C sort >"$DIR/u"
    diff "$DIR/r" "$DIR/u"
    for charset in cp932 ujis eucjpms sjis big5; do
        is "rows of $charset" "$(msql -N "select count(*), sum(h) from $charset")" "$(copy "select count(*), sum(h) from $charset")"
    done
}

# -- tables that have more than a client sees

change_versions() {
    local table
    for table in v keyless explicit; do
        msql "set session binlog_row_image = ${1:-FULL};
              insert into $table (id, a) values (5, 'new'), (6, 'gone at once'); update $table set a = 'changed' where id = 1; delete from $table where id = 2;
              update $table set id = 30 where id = 3; insert into $table (id, a) values (2, 'again'); update $table set a = a where id = 4;
              delete from $table where id = 6; begin; update $table set a = 'x'; rollback; begin; update $table set a = concat(a, '!') where id < 3; delete from $table where id = 30; commit"
        msql "delete history from $table before system_time now(6)"
    done
    msql "replace into v (id, a) values (4, 'replaced')"
}
versioned_tables() {
    local table
    msql "create table v (id int primary key, a varchar(20), t text, unique (t)) with system versioning;
          create table keyless (id int, a varchar(20), b int without system versioning) with system versioning;
          create table explicit (id int primary key, a varchar(20), \`from\` timestamp(6) generated always as row start, till timestamp(6) generated always as row end invisible,
                                 period for system_time (\`from\`, till)) with system versioning"
    for table in v keyless explicit; do
        msql "insert into $table (id, a) values (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four'); update $table set a = 'four!' where id = 4"
    done
}
compare_versions() {
    same_as_source id,a,t v
    same_as_source id,a explicit
    is "columns" '[["id","a","t"],["id"]]' "$(columns_of v "$DIR/snapshot")"
    is "those of a period that was declared" '[["id","a","from","till"],["id"]]' "$(columns_of explicit "$DIR/snapshot")"
    for table in v keyless explicit; do is "columns in the log" "$(columns_of $table "$DIR/snapshot")" "$(columns_of $table "$DIR/log")"; done
    # The rows of the past are in none of the lines: without a key a sink could not find them again.
    is "lines of the log" "c c u d u c u d u u d" "$(jq -r 'select(.source.table == "keyless" and (.op | IN("c", "u", "d"))) | .op' "$DIR/log" | xargs)"
    is "keys" "id" "$(cat "$DIR/snapshot" "$DIR/log" | jq -r 'select(.key) | .key | keys | join(",")' | sort -u)"
    not grep -E 'row_start|row_end|DB_ROW_HASH' "$DIR/log"
}

# bats test_tags=only:mariadb
@test "system-versioned tables: the current rows, under the key that was declared" {
    versioned_tables
    copy_and_follow change_versions
    compare_versions
    # One more that becomes one keeps its key.
    versioned_later() {
        msql "alter table plain add system versioning; update plain set a = 2 where id = 1; delete from plain where id = 2; insert into plain values (3, 3)"
    }
    rm -r "$STATE" "$COPY"
    msql "create table plain (id int primary key, a int); insert into plain values (1, 1), (2, 2)"
    copy_and_follow versioned_later
    same_as_source id,a plain
    # And one that is none any more when the log is read: what it was then was kept.
    msql "update plain set a = 6 where id = 1; insert into plain values (4, 4); delete from plain where id = 3; set system_versioning_alter_history = keep; alter table plain drop system versioning; update plain set a = 5 where id = 4"
    binlog --ack=stdout --until now >"$DIR/log" || { cat "$DIR/err"; return 1; }
    is "lines" "u c d u" "$(jq -r 'select(.source.table == "plain" and (.op | IN("c", "u", "d"))) | .op' "$DIR/log" | xargs)"
    sink <"$DIR/log"
    same_as_source id,a plain
    # One that nobody saw while it was one is not guessed at.
    versions_end() {
        versioned_later
        msql "set system_versioning_alter_history = keep; alter table plain drop system versioning; update plain set a = 5 where id = 3"
    }
    rm -r "$STATE" "$COPY"
    msql "drop table plain; create table plain (id int primary key, a int); insert into plain values (1, 1), (2, 2)"
    snapshot --ack=stdout >"$DIR/snapshot"
    versions_end
    exits 75 binlog --ack=stdout --until now
    says "plain.*not known what they were.*cdc-snapshot"
    # It is read again.
    snapshot --ack=stdout >"$DIR/again"
    binlog --ack=stdout --until now >"$DIR/log" || { cat "$DIR/err"; return 1; }
    cat "$DIR/snapshot" "$DIR/again" "$DIR/log" | sink
    same_as_source id,a plain
}

# bats test_tags=only:mariadb
@test "system-versioned tables: partial row images, columns that the log does not name, history that is inserted" {
    local setting
    change_minimal() { change_versions MINIMAL; }
    for setting in MINIMAL NO_LOG; do
        versioned_tables
        msql "set global binlog_row_metadata = $setting"
        copy_and_follow change_minimal || { msql "set global binlog_row_metadata = FULL"; return 1; }
        msql "set global binlog_row_metadata = FULL"
        compare_versions
        rm -r "$STATE" "$COPY"
        msql "drop table v, keyless, explicit"
    done
    # MariaDB 10.11 and later let one write into the past.
    mysql_since 101100 || return 0
    [ "$(msql -N "select count(*) from information_schema.system_variables where variable_name = 'system_versioning_insert_history'")" = 1 ]
    versioned_tables
    insert_history() { msql "set system_versioning_insert_history = 1; insert into v (id, a, row_start, row_end) values (1, 'past', '2020-01-01', '2020-01-02'), (9, 'past', '2020-01-01', '2020-01-02')"; }
    copy_and_follow insert_history
    same_as_source id,a v
}

# bats test_tags=only:mariadb
@test "columns of one's own that are called row_start and row_end are columns" {
    msql "create table mine (id int, row_start timestamp(6) not null, row_end timestamp(6) not null, primary key (id, row_end)); insert into mine values (1, '2020-01-01', '2020-01-02')"
    change_mine() { msql "insert into mine values (2, '2020-01-01', '2020-01-03'); update mine set row_end = '2020-01-04' where id = 1"; }
    copy_and_follow change_mine
    is "columns" '[["id","row_start","row_end"],["id","row_end"]]' "$(columns_of mine "$DIR/log")"
    is "rows" "1 2020-01-04T00:00:00.000000Z 2 2020-01-03T00:00:00.000000Z" "$(copy 'select id, row_end from mine order by id' | xargs)"
}

# bats test_tags=only:mariadb
@test "versions by transaction: exit 78 and the cure, from the snapshot, from the log and from --check" {
    binlog --start now --until now >"$DIR/log"
    msql "create table v (id int primary key, a int, s bigint unsigned generated always as row start, e bigint unsigned generated always as row end, period for system_time (s, e)) with system versioning;
          insert into v (id, a) values (1, 1)"
    status=0
    snapshot --ack=stdout >"$DIR/out" || status=$?
    is "exit status of the snapshot" 78 "$status"
    says "TIMESTAMP\(6\)"
    is "rows" "" "$(jq -c 'select(.op == "r")' "$DIR/out")"
    exits 78 binlog --until now
    says "TIMESTAMP\(6\)"
    exits 78 binlog --check
    says "$NAME.v.*TIMESTAMP\(6\)"
}

@test "columns that the server hides are in no line" {
    local setting
    hidden() {
        if mysql_is_mariadb; then
            msql "create table h (id int primary key, DB_ROW_HASH_1 int, t text, b blob, unique (t), unique (b), unique (b, t)); insert into h values (1, 10, 'a', 'b'), (2, 20, 'c', null)"
        else
            msql "create table h (id int primary key, DB_ROW_HASH_1 int, t varchar(20), b varchar(20), unique ((lower(t))), key ((concat(b, t)))); insert into h values (1, 10, 'a', 'b'), (2, 20, 'c', null)"
        fi
    }
    change_hidden() {
        msql "update h set t = 'x' where id = 1; insert into h values (3, 30, 'z', 'z'); set session binlog_row_image = MINIMAL; update h set b = 'y' where id = 2; delete from h where id = 3"
    }
    for setting in FULL MINIMAL; do
        hidden
        msql "set global binlog_row_metadata = $setting"
        copy_and_follow change_hidden || { msql "set global binlog_row_metadata = FULL"; return 1; }
        msql "set global binlog_row_metadata = FULL"
        same_as_source id,DB_ROW_HASH_1,t,b h
        is "columns" '[["id","DB_ROW_HASH_1","t","b"],["id"]]' "$(columns_of h "$DIR/log")"
        is "the same as of the snapshot" "$(columns_of h "$DIR/snapshot")" "$(columns_of h "$DIR/log")"
        is "names in the lines" "DB_ROW_HASH_1 b id t" "$(jq -r 'select(.op | IN("c", "u", "d")) | .key, .before, .after | objects | keys[]' "$DIR/log" | sort -u | xargs)"
        is "unchanged" '["DB_ROW_HASH_1","t"]' "$(jq -c 'select(.unchanged) | .unchanged' "$DIR/log")"
        rm -r "$STATE" "$COPY"
        msql "drop table h"
    done
}

# bats test_tags=only:mariadb
@test "sequences: the log has a row for each time that one reserves numbers, and no line has; a copy of one is a table" {
    local metadata
    use_numbers() {
        msql "insert into bill values (nextval(numbers_of_bills), 1), (nextval(numbers_of_bills), 2), (nextval(numbers_of_bills), 3); do setval(numbers_of_bills, 500);
              alter sequence numbers_of_bills restart 900; insert into bill values (nextval(numbers_of_bills), 4); insert into numbers_kept select * from numbers_of_bills"
    }
    for metadata in NO_LOG FULL; do
        rm -rf "$STATE" "$COPY"
        mkdir "$STATE"
        msql "set global binlog_row_metadata = $metadata; create or replace sequence numbers_of_bills start with 100 cache 2; create or replace table bill (id bigint primary key, n int);
              create or replace table numbers_kept as select * from numbers_of_bills"
        copy_and_follow use_numbers
        is "tables" 'bill numbers_kept' "$(cat "$DIR/snapshot" "$DIR/log" | jq -r '.source.table // empty' | sort -u | xargs)"
        same_as_source id,n bill
        same_as_source next_not_cached_value,start_value,cycle_count numbers_kept
    done
    msql "set global binlog_row_metadata = FULL"
}

@test "labels with NUL in them, as a table has that was converted from utf16: the snapshot and the log have one value" {
    local metadata
    msql "create table l (id int primary key, e enum('a','b') character set utf16, s set('c','d') character set utf16) character set utf16"
    msql "alter table l convert to character set utf8mb4"
    msql "insert into l values (1, 2, 3)"
    for metadata in FULL MINIMAL; do
        rm -rf "$STATE" "$COPY" && mkdir -p "$STATE"
        msql "set global binlog_row_metadata = $metadata"
        more() { msql "update l set id = id + 1"; }
        copy_and_follow more
        jq -c 'select(.op == "r").after | del(.id)' "$DIR/snapshot" >"$DIR/expected"
        jq -c 'select(.op == "u").after | del(.id)' "$DIR/log" >"$DIR/actual"
        [ -s "$DIR/expected" ]
        cmp "$DIR/expected" "$DIR/actual" || { cat "$DIR/expected" "$DIR/actual"; return 1; }
    done
    msql "set global binlog_row_metadata = FULL"
    # Servers that convert labels, too, have none.
    [ "$(msql -N "select length(e) from l")" = 1 ] || grep -q '\\u0000' "$DIR/expected"
}
