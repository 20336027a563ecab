#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The runner itself: it must be able to fail.
bats_require_minimum_version 1.8.0
load lib/common

# In an environment that knows nothing of the suite around it.
clean_run() { env -i HOME=/tmp PATH="$(tr : '\n' <<<"$PATH" | grep -v bats-core | paste -sd:)" "$@" timeout -k 5 60 "$CDC_ROOT/tests/run" "$BATS_TEST_TMPDIR/case.bats"; }

@test "all good: exit 0 and the last line says so" {
    printf '@test "a" {\ntrue\n}\n@test "b" {\ntrue\n}\n' >"$BATS_TEST_TMPDIR/case.bats"
    run -0 clean_run
    is "last line" "2 passed, 0 failed" "${lines[-1]}"
}

@test "a failing test makes the run fail" {
    printf '@test "a" {\ntrue\n}\n@test "b" {\nfalse\n}\n@test "c" {\ntrue\n}\n' >"$BATS_TEST_TMPDIR/case.bats"
    run -1 clean_run
    is "last line" "2 passed, 1 failed" "${lines[-1]}"
}

@test "a file that bats cannot read makes the run fail" {
    printf '@test "a" {\nif true\n}\n' >"$BATS_TEST_TMPDIR/case.bats"
    run -1 clean_run
    [[ ${lines[-1]} == *" failed" && ${lines[-1]} != *" 0 failed" ]]
}

@test "a skipped test is not a passed one, and fails with CDC_NO_SKIP=1" {
    printf '@test "a" {\ntrue\n}\n@test "b" {\nskip "not here"\n}\n' >"$BATS_TEST_TMPDIR/case.bats"
    run -0 clean_run
    is "last line" "1 passed, 0 failed" "${lines[-1]}"
    run -1 clean_run CDC_NO_SKIP=1
    is "last line" "1 passed, 1 failed" "${lines[-1]}"
}
