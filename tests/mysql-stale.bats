#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables whose rows in the copy are no longer the server's, though no row of the log said so: the stream marks them and ends,
# the same line started again reads them anew, and the copy ends equal. Every other table goes on.
# takes: 90 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale

@test "a column with a default: the run ends before the statement, the next one has the values" {
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2); insert into other values (1, 1)"
    run_line 0
    equal t other
    msql "insert into t values (3, 3); insert into other values (2, 2); alter table t add c int not null default 7;
          insert into t values (4, 4, 4); insert into other values (3, 3); update t set a = 10 where id = 1"
    run_line 75
    is "rows before the statement" 3 "$(copy 'select count(*) from t')"
    is "no row after it" 2 "$(copy 'select count(*) from other')"
    has_mark
    grep -q "error: to be read again: table $NAME.t (binlog.* .* rows of it)" "$DIR/err" || { cat "$DIR/err"; false; }
    run_line 0
    equal t other
    msql "insert into t values (5, 5, 5); delete from t where id = 2; update t set c = 8 where id = 3"
    run_line 0
    equal t other
    not has_mark
}

column_statements() {
    METADATA=$1
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $1"
    msql "create table t (id int primary key, a int, b varchar(20), k int not null, d decimal(9,2)); insert into t values (1, 1, 'one', 1, 1.5), (2, 2, 'two', 2, 2.5)"
    runs
    harmless "alter table t add c1 int; insert into t (id, k, c1) values (3, 3, 3)" t
    stale "alter table t add c2 int default 7" t
    stale "alter table t add column c3 varchar(9) not null default 'd'; update t set c3 = 'x' where id = 2" t
    stale "alter table t add (c4 int, c5 date default (current_date))" t
    harmless "alter table t add (c6 int null, c7 text) , add index (a), comment 'not null default 1'" t
    harmless "update t set a = 5; alter table t modify a bigint, modify b varchar(200); insert into t (id, k) values (4, 4)" t
    stale "alter table t modify b char(30)" t
    stale "alter table t modify d decimal(9,3)" t
    stale "alter table t change c1 e1 int" t
    stale "alter table t rename column e1 to f1" t
    harmless "alter table t drop column a; insert into t (id, k) values (5, 5)"
    harmless "insert into t (id, k) values (6, 6)"
    stale "alter table t add a int" t
    stale "alter table t drop b, add b varchar(20)" t
    stale "update t set b = 'again'; alter table t drop c2, add c2 int default 9" t
    harmless "alter table t alter k set default 5, add unique key k (k); alter table t drop index k; analyze table t; optimize table t; create view v as select * from t; drop view v; create index i on t (k); drop index i on t" t
    stale "alter table t drop primary key, add primary key (id, k); insert into t (id, k, b) values (1, 100, 'second')" t
    stale "alter table t drop primary key; insert into t (id, k, b) values (1, 100, 'third')" t
    stale "delete from t where b = 'third'; alter table t add n int not null auto_increment primary key first" t
    stale "set sql_mode = ''; alter table t modify b varchar(2)" t
    stale "alter table t add f double; update t set f = -n; set sql_mode = ''; alter table t modify f double unsigned; update t set f = f + 0.5" t
    stale "alter table t convert to character set latin1" t
}
@test "columns that are added, changed, renamed, dropped and added again: read again where rows that are there change, and only there" { column_statements FULL; }
@test "the same where the log does not name columns" { column_statements "$(least)"; }

table_statements() {
    METADATA=$1
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $1"
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2);
          create table u (id int primary key, b int, c int); insert into u values (1, 10, 10), (3, 30, 30);
          create table p (id int primary key, a int) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20));
          insert into p values (1, 1), (11, 11)"
    runs
    stale "insert into t values (3, 3); rename table t to x, u to t, x to u; insert into t values (4, 4, 4); insert into u values (5, 5)" t u
    stale "create table new (id int primary key, z int); insert into new values (1, 1), (7, 7); rename table t to old, new to t; update t set z = 8" t old u
    stale "rename table t to t2; insert into t2 values (9, 9)" t2
    is "rows under the old name" 0 "$(copy 'select count(*) from t')"
    harmless "drop table old; create table old (id int primary key, y int); insert into old values (8, 8); truncate u; insert into u values (6, 6)" old u
    harmless "create table like_it like u; create table as_it (primary key (id)) select * from u; insert into like_it select * from u" like_it as_it
    stale "alter table p truncate partition p0" p
    stale "delete from u; insert into u (id, a) values (12, 12); alter table p exchange partition p1 with table u" p u
    stale "alter table p drop partition p1; insert into p values (2, 2)" p
    harmless "alter table p add partition (partition p9 values less than (90)); insert into p values (50, 50); alter table p reorganize partition p9 into (partition p8 values less than (90)); alter table p remove partitioning" p
    MYSQL_DATABASE='' msql "create database ${NAME}x; create table ${NAME}x.far (id int primary key); insert into ${NAME}x.far values (1), (2)"
    stale "rename table ${NAME}x.far to near; insert into near values (3)" near
    MYSQL_DATABASE='' msql "drop database ${NAME}x"
    # One that is gone when it would be read again.
    stale "alter table near add v int default 1; drop table near"
    is "rows of a table that is gone" 0 "$(copy 'select count(*) from near')"
}
@test "tables that are swapped, renamed into the selection, dropped and made again, and partitions" { table_statements FULL; }
@test "tables, where the log does not name columns" { table_statements "$(least)"; }

# MariaDB's are not in the lines.
# bats test_tags=only:mysql
@test "generated columns that depend on a charset: another one of what they are made of reads the table again" {
    for METADATA in FULL MINIMAL; do
        MYSQL_DATABASE='' msql "set global binlog_row_metadata = $METADATA"
        msql "drop table if exists t; create table t (id int primary key, b varchar(20) character set utf8mb4, bytes int as (length(b)), a int); insert into t (id, b) values (1, 'x'), (2, 'é')"
        runs
        stale "update t set a = 1; alter table t modify b varchar(20) character set latin1" t
        stale "update t set a = 2; alter table t modify b varchar(20) character set utf8mb4" t
        harmless "update t set a = 3; alter table t modify a bigint" t
    done
}

# A statement that names no charset takes the table's.
bytes_of() { copy "select group_concat(id || typeof($1) || hex($1)) from (select * from t order by id)"; }
default_charset() {
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $1"
    msql "create table t (id int primary key, a varchar(20), b text, c char(3), v int) character set utf8mb4; insert into t (id, a, b, c) values (1, 'é', 'é', 'é'), (2, 'x', 'x', 'xyz');
          alter table t default character set binary"
    runs
    stale "update t set v = 1; alter table t modify a varchar(30)"
    is "a" "1blobC3A9,2blob78" "$(bytes_of a)"
    stale "update t set v = 2; alter table t change b b text, change c c char(3)"
    is "b" "1blobC3A9,2blob78" "$(bytes_of b)"
    is "c" "1blobC3A900,2blob78797A" "$(bytes_of c)"
    # The default is another one by the time that the statement is read, and the column what it was made.
    msql "alter table t modify a varchar(30) character set utf8mb4"
    runs
    stale "update t set v = 3; alter table t modify a varchar(40); alter table t default character set utf8mb4"
    is "a" "1blobC3A9,2blob78" "$(bytes_of a)"
}
@test "a text that is given the table's charset, and that is binary: read again" { default_charset FULL; }
@test "a text that is given the table's charset, where the log does not name columns" { default_charset "$(least)"; }

# bats test_tags=only:mariadb
@test "a column that gets its default in a clause of its own: read again" {
    METADATA=FULL
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2)"
    runs
    stale "alter table t add c int, alter c set default 5" t
    stale "alter table t alter d set default 6, add (d int)" t
}

@test "what a column was, the log says, and not the server after the statement: labels that are gone" {
    METADATA=FULL
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    msql "create table t (id int primary key, e enum('x', 'y'), a int); insert into t values (1, 'x', 0), (2, 'y', 0)"
    runs
    harmless "update t set a = 1; alter table t modify e enum('x', 'y', 'z')" t
    stale "set sql_mode = ''; update t set a = 2; alter table t modify e enum('z')" t
    msql "alter table t add f enum('ж', 'x') character set utf8mb4; update t set f = 'ж'"
    stale "set sql_mode = ''; update t set a = 3; alter table t modify f enum('ж', 'x', 'y') character set latin1" t
}

@test "a migration of several tables: one round reads them all, also where a transaction has rows of tables that cannot be described" {
    local i
    for i in 1 2 3 4 5; do msql "create table t$i (id int primary key, a int); insert into t$i values (1, 1), (2, 2)"; done
    runs
    msql "insert into t1 values (3, 3); insert into t2 values (3, 3);
          begin; insert into t1 values (4, 4); insert into t2 values (4, 4); insert into other (v) select n from $(numbers 1 3000); commit;
          alter table t1 drop a; alter table t2 drop a; insert into t1 values (5); insert into other (v) values (1);
          alter table t3 add b int default 3; update t3 set a = 9; alter table t4 add b int default 4; insert into t4 values (3, 3, 3);
          alter table t1 add b int default 1; alter table t2 add b int default 2; alter table t5 add b int default 5; insert into other (v) values (2)"
    runs
    is "runs" 2 "$RUNS"
    equal t1 t2 t3 t4 t5 other
}

second_table() {
    msql "create table t (id int primary key, a int); create table u like t; insert into t values (1, 1); insert into u values (1, 1)"
    runs
    msql "begin; insert into t values (2, 2); insert into u values (2, 2); insert into other (v) values (1); commit; alter table t drop a"
    rm "$STATE"/*.schema
    run_line 75
    # What was known of it is not kept any more.
    msql "insert into t values (3); alter table u drop a; insert into u values (3)"
    rm -f "$STATE"/*.schema
    run_line 75
    grep -q "again: table $NAME.u " "$DIR/err" || { cat "$DIR/err"; return 1; }
    runs
    jq -r ".offsets[\"$NAME\"].state.again[] | .written" "$STATE/cdc-snapshot-$NAME.offset" >"$DIR/written"
}
@test "a second table of the very transaction that follows a read: another read at the same place" {
    second_table
    equal t u other
    is "attempts" "r0001 r0002" "$(grep -oE 'r000[0-9]' "$DIR/written" | xargs)"
    is "places" 1 "$(cut -c1-16 "$DIR/written" | sort -u | wc -l)"
}
@test "the same, into a file: what is written is stored" {
    line() { sed "s#| cdc-sink-sqlite.*#>>'$DIR/lines'#" <<<"$(sink_line "$@")"; }
    second_table
    ordered_but_for_what_comes_again
    t cdc-sink-sqlite -q "$COPY" <"$DIR/lines"
    equal t u other
}
# A transaction that broke off comes again, whole.
ordered_but_for_what_comes_again() { jq -r .pos "$DIR/lines" | awk '$0 <= last && !(substr($0, 1, 16) >= substr(last, 1, 16)) { print "after " last ": " $0; bad = 1 } { last = $0 } END { exit bad }'; }

@test "columns that the log does not name: two statements while nobody reads are followed, and one that cannot be has the table read again" {
    msql "create table t (id int primary key, a int, b int); insert into t values (1, 1, 1); create table u like t"
    runs
    msql "insert into t values (2, 2, 2); alter table t drop a; insert into t values (3, 3); alter table t add c int after id; insert into t values (4, 40, 4)"
    runs
    equal t u
    stale "alter table t add d varchar(9); insert into t values (41, 4, 4, 'x'); alter table t drop d; insert into t values (42, 4, 4)" t u
    stale "insert into t values (5, 50, 5); alter table t change b x int; insert into t values (6, 60, 6); alter table t modify x int first; insert into t values (70, 7, 700);
           insert into u values (1, 1, 1); alter table u drop b; insert into u values (2, 2); alter table u drop a; insert into u values (3)" t u
}

@test "a mark that nobody answers: the stream writes nothing and says what is missing" {
    msql "create table t (id int primary key, a int); insert into t values (1, 1)"
    runs
    msql "alter table t add c int default 7; insert into other (v) values (1)"
    run_line 75
    local status=0
    t mysql-binlog --name "$NAME" -t "$NAME.*" --state-dir "$STATE" --until now "$URL" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "exit status" 75 "$status"
    is "lines" "" "$(cat "$DIR/out")"
    grep -q "table $NAME.t (.*ADD COLUMN.*cdc-snapshot" "$DIR/err" || { cat "$DIR/err"; return 1; }
    runs
    equal t other
}

@test "a statement that comes before the stream has ever run, and one while the first copy is not stored" {
    msql "create table t (id int primary key, a int); insert into t values (1, 1)"
    t cdc-snapshot -q --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" | t cdc-sink-sqlite -q --state-dir "$STATE" "$COPY"
    msql "alter table t add c int default 7; insert into other (v) values (1)"
    run_line 75 0
    equal t other
    rm -rf "$STATE" "$COPY"
    mkdir "$STATE"
    # The rows are lost on their way: the sink has its file by then, and no position.
    t cdc-sink-sqlite -q --state-dir "$STATE" "$COPY" </dev/null
    t cdc-snapshot -q --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" | cat >"$DIR/rows"
    msql "alter table t add d int default 8; insert into other (v) values (2)"
    runs
    equal t other
}
