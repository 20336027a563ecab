#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http --data-stream: a history of changes, in which each is once, whatever is killed, sent again or rolled over.
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
    SOURCE_NAME=n$BATS_TEST_NUMBER
    SCHEMA=s$BATS_TEST_NUMBER
    STREAM=h$BATS_TEST_NUMBER
}
teardown() { end_spawned || true; }

sink() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" --data-stream "$STREAM" "$@" "${URL:-$OPENSEARCH_URL}"; }
api() { curl -sSf -X"$1" "$OPENSEARCH_URL/$2" -H 'Content-Type: application/json' ${3:+-d "$3"}; }
rollover() { api POST "$STREAM/_rollover" >/dev/null; }
backing() { api GET "_data_stream/$STREAM" | jq '.data_streams[0].indices | length'; }
# documents: pos of all, sorted.
documents() {
    api POST "$STREAM/_refresh" >/dev/null
    api GET "$STREAM/_search?size=10000&_source=pos" | jq -r '.hits.hits[]._source.pos' | sort
}
events() { jq -r 'select(.op | IN("r", "c", "u", "d", "t", "m")) | .pos' "$@" | sort; }
is_whole() { is "documents${1:+ $1}" "$(events "$IN")" "$(documents)"; }
# rows N: a transaction of N rows.
rows() {
    local i
    for ((i = 1; i <= $1; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"v\":\"v$i\"}"; done
    commit
}
count_is() { api POST "$STREAM/_refresh" >/dev/null && [ "$(api GET "$STREAM/_count" | jq .count)" = "$1" ]; }
has_at_least() { api POST "$STREAM/_refresh" >/dev/null 2>&1 && [ "$(api GET "$STREAM/_count" | jq .count)" -ge "$1" ]; }

# bats test_tags=only:search-modules
@test "each change is a document with its time, under an id of its own; the same lines again add nothing" {
    {
        schema id id:integer v:json
        change c '{"id":1}' null '{"id":1,"v":{"a.b":1,"":2}}'
        change u '{"id":1}' null '{"id":1,"v":"text now"}'
        change d '{"id":1}' '{"id":1}' null
        line t '"x":1'
        line m '"message":{"prefix":"p","content":"x","transactional":true}'
        commit
        TABLE=other
        schema id id:text
        change c '{"id":"x"}' null '{"id":"x"}'
        commit
    } >"$IN"
    sink <"$IN" 2>"$DIR/err"
    grep -q "no index template matches; \"cdc-$STREAM\" was made" <(sink -v <"$IN" 2>&1; cat "$DIR/err")
    is_whole
    is "the first" '["1970-01-01T00:00:00.001Z","c",{"id":1},{"id":1,"v":{"a.b":1,"":2}}]' \
        "$(api GET "$STREAM/_search?q=op:c&sort=pos:asc" | jq -c '.hits.hits[0]._source | [.["@timestamp"], .op, .key, .after]')"
    is "its id" "$SOURCE_NAME:$(events "$IN" | head -1)" "$(api GET "$STREAM/_search?sort=pos:asc" | jq -r '.hits.hits[0]._id')"
    rm "$DIR"/o*
    sink <"$IN"
    is_whole "after the same lines"
    run -78 --separate-stderr t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$OPENSEARCH_URL" <"$IN"
    [[ $stderr == *"is that of data streams"* ]]
}

# bats test_tags=only:search-modules
@test "a template of one's own, a stream a table; a document that it refuses is a refused line" {
    api PUT "_index_template/$STREAM" "{\"index_patterns\":[\"$STREAM-*\"],\"data_stream\":{},\"priority\":90$BATS_TEST_NUMBER,\"template\":{\"mappings\":{\"properties\":{\"after\":{\"properties\":{\"n\":{\"type\":\"long\"}}}}}}}" >/dev/null
    {
        schema id id:integer n:text
        change c '{"id":1}' null '{"id":1,"n":"1"}'
        change c '{"id":2}' null '{"id":2,"n":"two"}'
        change c '{"id":3}' null '{"id":3,"n":"3"}'
        commit
    } >"$IN"
    t cdc-sink-http --elasticsearch --offset-file "$DIR/o" --data-stream "$STREAM-{table}" --on-error=dead-letter --dead-letter "$DIR/dead" "$OPENSEARCH_URL" <"$IN"
    STREAM=$STREAM-t
    is documents "$(events "$IN" | sed 2d)" "$(documents)"
    is "the line" 2 "$(jq -r '.line | fromjson | .after.id' "$DIR/dead")"
    is "no template of ours" 404 "$(curl -sS -o /dev/null -w '%{http_code}' "$OPENSEARCH_URL/_index_template/cdc-$STREAM")"
}

# bats test_tags=only:search-modules
@test "a refused change is replayed whatever came after it: none stands for another, also without a key" {
    api PUT "_index_template/$STREAM" "{\"index_patterns\":[\"$STREAM\"],\"data_stream\":{},\"priority\":90$BATS_TEST_NUMBER,\"template\":{\"mappings\":{\"properties\":{\"after\":{\"properties\":{\"n\":{\"type\":\"long\"}}},\"message\":{\"properties\":{\"content\":{\"type\":\"long\"}}}}}}}" >/dev/null
    {
        schema id id:integer n:text
        change c '{"id":1}' null '{"id":1,"n":"bad"}'
        line m '"message":{"prefix":"p","content":"bad","transactional":true}'
        commit
        change u '{"id":1}' null '{"id":1,"n":"2"}'
        line t '"x":1'
        schema id id:integer n:text more:text
        change c '{"id":2}' null '{"id":2,"n":"bad","more":"x"}'
        change d '{"id":2}' '{"id":2}' null
        commit
        TABLE=keyless
        schema '' n:text
        line c '"key":null,"before":null,"after":{"n":"bad"}'
        commit
    } >"$IN"
    sink --on-error=dead-letter --dead-letter "$DIR/dead" <"$IN"
    is "letters" 4 "$(wc -l <"$DIR/dead")"
    run -65 sink --replay "$DIR/dead"
    sed -i 's/\\"bad\\"/\\"5\\"/g' "$DIR/dead"
    sink --replay "$DIR/dead"
    is_whole
    sink --replay "$DIR/dead"
    is_whole "a second time"
}

@test "a change that only the failure store of the stream has taken is a refused line" {
    local stream='200 {"data_streams":[{"generation":1,"indices":[{"index_name":".ds-h","index_uuid":"u"}]}]}' URL
    mkdir "$DIR/http"
    spawn python3 "$LIB/http-server.py" "$DIR/http"
    wait_until test -s "$DIR/http/port"
    URL=http://127.0.0.1:$(cat "$DIR/http/port")
    rows 2 >"$IN"
    printf '%s\n' "$stream" "$stream" '200 {"errors":false,"items":[{"create":{"status":201,"result":"created"}},{"create":{"status":201,"result":"created","failure_store":"used"}}]}' "$stream" "$stream" '200 {}' >"$DIR/http/script"
    sink --on-error=dead-letter --dead-letter "$DIR/dead" <"$IN"
    is "the letter" 2 "$(jq -r '.line | fromjson | .key.id' "$DIR/dead")"
    grep -q "failure_store" <(jq -r .reason "$DIR/dead")
    [[ $(jq -r 'select(.path | startswith("/_bulk")).path' "$DIR/http/log") == *items.*.failure_store* ]]
}

# bats test_tags=only:search-modules
@test "killed in the middle of a transaction, with rollovers before the lines come again: each change is there once" {
    local part
    mkfifo "$DIR/fifo"
    { schema id id:integer v:text; rows 5; rows 900; rows 3; } >"$IN"
    for part in 300 650; do
        spawn_line "exec cdc-sink-http --elasticsearch --offset-file '$DIR/o' --data-stream $STREAM --batch-events 50 --requests $((part / 300)) $OPENSEARCH_URL <'$DIR/fifo'"
        exec 7>"$DIR/fifo"
        head -$part "$IN" >&7
        wait_until has_at_least $((part - 150))
        kill -KILL "$SPAWNED"
        wait "$SPAWNED" || true
        exec 7>&-
        rollover
        rollover
    done
    # Up to the first transaction's end it was confirmed.
    sink --batch-events 50 <"$IN"
    is "indexes" 5 "$(backing)"
    is_whole
    sink <"$IN"
    is_whole "after the same lines"
}

# bats test_tags=only:search-modules
@test "an answer that is lost, and a rollover before the request is sent again: each change is there once" {
    local n
    for n in 1 2; do
        STREAM=h$BATS_TEST_NUMBER-$n URL=
        rm -f "$DIR"/o* "$DIR/port"
        spawn python3 "$LIB/http-lost.py" "$DIR/port" "$OPENSEARCH_URL" $n "$STREAM"
        wait_until test -s "$DIR/port"
        URL=http://127.0.0.1:$(cat "$DIR/port")
        { schema id id:integer v:text; rows 100; rows 400; } >"$IN"
        sink --batch-events 100 --requests $((3 - n)) <"$IN"
        is "indexes" 2 "$(backing)"
        is_whole "with answer $n lost"
    done
}

# bats test_tags=only:search-modules
@test "a stream that is deleted, or made anew, is exit 78, and nothing is confirmed" {
    { schema id id:integer v:text; rows 5; } >"$IN"
    sink <"$IN"
    rollover
    { rows 5; } >"$IN"
    sink <"$IN"
    api DELETE "_data_stream/$STREAM" >/dev/null
    { rows 5; } >"$IN"
    cp "$DIR/o" "$DIR/before"
    run -78 --separate-stderr sink <"$IN"
    [[ $stderr == *"data stream \"$STREAM\" is gone"* ]]
    api PUT "_data_stream/$STREAM" >/dev/null
    run -78 --separate-stderr sink <"$IN"
    [[ $stderr == *"data stream \"$STREAM\" is gone"* ]]
    is "the position" "$(jq -c .offsets "$DIR/before")" "$(jq -c .offsets "$DIR/o")"
    is "its documents" "" "$(documents)"
}

@test "usage: what is of indexes does not go with --data-stream" {
    local option
    for option in --index=x --alias=x --mapping=auto --routing=x --pipeline=x; do
        run -64 --separate-stderr sink "$option" </dev/null
        [[ $stderr == *"--data-stream"* ]]
    done
    run -64 t cdc-sink-http --webhook --data-stream x http://127.0.0.1:1 </dev/null
    STREAM=UPPER run -64 sink </dev/null
}
