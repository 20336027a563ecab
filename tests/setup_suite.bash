# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Once for all .bats files: one PostgreSQL server, in a folder of its own.

setup_suite() {
    # shellcheck source=tests/lib/common.bash
    . "$BATS_TEST_DIRNAME/lib/common.bash"
    # shellcheck source=tests/lib/postgres.bash
    . "$BATS_TEST_DIRNAME/lib/postgres.bash"
    CDC_PG_DIR=$(test_folder)
    export CDC_PG_DIR
    pg_start "$CDC_PG_DIR"
    echo "# PostgreSQL $(DATABASE=postgres sql 'show server_version')" >&3
    DATABASE=postgres sql "create role with_password login password 'right' replication"
}

teardown_suite() {
    # A server that was already dead is a failure of its own.
    if ! pg_down "$CDC_PG_DIR" fast; then
        tail -50 "$CDC_PG_DIR/log" >&2
        [ "${CDC_TEST_KEEP:-0}" = 1 ] || rm -rf "$CDC_PG_DIR"
        return 1
    fi
    [ "${CDC_TEST_KEEP:-0}" = 1 ] || rm -rf "$CDC_PG_DIR"
}
