#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each read, write, sync, rename, open, connect and malloc of cdc-sink-http goes wrong once, in turn; then it is killed there, and
# the power goes. A real OpenSearch, and a webhook.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch
load lib/faults

setup_file() { opensearch_start; }
teardown_file() { opensearch_stop; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    ROOT=$DIR/root
    SHADOW=
    TABLE=t$BATS_TEST_NUMBER
    curl -sS -XDELETE "$OPENSEARCH_URL/$TABLE" >/dev/null
}
teardown() { end_spawned; }

# Rows of batch $1: one gets another key twice, and another takes its first one, each with a large column that the log did not
# carry. Whoever reads the documents too late gives one row the column of the other.
some_lines() {
    local base=$(($1 * 10))
    schema id id:integer name:text big:text
    change c "{\"id\":$((base + 1))}" null "{\"id\":$((base + 1)),\"name\":\"one\",\"big\":\"b1\"}"
    change c "{\"id\":$((base + 2))}" null "{\"id\":$((base + 2)),\"name\":\"two\",\"big\":\"b2\"}"
    commit
    change u "{\"id\":$((base + 3))}" "{\"id\":$((base + 1))}" "{\"id\":$((base + 3)),\"name\":\"three\"}" '["big"]'
    change u "{\"id\":$((base + 1))}" "{\"id\":$((base + 2))}" "{\"id\":$((base + 1)),\"name\":\"two\"}" '["big"]'
    commit
    change u "{\"id\":$((base + 4))}" "{\"id\":$((base + 3))}" "{\"id\":$((base + 4)),\"name\":\"four\"}" '["big"]'
    commit
}
# With what is in the index already, if it is given: a function that stores it.
new_root() {
    rm -rf "$ROOT" "$DIR/shadow"
    mkdir "$ROOT" "$DIR/shadow"
    "$@"
    [ -z "$SHADOW" ] || python3 "$LIB/power-cut.py" begin "$ROOT" "$SHADOW"
}
# Each run has keys of its own in the one index: to make an index anew takes longer than all the rest.
# $EVENTS a batch: with few, a fault comes between them; with many, and rows that are $THERE, the journal of key changes is all
# that has the columns of a row whose documents are gone.
index_case() {
    BATCH=0 EVENTS=3 THERE=
    index() { "$@" cdc-sink-http --elasticsearch --index "{table}" --batch-events "$EVENTS" --retry-max 5 --offset-file "$ROOT/o" "$OPENSEARCH_URL" >"$DIR/out" 2>"$DIR/err"; }
    begin_case() {
        BATCH=$((BATCH + 1))
        some_lines $BATCH >"$DIR/in"
        new_root first_transaction
    }
    # Rows that are there before: what is in the batch itself needs no document of the index.
    first_transaction() { [ -z "$THERE" ] || sed '/"op":"commit"/q' "$DIR/in" | index t; }
    run_case() { index faulty <"$DIR/in"; }
    check_case() {
        curl -sS -XPOST "$OPENSEARCH_URL/$TABLE/_refresh" >/dev/null
        curl -sS "$OPENSEARCH_URL/$TABLE/_search?q=id:%5B$((BATCH * 10))%20TO%20$((BATCH * 10 + 9))%5D" >"$DIR/found"
        is documents "[{\"id\":$((BATCH * 10 + 1)),\"name\":\"two\",\"big\":\"b2\"},{\"id\":$((BATCH * 10 + 4)),\"name\":\"four\",\"big\":\"b1\"}]" "$(jq -c '[.hits.hits[]._source | {id, name, big}] | sort_by(.id)' "$DIR/found")"
    }
}

@test "an index: every call fails once" {
    index_case
    all_faults error read write sync rename open connect memory
}
@test "an index: killed at every write, sync and rename, and the power goes" {
    index_case
    SHADOW=$DIR/shadow
    all_faults kill write sync rename
    EVENTS=100 THERE=yes
    all_faults kill write sync rename
}

@test "a webhook: every call fails once, killed at every write, sync and rename, and the power goes" {
    mkdir "$DIR/http"
    spawn_line "exec python3 $LIB/http_stub.py $DIR/http/port $DIR/http/bodies 2>$DIR/http/err" # of clients that went away
    wait_until test -s "$DIR/http/port"
    some_lines 1 >"$DIR/in"
    grep -E '"op":"[cud]"' "$DIR/in" >"$DIR/expected"
    begin_case() { new_root; : >"$DIR/http/bodies"; }
    run_case() { faulty cdc-sink-http --webhook --retry-max 5 --offset-file "$ROOT/o" "http://127.0.0.1:$(cat "$DIR/http/port")" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"; }
    # At least once, and for each row in order: the last time that each came is in order.
    check_case() { grep -o '{"op.*' <(sed 's/}{"op"/}\n{"op"/g' "$DIR/http/bodies") | awk '!seen[$0]++' | cmp - "$DIR/expected"; }
    all_faults error read write sync rename open connect memory
    SHADOW=$DIR/shadow
    all_faults kill write sync rename
}
