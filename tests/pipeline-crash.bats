#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The promises of the whole line, against a real server: each process of it is killed again and again.
# takes: 125 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/opensearch
load lib/crash

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    COPY=$DIR/copy.db
    LINE=$(full_line "cdc-sink-sqlite --state-dir '$STATE' '$COPY'")
}
teardown() {
    pg_test_teardown
    opensearch_stop
}

@test "each process killed with SIGKILL again and again: the SQLite copy ends equal to the source" {
    crash_tables
    crash_traffic
    crash_all "$LINE 2>>'$DIR/err'" cdc-sink-sqlite || { tail -20 "$DIR/err"; return 1; }
    crash_finish "$LINE 2>>'$DIR/err'" || { tail -20 "$DIR/err"; return 1; }
    source_rows "flag::int"
    sqlite_rows "$COPY"
    compare_tables
}

@test "each process killed with SIGKILL again and again: the OpenSearch index ends equal to the source" {
    opensearch_start
    local line
    line=$(full_line "cdc-sink-http --elasticsearch --index '{schema}-{table}' --state-dir '$STATE' '$OPENSEARCH_URL'")
    crash_tables
    crash_traffic
    crash_all "$line 2>>'$DIR/err'" cdc-sink-http || { tail -20 "$DIR/err"; return 1; }
    crash_finish "$line 2>>'$DIR/err'" || { tail -20 "$DIR/err"; return 1; }
    source_rows "flag"
    opensearch_rows "$NAME-accounts" '[.id,.owner,.balance,.flag,.note,.big,.changed]' >"$DIR/accounts.actual"
    opensearch_rows "$NAME-history" '[.id,.account,.delta,.at]' >"$DIR/history.actual"
    opensearch_rows "$NAME-branches" '[.code,.total]' >"$DIR/branches.actual"
    compare_tables
}

# bash does not wait for what is in >( ): another line would find its offset file in use, and go on without that sink.
sink_has_ended() { ! has_member "$SPAWNED" cdc-sink-http; }
# stopped_and_killed LINE SINK: the sink stands still for a while, and is killed then.
stopped_and_killed() {
    local pid status=0
    spawn_line "$1"
    wait_until -t 120 has_member "$SPAWNED" pg-cdc
    wait_until -t 120 has_member "$SPAWNED" "$2"
    pid=$(member "$SPAWNED" "$2")
    kill -STOP "$pid"
    pause_ms 1500
    kill -KILL "$pid"
    status_of "$SPAWNED" 60 || status=$?
    case $status in 0 | 69 | 74 | 75 | 137) ;; *) fail "the line ended with $status after $2 was stopped and killed" ;; esac
    wait_until -t 60 sink_has_ended
}
@test "a fan-out through tee, one sink and then the other stopped and killed: index and copy end equal to the source" {
    opensearch_start
    local line sink
    # tee is ended by SIGPIPE where a reader is gone, and that is no status of ours.
    line=$(full_line "{ tee >(exec cdc-sink-http --elasticsearch --requests 2 --state-dir '$STATE' '$OPENSEARCH_URL') || exit 74; } | cdc-sink-sqlite --state-dir '$STATE' '$COPY'")
    crash_tables
    crash_traffic
    crash_after_snapshot "$line 2>>'$DIR/err'" cdc-sink-http || { tail -20 "$DIR/err"; return 1; }
    wait_until -t 60 sink_has_ended
    for sink in cdc-sink-http cdc-sink-sqlite cdc-sink-http cdc-sink-sqlite; do
        stopped_and_killed "$line 2>>'$DIR/err'" $sink || { tail -20 "$DIR/err"; return 1; }
    done
    crash_finish "$line 2>>'$DIR/err'" || { tail -20 "$DIR/err"; return 1; }
    wait_until -t 60 sink_has_ended
    source_rows "flag::int"
    sqlite_rows "$COPY"
    compare_tables
    source_rows "flag"
    opensearch_rows "$NAME-accounts" '[.id,.owner,.balance,.flag,.note,.big,.changed]' >"$DIR/accounts.actual"
    opensearch_rows "$NAME-history" '[.id,.account,.delta,.at]' >"$DIR/history.actual"
    opensearch_rows "$NAME-branches" '[.code,.total]' >"$DIR/branches.actual"
    compare_tables
}
