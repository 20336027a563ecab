#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Servers that are not what they should be, and files that somebody has planted.
# takes: 80 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/postgres
load lib/lines

setup_file() {
    mysql_available || return 0
    mysql_start
    msql "create database shop; create table shop.t (id int primary key, v varchar(20)); insert into shop.t values (1, 'x'), (2, 'y')"
}
teardown_file() { mysql_end; }
setup() { DIR=$BATS_TEST_TMPDIR; }
teardown() {
    end_spawned
    [ -z "${PG_DIR:-}" ] || { pg_down "$PG_DIR" immediate; rm -rf "$PG_DIR"; }
}

# thief HOW: a server that wants the password; its port in $PORT, what it got in $DIR/record.
thief() {
    rm -f "$DIR/port"
    : >"$DIR/record"
    spawn python3 "$LIB/password-thief.py" "$DIR/port" "$DIR/record" "$1"
    wait_until test -s "$DIR/port"
    PORT=$(cat "$DIR/port")
}
end_thief() { end_spawned 2>/dev/null || true; }
# exits STATUS COMMAND...: messages in $DIR/err.
exits() {
    local expected=$1 status=0
    shift
    t "$@" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "exit status of $*" "$expected" "$status" || { cat "$DIR/err"; return 1; }
}
# The tool has asked, and the thief has nothing of it.
empty_handed() { not grep -qa "$MYSQL_PASSWORD" "$DIR/record"; }
binlog() { exits "$1" mysql-binlog -q --retry-max 0 --start now --until now "mysql://cdc:$MYSQL_PASSWORD@127.0.0.1:$PORT/${2:-}"; }

@test "MySQL without TLS: no plugin and no key from the wire gets the password" {
    local plugin
    for plugin in mysql_clear_password dialog mysql_old_password sha256_password caching_sha2_password; do
        thief "$plugin"
        binlog 78
        grep -q 'without TLS' "$DIR/err"
        empty_handed
        binlog 78 '?ssl-mode=DISABLED'
        empty_handed
        end_thief
    done
}

@test "MySQL: an ssl-mode that there is not: nobody is asked for anything" {
    thief mysql_clear_password
    binlog 64 '?ssl-mode=sometimes'
    is "what was sent" "" "$(cat "$DIR/record")"
}

@test "MySQL without TLS: an RSA key of one's own wraps the password, one from the wire where that was asked for" {
    local plugin
    openssl genrsa -out "$DIR/own" 2048 2>/dev/null
    openssl rsa -in "$DIR/own" -pubout -out "$DIR/own.pub" 2>/dev/null
    for plugin in sha256_password caching_sha2_password; do
        thief "$plugin"
        binlog 78 "?server-public-key-path=$DIR/none"
        : >"$DIR/empty"
        binlog 78 "?server-public-key-path=$DIR/empty"
        is "bytes from a tool without a key" 0 "$(wc -c <"$DIR/record")"
        binlog 69 "?server-public-key-path=$DIR/own.pub"
        [ "$(wc -c <"$DIR/record")" -gt 200 ]
        empty_handed
        # It shows that the thief is one.
        binlog 69 "?get-server-public-key=true"
        grep -qa "$MYSQL_PASSWORD" "$DIR/record"
        end_thief
    done
}

@test "MySQL: no file of this machine is sent, whatever option files say" {
    thief infile
    mkdir "$DIR/home"
    printf '[client]\nlocal-infile=1\n' >"$DIR/home/.my.cnf"
    HOME=$DIR/home binlog 76
    not grep -q . "$DIR/record"
    binlog 76
    not grep -q . "$DIR/record"
}

@test "PostgreSQL without TLS: the password is not sent in clear, however the server asks for it" {
    local how
    for how in postgres postgres-early postgres-later; do
        thief $how
        local status=78
        [ $how != postgres-early ] || status=76 # it has answered before it was asked
        exits $status pg-cdc -q --retry-max 0 --until now "postgresql://u:$MYSQL_PASSWORD@127.0.0.1:$PORT/d"
        PGPASSWORD=$MYSQL_PASSWORD exits 78 pg-cdc -q --retry-max 0 --until now "postgresql://u@127.0.0.1:$PORT/d?sslmode=disable&gssencmode=disable"
        grep -q 'in clear' "$DIR/err"
        empty_handed
        end_thief
    done
}

# -- answers -----------------------------------------------------------------------------------------

# liar HOW [NUMBER]: between the tool and the server; lies in the NUMBER-th answer with rows. Its port in $PORT.
liar() {
    rm -rf "$DIR/liar"
    mkdir "$DIR/liar"
    spawn python3 "$LIB/mysql-liar.py" "$DIR/liar" "$(cat "$(mysql_dir)/port")" "$@"
    wait_until test -s "$DIR/liar/port"
    PORT=$(cat "$DIR/liar/port")
}
stream() { t mysql-binlog -q --retry-max 0 --start oldest --until now "mysql://cdc:$MYSQL_PASSWORD@127.0.0.1:$PORT/shop" >"$DIR/out" 2>"$DIR/err"; }
check() { t mysql-binlog -q --check "mysql://cdc:$MYSQL_PASSWORD@127.0.0.1:$PORT/shop" >"$DIR/out" 2>"$DIR/err"; }
# A status of ours, and none of a crash, a bug or a wait without an end.
decent() {
    case $1 in 0 | 65 | 69 | 7[5-9]) ;; *) fail "$2: exit status $1: $(cat "$DIR/err")" ;; esac
    not grep -qE 'Sanitizer|runtime error' "$DIR/err"
}
# Of so many answers each fifth is a lie once, or all with CDC_HOSTILE_STEP=1: lies TOOL HOW ANSWERS.
lies() {
    local number status
    for ((number = 1; number <= $3; number += ${CDC_HOSTILE_STEP:-5})); do
        liar "$2" "$number"
        status=0
        "$1" || status=$?
        decent $status "$1, $2, answer $number"
        end_thief
    done
}

# bats test_tags=only:mariadb
@test "MySQL: an answer full of NULLs, with one column, without rows: an exit status, never a crash" {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    local tool how n
    for tool in stream check; do
        liar nothing
        "$tool" || [ $tool = check ] || fail "$(cat "$DIR/err")"
        n=$(cat "$DIR/liar/answers")
        [ "$n" -gt 5 ] || fail "only $n answers"
        end_thief
        for how in nulls narrow empty damaged; do lies $tool $how "$n"; done
    done
}

# bats test_tags=only:mariadb
@test "MySQL: an answer that is empty is no reset of the log, and after one that is damaged nobody waits: never 79, and 76" {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    local number status url answers columns
    url="mysql://cdc:$MYSQL_PASSWORD@127.0.0.1"
    resume() { LIMIT=30 t mysql-binlog -q --retry-max 0 --name resumed --offset-file "$DIR/p" --until now "$url:$PORT/shop" >"$DIR/out" 2>"$DIR/err"; }
    PORT=$(cat "$(mysql_dir)/port")
    resume
    cp "$DIR/p" "$DIR/kept"
    msql "insert into shop.t values (3, 'z')"
    # Which answers there are, and to what.
    liar nothing
    rm -f "$DIR/p.schema"
    resume || fail "$(cat "$DIR/err")"
    end_thief
    answers=$(cat "$DIR/liar/answers")
    columns=$(grep -nai 'select.* from information_schema\.columns' "$DIR/liar/questions" | cut -d : -f 1 | xargs)
    [ -n "$columns" ] || fail "nobody asked for columns: $(cat "$DIR/liar/questions")"
    for ((number = 1; number <= answers; number++)); do
        cp "$DIR/kept" "$DIR/p"
        liar empty "$number"
        status=0
        resume || status=$?
        [[ $status =~ ^(0|76|78)$ ]] || fail "answer $number, empty: exit status $status: $(cat "$DIR/err")"
        end_thief
    done
    # The columns of a table are asked for between START TRANSACTION and ROLLBACK. Other questions about columns are for warnings.
    for number in $columns; do
        cp "$DIR/kept" "$DIR/p"
        rm -f "$DIR/p.schema"
        liar damaged "$number"
        status=0
        resume || status=$?
        [[ $status =~ ^(0|76)$ ]] || fail "answer $number, damaged: exit status $status: $(cat "$DIR/err")"
        [ $status = 0 ] || grep -o "cannot read the columns of a table: the server's answer cannot be read" "$DIR/err" >>"$DIR/asked" || true
        end_thief
    done
    [ -s "$DIR/asked" ] || fail "no answer on columns was damaged: $(cat "$DIR/liar/questions")"
}

# bats test_tags=only:mariadb
@test "MySQL: an answer without an end is exit 76, with bounded memory" {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    # The third: the server's version comes first.
    liar endless 3
    (
        ulimit -v 4000000
        LIMIT=120 stream
    ) || is status 76 $?
    grep -q 'no end' "$DIR/err"
}

# bats test_tags=only:mariadb
@test "MySQL: a row with a value that its type cannot have ends the copy with 76, and is not written" {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    msql "create database days; create table days.d (id int primary key, at date); insert into days.d values (1, '2026-10-20'), (2, '2026-11-21')"
    local how status
    for how in nothing month; do
        liar $how
        status=0
        t cdc-snapshot -q --name days --retry-max 0 --state-dir "$DIR/state-$how" "mysql://cdc:$MYSQL_PASSWORD@127.0.0.1:$PORT/days" >"$DIR/out" 2>"$DIR/err" || status=$?
        end_thief
        [ $how = month ] || { is "exit status" 0 $status && is rows 2 "$(grep -c '"op":"r"' "$DIR/out")" || { cat "$DIR/err"; return 1; }; }
    done
    is "exit status" 76 $status || { cat "$DIR/err"; return 1; }
    grep -q 'table days\.d: column at' "$DIR/err"
    is "row 2" "" "$(jq -c 'select(.op == "r" and .key.id == 2)' "$DIR/out")"
}

# postgres_liar HOW [NUMBER]: the same before the PostgreSQL server in $PG_DIR.
postgres_liar() {
    rm -rf "$DIR/liar"
    mkdir "$DIR/liar"
    spawn python3 "$LIB/postgres-liar.py" "$DIR/liar" "$PG_DIR/.s.PGSQL.5432" "$@"
    wait_until test -s "$DIR/liar/port"
    PORT=$(cat "$DIR/liar/port")
}
pg_tool() { (ulimit -v 2000000 && exec timeout 200 "$@" "postgresql://postgres@127.0.0.1:$PORT/postgres") >"$DIR/out" 2>"$DIR/err"; }

@test "PostgreSQL: an answer without an end is exit 76, with bounded memory, and so is a COPY in its place" {
    local how status answers
    PG_DIR=$(test_folder)
    pg_start "$PG_DIR"
    DATABASE=postgres sql "create table t (id int primary key); insert into t values (1)"
    postgres_liar nothing
    pg_tool cdc-snapshot -q --name p --retry-max 0 --state-dir "$DIR"
    pg_tool pg-cdc -q --name p --retry-max 0 --until now --state-dir "$DIR"
    answers=$(cat "$DIR/liar/answers")
    [ "$answers" -gt 15 ] || fail "only $answers answers"
    end_thief
    for how in rows thin results notices settings notifications; do
        postgres_liar $how 3
        status=0
        pg_tool pg-cdc -q --name p --retry-max 0 --until now --state-dir "$DIR" || status=$?
        is "exit status with $how" 76 $status || { cat "$DIR/err"; return 1; }
        grep -q 'no end' "$DIR/err"
        end_thief
    done
    # Whoever asks the next question on that session must not wait for the end of the COPY.
    for how in 2 5 8; do
        postgres_liar copy $how
        status=0
        pg_tool pg-cdc -q --name p --retry-max 0 --until now --state-dir "$DIR" || status=$?
        is "exit status, a COPY for answer $how" 76 $status || { cat "$DIR/err"; return 1; }
        end_thief
    done
}

@test "PostgreSQL: tables without an end are forgotten between transactions, and refused inside one" {
    local status=0
    PG_DIR=$(test_folder)
    pg_start "$PG_DIR"
    DATABASE=postgres sql "create table t (id int primary key)"
    postgres_liar relations 300
    pg_tool pg-cdc -q --name p -t public.t --until now --state-dir "$DIR" --ack=stdout || fail "$(cat "$DIR/err")"
    spawn bash -c "ulimit -v 2000000; exec pg-cdc -v --name p -t public.t --heartbeat 0.1 --state-dir '$DIR' --ack=stdout 'postgresql://postgres@127.0.0.1:$PORT/postgres' >'$DIR/lines' 2>'$DIR/err'"
    local pid=$SPAWNED
    for id in 1 2 3; do
        DATABASE=postgres sql "insert into t values ($id)"
        wait_until grep -q "\"after\":{\"id\":$id}" "$DIR/lines"
        wait_until eval '[ "$(grep -c "connecting anew: many tables" "$DIR/err")" -ge '$id' ]'
    done
    kill -TERM "$pid"
    status_of "$pid"
    is "rows, each once" "1 2 3" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/lines" | xargs)"
    not grep -q 'trying again' "$DIR/err"
    end_thief
    postgres_liar relations 1100
    DATABASE=postgres sql "insert into t values (4)"
    pg_tool pg-cdc -q --name p -t public.t --until now --state-dir "$DIR" --ack=stdout || status=$?
    is "exit status" 76 $status || { cat "$DIR/err"; return 1; }
    grep -q 'describes tables without an end' "$DIR/err"
}

@test "PostgreSQL: the session that exports a slot's snapshot ends too early: the next attempt reads the rows" {
    PG_DIR=$(test_folder)
    pg_start "$PG_DIR"
    DATABASE=postgres sql "create table t (id int primary key); insert into t values (1), (2)"
    postgres_liar cut-export
    pg_tool cdc-snapshot --name p --retry-max 3 --state-dir "$DIR" || fail "$(cat "$DIR/err")"
    grep -q 'trying again' "$DIR/err"
    is "rows" "1 2" "$(jq -r 'select(.op == "r") | .after.id' "$DIR/out" | xargs)"
    # In a run that is not quiet, what it says of them is so.
    grep -q 'is written: 2 rows of 1 table' "$DIR/err" || fail "$(cat "$DIR/err")"
    not grep -q 'is empty' "$DIR/err"
}

@test "PostgreSQL: a server without memory for a process passes by itself, and a pooler that has no server; one that never ends its greeting does not" {
    PG_DIR=$(test_folder)
    pg_start "$PG_DIR"
    postgres_liar no-fork
    local status=0
    pg_tool pg-cdc -q --name p --retry-max 0 --until now || status=$?
    is "exit status" 69 $status || { cat "$DIR/err"; return 1; }
    grep -q 'could not fork' "$DIR/err"
    end_thief
    postgres_liar no-server
    status=0
    pg_tool pg-cdc -q --name p --retry-max 0 --until now || status=$?
    is "exit status" 69 $status || { cat "$DIR/err"; return 1; }
    grep -q 'query_wait_timeout' "$DIR/err"
    end_thief
    postgres_liar greeting
    status=0
    pg_tool pg-cdc -q --name p --retry-max 0 --until now || status=$?
    is "exit status" 76 $status || { cat "$DIR/err"; return 1; }
}

# -- files -------------------------------------------------------------------------------------------

# Three rows and their commit, as $DIR/lines.
rows() { { schema id id:integer; for id in 1 2 3; do change c "{\"id\":$id}" null "{\"id\":$id}"; done; commit; } >"$DIR/lines"; }
sink() { exits "$1" cdc-sink-sqlite -q "${@:2}" <"$DIR/lines"; }
stored() { is "rows in $1" 3 "$(sqlite3 "$1" 'select count(*) from t')"; }

@test "files of ours: no link leads out of the folder, no FIFO blocks" {
    rows
    mkdir "$DIR/victim" "$DIR/state"
    cd "$DIR/state"
    echo keep >"$DIR/victim/profile"

    ln -s "$DIR/victim/login" a.offset.lock
    sink 78 a
    grep -q link "$DIR/err"
    ln -s "$DIR/victim/profile" dead
    echo bad | exits 78 cdc-sink-sqlite -q --on-error dead-letter --dead-letter dead b
    grep -q link "$DIR/err"
    is "the file that the link leads to" keep "$(cat "$DIR/victim/profile")"
    ln -s "$DIR/victim/copy" c
    sink 78 c
    # What is only in the way goes.
    ln -s "$DIR/victim/profile" d.offset.tmp
    ln -s "$DIR/victim/profile" d.prom.tmp
    sink 0 --metrics-file d.prom d
    stored d
    is "the file that the link leads to" keep "$(cat "$DIR/victim/profile")"
    mkfifo e.offset.tmp
    sink 0 e
    stored e

    mkfifo f.offset.lock g.offset h dead-fifo
    sink 78 f
    sink 78 g
    sink 78 h
    echo bad | exits 78 cdc-sink-sqlite -q --on-error dead-letter --dead-letter dead-fifo i
    local file
    for file in j.moves k.indexes; do
        mkfifo "$file"
        exits 78 cdc-sink-http -q --elasticsearch --retry-max 0 --offset-file "${file%.*}" http://127.0.0.1:9 <"$DIR/lines"
        grep -q "\"$file\" is in the way: it is no regular file" "$DIR/err" || fail "$(cat "$DIR/err")"
        [ -p "$file" ] || fail "$file is gone"
    done
    ln -s "$DIR/victim/profile" l.moves
    exits 78 cdc-sink-http -q --elasticsearch --retry-max 0 --offset-file l http://127.0.0.1:9 <"$DIR/lines"
    [ -L l.moves ]
    is "what is in the other folder" profile "$(ls "$DIR/victim")"
}

@test "files of ours: only their owner reads them; a copy that is there keeps its mode" {
    rows
    cd "$DIR"
    umask 000
    exits 0 cdc-sink-sqlite -q --on-error dead-letter --dead-letter dead copy < <(echo bad; cat lines)
    stored copy
    : >other
    chmod 640 other
    sink 0 other
    stored other
    is modes "600 copy
600 copy.offset
600 copy.offset.lock
600 dead
640 other" "$(stat -c '%a %n' copy copy.offset copy.offset.lock dead other)"
    # While it runs, the log of the database is beside it.
    spawn_line "{ cat '$DIR/lines'; sleep 100; } | cdc-sink-sqlite -q --batch-time 50ms live"
    wait_until test -s live-wal
    is modes "600 live
600 live-shm
600 live-wal" "$(stat -c '%a %n' live live-shm live-wal)"
}
