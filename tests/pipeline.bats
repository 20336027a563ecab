#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The promises of the whole line, against a real server: no row is lost, changed
# or reordered, whatever is killed, stopped or full.
# takes: 80 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    COPY=$DIR/copy.db
    LINE=$(full_line "cdc-sink-sqlite --state-dir '$STATE' '$COPY'")
}
teardown() { pg_test_teardown; }

HUGE_ROWS=${CDC_HUGE_ROWS:-200000}
copy() { sqlite3 -cmd '.timeout 30000' "$COPY" "$1"; }
# A table of n rows: id, v, filler.
table_of() { sql "create table $NAME.t (id bigint primary key, v text, filler text); insert into $NAME.t select i, 'v' || i, repeat('x', ${2:-50}) from generate_series(1, $1) i"; }
# The copy holds exactly what the source holds.
copy_equals_source() {
    sql_file -c "select json_build_array(id, v, filler) from $NAME.t" >"$DIR/t.expected"
    copy "select json_array(id, v, filler) from t" >"$DIR/t.actual"
    python3 "$LIB/compare.py" "$DIR/t.expected" "$DIR/t.actual"
}
start_line() {
    spawn_line "$LINE 2>>'$DIR/err'"
    GROUP=$SPAWNED
}
# Waits until all that is committed is stored.
line_caught_up() {
    wait_until -t 120 has_member "$GROUP" pg-cdc || { cat "$DIR/err"; return 1; }
    wait_confirmed "$SLOT" "${1:-60}" || { cat "$DIR/err"; return 1; }
}
stop_line() {
    local status=0
    kill -TERM "$(member "$GROUP" pg-cdc)"
    status_of "$GROUP" || status=$?
    is "exit status of the line after SIGTERM to its source" 0 "$status"
}
acked() { jq -r ".offsets[\"$NAME\"].source.lsn // 0" "$STATE/cdc-sink-sqlite.offset"; }

@test "the line copies what is there, and then every change" {
    table_of 5000
    start_line
    line_caught_up
    is "rows after the snapshot" 5000 "$(copy 'select count(*) from t')"
    sql "insert into $NAME.t values (10001, 'new', null); update $NAME.t set v = 'changed' where id = 7; delete from $NAME.t where id <= 3; update $NAME.t set id = 20000 where id = 4"
    line_caught_up
    copy_equals_source
    stop_line
    # Started again it goes on, and does not copy again.
    sql "update $NAME.t set v = 'later' where id = 8"
    start_line
    line_caught_up
    copy_equals_source
    stop_line
}

@test "SIGTERM at any moment: exit 0, whole lines, and the next start goes on where it stopped" {
    sql "create table $NAME.t (id bigint primary key, v text)"
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --offset-file "$DIR/s" "$URL" >"$DIR/snapshot.out" 2>"$DIR/err"
    sql_file -c "select 'insert into $NAME.t values (' || i || ', repeat(''y'', ' || i % 300 || '));' from generate_series(1, 20000) i" >"$DIR/in.sql"
    sql_file -o /dev/null -f "$DIR/in.sql" 3>&- &
    local writer=$! i status
    SPAWNED_ALL+=("$writer")
    RANDOM=99
    for ((i = 0; i < 20; i++)); do
        spawn_line "exec pg-cdc --name $NAME -t '$NAME.*' --offset-file '$DIR/p' '$URL' >>'$DIR/out' 2>>'$DIR/err'"
        pause_ms $((RANDOM % 300 + 1))
        kill -TERM "$SPAWNED"
        status=0
        status_of "$SPAWNED" || status=$?
        # Before the handlers are there, the signal ends the process as it ends every program.
        [ "$status" = 0 ] || [ "$status" = 143 ] || { tail -5 "$DIR/err"; fail "exit status $status"; }
        [ "$status" = 0 ] || [ "$i" -gt 0 ]
        whole_lines "$DIR/out"
    done
    wait "$writer"
    t pg-cdc --name "$NAME" -t "$NAME.*" --offset-file "$DIR/p" --until now "$URL" >>"$DIR/out" 2>>"$DIR/err"
    whole_lines "$DIR/out"
    is "rows, each once" 20000 "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | sort -u | wc -l)"
    is "lines" 20000 "$(grep -c '"op":"c"' "$DIR/out")"
    # Positions rise from line to line, over all the runs.
    jq -r 'select(.op != "schema") | .pos' "$DIR/out" >"$DIR/pos"
    LC_ALL=C sort -c -u "$DIR/pos"
}

@test "SIGTERM to every process of the line, the way a terminal does it: nothing is lost" {
    table_of 20000
    local i pid
    RANDOM=7
    for ((i = 0; i < 12; i++)); do
        start_line
        pause_ms $((RANDOM % 250 + 1))
        for pid in $(pgrep -g "$GROUP" cdc); do kill -INT "$pid" 2>/dev/null || true; done
        status_of "$GROUP" || true
        sql "update $NAME.t set v = 'round $i' where id % 97 = $i; delete from $NAME.t where id = $i * 50 + 1"
    done
    start_line
    line_caught_up
    copy_equals_source
    stop_line
}

@test "one huge transaction: no tool needs more than 64 MB" {
    sql "create table $NAME.t (id bigint primary key, v text, filler text)"
    start_line
    line_caught_up
    sql "insert into $NAME.t select i, 'v' || i, repeat('z', 100) from generate_series(1, $HUGE_ROWS) i"
    line_caught_up 600
    local tool kib
    for tool in pg-cdc cdc-filter cdc-sink-sqlite; do
        kib=$(peak_kib "$(member "$GROUP" "$tool")")
        echo "# $tool: peak $kib KiB" >&3
        [ "$kib" -lt 65536 ] || fail "$tool took $kib KiB"
    done
    stop_line
    is "rows" "$HUGE_ROWS" "$(copy 'select count(*) from t')"
    is "one transaction, one commit" 1 "$(copy "select count(*) from (select 1 from t where id = $HUGE_ROWS)")"
}

@test "one huge transaction into a webhook: not more than 64 MB" {
    sql "create table $NAME.t (id bigint primary key, v text, filler text)"
    spawn python3 "$LIB/http_stub.py" "$DIR/port" "$DIR/body"
    wait_until test -s "$DIR/port"
    LINE=$(full_line "cdc-sink-http --webhook --format=ndjson --state-dir '$STATE' http://127.0.0.1:$(cat "$DIR/port")/")
    start_line
    line_caught_up
    sql "insert into $NAME.t select i, 'v' || i, repeat('z', 100) from generate_series(1, $HUGE_ROWS) i"
    line_caught_up 600
    local kib
    kib=$(peak_kib "$(member "$GROUP" cdc-sink-http)")
    echo "# cdc-sink-http: peak $kib KiB" >&3
    [ "$kib" -lt 65536 ] || fail "cdc-sink-http took $kib KiB"
    stop_line
    is "rows that arrived" "$HUGE_ROWS" "$(grep -o '"op":"c"' "$DIR/body" | wc -l)"
}

@test "a snapshot of many rows: not more than 64 MB" {
    table_of "$HUGE_ROWS" 100
    spawn_line "cdc-snapshot $(source_options) 2>>'$DIR/err' | { read -r first; echo \$BASHPID >'$DIR/reader'; kill -STOP \$BASHPID; cat; } >'$DIR/out'"
    # The reader is stuck: the pipe is full, and what the server sends must not pile up.
    wait_until reader_stopped
    local pid before after
    pid=$(member "$SPAWNED" cdc-snapshot)
    pause_ms 1000
    kill -CONT "$(cat "$DIR/reader")"
    before=0
    while after=$(peak_kib "$pid") && [ -n "$after" ]; do before=$after; pause_ms 20; done
    echo "# cdc-snapshot: peak $before KiB" >&3
    [ "$before" -lt 65536 ]
    status_of "$SPAWNED"
    is "rows" "$HUGE_ROWS" "$(grep -c '"op":"r"' "$DIR/out")"
}

reader_stopped() { [ -s "$DIR/reader" ] && grep -q '^State:.T' "/proc/$(cat "$DIR/reader")/status"; }

@test "pg-cdc | head -3" {
    table_of 10
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --offset-file "$DIR/s" "$URL" >/dev/null 2>"$DIR/err"
    sql "insert into $NAME.t select i from generate_series(100, 60000) i"
    run -74 --separate-stderr t bash -c 'pg-cdc -q --name "$0" -t "$0.*" --offset-file "$1" --until now "$2" | head -3 >"$3"; exit "${PIPESTATUS[0]}"' "$NAME" "$DIR/p" "$URL" "$DIR/head"
    is "stderr" "" "$stderr"
    is "lines" 3 "$(wc -l <"$DIR/head")"
    whole_lines "$DIR/head"
}

@test "pg-cdc | jq -c .after" {
    table_of 1
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --offset-file "$DIR/s" "$URL" >/dev/null 2>"$DIR/err"
    sql "insert into $NAME.t values (2, 'two'), (3, 'thrée \"\\'); update $NAME.t set v = null where id = 2; delete from $NAME.t where id = 3"
    t bash -o pipefail -c 'pg-cdc --name "$0" -t "$0.*" --offset-file "$1" --until now "$2" | jq -c "select(.op | length == 1) | .after" >"$3"' "$NAME" "$DIR/p" "$URL" "$DIR/after" 2>"$DIR/err"
    diff "$DIR/after" - <<'END'
{"id":2,"v":"two","filler":null}
{"id":3,"v":"thrée \"\\","filler":null}
{"id":2,"v":null,"filler":null}
null
END
}

@test "pg-cdc > file: confirmed once it is in the file, and not again" {
    table_of 1
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" >/dev/null 2>"$DIR/err"
    sql "insert into $NAME.t select i from generate_series(10, 1009) i"
    t pg-cdc --name "$NAME" -t "$NAME.*" --state-dir "$STATE" --until now "$URL" >"$DIR/one" 2>"$DIR/err"
    is "rows" 1000 "$(grep -c '"op":"c"' "$DIR/one")"
    t pg-cdc --name "$NAME" -t "$NAME.*" --state-dir "$STATE" --until now "$URL" >"$DIR/two" 2>"$DIR/err"
    is "rows of the second run" 0 "$(grep -c '"op":"c"' "$DIR/two")"
}

@test "a full disk behind pg-cdc and cdc-snapshot: exit 74, nothing is confirmed" {
    table_of 1000
    run -74 t bash -c 'cdc-snapshot --name "$0" -t "$0.*" --offset-file "$1" "$2" >/dev/full' "$NAME" "$DIR/s" "$URL"
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --offset-file "$DIR/s" "$URL" >"$DIR/out" 2>"$DIR/err"
    is "rows at the second attempt" 1000 "$(grep -c '"op":"r"' "$DIR/out")"
    sql "insert into $NAME.t select i from generate_series(10000, 10099) i"
    run -74 t bash -c 'pg-cdc --name "$0" -t "$0.*" --offset-file "$1" --until now "$2" >/dev/full' "$NAME" "$DIR/p" "$URL"
    t pg-cdc --name "$NAME" -t "$NAME.*" --offset-file "$DIR/p" --until now "$URL" >"$DIR/out" 2>"$DIR/err"
    is "rows at the second attempt" 100 "$(grep -c '"op":"c"' "$DIR/out")"
}

walsender() { sql "select active_pid from pg_replication_slots where slot_name = '$SLOT'"; }

@test "a sink stopped for longer than wal_sender_timeout: the connection lives, nothing is lost" {
    table_of 10
    # CDC_STOP_SECONDS=120: two minutes, with a timeout of ten seconds.
    local seconds=${CDC_STOP_SECONDS:-9}
    sql "alter system set wal_sender_timeout = '$((seconds < 30 ? 3 : 10))s'"
    sql "select pg_reload_conf()" >/dev/null
    start_line
    line_caught_up
    local before end
    before=$(walsender)
    kill -STOP "$(member "$GROUP" cdc-sink-sqlite)"
    # More than all the pipes and buffers hold.
    sql "insert into $NAME.t select i, 'v' || i, repeat('z', 500) from generate_series(100, 60000) i"
    end=$((SECONDS + seconds))
    while [ $SECONDS -lt $end ]; do
        is "the walsender" "$before" "$(walsender)"
        pause_ms 200
    done
    kill -CONT "$(member "$GROUP" cdc-sink-sqlite)"
    line_caught_up
    local after
    after=$(walsender)
    sql "alter system reset wal_sender_timeout"
    sql "select pg_reload_conf()" >/dev/null
    is "the walsender" "$before" "$after"
    copy_equals_source
    stop_line
}

@test "the slot never moves beyond what the sink has stored" {
    table_of 10
    start_line
    line_caught_up
    sql "insert into $NAME.t select i from generate_series(100, 200) i"
    line_caught_up
    kill -STOP "$(member "$GROUP" cdc-sink-sqlite)"
    local limit end
    limit=$(acked)
    [ "$limit" -gt 0 ]
    sql "insert into $NAME.t select i from generate_series(1000, 3000) i"
    # Longer than a heartbeat and the server's own keepalives; other tables move the log on, too.
    end=$((SECONDS + 5))
    while [ $SECONDS -lt $end ]; do
        sql "create table if not exists public.noise (i int); insert into public.noise select generate_series(1, 100)"
        [ "$(slot_confirmed "$SLOT")" -le "$limit" ] || fail "confirmed $(slot_confirmed "$SLOT"), stored $limit"
        pause_ms 100
    done
    kill -CONT "$(member "$GROUP" cdc-sink-sqlite)"
    line_caught_up
    copy_equals_source
    stop_line
}

@test "an idle table: the slot moves on with the rest of the database" {
    table_of 10
    start_line
    line_caught_up
    local i
    for i in 1 2 3; do
        sql "create table if not exists public.noise (i int); insert into public.noise select generate_series(1, 20000)"
        line_caught_up 15
    done
    stop_line
}

@test "a snapshot begun again: rows deleted between the two attempts are no ghosts" {
    table_of 20000 100
    sql "create table $NAME.never_read (id int primary key); insert into $NAME.never_read values (1)"
    # The first attempt dies when its reader has taken a few chunks; what is whole is stored.
    run t bash -c "cdc-snapshot --chunk-rows 100 $(source_options) 2>>'$DIR/err' | head -n 5000 | cdc-sink-sqlite --state-dir '$STATE' --batch-events 100 '$COPY' 2>>'$DIR/err'"
    [ "$(copy 'select count(*) from t')" -gt 1000 ]
    [ "$(copy 'select count(*) from t')" -lt 6000 ]
    local first
    first=$(jq -r '.offsets[].pos' "$STATE/cdc-sink-sqlite.offset")
    sql "delete from $NAME.t where id in (select id from $NAME.t where id < 2000 and id % 2 = 0); update $NAME.t set v = 'between' where id % 5 = 0;
         insert into $NAME.t values (90000, 'between'); update $NAME.t set id = id + 100000 where id between 501 and 600"
    start_line
    line_caught_up
    copy_equals_source
    stop_line
    # The first position was kept: the second attempt's lines sort after the first's, and before the log.
    [[ $(jq -r '.offsets[].pos' "$STATE/cdc-sink-sqlite.offset") > $first ]]
}

# What the log leaves out of an update (TOAST that did not change) must come from the very row, not from the one that
# has its old key by the time the snapshot is read again.
@test "a snapshot begun again, and a filter that drops truncates: no ghosts, and rows without a key once" {
    table_of 2000 100
    sql "create table $NAME.keyless (v text); alter table $NAME.keyless replica identity full; insert into $NAME.keyless select 'k' || i from generate_series(1, 50) i"
    local rest="cdc-filter --op r,c,u,d | cdc-sink-sqlite --state-dir '$STATE' --batch-events 10 '$COPY' 2>>'$DIR/err'"
    run t bash -c "cdc-snapshot --chunk-rows 10 $(source_options) 2>>'$DIR/err' | head -n 1500 | $rest"
    is "rows without a key" 50 "$(copy 'select count(*) from keyless')"
    [ "$(copy 'select count(*) from t')" -gt 1000 ]
    sql "delete from $NAME.t where id < 500; delete from $NAME.keyless where v = 'k7'"
    t bash -o pipefail -c "{ cdc-snapshot $(source_options) 2>>'$DIR/err' && exec pg-cdc --until now $(source_options) 2>>'$DIR/err'; } | $rest"
    copy_equals_source
    is "rows without a key" 49 "$(copy 'select count(*) from keyless')"
    # One of the application's is dropped, as asked for.
    sql "truncate $NAME.t"
    t bash -o pipefail -c "pg-cdc --until now $(source_options) 2>>'$DIR/err' | $rest"
    is "rows" 1501 "$(copy 'select count(*) from t')"
}

@test "a snapshot begun again: rows that moved meanwhile keep their own unchanged columns" {
    sql "create table $NAME.t (id bigint primary key, v text, filler text); alter table $NAME.t alter filler set storage external;
         create table $NAME.keyless (v text); alter table $NAME.keyless replica identity full;
         insert into $NAME.t select i, 'v' || i, repeat(md5(i::text), 100) from generate_series(1, 4000) i;
         insert into $NAME.keyless select 'k' || i from generate_series(1, 500) i"
    run t bash -c "cdc-snapshot --chunk-rows 100 $(source_options) 2>>'$DIR/err' | head -n 3000 | cdc-sink-sqlite --state-dir '$STATE' --batch-events 100 '$COPY' 2>>'$DIR/err'"
    sql "update $NAME.t set id = -id where id <= 400;
         update $NAME.t set id = id - 400 where id between 401 and 800;
         update $NAME.t set id = 400 - id where id between -400 and -1;
         update $NAME.t set id = id + 10000 where id between 1001 and 1100; update $NAME.t set id = id + 10000 where id between 11001 and 11050;
         insert into $NAME.t select i, 'new' || i, 'short' from generate_series(1001, 1050) i;
         delete from $NAME.t where id between 2001 and 2100; insert into $NAME.t select i, 'again' || i, repeat('z', 3000) from generate_series(2001, 2050) i;
         update $NAME.t set id = id + 1000000 where id between 2001 and 2010"
    # The second attempt is stored; the log that it has seen is then read in several goes.
    t bash -o pipefail -c "cdc-snapshot $(source_options) 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    copy_equals_source
    sql "update $NAME.t set v = 'after' where id % 7 = 0; update $NAME.t set id = id + 5000000 where id between 101 and 200"
    local i
    for i in 1 2 3 4; do
        t bash -o pipefail -c "pg-cdc --max-events $((i * 100)) --idle-exit 2 $(source_options) 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    done
    start_line
    line_caught_up
    copy_equals_source
    is "rows without a key" 500 "$(copy 'select count(*) from keyless')"
    stop_line
}

@test "a snapshot that was written but not stored is taken again; one that was stored is not" {
    table_of 3000
    # A reader without a sink's file: nothing is acknowledged.
    t bash -o pipefail -c "cdc-snapshot $(source_options) 2>>'$DIR/err' | cat >'$DIR/one'"
    is "rows written" 3000 "$(grep -c '"op":"r"' "$DIR/one")"
    sql "delete from $NAME.t where id <= 10"
    t bash -o pipefail -c "cdc-snapshot $(source_options) 2>>'$DIR/err' | cat >'$DIR/two'"
    is "rows written again" 2990 "$(grep -c '"op":"r"' "$DIR/two")"
    # The repeated rows sort after the first ones, and have the same version.
    [[ $(jq -r 'select(.op == "r") | .pos' "$DIR/two" | head -1) > $(jq -r .pos "$DIR/one" | tail -1) ]]
    is "seq" "$(jq -r 'select(.op == "r") | .seq' "$DIR/one" | sort -u)" "$(jq -r 'select(.op == "r") | .seq' "$DIR/two" | sort -u)"
    t bash -o pipefail -c "cdc-snapshot $(source_options) 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    t bash -o pipefail -c "cdc-snapshot $(source_options) 2>>'$DIR/err' | cat >'$DIR/three'"
    is "lines after it was stored" 0 "$(wc -l <"$DIR/three")"
    start_line
    line_caught_up
    copy_equals_source
    stop_line
}

@test "a stream alone after a snapshot that ended with its pipe: exit 75, no position moves, and the whole line has every row" {
    table_of 3000
    : | cdc-sink-sqlite --state-dir "$STATE" "$COPY" 2>>"$DIR/err"
    t bash -o pipefail -c "cdc-snapshot $(source_options) 2>>'$DIR/err' | head -n 20 | cat >/dev/null; cdc-snapshot $(source_options) 2>>'$DIR/err' | cat >/dev/null"
    sql "insert into $NAME.t values (10001, 'new', null)"
    local alone="pg-cdc --until now $(source_options) 2>>'$DIR/err'"
    run -75 timeout 60 bash -o pipefail -c "$alone | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    is "the sink's position" null "$(jq ".offsets[\"$NAME\"]" "$STATE/cdc-sink-sqlite.offset")"
    t bash -o pipefail -c "{ cdc-snapshot $(source_options) 2>>'$DIR/err' && $alone; } | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    copy_equals_source
    # Stored: now it is taken up by any pipe.
    sql "delete from $NAME.t where id <= 10"
    t bash -o pipefail -c "$alone | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    copy_equals_source
}

@test "a pipe with a name, whose reader was killed: a stream alone is exit 75, and the whole line has every row" {
    table_of 100
    mkfifo "$DIR/pipe"
    : | cdc-sink-sqlite --state-dir "$STATE" "$COPY" 2>>"$DIR/err"
    spawn_line "exec sleep 60 <'$DIR/pipe'"
    # So few rows that the pipe holds them all.
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" >"$DIR/pipe" 2>>"$DIR/err"
    kill -KILL "$SPAWNED"
    wait "$SPAWNED" || true
    sql "insert into $NAME.t values (10001, 'new', null)"
    sink_of_pipe() { spawn_line "exec cdc-sink-sqlite --state-dir '$STATE' '$COPY' <'$DIR/pipe' 2>>'$DIR/err'"; }
    local alone="pg-cdc --until now $(source_options) 2>>'$DIR/err'"
    sink_of_pipe
    run -75 timeout 60 bash -c "$alone >'$DIR/pipe'"
    status_of "$SPAWNED" || fail "the sink: $(cat "$DIR/err")"
    is "the sink's position" null "$(jq ".offsets[\"$NAME\"]" "$STATE/cdc-sink-sqlite.offset")"
    sink_of_pipe
    t bash -c "{ cdc-snapshot $(source_options) 2>>'$DIR/err' && exec $alone; } >'$DIR/pipe'"
    status_of "$SPAWNED"
    copy_equals_source
}

# sink_lines NAME...: the whole line into copies of these names, each with an offset file of its own.
sink_lines() {
    local name sinks='cat >/dev/null'
    for name in "$@"; do sinks="tee >(cdc-sink-sqlite --state-dir '$STATE' --offset-file '$STATE/$name.offset' '$DIR/$name.db' 2>>'$DIR/err') | $sinks"; done
    echo "{ cdc-snapshot $(source_options) 2>>'$DIR/err' && exec pg-cdc --until now $(source_options) 2>>'$DIR/err'; } | $sinks"
}
@test "a snapshot that is finished, and a sink that has come since: exit 79, not a copy without its rows" {
    table_of 100
    local i
    # The second run sees that it is stored.
    for i in 1 2; do t bash -o pipefail -c "cdc-snapshot $(source_options) 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' --offset-file '$STATE/one.offset' '$DIR/one.db' 2>>'$DIR/err'"; done
    grep -q "is stored and finished" "$DIR/err"
    sql "insert into $NAME.t values (10001, 'new', null)"
    cp -r "$STATE" "$DIR/kept"
    run -79 timeout 60 bash -o pipefail -c "$(sink_lines one two)"
    grep -Eq "error: the snapshot of .$NAME. is over, and a sink has not stored its rows|has no position, but rows" "$DIR/err"
    is "rows that came to the second" "" "$(sqlite3 "$DIR/two.db" 'select count(*) from t' 2>/dev/null || true)"
    # Another one in its place.
    rm -r "$STATE" "$DIR"/two.db*
    mv "$DIR/kept" "$STATE"
    mv "$STATE/one.offset" "$DIR/one.offset"
    run -79 timeout 60 bash -o pipefail -c "$(sink_lines two)"
    is "rows that came to it" "" "$(sqlite3 "$DIR/two.db" 'select count(*) from t' 2>/dev/null || true)"
    # The one that has stored it goes on.
    rm -f "$STATE"/two.offset* "$DIR"/two.db*
    mv "$DIR/one.offset" "$STATE/one.offset"
    t bash -o pipefail -c "$(sink_lines one)"
    is "its rows" 101 "$(sqlite3 "$DIR/one.db" 'select count(*) from t')"
}

@test "a snapshot stopped by SIGTERM half way does not pass for a finished one" {
    table_of 50000 200
    SNAPSHOT_EXTRA="--chunk-rows 50"
    # A stage that passes on the first 2000 lines and no more: however fast the sink is, the snapshot is not done.
    local sink="cdc-sink-sqlite --state-dir '$STATE' --batch-events 50 '$COPY'"
    LINE=$(full_line "awk '{ print } NR == 2000 { fflush(); system(\"exec sleep 600\") }' | $sink")
    start_line
    wait_until has_rows
    kill -TERM "$(member "$GROUP" cdc-snapshot)"
    # The stream must not start on an incomplete copy and move the slot away from it.
    pause_ms 500
    kill -TERM -- "-$GROUP" 2>/dev/null || true
    status_of "$GROUP" || true
    [ "$(copy 'select count(*) from t')" -lt 50000 ] || fail "the snapshot was finished"
    LINE=$(full_line "$sink")
    start_line
    line_caught_up
    copy_equals_source
    stop_line
}
has_rows() { [ "$(sqlite3 -readonly "$COPY" 'select count(*) > 0 from t' 2>/dev/null)" = 1 ]; }

@test "writers at work while the snapshot is taken: no gap and no overlap" {
    table_of 2000
    sql_file -c "select 'insert into $NAME.t values (' || 100000 + i || ', ''w''); update $NAME.t set v = v || ''.'' where id = ' || i % 2000 + 1 || '; delete from $NAME.t where id = ' || 100000 + i - 50 || ';' from generate_series(1, 6000) i" >"$DIR/in.sql"
    sql_file -o /dev/null -f "$DIR/in.sql" 3>&- &
    local writer=$!
    SPAWNED_ALL+=("$writer")
    pause_ms 200
    start_line
    wait "$writer"
    line_caught_up
    copy_equals_source
    stop_line
}

@test "two sinks at one source: the slot waits for the slower one" {
    table_of 10
    local both="tee >(exec cdc-sink-sqlite --offset-file '$STATE/b' '$DIR/b.db') | cdc-sink-sqlite --offset-file '$STATE/a' '$DIR/a.db'"
    spawn_line "{ cdc-snapshot $(source_options) --ack '$STATE/a' --ack '$STATE/b' && exec pg-cdc --heartbeat 1 $(source_options) --ack '$STATE/a' --ack '$STATE/b'; } 2>>'$DIR/err' | $both 2>>'$DIR/err'"
    GROUP=$SPAWNED
    line_caught_up
    local slow limit end
    slow=$(pgrep -g "$GROUP" -f 'b\.db$' | head -1)
    kill -STOP "$slow"
    limit=$(jq -r '.offsets[].source.lsn' "$STATE/b")
    sql "insert into $NAME.t select i from generate_series(100, 400) i"
    end=$((SECONDS + 3))
    while [ $SECONDS -lt $end ]; do
        [ "$(slot_confirmed "$SLOT")" -le "$limit" ] || fail "the slot went beyond the slower sink"
        pause_ms 100
    done
    kill -CONT "$slow"
    line_caught_up
    stop_line
    is "rows of both" "311 311" "$(sqlite3 "$DIR/a.db" 'select count(*) from t') $(sqlite3 "$DIR/b.db" 'select count(*) from t')"
}

@test "a slot that is lost: the new snapshot over the old copy is exit 78, and without that copy it is the source again" {
    local line
    line="{ cdc-snapshot $(source_options) && exec pg-cdc --until now $(source_options); } | cdc-sink-sqlite --state-dir '$STATE' '$COPY'"
    rows() { copy 'select id, v from t union all select a, null from keyless order by 1' | xargs; }
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t values (1, 'a'), (2, 'b'), (3, 'c')"
    sql "create table $NAME.keyless (a int); alter table $NAME.keyless replica identity full; insert into $NAME.keyless values (10), (11)"
    t bash -o pipefail -c "$line" 2>"$DIR/err"
    t pg-cdc --drop --name "$NAME" "$URL" 2>>"$DIR/err"
    sql "delete from $NAME.t where id = 2; delete from $NAME.keyless where a = 10; insert into $NAME.t values (4, 'd')"
    run -79 --separate-stderr t bash -o pipefail -c "$line"
    [[ $stderr == *"remove the offset files of the pipeline and the copies"* ]]
    # The half of it.
    rm "$STATE"/*.offset
    run -78 --separate-stderr t bash -o pipefail -c "$line"
    [[ $stderr == *"$COPY has the rows of an earlier snapshot"* ]]
    is "the old copy" '1|a 2|b 3|c 10| 11|' "$(rows)"
    rm -f "$COPY"* "$STATE/cdc-sink-sqlite.offset"
    t bash -o pipefail -c "$line" 2>>"$DIR/err"
    is "the new one" '1|a 3|c 4|d 11|' "$(rows)"
    sql "insert into $NAME.t values (5, 'e')"
    t bash -o pipefail -c "$line" 2>>"$DIR/err"
    is "and on" '1|a 3|c 4|d 5|e 11|' "$(rows)"
}
