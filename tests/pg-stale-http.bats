#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables of PostgreSQL whose rows change without a line in the log, in an OpenSearch index: the whole line under a supervisor, killed in
# the middle, while others write and others search.
# takes: 60 s
# shellcheck disable=SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/opensearch
load lib/pg-stale

setup_file() {
    create_database
    opensearch_start
}
teardown_file() {
    opensearch_stop
    drop_database
}
setup() { pg_test_setup; }
teardown() {
    touch "$DIR/stop" "$DIR/enough"
    pg_test_teardown
}

# As in pg-stale.bash, of an index.
rows_at() { sql "select to_jsonb(t)::text from $NAME.$1 t" | jq -cS . | LC_ALL=C sort; }
rows_in_index() { opensearch_rows "$NAME-$1" . 2>/dev/null | jq -cS . | LC_ALL=C sort; }
same() { [ ! -e "$DIR/failed" ] || return 1; [ "$(rows_at "$1")" = "$(rows_in_index "$1")" ]; }
equal() {
    wait_until -t 90 same "$1" 2>/dev/null || {
        diff <(rows_at "$1") <(rows_in_index "$1") | head -20 >&2
        head -30 "$DIR/err" >&2; for f in "$STATE"/*.offset; do echo "$f" >&2; cat "$f" >&2; done; cat "$DIR/ends" | uniq -c >&2
        fail "$1 differs"
    }
}
reads_again() { tail -n +"$1" "$DIR/err" | grep -q "reading .* again"; }

@test "kill -9 of each process while a table is read again: the index ends as the source, and no search found it emptied" {
    local victim i from
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, repeat('x', 100) from generate_series(1, 8000) g; create table $NAME.u (id int primary key, v text)"
    SNAPSHOT_EXTRA="--chunk-rows 500"
    STREAM_EXTRA="--max-events 1000000000" # a run with an end leaves it to a round
    supervise "$(full_line "cdc-sink-http --elasticsearch --batch-events 200 --state-dir '$STATE' $OPENSEARCH_URL")"
    equal t
    spawn python3 "$LIB/opensearch.py" "$OPENSEARCH_URL" watch "$NAME-t" "$DIR"
    local searcher=$SPAWNED
    write_all_the_time "insert into $NAME.t values (NN + 100000, 'new'); update $NAME.t set v = 'NN' where id = NN; delete from $NAME.t where id = NN + 100000 - 100; insert into $NAME.u values (NN, 'u');"
    for victim in cdc-sink-http cdc-snapshot cdc-sink-http pg-cdc; do
        from=$(($(wc -l <"$DIR/err") + 1))
        sql "alter table $NAME.t add c_${victim//-/_}_$RANDOM int default $RANDOM"
        wait_until -t 60 reads_again "$from"
        for i in $(pgrep -g "$SUPERVISOR" -x "${victim:0:15}"); do kill -KILL "$i" 2>/dev/null || true; done
    done
    quiet
    equal t
    equal u
    not test -e "$DIR/failed"
    touch "$DIR/enough" "$DIR/stop"
    wait_until gone "$searcher"
    [ "$(sort -n "$DIR/looks" | head -1)" -ge 8000 ] || fail "a search found $(sort -n "$DIR/looks" | head -1) documents"
}

@test "another key, a table made anew, and one without rows: the documents are those of the source, and the log goes on" {
    sql "create table $NAME.k (id int primary key, code text not null, v text); create table $NAME.m (id int primary key, v text); create table $NAME.e (id int primary key, v text)
        ; insert into $NAME.k select g, 'c' || g, 'row' from generate_series(1, 50) g; insert into $NAME.m select g, 'row' from generate_series(1, 50) g; insert into $NAME.e select g, 'row' from generate_series(1, 50) g"
    supervise "$(full_line "cdc-sink-http --elasticsearch --state-dir '$STATE' $OPENSEARCH_URL")"
    for table in k m e; do equal $table; done
    sql "alter table $NAME.k drop constraint k_pkey, add primary key (code); update $NAME.k set v = 'after' where id = 7; delete from $NAME.k where id = 8"
    sql "drop table $NAME.m; create table $NAME.m (id int primary key, v text, w int); insert into $NAME.m values (1, 'other', 1), (99, 'new', 2)"
    sql "drop table $NAME.e; create table $NAME.e (id int primary key, v text)"
    for table in k m e; do equal $table; done
    sql "update $NAME.k set id = 1000 where code = 'c9'; insert into $NAME.m values (2, 'x', 3); insert into $NAME.e values (1, 'y')"
    for table in k m e; do equal $table; done
    not test -e "$DIR/failed"
    touch "$DIR/stop"
}

@test "hstore with keys that are no names of fields: the index takes each document, and has what was stored" {
    sql "create extension if not exists hstore; create table $NAME.h (id int primary key, tags hstore, more hstore[]); insert into $NAME.h values (1, '\"a\"=>\"1\"', array['\"x\"=>NULL'::hstore]), (2, '\"\"=>\"\", \"a.b\"=>\"2\", \".\"=>\"x\"', null), (3, 'base64=>AAAA', null)"
    sql "insert into $NAME.h select g, hstore(array_agg('key ' || g || ' ' || i), array_agg(i::text)) from generate_series(4, 8) g, generate_series(1, 300) i group by g"
    t bash -o pipefail -c "{ cdc-snapshot $(source_options) && pg-cdc --until now $(source_options); } 2>>'$DIR/err' | cdc-sink-http --elasticsearch --state-dir '$STATE' '$OPENSEARCH_URL' 2>>'$DIR/err'" || { cat "$DIR/err"; return 1; }
    sql "update $NAME.h set tags = '\"a\"=>\"now\", \"a.b.c\"=>NULL' where id = 1"
    t bash -o pipefail -c "{ cdc-snapshot $(source_options) && pg-cdc --until now $(source_options); } 2>>'$DIR/err' | cdc-sink-http --elasticsearch --state-dir '$STATE' '$OPENSEARCH_URL' 2>>'$DIR/err'" || { cat "$DIR/err"; return 1; }
    diff - <(opensearch_rows "$NAME-h" '.. | objects | select(has("id") and .id < 4)' | jq -Sc . | sort) <<'END'
{"id":1,"more":[{"x":null}],"tags":{"a":"now","a.b.c":null}}
{"id":2,"more":null,"tags":{"":"",".":"x","a.b":"2"}}
{"id":3,"more":null,"tags":"\"base64\"=>\"AAAA\""}
END
    is "documents" 8 "$(opensearch_rows "$NAME-h" '.. | objects | select(has("tags")) | .id' | wc -l)"
}

@test "a table that people ask for, while the log goes on: documents that are wrong, missing or nobody's are put right, the sink and the source killed meanwhile" {
    local i victim
    sql "create table $NAME.t (id int primary key, v text, n int); alter table $NAME.t alter v set storage external; insert into $NAME.t select g, repeat('x', 3000), 0 from generate_series(1, 4000) g; create table $NAME.u (id int primary key, v text)"
    supervise "$(full_line "cdc-sink-http --elasticsearch --state-dir '$STATE' $OPENSEARCH_URL")"
    equal t
    write_all_the_time "insert into $NAME.t values (NN + 10000, 'new', 1); update $NAME.t set n = n + 1 where id in (NN % 4000, NN % 100); delete from $NAME.t where id = NN % 4000 + 500; update $NAME.t set id = id + 20000 where id = NN - 900; insert into $NAME.u values (NN, 'u');"
    for victim in none pg-cdc cdc-sink-http; do
        curl -fsS -XPUT -H 'Content-Type: application/json' "$OPENSEARCH_URL/$NAME-t/_doc/ghost-$victim" -d "{\"id\":900000,\"v\":\"ghost\",\"n\":1}" >/dev/null
        curl -fsS -XDELETE "$OPENSEARCH_URL/$NAME-t/_doc/3900" >/dev/null || true
        cdc-snapshot --again -q --name "$NAME" --state-dir "$STATE" -t "$NAME.t" "$URL"
        wait_until -t 30 begins_live
        for i in $(pgrep -g "$SUPERVISOR" -x "${victim:0:15}"); do kill -KILL "$i" 2>/dev/null || true; done
        wait_until -t 60 ended_live
    done
    quiet
    equal t
    equal u
    not grep "error: to be read again" "$DIR/err"
    not test -e "$DIR/failed"
    touch "$DIR/stop"
}
own() { jq -r ".offsets[].state.again[-1] | $1" "$STATE/pg-cdc-$NAME.offset"; }
begins_live() { [ ! -e "$STATE/cdc-snapshot-$NAME.again" ]; }
ended_live() { [ "$(own '.written // ""')" != "" ]; }
