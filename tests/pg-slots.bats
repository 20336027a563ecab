#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an administrator looks at and sets: --check as a table and as JSON, slots made beforehand, slots that were invalidated,
# several hosts. Each cure is followed as it is printed.
# takes: 40 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    sql "create table $NAME.t (id bigint primary key, v text); insert into $NAME.t values (1, 'a')"
}
teardown() {
    local dir
    pg_test_teardown
    for dir in "${OTHERS[@]}"; do
        pg_down "$dir" immediate || true
        rm -rf "$dir"
    done
}
OTHERS=()
on() { PG_DIR=$1 DATABASE=postgres sql "$2"; }
# A server of the test's own, which becomes the one of sql and URL.
own_server() {
    PG_DIR=$(test_folder)
    OTHERS+=("$PG_DIR")
    pg_start "$PG_DIR" "$@"
    DATABASE=postgres URL=$(pg_url postgres)
    sql "create schema $NAME; create table $NAME.t (id bigint primary key, v text); insert into $NAME.t values (1, 'a')"
}
# ends STATUS COMMAND...: its output is in $DIR/out, its messages in $DIR/err.
ends() {
    local want=$1 got=0
    shift
    t "$@" >"$DIR/out" 2>"$DIR/err" || got=$?
    is "exit status of $*" "$want" "$got" || { cat "$DIR/out" "$DIR/err" >&2; return 1; }
}
cdc() { local want=$1; shift; ends "$want" pg-cdc --name "$NAME" -t "$NAME.*" "$@" "$URL"; }
fact() { is "$1" "$2" "$(jq -c "$1" "$DIR/out")" || { cat "$DIR/out" >&2; return 1; }; }
says() { grep -qE -- "$1" "$DIR/err" || fail "it does not say '$1': $(cat "$DIR/err")"; }
# The line as a user starts it, up to now; its copy is $DIR/copy.db.
line() {
    local status=0
    t bash -o pipefail -c "{ cdc-snapshot ${SNAPSHOT_EXTRA:-} $(source_options) && exec pg-cdc --until now $(source_options); } | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'" 2>"$DIR/err" || status=$?
    is "exit status of the line" "${1:-0}" "$status" || { cat "$DIR/err" >&2; return 1; }
}
copied() { sqlite3 "$DIR/copy.db" "select id from t order by id" | xargs; }

@test "--check --json: one object; facts of server, slot, publication and tables, and the status that a start has" {
    sql "create table $NAME.nokey (n int); create table $NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of $NAME.p default"
    cdc 78 --check --json
    is "lines" 1 "$(wc -l <"$DIR/out")"
    fact .exit_status 78
    fact .slot.exists false
    fact '[.findings[] | select(.severity == "error") | .code, .table]' "[\"replica_identity\",\"$NAME.nokey\"]"
    cdc 78
    # The cure, as it is printed.
    cdc 78 --check --json
    sql "$(jq -r '.findings[] | select(.code == "replica_identity").cure' "$DIR/out" | grep -o 'ALTER TABLE.*;')"
    cdc 0 --check --json
    cdc 0 --offset-file "$DIR/own" --until now
    sql "insert into $NAME.t select g, 'v' from generate_series(2, 2000) g"
    clock -36000 cdc 0 --check --json --offset-file "$DIR/own"
    fact .exit_status 0
    fact '[.server.role, .server.timeline]' '["primary",1]'
    is "system" "$(sql "select system_identifier from pg_control_system()")" "$(jq -r .server.system_id "$DIR/out")"
    fact '[.slot.exists, .slot.plugin, .slot.active, .slot.active_pid, .slot.wal_status, .slot.two_phase, .slot.temporary]' '[true,"pgoutput",false,null,"reserved",false,false]'
    is "slot" "$(sql "select confirmed_flush_lsn || ' ' || restart_lsn from pg_replication_slots where slot_name = '$SLOT'")" "$(jq -r '.slot | "\(.confirmed_flush_lsn) \(.restart_lsn)"' "$DIR/out")"
    jq -e '.lag.lag_bytes > 50000 and .slot.wal_kept_bytes >= .lag.lag_bytes and .lag.lag_seconds >= 0' "$DIR/out" || fail "$(cat "$DIR/out")"
    fact '[.publication.via_root, .publication.insert, .publication.truncate]' '[true,true,true]'
    fact '[.tables[] | select(.published) | [.table, .comes_as, .key]]' '[["nokey","nokey",null],["p","p",["id"]],["p1","p",["id"]],["t","t",["id"]]]'
    is "free senders" "$(sql "select current_setting('max_wal_senders')::int - count(*) from pg_stat_replication")" "$(jq .settings.wal_senders_free "$DIR/out")"
    is "messages" "" "$(cat "$DIR/err")"
    # For people: the same as a table, and the findings as ever.
    cdc 0 --check --offset-file "$DIR/own"
    grep -qE '^  plugin +pgoutput$' "$DIR/out" || fail "$(cat "$DIR/out")"
    grep -qE "^  $NAME +t +table +yes +t +default +id" "$DIR/out" || fail "$(cat "$DIR/out")"
    says "ok: slot \"$SLOT\" keeps WAL"
    cdc 0 -q --check
    is "quiet" "" "$(cat "$DIR/out")"
    ends 0 cdc-snapshot --name "$NAME" -t "$NAME.t" --state-dir "$STATE" --check --json "$URL"
    fact '[.tool, .exit_status, .tables[0].key]' '["cdc-snapshot",0,["id"]]'
    cdc 64 --json
    ends 69 pg-cdc --check --json "postgresql:///x?host=$DIR/none"
    fact '[.exit_status, .findings[0].severity]' '[69,"error"]'
    sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
    cdc 79 --check --json --offset-file "$DIR/own"
    fact '[.exit_status, (.findings[] | select(.severity == "error").code)]' '[79,"position"]'
}

@test "slots made by an administrator: the right one is used; others are refused with 78 and a name is to be chosen" {
    sql "create publication cdc_$NAME for table $NAME.t"
    refused() { # WHY STATEMENT
        sql "$2" >/dev/null
        cdc 78 --until now
        says "$1.*hint: choose another name with --slot or --name"
        cdc 78 --check
        says "$1"
        sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
    }
    refused "is of test_decoding, not of pgoutput" "select pg_create_logical_replication_slot('$SLOT', 'test_decoding')"
    refused "is a physical one" "select pg_create_physical_replication_slot('$SLOT')"
    refused "is a two-phase one" "select pg_create_logical_replication_slot('$SLOT', 'pgoutput', false, true)"
    DATABASE=postgres sql "select pg_create_logical_replication_slot('$SLOT', 'pgoutput')" >/dev/null
    cdc 78 --until now
    says 'belongs to database "postgres".*choose another name'
    DATABASE=postgres sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
    # A temporary one goes with its session.
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -XqAt -d "$DATABASE" -c "select pg_create_logical_replication_slot('$SLOT', 'pgoutput', true)" -c "select pg_sleep(1000)"
    wait_until slot_exists "$SLOT"
    cdc 75 --retry-max 0 --until now
    says "is in use by pid"
    sql "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '$SLOT'" >/dev/null
    wait_until eval '! slot_exists "$SLOT"'
    sql "select pg_create_logical_replication_slot('$SLOT', 'pgoutput'); insert into $NAME.t values (2, 'b')" >/dev/null
    cdc 0 --no-create --until now
    is "rows" 2 "$(jq -r 'select(.op == "c").after.id' "$DIR/out")"
}

@test "max_wal_senders=0: a person must change it, 78; pg-cdc counted as a synchronous standby: said, with the cure" {
    own_server "max_wal_senders = 0"
    cdc 78 --until now
    says "max_wal_senders is 0.*ALTER SYSTEM SET max_wal_senders = 10; and restart"
    ends 78 cdc-snapshot --name "$NAME" -t "$NAME.t" --offset-file "$DIR/s" "$URL"
    says "max_wal_senders is 0"
    cdc 78 --check
    says "max_wal_senders is 0"
    sql "ALTER SYSTEM SET max_wal_senders = 10"
    sed -i '/^max_wal_senders = 0/d' "$PG_DIR/data/postgresql.conf"
    pg_down "$PG_DIR"
    pg_up "$PG_DIR"
    cdc 0 --check --json
    fact '[.findings[] | select(.code == "synchronous_standby")]' '[]'
    local names
    for names in '*' 'ANY 1 (a, "pg-cdc")' 'FIRST 1 (*)'; do
        sql "alter system set synchronous_standby_names = '$names'"
        sql "select pg_reload_conf()" >/dev/null
        wait_until eval '[ "$(sql "show synchronous_standby_names")" = "$names" ]'
        cdc 0 --check --json
        fact '[.findings[] | select(.code == "synchronous_standby").severity]' '["warning"]'
    done
    sql "alter system set synchronous_standby_names = 'FIRST 1 (a, b)'"
    sql "select pg_reload_conf()" >/dev/null
    wait_until eval '[ "$(sql "show synchronous_standby_names")" = "FIRST 1 (a, b)" ]'
    cdc 0 --check --json
    fact '[.findings[] | select(.code == "synchronous_standby")]' '[]'
    # Or the commits of the teardown wait for it.
    sql "alter system reset synchronous_standby_names"
    sql "select pg_reload_conf()" >/dev/null
    wait_until eval '[ -z "$(sql "show synchronous_standby_names")" ]'
}

# bats test_tags=only:postgresql-17
@test "synchronized_standby_slots names a slot that is not there, or that nobody reads: --check says so, with the cure" {
    own_server
    local names
    standby_slots() {
        names=$2
        on "$PG_DIR" "alter system set synchronized_standby_slots = $1"
        on "$PG_DIR" "select pg_reload_conf()" >/dev/null
        wait_until eval '[ "$(on "$PG_DIR" "show synchronized_standby_slots")" = "$names" ]'
    }
    finding() { fact '[.findings[] | select(.code == "standby_slots").severity]' "$1"; }
    cdc 0 --until now
    # The server takes no name that it does not know; a slot may be dropped later.
    sql "select pg_create_physical_replication_slot('gone'), pg_create_physical_replication_slot('here')" >/dev/null
    standby_slots gone,here "gone, here"
    sql "select pg_drop_replication_slot('gone')" >/dev/null
    cdc 78 --check --json
    finding '["error","warning"]'
    cdc 78 --check
    says "names gone, which is no physical slot.*nothing is sent to slot \"$SLOT\""
    # It is true: nothing comes.
    sql "insert into $NAME.t values (2, 'waits')"
    spawn bash -c 'pg-cdc --name "$1" -t "$1.*" --idle-exit 60 --heartbeat 1 "$2" >"$3/waits" 2>"$3/waits.err"' - "$NAME" "$URL" "$DIR"
    wait_for_lines "$DIR/waits" 3
    wait_for_match "$DIR/waits.err" "warning: the server sends nothing: it waits for the standbys"
    not grep -q '"op":"c"' "$DIR/waits"
    # The cure: without it.
    standby_slots "''" ""
    wait_for_match "$DIR/waits" '"op":"c"'
    kill -TERM "$(member "$SPAWNED" pg-cdc)"
    wait_until gone "$SPAWNED"
    wait_until slot_idle "$SLOT"
    cdc 0 --check --json
    finding '[]'
    standby_slots "'here'" "here"
    cdc 0 --check --json
    finding '["warning"]'
    # Of a slot that no standby copies it is not asked.
    sql "select pg_drop_replication_slot('$SLOT'); select pg_create_logical_replication_slot('$SLOT', 'pgoutput')" >/dev/null
    cdc 0 --check --json
    finding '[]'
}

@test "several hosts, the first is a standby without the slot: --check and the snapshot go to the primary" {
    own_server
    local primary=$PG_DIR standby
    standby=$(test_folder)
    OTHERS+=("$standby")
    [ "$(id -u)" != 0 ] || chown postgres: "$standby"
    on "$primary" "checkpoint"
    (cd "$standby" && as_postgres "$(pg_bin)/pg_basebackup" -h "$primary" -U postgres -D "$standby/data" -R -c fast)
    sed -i "s#unix_socket_directories = .*#unix_socket_directories = '$standby'#" "$standby/data/postgresql.conf"
    pg_up "$standby"
    URL="postgresql:///postgres?host=$standby,$primary&user=postgres"
    cdc 0 --check --json
    fact .server.role '"primary"'
    line
    is "copied" 1 "$(copied)"
    on "$primary" "insert into $NAME.t values (2, 'b')"
    line
    is "copied" "1 2" "$(copied)"
}

# standby_of PRIMARY SETTING...: a copy of it that follows it, in $STANDBY
standby_of() {
    local primary=$1
    shift
    STANDBY=$(test_folder)
    OTHERS=("$STANDBY" "${OTHERS[@]}")
    [ "$(id -u)" != 0 ] || chown postgres: "$STANDBY"
    on "$primary" "select pg_create_physical_replication_slot('standby', true)" >/dev/null
    pg_down "$primary"
    cp -a "$primary/data" "$STANDBY/data"
    rm -rf "$STANDBY"/data/pg_replslot/*
    as_postgres touch "$STANDBY/data/standby.signal"
    printf '%s\n' "unix_socket_directories = '$STANDBY'" "primary_conninfo = 'host=$primary user=postgres dbname=postgres'" "primary_slot_name = 'standby'" "hot_standby_feedback = on" "$@" >>"$STANDBY/data/postgresql.conf"
    pg_up "$primary"
    pg_up "$STANDBY"
}
has_received() { [ "$(on "$STANDBY" "select pg_last_wal_receive_lsn() >= '$1'")" = t ]; }
# What is there on the server that is read now, and in the copy.
same_copy() { is "copy" "$(on "$1" "select id, v from $NAME.t order by id")" "$(sqlite3 "$DIR/copy.db" 'select id, v from t order by id')"; }
# t is to be read again, at a place of the log after what was changed; the standby has that place.
becomes_stale() {
    on "$1" "update $NAME.t set v = 'new'; insert into $NAME.t values (900, 'nine')"
    has_read() { line && [ "$(sqlite3 "$DIR/copy.db" "select v from t where id = 900")" = nine ]; }
    wait_until has_read
    t cdc-snapshot --again -q --name "$NAME" -t "$NAME.t" --state-dir "$STATE" "$URL"
    line 75
    wait_until has_received "$(on "$1" "select pg_current_wal_flush_lsn()")"
}

@test "the primary is away while rows are to be read, and its standby has no slot: waited for, not 79; --check says why" {
    own_server
    local primary=$PG_DIR
    standby_of "$primary"
    URL="postgresql:///postgres?host=$primary,$STANDBY&user=postgres"
    t bash -c "cdc-snapshot $(source_options) | head -c 0" 2>"$DIR/err" # an attempt that breaks off
    pg_down "$primary"
    ends 69 cdc-snapshot --retry-max 1 --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL"
    says "host $STANDBY is a standby, and has no slot"
    ends 78 cdc-snapshot --check --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL"
    says "standby, and has no slot"
    pg_up "$primary"
    line
    same_copy "$primary"
    becomes_stale "$primary"
    pg_down "$primary"
    SNAPSHOT_EXTRA="--retry-max 1" line 69
    cdc 69 --retry-max 1 --state-dir "$STATE"
    cdc 78 --check --state-dir "$STATE"
    says "standby, and has no slot"
    pg_up "$primary"
    line
    same_copy "$primary"
}

# bats test_tags=only:postgresql-17
@test "the primary is away while a table is to be read again, and its standby has a copy of the slot and an older state: not read there before it is promoted" {
    own_server
    local primary=$PG_DIR
    standby_of "$primary"
    URL="postgresql:///postgres?host=$primary,$STANDBY&user=postgres"
    line
    spawn_line "pg-cdc --heartbeat 1 $(source_options) | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"
    # The standby takes a copy that has caught up with its own log.
    copies() {
        on "$primary" "checkpoint; select pg_log_standby_snapshot()" >/dev/null
        on "$STANDBY" "select pg_sync_replication_slots()" >/dev/null
        [ "$(on "$STANDBY" "select synced and not temporary from pg_replication_slots where slot_name = '$SLOT'")" = t ]
    }
    wait_until copies
    kill -TERM "$(member "$SPAWNED" pg-cdc)"
    status_of "$SPAWNED"
    on "$STANDBY" "select pg_wal_replay_pause()"
    becomes_stale "$primary"
    pg_down "$primary"
    SNAPSHOT_EXTRA="--retry-max 1" line 69
    says "is only a copy"
    cdc 78 --check --state-dir "$STATE"
    says "is only a copy"
    on "$STANDBY" "select pg_promote()" >/dev/null
    PG_DIR=$STANDBY line
    same_copy "$STANDBY"
}

# Since 16 a standby has slots of its own; there are tools that keep one of that name there.
# bats test_tags=only:postgresql-17
@test "a standby with a slot that has not applied all of its log: no table is read there before it is where the stream was" {
    own_server
    local primary=$PG_DIR pid
    standby_of "$primary"
    URL="postgresql:///postgres?host=$primary,$STANDBY&user=postgres"
    line
    on "$STANDBY" "select pg_create_logical_replication_slot('$SLOT', 'pgoutput')" >"$DIR/slot" &
    pid=$!
    # a slot begins where the primary logs what runs
    wait_until eval 'on "$primary" "select pg_log_standby_snapshot()" >/dev/null; [ -s "$DIR/slot" ]'
    wait "$pid"
    on "$STANDBY" "select pg_wal_replay_pause()"
    becomes_stale "$primary"
    pg_down "$primary"
    SNAPSHOT_EXTRA="--retry-max 1" line 69
    says "it is waited for until it has the position"
    on "$STANDBY" "select pg_wal_replay_resume()"
    line
    same_copy "$STANDBY"
}

# Whatever took the slot: 79, and its cure is followed as it is printed.
cure_works() {
    sql "insert into $NAME.t values (100, 'while the slot was lost')"
    cdc 79 --check --json --state-dir "$STATE"
    fact .exit_status 79
    line 79
    says "take a new snapshot|take a new one"
    says "pg-cdc --drop"
    cdc 0 --drop
    rm -rf "$STATE" "$DIR"/copy.db*
    line
    is "copied" "$(sql "select id from $NAME.t order by id" | xargs)" "$(copied)"
}

@test "a slot that lost its log to max_slot_wal_keep_size: 79, and the cure" {
    own_server "max_slot_wal_keep_size = 16MB" "max_wal_size = 64MB" "wal_keep_size = 0"
    line
    local i
    for i in 1 2 3 4; do sql "insert into $NAME.t select i, repeat('x', 100) from generate_series($i * 200000, $i * 200000 + 150000) i; delete from $NAME.t where id > 1; select pg_switch_wal(); checkpoint" >/dev/null; done
    is "the slot" lost "$(sql "select wal_status from pg_replication_slots where slot_name = '$SLOT'")"
    cure_works
}

# bats test_tags=only:postgresql-18
@test "a slot that nobody read for longer than idle_replication_slot_timeout: 79, and the cure" {
    own_server
    line
    sql "alter system set idle_replication_slot_timeout = '1s'"
    sql "select pg_reload_conf()" >/dev/null
    timed_out() { sql "checkpoint"; [ "$(sql "select invalidation_reason from pg_replication_slots where slot_name = '$SLOT'")" = idle_timeout ]; }
    wait_until timed_out
    cdc 79 --check --json --state-dir "$STATE"
    fact '[.slot.invalidation_reason, .settings.idle_replication_slot_timeout]' '["idle_timeout","1s"]'
    sql "alter system reset idle_replication_slot_timeout"
    sql "select pg_reload_conf()" >/dev/null
    cure_works
}

# bats test_tags=only:postgresql-18
@test "a snapshot that takes longer than idle_replication_slot_timeout: its slot is in use, and the line goes on" {
    own_server "idle_replication_slot_timeout = '4s'"
    local began
    sql "insert into $NAME.t select g, repeat('x', 1000) from generate_series(2, 3000) g"
    spawn_line "{ cdc-snapshot $(source_options) && exec pg-cdc --until now $(source_options); } | { head -c 1000; until [ -e '$DIR/go' ]; do sleep 0.1; done; cat; } | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>'$DIR/err'"
    wait_until slot_exists "$SLOT"
    began=$(sql "select clock_timestamp()")
    has_passed() { [ "$(sql "select clock_timestamp() > '$began'::timestamptz + interval '6 s'")" = t ]; }
    wait_until has_passed
    sql "checkpoint"
    touch "$DIR/go"
    status_of "$SPAWNED" || fail "$(cat "$DIR/err")"
    is "invalidated" "" "$(sql "select invalidation_reason from pg_replication_slots where slot_name = '$SLOT'")"
    is "copied" 3000 "$(sqlite3 "$DIR/copy.db" 'select count(*) from t')"
}

# bats test_tags=only:postgresql-17
@test "a slot on a standby whose primary logs less, or removes rows that it needs: 79, and the cure" {
    own_server
    local primary=$PG_DIR standby helper reason
    standby=$(test_folder)
    OTHERS=("$standby" "${OTHERS[@]}")
    on "$primary" "create publication cdc_$NAME for table $NAME.t with (publish_via_partition_root = true)"
    [ "$(id -u)" != 0 ] || chown postgres: "$standby"
    pg_down "$primary"
    cp -a "$primary/data" "$standby/data"
    as_postgres touch "$standby/data/standby.signal"
    printf '%s\n' "unix_socket_directories = '$standby'" "primary_conninfo = 'host=$primary user=postgres'" "hot_standby_feedback = off" >>"$standby/data/postgresql.conf"
    pg_up "$primary"
    pg_up "$standby"
    URL=$(PG_DIR=$standby pg_url postgres)
    # A new slot begins where the primary logs what runs.
    PGHOST=$primary PGUSER=postgres spawn bash -c 'while sleep 0.2; do psql -XqAt -d postgres -c "select pg_log_standby_snapshot()"; done >/dev/null 2>&1'
    helper=$SPAWNED
    reason_is() { [ "$(on "$standby" "select invalidation_reason from pg_replication_slots where slot_name = '$SLOT'")" = "$1" ]; }
    for reason in rows_removed wal_level_insufficient; do
        PG_DIR=$standby line
        if [ $reason = rows_removed ]; then
            vacuumed() { on "$primary" "create table $NAME.x (n int); drop table $NAME.x"; on "$primary" "vacuum pg_class"; on "$primary" "vacuum pg_attribute"; on "$primary" "vacuum pg_type"; reason_is rows_removed; }
            wait_until vacuumed
        else
            on "$primary" "alter system set wal_level = replica"
            pg_down "$primary"
            pg_up "$primary"
            wait_until reason_is $reason
            cdc 79 --check --json --state-dir "$STATE"
            on "$primary" "alter system reset wal_level"
            pg_down "$primary"
            pg_up "$primary"
            wait_until eval '[ "$(on "$primary" "show wal_level")" = logical ]'
        fi
        cdc 79 --check --json --state-dir "$STATE"
        fact .slot.invalidation_reason "\"$reason\""
        PG_DIR=$standby line 79
        cdc 0 --drop
        rm -rf "$STATE" "$DIR"/copy.db*
        on "$primary" "insert into $NAME.t select max(id) + 1, '$reason' from $NAME.t"
        wait_until eval '[ "$(on "$primary" "select max(id) from $NAME.t")" = "$(on "$standby" "select max(id) from $NAME.t")" ]'
        PG_DIR=$standby line
        is "copied" "$(on "$primary" "select id from $NAME.t order by id" | xargs)" "$(copied)"
        cdc 0 --drop
        rm -rf "$STATE" "$DIR"/copy.db*
    done
    kill "$helper"
}
