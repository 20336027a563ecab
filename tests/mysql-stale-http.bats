#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables of MySQL and MariaDB that are read again, in an OpenSearch index: the line under a supervisor, killed, while others write.
# takes: 60 s
# shellcheck disable=SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/opensearch
load lib/mysql-stale
load lib/mysql-osc

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    opensearch_start
    mysql_start --binlog-row-metadata=FULL
}
teardown_file() {
    mysql_end
    opensearch_stop
}
setup() { mysql_test_setup; }
teardown() {
    touch "$DIR/stop" "$DIR/quiet"
    mysql_test_teardown
}

line() {
    local options="--name $NAME -t '$NAME.*' --state-dir '$STATE'"
    echo "{ cdc-snapshot --chunk-rows 20 $options '$URL' && exec mysql-binlog --heartbeat 1 $options '$URL'; } | cdc-sink-http --elasticsearch --batch-events 50 --state-dir '$STATE' $OPENSEARCH_URL"
}
rows_at() {
    msql -N "select json_object($(msql -N "select group_concat(concat('\'', column_name, '\', ', column_name)) from information_schema.columns where table_schema = '$NAME' and table_name = '$1'")) from $1" |
        jq -cS . | LC_ALL=C sort
}
# A column without a value need not be in a document.
rows_in_index() { opensearch_rows "$NAME-$1" . 2>/dev/null | jq -cS . | LC_ALL=C sort; }
same() { [ ! -e "$DIR/failed" ] || return 1; [ "$(rows_at "$1")" = "$(rows_in_index "$1")" ]; }
equal() {
    wait_until -t 90 same "$1" 2>/dev/null || {
        diff <(rows_at "$1") <(rows_in_index "$1") | head -20 >&2
        tail -30 "$DIR/err" >&2
        fail "$1 differs"
    }
}

@test "statements that change rows, under a writer, and the programs killed: the index ends as the source" {
    local i victim pid
    msql "create table t (id int primary key, a int); insert into t select n, n from $(numbers 1 300); create table u (id int primary key, b int); insert into u select n, n from $(numbers 1 300)"
    loop_start
    equal t
    writers
    for ((i = 0; i < 6; i++)); do
        msql "alter table t add column c$i int not null default $i; update t set c$i = 100 where id % 10 = $i"
        msql "alter table u add column d$i varchar(20) default 'd$i'"
        case $((i % 4)) in 0) victim=cdc-sink-http ;; 1) victim=cdc-snapshot ;; 2) victim=cdc-sink-http ;; *) victim=mysql-binlog ;; esac
        wait_until -t 5 has_member "$SUPERVISOR" "$victim" 2>/dev/null || true
        pause_ms $((i * 37 % 200))
        pid=$(member "$SUPERVISOR" "$victim")
        [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
        pause_ms 300
    done
    writers_end
    equal t
    equal u
    msql "drop database $NAME; create database $NAME; use $NAME; create table u (id int primary key, b int); insert into u values (1, 1)"
    equal u
    is "rows of a database that was dropped" "" "$(rows_in_index t)"
    not test -e "$DIR/failed"
    not grep -q "error: to be read again" "$DIR/err" # mysql-binlog has read them
    touch "$DIR/stop"
}

other_key() {
    msql "insert into $1 values (3, 40, 1)"
    equal "$1"
    msql "update $1 set v = 2 where c = 40; alter table $1 modify $2"
    equal "$1"
    msql "insert into v values ($3)"
    equal v
    wait_until has_member "$SUPERVISOR" mysql-binlog
    kill -KILL "$(member "$SUPERVISOR" mysql-binlog)"
    msql "update $1 set v = 5 where c = 10; delete from $1 where c = 20; insert into $1 values (7, 30, 3)"
    equal "$1"
}
@test "a column of a unique key that takes NULL from now on, or no more: the table has another key, and is read again" {
    msql "create table v (id int primary key);
          create table t (id int not null, c int not null, v int, unique i (id), unique j (c)); insert into t values (1, 10, 1), (2, 20, 2);
          create table u (id int, c int not null, v int, unique i (id), unique j (c)); insert into u values (1, 10, 1), (2, 20, 2)"
    loop_start
    other_key t "id int null" 1
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $(least)"
    other_key u "id int not null" 2
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    not test -e "$DIR/failed"
    touch "$DIR/stop"
}

spelled() {
    equal "$1"
    msql "update $1 set abc = 3 where id = 2; alter table $1 modify ABC bigint; insert into $1 values (3, 3, 3, 3)"
    equal "$1"
    msql "update $1 set def = 4 where id = 2; alter table $1 change def Def bigint"
    equal "$1"
    msql "update $1 set ghi = 5 where id = 2; alter table $1 change GHI GHI bigint"
    equal "$1"
}
@test "a column whose name is spelled with other letters, small or capital: no document keeps the old one" {
    local table
    for table in t u; do
        msql "create table $table (id int primary key, abc int, def int, ghi int); insert into $table values (1, 1, 1, 1), (2, 2, 2, 2)"
    done
    loop_start
    spelled t
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $(least)"
    spelled u
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    not test -e "$DIR/failed"
    touch "$DIR/stop"
}

# bats test_tags=only:percona-toolkit
@test "pt-online-schema-change under writers: the index ends as the source" {
    msql "create table other (id int auto_increment primary key, v int)"
    osc_tables
    clients
    loop_start
    change "add column d int not null default 7, drop column c"
    change "modify a bigint, add column e varchar(10) default 'new'"
    writers_end
    equal t
    equal other
    not test -e "$DIR/failed"
    touch "$DIR/stop"
}
