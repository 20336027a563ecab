# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# make bench: the same lines into a topic of a real broker, by cdc-sink-kafka, by kcat, and by Kafka's own producer-perf-test. Sourced by
# tests/bench/run; $DIR/rows has $FILTER_ROWS lines of rows.

perf_test() {
    java -Xmx256m -cp "${CDC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cdc-tools}/kafka-4.1/lib/*" org.apache.kafka.tools.ProducerPerformance "$@"
}
bench_kafka() {
    local run size
    # shellcheck source=tests/lib/kafka.bash
    . tests/lib/kafka.bash
    kafka_begin || { say "no Kafka here"; return 0; }
    size=$(($(wc -c <"$DIR/rows") / $(wc -l <"$DIR/rows")))
    for ((run = 1; run <= RUNS; run++)); do
        say "rows into Kafka, run $run of $RUNS"
        kafka_create "kcat$run" 1
        timed "$DIR/kafka.kcat" kcat -P -b "$KAFKA" -t "kcat$run" -p 0 -X enable.idempotence=true -X compression.codec=lz4 -l "$DIR/rows"
        INPUT=$DIR/rows timed "$DIR/kafka.exact" cdc-sink-kafka -q --topic "exact$run" --offset-file "$DIR/exact$run.offset" "kafka://$KAFKA"
        INPUT=$DIR/rows timed "$DIR/kafka.least" cdc-sink-kafka -q --topic "least$run" --delivery idempotent --offset-file "$DIR/least$run.offset" "kafka://$KAFKA"
        INPUT=$DIR/rows timed "$DIR/kafka.tables" cdc-sink-kafka -q --name "tables$run" --create-topics 4 --offset-file "$DIR/tables$run.offset" "kafka://$KAFKA"
        kafka_create "perf$run" 1
        perf_test --topic "perf$run" --num-records "$FILTER_ROWS" --record-size "$size" --throughput -1 --producer-props "bootstrap.servers=$KAFKA" \
            batch.size=200000 linger.ms=20 compression.type=lz4 acks=all enable.idempotence=true 2>>"$DIR/err" |
            sed -n '$s/.* \([0-9.]*\) records\/sec.*/\1/p' >>"$DIR/kafka.perf"
    done
    kafka_end
    result "lines into a topic, exactly once: seconds, beside kcat" "$(column "$DIR/kafka.exact" 1)" "$(column "$DIR/kafka.kcat" 1)" most 1.2
    result "lines into a topic, idempotent: seconds, beside kcat" "$(column "$DIR/kafka.least" 1)" "$(column "$DIR/kafka.kcat" 1)" most 1.2
    result "rows into topics of tables, exactly once: seconds" "$(column "$DIR/kafka.tables" 1)" "$(column "$DIR/kafka.kcat" 1)" none -
    result "lines into a topic: seconds, beside kafka-producer-perf-test" "$(column "$DIR/kafka.exact" 1)" \
        "$(awk -v r="$FILTER_ROWS" -v s="$(column "$DIR/kafka.perf" 1)" 'BEGIN {printf "%.3f", r / s}')" most 1
}
