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

# -- what ends the wait of a refused line, and what does not --

# index NAME...: whose field n takes numbers alone.
index() {
    local name
    for name; do curl -sSf -XPUT "$OPENSEARCH_URL/$name" -H 'Content-Type: application/json' -d '{"mappings":{"properties":{"n":{"type":"integer"}}}}' >/dev/null; done
}
to_index() { t cdc-sink-http --elasticsearch --index "waits$BATS_TEST_NUMBER-{table}" --offset-file "$DIR/o" "$@" "$OPENSEARCH_URL"; }
letters() { to_index --on-error dead-letter --dead-letter "$DIR/dead" <"$IN"; }
# The letters with a number in place of what was refused.
mended() { jq -r .line "$DIR/dead" | sed 's/"bad"/"5"/' >"$DIR/mended"; }
ids() {
    curl -sSf -XPOST "$OPENSEARCH_URL/waits$BATS_TEST_NUMBER-${1:-t}/_refresh" >/dev/null
    curl -sSf "$OPENSEARCH_URL/waits$BATS_TEST_NUMBER-${1:-t}/_search?size=10000" | jq -r '[.hits.hits[]._id] | sort | join(" ")'
}
row() { change "$1" "{\"id\":$2}" null "{\"id\":$2,\"n\":\"$3\"${4:+,\"part\":\"$4\"}}"; }

@test "OpenSearch: a truncate of another table does not stand for a refused line" {
    index "waits$BATS_TEST_NUMBER-t" "waits$BATS_TEST_NUMBER-u"
    {
        schema id id:integer n:text
        row c 1 1
        row c 2 bad
        commit
        TABLE=u
        schema id id:integer n:text
        line t '"x":1'
        commit
    } >"$IN"
    letters
    mended
    to_index --replay "$DIR/mended"
    is "rows" "1 2" "$(ids)"
}

@test "OpenSearch: the end of a read does not stand for a row of that read; the begin of the next one does" {
    index "waits$BATS_TEST_NUMBER-t"
    {
        schema id id:integer n:text
        row c 1 1
        row c 9 bad
        commit
        read_begin
        schema id id:integer n:text
        row r 1 1
        row r 2 bad
        read_end id id:integer n:text
        POS=$((POS + 1))
        commit
    } >"$IN"
    letters
    is "letters" "9 2" "$(jq -r '.line | fromjson | .key.id' "$DIR/dead" | xargs)"
    mended
    to_index --replay "$DIR/mended"
    is "rows" "1 2" "$(ids)"
    {
        schema id id:integer n:text
        row c 3 bad
        commit
        read_begin
        schema id id:integer n:text
        row r 1 1
        read_end id id:integer n:text
        POS=$((POS + 1))
        commit
    } >"$IN"
    SEQ=200
    sed -i 's/"0000001[0-9][0-9]/"00000200/;s/"seq":1[0-9][0-9]/"seq":200/' "$IN"
    rm "$DIR/dead"
    letters
    mended
    to_index --replay "$DIR/mended"
    is "rows" 1 "$(ids)"
}

@test "OpenSearch: a truncate of one part, or the end of its read, does not stand for rows of another part" {
    local a='"part":{"column":"part","value":"a"}' b='"part":{"column":"part","value":"b"}'
    index "waits$BATS_TEST_NUMBER-t"
    described() { schema id id:integer n:text part:text | sed "s/}\$/,$1}/"; POS=$((POS + 1)); }
    {
        described "$a"
        described "$b"
        row c 1 bad a
        row c 2 bad b
        commit
        line t "$b"
        row c 3 bad b
        commit
        line t "\"read\":\"begin\",$b"
        described "$b"
        row r 4 bad b
        read_end id id:integer n:text part:text | sed "s/}\$/,$b}/"
        POS=$((POS + 1))
        commit
        described "$b"
        line t '"part":{"column":"part","prefix":"c"}'
        commit
    } >"$IN"
    letters
    mended
    to_index --replay "$DIR/mended"
    is "rows" "1 4" "$(ids)"
}

@test "OpenSearch: a line of a part that nobody can tell is not taken for stored" {
    index "waits$BATS_TEST_NUMBER-t"
    { schema id id:integer n:text; row c 1 bad a; commit; line t '"part":{"column":"part","value":"b"}'; commit; } >"$IN"
    letters
    mended
    run -65 to_index --replay "$DIR/mended"
    is "rows" "" "$(ids)"
}

@test "OpenSearch: a line that was in hand when its table got other columns is not replayed as one of these" {
    index "waits$BATS_TEST_NUMBER-t"
    { schema id id:integer n:text; row c 1 1; row c 2 bad; commit; schema id id:integer n:text x:integer; row c 3 3; commit; } >"$IN"
    letters
    mended
    run -65 --separate-stderr to_index --replay "$DIR/mended"
    [[ $stderr == *"1 of tables with other columns since"* ]]
    is "rows" "1 3" "$(ids)"
}

@test "OpenSearch: none of many other rows stands for a refused one" {
    index "waits$BATS_TEST_NUMBER-t"
    {
        schema id id:integer n:text
        row c 1 bad | awk '{ for (i = 1; i <= 9000; i++) { line = $0; gsub(/"id":1/, "\"id\":" i, line)
            sub(/00000002"/, sprintf("%08d\"", i + 1), line); if (i > 1000) sub(/bad/, i, line); print line } }'
        commit
    } >"$IN"
    letters 2>/dev/null
    mended
    to_index --replay "$DIR/mended"
    is "rows" 9000 "$(ids | wc -w)"
}
