#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Statements that change rows, columns or tables at large, as a pipeline meets them over the years: what must be read again for them,
# and what need not be.
# takes: 75 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale

dropped() { jq -c ".offsets[\"$NAME\"].state | $1" "$STATE/mysql-binlog-$NAME.offset"; }
@test "a column that was dropped is remembered until its table is read again or empty, and was by no older version" {
    METADATA=FULL
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    msql "create table t (id int primary key, a int, b int); insert into t values (1, 1, 1); create table u (id int primary key, a int); insert into u values (1, 1)"
    runs
    harmless "alter table t drop b; alter table u drop a; insert into t values (2, 2)"
    is "remembered" "[[\"$NAME\",\"t\",\"b\"],[\"$NAME\",\"u\",\"a\"]]" "$(dropped .dropped)"
    stale "alter table t add b int; insert into other (v) values (3)" t
    harmless "drop table u; create table u (id int primary key, a int); insert into u values (2, 2)" u
    is "remembered after a read, and without rows" "[]" "$(dropped .dropped)"
    harmless "alter table t drop b; insert into t values (3, 3)"
    # As a version left it that kept no list.
    jq ".offsets[\"$NAME\"].state |= del(.dropped)" "$STATE/mysql-binlog-$NAME.offset" >"$DIR/older"
    cat "$DIR/older" >"$STATE/mysql-binlog-$NAME.offset"
    harmless "insert into t values (4, 4)"
    stale "alter table t add b int; insert into t values (5, 5, 5)" t
    harmless "alter table t add c int; update t set c = id" t
    stale "alter table t drop b; alter table t add b int" t
    harmless "drop table u; create table u (id int primary key); alter table u add a int; insert into u values (3, 3)" u
}

@test "changes that a session logged as statements: all tables are read again, which triggers may have changed; not while the server goes on so" {
    METADATA=FULL
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    msql "create table t (id int primary key, a int); create table u (id int primary key, a int); insert into t values (1, 1); create trigger g after insert on t for each row insert into u values (new.id, 7)"
    runs
    stale "set session binlog_format = statement; insert into t values (2, 2); update t set a = 5 where id = 1; begin; insert into t values (3, 3); insert into other (v) values (9); commit; set session binlog_format = row; insert into t values (4, 4)" t u
    is "runs" 2 "$RUNS"
    is "by the trigger" 3 "$(copy 'select count(*) from u')"
    harmless "insert into t values (5, 5)" t u
    MYSQL_DATABASE='' msql "set global binlog_format = statement"
    msql "delete from t where id = 2"
    run_line 78
    grep -q "SET GLOBAL binlog_format = ROW" "$DIR/err"
    MYSQL_DATABASE='' msql "set global binlog_format = row"
    runs
    equal t u other
}

@test "a database that is dropped leaves no row of its tables, whether a run has seen them or not, but those read again since" {
    local tables="create table t (id int primary key, a int); create table u (id int primary key, a int); create table other (id int auto_increment primary key, v int)"
    local fresh="drop database $NAME; create database $NAME; use $NAME; $tables"
    METADATA=FULL
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    msql "create table t (id int primary key, a int); create table u (id int primary key, a int); insert into t values (1, 1), (2, 2); insert into u values (1, 1); insert into other (v) values (1)"
    runs
    msql "insert into t values (3, 3); drop database $NAME; create database $NAME"
    runs
    is "runs" 1 "$RUNS"
    is "rows" "0 0 0" "$(copy 'select (select count(*) from t), (select count(*) from u), (select count(*) from other)' | tr '|' ' ')"
    msql "$tables; insert into t values (2, 20); insert into u values (4, 4)"
    runs
    equal t u other
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $(least)"
    msql "insert into u values (5, 5); alter table t add c int not null default 7; $fresh; insert into t values (6, 6); insert into u values (7, 7)"
    runs
    equal t u other
    is "excepted" 2 "$RUNS"
    is "rows that stay" "6 7" "$(copy 'select (select group_concat(id) from t), (select group_concat(id) from u)' | tr '|' ' ')"
}

# bats test_tags=only:mariadb
@test "CREATE OR REPLACE DATABASE drops the one of before: no row of its tables is left" {
    local tables="create table t (id int primary key, a int); create table other (id int auto_increment primary key, v int)"
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2)"
    runs
    msql "insert into t values (3, 3); create or replace database $NAME; use $NAME; $tables; insert into t values (2, 20), (4, 4)"
    runs
    equal t other
    MYSQL_DATABASE='' msql "create or replace schema $NAME"
    runs
    is "rows" 0 "$(copy 'select count(*) from t')"
}

@test "a database that is dropped, with tables that a filter renames: rows read again stay, and so do those of other databases" {
    sink_line() {
        local options="--name $NAME -t '$NAME.*' -t '${NAME}x.*' --state-dir '$STATE'"
        echo "{ cdc-snapshot $options '$URL' && exec mysql-binlog --heartbeat 1 $options $* '$URL'; } 2>>'$DIR/err' | cdc-filter --rename '$NAME.t=renamed' --rename '$NAME.u=${NAME}x.moved' --rename '${NAME}x.t=$NAME.foreign' 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    }
    ids() { copy "select group_concat(id) from \"$1\""; }
    msql "create table t (id int primary key); insert into t values (1); create table u (id int primary key); insert into u values (2); create database ${NAME}x; create table ${NAME}x.t (id int primary key); insert into ${NAME}x.t values (3)"
    runs
    is "rows" "1 2 3" "$(ids renamed) $(ids moved) $(ids foreign)"
    msql "alter table t add c int not null default 7; drop database $NAME; create database $NAME; use $NAME; create table t (id int primary key); insert into t values (6)"
    runs
    is "rows" "6 - 3" "$(ids renamed) $(ids moved | sed 's/^$/-/') $(ids foreign)"
    MYSQL_DATABASE='' msql "drop database ${NAME}x"
    runs
    is "rows" "6 -" "$(ids renamed) $(ids foreign | sed 's/^$/-/')"
}

@test "a table that is new has no row that a statement could change: no run ends for it" {
    METADATA=FULL
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    runs
    harmless "create table a (id int primary key, b varchar(20)); alter table a add c int not null default 7, drop primary key, add primary key (id, c); alter table a modify b int; insert into a values (1, 2, 3)" a
    harmless "create table b like a; alter table b add d int not null default 1, change b e bigint; create unique index i on b (d); insert into b values (2, 2, 3, 4)" b
    ! mysql_is_mariadb || harmless "create or replace table a (id int primary key); alter table a add x int not null default 5; insert into a values (9, 9)" a
    stale "alter table b add f int not null default 2" b
    stale "create table if not exists b like other; alter table b add g int not null default 3" b
    stale "create table c (id int primary key); insert into c values (1); alter table c add h int not null default 4" c
    stale "create table d (id int primary key); begin; insert into d values (1); rollback; insert into d values (2); alter table d add h int not null default 4" d
}

# MariaDB's JSON is a text with the constraint json_valid(c): lines have it compact, and the text as it is.
# kinds SQL COLUMNS: a statement, with rows before and after it, all in one run or each in its own; the copy has the columns as they are said
# to be. RUNS: how many the statement took.
kinds() {
    local before after
    note "$1"
    KEYS=$((KEYS + 2))
    before="insert into j (id, a, b) values ($KEYS, '[1,  $KEYS]', '{\"x\":  $KEYS}')"
    after="insert into j (id, a, b) values ($KEYS + 1, '[2,  $KEYS]', '{\"y\":  $KEYS}')"
    if [ "$APART" = yes ]; then
        msql "$before" && runs && msql "$1; insert into other (v) values (1)" && runs && has_kinds "$2" && msql "$after" || { fail "after: $1"; return 1; }
        before=$RUNS
        runs && is "runs for a row" 1 "$RUNS" && RUNS=$before || return 1
    else
        msql "$before; $1; $after" && runs || return 1
    fi
    has_kinds "$2" || { fail "after: $1"; return 1; }
}
has_kinds() { diff <(msql -N "select concat_ws('|', id, $1) from j order by id") <(copy "select id || '|' || a || '|' || b from j order by id"); }
checks_come_and_go() {
    KEYS=0
    msql "drop table if exists j; create table j (id int primary key, a longtext, b longtext check (json_valid(b)), n int, m int)"
    runs
    kinds "alter table j drop column m" "a, json_compact(b)"
    kinds "alter table j add constraint is_json check (json_valid(a))" "json_compact(a), json_compact(b)"
    kinds "alter table j drop constraint is_json" "a, json_compact(b)"
    kinds "alter table j modify a longtext check (json_valid(a))" "json_compact(a), json_compact(b)"
    kinds "alter table j modify a longtext, modify b longtext" "a, b"
    kinds "alter table j add constraint if not exists x check (json_valid(a)), add constraint y check (json_valid(\`b\`)), add constraint z check (n > 0)" "json_compact(a), json_compact(b)"
    kinds "alter table j drop constraint if exists x, add index i (n)" "a, json_compact(b)"
    kinds "alter table j add constraint w check (json_valid(a) and length(a) < 100)" "a, json_compact(b)"
    is "runs for what is no JSON" 1 "$RUNS"
    kinds "alter table j drop constraint w" "a, json_compact(b)"
    is "runs for what was no JSON" 1 "$RUNS"
    kinds "alter table j drop constraint y, modify b json" "a, json_compact(b)"
    kinds "alter table j modify b json check (length(b) < 100)" "a, b"
    kinds "alter table j add (c int, constraint v check (json_valid(b)))" "a, json_compact(b)"
    kinds "alter table j drop constraint v, add d longtext check (json_valid(a))" "json_compact(a), b"
    kinds "alter table j drop column d" "a, b"
    kinds "create or replace table j (id int primary key, a longtext, b longtext, n int, check (json_valid(a)))" "json_compact(a), b"
}
# bats test_tags=only:mariadb
@test "a text becomes JSON and text again by a CHECK alone: it is read again, where the log names columns and where it does not" {
    local apart=(yes yes no)
    for METADATA in NO_LOG FULL MINIMAL; do
        MYSQL_DATABASE='' msql "set global binlog_row_metadata = $METADATA"
        APART=${apart[0]}
        apart=("${apart[@]:1}")
        checks_come_and_go
    done
}
# bats test_tags=only:mariadb
@test "the same while the stream runs, and without a row after the statement" {
    local sql
    msql "create table j (id int primary key, a longtext, b longtext check (json_valid(b))); insert into j values (1, '[1,  2]', '[3,  4]'); create table marker (id int primary key, v int)"
    loop_start
    caught_up
    for sql in "add constraint x check (json_valid(a))|json_compact(a), json_compact(b)" "drop constraint x|a, json_compact(b)" "modify b longtext|a, b" "add check (json_valid(a)), add check (json_valid(b))|json_compact(a), json_compact(b)"; do
        msql "alter table j ${sql%|*}"
        caught_up
        wait_until -t 60 same_kinds "${sql#*|}" || { tail -20 "$DIR/err"; fail "after: $sql"; }
    done
    loop_end
}
same_kinds() { has_kinds "$1" >"$DIR/report"; }

# A copy that is kept is healed; whoever has none is told that it is over.
@test "a server that turns its log off and goes on without: the streams end and the check names it, and the copy ends equal once it is started again" {
    local log line status=0
    log=$(mysql_dir main)/binlogs
    mkdir -m 777 "$log"
    MYSQL_DATABASE='' mysql_start closed --log-bin="$log/closed" --loose-binlog-error-action=IGNORE_ERROR
    MYSQL_SERVER=closed
    URL=$(mysql_url closed)
    MYSQL_DATABASE='' msql "create database $NAME"
    msql "create table t (id int primary key, a int); create table s (id varchar(9) primary key, a int); insert into t values (1, 1); insert into s values ('a', 1)"
    begin
    follow --server-id 77
    spawn_line "$(line)"
    line=$SPAWNED
    wait_until -t 90 copied 1
    wait_until -t 90 has_member "$line" mysql-binlog
    chmod 555 "$log"
    not msql "flush binary logs" 2>/dev/null
    msql "insert into t values (2, 2); update s set a = 2"
    status_of "$line" 90 || status=$?
    # 75 where its dump went on, as MariaDB's do; 78 where it could not connect again.
    [[ $status = 7[58] ]] || { cat "$DIR/err"; fail "exit status of the line: $status"; }
    has_mark
    status=0
    status_of "$FOLLOWER" 90 || status=$?
    is "exit status without a copy" 79 "$status" || { cat "$DIR/err"; return 1; }
    run_line 78
    says 'cdc-snapshot: error: .*the server has turned its binary log off.*start the server again'
    exits 78 binlog --check
    says 'error: the server has turned its binary log off.*take a new snapshot'
    exits 78 binlog --start now --until now
    chmod 777 "$log"
    MYSQL_DATABASE='' mysql_restart closed
    runs
    equal t s
    is "the row that no log has" 2 "$(copy 'select a from t where id = 2')"
    MYSQL_DATABASE='' msql "drop database $NAME"
}
copied() { [ "$(copy "select count(*) from t where id = $1" 2>/dev/null)" = 1 ]; }

# The texts are UTF-8 that came by a session of latin1; by way of `binary` they become what they were meant to be.
@test "texts that become bytes by the table's default charset, and texts again by another: read again, whatever it is by now" {
    local through="alter table t default charset binary; alter table t modify c varchar(20); alter table t default charset utf8mb4; alter table t modify c varchar(30)"
    local metadata
    for metadata in FULL MINIMAL; do
        METADATA=$metadata
        MYSQL_DATABASE='' msql "set global binlog_row_metadata = $metadata"
        msql "drop table if exists t; create table t (id int primary key, c varchar(10)) charset latin1; insert into t values (1, 'Ã¤'), (2, 'b')"
        runs
        msql "insert into t values (3, 'Ã¶')"
        runs
        stale "insert into t values (4, 'Ã¼'); $through" t
        is "the text" ä "$(copy 'select c from t where id = 1')"
    done
    # The first of them is in no log any more when the others are read.
    msql "drop table t; create table t (id int primary key, c varchar(10)) charset latin1; insert into t values (1, 'Ã¤'); alter table t default charset binary"
    runs
    stale "insert into t values (4, 'Ã¼'); ${through#*;}" t
    METADATA=FULL
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    runs
    harmless "alter table t modify c varchar(40), add key (c); insert into t values (5, 'x')" t
}

# As in a rolling upgrade of schemas: each server by itself.
@test "a column that a statement out of the log adds while the stream reads: the table is read again" {
    local line
    METADATA=FULL
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
    msql "create table t (id int primary key, a int); insert into t values (1, 1)"
    runs
    spawn_line "$(line)"
    line=$SPAWNED
    msql "insert into t values (2, 2)"
    wait_until -t 90 copied 2
    msql "set sql_log_bin = 0; alter table t add c int not null default 7; set sql_log_bin = 1; insert into t values (3, 3, 3)"
    wait_until -t 90 copied 3
    kill -TERM "$(member "$line" mysql-binlog)"
    wait_until -t 90 gone "$line"
    runs
    equal t
}
