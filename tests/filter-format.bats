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
    for table in wide pair large keyless; do
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
        filter -q --from "$from" ${FROM_POSITION:+--from-position "$FROM_POSITION"} <"$DIR/foreign" >"$DIR/back"
        copy b <"$DIR/back"
        diff <(rows a) <(rows b)
        [ "$(rows a | wc -l)" -gt 0 ]
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

my() { printf '{"op":"%s","pos":"%s","seq":%d,"ts_ms":1700000000123,"source":{"connector":"mysql","name":"shop","db":"shop","table":"t","ts_ms":1700000000100,"gtid":"0-1-5","server_id":3,"file":"bin.000007","pos":%d,"row":0,"snapshot":"false"}%s}\n' "$@"; }
my_example() {
    my schema 1.0 100 4 ',"columns":[{"name":"id","type":"bigint unsigned"},{"name":"e","type":"enum('"'a','b''c'"')"},{"name":"s","type":"set('"'x','y'"')"},{"name":"n","type":"decimal(10,2)"},{"name":"at","type":"timestamp(3)"},{"name":"f","type":"bit(1)"},{"name":"g","type":"bit(4)"},{"name":"j","type":"json"}],"key_columns":["id"]'
    my c 1.1 100 154 ',"key":{"id":18446744073709551615},"before":null,"after":{"id":18446744073709551615,"e":"b'"'"'c","s":"x,y","n":"1.10","at":"2020-01-02T03:04:05.678Z","f":true,"g":"0101","j":{"a": 1.0}}'
    my u 1.2 100 200 ',"key":{"id":1},"before":{"id":18446744073709551615,"e":"","s":"","n":"2","at":"0000-00-00 00:00:00.000","f":false,"g":"1111","j":null},"after":{"id":1,"e":"","s":"","n":null,"at":"0000-00-00 00:00:00.000","f":false,"g":"1111","j":null},"json_null":["j"],"json_null_old":["j"]'
    my d 1.3 100 300 ',"key":{"id":1},"before":{"id":1},"after":null'
    my t 1.4 100 400 ''
    my ddl 1.5 100 400 ',"ddl":"ALTER TABLE t COMMENT 1","db":"shop"'
    commit 1.9 100 5
}

# -- Debezium -------------------------------------------------------------------

@test "debezium: there and back, PostgreSQL" { there_and_back postgresql debezium debezium; }
@test "debezium: there and back, MySQL" { there_and_back mysql debezium debezium zerodates; }
@test "debezium: there and back, with schemas" {
    there_and_back postgresql debezium,schemas debezium
    there_and_back mysql debezium,schemas debezium zerodates
}
@test "debezium: with schemas, a field is what its values are" {
    {
        pg schema 1.0 100 ',"columns":[{"name":"id","type":"bigint","nullable":false,"generated":false},{"name":"x","type":"text","nullable":true,"generated":false},{"name":"z","type":"timestamp with time zone","nullable":true,"generated":false},{"name":"g","type":"geometry","nullable":true,"generated":false}],"key_columns":["id"]'
        pg c 1.1 100 ',"key":{"id":1},"before":null,"after":{"id":1,"x":"a","z":"2026-01-02T03:04:05Z","g":{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":0}}'
        commit 1.9 100 1
    } | filter -q --to debezium,schemas >"$DIR/out"
    is "fields" '[["id","int64",null],["x","string",null],["z","string","io.debezium.time.ZonedTimestamp"],["g","struct","io.debezium.data.geometry.Geometry"]]' \
        "$(jq -sc 'map(select(.payload.op == "c")) | .[0].schema.fields[] | select(.field == "after").fields | map([.field, .type, .name])' "$DIR/out")"
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

@test "debezium: a value that an update of the key does not have is lost with the old key, which both sides say" {
    pg schema 1.0 100 ',"columns":[{"name":"id","type":"integer","nullable":false,"generated":false},{"name":"x","type":"text","nullable":true,"generated":false}],"key_columns":["id"]' >"$DIR/in"
    pg c 1.1 100 ',"key":{"id":1},"before":null,"after":{"id":1,"x":"long"}' >>"$DIR/in"
    pg u 1.2 100 ',"key":{"id":2},"before":{"id":1},"after":{"id":2},"unchanged":["x"]' >>"$DIR/in"
    commit 1.9 100 2 >>"$DIR/in"
    filter --to debezium <"$DIR/in" 2>"$DIR/err" | filter --from debezium 2>"$DIR/err2" | jq -c 'select(.op | IN("c", "d", "u")) | [.op, .key.id, .after.x, .unchanged]' >"$DIR/out"
    is "rows" '["c",1,"long",null]
["d",1,null,null]
["c",2,null,["x"]]' "$(cat "$DIR/out")"
    grep -q 'warning: --to: 1 updates of a key came without an unchanged value, which is lost with the old key$' "$DIR/err"
    grep -q 'warning: --from: 1 rows came without a value that was not carried: a copy has NULL there$' "$DIR/err2"
    # Whole old rows lose nothing.
    sed -i 's/"before":{"id":1}/"before":{"id":1,"x":"long"}/; s/"after":{"id":2},"unchanged":\["x"\]/"after":{"id":2,"x":"long"}/' "$DIR/in"
    filter --to debezium <"$DIR/in" 2>"$DIR/err" | filter --from debezium 2>>"$DIR/err" | copy a
    is "rows" '2|long' "$(sqlite3 "$DIR/a.db" 'select * from t')"
    is "messages" "" "$(cat "$DIR/err")"
}

@test "debezium: a table with quotes in its name keeps its types and its key" {
    example | sed 's/"table":"t"/"table":"a\\\"b\\\\\\\"\\u00e9"/' >"$DIR/in"
    filter -q --to debezium <"$DIR/in" | filter -q --from debezium >"$DIR/out"
    is "id" '"shop"."public"."a""b\""é"' "$(filter -q --to debezium <"$DIR/in" | jq -r 'select(.tableChanges).tableChanges[0].id')"
    is "types" '["bigint","numeric(10,2)","date","bytea","text"]' "$(jq -sc 'map(select(.op == "schema"))[0].columns | map(.type)' "$DIR/out")"
    is "key" '{"id":1}' "$(jq -sc 'map(select(.op == "c"))[0].key' "$DIR/out")"
    is "schema lines" 1 "$(grep -c '"op":"schema"' "$DIR/out")"
}

@test "debezium: times before anything, and no place in the log" {
    example | sed 's/"ts_ms":[0-9]*/"ts_ms":0/g; s/,"lsn":900//' | filter -q --to debezium,bare >"$DIR/out"
    is "times" '[0,0,0,0,"[\"100\",null]"]' "$(head -1 "$DIR/out" | jq -c '[.ts_us,.ts_ns,.source.ts_us,.source.ts_ns,.source.sequence]')"
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

# message N OP BEFORE AFTER: of the row with that id, as a connector for PostgreSQL writes it, with its key
message() {
    LSN=$((LSN + 100))
    printf '{"key":{"id":%s},"value":{"before":%s,"after":%s,"source":{"connector":"postgresql","name":"x","ts_ms":1,"snapshot":"false","db":"d","sequence":"[\\"%d\\",\\"%d\\"]","schema":"public","table":"t","txId":%d,"lsn":%d},"op":"%s","ts_ms":1,"transaction":null}}\n' \
        "$1" "$3" "$4" $((LSN - 100)) "$LSN" "$LSN" "$LSN" "$2"
}
@test "debezium: what stands in an old row of which the log has the key alone is no old value" {
    local LSN=0 row='{"id":1,"region":"EU","n":1,"state":"new"}'
    # With REPLICA IDENTITY DEFAULT a connector writes null, 0, "" and defaults.
    {
        message 1 c null "$row"
        message 2 c null "${row/1/2}"
        message 1 d '{"id":1,"region":null,"n":0,"state":""}' null
        message 2 u null '{"id":2,"region":"EU","n":2,"state":"old"}'
        message 2 d '{"id":2,"region":null,"n":0,"state":"new"}' null
    } >"$DIR/in"
    filter -q --from debezium --where "region = 'EU'" <"$DIR/in" | copy a
    is "rows" '' "$(sqlite3 "$DIR/a.db" 'SELECT * FROM t')"
    is "old rows" '[{"id":1},{"id":2}]' "$(filter -q --from debezium <"$DIR/in" | jq -sc 'map(select(.op == "d").before)')"

    # With FULL they are whole, also where nothing is in them.
    {
        message 1 c null "$row"
        message 1 d "$row" null
        message 2 c null '{"id":2,"region":null,"n":0,"state":""}'
        message 3 u "${row/1/3}" "${row/1/3}"
        message 2 d '{"id":2,"region":null,"n":0,"state":""}' null
    } >"$DIR/in"
    is "whole" "[$row,{\"id\":2,\"region\":null,\"n\":0,\"state\":\"\"}]" "$(filter -q --from debezium <"$DIR/in" | jq -sc 'map(select(.op == "d").before)')"
    is "updates" "[${row/1/3}]" "$(filter -q --from debezium <"$DIR/in" | jq -sc 'map(select(.op == "u").before)')"
}

# of_transaction TXID LSN ORDER VALUE: a row without a key, with a connector's metadata of its transaction
of_transaction() {
    printf '{"before":null,"after":{"n":%d},"source":{"connector":"postgresql","name":"x","ts_ms":1,"snapshot":"false","db":"d","sequence":"[\\"%d\\",\\"%d\\"]","schema":"public","table":"t","txId":%d,"lsn":%d},"op":"c","ts_ms":1,"transaction":{"id":"%d:%d","total_order":%d,"data_collection_order":%d}}\n' \
        "$4" $(($1 * 100)) "$2" "$1" "$2" "$1" "$2" "$3" "$3"
}
status() { printf '{"status":"%s","id":"%s","ts_ms":1,"event_count":null,"data_collections":null}\n' "$@"; }
@test "debezium: the id of a transaction has another place in each line of a connector for PostgreSQL, and it is one transaction" {
    { status BEGIN 5:510; of_transaction 5 511 1 1; of_transaction 5 512 2 2; status END 5:513; status BEGIN 6:610; of_transaction 6 611 1 3; status END 6:612; } >"$DIR/in"
    is "ops" '["schema","c","c","commit","c","commit"]' "$(filter -q --from debezium <"$DIR/in" | jq -sc 'map(.op)')"
    filter -q --from debezium <"$DIR/in" | copy a
    is "rows" '1 2 3' "$(sqlite3 "$DIR/a.db" 'SELECT n FROM t ORDER BY 1' | paste -sd' ')"
    # It had not ended, and begins again.
    { head -3 "$DIR/in"; status BEGIN 5:510; sed 1d "$DIR/in"; } | filter -q --from debezium | copy b
    is "rows" '1 2 3' "$(sqlite3 "$DIR/b.db" 'SELECT n FROM t ORDER BY 1' | paste -sd' ')"
    # Without the lines of the transaction topic.
    grep -v status "$DIR/in" | filter -q --from debezium >"$DIR/out"
    is "ops" '["schema","c","c","commit","c","commit"]' "$(jq -sc 'map(.op)' "$DIR/out")"
}

# -- Maxwell ----------------------------------------------------------------------

@test "maxwell: there and back" {
    there_and_back mysql maxwell maxwell truncate jsonnull ddl
    there_and_back postgresql maxwell maxwell truncate jsonnull message nan
}

@test "maxwell: rows, the last of a transaction, what has changed, definitions" {
    my_example | filter --to maxwell >"$DIR/out" 2>"$DIR/err"
    is "definition" '["table-create","shop","t",[{"type":"bigint","name":"id","signed":false,"column-type":"bigint unsigned"},{"type":"enum","name":"e","enum-values":["a","b'"'"'c"],"column-type":"enum('"'a','b''c'"')"},{"type":"set","name":"s","enum-values":["x","y"],"column-type":"set('"'x','y'"')"},{"type":"decimal","name":"n","column-type":"decimal(10,2)"},{"type":"timestamp","name":"at","column-length":3,"column-type":"timestamp(3)"},{"type":"bit","name":"f","column-type":"bit(1)"},{"type":"bit","name":"g","column-type":"bit(4)"},{"type":"json","name":"j","column-type":"json"}],["id"]]' \
        "$(head -1 "$DIR/out" | jq -c '[.type,.database,.table,.def.columns,.def."primary-key"]')"
    is "first" '{"database":"shop","table":"t","type":"insert","ts":1700000000,"xid":100,"xoffset":0,"position":"bin.000007:154","server_id":3,"primary_key_columns":["id"],"data":{"id":18446744073709551615,"e":"b'"'"'c","s":["x","y"],"n":1.10,"at":"2020-01-02 03:04:05.678","f":1,"g":5,"j":{"a": 1.0}}}' "$(sed -n 2p "$DIR/out")"
    is "old" '{"database":"shop","table":"t","type":"update","ts":1700000000,"xid":100,"xoffset":1,"position":"bin.000007:200","server_id":3,"primary_key_columns":["id"],"data":{"id":1,"e":"","s":[],"n":null,"at":"0000-00-00 00:00:00.000","f":0,"g":15,"j":null},"old":{"id":18446744073709551615,"n":2}}' "$(sed -n 3p "$DIR/out")"
    is "last" '["delete",true,null]' "$(tail -1 "$DIR/out" | jq -c '[.type,.commit,.xoffset]')"
    grep -q 'warning: --to: 1 truncates could not be told; 1 DDL statements could not be told; 1 nulls of JSON became NULL$' "$DIR/err"
}

@test "maxwell: the last row of a transaction says so, also where a definition comes between it and the end" {
    # The row of the second table stays here, and its definition leaves; the transaction begins again, as after a reconnect.
    { example | head -3; pg schema 1.25 100 ',"columns":[{"name":"id","type":"bigint","nullable":false,"generated":false}],"key_columns":["id"]' | sed 's/"table":"t"/"table":"u"/'; } >"$DIR/begun"
    { cat "$DIR/begun"; pg c 1.26 100 ',"key":{"id":1},"before":null,"after":{"id":1}' | sed 's/"table":"t"/"table":"u"/'; commit 1.9 100 3; } >"$DIR/in"
    { cat "$DIR/begun" "$DIR/in"; } | filter -q --to maxwell --where 'u:id > 1' | jq -c '[.type, .table, .commit, .xoffset]' >"$DIR/out"
    is "lines" '["table-create","t",null,null] ["insert","t",null,0] ["table-create","u",null,null] ["insert","t",null,0] ["update","t",true,null]' "$(xargs -d '\n' <"$DIR/out")"
    filter -q --to maxwell --where 'u:id > 1' <"$DIR/in" | jq -c '[.type, .table, .commit, .xoffset]' >"$DIR/out"
    is "once" '["table-create","t",null,null] ["insert","t",null,0] ["update","t",true,null] ["table-create","u",null,null]' "$(xargs -d '\n' <"$DIR/out")"
}

@test "maxwell: its own lines, with types from DDL, a transaction of two rows" {
    printf '%s\n' '{"type":"table-create","database":"test","table":"e","def":{"database":"test","charset":"utf8mb4","table":"e","columns":[{"type":"int","name":"id","signed":false},{"type":"timestamp","name":"c","column-length":6},{"type":"set","name":"s","enum-values":["a","b"]},{"type":"decimal","name":"m"}],"primary-key":["id"]},"ts":1477053126000,"sql":"create table e","position":"master.000006:800050"}' \
        '{"database":"test","table":"e","type":"insert","ts":1477053217,"xid":1,"xoffset":0,"position":"master.000006:800911","data":{"id":1,"c":"2016-10-21 05:33:54.631000","s":["a","b"],"m":12345678901234567890.10}}' \
        '{"database":"test","table":"e","type":"update","ts":1477053217,"xid":1,"commit":true,"position":"master.000006:800911","data":{"id":1,"c":"0000-00-00 00:00:00","s":[],"m":5.444},"old":{"m":4.2341}}' >"$DIR/in"
    filter --from maxwell <"$DIR/in" >"$DIR/out"
    is "ops" '["ddl","commit","schema","c","u","commit"]' "$(jq -sc 'map(.op)' "$DIR/out")"
    grep -qF '"after":{"id":1,"c":"2016-10-21T05:33:54.631000Z","s":"a,b","m":"12345678901234567890.10"}' "$DIR/out"
    grep -qF '"before":{"id":1,"c":"0000-00-00 00:00:00","s":"","m":"4.2341"}' "$DIR/out"
    is "types" '["int unsigned","timestamp(6)","set('"'a','b'"')","decimal"]' "$(jq -c 'select(.op == "schema") | [.columns[].type]' "$DIR/out")"
    is "order" "$(jq -r .pos "$DIR/out")" "$(jq -r .pos "$DIR/out" | LC_ALL=C sort -u)"
    # What comes again has the same place, also without what was before it.
    sed 1d "$DIR/in" | filter -q --from maxwell | jq -c 'select(.op != "schema") | [.op, .pos]' >"$DIR/again"
    diff "$DIR/again" <(jq -c 'select(.op != "schema") | [.op, .pos]' "$DIR/out" | sed 1,2d)
}

@test "maxwell: a column that old has and data has not is NULL now (output_nulls=false); numbers of bit columns stay" {
    printf '%s\n' '{"type":"table-create","database":"test","table":"e","def":{"columns":[{"type":"int","name":"id"},{"type":"varchar","name":"v"},{"type":"bit","name":"b"}],"primary-key":["id"]},"position":"m.1:1"}' \
        '{"database":"test","table":"e","type":"insert","ts":1,"xid":1,"commit":true,"position":"m.1:2","data":{"id":1,"v":"x","w":"y","b":13}}' \
        '{"database":"test","table":"e","type":"update","ts":1,"xid":2,"commit":true,"position":"m.1:3","data":{"id":1,"b":1},"old":{"v":"x","b":13}}' \
        '{"database":"test","table":"e","type":"update","ts":1,"xid":3,"commit":true,"position":"m.1:4","data":{"id":1,"b":1},"old":{"w":"y"}}' >"$DIR/in"
    filter -q --from maxwell <"$DIR/in" >"$DIR/out"
    is "first update" '[{"id":1,"b":13,"v":"x"},{"id":1,"b":1,"v":null},["w"]]' "$(jq -c 'select(.op == "u") | [.before, .after, .unchanged]' "$DIR/out" | head -1)"
    copy a <"$DIR/out"
    is "row" '1||1|' "$(sqlite3 "$DIR/a.db" 'select id, v, b, w from e')"
}

# -- wal2json ---------------------------------------------------------------------

@test "wal2json: there and back" {
    there_and_back postgresql wal2json wal2json nan escapes
    there_and_back mysql wal2json wal2json ddl
}

@test "wal2json: rows, transactions, an update of the key, what was not carried" {
    example | filter --to wal2json >"$DIR/out" 2>"$DIR/err"
    is "lines" '["B","I","U","U","D","C"]' "$(jq -sc 'map(.action)' "$DIR/out")"
    is "begin" '{"action":"B","xid":7,"timestamp":"2023-11-14 22:13:20.1+00","lsn":"0/64"}' "$(head -1 "$DIR/out")"
    is "insert" '{"action":"I","xid":7,"timestamp":"2023-11-14 22:13:20.1+00","lsn":"0/384","schema":"public","table":"t","columns":[{"name":"id","type":"bigint","value":1},{"name":"n","type":"numeric(10,2)","value":1.10},{"name":"d","type":"date","value":"2020-01-02"},{"name":"b","type":"bytea","value":"00ff"},{"name":"x","type":"text","value":"é\u0000\""}],"pk":[{"name":"id","type":"bigint"}]}' "$(sed -n 2p "$DIR/out")"
    is "key" '[{"name":"id","type":"bigint","value":1}]' "$(sed -n 3p "$DIR/out" | jq -c .identity)"
    is "unchanged" '["id","n","d"]' "$(sed -n 4p "$DIR/out" | jq -c '[.columns[].name]')"
    grep -q 'warning: --to: 1 numbers that are none (NaN, infinities) became null$' "$DIR/err"
}

@test "wal2json: version 1, several truncated tables, arrays" {
    printf '%s\n' '{"xid":9,"nextlsn":"0/20","timestamp":"2019-12-29 04:58:34.806671+00","change":[{"kind":"insert","schema":"public","table":"t","columnnames":["a","v","m"],"columntypes":["integer","integer[]","text[]"],"columnvalues":[1,"{1,NULL,3}","{{a,\"b \\\"\"},{NULL,\"NULL\"}}"]},{"kind":"update","schema":"public","table":"t","columnnames":["a","v","m"],"columntypes":["integer","integer[]","text[]"],"columnvalues":[2,"{}","[0:1]={a,b}"],"oldkeys":{"keynames":["a"],"keytypes":["integer"],"keyvalues":[1]}},{"kind":"delete","schema":"public","table":"t","oldkeys":{"keynames":["a"],"keytypes":["integer"],"keyvalues":[2]}},{"kind":"truncate","schema":"public","table":"x","schema":"public","table":"y"},{"kind":"message","transactional":true,"prefix":"p","content":"c"}]}' >"$DIR/in"
    filter --from wal2json --key t:a <"$DIR/in" >"$DIR/out"
    is "ops" '["schema","c","u","d","t","t","m","commit"]' "$(jq -sc 'map(.op)' "$DIR/out")"
    is "arrays" '[{"a":1,"v":[1,null,3],"m":[["a","b \""],[null,"NULL"]]},{"a":2,"v":[],"m":"[0:1]={a,b}"}]' "$(jq -sc 'map(.after | select(.))' "$DIR/out")"
    is "keys" '[{"a":1},{"a":2},{"a":2}]' "$(jq -sc 'map(.key | select(.))' "$DIR/out")"
    is "tables" '["x","y"]' "$(jq -sc 'map(select(.op == "t").source.table)' "$DIR/out")"
    is "events" 6 "$(jq 'select(.op == "commit").events' "$DIR/out")"
    is "order" "$(jq -r .pos "$DIR/out")" "$(jq -r .pos "$DIR/out" | LC_ALL=C sort -u)"
}

@test "wal2json: arrays of boxes have another delimiter, there and back" {
    local boxes='["(3,4),(1,2)",null,"(0,0),(0,0)"]'
    {
        pg schema 1.0 100 ',"columns":[{"name":"id","type":"bigint"},{"name":"b","type":"box[]"},{"name":"t","type":"text[]"}],"key_columns":["id"]'
        pg c 1.1 100 ',"key":{"id":1},"before":null,"after":{"id":1,"b":'"$boxes"',"t":["a;b","c,d"]}'
        commit 1.9 100 1
    } >"$DIR/in"
    filter -q --to wal2json <"$DIR/in" >"$DIR/foreign"
    is "the server's text" '["{(3,4),(1,2);NULL;(0,0),(0,0)}","{a;b,\"c,d\"}"]' "$(jq -c 'select(.action == "I") | [.columns[1,2].value]' "$DIR/foreign")"
    is "back" "$boxes" "$(filter -q --from wal2json <"$DIR/foreign" | jq -c 'select(.op == "c").after.b')"
}

@test "wal2json: lines whose transaction has not begun here, and a delete of an unknown table, are refused" {
    echo '{"action":"I","lsn":"0/10","schema":"public","table":"t","columns":[{"name":"a","type":"integer","value":1}]}' >"$DIR/in"
    ends_with 65 filter --from wal2json <"$DIR/in" 2>"$DIR/err"
    grep -q 'include-lsn' "$DIR/err"
    printf '%s\n' '{"action":"B","lsn":"0/10"}' '{"action":"D","schema":"public","table":"t","identity":[{"name":"a","type":"integer","value":1}]}' '{"action":"C"}' >"$DIR/in"
    ends_with 65 filter --from wal2json <"$DIR/in" 2>"$DIR/err"
    grep -q 'include-pk' "$DIR/err"
    filter --from wal2json --key t:a <"$DIR/in" >"$DIR/out"
    is "ops" '["schema","d","commit"]' "$(jq -sc 'map(.op)' "$DIR/out")"
}

# old_row ACTION PK IDENTITY [COLUMNS]: a change of a table with integers, each A:VALUE; version 2.
old_row() {
    jq -nc --arg action "$1" --argjson pk "$2" --arg identity "$3" --arg columns "${4:-}" '
        def cells: split(" ") | map(split(":") | {name: .[0], type: "integer", value: (.[1] | fromjson)});
        {action: $action, schema: "public", table: "t"} + if $columns == "" then {} else {columns: ($columns | cells)} end
        + if $identity == "" then {} else {identity: ($identity | cells)} end + if $pk == null then {} else {pk: $pk} end'
}
# of_version_2 LSN: the lines of standard input as one transaction
of_version_2() {
    echo '{"action":"B","lsn":"0/'"$1"'"}'
    cat
    echo '{"action":"C","lsn":"0/'"$1"'"}'
}
@test "wal2json: an old row that lacks columns is no key: NULLs that version 1 leaves out, and columns that are gone" {
    local old='{"change":[{"kind":"insert","schema":"public","table":"t","columnnames":["a","b"],"columntypes":["integer","text"],"columnvalues":[1,"x"]},{"kind":"delete","schema":"public","table":"t","oldkeys":{"keynames":["a"],"keytypes":["integer"],"keyvalues":[2]}}],"nextlsn":"0/10"}'
    echo "$old" >"$DIR/in"
    ends_with 65 filter --from wal2json <"$DIR/in" 2>"$DIR/err"
    grep -q -- 'version 2 with include-pk, or --key' "$DIR/err"
    filter --from wal2json --key a <"$DIR/in" >/dev/null

    # A table without a key whose column is dropped: no row is another one's.
    {
        { old_row I '[]' '' 'a:1 b:2 c:3'; old_row I '[]' '' 'a:1 b:2 c:4'; old_row I '[]' '' 'a:1 b:5 c:6'; old_row U '[]' 'a:1 b:5 c:6' 'a:1 b:6 c:6'; } | of_version_2 10
        { old_row D '[]' 'a:1 b:6'; old_row I '[]' '' 'a:1 b:7'; old_row U '[]' 'a:1 b:7' 'a:1 b:8'; } | of_version_2 20
    } >"$DIR/in"
    filter --from wal2json <"$DIR/in" >"$DIR/out"
    is "keys" '[]' "$(jq -sc 'map(.key // empty)' "$DIR/out")"
    is "unchanged" '[]' "$(jq -sc 'map(.unchanged // empty)' "$DIR/out")"
    copy a <"$DIR/out"
    is "rows" '1|2 1|2 1|8' "$(sqlite3 "$DIR/a.db" 'SELECT a, b FROM t ORDER BY 2' | paste -sd' ')"

    # Whether its old rows are whole was not seen.
    { { old_row I '[]' '' 'a:1 b:2 c:3'; } | of_version_2 10; { old_row D '[]' 'a:1 b:2'; } | of_version_2 20; } >"$DIR/in"
    ends_with 65 filter --from wal2json <"$DIR/in" 2>"$DIR/err"
    { { old_row I '[]' '' 'a:1 b:2 c:3'; } | of_version_2 10; { old_row U '[]' 'a:1 b:2' 'a:1 b:3'; } | of_version_2 20; } >"$DIR/in"
    ends_with 65 filter --from wal2json <"$DIR/in" 2>"$DIR/err"

    # The identity of an index, and the primary key of lines that do not name it.
    { { old_row I '[]' '' 'a:1 b:2 c:3'; old_row U '[]' 'a:1 b:2' 'a:1 b:2 c:4'; old_row D '[]' 'a:1 b:2'; } | of_version_2 10; } >"$DIR/in"
    is "index" '[{"a":1,"b":2},{"a":1,"b":2}]' "$(filter --from wal2json <"$DIR/in" | jq -sc 'map(.key // empty)')"
    { { old_row I null '' 'a:1 b:2 c:3'; old_row D null 'a:1'; } | of_version_2 10; } >"$DIR/in"
    is "primary key" '[{"a":1}]' "$(filter --from wal2json <"$DIR/in" | jq -sc 'map(.key // empty)')"
}

# -- canal ------------------------------------------------------------------------

@test "canal: there and back" {
    FROM_POSITION=line there_and_back mysql canal canal base64
    FROM_POSITION=line there_and_back postgresql canal canal base64 message
}

@test "canal: every value is a string, enums and sets are numbers, bytes are characters" {
    my_example | filter --to canal >"$DIR/out" 2>"$DIR/err"
    is "first" '{"data":[{"id":"18446744073709551615","e":"2","s":"3","n":"1.10","at":"2020-01-02 03:04:05.678","f":"1","g":"5","j":"{\"a\": 1.0}"}],"database":"shop","es":1700000000100,"gtid":"0-1-5","id":100,"isDdl":false,"mysqlType":{"id":"bigint unsigned","e":"enum('"'a','b''c'"')","s":"set('"'x','y'"')","n":"decimal(10,2)","at":"timestamp(3)","f":"bit(1)","g":"bit(4)","j":"json"},"old":null,"pkNames":["id"],"sql":"","sqlType":{"id":3,"e":4,"s":-7,"n":3,"at":93,"f":-7,"g":-7,"j":12},"table":"t","ts":1700000000123,"type":"INSERT"}' "$(head -1 "$DIR/out")"
    is "second" '[[{"id":"1","e":"0","s":"0","n":null,"at":"0000-00-00 00:00:00.000","f":"0","g":"15","j":"null"}],[{"id":"18446744073709551615","n":"2"}]]' "$(sed -n 2p "$DIR/out" | jq -c '[.data,.old]')"
    is "others" '["DELETE","TRUNCATE","ALTER"]' "$(sed 1,2d "$DIR/out" | jq -sc 'map(.type)')"
    is "truncate" "TRUNCATE TABLE \`t\`" "$(jq -r 'select(.type == "TRUNCATE") | .sql' "$DIR/out")"
    example | filter -q --to canal | head -1 | jq -c '[.data[0].b]' >"$DIR/bytes"
    is "bytes" '["\u0000ÿ"]' "$(cat "$DIR/bytes")"
}

@test "canal: several rows in a message; one of its own has no position" {
    echo '{"id":1,"database":"d","table":"t","pkNames":["id"],"isDdl":false,"type":"UPDATE","es":1589373560000,"ts":1589373560798,"sql":"","sqlType":{"id":4,"v":12},"mysqlType":{"id":"int(11)","v":"varchar(9)"},"data":[{"id":"1","v":"b"},{"id":"2","v":null}],"old":[{"v":"a"},{"id":"3"}]}' >"$DIR/in"
    ends_with 65 filter --from canal <"$DIR/in" 2>"$DIR/err"
    grep -q -- '--from-position' "$DIR/err"
    filter --from canal --from-position line <"$DIR/in" >"$DIR/out"
    is "rows" '[{"id":1,"v":"a"},{"id":1,"v":"b"},{"id":3,"v":null},{"id":2,"v":null}]' "$(jq -sc 'map(select(.op == "u") | .before, .after)' "$DIR/out")"
    is "events" 2 "$(jq 'select(.op == "commit").events' "$DIR/out")"
}

@test "canal: a column that mysqlType does not name comes as it is, and is counted" {
    echo '{"id":1,"database":"d","table":"t","pkNames":["id"],"isDdl":false,"type":"UPDATE","es":1589373560000,"ts":1589373560798,"sql":"","sqlType":{"id":4},"mysqlType":{"id":"int(11)"},"data":[{"id":"1","v":"7"}],"old":[{"v":null}]}' |
        filter --from canal --from-position line >"$DIR/out" 2>"$DIR/err"
    is "row" '[{"id":1,"v":null},{"id":1,"v":"7"}]' "$(jq -sc 'map(select(.op == "u") | .before, .after)' "$DIR/out")"
    grep -q 'warning: --from: 1 columns came without a type' "$DIR/err"
}

# -- Singer -----------------------------------------------------------------------

@test "singer: there and back" {
    FROM_POSITION=line there_and_back postgresql singer singer bigdates nan message
    FROM_POSITION=line there_and_back mysql singer singer bigdates zerodates ddl
}

@test "singer: schema, records, deletes, state" {
    example | filter --to singer >"$DIR/out" 2>"$DIR/err"
    is "schema" '["public-t",["id"],{"type":["integer"],"x-source-type":"bigint"},{"type":["null","number"],"x-source-type":"numeric(10,2)"},{"type":["null","string"],"format":"date","x-source-type":"date"},{"type":["null","string"],"contentEncoding":"base64","x-source-type":"bytea"}]' \
        "$(head -1 "$DIR/out" | jq -c '[.stream, .key_properties, (.schema.properties | .id, .n, .d, .b)]')"
    is "insert" '{"type":"RECORD","stream":"public-t","record":{"id":1,"n":1.10,"d":"2020-01-02","b":"AP8=","x":"é\u0000\"","_sdc_deleted_at":null},"time_extracted":"2023-11-14T22:13:20.123Z","version":1,"x-op":"c"}' "$(sed -n 2p "$DIR/out")"
    is "delete" '{"id":1,"_sdc_deleted_at":"2023-11-14T22:13:20.100Z"}' "$(sed -n 3p "$DIR/out" | jq -c .record)"
    is "state" '{"type":"STATE","value":{"bookmarks":{"shop":{"pos":"1.9","seq":100}}}}' "$(tail -1 "$DIR/out")"
    grep -q '2 dates or times.*; 1 values that the log did not carry.*; 1 numbers that are none' "$DIR/err"
}

@test "singer: a tap's own messages; a new version replaces the table" {
    printf '%s\n' '{"type":"SCHEMA","stream":"public-t","schema":{"type":"object","properties":{"id":{"type":["integer"]},"at":{"type":["null","string"],"format":"date-time"},"n":{"type":["null","number"]}}},"key_properties":["id"]}' \
        '{"type":"RECORD","stream":"public-t","record":{"id":1,"at":"2020-01-02T00:00:00+00:00","n":1.10},"version":5}' \
        '{"type":"RECORD","stream":"public-t","record":{"id":1,"_sdc_deleted_at":"2020-01-02T00:00:00Z"},"version":5}' '{"type":"STATE","value":{}}' \
        '{"type":"RECORD","stream":"public-t","record":{"id":2,"at":null,"n":null},"version":6}' '{"type":"ACTIVATE_VERSION","stream":"public-t","version":6}' >"$DIR/in"
    filter --from singer --from-position run <"$DIR/in" >"$DIR/out"
    is "ops" '["schema","u","d","commit","t","u","commit"]' "$(jq -sc 'map(.op)' "$DIR/out")"
    grep -qF '"after":{"id":1,"at":"2020-01-02T00:00:00Z","n":"1.10"}' "$DIR/out"
    is "order" "$(jq -r .pos "$DIR/out")" "$(jq -r .pos "$DIR/out" | LC_ALL=C sort -u)"
    copy a <"$DIR/out"
    is "rows" '2||' "$(sqlite3 "$DIR/a.db" 'SELECT * FROM "public-t"')"
}

# -- again ----------------------------------------------------------------------

# Cut anywhere, even within a transaction, and sent again from the beginning: each line has the position that it had.
@test "lines that come again are dropped by the sink, and nothing is missing" {
    local format cut
    for format in debezium maxwell wal2json; do
        python3 "$LIB/formats.py" 21 60 mysql zerodates truncate jsonnull ddl >"$DIR/in"
        rm -rf "$DIR"/a* "$DIR"/b*
        copy a <"$DIR/in"
        filter -q --to $format <"$DIR/in" >"$DIR/foreign"
        for cut in 40 41 97 150; do
            head -$cut "$DIR/foreign" | filter -q --from $format | copy b || [ $? = 75 ]
        done
        filter -q --from $format <"$DIR/foreign" | copy b
        diff <(rows a) <(rows b)
    done
}

# keyless POS N...: rows of a table without a key.
keyless() {
    local n
    pg schema 1.0 100 ',"columns":[{"name":"n","type":"integer"}],"key_columns":[]'
    for n; do pg c "1.$n" 100 ",\"before\":null,\"after\":{\"n\":$n}"; done
}
@test "a transaction that begins again, since the source has lost its connection, has each of its rows once" {
    local format
    { keyless 1 2; keyless 1 2 3; commit 1.9 100 3; } >"$DIR/in"
    copy a <"$DIR/in"
    is "rows" 1,2,3 "$(sqlite3 "$DIR/a.db" 'SELECT n FROM t ORDER BY 1' | paste -sd,)"
    for format in debezium maxwell wal2json; do
        rm -rf "$DIR"/b*
        filter -q --to $format <"$DIR/in" >"$DIR/$format"
        filter -q --from $format <"$DIR/$format" | copy b
        is "rows of $format" 1,2,3 "$(sqlite3 "$DIR/b.db" 'SELECT n FROM t ORDER BY 1' | paste -sd,)"
    done
    is "begins and ends" 'BEGIN null,BEGIN null,END 3' "$(jq -r 'select(.status) | "\(.status) \(.event_count)"' "$DIR/debezium" | paste -sd,)"
    is "places" '1 2 1 2 3' "$(jq -r '.transaction.total_order // empty' "$DIR/debezium" | paste -sd' ')"
    # Killed instead, and started again: the same file, but for what was held.
    { keyless 1 2 | filter -q --to wal2json; { keyless 1 2 3; commit 1.9 100 3; } | filter -q --to wal2json; } | diff "$DIR/wal2json" -
    # Lines that are numbered do not tell which of them came again.
    ends_with 65 filter -q --from wal2json --from-position line <"$DIR/wal2json" 2>"$DIR/err" >"$DIR/out"
    grep -q 'begins within another one' "$DIR/err"
}

@test "a transaction that comes again right behind itself has each of its rows once" {
    local rows format
    for rows in 1 '1 2'; do
        # shellcheck disable=SC2086
        { keyless $rows; commit 1.9 100 2; } >"$DIR/in"
        { sed -n 1p <(my_example); my c 1.1 100 154 ',"before":null,"after":{"id":1}'; commit 1.9 100 1; } | sed 's/"key_columns":\["id"\]/"key_columns":[]/; s/postgresql/mysql/' >"$DIR/my"
        for format in debezium maxwell wal2json; do
            rm -rf "$DIR"/b* "$DIR"/c*
            filter -q --to $format <"$DIR/in" >"$DIR/$format"
            cat "$DIR/$format" "$DIR/$format" | filter -q --from $format | copy b
            is "rows of $format" "$rows" "$(sqlite3 "$DIR/b.db" 'SELECT n FROM t ORDER BY 1' | paste -sd' ')"
            filter -q --to $format <"$DIR/my" >"$DIR/$format.my"
            cat "$DIR/$format.my" "$DIR/$format.my" | filter -q --from $format | copy c
            is "rows of $format from MySQL" 1 "$(sqlite3 "$DIR/c.db" 'SELECT id FROM t' | paste -sd' ')"
        done
    done
    jq -c '{change: [{kind: "insert", schema: "public", table: "t", columnnames: ["n"], columntypes: ["integer"], columnvalues: [5, 6][:1]}], nextlsn: "0/100"}' -n >"$DIR/one"
    cat "$DIR/one" "$DIR/one" | filter -q --from wal2json | copy d
    is "rows of wal2json, version 1" 5 "$(sqlite3 "$DIR/d.db" 'SELECT n FROM t' | paste -sd' ')"
}

# of_log TABLE LSN...: inserts there, without keys, in transactions of their own
of_log() {
    local table=$1 lsn
    shift
    for lsn; do
        printf '{"before":null,"after":{"id":%d},"source":{"connector":"postgresql","name":"x","ts_ms":1,"snapshot":"false","db":"d","sequence":"[\\"%d\\",\\"%d\\"]","schema":"public","table":"%s","txId":%d,"lsn":%d},"op":"c","ts_ms":1,"transaction":null}\n' \
            "$lsn" $((lsn - 50)) "$lsn" "$table" "$lsn" "$lsn"
    done
}
@test "a line out of the order of the log, which sinks would take for one that comes again, is refused; one that does come again is not" {
    # Two topics, one after the other.
    { of_log a 100 300 400; of_log b 200 250 500; } >"$DIR/in"
    ends_with 65 filter --from debezium --key id <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
    grep -q 'line 4 .*out of the order of the log.*--from-position=run' "$DIR/err"
    is "before it" '[100,300,400]' "$(jq -sc 'map(.after.id // empty)' "$DIR/out")"
    filter -q --from debezium --key id --from-position run <"$DIR/in" | copy a
    is "rows" '200 250 500' "$(sqlite3 "$DIR/a.db" 'SELECT id FROM b ORDER BY 1' | paste -sd' ')"
    # A connector that was started again, also with lines from before the first one of this run.
    { of_log a 300; of_log b 400; of_log a 500; of_log b 100 200; of_log a 300; of_log b 400; of_log a 500; of_log b 600; } >"$DIR/in"
    filter -q --from debezium --key id <"$DIR/in" | copy b
    is "rows" '400 600' "$(sqlite3 "$DIR/b.db" 'SELECT id FROM b ORDER BY 1' | paste -sd' ')"
    # Lines of several topics in their order.
    { of_log a 100; of_log b 150; of_log a 200; of_log b 250; } >"$DIR/in"
    filter -q --from debezium --key id <"$DIR/in" | copy c
    is "rows" '100 200' "$(sqlite3 "$DIR/c.db" 'SELECT id FROM a ORDER BY 1' | paste -sd' ')"
}

@test "singer: a run whose versions are older than those of the run before empties nothing" {
    head -2 <(example) >"$DIR/one"
    { cat "$DIR/one"; commit 1.9 100 1; pg t 2.1 200 ''; pg c 2.2 200 ',"key":{"id":5},"before":null,"after":{"id":5}'; commit 2.9 200 2; } | filter -q --to singer >"$DIR/foreign"
    { sed 's/"id":1,/"id":6,/; s/"key":{"id":1}/"key":{"id":6}/' "$DIR/one"; commit 1.9 100 1; } | filter -q --to singer >>"$DIR/foreign"
    filter -q --from singer --from-position line <"$DIR/foreign" | copy a
    is "rows" 5,6 "$(sqlite3 "$DIR/a.db" 'SELECT id FROM "t" ORDER BY 1' | paste -sd,)"
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

@test "an old row of which the log has the key alone is no more after the way there and back, and --where takes it for what it is" {
    {
        pg schema 1.0 100 ',"columns":[{"name":"id","type":"integer","nullable":false,"generated":false},{"name":"region","type":"text","nullable":true,"generated":false}],"key_columns":["id"]'
        pg c 1.1 100 ',"key":{"id":1},"before":null,"after":{"id":1,"region":"EU"}'
        commit 1.9 100 1
        pg u 2.1 200 ',"key":{"id":2},"before":{"id":1},"after":{"id":2,"region":"US"}'
        commit 2.9 200 1
    } >"$DIR/in"
    local format
    for format in maxwell canal; do
        filter -q --to $format <"$DIR/in" | filter -q --from $format --from-position line >"$DIR/back"
        is "$format: old row" '{"id":1}' "$(jq -c 'select(.op == "u").before' "$DIR/back")"
        filter -q --where "region = 'EU'" <"$DIR/back" | copy $format
        is "$format: rows" '' "$(sqlite3 "$DIR/$format.db" 'SELECT * FROM t')"
    done
}

# changes CONNECTOR FORMAT FROM-FORMAT WITHOUT...: each change is what it was, of random events
changes() {
    local connector=$1 to=$2 from=$3
    shift 3
    python3 "$LIB/formats.py" "$seed" 60 "$connector" "$@" >"$DIR/in"
    filter -q --to "$to" <"$DIR/in" >"$DIR/foreign"
    filter -q --from "$from" ${FROM_POSITION:+--from-position "$FROM_POSITION"} <"$DIR/foreign" >"$DIR/back"
    python3 "$LIB/round_trip.py" "$from" "$DIR/in" "$DIR/back" || fail "$to, $connector, seed $seed"
}
@test "each change is what it was: keys, rows, old rows, what the log did not carry, nulls of JSON" {
    local seed
    for seed in 2 "$RANDOM"; do
        changes postgresql debezium debezium
        changes mysql debezium,schemas,tombstones debezium zerodates
        changes postgresql maxwell maxwell jsonnull nan
        changes mysql maxwell maxwell jsonnull
        changes postgresql wal2json wal2json nan escapes
        FROM_POSITION=line changes postgresql canal canal base64
        FROM_POSITION=line changes mysql canal canal base64
    done
}

# Rows of one attempt at a snapshot, in two chunks: all of them have one place in the log. chunks ATTEMPT VALUE...
chunks() {
    local attempt=$1 n=0 value
    shift
    pg schema "1.$attempt.00" 100 ',"columns":[{"name":"id","type":"bigint","nullable":false,"generated":false},{"name":"x","type":"text","nullable":true,"generated":false}],"key_columns":["id"]'
    for value; do
        pg r "1.$attempt.${n}1" 100 ",\"key\":{\"id\":$n},\"before\":null,\"after\":{\"id\":$n,\"x\":\"$value\"}"
        commit "1.$attempt.${n}9" 100 1
        n=$((n + 1))
    done | sed 's/"snapshot":"false"/"snapshot":"true"/'
}
@test "a snapshot of several chunks, and a further attempt at it in another run: no row is taken for one that came before" {
    local format
    for format in debezium debezium,schemas maxwell wal2json; do
        rm -rf "$DIR/copy" "$DIR/copy.db"
        chunks 1 old old | filter -q --to $format | filter -q --from ${format%%,*} | copy copy
        is "$format, rows" "0|old 1|old" "$(sqlite3 "$DIR/copy.db" 'select id, x from t order by id' | paste -sd' ')"
        chunks 2 new old third | filter -q --to $format | filter -q --from ${format%%,*} | copy copy
        is "$format, rows" "0|new 1|old 2|third" "$(sqlite3 "$DIR/copy.db" 'select id, x from t order by id' | paste -sd' ')"
        # The same lines once more are none.
        chunks 1 older older | filter -q --to $format | filter -q --from ${format%%,*} | copy copy
        is "$format, rows" "0|new 1|old 2|third" "$(sqlite3 "$DIR/copy.db" 'select id, x from t order by id' | paste -sd' ')"
    done
}

@test "two sources are one to a format that does not name them, and two tables one to Singer: 78" {
    local format
    { chunks 1 a; chunks 1 b | sed 's/"name":"shop"/"name":"other"/'; } >"$DIR/in"
    filter -q --to debezium <"$DIR/in" | filter -q --from debezium >"$DIR/out"
    is "sources" "other shop" "$(jq -r 'select(.op == "r").source.name' "$DIR/out" | sort | paste -sd' ')"
    for format in maxwell wal2json canal singer; do
        ends_with 78 filter --to $format <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
        grep -q 'two sources, "shop" and "other"' "$DIR/err"
        is "rows of the other one" 0 "$(grep -c '"b"' "$DIR/out" || true)"
    done
    { chunks 1 a | sed 's/"schema":"public","table":"t"/"schema":"a-b","table":"c"/'; chunks 1 b | sed 's/"schema":"public","table":"t"/"schema":"a","table":"b-c"/'; } >"$DIR/in"
    ends_with 78 filter --to singer <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
    grep -q 'two tables would be one stream, "a-b-c"' "$DIR/err"
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

# What a line says does not change with the white space around it: of a file with CRLF, or of what psql prints.
padded() { sed 's/^/ \t/; s/$/ \r/' "$1"; }
@test "white space around lines changes nothing that is written or read" {
    local format options from to
    my_example >"$DIR/my"
    example >"$DIR/pg"
    for options in "my --to debezium" "my --to maxwell" "my --to canal" "pg --to wal2json" "pg --to singer" "my --flatten j --where-before match" "pg --sample 50%" "pg --mask x=redact" "pg --only id,n" "pg --where id>0"; do
        from=$DIR/${options%% *}
        # shellcheck disable=SC2086
        filter -q ${options#* } <"$from" >"$DIR/plain" 2>"$DIR/err" || true
        # shellcheck disable=SC2086
        padded "$from" | filter -q ${options#* } >"$DIR/padded" 2>>"$DIR/err" || true
        diff <(jq -c . "$DIR/plain") <(jq -c . "$DIR/padded") || fail "$options"
        to=${options#*--to }
        case $to in debezium | maxwell | canal | wal2json | singer) ;; *) continue ;; esac
        filter -q --from "$to" --from-position line <"$DIR/plain" >"$DIR/back"
        [ -s "$DIR/back" ]
        padded "$DIR/plain" | filter -q --from "$to" --from-position line | diff "$DIR/back" - || fail "--from $to"
    done
}
