#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http --alias: an index is filled beside the one in use, and takes its place once it has caught up. A real OpenSearch.
# takes: 60 s
# shellcheck disable=SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
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
setup() {
    pg_test_setup
    IN=$DIR/in
    SOURCE_NAME=$NAME
    SCHEMA=$NAME
}
teardown() {
    touch "$DIR/stop" "$DIR/enough"
    [ ! -d "$DIR/b" ] || touch "$DIR/b/stop"
    pg_test_teardown
}
elastic() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "$OPENSEARCH_URL" <"$IN"; }
leads_to() { curl -sS "$OPENSEARCH_URL/_alias/$NAME-$1" | jq -r 'keys | join(" ")'; }
leads() { [ "$(leads_to "$1")" = "$2" ]; }
# now [false|true]: lines are of now, and of a snapshot or not
now() { sed "s/\"ts_ms\":1,\"txId\"/\"ts_ms\":$(date +%s%3N),\"txId\"/; s/\"snapshot\":\"false\"/\"snapshot\":\"${1:-false}\"/"; }

@test "the alias is led to the index at the first delivery that has caught up, and to no other index any more" {
    curl -sSf -XPUT "$OPENSEARCH_URL/$NAME-old" -H 'Content-Type: application/json' -d "{\"aliases\":{\"$NAME-t\":{},\"$NAME-early\":{},\"$NAME-other\":{}}}" >/dev/null
    { TABLE=early; schema id id:integer; TABLE=t; schema id id:integer; change r '{"id":1}' null '{"id":1}'; commit; } | now true >"$IN"
    elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    is "while the snapshot is read" "$NAME-old" "$(leads_to t)"
    { tx; change c '{"id":2}' null '{"id":2}'; commit; } >"$IN"
    sed -i 's/"ts_ms":1,"txId"/"ts_ms":1000,"txId"/' "$IN"
    SEQ=200
    elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    is "while it is far back" "$NAME-old" "$(leads_to t)"
    # The table has no line in this run: only the file beside the offset file knows of its index. Another has no row at all.
    SEQ=300
    { TABLE=empty; schema id id:integer; commit; } | now >"$IN"
    elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    is "caught up" "$NAME-t-2" "$(leads_to t)"
    is "another alias of the old index" "$NAME-old" "$(leads_to other)"
    is "a table without a row" "$NAME-empty-2" "$(leads_to empty)"
    is "another, of an earlier run" "$NAME-early-2" "$(leads_to early)"
    is "found at once" 2 "$(curl -sS "$OPENSEARCH_URL/$NAME-t/_count" | jq .count)"
}

@test "an index that a run made, and was killed before it knew it: its alias leads to it, whether it has a row or not, and early or late" {
    local table
    for table in rows empty late; do
        curl -sSf -XPUT "$OPENSEARCH_URL/$NAME-$table-2" -H 'Content-Type: application/json' \
            -d "{\"mappings\":{\"_meta\":{\"cdc\":{\"name\":\"$NAME\",\"db\":\"d\",\"schema\":\"$NAME\",\"table\":\"$table\"}}}}" >/dev/null
    done
    {
        TABLE=empty schema id id:integer
        TABLE=rows
        schema id id:integer
        change c '{"id":1}' null '{"id":1}'
        commit
        tx
        TABLE=late # after the aliases were led
        schema id id:integer
        change c '{"id":1}' null '{"id":1}'
        commit
    } | now >"$IN"
    elastic --index '{schema}-{table}-2' --alias '{schema}-{table}' --batch-events 1
    for table in rows empty late; do is "$table" "$NAME-$table-2" "$(leads_to "$table")"; done
}

@test "an index that has the name of the alias is exit 78 before anything is made" {
    curl -sSf -XPUT "$OPENSEARCH_URL/$NAME-t" >/dev/null
    { schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } | now >"$IN"
    run -78 elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    is status 404 "$(curl -sS -o /dev/null -w '%{http_code}' "$OPENSEARCH_URL/$NAME-t-2")"
    run -64 elastic --alias '{schema}-{table}'
    run -64 elastic --alias 'A'
    run -64 t cdc-sink-http --webhook --alias x http://127.0.0.1:9/ <"$IN"
}

@test "while a table is read, as the log goes on, no alias is led anywhere; after its end it is" {
    curl -sSf -XPUT "$OPENSEARCH_URL/$NAME-old" -H 'Content-Type: application/json' -d "{\"aliases\":{\"$NAME-t\":{}}}" >/dev/null
    {
        schema id id:integer
        line t '"read":"live"'
        change r '{"id":1}' null '{"id":1}'
        commit
    } | now >"$DIR/begin"
    SEQ=200
    { change r '{"id":2}' null '{"id":2}'; read_end id id:integer; POS=9; commit; } | now >"$DIR/end"
    mkfifo "$DIR/fifo"
    spawn_line "exec cdc-sink-http --elasticsearch --offset-file '$DIR/o' --index '{schema}-{table}-2' --alias '{schema}-{table}' $OPENSEARCH_URL <'$DIR/fifo'"
    exec 7>"$DIR/fifo"
    cat "$DIR/begin" >&7
    wait_for_match "$DIR/o" '"seq":100,'
    is "within the read" "$NAME-old" "$(leads_to t)"
    cat "$DIR/end" >&7
    wait_until leads t "$NAME-t-2"
    exec 7>&-
    status_of "$SPAWNED"
}

@test "a read that is not at its end when the sink is started again, or of which only one part is: no alias is led anywhere" {
    local a='"part":{"column":"part","value":"a"}' b='"part":{"column":"part","value":"b"}' part
    both() { elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'; }
    ended() { read_end id id:integer part:text | sed "s/}\$/,$1}/"; POS=$((POS + 1)); }
    curl -sSf -XPUT "$OPENSEARCH_URL/$NAME-old" -H 'Content-Type: application/json' -d "{\"aliases\":{\"$NAME-t\":{}}}" >/dev/null
    {
        for part in "$a" "$b"; do
            line t "\"read\":\"live\",$part"
            schema id id:integer part:text | sed "s/}\$/,$part}/"
            POS=$((POS + 1))
        done
        change r '{"id":1}' null '{"id":1,"part":"a"}'
        commit
    } | now >"$IN"
    both
    SEQ=200
    { TABLE=u; schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } | now >"$IN"
    both
    is "started again, with lines of the log" "$NAME-old" "$(leads_to t)"
    SEQ=300
    { change r '{"id":2}' null '{"id":2,"part":"a"}'; ended "$a"; commit; } | now >"$IN"
    both
    is "at the end of one part" "$NAME-old" "$(leads_to t)"
    SEQ=400
    { change r '{"id":3}' null '{"id":3,"part":"b"}'; ended "$b"; commit; } | now >"$IN"
    both
    is "at the end of both" "$NAME-t-2" "$(leads_to t)"
}

@test "an alias of two tables is exit 78, in one run and in a later one, and the first one keeps it" {
    both() { elastic --index '{schema}-{table}-2' --alias "$NAME-{table}"; }
    { for SCHEMA in "$NAME" "$NAME-other"; do schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; done; } | now >"$IN"
    run -78 --separate-stderr both
    [[ $stderr == *"the alias \"$NAME-t\" would be that of two tables"* ]]
    is "nothing of the second" 404 "$(curl -sS -o /dev/null -w '%{http_code}' "$OPENSEARCH_URL/$NAME-other-t-2")"
    is "the first" "$NAME-t-2" "$(leads_to t)"
    SEQ=200
    { SCHEMA=$NAME-third; schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } | now >"$IN"
    run -78 --separate-stderr both
    is "the first still" "$NAME-t-2" "$(leads_to t)"
}

@test "who leads the alias elsewhere afterwards has the last word: the sink does not take it back when it starts again" {
    { schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } | now >"$IN"
    elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    is "caught up" "$NAME-t-2" "$(leads_to t)"
    curl -sSf -XPUT "$OPENSEARCH_URL/$NAME-t-3" >/dev/null
    curl -sSf -XPOST "$OPENSEARCH_URL/_aliases" -H 'Content-Type: application/json' \
        -d "{\"actions\":[{\"remove\":{\"index\":\"$NAME-t-2\",\"alias\":\"$NAME-t\"}},{\"add\":{\"index\":\"$NAME-t-3\",\"alias\":\"$NAME-t\"}}]}" >/dev/null
    SEQ=200
    # A table that comes is led here all the same.
    { change c '{"id":2}' null '{"id":2}'; TABLE=u schema id id:integer; TABLE=u change c '{"id":2}' null '{"id":2}'; commit; } | now >"$IN"
    run -0 --separate-stderr elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    [[ $stderr == *"\"$NAME-t\" was led to index \"$NAME-t-3\" by somebody else"* ]]
    is "the alias" "$NAME-t-3" "$(leads_to t)"
    is "another table" "$NAME-u-2" "$(leads_to u)"
    # Nobody has it any more.
    curl -sSf -XDELETE "$OPENSEARCH_URL/$NAME-t-3" >/dev/null
    SEQ=300
    { change c '{"id":3}' null '{"id":3}'; commit; } | now >"$IN"
    elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    is "the alias" "$NAME-t-2" "$(leads_to t)"
}

@test "lines from the future do not say that the sink has caught up" {
    { schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } | now | jq -c '.source.ts_ms += 3600000' >"$IN"
    run -0 --separate-stderr elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    [[ $stderr == *"ahead of this machine's clock"* ]]
    is "the alias" "error status" "$(leads_to t)"
}

# It answers by $DIR/http/script, in place of OpenSearch.
scripted_server() {
    mkdir "$DIR/http"
    spawn python3 "$LIB/http-server.py" "$DIR/http"
    wait_until test -s "$DIR/http/port"
    OPENSEARCH_URL=http://127.0.0.1:$(cat "$DIR/http/port")
}
one_row() { { schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } | now >"$IN"; }

@test "an alias that is led elsewhere, or taken away, at the very moment is looked at again; a name that became an index is exit 78" {
    scripted_server
    one_row
    # Is there an index of that name, _bulk, then of each try: _refresh, where the alias leads, _aliases.
    printf '%s\n' 404 'bulk 200' '200 {}' '200 {"a":{}}' '404 {}' '200 {}' '200 {"b":{}}' '200 {}' '200 {}' "200 {\"$NAME-t-2\":{}}" >"$DIR/http/script"
    elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    is "taken away from" "a b" "$(jq -r 'select(.path == "/_aliases") | .body | fromjson | .actions[0].remove.index' "$DIR/http/log" | xargs)"
    rm "$DIR"/o* "$DIR/http/mapping"
    printf '%s\n' 404 'bulk 200' '200 {}' '404 {}' '400 {"error":{"type":"invalid_alias_name_exception"}}' >>"$DIR/http/script"
    run -78 --separate-stderr elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    [[ $stderr == *invalid_alias_name_exception* ]]
}

@test "two sinks that lead one alias in the same moment: it is looked at again, and leads to one index" {
    scripted_server
    one_row
    # It led nowhere, and leads to both then.
    printf '%s\n' 404 'bulk 200' '200 {}' '404 {}' '200 {}' '200 {}' "200 {\"$NAME-t-2\":{},\"b\":{}}" '200 {}' '200 {}' "200 {\"$NAME-t-2\":{}}" >"$DIR/http/script"
    elastic --index '{schema}-{table}-2' --alias '{schema}-{table}'
    is "actions" "[{\"add\":{\"index\":\"$NAME-t-2\",\"alias\":\"$NAME-t\"}}] [{\"remove\":{\"index\":\"b\",\"alias\":\"$NAME-t\"}},{\"add\":{\"index\":\"$NAME-t-2\",\"alias\":\"$NAME-t\"}}]" \
        "$(jq -r 'select(.path == "/_aliases") | .body | fromjson | .actions | tostring' "$DIR/http/log" | xargs -d '\n')"
}

@test "another index takes the place of the one in use, under traffic and kill -9: no search misses a document" {
    local i line
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, repeat('x', 100) from generate_series(1, 8000) g; create table $NAME.e (id int primary key)"
    supervise "$(full_line "cdc-sink-http --elasticsearch --index '{schema}-{table}-1' --alias '{schema}-{table}' --state-dir '$STATE' $OPENSEARCH_URL")"
    wait_until -t 60 leads t "$NAME-t-1"
    spawn python3 "$LIB/opensearch.py" "$OPENSEARCH_URL" watch "$NAME-t" "$DIR"
    local searcher=$SPAWNED
    write_all_the_time "insert into $NAME.t values (NN + 100000, 'new'); update $NAME.t set v = 'NN' where id = NN; delete from $NAME.t where id = NN + 100000 - 100;"
    mkdir "$DIR/b"
    local options="--name ${NAME}b -t '$NAME.*' --state-dir '$DIR/b/state' '$URL'"
    line="{ cdc-snapshot --chunk-rows 500 $options && exec pg-cdc --heartbeat 1 $options; } | cdc-filter --rename-column 't:v=w' | cdc-sink-http --elasticsearch --batch-events 500 --index '{schema}-{table}-2' --alias '{schema}-{table}' --state-dir '$DIR/b/state' $OPENSEARCH_URL"
    echo "$line" >"$DIR/b/line"
    mkdir "$DIR/b/state"
    setsid bash "$LIB/supervise.bash" "$DIR/b" 3>&- &
    local second=$!
    grown() { [ "$(curl -sS -XPOST "$OPENSEARCH_URL/$NAME-t-2/_refresh" >/dev/null; curl -sS "$OPENSEARCH_URL/$NAME-t-2/_count" | jq '.count // 0')" -ge "$1" ]; }
    for i in 500 2500 5000; do # somewhere in the middle
        wait_until -t 60 grown "$i"
        for victim in $(pgrep -g "$second" -x cdc-sink-http); do kill -KILL "$victim" 2>/dev/null || true; done
    done
    wait_until -t 120 leads t "$NAME-t-2" || { cat "$DIR/b/err" >&2; false; }
    is "the other table" "$NAME-e-2" "$(leads_to e)"
    quiet
    same_rows() { [ "$(sql "select json_build_object('id', id, 'w', v)::text from $NAME.t" | jq -cS . | LC_ALL=C sort)" = "$(opensearch_rows "$NAME-t" . | jq -cS . | LC_ALL=C sort)" ]; }
    wait_until -t 90 same_rows
    not test -e "$DIR/failed"
    not test -e "$DIR/b/failed"
    touch "$DIR/enough" "$DIR/stop" "$DIR/b/stop"
    kill -TERM -- -$second
    wait_until gone "$searcher"
    [ "$(sort -n "$DIR/looks" | head -1)" -ge 8000 ] || fail "a search found $(sort -n "$DIR/looks" | head -1) documents"
}
