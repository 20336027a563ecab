#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# kafka-cdc against a real broker: what it reads, where it begins, what it never passes over in silence.
# takes: 120 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2154,SC2034
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/kafka

setup_file() { kafka_begin; }
teardown_file() { kafka_end; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    TOPIC=t$BATS_TEST_NUMBER
}
teardown() { end_spawned || true; }

# kc [OPTION]...: reads $TOPIC.
kc() { t kafka-cdc "kafka://$KAFKA/$TOPIC" "$@"; }
next() { jq -r ".offsets[\"$TOPIC\"].state.topics[\"$TOPIC\"][\"0\"].next" "$DIR/o"; }
# rows FROM TO: rows of that many transactions, three each.
rows() {
    local i k
    for ((i = $1; i <= $2; i++)); do
        for k in 1 2 3; do change c "{\"id\":$i$k}" null "{\"id\":$i$k,\"name\":\"n$i\"}"; done
        commit
    done
}
# load FILE [PARTITION]: its lines as records, with the key of a row.
load_lines() { kafka_do load "$TOPIC" "${2:-0}" "$1"; }
ids() { jq -r 'select(.key) | .key.id' "$@" | sort -n | paste -sd' '; }

@test "a log comes byte for byte, and goes on where its offset file says" {
    kafka_create "$TOPIC"
    { schema id id:integer name:text; rows 1 3; } >"$DIR/in"
    load_lines "$DIR/in"
    kc --until=now --offset-file "$DIR/o" >"$DIR/out"
    cmp "$DIR/in" "$DIR/out"
    is next 13 "$(next)"
    run -0 --separate-stderr kc --until=now --offset-file "$DIR/o"
    is again "" "$output"
    SEQ=500
    rows 4 5 >"$DIR/in2"
    load_lines "$DIR/in2"
    kc --until=now --offset-file "$DIR/o" >"$DIR/out"
    # A run begins with what its sink must know.
    { head -1 "$DIR/in" && cat "$DIR/in2"; } | cmp - "$DIR/out"
    # From its middle: by offset, by position, by time, and the end.
    { head -1 "$DIR/in" && tail -n 4 "$DIR/in2"; } >"$DIR/last"
    kc --until=now --from=@17 | cmp - "$DIR/last"
    kc --until=now --from="$(sed -n 4p "$DIR/in2" | jq -r .pos)" | cmp - "$DIR/last"
    is latest "" "$(kc --until=now --from=latest)"
    is "one transaction, and the schema line" 5 "$(kc --max-events=2 | wc -l)"
    is "until a position" 5 "$(kc --until="$(sed -n 5p "$DIR/in" | jq -r .pos)" | wc -l)"
    run -79 kc --until=now --from=@1000
    kafka_do send "$TOPIC" 0 - "$(heartbeat_at 2100000000000)" 1700000000000
    kafka_create "$TOPIC-times"
    for ts in 1700000000000 1700000100000 1700000200000; do kafka_do send "$TOPIC-times" 0 - "$(rows $ts $ts | tail -1)" $ts; done
    TOPIC=$TOPIC-times
    is "from a time" 2 "$(kc --until=now --from=2023-11-14T22:14:00Z | wc -l)"
    is "until a time" 1 "$(kc --until=2023-11-14T22:14:00Z | wc -l)"
}
heartbeat_at() { commit | sed 's/"op":"commit"/"op":"heartbeat"/'; }

@test "transactions: open ones are waited for, those that were given up never come, a marker is no record" {
    kafka_create "$TOPIC"
    rows 1 1 >"$DIR/in"
    kafka_client_begin
    kafka_client id "$TOPIC"
    for end in commit abort commit; do
        kafka_client begin
        [ $end = commit ] || rows 7 7 >"$DIR/in"
        kafka_client load "$TOPIC" 0 "$DIR/in"
        kafka_client flush
        kafka_client $end
        SEQ=200
        rows 2 2 >"$DIR/in"
    done
    kc --until=now --offset-file "$DIR/o" >"$DIR/out" # the last offset is a marker's
    is rows "11 12 13 21 22 23" "$(ids "$DIR/out")"
    kafka_client begin
    SEQ=300
    rows 3 3 >"$DIR/in"
    kafka_client load "$TOPIC" 0 "$DIR/in"
    kafka_client flush
    spawn_line "kafka-cdc 'kafka://$KAFKA/$TOPIC' --offset-file '$DIR/o' >'$DIR/out3'"
    follower=$SPAWNED
    wait_until test -e "$DIR/out3"
    kafka_do send "$TOPIC" 0 - "$(SEQ=400 && commit)"
    pause_ms 500
    is "an open transaction hides what is after it" 0 "$(wc -l <"$DIR/out3")"
    kafka_client commit
    wait_for_lines "$DIR/out3" 5
    is "in the order of the log" "commit" "$(tail -1 "$DIR/out3" | jq -r .op)"
    kill "$(member "$follower" kafka-cdc)"
    status_of "$follower"
    kafka_client_end
}

@test "a transaction of another writer that hangs is told of while it is waited for, without --until too" {
    kafka_create "$TOPIC"
    rows 1 1 >"$DIR/in"
    load_lines "$DIR/in"
    kafka_client_begin
    kafka_client id "$TOPIC"
    kafka_client begin
    kafka_client send "$TOPIC" 0 - x
    kafka_client flush
    SEQ=300
    rows 2 2 >"$DIR/in2"
    load_lines "$DIR/in2"
    spawn_line "kafka-cdc 'kafka://$KAFKA/$TOPIC' >'$DIR/out' 2>'$DIR/err'"
    wait_until -t 60 file_matches "$DIR/err" "warning: topic $TOPIC, partition 0: waiting for the end of a transaction that is open since offset 4"
    cmp "$DIR/in" "$DIR/out"
    kafka_client abort
    wait_for_lines "$DIR/out" 8
    cat "$DIR/in" "$DIR/in2" | cmp - "$DIR/out"
    kill "$(member "$SPAWNED" kafka-cdc)"
    status_of "$SPAWNED"
    kafka_client_end # what was started after it has its ends of the pipes as well
    is "told once" 1 "$(grep -c 'waiting for the end' "$DIR/err")"
}

@test "a topic that was deleted, made again, cut, or is of another cluster: 79, and no line" {
    kafka_create "$TOPIC"
    rows 1 2 >"$DIR/in"
    load_lines "$DIR/in"
    kc --until=now --offset-file "$DIR/o" >/dev/null
    cp "$DIR/o" "$DIR/o.was"
    # Records up to the position may go, and the anchor with them; not one more.
    kafka_do delete-records "$TOPIC" 0 8
    kc --until=now --offset-file "$DIR/o"
    SEQ=300
    rows 3 5 >"$DIR/in"
    load_lines "$DIR/in"
    kafka_do delete-records "$TOPIC" 0 9
    run -79 --separate-stderr kc --until=now --offset-file "$DIR/o"
    is "" "" "$output"
    [[ $stderr == *"begins at offset 9: what came from 8 on is gone"* ]]
    kafka_delete "$TOPIC"
    run -79 --separate-stderr kc --until=now --offset-file "$DIR/o"
    [[ $stderr == *"topic $TOPIC is gone"* ]]
    kafka_create "$TOPIC"
    run -79 --separate-stderr kc --until=now --offset-file "$DIR/o"
    [[ $stderr == *"before the position"* ]]
    # Longer than the position: only the record itself shows it.
    for i in 1 2 3; do load_lines "$DIR/in"; done
    run -79 --separate-stderr kc --until=now --offset-file "$DIR/o"
    is "" "" "$output"
    [[ $stderr == *"another record at offset 7"* ]]
    sed 's/"cluster":"[^"]*"/"cluster":"other"/' "$DIR/o.was" >"$DIR/o"
    run -79 --separate-stderr kc --until=now --offset-file "$DIR/o"
    [[ $stderr == *"cluster other"* ]]
    cmp <(sed 's/"cluster":"[^"]*"/"cluster":"other"/' "$DIR/o.was") "$DIR/o"
}

@test "an offset file of another topic is told of: none of its positions is this topic's" {
    kafka_create "$TOPIC"
    kafka_create "$TOPIC-b"
    rows 1 2 >"$DIR/in"
    load_lines "$DIR/in"
    kc --until=now --offset-file "$DIR/o" >/dev/null
    TOPIC=$TOPIC-b
    load_lines "$DIR/in"
    run -0 --separate-stderr kc --until=now --offset-file "$DIR/o"
    [[ $stderr == *"warning: offset file "*"and none of \"$TOPIC\", which is begun anew"* ]] || fail "$stderr"
    run -0 --separate-stderr kc --until=now --offset-file "$DIR/o"
    [[ $stderr != *"begun anew"* ]] || fail "$stderr"
    is "again" "" "$output"
}

@test "a topic that is made again while it is followed: 79, and none of its lines" {
    kafka_create "$TOPIC"
    rows 1 2 >"$DIR/in"
    load_lines "$DIR/in"
    spawn_line "LIMIT=90; kafka-cdc 'kafka://$KAFKA/$TOPIC' --offset-file '$DIR/o' >'$DIR/out' 2>'$DIR/err'"
    follower=$SPAWNED
    wait_for_lines "$DIR/out" 8
    wait_for_match "$DIR/o" '"next":8'
    kafka_delete "$TOPIC"
    kafka_create "$TOPIC"
    SEQ=700
    for i in 1 2 3 4; do rows 8 9 >"$DIR/in2" && load_lines "$DIR/in2"; done
    status_of "$follower" || status=$?
    is status 79 "$status"
    cmp "$DIR/in" "$DIR/out"
}

@test "topics that are not there, properties that are refused, brokers that are away" {
    begun=$SECONDS
    run -78 --separate-stderr kc --until=now
    [[ $stderr == *"there is no topic $TOPIC"* ]]
    [ $((SECONDS - begun)) -lt 30 ]
    for property in auto.offset.reset=earliest isolation.level=read_uncommitted enable.auto.commit=true check.crcs=false bootstrap.servers=x; do
        run -64 --separate-stderr kc -X "$property"
        [[ $stderr == *"${property%=*}"* ]]
    done
    run -78 --separate-stderr kc -X sasl.mechanism=NONE
    run -64 --separate-stderr kc -X sasl.jaas=secret
    [[ $stderr != *"=secret"* ]]
    run -69 --separate-stderr t kafka-cdc "kafka://127.0.0.1:1/x" --retry-max 1
    run -64 t kafka-cdc "kafka://$KAFKA"
    run -64 t kafka-cdc "kafka://$KAFKA/a" --order=log --format=debezium
    kafka_create "$TOPIC" 2
    run -78 --separate-stderr kc --until=now --order=log
    [[ $stderr == *"--order=log is for one partition"* ]]
    run -0 --separate-stderr kc --check
    [[ $output == *"$TOPIC"* ]]
    is check 0 "$(kc --check --json | jq .exit_status)"
}

# split FILE: its row lines to the four partitions of $TOPIC, by their ids; each partition is in the order of pos.
split() {
    local p
    for p in 0 1 2 3; do
        jq -c --argjson p $p 'select(.key and .key.id % 4 == $p)' "$1" >"$DIR/part.$p"
        [ ! -s "$DIR/part.$p" ] || load_lines "$DIR/part.$p" $p
    done
}

@test "partitions are sources of their own: no sink takes their rows for those that it had" {
    kafka_create "$TOPIC" 4
    schema id id:integer name:text >"$DIR/schema"
    for p in 0 1 2 3; do load_lines "$DIR/schema" $p; done
    rows 1 20 >"$DIR/in"
    split "$DIR/in"
    mkdir "$DIR/state"
    line="kafka-cdc 'kafka://$KAFKA/$TOPIC' --state-dir '$DIR/state' --idle-exit=2 2>'$DIR/err' | cdc-sink-sqlite --state-dir '$DIR/state' '$DIR/db' 2>'$DIR/err2'"
    t bash -o pipefail -c "$line"
    is rows "$(ids "$DIR/in")" "$(sqlite3 "$DIR/db" 'SELECT id FROM t ORDER BY id' | paste -sd' ')"
    not grep duplicate "$DIR/err2"
    is names "n/$TOPIC/0 n/$TOPIC/1 n/$TOPIC/2 n/$TOPIC/3" "$(jq -r '.offsets | keys | join(" ")' "$DIR/state/cdc-sink-sqlite.offset")"
    is "what the sink has is confirmed" 64 "$(jq -r ".offsets[\"$TOPIC\"].seq" "$DIR/state/kafka-cdc-$TOPIC.offset")"
    # Its own file is lost: the sinks' positions tell where to go on.
    rm "$DIR/state/kafka-cdc-$TOPIC.offset"
    SEQ=900
    rows 21 25 >"$DIR/in2"
    split "$DIR/in2"
    kc --state-dir "$DIR/state" --until=now >"$DIR/out"
    is "only what is new" "$(ids "$DIR/in2")" "$(ids "$DIR/out")"
    is "schema lines, partition by partition" 4 "$(jq -r 'select(.op == "schema") | .source.name' "$DIR/out" | sort -u | wc -l)"
    rm -f "$DIR/state/kafka-cdc-$TOPIC.offset"
    t bash -o pipefail -c "$line"
    is rows "$(ids "$DIR/in" "$DIR/in2")" "$(sqlite3 "$DIR/db" 'SELECT id FROM t ORDER BY id' | paste -sd' ')"
    # Whole lines, each partition in its order, and a commit at the end of each.
    kc --until=now --partitions 1-2 >"$DIR/out"
    whole_lines "$DIR/out"
    is partitions "n/$TOPIC/1 n/$TOPIC/2" "$(jq -r .source.name "$DIR/out" | sort -u | paste -sd' ')"
    for p in 1 2; do
        jq -r "select(.source.name == \"n/$TOPIC/$p\") | .pos" "$DIR/out" >"$DIR/pos"
        sort -cu "$DIR/pos"
    done
}

@test "a sink that went back gets its lines again; one without a position is told" {
    kafka_create "$TOPIC"
    { schema id id:integer name:text; rows 1 3; } >"$DIR/in"
    load_lines "$DIR/in"
    mkdir "$DIR/state"
    line="kafka-cdc 'kafka://$KAFKA/$TOPIC' --state-dir '$DIR/state' --idle-exit=2 | cdc-sink-sqlite --state-dir '$DIR/state' '$DIR/db'"
    t bash -o pipefail -c "$line"
    cp -r "$DIR/state" "$DIR/db" "$DIR"/db.* "$BATS_FILE_TMPDIR" 2>/dev/null || true
    cp "$DIR/state/cdc-sink-sqlite.offset" "$DIR/early"
    cp "$DIR/db" "$DIR/db.early"
    SEQ=600
    rows 4 6 >"$DIR/in2"
    load_lines "$DIR/in2"
    t bash -o pipefail -c "$line"
    is rows "$(ids "$DIR/in" "$DIR/in2")" "$(sqlite3 "$DIR/db" 'SELECT id FROM t ORDER BY id' | paste -sd' ')"
    cp "$DIR/db.early" "$DIR/db"
    cp "$DIR/early" "$DIR/state/cdc-sink-sqlite.offset"
    run -0 --separate-stderr t bash -o pipefail -c "$line"
    [[ $stderr == *"before what it had confirmed"* ]]
    is rows "$(ids "$DIR/in" "$DIR/in2")" "$(sqlite3 "$DIR/db" 'SELECT id FROM t ORDER BY id' | paste -sd' ')"
    cp "$DIR/state/cdc-sink-sqlite.offset" "$DIR/ack"
    kafka_do delete-records "$TOPIC" 0 "$(kafka_high "$TOPIC")"
    SEQ=800
    rows 7 7 >"$DIR/in3"
    load_lines "$DIR/in3"
    run -79 --separate-stderr kc --ack "$DIR/ack" --until=now
    [[ $stderr == *"what came next may be gone"* ]]
    rm "$DIR/state/cdc-sink-sqlite.offset"
    run -79 --separate-stderr kc --ack "$DIR/state/cdc-sink-sqlite.offset" --offset-file "$DIR/state/kafka-cdc-$TOPIC.offset" --until=now
    [[ $stderr == *"has no position"* ]]
}

@test "without its offset file, a log of two sources begins before the transaction that a sink has not whole, whatever it has of the other" {
    kafka_create "$TOPIC"
    b() { SOURCE_NAME=b TABLE=u SEQ=$1 POS=$2 change c "{\"id\":$2}" null "{\"id\":$2,\"name\":\"b\"}"; }
    {
        schema id id:integer name:text
        SOURCE_NAME=b TABLE=u SEQ=100 schema id id:integer name:text
        rows 1 2
        b 110 1
        SEQ=300 rows 3 4
        b 110 2
        SOURCE_NAME=b TABLE=u SEQ=110 POS=3 commit
        SEQ=400 rows 5 5
    } >"$DIR/in"
    load_lines "$DIR/in"
    # It ends inside the transaction of b, and stores all of the other source.
    mkdir "$DIR/state"
    run -75 t cdc-sink-sqlite --state-dir "$DIR/state" "$DIR/copy.db" < <(head -19 "$DIR/in")
    is "the other source" "$(sed -n 19p "$DIR/in" | jq -r .pos)" "$(jq -r .offsets.n.pos "$DIR"/state/cdc-sink-sqlite*.offset)"
    t kafka-cdc --state-dir "$DIR/state" --until=now "kafka://$KAFKA/$TOPIC" 2>"$DIR/err" | t cdc-sink-sqlite --state-dir "$DIR/state" "$DIR/copy.db"
    is rows "$(jq -r 'select(.key) | "\(.source.table) \(.key.id)"' "$DIR/in" | sort | paste -sd,)" \
        "$(sqlite3 "$DIR/copy.db" "select 't ' || id from t union all select 'u ' || id from u" | sort | paste -sd,)"
}

@test "tombstones: none after a delete, a delete where it is alone; a compacted topic with gaps" {
    kafka_create "$TOPIC" 1 cleanup.policy=compact
    change c '{"id":1}' null '{"id":1,"name":"a"}' >"$DIR/in"
    change d '{"id":1}' '{"id":1}' null >"$DIR/d"
    kafka_do send "$TOPIC" 0 '{"id":1}' "$(cat "$DIR/in")"
    kafka_do send "$TOPIC" 0 '{"id":1}' "$(SEQ=200 && change d '{"id":1}' '{"id":1}' null)"
    kafka_do send "$TOPIC" 0 '{"id":1}' - 0 cdc.pos=00000200.00000001 cdc.seq=200 cdc.name=n
    kafka_do send "$TOPIC" 0 '{"id":2}' - 0 cdc.pos=00000300.00000001 cdc.seq=300 cdc.name=n
    kc --order=partition --until=now --offset-file "$DIR/o" >"$DIR/out"
    is ops "c:1 d:1 d:2" "$(jq -r 'select(.key) | "\(.op):\(.key.id)"' "$DIR/out" | paste -sd' ')"
    is next 4 "$(next)"
    # What was read last goes on in another run: its delete is compacted away, and nothing else of the table comes before it.
    kafka_do send "$TOPIC" 0 '{"id":3}' - 0 cdc.pos=00000400.00000001 cdc.seq=400 cdc.name=n "cdc.source=$(jq -c .source "$DIR/in")"
    kc --order=partition --until=now --offset-file "$DIR/o" >"$DIR/out"
    is "a delete" "d:3:t" "$(jq -r 'select(.key) | "\(.op):\(.key.id):\(.source.table)"' "$DIR/out" | paste -sd' ')"
    is "of the partition" "n/$TOPIC/0" "$(jq -r .source.name "$DIR/out" | sort -u)"
    # Between a delete and its tombstone: one delete.
    kafka_do send "$TOPIC" 0 '{"id":4}' "$(SEQ=500 && change d '{"id":4}' '{"id":4}' null)"
    kc --order=partition --until=now --offset-file "$DIR/o" >"$DIR/out"
    kafka_do send "$TOPIC" 0 '{"id":4}' - 0 cdc.pos=00000500.00000001 cdc.seq=500 cdc.name=n "cdc.source=$(jq -c .source "$DIR/in")"
    is "nothing new" "" "$(kc --order=partition --until=now --offset-file "$DIR/o")"
}

@test "a compacted topic of cdc-sink-kafka: a delete that is there as its tombstone alone reaches a reader that was away" {
    change c '{"id":1}' null '{"id":1,"name":"a"}' >"$DIR/in"
    commit >>"$DIR/in"
    local settings=(--topic-config cleanup.policy=compact --topic-config segment.ms=500 --topic-config min.cleanable.dirty.ratio=0.01)
    put() { t cdc-sink-kafka --name n --create-topics 1 "${settings[@]}" --offsets-topic n.offsets --offset-file "$DIR/sink" "kafka://$KAFKA"; }
    put <"$DIR/in"
    TOPIC=n.public.t
    kc --order=partition --until=now --offset-file "$DIR/o" >"$DIR/out"
    is row 1 "$(ids "$DIR/out")"
    SEQ=200 && { change d '{"id":1}' '{"id":1}' null; commit; } | put
    pause_ms 600 # the segment is closed by the next record
    SEQ=300 && { change c '{"id":2}' null '{"id":2,"name":"b"}'; commit; } | put
    wait_until -t 60 delete_is_compacted
    kc --order=partition --until=now --offset-file "$DIR/o" >"$DIR/out"
    is rows "d:1 c:2" "$(jq -r 'select(.key) | "\(.op):\(.key.id)"' "$DIR/out" | paste -sd' ')"
}
delete_is_compacted() { [ "$(kafka_read "$TOPIC" | jq -c 'select(.key == "{\"id\":1}") | .payload')" = null ]; }

# end POS SEQ PARTITION:COUNT...: the END of a transaction with those counts.
end_of() {
    local list='' one pos=$1 seq=$2
    shift 2
    for one; do list+=",{\"topic\":\"$TOPIC.a\",\"partition\":${one%:*},\"count\":${one#*:}}"; done
    echo "{\"status\":\"END\",\"id\":\"5:$seq\",\"ts_ms\":1,\"event_count\":3,\"data_collections\":[],\"pos\":\"$pos\",\"seq\":$seq,\"partitions\":[${list#,}]}"
}

@test "--order=source: the lines come as they were written, in their order, transaction by transaction" {
    kafka_create "$TOPIC.a" 3
    kafka_create "$TOPIC.transaction"
    rows 1 30 >"$DIR/in"
    # As a sink would: rows by key, then the END.
    python3 - "$TOPIC" "$DIR/in" <<'END' | "$CDC_BUILD/tests/kafka-client" "$KAFKA" >"$DIR/answers"
import json, sys
topic, n = sys.argv[1], {}
for line in open(sys.argv[2]):
    line = line.rstrip("\n")
    event = json.loads(line)
    if "key" in event:
        part = event["key"]["id"] % 3
        n[part] = n.get(part, 0) + 1
        print("send", topic + ".a", part, event["key"]["id"], line, sep="\t")
        continue
    end = {"status": "END", "id": "5:1", "ts_ms": 1, "event_count": 3, "data_collections": [], "pos": event["pos"], "seq": event["seq"],
           "partitions": [{"topic": topic + ".a", "partition": p, "count": c} for p, c in n.items()]}
    print("send", topic + ".transaction", 0, "-", '{"status":"BEGIN","id":"5:1","ts_ms":1,"event_count":null,"data_collections":null}', sep="\t")
    print("send", topic + ".transaction", 0, "-", json.dumps(end), 0, "cdc.line=" + line, sep="\t")
    n = {}
END
    not grep error "$DIR/answers"
    t kafka-cdc "kafka://$KAFKA/$TOPIC.a" --order=source --until=now --offset-file "$DIR/o" >"$DIR/out"
    cmp "$DIR/in" "$DIR/out"
    # It begins again at a transaction.
    t kafka-cdc "kafka://$KAFKA/$TOPIC.a" --order=source --max-events=7 --offset-file "$DIR/o2" >"$DIR/out"
    t kafka-cdc "kafka://$KAFKA/$TOPIC.a" --order=source --until=now --offset-file "$DIR/o2" >>"$DIR/out"
    cmp "$DIR/in" "$DIR/out"
    # Nothing comes any more: no partition is looked at behind the last transaction.
    t kafka-cdc "kafka://$KAFKA/$TOPIC.a" --order=source --idle-exit=1 >"$DIR/out"
    cmp "$DIR/in" "$DIR/out"
    # A row that is not there.
    kafka_do send "$TOPIC.a" 0 - "$(SEQ=9000 && change c '{"id":0}' null '{"id":0,"name":"a"}')"
    kafka_do send "$TOPIC.a" 0 - "$(SEQ=9100 && change c '{"id":0}' null '{"id":0,"name":"b"}')"
    kafka_do send "$TOPIC.transaction" 0 - "$(end_of 00009000.99999999.1 9000 0:2)"
    run -79 --separate-stderr t kafka-cdc "kafka://$KAFKA/$TOPIC.a" --order=source --until=now --offset-file "$DIR/o"
    [[ $stderr == *"of a later transaction"* ]]
    # A topic that is not read.
    kafka_create "$TOPIC.b"
    run -78 --separate-stderr t kafka-cdc "kafka://$KAFKA/$TOPIC.b" --transaction-topic "$TOPIC.transaction" --order=source --until=now
    [[ $stderr == *"none of those to be read"* ]]
    kafka_create "$TOPIC.c" 1 cleanup.policy=compact
    run -78 --separate-stderr t kafka-cdc "kafka://$KAFKA/$TOPIC.c" --transaction-topic "$TOPIC.transaction" --order=source --until=now
    [[ $stderr == *compacted* ]]
}

@test "--order=source: a row that its transaction did not count is 79, also in a later run, and is not passed on" {
    kafka_create "$TOPIC.a"
    kafka_create "$TOPIC.transaction"
    row() { kafka_do send "$TOPIC.a" 0 - "$(change c "{\"id\":$1}" null "{\"id\":$1}")"; }
    POS=0 row 1
    POS=1 row 2
    kafka_do send "$TOPIC.transaction" 0 - "$(end_of 00000100.99999999.1 100 0:1)"
    kc_source() { t kafka-cdc "kafka://$KAFKA/$TOPIC.a" --order=source --until=now "$@"; }
    is "the transaction" 1 "$(kc_source --offset-file "$DIR/o" | ids)"
    SEQ=200
    POS=0 row 3
    kafka_do send "$TOPIC.transaction" 0 - "$(end_of 00000200.99999999.1 200 0:2)"
    cp "$DIR/o" "$DIR/o.was"
    run -79 --separate-stderr kc_source
    is "what came before it" 1 "$(ids <<<"$output")"
    [[ $stderr == *"of a transaction that has ended before"* ]]
    run -79 --separate-stderr kc_source --offset-file "$DIR/o"
    is "no row" "" "$(ids <<<"$output")"
    cmp "$DIR/o" "$DIR/o.was"
}

# tables FILE OPTION...: the sink's run of its lines.
tables() { t cdc-sink-kafka -q --name "$TOPIC" --create-topics 2 --offset-file "$DIR/sink" "${@:2}" "kafka://$KAFKA" <"$1"; }
put_together() { t kafka-cdc -q --order=source --until=now "kafka://$KAFKA/^$TOPIC\\.public\\." --transaction-topic "$TOPIC.transaction" "$@"; }
# position_of MEMBER: of the newest position record of the pipeline.
position_of() { kafka_read __cdc_offsets | jq -r --arg n "$TOPIC" "select(.key | fromjson | .[1].name == \$n) | .$1" | tail -1; }

@test "--order=source: what a sink that is at least once has sent again comes once" {
    SOURCE_NAME=$TOPIC
    { schema id id:integer name:text; rows 1 3; } >"$DIR/in"
    tables "$DIR/in" --delivery=idempotent --lines=schema
    cp "$DIR/sink" "$DIR/sink.was"
    local key position
    key=$(position_of key)
    position=$(position_of payload)
    SEQ=200 POS=0
    { cat "$DIR/in"; rows 4 5; TABLE=u schema id id:integer name:text; POS=1; TABLE=u rows 6 7; } >"$DIR/in2"
    tables "$DIR/in2" --delivery=idempotent --lines=schema
    put_together --offset-file "$DIR/before" >"$DIR/first"
    cmp "$DIR/in2" "$DIR/first"
    # As a crash before the position leaves it: the rows are there, and it is that of before.
    kafka_do send __cdc_offsets 0 "$key" "$position"
    cp "$DIR/sink.was" "$DIR/sink"
    SEQ=400 POS=0
    { cat "$DIR/in2"; rows 8 9; } >"$DIR/in3"
    tables "$DIR/in3" --delivery=idempotent --lines=schema
    is "there twice" 6 "$(kafka_values "$TOPIC.public.t" | jq .key.id | grep -c '^4')"
    put_together >"$DIR/out"
    cmp "$DIR/in3" "$DIR/out"
    # In a run that begins after the first of them.
    put_together --offset-file "$DIR/before" >"$DIR/second"
    is "the rows that are new" "81 82 83 91 92 93" "$(ids "$DIR/second")"
}

@test "--order=source: honest streams are never taken for one whose counts do not fit: cuts, restarts, two sources, no commit lines" {
    local i name
    # No commit lines, and the last line of a transaction moves a row to another key (its second record is at POS.1).
    SOURCE_NAME=$TOPIC
    change c '{"id":1}' null '{"id":1,"name":"a"}' >"$DIR/in"
    change u '{"id":2}' '{"id":1,"name":"a"}' '{"id":2,"name":"a"}' >>"$DIR/in"
    tx
    change c '{"id":3}' null '{"id":3,"name":"c"}' >>"$DIR/in"
    tx
    { change c '{"id":4}' null '{"id":4,"name":"d"}'; commit; } >>"$DIR/in"
    tables "$DIR/in"
    put_together >"$DIR/out"
    is rows "$(grep -v '"op":"commit"' "$DIR/in")" "$(grep -v '"op":"commit"' "$DIR/out")"
    is "each transaction ends" 3 "$(grep -c '"op":"commit"' "$DIR/out")"
    jq -r .pos "$DIR/out" | sort -cu
    # Two sources, one sink and one transaction topic; each run ends elsewhere, also within a transaction.
    TOPIC=$TOPIC-two
    rm "$DIR/sink"
    for name in a b; do
        SOURCE_NAME=$TOPIC-$name SEQ=100 POS=0
        { schema id id:integer name:text; rows 1 12; } >"$DIR/$name"
    done
    paste -d'\n' "$DIR/a" "$DIR/b" >"$DIR/in"
    for i in 11 37 60 "$(wc -l <"$DIR/in")"; do
        head -n "$i" "$DIR/in" >"$DIR/part"
        tables "$DIR/part" --lines=schema --transaction-topic "$TOPIC.transaction" || [ $? = 75 ]
        t kafka-cdc -q --order=source --until=now --offset-file "$DIR/two" "kafka://$KAFKA/^$TOPIC-[ab]\\.public" --transaction-topic "$TOPIC.transaction" >>"$DIR/runs"
    done
    # Schema lines come again at the start of a run.
    for name in a b; do
        is "source $name" "$(grep "\"name\":\"$TOPIC-$name\"" "$DIR/in")" "$(grep "\"name\":\"$TOPIC-$name\"" "$DIR/runs" | awk '!seen[$0]++')"
    done
}

@test "a reader that takes nothing for long: no more memory, no line lost" {
    kafka_create "$TOPIC"
    python3 - "$DIR/in" <<'END'
import sys
with open(sys.argv[1], "w") as out:
    for i in range(1, 200001):
        out.write('{"op":"c","pos":"%08d.1","seq":%d,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","schema":"public","table":"t"},"key":{"id":%d},"before":null,"after":{"id":%d,"name":"%s"}}\n' % (i, i, i, i, "x" * 300))
        if i % 100 == 0:
            out.write('{"op":"commit","pos":"%08d.2","seq":%d,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d"},"events":100}\n' % (i, i))
END
    load_lines "$DIR/in"
    mkfifo "$DIR/pipe"
    spawn_line "exec kafka-cdc 'kafka://$KAFKA/$TOPIC' --until=now >'$DIR/pipe' 2>'$DIR/err'"
    reader=$SPAWNED
    exec 8<"$DIR/pipe"
    pause_ms $((${CDC_STOP_SECONDS:-4} * 1000))
    peak=$(peak_kib "$reader")
    cat <&8 | cmp - "$DIR/in"
    exec 8<&-
    status_of "$reader"
    [ "$peak" -lt $(((64 + 16) * 1024)) ] || fail "peak $peak KiB"
}

@test "partitions that are added while it follows are read from their beginning" {
    kafka_create "$TOPIC"
    rows 1 1 >"$DIR/in"
    load_lines "$DIR/in"
    spawn_line "kafka-cdc 'kafka://$KAFKA/$TOPIC' --order=partition --offset-file '$DIR/o' >'$DIR/out' 2>'$DIR/err'"
    follower=$SPAWNED
    wait_for_match "$DIR/out" '"id":13'
    kafka_do grow "$TOPIC" 2
    SEQ=500
    rows 2 2 >"$DIR/in2"
    wait_until load_lines "$DIR/in2" 1
    wait_for_match "$DIR/out" '"id":23'
    is rows "$(ids "$DIR/in" "$DIR/in2")" "$(ids "$DIR/out")"
    kill "$(member "$follower" kafka-cdc)"
    status_of "$follower"
}

@test "--order=source: partitions and topics that are made while it follows are read with the transaction that has rows in them" {
    kafka_create "$TOPIC.a"
    kafka_create "$TOPIC.transaction"
    row() { kafka_do send "$TOPIC.$1" "$2" - "$(change c "{\"id\":$3}" null "{\"id\":$3}")"; }
    row a 0 1
    kafka_do send "$TOPIC.transaction" 0 - "$(end_of 00000100.99999999.1 100 0:1)"
    spawn_line "exec kafka-cdc 'kafka://$KAFKA/^$TOPIC\.[ab]' --transaction-topic '$TOPIC.transaction' --order=source --max-events=4 >'$DIR/out' 2>'$DIR/err'"
    wait_until eval '[ "$(ids "$DIR/out")" = 1 ]'
    kafka_do grow "$TOPIC.a" 2
    SEQ=200
    POS=0 row a 1 2
    kafka_do send "$TOPIC.transaction" 0 - "$(end_of 00000200.99999999.1 200 1:1)"
    wait_until eval '[ "$(ids "$DIR/out")" = "1 2" ]'
    kafka_create "$TOPIC.b"
    SEQ=300
    POS=0 row a 0 3
    POS=1 row b 0 4
    kafka_do send "$TOPIC.transaction" 0 - "$(end_of 00000300.99999999.1 300 0:1 | jq -c ".partitions += [{topic: \"$TOPIC.b\", partition: 0, count: 1}]")"
    status_of "$SPAWNED"
    is "rows" "1 2 3 4" "$(ids "$DIR/out")"
}

@test "a log of one partition that has several now is 78, since its lines would get other names; --order=partition goes on" {
    kafka_create "$TOPIC"
    rows 1 1 >"$DIR/in"
    load_lines "$DIR/in"
    kc --until=now --offset-file "$DIR/o" | cmp - "$DIR/in"
    kafka_do grow "$TOPIC" 2
    SEQ=500
    rows 2 2 >"$DIR/in2"
    wait_until load_lines "$DIR/in2" 1
    run -78 --separate-stderr kc --until=now --offset-file "$DIR/o"
    is "no line" "" "$output"
    is "by the first one alone" "" "$(kc --until=now --offset-file "$DIR/o" --partitions 0)"
    is "as partitions" "21 22 23" "$(kc --until=now --offset-file "$DIR/o" --order=partition | ids)"
}

@test "--from latest: the place is kept before the first record; a topic that is made again is told by what was before it" {
    kafka_create "$TOPIC"
    rows 1 2 >"$DIR/in"
    load_lines "$DIR/in"
    is "nothing" "" "$(kc --from latest --until=now --offset-file "$DIR/o")"
    SEQ=500
    rows 3 3 >"$DIR/in2"
    load_lines "$DIR/in2"
    is "what came between two runs" "31 32 33" "$(kc --from latest --until=now --offset-file "$DIR/o" | tee "$DIR/out" | ids)"
    rm "$DIR/o"
    is "nothing" "" "$(kc --from latest --until=now --offset-file "$DIR/o")"
    kafka_delete "$TOPIC"
    kafka_create "$TOPIC"
    rows 4 9 >"$DIR/in3"
    load_lines "$DIR/in3"
    run -79 --separate-stderr kc --from latest --until=now --offset-file "$DIR/o"
    is "no line" "" "$output"
}

@test "--format: a tombstone whose delete was compacted away is a delete; 78 where its table is not known" {
    kafka_create "$TOPIC"
    local source='"source":{"connector":"postgresql","name":"n","db":"d","schema":"public","table":"t"}' id
    for id in 1 2 3; do
        kafka_do send "$TOPIC" 0 "{\"id\":$id}" "{\"op\":\"c\",\"before\":null,\"after\":{\"id\":$id,\"name\":\"a\"},\"ts_ms\":1,$source}"
    done
    deb() { kc --format debezium --key id --until=now --offset-file "$DIR/o" "$@" >>"$DIR/out"; }
    deb
    kafka_do send "$TOPIC" 0 '{"id":1}' -
    kafka_do send "$TOPIC" 0 '{"id":2}' "{\"op\":\"d\",\"before\":{\"id\":2,\"name\":\"a\"},\"after\":null,\"ts_ms\":1,$source}"
    kafka_do send "$TOPIC" 0 '{"id":2}' -
    deb
    is ops "c:1 c:2 c:3 d:1 d:2" "$(jq -r 'select(.key) | "\(.op):\(.key.id)"' "$DIR/out" | paste -sd' ')"
    t cdc-sink-sqlite "$DIR/db" <"$DIR/out"
    is rows 3 "$(sqlite3 "$DIR/db" 'SELECT group_concat(id) FROM t')"
    # Another table in the same partition: whose row is it?
    kafka_do send "$TOPIC" 0 '{"id":3}' "{\"op\":\"c\",\"before\":null,\"after\":{\"id\":3},\"ts_ms\":1,${source/\"t\"/\"u\"}}"
    kafka_do send "$TOPIC" 0 '{"id":3}' -
    run -78 deb
    [[ $output == *"does not tell whose row"* ]]
    # Nothing came before it: nobody has the row.
    TOPIC=$TOPIC-new
    kafka_create "$TOPIC"
    kafka_do send "$TOPIC" 0 '{"id":1}' -
    is "nothing" "" "$(kc --format debezium --key id --until=now)"
    TOPIC=$TOPIC-maxwell
    kafka_create "$TOPIC"
    kafka_do send "$TOPIC" 0 '{"database":"d","table":"t","pk.id":7}' -
    is maxwell "d:7:t" "$(kc --format maxwell --until=now | jq -r 'select(.key) | "\(.op):\(.key.id):\(.source.table)"')"
}

@test "records of Debezium and of Maxwell, partition by partition" {
    { schema id id:integer name:text; rows 1 4; change d '{"id":11}' '{"id":11,"name":"n1"}' null; commit; } >"$DIR/in"
    for format in debezium maxwell; do
        TOPIC=t$BATS_TEST_NUMBER-$format
        kafka_create "$TOPIC" 2
        cdc-filter --to "$format" <"$DIR/in" >"$DIR/foreign"
        awk -v d="$DIR" '/"id":[0-9]*[13579][^0-9]/ { print >(d "/odd"); next } { print >(d "/even") }' "$DIR/foreign"
        load_lines "$DIR/odd" 0
        load_lines "$DIR/even" 1
        kc --format $format --key id --until=now --offset-file "$DIR/o.$format" >"$DIR/out.$format"
        whole_lines "$DIR/out.$format"
        t cdc-sink-sqlite "$DIR/db.$format" <"$DIR/out.$format"
        is "$format" "12 13 21 22 23 31 32 33 41 42 43" "$(sqlite3 "$DIR/db.$format" 'SELECT id FROM t ORDER BY id' | paste -sd' ')"
        is "names end in the partition" "0 1" "$(jq -r '.source.name | split("/") | last' "$DIR/out.$format" | sort -u | paste -sd' ')"
        is "nothing comes twice" "" "$(kc --format $format --key id --until=now --offset-file "$DIR/o.$format")"
    done
}

@test "records of Debezium: what is about all rows of a table has no place among partitions; what could not be carried is told" {
    local drop='{"source":{"connector":"mysql","name":"n","db":"d","table":"t","file":"b.000001","pos":9,"row":0,"snapshot":"false","ts_ms":1},"ts_ms":1,"databaseName":"d","schemaName":null,"ddl":"DROP TABLE t","tableChanges":[{"type":"DROP","id":"\"d\".\"t\"","table":null}]}'
    row() { echo "{\"op\":\"c\",\"ts_ms\":1,\"transaction\":null,\"before\":null,\"after\":{\"id\":$1},\"source\":{\"connector\":\"mysql\",\"name\":\"n\",\"db\":\"d\",\"table\":\"t\",\"file\":\"b.000001\",\"pos\":$1,\"row\":0,\"gtid\":null,\"snapshot\":\"false\",\"ts_ms\":1}}"; }
    row 1 >"$DIR/1"
    { row 2; echo "$drop"; } >"$DIR/2"
    row 3 | sed 's/"op":"c"/"op":"t"/; s/"after":{[^}]*}/"after":null/' >"$DIR/3"
    local kc=(kc --format debezium --key id --until=now)
    # In one partition all is in its order.
    TOPIC=t$BATS_TEST_NUMBER-one
    kafka_create "$TOPIC"
    load_lines "$DIR/1"
    load_lines "$DIR/2"
    "${kc[@]}" --offset-file "$DIR/o.one" >"$DIR/out"
    is "dropped" "c c ddl t" "$(jq -r 'select(.op | IN("c", "ddl", "t")).op' "$DIR/out" | paste -sd' ')"
    load_lines "$DIR/3"
    is "truncated" "t" "$("${kc[@]}" --offset-file "$DIR/o.one" | jq -r 'select(.op == "t").op')"
    # A row of the other partition may be of after it.
    TOPIC=t$BATS_TEST_NUMBER-two
    kafka_create "$TOPIC" 2
    load_lines "$DIR/1" 1
    load_lines "$DIR/2" 0
    run -0 --separate-stderr "${kc[@]}" --offset-file "$DIR/o.two"
    is "no row of the other one is emptied away" "c c" "$(jq -r 'select(.op | IN("c", "t")).op' <<<"$output" | paste -sd' ')"
    [[ $stderr == *"warning: topic $TOPIC [0], --format: 1 columns came without a type: dates and times in them may be numbers; 1 tables or databases were dropped, and their rows stay"* ]]
    load_lines "$DIR/3" 0
    run -78 --separate-stderr "${kc[@]}" --offset-file "$DIR/o.two"
    [[ $stderr == *"a truncate has no place among rows of several partitions"* ]]
}

@test "plain JSON: a topic is a table, by the keys of its records; columns that come later, in another partition and another run" {
    kafka_create "$TOPIC" 2
    put() { kafka_do send "$TOPIC" "$@"; }
    put 0 '{"id":1}' '{"id":1,"name":"tea","price":1.50,"tags":["a",{"b":null}]}'
    put 0 '{"id":2}' '{ "name" : "Zoë \"q\"", "big" : 9223372036854775807 }' # its key is not in the value
    put 1 '{"id":3}' '{"id":3,"extra":true}'
    put 1 '{"id":4}' '{"id":4,"name":"gone"}'
    put 1 '{"id":4}' -
    put 0 '{"schema":{"type":"struct","fields":[]},"payload":{"id":5}}' '{"schema":{"type":"struct","fields":[]},"payload":{"id":5,"name":"in Connect'"'"'s form"}}'
    mkdir "$DIR/state"
    json() { t bash -o pipefail -c "kafka-cdc 'kafka://$KAFKA/$TOPIC' --format json --state-dir '$DIR/state' --until now | tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$DIR/state' '$DIR/db'"; }
    copy() { sqlite3 -json "$DIR/db" "select id, name, price, tags, big, extra from \"$TOPIC\" order by id" | jq -c '.[] | with_entries(select(.value != null))'; }
    json
    diff - <(copy) <<'END_ROWS'
{"id":"1","name":"tea","price":"1.50","tags":"[\"a\",{\"b\":null}]"}
{"id":"2","name":"Zoë \"q\"","big":"9223372036854775807"}
{"id":"3","extra":"true"}
{"id":"5","name":"in Connect's form"}
END_ROWS
    whole_lines "$DIR/lines"
    # Another run: what a record lacks is NULL, what other rows have stays, and a new column comes.
    put 0 '{"id":1}' '{"id":1,"new":{"x":1}}'
    put 1 '{"id":3}' -
    : >"$DIR/lines"
    json
    diff - <(copy) <<'END_ROWS'
{"id":"1"}
{"id":"2","name":"Zoë \"q\"","big":"9223372036854775807"}
{"id":"5","name":"in Connect's form"}
END_ROWS
    is "the new column" '{"x":1}' "$(sqlite3 "$DIR/db" "select new from \"$TOPIC\" where id = 1")"
    kc --format json --offset-file "$DIR/own" --until now >"$DIR/out"
    is "positions are offsets" true "$(jq -s 'map(select(.op | IN("u","d")) | .pos[:16] == ("0000000000000000" + (.seq | tostring))[-16:]) | all' "$DIR/out")"
    is "nothing comes twice" "" "$(kc --format json --offset-file "$DIR/own" --until now)"
    # A row that is not that of its record's key would be left behind by a tombstone.
    put 0 '{"id":6}' '{"id":7}'
    run -65 --separate-stderr t kafka-cdc "kafka://$KAFKA/$TOPIC" --format json --offset-file "$DIR/o" --until now
    [[ $stderr == *"another key than its record"* ]]
}

@test "plain JSON: without the file beside the offset file, columns and key of before are looked for in the topic" {
    kafka_create "$TOPIC" 2
    put() { kafka_do send "$TOPIC" "$@"; }
    put 0 '{"id":1}' '{"id":1,"name":"tea"}'
    put 1 '{"id":2}' '{"id":2,"name":"rice","price":3}'
    mkdir "$DIR/state"
    json() { t bash -o pipefail -c "kafka-cdc 'kafka://$KAFKA/$TOPIC' --format json --state-dir '$DIR/state' --until now | cdc-sink-sqlite --state-dir '$DIR/state' '$DIR/db'"; }
    json
    local file one
    for file in .schema .offset; do # the columns alone; and both: the sink's position tells where to go on
        rm "$DIR"/state/kafka-cdc-*"$file"
        one=${file#.}
        put 0 '{"id":1}' "{\"id\":1,\"new\":\"$one\"}"
        put 1 '{"id":2}' '{"id":2}'
        json
        is "$one" "1||| $one;2||| " "$(sqlite3 "$DIR/db" "select id || '|' || coalesce(name, '') || '|' || coalesce(price, '') || '| ' || coalesce(new, '') from \"$TOPIC\" order by id" | paste -sd';')"
        put 0 '{"id":1}' '{"id":1,"name":"tea"}'
        put 1 '{"id":2}' '{"id":2,"name":"rice","price":3}'
        json
        rm -f "$DIR"/state/kafka-cdc-*.schema
    done
    # A record without a value is the end of the row with its key.
    put 0 '{"id":1}' -
    json
    is "one is left" 2 "$(sqlite3 "$DIR/db" "select group_concat(id) from \"$TOPIC\"")"
}

@test "plain JSON: keys that are one value, --key, records without a key, and what is no JSON" {
    kafka_create "$TOPIC"
    json() { kc --format json --until now "$@"; }
    rows_of() { jq -c 'select(.op | IN("c","u","d")) | [.op, .key, .after]' "$@"; }
    kafka_do send "$TOPIC" 0 a1 '{"id":"a1","v":1}'
    kafka_do send "$TOPIC" 0 17 '{"id":"17","v":2}'
    kafka_do send "$TOPIC" 0 18 '{"v":3}'
    kafka_do send "$TOPIC" 0 17 -
    kafka_do send "$TOPIC" 0 '"18"' -
    json --key id >"$DIR/out"
    diff - <(rows_of "$DIR/out") <<'END_ROWS'
["u",{"id":"a1"},{"id":"a1","v":1}]
["u",{"id":"17"},{"id":"17","v":2}]
["u",{"id":18},{"id":18,"v":3}]
["d",{"id":17},null]
["d",{"id":"17"},null]
["d",{"id":"18"},null]
END_ROWS
    jq -r .pos "$DIR/out" | sort -cu
    # A record under another key than its row's, and a run later a tombstone: nobody can tell whose row is gone.
    kafka_create "$TOPIC-keys"
    kafka_do send "$TOPIC-keys" 0 k9 '{"id":"1"}'
    t kafka-cdc "kafka://$KAFKA/$TOPIC-keys" --format json --key id --offset-file "$DIR/keys" --until now >/dev/null
    kafka_do send "$TOPIC-keys" 0 k9 -
    run -65 --separate-stderr t kafka-cdc "kafka://$KAFKA/$TOPIC-keys" --format json --key id --offset-file "$DIR/keys" --until now
    [[ $stderr == *"not under the keys of their rows"* ]]
    # Without it such a key is only where the record goes: rows are added, and nobody can tell which one is gone.
    run -65 --separate-stderr json
    [[ $stderr == *"whose row is gone"*"--key"* ]]
    is rows 3 "$(rows_of <<<"$output" | grep -c '"c",null')"
    kafka_create "$TOPIC-free"
    TOPIC=$TOPIC-free
    kafka_do send "$TOPIC" 0 - '{"a":1}'
    kafka_do send "$TOPIC" 0 - '{"a":1}'
    is "each is a row" '["c",null,{"a":1}] ["c",null,{"a":1}]' "$(json | rows_of | paste -sd' ')"
    for value in '[1]' '"text"' 17 '{"a":' no; do
        kafka_create "$TOPIC-bad"
        kafka_do send "$TOPIC-bad" 0 - "$value"
        run -65 --separate-stderr t kafka-cdc "kafka://$KAFKA/$TOPIC-bad" --format json --until now
        [[ $stderr == *"topic $TOPIC-bad, partition 0, offset 0"* ]]
        kafka_delete "$TOPIC-bad"
    done
}

@test "killed with SIGKILL again and again, the copy equals the log" {
    kafka_create "$TOPIC"
    rows 1 400 >"$DIR/in"
    { schema id id:integer name:text; cat "$DIR/in"; } >"$DIR/all"
    load_lines "$DIR/all"
    mkdir "$DIR/state"
    supervise "kafka-cdc 'kafka://$KAFKA/$TOPIC' --state-dir '$DIR/state' | cdc-sink-sqlite --state-dir '$DIR/state' '$DIR/db'"
    for ((i = 0; i < ${CDC_CRASH_KILLS:-5}; i++)); do
        pause_ms $((RANDOM % 700 + 100))
        pid=$(member "$SUPERVISOR" kafka-cdc)
        [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
        SEQ=$((90000 + i * 10))
        rows $((1000 + i)) $((1000 + i)) >"$DIR/more"
        load_lines "$DIR/more"
        cat "$DIR/more" >>"$DIR/all"
    done
    wait_until copy_is_whole
    touch "$DIR/stop"
    [ ! -e "$DIR/failed" ] || fail "ended with $(cat "$DIR/failed")"
}
copy_is_whole() { [ "$(sqlite3 "$DIR/db" 'SELECT id FROM t ORDER BY id' 2>/dev/null | paste -sd' ')" = "$(ids "$DIR/all")" ]; }

@test "SASL over TLS by librdkafka's names; a wrong password is 77 and is in no message" {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout "$DIR/key" -out "$DIR/cert" 2>/dev/null
    cat "$DIR/key" "$DIR/cert" >"$DIR/pem"
    plain=$KAFKA
    KAFKA_TLS=$DIR/pem kafka_begin
    kafka_create "$TOPIC"
    rows 1 2 >"$DIR/in"
    load_lines "$DIR/in"
    printf '%s\n' security.protocol=SASL_SSL sasl.mechanism=PLAIN sasl.username=cdc "ssl.ca.location=$DIR/cert" sasl.password=secret >"$DIR/conf"
    t kafka-cdc --config "$DIR/conf" --until now "kafka://$KAFKA_TLS_ADDRESS/$TOPIC" | cmp - "$DIR/in"
    sed -i 's/password=secret/password=geheim/' "$DIR/conf"
    run -77 --separate-stderr t kafka-cdc --config "$DIR/conf" --until now --retry-max 1 "kafka://$KAFKA_TLS_ADDRESS/$TOPIC"
    [[ $stderr != *geheim* ]]
    # What a person must mend is not waited for: no --retry-max.
    run -78 --separate-stderr t kafka-cdc --check "kafka://$KAFKA_TLS_ADDRESS/$TOPIC"
    [[ $stderr == *security.protocol* ]]
    run -78 --separate-stderr t kafka-cdc -X security.protocol=SSL --until=now "kafka://$KAFKA/$TOPIC"
    [[ $stderr == *SSL*security.protocol* ]]
    run -78 --separate-stderr t kafka-cdc -X security.protocol=SSL -X ssl.ca.location="$DIR/cert" --until=now "kafka://$KAFKA_TLS_ADDRESS/$TOPIC"
    [[ $stderr == *security.protocol* ]]
    sed 's/mechanism=PLAIN/mechanism=SCRAM-SHA-256/' "$DIR/conf" >"$DIR/scram"
    run -77 --separate-stderr t kafka-cdc --config "$DIR/scram" --check "kafka://$KAFKA_TLS_ADDRESS/$TOPIC"
    [[ $stderr == *SCRAM-SHA-256*PLAIN* ]]
    run -78 t cdc-sink-kafka --topic "$TOPIC" "kafka://$KAFKA_TLS_ADDRESS" </dev/null
    [[ $output == *security.protocol* ]]
    # A secret is in no argument, message or offset file.
    for tool in "kafka-cdc kafka://$KAFKA_TLS_ADDRESS/$TOPIC" "cdc-sink-kafka --topic $TOPIC kafka://$KAFKA_TLS_ADDRESS"; do
        for property in sasl.password ssl.key.password ssl.keystore.password; do
            # shellcheck disable=SC2086
            run -64 t $tool -X $property=geheim </dev/null
            [[ $output == *"$property is a secret"* && $output != *geheim* ]]
        done
    done
    sed -i 's/password=geheim/password=secret/' "$DIR/conf"
    rows 3 3 >"$DIR/in2"
    mkdir "$DIR/state"
    t cdc-sink-kafka -v -X debug=all --config "$DIR/conf" --topic "$TOPIC-s" --offset-file "$DIR/state/sink" "kafka://$KAFKA_TLS_ADDRESS" <"$DIR/in2" 2>"$DIR/err"
    t kafka-cdc -v -X debug=all --config "$DIR/conf" --until now --offset-file "$DIR/state/source" "kafka://$KAFKA_TLS_ADDRESS/$TOPIC-s" >"$DIR/out" 2>>"$DIR/err"
    cmp "$DIR/out" "$DIR/in2"
    grep -rF secret "$DIR/err" "$DIR/state" && fail "the password is shown"
    kafka_end
}

@test "a port that hangs up is waited for, since a broker may start behind it; one that speaks something else is named" {
    kafka_create "$TOPIC"
    rows 1 1 >"$DIR/in"
    load_lines "$DIR/in"
    spawn python3 "$LIB/kafka_proxy.py" hang "$KAFKA" "$DIR/open" "$DIR/port"
    wait_until test -s "$DIR/port"
    spawn_line "exec kafka-cdc --until=now 'kafka://127.0.0.1:$(cat "$DIR/port")/$TOPIC' >'$DIR/out' 2>'$DIR/err'"
    local reader=$SPAWNED bounded
    spawn_line "exec kafka-cdc --check --retry-max 3 'kafka://127.0.0.1:$(cat "$DIR/port")/$TOPIC' >'$DIR/checked' 2>&1"
    bounded=$SPAWNED
    spawn python3 "$LIB/kafka_proxy.py" http "$DIR/alien"
    wait_until test -s "$DIR/alien"
    run -78 --separate-stderr t kafka-cdc --until=now "kafka://127.0.0.1:$(cat "$DIR/alien")/$TOPIC"
    [[ $stderr == *"no broker of Kafka"* ]]
    local status=0
    status_of "$bounded" || status=$?
    is "attempts that are bounded" 69 "$status"
    file_matches "$DIR/checked" 'look at the port, and at security.protocol'
    wait_until hung_up_on 4 # each attempt asks what the port speaks after three of them
    touch "$DIR/open"
    status_of "$reader"
    cmp "$DIR/in" "$DIR/out"
}
hung_up_on() { [ "$(grep -c 'trying again' "$DIR/err")" -ge "$1" ]; }

@test "a mock cluster: a leader that changes, errors of reading, and a broker that is away pass by themselves" {
    kafka_mock_begin 2
    kafka_client topic "$TOPIC" 1
    kafka_client leader "$TOPIC" 0 1
    rows 1 3 >"$DIR/in"
    kcat -P -b "$KAFKA" -t "$TOPIC" -p 0 -l "$DIR/in"
    spawn_line "exec kafka-cdc 'kafka://$KAFKA/$TOPIC' >'$DIR/out' 2>'$DIR/err'"
    reader=$SPAWNED
    wait_for_lines "$DIR/out" 12
    # NOT_LEADER_FOR_PARTITION, REQUEST_TIMED_OUT, a cut, KAFKA_STORAGE_ERROR.
    kafka_client errors 1 6 7 -195 56
    kafka_client leader "$TOPIC" 0 2
    SEQ=500
    rows 4 5 >"$DIR/in2"
    kcat -P -b "$KAFKA" -t "$TOPIC" -p 0 -l "$DIR/in2"
    wait_until has_both
    kill "$reader"
    status_of "$reader"
    kafka_client_end
}
has_both() { [ "$(jq -r 'select(.key) | .key.id' "$DIR/out" 2>/dev/null | sort -un | paste -sd' ')" = "$(ids "$DIR/in" "$DIR/in2")" ]; }

@test "brokers that make topics by themselves: one that is only asked about, or was deleted, is not made" {
    kafka_begin auto.create.topics.enable=true # of this test alone
    run -78 kc --until=now
    run -78 kc --check
    run -78 t cdc-sink-kafka --topic "$TOPIC" --create-topics no "kafka://$KAFKA" < <(rows 1 1)
    kafka_create made
    { rows 1 2 && await_file "$DIR/deleted" && rows 3 4; } | t cdc-sink-kafka --topic made --offset-file "$DIR/sink" "kafka://$KAFKA" &
    wait_until test -s "$DIR/sink"
    kafka_delete made
    touch "$DIR/deleted"
    wait $! || true
    is topics "" "$(kafka_topics | grep -v ^__ || true)"
    kafka_end
}
await_file() { wait_until test -e "$1"; }

@test "--mirror-group: a group shows what the sinks have, and no more; nothing is read back from it; it stops nothing" {
    kafka_create "$TOPIC" 2
    rows 1 3 >"$DIR/in"
    for partition in 0 1; do load_lines "$DIR/in" $partition; done
    committed() { kafka_do group watched "$TOPIC" "${1:-0}"; }
    kc --until=now --offset-file "$DIR/o" --mirror-group watched >"$DIR/out"
    is "what is confirmed" "12 12" "$(committed 0) $(committed 1)"
    # A sink that has nothing yet: nothing new is confirmed.
    SEQ=500
    rows 4 5 >"$DIR/in2"
    load_lines "$DIR/in2"
    kc --until=now --offset-file "$DIR/o2" --ack "$DIR/sink.offset" --mirror-group slow >"$DIR/all"
    is "rows that are not stored" 0 "$(kafka_do group slow "$TOPIC" 0)"
    # While it runs, it is shown.
    spawn_line "kafka-cdc 'kafka://$KAFKA/$TOPIC' -q --offset-file '$DIR/o' --mirror-group watched >'$DIR/follow'"
    wait_until eval '[ "$(committed 0)" = 20 ]'
    SEQ=600
    rows 6 6 >"$DIR/in3"
    load_lines "$DIR/in3"
    wait_until eval '[ "$(committed 0)" = 24 ]'
    end_spawned || true
    # The offset file alone says where it goes on.
    rm "$DIR/o"
    kc --until=now --offset-file "$DIR/o" --mirror-group watched >"$DIR/again"
    is "rows" "$(cat "$DIR/in" "$DIR/in" "$DIR/in2" "$DIR/in3" | ids -)" "$(ids "$DIR/again")"
    # A group with members of its own refuses it: a warning.
    spawn_line "kcat -u -b '$KAFKA' -G taken '$TOPIC' -X session.timeout.ms=6000 -X auto.offset.reset=earliest >'$DIR/member'"
    wait_until test -s "$DIR/member"
    kc --until=now --mirror-group taken >"$DIR/out" 2>"$DIR/err"
    is "rows beside members" "$(ids "$DIR/again")" "$(ids "$DIR/out")"
    grep -q "group taken does not show" "$DIR/err"
}
