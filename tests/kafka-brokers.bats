#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Three brokers, each row on three of them and acknowledged by two: the leader is killed with SIGKILL while rows are written, and comes
# again. What Kafka has is counted row by row by a reader that is not ours, and kafka-cdc reads on through it.
#   CDC_KAFKA_LEADERS=5   how many leaders, in each layout (default 1)
# takes: 70 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/kafka

setup_file() { kafka_begin -n 3 transaction.abort.timed.out.transaction.cleanup.interval.ms=500; }
teardown_file() { kafka_end; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    N=three$BATS_TEST_NUMBER
    STREAM=$LIB/kafka_crash.py
}
teardown() { end_spawned; }

transactions() {
    local pos
    pos=$(jq -r ".offsets.$N.pos // \"0\"" "$DIR/o.offset" 2>/dev/null) || pos=0
    echo $((10#${pos%%.*}))
}
is_beyond() { [ "$(transactions)" -gt "$1" ]; }
# State of partition 0: who leads it; have all three what it has?
leader() { kcat -L -J -b "$KAFKA" -t "$1" 2>/dev/null | jq -r '.topics[0].partitions[] | select(.partition == 0) | .leader'; }
has_other_leader() { [[ $(leader "$1") =~ ^[1-3]$ ]] && [ "$(leader "$1")" != "$2" ]; }
is_in_sync() { [ "$(kcat -L -J -b "$KAFKA" 2>/dev/null | jq '[.topics[].partitions[] | select((.isrs | length) < 3)] | length')" = 0 ]; }

# through OPTIONS TOPIC: rows are written with these options of the sink while leaders of the topic are killed.
through() {
    local i old feeder
    wait_until -t 60 is_in_sync
    spawn bash -c "set -o pipefail; python3 $STREAM feed $N $DIR/o.offset $DIR/stop | cdc-sink-kafka --offset-file $DIR/o.offset $1 kafka://$KAFKA 2>$DIR/err"
    feeder=$SPAWNED
    wait_until -t 60 is_beyond 1 || { tail -n 5 "$DIR/err" >&2; return 1; }
    is "replicas" 3 "$(kcat -L -J -b "$KAFKA" -t "$2" | jq '.topics[0].partitions[0].replicas | length')"
    spawn_line "exec kafka-cdc $3 >'$DIR/out' 2>'$DIR/read'"
    READER=$SPAWNED
    wait_until -t 60 test -s "$DIR/out"
    for ((i = 0; i < ${CDC_KAFKA_LEADERS:-1}; i++)); do
        wait_until -t 60 is_in_sync
        old=$(leader "$2")
        kafka_node_kill "$old"
        wait_until -t 60 has_other_leader "$2" "$old"
        wait_until -t 90 is_beyond "$(($(transactions) + 5))"
        kafka_node_start "$old"
        wait_until -t 60 kafka_whole 3
    done
    touch "$DIR/stop"
    status_of "$feeder" 60 || { tail -n 5 "$DIR/err" >&2; fail "the sink ended with $?"; }
    COUNT=$(transactions)
    echo "# $i leaders, $COUNT transactions" >&3
    wait_until -t 60 read_is_whole
    kill "$READER"
    status_of "$READER"
}
read_is_whole() { [ "$(grep -c '"op":"commit"' "$DIR/out")" -ge "$COUNT" ]; }

@test "log layout: every line exactly once, byte for byte; kafka-cdc reads on" {
    through "--topic $N --batch-bytes 200K" "$N" "'kafka://$KAFKA/$N'"
    python3 "$STREAM" log "$N" "$COUNT" >"$DIR/expected"
    kafka_values "$N" | cmp - "$DIR/expected"
    cmp "$DIR/out" "$DIR/expected"
}

@test "table layout: every row exactly once, in its partition; kafka-cdc reads on, transaction by transaction" {
    through "--name $N --create-topics 4 --batch-bytes 200K" "$N.public.t" "--order=source 'kafka://$KAFKA/$N.public.t'"
    { kafka_read "$N.public.t"; kafka_read "$N.transaction"; } | python3 "$STREAM" table "$N" "$COUNT"
    python3 "$STREAM" log "$N" "$COUNT" | grep -v '"op":"schema"' | cmp - "$DIR/out"
}

@test "a partition that does not answer: the position waits for it, also through SIGKILL, and no row is lost" {
    local rows before stopped other
    kafka_do create "$N.public.t" 3 1 min.insync.replicas=1 # each partition on one broker
    id_rows() { local i; for ((i = $1; i <= $2; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"row $i\"}"; done; commit; }
    SOURCE_NAME=$N
    id_rows 1 30 >"$DIR/in"
    mkfifo "$DIR/pipe"
    local sink="cdc-sink-kafka --name $N --delivery idempotent --transaction-topic none --offset-file $DIR/o.offset kafka://$KAFKA"
    spawn bash -c "exec $sink <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    cat "$DIR/in" >&7
    wait_until -t 60 is_beyond 1
    before=$(cat "$DIR/o.offset")
    # Not the broker that the position goes to.
    leaders() { kcat -L -J -b "$KAFKA" -t "$1" | jq -r '.topics[0].partitions[] | "\(.partition) \(.leader)"'; }
    leaders __cdc_offsets >"$DIR/positions"
    read -r other stopped < <(leaders "$N.public.t" | grep -v " $(cut -d' ' -f2 "$DIR/positions")\$" | head -1)
    kill -STOP "$(cat "$KAFKA_DIR/$stopped/pid")"
    SEQ=200 POS=0
    id_rows 31 90 | tee -a "$DIR/in" >&7
    awaited() { [ "$(kcat -C -q -e -b "$KAFKA" -t "$N.public.t" -p "$1" -o beginning 2>/dev/null | grep -c '"seq":200')" -gt 5 ]; }
    for rows in 0 1 2; do [ "$rows" = "$other" ] || wait_until -t 60 awaited "$rows"; done
    is "offset file" "$before" "$(cat "$DIR/o.offset")"
    kill -KILL "$SPAWNED"
    wait "$SPAWNED" || true
    exec 7>&-
    kill -CONT "$(cat "$KAFKA_DIR/$stopped/pid")"
    wait_until -t 60 kafka_whole 3
    is "offset file" "$before" "$(cat "$DIR/o.offset")"
    t bash -c "$sink <$DIR/in"
    is "all rows" "$(jq -r 'select(.key) | .key.id' "$DIR/in" | sort -n)" "$(kafka_values "$N.public.t" | jq -r .key.id | sort -nu)"
    kafka_delete "$N.public.t" # it has one replica, for which is_in_sync would wait
}

@test "records that there are not enough replicas for are tried again in their order, several requests at a time" {
    local delivery before down
    some_rows() { local i; for ((i = $1; i <= $2; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"row $i\"}"; done; commit; }
    for delivery in idempotent transactional; do
        wait_until -t 60 is_in_sync
        rm -f "$DIR/o.offset" "$DIR/pipe"
        mkfifo "$DIR/pipe"
        N=three$BATS_TEST_NUMBER-$delivery SEQ=100 POS=0
        SOURCE_NAME=$N
        kafka_do create "$N" 1 3
        spawn bash -c "exec cdc-sink-kafka --topic $N --delivery $delivery -X batch.num.messages=20 -X linger.ms=0 --offset-file $DIR/o.offset kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
        exec 7>"$DIR/pipe"
        some_rows 1 10 | tee "$DIR/in" >&7
        wait_until file_matches "$DIR/o.offset" '"lines":10,'
        before=$(cat "$DIR/o.offset")
        kafka_do config "$N" min.insync.replicas=3
        down=$(kcat -L -J -b "$KAFKA" -t "$N" | jq -r '.topics[0].partitions[0] | [.replicas[].id] - [.leader] | first')
        kafka_node_kill "$down"
        is_without() { ! kcat -L -J -b "$KAFKA" -t "$N" | jq -e --argjson id "$down" '.topics[0].partitions[0].isrs | any(.id == $id)' >/dev/null; }
        wait_until -t 60 is_without
        SEQ=300 POS=0
        some_rows 11 400 | tee -a "$DIR/in" >&7
        pause_ms 1500
        is "offset file" "$before" "$(cat "$DIR/o.offset")"
        kafka_node_start "$down" 7>&- # a broker that has the pipe, too, would keep it open
        exec 7>&-
        status_of "$SPAWNED" 90
        kafka_values "$N" | cmp - "$DIR/in"
    done
}
