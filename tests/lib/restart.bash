#!/bin/bash
# SPDX-License-Identifier: MIT
# restart.bash fast|immediate: stops the server of tests/migrations, or kills it, and starts it again. CDC_PG_DIR or CDC_MYSQL_DIR says which.
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lib/common.bash
. tests/lib/common.bash
if [ -n "${CDC_PG_DIR:-}" ]; then
    # shellcheck source=tests/lib/postgres.bash
    . tests/lib/postgres.bash
    pg_down "$CDC_PG_DIR" "$1" && pg_up "$CDC_PG_DIR"
else
    # shellcheck source=tests/lib/mysql.bash
    . tests/lib/mysql.bash
    if [ "$1" = immediate ]; then mysql_kill; else mysql_stop; fi && mysql_up main
fi
