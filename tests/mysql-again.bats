#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables that people ask to be read again (cdc-snapshot --again), from MySQL and MariaDB, and tables that a further -t takes in.
# takes: 50 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale

setup() {
    stale_test_setup
    TABLES="-t '$NAME.*'"
    msql "create table t (id int primary key, v text); insert into t values (1, 'row 1'), (2, 'row 2'), (3, 'row 3');
          create table u (id int primary key, v text); insert into u values (1, 'row 1'), (2, 'row 2'), (3, 'row 3')"
}
teardown() {
    touch "$DIR/stop"
    stale_test_teardown
}
# The line with other tables, as $TABLES says.
sink_line() {
    local options="--name $NAME $TABLES --state-dir '$STATE'"
    echo "{ cdc-snapshot $options '$URL' && exec mysql-binlog --heartbeat 1 $options $* '$URL'; } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
}
again() {
    local status=$1
    shift
    run -"$status" --separate-stderr cdc-snapshot --again --name "$NAME" --state-dir "$STATE" "$@" "$URL"
    is "lines" "" "$output"
    output=$stderr
}
says() { grep -q "$1" <<<"$output" || { echo "$output"; fail "it does not say: $1"; }; }
request() { echo "$STATE/cdc-snapshot-$NAME.again"; }
spoil() { copy "update $1 set v = 'spoiled' where id = 1; insert into $1 (id, v) values (99, 'ghost'); delete from $1 where id = 2"; }
spoiled() { is "$1, not read again" "$2" "$(copy "select id || v from $1 order by id" | xargs)"; }
is_equal() { equal "$@" >"$DIR/equal" 2>&1; }
comes_equal() { wait_until -t 60 is_equal "$@" || { cat "$DIR/equal"; tail -20 "$DIR/err"; false; }; }
ends_with_75() { grep -cx 75 "$DIR/ends" || true; }

@test "while the line runs: this table is read again, at a quiet server and one with traffic, and no other" {
    supervise "$(sink_line)"
    comes_equal t u other
    spoil t
    spoil u
    again 0 -t "$NAME.t"
    says "table $NAME.t is to be read again"
    comes_equal t
    wait_until not test -e "$(request)"
    not test -e "$DIR/ends" # mysql-binlog has read it itself
    msql "insert into t values (4, 'after'); insert into u values (4, 'after')"
    comes_equal t
    spoiled u "1spoiled 3row 3 4after 99ghost"
    spoil t
    msql "update t set v = 'changed' where id = 3"
    again 0 -t "$NAME.t"
    again 0 -t "$NAME.t"
    msql "insert into t values (5, 'five')"
    comes_equal t
    spoil t
    again 0 -t "$NAME.t" # nothing else happened since
    comes_equal t
    loop_end
}

@test "while it does not run: the next start marks it; what is refused is refused at once" {
    again 78 -t "$NAME.t"
    says "there is no snapshot of \"$NAME\" in"
    run_line 0
    equal t u
    spoil t
    spoil u
    again 78 -t "$NAME.nowhere"
    says "no table that the user may see matches '$NAME.nowhere'"
    again 78 -t "mysql.*"
    says "cannot be read again: the pipeline's -t and -T leave it out"
    run -64 --separate-stderr cdc-snapshot --again --name "$NAME" --state-dir "$STATE" "$URL"
    not test -e "$(request)"
    again 0 -t "$NAME.t"
    again 0 -t "$NAME.t"
    is "mode of the file" 600 "$(stat -c %a "$(request)")"
    msql "insert into t values (7, 'seven')"
    run_line 75
    has_mark
    not test -e "$(request)"
    run_line 0
    equal t
    spoiled u "1spoiled 3row 3 99ghost"
    again 0 -t "$NAME.*" -T "$NAME.other"
    run_line 75 0
    equal t u
    # Asked for once more at the very place.
    spoil t
    again 0 -t "$NAME.t"
    run_line 75 0
    equal t u
    run_line 0
}

@test "a snapshot that has been started, and waits for a lock: 75, ask again; not 78" {
    local writer snapshot
    mkfifo "$DIR/sql"
    spawn bash -c "exec mariadb --no-defaults --socket='$(mysql_dir)/socket' -uroot '$NAME' <'$DIR/sql'"
    writer=$SPAWNED
    exec 7>"$DIR/sql"
    echo "lock tables t write; select 1;" >&7
    spawn_line "$(sink_line --until now)"
    snapshot=$SPAWNED
    waits() { [ "$(msql -N "select count(*) from information_schema.processlist where user = 'cdc' and state like 'Waiting for table metadata lock'")" -gt 0 ]; }
    wait_until waits
    again 75 -t "$NAME.t"
    says "has been started, and has no position yet"
    not test -e "$(request)"
    # Whoever kills it starts it again.
    kill -KILL -- "-$snapshot"
    wait_until gone "$snapshot"
    again 75 -t "$NAME.t"
    echo "unlock tables;" >&7
    exec 7>&-
    status_of "$writer"
    run_line 0
    again 0 -t "$NAME.t"
    spoil t
    run_line 75 0
    equal t u
}

@test "a further -t: the tables that come are read, and they alone; one that was left out for a while, too" {
    TABLES="-t '$NAME.t' -t '$NAME.other'"
    run_line 0
    equal t other
    spoil t
    msql "insert into u values (4, 'unseen'); insert into t values (4, 'seen')"
    TABLES="-t '$NAME.t' -t '$NAME.u' -t '$NAME.other'"
    run_line 75
    grep -q "table $NAME.u is to be read again: it was not selected before" "$DIR/err"
    run_line 0
    equal u other
    spoiled t "1spoiled 3row 3 4seen 99ghost"
    msql "insert into u values (5, 'five')"
    run_line 0
    equal u
    TABLES="-t '$NAME.*' -T '$NAME.u'"
    run_line 0
    is "told, once" 1 "$(grep -c "warning: table $NAME.u is not selected any more" "$DIR/err")"
    run_line 0
    not grep -q "selected any more" "$DIR/err"
    msql "insert into u values (6, 'unseen'); delete from u where id = 5"
    TABLES="-t '$NAME.*'"
    run_line 75 0
    equal u other
    # Made since: its rows are in the log from the first one on.
    msql "create table made (id int primary key, v text); insert into made values (1, 'made')"
    run_line 0
    equal made
    # Before the stream has ever run.
    rm -rf "$STATE" "$COPY"*
    mkdir "$STATE"
    TABLES="-t '$NAME.t'"
    bash -o pipefail -c "cdc-snapshot -q --name $NAME $TABLES --state-dir '$STATE' '$URL' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY'"
    TABLES="-t '$NAME.*'"
    run_line 75 0
    equal t u other made
}

@test "into a file, where what is written is stored: asked once, read once" {
    local status rows
    file_line() {
        status=0
        bash -c "cdc-snapshot --ack=stdout --name $NAME $TABLES --state-dir '$STATE' '$URL' >>'$DIR/lines' && exec mysql-binlog --ack=stdout --until now --name $NAME $TABLES --state-dir '$STATE' '$URL' >>'$DIR/lines'" 2>"$DIR/err" || status=$?
    }
    file_line
    is "first run" 0 $status || cat "$DIR/err"
    again 0 -t "$NAME.t"
    file_line
    is "with the request" 75 $status
    file_line
    is "after it" 0 $status || cat "$DIR/err"
    not test -e "$(request)"
    file_line
    is "once more" 0 $status
    rows=$(grep -c '"op":"r".*"table":"t"' "$DIR/lines")
    is "rows of t" 6 "$rows"
    is "rows of u" 3 "$(grep -c '"op":"r".*"table":"u"' "$DIR/lines")"
}
