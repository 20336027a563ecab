#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The promises of the whole line from MySQL and MariaDB: no row is lost, changed or reordered, whatever is killed, restarted
# or failed over.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
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
    LINE=$(full_line)
}
teardown() { mysql_test_teardown; }

start_line() {
    spawn_line "$LINE"
    GROUP=$SPAWNED
}
stop_line() {
    local status=0
    wait_until -t 60 has_member "$GROUP" mysql-binlog
    kill -TERM "$(member "$GROUP" mysql-binlog)"
    status_of "$GROUP" 30 || status=$?
    is "exit status of the line after SIGTERM to its source" 0 "$status" || { tail "$DIR/err"; return 1; }
}
# Of the statements that failed, none did for another reason than its time.
# (deadlocks and what follows from them, a lost connection, a table that is just being renamed)
traffic_was_good() { is "errors of the traffic" "" "$(grep '^ERROR' "$DIR/traffic.err" | grep -vE '^ERROR (1213|1205|1305|2006|2013|2002|1053|1927|4031|1146|1062|1412)' | head -3)"; }

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

@test "each process killed with SIGKILL again and again, under traffic with DDL: the SQLite copy ends equal to the source" {
    local i victim
    # So many that a snapshot takes a while.
    COLD_ROWS=$((CRASH_ROWS > 30000 ? CRASH_ROWS * 2 : 60000))
    crash_tables
    traffic_start
    RANDOM=$CRASH_SEED
    for ((i = 0; i < CRASH_KILLS; i++)); do crash_once "$LINE" cdc-snapshot $((i * 13 % 200)); done
    start_line
    caught_up 120
    kill -KILL "$(member "$GROUP" mysql-binlog)"
    status_of "$GROUP" || [ $? != 124 ]
    ddl_traffic "${CDC_DDL_ROUNDS:-5}" 2>"$DIR/ddl.err" 3>&- &
    local ddl=$!
    SPAWNED_ALL+=("$ddl")
    for ((i = 0; i < 3 * CRASH_KILLS; i++)); do
        case $((i % 3)) in 0) victim=cdc-sink-sqlite ;; 1) victim=cdc-filter ;; *) victim=mysql-binlog ;; esac
        crash_once "$LINE" "$victim" $((RANDOM % 700 + 20))
    done
    echo "# killed: $(sort "$DIR/kills" | uniq -c | awk '{printf "%s%s %d times", (NR > 1 ? ", " : ""), $2, $1}')" >&3
    [ "$(grep -c cdc-snapshot "$DIR/kills")" -ge $((CRASH_KILLS < 3 ? CRASH_KILLS : 3)) ] || fail "the snapshot was too fast to be killed"
    for victim in mysql-binlog cdc-filter cdc-sink-sqlite; do
        [ "$(grep -cx "$victim" "$DIR/kills")" -ge "$CRASH_KILLS" ] || fail "too few kills hit $victim"
    done
    start_line
    wait_until -t 300 traffic_done
    wait_until -t 60 gone "$ddl"
    is "errors of the DDL" "" "$(cat "$DIR/ddl.err")"
    traffic_was_good
    caught_up 180
    compare_copy
    stop_line
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
    local port=${URL##*:}
    port=${port%/}
    if mysql_is_mariadb; then
        MYSQL_DATABASE='' MYSQL_SERVER=replica msql "change master to master_host = '127.0.0.1', master_port = $port, master_user = 'cdc', master_password = '$MYSQL_PASSWORD', master_use_gtid = slave_pos; start slave"
    else
        MYSQL_DATABASE='' MYSQL_SERVER=replica msql "change replication source to source_host = '127.0.0.1', source_port = $port, source_user = 'cdc', source_password = '$MYSQL_PASSWORD', source_auto_position = 1, get_source_public_key = 1; start replica"
    fi
    TRAFFIC_MS=4000 CRASH_ROWS=3000
    crash_tables
    start_line
    caught_up
    traffic_start
    pause_ms 1500
    # The copy is behind when the server fails.
    kill -KILL "$(member "$GROUP" mysql-binlog)"
    status_of "$GROUP" || [ $? != 124 ]
    wait_until -t 60 traffic_done
    msql 'flush binary logs; update marker set n = 1000'
    replicated() { [ "$(MYSQL_SERVER=replica msql -N 'select n from marker' 2>/dev/null)" = 1000 ]; }
    wait_until -t 60 replicated
    mysql_kill
    MYSQL_SERVER=replica
    if mysql_is_mariadb; then msql 'stop slave; reset slave all'; else msql 'stop replica; reset replica all'; fi
    URL=$(mysql_url replica)
    LINE=$(full_line)
    MARK=1000
    start_line
    TRAFFIC_MS=2000 traffic_start 4
    wait_until -t 60 traffic_done
    caught_up 120
    compare_copy
    # And rises on.
    is "no row twice" "" "$(grep -iE 'error' "$DIR/err" | grep -v 'trying again' || true)"
    stop_line
    MYSQL_SERVER=main
    MYSQL_DATABASE='' mysql_restart
}
