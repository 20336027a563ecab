#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter --from: the same changes, written from one model as our lines and as wal2json's and Maxwell's, end as the same rows.
# takes: 40 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/opensearch

setup() { DIR=$BATS_TEST_TMPDIR; }
teardown() { opensearch_stop; }

# lines KIND SEED: $DIR/ours, $DIR/theirs (as our events, read from theirs), and $DIR/rows, what the table has at the end.
lines() {
    local what
    for what in ours theirs rows; do python3 "$LIB/one_model.py" "$1" "$2" 150 $what >"$DIR/$what.$1"; done
    sort "$DIR/rows.$1" >"$DIR/rows"
    t cdc-filter -q --from "$1" <"$DIR/theirs.$1" >"$DIR/theirs"
    mv "$DIR/ours.$1" "$DIR/ours"
    [ -s "$DIR/theirs" ] # a truncate may have been the end of all rows
}
# A JSON array a row, as the model has it: what SQLite has no type for is given back its own.
table() {
    local columns="json_array(id, n, amount, name, day, seen, moment, hex(raw), json(doc)"
    case $2 in
    wal2json) columns+=", flag, ratio, json(tags), big)" ;;
    maxwell) columns+=", kind, flags, yr, big)" ;;
    esac
    sqlite3 "$DIR/$1.db" "select $columns from t" | jq -cS . | sort
}

@test "SQLite: lines of wal2json and of Maxwell end as the same rows as ours, and as the model" {
    local kind seed side
    for kind in wal2json maxwell; do
        for seed in 1 "$RANDOM"; do
            lines $kind "$seed"
            for side in ours theirs; do
                rm -rf "$DIR/$side.db"* "$DIR/state.$side"
                mkdir "$DIR/state.$side"
                t cdc-sink-sqlite -q --state-dir "$DIR/state.$side" "$DIR/$side.db" <"$DIR/$side"
            done
            diff <(sqlite3 "$DIR/ours.db" .schema) <(sqlite3 "$DIR/theirs.db" .schema) || fail "$kind, seed $seed"
            diff <(table ours $kind) <(table theirs $kind) || fail "$kind, seed $seed"
            diff <(jq -c '[.[0], .[1], .[2], .[-1]]' "$DIR/rows" | sort) <(sqlite3 "$DIR/theirs.db" 'select json_array(id, n, amount, big) from t' | jq -c . | sort) || fail "$kind, seed $seed"
        done
    done
}

@test "OpenSearch: lines of wal2json and of Maxwell end as the same documents as ours, and as the model" {
    local kind side
    opensearch_start
    for kind in wal2json maxwell; do
        lines $kind 5
        for side in ours theirs; do
            mkdir "$DIR/state.$kind.$side"
            t cdc-sink-http -q --elasticsearch --index "$kind-$side" --state-dir "$DIR/state.$kind.$side" "$OPENSEARCH_URL" <"$DIR/$side"
        done
        opensearch_rows "$kind-ours" . | jq -cS . | sort >"$DIR/ours.found"
        opensearch_rows "$kind-theirs" . | jq -cS . | sort >"$DIR/theirs.found"
        diff "$DIR/ours.found" "$DIR/theirs.found"
        diff <(jq -cS . "$DIR/rows" | sort) <(opensearch_rows "$kind-theirs" 'to_entries | map(.value)' | jq -cS . | sort)
    done
}

# canal ID ROW...: a message with these rows.
canal() {
    local id=$1
    shift
    jq -nc --arg id "$id" '{id: ($id|tonumber), database: "d", table: "t", pkNames: ["id"], isDdl: false, type: "INSERT", es: 1000, ts: 1000, sql: "",
        sqlType: {id: 4, n: 4}, mysqlType: {id: "int", n: "int"}, data: ($ARGS.positional | map(split("=") | {id: .[0], n: .[1]})), old: null}' --args "$@"
}
@test "a row that is refused takes no other row with it, nor the schema and commit lines that its message is the first to tell of" {
    { canal 1 1=0; canal 2 2=5 3=0 4=2 5=0; echo '{"id":3,"type":"INSERT","database":"d"}'; canal 4 6=1; } >"$DIR/in"
    t cdc-filter --from canal --from-position line --add 'q = 10 / n' --on-error dead-letter --dead-letter "$DIR/dead" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
    t cdc-sink-sqlite -q --state-dir "$DIR" "$DIR/copy.db" <"$DIR/out"
    is "the rows" "2 2 4 5 6 10 " "$(sqlite3 -separator ' ' "$DIR/copy.db" 'select id, q from t order by id' | tr '\n' ' ')"
    is "rows of each transaction" "0 2 1" "$(jq -r 'select(.op == "commit").events' "$DIR/out" | paste -sd' ')"
    # A message is kept once, whatever many of its rows were refused.
    diff <(sed '4d' "$DIR/in") <(jq -r .line "$DIR/dead")
    is "warnings" 4 "$(grep -c 'skipped: ' "$DIR/err")"
    # Where the first refusal ends the run, its message leaves nothing.
    run -65 t cdc-filter -q --from canal --from-position line --add 'q = 10 / n' <"$DIR/in"
    is "what left" "" "$(grep '^{' <<<"$output" || true)"
}
@test "a line that cannot be read takes no commit line with it" {
    line() { echo "{\"before\":null,$1\"source\":{\"connector\":\"postgresql\",\"name\":\"s\",\"db\":\"d\",\"schema\":\"public\",\"table\":\"$2\",\"lsn\":$3,\"txId\":$3,\"ts_ms\":1,\"sequence\":\"[\\\"$3\\\",\\\"$3\\\"]\",\"snapshot\":\"false\"},\"op\":\"c\",\"ts_ms\":1,\"transaction\":null}"; }
    { line '"after":{"id":1},' t 10; line '' t 11; line '"after":{"id":null},' u 12; line '"after":{"id":2},' u 13; } >"$DIR/in"
    t cdc-filter -q --from debezium --key id --on-error skip <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
    is "lines" "schema t|c t|commit|schema u|c u|commit" "$(jq -r '.op + (.source.table // "" | if . == "" then "" else " " + . end)' "$DIR/out" | paste -sd'|')"
}

# maxwell ID XOFFSET...: a row of one transaction; `commit` for its last one.
maxwell() {
    local place=",\"xoffset\":$2"
    [ "$2" != commit ] || place=',"commit":true'
    echo "{\"database\":\"d\",\"table\":\"t\",\"type\":\"insert\",\"ts\":1,\"xid\":7$place,\"position\":\"bin.000001:100\",\"primary_key_columns\":[\"id\"],\"data\":{\"id\":$1}}"
}
@test "maxwell: the last row of a transaction ends it, also where that row is refused" {
    { maxwell 1 0; maxwell 2 1; maxwell null commit; } >"$DIR/in"
    t cdc-filter -q --from maxwell --on-error skip <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
    is "lines" "schema c c commit 2" "$(jq -r '.op, .events // empty' "$DIR/out" | paste -sd' ')"
    t cdc-sink-sqlite -q --state-dir "$DIR" "$DIR/copy.db" <"$DIR/out"
    is "rows" "1 2" "$(sqlite3 "$DIR/copy.db" 'select id from t order by id' | paste -sd' ')"
    { maxwell 1 0; maxwell 2 commit | sed 's/"data".*/"x":1}/'; } >"$DIR/in"
    t cdc-filter -q --from maxwell --on-error skip <"$DIR/in" 2>"$DIR/err" >"$DIR/out"
    is "lines" "schema c commit 1" "$(jq -r '.op, .events // empty' "$DIR/out" | paste -sd' ')"
}

record() { echo "{\"type\":\"RECORD\",\"stream\":\"t\",\"record\":{\"id\":$1},\"version\":$2}"; }
@test "singer: the first record of a new version is refused, and the next one, or the version's activation, still empties the table" {
    local last
    for last in "$(record 2 6)" '{"type":"ACTIVATE_VERSION","stream":"t","version":6}'; do
        {
            echo '{"type":"SCHEMA","stream":"t","schema":{"properties":{"id":{"type":["integer"]}}},"key_properties":["id"]}'
            record 1 5
            echo '{"type":"STATE","value":{}}'
            record null 6
            echo "$last"
            echo '{"type":"STATE","value":{}}'
        } >"$DIR/in"
        t cdc-filter -q --from singer --from-position run --on-error skip <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
        is "lines" "schema u commit t" "$(jq -r .op "$DIR/out" | head -4 | paste -sd' ')"
        t cdc-sink-sqlite -q --state-dir "$DIR" "$DIR/copy.db" <"$DIR/out"
        is "the row of the version before" 0 "$(sqlite3 "$DIR/copy.db" 'select count(*) from t where id = 1')"
    done
}

# after_drops FORMAT: $DIR/in, where t and u have a row each, t is dropped and made again with another row, and `rows` of the copy.
after_drops() {
    t cdc-filter --from "$1" --key id "${@:2}" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"
    rm -f "$DIR/copy.db"* "$DIR"/*.offset*
    t cdc-sink-sqlite -q --state-dir "$DIR" "$DIR/copy.db" <"$DIR/out"
    rows=$(for table in t u v; do sqlite3 "$DIR/copy.db" "select '$table' || id from $table" 2>/dev/null; done | paste -sd' ')
}
# maxwell_of TYPE TABLE POSITION MEMBERS
maxwell_of() { echo "{\"database\":\"d\",\"table\":\"$2\",\"type\":\"$1\",\"ts\":1,\"position\":\"bin.000001:$3\",$4}"; }
columns='"columns":[{"type":"int","name":"id","signed":true}],"primary-key":["id"]'
@test "maxwell: a table or a database that is dropped, or gets another name, leaves no row in a copy" {
    local rows
    {
        maxwell_of insert t 100 '"data":{"id":1}'
        maxwell_of insert u 110 '"data":{"id":1}'
        maxwell_of table-drop t 120 '"sql":"DROP TABLE t"'
        maxwell_of table-create t 130 "\"def\":{\"database\":\"d\",\"table\":\"t\",$columns},\"sql\":\"CREATE TABLE t ...\""
        maxwell_of insert t 140 '"data":{"id":2}'
    } >"$DIR/in"
    after_drops maxwell
    is "dropped" "t2 u1" "$rows"
    not grep altered "$DIR/err"
    maxwell_of table-alter u 150 "\"old\":{\"database\":\"d\",\"table\":\"u\",$columns},\"def\":{\"database\":\"d\",\"table\":\"v\",$columns},\"sql\":\"RENAME TABLE u TO v\"" >>"$DIR/in"
    maxwell_of insert v 160 '"data":{"id":5}' >>"$DIR/in"
    after_drops maxwell
    is "renamed" "t2 v5" "$rows"
    is "the columns of its new name" '["int"]' "$(jq -c 'select(.op == "schema" and .source.table == "v") | [.columns[].type]' "$DIR/out")"
    grep -q 'warning: --from: .*1 tables were altered or renamed: what that did to rows that were there is in no line' "$DIR/err"
    maxwell_of database-drop t 170 '"sql":"DROP DATABASE d"' | sed 's/"table":"t",//' >>"$DIR/in"
    after_drops maxwell
    is "no table" "" "$rows"
    is "order" "$(jq -r .pos "$DIR/out")" "$(jq -r .pos "$DIR/out" | LC_ALL=C sort -u)"
}

# debezium_of TABLE POSITION MEMBERS
debezium_of() { echo "{\"source\":{\"connector\":\"mysql\",\"name\":\"n\",\"db\":\"d\",\"table\":\"$1\",\"file\":\"b.000001\",\"pos\":$2,\"row\":0,\"gtid\":null,\"snapshot\":\"${4:-false}\",\"ts_ms\":1},\"ts_ms\":1,$3}"; }
debezium_row() { debezium_of "$1" "$2" "\"op\":\"c\",\"transaction\":null,\"before\":null,\"after\":{\"id\":$3}"; }
# debezium_ddl TABLE POSITION CHANGES SQL [SNAPSHOT]
debezium_ddl() { debezium_of "$1" "$2" "\"databaseName\":\"d\",\"schemaName\":null,\"ddl\":\"$4\",\"tableChanges\":[$3]" "${5:-false}"; }
@test "debezium: a table or a database that is dropped, or gets another name, leaves no row in a copy" {
    local rows drop='{"type":"DROP","id":"\"d\".\"t\"","table":null}'
    local v='"table":{"primaryKeyColumnNames":["id"],"columns":[{"name":"id","typeName":"INT"}]}'
    {
        debezium_row t 100 1
        debezium_row u 110 1
        debezium_ddl t 120 "$drop" 'DROP TABLE `t`'
        debezium_ddl t 130 "{\"type\":\"CREATE\",\"id\":\"\\\"d\\\".\\\"t\\\"\",$v}" 'CREATE TABLE t ...'
        debezium_row t 140 2
    } >"$DIR/in"
    after_drops debezium
    is "dropped" "t2 u1" "$rows"
    debezium_ddl v 150 "{\"type\":\"ALTER\",\"id\":\"\\\"d\\\".\\\"v\\\"\",\"previousId\":\"\\\"d\\\".\\\"u\\\"\",$v}" 'RENAME TABLE u TO v' >>"$DIR/in"
    debezium_row v 160 5 >>"$DIR/in"
    after_drops debezium
    is "renamed" "t2 v5" "$rows"
    grep -q 'warning: --from: .*1 tables were altered or renamed' "$DIR/err"
    # What a connector says before it describes the tables of its snapshot.
    debezium_ddl t 170 "$drop" 'DROP TABLE IF EXISTS `t`' true >>"$DIR/in"
    after_drops debezium
    is "a snapshot begins" "t2 v5" "$rows"
    debezium_ddl '' 180 '' 'drop\nschema `d`' >>"$DIR/in"
    after_drops debezium
    is "no table" "" "$rows"
    is "order" "$(jq -r .pos "$DIR/out")" "$(jq -r .pos "$DIR/out" | LC_ALL=C sort -u)"
}

# canal_of ID TABLE TYPE MEMBERS
canal_of() { echo "{\"id\":$1,\"database\":\"d\",\"table\":\"$2\",\"es\":1,\"ts\":1,\"type\":\"$3\",$4}"; }
canal_row() { canal_of "$1" "$2" INSERT "\"isDdl\":false,\"sql\":\"\",\"mysqlType\":{\"id\":\"int\"},\"pkNames\":[\"id\"],\"old\":null,\"data\":[{\"id\":\"$3\"}]"; }
canal_ddl() { canal_of "$1" "$2" "$3" "\"isDdl\":true,\"sql\":\"$4\",\"mysqlType\":null,\"pkNames\":null,\"old\":null,\"data\":null"; }
@test "canal: a table or a database that is dropped leaves no row in a copy" {
    local rows
    { canal_row 1 t 1; canal_row 2 u 1; canal_ddl 3 t ERASE 'DROP TABLE `t` /* generated by server */'; canal_row 4 t 2; } >"$DIR/in"
    after_drops canal --from-position line
    is "dropped" "t2 u1" "$rows"
    canal_ddl 5 t ALTER 'ALTER TABLE t ADD c int DEFAULT 5' >>"$DIR/in"
    canal_ddl 6 '' QUERY 'drop database d' >>"$DIR/in"
    after_drops canal --from-position line
    is "no table" "" "$rows"
    grep -q 'warning: --from: .*1 tables were altered or renamed' "$DIR/err"
}
