#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Statements that change no row and no column, any number of them, read late, where the log does not name columns: they make no table
# stale, stop nothing, and rows before, between and after them arrive.
# takes: 20 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale

# One a line; those after "mariadb:" or "mysql:" are of one of them.
statements() {
    grep -v '^$' <<'END' | if mysql_is_mariadb; then sed -n 's/^mariadb: //p; t; /^mysql:/!p'; else sed -n 's/^mysql: //p; t; /^mariadb:/!p'; fi
analyze table t
optimize table t
repair table t
check table t
flush tables t
flush tables
flush binary logs
create user m@localhost
grant select, insert on t to m@localhost
revoke insert on t from m@localhost
mysql: set password for m@localhost = 'Some-words-1'
mariadb: set password for m@localhost = password('Some-words-1')
alter user m@localhost identified by 'Other-words-2'
rename user m@localhost to n@localhost
drop user n@localhost
create view v as select * from t
alter view v as select id from t
create or replace view v as select id, a from t
drop view v
create trigger g before insert on t for each row set new.f = concat('g', new.id)
drop trigger g
create procedure p() update t set a = 1
alter procedure p comment 'alter table t add column x int'
drop procedure p
create function f() returns int deterministic return 1
drop function f
create event e on schedule every 1 day disable do delete from t
alter event e comment 'drop table t'
drop event e
alter table t engine = InnoDB
alter table t force
alter table t add index i (a)
alter table t rename index i to j
create index k on t (b)
mysql: alter table t alter index k invisible
mysql: alter table t alter index k visible
alter table t add fulltext index w (b)
alter table t comment = 'rows, add column x int'
alter table t alter column c set default 9
alter table t alter c drop default, auto_increment = 5000
alter table t row_format = dynamic, stats_persistent = 1
alter table t default character set latin1
alter table t order by id
alter table p add partition (partition p3 values less than (4000))
alter table p reorganize partition p2, p3 into (partition p4 values less than (5000))
alter table p analyze partition p1
alter table p rebuild partition p1
alter table p remove partitioning
alter table p partition by hash (id) partitions 3
alter table p coalesce partition 1
create database another
alter database another character set latin1
drop database another
mariadb: create sequence s
mariadb: drop sequence s
mariadb: create role r
mariadb: drop role r
mysql: create role r
mysql: drop role r
END
}
@test "maintenance: no statement of the list, one after the other with rows between, makes a table stale" {
    local sql n=100
    msql "create table t (id int primary key auto_increment, a int, b varchar(20), c int not null default 3, f varchar(20), key (c)) engine=InnoDB;
          create table p (id int primary key, a int) partition by range (id) (partition p1 values less than (1000), partition p2 values less than (3000));
          insert into t (a, b) values (1, 'one'), (2, 'two'); insert into p values (1, 1), (2, 2)"
    runs
    statements >"$DIR/statements"
    while read -r sql; do
        n=$((n + 1))
        echo "insert into t (id, a, b, c) values ($n, $n, 'row', $n); insert into p values ($n, $n); update t set b = 'after' where id = $((n - 1)); $sql;"
    done <"$DIR/statements" >"$DIR/sql"
    msql <"$DIR/sql" >"$DIR/answers"
    runs
    is "runs" 1 "$RUNS"
    equal t p
    is "rows" "$((n - 98))" "$(copy 'select count(*) from t')"
    # A table that shows its first row after all of them.
    msql "create table late (id int primary key, a int); insert into late values (1, 1)"
    runs
    msql "$(sed -n 's/^\(analyze\|optimize\|repair\|alter\) table t\b/\1 table late/p' "$DIR/statements" | grep -vE 'partition|[^a-z][bcijk][^a-z]|\(b\)|index' | sed 's/$/;/')
          insert into late values (2, 2)"
    runs
    is "runs" 1 "$RUNS"
    equal late
}
