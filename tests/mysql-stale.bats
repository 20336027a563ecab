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

least() { if mysql_is_mariadb; then echo NO_LOG; else echo MINIMAL; fi; }
setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start --binlog-row-metadata="$(least)"
}
teardown_file() { mysql_end; }
setup() {
    mysql_test_setup
    COPY=$DIR/copy.db
    msql "create table other (id int auto_increment primary key, v int)"
}
teardown() {
    mysql_test_teardown
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $(least)"
}

# The line, as users have it; OPTIONS are the stream's.
line() {
    local options="--name $NAME -t '$NAME.*' --state-dir '$STATE'"
    echo "{ cdc-snapshot $options $SNAPSHOT_OPTIONS '$URL' && exec mysql-binlog --heartbeat 1 $options $* '$URL'; } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
}
# run STATUS...: one run up to the end of the log each, with that exit status.
run_line() {
    local expected status
    for expected in "$@"; do
        status=0
        : >"$DIR/err"
        t bash -o pipefail -c "$(line --until now)" || status=$?
        is "exit status" "$expected" "$status" || { cat "$DIR/err"; return 1; }
    done
}
copy() { sqlite3 -cmd '.timeout 30000' "$COPY" "$1"; }
columns_of() { msql -N "select group_concat(column_name order by ordinal_position) from information_schema.columns where table_schema = '$NAME' and table_name = '$1' and not ($(omitted))"; }
# MariaDB's generated columns are in no line.
omitted() { if mysql_is_mariadb; then echo "extra like '%GENERATED%' and generation_expression not like 'ROW %'"; else echo false; fi; }
# equal TABLE...: the copy has the rows of the source.
equal() {
    local table columns
    for table in "$@"; do
        columns=$(columns_of "$table")
        msql -N "select concat_ws('|', $(quoted "$columns")) from $table" | LC_ALL=C sort >"$DIR/source.$table"
        copy "select $(cell "$columns" "$table") from \"$table\"" | LC_ALL=C sort >"$DIR/copy.$table"
        diff "$DIR/source.$table" "$DIR/copy.$table" >"$DIR/report" || { head -20 "$DIR/report"; fail "$table: the copy differs"; }
    done
}
quoted() { tr ',' '\n' <<<"$1" | sed "s/.*/ifnull(\`&\`, '-')/" | paste -sd,; }
# A column without a value may not be there yet: no row has shown it.
cell() {
    local column cells=() has
    has=$(copy "select name from pragma_table_info('$2')")
    for column in ${1//,/ }; do
        if grep -qx "$column" <<<"$has"; then cells+=("ifnull(\"$column\", '-')"); else cells+=("'-'"); fi
    done
    local IFS='~'
    sed "s/~/ || '|' || /g" <<<"${cells[*]}"
}
has_mark() { jq -e ".offsets[\"$NAME\"].state.stale" "$STATE/mysql-binlog-$NAME.offset" >/dev/null; }

# runs: the line as a supervisor starts it, until it has read the log to its end; RUNS: how many it took, 1 without a round.
runs() {
    local status n=0
    while :; do
        status=0
        : >"$DIR/err"
        t bash -o pipefail -c "$(line --until now)" || status=$?
        n=$((n + 1))
        [ "$status" = 75 ] || break
        [ $n -lt 9 ] || { cat "$DIR/err"; fail "it does not come to an end"; return 1; }
    done
    is "exit status" 0 "$status" || { cat "$DIR/err"; return 1; }
    RUNS=$n
}
# stale SQL TABLE...: rows of another table before the statement, and after it; a round, and all is equal.
stale() {
    local sql=$1
    shift
    note "$sql"
    msql "insert into other (v) values (1); $sql; insert into other (v) values (2)" || return 1
    runs && [ "$RUNS" -gt 1 ] && equal other "$@" || { echo "after: $sql" >&2; return 1; }
}
# harmless SQL TABLE...: one run does, but where the log does not name columns and what they were cannot be proved any more.
harmless() {
    local sql=$1
    shift
    note "$sql"
    msql "insert into other (v) values (1); $sql; insert into other (v) values (2)" || return 1
    runs && { [ "$METADATA" != FULL ] || is "runs" 1 "$RUNS"; } && equal other "$@" || { echo "after: $sql" >&2; return 1; }
}
note() { echo "# $1" >>"$DIR/notes"; }

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

@test "columns that the log does not name: two statements while nobody reads" {
    msql "create table t (id int primary key, a int, b int); insert into t values (1, 1, 1); create table u like t"
    runs
    stale "insert into t values (2, 2, 2); alter table t drop a; insert into t values (3, 3); alter table t add c int after id; insert into t values (4, 40, 4)" t u
    stale "insert into t values (5, 50, 5); alter table t change b x int; insert into t values (6, 60, 6); alter table t modify x int first; insert into t values (70, 7, 700);
           insert into u values (1, 1, 1); alter table u drop b; insert into u values (2, 2); alter table u drop a; insert into u values (3)" t u
}

# The line again and again, as a supervisor starts it, in the background; errors of it in $DIR/err.
loop_start() {
    : >"$DIR/err"
    rm -f "$DIR/stop"
    echo 'LINE=$1; DIR=$2; while [ ! -f "$DIR/stop" ]; do bash -o pipefail -c "$LINE"; status=$?; echo "$status" >>"$DIR/ends"; case $status in 0 | 69 | 74 | 75 | 137 | 143) sleep 0.1 ;; *) exit "$status" ;; esac; done' >"$DIR/loop"
    spawn bash "$DIR/loop" "$(line)" "$DIR"
    LOOP=$SPAWNED
}
loop_end() {
    touch "$DIR/stop"
    wait_until -t 120 loop_stopped || { tail -20 "$DIR/err"; return 1; }
}
loop_stopped() {
    local pid
    pid=$(member "$LOOP" mysql-binlog)
    [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
    gone "$LOOP"
}
marked() { [ "$(copy 'select v from marker' 2>/dev/null)" = "$1" ]; }
caught_up() {
    MARK=$((${MARK:-0} + 1))
    msql "replace into marker values (1, $MARK)"
    wait_until -t 180 marked $MARK || { tail -20 "$DIR/err"; cat "$DIR/ends"; return 1; }
}
# Clients that write to t and u until $DIR/quiet is there.
writers() {
    local client
    cat >"$DIR/writer" <<'END'
CLIENT=$1 DIR=$2; shift 2
n=0
while [ ! -f "$DIR/quiet" ]; do
    n=$((n + 1)) k=$(((n * 7 + CLIENT) % 300))
    echo "begin; insert into t (id, a) values ($k, $n) on duplicate key update a = $n; update u set b = $n where id % 50 = $((k % 50)); commit; delete from t where id = $(((k * 3) % 300)); insert ignore into u (id, b) values ($k, $n);"
    [ $((n % 20)) != 0 ] || echo "do sleep(0.05);"
done | mariadb --force "$@" >/dev/null 2>&1
END
    rm -f "$DIR/quiet"
    WRITERS=()
    for client in 1 2; do
        spawn bash "$DIR/writer" $client "$DIR" --no-defaults --socket="$(mysql_dir)/socket" --user=root "$NAME"
        WRITERS+=("$SPAWNED")
    done
}
writers_end() {
    touch "$DIR/quiet"
    wait_until -t 120 gone "${WRITERS[0]}"
    wait_until -t 120 gone "${WRITERS[1]}"
}
traffic_tables() {
    msql "create table t (id int primary key, a int); insert into t select n, n from $(numbers 1 300); create table marker (id int primary key, v int);
          create table u (id int primary key, b int); insert into u select n, n from $(numbers 1 300)"
}

@test "statements under writers, the line started again and again, its programs killed: the copy ends equal" {
    local i victim
    traffic_tables
    SNAPSHOT_OPTIONS='--chunk-rows 20'
    writers
    loop_start
    caught_up
    for ((i = 0; i < 8; i++)); do
        msql "alter table t add column c$i int not null default $i; update t set c$i = 100 where id % 10 = $i"
        msql "alter table u add column d$i varchar(20) default 'd$i', drop column if exists d$((i - 1))" 2>/dev/null || msql "alter table u add column d$i varchar(20) default 'd$i'"
        case $((i % 4)) in 0) victim=cdc-snapshot ;; 1) victim=cdc-sink-sqlite ;; 2) victim=mysql-binlog ;; *) victim='' ;; esac
        [ -z "$victim" ] || ! wait_until -t 5 has_member "$LOOP" "$victim" 2>/dev/null || { pause_ms $((i * 13 % 60)); kill -KILL "$(member "$LOOP" "$victim")" 2>/dev/null || true; }
        pause_ms 300
    done
    writers_end
    caught_up
    equal t u other
    not grep -qvE '^(0|69|74|75|137|143)$' "$DIR/ends"
    [ "$(grep -c 75 "$DIR/ends")" -ge 4 ]
    loop_end
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
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2)"
    both
    equal t other
    cp "$b" "$DIR/backup.db"
    cp "$STATE/b.offset" "$DIR/backup.offset"
    msql "insert into t values (3, 3); alter table t add c int not null default 7; insert into t values (4, 4, 4); insert into other (v) values (1)"
    both
    equal t other
    msql "update t set c = 8 where id = 4; insert into t values (5, 5, 5); insert into other (v) values (2)"
    both
    cp "$DIR/backup.db" "$b"
    rm -f "$b-wal" "$b-shm"
    cp "$DIR/backup.offset" "$STATE/b.offset"
    msql "delete from t where id = 5; update t set c = 9 where id = 1; insert into other (v) values (3)"
    both
    equal t other
    a=$COPY COPY=$b
    equal t other
    COPY=$a
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
