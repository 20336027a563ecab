#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-kafka against a real broker: what its topics hold, where it goes on, and that nothing is lost, doubled or put elsewhere.
# takes: 90 s
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/kafka

setup_file() { kafka_begin transaction.abort.timed.out.transaction.cleanup.interval.ms=500; }
teardown_file() { kafka_end; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    OFFSETS=$DIR/o.offset
    N=n$BATS_TEST_NUMBER # a pipeline, and topics, of its own
    SOURCE_NAME=$N
}
teardown() {
    umount "$DIR/small" 2>/dev/null || true
    kafka_node_back
    end_spawned
}
# A node that a test has stopped.
kafka_node_back() {
    [ -z "${STOPPED:-}" ] || { kafka_node_start 1 && wait_until -t 60 kafka_whole 1; }
    STOPPED=
}
stop_broker() { STOPPED=yes && kafka_node_kill 1; }
sink() { t cdc-sink-kafka --offset-file "$OFFSETS" "$@" "kafka://$KAFKA" <"$IN"; }
log_sink() { sink --topic "$N" "$@"; }
table_sink() { sink --name "$N" --create-topics 3 "$@"; }
stored() { jq -r ".offsets.$N.pos" "$OFFSETS"; }
# rows FROM TO: a transaction of these rows.
rows() {
    local i
    for ((i = $1; i <= $2; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"row $i\"}"; done
    commit
}
users() { schema id id:integer name:text; }
# records TOPIC: [partition, key, payload, headers by name]
records() {
    kafka_read "$1" | jq -c '[.partition, .key, .payload, (.headers // [] | . as $h | reduce range(0; length; 2) as $i ({}; . + {($h[$i]): $h[$i + 1]}))]'
}

@test "log layout: every line as it is, in one partition; again: nothing twice" {
    { users; rows 1 50; line m '"message":{"prefix":"p","content":"c","transactional":true}'; commit; } >"$IN"
    log_sink
    kafka_values "$N" | cmp - "$IN"
    is "position" "$(tail -1 "$IN" | jq -r .pos)" "$(stored)"
    log_sink
    kafka_values "$N" | cmp - "$IN"
    rows 51 60 >>"$IN"
    log_sink
    kafka_values "$N" | cmp - "$IN"
}

@test "log layout: the input ends inside a transaction: what was whole is stored, and its last record has the position" {
    local i
    { users; rows 1 200; } >"$DIR/whole"
    SEQ=300
    { cat "$DIR/whole"; for ((i = 201; i <= 600; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"x\"}"; done; } >"$IN"
    run -75 log_sink
    kafka_values "$N" | cmp - "$DIR/whole"
    is "the last record's header" cdc.position "$(kafka_read "$N" | tail -1 | jq -r '.headers[0]')"
    POS=9000 commit >>"$IN"
    log_sink
    kafka_values "$N" | cmp - "$IN"
}

@test "log layout: without its offset file it goes on where the topic says, and the file is whole again" {
    { users; rows 1 50; } >"$IN"
    log_sink
    local before
    before=$(jq -c '.offsets' "$OFFSETS")
    rm "$OFFSETS"
    log_sink
    kafka_values "$N" | cmp - "$IN"
    is offsets "$before" "$(jq -c '.offsets' "$OFFSETS")"
}

@test "log layout: a topic with several partitions, or a compacted one, is refused; another sink's as well" {
    { users; rows 1 2; } >"$IN"
    kafka_create "$N" 2
    run -78 log_sink
    kafka_create "$N-c" 1 cleanup.policy=compact
    run -78 sink --topic "$N-c"
    sink --topic "$N-d"
    rm "$OFFSETS"
    run -78 sink --topic "$N-d" --transactional-id other
    [[ $output == *"belongs to the sink with the transactional id cdc-$N-d"* ]]
}

@test "table layout: a topic for each table, keys, partitions, tombstones, transactions with counts" {
    { users; rows 1 20; change d '{"id":3}' '{"id":3,"name":"row 3"}' null; change u '{"id":4}' null '{"id":4,"name":"four"}'; commit; } >"$IN"
    table_sink
    records "$N.public.t" >"$DIR/records"
    is records 23 "$(wc -l <"$DIR/records")"
    is "values are the lines" "$(jq -c 'select(.op | IN("c","u","d"))' "$IN" | sort)" "$(jq -r '.[2] // empty' "$DIR/records" | sort)"
    is tombstone "[\"{\\\"id\\\":3}\",null,\"$N\"]" "$(jq -c 'select(.[2] == null) | [.[1], .[2], .[3]["cdc.name"]]' "$DIR/records")"
    # As Kafka's own clients count: murmur2 of {"id":1} is fc9dc724, of {"id":2} 9a5573a8.
    is partitions '[0,1]' "$(jq -sc '[.[] | select(.[1] == "{\"id\":1}" or .[1] == "{\"id\":2}")] | sort_by(.[1]) | map(.[0])' "$DIR/records")"
    records "$N.transaction" >"$DIR/tx"
    is "begin and end" '["BEGIN","END","BEGIN","END"]' "$(jq -sc 'map(.[2] | fromjson | .status)' "$DIR/tx")"
    is "key is the id" true "$(jq -s 'all((.[1] | fromjson | .id) == (.[2] | fromjson | .id))' "$DIR/tx")"
    is "counts add up" '[20,2]' "$(jq -sc 'map(.[2] | fromjson | select(.status == "END")) | map(.partitions | map(.count) | add)' "$DIR/tx")"
    is "the commit line" "$(grep '"op":"commit"' "$IN")" "$(jq -r '.[3]["cdc.line"] // empty' "$DIR/tx")"
}

@test "table layout: keys that a stage has re-ordered, re-spaced or respelled are the same bytes in the same partition" {
    {
        schema b,a a:integer b:text c:text
        for i in 1 2 3 4 5 6; do change c "{\"b\":\"Zoë $i\",\"a\":$i}" null "{\"a\":$i,\"b\":\"Zoë $i\",\"c\":\"x\"}"; done
        commit
    } >"$IN"
    table_sink
    records "$N.public.t" | jq -c '[.[0], .[1]]' | sort >"$DIR/expected"
    is "the key's order" '{"b":"Zoë 1","a":1}' "$(jq -r 'select(.[1] | fromjson | .a == 1) | .[1]' "$DIR/expected")"
    jq -cS . "$IN" | sed 's/{"a":\([0-9]\),"b"/{ "a" : \1 , "b"/' >"$DIR/sorted"
    mv "$DIR/sorted" "$IN"
    sed -i "s/\"name\":\"$N\"/\"name\":\"$N-x\"/" "$IN"
    sink --name "$N-x" --create-topics 3 --offset-file "$DIR/x.offset"
    records "$N-x.public.t" | jq -c '[.[0], .[1]]' | sort | diff "$DIR/expected" -
}

@test "table layout: a row that changes its key is a delete, a tombstone and a create, with headers, and the line itself" {
    {
        schema id id:integer name:text big:text
        change c '{"id":1}' null '{"id":1,"name":"a","big":"B"}'
        change u '{"id":2}' '{"id":1,"name":"a","big":"B"}' '{"id":2,"name":"a"}' '["big"]'
        commit
    } >"$IN"
    table_sink
    records "$N.public.t" | grep -v '^\[0,"{\\"id\\":1}","{\\"op\\":\\"c' >"$DIR/records"
    is "the old key" '["d","{\"id\":2}",null]' "$(jq -c 'select(.[2] != null and (.[2] | fromjson | .op) == "d") | [(.[2] | fromjson | .op), .[3]["__debezium.newkey"], .[3]["__debezium.oldkey"]]' "$DIR/records")"
    is "its tombstone" 1 "$(jq -c 'select(.[2] == null and .[1] == "{\"id\":1}")' "$DIR/records" | wc -l)"
    is "the new key" '["c",null,{"id":2,"name":"a","big":"B"},true,"{\"id\":1}"]' \
        "$(jq -c 'select(.[1] == "{\"id\":2}") | (.[2] | fromjson) as $v | [$v.op, $v.before, $v.after, ($v.pos | endswith(".1")), .[3]["__debezium.oldkey"]]' "$DIR/records")"
    is "the line" "$(grep '"op":"u"' "$IN")" "$(jq -r 'select(.[1] == "{\"id\":2}") | .[3]["cdc.line"]' "$DIR/records")"
    is "counted twice" 3 "$(records "$N.transaction" | jq -r '.[2] | fromjson | select(.status == "END") | .partitions | map(.count) | add')"
}

@test "--value=debezium: before, after, source, op, transaction; what the log did not carry is Debezium's mark" {
    {
        schema id id:integer name:text big:text
        change c '{"id":1}' null '{"id":1,"name":"a","big":"B"}'
        change u '{"id":1}' null '{"id":1,"name":"b"}' '["big"]'
        change d '{"id":1}' '{"id":1,"name":null,"big":null}' null
        commit
    } >"$IN"
    table_sink --value debezium
    records "$N.public.t" >"$DIR/records"
    is members '["after","before","op","source","transaction","ts_ms","ts_ns","ts_us"]' "$(head -1 "$DIR/records" | jq -c '.[2] | fromjson | keys | sort')"
    is unchanged '__debezium_unavailable_value' "$(sed -n 2p "$DIR/records" | jq -r '.[2] | fromjson | .after.big')"
    is ops '["c","u","d",null]' "$(jq -sc 'map(.[2] // "null" | fromjson | .op?)' "$DIR/records")"
    is "positions in headers" 4 "$(jq -c '.[3]["cdc.pos"]' "$DIR/records" | grep -c '"')"
    is "one id" "$(records "$N.transaction" | tail -1 | jq -r '.[2] | fromjson | .id')" "$(head -1 "$DIR/records" | jq -r '.[2] | fromjson | .transaction.id')"
}

@test "rows without a key: refused; --unkeyed=row without one; --unkeyed=whole under all of it; a compacted topic takes none without" {
    { schema '' id:integer name:text; line c '"before":null,"after":{"id":1,"name":"a"}'; commit; } >"$IN"
    run -65 table_sink
    [[ $output == *"without a key"* ]]
    table_sink --unkeyed row
    is "no key" null "$(records "$N.public.t" | jq -c '.[1]')"
    sed -i "s/\"name\":\"$N\"/\"name\":\"$N-w\"/" "$IN"
    sink --name "$N-w" --unkeyed whole --offset-file "$DIR/w.offset"
    is "all of it" '{"id":1,"name":"a"}' "$(records "$N-w.public.t" | jq -r '.[1]')"
    # Among rows with one, which are all there.
    SOURCE_NAME=$N-c
    kafka_create "$N-c.public.t" 1 cleanup.policy=compact
    { users; change c '{"id":1}' null '{"id":1,"name":"a"}'; line c '"before":null,"after":{"id":2,"name":"b"}'; change c '{"id":3}' null '{"id":3,"name":"c"}'; commit; } >"$IN"
    sink --name "$N-c" --unkeyed row --on-error dead-letter --dead-letter "$DIR/dead" --offset-file "$DIR/c.offset"
    is rows '1 3' "$(records "$N-c.public.t" | jq -r '.[2] | fromjson | .after.id' | paste -sd' ')"
    is letters 1 "$(wc -l <"$DIR/dead")"
}

@test "a row that is too long for its topic takes no other with it: stop, or exactly one dead letter" {
    kafka_create "$N.public.t" 1 max.message.bytes=200000
    local long
    long=$(head -c 300000 /dev/urandom | base64 -w0)
    { users; rows 1 20; change c '{"id":21}' null "{\"id\":21,\"name\":\"$long\"}"; commit; rows 22 30; } >"$IN"
    run -65 table_sink
    is "what was before it" 20 "$(kafka_values "$N.public.t" | wc -l)"
    table_sink --on-error dead-letter --dead-letter "$DIR/dead"
    is rows 29 "$(kafka_values "$N.public.t" | wc -l)"
    is "one of each" 29 "$(kafka_values "$N.public.t" | jq .key.id | sort -u | wc -l)"
    is letters 1 "$(wc -l <"$DIR/dead")"
    is "counts are what is there" 29 "$(kafka_values "$N.transaction" | jq -s 'map(select(.status == "END") | .partitions | map(.count) | add // 0) | add')"
    SOURCE_NAME=$N-l
    kafka_create "$N-l" 1 max.message.bytes=200000
    { users; rows 1 20; change c '{"id":21}' null "{\"id\":21,\"name\":\"$long\"}"; commit; rows 22 30; } >"$IN"
    sink --topic "$N-l" --on-error dead-letter --dead-letter "$DIR/dead2" --offset-file "$DIR/l.offset"
    kafka_values "$N-l" | cmp - <(grep -v '"id":21' "$IN")
}

@test "two tables with one topic: 78; in the next run and for another sink as well" {
    { TABLE='t$1' users; TABLE='t$1' change c '{"id":1}' null '{"id":1,"name":"a"}'; TABLE='t$1' commit; } >"$IN"
    table_sink
    { TABLE='t#1' users; TABLE='t#1' change c '{"id":2}' null '{"id":2,"name":"b"}'; TABLE='t#1' commit; } >"$DIR/second"
    sed 's/"pos":"00000100/"pos":"00000200/; s/"seq":100/"seq":200/' "$DIR/second" >"$IN"
    run -78 table_sink
    [[ $output == *'two source tables map to topic'* ]]
    # Of another pipeline, with a template that lacks the name.
    SOURCE_NAME=$N-b
    { users; rows 1 1; } >"$IN"
    sink --name "$N-b" --topic-template "$N.{table}" --offset-file "$DIR/b.offset"
    SOURCE_NAME=$N-c
    { users; rows 1 1; } >"$IN"
    run -78 sink --name "$N-c" --topic-template "$N.{table}" --offset-file "$DIR/c.offset"
    is rows 1 "$(kafka_values "$N.t" | wc -l)"
}

@test "table layout: a second sink of a topic, with another id, is refused, and no row is there twice" {
    { users; rows 1 5; } >"$IN"
    table_sink
    run -78 sink --name "$N" --create-topics 3 --transactional-id "$N-other" --offset-file "$DIR/other.offset"
    [[ $output == *"belongs to a sink with another transactional id"* ]]
    is rows 5 "$(kafka_values "$N.public.t" | wc -l)"
}

@test "log layout: a topic that retention has emptied is gone on with, from where the offset file is" {
    { users; rows 1 5; } >"$IN"
    log_sink
    kafka_do delete-records "$N" 0 "$(kafka_high "$N")"
    is "what is there" 0 "$(kafka_values "$N" | wc -l)"
    sed 's/"pos":"00000100/"pos":"00000200/; s/"seq":100/"seq":200/' "$IN" >"$DIR/second"
    cat "$DIR/second" >>"$IN"
    log_sink
    kafka_values "$N" | cmp - "$DIR/second"
    log_sink
    kafka_values "$N" | cmp - "$DIR/second"
}

@test "another number of partitions: 78 at the next start, --accept-repartition goes on" {
    { users; rows 1 10; } >"$IN"
    table_sink
    kafka_do grow "$N.public.t" 5
    rows 11 20 >>"$IN"
    run -78 table_sink
    [[ $output == *'has 5 partitions and had 3'* ]]
    table_sink --accept-repartition
    is rows 20 "$(kafka_values "$N.public.t" | wc -l)"
    rows 21 25 >>"$IN"
    table_sink
    is rows 25 "$(kafka_values "$N.public.t" | wc -l)"
}

@test "partitions that are added while it runs: rows of a key stay where they were" {
    mkfifo "$DIR/pipe"
    IN=$DIR/pipe spawn bash -c "cdc-sink-kafka --name $N --create-topics 2 --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    { users; rows 1 10; } >&7
    wait_until file_matches "$OFFSETS" '"lines":10,'
    kafka_do grow "$N.public.t" 6
    # Lines of a process of their own do not move SEQ here.
    SEQ=200 rows 1 10 >&7
    exec 7>&-
    status_of "$SPAWNED"
    is "a partition for each key" 10 "$(kafka_read "$N.public.t" | jq -r '[.partition, .key] | tostring' | sort -u | wc -l)"
    is records 20 "$(kafka_values "$N.public.t" | wc -l)"
}

@test "topics that have gone are 79, not a fresh start" {
    { users; rows 1 10; } >"$IN"
    log_sink
    kafka_delete "$N"
    rows 11 12 >>"$IN"
    run -79 log_sink
    run -79 log_sink
    SOURCE_NAME=$N-t
    { users; rows 1 10; } >"$IN"
    sink --name "$N-t" --offset-file "$DIR/t.offset"
    kafka_delete "$N-t.public.t"
    rows 11 12 >>"$IN"
    run -79 sink --name "$N-t" --offset-file "$DIR/t.offset"
    # What the message advises: all anew under another id, for which that topic is one to be lost as well.
    sink --name "$N-t" --transactional-id "$N-new" --offset-file "$DIR/new.offset"
    is rows 12 "$(kafka_values "$N-t.public.t" | wc -l)"
    kafka_delete "$N-t.public.t"
    rows 13 14 >>"$IN"
    run -79 sink --name "$N-t" --transactional-id "$N-new" --offset-file "$DIR/new.offset"
}

# remade TOPIC [PARTITIONS]: deleted, and made again without a record.
remade() { kafka_delete "$1" && kafka_create "$1" "${2:-3}"; }

@test "table layout: a topic that was made again between two runs is 79, and named, until it is accepted; its table can be loaded again" {
    { users; rows 1 10; } >"$IN"
    table_sink
    remade "$N.public.t"
    # With rows of another table alone, and with none at all.
    { TABLE=u users; TABLE=u rows 11 12; } >>"$IN"
    run -79 table_sink
    [[ $output == *"topic $N.public.t"*"--accept-lost=$N.public.t"* ]]
    not kafka_has "$N.public.u"
    : >"$DIR/none"
    IN=$DIR/none run -79 table_sink
    # What the message advises: the table is read again.
    {
        read_begin
        for i in 1 2 3; do change r "{\"id\":$i}" null "{\"id\":$i,\"name\":\"row $i\"}"; done
        read_end id id:integer name:text
        commit
    } >>"$IN"
    table_sink --accept-lost "$N.public.t"
    is rows '[1,2,3]' "$(kafka_values "$N.public.t" | jq -sc 'map(.after.id) | sort')"
    is "rows of the other table" 2 "$(kafka_values "$N.public.u" | wc -l)"
    SEQ=900 rows 4 6 >>"$IN"
    table_sink
    is rows 6 "$(kafka_values "$N.public.t" | wc -l)"
    # It was for that loss, and not for one to come.
    remade "$N.public.t"
    run -79 table_sink
}

@test "table layout: a topic that was made again with fewer partitions is 79, and no repartition; one that has gone can be accepted as well" {
    { users; rows 1 10; } >"$IN"
    table_sink
    remade "$N.public.t" 2
    rows 11 12 >>"$IN"
    run -79 table_sink
    run -79 table_sink --accept-repartition
    table_sink --accept-lost "$N.public.t"
    is rows 2 "$(kafka_values "$N.public.t" | wc -l)"
    kafka_delete "$N.public.t"
    SEQ=900 rows 13 14 >>"$IN"
    run -79 table_sink
    [[ $output == *"topic $N.public.t"*"--accept-lost=$N.public.t"* ]]
    table_sink --accept-lost "$N.public.t"
    is rows 2 "$(kafka_values "$N.public.t" | wc -l)"
    table_sink
}

# followed TOPIC OPTION...: a sink that goes on while its topic is made again; then it has ended with 79.
followed() {
    local topic=$1 status=0
    shift
    rm -f "$DIR/pipe" "$OFFSETS"
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka $* --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    { users; rows 1 10; } | tee "$IN" >&7
    wait_until file_matches "$OFFSETS" '"lines":10,'
    # It meets the topic with the next rows, and not before: more than it had, so that its length says nothing afterwards.
    kill -STOP -- "-$SPAWNED"
    remade "$topic" 1
    SEQ=300 rows 1 100 | tee -a "$IN" >&7
    kill -CONT -- "-$SPAWNED"
    exec 7>&-
    status_of "$SPAWNED" || status=$?
    is "status for $topic" 79 "$status" || { cat "$DIR/err"; return 1; }
    file_matches "$DIR/err" "topic $topic"
    is "stored rows" 10 "$(jq ".offsets.\"$SOURCE_NAME\".lines" "$OFFSETS")"
}

@test "a topic that is made again while the sink runs is 79, also at the next start, and none of its rows is taken for stored" {
    local delivery
    for delivery in transactional idempotent; do
        SOURCE_NAME=$N-$delivery
        followed "$SOURCE_NAME.public.t" --name "$SOURCE_NAME" --create-topics 1 --delivery $delivery
        run -79 sink --name "$SOURCE_NAME" --delivery $delivery
    done
    SOURCE_NAME=$N-tx
    followed "$N-tx.transaction" --name "$N-tx" --create-topics 1
    run -79 sink --name "$SOURCE_NAME"
    [[ $output == *"--accept-lost=$N-tx.transaction"* ]]
    SOURCE_NAME=$N-atomic
    followed "$N-atomic.public.t" --name "$N-atomic" --create-topics 1 --atomic
    run -79 sink --name "$SOURCE_NAME"
}

@test "log layout: a topic that is made again while the sink runs is 79, also at the next start" {
    followed "$N" --topic "$N"
    is "records in the new one" 0 "$(kafka_high "$N")"
    run -79 log_sink
    # Nor are there lines in it that the next run would go on after, also where this one had been killed.
    followed "$N-i" --topic "$N-i" --delivery idempotent
    is "records in the new one" 0 "$(kafka_high "$N-i")"
    run -79 sink --topic "$N-i" --delivery idempotent
}

@test "a topic without new rows that is made again while the sink runs is 79 as well" {
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka --name $N --create-topics 3 --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    { users; rows 1 10; } >&7
    wait_until file_matches "$OFFSETS" '"lines":10,'
    remade "$N.public.t"
    local status=0
    status_of "$SPAWNED" || status=$?
    is status 79 "$status"
    file_matches "$DIR/err" "topic $N.public.t"
    exec 7>&-
}

@test "topics that are cut from their beginning, compacted, or grow are not taken for others; positions without ends go on" {
    { users; rows 1 10; } >"$IN"
    table_sink --topic-config segment.ms=100
    local i
    for i in 0 1 2; do kafka_do delete-records "$N.public.t" $i "$(kafka_high "$N.public.t" $i)"; done
    kafka_do delete-records "$N.transaction" 0 "$(kafka_high "$N.transaction")"
    rows 11 20 >>"$IN"
    table_sink
    is rows 10 "$(kafka_values "$N.public.t" | wc -l)"
    kafka_do grow "$N.public.t" 5
    rows 21 30 >>"$IN"
    table_sink --accept-repartition
    is rows 20 "$(kafka_values "$N.public.t" | wc -l)"
    # As those have it that an older sink has written.
    kafka_read __cdc_offsets | jq -r --arg id "cdc-$N" '.key | select(. != null and (fromjson? | .[1].ends? != null and .[1].id == $id))' | sort -u >"$DIR/keys"
    [ -s "$DIR/keys" ]
    while read -r key; do kafka_do send __cdc_offsets 0 "$key" -; done <"$DIR/keys"
    rows 31 40 >>"$IN"
    table_sink
    is rows 30 "$(kafka_values "$N.public.t" | wc -l)"
    remade "$N.public.t" 5
    run -79 table_sink
}

@test "the topic of positions that is made again is 79, in a run and between two" {
    local topic=$N-offsets status=0
    { users; rows 1 10; } >"$IN"
    table_sink --offsets-topic "$topic"
    remade "$topic" 1
    rows 11 12 >>"$IN"
    run -79 table_sink --offsets-topic "$topic"
    is rows 10 "$(kafka_values "$N.public.t" | wc -l)"
    SOURCE_NAME=$N-r
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka --name $N-r --offsets-topic $topic-r --offset-file $DIR/r.offset kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    { users; rows 1 10; } >&7
    wait_until file_matches "$DIR/r.offset" '"lines":10,'
    remade "$topic-r" 1
    SEQ=300 rows 11 12 >&7
    exec 7>&-
    status_of "$SPAWNED" || status=$?
    is status 79 "$status" || { cat "$DIR/err"; return 1; }
}

@test "a position that was removed from Kafka is 79, not one of before it" {
    { users; rows 1 10; } >"$IN"
    table_sink
    kafka_do send __cdc_offsets 0 "$(kafka_read __cdc_offsets | jq -r --arg n "$N" 'select(.key | fromjson | .[1].name == $n) | .key' | tail -1)" -
    rows 11 12 >>"$IN"
    run -79 table_sink
    is rows 10 "$(kafka_values "$N.public.t" | wc -l)"
}

@test "an offset file that is behind is brought up from Kafka; nothing comes twice" {
    { users; rows 1 10; } >"$IN"
    table_sink
    cp "$OFFSETS" "$DIR/old"
    rows 11 20 >>"$IN"
    table_sink
    cp "$DIR/old" "$OFFSETS"
    table_sink
    is rows 20 "$(kafka_values "$N.public.t" | wc -l)"
    is lines 20 "$(jq ".offsets.$N.lines" "$OFFSETS")"
}

@test "an open transaction of another writer in the topic of positions is waited for, and hides nothing" {
    { users; rows 1 10; } >"$IN"
    table_sink
    kafka_client_begin
    kafka_client id "foreign-$N" 8000
    kafka_client begin
    kafka_client send __cdc_offsets 0 foreign x
    kafka_client flush
    # A record after it: hidden until that transaction ends.
    kafka_do send __cdc_offsets 0 other x
    rows 11 20 >>"$IN"
    spawn bash -c "cdc-sink-kafka -v --name $N --offset-file $OFFSETS kafka://$KAFKA <$IN 2>$DIR/err"
    wait_for_match "$DIR/err" 'waiting for the end of a transaction'
    kafka_client abort
    kafka_client_end
    status_of "$SPAWNED"
    is rows 20 "$(kafka_values "$N.public.t" | wc -l)"
    is "one of each" 20 "$(kafka_values "$N.public.t" | jq .key.id | sort -u | wc -l)"
}

@test "its own transaction that outlived its timeout is sent again; nothing is lost or doubled" {
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka -v --topic $N --txn-timeout 8s --batch-time 60s --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    { users; for ((i = 1; i <= 200; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"row $i\"}"; done; } | tee "$IN" >&7
    wait_until kafka_has "$N"
    wait_until in_flight "$N"
    kill -STOP -- "-$SPAWNED"
    # The broker ends the transaction: the last stable offset reaches the end.
    wait_until -t 30 nothing_open "$N"
    kill -CONT -- "-$SPAWNED"
    POS=5000 commit | tee -a "$IN" >&7
    exec 7>&-
    status_of "$SPAWNED" || { cat "$DIR/err"; return 1; }
    file_matches "$DIR/err" 'longer than --txn-timeout'
    kafka_values "$N" | cmp - "$IN"
}
in_flight() { [ "$(kafka_high "$1")" -gt 0 ]; }
nothing_open() { kcat -C -e -b "$KAFKA" -t "$1" -o beginning -X isolation.level=read_committed 2>&1 | grep -q "at offset $(kafka_high "$1")"; }

@test "two sinks with one transactional id: the older one exits 78, the younger one goes on" {
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka --topic $N --offset-file $DIR/first.offset kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    { users; rows 1 10; } | tee "$IN" >&7
    wait_until file_matches "$DIR/first.offset" '"lines":10,'
    SEQ=300 rows 11 20 >>"$IN"
    log_sink
    SEQ=400 rows 21 30 >&7
    local status=0
    status_of "$SPAWNED" || status=$?
    is status 78 "$status"
    file_matches "$DIR/err" 'another sink'
    exec 7>&-
    SEQ=500 rows 31 40 >>"$IN"
    log_sink
    kafka_values "$N" | cmp - "$IN"
}

@test "SIGTERM while the broker is away: it leaves, the offset stands, the next run stores all" {
    { users; rows 1 10; } >"$IN"
    log_sink
    local before
    before=$(stored)
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka --topic $N --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    SEQ=300 rows 11 12 | tee -a "$IN" >&7
    wait_until moved_from "$before"
    before=$(stored)
    stop_broker
    SEQ=400 rows 13 14 | tee -a "$IN" >&7
    wait_for_match "$DIR/err" 'no broker answers'
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" 30
    exec 7>&-
    is offset "$before" "$(stored)"
    kafka_node_back
    log_sink
    kafka_values "$N" | cmp - "$IN"
}
moved_from() { [ "$(stored)" != "$1" ]; }

@test "a broker that is away for a while is waited for; --retry-max bounds it: 69" {
    { users; rows 1 10; } >"$IN"
    log_sink
    stop_broker
    rows 11 20 >>"$IN"
    run -69 log_sink --retry-max 1
    spawn bash -c "exec cdc-sink-kafka --topic $N --offset-file $OFFSETS kafka://$KAFKA <$IN 2>$DIR/err"
    wait_for_match "$DIR/err" 'trying again'
    kafka_node_back
    status_of "$SPAWNED" 60
    kafka_values "$N" | cmp - "$IN"
    is "nobody there" 69 "$(run_away)"
}
run_away() {
    local status=0
    t cdc-sink-kafka --topic x --retry-max 1 kafka://127.0.0.1:9 <"$IN" 2>/dev/null || status=$?
    echo $status
}

@test "a transaction of the source that is larger than a batch: cut, and whole after a kill" {
    { users; for ((i = 1; i <= 3000; i++)); do echo "$i"; done | jq -rc --arg n "$N" '"{\"op\":\"c\",\"pos\":\"00000100.1\(. + 1000000)\",\"seq\":100,\"ts_ms\":1,\"source\":{\"connector\":\"postgresql\",\"name\":\"\($n)\",\"db\":\"d\",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":1,\"txId\":5},\"key\":{\"id\":\(.)},\"before\":null,\"after\":{\"id\":\(.),\"name\":\"x\"}}"'; } >"$DIR/rows"
    # Killed inside of it: the file stands at its beginning, Kafka inside.
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka --name $N --create-topics 3 --batch-bytes 50K --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    head -2000 "$DIR/rows" >&7
    wait_until -t 60 rows_at_least "$N.public.t" 1000
    kill -KILL "$SPAWNED"
    wait "$SPAWNED" || true
    exec 7>&-
    is "no position yet" null "$(stored)"
    { cat "$DIR/rows"; SEQ=100 POS=99999999 commit; } >"$IN"
    table_sink --batch-bytes 50K
    is rows 3000 "$(kafka_values "$N.public.t" | wc -l)"
    is "one of each" 3000 "$(kafka_values "$N.public.t" | jq .key.id | sort -u | wc -l)"
    is "BEGIN and END, once, of all" '["BEGIN",3000]' "$(kafka_values "$N.transaction" | jq -sc '[.[0].status, (.[1].partitions | map(.count) | add)]')"
    is "two of them" 2 "$(kafka_values "$N.transaction" | wc -l)"
}
rows_at_least() { [ "$(kafka_values "$1" 2>/dev/null | wc -l)" -ge "$2" ]; }

# rows_of_one FROM TO: of one transaction, some 300 bytes each.
rows_of_one() {
    jq -rnc --arg n "$N" --arg first "${FIRST:-00000100}" --argjson from "$1" --argjson to "$2" 'range($from; $to + 1) | "{\"op\":\"c\",\"pos\":\"\($first).\(. + 10000000)\",\"seq\":100,\"ts_ms\":1,\"source\":{\"connector\":\"postgresql\",\"name\":\"\($n)\",\"db\":\"d\",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":1,\"txId\":5},\"key\":{\"id\":\(.)},\"before\":null,\"after\":{\"id\":\(.),\"name\":\"\("x" * 100)\"}}"'
}

@test "--atomic: a transaction larger than a batch and than memory should be is there at once or not at all, whatever is killed" {
    local layout topic peak
    mkdir "$DIR/spool"
    for layout in "--name $N --create-topics 1" "--topic $N"; do
        case $layout in --topic*) topic=$N OFFSETS=$DIR/log.offset ;; *) topic=$N.public.t ;; esac
        { users; rows_of_one 1 300000; } >"$DIR/rows"
        { cat "$DIR/rows"; SEQ=100 POS=99999999 commit; } >"$IN"
        mkfifo "$DIR/pipe"
        # Without its commit line nothing is sent.
        spawn bash -c "exec cdc-sink-kafka $layout --atomic --spool $DIR/spool --batch-bytes 1M --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
        exec 7>"$DIR/pipe"
        cat "$DIR/rows" >&7
        is "rows before the commit" 0 "$({ kafka_high "$topic" 2>/dev/null || echo 0; })"
        peak=$(peak_kib "$SPAWNED")
        [ "$peak" -lt 98304 ] || fail "$peak KiB for $(stat -c %s "$IN") bytes"
        # Killed while it sends.
        tail -n 1 "$IN" >&7
        wait_until eval '[ "$(kafka_high "$topic" 2>/dev/null || echo 0)" -gt 1000 ]'
        kill -KILL "$SPAWNED"
        wait "$SPAWNED" || true
        exec 7>&-
        rm "$DIR/pipe"
        is "files that are left" "" "$(ls "$DIR/spool")"
        # shellcheck disable=SC2086
        python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[2:], stdin=open(sys.argv[1]), check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$IN" \
            cdc-sink-kafka $layout --atomic --spool "$DIR/spool" --batch-bytes 1M --offset-file "$OFFSETS" "kafka://$KAFKA" >"$DIR/rss" 2>"$DIR/err"
        echo "# $(stat -c %s "$IN") bytes: $peak KiB as they were taken in, $(cat "$DIR/rss") KiB in all" >&3
        [ "$(cat "$DIR/rss")" -lt 122880 ] || fail "$(cat "$DIR/rss") KiB"
        is "rows" 300000 "$(kafka_values "$topic" | grep -c '"op":"c"')"
        is "one of each" 300000 "$(kafka_values "$topic" | jq '.key.id // empty' | sort -u | wc -l)"
    done
    kafka_values "$N" | cmp - "$IN"
}

@test "--atomic: a transaction that takes longer than --txn-timeout to send is 78 with the cure, not sent again for ever" {
    { users; rows_of_one 1 60000; SEQ=100 POS=99999999 commit; } >"$IN"
    # A request for each record.
    run -78 --separate-stderr table_sink --atomic --spool "$DIR" --txn-timeout 1 -X batch.num.messages=1
    [[ $stderr == *"longer --txn-timeout"* ]]
    is "rows" 0 "$(kafka_values "$N.public.t" | wc -l)"
    table_sink --atomic --spool "$DIR"
    is "rows" 60000 "$(kafka_values "$N.public.t" | wc -l)"
}

@test "--atomic: many small transactions go in batches; a spool without room is 74 and nothing of it is sent; one that is not there is 78" {
    local disk=$DIR/small
    { users; for i in 1 2 3 4 5 6; do rows ${i}1 ${i}9; done; } >"$IN"
    log_sink --atomic --spool "$DIR" --batch-bytes 1K
    kafka_values "$N" | cmp - "$IN"
    run -78 log_sink --atomic --spool "$DIR/none"
    run -64 log_sink --atomic --delivery=idempotent
    mkdir "$disk"
    mount -t tmpfs -o size=4m tmpfs "$disk" 2>/dev/null || { rmdir "$disk" && return 0; } # nobody but root
    cp "$IN" "$DIR/first"
    SEQ=500
    { rows 71 72; FIRST=00000600 rows_of_one 1 100000; SEQ=600 POS=99999999 commit; } >>"$IN"
    run -74 log_sink --atomic --spool "$disk"
    [[ $output == *spool* ]]
    is "rows of it" 0 "$(kafka_values "$N" | grep -c '"pos":"00000600' || true)"
    log_sink --atomic --spool "$DIR"
    kafka_values "$N" | cmp - "$IN"
}

@test "records are dated now: rows of ten days ago stay under a retention of a week; --timestamp=commit refuses such a topic" {
    { users; rows 1 5; } >"$IN"
    sed -i "s/\"ts_ms\":1,/\"ts_ms\":$(($(date +%s) - 864000))000,/g" "$IN"
    run -78 table_sink --timestamp commit
    [[ $output == *'by their age'* ]]
    table_sink
    is "dated now" true "$(kafka_read "$N.public.t" | jq -s --argjson now "$(date +%s)" 'all(.ts / 1000 > $now - 600)')"
}

@test "deletes leave nothing behind once a topic was compacted" {
    kafka_create "$N.public.t" 1 cleanup.policy=compact segment.ms=1000 min.cleanable.dirty.ratio=0.01 delete.retention.ms=1000 max.compaction.lag.ms=1000
    { users; rows 1 5; change d '{"id":2}' '{"id":2}' null; commit; } >"$IN"
    table_sink
    # A newer segment is begun, so that the older one can be cleaned.
    compacted() {
        SEQ=$((SEQ + 10))
        { users; rows 6 6; } >"$IN"
        table_sink
        [ "$(kafka_values "$N.public.t" | jq -s 'map(select(.key.id == 2)) | length')" = 0 ]
    }
    wait_until -t 60 compacted
    is "the others" '[1,3,4,5,6]' "$(kafka_values "$N.public.t" | jq -sc 'map(.key.id) | unique')"
}

@test "--lines: schema lines and truncates go into each partition, in their order" {
    { users; rows 1 3; line t '"x":1'; commit; } >"$IN"
    table_sink --lines schema,t
    is "each partition" '["schema","t"]' "$(kafka_values "$N.public.t" -p 2 | jq -sc 'map(.op | select(. != "c"))')"
    is schema 3 "$(kafka_values "$N.public.t" | grep -c '"op":"schema"')"
    table_sink --lines schema,t
    is "not again" 3 "$(kafka_values "$N.public.t" | grep -c '"op":"schema"')"
}

@test "--lines schema: a schema line counts in the transaction of its rows, which has one BEGIN and one END, whatever is killed" {
    local filler
    filler=$(printf '%0400d' 0)
    wide() { local i; for ((i = $1; i <= $2; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"$filler\"}"; done; }
    { users; rows 1 3; wide 4 103; } >"$DIR/first"
    # Within the transaction: another table, and then rows of both.
    SEQ=110 POS=200
    { TABLE=other users; POS=201; TABLE=other change c '{"id":1}' null '{"id":1,"name":"x"}'; POS=202; wide 104 250; } >"$DIR/second"
    POS=400
    { change c '{"id":900}' null '{"id":900,"name":"last"}'; POS=401; commit; } >"$DIR/third"
    SEQ=120
    { users; rows 901 903; } >>"$DIR/third"
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka --name $N --create-topics 2 --lines schema --batch-bytes 20K --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    cat "$DIR/first" "$DIR/second" >&7
    wait_until -t 60 rows_at_least "$N.public.t" 200
    kill -KILL "$SPAWNED"
    wait "$SPAWNED" || true
    exec 7>&-
    # The other table's line does not come again: a source tells it where it must.
    cat "$DIR/first" <(grep -v '"op":"schema"' "$DIR/second") "$DIR/third" >"$IN"
    table_sink --create-topics 2 --lines schema --batch-bytes 20K
    is "BEGIN and END" 'BEGIN END BEGIN END BEGIN END' "$(kafka_values "$N.transaction" | jq -r .status | paste -sd' ')"
    is "each once" 3 "$(kafka_values "$N.transaction" | jq -r 'select(.status == "BEGIN") | .id' | sort -u | wc -l)"
    kafka_values "$N.transaction" | jq -c 'select(.status == "END") | [.event_count, (.data_collections | map(.event_count) | add), (.partitions | map(.count) | add)]' >"$DIR/counts"
    is counts '[5,5,5] [251,251,251] [5,5,5]' "$(paste -sd' ' "$DIR/counts")"
    t kafka-cdc "kafka://$KAFKA/$N.public.t,$N.public.other" --order=source --until=now >"$DIR/out"
    cat "$DIR/first" "$DIR/second" "$DIR/third" | cmp - "$DIR/out"
}

@test "--lines schema: a transaction of many tables makes no position record that a broker refuses, and none is left behind" {
    local i table offsets=$N.offsets
    kafka_create "$offsets" 1 cleanup.policy=compact max.message.bytes=6000
    kafka_create "$N.transaction" 1
    many() { # FROM TO: one transaction; each table is told of, and has a row
        for ((i = $1; i <= $2; i++)); do
            table=$(printf 'a_table_with_a_name_that_is_as_long_as_names_may_be_here_%05d' "$i")
            POS=$((2 * i)) TABLE=$table users
            POS=$((2 * i + 1)) TABLE=$table change c '{"id":1}' null '{"id":1,"name":"a"}'
        done
    }
    { users; many 1 90; } >"$DIR/first"
    { many 91 100; POS=900; rows 1 3; } >"$DIR/second"
    SEQ=$((SEQ + 10)) POS=0
    rows 4 5 >"$DIR/third"
    position() { kafka_read "$offsets" | jq -r 'select(.payload != null and (.key | fromjson | .[1] | has("id") and (has("part") | not))) | .payload' | tail -1; }
    is_inside() { [[ $(position | jq -r ".places.$N.pos // \"\"") > "$(tail -4 "$DIR/first" | head -1 | jq -r .pos)" ]]; }
    mkfifo "$DIR/pipe"
    local options="--name $N --create-topics 1 --lines schema --compression none --offsets-topic $offsets --offset-file $OFFSETS kafka://$KAFKA"
    spawn bash -c "exec cdc-sink-kafka --batch-bytes 1K --batch-time 60s $options <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    cat "$DIR/first" >&7
    wait_until -t 90 is_inside || { tail -3 "$DIR/err" >&2; return 1; }
    kill -KILL "$SPAWNED"
    wait "$SPAWNED" || true
    exec 7>&-
    [ "$(position | jq -r ".places.$N.parts.n")" -gt 5 ]
    # The schema lines do not come again.
    cat <(grep -v '"op":"schema"' "$DIR/first") "$DIR/second" "$DIR/third" >"$IN"
    # shellcheck disable=SC2086
    t cdc-sink-kafka $options <"$IN"
    is "parts that are left" 0 "$(kafka_read "$offsets" | jq -rs 'group_by(.key) | map(last | select(.payload != null and (.key | contains("part")))) | length')"
    t kafka-cdc "kafka://$KAFKA/^$N\\.public\\." --transaction-topic "$N.transaction" --order=source --until=now >"$DIR/out"
    cat "$DIR/first" "$DIR/second" "$DIR/third" | cmp - "$DIR/out"
}

@test "without commit lines: a transaction that was cut off has one BEGIN and one END, and so have those before it" {
    local filler i
    filler=$(printf '%0400d' 0)
    for ((i = 1; i <= 200; i++)); do
        [ $((i % 50)) != 1 ] || { SEQ=$((SEQ + 10)) POS=0; }
        change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"$filler\"}"
    done >"$IN"
    mkfifo "$DIR/pipe"
    spawn bash -c "exec cdc-sink-kafka --name $N --create-topics 2 --batch-bytes 12K --batch-time 60s --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
    exec 7>"$DIR/pipe"
    cat "$IN" >&7
    wait_until -t 60 rows_at_least "$N.public.t" 160
    kill -KILL "$SPAWNED"
    wait "$SPAWNED" || true
    exec 7>&-
    is "no position yet" null "$(stored)"
    SEQ=$((SEQ + 10)) POS=0
    rows 201 203 >>"$IN"
    table_sink --create-topics 2 --batch-bytes 12K
    is "BEGIN and END" 'BEGIN END BEGIN END BEGIN END BEGIN END BEGIN END' "$(kafka_values "$N.transaction" | jq -r .status | paste -sd' ')"
    is counts '50 50 50 50 3' "$(kafka_values "$N.transaction" | jq -r 'select(.status == "END") | .event_count' | paste -sd' ')"
}

# with FAULT COUNT OPTION...: the sink of lines, whose client does that (tests/kafka/faults.c).
with_fault() { LD_PRELOAD=$CDC_BUILD/tests/kafka-faults.so KAFKA_FAULT=$1 t cdc-sink-kafka --topic "$N" --offset-file "$OFFSETS" "${@:2}" "kafka://$KAFKA" <"$IN"; }

@test "a commit that the client says is done and is not: no position moves, and the rows are sent again" {
    { users; rows 1 20; } >"$IN"
    run -69 with_fault "lost 1000" --retry-max 1
    [[ $output == *"its position is not there"* ]]
    is "no position" null "$(stored)"
    is "nothing is there" 0 "$(kafka_values "$N" | wc -l)"
    with_fault "lost 2" 2>"$DIR/err"
    is "told, each time" 2 "$(grep -c 'its position is not there' "$DIR/err")"
    kafka_values "$N" | cmp - "$IN"
    is "position" "$(tail -1 "$IN" | jq -r .pos)" "$(stored)"
}

@test "a producer that is dead by an error of its sequence is made anew, and its rows are there once" {
    { users; rows 1 20; } >"$IN"
    run -69 with_fault "fatal 1000" --retry-max 1
    [[ $output == *"made anew"*OUT_OF_ORDER* ]]
    is "no position" null "$(stored)"
    with_fault "fatal 2" 2>"$DIR/err"
    is "told, each time" 2 "$(grep -c 'made anew' "$DIR/err")"
    kafka_values "$N" | cmp - "$IN"
}

@test "a topic that was just made, and that the broker which is asked does not know yet, is waited for" {
    { users; rows 1 20; } >"$IN"
    with_fault "late 20" --create-topics 1
    kafka_values "$N" | cmp - "$IN"
    is "position" "$(tail -1 "$IN" | jq -r .pos)" "$(stored)"
}

@test "records that a broker refuses, which only their delivery tells: never 0, and no position moves" {
    local delivery before status
    for delivery in idempotent transactional; do
        rm -f "$OFFSETS" "$DIR/pipe"
        mkfifo "$DIR/pipe"
        SOURCE_NAME=$N-$delivery SEQ=100 POS=0
        kafka_create "$N-$delivery"
        spawn bash -c "exec cdc-sink-kafka --topic $N-$delivery --delivery $delivery --offset-file $OFFSETS kafka://$KAFKA <$DIR/pipe 2>$DIR/err"
        exec 7>"$DIR/pipe"
        { users; rows 1 10; } | tee "$IN" >&7
        wait_until file_matches "$OFFSETS" '"lines":10,'
        before=$(cat "$OFFSETS")
        kafka_do config "$N-$delivery" max.message.bytes=100
        SEQ=300 POS=0
        rows 11 20 | tee -a "$IN" >&7
        exec 7>&-
        status=0
        status_of "$SPAWNED" 60 || status=$?
        is "$delivery" 78 "$status"
        is "offset file" "$before" "$(cat "$OFFSETS")"
        kafka_do config "$N-$delivery" max.message.bytes=1000000
        sink --topic "$N-$delivery" --delivery "$delivery"
        kafka_values "$N-$delivery" | cmp - "$IN"
    done
}

@test "two supervised copies with one transactional id do not shut each other out for ever: one is left, and goes on" {
    local one other=''
    for one in a b; do
        mkdir "$DIR/$one"
        DIR=$DIR/$one supervise "python3 $LIB/kafka_crash.py feed $N $DIR/$one.offset $DIR/$one/stop | cdc-sink-kafka --topic $N --offset-file $DIR/$one.offset kafka://$KAFKA"
    done
    one_has_ended() { [ -e "$DIR/a/failed" ] || [ -e "$DIR/b/failed" ]; }
    wait_until -t 60 one_has_ended
    one=a other=b
    [ -e "$DIR/a/failed" ] || { one=b other=a; }
    is "the other one" 78 "$(cat "$DIR/$one/failed")"
    transactions() { local pos && pos=$(jq -r ".offsets.$N.pos // \"0\"" "$DIR/$other.offset") && echo $((10#${pos%%.*})); }
    moved_beyond() { [ "$(transactions)" -gt "$1" ]; }
    wait_until -t 60 moved_beyond "$(($(transactions) + 20))"
    touch "$DIR/a/stop" "$DIR/b/stop"
    wait_until -t 60 gone "$SUPERVISOR"
    [ ! -e "$DIR/$other/failed" ] || fail "the other one ended with $(cat "$DIR/$other/failed")"
    kafka_values "$N" >"$DIR/out"
    python3 "$LIB/kafka_crash.py" log "$N" "$(($(tail -1 "$DIR/out" | jq -r '.pos | split(".")[0] | tonumber')))" | cmp - "$DIR/out"
}

@test "a broker that the client does not compress for, as behind some proxies, is told of" {
    # Of this test alone: clients know the broker by the proxy's address.
    spawn python3 "$LIB/kafka_proxy.py" uncompressed "$DIR/broker" "$DIR/port"
    wait_until test -s "$DIR/port"
    kafka_begin "advertised.listeners=PLAINTEXT://127.0.0.1:$(cat "$DIR/port")"
    echo "$KAFKA" >"$DIR/broker.new" && mv "$DIR/broker.new" "$DIR/broker"
    { users; rows 1 50; } >"$IN"
    log_sink 2>"$DIR/err"
    file_matches "$DIR/err" 'warning: .*without compressing'
    log_sink --topic "$N-zstd" --compression zstd --offset-file "$DIR/zstd" 2>"$DIR/err"
    not file_matches "$DIR/err" compressing
    kafka_values "$N" | cmp - "$IN"
    kafka_end
}

@test "properties that the promises rest on are refused, and named; values are not shown" {
    local one
    : >"$IN"
    for one in acks=1 enable.idempotence=false isolation.level=read_uncommitted auto.offset.reset=earliest partitioner=random message.timeout.ms=1 transactional.id=x; do
        run -64 log_sink -X "$one"
        [[ $output == *"${one%%=*} cannot be set"* ]]
    done
    run -64 log_sink -X security.protocol=geheim
    [[ $output == *security.protocol* && $output != *geheim* ]]
    printf '# a comment\nsasl.password = geheim\nno.such=geheim\n' >"$DIR/config"
    run -64 log_sink --config "$DIR/config"
    [[ $output == *'line 3'*no.such* && $output != *geheim* ]]
}

@test "idle: one position record for each heartbeat, and no more" {
    { users; rows 1 2; for i in 1 2 3; do printf '{"op":"heartbeat","pos":"0000020%d.00000001","seq":20%d,"ts_ms":1,"source":{"connector":"postgresql","name":"%s","db":"d","ts_ms":1}}\n' "$i" "$i" "$N"; done; } >"$IN"
    table_sink
    is position "00000203.00000001" "$(stored)"
    is records 1 "$(kafka_read __cdc_offsets | jq -r .key | grep -c "\"name\":\"$N\"")"
}

@test "--check: what it finds, as text and as JSON" {
    { users; rows 1 2; } >"$IN"
    table_sink
    t cdc-sink-kafka --check --json --name "$N" "kafka://$KAFKA" >"$DIR/json"
    is codes true "$(jq '[.findings[].code] | contains(["replication","min_insync_replicas","retention","max_message_bytes","librdkafka_sequence"])' "$DIR/json")"
    is topics true "$(jq --arg n "$N" '[.topics[].topic] | contains([$n + ".public.t", "__cdc_offsets"])' "$DIR/json")"
    kafka_create "$N-u" 1 unclean.leader.election.enable=true
    run -78 t cdc-sink-kafka --check --topic "$N-u" "kafka://$KAFKA"
    [[ $output == *unclean.leader.election.enable* ]] || fail "$output"
    run -69 t cdc-sink-kafka --check --topic "$N-u" kafka://127.0.0.1:9
}
