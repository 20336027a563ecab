# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A real Kafka (tests/kafka/start), or a mock cluster for error paths (tests/kafka/client.c), for tests.

# kafka_begin [-n NODES] [NAME=VALUE]...: with these settings; sets KAFKA, the address of all nodes. Where it cannot be had a test is
# skipped. A file named by KAFKA_TLS, a key and its certificate, makes it listen for TLS as well: KAFKA_TLS_ADDRESS.
kafka_begin() {
    local n=1
    if [ "${1:-}" = -n ]; then n=$2; shift 2; fi
    if ! "$CDC_ROOT/tests/kafka/start" --prepare >&2; then
        [ -z "${BATS_TEST_FILENAME:-}" ] || skip "Kafka cannot be had here: run tests/setup test"
        return 1
    fi
    KAFKA_DIR=$(test_folder)
    [ $# = 0 ] || printf '%s\n' "$@" >"$KAFKA_DIR/settings"
    [ -z "${KAFKA_TLS:-}" ] || cp "$KAFKA_TLS" "$KAFKA_DIR/tls.pem"
    setsid "$CDC_ROOT/tests/kafka/start" "$KAFKA_DIR" -n "$n" >/dev/null 2>&1 3>&- &
    KAFKA_PID=$!
    wait_until -t 90 kafka_started || { tail -5 "$KAFKA_DIR"/*/log >&2; return 1; }
    KAFKA=$(sed 's/^/127.0.0.1:/' "$KAFKA_DIR/port" | paste -sd,)
    # shellcheck disable=SC2034
    [ ! -e "$KAFKA_DIR/tls-port" ] || KAFKA_TLS_ADDRESS=$(sed 's/^/127.0.0.1:/' "$KAFKA_DIR/tls-port" | paste -sd,)
    wait_until -t $((60 + 60 * n)) kafka_whole "$n" || { tail -5 "$KAFKA_DIR"/*/log >&2; return 1; }
    export KAFKA KAFKA_PID KAFKA_DIR KAFKA_TLS_ADDRESS # from setup_file to the tests
}
kafka_started() { [ -s "$KAFKA_DIR/port" ] || gone "$KAFKA_PID"; }
# kafka_whole N: that many brokers are up.
kafka_whole() { [ "$(kcat -L -b "$KAFKA" -m 2 2>/dev/null | grep -c '^  broker ')" = "$1" ]; }
kafka_end() {
    local file
    [ -n "${KAFKA_PID:-}" ] || return 0
    kill "$KAFKA_PID" 2>/dev/null || true # it ends with the last of its nodes
    for file in "$KAFKA_DIR"/*/pid; do
        kill -CONT "$(cat "$file")" 2>/dev/null || true
        kill -KILL "$(cat "$file")" 2>/dev/null || true
        wait "$(cat "$file")" 2>/dev/null || true
    done
    wait "$KAFKA_PID" 2>/dev/null || true
    wait_until -t 10 gone "$KAFKA_PID"
    rm -rf "$KAFKA_DIR"
    KAFKA_PID=
    return 0
}
# One node: SIGKILL; SIGTERM, and wait until it has ended; again, at the port that it had (kafka_whole says when it is there).
kafka_node_kill() {
    kill -KILL "$(cat "$KAFKA_DIR/$1/pid")"
    wait_until -t 20 gone "$(cat "$KAFKA_DIR/$1/pid")"
}
kafka_node_stop() {
    kill "$(cat "$KAFKA_DIR/$1/pid")"
    wait_until -t 30 gone "$(cat "$KAFKA_DIR/$1/pid")"
}
kafka_node_start() {
    setsid "$CDC_ROOT/tests/kafka/start" --node "$KAFKA_DIR" "$1" >/dev/null 2>&1 3>&- &
    local started=$!
    [ "$KAFKA_PID" != "" ] && wait_until -t 10 kafka_node_is "$1" "$started"
}
kafka_node_is() { [ "$(cat "$KAFKA_DIR/$1/pid")" = "$2" ]; }

# kafka_do WORD...: one command of tests/kafka/client.c; prints what was asked for. Fails where the answer is an error.
kafka_do() {
    local answer
    answer=$(IFS=$'\t' && echo "$*" | "$CDC_BUILD/tests/kafka-client" "$KAFKA") || { echo "$1: $answer" >&2; return 1; }
    [ "$answer" = ok ] || [[ $answer == "ok "* ]] || { echo "$*: $answer" >&2; return 1; }
    [ "$answer" = ok ] || echo "${answer#ok }"
}
# kafka_create TOPIC [PARTITIONS [NAME=VALUE]...]
kafka_create() { kafka_do create "$1" "${2:-1}" -1 "${@:3}"; }
# Deleting is done in the background: gone only once nobody can see it.
kafka_delete() { kafka_do delete "$1" && wait_until kafka_has_not "$1"; }
kafka_has() { kcat -L -b "$KAFKA" 2>/dev/null | grep -qF "topic \"$1\""; }
kafka_has_not() { ! kafka_has "$1"; }
kafka_topics() { kcat -L -b "$KAFKA" 2>/dev/null | sed -n 's/^  topic "\(.*\)" with.*/\1/p' | sort; }
# kafka_high TOPIC [PARTITION]: the offset after its last record or marker.
kafka_high() { kafka_do ends "$1" "${2:-0}" | cut -d' ' -f2; }

# All of a topic, committed records only, by kcat: as JSON objects with topic, partition, offset, ts, key, payload, headers; or only
# the values, a line each. `kafka_read TOPIC -p 1`: one partition.
kafka_read() { kcat -C -q -e -J -b "$KAFKA" -t "$1" -o beginning -X isolation.level=read_committed -X check.crcs=true "${@:2}"; }
kafka_values() { kcat -C -q -e -b "$KAFKA" -t "$1" -o beginning -X isolation.level=read_committed -X check.crcs=true "${@:2}"; }

# A producer that stays, with its transactions: kafka_client_begin; kafka_client WORD... prints the answer; kafka_client_kill is SIGKILL.
kafka_client_begin() {
    local folder
    folder=$(test_folder)
    mkfifo "$folder/in" "$folder/out"
    setsid "$CDC_BUILD/tests/kafka-client" "${1:-$KAFKA}" "${@:2}" <"$folder/in" >"$folder/out" 2>"$folder/err" 3>&- &
    KAFKA_CLIENT=$!
    SPAWNED_ALL+=("$KAFKA_CLIENT")
    exec {KAFKA_CLIENT_IN}>"$folder/in" {KAFKA_CLIENT_OUT}<"$folder/out"
}
kafka_client() {
    local answer
    (IFS=$'\t' && echo "$*" >&"$KAFKA_CLIENT_IN")
    read -r -t 60 answer <&"$KAFKA_CLIENT_OUT" || { echo "$*: no answer" >&2; return 1; }
    echo "$answer"
    [ "$answer" = ok ] || [[ $answer == "ok "* ]]
}
kafka_client_end() {
    exec {KAFKA_CLIENT_IN}>&- {KAFKA_CLIENT_OUT}<&-
    wait "$KAFKA_CLIENT"
}
kafka_client_kill() {
    kill -KILL "$KAFKA_CLIENT"
    wait "$KAFKA_CLIENT" 2>/dev/null || true
    exec {KAFKA_CLIENT_IN}>&- {KAFKA_CLIENT_OUT}<&-
    return 0
}

# A mock cluster, in place of KAFKA: kafka_mock_begin BROKERS; commands by kafka_client.
kafka_mock_begin() {
    kafka_client_begin --mock "$1"
    read -r -t 60 KAFKA <&"$KAFKA_CLIENT_OUT"
}
