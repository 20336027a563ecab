#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables that are read again, where programs are killed, sinks are set back, servers change, and rows come without a pause: the copy
# ends equal all the same.
# takes: 70 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale

statements_under_writers() {
    local i victim
    traffic_tables "$@"
    SNAPSHOT_OPTIONS='--chunk-rows 20 -j 3'
    writers
    loop_start
    caught_up
    for ((i = 0; i < 8; i++)); do
        msql "alter table t add column c$i int not null default $i; update t set c$i = 100 where id % 10 = $i"
        msql "alter table u add column d$i varchar(20) default 'd$i', drop column if exists d$((i - 1))" 2>/dev/null || msql "alter table u add column d$i varchar(20) default 'd$i'"
        case $((i % 4)) in 0) victim=cdc-snapshot ;; 1) victim=cdc-sink-sqlite ;; 2) victim=mysql-binlog ;; *) victim='' ;; esac
        [ -z "$victim" ] || ! wait_until -t 5 has_member "$SUPERVISOR" "$victim" 2>/dev/null || { pause_ms $((i * 13 % 60)); kill -KILL "$(member "$SUPERVISOR" "$victim")" 2>/dev/null || true; }
        pause_ms 300
    done
    writers_end
    caught_up
    equal t u other
    not grep -qvE '^(0|69|74|75|137|143)$' "$DIR/ends"
    rounds=$(grep -c "error: to be read again" "$DIR/err" || true)
    loop_end
}
@test "statements under writers, the line started again and again, its programs killed: the copy ends equal" {
    statements_under_writers "varchar(9)" "id(8)"
    [ "$rounds" -gt 0 ]
    grep -qx 75 "$DIR/ends"
}
@test "the same with keys that mysql-binlog reads in place" {
    statements_under_writers int
    is "rounds" 0 "$rounds"
}

@test "the way of online schema changes: a shadow table, triggers, a swap of names, under writers" {
    traffic_tables
    writers
    loop_start
    caught_up
    msql "create table _t_new like t; alter table _t_new add column c int not null default 5, add column big varchar(50)"
    msql "create trigger t_ins after insert on t for each row replace into _t_new (id, a) values (new.id, new.a);
          create trigger t_upd after update on t for each row replace into _t_new (id, a) values (new.id, new.a);
          create trigger t_del after delete on t for each row delete ignore from _t_new where id = old.id"
    msql "insert ignore into _t_new (id, a) select id, a from t where id <= 150 lock in share mode"
    msql "insert ignore into _t_new (id, a) select id, a from t where id > 150 lock in share mode"
    msql "rename table t to _t_old, _t_new to t; drop table _t_old"
    pause_ms 300
    writers_end
    caught_up
    equal t u
    is "the new columns" 1 "$(copy "select count(distinct c) from t")"
    loop_end
}

@test "a sink that is set back to a backup of before a round, the other one ahead: both end equal" {
    local i a b=$DIR/b.db
    two() { line --until now | sed "s#| cdc-sink-sqlite#| tee >(cdc-sink-sqlite -q --state-dir '$STATE' --offset-file '$STATE/b.offset' '$b' 2>>'$DIR/err') | cdc-sink-sqlite#"; }
    b_pos() { jq -r ".offsets[\"$NAME\"].pos" "$STATE/$1" 2>/dev/null; }
    together() { [ "$(b_pos b.offset)" = "$(b_pos cdc-sink-sqlite.offset)" ]; }
    both() {
        for ((i = 0; i < 12; i++)); do
            local status=0
            t bash -o pipefail -c "$(two)" || status=$?
            wait_until -t 20 together || true
            [ $status != 0 ] || ! together || return 0
        done
        cat "$DIR/err"
        fail "they do not come together"
    }
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2); create table k (id int, a int); insert into k values (1, 1), (2, 2)"
    both
    equal t other k
    cp "$b" "$DIR/backup.db"
    cp "$STATE/b.offset" "$DIR/backup.offset"
    msql "insert into t values (3, 3); alter table t add c int not null default 7; insert into t values (4, 4, 4); insert into k values (3, 3); alter table k add c int not null default 7; insert into k values (4, 4, 4); insert into other (v) values (1)"
    both
    equal t other k
    msql "update t set c = 8 where id = 4; insert into t values (5, 5, 5); insert into k values (5, 5, 5); insert into other (v) values (2)"
    both
    cp "$DIR/backup.db" "$b"
    rm -f "$b-wal" "$b-shm"
    cp "$DIR/backup.offset" "$STATE/b.offset"
    msql "delete from t where id = 5; update t set c = 9 where id = 1; delete from k where id = 5; update k set c = 9 where id = 1; insert into other (v) values (3)"
    both
    equal t other k
    a=$COPY COPY=$b
    equal t other k
    COPY=$a
}

# tee learns from a line alone that one of its readers is gone.
@test "two sinks, one of which ends when it has all of a round and has stored none: the line ends, and the next one heals" {
    local b=$DIR/b.db status=0
    two() { line --until now | sed "s#| cdc-sink-sqlite#| tee >($1) | cdc-sink-sqlite#"; }
    real="cdc-sink-sqlite -q --state-dir '$STATE' --offset-file '$STATE/b.offset' '$b' 2>>'$DIR/err'"
    b_ended() { [ -z "$(pgrep -f "cdc-sink-sqlite.* $b")" ]; }
    both() {
        local ended=0
        t bash -o pipefail -c "$(two "$real")" || ended=$?
        wait_until b_ended
        return $ended
    }
    msql "create table t (id int primary key, v varchar(10)); insert into t values (1, 'a')"
    both
    msql "alter table t add d int not null default 7; insert into t values (2, 'b', 1)"
    both || is "status" 75 $?
    has_mark
    t bash -o pipefail -c "$(two 'timeout 4 cat >/dev/null')" || status=$?
    not test $status = 124
    not test $status = 0
    has_mark
    both || is "status" 75 $?
    both
    equal t
    COPY=$b equal t
}

@test "a failover between mark and read, and one between read and log: the copy ends equal" {
    local i
    for i in 1 2; do
        MYSQL_DATABASE='' mysql_start "old$i" --binlog-row-metadata="$(least)"
        MYSQL_DATABASE='' mysql_start "new$i" --binlog-row-metadata="$(least)"
        MYSQL_DATABASE='' mysql_replicate "new$i" "old$i"
        MYSQL_SERVER=old$i
        URL=$(mysql_url)
        rm -rf "$STATE" "$COPY"
        mkdir "$STATE"
        MYSQL_DATABASE='' msql "create database $NAME"
        msql "create table other (id int auto_increment primary key, v int); create table t (id int primary key, a int); insert into t values (1, 1), (2, 2)"
        runs
        msql "insert into other (v) values (1); alter table t add c int not null default 7; insert into t values (3, 3, 3); insert into other (v) values (2)"
        run_line 75
        if [ $i = 2 ]; then
            msql "update t set c = 8 where id = 1; insert into other (v) values (3)"
            t cdc-snapshot --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" 2>"$DIR/err" | t cdc-sink-sqlite -q --state-dir "$STATE" "$COPY"
        fi
        msql "update t set a = 20 where id = 2; insert into other (v) values (4); create table last (id int primary key)"
        MYSQL_SERVER=new$i wait_until -t 60 there last
        mysql_kill "old$i"
        MYSQL_SERVER=new$i
        mysql_promote "new$i"
        URL=$(mysql_url)
        msql "delete from t where id = 3; insert into t values (4, 4, 4); alter table t add d int default 5; insert into other (v) values (5)"
        runs
        equal t other
        MYSQL_DATABASE='' mysql_stop "new$i"
    done
    MYSQL_SERVER=main
}
there() { msql -N "select count(*) from information_schema.tables where table_schema = '$NAME' and table_name = '$1'" | grep -qx 1; }

# What a crash takes back where the log is not synced: the server is as it was, and gives the numbers to other transactions.
# MariaDB takes the time when its .frm file's inode changed for the time when a table was made: both have the same files of those.
keep_server() {
    local data file name=${1:-lossy}
    data=$(mysql_dir "$name")/data
    MYSQL_DATABASE='' mysql_stop "$name"
    cp -a "$data" "$data.kept"
    find "$data" -name '*.frm' | while read -r file; do ln -f "$file" "$data.kept/${file#"$data"/}"; done
    mysql_up "$name"
}
set_server_back() {
    local data name=${1:-lossy}
    data=$(mysql_dir "$name")/data
    mysql_kill "$name"
    mv "$data" "$(mktemp -d "$data.XXXXXX")"
    mv "$data.kept" "$data"
    mysql_up "$name"
}
on_server() {
    MYSQL_DATABASE='' mysql_start "$1" --binlog-row-metadata="$(least)"
    MYSQL_SERVER=$1
    URL=$(mysql_url)
    MYSQL_DATABASE='' msql "create database $NAME"
}
read_rows() { t cdc-snapshot --name "$NAME" -t "$NAME.*" --chunk-rows 100 --state-dir "$STATE" "$URL" 2>>"$DIR/err"; }
store() { t cdc-sink-sqlite -q --batch-events 100 --state-dir "$STATE" "$COPY"; }
is_refused() {
    run_line 79
    grep -q "rows of the copy were read at transactions that the server has no more" "$DIR/err" || { cat "$DIR/err"; return 1; }
    run_line 79
}

@test "a failover to a replica that lacks what a read has seen: 79, though other transactions have its numbers" {
    on_server old
    MYSQL_DATABASE='' mysql_start new --binlog-row-metadata="$(least)"
    MYSQL_DATABASE='' mysql_replicate new old
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2)"
    runs
    msql "create table last (id int primary key)"
    MYSQL_SERVER=new wait_until -t 60 there last
    mysql_promote new
    msql "alter table t add c int not null default 7"
    run_line 75
    msql "insert into t values (9, 9, 9)"
    read_rows | store
    is "read" 9 "$(copy 'select c from t where id = 9')"
    mysql_kill old
    MYSQL_SERVER=new
    URL=$(mysql_url)
    msql "alter table t add c int not null default 7; insert into t values (10, 10, 10); insert into t values (11, 11, 11); insert into t values (12, 12, 12)"
    run_line 79
    grep -q "at transactions that the server has no more\|transactions which this one has not" "$DIR/err" || { cat "$DIR/err"; false; }
    MYSQL_DATABASE='' mysql_stop new
    MYSQL_SERVER=main
}

@test "a crash that takes back what was read, in a snapshot's further attempt and in a round: 79; what is read again anyway heals" {
    local i
    on_server lossy
    msql "create table t (id int primary key, v varchar(20), filler varchar(2000)); insert into t select n, 'a', repeat('x', 1500) from $(numbers 1 3000)"
    # An attempt that is broken off, and one that sees more.
    read_rows | head -c 20000 >"$DIR/part" || true
    msql "insert into t values (5001, 'kept', '')"
    keep_server
    msql "insert into t values (9999, 'lost', ''); update t set v = 'lost' where id = 2999; delete from t where id = 1500"
    cp -a "$STATE" "$DIR/before"
    read_rows | store
    is "read" "lost lost" "$(copy 'select v from t where id in (2999, 9999)' | xargs)"
    set_server_back
    for i in 1 2 3 4 5; do msql "insert into t values (6000 + $i, 'new', '')"; done
    is_refused
    # Stored in part: no row of before stays.
    rm -rf "$STATE" "$COPY"*
    mv "$DIR/before" "$STATE"
    keep_server
    msql "insert into t values (0, 'lost', ''); update t set v = 'lost' where id < 1000; delete from t where id = 2"
    spawn_line "cdc-snapshot --name $NAME -t '$NAME.*' --chunk-rows 100 --state-dir '$STATE' '$URL' 2>>'$DIR/err' | '$LIB/paced.py' 100 | cdc-sink-sqlite -q --batch-events 100 --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    wait_until has_stored_some || { cat "$DIR/err"; false; }
    kill -KILL -- "-$SPAWNED"
    wait "$SPAWNED" || true
    rm -f "$STATE"/*.lock
    set_server_back
    for i in 1 2 3 4 5; do msql "insert into t values (7000 + $i, 'new', '')"; done
    read_rows | store
    grep -q "has lost transactions that attempts before have seen" "$DIR/err" || { cat "$DIR/err"; false; }
    runs
    equal t
    # A round.
    msql "alter table t add d int not null default 7"
    run_line 75
    keep_server
    msql "insert into t values (9999, 'lost', '', 1); delete from t where id = 1500"
    read_rows | store
    is "read" lost "$(copy 'select v from t where id = 9999')"
    set_server_back
    for i in 1 2 3 4 5; do msql "insert into t values (8000 + $i, 'new', '', 1)"; done
    run_line 79
    MYSQL_DATABASE='' mysql_stop lossy
    MYSQL_SERVER=main
}

@test "a crash that takes back what the sinks have stored before a table is read again: 79, also while nobody writes" {
    on_server short
    msql "create table t (id int primary key, v varchar(20)); create table h (a int); insert into t values (1, 'kept'); insert into h values (1)"
    runs
    keep_server short
    msql "insert into t values (2, 'lost'); insert into h values (2); alter table h add c int not null default 7"
    run_line 75
    set_server_back short
    run_line 79
    grep -q "cdc-snapshot: error: the server does not have what the sinks have stored" "$DIR/err" || { cat "$DIR/err"; false; }
    MYSQL_DATABASE='' mysql_stop short
    MYSQL_SERVER=main
}

# The other sink's position is still in the log, and what was committed since has the numbers of what was lost.
@test "a crash that takes back what one of two sinks has stored: 79, and neither takes what came since" {
    local sink
    stream() { t mysql-binlog --name "$NAME" -t "$NAME.*" --heartbeat 0 --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" --until now "$@" "$URL" >"$DIR/lines" 2>"$DIR/err"; }
    into() { t cdc-sink-sqlite -q --offset-file "$DIR/$1" "$DIR/$1.db" <"$DIR/lines"; }
    on_server two
    msql "create table t (id int primary key, v varchar(20))"
    stream --start now
    for sink in ahead behind; do into $sink; done
    msql "insert into t values (1, 'kept')"
    stream
    for sink in ahead behind; do into $sink; done
    keep_server two
    msql "insert into t values (2, 'lost'); insert into t values (3, 'lost')"
    stream
    into ahead
    binlog --check --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" # one is ahead, and that is no fault
    set_server_back two
    exits 79 stream
    says "a sink has stored transactions that the server has no more"
    exits 79 binlog --check --ack "$DIR/ahead"
    exits 79 binlog --check --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind"
    says "the sink of .*ahead.* has stored transactions that the server does not have"
    binlog --check --ack "$DIR/behind"
    msql "insert into t values (2, 'new'); insert into t values (4, 'new'); insert into t values (5, 'new')"
    exits 79 stream
    is "lines" 0 "$(wc -l <"$DIR/lines")"
    # Without that sink the log goes on.
    rm "$DIR/p" "$DIR/ahead"
    t mysql-binlog -q --name "$NAME" -t "$NAME.*" --ack "$DIR/behind" --until now "$URL" >"$DIR/lines"
    into behind
    is "rows" "1 kept 2 new 4 new 5 new" "$(sqlite3 -separator ' ' "$DIR/behind.db" 'select * from t order by id' | xargs)"
    MYSQL_DATABASE='' mysql_stop two
    MYSQL_SERVER=main
}

has_stored_some() {
    local point stored
    point=$(jq -er '.offsets[].state.points[0].pos' "$STATE/cdc-snapshot-$NAME.offset" 2>/dev/null) || return 1
    stored=$(jq -er '.offsets[].pos' "$STATE/cdc-sink-sqlite.offset" 2>/dev/null) || return 1
    [[ ! $stored < $point ]] && [ "$(copy 'select count(*) from t')" -gt 300 ]
}

# The log has a transaction a moment before gtid_executed has. MariaDB tells the GTIDs of a place in the log.
# bats test_tags=only:mysql
@test "rows that were read while a transaction was being committed: the position is the server's all the same" {
    local state=$STATE/cdc-snapshot-$NAME.offset uuid file at made
    msql "create table t (id int primary key, a int); insert into t values (1, 1)"
    t cdc-snapshot -q --ack=stdout --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" >"$DIR/lines"
    msql "insert into t values (2, 2)"
    read -r file at _ < <(msql -N "$(if mysql_since 80200; then echo show binary log status; else echo show master status; fi)")
    uuid=$(msql -N "select @@server_uuid")
    made=$(jq ".offsets[\"$NAME\"].source.file_created" "$state")
    [ "$made" -gt 0 ]
    jq -c --arg file "$file" --argjson at "$at" --arg uuid "$uuid" --argjson made "$made" ".offsets[\"$NAME\"].source |= (. + {seen: {file: \$file, pos: \$at, gtids: .gtids, server_uuid: \$uuid, file_created: \$made}})" "$state" >"$DIR/edited"
    cat "$DIR/edited" >"$state"
    t mysql-binlog --ack=stdout --until now --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" >>"$DIR/lines" 2>"$DIR/err" || { cat "$DIR/err"; false; }
    t cdc-sink-sqlite -q "$COPY" <"$DIR/lines"
    equal t
}

@test "an XA transaction that is prepared before a table is read again, and committed after it" {
    msql "create table t (id int primary key, a int); insert into t values (1, 1)"
    runs
    msql "xa start 'x'; insert into other (v) values (77); xa end 'x'; xa prepare 'x'"
    runs
    msql "xa start 'y'; insert into other (v) values (78); xa end 'y'; xa prepare 'y'"
    msql "alter table t add c int default 7"
    msql "xa start 'z'; insert into other (v) values (79); xa end 'z'; xa prepare 'z'"
    runs
    equal t other
    msql "xa commit 'x'; xa rollback 'y'; xa commit 'z'; insert into t values (2, 2, 2)"
    runs
    equal t other
    is "committed" "77 79" "$(copy 'select v from other where v in (77, 78, 79) order by v' | xargs)"
}

@test "row images that are not whole, and no GTIDs: the copy ends equal" {
    local options=(--binlog-row-image=MINIMAL --binlog-row-metadata=FULL)
    mysql_is_mariadb || options+=(--gtid-mode=OFF --enforce-gtid-consistency=OFF)
    MYSQL_DATABASE='' mysql_start plain "${options[@]}"
    MYSQL_SERVER=plain
    URL=$(mysql_url)
    METADATA=FULL
    MYSQL_DATABASE='' msql "create database $NAME"
    msql "create table other (id int auto_increment primary key, v int); create table t (id int primary key, a int, b varchar(20)); insert into t values (1, 1, 'one'), (2, 2, 'two');
          create table k (a int, b int); insert into k values (1, 1), (1, 1)"
    runs
    stale "update t set a = 5 where id = 1; alter table t add c int default 7; update t set b = 'x' where id = 2; flush binary logs; update t set c = 8 where id = 1" t
    stale "insert into k values (2, 2); alter table k add c int default 1; insert into k values (3, 3, 3); delete from k where a = 1 limit 1" k
    harmless "update t set a = 6 where id = 2; alter table t add d int; update t set d = 1 where id = 2" t k
    MYSQL_DATABASE='' mysql_stop plain
    MYSQL_SERVER=main
}
