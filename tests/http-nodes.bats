#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http --elasticsearch with the nodes of a cluster: one takes over from another, and no other cluster is written to.
# takes: 240 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    SOURCE_NAME=n
    SCHEMA=s$BATS_TEST_NUMBER
    URLS=()
}
teardown() {
    end_spawned || true
    search_cluster_stop
}

# node NAME [PORT]: a server that does what a script says, in DIR/NAME; its URL is added to URLS.
node() {
    local name=$1
    mkdir -p "$DIR/$name"
    spawn python3 "$LIB/http-server.py" "$DIR/$name" "${@:2}"
    declare -g "PID_$name=$SPAWNED"
    wait_until test -s "$DIR/$name/port"
    URLS+=("http://127.0.0.1:$(cat "$DIR/$name/port")")
}
elastic() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "${URLS[@]}" <"$IN"; }
bulks() { jq -r 'select(.path | startswith("/_bulk")) | .body' "$DIR/$1/log" 2>/dev/null | grep -c '"index":' || true; }
pos() { jq -r ".offsets[\"$SOURCE_NAME\"].pos // \"\"" "$DIR/o"; }
three() {
    schema id id:integer name:text
    for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"n$i\"}"; done
    commit
}

@test "one that is away, cuts or answers with 503 leaves it to the next, which is kept to" {
    node a
    node b
    three >"$IN"
    kill -KILL "$PID_a"
    run -0 --separate-stderr elastic
    [[ $stderr == *"${URLS[0]}/: "*"; trying ${URLS[1]}/"* ]]
    [ "$(bulks b)" = 3 ]
    is "kept" cluster "$(jq -r '.cluster // empty' "$DIR/o.indexes")"
    for answer in 503 cut 'head 200'; do
        end_spawned || true
        rm -rf "$DIR/o" "$DIR/a" "$DIR/b"
        URLS=()
        node a
        node b
        echo "$answer" >"$DIR/a/script"
        # What is made at one node is there at the other.
        ln -s ../a/mapping "$DIR/b/mapping"
        # It does not wait before the next node: it would give up.
        elastic --retry-max 0
        is "$answer: documents at b" 3 "$(bulks b)"
    done
}

@test "--retry-max counts rounds: each node is asked once in each" {
    node a
    node b
    node c
    three >"$IN"
    kill -KILL "$PID_a" "$PID_b" "$PID_c"
    run -69 --separate-stderr elastic --retry-max 1
    is "waits" 1 "$(grep -c 'trying again' <<<"$stderr")"
    is "moves" 4 "$(grep -c '; trying http' <<<"$stderr")"
    [[ $stderr == *"(2 attempts)"* ]]
}

@test "a node of another cluster is exit 78 before anything is written, at once and in a later run" {
    node a
    node b
    echo other >"$DIR/b/cluster"
    three >"$IN"
    run -78 --separate-stderr elastic
    [[ $stderr == *"${URLS[1]}/ is of another cluster (cluster_uuid other) than the one that is filled (cluster)"* ]]
    is "documents" "0 0" "$(bulks a) $(bulks b)"
    is "mappings" "" "$(cat "$DIR/a/mapping" "$DIR/b/mapping" 2>/dev/null)"
    echo cluster >"$DIR/b/cluster"
    elastic
    is "documents" 3 "$(bulks a)"
    # Only the other one is named: the position and what is kept belong to the first.
    { three; change u '{"id":1}' null '{"id":1,"name":"x"}'; commit; } >"$IN"
    echo other >"$DIR/b/cluster"
    URLS=("${URLS[1]}")
    run -78 --separate-stderr elastic
    [[ $stderr == *"--new-cluster"* ]]
    is "documents" 0 "$(bulks b)"
    cp "$DIR/a/mapping" "$DIR/b/mapping"
    elastic --new-cluster
    is "documents" 4 "$(bulks b)"
    is "kept" other "$(jq -r '.cluster // empty' "$DIR/o.indexes" | tail -1)"
}

@test "one that does not say of which cluster it is, is told once, and used" {
    node a
    node b
    ln -s ../a/mapping "$DIR/b/mapping"
    echo >"$DIR/a/cluster"
    echo >"$DIR/b/cluster"
    three >"$IN"
    run -0 --separate-stderr elastic
    is "said" 1 "$(grep -c 'does not say of which cluster' <<<"$stderr")"
    is "documents" 3 "$(bulks a)"
    echo _na_ >"$DIR/a/cluster"
    { three; change u '{"id":1}' null '{"id":1,"name":"x"}'; commit; } >"$IN"
    run -0 --separate-stderr elastic
    [[ $stderr == *"it has not joined a cluster yet; trying ${URLS[1]}/"* ]]
    is "documents" 4 "$(bulks b)"
}

@test "more than one URL is for --elasticsearch; each has a user of its own" {
    run -64 t cdc-sink-http --webhook http://a http://b </dev/null
    node a
    node b
    three >"$IN"
    kill -KILL "$PID_a"
    URLS=("${URLS[0]/\/\//\/\/first:one@}" "${URLS[1]/\/\//\/\/second:two@}")
    run -0 --separate-stderr elastic
    [[ $stderr != *one@* && $stderr != *two@* ]]
    is "user" second:two "$(jq -r '.headers.authorization | sub("Basic "; "") | @base64d' "$DIR/b/log" | sort -u)"
}

# Lines that have come, as the position says.
position_moves() {
    local before
    before=$(pos 2>/dev/null) || before=
    wait_until -t 120 position_is_not "$before"
}
position_is_not() { gone "$SINK" || [ "$(pos 2>/dev/null)" != "$1" ]; }

@test "a real cluster: nodes killed, stopped and restarted in turn under traffic; every row, in its last state" {
    search_cluster_start 3
    python3 "$LIB/requests.py" lines 31 --lines 24000 --schema "$SCHEMA" --rows "$DIR/rows" >"$IN"
    mkfifo "$DIR/fifo"
    spawn sh -c "exec cdc-sink-http --elasticsearch --requests 2 --batch-events 500 --timeout 5 --offset-file '$DIR/o' \
        --metrics-file '$DIR/metrics' ${SEARCH_URLS[*]} <'$DIR/fifo' 2>'$DIR/err'"
    SINK=$SPAWNED
    exec 7>"$DIR/fifo"
    local node part=0 lines
    # All copies of the new index are there before the first node goes: the only one may be on it.
    head -n 300 "$IN" >&7
    position_moves
    wait_until -t 120 search_cluster_is_whole 3
    lines=$(($(wc -l <"$IN") - 300))
    for node in 1 2 3 2; do
        # The pipe holds less than a part: it is read while the node is away.
        spawn sh -c "sed -n '$((300 + part * lines / 4 + 1)),$((300 + (part + 1) * lines / 4))p' '$IN' >&7"
        position_moves
        if [ $part = 3 ]; then kill -STOP "${SEARCH_PIDS[node]}"; else search_node_kill "$node"; fi
        wait_until -t 120 gone "$SPAWNED" || { tail -5 "$DIR/err" >&2; return 1; }
        if [ $part = 3 ]; then kill -CONT "${SEARCH_PIDS[node]}"; else search_node_start "$node" 7>&-; fi
        wait_until -t 120 search_cluster_is_whole 3
        part=$((part + 1))
    done
    exec 7>&-
    local status=0
    status_of "$SINK" 120 || status=$?
    is "exit status" 0 "$status"
    grep -q '; trying http' "$DIR/err"
    OPENSEARCH_URL=${SEARCH_URLS[3]} opensearch_rows "$SCHEMA-t" '[.id, .v, .big]' | sort >"$DIR/found"
    is "rows" "$(sort "$DIR/rows")" "$(cat "$DIR/found")"
    is "changes counted" "$(grep -cE '^\{"op":"[cudt]"' "$IN")" "$(sed -nE 's/^cdc_changes_total(\{.*\})? //p' "$DIR/metrics")"
}
