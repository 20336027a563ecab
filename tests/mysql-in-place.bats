#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables of MySQL and MariaDB that are stale, come by another name, or by a further -t: mysql-binlog reads them itself, while the log
# of all tables goes on. tests/migrations has the random ones.
# takes: 130 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale

setup() {
    stale_test_setup
    TABLES="-t '$NAME.*'"
}
teardown() {
    touch "$DIR/stop" "$DIR/quiet"
    [ ! -e "$DIR/few_sessions" ] || sessions 0
    stale_test_teardown
}
# The line with other tables, as $TABLES says.
sink_line() {
    local options="--name $NAME $TABLES --state-dir '$STATE'"
    echo "{ cdc-snapshot $options '$URL' && exec mysql-binlog --heartbeat 1 $options $* '$URL'; } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
}
is_equal() { equal "$@" >"$DIR/equal" 2>&1; }
comes_equal() { wait_until -t 90 is_equal "$@" || { cat "$DIR/equal"; tail -20 "$DIR/err"; false; }; }
says() { wait_for_match "$DIR/err" "$1" || { tail -20 "$DIR/err"; fail "it does not say: $1"; }; }
never_ended() { not test -e "$DIR/ends" || { cat "$DIR/ends"; tail -20 "$DIR/err"; fail "the line has ended"; }; }
rounds() { jq -c ".offsets[\"$NAME\"].state.again" "$STATE/mysql-binlog-$NAME.offset" 2>/dev/null; }
is_begun() { [ "$(rounds | jq '[.[]? | select(.written == null)] | length')" = 1 ]; }
none_is_begun() { [ "$(rounds | jq '[.[]? | select(.written == null)] | length')" = 0 ]; }
is_withheld() { rounds | jq -e --arg table "$1" 'any(.[]?; .written == null and any(.tables[]; .table == $table))' >/dev/null; }
# Between two runs of the line there is none for a moment.
kill_member() {
    wait_until -t 30 has_member "$SUPERVISOR" "$1"
    kill -KILL "$(member "$SUPERVISOR" "$1")"
}
# The read of a small table may have ended by the time that anybody looks.
is_other() { [ "$(rounds)" != "$1" ]; }
# in_place SQL TABLE...: rows of another table around the statements, no end of the line, and all is equal.
in_place() {
    local sql=$1
    shift
    msql "insert into other (v) values (1); $sql; insert into other (v) values (2)" || return 1
    comes_equal other "$@" && wait_until -t 90 none_is_begun && never_ended || { echo "after: $sql" >&2; return 1; }
}
write_all_the_time() {
    rm -f "$DIR/quiet"
    spawn bash -c "n=0; while [ ! -f '$DIR/quiet' ]; do n=\$((n + 1)); echo \"\${0//NN/\$n}\"; [ \$((n % 50)) != 0 ] || echo 'do sleep(0.01);'; done | mariadb --no-defaults --force --socket='$(mysql_dir)/socket' --user=root '$NAME' >/dev/null 2>&1" "$1"
    WRITERS=("$SPAWNED")
}

statements() {
    METADATA=$1
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $1"
    msql "create table t (id int primary key, a int, b varchar(20), k int not null); insert into t values (1, 1, 'one', 1), (2, 2, 'two', 2);
          create table u (id int primary key, c int); insert into u values (1, 10), (3, 30);
          create table p (id int primary key, a int) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20));
          insert into p values (1, 1), (11, 11)"
    supervise "$(sink_line)"
    comes_equal t u p
    in_place "alter table t add c2 int default 7" t
    in_place "insert into t (id, k) values (3, 3); alter table t add c3 varchar(9) not null default 'd'; update t set c3 = 'x' where id = 2; insert into t (id, k, c3) values (4, 4, 'y'); delete from t where id = 1" t
    in_place "alter table t modify a bigint; alter table t change b e varchar(30); alter table t drop c2; alter table t add c2 date default '2026-01-02'; update t set a = 5 where id = 3" t
    in_place "alter table t add g int as (id * 2) stored" t
    in_place "alter table t modify g int; insert into t (id, k, g) values (12, 12, 1)" t
    in_place "alter table t rename column e to f, modify k bigint not null first" t
    in_place "alter table t drop primary key, add primary key (id, k); insert into t (id, k) values (2, 100)" t
    in_place "insert into t (id, k) values (9, 9); rename table t to x, u to t, x to u; insert into t values (4, 4); insert into u (id, k) values (5, 5)" t u
    in_place "create table new (id int primary key, z int); insert into new values (1, 1), (7, 7); rename table t to old, new to t; update t set z = 8" t old u
    in_place "rename table old to old2; insert into old2 values (9, 9)" old2
    is "rows under the old name" 0 "$(copy 'select count(*) from old')"
    in_place "alter table p truncate partition p0; insert into p values (3, 3)" p
    in_place "create table ex (id int primary key, a int); insert into ex values (12, 12); alter table p exchange partition p1 with table ex; insert into p values (2, 2)" p ex
    # One that is gone when it would be read.
    in_place "alter table old2 add v int default 1; drop table old2"
    wait_until is_empty old2
    in_place "create table old2 (id int primary key, w int); insert into old2 values (1, 2)" old2
    says "table $NAME.t is read again: .* while the log went on"
    loop_end
}
is_empty() { [ "$(copy "select count(*) from $1")" = 0 ]; }
@test "tables that are altered, swapped, renamed, exchanged: read again, and the line never ends" { statements FULL; }
@test "the same where the log does not name columns" { statements "$(least)"; }

@test "a further -t: the tables that come are read while the log goes on, and they alone" {
    msql "create table t (id int primary key, v text); insert into t values (1, 'row 1'), (2, 'row 2');
          create table u (id int primary key, v text); insert into u values (1, 'row 1'), (2, 'row 2');
          create table w (id int primary key, v text); insert into w values (1, 'row 1')"
    TABLES="-t '$NAME.t' -t '$NAME.other'"
    run_line 0
    equal t other
    copy "update t set v = 'spoiled' where id = 1"
    msql "insert into u values (3, 'unseen'); insert into t values (3, 'seen')"
    TABLES="-t '$NAME.*'"
    supervise "$(sink_line)"
    comes_equal u w other
    msql "insert into u values (4, 'four'); update w set v = 'changed'; insert into other (v) values (1)"
    comes_equal u w other
    wait_until none_is_begun
    never_ended
    says "table $NAME.u is to be read again: it was not selected before"
    is "not read again" "spoiled" "$(copy 'select v from t where id = 1')"
    loop_end
    run_line 0
    equal u w other
}

@test "a further -t, and a kill before all of it is stored: the next start reads it" {
    msql "create table t (id int primary key, v varchar(200)); insert into t select n, repeat('x', 150) from $(numbers 1 100000)"
    TABLES="-t '$NAME.other'"
    run_line 0
    TABLES="-t '$NAME.*'"
    supervise "$(sink_line)"
    # More rows than the pipe holds: with the sink stopped, they are not all written.
    wait_until -t 60 has_member "$SUPERVISOR" mysql-binlog
    local sink
    sink=$(member "$SUPERVISOR" cdc-sink-sqlite)
    kill -STOP "$sink"
    wait_until -t 60 is_begun
    kill_member mysql-binlog
    kill -CONT "$sink"
    comes_equal t other
    wait_until -t 90 none_is_begun
    not grep -q "error: to be read again" "$DIR/err" # the sink says 75 to the end inside a transaction, the stream does not end for the table
    loop_end
}

sessions() { MYSQL_DATABASE='' msql "alter user cdc@'%' with max_user_connections $1"; }
# The one that the user may have beside those that it has had before.
takes_last_session() {
    spawn mariadb --no-defaults --socket="$(mysql_dir)/socket" --user=cdc --password="$MYSQL_PASSWORD" -e 'select sleep(600)'
    wait_until session_is_taken
}
session_is_taken() { msql -N "select count(*) from information_schema.processlist where info = 'select sleep(600)'" | grep -qx 1; }
@test "a read cannot begin, and another table becomes stale meanwhile: nothing of the first one comes until it is read" {
    sink_line() {
        local options="--name $NAME $TABLES --state-dir '$STATE'"
        echo "{ cdc-snapshot $options '$URL' && exec mysql-binlog --heartbeat 1 $options $* '$URL'; } 2>>'$DIR/err' | tee -a '$DIR/lines' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    }
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2); create table u (id int primary key, a int); insert into u values (1, 1)"
    supervise "$(sink_line)"
    comes_equal t u
    msql "insert into other (v) values (1)"
    comes_equal other
    touch "$DIR/few_sessions"
    sessions 1
    takes_last_session
    msql "alter table t add c int not null default 7; update t set a = 5 where id = 1"
    says "a table that is to be read again waits"
    msql "insert into t values (3, 3, 3); alter table u add d int not null default 8; update u set a = 6"
    says "table $NAME.u is to be read again"
    msql "update t set a = 7 where id = 2; update u set a = 9; insert into other (v) values (2)"
    wait_for_match "$DIR/lines" '"table":"other".*"after":{"id":2'
    is "lines of the two" "" "$(jq -c 'select((.source.table == "t" and (.after | has("c")?)) or (.source.table == "u" and (.after | has("d")?)))' "$DIR/lines")"
    sessions 0
    comes_equal t u other
    never_ended
    loop_end
}

@test "altered again and again, in traffic, while it is read, the programs killed: the copy ends as the source" {
    local i before
    msql "create table t (id int primary key, v varchar(200)); insert into t select n, concat('row ', n) from $(numbers 1 20000);
          create table u (id int primary key, v int); insert into u select n, n from $(numbers 1 500)"
    supervise "$(sink_line)"
    comes_equal t u other
    write_all_the_time "update t set v = 'NN' where id = NN % 20000; insert ignore into t (id, v) values (NN + 40000, 'new'); delete from t where id = NN + 39900; update u set v = NN where id = NN % 500; insert into other (v) values (NN);"
    for i in 1 2 3 4; do
        before=$(rounds) || before= # nothing is saved yet
        msql "alter table t add column c$i int not null default $i; update t set c$i = 100 where id % 10 = $i; alter table t add column d$i varchar(9) default 'd$i'"
        msql "alter table u add column c$i int not null default $i"
        wait_until -t 60 is_other "$before"
        case $i in 2) kill_member mysql-binlog ;; 3) kill_member cdc-sink-sqlite ;; esac
        wait_until -t 90 none_is_begun
    done
    writers_end
    comes_equal t u other
    not grep -q "error: to be read again" "$DIR/err" # of the status: a sink says 75, too, where the source was killed
    loop_end
}

@test "one becomes stale while another one is read: it is read, too, also where the stream is killed between the two" {
    msql "create table t (id int primary key, v varchar(200)); insert into t select n, repeat('x', 150) from $(numbers 1 60000);
          create table u (id int primary key, v int); insert into u values (1, 1), (2, 2)"
    supervise "$(sink_line)"
    comes_equal t u
    msql "alter table t add c int not null default 1"
    wait_until -t 60 is_withheld t
    # Its read cannot begin as long as it is locked.
    mkfifo "$DIR/locker"
    spawn_line "mariadb --no-defaults --socket='$(mysql_dir)/socket' --user=root '$NAME' <'$DIR/locker'"
    exec 7>"$DIR/locker"
    echo "lock tables u write; alter table u add c int not null default 7; insert into u values (3, 3, 3);" >&7
    wait_until -t 60 is_withheld u
    t_is_read() { not is_withheld t; }
    wait_until -t 60 t_is_read
    is_withheld u || { rounds; false; }
    kill_member mysql-binlog
    echo "unlock tables;" >&7
    exec 7>&-
    comes_equal t u
    wait_until -t 90 none_is_begun
    loop_end
}

@test "a database that is dropped while a table of it is read or waits for that: none of its rows stays, and what is made anew arrives" {
    local far=${NAME}x
    TABLES="-t '$NAME.*' -t '$far.*'"
    MYSQL_DATABASE='' msql "create database $far"
    msql "create table $far.t (id int primary key, v varchar(200)); insert into $far.t select n, repeat('x', 150) from $(numbers 1 60000); create table $far.w (id int primary key, v int); insert into $far.w values (1, 1)"
    far_rows() { [ "$(copy "select count(*) from $1" 2>/dev/null)" = "$2" ]; }
    supervise "$(sink_line)"
    wait_until -t 60 far_rows t 60000
    wait_until -t 60 far_rows w 1
    wait_until -t 60 test -s "$STATE/mysql-binlog-$NAME.offset"
    msql "alter table $far.t add c int not null default 1; alter table $far.w add c int not null default 1"
    wait_until -t 60 is_withheld t
    MYSQL_DATABASE='' msql "drop database $far"
    wait_until -t 60 far_rows t 0
    wait_until -t 60 far_rows w 0
    wait_until -t 60 none_is_begun
    MYSQL_DATABASE='' msql "create database $far; create table $far.t (id int primary key, z int); insert into $far.t values (1, 5), (2, 6)"
    wait_until -t 60 far_rows t 2
    is "rows" "1|5 2|6" "$(copy 'select id, z from t order by 1' | xargs)"
    never_ended
    loop_end
    MYSQL_DATABASE='' msql "drop database $far"
}

@test "a table that is dropped while it is read: none of its rows stays, and what is made anew arrives" {
    TABLES="-t '$NAME.*'"
    msql "create table gone (id int primary key, v varchar(200)); insert into gone select n, repeat('x', 150) from $(numbers 1 100000)"
    rows_of_gone() { [ "$(copy "select count(*) from gone" 2>/dev/null)" = "$1" ]; }
    supervise "$(sink_line)"
    wait_until -t 60 rows_of_gone 100000
    wait_until -t 60 test -s "$STATE/mysql-binlog-$NAME.offset"
    is_aside() { [ "$(copy "select count(*) from sqlite_master where name glob 'cdc_read_[0-9]*'")" -gt 0 ]; }
    msql "alter table gone add c int not null default 1"
    wait_until -t 60 is_aside
    msql "drop table gone"
    wait_until -t 60 rows_of_gone 0
    wait_until -t 60 none_is_begun
    msql "create table gone (id int primary key, z int); insert into gone values (1, 5), (2, 6)"
    wait_until -t 60 rows_of_gone 2
    is "rows" "1|5 2|6" "$(copy 'select id, z from gone order by 1' | xargs)"
    never_ended
    loop_end
}

@test "keys whose order the server alone knows, altered in traffic and killed: read while the log goes on, the line never ends for them" {
    local i table uuid=''
    ! mysql_is_mariadb || uuid=yes
    uuid_of() { echo "concat(left(md5($1), 8), '-', substr(md5($1), 9, 4), '-4', substr(md5($1), 13, 3), '-a', substr(md5($1), 16, 3), '-', right(md5($1), 12))"; }
    msql "create table t (id varchar(20), v int, primary key (id)); insert into t select concat(elt(n % 5 + 1, 'a', 'B', 'É', 'ß ', 'z '), n), n from $(numbers 1 4000);
          create table l (c char(6) character set latin1 collate latin1_german2_ci, d decimal(6,2), m time(1), v int, primary key (c, d, m)); insert into l select elt(n % 4 + 1, 'ä', 'AF', 'b', 'A'), n / 100, sec_to_time(n % 90), n from $(numbers 1 3000);
          create table b (n int, id varchar(9) character set utf8mb4 collate utf8mb4_bin, k date, v int, primary key (n, id, k)); insert into b select n % 7, concat('a', char(33 + n % 50 using utf8mb4)), date_add('2026-01-01', interval n day), n from $(numbers 1 3000);
          create table w (id varchar(9) character set ucs2, v int, primary key (id)); insert into w select concat('ü', n), n from $(numbers 1 500)"
    [ -z "$uuid" ] || msql "create table q (i inet6, id uuid, v int, primary key (i, id)); insert into q select concat('::', n % 7), $(uuid_of n), n from $(numbers 1 3000)"
    supervise "$(sink_line)"
    comes_equal t l b w ${uuid:+q}
    # shellcheck disable=SC2016
    write_all_the_time "update t set v = v + 1 where id = concat('A', NN % 4000); update ignore t set id = concat(elt(NN % 3 + 1, 'b', 'e', 'Ss '), NN % 4000) where id = concat('b', (NN * 7) % 4000); insert ignore into t (id, v) values (concat('Á', NN), 1); delete from t where id = concat('a', NN - 300); update ignore l set c = elt(NN % 4 + 1, 'AE', 'af', 'B', 'a'), d = d + 0.5 where v = NN % 3000; update ignore b set id = concat('a', char(33 + NN % 50 using utf8mb4), ' ') where v = NN % 3000; update w set v = v + 1 where id = concat('Ü', NN % 500); $([ -z "$uuid" ] || echo "update ignore q set i = concat(elt(NN % 3 + 1, '::', 'fe80::', '1::'), NN % 9), id = $(uuid_of NN) where v = NN % 3000;")"
    for i in 1 2; do
        for table in t l b w ${uuid:+q}; do msql "alter table $table add column c$i int not null default $i"; done
        [ $i != 2 ] || { wait_until -t 60 is_withheld t && kill_member mysql-binlog; }
        wait_until -t 90 none_is_begun
    done
    writers_end
    comes_equal t l b w ${uuid:+q} other
    wait_until -t 90 none_is_begun
    not grep -q "error: to be read again" "$DIR/err"
    for table in t l b w ${uuid:+q}; do says "table $NAME.$table is read again: .* while the log went on"; done
    loop_end
}

@test "tables without a key: the line ends with 75 once for all of them, and the tables are read" {
    local i
    for i in 1 2 3; do msql "create table s$i (id varchar(20), v int); insert into s$i values ('a', 1), ('b', 2)"; done
    msql "create table k (v int); insert into k values (1), (1); create table t (id int primary key, v int); insert into t values (1, 1)"
    supervise "$(sink_line)"
    comes_equal s1 s2 s3 k t
    msql "alter table s1 add c int default 1; alter table s2 add c int default 1; alter table k add c int default 1; alter table t add c int default 1; alter table s3 add c int default 1; insert into other (v) values (1)"
    comes_equal s1 s2 s3 k t other
    wait_until -t 60 none_is_begun
    [ "$(grep -cx 75 "$DIR/ends")" -le 2 ] || { cat "$DIR/ends"; false; }
    loop_end
}

@test "from a distant server: its rows come many at a time" {
    msql "create table t (id int primary key, v varchar(200)); insert into t select n, concat('row ', n) from $(numbers 1 20000)"
    TABLES="-t '$NAME.other'"
    run_line 0
    spawn python3 "$LIB/distant.py" "$DIR/port" 20 "$(cat "$(mysql_dir)/port")"
    wait_until test -s "$DIR/port"
    URL=mysql://cdc:$MYSQL_PASSWORD@127.0.0.1:$(cat "$DIR/port")/
    TABLES="-t '$NAME.*'"
    supervise "$(sink_line)"
    comes_equal t other
    loop_end
}
