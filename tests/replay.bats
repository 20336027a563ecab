#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The log replayed over a snapshot that read the table later: what a row's move
# leaves unchanged must not be taken from another row that has the old key by now.
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

setup_file() {
    opensearch_start
    export OPENSEARCH_URL OPENSEARCH_DIR OPENSEARCH_PID
}
teardown_file() { opensearch_stop; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
}

# In the log: a row moves from 1 to 2, then another row is inserted at 1. The snapshot has seen both already.
moved() {
    schema id id:integer name:text big:text
    change r '{"id":1}' null '{"id":1,"name":"other","big":"of the other"}'
    change r '{"id":2}' null '{"id":2,"name":"moved","big":"of the moved"}'
    commit
    change u '{"id":2}' '{"id":1}' '{"id":2,"name":"moved"}' '["big"]'
    commit
    change c '{"id":1}' null '{"id":1,"name":"other","big":"of the other"}'
    commit
    # And a move in the plain order of things: the row takes its columns along.
    change u '{"id":3}' '{"id":2}' '{"id":3,"name":"again"}' '["big"]'
    commit
}

@test "SQLite: a move replayed over a later snapshot keeps each row's own columns" {
    moved >"$IN"
    t cdc-sink-sqlite "$DIR/a.db" <"$IN"
    is rows $'1|other|of the other\n3|again|of the moved' "$(sqlite3 "$DIR/a.db" 'select * from t order by id')"
}

@test "OpenSearch: a move replayed over a later snapshot keeps each row's own columns" {
    moved >"$IN"
    t cdc-sink-http --elasticsearch --batch-events 1 --offset-file "$DIR/o" "$OPENSEARCH_URL" <"$IN"
    curl -sf -XPOST "$OPENSEARCH_URL/public-t/_refresh" >/dev/null
    is documents $'["1","other","of the other"]\n["3","again","of the moved"]' \
        "$(curl -sf "$OPENSEARCH_URL/public-t/_search?sort=id" | jq -c '.hits.hits[] | [._id, ._source.name, ._source.big]')"
}

@test "OpenSearch: a row that moved and was refused, with omitted columns, is not replayed once they are gone" {
    es() { t cdc-sink-http --elasticsearch --index moved-away --batch-events 1 --offset-file "$DIR/o" "$@" "$OPENSEARCH_URL" <"$IN"; }
    curl -sSf -XPUT "$OPENSEARCH_URL/moved-away" -H 'Content-Type: application/json' -d '{"mappings":{"properties":{"n":{"type":"integer"}}}}' >/dev/null
    {
        schema id id:integer n:text big:text
        change c '{"id":1}' null '{"id":1,"n":"1","big":"of the moved"}'
        commit
        change u '{"id":2}' '{"id":1}' '{"id":2,"n":"none"}' '["big"]'
        commit
        change c '{"id":3}' null '{"id":3,"n":"3","big":"b"}'
        commit
        change c '{"id":4}' null '{"id":4,"n":"4","big":"b"}'
        commit
    } >"$IN"
    es --on-error dead-letter --dead-letter "$DIR/dead"
    jq -r .line "$DIR/dead" | sed 's/"none"/"5"/' >"$DIR/mended"
    run -65 --separate-stderr es --replay "$DIR/mended"
    [[ $stderr == *"columns that the log omitted as unchanged are not in the index"* ]]
    curl -sSf -XPOST "$OPENSEARCH_URL/moved-away/_refresh" >/dev/null
    is "no half document" "3 4" "$(curl -sSf "$OPENSEARCH_URL/moved-away/_search" | jq -r '[.hits.hits[]._id] | sort | join(" ")')"
    # Once the log has the row again, whole, it stands for the refused one.
    {
        schema id id:integer n:text big:text
        change u '{"id":2}' null '{"id":2,"n":"6","big":"anew"}'
        commit
    } >"$IN"
    es
    run -65 es --replay "$DIR/mended"
    {
        schema id id:integer n:text big:text
        read_begin
        change r '{"id":2}' null '{"id":2,"n":"6","big":"anew"}'
        read_end id id:integer n:text big:text
        commit
    } >"$IN"
    es
    es --replay "$DIR/mended"
}
