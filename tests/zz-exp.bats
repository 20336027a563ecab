bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale
setup_file() { mysql_start --binlog-row-metadata="$(least)"; }
teardown_file() { mysql_end; }
setup() { stale_test_setup; }
teardown() { stale_test_teardown; }
show() { echo "== $*" >>/tmp/myknown/exp; }
one() { local s=0; : >"$DIR/err"; t bash -o pipefail -c "$(line --until now)" || s=$?; echo "status $s" >>/tmp/myknown/exp; cat "$DIR/err" >>/tmp/myknown/exp; }
@test "state removed" {
    show "state folder removed, copy kept"
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2), (3, 3)"
    runs
    rm -rf "$STATE"; mkdir "$STATE"
    msql "delete from t where id = 1; update t set a = 9 where id = 2"
    one; one
    msql "insert into t values (4, 4)"
    one
    equal t || show DIFFERS
    copy "select * from t" >>/tmp/myknown/exp
}
@test "ddl between attempts" {
    show "DDL between two snapshot attempts"
    msql "create table t (id int primary key, a int); insert into t select n, n from $(numbers 1 3000); create table u like t; insert into u values (1,1)"
    t cdc-sink-sqlite -q --state-dir "$STATE" "$COPY" </dev/null
    t cdc-snapshot -q --chunk-rows 100 --name "$NAME" -t "$NAME.*" --state-dir "$STATE" "$URL" 2>/dev/null | head -1500 | t cdc-sink-sqlite -q --state-dir "$STATE" "$COPY" || true
    msql "insert into t values (5001, 1); alter table t drop a; insert into t values (5002); alter table t add z int default 7; alter table u add b int; insert into t values (5003, 3); insert into u values (2,2,2); rename table u to w; create table u (q int primary key); insert into u values (77)"
    one; one; one
    equal t u w || show DIFFERS
}
@test "init_connect" {
    show "init_connect fails"
    msql "create table t (id int primary key, a int); insert into t values (1, 1)"
    MYSQL_DATABASE='' msql "set global init_connect = 'select * from nowhere.at_all'"
    local s=0
    t mysql-binlog --name x --retry-max 2 -t "$NAME.*" --until now "$URL" >/dev/null 2>>/tmp/myknown/exp || s=$?
    echo "status $s" >>/tmp/myknown/exp
    s=0
    t cdc-snapshot --name x --retry-max 2 -t "$NAME.*"  "$URL" >/dev/null 2>>/tmp/myknown/exp || s=$?
    echo "status $s" >>/tmp/myknown/exp
    MYSQL_DATABASE='' msql "set global init_connect = ''"
}
@test "rename view, partitions, statements, db" {
    METADATA=MINIMAL
    msql "create table t (id int primary key, a int); insert into t values (1, 1)"
    runs
    show "rename view"
    msql "create view v as select * from t; rename table v to v2"
    one; one
    show "statement"
    msql "insert into other (v) values (1); set session binlog_format = statement; insert into t values (2, 2); set session binlog_format=row; insert into t values (3,3)"
    one
    rm -rf "$STATE" "$COPY"; mkdir "$STATE"
    runs
    show "drop database"
    MYSQL_DATABASE='' msql "create database ${NAME}x; drop database ${NAME}x;drop database $NAME; create database $NAME"
    one
}
