#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-snapshot of PostgreSQL: several sessions, attempts that go on where the one before was killed, parts of the rows.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2046,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/pg-stale
load lib/crash

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    touch "$DIR/stop"
    pg_test_teardown
}
snapshot() { # shellcheck disable=SC2086
    eval "cdc-snapshot $(source_options) $*"; }
rows_of() { jq -c "select(.op == \"r\" and .source.table == \"$1\") | .after" "$DIR/out" | sort; }

@test "-j: the same rows as one session reads, once, in one order; partitions, a table without a row, rows of many sizes" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select i, repeat('x', i % 500) from generate_series(1, 12000) i; delete from $NAME.t where id % 7 = 0;
         insert into $NAME.t values (0, repeat('long', 200000)); create table $NAME.empty (id int primary key);
         create table $NAME.p (id int primary key, v int) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (100);
         create table $NAME.p2 partition of $NAME.p for values from (100) to (20000); insert into $NAME.p select i, i from generate_series(0, 19999) i"
    snapshot -j 3 --chunk-rows 300 >"$DIR/out"
    is "rows of t" "$(sql "select json_build_object('id', id, 'v', v) from $NAME.t" | jq -c . | sort | md5sum)" "$(rows_of t | md5sum)"
    is "rows of p" "$(sql "select json_build_object('id', id, 'v', v) from $NAME.p" | jq -c . | sort | md5sum)" "$(rows_of p | md5sum)"
    is "each pos is after the one before" "" "$(jq -r .pos "$DIR/out" | awk '$0 <= last {print; exit} {last = $0}')"
    is "schema lines" "empty p t" "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/out" | sort | xargs)"
    is "events of all commit lines" "$(grep -c '"op":"r"' "$DIR/out")" "$(jq 'select(.op == "commit") | .events' "$DIR/out" | awk '{n += $1} END {print n}')"
    is "tables, each in one piece" "empty p t" "$(jq -r 'select(.op == "r" or .op == "schema") | .source.table' "$DIR/out" | uniq | xargs)"
}

@test "-j: DDL that waits for the first session's lock holds up nobody: the others leave the table to it" {
    sql "create table $NAME.a (id int primary key, v text); insert into $NAME.a select i, repeat('x', 200) from generate_series(1, 40000) i;
         create table $NAME.b (id int primary key, v text); insert into $NAME.b select i, repeat('x', 200) from generate_series(1, 40000) i"
    spawn bash -c "eval \"\$1\" | '$LIB/slow.py' 8e6 >'$DIR/out'" - "cdc-snapshot -j 3 --chunk-rows 200 $(source_options) 2>'$DIR/err'"
    local reader=$SPAWNED
    wait_until grep -q '"op":"r"' "$DIR/out"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -XqAt -d "$DATABASE" -c "alter table $NAME.b add c int default 3"
    local ddl=$SPAWNED
    wait_until gone "$reader"
    wait_until gone "$ddl"
    is "rows" 80000 "$(grep -c '"op":"r"' "$DIR/out")"
    is "errors" "" "$(grep error "$DIR/err")"
}

@test "-j: a session that the server ends, and a server without connections for all of them" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select i, repeat('x', 100) from generate_series(1, 60000) i"
    spawn bash -c "eval \"\$1\" | '$LIB/slow.py' 8e6 >'$DIR/out'" - "cdc-snapshot -j 3 --chunk-rows 200 $(source_options) 2>'$DIR/err'"
    wait_until grep -q '"op":"r"' "$DIR/out"
    is "ended" t "$(sql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cdc-snapshot' and query like 'COPY%ctid%' limit 1")"
    wait_until gone "$SPAWNED"
    grep -q "attempt 2" "$DIR/err"
    is "rows of the second attempt" 60000 "$(grep '"op":"r"' "$DIR/out" | grep -c 'a0002')"
    sql "create role few$NAME login replication connection limit 3; grant postgres to few$NAME"
    URL=$(pg_url "$DATABASE" "few$NAME")
    cdc-snapshot -j 8 --name "few$NAME" --publication "cdc_$NAME" --slot "few_$NAME" -t "$NAME.*" --offset-file "$DIR/few.offset" "$URL" >"$DIR/out" 2>"$DIR/err"
    is "rows" 60000 "$(grep -c '"op":"r"' "$DIR/out")"
    grep -q "of 8 sessions" "$DIR/err"
    sql "drop owned by few$NAME; drop role few$NAME"
}

# One line under a supervisor; one of its processes, or all sessions of the snapshot at the server, are killed again and again while
# the rows are read and four clients write.
kill_one() {
    local pid
    case $1 in
    0 | 1) pid=$(member "$SUPERVISOR" cdc-snapshot) ;;
    2) pid=$(member "$SUPERVISOR" cdc-sink-sqlite) ;;
    *) sql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cdc-snapshot' and backend_type = 'client backend'" >/dev/null; return ;;
    esac
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
}
keeps_parts() { grep -q '"parts":\[{' "$STATE/cdc-snapshot-$NAME.offset"; }
copied_all() { sqlite_rows "$DIR/copy.db" 2>/dev/null && source_rows "$(printf "case when flag then 1 when not flag then 0 end")" && for t in accounts history branches; do python3 "$LIB/compare.py" "$DIR/$t.expected" "$DIR/$t.actual" >"$DIR/differs" || return 1; done; }
killed_snapshot() { # JOBS
    local client i
    COLD_ROWS=${CDC_SNAPSHOT_ROWS:-12000} SHARED_ROWS=2000
    crash_tables
    supervise "{ cdc-snapshot -j $1 --chunk-rows 40 $(source_options) && exec pg-cdc --heartbeat 1 $(source_options); } | '$LIB/slow.py' ${CDC_SNAPSHOT_RATE:-2e6} | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"
    TRAFFIC=()
    for client in 1 2 3 4; do
        awk -v client=$client -v n=${CDC_SNAPSHOT_CHANGES:-300} -v seed="$CRASH_SEED" -v schema="$NAME" -v shared=2000 -v cold="$COLD_ROWS" -v pause_ms=15 -f "$LIB/traffic.awk" >"$DIR/traffic$client.sql"
        PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -XqAt -d "$DATABASE" -f "$DIR/traffic$client.sql" >/dev/null 2>>"$DIR/traffic.err"
        TRAFFIC+=("$SPAWNED")
    done
    RANDOM=$((CRASH_SEED + $1))
    for ((i = 0; i < ${CDC_SNAPSHOT_KILLS:-5}; i++)); do
        wait_until has_member "$SUPERVISOR" cdc-snapshot
        wait_until keeps_parts
        pause_ms $((RANDOM % 1000))
        kill_one $((RANDOM % 4))
    done
    wait_until -t 120 traffic_done
    is "errors of the traffic" "" "$(head -3 "$DIR/traffic.err")"
    wait_until -t 180 has_member "$SUPERVISOR" pg-cdc
    wait_confirmed "$SLOT" 120
    wait_until -t 60 copied_all || { cat "$DIR/differs" >&2; tail -20 "$DIR/err" >&2; fail "the copy differs from the source"; }
    stop_supervised
    grep -q "is not read again" "$DIR/err" || fail "no attempt went on with what was stored"
    [ ! -e "$DIR/failed" ] || fail "the line ended with $(cat "$DIR/failed")"
}

# A line whose snapshot is killed once a part of t is stored.
killed_in_part() {
    sql "create table $NAME.t (id int primary key, v int, big text); alter table $NAME.t alter big set storage external;
         insert into $NAME.t select i, 0, case when i < 20 or i > 29900 then repeat(md5(i::text), 100) else repeat('x', 300) end from generate_series(1, 30000) i"
    spawn_line "cdc-snapshot --chunk-rows 40 $(source_options) | '$LIB/slow.py' 2e6 | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'" 2>"$DIR/err"
    wait_until stored_part
    kill -KILL "$(member "$SPAWNED" cdc-snapshot)"
    wait_until gone "$SPAWNED"
}
# The newest part is stored.
stored_part() {
    local part acked
    part=$(jq -r '.offsets[].state.read.parts[0].pos // ""' "$STATE/cdc-snapshot-$NAME.offset")
    acked=$(jq -r '.offsets[].pos // ""' "$STATE/cdc-sink-sqlite.offset" 2>/dev/null)
    [ -n "$part" ] && [[ ! "$acked" < "$part" ]]
}
rest_line() { echo "{ cdc-snapshot --chunk-rows 40 $(source_options) && exec pg-cdc --heartbeat 1 $(source_options); } | tee -a '$DIR/out' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"; }

@test "an attempt goes on inside of a table: rows that were deleted, changed, moved to another key or another place since" {
    killed_in_part
    sql "delete from $NAME.t where id % 1000 = 1; update $NAME.t set v = 1 where id % 1000 = 2; update $NAME.t set id = id + 1000000, big = 'moved' where id % 1000 = 3;
         insert into $NAME.t select 2000000 + i, 5, 'new' from generate_series(1, 100) i; update $NAME.t set v = 2 where id = 4; delete from $NAME.t where id = 6; insert into $NAME.t values (6, 6, 'again')"
    # Rows of the end move to where others were, without their large values.
    sql "delete from $NAME.t where id between 20 and 3000"
    sql "vacuum (freeze) $NAME.t"
    sql "update $NAME.t set v = 9 where id > 29900 and id < 100000"
    [ "$(sql "select count(*) from $NAME.t where v = 9 and ctid < '(100,0)'")" -gt 50 ]
    sql "insert into $NAME.t select 3000000 + i, 5, 'where others were' from generate_series(1, 30) i"
    supervise "$(rest_line)"
    equal t "id, v, big"
    stop_supervised
    local rows
    rows=$(grep -c '"op":"r"' "$DIR/out")
    [ "$rows" -lt 29000 ] || fail "$rows rows were read in the second attempt"
    is "truncate lines" 0 "$(grep -c '"op":"t"' "$DIR/out")"
    is "tables that were read again" "" "$(grep 'to be read again' "$DIR/err")"
}

@test "an attempt goes on inside of a table: a row that moved without its large value, and another one under its key: the table is read again" {
    killed_in_part
    sql "update $NAME.t set id = 1000001 where id = 1; insert into $NAME.t values (1, 1, repeat('another', 500))"
    supervise "$(rest_line)"
    equal t "id, v, big"
    stop_supervised
    grep -q "to be read again: a row moved to another key" "$DIR/err"
}

@test "an attempt begins a table anew that was altered since" {
    killed_in_part
    sql "alter table $NAME.t add c int default 7"
    supervise "$(rest_line)"
    equal t "id, v, c"
    stop_supervised
    is "rows of the second attempt" 30000 "$(grep '"op":"r"' "$DIR/out" | grep -c 'a0002')"
}

@test "an attempt for a sink that came since, and tells of itself only when it has begun: it has all rows" {
    killed_in_part
    mkdir "$DIR/second"
    cat >"$DIR/late" <<END
until [ -e '$STATE/second.offset' ] || grep -q '"sinks"' '$STATE/cdc-snapshot-$NAME.offset'; do sleep 0.05; done
exec cdc-sink-sqlite --offset-file '$STATE/second.offset' '$DIR/second/copy.db'
END
    supervise "{ cdc-snapshot --chunk-rows 40 $(source_options) && exec pg-cdc --heartbeat 1 $(source_options); } | tee >(bash '$DIR/late') | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"
    equal t "id, v, big"
    equal t "id, v, big" "$DIR/second/copy.db"
    stop_supervised
    grep -q "a sink has come, or was set back" "$DIR/err"
}

@test "--where: the rows that meet all conditions, of these tables; whatever is no condition is 78, and neither slot nor publication is made" {
    sql "create table $NAME.t (id int primary key, v int); insert into $NAME.t select i, i % 10 from generate_series(1, 1000) i; create table $NAME.u (id int primary key); insert into $NAME.u values (1), (2);
         create table $NAME.w (id int primary key, v text); insert into $NAME.w values (1, 'a'), (2, 'b')"
    local condition
    for condition in 't:true) OR (true' 't:true LIMIT 1' 't:v' 't:nix = 1' "t:true; DROP TABLE $NAME.u" 't:v = $1' 't:v = 1 /*' 'nix:v = 1' 'w:id = 1' 't:SELECT true'; do
        SOURCE_EXTRA="--where $(printf %q "$condition")"
        run -78 snapshot
        run -78 snapshot --check
    done
    refute_slot
    sql "alter table $NAME.w replica identity full"
    SOURCE_EXTRA=""
    snapshot --where "'t:v = 1 OR v = 2'" --where "'$NAME.?:id > 1 -- and no more'" --where "'\"$NAME\".t:id <= 100'" -j 2 >"$DIR/out"
    is "rows of t" "19" "$(rows_of t | wc -l)"
    is "conditions of all of them" "2 2" "$(sql "select count(*) from $NAME.t where (v = 1 or v = 2) and id > 1 and id <= 100 and id < 13 and id > 2") $(rows_of t | jq 'select(.id < 13 and .id > 2)' | grep -c id)"
    is "rows of u and w" '{"id":2} {"id":2,"v":"b"}' "$(rows_of u) $(rows_of w)"
}
refute_slot() { is "slots and publications" "0 0" "$(sql "select (select count(*) from pg_replication_slots where slot_name = '$SLOT') || ' ' || (select count(*) from pg_publication where pubname = 'cdc_$NAME')")"; }

@test "--where: a further attempt with another condition begins the table anew" {
    killed_in_part
    sql "alter table $NAME.t replica identity full"
    SOURCE_EXTRA="--where '$NAME.t:id > 29990'"
    supervise "{ cdc-snapshot --chunk-rows 40 $(source_options) && SOURCE_EXTRA= exec pg-cdc --heartbeat 1 --name $NAME -t '$NAME.*' --state-dir '$STATE' '$URL'; } | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"
    wait_until has_ten
    stop_supervised
}
has_ten() { [ "$(sqlite3 "$DIR/copy.db" "select count(*), min(id) from t" 2>/dev/null)" = "10|29991" ]; }

@test "killed five times while four clients write: only what is missing is read, and the copy ends as the source; one session" {
    killed_snapshot 1
}
@test "killed five times while four clients write: only what is missing is read, and the copy ends as the source; three sessions" {
    killed_snapshot 3
}

# bats test_tags=only:postgresql-15
@test "--columns: snapshot and log have these columns, by the publication's lists; another list is 78, and its cure has the table read again" {
    local cure
    sql "create table $NAME.t (id int primary key, v text, secret text); insert into $NAME.t select i, 'v' || i, 'hush' from generate_series(1, 500) i; create table $NAME.u (id int primary key, v int); insert into $NAME.u values (1, 1);
         create table $NAME.p (id int primary key, v int, secret text) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (100); insert into $NAME.p values (1, 1, 'hush')"
    SOURCE_EXTRA="--columns $NAME.t:v,id --columns p:id,v"
    supervise "$(copy_line)"
    equal t "id, v"
    sql "insert into $NAME.t values (501, 'new', 'hush'); update $NAME.t set v = 'changed', secret = 'hush hush' where id = 2; update $NAME.t set secret = 'x' where id = 3; delete from $NAME.t where id = 4; insert into $NAME.p values (2, 2, 'hush'); insert into $NAME.u values (2, 2)"
    equal t "id, v"
    equal p "id, v"
    equal u "id, v"
    is "columns of the copies" "id v id v" "$(sqlite3 "$DIR/copy.db" "select group_concat(name, ' ') from (select name from pragma_table_info('t') where name not like 'cdc_%' order by 1) union all select group_concat(name, ' ') from pragma_table_info('p') where name not like 'cdc_%'" | xargs)"
    stop_supervised
    # Another list on the command line; then in the publication, too.
    SOURCE_EXTRA="--columns $NAME.t:id,v,secret --columns p:id,v"
    run -78 t pg-cdc --name "$NAME" -t "$NAME.*" --columns "$NAME.t:id,v,secret" --columns "p:v,id" --state-dir "$STATE" --until now "$URL"
    cure=$(grep -o 'BEGIN; ALTER.*COMMIT;' <<<"$output")
    sql "update $NAME.t set secret = 'before it' where id = 5"
    sql "$cure update $NAME.t set secret = 'after it' where id = 6"
    rm -f "$DIR/stop"
    supervise "$(copy_line)"
    equal t "id, v, secret"
    equal p "id, v"
    sql "update $NAME.t set secret = 'and then' where id = 7"
    equal t "id, v, secret"
    stop_supervised
}

# bats test_tags=only:postgresql-15
@test "--columns: a column of the key left out, one that is not there, FULL, a table that is not read: 78, nothing is made, --check says so" {
    local columns
    sql "create table $NAME.t (id int, part int, v text, g int generated always as (id * 2) stored, primary key (id, part)); insert into $NAME.t values (1, 1, 'a'); create table $NAME.f (id int primary key, v int, w int); alter table $NAME.f replica identity full;
         create table $NAME.p (id int primary key, v int) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (100)"
    for columns in t:id,v t:id,part,V t:id,part,nix nix:id f:id,v "$NAME.p1:id" $([ "$(sql 'show server_version_num')" -ge 180000 ] || echo t:id,part,g); do
        SOURCE_EXTRA="--columns $columns"
        run -78 snapshot
        grep -q -- "error: --columns" <<<"$output"
        run -78 snapshot --check
        grep -q -- "--columns" <<<"$output"
        run -78 t pg-cdc --name "$NAME" -t "$NAME.*" --columns "$columns" --offset-file "$DIR/offset" --until now "$URL"
    done
    for columns in t:id,,part t: :id "t"; do
        SOURCE_EXTRA="--columns $columns"
        run -64 snapshot
    done
    refute_slot
    # A publication for all tables has no lists.
    sql "create publication cdc_$NAME for all tables"
    SOURCE_EXTRA="--columns t:id,part"
    run -78 snapshot
    grep -q "for all tables" <<<"$output"
    sql "drop publication cdc_$NAME"
    # The application may go on after it.
    snapshot >"$DIR/out"
    sql "update $NAME.t set v = 'b', part = 2 where id = 1; delete from $NAME.t where id = 1"
    is "rows" '{"id":1,"part":1}' "$(rows_of t)"
}
