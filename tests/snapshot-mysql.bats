#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-snapshot of MySQL and MariaDB, and mysql-binlog behind it: no row is missing, none is a ghost, and each value is the
# same in both.
# takes: 100 s
# Each test runs in a subshell.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-snapshot

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() { begin_test s$BATS_TEST_NUMBER; }
teardown() {
    end_spawned
    MYSQL_SERVER=main MYSQL_DATABASE='' msql "set global init_connect = '', global binlog_row_metadata = FULL"
    [ -z "${NAME:-}" ] || MYSQL_SERVER=main MYSQL_DATABASE='' msql "drop database if exists $NAME"
}

SEPARATOR=$'\t'
RACES=${CDC_SNAPSHOT_RACES:-20}
HUGE_ROWS=${CDC_HUGE_ROWS:-200000}

# rows N [FILLER]: table t with n rows: id, v, filler.
rows() {
    msql "create table t (id int primary key, v varchar(20), filler varchar(1000))"
    awk -v n="$1" -v filler="${2:-50}" 'BEGIN {
        for (i = 0; i < filler; i++) x = x "x"
        for (i = 1; i <= n; i++) {
            printf "%s(%d,\"v%d\",\"%s\")", (i % 1000 == 1 ? "insert into t values " : ","), i, i, x
            if (i % 1000 == 0 || i == n) print ";"
        }
    }' | msql
}
# A sink that knows nothing yet: its file exists, and confirms nothing.
silent_sink() { sink </dev/null || true; }
# The copy of a table holds exactly what the source holds.
same_as_source() {
    local columns table=${2:-t}
    columns="ifnull(${1//,/, \'NULL\'), ifnull(}, 'NULL')"
    msql -N "select $columns from $table" | LC_ALL=C sort >"$DIR/expected"
    copy "select $columns from $table" | LC_ALL=C sort >"$DIR/actual"
    cmp "$DIR/expected" "$DIR/actual" || { diff "$DIR/expected" "$DIR/actual" | head -20; cat "$DIR/err"; return 1; }
}

# -- what is written

@test "rows, schema and commit lines: in order, in whole chunks, with the position that the log goes on from" {
    rows 25
    msql "create table bare (id int primary key)"
    snapshot --chunk-rows 10 --ack=stdout >"$DIR/out"
    is "lines" "schema commit schema r*10 commit r*10 commit r*5 commit*2" "$(jq -r .op "$DIR/out" | uniq -c | awk '{ print $2 ($1 > 1 ? "*" $1 : "") }' | xargs)"
    is "tables" "bare t" "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/out" | xargs)"
    is "events" "0 10 10 5 0" "$(jq -r 'select(.op == "commit") | .events' "$DIR/out" | xargs)"
    jq -r .pos "$DIR/out" | LC_ALL=C sort -c -u
    is "seq" "$(state .seq)" "$(jq -r .seq "$DIR/out" | sort -u)"
    is "snapshot" "last" "$(jq -r 'select(.op == "commit") | .source.snapshot' "$DIR/out" | tail -1)"
    is "of the rows" "true" "$(jq -r 'select(.op == "r") | .source.snapshot' "$DIR/out" | sort -u)"
    is "kept" "$(tail -1 "$DIR/out" | jq -cS .source)" "$(state .source | jq -cS .)"
    if mysql_is_mariadb; then gtids='select @@gtid_binlog_pos'; else gtids="select replace(@@gtid_executed, '\n', '')"; fi
    is "GTIDs" "$(msql -N "$gtids")" "$(state .source.gtids)"
    mysql_is_mariadb || is "server" "$(msql -N 'select @@server_uuid')" "$(state .source.server_uuid)"
    says "the log goes on from .*$(if mysql_is_mariadb; then echo exact; else echo gtid_executed; fi)"
    # The log begins behind it, with numbers that go on from it.
    msql "insert into t values (100, 'new', null)"
    binlog --ack=stdout --until now >"$DIR/log"
    is "ids in the log" 100 "$(jq -r 'select(.op == "c") | .after.id' "$DIR/log" | xargs)"
    cat "$DIR/out" "$DIR/log" | jq -r .pos | LC_ALL=C sort -c -u
    cat "$DIR/out" "$DIR/log" | jq -r .seq | sort -c -n
}

@test "-t, -T and the URL's database choose the tables; the servers' own are none" {
    msql "create table a (id int primary key); create table b (id int primary key); create view v as select * from a;
          create database ${NAME}x; create table ${NAME}x.a (id int primary key)"
    tables() { jq -r 'select(.op == "schema") | .source.db + "." + .source.table' "$DIR/out" | xargs; }
    snapshot --ack=stdout >"$DIR/out"
    is "of the database" "$NAME.a $NAME.b" "$(tables)"
    rm -r "$STATE"
    snapshot --ack=stdout -T b >"$DIR/out"
    is "without b" "$NAME.a" "$(tables)"
    rm -r "$STATE"
    snapshot --ack=stdout -t "$NAME*.a" >"$DIR/out"
    is "of both" "$NAME.a ${NAME}x.a" "$(tables)"
    rm -r "$STATE"
    t cdc-snapshot --name "$NAME" --state-dir "$STATE" --ack=stdout "$(mysql_url)" >"$DIR/out" 2>"$DIR/err"
    is "of all" "" "$(tables | tr ' ' '\n' | grep -E '^(mysql|sys|performance_schema|information_schema)\.' || true)"
    tables | grep -q "$NAME.b ${NAME}x.a"
    msql "drop database ${NAME}x"
}

# -- values

# The rest of a row's line behind "table", without the helper column h, as bytes; json_null_old belongs to "before".
images() {
    sed -nE "/^.\"op\":\"$1\"/{s/^.*\"table\":(\"([^\"\\\\]|\\\\.)*\").*,(\"key\":.*,)?\"before\":.*,\"after\":/\1 /;s/\"h\":[0-9]+,?//;s/,\"json_null_old\":\[[^]]*\]//;p}" "$2" | LC_ALL=C sort
}
schemas() { jq -c 'select(.op == "schema") | [.source.db, .source.table, .columns, .key_columns]' "$1" | sort -u; }
keys_of() { jq -c "select(.op == \"$1\") | [.source.table, .key]" "$2" | sort; }

@test "every type: a row of the snapshot is, byte for byte, the row of the log" {
    local table
    msql <"$LIB/mysql-types.sql"
    case $CDC_MYSQL_FLAVOR in
    mysql*) msql <"$LIB/mysql-types-mysql.sql" ;;
    *) msql <"$LIB/mysql-types-mariadb.sql" ;;
    esac
    snapshot --ack=stdout >"$DIR/snapshot"
    msql -N "select table_name from information_schema.tables where table_schema = '$NAME'" >"$DIR/tables"
    while read -r table; do
        # The same row again: only the helper column changes.
        msql "set sql_mode = '', time_zone = '+00:00'; update \`${table//\`/\`\`}\` set h = h + 1" </dev/null
    done <"$DIR/tables"
    binlog --ack=stdout --until now >"$DIR/log"
    images r "$DIR/snapshot" >"$DIR/r"
    images u "$DIR/log" >"$DIR/u"
    [ "$(wc -l <"$DIR/r")" -gt 50 ]
    cmp "$DIR/r" "$DIR/u" || { diff "$DIR/r" "$DIR/u" | cut -c1-500 | head; return 1; }
    # JSON's null was there before the update too, and is told of both images.
    is "JSON's null" '[["a"],["a"]]' "$(jq -c 'select(.op == "u" and .source.table == "docs" and .key.id == 3) | [.json_null, .json_null_old]' "$DIR/log")"
    diff <(keys_of r "$DIR/snapshot") <(keys_of u "$DIR/log")
    diff <(schemas "$DIR/snapshot") <(schemas "$DIR/log")
    # What one would not find in a comparison of two equal mistakes.
    is "zero date" '"0000-00-00"' "$(jq -c 'select(.source.table == "times" and .key.id == 2) | .after.a' "$DIR/snapshot")"
    is "64 bits" 18446744073709551615 "$(grep -o '"k":18446744073709551615' "$DIR/snapshot" | cut -d: -f2)"
    is "labels" "it's c'd,é" "$(jq -r 'select(.source.table == "labels" and .key.id == 2) | .after | .a + " " + .b' "$DIR/snapshot")"
    is "bit(1)" true "$(jq -c 'select(.source.table == "bits" and .key.id == 1) | .after.a' "$DIR/snapshot")"
    is "latin1" "é€ü" "$(jq -r 'select(.source.table == "texts" and .key.id == 1) | .after.c' "$DIR/snapshot")"
    ! mysql_is_mariadb || is "the first second of 1970" 1970-01-01T00:00:00.9Z "$(jq -r 'select(.source.table == "epoch" and .key.id == 1) | .after.b' "$DIR/log")"
    is "invisible" 5 "$(jq -r 'select(.source.table == "gen" and .key.id == 1) | .after.d' "$DIR/snapshot")"
    { mysql_is_mariadb && mysql_since 100700; } || return 0
    is "uuid" 123e4567-e89b-12d3-a456-426655440000 "$(jq -r 'select(.source.table == "own" and .key.id == 1) | .after.a' "$DIR/snapshot")"
}

# -- the position

# A hundred changes by random numbers of their own: rows come, change, move to other keys, and go.
write_rows() {
    awk -v seed="$1" 'BEGIN {
        srand(seed)
        for (i = 0; i < 100; i++) {
            id = int(rand() * 400); v = int(rand() * 1000000); what = rand()
            if (what < 0.35) printf "insert into t values (%d,%d,repeat(\"%d\",%d)) on duplicate key update v = %d;\n", id, v, v % 10, v % 40, v
            else if (what < 0.6) printf "update t set v = %d, w = null where id = %d;\n", v, id
            else if (what < 0.75) printf "delete from t where id = %d;\n", id
            else if (what < 0.9) printf "update ignore t set id = %d where id = %d;\n", int(rand() * 400), id
            else printf "begin; update t set v = v + 1 where id between %d and %d; insert ignore into other values (%d,\"%d\",%d); delete from other where a = %d; commit;\n", id, id + 5, id, v % 7, v, v % 400
        }
    }'
}
race_tables() {
    msql "create table t (id int primary key, v int, w text); create table other (a int, b varchar(10), c int, primary key (b, a));
          insert into t values $(seq 1 2 399 | sed 's/.*/(&,0,"first")/' | paste -sd,); insert into other values (1,'x',1)"
}
# writer FIRST SOCKET DATABASE ENOUGH: changes, until file ENOUGH is there.
writer() {
    local seed=$1
    until [ -e "$4" ]; do
        write_rows $((seed++)) | mariadb --no-defaults --force --socket="$2" --user=root "$3" || true
    done
}
# The snapshot of a race, and where the log ended when it began and when it had read everything.
race() {
    local status=0
    log_place >"$STATE/before"
    t cdc-snapshot -q --jobs "$1" --chunk-rows 37 --state-dir "$STATE" "$URL" || status=$?
    log_place >"$STATE/after"
    return $status
}
# Others wrote before its position and behind it: a row that stands on the wrong side of the position would be seen.
raced() {
    local at
    at=$(state '.source | .file + ":" + (.pos | tostring)')
    [ "$at" != "$(cat "$STATE/before")" ] && [ "$at" != "$(cat "$STATE/after")" ]
}
# burst FIRST COUNT: so many snapshots, one after the other and each for itself, while eight write.
burst() {
    local first=$1 count=$2 i writers=()
    rm -f "$DIR/enough"
    for i in 1 2 3 4 5 6 7 8; do
        spawn_line "$(declare -f write_rows writer); writer $(((first * 8 + i) * 1000)) '$(mysql_dir)/socket' $NAME '$DIR/enough' 2>>'$DIR/writers'"
        writers+=("$SPAWNED")
    done
    for ((i = first; i < first + count; i++)); do
        pause_ms $((RANDOM % 150))
        COPY=$DIR/race$i/copy.db STATE=$DIR/race$i
        mkdir "$STATE"
        { race $((i % 2 * 3 + 1)) | sink; } 2>>"$STATE/err" || { cat "$STATE/err"; return 1; }
        ! raced || RACED=$((RACED + 1))
    done
    touch "$DIR/enough"
    for i in "${writers[@]}"; do status_of "$i" 120 || true; done
}

# races COUNT: so many snapshots under writers, and the log behind each.
races() {
    local i done=0 many LIMIT=200
    RANDOM=4711 RACED=0
    race_tables
    msql "set global max_binlog_size = 1048576" # positions at the beginning and at the end of files, too
    while ((done < $1)); do
        many=$(($1 - done < 5 ? $1 - done : 5))
        burst "$done" "$many"
        for ((i = done; i < done + many; i++)); do
            COPY=$DIR/race$i/copy.db STATE=$DIR/race$i
            binlog --until now | sink || fail "race $i: ${PIPESTATUS[*]}: $(grep -v 'created table' "$DIR/err")"
            same_as_source "id, v, w" t
            same_as_source "a, b, c" other
            rm -r "$STATE"
        done
        done=$((done + many))
    done
    echo "# $1 snapshots under 8 writers, every other one read by 4 sessions; $RACED had changes on both sides while they were taken" >&3
    msql "set global max_binlog_size = 1073741824"
    # A machine that is busy may let a snapshot of some milliseconds pass without a change, but not most of them.
    ((RACED * 2 > $1)) || fail "only $RACED of $1 snapshots were taken while others wrote"
}

@test "writers at work: the snapshot and the log behind it are the source, again and again" {
    races "$RACES"
}

@test "writers at work, and row images that are not whole: the snapshot and the log behind it are the source" {
    local status=0
    msql "set global binlog_row_image = MINIMAL"
    races $(((RACES + 1) / 2)) || status=1
    msql "set global binlog_row_image = FULL"
    return $status
}

# bats test_tags=only:mysql
@test "MySQL without GTIDs: the position is log_status'; a user who may not see it is told so" {
    MYSQL_DATABASE="" mysql_start plain --gtid-mode=OFF --enforce-gtid-consistency=OFF
    MYSQL_SERVER=plain
    URL=$(mysql_url plain)$NAME
    MYSQL_DATABASE='' msql "create database $NAME"
    race_tables
    burst 0 5
    for i in 0 1 2 3 4; do
        COPY=$DIR/race$i/copy.db STATE=$DIR/race$i
        is "GTIDs" "" "$(state .source.gtids)"
        binlog --until now | sink || { cat "$DIR/err"; return 1; }
        same_as_source "id, v, w" t
    done
    # One who may not read the log cannot see when its file was begun.
    STATE=$DIR/blind
    msql "revoke replication slave on *.* from cdc@'%'"
    snapshot --ack=stdout >"$DIR/out"
    says "warning: .*REPLICATION SLAVE"
    is "rows" "$(msql -N 'select (select count(*) from t) + (select count(*) from other)')" "$(grep -c '"op":"r"' "$DIR/out")"
    is "beginning of the file" null "$(state .state.from.file_created)"
    # Before 9 that position may be of a commit which no snapshot shows yet.
    if ! mysql_since 90000; then
        says "FLUSH TABLES WITH READ LOCK, which is released"
        STATE=$DIR/unlocked
        msql "revoke reload on *.* from cdc@'%'"
        exits 77 snapshot --ack=stdout
        says "GRANT RELOAD"
        msql "grant reload on *.* to cdc@'%'"
    fi
    STATE=$DIR/denied
    msql "revoke backup_admin on *.* from cdc@'%'"
    exits 77 snapshot --ack=stdout
    says BACKUP_ADMIN
    MYSQL_DATABASE='' msql "drop database $NAME"
    mysql_stop plain
}

# bats test_tags=only:mysql
@test "MySQL with GTIDs: a user without BACKUP_ADMIN is no obstacle, and the copy is the source" {
    rows 20
    msql "set sql_log_bin = 0; drop user if exists plain@'%'; create user plain@'%' identified by '$MYSQL_PASSWORD';
          grant replication slave, replication client, select on *.* to plain@'%'"
    URL=${URL/cdc:/plain:}
    snapshot --ack=stdout >"$DIR/out"
    is "rows" 20 "$(grep -c '"op":"r"' "$DIR/out")"
    msql "insert into t values (21, 'v21', ''); update t set v = 'new' where id = 3"
    { cat "$DIR/out"; binlog --until now --ack=stdout; } | sink || { cat "$DIR/err"; return 1; }
    same_as_source "id, v, filler"
}

# -- attempts

# A snapshot that is killed after some lines have reached the sink.
killed_half_way() {
    spawn_line "cdc-snapshot --chunk-rows 100 --state-dir '$STATE' '$URL' 2>>'$DIR/err' | tee '$DIR/lines' | { head -c 200000; sleep 60; } | cdc-sink-sqlite --batch-events 100 --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    wait_until half_stored
    kill -KILL -- "-$SPAWNED"
    wait "$SPAWNED" || true
    rm -f "$STATE"/*.lock
}
half_stored() { [ "$(jq -r ".offsets[\"$NAME\"].lines // 0" "$STATE/cdc-sink-sqlite.offset" 2>/dev/null || echo 0)" -ge 100 ]; }

@test "killed half way and begun again: no ghost of what went or moved meanwhile, no older row over a newer one" {
    rows 5000 200
    killed_half_way
    number=$(state .state.number) gtids=$(state .state.from.gtids)
    msql "delete from t where id <= 50; update t set id = id + 100000 where id between 51 and 80;
          update t set v = 'newer' where id between 81 and 120; insert into t values (70, 'again', null)"
    snapshot | tee "$DIR/second" | sink
    says "begins again, attempt 2"
    is "first line of rows" t "$(jq -r 'select(.op != "schema") | .op' "$DIR/second" | head -1)"
    is "X" "$number $number" "$(state .seq) $(jq -r 'select(.op == "r") | .seq' "$DIR/second" | sort -u)"
    is "position" "$gtids" "$(state .source.gtids)"
    same_as_source "id, v, filler"
    msql "update t set v = 'last' where id = 90"
    binlog --until now | sink
    same_as_source "id, v, filler"
    # Positions of the second attempt stand behind those of the first.
    [[ $(jq -r .pos "$DIR/second" | head -1) > $(tail -n +2 "$DIR/lines" | head -1 | jq -r .pos) ]]
}

@test "written but not stored is taken again; stored is finished, and costs nothing" {
    rows 100
    silent_sink
    snapshot >"$DIR/lost"
    is "rows" 100 "$(grep -c '"op":"r"' "$DIR/lost")"
    is "finished" false "$(state .state.finished)"
    snapshot | sink
    says "begins again, attempt 2"
    same_as_source "id, v, filler"
    snapshot >"$DIR/none"
    is "lines" 0 "$(wc -l <"$DIR/none")"
    says "is stored and finished"
    snapshot >"$DIR/none"
    is "lines" 0 "$(wc -l <"$DIR/none")"
    says "is finished already"
}

@test "a sink's file with another server's position does not finish a snapshot, written whole or in part: 78; with it removed all rows come" {
    rows 100
    silent_sink
    snapshot >"$DIR/lost"
    # Another server, whose log is begun later under the same name, with the same server_id.
    MYSQL_DATABASE='' mysql_start other --server-id=1
    MYSQL_SERVER=other MYSQL_DATABASE='' msql "create database $NAME; create table $NAME.t (id int primary key, v varchar(20))"
    foreign() { t mysql-binlog --name "$NAME" --offset-file "$DIR/p" --ack "$DIR/foreign" --heartbeat 0 --until now "$@" "$(mysql_url other)$NAME" 2>>"$DIR/err" | t cdc-sink-sqlite --offset-file "$DIR/foreign" "$DIR/foreign.db" 2>>"$DIR/err"; }
    foreign --start now
    MYSQL_SERVER=other msql "insert into t values (1, 'of the other')"
    foreign
    [[ $(jq -r ".offsets[\"$NAME\"].pos" "$DIR/foreign") > $(state .pos) ]]
    cp "$DIR/foreign" "$STATE/cdc-sink-sqlite.offset"
    exits 78 snapshot
    says "the sink of .*cdc-sink-sqlite.offset. has the lines of another server"
    is "lines" 0 "$(wc -l <"$DIR/out")"
    # A sink that has stored half of it, and no last line: nothing of what the checkpoints say is there.
    jq -c ".offsets[\"$NAME\"].state |= del(.written)" "$STATE/cdc-snapshot-$NAME.offset" >"$DIR/new"
    cp "$DIR/new" "$STATE/cdc-snapshot-$NAME.offset"
    exits 78 snapshot
    says "has the lines of another server"
    rm "$STATE/cdc-sink-sqlite.offset"
    silent_sink
    snapshot | sink
    same_as_source "id, v, filler"
    exits 0 snapshot
    says "is stored and finished"
    mysql_stop other
}

@test "a later attempt: without the log since the first one 79, without whole images 78" {
    rows 10
    silent_sink
    snapshot >"$DIR/out"
    msql "set global binlog_row_image = MINIMAL"
    exits 78 snapshot
    msql "set global binlog_row_image = FULL"
    says "binlog_row_image"
    msql "insert into t values (11, 'x', null)"
    wait_until purged "$(state .source.file)"
    exits 79 snapshot
    says "purged"
    is "lines" 0 "$(wc -l <"$DIR/out")"
    # A new one begins anew.
    rm "$STATE"/cdc-snapshot-*
    snapshot >"$DIR/out"
    is "rows" 11 "$(grep -c '"op":"r"' "$DIR/out")"
}

# Begins the log anew, and puts more into it than there was before. Files are told from each other by the second that they
# were begun in.
reset_and_write() {
    local second
    second=$(date +%s)
    later() { [ "$(date +%s)" -gt "$second" ]; }
    wait_until later
    reset_log
    for i in {101..140}; do msql "insert into t values ($i, 'after', repeat('y', 500))"; done
}
# When the file was begun, as its first event says.
begun() { od -An -tu4 -j4 -N4 "$(log_file "$1")" | tr -d ' '; }
# The state as a version wrote it that did not know when files were begun.
forget_beginnings() {
    local file
    for file in "$STATE"/*.offset; do
        jq -c 'walk(if type == "object" then del(.file_created) else . end)' "$file" >"$DIR/forgotten"
        cat "$DIR/forgotten" >"$file"
    done
}
# reset_between OPTION...: a server with them, whose log is reset between two attempts, and before mysql-binlog begins.
reset_between() {
    MYSQL_DATABASE='' mysql_start "$NAME" "$@"
    MYSQL_SERVER=$NAME
    URL=$(mysql_url)$NAME
    MYSQL_DATABASE='' reset_log
    MYSQL_DATABASE='' msql "create database $NAME"
    rows 10
    silent_sink
    snapshot >"$DIR/out"
    not grep -q "REPLICATION SLAVE" "$DIR/err"
    is "beginning of the file" "$(begun "$(state .source.file)")" "$(state .state.from.file_created)"
    is "in each commit" "$(state .state.from.file_created)" "$(jq -r 'select(.op == "commit") | .source.file_created' "$DIR/out" | sort -u)"
    MYSQL_DATABASE='' mysql_restart
    snapshot >"$DIR/out"
    says "begins again, attempt 2"
    reset_and_write
    exits 79 snapshot
    says "begun anew"
    is "lines" 0 "$(wc -l <"$DIR/out")"
    # The log's reader behind a snapshot that is whole.
    rm -r "$STATE"
    mkdir "$STATE"
    snapshot | sink
    reset_and_write_more
    exits 79 binlog --until now
    says "begun anew"
    is "lines" 0 "$(wc -l <"$DIR/out")"
}
reset_and_write_more() { msql "delete from t where id > 100"; reset_and_write; msql "update t set filler = repeat('z', 1000)"; }

# bats test_tags=only:mysql
@test "MySQL without GTIDs: a RESET between two attempts, or before the log is read, and more of the log since: exit 79" {
    reset_between --gtid-mode=OFF --enforce-gtid-consistency=OFF
    # An older version did not write what tells.
    COPY=$DIR/old.db
    rm -r "$STATE"
    mkdir "$STATE"
    silent_sink
    snapshot >"$DIR/out"
    forget_beginnings
    snapshot | sink
    says "begins again, attempt 2"
    is "beginning of the file" null "$(state .state.from.file_created)"
    binlog --until now | sink
    same_as_source "id, v, filler"
    MYSQL_DATABASE='' msql "drop database $NAME"
    mysql_stop
}

# bats test_tags=only:mysql
@test "MySQL with GTIDs: a RESET between two attempts, or before the log is read, and more transactions since: exit 79" {
    reset_between
    MYSQL_DATABASE='' msql "drop database $NAME"
    mysql_stop
}

# A file that a reader has just left is not purged at once.
purged() {
    msql "flush binary logs; purge binary logs to '$(msql -N 'flush binary logs; show binary logs' | tail -1 | cut -f1)'"
    not grep -q "$1" <(msql -N 'show binary logs')
}

@test "SIGTERM: whole lines, exit 75; also while the server lets it wait" {
    local status=0
    rows 20000 500
    spawn_line "exec cdc-snapshot --state-dir '$STATE' --ack=stdout '$URL' 2>>'$DIR/err' > >(head -c 100000 >'$DIR/out'; sleep 60)"
    wait_until test -s "$DIR/out"
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" 20 || status=$?
    is "exit status" 75 "$status"
    status=0
    msql "create table locked (id int primary key)"
    spawn_line "exec mariadb --no-defaults --socket='$(mysql_dir)/socket' --user=root $NAME -e 'lock tables locked write; select sleep(60)'"
    wait_until table_is_locked
    spawn_line "exec cdc-snapshot --state-dir '$STATE' --ack=stdout '$URL' 2>>'$DIR/err' >'$DIR/out'"
    wait_until waits_for_table
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" 10 || status=$?
    is "exit status while it waits" 75 "$status"
}
table_is_locked() { [ "$(msql -N "select count(*) from information_schema.processlist where info like 'select sleep%'")" -ge 1 ]; }
waits_for_table() { [ "$(msql -N "select count(*) from information_schema.processlist where state like '%metadata lock%'")" -ge 1 ]; }

# Stopped, or without a disk: the system goes on answering for it.
@test "a server that hangs while rows are read is not waited for: 69" {
    local pid status=0
    rows 20000 500
    spawn_line "cdc-snapshot --retry-max 0 --state-dir '$STATE' '$URL' 2>'$DIR/err' | { head -c 100000 >/dev/null; kill -STOP $(cat "$(mysql_dir)/pid"); touch '$DIR/stopped'; cat >/dev/null; }"
    pid=$SPAWNED
    wait_until test -e "$DIR/stopped"
    status_of "$pid" || status=$?
    kill -CONT "$(cat "$(mysql_dir)/pid")"
    is "exit status" 69 "$status"
    snapshot | sink
    is "rows" 20000 "$(copy 'select count(*) from t')"
}

@test "the table cannot be altered while it is read, and can be written" {
    rows 20000 500
    spawn_line "exec cdc-snapshot --state-dir '$STATE' --ack=stdout '$URL' 2>>'$DIR/err' > >(head -c 1000 >'$DIR/first'; cat '$DIR/gate' >'$DIR/gate.out'; cat >'$DIR/out')"
    mkfifo "$DIR/gate"
    wait_until test -s "$DIR/first"
    LIMIT=30 t mariadb --no-defaults --socket="$(mysql_dir)/socket" --user=root "$NAME" -e "insert into t values (1000001, 'meanwhile', null); delete from t where id = 20000"
    not msql "set session lock_wait_timeout = 1; alter table t add column late int"
}

# A large table t, and z after it: until the gate is opened, z is not read. What comes is in out, after first.
gated_snapshot() {
    rows 20000 500
    msql "create table z (id int primary key, v varchar(9)); insert into z values (1, 'one'), (2, 'two')"
    mkfifo "$DIR/gate"
    spawn_line "cdc-snapshot --jobs $1 --state-dir '$STATE' --ack=stdout '$URL' 2>>'$DIR/err' | { head -c 1000 >'$DIR/first'; cat '$DIR/gate'; cat >'$DIR/out'; }"
    wait_until test -s "$DIR/first"
}
open_gate() { : >"$DIR/gate"; }

@test "an ALTER of a table that is not read yet waits for the snapshot, and the snapshot not for it" {
    local jobs alter
    for jobs in 1 3; do
        gated_snapshot $jobs
        mariadb --no-defaults --socket="$(mysql_dir)/socket" --user=root "$NAME" -e "alter table z add column late int" 3>&- &
        alter=$!
        wait_until waits_for_table
        open_gate
        status_of "$SPAWNED" 30 || fail "the snapshot with $jobs sessions: $(cat "$DIR/err")"
        wait "$alter"
        cat "$DIR/first" "$DIR/out" >"$DIR/all"
        is "rows of z" '{"id":1,"v":"one"} {"id":2,"v":"two"}' "$(jq -c 'select(.op == "r" and .source.table == "z") | .after' "$DIR/all" | xargs -d '\n')"
        is "rows of t" 20000 "$(jq -c 'select(.op == "r" and .source.table == "t")' "$DIR/all" | wc -l)"
        not says "begins again"
        is "columns of z" 3 "$(msql -N "select count(*) from information_schema.columns where table_schema = '$NAME' and table_name = 'z'")"
        msql "drop table t, z"
        rm -f "$STATE"/* "$DIR/gate" "$DIR/first"
    done
}

# bats test_tags=only:mariadb
@test "limits for idle transactions do not end the sessions that hold the tables" {
    local limit
    for limit in idle_transaction_timeout idle_readonly_transaction_timeout idle_write_transaction_timeout; do msql "set global $limit = 1"; done
    gated_snapshot 3
    # Longer than the limit, with nothing to do for any of them.
    msql "select sleep(2.5)" >/dev/null
    for limit in idle_transaction_timeout idle_readonly_transaction_timeout idle_write_transaction_timeout; do msql "set global $limit = 0"; done
    not msql "set session lock_wait_timeout = 1; alter table z add column late int"
    open_gate
    status_of "$SPAWNED" 30 || fail "the snapshot: $(cat "$DIR/err")"
    not says "trying again"
}

@test "no setting of the server or its init_connect changes a name, truncates an answer or ends a session" {
    local setting
    # The stream, too, asks for the columns then.
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = MINIMAL"
    msql "create table \`größe\` (a varchar(9), b int, \`é\` varchar(9), primary key (a, b)) character set utf8mb4; insert into \`größe\` values ('ä', 1, '日'), ('ä', 2, 'x')"
    for setting in "names latin1" "completion_type = 2" "max_join_size = 1"; do
        : >"$DIR/err"
        rm -f "$STATE"/* "$COPY"*
        MYSQL_DATABASE='' msql "set global init_connect = 'set $setting'"
        { snapshot --retry-max 1 && msql "insert into \`größe\` values ('ü', 1, '$setting')" && binlog --until now --retry-max 1; } | sink || { cat "$DIR/err"; return 1; }
        MYSQL_DATABASE='' msql "set global init_connect = ''"
        not says "error|trying again"
        same_as_source "a, b, \`é\`" "\`größe\`"
        msql "delete from \`größe\` where a = 'ü'"
    done
}

@test "a prepared XA transaction: the snapshot waits for its end" {
    mysql_is_mariadb || msql "set sql_log_bin = 0; grant xa_recover_admin on *.* to cdc@'%'"
    rows 3
    msql "xa start 'x'; insert into t values (50, 'xa', null); xa end 'x'; xa prepare 'x'"
    exits 75 snapshot --retry-max 1 --ack=stdout
    says "XA transaction is prepared"
    is "lines" 0 "$(wc -l <"$DIR/out")"
    msql "xa commit 'x'"
    snapshot --ack=stdout >"$DIR/out"
    is "rows" 4 "$(grep -c '"op":"r"' "$DIR/out")"
}

@test "tables without a key: each row once" {
    msql "create table n (a int, b text); insert into n values (1,'x'),(1,'x'),(2,null)"
    snapshot --ack=stdout >"$DIR/out"
    is "rows" '{"a":1,"b":"x"} {"a":1,"b":"x"} {"a":2,"b":null}' "$(jq -c 'select(.op == "r") | .after' "$DIR/out" | xargs -d '\n')"
    is "keys" 0 "$(grep -c '"key":' "$DIR/out")"
    says "has no key"
}

keyless_and_keyed() {
    rows 3000 900
    msql "create table u (a int, b text); insert into u values $(seq 1 20 | sed "s/.*/(&,'r')/" | paste -sd,); insert into u values (100,'twin'),(100,'twin')"
}
change_keyless() { msql "insert into u values ($1,'between'); update u set b = 'changed' where a = $2; delete from u where a = 100 limit 1; delete from u where a = $2 + 1"; }
@test "a snapshot begun again after changes of a table without a key: each row once, and none too few" {
    keyless_and_keyed
    # Twice it dies inside of t; u was not read.
    snapshot --chunk-rows 100 | head -n 1000 | sink || true
    [ "$(copy 'select count(*) from t')" -lt 1000 ]
    change_keyless 1000 3
    snapshot --chunk-rows 100 | head -n 1000 | sink || true
    says "a table without a key is to be read again"
    change_keyless 2000 7
    { snapshot && binlog --until now; } | sink
    same_as_source "a, b" u
    same_as_source "id, v, filler"
    change_keyless 3000 11
    binlog --until now | sink
    same_as_source "a, b" u
}

@test "tables without a key to be read again, and a sink that is in the log already: exit 79, and nothing is written" {
    keyless_and_keyed
    t cdc-sink-sqlite --offset-file "$STATE/b.offset" "$DIR/b.db" </dev/null 2>>"$DIR/err"
    { snapshot && change_keyless 1000 3 && binlog --until now; } | sink
    exits 79 snapshot
    says "tables without a key are to be read again, and the sink of .*cdc-sink-sqlite.offset. has gone on to the log"
    is "lines" 0 "$(wc -l <"$DIR/out")"
    # With keys alone the second sink gets the rows.
    msql "drop table u"
    snapshot | t cdc-sink-sqlite --offset-file "$STATE/b.offset" "$DIR/b.db" 2>>"$DIR/err"
    COPY=$DIR/b.db
    same_as_source "id, v, filler"
}

# Every row is another one: what comes twice is seen.
writer_without_key() {
    local n=$1
    until [ -e "$4" ]; do
        seq "$n" $((n + 99)) | sed 's/.*/insert into n values (&, "row &"); delete from n where a = & - 50;/'
        n=$((n + 100))
    done | mariadb --no-defaults --force --socket="$2" --user=root "$3"
}
@test "writers at work, and a table without a key: each row once" {
    local i writers=() RACED=0
    msql "create table n (a int, b text); insert into n values (1,'x'),(1,'x'),(2,null)"
    for i in 1 2 3 4; do
        spawn_line "$(declare -f writer_without_key); writer_without_key ${i}0000000 '$(mysql_dir)/socket' $NAME '$DIR/enough' 2>>'$DIR/writers'"
        writers+=("$SPAWNED")
    done
    for i in 0 1 2 3 4 5 6 7; do
        COPY=$DIR/race$i/copy.db STATE=$DIR/race$i
        mkdir "$STATE"
        { race $((i % 2 * 3 + 1)) | sink; } 2>>"$STATE/err" || { cat "$STATE/err"; return 1; }
        ! raced || RACED=$((RACED + 1))
    done
    ((RACED > 4)) || fail "only $RACED of 8 snapshots were taken while others wrote"
    touch "$DIR/enough"
    for i in "${writers[@]}"; do status_of "$i" 120 || true; done
    for i in 0 1 2 3 4 5 6 7; do
        COPY=$DIR/race$i/copy.db STATE=$DIR/race$i
        LIMIT=200 binlog --until now | LIMIT=200 sink
        msql -N "select a, b from n" | LC_ALL=C sort >"$DIR/source"
        copy "select a, coalesce(b, 'NULL') from n" | LC_ALL=C sort | diff "$DIR/source" - >"$DIR/differences" || fail "snapshot $i: $(head -5 "$DIR/differences")"
    done
}

# Written between the snapshot's point and its read: the pipe is full, and the tables come by name.
@test "engines without transactions: written after the snapshot began, the copy ends as the source" {
    local engine engines="MyISAM MEMORY" line
    ! mysql_is_mariadb || engines+=" Aria"
    rows 2000 1000
    msql "rename table t to a"
    for engine in $engines; do
        msql "create table b_$engine (id int primary key, v varchar(20), w int) engine = $engine; insert into b_$engine values (1, 'old', 1), (2, 'goes', 1), (3, 'moves', 1)"
    done
    silent_sink
    mkfifo "$DIR/fifo"
    spawn_line "exec cdc-snapshot --state-dir '$STATE' '$URL' >'$DIR/fifo' 2>>'$DIR/err'"
    exec 7<"$DIR/fifo"
    read -r line <&7
    for engine in $engines; do
        msql "insert into b_$engine values (4, 'new', 1); update b_$engine set w = w + 1 where id in (1, 4); update b_$engine set id = 5 where id = 3; delete from b_$engine where id = 2"
    done
    { echo "$line"; cat <&7; } | sink
    exec 7<&-
    status_of "$SPAWNED"
    binlog --until now | sink
    for engine in $engines; do same_as_source id,v,w "b_$engine"; done
}

@test "what cannot be copied exactly is named by --check and refused: 78, and the way out" {
    local table
    msql "create table t (id int primary key); create table n (a int) engine = MyISAM; create table k (id int primary key) engine = MEMORY;
          create table m1 (id int primary key) engine = MyISAM; create table m (id int primary key) engine = MERGE union = (m1) insert_method = last"
    for table in n m; do
        exits 78 snapshot --ack=stdout -t "$table" -t t
        says "error: table $NAME\.$table cannot be copied.*-T '$NAME\.$table'"
        is "rows of it" 0 "$(grep -c "\"table\":\"$table\"" "$DIR/out")"
    done
    exits 78 snapshot --check
    says "error: table $NAME\.n: engine MyISAM has no transactions, and the table has no key"
    says "error: table $NAME\.m: the rows of engine MRG_M[yY]"
    not grep -qE "error: table $NAME\.(t|k|m1)" "$DIR/err"
    # The stream has what is logged of them.
    exits 0 t mysql-binlog --check "$URL" 2>>"$DIR/err"
    exits 0 snapshot --ack=stdout -t t -t k -t m1
    # Where the log has rows in part, it does not put right what was read too late.
    rm -r "$STATE"
    msql "set global binlog_row_image = MINIMAL"
    exits 78 snapshot --ack=stdout -t k
    says "engine MEMORY .*binlog_row_image is not FULL"
    msql "set global binlog_row_image = FULL"
}

# bats test_tags=only:mysql
@test "a table without a key, and a user who may not lock: it says so, and goes on" {
    msql "create table n (a int); insert into n values (1), (1); revoke reload on *.* from cdc@'%'"
    snapshot --ack=stdout >"$DIR/out"
    is "rows" 2 "$(grep -c '"op":"r"' "$DIR/out")"
    says "without a key .* may come twice .*GRANT RELOAD"
    msql "grant reload on *.* to cdc@'%'"
}

@test "many rows and a slow reader: not more than 64 MB" {
    local pid before after
    rows "$HUGE_ROWS" 100
    spawn_line "cdc-snapshot --state-dir '$STATE' --ack=stdout '$URL' 2>>'$DIR/err' | { read -r first; echo \$BASHPID >'$DIR/reader'; kill -STOP \$BASHPID; cat; } >'$DIR/out'"
    wait_until reader_stopped
    pid=$(member "$SPAWNED" cdc-snapshot)
    pause_ms 1000
    kill -CONT "$(cat "$DIR/reader")"
    before=0
    while after=$(peak_kib "$pid") && [ -n "$after" ]; do before=$after; pause_ms 20; done
    echo "# cdc-snapshot: peak $before KiB" >&3
    [ "$before" -lt 65536 ]
    status_of "$SPAWNED"
    is "rows" "$HUGE_ROWS" "$(grep -c '"op":"r"' "$DIR/out")"
}
reader_stopped() { [ -s "$DIR/reader" ] && grep -q '^State:.T' "/proc/$(cat "$DIR/reader")/status"; }

# -- several sessions

# Primary keys of all types that a table is cut by, and of some that it is not.
key_tables() {
    local charset
    msql "create table k_int (id bigint unsigned primary key, v int); insert into k_int values (0,1),(18446744073709551615,2),(9223372036854775808,3)"
    msql "insert into k_int select 1000 + seq.n, n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    msql "create table k_signed (a smallint, b tinyint, c int, v int, primary key (c, a, b)); insert into k_signed select -50 + n, -n, n div 7 - 5, n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    msql "create table k_decimal (d decimal(30,10) primary key, v int); insert into k_decimal select -3.5 + n / 3, n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    msql "set time_zone = '+00:00'; create table k_time (d date, t datetime(3), s timestamp(6), primary key (d, t, s)); insert into k_time select '2024-02-28' + interval n div 20 day, '2024-01-01 10:00:00.125' + interval n second, '2024-03-31 00:59:59.999999' + interval n minute from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    # Of a time when sql_mode let them in.
    msql "set sql_mode = 'ALLOW_INVALID_DATES'; create table k_odd_date (d date, t datetime(6), v int, primary key (d, t)); insert into k_odd_date select elt(1 + n % 5, '0000-00-00', '2020-00-00', '2020-02-31', '2021-04-31', '9999-12-31'), concat(elt(1 + n % 3, '2020-02-31', '0000-00-00', '2020-05-00'), ' 10:00:00.', lpad(n, 6, '0')), n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    for charset in latin1 utf8mb3 utf8mb4 ucs2 sjis; do
        msql "set names utf8mb4; create table k_$charset (s varchar(20) character set $charset, b varbinary(10), v int, primary key (s, b)); insert into k_$charset select concat(elt(1 + n % 6, 'a', 'A ', 'b''\\\\', '', 'Z', 'zz'), n div 12), unhex(lpad(hex(n), 4, '0')), n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    done
    msql "create table k_clock (c time(3), y year, v int, primary key (c, y)); insert into k_clock select sec_to_time(-180000 + 3599.125 * n), if(n % 10 = 0, 0, 1900 + n), n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    ! mysql_is_mariadb || ! mysql_since 101000 ||
        msql "create table k_uuid (u uuid, i inet6, f inet4, v int, primary key (u, i, f)); insert into k_uuid select concat(left(md5(n % 20), 8), '-', mid(md5(n % 20), 9, 4), '-', elt(1 + n % 3, '1', '4', '7'), 'abc-8abc-', left(md5(n), 12)), concat(hex(n), '::', hex(n * 7)), concat(n * 2, '.1.2.', n), n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    msql "create table k_float (f double primary key, v int); insert into k_float select n / 3, n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    msql "create table k_prefix (s varchar(200), v int, primary key (s(3))); insert into k_prefix select lpad(n, 3, '0'), n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    msql "create table k_none (v int); insert into k_none select n from (select a.n + 10 * b.n n from $(digits) a, $(digits) b) seq"
    msql "create table k_enum (e enum('z','y','x') primary key, v int); insert into k_enum values ('x',1),('z',2),('y',3)"
}
digits() { echo "(select 0 n union all select 1 union all select 2 union all select 3 union all select 4 union all select 5 union all select 6 union all select 7 union all select 8 union all select 9)"; }
without_pos() { jq -c 'del(.pos, .seq, .ts_ms, .source)' "$1"; }

@test "several sessions write what one writes, in the same order: every kind of key" {
    local jobs
    key_tables
    snapshot --ack=stdout --chunk-rows 7 >"$DIR/one"
    [ "$(grep -c '"op":"r"' "$DIR/one")" -gt 1000 ]
    jq -r '.pos' "$DIR/one" | LC_ALL=C sort -c -u
    for jobs in 2 5; do
        rm "$STATE"/cdc-snapshot-*
        snapshot --ack=stdout --chunk-rows 7 --jobs $jobs >"$DIR/many" || { cat "$DIR/err"; return 1; }
        jq -r '.pos' "$DIR/many" | LC_ALL=C sort -c -u
        # Those that can be divided are: the fourth part of pos is the number of what is read at once.
        is "whole" "k_enum k_float k_none k_prefix" "$(jq -r 'select(.op == "r" and (.source.table != "k_int")) | .source.table + " " + (.pos | split(".")[3])' "$DIR/many" | sort -u | cut -d' ' -f1 | uniq -u | xargs)"
        # Commit lines stand behind so many rows, but where a table ends with a whole chunk.
        diff <(without_pos "$DIR/one" | grep -v '"commit"') <(without_pos "$DIR/many" | grep -v '"commit"') | head -20
        is "rows in chunks" "$(grep -c '"op":"r"' "$DIR/one")" "$(jq -r 'select(.op == "commit") | .events' "$DIR/many" | awk '{ n += $1 } END { print n }')"
    done
}

@test "several sessions that convert texts at the same time: each text is as it was" {
    msql "create table t (id int primary key, a varchar(400) character set latin1, b varchar(400) character set ucs2, c varchar(100) character set gbk, d varchar(100) character set sjis, e varchar(100) character set euckr);
          insert into t select a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n, repeat(elt(1 + a.n, 'é', 'ü', 'ñ', 'ß', 'ç', 'à', 'ö', 'î', 'ø', 'å'), 300 + 10 * b.n), repeat('ж', 300 + c.n * 10), concat('啊阿埃挨', a.n), concat('表ソア', b.n), concat('가나다', c.n)
          from $(digits) a, $(digits) b, $(digits) c, $(digits) d, (select 0 n union all select 1 union all select 2) e"
    snapshot --ack=stdout >"$DIR/one"
    rm "$STATE"/cdc-snapshot-*
    snapshot --ack=stdout --chunk-rows 300 --jobs 4 >"$DIR/many"
    is "rows" 30000 "$(grep -c '"op":"r"' "$DIR/many")"
    cmp <(grep -o '"after":.*' "$DIR/one") <(grep -o '"after":.*' "$DIR/many")
}

@test "a session that the server ends: the snapshot goes on by itself, and the copy is the source" {
    rows 20000 300
    silent_sink
    spawn_line "cdc-snapshot --jobs 4 --chunk-rows 200 --state-dir '$STATE' '$URL' 2>>'$DIR/err' | $(slow_line) | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    wait_until kill_a_session
    status_of "$SPAWNED" 120
    says "trying again"
    not grep -q "threads could be started" "$DIR/err"
    binlog --until now | sink
    same_as_source "id, v, filler"
}
# One of those that read, while there is much to read still.
kill_a_session() {
    local id
    half_stored || return 1
    id=$(msql -N "select max(id) from information_schema.processlist where user = 'cdc' having count(*) = 5")
    [ -n "$id" ] && msql "kill $id"
}
# A reader that takes its time: so many lines, and a rest.

# The line until its sink has stored what a further attempt can go on behind, then killed.
killed_behind_a_point() {
    spawn_line "cdc-snapshot --jobs $1 --chunk-rows 100 --state-dir '$STATE' '$URL' 2>>'$DIR/err' | $(slow_line 500) | cdc-sink-sqlite --batch-events 100 --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    wait_until has_stored_point k || { cat "$DIR/err"; head -c 1500 "$STATE"/*.offset; return 1; }
    kill -KILL -- "-$SPAWNED"
    wait "$SPAWNED" || true
    rm -f "$STATE"/*.lock
}
big_key_table() {
    msql "create table a (id int primary key, v int); insert into a values (1,1),(2,2); create table z (d decimal(10,2) primary key, v int); insert into z values (1.5,1),(-2,2)"
    msql "set names utf8mb4; create table k (s varchar(40) character set utf8mb4, n int, v varchar(20), filler varchar(500), primary key (s, n))"
    awk 'BEGIN {
        for (i = 1; i <= 20000; i++)
            printf "%s(concat(\"%c\", _utf8mb4 0xC3A9, %d),%d,\"v\",repeat(\"x\",300))%s", (i % 1000 == 1 ? "insert into k values " : ","), 65 + i % 26, i, i, (i % 1000 ? "" : ";\n")
    }' | msql
    is "rows of k" 20000 "$(msql -N 'select count(*) from k')"
}

@test "a further attempt goes on behind what is stored, with one session and with several" {
    local jobs
    big_key_table
    for jobs in 1 3; do
        killed_behind_a_point $jobs
        # Rows on both sides of the point go, change, and move to the other side.
        msql "delete from k where n % 10 = 1; update k set v = 'newer' where n % 10 = 2; update k set s = concat('zz', n) where n % 100 = 3; update k set s = concat('AA', n) where n % 100 = 4; delete from z where v = 2; insert into a values ($jobs + 10, 3)"
        snapshot --jobs $jobs --chunk-rows 100 | tee "$DIR/second" | sink
        says "goes on inside of table $NAME.k"
        is "tables of the second attempt" "k z" "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/second" | xargs)"
        is "emptied" "z" "$(jq -r 'select(.op == "t") | .source.table' "$DIR/second" | xargs)"
        [ "$(grep -c '"op":"r"' "$DIR/second")" -lt "$(msql -N 'select count(*) from k')" ]
        binlog --until now | sink
        same_as_source "id, v" a
        same_as_source "s, n, v, filler" k
        same_as_source "v" z
        rm -r "$STATE" "$COPY"*
        mkdir "$STATE"
    done
}

@test "a further attempt goes on behind a table without a key, and the log is applied to that from where it was read" {
    msql "create table b (x int, y text); insert into b values (1,'x'),(1,'x'),(2,null),(3,'z')"
    big_key_table
    killed_behind_a_point 1
    msql "delete from b where x = 1 limit 1; insert into b values (9,'new')"
    snapshot --chunk-rows 100 | sink
    says "goes on inside of table $NAME.k"
    binlog --until now | sink
    same_as_source "x, y" b
    same_as_source "s, n, v, filler" k
}

@test "tables altered, or chosen otherwise, between two attempts: all is read again" {
    big_key_table
    killed_behind_a_point 1
    cp -r "$STATE" "$DIR/before"
    msql "alter table a add column late int"
    snapshot >"$DIR/second"
    is "tables" "a k z" "$(jq -r 'select(.op == "t") | .source.table' "$DIR/second" | xargs)"
    says "all are read again"
    rm -r "$STATE"
    cp -r "$DIR/before" "$STATE"
    snapshot -t k >"$DIR/second"
    is "tables" "k" "$(jq -r 'select(.op == "t") | .source.table' "$DIR/second" | xargs)"
    is "rows" 20000 "$(grep -c '"op":"r"' "$DIR/second")"
    # A key that was tampered with is no statement.
    rm -r "$STATE"
    cp -r "$DIR/before" "$STATE"
    jq -c '.offsets[].state.points[].after[0] = "41\u0027; drop table a; --"' "$DIR/before/cdc-snapshot-$NAME.offset" >"$STATE/cdc-snapshot-$NAME.offset"
    snapshot >"$DIR/second" || true
    is "table a" 2 "$(msql -N 'select count(*) from a')"
}

@test "row images that are not whole: no writer comes between the position and the snapshot" {
    rows 10
    msql "set global binlog_row_image = MINIMAL"
    snapshot --ack=stdout --jobs 3 >"$DIR/out"
    msql "set global binlog_row_image = FULL"
    is "rows" 10 "$(grep -c '"op":"r"' "$DIR/out")"
    says "exact"
    mysql_is_mariadb && return
    msql "set sql_log_bin = 0; revoke reload on *.* from cdc@'%'"
    msql "set global binlog_row_image = MINIMAL"
    rm "$STATE"/cdc-snapshot-*
    exits 77 snapshot --ack=stdout
    msql "set global binlog_row_image = FULL; set sql_log_bin = 0; grant reload on *.* to cdc@'%'"
    says "GRANT RELOAD"
}

# -- what stops it

@test "a wrong password: 77; a database that is not there: 78; a table that may not be read: 77" {
    URL=${URL/:$MYSQL_PASSWORD@/:wrong@}
    exits 77 snapshot --ack=stdout
    not grep -q wrong "$DIR/err"
    URL=$(mysql_url)nothing_of_that_name
    exits 78 snapshot --ack=stdout --name "$NAME"
    msql "create table seen (id int primary key, secret int); set sql_log_bin = 0; create user part@'%' identified by 'part'; grant replication slave, $(if mysql_is_mariadb; then echo binlog monitor; else echo replication client; fi) on *.* to part@'%'; grant select (id) on $NAME.seen to part@'%'"
    URL=$(mysql_url)$NAME
    URL=${URL/cdc:$MYSQL_PASSWORD@/part:part@}
    exits 77 snapshot --ack=stdout
    says "denied|may not read"
    # No SELECT but on single tables: what is not seen is said to be missing. A name that is not there at all: an error.
    msql "create table unseen (id int primary key); set sql_log_bin = 0; grant select on $NAME.seen to part@'%'"
    exits 0 snapshot --ack=stdout
    is "tables" seen "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/out" | xargs)"
    says "no SELECT on the whole database"
    rm -r "$STATE"
    exits 78 snapshot --ack=stdout -t unseen
    msql "set sql_log_bin = 0; drop user part@'%'"
}

@test "a table that a pattern selects and the user may not SELECT: the stream says with its first row that nobody has read it" {
    local grant
    grant=$(if mysql_is_mariadb; then echo binlog monitor; else echo replication client; fi)
    msql "create table seen (id int primary key); insert into seen values (1); create table unseen (id int primary key); insert into unseen values (1);
          set sql_log_bin = 0; create user half@'%' identified by 'half'; grant replication slave, $grant on *.* to half@'%'; grant select on $NAME.seen to half@'%'"
    URL=${URL/cdc:$MYSQL_PASSWORD@/half:half@}
    snapshot -t "$NAME.*" | sink
    msql "insert into seen values (2); insert into unseen values (2); insert into unseen values (3)"
    : >"$DIR/err"
    binlog -t "$NAME.*" --until now | sink
    is "times" 1 "$(grep -c 'warning: .*unseen.*may not SELECT' "$DIR/err")"
    not grep -q "warning: .*table $NAME.seen" "$DIR/err"
    # What it says helps.
    msql "set sql_log_bin = 0; grant select on $NAME.unseen to half@'%'"
    t cdc-snapshot --again --state-dir "$STATE" -t "$NAME.unseen" "$URL" 2>>"$DIR/err"
    run -75 binlog -t "$NAME.*" --until now
    { snapshot -t "$NAME.*" && binlog -t "$NAME.*" --until now; } | sink
    is "rows" "1 2 3" "$(copy "select id from unseen order by id" | xargs)"
    msql "set sql_log_bin = 0; drop user half@'%'"
}

# bats test_tags=only:mysql
@test "a table that a session has locked: its rows come while it is" {
    local writer
    msql "create table t (id int primary key); insert into t values (1)"
    snapshot | sink
    mkfifo "$DIR/sql"
    spawn bash -c "exec mariadb --no-defaults --socket='$(mysql_dir)/socket' -uroot '$NAME' <'$DIR/sql'"
    writer=$SPAWNED
    spawn_line "mysql-binlog --name $NAME --state-dir '$STATE' -t '$NAME.*' --heartbeat 1 '$URL' 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    exec 7>"$DIR/sql"
    echo "lock tables t write; insert into t values (2);" >&7
    has_come() { [ "$(copy 'select max(id) from t')" = 2 ]; }
    wait_until -t 20 has_come || { cat "$DIR/err"; msql "show full processlist"; false; }
    echo "unlock tables;" >&7
    exec 7>&-
    status_of "$writer"
}

@test "a user who may not SELECT: 77, never a finished snapshot of nothing; by a role it may" {
    local user="role_$BATS_SUITE_TEST_NUMBER" monitor='replication client'
    ! mysql_is_mariadb || monitor='binlog monitor'
    msql "create table t (id int primary key); insert into t values (1); set sql_log_bin = 0; create user $user@'%' identified by 'x'; grant replication slave, $monitor on *.* to $user@'%'"
    URL="mysql://$user:x@127.0.0.1:$(cat "$(mysql_dir)/port")/"
    exits 77 snapshot --ack=stdout
    says "may not SELECT"
    exits 77 snapshot --ack=stdout -t "$NAME.*"
    [ ! -s "$DIR/out" ]
    msql "set sql_log_bin = 0; create role reader_$user; grant select on $NAME.* to reader_$user; grant reader_$user to $user@'%'; set default role reader_$user for $user@'%'" 2>/dev/null ||
        msql "set sql_log_bin = 0; set default role reader_$user to $user@'%'"
    exits 0 snapshot --ack=stdout
    is "rows" 1 "$(jq -r 'select(.op == "r" and .source.table == "t") | .after.id' "$DIR/out")"
    msql "set sql_log_bin = 0; drop user $user@'%'; drop role reader_$user"
}

@test "a server without a binary log, or with one that has statements: 78, with the cure" {
    MYSQL_DATABASE="" mysql_start off --skip-log-bin
    MYSQL_DATABASE='' MYSQL_SERVER=off msql "create database $NAME"
    URL=$(mysql_url off)$NAME
    exits 78 snapshot --ack=stdout
    says "no binary log"
    mysql_stop off
    # A server may have no other format any more; what there is was tried then.
    [ -n "$(msql "show global variables like 'binlog_format'")" ] || return 0
    msql "set global binlog_format = STATEMENT"
    URL=$(mysql_url)$NAME
    exits 78 snapshot --ack=stdout
    msql "set global binlog_format = ROW"
    says "binlog_format = ROW"
}
