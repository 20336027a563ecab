#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables whose rows change without a line in the log: the line ends with 75, and the same line started again reads them anew. Each
# test runs the line as a supervisor does, changes the form of tables while others write, and compares the copy with the source.
# takes: 80 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2046,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/pg-stale

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    touch "$DIR/stop"
    pg_test_teardown
}
@test "changes of each kind, while others write: the copy ends as the source, and no other table is read again" {
    local i tables="t_const t_volatile t_again t_renamed t_using t_type t_key t_made t_swap t_two u"
    for i in $tables; do
        sql "create table $NAME.$i (id int primary key, v text, w int); insert into $NAME.$i select g, 'row ' || g, g from generate_series(1, 50) g"
    done
    supervise "$(copy_line)"
    for i in $tables; do equal "$i" "id, v"; done
    write_all_the_time "$(for i in $tables; do echo "insert into $NAME.$i (id, v, w) values (NN, 'new NN', NN); update $NAME.$i set v = 'NN' where id = NN % 50; delete from $NAME.$i where id = NN - 20;"; done)"
    sql "alter table $NAME.t_const add d int not null default 7"
    sql "alter table $NAME.t_volatile add s bigserial"
    sql "alter table $NAME.t_again drop w, add w int default 3"
    sql "alter table $NAME.t_renamed rename w to x"
    sql "alter table $NAME.t_using alter v type text using 'was ' || v"
    sql "alter table $NAME.t_type alter w type text using (w * 2)::text"
    sql "update $NAME.t_key set w = id + 100000; alter table $NAME.t_key drop constraint t_key_pkey, alter w set default 0, alter w set not null, add primary key (id, w)"
    sql "drop table $NAME.t_made; create table $NAME.t_made (id int primary key, v text, w int); insert into $NAME.t_made values (1, 'other', 1)"
    sql "create table $NAME.t_fill (id int primary key, v text, w int, filled bool); insert into $NAME.t_fill select g, 'filled ' || g, g, true from generate_series(1, 30) g"
    sql "begin; alter table $NAME.t_swap rename to t_old; alter table $NAME.t_fill rename to t_swap; commit"
    sql "begin; alter table $NAME.t_two rename v to x; alter table $NAME.t_two add v text default 'v'; commit"
    wait_until grep -q "is read again: .* while the log went on" "$DIR/err"
    sql "alter table $NAME.t_const add e text default 'later'"
    quiet
    equal t_const "id, v, w, d, e"
    equal t_volatile "id, v, w, s"
    equal t_again "id, v, w"
    equal t_renamed "id, v, x"
    equal t_using "id, v, w"
    equal t_type "id, v, w"
    equal t_key "id, v, w"
    equal t_made "id, v, w"
    equal t_swap "id, v, w"
    equal t_old "id, v, w"
    equal t_two "id, v, w, x"
    equal u "id, v, w"
    is "u" 0 "$(read_again u)"
    not test -e "$DIR/failed"
    # The log goes on.
    sql "insert into $NAME.t_const values (1, 'last', 1, 1, 'x') on conflict (id) do update set v = 'last'; insert into $NAME.u values (0, 'last')"
    equal t_const "id, v, w, d, e"
    equal u "id, v, w"
    stop_supervised
}

# Has the stream seen table t as it is now? Of two changes between two looks it knows only that both were made: a TRUNCATE and a
# new column look like a column whose values were written.
form_now() { sql "select relfilenode || ' ' || (select sum(xmin::text::int8) from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) from pg_class c where oid = '$NAME.t'::regclass"; }
form_seen() { [ "$(jq -r '.offsets[].state.shapes.tables[] | select(.table == "t") | .is | "\(.file) \([.cols[][4]] | add)"' "$STATE/pg-cdc-$NAME.offset")" = "$(form_now)" ]; }

@test "what changes no row of before: the line goes on, and nothing is read again" {
    sql "create table $NAME.small (id int primary key, n int); insert into $NAME.small values (1, 1); create table $NAME.old (id int primary key, n int); insert into $NAME.old values (1, 1)"
    sql "create table $NAME.t (id int primary key, v varchar(10), n numeric(6,2), w int, gone int); insert into $NAME.t select g, g, g, g, g from generate_series(1, 50) g"
    supervise "$(copy_line)"
    equal t "id, v"
    sql "alter table $NAME.t add a int"
    sql "alter table $NAME.t add b text default null"
    sql "alter table $NAME.t drop gone"
    sql "alter table $NAME.t alter v type varchar(20)"
    sql "alter table $NAME.t alter v type text"
    sql "alter table $NAME.t alter n type numeric(10,2)"
    sql "alter table $NAME.t alter w set default 5, alter w set not null, alter v set statistics 50"
    wait_until form_seen
    sql "analyze $NAME.t"
    sql "create index on $NAME.t (v); grant select on $NAME.t to public; alter table $NAME.t add check (id > 0)"
    sql "vacuum full $NAME.t"
    sql "cluster $NAME.t using t_pkey"
    sql "truncate $NAME.small; insert into $NAME.small values (7, 7)"
    wait_until small_seen
    sql "vacuum full $NAME.old"
    wait_until old_seen
    sql "create table $NAME.other (id int primary key, v text); insert into $NAME.other values (1, 'x')"
    sql "insert into $NAME.t values (100, 'a', 1, 1, 1, 'b')"
    equal t "id, v, n, w, a, b"
    equal other "id, v"
    sql "truncate $NAME.t; insert into $NAME.t values (200, 'a', 1, 1, 1, 'b')"
    equal t "id, v, n, w, a, b"
    wait_until form_seen
    sql "alter table $NAME.t add c int"
    sql "insert into $NAME.t values (201, 'a', 1, 1, 1, 'b', 3)"
    equal t "id, v, n, w, a, b, c"
    equal small "id, n"
    is "ends" 0 "$(ends_with_75)"
    is "read again" 0 "$(read_again t)"
    is "read again after VACUUM FULL" 0 "$(read_again old)"
    stop_supervised
    not grep -q 75 "$DIR/ends"
}

file_seen() { [ "$(jq -r --arg t "$1" '.offsets[].state.shapes.tables[] | select(.table == $t).is.file' "$STATE/pg-cdc-$NAME.offset")" = "$(sql "select relfilenode from pg_class where oid = '$NAME.$1'::regclass")" ]; }
small_seen() { file_seen small; }
old_seen() { file_seen old; }

# The same of a partition of p, after a while.
file_of_part() { sql "select relfilenode from pg_class where oid = '$NAME.$1'::regclass"; }
part_seen() { jq -e --argjson file "$(file_of_part "$1")" '[.offsets[].state.shapes.tables[] | select(.table == "p").is.parts[][1]] | index($file)' "$STATE/pg-cdc-$NAME.offset" >/dev/null; }
form_seen_of() { wait_until part_seen "$1"; }

# Each with rows of before the change: alone, it is what shows that they were not changed in a copy.
five() { echo "create table $NAME.$1 (id int primary key, x int); insert into $NAME.$1 select g, g from generate_series(1, 5) g"; }

# What a copy keeps of a column that the source has dropped must not come back with the next one of that name.
@test "a column is dropped, and one of its name added later, with a look between: no old value is left" {
    sql "create table $NAME.t (id int primary key, v text, c int); insert into $NAME.t values (1, 'a', 5), (2, 'b', 6)"
    supervise "$(copy_line)"
    equal t "id, v, c"
    sql "alter table $NAME.t drop c"
    wait_until form_seen
    sql "insert into $NAME.t values (3, 'c')"
    equal t "id, v"
    sql "alter table $NAME.t add c int"
    sql "insert into $NAME.t values (4, 'd', 8)"
    equal t "id, v, c"
    sql "alter table $NAME.t add w int"
    sql "insert into $NAME.t values (5, 'e', 9, 9)"
    equal t "id, v, c, w"
    sql "alter table $NAME.t drop w"
    wait_until form_seen
    sql "alter table $NAME.t add w int"
    sql "insert into $NAME.t values (6, 'f', 10, 10)"
    equal t "id, v, c, w"
    stop_supervised
}

@test "a table that is made, filled and altered in one transaction: the copy has its rows as they are at its end" {
    supervise "$(sql "create table $NAME.u (id int primary key); insert into $NAME.u values (1)"; copy_line)"
    equal u id
    sql "$(five t_add); alter table $NAME.t_add add d int default 7; insert into $NAME.t_add values (6, 6)"
    sql "$(five t_type); alter table $NAME.t_type alter x type text using 'v' || x; insert into $NAME.t_type values (6, 6)"
    sql "$(five t_again); alter table $NAME.t_again drop x; alter table $NAME.t_again add x int; insert into $NAME.t_again values (6, 6)"
    sql "$(five t_column); alter table $NAME.t_column rename x to y; insert into $NAME.t_column values (6, 6)"
    sql "$(five t_made); drop table $NAME.t_made; create table $NAME.t_made (id int primary key, x int); insert into $NAME.t_made values (6, 6)"
    sql "$(five t_new); alter table $NAME.t_new rename to t_named; insert into $NAME.t_named values (6, 6)"
    # Nothing of these is another value.
    sql "create table $NAME.t_plain (id serial primary key, x int default 5 unique); insert into $NAME.t_plain select g, g from generate_series(1, 5) g; alter table $NAME.t_plain add z text, alter x set not null; create index on $NAME.t_plain (z); insert into $NAME.t_plain values (6, 6, 'z')"
    equal t_add "id, x, d"
    equal t_type "id, x"
    equal t_again "id, x"
    equal t_column "id, y"
    equal t_made "id, x"
    equal t_named "id, x"
    equal t_plain "id, x, z"
    is "u" 0 "$(read_again u)"
    stop_supervised
}

@test "while nobody reads: tables that are made, filled and altered, and columns that are there in between only" {
    local i
    for i in t_between t_twice t_gone; do sql "$(five $i)"; done
    for i in t_swap t_lent; do sql "create table $NAME.$i (id int primary key, a text, b text); insert into $NAME.$i values (1, 'a', 'b')"; done
    supervise "$(copy_line)"
    for i in t_between t_twice t_gone; do equal $i "id, x"; done
    for i in t_swap t_lent; do equal $i "id, a, b"; done
    stop_supervised
    for i in t_add t_type t_again t_column t_made t_back t_key t_more; do sql "$(five $i)"; done
    sql "alter table $NAME.t_add add d int default 7"
    sql "alter table $NAME.t_type alter x type text using 'v' || x"
    sql "alter table $NAME.t_again drop x"
    sql "alter table $NAME.t_again add x int"
    sql "alter table $NAME.t_column rename x to y"
    sql "drop table $NAME.t_made"
    sql "create table $NAME.t_made (id int primary key, x int); insert into $NAME.t_made values (6, 6)"
    sql "alter table $NAME.t_back alter x type text"
    sql "alter table $NAME.t_back alter x type int using x::int + 1"
    sql "alter table $NAME.t_key drop constraint t_key_pkey, add primary key (x)"
    sql "update $NAME.t_key set id = 0"
    sql "alter table $NAME.t_more add y int"
    sql "insert into $NAME.t_more values (6, 6, 6)"
    sql "alter table $NAME.t_between add b int"
    sql "insert into $NAME.t_between values (6, 6, 6)"
    sql "alter table $NAME.t_between rename b to y"
    sql "insert into $NAME.t_between values (7, 7, 7)"
    sql "alter table $NAME.t_twice add b int"
    sql "insert into $NAME.t_twice values (6, 6, 6)"
    sql "alter table $NAME.t_twice drop b"
    sql "alter table $NAME.t_twice add b int"
    for i in 1 2; do
        sql "alter table $NAME.t_swap rename a to c; alter table $NAME.t_swap rename b to a; alter table $NAME.t_swap rename c to b"
        sql "insert into $NAME.t_swap (id, a, b) values ($i + 1, 'a', 'b')"
    done
    sql "alter table $NAME.t_lent drop b; alter table $NAME.t_lent rename a to b"
    sql "insert into $NAME.t_lent values (2, 'b')"
    sql "alter table $NAME.t_lent rename b to a"
    sql "insert into $NAME.t_gone values (6, 6)"
    sql "alter table $NAME.t_gone add b int"
    sql "insert into $NAME.t_gone values (7, 7, 7)"
    sql "alter table $NAME.t_gone drop x"
    sql "insert into $NAME.t_gone values (8, 8)"
    supervise "$(copy_line)"
    equal t_add "id, x, d"
    equal t_type "id, x"
    equal t_again "id, x"
    equal t_column "id, y"
    equal t_made "id, x"
    equal t_back "id, x"
    equal t_key "id, x"
    equal t_more "id, x, y"
    equal t_between "id, x, y"
    equal t_twice "id, x, b"
    equal t_gone "id, b"
    equal t_swap "id, a, b"
    equal t_lent "id, a"
    is "t_more" 0 "$(read_again t_more)"
    is "t_gone" 0 "$(read_again t_gone)"
    stop_supervised
}

# The statement that writes the rows puts the value into them, and takes it out of the catalog.
@test "while nobody reads: a column is added with a default, and VACUUM FULL or CLUSTER follows: the copy has its values" {
    local table tables="t_vacuum t_cluster t_root t_more"
    for table in t_vacuum t_cluster t_more u; do sql "create table $NAME.$table (id int primary key, v text); insert into $NAME.$table select g, 'row ' || g from generate_series(1, 50) g"; done
    sql "create table $NAME.t_root (id int primary key, v text) partition by range (id); create table $NAME.t_part partition of $NAME.t_root for values from (0) to (100); insert into $NAME.t_root values (1, 'row')"
    supervise "$(copy_line)"
    for table in $tables u; do equal "$table" "id, v"; done
    stop_supervised
    for table in $tables; do sql "alter table $NAME.$table add c int default 7"; done
    sql "alter table $NAME.t_more alter c drop default"
    sql "vacuum full $NAME.t_vacuum"
    sql "cluster $NAME.t_cluster using t_cluster_pkey"
    sql "vacuum full $NAME.t_part"
    sql "vacuum full $NAME.t_more"
    sql "vacuum full $NAME.u"
    rm "$DIR/stop"
    supervise "$(copy_line)"
    for table in $tables; do equal "$table" "id, v, c"; done
    sql "insert into $NAME.u values (51, 'last')"
    equal u "id, v"
    is "VACUUM FULL alone" 0 "$(read_again u)"
    not test -e "$DIR/failed"
}

# open_transaction NAME FD: it writes to t, and is still there when something else is.
open_transaction() {
    mkfifo "$DIR/$1"
    PGAPPNAME=$1 PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c 'exec psql -XqAt -d "$1" <"$0"' "$DIR/$1" "$DATABASE"
    eval "exec $2>'$DIR/$1'"
    echo "begin; insert into $NAME.t values (7$2, 'never');" >&"$2"
    wait_until -t 30 is_open "$1"
}
is_open() { [ -n "$(sql "select backend_xid from pg_stat_activity where application_name = '$1' and state = 'idle in transaction'")" ]; }
slot_waits_for() { [ "$(sql "select count(*) from pg_stat_activity w, pg_stat_activity t where w.backend_type = 'walsender' and t.pid = any (pg_blocking_pids(w.pid)) and t.application_name = '$1'")" = 1 ]; }
roll_back() {
    echo "rollback;" >&"$1"
    eval "exec $1>&-"
}
@test "a slot that is made while transactions are rolled back: what is done to tables later is seen" {
    local xids
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t values (1, 'a'), (2, 'b')"
    open_transaction first 7
    supervise "$(copy_line)"
    wait_until -t 30 slot_waits_for first
    open_transaction second 8
    roll_back 7
    wait_until -t 30 slot_waits_for second
    open_transaction third 9
    roll_back 8
    equal t "id, v"
    roll_back 9
    wait_until test -s "$STATE/pg-cdc-$NAME.offset"
    xids=$(jq -r '.offsets[].state.shapes.xids' "$STATE/cdc-snapshot-$NAME.offset")
    [ "$(cut -d: -f1 <<<"$xids")" -gt "$(cut -d: -f2 <<<"$xids")" ] || fail "its snapshot is as any other: $xids"
    sql "alter table $NAME.t add d int default 7"
    equal t "id, v, d"
    sql "insert into $NAME.t values (3, 'c', 8)"
    equal t "id, v, d"
    stop_supervised
}

@test "a generated column becomes a plain one: rows of before have its values, too" {
    sql "create table $NAME.t (id int primary key, x int, g int generated always as (x * 2) stored); insert into $NAME.t select g, g from generate_series(1, 5) g"
    supervise "$(copy_line)"
    equal t "id, x"
    sql "alter table $NAME.t alter g drop expression; insert into $NAME.t values (6, 6, 6)"
    equal t "id, x, g"
    is "t" 1 "$(read_again t)"
    stop_supervised
}

# bats test_tags=only:postgresql-15
@test "a condition for rows that counts while a schema is not published with its table" {
    sql "create table $NAME.t (id int primary key, v text); alter table $NAME.t replica identity full; insert into $NAME.t values (1, 'a'); create publication cdc_$NAME for table $NAME.t where (id < 10), tables in schema $NAME"
    supervise "$(copy_line)"
    equal t "id, v"
    stop_supervised
    sql "alter publication cdc_$NAME drop tables in schema $NAME"
    sql "insert into $NAME.t values (20, 'unseen')"
    sql "alter publication cdc_$NAME add tables in schema $NAME"
    supervise "$(copy_line)"
    equal t "id, v"
    stop_supervised
}

is_copied() { [ "$(rows_copied "$1" id | xargs)" = "$2" ]; }

# bats test_tags=only:postgresql-15
@test "while nobody reads: tables that are changed, come into the publication, are taken out and added again, get another filter" {
    sql "create table $NAME.a (id int primary key, v text); create table $NAME.b (id int primary key, v text); create table $NAME.c (id int primary key, v text)"
    sql "insert into $NAME.a values (1, 'a'); insert into $NAME.b values (1, 'b'); insert into $NAME.c values (1, 'c'), (20, 'c'); alter table $NAME.c replica identity full"
    sql "create publication cdc_$NAME for table $NAME.a, $NAME.b, $NAME.c"
    supervise "$(copy_line)"
    equal a "id, v"
    stop_supervised
    sql "create table $NAME.d (id int primary key, v text); insert into $NAME.d values (1, 'd'); create table $NAME.e (id int primary key, v text); insert into $NAME.e values (1, 'e')"
    sql "alter table $NAME.a add d int default 4"
    sql "alter publication cdc_$NAME drop table $NAME.b; insert into $NAME.b values (2, 'unseen'); alter publication cdc_$NAME add table $NAME.b"
    sql "alter publication cdc_$NAME set table $NAME.a, $NAME.b, $NAME.c where (id > 10), $NAME.d"
    sql "insert into $NAME.a values (2, 'a', 9); insert into $NAME.d values (2, 'd')"
    supervise "$(copy_line)"
    equal a "id, v, d"
    equal b "id, v"
    equal d "id, v"
    wait_until -t 30 is_copied c 20
    sql "alter publication cdc_$NAME add table $NAME.e; insert into $NAME.e values (2, 'e')"
    equal e "id, v"
    sql "alter publication cdc_$NAME set (publish = 'insert'); update $NAME.e set v = 'unseen'; insert into $NAME.d values (3, 'd')"
    equal d "id, v"
    sql "alter publication cdc_$NAME set (publish = 'insert, update, delete, truncate')"
    equal e "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}

# bats test_tags=only:postgresql-15
@test "a table that is filled before its rows are in any line: made UNLOGGED, attached, or away from its name" {
    sql "create table $NAME.a (id int primary key, v text); insert into $NAME.a values (1, 'a'); create table $NAME.b (id int primary key, v text)"
    sql "create table $NAME.n (id int primary key, n int); insert into $NAME.n select g, g from generate_series(1, 5) g; create table $NAME.emptied (id int primary key, n int); insert into $NAME.emptied values (1, 1)"
    supervise "$(copy_line)"
    equal a "id, v"
    sql "create unlogged table $NAME.bulk (id int primary key, v text); insert into $NAME.bulk select g, 'bulk' from generate_series(1, 500) g; alter table $NAME.bulk set logged; insert into $NAME.bulk values (1000, 'in the log')"
    equal bulk "id, v"
    stop_supervised
    # Each of it hides from whoever looks only now and then.
    sql "create unlogged table $NAME.more (id int primary key, v text); insert into $NAME.more values (1, 'more'); alter table $NAME.more set logged"
    sql "alter table $NAME.a set unlogged; insert into $NAME.a values (2, 'unseen'); alter table $NAME.a set logged; insert into $NAME.a values (3, 'seen')"
    # No large values: nothing in the catalogs tells these from VACUUM FULL and TRUNCATE.
    sql "alter table $NAME.n set unlogged; update $NAME.n set n = 60 where id = 2; delete from $NAME.n where id = 3; insert into $NAME.n values (7, 7); alter table $NAME.n set logged; insert into $NAME.n values (8, 8)"
    sql "alter table $NAME.emptied set unlogged"
    sql "delete from $NAME.emptied; alter table $NAME.emptied set logged"
    sql "create schema ${NAME}_x; alter table $NAME.b set schema ${NAME}_x; insert into ${NAME}_x.b values (1, 'unseen'); alter table ${NAME}_x.b set schema $NAME; drop schema ${NAME}_x"
    supervise "$(copy_line)"
    equal more "id, v"
    equal a "id, v"
    equal b "id, v"
    # While the stream runs, and while nobody reads: a schema that has another name for a while, or is filled under one.
    sql "alter schema $NAME rename to ${NAME}_x"; sql "insert into ${NAME}_x.n values (9, 9)"; sql "alter schema ${NAME}_x rename to $NAME; insert into $NAME.n values (10, 10)"
    equal n "id, n"
    stop_supervised
    sql "alter schema $NAME rename to ${NAME}_x"
    sql "update ${NAME}_x.n set n = 70 where id = 7"
    sql "create table ${NAME}_x.filled (id int primary key, v text)"
    sql "insert into ${NAME}_x.filled values (1, 'unseen')"
    sql "alter schema ${NAME}_x rename to $NAME"
    sql "insert into $NAME.filled values (2, 'seen')"
    supervise "$(copy_line)"
    equal filled "id, v"
    equal n "id, n"
    equal emptied "id, n"
    not test -e "$DIR/failed"
    stop_supervised
}

@test "partitions under a root: detached, attached with rows, truncated, dropped, and made for tomorrow" {
    sql "create table $NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10); create table $NAME.p2 partition of $NAME.p for values from (10) to (20); create table $NAME.p3 partition of $NAME.p for values from (20) to (30)"
    sql "insert into $NAME.p select g, 'row ' || g from generate_series(0, 29) g; create table $NAME.q (id int primary key, v text); insert into $NAME.q values (45, 'q')"
    SOURCE_EXTRA="-T '$NAME.q' -T '$NAME.p_*'"
    supervise "$(copy_line)"
    equal p "id, v"
    sql "begin; create table $NAME.p4 partition of $NAME.p for values from (30) to (40); insert into $NAME.p values (31, 'new'); commit"
    equal p "id, v"
    is "after a new one" 0 "$(read_again p)"
    sql "alter table $NAME.p detach partition $NAME.p1"
    equal p "id, v"
    sql "alter table $NAME.p attach partition $NAME.q for values from (40) to (50); insert into $NAME.p values (41, 'new')"
    equal p "id, v"
    sql "alter table $NAME.p detach partition $NAME.p2; update $NAME.p2 set v = 'away'; alter table $NAME.p attach partition $NAME.p2 for values from (10) to (20)"
    equal p "id, v"
    local times
    times=$(read_again p)
    sql "vacuum full $NAME.p2"
    sql "update $NAME.p set v = 'after it' where id = 12"
    equal p "id, v"
    form_seen_of p2
    is "after VACUUM FULL of a partition" "$times" "$(read_again p)"
    sql "truncate $NAME.p3"
    equal p "id, v"
    sql "drop table $NAME.p3; insert into $NAME.p values (11, 'x') on conflict (id) do update set v = 'x'"
    equal p "id, v"
    sql "alter table $NAME.p add d int default 6"
    equal p "id, v, d"
    not test -e "$DIR/failed"
    stop_supervised
}

# A server before 16 goes on with the schema's name that it has sent.
@test "a schema gets another name for good, while the line runs: changes come under that name" {
    sql "create schema a_$NAME; create table a_$NAME.t (id int primary key, v text); create publication cdc_$NAME for all tables"
    supervise "{ cdc-snapshot --name $NAME -t '?_$NAME.*' --state-dir '$STATE' '$URL' && exec pg-cdc --heartbeat 1 --name $NAME -t '?_$NAME.*' --state-dir '$STATE' '$URL'; } | cdc-sink-sqlite --table-name '{schema}_{table}' --state-dir '$STATE' '$DIR/copy.db'"
    copied() { [ "$(sqlite3 "$DIR/copy.db" "select group_concat(v) from (select v from $1 order by id)" 2>/dev/null)" = "$2" ]; }
    sql "insert into a_$NAME.t values (1, 'first')"
    wait_until copied "a_${NAME}_t" "first"
    sql "alter schema a_$NAME rename to b_$NAME"
    wait_until copied "b_${NAME}_t" "first"
    sql "update b_$NAME.t set v = 'changed'; insert into b_$NAME.t values (2, 'new')"
    wait_until -t 30 copied "b_${NAME}_t" "changed,new" || { tail -20 "$DIR/err" >&2; fail "$(sqlite3 "$DIR/copy.db" "select * from a_${NAME}_t")"; }
    is "under the old name" "first" "$(sqlite3 "$DIR/copy.db" "select v from a_${NAME}_t")"
    stop_supervised
    sql "drop schema b_$NAME cascade"
}

# A server before 15 goes by what these tables were when their first change was decoded.
@test "tables that were written to are attached, detached, and away for a while, while the line runs: what is changed after that arrives, and nothing else" {
    sql "create table $NAME.u (id int primary key, v text); create table $NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10); create table $NAME.p2 partition of $NAME.p for values from (10) to (20)"
    sql "create publication cdc_$NAME for table $NAME.p, $NAME.u with (publish_via_partition_root = true)"
    SOURCE_EXTRA="-T '$NAME.p1' -T '$NAME.p2' -T '$NAME.q' -T '$NAME.empty'"
    supervise "$(copy_line)"
    passes() { sql "insert into $NAME.u select coalesce(max(id), 0) + 1, 'x' from $NAME.u"; equal u "id, v"; }
    sql "insert into $NAME.p values (1, 'a'), (11, 'b')"
    sql "create table $NAME.q (id int primary key, v text); insert into $NAME.q values (21, 'before'); create table $NAME.empty (id int primary key, v text); insert into $NAME.empty values (31, 'before'); truncate $NAME.empty"
    passes
    equal p "id, v"
    sql "alter table $NAME.p attach partition $NAME.empty for values from (30) to (40); insert into $NAME.p values (31, 'new')"
    equal p "id, v"
    sql "alter table $NAME.p attach partition $NAME.q for values from (20) to (30)"
    equal p "id, v"
    sql "update $NAME.p set v = 'changed'; insert into $NAME.p values (22, 'new'), (32, 'new')"
    equal p "id, v"
    sql "alter table $NAME.p detach partition $NAME.p2; update $NAME.p2 set v = 'away'; alter table $NAME.p attach partition $NAME.p2 for values from (10) to (20)"
    equal p "id, v"
    sql "update $NAME.p set v = 'back'"
    equal p "id, v"
    sql "alter table $NAME.p detach partition $NAME.p1"
    equal p "id, v"
    sql "insert into $NAME.p1 values (2, 'on its own')"
    passes
    equal p "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}

# Rows that are written to it before that are in no line of the published table.
@test "a partitioned table is made with its partitions, filled, and attached to a published one: the copy has its rows; what is made within that one is not read again" {
    local root
    sql "create table $NAME.u (id int primary key, v text); insert into $NAME.u values (1, 'u')"
    sql "create table $NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10); insert into $NAME.p values (1, 'a')"
    sql "create table $NAME.q (id int primary key, v text) partition by range (id); create table $NAME.q1 partition of $NAME.q for values from (0) to (10); insert into $NAME.q values (1, 'a')"
    sql "create publication cdc_$NAME for table $NAME.p, $NAME.q, $NAME.u with (publish_via_partition_root = true)"
    SOURCE_EXTRA="-T '$NAME.s_*'"
    supervise "$(copy_line)"
    for root in p q u; do equal $root "id, v"; done
    stop_supervised
    sql "create table $NAME.s_p (id int primary key, v text) partition by range (id); create table $NAME.s_p1 partition of $NAME.s_p for values from (10) to (20); insert into $NAME.s_p values (11, 'before')"
    sql "alter table $NAME.p attach partition $NAME.s_p for values from (10) to (30); insert into $NAME.p values (12, 'after')"
    sql "create table $NAME.s_q partition of $NAME.q for values from (10) to (30) partition by range (id)"
    sql "create table $NAME.s_q1 partition of $NAME.s_q for values from (10) to (20); insert into $NAME.q values (11, 'x')"
    rm "$DIR/stop"
    supervise "$(copy_line)"
    for root in p q; do equal $root "id, v"; done
    is "what was made within q" 0 "$(read_again q)"
    stop_supervised
    # By their own names.
    sql "alter publication cdc_$NAME set (publish_via_partition_root = false)"
    SOURCE_EXTRA=
    rm "$DIR/stop"
    supervise "$(copy_line)"
    equal s_p1 "id, v"
    stop_supervised
    sql "create table $NAME.r (id int primary key, v text) partition by range (id); create table $NAME.r1 partition of $NAME.r for values from (30) to (40); insert into $NAME.r values (31, 'before')"
    sql "alter table $NAME.p attach partition $NAME.r for values from (30) to (50); insert into $NAME.p values (32, 'after')"
    rm "$DIR/stop"
    supervise "$(copy_line)"
    equal r1 "id, v"
    stop_supervised
}

@test "the only partition under a root is truncated: the copy has none of its rows" {
    sql "create table $NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10); insert into $NAME.p values (1, 'a'), (2, 'b')"
    supervise "$(copy_line)"
    equal p "id, v"
    sql "truncate $NAME.p1; insert into $NAME.p values (3, 'c')"
    equal p "id, v"
    sql "truncate $NAME.p; insert into $NAME.p values (4, 'd')"
    equal p "id, v"
    stop_supervised
}

@test "changes of partitions get the other name: those under whose names they come now are read" {
    sql "create table $NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10); create table $NAME.p2 partition of $NAME.p for values from (10) to (20); insert into $NAME.p values (1, 'a'), (11, 'b')"
    sql "create publication cdc_$NAME for table $NAME.p with (publish_via_partition_root = true)"
    supervise "$(copy_line)"
    equal p "id, v"
    sql "alter publication cdc_$NAME set (publish_via_partition_root = false); insert into $NAME.p values (2, 'c')"
    equal p1 "id, v"
    equal p2 "id, v"
    sql "alter publication cdc_$NAME set (publish_via_partition_root = true); insert into $NAME.p values (12, 'd')"
    equal p "id, v"
    stop_supervised
}

@test "partitions by their own names: one that was away from the partitioned table, written to, and is back, is read again" {
    sql "create table $NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10) partition by range (id); create table $NAME.p1a partition of $NAME.p1 for values from (0) to (5); create table $NAME.p1b partition of $NAME.p1 for values from (5) to (10); create table $NAME.p2 partition of $NAME.p for values from (10) to (20); insert into $NAME.p values (1, 'a'), (6, 'b'), (11, 'c')"
    sql "create publication cdc_$NAME for table $NAME.p with (publish_via_partition_root = false)"
    supervise "$(copy_line)"
    for part in p1a p1b p2; do equal $part "id, v"; done
    sql "alter table $NAME.p1 detach partition $NAME.p1a; update $NAME.p1a set v = 'away'; alter table $NAME.p1 attach partition $NAME.p1a for values from (0) to (5)"
    equal p1a "id, v"
    is "p1b" 0 "$(read_again p1b)"
    # In one transaction, and with what is above it.
    sql "begin; alter table $NAME.p detach partition $NAME.p1; delete from $NAME.p1b; alter table $NAME.p attach partition $NAME.p1 for values from (0) to (10); commit"
    equal p1b "id, v"
    is "p2" 0 "$(read_again p2)"
    stop_supervised
}

# bats test_tags=only:postgresql-15
@test "partitions that are published with the schema of the partitioned table: it was in another schema meanwhile, and they are read again" {
    sql "create schema root_$NAME; create schema away_$NAME; create table root_$NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of root_$NAME.p for values from (0) to (10) partition by range (id); create table $NAME.p1a partition of $NAME.p1 for values from (0) to (10); create table $NAME.p2 partition of root_$NAME.p for values from (10) to (20); create table $NAME.t (id int primary key, v text); insert into root_$NAME.p values (1, 'a'), (2, 'b'), (11, 'c'); insert into $NAME.t values (1, 't')"
    sql "create publication cdc_$NAME for tables in schema root_$NAME, table $NAME.t"
    supervise "$(copy_line)"
    for part in p1a p2 t; do equal $part "id, v"; done
    sql "alter table root_$NAME.p set schema away_$NAME; update $NAME.p1a set v = 'away' where id = 1; delete from $NAME.p1a where id = 2; update $NAME.p2 set v = 'away'; alter table away_$NAME.p set schema root_$NAME"
    for part in p1a p2; do equal $part "id, v"; done
    sql "insert into $NAME.p1a values (4, 'later')"
    equal p1a "id, v"
    stop_supervised
    sql "alter table root_$NAME.p set schema away_$NAME; delete from $NAME.p2; alter table away_$NAME.p set schema root_$NAME"
    supervise "$(copy_line)"
    equal p2 "id, v"
    # The server's walsender has met them as partitions that are not published.
    sql "insert into $NAME.p2 values (12, 'last'); insert into $NAME.p1a values (3, 'last')"
    for part in p1a p2; do equal $part "id, v"; done
    is "t" 0 "$(read_again t)"
    stop_supervised
    sql "drop schema root_$NAME, away_$NAME cascade"
}

# bats test_tags=only:postgresql-15
@test "a table that is in a schema for a while which is not published, and has another owner since: it is read again" {
    sql "create schema away_$NAME; create role owner_$NAME; grant all on schema $NAME to owner_$NAME; create table $NAME.t (id int primary key, v text); create table $NAME.u (id int primary key, v text); insert into $NAME.t values (1, 'a'), (2, 'b'); insert into $NAME.u values (1, 'a')"
    sql "create publication cdc_$NAME for tables in schema $NAME"
    supervise "$(copy_line)"
    for table in t u; do equal $table "id, v"; done
    stop_supervised
    sql "alter table $NAME.t set schema away_$NAME; update away_$NAME.t set v = 'away' where id = 1; insert into away_$NAME.t values (3, 'away'); alter table away_$NAME.t set schema $NAME; alter table $NAME.t owner to owner_$NAME; alter table $NAME.u owner to owner_$NAME; update $NAME.u set v = 'later'"
    supervise "$(copy_line)"
    for table in t u; do equal $table "id, v"; done
    is "u" 0 "$(read_again u)"
    stop_supervised
    sql "drop schema away_$NAME cascade; drop owned by owner_$NAME cascade; drop role owner_$NAME"
}

@test "partitions by their own names: the partitioned table is in the publication for a while, so that their changes come under its name" {
    local root='create table %s.p (id int primary key, v text) partition by range (id)'
    # shellcheck disable=SC2059
    sql "create schema root_$NAME; $(printf "$root" "root_$NAME"); create table $NAME.p1 partition of root_$NAME.p for values from (0) to (10); create table $NAME.p2 partition of root_$NAME.p for values from (10) to (20) partition by range (id); create table $NAME.p2a partition of $NAME.p2 for values from (10) to (20); create table $NAME.t (id int primary key, v text); insert into root_$NAME.p values (1, 'a'), (2, 'b'), (11, 'c'); insert into $NAME.t values (1, 't')"
    sql "create publication cdc_$NAME for table $NAME.p1, $NAME.p2, $NAME.t with (publish_via_partition_root = true)"
    supervise "$(copy_line)"
    for table in p1 p2 t; do equal $table "id, v"; done
    stop_supervised
    sql "alter publication cdc_$NAME add table root_$NAME.p; update $NAME.p1 set v = 'for a while' where id = 1; delete from $NAME.p1 where id = 2; update $NAME.p2a set v = 'for a while'; update $NAME.t set v = 'u'; alter publication cdc_$NAME drop table root_$NAME.p"
    supervise "$(copy_line)"
    for table in p1 p2 t; do equal $table "id, v"; done
    is "t" 0 "$(read_again t)"
    # A table above all of them comes and goes.
    sql "create table root_$NAME.top (id int primary key, v text) partition by range (id); alter publication cdc_$NAME add table root_$NAME.top"
    stop_supervised
    sql "alter table root_$NAME.top attach partition root_$NAME.p for values from (0) to (100); update $NAME.p2a set v = 'under the top'; delete from $NAME.p1; alter table root_$NAME.top detach partition root_$NAME.p"
    supervise "$(copy_line)"
    for table in p1 p2 t; do equal $table "id, v"; done
    is "t" 0 "$(read_again t)"
    stop_supervised
    sql "drop schema root_$NAME cascade"
}

@test "partitions by their own names are truncated while the partitioned table is in the publication: the copy has none of their rows" {
    sql "create schema root_$NAME; create table root_$NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of root_$NAME.p for values from (0) to (10); create table $NAME.p2 partition of root_$NAME.p for values from (10) to (20); create table $NAME.t (id int primary key, v text); insert into root_$NAME.p values (1, 'a'), (11, 'b'); insert into $NAME.t values (1, 't')"
    sql "create publication cdc_$NAME for table $NAME.p1, $NAME.p2, $NAME.t with (publish_via_partition_root = true)"
    supervise "$(copy_line)"
    for table in p1 p2 t; do equal $table "id, v"; done
    for truncated in "$NAME.p1" "root_$NAME.p"; do
        sql "alter publication cdc_$NAME add table root_$NAME.p; truncate $truncated; alter publication cdc_$NAME drop table root_$NAME.p; update $NAME.t set v = '$truncated'"
        for table in p1 p2 t; do equal $table "id, v"; done
        sql "insert into root_$NAME.p values (2, 'c'), (12, 'd')"
        for table in p1 p2; do equal $table "id, v"; done
        stop_supervised
        sql "alter publication cdc_$NAME add table root_$NAME.p; truncate $truncated; alter publication cdc_$NAME drop table root_$NAME.p; insert into root_$NAME.p values (3, 'e'), (13, 'f')"
        supervise "$(copy_line)"
        for table in p1 p2; do equal $table "id, v"; done
        sql "truncate root_$NAME.p; insert into root_$NAME.p values (2, 'g'), (12, 'h')"
    done
    is "t" 0 "$(read_again t)"
    stop_supervised
    sql "drop schema root_$NAME cascade"
}

@test "a publication that did not publish all operations for a while, and was altered in another respect since: all is read again" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t values (1, 'a'), (2, 'b'), (3, 'c'); create publication cdc_$NAME for table $NAME.t"
    supervise "$(copy_line)"
    equal t "id, v"
    sql "alter publication cdc_$NAME set (publish = 'insert'); delete from $NAME.t where id = 2; alter publication cdc_$NAME set (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)"
    equal t "id, v"
    # It does not publish all of them since, either.
    sql "alter publication cdc_$NAME set (publish = 'insert'); update $NAME.t set v = 'changed'; alter publication cdc_$NAME set (publish = 'insert, update, delete')"
    equal t "id, v"
    stop_supervised
}

@test "a schema that has another name for a while, and is written to under it: its tables are read again, those that were not written are not" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row' from generate_series(1, 20) g; create table $NAME.u (id int primary key, v text); insert into $NAME.u values (1, 'u')"
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    stop_supervised
    sql "alter schema $NAME rename to away_$NAME"
    sql "update away_$NAME.t set v = 'away' where id < 5; delete from away_$NAME.t where id > 15"
    sql "alter schema away_$NAME rename to $NAME"
    sql "grant usage on schema $NAME to public; update $NAME.u set v = 'later'"
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    is "t" 1 "$(read_again t)"
    is "u" 0 "$(read_again u)"
    stop_supervised
}

@test "a table has a name that is left out for a moment, again and again: it is never read under that name" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row' from generate_series(1, 10) g"
    SOURCE_EXTRA="-T '$NAME.left_out'"
    supervise "$(copy_line)"
    equal t "id, v"
    # What the stream asks of the tables, it asks in several questions, between which they get other names.
    for i in {1..120}; do
        echo "alter table $NAME.t rename to left_out; select pg_sleep(random() * 0.08); update $NAME.left_out set v = 'away $i' where id = 1;"
        echo "alter table $NAME.left_out rename to t; select pg_sleep(random() * 0.08);"
    done | sql_file >/dev/null
    sql "insert into $NAME.t values (11, 'after')"
    equal t "id, v"
    stop_supervised
    not grep -E '"left_out" is (to be )?read again' "$DIR/err"
    is "tables of that name in the copy" 0 "$(sqlite3 "$DIR/copy.db" "select count(*) from sqlite_master where name = 'left_out'")"
}

@test "a table gets another key, and its schema another name, before the line begins: rows of the new key wait until the table is read" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row' from generate_series(1, 20) g"
    supervise "$(copy_line)"
    equal t "id, v"
    stop_supervised
    sql "alter table $NAME.t drop constraint t_pkey, add n bigserial, add primary key (n); insert into $NAME.t (id, v) values (5, 'twice')"
    sql "alter schema $NAME rename to away_$NAME"
    supervise "$(copy_line)"
    wait_for_match "$DIR/err" 'no table is selected'
    wait_until lines_at_least "$DIR/ends" 2
    not test -e "$DIR/failed"
    sql "alter schema away_$NAME rename to $NAME"
    equal t "n, id, v"
    stop_supervised
}

# Until it ends the server keeps its catalogs for the log as they were before: whether a key is as old as a change does not show there.
hold_a_transaction() {
    # shellcheck disable=SC2016
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c '{ echo "begin; select pg_current_xact_id();"; until [ -e "$0.let-go" ]; do sleep 0.05; done; echo "commit;"; } | psql -XqAt -d "$1" >"$0.held"' "$DIR/$1" "$DATABASE"
    wait_for_lines "$DIR/$1.held" 1
}
# A truncated line is no JSON.
lines_without_key() { jq -R 'fromjson? | select((.op == "schema" and (.key_columns | length) == 0) or (.op | IN("c", "u", "d") and .key == null))' "$DIR/lines" | jq -s length; }
keys_of_copy() { sqlite3 "$DIR/copy.db" "select group_concat(name) from pragma_table_info('t') where pk"; }

@test "whole old rows (FULL), and a key that was made a moment ago: each line has the key, also after it was made once more" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row' from generate_series(1, 20) g; alter table $NAME.t replica identity full"
    STREAM_EXTRA="--max-events 1000000000" # a read in place would wait a minute for the transaction that is held
    supervise "$(full_line "tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")"
    equal t "id, v"
    wait_for_match "$DIR/lines" '"op":"heartbeat"' # it streams: one that starts later finds the key in the catalog
    hold_a_transaction old
    sql "alter table $NAME.t drop constraint t_pkey, add n bigserial, add primary key (id, n)"
    equal t "id, v, n"
    sql "update $NAME.t set v = 'after' where id < 5; delete from $NAME.t where id = 7; analyze $NAME.t"
    equal t "id, v, n"
    sql "update $NAME.t set v = 'analyzed' where id > 15"
    equal t "id, v, n"
    is "rounds" 1 "$(read_again t)"
    sql "begin; alter table $NAME.t drop constraint t_pkey; alter table $NAME.t add primary key (id, n); insert into $NAME.t values (21, 'new key'); commit"
    equal t "id, v, n"
    is "keys" "id,n" "$(keys_of_copy)"
    touch "$DIR/old.let-go"
    stop_supervised
    is "lines without a key" 0 "$(lines_without_key)"
}

@test "whole old rows (FULL), and a key that was made a moment ago: read in place, and what is changed after that arrives" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row' from generate_series(1, 20) g; alter table $NAME.t replica identity full"
    supervise "$(full_line "tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")"
    equal t "id, v"
    wait_for_match "$DIR/lines" '"op":"heartbeat"' # it streams: one that starts later finds the key in the catalog
    hold_a_transaction old
    # At once, so that no look at the catalog comes between: the log describes the table once from here on.
    sql "alter table $NAME.t drop constraint t_pkey, add primary key (id); update $NAME.t set v = 'at once' where id < 5"
    wait_for_match "$DIR/err" "$NAME.*t.* is to be read again"
    touch "$DIR/old.let-go"
    equal t "id, v"
    sql "update $NAME.t set v = 'later' where id < 3; delete from $NAME.t where id = 9; insert into $NAME.t values (30, 'new')"
    equal t "id, v"
    stop_supervised
    is "lines without a key" 0 "$(lines_without_key)"
}

@test "whole old rows (FULL), read after the table was dropped, or dropped and made again: no line lacks the key" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row' from generate_series(1, 20) g; alter table $NAME.t replica identity full; create table $NAME.u (like $NAME.t including all)"
    sql "alter table $NAME.u replica identity full; insert into $NAME.u values (1, 'u')"
    supervise "$(full_line "tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")"
    equal t "id, v"
    equal u "id, v"
    stop_supervised
    sql "update $NAME.t set v = 'before' where id < 5; update $NAME.u set v = 'before'"
    sql "drop table $NAME.t, $NAME.u; create table $NAME.t (id int primary key, v text); insert into $NAME.t values (1, 'other')"
    supervise "$(full_line "tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")"
    equal t "id, v"
    stop_supervised
    is "lines without a key" 0 "$(lines_without_key)"
}

@test "a composite type has a field more for a while, and rows are written meanwhile: none of them keeps it" {
    sql "create type $NAME.pair as (a int, b text); create table $NAME.t (id int primary key, p $NAME.pair); insert into $NAME.t select g, row(g, 'x')::$NAME.pair from generate_series(1, 20) g"
    SOURCE_EXTRA='--composite text'
    supervise "$(copy_line)"
    equal t "id, p"
    stop_supervised
    sql "alter type $NAME.pair add attribute c int; update $NAME.t set p = (id, 'y', 3) where id < 5"
    sql "alter type $NAME.pair drop attribute c"
    supervise "$(copy_line)"
    equal t "id, p"
    stop_supervised
}

# Files as the first version wrote them, when the snapshot was over: they tell nothing of what the tables were like.
state_of_first_version() {
    local lsn hex pos source system
    sql "create publication $SLOT for tables in schema $NAME with (publish_via_partition_root)"
    lsn=$(sql "select lsn from pg_create_logical_replication_slot('$SLOT', 'pgoutput')")
    hex=$(printf '%08X%08X' "0x${lsn%/*}" "0x${lsn#*/}")
    pos=$hex.0000000000.a0001.000000000217
    system=$(sql "select system_identifier from pg_control_system()")
    source="{\"connector\":\"postgresql\",\"name\":\"$NAME\",\"db\":\"$DATABASE\",\"ts_ms\":1795737104016,\"lsn\":$((16#$hex)),\"snapshot\":\"last\"}"
    echo "{\"format\":1,\"tool\":\"cdc-snapshot\",\"time\":\"2026-11-22T02:20:44Z\",\"offsets\":{\"$NAME\":{\"pos\":\"$pos\",\"seq\":$((16#$hex)),\"lines\":0,\"state\":{\"identity\":{\"system_identifier\":\"$system\",\"timeline\":1,\"database\":\"$DATABASE\",\"slot\":\"$SLOT\"},\"consistent_point\":\"$lsn\",\"attempt\":1,\"written\":\"$pos\",\"finished\":true}}}}" >"$STATE/cdc-snapshot-$NAME.offset"
    echo "{\"format\":1,\"tool\":\"pg-cdc\",\"time\":\"2026-11-22T02:20:44Z\",\"offsets\":{}}" >"$STATE/pg-cdc-$NAME.offset"
    echo "{\"format\":1,\"tool\":\"cdc-sink-sqlite\",\"time\":\"2026-11-22T02:20:44Z\",\"offsets\":{\"$NAME\":{\"pos\":\"$pos\",\"seq\":$((16#$hex)),\"lines\":50,\"source\":$source}}}" >"$STATE/cdc-sink-sqlite.offset"
    sqlite3 "$DIR/copy.db" "create table cdc_offsets(name TEXT PRIMARY KEY, pos TEXT NOT NULL, seq INTEGER NOT NULL, lines INTEGER NOT NULL, source TEXT, state TEXT);
        create table cdc_tables(table_name TEXT PRIMARY KEY COLLATE NOCASE, name TEXT NOT NULL, db TEXT NOT NULL, schema TEXT NOT NULL, source_table TEXT NOT NULL);
        create table cdc_meta(key TEXT PRIMARY KEY, value); insert into cdc_meta values ('format', 1), ('schema_version', 4);
        create table if not exists \"t\" (\"id\" INTEGER, \"v\" TEXT, PRIMARY KEY (\"id\"));
        insert into cdc_offsets values ('$NAME', '$pos', $((16#$hex)), 50, '$source', null);
        insert into cdc_tables values ('t', '$NAME', '$DATABASE', '$NAME', 't'); insert into t values $(sql "select string_agg(format('(%s, %L)', id, v), ',') from $NAME.t")"
}

# bats test_tags=only:postgresql-15
@test "the state of the first version: what was done to a table since is not known, so it is read again, once" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row ' || g from generate_series(1, 50) g"
    state_of_first_version
    sql "update $NAME.t set v = 'later' where id < 10; delete from $NAME.t where id = 50; alter table $NAME.t add c int default 8; insert into $NAME.t values (100, 'new')"
    supervise "$(copy_line)"
    equal t "id, v, c"
    is "times" 1 "$(read_again t)"
    grep -q "an earlier version of pg-cdc kept nothing of what it was like" "$DIR/err" || fail "$(cat "$DIR/err")"
    sql "update $NAME.t set v = 'last' where id > 20"
    equal t "id, v, c"
    stop_supervised
    supervise "$(copy_line)"
    sql "insert into $NAME.t values (101, 'after it')"
    equal t "id, v, c"
    is "times" 1 "$(read_again t)"
    stop_supervised
}

# What is stale is saved with the place at which the run ends, also where the look fails at a later table.
@test "a run with an end finds one table stale, cannot look at another one, and is killed: the next run goes on" {
    local i
    for i in t u w; do sql "create table $NAME.$i (id int primary key, v int); insert into $NAME.$i select g, g from generate_series(1, 5) g"; done
    STREAM_EXTRA="--max-events 1000000000"
    supervise "$(copy_line)"
    for i in t u w; do equal "$i" "id, v"; done
    wait_for_match "$STATE/pg-cdc-$NAME.offset" '"shapes"'
    kill -STOP "$(member "$SUPERVISOR" pg-cdc)"
    sql "alter table $NAME.t add c text default md5(random()::text)"
    sql "vacuum full $NAME.u"
    sql "alter table $NAME.w add c text default md5(random()::text)"
    lock_table u
    kill -CONT "$(member "$SUPERVISOR" pg-cdc)"
    wait_for_match "$STATE/pg-cdc-$NAME.offset" '"stale"'
    kill -KILL "$(member "$SUPERVISOR" pg-cdc)"
    touch "$DIR/let-go"
    equal t "id, v, c"
    equal w "id, v, c"
    equal u "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}

slot_is_made() { [ -n "$(sql "select confirmed_flush_lsn from pg_replication_slots where slot_name = 'cdc_$NAME'")" ]; }

@test "a column has another name for a while, after the snapshot and before it asks for the tables' form; the first look fails" {
    local line
    sql "create table $NAME.a (id int primary key, v int); insert into $NAME.a values (1, 1)"
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t values (1, 'a'), (2, 'b')"
    open_transaction first 7
    spawn_line "cdc-snapshot $(source_options) 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    line=$SPAWNED
    wait_until -t 30 slot_waits_for first
    kill -STOP "$(member "$line" cdc-snapshot)"
    roll_back 7
    wait_until slot_is_made
    sql "alter table $NAME.t rename v to x"
    sql "insert into $NAME.t values (3, 'c'); update $NAME.t set x = 'changed' where id = 1"
    sql "alter table $NAME.t rename x to v"
    kill -CONT "$(member "$line" cdc-snapshot)"
    status_of "$line" 30
    sql "vacuum full $NAME.a"
    lock_table a
    supervise "$(full_line "tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")"
    sql "insert into $NAME.t values (4, 'd')"
    wait_until -t 20 eval 'file_matches "$DIR/lines" "\"id\":4" || grep -q "is to be read again" "$DIR/err"'
    touch "$DIR/let-go"
    equal t "id, v"
    equal a "id, v"
    stop_supervised
}
