#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Waits for a PostgreSQL server: who is silent, who is only slow, and what ends the wait.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
# takes: 60 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    local dir
    thaw 2>/dev/null || true
    pg_test_teardown
    for dir in "${OTHERS[@]}"; do
        pg_down "$dir" immediate || true
        rm -rf "$dir"
    done
}
OTHERS=()
FROZEN=()

# A server of the test's own, with the table t; its settings are the arguments.
other_server() {
    OTHER=$(test_folder)
    OTHERS+=("$OTHER")
    pg_start "$OTHER" "$@"
    on "create table t (id int primary key, v text); insert into t select i, repeat('x', 100) from generate_series(1, 2000) i"
    OTHER_URL="$(PG_DIR=$OTHER pg_url postgres)"
}
on() { PG_DIR=$OTHER DATABASE=postgres sql "$1"; }
# All of it, as a machine that hangs: its sockets take connections, and nobody answers.
freeze() {
    local main
    main=$(head -1 "$OTHER/data/postmaster.pid")
    mapfile -t FROZEN < <(echo "$main"; pgrep -P "$main")
    kill -STOP "${FROZEN[@]}"
}
thaw() { [ ${#FROZEN[@]} = 0 ] || kill -CONT "${FROZEN[@]}"; FROZEN=(); }
# A session that holds a lock until it is ended.
hold() {
    PGHOST=$OTHER PGUSER=postgres spawn psql -Xq -d postgres -c "begin; lock table t in access exclusive mode; select pg_sleep(600)"
    HOLDER=$SPAWNED
    wait_until eval '[ "$(on "select count(*) from pg_locks where mode = '"'AccessExclusiveLock'"' and granted and relation = '"'t'::regclass"'")" = 1 ]'
}
waits_for_lock() { [ "$(on "select count(*) from pg_locks where not granted")" != 0 ]; }

@test "several hosts: one that takes connections and is silent is given up, and the next is tried" {
    spawn_line "exec python3 -c 'import socket, time; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(50); print(s.getsockname()[1], flush=True); time.sleep(600)' >'$DIR/port'"
    wait_until test -s "$DIR/port"
    sql "create table $NAME.t (id int primary key)"
    local port
    port=$(sql "show port")
    t pg-cdc --name "$NAME" -t "$NAME.t" --retry-max 0 --until now "host=127.0.0.1,$CDC_PG_DIR port=$(cat "$DIR/port"),$port user=postgres dbname=$DATABASE connect_timeout=1" >"$DIR/out"
    is "lines" 1 "$(wc -l <"$DIR/out")"
    run -69 t pg-cdc --name "$NAME" -t "$NAME.t" --retry-max 0 --until now "host=127.0.0.1,127.0.0.1 port=$(cat "$DIR/port") user=postgres dbname=$DATABASE connect_timeout=1"
    [[ $output == *"no answer from 127.0.0.1 within 1 s"* ]] || fail "$output"
}

@test "a wait for a lock is said after a signal, gives statistics, and ends at once with the second signal" {
    other_server
    hold
    spawn pg-cdc --name p -t public.t "$OTHER_URL" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED
    wait_until waits_for_lock
    kill -USR1 "$pid"
    wait_for_match "$DIR/err" 'info: lines in '
    kill -TERM "$pid"
    wait_for_match "$DIR/err" 'still waiting for an answer of the server'
    kill -TERM "$pid"
    local status=0
    status_of "$pid" || status=$?
    is "exit status" 0 "$status"
    kill -INT "$HOLDER"
    on "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()" >/dev/null
    is "what is left behind" 0 "$(on "select count(*) from pg_replication_slots")"
}

@test "a server that hangs inside a question or a table's rows is not waited for: 69; one with a lock to wait for is" {
    other_server
    on "create publication cdc_p for table t"
    hold
    spawn cdc-snapshot --retry-max 0 --name p --offset-file "$DIR/o" "$OTHER_URL&connect_timeout=1" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED status=0
    wait_until waits_for_lock
    pause_ms 12000
    kill -0 "$pid"
    freeze
    status_of "$pid" || status=$?
    is "exit status" 69 "$status"
    grep -q 'no answer from the server for [0-9]* s, and it takes no new connection' "$DIR/err" || fail "$(cat "$DIR/err")"
    thaw
    kill -INT "$HOLDER"
}

@test "a walsender that is silent is left alone as long as the server has it" {
    other_server "wal_sender_timeout = 1s"
    spawn pg-cdc --name p --heartbeat 0 -t public.t "$OTHER_URL&connect_timeout=1" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED sender
    wait_for_match "$DIR/err" 'created slot'
    wait_until eval '[ "$(on "select count(*) from pg_stat_replication")" = 1 ]'
    sender=$(on "select pid from pg_stat_replication")
    kill -STOP "$sender"
    FROZEN=("$sender")
    wait_for_match "$DIR/err" 'has sent nothing for [0-9]* s, and is at work'
    on "insert into t values (5000, 'after')"
    thaw
    wait_for_match "$DIR/out" '"id":5000'
    is "walsender" "$sender" "$(on "select pid from pg_stat_replication")"
    ! grep -q 'trying again' "$DIR/err" || fail "$(cat "$DIR/err")"
    # A server that hangs as a whole is left.
    freeze
    wait_for_match "$DIR/err" 'the server is silent for [0-9]* s'
    thaw
    on "insert into t values (5001, 'later')"
    wait_for_match "$DIR/out" '"id":5001'
    kill -TERM "$pid"
    status_of "$pid"
}

@test "a new slot says that it waits for a prepared transaction" {
    other_server "max_prepared_transactions = 2"
    on "begin; insert into t values (9000, 'p'); prepare transaction 'forgotten'"
    spawn pg-cdc --name p -t public.t "$OTHER_URL" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED
    wait_for_match "$DIR/err" "waits for older transactions to end: prepared transaction 'forgotten' .postgres, in database postgres, since"
    on "rollback prepared 'forgotten'"
    wait_for_match "$DIR/err" 'created slot'
    kill -TERM "$pid"
    status_of "$pid"
}

@test "no connection is left for the plain session: the stream goes on, and does not take that for a shutdown" {
    sql "create table $NAME.t (id int primary key); create role low_$NAME login replication; grant usage on schema $NAME to low_$NAME; create publication cdc_$NAME for table $NAME.t"
    spawn pg-cdc --name "$NAME" --heartbeat 1 "host=$CDC_PG_DIR dbname=$DATABASE user=low_$NAME" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED
    wait_for_match "$DIR/err" 'created slot'
    sql "insert into $NAME.t values (1)"
    wait_for_match "$DIR/out" '"id":1'
    sql "alter role low_$NAME connection limit 0; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'low_$NAME' and backend_type = 'client backend'" >/dev/null
    # Longer than a server that shuts down is given.
    pause_ms 5000
    sql "insert into $NAME.t values (2)"
    wait_for_match "$DIR/out" '"id":2'
    ! grep -qE 'shutting down|trying again' "$DIR/err" || fail "$(cat "$DIR/err")"
    kill -TERM "$pid"
    status_of "$pid"
    drop_slots
    sql "drop publication cdc_$NAME; drop owned by low_$NAME; drop role low_$NAME"
}

@test "more tables than the server has locks for: 78, with the cure; a snapshot without a row says so" {
    other_server "max_locks_per_transaction = 10" "max_connections = 10" "max_wal_senders = 2" "max_replication_slots = 2" "autovacuum = off" "max_prepared_transactions = 0"
    on "do \$\$ begin for i in 1..800 loop execute format('create table many_%s (id int primary key)', i); if i % 20 = 0 then commit; end if; end loop; end \$\$"
    run -78 t cdc-snapshot --retry-max 0 --name p --offset-file "$DIR/o" "$OTHER_URL"
    [[ $output == *"out of shared memory"*"max_locks_per_transaction"* ]] || fail "$output"
    t pg-cdc -q --drop --name p "$OTHER_URL"
    t cdc-snapshot --name q -t public.many_1 --offset-file "$DIR/q" "$OTHER_URL" 2>"$DIR/err" >"$DIR/out"
    grep -q 'warning: the snapshot of "q" is empty: no row in 1 table' "$DIR/err" || fail "$(cat "$DIR/err")"
}
