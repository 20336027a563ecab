#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables that people ask to be read again (cdc-snapshot --again), from PostgreSQL, and tables that a pipeline gets besides.
# takes: 120 s
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
    [ ! -e "$DIR/standby" ] || standby ""
    [ ! -e "$DIR/closed" ] || connections true
    pg_test_teardown
}
# again STATUS OPTIONS...: asks; $output has what it said.
again() {
    local status=$1
    shift
    run -"$status" --separate-stderr cdc-snapshot --again --name "$NAME" --state-dir "$STATE" "$@" "$URL"
    is "lines" "" "$output"
    output=$stderr
}
# Runs that ended with 75; there may have been none.
ends_with_75() { if [ -e "$DIR/ends" ]; then grep -cx 75 "$DIR/ends" || true; else echo 0; fi; }
says() { grep -q "$1" <<<"$output" || { echo "$output"; fail "it does not say: $1"; }; }
request() { echo "$STATE/cdc-snapshot-$NAME.again"; }
# What is wrong in the copy, no line of the log puts right.
spoil() { sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "update $1 set v = 'spoiled' where id = 1; insert into $1 (id, v) values (99, 'ghost'); delete from $1 where id = 2"; }
spoiled() { [ "$(rows_copied "$1" "id || v" | xargs)" = "$2" ]; }
two_tables() {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row ' || g from generate_series(1, 3) g;
         create table $NAME.u (id int primary key, v text); insert into $NAME.u select g, 'row ' || g from generate_series(1, 3) g"
}

@test "while the line runs, and while it does not: these tables are read again, and no others; two requests are one" {
    two_tables
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    spoil t
    spoil u
    again 0 -t "$NAME.t"
    says "table $NAME.t is to be read again"
    equal t "id, v"
    sql "insert into $NAME.t values (4, 'after'); insert into $NAME.u values (4, 'after')"
    equal t "id, v"
    wait_until spoiled u "1spoiled 3row 3 4after 99ghost"
    wait_until not test -e "$(request)"
    is "runs that ended with 75" 0 "$(ends_with_75)"
    stop_supervised

    spoil t
    again 0 -t "$NAME.t"
    again 0 -t "$NAME.u" -t "$NAME.t"
    is "mode of the file" 600 "$(stat -c %a "$(request)")"
    is "tables in it" "t u" "$(jq -r '.stale.tables[].table' "$(request)" | xargs)"
    : >"$DIR/err"
    : >"$DIR/ends"
    sql "update $NAME.t set v = 'meanwhile' where id = 3"
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    wait_until not test -e "$(request)"
    sql "insert into $NAME.t values (5, 'last')"
    equal t "id, v"
    is "runs that ended with 75" 0 "$(ends_with_75)"
    not test -e "$DIR/failed"
    stop_supervised
}

@test "a request in the middle of traffic, each process killed at it: the copy ends as the source" {
    local victim i
    two_tables
    supervise "$(copy_line)"
    equal t "id, v"
    write_all_the_time "insert into $NAME.t values (NN, 'new'); update $NAME.t set v = 'NN' where id = NN - 3; delete from $NAME.t where id = NN - 10; insert into $NAME.u values (NN, 'u');"
    for victim in pg-cdc cdc-filter cdc-sink-sqlite pg-cdc; do
        wait_until -t 30 victim_runs "$victim"
        again 0 -t "$NAME.*"
        wait_until -t 30 not test -e "$(request)"
        for i in $(pgrep -g "$SUPERVISOR" -x "${victim:0:15}"); do kill -KILL "$i" 2>/dev/null || true; done
    done
    wait_until -t 60 not test -e "$(request)"
    quiet
    WITHIN=60
    equal t "id, v"
    equal u "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}
victim_runs() { pgrep -g "$SUPERVISOR" -x "${1:0:15}" >/dev/null; }

@test "rows that become large at the end of a table: all of them arrive, and memory is bounded" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'small' from generate_series(1, 20000) g; insert into $NAME.t select 30000 + g, repeat('x', 1000000) from generate_series(1, 150) g"
    supervise "$(copy_line)"
    whole() { [ "$(sql "select count(*), sum(length(v)) from $NAME.t")" = "$(sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" 'select count(*), sum(length(v)) from t' 2>/dev/null)" ]; }
    wait_until whole
    sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "delete from t where id % 2 = 0"
    again 0 -t "$NAME.t"
    wait_for_match "$DIR/err" 'is read again: 20150 rows in .* while the log went on'
    wait_until whole
    local kib
    kib=$(peak_kib "$(member "$SUPERVISOR" pg-cdc)")
    [ "$kib" -lt 65536 ] || fail "pg-cdc took $kib KiB"
    stop_supervised
}

@test "other keys, none, partitions, and a condition for rows, while others write and rows move: read again in place, too" {
    local table
    sql "create table $NAME.t (id text primary key, v text); create table $NAME.k (id int, v text); alter table $NAME.k replica identity full;
         create table $NAME.p (id int, day date, v text, primary key (id, day)) partition by list (day); create table $NAME.p1 partition of $NAME.p for values in ('2026-01-01'); create table $NAME.p2 partition of $NAME.p default;
         create table $NAME.f (id int primary key, v text); alter table $NAME.f replica identity full; create table $NAME.u (id int primary key, v text);
         create publication cdc_$NAME for table $NAME.t, $NAME.k, $NAME.p, $NAME.u, $NAME.f$(filter_of_f) with (publish_via_partition_root = true);
         insert into $NAME.t select 'Key ' || g, 'row ' || g from generate_series(1, 5000) g; insert into $NAME.k select g, 'row ' || g from generate_series(1, 5000) g;
         insert into $NAME.p select g, '2026-01-01', 'row ' || g from generate_series(1, 3000) g; insert into $NAME.f select g, 'row ' || g from generate_series(1, 3000) g"
    supervise "$(copy_line)"
    for table in t k f; do equal "$table" "id, v"; done
    equal p "id, day, v"
    for table in t k p f; do sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "update $table set v = 'spoiled' where rowid % 3 = 0; delete from $table where rowid % 7 = 0"; done
    write_all_the_time "insert into $NAME.t values ('new NN', 'n'); update $NAME.t set id = 'a' || id where id = 'Key ' || NN; delete from $NAME.t where id = 'Key ' || NN + 1000; insert into $NAME.k values (NN + 10000, 'n'); delete from $NAME.k where id = NN + 1000;
        insert into $NAME.p values (NN + 5000, '2026-01-02', 'n'); update $NAME.p set day = '2026-01-03' where id = NN; insert into $NAME.f values (NN + 5000, 'n'); update $NAME.f set id = id + 20000 where id = NN; insert into $NAME.u values (NN, 'n');"
    again 0 -t "$NAME.t" -t "$NAME.k" -t "$NAME.p" -t "$NAME.f"
    wait_until -t 30 not test -e "$(request)"
    quiet
    for table in t k u f; do equal "$table" "id, v"; done
    equal p "id, day, v"
    wait_until -t 30 read_in_place 4
    is "runs that ended with 75" 0 "$(ends_with_75)"
    stop_supervised
}
filter_of_f() { if [ "$(sql 'show server_version_num')" -ge 150000 ]; then echo " where (id > 0)"; fi; }
read_in_place() { [ "$(grep -c 'is read again: .* while the log went on' "$DIR/err")" -ge "$1" ]; }

@test "large tables with keys whose order the server alone knows, while others write and rows move: in pieces, and nobody waits for them" {
    local table round
    sql "create collation $NAME.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    sql "create table $NAME.t (id text collate $NAME.nocase primary key, v text); create table $NAME.n (d date, c char(9) collate \"und-x-icu\", e numeric, v text, primary key (c, e, d)); create table $NAME.u (id int primary key, v text);
         insert into $NAME.t select 'Key ' || g, repeat('x', 400) from generate_series(1, 30000) g;
         insert into $NAME.n select '2026-01-01'::date + g % 9, (array['Ä', 'a', '', 'Z b', 'é'])[g % 5 + 1], g / 4.0, repeat('x', 400) from generate_series(1, 30000) g"
    supervise "$(copy_line | sed "s:| cdc-filter:| tee -a '$DIR/lines' &:")"
    # In another order than the copy's.
    same_rows() { [ "$(rows_at "$1" "$2" | sort | md5sum)" = "$(rows_copied "$1" "$2" | sort | md5sum)" ]; }
    wait_until -t 40 same_rows t "id, v"
    wait_until -t 40 same_rows n "c, d, e, v"
    for table in t n; do sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "update $table set v = 'spoiled' where rowid % 3 = 0; delete from $table where rowid % 7 = 0"; done
    write_all_the_time "insert into $NAME.t values ('key NN0000', 'n'); update $NAME.t set id = upper(id), v = 'NN' where id = 'KEY ' || NN; update $NAME.t set id = 'a' || id where id = 'key ' || NN + 5000; delete from $NAME.t where id = 'key ' || NN + 1000;
        update $NAME.n set c = (array['ä', 'A', 'ab', 'z', 'E'])[NN % 5 + 1] where e = NN / 4.0; update $NAME.n set e = e + 3000 where e = NN / 3.0; delete from $NAME.n where e = NN / 2.0; insert into $NAME.n values ('2026-02-02', 'a', NN, 'n'); insert into $NAME.u values (NN, 'n');"
    for round in 1 2 3; do
        again 0 -t "$NAME.t" -t "$NAME.n"
        wait_until -t 60 read_in_place $((2 * round))
    done
    quiet
    wait_until -t 40 same_rows t "id, v"
    wait_until -t 40 same_rows n "c, d, e, v"
    equal u "id, v"
    is "runs that ended with 75" 0 "$(ends_with_75)"
    # Between the first and the last row of a read there are changes of others.
    grep '"read":"live"' "$DIR/lines" | jq -r .source.table | sort | uniq -c | xargs >"$DIR/reads"
    is "reads" "3 n 3 t" "$(cat "$DIR/reads")"
    for table in t n; do
        not is "changes of others meanwhile" 0 "$(jq -r --arg table $table 'select(.op == "c" or .read) | if .read then (if .source.table == $table then .read else empty end) else .source.table end' "$DIR/lines" | awk '$1 == "live" {on = 1} $1 == "end" {on = 0} on && $1 == "u" {n++} END {print n + 0}')" 2>/dev/null
    done
    stop_supervised
}

@test "tables that are altered, appear, and come into the publication while others write, each process killed at it: read in place, and the copy ends as the source" {
    local victim table columns="id, v, w"
    made() { sql "create table $NAME.$1 (id $2 primary key, v text, w int default 1); insert into $NAME.$1 (id, v) select g, 'row ' || g from generate_series(1, 20000) g"; }
    made t int
    made k text
    sql "create table $NAME.u (id int primary key, v text); create publication cdc_$NAME for table $NAME.t, $NAME.k, $NAME.u"
    supervise "$(copy_line)"
    for table in t k; do equal $table "id, v"; done
    made n int
    write_all_the_time "$(for table in t k n; do echo "insert into $NAME.$table (id, v) values ('NN' || '0000', 'new'); update $NAME.$table set v = 'NN' where id = 'NN'; delete from $NAME.$table where id = '2NN';"; done) insert into $NAME.u values (NN, 'u');"
    sql "alter publication cdc_$NAME add table $NAME.n"
    for victim in pg-cdc cdc-sink-sqlite cdc-filter; do
        columns+=", c_${victim//-/_}"
        for table in t k n; do sql "alter table $NAME.$table add c_${victim//-/_} int default 7"; done
        wait_until -t 30 is_being_read "$victim"
        for i in $(pgrep -g "$SUPERVISOR" -x "${victim:0:15}"); do kill -KILL "$i" 2>/dev/null || true; done
    done
    sql "alter table $NAME.t add id2 int; update $NAME.t set id2 = id; alter table $NAME.t drop constraint t_pkey, alter id2 set not null; alter table $NAME.t alter id2 set default 5, add primary key (id, id2)"
    quiet
    WITHIN=60
    for table in t k n; do equal $table "$columns"; done
    equal u "id, v"
    sql "insert into $NAME.k (id, v) values ('last', 'x')"
    equal k "$columns"
    not test -e "$DIR/failed"
    stop_supervised
    is "runs that ended with 75" 0 "$(grep -c 'start the same command line again: cdc-snapshot' "$DIR/err")"
}
is_being_read() { victim_runs "$1" && [ -n "$(sqlite3 "$DIR/copy.db" "select 1 from cdc_reads where state = 'live' union select 1 from pragma_table_info('t') where name = 'c_${1//-/_}'" 2>/dev/null)" ]; }

@test "a snapshot of a part of the rows, and a run with an end: the same conditions hold, and a request is not left to wait" {
    sql "create table $NAME.t (id int primary key, v int); insert into $NAME.t select g, g from generate_series(1, 3) g; create table $NAME.u (id int primary key, v int); insert into $NAME.u values (1, 1)"
    SNAPSHOT_EXTRA="--where '$NAME.t:id > 1'"
    supervise "$(copy_line)"
    equal u "id, v"
    is "rows" "22 33" "$(rows_copied t "id || v" | xargs)"
    sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "update t set v = 0"
    again 0 -t "$NAME.t"
    wait_until -t 30 spoiled t "22 33"
    is "runs that ended with 75" 1 "$(ends_with_75)"
    stop_supervised
    again 0 -t "$NAME.u"
    is "a run to the end" 75 "$(bash -o pipefail -c "pg-cdc --until now $(source_options) 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$DIR/copy.db'" >&2; echo $?)"
    not test -e "$(request)"
}

standby() {
    echo "$1" >"$DIR/standby"
    sql "alter system set synchronous_standby_names = '$1'"
    sql "select pg_reload_conf()" >/dev/null
}
waits_for_standby() { [ "$(sql "select count(*) from pg_stat_activity where wait_event = 'SyncRep'")" = 1 ]; }
@test "a transaction that the stream has delivered, and that nobody sees yet, is in what is read while the log goes on" {
    two_tables
    supervise "$(copy_line)"
    equal t "id, v"
    sql "insert into $NAME.t values (0, 'first')" # the table is described with it
    equal t "id, v"
    standby nobody
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -XqAt -d "$DATABASE" -c "update $NAME.t set v = 'nobody sees it' where id = 3"
    local writer=$SPAWNED
    wait_until waits_for_standby
    wait_until spoiled t "0first 1row 1 2row 2 3nobody sees it"
    spoil t
    again 0 -t "$NAME.t"
    pause_ms 2500 # it would have been read
    is "the copy, meanwhile" "0first 1spoiled 3nobody sees it 99ghost" "$(rows_copied t "id || v" | xargs)"
    standby ""
    wait_until gone "$writer"
    equal t "id, v"
    is "runs that ended with 75" 0 "$(ends_with_75)"
    stop_supervised
}

# Connections of the stream besides the walsender: one that looks, and one that reads.
reads() { [ "$(sql "select count(*) from pg_stat_activity where application_name = 'pg-cdc' and backend_type = 'client backend'")" = 2 ]; }
holds() { [ "$(sql "select count(*) from pg_stat_activity where state = 'idle in transaction'")" = 1 ]; }
@test "a column comes while a read waits for transactions that run: the copy has its values" {
    two_tables
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    mkfifo "$DIR/session"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c 'exec psql -XqAt -d "$1" <"$0"' "$DIR/session" "$DATABASE"
    exec 8>"$DIR/session"
    echo "begin; insert into $NAME.u values (77, 'never');" >&8
    wait_until -t 30 holds
    again 0 -t "$NAME.t"
    wait_until -t 30 reads
    sql "alter table $NAME.t add d int; update $NAME.t set d = 9 where id = 1"
    echo "rollback; insert into $NAME.t (id, d) values (4, 10);" >&8
    exec 8>&-
    wait_until -t 30 not test -e "$(request)"
    sql "update $NAME.t set d = 11 where id = 2"
    equal t "id, v, d"
    is "runs that ended with 75" 0 "$(ends_with_75)"
    not test -e "$DIR/failed"
    stop_supervised
}

# A transaction that runs until `exec 8>&-`: no read begins meanwhile.
open_transaction() {
    rm -f "$DIR/session"
    mkfifo "$DIR/session"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c 'exec psql -XqAt -d "$1" <"$0"' "$DIR/session" "$DATABASE"
    exec 8>"$DIR/session"
    echo "begin; select pg_current_xact_id();" >&8
    wait_until -t 30 holds
}
# As a power failure does it.
kill_line() {
    kill -KILL -- "-$SUPERVISOR"
    wait_until gone "$SUPERVISOR"
}
is_live() { [ -n "$(sqlite3 "$DIR/copy.db" "select 1 from cdc_reads where state = 'live'" 2>/dev/null)" ]; }
written() { [ "$(jq -r ".offsets.$NAME.state.again[0].written // \"\"" "$STATE/pg-cdc-$NAME.offset")" != "" ]; }
# The catalogs were looked at since now: the second question comes after what the first one has found.
asked_since() { [ "$(sql "select count(*) from pg_stat_activity where application_name = 'pg-cdc' and query like 'SELECT concat_ws(%' and state = 'idle' and query_start > '$1'")" -gt 0 ]; }
wait_for_look() {
    local since
    for _ in 1 2; do
        since=$(sql "select clock_timestamp()")
        wait_until -t 30 asked_since "$since"
    done
}

@test "killed when all of a read is written and not stored, and again before the next one begins: it is not taken for stored" {
    two_tables
    supervise "$(copy_line)"
    equal t "id, v"
    kill -STOP "$(member "$SUPERVISOR" cdc-sink-sqlite)"
    sql "update $NAME.t set v = 'before' where id = 1"
    again 0 -t "$NAME.t"
    wait_until -t 30 written
    kill_line
    open_transaction
    sql "update $NAME.t set v = 'changed' where id = 2; insert into $NAME.u values (4, 'after')"
    supervise "$(copy_line)"
    equal u "id, v"
    kill_line
    exec 8>&-
    supervise "$(copy_line)"
    equal t "id, v"
    sql "insert into $NAME.t values (4, 'last')"
    equal t "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}

settles() { [ "$(sql "select count(*) from pg_stat_activity where query like 'SELECT pg_snapshot_xmin(%'")" -gt 0 ]; }
writes_to() { [ "$(sql "select count(*) from pg_locks where relation = '$NAME.$1'::regclass and mode = 'RowExclusiveLock'")" = 1 ]; }
@test "a table waits to be read, and is out of the publication meanwhile: who writes to it then, and commits after that, is waited for" {
    two_tables
    sql "create publication cdc_$NAME for table $NAME.t, $NAME.u"
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    open_transaction
    sql "alter table $NAME.t add c int default 7"
    wait_until -t 30 settles
    sql "alter publication cdc_$NAME drop table $NAME.t"
    mkfifo "$DIR/writer"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c 'exec psql -XqAt -d "$1" <"$0"' "$DIR/writer" "$DATABASE"
    exec 9>"$DIR/writer"
    echo "begin; update $NAME.t set v = 'not published' where id = 1;" >&9
    wait_until writes_to t
    sql "alter publication cdc_$NAME add table $NAME.t"
    echo "rollback;" >&8
    exec 8>&-
    wait_until -t 30 grep -q "is read again" "$DIR/err"
    echo "commit;" >&9
    exec 9>&-
    equal t "id, v, c"
    sql "insert into $NAME.t values (4, 'last', 8)"
    equal t "id, v, c"
    stop_supervised
}

# bats test_tags=only:postgresql-15
@test "a partition waits to be read, and the table above it, with whose schema it is published, is in another one meanwhile: so is who writes to it then" {
    sql "create schema root_$NAME; create schema away_$NAME; create table root_$NAME.p (id int primary key, v text) partition by range (id); create table $NAME.p1 partition of root_$NAME.p for values from (0) to (10); insert into root_$NAME.p values (1, 'a'), (2, 'b')"
    sql "create publication cdc_$NAME for tables in schema root_$NAME"
    supervise "$(copy_line)"
    equal p1 "id, v"
    open_transaction
    sql "alter table root_$NAME.p add c int default 7"
    wait_until -t 30 settles
    sql "alter table root_$NAME.p set schema away_$NAME"
    mkfifo "$DIR/writer"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c 'exec psql -XqAt -d "$1" <"$0"' "$DIR/writer" "$DATABASE"
    exec 9>"$DIR/writer"
    echo "begin; delete from $NAME.p1 where id = 1;" >&9
    wait_until writes_to p1
    sql "alter table away_$NAME.p set schema root_$NAME"
    echo "rollback;" >&8
    exec 8>&-
    wait_until -t 30 grep -q "is read again" "$DIR/err"
    echo "commit;" >&9
    exec 9>&-
    equal p1 "id, v, c"
    sql "insert into $NAME.p1 values (4, 'last', 8)"
    equal p1 "id, v, c"
    stop_supervised
    sql "drop schema root_$NAME, away_$NAME cascade"
}

@test "--idle-exit while a table that is to be read again waits for a transaction: 75, and 0 once it was read" {
    two_tables
    once() { timeout 60 bash -o pipefail -c "$(STREAM_EXTRA="--idle-exit 2" copy_line)" 2>>"$DIR/err"; }
    once
    equal t "id, v"
    open_transaction
    sql "alter table $NAME.t add c int default 7; insert into $NAME.t values (4, 'withheld', 8)"
    local status=0
    once || status=$?
    is "status while its lines are withheld" 75 "$status"
    grep -q "pg-cdc: error: to be read again: table $NAME.t" "$DIR/err" || fail "$(cat "$DIR/err")"
    exec 8>&-
    wait_until -t 30 not holds
    once
    equal t "id, v, c"
}

@test "another table is found to be stale while one is read, and all is killed between the two: that one is read as well" {
    two_tables
    sql "insert into $NAME.t select g, repeat('row ', 50) || g from generate_series(4, 40000) g"
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    again 0 -t "$NAME.t"
    wait_until -t 30 is_live
    kill -STOP "$(member "$SUPERVISOR" cdc-sink-sqlite)"
    # The log alone shows it, once the catalogs are seen as they are then.
    sql "begin; alter table $NAME.u add c int; insert into $NAME.u values (4, 'four', 5); alter table $NAME.u rename c to d; commit"
    wait_for_look
    open_transaction
    kill -CONT "$(member "$SUPERVISOR" cdc-sink-sqlite)"
    wait_for_match "$DIR/err" "\"$NAME\".\"t\" is read again:"
    wait_until -t 30 not is_live
    kill_line
    is "found by" "it had another form meanwhile" "$(sed -n 's/.*"u" is to be read again: //p' "$DIR/err")"
    exec 8>&-
    supervise "$(copy_line)"
    equal u "id, v, d"
    equal t "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}

@test "more tables than are read in place become stale while one is read in one piece: the line ends for them, and all are read" {
    local i
    sql "create table $NAME.t (id text primary key, v text); insert into $NAME.t select g, repeat('row ', 50) || g from generate_series(1, 40000) g"
    for i in {1..70}; do echo "create table $NAME.u$i (id int primary key); insert into $NAME.u$i values ($i);"; done | sql_file
    supervise "$(copy_line)"
    equal t "id, v"
    equal u70 "id"
    again 0 -t "$NAME.t"
    wait_until -t 30 is_live
    kill -STOP "$(member "$SUPERVISOR" cdc-sink-sqlite)"
    { echo "begin;"; for i in {1..70}; do echo "alter table $NAME.u$i add c int default 7;"; done; echo "commit;"; } | sql_file
    wait_for_match "$DIR/err" '"u70" is to be read again'
    kill -CONT "$(member "$SUPERVISOR" cdc-sink-sqlite)"
    for i in 1 20 65 70; do equal "u$i" "id, c"; done
    equal t "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}

in_state() { jq -e --arg table "$1" 'any(.offsets[].state.again[]?; .written == null and any(.tables[]; .table == $table))' "$STATE/pg-cdc-$NAME.offset" >/dev/null 2>&1; }
@test "one becomes stale while another one is read: it is read, too, also where the stream is killed between the two" {
    two_tables
    sql "insert into $NAME.t select g, repeat('row ' || g, 20) from generate_series(4, 150000) g; create table $NAME.o (id int primary key)"
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    sql "alter table $NAME.t add c int not null default 7"
    wait_until -t 30 in_state t
    sql "alter table $NAME.u add c int not null default 7"
    # Its read waits for what is open, the other one goes on.
    mkfifo "$DIR/session"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c 'exec psql -XqAt -d "$1" <"$0"' "$DIR/session" "$DATABASE"
    exec 8>"$DIR/session"
    echo "begin; insert into $NAME.o values (1);" >&8
    wait_until -t 30 holds
    wait_until -t 30 in_state u
    in_state t || { cat "$DIR/err"; fail "it was read too soon"; }
    wait_until -t 50 read_in_place 1
    in_state u || { cat "$STATE/pg-cdc-$NAME.offset"; fail "it counts as read"; }
    kill -KILL "$(pgrep -g "$SUPERVISOR" -x pg-cdc)"
    echo "rollback;" >&8
    exec 8>&-
    equal t "id, v, c"
    equal u "id, v, c"
    stop_supervised
}

connections() { PGHOST=$CDC_PG_DIR PGUSER=postgres psql -Xq -d postgres -c "alter database $DATABASE allow_connections $1"; }
@test "a read cannot begin, and another table becomes stale meanwhile: nothing of the first one comes until it is read" {
    two_tables
    sql "alter table $NAME.t add code text; update $NAME.t set code = 'c' || id; create table $NAME.o (id int primary key)"
    supervise "$(full_line "tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")"
    equal t "id, v, code"
    equal u "id, v"
    mkfifo "$DIR/session"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c 'exec psql -XqAt -d "$1" <"$0"' "$DIR/session" "$DATABASE"
    exec 8>"$DIR/session"
    wait_for_match "$STATE/pg-cdc-$NAME.offset" '"shapes"'
    touch "$DIR/closed"
    connections false
    echo "alter table $NAME.t drop constraint t_pkey, alter code set not null, add primary key (code); update $NAME.t set v = 'after' where id = 1;" >&8
    wait_for_match "$DIR/err" 'is to be read again waits'
    echo "alter table $NAME.u add c int not null default 7; insert into $NAME.u values (9, 'u', 8);" >&8
    wait_for_match "$DIR/err" '"u" is to be read again'
    echo "update $NAME.t set v = 'later' where id = 2; insert into $NAME.o values (1);" >&8
    wait_for_match "$DIR/lines" '"table":"o".*"after":{"id":1}'
    is "lines of the table" "" "$(jq -c 'select(.source.table == "t" and .key_columns == ["code"])' "$DIR/lines")"
    connections true
    exec 8>&-
    equal t "id, v, code"
    equal u "id, v, c"
    not test -e "$DIR/failed"
    stop_supervised
}

@test "a column comes, which has the table read, and goes again before its first change: the row after that is told with its columns" {
    two_tables
    supervise "$(full_line "tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")"
    equal t "id, v"
    sql "insert into $NAME.t values (10, 'in the first form')"
    wait_for_match "$DIR/lines" 'in the first form'
    sql "alter table $NAME.t add c int not null default 7"
    wait_until -t 30 read_in_place 1
    equal t "id, v, c"
    sql "alter table $NAME.t drop c; insert into $NAME.t values (11, 'in the first form again')"
    equal t "id, v"
    is "columns, as told before the row" "id v" "$(jq -rs 'map(select(.source.table == "t")) | .[:map(.after.id == 11) | index(true)] | map(select(.op == "schema")) | last | .columns[].name' "$DIR/lines" | xargs)"
    not test -e "$DIR/failed"
    stop_supervised
}

@test "rows that move to where it was read, a truncate, and another form of the table, while it is read: the copy ends as the source" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row ' || g from generate_series(1, 30000) g"
    supervise "$(copy_line)"
    equal t "id, v"
    sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "update t set v = 'spoiled' where id % 2 = 0; delete from t where id % 7 = 0"
    write_all_the_time "insert into $NAME.t values (NN + 50000, 'new'); update $NAME.t set id = id - 40000 where id = NN + 49900;"
    again 0 -t "$NAME.t"
    wait_until -t 30 not test -e "$(request)"
    sql "truncate $NAME.t; insert into $NAME.t select g, 'made ' || g from generate_series(1, 20000) g"
    again 0 -t "$NAME.t"
    wait_until -t 30 not test -e "$(request)"
    sql "alter table $NAME.t add w int default 7"
    quiet
    WITHIN=60
    equal t "id, v, w"
    not test -e "$DIR/failed"
    stop_supervised
}

@test "what cannot be read again is refused at once, by name, and nothing is asked" {
    two_tables
    sql "create table $NAME.x (id int primary key); create table $NAME.p (id int primary key) partition by range (id); create table $NAME.p1 partition of $NAME.p for values from (0) to (10);
         create table $NAME.out (id int primary key); create publication cdc_$NAME for table $NAME.t, $NAME.u, $NAME.x, $NAME.p with (publish_via_partition_root = true)"
    again 78 -t "$NAME.t"
    says "there is no snapshot of \"$NAME\" in"
    run -64 --separate-stderr cdc-snapshot --again --name "$NAME" --state-dir "$STATE" "$URL"
    run -64 --separate-stderr env -u CDC_STATE_DIR cdc-snapshot --again --name "$NAME" -t "$NAME.t" "$URL"
    SOURCE_EXTRA="-T '$NAME.x' -T '$NAME.out'"
    supervise "$(copy_line)"
    equal t "id, v"
    stop_supervised
    again 78 -t "$NAME.nowhere"
    says "no table that the user may see matches '$NAME.nowhere'"
    again 78 -t "$NAME.t" -t "$NAME.out"
    says "table $NAME.out cannot be read again: it is not published"
    again 78 -t "$NAME.x"
    says "table $NAME.x cannot be read again: the pipeline's -t and -T leave it out"
    again 78 -t "$NAME.p1"
    says "table $NAME.p1 cannot be read again: it is a partition"
    not test -e "$(request)"
    again 0 -t "$NAME.*" -T "$NAME.u"
    is "asked for" "p t" "$(jq -r '.stale.tables[].table' "$(request)" | xargs)"
    # What is no request is said, and ends nothing.
    echo '{"format":2}' >"$(request)"
    again 78 -t "$NAME.t"
    says "again\" is damaged, or of a newer version"
}

@test "a further -t in the same line, and a publication that becomes another one: read are the tables that come, and they alone" {
    two_tables
    sql "create table $NAME.w (id int primary key, v text); insert into $NAME.w values (1, 'w'); create publication cdc_$NAME for all tables"
    SOURCE_EXTRA="-T '$NAME.u' -T '$NAME.w'"
    supervise "$(copy_line)"
    equal t "id, v"
    stop_supervised
    spoil t
    sql "insert into $NAME.u values (5, 'unseen'); insert into $NAME.t values (5, 'seen')"
    SOURCE_EXTRA="-T '$NAME.w'"
    supervise "$(copy_line)"
    equal u "id, v"
    wait_until spoiled t "1spoiled 3row 3 5seen 99ghost"
    stop_supervised
    SOURCE_EXTRA=
    supervise "$(copy_line)"
    equal w "id, v"
    wait_until spoiled t "1spoiled 3row 3 5seen 99ghost"
    not test -e "$DIR/failed"
    stop_supervised
}

@test "a table that is not selected any more is told, once: copies keep its rows as they are" {
    local selection
    two_tables
    once() { t bash -o pipefail -c "{ cdc-snapshot -q $(source_options) && exec pg-cdc --until now $(source_options); } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$DIR/copy.db'"; }
    once
    not grep -q "selected any more" "$DIR/err"
    SOURCE_EXTRA="-T '$NAME.u'"
    sql "insert into $NAME.u values (4, 'unseen'); insert into $NAME.t values (4, 'seen'); create table $NAME.other (id int primary key); drop table $NAME.other"
    once
    once
    is "times" 1 "$(grep -c "warning: table \"$NAME\".\"u\" is not selected any more" "$DIR/err")"
    is "times, of any" 1 "$(grep -c "selected any more" "$DIR/err")"
    # Where the stream alone is given other tables, from its first run on.
    rm -rf "$STATE" "$DIR/copy.db"* "$DIR/err"
    mkdir "$STATE"
    t pg-cdc -q --drop --name "$NAME" "$URL"
    SOURCE_EXTRA=
    selection=$(source_options)
    SOURCE_EXTRA="-T '$NAME.u'"
    t bash -o pipefail -c "{ cdc-snapshot -q $selection && exec pg-cdc --until now $(source_options); } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$DIR/copy.db'"
    is "times" 1 "$(grep -c "warning: table \"$NAME\".\"u\" is not selected any more" "$DIR/err")"
}

@test "a table waits to be read again, and the next start leaves it out: none of its rows comes, and that is told" {
    two_tables
    supervise "$(copy_line)"
    equal t "id, v"
    equal u "id, v"
    open_transaction
    again 0 -t "$NAME.t"
    is "the request waits" yes "$(test -e "$(request)" && echo yes)"
    stop_supervised
    spoil t
    SOURCE_EXTRA="-T '$NAME.t'"
    supervise "$(copy_line)"
    sql "insert into $NAME.u values (4, 'seen')"
    equal u "id, v"
    exec 8>&-
    wait_until -t 60 grep -q "table \"$NAME\".\"t\" is not there any more, not selected" "$DIR/err"
    wait_until not test -e "$(request)"
    sql "insert into $NAME.u values (5, 'seen later')"
    equal u "id, v"
    is "rows of the table that is left out" "1spoiled 3row 3 99ghost" "$(rows_copied t "id || v" | xargs)"
    stop_supervised
}

@test "into a file, where what is written is stored: asked once, read once" {
    local status=0 n
    two_tables
    source_once() {
        status=0
        bash -c "cdc-snapshot --ack=stdout $(source_options) >>'$DIR/lines' && exec pg-cdc --ack=stdout --until now $(source_options) >>'$DIR/lines'" 2>>"$DIR/err" || status=$?
    }
    source_once
    is "first run" 0 $status
    again 0 -t "$NAME.t"
    source_once
    is "with the request" 75 $status
    source_once
    is "after it" 0 $status
    not test -e "$(request)"
    n=$(grep -c '"op":"r".*"table":"t"' "$DIR/lines")
    is "rows of t" 6 "$n"
    source_once
    is "once more" 0 $status
    is "rows of t" 6 "$(grep -c '"op":"r".*"table":"t"' "$DIR/lines")"
    is "rows of u" 3 "$(grep -c '"op":"r".*"table":"u"' "$DIR/lines")"
}

@test "from a distant server: its rows come many at a time" {
    sql "create table $NAME.t (id int primary key, v text); insert into $NAME.t select g, 'row ' || g from generate_series(1, 20000) g"
    spawn python3 "$LIB/distant.py" "$DIR/port" 20 "$CDC_PG_DIR/.s.PGSQL.5432"
    wait_until test -s "$DIR/port"
    supervise "$(URL="postgresql://postgres@127.0.0.1:$(cat "$DIR/port")/$DATABASE" copy_line)"
    equal t "id, v"
    sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "update t set v = 'spoiled' where id = 1; delete from t where id > 19000"
    again 0 -t "$NAME.t"
    WITHIN=90 equal t "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}

waits_for_lock() { [ "$(sql "select count(*) from pg_stat_activity where application_name = 'pg-cdc' and wait_event_type = 'Lock'")" = 1 ]; }
nothing_is_open() { [ "$(sql "select count(*) from pg_stat_activity where backend_xid is not null")" = 0 ]; }
@test "a table that is asked for is altered, no look finds it, and the read fails before its first line: nothing comes in the new form" {
    two_tables
    sql "create table $NAME.a (id int primary key, v int); insert into $NAME.a values (1, 1); create table $NAME.o (id int primary key)"
    supervise "$(full_line "tee -a '$DIR/lines' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")"
    equal t "id, v"
    equal u "id, v"
    wait_for_match "$STATE/pg-cdc-$NAME.offset" '"shapes"'
    kill -STOP "$(member "$SUPERVISOR" pg-cdc)"
    sql "vacuum full $NAME.a"
    lock_table a
    kill -CONT "$(member "$SUPERVISOR" pg-cdc)"
    wait_until waits_for_lock # a look; after one that takes so long the next one is not due for a while
    wait_until not waits_for_lock
    touch "$DIR/let-go"
    wait_until nothing_is_open
    kill -STOP "$(member "$SUPERVISOR" pg-cdc)"
    sql "alter table $NAME.t add c text default md5(random()::text)"
    again 0 -t "$NAME.t" -t "$NAME.u"
    mkdir "$(request).tmp" # so that it cannot be settled, which is the last thing before the first line
    kill -CONT "$(member "$SUPERVISOR" pg-cdc)"
    wait_for_match "$DIR/err" 'is to be read again waits'
    sql "update $NAME.t set v = 'later' where id = 2; insert into $NAME.o values (1)"
    wait_for_match "$DIR/lines" '"table":"o".*"after":{"id":1}'
    is "lines of the table" "" "$(jq -c 'select(.source.table == "t" and .after.c)' "$DIR/lines")"
    rmdir "$(request).tmp"
    equal t "id, v, c"
    equal u "id, v"
    not test -e "$DIR/failed"
    stop_supervised
}
