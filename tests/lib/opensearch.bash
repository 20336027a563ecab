# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A real OpenSearch, one private node, for tests and demo (tests/opensearch/start).

# opensearch_start ['NAME VALUE']...: with these settings; sets OPENSEARCH_URL. Where it cannot be had a test is skipped, and the demo fails.
opensearch_start() {
    if ! "$CDC_ROOT/tests/opensearch/start" --prepare >&2; then
        [ -z "${BATS_TEST_FILENAME:-}" ] || skip "OpenSearch cannot be had here: run tests/setup test"
        return 1
    fi
    OPENSEARCH_DIR=$(test_folder)
    [ $# = 0 ] || printf '%s\n' "$@" >"$OPENSEARCH_DIR/settings"
    setsid "$CDC_ROOT/tests/opensearch/start" "$OPENSEARCH_DIR" >/dev/null 2>&1 3>&- &
    OPENSEARCH_PID=$!
    wait_until -t 240 opensearch_up || { tail -20 "$OPENSEARCH_DIR/log" >&2; return 1; }
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

# A cluster of real nodes: search_cluster_start N sets SEARCH_DIR, with a folder for each node, and SEARCH_URLS.
free_ports() { python3 -c 'import socket, sys
all = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in all: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in all])' "$1"; }
search_cluster_start() {
    local ports names i first=cluster.initial_cluster_manager_nodes
    if ! "$CDC_ROOT/tests/opensearch/start" --prepare >&2; then
        [ -z "${BATS_TEST_FILENAME:-}" ] || skip "no ${CDC_SEARCH:-OpenSearch} here: run tests/setup test"
        return 1
    fi
    [[ ${CDC_SEARCH:-} != elasticsearch-* ]] || first=cluster.initial_master_nodes
    SEARCH_DIR=$(test_folder) SEARCH_PIDS=() SEARCH_URLS=()
    read -ra ports < <(free_ports $((2 * $1)))
    names=$(seq -s, -f 'n%g' "$1")
    for ((i = 1; i <= $1; i++)); do
        mkdir -p "$SEARCH_DIR/$i"
        printf '%s\n' "node.name n$i" "transport.port ${ports[$1 + i - 1]}" "$first $names" "cluster.fault_detection.follower_check.timeout 5s" \
            "discovery.seed_hosts $(printf '127.0.0.1:%s\n' "${ports[@]:$1}" | paste -sd,)" >"$SEARCH_DIR/$i/settings"
        SEARCH_URLS[i]=http://127.0.0.1:${ports[i - 1]}
        search_node_start "$i" || return 1
    done
    wait_until -t 120 search_cluster_is_whole "$1" || { tail -5 "$SEARCH_DIR"/*/log >&2; return 1; }
}
# search_node_start I: at the port that it had.
search_node_start() {
    setsid "$CDC_ROOT/tests/opensearch/start" "$SEARCH_DIR/$1" "${SEARCH_URLS[$1]##*:}" >/dev/null 2>&1 3>&- &
    SEARCH_PIDS[$1]=$!
}
search_node_kill() {
    kill -KILL "${SEARCH_PIDS[$1]}"
    wait "${SEARCH_PIDS[$1]}" 2>/dev/null || true
}
# search_cluster_is_whole N: all nodes are there, and all copies of all shards.
search_cluster_is_whole() {
    local url
    for url in "${SEARCH_URLS[@]}"; do
        [ "$(curl -s -m 5 "$url/_cluster/health" | jq -r '"\(.status) \(.number_of_nodes)"')" = "green $1" ] || return 1
    done
}
search_cluster_stop() {
    local pid
    for pid in "${SEARCH_PIDS[@]}"; do
        kill -CONT "$pid" 2>/dev/null
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    [ -z "${SEARCH_DIR:-}" ] || rm -rf "$SEARCH_DIR"
    SEARCH_PIDS=() SEARCH_DIR=
    return 0
}
