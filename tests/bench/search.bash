# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# make bench: rows to an index server, beside curl that posts ready-made bodies. Sourced by tests/bench/run; $DIR/rows has
# $FILTER_ROWS lines of rows.

# The bodies of _bulk that rows come to, 10,000 documents each.
make_bodies() {
    mkdir -p "$DIR/bodies"
    jq -c 'select(.op == "r" or .op == "c") | {index: {_index: "bench", _id: (.key.id | tostring), version: .seq, version_type: "external_gte"}}, .after' "$DIR/rows" |
        split -l 20000 - "$DIR/bodies/"
}
# One curl, and so one connection.
post_bodies() {
    local body config=$DIR/curl.config
    : >"$config"
    for body in "$DIR"/bodies/*; do
        printf '%s\n' next "url = \"$1/_bulk?filter_path=errors\"" 'header = "Content-Type: application/x-ndjson"' 'header = "Expect:"' \
            "data-binary = \"@$body\"" silent fail "output = \"/dev/null\"" >>"$config"
    done
    sed -i 1d "$config"
    timed "$2" curl -K "$config"
}
# send_rows FILE REQUESTS URL
send_rows() {
    rm -f "$DIR"/http.offset*
    INPUT=$DIR/rows timed "$1" cdc-sink-http -q --elasticsearch --index bench --requests "$2" --offset-file "$DIR/http.offset" "$3"
}
rows_a_second() { awk -v r="$FILTER_ROWS" -v w="$1" 'BEGIN {printf "%d", r / w}'; }

bench_search() {
    local run url
    ${CC:-cc} -O2 -D_GNU_SOURCE -pthread -o "$DIR/bin/search" tests/bench/search.c || die "no compiler"
    make_bodies
    "$DIR/bin/search" "$DIR/search.port" &
    local server=$!
    wait_until test -s "$DIR/search.port" || die "no index server"
    url=http://127.0.0.1:$(cat "$DIR/search.port")
    for ((run = 1; run <= RUNS; run++)); do
        post_bodies "$url" "$DIR/search.curl"
        send_rows "$DIR/search.one" 1 "$url"
        send_rows "$DIR/search.two" 2 "$url"
    done
    kill "$server"
    result "cdc-sink-http: answered at once, us of CPU a row" "$(awk -v c="$(column "$DIR/search.one" 2)" -v r="$FILTER_ROWS" 'BEGIN {printf "%.2f", c / r * 1000000}')" - limit 3.33
    result "cdc-sink-http: answered at once, rows a second" "$(rows_a_second "$(column "$DIR/search.one" 1)")" - none -
    result "cdc-sink-http: peak RSS KiB" "$(column "$DIR/search.two" 3)" - limit 65536
    tests/opensearch/start --prepare || { say "no OpenSearch: not compared with curl"; return 0; }
    opensearch_start
    for ((run = 1; run <= RUNS; run++)); do
        curl -sS -XDELETE "$OPENSEARCH_URL/bench" >/dev/null
        post_bodies "$OPENSEARCH_URL" "$DIR/index.curl"
        curl -sS -XDELETE "$OPENSEARCH_URL/bench" >/dev/null
        send_rows "$DIR/index.one" 1 "$OPENSEARCH_URL"
        curl -sS -XDELETE "$OPENSEARCH_URL/bench" >/dev/null
        send_rows "$DIR/index.two" 2 "$OPENSEARCH_URL"
    done
    opensearch_stop
    result "cdc-sink-http: OpenSearch, wall s, peer curl" "$(column "$DIR/index.one" 1)" "$(column "$DIR/index.curl" 1)" most 1.05
    result "cdc-sink-http: --requests 2, wall s, peer curl" "$(column "$DIR/index.two" 1)" "$(column "$DIR/index.curl" 1)" most 1
}
