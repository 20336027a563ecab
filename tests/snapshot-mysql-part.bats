#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A snapshot of MySQL and MariaDB in parts: of a part of the rows (--where), and in several attempts, each of which reads what the
# ones before it have not; and what it says of how far it is.
# takes: 70 s
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() {
    NAME=p$BATS_TEST_NUMBER
    DIR=$BATS_TEST_TMPDIR
    STATE=$DIR/state
    COPY=$DIR/copy.db
    URL=$(mysql_url)$NAME
    mkdir -p "$STATE"
    MYSQL_DATABASE='' msql "create database $NAME"
    MYSQL_DATABASE=$NAME
}
teardown() {
    end_spawned
    MYSQL_DATABASE='' msql "set global binlog_row_image = FULL"
    [ -z "${NAME:-}" ] || MYSQL_DATABASE='' msql "drop database if exists $NAME"
}

snapshot() { t cdc-snapshot --state-dir "$STATE" "$@" "$URL" 2>>"$DIR/err"; }
binlog() { t mysql-binlog --state-dir "$STATE" --heartbeat 0 "$@" "$URL" 2>>"$DIR/err"; }
sink() { t cdc-sink-sqlite --state-dir "$STATE" "$COPY" 2>>"$DIR/err"; }
copy() { sqlite3 -cmd '.timeout 30000' -separator ' ' "$COPY" "$1"; }
says() { grep -qE -- "$1" "$DIR/err" || fail "no message says '$1': $(cat "$DIR/err")"; }
state() { jq -r ".offsets[\"$NAME\"]$1" "$STATE/cdc-snapshot-$NAME.offset"; }
read_rows() { jq -r "select(.op == \"r\" and .source.table == \"$1\") | .after.id" "$2" | xargs; }
# exits STATUS COMMAND...
exits() {
    local expected=$1 status=0
    shift
    : >"$DIR/err"
    "$@" >"$DIR/out" || status=$?
    is "exit status of $*" "$expected" "$status" || { cat "$DIR/err"; return 1; }
}
# equal TABLE COLUMNS [CONDITION]: the copy has the source's rows for which that is true, and no others.
equal() {
    local mine="ifnull(${2//,/, \'-\'), \'|\', ifnull(}, '-')" theirs="ifnull(${2//,/, \'-\') || \'|\' || ifnull(}, '-')"
    msql -N "select concat($mine) from $1 where ${3:-true}" | LC_ALL=C sort >"$DIR/expected"
    copy "select $theirs from $1" | LC_ALL=C sort >"$DIR/actual"
    diff "$DIR/expected" "$DIR/actual" >"$DIR/report" || { head -20 "$DIR/report"; cat "$DIR/err"; fail "$1: the copy differs"; }
}
# numbers N: a derived table of n from 1 to N.
numbers() { echo "(with recursive n (n) as (select 1 union all select n + 1 from n where n < $1) select n from n) n"; }
fill() { msql "set @@$(if mysql_is_mariadb; then echo max_recursive_iterations; else echo cte_max_recursion_depth; fi) = 1000000; $1"; }

# -- a part of the rows

@test "--where: these rows are read, by one session and by several, and every change comes" {
    local jobs
    fill "create table t (id int primary key, v varchar(20), d date); insert into t select n, concat('v', n), '2026-01-01' + interval n day from $(numbers 300);
          create table u (id int primary key, v int); insert into u values (1, 1), (2, 2), (3, null);
          create table w (id int primary key); insert into w values (1), (2)"
    for jobs in 1 3; do
        snapshot -j $jobs --chunk-rows 50 --where "t:id % 7 = 0 -- every seventh" --where "$NAME.t:d >= date '2026-07-01' or v = 'v14' # and late" --where "u:v > (select min(id) from w)" | tee "$DIR/lines" | sink
        is "rows of t" "14 $(seq 182 7 300 | xargs)" "$(read_rows t "$DIR/lines")"
        is "rows of u" 2 "$(read_rows u "$DIR/lines")"
        is "rows of w" "1 2" "$(read_rows w "$DIR/lines")"
        # A row that was not read comes whole with its next change; one that is changed out of the condition stays.
        msql "update t set v = concat(v, '.') where id in (1, 14); delete from t where id in (2, 189); update t set id = 1000 + id where id = 3; insert into t values (400 + $jobs, 'new', null); update u set v = 0 where id = 2"
        binlog --until now | sink
        equal t id,v,d "id in (1, 14, 1003, 400 + $jobs) or (id % 7 = 0 and id between 182 and 300)"
        equal u id,v "id = 2"
        msql "delete from t where id > 400; update t set id = 3 where id = 1003; insert into t values (2, 'v2', '2026-01-03'), (189, 'v189', '2026-07-09'); update t set v = trim(trailing '.' from v); update u set v = 2 where id = 2"
        rm -r "$STATE" "$COPY"*
        mkdir "$STATE"
    done
}

refused() { # CONDITION MESSAGE
    exits 78 snapshot --ack=stdout --where "t:$1"
    says "error: --where of table $NAME.t: .*$2" || { echo "of '$1'"; return 1; }
    is "lines" 0 "$(wc -l <"$DIR/out")"
    exits 78 t cdc-snapshot --check --state-dir "$STATE" --where "t:$1" "$URL" 2>"$DIR/err"
    says "error: --where of table $NAME.t: .*$2"
}
@test "--where: what is no expression, or more than one, is refused with the server's words, 78, and --check finds it" {
    msql "create table t (id int primary key, v varchar(20)); insert into t values (1, 'a'), (2, '2'); create table hidden (id int)"
    refused 'nothing = 1' "[Uu]nknown column.*nothing"
    refused 'id >' 'syntax'
    refused 'id = 1) or (id = 2' 'syntax'
    refused "v = 'a" 'syntax'
    refused 'id = 1; drop table t' 'syntax'
    refused 'id = 1 limit 1' 'syntax'
    refused 'id = 1 order by id' 'syntax'
    refused 'id = 1 union select 2' 'syntax'
    refused "id = 1 into outfile '/tmp/x'" 'syntax'
    refused 'id = 1 for update' 'syntax'
    refused 'id = 1 /* open' 'syntax'
    refused 'true) -- ' 'syntax'
    refused 'id = ?' 'stands for no value'
    refused 'id = (select id, v from t)' '(1 column|Illegal parameter)'
    refused 'missing(id) = 1' 'missing'
    refused 'count(*) > 1' 'group function'
    # One that the server finds out row by row.
    exits 78 snapshot --ack=stdout --where 't:id = (select id from t where true)'
    says "error: --where of table $NAME.t: .*more than 1 row"
    is "rows of t" 2 "$(msql -N 'select count(*) from t')"
    # Without a key a sink would not find a row that was not read.
    exits 78 snapshot --ack=stdout --where 'hidden:id > 1'
    says "error: --where of table $NAME.hidden: the table has no key"
    exits 78 t cdc-snapshot --check --state-dir "$STATE" --where "h*:id = 1" "$URL" 2>"$DIR/err"
    says "error: --where of table $NAME.hidden: the table has no key"
    exits 78 snapshot --ack=stdout --where 'tt:id = 1'
    says "no table that is read matches --where 'tt:id = 1'"
    exits 78 t cdc-snapshot --check --state-dir "$STATE" --where "tt:id = 1" "$URL" 2>"$DIR/err"
    says "no table that is read matches --where 'tt:id = 1'"
    rm "$STATE"/cdc-snapshot-*
    exits 0 t cdc-snapshot --check --state-dir "$STATE" --where "t:id = 1 # one" "$URL" 2>"$DIR/err"
    exits 0 snapshot --ack=stdout --where 't:id = 1 # one' --where "x*:false"
    says "warning: no table that is read matches --where 'x\*:false'"
    is "rows" 1 "$(read_rows t "$DIR/out")"
}

@test "--where and row images that are not whole: 78, before anything is written, and --check finds it" {
    msql "create table t (id int primary key, v int, w int); insert into t values (1, 1, 1)"
    MYSQL_DATABASE='' msql "set global binlog_row_image = MINIMAL"
    exits 78 snapshot --ack=stdout --where 't:id = 2'
    says 'where needs binlog_row_image = FULL.*hint: SET GLOBAL binlog_row_image = FULL'
    is "lines" 0 "$(wc -l <"$DIR/out")"
    exits 78 t cdc-snapshot --check --state-dir "$STATE" --where "t:id = 2" "$URL" 2>"$DIR/err"
    says "table $NAME.t: --where needs binlog_row_image = FULL"
    exits 0 snapshot --ack=stdout
}

# A reader that takes its time: so many lines, and a rest.
slow_line() { echo "awk '{ print } NR % ${1:-300} == 0 { fflush(); system(\"sleep 0.2\") }'"; }
has_stored_point() {
    local point stored
    point=$(state ".state.points[0] | select(.table == \"$1\") | .pos" 2>/dev/null) || return 1
    stored=$(jq -r ".offsets[\"$NAME\"].pos // empty" "$STATE/cdc-sink-sqlite.offset" 2>/dev/null) || return 1
    [ -n "$point" ] && [ -n "$stored" ] && [[ ! $stored < $point ]]
}

@test "--where in several attempts: the same goes on after what is stored, another begins anew" {
    fill "create table a (id int primary key); insert into a values (1), (2); create table t (id int primary key, v int, filler varchar(500)); insert into t select n, n, repeat('x', 300) from $(numbers 40000)"
    spawn_line "cdc-snapshot --chunk-rows 200 --where 't:id % 2 = 0' --where 'a:id = 1' --state-dir '$STATE' '$URL' 2>>'$DIR/err' | $(slow_line) | cdc-sink-sqlite --batch-events 100 --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    wait_until has_stored_point t || { cat "$DIR/err"; return 1; }
    kill -KILL -- "-$SPAWNED"
    wait "$SPAWNED" || true
    rm -f "$STATE"/*.lock
    cp -r "$STATE" "$DIR/before"
    snapshot --where 't:id % 2 = 0' --where 'a:id = 1' | tee "$DIR/second" | sink
    says "goes on inside of table $NAME.t"
    is "tables" t "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/second" | xargs)"
    is "all of it" "20000 0" "$(copy 'select count(*), sum(id % 2) from t')"
    [ "$(grep -c '"op":"r"' "$DIR/second")" -lt 20000 ]
    rm -r "$STATE"
    cp -r "$DIR/before" "$STATE"
    : >"$DIR/err"
    snapshot --where 't:id % 2 = 1' --where 'a:id = 1' >"$DIR/other"
    says "all are read again"
    is "emptied" "a t" "$(jq -r 'select(.op == "t") | .source.table' "$DIR/other" | xargs)"
    is "rows" 20001 "$(grep -c '"op":"r"' "$DIR/other")"
}

@test "--where and a table that is read again: the same condition" {
    local n
    msql "create table t (id int primary key, v int); insert into t values (1, 1), (2, 2), (3, 3)"
    line() {
        local status=0
        : >"$DIR/err"
        t bash -o pipefail -c "{ cdc-snapshot --where 't:v < 3' --state-dir '$STATE' '$URL' && exec mysql-binlog --until now --state-dir '$STATE' '$URL'; } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'" || status=$?
        is "exit status" "$1" "$status" || { cat "$DIR/err"; return 1; }
    }
    line 0
    is "first" "1 2" "$(copy 'select id from t' | xargs)"
    msql "insert into t values (4, 4), (5, 5); update t set v = 9 where id = 1; alter table t add c int not null default 7"
    line 75
    is "every change" "1 2 4 5" "$(copy 'select id from t order by id' | xargs)"
    line 0
    says "table $NAME.t is read again"
    is "as one that begins now" "2 2 7" "$(copy 'select id, v, c from t')"
}

# -- how far it is

@test "progress on a terminal: one line that is written over, whatever its width, and one of all rows in the end" {
    local width
    fill "create table a (id int primary key, filler varchar(500)); insert into a select n, repeat('x', 300) from $(numbers 20000);
          create table b_with_a_name_that_takes_much_of_the_room (id int primary key); insert into b_with_a_name_that_takes_much_of_the_room values (1); create table c (id int primary key, v int); insert into c select n, n from $(numbers 500)"
    for width in 80 200; do
        rm -rf "$STATE"
        t python3 "$LIB/terminal.py" $width "$DIR/states" bash -o pipefail -c "cdc-snapshot --ack=stdout --state-dir '$STATE' '$URL' | awk '{ print } NR % 3000 == 0 { system(\"sleep 0.3\") }'" >"$DIR/all" || { cat "$DIR/states"; return 1; }
        is "rows" 20501 "$(grep -c '"op":"r"' "$DIR/all")"
        grep '^cdc-snapshot: ' "$DIR/all" | tail -1 | grep -q "is written: 20501 rows of 3 tables" || { cat "$DIR/all" | tail; return 1; }
        # Rows, bytes, per cent, and what is left; never more than all.
        grep -qE "^$NAME\.a [0-9]+ %.*; 0 of 3 tables [0-9]+ % [0-9]+ of [0-9]+ rows [0-9.]+ [kM]B .*left$" "$DIR/states" || { cat "$DIR/states"; fail "width $width"; }
        grep -oE '[0-9]+ %' "$DIR/states" | awk '$1 > 100 { exit 1 }'
        is "left on it" 0 "$(grep -c ' left$' "$DIR/all")"
    done
    # Not on a terminal, and by a wish: messages; figures in the file.
    rm -rf "$STATE"
    snapshot --ack=stdout --progress never --metrics-file "$DIR/metrics" >"$DIR/out"
    not grep -q "of 3 tables" "$DIR/err"
    is "rows" 20501 "$(sed -n 's/^cdc_snapshot_rows{.*} //p' "$DIR/metrics")"
    is "expected" 20501 "$(sed -n 's/^cdc_snapshot_expected_rows{.*} //p' "$DIR/metrics")"
    is "bytes" "$(wc -c <"$DIR/out")" "$(sed -n 's/^cdc_snapshot_bytes{.*} //p' "$DIR/metrics")"
    is "tables" 3 "$(sed -n 's/^cdc_snapshot_tables_done{.*} //p' "$DIR/metrics")"
}
