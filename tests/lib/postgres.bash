# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Private PostgreSQL servers: own folder, Unix socket only, no fsync. The server is the newest one of this machine, the one
# whose programs are in CDC_PG_BIN, or that of the tree CDC_PG_TREE (tests/lib/tree.bash); the clients are this machine's.

# shellcheck source=tests/lib/tree.bash
. "$(dirname "${BASH_SOURCE[0]}")/tree.bash"

for pg_variable in $(compgen -e | grep '^PG' || true); do
    case $pg_variable in PGHOST | PGUSER | PGBIN) [ -n "${CDC_PG_DIR:-}" ] || unset "$pg_variable" ;; *) unset "$pg_variable" ;; esac
done

# The folder of initdb and pg_ctl, as as_postgres sees it.
pg_bin() {
    local tree=${CDC_PG_TREE:-} bin
    if [ -n "${CDC_PG_BIN:-}" ]; then echo "$CDC_PG_BIN"; return; fi
    bin=$(find "$tree/usr/lib/postgresql" -path '*/bin/initdb' 2>/dev/null | sort -V | tail -1)
    bin=${bin#"$tree"}
    echo "${bin%/initdb}"
}

# PostgreSQL refuses to run as root.
as_postgres() {
    if [ -n "${CDC_PG_TREE:-}" ]; then
        (in_tree "$CDC_PG_TREE" "$(id -u postgres):$(id -g postgres)" "$@") # it replaces the shell
    elif [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

# pg_start DIR [SETTING...]: makes and starts a server; PGHOST=DIR reaches it.
pg_start() {
    local dir=$1 bin setting
    shift
    bin=$(pg_bin)
    [ -n "$bin" ] || { echo "no PostgreSQL server found: run tests/setup" >&2; return 1; }
    mkdir -p "$dir"
    [ "$(id -u)" != 0 ] || chown postgres: "$dir"
    (cd "$dir" && as_postgres "$bin/initdb" -A trust -N -U postgres -E UTF8 --no-locale -D "$dir/data" >"$dir/initdb.log" 2>&1) || { cat "$dir/initdb.log" >&2; return 1; }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$dir'"
        echo "fsync = off"
        echo "wal_level = logical"
        echo "max_replication_slots = 50"
        echo "max_wal_senders = 50"
        echo "max_connections = 120"
        echo "restart_after_crash = off"
        echo "log_replication_commands = on"
        echo "max_wal_size = 4GB"
        for setting in "$@"; do echo "$setting"; done
    } >>"$dir/data/postgresql.conf"
    # One role that must give a password, the others are trusted.
    sed -i '1i local all with_password scram-sha-256' "$dir/data/pg_hba.conf"
    pg_up "$dir"
}
pg_up() { (cd "$1" && as_postgres "$(pg_bin)/pg_ctl" -s -w -t 60 -D "$1/data" -l "$1/log" start 3>&- >/dev/null) || { tail -20 "$1/log" >&2; return 1; }; }
# pg_down DIR [MODE]
pg_down() { (cd "$1" && as_postgres "$(pg_bin)/pg_ctl" -s -w -t 60 -D "$1/data" -m "${2:-fast}" stop 3>&- >/dev/null); }

# The suite's server: sql [DATABASE-OPTIONS] 'statements', quiet, one value a line.
sql() { PGHOST=${PG_DIR:-$CDC_PG_DIR} PGUSER=postgres psql -XqAt -v ON_ERROR_STOP=1 -d "${DATABASE:-postgres}" -c "$*"; }
sql_file() { PGHOST=${PG_DIR:-$CDC_PG_DIR} PGUSER=postgres psql -XqAt -d "${DATABASE:-postgres}" "$@"; }
pg_url() { echo "postgresql:///${1:-$DATABASE}?host=${PG_DIR:-$CDC_PG_DIR}&user=${2:-postgres}"; }

# One server and one database a .bats file: create_database in setup_file, drop_database in teardown_file.
use_database() {
    DATABASE=db_$(basename "$BATS_TEST_FILENAME" .bats | tr -c 'a-z0-9\n' _)
    URL=$(pg_url "$DATABASE")
    export DATABASE URL
}
create_database() {
    CDC_PG_DIR=$(test_folder)
    export CDC_PG_DIR
    pg_start "$CDC_PG_DIR"
    echo "# PostgreSQL $(sql 'show server_version')" >&3
    sql "create role with_password login password 'right' replication"
    use_database
    DATABASE=postgres sql "create database $DATABASE"
}
drop_slots() {
    local slot
    for slot in $(DATABASE=postgres sql "select slot_name from pg_replication_slots where database = '$DATABASE' ${1:-}"); do
        DATABASE=postgres sql "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '$slot' and active" >/dev/null
        wait_until slot_idle "$slot"
        DATABASE=postgres sql "select pg_drop_replication_slot('$slot')" >/dev/null
    done
}
# Fails when the server had ended by itself, or something still holds the database.
drop_database() {
    local status=0
    use_database
    { drop_slots && DATABASE=postgres sql "drop database if exists $DATABASE with (force)" && pg_down "$CDC_PG_DIR" fast; } || {
        status=1
        tail -50 "$CDC_PG_DIR/log" >&2
        pg_down "$CDC_PG_DIR" immediate 2>/dev/null
    }
    [ "${CDC_TEST_KEEP:-0}" = 1 ] || rm -rf "$CDC_PG_DIR"
    return $status
}
slot_idle() { [ "$(sql "select count(*) from pg_replication_slots where slot_name = '$1' and active")" = 0 ]; }
slot_active() { ! slot_idle "$1"; }
slot_exists() { [ "$(sql "select count(*) from pg_replication_slots where slot_name = '$1'")" = 1 ]; }
# LSNs as numbers, easy to compare.
slot_confirmed() { sql "select coalesce(confirmed_flush_lsn - '0/0', 0) from pg_replication_slots where slot_name = '$1'"; }
wal_now() { sql "select pg_current_wal_flush_lsn() - '0/0'"; }
confirmed_past() { [ "$(slot_confirmed "$1")" -ge "$2" ]; }
# All that is committed now has reached the sinks of this slot. A commit of our own stands behind it, or a slot that was
# just made would pass for one whose sinks have stored everything.
wait_confirmed() {
    local now
    sql "set client_min_messages = warning; create table if not exists public.cdc_marker (at timestamptz); insert into public.cdc_marker values (now())"
    now=$(wal_now)
    wait_until -t "${2:-60}" confirmed_past "$1" "$now"
}

# Every test: a schema and a pipeline of its own, $NAME, and a folder, $DIR.
pg_test_setup() {
    use_database
    NAME=p$BATS_SUITE_TEST_NUMBER
    DIR=$BATS_TEST_TMPDIR
    SLOT=cdc_$NAME
    STATE=$DIR/state
    mkdir -p "$STATE"
    sql "create schema $NAME"
}
pg_test_teardown() {
    end_spawned
    drop_slots "and slot_name like '%$NAME'"
    sql "set client_min_messages = warning; drop publication if exists cdc_$NAME; drop schema if exists $NAME cascade"
}
# The options that snapshot and stream share.
source_options() { echo "--name $NAME -t '$NAME.*' --state-dir '$STATE' ${SOURCE_EXTRA:-} '$URL'"; }
# The whole line into the sink given as text.
full_line() { echo "{ cdc-snapshot ${SNAPSHOT_EXTRA:-} $(source_options) && exec pg-cdc --heartbeat 1 ${STREAM_EXTRA:-} $(source_options); } | cdc-filter -t '$NAME.*' | $1"; }
