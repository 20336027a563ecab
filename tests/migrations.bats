#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# takes: 60 s
# A few random migrations under traffic, with kills; tests/full has hundreds of them.
bats_require_minimum_version 1.8.0
load lib/common

@test "PostgreSQL: after a dozen random migrations, with writers and kills, the copy is equal" {
    CDC_MIGRATIONS_KEEP=$BATS_TEST_TMPDIR LIMIT=600 t tests/migrations postgresql --seed "${CDC_MIGRATIONS_SEED:-1}" --steps 12 --kills 3 || { tail -20 "$BATS_TEST_TMPDIR/messages"; false; }
}

# bats test_tags=only:mariadb
@test "MariaDB, columns without names in the log: after a dozen random migrations, with writers and kills, the copy is equal" {
    CDC_MIGRATIONS_KEEP=$BATS_TEST_TMPDIR CDC_MYSQL_METADATA=MINIMAL LIMIT=600 t tests/migrations mariadb --seed "${CDC_MIGRATIONS_SEED:-1}" --steps 12 --kills 3 || { tail -20 "$BATS_TEST_TMPDIR/messages"; false; }
}
