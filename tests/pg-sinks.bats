#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Positions besides the smallest one: sinks at different places, a file of another server, what a snapshot has seen, a slot that
# moves meanwhile.
# Each test runs in a subshell, and PG_DIR is read by lib/postgres.bash.
# shellcheck disable=SC2030,SC2031,SC2034,SC2046,SC2154
# takes: 30 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/mysql

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    local dir
    pg_test_teardown
    for dir in "${OTHERS[@]}"; do
        pg_down "$dir" immediate || true
        rm -rf "$dir"
    done
}
OTHERS=()

# A server of the test's own in $OTHER, with the table t. SETTINGS as for pg_start.
other_server() {
    OTHER=$(test_folder)
    OTHERS+=("$OTHER")
    pg_start "$OTHER" "$@"
    on "$OTHER" "create table t (id int primary key, v text)"
}
on() { PG_DIR=$1 DATABASE=postgres sql "$2"; }
url_of() { PG_DIR=$1 pg_url postgres; }
# copy_server SERVER: a copy of its files as they are now, in $COPY, which is not started.
copy_server() {
    COPY=$(test_folder)
    OTHERS+=("$COPY")
    pg_down "$1"
    [ "$(id -u)" != 0 ] || chown postgres: "$COPY"
    (as_postgres cp -a "$1/data" "$COPY/data")
    sed -i "s#unix_socket_directories = .*#unix_socket_directories = '$COPY'#" "$COPY/data/postgresql.conf"
    pg_up "$1"
}
# Starts it as a standby that is promoted: its log forks where the copy ends.
promote_copy() {
    (as_postgres touch "$COPY/data/standby.signal")
    pg_up "$COPY"
    on "$COPY" "select pg_promote()" >/dev/null
}
# read_log SERVER ARGUMENT...: pg-cdc's lines, for the sinks one and two, in $DIR/lines
read_log() {
    local server=$1
    shift
    t pg-cdc --name p -t public.t --until now --heartbeat 0 --offset-file "$DIR/own" --ack "$DIR/one.offset" --ack "$DIR/two.offset" "$@" "$(url_of "$server")" >"$DIR/lines" 2>"$DIR/err"
}
store() {
    local sink
    for sink in "$@"; do t cdc-sink-sqlite --offset-file "$DIR/$sink.offset" "$DIR/$sink.db" <"$DIR/lines" 2>>"$DIR/sink.err"; done
}
ids() { sqlite3 "$DIR/$1.db" "select id from t order by id" | xargs; }
refused() {
    is "exit status" "${2:-79}" "$status" || { cat "$DIR/err"; return 1; }
    grep -qE "$1" "$DIR/err" || fail "it does not say '$1': $(cat "$DIR/err")"
}
# Two copies on a server with a slot; the first goes on alone, with two rows that the copy of the server ($COPY) never has.
one_is_ahead() {
    other_server
    read_log "$OTHER"
    on "$OTHER" "insert into t values (1, 'both')"
    read_log "$OTHER"
    store one two
    copy_server "$OTHER"
    on "$OTHER" "insert into t values (2, 'one has it')"
    on "$OTHER" "insert into t select 3, repeat('and this', 40)"
    read_log "$OTHER"
    store one
    is "copies" "1 2 3 / 1" "$(ids one) / $(ids two)"
    pg_down "$OTHER"
}

@test "one of two sinks is beyond the fork of a standby that was promoted: 79, which names it, and nothing is dropped in silence" {
    one_is_ahead
    promote_copy
    on "$COPY" "insert into t values (11, 'new')"
    run read_log "$COPY"
    refused 'the sink of ".*/one.offset": .*left timeline 1 before the position'
    is "lines" 0 "$(wc -l <"$DIR/lines")"
    run read_log "$COPY" --check
    refused 'the sink of ".*/one.offset": .*left timeline 1 before the position'
    # Without that sink the other goes on.
    cp "$DIR/two.offset" "$DIR/one.offset"
    read_log "$COPY"
    store two
    is "the other copy" "1 11" "$(ids two)"
}

@test "one of two sinks is ahead of a server that was set back: 79, at once and after its log has grown past that" {
    one_is_ahead
    pg_up "$COPY"
    run read_log "$COPY"
    refused 'the sink of ".*/one.offset": .*was set back'
    on "$COPY" "insert into t values (11, 'new')"
    on "$COPY" "insert into t select g, repeat('x', 300) from generate_series(100, 120) g"
    run read_log "$COPY"
    refused 'the sink of ".*/one.offset" is at the position .*other transactions'
    # What the log has instead of it: nothing that is read.
    on "$COPY" "checkpoint; truncate t"
    cp "$DIR/two.offset" "$DIR/one.offset"
    read_log "$COPY"
    store two
    is "the other copy" "" "$(ids two)"
}

# both_hosts FIRST SECOND [OPTION]
both_hosts() { echo "postgresql:///postgres?host=$1,$2&user=postgres${3:-}"; }
# A standby of $OTHER's was promoted, $COPY; the copies go on with it, and the old primary runs beside it.
old_primary_is_back() {
    other_server "$@"
    read_log "$OTHER"
    on "$OTHER" "insert into t values (1, 'both')"
    read_log "$OTHER"
    store one two
    copy_server "$OTHER"
    promote_copy
    on "$COPY" "insert into t values (2, 'of the new primary')"
    read_log "$COPY"
    store one two
    on "$COPY" "insert into t values (3, 'later')"
    on "$OTHER" "insert into t values (4, 'of the old one')"
}
# read_hosts URL ARGUMENT...: as read_log
read_hosts() {
    local url=$1
    shift
    t pg-cdc --name p -t public.t --until now --heartbeat 0 --offset-file "$DIR/own" --ack "$DIR/one.offset" --ack "$DIR/two.offset" "$@" "$url" >"$DIR/lines" 2>"$DIR/err"
}

@test "an old primary on its old timeline is the first of the hosts: the one that has the position is read" {
    old_primary_is_back
    read_hosts "$(both_hosts "$OTHER" "$COPY")"
    grep -q "host $OTHER: .* belongs to timeline 2, .*; the other hosts are tried" "$DIR/err"
    store one two
    is "copies" "1 2 3 / 1 2 3" "$(ids one) / $(ids two)"
    on "$COPY" "insert into t values (5, 'the other way round')"
    read_hosts "$(both_hosts "$COPY" "$OTHER" "&target_session_attrs=primary")"
    store one
    on "$COPY" "insert into t values (6, 'and with the attribute')"
    read_hosts "$(both_hosts "$OTHER" "$COPY" "&target_session_attrs=primary")"
    store one two
    is "copies" "1 2 3 5 6 / 1 2 3 5 6" "$(ids one) / $(ids two)"
}

@test "hosts that lack the position: 79 when all of them say so, not while one cannot be asked; addresses of a name are one host" {
    local port third
    port=$(mysql_free_port)
    export PGPORT=$port
    old_primary_is_back "port = $port"
    # Two of the same: the old primary, and what it was copied to before.
    third=$(test_folder)
    OTHERS+=("$third")
    pg_down "$OTHER"
    pg_down "$COPY"
    [ "$(id -u)" != 0 ] || chown postgres: "$third"
    (as_postgres cp -a "$OTHER/data" "$third/data")
    sed -i "s#unix_socket_directories = .*#unix_socket_directories = '$third'#" "$third/data/postgresql.conf"
    sed -i "s#^listen_addresses.*#listen_addresses = '127.0.0.1'#" "$OTHER/data/postgresql.conf"
    pg_up "$third"
    run read_hosts "$(both_hosts "$OTHER" "$third" "&port=$port")" --retry-max 1
    refused 'timeline 2.*of the other hosts|cannot connect' 69
    pg_up "$OTHER"
    run read_hosts "$(both_hosts "$OTHER" "$third" "&port=$port")"
    refused 'belongs to timeline 2, the server is on timeline 1'
    run read_hosts "$(both_hosts "$third" "$COPY" "&port=$port")" --retry-max 1
    refused 'belongs to timeline 2, .*; of the other hosts: .*cannot connect' 69
    # As the addresses ::1 and 127.0.0.1 of localhost are, of which only one listens.
    run read_hosts "postgresql://postgres@/postgres?host=db,db&hostaddr=127.0.0.1,127.0.0.2&port=$port"
    refused 'belongs to timeline 2, the server is on timeline 1'
    run read_hosts "postgresql://postgres@/postgres?host=db,db,$COPY&hostaddr=127.0.0.2,127.0.0.1,&port=$port" --retry-max 1
    refused 'of the other hosts: .*cannot connect' 69
    pg_up "$COPY" || true
    is "lines" 0 "$(wc -l <"$DIR/lines")"
}

@test "a standby takes over that lacks what was written and not stored: 74, and the next start goes on from what the sinks have" {
    local pid
    other_server
    read_log "$OTHER"
    on "$OTHER" "insert into t values (1, 'both')"
    read_log "$OTHER"
    store one two
    copy_server "$OTHER"
    spawn_line "exec timeout $DEADLINE pg-cdc --name p -t public.t --heartbeat 0 --offset-file '$DIR/own' --ack '$DIR/one.offset' --ack '$DIR/two.offset' '$(both_hosts "$OTHER" "$COPY")' >'$DIR/lines' 2>'$DIR/err'"
    pid=$SPAWNED
    on "$OTHER" "insert into t values (2, 'the standby never had it')"
    wait_for_match "$DIR/lines" '"commit"'
    pg_down "$OTHER" immediate
    promote_copy
    on "$COPY" "insert into t values (11, 'new')"
    status=0
    status_of "$pid" || status=$?
    refused 'not in the server.s log any more: .*left timeline 1 before' 74
    run grep -c '"new"' "$DIR/lines"
    is "lines of the new primary" 0 "$output"
    read_hosts "$(both_hosts "$OTHER" "$COPY")"
    store one two
    is "copies" "1 11 / 1 11" "$(ids one) / $(ids two)"
}

@test "one of two sinks is ahead, and the log is the same: each has each row once" {
    other_server
    read_log "$OTHER"
    on "$OTHER" "insert into t values (1, 'both')"
    read_log "$OTHER"
    store one two
    on "$OTHER" "create table u (id int); insert into u values (1); select pg_logical_emit_message(false, 'x', 'y')" >/dev/null
    on "$OTHER" "insert into t values (2, 'one has it')"
    on "$OTHER" "begin; select pg_logical_emit_message(true, 'x', 'y'); commit" >/dev/null
    read_log "$OTHER"
    store one
    on "$OTHER" "insert into u values (2); select pg_switch_wal()" >/dev/null
    # A position between transactions, after the newest of them.
    read_log "$OTHER" --heartbeat 0.1
    store one
    is "where it is" heartbeat "$(tail -1 "$DIR/lines" | jq -r .op)"
    pg_down "$OTHER" immediate
    pg_up "$OTHER"
    on "$OTHER" "insert into t values (3, 'new')"
    read_log "$OTHER"
    store one two
    is "copies" "1 2 3 / 1 2 3" "$(ids one) / $(ids two)"
    is "two has each line once" 3 "$(sqlite3 "$DIR/two.db" "select count(*) from t")"
}

# Copies of another server, further in its log than ours will be for a while: $DIR/one.db and its offset file.
foreign_copy() {
    other_server
    on "$OTHER" "insert into t select g, repeat('x', 100) from generate_series(1, 20000) g"
    t pg-cdc --name p --until now --heartbeat 0 --ack "$DIR/one.offset" "$(url_of "$OTHER")" >"$DIR/lines" 2>"$DIR/err"
    on "$OTHER" "insert into t values (30000, 'x')"
    t pg-cdc --name p --until now --heartbeat 0 --ack "$DIR/one.offset" "$(url_of "$OTHER")" >"$DIR/lines" 2>"$DIR/err"
    store one
    pg_down "$OTHER"
    other_server
}
slot_of() { on "$OTHER" "select confirmed_flush_lsn from pg_replication_slots"; }

@test "a sink's file with another server's position comes up while the stream runs: nothing is confirmed by it, exit 78" {
    foreign_copy
    mv "$DIR/one.offset" "$DIR/foreign"
    local before pid
    spawn_line "exec timeout $DEADLINE pg-cdc --name p -t public.t --heartbeat 0.2 --offset-file '$DIR/own' --ack '$DIR/one.offset' '$(url_of "$OTHER")' >'$DIR/lines' 2>'$DIR/err'"
    pid=$SPAWNED
    wait_for_match "$DIR/err" 'created slot'
    before=$(slot_of)
    on "$OTHER" "insert into t values (1, 'mine')"
    wait_for_match "$DIR/lines" '"mine"'
    cp "$DIR/foreign" "$DIR/new"
    mv "$DIR/new" "$DIR/one.offset"
    status=0
    status_of "$pid" || status=$?
    refused 'the sink of ".*/one.offset" has the lines of another server' 78
    is "the slot" "$before" "$(slot_of)"
    not test -s "$DIR/own"
    # A new sink gets all.
    rm "$DIR/one.offset" "$DIR/one.db"
    t pg-cdc --name p -t public.t --until now --heartbeat 0 --offset-file "$DIR/own" --ack "$DIR/one.offset" "$(url_of "$OTHER")" >"$DIR/lines" 2>"$DIR/err"
    store one
    is "its copy" "1" "$(ids one)"
}

@test "a sink's file with another server's position does not finish a snapshot: 78, and with the copy removed all rows come" {
    foreign_copy
    on "$OTHER" "insert into t select g, 'mine' from generate_series(1, 10) g"
    rm "$DIR/one.offset"
    snapshot() { t cdc-snapshot --name p -t public.t --offset-file "$DIR/snapshot" --ack "$DIR/one.offset" "$(url_of "$OTHER")" >"$DIR/lines" 2>"$DIR/err"; }
    snapshot
    run store one
    is "the sink" 78 "$status"
    run snapshot
    refused 'the sink of ".*/one.offset" has the lines of another server' 78
    rm "$DIR/one.offset" "$DIR/one.db"
    snapshot
    store one
    is "rows" 10 "$(sqlite3 "$DIR/one.db" "select count(*) from t where v = 'mine'")"
    snapshot
    grep -q 'stored and finished' "$DIR/err"
}

@test "a slot that another one moves while we connect: 79, and not the lines after the gap" {
    sql "create table $NAME.t (id int primary key)"
    stream() { t pg-cdc $(source_options | tr -d "'") --until now --heartbeat 0 >"$DIR/lines" 2>"$DIR/err"; }
    stream
    sql "insert into $NAME.t values (1)"
    # The start waits for this lock after it has looked at the slot.
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -XqAt -d "$DATABASE" -c "begin" -c "lock table pg_publication_rel in access exclusive mode" -c "select pg_sleep(600)"
    local holder=$SPAWNED pid
    locked() { [ "$(sql "select count(*) from pg_locks where relation = 'pg_publication_rel'::regclass and granted and mode = 'AccessExclusiveLock'")" = 1 ]; }
    wait_until locked
    stream &
    pid=$!
    waits() { [ "$(sql "select count(*) from pg_locks where relation = 'pg_publication_rel'::regclass and not granted")" -ge 1 ]; }
    wait_until waits
    sql "insert into $NAME.t values (2)"
    sql "select pg_replication_slot_advance('$SLOT', pg_current_wal_lsn())" >/dev/null
    sql "insert into $NAME.t values (3)"
    sql "select pg_terminate_backend(pid) from pg_locks where relation = 'pg_publication_rel'::regclass and granted and mode = 'AccessExclusiveLock'" >/dev/null
    status=0
    status_of "$pid" || status=$?
    refused 'was confirmed up to .*, beyond our position'
    is "lines" 0 "$(wc -l <"$DIR/lines")"
}

# A snapshot's second attempt in $DIR/one.db, which has seen rows that the copy of the server ($COPY) never has.
second_attempt() {
    other_server
    on "$OTHER" "insert into t select g, repeat('x', 60) from generate_series(1, 5000) g"
    mkdir -p "$STATE"
    attempt() { t cdc-snapshot --name p -t public.t --state-dir "$STATE" "$(url_of "$OTHER")" 2>"$DIR/err"; }
    attempt | head -20 >/dev/null || true
    copy_server "$OTHER"
    local i
    for i in 1 2 3 4 5 6 7 8 9 10; do echo "insert into t values (10000 + $i, 'never there');"; done | PG_DIR=$OTHER DATABASE=postgres sql_file
    attempt | t cdc-sink-sqlite --state-dir "$STATE" "$DIR/one.db"
    is "rows" 5010 "$(sqlite3 "$DIR/one.db" "select count(*) from t")"
    is "attempt" 2 "$(jq '.offsets.p.state.attempt' "$STATE/cdc-snapshot-p.offset")"
    pg_down "$OTHER"
}
go_on() { t pg-cdc --name p -t public.t --state-dir "$STATE" --until now --heartbeat 0 "$(url_of "$COPY")" >"$DIR/lines" 2>"$DIR/err"; }

@test "a snapshot that was taken again has seen what a promoted standby never had: 79, and none of its rows is omitted" {
    second_attempt
    promote_copy
    on "$COPY" "insert into t values (20001, 'new'); insert into t values (20002, 'new')"
    run go_on
    refused 'left timeline 1 before the position'
    is "lines" 0 "$(wc -l <"$DIR/lines")"
}

@test "a snapshot that was taken again has seen what a server lost that was set back: 79, at once and after its log has grown" {
    second_attempt
    pg_up "$COPY"
    run go_on
    refused 'was set back'
    on "$COPY" "insert into t values (20001, 'new')"
    on "$COPY" "create table filler as select repeat('x', 200) from generate_series(1, 5000)"
    run go_on
    refused 'has seen transactions before the position .* that the server does not have'
    is "lines" 0 "$(wc -l <"$DIR/lines")"
}

@test "a snapshot that was taken again while the log is not on the disk yet: no server that was set back" {
    other_server "wal_writer_delay = 10s" "wal_writer_flush_after = 1GB" "checkpoint_timeout = 1h"
    on "$OTHER" "insert into t values (1, 'a'), (2, 'b')"
    set -o pipefail
    line() {
        t cdc-snapshot --name p -t public.t --state-dir "$STATE" "$(url_of "$OTHER")" 2>>"$DIR/err" &&
            t pg-cdc --name p -t public.t --state-dir "$STATE" "$@" --heartbeat 0 "$(url_of "$OTHER")" 2>>"$DIR/err"
    }
    t cdc-snapshot --name p -t public.t --state-dir "$STATE" "$(url_of "$OTHER")" 2>>"$DIR/err" | cat >/dev/null
    PGHOST=$OTHER PGUSER=postgres spawn psql -Xq -d postgres -c "begin" -c "insert into t select g, repeat('x', 50) from generate_series(10, 2000) g" -c "select pg_sleep(600)"
    wait_until eval '[ "$(on "$OTHER" "select count(*) from pg_stat_activity where query like '"'select pg_sleep%'"'")" = 1 ]'
    is "in memory only" t "$(on "$OTHER" "select pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn() > 8192")"
    line --idle-exit 1 | t cdc-sink-sqlite --state-dir "$STATE" "$DIR/one.db"
    is "attempt" 2 "$(jq '.offsets.p.state.attempt' "$STATE/cdc-snapshot-p.offset")"
    is "rows" "1 2" "$(ids one)"
    on "$OTHER" "insert into t values (3, 'c')"
    line --until now | t cdc-sink-sqlite --state-dir "$STATE" "$DIR/one.db"
    is "rows" "1 2 3" "$(ids one)"
}

@test "--until now with synchronous_commit=off and a slow WAL writer: what was visible comes" {
    other_server "wal_writer_delay = 4s" "synchronous_commit = off"
    t pg-cdc --name p --until now --offset-file "$DIR/own" "$(url_of "$OTHER")" >/dev/null 2>"$DIR/err"
    on "$OTHER" "insert into t values (1, 'a')"
    on "$OTHER" "insert into t values (2, 'b')"
    t pg-cdc --name p --until now --offset-file "$DIR/own" "$(url_of "$OTHER")" >"$DIR/lines" 2>"$DIR/err"
    is "rows" "1 2" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/lines" | xargs)"
}
