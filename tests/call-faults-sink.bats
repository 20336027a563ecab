#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each read, write, sync, rename, open, connect and malloc of a sink and of cdc-filter goes wrong once, in turn: the exit status
# says what it may, and started again, the copy is equal. Killed there, with a power cut after it: the same.
# takes: 30 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/faults

setup() {
    DIR=$BATS_TEST_TMPDIR
    ROOT=$DIR/root
    SHADOW=
}
teardown() { end_spawned; }

# Rows with updates, key changes, deletes, a keyless table and a truncate, in many transactions.
some_lines() {
    local i
    schema id id:integer name:text big:text
    for i in {1..12}; do
        change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"n$i\",\"big\":\"b$i\"}"
        [ $((i % 3)) != 0 ] || change u "{\"id\":$i}" null "{\"id\":$i,\"name\":\"again\"}" '["big"]'
        [ $((i % 5)) != 0 ] || change d "{\"id\":$i}" "{\"id\":$i}" null
        [ $((i % 6)) != 0 ] || change u "{\"id\":$((i + 100))}" "{\"id\":$((i - 4))}" "{\"id\":$((i + 100)),\"name\":\"moved\"}" '["big"]'
        commit
    done
}
# A new, empty folder, and what is in it is on the disk.
empty_root() {
    rm -rf "$ROOT" "$DIR/shadow"
    mkdir "$ROOT" "$DIR/shadow"
    [ -z "$SHADOW" ] || python3 "$LIB/power-cut.py" begin "$ROOT" "$SHADOW"
}

sqlite_case() {
    some_lines >"$DIR/in"
    expected=$'1|n1|b1\n3|again|b3\n4|n4|b4\n6|again|b6\n7|n7|b7\n9|again|b9\n11|n11|b11\n12|again|b12\n106|moved|b2\n112|moved|b8'
    begin_case() { empty_root; }
    run_case() { faulty cdc-sink-sqlite --batch-events 7 "$ROOT/copy.db" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"; }
    check_case() {
        is rows "$expected" "$(sqlite3 "$ROOT/copy.db" 'select id, name, big from t order by id')" &&
            is offset "$(tail -1 "$DIR/in" | jq -r .pos)" "$(jq -r .offsets.n.pos "$ROOT/copy.db.offset")"
    }
}
@test "cdc-sink-sqlite: every call fails once" {
    sqlite_case
    all_faults error read write sync rename open memory
}
# What the next run reads first is in a -wal, and of that one alone SQLite does not tell why a read failed.
@test "cdc-sink-sqlite: every read fails once, of a database whose last run was killed" {
    sqlite_case
    empty_root
    run -137 env LD_PRELOAD="$FAULTS" FAULTS_CALL=rename FAULTS_AT=3 FAULTS_HOW=kill cdc-sink-sqlite --batch-events 7 "$ROOT/copy.db" <"$DIR/in"
    [ -s "$ROOT/copy.db-wal" ]
    cp -r "$ROOT" "$DIR/killed"
    begin_case() { rm -rf "$ROOT"; cp -r "$DIR/killed" "$ROOT"; }
    FAULT_PLACES=40
    all_faults error read
}
@test "cdc-sink-sqlite: every read and write is shortened once" {
    sqlite_case
    all_faults short read write
}
@test "cdc-sink-sqlite: killed at every write, sync and rename, and the power goes" {
    sqlite_case
    SHADOW=$DIR/shadow
    all_faults kill write sync rename
}

@test "cdc-sink-sqlite: a sync fails, and the kernel forgets what it was for" {
    sqlite_case
    SHADOW=$DIR/shadow
    all_faults forget sync
}

# A table with a full-text index is read again, in chunks, in another form; and a second one that was not there.
reread_case() {
    {
        some_lines
        read_begin
        schema id id:integer name:text more:integer
        for i in {5..12}; do
            change r "{\"id\":$i}" null "{\"id\":$i,\"name\":\"r$i\",\"more\":$i}"
            [ $((i % 3)) != 0 ] || commit
        done
        read_end id id:integer name:text more:integer
        TABLE=u
        read_begin
        schema '' a:integer
        for i in 1 1 2; do change r null null "{\"a\":$i}"; done
        read_end '' a:integer
        commit
    } >"$DIR/in"
    expected=$'5|r5|5\n6|r6|6\n7|r7|7\n8|r8|8\n9|r9|9\n10|r10|10\n11|r11|11\n12|r12|12'
    begin_case() { empty_root; rm -f "$DIR/seen"; }
    run_case() { faulty cdc-sink-sqlite --fts t:name --batch-events 7 "$ROOT/copy.db" <"$DIR/in" >"$DIR/out" 2>"$DIR/err"; }
    check_case() {
        [ ! -e "$DIR/seen" ] || fail "after the fault: $(cat "$DIR/seen")" || return 1
        is rows "$expected" "$(sqlite3 "$ROOT/copy.db" 'select * from t order by id')" &&
            is "rows of u" '1 1 2' "$(sqlite3 "$ROOT/copy.db" 'select * from u order by a' | xargs)" &&
            is "words" '9' "$(sqlite3 "$ROOT/copy.db" "insert into t_fts(t_fts, rank) values('integrity-check', 1); select rowid from t_fts where t_fts match 'r9 OR again OR moved'")" &&
            is "tables of reads" 0 "$(sqlite3 "$ROOT/copy.db" "select count(*) from sqlite_master where name glob 'cdc_read_*'")" &&
            is offset "$(tail -1 "$DIR/in" | jq -r .pos)" "$(jq -r .offsets.n.pos "$ROOT/copy.db.offset")"
    }
    # What a reader would see after the fault: the table as it was, or all of the new one.
    after_fault() {
        local columns rows
        [ -s "$ROOT/copy.db" ] || return 0
        columns=$(sqlite3 "$ROOT/copy.db" "select group_concat(name) from pragma_table_info('t')" 2>&1)
        [[ $columns == id,name,more ]] && rows=$(sqlite3 "$ROOT/copy.db" 'select * from t order by id') || rows=$expected
        [[ $columns =~ ^(id,name,(big|more))?$ && $rows == "$expected" ]] || echo "columns $columns, rows $rows" >"$DIR/seen"
    }
}
@test "cdc-sink-sqlite, a table that is read again: every call fails once" {
    reread_case
    all_faults error read write sync memory
}
@test "cdc-sink-sqlite, a table that is read again: killed at every write, sync and rename, and the power goes" {
    reread_case
    SHADOW=$DIR/shadow
    all_faults kill write sync rename
}

@test "cdc-filter: every call fails once, and every read and write is shortened once" {
    some_lines >"$DIR/in"
    cdc-filter --columns 't:id,name' <"$DIR/in" >"$DIR/expected"
    begin_case() { empty_root; : >"$ROOT/out"; }
    # What an earlier run has written is whole lines; the reader of a repeated run drops what it has by pos.
    run_case() { faulty cdc-filter --columns 't:id,name' <"$DIR/in" >>"$ROOT/out" 2>"$DIR/err"; }
    check_case() { whole_lines "$ROOT/out" && awk '!seen[$0]++' "$ROOT/out" | cmp - "$DIR/expected"; }
    all_faults error read write open memory
    all_faults short read write
}
