#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter --to and --from: lines of other tools, field by field, and that nothing is another row after the way there and back.
bats_require_minimum_version 1.8.0
load lib/common

setup() { DIR=$BATS_TEST_TMPDIR; }
teardown() { end_spawned; }

# ends_with STATUS COMMAND...
ends_with() {
    local wanted=$1 got=0
    shift
    "$@" || got=$?
    is "status" "$wanted" "$got"
}
filter() { t cdc-filter "$@"; }
# copy NAME: lines of stdin into a database; rows NAME: what is in its tables.
copy() {
    mkdir -p "$DIR/$1"
    t cdc-sink-sqlite -q --state-dir "$DIR/$1" "$DIR/$1.db"
}
rows() {
    local table
    for table in wide pair keyless; do
        sqlite3 "$DIR/$1.db" "SELECT '$table', * FROM \"$table\" ORDER BY 1, 2, 3, 4" 2>&1 || true
    done
}
# there_and_back CONNECTOR FORMAT FROM-FORMAT WITHOUT...: random events, of three seeds
there_and_back() {
    local connector=$1 to=$2 from=$3 seed
    shift 3
    for seed in 11 12 13; do
        rm -rf "$DIR"/a* "$DIR"/b*
        python3 "$LIB/formats.py" $seed 150 "$connector" "$@" >"$DIR/in"
        copy a <"$DIR/in"
        filter -q --to "$to" <"$DIR/in" >"$DIR/foreign"
        filter -q --from "$from" <"$DIR/foreign" >"$DIR/back"
        copy b <"$DIR/back"
        diff <(rows a) <(rows b)
        [ "$(rows a | wc -l)" -gt 5 ]
    done
}
pg() { printf '{"op":"%s","pos":"%s","seq":%d,"ts_ms":1700000000123,"source":{"connector":"postgresql","name":"shop","db":"shop","schema":"public","table":"t","ts_ms":1700000000100,"txId":7,"lsn":900,"snapshot":"false"}%s}\n' "$@"; }
commit() { printf '{"op":"commit","pos":"%s","seq":%d,"ts_ms":1700000000123,"source":{"connector":"postgresql","name":"shop","db":"shop","ts_ms":1700000000100,"txId":7,"lsn":901,"snapshot":"false","system_id":"1"},"events":%d}\n' "$@"; }
example() {
    pg schema 1.0 100 ',"columns":[{"name":"id","type":"bigint","nullable":false,"generated":false},{"name":"n","type":"numeric(10,2)","nullable":true,"generated":false},{"name":"d","type":"date","nullable":true,"generated":false},{"name":"b","type":"bytea","nullable":true,"generated":false},{"name":"x","type":"text","nullable":true,"generated":false}],"key_columns":["id"]'
    pg c 1.1 100 ',"key":{"id":1},"before":null,"after":{"id":1,"n":"1.10","d":"2020-01-02","b":"AP8=","x":"é\u0000\""}'
    pg u 1.2 100 ',"key":{"id":2},"before":{"id":1},"after":{"id":2,"n":"NaN","d":"0044-03-15 BC","b":null,"x":null}'
    pg u 1.3 100 ',"key":{"id":2},"before":null,"after":{"id":2,"n":null,"d":"infinity"},"unchanged":["b","x"]'
    pg d 1.4 100 ',"key":{"id":2},"before":{"id":2},"after":null'
    commit 1.9 100 4
}

# -- Debezium -------------------------------------------------------------------

@test "debezium: there and back, PostgreSQL" { there_and_back postgresql debezium debezium; }
@test "debezium: there and back, MySQL" { there_and_back mysql debezium debezium zerodates; }
@test "debezium: there and back, with schemas" {
    there_and_back postgresql debezium,schemas debezium
    there_and_back mysql debezium,schemas debezium zerodates
}
@test "debezium: there and back, with keys, tombstones and schemas" {
    there_and_back postgresql debezium,key,tombstones debezium
    there_and_back mysql debezium,schemas,tombstones debezium zerodates
}

@test "debezium: values, an update of the key, what was not carried" {
    example | filter --to debezium,bare >"$DIR/out" 2>"$DIR/err"
    is "rows" "$(printf '%s\n' \
        '["c",null,{"id":1,"n":"1.10","d":18263,"b":"AP8=","x":"é\u0000\""}]' \
        '["d",{"id":1},null]' \
        '["c",null,{"id":2,"n":"NaN","d":-735160,"b":null,"x":null}]' \
        '["u",null,{"id":2,"n":null,"d":null,"b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","x":"__debezium_unavailable_value"}]' \
        '["d",{"id":2},null]')" "$(jq -c '[.op,.before,.after]' "$DIR/out")"
    grep -q 'warning: --to: 1 dates or times that the format cannot say became null$' "$DIR/err"
    is "source" '{"version":"'"$(t cdc-filter -V | awk '{print $2}')"'","connector":"postgresql","name":"shop","db":"shop","schema":"public","table":"t","ts_ms":1700000000100,"txId":7,"lsn":900,"snapshot":"false","ts_us":1700000000100000,"ts_ns":1700000000100000000,"sequence":"[\"100\",\"900\"]","xmin":null}' \
        "$(head -1 "$DIR/out" | jq -c .source)"
    is "times" '[1700000000123,1700000000123000,1700000000123000000,null]' "$(head -1 "$DIR/out" | jq -c '[.ts_ms,.ts_us,.ts_ns,.transaction]')"
}

@test "debezium: transactions and schema changes" {
    example | filter -q --to debezium >"$DIR/out"
    is "lines" '["change","BEGIN","c","d","c","u","d","END"]' "$(jq -sc 'map(.op // .status // "change")' "$DIR/out")"
    is "orders" '[1,2,3,4,5]' "$(jq -sc 'map(select(.op).transaction | select(.id == "7:100").total_order)' "$DIR/out")"
    is "end" '{"status":"END","id":"7:100","ts_ms":1700000000100,"event_count":5,"data_collections":[{"data_collection":"public.t","event_count":5}]}' "$(tail -1 "$DIR/out")"
    is "table" '["\"shop\".\"public\".\"t\"",["id"],["bigint","numeric(10,2)","date","bytea","text"]]' \
        "$(head -1 "$DIR/out" | jq -c '.tableChanges[0] | [.id, .table.primaryKeyColumnNames, [.table.columns[].typeName]]')"
}

@test "debezium: keys and tombstones" {
    example | filter -q --to debezium,tombstones,bare >"$DIR/out"
    is "messages" '[[{"id":1},"c"],[{"id":1},"d"],[{"id":1},null],[{"id":2},"c"],[{"id":2},"u"],[{"id":2},"d"],[{"id":2},null]]' \
        "$(jq -sc 'map([.key, .value.op])' "$DIR/out")"
}

@test "debezium: connectors' own lines, as their documentation has them" {
    printf '%s\n' '{"before":null,"after":{"id":1,"d":18263},"source":{"version":"3.x","connector":"postgresql","name":"p","ts_ms":1,"snapshot":"false","db":"d","sequence":"[\"24023119\",\"24023128\"]","schema":"public","table":"t","txId":555,"lsn":24023128,"xmin":null},"transaction":null,"op":"c","ts_ms":2}' \
        '{"before":null,"after":{"id":2,"d":null},"source":{"version":"3.x","connector":"postgresql","name":"p","ts_ms":1,"snapshot":"false","db":"d","sequence":"[\"24023200\",\"24023300\"]","schema":"public","table":"t","txId":556,"lsn":24023300,"xmin":null},"transaction":null,"op":"c","ts_ms":3}' >"$DIR/in"
    filter --from debezium --key t:id <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
    is "ops" '["schema","c","commit","c","commit"]' "$(jq -sc 'map(.op)' "$DIR/out")"
    is "keys" '[{"id":1},{"id":2}]' "$(jq -sc 'map(select(.op == "c").key)' "$DIR/out")"
    is "order" "$(jq -r .pos "$DIR/out")" "$(jq -r .pos "$DIR/out" | LC_ALL=C sort -u)"
    grep -q 'warning: --from: 2 columns came without a type' "$DIR/err"
}

@test "debezium: with schemas, Decimal, dates and times of every mode" {
    field() { printf '{"type":"%s","optional":true,"field":"%s"%s}' "$1" "$2" "${3:+,\"name\":\"$3\"}${4:+,\"parameters\":$4}"; }
    printf '{"schema":{"type":"struct","fields":[{"type":"struct","field":"after","optional":true,"fields":[%s]}]},"payload":{"before":null,"after":{"a":"BNI=","n":"/w==","z":"AA==","v":{"scale":3,"value":"AQ=="},"d":18263,"t":3600000,"us":3600000001,"ts":1577923200123,"ns":1577923200123456789,"iso":"2020-01-02Z","j":"{\\"a\\": [1, 2]}","bits":"AgE="},"source":{"connector":"mysql","name":"m","db":"d","table":"t","file":"bin.000012","pos":44,"row":0,"ts_ms":5},"op":"r","ts_ms":9}}\n' \
        "$(field bytes a org.apache.kafka.connect.data.Decimal '{"scale":"2"}'),$(field bytes n org.apache.kafka.connect.data.Decimal '{"scale":"2"}'),$(field bytes z org.apache.kafka.connect.data.Decimal '{"scale":"0"}'),$(field struct v io.debezium.data.VariableScaleDecimal),$(field int32 d io.debezium.time.Date),$(field int32 t io.debezium.time.Time),$(field int64 us io.debezium.time.MicroTime),$(field int64 ts org.apache.kafka.connect.data.Timestamp),$(field int64 ns io.debezium.time.NanoTimestamp),$(field string iso io.debezium.time.IsoDate),$(field string j io.debezium.data.Json),$(field bytes bits io.debezium.data.Bits '{"length":"10"}')" >"$DIR/in"
    filter --from debezium <"$DIR/in" >"$DIR/out"
    is "row" '{"a":"12.34","n":"-0.01","z":"0","v":"0.001","d":"2020-01-02","t":"01:00:00.000","us":"01:00:00.000001","ts":"2020-01-02T00:00:00.123","ns":"2020-01-02T00:00:00.123456","iso":"2020-01-02","j":{"a":[1,2]},"bits":"0100000010"}' \
        "$(jq -c 'select(.op == "r").after' "$DIR/out")"
}

# -- all ------------------------------------------------------------------------

@test "a row without a schema line, and a line of another format, are refused" {
    pg c 1.1 1 ',"key":{"id":1},"before":null,"after":{"id":1}' >"$DIR/in"
    ends_with 65 filter --to debezium <"$DIR/in" 2>"$DIR/err"
    grep -q 'before the schema line' "$DIR/err"
    for line in '{}' '[]' 'null x' '{"op":"q"}' '{"op":"c","after":{}}' '{"op":"c","source":{"name":"x"},"after":{}}' '{"op":"c","source":{"name":"x","connector":"postgresql"},"after":{"a":1}}'; do
        echo "$line" >"$DIR/in"
        ends_with 65 filter --from debezium <"$DIR/in" 2>"$DIR/err"
    done
    grep -q 'no position in the log.*--from-position' "$DIR/err"
}

@test "positions by line and by run: where a format has none" {
    echo '{"op":"c","source":{"name":"x","connector":"oracle","db":"d","table":"t"},"before":null,"after":{"id":1}}' >"$DIR/in"
    filter -q --from debezium --from-position line --key id <"$DIR/in" >"$DIR/one"
    filter -q --from debezium --from-position line --key id <"$DIR/in" | cmp - "$DIR/one"
    filter -q --from debezium --from-position run --key id <"$DIR/in" >"$DIR/two"
    is "ops" '["schema","c","commit"]' "$(jq -sc 'map(.op)' "$DIR/two")"
    pause_ms 20
    filter -q --from debezium --from-position run --key id <"$DIR/in" >"$DIR/three"
    [[ $(head -1 "$DIR/three" | jq -r .pos) > $(tail -1 "$DIR/two" | jq -r .pos) ]]
    [ "$(head -1 "$DIR/three" | jq .seq)" -gt "$(tail -1 "$DIR/two" | jq .seq)" ]
}

@test "options that do not go together" {
    ends_with 64 filter --to nothing </dev/null 2>"$DIR/err"
    grep -q 'use one of debezium' "$DIR/err"
    ends_with 64 filter --to debezium,more </dev/null 2>"$DIR/err"
    ends_with 64 filter --key id </dev/null 2>"$DIR/err"
}
