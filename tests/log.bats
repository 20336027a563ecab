#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-log: append, read, stat, repair. The log is its input byte for byte, whatever its files look like, and damage is told.
# takes: 60 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines

setup() {
    DIR=$BATS_TEST_TMPDIR
    L=$DIR/log
}
teardown() { end_spawned; }

lines() { python3 "$LIB/log-lines.py" "$@"; }
append() { t cdc-log append -q "$@"; }
logread() { t cdc-log read -q "$@"; }
# The files of the segments, of one kind, in their order.
crc32c() { python3 -c 'import sys
crc = 0xffffffff
for byte in sys.stdin.buffer.read():
    crc ^= byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
print(f"{crc ^ 0xffffffff:08x}")'; }
files() { find "$L" -name "0*.$1" | sort; }
small=(--segment-bytes 20K --batch-bytes 5K)

@test "{ append; read; } is the input: plain, compressed, and by zstdcat and cat alone" {
    lines 400 >"$DIR/in"
    append "${small[@]}" --compress none "$L" <"$DIR/in"
    logread "$L" | cmp - "$DIR/in"
    [ "$(files ndjson | wc -l)" -gt 3 ]
    append "$L" <"$DIR/in" # compresses what is closed, and has every line
    logread "$L" | cmp - "$DIR/in"
    { files ndjson.zst | xargs zstdcat; files ndjson | xargs cat; } | cmp - "$DIR/in"
    is "plain segments" 1 "$(files ndjson | wc -l)"
    is "segments" "$(files idx | wc -l)" "$(cdc-log stat --json "$L" | jq .segments)"
    is "end" "$(stat -c %s "$DIR/in")" "$(cdc-log stat --json "$L" | jq .end)"
}

@test "lines as they come: CRLF, spaces, other field orders, an unknown op, empty input, a last line without LF" {
    {
        schema id id:integer v:text
        change c '{"id":1}' null '{"id" : 1, "v":"\u00e9"}'
        printf '{ "seq":100 ,"pos":"00000100.00000003", "op" : "future","source":{"name":"n"} }\r\n'
    } >"$DIR/in"
    POS=3 commit >>"$DIR/in"
    append "$L" </dev/null
    append "$L" <"$DIR/in"
    logread "$L" | cmp - "$DIR/in"
    printf '{"op":"c","pos":"9","seq":200,"source":{"name":"n"},"after":{"id":2}}' >"$DIR/torn"
    run -75 append "$L" <"$DIR/torn"
    printf '{"op":"c","pos":"9","seq":200,"source":{"name":"n"},"after":{"id":2}}\n' >"$DIR/torn"
    run -75 append "$L" <"$DIR/torn"
    logread "$L" | cmp - "$DIR/in"
}

@test "long lines, and a transaction larger than segments and batches, stay whole" {
    {
        schema id id:integer v:text
        for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i,\"v\":\"$(head -c 5000000 /dev/zero | tr '\0' "$i")\"}"; done
        commit
        change c '{"id":4}' null '{"id":4,"v":"x"}'
        commit
    } >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    logread "$L" | cmp - "$DIR/in"
    is segments 2 "$(files idx | wc -l)"
    rm "$(files idx | sed -n 1p)"
    run -78 --separate-stderr logread "$L"
    [ -z "$output" ]
}

@test "a torn end is cut off at every byte: what was committed is there, and the rest comes again" {
    lines 30 >"$DIR/in"
    append --compress none "$L" < <(head -n 40 "$DIR/in" | tac | sed '0,/"op":"commit"/{/"op":"commit"/!d}' | tac)
    cp -r "$L" "$DIR/before"
    append --compress none "$L" <"$DIR/in"
    rm "$L/head"
    local n size committed idx
    size=$(stat -c %s "$L"/0*.ndjson)
    committed=$(stat -c %s "$DIR"/before/0*.ndjson)
    for n in $(seq "$committed" $(((size - committed) / 60 + 1)) $((size - 1))) $((size - 1)); do
        rm -rf "$DIR/torn"
        cp -r "$L" "$DIR/torn"
        truncate -s "$n" "$DIR"/torn/0*.ndjson
        head -c "$committed" "$DIR/in" >"$DIR/expected"
        append "$DIR/torn" </dev/null
        logread "$DIR/torn" | cmp - "$DIR/expected"
        append "$DIR/torn" <"$DIR/in"
        logread "$DIR/torn" | cmp - "$DIR/in"
    done
    # Of the journal, and garbage behind both: NULs, noise, and lines that were good elsewhere.
    idx=$(stat -c %s "$L"/0*.idx)
    for n in $(seq "$(stat -c %s "$DIR"/before/0*.idx)" 7 $((idx - 1))); do
        rm -rf "$DIR/torn"
        cp -r "$L" "$DIR/torn"
        truncate -s "$n" "$DIR"/torn/0*.idx
        head -c "$committed" "$DIR/in" >"$DIR/expected"
        logread "$DIR/torn" | cmp - "$DIR/expected"
        append "$DIR/torn" <"$DIR/in"
        logread "$DIR/torn" | cmp - "$DIR/in"
    done
    for garbage in 'head -c 4096 /dev/zero' 'head -c 3000 /dev/urandom' "cat $DIR/in" 'echo {}' 'printf \n'; do
        rm -rf "$DIR/torn"
        cp -r "$L" "$DIR/torn"
        $garbage >>"$DIR/torn/$(basename "$L"/0*.ndjson)"
        $garbage >>"$DIR/torn/$(basename "$L"/0*.idx)"
        logread "$DIR/torn" | cmp - "$DIR/in"
        append "$DIR/torn" <"$DIR/in"
        logread "$DIR/torn" | cmp - "$DIR/in"
    done
}

@test "a bit that flips anywhere is 78, or changes no line, and nothing of its batch is written as complete" {
    lines 60 >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    local file n size status
    for file in $(find "$L" -name '0*' ! -name '*.schemas' | sort); do
        size=$(stat -c %s "$file")
        [ "$size" -gt 0 ] || continue
        for n in 0 $((RANDOM % size)) $((RANDOM % size)) $((size - 1)); do
            rm -rf "$DIR/bad"
            cp -r "$L" "$DIR/bad"
            chmod -R u+w "$DIR/bad"
            python3 -c 'import sys; p, n = sys.argv[1], int(sys.argv[2]); b = bytearray(open(p, "rb").read()); b[n] ^= 1 << (n % 8); open(p, "wb").write(b)' "$DIR/bad/$(basename "$file")" "$n"
            status=0
            logread "$DIR/bad" >"$DIR/got" 2>"$DIR/err" || status=$?
            # One in eighty bits of a frame is of no account: zstd has several ways to write one text. Then every line is there.
            [[ $status = 0 && $file = *.zst ]] && cmp "$DIR/got" "$DIR/in" ||
                is "exit status of a flip at $n of $(basename "$file")" 78 "$status"
            cmp -n "$(stat -c %s "$DIR/got")" "$DIR/got" "$DIR/in"
            [ ! -s "$DIR/got" ] || is "the last line" commit "$(tail -1 "$DIR/got" | jq -r .op)"
            run t cdc-log append -q "$DIR/bad" </dev/null
            [[ $status = 78 || $status = 0 ]] || fail "append: $status"
        done
    done
}

@test "a bit that flips in the schema lines before a segment, or their file that is gone or another segment's, is 78, also of verify; repair makes them again" {
    local file n size begin
    lines 60 >"$DIR/in"
    append "${small[@]}" --segment-bytes 8K "$L" <"$DIR/in"
    file=$(basename "$(files schemas | sed -n 2p)")
    begin=$((10#${file%.*}))
    size=$(stat -c %s "$L/$file")
    for n in 0 $((RANDOM % size)) $((RANDOM % size)) $((size - 1)) cut gone other; do
        rm -rf "$DIR/bad" "$DIR/good"
        cp -r "$L" "$DIR/bad"
        chmod -R u+w "$DIR/bad"
        if [ "$n" = gone ]; then
            rm "$DIR/bad/$file"
        elif [ "$n" = other ]; then
            printf '{"schemas":0,"c":"%s"}\n' "$(printf '{"schemas":0' | crc32c)" >"$DIR/bad/$file"
        elif [ "$n" = cut ]; then
            truncate -s $((RANDOM % (size - 1) + 1)) "$DIR/bad/$file"
        else
            python3 -c 'import sys; p, n = sys.argv[1], int(sys.argv[2]); b = bytearray(open(p, "rb").read()); b[n] ^= 1 << (n % 8); open(p, "wb").write(b)' "$DIR/bad/$file" "$n"
        fi
        run -78 --separate-stderr logread --from "@$begin" "$DIR/bad"
        [ -z "$output" ]
        run -78 t cdc-log verify -q "$DIR/bad"
        logread "$DIR/bad" | cmp - "$DIR/in"
        t cdc-log repair -q "$DIR/bad" "$DIR/good" 2>/dev/null
        cmp "$L/$file" "$DIR/good/$file"
        logread --from "@$begin" "$DIR/good" | cmp - <(logread --from "@$begin" "$L")
        append "$DIR/good" <"$DIR/in"
        t cdc-log verify -q "$DIR/good" >/dev/null
    done
}

@test "repair of a trimmed log whose first schema lines are gone: nobody knows them, it says so, and the copy is whole" {
    local file
    lines 60 >"$DIR/in"
    append "${small[@]}" --segment-bytes 8K "$L" <"$DIR/in"
    t cdc-log compact -q "$L"
    t cdc-log trim -q --retain-bytes 10K "$L"
    file=$(files schemas | head -1)
    [ "$(basename "$(files idx | head -1)" .idx)" = "$(basename "$file" .schemas)" ]
    rm -f "$file"
    run -78 t cdc-log verify -q "$L"
    run -0 --separate-stderr t cdc-log repair "$L" "$DIR/good"
    [[ $stderr == *"are missing: they are left out"* ]]
    t cdc-log verify -q "$DIR/good" >/dev/null
    logread --from earliest "$DIR/good" | cmp - <(tail -c +$((10#$(basename "$file" .schemas) + 1)) "$DIR/in")
    append "$DIR/good" <"$DIR/in"
}

@test "a segment that is missing, and two that overlap: 78 before the first line; repair takes what is before it" {
    lines 300 >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    local file name size
    for file in $(find "$L" -name '0*.zst' -o -name '0*.idx' | sort | sed '$d'); do
        rm -rf "$DIR/bad" "$DIR/good"
        cp -r "$L" "$DIR/bad"
        rm -f "$DIR/bad/$(basename "$file")"
        run -78 --separate-stderr logread "$DIR/bad"
        [ -z "$output" ] || fail "lines were written: ${output:0:100}"
        run -78 t cdc-log append -q "$DIR/bad" </dev/null
        t cdc-log repair -q "$DIR/bad" "$DIR/good" 2>/dev/null
        logread "$DIR/good" >"$DIR/got"
        cmp -n "$(stat -c %s "$DIR/got")" "$DIR/got" "$DIR/in"
        # Lines without their journal are proved by the one of the next segment.
        case $file in *.idx) size=$(stat -c %s "$DIR/in") ;; *) size=$((10#$(basename "$file" | cut -d. -f1))) ;; esac
        is "what repair has saved of $file" "$size" "$(stat -c %s "$DIR/got")"
        t cdc-log verify -q "$DIR/good" >/dev/null
        append "$DIR/good" <"$DIR/in"
        logread "$DIR/good" | cmp - "$DIR/in"
    done
    cp -r "$L" "$DIR/twice"
    name=$(files idx | sed -n 2p)
    cp "$name" "$DIR/twice/$(printf %020d $((10#$(basename "$name" .idx) - 1))).idx"
    run -78 --separate-stderr logread "$DIR/twice"
    [ -z "$output" ]
}

@test "journals whose lines are valid, and of which the lines say another thing: 78 of all, and repair makes them again" {
    local first second new
    lines 300 >"$DIR/in"
    append "${small[@]}" --compress none "$L" <"$DIR/in"
    # A seal that ends one byte before its lines do.
    first=$(files idx | sed -n 1p) second=$(files idx | sed -n 2p)
    new=$(tail -n 1 "$first" | sed -E 's/^\{"seal":([0-9]+)(.*),"c":"[0-9a-f]{8}"\}$/{"seal":SEAL\2/')
    new=${new/SEAL/$((10#$(basename "$second" .idx) - 1))}
    chmod u+w "$first"
    { sed '$d' "$first" && printf '%s,"c":"%s"}\n' "$new" "$(printf %s "$new" | crc32c)"; } >"$DIR/idx"
    cp "$DIR/idx" "$first"
    for command in verify read; do run -78 t cdc-log "$command" -q "$L"; done
    t cdc-log repair -q "$L" "$DIR/good"
    t cdc-log verify -q "$DIR/good" >/dev/null
    logread "$DIR/good" | cmp - "$DIR/in"
    # One that was begun, of which no line was written yet, and what comes after its first line is damaged.
    rm -r "$L"
    append "$L" </dev/null
    first=$(files idx)
    is "lines of a new log" 0 "$(cat "$(files ndjson)" 2>/dev/null | wc -l)"
    rm -f "$L"/0*.ndjson "$L/head"
    t cdc-log verify -q "$L" >/dev/null
    { cat "$first" && echo damaged && cat "$first"; } >"$DIR/idx"
    cp "$DIR/idx" "$first"
    run -78 t cdc-log verify -q "$L"
    # A writer that ended before it had made the file of the salts has left nothing that is wrong.
    rm -r "$L"
    append --redactable "$L" </dev/null
    rm "$(files salt)" "$L/head"
    t cdc-log verify -q "$L" >/dev/null
    # The first segment begins with the value of the chain that a log of this id begins with.
    rm -r "$L"
    append "$L" <"$DIR/in"
    sed -i 's/"id":"[0-9a-f]*"/"id":"00000000000000000000000000000000"/' "$L/meta.json"
    sed -i '1 s/"log":"[0-9a-f]*"/"log":"00000000000000000000000000000000"/' "$(files idx)"
    new=$(head -n 1 "$(files idx)" | sed 's/,"c":"[0-9a-f]*"}$//')
    sed -i "1 s/\"c\":\"[0-9a-f]*\"}/\"c\":\"$(printf %s "$new" | crc32c)\"}/" "$(files idx)"
    run -78 --separate-stderr logread "$L"
    [[ $output == "" && $stderr == *"hash chain is another"* ]]
}

@test "repair of a damaged batch keeps all before it" {
    lines 300 >"$DIR/in"
    append --batch-bytes 5K --compress none "$L" <"$DIR/in"
    python3 -c 'import sys; b = bytearray(open(sys.argv[1], "rb").read()); b[len(b) // 2] ^= 4; open(sys.argv[1], "wb").write(b)' "$L"/0*.ndjson
    run -78 --separate-stderr append "$L" </dev/null
    [[ $stderr == *repair* ]]
    run -0 --separate-stderr t cdc-log repair "$L" "$DIR/good"
    [[ $stderr == *"what is good ends at byte"* ]]
    logread "$DIR/good" >"$DIR/got"
    cmp -n "$(stat -c %s "$DIR/got")" "$DIR/got" "$DIR/in"
    [ "$(stat -c %s "$DIR/got")" -gt $(($(stat -c %s "$DIR/in") / 2 - 12000)) ] || fail "$(stat -c %s "$DIR/got") of $(stat -c %s "$DIR/in"); $(wc -l $L/0*.idx); $stderr"
    append "$DIR/good" <"$DIR/in"
    logread "$DIR/good" | cmp - "$DIR/in"
    run -78 t cdc-log repair -q "$L" "$DIR/good"
}

@test "a reader within a batch whose salts are damaged gets 78; one of a log that is another one from there on, 79" {
    local salts what
    lines 60 >"$DIR/in"
    append --redactable --compress none "$L" <"$DIR/in"
    logread --reader r --max-events 20 "$L" >"$DIR/first"
    salts=$(files salt)
    cp "$salts" "$DIR/salts"
    logread --offset-file "$DIR/r.offset" --max-events 20 "$L" >"$DIR/again"
    for what in first last short none; do
        case $what in
        first) printf x | dd of="$salts" bs=1 seek=3 conv=notrunc status=none ;;
        # Behind the place where the reader is, in the same batch.
        last) printf x | dd of="$salts" bs=1 seek=$(($(stat -c %s "$salts") - 1)) conv=notrunc status=none ;;
        short) truncate -s 16 "$salts" ;;
        none) rm "$salts" ;;
        esac
        run -78 --separate-stderr logread --reader r "$L"
        [[ $output == "" && $stderr == *salts* ]]
        cp "$DIR/salts" "$salts"
    done
    logread --reader r "$L" | cat "$DIR/first" - | grep -v '"op":"schema"' | cmp - <(grep -v '"op":"schema"' "$DIR/in")
    # The same lines, stored once more, have other salts.
    t cdc-log repair -q "$L" "$DIR/copy"
    rm "$DIR"/copy/0* "$DIR/copy/head"
    append "$DIR/copy" <"$DIR/in"
    run -79 --separate-stderr logread --offset-file "$DIR/r.offset" "$DIR/copy"
}

@test "repair of a log whose seal, salt or base is damaged: what is good of it is a log that append goes on with" {
    local what
    lines 100 >"$DIR/in"
    append "${small[@]}" --redactable "$L" <"$DIR/in"
    t cdc-log compact -q "$L"
    flip() { chmod u+w "$1"; python3 -c 'import sys; b = bytearray(open(sys.argv[1], "rb").read()); b[int(sys.argv[2])] ^= 1; open(sys.argv[1], "wb").write(b)' "$1" "$2"; }
    for what in seal lastseal salt base; do
        rm -rf "$DIR/bad" "$DIR/good"
        cp -a "$L" "$DIR/bad"
        case $what in
        seal) flip "$DIR/bad/$(basename "$(files idx | sed -n 2p)")" -30 ;;
        lastseal)
            rm "$DIR"/bad/"$(basename "$(files idx | tail -1)" .idx)".*
            flip "$DIR/bad/$(basename "$(files idx | tail -2 | head -1)")" -30
            run -78 append "$DIR/bad" <"$DIR/in"
            ;;
        salt) flip "$DIR/bad/$(basename "$(files salt | tail -1)")" 17 ;;
        base) flip "$DIR/bad/$(basename "$L"/base-*.idx)" 20 ;;
        esac
        t cdc-log repair -q "$DIR/bad" "$DIR/good" 2>"$DIR/err"
        t cdc-log read -q "$DIR/good" >"$DIR/got"
        [ "$(stat -c %s "$DIR/got")" -gt 20000 ]
        cmp -n "$(stat -c %s "$DIR/got")" "$DIR/got" "$DIR/in"
        append "$DIR/good" <"$DIR/in"
        logread "$DIR/good" | cmp - "$DIR/in"
        if [ "$what" = salt ]; then # no line is left out for it, and it is said
            grep -q 'the hash chain is of' "$DIR/err"
            run -78 t cdc-log verify -q "$DIR/good"
        else
            t cdc-log verify -q "$DIR/good" >/dev/null
        fi
    done
}

@test "repair leaves what a writer goes on with: another log's segment, one without its seal, the rest of a trim, a packed form that is damaged" {
    lines 300 >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    append "${small[@]}" "$DIR/other" <"$DIR/in"
    local second third
    second=$(basename "$(files idx | sed -n 2p)" .idx)
    third=$(basename "$(files idx | sed -n 3p)" .idx)
    repaired() { # BYTES: so many are saved; the rest is appended again
        t cdc-log repair -q "$DIR/bad" "$DIR/good" 2>/dev/null
        is "what $damage leaves" "$1" "$(logread "$DIR/good" | wc -c)"
        append "$DIR/good" <"$DIR/in"
    }
    local damage
    for damage in 'a segment of another log' 'a segment without its seal' 'the rest of a trim' 'a packed form that is damaged'; do
        rm -rf "$DIR/bad" "$DIR/good"
        cp -r "$L" "$DIR/bad"
        chmod -R u+w "$DIR/bad"
        case $damage in
        *another*) cp -f "$DIR/other/$second".* "$DIR/bad/" && repaired $((10#$second)) && logread "$DIR/good" | cmp - "$DIR/in" ;;
        *seal) sed -i '$d' "$DIR/bad/$second.idx" && repaired $((10#$third)) && logread "$DIR/good" | cmp - "$DIR/in" ;;
        *trim)
            echo "$second" >"$DIR/bad/begin"
            rm -f "$DIR/bad/00000000000000000000".ndjson*
            t cdc-log repair -q "$DIR/bad" "$DIR/good"
            append "$DIR/good" <"$DIR/in"
            # A schema line comes first.
            cmp <(logread "$DIR/good" --from "@$((10#$second))" | tail -n +2) <(tail -c +$((10#$second + 1)) "$DIR/in")
            ;;
        *packed*)
            zstdcat "$DIR/bad/$second.ndjson.zst" >"$DIR/bad/$second.ndjson"
            printf x | dd of="$DIR/bad/$second.ndjson.zst" bs=1 seek=40 conv=notrunc status=none
            repaired "$(stat -c %s "$DIR/in")"
            logread "$DIR/good" | cmp - "$DIR/in"
            ;;
        esac
        t cdc-log verify -q "$DIR/good" >"$DIR/out"
    done
}

@test "repair of compressed segments whose tables of frames are damaged: no line is lost; a damaged frame ends what is good" {
    local byte second size
    lines 300 >"$DIR/in"
    append "${small[@]}" --redactable "$L" <"$DIR/in"
    second=$(basename "$(files idx | sed -n 2p)" .idx)
    size=$(stat -c %s "$L/$second.ndjson.zst")
    for byte in 1 6 12 16 20; do # from the end: of the last frame's sizes, their number, and the magic numbers
        rm -rf "$DIR/bad" "$DIR/good"
        cp -r "$L" "$DIR/bad"
        chmod -R u+w "$DIR/bad"
        printf '\377' | dd of="$DIR/bad/$second.ndjson.zst" bs=1 seek=$((size - byte)) conv=notrunc status=none
        run -78 t cdc-log verify -q "$DIR/bad"
        run -0 --separate-stderr t cdc-log repair "$DIR/bad" "$DIR/good"
        [[ $stderr == *"all lines are there"* ]] || fail "$stderr"
        logread "$DIR/good" | cmp - "$DIR/in"
        t cdc-log verify -q "$DIR/good" >"$DIR/out"
        is "chain" "$(t cdc-log verify -q "$L" | jq -r .chain)" "$(jq -r .chain "$DIR/out")"
    done
    rm -rf "$DIR/good"
    truncate -s 200 "$DIR/bad/$second.ndjson.zst"
    run -0 --separate-stderr t cdc-log repair "$DIR/bad" "$DIR/good"
    [[ $stderr == *"what is good ends at byte"* ]] || fail "$stderr"
    is "what is saved" $((10#$second)) "$(logread "$DIR/good" | wc -c)"
}

@test "repair of a compressed segment whose table of frames is damaged, with a line longer than a frame" {
    local first
    {
        schema id id:integer v:text
        change c '{"id":1}' null "{\"id\":1,\"v\":\"$(head -c 3000000 /dev/urandom | base64 -w 0)\"}"
        commit
        change c '{"id":2}' null '{"id":2,"v":"two"}'
        commit
    } >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    append "$L" <"$DIR/in" # compresses what is closed
    first=$(files ndjson.zst | head -1)
    cp -r "$L" "$DIR/bad"
    chmod -R u+w "$DIR/bad"
    printf '\377' | dd of="$DIR/bad/$(basename "$first")" bs=1 seek=$(($(stat -c %s "$first") - 1)) conv=notrunc status=none
    run -78 t cdc-log verify -q "$DIR/bad"
    run -0 --separate-stderr t cdc-log repair "$DIR/bad" "$DIR/good"
    [[ $stderr == *"all lines are there"* ]] || fail "$stderr"
    logread "$DIR/good" | cmp - "$DIR/in"
}

@test "repair of journals that are damaged: the next one proves the lines, of a redactable log, too, and none is lost" {
    local file kind
    lines 90 >"$DIR/in"
    append "${small[@]}" --redactable "$L" <"$DIR/in"
    for file in $(files idx | sed '$d'); do
        for kind in first middle empty seal; do
            rm -rf "$DIR/bad" "$DIR/good"
            cp -r "$L" "$DIR/bad"
            chmod -R u+w "$DIR/bad"
            file=$DIR/bad/$(basename "$file")
            case $kind in
            first) printf x | dd of="$file" bs=1 seek=20 conv=notrunc status=none ;;
            middle) printf x | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) conv=notrunc status=none ;;
            empty) : >"$file" ;;
            seal) sed -i '$d' "$file" ;;
            esac
            run -78 t cdc-log verify -q "$DIR/bad"
            run -0 --separate-stderr t cdc-log repair "$DIR/bad" "$DIR/good"
            [[ $stderr == *"no line is lost"* ]] || fail "$stderr"
            logread "$DIR/good" | cmp - "$DIR/in"
            is "chain, $kind of $file" "$(t cdc-log verify -q "$L" | jq -r .chain)" "$(t cdc-log verify -q "$DIR/good" | jq -r .chain)"
            append "$DIR/good" <"$DIR/in"
            logread "$DIR/good" | cmp - "$DIR/in"
        done
    done
}

@test "repair: what is too much of a closed segment is left out, and said; what is no line of the log comes with it" {
    local kind second first
    lines 100 >"$DIR/in"
    append "${small[@]}" --compress none --redactable "$L" <"$DIR/in"
    first=$(basename "$(files idx | sed -n 1p)" .idx)
    second=$(basename "$(files idx | sed -n 2p)" .idx)
    for kind in lines salts part order behind; do
        rm -rf "$DIR/bad" "$DIR/good"
        cp -r "$L" "$DIR/bad"
        chmod -R u+w "$DIR/bad"
        case $kind in
        lines) head -1 "$DIR/in" >>"$DIR/bad/$second.ndjson" ;;
        salts) head -c 16 /dev/zero >>"$DIR/bad/$second.salt" ;;
        part) printf x >>"$DIR/bad/$second.salt" ;;
        order) sed -i 2p "$DIR/bad/$second.idx" ;;
        behind) tail -n +2 "$DIR/bad/$first.idx" >>"$DIR/bad/$second.idx" ;;
        esac
        run -78 t cdc-log verify -q "$DIR/bad"
        run -0 --separate-stderr t cdc-log repair "$DIR/bad" "$DIR/good"
        [[ $stderr == *"no line is lost"* ]] || fail "$kind: $stderr"
        is "chain, $kind" "$(t cdc-log verify -q "$L" | jq -r .chain)" "$(t cdc-log verify -q "$DIR/good" | jq -r .chain)"
        append "$DIR/good" <"$DIR/in"
        logread "$DIR/good" | cmp - "$DIR/in"
        t cdc-log verify -q "$DIR/good" >/dev/null
    done
    # Of the last one, which no other one proves.
    rm -rf "$DIR/bad" "$DIR/good"
    cp -r "$L" "$DIR/bad"
    sed -i 2p "$DIR/bad/$(basename "$(files idx | tail -1)")"
    t cdc-log repair -q "$DIR/bad" "$DIR/good" 2>/dev/null
    append "$DIR/good" <"$DIR/in"
    logread "$DIR/good" | cmp - "$DIR/in"
    t cdc-log verify -q "$DIR/good" >/dev/null
}

@test "repair: registered readers and the record of purges come with the log" {
    lines 60 >"$DIR/in"
    append "${small[@]}" --redactable "$L" <"$DIR/in"
    t cdc-log purge -q "$L" --table t --key '{"id":3}' >/dev/null
    t cdc-log read -q --reader slow --max-events 20 "$L" >"$DIR/part"
    t cdc-log repair -q "$L" "$DIR/good"
    cmp "$L/purges.ndjson" "$DIR/good/purges.ndjson"
    # Retention waits for it, and it goes on where it was.
    t cdc-log compact -q "$DIR/good"
    t cdc-log trim "$DIR/good" --retain-bytes 1 2>"$DIR/err"
    grep -q 'for reader "slow"' "$DIR/err"
    t cdc-log read -q --reader slow "$DIR/good" >"$DIR/rest"
    cat "$DIR/part" <(grep -v '"op":"schema"' "$DIR/rest") | cmp - <(logread "$L")
}

@test "repair says what is lost beside lines: a base that a trimmed log needs, where it begins, and lines that their journal has lost" {
    lines 100 >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    told() { # TEXT
        run -78 t cdc-log verify -q "$DIR/bad"
        rm -rf "$DIR/good"
        run -0 --separate-stderr t cdc-log repair "$DIR/bad" "$DIR/good"
        [[ $stderr == *"$1"* && $stderr != *"no damage was found"* ]] || fail "$stderr"
        append "$DIR/good" <"$DIR/in"
        t cdc-log verify -q "$DIR/good" >/dev/null
    }
    # The journal is cut: lines that were acknowledged have none.
    cp -r "$L" "$DIR/bad"
    sed -i '2,$d' "$DIR/bad/$(basename "$(files idx | tail -1)")"
    told 'what is good ends at byte'
    # The first segment is lost, which no trim has removed.
    rm -r "$DIR/bad"
    cp -r "$L" "$DIR/bad"
    rm -f "$DIR/bad/$(basename "$(files idx | head -1)" .idx)".*
    told 'no segment is where the log'
    t cdc-log compact -q "$L"
    t cdc-log trim -q "$L" --retain-bytes 10000
    rm -r "$DIR/bad"
    cp -r "$L" "$DIR/bad"
    chmod u+w "$DIR"/bad/base-*.idx
    printf x | dd of="$(echo "$DIR"/bad/base-*.idx)" bs=1 seek=20 conv=notrunc status=none
    told 'no base in the copy stands for the lines before byte'
    rm -r "$DIR/bad"
    cp -r "$L" "$DIR/bad"
    echo 00000000000000000007 >"$DIR/bad/begin"
    told 'no segment is where the log'
    # A redactable log whose last journal is gone: nothing makes it again.
    append "${small[@]}" --redactable "$DIR/salted" <"$DIR/in"
    rm -r "$DIR/bad"
    cp -r "$DIR/salted" "$DIR/bad"
    rm "$(find "$DIR/bad" -name '0*.idx' | sort | tail -1)"
    told 'has no journal'
}

@test "repair where a journal and some of its salts are gone: nobody can prove the lines, and the log ends before them" {
    local journals
    lines 90 >"$DIR/in"
    append "${small[@]}" --redactable "$L" <"$DIR/in"
    mapfile -t journals < <(files idx)
    cp -r "$L" "$DIR/bad"
    chmod -R u+w "$DIR/bad"
    : >"$DIR/bad/$(basename "${journals[1]}")"
    truncate -s -16 "$DIR/bad/$(basename "${journals[1]}" .idx).salt"
    t cdc-log repair "$DIR/bad" "$DIR/good" 2>"$DIR/err" || fail "exit status $?: $(cat "$DIR/err")"
    logread "$DIR/good" | cmp - <(head -c "$((10#$(basename "${journals[1]}" .idx)))" "$DIR/in")
    append "$DIR/good" <"$DIR/in"
    logread "$DIR/good" | cmp - "$DIR/in"
}

@test "the journal of the last segment is missing: made again from its lines, with a warning" {
    lines 300 >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    cp "$L/append.offset" "$DIR/offset"
    rm "$(files idx | tail -1)" "$L/head"
    run -0 --separate-stderr t cdc-log append "$L" <"$DIR/in"
    [[ $stderr == *"made again"* ]]
    logread "$L" | cmp - "$DIR/in"
    is positions "$(jq -c '.offsets.n | [.pos, .seq, .lines]' "$DIR/offset")" "$(jq -c '.offsets.n | [.pos, .seq, .lines]' "$L/append.offset")"
}

@test "a second writer is 75, also when the lock file was removed; what is no log is 78" {
    lines 20 >"$DIR/in"
    mkfifo "$DIR/pipe"
    spawn bash -c 'exec cdc-log append -q "$0" <"$1"' "$L" "$DIR/pipe"
    exec 9>"$DIR/pipe"
    cat "$DIR/in" >&9
    has_all() { logread "$L" | cmp -s "$DIR/in" -; }
    wait_until has_all
    run -75 append "$L" <"$DIR/in"
    is "a writer" true "$(cdc-log stat --json "$L" | jq .writer)"
    rm "$L/lock"
    run -75 append "$L" <"$DIR/in"
    exec 9>&-
    wait_until gone "$SPAWNED"
    logread "$L" | cmp - "$DIR/in"
    # What a power cut has left of one that was begun.
    mkdir "$DIR/begun"
    touch "$DIR"/begun/{lock,lock.maint,meta.json.tmp,append.offset.lock}
    append "$DIR/begun" <"$DIR/in"
    mkdir "$DIR/other"
    touch "$DIR/other/letter"
    run -78 append "$DIR/other" <"$DIR/in"
    is "left in it" letter "$(ls "$DIR/other" | grep -v lock)"
    run -78 logread "$DIR/other"
    run -78 logread "$DIR/none"
}

@test "no reader goes beyond head while a writer lives" {
    lines 200 >"$DIR/in"
    append --batch-bytes 3K "$L" <"$DIR/in"
    # A writer that has written, and synced no more than half.
    local half
    half=$(sed -n '/"end":/p' "$L"/0*.idx | jq .end | awk '{ a[NR] = $1 } END { print a[int(NR / 2)] }')
    mkfifo "$DIR/pipe"
    spawn bash -c 'exec cdc-log append -q "$0" <"$1"' "$L" "$DIR/pipe"
    exec 9>"$DIR/pipe"
    has_writer() { [ "$(cdc-log stat --json "$L" | jq .writer)" = true ]; }
    wait_until has_writer
    python3 - "$L/head" "$half" <<'END'
import struct, sys
def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
head = struct.pack("<Q", int(sys.argv[2]))
open(sys.argv[1], "r+b").write(head + struct.pack("<I", crc32c(head)))
END
    logread "$L" >"$DIR/got"
    is "bytes" "$half" "$(stat -c %s "$DIR/got")"
    exec 9>&-
    wait_until gone "$SPAWNED"
}

@test "ten readers follow at full speed while segments roll and are compressed: each has the input" {
    lines 20000 >"$DIR/in"
    append --segment-bytes 300K "$L" </dev/null
    local i
    for i in {1..10}; do spawn bash -c 'exec cdc-log read -q --follow --idle-exit 5 "$0" >"$1"' "$L" "$DIR/out$i"; done
    append --segment-bytes 300K --batch-bytes 50K "$L" < <(split -b 100000 --filter 'cat; sleep 0.01' "$DIR/in")
    for i in {1..10}; do
        wait_until cmp -s "$DIR/in" "$DIR/out$i"
    done
    [ "$(files zst | wc -l)" -gt 5 ]
}

@test "killed between a seal and the segment after it: readers and compact come to the end, followers go on" {
    lines 300 >"$DIR/in"
    append "${small[@]}" --compress none "$L" <"$DIR/in"
    local last end
    last=$(basename "$(files idx | tail -1)" .idx)
    end=$((10#$last))
    rm "$L/$last".* "$L/head" "$L/append.offset"
    logread "$L" | cmp - <(head -c "$end" "$DIR/in")
    logread --follow --idle-exit 1 "$L" | cmp - <(head -c "$end" "$DIR/in")
    t cdc-log compact -q "$L"
    spawn bash -c 'exec cdc-log read -q --follow "$0" >"$1"' "$L" "$DIR/out"
    wait_until cmp -s -n "$end" "$DIR/out" "$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    wait_until cmp -s "$DIR/out" "$DIR/in"
}

@test "--from, --until, --max-events, @BYTE; the newest schema lines come first" {
    lines 100 >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    local byte pos
    byte=$(head -n 151 "$DIR/in" | wc -c)
    { head -1 "$DIR/in"; tail -n +152 "$DIR/in"; } >"$DIR/expected"
    logread --from "@$byte" "$L" | cmp - "$DIR/expected"
    logread --from "@$((byte - 3))" "$L" | cmp - "$DIR/expected"
    logread --from latest "$L" | cmp - <(head -1 "$DIR/in")
    logread --from 2036-01-01T00:00:00Z "$L" | cmp - <(head -1 "$DIR/in")
    logread --from 2016-01-01T00:00:00Z "$L" | cmp - "$DIR/in"
    pos=$(sed -n 150p "$DIR/in" | jq -r .pos)
    logread --from "$pos" "$L" | awk '!seen[$0]++' | tail -n "$(tail -n +151 "$DIR/in" | wc -l)" | cmp - <(tail -n +151 "$DIR/in")
    pos=$(grep '"op":"commit"' "$DIR/in" | sed -n 50p | jq -r .pos)
    logread --until "$pos" "$L" | cmp - <(sed "/\"pos\":\"$pos\"/q" "$DIR/in")
    logread --max-events 20 "$L" >"$DIR/got"
    cmp -n "$(stat -c %s "$DIR/got")" "$DIR/got" "$DIR/in"
    is "last line" commit "$(tail -1 "$DIR/got" | jq -r .op)"
    [ "$(grep -c '"op":"c"' "$DIR/got")" -ge 20 ]
}

@test "a reader goes on where it was, also within a batch; a log that is another one, or older, is 79" {
    lines 200 >"$DIR/in"
    append "${small[@]}" "$L" < <(sed '400q' "$DIR/in" | tac | sed '0,/"op":"commit"/{/"op":"commit"/!d}' | tac)
    cp -r "$L" "$DIR/backup"
    append "${small[@]}" "$L" <"$DIR/in"
    local i
    for i in {1..30}; do logread --reader r --max-events 15 "$L" >>"$DIR/out"; done
    logread --reader r "$L" >>"$DIR/out"
    awk '!seen[$0]++' "$DIR/out" | cmp - "$DIR/in"
    is "lines that are no schema" "$(grep -vc '"op":"schema"' "$DIR/in")" "$(grep -vc '"op":"schema"' "$DIR/out")"
    is "a reader's lag" 0 "$(cdc-log stat --json "$L" | jq .readers.r.lag_bytes)"
    cp -r "$L/readers" "$DIR/backup/"
    run -79 logread --reader r "$DIR/backup"
    # Another log of the same lines and bytes.
    append "$DIR/other" <"$DIR/in"
    cp -r "$L/readers" "$DIR/other/"
    run -79 logread --reader r "$DIR/other"
    # The same log with other lines in the same place.
    append "${small[@]}" "$DIR/backup" < <(sed 's/"v":"/"v":"other /' "$DIR/in")
    run -79 logread --reader r "$DIR/backup"
    rm "$L"/readers/r.offset
    logread --reader r "$L" | cmp - "$DIR/in"
}

@test "sinks confirm: a copy that is begun anew gets all, from the log" {
    lines 100 >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    mkdir "$DIR/s"
    local line="cdc-log read -q --state-dir $DIR/s --follow --idle-exit 1 $L | cdc-sink-sqlite -q --state-dir $DIR/s $DIR/s/copy.db"
    t bash -o pipefail -c "$line"
    t bash -o pipefail -c "${line/read -q/read}" 2>"$DIR/err"
    ! grep -q 'is read again from' "$DIR/err" || fail "$(cat "$DIR/err")"
    is position "$(printf %020d "$(stat -c %s "$DIR/in")")" "$(jq -r .offsets.log.pos "$DIR/s/cdc-log-read.offset")"
    rm "$DIR"/s/copy.db* "$DIR"/s/cdc-sink-sqlite.offset*
    t bash -o pipefail -c "${line/read -q/read}" 2>"$DIR/err"
    grep -q 'is read again from byte 0' "$DIR/err"
    is rows "$(grep -c '"op":"c"' "$DIR/in")" "$(sqlite3 "$DIR/s/copy.db" 'select count(*) from t')"
}

@test "two sources: transactions stand alone, each has its position, and a restart goes on" {
    lines 100 3 40 a 1 >"$DIR/a"
    lines 100 3 40 b 2 >"$DIR/b"
    paste -d '\n' "$DIR/a" "$DIR/b" | grep . >"$DIR/in"
    append "${small[@]}" "$L" <"$DIR/in"
    logread "$L" >"$DIR/got"
    cmp <(grep '"name":"a"' "$DIR/got") "$DIR/a"
    cmp <(grep '"name":"b"' "$DIR/got") "$DIR/b"
    is "transactions that are mixed" "" "$(jq -r '"\(.op) \(.source.name)"' "$DIR/got" | awk '$1 == "schema" { next } open != "" && $2 != open { print } { open = $1 == "commit" ? "" : $2 }')"
    append "$L" <"$DIR/in"
    logread "$L" | cmp - "$DIR/got"
    is positions "$(tail -qn1 "$DIR/a" "$DIR/b" | jq -r .pos | xargs)" "$(jq -r '.offsets | .a.pos, .b.pos' "$L/append.offset" | xargs)"
}

@test "the offset file and the log disagree: the smaller position counts, and an offset file of another log is 78" {
    lines 60 >"$DIR/in"
    append "$L" < <(sed '100q' "$DIR/in" | tac | sed '0,/"op":"commit"/{/"op":"commit"/!d}' | tac)
    cp -r "$L" "$DIR/before"
    append "$L" <"$DIR/in"
    # Killed before the offset file was written.
    cp "$DIR/before/append.offset" "$L/"
    append "$L" <"$DIR/in"
    logread "$L" | cmp - "$DIR/in"
    # The folder is older than the file.
    run -0 --separate-stderr t cdc-log append --offset-file "$L/append.offset" "$DIR/before" <"$DIR/in"
    [[ $stderr == *"the log's position counts"* ]]
    logread "$DIR/before" | cmp - "$DIR/in"
    run -78 --separate-stderr t cdc-log append --offset-file "$L/append.offset" "$DIR/new" <"$DIR/in"
    [[ $stderr == *"has nothing"* ]]
    [ ! -e "$DIR/new" ] || fail "an empty log was made: $(ls "$DIR/new")"
}

@test "a clock that is set back: times in the log never run backwards" {
    lines 30 >"$DIR/in"
    append --batch-bytes 2K "$L" < <(sed '60q' "$DIR/in" | tac | sed '0,/"op":"commit"/{/"op":"commit"/!d}' | tac)
    # As if it had been a year ahead: the last commit is of then.
    python3 - "$L"/0*.idx <<'END'
import re, sys
def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
body = re.sub(r'"ts":(\d+)', lambda m: '"ts":%d' % (int(m[1]) + 31536000000), lines[-1][:lines[-1].rindex(',"c":')])
lines[-1] = '%s,"c":"%08x"}' % (body, crc32c(body.encode()))
open(sys.argv[1], "w", encoding="utf-8").write("\n".join(lines) + "\n")
END
    append --batch-bytes 2K --segment-bytes 6K --compress none "$L" <"$DIR/in"
    logread "$L" | cmp - "$DIR/in"
    is "times that run back" "" "$(cat $(files idx) | jq -r 'select(.ts) | .ts' | awk '$1 < last { print } { last = $1 }')"
}

@test "a copy that is made while it is written reads to its last commit" {
    lines 3000 >"$DIR/in"
    spawn bash -c 'cdc-log append -q --segment-bytes 100K --batch-bytes 10K "$0" < <(split -b 20000 --filter "cat; sleep 0.01" "$1")' "$L" "$DIR/in"
    wait_until test -s "$L/head"
    local i
    for i in 1 2 3 4 5; do
        rm -rf "$DIR/copy"
        cp -r "$L" "$DIR/copy" 2>/dev/null || true # files go meanwhile
        rm -f "$DIR"/copy/head "$DIR"/copy/lock*
        # Of a journal that was copied after its lines, some lines are missing: told, after all that is whole.
        logread "$DIR/copy" >"$DIR/got" 2>"$DIR/err" || grep -q damaged "$DIR/err" || fail "$(cat "$DIR/err")"
        cmp -n "$(stat -c %s "$DIR/got")" "$DIR/got" "$DIR/in"
    done
    wait_until gone "$SPAWNED"
    rm -rf "$DIR/copy"
    cp -r "$L" "$DIR/copy"
    logread "$DIR/copy" | cmp - "$DIR/in"
}

@test "the state folder of append is none for a reader: 78, and nothing is read" {
    lines 20 | cdc-log append -q --state-dir "$DIR/s" "$L"
    run -78 bash -c "cdc-log read --state-dir '$DIR/s' '$L' 2>'$DIR/err' | cat >'$DIR/out'; exit \${PIPESTATUS[0]}"
    [ ! -s "$DIR/out" ]
    grep -q 'a --state-dir of its own' "$DIR/err"
    cdc-log read -q --state-dir "$DIR/t" "$L" | cmp - <(logread "$L")
}
