#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The rig of the Kafka suites itself: what it says about a broker is so.
# takes: 40 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/kafka

teardown() {
    end_spawned || true
    kafka_end
}

@test "one broker: topics, records with keys, values, headers, transactions; what an independent reader sees; a restart keeps all" {
    kafka_begin
    kafka_create one 2 cleanup.policy=compact
    is topics one "$(kafka_topics | grep -v ^__)"
    kafka_do send one 1 k v 1700000000000 a=b
    kafka_do send one 1 k -
    kafka_do send one 1 k ""
    is record '{"partition":1,"offset":0,"ts":1700000000000,"key":"k","payload":"v","headers":["a","b"]}' \
        "$(kafka_read one -c 1 -p 1 | jq -c '{partition, offset, ts, key, payload, headers}')"
    is "NULL is no empty text" '[null,""]' "$(kafka_read one -p 1 | jq -cs '[.[1:][].payload]')"
    is high 3 "$(kafka_high one 1)"

    kafka_create two
    kafka_client_begin
    kafka_client id T
    for end in commit abort commit; do
        kafka_client begin
        kafka_client send two 0 - "$end 1"
        kafka_client send two 0 - "$end 2"
        kafka_client flush # what was not sent yet would go with an abort
        kafka_client $end
    done
    kafka_client begin
    kafka_client send two 0 - open
    kafka_client flush
    is committed "commit 1 commit 2 commit 1 commit 2" "$(kafka_values two | paste -sd' ')"
    is "records and their markers" 10 "$(kafka_high two)"
    kafka_client_kill

    run ! kafka_do delete-records one 0 100
    kafka_do delete-records two 0 4
    is ends "4 10" "$(kafka_do ends two 0)"
    seq 1000 >"$BATS_TEST_TMPDIR/lines"
    kafka_create three
    kafka_do load three 0 "$BATS_TEST_TMPDIR/lines"
    kafka_values three | diff - "$BATS_TEST_TMPDIR/lines"

    cluster=$(kafka_do cluster)
    kafka_node_kill 1
    not kafka_whole 1
    kafka_node_start 1
    wait_until kafka_whole 1
    is cluster "$cluster" "$(kafka_do cluster)"
    kafka_values three | diff - "$BATS_TEST_TMPDIR/lines"
    kafka_delete three
    not kafka_has three
    folder=$KAFKA_DIR pid=$(cat "$KAFKA_DIR/1/pid")
    kafka_end
    [ ! -e "$folder" ]
    gone "$pid"
}

@test "three brokers: a topic on all of them outlives one that is killed, which comes again" {
    kafka_begin -n 3
    kafka_create t 3
    is copies 3 "$(kcat -L -J -b "$KAFKA" -t t | jq '[.topics[].partitions[] | select((.replicas | length) == 3)] | length')"
    for p in 0 1 2; do kafka_do send t $p k "$p"; done
    kafka_node_kill 2
    for p in 0 1 2; do kafka_do send t $p k "again $p"; done
    is all "0 1 2 again 0 again 1 again 2" "$(kafka_values t | sort | paste -sd' ')"
    kafka_node_start 2
    wait_until kafka_whole 3
}

@test "SASL over TLS, and a mock cluster" {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$BATS_TEST_TMPDIR/key" -out "$BATS_TEST_TMPDIR/cert" 2>/dev/null
    cat "$BATS_TEST_TMPDIR/key" "$BATS_TEST_TMPDIR/cert" >"$BATS_TEST_TMPDIR/pem"
    KAFKA_TLS=$BATS_TEST_TMPDIR/pem kafka_begin
    tls=(-X security.protocol=SASL_SSL -X sasl.mechanism=PLAIN -X sasl.username=cdc -X ssl.ca.location="$BATS_TEST_TMPDIR/cert")
    kcat -L -b "$KAFKA_TLS_ADDRESS" "${tls[@]}" -X sasl.password=secret | grep "1 brokers"
    run ! kcat -L -b "$KAFKA_TLS_ADDRESS" "${tls[@]}" -X sasl.password=wrong -m 3
    kafka_end
    kafka_mock_begin 2
    kafka_client topic m 2
    kafka_whole 2
    echo line | kcat -P -b "$KAFKA" -t m -p 1
    is line line "$(kcat -C -q -e -b "$KAFKA" -t m -p 1 -o beginning)"
    kafka_client down 1
}
