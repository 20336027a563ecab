#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whose log a position lies in: a server that was set back, promoted or exchanged, a copy that a sink has not stored yet.
# Each test runs in a subshell, and PG_DIR is read by lib/postgres.bash.
# shellcheck disable=SC2030,SC2031,SC2034,SC2046,SC2154
# takes: 60 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    local dir
    pg_test_teardown
    for dir in "${OTHERS[@]}"; do
        pg_down "$dir" immediate || true
        rm -rf "$dir"
    done
}
OTHERS=()

# other_server [SETTING]...: a server of the test's own in $OTHER, with the table t.
other_server() {
    OTHER=$(test_folder)
    OTHERS+=("$OTHER")
    pg_start "$OTHER" "$@"
    PG_DIR=$OTHER DATABASE=postgres sql "create table t (id int primary key, v text)"
}
on() { PG_DIR=$1 DATABASE=postgres sql "$2"; }
# read_log SERVER ARGUMENT...: pg-cdc's lines of it, added to $DIR/out
read_log() {
    local server=$1
    shift
    t pg-cdc --name p --until now --heartbeat 0 "$@" "$(PG_DIR=$server pg_url postgres)" >>"$DIR/out" 2>"$DIR/err"
}
refused() {
    is "exit status" 79 "$status" || { cat "$DIR/err"; return 1; }
    grep -qE "$1" "$DIR/err" || fail "it does not say '$1': $(cat "$DIR/err")"
}
confirmed_of() { on "$1" "select confirmed_flush_lsn from pg_replication_slots"; }
# What a sink keeps of the last commit line: an ack file.
ack_of() { jq -c 'select(.op == "commit" or .op == "heartbeat") | {format: 1, tool: "cdc-sink-x", time: "", offsets: {p: {pos, seq, lines: 0, source}}}' "$1" | tail -1; }

@test "commit and heartbeat lines of snapshot and stream name the server that wrote the log" {
    sql "create table $NAME.t (id int primary key); insert into $NAME.t values (1)"
    local system
    system=$(sql "select system_identifier from pg_control_system()")
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" >"$DIR/out" 2>"$DIR/err"
    sql "insert into $NAME.t values (2)"
    t pg-cdc --name "$NAME" -t "$NAME.*" --state-dir "$STATE" --ack stdout --heartbeat 0.1 --idle-exit 1 "$URL" >>"$DIR/out" 2>>"$DIR/err"
    is "ops" "commit heartbeat" "$(jq -r 'select(.source.system_id) | .op' "$DIR/out" | sort -u | xargs)"
    is "servers" "\"$system\" 1" "$(jq -r 'select(.op | IN("commit", "heartbeat")) | .source | "\(.system_id | tojson) \(.timeline)"' "$DIR/out" | sort -u)"
}

@test "a server set back to an older copy of itself: 79, by our own file and by a sink's alone; nothing is confirmed" {
    other_server
    read_log "$OTHER" --offset-file "$DIR/own"
    on "$OTHER" "insert into t values (1, 'before the copy')"
    read_log "$OTHER" --offset-file "$DIR/own"
    pg_down "$OTHER"
    (as_postgres cp -a "$OTHER/data" "$OTHER/copy")
    pg_up "$OTHER"
    on "$OTHER" "insert into t select g, repeat('lost', 200) from generate_series(2, 400) g"
    read_log "$OTHER" --offset-file "$DIR/own"
    is "rows" 400 "$(grep -c '"op":"c"' "$DIR/out")"
    ack_of "$DIR/out" >"$DIR/sink"
    pg_down "$OTHER"
    (as_postgres rm -rf "$OTHER/data")
    (as_postgres mv "$OTHER/copy" "$OTHER/data")
    pg_up "$OTHER"
    on "$OTHER" "insert into t values (1001, 'after the copy')"
    local before
    before=$(confirmed_of "$OTHER")
    run read_log "$OTHER" --offset-file "$DIR/own"
    refused 'was set back'
    run read_log "$OTHER" --ack "$DIR/sink"
    refused 'was set back'
    is "the slot" "$before" "$(confirmed_of "$OTHER")"
    # The end of its log tells no more; the transactions up to the position do.
    on "$OTHER" "insert into t select g, repeat('x', 400) from generate_series(2000, 5000) g; insert into t values (6000, 'later')"
    on "$OTHER" "insert into t values (6001, 'later')"
    is "the log has passed the position" t "$(on "$OTHER" "select pg_current_wal_lsn() - '0/0' > $(jq '.offsets.p.source.lsn' "$DIR/sink")")"
    run read_log "$OTHER" --offset-file "$DIR/own"
    refused 'other transactions'
    run read_log "$OTHER" --ack "$DIR/sink"
    refused 'other transactions'
    is "the slot" "$before" "$(confirmed_of "$OTHER")"
    is "lines" 400 "$(grep -c '"op":"c"' "$DIR/out")"
}

# set_slot_back SERVER: it is killed and has forgotten what it was told since its last checkpoint.
set_slot_back() {
    local slot=$1/data/pg_replslot/cdc_p
    pg_down "$1" immediate
    (as_postgres cp "$1/slot-state" "$slot/state")
    pg_up "$1"
}
@test "a server that crashed and has forgotten what it was told: the lines go on, after a commit and after a heartbeat" {
    other_server
    read_log "$OTHER" --offset-file "$DIR/own"
    on "$OTHER" "checkpoint"
    (as_postgres cp "$OTHER/data/pg_replslot/cdc_p/state" "$OTHER/slot-state")
    on "$OTHER" "insert into t values (1, 'a'); select pg_logical_emit_message(false, 'x', 'y')" >/dev/null
    on "$OTHER" "insert into t values (2, 'b')"
    read_log "$OTHER" --offset-file "$DIR/own"
    local before
    before=$(confirmed_of "$OTHER")
    set_slot_back "$OTHER"
    [ "$(confirmed_of "$OTHER")" != "$before" ]
    on "$OTHER" "insert into t values (3, 'c')"
    read_log "$OTHER" --offset-file "$DIR/own" || fail "$(cat "$DIR/err")"
    # The position after a heartbeat, with other writes of the server before it.
    t pg-cdc --name p --heartbeat 0.1 --idle-exit 1 --offset-file "$DIR/own" "$(PG_DIR=$OTHER pg_url postgres)" >>"$DIR/out" 2>"$DIR/err"
    grep -q '"op":"heartbeat"' "$DIR/out"
    set_slot_back "$OTHER"
    on "$OTHER" "insert into t values (4, 'd'); select pg_logical_emit_message(false, 'x', 'z')" >/dev/null
    read_log "$OTHER" --offset-file "$DIR/own" || fail "$(cat "$DIR/err")"
    is "rows, each once" "1 2 3 4" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
    is "messages" "y z" "$(jq -r 'select(.op == "m") | .message.content' "$DIR/out" | xargs)"
    is "told at the end" "$(jq -s 'map(select(.op == "commit")) | last | .source.lsn' "$DIR/out")" "$(on "$OTHER" "select confirmed_flush_lsn - '0/0' from pg_replication_slots")"
}

# What the server has found out of a table's publication it keeps while it decodes: a transaction that was open while the publication
# was altered is sent after another one of that table, and is not where decoding begins with it.
@test "a publication altered while a transaction was open, and a crash: the log counts as the same; later transactions are compared again" {
    local last
    other_server "max_prepared_transactions = 2"
    on "$OTHER" "create publication cdc_p for table t"
    read_log "$OTHER" --offset-file "$DIR/own"
    on "$OTHER" "checkpoint"
    (as_postgres cp "$OTHER/data/pg_replslot/cdc_p/state" "$OTHER/slot-state")
    on "$OTHER" "alter publication cdc_p drop table t"
    on "$OTHER" "begin; insert into t values (1, 'open'); prepare transaction 'open'"
    on "$OTHER" "alter publication cdc_p add table t"
    on "$OTHER" "insert into t values (2, 'later')"
    on "$OTHER" "commit prepared 'open'"
    read_log "$OTHER" --offset-file "$DIR/own" --allow-republished
    last=$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)
    set_slot_back "$OTHER"
    on "$OTHER" "insert into t values (3, 'after the crash')"
    read_log "$OTHER" --offset-file "$DIR/own" || fail "$(cat "$DIR/err")"
    is "rows, each once" "$last 3" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
    spawn pg-cdc --name p --heartbeat 0.1 --offset-file "$DIR/own" "$(PG_DIR=$OTHER pg_url postgres)" >>"$DIR/out" 2>"$DIR/err"
    wait_until grep -q '"sure_from"' "$DIR/own"
    kill -TERM "$SPAWNED"
    wait "$SPAWNED" || fail "$(cat "$DIR/err")"
    on "$OTHER" "insert into t values (4, 'compared')"
    read_log "$OTHER" --offset-file "$DIR/own" || fail "$(cat "$DIR/err")"
    set_slot_back "$OTHER"
    on "$OTHER" "insert into t values (5, 'compared')"
    read_log "$OTHER" --offset-file "$DIR/own" || fail "$(cat "$DIR/err")"
    set_slot_back "$OTHER"
    # The position may be a heartbeat's (18 logs more by itself), which has the transaction in it.
    jq -c '.offsets.p.source |= (.ts_ms += 1 | if .last then .last.ts_ms += 1 else . end)' "$DIR/own" >"$DIR/foreign"
    run read_log "$OTHER" --offset-file "$DIR/foreign"
    refused 'other transactions'
    is "rows, each once" "$last 3 4 5" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
}

@test "a slot that was read before without a position kept: the server crashes before the next change, and the lines go on" {
    other_server
    read_log "$OTHER"
    local before status=0
    on "$OTHER" "checkpoint"
    (as_postgres cp "$OTHER/data/pg_replslot/cdc_p/state" "$OTHER/slot-state")
    on "$OTHER" "insert into t values (1, 'read, and confirmed after the checkpoint')"
    read_log "$OTHER"
    is "rows" 1 "$(grep -c '"op":"c"' "$DIR/out")"
    before=$(confirmed_of "$OTHER")
    spawn pg-cdc --name p --heartbeat 0.1 "$(PG_DIR=$OTHER pg_url postgres)" >"$DIR/out" 2>"$DIR/err"
    wait_until grep -q '"op":"heartbeat"' "$DIR/out"
    # Stopped, or it would have told the server again before we look. What the server writes of a slot between two checkpoints
    # differs from release to release.
    kill -STOP "$SPAWNED"
    set_slot_back "$OTHER"
    [ "$(confirmed_of "$OTHER")" != "$before" ]
    kill -CONT "$SPAWNED"
    on "$OTHER" "insert into t values (2, 'after the crash')"
    wait_until grep -q 'after the crash' "$DIR/out" || fail "$(cat "$DIR/err")"
    kill -TERM "$SPAWNED"
    wait "$SPAWNED" || status=$?
    is "exit status" 0 "$status"
    is "row 2, once" 1 "$(grep -c '"op":"c".*after the crash' "$DIR/out")"
}

@test "another server with a slot of that name: 79 by a sink's file alone" {
    other_server
    read_log "$OTHER"
    on "$OTHER" "insert into t values (1)"
    read_log "$OTHER"
    ack_of "$DIR/out" >"$DIR/sink"
    other_server
    read_log "$OTHER"
    # its log is as long
    on "$OTHER" "insert into t select g, repeat('x', 200) from generate_series(1, 1000) g; select pg_switch_wal()" >/dev/null
    run read_log "$OTHER" --ack "$DIR/sink"
    refused 'belongs to another server'
}

@test "a standby promoted before the position was written: 79 by a sink's file alone" {
    other_server
    local primary=$OTHER standby
    standby=$(test_folder)
    OTHERS+=("$standby")
    [ "$(id -u)" != 0 ] || chown postgres: "$standby"
    read_log "$primary"
    (cd "$standby" && as_postgres "$(pg_bin)/pg_basebackup" -h "$primary" -U postgres -D "$standby/data" -R -c fast)
    sed -i "s#unix_socket_directories = .*#unix_socket_directories = '$standby'#" "$standby/data/postgresql.conf"
    pg_up "$standby"
    pg_down "$standby"
    on "$primary" "insert into t select g, repeat('x', 500) from generate_series(1, 4000) g"
    read_log "$primary"
    ack_of "$DIR/out" >"$DIR/sink"
    pg_down "$primary"
    sed -i 's/^primary_conninfo.*//' "$standby/data/postgresql.auto.conf"
    pg_up "$standby"
    on "$standby" "select pg_promote()" >/dev/null
    on "$standby" "select pg_create_logical_replication_slot('cdc_p', 'pgoutput')" >/dev/null
    on "$standby" "insert into t select g, repeat('y', 500) from generate_series(1, 9000) g"
    run read_log "$standby" --ack "$DIR/sink"
    refused 'left timeline 1 before the position'
}

@test "a position that the sinks have is in our own file, too: without their files it is no first start" {
    sql "create table $NAME.t (id int primary key, v text)"
    local line="pg-cdc --name $NAME -t '$NAME.*' --until now --state-dir '$STATE' '$URL' 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    local i
    for i in 1 2 3; do
        t bash -o pipefail -c "$line"
        sql "insert into $NAME.t values ($i)"
    done
    is "own position" true "$(jq --arg n "$NAME" '.offsets[$n].pos != null and .offsets[$n].pos != ""' "$STATE/pg-cdc-$NAME.offset")"
    rm "$STATE"/cdc-sink-sqlite.offset "$DIR"/copy.db*
    run t bash -o pipefail -c "$line"
    is "status" 79 "$status"
}

@test "the offset file of an SQLite sink was removed: its database has the position, and the line goes on" {
    sql "create table $NAME.t (id int primary key)"
    local line="pg-cdc --name $NAME -t '$NAME.*' --until now --state-dir '$STATE' '$URL' 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    local i
    for i in 1 2 3; do
        sql "insert into $NAME.t values ($i)"
        t bash -o pipefail -c "$line"
        rm "$STATE"/cdc-sink-sqlite.offset*
    done
    t bash -o pipefail -c "$line"
    is rows "2 3" "$(sqlite3 "$DIR/copy.db" 'select id from t' | xargs)"
    # A source may end before its sink has told anything; with the file there it takes over the position as it starts.
    t bash -o pipefail -c "$line"
    rm "$STATE"/cdc-sink-sqlite.offset*
    run -79 t bash -o pipefail -c "${line%|*} | cat >'$DIR/out'" # without the sink
}

@test "two names that make one slot: the second is refused, by start, check and drop; a publication of before is nobody's" {
    sql "create table $NAME.t (id int primary key)"
    sql "create table $NAME.\"t'\\\" (id int primary key)"
    local first="a-$NAME" second="a_$NAME" odd="o'\-$NAME"
    t pg-cdc --name "$first" -t "$NAME.t" --until now "$URL" >"$DIR/out"
    t pg-cdc --name "$odd" -t "$NAME.t" --until now "$URL" >"$DIR/out"
    t pg-cdc --name "$odd" -t "$NAME.t" --until now "$URL" >"$DIR/out"
    sql "insert into $NAME.t values (1)"
    local action
    for action in --until=now --check --drop; do
        run -78 t pg-cdc --name "$second" -t "$NAME.t" $action "$URL"
        [[ $output == *"those of the pipeline \"$first\", not of \"$second\""* ]] || fail "$output"
    done
    run -78 t pg-cdc --name "$second" -t "$NAME.t" --state-dir "$DIR/refused" "$URL"
    not test -e "$DIR/refused"
    t pg-cdc --name "$first" -t "$NAME.t" --until now "$URL" >"$DIR/out"
    is "changes" 1 "$(grep -c '"op":"c"' "$DIR/out")"
    t pg-cdc --name "$second" --slot cdc_own_$NAME --publication cdc_a_$NAME -t "$NAME.t" --until now "$URL" >"$DIR/out"
    sql "comment on publication cdc_a_$NAME is 'made by pg-cdc'"
    t pg-cdc --name "$second" -t "$NAME.t" --until now "$URL" >"$DIR/out"
    t pg-cdc --name "$second" --drop "$URL"
    t pg-cdc --name "$odd" --drop "$URL"
    is "publications" 0 "$(sql "select count(*) from pg_publication")"
}

@test "two names that make one slot, with a publication of their own: told apart, or refused" {
    sql "create table $NAME.t (id int primary key); create publication own for table $NAME.t"
    local first="a_$NAME" second="a-$NAME" action
    t pg-cdc --name "$first" --publication own -t "$NAME.t" --until now "$URL" >"$DIR/out"
    sql "insert into $NAME.t values (1)"
    for action in --until=now --check --drop; do
        run -78 t pg-cdc --name "$second" --publication own -t "$NAME.t" $action "$URL"
        [[ $output == *"slot \"cdc_a_$NAME\" may be that of another pipeline"*"--slot"* ]] || fail "$output"
    done
    run -78 t cdc-snapshot --name "$second" --publication own -t "$NAME.t" "$URL"
    t pg-cdc --name "$first" --publication own -t "$NAME.t" --until now "$URL" >"$DIR/out"
    is "changes" 1 "$(grep -c '"op":"c"' "$DIR/out")"
    t pg-cdc --name "$second" --slot cdc_other_$NAME --publication own -t "$NAME.t" --until now "$URL" >"$DIR/out"
    t pg-cdc --name "$first" --publication own --drop "$URL"
    # The other way round: the second has the names by default, and is known by them.
    t pg-cdc --name "$second" -t "$NAME.t" --until now "$URL" >"$DIR/out"
    run -78 t pg-cdc --name "$first" --publication own -t "$NAME.t" --until now "$URL"
    [[ $output == *"slot \"cdc_a_$NAME\" is that of the pipeline \"$second\", not of \"$first\""* ]] || fail "$output"
    t pg-cdc --name "$second" --publication own -t "$NAME.t" --until now "$URL" >"$DIR/out"
    t pg-cdc --name "$second" --drop "$URL"
    sql "drop publication own"
}

pending() { [ "$(on "$OTHER" "select count(*) from pg_inherits where inhdetachpending")" = 1 ]; }
# The walsender of all versions crashes at a change of such a partition, and the server with it.
@test "a partition left half detached: refused before it crashes the server; a place that crashes it each time ends the retries" {
    OTHER=$(test_folder)
    OTHERS+=("$OTHER")
    pg_start "$OTHER" "restart_after_crash = on" "log_min_messages = log"
    on "$OTHER" "create table p (a int primary key, b text) partition by range (a); create table p_1 partition of p for values from (0) to (100); create table p_2 partition of p for values from (100) to (200)"
    read_log "$OTHER"
    PGHOST=$OTHER PGUSER=postgres spawn psql -Xq -d postgres -c "begin; select * from p" -c "select pg_sleep(600)"
    local holder=$SPAWNED
    wait_until eval '[ "$(on "$OTHER" "select count(*) from pg_stat_activity where query like '"'%sleep%'"' and pid <> pg_backend_pid()")" = 1 ]'
    PGHOST=$OTHER PGUSER=postgres spawn psql -Xq -d postgres -c "alter table p detach partition p_1 concurrently"
    wait_until pending
    run -69 read_log "$OTHER" --retry-max 0
    grep -q 'partition public.p_1 is being detached' "$DIR/err" || fail "$(cat "$DIR/err")"
    on "$OTHER" "select pg_cancel_backend(pid) from pg_stat_activity where query like 'alter table p detach%'" >/dev/null
    status_of "$SPAWNED" || true
    kill -INT "$holder"
    on "$OTHER" "select pg_terminate_backend(pid) from pg_stat_activity where query like '%sleep%' and pid <> pg_backend_pid()" >/dev/null
    pending
    on "$OTHER" "insert into p_1 values (1, 'x')"
    local action
    for action in --until=now --check; do
        run -78 read_log "$OTHER" "$action"
        grep -q 'partition public.p_1 is half detached.*ALTER TABLE "public"."p" DETACH PARTITION public.p_1 FINALIZE;' "$DIR/err" || fail "$(cat "$DIR/err")"
    done
    is "crashes" 0 "$(grep -c 'terminated by signal' "$OTHER/log" || true)"
    # The log still has the change as it was.
    on "$OTHER" "alter table p detach partition p_1 finalize"
    on "$OTHER" "insert into p values (101, 'y')"
    run read_log "$OTHER"
    if grep -q 'terminated by signal' "$OTHER/log"; then
        is "status" 76 "$status"
        grep -q 'closed the connection without a word 4 times in a row, at the position' "$DIR/err" || fail "$(cat "$DIR/err")"
    else
        is "status of a server that does not crash" 0 "$status"
    fi
}

# What the last attempt at a snapshot has seen stands in the snapshot's own file. The sink here has stored nothing of that
# attempt when the log is begun.
@test "a further attempt at a snapshot, and a sink that is slower than the pipe: each row's own columns, each row once" {
    sql "create table $NAME.a (id int primary key);
         create table $NAME.t (id int primary key, big text); alter table $NAME.t alter big set storage external;
         create table $NAME.keyless (v text); alter table $NAME.keyless replica identity full;
         insert into $NAME.a values (1); insert into $NAME.t values (1, repeat('ONE', 2000)), (2, repeat('TWO', 2000))"
    run t bash -c "cdc-snapshot --chunk-rows 1 $(source_options) 2>>'$DIR/err' | head -n 4 | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    is "stored of the first attempt" 1 "$(jq '.offsets | length' "$STATE/cdc-sink-sqlite.offset")"
    sql "update $NAME.t set id = 9 where id = 1; update $NAME.t set id = 1 where id = 2; update $NAME.t set id = 2 where id = 9; insert into $NAME.keyless values ('once')"
    t cdc-snapshot $(eval "printf '%s\n' $(source_options)") >"$DIR/lines" 2>>"$DIR/err"
    t pg-cdc --until now $(eval "printf '%s\n' $(source_options)") >>"$DIR/lines" 2>>"$DIR/err"
    t cdc-sink-sqlite --state-dir "$STATE" "$DIR/copy.db" <"$DIR/lines" 2>>"$DIR/err"
    is "rows" "1 TWO,2 ONE" "$(sqlite3 "$DIR/copy.db" "select id || ' ' || substr(big, 1, 3) from t order by id" | paste -sd,)"
    is "keyless" once "$(sqlite3 "$DIR/copy.db" 'select v from keyless' | paste -sd,)"
}

# Two sinks, and all of it killed when one was in the log and the other had stored nothing. The snapshot is taken again for the
# second. What it has seen is no more for the second sink, and still is for the first.
both() { # the lines of one run, in FILE, into both copies
    local sink
    for sink in a b; do t cdc-sink-sqlite --offset-file "$STATE/cdc-sink-$sink.offset" "$DIR/$sink.db" <"$1" 2>>"$DIR/err"; done
}
@test "a snapshot is taken again, and one of two sinks is in the log already: what that lacks is read for both" {
    local sink turn line="{ cdc-snapshot $(source_options) && exec pg-cdc --until now $(source_options); } 2>>'$DIR/err'"
    local rows="select 't', id, v from t union all select 'keyless', 0, v from keyless order by 1, 2, 3"
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t values (1, 'a'), (2, 'b'), (3, 'c');
         create table $NAME.keyless (v text); insert into $NAME.keyless values ('one'); alter table $NAME.keyless replica identity full"
    for sink in a b; do t cdc-sink-sqlite --offset-file "$STATE/cdc-sink-$sink.offset" "$DIR/$sink.db" </dev/null 2>>"$DIR/err" || true; done
    t bash -o pipefail -c "{ cdc-snapshot $(source_options) && psql -Xqc \"insert into $NAME.t values (4, 'log')\" '$URL' && exec pg-cdc --until now $(source_options); } 2>>'$DIR/err' | cat >'$DIR/first'"
    t cdc-sink-sqlite --offset-file "$STATE/cdc-sink-a.offset" "$DIR/a.db" <"$DIR/first" 2>>"$DIR/err"
    # Nothing has changed since: nothing is omitted that the first sink needs.
    run t bash -o pipefail -c "$line | cat >'$DIR/second'"
    is "status without a change" 0 "$status" || fail "$(cat "$DIR/err")"
    sql "insert into $NAME.t values (5, 'between'); update $NAME.t set v = 'B' where id = 2; delete from $NAME.t where id = 3; insert into $NAME.keyless values ('two')"
    run t bash -o pipefail -c "$line | cat >'$DIR/third'"
    is "status" 75 "$status"
    for sink in t keyless; do
        grep -q " $NAME.$sink (the snapshot was taken again, and the sink of \"$STATE/cdc-sink-a.offset\" was in the log already)" "$DIR/err" || fail "it does not say so: $(cat "$DIR/err")"
    done
    both "$DIR/third"
    # The same line reads these tables for both.
    sql "insert into $NAME.t values (6, 'after'); delete from $NAME.t where id = 1"
    for ((turn = 0; turn < 5; turn++)); do
        run t bash -o pipefail -c "$line | tee >(exec cdc-sink-sqlite --offset-file '$STATE/cdc-sink-b.offset' '$DIR/b.db' 2>>'$DIR/err') | cdc-sink-sqlite --offset-file '$STATE/cdc-sink-a.offset' '$DIR/a.db' 2>>'$DIR/err'"
        [ "$status" = 75 ] || break
    done
    is "status in the end" 0 "$status" || fail "$(cat "$DIR/err")"
    stored() { [ "$(jq -r ".offsets[\"$NAME\"].pos" "$STATE/cdc-sink-a.offset")" = "$(jq -r ".offsets[\"$NAME\"].pos" "$STATE/cdc-sink-b.offset")" ]; }
    wait_until stored
    for sink in a b; do is "copy $sink" "$(sql "set search_path = $NAME; $rows")" "$(sqlite3 "$DIR/$sink.db" "$rows")"; done
}

@test "a file that the server lacks for a moment is no lost log; a removed segment of its log is" {
    other_server
    read_log "$OTHER" --offset-file "$DIR/own"
    on "$OTHER" "insert into t values (1, 'a')"
    read_log "$OTHER" --offset-file "$DIR/own"
    on "$OTHER" "insert into t values (2, 'b')"
    # The output plugin is not to be found, as while the server's package is exchanged.
    on "$OTHER" "alter system set dynamic_library_path = '/nonexistent'"
    on "$OTHER" "select pg_reload_conf()" >/dev/null
    wait_until eval '[ "$(on "$OTHER" "show dynamic_library_path")" = /nonexistent ]'
    run read_log "$OTHER" --retry-max 1 --offset-file "$DIR/own"
    is "exit status" 69 "$status" || fail "$(cat "$DIR/err")"
    grep -q 'could not access file "pgoutput"' "$DIR/err" || fail "it does not say so: $(cat "$DIR/err")"
    on "$OTHER" "alter system reset dynamic_library_path"
    on "$OTHER" "select pg_reload_conf()" >/dev/null
    wait_until eval '[ "$(on "$OTHER" "show dynamic_library_path")" != /nonexistent ]'
    read_log "$OTHER" --offset-file "$DIR/own" || fail "$(cat "$DIR/err")"
    is "rows, each once" "1 2" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
    local segment
    segment=$(on "$OTHER" "select pg_walfile_name(restart_lsn) from pg_replication_slots")
    on "$OTHER" "insert into t values (3, 'c'); select pg_switch_wal()" >/dev/null
    on "$OTHER" "insert into t values (4, 'd')"
    rm "$OTHER/data/pg_wal/$segment"
    run read_log "$OTHER" --retry-max 1 --offset-file "$DIR/own"
    refused 'has lost its log'
}

@test "a message of no transaction is no transaction that is missed after a crash of the server" {
    other_server
    on "$OTHER" "create publication cdc_p for table t"
    on "$OTHER" "select pg_create_logical_replication_slot('cdc_p', 'pgoutput')" >/dev/null
    on "$OTHER" "checkpoint"
    (as_postgres cp "$OTHER/data/pg_replslot/cdc_p/state" "$OTHER/slot-state")
    on "$OTHER" "select pg_logical_emit_message(false, 'x', 'y')" >/dev/null
    read_log "$OTHER" --max-events 1 --offset-file "$DIR/own"
    is "position" commit "$(tail -1 "$DIR/out" | jq -r .op)"
    set_slot_back "$OTHER"
    on "$OTHER" "insert into t values (1, 'a')"
    run read_log "$OTHER" --retry-max 1 --offset-file "$DIR/own"
    is "exit status" 0 "$status" || fail "$(cat "$DIR/err")"
    is "lines, each once" "y 1" "$(jq -r 'select(.op == "m") | .message.content' "$DIR/out") $(jq -r 'select(.op == "c") | .after.id' "$DIR/out")"
}

# What a slot's decoding begins with is kept in a file; a value of more than 512 MB would do as well, and takes long.
@test "a place that the server cannot decode, each time with an error: the retries end, with what it says" {
    other_server
    read_log "$OTHER" --offset-file "$DIR/own"
    # Without a transaction that runs there the server begins anew, and does not need the file.
    PGHOST=$OTHER PGUSER=postgres spawn psql -Xq -d postgres -c "begin; select pg_current_xact_id()" -c "select pg_sleep(600)"
    wait_until eval '[ "$(on "$OTHER" "select count(*) from pg_stat_activity where backend_xid is not null")" = 1 ]'
    on "$OTHER" "checkpoint"
    on "$OTHER" "insert into t values (1, 'a')"
    read_log "$OTHER" --offset-file "$DIR/own"
    on "$OTHER" "insert into t values (2, 'b')"
    local file n=0
    for file in "$OTHER"/data/pg_logical/snapshots/*.snap; do
        printf 'damaged.' | dd of="$file" conv=notrunc status=none
        n=$((n + 1))
    done
    [ "$n" -gt 0 ]
    run -78 read_log "$OTHER" --offset-file "$DIR/own"
    grep -qE 'failed 4 times in a row at the position [0-9A-F/]+, each time so: .*SQLSTATE XX' "$DIR/err" || fail "$(cat "$DIR/err")"
    is "tried again" 4 "$(grep -c 'SQLSTATE XX.*trying again' "$DIR/err")" || fail "$(cat "$DIR/err")"
    is "rows" "1" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
}

# Existing connections to the primary live on, new ones go to the next host.
@test "several hosts: what the walsender of one says is never judged by the catalogs of another" {
    other_server
    local primary=$OTHER standby status=0
    standby=$(test_folder)
    OTHERS+=("$standby")
    [ "$(id -u)" != 0 ] || chown postgres: "$standby"
    (cd "$standby" && as_postgres "$(pg_bin)/pg_basebackup" -h "$primary" -U postgres -D "$standby/data" -R -c fast)
    sed -i "s#unix_socket_directories = .*#unix_socket_directories = '$standby'#" "$standby/data/postgresql.conf"
    pg_up "$standby"
    spawn pg-cdc --name p -v --heartbeat 0.1 --retry-max 2 --offset-file "$DIR/own" "postgresql:///postgres?host=$primary,$standby&user=postgres" >"$DIR/out" 2>"$DIR/err"
    wait_until grep -q '"op":"heartbeat"' "$DIR/out"
    mkdir "$primary/hidden"
    mv "$primary"/.s.PGSQL.* "$primary/hidden"
    on "$primary/hidden" "select pg_terminate_backend(active_pid) from pg_replication_slots where active" >/dev/null
    status_of "$SPAWNED" || status=$?
    mv "$primary"/hidden/.s.PGSQL.* "$primary"
    is "exit status" 69 "$status" || fail "$(cat "$DIR/err")"
    grep -q "host $standby is a standby, and has no slot" "$DIR/err" || fail "$(cat "$DIR/err")"
}

@test "a standby without what a first start makes: --check has it, and a start waits for a primary, saying so" {
    other_server
    local primary=$OTHER standby version
    version=$(on "$primary" "show server_version_num")
    standby=$(test_folder)
    OTHERS+=("$standby")
    [ "$(id -u)" != 0 ] || chown postgres: "$standby"
    on "$primary" "checkpoint"
    (cd "$standby" && as_postgres "$(pg_bin)/pg_basebackup" -h "$primary" -U postgres -D "$standby/data" -R -c fast)
    sed -i "s#unix_socket_directories = .*#unix_socket_directories = '$standby'#" "$standby/data/postgresql.conf"
    pg_up "$standby"
    local url
    url=$(PG_DIR=$standby pg_url postgres)
    check_is() { # TOOL STATUS TEXT
        run t "$1" --check --name p "$url"
        is "$1 --check: $3" "$2" "$status" || fail "$output"
        [ -z "$3" ] || [[ $output == *"$3"* ]] || fail "it does not say '$3': $output"
    }
    check_is pg-cdc 78 "no publication can be made"
    check_is cdc-snapshot 78 "no publication can be made"
    run t cdc-snapshot --name p --retry-max 1 --offset-file "$DIR/snapshot" "$url"
    is "status of the snapshot" 69 "$status" || fail "$output"
    [[ $output == *'is a standby, and has no publication "cdc_p"'*target_session_attrs=primary* ]] || fail "it does not say so: $output"
    on "$primary" "create publication cdc_p for table t"
    wait_until eval '[ "$(on "$standby" "select count(*) from pg_publication")" = 1 ]'
    check_is pg-cdc 78 "no slot can be made"
    if [ "$version" -lt 160000 ]; then check_is cdc-snapshot 78 "no slot can be made"; else check_is cdc-snapshot 0 ""; fi
}

# Since 16 a standby has slots of its own, and its walsenders go on when it is promoted.
# bats test_tags=only:postgresql-17
@test "a standby is promoted while it is read: what is written from there on is of its new timeline, and the next start goes on" {
    other_server
    local primary=$OTHER standby pid
    on "$primary" "create publication cdc_p for table t; select pg_create_physical_replication_slot('s')" >/dev/null
    standby=$(test_folder)
    OTHERS+=("$standby")
    [ "$(id -u)" != 0 ] || chown postgres: "$standby"
    pg_down "$primary"
    cp -a "$primary/data" "$standby/data"
    as_postgres touch "$standby/data/standby.signal"
    {
        echo "unix_socket_directories = '$standby'"
        echo "primary_conninfo = 'host=$primary user=postgres'"
        echo "primary_slot_name = 's'"
        echo "hot_standby_feedback = on"
    } >>"$standby/data/postgresql.conf"
    pg_up "$primary"
    pg_up "$standby"
    on "$standby" "select pg_create_logical_replication_slot('cdc_p', 'pgoutput')" >"$DIR/slot" &
    pid=$!
    # the slot begins where the primary logs what runs
    wait_until eval 'on "$primary" "select pg_log_standby_snapshot()" >/dev/null; [ -s "$DIR/slot" ]'
    wait "$pid"
    spawn pg-cdc --name p --heartbeat 1 --offset-file "$DIR/own" "$(PG_DIR=$standby pg_url postgres)" >"$DIR/out" 2>"$DIR/err"
    pid=$SPAWNED
    on "$primary" "insert into t values (1, 'primary')"
    wait_for_match "$DIR/out" '"v":"primary"'
    on "$standby" "select pg_promote()" >/dev/null
    on "$standby" "insert into t values (2, 'promoted')"
    wait_for_match "$DIR/out" '"v":"promoted"'
    # nothing is written any more, and the position is of the new timeline all the same
    wait_for_match "$DIR/out" '"timeline":2'
    wait_for_match "$DIR/own" '"timeline":2.*"timeline":2'
    kill -TERM "$pid"
    status_of "$pid"
    on "$standby" "insert into t values (3, 'later')"
    run read_log "$standby" --offset-file "$DIR/own"
    is "exit status" 0 "$status" || fail "$(cat "$DIR/err")"
    is "rows" "primary promoted later" "$(jq -r 'select(.op == "c") | .after.v' "$DIR/out" | paste -sd ' ')"
    # the old primary, of the same system, has gone another way
    run read_log "$primary" --retry-max 1 --offset-file "$DIR/own"
    [ "$status" = 79 ] || fail "exit status $status: $(cat "$DIR/err")"
}

# Lines of a transaction are with the reader when the server goes; the one that comes up has never had that transaction.
@test "a server set back while a transaction is on its way: no part of it stays, and what came instead is in the copy" {
    other_server
    local url line sink pid
    url=$(PG_DIR=$OTHER pg_url postgres)
    line="pg-cdc --name p --state-dir '$STATE' --heartbeat 1"
    sink="cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    t bash -c "$line --until now '$url' 2>>'$DIR/err' | $sink"
    on "$OTHER" "insert into t values (1, 'before')"
    t bash -c "$line --until now '$url' 2>>'$DIR/err' | $sink"
    is "stored" before "$(sqlite3 "$DIR/copy.db" 'select v from t')"
    pg_down "$OTHER"
    as_postgres cp -a "$OTHER/data" "$OTHER/older"
    pg_up "$OTHER"
    spawn_line "$line '$url' 2>>'$DIR/err' | { head -c 300000; touch '$DIR/part'; until [ -e '$DIR/go' ]; do sleep 0.05; done; cat; } | $sink"
    pid=$SPAWNED
    wait_until slot_active_on "$OTHER"
    on "$OTHER" "insert into t select g, repeat('B', 400) from generate_series(100, 20000) g"
    wait_until [ -e "$DIR/part" ]
    pg_down "$OTHER" immediate
    as_postgres rm -r "$OTHER/data"
    as_postgres mv "$OTHER/older" "$OTHER/data"
    pg_up "$OTHER"
    on "$OTHER" "insert into t values (2, 'instead')"
    touch "$DIR/go"
    status=0
    status_of "$pid" || status=$?
    is "exit status" 75 "$status" || fail "$(cat "$DIR/err")"
    # the second: where a heartbeat, or what was stored, was after the older end of the log
    grep -qE 'error: (the connection broke inside the transaction at .* and the server does not have it any more|what was written last is not in the server.s log any more)' "$DIR/err" || fail "$(cat "$DIR/err")"
    t bash -c "$line --until now '$url' 2>>'$DIR/err' | $sink"
    is "copy" "1 before,2 instead" "$(sqlite3 "$DIR/copy.db" "select id || ' ' || v from t order by id limit 5" | paste -sd,)"
}
# Its lines are numbered by its changes, of which the server leaves out some the second time (see above).
# open_meanwhile: a line that was read once, and then a transaction that is open while its publication is altered.
open_meanwhile() {
    other_server "max_prepared_transactions = 2"
    url=$(PG_DIR=$OTHER pg_url postgres)
    line="pg-cdc --name p --allow-republished --state-dir '$STATE' --heartbeat 1"
    sink="cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    on "$OTHER" "create table z (id int primary key, v text); create publication cdc_p for table t, z"
    look_once
    on "$OTHER" "alter publication cdc_p drop table t"
    on "$OTHER" "begin; insert into t select g, 'open' from generate_series(1, 2000) g; insert into z select g, repeat('open', 50) from generate_series(1, 40000) g; prepare transaction 'open'"
    on "$OTHER" "alter publication cdc_p add table t"
}
# The line runs until it has kept what the publication has.
look_once() {
    local at
    at=$(on "$OTHER" "select pg_current_wal_insert_lsn()")
    spawn_line "$line '$url' 2>>'$DIR/err' | $sink"
    wait_until slot_active_on "$OTHER"
    on "$OTHER" "insert into z values (0) on conflict (id) do update set v = '$at'"
    wait_until is_confirmed_on "$OTHER" "$at"
    wait_for_match "$STATE/pg-cdc-p.offset" '"whole"'
    kill -TERM -- "-$SPAWNED"
    status_of "$SPAWNED" || true
}
# The line goes on, and its connection breaks inside the transaction, after one that the server does not decode again.
break_inside() {
    local pid at
    spawn_line "$line '$url' 2>>'$DIR/err' | { head -c 300000; touch '$DIR/part'; until [ -e '$DIR/go' ]; do sleep 0.05; done; cat; } | $sink"
    pid=$SPAWNED
    wait_until slot_active_on "$OTHER"
    at=$(on "$OTHER" "insert into t values (-1, 'later') returning pg_current_wal_insert_lsn()")
    wait_until is_confirmed_on "$OTHER" "$at"
    on "$OTHER" "commit prepared 'open'"
    wait_until [ -e "$DIR/part" ]
    on "$OTHER" "select pg_terminate_backend(active_pid) from pg_replication_slots" >/dev/null
    touch "$DIR/go"
    status=0
    status_of "$pid" || status=$?
    is "exit status" 75 "$status" || fail "$(cat "$DIR/err")"
    grep -q 'error: the connection broke inside the transaction at .* altered while it was open' "$DIR/err" || fail "$(cat "$DIR/err")"
    t bash -c "$line --until now '$url' 2>>'$DIR/err' | $sink"
    is "rows of z" "40000 1 40000" "$(sqlite3 -separator ' ' "$DIR/copy.db" "select count(*), min(id), max(id) from z where v like 'open%'")"
}
@test "a publication altered while a transaction was open, and the connection breaks inside it: no row of another table is missing" {
    local url line sink
    open_meanwhile
    break_inside
}
@test "a publication altered while a transaction was open, by a line that knows only what its sink has stored: no row of another table is missing" {
    local url line sink
    open_meanwhile
    rm "$STATE/pg-cdc-p.offset"
    break_inside
}
@test "a publication altered while a transaction was open, before the line saw it first, and the next start is cut off: no row of another table is missing" {
    local url line sink
    open_meanwhile
    rm "$STATE/pg-cdc-p.offset"
    look_once
    break_inside
}
is_confirmed_on() { [ "$(on "$1" "select confirmed_flush_lsn > '$2' from pg_replication_slots")" = t ]; }
slot_active_on() { [ "$(on "$1" "select count(*) from pg_replication_slots where active")" = 1 ]; }

# Is the session that reads tables there? Those that look are of the same tool.
one_reads() { [ "$(on "$1" "select count(*) from pg_stat_activity where application_name = 'pg-cdc' and backend_type = 'client backend'")" = 2 ]; }
streams_from() { [ "$(on "$1" "select count(*) from pg_replication_slots where active")" = 1 ]; }
copy_has() { [ "$(sqlite3 "$DIR/copy.db" "select group_concat(id || v, ' ') from (select * from t order by id)" 2>/dev/null)" = "$1" ]; }
# Two servers with one log, $FIRST and its copy $SECOND, and what a line of the two has copied of t.
two_servers() {
    other_server
    FIRST=$OTHER
    on "$FIRST" "insert into t select g, 'row' from generate_series(1, 3) g"
    SECOND=$(test_folder)
    OTHERS+=("$SECOND")
    [ "$(id -u)" != 0 ] || chown postgres: "$SECOND"
    options="--name p -t public.t --state-dir '$STATE' 'postgresql:///postgres?host=$FIRST&user=postgres'"
    t bash -o pipefail -c "{ cdc-snapshot $options && exec pg-cdc --until now $options; } | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'" 2>"$DIR/err"
    pg_down "$FIRST"
    (as_postgres cp -a "$FIRST/data" "$SECOND/data")
    sed -i "s#unix_socket_directories = .*#unix_socket_directories = '$SECOND'#" "$SECOND/data/postgresql.conf"
    pg_up "$FIRST"
    pg_up "$SECOND"
}
# stream_of HOST: the line goes on, from there.
stream_of() {
    spawn_line "pg-cdc --heartbeat 0 --name p -t public.t --state-dir '$STATE' 'postgresql:///postgres?host=$1&user=postgres' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'" 2>>"$DIR/err"
    wait_until streams_from "$FIRST"
}
ask_for_t() { cdc-snapshot --again --name p -t public.t --state-dir "$STATE" "postgresql:///postgres?host=$FIRST&user=postgres" 2>>"$DIR/err"; }
@test "several hosts: a table is read again at the server that the log comes from, and at no other one" {
    two_servers
    stream_of "$FIRST,$SECOND"
    # A transaction that runs holds the read off, whose session is there by then.
    mkfifo "$DIR/session"
    PGHOST=$FIRST PGUSER=postgres spawn bash -c 'exec psql -XqAt -d postgres <"$0"' "$DIR/session"
    exec 8>"$DIR/session"
    echo "begin; select pg_current_xact_id();" >&8
    ask_for_t
    wait_until one_reads "$FIRST"
    # The first one is cut off, and lives on.
    mkdir "$FIRST/hidden"
    mv "$FIRST"/.s.PGSQL.* "$FIRST/hidden"
    on "$FIRST/hidden" "select pg_terminate_backend(active_pid) from pg_replication_slots where active" >/dev/null
    wait_until streams_from "$SECOND"
    on "$SECOND" "update t set v = 'second' where id = 2"
    wait_until copy_has "1row 2second 3row"
    exec 8>&-
    for _ in {1..20}; do on "$FIRST/hidden" "select pg_current_xact_id()" >/dev/null; done
    on "$SECOND" "insert into t values (4, 'last')"
    wait_for_match "$DIR/err" 'is read again: '
    wait_until copy_has "1row 2second 3row 4last" || fail "$(sqlite3 "$DIR/copy.db" "select * from t"; cat "$DIR/err")"
    mv "$FIRST"/hidden/.s.PGSQL.* "$FIRST"
}

@test "an address that has moved to another server, while the log still comes from the first: no table is read there" {
    two_servers
    ln -s "$FIRST" "$DIR/address"
    stream_of "$DIR/address"
    ln -sfn "$SECOND" "$DIR/address"
    on "$SECOND" "update t set v = 'second'; insert into t values (9, 'second')"
    ask_for_t
    wait_for_match "$DIR/err" 'waits: .* is another server now than the one that the log comes from'
    on "$FIRST" "insert into t values (4, 'first')"
    wait_until copy_has "1row 2row 3row 4first"
    ln -sfn "$FIRST" "$DIR/address"
    wait_for_match "$DIR/err" 'is read again: '
    on "$FIRST" "insert into t values (5, 'last')"
    wait_until copy_has "1row 2row 3row 4first 5last"
}

@test "a damaged page of a table: 78 with what the server says, not another attempt for ever" {
    local file status=0
    other_server
    on "$OTHER" "insert into t select g, repeat('x', 100) from generate_series(1, 1000) g; checkpoint"
    file=$(on "$OTHER" "select pg_relation_filepath('t')")
    pg_down "$OTHER"
    printf 'what the disk made of it' | dd of="$OTHER/data/$file" bs=8192 seek=3 conv=notrunc status=none
    pg_up "$OTHER"
    t cdc-snapshot --name p --offset-file "$DIR/own" "$(PG_DIR=$OTHER pg_url postgres)" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "exit status" 78 "$status" || { cat "$DIR/err"; return 1; }
    grep -q 'invalid page in block 3.*restore' "$DIR/err" || fail "$(cat "$DIR/err")"
}
