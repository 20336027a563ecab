#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Source, sink and broker killed with SIGKILL again and again: what Kafka has is counted row by row by a reader that is not ours.
#   CDC_KAFKA_KILLS=100   how often, in each layout (default 8)
# takes: 90 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/kafka

setup_file() { kafka_begin transaction.abort.timed.out.transaction.cleanup.interval.ms=500; }
teardown_file() { kafka_end; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    N=crash$BATS_TEST_NUMBER
    KILLS=${CDC_KAFKA_KILLS:-8}
    STREAM=$LIB/kafka_crash.py
}
teardown() { end_spawned; }

has_member_or_is_over() { has_member "$SPAWNED" "$1" || [ -e "$DIR/stop" ] || gone "$SPAWNED"; }
# start_line OPTIONS: in $SPAWNED, with its parts in $FEED and $SINK.
start_line() {
    spawn bash -c "set -o pipefail; python3 $STREAM feed $N $DIR/o.offset $DIR/stop | cdc-sink-kafka --offset-file $DIR/o.offset $1 kafka://$KAFKA 2>>$DIR/err"
    # With the stop file there the feed ends at once.
    wait_until -t 30 has_member_or_is_over cdc-sink-kafka
    wait_until -t 30 has_member_or_is_over python3
    SINK=$(member "$SPAWNED" cdc-sink-kafka)
    FEED=$(member "$SPAWNED" python3)
}
end_line() {
    local status=0
    status_of "$SPAWNED" 60 2>>"$DIR/ends" || status=$?
    case $status in 0 | 69 | 74 | 75 | 137 | 143) ;; *) tail -5 "$DIR/err" >&2; fail "the line ended with $status" ;; esac
}
crash() {
    local i
    start_line "$1"
    for ((i = 0; i < KILLS; i++)); do
        pause_ms $((20 + RANDOM % 700))
        case $((RANDOM % 9)) in
        0 | 1 | 2) kill -KILL "$FEED" 2>/dev/null || true ;;
        3 | 4 | 5 | 6) kill -KILL "$SINK" 2>/dev/null || true ;;
        7) kill -KILL -- "-$SPAWNED" 2>/dev/null || true ;;
        8)
            kafka_node_kill 1
            pause_ms $((RANDOM % 500))
            kafka_node_start 1
            wait_until -t 60 kafka_whole 1
            continue
            ;;
        esac
        end_line
        start_line "$1"
    done
    touch "$DIR/stop"
    end_line
    start_line "$1"
    end_line
    COUNT=$(jq -r ".offsets.$N.pos" "$DIR/o.offset") # Kafka may have more, whose commit nobody saw
    COUNT=$((10#${COUNT%%.*}))
    [ "$COUNT" -gt 1 ] || fail "nothing was stored"
    echo "# $KILLS kills, $COUNT transactions" >&3
}

@test "log layout: every line exactly once, byte for byte" {
    crash "--topic $N --txn-timeout 10s --batch-bytes 200K"
    kafka_values "$N" >"$DIR/actual"
    local stored whole
    stored=$(tail -1 "$DIR/actual" | jq -r .pos)
    stored=$((10#${stored%%.*}))
    # A batch that is full is stored within a transaction of the source: of the last one, its beginning may be there.
    whole=$stored
    [ "$(tail -1 "$DIR/actual" | jq -r .op)" = commit ] || whole=$((stored - 1))
    [ "$whole" -ge "$COUNT" ] || fail "$COUNT transactions are said to be stored, and $whole are there"
    python3 "$STREAM" log "$N" "$stored" | head -n "$(wc -l <"$DIR/actual")" >"$DIR/expected"
    cmp "$DIR/actual" "$DIR/expected" || { diff "$DIR/expected" "$DIR/actual" | cut -c1-200 | head -10; tail -5 "$DIR/err"; false; }
}

@test "table layout: every row exactly once, in its partition, transactions with their counts" {
    crash "--name $N --create-topics 4 --txn-timeout 10s --batch-bytes 200K"
    { kafka_read "$N.public.t"; kafka_read "$N.transaction"; } | python3 "$STREAM" table "$N" "$COUNT"
}
