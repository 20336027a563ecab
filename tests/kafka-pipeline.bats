#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From PostgreSQL through Kafka and out again: the stream is the same, and so is the copy.
# takes: 60 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2154,SC2034
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/kafka

setup_file() {
    create_database
    kafka_begin
}
teardown_file() {
    kafka_end
    drop_database
}
setup() { pg_test_setup; }
teardown() { pg_test_teardown; }

# Transactions of all kinds over two tables: rows that come, change, go, move to another key, and a truncate.
write_rows() {
    sql "drop table if exists a, b; create table a (id int primary key, v text); create table b (x int, y int, big text, primary key (x, y));
         alter table a replica identity full; alter table b replica identity full"
}
work() {
    local i
    for ((i = $1; i <= $2; i++)); do
        echo "begin; insert into a select $i * 10 + g, 'n' || g from generate_series(0, 4) g;
              insert into b values ($i, 1, repeat('x', 3000)), ($i, 2, null); update b set y = y + 10 where x = $i; commit;
              update a set v = v || '$i' where id % 7 = 0; delete from a where id % 11 = $i % 11; update a set id = -id where id = $i * 10 + 1;"
    done | sql_file
}
sql_file() { psql -qX -v ON_ERROR_STOP=1 "$(pg_url)" -f - >/dev/null; }
rows_of() { sql "select json_build_object('id', id, 'v', v) from a order by id; select json_build_object('x', x, 'y', y, 'big', big) from b order by x, y" | jq -c .; }
rows_in() { sqlite3 "$1" "select json_object('id', id, 'v', v) from a order by id; select json_object('x', x, 'y', y, 'big', big) from b order by x, y" | jq -c .; }

@test "the log layout gives the very stream; the tables' topics give it again in --order=source, transaction by transaction" {
    write_rows
    pg-cdc --name p$BATS_TEST_NUMBER --until now --offset-file "$DIR/own" "$(pg_url)" >/dev/null
    work 1 15
    sql "truncate a"
    work 16 20
    t pg-cdc --name p$BATS_TEST_NUMBER --until now --heartbeat 0 --offset-file "$DIR/own" --ack stdout "$(pg_url)" >"$DIR/lines"
    [ "$(grep -c '"op":"commit"' "$DIR/lines")" -gt 50 ]
    t cdc-sink-kafka --topic log --create-topics 1 --offset-file "$DIR/log.offset" "kafka://$KAFKA" <"$DIR/lines"
    t kafka-cdc --until now "kafka://$KAFKA/log" >"$DIR/out"
    cmp "$DIR/lines" "$DIR/out"
    t cdc-sink-kafka --name "p$BATS_TEST_NUMBER" --create-topics 3 --lines schema --lines t --offset-file "$DIR/tables.offset" "kafka://$KAFKA" <"$DIR/lines"
    is partitions "3 3" "$(kcat -L -J -b "$KAFKA" | jq -r '[.topics[] | select(.topic | test("^p1\\.public\\.")) | .partitions | length] | join(" ")')"
    t kafka-cdc --order source --until now "kafka://$KAFKA/^p1\\.public\\." --transaction-topic p1.transaction >"$DIR/out"
    cmp "$DIR/lines" "$DIR/out"
    t cdc-sink-sqlite "$DIR/copy" <"$DIR/out"
    rows_of >"$DIR/want"
    rows_in "$DIR/copy" | diff "$DIR/want" -
    # Partition by partition the rows are the same in the end (their order between partitions is not): without the truncate.
    run -78 --separate-stderr t kafka-cdc --order partition --until now "kafka://$KAFKA/p1.public.a"
    [[ $stderr == *truncate* ]]
    t kafka-cdc --order partition --until now "kafka://$KAFKA/p1.public.b" >"$DIR/out"
    sql "delete from a"
    t cdc-sink-sqlite "$DIR/copy2" <"$DIR/out"
    sqlite3 "$DIR/copy2" "select json_object('x', x, 'y', y, 'big', big) from b order by x, y" | jq -c . | diff <(grep '"x"' "$DIR/want") -
}

@test "kafka-cdc is killed at random while rows come through Kafka: the copy equals the source" {
    write_rows
    mkdir -p "$DIR/in" "$DIR/out"
    spawn_line "pg-cdc --name q --state-dir '$DIR/in' '$(pg_url)' 2>'$DIR/err1' | cdc-sink-kafka --name q --create-topics 3 --lines schema --state-dir '$DIR/in' 'kafka://$KAFKA' 2>'$DIR/err2'"
    wait_until slot_is_there
    work 1 5
    wait_until kafka_has q.transaction
    wait_until kafka_has q.public.b
    supervise "kafka-cdc --order source 'kafka://$KAFKA/^q\\.public\\.' --transaction-topic q.transaction --name r --state-dir '$DIR/out' | cdc-sink-sqlite --state-dir '$DIR/out' '$DIR/copy'"
    for ((i = 1; i <= ${CDC_CRASH_KILLS:-6}; i++)); do
        work $((i * 10)) $((i * 10 + 5))
        pause_ms $((RANDOM % 400))
        pid=$(member "$SUPERVISOR" kafka-cdc)
        [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    done
    rows_of >"$DIR/want"
    wait_until is_same
    touch "$DIR/stop"
    [ ! -e "$DIR/failed" ] || fail "ended with $(cat "$DIR/failed")"
}
slot_is_there() { [ "$(sql "select count(*) from pg_replication_slots where slot_name = 'cdc_q'")" = 1 ]; }
is_same() { rows_in "$DIR/copy" 2>/dev/null | cmp -s "$DIR/want" -; }
