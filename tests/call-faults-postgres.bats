#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each read, write, sync, rename, open, connect and malloc of pg-cdc and of cdc-snapshot goes wrong once, in turn; then it is
# killed there, and the power goes. What must hold: the exit status, whole lines, every row there in the end.
# takes: 75 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/faults

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    ROOT=$DIR/root
    SHADOW=
    sql "create table $NAME.t (id bigint primary key, v text)"
}
teardown() { pg_test_teardown; }

# The stream: each case has three transactions of its own, and goes on where the last one ended.
stream_case() {
    CASE=0
    mkdir -p "$ROOT"
    t pg-cdc --name "$NAME" -t "$NAME.*" --state-dir "$ROOT" --until now "$URL" >/dev/null 2>"$DIR/err"
    begin_case() {
        CASE=$((CASE + 1))
        : >"$ROOT/out"
        sql "insert into $NAME.t select $CASE * 100 + i, 'v' from generate_series(1, 3) i; insert into $NAME.t values ($CASE * 100 + 4, repeat('x', 300)); delete from $NAME.t where id = $CASE * 100 + 2"
        on_the_disk
    }
    run_case() { faulty pg-cdc --name "$NAME" -t "$NAME.*" --state-dir "$ROOT" --heartbeat 1 --retry-max 5 --until now "$URL" >>"$ROOT/out" 2>"$DIR/err"; }
    check_case() { stream_rows "c:01 c:02 c:03 c:04 d:02"; }
}
@test "pg-cdc: every call fails once" {
    stream_case
    all_faults error read write sync rename open connect memory
}
@test "pg-cdc: every read and write is shortened once" {
    stream_case
    all_faults short read write
}
@test "pg-cdc: killed at every write, sync and rename, and the power goes" {
    stream_case
    SHADOW=$DIR/shadow
    all_faults kill write sync rename
}

# The snapshot: a name of its own for each case, and thereby a slot.
snapshot_case() {
    CASE=0
    sql "insert into $NAME.t select i, 'v' || i from generate_series(1, 500) i; create table $NAME.u (a int, b int, primary key (a, b)); insert into $NAME.u select i, i from generate_series(1, 50) i"
    begin_case() {
        CASE=$((CASE + 1))
        drop_slots "and slot_name like '%$NAME'"
        sql "set client_min_messages = error; drop publication if exists cdc_$NAME"
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
