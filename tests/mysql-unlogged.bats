#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Statements that change rows, and leave none of them in the log: a line says exactly what happened, or the stream stops
# before it and says on which table. What came before has been written, and nothing after it.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() {
    mysql_test_setup
    msql "create table t (id int primary key, v int) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20));
          create table marker (id int primary key)"
}
teardown() {
    mysql_test_teardown
    MYSQL_DATABASE='' msql "drop database if exists ${NAME}x"
}

# stops TABLE WHAT SQL [OPTION...]: 78 at the statement. The row before it is there, the row after it is not, also when it is
# started again; --allow-unlogged goes on with a warning, and so does the stream that does not read the table.
stops() {
    local table=$1 what=$2 sql=$3
    shift 3
    begin
    msql "insert into marker values (1)"
    msql "$sql"
    msql "insert into marker values (2)"
    : >"$DIR/out"
    cp "$DIR/p" "$DIR/p2"
    exits 78 binlog --offset-file "$DIR/p" --until now "$@"
    is "rows before it ($sql)" 1 "$(marked)"
    says "$what"
    says "$table"
    says "-T '$table'"
    says 'take a new snapshot'
    exits 78 binlog --offset-file "$DIR/p" --until now "$@"
    is "rows before it, twice ($sql)" 1 "$(marked)"
    binlog --offset-file "$DIR/p" --until now "$@" -T "$table" || { cat "$DIR/err"; return 1; }
    is "rows without the table ($sql)" "1 2" "$(marked)"
    is "warnings ($sql)" "" "$(grep -i "$what" "$DIR/err" || true)"
    : >"$DIR/out"
    binlog --offset-file "$DIR/p2" --until now "$@" --allow-unlogged || { cat "$DIR/err"; return 1; }
    is "rows ($sql)" "1 2" "$(marked)"
    is "t lines ($sql)" "" "$(emptied)"
    grep -qi "warning: .*$what.*$table" "$DIR/err" || fail "no warning: $(cat "$DIR/err")"
    msql "delete from marker"
}
marked() { jq -r 'select(.op == "c" and .source.table == "marker") | .after.id' "$DIR/out" | sort -u | xargs; } # what came before a stop may come twice
emptied() { jq -r 'select(.op == "t") | .source.table' "$DIR/out" | xargs; }

@test "partitions that are truncated, dropped and exchanged: exit 78, the statement and the table" {
    msql "insert into t values (1, 1), (11, 1); create table other (id int primary key, v int); insert into other values (2, 2);
          create database ${NAME}x; create table ${NAME}x.other like other"
    stops "$NAME.t" 'TRUNCATE PARTITION' "alter table t truncate partition p0"
    stops "$NAME.t" 'DROP PARTITION' "set names latin1; ALTER /* x */ TABLE \`$NAME\` . \`t\` DROP PARTITION p0"
    msql "alter table t reorganize partition p1 into (partition p0 values less than (10), partition p1 values less than (20))"
    stops "$NAME.t" 'EXCHANGE PARTITION' "alter table t exchange partition p0 with table other" -T "$NAME.other"
    stops "$NAME.other" 'EXCHANGE PARTITION' "alter table t exchange partition p0 with table other" -T "$NAME.t"
    stops "$NAME.t" 'EXCHANGE PARTITION' "alter table t exchange partition p0 with table ${NAME}x.other"
}

# bats test_tags=only:mariadb
@test "MariaDB: partitions that become tables, tables that become partitions, ALTER IGNORE, statements with settings" {
    mysql_since 100700 || skip "it cannot convert partitions"
    msql "insert into t values (1, 1), (11, 1); create table dup (id int primary key, v int); insert into dup values (1, 1), (2, 1)"
    stops "$NAME.t" 'CONVERT PARTITION' "alter table t convert partition p0 to table was" -T "$NAME.was"
    msql "alter table t partition by range (id) (partition p0 values less than (15), partition p1 values less than (20))"
    stops "$NAME.was2" 'CONVERT PARTITION' "alter table t convert partition p1 to table was2" -T "$NAME.t"
    stops "$NAME.t" 'CONVERT PARTITION' "alter table t convert table was2 to partition p1 values less than (20)" -T "$NAME.was2"
    stops "$NAME.dup" 'ALTER IGNORE' "set statement max_statement_time = 100 for alter ignore table dup add unique (v)"
    stops "$NAME.dup2" 'RENAME TABLE' "rename tables if exists dup wait 5 to dup2, dup3 to dup4" -T "$NAME.dup4"
}

@test "tables that are renamed into the selection, or changed for each other: exit 78" {
    msql "create table a (id int primary key); create table b (id int primary key); insert into a values (1); insert into b values (2);
          create database ${NAME}x; create table ${NAME}x.c (id int primary key)"
    stops "$NAME.d" 'RENAME TABLE' "rename table ${NAME}x.c to d"
    stops "$NAME.a" 'RENAME TABLE' "rename table a to ${NAME}x.tmp, b to a, ${NAME}x.tmp to b" -T "$NAME.b"
    stops "$NAME.b" 'RENAME TABLE' "rename table a to ${NAME}x.tmp, b to a, ${NAME}x.tmp to b" -T "$NAME.a"
    stops "$NAME.e" 'RENAME' "alter table d add v int, rename e"
    stops "$NAME.f" 'RENAME' "alter table e rename as \`f\`"
}

@test "a view or a sequence that is renamed is no table: no line is missing" {
    msql "create table a (id int primary key); create view v as select * from a"
    ! mysql_is_mariadb || msql "create sequence s"
    begin
    msql "rename table v to v2; insert into marker values (1)"
    ! mysql_is_mariadb || msql "rename table s to s2; insert into marker values (2)"
    read_all
    is "rows" "$(if mysql_is_mariadb; then echo 1 2; else echo 1; fi)" "$(marked)"
}

@test "tablespaces that are discarded and imported: exit 78" {
    msql "create table a (id int primary key) engine=InnoDB; insert into a values (1)"
    stops "$NAME.a" 'DISCARD TABLESPACE' "alter table a discard tablespace"
}

@test "a database that is dropped: a t line of all its tables where they may be selected, and none where they are not" {
    msql "create database ${NAME}x; create table ${NAME}x.a (id int primary key); insert into ${NAME}x.a values (1)"
    begin
    cp "$DIR/p" "$DIR/p2"
    msql "insert into ${NAME}x.a values (2); insert into marker values (1); drop database ${NAME}x; insert into marker values (3)"
    read_all -t "${NAME}x.a"
    is "lines" "c a,c marker,ddl null,t null,c marker" "$(jq -r 'select(.op | IN("c", "t", "ddl")) | "\(.op) \(.source.table)"' "$DIR/out" | paste -sd,)"
    is "of" "${NAME}x true" "$(jq -r 'select(.op == "t") | "\(.source.db) \(.source | has("table") | not)"' "$DIR/out")"
    ordered "$DIR/out"
    : >"$DIR/out"
    binlog --offset-file "$DIR/p2" --until now
    is "t lines of other databases" "" "$(jq -r 'select(.op == "t")' "$DIR/out")"
    is "rows" "1 3" "$(marked)"
}

@test "a table that is dropped, made again, replaced or renamed out of the selection: its t line, in its place" {
    msql "create table a (id int primary key, v int); create table b (id int primary key); create database ${NAME}x"
    begin
    msql "insert into a values (1, 1); drop table a; create table a (id int primary key, v int); insert into a values (2, 2);
          drop table if exists $NAME.a, b, nothing_there restrict;
          create table a (id varchar(10) primary key); insert into a values ('three'); rename table a to ${NAME}x.a;
          create temporary table marker (id int); drop table marker; create temporary table marker (id int); drop temporary table marker;
          create table c like marker; alter table c rename ${NAME}x.c; alter table t truncate partition all"
    read_all
    diff <(jq -r 'select(.op | IN("c", "t", "schema")) | "\(.op) \(.source.table)\(if .after then " \(.after.id)" else "" end)"' "$DIR/out") - <<'EOF'
schema a
c a 1
t a
schema a
c a 2
t a
t b
t nothing_there
schema a
c a three
t a
t c
t t
EOF
    ordered "$DIR/out"
    is "last line" commit "$(jq -r 'select(.op != "heartbeat") | .op' "$DIR/out" | tail -1)"
}

# A session that stays: session_begin, session SQL (returns when it is done), session_end.
session_begin() {
    mkfifo "$DIR/sql"
    spawn bash -c "exec mariadb --no-defaults -N --unbuffered --force --socket='$(mysql_dir)/socket' -uroot '$NAME' <'$DIR/sql' >'$DIR/done' 2>&1"
    exec 7>"$DIR/sql"
    SESSION=0
}
session() {
    echo "$1; select 'done $((++SESSION))';" >&7
    wait_until grep -q "^done $SESSION\$" "$DIR/done"
}
session_end() { exec 7>&-; }

@test "a temporary table with the name of a selected one: truncated, changed, renamed, dropped, over restarts of the reader and of the server" {
    msql "create table a (id int primary key); create table b (id int primary key); insert into a values (1); insert into b values (1)"
    begin
    session_begin
    session "set session binlog_format = statement; create temporary table a as select * from a"
    read_all
    is "after it was made" "" "$(emptied)"
    session "truncate table a; alter table a add v int not null default 1; alter table a rename b, add w int not null default 2"
    read_all
    is "t lines" "" "$(emptied)"
    not grep -q warning "$DIR/err"
    session "truncate $NAME.b; truncate a"
    read_all
    is "the base table, which is no longer hidden" a "$(emptied)"
    session "alter table b rename a; drop table a; truncate a"
    read_all
    is "after it was dropped" a "$(emptied)"
    session "create temporary table a (id int)"
    read_all
    mysql_kill
    session_end
    mysql_restart
    for ((i = 0; i < 30; i++)); do msql "do 0"; done # thread ids come again
    msql "set session binlog_format = statement; create temporary table x (id int); truncate a"
    read_all
    is "after the server was killed" a "$(emptied)"
    ordered "$DIR/out"
}

@test "a base table that is truncated beside temporary tables: its t line" {
    msql "create table b (id int primary key)"
    printf '%s\n' 'delimiter //' "create procedure p() begin create temporary table if not exists x (id int); insert into x values (1); insert into b values (1); truncate table b; drop temporary table x; end//" | msql
    begin
    msql "call p()"
    msql "set session binlog_format = statement; create temporary table x (id int); create temporary table ${NAME}.t (id int); truncate table b; truncate table t"
    read_all
    is "t lines" "b b" "$(emptied)"
}

# bats test_tags=only:mariadb
@test "MariaDB: RENAME TABLE of a temporary table leaves the selected one alone" {
    begin
    msql "set session binlog_format = statement; create temporary table w (id int); rename table w to w2, w2 to t; truncate t; rename table t to w"
    msql "insert into marker values (2)"
    read_all
    is "rows" 2 "$(marked)"
    is "t lines" "" "$(emptied)"
    not grep -q warning "$DIR/err"
}

# bats test_tags=only:mariadb
@test "MariaDB: CREATE OR REPLACE TABLE, also with rows: what was there goes first" {
    msql "create table a (id int primary key)"
    begin
    msql "insert into a values (1); create or replace table a (id int primary key, v int); insert into a values (2, 2);
          create or replace table a as select 3 as id"
    read_all
    is "lines" "c1 t c2 t c3" "$(jq -r 'select(.op | IN("c", "t")) | .op + (.after.id // "" | tostring)' "$DIR/out" | xargs)"
}

# bats test_tags=only:mariadb
@test "MariaDB: .t is a table of the current database, and CREATE OR REPLACE SEQUENCE removes a table of that name" {
    msql "create table a (id int primary key)"
    begin
    msql 'insert into a values (1); truncate table .a; insert into a values (2); truncate . `a`; insert into a values (3);
          create or replace sequence a; do nextval(a)'
    read_all
    is "lines" "c1 t c2 t c3 t" "$(jq -r 'select(.op | IN("c", "t")) | .op + (.after.id // "" | tostring)' "$DIR/out" | xargs)"
}

@test "names and strings as the session's SQL mode reads them: a name that ends in a backslash, a default that is one" {
    begin
    # The client reads backslashes in its own way: char(92).
    msql "set sql_mode = 'ansi_quotes'; set @name = concat('\"a', char(92), '\"');
          set @s = concat('create table ', @name, ' (id int primary key)'); prepare s from @s; execute s;
          set @s = concat('insert into ', @name, ' values (1)'); prepare s from @s; execute s;
          set @s = concat('truncate table ', @name); prepare s from @s; execute s;
          set @s = concat('insert into ', @name, ' values (2)'); prepare s from @s; execute s;
          set @s = concat('drop table ', @name); prepare s from @s; execute s;
          set sql_mode = 'no_backslash_escapes';
          set @s = concat('create table b (id int primary key, v char default ''', char(92), ''', w char(10) default '' select '')');
          prepare s from @s; execute s; insert into b values (3, 'v', 'w')"
    read_all
    is "lines" 'c:a\1 t:a\ c:a\2 t:a\ c:b3' "$(jq -r 'select(.op | IN("c", "t")) | .op + ":" + .source.table + (.after.id // "" | tostring)' "$DIR/out" | xargs -d '\n')"
}

@test "ALTER TABLE ... RENAME to the name that it has: no line, and the stream goes on" {
    msql "create table a (id int primary key)"
    begin
    msql "insert into a values (1); alter table a rename to a; alter table $NAME.a rename a, comment 'x'; insert into a values (2)"
    read_all
    is "lines" "c1 c2" "$(jq -r 'select(.op | IN("c", "t")) | .op + (.after.id // "" | tostring)' "$DIR/out" | xargs)"
}

@test "a copy goes on through a table that is dropped and made again" {
    msql "insert into t values (1, 1), (11, 1)"
    line() {
        { t cdc-snapshot --state-dir "$STATE" "$URL$NAME" && t mysql-binlog --until now --state-dir "$STATE" "$URL$NAME"; } 2>"$DIR/err" |
            t cdc-sink-sqlite --state-dir "$STATE" "$DIR/copy.db" 2>"$DIR/err2" || { cat "$DIR/err" "$DIR/err2"; return 1; }
    }
    line
    is "before" "1 11" "$(sqlite3 "$DIR/copy.db" 'select id from t order by id' | xargs)"
    msql "drop table t; create table t (id int primary key, v int, w int); insert into t values (2, 2, 2)"
    line
    is "after" "2|2|2" "$(sqlite3 "$DIR/copy.db" 'select id, v, w from t order by id' | xargs)"
}

@test "an ALTER that may change values of rows that are there: a warning with the table; others have none" {
    msql "create table a (id int primary key, v int)"
    begin
    msql "alter table a add column w int not null default 7; alter table a modify v bigint; alter table a add (x int default 1, y int)"
    msql "alter table t add column w int, add index (w), comment 'it is not null, and default 1'; alter table t rename index w to w2; alter table t drop index w2"
    read_all
    is "warnings" 3 "$(grep -c "warning: .*ALTER TABLE .* $NAME\\.a " "$DIR/err")"
    is "of the other table" "" "$(grep "$NAME\\.t" "$DIR/err" || true)"
}

# bats test_tags=only:mysql
@test "the same where MySQL leaves cascades to InnoDB, as before 9.6: a warning" {
    mysql_since 90600 || skip "it knows no other way"
    mysql_restart --innodb-native-foreign-keys=ON
    msql "create table p (id int primary key)"
    begin
    msql "create table a (id int primary key, p int, foreign key (p) references p (id) on delete cascade)"
    read_all
    is "warnings of it" 1 "$(grep -c "warning: .*a foreign key whose changes of rows are not logged was given to $NAME\\.a " "$DIR/err")"
    mysql_restart --innodb-native-foreign-keys=OFF
}

@test "a foreign key with CASCADE that is made while it runs: a warning with the table, where the server does not log what it changes" {
    local expected=1
    mysql_is_mariadb || ! mysql_since 90600 || expected=0
    msql "create table p (id int primary key); insert into p values (1)"
    begin
    msql "create table a (id int primary key, p int, foreign key (p) references p (id) on delete cascade)"
    msql "create table b (id int primary key, p int, ts timestamp on update current_timestamp, foreign key (p) references p (id) on delete restrict)"
    msql "insert into a values (1, 1); delete from p"
    read_all
    is "deleted rows of the child" $((1 - expected)) "$(lines 'select(.op == "d" and .source.table == "a")' | wc -l)"
    is "warnings of it" $expected "$(grep -c "warning: .*a foreign key whose changes of rows are not logged was given to $NAME\\.a " "$DIR/err")"
    is "of the other table" "" "$(grep "$NAME\\.b" "$DIR/err" || true)"
}

@test "--check names partitioned tables" {
    binlog --check || { cat "$DIR/err"; return 1; }
    grep -q "warning: table $NAME\.t is partitioned: .*read again" "$DIR/err" || fail "$(cat "$DIR/err")"
    not grep -q "$NAME\.marker is partitioned" "$DIR/err"
}

@test "--file stops as the stream does, and so does a string with a backslash that is none" {
    msql "create table a (id int primary key)"
    begin
    msql "set sql_mode = 'no_backslash_escapes'; alter table a add v varchar(10) default '\\\\', rename to b; insert into b values (1, 'x')"
    : >"$DIR/out"
    exits 78 binlog --offset-file "$DIR/p" --until now
    says "RENAME .* $NAME\\.b"
    is "rows" "" "$(ids)"
    local file files=()
    for file in "$(mysql_dir)"/data/binlog.0?????; do files+=(--file "$file"); done
    local status=0
    t mysql-binlog "${files[@]}" -t "$NAME.*" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "exit status of --file" 78 "$status"
    says "RENAME .* $NAME\\.b"
}
