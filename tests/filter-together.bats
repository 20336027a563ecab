#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter's options together: what each does alone is in the other suites.
# takes: 40 s
bats_require_minimum_version 1.8.0
load lib/common

@test "options drawn at random: a copy made of a log is the copy made of a snapshot of its end, each line as its schema line says" {
    local seed
    for seed in $(seq 1 "${CDC_TOGETHER_SEEDS:-12}") "$RANDOM"; do
        t python3 "$LIB/combined.py" "$seed" "$BATS_TEST_TMPDIR/$seed" >"$BATS_TEST_TMPDIR/out" 2>&1 ||
            fail "seed $seed: $(cut -c1-4000 "$BATS_TEST_TMPDIR/out")"
    done
}

@test "options drawn at random: the rows that a model chooses, the same lines after a new start at any commit, bad lines in the letters alone" {
    local first
    for first in 1 "$((1000 + RANDOM))"; do
        t python3 "$LIB/filter_runs.py" "$first" "$((first + ${CDC_RUNS_SEEDS:-60} - 1))" "$BATS_TEST_TMPDIR/$first" >"$BATS_TEST_TMPDIR/out" 2>&1 ||
            fail "$(cut -c1-2000 "$BATS_TEST_TMPDIR/out" | head -40)"
    done
}
