#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each read, write, sync, rename, open, connect and malloc of mysql-binlog and of cdc-snapshot goes wrong once, in turn; then they
# are killed there, and the power goes. What must hold: the exit status, whole lines, every row there in the end.
# takes: 45 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/faults

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() {
    mysql_test_setup
    ROOT=$DIR/root
    SHADOW=
    msql "create table t (id bigint primary key, v text)"
}
teardown() { mysql_test_teardown; }

# The stream: each case has transactions of its own, one of them XA, and goes on where the last one ended.
stream_case() {
    CASE=0
    mkdir -p "$ROOT"
    t mysql-binlog --name "$NAME" -t "$NAME.*" --offset-file "$ROOT/p" --start now --until now "$URL" >/dev/null 2>"$DIR/err"
    begin_case() {
        CASE=$((CASE + 1))
        : >"$ROOT/out"
        msql "insert into t values ($CASE * 100 + 1, 'v'), ($CASE * 100 + 2, 'v'); xa start 'x'; insert into t values ($CASE * 100 + 3, repeat('x', 300)); xa end 'x'; xa prepare 'x'; xa commit 'x'; delete from t where id = $CASE * 100 + 2"
        on_the_disk
    }
    run_case() { faulty mysql-binlog --name "$NAME" -t "$NAME.*" --offset-file "$ROOT/p" --heartbeat 1 --retry-max 5 --until now "$URL" >>"$ROOT/out" 2>"$DIR/err"; }
    check_case() { stream_rows "c:01 c:02 c:03 d:02"; }
}
@test "mysql-binlog: every call fails once" {
    stream_case
    all_faults error read write sync rename open connect memory
}
@test "mysql-binlog: every read and write is shortened once" {
    stream_case
    all_faults short read write
}
@test "mysql-binlog: killed at every write, sync and rename, and the power goes" {
    stream_case
    SHADOW=$DIR/shadow
    all_faults kill write sync rename
}
# The lines after a statement go out once what it made of the table is kept: where that fails, they come again.
@test "mysql-binlog: each write, sync and rename fails once after an ALTER TABLE, where the log does not name columns" {
    msql "set global binlog_row_metadata = minimal"
    stream_case
    begin_case() {
        CASE=$((CASE + 1))
        : >"$ROOT/out"
        msql "alter table t add column c$CASE int; insert into t (id, v) values ($CASE * 100 + 1, 'v'), ($CASE * 100 + 2, 'v'), ($CASE * 100 + 3, 'w'); delete from t where id = $CASE * 100 + 2"
        on_the_disk
    }
    all_faults error write sync rename open
    msql "set global binlog_row_metadata = full"
}

snapshot_case() {
    msql "insert into t select n, concat('v', n) from $(numbers 1 500); create table u (a int, b int, primary key (a, b)); insert into u select n, n from $(numbers 1 50)"
    begin_case() {
        rm -rf "$ROOT"
        mkdir -p "$ROOT"
        : >"$ROOT/out"
        on_the_disk
    }
    run_case() { faulty cdc-snapshot --name "$NAME" -t "$NAME.*" --state-dir "$ROOT" --retry-max 5 "$URL" >>"$ROOT/out" 2>"$DIR/err"; }
    check_case() { snapshot_rows 550; }
}
@test "cdc-snapshot: every call fails once" {
    snapshot_case
    FAULT_PLACES=${CDC_FAULT_PLACES:-6}
    all_faults error read write sync rename open connect memory
}
@test "cdc-snapshot: killed at every write, sync and rename, and the power goes" {
    snapshot_case
    SHADOW=$DIR/shadow
    FAULT_PLACES=${CDC_FAULT_PLACES:-6}
    all_faults kill write sync rename
}
