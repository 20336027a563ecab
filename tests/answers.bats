#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every command that a tool sends to a server, in turn, has an error for an answer, or none, since the connection is cut: there
# is an exit status for it, and the same command line started again has all rows.
# takes: 55 s
# shellcheck disable=SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/postgres

ROWS='1 2 3'

setup_file() {
    mysql_available || return 0
    mysql_start
    msql "create database shop; create table shop.t (id int primary key, v varchar(20)); insert into shop.t values (1, 'a'), (2, 'b'), (3, 'c');
        create view shop.w as select 1 as one"
}
teardown_file() { mysql_end; }
setup() { DIR=$BATS_TEST_TMPDIR; }
teardown() {
    end_spawned
    [ -z "${PG_DIR:-}" ] || { pg_down "$PG_DIR" immediate; rm -rf "$PG_DIR"; }
}

# liar FOLDER HOW [NUMBER]: between a tool and the server of $SERVER; its port in $PORT, its pid in $LIAR.
liar() {
    mkdir -p "$1"
    case $SERVER in
    mysql) python3 "$LIB/mysql-liar.py" "$1" "$(cat "$(mysql_dir)/port")" "${@:2}" 3>&- & ;;
    postgres) python3 "$LIB/postgres-liar.py" "$1" "$PG_DIR/.s.PGSQL.5432" "${@:2}" 3>&- & ;;
    esac
    LIAR=$!
    wait_until test -s "$1/port"
    PORT=$(cat "$1/port")
}
end_liar() {
    kill "$LIAR"
    wait "$LIAR" 2>/dev/null || true
}
url() {
    case $SERVER in
    mysql) echo "mysql://cdc:$MYSQL_PASSWORD@127.0.0.1:$1/shop" ;;
    postgres) echo "postgresql://postgres@127.0.0.1:$1/postgres" ;;
    esac
}
snapshot() { t cdc-snapshot -q --name "$1" --retry-max 0 --state-dir "$2/state" "$(url "$PORT")"; }
stream() {
    case $SERVER in
    mysql) t mysql-binlog -q --name "$1" --retry-max 0 --start oldest --until now --state-dir "$2/state" "$(url "$PORT")" ;;
    postgres) t pg-cdc -q --name "$1" --retry-max 0 --until now --state-dir "$2/state" "$(url "$PORT")" ;;
    esac
}
check() {
    case $SERVER in
    mysql) t mysql-binlog -q --check "$(url "$PORT")" ;;
    postgres) t pg-cdc -q --name "$1" --check "$(url "$PORT")" ;;
    esac
}
# The ids that lines of rows in $1 have.
ids() { jq -r 'select(.op | IN("r", "c")) | .after.id' "$1" | sort -u | xargs; }

# one TOOL HOW NUMBER: prints what is wrong.
one() {
    local name=${1:0:1}${2:0:1}$3 dir=$DIR/$1.$2.$3 status=0
    liar "$dir" "$2" "$3"
    "$1" "$name" "$dir" >"$dir/out" 2>"$dir/err" || status=$?
    case $status in 0 | 69 | 7[5-9]) ;; *) echo "$1, $2 $3: exit status $status: $(cat "$dir/err")" ;; esac
    # Settings decide what values look like.
    [ $status != 0 ] || [ "$1" = check ] || ! grep -siE "^(set|alter|begin|start) " "$dir/refused" | grep -qv timeout || echo "$1, $2 $3: exit status 0 without $(cat "$dir/refused")"
    if [ "$1" = check ]; then
        [ $status = 0 ] || [ -s "$dir/err" ] || echo "$1, $2 $3: exit status $status and not a word"
    else
        [ $status != 0 ] || [ "$(ids "$dir/out")" = "$ROWS" ] || echo "$1, $2 $3: exit status 0 with rows $(ids "$dir/out")"
        [ $status = 0 ] || [ -s "$dir/err" ] || echo "$1, $2 $3: exit status $status and not a word"
        whole_lines "$dir/out"
        # The lie was one; what was written and what comes now is all.
        cp "$dir/err" "$dir/err.first"
        [ $status = 0 ] || { status=0 && "$1" "$name" "$dir" >>"$dir/out" 2>"$dir/err" || status=$?; }
        [ $status = 0 ] || echo "$1 after $2 $3: exit status $status: $(cat "$dir/err.first" "$dir/err")"
        [ "$(ids "$dir/out")" = "$ROWS" ] || echo "$1 after $2 $3: rows $(ids "$dir/out")"
    fi
    end_liar
    after "$name" "$dir"
    return 0
}
after() { :; }
# all TOOL: each command, four at a time.
all() {
    local n how number day=$(($(date +%s) / 86400))
    liar "$DIR/$1" nothing
    "$1" all "$DIR/$1" >"$DIR/$1/out" 2>"$DIR/$1/err" || [ "$1" = check ] || fail "$(cat "$DIR/$1/err")"
    end_liar
    after all "$DIR/$1"
    n=$(cat "$DIR/$1/commands")
    [ "$n" -gt 5 ] || fail "only $n commands"
    for how in error cut; do
        for ((number = 1; number <= n; number++)); do
            # A sixth of them, each day another one; with CDC_ANSWERS_ALL=1 all.
            [ "${CDC_ANSWERS_ALL:-0}" = 1 ] || [ $(((number + day + ${#how}) % 6)) = 0 ] || continue
            while [ "$(jobs -rp | wc -l)" -ge 4 ]; do wait -n || true; done
            one "$1" $how $number >"$DIR/said.$1.$how.$number" 2>&1 &
        done
    done
    wait || true
    echo "# $1: $n commands" >&3
    cat "$DIR"/said."$1".*
    is "what is wrong" "" "$(cat "$DIR"/said."$1".*)"
}

# bats test_tags=only:mariadb
@test "MySQL: each answer is an error, or the connection is cut: mysql-binlog" {
    SERVER=mysql
    all stream
}
# bats test_tags=only:mariadb
@test "MySQL: each answer is an error, or the connection is cut: cdc-snapshot" {
    SERVER=mysql
    all snapshot
}
# bats test_tags=only:mariadb
@test "MySQL: each answer is an error, or the connection is cut: --check" {
    SERVER=mysql
    all check
}

postgres_server() {
    SERVER=postgres
    PG_DIR=$(test_folder)
    pg_start "$PG_DIR"
    DATABASE=postgres sql "create table t (id int primary key, v text)"
    # What a stream finds from its slot on.
    ready() { DATABASE=postgres sql "insert into t values (1, 'a'), (2, 'b'), (3, 'c') on conflict do nothing"; }
    after() {
        DATABASE=postgres sql "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'cdc_$1' and active"
        wait_until dropped "$1"
    } >/dev/null
}
dropped() { DATABASE=postgres sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'cdc_$1'; drop publication if exists cdc_$1" 2>/dev/null; }

@test "PostgreSQL: each answer is an error, or the connection is cut: cdc-snapshot" {
    postgres_server
    ready
    all snapshot
}
@test "PostgreSQL: each answer is an error, or the connection is cut: --check" {
    postgres_server
    ready
    all check
}
# A first run makes the slot; the rows come after it.
@test "PostgreSQL: each answer is an error, or the connection is cut: pg-cdc" {
    postgres_server
    stream() {
        t pg-cdc -q --name "$1" --retry-max 0 --until now --state-dir "$2/state" "$(url "$PORT")" || return
        DATABASE=postgres sql "update t set v = v" && t pg-cdc -q --name "$1" --retry-max 0 --until now --state-dir "$2/state" "$(url "$PORT")"
    }
    ids() { jq -r 'select(.op == "u") | .after.id' "$1" | sort -u | xargs; }
    ready
    all stream
}
