#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables of MySQL and MariaDB that people ask to be read again (cdc-snapshot --again), and that mysql-binlog reads itself, in pieces,
# while the log of all tables goes on. tests/rereads has the random ones.
# takes: 45 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale

teardown() {
    touch "$DIR/stop" "$DIR/quiet"
    stale_test_teardown
}
again() { cdc-snapshot --again -q --name "$NAME" --state-dir "$STATE" "$@" "$URL" || fail "the request was refused"; }
request() { echo "$STATE/cdc-snapshot-$NAME.again"; }
is_taken() { not test -e "$(request)"; }
is_equal() { equal "$@" >"$DIR/equal" 2>&1; }
comes_equal() { wait_until -t 90 is_equal "$@" || { cat "$DIR/equal"; tail -20 "$DIR/err"; false; }; }
ends_with() { touch "$DIR/ends"; grep -cx "$1" "$DIR/ends" || true; }
says() { wait_for_match "$DIR/err" "$1" || { tail -20 "$DIR/err"; fail "it does not say: $1"; }; }
rounds() { jq -c ".offsets[\"$NAME\"].state.again" "$STATE/mysql-binlog-$NAME.offset" 2>/dev/null; }
is_begun() { [ "$(rounds | jq '[.[]? | select(.written == null)] | length')" = 1 ]; }
none_is_begun() { ! is_begun; }
is_other() { [ "$(rounds)" != "$1" ]; }
streams() { [ -n "$(rounds)" ]; }
# again_and_begun OPTION...: asked for, and begun (of a small table the end may have come by then, too).
again_and_begun() {
    local before
    wait_until -t 90 streams # a start that finds the request leaves it to cdc-snapshot
    before=$(rounds)
    again "$@"
    wait_until -t 90 is_other "$before" || { tail -20 "$DIR/err"; false; }
}
big_table() { msql "create table t (id int primary key, v varchar(200)); insert into t select n, concat('row ', n) from $(numbers 1 30000)"; }
spoil() { copy "update t set v = 'spoiled' where id % 2 = 0; insert into t (id, v) values (99999, 'ghost'); delete from t where id % 7 = 0"; }
# write_all_the_time SQL: with NN a number that grows, until $DIR/quiet is there.
write_all_the_time() {
    rm -f "$DIR/quiet"
    spawn bash -c "n=0; while [ ! -f '$DIR/quiet' ]; do n=\$((n + 1)); echo \"\${0//NN/\$n}\"; [ \$((n % 50)) != 0 ] || echo 'do sleep(0.01);'; done | mariadb --no-defaults --force --socket='$(mysql_dir)/socket' --user=root '$NAME' >/dev/null 2>&1" "$1"
    WRITERS=("$SPAWNED")
}

@test "in the middle of traffic, and killed in the middle of the read: the copy is never empty, and ends as the source" {
    big_table
    supervise "$(sink_line)"
    comes_equal t other
    spoil
    write_all_the_time "update t set v = 'NN' where id = NN % 30000; insert ignore into t values (NN + 40000, 'new'); delete from t where id = NN + 39900; insert into other (v) values (NN); update ignore t set id = id - 40000 where id = NN + 39990;"
    again_and_begun -t "$NAME.t"
    kill -KILL "$(member "$SUPERVISOR" mysql-binlog)"
    [ "$(copy 'select count(*) from t')" -gt 20000 ] || fail "the copy was emptied"
    wait_until -t 90 none_is_begun
    # A request that a start finds is cdc-snapshot's: so not before the stream is there again, whenever the read ended.
    killed_at=$(msql -N "select max(v) from other")
    goes_on() { [ "$(copy 'select max(v) from other')" -ge "$killed_at" ]; }
    wait_until -t 90 goes_on
    msql "delete from t where id between 100 and 200"
    again -t "$NAME.t"
    wait_until -t 90 is_taken
    writers_end
    comes_equal t other
    not grep -q "error: to be read again" "$DIR/err" # else cdc-snapshot has read it
    says "table $NAME.t is read again: .* while the log went on"
    none_is_begun
    loop_end
}

@test "truncated and altered while it is read, rows that move to where it was read: the copy ends as the source" {
    big_table
    supervise "$(sink_line)"
    comes_equal t
    spoil
    write_all_the_time "insert ignore into t (id, v) values (NN + 50000, 'new'); update ignore t set id = id - 60000 where id = NN + 49990;"
    again_and_begun -t "$NAME.t"
    msql "truncate t; insert into t select n, concat('made ', n) from $(numbers 1 20000)"
    wait_until -t 90 none_is_begun
    again_and_begun -t "$NAME.t"
    msql "alter table t add w int default 7"
    writers_end
    comes_equal t other
    loop_end
}

@test "keys of dates, times, unsigned numbers and binary strings, each row of which is changed while it is read" {
    msql "create table t (day date, at timestamp(2), id bigint unsigned, u binary(4), n int, primary key (day, at, id, u));
          insert into t select date_add('0999-12-30', interval n % 5 day), date_add('2020-01-01 00:00:00.25', interval n % 3 second), 18446744073709551615 - n, unhex(lpad(hex(n * 256), 8, '0')), 0 from $(numbers 1 6000);
          create table b (k varbinary(3) primary key, n int); insert into b values ('', 0), ('a', 0), ('a\0', 0), ('ab', 0), (x'ff', 0)"
    supervise "$(sink_line)"
    comes_equal other
    is_whole() { is "$1" "$(msql -N "select count(*), sum(n) from $1" | tr '\t' '|')" "$(copy "select count(*), sum(n) from $1")" >/dev/null 2>&1; }
    wait_until -t 90 is_whole t
    copy "update t set n = n + 3 where n % 2 = 0; delete from b where n = 0"
    write_all_the_time "update t set n = n + 1 where id = 18446744073709551615 - NN % 6000; update ignore t set day = date_add(day, interval if(NN % 2, 3, -3) day) where id = 18446744073709551615 - NN % 5999; update b set n = n + 1;"
    again -t "$NAME.t" -t "$NAME.b"
    wait_until -t 90 is_taken
    writers_end
    wait_until -t 90 none_is_begun
    wait_until -t 90 is_whole t
    wait_until -t 90 is_whole b
    is "rows" "$(msql -N "select hex(u), n from t order by 1, 2" | tr '\t' '|' | md5sum)" "$(copy "select hex(u), n from t order by 1, 2" | md5sum)"
    not grep -q "error: to be read again" "$DIR/err" # else cdc-snapshot has read it
    loop_end
}

@test "texts of other charsets than the session's: what is read again is what a snapshot has" {
    local read
    msql "create table t (id int primary key, l varchar(20) character set latin1, w text character set utf16, g varchar(20) character set cp1251, e enum('ä', 'ß') character set latin1, b varbinary(9), j json);
          insert into t select n, 'Grüße', 'Grüße 😀', 'Жук', if(n % 2, 'ä', 'ß'), x'E4FF', '[\"ü\"]' from $(numbers 1 50)"
    rows() { copy "select id, l, w, g, e, hex(b), j from t order by id"; }
    supervise "$(sink_line)"
    all_there() { [ "$(copy 'select count(*) from t')" = 50 ]; }
    wait_until -t 90 all_there
    read=$(rows)
    wait_until -t 90 test -s "$STATE/mysql-binlog-$NAME.offset"
    is "read once" "1|Grüße|Grüße 😀|Жук|ä|E4FF|[\"ü\"]" "$(head -1 <<<"$read")"
    copy "update t set l = 'spoiled', w = null"
    again_and_begun -t "$NAME.t"
    wait_until -t 90 none_is_begun
    is_as_before() { [ "$(rows)" = "$read" ]; }
    wait_until -t 30 is_as_before || { diff <(rows) <(echo "$read") | head; false; }
    says "table $NAME.t is read again: 50 rows"
    loop_end
}

@test "rows that become large at the end of a table: all of them arrive" {
    msql "create table t (id int primary key, v longtext); insert into t select n, 'small' from $(numbers 1 3000); insert into t select 10000 + n, repeat('x', 500000) from $(numbers 1 40)"
    supervise "$(sink_line)"
    is_whole() { is "$1" "$(msql -N "select count(*), sum(length(v)) from $1" | tr '\t' '|')" "$(copy "select count(*), sum(length(v)) from $1")" >/dev/null 2>&1; }
    wait_until -t 90 is_whole t
    copy "delete from t where id % 2 = 0"
    again_and_begun -t "$NAME.t"
    wait_until -t 90 none_is_begun
    says "table $NAME.t is read again: 3040 rows"
    wait_until -t 90 is_whole t
    loop_end
}

@test "a key of a part of a column, and no key: the stream ends with 75 and says why, and the same line started again reads the table" {
    msql "create table t (id varchar(20), v text, primary key (id(9))); insert into t values ('a', 'row a'), ('b', 'row b'); create table k (v text); insert into k values ('one')"
    supervise "$(sink_line)"
    comes_equal t other
    copy "update t set v = 'spoiled'; update k set v = 'spoiled'"
    again -t "$NAME.t" -t "$NAME.k"
    comes_equal t k
    wait_until is_taken
    says "table $NAME.[tk] is not read while the log goes on: it has no primary key that it can be read by"
    not grep -q "while the log went on" "$DIR/err"
    loop_end
}

@test "read by cdc-snapshot after it was read by the stream, at a quiet server, and the other way round" {
    msql "create table t (id int primary key, v text); insert into t values (1, 'one'), (2, 'two'); create table s (id varchar(9), v text, primary key (id(5))); insert into s values ('a', 'row a')"
    supervise "$(sink_line)"
    comes_equal t s other
    local i
    for i in 1 2; do
        copy "update t set v = 'spoiled'; update s set v = 'spoiled'"
        again -t "$NAME.t"
        comes_equal t
        wait_until is_taken
        again -t "$NAME.s"
        comes_equal s
        wait_until is_taken
    done
    loop_end
    run_line 0
    equal t s other
}

@test "a part of the rows, and a run with an end: what was begun is left to cdc-snapshot" {
    big_table
    SNAPSHOT_OPTIONS="--where 't:id > 10'"
    supervise "$(sink_line)"
    wait_until -t 90 test -s "$STATE/mysql-binlog-$NAME.offset"
    is_part() { is "rows" "29990" "$(copy 'select count(*) from t')" >/dev/null 2>&1; }
    wait_until -t 90 is_part
    copy "delete from t where id % 2 = 0"
    again -t "$NAME.t"
    wait_until -t 90 is_part
    [ "$(ends_with 75)" -ge 1 ] || fail "the stream has read it"
    loop_end
}

is_written() { [ -n "$(rounds | jq -r '.[0].written // ""')" ]; }
is_locked() { [ -e "$DIR/locked" ]; }
kill_line() {
    kill -KILL -- "-$SUPERVISOR"
    wait_until gone "$SUPERVISOR"
}
@test "killed when all of a read is written and not stored, and again before the next one begins: it is not taken for stored" {
    msql "create table t (id int primary key, v text); insert into t values (1, 'one'), (2, 'two')"
    supervise "$(sink_line)"
    comes_equal t other
    kill -STOP "$(member "$SUPERVISOR" cdc-sink-sqlite)"
    msql "update t set v = 'before' where id = 1"
    again -t "$NAME.t"
    wait_until -t 90 is_written
    kill_line
    # No read begins while it is locked.
    mkfifo "$DIR/session"
    spawn bash -c "exec mariadb --no-defaults --unbuffered --socket='$(mysql_dir)/socket' --user=root '$NAME' <'$DIR/session' >/dev/null"
    exec 8>"$DIR/session"
    echo "lock tables t write; update t set v = 'changed' where id = 2;
system touch '$DIR/locked'" >&8
    wait_until is_locked
    msql "insert into other (v) values (77)"
    supervise "$(sink_line)"
    comes_equal other
    kill_line
    exec 8>&-
    supervise "$(sink_line)"
    comes_equal t other
    loop_end
}

@test "an XA transaction is prepared: what snapshots may lack of it once it is committed is not lost" {
    msql "create table t (id int primary key, v text); insert into t values (1, 'one'), (2, 'two'), (9, 'nine')"
    supervise "$(sink_line)"
    comes_equal t other
    copy "update t set v = 'spoiled'"
    # Where the log may have its commit before the engine has it, a piece waits for its rows; GTIDs of MySQL need no lock.
    msql "xa start '$NAME'; update t set v = 'xa' where id = 2; insert into t values (5, 'xa'); xa end '$NAME'; xa prepare '$NAME'"
    again -t "$NAME.t"
    if mysql_is_mariadb; then
        waits() { says "a table that is to be read again waits: .*Lock wait timeout"; }
        wait_until -t 90 waits
    else
        wait_until -t 90 is_taken
    fi
    msql "xa commit '$NAME'"
    comes_equal t other
    wait_until -t 90 is_taken
    not grep -q "error: to be read again" "$DIR/err" # else cdc-snapshot has read it
    says "table $NAME.t is read again: .* while the log went on"
    loop_end
}
