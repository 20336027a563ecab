#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mysql-binlog where the log does not name columns (binlog_row_metadata as the servers have it by default): every value has
# the name that its column had when it was logged, or the program stops.
# takes: 20 s
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
setup() { mysql_test_setup; }
teardown() {
    mysql_test_teardown
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $(least)"
}

# images [FILE]: of each change, its table and its columns.
images() { lines 'select(.op | IN("c","u","d")) | [.source.table, .after // .before]' "$@"; }
# knows TABLE COLUMN: the file has it, as of now.
knows() { jq -se "any(.[]; .table == \"$1\" and (has(\"end\") | not) and (.columns | any(.[0] == \"$2\")))" "$DIR/p.schema" >/dev/null 2>&1; }
# stops TABLE: exit 78, and the message says on which table, and how to go on.
stops() {
    : >"$DIR/out"
    exits 78 binlog --offset-file "$DIR/p" --until now
    says "$NAME\\.$1 "
    says "-T '$NAME\\.$1'"
    says cdc-snapshot
    says 'binlog_row_metadata = FULL'
}

@test "runs that end before their sink has stored anything: the columns of before an ALTER are kept from one to the next" {
    turn() {
        t mysql-binlog --state-dir "$DIR" --heartbeat 0 --until now "$URL$NAME" >"$DIR/out" 2>"$DIR/err" || { cat "$DIR/err"; return 1; }
        t cdc-sink-sqlite -q --state-dir "$DIR" "$DIR/copy.db" <"$DIR/out"
    }
    columns() { sqlite3 "$DIR/copy.db" "select $1 from t order by id"; }
    msql "create table t (id int primary key, a int); insert into t values (1, 10)"
    t cdc-sink-sqlite -q --state-dir "$DIR" "$DIR/copy.db" </dev/null
    t cdc-snapshot -q --state-dir "$DIR" "$URL$NAME" >"$DIR/out"
    t cdc-sink-sqlite -q --state-dir "$DIR" "$DIR/copy.db" <"$DIR/out"
    msql "insert into t values (2, 20)"
    turn
    msql "insert into t values (3, 30); alter table t add b int; insert into t values (4, 40, 41)"
    turn
    is "copy" "$(msql -N "select group_concat(id, '-', a, '-', ifnull(b, '') order by id) from t")" "$(columns "group_concat(id || '-' || a || '-' || ifnull(b, ''))")"
    # The history is gone: what is found anew is kept as well.
    rm "$DIR"/*.schema
    turn
    turn
    msql "insert into t values (5, 50, 51); alter table t drop a; insert into t values (6, 61)"
    turn
    is "copy" $'4|41\n5|51\n6|61' "$(columns 'id, b' | tail -3)"
    is "the last row before the ALTER" '{"id":5,"a":50,"b":51}' "$(jq -c 'select(.op == "c" and .key.id == 5).after' "$DIR/out")"
}

@test "what was logged before an ALTER that came while it was away has the columns of before" {
    msql "create table t (id int primary key, a int, b int)"
    begin
    msql "insert into t values (1, 10, 20); alter table t add n int after id; insert into t values (2, 5, 11, 21)"
    read_all
    diff <(images) - <<'END'
["t",{"id":1,"a":10,"b":20}]
["t",{"id":2,"n":5,"a":11,"b":21}]
END
    msql "insert into t values (3, 6, 12, 22); alter table t drop column a; insert into t values (4, 7, 23)"
    read_all
    diff <(images) - <<'END'
["t",{"id":3,"n":6,"a":12,"b":22}]
["t",{"id":4,"n":7,"b":23}]
END
    msql "insert into t values (5, 8, 24); alter table t change n m int; update t set m = 9 where id = 5"
    read_all
    diff <(images) - <<'END'
["t",{"id":5,"n":8,"b":24}]
["t",{"id":5,"m":9,"b":24}]
END
    # No type tells these two apart.
    msql "insert into t values (6, 30, 40); alter table t modify m int after b; insert into t values (7, 50, 60)"
    read_all
    diff <(images) - <<'END'
["t",{"id":6,"m":30,"b":40}]
["t",{"id":7,"b":50,"m":60}]
END
    is "keys" '[["id"]]' "$(jq -sc 'map(select(.op == "schema") | .key_columns) | unique' "$DIR/out")"
}

@test "ALTERs while it was away that give a column a text type and take it away, and rows between: exit 78, and how to go on; without rows between it goes on" {
    msql "create table t (id int primary key, a int, b int); create table u like t"
    begin
    msql "insert into t values (1, 10, 20); alter table t change a x int, change b a int; alter table t change x b int;
          insert into t values (2, 11, 21)"
    read_all
    diff <(images) - <<'END'
["t",{"id":1,"a":10,"b":20}]
["t",{"id":2,"b":11,"a":21}]
END
    msql "insert into t values (3, 12, 22); alter table t change a x varchar(9); insert into t values (4, 13, 23); insert into u values (1, 1, 1);
          alter table t drop column x"
    # The row before them comes, in the first run; again in the second, unless its position was saved in time.
    stops t
    is "the row before" '["t",{"id":3,"b":12,"a":22}]' "$(images)"
    stops t
    is "no other row" "" "$(images | grep -vxF '["t",{"id":3,"b":12,"a":22}]')"
    # What it says does go on.
    : >"$DIR/out"
    binlog --offset-file "$DIR/p" --until now -T "$NAME.t"
    is "the other table" '["u",{"id":1,"a":1,"b":1}]' "$(images)"
    msql "insert into t values (5, 14)"
    read_all
    is "and then" '["t",{"id":5,"b":14}]' "$(images)"
}

@test "many ALTERs while it was away, and rows between them: each value under the name that its column had, and 78 where one is not known" {
    local seed=${CDC_RANDOM:-$RANDOM} round known=0
    echo "seed $seed"
    for round in 1 2 3 4 5 6 7 8; do
        python3 "$LIB/alters.py" "$((seed * 100 + round))" "t$round" >"$DIR/steps"
        msql "$(sed -n 's/^first //p' "$DIR/steps")"
        begin
        msql "$(sed -n 's/^sql //p' "$DIR/steps")"
        if binlog --offset-file "$DIR/p" --until now; then
            known=$((known + 1))
            diff <(images) <(sed -n 's/^row //p' "$DIR/steps") || { cat "$DIR/steps"; fail "round $round"; }
        else
            says "$NAME\\.t$round had at this point of the log are not known"
            # What came before that is right.
            images >"$DIR/before"
            sed -n 's/^row //p' "$DIR/steps" | head -"$(wc -l <"$DIR/before")" | diff "$DIR/before" - || fail "round $round"
            grep -q '^unsure' "$DIR/steps" || { cat "$DIR/steps" "$DIR/err"; fail "round $round ended, and all of it can be followed"; }
            rm -f "$DIR"/p "$DIR"/p.*
        fi
    done
    [ $known -gt 1 ]
}

@test "RENAME, swapped names, DROP and CREATE, LIKE, statements from another database" {
    msql "create table a (id int primary key, x int, y int); create table b (id int primary key, y int, x int); create table c like a"
    begin
    msql "insert into a values (1, 1, 2); insert into b values (1, 2, 1); insert into c values (1, 1, 2);
          rename table a to w, b to a, w to b; drop table c; create table c like a;
          insert into a values (2, 2, 1); insert into b values (2, 1, 2); insert into c values (2, 2, 1)"
    read_all --allow-unlogged
    diff <(images) - <<'END'
["a",{"id":1,"x":1,"y":2}]
["b",{"id":1,"y":2,"x":1}]
["c",{"id":1,"x":1,"y":2}]
["a",{"id":2,"y":2,"x":1}]
["b",{"id":2,"x":1,"y":2}]
["c",{"id":2,"y":2,"x":1}]
END
    msql "insert into a values (3, 2, 1); insert into b values (3, 1, 2); insert into c values (3, 2, 1)"
    MYSQL_DATABASE=mysql msql "alter table $NAME.a change x z int; alter /* c */ table \`$NAME\`.\`b\` /*!change x z int*/;
                               use $NAME; alter table c change x z int"
    msql "insert into a values (4, 2, 1); insert into b values (4, 1, 2); insert into c values (4, 2, 1)"
    read_all
    diff <(images) - <<'END'
["a",{"id":3,"y":2,"x":1}]
["b",{"id":3,"x":1,"y":2}]
["c",{"id":3,"y":2,"x":1}]
["a",{"id":4,"y":2,"z":1}]
["b",{"id":4,"z":1,"y":2}]
["c",{"id":4,"y":2,"z":1}]
END
}

@test "killed at any moment, with a sink behind: it chooses by position, not what is newest" {
    msql "create table t (id int primary key, a int, b int)"
    begin
    # A sink that has stored nothing since.
    sed 's/"tool":"[^"]*"/"tool":"cdc-sink-x"/' "$DIR/p" >"$DIR/sink"
    follow --ack "$DIR/sink"
    msql "insert into t values (1, 10, 20)"
    wait_until grep -q '"a":10' "$DIR/out"
    msql "alter table t change a x int, change b a int; insert into t values (2, 11, 21)"
    wait_until grep -q '"x":11' "$DIR/out"
    msql "alter table t change x b int"
    wait_until knows t b
    kill -KILL "$FOLLOWER"
    status_of "$FOLLOWER" || true
    msql "insert into t values (3, 12, 22); alter table t add c int first; insert into t values (4, 4, 13, 23)"
    local runs
    for runs in 1 2; do
        : >"$DIR/out"
        binlog --offset-file "$DIR/p" --ack "$DIR/sink" --until now || { cat "$DIR/err"; return 1; }
        diff <(images) - <<'END'
["t",{"id":1,"a":10,"b":20}]
["t",{"id":2,"x":11,"a":21}]
["t",{"id":3,"b":12,"a":22}]
["t",{"c":4,"id":4,"b":13,"a":23}]
END
    done
}

@test "a table that is made while it runs is known before its first row" {
    begin
    follow
    msql "create table t (id int primary key, a int, b int)"
    wait_until knows t a
    kill -KILL "$FOLLOWER"
    status_of "$FOLLOWER" || true
    msql "insert into t values (1, 10, 20); alter table t change a x int, change b a int; insert into t values (2, 11, 21)"
    read_all
    diff <(images) - <<'END'
["t",{"id":1,"a":10,"b":20}]
["t",{"id":2,"x":11,"a":21}]
END
}

@test "a sink that is ahead of the offset file: what was altered between is not taken from the file" {
    msql "create table t (id int primary key, a int, b int)"
    begin
    cp "$DIR/p" "$DIR/own"
    cp "$DIR/p.schema" "$DIR/own.schema"
    # Somebody else reads on, without the file.
    msql "insert into t values (1, 10, 20); alter table t change a x int, change b a int; insert into t values (2, 11, 21)"
    read_all
    sed 's/"tool":"[^"]*"/"tool":"cdc-sink-x"/' "$DIR/p" >"$DIR/sink"
    mv "$DIR/own" "$DIR/p"
    mv "$DIR/own.schema" "$DIR/p.schema"
    msql "insert into t values (3, 12, 22)"
    : >"$DIR/out"
    binlog --offset-file "$DIR/p" --ack "$DIR/sink" --until now || { cat "$DIR/err"; return 1; }
    is "rows" '["t",{"id":3,"x":12,"a":22}]' "$(images)"
}

@test "a file of another time or pipeline is not taken, a damaged one stops it" {
    msql "create table t (id int primary key, a int, b int)"
    begin
    is "mode" 600 "$(stat -c %a "$DIR/p.schema")"
    cp "$DIR/p.schema" "$DIR/old.schema"
    msql "alter table t change a x int, change b a int; insert into t values (1, 10, 20)"
    read_all
    is "rows" '["t",{"id":1,"x":10,"a":20}]' "$(images)"
    # Put back from a backup, without the offset file.
    cp "$DIR/p.schema" "$DIR/new.schema"
    cp "$DIR/old.schema" "$DIR/p.schema"
    msql "insert into t values (2, 11, 21)"
    read_all
    is "rows" '["t",{"id":2,"x":11,"a":21}]' "$(images)"
    # Begun anew: what the file says belongs to another beginning.
    cp "$DIR/new.schema" "$DIR/p.schema"
    rm "$DIR/p"
    msql "alter table t change x b int"
    begin
    msql "insert into t values (3, 12, 22)"
    read_all
    is "rows" '["t",{"id":3,"b":12,"a":22}]' "$(images)"
    # Bits that have fallen over; a shorter one; another kind; a newer version; removed: the log tells.
    cp "$DIR/p.schema" "$DIR/good"
    local spoil
    for spoil in 's/"id"/"ie"/' '$d' 's/mysql-binlog/mysql-binlig/' 's/"format":1/"format":2/'; do
        sed "$spoil" "$DIR/good" >"$DIR/p.schema"
        : >"$DIR/out"
        exits 78 binlog --offset-file "$DIR/p" --until now
        says p.schema
    done
    rm "$DIR/p.schema"
    msql "insert into t values (4, 13, 23)"
    read_all
    is "rows" '["t",{"id":4,"b":13,"a":23}]' "$(images)"
}

@test "TRUNCATE, index and statement on other tables while it was away change no columns" {
    msql "create table t (id int primary key, a int); create table other (id int)"
    begin
    msql "insert into t values (1, 10); truncate t; insert into t values (2, 11); truncate table $NAME.t; insert into t values (3, 12);
          alter table other add t_a int; insert into t values (4, 13)"
    read_all
    is "rows" "1 2 3 4" "$(ids)"
}

@test "an ALTER that is not in the log: exit 78, not a wrong name" {
    msql "create table t (id int primary key, a varchar(10))"
    begin
    msql "insert into t values (1, 'x'); set sql_log_bin = 0; alter table t modify a varchar(20); set sql_log_bin = 1; insert into t values (2, 'y')"
    stops t
    is "rows" '["t",{"id":1,"a":"x"}]' "$(images)"
}

@test "a server that is started again counts its tables anew: no row by the columns of before" {
    msql "create table t (id int primary key, a int, b int)"
    begin
    follow
    msql "insert into t values (1, 10, 20)"
    wait_until grep -q '"a":10' "$DIR/out"
    msql "alter table t change a x int, change b a int"
    wait_until knows t x
    MYSQL_DATABASE='' mysql_restart
    msql "insert into t values (2, 11, 21)"
    wait_until -t 120 grep -q '"x":11' "$DIR/out"
    follow_end
    diff <(images) - <<'END'
["t",{"id":1,"a":10,"b":20}]
["t",{"id":2,"x":11,"a":21}]
END
}

# bats test_tags=only:mariadb
@test "a server that comes back on another port: what is kept of its tables holds" {
    local port
    msql "create table t (id int primary key, a int, b int)"
    begin
    msql "insert into t values (1, 10, 20)"
    read_all
    # One ALTER that it has not read: the columns before it are only known from what is kept.
    msql "insert into t values (2, 11, 21); alter table t change a x int, change b a int; insert into t values (3, 12, 22)"
    port=$(mysql_free_port)
    MYSQL_DATABASE='' mysql_stop
    sed -i "s/^--port=.*/--port=$port/" "$(mysql_dir)/options"
    echo "$port" >"$(mysql_dir)/port"
    MYSQL_DATABASE='' mysql_restart
    URL=$(mysql_url)
    read_all
    diff <(images) - <<'END'
["t",{"id":2,"a":11,"b":21}]
["t",{"id":3,"x":12,"a":22}]
END
}

@test "metadata FULL for a while: what is kept stays in step" {
    msql "create table t (id int primary key, a int, b int)"
    begin
    msql "insert into t values (1, 10, 20); set global binlog_row_metadata = FULL; insert into t values (2, 11, 21);
          alter table t change a x int, change b a int; insert into t values (3, 12, 22)"
    read_all
    msql "set global binlog_row_metadata = $(least); insert into t values (4, 13, 23)"
    read_all
    is "rows" '["t",{"id":4,"x":13,"a":23}]' "$(images)"
}

@test "every type: what the log does not tell comes from the server" {
    local metadata
    msql "create table ty (id int primary key, u tinyint unsigned, m mediumint unsigned, b bigint unsigned, d decimal(10,3) unsigned, f float, g double,
          bi bit(11), y year, da date, ti time(2), dt datetime(6), ts timestamp(3) null, c char(7) character set latin1, bin binary(5),
          v varchar(300) character set latin1, vb varbinary(20), tt tinytext, te text, mt mediumtext, lb longblob, e enum('é','it''s','unsigned'), s set('a','b','c'),
          j json, ge geometry, gen int as (id + 1) stored)"
    for metadata in $(least) MINIMAL FULL; do
        msql "set global binlog_row_metadata = $metadata; delete from ty"
        begin
        msql "insert into ty (id, u, m, b, d, f, g, bi, y, da, ti, dt, ts, c, bin, v, vb, tt, te, mt, lb, e, s, j, ge) values
              (1, 200, 16777215, 18446744073709551615, 1.5, 1.5, 2.5, b'10000000001', 2026, '2026-11-21', '-01:02:03.25', '2026-11-21 01:02:03.000004',
              '2026-11-21 01:02:03.5', 'é', 'x', 'üß', x'00ff', 'tt', 'te', 'mt', x'00', 'it''s', 'a,c', '{\"k\": 1}', point(1, 2))"
        read_all
        images >"$DIR/$metadata"
        lines 'select(.op == "schema") | {columns, key_columns}' >"$DIR/$metadata.schema"
        is "rows" 1 "$(wc -l <"$DIR/$metadata")"
    done
    diff "$DIR/$(least)" "$DIR/FULL"
    diff "$DIR/MINIMAL" "$DIR/FULL"
    diff "$DIR/$(least).schema" "$DIR/FULL.schema"
    diff "$DIR/MINIMAL.schema" "$DIR/FULL.schema"
}

@test "labels that information_schema cannot show: exit 78, not a question mark" {
    msql "create table t (id int primary key, e enum('a','😀') character set utf8mb4); create table u (id int primary key, e enum('a','?') character set latin1)"
    begin
    msql "insert into u values (1, '?'); insert into t values (1, '😀')"
    stops t
    is "rows" '["u",{"id":1,"e":"?"}]' "$(images)"
}

replicated() { [ "$(MYSQL_SERVER=replica msql -N 'select count(*) from t' 2>/dev/null)" = "$1" ]; }
@test "another server: its own log tells what holds, a place of the old one's says nothing" {
    # What another test did without the log cannot be replicated.
    MYSQL_DATABASE='' msql "drop database $NAME"
    MYSQL_DATABASE='' reset_log
    MYSQL_DATABASE='' msql "create database $NAME"
    msql "create table t (id int primary key, a int, b int)"
    msql "flush binary logs; flush binary logs; flush binary logs"
    begin
    MYSQL_DATABASE='' mysql_start replica --binlog-row-metadata="$(least)"
    mysql_replicate replica main
    msql "insert into t values (1, 10, 20)"
    wait_until -t 120 replicated 1
    URL=$(mysql_url replica)
    read_all
    is "rows" '["t",{"id":1,"a":10,"b":20}]' "$(images)"
    URL=$(mysql_url)
    msql "flush binary logs; insert into t values (2, 11, 21)"
    read_all
    is "back again" '["t",{"id":2,"a":11,"b":21}]' "$(images)"
    # From here on it was altered before anybody asked this server.
    msql "insert into t values (3, 12, 22); alter table t change a x int, change b a int; insert into t values (4, 13, 23)"
    wait_until -t 120 replicated 4
    URL=$(mysql_url replica)
    stops t
    is "rows" "" "$(images)"
    # The one that knows goes on.
    URL=$(mysql_url)
    read_all
    diff <(images) - <<'END'
["t",{"id":3,"a":12,"b":22}]
["t",{"id":4,"x":13,"a":23}]
END
    mysql_promote replica
    mysql_stop replica
}

# -- files

# The files from that place on, and the lines that they give with the columns of the server.
from_files() { t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$(log_file "$LOG")" "$@" >"$DIR/files" 2>"$DIR/err"; }
values_of() { jq -c 'select(.op | IN("c","u","d")) | [.op, .key, .before, .after]' "$1"; }

@test "--file --schema-from: columns that the files do not name come from a server, and are those of the stream" {
    local LOG SCHEMA=$URL
    msql "flush binary logs"
    LOG=$(log_files | tail -1)
    begin
    msql "create table t (id int unsigned primary key, a varchar(20), e enum('x','y'), n decimal(10,2), d datetime(3), j json)"
    msql "insert into t values (4000000000, 'é', 'y', -1.50, '2024-01-02 03:04:05.678', '{\"a\":1}'), (2, null, null, null, null, null); update t set a = 'changed' where id = 2; delete from t where id = 4000000000"
    read_all
    exits 78 from_files
    is "lines of changes" 0 "$(values_of "$DIR/files" | wc -l)"
    from_files --schema-from "$SCHEMA"
    [ "$(values_of "$DIR/files" | wc -l)" = 4 ]
    diff <(values_of "$DIR/out") <(values_of "$DIR/files")
    diff <(jq -c 'select(.op == "schema") | [.columns, .key_columns]' "$DIR/out") <(jq -c 'select(.op == "schema") | [.columns, .key_columns]' "$DIR/files")
    # The other way to write it, and no password is left in the process list.
    from_files "--schema-from=$SCHEMA"
    [ "$(values_of "$DIR/files" | wc -l)" = 4 ]
}

@test "--file --schema-from: a statement in the files that changes the table, and other columns at the server: 78" {
    local LOG SCHEMA=$URL
    msql "flush binary logs"
    LOG=$(log_files | tail -1)
    msql "create table t (id int primary key, a int, b int); insert into t values (1, 10, 20); alter table t change a b int, change b a int"
    msql "insert into t values (2, 200, 100)"
    exits 78 from_files --schema-from "$SCHEMA"
    says "later statement"
    is "lines of changes" 0 "$(values_of "$DIR/files" | wc -l)"
    msql "flush binary logs"
    LOG=$(log_files | tail -1)
    msql "insert into t values (3, 300, 150)"
    from_files --schema-from "$SCHEMA"
    is "row" '{"id":3,"b":300,"a":150}' "$(jq -c 'select(.op == "c") | .after' "$DIR/files")"
    # What came behind the files is for the user to know; what does not fit is seen.
    msql "flush binary logs; alter table t add column d int"
    exits 78 from_files --schema-from "$SCHEMA"
    msql "drop table t"
    exits 78 from_files --schema-from "$SCHEMA"
    exits 77 from_files --schema-from "${SCHEMA/:$MYSQL_PASSWORD/:wrong}"
    is "passwords in messages" 0 "$(grep -c "$MYSQL_PASSWORD" "$DIR/err")"
}

# MariaDB's log does not say what was a UUID, JSON and the like, or the end of a row's time, with FULL metadata either.
# bats test_tags=only:mariadb
@test "metadata FULL: what the log leaves open is that of then; not known is exit 78" {
    msql "set global binlog_row_metadata = FULL"
    msql "create table u (id uuid primary key, j json, b binary(16)); create table v (id int primary key, a int) with system versioning; create table k (id int primary key, s varchar(9))"
    begin
    msql "insert into u values ('00112233-4455-6677-8899-aabbccddeeff', '{\"a\": 1}', repeat('b', 16)); insert into v values (1, 1), (2, 2); update v set a = 3 where id = 2; delete from v where id = 1;
          rename table u to u2, v to v2; insert into k values (1, 'x'); alter table k modify s varchar(20)"
    read_all --allow-unlogged
    diff <(images) - <<'END'
["u",{"id":"00112233-4455-6677-8899-aabbccddeeff","j":{"a":1},"b":"YmJiYmJiYmJiYmJiYmJiYg=="}]
["v",{"id":1,"a":1}]
["v",{"id":2,"a":2}]
["v",{"id":2,"a":3}]
["v",{"id":1,"a":1}]
["k",{"id":1,"s":"x"}]
END
    # The other way round now.
    msql "delete from u2; alter table u2 modify b uuid; insert into u2 values (uuid(), '[]', '00112233-4455-6677-8899-aabbccddeeff')"
    read_all
    is "now" '"00112233-4455-6677-8899-aabbccddeeff"' "$(lines 'select(.op == "c") | .after.b')"
    msql "create table w (id int primary key, b binary(16)); insert into w values (1, repeat('b', 16)); drop table w"
    : >"$DIR/out"
    exits 78 binlog --offset-file "$DIR/p" --until now
    says "$NAME\\.w .*not known what they were.*new snapshot"
    is "lines" "" "$(images)"
}

@test "a table that another session has locked: the others' rows come, its own once it is free" {
    local locker
    begin
    msql "create table held (id int primary key, a int); create table free (id int primary key, a int); insert into free values (1, 1); insert into held values (1, 1)"
    mkfifo "$DIR/lock"
    spawn_line "{ echo 'lock tables held write;'; cat '$DIR/lock'; } | mariadb --no-defaults --socket='$(mysql_dir)/socket' --user=root --database=$NAME"
    locker=$SPAWNED
    exec 7>"$DIR/lock"
    wait_until is_locked held
    follow 7>&-
    wait_until -t 20 has_image '["free",{"id":1,"a":1}]'
    wait_until -t 60 grep -q "$NAME.held is locked by another session" "$DIR/err"
    exec 7>&-
    status_of "$locker" 30
    wait_until -t 60 has_image '["held",{"id":1,"a":1}]'
    follow_end
}
is_locked() { ! msql "set session lock_wait_timeout = 1; select count(*) from $1" >/dev/null 2>&1; }
has_image() { images 2>/dev/null | grep -qF "$1"; }
