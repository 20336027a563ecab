#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-log under kill -9, a power cut, a broken disk and a full one: the log is the input, once, and nothing that was acknowledged is lost.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/faults

setup() {
    DIR=$BATS_TEST_TMPDIR
    ROOT=$DIR/root
    SHADOW=
    ROUNDS=${CDC_LOG_ROUNDS:-30}
}
teardown() { end_spawned; }

empty_root() {
    rm -rf "$ROOT" "$DIR/shadow"
    mkdir "$ROOT" "$DIR/shadow"
    [ -z "$SHADOW" ] || python3 "$LIB/power-cut.py" begin "$ROOT" "$SHADOW"
}
append_case() {
    python3 "$LIB/log-lines.py" 60 >"$DIR/in"
    begin_case() { empty_root; }
    # Small segments and batches: sealing, rolling and compressing are among the calls.
    run_case() { faulty cdc-log append -q --segment-bytes 6000 --batch-bytes 1500 "$@" "$ROOT/log" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"; }
    check_case() {
        cdc-log read -q "$ROOT/log" >"$DIR/got" || return 1
        cmp "$DIR/in" "$DIR/got" && is offset "$(tail -1 "$DIR/in" | jq -r .pos)" "$(jq -r .offsets.n.pos "$ROOT/log/append.offset")"
    }
}
# After a fault, and the power cut with it: whatever the offset file says is stored, is there.
acknowledged_is_there() {
    local pos got=0
    pos=$(jq -r '.offsets.n.pos // ""' "$ROOT/log/append.offset" 2>/dev/null) || pos=
    [ -n "$pos" ] || return 0
    cdc-log read -q "$ROOT/log" >"$DIR/got" 2>"$DIR/err" || got=$?
    grep -q "\"pos\":\"$pos\"" "$DIR/got" || { fail "acknowledged up to $pos, and not there: $(tail -1 "$DIR/err")"; return 1; }
    cmp -n "$(stat -c %s "$DIR/got")" "$DIR/in" "$DIR/got"
}

@test "append: every call fails once" {
    append_case
    after_fault() { acknowledged_is_there; }
    all_faults error read write sync rename open memory
}
@test "append: every read and write is shortened once" {
    append_case
    all_faults short read write
}
@test "append: killed at every write, sync and rename, where modes of files are obeyed" {
    append_case
    [ "$(id -u)" != 0 ] || OBEYING=(setpriv --bounding-set=-all)
    after_fault() { acknowledged_is_there; }
    FAULT_PLACES=$ROUNDS
    all_faults kill write sync rename
}
@test "append: killed at every write, sync and rename, and the power goes" {
    append_case
    SHADOW=$DIR/shadow
    after_fault() { acknowledged_is_there; }
    FAULT_PLACES=$ROUNDS
    all_faults kill write sync rename
}

@test "append: a sync fails, and the kernel forgets what it was for: a later start that stores it writes it again" {
    append_case
    SHADOW=$DIR/shadow
    all_faults forget sync
}
@test "append: killed before a sync, the sync of the next start fails, and the kernel forgets what it was for" {
    append_case
    SHADOW=$DIR/shadow
    # Batches of some pages: one that a later batch is written to as well goes to the disk with that.
    python3 "$LIB/log-lines.py" 150 >"$DIR/in"
    run_case() { faulty cdc-log append -q --segment-bytes 80000 --batch-bytes 20000 "$ROOT/log" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"; }
    local n at wrong=0 counts
    begin_case
    run_case
    counts=$(fault_counts | cut -d' ' -f3)
    for n in $(FAULT_PLACES=6 places "$counts"); do
        begin_case() {
            local FAULT_CALL=sync FAULT_AT=$n FAULT_HOW=kill
            empty_root
            run_case || true
        }
        # Those of lines and journal, before it takes a line.
        for at in 2 3; do one_forgotten "$at" || { echo "killed at sync $n"; wrong=$((wrong + 1)); }; done
    done
    is wrong 0 "$wrong"
}

@test "purge: a part of a record, as a full disk leaves one, is no part of the next" {
    python3 "$LIB/log-lines.py" 60 >"$DIR/in"
    t cdc-log append -q --redactable "$DIR/log" <"$DIR/in"
    printf '{"time":"2026-11-28T06:00:00Z","uid":0,"pur' >"$DIR/log/purges.ndjson"
    t cdc-log purge -q --table 'public.*' --key "$(jq -c 'select(.op == "c") | .key' "$DIR/in" | sed -n 5p)" "$DIR/log"
    is records "begin end" "$(jq -r .purge "$DIR/log/purges.ndjson" | xargs)"
}

@test "append: fsync fails once: 74, what was not acknowledged is cut off, and comes again" {
    append_case
    local n status
    begin_case
    run_case
    for n in $(places "$(fault_counts | cut -d' ' -f3)"); do
        begin_case
        FAULT_CALL=sync FAULT_AT=$n FAULT_HOW=error
        status=0
        run_case || status=$?
        FAULT_CALL=
        # The compressor tries again by itself.
        [ "$status" = 0 ] || is "exit status" 74 "$status"
        acknowledged_is_there
        run_case
        check_case
    done
}

@test "append killed at random moments, with the same input again: the log is the input, once" {
    local round
    python3 "$LIB/log-lines.py" 20000 >"$DIR/in"
    for ((round = 0; round < 12; round++)); do
        spawn bash -c 'exec cdc-log append -q --segment-bytes 300K --batch-bytes 64K "$1" < <(split -b 60000 --filter "cat; sleep 0.005" "$2")' - "$DIR/log" "$DIR/in"
        pause_ms $((20 + RANDOM % 400))
        kill -KILL "$SPAWNED" 2>/dev/null || true
        wait_until gone "$SPAWNED"
    done
    t cdc-log append -q --segment-bytes 300K "$DIR/log" <"$DIR/in"
    t cdc-log read -q "$DIR/log" | cmp - "$DIR/in"
}

@test "a line of append, read and cdc-sink-sqlite, any of them killed: the copy is equal" {
    local round victim status line
    python3 "$LIB/log-lines.py" 6000 >"$DIR/in"
    mkdir "$DIR/state"
    line="cdc-log read -q --state-dir $DIR/state --follow --idle-exit 2 $DIR/log | cdc-sink-sqlite -q --state-dir $DIR/state $DIR/copy.db"
    t cdc-log append -q --segment-bytes 200K "$DIR/log" < <(head -c 300000 "$DIR/in" | sed '$d' | tac | sed '0,/"op":"commit"/{/"op":"commit"/!d}' | tac)
    for ((round = 0; round < 8; round++)); do
        spawn_line "$line"
        victim=$([ $((round % 2)) = 0 ] && echo cdc-log || echo cdc-sink-sqlite)
        wait_until has_member "$SPAWNED" "$victim"
        [ "$round" != 3 ] || t cdc-log append -q --segment-bytes 200K "$DIR/log" <"$DIR/in"
        pause_ms $((RANDOM % 250))
        kill -KILL "$(member "$SPAWNED" "$victim")" 2>/dev/null || true
        wait_until gone "$SPAWNED"
    done
    LIMIT=120 t bash -o pipefail -c "$line"
    is rows "$(jq -r 'select(.op == "c") | "\(.after.id)|\(.after.v)"' "$DIR/in" | md5sum)" "$(sqlite3 "$DIR/copy.db" 'select id, v from t order by id' | md5sum)"
}

@test "ten readers while it is appended to, compressed, compacted, purged and trimmed, all of them killed at random: each goes on where it was" {
    local seed
    for ((seed = 1; seed <= ${CDC_LOG_READERS:-2}; seed++)); do
        mkdir "$DIR/$seed"
        LIMIT=170 t python3 "$LIB/log_readers.py" --dir "$DIR/$seed" --seed "$seed" --lines 20000 || fail "seed $seed"
        rm -rf "${DIR:?}/$seed"
    done
}

# last_batch_alone [OPTION...]: a log of the input whose last batch alone was not acknowledged: $DIR/before is the log without it.
last_batch_alone() {
    python3 "$LIB/log-lines.py" 60 >"$DIR/in"
    head -n 100 "$DIR/in" | tac | sed '0,/"op":"commit"/{/"op":"commit"/!d}' | tac >"$DIR/first"
    rm -rf "$DIR/log" "$DIR/before" "$DIR/whole"
    t cdc-log append -q --batch-bytes 1500 --compress none "$@" "$DIR/log" <"$DIR/first"
    cp -a "$DIR/log" "$DIR/before"
    t cdc-log append -q --compress none "$DIR/log" <"$DIR/in"
    cp -a "$DIR/log" "$DIR/whole"
    cp -a "$DIR/before/head" "$DIR/before/append.offset" "$DIR/log/"
}
# The log ends before its last batch, whoever looks, and the next append makes it whole.
ends_before_it() {
    t cdc-log verify -q "$DIR/log" >"$DIR/report"
    is lines "$(wc -l <"$DIR/first")" "$(jq .lines "$DIR/report")"
    t cdc-log stat --json "$DIR/log" >"$DIR/stat"
    is "end and position" "$(stat -c %s "$DIR/first") $(tail -1 "$DIR/first" | jq -r .pos)" "$(jq -r '"\(.end) \(.sources.n.pos)"' "$DIR/stat")"
    t cdc-log read -q "$DIR/log" | cmp - "$DIR/first"
    t cdc-log read -q --follow --idle-exit 0.5 "$DIR/log" | cmp - "$DIR/first"
    is "lines from the latest on" 1 "$(t cdc-log read -q --from latest "$DIR/log" | wc -l)"
    t cdc-log compact -q "$DIR/log"
    t cdc-log read -q --from base "$DIR/log" | jq -r 'select(.op == "r") | .after.id' | sort | cmp - <(jq -r 'select(.op == "c") | .after.id' "$DIR/first" | sort)
    t cdc-log append -q --compress none "$DIR/log" <"$DIR/in"
    t cdc-log verify -q "$DIR/log" >/dev/null
    t cdc-log read -q "$DIR/log" | cmp - "$DIR/in"
}
# cut_file NAME: as it was before the last batch, which the journal has all the same.
cut_file() { truncate -s "$(stat -c %s "$DIR/before/$1")" "$DIR/log/$1"; }

@test "a power cut leaves the journal line of a batch without its lines: the log ends before it" {
    local form
    for form in "" --redactable; do
        last_batch_alone $form
        cut_file 00000000000000000000.ndjson
        : >"$DIR/log/head"
        ends_before_it
        last_batch_alone $form
        dd if=/dev/zero of="$DIR/log/00000000000000000000.ndjson" bs=1 count=9 seek="$(($(wc -c <"$DIR/in") - 40))" conv=notrunc status=none
        ends_before_it
    done
}
@test "a power cut leaves a batch without its salts: the log ends before it" {
    last_batch_alone --redactable
    cut_file 00000000000000000000.salt
    ends_before_it
    last_batch_alone --redactable
    dd if=/dev/zero of="$DIR/log/00000000000000000000.salt" bs=16 count=1 seek="$(($(wc -l <"$DIR/in") - 3))" conv=notrunc status=none
    : >"$DIR/log/head"
    ends_before_it
}
@test "purge of a log that ends with such a batch: all before it is purged, and the batch goes" {
    local name key
    for name in ndjson salt; do
        last_batch_alone --redactable
        cut_file "00000000000000000000.$name"
        : >"$DIR/log/head"
        key=$(jq -c 'select(.op == "c") | .key' "$DIR/first" | sed -n 5p)
        t cdc-log purge -q --table 'public.*' --key "$key" "$DIR/log"
        t cdc-log verify -q "$DIR/log" >"$DIR/report"
        is lines "$(wc -l <"$DIR/first") 1" "$(jq -r '"\(.lines) \(.purged)"' "$DIR/report")"
        t cdc-log append -q "$DIR/log" <"$DIR/in"
        is purged 1 "$(t cdc-log verify -q "$DIR/log" | jq .purged)"
        is "rows that differ" 1 "$(t cdc-log read -q "$DIR/log" | diff "$DIR/in" - | grep -c '^<')"
    done
}
@test "lines or salts of a batch that a good one follows are damage: 78, and nothing is cut off" {
    local name
    for name in ndjson salt; do
        last_batch_alone --redactable
        : >"$DIR/log/head"
        dd if=/dev/zero of="$DIR/log/00000000000000000000.$name" bs=1 count=9 seek=40 conv=notrunc status=none
        cp -a "$DIR/log" "$DIR/damaged"
        run -78 t cdc-log verify -q "$DIR/log"
        [ "$name" = salt ] || run -78 t cdc-log read -q "$DIR/log"
        run -78 t cdc-log append -q "$DIR/log" <"$DIR/in"
        cmp "$DIR/damaged/00000000000000000000.$name" "$DIR/log/00000000000000000000.$name"
        rm -rf "$DIR/damaged"
    done
}
@test "salts that are missing, and a meta.json whose kind of log cannot be told: 78, and nothing is written to it" {
    last_batch_alone --redactable
    truncate -s 160 "$DIR"/whole/0*.salt
    cp -a "$DIR/whole" "$DIR/before-append"
    run -78 --separate-stderr t cdc-log append -q "$DIR/whole" <"$DIR/in"
    diff -r "$DIR/whole" "$DIR/before-append"
    run -78 t cdc-log verify -q "$DIR/whole"
    t cdc-log read -q "$DIR/log" >"$DIR/lines"
    sed -i 's/redactable/redactabme/' "$DIR/log/meta.json"
    run -78 --separate-stderr t cdc-log append -q "$DIR/log" <"$DIR/in"
    run -78 --separate-stderr t cdc-log read -q "$DIR/log"
    # As the hint says.
    [[ $stderr == *'the "log" that the first line of an .idx file has as ID, and true where there are .salt files'* ]]
    jq -c '{format: 1, id: .log, redactable: true}' <(cat "$DIR"/log/0*.idx | head -1) >"$DIR/log/meta.json"
    t cdc-log verify -q "$DIR/log" >"$DIR/verified"
    t cdc-log read -q "$DIR/log" | cmp - "$DIR/lines"
}

@test "a log that is moved away while it is used: append and read end, and acknowledge nothing in its place" {
    python3 "$LIB/log-lines.py" 60 >"$DIR/in"
    head -n 100 "$DIR/in" | tac | sed '0,/"op":"commit"/{/"op":"commit"/!d}' | tac >"$DIR/first"
    t cdc-log append -q "$DIR/log" <"$DIR/first"
    cp -a "$DIR/log" "$DIR/copy"
    mkfifo "$DIR/pipe"
    spawn bash -c 'exec cdc-log append -q "$0" <"$1" 2>"$2"' "$DIR/log" "$DIR/pipe" "$DIR/append.err"
    local status writer=$SPAWNED
    exec 9>"$DIR/pipe"
    spawn bash -c 'exec cdc-log read -q --follow "$0" >"$1" 2>"$2"' "$DIR/log" "$DIR/out" "$DIR/read.err"
    local reader=$SPAWNED
    tail -n +"$(($(wc -l <"$DIR/first") + 1))" "$DIR/in" >"$DIR/rest"
    sed -n '1,/"op":"commit"/p' "$DIR/rest" >&9
    head -n "$(($(wc -l <"$DIR/first") + $(sed -n '1,/"op":"commit"/p' "$DIR/rest" | wc -l)))" "$DIR/in" >"$DIR/given"
    wait_until cmp -s "$DIR/out" "$DIR/given"
    mv "$DIR/log" "$DIR/moved"
    mv "$DIR/copy" "$DIR/log"
    status=0
    status_of "$reader" || status=$?
    is "status of read" 74 "$status"
    sed '1,/"op":"commit"/d' "$DIR/rest" >&9 || true # it may have seen it by now, and have ended
    exec 9>&-
    status=0
    status_of "$writer" || status=$?
    is "status of append" 74 "$status"
    grep -q 'was moved or replaced' "$DIR/append.err"
    grep -q 'was moved or replaced' "$DIR/read.err"
    is position "$(tail -1 "$DIR/first" | jq -r .pos)" "$(jq -r .offsets.n.pos "$DIR/log/append.offset")"
    t cdc-log append -q "$DIR/log" <"$DIR/in"
    t cdc-log read -q "$DIR/log" | cmp - "$DIR/in"
}

@test "read: a writer was killed before a sync, that of a reader fails, and the kernel forgets what it was for: no reader gives it out" {
    append_case
    SHADOW=$DIR/shadow
    run_case() { faulty cdc-log append -q --batch-bytes 1500 "$ROOT/log" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"; }
    local n at counts given=0 wrong=0
    begin_case
    run_case
    read -ra counts <<<"$(fault_counts)"
    FAULT_PLACES=8
    for n in $(places "${counts[2]}"); do
        for at in 1 2 3; do
            begin_case
            FAULT_CALL=sync FAULT_AT=$n FAULT_HOW=kill
            run_case || true
            [ -e "$ROOT/log/meta.json" ] || continue
            # As a supervisor does: the first ends with 74, the second finds nothing amiss.
            FAULT_CALL=sync FAULT_AT=$at FAULT_HOW=forget
            faulty cdc-log read -q "$ROOT/log" >"$DIR/given" 2>"$DIR/err" && continue
            FAULT_CALL=
            faulty cdc-log read -q "$ROOT/log" >"$DIR/given" 2>"$DIR/err" || continue
            python3 "$LIB/power-cut.py" cut "$ROOT" "$SHADOW"
            SHADOW='' faulty cdc-log read -q "$ROOT/log" >"$DIR/got" 2>"$DIR/err" || true
            cmp "$DIR/given" "$DIR/got" || { echo "killed at sync $n, failed at sync $at of the reader"; wrong=$((wrong + 1)); }
            given=$((given + 1))
        done
    done
    is "wrong of $given" 0 "$wrong"
    [ "$given" -gt 0 ]
}

@test "redactable: killed at every write and sync, read, and the power goes: what was read is there, and the log verifies" {
    append_case
    SHADOW=$DIR/shadow
    run_case() { faulty cdc-log append -q --redactable --segment-bytes 6000 --batch-bytes 1500 "$ROOT/log" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"; }
    FAULT_PLACES=$ROUNDS
    local kind n counts wrong=0
    begin_case
    run_case
    read -ra counts <<<"$(fault_counts)"
    for kind in write:1 sync:2; do
        for n in $(places "${counts[${kind#*:}]}"); do
            begin_case
            FAULT_CALL=${kind%:*} FAULT_AT=$n FAULT_HOW=kill
            run_case || true
            FAULT_CALL=
            [ -e "$ROOT/log/meta.json" ] || continue
            # Killed, its journal may have lines that nobody has synced: the reader does.
            faulty cdc-log read -q "$ROOT/log" >"$DIR/given" 2>"$DIR/err" || { [ ! -s "$DIR/given" ] && continue; }
            python3 "$LIB/power-cut.py" cut "$ROOT" "$SHADOW"
            SHADOW='' run_case || { fail "${kind%:*} $n: append: $(tail -1 "$DIR/err")" || wrong=$((wrong + 1)); continue; }
            t cdc-log read -q "$ROOT/log" >"$DIR/got"
            cmp "$DIR/in" "$DIR/got" && cmp -n "$(stat -c %s "$DIR/given")" "$DIR/given" "$DIR/got" || wrong=$((wrong + 1))
            t cdc-log verify -q "$ROOT/log" >/dev/null || { echo "${kind%:*} $n"; wrong=$((wrong + 1)); }
        done
    done
    is wrong 0 "$wrong"
}

# -- one stands still, and others run to their end ----------------------------------------------------------------

# trimmable: $DIR/log of several segments that a base stands for; its lines are $DIR/in.
trimmable() {
    python3 "$LIB/log-lines.py" 60 >"$DIR/in"
    t cdc-log append -q --segment-bytes 9000 "$DIR/log" <"$DIR/in"
    t cdc-log compact -q "$DIR/log"
    cp -a "$DIR/log" "$DIR/before"
}
# calls TOOL...: how many there are to stop at.
calls() {
    faulty "$@" >"$DIR/given" 2>"$DIR/err"
    fault_counts | cut -d' ' -f12
}
again() {
    rm -rf "$DIR/log"
    cp -a "$DIR/before" "$DIR/log"
}

@test "read: a new registered reader that stands still anywhere while the log is trimmed loses nothing of what it then begins with" {
    trimmable
    local from n count given whole=0 cut=0
    for from in earliest base; do
        again
        count=$(calls cdc-log read -q --reader r --from $from "$DIR/log")
        for n in $(FAULT_PLACES=16 places "$count"); do
            again
            stop_at any "$n" cdc-log read -q --reader r --from $from "$DIR/log" >"$DIR/out" 2>"$DIR/err"
            t cdc-log trim -q --retain-bytes 1 "$DIR/log" 2>/dev/null
            go_on "$SPAWNED" || { fail "--from $from, stopped at call $n: $(cat "$DIR/err")"; return 1; }
            if [ $from = base ]; then
                is rows "$(jq -r 'select(.op == "c") | .after.id' "$DIR/in" | sort)" "$(jq -r 'select(.op == "r") | .after.id' "$DIR/out" | sort)"
                continue
            fi
            # All of it, or a schema line and the rest.
            if cmp -s "$DIR/in" "$DIR/out"; then whole=$((whole + 1)); continue; fi
            sed 1d "$DIR/out" >"$DIR/rest"
            cmp "$DIR/rest" <(tail -n "$(wc -l <"$DIR/rest")" "$DIR/in")
            cut=$((cut + 1))
        done
    done
    echo "# $whole readers had all lines, $cut began after the trim" >&3
    [ "$whole" -gt 0 ] && [ "$cut" -gt 0 ]
}
@test "read: a position or a time whose lines retention has removed is 79; one that has all of them is not" {
    trimmable
    local place
    t cdc-log read -q --from "$(sed -n 2p "$DIR/in" | jq -r .pos)" "$DIR/log" >/dev/null
    t cdc-log read -q --from 2020-01-01T00:00:00Z "$DIR/log" | cmp - "$DIR/in"
    t cdc-log trim -q --retain-bytes 1 "$DIR/log"
    for place in "$(sed -n 2p "$DIR/in" | jq -r .pos)" 2020-01-01T00:00:00Z; do
        run -79 --separate-stderr t cdc-log read --from "$place" "$DIR/log"
        [[ $stderr == *"were removed by retention"*"--from=base"* ]]
        is lines "" "$output"
    done
    t cdc-log read -q --from "$(tail -1 "$DIR/in" | jq -r .pos)" "$DIR/log" >/dev/null
    t cdc-log read -q --from 2120-01-01T00:00:00Z "$DIR/log" >/dev/null
}
@test "read: a registered reader that was refused holds nothing back" {
    trimmable
    t cdc-log trim -q --retain-bytes 1 "$DIR/log"
    run -79 --separate-stderr t cdc-log read -q --reader r "$DIR/log"
    not [ -e "$DIR/log/readers/r.offset" ]
}
@test "repair: nobody appends to a log, compacts or trims it while it is copied" {
    trimmable
    local n count command
    count=$(calls cdc-log repair -q "$DIR/log" "$DIR/copy")
    python3 "$LIB/log-lines.py" 90 >"$DIR/more"
    for n in $((count / 3)) $((count / 2)) $((count * 4 / 5)); do
        rm -rf "$DIR/copy"
        stop_at any "$n" cdc-log repair -q "$DIR/log" "$DIR/copy" 2>"$DIR/err"
        for command in append compact "trim --retain-bytes 1"; do
            # shellcheck disable=SC2086
            run -75 --separate-stderr t cdc-log $command -q "$DIR/log" <"$DIR/more"
        done
        # Readers go on.
        t cdc-log read -q "$DIR/log" | cmp - "$DIR/in"
        go_on "$SPAWNED"
        is said "" "$(cat "$DIR/err")"
        t cdc-log verify -q "$DIR/copy" >/dev/null
        t cdc-log read -q "$DIR/copy" | cmp - "$DIR/in"
    done
    t cdc-log append -q "$DIR/log" <"$DIR/more"
    # And the other way round.
    stop_at rename 1 cdc-log compact -q "$DIR/log" 2>"$DIR/err"
    rm -rf "$DIR/copy"
    run -75 --separate-stderr t cdc-log repair -q "$DIR/log" "$DIR/copy"
    go_on "$SPAWNED"
}
@test "prove: a log that is trimmed meanwhile is no internal error" {
    trimmable
    local n count status
    openssl genpkey -algorithm ed25519 -out "$DIR/key" 2>/dev/null
    chmod 600 "$DIR/key"
    t cdc-log verify -q --checkpoint-to "$DIR/kept" --sign "$DIR/key" "$DIR/log" >"$DIR/given"
    count=$(calls cdc-log prove -q --checkpoint "$DIR/kept" "$DIR/log" "$(sed -n 99p "$DIR/in" | jq -r .pos)")
    for n in $(FAULT_PLACES=24 places "$count"); do
        again
        stop_at any "$n" cdc-log prove -q --checkpoint "$DIR/kept" "$DIR/log" "$(sed -n 99p "$DIR/in" | jq -r .pos)" >"$DIR/out" 2>"$DIR/err"
        t cdc-log trim -q --retain-bytes 1 "$DIR/log"
        status=0
        go_on "$SPAWNED" || status=$?
        case $status in 0 | 75 | 79) ;; *) fail "stopped at call $n: exit status $status: $(cat "$DIR/err")" ;; esac
    done
}
