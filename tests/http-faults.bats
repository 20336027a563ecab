#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http before an index where all goes wrong that can, in one run: answers that refuse, say nothing or never come, a proxy and a
# node that are killed and restarted. The index ends equal, the messages say what happened, and the statuses are right.
# CDC_CRASH_ROWS=40000: the long run.
# takes: 90 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/opensearch

setup() { DIR=$BATS_TEST_TMPDIR; }
teardown() {
    end_spawned || true
    opensearch_stop
}

LINES=${CDC_CRASH_ROWS:-15000}
proxy() {
    rm -f "$DIR/port"
    spawn python3 "$LIB/http-faults.py" "$DIR" "$OPENSEARCH_URL" "$1" ${PORT:+"$PORT"} >/dev/null
    PROXY=$SPAWNED
    wait_until test -s "$DIR/port"
    PORT=$(cat "$DIR/port")
}
proxy_again() {
    kill -KILL "$PROXY"
    wait "$PROXY" 2>/dev/null || true
    pause_ms 700
    proxy "$1"
}
node_again() {
    kill -KILL "$OPENSEARCH_PID"
    wait "$OPENSEARCH_PID" 2>/dev/null || true
    setsid "$CDC_ROOT/tests/opensearch/start" "$OPENSEARCH_DIR" "${OPENSEARCH_URL##*:}" >/dev/null 2>&1 3>&- &
    OPENSEARCH_PID=$!
}
faults_at_least() { lines_at_least "$DIR/faults" "$1" || gone "$SUPERVISOR"; }
after_faults() {
    wait_until -t 120 faults_at_least "$1"
    ! gone "$SUPERVISOR" || fail "the sink has ended after $(wc -l <"$DIR/faults") faults, with $(tail -1 "$DIR/ends"): $(tail -5 "$DIR/err")"
}
node_is_up() { curl -fs -m 5 "$OPENSEARCH_URL/_cluster/health?wait_for_status=yellow" >/dev/null; }
# An answer that makes no sense, whose sender must be mended, ends the sink with 76; a connection that ends does not.
supervised() {
    local status faults
    while [ ! -e "$DIR/stop" ]; do
        faults=$(wc -l <"$DIR/faults")
        status=0
        cdc-sink-http --elasticsearch --requests 3 --timeout 2 --batch-events 100 --offset-file "$DIR/offset" "http://127.0.0.1:$PORT" <"$DIR/in" 2>>"$DIR/err" || status=$?
        echo "$status" >>"$DIR/ends"
        [ $status != 0 ] || return 0
        [ $status = 76 ] && tail -n +$((faults + 1)) "$DIR/faults" | grep -qE 'garbage|bomb' || return 1
    done
}
says() { grep -qE -- "$1" "$DIR/err" || fail "no message says '$1': $(cut -c1-200 "$DIR/err" | sort | uniq -c | sort -rn | head -20)"; }

@test "refusals, garbage, a gzip bomb, half an answer, hanging, a proxy and a node killed and restarted: the index ends equal" {
    opensearch_start
    python3 "$LIB/requests.py" lines 31 --lines "$LINES" --schema s --rows "$DIR/rows" >"$DIR/in"
    : >"$DIR/faults"
    proxy 1
    supervised 3>&- &
    SUPERVISOR=$!
    SPAWNED_ALL+=("$SUPERVISOR")
    after_faults 4
    proxy_again 2
    after_faults 8
    node_again
    after_faults 18
    touch "$DIR/calm"
    wait_until -t 120 gone "$SUPERVISOR"
    wait "$SUPERVISOR" || fail "the sink ended with $(tail -1 "$DIR/ends"): $(tail -5 "$DIR/err")"
    wait_until node_is_up
    opensearch_rows s-t '[.id, .v, .big]' | sort >"$DIR/found"
    is "rows" "$(sort "$DIR/rows")" "$(cat "$DIR/found")"
    echo "# faults: $(sort "$DIR/faults" | uniq -c | awk '{printf "%s%s %d times", (NR > 1 ? ", " : ""), $2, $1}'); exits: $(sort "$DIR/ends" | uniq -c | awk '{printf "%s%s %d times", (NR > 1 ? ", " : ""), $2, $1}')" >&3
    says 'status 429'
    says 'status 503'
    says 'error: '
    says 'imed out|Timeout|timeout'
    says 'refused|connect'
}
