#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Files of the log, one after the other: what stands between two of them. What one file holds is in mysql-binlog.bats.
# takes: 20 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() { mysql_test_setup; }
teardown() { mysql_test_teardown; }

# Lines of those files, and messages: files STATUS FILE...
files() {
    local status=$1
    shift
    exits "$status" t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$@" >"$DIR/out" 2>"$DIR/err"
}
log_paths() { log_files | while read -r file; do log_file "$file"; done; }
size_of() { stat -c %s "$1"; }
# The rows that the lines leave: no two of one place, and each transaction with its commit.
no_place_twice() { is "places of two lines" "" "$(jq -r .pos "$DIR/out" | sort | uniq -d)"; }
in_transactions() { is "changes in transactions" "$1" "$(lines 'select(.op == "commit" and .events > 0) | .events' | xargs)"; }

# bats test_tags=only:mysql
@test "without GTIDs: a file that is followed by another, and ends too early: exit 65; of a server that was killed, each row" {
    local MYSQL_SERVER=plain first second between inside
    MYSQL_DATABASE='' mysql_start plain --gtid-mode=OFF --enforce-gtid-consistency=OFF
    MYSQL_DATABASE='' msql "create database $NAME"
    msql "create table t (id int primary key)"
    reset_log
    msql "insert into t values (1)"
    between=$(log_place)
    msql "begin; insert into t values (2); insert into t values (3); commit"
    cp "$(log_file "$(log_files)")" "$DIR/open"
    inside=$(msql -N "show binlog events in '$(log_files)'" | awk '$3 == "Write_rows" { place = $2 } END { print place }')
    msql "insert into t values (4); flush binary logs; insert into t values (5)"
    mapfile -t paths < <(log_paths)
    first=${paths[0]} second=${paths[1]}
    files 0 "${paths[@]}"
    is "all rows" "1 2 3 4 5" "$(ids)"
    is "messages" "" "$(grep -v ' info: ' "$DIR/err" || true)"
    # Copied while it was written: the rows up to there, and no more.
    files 65 "$DIR/open" "$second"
    says 'open was still open, and another one follows.*copy it again'
    is "rows of an open file" "1 2 3" "$(ids)"
    # Truncated between two transactions, and inside one: what came of it is not taken for a part of the next one.
    head -c "${between#*:}" "$first" >"$DIR/between"
    files 65 "$DIR/between" "$second"
    says 'between has no end, and another one follows'
    is "rows of a truncated file" "1" "$(ids)"
    head -c "$inside" "$first" >"$DIR/inside"
    files 65 "$DIR/inside" "$second"
    says 'inside ends inside a transaction, and another one follows'
    in_transactions 1
    # Killed between two transactions: the file has no end, and lacks nothing.
    mysql_kill plain
    MYSQL_DATABASE='' mysql_restart plain
    msql "insert into t values (6)"
    mapfile -t paths < <(log_paths)
    files 0 "${paths[@]}"
    is "all rows" "1 2 3 4 5 6" "$(ids)"
    says "warning: file $second has no end, and another one follows: where the server was not killed, it is truncated"
    # What is enough is read, and the next file is not asked for.
    exits 0 t mysql-binlog --name "$NAME" -t "$NAME.*" --max-events 1 --file "$DIR/open" "$DIR/none" >"$DIR/out" 2>"$DIR/err"
    is "rows up to the first" "1" "$(ids)"
    mysql_stop plain
}

# bats test_tags=only:mariadb
@test "a server that was killed within a transaction larger than what is buffered: none of its rows" {
    local MYSQL_SERVER=killed torn cut
    MYSQL_DATABASE='' mysql_start killed
    MYSQL_DATABASE='' msql "create database $NAME"
    msql "create table t (id int primary key, v varchar(200))"
    reset_log
    msql "insert into t values (1, 'a')"
    msql "insert into t select n, repeat('v', 150) from $(numbers 100 9000)"
    torn=$(log_file "$(log_files)")
    # Its events up to one of the last.
    cut=$(msql -N "show binlog events in '$(log_files)'" | awk '$3 ~ /Write_rows/ { place = $2 } END { print place }')
    [ "$cut" -gt 1000000 ]
    mysql_kill killed
    truncate -s "$cut" "$torn"
    MYSQL_DATABASE='' mysql_restart killed
    msql "insert into t values (50001, 'b')"
    mapfile -t paths < <(log_paths)
    files 0 "${paths[@]}"
    is "number of rows" 2 "$(ids | wc -w)"
    is "rows" "1 50001" "$(ids)"
    in_transactions "1 1"
    no_place_twice
    mysql_stop killed
}

# The replica's relay logs, in their order.
relay_paths() { find "$(mysql_dir replica)/data" -name 'relay.0*' | sort; }
# It has fetched all that the server has.
fetched() { [ "$(cat $(relay_paths) | grep -c -a last-one)" -gt 0 ]; }

# bats test_tags=only:mariadb
@test "relay logs: a transaction that goes on in the next file, also its COMMIT alone; large ones, and what was rolled back in them" {
    local i
    msql "create table t (id int primary key, v longtext); create table d (id int) engine = MyISAM"
    msql "insert into t values (1, 'a')"
    # A new file begins wherever one is full.
    MYSQL_DATABASE='' mysql_start replica --relay-log=relay --max-relay-log-size=4096
    MYSQL_DATABASE='' MYSQL_SERVER=replica msql "create database $NAME"
    MYSQL_SERVER=replica msql "create table t (id int primary key, v longtext); create table d (id int) engine = MyISAM"
    MYSQL_SERVER=replica msql "set global gtid_slave_pos = '$(log_gtids)'"
    mysql_replicate replica main
    MYSQL_SERVER=replica msql 'stop slave sql_thread'
    for ((i = 101; i <= 140; i++)); do echo "insert into t values ($i, repeat('v', 1900));"; done | msql
    for ((i = 200; i < 220; i++)); do
        echo "begin; insert into t values ($i, repeat('v', 150000)), ($((i + 100)), repeat('v', 150000)), ($((i + 200)), 'x');"
        echo "insert into t values ($((i + 300)), repeat('v', 150000)), ($((i + 400)), repeat('v', 150000)); commit;"
    done | msql
    # These rows are in the log, and what undoes them.
    msql "begin; insert into t values (901, 'stays'); savepoint a; insert into d values (1); insert into t values (902, 'goes'); rollback to a; insert into t values (903, 'stays'); commit"
    msql "insert into t values (999, 'last-one')"
    wait_until fetched
    MYSQL_SERVER=replica msql 'stop slave'
    mapfile -t paths < <(relay_paths)
    [ "${#paths[@]}" -gt 15 ]
    files 0 "${paths[@]}"
    no_place_twice
    is "rows" "$(msql -N "select id from t where id > 1 order by id" | xargs)" "$(lines 'select(.op == "c" and .source.table == "t") | .after.id' | sort -n | xargs)"
    is "large transactions" 20 "$(lines 'select(.op == "commit" and .events == 5)' | wc -l)"
    MYSQL_DATABASE='' mysql_stop replica
}

@test "files under other names, in a wrong order or twice: exit 65, and no row after a newer one" {
    local order
    msql "create table t (id int primary key, v int)"
    reset_log
    msql "insert into t values (1, 1); flush binary logs; update t set v = 2; flush binary logs; flush binary logs; update t set v = 3"
    mapfile -t paths < <(log_paths)
    for order in 0 1 2 3; do cp "${paths[order]}" "$DIR/f$order"; done
    values() { lines 'select(.op | IN("c", "u")) | .after.v' | xargs; }
    files 0 "$DIR"/f[0-3]
    is "values in order" "1 2 3" "$(values)"
    while read -r order; do
        # shellcheck disable=SC2086
        files 65 $(printf "$DIR/f%s " $order)
        values | tr ' ' '\n' | sort -n -c -u || fail "values of $order: $(values)"
    done <<<"0 0 1
1 0 2
3 1 0
3 3
0 1 1 3
0 3"
    files 65 "$DIR/f1" "$DIR/f0"
    says 'f0 is not one that follows f1: it is of before, or the same.*in their order, each once'
    reset_log
}

@test "XA transactions in files: rows where they are committed, none of those that are rolled back or have no end" {
    local before first last
    msql "create table t (id int primary key); flush binary logs"
    first=$(log_files | tail -1)
    msql "xa start 'a'; insert into t values (1); xa end 'a'; xa prepare 'a'"
    msql "insert into t values (2); xa start 'b'; insert into t values (3); xa end 'b'; xa prepare 'b'"
    msql "xa rollback 'b'; flush binary logs; insert into t values (4); xa commit 'a'"
    msql "xa start 'c'; insert into t values (5); xa end 'c'; xa prepare 'c'"
    last=$(log_files | tail -1)
    export TMPDIR=$DIR/tmp
    mkdir "$TMPDIR"
    files 0 "$(log_file "$first")" --file "$(log_file "$last")"
    is "rows" "2 4 1" "$(ids)"
    grep -q "warning: 1 XA transaction in the files is prepared" "$DIR/err" || fail "$(cat "$DIR/err")"
    is "left behind" "" "$(ls "$TMPDIR")"
    msql "xa rollback 'c'"
}
