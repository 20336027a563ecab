#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter --to and --from: every type of PostgreSQL, with values at the edges, through each format and back. What is another
# value then is what cdc-format(5) says, and was counted.
# takes: 20 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { DIR=$BATS_TEST_TMPDIR; }

# differing FORMAT FROM...: the types whose values differ.
differing() {
    local to=$1
    shift
    t cdc-filter --to "$to" <"$DIR/rows" 2>"$DIR/err" | t cdc-filter --from "$@" >"$DIR/back" 2>>"$DIR/err"
    python3 "$LIB/format_types.py" "$DIR/rows" "$DIR/back" | sed 's/ [0-9]*$//' | paste -sd, | sed 's/,/, /g'
}

@test "every type of PostgreSQL and the array of each: what differs is known, and was counted" {
    PGOPTIONS="-c client_min_messages=warning" sql_file -v ON_ERROR_STOP=1 -f "$LIB/pg-types.sql" >"$DIR/sql.out" 2>&1 || { cat "$DIR/sql.out"; return 1; }
    sql "create publication cdc_formats for all tables"
    PGOPTIONS="-c client_min_messages=warning" sql "select types.create_tables()" >/dev/null
    t cdc-snapshot -q --name formats --offset-file "$DIR/offset" -t 'types.t_*' -t 'types.a_*' "$(pg_url)" >"$DIR/rows"
    [ "$(grep -c '"op":"r"' "$DIR/rows")" -gt 1000 ]

    is "debezium" "date, date[], timestamp without time zone, timestamp without time zone[]" "$(differing debezium debezium)"
    grep -q -- '--to: [0-9]* dates or times that the format cannot say became null' "$DIR/err"
    is "with schemas" "date, date[], timestamp without time zone, timestamp without time zone[]" "$(differing debezium,schemas,key debezium)"
    is "wal2json" "double precision, numeric, real" "$(differing wal2json wal2json)"
    grep -q -- '--to: [0-9]* numbers that are none (NaN, infinities) became null' "$DIR/err"
    is "maxwell" "double precision, numeric, real" "$(differing maxwell maxwell)"
    is "singer" "date, double precision, numeric, real, timestamp with time zone, timestamp without time zone" "$(differing singer singer --from-position line)"
    is "canal" "" "$(differing canal canal --from-position line | tr ',' '\n' | grep -vE '^ ?types\.' | paste -sd,)"
    grep -q -- '--to: [0-9]* objects became the text of their JSON' "$DIR/err"
}
