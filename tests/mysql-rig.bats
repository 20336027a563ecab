#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The MariaDB or MySQL server of the other suites: it starts, logs rows, restarts, and stops.
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
    mysql_start second --max-connections=50
}
teardown_file() { mysql_end; }

setting() { msql -N "select @@global.$1"; }
# As the user of the tools, by TCP, as mysql_url says.
as_cdc() {
    local url
    url=$(mysql_url "$@")
    [[ $url =~ ^mysql://([^:]+):([^@]+)@([0-9.]+):([0-9]+)/$ ]]
    MYSQL_PWD=${BASH_REMATCH[2]} mariadb --no-defaults -N --batch --protocol=tcp -u "${BASH_REMATCH[1]}" -h "${BASH_REMATCH[3]}" -P "${BASH_REMATCH[4]}" -e "$SQL"
}

@test "it is the server that was asked for" {
    version=$(msql -N 'select version()')
    echo "# $CDC_MYSQL_FLAVOR: $version" >&3
    case $CDC_MYSQL_FLAVOR in
    mariadb) [[ $version == *MariaDB* ]] ;;
    mariadb-*) [[ $version == "${CDC_MYSQL_FLAVOR#mariadb-}".*MariaDB* ]] ;;
    mysql-*) [[ $version == "${CDC_MYSQL_FLAVOR#mysql-}".* && $version != *MariaDB* ]] ;;
    esac
}

@test "rows go into the binary log, with all columns and their names" {
    is "settings" "1 ROW FULL FULL" "$(setting log_bin) $(setting binlog_format) $(setting binlog_row_image) $(setting binlog_row_metadata)"
    mysql_is_mariadb || is "gtid_mode" ON "$(setting gtid_mode)"
    msql "create database shop; create table shop.t (id int primary key, v text); insert into shop.t values (1, 'grün')"
    is "row" $'1\tgrün' "$(msql -N 'select * from shop.t')"
    is "as bytes" "6772C3BC6E" "$(msql -N 'select hex(v) from shop.t')"
    log=$(msql -N 'show binary logs' | tail -1 | cut -f1)
    msql -N "show binlog events in '$log'" >"$BATS_TEST_TMPDIR/events"
    grep -qi 'write_rows' "$BATS_TEST_TMPDIR/events"
    # What made the users is not there.
    not grep -qiE 'create user|grant' "$BATS_TEST_TMPDIR/events"
}

@test "the user of the tools logs in by TCP and may read, nobody comes in without a name" {
    is "user" "cdc@% 1" "$(SQL="select current_user(), (select count(*) from mysql.user where user = 'cdc')" as_cdc | tr '\t' ' ')"
    SQL='show binary logs' as_cdc
    SQL='flush tables with read lock; unlock tables' as_cdc
    if ! mysql_is_mariadb; then
        SQL=$(log_status) as_cdc
        is "rows of log_status" 1 "$(SQL='select count(*) from performance_schema.log_status' as_cdc)"
    fi
    is "accounts without a name" 0 "$(msql -N "select count(*) from mysql.user where user = ''")"
    not mariadb --no-defaults --protocol=tcp -h 127.0.0.1 -P "$(cat "$(mysql_dir)/port")" -u nobody -e 'select 1'
}

@test "a restart keeps rows and port; SIGKILL does not lose what was committed" {
    msql 'create database kept; create table kept.t (id int primary key); insert into kept.t values (1)'
    url=$(mysql_url)
    logs=$(msql -N 'show binary logs' | wc -l)
    mysql_restart
    is "rows" 1 "$(msql -N 'select count(*) from kept.t')"
    is "logs" $((logs + 1)) "$(msql -N 'show binary logs' | wc -l)"
    msql 'insert into kept.t values (2)'
    mysql_kill
    not mysql_running
    not msql 'select 1'
    mysql_restart --max-connections=60
    is "rows" 2 "$(msql -N 'select count(*) from kept.t')"
    is "option" 60 "$(setting max_connections)"
    is "url" "$url" "$(mysql_url)"
    mysql_stop
    not mysql_running
    mysql_restart
    mysql_running
}

@test "two servers: one replicates from the other" {
    is "server ids" "1 2" "$(setting server_id) $(MYSQL_SERVER=second setting server_id)"
    is "its option" 50 "$(MYSQL_SERVER=second setting max_connections)"
    mysql_replicate second main
    msql 'create database copied; create table copied.t (id int primary key); insert into copied.t values (1), (2)'
    copied() { [ "$(MYSQL_SERVER=second msql -N 'select count(*) from copied.t' 2>/dev/null)" = 2 ]; }
    wait_until copied
    # And logs it again, for whoever reads there.
    log=$(MYSQL_SERVER=second msql -N 'show binary logs' | tail -1 | cut -f1)
    MYSQL_SERVER=second msql -N "show binlog events in '$log'" | grep -qi write_rows
}

@test "a server that had ended by itself is noticed" {
    mysql_start third
    pid=$(cat "$(mysql_dir third)/pid")
    kill -KILL "$pid"
    wait_until mysql_ended "$pid"
    not mysql_stop third
    run mysql_start third
    [ "$status" != 0 ]
    mysql_restart third
    mysql_stop third
}
