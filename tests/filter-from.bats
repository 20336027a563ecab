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
    [ -s "$DIR/rows" ]
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
