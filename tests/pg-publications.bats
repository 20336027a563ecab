#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# takes: 20 s
# A few random publications under random changes; tests/full has many of them.
bats_require_minimum_version 1.8.0
load lib/common

@test "publications of any form, changed while the line runs and while it does not: the copy is what a subscriber would have" {
    CDC_PUBLICATIONS_KEEP=$BATS_TEST_TMPDIR LIMIT=300 t tests/publications --seed "${CDC_PUBLICATIONS_SEED:-1}" --seeds 2 --rounds 3 || { tail -n 20 "$BATS_TEST_TMPDIR"/*/messages; false; }
}
