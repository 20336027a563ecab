#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# pg-cdc against a real server: every line that it writes, when it ends, and
# what it confirms. What goes wrong outside is in fault.bats.
# Each test runs in a subshell, and PG_DIR is read by lib/postgres.bash.
# takes: 45 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/mysql # a free port

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    pg_test_teardown
    sql "alter database $DATABASE reset all"
    [ -z "${OTHER:-}" ] || { pg_down "$OTHER" immediate || true; rm -rf "$OTHER"; }
}

# pg-cdc with this test's names; lines in $DIR/out (appended), messages in $DIR/err.
stream() { t pg-cdc --name "$NAME" -t "$NAME.*" "$@" "$URL" >>"$DIR/out" 2>"$DIR/err"; }
# Makes slot and publication for the tables that are there.
begin() { stream --until now; : >"$DIR/out"; }
# All changes that are committed now, as $DIR/out; the slot moves on.
read_all() { : >"$DIR/out"; stream --until now || { cat "$DIR/err"; return 1; }; }
lines() { jq -c "$1" "$DIR/out"; }
changes() { lines 'select(.op | IN("c","u","d","t")) | del(.pos,.seq,.ts_ms,.source)'; }
table() { sql "create table $NAME.t (id int primary key, v text)"; }
ordered() { jq -r '.pos' "$1" | LC_ALL=C sort -c -u; }

@test "insert, update, delete, key change, truncate: fields and their order" {
    table
    begin
    sql "insert into $NAME.t values (1, 'a')"
    sql "update $NAME.t set v = 'b'; update $NAME.t set id = 2; delete from $NAME.t; truncate $NAME.t"
    read_all
    is "ops" "schema c commit u u d t commit" "$(jq -r 'select(.op != "heartbeat") | .op' "$DIR/out" | xargs)"
    diff - <(changes) <<'EOF'
{"op":"c","key":{"id":1},"before":null,"after":{"id":1,"v":"a"}}
{"op":"u","key":{"id":1},"before":null,"after":{"id":1,"v":"b"}}
{"op":"u","key":{"id":2},"before":{"id":1},"after":{"id":2,"v":"b"}}
{"op":"d","key":{"id":2},"before":{"id":2},"after":null}
{"op":"t"}
EOF
    grep -qE '^\{"op":"c","pos":"[^"]+","seq":[0-9]+,"ts_ms":[0-9]+,"source":\{"connector":"postgresql","name":"'"$NAME"'","db":"'"$DATABASE"'","schema":"'"$NAME"'","table":"t","ts_ms":[0-9]+,"txId":[0-9]+,"lsn":[0-9]+,"snapshot":"false"\},"key"' "$DIR/out"
    is "columns" '[["id","integer",false],["v","text",true]]' "$(lines 'select(.op == "schema") | .columns | map([.name,.type,.nullable])')"
    is "events" "1 4" "$(jq -r 'select(.op == "commit") | .events' "$DIR/out" | xargs)"
    ordered "$DIR/out"
    whole_lines "$DIR/out"
}

@test "rolled back transactions and savepoints leave no line" {
    table
    begin
    sql "begin; insert into $NAME.t values (1); rollback"
    sql "begin; insert into $NAME.t values (2); savepoint s; insert into $NAME.t values (3); rollback to s; insert into $NAME.t values (4); commit"
    read_all
    is "rows" "2 4" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
}

@test "unchanged TOAST is named, never null; a full identity fills it in" {
    sql "create table $NAME.t (id int primary key, v int, big text); alter table $NAME.t alter big set storage external"
    begin
    sql "insert into $NAME.t values (1, 1, repeat('x', 10000))"
    sql "update $NAME.t set v = 2"
    sql "update $NAME.t set id = 2"
    sql "alter table $NAME.t replica identity full"
    sql "update $NAME.t set v = 3"
    sql "delete from $NAME.t"
    read_all
    is "unchanged" '["big"] ["big"] null' "$(jq -c 'select(.op == "u") | .unchanged' "$DIR/out" | xargs -d '\n')"
    is "no placeholder" "false false true" "$(jq -c 'select(.op == "u") | .after | has("big")' "$DIR/out" | xargs)"
    is "filled from the old row" 10000 "$(jq -r 'select(.op == "u" and .unchanged == null) | .after.big | length' "$DIR/out")"
    is "whole old row" 10000 "$(jq -r 'select(.op == "d") | .before.big | length' "$DIR/out")"
    is "key with a full identity" '{"id":2}' "$(lines 'select(.op == "d") | .key')"
}

# bats test_tags=only:postgresql-15
@test "a row that an update moves into the row filter comes whole, or not at all: by start, --check, and in the log" {
    local t
    # Only `part` can lack a value: old rows of `whole` have all, rows of `short` are never large, old rows of `keyed` have its key.
    for t in part whole; do sql "create table $NAME.$t (id int primary key, big text); alter table $NAME.$t alter big set storage external"; done
    sql "create table $NAME.short (id int primary key, v varchar(20)); create table $NAME.keyed (id int, k text, primary key (id, k)); alter table $NAME.keyed alter k set storage external
        ; alter table $NAME.whole replica identity full
        ; create publication cdc_$NAME for table $NAME.part where (id > 10), $NAME.whole where (id > 10), $NAME.short where (id > 10), $NAME.keyed where (id > 10)"
    run -78 t pg-cdc --check --name "$NAME" -t "$NAME.*" "$URL"
    is "named" '"part"' "$(sed -n 's/.*error: .*rows of "[^"]*"\.\("[a-z]*"\): one that an UPDATE.*REPLICA IDENTITY FULL;$/\1/p' <<<"$output")"
    run -78 stream --until now
    file_matches "$DIR/err" "rows of \"$NAME\"\.\"part\": one that an UPDATE moves .*ALTER TABLE \"$NAME\"\.\"part\" REPLICA IDENTITY FULL;"
    [ ! -s "$DIR/out" ]
    stream --until now -T "$NAME.part" # it does not concern who leaves that table out
    drop_slots
    sql "alter table $NAME.part replica identity full"
    begin
    for t in part whole; do sql "insert into $NAME.$t values (1, repeat('x', 5000))"; sql "update $NAME.$t set id = 11"; done
    sql "insert into $NAME.keyed select 1, string_agg(md5(i::text), '') from generate_series(1, 60) i; update $NAME.keyed set id = 11"
    read_all
    is "whole rows" 'part 5000 null whole 5000 null' "$(jq -r 'select(.op == "c" and .after.big) | "\(.source.table) \(.after.big | length) \(.unchanged)"' "$DIR/out" | xargs)"
    is "large key" 1920 "$(jq -r 'select(.op == "c" and .source.table == "keyed") | .after.k | length' "$DIR/out")"
    # Written while the table was not set up for it: the log lacks the value, and no line has NULL for it.
    sql "alter table $NAME.part replica identity default; insert into $NAME.part values (12, 'before'), (2, repeat('y', 5000))"
    sql "update $NAME.part set id = 13 where id = 2"
    sql "alter table $NAME.part replica identity full"
    : >"$DIR/out"
    run -78 stream --until now
    file_matches "$DIR/err" "table \"$NAME\"\.\"part\": an UPDATE moved a row .* lacks its column \"big\".*take a new snapshot"
    is "what came before it" '{"id":12,"big":"before"}' "$(lines 'select(.op == "c") | .after')"
    whole_lines "$DIR/out"
}

@test "replica identity by an index: it is the key of every line; NULLs of a key-only old row are not shown" {
    sql "create table $NAME.t (id int primary key, code text not null unique, v text); alter table $NAME.t replica identity using index t_code_key"
    begin
    sql "insert into $NAME.t values (1, 'a', 'x')"
    sql "update $NAME.t set code = 'b'"
    sql "delete from $NAME.t"
    read_all
    diff - <(changes) <<'EOF'
{"op":"c","key":{"code":"a"},"before":null,"after":{"id":1,"code":"a","v":"x"}}
{"op":"u","key":{"code":"b"},"before":{"code":"a"},"after":{"id":1,"code":"b","v":"x"}}
{"op":"d","key":{"code":"b"},"before":{"code":"b"},"after":null}
EOF
}

@test "a table without a key: refused before it is published, or warned about when that is wanted; its lines have no key" {
    sql "create table $NAME.t (a int, b int)"
    run -78 stream --until now
    file_matches "$DIR/err" 'would refuse UPDATE and DELETE .*REPLICA IDENTITY FULL.*--allow-refused'
    sql "update $NAME.t set b = 1"
    stream --until now --allow-refused
    file_matches "$DIR/err" 'now that it is published .*REPLICA IDENTITY FULL'
    sql "insert into $NAME.t values (1, 2); alter table $NAME.t replica identity full; update $NAME.t set b = 3; delete from $NAME.t"
    read_all
    diff - <(changes) <<'EOF'
{"op":"c","before":null,"after":{"a":1,"b":2}}
{"op":"u","before":{"a":1,"b":2},"after":{"a":1,"b":3}}
{"op":"d","before":{"a":1,"b":3},"after":null}
EOF
}

@test "settings of database and role do not change a value" {
    sql "create table $NAME.t (id int primary key, d date, ts timestamptz, i interval, f float8, b bytea)"
    sql "alter database $DATABASE set datestyle = 'German'; alter database $DATABASE set timezone = 'Asia/Tokyo'; alter database $DATABASE set intervalstyle = 'sql_standard'; alter database $DATABASE set extra_float_digits = -5; alter database $DATABASE set bytea_output = 'escape'"
    begin
    sql "insert into $NAME.t values (1, '2026-02-01', '2026-02-01 00:00:00+00', '1 day 2 hours', 0.1::float8 + 0.2, '\\x00ff')"
    URL="$URL&options=-c%20timezone%3DEurope/Paris" read_all
    is "values" '{"id":1,"d":"2026-02-01","ts":"2026-02-01T00:00:00Z","i":"P1DT2H","f":0.30000000000000004,"b":"AP8="}' "$(lines 'select(.op == "c") | .after')"
}

@test "enums, domains and their arrays: by the type that they are made of" {
    sql "create type $NAME.mood as enum ('sad', 'happy'); create domain $NAME.small as int check (value < 100); create domain $NAME.list as int[]; create table $NAME.t (id $NAME.small primary key, m $NAME.mood, ms $NAME.mood[], l $NAME.list)"
    begin
    sql "insert into $NAME.t values (7, 'happy', '{sad,NULL,happy}', '{{1,2},{3,4}}')"
    read_all
    is "values" '{"id":7,"m":"happy","ms":["sad",null,"happy"],"l":[[1,2],[3,4]]}' "$(lines 'select(.op == "c") | .after')"
    is "types" "[\"$NAME.small\",\"$NAME.mood\",\"$NAME.mood[]\",\"$NAME.list\"]" "$(lines 'select(.op == "schema") | .columns | map(.type)')"
    is "what domains are made of" '["integer",null,null,"integer[]"]' "$(lines 'select(.op == "schema") | .columns | map(.base_type)')"
}

@test "arrays whose elements are arrays by way of a domain" {
    sql "create type $NAME.mood as enum ('sad', 'happy'); create domain $NAME.list as int[]; create domain $NAME.lists as $NAME.list[]; create domain $NAME.moods as $NAME.mood[]
         ; create table $NAME.t (id int primary key, a $NAME.list[], b $NAME.lists[], c $NAME.moods[], d $NAME.lists)"
    begin
    sql "insert into $NAME.t values (1, array['{1,2}', null, '{{3},{4}}']::$NAME.list[], array[array['{5}']::$NAME.lists], array['{sad,NULL}']::$NAME.moods[], array['{6}', '{}']::$NAME.lists)"
    read_all
    is "values" '{"id":1,"a":[[1,2],null,"{{3},{4}}"],"b":[[[5]]],"c":[["sad",null]],"d":[[6],[]]}' "$(lines 'select(.op == "c") | .after')"
}

@test "JSON's null is no NULL: named in the lines of snapshot and stream, and a text in a copy" {
    sql "create table $NAME.t (id int primary key, a jsonb not null, b json, c jsonb[])"
    sql "alter table $NAME.t replica identity full"
    sql "insert into $NAME.t values (1, 'null', null, array['null', null]::jsonb[]), (2, '[null]', ' null ', array[null, '1']::jsonb[])"
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --state-dir "$DIR/state" "$URL" 2>"$DIR/err" | tee "$DIR/out" | t cdc-sink-sqlite --state-dir "$DIR/state" "$DIR/copy.db"
    diff - <(lines 'select(.op == "r") | del(.op,.pos,.seq,.ts_ms,.source)') <<'EOF'
{"key":{"id":1},"before":null,"after":{"id":1,"a":null,"b":null,"c":"{\"null\",NULL}"},"json_null":["a"]}
{"key":{"id":2},"before":null,"after":{"id":2,"a":[null],"b":null,"c":[null,1]},"json_null":["b"]}
EOF
    sql "update $NAME.t set b = 'null', a = '0' where id = 1; update $NAME.t set id = 3, b = null where id = 2; insert into $NAME.t values (4, 'null', 'null'); delete from $NAME.t where id = 1"
    t pg-cdc --name "$NAME" -t "$NAME.*" --state-dir "$DIR/state" --until now "$URL" 2>"$DIR/err" | tee "$DIR/out" | t cdc-sink-sqlite --state-dir "$DIR/state" "$DIR/copy.db"
    diff - <(lines 'select(.op | IN("c","u","d")) | [.op, .key.id, .json_null, .json_null_old]') <<'EOF'
["u",1,["b"],["a"]]
["u",3,null,["b"]]
["c",4,["a","b"],null]
["d",1,["b"],null]
EOF
    is "the copy" "$(sql "select id, a is null, b is null, b from $NAME.t order by id" | sed 's/|t|/|1|/g; s/|f|/|0|/g; s/|t|/|1|/g; s/|f|/|0|/g')" \
        "$(sqlite3 "$DIR/copy.db" "select id, a is null, b is null, b from t order by id")"
}

@test "generated columns are in the schema of the server, never half in a row" {
    sql "create table $NAME.t (id int primary key, v int, twice int generated always as (v * 2) stored)"
    begin
    sql "insert into $NAME.t (id, v) values (1, 2)"
    read_all
    is "columns and members agree" true "$(jq -n '[inputs] | (map(select(.op == "schema"))[0].columns | map(.name)) == (map(select(.op == "c"))[0].after | keys_unsorted)' "$DIR/out")"
}

@test "generated columns that are published (18): the snapshot and the stream have the same ones" {
    sql "create table $NAME.t (id int primary key, v int, twice int generated always as (v * 2) stored)"
    local name='["id","v"]'
    sql "create publication cdc_$NAME for table $NAME.t"
    if [ "$(sql "show server_version_num")" -ge 180000 ]; then
        sql "alter publication cdc_$NAME set (publish_generated_columns = stored);
             alter table $NAME.t add virtually int generated always as (v * 3) virtual"
        name='["id","v","twice"]'
    fi
    sql "insert into $NAME.t (id, v) values (1, 2)"
    t cdc-snapshot --name "$NAME" -t "$NAME.*" --offset-file "$DIR/s" "$URL" >"$DIR/out" 2>"$DIR/err"
    sql "insert into $NAME.t (id, v) values (2, 4)"
    stream --until now
    is "members" "$name $name" "$(lines 'select(.op | IN("r", "c")) | .after | keys_unsorted' | xargs -d '\n')"
    is "columns" "$name $name" "$(lines 'select(.op == "schema") | .columns | map(.name)' | xargs -d '\n')"
}

@test "DDL inside a transaction: each row under the schema line of its shape" {
    table
    begin
    sql "begin; insert into $NAME.t values (1, 'a'); alter table $NAME.t add w int default 5; insert into $NAME.t values (2, 'b'); alter table $NAME.t drop v; insert into $NAME.t values (3); commit"
    read_all
    is "rows" '[{"id":1,"v":"a"},{"id":2,"v":"b","w":5},{"id":3,"w":5}]' "$(jq -c -n '[inputs | select(.op == "c") | .after]' "$DIR/out")"
    is "shapes" '[["id","v"],["id","v","w"],["id","w"]]' "$(jq -c -n '[inputs | select(.op == "schema") | .columns | map(.name)]' "$DIR/out")"
    ordered "$DIR/out"
}

@test "names that need quotes" {
    sql "create table $NAME.\"Odd \"\"name\"\", ü\" (\"Key \"\"a\"\"\" int primary key, \"v,1\" text)"
    begin
    sql "insert into $NAME.\"Odd \"\"name\"\", ü\" values (1, 'x')"
    read_all
    is "table" 'Odd "name", ü' "$(jq -r 'select(.op == "c") | .source.table' "$DIR/out")"
    is "row" '{"Key \"a\"":1,"v,1":"x"}' "$(lines 'select(.op == "c") | .after')"
    # Identifiers of ours, too.
    t pg-cdc --name "$NAME" -t "$NAME.*" --slot "${SLOT}" --publication "odd \"pub\" '$NAME'" --until now "$URL" >/dev/null 2>"$DIR/err" || [ $? = 78 ]
    not grep -qi syntax "$DIR/err"
}

@test "-t and -T: only what is selected, but every transaction ends" {
    sql "create table $NAME.a (id int primary key); create table $NAME.b (id int primary key); create table $NAME.skipped (id int primary key)"
    stream -T '*.skipped' --until now
    : >"$DIR/out"
    is "published" "a b" "$(sql "select tablename from pg_publication_tables where pubname = 'cdc_$NAME' order by 1" | xargs)"
    sql "insert into $NAME.a values (1)"
    sql "insert into $NAME.b values (1)"
    sql "insert into $NAME.skipped values (1)"
    t pg-cdc --name "$NAME" -t a --until now "$URL" >"$DIR/out" 2>"$DIR/err"
    is "tables" a "$(jq -r 'select(.op == "c") | .source.table' "$DIR/out")"
    # Before 15 the server sends empty transactions for tables that are not published, too.
    commits="1 0"
    [ "$(sql "show server_version_num")" -ge 150000 ] || commits="1 0 0"
    is "commits" "$commits" "$(jq -r 'select(.op == "commit") | .events' "$DIR/out" | xargs)"
}

@test "a partitioned table: changes carry its name, in whatever partition they are" {
    sql "create table $NAME.p (id int, at int, primary key (id, at)) partition by range (at); create table $NAME.p1 partition of $NAME.p for values from (0) to (10); create table $NAME.p2 partition of $NAME.p for values from (10) to (20)"
    t pg-cdc --name "$NAME" -t "$NAME.p" --until now "$URL" >/dev/null 2>&1
    sql "insert into $NAME.p values (1, 5); update $NAME.p set at = 15"
    t pg-cdc --name "$NAME" -t "$NAME.p" --until now "$URL" >"$DIR/out" 2>"$DIR/err"
    is "lines" "c p d p c p" "$(jq -r 'select(.op | IN("c","u","d")) | .op + " " + .source.table' "$DIR/out" | xargs)"
    # A publication that names the partitions instead is said to show nothing of the table.
    sql "alter publication cdc_$NAME set (publish_via_partition_root = false)"
    run -78 --separate-stderr t pg-cdc --name "$NAME" -t "$NAME.p" --until now "$URL"
    [[ $stderr == *error:*p1*publish_via_partition_root* ]]
    t pg-cdc --name "$NAME" -t "$NAME.*" --until now "$URL" >/dev/null 2>"$DIR/err"
}

@test "logical messages, transactional and not" {
    table
    begin
    sql "begin; insert into $NAME.t values (1); select pg_logical_emit_message(true, 'mine', 'in'); commit" >/dev/null
    sql "select pg_logical_emit_message(false, 'mine', 'out')" >/dev/null
    read_all
    is "messages" '[["in",true],["out",false]]' "$(jq -c -n '[inputs | select(.op == "m") | [.message.content, .message.transactional]]' "$DIR/out")"
    ordered "$DIR/out"
}

@test "--int64 and --decimal" {
    sql "create table $NAME.t (id bigint primary key, n numeric)"
    begin
    sql "insert into $NAME.t values (9007199254740993, 1.50)"
    stream --until now --int64=string --decimal=number --ack=stdout
    grep -q '"after":{"id":"9007199254740993","n":1.50}' "$DIR/out"
}

@test "--until: an LSN, a time that has passed, a time to come" {
    table
    begin
    # Inside the first transaction: after its end the server may write something of its own before the second one.
    lsn=$(sql "begin; insert into $NAME.t values (1); select pg_current_wal_insert_lsn(); commit")
    sql "insert into $NAME.t values (2)"
    stream --until "$lsn"
    is "until an LSN" 1 "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
    : >"$DIR/out"
    stream --until 2020-01-01T00:00:00Z
    is "until a time before: at the first commit" 2 "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
    sql "insert into $NAME.t values (3)"
    : >"$DIR/out"
    stream --until "$(date -u -d '+2 seconds' +%FT%T.500+00:00)"
    is "until a time to come" 3 "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
    run -64 --separate-stderr stream --until tomorrow
}

@test "--until now sees what was committed with synchronous_commit=off" {
    table
    begin
    for i in 1 2 3; do
        sql "set synchronous_commit = off; insert into $NAME.t values ($i)"
        read_all
        is "row" "$i" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out")"
    done
}

@test "--max-events ends at the end of the transaction; the next run begins behind it" {
    table
    begin
    sql "insert into $NAME.t select generate_series(1, 5)"
    sql "insert into $NAME.t values (6)"
    stream --max-events 2
    is "last op" commit "$(tail -1 "$DIR/out" | jq -r .op)"
    is "rows" 5 "$(grep -c '"op":"c"' "$DIR/out")"
    read_all
    is "the rest" 6 "$(jq -r 'select(.op == "c") | .after.id' "$DIR/out" | xargs)"
}

@test "--idle-exit" {
    table
    begin
    sql "insert into $NAME.t values (1)"
    stream --idle-exit 1 --heartbeat 100ms
    is "rows" 1 "$(grep -c '"op":"c"' "$DIR/out")"
    lines_at_least "$DIR/out" 6
}

@test "--idle-exit: a transaction that is in the log already comes, however long the server takes to begin with it" {
    table
    begin
    sql "insert into $NAME.t select generate_series(1, 100000)"
    stream --idle-exit 50ms
    is "rows" 100000 "$(grep -c '"op":"c"' "$DIR/out")"
}

@test "a server where nothing happens: positions rise over restarts" {
    table
    begin
    for _ in 1 2; do stream --idle-exit 1 --heartbeat 100ms --offset-file "$DIR/p"; done
    lines_at_least "$DIR/out" 12
    ordered "$DIR/out"
}

@test "--temporary: what happens from now on, and nothing stays" {
    table
    spawn_line "exec pg-cdc --temporary --name '$NAME' -t '$NAME.*' --max-events 2 '$URL' >'$DIR/out' 2>'$DIR/err'"
    wait_for_match "$DIR/err" 'created temporary slot'
    sql "insert into $NAME.t values (1), (2)"
    status_of "$SPAWNED" 20
    is "rows" 2 "$(grep -c '"op":"c"' "$DIR/out")"
    is "slots" 0 "$(sql "select count(*) from pg_replication_slots where slot_name like 'cdc_$NAME%'")"
    is "publications" 0 "$(sql "select count(*) from pg_publication where pubname like 'cdc_$NAME%'")"
}

@test "--drop leaves a publication that somebody else made" {
    table
    sql "create publication cdc_$NAME for table $NAME.t"
    begin
    stream --drop
    not slot_exists "$SLOT"
    is "publications" 1 "$(sql "select count(*) from pg_publication where pubname = 'cdc_$NAME'")"
}

# An acknowledgement as a sink would write it, for the last commit in file $2.
write_ack() {
    jq -c --arg name "$NAME" -n '[inputs | select(.op == "commit")][-1] | {format: 1, tool: "cdc-sink-test", time: "2026-01-01T00:00:00Z", offsets: {($name): {pos: .pos, seq: .seq, lines: 0, source: .source}}}' "$2" >"$1.new"
    mv "$1.new" "$1"
}

@test "only what is acknowledged is confirmed; after SIGKILL the rest comes again, in the same lines" {
    table
    begin
    before=$(slot_confirmed "$SLOT")
    spawn_line "exec pg-cdc --name '$NAME' -t '$NAME.*' --ack '$DIR/ack' --heartbeat 200ms '$URL' >'$DIR/out' 2>'$DIR/err'"
    for i in 1 2 3; do sql "insert into $NAME.t values ($i)"; done
    wait_for_lines "$DIR/out" 12
    is "nothing acknowledged, nothing confirmed" "$before" "$(slot_confirmed "$SLOT")"
    grep -m 1 '"op":"commit"' "$DIR/out" >"$DIR/first"
    write_ack "$DIR/ack" "$DIR/first"
    end=$(jq '.source.lsn' "$DIR/first")
    wait_until confirmed_past "$SLOT" "$end"
    is "confirmed up to the first commit" "$end" "$(slot_confirmed "$SLOT")"
    kill -KILL "$SPAWNED"
    wait_until slot_idle "$SLOT"
    t pg-cdc --name "$NAME" -t "$NAME.*" --ack "$DIR/ack" --until now "$URL" >"$DIR/again" 2>"$DIR/err"
    is "again" "2 3" "$(jq -r 'select(.op == "c") | .after.id' "$DIR/again" | xargs)"
    diff <(grep '"op":"c"' "$DIR/out" | tail -2) <(grep '"op":"c"' "$DIR/again")
}

@test "an acknowledgement alone is enough to know that this is no first start" {
    table
    begin
    sql "insert into $NAME.t values (1)"
    stream --until now
    write_ack "$DIR/ack" "$DIR/out"
    drop_slots "and slot_name = '$SLOT'"
    run -79 --separate-stderr stream --until now --ack "$DIR/ack"
    not slot_exists "$SLOT"
}

@test "a reader that stands still for longer than wal_sender_timeout: the connection lives" {
    sql "create table $NAME.t (id int primary key, v text)"
    sql "alter database $DATABASE set wal_sender_timeout = '2s'"
    begin
    sql "insert into $NAME.t select i, repeat('x', 500) from generate_series(1, 20000) i"
    mkfifo "$DIR/pipe"
    spawn_line "exec pg-cdc --name '$NAME' -t '$NAME.*' --until now '$URL' >'$DIR/pipe' 2>'$DIR/err'"
    source=$SPAWNED
    exec 7<"$DIR/pipe"
    wait_until slot_active "$SLOT"
    walsender=$(sql "select active_pid from pg_replication_slots where slot_name = '$SLOT'")
    pause_ms 7000
    is "walsender" "$walsender" "$(sql "select active_pid from pg_replication_slots where slot_name = '$SLOT'")"
    cat <&7 >"$DIR/out"
    exec 7<&-
    status_of "$source"
    is "rows" 20000 "$(grep -c '"op":"c"' "$DIR/out")"
    not grep -q 'trying again' "$DIR/err"
    whole_lines "$DIR/out"
}

lag() { sed -n "s/^cdc_lag_$1{.*} //p" "$DIR/metrics"; }
lags() { [ -s "$DIR/metrics" ] && [ "$(lag bytes)" -ge "$1" ] && [ "$(lag milliseconds)" -ge "$2" ]; }
no_lag() { [ -s "$DIR/metrics" ] && [ "$(lag bytes)" = 0 ] && [ "$(lag milliseconds)" = 0 ]; }

@test "the lag grows while the reader stands still, and while the server is away; then there is none again" {
    OTHER=$(test_folder)
    PG_DIR=$OTHER
    pg_start "$OTHER"
    DATABASE=postgres
    URL=$(pg_url postgres)
    sql "create table t (id int primary key, v text)"
    spawn_line "pg-cdc --name '$NAME' --ack stdout --state-dir '$STATE' --heartbeat 1 --metrics-file '$DIR/metrics' '$URL' 2>'$DIR/err' | cat >'$DIR/out'"
    wait_until slot_active "$SLOT"
    sql "insert into t values (0, 'first')"
    wait_for_match "$DIR/out" '"id":0'
    wait_until no_lag
    kill -STOP "$(member "$SPAWNED" cat)"
    sql "insert into t select i, repeat('x', 500) from generate_series(1, 20000) i"
    wait_until lags 5000000 3000 || fail "$(grep ^cdc_lag "$DIR/metrics"; cat "$DIR/err")"
    kill -CONT "$(member "$SPAWNED" cat)"
    wait_for_match "$DIR/out" '"id":20000'
    wait_until no_lag
    pg_down "$OTHER" immediate
    wait_until lags -1 3000
    is "bytes while the server is away" -1 "$(lag bytes)"
    pg_up "$OTHER"
    sql "insert into t values (-1, 'last')"
    wait_for_match "$DIR/out" '"id":-1'
    wait_until no_lag
    kill -TERM "$(member "$SPAWNED" pg-cdc)"
    status_of "$SPAWNED"
}

@test "an idle slot moves on with the rest of the server, and lets it shut down at once" {
    OTHER=$(test_folder)
    PG_DIR=$OTHER
    pg_start "$OTHER"
    DATABASE=postgres
    URL=$(pg_url postgres)
    sql "create table seen (id int primary key); create table other (id int)"
    spawn_line "exec pg-cdc --name '$NAME' -t seen --heartbeat 60 '$URL' >'$DIR/out' 2>'$DIR/err'"
    wait_until slot_active "$SLOT"
    sql "insert into other select generate_series(1, 1000)"
    began=$SECONDS
    pg_down "$OTHER" fast
    [ $((SECONDS - began)) -le 30 ] || fail "the shutdown took $((SECONDS - began)) s"
    pg_up "$OTHER"
    sql "insert into seen values (1)"
    wait_for_match "$DIR/out" '"op":"c"'
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED"
    ordered "$DIR/out"
}

@test "a server that shuts down is not held up by sinks that store nothing" {
    OTHER=$(test_folder)
    PG_DIR=$OTHER
    pg_start "$OTHER"
    DATABASE=postgres
    URL=$(pg_url postgres)
    sql "create table seen (id int primary key, v text)"
    mkfifo "$DIR/pipe"
    spawn_line "exec pg-cdc --name '$NAME' -t seen --ack '$DIR/none' '$URL' >'$DIR/pipe' 2>'$DIR/err'"
    exec 7<>"$DIR/pipe"
    wait_until slot_active "$SLOT"
    # First with a reader that takes no more, then with one that takes all.
    for rows in 50000 10; do
        sql "insert into seen select i, repeat('x', 100) from generate_series(1, $rows) i; truncate seen"
        began=$SECONDS
        pg_down "$OTHER" fast
        [ $((SECONDS - began)) -le 30 ] || fail "the shutdown took $((SECONDS - began)) s"
        pg_up "$OTHER"
        [ "$rows" != 50000 ] || spawn_line "exec cat '$DIR/pipe' >'$DIR/out'"
        wait_until slot_active "$SLOT"
    done
    # Those that come again count once.
    rows_came() { [ "$(grep -o '"op":"c","pos":"[^"]*"' "$DIR/out" | sort -u | wc -l)" = 50010 ]; }
    wait_until rows_came
    exec 7>&-
}

@test "latency: a single row is on stdout without waiting for a timer" {
    table
    begin
    spawn_line "exec pg-cdc --name '$NAME' -t '$NAME.*' '$URL' >'$DIR/out' 2>'$DIR/err'"
    wait_until slot_active "$SLOT"
    sql "insert into $NAME.t values (0)"
    wait_for_match "$DIR/out" '"op":"c"'
    lag=$(NAME=$NAME python3 - "$DIR/out" <<'EOF'
import os, subprocess, sys, time
out = open(sys.argv[1], "rb")
out.seek(0, 2)
psql = subprocess.Popen(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", os.environ["CDC_PG_DIR"], "-U", "postgres", "-d", os.environ["DATABASE"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
lags = []
# The best of three medians: other processes take their time, too.
for i in range(1, 61):
    psql.stdin.write(f"insert into {os.environ['NAME']}.t values ({i}) returning id;\n".encode())
    psql.stdin.flush()
    psql.stdout.readline()
    begin = time.monotonic()
    while not out.read() and time.monotonic() < begin + 5:
        time.sleep(0.0005)
    lags.append(time.monotonic() - begin)
    time.sleep(0.03)
    out.read()
print(int(min(sorted(lags[i:i + 20])[10] for i in (0, 20, 40)) * 1000))
EOF
    )
    [ "$lag" -lt 50 ] || fail "$lag ms"
}

@test "memory does not grow with a transaction" {
    table
    begin
    sql "insert into $NAME.t select i, 'some text of a usual length' from generate_series(1, 200000) i"
    spawn_line "exec pg-cdc --name '$NAME' -t '$NAME.*' '$URL' >'$DIR/out' 2>'$DIR/err'"
    wait_until -t 120 file_matches "$DIR/out" '"op":"commit"'
    peak=$(peak_kib "$SPAWNED")
    # A sanitizer's own memory comes on top.
    case $CDC_BUILD in *asan*) limit=204800 ;; *) limit=20480 ;; esac
    [ "$peak" -lt $limit ] || fail "$peak KiB"
    is "rows" 200000 "$(grep -c '"op":"c"' "$DIR/out")"
}

@test "a row of many megabytes passes whole" {
    table
    begin
    sql "insert into $NAME.t select 1, repeat('0123456789', 3000000)"
    read_all
    is "length" 30000000 "$(jq -r 'select(.op == "c") | .after.v | length' "$DIR/out")"
}

@test "--check names what would lose rows or stop" {
    sql "create table $NAME.good (id int primary key); create table $NAME.bare (id int); create unlogged table $NAME.unlogged (id int primary key); create table $NAME.hollow ()"
    run -78 --separate-stderr t pg-cdc --check --name "$NAME" -t "$NAME.*" "$URL"
    [[ $output == server* && $output != *'"op"'* ]]
    [[ $stderr == *'"bare" has no primary key'* ]]
    [[ $stderr == *'"unlogged" is unlogged'* ]]
    sql "alter table $NAME.hollow replica identity full"
    run -78 --separate-stderr t pg-cdc --check --name "$NAME" -t "$NAME.hollow" "$URL"
    [[ $stderr == *'"hollow" has no columns'* ]]
    sql "drop table $NAME.hollow"
    [[ $stderr != *'"good"'* ]]
    sql "alter table $NAME.bare add primary key (id)"
    run -0 --separate-stderr t pg-cdc --check --name "$NAME" -t "$NAME.*" "$URL"
    sql "create publication cdc_$NAME for table $NAME.good"
    run -78 --separate-stderr t pg-cdc --check --name "$NAME" -t "$NAME.*" "$URL"
    [[ $stderr == *'ALTER PUBLICATION'*'bare'* ]]
    run -78 --separate-stderr t pg-cdc --check --name "$NAME" -t "nothing.*" "$URL"
}

@test "URL, keywords, environment: all of libpq's ways" {
    table
    for way in "dbname=$DATABASE host=$CDC_PG_DIR user=postgres" "$URL" "$DATABASE"; do
        PGHOST=$CDC_PG_DIR PGUSER=postgres t pg-cdc -q --name "$NAME" -t "$NAME.*" --until now "$way" >"$DIR/out" 2>"$DIR/err"
    done
    PGHOST=$CDC_PG_DIR PGUSER=postgres PGDATABASE=$DATABASE t pg-cdc -q --name "$NAME" -t "$NAME.*" --until now >"$DIR/out"
    run -64 --separate-stderr t pg-cdc "$URL" "$URL"
    run -64 --separate-stderr t pg-cdc mysql://localhost/x
    run -64 --separate-stderr t pg-cdc "postgresql://user:pa@ss@host/db"
    [[ $stderr != *pa@ss* && $stderr != *ss@host* ]]
}

@test "encryption that cannot be had as the URL asks for it: exit 78, but not where another host may have it" {
    local port url others
    OTHER=$(test_folder)
    port=$(mysql_free_port)
    url=postgresql://postgres@127.0.0.1:$port/postgres
    others=postgresql://postgres@127.0.0.1:1,127.0.0.1:$port/postgres
    pg_start "$OTHER" "listen_addresses = '127.0.0.1'" "port = $port"
    asks() { run "-$1" --separate-stderr t pg-cdc --name "$NAME" --retry-max 0 --ack stdout --until now "$2"; }
    asks 78 "$url?sslmode=require"
    asks 78 "$url?sslmode=prefer&channel_binding=require"
    asks 69 "$others?sslmode=require"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=elsewhere -keyout "$OTHER/data/server.key" -out "$OTHER/data/server.crt" 2>/dev/null
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=stranger -keyout "$DIR/stranger.key" -out "$DIR/stranger.crt" 2>/dev/null
    cp "$OTHER/data/server.crt" "$DIR/own.crt"
    chmod 600 "$OTHER/data/server.key"
    [ "$(id -u)" != 0 ] || chown postgres: "$OTHER/data/server.key" "$OTHER/data/server.crt"
    echo "ssl = on" >>"$OTHER/data/postgresql.conf"
    pg_down "$OTHER"
    pg_up "$OTHER"
    asks 78 "$url?sslmode=verify-ca&sslrootcert=$DIR/stranger.crt"
    [[ $stderr == *certificate* ]]
    asks 78 "$url?sslmode=verify-full&sslrootcert=$DIR/own.crt"
    asks 78 "$url?sslmode=verify-ca&sslrootcert=$DIR/none.crt"
    asks 0 "$url?sslmode=verify-ca&sslrootcert=$DIR/own.crt"
    asks 69 "$others?sslmode=verify-full&sslrootcert=$DIR/own.crt"
}

@test "a second SIGTERM while the reader takes nothing: it leaves at once, not with 0, and all comes again" {
    table
    begin
    sql "insert into $NAME.t select i, repeat('x', 5000) from generate_series(1, 1000) i"
    mkfifo "$DIR/fifo"
    exec 7<>"$DIR/fifo" # open for reading, and nobody reads
    spawn bash -c 'exec pg-cdc "$@" >"$0"' "$DIR/fifo" --name "$NAME" -t "$NAME.*" "$URL"
    full() { python3 -c 'import fcntl, struct, sys, termios; sys.exit(struct.unpack("i", fcntl.ioctl(7, termios.FIONREAD, bytes(4)))[0] < 60000)'; }
    wait_until full
    taken() { grep -q '^ShdPnd:.*0000000000000000' "/proc/$SPAWNED/status"; } # else both would be one signal
    kill -TERM "$SPAWNED"
    wait_until taken
    kill -TERM "$SPAWNED"
    status=0
    status_of "$SPAWNED" || status=$?
    exec 7>&-
    is "exit status" 75 "$status"
    read_all
    is rows 1000 "$(lines 'select(.op == "c") | .key.id' | sort -u | wc -l)"
}

@test "an output file that is removed while it is written confirms nothing: exit 74, and the rows come with the next start" {
    table
    begin
    spawn_line "exec pg-cdc --name '$NAME' -t '$NAME.*' '$URL' >>'$DIR/gone' 2>'$DIR/err'"
    sql "insert into $NAME.t values (1, 'a')"
    wait_for_match "$DIR/gone" '"op":"commit"'
    rm "$DIR/gone"
    sql "insert into $NAME.t values (2, 'b')"
    local status=0
    status_of "$SPAWNED" || status=$?
    is status 74 "$status"
    grep -q 'the output file was removed' "$DIR/err"
    read_all
    is "rows that come" 2 "$(lines 'select(.op == "c") | .after.id' | tail -1)"
}

@test "progress of a snapshot: a line of the terminal that is written over, with one session and with two; figures in the metrics file" {
    local width jobs=1
    sql "create table $NAME.a (id int primary key, v text); insert into $NAME.a select n, repeat('x', 300) from generate_series(1, 20000) n;
         create table $NAME.b (id int primary key); insert into $NAME.b select generate_series(1, 500); analyze $NAME.a, $NAME.b; create table $NAME.c (id int primary key)"
    for width in 80 200; do
        rm -rf "$DIR/state"
        mkdir "$DIR/state"
        t python3 "$LIB/terminal.py" $width "$DIR/states" bash -o pipefail -c "cdc-snapshot -j $jobs --name $NAME -t '$NAME.*' --ack=stdout --state-dir '$DIR/state' --metrics-file '$DIR/metrics' '$URL' | awk '{ print } NR % 3000 == 0 { system(\"sleep 0.3\") }'" >"$DIR/all" || { cat "$DIR/states" "$DIR/all" | cut -c1-300 | tail -20; return 1; }
        is "rows" 20500 "$(grep -c '"op":"r"' "$DIR/all")"
        grep -q '^cdc-snapshot: info: the snapshot of .* is written: 20500 rows of 3 tables' "$DIR/all"
        grep -qE "^$NAME\.a [0-9]+ %.*; 0 of 3 tables [0-9]+ % [0-9]+ of [0-9]+ rows [0-9.]+ [kM]B .*left$" "$DIR/states" || { cat "$DIR/states"; fail "width $width"; }
        grep -oE '[0-9]+ %' "$DIR/states" | awk '$1 > 100 { exit 1 }'
        is "left on it" 0 "$(grep -c ' left$' "$DIR/all")"
        is "rows in the file" 20500 "$(sed -n 's/^cdc_snapshot_rows{.*} //p' "$DIR/metrics")"
        is "tables in the file" 3 "$(sed -n 's/^cdc_snapshot_tables_done{.*} //p' "$DIR/metrics")"
        pg-cdc --drop --name "$NAME" "$URL" 2>>"$DIR/err"
        jobs=2
    done
}
