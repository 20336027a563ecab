# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Kafka's part of the benchmark (tests/bench/run): reading a log of lines, and the way of a commit through Kafka into a copy.

slot_is_there() { [ "$(sql "select count(*) from pg_replication_slots where slot_name = '$1'")" = 1 ]; }
# kafka_lines FILE: lines of rows, as pg-cdc has them, a commit after each hundred.
kafka_lines() {
    awk -v n="${KAFKA_ROWS:-600000}" 'BEGIN {
        for (i = 1; i <= n; i++) {
            printf "{\"op\":\"c\",\"pos\":\"%016X.%010d.1\",\"seq\":%d,\"ts_ms\":1763717327123,\"source\":{\"connector\":\"postgresql\",\"name\":\"shop\",\"db\":\"shop\",\"schema\":\"public\",\"table\":\"orders\",\"ts_ms\":1763717327123,\"txId\":5,\"lsn\":%d,\"snapshot\":\"false\"},\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d,\"customer\":%d,\"note\":\"note %d of customer %d\",\"amount\":\"%d.50\"}}\n", i, i, i, i, i, i, i % 977, i * 7919 % 1000003, i % 977, i % 1000
            if (i % 100 == 0)
                printf "{\"op\":\"commit\",\"pos\":\"%016X.%010d.2\",\"seq\":%d,\"ts_ms\":1763717327123,\"source\":{\"connector\":\"postgresql\",\"name\":\"shop\",\"db\":\"shop\",\"ts_ms\":1763717327123,\"txId\":5,\"lsn\":%d,\"snapshot\":\"false\"},\"events\":100}\n", i, i, i, i
        }
    }' >"$1"
}

# bench_kafka_read: kafka-cdc beside kcat -C.
bench_kafka_read() {
    local run
    kafka_lines "$DIR/kafka.lines"
    kafka_create bench
    kcat -P -b "$KAFKA" -t bench -p 0 -z lz4 -l "$DIR/kafka.lines" -X linger.ms=20 || die "kcat -P"
    for ((run = 1; run <= RUNS; run++)); do
        say "lines out of Kafka, run $run of $RUNS"
        timed "$DIR/kafka.peer" kcat -C -q -e -b "$KAFKA" -t bench -o beginning -X check.crcs=true -X isolation.level=read_committed
        timed "$DIR/kafka.ours" kafka-cdc -q --until now "kafka://$KAFKA/bench"
    done
    result "a log out of Kafka: s, peer kcat -C" "$(column "$DIR/kafka.ours" 1)" "$(column "$DIR/kafka.peer" 1)" most 1.1
}

kafka_row_is_through() { [ "$(sqlite3 "$DIR/kafka.db" 'select count(*) from ticks' 2>/dev/null || echo 0)" -gt 0 ]; }
# bench_kafka_latency: from COMMIT to the row in SQLite, through Kafka, idle.
bench_kafka_latency() {
    local run line
    for ((run = 1; run <= RUNS; run++)); do
        say "latency through Kafka, run $run of $RUNS"
        rm -rf "$DIR/kin" "$DIR/kout" "$DIR/kafka.db"*
        mkdir "$DIR/kin" "$DIR/kout"
        kafka_create "klat$run"
        setsid bash -c '
            pg-cdc -q --name klat$1 -t public.ticks --state-dir "$2/kin" "$3" | cdc-sink-kafka -q --topic klat$1 --batch-time 5ms --state-dir "$2/kin" "kafka://$4" &
            kafka-cdc -q --state-dir "$2/kout" "kafka://$4/klat$1" | cdc-sink-sqlite -q --batch-time 5ms --state-dir "$2/kout" "$2/kafka.db" &
            wait' - "$run" "$DIR" "$URL" "$KAFKA" >/dev/null 2>>"$DIR/err" &
        line=$!
        wait_until slot_is_there "cdc_klat$run" || die "the line into Kafka"
        sql "insert into ticks (b) values ('first')" >/dev/null
        wait_until kafka_row_is_through || die "the line through Kafka"
        "$DIR/bin/latency" "$URL" ticks "$LATENCY_ROWS" python3 tests/bench/kafka_rows.py "$DIR/kafka.db" ticks b >"$DIR/kticks" 2>>"$DIR/err" || die "latency through Kafka"
        kill -- -"$line"
        wait "$line"
        medians <"$DIR/kticks" >>"$DIR/latency.kafka"
        awk '{print $1}' "$DIR/kticks" | sort -n | awk '{v[NR] = $1} END {print v[int(NR * 0.99)]}' >>"$DIR/latency.kafka.99"
    done
    result "latency through Kafka: us, median" "$(column "$DIR/latency.kafka" 1)" - none 0
    result "latency through Kafka: us, 99th percentile" "$(median <"$DIR/latency.kafka.99")" - none 0
}
bench_kafka_cdc() {
    kafka_begin || { say "no Kafka here"; return 0; }
    bench_kafka_read
    bench_kafka_latency
    kafka_end
}
