#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mysql-binlog against a real server: where it begins and ends, every line that it writes, and what stops it.
# Values are in mysql-types.bats, the whole pipeline is in mysql-pipeline.bats.
# takes: 110 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
    mysql_start other
}
teardown_file() { mysql_end; }
setup() { mysql_test_setup; }
teardown() { mysql_test_teardown; }

# The other server, that may be maltreated.
restart_other() { MYSQL_DATABASE='' mysql_restart other "$@"; }
on_other() {
    MYSQL_SERVER=other
    mysql_running || restart_other
    URL=$(mysql_url other)
    MYSQL_DATABASE='' msql "create database if not exists $NAME"
}
# A file of the log says in seconds when it was begun.
later_second() { [ "$(date +%s)" -gt "$1" ]; }
next_second() { wait_until later_second "$(date +%s)"; }
table() { msql "create table ${1:-t} (id int primary key, v varchar(100))"; }
insert() { msql "insert into t select n, 'v' from $(numbers "$1" "$2") order by n"; }
rows() { jq -r 'select(.op == "c") | .after.id' "$DIR/out" | sort -u | wc -l; }
has_rows() { [ "$(rows)" -ge "$1" ]; }

# -- beginnings and ends

@test "--start now: what comes later; --start oldest: all that the server still has" {
    table
    insert 1 3
    binlog --start now --until now
    is "changes" "" "$(changes)"
    : >"$DIR/out"
    binlog --start oldest --until now
    is "ids" "1 2 3" "$(ids)"
    is "the last transaction" "schema c c c commit" "$(jq -r .op "$DIR/out" | tail -5 | xargs)"
    grep -q "create table t" "$DIR/out"
}

@test "--start FILE:POSITION and --start GTIDS: what comes after it" {
    table
    insert 1 2
    place=$(log_place) gtids=$(log_gtids)
    insert 3 4
    msql 'flush binary logs'
    insert 5 6
    binlog --start "$place" --until now
    is "ids by file and position" "3 4 5 6" "$(ids)"
    mv "$DIR/out" "$DIR/by-place"
    binlog --start "$gtids" --until now
    is "ids by GTIDs" "3 4 5 6" "$(ids)"
    mv "$DIR/out" "$DIR/by-gtids"
    diff <(changes "$DIR/by-place") <(changes "$DIR/by-gtids")
    # The head of a file: what is in the files before it counts as read, also where the server is asked by GTIDs.
    binlog --start "$(log_files | tail -1):4" --until now
    is "ids from the head of a file" "5 6" "$(ids)"
    is "GTIDs before and after them" "$(lines 'select(.op == "commit") | .source.gtids' "$DIR/by-gtids" | tail -2)" \
        "$(lines 'select(.op | IN("commit", "heartbeat")) | .source.gtids' | sed -n '1p;$p')"
}

@test "--start and --until that are none: exit 64, before anything is read" {
    exits 64 binlog --until tomorrow
    exits 79 binlog --start "binlog.999999:4" --until now
    local start status
    for start in "binlog.000001:99999999" "nonsense:" "binlog.000001:5"; do
        status=0
        binlog --start "$start" --until now || status=$?
        [[ $status = 64 || $status = 78 || $status = 79 ]] || fail "$start: exit status $status"
    done
    is "lines" 0 "$(wc -l <"$DIR/out")"
}

@test "--until FILE:POSITION ends there, behind whole transactions" {
    table
    begin
    insert 1 2
    place=$(log_place)
    insert 3 4
    binlog --offset-file "$DIR/p" --until "$place"
    is "ids" "1 2" "$(ids)"
    is "last line" commit "$(tail -1 "$DIR/out" | jq -r .op)"
    is "its place" "$place" "$(tail -1 "$DIR/out" | jq -r '.source | "\(.file):\(.pos)"')"
    read_all
    is "ids" "3 4" "$(ids)"
    # A place inside of a transaction: that one is the last.
    place=$(log_place)
    insert 5 6
    insert 7 8
    : >"$DIR/out"
    binlog --offset-file "$DIR/p" --until "${place%:*}:$((${place#*:} + 1))"
    is "ids" "5 6" "$(ids)"
    read_all
    is "ids" "7 8" "$(ids)"
}

# What comes until the switch, after it, at a time that passes in silence, and at the next start.
switch_checksums() {
    local status=0
    on_other
    table
    MYSQL_DATABASE='' msql "set global binlog_checksum = $1"
    begin
    follow --until "$(date -u -d '6 seconds' +%Y-%m-%dT%H:%M:%SZ)"
    insert 1 1
    wait_until has_rows 1
    MYSQL_DATABASE='' msql "set global binlog_checksum = $2"
    insert 2 3
    wait_until has_rows 3
    status_of "$FOLLOWER" || status=$?
    is "exit status" 0 "$status"
    insert 4 4
    read_all
    is "ids" 4 "$(ids)"
    MYSQL_DATABASE='' msql "drop database $NAME; set global binlog_checksum = crc32"
}
@test "checksums that are switched off while it reads" { switch_checksums crc32 none; }
@test "checksums that are switched on while it reads" { switch_checksums none crc32; }

@test "--until a place or a time that has passed, where nothing happens any more: it ends" {
    table
    place=$(log_place)
    insert 1 2
    begin
    binlog --offset-file "$DIR/p" --until "$place"
    binlog --offset-file "$DIR/p" --until "$(log_place)"
    binlog --offset-file "$DIR/p" --until "$(date -u -d '5 seconds ago' +%Y-%m-%dT%H:%M:%SZ)"
    time=$(date -u -d "2 seconds" +%Y-%m-%dT%H:%M:%SZ)
    binlog --offset-file "$DIR/p" --until "$time"
    [[ ! $(date -u +%Y-%m-%dT%H:%M:%SZ) < $time ]] || fail "it ended before its time"
    is "changes" "" "$(changes)"
}

@test "--until TIME ends with the first transaction of that time" {
    table
    begin
    insert 1 1
    pause_ms 1500
    time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    pause_ms 1000
    insert 2 2
    insert 3 3
    binlog --offset-file "$DIR/p" --until "$time"
    is "ids" "1 2" "$(ids)"
}

# A cron job of a machine whose clock is ten minutes ahead would leave out the last ten minutes, with exit 0.
@test "--until TIME and the lag are by the server's clock, whatever ours says" {
    table
    begin
    insert 1 1
    time=$(date -u -d "5 seconds" +%Y-%m-%dT%H:%M:%SZ)
    echo 600 >"$DIR/clock"
    spawn_line "CDC_CLOCK='$DIR/clock' LD_PRELOAD='$CDC_BUILD/tests/clock.so' exec mysql-binlog --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --until $time '$URL' >'$DIR/out' 2>'$DIR/err'"
    pause_ms 1500
    insert 2 2
    status_of "$SPAWNED"
    is "ids" "1 2" "$(ids)"
    # One that is behind does not keep it waiting.
    clock -600 binlog --offset-file "$DIR/p" --until "$time"
    clock -600 t mysql-binlog --check --json --name "$NAME" -t "$NAME.*" --offset-file "$DIR/p" "$URL" >"$DIR/check"
    jq -e '.lag.lag_seconds | . >= 0 and . < 500' "$DIR/check" || { cat "$DIR/check"; return 1; }
}

@test "--until now on a server that is being written to ends" {
    table
    begin
    msql "insert into t values (0, 'x')"
    spawn_line "yes \"insert into t (id, v) select max(id) + 1, 'x' from t;\" | mariadb --no-defaults --socket='$(mysql_dir)/socket' --user=root $NAME"
    wait_until eval '[ "$(msql -N "select count(*) from t")" -gt 100 ]'
    for i in 1 2 3; do binlog --offset-file "$DIR/p" --until now; done
    has_rows 100
    end_spawned 2>/dev/null || true
    binlog --offset-file "$DIR/p" --until now
    is "rows" "$(msql -N 'select count(*) from t')" "$(rows)"
    is "each once" "$(rows)" "$(grep -c '"op":"c"' "$DIR/out")"
}

@test "--max-events ends at the commit behind that many changes" {
    table
    begin
    insert 1 3
    insert 4 6
    insert 7 9
    binlog --offset-file "$DIR/p" --max-events 4
    is "ids" "1 2 3 4 5 6" "$(ids)"
    is "last line" commit "$(tail -1 "$DIR/out" | jq -r .op)"
    read_all
    is "the rest" "7 8 9" "$(ids)"
}

@test "--idle-exit ends where nothing happens" {
    table
    begin
    insert 1 2
    binlog --offset-file "$DIR/p" --idle-exit 1
    is "ids" "1 2" "$(ids)"
}

# -- positions

@test "it goes on from its offset file: nothing twice, nothing left out, positions rise over the runs" {
    table
    begin
    : >"$DIR/all"
    for i in 1 2 3 4; do
        insert $((i * 10)) $((i * 10 + 2))
        [ $i != 3 ] || msql 'flush binary logs'
        read_all
        is "ids" "$((i * 10)) $((i * 10 + 1)) $((i * 10 + 2))" "$(ids)"
        cat "$DIR/out" >>"$DIR/all"
    done
    ordered "$DIR/all"
    is "format" 1 "$(jq .format "$DIR/p")"
    is "mode" 600 "$(stat -c %a "$DIR/p")"
}

@test "it goes on from a sink's file alone" {
    table
    begin
    insert 1 3
    binlog --offset-file "$DIR/p" --until now
    t cdc-sink-sqlite --offset-file "$DIR/ack" "$DIR/copy.db" <"$DIR/out" 2>"$DIR/err"
    : >"$DIR/out"
    insert 4 6
    msql 'flush binary logs'
    insert 7 7
    binlog --offset-file "$DIR/own" --ack "$DIR/ack" --until now
    is "ids" "4 5 6 7" "$(ids)"
    # The sink has not moved: the same lines again.
    cp "$DIR/out" "$DIR/first"
    : >"$DIR/out"
    binlog --offset-file "$DIR/own" --ack "$DIR/ack" --until now
    diff "$DIR/first" "$DIR/out"
    : >"$DIR/out"
    rm "$DIR/own"
    binlog --offset-file "$DIR/own" --ack "$DIR/ack" --until now
    diff "$DIR/first" "$DIR/out"
    # Its own file has that position, too: without the sink's it is no first start.
    rm "$DIR/ack"
    exits 79 binlog --offset-file "$DIR/own" --ack "$DIR/ack" --until now
    diff "$DIR/first" "$DIR/out"
}

@test "heartbeats before the first transaction of a run: the place that they tell belongs to their GTIDs" {
    local heartbeats
    table
    begin
    insert 1 3
    read_all
    msql "flush binary logs"
    insert 4 6
    read_all
    for heartbeats in 1 2; do
        : >"$DIR/out"
        follow
        wait_until has_heartbeats 2
        follow_end
        # What it says of the place is what the server says.
        jq -r 'select(.op == "heartbeat") | "\(.source.file) \(.source.pos) \(.source.gtids)"' "$DIR/out" | sort -u >"$DIR/places"
        while read -r file position gtids; do
            ! mysql_is_mariadb || is "GTIDs at $file:$position" "$(msql -N "select binlog_gtid_pos('$file', $position)")" "$gtids"
        done <"$DIR/places"
        is "files" "$(log_place | cut -d: -f1)" "$(cut -d' ' -f1 "$DIR/places" | tail -1)"
    done
    insert 7 7
    read_all
    is "ids" 7 "$(ids)"
}
has_heartbeats() { [ "$(grep -c '"op":"heartbeat"' "$DIR/out")" -ge "$1" ]; }

# bats test_tags=only:mysql
@test "without GTIDs, but with some of before: on a quiet server the position goes on with the files" {
    local status=0
    on_other
    table
    insert 1 3
    MYSQL_DATABASE='' mysql_restart other --gtid-mode=OFF --enforce-gtid-consistency=OFF
    begin
    insert 4 4
    follow
    wait_until has_rows 1
    msql "flush binary logs; flush binary logs"
    tells_place() { [ "$(jq -r 'select(.op == "heartbeat") | .source.file' "$DIR/out" | tail -1)" = "$(log_place | cut -d: -f1)" ]; }
    wait_until tells_place || status=1
    follow_end
    msql "purge binary logs to '$(log_place | cut -d: -f1)'"
    insert 5 5
    [ $status != 0 ] || read_all || status=1
    MYSQL_DATABASE='' mysql_restart other --gtid-mode=ON --enforce-gtid-consistency=ON
    is "ids" 5 "$(ids)"
    return $status
}

@test "a re-delivered line is the same line, byte for byte, wherever reading begins again" {
    table
    begin
    cp "$DIR/p" "$DIR/p0"
    for i in 1 2 3 4 5; do insert $((i * 10)) $((i * 10 + 1)); done
    msql "begin; insert into t values (100, 'x'); update t set v = 'y' where id = 10; commit; truncate t"
    binlog --offset-file "$DIR/p" --until now
    mv "$DIR/out" "$DIR/whole"
    cp "$DIR/p0" "$DIR/p"
    for i in 1 2 3 4 5 6 7; do binlog --offset-file "$DIR/p" --max-events 1; done
    grep -v '"op":"schema"' "$DIR/whole" >"$DIR/expected"
    diff "$DIR/expected" <(grep -v '"op":"schema"' "$DIR/out")
    ordered "$DIR/out"
}

@test "positions rise over rotations, restarts of the server and heartbeats" {
    table
    begin
    follow
    for i in 1 2 3 4 5 6; do
        insert $((i * 10)) $((i * 10 + 1))
        case $i in
        2 | 3) msql 'flush binary logs' ;;
        4 | 5)
            wait_until has_rows $((i * 2))
            mysql_restart ;;
        esac
    done
    wait_until has_rows 12
    pause_ms 2200
    follow_end
    # Again, now idle: heartbeats alone, with the log's files going on.
    for i in 1 2; do
        follow
        n=$(wc -l <"$DIR/out")
        msql 'flush binary logs'
        wait_for_lines "$DIR/out" $((n + 3))
        follow_end
    done
    whole_lines "$DIR/out"
    is "rows" 12 "$(grep -c '"op":"c"' "$DIR/out")"
    grep -v '"op":"schema"' "$DIR/out" >"$DIR/lines"
    ordered "$DIR/lines"
}

@test "pos does not depend on -t, and a filtered transaction ends with its commit" {
    table a
    table b
    begin
    cp "$DIR/p" "$DIR/p0"
    msql "begin; insert into a values (1, 'x'), (2, 'y'); insert into b values (1, 'x'); update a set v = 'z'; delete from b; commit; insert into b values (3, 'only b'); truncate b; insert into a values (7, '')"
    binlog --offset-file "$DIR/p" --until now
    mv "$DIR/out" "$DIR/both"
    cp "$DIR/p0" "$DIR/p"
    t mysql-binlog --name "$NAME" -t "$NAME.*" -T '*.b' --heartbeat 0 --offset-file "$DIR/p" --until now "$URL" >"$DIR/a" 2>"$DIR/err"
    diff <(jq -r 'select(.source.table == "a") | .pos' "$DIR/both") <(jq -r 'select(.source.table == "a") | .pos' "$DIR/a")
    diff <(jq -r 'select(.op == "commit") | .pos' "$DIR/both") <(jq -r 'select(.op == "commit") | .pos' "$DIR/a")
    is "tables" a "$(jq -r 'select(.source.table) | .source.table' "$DIR/a" | sort -u | xargs)"
    is "events" "4 0 1 1" "$(jq -r 'select(.op == "commit") | .events' "$DIR/a" | xargs)"
    is "patterns" "3" "$(t mysql-binlog --name "$NAME" -t "$NAME.[a]" -t "$NAME.?" -T "$NAME.a" --start oldest --until now "$URL" 2>/dev/null | jq -r 'select(.op == "c") | .after.id' | tail -1)"
}

@test "the URL's database says which tables, when no -t does" {
    table
    begin
    msql "create database ${NAME}x; create table ${NAME}x.t (id int primary key); insert into ${NAME}x.t values (1); drop database ${NAME}x"
    insert 5 5
    cp "$DIR/p" "$DIR/p0"
    t mysql-binlog --name "$NAME" --heartbeat 0 --offset-file "$DIR/p" --until now "$URL$NAME" >"$DIR/out" 2>"$DIR/err"
    is "ids" 5 "$(ids)"
    is "name" "$NAME" "$(jq -r .source.name "$DIR/out" | sort -u)"
    cp "$DIR/p0" "$DIR/p"
    t mysql-binlog --name "$NAME" --heartbeat 0 --offset-file "$DIR/p" --until now --allow-unlogged "$URL" >"$DIR/out" 2>"$DIR/err"
    is "ids of all databases" "1 5" "$(ids)"
}

# made DB...: with a table of one row, whose id is the database's number.
made() {
    local db i=0
    for db in "$@"; do
        i=$((i + 1))
        MYSQL_DATABASE='' msql "create database \`$db\`; create table \`$db\`.t (id int primary key); insert into \`$db\`.t values ($i)"
    done
}
# rows_of OPERAND...: ids that the stream has, and those of a snapshot.
rows_of() {
    rm -f "$DIR/s"
    t mysql-binlog --name "$NAME" --heartbeat 0 --start "$place" --until now "$@" 2>"$DIR/err" | jq -r 'select(.op == "c") | .after.id' | xargs
    t cdc-snapshot --name "$NAME" --offset-file "$DIR/s" "$@" 2>"$DIR/err" | jq -r 'select(.op == "r") | .after.id' | xargs
}

@test "names with dots, wildcards and quotes: a database in the URL is that very name, and so is one in quotes" {
    local place
    place=$(log_place)
    made "$NAME.db" "${NAME}a*b" "${NAME}axb" "${NAME}q?" "${NAME}a[b]" "${NAME}\"q" "${NAME}back\\slash"
    is "a dot" "1 1" "$(rows_of "$URL$NAME.db" | xargs)"
    is "an asterisk" "2 2" "$(rows_of "$URL${NAME}a*b" | xargs)"
    is "a question mark" "4 4" "$(rows_of "$URL${NAME}q%3F" | xargs)"
    is "brackets" "5 5" "$(rows_of "$URL${NAME}a%5Bb%5D" | xargs)"
    is "a quote" "6 6" "$(rows_of "$URL${NAME}%22q" | xargs)"
    is "a backslash" "7 7" "$(rows_of "$URL${NAME}back%5Cslash" | xargs)"
    is "quoted" "1 2 1 2" "$(rows_of -t "\"$NAME.db\".*" -t "\`${NAME}a*b\`.\"t\"" "$URL" | xargs)"
    is "a wildcard" "2 3 2 3" "$(rows_of -t "${NAME}a*b.t" "$URL" | xargs)"
    MYSQL_DATABASE='' msql "drop database \`$NAME.db\`; drop database \`${NAME}a*b\`; drop database ${NAME}axb; drop database \`${NAME}q?\`; drop database \`${NAME}a[b]\`; drop database \`${NAME}\"q\`; drop database \`${NAME}back\\slash\`"
}

# MySQL can only be told so when its data folder is made.
# bats test_tags=only:mariadb
@test "names in lower case on the server: patterns and the URL's database match as they are typed" {
    local place db
    MYSQL_DATABASE='' mysql_start lower_names --lower-case-table-names=1
    MYSQL_SERVER=lower_names MYSQL_DATABASE=''
    URL=$(mysql_url lower_names)
    place=$(log_place)
    MYSQL_DATABASE='' msql "create database Shop_$NAME; create table Shop_$NAME.T (id int primary key); insert into Shop_$NAME.T values (5)"
    is "the URL" "5 5" "$(rows_of "${URL}Shop_$NAME" | xargs)"
    is "-t" "5 5" "$(rows_of -t "SHOP_$NAME.T" "$URL" | xargs)"
    t mysql-binlog --check -t "Shop_$NAME.T" "$URL" 2>"$DIR/err"
    says "ok: 1 table selected"
    MYSQL_SERVER=main MYSQL_DATABASE=$NAME
    mysql_stop lower_names
}

@test "patterns that match no table: said at the start and by --check; a table that is made later comes from its first row" {
    table
    msql "create database ${NAME}empty"
    t mysql-binlog --name "$NAME" -t "$NAME.t" -t "$NAME.oders" -T "$NAME.nothing_*" --offset-file "$DIR/p" --heartbeat 0 --until now "$URL" >"$DIR/out" 2>"$DIR/err"
    says "warning: pattern '$NAME.oders' matches no table .*hint"
    says "warning: -T, pattern '$NAME.nothing_\*' matches no table"
    not grep -q "'$NAME.t'" "$DIR/err"
    msql "create table oders (id int primary key); insert into oders values (1)"
    t mysql-binlog --name "$NAME" -t "$NAME.t" -t "$NAME.oders" --offset-file "$DIR/p" --heartbeat 0 --until now "$URL" >"$DIR/out" 2>"$DIR/err"
    is "the first row" 1 "$(ids)"
    not grep -q "matches no table" "$DIR/err"
    msql "drop table oders"
    exits 0 binlog --check -t "$NAME.oders"
    says "warning: pattern '$NAME.oders' matches no table"
    t mysql-binlog --until now "$URL${NAME}empty" 2>"$DIR/err" >"$DIR/out"
    says "'\"${NAME}empty\".\*' matches no table"
    msql "drop database ${NAME}empty"
    # A snapshot would never have its rows.
    local status=0
    t cdc-snapshot --name "$NAME" --offset-file "$DIR/s" -t "$NAME.t" -t "$NAME.oders" "$URL" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "exit status" 78 $status
    says "error: no table that the user may see matches '$NAME.oders'"
}

# -- lost positions

@test "RESET MASTER: exit 79, not a silent gap" {
    on_other
    table
    insert 1 5
    begin
    insert 6 8
    binlog --offset-file "$DIR/p" --until now
    reset_log
    exits 79 binlog --offset-file "$DIR/p" --until now
    says snapshot
    exits 79 binlog --check --offset-file "$DIR/p"
    cp "$DIR/p" "$DIR/before"
    exits 79 binlog --offset-file "$DIR/p" --until now
    cmp "$DIR/p" "$DIR/before"
}

@test "RESET MASTER, and then more transactions than there were before: exit 79, not a silent gap" {
    on_other
    reset_log
    table
    for i in 1 2 3; do insert $i $i; done
    begin
    insert 4 4
    binlog --offset-file "$DIR/p" --until now
    insert 5 5
    reset_log
    # The numbers, the file and more than its length come again.
    for i in {11..40}; do msql "insert into t values ($i, 'a value of another length')"; done
    : >"$DIR/out"
    exits 79 binlog --offset-file "$DIR/p" --until now
    is "lines" 0 "$(wc -l <"$DIR/out")"
}

# bats test_tags=only:mysql
@test "without GTIDs: a RESET, and then more of the log than there was before: exit 79; a restart without one goes on" {
    local second status=0
    on_other
    MYSQL_DATABASE='' mysql_restart other --gtid-mode=OFF --enforce-gtid-consistency=OFF
    reset_log
    table
    insert 1 3
    begin
    insert 4 4
    MYSQL_DATABASE='' mysql_restart other
    insert 5 5
    read_all
    is "ids over a restart" "4 5" "$(ids)"
    # Files are told from each other by the second that they were begun in.
    second=$(date +%s)
    later() { [ "$(date +%s)" -gt "$second" ]; }
    wait_until later
    reset_log
    msql "flush binary logs"
    for i in {11..40}; do msql "insert into t values ($i, 'a value of another length')"; done
    : >"$DIR/out"
    exits 79 binlog --offset-file "$DIR/p" --until now || status=1
    says "begun anew"
    is "lines" 0 "$(wc -l <"$DIR/out")"
    MYSQL_DATABASE='' mysql_restart other --gtid-mode=ON --enforce-gtid-consistency=ON
    return $status
}

# All files but the last: a server keeps those that it still needs itself, or that somebody reads.
purged() {
    msql "flush engine logs; purge binary logs to '$(log_files | tail -1)'"
    [ "$(log_files | wc -l)" = 1 ]
}
purge_all() {
    msql 'flush binary logs'
    ! mysql_is_mariadb || msql 'set global slave_connections_needed_for_purge = 0' 2>/dev/null || true
    wait_until purged
}

@test "the log that is needed was purged: exit 79" {
    on_other
    table
    begin
    insert 1 5
    purge_all
    exits 79 binlog --offset-file "$DIR/p" --until now
    says snapshot
    exits 79 binlog --start "binlog.000001:4" --until now
    is "lines" 0 "$(wc -l <"$DIR/out")"
}

@test "what is purged was read before: it goes on" {
    on_other
    table
    begin
    insert 1 5
    binlog --offset-file "$DIR/p" --until now
    purge_all
    binlog --check --offset-file "$DIR/p"
    insert 6 7
    read_all
    is "ids" "6 7" "$(ids)"
}

# bats test_tags=only:mariadb
@test "MariaDB: of several domains, what is purged was read before: --check is 0, and it goes on" {
    local domain
    on_other
    table
    begin
    for domain in 9 2 7 4 0; do msql "set gtid_domain_id = $domain; insert into t values ($domain, 'v')"; done
    read_all
    purge_all
    binlog --check --offset-file "$DIR/p"
    insert 10 11
    read_all
    is "ids" "10 11" "$(ids)"
}

@test "a file of the log that the server cannot open for a moment: 69, not 79; and then it goes on" {
    local file
    [ "$(id -u)" = 0 ] || skip "the server's files are its own"
    on_other
    table
    file=$(log_file "$(log_files | tail -1)")
    begin
    insert 1 2
    msql 'flush binary logs'
    insert 3 3
    chmod 000 "$file"
    exits 69 binlog --offset-file "$DIR/p" --until now --retry-max 1
    chmod 644 "$file"
    : >"$DIR/out"
    exits 0 binlog --offset-file "$DIR/p" --until now
    is "ids" "1 2 3" "$(ids)"
}

@test "a position of another server: exit 79" {
    table
    begin
    insert 1 30
    binlog --offset-file "$DIR/p" --until now
    on_other
    table
    exits 79 binlog --offset-file "$DIR/p" --until now
    says snapshot
}

# bats test_tags=only:mariadb
@test "a server on another port is the same one, and keeps its name; one with its server_id and another log is not: exit 79" {
    local name port
    on_other
    reset_log
    table
    insert 1 1
    begin
    insert 2 2
    binlog --offset-file "$DIR/p" --until now
    name=$(lines 'select(.op == "commit") | .source.server_uuid' | sort -u)
    [ -n "$name" ]
    cp "$DIR/p" "$DIR/before"
    # Its log goes on under another address.
    port=$(mysql_free_port)
    mysql_stop
    sed -i "s/^--port=.*/--port=$port/" "$(mysql_dir)/options"
    echo "$port" >"$(mysql_dir)/port"
    restart_other
    URL=$(mysql_url other)
    msql "flush binary logs"
    insert 3 3
    read_all
    is "rows" 3 "$(ids)"
    not grep -q 'another server' "$DIR/err"
    is "its name" "$name" "$(lines 'select(.op == "commit") | .source.server_uuid' | sort -u)"
    # As many transactions of the same length, in files of the same names: those of the start, and others after it.
    next_second
    reset_log
    msql "drop table t"
    reset_log
    table
    insert 1 1
    insert 2 2
    insert 3 3
    cp "$DIR/before" "$DIR/p"
    : >"$DIR/out"
    exits 79 binlog --offset-file "$DIR/p" --until now
    says snapshot
    is "lines" 0 "$(wc -l <"$DIR/out")"
    cmp "$DIR/before" "$DIR/p"
}

@test "another event where the last one was read, in a file of the same name and age: exit 79" {
    on_other
    table
    begin
    insert 1 1
    read_all
    jq -e ".offsets[].source | .event > 4 and .event < .pos and .event_sum > 0" "$DIR/p" >/dev/null || fail "$(cat "$DIR/p")"
    insert 2 2
    # Of a server that was set back, and went on with transactions of the same length: all but the event itself is the same.
    cp "$DIR/p" "$DIR/good"
    for change in ".event_sum |= (. + 1) % 4294967296" ".event -= 1" ".event = 5"; do
        jq -c ".offsets[].source |= ($change)" "$DIR/good" >"$DIR/p"
        : >"$DIR/out"
        exits 79 binlog --offset-file "$DIR/p" --until now
        says 'another event is in its place'
        is "lines ($change)" 0 "$(wc -l <"$DIR/out")"
    done
    cp "$DIR/good" "$DIR/p"
    read_all
    is "rows" 2 "$(ids)"
}

# bats test_tags=only:mariadb
@test "MariaDB: a GTID that stands in the log twice: what lies between the two does not come again" {
    local last n
    on_other
    msql "create table t (id int)"
    begin
    msql "insert into t values (1)"
    msql "insert into t values (2)"
    last=$(log_gtids)
    last=${last##*-}
    # As mysqlbinlog does, where its output is written to the server again.
    msql "set gtid_seq_no = $((last - 1)); insert into t values (3)"
    for n in 4 5 6; do
        binlog --offset-file "$DIR/p" --until now
        msql "insert into t values ($n)"
    done
    binlog --offset-file "$DIR/p" --until now
    binlog --offset-file "$DIR/p" --until now
    is "rows, each once" "$(echo {1..6})" "$(ids)"
    ordered "$DIR/out"
    reset_log
}

# The server keeps a file as long as a dump that has ended just now is at it.
purged_to() { msql "purge binary logs to '$1'" 2>/dev/null; [ "$(log_files | head -1)" = "$1" ]; }
# bats test_tags=only:mariadb
@test "MariaDB: a GTID that stands in the log twice, the second time in a later file: what lies between is not lost" {
    local last
    on_other
    msql "create table t (id int)"
    begin
    last=$(log_gtids)
    last=${last##*-}
    msql "insert into t values (1)"
    msql "insert into t values (2)"
    read_all
    is "rows" "1 2" "$(ids)"
    cp "$DIR/p" "$DIR/before"
    msql "insert into t values (3)"
    msql "set gtid_seq_no = $((last + 1)); insert into t values (4)"
    msql "flush binary logs"
    msql "set gtid_seq_no = $((last + 2)); insert into t values (5)"
    msql "insert into t values (6)"
    read_all
    is "rows, each once" "3 4 5 6" "$(ids)"
    # The position's file is gone, and what follows it is there.
    begin
    last=$(log_gtids)
    last=${last##*-}
    msql "flush binary logs"
    msql "insert into t values (7)"
    msql "set gtid_seq_no = $((last - 1)); insert into t values (8)"
    msql "flush binary logs"
    msql "set gtid_seq_no = $last; insert into t values (9)"
    wait_until purged_to "$(log_files | tail -2 | head -1)"
    read_all
    says "was purged"
    is "rows, each once" "7 8 9" "$(ids)"
    reset_log
}

# MariaDB reads its log with buffers of max_allowed_packet when it is asked for the GTIDs of a place. A replica logs what its source took.
# bats test_tags=only:mariadb
@test "MariaDB: a row in the log that is larger than max_allowed_packet is by now: begun there, gone on there, and read by a snapshot" {
    local place
    on_other
    msql "create table t (id int primary key, v mediumtext)"
    msql "insert into t values (1, repeat('x', 3000000))"
    msql "set global max_allowed_packet = 1048576"
    place=$(log_place)
    is "what the server says" NULL "$(msql -N "select binlog_gtid_pos('${place%:*}', ${place#*:})")"
    begin
    is "GTIDs of the start" "$(log_gtids)" "$(jq -r ".offsets[\"$NAME\"].source.gtids" "$DIR/p")"
    msql "insert into t values (2, 'v')"
    read_all
    msql "insert into t values (3, 'v')"
    read_all
    is "rows" 3 "$(ids)"
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" >"$DIR/rows" 2>"$DIR/err" || { cat "$DIR/err"; return 1; }
    is "rows of the snapshot" 3 "$(jq -r 'select(.op == "r") | .after.id' "$DIR/rows" | wc -l)"
    is "its GTIDs" "$(log_gtids)" "$(jq -r 'select(.source.snapshot == "last") | .source.gtids' "$DIR/rows")"
    # What is no place of the log is none.
    exits 79 binlog --start "${place%:*}:$((${place#*:} - 1))" --until now
    exits 79 binlog --start "binlog.009999:4000" --until now
    msql "set global max_allowed_packet = default"
    reset_log
}

# bats test_tags=only:mysql
@test "transactions without GTIDs, from while gtid_mode was not ON: each row, or exit 78 and the cure, never a gap" {
    on_other
    table
    begin
    insert 1 1
    read_all
    modes() { local mode; for mode; do msql "set global gtid_mode = $mode"; done; }
    # It came and went while nobody read: the server's dump by GTID begins after that file.
    modes ON_PERMISSIVE OFF_PERMISSIVE
    insert 2 2
    modes ON_PERMISSIVE ON
    insert 3 3
    : >"$DIR/out"
    local status=0 again=0
    binlog --offset-file "$DIR/p" --until now || status=$?
    cp "$DIR/err" "$DIR/err1"
    binlog --offset-file "$DIR/p" --until now || again=$?
    modes ON_PERMISSIVE
    is "exits" "78 78" "$status $again"
    is "lines" 0 "$(wc -l <"$DIR/out")"
    cp "$DIR/err1" "$DIR/err"
    says 'anonymous transaction'
    says 'gtid_mode = ON_PERMISSIVE'
    read_all
    is "rows" "2 3" "$(ids)"
    # A file that has one before the position, too, is no obstacle.
    msql "set gtid_next = 'ANONYMOUS'; insert into t values (4, 'v')"
    insert 5 5
    read_all
    modes ON
    insert 6 6
    read_all
    is "rows" 6 "$(ids)"
    # While it is read: the dump ends at the first one, and the next one is by file and offset.
    : >"$DIR/out"
    follow
    insert 7 7
    wait_until has_rows 1
    modes ON_PERMISSIVE OFF_PERMISSIVE
    insert 8 9
    wait_until has_rows 3
    modes ON_PERMISSIVE ON
    insert 10 10
    wait_until has_rows 4
    follow_end
    is "rows" "7 8 9 10" "$(ids)"
    ordered "$DIR/out"
}

# bats test_tags=only:mariadb
@test "MariaDB: the position's file was purged: the same transactions before what is left go on, with a warning; a log with fewer is another one" {
    on_other
    reset_log
    table
    insert 1 1
    begin
    insert 2 2
    read_all
    cp "$DIR/p" "$DIR/before"
    msql "flush binary logs"
    purged() { msql "purge binary logs to '$(log_files | tail -1)'" && [ "$(log_files | wc -l)" = 1 ]; }
    wait_until purged
    binlog --check --offset-file "$DIR/p"
    insert 3 3
    read_all
    is "rows" 3 "$(ids)"
    says 'warning: .*was purged: .*GTIDs alone'
    # Files with later names, and more transactions: all higher than ours.
    MYSQL_DATABASE='' msql "reset master to 50"
    for i in 4 5 6 7 8 9; do insert $i $i; done
    cp "$DIR/before" "$DIR/p"
    : >"$DIR/out"
    exits 79 binlog --offset-file "$DIR/p" --until now
    says 'another log'
    is "lines" 0 "$(wc -l <"$DIR/out")"
}

# -- what is refused

@test "wrong password: exit 77; and no password is printed or shown in the process list" {
    URL=${URL/$MYSQL_PASSWORD/not-the-pass-word}
    exits 77 binlog --until now
    not grep -q not-the-pass-word "$DIR/err"
    URL=$(mysql_url)
    follow -v
    wait_for_match "$DIR/out" heartbeat
    not grep -qa "$MYSQL_PASSWORD" "/proc/$FOLLOWER/cmdline"
    grep -qa 'mysql' "/proc/$FOLLOWER/cmdline"
    table
    insert 1 2
    wait_until has_rows 2
    follow_end
    not grep -rqa "$MYSQL_PASSWORD" "$DIR"
}

@test "a password from MYSQL_PWD or an option file" {
    table
    local place
    place=$(log_place)
    insert 1 2
    port=$(cat "$(mysql_dir)/port")
    MYSQL_PWD=$MYSQL_PASSWORD t mysql-binlog --name "$NAME" -t "$NAME.*" --start "$place" --until now "mysql://cdc@127.0.0.1:$port/" >"$DIR/out" 2>"$DIR/err"
    is "ids" "1 2" "$(ids)"
    printf '[client]\nuser=cdc\npassword=%s\nhost=127.0.0.1\nport=%s\n' "$MYSQL_PASSWORD" "$port" >"$DIR/options"
    t mysql-binlog --name "$NAME" -t "$NAME.*" --start "$place" --until now --defaults-file "$DIR/options" "mysql://" >"$DIR/out" 2>"$DIR/err"
    is "ids" "1 2" "$(ids)"
}

@test "a missing database: exit 78; no server: exit 69; too few privileges: exit 77" {
    URL=${URL}no_such_database
    exits 78 binlog --until now
    says no_such_database
    URL="mysql://cdc:x@127.0.0.1:1/"
    exits 69 binlog --until now --retry-max 1
    says 'unable to connect to 127\.0\.0\.1:1: '
    URL="mysql://cdc:x@localhost/?socket=$DIR/none"
    exits 69 binlog --until now --retry-max 1
    says "unable to connect to $DIR/none: "
    msql "create user plain_$NAME@'%' identified by 'plain'"
    URL="mysql://plain_$NAME:plain@127.0.0.1:$(cat "$(mysql_dir)/port")/"
    exits 77 binlog --until now --retry-max 1
    msql "drop user plain_$NAME@'%'"
}

@test "no binary log: exit 78, and the cure" {
    restart_other --skip-log-bin
    MYSQL_SERVER=other
    URL=$(mysql_url other)
    exits 78 binlog --until now
    says log_bin
    exits 78 binlog --check
    says log_bin
    restart_other --log-bin=binlog
}

@test "--check: a replica with our server_id, and what of that cannot be known" {
    local word='MASTER ADMIN'
    table
    binlog --check || { cat "$DIR/err"; return 1; }
    if mysql_is_mariadb; then
        says "server_id.*GRANT REPLICATION $word"
        msql "grant replication master admin on *.* to cdc@'%'"
        binlog --check
    fi
    says "none of 0 replicas has server_id [0-9]+; readers that do not register are not listed"
    binlog --check --server-id 1
    says "warning: the server itself has server_id 1 .hint: --server-id 65537"
    restart_other
    mysql_replicate other main
    is_listed() { binlog --check --server-id 77 && grep -q "none of 1 replicas has server_id 77" "$DIR/err"; }
    wait_until is_listed
    exits 78 binlog --check --server-id 2
    says "error: a replica of the server has server_id 2: .*--server-id 65539"
    mysql_promote other
    ! mysql_is_mariadb || msql "revoke replication master admin on *.* from cdc@'%'"
}

check_snapshot() { t cdc-snapshot --check "$URL" 2>"$DIR/err" || { local status=$?; sed -i 's/^cdc-snapshot:/mysql-binlog:/' "$DIR/err"; return $status; }; }
@test "--check: REPLICATION SLAVE by its whole name, and tables that the user may not SELECT" {
    local user=limited_$BATS_SUITE_TEST_NUMBER monitor='replication client' other='replication client'
    ! mysql_is_mariadb || monitor='binlog monitor' other='replication slave admin'
    table
    msql "set sql_log_bin = 0; create user $user@'%' identified by 'x'; grant $monitor, $other on *.* to $user@'%'; grant select (v) on t to $user@'%'"
    URL="mysql://$user:x@127.0.0.1:$(cat "$(mysql_dir)/port")/"
    exits 78 binlog --check
    says "error: the user lacks REPLICATION SLAVE"
    says "warning: table $NAME.t: the user may not SELECT all of it"
    msql "set sql_log_bin = 0; grant replication slave on *.* to $user@'%'; grant select on t to $user@'%'"
    exits 0 binlog --check
    says "ok: the user may read the log"
    not grep -q "may not SELECT" "$DIR/err"
    # The last column leaves no gap in information_schema.
    msql "set sql_log_bin = 0; revoke select on t from $user@'%'; grant select (id) on t to $user@'%'"
    exits 0 binlog --check
    says "warning: table .*t\`?: the user may not SELECT all of it"
    URL+=$NAME
    exits 78 check_snapshot
    says "error: table .*t\`?: the user may not SELECT all of it"
    msql "set sql_log_bin = 0; drop user $user@'%'"
}

@test "--check --json: log, lag, tables; 79 once the log was purged past the position that is kept" {
    on_other
    table
    begin
    msql "insert into t values (1, repeat('x', 90))"
    : >"$DIR/out"
    exits 0 binlog --check --json --offset-file "$DIR/p"
    is "facts" "[0,\"FULL\",\"$(log_place | cut -d: -f1)\",\"t\",true,true]" "$(jq -c '[.exit_status, .settings.binlog_row_image, .log.file, .tables[0].table, .tables[0].key, .lag.lag_bytes > 100]' "$DIR/out")"
    is "messages" "" "$(cat "$DIR/err")"
    : >"$DIR/out"
    exits 0 binlog --check --offset-file "$DIR/p"
    grep -qE '^  binlog_format +ROW$' "$DIR/out" || fail "$(cat "$DIR/out")"
    purge_all
    : >"$DIR/out"
    exits 79 binlog --check --json --offset-file "$DIR/p"
    is "finding" '[79,"position"]' "$(jq -c '[.exit_status, (.findings[] | select(.severity == "error").code)]' "$DIR/out")"
    exits 79 binlog --offset-file "$DIR/p" --until now
}

@test "--check: what a crash of the machine may take from the log or from the tables, and the cure" {
    on_other
    table
    msql "set global sync_binlog = 0; set global innodb_flush_log_at_trx_commit = 2"
    exits 0 binlog --check
    says "warning: sync_binlog is 0.*SET GLOBAL sync_binlog = 1"
    says "warning: innodb_flush_log_at_trx_commit is 2.*SET GLOBAL innodb_flush_log_at_trx_commit = 1"
    msql "set global sync_binlog = 1; set global innodb_flush_log_at_trx_commit = 1"
    exits 0 binlog --check
    says "ok: sync_binlog is 1"
    says "ok: innodb_flush_log_at_trx_commit is 1"
    msql "set global sync_binlog = 0; set global innodb_flush_log_at_trx_commit = 2"
}

# bats test_tags=only:mysql
@test "--check: PARTIAL_JSON, and the cure" {
    on_other
    table
    msql "set global binlog_row_value_options = PARTIAL_JSON"
    exits 0 binlog --check
    says "warning: .*PARTIAL_JSON.*SET GLOBAL binlog_row_value_options = ''"
    msql "set global binlog_row_image = MINIMAL"
    exits 78 binlog --check
    says "error: .*PARTIAL_JSON.*SET GLOBAL binlog_row_value_options = ''"
    msql "set global binlog_row_image = FULL; set global binlog_row_value_options = ''"
    exits 0 binlog --check
    not grep -q PARTIAL_JSON "$DIR/err"
}

@test "binlog_format STATEMENT or MIXED: exit 78, and the cure" {
    on_other
    for format in STATEMENT MIXED; do
        msql "set global binlog_format = $format"
        exits 78 binlog --until now
        says 'binlog_format = ROW'
        exits 78 binlog --check
    done
    msql "set global binlog_format = ROW"
    exits 0 binlog --until now
}

@test "a statement instead of rows in the log: exit 78, and it is never passed over" {
    table
    begin
    insert 1 2
    msql "set session binlog_format = STATEMENT; insert into t values (3, 'as a statement')"
    insert 4 5
    for i in 1 2; do
        exits 78 binlog --offset-file "$DIR/p" --until now
        says "statement"
        says "binlog_format = ROW"
    done
    not grep -q '"id":4' "$DIR/out"
    whole_lines "$DIR/out"
    # One that changes nothing of ours stops it as well: what a statement touches is not to be seen from outside.
    rm "$DIR/p"
    begin
    msql "set session binlog_format = STATEMENT; update t set v = 'x' where id = 1"
    exits 78 binlog --offset-file "$DIR/p" --until now
    rm "$DIR/p"
    begin
    msql "set session binlog_format = STATEMENT; create temporary table temp (a int); insert into temp values (1); insert into t select 10 + a, 'y' from temp"
    exits 78 binlog --offset-file "$DIR/p" --until now
}

@test "CREATE TABLE ... SELECT as a statement: its rows are nowhere in the log, exit 78; of a table that is not selected it is DDL" {
    local how
    table
    insert 1 2
    for how in "create table made (id int primary key) select id, v from t" "create or replace table made as with x as (select * from t) select * from x"; do
        mysql_is_mariadb || how=${how/or replace /}
        rm -f "$DIR/p"
        begin
        msql "drop table if exists made; set session binlog_format = STATEMENT; $how"
        exits 78 binlog --offset-file "$DIR/p" --until now
        says "logged as a statement, not as rows: create "
        : >"$DIR/out"
        t mysql-binlog --name "$NAME" -t "$NAME.t" --offset-file "$DIR/p" --until now "$URL" >"$DIR/out"
        is "its line" 1 "$(jq -r 'select(.op == "ddl") | .ddl' "$DIR/out" | grep -cF "$how")"
    done
    # As rows, it is as good as any other.
    rm "$DIR/p"
    begin
    msql "create table rows_of_t (id int primary key) select id, v from t; create table parts (a int, \`select\` int) partition by list (a) (partition p values in (1, 2)); insert into parts values (1, 1)"
    read_all
    is "rows" 2 "$(jq -c 'select(.op == "c" and .source.table == "rows_of_t")' "$DIR/out" | wc -l)"
}

@test "LOAD DATA as a statement: exit 78, and the cure" {
    table
    begin
    printf '7\tseven\n' >"$DIR/data"
    msql "set global local_infile = ON"
    mariadb --no-defaults --local-infile=1 --socket="$(mysql_dir)/socket" --user=root "$NAME" -e "set session binlog_format = STATEMENT; load data local infile '$DIR/data' into table t"
    exits 78 binlog --offset-file "$DIR/p" --until now
    says "logged as a statement, not as rows: LOAD DATA.*binlog_format = ROW"
}

@test "a row without the key in its image, columns without names: exit 78, and the cure" {
    on_other
    msql "create table t (id int primary key, v varchar(10)); set global binlog_row_metadata = MINIMAL"
    begin
    insert 1 2
    local status=0
    binlog --offset-file "$DIR/p" --until now || status=$?
    if [ "$status" = 0 ]; then
        is "rows" '{"id":1,"v":"v"} {"id":2,"v":"v"}' "$(lines 'select(.op == "c") | .after' | xargs -d '\n')"
    else
        is "exit status" 78 "$status"
        says binlog_row_metadata
    fi
    msql "set global binlog_row_metadata = FULL"
}

# -- lines

@test "insert, update, delete, key change, truncate: fields and their order" {
    table
    begin
    msql "insert into t values (1, 'a'); update t set v = 'b'; update t set id = 2; delete from t; truncate t"
    read_all
    is "ops" "schema c commit u commit u commit d commit ddl t commit" "$(jq -r 'select(.op != "heartbeat") | .op' "$DIR/out" | xargs)"
    diff - <(changes) <<'EOF'
{"op":"c","key":{"id":1},"before":null,"after":{"id":1,"v":"a"}}
{"op":"u","key":{"id":1},"before":{"id":1,"v":"a"},"after":{"id":1,"v":"b"}}
{"op":"u","key":{"id":2},"before":{"id":1,"v":"b"},"after":{"id":2,"v":"b"}}
{"op":"d","key":{"id":2},"before":{"id":2,"v":"b"},"after":null}
{"op":"t"}
EOF
    connector=mysql
    ! mysql_is_mariadb || connector=mariadb
    grep -qE '^\{"op":"c","pos":"[0-9A-F]{16}\.[0-9A-F]{10}\.1","seq":[0-9]+,"ts_ms":[0-9]+,"source":\{"connector":"'$connector'","name":"'"$NAME"'","db":"'"$NAME"'","table":"t","ts_ms":[0-9]+,"gtid":"[^"]+","server_id":1,"file":"binlog\.[0-9]+","pos":[0-9]+,"row":0,"snapshot":"false"\},"key"' "$DIR/out"
    is "columns" '[["id","int",false],["v","varchar(100)",true]]' "$(lines 'select(.op == "schema") | .columns | map([.name,.type,.nullable])' | sed 's/int([0-9]*)/int/')"
    is "key columns" '["id"]' "$(lines 'select(.op == "schema") | .key_columns')"
    is "t names the table" t "$(jq -r 'select(.op == "t") | .source.table' "$DIR/out")"
    is "events" "1 1 1 1 2" "$(jq -r 'select(.op == "commit") | .events' "$DIR/out" | xargs)"
    ordered "$DIR/out"
    whole_lines "$DIR/out"
    # The commit time is the server's, now.
    now=$(date +%s)
    jq -e "select(.op == \"commit\") | (.ts_ms / 1000 - $now) | fabs < 30" "$DIR/out" >/dev/null
}

@test "DDL lines: the statement and the database that it ran in; secrets of accounts in none" {
    begin
    msql "create table t (id int primary key)  /* with a remark */"
    msql "alter table t add column \`v ü\` varchar(10) default 'd''é'; rename table t to \`odd \"name\`; drop table \`odd \"name\`"
    msql "create user secret_$NAME@'%' identified by 'very-secret-word'; alter user secret_$NAME@'%' identified by 'another-secret-word'; grant select on *.* to secret_$NAME@'%'; drop user secret_$NAME@'%'"
    msql "create /*!50000 user */ secret_$NAME@'%' identified by 'very-secret-word'; drop user secret_$NAME@'%'"
    ! mysql_is_mariadb || msql "set statement max_statement_time = 10 for create user secret_$NAME@'%' identified by 'very-secret-word'; set statement max_statement_time = 10 for drop user secret_$NAME@'%'"
    msql "create event e on schedule every 1 day do alter user secret_$NAME@'%' identified by 'very-secret-word'; create procedure p() create user secret_$NAME@'%' identified by 'very-secret-word'; drop event e; drop procedure p"
    msql "create table user (id int primary key); alter /*!50000 table */ user add column v int; truncate user"
    msql "create table ct (id int primary key); create view w as select * from ct; drop view w"
    MYSQL_DATABASE='' msql "create table $NAME.elsewhere (id int primary key)"
    read_all --allow-unlogged
    jq -r 'select(.op == "ddl") | .ddl' "$DIR/out" >"$DIR/ddl"
    grep -qi 'create table t (id int primary key)' "$DIR/ddl"
    grep -q "add column \`v ü\` varchar(10) default 'd''é'" "$DIR/ddl"
    grep -q 'odd "name' "$DIR/ddl"
    grep -qi 'alter */\*!50000 table *\*/ user add column v int' "$DIR/ddl"
    grep -qi 'truncate user' "$DIR/ddl"
    not grep -rqE 'very-secret-word|another-secret-word' "$DIR/out"
    not grep -q secret_ "$DIR/out"
    is "databases" "$NAME" "$(jq -r 'select(.op == "ddl" and (.ddl | test("elsewhere") | not)) | .db' "$DIR/out" | sort -u | grep . | xargs)"
    is "every transaction ends" 0 "$(jq -r 'select(.op != "heartbeat") | .op' "$DIR/out" | tail -1 | grep -vc commit || true)"
    ordered "$DIR/out"
}

@test "TRUNCATE in all its spellings: a t line for the right table, and no other" {
    table
    table 'odd`"t'\' 2>/dev/null || msql 'create table `odd"t'"'"'` (id int primary key, v int)'
    msql "create database ${NAME}x; create table ${NAME}x.t (id int primary key)"
    begin
    msql "truncate t; TRUNCATE TABLE t; truncate /* x */ table $NAME . t; truncate \`$NAME\`.\`t\`; truncate \`odd\"t'\`; truncate ${NAME}x.t"
    msql "drop database ${NAME}x"
    MYSQL_DATABASE=mysql msql "truncate table $NAME.t"
    read_all
    is "tables" "t t t t odd\"t' t" "$(jq -r 'select(.op == "t") | .source.table' "$DIR/out" | xargs -d '\n')"
    is "databases" "$NAME" "$(jq -r 'select(.op == "t") | .source.db' "$DIR/out" | sort -u)"
}

# MySQL wants to be made with it.
# bats test_tags=only:mariadb
@test "TRUNCATE where names of tables are in lower case: the table is named as its rows name it" {
    MYSQL_DATABASE='' mysql_start lower --lower-case-table-names=1
    MYSQL_SERVER=lower MYSQL_DATABASE='' msql 'create database Db; create table Db.Tab (id int primary key); insert into DB.TAB values (1); truncate table Db.TAB'
    t mysql-binlog -q -t db.tab --start oldest --until now "$(mysql_url lower)" >"$DIR/out"
    is "lines" "c db.tab t db.tab" "$(jq -r 'select(.op | IN("c", "t")) | "\(.op) \(.source.db).\(.source.table)"' "$DIR/out" | xargs)"
    # Letters of all alphabets that have two cases: İ and the Kelvin sign become i and k, and Ⱥ, Ꙁ, Ⱡ have one only at these servers.
    local names=(ÄÖÜßéÞ ĀĒİĹŸŽ ƁƎǄǅǶȘ ΆΈΌΏΣϢ ЀЖЯѢӁӸ ԱՖ ḀẠỸ ἈὨᾼῌῼ ΩKÅ ⅧⒶＡＺ ȺꙀⱠ 日本)
    MYSQL_SERVER=lower MYSQL_DATABASE='' msql "create database Ñandú; $(printf 'create table Ñandú.`%s` (id int primary key);' "${names[@]}")
        $(printf 'insert into Ñandú.`%s` values (1); truncate table Ñandú.`%s`;' $(printf '%s %s ' $(paste <(printf '%s\n' "${names[@]}") <(printf '%s\n' "${names[@]}"))))"
    t mysql-binlog -q -t 'ñandú.*' --start oldest --until now "$(mysql_url lower)" >"$DIR/out"
    jq -r 'select(.op == "c") | .source.db + "." + .source.table' "$DIR/out" >"$DIR/rows"
    is "tables" "${#names[@]}" "$(wc -l <"$DIR/rows")"
    diff "$DIR/rows" <(jq -r 'select(.op == "t") | .source.db + "." + .source.table' "$DIR/out")
    mysql_stop lower
}

@test "TRUNCATE by clients that do not speak UTF-8: the table is named as its rows name it" {
    msql 'create table `tä` (id int primary key); create table `描` (id int primary key)'
    begin
    msql 'insert into `tä` values (1)'
    printf 'set names latin1; truncate `t\xe4`; set names sjis; truncate table `\x95\x60`;' | msql
    read_all -t "$NAME.tä" -t "$NAME.描"
    is "tables" "tä tä 描" "$(jq -r 'select(.op == "t" or .op == "c") | .source.table' "$DIR/out" | xargs)"
    is "statements" 'truncate `tä`|truncate table `描`' "$(jq -r 'select(.op == "ddl") | .ddl' "$DIR/out" | paste -sd'|')"
}

@test "a transaction over several tables; savepoints and rollbacks leave no line" {
    table a
    table b
    begin
    msql "begin; insert into a values (1, 'x'); insert into b values (1, 'y'); savepoint s; insert into a values (2, 'gone'); update b set v = 'gone'; rollback to s; insert into a values (3, 'z'); commit"
    msql "begin; insert into a values (4, 'gone'); rollback"
    msql "begin; savepoint s; insert into a values (5, 'gone'); rollback to s; release savepoint s; commit"
    msql "insert into a values (6, 'x'); insert into a values (6, 'fails')" 2>/dev/null || true
    read_all
    diff - <(lines 'select(.op | length == 1) | [.source.table, .after.id, .after.v]') <<'EOF'
["a",1,"x"]
["b",1,"y"]
["a",3,"z"]
["a",6,"x"]
EOF
    is "events" "3 1" "$(jq -r 'select(.op == "commit" and .events > 0) | .events' "$DIR/out" | xargs)"
}

@test "thousands of savepoints in one transaction, half of them rolled back: the rows that stay, each once" {
    local n=${CDC_SUBTRANSACTIONS:-20000}
    table t
    begin
    # Each savepoint has a name of its own.
    awk -v n="$n" 'BEGIN {
        print "begin;"
        for (i = 1; i <= n; i++) {
            print "savepoint s" i "; insert into t values (" i ", \047new\047); update t set v = \047later\047 where id = " i - 1 ";"
            if (i % 2 == 0) print "rollback to s" i ";"
            else if (i % 3 == 0) print "release savepoint s" i ";"
        }
        print "commit;"
    }' | msql
    read_all
    is "commits with changes" 1 "$(jq -r 'select(.op == "commit" and .events > 0) | .events' "$DIR/out" | wc -l)"
    jq -rn 'reduce inputs as $l ({}; if $l.op == "c" or $l.op == "u" then .[$l.key.id | tostring] = $l.after.v else . end) | to_entries[] | "\(.key)\t\(.value)"' "$DIR/out" | sort >"$DIR/actual"
    msql -N "select id, v from t" | sort | diff - "$DIR/actual"
    is "rows" $((n / 2)) "$(grep -c '"op":"c"' "$DIR/out")"
}

# bats test_tags=only:mariadb
@test "rows that are undone, and are in the log: after ROLLBACK TO a savepoint and ROLLBACK" {
    table t
    table u
    msql "create table m (id int primary key) engine = MyISAM"
    msql 'flush binary logs'
    begin
    # A table without transactions, or a temporary one: from then on the server logs what is undone.
    msql "begin; insert into m values (1); insert into t values (1, ''); savepoint a; insert into t values (2, 'gone'); savepoint b; insert into u values (3, 'gone'); rollback to a; insert into u values (4, ''); savepoint b; update t set v = 'gone'; rollback to B; insert into t values (5, ''); commit"
    msql "begin; insert into t values (6, ''); create temporary table temp (a int); savepoint s; delete from t; rollback to s; insert into t values (7, ''); commit"
    msql "begin; insert into t values (8, 'gone'); create temporary table temp (a int); insert into u values (9, 'gone'); rollback"
    file=$(log_files | tail -1)
    is "what the log has of it" 4 "$(msql -N "show binlog events in '$file'" | grep -c ROLLBACK)"
    read_all
    is "rows" "1 1 4 5 6 7" "$(ids | tr ' ' '\n' | sort -n | xargs)"
    is "updates and deletes" "" "$(jq -r 'select(.op | IN("u", "d")) | .op' "$DIR/out")"
    is "rows of the server" "t 1,t 5,t 6,t 7,u 4" "$(msql -N "select group_concat(x order by x) from (select concat('t ', id) x from t union all select concat('u ', id) from u) a")"
    is "changes of each transaction" "1 3 2" "$(jq -r 'select(.op == "commit" and .events > 0) | .events' "$DIR/out" | xargs)"
    is "schema lines" "m t u" "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/out" | sort | xargs)"
    ordered "$DIR/out"
}

# bats test_tags=only:mariadb
@test "rows that are undone, and are in the log: more of them than are held back, live and from a file" {
    table t
    table u
    msql "create table m (id int primary key) engine = MyISAM"
    msql 'flush binary logs'
    begin
    many() { echo "insert into $1 select n, 'x' from $(numbers "$2" "$3") order by n"; }
    # Undone: among what is held back already; behind it; twice, one in the other; of a table that was not there before.
    msql "begin; insert into m values (1); $(many t 1 1000); savepoint a; $(many u 1 4000); rollback to a; $(many t 1001 5000); commit"
    msql "begin; insert into m values (2); $(many t 5001 9000); savepoint a; $(many u 1 4000); savepoint b; $(many t 9001 10000); rollback to b; $(many u 4001 5000); rollback to a; $(many t 9001 9500); savepoint b; $(many t 9501 9600); commit"
    msql "begin; insert into m values (3); $(many t 20001 24000); savepoint a; delete from t; rollback to a; $(many u 1 10); commit"
    # All of it.
    msql "begin; $(many t 30001 34000); create temporary table temp (a int); savepoint a; $(many t 34001 35000); rollback to a; rollback"
    msql "insert into t values (40000, 'last')"
    file=$(log_files | tail -1)
    is "what the log has of it" 6 "$(msql -N "show binlog events in '$file'" | grep -c ROLLBACK)"
    ids_of() { jq -r "select(.op == \"c\" and .source.table == \"$1\") | .after.id" "$DIR/out"; }
    for way in live file; do
        if [ $way = live ]; then
            read_all
        else
            t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$(log_file "$file")" >"$DIR/out" 2>"$DIR/err"
        fi
        diff <(msql -N "select id from t order by id") <(ids_of t)
        diff <(msql -N "select id from u order by id") <(ids_of u)
        is "deletes" "" "$(jq -r 'select(.op == "d") | .op' "$DIR/out")"
        is "changes of each transaction" "1 5000 1 4600 1 4010 1" "$(jq -r 'select(.op == "commit" and .events > 0) | .events' "$DIR/out" | tail -7 | xargs)"
        is "schema lines" "m t u" "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/out" | sort | xargs)"
        ordered "$DIR/out"
    done
}

# bats test_tags=only:mariadb
@test "a savepoint that a trigger made is not taken for another of its name: exit 78" {
    table t
    msql "create table m (id int primary key) engine = MyISAM"
    msql <<'EOF'
delimiter //
create trigger t_ins after insert on t for each row begin if new.v = 'trigger' then savepoint s; insert into m values (new.id); end if; end//
EOF
    begin
    msql "begin; insert into m values (100); insert into t values (1, ''); savepoint s; insert into t values (2, 'gone'); insert into t values (3, 'trigger'); insert into t values (4, 'gone'); rollback to s; commit"
    is "the server's rows" 1 "$(msql -N 'select group_concat(id) from t')"
    exits 78 binlog --offset-file "$DIR/p" --until now
    says 'two savepoints have the same name'
    is "rows" "100 3" "$(ids)" # those of the table without transactions
}

@test "an update or delete of several tables at once, triggers, and many rows in one statement" {
    table a
    table b
    msql "create table log (id int auto_increment primary key, what varchar(20))"
    msql "create trigger a_ins after insert on a for each row insert into log (what) values (concat('a', new.id))"
    msql "insert into a values (1, ''), (2, ''); insert into b values (1, ''), (2, '')"
    begin
    msql "update a, b set a.v = 'both', b.v = 'both' where a.id = b.id"
    msql "insert into a values (3, ''), (4, '')"
    msql "delete a, b from a join b on a.id = b.id where a.id = 1"
    read_all
    is "update" "a1 a2 b1 b2" "$(jq -r 'select(.op == "u") | .source.table + (.after.id | tostring)' "$DIR/out" | sort | xargs)"
    is "inserts" "a3 a4 log3 log4" "$(jq -r 'select(.op == "c") | .source.table + (.after.id | tostring)' "$DIR/out" | sort | xargs)"
    is "trigger" "a3 a4" "$(jq -r 'select(.source.table == "log" and .op == "c") | .after.what' "$DIR/out" | xargs)"
    is "delete" "a1 b1" "$(jq -r 'select(.op == "d") | .source.table + (.before.id | tostring)' "$DIR/out" | sort | xargs)"
    ordered "$DIR/out"
}

@test "REPLACE and ON DUPLICATE KEY UPDATE: also where the key changes" {
    msql "create table t (id int primary key, code int unique, v varchar(10)); insert into t values (1, 10, 'a'), (2, 20, 'b')"
    begin
    msql "insert into t values (1, 11, 'c') on duplicate key update v = 'dup', id = 5"
    msql "replace into t values (3, 20, 'r')"
    msql "insert into t values (9, 10, 'd') on duplicate key update id = 6"
    read_all
    # Whatever the server logs: applying it gives the table.
    jq -s -c 'reduce (.[] | select(.op | length == 1)) as $l ({}; (if $l.before then del(.[$l.before.id | tostring]) else . end) | (if $l.after then .[$l.after.id | tostring] = $l.after else . end)) | del(.["1"]) | .' "$DIR/out" >"$DIR/applied"
    is "rows" '{"3":{"id":3,"code":20,"v":"r"},"6":{"id":6,"code":10,"v":"dup"}}' "$(jq -c -S . "$DIR/applied" | jq -c 'map_values({id,code,v})')"
    is "the source" $'3\t20\tr\n6\t10\tdup' "$(msql -N 'select * from t order by id')"
    [ "$(lines 'select(.op == "u" and .before.id != .after.id)' | wc -l)" -ge 1 ]
}

@test "tables without transactions" {
    local engine engines="MyISAM MEMORY"
    ! mysql_is_mariadb || engines+=" Aria"
    table
    for engine in $engines; do msql "create table t_$engine (id int primary key, v varchar(10)) engine = $engine"; done
    begin
    for engine in $engines; do
        msql "insert into t_$engine values (1, 'a'), (2, 'b'); update t_$engine set v = 'c' where id = 1; delete from t_$engine where id = 2"
        is "$engine" "c c u d" "$(: >"$DIR/out"; binlog --offset-file "$DIR/p" --until now; jq -r 'select(.op | length == 1) | .op' "$DIR/out" | xargs)"
        ordered "$DIR/out"
    done
    if mysql_is_mariadb; then
        msql "begin; insert into t values (1, 'kept'); insert into t_MyISAM values (10, 'at once'); insert into t_Aria values (10, 'at once'); commit"
        msql "begin; insert into t values (2, 'gone'); insert into t_MyISAM values (11, 'stays'); rollback"
        msql "insert into t_MyISAM values (12, 'stays'), (12, 'fails')" 2>/dev/null || true
        read_all
        is "rows" "t:1 t_Aria:10 t_MyISAM:10 t_MyISAM:11 t_MyISAM:12" "$(jq -r 'select(.op == "c") | .source.table + ":" + (.after.id | tostring)' "$DIR/out" | sort | xargs)"
    fi
}

@test "CREATE TABLE ... SELECT, CREATE TABLE ... LIKE, temporary tables" {
    table
    insert 1 3
    begin
    local copy="create table copy (primary key (id)) select id, v from t"
    # MySQL before 8.0.21 has no GTID for it.
    mysql_is_mariadb || mysql_since 80021 || copy="create table copy like t; insert into copy select * from t"
    msql "$copy; create table alike like t; insert into alike select * from t where id = 2"
    msql "create temporary table temp (id int primary key); insert into temp values (77); insert into t select id, 'from temp' from temp; drop temporary table temp"
    msql "create temporary table t select 1 as id; insert into t values (2); drop temporary table t"
    read_all
    is "rows" "alike:2 copy:1 copy:2 copy:3 t:77" "$(jq -r 'select(.op == "c") | .source.table + ":" + (.after.id | tostring)' "$DIR/out" | sort | xargs)"
    is "t lines" "" "$(lines 'select(.op == "t")')"
    whole_lines "$DIR/out"
    ordered "$DIR/out"
    is "last line" commit "$(jq -r 'select(.op != "heartbeat") | .op' "$DIR/out" | tail -1)"
}

@test "columns are added, renamed and dropped while it runs: each row by the columns of its time" {
    table
    begin
    msql "insert into t values (1, 'a'); alter table t add n int; insert into t values (2, 'b', 1);
          alter table t change v w varchar(100); insert into t values (3, 'c', 2); alter table t drop column w; insert into t values (4, 3);
          rename table t to u; insert into u values (5, 4); create table t (v varchar(3), id int primary key); insert into t values ('new', 6)"
    read_all --allow-unlogged
    diff <(jq -c 'select(.op == "c") | [.source.table, .after]' "$DIR/out") - <<'END'
["t",{"id":1,"v":"a"}]
["t",{"id":2,"v":"b","n":1}]
["t",{"id":3,"w":"c","n":2}]
["t",{"id":4,"n":3}]
["u",{"id":5,"n":4}]
["t",{"v":"new","id":6}]
END
    # And a schema line before the first row of each shape.
    is "shapes" '["id","v"] ["id","v","n"] ["id","w","n"] ["id","n"] ["id","n"] ["v","id"]' "$(lines 'select(.op == "schema") | .columns | map(.name)' | xargs -d '\n')"
    is "columns agree" true "$(jq -n '[inputs] | reduce .[] as $l ({schema: {}, ok: true}; if $l.op == "schema" then .schema[$l.source.table] = ($l.columns | map(.name)) elif $l.op == "c" then .ok = (.ok and .schema[$l.source.table] == ($l.after | keys_unsorted)) else . end) | .ok' "$DIR/out")"
}

@test "names that need quotes" {
    msql 'create table `Odd "name", ü \ '"'"'` (`Key "a"` int primary key, `v,1` int, `é``x` int)'
    begin
    msql 'insert into `Odd "name", ü \ '"'"'` values (1, 2, 3)'
    read_all
    is "table" "Odd \"name\", ü \\ '" "$(jq -r 'select(.op == "c") | .source.table' "$DIR/out")"
    is "row" '{"Key \"a\"":1,"v,1":2,"é`x":3}' "$(lines 'select(.op == "c") | .after')"
    is "type" "int" "$(jq -r 'select(.op == "schema") | .columns[1].type' "$DIR/out" | sed 's/(.*//')"
    # MariaDB knows a JSON column by its constraint, which has the name.
    msql 'create table j (id int primary key, `a``b` json); insert into j values (1, "{}")'
    read_all
    is "JSON" '{"id":1,"a`b":{}}' "$(lines 'select(.op == "c") | .after')"
}

@test "a table without a key; a key of several columns; a unique key of NOT NULL columns" {
    msql "create table a (x int, y int); create table b (x int, y int, z int, primary key (z, x)); create table c (x int not null unique, y int)"
    begin
    msql "insert into a values (1, 2); update a set y = 3; delete from a; insert into b values (1, 2, 3); insert into c values (1, 2)"
    read_all
    diff - <(changes) <<'EOF'
{"op":"c","before":null,"after":{"x":1,"y":2}}
{"op":"u","before":{"x":1,"y":2},"after":{"x":1,"y":3}}
{"op":"d","before":{"x":1,"y":3},"after":null}
{"op":"c","key":{"x":1,"z":3},"before":null,"after":{"x":1,"y":2,"z":3}}
{"op":"c","key":{"x":1},"before":null,"after":{"x":1,"y":2}}
EOF
}

# -- files

# Lines without what tells one run from another: the first number, the names of types that only the server knows.
comparable() {
    python3 -c '
import json, sys
first, shapes = None, {}
for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line)
    if event["op"] == "heartbeat":
        continue
    if first is None:
        first = event["seq"]
    event["seq"] -= first
    event["pos"] = "%d%s" % (int(event["pos"][:16], 16) - first, event["pos"][16:])
    event["source"].pop("server_uuid", None)
    for column in event.get("columns", []):
        column.pop("type"), column.pop("generated")
    if event["op"] == "schema": # each file begins with schema lines of its own
        shape = json.dumps([event["columns"], event["key_columns"]])
        if shapes.get(event["source"]["table"]) == shape:
            continue
        shapes[event["source"]["table"]] = shape
    print(json.dumps(event, ensure_ascii=False))' "$1"
}

@test "--file: the lines of one and of several files are those of the stream" {
    on_other
    reset_log
    table
    insert 1 5
    msql "flush binary logs; begin; insert into t values (10, 'x'); update t set v = 'changed' where id < 4; commit; create table u (a int primary key, b text); insert into u values (1, 'é'), (2, null)"
    msql "flush binary logs; delete from t where id = 2; truncate u; flush binary logs"
    binlog --start oldest --until now
    mapfile -t files < <(log_files)
    [ ${#files[@]} = 4 ]
    options=()
    for file in "${files[@]}"; do options+=(--file "$(log_file "$file")"); done
    t mysql-binlog --name "$NAME" -t "$NAME.*" "${options[@]}" >"$DIR/files" 2>"$DIR/err"
    diff <(comparable "$DIR/out") <(comparable "$DIR/files")
    ordered "$DIR/files"
    # As the shell writes them: operands are further files.
    t mysql-binlog --name "$NAME" -t "$NAME.*" --file "${options[@]:1:1}" "${options[3]}" "${options[5]}" "${options[7]}" >"$DIR/again" 2>"$DIR/err"
    cmp "$DIR/files" "$DIR/again"
    whole_lines "$DIR/files"
    # What is between two others would be missing in silence.
    exits 64 t mysql-binlog --name "$NAME" "${options[0]}" "${options[1]}" "${options[4]}" "${options[5]}" >"$DIR/none" 2>"$DIR/err"
    says "file ${files[2]} does not follow ${files[0]}"
    exits 64 t mysql-binlog --name "$NAME" "${options[2]}" "${options[3]}" "${options[0]}" "${options[1]}" >>"$DIR/none" 2>"$DIR/err"
    exits 64 t mysql-binlog --name "$NAME" "${options[0]}" "${options[1]}" "${options[0]}" "${options[1]}" >>"$DIR/none" 2>"$DIR/err"
    [ ! -s "$DIR/none" ]
    t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$(log_file "${files[1]}")" >"$DIR/second" 2>"$DIR/err"
    is "rows of the second file" "c u u u c c" "$(jq -r 'select(.op | length == 1) | .op' "$DIR/second" | xargs)"
    diff <(jq -c 'select(.source.file == "'"${files[1]}"'") | [.op, .source, .before, .after]' "$DIR/files") <(jq -c '[.op, .source, .before, .after]' "$DIR/second")
    t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$(log_file "${files[1]}")" --max-events 2 >"$DIR/some" 2>"$DIR/err"
    is "rows up to a commit" 4 "$(jq -r 'select(.op | length == 1) | .op' "$DIR/some" | wc -l)"
}

@test "--file: a file that was copied while it was written, and then the next one: exit 65, what came before is good" {
    local size
    on_other
    reset_log
    table
    insert 1 2
    size=$(log_place)
    insert 3 4
    msql 'flush binary logs'
    insert 5 6
    mapfile -t files < <(log_files)
    head -c "${size#*:}" "$(log_file "${files[0]}")" >"$DIR/${files[0]}"
    cp "$(log_file "${files[1]}")" "$DIR/${files[1]}"
    t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$DIR/${files[0]}" >"$DIR/out" 2>"$DIR/err"
    is "rows of the truncated file" "1 2" "$(ids)"
    exits 65 t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$DIR/${files[0]}" "$DIR/${files[1]}" >"$DIR/out" 2>"$DIR/err"
    is "rows up to the gap" "1 2" "$(ids)"
    says "${files[1]} does not go on where ${files[0]} ends.*$(log_gtids | sed 's/[-0-9]*$//')"
    is "the last line" '"commit"' "$(tail -1 "$DIR/out" | jq -c .op)"
    # The whole first file, and both go together.
    t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$(log_file "${files[0]}")" "$DIR/${files[1]}" >"$DIR/out" 2>"$DIR/err"
    is "all rows" "$(echo {1..6})" "$(ids)"
}

# bats test_tags=only:mariadb-server
@test "--file of an encrypted log: exit 65, it says so; from the server its rows come" {
    local secret
    secret=$(head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n')
    on_other
    echo "1;$secret" >"$(mysql_dir)/keys"
    chmod 644 "$(mysql_dir)/keys"
    mysql_restart other --plugin-load-add=file_key_management --file-key-management-filename="$(mysql_dir)/keys" --encrypt-binlog=1
    table
    begin
    insert 1 3
    read_all
    is "rows from the server" "1 2 3" "$(ids)"
    exits 65 t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$(log_file "$(log_files | tail -1)")" >"$DIR/out" 2>"$DIR/err"
    says "is encrypted.*read from the server"
    [ ! -s "$DIR/out" ]
    mysql_restart other --encrypt-binlog=0
}

# bats test_tags=only:mariadb-server
@test "a server without the key of its log: 69, with another one: 78; once it has the right one the rows come" {
    local keys other place gtids way MYSQL_SERVER=keyed
    MYSQL_DATABASE='' mysql_start keyed
    keys=$(mysql_dir)/keys other=$(mysql_dir)/other
    local plugin=(--plugin-load-add=file_key_management --encrypt-binlog=1 --file-key-management-filename="$keys")
    echo "1;$(head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n')" >"$keys"
    echo "1;$(head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n')" >"$other"
    chmod 644 "$keys" "$other"
    cp "$(mysql_dir)/options" "$DIR/options"
    MYSQL_DATABASE='' mysql_restart keyed "${plugin[@]}"
    URL=$(mysql_url keyed)
    MYSQL_DATABASE='' msql "create database $NAME"
    table
    insert 1 1
    begin
    place=$(log_place) gtids=$(log_gtids)
    insert 2 3
    MYSQL_DATABASE='' mysql_restart keyed --file-key-management-filename="$other" --encrypt-binlog=0
    for way in "--offset-file $DIR/p" "--start $gtids" "--start oldest"; do
        # shellcheck disable=SC2086
        exits 78 binlog $way --until now
        says "key"
        not grep -q "new snapshot" "$DIR/err"
    done
    mysql_stop keyed
    cp "$DIR/options" "$(mysql_dir)/options" # without the plugin
    MYSQL_DATABASE='' mysql_restart keyed
    for way in "--offset-file $DIR/p" "--start $place" "--start $gtids" "--start oldest"; do
        # shellcheck disable=SC2086
        exits 69 binlog $way --until now --retry-max 1
        says "cannot decrypt its log"
        not grep -q "new snapshot" "$DIR/err"
    done
    MYSQL_DATABASE='' mysql_restart keyed "${plugin[@]}"
    read_all
    is "rows" "2 3" "$(ids)"
    mysql_stop keyed
}

@test "--file on garbage, nothing, a folder: 65 or 78, with its name" {
    local status
    : >"$DIR/empty"
    head -c 5000 /dev/urandom >"$DIR/random"
    { printf '\xfebin'; head -c 5000 /dev/urandom; } >"$DIR/magic"
    { printf '\xfebin'; head -c 5000 /dev/zero; } >"$DIR/zero"
    printf '\xfebin' >"$DIR/only"
    for file in empty random magic zero only nothing .; do
        status=0
        t mysql-binlog --name n --file "$DIR/$file" >"$DIR/out" 2>"$DIR/err" || status=$?
        case $file in
        only) [[ $status = 0 || $status = 65 ]] || fail "$file: exit status $status" ;;
        nothing | .) is "exit status on $file" 78 "$status" ;;
        *) [[ $status = 65 || $status = 76 ]] || fail "$file: exit status $status" ;;
        esac
        [ "$status" = 0 ] || says "$file"
        is "lines of $file" 0 "$(wc -l <"$DIR/out")"
    done
    exits 64 t bash -c "mysql-binlog --file '$DIR/only' 'mysql://x/' 2>'$DIR/err'"
}

# A small log of its own: DDL, a transaction with several kinds of changes.
small_log() {
    on_other
    reset_log
    msql "create table t (id int primary key, v varchar(20), d decimal(10,2), j text)"
    msql "begin; insert into t values (1, 'a', 1.5, 'x'), (2, 'b', null, 'yy'); update t set v = 'longer', d = -2 where id = 1; delete from t where id = 2; commit"
    msql 'flush binary logs'
    log_file "$(log_files | head -1)"
}

@test "--file cut off anywhere: exit 65 or 0, and whole lines that the whole file has" {
    small_log >"$DIR/name"
    python3 "$LIB/mysql-cut.py" cut "$(cat "$DIR/name")" "$DIR"
}

@test "--file with a flipped bit anywhere: an error, and no line that the whole file does not have" {
    small_log >"$DIR/name"
    python3 "$LIB/mysql-cut.py" flip "$(cat "$DIR/name")" "$DIR"
}

# -- time, load, endings

@test "the reader of stdout is stuck for longer than net_write_timeout: the connection lives, nothing is lost" {
    table
    begin
    before=$(msql -N 'select @@global.net_write_timeout')
    msql 'set global net_write_timeout = 1'
    msql "create table big (id int primary key, v text); insert into big select n, repeat('z', 1000) from $(numbers 1 30000) order by n"
    spawn_line "mysql-binlog --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --heartbeat 1 '$URL' 2>'$DIR/err' | { read -r first; echo \$BASHPID >'$DIR/reader'; kill -STOP \$BASHPID; cat; } >'$DIR/out'"
    wait_until reader_stopped
    dump() { msql -N "select id from information_schema.processlist where command like 'Binlog Dump%' and user = 'cdc'"; }
    wait_until eval '[ -n "$(dump)" ]'
    thread=$(dump)
    pause_ms 5000
    is "the connection" "$thread" "$(dump)"
    kill -CONT "$(cat "$DIR/reader")"
    has_big() { [ "$(grep -c '"op":"c"' "$DIR/out")" = 30000 ]; }
    wait_until has_big
    is "the connection" "$thread" "$(dump)"
    msql "set global net_write_timeout = $before"
    is "messages" 0 "$(grep -cE 'warning|error' "$DIR/err")"
    pid=$(member "$SPAWNED" mysql-binlog)
    kill -TERM "$pid"
    status_of "$SPAWNED"
}
reader_stopped() { [ -s "$DIR/reader" ] && grep -q '^State:.T' "/proc/$(cat "$DIR/reader")/status"; }

lag() { sed -n "s/^cdc_lag_$1{.*} //p" "$DIR/metrics"; }
lags() { [ -s "$DIR/metrics" ] && [ "$(lag bytes)" -ge "$1" ] && [ "$(lag milliseconds)" -ge "$2" ]; }
no_lag() { [ -s "$DIR/metrics" ] && [ "$(lag bytes)" = 0 ] && [ "$(lag milliseconds)" = 0 ]; }

@test "the lag grows while the reader stands still, and while the server is away; then there is none again" {
    on_other
    MYSQL_DATABASE=$NAME
    table
    spawn_line "mysql-binlog --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --start now --ack stdout --heartbeat 1 --metrics-file '$DIR/metrics' '$URL' 2>'$DIR/err' | cat >'$DIR/out'"
    wait_for_match "$DIR/out" heartbeat
    insert 1 1
    wait_for_match "$DIR/out" '"id":1}'
    wait_until no_lag
    # What nobody has selected is read, and waits nowhere.
    MYSQL_DATABASE='' msql "create database ${NAME}x; create table ${NAME}x.t (id int primary key, v varchar(100)); insert into ${NAME}x.t values (1, 'v')"
    wait_until no_lag
    kill -STOP "$(member "$SPAWNED" cat)"
    msql "insert into t select n, repeat('x', 100) from $(numbers 2 40000)"
    wait_until lags 4000000 3000 || fail "$(grep ^cdc_lag "$DIR/metrics"; cat "$DIR/err")"
    pid=$(member "$SPAWNED" mysql-binlog)
    kill -USR1 "$pid"
    wait_for_match "$DIR/err" 'lag [0-9]{7,} bytes, lag [0-9]{4,} ms'
    kill -CONT "$(member "$SPAWNED" cat)"
    wait_for_match "$DIR/out" '"id":40000[,}]'
    wait_until no_lag
    mysql_stop other
    wait_until lags -1 3000
    is "bytes while the server is away" -1 "$(lag bytes)"
    on_other
    MYSQL_DATABASE=$NAME
    insert 40001 40001
    wait_for_match "$DIR/out" '"id":40001[,}]'
    wait_until no_lag
    kill -TERM "$(member "$SPAWNED" mysql-binlog)"
    status_of "$SPAWNED"
    MYSQL_DATABASE='' msql "drop database ${NAME}x"
}

@test "two readers with one --server-id: one ends with 78 and says why, the other goes on" {
    table
    follow --server-id 4242
    wait_for_match "$DIR/out" heartbeat
    first=$FOLLOWER
    spawn_line "exec mysql-binlog --name $NAME -t '$NAME.*' --offset-file '$DIR/p2' --heartbeat 1 --server-id 4242 '$URL' >>'$DIR/out2' 2>>'$DIR/err2'"
    second=$SPAWNED
    wait_for_match "$DIR/out2" heartbeat
    one_gone() { gone "$first" || gone "$second"; }
    wait_until one_gone
    gone "$first" || fail "the newer one ended"
    local status=0
    status_of "$first" || status=$?
    is "exit status" 78 "$status"
    says "server.id"
    insert 1 2
    wait_for_match "$DIR/out2" '"id":2'
    kill "$second"
    status_of "$second"
}

@test "two pipelines of different names at one server, without any --server-id" {
    table
    follow
    wait_for_match "$DIR/out" heartbeat
    spawn_line "exec mysql-binlog --name ${NAME}b -t '$NAME.*' --offset-file '$DIR/p2' --heartbeat 1 '$URL' >>'$DIR/out2' 2>>'$DIR/err2'"
    second=$SPAWNED
    wait_for_match "$DIR/out2" heartbeat
    insert 1 2
    wait_for_match "$DIR/out" '"id":2'
    wait_for_match "$DIR/out2" '"id":2'
    # The same offset file twice: the second one does not start.
    exits 75 binlog --offset-file "$DIR/p" --until now
    follow_end
    kill "$second"
    status_of "$second"
}

@test "SIGTERM at any moment: exit 0, whole lines, and the next start goes on where it stopped" {
    msql "create table t (id int primary key, v text)"
    begin
    for ((i = 1; i <= 8000; i++)); do echo "insert into t values ($i, repeat('y', $((i % 300))));"; done >"$DIR/in.sql"
    msql <"$DIR/in.sql" 3>&- &
    local writer=$! i status
    SPAWNED_ALL+=("$writer")
    RANDOM=99
    for ((i = 0; i < 20; i++)); do
        follow
        pause_ms $((RANDOM % 250 + 1))
        kill -TERM "$FOLLOWER"
        status=0
        status_of "$FOLLOWER" || status=$?
        # Before the handlers are there, the signal ends the process as it ends every program.
        [ "$status" = 0 ] || [ "$status" = 143 ] || { tail -5 "$DIR/err"; fail "exit status $status"; }
        whole_lines "$DIR/out"
    done
    wait "$writer"
    binlog --offset-file "$DIR/p" --until now
    whole_lines "$DIR/out"
    is "rows, each once" 8000 "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | sort -u | wc -l)"
    is "lines" 8000 "$(grep -c '"op":"c"' "$DIR/out")"
    jq -r 'select(.op != "schema" and .op != "heartbeat") | .pos' "$DIR/out" >"$DIR/pos"
    LC_ALL=C sort -c -u "$DIR/pos"
}

@test "the server is killed and restarted, its dump is killed: it comes back, nothing is lost or written twice" {
    on_other
    msql "create table t (id int primary key, v varchar(100))"
    begin
    follow
    # A crash may take what the server had not yet synced away from it: what it kept is what counts.
    msql 'set global sync_binlog = 1; set global innodb_flush_log_at_trx_commit = 1'
    for i in 1 2 3; do
        insert $((i * 1000)) $((i * 1000 + 499))
        wait_until has_rows $((i * 500))
        case $i in
        1) mysql_kill ;;
        2) mysql_stop ;;
        3) msql "kill $(msql -N "select id from information_schema.processlist where command like 'Binlog Dump%'")" ;;
        esac
        [ $i = 3 ] || mysql_restart
        MYSQL_DATABASE=$NAME msql 'set global sync_binlog = 1; set global innodb_flush_log_at_trx_commit = 1'
    done
    insert 9000 9004
    wait_until has_rows 1505
    follow_end
    whole_lines "$DIR/out"
    is "lines" 1505 "$(grep -c '"op":"c"' "$DIR/out")"
    grep -vE '"op":"schema"' "$DIR/out" >"$DIR/lines"
    ordered "$DIR/lines"
    says warning
}

# Here it is the server's log alone that lacks the end: what the test looks at are the lines.
# bats test_tags=only:mariadb
@test "a crash while a transaction is written: the file's half event is passed over, the next file is read" {
    local rows from=10
    on_other
    table
    for rows in 1 6000 6000; do
        begin
        insert $((from + 1)) $((from + 3))
        msql "insert into t select n, repeat('v', 100) from $(numbers $((from + 4)) $((from + 3 + rows)))"
        mysql_kill
        truncate -s -5 "$(last_log_file)"
        restart_other --binlog-row-metadata=NO_LOG
        insert $((from + 9000)) $((from + 9001))
        read_all
        is "ids" "$((from + 1)) $((from + 2)) $((from + 3)) $((from + 9000)) $((from + 9001))" "$(ids)"
        is "changes that are counted" "3 2" "$(lines 'select(.op == "commit") | .events' | grep -v '^0$' | xargs)"
        # A number that was given is not given again: a sink would take its rows for some that it has.
        grep -v '"op":"schema"' "$DIR/out" >"$DIR/lines"
        ordered "$DIR/lines"
        from=$((from + 10000))
    done
    # A place inside an event is none.
    exits 79 binlog --start "$(log_files | tail -1):5" --until now
    restart_other --binlog-row-metadata=FULL
}
last_log_file() { (cd "$(log_file .)" && find "$PWD" -name 'binlog.0*[0-9]' | sort | tail -1); }

# MariaDB writes so after a crash close behind a rotation.
# bats test_tags=only:mariadb
@test "a file of the log whose list of GTIDs is one of long before: what follows the position is found" {
    on_other
    table
    insert 1 2
    begin
    insert 3 4
    binlog --offset-file "$DIR/behind" --until now --start now
    read_all
    insert 5 6
    mysql_stop
    restart_other
    python3 - "$(last_log_file)" <<'END'
import struct, sys, zlib
file = open(sys.argv[1], "r+b")
file.seek(4)
while True:
    start = file.tell()
    kind, size = struct.unpack("<xxxxBxxxxI", file.read(13))
    file.seek(start)
    event = bytearray(file.read(size))
    if kind == 163:
        break
event[19 + 4 + 8:19 + 4 + 16] = struct.pack("<Q", 1)
event[-4:] = struct.pack("<I", zlib.crc32(event[:-4]))
file.seek(start)
file.write(event)
END
    insert 7 8
    read_all
    is "ids" "5 6 7 8" "$(ids)"
    : >"$DIR/out"
    binlog --offset-file "$DIR/behind" --until now
    is "ids" "5 6 7 8" "$(ids)"
}

@test "one huge transaction: less than 32 MB of memory" {
    msql "create table t (id int primary key, v varchar(200))"
    begin
    follow
    wait_for_match "$DIR/out" heartbeat
    msql "begin; insert into t select n, repeat('x', 100) from $(numbers 1 200000) order by n; update t set v = 'y'; commit"
    committed() { grep -q '"op":"commit".*"events":400000' "$DIR/out"; }
    wait_until -t 120 committed
    kib=$(peak_kib "$FOLLOWER")
    echo "# mysql-binlog: peak $kib KiB" >&3
    [ "$kib" -lt 32768 ] || fail "mysql-binlog took $kib KiB"
    follow_end
    is "lines" 200000 "$(grep -c '"op":"c"' "$DIR/out")"
    is "lines" 200000 "$(grep -c '"op":"u"' "$DIR/out")"
}

@test "work tables that come and go, each under a name of its own: less than 32 MB of memory, and every row" {
    local columns
    columns=$(seq -s, -f 'column_number_%g varchar(100)' 60)
    begin
    { echo "create table w0 (id int primary key, $columns);"; for i in {0..1499}; do echo "insert into w$i (id) values ($i); rename table w$i to w$((i + 1));"; done; } | msql
    follow --allow-unlogged
    committed() { grep -q '"key":{"id":1499}' "$DIR/out"; }
    wait_until committed
    kib=$(peak_kib "$FOLLOWER")
    echo "# mysql-binlog: peak $kib KiB" >&3
    [ "$kib" -lt 32768 ] || fail "mysql-binlog took $kib KiB"
    follow_end
    is "rows" 1500 "$(grep -c '"op":"c"' "$DIR/out")"
    is "tables" 1500 "$(jq -r 'select(.op == "c") | .source.table' "$DIR/out" | sort -u | wc -l)"
    is "schemas" 1500 "$(grep -c '"op":"schema"' "$DIR/out")"
}

# bats test_tags=only:mariadb
@test "a domain that the server was told to forget: the position stays good" {
    msql "create table t (id int primary key)"
    begin
    msql "set gtid_domain_id = 9; insert into t values (1)"
    msql "insert into t values (2)"
    read_all
    is "rows" "1 2" "$(ids)"
    MYSQL_DATABASE='' msql "flush binary logs; flush binary logs"
    forgets() {
        MYSQL_DATABASE='' msql "purge binary logs to '$(log_files | tail -1)'; flush binary logs delete_domain_id = (9)" 2>/dev/null
    }
    wait_until forgets
    for i in 3 4; do
        msql "insert into t values ($i)"
        read_all
        is "rows" "$i" "$(ids)"
    done
}

# compressed ROWS: one transaction that hardly gets smaller, in one event of 60 bytes a row; its file is $DIR/log.
compressed() {
    msql "create table t (id int primary key, v varbinary(100))"
    msql 'flush binary logs'
    begin
    msql "set binlog_transaction_compression = on; insert into t select n, random_bytes(60) from $(numbers 1 "$1") order by n"
    file=$(log_files | tail -1)
    msql 'flush binary logs'
    cp "$(log_file "$file")" "$DIR/log"
}
# peak COMMAND...: its memory in KiB, as the last line of $DIR/err.
peak() {
    t python3 -c 'import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)' "$@" >"$DIR/out" 2>"$DIR/err"
}

# bats test_tags=only:mysql
@test "one huge transaction in one compressed event: less than 32 MB of memory, live with and without TLS, and from a file" {
    compressed 350000
    table_sum() { msql -N "select count(*), sum(crc32(v)) from t"; }
    sum() { sed -n 's/^{"op":"c".*"v":"\([^"]*\)"}}$/\1/p' "$DIR/out" | python3 -c 'import binascii, sys, zlib
values = [zlib.crc32(binascii.a2b_base64(line)) for line in sys.stdin.buffer]
print(len(values), sum(values), sep="\t")'; }
    for way in "--until now $URL?ssl-mode=REQUIRED" "--until now $URL?ssl-mode=DISABLED&get-server-public-key=true" "--file $DIR/log"; do
        cp "$DIR/p" "$DIR/p1"
        [[ $way = --file* ]] || way="--offset-file $DIR/p1 $way"
        # shellcheck disable=SC2086
        peak mysql-binlog -q --name "$NAME" -t "$NAME.*" $way || { cat "$DIR/err"; return 1; }
        kib=$(tail -1 "$DIR/err")
        echo "# mysql-binlog: peak $kib KiB, an event of $(($(stat -c %s "$DIR/log") / 1024)) KiB" >&3
        [ "$kib" -lt 32768 ] || fail "mysql-binlog took $kib KiB"
        grep -q '"op":"commit".*"events":350000' "$DIR/out"
        is "rows, sum of what they hold" "$(table_sum)" "$(sum)"
        rm "$DIR/out"
    done
}

# bats test_tags=only:mariadb
@test "a huge row in a compressed event of a table that is not selected: less than 32 MB of memory, and the rows of others" {
    msql "create table big (id int primary key, v longtext); create table t (id int primary key)"
    begin
    MYSQL_DATABASE='' msql "set global log_bin_compress = ON, global max_allowed_packet = 268435456"
    msql "insert into big values (1, repeat('a', 200000000)); insert into t values (1)"
    MYSQL_DATABASE='' msql "set global log_bin_compress = OFF"
    msql "insert into t values (2)"
    peak mysql-binlog -q --name "$NAME" -t "$NAME.t" --until now --offset-file "$DIR/p" "$URL" || { cat "$DIR/err"; return 1; }
    kib=$(tail -1 "$DIR/err")
    echo "# mysql-binlog: peak $kib KiB" >&3
    [ "$kib" -lt 32768 ] || fail "mysql-binlog took $kib KiB"
    is "rows" '1 2' "$(jq -r 'select(.op == "c").key.id' "$DIR/out" | xargs)"
}

# bats test_tags=only:mysql
@test "a huge row of a table that is not selected, in a compressed transaction: less than 32 MB of memory, and the rows of others" {
    msql "create table big (id int primary key, v longtext); create table t (id int primary key)"
    begin
    MYSQL_DATABASE='' msql "set global max_allowed_packet = 268435456"
    msql "set binlog_transaction_compression = on; begin; insert into t values (1); insert into big values (1, repeat('a', 200000000)); insert into t values (2); commit"
    for way in "$NAME.t" "$NAME.*"; do
        cp "$DIR/p" "$DIR/p1"
        peak mysql-binlog -q --name "$NAME" -t "$way" --until now --offset-file "$DIR/p1" "$URL" || { cat "$DIR/err"; return 1; }
        is "rows" '1 2' "$(sed '/"table":"big"/d' "$DIR/out" | jq -r 'select(.op == "c").key.id' | xargs)"
        # What is not selected changes no position.
        sed '/"table":"big"/d' "$DIR/out" | jq -c 'select(.op != "heartbeat") | [.op, .pos]' >"$DIR/positions.${way##*.}"
        [ "$way" = "$NAME.t" ] || continue
        kib=$(tail -1 "$DIR/err")
        echo "# mysql-binlog: peak $kib KiB" >&3
        [ "$kib" -lt 32768 ] || fail "mysql-binlog took $kib KiB"
    done
    diff "$DIR/positions.t" "$DIR/positions.*"
}

# bats test_tags=only:mysql
@test "a large compressed event that is damaged, or cut off: its transaction is not committed" {
    compressed 20000
    cp "$DIR/log" "$DIR/good"
    # Where the event ends: before the ROTATE event.
    end=$(python3 -c 'import struct, sys
data = open(sys.argv[1], "rb").read()
at = 4
while data[at + 4] != 40: at += struct.unpack_from("<I", data, at + 9)[0]
print(at + struct.unpack_from("<I", data, at + 9)[0])' "$DIR/log")
    [ "$end" -gt 1000000 ] || fail "the event ends at $end"
    commits() { grep -c '"op":"commit"' "$DIR/out" || true; }
    exits 0 mysql-binlog --name "$NAME" -t "$NAME.*" --file "$DIR/log" >"$DIR/out" 2>"$DIR/err"
    all=$(commits)
    for back in 1 4 100 200000; do # in its checksum, and in what is compressed
        cp "$DIR/good" "$DIR/log"
        python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2])); byte = f.read(1)[0]; f.seek(int(sys.argv[2])); f.write(bytes([byte ^ 1]))' "$DIR/log" $((end - back))
        exits 76 mysql-binlog --name "$NAME" -t "$NAME.*" --file "$DIR/log" >"$DIR/out" 2>"$DIR/err"
        is "commits" $((all - 1)) "$(commits)"
        head -c $((end - back)) "$DIR/good" >"$DIR/log"
        exits 65 mysql-binlog --name "$NAME" -t "$NAME.*" --file "$DIR/log" >"$DIR/out" 2>"$DIR/err"
        is "commits" $((all - 1)) "$(commits)"
    done
}

@test "the reader of stdout goes away: exit 74 without a word; a full disk: exit 74, nothing is confirmed" {
    table
    begin
    insert 1 60000
    cp "$DIR/p" "$DIR/p0"
    run -74 --separate-stderr t bash -c 'mysql-binlog -q --name "$0" -t "$0.*" --offset-file "$1" --until now "$2" | head -3 >"$3"; exit "${PIPESTATUS[0]}"' "$NAME" "$DIR/p" "$URL" "$DIR/head"
    is "stderr" "" "$stderr"
    whole_lines "$DIR/head"
    run -74 t bash -c 'mysql-binlog --name "$0" -t "$0.*" --offset-file "$1" --until now "$2" >/dev/full' "$NAME" "$DIR/p" "$URL"
    cp "$DIR/p0" "$DIR/p"
    read_all
    is "rows" 60000 "$(rows)"
}

@test "the reader of stdout goes away while the server cannot be reached: exit 74" {
    run -74 --separate-stderr t bash -c 'mysql-binlog -q --name "$0" --start oldest --offset-file "$1" mysql://cdc@127.0.0.1:1/ | true; exit "${PIPESTATUS[0]}"' "$NAME" "$DIR/p"
    not grep error <<<"$stderr"
}

@test "a damaged offset file: exit 78, and it stays as it is" {
    table
    begin
    cp "$DIR/p" "$DIR/good"
    for content in '' 'nonsense' '{"format":1' '{"format":99,"tool":"mysql-binlog","offsets":{}}' '{"format":1,"tool":"pg-cdc","offsets":{}}' "$(head -c 60 "$DIR/good")" "$(sed 's/"pos":"[0-9A-F]/"pos":"x/' "$DIR/good")"; do
        printf '%s' "$content" >"$DIR/p"
        exits 78 binlog --offset-file "$DIR/p" --until now || fail "on '$content'"
        is "the file" "$content" "$(cat "$DIR/p")"
    done
}
