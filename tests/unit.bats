#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The C unit programs, each of which prints what failed and exits non-zero.
# takes: 20 s
bats_require_minimum_version 1.8.0
load lib/common

@test "unit programs are built" {
    local source
    for source in "$CDC_ROOT"/tests/unit/*.c; do
        [ -x "$CDC_BUILD/tests/unit/$(basename "$source" .c)" ] || fail "$source is not built: make unit"
    done
}

@test "unit programs pass" {
    local source program failed=0
    for source in "$CDC_ROOT"/tests/unit/*.c; do
        program=$CDC_BUILD/tests/unit/$(basename "$source" .c)
        (cd "$CDC_ROOT" && LIMIT=300 t "$program") >"$BATS_TEST_TMPDIR/out" 2>&1 || {
            echo "$(basename "$program") failed:"
            tail -30 "$BATS_TEST_TMPDIR/out"
            failed=1
        }
    done
    [ $failed = 0 ]
}
