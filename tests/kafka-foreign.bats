#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Readers that others wrote have the source's rows from the topics of tables: Kafka's console consumer, Kafka Connect's JSON converter with
# a transform of it and with Debezium's, a KTable of Kafka Streams. CDC_FOREIGN_CHANGES: how many transactions come (300), CDC_FOREIGN_SEED: which.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/kafka

# What the source's rows are in lines; in Debezium's form json is text as well.
columns="id, part, n::text as n, big, f, t, regexp_replace(to_char(d at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '\.?0+Z\$', 'Z') as d, j, encode(b, 'base64') as b, ok"

setup_file() {
    "$CDC_ROOT/tests/kafka/foreign" --prepare >&2 || skip "the readers cannot be had here: run tests/setup test"
    create_database
    kafka_begin
    sql "create table a (id bigint, part text, n numeric, big bigint, f float8, t text, d timestamptz, j jsonb, b bytea, ok bool, primary key (id, part));
         create table b (like a including all, wide text);
         alter table a replica identity full; alter table b alter column wide set storage external"
    local seed=${CDC_FOREIGN_SEED:-$RANDOM} name
    echo "# seed $seed" >&3
    OFFSETS=$(test_folder)
    export OFFSETS
    for name in line debezium schema; do t pg-cdc --name $name --until now --state-dir "$OFFSETS/$name" "$URL" >/dev/null; done
    python3 "$LIB/kafka_foreign.py" sql "$seed" "${CDC_FOREIGN_CHANGES:-300}" >"$OFFSETS/sql"
    PGOPTIONS=--client-min-messages=warning sql_file -v ON_ERROR_STOP=1 -f "$OFFSETS/sql"
    for name in line debezium schema; do
        local form=(--value $name)
        [ $name != schema ] || form=(--value debezium --schema inline)
        t pg-cdc --name $name --until now --state-dir "$OFFSETS/$name" "$URL" |
            t cdc-sink-kafka --name $name "${form[@]}" --state-dir "$OFFSETS/$name" --create-topics 3 --topic-config cleanup.policy=compact "kafka://$KAFKA"
        given_up "$name"
    done
    rows a >"$OFFSETS/a"
    rows b >"$OFFSETS/b"
}
teardown_file() {
    kafka_end
    drop_database
    rm -rf "$OFFSETS"
}
rows() { sql "select to_json(r) from (select $columns$([ "$1" = a ] || echo ", wide") from $1) r"; }
# Records of a transaction that is given up, in each partition: no reader may see them.
given_up() {
    local table partition
    kafka_client_begin
    kafka_client id "given-up-$1" >/dev/null
    kafka_client begin >/dev/null
    for table in a b; do
        for partition in 0 1 2; do kafka_client send "$1.public.$table" $partition '{"id":7,"part":"given up"}' '{"op":"c","after":{"id":7}}' >/dev/null; done
    done
    kafka_client flush >/dev/null
    kafka_client abort >/dev/null
    kafka_client_end
}
foreign() { t "$CDC_ROOT/tests/kafka/foreign" "$@"; }
compare() { python3 "$LIB/kafka_foreign.py" same "$OFFSETS/$1" "$2"; }

@test "Kafka's console consumer: keys, headers, tombstones; the rows are the source's, from lines and from Debezium's form" {
    local topic kind
    for topic in line.public.a line.public.b debezium.public.a; do
        kind=${topic%%.*}
        foreign console "$KAFKA" "$topic" "$(kafka_read "$topic" | wc -l)" >"$BATS_TEST_TMPDIR/records"
        python3 "$LIB/kafka_foreign.py" console "$kind" <"$BATS_TEST_TMPDIR/records" >"$BATS_TEST_TMPDIR/rows"
        compare "${topic##*.}" "$BATS_TEST_TMPDIR/rows"
        [ -s "$BATS_TEST_TMPDIR/rows" ]
    done
    grep -q '__debezium.newkey:' "$BATS_TEST_TMPDIR/records"
    grep -q '__debezium.oldkey:' "$BATS_TEST_TMPDIR/records"
}

@test "Kafka Connect's JSON converter and its transform ExtractField: the rows are the source's" {
    local table
    for table in a b; do
        foreign connect "$KAFKA" debezium.public.$table >"$BATS_TEST_TMPDIR/$table"
        compare $table "$BATS_TEST_TMPDIR/$table"
        [ -s "$BATS_TEST_TMPDIR/$table" ]
    done
}

@test "with schemas in the records: Connect's JSON converter, and Debezium's transform ExtractNewRecordState; the rows are the source's" {
    local table
    for table in a b; do
        foreign unwrap "$KAFKA" schema.public.$table >"$BATS_TEST_TMPDIR/$table"
        compare $table "$BATS_TEST_TMPDIR/$table"
        [ -s "$BATS_TEST_TMPDIR/$table" ]
        is partitions "$(kafka_read schema.public.$table | wc -l) records, 3 partitions" "$(foreign partitions "$KAFKA" schema.public.$table)"
    done
    foreign values "$KAFKA" schema.transaction >"$BATS_TEST_TMPDIR/tx"
    is "each transaction ends" "$(jq -s 'map(select(.status == "BEGIN")) | length' "$BATS_TEST_TMPDIR/tx")" "$(jq -s 'map(select(.status == "END")) | length' "$BATS_TEST_TMPDIR/tx")"
    is "all records are counted, tombstones apart" "$(for table in a b; do kafka_values schema.public.$table; done | grep -c .)" \
        "$(jq -s 'map(select(.status == "END") | .partitions[].count) | add' "$BATS_TEST_TMPDIR/tx")"
}

@test "a KTable of Kafka Streams: the rows are the source's; each key is where Java's partitioner puts it" {
    local kind topic
    for kind in line debezium; do
        foreign streams "$KAFKA" $kind.public.a >"$BATS_TEST_TMPDIR/table"
        python3 "$LIB/kafka_foreign.py" values <"$BATS_TEST_TMPDIR/table" >"$BATS_TEST_TMPDIR/rows"
        compare a "$BATS_TEST_TMPDIR/rows"
        [ -s "$BATS_TEST_TMPDIR/rows" ]
    done
    for topic in line.public.a debezium.public.a line.public.b; do
        is partitions "$(kafka_read "$topic" | wc -l) records, 3 partitions" "$(foreign partitions "$KAFKA" "$topic")"
    done
}
