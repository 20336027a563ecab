#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-sqlite: hundreds of tables that are made in a row. Rows of sqlite_master are moved aside meanwhile, and all of them are back
# whatever comes in between.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/faults

setup() {
    DIR=$BATS_TEST_TMPDIR
    DB=$DIR/a.db
    IN=$DIR/in
}
teardown() { end_spawned; }
sink() { t cdc-sink-sqlite "$@" "$DB" <"$IN"; }
exits() { local want=$1 got=0; shift; "$@" || got=$?; is "exit status" "$want" "$got"; }
q() { sqlite3 "$DB" "$1"; }
# new FIRST LAST: tables tFIRST to tLAST with a row each, in the transaction in hand.
new() {
    awk -v first="$1" -v last="$2" -v seq="$SEQ" -v pos="$POS" 'BEGIN {
        for (i = first; i <= last; i++) {
            s = "\"seq\":" seq ",\"ts_ms\":1,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"schema\":\"public\",\"table\":\"t" i "\",\"ts_ms\":1,\"txId\":5,\"lsn\":1,\"snapshot\":\"false\"}"
            printf "{\"op\":\"schema\",\"pos\":\"%08d.%08d\",%s,\"columns\":[{\"name\":\"id\",\"type\":\"integer\",\"nullable\":false,\"generated\":false},{\"name\":\"v\",\"type\":\"text\",\"nullable\":true,\"generated\":false}],\"key_columns\":[\"id\"]}\n", seq, ++pos, s
            printf "{\"op\":\"c\",\"pos\":\"%08d.%08d\",%s,\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d,\"v\":\"of %d\"}}\n", seq, ++pos, s, i, i, i
        }
    }'
    POS=$((POS + 2 * ($2 - $1 + 1)))
}
ours() { q "select count(*) from sqlite_master where type = 'table' and name glob 't[0-9]*'"; }
rows_of() {
    q "select 'select count(*) from ' || name || ' where v = ''of '' || id;' from sqlite_master where type = 'table' and name glob 't[0-9]*'" >"$DIR/counts.sql"
    sqlite3 "$DB" <"$DIR/counts.sql" | awk '{n += $1} END {print n + 0}'
}
# N tables are there, each with its one row.
whole() {
    is "integrity" ok "$(q 'pragma integrity_check')"
    is "tables" "$1" "$(ours)"
    is "owned" "$1" "$(q "select count(*) from cdc_tables where table_name glob 't[0-9]*'")"
    is "rows" "$1" "$(rows_of)"
}
# How often tables were put aside.
aside() { grep -c 'are aside while more tables are made' "$DIR/err" || true; }

@test "a table among hundreds is made as it is made alone" {
    { new 1 700; commit; } >"$IN"
    sink -v 2>"$DIR/err" || { cat "$DIR/err"; false; }
    is "put aside" 3 "$(aside)"
    whole 700
    q "select name, sql from sqlite_master where name glob 't[0-9]*' order by rowid" >"$DIR/many"
    seq 700 | awk '{print "t" $1 "|CREATE TABLE \"t" $1 "\" (\"id\" INTEGER, \"v\" TEXT, PRIMARY KEY (\"id\"))"}' | cmp - "$DIR/many"
    sink # again
    whole 700
}

# All but what the sink keeps for itself, in the order of the schema.
schema_of() { sqlite3 "$1" "select type, name, tbl_name, sql from sqlite_master where tbl_name not like 'cdc\_%' escape '\' order by rowid"; }

@test "among tables, indexes, triggers and views of somebody's" {
    # Its own table was made by somebody, with letters of its own.
    q "create table CDC_TABLES(table_name TEXT PRIMARY KEY COLLATE NOCASE, name TEXT NOT NULL, db TEXT NOT NULL, schema TEXT NOT NULL, source_table TEXT NOT NULL)"
    q "create table \"it's \"\"mine\" (a, b text collate nocase, primary key (a)) without rowid; create index \"Of Mine\" on \"it's \"\"mine\" (b);
       create table plain (x unique, y default 'y'); create view seen as select x from plain where x in (select name from sqlite_master);
       create trigger noted after insert on plain begin update plain set y = (select count(*) from sqlite_master) where x = new.x; end;
       insert into plain (x) values ('seen'); analyze"
    schema_of "$DB" >"$DIR/before"
    { new 1 500; commit; } >"$IN"
    sink -v 2>"$DIR/err" || { cat "$DIR/err"; false; }
    is "put aside" 2 "$(aside)"
    whole 500
    schema_of "$DB" >"$DIR/after"
    head -n "$(wc -l <"$DIR/before")" "$DIR/after" | cmp - "$DIR/before"
    is "seen" seen "$(q 'select * from seen')"
    # What somebody's trigger reads of the schema is whole, in a row of a table that was aside.
    q "create table t1_notes (n); create trigger of_t1 after update on t1 begin insert into t1_notes select count(*) from sqlite_master; end"
    local n
    n=$(q 'select count(*) from sqlite_master')
    { new 501 800; TABLE=t1; schema id id:integer v:text; change u '{"id":1}' null '{"id":1,"v":"of 1"}'; POS=$((POS + 9)); new 801 1050; commit; } >"$IN"
    sink -v 2>"$DIR/err" || { cat "$DIR/err"; false; }
    [ "$(aside)" -gt 1 ]
    is "tables that the trigger saw" "$((n + 300))" "$(q 'select n from t1_notes')"
    q 'delete from sqlite_master' 2>/dev/null && fail "sqlite_master can be written"
    q "drop trigger of_t1; drop table t1_notes"
    whole 1050
}

@test "triggers on the sink's own tables, virtual tables, auto_vacuum: the slow way" {
    for setup in "create table notes (n); create table cdc_tables(table_name TEXT PRIMARY KEY COLLATE NOCASE, name TEXT NOT NULL, db TEXT NOT NULL, schema TEXT NOT NULL, source_table TEXT NOT NULL); create trigger made after insert on cdc_tables begin insert into notes values (new.table_name); end" \
        "create virtual table words using fts5(w); insert into words values ('one')" \
        "pragma auto_vacuum = full; create table x (y)"; do
        rm -f "$DB"*
        SEQ=100 POS=0
        q "$setup"
        { new 1 450; commit; } >"$IN"
        sink -v 2>"$DIR/err" || { cat "$DIR/err"; false; }
        is "put aside" 0 "$(aside)"
        whole 450
    done
    rm -f "$DB"*
    { SEQ=100 POS=0; new 1 450; commit; } >"$IN"
    sink --fts t9:v -v 2>"$DIR/err"
    is "put aside" 0 "$(aside)"
    is "index" 9 "$(q "select rowid from t9_fts where t9_fts match 'of'")"
}

@test "an SQLite that defends its schema: the slow way, with the same outcome" {
    cat >"$DIR/defend.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sqlite3.h>
int sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs)
{
    int (*open)(const char *, sqlite3 **, int, const char *) = dlsym(RTLD_NEXT, "sqlite3_open_v2");
    int code = open(name, db, flags, vfs);
    if (code == SQLITE_OK)
        sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
    return code;
}
C
    "${CC:-cc}" -shared -fPIC -o "$DIR/defend.so" "$DIR/defend.c" -lsqlite3 -ldl
    # What else is done in between brings tables back; inputs that end inside of a transaction are taken back.
    for seed in 2 3; do
        rm -f "$DB"* "$DIR/b.db"*
        python3 "$LIB/many_tables.py" $seed >"$IN"
        LD_PRELOAD="$DIR/defend.so" t cdc-sink-sqlite -v --batch-events 300 "$DIR/b.db" <"$IN" 2>"$DIR/err"
        is "put aside" 0 "$(aside)"
        for part in 29 53 71 100; do
            head -n $(($(wc -l <"$IN") * part / 100)) "$IN" >"$DIR/part"
            IN=$DIR/part sink -v --batch-events 300 2>>"$DIR/err" || [ $? = 75 ]
            is "integrity" ok "$(q 'pragma integrity_check')"
        done
        [ "$(aside)" -gt 0 ]
        for db in "$DB" "$DIR/b.db"; do
            # The order of columns, and the text of a table, are those of its history in this copy.
            sqlite3 "$db" "select type, name, tbl_name, (select group_concat(name || ' ' || type || pk) from (select * from pragma_table_info(m.name) order by 1)) from sqlite_master m order by 1, 2; select table_name from cdc_tables order by 1; select name, pos from cdc_offsets" >"$db.schema"
            sqlite3 "$db" .dump | grep -v 'cdc_\|^CREATE\|^PRAGMA' | sort >"$db.rows"
        done
        cmp "$DB.schema" "$DIR/b.db.schema"
        cmp "$DB.rows" "$DIR/b.db.rows"
    done
}

@test "what comes after the last boundary is taken back while tables are aside, and the rest is stored" {
    # Aside at the boundary, and more of them after it.
    { new 1 450; commit; new 451 900; echo '{"op":"c"'; } >"$IN"
    exits 65 sink -v 2>"$DIR/err"
    is "put aside" 4 "$(aside)"
    whole 450
    # Aside after the boundary alone; then one that was known there, and some that were not.
    { new 451 500; commit; new 501 900; TABLE=t3; change c '{"id":4}' null '{"id":4}'; } >"$IN"
    exits 65 sink --batch-events 100000 2>"$DIR/err"
    whole 500
    # Brought back after the boundary, and taken back.
    SEQ=300 POS=0
    { new 501 800; commit; new 801 900; TABLE=t3; schema id id:integer v:text w:text; change u '{"id":3}' null '{"id":3,"v":"x","w":"y"}'; POS=$((POS + 9)); new 901 1000; } >"$IN"
    exits 75 sink -v 2>"$DIR/err"
    [ "$(aside)" -gt 0 ]
    whole 800
    is "columns" id,v "$(q "select group_concat(name) from pragma_table_info('t3')")"
    SEQ=320 POS=0
    { new 801 1200; commit; } >"$IN"
    sink
    whole 1200
}

@test "names that are aside are taken: a table, an index, a view" {
    for setup in "create table T777 (x)" "create table x (y); create index t777 on x (y)" "create view t777 as select 1"; do
        rm -f "$DB"*
        q "$setup"
        SEQ=100 POS=0
        { new 1 300; commit; new 301 776; commit; new 777 777; commit; } >"$IN"
        exits 78 sink -v 2>"$DIR/err"
        [ "$(aside)" -gt 0 ]
        is "tables" 776 "$(q "select count(*) from cdc_tables")"
        is "integrity" ok "$(q 'pragma integrity_check')"
        is "what was there" 1 "$(q "select count(*) from sqlite_master where name = 't777' collate nocase")"
    done
    # Two tables of the source that are one here.
    rm -f "$DB"*
    SEQ=100 POS=0
    { new 1 400; commit; TABLE=T7; schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    exits 78 sink -v 2>"$DIR/err"
    whole 400
}

@test "a reader sees all tables of before, or all of them" {
    { new 1 300; commit; } >"$IN"
    sink
    mkfifo "$DIR/pipe"
    spawn bash -c "cdc-sink-sqlite -v '$DB' <'$DIR/pipe' 2>'$DIR/err'"
    exec 7>"$DIR/pipe"
    new 301 800 >&7
    POS=$((POS + 1000))
    # Twice aside, and in the transaction.
    twice_aside() { [ "$(aside)" = 2 ]; }
    wait_until twice_aside
    whole 300
    q 'select count(*) from t7' | grep -qx 1
    POS=$((POS + 9))
    commit >&7
    exec 7>&-
    status_of "$SPAWNED"
    whole 800
}

begin_case() { ROOT=$DIR/root; rm -rf "$ROOT"; mkdir "$ROOT"; }
run_case() { faulty cdc-sink-sqlite -q --batch-events 200 "$ROOT/a.db" <"$IN" 2>"$DIR/err"; }
check_case() { DB=$ROOT/a.db whole 600; }
# Whatever went wrong, nothing of the schema is missing: what is claimed is there.
after_fault() {
    [ -s "$ROOT/a.db" ] || return 0
    is "integrity after $FAULT_HOW at $FAULT_AT" ok "$(sqlite3 "$ROOT/a.db" 'pragma integrity_check')"
    is "tables that are claimed and missing" "" "$(sqlite3 "$ROOT/a.db" 'select table_name from cdc_tables except select name from sqlite_master' 2>/dev/null)"
}

@test "killed, and each call going wrong, while tables are aside" {
    FAULT_PLACES=${CDC_FAULT_PLACES:-6}
    { new 1 250; commit; new 251 600; commit; } >"$IN"
    all_faults kill write sync
    all_faults error read write sync memory
    all_faults short write
}
