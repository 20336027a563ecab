#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Waits for a PostgreSQL server: who is silent, who is only slow, and what ends the wait.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
# takes: 75 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    local dir
    thaw 2>/dev/null || true
    pg_test_teardown
    for dir in "${OTHERS[@]}"; do
        pg_down "$dir" immediate || true
        rm -rf "$dir"
    done
}
OTHERS=()
FROZEN=()

# A server of the test's own, with the table t; its settings are the arguments.
other_server() {
    OTHER=$(test_folder)
    OTHERS+=("$OTHER")
    pg_start "$OTHER" "$@"
    on "create table t (id int primary key, v text); insert into t select i, repeat('x', 100) from generate_series(1, 2000) i"
    OTHER_URL="$(PG_DIR=$OTHER pg_url postgres)"
}
on() { PG_DIR=$OTHER DATABASE=postgres sql "$1"; }
# All of it, as a machine that hangs: its sockets take connections, and nobody answers.
freeze() {
    local main
    main=$(head -1 "$OTHER/data/postmaster.pid")
    mapfile -t FROZEN < <(echo "$main"; pgrep -P "$main")
    kill -STOP "${FROZEN[@]}"
}
thaw() { [ ${#FROZEN[@]} = 0 ] || kill -CONT "${FROZEN[@]}"; FROZEN=(); }
# hold [TABLE]: a session that holds a lock until it is ended.
hold() {
    PGHOST=$OTHER PGUSER=postgres spawn psql -Xq -d postgres -c "begin; lock table ${1:-t} in access exclusive mode; select pg_sleep(600)"
    HOLDER=$SPAWNED
    HELD=${1:-t}
    wait_until eval '[ "$(on "select count(*) from pg_locks where mode = '"'AccessExclusiveLock'"' and granted and relation = '"'\$HELD'::regclass"'")" = 1 ]'
}
waits_for_lock() { [ "$(on "select count(*) from pg_locks where not granted")" != 0 ]; }

@test "several hosts: one that takes connections and is silent is given up, and the next is tried" {
    spawn_line "exec python3 -c 'import socket, time; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(50); print(s.getsockname()[1], flush=True); time.sleep(600)' >'$DIR/port'"
    wait_until test -s "$DIR/port"
    sql "create table $NAME.t (id int primary key)"
    local port
    port=$(sql "show port")
    t pg-cdc --name "$NAME" -t "$NAME.t" --retry-max 0 --until now "host=127.0.0.1,$CDC_PG_DIR port=$(cat "$DIR/port"),$port user=postgres dbname=$DATABASE connect_timeout=1" >"$DIR/out"
    is "lines" 1 "$(wc -l <"$DIR/out")"
    run -69 t pg-cdc --name "$NAME" -t "$NAME.t" --retry-max 0 --until now "host=127.0.0.1,127.0.0.1 port=$(cat "$DIR/port") user=postgres dbname=$DATABASE connect_timeout=1"
    [[ $output == *"no answer from 127.0.0.1 within 1 s"* ]] || fail "$output"
}

# names: a library for LD_PRELOAD, $DIR/names.so. never.test is not answered; many.test has three addresses: one that is
# silent, one that refuses, one with a server.
names() {
    cat >"$DIR/names.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    static const char *const addresses[] = {"127.0.0.2", "127.0.0.3", "127.0.0.1"};
    look_up *real = (look_up *)dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo **end = result;
    while (node && strcmp(node, "never.test") == 0)
        pause();
    if (!node || strcmp(node, "many.test") != 0)
        return real(node, service, hints, result);
    for (int i = 0; i < 3; i++) {
        int status = real(addresses[i], service, hints, end);
        if (status != 0)
            return status;
        while (*end)
            end = &(*end)->ai_next;
    }
    return 0;
}
C
    cc -shared -fPIC -o "$DIR/names.so" "$DIR/names.c" -ldl
}

@test "a name that no name server answers for: a signal ends the wait" {
    names
    local status=0
    spawn env LD_PRELOAD="$DIR/names.so" bash -c "exec pg-cdc --ack=stdout 'postgresql://u@never.test/d' >'$DIR/out' 2>'$DIR/err'"
    wait_until grep -q 'SigCgt:.*[1-9a-f]' "/proc/$SPAWNED/status"
    wait_until eval '[ "$(ls "/proc/$SPAWNED/task" | wc -l)" = 2 ]'
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" || status=$?
    is "exit status, stopped before anything was read" 0 "$status"
    status=0
    spawn env LD_PRELOAD="$DIR/names.so" bash -c "exec cdc-snapshot --retry-max 0 --state-dir '$STATE' 'postgresql://u@$SLOT.invalid,never.test/d' >'$DIR/out' 2>'$DIR/err'"
    wait_until eval '[ "$(ls "/proc/$SPAWNED/task" | wc -l)" = 2 ]'
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" || status=$?
    is "exit status of a snapshot" 75 "$status"
    run -69 t pg-cdc --ack=stdout --retry-max 0 "postgresql://u@$SLOT.invalid/d"
    [[ $output == *"could not translate host name \"$SLOT.invalid\" to address"* ]] || fail "$output"
}

@test "several addresses of one name: each has its own time, and each is tried; the name stays" {
    names
    mkdir "$DIR/liar"
    spawn python3 "$LIB/postgres-liar.py" "$DIR/liar" "$CDC_PG_DIR/.s.PGSQL.5432" nothing
    wait_until test -s "$DIR/liar/port"
    local port
    port=$(cat "$DIR/liar/port")
    spawn_line "exec python3 -c 'import socket, time; s = socket.socket(); s.bind((\"127.0.0.2\", $port)); s.listen(50); print(1, flush=True); time.sleep(600)' >'$DIR/silent'"
    wait_until test -s "$DIR/silent"
    sql "create table $NAME.t (id int primary key)"
    LD_PRELOAD="$DIR/names.so" t pg-cdc --name "$NAME" -t "$NAME.t" --retry-max 0 --until now "postgresql://postgres@many.test:$port/$DATABASE?connect_timeout=1" >"$DIR/out"
    is "lines" 1 "$(wc -l <"$DIR/out")"
    # A service file names the hosts, too; .pgpass goes by the name.
    printf '[s]\nhost=%s.invalid,many.test\nport=1,%s\nuser=with_password\ndbname=%s\nconnect_timeout=1\n' "$SLOT" "$port" "$DATABASE" >"$DIR/service"
    (umask 077 && echo "many.test:$port:*:with_password:right" >"$DIR/pgpass")
    run -0 env LD_PRELOAD="$DIR/names.so" PGSERVICEFILE="$DIR/service" PGPASSFILE="$DIR/pgpass" timeout 60 pg-cdc --check --name "$NAME" -t "$NAME.t" service=s
    sed -i 's/^many/other/' "$DIR/pgpass"
    run -77 env LD_PRELOAD="$DIR/names.so" PGSERVICEFILE="$DIR/service" PGPASSFILE="$DIR/pgpass" timeout 60 pg-cdc --check --name "$NAME" -t "$NAME.t" service=s
}

@test "a wait for a lock is said after a signal, gives statistics, and ends at once with the second signal" {
    other_server
    hold
    spawn pg-cdc --name p -t public.t "$OTHER_URL" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED
    wait_until waits_for_lock
    kill -USR1 "$pid"
    wait_for_match "$DIR/err" 'info: lines in '
    kill -TERM "$pid"
    wait_for_match "$DIR/err" 'still waiting for an answer of the server'
    kill -TERM "$pid"
    local status=0
    status_of "$pid" || status=$?
    is "exit status" 0 "$status"
    kill -INT "$HOLDER"
    on "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()" >/dev/null
    is "what is left behind" 0 "$(on "select count(*) from pg_replication_slots")"
}

# holds_table MODE SQL...: a session of this suite's server with a lock on the table t; let_go ends it. Its pid in $HOLDER.
holds_table() {
    mkfifo "$DIR/holder"
    sql_file <"$DIR/holder" >"$DIR/holder.out" 2>&1 3>&- &
    SESSION=$!
    exec 4>"$DIR/holder"
    echo "begin; lock table $NAME.t in $1 mode; select pg_backend_pid();" >&4
    wait_until test -s "$DIR/holder.out"
    HOLDER=$(cat "$DIR/holder.out")
}
let_go() {
    echo "rollback;" '\q' >&4 # what was spawned meanwhile has the other end open, too
    exec 4>&-
    rm "$DIR/holder" "$DIR/holder.out"
    wait "$SESSION"
}

@test "a snapshot that waits for a lock gives statistics each time, and goes on" {
    local n
    other_server
    hold
    spawn_line "exec cdc-snapshot --name '$NAME' -t t --state-dir '$STATE' --ack stdout '$OTHER_URL' >'$DIR/out' 2>'$DIR/err'"
    wait_until waits_for_lock
    said() { [ "$(grep -c 'lines in 0, lines out' "$DIR/err")" -ge "$n" ]; }
    for n in 1 2; do
        kill -USR1 "$SPAWNED"
        wait_until said || { cat "$DIR/err"; return 1; }
    done
    on "select pg_terminate_backend(pid) from pg_locks where mode = 'AccessExclusiveLock' and granted" >/dev/null
    status_of "$SPAWNED" || { cat "$DIR/err"; return 1; }
    is "rows" 2000 "$(grep -c '"op":"r"' "$DIR/out")"
}

@test "a start beside a table that is locked: not without a word of whom, and it goes on when that one ends" {
    local pid status=0 mode
    sql "create table $NAME.t (id int primary key); create publication cdc_$NAME for table $NAME.t"
    holds_table "access exclusive"
    t pg-cdc --check --name "$NAME" -t "$NAME.*" "$URL" 2>"$DIR/check" || status=$?
    if [ "$(sql 'show server_version_num')" -ge 160000 ]; then # older ones list the tables without opening them
        is "exit status of --check" 75 $status
        grep -q "error: cannot list the tables: table $NAME.t is locked by pid $HOLDER (postgres, idle in transaction, for " "$DIR/check" || fail "$(cat "$DIR/check")"
        spawn pg-cdc --name "$NAME" -t "$NAME.t" --heartbeat 0.1 "$URL" >"$DIR/out" 2>"$DIR/err"
        pid=$SPAWNED
        wait_for_match "$DIR/err" "cannot list the tables: table $NAME.t is locked by pid $HOLDER .*trying again"
        status=0
        t cdc-snapshot --retry-max 0 --name "$NAME" -t "$NAME.t" --state-dir "$STATE" "$URL" 2>"$DIR/snapshot" || status=$?
        is "exit status of a snapshot" 75 $status
        grep -q "table $NAME.t is locked by pid $HOLDER" "$DIR/snapshot" || fail "$(cat "$DIR/snapshot")"
        let_go
        wait_for_match "$DIR/err" 'created slot'
        sql "insert into $NAME.t values (1)"
        wait_for_match "$DIR/out" '"after":{"id":1}'
        kill -TERM "$pid"
        status_of "$pid"
        drop_slots
    else
        is "exit status of --check" 0 $status
        let_go
        # A snapshot locks it against rewrites. Its slot is made already: that would wait for the transaction, too.
        status=0
        t cdc-snapshot --retry-max 0 --name "$NAME" -t "$NAME.t" --state-dir "$STATE" "$URL" 2>"$DIR/snapshot" >/dev/full || status=$?
        is "exit status of a first attempt" 74 $status
        holds_table "access exclusive"
        status=0
        t cdc-snapshot --retry-max 0 --name "$NAME" -t "$NAME.t" --state-dir "$STATE" "$URL" 2>"$DIR/snapshot" >"$DIR/out" || status=$?
        is "exit status of a snapshot" 75 $status
        grep -q "cannot lock a table against changes of its form: table $NAME.t is locked by pid $HOLDER (postgres, idle in transaction" "$DIR/snapshot" || fail "$(cat "$DIR/snapshot")"
        let_go
        t cdc-snapshot --retry-max 0 --name "$NAME" -t "$NAME.t" --state-dir "$STATE" "$URL" 2>"$DIR/snapshot" >"$DIR/out"
        grep -q '"op":"commit"' "$DIR/out"
        drop_slots
    fi
    # To be published, the table must not be locked by a CREATE INDEX CONCURRENTLY either.
    sql "drop publication cdc_$NAME"
    holds_table "share update exclusive"
    status=0
    t pg-cdc --retry-max 0 --name "$NAME" -t "$NAME.t" --until now "$URL" 2>"$DIR/err" >"$DIR/out" || status=$?
    is "exit status" 75 $status
    grep -q "cannot create the publication: table $NAME.t is locked by pid $HOLDER" "$DIR/err" || fail "$(cat "$DIR/err")"
    is "publications left behind" 0 "$(sql "select count(*) from pg_publication where pubname = 'cdc_$NAME'")"
    let_go
    t pg-cdc --retry-max 0 --name "$NAME" -t "$NAME.t" --until now "$URL" >"$DIR/out"
}

@test "a server that hangs inside a question or a table's rows is not waited for: 69; one with a lock to wait for is" {
    other_server
    on "create publication cdc_p for table t"
    hold pg_publication # for tables nobody waits that long
    spawn cdc-snapshot --retry-max 0 --name p --offset-file "$DIR/o" "$OTHER_URL&connect_timeout=1" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED status=0
    wait_until waits_for_lock
    pause_ms 12000
    kill -0 "$pid"
    freeze
    status_of "$pid" || status=$?
    is "exit status" 69 "$status"
    grep -q 'no answer from the server for [0-9]* s, and it takes no new connection' "$DIR/err" || fail "$(cat "$DIR/err")"
    thaw
    kill -INT "$HOLDER"
}

is_streaming() { [ "$(on "select count(*) from pg_stat_replication where state = 'streaming'")" = 1 ]; }
@test "a walsender that is silent is left alone as long as the server has it" {
    other_server "wal_sender_timeout = 1s"
    spawn pg-cdc --name p --heartbeat 0 -t public.t "$OTHER_URL&connect_timeout=1" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED sender
    wait_for_match "$DIR/err" 'created slot'
    wait_until is_streaming # one that is stopped before holds up the start
    sender=$(on "select pid from pg_stat_replication")
    kill -STOP "$sender"
    FROZEN=("$sender")
    wait_for_match "$DIR/err" 'has sent nothing for [0-9]* s, and is at work'
    on "insert into t values (5000, 'after')"
    thaw
    wait_for_match "$DIR/out" '"id":5000'
    is "walsender" "$sender" "$(on "select pid from pg_stat_replication")"
    ! grep -q 'trying again' "$DIR/err" || fail "$(cat "$DIR/err")"
    # A server that hangs as a whole is left.
    freeze
    wait_for_match "$DIR/err" 'the server is silent for [0-9]* s'
    thaw
    on "insert into t values (5001, 'later')"
    wait_for_match "$DIR/out" '"id":5001'
    kill -TERM "$pid"
    status_of "$pid"
}

@test "the same through a pooler, which has process numbers of its own" {
    other_server "wal_sender_timeout = 1s"
    mkdir "$DIR/liar"
    spawn python3 "$LIB/postgres-liar.py" "$DIR/liar" "$OTHER/.s.PGSQL.5432" pooler
    wait_until test -s "$DIR/liar/port"
    spawn pg-cdc --name p --heartbeat 0 -t public.t "postgresql://postgres@127.0.0.1:$(cat "$DIR/liar/port")/postgres?sslmode=disable&gssencmode=disable" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED sender
    wait_for_match "$DIR/err" 'created slot'
    wait_until is_streaming # one that is stopped before holds up the start
    sender=$(on "select pid from pg_stat_replication")
    kill -STOP "$sender"
    FROZEN=("$sender")
    wait_for_match "$DIR/err" 'has sent nothing for [0-9]* s, and is at work'
    on "insert into t values (5000, 'after')"
    thaw
    wait_for_match "$DIR/out" '"id":5000'
    is "walsender" "$sender" "$(on "select pid from pg_stat_replication")"
    kill -TERM "$pid"
    status_of "$pid"
}

# The position stays the same all the time: there is nothing to read, and no heartbeat.
@test "a proxy that cuts each connection soon, and a server that is crashed by others: it goes on when that ends, and is no crash of its own" {
    other_server "restart_after_crash = on"
    spawn python3 "$LIB/distant.py" "$DIR/port" 0 "$OTHER/.s.PGSQL.5432"
    local proxy=$SPAWNED pid sender i
    wait_until test -s "$DIR/port"
    spawn pg-cdc --name p --heartbeat 0 --offset-file "$DIR/own" -t public.t "postgresql://postgres@127.0.0.1:$(cat "$DIR/port")/postgres?sslmode=disable&gssencmode=disable" 2>"$DIR/err" >"$DIR/out"
    pid=$SPAWNED
    for i in 1 2 3 4; do
        wait_until is_streaming
        sender=$(on "select pid from pg_stat_replication")
        kill -USR1 "$proxy"
        wait_until eval '[ "$(on "select count(*) from pg_stat_replication where pid = $sender")" = 0 ]'
    done
    wait_until is_streaming
    on "insert into t values (4000, 'between')"
    wait_for_match "$DIR/out" '"id":4000' # it waits no longer than at first from here on
    for i in 1 2 3 4; do
        wait_until is_streaming
        sender=$(on "select pid from pg_stat_replication")
        PGHOST=$OTHER PGUSER=postgres spawn psql -Xq -d postgres -c "select pg_backend_pid()" -c "select pg_sleep(600)" >"$DIR/victim" 2>&1
        wait_until grep -q '[0-9]' "$DIR/victim"
        kill -KILL "$(grep -m 1 -o '[0-9][0-9]*$' "$DIR/victim")"
        wait_until eval '[ "$(on "select count(*) from pg_stat_replication where pid = $sender" 2>/dev/null)" = 0 ]'
    done
    wait_until is_streaming
    on "insert into t values (5000, 'after')"
    wait_for_match "$DIR/out" '"id":5000'
    kill -TERM "$pid"
    status_of "$pid"
}

@test "a snapshot killed while its slot is made: the next one waits for that, and the copy is the source" {
    other_server "max_prepared_transactions = 2"
    on "begin; insert into t values (9000, 'p'); prepare transaction 'old'"
    spawn cdc-snapshot --name p -t public.t --state-dir "$DIR/s" "$OTHER_URL" >"$DIR/lines" 2>"$DIR/err"
    local pid=$SPAWNED
    wait_until eval '[ "$(on "select count(*) from pg_replication_slots where active and confirmed_flush_lsn is null")" = 1 ]'
    kill -KILL "$pid"
    wait_until gone "$pid"
    # the server goes on making the slot
    is "slots" 1 "$(on "select count(*) from pg_replication_slots where active")"
    local status=0
    t cdc-snapshot --name p -t public.t --state-dir "$DIR/s" --retry-max 1 "$OTHER_URL" >"$DIR/lines" 2>"$DIR/err" || status=$?
    is "exit status" 75 "$status" || fail "$(cat "$DIR/err")"
    is "lines" "" "$(cat "$DIR/lines")"
    grep -q 'slot "cdc_p" is still being made for a run before this one' "$DIR/err" || fail "$(cat "$DIR/err")"
    on "insert into t values (9001, 'between')"
    on "commit prepared 'old'"
    wait_until eval '[ "$(on "select count(*) from pg_replication_slots where active")" = 0 ]'
    on "insert into t values (9002, 'later')"
    t bash -o pipefail -c "{ cdc-snapshot --name p -t public.t --state-dir '$DIR/s' '$OTHER_URL' && pg-cdc --until now --name p -t public.t --state-dir '$DIR/s' '$OTHER_URL'; } 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$DIR/s' '$DIR/copy.db' 2>>'$DIR/err'" || fail "$(cat "$DIR/err")"
    is "copy" "$(on "select id || ' ' || v from t order by id" | sha256sum)" "$(sqlite3 "$DIR/copy.db" "select id || ' ' || v from t order by id" | sha256sum)"
    is "of then" "p,between,later" "$(sqlite3 "$DIR/copy.db" "select v from t where id >= 9000 order by id" | paste -sd,)"
}

# meanwhile STATEMENTS: a snapshot of a and u, whose transaction is there when they are run, and its locks are not.
meanwhile() {
    local line="cdc-snapshot --name p -t public.a -t public.u --state-dir '$DIR/s' '$OTHER_URL'" pid status=0
    # the slot is there after a first attempt that was broken off: it would wait for the lock, too
    run t bash -c "$line 2>>'$DIR/err' | head -n 1 | cdc-sink-sqlite --state-dir '$DIR/s' '$DIR/copy.db'"
    PGHOST=$OTHER PGUSER=postgres spawn psql -Xq -d postgres -c "begin; lock table a in access exclusive mode; select pg_sleep(600)"
    wait_until eval '[ "$(on "select count(*) from pg_locks where mode = '"'AccessExclusiveLock'"' and granted and relation = '"'a'::regclass"'")" = 1 ]'
    spawn_line "$line 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$DIR/s' '$DIR/copy.db' 2>>'$DIR/err'"
    pid=$SPAWNED
    wait_until waits_for_lock
    on "$1"
    on "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()" >/dev/null
    status_of "$pid" || status=$?
    is "exit status" 0 "$status" || fail "$(cat "$DIR/err")"
}

# As tools do that change a table beside the application: a new one is filled, and takes the name.
@test "a table that another one takes the name of, while the snapshot waits for a lock: the snapshot begins again" {
    other_server
    on "create table a (id int primary key); create table u (id int primary key, v text); insert into u values (1, 'old'); create table u_new (like u including all); create publication cdc_p for all tables"
    meanwhile "insert into u_new select id, 'new' from u; alter table u rename to u_old; alter table u_new rename to u"
    is "copy" "1 new" "$(sqlite3 "$DIR/copy.db" "select id || ' ' || v from u")" || fail "$(cat "$DIR/err")"
    grep -q 'table public.u was rewritten, renamed or dropped since the snapshot was taken' "$DIR/err" || fail "$(cat "$DIR/err")"
}

@test "rows that are moved from one partition to a new one, while the snapshot waits for a lock: the snapshot begins again" {
    other_server
    on "create table a (id int primary key); create table u (id int primary key, v text) partition by range (id); create table u_1 partition of u for values from (0) to (100); insert into u values (1, 'one'), (2, 'two'); create publication cdc_p for table a, u with (publish_via_partition_root)"
    meanwhile "begin; alter table u detach partition u_1; create table u_2 (like u including all); insert into u_2 select * from u_1; drop table u_1; alter table u attach partition u_2 for values from (0) to (100); commit"
    is "copy" "1 one,2 two" "$(sqlite3 "$DIR/copy.db" "select id || ' ' || v from u order by id" | paste -sd,)" || fail "$(cat "$DIR/err")"
    grep -q 'table public.u got a partition that has rows since the snapshot was taken' "$DIR/err" || fail "$(cat "$DIR/err")"
}

# The commit is in the log, and nobody sees it before the standby has it.
hidden_commit() { PGHOST=$OTHER PGUSER=postgres PGOPTIONS='-c synchronous_commit=on' spawn psql -Xq -d postgres -c "begin; $1; commit" 2>/dev/null; }
# Longer than a commit takes by itself.
asks_on() { [ "$(on "select count(*) from pg_stat_activity where query like '%()::text AS xids%' and pid <> pg_backend_pid() and now() - backend_start > interval '$1 s'")" != 0 ]; }
seen_at_last() { on "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'" >/dev/null; }
changes() { jq -r 'select(.op == "c") | "\(.source.table) \(.key) \(.after)"' "$@"; }

@test "a table that is made in a commit which waits for a synchronous standby: its key and types are waited for" {
    other_server "synchronous_standby_names = 'nobody'" "synchronous_commit = local"
    spawn pg-cdc --name p -t 'public.*' --ack stdout "$OTHER_URL" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED
    wait_for_match "$DIR/err" 'created slot'
    hidden_commit "create domain n as int; create table made (id int primary key, a n[], b int not null); alter table made replica identity full; insert into made values (1, '{1,2}', 3)"
    wait_until asks_on 6
    seen_at_last
    wait_for_match "$DIR/out" '"op":"commit"'
    kill -TERM "$pid"
    status_of "$pid"
    is "columns" 'id:false a:true b:false key id' "$(jq -r 'select(.op == "schema") | ([.columns[] | "\(.name):\(.nullable)"] | join(" ")) + " key " + (.key_columns | join(","))' "$DIR/out")"
    is "line" 'made {"id":1} {"id":1,"a":[1,2],"b":3}' "$(changes "$DIR/out")"
}

@test "a table that is made in such a commit: no line that lacks its key when the program is stopped meanwhile" {
    other_server "synchronous_standby_names = 'nobody'" "synchronous_commit = local"
    local line=(pg-cdc --name p -t 'public.*' --offset-file "$DIR/o" "$OTHER_URL")
    spawn "${line[@]}" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED
    wait_for_match "$DIR/err" 'created slot'
    hidden_commit "create table keyed (id int primary key, a text); alter table keyed replica identity full; insert into keyed values (7, 'x')"
    wait_until asks_on 0
    kill -TERM "$pid"
    local status=0
    status_of "$pid" || status=$?
    is "status" 75 $status
    is "lines" '' "$(changes "$DIR/out")"
    spawn "${line[@]}" 2>"$DIR/err" >>"$DIR/out"
    pid=$SPAWNED
    wait_until asks_on 0
    seen_at_last
    wait_for_match "$DIR/out" '"op":"commit"'
    kill -TERM "$pid"
    status_of "$pid"
    is "line" 'keyed {"id":7} {"id":7,"a":"x"}' "$(changes "$DIR/out")"
}

@test "a new slot says that it waits for a prepared transaction" {
    other_server "max_prepared_transactions = 2"
    on "begin; insert into t values (9000, 'p'); prepare transaction 'forgotten'"
    spawn pg-cdc --name p -t public.t "$OTHER_URL" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED
    wait_for_match "$DIR/err" "waits for older transactions to end: prepared transaction 'forgotten' .postgres, in database postgres, for [0-9]* s)"
    on "rollback prepared 'forgotten'"
    wait_for_match "$DIR/err" 'created slot'
    kill -TERM "$pid"
    status_of "$pid"
}

@test "no connection is left for the plain session: the stream goes on, and does not take that for a shutdown" {
    sql "create table $NAME.t (id int primary key); create role low_$NAME login replication; grant usage on schema $NAME to low_$NAME; create publication cdc_$NAME for table $NAME.t"
    spawn pg-cdc --name "$NAME" --heartbeat 1 "host=$CDC_PG_DIR dbname=$DATABASE user=low_$NAME" 2>"$DIR/err" >"$DIR/out"
    local pid=$SPAWNED
    wait_for_match "$DIR/err" 'created slot'
    sql "insert into $NAME.t values (1)"
    wait_for_match "$DIR/out" '"id":1'
    sql "alter role low_$NAME connection limit 0; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'low_$NAME' and backend_type = 'client backend'" >/dev/null
    run -69 t pg-cdc --name "$NAME" --retry-max 0 --until now "host=$CDC_PG_DIR dbname=$DATABASE user=low_$NAME"
    [[ $output == *"too many connections"* ]] || fail "$output"
    # Longer than a server that shuts down is given.
    pause_ms 5000
    sql "insert into $NAME.t values (2)"
    wait_for_match "$DIR/out" '"id":2'
    ! grep -qE 'shutting down|trying again' "$DIR/err" || fail "$(cat "$DIR/err")"
    kill -TERM "$pid"
    status_of "$pid"
    drop_slots
    sql "drop publication cdc_$NAME; drop owned by low_$NAME; drop role low_$NAME"
}

@test "more tables than the server has locks for: 78, with the cure; a snapshot without a row says so" {
    other_server "max_locks_per_transaction = 10" "max_connections = 10" "max_wal_senders = 2" "max_replication_slots = 2" "autovacuum = off" "max_prepared_transactions = 0"
    on "do \$\$ begin for i in 1..800 loop execute format('create table many_%s (id int primary key)', i); if i % 20 = 0 then commit; end if; end loop; end \$\$"
    run -78 t cdc-snapshot --retry-max 0 --name p --offset-file "$DIR/o" "$OTHER_URL"
    [[ $output == *"out of shared memory"*"max_locks_per_transaction"* ]] || fail "$output"
    t pg-cdc -q --drop --name p "$OTHER_URL"
    t cdc-snapshot --name q -t public.many_1 --offset-file "$DIR/q" "$OTHER_URL" 2>"$DIR/err" >"$DIR/out"
    grep -q 'warning: the snapshot of "q" is empty: no row in 1 table' "$DIR/err" || fail "$(cat "$DIR/err")"
}

# Changes of t in $DIR/out.
has_row() { grep -q "\"op\":\"c\".*\"v\":\"$1\"" "$DIR/out"; }
# goes_on_beside_lock TABLE: somebody holds that table while another table is made, which has the tables looked at.
goes_on_beside_lock() {
    PGOPTIONS="-c client_connection_check_interval=200" PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -Xq -d "$DATABASE" -c "begin; lock table $NAME.$1 in access exclusive mode; select pg_sleep(600)"
    wait_until eval '[ "$(sql "select count(*) from pg_locks where granted and mode = '"'AccessExclusiveLock'"' and relation = '"'$NAME.$1'"'::regclass")" = 1 ]'
    sql "create table $NAME.new_$1 (id int primary key)"
    wait_until eval '[ "$(sql "select count(*) from pg_locks where not granted")" != 0 ] || [ "$(sql "select count(*) from pg_stat_activity where query ~ '"'pg_publication_tables|lock_timeout|pubtruncate|pubviaroot'"' and pid <> pg_backend_pid()")" != 0 ]'
    sql "insert into $NAME.t values (default, 'beside $1'); insert into $NAME.new_$1 values (1)"
    wait_until has_row "beside $1"
    wait_until grep -q "\"table\":\"new_$1\"" "$DIR/out"
    kill -KILL -- "-$SPAWNED"
    wait "$SPAWNED" 2>/dev/null || true
}

@test "a table that somebody holds locked, or a partition, does not hold up the lines of the others" {
    sql "create table $NAME.t (id serial primary key, v text); create table $NAME.held (id int primary key)
        ; create table $NAME.root (id int primary key) partition by range (id); create table $NAME.leaf partition of $NAME.root for values from (0) to (9)"
    spawn pg-cdc --name "$NAME" --heartbeat 0.1 "$URL" >"$DIR/out" 2>"$DIR/err"
    wait_until grep -q '"op":"heartbeat"' "$DIR/out"
    goes_on_beside_lock held
    goes_on_beside_lock leaf
}

@test "a database that takes no connections for a while: 69, which is tried again" {
    sql "create table $NAME.t (id int primary key)"
    DATABASE=postgres sql "alter database $DATABASE allow_connections false"
    run t pg-cdc --name "$NAME" -t "$NAME.t" --retry-max 0 --until now "$URL"
    DATABASE=postgres sql "alter database $DATABASE allow_connections true"
    is "status" 69 "$status"
    grep -q "not currently accepting connections" <<<"$output" || fail "$output"
    t pg-cdc --name "$NAME" -t "$NAME.t" --ack=stdout --until now "$URL"
}
