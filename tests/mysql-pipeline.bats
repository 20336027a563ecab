#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The promises of the whole line from MySQL and MariaDB: no row is lost, changed or reordered, whatever is killed, restarted
# or failed over.
# takes: 120 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/opensearch
load lib/mysql-crash

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start --innodb-lock-wait-timeout=10
    mysql_start replica
}
teardown_file() { mysql_end; }
setup() {
    mysql_test_setup
    COPY=$DIR/copy.db
    COLD_ROWS=3000
    LINE=$(sqlite_line)
}
teardown() {
    MYSQL_SERVER=main
    mysql_test_teardown
    opensearch_stop
}

start_line() {
    spawn_line "$LINE"
    GROUP=$SPAWNED
}
stop_line() {
    local status=0
    wait_until -t 120 has_member "$GROUP" mysql-binlog
    kill -TERM "$(member "$GROUP" mysql-binlog)"
    status_of "$GROUP" || status=$?
    is "exit status of the line after SIGTERM to its source" 0 "$status" || { tail "$DIR/err"; return 1; }
}
# follow_by_gtid SERVER: that server becomes the replica of the one in use.
follow_by_gtid() {
    REPLICA=$1
    mysql_replicate "$1" "${MYSQL_SERVER:-main}"
}
# The server in use dies; its replica has all that it had, and takes its place.
replicated() { [ "$(MYSQL_SERVER=$REPLICA msql -N 'select n from marker' 2>/dev/null)" = "$1" ]; }
fail_over() {
    MARK=$((${MARK:-0} + 1000))
    msql "flush binary logs; update marker set n = $MARK"
    wait_until -t 300 replicated $MARK || { MYSQL_SERVER=$REPLICA msql 'show replica status\G' | grep -E 'Running|Error'; return 1; }
    mysql_kill
    MYSQL_SERVER=$REPLICA
    mysql_promote "$REPLICA"
    URL=$(mysql_url)
    LINE=$(sqlite_line)
}
# Of the statements that failed, none did for another reason than its time.
# (deadlocks and what follows from them, a lost connection, a table that is just being renamed)
traffic_was_good() { is "errors of the traffic" "" "$(grep -h ^ERROR "$DIR"/errors.* | grep -vE '^ERROR (2026|1213|1205|1305|2006|2013|2002|1053|1927|4031|1146|1062|1412)' | head -3)"; }

@test "the line copies what is there, and then every change; started again it goes on" {
    crash_tables
    start_line
    caught_up
    is "rows after the snapshot" "$((SHARED_ROWS + COLD_ROWS))" "$(copy 'select count(*) from accounts')"
    msql "update accounts set owner = 'changed' where id = 7; delete from accounts where id <= 3; update accounts set id = 20000 where id = 4; insert into accounts (id, owner, balance) values (90000, 'new', 1)"
    caught_up
    compare_copy
    stop_line
    msql "update accounts set owner = 'later' where id = 8; flush binary logs; delete from history where id < 10"
    start_line
    caught_up
    compare_copy
    stop_line
}

# CDC_CRASH_ROWS=300000 CDC_CRASH_KILLS=20 CDC_TRAFFIC_MS=240000 CDC_DDL_ROUNDS=30: the large run.
@test "everything at once, into SQLite and OpenSearch: SIGKILL for each process, DDL, rotations, a restart, a failover: both end equal" {
    local i victim ddl search
    opensearch_start
    mkdir "$STATE/search"
    MYSQL_DATABASE='' mysql_start first
    MYSQL_DATABASE='' mysql_start second
    MYSQL_SERVER=first
    MYSQL_DATABASE='' msql "create database $NAME"
    URL=$(mysql_url)
    LINE=$(sqlite_line)
    # So many that a snapshot takes a while.
    COLD_ROWS=$((CRASH_ROWS > 30000 ? CRASH_ROWS * 2 : 60000))
    follow_by_gtid second
    crash_tables
    traffic_start
    RANDOM=$CRASH_SEED
    for ((i = 0; i < CRASH_KILLS; i++)); do crash_both cdc-snapshot $((i * 13 % 200)) $((RANDOM % 50)); done
    start_line
    spawn_line "$(search_line)"
    search=$SPAWNED
    caught_up 600
    kill -KILL "$(member "$GROUP" mysql-binlog)" "$(member "$search" mysql-binlog)"
    crash_ended "$GROUP" mysql-binlog
    crash_ended "$search" mysql-binlog
    ddl_traffic "${CDC_DDL_ROUNDS:-5}" 2>"$DIR/ddl.err" 3>&- &
    ddl=$!
    SPAWNED_ALL+=("$ddl")
    for ((i = 0; i < 3 * CRASH_KILLS; i++)); do
        case $((i % 3)) in 0) victim=sink ;; 1) victim=cdc-filter ;; *) victim=mysql-binlog ;; esac
        [ "$i" != $((CRASH_KILLS * 3 / 2)) ] || restart_between
        crash_both "$victim" $((RANDOM % 700 + 20)) $((RANDOM % 400 + 20))
    done
    crash_counts
    # Lines that run while the server is restarted come back by themselves.
    start_line
    spawn_line "$(search_line)"
    search=$SPAWNED
    restart_between
    wait_until -t 600 traffic_done
    wait_until -t 120 gone "$ddl"
    is "errors of the DDL" "" "$(cat "$DIR/ddl.err")"
    traffic_was_good
    caught_up 600
    # The copies are behind when the server fails.
    kill -KILL "$(member "$GROUP" mysql-binlog)" "$(member "$search" mysql-binlog)"
    crash_ended "$GROUP" mysql-binlog
    crash_ended "$search" mysql-binlog
    CRASH_ROWS=2000 TRAFFIC_MS=3000 traffic_start 4
    wait_until -t 120 traffic_done
    fail_over
    start_line
    spawn_line "$(search_line)"
    search=$SPAWNED
    CRASH_ROWS=2000 TRAFFIC_MS=2000 traffic_start 8
    wait_until -t 120 traffic_done
    caught_up 120
    compare_copy
    stop_line
    GROUP=$search stop_line
    mysql_stop
}

# Without a key a row is only what it is: one that comes twice, or not at all, shows.
plain_traffic() {
    local i
    for ((i = 1; i <= 240; i++)); do
        echo "insert into plain values (0, 'one', null), (1, 'two', repeat('c', $i)), (2, 'one', null), (0, 'one', null), (null, null, '$((i % 7))');"
        echo "update plain set b = 'same', a = a + 1 where a = $((i % 4)) limit 4; delete from plain where a > 2 limit 2; do sleep(0.04);"
        [ $((i % 40)) != 0 ] || echo "begin; update accounts set note = 'all of $i', big = concat(coalesce(big, ''), repeat('b', 1000)) where id <= 1000; insert into plain values (0, 'big', null); commit;"
    done
}
plain_rows() { "$1" "select coalesce(a, '-'), coalesce(b, '-'), coalesce(c, '-') from plain" | tr '|' '\t' | LC_ALL=C sort; }
rows_of_source() { msql -N "$1"; }

@test "row images that are not whole, columns that the log does not name: SIGKILL for each process, rotations, large transactions: the copy ends equal" {
    local i victim metadata=MINIMAL images=(MINIMAL NOBLOB FULL)
    ! mysql_is_mariadb || metadata=NO_LOG
    TRAFFIC_MS=12000 CRASH_ROWS=3000 COLD_ROWS=3000
    MYSQL_DATABASE='' mysql_start partial --binlog-row-image=MINIMAL --binlog-row-metadata=$metadata --max-binlog-size=1M
    MYSQL_SERVER=partial
    MYSQL_DATABASE='' msql "create database $NAME"
    URL=$(mysql_url)
    LINE=$(sqlite_line)
    crash_tables
    msql "create table plain (a int, b varchar(20), c text)"
    plain_traffic >"$DIR/plain.sql"
    traffic_start
    spawn bash "$DIR/client.sh" "$DIR/plain" --no-defaults --socket="$(mysql_dir)/socket" --user=root "$NAME" 2>>"$DIR/errors.plain"
    TRAFFIC+=("$SPAWNED")
    # Under writers, but only once: a snapshot begins again with whole images alone.
    start_line
    caught_up
    kill -KILL "$(member "$GROUP" mysql-binlog)"
    crash_ended "$GROUP" mysql-binlog
    RANDOM=$CRASH_SEED
    for ((i = 0; i < 9; i++)); do
        case $((i % 3)) in 0) victim=cdc-sink-sqlite ;; 1) victim=cdc-filter ;; *) victim=mysql-binlog ;; esac
        MYSQL_DATABASE='' msql "set global binlog_row_image = ${images[i % 3]}; flush binary logs"
        start_line 2>/dev/null
        crash_hit "$GROUP" $victim $((RANDOM % 500 + 20))
        crash_ended "$GROUP" $victim
    done
    start_line
    wait_until -t 120 traffic_done
    traffic_was_good
    caught_up
    diff <(plain_rows rows_of_source) <(plain_rows copy) >"$DIR/report" || { head -20 "$DIR/report"; fail "plain: the copy differs from the source"; }
    not grep -q 'not found in it' "$DIR/err"
    msql "drop table plain"
    compare_copy
    stop_line
    mysql_stop
}

@test "a sink that is added while the source runs: exit 79, not a copy without what came before" {
    local status=0 added="cdc-sink-sqlite '$DIR/added.db' --offset-file '$STATE/cdc-sink-added.offset' 2>>'$DIR/err'"
    crash_tables
    start_line
    caught_up
    wait_for_match "$STATE/mysql-binlog-$NAME.offset" '"pos":"[0-9A-F]'
    # A sink that begins with the pipeline may be slow to come up: it gets all lines.
    sh -c "$added" </dev/null
    caught_up
    rm "$STATE"/cdc-sink-added.offset*
    stop_line
    start_line
    caught_up
    sh -c "$added" </dev/null
    status_of "$GROUP" || status=$?
    is "exit status" 79 "$status"
    grep -q 'has no position, but rows or changes were confirmed before' "$DIR/err" || fail "no message: $(tail -3 "$DIR/err")"
}

@test "killed when one of two sinks has stored something and the other nothing: exit 79, and no gap in the first" {
    msql "create table a (id int primary key)"
    local one="cdc-sink-sqlite --state-dir '$STATE' '$DIR/one.db' 2>>'$DIR/err'" two="cdc-sink-sqlite --state-dir '$STATE' --offset-file '$STATE/two.offset' '$DIR/two.db' 2>>'$DIR/err'"
    local stream="mysql-binlog --state-dir '$STATE' --heartbeat 1 '$URL' 2>>'$DIR/err'"
    sh -c "$two" </dev/null # which hangs then
    spawn_line "$stream | $one"
    wait_for_match "$STATE/cdc-sink-sqlite.offset" '"pos":"[0-9A-F]'
    msql "insert into a values (1)"
    stored() { [ "$(sqlite3 -cmd '.timeout 30000' "$DIR/one.db" 'select count(*) from a' 2>/dev/null)" = "$1" ]; }
    wait_until stored 1
    kill -KILL -- "-$SPAWNED"
    wait "$SPAWNED" || true
    msql "insert into a values (2)"
    run -79 timeout 60 bash -o pipefail -c "${stream/mysql-binlog/mysql-binlog --until now} | tee >($two) | $one"
    grep -q "the sink of .*cdc-sink-sqlite.offset. has a position, and another one of .* has none" "$DIR/err"
    # Without the second one it goes on where it was.
    rm -f "$STATE"/two.offset*
    t bash -o pipefail -c "${stream/mysql-binlog/mysql-binlog --until now} | $one"
    is "rows" 2 "$(sqlite3 "$DIR/one.db" 'select count(*) from a')"
}

@test "rotations and a restart of the server under traffic: the line comes back by itself, the copy ends equal" {
    local i
    TRAFFIC_MS=6000 CRASH_ROWS=3000
    crash_tables
    start_line
    caught_up
    traffic_start
    for i in 1 2 3; do
        pause_ms 700
        msql 'flush binary logs'
    done
    mysql_kill
    mysql_restart
    pause_ms 1000
    mysql_restart
    wait_until -t 120 traffic_done
    caught_up 120
    compare_copy
    stop_line
}

@test "a failover by GTID to a replica: the line goes on there, the copy ends equal" {
    follow_by_gtid replica
    TRAFFIC_MS=4000 CRASH_ROWS=3000
    crash_tables
    start_line
    caught_up
    traffic_start
    pause_ms 1500
    # The copy is behind when the server fails.
    kill -KILL "$(member "$GROUP" mysql-binlog)"
    status_of "$GROUP" || [ $? != 124 ]
    wait_until -t 120 traffic_done
    fail_over
    start_line
    TRAFFIC_MS=2000 traffic_start 4
    wait_until -t 120 traffic_done
    caught_up 120
    compare_copy
    # And rises on.
    is "no row twice" "" "$(grep -iE 'error' "$DIR/err" | grep -v 'trying again' || true)"
    stop_line
    MYSQL_SERVER=main
    MYSQL_DATABASE='' mysql_restart
}
