#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables that are read again ("read":"begin", "read":"end"), in an OpenSearch index, at a webhook and through cdc-filter: searchers see
# the old documents until they are replaced, and what is no longer there is gone at the end.
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
    end_spawned || true
    rm -rf "$DIR/http"
    mkdir -p "$DIR/http"
    printf '%s\n' "$@" >"$DIR/http/script"
    # Whose the index is, and that it is there.
    printf '{"%s-t":{"mappings":{"_meta":{"cdc":{"name":"%s","db":"d","schema":"%s","table":"t"}}}}}' "$SCHEMA" "$SOURCE_NAME" "$SCHEMA" >"$DIR/http/mapping"
    server
}
log() { jq -r "$1" "$DIR/http/log"; }
elastic() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "${URL:-$OPENSEARCH_URL}" <"$IN"; }
# The same in the background, SPAWNED, which has no other standard input.
spawn_elastic() { spawn bash -c 'exec "${@:2}" <"$1"' - "$IN" cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "${URL:-$OPENSEARCH_URL}"; }
pos() { jq -r ".offsets[\"$SOURCE_NAME\"].pos // \"\"" "$DIR/o"; }
put() { curl -sSf -XPUT "$OPENSEARCH_URL/$1" -H 'Content-Type: application/json' -d "$2" >/dev/null; }
shards() { put "$SCHEMA-t" "{\"settings\":{\"number_of_shards\":$1}}"; }
refresh() { curl -sSf -XPOST "$OPENSEARCH_URL/$SCHEMA-${1:-t}/_refresh" >/dev/null; }
# rows [TABLE]: id and v of the documents, in order of the ids
rows() {
    refresh "${1:-t}"
    curl -sSf "$OPENSEARCH_URL/$SCHEMA-${1:-t}/_search?size=1000" | jq -r '[.hits.hits[]._source] | sort_by(.id)[] | "\(.id)=\(.v)"' | xargs
}
# The line before the rows of a table that is read again; the end of some of them, all of which have one seq; and the line after
# them, which has the columns as `schema` has them.
reread() { line t '"read":"begin"'; }
chunk() { line commit '"events":1'; }
columns_end() {
    schema "$@" | sed 's/}$/,"read":"end"}/'
    POS=$((POS + 1)) # the pipe has counted in a process of its own
}
ITEMS='id id:integer v:text'
items() { schema $ITEMS; }
# have OP V ID...
have() {
    local op=$1 v=$2 i
    shift 2
    for i; do change "$op" "{\"id\":$i}" null "{\"id\":$i,\"v\":\"$v\"}"; done
}
old() { items; have c old "$@"; commit; }
# again V ID...: an attempt at the table, up to its last row; the_end and commit are after it
again() { reread; items; have r "$@"; }
the_end() { columns_end $ITEMS; }

@test "a table that has gone while it was read: its documents go, no end comes, and what comes under its name is there" {
    gone() { line t '"read":"dropped"' | sed 's/"snapshot":"false"/"snapshot":"true"/'; }
    old 1 2 3 >"$IN"
    elastic
    { line t '"read":"live"'; items; have r new 2; commit; } >"$IN"
    elastic
    { gone; commit; } >"$IN"
    elastic
    is "documents" "" "$(rows)"
    { items; have c again 2 7; commit; } >"$IN"
    elastic
    is "documents" "2=again 7=again" "$(rows)"
    # The read is over: one that begins later ends as ever.
    { again read 7; the_end; commit; } >"$IN"
    elastic
    is "documents" "7=read" "$(rows)"
}

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

@test "a searcher never sees fewer documents than the old table or the new one has, also while the sink is killed and started again" {
    shards 2
    # many OP FROM TO V
    many() {
        awk -v from="$2" -v to="$3" -v seq=$SEQ -v head="$(line "$1" '')" 'BEGIN {
            sub(/^{"op":"[a-z]*","pos":"[^"]*"/, "", head); sub(/,}$/, "", head)
            for (i = from; i <= to; i++)
                printf "{\"op\":\"'"$1"'\",\"pos\":\"%08d.1%06d0\"%s,\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d,\"v\":\"'"$4"'\"}}\n", seq, i, head, i, i }'
    }
    { items; many c 1 12000 old; commit; } >"$IN"
    elastic -q
    cp "$DIR/o" "$DIR/stored"
    spawn python3 "$LIB/opensearch.py" "$OPENSEARCH_URL" watch "$SCHEMA-t" "$DIR"
    wait_until -t 30 test -s "$DIR/looks"
    { reread; items; many r 3001 8000 new; POS=10080000; chunk; many r 8001 10000 new; POS=20000000; the_end; commit; } >"$IN"
    local ms status=1
    for ms in 200 400 700 1000 1500; do
        spawn_elastic -q --batch-events 500 --batch-bytes 200K
        pause_ms "$ms"
        kill -KILL "$SPAWNED" 2>/dev/null || true
        wait "$SPAWNED" || true
    done
    elastic -q --batch-bytes 200K
    cp "$DIR/looks" "$DIR/looks.first"
    # The same lines once more: the index is as it should be.
    cp "$DIR/stored" "$DIR/o"
    elastic -q --batch-bytes 200K
    : >"$DIR/enough"
    wait_until gone "${SPAWNED_ALL[0]}"
    refresh
    is "documents" 7000 "$(curl -sSf "$OPENSEARCH_URL/$SCHEMA-t/_count" | jq .count)"
    is "new ones" 7000 "$(curl -sSf "$OPENSEARCH_URL/$SCHEMA-t/_count?q=v:new" | jq .count)"
    [ "$(wc -l <"$DIR/looks.first")" -gt 5 ] || fail "the searcher has hardly looked"
    is "fewest" 7000 "$(sort -n "$DIR/looks" | head -1)"
    is "most" 12000 "$(sort -n "$DIR/looks" | tail -1)"
}

@test "what an attempt wrote that broke off, and is gone since, has no document after the next attempt" {
    local runs
    for runs in one two three; do
        SCHEMA=s$runs SOURCE_NAME=$runs SEQ=100 POS=0
        shards 3
        old 1 2 3 4 >"$DIR/1"
        again first 1 2 3 5 6 >"$DIR/2"
        chunk >>"$DIR/2"
        # 5 was inserted and deleted, 6 deleted after the first attempt; 4 and 7 were inserted.
        again second 1 4 >"$DIR/3"
        chunk >>"$DIR/3"
        { have r second 2 7; the_end; commit; items; have c later 5; commit; } >"$DIR/4"
        rm -f "$DIR"/o*
        case $runs in
            one) cat "$DIR"/[1234] >"$IN"; elastic ;;
            two) cat "$DIR"/[12] >"$IN"; elastic; cat "$DIR"/[34] >"$IN"; elastic ;;
            three) local n; for n in 1 2 3 4; do cp "$DIR/$n" "$IN"; elastic; done ;;
        esac
        is "in $runs" "1=second 2=second 4=second 5=later 7=second" "$(rows)"
    done
}

@test "random tables that change in silence, read again in attempts that break off, with lines that were sent and not confirmed" {
    local seed=${CDC_TEST_SEED:-1} seeds=${CDC_TEST_SEEDS:-3} file n table
    mkdir "$DIR/lines"
    python3 "$LIB/rounds.py" lines "$seed" "$seeds" "$DIR/lines"
    python3 "$LIB/rounds.py" expect "$seed" "$seeds" >"$DIR/want"
    put _template/rounds '{"index_patterns":["s-*"],"settings":{"number_of_shards":2}}'
    RANDOM=$((seed % 30000))
    for file in "$DIR"/lines/*; do
        case $file in
            *.lost) cp "$DIR/o" "$DIR/stored" ;;
            *)
                n=$(wc -l <"$file")
                head -n "$((1 + RANDOM % (n + 1)))" "$file" >"$IN"
                elastic -q --batch-events $((1 + RANDOM % 40)) 2>/dev/null || [ $? -eq 75 ]
                ;;
        esac
        cp "$file" "$IN"
        # It may end within an attempt.
        elastic -q --batch-events $((1 + RANDOM % 40)) || [ $? -eq 75 ]
        [[ $file != *.lost ]] || cp "$DIR/stored" "$DIR/o"
    done
    # Twice in a row, as where a source is set back: the lines before the position are dropped, but for those of schemas.
    elastic -q
    for table in $(cut -d ' ' -f 1 "$DIR/want" | sort -u); do
        opensearch_rows "s-$table" . | python3 -c 'import json, sys
for row in sys.stdin: print(sys.argv[1], json.dumps(json.loads(row), sort_keys=True))' "$table"
    done | LC_ALL=C sort >"$DIR/got"
    [ -s "$DIR/want" ] && LC_ALL=C sort "$DIR/want" | diff - "$DIR/got" >&2
}

@test "another key: documents with ids of the one before are gone at the end, and the next key change is refused as before" {
    { schema id id:integer code:text v:text; for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i,\"code\":\"c$i\",\"v\":\"old\"}"; done; commit; } >"$IN"
    elastic
    by_code() { "$1" code id:integer code:text v:text; }
    { reread; by_code schema; change r '{"code":"c1"}' null '{"id":1,"code":"c1","v":"new"}'; chunk; } >"$IN"
    elastic
    is "before the end" "1=old 1=new 2=old 3=old" "$(rows | tr ' ' '\n' | LC_ALL=C sort -t= -k1,1 -k2,2r | xargs)"
    { change r '{"code":"c3"}' null '{"id":3,"code":"c3","v":"new"}'; by_code columns_end; commit; by_code schema; change u '{"code":"c3"}' null '{"id":3,"code":"c3","v":"later"}'; commit; } >"$IN"
    elastic
    is "after it" "1=new 3=later" "$(rows)"
    is ids "c1 c3" "$(curl -sSf "$OPENSEARCH_URL/$SCHEMA-t/_search" | jq -r '.hits.hits[]._id' | sort | xargs)"
    { schema id id:integer code:text v:text; change u '{"id":3}' null '{"id":3,"code":"c3","v":"x"}'; commit; } >"$IN"
    run -78 elastic
}

@test "a row that the index refuses: with stop nothing is gone, and it goes on once that is corrected; with skip its old document goes" {
    put "$SCHEMA-t" '{"mappings":{"properties":{"v":{"type":"integer"}}}}'
    old() { items; have c 1 1 2 3; commit; }
    old >"$IN"
    elastic
    local before
    before=$(pos)
    { reread; items; have r 5 1; have r none 2; have r 5 4; the_end; commit; } >"$IN"
    run -65 --separate-stderr elastic
    [[ $stderr == *'"2"'*_parsing_exception* ]]
    is position "$before" "$(pos)"
    is "nothing is gone" "1 2 3" "$(rows | tr ' ' '\n' | grep -v ^4 | cut -d= -f1 | xargs)"
    cp "$IN" "$DIR/lines"
    sed -i 's/none/6/' "$IN"
    cp "$DIR/o" "$DIR/stored"
    elastic
    is corrected "1=5 2=6 4=5" "$(rows)"
    cp "$DIR/stored" "$DIR/o"
    { sed 's/"seq":[0-9]*/"seq":900/; s/"pos":"[0-9]*/"pos":"00000900/' "$DIR/lines"; } >"$IN"
    elastic -q --on-error=dead-letter --dead-letter "$DIR/dead"
    is "passed over" "1=5 4=5" "$(rows)"
    is "in the dead letters" 1 "$(jq -c 'select(.line | contains("none"))' "$DIR/dead" | wc -l)"
}

@test "which documents go, and with which versions; an answer that is not that of a delete of its own ends the run, and confirms nothing" {
    local shard='200 {"_shards":{"total":1,"failed":0},"hits":{"hits":[{"_seq_no":5,"_primary_term":2}]}}' end='200 {"_scroll_id":"s"}' refreshed='200 {"_shards":{"failed":0}}' page
    hit() { printf '{"_id":"%s","_version":%d,"_primary_term":%d,"_seq_no":%d}' "$@"; }
    page="200 {\"_scroll_id\":\"s\",\"hits\":{\"hits\":[$(hit older 99 1 9),$(hit attempt 100 2 5),$(hit new 100 2 6),$(hit failover 100 3 1),$(hit newer 101 1 1),$(hit later 101 2 6)]}}"
    { reread; items; the_end; commit; } >"$IN"
    server_again "$refreshed" "$shard" "$shard" "$refreshed" "$page" 'bulk 200' "$end"
    elastic
    is deletes 'older 99 external_gte,attempt 100 external_gte,newer 101 external_gte' \
        "$(log 'select(.path | startswith("/_bulk")).body' | jq -r '.delete | "\(._id) \(.version) \(.version_type)"' | paste -sd,)"
    is "the scroll is ended" '{"scroll_id":"s"}' "$(log 'select(.method == "DELETE").body')"
    [[ $(pos) == *99999999* ]]
    rm "$DIR/o"
    # In requests of the size that is allowed.
    server_again "$refreshed" "$shard" "$shard" "$refreshed" "$page" 'bulk 200' 'bulk 200' 'bulk 200' "$end"
    elastic --batch-bytes 10
    is "a delete each" "older attempt newer" "$(log 'select(.path | startswith("/_bulk")).body' | jq -r '.delete._id' | xargs)"
    rm "$DIR/o"
    # Not there any more, or written anew; not now, and so from the first page on.
    server_again "$refreshed" "$shard" "$shard" "$refreshed" "$page" 'bulk 404 409' "$end"
    elastic
    [[ $(pos) == *99999999* ]]
    rm "$DIR/o"
    server_again "$refreshed" "$shard" "$shard" "$refreshed" "$page" 'bulk 200 429' 200 "$refreshed" "$page" 'bulk 200' "$end"
    elastic
    is "refreshed each time" 3 "$(log 'select(.path | contains("_refresh")).path' | wc -l)"
    [[ $(pos) == *99999999* ]]
    # What the begin asks of a shard that does not answer now is asked again.
    rm "$DIR/o"
    server_again '200 {"_shards":{"failed":1}}' "$refreshed" '200 {"_shards":{"total":1,"failed":1}}' "$shard" '200 {"timed_out":true,"_shards":{"total":1,"failed":0}}' "$shard" \
        "$refreshed" "$page" 'bulk 200' "$end"
    elastic
    [[ $(pos) == *99999999* ]]
    local answer
    for answer in 'bulk*1 200=76' 'bulk*3 200=76' '200 {"errors":false}=76' 'bulk 400:mapper_parsing_exception=76' 'bulk 403:security_exception=77' 'bulk 400:index_closed_exception=78'; do
        rm -f "$DIR/o"
        server_again "$refreshed" "$shard" "$shard" "$refreshed" "$page" "${answer%=*}"
        run elastic
        is "status after $answer" "${answer##*=}" "$status"
        is "offset after $answer" "" "$(pos)"
    done
    for page in '200 {"_scroll_id":"s","hits":{"hits":[{"_id":"1"}]}}' '200 {"_scroll_id":"s","hits":{"hits":[{"_id":"1","_version":7}]}}'; do
        server_again "$refreshed" "$shard" "$shard" "$refreshed" "$page"
        run -76 elastic
        is "offset after $page" "" "$(pos)"
    done
    for answer in '200 {}=76' '200 []=76' '200 {"_shards":{"total":0,"failed":0}}=76' '403 no=77'; do
        server_again "$refreshed" "${answer%=*}"
        run elastic
        is "status after the begin's $answer" "${answer##*=}" "$status"
        is "offset after the begin's $answer" "" "$(pos)"
    done
    server_again '400 {"error":{"type":"index_closed_exception"}}'
    run -78 elastic
    is "offset of a closed index" "" "$(pos)"
}

@test "a row that meets a newer document: which one goes over it, with which version, and answers that do not tell" {
    local shard='200 {"_shards":{"total":1,"failed":0},"hits":{"hits":[{"_seq_no":5,"_primary_term":2}]}}' told reason number answer expected
    { reread; items; have r new 1; the_end; commit; } >"$IN"
    # conflict REASON SHARD: the answer to the row
    conflict() { printf '200 {"errors":true,"items":[{"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"%s","shard":"%s"}}}]}' "$@"; }
    meets() {
        rm -f "$DIR/o"*
        server_again 200 "$shard" "$shard" "$@" 200 '200 {"_scroll_id":"s"}'
    }
    told='[1]: version conflict, current version [200] is higher than the one provided [100]'
    while IFS='|' read -r reason number answer expected; do
        if [ "$expected" = 100 ]; then
            meets "$(conflict "$reason" "$number")" "200 $answer"
        else
            meets "$(conflict "$reason" "$number")" "200 $answer" 'bulk 200'
        fi
        run elastic
        case $expected in
            7*) is "status after $answer" "$expected" "$status"; is "offset after $answer" "" "$(pos)" ;;
            *) is "status after $answer" 0 "$status"; is "versions after $answer" "$expected" "$(log 'select(.path | startswith("/_bulk")).body' | grep . | jq -r '.index.version // empty' | xargs)" ;;
        esac
    done <<END
$told|0|{"docs":[{"found":true,"_version":200,"_seq_no":5,"_primary_term":2}]}|100 200
$told|0|{"docs":[{"found":true,"_version":300,"_seq_no":2,"_primary_term":3}]}|100
$told|0|{"docs":[{"found":true,"_version":300,"_seq_no":3,"_primary_term":1}]}|100 300
$told|0|{"docs":[{"found":true,"_version":200,"_seq_no":6,"_primary_term":2}]}|100
$told|0|{"docs":[{"found":false}]}|100 200
no version|0|{"docs":[{"found":false}]}|76
$told||{"docs":[{"found":true,"_version":200,"_seq_no":5,"_primary_term":2}]}|76
$told|0|{"docs":[]}|76
$told|0|{"docs":[{"found":1}]}|76
$told|0|{"docs":[{"error":{"type":"security_exception","reason":"no"}}]}|77
$told|0|{"docs":[{"error":{"type":"index_closed_exception","reason":"no"}}]}|78
END
}

@test "an end without its begin, and an index that may not be looked at" {
    old 1 2 3 >"$IN"
    elastic
    # A stage before us has dropped the t line.
    { items; have r new 2; the_end; commit; } >"$IN"
    elastic
    is "by the versions alone" "2=new" "$(rows)"
    unset URL
    local shard='200 {"_shards":{"total":1,"failed":0},"hits":{"hits":[{"_seq_no":5,"_primary_term":1}]}}'
    SEQ=100
    { reread; items; the_end; commit; } >"$IN"
    rm "$DIR"/o*
    server_again 200 "$shard" "$shard" 200 '200 {"_scroll_id":"s","hits":{"hits":[{"_id":"a","_version":100,"_primary_term":1,"_seq_no":5}]}}' 'bulk 200' '200 {"_scroll_id":"s"}'
    echo 403 >"$DIR/http/mapping-status"
    elastic
    is "of an attempt before" a "$(log 'select(.path | startswith("/_bulk")).body' | jq -r '.delete._id')"
}

@test "while the log goes on: a row that comes and goes in one transaction, under the key of one that is gone, is no second row" {
    old 1 2 3 >"$IN"
    elastic
    # 3 is deleted meanwhile, which no line says: it was not read yet.
    { line t '"read":"live"'; items; have r new 1; chunk; tx; } >"$IN"
    { have c other 3; change d '{"id":3}' '{"id":3,"v":"other"}' null; have c later 4; commit; } >>"$IN"
    elastic
    is "before the end" "1=new 2=old 4=later" "$(rows)"
    { have r new 2; chunk; the_end | sed 's/}$/,"since":110}/'; commit; } >"$IN"
    elastic
    is "at the end" "1=new 2=new 4=later" "$(rows)"
}

@test "while the log goes on: a row that moves to the key of one that is gone brings its own omitted columns" {
    local columns='id id:integer v:text big:text' run
    whole() { change "$1" "{\"id\":$3}" null "{\"id\":$3,\"v\":\"$2\",\"big\":\"$2 $3\"}"; }
    { schema $columns; for i in 1 2 3; do whole c old $i; done; commit; } >"$IN"
    elastic
    # 3 is gone, which no line says, and 2 becomes 3.
    { line t '"read":"live"'; schema $columns; for i in 1 2; do whole r new $i; done; commit; } >"$IN"
    change u '{"id":3}' '{"id":2}' '{"id":3,"v":"moved"}' '["big"]' >>"$IN"
    commit >>"$IN"
    cp "$DIR/o" "$DIR/stored"
    for run in first again; do # the same lines come again, as after a crash
        [ $run = first ] || cp "$DIR/stored" "$DIR/o"
        elastic
        is "$run, before the end" '"1 new 1" "3 new 2"' "$(opensearch_rows "$SCHEMA-t" '"\(.id) \(.big)"' | sort | xargs -d '\n')"
    done
}

# bats test_tags=only:search-modules
@test "another index under the alias, copied while the table is read: none of its documents is taken for one of an attempt before" {
    local meta
    meta="{\"cdc\":{\"name\":\"$SOURCE_NAME\",\"db\":\"d\",\"schema\":\"$SCHEMA\",\"table\":\"t\"}}"
    for i in 1 2; do put "$SCHEMA-t-$i" "{\"settings\":{\"number_of_shards\":1},\"mappings\":{\"_meta\":$meta}}"; done
    alias() { curl -sSf -XPOST "$OPENSEARCH_URL/_aliases" -H 'Content-Type: application/json' -d "{\"actions\":[$1]}" >/dev/null; }
    alias "{\"add\":{\"index\":\"$SCHEMA-t-1\",\"alias\":\"$SCHEMA-t\"}}"
    { old {1..9}; again first {1..9}; chunk; again second {1..6}; chunk; } >"$IN"
    elastic
    refresh t-1
    curl -sSf -XPOST "$OPENSEARCH_URL/_reindex?refresh=true" -H 'Content-Type: application/json' \
        -d "{\"source\":{\"index\":\"$SCHEMA-t-1\"},\"dest\":{\"index\":\"$SCHEMA-t-2\",\"version_type\":\"external\"}}" >/dev/null
    alias "{\"remove\":{\"index\":\"$SCHEMA-t-1\",\"alias\":\"$SCHEMA-t\"}},{\"add\":{\"index\":\"$SCHEMA-t-2\",\"alias\":\"$SCHEMA-t\"}}"
    { have r second 7; the_end; commit; } >"$IN"
    elastic
    [[ $(rows) == "1=second 2=second 3=second 4=second 5=second 6=second 7=second"* ]] || fail "$(rows)"
    # An alias of several: as for any other line.
    alias "{\"add\":{\"index\":\"$SCHEMA-t-1\",\"alias\":\"$SCHEMA-t\",\"is_write_index\":true}}"
    local before
    before=$(pos)
    { again third 1; the_end; commit; } >"$IN"
    run -78 elastic
    is position "$before" "$(pos)"
}

@test "with index.translog.durability async, what was deleted at the end is made durable before the position moves" {
    put "$SCHEMA-t" '{"settings":{"number_of_shards":1,"index.translog.durability":"async","index.translog.sync_interval":"1h"}}'
    old 1 2 >"$IN"
    elastic
    { reread; items; have r new 1; chunk; } >"$IN"
    elastic
    { the_end; commit; } >"$IN"
    elastic
    is "two documents, one written again, and a delete" '[3,3]' \
        "$(curl -sSf "$OPENSEARCH_URL/$SCHEMA-t/_stats?level=shards" | jq -c '[.indices[].shards[][] | select(.routing.primary) | .seq_no | .max_seq_no, .local_checkpoint]')"
}

@test "SIGTERM while documents are looked for: it leaves after five seconds at the latest, and the position does not move" {
    local page
    page='200 {"_scroll_id":"s","hits":{"hits":[{"_id":"1","_version":999,"_primary_term":1,"_seq_no":9}]}}'
    { reread; items; the_end; commit; } >"$IN"
    server_again 200 '200 {"_shards":{"total":1,"failed":0}}' '200 {"_shards":{"total":1,"failed":0}}' 200
    # An index without an end.
    yes "$page" | head -40000 >>"$DIR/http/script"
    spawn_elastic
    local sink=$SPAWNED
    wait_until -t 10 file_matches "$DIR/http/log" '_search/scroll'
    kill -TERM "$sink"
    status_of "$sink" 20
    is "offset" "" "$(pos)"
}

@test "webhook: the lines around the rows are sent as they are, the one after them alone, and an id says what is in a request" {
    server
    { again new 1 2; the_end; commit; items; have c later 3; commit; have c later 4; commit; } >"$IN"
    t cdc-sink-http --webhook --format=ndjson --offset-file "$DIR/o" "$URL" <"$IN"
    is requests "t:begin r r;schema:end;c c" "$(log .body | sed 's/^$/;/' | jq -Rr 'if . == ";" then . else fromjson | .op + (if .read then ":" + .read else "" end) end' | paste -sd' ' | sed 's/ *; */;/g; s/;$//')"
    is "as they are" "$(grep -E '"op":"[trc]"|"read"' "$IN")" "$(log .body | grep .)"
    # From the rows of 3 on, whose transaction was stored.
    head -n 9 "$IN" >"$DIR/some"
    for lines in "$IN" "$DIR/some"; do
        rm -f "$DIR/o"
        t cdc-sink-http --webhook --format=ndjson --batch-events 3 --offset-file "$DIR/o" "$URL" <"$lines"
    done
    t cdc-sink-http --webhook --format=ndjson --batch-events 3 --offset-file "$DIR/o" "$URL" <"$IN"
    is "each id has the same lines" "" "$(log '[.headers["webhook-id"], .body] | @json' | sort -u | jq -r '.[0]' | uniq -d)"
}

@test "rows of a read go over documents of lines that were sent and not confirmed, since the log leaves out what the read has seen" {
    local how
    wide='id id:integer v:text big:text'
    row() { change "$1" "{\"id\":$2}" null "{\"id\":$2,\"v\":\"$3\",\"big\":\"$3\"}"; }
    for how in read snapshot; do
        SCHEMA=s$how SOURCE_NAME=$how SEQ=100
        shards 2
        rm -f "$DIR"/o*
        { schema $wide; for i in 1 2 3; do row c $i old; done; commit; } >"$IN"
        elastic
        cp "$DIR/o" "$DIR/stored"
        # Killed before the position was saved.
        SEQ=200
        { schema $wide; row u 1 early; change d '{"id":2}' '{"id":2}' null; row c 8 early; commit; row c 9 early; commit; } >"$IN"
        elastic
        cp "$DIR/stored" "$DIR/o"
        # After the first of them the source has changed 1, inserted 2 and 4 and deleted 8 and 9: seen by the read.
        SEQ=110
        {
            if [ $how = read ]; then reread; else line t '"x":1' | sed 's/"snapshot":"false"/"snapshot":"true"/'; POS=1; fi
            schema $wide
            for i in 1 2 3 4; do row r $i read; done
            if [ $how = read ]; then columns_end $wide; fi
            commit
            SEQ=310
            schema $wide
            change u '{"id":1}' null '{"id":1,"v":"a","big":"new"}'
            change d '{"id":4}' '{"id":4}' null
            commit
            change u '{"id":1}' null '{"id":1,"v":"later"}' '["big"]'
            change u '{"id":5}' '{"id":2}' '{"id":5,"v":"moved"}' '["big"]'
            commit
        } >"$IN"
        local expected="1=later/new 3=read/read 5=moved/read"
        wide_rows() {
            refresh
            curl -sSf "$OPENSEARCH_URL/$SCHEMA-t/_search?size=1000" | jq -r '[.hits.hits[]._source] | sort_by(.id)[] | "\(.id)=\(.v)/\(.big)"' | xargs
        }
        elastic
        is "after the $how" "$expected" "$(wide_rows)"
        # All of it again, killed before the position was saved: what came after the read is no document of before.
        for size in 10000 2 1; do
            cp "$DIR/stored" "$DIR/o"
            elastic -q --batch-events $size
            is "the $how, delivered again in requests of $size" "$expected" "$(wide_rows)"
        done
    done
}
