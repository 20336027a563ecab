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
