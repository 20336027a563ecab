#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http: webhooks and _bulk against a server that misbehaves on demand, and against a real OpenSearch.
# takes: 90 s
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

server() {
    mkdir -p "$DIR/http"
    spawn python3 "$LIB/http-server.py" "$DIR/http" "$@"
    wait_until test -s "$DIR/http/port"
    URL=http://127.0.0.1:$(cat "$DIR/http/port")
}
script() { printf '%s\n' "$@" >"$DIR/http/script"; }
log() { jq -r "$1" "$DIR/http/log"; }
requests() { grep -c . "$DIR/http/log"; }
webhook() { t cdc-sink-http --webhook --offset-file "$DIR/o" "$@" "$URL" <"$IN"; }
elastic() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "${URL:-$OPENSEARCH_URL}" <"$IN"; }
pos() { jq -r ".offsets[\"$SOURCE_NAME\"].pos // \"\"" "$DIR/o"; }
users() { schema id id:integer name:text big:text; }
three() {
    users
    for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"n$i\",\"big\":\"b$i\"}"; done
    commit
}
# docs: the documents of the test's index, in order of _id, as _id/_version/source.
docs() {
    curl -sS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null
    curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_search?version=true&size=1000" | jq -c '[.hits.hits[] | [._id, ._version, ._source]] | sort[]'
}

@test "webhook: one POST a change line, in order; schema and commit lines are not sent; ids are the same again" {
    server
    three >"$IN"
    webhook --header 'X-Token: secret'
    is requests 3 "$(requests)"
    is ops "c c c" "$(log '.body | fromjson | .op' | xargs)"
    is bodies "$(grep '"op":"c"' "$IN")" "$(log .body)"
    is type application/json "$(log '.headers["content-type"]' | sort -u)"
    is token secret "$(log '.headers["x-token"]' | sort -u)"
    [[ $(log '.headers["webhook-timestamp"]' | head -1) =~ ^[0-9]+$ ]]
    log '.headers["webhook-id"]' >"$DIR/ids"
    is "different ids" 3 "$(sort -u "$DIR/ids" | wc -l)"
    [[ $(pos) == *99999999* ]]
    webhook
    is "requests after the same lines" 3 "$(requests)"
    rm "$DIR/o" "$DIR/http/log"
    webhook
    is "ids of the lines sent again" "$(cat "$DIR/ids")" "$(log '.headers["webhook-id"]')"
}

@test "webhook: NDJSON and array batches" {
    server
    three >"$IN"
    webhook --format=ndjson
    is requests 1 "$(requests)"
    is body "$(grep '"op":"c"' "$IN")" "$(log .body | sed '/^$/d')"
    is type application/x-ndjson "$(log '.headers["content-type"]')"
    rm "$DIR/o" "$DIR/http/log"
    webhook --format=array
    is array 3 "$(log '.body | fromjson | length')"
    rm "$DIR/o" "$DIR/http/log"
    webhook --format=array --batch-bytes 500
    is "lines of all batches" "1 2 3" "$(log '.body | fromjson | .[].after.id' | xargs)"
    [ "$(requests)" -gt 1 ]
    is "different ids" "$(requests)" "$(log '.headers["webhook-id"]' | sort -u | wc -l)"
}

@test "webhook: 429 with Retry-After, 503, cut connections: sent again until taken, nothing confirmed before" {
    server
    three >"$IN"
    script '429 Retry-After=2' 503 close close 500 200
    local start=$SECONDS
    LIMIT=60 webhook
    [ $((SECONDS - start)) -ge 2 ]
    is "taken" "1 2 3" "$(log 'select(.answer == null or .answer == "200") | .body | fromjson | .after.id' | xargs)"
    is "requests" 8 "$(requests)"
    rm "$DIR/o" "$DIR/http/log"
    pkill -P "$SPAWNED" 2>/dev/null || true
    server_again 503 503 503 503
    run -69 --separate-stderr webhook --retry-max 2
    [[ $stderr == *"503"* ]]
    is "offset" "" "$(pos)"
}
server_again() {
    end_spawned || true
    rm -rf "$DIR/http"
    server
    script "$@"
}

@test "webhook: a timeout is a failure like any other" {
    server
    three >"$IN"
    script slow
    run -69 --separate-stderr webhook --timeout 300ms --retry-max 0
    [[ $stderr == *"imed out"* || $stderr == *imeout* ]]
    is "offset" "" "$(pos)"
}

@test "webhook: redirects, 401, 404, 410 stop; other refusals are the line's" {
    server
    three >"$IN"
    script '301 Location=http://127.0.0.1:1/' 401 404 410 '422 no'
    run -78 webhook
    run -77 --separate-stderr webhook
    [[ $stderr == *CDC_HTTP_PASSWORD* ]]
    run -78 webhook
    run -78 webhook
    run -65 --separate-stderr webhook
    [[ $stderr == *422* ]]
    is "offset" "" "$(pos)"
    local code
    for code in 402 411 415 431; do # of the request: each line would get it
        server_again $code
        run -78 --separate-stderr webhook --on-error=skip
        [[ $stderr == *"HTTP status $code"* ]]
        is "offset after $code" "" "$(pos)"
    done
    server_again 200 422
    webhook --on-error=dead-letter --dead-letter "$DIR/dead"
    grep -q 'n2' "$DIR/dead"
    is "taken" "1 3" "$(log 'select(.answer != "422") | .body | fromjson | .after.id' | xargs)"
    # In a batch the line at fault is found by halves.
    rm "$DIR/o"
    server_again 422 200 422 422 200
    webhook --format=array --on-error=skip 2>"$DIR/err"
    grep -q "skipped" "$DIR/err"
    is "requests" "3 1 2 1 1" "$(log '.body | fromjson | length' | xargs)"
}

@test "webhook: the status counts, however long the answer" {
    server
    three >"$IN"
    script '500 x*2000000' '200 x*2000000' '503 x*2000000' 200 200
    webhook
    is "lines taken" "1 2 3" "$(log 'select(.answer | startswith("200")) | .body | fromjson | .after.id' | xargs)"
    for pair in 500=69 302=78 401=77 422=65; do
        rm -f "$DIR/o"
        server_again "${pair%=*} x*2000000"
        run "-${pair#*=}" webhook --retry-max 0
        is "offset after ${pair%=*}" "" "$(pos)"
    done
}

@test "webhook: the status counts though the body has no end, stops, or breaks off" {
    server
    three >"$IN"
    script 'endless 200' 'stuck 201' cut # 204 has no body
    webhook --timeout 1 --retry-max 0
    is "lines, each sent once" "1 2 3" "$(log '.body | fromjson | .after.id' | xargs)"
    [[ $(pos) == *99999999* ]]
    rm -f "$DIR/o"
    server_again 'endless 503' 'stuck 503' 200 'endless 422'
    run -65 --separate-stderr webhook --timeout 1
    [[ $stderr == *"HTTP status 422: xxx"* ]]
    is "lines" "1 1 1 2" "$(log '.body | fromjson | .after.id' | xargs)"
    is "offset" "" "$(pos)"
}

@test "what is tried again says why, where the server does" {
    server
    three >"$IN"
    script '429 {"error":{"reason":"rejected_execution"}}' '503 <html>busy</html>' 200
    run -0 --separate-stderr webhook
    [[ $stderr == *'HTTP status 429: {"error":{"reason":"rejected_execution"}}; trying again'* ]]
    [[ $stderr == *'HTTP status 503; trying again'* ]]
}

@test "a connection that is cut within the header of an answer: sent again, whatever the status was to be" {
    server
    three >"$IN"
    script 'head 200' 200 'head 400' 'head 404' 200
    webhook
    is "lines" "1 1 2 2 2 3" "$(log '.body | fromjson | .after.id' | xargs)"
    [[ $(pos) == *99999999* ]]
    rm -f "$DIR/o"
    server_again 'head 200' 'head 404' 'head 413'
    elastic
    is "the same request" 4 "$(log .body | sed 's/^{"index".*//' | grep -c '"name":"n3"')"
    [[ $(pos) == *99999999* ]]
}

@test "webhook: a batch has lines of one source, so that its id says all that is in it" {
    server
    from() { SOURCE_NAME=$1 SEQ=$2; users; change c "{\"id\":$2}" null "{\"id\":$2}"; commit; }
    { from a 100; from b 100; from a 200; } >"$IN"
    t cdc-sink-http --webhook --format ndjson "$URL" <"$IN"
    { from a 100; from b 100; from b 150; from a 200; from a 300; } >"$IN"
    t cdc-sink-http --webhook --format ndjson "$URL" <"$IN"
    is "each id has the same lines" "" "$(log '[.headers["webhook-id"], .body] | @json' | sort -u | jq -r '.[0]' | uniq -d)"
    is "lines, in order" "100 100 200 100 100 150 200 300" "$(log .body | grep . | jq .after.id | xargs)"
    is "one source each" "" "$(log '.body | [split("\n")[] | select(. != "") | fromjson.source.name] | unique | select(length > 1) | @json')"
}

@test "webhook: too large a batch is halved" {
    server
    three >"$IN"
    script 'max 900'
    webhook --format=array
    is "lines taken" "1 2 3" "$(log '.body | select(length <= 900) | fromjson | .[].after.id' | xargs)"
    script 'max 100'
    rm "$DIR/o"
    server_again 'max 100'
    run -65 --separate-stderr webhook --format=array
    [[ $stderr == *413* ]]
}

@test "a server that is away: waits for it; SIGTERM in between leaves cleanly with nothing confirmed" {
    server
    local port=${URL##*:}
    end_spawned || true
    three >"$IN"
    spawn bash -c "exec cdc-sink-http --webhook --offset-file '$DIR/o' '$URL' <'$IN' 2>'$DIR/err'"
    wait_for_match "$DIR/err" 'trying again'
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" 10
    is "offset" "" "$(pos)"
    spawn bash -c "exec cdc-sink-http --webhook --offset-file '$DIR/o' '$URL' <'$IN' 2>'$DIR/err2'"
    local sink=$SPAWNED
    wait_for_match "$DIR/err2" 'trying again'
    rm "$DIR/http/port"
    server "$port"
    status_of "$sink" 40
    is taken "1 2 3" "$(log '.body | fromjson | .after.id' | xargs)"
    grep -q 'answers again' "$DIR/err2"
}

@test "options and URL: usage errors; a password is in no message and not in the process list" {
    three >"$IN"
    URL=http://127.0.0.1:1
    run -64 t cdc-sink-http "$URL" <"$IN"
    run -64 t cdc-sink-http --webhook --elasticsearch "$URL" <"$IN"
    run -64 t cdc-sink-http --webhook ftp://127.0.0.1/ <"$IN"
    run -64 webhook --header nocolon
    run -64 webhook --header $'A: b\r\nC: d'
    run -64 webhook --index x
    run -64 elastic --format=array
    run -64 elastic --index '{schema}/{table}'
    run -64 elastic --index _x
    run -64 webhook --user me:secret
    run -64 --separate-stderr t cdc-sink-http --webhook 'http://me:topsecret@' <"$IN"
    [[ $stderr != *topsecret* ]]
    server
    end_spawned || true
    spawn bash -c "exec cdc-sink-http --webhook --header 'Authorization: Bearer hushhush' '${URL/http:\/\//http://me:topsecret@}' <'$IN' 2>'$DIR/err'"
    wait_for_match "$DIR/err" 'trying again'
    ! grep -aqE 'topsecret|hushhush' "/proc/$SPAWNED/cmdline" || fail "a secret stands in the arguments"
    ! grep -qE 'topsecret|hushhush' "$DIR/err" || fail "a secret stands in the messages"
}

@test "_bulk: an item with 429 is sent again, with all after it; 400 goes to the dead-letter file" {
    server
    three >"$IN"
    script 'bulk 200 429:es_rejected_execution_exception 200' 'bulk 200 200'
    elastic
    is requests 2 "$(requests)"
    is "ids of the second request" "2 3" "$(jq -r .body "$DIR/http/log" | tail -n +8 | sed '/^$/d' | jq -r '.index._id // empty' | xargs)"
    rm "$DIR/o"
    server_again 'bulk 200 400:mapper_parsing_exception 200'
    run -65 --separate-stderr elastic
    [[ $stderr == *mapper_parsing_exception* ]]
    is "offset" "" "$(pos)"
    server_again 'bulk 200 400:mapper_parsing_exception 200'
    elastic --on-error=dead-letter --dead-letter "$DIR/dead"
    grep -q 'n2' "$DIR/dead"
    is "dead letters" 1 "$(grep -c . "$DIR/dead")"
    is requests 1 "$(requests)"
    [[ $(pos) == *99999999* ]]
}

@test "_bulk: a stage before has dropped the columns of schema lines: the key is all that an index needs" {
    server
    three | sed 's/"columns":\[[^]]*\],//' >"$IN"
    grep -q '"columns"' "$IN" && return 1
    elastic
    is ids "1 2 3" "$(jq -r .body "$DIR/http/log" | sed '/^$/d' | jq -r '.index._id // empty' | xargs)"
}

@test "_bulk: a refused line in a batch of several transactions confirms none of what was not taken" {
    server
    { three; users; change c '{"id":4}' null '{"id":4,"name":"n4","big":"b"}'; commit; users; change c '{"id":5}' null '{"id":5,"name":"n4","big":"b"}'; commit; } >"$IN"
    script 'bulk 200 400:mapper_parsing_exception 200 200 200'
    run -65 elastic --batch-events 5
    is "offset" "" "$(pos)"
}

@test "_bulk: what a mapping does not allow is a refused line, though Elasticsearch says 500" {
    server
    three >"$IN"
    script 'bulk 200 500:mapper_exception 200'
    run -65 --separate-stderr elastic
    [[ $stderr == *"line 3: "*mapper_exception* ]]
}

@test "fields that the index has as something else: 500 to Elasticsearch, and no fault of the server" {
    server
    three >"$IN"
    elastic
    echo PUT 500:mapper_exception >"$DIR/http/mapping-status"
    { users; change c '{"id":4}' null '{"id":4,"name":"n4","big":"b4"}'; commit; } >"$IN"
    elastic --mapping auto --retry-max 0
    is ids "1 2 3 4" "$(jq -r .body "$DIR/http/log" | sed '/^$/d' | jq -r '.index._id // empty' | xargs)"
}

@test "_bulk: answers that mean success, and answers that make no sense" {
    server
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; change d '{"id":2}' '{"id":2}' null; commit; } >"$IN"
    script 'bulk 409:version_conflict_engine_exception 404'
    elastic
    [[ $(pos) == *99999999* ]]
    for answer in 'bulk*1 200' 'bulk*3 200' '200 nonsense' '200 {}' '200 {"items":[{}]}' '200 {"items":[{"index":{}},{"delete":{}}]}' '200 {"items":{}}' 400; do
        rm -f "$DIR/o"
        server_again "$answer"
        run -76 elastic
        is "offset after $answer" "" "$(pos)"
    done
    for pair in 'bulk 403:security_exception=77' 'bulk 404:index_not_found_exception 404=78' 401=77 404=78 418=78 302=78; do
        rm -f "$DIR/o"
        server_again "${pair%=*}"
        run elastic
        is "status for $pair" "${pair##*=}" "$status"
    done
    rm -f "$DIR/o"
    server_again 'bulk 403:cluster_block_exception 200' 'bulk 503:unavailable_shards_exception 200' 'bulk 200'
    elastic
    is requests 3 "$(requests)"
}

@test "an answer that only the end of the connection ends: one that is cut is none, a whole one is" {
    local cut
    three >"$IN"
    for cut in 'till 200' 'till 200 {' 'till 200 {"errors":fal' 'till 200 {"items":[{"index":{"status":200}}'; do
        rm -f "$DIR/o"
        server_again "$cut" 'till 200 {"errors":false}'
        LIMIT=20 run -0 --separate-stderr elastic --retry-max 1
        [[ $stderr == *"closed within the answer"* ]]
        is "requests after $cut" 2 "$(requests)"
    done
    rm "$DIR/o"
    server_again 'till 200 <html>Log in</html>'
    run -76 elastic
}

@test "_bulk, _mget: answers about other documents than those in their places are none" {
    local failed='"status":400,"error":{"type":"mapper_parsing_exception","reason":"because"}' item
    server
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit
      for item in 2 3; do change c "{\"id\":$item}" null "{\"id\":$item,\"name\":\"a\",\"big\":\"b\"}"; done; commit; } >"$IN"
    script 'bulk 200' '200 {"errors":true}' "200 {\"errors\":true,\"items\":[{\"index\":{\"_id\":\"3\",$failed}},{\"index\":{\"_id\":\"2\",\"status\":201}}]}"
    run -76 --separate-stderr elastic --batch-events 1 --on-error skip
    [[ $stderr == *"of another document in its place"* ]]
    [[ $(pos) == 00000100* ]] || fail "moved past what was not stored: $(pos)"
    rm "$DIR/o"
    { users; change d '{"id":2}' '{"id":2}' null; change d '{"id":3}' '{"id":3}' null; commit; } >"$IN"
    server_again '200 {"errors":true}' "200 {\"errors\":true,\"items\":[{\"delete\":{\"_id\":\"3\",$failed}},{\"delete\":{\"_id\":\"2\",\"status\":200}}]}"
    run -76 elastic --on-error skip
    # Columns of one row would become those of another.
    rm "$DIR/o"
    { users; for item in 1 2; do change u "{\"id\":$item}" null "{\"id\":$item,\"name\":\"x\"}" '["big"]'; done; commit; } >"$IN"
    server_again '200 {"docs":[{"_id":"2","found":true,"_version":1,"_source":{"id":2,"big":"b2"}},{"_id":"1","found":true,"_version":1,"_source":{"id":1,"big":"b1"}}]}'
    run -76 elastic
}

@test "_mget, _search: answers of any type, and documents that may not be read" {
    server
    { users; change u '{"id":1}' null '{"id":1,"name":"x"}' '["big"]'; commit; } >"$IN"
    for answer in '[]' '{}' '{"docs":{}}' '{"docs":[]}' '{"docs":[1]}' '{"docs":[[1]]}' '{"docs":[["found",true]]}' '{"docs":[{"error":[1]}]}' \
        '{"docs":[{"found":1}]}' '{"docs":[{"found":false},{"found":false}]}' 'x*10'; do
        rm -f "$DIR/o"
        server_again "200 $answer"
        run -76 elastic
        is "offset after $answer" "" "$(pos)"
    done
    for answer in '{"docs":[{"error":{"type":"security_exception","reason":"no"}}]}=77' '{"docs":[{"found":true,"_version":1,"_source":[1]}]}=78' \
        '{"docs":[{"found":true,"_source":{}}]}=78' ' {"docs":[{"found":false}]} =0'; do
        rm -f "$DIR/o"
        server_again "200 ${answer%=*}"
        run elastic
        is "status for $answer" "${answer##*=}" "$status"
    done
    rm -f "$DIR/o"
    { users; line t '"x":1'; commit; } >"$IN"
    for answer in '[]' '{}' '{"_scroll_id":[1]}' '{"_scroll_id":"s","hits":[1]}' '{"_scroll_id":"s","hits":{"hits":{}}}' '{"_scroll_id":"s","hits":{"hits":[[1]]}}' \
        '{"_scroll_id":"s","hits":{"hits":[{"_id":1}]}}' '{"_scroll_id":"s","_shards":[1],"hits":{"hits":[]}}'; do
        server_again 200 "200 $answer"
        run -76 elastic
        is "offset after $answer" "" "$(pos)"
    done
    server_again 200 '200 {"_scroll_id":"s","timed_out":true}' 200 200 '200 {"_scroll_id":"s"}'
    elastic
    [[ $(pos) == *99999999* ]]
    is "scrolls ended" '{"scroll_id":"s"} {"scroll_id":"s"}' "$(log 'select(.method == "DELETE").body' | xargs -d '\n')"
}

@test "truncate: every delete has its answer, and the scroll is ended after a failure, too" {
    server
    { users; line t '"x":1'; commit; } >"$IN"
    local page='200 {"_scroll_id":"s","hits":{"hits":[{"_id":"1"},{"_id":"2"}]}}'
    for answer in 'bulk*1 200' 'bulk*3 200' '200 {"errors":false}'; do
        server_again 200 "$page" "$answer"
        run -76 elastic
        is "offset after $answer" "" "$(pos)"
        is "scrolls ended after $answer" '{"scroll_id":"s"}' "$(log 'select(.method == "DELETE").body')"
    done
    server_again 200 "$page" 'bulk 200 200' '200 {"_scroll_id":"s"}'
    elastic
    [[ $(pos) == *99999999* ]]
    rm "$DIR/o"
    # A search would not see what that shard got a moment ago.
    server_again '200 {"_shards":{"failed":1}}' '200 {"_shards":{"failed":0}}' "$page" 'bulk 200 200' '200 {"_scroll_id":"s"}'
    elastic
    is "refreshed again where a shard failed" 2 "$(log 'select(.path | contains("_refresh")).path' | wc -l)"
    [[ $(pos) == *99999999* ]]
    rm "$DIR/o"
    # The scroll has moved on past a page whose answer is lost: nobody may ask for the next one, libcurl neither.
    server_again '200 {"_shards":{"failed":0}}' "$page" 'bulk 200 200' close 200 \
        '200 {"_shards":{"failed":0}}' "${page/\"s\"/\"t\"}" 'bulk 200 200' '200 {"_scroll_id":"t"}'
    elastic
    is "begun again after a lost page" '"s" end "s" "t" end "t"' \
        "$(log 'select(.path | contains("_search/scroll")) | (if .method == "DELETE" then "end " else "" end) + (.body | fromjson.scroll_id | tojson)' | xargs -d '\n')"
    [[ $(pos) == *99999999* ]]
}

@test "_bulk: items are asked for only when some were not taken" {
    server
    { three; three; } >"$IN"
    script 'bulk 200' '200 {"errors":true}' 'bulk 200 429:es_rejected_execution_exception 200' '200 {"errors":false}'
    elastic --requests 1 --batch-events 3
    is "what was asked" "errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.shard,items.*._index,items.*._version,items.*.result
errors
errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.shard
errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.shard" "$(log '.path | ltrimstr("/_bulk?filter_path=")')"
    is "the same request" 1 "$(log 'select(.answer != "bulk 200") | .body' | head -12 | sed '/^$/d' | jq -r '.index._id // empty' | xargs -n3 | sort -u | wc -l)"
    [[ $(pos) == *99999999* ]]
    rm "$DIR/o"
    server_again '200 {"errors":true}'
    run -76 elastic
    is offset "" "$(pos)"
}

pipeline() { curl -fsS -XPUT "$OPENSEARCH_URL/_ingest/pipeline/$SCHEMA" -H 'Content-Type: application/json' -d "{\"processors\":[$1]}" >/dev/null; }
# with_pipeline PROCESSOR: an empty index and no position, with a pipeline of it.
with_pipeline() {
    rm -f "$DIR/o"
    pipeline "$1"
    curl -sS -XDELETE "$OPENSEARCH_URL/$SCHEMA-*" >/dev/null
    curl -fsS -XPUT "$OPENSEARCH_URL/$SCHEMA-t" -H 'Content-Type: application/json' -d "{\"settings\":{\"index.default_pipeline\":\"$SCHEMA\"}}" >/dev/null
}
# bats test_tags=only:search-ingest
@test "OpenSearch: an ingest pipeline may change fields; another _id or index is exit 78, a dropped document a refused line" {
    three >"$IN"
    with_pipeline '{"set":{"field":"name","value":"same"}}'
    elastic
    is "changed fields" "1 same 2 same 3 same" "$(docs | jq -r '.[0], .[2].name' | xargs)"
    # It would get what it has made of a column once more.
    { users; change u '{"id":1}' null '{"id":1,"name":"x"}' '["big"]'; change u '{"id":2}' null '{"id":2,"name":"x"}' '["big"]'; commit; } >"$IN"
    run -0 --separate-stderr elastic
    is "said of columns that it gets again" 1 "$(grep -c 'has an ingest pipeline, and columns that the log omits' <<<"$stderr")"
    three >"$IN"
    with_pipeline '{"set":{"field":"_id","value":"one"}}'
    run -78 --separate-stderr elastic
    [[ $stderr == *"index \"$SCHEMA-t\": an ingest pipeline writes its documents under another _id"* ]]
    is "position" "" "$(pos)"
    with_pipeline "{\"set\":{\"field\":\"_index\",\"value\":\"$SCHEMA-u\"}}"
    run -78 --separate-stderr elastic
    [[ $stderr == *"an ingest pipeline writes its documents to another index"* ]]
    is "position" "" "$(pos)"
    with_pipeline '{"drop":{"if":"ctx.id == 2"}}'
    run -65 --separate-stderr elastic
    [[ $stderr == *"line 3: "*"an ingest pipeline of the index does not let the document in"* ]]
    elastic --on-error=dead-letter --dead-letter "$DIR/dead"
    is "documents without it" "1 3" "$(docs | jq -r '.[0]' | xargs)"
    is "dead letters" 1 "$(grep -c . "$DIR/dead")"
    rm "$DIR/dead"
    with_pipeline '{"fail":{"if":"ctx.id == 2","message":"not two"}}' # that has status 500
    elastic --on-error=dead-letter --dead-letter "$DIR/dead"
    is "documents without it" "1 3" "$(docs | jq -r '.[0]' | xargs)"
    [[ $(cat "$DIR/dead") == *"not two"* ]]
    with_pipeline '{"drop":{"if":"ctx.id == 2"}}'
    elastic --on-error=skip
    # In a later delivery, and of another run.
    { users; change u '{"id":3}' null '{"id":3,"name":"x"}'; commit; change c '{"id":2}' null '{"id":2,"name":"again"}'; commit; } >"$IN"
    run -65 --separate-stderr elastic --batch-events 1
    is "stored before it" x "$(docs | jq -r 'select(.[0] == "3")[2].name')"
}

@test "a refusal names the line of the input, webhook and _bulk" {
    server
    three >"$IN"
    script 'bulk 200 400:mapper_parsing_exception 200'
    run -65 --separate-stderr elastic
    [[ $stderr == *"line 3: "* ]]
    server_again 200 '400 no'
    run -65 --separate-stderr webhook
    [[ $stderr == *"line 3: "* ]]
}

@test "webhook: a content type of one's own; a query in no message; a slow server gets more time" {
    server
    three >"$IN"
    URL="$URL/hook?token=topsecret"
    webhook --header 'content-type: application/vnd.acme+json'
    is type application/vnd.acme+json "$(log '.headers["content-type"]' | sort -u)"
    is path "/hook?token=topsecret" "$(log .path | sort -u)"
    rm -f "$DIR/o"
    server_again slow slow # one for each attempt
    URL="$URL/hook?token=topsecret"
    run -69 --separate-stderr webhook --timeout 0.2 --retry-max 1
    [[ $stderr == *'gets 0.4 s from now on'* && $stderr != *topsecret* ]]
    is offset "" "$(pos)"
}

@test "_bulk: an update with unchanged columns of a document that is not there is told" {
    server
    { users; change u '{"id":1}' null '{"id":1,"name":"x"}' '["big"]'; commit; } >"$IN"
    script '200 {"docs":[{"found":false}]}'
    run -0 --separate-stderr elastic
    [[ $stderr == *'no document _id "1"'*'nothing is written'* ]]
}

@test "the journal of key changes: a tail that a power cut left is no damage, a hole in its middle is" {
    local absent='200 {"docs":[{"found":false}]}' tail
    server
    { users; change u '{"id":2}' '{"id":1}' '{"id":2,"name":"x"}' '["big"]'; commit; } >"$IN"
    script "$absent" '200 {"docs":[{"found":true,"_version":1,"_source":{"id":1,"big":"B"}}]}' 503
    run -69 elastic --retry-max 0
    is "what it holds" B "$(jq -r .rest.big "$DIR/o.moves")"
    cp "$DIR/o.moves" "$DIR/journal"
    for tail in '{"name":"n","po' '{"name":"n","po\n' '\0\0\0\0\0\0' '\0\0\0\n{"name":"n","pos":"1","rest":{}}\n'; do
        # shellcheck disable=SC2059
        { cat "$DIR/journal"; printf "$tail"; } >"$DIR/o.moves"
        server_again "$absent" "$absent" 503
        run -69 elastic --retry-max 0
        cmp "$DIR/o.moves" "$DIR/journal"
        is "the document" B "$(jq -r 'select(.path | startswith("/_bulk")).body' "$DIR/http/log" | jq -r '.big // empty')"
    done
    { echo '{"name":"n","po'; cat "$DIR/journal"; } >"$DIR/o.moves"
    run -78 --separate-stderr elastic
    [[ $stderr == *damaged* ]]
    # A copy that was given up: a new one has no use for what the old one knew.
    sed 's/"B"/"of the old copy"/' "$DIR/journal" >"$DIR/o.moves"
    rm "$DIR/o"
    server_again "$absent" '200 {"docs":[{"found":true,"_version":1,"_source":{"id":1,"big":"new"}}]}'
    elastic
    is "the new copy's document" new "$(jq -r 'select(.path | startswith("/_bulk")).body' "$DIR/http/log" | jq -r '.big // empty')"
}

@test "the journal of key changes, or the file of index ids, that is removed while the sink runs: exit 74, nothing is sent that needs it" {
    local absent='200 {"docs":[{"found":false}]}' found='200 {"docs":[{"found":true,"_version":1,"_source":{"id":1,"big":"B"}}]}'
    local sink status=0
    move() { users; change u "{\"id\":$2}" "{\"id\":$1}" "{\"id\":$2,\"name\":\"x\"}" '["big"]'; commit; }
    server
    script "$absent" "$found" 'bulk 200' 'bulk 200' "$absent" "$found"
    mkfifo "$DIR/fifo"
    IN=$DIR/fifo
    elastic 2>"$DIR/err" 3>&- &
    sink=$!
    exec 7>"$DIR/fifo"
    move 1 2 >&7
    wait_until grep -q "$SOURCE_NAME" "$DIR/o"
    cp "$DIR/o" "$DIR/stored"
    rm "$DIR/o.moves"
    move 2 3 >&7
    exec 7>&-
    wait $sink || status=$?
    is "exit status" 74 $status
    grep -q 'journal of key changes ".*o.moves" was removed' "$DIR/err"
    is "requests" 6 "$(requests)"
    cmp "$DIR/o" "$DIR/stored"

    SEQ=500 status=0
    elastic 2>"$DIR/err" 3>&- &
    sink=$!
    exec 7>"$DIR/fifo"
    { users; change c '{"id":8}' null '{"id":8}'; commit; } >&7
    wait_until grep -q '"seq":500' "$DIR/o"
    cp "$DIR/o" "$DIR/stored"
    rm "$DIR/o.indexes"
    { TABLE=other; users; change c '{"id":9}' null '{"id":9}'; commit; } >&7
    exec 7>&-
    wait $sink || status=$?
    is "exit status" 74 $status
    grep -q 'file of index ids ".*o.indexes" was removed' "$DIR/err"
    cmp "$DIR/o" "$DIR/stored"
}

@test "two tables of one name are seen at a truncate as well" {
    server
    { three; SCHEMA=other line t '"x":1'; commit; } >"$IN"
    run -78 --separate-stderr elastic --index '{table}'
    [[ $stderr == *"two source tables"*other.t* ]]
}

@test "_bulk: 413 halves the request; a single document that is too large is the line's fault" {
    server
    three >"$IN"
    script 'max 250'
    elastic
    is "ids taken" "1 2 3" "$(jq -r 'select(.body | length <= 250) | .body' "$DIR/http/log" | jq -r '.index._id // empty' | xargs)"
    rm "$DIR/o"
    server_again 'max 50'
    run -65 --separate-stderr elastic
    [[ $stderr == *413* ]]
    # Not the first of its request.
    rm -f "$DIR/o"
    server_again 'max 250'
    {
        schema id id:integer name:text
        change c '{"id":1}' null '{"id":1,"name":"a"}'
        change c '{"id":2}' null "{\"id\":2,\"name\":\"$(printf '%0400d' 0)\"}"
        commit
    } >"$IN"
    run -65 --separate-stderr elastic
    [[ $stderr == *"too large for the index"* ]]
    is "ids taken" 1 "$(jq -r 'select(.body | length <= 250) | .body' "$DIR/http/log" | jq -r '.index._id // empty' | sort -u | xargs)"
}

@test "_bulk: an item that is too large for the server's memory, though it says 429: a smaller request, then the line's fault" {
    server
    three >"$IN"
    large() { echo "{\"index\":{\"status\":429,\"error\":{\"type\":\"es_rejected_execution_exception\",\"reason\":\"Request contains an operation of size [90] bytes, which exceeds the maximum allowed limit of [80] bytes\"}}}"; }
    local taken='{"index":{"status":200}}'
    # Asked for items at once, since it is not known yet whether there is an ingest pipeline.
    script "200 {\"errors\":true,\"items\":[$taken,$(large),$(large)]}" "200 {\"errors\":true,\"items\":[$(large)]}"
    run -0 --separate-stderr elastic --on-error=dead-letter --dead-letter "$DIR/dead"
    is "the line" 2 "$(jq -r '.line | fromjson | .after.id' "$DIR/dead")"
    [[ $stderr == *"takes no request of"*"too large for the index"*"an operation of size [90]"* ]]
    is "ids sent" "1,2,3 2 3" "$(jq -r '[.body | split("\n")[] | select(. != "") | fromjson | .index._id // empty] | join(",")' "$DIR/http/log" | xargs)"
}

@test "OpenSearch: what is too large for its memory is sent in smaller requests; a document that is so alone is the line's fault" {
    local mb sizes='0 20 20 20 60 0'
    # Elasticsearch 9 takes each for four times its size once its shard is about to have it, beside the size of the whole request.
    [[ ${CDC_SEARCH:-} != elasticsearch-9* ]] || sizes='0 9 9 9 60 0'
    # In megabytes: the third is above a tenth of the heap with those before it, the fifth alone.
    { schema id id:integer v:text; for mb in $sizes; do change c "{\"id\":$POS}" null "{\"id\":$POS,\"v\":\"<$mb>\"}"; done; commit; } |
        python3 -c 'import re, sys
for line in sys.stdin: sys.stdout.write(re.sub("<([0-9]+)>", lambda mb: "y" * (int(mb[1]) << 20), line))' >"$IN"
    LIMIT=180 run -0 --separate-stderr elastic --batch-bytes 200M --on-error=skip
    [[ $stderr == *"takes no request of"*"too large for the index"*429*"operation_bytes=62914"* ]]
    curl -sSf -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null
    is "documents" "1 2 3 4 6" "$(curl -sSf "$OPENSEARCH_URL/$SCHEMA-t/_search?_source=false" | jq -r '.hits.hits[]._id' | sort | xargs)"
    curl -sSf -XDELETE "$OPENSEARCH_URL/$SCHEMA-t" >/dev/null
}

@test "OpenSearch: inserts, updates, deletes, key changes, delivered twice, with seq as version" {
    {
        three
        change u '{"id":1}' null '{"id":1,"name":"uno","big":"b1"}'
        change u '{"id":20}' '{"id":2}' '{"id":20,"name":"dos","big":"b2"}'
        change d '{"id":3}' '{"id":3}' null
        change c '{"id":4}' null '{"id":4,"name":"x\u0000é\ud83d\ude00","big":null}'
        commit
    } >"$IN"
    elastic
    local expected=$'["1",110,{"id":1,"name":"uno","big":"b1"}]\n["20",110,{"id":20,"name":"dos","big":"b2"}]\n["4",110,{"id":4,"name":"x\\u0000é😀","big":null}]'
    is documents "$expected" "$(docs)"
    rm "$DIR/o"
    elastic
    is "documents after the same lines" "$expected" "$(docs)"
}

@test "OpenSearch: unchanged columns keep the exact value, in place and when the key changes" {
    {
        schema id id:integer name:text big:json
        change c '{"id":1}' null '{"id":1,"name":"one","big":{"n":1.10,"big":12345678901234567890.123}}'
        change c '{"id":2}' null '{"id":2,"name":"two","big":{"n":2.20}}'
        commit
        change u '{"id":1}' null '{"id":1,"name":"uno"}' '["big"]'
        change u '{"id":1}' null '{"id":1,"name":"un"}' '["big"]'
        change u '{"id":20}' '{"id":2}' '{"id":20,"name":"dos"}' '["big"]'
        change u '{"id":9}' null '{"id":9,"name":"not there"}' '["big"]'
        commit
        change u '{"id":1}' '{"id":1,"name":"un","big":{"n":3.30}}' '{"id":1,"name":"full"}' '["big"]'
        commit
    } >"$IN"
    elastic
    docs >/dev/null
    is "document 1" '{"id":1,"name":"full","big":{"n":3.30}}' "$(curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_source/1")"
    is "document 20" '{"id":20,"name":"dos","big":{"n":2.20}}' "$(curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_source/20")"
    is "number" 2 "$(docs | wc -l)"
}

@test "OpenSearch: moved rows with unchanged columns survive any redelivery within their transaction" {
    {
        schema id id:integer name:text big:text
        for i in 1 2 3 4 5; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"n$i\",\"big\":\"B$i\"}"; done
        commit
    } >"$DIR/first"
    {
        change d '{"id":2}' '{"id":2}' null
        change u '{"id":2}' '{"id":1}' '{"id":2,"name":"was1"}' '["big"]'
        change u '{"id":1}' '{"id":3}' '{"id":1,"name":"was3"}' '["big"]'
        change u '{"id":4}' null '{"id":4,"name":"first","big":"new"}'
        change u '{"id":6}' '{"id":4}' '{"id":6,"name":"was4"}' '["big"]'
        change u '{"id":4}' '{"id":5}' '{"id":4,"name":"was5"}' '["big"]'
        change c '{"id":3}' null '{"id":3,"name":"n3 again","big":"C3"}'
        commit
    } >"$DIR/second"
    cp "$DIR/first" "$IN"
    elastic
    cp "$DIR/o" "$DIR/o.first"
    local expected=$'["1",{"id":1,"name":"was3","big":"B3"}]\n["2",{"id":2,"name":"was1","big":"B1"}]\n["3",{"id":3,"name":"n3 again","big":"C3"}]\n["4",{"id":4,"name":"was5","big":"B5"}]\n["6",{"id":6,"name":"was4","big":"new"}]'
    # As after a crash at each point of the transaction: what was sent is in the index, the offset is the one before.
    local n
    for n in 1 2 3 4 5 6 7; do
        head -n "$n" "$DIR/second" >"$IN"
        run elastic --batch-events 1
        cp "$DIR/o.first" "$DIR/o"
    done
    for n in 1 2; do
        cp "$DIR/second" "$IN"
        elastic
        is "documents, delivery $n" "$expected" "$(docs | jq -c 'del(.[1])')"
        cp "$DIR/o.first" "$DIR/o"
    done
}

@test "OpenSearch: truncate in the middle of a transaction, and delivered again" {
    {
        three
        change c '{"id":4}' null '{"id":4,"name":"in the same transaction","big":""}'
        line t '"x":1'
        change c '{"id":4}' null '{"id":4,"name":"after","big":""}'
        change c '{"id":1}' null '{"id":1,"name":"after","big":""}'
        commit
    } >"$IN"
    elastic
    local expected=$'["1",110,{"id":1,"name":"after","big":""}]\n["4",110,{"id":4,"name":"after","big":""}]'
    is documents "$expected" "$(docs)"
    rm "$DIR/o"
    elastic
    is "documents after the same lines" "$expected" "$(docs)"
    { TABLE=nothing line t '"x":1'; TABLE=nothing commit; } >"$IN"
    elastic
}

@test "OpenSearch: ids of composite, empty, odd and very long keys; names of indexes" {
    local long
    long=$(printf 'k%.0s' {1..600})
    {
        schema a,b a:text b:text
        change c '{"a":"x,y","b":"z"}' null '{"a":"x,y","b":"z"}'
        change c '{"a":"x","b":"y,z"}' null '{"a":"x","b":"y,z"}'
        change c '{"b":"2","a":"1"}' null '{"a":"1","b":"2"}'
        commit
    } >"$IN"
    elastic
    is ids "1,2 x%2Cy,z x,y%2Cz" "$(docs | jq -r '.[0]' | sort | xargs)"
    SCHEMA=k$BATS_TEST_NUMBER
    {
        schema id id:text
        for key in '' % '%%' "$long" "${long}x" 'a/b?c#d' $'é'; do change c "{\"id\":\"$key\"}" null "{\"id\":\"$key\"}"; done
        change d "{\"id\":\"${long}x\"}" "{\"id\":\"${long}x\"}" null
        commit
    } >"$IN"
    elastic
    is documents 6 "$(docs | wc -l)"
    docs | jq -r '.[0]' | grep -qE '^sha256:[0-9a-f]{64}$'
    is "hash" "sha256:$(printf %s "$long" | sha256sum | cut -d' ' -f1)" "$(docs | jq -r '.[0]' | grep sha256)"
    { SCHEMA=Big TABLE='Ta ble' schema id id:integer; SCHEMA=Big TABLE='Ta ble' change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    elastic
    is "index" 1 "$(curl -sS -XPOST "$OPENSEARCH_URL/x_42ig-_54a_20ble/_refresh" >/dev/null; curl -sS "$OPENSEARCH_URL/x_42ig-_54a_20ble/_count" | jq .count)"
    { SCHEMA=x TABLE=A schema id id:integer; SCHEMA=x TABLE=_41 schema id id:integer; } >"$IN"
    run -78 --separate-stderr elastic
    [[ $stderr == *"two source tables"* ]]
}

@test "OpenSearch: an index has one owner, in later runs too: another table's truncate, rows and schema line are 78" {
    local index=own$BATS_TEST_NUMBER
    TABLE=$index
    count() { curl -sS -XPOST "$OPENSEARCH_URL/$index/_refresh" >/dev/null; curl -sS "$OPENSEARCH_URL/$index/_count" | jq .count; }
    meta() { curl -sS "$OPENSEARCH_URL/$index/_mapping" | jq -c ".[\"$index\"].mappings._meta"; }
    three >"$IN"
    elastic --index '{table}'
    is "owner" "[\"$SOURCE_NAME\",\"d\",\"$SCHEMA\",\"$index\"]" "$(meta | jq -c '.cdc | [.name, .db, .schema, .table]')"
    for other in 'line t "x":1' 'schema id id:integer' 'change c {"id":9} null {"id":9}'; do
        (SCHEMA=staging; $other; commit) >"$IN"
        run -78 --separate-stderr elastic --offset-file "$DIR/other" --index '{table}'
        [[ $stderr == *"two source tables map to index \"$index\": d.$SCHEMA.$index"*"d.staging.$index"* ]]
        is "after: $other" 3 "$(count)"
    done
    curl -sS -XPUT "$OPENSEARCH_URL/$index/_mapping" -H 'Content-Type: application/json' -d '{"_meta":{"mine":[1,"x"]}}' >/dev/null
    { schema id id:integer name:text big:text; change d '{"id":1}' '{"id":1}' null; commit; } >"$IN"
    elastic --index '{table}'
    is "what else is in _meta stays" "[[1,\"x\"],\"$index\"]" "$(meta | jq -c '[.mine, .cdc.table]')"
    is "documents" 2 "$(count)"
}

@test "OpenSearch: names with other escapes, between two runs and in one, are the same" {
    SOURCE_NAME=quelle-ü SCHEMA=esc$BATS_TEST_NUMBER TABLE=größe
    rows_of() { change c "{\"é\":\"k$1ä\"}" null "{\"é\":\"k$1ä\",\"big\":\"v$1\"}"; commit; }
    ids() { opensearch_rows "$SCHEMA-gr*" '.big' | sort | xargs; }
    { schema é é:text big:text; rows_of 1; } >"$IN"
    elastic
    { schema é é:text big:text; change u '{"é":"k2ä"}' '{"é":"k1ä"}' '{"é":"k2ä"}' '["big"]'; commit; rows_of 3; } >"$DIR/plain"
    ascii <"$DIR/plain" >"$IN"
    rows_of 4 >>"$IN"
    elastic
    is "documents" "v1 v3 v4" "$(ids)"
    is positions 1 "$(jq '.offsets | length' "$DIR/o")"
}

@test "an index whose mapping may not be seen or changed: a warning, the rows arrive; an answer that makes no sense is 76" {
    server
    echo 'no json' >"$DIR/http/mapping"
    three >"$IN"
    run -76 --separate-stderr elastic
    [[ $stderr == *"the answer to _mapping is no JSON"* ]]
    for text in '[]' '{"i":[]}' '{"i":{"mappings":[]}}' '{"i":{"mappings":{"_meta":7}}}' '{"i":{"mappings":{"_meta":{"cdc":[]}}}}' ' {} '; do
        echo "$text" >"$DIR/http/mapping"
        rm -f "$DIR/o"
        elastic
        is "claimed after $text" t "$(jq -r '.[].mappings._meta.cdc.table' "$DIR/http/mapping")"
    done
    echo 403 >"$DIR/http/mapping-status"
    rm -f "$DIR/o"
    run -0 --separate-stderr elastic
    [[ $stderr == *"cannot be kept in its mapping (HTTP status 403)"* ]]
    [ -n "$(pos)" ]
}

@test "an index that is not there is made with its owner in it, before its first document" {
    server
    script 503
    three >"$IN"
    run -69 elastic --retry-max 0
    is "owner, though no row has arrived" t "$(jq -r '.[].mappings._meta.cdc.table' "$DIR/http/mapping")"
    # Made by somebody else between our look and our own try.
    rm "$DIR/http/mapping" "$DIR/http/script" "$DIR/http/log"
    echo '{"i":{"mappings":{"_meta":{"cdc":{"name":"x","db":"d","schema":"other","table":"t"}}}}}' >"$DIR/http/made"
    run -78 --separate-stderr elastic
    [[ $stderr == *"two source tables map to index"*"d.other.t"* ]]
    [ ! -e "$DIR/http/log" ]
    rm "$DIR/http/mapping"
    echo '{"i":{}}' >"$DIR/http/made"
    elastic
    is "owner of one that nobody had" t "$(jq -r '.[].mappings._meta.cdc.table' "$DIR/http/mapping")"
    is requests 1 "$(requests)"
}

@test "OpenSearch: an index that was deleted is not made anew, half empty: 78 at a start and while the sink runs" {
    local api=$OPENSEARCH_URL/$SCHEMA-t
    one() { users; change c "{\"id\":$1}" null "{\"id\":$1,\"name\":\"again\"}"; commit; }
    there() { curl -sS -o "$DIR/got" -w '%{http_code}' "$api"; }
    three >"$IN"
    elastic
    cp "$DIR/o" "$DIR/stored"
    one 4 >"$IN"
    curl -sSf -XDELETE "$api" >/dev/null
    run -78 --separate-stderr elastic
    [[ $stderr == *"index \"$SCHEMA-t\" is gone, with the documents"*"take a new snapshot"* ]]
    is "not made" 404 "$(there)"
    # Made by somebody else meanwhile, or by a request of another program.
    curl -sSf -XPUT "$api" >/dev/null
    run -78 --separate-stderr elastic
    [[ $stderr == *"is not the one that this sink has filled"* ]]
    cmp "$DIR/o" "$DIR/stored"
    # A copy of the old one, made with its mapping, is a restored index.
    curl -sSf -XDELETE "$api" >/dev/null
    curl -sSf -XPUT "$api" -H 'Content-Type: application/json' -d "{\"mappings\":{\"_meta\":{\"cdc\":{\"name\":\"$SOURCE_NAME\",\"db\":\"d\",\"schema\":\"$SCHEMA\",\"table\":\"t\"}}}}" >/dev/null
    elastic
    is documents 1 "$(docs | wc -l)"
    # While it runs: the request makes it anew, and it is looked at before the offset moves.
    mkfifo "$DIR/fifo"
    IN=$DIR/fifo
    elastic 2>"$DIR/err" 3>&- &
    local sink=$! status=0
    exec 7>"$DIR/fifo"
    SEQ=1000
    one 5 >&7
    wait_until grep -q 00001000 "$DIR/o"
    curl -sSf -XDELETE "$api" >/dev/null
    SEQ=2000
    one 6 >&7
    exec 7>&-
    wait $sink || status=$?
    is "exit status" 78 $status
    grep -q 'is not the one that this sink has filled' "$DIR/err"
    is "offset" 1000 "$(jq '.offsets[].seq' "$DIR/o")"
    # Both are given up: a new copy.
    rm "$DIR/o"
    curl -sSf -XDELETE "$api" >/dev/null
    IN=$DIR/in
    one 7 >"$IN"
    elastic
    is "a new copy" 1 "$(docs | wc -l)"
}

@test "the owner may not be kept in a mapping, but the index may be looked at: that it is deleted is seen all the same" {
    server
    echo "{\"$SCHEMA-t\":{\"mappings\":{}}}" >"$DIR/http/mapping"
    echo PUT 403 >"$DIR/http/mapping-status"
    three >"$IN"
    run -0 --separate-stderr elastic
    [[ $stderr == *"cannot be kept in its mapping"* ]]
    local stored
    stored=$(pos)
    rm "$DIR/http/mapping"
    { users; change c '{"id":4}' null '{"id":4}'; commit; } >"$IN"
    run -78 --separate-stderr elastic
    [[ $stderr == *"index \"$SCHEMA-t\" is gone"* ]]
    is position "$stored" "$(pos)"
}

@test "OpenSearch: an alias of several indexes, as a rollover makes it, is exit 78 and moves no position" {
    curl -fsS -XPUT "$OPENSEARCH_URL/$SCHEMA-000001" -H 'Content-Type: application/json' -d "{\"aliases\":{\"$SCHEMA-t\":{\"is_write_index\":true}}}" >/dev/null
    three >"$IN"
    elastic
    local stored
    stored=$(pos)
    curl -fsS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_rollover" >/dev/null
    { users; change d '{"id":2}' '{"id":2}' null; commit; } >"$IN"
    run -78 --separate-stderr elastic
    [[ $stderr == *"index \"$SCHEMA-t\" is an alias of several indexes"* ]]
    is position "$stored" "$(pos)"
    curl -fsS -XDELETE "$OPENSEARCH_URL/$SCHEMA-000002" >/dev/null
    curl -fsS "$OPENSEARCH_URL/_aliases" -H 'Content-Type: application/json' -d "{\"actions\":[{\"add\":{\"index\":\"$SCHEMA-000001\",\"alias\":\"$SCHEMA-t\",\"is_write_index\":true}}]}" >/dev/null
    elastic
    is documents "1 3" "$(docs | jq -r '.[0]' | xargs)"
}

@test "OpenSearch: an alias with a filter or a routing, through which not all documents are found, is exit 78 and loses no delete" {
    local stored limit
    curl -fsS -XPUT "$OPENSEARCH_URL/$SCHEMA-1" -H 'Content-Type: application/json' -d "{\"settings\":{\"number_of_shards\":3},\"aliases\":{\"$SCHEMA-t\":{}}}" >/dev/null
    three >"$IN"
    elastic
    stored=$(pos)
    # Of another run: one that the sink has seen as a plain one, and a truncate.
    { line t '"x":1'; commit; } >"$IN"
    for limit in '"filter":{"term":{"id":1}}' '"routing":"a"' '"search_routing":"a"'; do
        curl -fsS "$OPENSEARCH_URL/_aliases" -H 'Content-Type: application/json' -d "{\"actions\":[{\"remove\":{\"index\":\"$SCHEMA-1\",\"alias\":\"$SCHEMA-t\"}},{\"add\":{\"index\":\"$SCHEMA-1\",\"alias\":\"$SCHEMA-t\",$limit}}]}" >/dev/null
        run -78 --separate-stderr elastic
        [[ $stderr == *"index \"$SCHEMA-t\" is an alias with a "* ]]
        is "position, $limit" "$stored" "$(pos)"
    done
    # And one that is new to the sink.
    rm "$DIR/o"
    three >"$IN"
    run -78 --separate-stderr elastic
    is position "" "$(pos)"
}

@test "OpenSearch: unchanged columns that _source does not keep are exit 78; others of it are nobody's concern" {
    curl -fsS -XPUT "$OPENSEARCH_URL/$SCHEMA-t" -H 'Content-Type: application/json' -d '{"mappings":{"_source":{"excludes":["secret*","doc.key"]}}}' >/dev/null
    {
        schema id id:integer name:text big:text doc:json secret:text
        change c '{"id":1}' null '{"id":1,"name":"one","big":"B","doc":{"key":1,"n":2},"secret":"S"}'
        commit
        change u '{"id":1}' null '{"id":1,"name":"uno","doc":{"key":1,"n":2},"secret":"S"}' '["big"]'
        commit
    } >"$IN"
    elastic
    is found 1 "$(docs >/dev/null; curl -fsS "$OPENSEARCH_URL/$SCHEMA-t/_count?q=name:uno+AND+big:B+AND+secret:S&default_operator=AND" | jq .count)"
    local stored column rest
    stored=$(pos)
    for column in secret doc; do
        rest=$(jq -cn --arg c "$column" '{id:1,name:"eins",big:"B",doc:{key:1,n:2},secret:"S"} | del(.[$c])')
        { schema id id:integer name:text big:text doc:json secret:text; change u '{"id":1}' null "$rest" "[\"$column\"]"; commit; } >"$IN"
        run -78 --separate-stderr elastic
        [[ $stderr == *"does not keep all of column \"$column\" in _source"* ]]
        is position "$stored" "$(pos)"
    done
    is "still found" 1 "$(docs >/dev/null; curl -fsS "$OPENSEARCH_URL/$SCHEMA-t/_count?q=name:uno+AND+secret:S" | jq .count)"
}

block() { curl -fsS -XPUT "$OPENSEARCH_URL/_cluster/settings" -H 'Content-Type: application/json' -d "{\"persistent\":{\"cluster.blocks.$1\":$2}}" >/dev/null; }
# blocked BLOCK: the sink waits as long as the cluster has that block.
blocked() {
    block "$1" true
    : >"$DIR/err" # what the one before has said is not of this one
    elastic 2>>"$DIR/err" 3>&- &
    local sink=$! status=0
    wait_for_match "$DIR/err" 'trying again in' || status=1
    block "$1" null
    [ $status = 0 ] || fail "$(cat "$DIR/err")"
    wait $sink || status=$?
    is "exit status under $1" 0 $status
    not grep -q 'cannot be kept' "$DIR/err"
    grep -q 'blocked by' "$DIR/err" || fail "$(cat "$DIR/err")"
}
@test "OpenSearch: a block of the cluster is waited for, and is no missing privilege" {
    three >"$IN"
    # Elasticsearch knows no block of its own for making an index.
    if [[ ${CDC_SEARCH:-} == elasticsearch-* ]]; then blocked read_only; else blocked create_index; fi
    is owner "t" "$(curl -fsS "$OPENSEARCH_URL/$SCHEMA-t/_mapping" | jq -r '.[].mappings._meta.cdc.table')"
    is documents 3 "$(docs | wc -l)"
    { users; change c '{"id":4}' null '{"id":4}'; commit; } >"$IN"
    blocked read_only
    is documents 4 "$(docs | wc -l)"
    { users; line t '"x":1'; commit; } >"$IN"
    blocked read_only
    is documents 0 "$(docs | wc -l)"
}

@test "OpenSearch: lines that are older than the documents of another copy are told" {
    SEQ=100000
    three >"$IN"
    run -0 --separate-stderr elastic
    SEQ=200000
    { users; for name in w x; do change u '{"id":1}' null "{\"id\":1,\"name\":\"$name\"}"; commit; done; } >"$IN"
    cp "$DIR/o" "$DIR/before"
    elastic
    cp "$DIR/before" "$DIR/o"
    run -0 --separate-stderr elastic # both come again, and the older one has no effect: nothing to be told
    not grep -q 'newer version' <<<"$stderr"
    rm "$DIR/o"
    SEQ=1000
    { three; three; } >"$IN"
    run -0 --separate-stderr elastic --batch-events 3
    [[ $stderr == *"index \"$SCHEMA-t\": 3 lines were not written"*"up to 200010, and the position has 1000"* ]] || fail "$stderr"
    is "documents as they were" "x n2 n3" "$(docs | jq -r '.[2].name' | xargs)"
}

@test "another --index makes no second index without the documents of the first: exit 78" {
    server
    { users; change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    elastic
    local stored
    stored=$(pos)
    { users; change c '{"id":2}' null '{"id":2}'; commit; } >"$IN"
    run -78 --separate-stderr elastic --index 'v2-{table}'
    [[ $stderr == *"are in index \"$SCHEMA-t\""*'"v2-t" now'* ]] || fail "$stderr"
    is position "$stored" "$(pos)"
    is requests 1 "$(requests)"
    elastic
    is requests 2 "$(requests)"
}

@test "indexes that are looked at: one request a delivery for all of them, for nothing but the ids once those are known" {
    server
    row_of() { TABLE=$1; schema id id:integer; change c '{"id":1}' null '{"id":1}'; }
    for _ in 1 2 3; do row_of a; row_of b; row_of c; commit; done >"$IN"
    elastic --batch-events 3
    is "by name, with the owner" "$SCHEMA-a $SCHEMA-b $SCHEMA-c" "$(sed -n 's,^/\([^?/]*\)?.*mappings._meta.*,\1,p' "$DIR/http/looks" | xargs)"
    is "then ids alone" "$SCHEMA-a,$SCHEMA-b,$SCHEMA-c $SCHEMA-a,$SCHEMA-b,$SCHEMA-c" "$(sed -n 's;^/\([^?/]*\)/_settings/index.uuid,index.\*_pipeline,index.translog.durability?.*;\1;p' "$DIR/http/looks" | xargs)"
    is "no more" 5 "$(grep -c . "$DIR/http/looks")"
}

@test "indexes that are looked at: many tables in one batch, an alias, a torn file of ids, an answer without sense" {
    server
    for i in $(seq 25); do
        TABLE=table-with-a-name-that-is-so-long-that-not-all-of-them-go-into-the-first-line-of-one-request-$i
        schema id id:integer
        change c '{"id":1}' null '{"id":1}'
    done >"$IN"
    commit >>"$IN"
    elastic
    is "ids" 25 "$(grep -c '"source"' "$DIR/o.indexes")"
    is "what ids are made of" '{"key":["id"],"columns":["id"]}' "$(jq -c '.identity // empty' "$DIR/o.indexes" | sort -u)"
    is "each once" 25 "$(jq -r '.index // empty' "$DIR/o.indexes" | sort -u | wc -l)"
    printf '{"index":"half' >>"$DIR/o.indexes"
    { TABLE=table-with-a-name-that-is-so-long-that-not-all-of-them-go-into-the-first-line-of-one-request-7; schema id id:integer; change d '{"id":1}' '{"id":1}' null; commit; } >"$IN"
    elastic
    is "the torn line is gone" 50 "$(jq -r '.index // empty' "$DIR/o.indexes" | wc -l)"
    echo other >"$DIR/http/uuid"
    SEQ=900
    { TABLE=table-with-a-name-that-is-so-long-that-not-all-of-them-go-into-the-first-line-of-one-request-7; schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    elastic
    is "another id, and the owner in it" other "$(jq -r .uuid "$DIR/o.indexes" | tail -1)"
    # An alias i: the answer has another name.
    echo '{"i":{"mappings":{"_meta":{"cdc":{"name":"'"$SOURCE_NAME"'","db":"d","schema":"'"$SCHEMA"'","table":"table-with-a-name-that-is-so-long-that-not-all-of-them-go-into-the-first-line-of-one-request-7"}}}}}' >"$DIR/http/mapping"
    SEQ=950
    { TABLE=table-with-a-name-that-is-so-long-that-not-all-of-them-go-into-the-first-line-of-one-request-7; schema id id:integer; change c '{"id":2}' null '{"id":2}'; commit; } >"$IN"
    elastic
    echo '{"i":{"mappings":{}}}' >"$DIR/http/mapping"
    echo third >"$DIR/http/uuid"
    SEQ=990
    { TABLE=table-with-a-name-that-is-so-long-that-not-all-of-them-go-into-the-first-line-of-one-request-7; schema id id:integer; change c '{"id":3}' null '{"id":3}'; commit; } >"$IN"
    run -78 --separate-stderr elastic
    [[ $stderr == *"is not the one that this sink has filled"* ]]
    sed -i '3s/.*/{"index":7}/' "$DIR/o.indexes"
    run -78 --separate-stderr elastic
    [[ $stderr == *damaged* ]]
}

@test "a moved row whose new document is refused: stopped, the old one is there; skipped, it goes, also where that is put off" {
    {
        schema id id:integer v:text
        change c '{"id":1}' null '{"id":1,"v":"1"}'
        commit
    } >"$IN"
    curl -sS -XPUT "$OPENSEARCH_URL/$SCHEMA-t" -H 'Content-Type: application/json' -d '{"mappings":{"properties":{"v":{"type":"integer"}}}}' >/dev/null
    elastic
    {
        change u '{"id":2}' '{"id":1}' '{"id":2,"v":"no number"}'
        change c '{"id":3}' null '{"id":3,"v":"3"}'
        change u '{"id":4}' '{"id":3}' '{"id":4,"v":"4"}'
        commit
    } >"$IN"
    run -65 elastic
    is "documents after a stop" '["1","1"]' "$(docs | jq -c '[.[0], .[2].v]' | grep '"1"')"
    elastic --on-error=dead-letter --dead-letter "$DIR/dead"
    is documents '["4","4"]' "$(docs | jq -c '[.[0], .[2].v]')"
    is "dead letters" 2 "$(jq -r '.line | fromjson | .after.id' "$DIR/dead")"
    rm "$DIR/o"
    server
    script 'bulk 400:mapper_parsing_exception' 'bulk 429:busy' 'bulk 200'
    change u '{"id":2}' '{"id":1}' '{"id":2,"v":"no number"}' >"$IN"
    commit >>"$IN"
    elastic --on-error=skip
    is "last request" '{"delete":{"_id":"1"}}' "$(log .body | grep . | tail -1 | jq -c '{delete: {_id: .delete._id}}')"
    is requests 3 "$(requests)"
}

@test "OpenSearch: a whole row leaves a key, and one with unchanged columns takes it, in one batch" {
    {
        users
        change c '{"id":1}' null '{"id":1,"name":"one","big":"b1"}'
        change c '{"id":3}' null '{"id":3,"name":"three","big":"b3"}'
        commit
    } >"$IN"
    elastic
    tx
    {
        users
        change u '{"id":2}' '{"id":1}' '{"id":2,"name":"one","big":"b1"}'
        change u '{"id":1}' '{"id":3}' '{"id":1,"name":"three"}' '["big"]'
        commit
    } >"$IN"
    elastic
    is documents '["1",{"id":1,"name":"three","big":"b3"}] ["2",{"id":2,"name":"one","big":"b1"}]' "$(docs | jq -c '[.[0], .[2]]' | xargs -d '\n')"
    tx
    {
        users
        change u '{"id":1}' null '{"id":1,"name":"three","big":"new"}'
        change u '{"id":5}' '{"id":1}' '{"id":5,"name":"three"}' '["big"]'
        commit
    } >"$IN"
    elastic
    is "changed, and moved" '["5",{"id":5,"name":"three","big":"new"}]' "$(docs | jq -c '[.[0], .[2]]' | tail -1)"
}

@test "OpenSearch: a table without a key, a line without seq" {
    { schema '' a:integer; line c '"before":null,"after":{"a":1}'; commit; } >"$IN"
    run -65 --separate-stderr elastic
    [[ $stderr == *"table "*.*": the table has no key"* ]]
    # Names are told whole: half of a letter would be no text in the dead letter.
    local table=$TABLE
    TABLE=$(printf '漢%.0s' {1..22}) # 66 bytes
    { schema '' a:integer; line c '"before":null,"after":{"a":1}'; commit; } >"$IN"
    elastic --on-error dead-letter --dead-letter "$DIR/dead"
    iconv -f UTF-8 -t UTF-8 "$DIR/dead" | jq -e --arg t "$TABLE" '.error // .reason | contains("." + $t + ": the table")' >/dev/null || fail "$(cat "$DIR/dead")"
    TABLE=$table
    three | sed 's/"seq":[0-9]*,//' >"$IN"
    run -65 --separate-stderr elastic
    [[ $stderr == *seq* ]]
}

@test "OpenSearch: a mapping conflict names the document, a dead-letter file takes it" {
    {
        schema id id:integer v:text
        change c '{"id":1}' null '{"id":1,"v":1}'
        change c '{"id":2}' null '{"id":2,"v":"no number"}'
        change c '{"id":3}' null '{"id":3,"v":3}'
        commit
    } >"$IN"
    elastic --on-error=dead-letter --dead-letter "$DIR/dead"
    is ids "1 3" "$(docs | jq -r '.[0]' | xargs)"
    grep -q 'no number' "$DIR/dead"
}

@test "OpenSearch: a transaction of 100000 rows in small memory" {
    awk -v s="$SCHEMA" 'BEGIN {
        s = "\"source\":{\"connector\":\"postgresql\",\"name\":\"big\",\"db\":\"d\",\"schema\":\"" s "\",\"table\":\"t\"}"
        for (i = 1; i <= 100000; i++) printf "{\"op\":\"c\",\"pos\":\"2.%09d\",\"seq\":2,%s,\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d,\"v\":\"value of row %d, and something more to make it longer\"}}\n", i, s, i, i, i
        print "{\"op\":\"commit\",\"pos\":\"3\",\"seq\":2,\"source\":{\"name\":\"big\"},\"events\":100000}" }' >"$IN"
    python3 -c 'import resource,subprocess,sys
subprocess.run(sys.argv[2:], stdin=open(sys.argv[1]), check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$IN" cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$OPENSEARCH_URL" >"$DIR/rss"
    curl -sS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null
    is count 100000 "$(curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_count" | jq .count)"
    # A build with a sanitizer keeps what it frees.
    ldd "$BIN/cdc-sink-http" | grep -q san || [ "$(cat "$DIR/rss")" -lt 65536 ] || fail "peak memory $(cat "$DIR/rss") KiB"
}

@test "a proxy of the environment: said at the start, and never asked for this machine" {
    server
    three >"$IN"
    local proxy=$URL
    # The stub takes what is meant for another host: it plays the proxy.
    http_proxy=$proxy t cdc-sink-http --webhook --offset-file "$DIR/o1" http://rows.example.invalid/hook <"$IN" 2>"$DIR/err"
    grep -q 'info: http_proxy is set' "$DIR/err"
    is "through the proxy" 3 "$(requests)"
    http_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9 webhook --retry-max 0 2>"$DIR/err"
    not grep -q proxy "$DIR/err"
    is "past it" 6 "$(requests)"
    http_proxy=http://127.0.0.1:9 t cdc-sink-http --webhook --retry-max 0 --offset-file "$DIR/o2" "${URL/127.0.0.1/localhost}" <"$IN"
    is "past it" 9 "$(requests)"
}

@test "a proxy that refuses the way to an https server: what a person must mend is no retry" {
    three >"$IN"
    through() { https_proxy=$URL URL=https://rows.example.invalid/hook webhook --retry-max 3; }
    for answer in '407 Proxy-Authenticate=Basic' 403 401; do
        server_again "$answer"
        run -77 --separate-stderr through
        [[ $stderr == *"proxy refuses to connect: HTTP status ${answer:0:3}"*https_proxy* ]]
        is requests 1 "$(requests)"
    done
    server_again 404
    run -78 through
    server_again 503 502 429 close
    run -69 through
    is requests "CONNECT CONNECT CONNECT CONNECT" "$(log .method | xargs)"
    is "offset" "" "$(pos)"
}

@test "https: a CA of one's own by --ca and by the variables that curl knows, and no other certificate" {
    three >"$IN"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=localhost" -addext "subjectAltName=IP:127.0.0.1" -keyout "$DIR/key" -out "$DIR/ca" 2>/dev/null
    cat "$DIR/key" "$DIR/ca" >"$DIR/both"
    spawn python3 "$LIB/https-server.py" "$DIR/port" "$DIR/both" "$DIR/bodies"
    wait_until test -s "$DIR/port"
    URL=https://127.0.0.1:$(cat "$DIR/port")
    run -78 webhook --retry-max 0
    [ ! -s "$DIR/bodies" ]
    webhook --ca "$DIR/ca"
    is "bodies by --ca" "$(grep '"op":"c"' "$IN")" "$(cat "$DIR/bodies")"
    local variable
    unset CURL_CA_BUNDLE SSL_CERT_FILE
    for variable in CURL_CA_BUNDLE SSL_CERT_FILE; do
        rm "$DIR/bodies" "$DIR/o"
        (export $variable="$DIR/ca" && webhook)
        is "bodies by $variable" "$(grep '"op":"c"' "$IN")" "$(cat "$DIR/bodies")"
    done
    rm "$DIR/o"
    run -78 webhook --retry-max 0 --ca "$DIR/none"
    URL=http://127.0.0.1:9 run -78 webhook --ca "$DIR/none" # said at once, whether the peer answers or not
    [[ $output == *"$DIR/none"* ]] || fail "names no file: $output"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=stranger" -keyout "$DIR/key2" -out "$DIR/stranger" 2>/dev/null
    SSL_CERT_FILE=$DIR/ca run -78 webhook --retry-max 0 --ca "$DIR/stranger"
    echo "no certificate" >"$DIR/words"
    run -78 webhook --retry-max 0 --ca "$DIR/words"
}

@test "elasticsearch: an index that takes no document at all is exit 78 and no refused line, also with --on-error=skip" {
    local index=$SCHEMA-t
    { users; change c '{"id":1}' null '{"id":1,"name":"n1","big":"b1"}'; commit; } >"$IN"
    elastic
    { users; change c '{"id":2}' null '{"id":2,"name":"n2","big":"b2"}'; commit; } >"$IN"
    curl -fsS -XPOST "$OPENSEARCH_URL/$index/_close" >/dev/null
    local before
    before=$(pos)
    for action in stop skip; do
        run -78 --separate-stderr elastic --on-error=$action
        [[ $stderr == *"index \"$index\" takes no document: index_closed_exception"* ]]
        is "$action: the position" "$before" "$(pos)"
    done
    cp "$IN" "$DIR/row"
    { users; line t '"x":1'; commit; } >"$IN" # read, not written
    run -78 --separate-stderr elastic --on-error=skip
    [[ $stderr == *"index \"$SCHEMA-t\" is closed"* ]]
    { users; change u '{"id":1}' null '{"id":1,"name":"n2"}' '["big"]'; commit; } >"$IN"
    run -78 --separate-stderr elastic --on-error=skip
    [[ $stderr == *"index \"$index\" is closed"* ]]
    curl -fsS -XPOST "$OPENSEARCH_URL/$index/_open?wait_for_active_shards=1" >/dev/null
    cp "$DIR/row" "$IN"
    curl -fsS -XPUT "$OPENSEARCH_URL/$index/_settings" -H 'Content-Type: application/json' -d '{"index.default_pipeline":"nowhere"}' >/dev/null
    run -78 --separate-stderr elastic --on-error=skip
    [[ $stderr == *"pipeline with id [nowhere] does not exist"* ]]
    curl -fsS -XPUT "$OPENSEARCH_URL/$index/_settings" -H 'Content-Type: application/json' -d '{"index.default_pipeline":null}' >/dev/null
    elastic --on-error=skip
    is documents "1 2" "$(docs | jq -r '.[0]' | xargs)"
}

@test "a peer that speaks no HTTP, or an odd one, is exit 76 and confirms nothing" {
    local answer
    three >"$IN"
    for answer in 'raw hello' 'raw HTTP/1.1 099 Odd' 'raw HTTP/9.9 200 OK'; do
        rm -f "$DIR/o"
        server_again "$answer"
        run -76 --separate-stderr webhook
        [[ $stderr == *"is that of an HTTP server"* ]]
        is "offset after $answer" "" "$(pos)"
    done
}

@test "OpenSearch: another primary key at the source is exit 78, in one run or the next; another name of its column is none" {
    local key=0
    documents() { docs | jq -c '[.[0], .[2]]'; }
    { schema id id:integer code:text; change c '{"id":1}' null '{"id":1,"code":"a"}'; change c '{"id":2}' null '{"id":2,"code":"b"}'; commit; } >"$IN"
    elastic
    cp "$DIR/o" "$DIR/stored"
    documents >"$DIR/before"
    tx
    { schema code id:integer code:text; change d '{"code":"b"}' '{"code":"b"}' null; commit; } >"$IN"
    run -78 --separate-stderr elastic
    [[ $stderr == *"has a new key at the source"*'["id"]'*"take a new snapshot"* ]]
    # Beside others, and in the order of the columns.
    { schema id,code id:integer code:text; change u '{"id":1,"code":"a"}' null '{"id":1,"code":"a"}'; commit; } >"$IN"
    run -78 elastic
    documents | cmp "$DIR/before"
    is position "$(jq -c .offsets "$DIR/stored")" "$(jq -c .offsets "$DIR/o")"
    # A column that was not there before, or is there no more, has taken the place of the other.
    for names in ident id; do
        tx
        { schema $names $names:integer code:text more:text; change u "{\"$names\":1}" null "{\"$names\":1,\"code\":\"$names\"}"; commit; } >"$IN"
        elastic
        is "under the same id" "[\"1\",{\"$names\":1,\"code\":\"$names\"}]" "$(documents | head -1)"
    done
    # Not where the new one was there: id is gone, and code is the key.
    tx
    { schema code code:text more:text; change u '{"code":"id"}' null '{"code":"id","more":"x"}'; commit; } >"$IN"
    run -78 elastic
    # In one run, what is complete before it is stored.
    TABLE=u
    tx
    { schema id id:integer code:text; change c '{"id":1}' null '{"id":1,"code":"a"}'; commit; schema code id:integer code:text; change d '{"code":"a"}' '{"code":"a"}' null; commit; } >"$IN"
    run -78 elastic
    is "rows of the table" 1 "$(opensearch_rows "$SCHEMA-u" .id)"
}

@test "OpenSearch: an index that a TRUNCATE has emptied takes another key, also when lines come again after a crash" {
    { schema id id:integer code:text; change c '{"id":1}' null '{"id":1,"code":"a"}'; commit; } >"$DIR/old"
    { schema id id:integer code:text; change c '{"id":2}' null '{"id":2,"code":"b"}'; line t '"x":1'; schema code id:integer code:text; change c '{"code":"c"}' null '{"id":3,"code":"c"}'; commit; } >"$DIR/new"
    { schema code id:integer code:text; change u '{"code":"c"}' null '{"id":4,"code":"c"}'; commit; } >"$DIR/more"
    cp "$DIR/old" "$IN"
    elastic
    cp "$DIR/o" "$DIR/stored"
    cp "$DIR/new" "$IN"
    elastic
    cp "$DIR/stored" "$DIR/o"
    elastic
    is rows '["c",3]' "$(docs | jq -c '[.[0], .[2].id]')"
    cp "$DIR/o" "$DIR/stored"
    cp "$DIR/more" "$IN"
    elastic
    cp "$DIR/stored" "$DIR/o"
    elastic
    is "rows then" '["c",4]' "$(docs | jq -c '[.[0], .[2].id]')"
    tx
    { schema id id:integer code:text; change c '{"id":5}' null '{"id":5,"code":"e"}'; commit; } >"$IN"
    run -78 elastic
}

@test "OpenSearch: with index.translog.durability async the index is flushed before the position moves" {
    local index
    for index in t:async other:ASYNC; do
        curl -sS -XPUT "$OPENSEARCH_URL/$SCHEMA-${index%:*}" -H 'Content-Type: application/json' -d '{"settings":{"index.translog.durability":"'"${index#*:}"'","index.translog.sync_interval":"1h"}}' >/dev/null
    done
    durable() { curl -sS "$OPENSEARCH_URL/$SCHEMA-$1/_stats?level=shards" | jq -c "[.indices[].shards[][] | select(.routing.primary) | .seq_no | .max_seq_no, .local_checkpoint]"; }
    { for TABLE in t other; do schema id id:integer; change c '{"id":1}' null '{"id":1}'; done; commit; } >"$IN"
    elastic
    is "of the one" '[0,0]' "$(durable t)"
    is "of the other" '[0,0]' "$(durable other)"
    tx
    { schema id id:integer; change d '{"id":1}' '{"id":1}' null; commit; } >"$IN"
    elastic
    is "after another run" '[1,1]' "$(durable other)"
}

@test "a position of a webhook is none of an index: exit 78, and no index is made" {
    { users; change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    server
    webhook
    cp "$DIR/o" "$DIR/stored"
    tx
    { users; change c '{"id":2}' null '{"id":2}'; commit; } >"$IN"
    run -78 --separate-stderr t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$OPENSEARCH_URL" <"$IN"
    [[ $stderr == *"has a position, and no index was filled up to it"* ]]
    cmp "$DIR/o" "$DIR/stored"
    is "no index" 404 "$(curl -s -o /dev/null -w '%{http_code}' "$OPENSEARCH_URL/$SCHEMA-t")"
}

@test "OpenSearch: an hstore column that comes later is kept whole, where the index has nothing else in mind for it" {
    mapping() { curl -sS -XPUT -H 'Content-Type: application/json' "$OPENSEARCH_URL/$SCHEMA-t$1" -d "$2" | jq -e .acknowledged >/dev/null; }
    field() { curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_mapping" | jq -c '.[].mappings.properties.h'; }
    both() { echo 'id:integer h:public.hstore hs:hstore[]'; }
    later() { schema id $(both); change c "{\"id\":$1}" null "{\"id\":$1,\"h\":$2,\"hs\":[$2,null]}"; commit; }
    odd='{"":"x","a":"1","a.b":null,".":"y"}'
    { schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    elastic
    tx
    # Two definitions in one run, and another run.
    { schema id id:integer x:text; change c '{"id":2}' null '{"id":2,"x":"x"}'; commit; tx; later 3 "$odd"; } >"$IN"
    elastic
    tx
    later 4 '{"other":"z"}' >"$IN"
    elastic
    is "documents" "[\"3\",$odd,[$odd,null]] [\"4\",{\"other\":\"z\"},[{\"other\":\"z\"},null]]" "$(docs | jq -c 'select(.[2].h) | [.[0], .[2].h, .[2].hs]' | xargs -d '\n')"
    is "no field of a key" '{"type":"object","enabled":false}' "$(field)"
    # What an index has been told stays: the field, a template that names it, no new fields at all.
    local said flat='{"type":"flat_object"}'
    [[ ${CDC_SEARCH:-} != elasticsearch-* ]] || flat='{"type":"object","dynamic":"false"}' # its `flattened` is in a module of its own
    for said in "\"properties\":{\"h\":$flat}" "\"dynamic_templates\":[{\"mine\":{\"path_match\":\"h\",\"mapping\":$flat}}]" '"dynamic":false'; do
        curl -sS -XDELETE "$OPENSEARCH_URL/$SCHEMA-t" | jq -e .acknowledged >/dev/null
        rm -f "$DIR"/o*
        mapping '' "{\"mappings\":{$said}}"
        { schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; later 2 '{"k":"v"}'; } >"$IN"
        elastic
        is "the document" '{"k":"v"}' "$(docs | jq -c 'select(.[0] == "2")[2].h')"
        case $said in *dynamic\":false) is "$said" null "$(field)" ;; *) is "$said" "$flat" "$(field)" ;; esac
    done
}

@test "OpenSearch behind a proxy that takes no large request: documents are completed and deleted in smaller ones" {
    local i long
    spawn python3 "$LIB/http-limit.py" "$DIR/port" "$OPENSEARCH_URL" 6000
    wait_until test -s "$DIR/port"
    long=$(printf '%0300d' 0)
    names() { curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_search?size=1000" | jq -r '[.hits.hits[]._source | .name + .big] | group_by(.) | map(.[0] + " " + (length | tostring)) | join(", ")'; }
    keyed() { schema id id:text name:text big:text; }
    of() { printf '{"id":"%s"}' "$long$1"; }
    row() { printf '{"id":"%s","name":"%s"%s}' "$long$2" "$1" "${3:-}"; }
    { keyed; for i in {1..100}; do change c "$(of $i)" null "$(row a $i ',"big":"b"')"; done; commit; } >"$IN"
    elastic
    URL=http://127.0.0.1:$(cat "$DIR/port")
    tx
    { keyed; for i in {1..100}; do change u "$(of $i)" null "$(row u $i)" '["big"]'; done; commit; } >"$IN"
    elastic
    docs >"$DIR/docs"
    is updated "ub 100" "$(names)"
    # A read, whose rows meet newer documents.
    rm "$DIR"/o*
    SEQ=50
    { read_begin; keyed; for i in {1..90}; do change r "$(of $i)" null "$(row r $i ',"big":"b"')"; done; read_end id id:text name:text big:text; commit; } >"$IN"
    elastic
    docs >"$DIR/docs"
    is "read again" "rb 90" "$(names)"
    SEQ=200
    { keyed; line t '"x":1'; change c "$(of 1)" null "$(row c 1 ',"big":"b"')"; commit; } >"$IN"
    run -0 --separate-stderr elastic
    [[ $stderr == *"smaller ones for a while"* ]]
    docs >"$DIR/docs"
    is "emptied" "cb 1" "$(names)"
}

@test "OpenSearch: a column that is nested as deep as a line may be is completed from the index" {
    local deep
    deep=$(printf '[%.0s' {1..125})1$(printf ']%.0s' {1..125})
    curl -sS -XPUT "$OPENSEARCH_URL/$SCHEMA-t" -H 'Content-Type: application/json' \
        -d '{"mappings":{"properties":{"doc":{"type":"object","enabled":false}}}}' >/dev/null
    nested() { schema id id:integer doc:jsonb note:text; }
    { nested; change c '{"id":1}' null "{\"id\":1,\"doc\":{\"a\":$deep},\"note\":\"x\"}"; commit; } >"$IN"
    elastic
    { nested; change u '{"id":1}' null '{"id":1,"note":"y"}' '["doc"]'; change u '{"id":2}' '{"id":1}' '{"id":2,"note":"z"}' '["doc"]'; commit; } >"$IN"
    elastic
    is document "$deep z" "$(curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_doc/2" | python3 -c 'import json,sys
document = json.load(sys.stdin)["_source"]; print(json.dumps(document["doc"]["a"]), document["note"])')"
    is "offset" "$(tail -1 "$IN" | jq -r .pos)" "$(pos)"
}
