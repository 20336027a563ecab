#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whoever locks the server while it is copied (backups: FLUSH TABLES WITH READ LOCK, BACKUP STAGE, LOCK INSTANCE FOR BACKUP, a dump):
# nobody waits for ever, and the copy is the source.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() {
    mysql_test_setup
    URL=$URL$NAME
    COPY=$DIR/copy.db
    msql "create table t (id int primary key, v int, filler varchar(200)); insert into t select n, 0, repeat('x', 200) from $(numbers 1 6000);
          create table u (id int primary key, v int); insert into u select n, 0 from $(numbers 1 3000)"
}
teardown() { mysql_test_teardown; }

# looping NAME SQL: again and again in a session each, until $DIR/stop is there; how often in $DIR/NAME.done.
looping() {
    # shellcheck disable=SC2016
    spawn bash -c 'while [ ! -e "$1/stop" ]; do mariadb "${@:4}" -e "$3" >/dev/null 2>>"$1/$2.err" && echo >>"$1/$2.done"; done' looping "$DIR" "$1" "$2" \
        --no-defaults --socket="$(mysql_dir)/socket" --user=root "$NAME"
    LOOPS+=("$SPAWNED")
}
stop_looping() {
    local pid
    touch "$DIR/stop"
    for pid in "${LOOPS[@]}"; do wait_until -t 60 gone "$pid" || fail "a session hangs: $(msql 'show full processlist')"; done
    LOOPS=()
    rm "$DIR/stop"
}
ran() { [ "$(wc -l <"$DIR/$1.done" 2>/dev/null || echo 0)" -ge "${2:-1}" ]; }
line() { { t cdc-snapshot --chunk-rows 300 --state-dir "$STATE" "$@" "$URL" && t mysql-binlog --until now --state-dir "$STATE" "$URL"; } 2>>"$DIR/err" | t cdc-sink-sqlite --state-dir "$STATE" "$COPY" 2>>"$DIR/err" || { tail -20 "$DIR/err"; return 1; }; }
more() { t mysql-binlog --until now --state-dir "$STATE" "$URL" 2>>"$DIR/err" | t cdc-sink-sqlite --state-dir "$STATE" "$COPY" 2>>"$DIR/err" || { tail -20 "$DIR/err"; return 1; }; }
same() {
    local table
    for table in t u; do
        msql -N "select id, v from $table order by id" | tr '\t' '|' >"$DIR/expected"
        sqlite3 "$COPY" "select id, v from $table order by id" | diff "$DIR/expected" - >"$DIR/differences" || fail "$table: $(head -5 "$DIR/differences")"
    done
}
# beside NAME SQL: three copies made beside that and two writers, by one session and by several.
beside() {
    local round
    LOOPS=()
    looping writer 'update t set v = v + 1 where id % 50 = floor(rand() * 50); insert into t select max(id) + 1, 0, "new" from t; delete from t where id = floor(1 + rand() * 6000)'
    looping other 'begin; update u set v = v + 1 where id < 100; update u set id = id + 100000 where id = floor(1 + rand() * 3000); do sleep(0.02); commit'
    looping "$1" "$2"
    wait_until -t 60 ran "$1"
    for round in 1 2 3; do
        rm -rf "$STATE" "$COPY"*
        mkdir "$STATE"
        line $([ $round = 2 ] || echo -j3)
    done
    wait_until -t 60 ran "$1" 3
    stop_looping
    more
    same
    ran writer 3 || fail "no rows were written: $(tail -3 "$DIR/writer.err")"
}

@test "FLUSH TABLES WITH READ LOCK beside the snapshot" {
    beside locks 'flush tables with read lock; do sleep(0.1); unlock tables; do sleep(0.05)'
}

# bats test_tags=only:mariadb
@test "BACKUP STAGE beside the snapshot, as mariadb-backup does it" {
    beside locks 'backup stage start; do sleep(0.05); backup stage flush; backup stage block_ddl; do sleep(0.05); backup stage block_commit; do sleep(0.1); backup stage end; do sleep(0.05)'
}

# bats test_tags=only:mysql
@test "LOCK INSTANCE FOR BACKUP beside the snapshot" {
    beside locks 'lock instance for backup; do sleep(0.05); flush tables with read lock; do sleep(0.1); unlock tables; unlock instance; do sleep(0.05)'
}

# bats test_tags=only:mariadb
@test "a dump with --single-transaction and the log's position beside the snapshot, and tables locked by name" {
    local dumps
    # shellcheck disable=SC2016
    spawn bash -c 'while [ ! -e "$1/stop" ]; do mariadb-dump --no-defaults --socket="$2" --user=root --single-transaction --master-data=2 --flush-logs "$3" >"$1/dump" 2>>"$1/dump.err" && echo >>"$1/dump.done"; done' dumping "$DIR" "$(mysql_dir)/socket" "$NAME"
    dumps=$SPAWNED
    beside locks 'lock tables t write, u read; do sleep(0.1); unlock tables; flush tables; do sleep(0.05)' || { touch "$DIR/stop"; return 1; }
    wait_until -t 60 ran dump 2 || fail "no dump was made: $(tail -3 "$DIR/dump.err")"
    touch "$DIR/stop"
    wait_until -t 60 gone "$dumps"
}
