#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A pipeline whose MariaDB or MySQL is replaced by a later one. In place its log goes on, and so does the line; a replica of a later
# release takes over as any replica does; another server that a dump is restored into is exit status 79, and what the message says to
# do then gives a copy that is equal, and stays so. Needs the trees of tests/matrix and Maven; not a part of `make test`.
# takes: 120 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load ../lib/common
load ../lib/mysql
load ../lib/mysql-helpers
load ../lib/jars

setup() {
    DIR=$BATS_TEST_TMPDIR STATE=$BATS_TEST_TMPDIR/state NAME=shop MYSQL_DATABASE=''
    FOLDER=$(test_folder)
    CDC_MYSQL_DIR=$FOLDER/servers
    mkdir "$CDC_MYSQL_DIR"
    chmod 755 "$FOLDER"
    export CDC_MYSQL_DIR
    mkdir "$STATE"
    unset CDC_MYSQL_PREFIX
}
teardown() {
    end_spawned
    mysql_end
    rm -rf "$FOLDER"
}

need() {
    CDC_MYSQL_FLAVOR=$1
    mysql_available || skip "no $1: run tests/matrix --prepare"
}
# From now on programs of that release.
use() {
    unset CDC_MYSQL_PREFIX
    CDC_MYSQL_FLAVOR=$1
    [ -n "$(jar_of "$1")" ] || return 0
    export CDC_MYSQL_PREFIX=$FOLDER/$1
    [ -d "$CDC_MYSQL_PREFIX" ] || unpack_server "$1" "$CDC_MYSQL_PREFIX"
}
begin() {
    mysql_start "$@"
    URL=$(mysql_url)shop
    msql "create database shop"
    MYSQL_DATABASE=shop
    msql "create table items (id int primary key, v varchar(100), n decimal(10, 2), at timestamp(3) default '2026-01-01 00:00:00.123', j json, e enum('a', 'b'))"
    msql "insert into items (id, v, n, j, e) select n, 'of the old server', n / 4, concat('{\"n\": ', n, '}'), 'b' from $(numbers 1 300)"
}
line() {
    local status=0
    t bash -o pipefail -c "{ cdc-snapshot --state-dir '$STATE' '$URL' && exec mysql-binlog --until now --state-dir '$STATE' '$URL'; } | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'" 2>"$DIR/err" || status=$?
    return $status
}
ends_with() {
    local status=0
    line || status=$?
    [ $status = "$1" ] || { cat "$DIR/err" >&2; fail "status $status instead of $1"; }
}
same_rows() { diff <(msql -N "select id, v, n, coalesce(e, ''), json_extract(j, '\$.n') from items order by id" | tr '\t' '|') <(sqlite3 "$DIR/copy.db" "select id, v, n, coalesce(e, ''), json_extract(j, '\$.n') from items order by id"); }
write() { msql "delete from items where id between $1 and $1 + 9; update items set v = 'row $1', e = 'a' where id > 250; insert into items (id, v, n, j) values (1000 + $1, 'new', 1.5, '{\"n\": 7}')"; }
# What has been committed is in the copy, and what comes then is, too, columns that are added as well.
goes_on() {
    ends_with 0
    same_rows
    write 50
    msql "alter table items add later int default 5, modify v varchar(300)"
    write 70
    line || ends_with 0 # such a table may be read again
    same_rows
    write 90
    ends_with 0
    same_rows
}
# As the message says: "remove the offset files of the pipeline and the copies, and begin with cdc-snapshot".
cure() {
    says 'take a new snapshot \(remove the offset files of the pipeline and the copies, and begin with cdc-snapshot\)'
    rm "$STATE"/*.offset "$DIR/copy.db"
}
# in_place RELEASE LATER [OPTION...]: the server's own folder, with rows that nobody has read
in_place() {
    local from=$1 to=$2
    shift 2
    [ -n "$(jar_of "$to")" ] || need "$to"
    use "$from"
    begin "$@"
    ends_with 0
    same_rows
    write 10
    mysql_stop
    use "$to"
    mysql_up main
    MYSQL_DATABASE='' msql -N 'select version()' | awk -F. '{ printf "%d%02d%02d\n", $1, $2, $3 }' >"$(mysql_dir)/version"
}

@test "MariaDB 10.11 to 11.8 in place: the line goes on" {
    in_place mariadb mariadb-11.8
    write 30
    goes_on
}

@test "MariaDB 10.11 to 11.8 in place, columns without names in the log: the line goes on" {
    in_place mariadb mariadb-11.8 --binlog-row-metadata=NO_LOG
    write 30
    goes_on
}

@test "MySQL 5.7 to 8.0 in place: the line goes on" {
    in_place mysql-5.7 mysql-8.0
    write 30
    goes_on
}

@test "a replica of MySQL 9.7 takes the place of MySQL 8.0: the line goes on" {
    need mysql-9.7
    use mysql-8.0
    begin
    use mysql-9.7
    MYSQL_DATABASE='' mysql_start later --server-id=2
    mysql_replicate later main
    use mysql-8.0
    ends_with 0
    same_rows
    write 10
    wait_until -t 60 replicated
    mysql_stop main
    use mysql-9.7
    mysql_promote later
    MYSQL_SERVER=later
    URL=$(mysql_url)shop
    write 30
    goes_on
}
replicated() { [ "$(MYSQL_SERVER=later msql -N 'select max(id) from items' 2>/dev/null)" = 1010 ]; }

# moved RELEASE: a dump of the server that is there is restored into a new one of that release
moved() {
    write 10
    mariadb-dump --no-defaults --socket="$(mysql_dir)/socket" --user=root --databases shop >"$DIR/dump"
    mysql_stop
    use "$1"
    MYSQL_DATABASE='' mysql_start moved "${@:2}"
    MYSQL_SERVER=moved
    MYSQL_DATABASE='' msql <"$DIR/dump"
    URL=$(mysql_url)shop
    write 30
}

@test "a dump of MariaDB restored into another server: exit 79, and a new snapshot as the message says" {
    need mariadb-11.8
    use mariadb
    begin
    ends_with 0
    moved mariadb-11.8
    ends_with 79
    cure
    goes_on
}

@test "the same into a server with the same server_id, under the same address" {
    use mariadb
    begin
    ends_with 0
    echo "--port=$(cat "$(mysql_dir)/port")" >"$DIR/port"
    moved mariadb "$(cat "$DIR/port")" --server-id=1
    sed 's/--port=//' "$DIR/port" >"$(mysql_dir)/port"
    URL=$(mysql_url)shop
    ends_with 79
    cure
    goes_on
}

@test "a dump of MySQL 8.0 restored into a 9.7: exit 79, and a new snapshot as the message says" {
    need mysql-9.7
    use mysql-8.0
    begin
    ends_with 0
    moved mysql-9.7
    ends_with 79
    cure
    goes_on
}

# Nothing passes for new that is old: a copy that was kept is refused.
@test "a log that was reset: exit 79, and a new snapshot as the message says; copies that were not removed are refused" {
    use mariadb
    begin
    ends_with 0
    write 10
    reset_log
    write 30
    ends_with 79
    rm "$STATE"/*.offset
    ends_with 78
    says 'has the rows of an earlier snapshot.*remove .*/copy.db and its offset file, and start again'
    rm "$DIR/copy.db" "$STATE/cdc-sink-sqlite.offset"
    ends_with 0
    same_rows
}
