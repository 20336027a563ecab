#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What identifies a row of MySQL and MariaDB (connectors/mysql/decoder/row_key.h): --check, the snapshot and the log, with names
# in it and without, have one answer for a table.
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
# takes: 20 s
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
}
teardown() {
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    mysql_is_mariadb || ! mysql_since 80030 || MYSQL_DATABASE='' msql "set global show_gipk_in_create_table_and_information_schema = ON"
    mysql_test_teardown
}

least() { if mysql_is_mariadb; then echo NO_LOG; else echo MINIMAL; fi; }
snapshot() { t cdc-snapshot --name "$NAME" --state-dir "$DIR/snapshots" --ack=stdout "$URL" >"$DIR/snapshot" 2>"$DIR/err" || fail "$(cat "$DIR/err")"; }

# One table a line: its name, its key (- for none), how it is made. Each has two columns at least that take a number, a and b.
PERIOD='f timestamp(6) generated always as row start, e timestamp(6) generated always as row end, period for system_time (f, e)'
tables() {
    cat <<'END'
pk a (a int primary key, b int not null, unique (b))
composite a,c (a int, b int, c int default 1, primary key (c, a))
descending a (a int, b int, primary key (a desc))
prefix a (a varchar(40), b int, primary key (a(10)))
prefix_wide a,b (a varchar(40), b int, primary key (a(10), b))
blob_prefix a (a blob not null, b int, primary key (a(10)))
invisible a (a int invisible auto_increment primary key, b int)
partitioned a,b (a int, b int, primary key (a, b)) partition by hash (b) partitions 2
none - (a int, b int)
u a (b int, a int not null, unique (a))
u_null - (a int, b int, unique (a))
u_half - (a int not null, b int, unique (a, b))
u_wide a,b (a int not null, b int not null, unique (b, a))
u_prefix - (a varchar(40) not null, b int, unique (a(10)))
u_mixed - (a int not null, b varchar(40) not null, unique (a, b(10)))
u_invisible a (a int not null default 1 invisible, b int, unique (a))
u_myisam a (a int not null, b int, unique (a)) engine = myisam
two b (a int not null, b int not null, unique y (b), unique x (a))
two_null a (b int, a int not null, unique y (b), unique x (a))
two_wide b,c (a int not null, b int not null, c int not null default 1, unique y (c, b), unique x (a))
END
    if mysql_is_mariadb; then
        cat <<END
u_text - (a text not null, b int, unique (a))
u_text_wide - (a text not null, b int not null, unique (b, a))
u_text_and b (a text not null, b int not null, unique (a), unique (b))
overlaps a,s,e (a int, b int, s date default '2020-01-01', e date default '2020-02-01', period for p (s, e), primary key (a, p without overlaps))
v a (a int primary key, b int) with system versioning
v_none - (a int, b int) with system versioning
v_u a (a int not null, b int, unique (a)) with system versioning
v_u_null - (a int, b int, unique (a)) with system versioning
v_text - (a text not null, b int, unique (a)) with system versioning
p a (a int primary key, b int, $PERIOD) with system versioning
p_none - (a int, b int, $PERIOD) with system versioning
p_u a (a int not null, b int, $PERIOD, unique (a)) with system versioning
p_and_end a (a int, b int, $PERIOD, primary key (a, e)) with system versioning
p_end - (a int, b int, $PERIOD, primary key (e)) with system versioning
p_u_end - (a int, b int, $PERIOD, unique (e)) with system versioning
END
    else
        cat <<'END'
is_stored a (b int not null, a int generated always as (b + 1) stored not null, unique (a))
only_virtual - (b int not null, a int generated always as (b + 1) virtual not null, unique (a))
expression - (a int not null, b int, unique ((a + 1)))
expression_and b (a int not null, b int not null, unique y ((a + 1)), unique x (b))
END
    fi
}
# insert TABLE NUMBER
insert() {
    case $1 in is_stored | only_virtual) msql "insert into $1 (b) values ($2)" ;; *) msql "insert into $1 (a, b) values ($2, $2)" ;; esac
}
keys_of() { jq -r 'select(.op | IN("r", "c", "u", "d")) | .source.table + " " + (.key // {"-": 0} | keys_unsorted | join(","))' "$1" | LC_ALL=C sort -u; }
schema_keys() { jq -r 'select(.op == "schema") | .source.table + " " + (.key_columns | if . == [] then "-" else join(",") end)' "$1" | LC_ALL=C sort -u; }
# same FILE: the lines have the keys of $DIR/expected.
same() {
    diff "$DIR/expected" <(keys_of "$1")
    diff "$DIR/expected" <(schema_keys "$1")
    is "no NULL in a key" "" "$(jq -c 'select(.key != null and any(.key[]; . == null))' "$1")"
    is "hidden columns" "" "$(grep -oE '"(DB_ROW_HASH_[0-9]+|row_start|row_end)"' "$1" | sort -u)"
}
# change TABLE FROM: three new rows, of which one is changed and one deleted. A time that ends is only once in a key.
change() {
    case $1 in p_end | p_u_end) msql "update $1 set b = b + 1"; return ;; esac
    insert "$1" "$2"
    insert "$1" $(($2 + 1))
    msql "update $1 set b = $2 + 5 where b = $2; delete from $1 where b = $2 + 1"
}
# log_says METADATA FROM: changes of all tables, read from a log with such metadata.
log_says() {
    local table rest
    msql "set global binlog_row_metadata = $1"
    rm -f "$DIR"/p*
    begin
    while read -r table rest; do change "$table" "$2" || return 1; done <"$DIR/expected"
    read_all
    same "$DIR/out"
}

@test "primary, unique, prefix, generated and versioned keys: --check, snapshot and log agree" {
    local name key definition
    tables >"$DIR/tables"
    while read -r name key definition; do
        msql "create table $name $definition" && insert "$name" 1 || return 1
    done <"$DIR/tables"
    cut -d' ' -f1,2 "$DIR/tables" | LC_ALL=C sort >"$DIR/expected"
    snapshot
    same "$DIR/snapshot"
    log_says FULL 1000
    log_says "$(least)" 2000
    [ "$(least)" = MINIMAL ] || log_says MINIMAL 3000
    t mysql-binlog --check --name "$NAME" "$URL" 2>"$DIR/err"
    diff <(sed -n 's/ -$//p' "$DIR/expected") <(sed -n "s/.*table $NAME\.\([a-z_]*\) has no key: .*/\1/p" "$DIR/err" | LC_ALL=C sort)
    says "ok: $(wc -l <"$DIR/expected") tables selected, $(grep -c ' -$' "$DIR/expected") without a key"
}

@test "a key that is dropped, made, made nullable or replaced between two rows: each line has the key of its time" {
    local metadata
    for metadata in FULL "$(least)"; do
        msql "set global binlog_row_metadata = $metadata; drop table if exists k; create table k (a int not null, b int not null)"
        rm -f "$DIR"/p*
        begin
        : >"$DIR/all"
        for statement in "" "alter table k add unique ub (b)" "alter table k add unique ua (a)" "alter table k add primary key (a, b)" "alter table k drop primary key" "alter table k drop key ub" "alter table k modify a int null"; do
            [ -z "$statement" ] || msql "$statement"
            msql "delete from k; insert into k values (1, 2)"
            read_all
            jq -r 'select(.op == "c") | .key // {"-": 0} | keys_unsorted | join(",")' "$DIR/out" >>"$DIR/all"
        done
        is "keys with $metadata" "- b b a,b b a -" "$(xargs <"$DIR/all")"
    done
}

# bats test_tags=only:mysql
@test "the primary key that MySQL makes: also where the server is told not to show it" {
    mysql_since 80030 || skip "before MySQL 8.0.30"
    local show
    for show in ON OFF; do
        msql "set global show_gipk_in_create_table_and_information_schema = $show"
        msql "drop table if exists g, gu; set sql_generate_invisible_primary_key = 1; create table g (a int, b int); create table gu (a int not null, b int, unique (a)); insert into g values (1, 1); insert into gu values (1, 1)"
        rm -rf "$DIR/snapshots"
        printf '%s\n' "g my_row_id" "gu a" >"$DIR/expected"
        snapshot
        same "$DIR/snapshot"
        log_says FULL 10
        log_says MINIMAL 20
        t mysql-binlog --check --name "$NAME" "$URL" 2>"$DIR/err"
        says "ok: 2 tables selected, 0 without a key"
    done
}

@test "a key whose values would read alike, enum and set with an empty label: 78 by snapshot and log, and a finding" {
    local kind metadata status start
    for kind in "enum('x', '')" "set('', 'x')"; do
        for metadata in FULL "$(least)"; do
            msql "drop table if exists e, good; create table good (a enum('x', '''') primary key, b enum('')); create table e (a $kind, b int, primary key (a, b))"
            MYSQL_DATABASE='' msql "set global binlog_row_metadata = $metadata"
            start=$(log_place)
            msql "set sql_mode = ''; insert into good values ('x', ''), ('''', 'none')"
            t mysql-binlog --name "$NAME" --start "$start" --until now "$URL" >"$DIR/out" 2>"$DIR/err" || fail "$(cat "$DIR/err")"
            msql "set sql_mode = ''; insert into e values ('', 1), (0, 1)" 2>/dev/null || msql "set sql_mode = ''; insert into e values ('', 1)"
            status=0
            t mysql-binlog --name "$NAME" --start "$start" --until now "$URL" >"$DIR/out" 2>"$DIR/err" || status=$?
            is "exit status of the log, $metadata" 78 $status
            grep -q "table $NAME\.e: column a of its key has a label ''" "$DIR/err" || fail "$(cat "$DIR/err")"
            is "rows before it" 2 "$(grep -c '"op":"c"' "$DIR/out")"
        done
        status=0
        t cdc-snapshot --name "$NAME" --ack=stdout --state-dir "$DIR/s" "$URL" >"$DIR/out" 2>"$DIR/err" || status=$?
        is "exit status of the snapshot" 78 $status
        grep -q "table $NAME\.e: column a of its key has a label ''" "$DIR/err" || fail "$(cat "$DIR/err")"
        status=0
        t mysql-binlog --check "$URL" >"$DIR/out" 2>"$DIR/err" || status=$?
        is "exit status of --check" 78 $status
        grep -q "error: table $NAME\.e: a column of its key has a label ''" "$DIR/err" || fail "$(cat "$DIR/err")"
        not grep -q "$NAME\.good.* label" "$DIR/err"
    done
}

@test "--check tells names apart that differ in case or accent alone" {
    msql 'create table tt (id int primary key, v int); create table TT (v int); create table cafe (id int primary key); create table café (v int)'
    t mysql-binlog --check "$URL" >"$DIR/out" 2>"$DIR/err" || true
    grep -q "4 tables selected, 2 without a key" "$DIR/err" || fail "$(cat "$DIR/err")"
    is "named" 2 "$(grep -c 'has no key' "$DIR/err")"
    ! grep -qE '\.(tt|cafe) has no key' "$DIR/err" || fail "$(cat "$DIR/err")"
}

# bats test_tags=only:mariadb
@test "MariaDB: a column of the user's that is called as a hash of the server's is in the lines of a file" {
    msql "flush binary logs; create table h (id int primary key, DB_ROW_HASH_9 bigint unsigned not null); insert into h values (1, 77); flush binary logs"
    local log
    log=$(msql -N 'show binary logs' | tail -2 | head -1 | cut -f 1)
    t mysql-binlog -q --file "$(mysql_dir)/data/$log" >"$DIR/out"
    is "row" '{"id":1,"DB_ROW_HASH_9":77}' "$(jq -c 'select(.op == "c") | .after' "$DIR/out")"
}
