#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter --route: several tables under one name, and sinks behind it that must not touch the rows of one for those of another.
# takes: 60 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

setup_file() { opensearch_start; }
teardown_file() { opensearch_stop; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
}

filter() { t cdc-filter --route '*.orders=all.orders' "$@"; }
orders() { SCHEMA=$1 TABLE=orders schema id id:integer v:text; }
order() { SCHEMA=$2 TABLE=orders change "$1" "{\"id\":$3}" null "${4:-null}"; }
# It exits 78.
refuses() {
    local status=0
    "$@" >/dev/null 2>&1 || status=$?
    is status 78 $status
}
# run_all SEED SINK...: each run of the pipeline; one whose lines are cut off may end with 75.
run_all() {
    local seed=$1 run status
    shift
    mkdir -p "$DIR/$seed"
    python3 "$LIB/routed.py" "$seed" "$DIR/$seed" 4
    for run in 1 2 3 4; do
        status=0
        filter <"$DIR/$seed/run$run" 2>>"$DIR/$seed/err" | t "$@" 2>>"$DIR/$seed/err" || status=$?
        [ $status = 0 ] || { [ $status = 75 ] && [ $run != 4 ]; } || { tail -n 3 "$DIR/$seed/err"; fail "seed $seed, run $run: $status"; }
    done
}
same_rows() { # SEED: the rows of standard input
    jq -cS . | sort >"$DIR/$1/actual"
    jq -cS . "$DIR/$1/expected" | sort | diff - "$DIR/$1/actual" || fail "seed $1: not the rows of the source"
}

@test "SQLite: three tables with the same keys, changed, emptied and read again, end as one table with the rows of all" {
    for seed in $(seq 1 12); do
        run_all "$seed" cdc-sink-sqlite --offset-file "$DIR/$seed/o" "$DIR/$seed/db"
        sqlite3 "$DIR/$seed/db" "SELECT json_object('id', id, 'v', v, 'b', b, 'c', c, 'source_table', source_table) FROM orders" | same_rows "$seed"
    done
}

@test "SQLite: a part that is read again keeps no value of a column that its table has lost, whatever has come of the others in this run" {
    of_shop() { SCHEMA=$1 TABLE=orders "${@:2}"; }
    { for shop in shop1 shop2; do of_shop $shop schema id id:integer v:text; of_shop $shop change c '{"id":1}' null '{"id":1,"v":"old"}'; done; commit; } | filter | t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/db"
    { tx; of_shop shop1 read_begin; of_shop shop1 schema id id:integer; of_shop shop1 change r '{"id":1}' null '{"id":1}'; of_shop shop1 read_end id id:integer; commit; } | filter | t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/db"
    is rows 'shop1.orders|1| shop2.orders|1|old' "$(sqlite3 "$DIR/db" 'SELECT source_table, id, v FROM orders ORDER BY 1' | xargs)"
}

@test "SQLite: what a part's rows had of a nested value, and a read brings no more, is gone" {
    of_shop() { SCHEMA=$1 TABLE=orders "${@:2}"; }
    { for doc in 1:'{"a":1,"b":2}' 2:'{"b":2}'; do of_shop shop${doc%%:*} schema id id:integer doc:jsonb; of_shop shop${doc%%:*} change c '{"id":1}' null "{\"id\":1,\"doc\":${doc#*:}}"; done; commit
      tx; of_shop shop1 read_begin; of_shop shop1 schema id id:integer doc:jsonb; of_shop shop1 change r '{"id":1}' null '{"id":1,"doc":{"b":3}}'; of_shop shop1 read_end id id:integer doc:jsonb; commit; } >"$IN"
    filter --flatten orders:doc <"$IN" | t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/db"
    is rows 'shop1.orders|1||3 shop2.orders|1||2' "$(sqlite3 "$DIR/db" 'SELECT source_table, id, doc_a, doc_b FROM orders ORDER BY 1' | xargs)"
}

@test "OpenSearch: the same, as one index" {
    for seed in 1 2 3 4; do
        run_all "$seed" cdc-sink-http --elasticsearch --index "r$seed-{table}" --offset-file "$DIR/$seed/o" "$OPENSEARCH_URL"
        opensearch_rows "r$seed-orders" '{id, v, b, c, source_table}' | same_rows "$seed"
    done
}

@test "what was put together from several tables already is not put together once more" {
    { orders shop1; order c shop1 1 '{"id":1,"v":"x"}'; commit; } >"$IN"
    filter <"$IN" >"$DIR/once"
    run -78 --separate-stderr t cdc-filter --route 'all.orders=more.orders' <"$DIR/once"
    [[ $stderr == *"table \"orders\" was put together from several already"* ]]
    is "no row" "" "$(jq -c 'select(.op == "c")' <<<"$output")"
    # Nor is a truncate, before which no line has described the table.
    { SCHEMA=shop1 TABLE=orders line t '"x":1'; commit; } | filter >"$DIR/emptied"
    run -78 --separate-stderr t cdc-filter --route 'all.orders=more.orders' <"$DIR/emptied"
    is "no truncate" "" "$(jq -c 'select(.op == "t")' <<<"$output")"
}

@test "rows get a key column with the name of their table, and a truncate says whose rows it is about" {
    { orders shop1; order c shop1 1 '{"id":1,"v":"x"}'; orders shop2; order c shop2 1 '{"id":1,"v":"y"}'; SCHEMA=shop1 TABLE=orders line t '"x":1'; commit; } >"$IN"
    filter <"$IN" >"$DIR/out"
    is keys '{"id":1,"source_table":"shop1.orders"} {"id":1,"source_table":"shop2.orders"}' "$(jq -cS 'select(.op == "c") | .key' "$DIR/out" | xargs -d '\n')"
    is "key columns" '["source_table","id"]' "$(jq -c 'select(.op == "schema") | .key_columns' "$DIR/out" | sort -u)"
    is part '{"column":"source_table","value":"shop1.orders"}' "$(jq -c 'select(.op == "t") | .part' "$DIR/out")"
    is names all.orders "$(jq -r 'select(.source.table) | .source.schema + "." + .source.table' "$DIR/out" | sort -u)"
}

@test "a table without --route beside routed ones under one name, keys or types that differ, a column of that name: 78" {
    { orders all; orders shop1; } | refuses t cdc-filter --route 'shop*.orders=all.orders'
    { orders shop1; SCHEMA=shop2 TABLE=orders schema v id:integer v:text; } | refuses filter
    { orders shop1; SCHEMA=shop2 TABLE=orders schema id id:integer v:bytea; } | refuses filter
    { SCHEMA=shop1 TABLE=orders schema id id:integer source_table:text; } | refuses filter
    { SCHEMA=shop1 TABLE=orders schema id id:integer source_table:text; } | filter --route-column shard >/dev/null
}

@test "rows of two sources, or of two databases with schemas, and rows before their schema line are refused" {
    { orders shop1; SOURCE_NAME=other orders shop1; } | refuses filter
    { orders shop1; SOURCE_NAME=other orders shop2; } | filter >"$DIR/out"
    { orders shop1; orders shop1 | sed 's/"db":"d"/"db":"e"/'; } | refuses filter
    local status=0
    order c shop1 1 '{"id":1,"v":"x"}' | filter >"$DIR/out" 2>"$DIR/err" || status=$?
    is status 65 $status
    [ ! -s "$DIR/out" ]
}

@test "a column's type that is changed in one table after the other: the schema lines have the one that holds all" {
    shard() { SCHEMA=$1 TABLE=orders schema id id:integer "v:$2"; }
    type_of() { jq -rs 'map(select(.op == "schema")) | last | .columns[] | select(.name == "v") | .type'; }
    is wider bigint "$({ shard shop1 bigint; shard shop2 integer; } | filter | type_of)"
    is wider bigint "$({ shard shop1 integer; shard shop2 bigint; shard shop1 integer; } | filter | type_of)"
    is wider text "$({ shard shop1 text; shard shop2 'character varying(9)'; } | filter | type_of)"
    { shard shop1 numeric; shard shop2 integer; } | refuses filter
    # One is true or false, the other a text.
    { shard shop1 'bit(1)'; shard shop2 'bit(8)'; } | refuses filter
    is wider 'bit(8)' "$({ shard shop1 'bit(4)'; shard shop2 'bit(8)'; } | filter | type_of)"
    is computed numeric "$({ shard shop1 numeric; shard shop2 integer; } | filter --set 'shop2.orders:v = CAST(v AS NUMERIC)' | type_of)"
}

@test "a column that only some tables have, or that may be NULL in one, may be NULL" {
    { SCHEMA=shop1 TABLE=orders schema id id:integer a:text b:text | sed 's/"nullable":true/"nullable":false/g'
      SCHEMA=shop2 TABLE=orders schema id id:integer a:text c:text | sed 's/"nullable":true/"nullable":false/g'; } >"$IN"
    filter <"$IN" | jq -sc 'last.columns | map([.name, .nullable])' >"$DIR/out"
    is columns '[["id",false],["a",false],["c",true],["b",true],["source_table",false]]' "$(cat "$DIR/out")"
    { cat "$IN"; orders shop3; } | filter | jq -sc 'last.columns | map([.name, .nullable])' >"$DIR/out"
    is columns '[["a",true],["b",true],["c",true],["id",true],["source_table",false],["v",true]]' "$(jq -c sort "$DIR/out")"
}

@test "tables without a key and with other columns: a row is found by the columns that it has" {
    {
        for shop in shop1:a shop2:b; do
            SCHEMA=${shop%:*} TABLE=orders schema '' id:integer "${shop#*:}:text"
            for id in 1 2 3; do SCHEMA=${shop%:*} TABLE=orders line c "\"before\":null,\"after\":{\"id\":$id,\"${shop#*:}\":\"x\"}"; done
        done
        commit
        SCHEMA=shop1 TABLE=orders line d '"before":{"id":1,"a":"x"},"after":null'
        SCHEMA=shop2 TABLE=orders line d '"before":{"id":2,"b":"x"},"after":null'
        SCHEMA=shop1 TABLE=orders line u '"before":{"id":3,"a":"x"},"after":{"id":3,"a":"y"}'
        commit
    } | filter | into_copy
    is rows 'shop1.orders|2|x|,shop1.orders|3|y|,shop2.orders|1||x,shop2.orders|3||x' "$(sqlite3 "$DIR/db" 'select source_table, id, a, b from orders order by 1, 2' | paste -sd,)"
}

@test "--explain says which columns a table gets, and that types are those of all" {
    { SCHEMA=shop1 TABLE=orders schema id id:integer n:integer a:text; SCHEMA=shop2 TABLE=orders schema id id:integer n:bigint b:text; } >"$IN"
    filter --explain <"$IN" >"$DIR/out"
    is "for people" "shop1.orders leaves as all.orders, with the rows of other tables (--route)
  COLUMN  LEAVES AS     CLEAR  HOW
  id      id            yes
  n       n             yes
  a       a             yes
  -       b             yes    of other tables that are brought together with it
  -       source_table  yes    the table's own name" "$(head -7 "$DIR/out")"
    filter --explain --json --rename-column n=m --drop-columns a <"$IN" >"$DIR/out"
    is last '[["id","id","integer",true],["n","m","bigint",false],["b","b","text",false],[null,"source_table","text",true]]' "$(jq -c '.tables[1].columns | map([.column, .becomes, .type_after, .key])' "$DIR/out")"
    # What is said is what is done.
    { cat "$IN"; cat "$IN"; } | filter --rename-column n=m --drop-columns a | jq -sc 'last | [.columns[] | .name, .type], .key_columns' >"$DIR/done"
    jq -c '.tables[1].columns | [.[] | select(.becomes) | .becomes, .type_after], (map(select(.key).becomes) | sort)' "$DIR/out" | diff - <(jq -c 'if . == ["source_table", "id"] then sort else . end' "$DIR/done")
    filter --route-unique --explain <"$IN" | not grep source_table
}

# Rows of three tables, of which one is emptied by what comes after them.
three() { for shop in shop1 shop2 shop3; do orders $shop; order c $shop 1 '{"id":1,"v":"x"}'; done; SCHEMA=shop2 TABLE=orders line t '"x":1'; commit; }
into_copy() { cat >"$DIR/lines"; t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/db" <"$DIR/lines"; }

@test "what tells rows apart is masked, and a truncate of one table still leaves the others" {
    printf '%064d' 7 >"$DIR/key"
    chmod 600 "$DIR/key"
    three | filter | t cdc-filter --mask-key "$DIR/key" --mask all.orders:source_table=hash | into_copy
    is rows 2 "$(sqlite3 "$DIR/db" "select count(*) from orders where length(source_table) > 20")"
    not grep -q shop "$DIR/lines"
    three | filter | t cdc-filter --mask-key "$DIR/key" --tokenize all.orders:source_table >"$DIR/tokens"
    is parts 4 "$(jq -r 'select(.part) | .part.value' "$DIR/tokens" | grep -c .)"
    is "part of a row" "$(jq -r 'select(.op == "t") | .part.value' "$DIR/tokens")" "$(jq -rs 'map(select(.op == "c"))[1].key.source_table' "$DIR/tokens")"
    three | filter | t cdc-filter --only all.orders:id,v,source_table | into_copy
    three | filter | refuses t cdc-filter --only all.orders:id,v
    three | sed 's/"key":{"id":1},//; s/"key_columns":\["id"\]/"key_columns":[]/' | filter >"$DIR/keyless"
    refuses t cdc-filter --only all.orders:id,v <"$DIR/keyless"
    refuses t cdc-filter --mask all.orders:source_table=redact <"$DIR/keyless"
    refuses t cdc-filter --set "source_table = 'x'" <"$DIR/keyless"
    { three; SCHEMA=shop3 TABLE=orders line t '"x":1' | jq -c 'del(.source.table, .source.schema) | .source.db = "shop3" | .source.connector = "mysql"'; } |
        jq -c '.source |= (if .schema then .db = .schema | del(.schema) | .connector = "mysql" else . end)' | filter >"$DIR/dropped"
    is prefix shop3. "$(jq -r '.part.prefix // empty' "$DIR/dropped")"
    refuses t cdc-filter --mask-key "$DIR/key" --mask all.orders:source_table=hash <"$DIR/dropped"
}

@test "--encrypt binds values to their table: not with --route or --outbox" {
    local status=0
    t cdc-filter --make-key-store "$DIR/keys"
    filter --encrypt orders:v --subject orders:id --key-store "$DIR/keys" </dev/null >/dev/null 2>&1 || status=$?
    is status 64 $status
    status=0
    t cdc-filter --outbox o --encrypt orders:v --subject orders:id --key-store "$DIR/keys" </dev/null >/dev/null 2>&1 || status=$?
    is status 64 $status
}

@test "--route-unique adds nothing, and refuses what would touch rows of other tables" {
    { orders shop1; order c shop1 1 '{"id":1,"v":"x"}'; } >"$IN"
    filter --route-unique <"$IN" >"$DIR/out"
    is keys '{"id":1}' "$(jq -c 'select(.op == "c") | .key' "$DIR/out")"
    SCHEMA=shop1 TABLE=orders line t '"x":1' >>"$IN"
    refuses filter --route-unique <"$IN"
    refuses filter --to debezium <"$IN"
    { orders shop1 | sed 's/}$/,"read":"end"}/'; } | refuses filter --route-unique
}
