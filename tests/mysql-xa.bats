#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# XA transactions: the log has their rows when they are prepared; lines come when they are committed, and only then.
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
setup() {
    mysql_test_setup
    msql "create table t (id int primary key, v varchar(100))"
}
teardown() {
    local format gtrid bqual xid
    { if mysql_is_mariadb; then msql -N xa recover; else msql -N xa recover convert xid; fi; } >"$DIR/prepared"
    while read -r format gtrid bqual xid; do
        mysql_is_mariadb && xid=0x$(printf %s "$xid" | od -An -v -tx1 | tr -d ' \n')
        finish "xa rollback X'${xid:2:2 * gtrid}',X'${xid:2 + 2 * gtrid:2 * bqual}',$format"
    done <"$DIR/prepared"
    mysql_test_teardown
}

# finish STATEMENT: once the session that prepared the transaction has let go of it.
finish() { wait_until quietly "$1"; }
quietly() { msql "$1" 2>/dev/null; }
# prepare XID STATEMENTS: in a session of its own, which then ends.
prepare() { msql "xa start $1; $2; xa end $1; xa prepare $1"; }
kept() { find "$DIR/p.xa" -type f ! -name '*.tmp' 2>/dev/null | wc -l; }

@test "prepared: no line; committed in another session: its lines, as one transaction, behind what came between" {
    begin
    prepare "'a'" "insert into t values (1, 'one'); update t set v = 'uno' where id = 1; insert into t values (2, 'two')"
    msql "insert into t values (10, 'between')"
    read_all
    is "ids" 10 "$(ids)"
    is "kept" 1 "$(kept)"
    is "mode" 600 "$(stat -c %a "$(find "$DIR/p.xa" -type f | head -1)")"
    msql "insert into t values (11, 'before the commit')"
    finish "xa commit 'a'"
    msql "insert into t values (12, 'behind')"
    read_all
    is "ids" "11 1 2 12" "$(ids)"
    is "operations" "c commit c u c commit c commit" "$(jq -r 'select(.op != "schema") | .op' "$DIR/out" | xargs)"
    is "events" "1 3 1" "$(jq -r 'select(.op == "commit") | .events' "$DIR/out" | xargs)"
    ordered "$DIR/out"
    read_all
    is "kept when it is confirmed" 0 "$(kept)"
}

@test "rolled back: no line but a commit; ONE PHASE: as any other; ids of all bytes" {
    begin
    prepare "'gone'" "insert into t values (1, 'never')"
    prepare "X'00FF27', X'5C0A', 2147483647" "insert into t values (2, 'odd id')"
    read_all
    is "kept" 2 "$(kept)"
    finish "xa rollback 'gone'"
    msql "xa start 'o'; insert into t values (3, 'one phase'); xa end 'o'; xa commit 'o' one phase"
    finish "xa commit X'00FF27', X'5C0A', 2147483647"
    read_all
    is "ids" "3 2" "$(ids)"
    msql "insert into t values (4, 'last')"
    read_all
    read_all
    is "kept" 0 "$(kept)"
}

@test "the same id again, several at a time, committed in another order" {
    local i
    begin
    for i in 1 2 3; do
        prepare "'x','$i'" "insert into t values ($i, 'first')"
    done
    finish "xa commit 'x','2'"
    finish "xa rollback 'x','1'"
    prepare "'x','2'" "insert into t values (22, 'second')"
    prepare "'x','1'" "insert into t values (11, 'second')"
    read_all
    is "ids" 2 "$(ids)"
    finish "xa commit 'x','1'"
    finish "xa commit 'x','3'"
    finish "xa rollback 'x','2'"
    read_all
    is "ids" "11 3" "$(ids)"
}

@test "the server restarts between: the transaction is committed behind it" {
    begin
    prepare "'over'" "insert into t values (1, 'one')"
    read_all
    MYSQL_DATABASE='' mysql_restart
    finish "xa commit 'over'"
    read_all
    is "ids" 1 "$(ids)"
}

@test "a sink that is behind: the prepared rows are there still when the log is read again" {
    local again
    sink_has() { printf '{"format":1,"tool":"cdc-sink-sqlite","time":"2026-01-01T00:00:00Z","offsets":{"%s":%s}}\n' "$NAME" "$1" >"$DIR/ack"; }
    begin
    sink_has "$(jq -c ".offsets[\"$NAME\"] | {pos, seq, lines: 1, source}" "$DIR/p")"
    prepare "'a'" "insert into t values (2, 'two')"
    finish "xa commit 'a'"
    msql "insert into t values (3, 'three')"
    for again in 1 2 3; do
        : >"$DIR/out"
        binlog --offset-file "$DIR/p" --ack "$DIR/ack" --until now
        is "ids, run $again" "2 3" "$(ids)"
    done
    sink_has "$(jq -c 'select(.op == "commit") | {pos, seq, lines: 3, source}' "$DIR/out" | tail -1)"
    : >"$DIR/out"
    binlog --offset-file "$DIR/p" --ack "$DIR/ack" --until now
    is "ids" "" "$(ids)"
    is "kept" 0 "$(kept)"
}

@test "committed, but prepared before reading began, or its file is gone: exit 79, nothing is passed over" {
    prepare "'early'" "insert into t values (1, 'one')"
    begin
    finish "xa commit 'early'"
    msql "insert into t values (2, 'two')"
    exits 79 binlog --offset-file "$DIR/p" --until now
    is "ids" "" "$(ids)"
    rm -rf "$DIR"/p*
    begin
    prepare "'file'" "insert into t values (3, 'three')"
    read_all
    rm "$DIR"/p.xa/*
    finish "xa commit 'file'"
    exits 79 binlog --offset-file "$DIR/p" --until now
    is "ids" "" "$(ids)"
}

@test "without a place to keep them: exit 78 at the prepared transaction" {
    local place
    msql "flush binary logs"
    place=$(log_place)
    prepare "'nowhere'" "insert into t values (1, 'one')"
    exits 78 binlog --start "$place" --until now --ack stdout
    says "state-dir"
    of_file() { TMPDIR=$DIR/none t mysql-binlog --schema-from "$URL" --file "$(log_file "${place%:*}")" >"$DIR/out" 2>"$DIR/err"; }
    exits 78 of_file
    says "TMPDIR"
    is "ids" "" "$(ids)"
}

# Each takes a number, and commits or rolls back some time later, in another session than it began.
xa_traffic() {
    awk -v n="$1" 'BEGIN {
        srand(7)
        for (i = 1; i <= n; i++) {
            printf "xa start \"r%d\"; insert into t values (%d, \"new\"), (%d, \"more\"); update t set v = concat(left(v, 20), %d) where id = %d; xa end \"r%d\"; xa prepare \"r%d\";\n", i, i * 10, i * 10 + 1, i, i * 10, i, i
            printf "insert into t values (%d, \"plain\");\n", i * 10 + 2
            waits[i] = 1
            for (j = 1; j <= i; j++)
                if ((j in waits) && rand() < 0.2) { printf "xa %s \"r%d\";\n", rand() < 0.7 ? "commit" : "rollback", j; delete waits[j] }
        }
        for (j in waits) printf "xa %s \"r%d\";\n", rand() < 0.7 ? "commit" : "rollback", j
    }' | while read -r line; do
        case $line in "xa commit"* | "xa rollback"*) finish "$line" ;; *) msql "$line" ;; esac
    done
}

@test "SIGKILL again and again under XA transactions: the copy is the source" {
    local i line traffic status
    line="mysql-binlog --name $NAME -t '$NAME.*' --state-dir '$STATE' --heartbeat 1 --start now '$URL' 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    spawn_line "$line"
    wait_until -t 120 has_beginning
    xa_traffic "${CDC_XA_TRANSACTIONS:-60}" 2>"$DIR/traffic.err" 3>&- &
    traffic=$!
    SPAWNED_ALL+=("$traffic")
    for i in $(seq 12); do
        pause_ms $((i * 37 % 200 + 30))
        wait_until has_member "$SPAWNED" mysql-binlog
        kill -KILL "$(member "$SPAWNED" mysql-binlog)"
        status_of "$SPAWNED" 2>/dev/null || true
        spawn_line "$line"
    done
    wait_until -t 120 gone "$traffic"
    is "errors of the traffic" "" "$(cat "$DIR/traffic.err")"
    msql "insert into t values (0, 'the end')"
    wait_until -t 120 has_end || { cat "$DIR/err"; ls -R "$STATE"; head -c 600 "$STATE"/*.offset; return 1; }
    kill -TERM "$(member "$SPAWNED" mysql-binlog)"
    status_of "$SPAWNED"
    diff <(msql -N "select id, v from t order by id") <(sqlite3 -separator $'\t' "$DIR/copy.db" 'select id, v from t order by id')
    [ "$(sqlite3 "$DIR/copy.db" "select count(*) from t where id % 10 = 0")" -gt 10 ]
}
# Something that came behind the place where reading began.
has_beginning() {
    msql "insert into t select ifnull(min(id), 0) - 1, 'beginning' from t"
    [ "$(sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" 'select count(*) from t' 2>/dev/null || echo 0)" -gt 0 ] && msql "delete from t"
}
has_end() { [ "$(sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" 'select count(*) from t where id = 0' 2>/dev/null)" = 1 ]; }
