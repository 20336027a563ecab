#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http with several requests under way: nothing overtakes anything of the same document or key, whatever goes wrong.
# takes: 90 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    SCHEMA=s$BATS_TEST_NUMBER
}
teardown() {
    end_spawned || true
    opensearch_stop
}
# random WHAT REQUESTS LINES: three seeds that stay, and one of today.
random() {
    local seed
    for seed in 11 12 13 "$RANDOM"; do
        t python3 "$LIB/requests.py" "$1" "$seed" --requests "$2" --lines "$3"
    done
}

@test "an index: random lines and faults, kills and stops; no document is in two requests at once" { random index 2 1000; }
@test "an index: the same with four requests" { random index 4 1000; }
@test "a webhook: random lines and faults; the lines of a key come in order" { random webhook 4 300; }

@test "a real index: hot keys in many transactions, sinks killed in the middle" {
    opensearch_start
    python3 "$LIB/requests.py" lines 21 --lines 40000 --schema "$SCHEMA" --rows "$DIR/rows" >"$IN"
    local sink
    for _ in 1 2 3; do
        spawn cdc-sink-http --elasticsearch --requests 3 --batch-events 3000 --offset-file "$DIR/o" "$OPENSEARCH_URL" <"$IN"
        sink=$!
        wait_until moved "$sink"
        kill -KILL "$sink" 2>/dev/null || true
        wait "$sink" || true
    done
    LIMIT=240 t cdc-sink-http --elasticsearch --requests 3 --offset-file "$DIR/o" "$OPENSEARCH_URL" <"$IN"
    opensearch_rows "$SCHEMA-t" '[.id, .v, .big]' | sort >"$DIR/found"
    is "rows" "$(sort "$DIR/rows")" "$(cat "$DIR/found")"
}
# Has the position moved since it was looked at last, or has the sink ended?
moved() {
    local now
    ! gone "$1" || return 0
    now=$(jq -r '.offsets.n.pos // ""' "$DIR/o" 2>/dev/null) || return 1
    [ "$now" != "${LAST:-}" ] || return 1
    LAST=$now
}

@test "a real index: two copies of a pipeline write it at once, each killed in turn; every row ends in its last state" {
    opensearch_start
    python3 "$LIB/requests.py" lines 23 --lines 20000 --schema "$SCHEMA" --rows "$DIR/rows" >"$IN"
    copy() { cdc-sink-http --elasticsearch --requests "$2" --batch-events "$3" --offset-file "$DIR/$1" "$OPENSEARCH_URL" <"$IN"; }
    curl -fsS -XPUT "$OPENSEARCH_URL/$SCHEMA-t" -H 'Content-Type: application/json' -d '{"settings":{"index.gc_deletes":"1s"}}' >/dev/null
    local -A LAST_OF=()
    local one pids round
    for round in 1 2 3; do
        pids=()
        spawn cdc-sink-http --elasticsearch --requests 3 --batch-events 1500 --offset-file "$DIR/0" "$OPENSEARCH_URL" <"$IN"
        pids+=("$SPAWNED")
        spawn cdc-sink-http --elasticsearch --batch-events 700 --offset-file "$DIR/1" "$OPENSEARCH_URL" <"$IN"
        pids+=("$SPAWNED")
        # One is killed first, and the other goes on alone for a while; in the next round the other way round.
        for one in $((round % 2)) $(((round + 1) % 2)); do
            wait_until moved_in "$one" "${pids[one]}"
            kill -KILL "${pids[one]}" 2>/dev/null || true
            wait "${pids[one]}" || true
        done
    done
    copy 0 3 10000 3>&- &
    copy 1 1 10000
    wait $!
    opensearch_rows "$SCHEMA-t" '[.id, .v, .big]' | sort >"$DIR/found"
    is "rows" "$(sort "$DIR/rows")" "$(cat "$DIR/found")"
}
moved_in() {
    local now
    ! gone "$2" || return 0
    now=$(jq -r '.offsets.n.pos // ""' "$DIR/$1" 2>/dev/null) || return 1
    [ "$now" != "${LAST_OF[$1]:-}" ] || return 1
    LAST_OF[$1]=$now
}
