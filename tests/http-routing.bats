#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http --elasticsearch with --routing and --pipeline: each row has one document, wherever it is and whatever a pipeline does.
# takes: 60 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

setup_file() { opensearch_start; }
teardown_file() { opensearch_stop; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    SOURCE_NAME=n$BATS_TEST_NUMBER
    SCHEMA=s$BATS_TEST_NUMBER
}
teardown() { end_spawned || true; }

elastic() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "$OPENSEARCH_URL" <"$IN"; }
put() { curl -sS -f -XPUT "$OPENSEARCH_URL/$1" -H 'Content-Type: application/json' -d "$2" >/dev/null; }
pos() { jq -r ".offsets[\"$SOURCE_NAME\"].pos // \"\"" "$DIR/o"; }
# docs: _id, routing and the column v of every document.
docs() {
    curl -sS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null
    curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_search?size=1000" | jq -r '[.hits.hits[] | "\(._id):\(._routing // "-"):\(._source.v)"] | sort | join(" ")'
}
rows() { schema id id:integer tenant:text v:text; }
row() { echo "{\"id\":$1,\"tenant\":$2,\"v\":\"$3\"}"; }

@test "--routing: a row that changes its routing, its key or both is in one place, also when all comes again" {
    put "$SCHEMA-t" '{"settings":{"number_of_shards":5}}'
    {
        rows
        for i in 1 2 3 4; do change c "{\"id\":$i}" null "$(row $i '"a"' new)"; done
        change c '{"id":5}' null "$(row 5 null none)"
        change c '{"id":6}' null "$(row 6 '""' empty)"
        commit
        change u '{"id":1}' "$(row 1 '"a"' new)" "$(row 1 '"b"' moved)"
        change u '{"id":12}' "$(row 2 '"a"' new)" "$(row 12 '"c,d"' rekeyed)"
        change d '{"id":3}' "$(row 3 '"a"' new)" null
        change u '{"id":5}' "$(row 5 null none)" "$(row 5 '"\u00e9"' some)"
        commit
        # To and fro, in one transaction.
        change u '{"id":4}' "$(row 4 '"a"' new)" "$(row 4 '"b"' there)"
        change u '{"id":4}' "$(row 4 '"b"' there)" "$(row 4 '"a"' back)"
        commit
    } >"$IN"
    local expected="12:c,d:rekeyed 1:b:moved 4:a:back 5:é:some 6:-:empty"
    elastic --routing tenant
    is documents "$expected" "$(docs)"
    for events in 1 2 1000; do
        rm "$DIR"/o*
        elastic --routing 'x.*:other' --routing "$SCHEMA.t:tenant" --batch-events $events --requests 2
        is "again, $events at a time" "$expected" "$(docs)"
    done
}

# With one shard, or by chance, both routings are of one shard, and so of one document.
@test "--routing: rows that change it are there in their last state, in indexes of one shard and of three" {
    local seed shards
    whole() {
        curl -sS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null
        curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_search?size=1000" | jq -r '[.hits.hits[] | "\(._id):\(._routing // "-"):\(._source.v):\(._source.big)"] | sort | join(" ")'
    }
    for seed in 901 904; do
        for shards in 1 3; do
            SCHEMA=s$seed
            curl -sS -XDELETE "$OPENSEARCH_URL/$SCHEMA-t" >/dev/null
            rm -f "$DIR"/o*
            put "$SCHEMA-t" "{\"settings\":{\"number_of_shards\":$shards,\"number_of_replicas\":0}}"
            python3 "$LIB/tenants.py" "$seed" "$DIR"
            head -n 150 "$DIR/lines" >"$IN"
            elastic --routing tenant --batch-events $((seed % 3 * 20 + 1)) 2>/dev/null || is "within a transaction" 75 $?
            # The lines come again, and go on.
            cp "$DIR/lines" "$IN"
            [ $shards = 3 ] || rm -f "$DIR"/o "$DIR"/o.moves
            elastic --routing tenant --batch-events $((shards * 10)) --requests $((seed % 2 * 2 + 1))
            is "documents of $seed in $shards shards" "$(cat "$DIR/expected")" "$(whole)"
        done
    done
}

@test "--routing: a read that comes again and a truncate find what is routed" {
    put "$SCHEMA-t" '{"settings":{"number_of_shards":5}}'
    { rows; for i in 1 2 3; do change c "{\"id\":$i}" null "$(row $i "\"t$i\"" one)"; done; commit; } >"$IN"
    elastic --routing tenant
    {
        cat "$IN"
        line t '"key":null'
        change c '{"id":9}' null "$(row 9 '"z"' after)"
        commit
    } >"$DIR/more"
    mv "$DIR/more" "$IN"
    elastic --routing tenant
    is documents "9:z:after" "$(docs)"
}

@test "--routing: without the value of before it is exit 78, with nothing of the line written; another column later, too" {
    { rows; change c '{"id":1}' null "$(row 1 '"a"' new)"; commit; } >"$IN"
    elastic --routing tenant
    local first
    first=$(pos)
    { cat "$IN"; change u '{"id":1}' null "$(row 1 '"b"' changed)"; commit; } >"$DIR/u"
    { cat "$IN"; change d '{"id":1}' '{"id":1}' null; commit; } >"$DIR/d"
    for IN in "$DIR/u" "$DIR/d"; do
        run -78 --separate-stderr elastic --routing tenant --on-error skip
        [[ $stderr == *'does not say what that was before'*'REPLICA IDENTITY FULL'* ]]
        is position "$first" "$(pos)"
        is documents "1:a:new" "$(docs)"
    done
    IN=$DIR/in
    { cat "$IN"; change c '{"id":2}' null "$(row 2 '"b"' more)"; commit; } >"$DIR/more"
    IN=$DIR/more
    for option in --routing=v --routing=other:tenant; do
        run -78 --separate-stderr elastic "$option"
        [[ $stderr == *"are routed by tenant, and by --routing they are"* ]]
    done
    run -78 --separate-stderr elastic --routing nosuch
    elastic --routing tenant
    is documents "1:a:new 2:b:more" "$(docs)"
}

@test "--routing: by a column of the key no value of before is needed, and omitted columns are found" {
    put "$SCHEMA-t" '{"settings":{"number_of_shards":5}}'
    {
        schema tenant,id id:integer tenant:text v:text big:text
        change c '{"tenant":"a","id":1}' null '{"id":1,"tenant":"a","v":"new","big":"B"}'
        change c '{"tenant":"b","id":1}' null '{"id":1,"tenant":"b","v":"new","big":"C"}'
        commit
        change u '{"tenant":"a","id":1}' null '{"id":1,"tenant":"a","v":"changed"}' '["big"]'
        change u '{"tenant":"c","id":1}' '{"tenant":"b","id":1}' '{"id":1,"tenant":"c","v":"moved"}' '["big"]'
        commit
    } >"$IN"
    elastic --routing tenant
    is documents '{"id":1,"tenant":"a","v":"changed","big":"B"} {"id":1,"tenant":"c","v":"moved","big":"C"}' \
        "$(opensearch_rows "$SCHEMA-t" '{id, tenant, v, big}' | sort | xargs -d '\n')"
}

# bats test_tags=only:search-ingest
@test "--pipeline: documents go through it; one that drops, moves or renumbers them is told; an absent one is exit 78" {
    pipeline() { put "_ingest/pipeline/$SCHEMA" "{\"processors\":[$1]}"; }
    { rows; for i in 1 2; do change c "{\"id\":$i}" null "$(row $i '"a"' new)"; done; commit; } >"$IN"
    run -78 --separate-stderr elastic --pipeline "$SCHEMA"
    [[ $stderr == *"pipeline with id [$SCHEMA] does not exist"* ]]
    pipeline '{"set":{"field":"v","value":"set"}}'
    elastic --pipeline 'other:nosuch' --pipeline "t:$SCHEMA" --requests 2
    is documents "1:-:set 2:-:set" "$(docs)"
    { cat "$IN"; change d '{"id":1}' null null; change u '{"id":2}' null "$(row 2 '"a"' x)"; commit; } >"$DIR/more"
    IN=$DIR/more
    elastic --pipeline "$SCHEMA"
    is documents "2:-:set" "$(docs)"
    { cat "$IN"; change u '{"id":2}' null "$(row 2 '"a"' y)"; commit; } >"$DIR/last"
    IN=$DIR/last
    local before
    before=$(pos)
    for set in '_version","value":1' '_id","value":"one"' "_index\",\"value\":\"$SCHEMA-u\""; do
        pipeline "{\"set\":{\"field\":\"$set}}"
        run -78 --separate-stderr elastic --pipeline "$SCHEMA"
        is "position, $set" "$before" "$(pos)"
    done
    pipeline '{"drop":{}}'
    run -65 --separate-stderr elastic --pipeline "$SCHEMA"
    is "position" "$before" "$(pos)"
    elastic --pipeline "$SCHEMA" --on-error dead-letter --dead-letter "$DIR/dead"
    is "dead letters" 1 "$(grep -c . "$DIR/dead")"
}

@test "deletes that the index forgets at once (gc_deletes): lines that come again, of one sink and of two, end in the right rows" {
    put "$SCHEMA-t" '{"settings":{"index.gc_deletes":"0ms"}}'
    {
        rows
        for i in 1 2 3 4 5 6; do change c "{\"id\":$i}" null "$(row $i '"a"' new)"; done
        commit
        for i in 1 2 3; do change d "{\"id\":$i}" "$(row $i '"a"' new)" null; done
        commit
        change c '{"id":1}' null "$(row 1 '"a"' anew)"
        commit
    } >"$IN"
    local expected="1:-:anew 4:-:new 5:-:new 6:-:new"
    forgotten() { curl -fsS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_flush?force=true" >/dev/null && curl -fsS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null; }
    for requests in 1 2; do
        rm -f "$DIR"/o*
        # Of each transaction alone, from the first line on, as after crashes.
        for events in 6 9 10; do
            elastic --requests "$requests" --batch-events 2 --max-events "$events"
            forgotten
            rm "$DIR"/o*
        done
        elastic --requests "$requests"
        is "one, $requests under way" "$expected" "$(docs)"
    done
    # A second copy of the pipeline that is behind, and catches up: its older rows come back for a while, and go again.
    for events in 6 9 10; do
        t cdc-sink-http --elasticsearch --max-events "$events" --batch-events 1 --offset-file "$DIR/second" "$OPENSEARCH_URL" <"$IN"
        forgotten
    done
    is "two" "$expected" "$(docs)"
}

# bats test_tags=only:search-modules
@test "a data stream keeps events and no rows: it is exit 78, and nothing is written to it" {
    put "_index_template/$SCHEMA" "{\"index_patterns\":[\"$SCHEMA-*\"],\"data_stream\":{},\"priority\":$((200 + BATS_TEST_NUMBER))}"
    { rows; change c '{"id":1}' null "$(row 1 '"a"' new)"; commit; } >"$IN"
    run -78 --separate-stderr elastic
    [[ $stderr == *"index \"$SCHEMA-t\" cannot be made"*"data stream"* ]]
    put "_data_stream/$SCHEMA-t" '{}'
    run -78 --separate-stderr elastic --on-error skip
    [[ $stderr == *"takes no document: "*"op_type of create"* ]]
    is position "" "$(pos)"
    is documents 0 "$(curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_count" | jq .count)"
}
