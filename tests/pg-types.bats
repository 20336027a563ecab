#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Types of PostgreSQL: each of them, through snapshot and log with the same bytes, and back into a database.
# takes: 40 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/pg-stale

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    touch "$DIR/stop"
    [ -z "${OLD:-}" ] || { end_spawned; pg_down "$OLD" immediate; rm -rf "$OLD"; }
    pg_test_teardown
    local other
    for other in $(DATABASE=postgres sql "select datname from pg_database where datname ~ '^(types|back)_'"); do
        DATABASE=$other drop_slots
        DATABASE=postgres sql "drop database $other with (force)"
    done
}

stream() { t pg-cdc --name "$NAME" --heartbeat 0 "$@" "$URL" >>"$DIR/out" 2>"$DIR/err"; }
begin() { stream --until now "$@" || { cat "$DIR/err"; return 1; }; : >"$DIR/out"; }
read_all() { : >"$DIR/out"; stream --until now "$@" || { cat "$DIR/err"; return 1; }; }
# A snapshot of its own, as $DIR/rows.
snapshot() { t cdc-snapshot -q --name "${NAME}s" --offset-file "$DIR/s.offset" "$@" "$URL" >"$DIR/rows" 2>"$DIR/snapshot.err" || { cat "$DIR/snapshot.err"; return 1; }; }
lines() { jq -c "$1" "${2:-$DIR/out}"; }
in_sql() { PGOPTIONS="-c client_min_messages=warning" sql_file -v ON_ERROR_STOP=1 "$@" >"$DIR/sql.out" 2>&1 || { cat "$DIR/sql.out"; return 1; }; }
# Lines without a byte changed, as rows of types.lines; no line has such bytes.
load_lines() { grep -hE '^\{"op":"[rcud]"' "$@" | sql_file -v ON_ERROR_STOP=1 -c "copy types.lines from stdin with (format csv, quote e'\\x01', delimiter e'\\x02')"; }

@test "every type and the array of each: the same bytes by snapshot, insert, update and delete; cast back they are the values" {
    DATABASE=postgres sql "create database types_a"
    DATABASE=types_a URL=$(pg_url types_a)
    in_sql -f "$LIB/pg-types.sql"
    sql "create publication cdc_$NAME for all tables; create publication cdc_${NAME}s for all tables"
    begin
    in_sql -c "select types.create_tables()"
    echo "# $(sql "select count(*) from pg_class where relnamespace = 'types'::regnamespace and relkind = 'r' and relname ~ '^[ta]_'") types" >&3
    snapshot -t 'types.t_*' -t 'types.a_*'
    DATABASE=postgres sql "create database back_a template types_a"
    sql "select 'update types.' || quote_ident(relname) || ' set w = 1; delete from types.' || quote_ident(relname) from pg_class where relnamespace = 'types'::regnamespace and relkind = 'r' and relname ~ '^[ta]_'" >"$DIR/changes"
    sed -i 's/$/;/' "$DIR/changes"
    in_sql -f "$DIR/changes"
    read_all -t 'types.t_*' -t 'types.a_*'
    DATABASE=back_a
    load_lines "$DIR/rows" "$DIR/out"
    PGOPTIONS="-c client_min_messages=warning" sql "select types.differences()" >"$DIR/differences"
    [ ! -s "$DIR/differences" ] || fail "$(head -c 6000 "$DIR/differences")"
}

@test "fields of composites: NULL and a composite of NULLs, of a domain, in arrays; what JSON cannot tell apart is the server's text" {
    sql "create extension if not exists hstore; set search_path = $NAME, public; create type pair as (a int, \"b c\" text); create domain dom as pair; create type gone as (x int, a int, y text);
        alter type gone drop attribute x, drop attribute y; create type deep as (p pair, l dom[], n numeric, i bigint, j jsonb, h hstore, b bytea, t timestamptz); create type base64_only as (base64 text);
        create table t (id int primary key, p pair, ps pair[], d dom, g gone, x deep, h hstore, o base64_only, a int[], j json[])"
    begin
    sql "set search_path = $NAME, public; insert into t values (1, '(1,\"x \"\"y\"\" \\\\ z\")', array[row(1, null)::pair, null], '(,\"\")', '(5)', row(row(1, 'x'), array[row(null, null)::dom, null], 1.50, 9007199254740993, '{\"k\": [1.5, null]}', 'a=>1, \"b\\\"\"=>NULL', '\\x00ff', '2026-11-21 09:28:42+00')::deep, 'a=>1', null, '{{1,NULL},{3,4}}', array['[1,2]'::json, '{}']),
        (2, null, '{}', row(null, null), null, row(null, null, null, null, 'null', null, null, null)::deep, 'base64=>AAAA', '(AAAA)', '[0:1]={1,2}', array[array['[1]'::json]]), (3, row(null, null), null, null, '()', null, '', null, '{}', array['null'::json])"
    read_all --int64=string
    diff - <(lines 'select(.op == "c") | .after') <<'END'
{"id":1,"p":{"a":1,"b c":"x \"y\" \\ z"},"ps":[{"a":1,"b c":null},null],"d":{"a":null,"b c":""},"g":{"a":5},"x":{"p":{"a":1,"b c":"x"},"l":[{"a":null,"b c":null},null],"n":"1.50","i":"9007199254740993","j":{"k":[1.5,null]},"h":{"a":"1","b\"":null},"b":"AP8=","t":"2026-11-21T09:28:42Z"},"h":{"a":"1"},"o":null,"a":[[1,null],[3,4]],"j":[[1,2],{}]}
{"id":2,"p":null,"ps":[],"d":{"a":null,"b c":null},"g":null,"x":"(,,,,null,,,)","h":"\"base64\"=>\"AAAA\"","o":"(AAAA)","a":"[0:1]={1,2}","j":"{{[1]}}"}
{"id":3,"p":{"a":null,"b c":null},"ps":null,"d":null,"g":{"a":null},"x":null,"h":{},"o":null,"a":[],"j":"{\"null\"}"}
END
    snapshot --int64=string
    diff <(lines 'select(.op == "c") | .after') <(lines 'select(.op == "r") | .after' "$DIR/rows")
    rm -f "$DIR"/s.offset*
    t pg-cdc -q --drop --name "${NAME}s" "$URL"
    snapshot --composite=text
    is "as text" '["(1,\"x \"\"y\"\" \\\\ z\")",["(1,)",null],"\"a\"=>\"1\""]' "$(lines 'select(.op == "r" and .after.id == 1) | .after | [.p, .ps, .h]' "$DIR/rows")"
}

# The labels are what they were when it is looked at again, and the log has another one in between.
@test "a label of an enum that has another text for a while, and rows are written meanwhile: none of them keeps it" {
    local column
    sql "create type $NAME.mood as enum ('sad', 'ok'); create type $NAME.moods as range (subtype = $NAME.mood)"
    for column in "mood" "mood[]" "moods"; do
        sql "create table $NAME.t_${column//[^a-z]/_} (id int primary key, v $NAME.$column)"
    done
    sql "insert into $NAME.t_mood values (1, 'sad'); insert into $NAME.t_mood__ values (1, '{sad}'); insert into $NAME.t_moods values (1, '[sad,ok)'); create table $NAME.u (id int primary key, v text); insert into $NAME.u values (1, 'sad')"
    supervise "$(copy_line)"
    for column in t_mood u; do equal "$column" "id, v"; done
    stop_supervised
    sql "alter type $NAME.mood rename value 'sad' to 'blue'"
    sql "insert into $NAME.t_mood values (2, 'blue'); insert into $NAME.t_mood__ values (2, '{blue}'); insert into $NAME.t_moods values (2, '[blue,ok)')"
    sql "alter type $NAME.mood rename value 'blue' to 'sad'; insert into $NAME.t_mood values (3, 'sad'); insert into $NAME.u values (2, 'blue')"
    rm "$DIR/stop"
    supervise "$(copy_line)"
    for column in t_mood t_moods u; do equal "$column" "id, v"; done
    wait_until -t 40 eval '[ "$(rows_copied t_mood__ "id, v" | tr "\n" " ")" = "1|[\"sad\"] 2|[\"sad\"] " ]'
    is "a table without it" 0 "$(read_again u)"
    not test -e "$DIR/failed"
}

# The stream has asked once more whether anything has changed, and has taken an answer.
asked_since() { [ "$(sql "select count(*) from pg_stat_activity where application_name = 'pg-cdc' and datname = '$DATABASE' and state = 'idle' and query ~ '^SELECT concat_ws.*pg_class' and query_start > '$1'")" -gt 0 ]; }
is_asked() { wait_until asked_since "$(sql "select now()")" && wait_until asked_since "$(sql "select now()")"; }

@test "a label of an enum that has another text inside one transaction, and nothing else is done: the rows are read again" {
    sql "create type $NAME.mood as enum ('sad', 'ok'); create table $NAME.t (id int primary key, v $NAME.mood); insert into $NAME.t values (1, 'sad')"
    supervise "$(copy_line)"
    equal t "id, v"
    is_asked
    sql "begin; alter type $NAME.mood rename value 'sad' to 'blue'; insert into $NAME.t values (2, 'blue'); alter type $NAME.mood rename value 'blue' to 'sad'; commit"
    equal t "id, v"
    stop_supervised
}

@test "the row types of views, materialized, foreign and unlogged tables are altered while the line runs: the rows are read again" {
    local kind
    sql "create foreign data wrapper ${NAME}_w; create server ${NAME}_s foreign data wrapper ${NAME}_w"
    sql "create view $NAME.view_y as select 1 as a, 'x'::text as b; create materialized view $NAME.matview_y as select 1 as a, 'x'::text as b; create foreign table $NAME.foreign_y (a int, b text) server ${NAME}_s; create unlogged table $NAME.unlogged_y (a int, b text)"
    for kind in view matview foreign unlogged; do sql "create table $NAME.t_$kind (id int primary key, v $NAME.${kind}_y); insert into $NAME.t_$kind values (1, (1, 'one'))"; done
    same_objects() { [ "$(sql "select json_agg(v order by id) from $NAME.t_$1" | jq -c .)" = "$(sqlite3 "$DIR/copy.db" "select json_group_array(json(v)) from (select v from t_$1 order by id)" 2>/dev/null)" ]; }
    supervise "$(copy_line)"
    for kind in view matview foreign unlogged; do wait_until -t 40 same_objects $kind; done
    for kind in view:view matview:"materialized view" foreign:"foreign table" unlogged:table; do
        is_asked
        sql "alter ${kind#*:} $NAME.${kind%:*}_y rename column b to c; insert into $NAME.t_${kind%:*} values (2, (2, 'two'))"
        wait_until -t 40 same_objects "${kind%:*}" || { tail -20 "$DIR/err" >&2; fail "${kind%:*} differs"; }
    done
    stop_supervised
    sql "drop server ${NAME}_s cascade; drop foreign data wrapper ${NAME}_w"
}

# Values are compared as the source has them now: labels of fields and enums, too.
@test "composite types and enums that are altered: the copy ends as the source, while others write" {
    sql "create type $NAME.pair as (a int, b text); create domain $NAME.dom as $NAME.pair; create type $NAME.outer_pair as (p $NAME.pair, n int); create type $NAME.mood as enum ('sad', 'ok'); create type $NAME.moods as range (subtype = $NAME.mood)"
    local i tables="t_add t_drop t_rename t_again t_deep t_label t_range t_more u"
    for i in t_add t_drop t_rename t_again; do sql "create type $NAME.${i}_type as (a int, b text); create table $NAME.$i (id int primary key, v $NAME.${i}_type, vs $NAME.${i}_type[]); insert into $NAME.$i select g, row(g, 'row')::$NAME.${i}_type, array[row(g, 'x')::$NAME.${i}_type] from generate_series(1, 50) g"; done
    sql "create table $NAME.t_deep (id int primary key, v $NAME.outer_pair, vs $NAME.dom[]); insert into $NAME.t_deep select g, row(row(g, 'row')::$NAME.pair, g)::$NAME.outer_pair, array[row(g, 'x')::$NAME.dom] from generate_series(1, 50) g"
    sql "create type $NAME.other as enum ('x'); create table $NAME.t_label (id int primary key, v $NAME.mood, vs $NAME.mood[]); create table $NAME.t_range (id int primary key, v $NAME.moods, vs int[]); create table $NAME.t_more (id int primary key, v $NAME.other, vs int[])"
    sql "insert into $NAME.t_label select g, 'sad', '{sad,ok}' from generate_series(1, 50) g; insert into $NAME.t_range select g, '[sad,ok)', null from generate_series(1, 50) g; insert into $NAME.t_more values (1, 'x', null)"
    sql "create table $NAME.u (id int primary key, v int, vs int[]); insert into $NAME.u select g, g, '{1}' from generate_series(1, 50) g"
    # As a line has it: objects, and arrays of them; NULL in a copy is no JSON.
    values_of() { sql "select id, coalesce(to_json(v)::text, ''), coalesce(to_json(vs)::text, '') from $NAME.$1 order by 1" | tr '|' '\t' | jq -Rc 'split("\t") | [.[0], (.[1:][] | (fromjson? // .))]'; }
    copied() { sqlite3 -separator $'\t' "$DIR/copy.db" "select id, coalesce(v, ''), coalesce(vs, '') from $1 order by 1" 2>/dev/null | jq -Rc 'split("\t") | [.[0], (.[1:][] | (fromjson? // .))]'; }
    same_values() { [ "$(values_of "$1")" = "$(copied "$1")" ]; }
    equal_values() { wait_until -t 40 same_values "$1" 2>/dev/null || { diff <(values_of "$1") <(copied "$1") | head -20 >&2; tail -30 "$DIR/err" >&2; fail "$1 differs"; }; }
    supervise "$(copy_line)"
    for i in $tables; do equal_values "$i"; done
    write_all_the_time "$(for i in t_add t_drop t_rename t_again t_deep; do echo "update $NAME.$i set v = v, vs = vs where id = 1 + NN % 49;"; done) update $NAME.u set v = NN where id = NN % 50; insert into $NAME.t_label values (NN, (enum_range(null::$NAME.mood))[1], enum_range(null::$NAME.mood));"
    sql "alter type $NAME.t_add_type add attribute c date"
    sql "alter type $NAME.t_drop_type drop attribute a"
    sql "alter type $NAME.t_rename_type rename attribute b to x"
    sql "alter type $NAME.t_again_type drop attribute b, add attribute b int"
    sql "alter type $NAME.pair rename attribute a to y; alter type $NAME.pair add attribute z int"
    sql "alter type $NAME.mood rename value 'sad' to 'blue'"
    sql "alter type $NAME.other add value 'before' before 'x'; alter type $NAME.other add value 'after'"
    sql "insert into $NAME.t_more values (2, 'before', null)"
    quiet
    sql "update $NAME.t_add set v = (1, 'last', '2026-01-01') where id = 1; update $NAME.t_drop set v = row('last') where id = 1; update $NAME.t_rename set v = (1, 'last') where id = 1; update $NAME.t_again set v = (1, 7) where id = 1; update $NAME.t_deep set v = row(row(1, 'last', 2), 3) where id = 1"
    for i in $tables; do equal_values "$i"; done
    for i in u t_more; do is "$i" 0 "$(read_again "$i")"; done
    not test -e "$DIR/failed"
    # What comes after that has the fields of now.
    sql "update $NAME.t_rename set v = (5, 'again') where id = 2"
    equal_values t_rename
    is "as an object" '{"a":5,"x":"again"}' "$(sqlite3 "$DIR/copy.db" 'select v from t_rename where id = 2')"
    is "none is text" 0 "$(sqlite3 "$DIR/copy.db" "select count(*) from t_rename where v not like '{%'")"
    stop_supervised
}

@test "a composite of before an ALTER TYPE, read after it: the server's text where its fields are not certain, then objects again" {
    sql "create type $NAME.pair as (a int, b text); create table $NAME.t (id int primary key, p $NAME.pair, ps $NAME.pair[])"
    begin
    sql "insert into $NAME.t values (1, '(1,x)', '{\"(1,x)\"}')"
    sql "alter type $NAME.pair rename attribute a to y"
    sql "insert into $NAME.t values (2, '(1,x)', null)"
    sql "alter type $NAME.pair add attribute z int"
    sql "insert into $NAME.t values (3, '(1,x,2)', null)"
    read_all
    is "rows of before" '[1,"(1,x)",["(1,x)"]] [2,"(1,x)",null] [3,"(1,x,2)",null]' "$(lines 'select(.op == "c") | [.after.id, .after.p, .after.ps]' | xargs -d '\n')"
    # In a run, the alteration is seen within a second or two.
    spawn pg-cdc --name "$NAME" --heartbeat 0 "$URL" >"$DIR/live" 2>"$DIR/err"
    wait_until slot_active "cdc_$NAME"
    sql "insert into $NAME.t values (4, '(1,x,2)', null)"
    wait_for_match "$DIR/live" '"id":4'
    sql "alter type $NAME.pair drop attribute b, add attribute n text"
    local i=10
    certain() { i=$((i + 1)); sql "insert into $NAME.t values ($i, '(1,2,end)', null)"; grep -qF '"p":{"y":1,"z":2,"n":"end"}' "$DIR/live"; }
    wait_until -t 30 certain || { tail -n 3 "$DIR/live"; cat "$DIR/err"; return 1; }
    is "no field has another's value" "" "$(jq -c 'select(.op == "c" and .after.id > 10) | .after.p | select(type == "object" and . != {"y": 1, "z": 2, "n": "end"})' "$DIR/live")"
}

# next_xid ID: the server goes on with that transaction, as one does that is busy for years. What it has is frozen first.
next_xid() {
    local database file dir=$PG_DIR/data
    for database in postgres template1 "$DATABASE"; do DATABASE=$database sql "vacuum freeze" 2>/dev/null; done
    pg_down "$PG_DIR"
    (cd "$PG_DIR" && as_postgres "$(pg_bin)/pg_resetwal" -f -x "$1" -u "$1" -D "$dir" >/dev/null)
    for file in "pg_xact/$(printf %04X $(($1 / 1048576)))" "pg_subtrans/$(printf %04X $(($1 / 65536)))"; do
        [ -e "$dir/$file" ] || as_postgres dd if=/dev/zero "of=$dir/$file" bs=262144 count=1 status=none
    done
    pg_up "$PG_DIR"
}

# bats test_tags=only:pg_resetwal
@test "composite types that are older than 2^31 transactions, and are altered: the copy ends as the source, and no field has another's value" {
    OLD=$(test_folder)
    pg_start "$OLD"
    local PG_DIR=$OLD
    DATABASE=postgres sql "create database $DATABASE"
    URL=$(pg_url "$DATABASE")
    sql "create schema $NAME; create type $NAME.pair as (a int, b text); create table $NAME.t (id int primary key, p $NAME.pair); insert into $NAME.t values (1, '(1,x)')"
    next_xid 1500000000
    next_xid 3000000000
    # Without a snapshot: what was written before it was altered is the server's text.
    begin
    sql "insert into $NAME.t values (2, '(1,x)')"
    sql "alter type $NAME.pair drop attribute a, add attribute n text"
    read_all
    is "rows of before" '[2,"(1,x)"]' "$(lines 'select(.op == "c") | [.after.id, .after.p]')"
    t pg-cdc --drop --name "$NAME" "$URL"
    # With one: a field that was there for a while.
    supervise "$(copy_line)"
    same_objects() { [ "$(sql "select json_agg(p order by id) from $NAME.t" | jq -c .)" = "$(sqlite3 "$DIR/copy.db" "select json_group_array(json(p)) from (select p from t order by id)" 2>/dev/null)" ]; }
    wait_until -t 40 same_objects
    stop_supervised
    sql "alter type $NAME.pair add attribute z int"
    sql "insert into $NAME.t values (3, '(y,1,2)')"
    sql "alter type $NAME.pair drop attribute z"
    rm "$DIR/stop"
    supervise "$(copy_line)"
    wait_until -t 40 same_objects || { tail -20 "$DIR/err" >&2; fail "$(sqlite3 "$DIR/copy.db" 'select * from t')"; }
    stop_supervised
}

@test "a table of composites is dropped with its type before its rows are read: its rows come, and those after them" {
    sql "create type $NAME.pair as (a int, b text); create table $NAME.t (id int primary key, p $NAME.pair); create table $NAME.other (id int primary key)"
    begin
    spawn pg-cdc --name "$NAME" --heartbeat 0 "$URL" >"$DIR/live" 2>"$DIR/err"
    wait_until slot_active "cdc_$NAME"
    sql "insert into $NAME.t values (1, '(1,x)')"
    wait_for_match "$DIR/live" '"p":{"a":1,"b":"x"}'
    kill -STOP "$SPAWNED"
    sql "insert into $NAME.t values (2, '(2,x)'); drop table $NAME.t; drop type $NAME.pair; insert into $NAME.other values (3)"
    kill -CONT "$SPAWNED"
    wait_for_match "$DIR/live" '"id":3' || { cat "$DIR/err"; return 1; }
    is "all of them" '1 2 3' "$(lines 'select(.op == "c").after.id' "$DIR/live" | xargs)"
}
