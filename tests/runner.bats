#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The runner itself: it must be able to fail, also where several suites run side by side.
# takes: 25 s
# shellcheck disable=SC2030,SC2031,SC2154
bats_require_minimum_version 1.8.0
load lib/common

setup() {
    CASES=$BATS_TEST_TMPDIR/cases
    FOLDER=$BATS_TEST_TMPDIR/folder # where the run below has its own
    mkdir "$CASES" "$FOLDER"
}
teardown() { end_spawned; }

# In an environment that knows nothing of the suite around it, but for the folder. clean_run [VARIABLE=VALUE...] [-- ARGUMENT...]
clean_env() { env -i --default-signal=INT HOME=/tmp CDC_SUITE_DIR="$FOLDER" PATH="$(tr : '\n' <<<"$PATH" | grep -v bats-core | paste -sd:)" "$@"; }
clean_run() {
    local variables=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do variables+=("$1"); shift; done
    [ $# = 0 ] || shift
    clean_env "${variables[@]}" timeout -k 5 60 "$CDC_ROOT/tests/run" "$CASES"/*.bats "$@"
}
# suite NAME 'COMMAND'...: a .bats file with a test for each command; one that begins with # is a line of its own.
suite() {
    local name=$1 number=0 body
    shift
    for body; do
        number=$((number + 1))
        case $body in '#'* | *_file*) echo "$body" ;; *) printf '@test "%s %d" {\n%s\n}\n' "$name" $number "$body" ;; esac
    done >"$CASES/$name.bats"
}
nothing_left() {
    is "folders" "" "$(ls -A "$FOLDER")"
    is "processes" "" "$(grep -lzF "CDC_SUITE_DIR=$FOLDER/" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | xargs -r ps -o pid,args -p)"
}
last_line() { is "last line" "$1" "${lines[-1]}" || { echo "$output"; return 1; }; }
says() { grep -qE -- "$1" <<<"$output" || { echo "$output"; fail "nothing says '$1'"; }; }

@test "all good: exit 0 and the last line says so" {
    suite case true true
    run -0 clean_run
    last_line "2 passed, 0 failed"
    nothing_left
}

@test "a failing test makes the run fail" {
    suite case true false true
    run -1 clean_run
    last_line "2 passed, 1 failed"
}

@test "a file that bats cannot read makes the run fail" {
    suite case 'if true'
    run -1 clean_run
    [[ ${lines[-1]} == *" failed" && ${lines[-1]} != *" 0 failed" ]]
    suite good true
    run -1 clean_run
    last_line "1 passed, 1 failed"
}

@test "a skipped test is not a passed one, and fails with CDC_NO_SKIP=1" {
    suite case true 'skip "not here"'
    run -0 clean_run
    last_line "1 passed, 0 failed"
    run -1 clean_run CDC_NO_SKIP=1
    last_line "1 passed, 1 failed"
}

@test "several files: the counts are sums, the output of each is whole, what failed is named at the end" {
    suite one true 'sleep 0.2' true
    suite two 'sleep 0.1' false 'sleep 0.1'
    suite three 'skip "not here"' true
    run -1 clean_run CDC_JOBS=3
    last_line "6 passed, 1 failed"
    says '/three\.bats: ok 1 three 1.*# skip'
    says '^1 skipped$'
    says '/two\.bats: not ok 2 two 2'
    # Between a file's heading and the next one there are its own tests, all of them.
    local name
    for name in one two three; do
        is "tests of $name" "$(grep -c '^@test' "$CASES/$name.bats")" "$(sed -n "/^== .*\/$name.bats/,/^== /p" <<<"$output" | grep -cE "^(not )?ok [0-9]+ $name ")"
    done
    run -1 clean_run CDC_JOBS=3 CDC_NO_SKIP=1
    last_line "6 passed, 2 failed"
}

@test "a file that ends before its tests have run: they count as failed" {
    suite case true 'kill -KILL "$PPID" $$' true true
    run -1 clean_run
    last_line "1 passed, 3 failed"
    suite good true
    run -1 clean_run
    last_line "2 passed, 3 failed"
    says '/case\.bats: 3 of 4 tests did not run'
    nothing_left
}

@test "setup_file or teardown_file fails: so does the run" {
    suite before 'setup_file() { false; }' true true
    suite good true
    run -1 clean_run
    last_line "1 passed, 2 failed"
    rm "$CASES/before.bats"
    suite after 'teardown_file() { false; }' true true
    run -1 clean_run
    last_line "3 passed, 1 failed"
}

@test "a file that hangs is stopped and has failed; nothing that it started is left" {
    suite case true 'setsid sleep 1000 3>&- & sleep 1000'
    suite good true
    run -1 clean_run CDC_SUITE_TIMEOUT=2
    last_line "2 passed, 1 failed"
    says '/case\.bats: stopped after'
    nothing_left
}

@test "what a suite leaves running is ended" {
    # One that says in its environment whose it is, and one that only works there, as a server that overwrites its own.
    suite case "setsid sleep 1000 >/dev/null 2>&1 3>&- 4>&- & echo \$! >>'$BATS_TEST_TMPDIR/pids'" \
        "cd \"\$CDC_SUITE_DIR\"; env -i setsid sleep 1000 >/dev/null 2>&1 3>&- 4>&- & echo \$! >>'$BATS_TEST_TMPDIR/pids'"
    run -0 clean_run
    last_line "2 passed, 0 failed"
    nothing_left
    is "pids" 2 "$(wc -l <"$BATS_TEST_TMPDIR/pids")"
    local pid
    for pid in $(cat "$BATS_TEST_TMPDIR/pids"); do not grep -q '^State:.[^Z]' "/proc/$pid/status" 2>/dev/null; done
}

@test "a filter: files without such a test do not count; that no file has one is a failure" {
    suite one true true
    suite two true
    run -0 clean_run -- -f 'one 2'
    last_line "1 passed, 0 failed"
    run -1 clean_run -- -f 'three'
    last_line "0 passed, 1 failed"
    suite empty '# no test'
    run -1 clean_run
    last_line "3 passed, 1 failed"
    run -1 clean_run CDC_JOBS=0
    last_line "0 passed, 1 failed"
}

@test "the longest start first, and not more than CDC_JOBS run at a time" {
    local note="echo \$(basename \$BATS_TEST_FILENAME .bats) >>'$BATS_TEST_TMPDIR/order'" alone="mkdir '$BATS_TEST_TMPDIR/alone'; sleep 0.2; rmdir '$BATS_TEST_TMPDIR/alone'"
    suite a '# takes: 5 s' "$note; $alone"
    suite b "$note; $alone"
    suite c '# takes: 300 s, half of it waiting' "$note; $alone"
    suite d '# takes: 40 s' "$note; $alone"
    run -0 clean_run CDC_JOBS=1
    last_line "4 passed, 0 failed"
    is "order" "c d b a" "$(xargs <"$BATS_TEST_TMPDIR/order")"
}

@test "as many as CDC_JOBS do run at the same time" {
    local meet="echo x >>'$BATS_TEST_TMPDIR/here'; for i in \$(seq 300); do [ \$(wc -l <'$BATS_TEST_TMPDIR/here') -lt 3 ] || return 0; sleep 0.1; done; false"
    suite a "$meet"
    suite b "$meet"
    suite c "$meet"
    run -0 clean_run CDC_JOBS=3
    last_line "3 passed, 0 failed"
}

@test "SIGINT and SIGTERM: the run ends, and leaves no process and no folder" {
    local signal status
    suite a "setsid sleep 1000 3>&- & echo x >>'$BATS_TEST_TMPDIR/here'; sleep 1000"
    suite b "(cd \"\$BATS_TEST_TMPDIR\" && exec setsid env -i sleep 1000 3>&-) & echo x >>'$BATS_TEST_TMPDIR/here'; sleep 1000"
    for signal in INT TERM; do
        : >"$BATS_TEST_TMPDIR/here"
        clean_env CDC_JOBS=2 setsid timeout --foreground -k 5 60 "$CDC_ROOT/tests/run" "$CASES"/*.bats >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
        SPAWNED_ALL+=("$!")
        wait_for_lines "$BATS_TEST_TMPDIR/here" 2
        kill -$signal "$(pgrep -P $! -f tests/run)"
        status=0
        status_of $! 20 || status=$?
        is "exit status after SIG$signal" $([ $signal = INT ] && echo 130 || echo 143) "$status" || { cat "$BATS_TEST_TMPDIR/out"; return 1; }
        grep -q interrupted "$BATS_TEST_TMPDIR/out"
        nothing_left
    done
}

@test "the slow lane's sample: the same for a day, within its minutes, and in the end each item that may be in it" {
    local day
    for day in {100..160}; do
        CDC_SAMPLE_DAY=$day "$CDC_ROOT/tests/full" --sample 14 --list >"$BATS_TEST_TMPDIR/$day"
        [ "$(awk '$3 == "min" { sum += $2 } END { print sum + 0 }' "$BATS_TEST_TMPDIR/$day")" -le 14 ] || fail "too much: $(cat "$BATS_TEST_TMPDIR/$day")"
    done
    CDC_SAMPLE_DAY=100 "$CDC_ROOT/tests/full" --sample 14 --list | cmp - "$BATS_TEST_TMPDIR/100"
    not cmp -s "$BATS_TEST_TMPDIR/100" "$BATS_TEST_TMPDIR/101"
    is "never picked" "" "$("$CDC_ROOT/tests/full" --list | grep -v '^full' | grep -vxFf <(cat "$BATS_TEST_TMPDIR"/1??) || true)"
}

@test "the slow lane adds up what its items say, and fails with any of them" {
    mkdir "$BATS_TEST_TMPDIR/tests"
    sed "/<<'END'\$/,/^END\$/{/<<'END'\$/!{/^END\$/!d}}" "$CDC_ROOT/tests/full" >"$BATS_TEST_TMPDIR/base"
    with() { sed "/<<'END'\$/r /dev/stdin" "$BATS_TEST_TMPDIR/base" >"$BATS_TEST_TMPDIR/tests/full"; }
    with <<<$'one 1 true\ntwo 2 echo 5 passed, 0 failed'
    run -0 bash "$BATS_TEST_TMPDIR/tests/full"
    last_line "6 passed, 0 failed"
    run -0 bash "$BATS_TEST_TMPDIR/tests/full" echo
    last_line "5 passed, 0 failed"
    run -1 bash "$BATS_TEST_TMPDIR/tests/full" 'no such item'
    with <<<$'one 1 false\ntwo 2 echo 5 passed, 2 failed; false'
    run -1 bash "$BATS_TEST_TMPDIR/tests/full"
    last_line "5 passed, 3 failed"
    with <<<'two 2 echo 5 passed, 0 failed; false'
    run -1 bash "$BATS_TEST_TMPDIR/tests/full"
    last_line "5 passed, 1 failed"
}
