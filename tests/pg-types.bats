#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Types of PostgreSQL: each of them, through snapshot and log with the same bytes, and back into a database.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/pg-stale

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    touch "$DIR/stop"
    pg_test_teardown
    local other
    for other in $(DATABASE=postgres sql "select datname from pg_database where datname ~ '^(types|back)_'"); do
        DATABASE=$other drop_slots
        DATABASE=postgres sql "drop database $other with (force)"
    done
}

stream() { t pg-cdc --name "$NAME" --heartbeat 0 "$@" "$URL" >>"$DIR/out" 2>"$DIR/err"; }
begin() { stream --until now "$@" || { cat "$DIR/err"; return 1; }; : >"$DIR/out"; }
read_all() { : >"$DIR/out"; stream --until now "$@" || { cat "$DIR/err"; return 1; }; }
# A snapshot of its own, as $DIR/rows.
snapshot() { t cdc-snapshot -q --name "${NAME}s" --offset-file "$DIR/s.offset" "$@" "$URL" >"$DIR/rows" 2>"$DIR/snapshot.err" || { cat "$DIR/snapshot.err"; return 1; }; }
lines() { jq -c "$1" "${2:-$DIR/out}"; }
in_sql() { PGOPTIONS="-c client_min_messages=warning" sql_file -v ON_ERROR_STOP=1 "$@" >"$DIR/sql.out" 2>&1 || { cat "$DIR/sql.out"; return 1; }; }
# Lines without a byte changed, as rows of types.lines; no line has such bytes.
load_lines() { grep -hE '^\{"op":"[rcud]"' "$@" | sql_file -v ON_ERROR_STOP=1 -c "copy types.lines from stdin with (format csv, quote e'\\x01', delimiter e'\\x02')"; }

@test "every type and the array of each: the same bytes by snapshot, insert, update and delete; cast back they are the values" {
    DATABASE=postgres sql "create database types_a"
    DATABASE=types_a URL=$(pg_url types_a)
    in_sql -f "$LIB/pg-types.sql"
    sql "create publication cdc_$NAME for all tables; create publication cdc_${NAME}s for all tables"
    begin
    in_sql -c "select types.create_tables()"
    echo "# $(sql "select count(*) from pg_class where relnamespace = 'types'::regnamespace and relkind = 'r' and relname ~ '^[ta]_'") types" >&3
snapshot -t 'types.t_*' -t 'types.a_*'
pg_dump -h "$CDC_PG_DIR" -U postgres types_a >"$DIR/dump" 2>"$DIR/dump.err" || { cat "$DIR/dump.err"; return 1; }
    sql "select 'update types.' || quote_ident(relname) || ' set w = 1; delete from types.' || quote_ident(relname) from pg_class where relnamespace = 'types'::regnamespace and relkind = 'r' and relname ~ '^[ta]_'" >"$DIR/changes"
    sed -i 's/$/;/' "$DIR/changes"
    in_sql -f "$DIR/changes"
read_all -t 'types.t_*' -t 'types.a_*'
    DATABASE=postgres sql "create database back_a"
    DATABASE=back_a
    in_sql -f "$DIR/dump"
    load_lines "$DIR/rows" "$DIR/out"
    PGOPTIONS="-c client_min_messages=warning" sql "select types.differences()" >"$DIR/differences"
[ ! -s "$DIR/differences" ] || fail "$(head -c 6000 "$DIR/differences")"
}
