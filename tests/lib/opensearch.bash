# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A real OpenSearch, one private node, for tests and demo (tests/opensearch/start).

# Starts it and sets OPENSEARCH_URL. Where it cannot be had a test is skipped, and the demo fails.
opensearch_start() {
    if ! "$CDC_ROOT/tests/opensearch/start" --prepare >&2; then
        [ -z "${BATS_TEST_FILENAME:-}" ] || skip "OpenSearch cannot be had here: run tests/setup test"
        return 1
    fi
    OPENSEARCH_DIR=$(test_folder)
    setsid "$CDC_ROOT/tests/opensearch/start" "$OPENSEARCH_DIR" >/dev/null 2>&1 3>&- &
    OPENSEARCH_PID=$!
    wait_until -t 90 opensearch_up || { tail -20 "$OPENSEARCH_DIR/log" >&2; return 1; }
    OPENSEARCH_URL=http://127.0.0.1:$(cat "$OPENSEARCH_DIR/port")
    export OPENSEARCH_URL OPENSEARCH_PID OPENSEARCH_DIR # from setup_file to the tests
}
opensearch_up() { [ -s "$OPENSEARCH_DIR/port" ] || gone "$OPENSEARCH_PID"; }
opensearch_stop() {
    [ -n "${OPENSEARCH_PID:-}" ] || return 0
    kill "$OPENSEARCH_PID" 2>/dev/null
    wait_until -t 10 gone "$OPENSEARCH_PID" || kill -KILL "$OPENSEARCH_PID" 2>/dev/null
    wait "$OPENSEARCH_PID" 2>/dev/null
    rm -rf "$OPENSEARCH_DIR"
    OPENSEARCH_PID=
    return 0
}
# opensearch_rows INDEX JQ-EXPRESSION
opensearch_rows() { python3 "$LIB/opensearch.py" "$OPENSEARCH_URL" rows "$1" | jq -c "$2"; }
