#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What would never be seen is told: by --check, at the start and while it happens, with the SQL that cures it; and a start
# ends as --check has said.
# takes: 40 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    ROLE=role_$NAME
}
teardown() {
    pg_test_teardown
    sql "do \$\$ begin if exists (select from pg_roles where rolname = '$ROLE') then execute 'drop owned by $ROLE cascade; drop role $ROLE'; end if; end \$\$"
}

# ends STATUS COMMAND...: all of its messages in $DIR/err, lines in $DIR/out.
ends() {
    local want=$1 status=0
    shift
    t "$@" >"$DIR/out" 2>"$DIR/err" || status=$?
    [ "$status" = "$want" ] || fail "$*: status $status, not $want: $(cat "$DIR/err")"
}
says() { grep -qE -- "$1" "$DIR/err" || fail "it does not say '$1': $(cat "$DIR/err")"; }
stream() { local want=$1; shift; ends "$want" pg-cdc --name "$NAME" --heartbeat 0 --until now "$@" "$URL"; }
snapshot() { local want=$1; shift; ends "$want" cdc-snapshot --name "$NAME" --offset-file "$DIR/s" "$@" "$URL"; }
check() { local want=$1; shift; ends "$want" pg-cdc --check --name "$NAME" "$@" "$URL"; }
rows() { jq -r 'select(.op == "c") | .source.table + " " + (.after.id | tostring)' "$DIR/${1:-out}" | xargs; }

@test "a publication for inserts only" {
    sql "create table $NAME.t (id int primary key); create publication cdc_$NAME for table $NAME.t with (publish = 'insert')"
    check 0 -t "$NAME.t"
    says 'warning: .*does not publish update, delete, truncate: .*ALTER PUBLICATION'
    snapshot 0 -t "$NAME.t"
    says 'does not publish update, delete, truncate'
    stream 0 -t "$NAME.t"
    says 'does not publish update, delete, truncate.*ALTER PUBLICATION "cdc_p[0-9]+" SET'
}

@test "a selected table that is not in the publication: the first start refuses; later one that -t names" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create publication cdc_$NAME for table $NAME.a"
    check 78 -t "$NAME.*"
    says "\"$NAME\".\"b\" is not in publication .*ALTER PUBLICATION \"cdc_$NAME\" ADD TABLE \"$NAME\".\"b\";"
    stream 78 -t "$NAME.*"
    says "\"b\" is not in publication .*ALTER PUBLICATION \"cdc_$NAME\" ADD TABLE"
    is "slots" 0 "$(sql "select count(*) from pg_replication_slots where slot_name = '$SLOT'")"
    snapshot 78 -t "$NAME.*"
    sql "alter publication cdc_$NAME add table $NAME.b"
    stream 0 -t "$NAME.*"
    sql "alter publication cdc_$NAME drop table $NAME.b; insert into $NAME.a values (1)"
    check 78 -t "$NAME.b" -t "$NAME.a"
    stream 78 -t "$NAME.b" -t "$NAME.a"
    check 0 -t "$NAME.*"
    says 'warning: .*"b" is not in publication'
    stream 0 -t "$NAME.*"
    says 'warning: .*"b" is not in publication .*ADD TABLE'
    is "rows" "a 1" "$(rows)"
}

@test "names that match nothing" {
    sql "create table $NAME.t (id int primary key); create publication cdc_$NAME for all tables"
    check 78 -t nothing.t
    says 'no table is selected by -t nothing\.t'
    stream 78 -t nothing.t -t "$NAME.*" -T "$NAME.t"
    says "no table is selected by -t nothing\.t -t $NAME\.\* -T $NAME\.t .*fix -t and -T"
    snapshot 78 -t nothing.t
    check 0 -t "$NAME.t" -t "$NAME.tt"
    says "warning: -t $NAME.tt matches no table"
    stream 0 -t "$NAME.t" -t "$NAME.tt"
    says "warning: -t $NAME.tt matches no table"
    # The last table of a pipeline is dropped: what is in the log of it still comes.
    sql "insert into $NAME.t values (1); drop table $NAME.t"
    stream 0 -t "$NAME.t"
    says "warning: no table is selected by -t $NAME.t"
    is "rows" "t 1" "$(rows)"
}

@test "a foreign partition, an unlogged table, a view" {
    sql "create table $NAME.p (id int primary key) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10)"
    sql "create foreign data wrapper w_$NAME; create server s_$NAME foreign data wrapper w_$NAME; create table $NAME.q (id int) partition by range (id); create foreign table $NAME.q1 partition of $NAME.q for values from (0) to (10) server s_$NAME; create table $NAME.q2 partition of $NAME.q for values from (10) to (20)"
    sql "create unlogged table $NAME.u (id int primary key); create materialized view $NAME.m as select 1 as id"
    sql "alter table $NAME.q replica identity full; alter table $NAME.q2 replica identity full"
    check 0 -t "$NAME.*"
    cp "$DIR/err" "$DIR/check"
    stream 0 -t "$NAME.*"
    for gap in '"q1", a partition of .*"q", is a foreign table' '"u" is unlogged' '"m" is a materialized view'; do
        grep -qE "warning: .*$gap" "$DIR/check"
        says "warning: .*$gap"
    done
    sql "drop server s_$NAME cascade; drop foreign data wrapper w_$NAME"
}

# bats test_tags=only:postgresql-15
@test "a list of columns, a condition for rows" {
    sql "create table $NAME.c (id int primary key, v int); create table $NAME.f (id int primary key); create publication cdc_$NAME for table $NAME.c (id), $NAME.f where (id > 1)"
    check 0 -t "$NAME.*"
    says '"c": the others are never seen.*ADD TABLE'
    says 'condition for the rows of .*"f"'
    stream 0 -t "$NAME.*"
    says '"c": the others are never seen.*ADD TABLE'
    says 'condition for the rows of .*"f"'
}

# follow OPTION...: in the background, lines in $DIR/lines.
follow() { spawn_line "exec pg-cdc --name $NAME $* --heartbeat 1 --offset-file '$DIR/o' '$URL' >'$DIR/lines' 2>'$DIR/err'"; wait_until slot_active "$SLOT"; wait_for_lines "$DIR/lines" 1; }

ended() { local status=0; status_of "$SPAWNED" || status=$?; is "status" "$1" "$status"; }

@test "a table leaves the publication while the stream runs" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create publication cdc_$NAME for table $NAME.a, $NAME.b"
    follow "-t '$NAME.a' -t '$NAME.b'"
    sql "insert into $NAME.a values (1); insert into $NAME.b values (1); alter publication cdc_$NAME drop table $NAME.b"
    ended 78
    says "error: .*\"b\" is not in publication .*ALTER PUBLICATION \"cdc_$NAME\" ADD TABLE"
    is "rows" "a 1 b 1" "$(rows lines)"
}

# made_meanwhile OPTION...: a stream that waits for a transaction before it has a slot; b leaves the publication while it does.
made_meanwhile() {
    spawn psql -XqAt "$URL" -c "begin; insert into $NAME.a values (1); select pg_sleep(600)"
    wait_until writing
    spawn_line "exec pg-cdc --name $NAME $* --heartbeat 1 --offset-file '$DIR/o' '$URL' >'$DIR/lines' 2>'$DIR/err'"
    wait_until slot_waits
    sql "alter publication cdc_$NAME drop table $NAME.b; select pg_terminate_backend(pid) from pg_stat_activity where query like '%$NAME.%pg_sleep(600)%' and pid <> pg_backend_pid()" >/dev/null
}
writing() { [ "$(sql "select count(*) from pg_stat_activity where query like '%$NAME.%pg_sleep(600)%' and backend_xid is not null")" = 1 ]; }
slot_waits() { [ "$(sql "select count(*) from pg_stat_activity where backend_type = 'walsender' and datname = '$DATABASE' and wait_event_type = 'Lock'")" -ge 1 ]; }

@test "a table leaves the publication while the slot is made, which waits for a transaction: 78 where -t names it, else a warning" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create publication cdc_$NAME for table $NAME.a, $NAME.b"
    made_meanwhile "-t '$NAME.a' -t '$NAME.b'"
    ended 78
    says "error: .*\"b\" is not in publication .*ALTER PUBLICATION \"cdc_$NAME\" ADD TABLE"
    drop_slots "and slot_name = '$SLOT'"
    rm -f "$DIR"/o*
    sql "alter publication cdc_$NAME add table $NAME.b; delete from $NAME.a"
    made_meanwhile "-t '$NAME.*'"
    wait_for_match "$DIR/err" "warning: .*\"b\" is not in publication .*ALTER PUBLICATION \"cdc_$NAME\" ADD TABLE"
    kill -TERM "$SPAWNED"
    ended 0
    is "warnings" 1 "$(grep -c '"b" is not in publication' "$DIR/err")"
}

# bats test_tags=only:postgresql-15
@test "--columns: the list that is asked for is no gap; a column of it with another name, or another list, ends the stream" {
    local change
    for change in "alter table $NAME.a rename v to w" "alter table $NAME.a rename v to old; alter table $NAME.a rename secret to v" "alter publication cdc_$NAME set table $NAME.a (id, v, secret)"; do
        sql "create table $NAME.a (id int primary key, v text, secret text)"
        follow "-t '$NAME.a' --columns '$NAME.a:id,v'"
        sql "$change; insert into $NAME.a values (1, 'v', 'hush')"
        ended 78
        says 'error: --columns of table'
        not grep 'the others are never seen' "$DIR/err"
        drop_slots "and slot_name = '$SLOT'"
        sql "drop publication cdc_$NAME; drop table $NAME.a"
        rm -f "$DIR"/o*
    done
}

# A run of the line into a copy; $DIR/ended: how its source has ended, unless with 0.
piped() { { t "$@" --name "$NAME" --state-dir "$STATE" "$URL" 2>"$DIR/err" || echo $? >"$DIR/ended"; } | t cdc-sink-sqlite --state-dir "$STATE" "$DIR/copy.db" 2>>"$DIR/sink.err"; }

# lines STATUS OPTION...: the rest of the log, with a position kept.
lines() { stream "$1" --offset-file "$DIR/o" "${@:2}"; }
away_and_back() { sql "alter publication cdc_$NAME drop table $NAME.b"; sql "insert into $NAME.b values ($1)"; sql "alter publication cdc_$NAME add table $NAME.b"; }

@test "a table that was out of the publication while nobody read: the start refuses it; what is new, or was there all the time, goes on" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create table $NAME.d (id int primary key)"
    sql "create publication cdc_$NAME for table $NAME.a, $NAME.b"
    lines 0
    sql "insert into $NAME.b values (1)"
    lines 0
    away_and_back 2
    sql "alter publication cdc_$NAME add table $NAME.d; insert into $NAME.d values (3)"
    lines 78
    says "table \"$NAME\".\"b\" was taken out of publication \"cdc_$NAME\", and added again: .*not seen .*--allow-republished"
    lines 0 -T "$NAME.b"
    is "rows" "d 3" "$(rows)"
    lines 78
    check 78 --offset-file "$DIR/o"
    says 'table .*"b" was taken out'
    check 0 --offset-file "$DIR/o" --allow-republished
    sql "insert into $NAME.b values (4)"
    lines 0 --allow-republished
    says "warning: table .*\"b\" was taken out"
    is "rows" "b 4" "$(rows)"
    lines 0
    # Away in one run, back in another one.
    sql "alter publication cdc_$NAME drop table $NAME.b; insert into $NAME.a values (5)"
    lines 0
    sql "insert into $NAME.b values (6); alter publication cdc_$NAME add table $NAME.b; insert into $NAME.a values (7)"
    lines 78
}

@test "a publication that was made again, or was another one for a while, while nobody read: the start refuses" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create publication cdc_$NAME for table $NAME.a, $NAME.b"
    lines 0
    sql "insert into $NAME.a values (1)"
    lines 0
    sql "alter publication cdc_$NAME set (publish = 'insert')"
    sql "alter publication cdc_$NAME set (publish = 'insert, update, delete, truncate')"
    lines 78
    says "publication \"cdc_$NAME\" was altered to what it was before"
    lines 0 --allow-republished
    sql "begin; drop publication cdc_$NAME; create publication cdc_$NAME for table $NAME.a, $NAME.b; commit; insert into $NAME.a values (2)"
    lines 78
    says "publication \"cdc_$NAME\" was dropped, and made again"
    lines 0 --allow-republished
    is "rows" "a 2" "$(rows)"
}

@test "a publication that publishes more again, or has another owner: what it was meanwhile is not known, and the start refuses; less is said" {
    sql "create table $NAME.a (id int primary key); create publication cdc_$NAME for table $NAME.a with (publish = 'insert, update')"
    lines 0
    sql "insert into $NAME.a values (1)"
    lines 0
    sql "alter publication cdc_$NAME set (publish = 'insert')"
    lines 0
    says "warning: publication \"cdc_$NAME\" was altered: it may have been another one meanwhile"
    lines 0
    not grep -q "was altered" "$DIR/err"
    refused_once() {
        check 78 --offset-file "$DIR/o"
        says "publication \"cdc_$NAME\" was altered"
        lines 78
        says "publication \"cdc_$NAME\" was altered: .*not seen .*--allow-republished"
        check 0 --offset-file "$DIR/o" --allow-republished
        lines 0 --allow-republished
        lines 0
    }
    sql "alter publication cdc_$NAME set (publish = '')"
    sql "insert into $NAME.a values (2)"
    sql "alter publication cdc_$NAME set (publish = 'insert, update, delete, truncate')"
    refused_once
    sql "create role $ROLE superuser"
    sql "alter publication cdc_$NAME set (publish = 'insert')"
    sql "delete from $NAME.a"
    sql "alter publication cdc_$NAME set (publish = 'insert, update, delete, truncate'); alter publication cdc_$NAME owner to $ROLE"
    refused_once
    # of a stream that runs
    follow "-t '$NAME.*'"
    sql "alter publication cdc_$NAME owner to postgres"
    ended 78
    says "was altered"
}

@test "a part of the log from before the publication was made again, or while it had another name: --check reads it, and says what the start says" {
    local way
    sql "create table $NAME.t (id int primary key)"
    for way in "drop publication cdc_$NAME; insert into $NAME.t values (2); create publication cdc_$NAME for table $NAME.t" \
        "alter publication cdc_$NAME rename to q_$NAME; insert into $NAME.t values (3); alter publication q_$NAME rename to cdc_$NAME"; do
        sql "drop publication if exists cdc_$NAME; create publication cdc_$NAME for table $NAME.t"
        piped cdc-snapshot -t "$NAME.*"
        piped pg-cdc --until now --heartbeat 0 -t "$NAME.*"
        check 0 --state-dir "$STATE" -t "$NAME.*"
        while read -rd ';' statement; do sql "$statement"; done <<<"$way;"
        for _ in 1 2; do
            check 78 --state-dir "$STATE" -t "$NAME.*"
            says "was publication \"cdc_$NAME\" dropped, or made after the slot. Then run pg-cdc --drop and take a new snapshot"
            is "readers" 0 "$(sql "select count(*) from pg_replication_slots where slot_name = '$SLOT' and active")"
            piped pg-cdc --until now --heartbeat 0 -t "$NAME.*"
            is "status" 78 "$(cat "$DIR/ended")"
            says "was publication \"cdc_$NAME\" dropped, or made after the slot"
        done
        ends 0 pg-cdc --drop --name "$NAME" "$URL"
        rm -rf "$STATE"/* "$DIR"/copy.db* "$DIR/ended"
    done
    # All that was written in between is something that the server can decode.
    sql "drop publication if exists cdc_$NAME; create publication cdc_$NAME for table $NAME.t"
    piped cdc-snapshot -t "$NAME.*"
    sql "insert into $NAME.t values (4); begin; drop publication cdc_$NAME; create publication cdc_$NAME for table $NAME.t; commit; insert into $NAME.t values (5)"
    check 0 --state-dir "$STATE" -t "$NAME.*"
    piped pg-cdc --until now --heartbeat 0 -t "$NAME.*"
    is "status" 75 "$(cat "$DIR/ended")"
}

@test "a table that was out of the publication between the snapshot and the stream is to be read again: exit 75; in a running stream without a snapshot: 78" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create publication cdc_$NAME for table $NAME.a, $NAME.b"
    ends 0 cdc-snapshot --name "$NAME" --state-dir "$DIR/state" "$URL"
    away_and_back 1
    ends 75 pg-cdc --name "$NAME" --state-dir "$DIR/state" --ack stdout --until now "$URL"
    says "read again: table $NAME.b \(it was taken out"
    rm "$DIR/state"/*
    follow "-t '$NAME.*'"
    # Too fast for the looks at the catalogs to see it away.
    sql "alter publication cdc_$NAME drop table $NAME.b; insert into $NAME.b values (2); alter publication cdc_$NAME add table $NAME.b"
    ended 78
    says "\"b\" was taken out"
}

@test "a table that was out of the publication after sinks had stored the snapshot, before the stream ever ran, or after a run without changes" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create publication cdc_$NAME for table $NAME.a, $NAME.b"
    copied() { sqlite3 "$DIR/copy.db" "select id from b order by id" | xargs; }
    reads_b_again() {
        piped pg-cdc --until now --heartbeat 0
        is "status" 75 "$(cat "$DIR/ended")"
        says "read again: table $NAME.b \(it was taken out"
        rm "$DIR/ended"
        piped cdc-snapshot
        piped pg-cdc --until now --heartbeat 0
        not test -e "$DIR/ended"
    }
    piped cdc-snapshot
    away_and_back 1
    reads_b_again
    is "copy" "1" "$(copied)"
    away_and_back 2
    piped pg-cdc --until now --heartbeat 0 --allow-republished
    not test -e "$DIR/ended"
    is "copy, as was wanted" "1" "$(copied)"
    away_and_back 3
    reads_b_again
    is "copy" "1 2 3" "$(copied)"
}

@test "changes of partitions get the other name, while nobody read: the start refuses it; without partitions nothing is said" {
    sql "create table $NAME.p (id int primary key) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10); create table $NAME.a (id int primary key)"
    sql "create publication cdc_$NAME for table $NAME.p, $NAME.a with (publish_via_partition_root = true)"
    lines 0
    sql "insert into $NAME.p values (1)"
    lines 0
    is "rows" "p 1" "$(rows)"
    sql "alter publication cdc_$NAME set (publish_via_partition_root = false); insert into $NAME.p values (2)"
    check 78 --offset-file "$DIR/o"
    lines 78
    says "publish_via_partition_root.*changes of \"$NAME\".\"p\" come under the names of its partitions.*--allow-republished"
    is "lines" 0 "$(wc -l <"$DIR/out")"
    lines 0 --allow-republished
    is "rows" "p1 2" "$(rows)"
    lines 0
    sql "alter publication cdc_$NAME set (publish_via_partition_root = true); insert into $NAME.p values (3)"
    lines 78
    says "changes of \"$NAME\".\"p\" come under that name"
    lines 0 -t "$NAME.a"
}

@test "a table comes into the publication: that its rows of before are in no line is said, but not of one that was made with it" {
    sql "create table $NAME.a (id int primary key); create publication cdc_$NAME for table $NAME.a"
    follow "-t '$NAME.*'"
    sql "create table $NAME.b (id int primary key); insert into $NAME.b values (1)"
    wait_for_match "$DIR/err" 'warning: .*"b" is not in publication .*ADD TABLE .*; and, if it has rows by then, start the same line again where it began with cdc-snapshot and a --state-dir, else take a new snapshot'
    sql "create table $NAME.new (id int primary key); alter publication cdc_$NAME add table $NAME.new; insert into $NAME.new values (1)"
    sql "alter publication cdc_$NAME add table $NAME.b; insert into $NAME.b values (2)"
    wait_for_match "$DIR/err" "warning: table \"$NAME\".\"b\" was not in publication .*rows that it had are in no line"
    wait_for_match "$DIR/lines" '"table":"b"'
    # Renamed or given to another role at once, it is no new table.
    sql "create table $NAME.old (id int primary key); insert into $NAME.old values (1)"
    sql "begin; alter table $NAME.old rename to c; alter publication cdc_$NAME add table $NAME.c; insert into $NAME.c values (2); commit"
    wait_for_match "$DIR/err" "warning: table \"$NAME\".\"c\" was not in publication .*rows that it had are in no line"
    wait_for_match "$DIR/lines" '"table":"c"'
    is "rows" "new 1 b 2 c 2" "$(rows lines)"
    not grep -q "new.*was not in publication" "$DIR/err"
}

# bats test_tags=only:postgresql-15
@test "rows that come and go with a name are told: tables made in another one's place, dropped, moved; partitions attached, detached, dropped" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create table $NAME.e (id int primary key); create table $NAME.f (id int primary key); insert into $NAME.a values (1); insert into $NAME.b values (1)"
    sql "create table $NAME.p (id int primary key) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10); create table $NAME.p2 partition of $NAME.p for values from (10) to (20); create table $NAME.q (id int primary key)"
    follow "-t '$NAME.*'"
    sql "begin; drop table $NAME.a; create table $NAME.a (id int primary key); insert into $NAME.a values (2); commit"
    sql "alter table $NAME.b rename to b_old; create table $NAME.b (id int primary key); insert into $NAME.b values (2)"
    sql "drop table $NAME.e; alter table $NAME.f set schema public"
    wait_for_match "$DIR/err" "warning: table \"$NAME\".\"a\" was dropped, and another one made in its place: a copy keeps the rows"
    wait_for_match "$DIR/err" "warning: table \"$NAME\".\"b\" was renamed, and another one has its name: a copy keeps"
    wait_for_match "$DIR/err" "warning: table \"$NAME\".\"e\" was dropped: a copy keeps its rows"
    wait_for_match "$DIR/err" "warning: table \"$NAME\".\"f\" has another name now, .*not seen any more"
    sql "alter table $NAME.p detach partition $NAME.p1; drop table $NAME.p2; alter table $NAME.p attach partition $NAME.q for values from (20) to (30); create table $NAME.later partition of $NAME.p for values from (30) to (40)"
    wait_for_match "$DIR/err" "warning: \"$NAME\".\"p1\" is no partition of \"$NAME\".\"p\" any more: a copy keeps its rows"
    wait_for_match "$DIR/err" "warning: partition \"$NAME\".\"p2\" of \"$NAME\".\"p\" was dropped: a copy keeps its rows"
    wait_for_match "$DIR/err" "warning: \"$NAME\".\"q\" has become a partition of \"$NAME\".\"p\": rows that it had are in no line"
    sql "insert into $NAME.p values (31); drop table public.f"
    wait_for_match "$DIR/lines" '"id":31'
    is "rows" "a 2 b 2 p 31" "$(rows lines)"
    is "of what is new" 0 "$(grep -c later "$DIR/err")"
}

@test "a table that was written to is attached while the stream runs, without a snapshot: its changes arrive" {
    local i=100
    sql "create table $NAME.u (id int primary key); create table $NAME.p (id int primary key) partition by range (id); create table $NAME.q (id int primary key); create publication cdc_$NAME for table $NAME.p, $NAME.u with (publish_via_partition_root = true)"
    spawn pg-cdc --name "$NAME" --heartbeat 0 -t "$NAME.p" -t "$NAME.u" --offset-file "$DIR/o" "$URL" >"$DIR/live" 2>"$DIR/err"
    wait_until slot_active "cdc_$NAME"
    sql "insert into $NAME.q values (1); truncate $NAME.q; insert into $NAME.u values (1)"
    wait_for_match "$DIR/live" '"table":"u".*"id":1'
    sql "alter table $NAME.p attach partition $NAME.q for values from (0) to (10000)"
    arrives() { i=$((i + 1)); sql "insert into $NAME.p values ($i)"; grep -q '"op":"c".*"table":"p"' "$DIR/live"; }
    wait_until -t 30 arrives || { cat "$DIR/err"; return 1; }
}

# bats test_tags=only:postgresql-15
@test "a schema that was out of the publication while nobody read" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create publication cdc_$NAME for tables in schema $NAME"
    lines 0
    sql "insert into $NAME.a values (1)"
    lines 0
    sql "alter publication cdc_$NAME drop tables in schema $NAME"
    sql "insert into $NAME.a values (2)"
    sql "alter publication cdc_$NAME add tables in schema $NAME"
    lines 78
    says "schema \"$NAME\" was taken out"
}

# bats test_tags=only:postgresql-15
@test "a table was away from what publishes it, or its changes came under a name that is not selected, while nobody read: the start refuses it" {
    local publication away
    sql "create schema away_$NAME; create schema root_$NAME; create table $NAME.t (id int primary key); create table $NAME.u (id int primary key)"
    sql "create table $NAME.p (id int primary key) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (1000)"
    sql "create table root_$NAME.q (id int primary key) partition by range (id); create table $NAME.q1 partition of root_$NAME.q for values from (0) to (1000)"
    # refused WORDS PUBLICATION AWAY WRITE BACK
    refused() {
        ends 0 pg-cdc --drop --name "$NAME" "$URL"
        sql "drop publication if exists cdc_$NAME; truncate $NAME.t, $NAME.u, $NAME.p, root_$NAME.q; create publication cdc_$NAME $2"
        rm -f "$DIR/o"
        lines 0 -t "$NAME.*"
        sql "insert into $NAME.u values (1)"
        lines 0 -t "$NAME.*"
        is "rows" "u 1" "$(rows)"
        sql "$3"
        sql "$4"
        sql "$5; insert into $NAME.u values (3)"
        for _ in 1 2; do
            lines 78 -t "$NAME.*"
            says "$1: (they were|what changed meanwhile was) not seen .*--allow-republished"
        done
        lines 0 -t "$NAME.*" --allow-republished
        is "rows, $3" "u 3" "$(rows)"
        sql "insert into $NAME.u values (4)"
        lines 0 -t "$NAME.*"
        is "rows after it, $3" "u 4" "$(rows)"
    }
    refused "table .*\"t\" was in another schema .*is back" "for tables in schema $NAME" \
        "alter table $NAME.t set schema away_$NAME" "insert into away_$NAME.t values (2)" "alter table away_$NAME.t set schema $NAME"
    for away in true false; do
        refused "table .*\"p1\" was detached .*is back" "for table $NAME.p, $NAME.u, $NAME.t, $NAME.q1 with (publish_via_partition_root = $away)" \
            "alter table $NAME.p detach partition $NAME.p1" "insert into $NAME.p1 values (2)" "alter table $NAME.p attach partition $NAME.p1 for values from (0) to (1000)"
    done
    refused "table .*\"q1\" was detached .*another schema.*is back" "for tables in schema root_$NAME, table $NAME.t, $NAME.u, $NAME.p" \
        "alter table root_$NAME.q set schema away_$NAME" "insert into $NAME.q1 values (2)" "alter table away_$NAME.q set schema root_$NAME"
    refused "changes of partition .*\"q1\" came for a while under the name .*\"q\", which is not selected" "for table $NAME.q1, $NAME.u, $NAME.t, $NAME.p with (publish_via_partition_root = true)" \
        "alter publication cdc_$NAME add table root_$NAME.q" "insert into $NAME.q1 values (2)" "alter publication cdc_$NAME drop table root_$NAME.q"
    refused "changes of a selected table came for a while under the name \"x_$NAME\".\"t\", which is not selected" "for all tables" \
        "alter schema $NAME rename to x_$NAME" "insert into x_$NAME.t values (2)" "alter schema x_$NAME rename to $NAME"
    refused "changes of a selected table came for a while under the name \"away_$NAME\".\"t\", which is not selected" "for all tables" \
        "alter table $NAME.t set schema away_$NAME" "insert into away_$NAME.t values (2)" "alter table away_$NAME.t set schema $NAME"
    # In the midst of a transaction: the lines before it come once.
    sql "begin; insert into $NAME.u values (5); alter table $NAME.t rename to t_$NAME; insert into $NAME.t_$NAME values (6); alter table $NAME.t_$NAME rename to t; commit"
    lines 78 -t "$NAME.t" -t "$NAME.u"
    is "rows before it" "u 5" "$(rows)"
    sql "drop schema away_$NAME, root_$NAME cascade"
}

@test "a table that has another name, selected or not, another owner, or becomes a partition, while nobody read: the lines go on, and what is not selected is told once" {
    sql "create role $ROLE; create schema away_$NAME; create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create table $NAME.c (id int primary key); create table $NAME.p (id int primary key) partition by range (id); create publication cdc_$NAME for all tables"
    goes_on() {
        lines 0 -t "$NAME.*"
        is "rows" "$1" "$(rows)"
    }
    lines 0 -t "$NAME.*"
    sql "insert into $NAME.a values (1)"
    goes_on "a 1"
    sql "grant all on schema $NAME to $ROLE; alter table $NAME.a owner to $ROLE; alter table $NAME.b rename to d; insert into $NAME.d values (2); alter table $NAME.d rename to b; insert into $NAME.b values (3); alter table $NAME.c set schema away_$NAME; insert into away_$NAME.c values (4); insert into $NAME.a values (5)"
    goes_on "d 2 b 3 a 5"
    says "warning: changes of a selected table come under the name \"away_$NAME\".\"c\", which is not selected"
    sql "insert into away_$NAME.c values (6); alter table $NAME.p attach partition $NAME.b for values from (0) to (10); insert into $NAME.b values (7)"
    goes_on "b 7"
    not grep -q "comes* under the name" "$DIR/err"
    sql "alter table away_$NAME.c set schema $NAME; insert into $NAME.c values (8)"
    goes_on "c 8"
    sql "drop schema away_$NAME cascade"
}

@test "a table leaves the publication, or is made and not in it, and -t has a pattern: said, and the others go on" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create publication cdc_$NAME for table $NAME.a, $NAME.b"
    follow "-t '$NAME.*'"
    sql "drop table $NAME.b; create table $NAME.b (id int primary key)"
    wait_for_match "$DIR/err" 'warning: .*"b" is not in publication .*ADD TABLE'
    sql "create table $NAME.d (id int primary key)"
    wait_for_match "$DIR/err" 'warning: .*"d" is not in publication .*ADD TABLE'
    sql "alter publication cdc_$NAME set (publish = 'insert')"
    wait_for_match "$DIR/err" 'warning: .*does not publish update'
    is "said once" 1 "$(grep -c '"b" is not in' "$DIR/err")"
    sql "insert into $NAME.a values (1)"
    wait_for_match "$DIR/lines" '"table":"a".*"id":1'
    kill "$SPAWNED"
    ended 0
}

@test "a table that is renamed while it is read, into the selection or out of it: said, and the rows come under its name" {
    sql "create table $NAME.t (id int primary key); create table $NAME.swapped (id int primary key); create table $NAME.gone (id int primary key)"
    stream 0 -t "$NAME.*" -T '*.hidden'
    sql "insert into $NAME.t values (1)"
    sql "begin; alter table $NAME.t rename to old; alter table $NAME.swapped rename to t; insert into $NAME.t values (2); insert into $NAME.old values (3); commit"
    sql "insert into $NAME.gone values (4); alter table $NAME.gone rename to hidden; insert into $NAME.hidden values (5); alter table $NAME.hidden rename to back; insert into $NAME.back values (6); analyze $NAME.back; insert into $NAME.back values (7)"
    stream 0 -t "$NAME.*" -T '*.hidden'
    is "rows" "t 1 t 2 old 3 gone 4 back 6 back 7" "$(rows)"
    is "warnings" "$(printf '%s\n' "t old rows of before stay" "gone hidden it is not selected" "hidden back what changed under the")" \
        "$(sed -nE 's/.*warning: table "[^"]*"."([^"]*)" was renamed to "[^"]*"."([^"]*)": (([^ ]+ ){3}[^ ]+).*/\1 \2 \3/p' "$DIR/err")"
}

# bats test_tags=only:postgresql-15
@test "a table that is made in a schema which -t has as a whole: captured from its first row" {
    sql "create table $NAME.a (id int primary key)"
    follow "-t '$NAME.*'"
    sql "create table $NAME.b (id int primary key); insert into $NAME.b values (1)"
    wait_for_match "$DIR/lines" '"table":"b".*"after":\{"id":1\}'
    kill "$SPAWNED"
    ended 0
    not grep -q warning "$DIR/err"
}

@test "a position whose slot is gone: --check says what the start says" {
    sql "create table $NAME.t (id int primary key)"
    stream 0 -t "$NAME.t" --state-dir "$DIR/state" --ack stdout
    check 0 -t "$NAME.t" --state-dir "$DIR/state"
    sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
    check 79 -t "$NAME.t" --state-dir "$DIR/state"
    says 'is gone, and a position to go on from exists'
    stream 79 -t "$NAME.t" --state-dir "$DIR/state" --ack stdout
    CDC_STATE_DIR=$DIR/state check 79 -t "$NAME.t"
    sql "drop publication cdc_$NAME"
    snapshot 0 -t "$NAME.t"
    snapshot 0 -t "$NAME.t" --check
    not grep -q '"op"' "$DIR/out"
    sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
    snapshot 79 -t "$NAME.t" --check
    # It makes no file, and waits for no lock.
    mkdir "$DIR/empty"
    check 78 -t "$NAME.nothing" --state-dir "$DIR/empty"
    is "files" "" "$(ls "$DIR/empty")"
}

@test "a right that the first start needs: --check says what the start says" {
    sql "create table $NAME.t (id int primary key); create role $ROLE login replication; grant usage on schema $NAME to $ROLE"
    URL=$(pg_url "$DATABASE" "$ROLE")
    check 77 -t "$NAME.t"
    says 'may not create publication'
    stream 77 -t "$NAME.t"
    sql "grant create on database $DATABASE to $ROLE"
    check 77 -t "$NAME.t"
    says "does not own table \"$NAME\".\"t\""
    stream 77 -t "$NAME.t"
    sql "create publication cdc_$NAME for table $NAME.t"
    check 0 -t "$NAME.t"
    snapshot 77 -t "$NAME.t" --check
    says "may not read table \"$NAME\".\"t\""
    snapshot 77 -t "$NAME.t"
    sql "grant select on $NAME.t to $ROLE"
    snapshot 0 -t "$NAME.t" --check
    snapshot 0 -t "$NAME.t"
    stream 0 -t "$NAME.t"
}

@test "ALTER ROLE SET role: the right to replicate is that of who logs in, those on tables are the other one's" {
    sql "create role $ROLE login replication; create role acts_$NAME nologin; grant acts_$NAME to $ROLE; alter role $ROLE set role acts_$NAME
        ; grant create on database $DATABASE to acts_$NAME; grant usage on schema $NAME to acts_$NAME; create table $NAME.t (id int primary key); alter table $NAME.t owner to acts_$NAME"
    local url
    url=$(pg_url "$DATABASE" "$ROLE")
    ends 0 pg-cdc --check --name "$NAME" -t "$NAME.t" "$url"
    says "ok: role may replicate: $ROLE"
    ends 0 pg-cdc --name "$NAME" -t "$NAME.t" --until now "$url"
    drop_slots
    sql "alter role $ROLE noreplication; alter role acts_$NAME replication; drop publication cdc_$NAME; revoke create on database $DATABASE from acts_$NAME"
    ends 77 pg-cdc --name "$NAME" -t "$NAME.t" --until now "$url"
    ends 78 pg-cdc --check --name "$NAME" -t "$NAME.t" "$url"
    says "error: the role may not replicate: ALTER ROLE \"$ROLE\" REPLICATION"
    says "GRANT CREATE ON DATABASE \"$DATABASE\" TO \"acts_$NAME\""
    sql "drop owned by acts_$NAME cascade; drop role acts_$NAME"
}

# Functions of the server look at the catalogs of this moment, a query at those of its begin. So the query is made to wait in
# its middle: the server's list of the publication opens a table that somebody holds locked (older ones list without opening).
waits_for_lock() { [ "$(sql "select count(*) from pg_locks where not granted and relation = '$NAME.held'::regclass")" -gt 0 ]; }
# bats test_tags=only:postgresql-17
@test "a table that is dropped while the tables are listed is none, and no fault of the server" {
    local session tool status=0
    sql "create table $NAME.held (id int primary key); create table $NAME.p (id int primary key) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (9); create table $NAME.q (id int primary key); create publication cdc_$NAME for table $NAME.held"
    mkfifo "$DIR/session"
    sql_file <"$DIR/session" >"$DIR/session.out" 2>&1 3>&- &
    session=$!
    exec 4>"$DIR/session"
    echo "begin; lock table $NAME.held in access exclusive mode; select 'locked';" >&4
    wait_until grep -q locked "$DIR/session.out"
    spawn timeout -k 5 60 pg-cdc --name "$NAME" -t "$NAME.held" --retry-max 0 --until now "$URL" >"$DIR/lines" 2>"$DIR/err"
    tool=$SPAWNED
    wait_until -t 10 waits_for_lock
    sql "drop table $NAME.p, $NAME.q"
    echo "rollback;" '\q' >&4
    exec 4>&-
    wait "$session"
    status_of "$tool" || status=$?
    is "status of the stream, which said $(cat "$DIR/err")" 0 $status
}

# As often as the server was asked since line $LINE of its log: asked TEXT.
asked() { tail -n "+$LINE" "$CDC_PG_DIR/log" | grep -c -- "$1" || true; }
asked_often() { [ "$(asked 'hashtext(concat(relname')" -ge "$1" ]; }
has_looked() { [ "$(asked 'FROM pg_publication_tables')" -gt 0 ]; }
@test "temporary tables come and go: the catalogs are read anew for a lasting one only" {
    sql "create table $NAME.a (id int primary key); alter database $DATABASE set log_statement = 'all'"
    LINE=$(wc -l <"$CDC_PG_DIR/log")
    spawn pg-cdc --name "$NAME" "$URL" >"$DIR/out" 2>"$DIR/err"
    wait_until asked_often 3
    LINE=$(wc -l <"$CDC_PG_DIR/log")
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -Xq -d "$DATABASE" -c "create temp table x (id int)" -c "select pg_sleep(600)"
    wait_until eval '[ "$(asked "select pg_sleep")" -gt 0 ]'
    LINE=$(wc -l <"$CDC_PG_DIR/log")
    wait_until asked_often 3
    is "looks" 0 "$(asked 'FROM pg_publication_tables')"
    sql "create table $NAME.b (id int primary key)"
    wait_until has_looked
    sql "alter database $DATABASE reset log_statement"
}
