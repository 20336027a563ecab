#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables that are read again ("read":"begin", "read":"end"), in an OpenSearch index, at a webhook and through cdc-filter: searchers see
# the old documents until they are replaced, and what is no longer there is gone at the end.
# takes: 60 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

setup_file() {
    opensearch_start
    export OPENSEARCH_URL OPENSEARCH_PID OPENSEARCH_DIR
}
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
# server_again ANSWER...: the next ones, of a server that was not asked yet
server_again() {
    if [ -n "${URL:-}" ]; then end_spawned; rm -rf "$DIR/http"; fi
    mkdir -p "$DIR/http"
    printf '%s\n' "$@" >"$DIR/http/script"
    # Whose the index is, and that it is there.
    printf '{"%s-t":{"mappings":{"_meta":{"cdc":{"name":"%s","db":"d","schema":"%s","table":"t"}}}}}' "$SCHEMA" "$SOURCE_NAME" "$SCHEMA" >"$DIR/http/mapping"
    server
}
log() { jq -r "$1" "$DIR/http/log"; }
elastic() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "${URL:-$OPENSEARCH_URL}" <"$IN"; }
pos() { jq -r ".offsets[\"$SOURCE_NAME\"].pos // \"\"" "$DIR/o"; }
put() { curl -sSf -XPUT "$OPENSEARCH_URL/$1" -H 'Content-Type: application/json' -d "$2" >/dev/null; }
shards() { put "$SCHEMA-t" "{\"settings\":{\"number_of_shards\":$1}}"; }
refresh() { curl -sSf -XPOST "$OPENSEARCH_URL/$SCHEMA-${1:-t}/_refresh" >/dev/null; }
# rows [TABLE]: id and v of the documents, in order of the ids
rows() {
    refresh "${1:-t}"
    curl -sSf "$OPENSEARCH_URL/$SCHEMA-${1:-t}/_search?size=1000" | jq -r '[.hits.hits[]._source] | sort_by(.id)[] | "\(.id)=\(.v)"' | xargs
}
items() { schema id id:integer v:text; }
# have OP V ID...
have() {
    local op=$1 v=$2 i
    shift 2
    for i; do change "$op" "{\"id\":$i}" null "{\"id\":$i,\"v\":\"$v\"}"; done
}
old() { items; have c old "$@"; commit; }
# again V ID...: an attempt at the table, up to its last row; the_end and commit are after it
again() { reread; items; have r "$@"; }
the_end() { READ=end items; }

@test "old documents stay until they are replaced; at the end those that were not are gone" {
    shards 3
    old 1 2 3 4 5 >"$IN"
    elastic
    again new 2 4 6 >"$IN"
    chunk >>"$IN"
    elastic
    is "before the end" "1=old 2=new 3=old 4=new 5=old 6=new" "$(rows)"
    { the_end; commit; items; have c later 3; commit; } >"$IN"
    elastic
    is "after it, and after the log went on" "2=new 3=later 4=new 6=new" "$(rows)"
    # A table that has no row any more, and one that never had any.
    { reread; items; the_end; TABLE=none reread; TABLE=none items; TABLE=none the_end; commit; } >"$IN"
    elastic
    is "emptied" "" "$(rows)"
    is "no index" 404 "$(curl -s -o /dev/null -w '%{http_code}' "$OPENSEARCH_URL/$SCHEMA-none")"
}
