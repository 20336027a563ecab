#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Rows chosen and columns computed by SQL, from MySQL and MariaDB into a copy: what the same SQL makes of the source.
# takes: 30 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() { mysql_test_setup; }
teardown() { mysql_test_teardown; }

copy() { sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "$1"; }
has_rows() { [ "$(copy 'select count(*) from t' 2>/dev/null)" = "$1" ]; }
marked() { [ "$(copy 'select n from marker' 2>/dev/null)" = "$1" ]; }

@test "from the log into a copy: whole old rows, every number exact" {
    msql "create table t (id int primary key, region varchar(10), total decimal(30,10), big bigint unsigned, flag tinyint(1), at datetime(3), note longtext);
          create table marker (n int primary key);
          insert into t select seq, elt(seq % 3 + 1, 'EU', 'US', null), seq / 7, 18446744073709551615 - seq, seq % 2, '2026-01-01' + interval seq hour, repeat('x', seq) from (
              with recursive s as (select 1 as seq union all select seq + 1 from s where seq < 300) select seq from s) s"
    local options="--name $NAME -t '$NAME.*' --state-dir '$STATE' '$URL'"
    spawn_line "{ cdc-snapshot $options && exec mysql-binlog --heartbeat 1 $options; } 2>>'$DIR/err' |
        cdc-filter --where-before require --where \"t:region = 'EU' AND total > 5.5 OR big > 18446744073709551605 OR flag AND at < '2026-01-03'\" \
            --set \"t:note = substr(note, 1, 5)\" --add 't:plus = total + 0.0000000001' --add 't:less = big - 1' 2>>'$DIR/err' |
        cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    msql "update t set region = elt(id % 2 + 1, 'EU', 'US') where id % 5 = 0; update t set total = total * -1 where id % 7 = 0; update t set id = id + 1000, region = 'EU' where id % 11 = 0;
          update t set flag = 1 - flag where id % 13 = 0; update t set note = 'y' where id % 17 = 0; delete from t where id % 4 = 0; insert into marker values (1)"
    wait_until -t 60 marked 1 || { tail "$DIR/err"; return 1; }
    msql -N "select json_array(id, region, cast(total as char), cast(big as char), substr(note, 1, 5), cast(total + 0.0000000001 as char), cast(big - 1 as char)) from t
        where region = 'EU' and total > 5.5 or big > 18446744073709551605 or flag and at < '2026-01-03' order by id" | jq -c . >"$DIR/expected"
    copy "select json_array(id, region, total, cast(big as text), note, plus, cast(less as text)) from t order by id" | jq -c . >"$DIR/actual"
    [ "$(wc -l <"$DIR/expected")" -gt 20 ]
    diff "$DIR/expected" "$DIR/actual"
}

@test "--route: shards change, one is emptied, one dropped and one lost with its database, and a type changes in one after the other" {
    local shard options="--name $NAME -t '${NAME}_*.*' -t '$NAME.marker' --state-dir '$STATE' '$URL'"
    msql "create table marker (n int primary key)"
    for shard in a b c d; do
        msql "create database ${NAME}_$shard; create table ${NAME}_$shard.t (id int primary key, v varchar(20) not null);
              insert into ${NAME}_$shard.t values (1, '$shard'), (2, '$shard'), (3, 'three')"
    done
    msql "alter table ${NAME}_b.t add column only_b int"
    spawn_line "{ cdc-snapshot $options && exec mysql-binlog --heartbeat 1 $options; } 2>>'$DIR/err' |
        cdc-filter --route '${NAME}_*.t=$NAME.t' 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    wait_until -t 60 has_rows 12 || { tail "$DIR/err"; return 1; }
    msql "truncate table ${NAME}_a.t; insert into ${NAME}_a.t values (7, 'new'); drop table ${NAME}_c.t; drop database ${NAME}_d; update ${NAME}_b.t set only_b = id, v = 'b2' where id < 3"
    msql "alter table ${NAME}_a.t modify v text not null; insert into ${NAME}_a.t values (8, repeat('x', 100));
          insert into ${NAME}_b.t values (9, 'short', 9); alter table ${NAME}_b.t modify v text not null; update ${NAME}_b.t set id = 10, v = repeat('y', 100) where id = 1; insert into marker values (1)"
    wait_until -t 60 marked 1 || { tail "$DIR/err"; return 1; }
    { msql -N "select json_array('${NAME}_a.t', id, v, null) from ${NAME}_a.t"; msql -N "select json_array('${NAME}_b.t', id, v, only_b) from ${NAME}_b.t"; } | jq -c . | sort >"$DIR/expected"
    copy "select json_array(source_table, id, v, only_b) from t" | jq -c . | sort >"$DIR/actual"
    diff "$DIR/expected" "$DIR/actual"
    msql "drop database ${NAME}_a; drop database ${NAME}_b; drop database ${NAME}_c"
}

@test "--sample and --flatten: a share of the rows from the log, with what is in their JSON as columns" {
    msql "create table t (id int primary key, doc json); create table marker (n int primary key);
          insert into t select n, json_object('a', n, 'b', json_array(n, 'x'), 'c', null) from $(numbers 1 400)"
    local options="--name $NAME -t '$NAME.*' --state-dir '$STATE' '$URL'"
    spawn_line "{ cdc-snapshot $options && exec mysql-binlog --heartbeat 1 $options; } 2>>'$DIR/err' |
        cdc-filter --sample t:25% --flatten t:doc 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    msql "update t set doc = json_object('a', 'text') where id % 3 = 0; update t set id = id + 1000, doc = json_object('b', json_array(id)) where id % 5 = 0; delete from t where id % 7 = 0;
          insert into t select n, json_object('a', 0.50) from $(numbers 500 599); insert into marker values (1)"
    wait_until -t 60 marked 1 || { tail "$DIR/err"; return 1; }
    copy "select id from t" | sort -n >"$DIR/ids"
    [ "$(wc -l <"$DIR/ids")" -gt 50 ] && [ "$(wc -l <"$DIR/ids")" -lt 180 ]
    msql -N "select json_array(id, json_extract(doc, '\$.a'), json_extract(doc, '\$.b[0]'), json_extract(doc, '\$.b[1]')) from t where id in ($(paste -sd, "$DIR/ids")) order by id" | jq -c . >"$DIR/expected"
    copy "select json_array(id, json(doc_a), json(doc_b_0), json(doc_b_1)) from t order by id" | jq -c . >"$DIR/actual"
    diff "$DIR/expected" "$DIR/actual"
    # The keys that are taken are the same ones, asked by themselves.
    msql -N "select id from t" | jq -c '{op: "r", pos: "1", seq: 1, source: {name: "n", db: "'"$NAME"'", table: "t"}, key: {id: .}, before: null, after: {id: .}}' | t cdc-filter --sample 25% | jq .key.id | sort -n | diff "$DIR/ids" -
}

# Conditions of which the server and the filter must say the same of each row; what the server writes otherwise comes after " -- ".
conditions() {
    cat <<'END'
t LIKE 'a%'
t LIKE 'A_c'
t LIKE '50\%'
t LIKE 'x\_y%' -- t like 'x\_y%'
t NOT LIKE '%b%'
t = 'abc' OR t IS NULL -- binary t = 'abc' or t is null
t IN ('abc', NULL) -- binary t in ('abc', null)
t NOT IN ('abc', NULL)
c = 'ab' -- binary c = 'ab'
n = 0.1
n = 1.1
n > 1
n BETWEEN 0 AND 2
n * 1.5 > 1.6
n + n = 0.2
-n < -1
round(n, 1) = 1.1
f > 0.1
f = 1.5
i = 18446744073709551615
i > 9223372036854775807
b
NOT b
b = TRUE
b IS NULL OR b = FALSE
bit
bit = 1
d >= '2026-11-21'
d = '2026-11-21'
d < '0001-01-01'
at >= '2026-11-21 09:28:42.5'
at = '2026-11-21T09:28:42.500'
at > '2026-11-21'
stamp = '2026-11-21 09:28:42'
y = x'00ff'
y > x'00'
clock = '09:30:00.500'
clock = '-00:00:01.000'
e = 'new'
e <> 'new'
e IN ('new', 'it''s')
e = ''
s = 'a,c'
s = ''
s <> 'b'
yr = 2026
j ->> '$.n' = '5' -- json_value(j, '$.n') = '5'
j ->> '$.n' > 4 -- json_value(j, '$.n') > 4
j ->> '$.s' > 9 -- json_value(j, '$.s') > 9
j ->> '$.t' = 'true' -- json_unquote(json_extract(j, '$.t')) = 'true'
j IS NULL
END
}

@test "each condition chooses the rows that the server chooses, but for case" {
    msql "create table v (id int primary key, t varchar(20) collate utf8mb4_general_ci, c char(5), n decimal(20,4), f double, i bigint unsigned, b tinyint(1), bit bit(1), d date, at datetime(3), stamp timestamp null, y varbinary(10), clock time(3), e enum('new','it''s','OLD'), s set('a','b','c'), yr year, j json);
        set sql_mode = '', time_zone = '+00:00';
        insert into v values
        (1, 'abc', 'ab', 0.1, 0.1, 18446744073709551615, 1, b'1', '2026-11-21', '2026-11-21 09:28:42.5', '2026-11-21 09:28:42', x'00ff', '09:30:00.5', 'new', 'c,a', 2026, '{\"n\": 5, \"s\": \"10\", \"t\": true}'),
        (2, 'Abc', 'AB', 1.1, 1.5, 9223372036854775808, 0, b'0', '0000-00-00', '0000-00-00', '2026-01-01', x'00', '-00:00:01', 'it''s', '', 1901, '{\"n\": \"5\"}'),
        (3, '50%', 'abc', -7, -1e300, 7, null, null, '9999-12-31', '2026-11-21', null, '', '838:59:59', 'nope', 'b', 0, '{\"n\": null}'),
        (4, '50x', '', 1000, -0.0, 0, 2, b'1', '2026-02-28', '9999-12-31 23:59:59.999', null, null, '00:00:00', null, null, null, null),
        (5, 'x_y', 'ab  ', 2.0001, 1e10, 1, 1, b'0', null, null, null, x'01', null, 'OLD', 'a,b,c', 2155, '{\"t\": \"true\"}'),
        (6, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null)"
    t cdc-snapshot -q --name v --offset-file "$DIR/offset" -t "$NAME.v" "$URL" >"$DIR/in"
    local line ours theirs failed=
    while IFS= read -r line; do
        theirs=${line#* -- } ours=${line%% -- *}
        theirs=$(msql -N "set time_zone = '+00:00'; select id from v where $theirs order by id" 2>&1 | paste -sd' ')
        ours=$(t cdc-filter -q --where "$ours" <"$DIR/in" 2>&1 | sed -n 's/.*"op":"r".*"key":{"id":\([0-9]*\)}.*/\1/p; /error:/p' | paste -sd' ')
        [ "$ours" = "$theirs" ] || { echo "$line: the server chooses [$theirs], the filter [$ours]" && failed=yes; }
    done < <(conditions)
    [ -z "$failed" ]
    for line in "e = 'NEW'" "s = 'c,a'" "clock = '09:30'" "op = 'insert'" "j = '{\"n\": 5}'"; do
        ! t cdc-filter -q --where "$line" <"$DIR/in" >"$DIR/out" 2>"$DIR/err" || fail "$line"
        is "$line" 1 "$(grep -c 'error: --where' "$DIR/err")"
    done
}
