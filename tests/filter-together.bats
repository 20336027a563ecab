#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter's options together: what each does alone is in the other suites.
# takes: 20 s
bats_require_minimum_version 1.8.0
load lib/common

@test "options drawn at random: a copy made of a log is the copy made of a snapshot of its end, each line as its schema line says" {
    local seed
    for seed in $(seq 1 "${CDC_TOGETHER_SEEDS:-12}") "$RANDOM"; do
        t python3 "$LIB/combined.py" "$seed" "$BATS_TEST_TMPDIR/$seed" >"$BATS_TEST_TMPDIR/out" 2>&1 ||
            fail "seed $seed: $(cut -c1-4000 "$BATS_TEST_TMPDIR/out")"
    done
}
