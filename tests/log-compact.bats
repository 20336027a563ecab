#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-log compact and trim: a base and what comes after it make the rows that all lines make, whatever is killed, full or read meanwhile.
# takes: 120 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/faults
load lib/opensearch

setup() {
    DIR=$BATS_TEST_TMPDIR
    ROOT=$DIR/root
    mkdir "$ROOT"
    LOG=$DIR/log
    SHADOW=
}
teardown() {
    end_spawned || true
    opensearch_stop
}

random_lines() { python3 "$LIB/log-changes.py" "$@"; }
append() { t cdc-log append -q --segment-bytes 20K "$@" "$LOG"; }
compact() { t cdc-log compact -q "$@" "$LOG"; }
base() { zstdcat "$LOG"/base-*.ndjson.zst; }
base_made() { head -1 "$(printf '%s\n' "$LOG"/base-*.idx | tail -1)" | grep -o '"ts":[0-9]*' | head -1 | cut -d: -f2; }
# copy FILE: of the lines on stdin, one table for each of each source.
copy() { t cdc-sink-sqlite -q --table-name '{name}_{table}' "$1"; }
tables() { sqlite3 "$1" "select name from sqlite_master where type = 'table' and name not like 'cdc\_%' escape '\' order by 1"; }
rows() {
    local table
    for table in $(tables "$1"); do
        echo "$table"
        sqlite3 "$1" "select * from \"$table\"" | sort
    done
}
same_rows() { diff <(rows "$1") <(rows "$2") || fail "$1 and $2 have other rows"; }
# Lines of seed $1, the first $2 commits of 60 into $DIR/first, the others into $DIR/rest.
parts() {
    random_lines "$1" 60 >"$DIR/all"
    random_lines "$1" 60 "$2" >"$DIR/rest"
    head -n $(($(wc -l <"$DIR/all") - $(wc -l <"$DIR/rest"))) "$DIR/all" >"$DIR/first"
}

@test "the base and the lines after it make the rows of all lines" {
    local seed
    for seed in 1 2 3 4; do
        rm -rf "$LOG" "$DIR"/*.db*
        parts $seed $((seed * 12))
        append <"$DIR/first"
        compact --memory 1K
        append <"$DIR/rest"
        copy "$DIR/all.db" <"$DIR/all"
        t cdc-log read -q --from base "$LOG" | copy "$DIR/base.db"
        same_rows "$DIR/all.db" "$DIR/base.db"
        compact --memory 1K --delete-retention 0
        t cdc-log read -q --from base "$LOG" | copy "$DIR/second.db"
        same_rows "$DIR/all.db" "$DIR/second.db"
        [ "$(base | wc -l)" -lt "$(wc -l <"$DIR/all")" ]
    done
}

@test "a sink that has some of it goes on with the base" {
    parts 7 20
    append <"$DIR/first"
    copy "$DIR/late.db" <"$DIR/first"
    append <"$DIR/rest"
    compact
    copy "$DIR/all.db" <"$DIR/all"
    t cdc-log read -q --from base "$LOG" | copy "$DIR/late.db"
    same_rows "$DIR/all.db" "$DIR/late.db"
}

@test "tables that were read again: whoever goes on with a base, from whichever commit, ends with the rows of all lines" {
    local seed late n
    for seed in 2 3 5; do
        rm -rf "$LOG" "$DIR"/*.db*
        random_lines $seed 40 0 reads >"$DIR/all"
        grep -q '"read":"live"' "$DIR/all"
        grep -q '"read":"begin"' "$DIR/all"
        grep -q '"read":"end"' "$DIR/all"
        random_lines $seed 40 $((seed * 6)) reads >"$DIR/rest"
        n=$(($(wc -l <"$DIR/all") - $(wc -l <"$DIR/rest")))
        head -n $n "$DIR/all" | append
        compact
        append <"$DIR/rest"
        compact
        copy "$DIR/all.db" <"$DIR/all"
        for late in $(grep -n '"op":"commit"' "$DIR/all" | cut -d: -f1 | awk 'NR % 8 == 3'); do
            head -n "$late" "$DIR/all" | copy "$DIR/late.db"
            t cdc-log read -q --from base "$LOG" | copy "$DIR/late.db"
            same_rows "$DIR/all.db" "$DIR/late.db"
            rm "$DIR"/late.db*
        done
    done
}

@test "a table that was read again: an index that goes on with a base ends with the documents of all lines" {
    opensearch_start
    index() { t cdc-sink-http -q --elasticsearch --index "$1-{table}" --offset-file "$DIR/$1.offset" "$OPENSEARCH_URL"; }
    documents() { opensearch_rows "$1-*" . | sort; }
    row() { change "$1" "{\"id\":$2}" null "{\"id\":$2,\"v\":\"$3\"}"; }
    { schema id id:integer v:text; for id in 1 2 3 4; do row c $id a; done; commit; } >"$DIR/first"
    tx
    {
        read_begin
        schema id id:integer v:text
        for id in 1 2 4; do row r $id b; done
        read_end id id:integer v:text
        commit
    } >"$DIR/read"
    SEQ=500
    { row u 2 c; commit; } >"$DIR/rest"
    cat "$DIR/first" "$DIR/read" "$DIR/rest" | tee "$DIR/all" | append
    compact
    # The row that has changed since comes after the read's end, at which the index has deleted it.
    is "rows of the base" "1 4 end 2" "$(base | jq -r 'select(.op == "r" or .read == "end") | .read // .key.id' | xargs)"
    index all <"$DIR/all"
    index late <"$DIR/first"
    t cdc-log read -q --from base --ack "$DIR/late.offset" "$LOG" | index late
    is "documents" 3 "$(documents all | wc -l)"
    diff <(documents all) <(documents late)
}

@test "parts of a table that was put together: the base and the lines after it make the rows of all lines" {
    local a='"part":{"column":"part","value":"a"}' b='"part":{"column":"part","value":"b"}' cut
    described() { schema id,part id:integer part:text v:text | sed "s/}\$/,$1}/"; POS=$((POS + 1)); }
    ended() { read_end id,part id:integer part:text v:text | sed "s/}\$/,$1}/"; POS=$((POS + 1)); }
    row() { change "$1" "{\"id\":$2,\"part\":\"$3\"}" null "{\"id\":$2,\"part\":\"$3\",\"v\":\"$4\"}"; }
    {
        schema id,part id:integer part:text v:text
        row c 1 a x
        row c 1 b x
        row c 2 a x
        commit
        row u 1 a y
        row u 1 b y
        commit
        change d '{"id":2,"part":"a"}' '{"id":2,"part":"a"}' null
        row c 3 b x
        commit
        described "$a"
        described "$b"
        row u 1 b z
        row c 4 a x
        commit
        line t "$b"
        commit
        row c 5 b x
        row u 4 a y
        commit
        line t "\"read\":\"live\",$a"
        described "$a"
        row r 4 a z
        commit
        change d '{"id":5,"part":"b"}' '{"id":5,"part":"b"}' null
        row r 6 a x
        commit
        ended "$a"
        commit
        row u 6 a y
        line t '"part":{"column":"part","prefix":"c"}'
        commit
        row c 7 b x
        commit
    } >"$DIR/all"
    copy "$DIR/all.db" <"$DIR/all"
    is "rows" "4|a|z 6|a|y 7|b|x" "$(sqlite3 "$DIR/all.db" 'select id, part, v from n_t order by id' | xargs)"
    grep -n '"op":"commit"' "$DIR/all" | cut -d: -f1 >"$DIR/cuts"
    while read -r cut; do
        rm -rf "$LOG" "$DIR"/base.db* "$DIR"/late.db* "$DIR"/second.db*
        head -n "$cut" "$DIR/all" | append
        head -n "$cut" "$DIR/all" | copy "$DIR/late.db"
        compact
        tail -n +$((cut + 1)) "$DIR/all" | append
        t cdc-log read -q --from base "$LOG" | copy "$DIR/base.db"
        same_rows "$DIR/all.db" "$DIR/base.db"
        compact
        t cdc-log read -q --from base "$LOG" | copy "$DIR/second.db"
        same_rows "$DIR/all.db" "$DIR/second.db"
        t cdc-log read -q --from base "$LOG" | copy "$DIR/late.db"
        same_rows "$DIR/all.db" "$DIR/late.db"
    done <"$DIR/cuts"
}

@test "the base and the lines after it make the documents of all lines" {
    local seed
    opensearch_start
    index() { t cdc-sink-http -q --elasticsearch --index "$1-{name}-{table}" --offset-file "$DIR/$1.offset" "$OPENSEARCH_URL"; }
    documents() { opensearch_rows "$1-*" . | sort; }
    for seed in 3 8; do
        rm -rf "$LOG" "$DIR"/*.offset
        # The other tables have rows without a key, or two rows of one key within a transaction.
        random_lines $seed 60 | jq -c 'select(.op == "commit" or .source.table == "keyed")' >"$DIR/all"
        awk -v half=$(($(wc -l <"$DIR/all") / 2)) '{print} NR >= half && /"op":"commit"/ {exit}' "$DIR/all" >"$DIR/first"
        append <"$DIR/first"
        compact
        tail -n +$(($(wc -l <"$DIR/first") + 1)) "$DIR/all" | append
        index "all$seed" <"$DIR/all"
        t cdc-log read -q --from base "$LOG" | index "base$seed"
        [ "$(documents "all$seed" | wc -l)" -gt 0 ]
        diff <(documents "all$seed") <(documents "base$seed") || fail "the documents differ"
    done
}

@test "deletes that a base does not tell any more: a sink of before gets 79, and one of after goes on" {
    { schema id id:integer v:text; change c '{"id":1}' null '{"id":1,"v":"a"}'; change c '{"id":2}' null '{"id":2,"v":"b"}'; commit; } >"$DIR/1"
    tx
    { change d '{"id":1}' '{"id":1}' null; commit; } >"$DIR/2"
    tx
    { change u '{"id":2}' null '{"id":2,"v":"c"}'; commit; } >"$DIR/3"
    tx
    { change u '{"id":2}' null '{"id":2,"v":"d"}'; commit; } >"$DIR/4"
    append <"$DIR/1"
    copy "$DIR/old.db" <"$DIR/1"
    append <"$DIR/2"
    compact
    local made
    made=$(base_made)
    is "deletes in the first base" 1 "$(base | grep -c '"op":"d"')"
    append <"$DIR/3"
    compact
    [ "$(base_made)" -gt "$made" ] # or deletes would never be old
    is "deletes in the second base, within their time" 1 "$(base | grep -c '"op":"d"')"
    cp "$DIR/old.db" "$DIR/early.db"
    t cdc-log read -q --from base "$LOG" | copy "$DIR/early.db"
    is "rows" "2|c" "$(sqlite3 "$DIR/early.db" 'select * from n_t')"
    append <"$DIR/4"
    compact --delete-retention 0
    is "deletes after their time" 0 "$(base | grep -c '"op":"d"')"
    run -79 --separate-stderr t cdc-log read -q --from base --ack "$DIR/old.db.offset" "$LOG"
    is "lines" "" "$output"
    t cdc-log read -q --from base --ack "$DIR/early.db.offset" "$LOG" | copy "$DIR/early.db"
    is "rows" "2|d" "$(sqlite3 "$DIR/early.db" 'select * from n_t')"
    t cdc-log read -q --from base "$LOG" | copy "$DIR/new.db"
    is "rows" "2|d" "$(sqlite3 "$DIR/new.db" 'select * from n_t')"
}

@test "a read that ended long ago is no part of a base any more, and its rows are" {
    { schema id id:integer v:text; change c '{"id":1}' null '{"id":1,"v":"a"}'; change c '{"id":2}' null '{"id":2,"v":"b"}'; commit; } >"$DIR/1"
    tx
    { read_begin; schema id id:integer v:text; change r '{"id":1}' null '{"id":1,"v":"z"}'; read_end id id:integer v:text; commit; } >"$DIR/2"
    tx
    { change u '{"id":1}' null '{"id":1,"v":"y"}'; commit; } >"$DIR/3"
    append < <(cat "$DIR/1" "$DIR/2")
    compact
    is "ends of reads within their time" 1 "$(base | grep -c '"read":"end"')"
    append <"$DIR/3"
    compact --delete-retention 0
    is "ends of reads after their time" 0 "$(base | grep -c '"read":"end"')"
    is "begins" 0 "$(base | grep -c '"read":"begin"')"
    t cdc-log read -q --from base "$LOG" | copy "$DIR/new.db"
    is "rows" "1|y" "$(sqlite3 "$DIR/new.db" 'select * from n_t')"
}

@test "a table that has gone while it was read: the base has what came under its name since, and no row of before" {
    { schema id id:integer v:text; change c '{"id":1}' null '{"id":1,"v":"a"}'; commit; } >"$DIR/1"
    { tx; line t '"read":"live"'; schema id id:integer v:text; change r '{"id":1}' null '{"id":1,"v":"z"}'; commit; } >"$DIR/2"
    { tx; line t '"read":"dropped"'; commit; schema id id:integer v:text; change c '{"id":7}' null '{"id":7,"v":"new"}'; commit; } >"$DIR/3"
    append < <(cat "$DIR/1" "$DIR/2" "$DIR/3")
    compact
    t cdc-log read -q --from base "$LOG" | copy "$DIR/new.db"
    is "rows" "7|new" "$(sqlite3 "$DIR/new.db" 'select * from n_t')"
    copy "$DIR/all.db" < <(cat "$DIR/1" "$DIR/2" "$DIR/3")
    is "rows of all lines" "7|new" "$(sqlite3 "$DIR/all.db" 'select * from n_t')"
}

@test "a row is one row however its key was printed, and equal tables of two sources are two" {
    { schema id,k id:integer k:text v:text; change c '{"id":1,"k":"é"}' null '{"id":1,"k":"é","v":"a"}'; commit; } | append
    tx
    { change u '{"id":1,"k":"é"}' null '{"id":1,"k":"é","v":"b"}'; commit; } | jq -Sac . | append
    SOURCE_NAME=m
    tx
    { schema id,k id:integer k:text v:text; change c '{"id":1,"k":"é"}' null '{"id":1,"k":"é","v":"c"}'; commit; } | jq . -c | sed 's/:1,/: 1 ,/g' | append
    compact
    is "rows" "m c n b" "$(base | jq -r 'select(.op == "r") | "\(.source.name) \(.after.v)"' | sort | xargs)"
    is "lines at the end" "commit" "$(base | jq -r .op | tail -1)"
}

@test "columns that an update omits come from the line before, also from another key; JSON's null stays JSON's" {
    {
        schema id id:integer doc:jsonb photo:text
        line c '"key":{"id":1},"before":null,"after":{"id":1,"doc":null,"photo":"P"},"json_null":["doc"]'
        commit
        change u '{"id":2}' '{"id":1}' '{"id":2}' '["doc","photo"]'
        change c '{"id":3}' null '{"id":3,"doc":null,"photo":"Q"}'
        commit
        change u '{"id":4}' null '{"id":4,"doc":5}' '["photo"]'
        commit
    } | append
    compact
    base | jq -c '[.op, .key, .after, .unchanged, .json_null]' >"$DIR/base"
    grep -qxF '["r",{"id":2},{"id":2,"doc":null,"photo":"P"},null,["doc"]]' "$DIR/base"
    grep -qxF '["r",{"id":3},{"id":3,"doc":null,"photo":"Q"},null,null]' "$DIR/base"
    # What no line has is marked still.
    grep -qxF '["u",{"id":4},{"id":4,"doc":5},["photo"],null]' "$DIR/base"
    grep -qxF '["d",{"id":1},null,null,null]' "$DIR/base"
    is "positions" "$(base | jq -r .pos)" "$(base | jq -r .pos | LC_ALL=C sort)"
}

@test "rows without a key are all kept, or refused; m and ddl are asked for" {
    {
        line schema '"columns":[{"name":"v","type":"text"}],"key_columns":[]'
        line c '"before":null,"after":{"v":"x"}'
        line c '"before":null,"after":{"v":"x"}'
        line d '"before":{"v":"x"},"after":null'
        line m '"message":{"prefix":"p","content":"c","transactional":true}'
        line ddl '"ddl":"create table t (v text)","db":"d"'
        commit
    } >"$DIR/in"
    append <"$DIR/in"
    run -78 --separate-stderr compact --unkeyed=fail
    [[ $stderr == *"without a key"* ]]
    compact --keep m,ddl
    is "lines" "schema c c d m ddl commit" "$(base | jq -r .op | xargs)"
    tx
    { line c '"before":null,"after":{"v":"y"}'; commit; } | append
    compact
    is "lines" "schema c c d c commit" "$(base | jq -r .op | xargs)"
    run -64 --separate-stderr compact --keep x
}

# -- faults --------------------------------------------------------------------

begin_case() {
    rm -rf "$ROOT" "$DIR/base.db"*
    cp -r "$DIR/before" "$ROOT"
    on_the_disk
}
run_case() { faulty cdc-log compact -q --memory 1K "$ROOT" 2>"$DIR/err"; }
# Whatever happened: the newest base that is there, and what comes after it.
check_case() {
    t cdc-log read -q --from base "$ROOT" 2>>"$DIR/err" | copy "$DIR/base.db" 2>>"$DIR/err" || return 1
    diff <(rows "$DIR/all.db") <(rows "$DIR/base.db")
}
after_fault() { check_case && rm -f "$DIR/base.db"* && rm -f "$ROOT/append.offset.lock"; }

make_before() {
    parts 3 40
    append <"$DIR/first"
    compact
    append <"$DIR/rest"
    mv "$LOG" "$DIR/before"
    copy "$DIR/all.db" <"$DIR/all"
}

@test "compact: killed at each step, with a power cut after it: the base before stays, or the new one is whole" {
    make_before
    SHADOW=$DIR/shadow
    mkdir "$SHADOW"
    all_faults kill write sync rename open
    # Nothing is left over by the ones that were killed.
    ls "$ROOT" >"$DIR/files"
    is "bases" 2 "$(grep -c ^base- "$DIR/files")"
    not grep -q tmp "$DIR/files"
}

@test "compact: each call that fails: the base before stays" {
    make_before
    all_faults error write sync rename open memory
    all_faults short write
}

@test "compact: a full disk" {
    make_before
    local disk=$DIR/disk
    mkdir "$disk"
    unshare --map-root-user --mount true 2>/dev/null || return 0
    unshare --map-root-user --mount bash -eu -c '
        mount -t tmpfs -o size=400k tmpfs "$1"
        cp -r "$2" "$1/log"
        dd if=/dev/zero of="$1/filler" bs=1k 2>/dev/null || true
        status=0
        timeout 60 cdc-log compact -q "$1/log" 2>"$3/err" || status=$?
        [ $status = 74 ]
        cdc-log read -q --from base "$1/log" >"$3/full"
        rm "$1/filler"
        cdc-log compact -q "$1/log"
        cdc-log read -q --from base "$1/log" >"$3/after"' sh "$disk" "$DIR/before" "$DIR"
    copy "$DIR/full.db" <"$DIR/full"
    copy "$DIR/after.db" <"$DIR/after"
    same_rows "$DIR/all.db" "$DIR/full.db"
    same_rows "$DIR/all.db" "$DIR/after.db"
    [ "$(wc -l <"$DIR/after")" -lt "$(wc -l <"$DIR/full")" ]
}

@test "trim: killed at each step, the log is whole" {
    parts 5 40
    append <"$DIR/all"
    compact
    mv "$LOG" "$DIR/before"
    copy "$DIR/all.db" <"$DIR/all"
    run_case() { faulty cdc-log trim -q --retain-bytes 1 "$ROOT" 2>"$DIR/err"; }
    SHADOW=$DIR/shadow
    mkdir "$SHADOW"
    all_faults kill write sync rename open
    is "segments" 1 "$(ls "$ROOT" | grep -cE '^[0-9]{20}\.idx$')"
    t cdc-log verify -q "$ROOT"
}

# -- retention -------------------------------------------------------------------

@test "trim: what a reader or no base needs stays, but for --retain-hard; then the reader gets 79" {
    parts 5 30
    append <"$DIR/first"
    t cdc-log read -q --reader slow "$LOG" >"$DIR/slow"
    append <"$DIR/rest"
    t cdc-log read -q --reader quick "$LOG" >"$DIR/quick"
    local begin
    begin=$(find "$LOG" -name '0*.idx' | sort | head -1)
    run -0 --separate-stderr t cdc-log trim --retain-bytes 1 "$LOG"
    [[ $stderr == *"no base stands for them"* ]]
    [ -e "$begin" ]
    compact
    run -0 --separate-stderr t cdc-log trim --retain-bytes 1 "$LOG"
    [[ $stderr == *'reader "slow"'* ]]
    not [ -e "$begin" ]
    t cdc-log read -q --reader slow "$LOG" >>"$DIR/slow"
    # At its start a reader is told once more what the tables are.
    cmp <(grep -v '"op":"schema"' "$DIR/slow") <(grep -v '"op":"schema"' "$DIR/all")
    random_lines 5 120 60 >"$DIR/more"
    append <"$DIR/more"
    t cdc-log read -q --reader quick "$LOG" >/dev/null
    run -0 --separate-stderr t cdc-log trim --retain-hard 10M "$LOG"
    not grep -q behind <<<"$stderr"
    run -0 --separate-stderr t cdc-log trim --retain-hard $(($(wc -c <"$DIR/more") * 6 / 5)) "$LOG"
    [[ $stderr == *'reader "slow"'*"bytes behind its end: --retain-hard"* ]]
    run -0 --separate-stderr t cdc-log trim --retain-hard 1 "$LOG"
    [[ $stderr == *'reader "slow" has not read'* ]]
    run -79 --separate-stderr t cdc-log read -q --reader slow "$LOG"
}

@test "trim: what a damaged base stands for stays" {
    local file before
    random_lines 4 60 | append
    compact
    before=$(cdc-log stat --json "$LOG" | jq .segments)
    for file in "$LOG"/base-*; do
        cp -a "$file" "$DIR/kept"
        chmod u+w "$file"
        python3 -c 'import sys; b = bytearray(open(sys.argv[1], "rb").read()); b[len(b) // 2] ^= 1; open(sys.argv[1], "wb").write(b)' "$file"
        t cdc-log trim -q --retain-bytes 1 "$LOG" 2>"$DIR/err"
        is segments "$before" "$(cdc-log stat --json "$LOG" | jq .segments)"
        grep -q 'error: base-' "$DIR/err"
        mv -f "$DIR/kept" "$file"
    done
    t cdc-log trim -q --retain-bytes 1 "$LOG"
    [ "$(cdc-log stat --json "$LOG" | jq .segments)" -lt "$before" ]
}

@test "a sink that lacks lines that were trimmed gets 79, also where the reader's own place is there still" {
    local line="cdc-log read --follow --idle-exit 1 --state-dir $DIR/s $LOG | cdc-sink-sqlite -q --table-name '{name}_{table}' --state-dir $DIR/s $DIR/s/copy.db"
    mkdir "$DIR/s"
    parts 5 30
    append <"$DIR/first"
    t bash -o pipefail -c "$line"
    cp -r "$DIR/s" "$DIR/backup"
    append <"$DIR/rest"
    t bash -o pipefail -c "$line"
    compact
    t cdc-log trim -q --retain-bytes 1 "$LOG"
    rm "$DIR"/s/copy.db* "$DIR"/s/cdc-sink-sqlite.offset*
    run -79 --separate-stderr t bash -o pipefail -c "$line"
    [[ $stderr == *"a sink has nothing of source"* ]]
    is "a new sink's rows" "" "$(rows "$DIR/s/copy.db")"
    # One of an older backup, and the same without the reader's place.
    rm "$DIR"/s/copy.db* "$DIR"/s/cdc-sink-sqlite.offset*
    cp "$DIR"/backup/copy.db* "$DIR"/backup/cdc-sink-sqlite.offset "$DIR/s/"
    run -79 --separate-stderr t bash -o pipefail -c "$line"
    [[ $stderr == *"a sink has only what is up to"* ]]
    rm "$DIR"/s/cdc-log-read.offset*
    run -79 --separate-stderr t bash -o pipefail -c "$line"
    [[ $stderr == *"a sink has only what is up to"* ]]
    same_rows "$DIR/backup/copy.db" "$DIR/s/copy.db"
    # A new one without a place is told what it lacks.
    run -79 --separate-stderr t cdc-log read "$LOG"
    [[ $stderr == *"were removed by retention"*"--from=base"* ]]
    is lines "" "$output"
    mkdir "$DIR/new"
    run -79 --separate-stderr t bash -o pipefail -c "cdc-log read --state-dir $DIR/new $LOG | cdc-sink-sqlite -q --table-name '{name}_{table}' --state-dir $DIR/new $DIR/new/copy.db"
    [[ $stderr == *"were removed by retention"*"--from=base"* ]]
    run -0 --separate-stderr t cdc-log read --from earliest "$LOG"
    [[ $stderr != *"were removed by retention"* ]]
    [ -n "$output" ]
}

@test "trim: a segment that is missing is no trimmed one, and a trimmed log is whole" {
    parts 5 30
    append <"$DIR/all"
    compact
    cp -r "$LOG" "$DIR/torn"
    rm "$(find "$DIR/torn" -name '0*.ndjson*' | sort | head -1)" "$(find "$DIR/torn" -name '0*.idx' | sort | head -1)"
    run -78 --separate-stderr t cdc-log read -q "$DIR/torn"
    is "lines" "" "$output"
    t cdc-log trim -q --retain-bytes 1 "$LOG"
    t cdc-log verify -q "$LOG"
    t cdc-log read -q --from base "$LOG" | copy "$DIR/base.db"
    copy "$DIR/all.db" <"$DIR/all"
    same_rows "$DIR/all.db" "$DIR/base.db"
    run -64 --separate-stderr t cdc-log trim "$LOG"
    mkdir -p "$LOG/readers"
    touch "$LOG/readers/broken.offset"
    run -78 --separate-stderr t cdc-log trim --retain-bytes 1 "$LOG"
}

# -- all at once -------------------------------------------------------------------

@test "readers read all lines while the log is appended to, compacted and trimmed" {
    local i
    random_lines 9 1200 >"$DIR/all"
    mkfifo "$DIR/in"
    spawn_line "cdc-log append -q --segment-bytes 20K --retain-bytes 60K '$LOG' <'$DIR/in' 2>'$DIR/append.err'"
    exec 7>"$DIR/in"
    random_lines 9 40 >"$DIR/first"
    cat "$DIR/first" >&7
    wait_until test -s "$LOG/head"
    for i in 1 2 3; do
        spawn_line "cdc-log read -q --reader r$i --follow '$LOG' >'$DIR/read.$i' 2>'$DIR/read.err.$i'"
    done
    for i in 1 2 3; do wait_until lines_at_least "$DIR/read.$i" 1; done
    spawn_line "while :; do cdc-log compact -q --memory 64K '$LOG'; cdc-log trim -q --retain-bytes 60K '$LOG'; done 2>'$DIR/compact.err'"
    tail -n "+$(($(wc -l <"$DIR/first") + 1))" "$DIR/all" >&7
    for i in 1 2 3; do
        wait_for_lines "$DIR/read.$i" "$(wc -l <"$DIR/all")"
        cmp "$DIR/read.$i" "$DIR/all"
    done
    exec 7>&-
    end_spawned || true
    not grep -vE 'another process (maintains|appends)|keeps lines beyond its retention|bytes behind its end|Killed' "$DIR/compact.err"
    compact
    t cdc-log read -q --from base "$LOG" | copy "$DIR/base.db"
    copy "$DIR/all.db" <"$DIR/all"
    same_rows "$DIR/all.db" "$DIR/base.db"
}

# Its journal then has other bounds than the one that the end was taken from.
@test "compact: the segment that is written to is closed meanwhile, at whatever read" {
    local reads i
    random_lines 9 60 >"$DIR/all"
    parts 9 10
    append --batch-events 1 <"$DIR/first"
    faulty cdc-log compact -q "$LOG"
    read -ra reads <<<"$(fault_counts)"
    for i in $(FAULT_PLACES=12 places "${reads[0]}"); do
        rm -rf "$LOG" "$DIR"/*.db*
        append --batch-events 1 <"$DIR/first"
        stop_at read "$i" cdc-log compact -q "$LOG" 2>"$DIR/err"
        append --batch-events 1 --compress none <"$DIR/rest"
        go_on "$SPAWNED" || fail "at read $i: $(cat "$DIR/err")"
        t cdc-log read -q --from base "$LOG" | copy "$DIR/base.db"
        copy "$DIR/all.db" <"$DIR/all"
        same_rows "$DIR/all.db" "$DIR/base.db"
    done
}

@test "what begins with a base while new ones are made" {
    local i
    random_lines 11 300 >"$DIR/all"
    copy "$DIR/all.db" <"$DIR/all"
    append <"$DIR/all"
    compact
    spawn_line "while cdc-log compact -q '$LOG'; do printf '%s\n' '{\"op\":\"heartbeat\",\"pos\":\"F'\$((n = n + 1))'\",\"seq\":99999,\"source\":{\"connector\":\"postgresql\",\"name\":\"h\",\"db\":\"d\",\"system_id\":\"1\"}}' | sed 's/F\([0-9]\)\"/F0\1\"/' | cdc-log append -q '$LOG'; done 2>'$DIR/compact.err'"
    for i in 1 2 3 4 5; do
        rm -f "$DIR/base.db"*
        t cdc-log read -q --from base "$LOG" 2>"$DIR/err" | copy "$DIR/base.db" || fail "$(cat "$DIR/err")"
        same_rows "$DIR/all.db" "$DIR/base.db"
    done
    end_spawned || true
}

@test "memory is what it may take, and the rows are the same" {
    local n=60000
    awk -v n=$n 'BEGIN { for (i = 1; i <= n; i++) printf "{\"op\":\"c\",\"pos\":\"%012d\",\"seq\":%d,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"schema\":\"public\",\"table\":\"t\"},\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d,\"v\":\"%0200d\"}}\n", i, i, i, i, i
        printf "{\"op\":\"commit\",\"pos\":\"%012d\",\"seq\":%d,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"system_id\":\"1\"},\"events\":%d}\n", n + 1, n + 1, n }' >"$DIR/in"
    t cdc-log append -q "$LOG" <"$DIR/in"
    /usr/bin/time -f %M -o "$DIR/kib" timeout 60 cdc-log compact -q --memory 2M "$LOG"
    [ "$(cat "$DIR/kib")" -lt 24000 ] || fail "it took $(cat "$DIR/kib") KiB"
    is "rows" $n "$(base | grep -c '"op":"r"')"
}
