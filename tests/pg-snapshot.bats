#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-snapshot of PostgreSQL: several sessions, attempts that go on where the one before was killed, parts of the rows.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2046,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/pg-stale
load lib/crash

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    touch "$DIR/stop"
    pg_test_teardown
}
snapshot() { # shellcheck disable=SC2086
    eval "cdc-snapshot $(source_options) $*"; }
rows_of() { jq -c "select(.op == \"r\" and .source.table == \"$1\") | .after" "$DIR/out" | sort; }

@test "-j: the same rows as one session reads, once, in one order; partitions, a table without a row, rows of many sizes" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select i, repeat('x', i % 500) from generate_series(1, 12000) i; delete from $NAME.t where id % 7 = 0;
         insert into $NAME.t values (0, repeat('long', 200000)); create table $NAME.empty (id int primary key);
         create table $NAME.p (id int primary key, v int) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (100);
         create table $NAME.p2 partition of $NAME.p for values from (100) to (20000); insert into $NAME.p select i, i from generate_series(0, 19999) i"
    snapshot -j 3 --chunk-rows 300 >"$DIR/out"
    is "rows of t" "$(sql "select json_build_object('id', id, 'v', v) from $NAME.t" | jq -c . | sort | md5sum)" "$(rows_of t | md5sum)"
    is "rows of p" "$(sql "select json_build_object('id', id, 'v', v) from $NAME.p" | jq -c . | sort | md5sum)" "$(rows_of p | md5sum)"
    is "each pos is after the one before" "" "$(jq -r .pos "$DIR/out" | awk '$0 <= last {print; exit} {last = $0}')"
    is "schema lines" "empty p t" "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/out" | sort | xargs)"
    is "events of all commit lines" "$(grep -c '"op":"r"' "$DIR/out")" "$(jq 'select(.op == "commit") | .events' "$DIR/out" | awk '{n += $1} END {print n}')"
    is "tables, each in one piece" "empty p t" "$(jq -r 'select(.op == "r" or .op == "schema") | .source.table' "$DIR/out" | uniq | xargs)"
}

@test "-j: DDL that waits for the first session's lock holds up nobody: the others leave the table to it" {
    sql "create table $NAME.a (id int primary key, v text); insert into $NAME.a select i, repeat('x', 200) from generate_series(1, 40000) i;
         create table $NAME.b (id int primary key, v text); insert into $NAME.b select i, repeat('x', 200) from generate_series(1, 40000) i"
    spawn bash -c "eval \"\$1\" | '$LIB/slow.py' 8e6 >'$DIR/out'" - "cdc-snapshot -j 3 --chunk-rows 200 $(source_options) 2>'$DIR/err'"
    local reader=$SPAWNED
    wait_until grep -q '"op":"r"' "$DIR/out"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -XqAt -d "$DATABASE" -c "alter table $NAME.b add c int default 3"
    local ddl=$SPAWNED
    wait_until gone "$reader"
    wait_until gone "$ddl"
    is "rows" 80000 "$(grep -c '"op":"r"' "$DIR/out")"
    is "errors" "" "$(grep error "$DIR/err")"
}

@test "-j: a session that the server ends, and a server without connections for all of them" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select i, repeat('x', 100) from generate_series(1, 60000) i"
    spawn bash -c "eval \"\$1\" | '$LIB/slow.py' 8e6 >'$DIR/out'" - "cdc-snapshot -j 3 --chunk-rows 200 $(source_options) 2>'$DIR/err'"
    wait_until grep -q '"op":"r"' "$DIR/out"
    is "ended" t "$(sql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cdc-snapshot' and query like 'COPY%ctid%' limit 1")"
    wait_until gone "$SPAWNED"
    grep -q "attempt 2" "$DIR/err"
    is "rows of the second attempt" 60000 "$(grep '"op":"r"' "$DIR/out" | grep -c 'a0002')"
    sql "create role few$NAME login replication connection limit 3; grant postgres to few$NAME"
    URL=$(pg_url "$DATABASE" "few$NAME")
    cdc-snapshot -j 8 --name "few$NAME" --publication "cdc_$NAME" --slot "few_$NAME" -t "$NAME.*" --offset-file "$DIR/few.offset" "$URL" >"$DIR/out" 2>"$DIR/err"
    is "rows" 60000 "$(grep -c '"op":"r"' "$DIR/out")"
    grep -q "of 8 sessions" "$DIR/err"
    sql "drop owned by few$NAME; drop role few$NAME"
}

# One line under a supervisor; one of its processes, or all sessions of the snapshot at the server, are killed again and again while
# the rows are read and four clients write.
kill_one() {
    local pid
    case $1 in
    0 | 1) pid=$(member "$SUPERVISOR" cdc-snapshot) ;;
    2) pid=$(member "$SUPERVISOR" cdc-sink-sqlite) ;;
    *) sql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cdc-snapshot' and backend_type = 'client backend'" >/dev/null; return ;;
    esac
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
}
keeps_parts() { grep -q '"parts":\[{' "$STATE/cdc-snapshot-$NAME.offset"; }
copied_all() { sqlite_rows "$DIR/copy.db" 2>/dev/null && source_rows "$(printf "case when flag then 1 when not flag then 0 end")" && for t in accounts history branches; do python3 "$LIB/compare.py" "$DIR/$t.expected" "$DIR/$t.actual" >"$DIR/differs" || return 1; done; }
killed_snapshot() { # JOBS
    local client i
    COLD_ROWS=${CDC_SNAPSHOT_ROWS:-12000} SHARED_ROWS=2000
    crash_tables
    supervise "{ cdc-snapshot -j $1 --chunk-rows 40 $(source_options) && exec pg-cdc --heartbeat 1 $(source_options); } | '$LIB/slow.py' ${CDC_SNAPSHOT_RATE:-2e6} | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"
    TRAFFIC=()
    for client in 1 2 3 4; do
        awk -v client=$client -v n=${CDC_SNAPSHOT_CHANGES:-300} -v seed="$CRASH_SEED" -v schema="$NAME" -v shared=2000 -v cold="$COLD_ROWS" -v pause_ms=15 -f "$LIB/traffic.awk" >"$DIR/traffic$client.sql"
        PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -XqAt -d "$DATABASE" -f "$DIR/traffic$client.sql" >/dev/null 2>>"$DIR/traffic.err"
        TRAFFIC+=("$SPAWNED")
    done
    RANDOM=$((CRASH_SEED + $1))
    for ((i = 0; i < ${CDC_SNAPSHOT_KILLS:-5}; i++)); do
        wait_until has_member "$SUPERVISOR" cdc-snapshot
        wait_until keeps_parts
        pause_ms $((RANDOM % 1000))
        kill_one $((RANDOM % 4))
    done
    wait_until -t 120 traffic_done
    is "errors of the traffic" "" "$(head -3 "$DIR/traffic.err")"
    wait_until -t 180 has_member "$SUPERVISOR" pg-cdc
    wait_confirmed "$SLOT" 120
    wait_until -t 60 copied_all || { cat "$DIR/differs" >&2; tail -20 "$DIR/err" >&2; fail "the copy differs from the source"; }
    stop_supervised
    grep -q "is not read again" "$DIR/err" || fail "no attempt went on with what was stored"
    [ ! -e "$DIR/failed" ] || fail "the line ended with $(cat "$DIR/failed")"
}

@test "killed five times while four clients write: only what is missing is read, and the copy ends as the source; one session" {
    killed_snapshot 1
}
@test "killed five times while four clients write: only what is missing is read, and the copy ends as the source; three sessions" {
    killed_snapshot 3
}
