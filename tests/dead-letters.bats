#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Dead letters: those of cdc-filter, looking through them, and --replay of the sinks, which never puts an old row over a newer one.
# takes: 90 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/faults

setup() {
    DIR=$BATS_TEST_TMPDIR
    DB=$DIR/a.db
    IN=$DIR/in
    DEAD=$DIR/dead
}
teardown() { end_spawned || true; }
sink() { t cdc-sink-sqlite "$@" "$DB" <"$IN"; }
letters() { sink --on-error dead-letter --dead-letter "$DEAD" "$@"; }
replay() { t cdc-sink-sqlite --replay "${1:-$DEAD}" "$DB" </dev/null; }
q() { sqlite3 "$DB" "$1"; }
users() { schema id id:integer name:text big:text; }
# row OP ID NAME
row() {
    case $1 in
    d) change d "{\"id\":$2}" "{\"id\":$2}" null ;;
    *) change "$1" "{\"id\":$2}" null "{\"id\":$2,\"name\":\"$3\",\"big\":\"b\"}" ;;
    esac
}
refuse_bad() { q "create trigger no_$1 before $1 on t when new.name like 'bad%' begin select raise(fail, 'no bad ones'); end"; }
# A copy with a table that refuses rows whose name begins with bad.
begin() {
    { users; row c 1 one; commit; } >"$IN"
    sink
    refuse_bad insert
    refuse_bad update
}
mend() { q 'drop trigger if exists no_insert; drop trigger if exists no_update'; }

# -- cdc-filter --

@test "cdc-filter: bad lines are kept with their reason, the rest passes, commit says how many" {
    { users; row c 1 one; echo '{"op":"c","pos":'; row c 2 two; commit; } >"$IN"
    t cdc-filter --on-error dead-letter --dead-letter "$DEAD" <"$IN" >"$DIR/out"
    is "what passed" "$(grep -v '"pos":$' "$IN" | sed 's/"events":[0-9]*/"events":2/')" "$(cat "$DIR/out")"
    is "the line" '{"op":"c","pos":' "$(jq -r .line "$DEAD")"
    [[ $(jq -r .reason "$DEAD") == "line 3 at byte offset "*": bad JSON"* ]]
    is mode 600 "$(stat -c %a "$DEAD")"
    run -64 t cdc-filter --on-error dead-letter <"$IN"
    run -64 t cdc-filter --dead-letter "$DEAD" <"$IN"
}

@test "cdc-filter: a row of which an expression cannot be computed" {
    { schema id id:bigint n:bigint; change c '{"id":1}' null '{"id":1,"n":0}'; change c '{"id":2}' null '{"id":2,"n":2}'; commit; } >"$IN"
    t cdc-filter --where '10 / n > 1' --on-error dead-letter --dead-letter "$DEAD" <"$IN" >"$DIR/out"
    is "the row is kept whole" "$(sed -n 2p "$IN")" "$(jq -r .line "$DEAD")"
    is "what passed" 2 "$(grep '"op":"c"' "$DIR/out" | jq .after.id)"
}

@test "cdc-filter: with masks the user says what the file may hold" {
    { users; row c 1 5ecret | sed 's/"after":{/"unchanged":"5ecret","after":{/'; change c '{"id":2}' null '{"id":2,"name":"5ecret 12","big":"b"}'; commit; } >"$IN"
    local mask=(--mask t:name=redact --on-error dead-letter --dead-letter "$DEAD")
    run -64 --separate-stderr t cdc-filter "${mask[@]}" <"$IN"
    [[ $stderr == *--dead-letter-lines* ]]
    [ ! -e "$DEAD" ]
    t cdc-filter "${mask[@]}" --dead-letter-lines=redacted <"$IN" >"$DIR/out" 2>"$DIR/err"
    lines_at_least "$DEAD" 1
    run -1 grep -c 5ecret "$DEAD" "$DIR/out" "$DIR/err"
    is "no line" null "$(jq .line "$DEAD")"
    { users; change c '{"id":1}' null '{"id":1,"name":"5","big":"b"}'; commit; } >"$IN"
    (umask 077; printf '%064d\n' 7 >"$DIR/key")
    rm "$DEAD"
    t cdc-filter --tokenize t:name --mask-key "$DIR/key" --on-error dead-letter --dead-letter "$DEAD" --dead-letter-lines redacted <"$IN" >/dev/null
    is "which row it was" '{"op":"c","pos":"'"$(sed -n 2p "$IN" | jq -r .pos)"'","source":{"name":"n","db":"d","schema":"public","table":"t"}}' "$(jq -c .of "$DEAD")"
    t cdc-filter --tokenize t:name --mask-key "$DIR/key" --on-error dead-letter --dead-letter "$DIR/whole" --dead-letter-lines whole <"$IN" >/dev/null
    is "the whole line" "$(sed -n 2p "$IN")" "$(jq -r .line "$DIR/whole")"
    run -64 t cdc-filter --on-error dead-letter --dead-letter "$DEAD" --dead-letter-lines whole <"$IN"
}

@test "cdc-filter: what was refused is durable before what came after it leaves" {
    { users; echo bad; row c 1 one; commit; } >"$IN"
    local FAULT_CALL='' n
    filter_faulty
    grep -q '"op":"c"' "$DIR/out"
    n=$(fault_counts | awk '{ print $3 }')
    [ "$n" -ge 3 ]
    for FAULT_AT in $(seq $((n - 1))); do # the last one is that of the output
        rm -f "$DEAD"
        FAULT_CALL=sync FAULT_HOW=kill
        run -137 filter_faulty
        run -1 grep '"op":"c"' "$DIR/out"
        FAULT_HOW=error
        rm -f "$DEAD"
        run -74 filter_faulty
        run -1 grep '"op":"c"' "$DIR/out"
    done
}
filter_faulty() { faulty cdc-filter --on-error dead-letter --dead-letter "$DEAD" <"$IN" >"$DIR/out"; }

@test "cdc-filter: a full disk at the dead letters is 74, and nothing after the line has left" {
    { users; echo bad; row c 1 one; commit; } >"$IN"
    run -74 t bash -c 'ulimit -f 0; exec cdc-filter --on-error dead-letter --dead-letter "$0" <"$1" | cat >&2; exit "${PIPESTATUS[0]}"' "$DEAD" "$IN"
    [[ $output != *'"op":"c"'* ]]
}

@test "--dead-letters: chosen by table, operation, column and reason; lines, or the letters themselves" {
    { users; row c 1 one; TABLE=u row d 2 x; echo junk; } >"$IN"
    {
        jq -Rc '{reason: "at byte offset 7 of the input: one thing", line: .}' <(sed -n 2p "$IN")
        jq -Rc '{reason: "another thing", line: .}' <(sed -n '3p;4p' "$IN")
    } >"$DEAD"
    show() { t cdc-filter --dead-letters "$DEAD" "$@"; }
    is all "$(tail -n +2 "$IN")" "$(show)"
    is "of a table" "$(sed -n 2p "$IN")" "$(show -t t)"
    is "of an op" "$(sed -n 3p "$IN")" "$(show --op d)"
    is "of a reason" "$(sed -n '3p;4p' "$IN")" "$(show --reason another)"
    is "some columns" '{"id":1,"name":"one"}' "$(show -t t --columns name | jq -c .after)"
    is letters "$(sed -n 2p "$DEAD")" "$(show --reasons --op d)"
    echo '{"a":1}' >>"$DEAD"
    run -65 show
    run -64 t cdc-filter --reason x <"$IN"
    run -64 show --mask t:name=null
    run -64 show --where 't:id = 1'
    for option in "--route t=u" "--sample 1%" "--flatten t:doc" "--outbox t" "--unwrap drop"; do
        # shellcheck disable=SC2086
        run -64 show $option
    done
}

# -- --replay --

@test "replay: a refused row is taken in once the cause is gone, and no older one over a newer" {
    begin
    { users; row c 2 bad2; row c 3 bad3; row c 4 bad4; row u 1 bad1; commit; row u 3 new; row d 4; commit; } >"$IN"
    letters
    is "so far" $'1|one\n3|new' "$(q 'select id, name from t order by id')"
    run -65 --separate-stderr replay
    [[ $stderr == *"2 refused again"*"hint: correct the cause, or the lines,"* ]]
    is "as before" $'1|one\n3|new' "$(q 'select id, name from t order by id')"
    mend
    cp "$DB.offset" "$DIR/offset"
    replay
    is "after it" $'1|bad1\n2|bad2\n3|new' "$(q 'select id, name from t order by id')"
    is "positions" "$(jq -S 'del(.time)' "$DIR/offset")" "$(jq -S 'del(.time)' "$DB.offset")"
    row u 2 later >"$DIR/later"
    { users; cat "$DIR/later"; commit; } >"$IN"
    letters
    replay
    is "a second time, after a newer line" $'1|bad1\n2|later\n3|new' "$(q 'select id, name from t order by id')"
}

@test "replay: a newer line ends the wait whatever the sink is told to do with bad lines then" {
    begin
    { users; row c 2 bad2; row c 3 bad3; row c 4 bad4; commit; } >"$IN"
    letters
    { users; row c 2 good; commit; } >"$IN"
    sink
    { line t '"x":1'; commit; users; row c 5 five; commit; } >"$IN"
    sink --on-error skip
    mend
    replay
    is "only what came after the truncate" '5|five' "$(q 'select id, name from t')"
}

@test "replay: white space around lines changes nothing, and what is kept of refused lines is read again" {
    begin
    { users; row c 2 bad; row d 1 x; commit; } | sed 's/^/ \t/; s/$/ \r/' >"$IN"
    letters
    { users; row c 3 three; commit; } | sed 's/^/ /' >"$IN"
    letters
    mend
    replay
    is "rows" "2|bad|b" "$(q 'select * from t where id = 2')"
}

@test "a file of refused lines that is damaged: 78, and it stays as it is" {
    begin
    { users; row c 2 bad; commit; } >"$IN"
    letters
    cp "$DB.offset.refused" "$DIR/good"
    local damage
    for damage in 's/"state":1/"state":99/' 's/"state":1/"state":-1/' 's/,"state":1//' 's/,"name":"n"//' 's/"line":"{/"line":"/' '1s/^{/[/'; do
        sed "$damage" "$DIR/good" >"$DB.offset.refused"
        not cmp -s "$DIR/good" "$DB.offset.refused"
        cp "$DB.offset.refused" "$DIR/bad"
        run -78 t cdc-sink-sqlite --on-error dead-letter --dead-letter "$DEAD" "$DB" <"$IN"
        [[ $output == *damaged* ]] || fail "$damage: $output"
        cmp "$DIR/bad" "$DB.offset.refused"
    done
}

@test "replay: two refused lines of one row come in their order" {
    begin
    { users; row c 2 bad-a; row u 2 bad-b; commit; } >"$IN"
    letters
    mend
    replay
    is "the last one" '2|bad-b' "$(q 'select id, name from t where id = 2')"
}

# move FROM TO NAME
move() { change u "{\"id\":$2}" "{\"id\":$1}" "{\"id\":$2,\"name\":\"$3\",\"big\":\"b\"}"; }

@test "replay: a row that moved, whose old key another row has now, is told and not taken for stored" {
    begin
    { users; move 1 2 bad; commit; } >"$IN"
    letters
    is "no row has the old key" "" "$(q 'select id, name from t')"
    { users; row c 1 new; commit; } >"$IN"
    letters
    mend
    run -65 --separate-stderr replay
    [[ $stderr == *"1 of rows that are not whole in the newer lines"* ]]
    is "left as it was" '1|new' "$(q 'select id, name from t')"
    { users; row u 2 later; commit; } >"$IN"
    letters
    replay
    is "a newer line of the row ends that" $'1|new\n2|later' "$(q 'select id, name from t order by id')"
}

@test "replay: a row that moved, stored by a later line under its new key, does not come back under the old one" {
    local after
    for after in 'row u 2 good' 'move 2 3 good' 'change d {"id":2} {"id":2} null'; do
        rm -rf "$DB"* "$DEAD"
        begin
        { users; row u 1 bad-a; commit; move 1 2 bad-b; commit; } >"$IN"
        letters
        { users; $after; commit; } >"$IN"
        letters
        mend
        run -0 --separate-stderr replay
        [[ $stderr == *"2 left out, since a newer line"* ]]
        is "rows after: $after" 0 "$(q "select count(*) from t where name like 'bad%'")"
    done
    # The older one alone, while the move waits: no row has the old key.
    rm -rf "$DB"* "$DEAD"
    begin
    { users; row u 1 bad-a; commit; move 1 2 bad-b; commit; } >"$IN"
    letters
    mend
    head -1 "$DEAD" >"$DIR/older"
    replay "$DIR/older"
    is "no row yet" "" "$(q 'select id, name from t')"
    replay
    is "moved" '2|bad-b' "$(q 'select id, name from t')"
}

@test "replay: letters of one row from two files, the newer ones first, or in one file the wrong way round" {
    local way
    for way in files file; do
        rm -rf "$DB"* "$DEAD"
        begin
        { users; row u 1 bad-a; commit; row u 1 bad-b; commit; } >"$IN"
        letters
        mend
        is letters 2 "$(wc -l <"$DEAD")"
        if [ $way = files ]; then
            tail -1 "$DEAD" >"$DIR/newer"
            head -1 "$DEAD" >"$DIR/older"
            replay "$DIR/newer"
            run -0 --separate-stderr replay "$DIR/older"
        else
            tac "$DEAD" >"$DIR/turned"
            run -0 --separate-stderr replay "$DIR/turned"
        fi
        [[ $stderr == *"1 left out, since a newer line"* ]]
        is "the last one" '1|bad-b' "$(q 'select id, name from t')"
    done
}

@test "replay: a newer line without columns that the refused one has does not stand for it" {
    begin
    { users; change u '{"id":1}' null '{"id":1,"name":"bad","big":"new"}'; commit; change u '{"id":1}' null '{"id":1,"name":"good"}' '["big"]'; commit; } >"$IN"
    letters
    mend
    run -65 --separate-stderr replay
    [[ $stderr == *"1 of rows that are not whole in the newer lines"* ]]
    is "the newer one is left" '1|good|b' "$(q 'select * from t')"
    # Neither has the column: the newer one has all of the older.
    { users; row u 1 whole; commit; change u '{"id":1}' null '{"id":1,"name":"bad"}' '["big"]'; commit; change u '{"id":1}' null '{"id":1,"name":"fine"}' '["big"]'; commit; } >"$IN"
    refuse_bad insert
    refuse_bad update
    letters
    mend
    replay
    is "the row" '1|fine|b' "$(q 'select * from t')"
    # The table is read again, as the message says.
    { users; change u '{"id":1}' null '{"id":1,"name":"bad","big":"new"}'; commit; change u '{"id":1}' null '{"id":1,"name":"good"}' '["big"]'; commit; } >"$IN"
    refuse_bad insert
    refuse_bad update
    letters
    mend
    run -65 replay
    { users; read_begin; change r '{"id":1}' null '{"id":1,"name":"good","big":"new"}'; read_end id id:integer name:text big:text; commit; } >"$IN"
    letters
    replay
    is "what was read" '1|good|new' "$(q 'select * from t')"
}

@test "replay: a refused row that a line without all columns took to another key is told, whoever has its old key now" {
    begin
    moved() { users; change u '{"id":1}' null '{"id":1,"name":"bad","big":"b2"}'; commit; change u "{\"id\":$1}" '{"id":1}' "{\"id\":$1,\"name\":\"ok\"}" '["big"]'; commit; row c 1 other; commit; row u 1 another; commit; }
    moved 19 >"$IN"
    letters
    mend
    run -65 --separate-stderr replay
    [[ $stderr == *"1 of rows that are not whole in the newer lines"* ]] || fail "$stderr"
    is "the rows" $'1|another|b\n19|ok|b' "$(q 'select * from t order by id')"
    # The table is read again, as the message says.
    { users; read_begin; row r 1 another; change r '{"id":19}' null '{"id":19,"name":"ok","big":"b2"}'; read_end id id:integer name:text big:text; commit; } >"$IN"
    letters
    replay
    is "what was read" $'1|another|b\n19|ok|b2' "$(q 'select * from t order by id')"
}

@test "replay: a line whose omitted columns are not there any more is refused again" {
    begin
    { users; row c 2 bad; commit; change u '{"id":2}' null '{"id":2,"name":"bad"}' '["big"]'; commit; } >"$IN"
    letters
    mend
    tail -1 "$DEAD" >"$DIR/one"
    run -65 --separate-stderr replay "$DIR/one"
    [[ $stderr == *"columns that the log omitted as unchanged are not there"* ]]
    is "no half row" '1|one' "$(q 'select id, name from t')"
    replay
    is "after the one before it" $'1|one|b\n2|bad|b' "$(q 'select * from t order by id')"
    # A row that has moved keeps them under its old key, for the replay.
    { users; change u '{"id":3}' '{"id":2}' '{"id":3,"name":"bad"}' '["big"]'; commit; } >"$IN"
    refuse_bad insert
    refuse_bad update
    letters
    mend
    replay
    is "it has moved" $'1|one|b\n3|bad|b' "$(q 'select * from t order by id')"
}

@test "replay: lines under other columns, without a key, unknown ones and no events are told, 65" {
    begin
    { users; row c 2 bad2; commit; schema id id:integer name:text; change c '{"id":3}' null '{"id":3,"name":"x"}'; commit; } >"$IN"
    letters
    mend
    run -65 --separate-stderr replay
    [[ $stderr == *"1 of tables with other columns since"* ]]
    is "left as it was" $'1|one\n3|x' "$(q 'select id, name from t order by id')"
    { tx; row c 9 nine; echo no event; } >"$DIR/lines"
    run -65 --separate-stderr replay "$DIR/lines"
    [[ $stderr == *"1 that are no events"*"1 of which nobody knows"* ]]
    is "not taken" 0 "$(q 'select count(*) from t where id = 9')"
    run -64 t cdc-sink-sqlite --replay "$DEAD" --on-error dead-letter --dead-letter "$DIR/d2" "$DB"
    run -78 t cdc-sink-sqlite --replay "$DEAD" "$DIR/other.db"
}

@test "replay: a last line without a line feed is told, 65, and what is before it is taken in" {
    begin
    { users; row c 2 bad2; row c 3 bad3; commit; } >"$IN"
    letters
    mend
    local whole=$(<"$DEAD") # without the last line feed
    printf %s "$whole" >"$DIR/cut"
    run -65 --separate-stderr replay "$DIR/cut"
    [[ $stderr == *"the last line of \"$DIR/cut\" has no line feed"*"1 that are no events"* ]]
    is "before it" $'1|one\n2|bad2' "$(q 'select id, name from t order by id')"
    echo >>"$DIR/cut"
    replay "$DIR/cut"
    is "all" $'1|one\n2|bad2\n3|bad3' "$(q 'select id, name from t order by id')"
}

@test "replay: a line that was mended by hand is the same row; the input and a running sink are left alone" {
    begin
    { users; row c 2 bad2; commit; } >"$IN"
    letters
    jq -r .line "$DEAD" | sed 's/bad2/mended/' >"$DIR/mended"
    mkfifo "$DIR/pipe"
    spawn bash -c 'exec timeout 30 cdc-sink-sqlite "$0" <"$1"' "$DB" "$DIR/pipe"
    exec 9>"$DIR/pipe"
    { users; row c 7 seven; commit; } >&9
    wait_until stored 7
    run -75 replay "$DIR/mended"
    exec 9>&-
    status_of "$SPAWNED"
    replay "$DIR/mended"
    is "mended" '2|mended' "$(q 'select id, name from t where id = 2')"
}
stored() { [ "$(q "select count(*) from t where id = $1" 2>/dev/null)" = 1 ]; }

@test "replay: a line of a transaction that is not stored comes by itself" {
    begin
    { users; row c 2 bad2; } >"$IN"
    run -75 letters
    mend
    run -0 --separate-stderr replay
    [[ $stderr == *"1 come again by themselves"* ]]
    is "not yet" 0 "$(q 'select count(*) from t where id = 2')"
    commit >>"$IN"
    sink
    is "by itself" 1 "$(q 'select count(*) from t where id = 2')"
}

@test "replay: killed again and again, then with newer lines in between, the copy is the source" {
    begin
    python3 "$LIB/letters.py" 7 >"$DIR/all"
    python3 - "$DIR/all" "$DIR" <<'END'
import sys
lines = open(sys.argv[1]).read().splitlines()
commits = [i for i, line in enumerate(lines) if '"op":"commit"' in line]
half = commits[len(commits) // 2] + 1
open(sys.argv[2] + "/first", "w").write("\n".join(lines[:half]) + "\n")
END
    cp "$DIR/first" "$IN"
    letters -q
    [ "$(wc -l <"$DEAD")" -gt 200 ]
    mend
    local n before
    for n in 1 2 3 4 5; do
        before=$(replayed)
        rm -f "$DIR/pipe"
        mkfifo "$DIR/pipe"
        spawn bash -c 'exec timeout 60 cdc-sink-sqlite -q --batch-events 3 --replay "$0" "$1"' "$DIR/pipe" "$DB"
        exec 9>"$DIR/pipe"
        head -n $((n * 40)) "$DEAD" >&9
        wait_until more_than "$before"
        kill -KILL -- "-$SPAWNED"
        exec 9>&-
        wait "$SPAWNED" || true
    done
    replay
    is "half way" "$(python3 "$LIB/letters.py" --state "$DIR/first")" "$(q 'select id, name from t order by id')"
    cp "$DIR/all" "$IN"
    refuse_bad insert
    letters -q
    mend
    replay
    is "at the end" "$(python3 "$LIB/letters.py" --state "$DIR/all")" "$(q 'select id, name from t order by id')"
    replay
    is "once more" "$(python3 "$LIB/letters.py" --state "$DIR/all")" "$(q 'select id, name from t order by id')"
}
replayed() { grep -c '"state":4' "$DB.offset.refused" || true; }
more_than() { [ "$(replayed)" -gt "$1" ]; }

@test "killed at any moment while lines are refused: no letter is lost, and replay ends at the source" {
    begin
    python3 "$LIB/letters.py" 11 >"$IN"
    local n=0 status=137
    while [ "$status" != 0 ]; do
        cdc-sink-sqlite -q --batch-events 5 --on-error dead-letter --dead-letter "$DEAD" "$DB" <"$IN" 2>>"$DIR/err" &
        local pid=$!
        wait_until -t 10 letters_or_gone "$((n * 40))" "$pid"
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" && status=0 || status=$?
        n=$((n + 1))
    done
    whole_lines "$DEAD"
    mend
    replay
    is "the source" "$(python3 "$LIB/letters.py" --state "$IN")" "$(q 'select id, name from t order by id')"
}
letters_or_gone() { gone "$2" || [ "$(grep -c . "$DEAD" 2>/dev/null || true)" -ge "$1" ]; }

@test "replay: SIGUSR1 tells how far it is, SIGTERM stores what was taken and leaves the rest" {
    begin
    { users; for i in {2..9}; do row c $i bad$i; done; commit; } >"$IN"
    letters -q
    mend
    mkfifo "$DIR/pipe"
    spawn bash -c 'exec timeout 60 cdc-sink-sqlite --replay "$0" "$1" 2>"$2"' "$DIR/pipe" "$DB" "$DIR/err"
    exec 9>"$DIR/pipe"
    head -n 5 "$DEAD" >&9
    wait_until usr1_told
    pkill -TERM -g "$SPAWNED" -x cdc-sink-sqlite
    local status=0
    status_of "$SPAWNED" || status=$?
    is "exit status: whoever removes the file after 0 would lose the rest" 75 "$status"
    exec 9>&-
    grep -q 'stopped before the end of' "$DIR/err"
    is "taken" 6 "$(q 'select count(*) from t')"
    replay
    is "all" 9 "$(q 'select count(*) from t')"
}
usr1_told() { pkill -USR1 -g "$SPAWNED" -x cdc-sink-sqlite; grep -q 'lines in 5,' "$DIR/err"; }

# A copy whose letters wait, one of them behind a newer line.
begin_case() {
    rm -rf "$ROOT"
    cp -r "$DIR/prepared" "$ROOT"
    on_the_disk
}
run_case() { faulty cdc-sink-sqlite -q --batch-events 2 --replay "$ROOT/dead" "$ROOT/a.db" </dev/null 2>"$DIR/err"; }
check_case() { is rows $'1|one\n2|bad2\n3|new\n4|bad4\n5|bad5\n6|bad6' "$(sqlite3 "$ROOT/a.db" 'select id, name from t order by id')"; }
prepare_letters() {
    ROOT=$DIR/prepared
    mkdir "$ROOT"
    DB=$ROOT/a.db DEAD=$ROOT/dead
    begin
    { users; row c 2 bad2; row c 3 bad3; row c 4 bad4; row c 5 bad5; row c 6 bad6; commit; row u 3 new; commit; } >"$IN"
    letters
    mend
    ROOT=$DIR/root
}

@test "replay: each call goes wrong once, or is the last one, also with a power cut" {
    SHADOW=
    prepare_letters
    all_faults error read write sync rename open memory
    all_faults kill write sync rename
    SHADOW=$DIR/shadow
    all_faults kill write sync rename
}

# -- over HTTP --

server() {
    mkdir -p "$DIR/http"
    spawn python3 "$LIB/http-server.py" "$DIR/http"
    wait_until test -s "$DIR/http/port"
    URL=http://127.0.0.1:$(cat "$DIR/http/port")
}
script() { printf '%s\n' "$@" >"$DIR/http/script"; }
http() { t cdc-sink-http "$@" --offset-file "$DIR/o" "$URL" <"$IN"; }

@test "replay to a webhook: what is refused goes once more, but not behind a newer line of its row" {
    server
    { users; row c 1 one; row c 2 two; row c 3 three; commit; row u 3 new; commit; } >"$IN"
    script 200 422 422 200
    http --webhook --on-error dead-letter --dead-letter "$DEAD"
    is "letters" "2 3" "$(jq -r '.line | fromjson | .after.id' "$DEAD" | xargs)"
    rm "$DIR/http/log"
    echo 422 >>"$DIR/http/script"
    run -65 http --webhook --replay "$DEAD"
    rm "$DIR/http/log"
    http --webhook --replay "$DEAD"
    is "sent" "$(sed -n 3p "$IN")" "$(jq -r .body "$DIR/http/log")"
    http --webhook --replay "$DEAD"
    is "and not twice" 1 "$(grep -c . "$DIR/http/log")"
}

@test "replay to a webhook with several requests: of two refused lines of a row both go once more, in their order" {
    server
    { users; row c 1 one; row u 1 two; commit; } >"$IN"
    script 422 422 200 200 422 200 422
    http --webhook --requests 2 --on-error dead-letter --dead-letter "$DEAD"
    is "letters" "one two" "$(jq -r '.line | fromjson | .after.name' "$DEAD" | xargs)"
    rm "$DIR/http/log"
    http --webhook --requests 2 --replay "$DEAD"
    is "sent" "$(sed -n 2,3p "$IN")" "$(jq -r .body "$DIR/http/log")"
    # One that was stored between two refused ones still stands for the first.
    { users; row c 2 one; row u 2 two; row u 2 three; commit; } >"$IN"
    rm "$DEAD" "$DIR/http/log" "$DIR"/o*
    http --webhook --requests 2 --on-error dead-letter --dead-letter "$DEAD"
    rm "$DIR/http/log"
    http --webhook --requests 2 --replay "$DEAD"
    is "sent" "$(sed -n 4p "$IN")" "$(jq -r .body "$DIR/http/log")"
}

@test "replay: any number of refused lines of a row that were on their way together, none left out; one that was stored stands for those before it" {
    local lines
    server
    { users; row c 1 one; row u 1 two; row u 1 three; row u 1 four; row u 1 five; commit; } >"$IN"
    script 422 422 422 422 422 200 200 200 200 200
    http --webhook --requests 3 --on-error dead-letter --dead-letter "$DEAD"
    is "letters" 5 "$(grep -c . "$DEAD")"
    rm "$DIR/http/log"
    http --webhook --requests 3 --replay "$DEAD"
    is "sent" "$(sed -n 2,6p "$IN")" "$(jq -r .body "$DIR/http/log")"

    for lines in '400 400 400 400 400=one two three four five' '400 400 200 400 400=four five' '400 400 400 400 200='; do
        rm -f "$DEAD" "$DIR"/o* "$DIR/http/log"
        echo "bulk ${lines%=*}" >>"$DIR/http/script"
        http --elasticsearch --on-error dead-letter --dead-letter "$DEAD"
        rm "$DIR/http/log"
        [ -z "${lines#*=}" ] || echo 'bulk 200' >>"$DIR/http/script"
        http --elasticsearch --replay "$DEAD"
        is "sent of ${lines%=*}" "${lines#*=}" "$(if [ -f "$DIR/http/log" ]; then jq -r .body "$DIR/http/log" | grep -o '"name":"[a-z]*"' | cut -d'"' -f4 | xargs; fi)"
    done
}

@test "replay to a webhook: a batch of refused lines has not the id of one with those between them" {
    server
    { users; row c 1 one; row c 2 two; row c 3 three; commit; } >"$IN"
    script 422 422 422 200 422
    http --webhook --format ndjson --on-error dead-letter --dead-letter "$DEAD"
    is "letters" "1 3" "$(jq -r '.line | fromjson | .after.id' "$DEAD" | xargs)"
    first=$(head -1 "$DIR/http/log" | jq -r '.headers["webhook-id"]')
    [ -n "$first" ]
    http --webhook --format ndjson --replay "$DEAD"
    is "ids of all lines" 1 "$(jq -r '.headers["webhook-id"]' "$DIR/http/log" | grep -cxF -- "$first")"
    is "replayed" "one three" "$(tail -2 "$DIR/http/log" | jq -r .body | jq -r .after.name | xargs)"
}

@test "replay to an index: a row that was refused within a batch, whose newer line went with it, stays out" {
    server
    { users; row c 1 one; row c 2 two; row c 3 three; commit; row u 1 new; row u 2 more; commit; } >"$IN"
    script 'bulk 400:mapper_parsing_exception 400:mapper_parsing_exception 400:mapper_parsing_exception 200 400:mapper_parsing_exception'
    http --elasticsearch --on-error dead-letter --dead-letter "$DEAD"
    is "letters" "c1 c2 c3 u2" "$(jq -r '.line | fromjson | "\(.op)\(.after.id)"' "$DEAD" | sort | xargs)"
    # c2 waits with u2: nothing of that row was stored.
    is "positions that wait" "3 2 2" "$(jq -r 'select(.state == 1).letter' "$DIR/o.refused" | while read -r pos; do jq -r --arg p "$pos" '.line | fromjson | select(.pos == $p).after.id' "$DEAD"; done | sort -r | xargs)"
    rm "$DIR/http/log"
    http --elasticsearch --replay "$DEAD"
    is "sent" "more three two" "$(jq -r .body "$DIR/http/log" | grep -o '"name":"[a-z]*"' | cut -d'"' -f4 | sort | xargs)"
}
