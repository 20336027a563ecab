#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-log verify, prove and purge: against logs of a second writer (lib/log_writer.py), against verifiers of shell, against every bit
# that is changed, and killed everywhere.
# takes: 200 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/faults

setup() {
    DIR=$BATS_TEST_TMPDIR
    LOG=$DIR/log
    ROOT=$DIR/root
    SHADOW=
}
teardown() { end_spawned; }

# some_log OPTIONS...: in $LOG; $CHAIN is the value that its writer ended with.
some_log() {
    rm -rf "$LOG"
    CHAIN=$(python3 "$LIB/log_writer.py" "$LOG" "$@")
}
some_keys() {
    openssl genpkey -algorithm ed25519 -out "$DIR/key" 2>/dev/null
    chmod 600 "$DIR/key"
    openssl pkey -in "$DIR/key" -pubout -out "$DIR/key.pub"
}
verify() { t cdc-log verify "$@"; }
chain_of() { verify -q "$1" | jq -r .chain; }
# found STATUS TEXT COMMAND...: it ends with that status, and says that.
found() {
    local status=0 wanted=$1 text=$2
    shift 2
    "$@" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "status of $*: $(cat "$DIR/err")" "$wanted" "$status"
    [[ $(cat "$DIR/err") =~ $text ]] || fail "no \"$text\" in: $(cat "$DIR/err")"
}
# The plain lines of the log in $1.
plain() {
    local file
    for file in "$1"/[0-9]*.idx; do
        file=${file%.idx}.ndjson
        if [ -e "$file" ]; then cat "$file"; else zstdcat "$file.zst"; fi
    done
}
# Nothing of that person is in any file of the folder, packed or not.
nothing_of() {
    local file
    for file in "$1"/*; do
        case $file in *.zst) zstdcat "$file" ;; *) cat "$file" ;; esac
    done >"$DIR/all"
    not grep -aq "$2" "$DIR/all"
}

# -- verify ----------------------------------------------------------------------

@test "a log of another writer is whole, in every form, and a verifier of shell agrees" {
    local options
    for options in '' '--redactable --packed --sealed' '--segments 1 --batches 1 --rows 0'; do
        # shellcheck disable=SC2086
        some_log --rows 2 --batches 2 $options
        is "chain of $options" "$CHAIN" "$(chain_of "$LOG")"
        is "chain of $options, by shell" "$CHAIN" "$("$LIB/log-verify.sh" "$LOG")"
        is "lines of $options" "$(plain "$LOG" | wc -l)" "$(verify -q "$LOG" | jq .lines)"
    done
}

@test "a byte that is changed anywhere in a segment, its journal or its salts is found" {
    local file size at options
    for options in '' '--packed --redactable'; do
        # shellcheck disable=SC2086
        some_log --segments 2 --batches 2 --rows 3 $options
        for file in "$LOG"/[0-9]*; do
            size=$(stat -c %s "$file")
            for at in 0 $((size / 3)) $((size * 2 / 3)) $((size - 1)); do
                cp "$file" "$DIR/kept"
                python3 - "$file" "$at" <<'END'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0]
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte ^ 4]))
END
                found 78 . verify "$LOG"
                [[ $file != *.ndjson || $at != $((size / 3)) || -n $options ]] || not "$LIB/log-verify.sh" "$LOG" 2>/dev/null
                cp "$DIR/kept" "$file"
            done
        done
        is "chain" "$CHAIN" "$(chain_of "$LOG")"
    done
}

@test "damage is named: segment, bytes and lines" {
    some_log
    sed -i '3s/"seq":3/"seq":4/' "$LOG/00000000000000000000.ndjson"
    found 78 'segment 00000000000000000000.ndjson: bytes 0 to [0-9]+: they are not what was appended \(CRC\)' verify "$LOG"
}

@test "a line that was rewritten with its CRCs and its seal does not fit the chain; with a chain made anew, it does not fit the checkpoint" {
    some_log
    some_keys
    verify -q "$LOG" --checkpoint-to "$DIR/kept" --sign "$DIR/key" >"$DIR/out"
    # All but the chain, then all.
    python3 "$LIB/log_writer.py" "$DIR/other" --people 6 >"$DIR/chain"
    found 78 'the log was rewritten' verify "$DIR/other" --checkpoint "$DIR/kept" --key "$DIR/key.pub"
    verify -q "$DIR/other" >"$DIR/out"
    local first=00000000000000000000
    sed -n '1p' "$LOG/$first.idx" >"$DIR/idx"
    cp "$DIR/other/$first.ndjson" "$LOG/$first.ndjson"
    found 78 'CRC' verify "$LOG"
}

@test "a log that was cut back is found: by its head, and by a checkpoint" {
    some_log --segments 2
    some_keys
    verify -q "$LOG" --checkpoint-to "$DIR/kept" --sign "$DIR/key" >"$DIR/out"
    verify -q "$LOG" --checkpoint "$DIR/kept" --key "$DIR/key.pub" >"$DIR/out"
    local last
    last=$(printf '%s\n' "$LOG"/*.idx | tail -1)
    sed -i '$d' "$last"
    found 78 'it was cut back' verify "$LOG"
    rm "$LOG/head"
    verify -q "$LOG" >"$DIR/out"
    found 78 'before the checkpoint .* it was cut back' verify "$LOG" --checkpoint "$DIR/kept" --key "$DIR/key.pub"
}

@test "a log that has grown goes on from a checkpoint; after it was trimmed, one that is behind is 79" {
    some_log --segments 4 --sealed
    some_keys
    mkdir "$DIR/later"
    local starts
    starts=$(for file in "$LOG"/*.idx; do basename "$file" .idx; done)
    # The first two segments, then all.
    mv "$LOG/head" "$DIR/later/"
    for start in $(tail -n 2 <<<"$starts"); do mv "$LOG/$start".* "$DIR/later/"; done
    verify -q "$LOG" --checkpoint-to "$DIR/kept" --sign "$DIR/key" >"$DIR/out"
    mv "$DIR/later"/* "$LOG/"
    found 0 'it goes on from the checkpoint' verify "$LOG" --checkpoint "$DIR/kept" --key "$DIR/key.pub"
    # As cdc-log trim does it.
    trimmed_to() { printf '%s\n' "$1" >"$LOG/begin"; for start in $starts; do [[ $start > $1 || $start = "$1" ]] || rm -f "$LOG/$start".*; done; }
    trimmed_to "$(sed -n 2p <<<"$starts")"
    found 0 'it goes on from the checkpoint' verify "$LOG" --checkpoint "$DIR/kept" --key "$DIR/key.pub"
    is origin "cdc-log/$(jq -r .id "$LOG/meta.json")" "$(head -n 1 "$DIR/kept")"
    verify -q "$LOG" --checkpoint-to "$DIR/new" --sign "$DIR/key" >"$DIR/out"
    is origin "cdc-log/$(jq -r .id "$LOG/meta.json")/$((10#$(sed -n 2p <<<"$starts")))" "$(head -n 1 "$DIR/new")"
    trimmed_to "$(sed -n 4p <<<"$starts")"
    found 79 'behind the checkpoint' verify "$LOG" --checkpoint "$DIR/kept" --key "$DIR/key.pub"
}

@test "a missing segment, and one of another log, are named" {
    some_log --segments 3
    local middle
    middle=$(printf '%s\n' "$LOG"/*.ndjson | sed -n 2p)
    mv "$middle" "$DIR/"
    found 78 'lines are missing' verify "$LOG"
    mv "${middle%.ndjson}.idx" "$DIR/"
    found 78 'missing' verify "$LOG"
}

@test "keys: who may read them, which they are, and what was signed" {
    some_log
    some_keys
    verify -q "$LOG" --checkpoint-to "$DIR/kept" --sign "$DIR/key" >"$DIR/out"
    openssl genpkey -algorithm ed25519 -out "$DIR/other" 2>/dev/null
    found 78 'not signed by that key' verify "$LOG" --checkpoint "$DIR/kept" --key "$DIR/other"
    chmod 644 "$DIR/key"
    found 77 . verify "$LOG" --checkpoint-to "$DIR/again" --sign "$DIR/key"
    openssl genpkey -algorithm rsa -out "$DIR/rsa" 2>/dev/null
    found 78 'no private key of Ed25519' verify "$LOG" --checkpoint-to "$DIR/again" --sign "$DIR/rsa"
    found 65 'no signed note' verify "$LOG" --checkpoint "$DIR/key" --key "$DIR/key.pub"
    sed '2s/.*/1/' "$DIR/kept" >"$DIR/changed"
    found 78 'the signature is wrong' verify "$LOG" --checkpoint "$DIR/changed" --key "$DIR/key.pub"
    found 64 'go together' verify "$LOG" --checkpoint "$DIR/kept"
    [ ! -e "$DIR/again" ]
}

# Examples of a page, as its reader sees them.
displays() { sed -n '/^\.Bd -literal/,/^\.Ed/p' "$CDC_ROOT/man/$1" | sed '/^\.Bd/d; s/\\e/\\/g; s/^\\&//'; }
@test "the verifiers in cdc-log(5) are those of these tests" {
    displays cdc-log.5 >"$DIR/page"
    local script
    for script in log-verify.sh log-proof.sh; do
        is "$script" "$(cat "$LIB/$script")" "$(awk -v first="$(sed -n 2p "$LIB/$script")" '/^#!/ { held = $0; next } held != "" { on = $0 == first; if (on) print held; held = "" } /^\.Ed/ { on = 0 } on' "$DIR/page")"
    done
}

# -- prove -----------------------------------------------------------------------

@test "a proof is checked by openssl and sha256sum alone, and is of that line" {
    local options number line at=0
    for options in '' '--packed --redactable --sealed'; do
        # shellcheck disable=SC2086
        some_log $options
        some_keys
        verify -q "$LOG" --checkpoint-to "$DIR/kept" --sign "$DIR/key" >"$DIR/out"
        plain "$LOG" >"$DIR/lines"
        for number in 1 64 65 100 $(wc -l <"$DIR/lines"); do
            line=$(sed -n "${number}p" "$DIR/lines")
            t cdc-log prove "$LOG" "$(jq -r .pos <<<"$line")" --checkpoint "$DIR/kept" --key "$DIR/key.pub" >"$DIR/proof"
            is "line $number" "$line" "$("$LIB/log-proof.sh" "$DIR/proof" "$DIR/key.pub")"
            [ "$(stat -c %s "$DIR/proof")" -lt 3000 ]
        done
    done
    # By its byte.
    at=$(head -n 9 "$DIR/lines" | wc -c)
    t cdc-log prove "$LOG" "@$at" --checkpoint "$DIR/kept" --key "$DIR/key.pub" >"$DIR/proof"
    is "line at $at" "$(sed -n 10p "$DIR/lines")" "$("$LIB/log-proof.sh" "$DIR/proof" "$DIR/key.pub")"
    # Another line, another place, another checkpoint: none of it is proved.
    sed 's/^index 9$/index 8/' "$DIR/proof" >"$DIR/wrong"
    not "$LIB/log-proof.sh" "$DIR/wrong" "$DIR/key.pub"
    sed "s/^extra .*/extra $(sed -n 11p "$DIR/lines" | tr -d '\n' | base64 -w 0 | sed 's,/,\\/,g')/" "$DIR/proof" >"$DIR/wrong"
    not "$LIB/log-proof.sh" "$DIR/wrong" "$DIR/key.pub"
}

@test "what cannot be proved is said: a line after the checkpoint, one that was purged, one that is not there" {
    some_log --redactable --segments 2 --sealed
    some_keys
    mkdir "$DIR/later"
    local last pos
    last=$(basename "$(printf '%s\n' "$LOG"/*.idx | tail -1)" .idx)
    pos=$(head -n 1 "$LOG/$last.ndjson" | jq -r .pos)
    mv "$LOG/$last".* "$LOG/head" "$DIR/later/"
    verify -q "$LOG" --checkpoint-to "$DIR/kept" --sign "$DIR/key" >"$DIR/out"
    mv "$DIR/later"/* "$LOG/"
    found 78 'no line before the checkpoint' t cdc-log prove "$LOG" "$pos" --checkpoint "$DIR/kept"
    found 78 'no line before the checkpoint' t cdc-log prove "$LOG" @1 --checkpoint "$DIR/kept"
    found 64 'no byte' t cdc-log prove "$LOG" @x --checkpoint "$DIR/kept"
    t cdc-log purge -q "$LOG" --table users --key '{"id":1}' >"$DIR/out"
    found 78 'was purged' t cdc-log prove "$LOG" 00000001 --checkpoint "$DIR/kept"
    t cdc-log prove "$LOG" 00000002 --checkpoint "$DIR/kept" >"$DIR/proof"
    is line 00000002 "$("$LIB/log-proof.sh" "$DIR/proof" "$DIR/key.pub" | jq -r .pos)"
}

# -- purge -----------------------------------------------------------------------

@test "a person is gone from all files, and the rest is proved still" {
    local options
    for options in --redactable '--redactable --packed --sealed'; do
        # shellcheck disable=SC2086
        some_log --rows 5 --batches 2 $options
        some_keys
        verify -q "$LOG" --checkpoint-to "$DIR/kept" --sign "$DIR/key" >"$DIR/out"
        plain "$LOG" >"$DIR/before"
        t cdc-log purge -q "$LOG" --table public.users --key '{"id":3}' >"$DIR/out"
        plain "$LOG" >"$DIR/after"
        is purged "$(grep -c person3@ "$DIR/before")" "$(jq .purged "$DIR/out")"
        nothing_of "$LOG" person3@
        is "chain" "$CHAIN" "$(chain_of "$LOG")"
        is "chain by shell" "$CHAIN" "$("$LIB/log-verify.sh" "$LOG")"
        found 0 'purged; it goes on from the checkpoint' verify "$LOG" --checkpoint "$DIR/kept" --key "$DIR/key.pub"
        is "purged lines" "$(jq .purged "$DIR/out")" "$(verify -q "$LOG" | jq .purged)"
        # Lines that stay are the same, those that went have the length, the position and the source that they had.
        is "lengths" "$(awk '{ print length }' "$DIR/before")" "$(awk '{ print length }' "$DIR/after")"
        is "others" "$(grep -v person3@ "$DIR/before")" "$(grep -v '"op":"purged"' "$DIR/after")"
        is "positions" "$(jq -c '[.pos, .seq, .source.name]' "$DIR/before")" "$(jq -c '[.pos, .seq, .source.name]' "$DIR/after")"
        # Said twice, it was done once.
        t cdc-log purge -q "$LOG" --table public.users --key '{"id":3}' >"$DIR/out"
        is again 0 "$(jq .purged "$DIR/out")"
        is record begin,end "$(jq -r .purge "$LOG/purges.ndjson" | paste -sd,)"
        nothing_of "$LOG" person3@
    done
}

# The salt of each purged line is zero, that of no other one.
zeroed_salts() {
    python3 - "$LOG" <<'END'
import glob, sys
for name in glob.glob(sys.argv[1] + "/[0-9]*.ndjson"):
    lines = open(name, "rb").read().splitlines()
    salts = open(name[:-6] + "salt", "rb").read()
    assert len(salts) == 16 * len(lines), name
    for i, line in enumerate(lines):
        assert (salts[16 * i:16 * i + 16] == bytes(16)) == line.startswith(b'{"op":"purged"'), (name, i)
END
}
@test "which lines: the key in key, before or after, as number or text, of that table and source alone" {
    some_log --redactable --rows 3 --segments 1
    zeroed_salts
    found 0 . t cdc-log purge "$LOG" --table other --key '{"id":3}'
    is purged 0 "$(jq .purged "$DIR/out")"
    found 0 . t cdc-log purge "$LOG" --table 'public.*' --name other --key '{"id":3}'
    is purged 0 "$(jq .purged "$DIR/out")"
    found 0 . t cdc-log purge -n "$LOG" --table users --name shop --key '{"email":"person3@example.com"}'
    is found "$(grep -c person3@ "$LOG"/*.ndjson)" "$(jq .found "$DIR/out")"
    found 0 . t cdc-log purge -n "$LOG" --table users --key '{"id":3,"email":"person4@example.com"}'
    is found 0 "$(jq .found "$DIR/out")"
    found 0 . t cdc-log purge "$LOG" --table users --key '{"id":"3"}' --key '{"id":4}'
    nothing_of "$LOG" 'person[34]@'
    zeroed_salts
    is "chain" "$CHAIN" "$(chain_of "$LOG")"
    local key
    for key in '' x '[]' '{}' '{"id":null}' '{"id":{}}'; do found 64 'an object of columns' t cdc-log purge "$LOG" --table users --key "$key"; done
    found 64 'are missing' t cdc-log purge "$LOG" --key '{"id":3}'
}

@test "without salts a purge is refused, unless it is forced" {
    some_log --rows 8 --batches 1
    found 78 'has no salts' t cdc-log purge "$LOG" --table users --key '{"id":3}'
    grep -q person3@ "$LOG"/*.ndjson
    found 0 . t cdc-log purge "$LOG" --table users --key '{"id":3}' --force-unsalted
    nothing_of "$LOG" person3@
    is "chain" "$CHAIN" "$(chain_of "$LOG")"
    is "chain by shell" "$CHAIN" "$("$LIB/log-verify.sh" "$LOG")"
}

@test "what was left behind by others goes with it: temporary files, and bytes that were never acknowledged" {
    some_log --redactable --segments 2
    local last
    last=$(printf '%s\n' "$LOG"/*.ndjson | tail -1)
    printf '{"op":"c","after":{"email":"person3@' >>"$last"
    local rest
    for rest in 00000000000000000000.ndjson.zst.tmp base-00000000000000000007.ndjson.zst; do
        grep -h -m 1 person3@ "$LOG"/*.ndjson >"$DIR/line"
        cp "$DIR/line" "$LOG/$rest"
    done
    found 0 'bytes behind the last commit do not count' verify "$LOG"
    found 0 . t cdc-log purge "$LOG" --table users --key '{"id":3}'
    nothing_of "$LOG" person3@
    is "chain" "$CHAIN" "$(chain_of "$LOG")"
}

# some_events TRANSACTIONS: of five rows each, of the people 0 to 6 in turn.
some_events() {
    jq -nc --argjson n "$1" '
        {connector: "postgresql", name: "shop", db: "shop"} as $source | range($n) as $t |
        (range(5) | ($t * 6 + . + 1) as $i | (($t * 5 + .) % 7) as $p |
            {op: "c", pos: ("0000000\($i)" | .[-8:]), seq: $i, ts_ms: 1, source: ($source + {schema: "public", table: "users", ts_ms: 1763717327123, txId: $t}), key: {id: $p}, before: null,
             after: {id: $p, email: "person\($p)@example.com"}}),
        (($t * 6 + 6) as $i | {op: "commit", pos: ("0000000\($i)" | .[-8:]), seq: $i, source: ($source + {system_id: "1", timeline: 1}), events: 5})'
}
append() { t cdc-log append -q --redactable --segment-bytes 20K "$@"; }

@test "append and read go on after a purge, and agree with it" {
    some_events 14 >"$DIR/in"
    head -n 42 "$DIR/in" | append --segment-bytes 3K "$LOG"
    t cdc-log purge -q "$LOG" --table users --key '{"id":3}' >"$DIR/out"
    is purged "$(head -n 42 "$DIR/in" | grep -c person3@)" "$(jq .purged "$DIR/out")"
    nothing_of "$LOG" person3@
    append --segment-bytes 3K "$LOG" <"$DIR/in"
    t cdc-log read -q "$LOG" >"$DIR/lines"
    is "lines after the purge" "" "$(tail -n +43 "$DIR/lines" | cmp - <(tail -n +43 "$DIR/in"))"
    is "other lines" "" "$(cmp <(head -n 42 "$DIR/lines" | grep -v purged) <(head -n 42 "$DIR/in" | grep -v person3@))"
    is "lines" 84 "$(verify -q "$LOG" | jq .lines)"
    # What another log takes over from it is as it is there, purged lines of the first one included.
    t cdc-log read -q "$LOG" | append --segment-bytes 3K "$DIR/second"
    is "lines of the second" "" "$(cmp <(plain "$LOG") <(plain "$DIR/second"))"
    is "purged in the second" 0 "$(verify -q "$DIR/second" | jq .purged)"
    is "its chain by shell" "$(chain_of "$DIR/second")" "$("$LIB/log-verify.sh" "$DIR/second")"
}

@test "the same log id and leaf in a line of a source: what is appended is verified" {
    some_events 1 >"$DIR/in"
    append "$LOG" <"$DIR/in"
    jq -nc --arg id "$(jq -r .id "$LOG/meta.json")" --arg leaf "$(printf '%064d' 7)" '{op: "purged", pos: "00000007", seq: 7, source: {name: "shop"}, leaf: $leaf, log: $id}' >>"$DIR/in"
    jq -c 'select(.op == "commit") | .pos = "00000008"' "$DIR/in" | head -n 1 >"$DIR/commit"
    append "$LOG" < <(cat "$DIR/in" "$DIR/commit")
    is lines 8 "$(verify -q "$LOG" | jq .lines)"
    is "chain by shell" "$(chain_of "$LOG")" "$("$LIB/log-verify.sh" "$LOG")"
}

purge_ended() {
    local status=0
    t cdc-log purge -q "$LOG" --table users --key '{"id":3}' >>"$DIR/purges" 2>"$DIR/err" || status=$?
    [ "$status" = 0 ] || [ "$status" = 75 ] || { cat "$DIR/err" >"$DIR/failed"; return 0; }
    [ "$status" = 0 ]
}
@test "purge beside an append and its readers: 75 as long as rows are in the segment that is written to" {
    some_events 1500 >"$DIR/in"
    mkfifo "$DIR/pipe"
    spawn_line "exec cdc-log append -q --redactable --segment-bytes 20K '$LOG' <'$DIR/pipe'"
    exec 5>"$DIR/pipe"
    head -n 6 "$DIR/in" >&5
    # The offset file may be of the first three lines alone: append takes what it has read, and the row is in the others.
    lines_are() { [ "$(verify -q "$LOG" 2>/dev/null | jq -r .lines)" = "$1" ]; }
    wait_until lines_are 6
    # What the dry run counts is what the real one does.
    found 75 '1 lines more are in the segment that is being written to' t cdc-log purge -n "$LOG" --table users --key '{"id":3}'
    is "found and left" "0 1" "$(jq -r '"\(.found) \(.left)"' "$DIR/out")"
    found 75 '1 lines more are in the segment that is being written to' t cdc-log purge "$LOG" --table users --key '{"id":3}'
    is "purged and left" "0 1" "$(jq -r '"\(.purged) \(.left)"' "$DIR/out")"
    local i
    for i in 1 2 3; do spawn_line "exec cdc-log read -q '$LOG' --follow --max-events 7500 >'$DIR/read$i' 2>'$DIR/read$i.err'"; done
    sed -n '7,$p' "$DIR/in" >&5 &
    for i in {1..5}; do purge_ended || :; done
    wait "$!"
    exec 5>&-
    wait_until gone "${SPAWNED_ALL[0]}"
    for i in 1 2 3; do
        status_of "${SPAWNED_ALL[i]}" || fail "reader $i: $(cat "$DIR/read$i.err")"
        is "reader $i" "" "$(cmp <(jq -r .pos "$DIR/read$i") <(jq -r .pos "$DIR/in"))"
        is "others of reader $i" "" "$(cmp <(grep -v -e '"op":"purged"' -e person3@ "$DIR/read$i") <(grep -v person3@ "$DIR/in"))"
    done
    wait_until purge_ended
    [ ! -e "$DIR/failed" ] || fail "$(cat "$DIR/failed")"
    nothing_of "$LOG" person3@
    is "lines" "9000 $(grep -c person3@ "$DIR/in")" "$(verify -q "$LOG" | jq -r '"\(.lines) \(.purged)"')"
}

# Its journal then has other bounds than the one that the end was taken from.
@test "verify and purge: the segment that is written to is closed meanwhile, at whatever read" {
    local reads i command status
    some_events 60 >"$DIR/all"
    head -n 240 "$DIR/all" >"$DIR/first"
    for command in verify "purge --table users --key {\"id\":3}"; do
        rm -rf "$LOG"
        append --batch-events 1 "$LOG" <"$DIR/first"
        # shellcheck disable=SC2086
        faulty cdc-log $command -q "$LOG" >"$DIR/out"
        read -ra reads <<<"$(fault_counts)"
        for i in $(FAULT_PLACES=12 places "${reads[0]}"); do
            rm -rf "$LOG"
            append --batch-events 1 "$LOG" <"$DIR/first"
            # shellcheck disable=SC2086
            stop_at read "$i" cdc-log $command "$LOG" >"$DIR/out" 2>"$DIR/err"
            # Where a purge keeps it away, it is 75.
            append --batch-events 1 --compress none "$LOG" <"$DIR/all" 2>"$DIR/append.err" || is "status of append" 75 "$?"
            status=0
            go_on "$SPAWNED" || status=$?
            case $command in
            verify)
                is "status of verify at read $i: $(cat "$DIR/err")" 0 "$status"
                not grep acknowledged "$DIR/err" # what came meanwhile was
                ;;
            *)
                [ "$status" = 0 ] || [ "$status" = 75 ] || fail "purge at read $i: $status: $(cat "$DIR/err")"
                [ "$status" = 75 ] || not grep person3@ <(t cdc-log read -q "$LOG" | head -n 240)
                ;;
            esac
            append "$LOG" <"$DIR/all"
            is "lines at read $i" 360 "$(verify -q "$LOG" | jq .lines)"
        done
    done
}

@test "a purge leaves nothing of a person in a base" {
    some_events 60 >"$DIR/in"
    append "$LOG" <"$DIR/in"
    t cdc-log compact -q "$LOG"
    local base
    base=$(printf '%s\n' "$LOG"/base-*.zst)
    zstdcat "$base" | grep -q person3@
    zstdcat "$base" >"$DIR/before"
    found 0 . t cdc-log purge "$LOG" --table users --key '{"id":3}'
    is "of bases" 1 "$(jq .of_bases "$DIR/out")"
    nothing_of "$LOG" person3@
    is "length of the base" "$(wc -c <"$DIR/before")" "$(zstdcat "$base" | wc -c)"
    verify -q "$LOG" >"$DIR/out"
    t cdc-log read -q "$LOG" --from base >"$DIR/lines"
    is people "0 1 2 4 5 6" "$(jq -r 'select(.op == "r" or .op == "c") | .key.id' "$DIR/lines" | sort -u | paste -sd ' ')"
    # One more base of it and what came after has none of it either.
    { cat "$DIR/in"; some_events 120 | tail -n +361; } | grep -v person3@ | append "$LOG"
    t cdc-log compact -q "$LOG"
    nothing_of "$LOG" person3@
    verify -q "$LOG" >"$DIR/out"
    printf x | dd of="$(printf '%s\n' "$LOG"/base-*.zst | tail -n 1)" bs=1 seek=40 conv=notrunc status=none 2>/dev/null || true
    found 78 'base' verify "$LOG"
}

@test "killed at every call of a purge, and after a power cut, the log is whole, and the next one ends it" {
    begin_case() {
        rm -rf "$ROOT"
        cp -r "$DIR/kept" "$ROOT"
        on_the_disk
    }
    run_case() { faulty cdc-log purge "$ROOT" --table users --key '{"id":3}' >"$DIR/out" 2>"$DIR/err"; }
    whole() { is "chain" "$CHAIN" "$(chain_of "$ROOT")"; }
    after_fault() { whole; }
    check_case() {
        whole && nothing_of "$ROOT" person3@ && is "unfinished" "" "$(grep -l '"was"' "$ROOT"/*)" &&
            is "rests" "" "$(find "$ROOT" -name '*.tmp')" && is "warnings" "" "$(verify "$ROOT" 2>&1 >/dev/null | grep warning)"
    }
    FAULT_PLACES=${CDC_FAULT_PLACES:-12}
    local kind
    for kind in plain packed; do
        if [ $kind = plain ]; then
            some_log --redactable --segments 2 --batches 1 --rows 8
        else
            rm -rf "$LOG"
            some_events 12 | append --segment-bytes 2K "$LOG"
            t cdc-log compact -q "$LOG"
            CHAIN=$(chain_of "$LOG")
        fi
        rm -rf "$DIR/kept"
        mv "$LOG" "$DIR/kept"
        SHADOW=$DIR/shadow
        all_faults kill write sync rename
        SHADOW=
        [ $kind = packed ] || all_faults error read write sync rename open memory
    done
}
