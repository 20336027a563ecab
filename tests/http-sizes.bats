#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http: bodies in gzip, and requests that shrink and grow again.
# takes: 60 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

# As small as no node has it, so that little data shows what is done about it.
setup_file() { opensearch_start 'http.max_content_length 300kb'; }
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
    spawn python3 "$LIB/http-server.py" "$DIR/http"
    wait_until test -s "$DIR/http/port"
    URL=http://127.0.0.1:$(cat "$DIR/http/port")
}
script() { printf '%s\n' "$@" >"$DIR/http/script"; }
log() { jq -r "$1" "$DIR/http/log"; }
webhook() { t cdc-sink-http --webhook --offset-file "$DIR/o" "$@" "$URL" <"$IN"; }
elastic() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "${URL:-$OPENSEARCH_URL}" <"$IN"; }
# row SEQ-LIKE lines of N rows with BYTES each, in one transaction.
rows() {
    local i text
    text=$(printf "%0$2d" 0)
    schema id id:integer v:text
    for ((i = 1; i <= $1; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"v\":\"$text\"}"; done
    commit
}
count() {
    curl -sSf -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null
    curl -sSf "$OPENSEARCH_URL/$SCHEMA-t/_count" | jq .count
}
ids_taken() { log 'select(.answer != "413") | .body | split("\n")[] | select(. != "") | fromjson | .index._id // empty' | sort -nu | wc -l; }

@test "--gzip: a webhook gets the same bodies, packed but for small ones, and says so in bytes_out" {
    server
    rows 3 3000 >"$IN"
    webhook --gzip --format ndjson --metrics-file "$DIR/metrics"
    is bodies "$(grep '"op":"c"' "$IN")" "$(jq -rj .body "$DIR/http/log")"
    is encoding gzip "$(log '.headers["content-encoding"]')"
    is "bytes that were sent" "$(log '.headers["content-length"]')" "$(sed -n 's/^cdc_.*bytes_out.* //p; s/^cdc_sink_bytes_out_total //p' "$DIR/metrics" | head -1)"
    [ "$(log '.headers["content-length"]')" -lt 1000 ]
    rm "$DIR"/o* "$DIR/http/log"
    rows 1 10 >"$IN"
    webhook --gzip
    is "a small one" null "$(log '.headers["content-encoding"]')"
}

@test "--gzip: a receiver that does not know it gets plain bodies, and no line is refused for that; a line that is bad is" {
    local status
    server
    rows 3 3000 >"$IN"
    for status in 400 415 422; do
        rm -f "$DIR"/o* "$DIR/http/log"
        echo $status >"$DIR/http/no-gzip"
        run -0 --separate-stderr webhook --gzip --on-error=skip
        [[ $stderr == *"takes no body in gzip"* ]]
        is "$status: answers" "gzip null null null" "$(log .answer | xargs)"
        is "$status: bodies" "$(grep '"op":"c"' "$IN")" "$(log 'select(.answer == null) | .body')"
    done
    rm "$DIR/http/no-gzip" "$DIR"/o* "$DIR/http/log"
    script 200 400 400
    run -65 --separate-stderr webhook --gzip
    [[ $stderr == *"HTTP status 400"* ]]
    is encodings "gzip gzip null" "$(log '.headers["content-encoding"]' | xargs)"
    run -64 --separate-stderr webhook --gzip --sign "$IN"
}

@test "_bulk: after a 413 requests grow again, and stay below what was refused" {
    local largest
    server
    script 'max 20000'
    rows 1500 400 >"$IN"
    run -0 --separate-stderr elastic --batch-bytes 100K
    [[ $stderr == *"smaller ones for a while"* ]]
    is "ids taken" 1500 "$(ids_taken)"
    # 100K, 50K, 25K are refused; from 12.5K they grow.
    log 'select(.body | length <= 20000) | .body | length' >"$DIR/sizes"
    largest=$(sort -n "$DIR/sizes" | tail -1)
    [ "$largest" -gt 17000 ]
    [ "$(jq -c 'select((.body | length) > 20000)' "$DIR/http/log" | wc -l)" -le 5 ]
}

@test "413 by the header alone, of a peer that never reads the body: smaller requests, and nothing is lost" {
    server
    rows 40 300000 >"$IN"
    echo 1000000 >"$DIR/http/early"
    run -0 --separate-stderr elastic --batch-bytes 10M
    [[ $stderr == *"smaller ones for a while"* ]]
    is "ids taken" 40 "$(ids_taken)"
    rm "$DIR"/o* "$DIR/http/log"
    run -0 --separate-stderr webhook --format ndjson --batch-bytes 10M
    is "lines taken" "$(grep '"op":"c"' "$IN" | sha256sum)" "$(jq -rj 'select(.answer != "early") | .body' "$DIR/http/log" | sha256sum)"
    [ "$(log 'select(.answer == "early") | 1' | wc -l)" -ge 1 ]
}

@test "_bulk: 503 of a circuit breaker that no such request will pass: smaller requests, and nothing is lost" {
    local reason='[parent] Data too large, data for [<http_request>] would be [9999999/9.5mb], which is larger than the limit of [20000/19.5kb], real usage: [0/0b], new bytes reserved: [9999999/9.5mb]'
    server
    rows 100 400 >"$IN"
    script "503 {\"error\":{\"type\":\"circuit_breaking_exception\",\"reason\":\"$reason\"},\"status\":503}"
    run -0 --separate-stderr elastic --batch-bytes 100K
    [[ $stderr == *"smaller ones for a while"* ]]
    is "answers" "503" "$(log '.answer // empty' | cut -c1-3 | xargs)"
    is "ids taken" 100 "$(log 'select(.answer == null) | .body | split("\n")[] | select(. != "") | fromjson | .index._id // empty' | sort -nu | wc -l)"
}

@test "OpenSearch that takes no large request: the limit is of what is unpacked, and nothing is lost, packed or not" {
    local more
    rows 2000 1000 >"$IN"
    for more in '' --gzip '--gzip --requests 3'; do
        rm -f "$DIR"/o*
        curl -sS -XDELETE "$OPENSEARCH_URL/$SCHEMA-t" >/dev/null
        # shellcheck disable=SC2086
        run -0 --separate-stderr elastic $more
        [[ $stderr == *"smaller ones for a while"* ]]
        is "documents$more" 2000 "$(count)"
    done
}
