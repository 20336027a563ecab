#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-sqlite: a table that is read again. Readers see the old rows in the old form, and from one moment on the new ones.
# takes: 30 s
# shellcheck disable=SC2030,SC2031,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines

setup() {
    DIR=$BATS_TEST_TMPDIR
    DB=$DIR/a.db
    IN=$DIR/in
}
teardown() { end_spawned; }
sink() { t cdc-sink-sqlite "$@" "$DB" <"$IN"; }
q() { sqlite3 "$DB" "$1"; }
users() { schema id id:integer name:text big:text; }
# rows OP TEXT ID...: a row of users each, whose name is TEXT and the id.
rows() {
    local op=$1 text=$2 id
    shift 2
    for id; do change "$op" "{\"id\":$id}" null "{\"id\":$id,\"name\":\"$text$id\",\"big\":\"b$id\"}"; done
}
# A copy with rows 1 to 4.
first_copy() {
    { users; rows c n 1 2 3 4; commit; } >"$IN"
    sink "$@"
    SEQ=200
}
OLD=$'1|n1|b1\n2|n2|b2\n3|n3|b3\n4|n4|b4'
# Nothing of a read is left: neither its table nor its state.
no_side() { is "tables of reads" 0 "$(q "select (select count(*) from sqlite_master where name like 'cdc_read\_%' escape '\' and name not like '%autoindex%') + (select count(*) from cdc_reads where state = 'open')")"; }
no_ghost_of() { is "rows that are gone" "" "$(q "select id from t where id in ($1)")"; }

@test "old rows in the old form until the read ends, the new ones in the new form after it, in every delivery and run" {
    first_copy
    {
        read_begin
        schema id id:integer name:text extra:text
        for i in 2 3 5; do change r "{\"id\":$i}" null "{\"id\":$i,\"name\":\"m$i\",\"extra\":\"e$i\"}"; done
        commit
        change r '{"id":6}' null '{"id":6,"name":"m6","extra":null}'
        commit
        read_end id id:integer name:text extra:text
        commit
    } >"$DIR/all"
    # The input ends after each of its lines in turn, and goes on with the next run.
    n=$(wc -l <"$DIR/all")
    for i in $(seq 1 "$n"); do
        head -n "$i" "$DIR/all" >"$IN"
        status=0
        sink 2>"$DIR/err" || status=$?
        if [ "$i" -lt "$n" ]; then
            is "after line $i" "$OLD" "$(q 'select * from t order by id')"
            [ "$status" = 0 ] || [ "$status" = 75 ]
        else
            is "after line $i" 0 "$status"
            is "after line $i" $'2|m2|e2\n3|m3|e3\n5|m5|e5\n6|m6|' "$(q 'select * from t order by id')"
        fi
    done
    is columns id,name,extra "$(q "select group_concat(name) from pragma_table_info('t')")"
    no_side
    is offset "$(tail -1 "$DIR/all" | jq -r .pos)" "$(jq -r .offsets.n.pos "$DB.offset")"
    # All of it comes again, and after it a change.
    { cat "$DIR/all"; SEQ=900; schema id id:integer name:text extra:text; change u '{"id":5}' null '{"id":5,"name":"later","extra":"e5"}'; commit; } >"$IN"
    sink
    is rows $'2|m2|e2\n3|m3|e3\n5|later|e5\n6|m6|' "$(q 'select * from t order by id')"
}

@test "a reader that looks all the while sees the old table or the new one, never emptiness, a mixture or a ghost" {
    {
        users
        for i in {1..600}; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"old\",\"big\":\"b\"}"; done
        commit
    } >"$IN"
    sink
    SEQ=200
    cat >"$DIR/reader.py" <<'EOF'
import os, sqlite3, sys
path, stop, seen = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
kinds = {}
last = False
while not last:
    last = os.path.exists(stop)
    cursor = db.execute("select * from t")
    names = [column[0] for column in cursor.description]
    content = cursor.fetchall()
    where = names.index("name")
    kind = "%d %s %s %s..%s" % (len(content), ",".join(sorted({row[where] for row in content})), ",".join(names), min(content)[0] if content else 0, max(content)[0] if content else 0)
    if kind not in kinds:
        kinds[kind] = True
        with open(seen + ".new", "w") as out:
            out.write("\n".join(kinds) + "\n")
        os.rename(seen + ".new", seen)
EOF
    spawn python3 "$DIR/reader.py" "$DB" "$DIR/stop" "$DIR/seen"
    reader=$SPAWNED
    wait_until test -s "$DIR/seen"
    # Three rounds: the same form, another one, another key; each in chunks, the second broken off and begun again.
    {
        read_begin
        users
        for i in {201..700}; do change r "{\"id\":$i}" null "{\"id\":$i,\"name\":\"one\",\"big\":\"b\"}"; [ $((i % 100)) != 0 ] || commit; done
        read_end id id:integer name:text big:text
        commit
    } >"$IN"
    sink --batch-events 80
    wait_for_match "$DIR/seen" '^500 one id,name,big 201..700$'
    for end in no yes; do
        {
            tx
            read_begin
            schema id id:text name:text new:integer
            for i in {401..800}; do change r "{\"id\":\"$i\"}" null "{\"id\":\"$i\",\"name\":\"two$end\",\"new\":$i}"; [ $((i % 100)) != 0 ] || commit; done
            [ $end = no ] || { read_end id id:text name:text new:integer; commit; }
        } >"$IN"
        sink --batch-events 80
    done
    wait_for_match "$DIR/seen" '^400 twoyes id,name,new 401..800$'
    {
        read_begin
        schema '' id:integer name:text
        for i in {1..140}; do change r null null "{\"id\":$i,\"name\":\"three\"}"; done
        read_end '' id:integer name:text
        commit
    } >"$IN"
    sink
    wait_for_match "$DIR/seen" '^140 three id,name 1..140$'
    touch "$DIR/stop"
    status_of "$reader"
    is "all that was seen" $'600 old id,name,big 1..600\n500 one id,name,big 201..700\n400 twoyes id,name,new 401..800\n140 three id,name 1..140' "$(cat "$DIR/seen")"
}

@test "what somebody has added stays: columns with their values, indexes, triggers that see what has changed, views, ids" {
    first_copy
    q "alter table t add column note text default 'none'; update t set note = 'mine ' || id where id < 4;
       create index by_name on t(name); create view v as select id, name from t;
       create table log(what); create trigger t_i after insert on t begin insert into log values('+' || new.id); end;
       create trigger t_u after update on t begin insert into log values('~' || new.id); end; create trigger t_d after delete on t begin insert into log values('-' || old.id); end"
    {
        read_begin
        users
        rows r n 1 2
        rows r m 3 5
        read_end id id:integer name:text big:text
        commit
    } >"$IN"
    sink
    is rows $'1|n1|b1|mine 1\n2|n2|b2|mine 2\n3|m3|b3|mine 3\n5|m5|b5|none' "$(q 'select * from t order by id')"
    is "what the triggers have seen" '+5 -4 ~3' "$(q 'select what from log order by what' | xargs)"
    is "the view" '1 2 3 5' "$(q 'select id from v order by id' | xargs)"
    q "select name from t indexed by by_name" >"$DIR/out"
    # The type of a column changes: the table is made anew, with all that.
    {
        read_begin
        schema id id:integer name:integer big:text
        change r '{"id":1}' null '{"id":1,"name":11,"big":"b1"}'
        change r '{"id":9}' null '{"id":9,"name":99,"big":"b9"}'
        read_end id id:integer name:integer big:text
        commit
    } >"$IN"
    sink
    is rows $'1|11|integer|mine 1\n9|99|integer|none' "$(q 'select id, name, typeof(name), note from t order by id')"
    q "select name from t indexed by by_name" >"$DIR/out"
    is triggers 3 "$(q "select count(*) from sqlite_master where type = 'trigger' and tbl_name = 't'")"
    no_side
}

@test "rows keep their ids, which somebody's index goes by, where the key is text" {
    { schema k k:text v:text; for k in a b c; do change c "{\"k\":\"$k\"}" null "{\"k\":\"$k\",\"v\":\"old $k\"}"; done; commit; } >"$IN"
    sink
    ids=$(q 'select k, rowid from t where k in ("b", "c") order by k')
    { tx; read_begin; schema k k:text v:text; for k in c b; do change r "{\"k\":\"$k\"}" null "{\"k\":\"$k\",\"v\":\"new $k\"}"; done; read_end k k:text v:text; commit; } >"$IN"
    sink
    is ids "$ids" "$(q 'select k, rowid from t order by k')"
    is rows $'b|new b\nc|new c' "$(q 'select * from t order by k')"
}

@test "rows keep their ids where another column becomes a part of the key" {
    { schema a a:integer b:text; for a in 5 7 9; do change c "{\"a\":$a}" null "{\"a\":$a,\"b\":\"b\"}"; done; commit; } >"$IN"
    sink
    { tx; schema a,b a:integer b:text; change c '{"a":5,"b":"c"}' null '{"a":5,"b":"c"}'; commit; } >"$IN"
    sink
    is rows $'5|5|b\n7|7|b\n9|9|b\n10|5|c' "$(q 'select rowid, a, b from t order by rowid')"
}

@test "--fts: the index has the new words alone, of a form that stays and of one that changes" {
    first_copy --fts t:name
    words() { q "select group_concat(rowid) from (select rowid from t_fts where t_fts match '$1' order by rowid)"; }
    { read_begin; users; rows r n 1; rows r m 2 5; read_end id id:integer name:text big:text; commit; } >"$IN"
    sink --fts t:name
    is "words" "1/2,5/" "$(words 'n1 OR n2 OR n3 OR n4')/$(words 'm2 OR m5')/$(words 'm1 OR b1')"
    q "insert into t_fts(t_fts, rank) values('integrity-check', 1)"
    { read_begin; schema big id:integer name:text big:text; rows r k 7 8; read_end big id:integer name:text big:text; commit; } >"$IN"
    sink --fts t:name
    is "words of another key" "/2" "$(words 'n1 OR m2 OR m5')/$(q "select count(*) from t_fts where t_fts match 'k7 OR k8'")"
    q "insert into t_fts(t_fts, rank) values('integrity-check', 1)"
    TABLE=u
    { tx; read_begin; users; rows r new 1 2; read_end id id:integer name:text big:text; commit; } >"$IN"
    sink --fts t:name --fts u:name
    is "words of a new table" 1 "$(q "select rowid from u_fts where u_fts match 'new1'")"
}

@test "the form of the read: columns that come and go, types, keys that change, come and go" {
    forms() {
        read_begin
        schema "$@"
        case $2 in
        id:text) for i in 1 2; do change r "{\"id\":\"0$i\"}" null "{\"id\":\"0$i\",\"name\":\"x\"}"; done ;;
        *) for i in 1 2; do change r null null "{\"id\":$i,\"name\":\"x\",\"more\":$i}"; done ;;
        esac
        read_end "$@"
        commit
    }
    first_copy
    described() { q "select group_concat(name || ' ' || type || ' ' || pk) from pragma_table_info('t')"; }
    forms '' id:integer name:text more:integer >"$IN"
    sink
    is "no key" "id INT 0,name TEXT 0,more INT 0" "$(described)"
    is rows $'1|x|1\n2|x|2' "$(q 'select * from t')"
    forms name,id id:integer name:text more:integer >"$IN"
    sink
    is "a key" "id INT 2,name TEXT 1,more INT 0" "$(described)"
    is rows $'1|x|1\n2|x|2' "$(q 'select * from t')"
    forms id id:text name:text >"$IN"
    sink
    is "another key and type" "id TEXT 1,name TEXT 0" "$(described)"
    is rows $'01|x\n02|x' "$(q 'select * from t')"
    # Equal rows of a table without a key.
    { read_begin; schema '' a:integer; for i in 1 1 1; do change r null null "{\"a\":$i}"; done; read_end '' a:integer; commit; } >"$IN"
    sink
    is rows "1|3" "$(q 'select a, count(*) from t group by a')"
    is "no columns of before" "a INT 0" "$(described)"
    # Empty at the source.
    { read_begin; schema '' a:integer; read_end '' a:integer; commit; } >"$IN"
    sink
    is rows 0 "$(q 'select count(*) from t')"
}

@test "a column that the source has dropped goes with the old rows, or is NULL where something here uses it" {
    { schema id id:integer a:text b:text c:text; change c '{"id":1}' null '{"id":1,"a":"a","b":"b","c":"c"}'; commit; } >"$IN"
    sink
    q "create index by_b on t(b); alter table t add column note default 'x'"
    { tx; read_begin; schema id id:integer c:text; change r '{"id":1}' null '{"id":1,"c":"c"}'; read_end id id:integer c:text; commit; } >"$IN"
    run --separate-stderr sink
    is status 0 "$status"
    [[ $stderr == *'"b" is gone at the source; it stays, as NULL'* ]]
    is columns id,b,c,note "$(q "select group_concat(name) from pragma_table_info('t')")"
    is rows '1||c|x' "$(q 'select * from t')"
    # Once nothing does, it goes with the next read; without a read, columns stay as ever.
    q "drop index by_b"
    { tx; read_begin; schema id id:integer c:text; change r '{"id":1}' null '{"id":1,"c":"c"}'; read_end id id:integer c:text; commit
      schema id id:integer; change c '{"id":2}' null '{"id":2}'; commit; } >"$IN"
    sink
    is rows $'1|c|x\n2||x' "$(q 'select * from t order by id')"
}

@test "rows that exchange unique values keep what columns that somebody has added have in them" {
    first_copy
    q "create unique index one_name on t(name); alter table t add column note text default 'none'; alter table t add column k0 as (upper(note));
       update t set note = 'of ' || id where id < 4"
    {
        read_begin
        users
        change r '{"id":1}' null '{"id":1,"name":"n2","big":"b"}'
        change r '{"id":2}' null '{"id":2,"name":"n1","big":"b"}'
        change r '{"id":4}' null '{"id":4,"name":"n4","big":"b4"}'
        change r '{"id":5}' null '{"id":5,"name":"n5","big":"b"}'
        commit
        POS=100
        read_end id id:integer name:text big:text
        commit
    } >"$IN"
    sink
    is rows $'1|n2|b|of 1|OF 1\n2|n1|b|of 2|OF 2\n4|n4|b4|none|NONE\n5|n5|b|none|NONE' "$(q 'select id, name, big, note, k0 from t order by id')"
    no_side
    # Of a key of two columns, and after a column is gone.
    {
        TABLE=two
        schema a,b a:integer b:text name:text old:text
        change c '{"a":1,"b":"x"}' null '{"a":1,"b":"x","name":"p","old":"o"}'
        change c '{"a":1,"b":"y"}' null '{"a":1,"b":"y","name":"q","old":"o"}'
        commit
    } >"$IN"
    sink
    q "create unique index one_of_two on two(name); alter table two add column note text; update two set note = 'at ' || b"
    {
        read_begin
        schema a,b a:integer b:text name:text
        change r '{"a":1,"b":"x"}' null '{"a":1,"b":"x","name":"q"}'
        change r '{"a":1,"b":"y"}' null '{"a":1,"b":"y","name":"p"}'
        commit
        POS=100
        read_end a,b a:integer b:text name:text
        commit
    } >"$IN"
    sink
    is rows $'1|x|q|at x\n1|y|p|at y' "$(q 'select * from two order by b')"
}

@test "rows that exchange unique values, and rows that somebody's constraint refuses" {
    first_copy
    q "create unique index one_name on t(name)"
    { read_begin; users
      change r '{"id":1}' null '{"id":1,"name":"n2","big":"x"}'; change r '{"id":2}' null '{"id":2,"name":"n1","big":"x"}'
      read_end id id:integer name:text big:text; commit; } >"$IN"
    sink
    is rows $'1|n2|x\n2|n1|x' "$(q 'select * from t order by id')"
    # Two with one name: the table stays as it is, and so does the position.
    pos=$(q 'select pos from cdc_offsets')
    { read_begin; users; rows r same 5; change r '{"id":6}' null '{"id":6,"name":"same5","big":"x"}'
      read_end id id:integer name:text big:text; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *UNIQUE* ]]
    is rows $'1|n2|x\n2|n1|x' "$(q 'select * from t order by id')"
    is position "$pos" "$(q 'select pos from cdc_offsets')"
    q "drop index one_name"
    sink
    is rows $'5|same5|b5\n6|same5|x' "$(q 'select * from t order by id')"
    # A trigger that ends the transaction.
    q "create trigger no before delete on t begin select raise(rollback, 'no'); end"
    { read_begin; users; rows r n 5; read_end id id:integer name:text big:text; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *'rolled back the whole transaction'* ]]
    is rows $'5|same5|b5\n6|same5|x' "$(q 'select * from t order by id')"
    q "drop trigger no"
    sink
    is rows '5|n5|b5' "$(q 'select * from t order by id')"
    no_side
}

@test "an attempt that begins again begins anew, also with other columns; the end of the one before counts no more" {
    first_copy
    { read_begin; users; rows r ghost 7 8; commit; } >"$DIR/one"
    { read_end id id:integer name:text big:text; } >"$DIR/end"
    tx
    { read_begin; schema id id:integer name:text; for i in 1 2; do change r "{\"id\":$i}" null "{\"id\":$i,\"name\":\"new\"}"; done; commit; } >"$DIR/two"
    { change r '{"id":3}' null '{"id":3,"name":"new"}'; read_end id id:integer name:text; commit; } >"$DIR/rest"
    cp "$DIR/one" "$IN"
    sink
    cat "$DIR/one" "$DIR/two" >"$IN"
    sink
    # In the middle of the second, all lines of the first come again, with an end that was never stored.
    cat "$DIR/one" "$DIR/end" "$DIR/two" >"$IN"
    sink
    is "rows so far" "$OLD" "$(q 'select * from t order by id')"
    cat "$DIR/one" "$DIR/end" "$DIR/two" "$DIR/rest" >"$IN"
    sink
    is rows $'1|new\n2|new\n3|new' "$(q 'select * from t order by id')"
    no_side
}

@test "lines with other columns than those of the read so far: exit 75, and the next attempt heals it" {
    first_copy
    { read_begin; users; rows r m 1; commit; rows r m 2; read_end id id:integer name:text big:text; commit; } >"$DIR/all"
    head -4 "$DIR/all" >"$IN"
    sink
    cdc-filter --drop-columns 't:big' <"$DIR/all" >"$IN"
    run -75 --separate-stderr sink
    [[ $stderr == *'other columns'* ]]
    is rows "$OLD" "$(q 'select * from t order by id')"
    SEQ=500
    { read_begin; users; rows r k 1; read_end id id:integer name:text big:text; commit; } | cdc-filter --drop-columns 't:big' >"$IN"
    sink
    is rows "1|k1" "$(q 'select * from t order by id')"
}

@test "the log goes on with a table whose read has not ended: told, in each run, its changes are applied, and the next read heals it" {
    first_copy
    { read_begin; users; rows r m 1 9; commit; } >"$IN"
    sink
    { users; change u '{"id":2}' null '{"id":2,"name":"changed","big":"b2"}'; change d '{"id":4}' '{"id":4}' null; commit; } >"$IN"
    run --separate-stderr sink
    is status 0 "$status"
    [[ $stderr == *'the log goes on before its read has ended'* ]]
    is rows $'1|n1|b1\n2|changed|b2\n3|n3|b3' "$(q 'select * from t order by id')"
    no_side
    { users; rows c k 8; commit; } >"$IN"
    run --separate-stderr sink
    is status 0 "$status"
    [[ $stderr == *'"t" may have old rows'* ]]
    { read_begin; users; rows r k 8; read_end id id:integer name:text big:text; commit; } >"$IN"
    sink
    is rows '8|k8|b8' "$(q 'select * from t order by id')"
    { tx; users; rows c k 9; commit; } >"$IN"
    run --separate-stderr sink
    is "nothing to tell any more" "" "$stderr"
}

@test "a truncate of the log in an open read empties the table, and nothing is old any more" {
    first_copy
    { read_begin; users; rows r m 1 9; commit; } >"$IN"
    sink
    { line t '"x":1'; users; rows c k 1; commit; } >"$IN"
    run --separate-stderr sink
    is rows '1|k1|b1' "$(q 'select * from t')"
    is told "" "$stderr"
    no_side
    # The same of a table that was not there before its read.
    TABLE=u
    { tx; read_begin; users; rows r m 1 9; commit; } >"$IN"
    sink
    { line t '"x":1'; users; rows c k 2; commit; } >"$IN"
    sink
    is rows '2|k2|b2' "$(q 'select * from u')"
    no_side
}

@test "a truncate of the log in a read that goes on with it: the read has what comes after it, and old rows stay until its end" {
    first_copy
    { line t '"read":"live"'; users; rows r m 1 9; commit; line t '"x":1'; rows c k 1 7; commit; } >"$IN"
    sink
    is "until the end" "$OLD" "$(q 'select * from t order by id')"
    { read_end id id:integer name:text big:text; commit; users; rows c k 8; commit; } >"$IN"
    run --separate-stderr sink
    is status 0 "$status"
    is rows $'1|k1|b1\n7|k7|b7\n8|k8|b8' "$(q 'select * from t order by id')"
    no_side
    # Empty at its end, and in one delivery.
    { tx; line t '"read":"live"'; users; rows r m 1 9; commit; line t '"x":1'; commit; read_end id id:integer name:text big:text; commit; } >"$IN"
    sink
    is rows 0 "$(q 'select count(*) from t')"
    no_side
}

@test "a table that has gone while it was read: no row of it stays, no end comes, and what comes under its name is applied" {
    first_copy
    { line t '"read":"live"'; users; rows r m 1 9; commit; } >"$IN"
    sink
    { tx; line t '"read":"dropped"'; commit; users; rows c k 8; commit; } >"$IN"
    run --separate-stderr sink
    is status 0 "$status"
    [[ $stderr != *warning* ]] || fail "$stderr"
    is rows '8|k8|b8' "$(q 'select * from t order by id')"
    no_side
    # Where no read is open, and in one delivery.
    { tx; line t '"read":"dropped"'; commit; } >"$IN"
    sink
    is rows 0 "$(q 'select count(*) from t')"
    { tx; users; rows c k 2; commit; line t '"read":"live"'; users; rows r m 1 9; commit; line t '"read":"dropped"'; rows c k 3; commit; } >"$IN"
    sink
    is rows '3|k3|b3' "$(q 'select * from t order by id')"
    no_side
}

@test "a truncate of one of several tables in a read of it that goes on with the log: the others' rows stay" {
    part() { echo "\"part\":{\"column\":\"src\",\"value\":\"$1\"}"; }
    shops() { schema id,src id:integer src:text v:text; }
    row() { change "$1" "{\"id\":$2,\"src\":\"$3\"}" null "{\"id\":$2,\"src\":\"$3\",\"v\":\"$4\"}"; }
    { shops; row c 1 a old; row c 1 b other; commit; } >"$IN"
    sink
    { tx; line t "\"read\":\"live\",$(part a)"; shops; row r 2 a read; commit; line t "\"x\":1,$(part a)"; row c 3 a new; commit; } >"$IN"
    sink
    is "until the end" $'1|a|old\n1|b|other' "$(q 'select * from t order by id, src')"
    { shops | sed "s/}\$/,\"read\":\"end\",$(part a)}/"; POS=$((POS + 1)); commit; } >"$IN"
    sink
    is rows $'1|b|other\n3|a|new' "$(q 'select * from t order by id, src')"
    no_side
}

@test "one of several tables that has gone while it was read: its rows go, the others stay" {
    part() { echo "\"part\":{\"column\":\"src\",\"value\":\"$1\"}"; }
    shops() { schema id,src id:integer src:text v:text; }
    row() { change "$1" "{\"id\":$2,\"src\":\"$3\"}" null "{\"id\":$2,\"src\":\"$3\",\"v\":\"$4\"}"; }
    { shops; row c 1 a old; row c 1 b other; commit; tx; line t "\"read\":\"live\",$(part a)"; shops; row r 2 a read; commit; } >"$IN"
    sink
    { tx; line t "\"read\":\"dropped\",$(part a)"; commit; shops; row c 3 a new; commit; } >"$IN"
    sink
    is rows $'1|b|other\n3|a|new' "$(q 'select * from t order by id, src')"
    no_side
}

@test "a new table appears with all of its rows; while it is read its name is taken" {
    { read_begin; users; rows r n 1 2; commit; } >"$IN"
    sink
    is "table t" 0 "$(q "select count(*) from sqlite_master where name = 't'")"
    # The end of the input takes back what came after the last whole part: it is still one that is read.
    { tx; read_begin; commit; users; rows r n 1 2; } >"$IN"
    run -75 sink
    is "table t" 0 "$(q "select count(*) from sqlite_master where name = 't'")"
    { read_begin; users; rows r n 1 2; commit; } >"$IN"
    sink
    is "table t" 0 "$(q "select count(*) from sqlite_master where name = 't'")"
    # Another source table of that name, in a line of any kind.
    SCHEMA=other
    for kind in 'read_begin' 'line t "\"x\":1"' 'users'; do
        { SEQ=300; eval "$kind"; commit; } >"$IN"
        run -78 --separate-stderr sink
        [[ $stderr == *'two source tables map to table "t"'* ]]
    done
    unset SCHEMA
    SEQ=400
    { users; rows r n 3; read_end id id:integer name:text big:text; commit; } >"$IN"
    # Somebody makes a table of that name meanwhile.
    q "create table t(mine)"
    run -78 --separate-stderr sink
    [[ $stderr == *'none of ours'* ]]
    q "drop table t"
    sink
    is rows $'1|n1|b1\n2|n2|b2\n3|n3|b3' "$(q 'select * from t order by id')"
    # Broken off by the log: it is a table like any other, and another source's may have the name of one that has no row.
    TABLE=u
    { tx; read_begin; users; rows r ghost 1 2; commit; users; rows c n 7; commit; } >"$IN"
    sink
    is rows '7|n7|b7' "$(q 'select * from u')"
    # One of somebody's: at the begin.
    q "create table w(mine)"
    TABLE=w
    { tx; read_begin; users; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *'"w" that is none of ours'* ]]
    no_side
}

@test "a table of the copy that somebody has removed comes back with its read" {
    first_copy
    q "drop table t"
    { read_begin; users; rows r m 1; read_end id id:integer name:text big:text; commit; } >"$IN"
    sink
    is rows '1|m1|b1' "$(q 'select * from t')"
}

@test "two sources in one input: the end of a read stays, though the input ends inside the other one's transaction" {
    first_copy
    east() { SOURCE_NAME=east TABLE=e "$@"; }
    { read_begin; users; rows r m 2 5; commit; } >"$IN"
    sink
    { read_end id id:integer name:text big:text; east schema id id:integer; east change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    run -75 sink
    is offset "$(tail -1 "$IN" | jq -r .pos)" "$(jq -r .offsets.n.pos "$DB.offset")"
    is rows $'2|m2|b2\n5|m5|b5' "$(q 'select * from t order by id')"
    no_side
}

@test "a read whose first line did not come: exit 78 at its end; one that comes again is none" {
    first_copy
    { read_begin; users; rows r m 1; commit; read_end id id:integer name:text big:text; commit; } >"$DIR/all"
    grep -v '"op":"t"' "$DIR/all" >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *'the line that begins its read'* ]]
    is "rows that went into the table itself" "${OLD/n1/m1}" "$(q 'select * from t order by id')"
    SEQ=500
    { read_begin; users; rows r m 1; commit; read_end id id:integer name:text big:text; commit; } >"$DIR/all"
    # Its end is not stored without the commit after it.
    head -n -1 "$DIR/all" >"$IN"
    run -75 sink
    is rows "${OLD/n1/m1}" "$(q 'select * from t order by id')"
    cp "$DIR/all" "$IN"
    sink
    is rows '1|m1|b1' "$(q 'select * from t')"
    # As an earlier version has stored it; then the end comes again.
    q "update cdc_offsets set pos = '$(jq -r 'select(.op == "commit").pos' "$DIR/all" | head -1)'"
    rm "$DB.offset"
    [ "$(q 'select pos from cdc_offsets')" \< "$(q 'select pos from cdc_reads')" ]
    tail -n 2 "$DIR/all" >"$IN"
    sink
    is rows '1|m1|b1' "$(q 'select * from t')"
    is offset "$(tail -1 "$IN" | jq -r .pos)" "$(q 'select pos from cdc_offsets')"
}

@test "a new snapshot under the same name replaces an older copy's tables where it says so" {
    snapshot_row() { rows "$@" | sed -E 's/"pos":"[^"]*"/"pos":"'"$at"'.0000000000.a0001.00000000000'"$((++n))"'"/'; }
    at=00000000000000A0 n=0
    { users; snapshot_row r n 1 2; } >"$IN"
    commit | sed -E 's/"pos":"[^"]*"/"pos":"00000000000000A0.0000000000.a0001.000000000009"/' >>"$IN"
    sink
    at=00000000000000B0 n=0
    { read_begin; users; rows r m 2; read_end id id:integer name:text big:text; commit; } |
        awk -v at=$at '{ sub(/"pos":"[^"]*"/, sprintf("\"pos\":\"%s.0000000000.a0001.%012d\"", at, NR)); print }' >"$IN"
    sink
    is rows '2|m2|b2' "$(q 'select * from t')"
}

@test "a table that is called excluded gets its updates, from the log and from a read" {
    TABLE=excluded
    first_copy
    { users; change u '{"id":1}' null '{"id":1,"name":"changed","big":"b"}'; commit; } >"$IN"
    sink
    is row changed "$(q 'select name from excluded where id = 1')"
    { read_begin; users; rows r m 1 2; read_end id id:integer name:text big:text; commit; } >"$IN"
    sink
    is rows $'1|m1|b1\n2|m2|b2' "$(q 'select * from excluded order by id')"
}

@test "odd names: columns that hide the rowid, names with quotes, a table of 1500 columns" {
    { schema id id:integer rowid:integer _rowid_:text oid:text 'quo\"te':text; change c '{"id":1}' null '{"id":1,"rowid":1,"_rowid_":"a","oid":"b","quo\"te":"c"}'; change c '{"id":2}' null '{"id":2,"rowid":1,"_rowid_":"a","oid":"b","quo\"te":"c"}'; commit; } >"$IN"
    sink
    { read_begin; schema id id:integer rowid:integer _rowid_:text oid:text 'quo\"te':text; for i in 2 3; do change r "{\"id\":$i}" null "{\"id\":$i,\"rowid\":7,\"_rowid_\":\"x\",\"oid\":\"y\",\"quo\\\"te\":\"z\"}"; done
      read_end id id:integer rowid:integer _rowid_:text oid:text 'quo\"te':text; commit; } >"$IN"
    sink
    is rows $'2|7|x|y|z\n3|7|x|y|z' "$(q 'select * from t order by id')"
    TABLE='w"ide'
    wide=() row='' other=''
    for i in {1..1500}; do wide+=("c$i:integer"); row+=",\"c$i\":$i"; other+=",\"c$i\":$((i == 1500 ? 0 : i))"; done
    TABLE='w\"ide'
    { tx; schema id id:integer "${wide[@]}"; for i in 1 2; do change c "{\"id\":$i}" null "{\"id\":$i$row}"; done; commit
      read_begin; schema id id:integer "${wide[@]}"; change r '{"id":1}' null "{\"id\":1$other}"; read_end id id:integer "${wide[@]}"; commit; } >"$IN"
    sink
    is rows '1|1499|0' "$(q 'select id, c1499, c1500 from "w""ide"')"
}

@test "a column that is called as the rowid is, and is dropped at the source, is gone for good" {
    { schema id id:text oid:integer; change c '{"id":"a"}' null '{"id":"a","oid":9}'; commit; } >"$IN"
    sink
    for SEQ in 200 300 400; do
        { read_begin; schema id id:text; change r '{"id":"a"}' null '{"id":"a"}'; read_end id id:text; commit; } >"$IN"
        sink
    done
    is "columns" id "$(q "select group_concat(name) from pragma_table_info('t')")"
    is "remembered" '["id"]' "$(q 'select names from cdc_columns')"
}

# Where a database has many tables, one of few rows is made again in place of ALTER TABLE.
among_many() { for i in {1..250}; do echo "create table other_$i (a);"; done | sqlite3 "$DB"; }
made_again() { grep -c "table \"$1\" is made again with its rows" "$DIR/err" || true; }
# read_again SCHEMA-ARGUMENTS -- LINES...: the read of $TABLE with that form.
read_again() {
    local form=()
    while [ "$1" != -- ]; do form+=("$1"); shift; done
    shift
    read_begin
    schema "${form[@]}"
    POS=$((POS + 1))
    for line; do change r "${line%% *}" null "${line#* }"; done
    POS=$((POS + 20))
    read_end "${form[@]}"
    commit
}
forms() { q "select type, name, sql from sqlite_master where tbl_name = '$1'"; }

@test "among many tables: columns come and go, rows keep their ids and every value its storage" {
    among_many
    {
        TABLE=k
        schema id id:text i:integer f:double b:bytea v:text gone:text
        change c '{"id":"a"}' null '{"id":"a","i":1,"f":2.5,"b":"AAH/","v":"12","gone":"x"}'
        change c '{"id":"b"}' null '{"id":"b","i":9223372036854775807,"f":1e300,"b":null,"v":null,"gone":"x"}'
        change c '{"id":"c"}' null '{"id":"c","i":-5,"f":3,"b":"","v":"","gone":"x"}'
        change c '{"id":"d"}' null '{"id":"d","i":null,"f":"NaN","b":"AA==","v":"1e5","gone":"x"}'
        change d '{"id":"b"}' '{"id":"b"}' null
        commit
        TABLE=bare
        schema '' a:text
        change c null null '{"a":"one"}'
        change c null null '{"a":"two"}'
        commit
    } >"$IN"
    sink
    local kept='select rowid, quote(id), quote(i), quote(f), quote(b), quote(v), typeof(i), typeof(f) from k order by rowid'
    q "$kept" >"$DIR/before"
    is "rows kept" 3 "$(wc -l <"$DIR/before")"
    SEQ=200
    {
        # The log: the columns that are gone at the source stay until a read.
        TABLE=k
        schema id id:text i:integer f:double b:bytea v:text w:text oid:integer
        change c '{"id":"e"}' null '{"id":"e","i":5,"f":5,"b":null,"v":"e","w":"new","oid":7}'
        commit
        TABLE=bare
        schema '' a:text b:text
        change c null null '{"a":"three","b":"B"}'
        change u null '{"a":"one","b":null}' '{"a":"uno","b":"U"}'
        commit
    } >"$IN"
    sink -v 2>"$DIR/err" || { cat "$DIR/err"; false; }
    is "made again" "1 1" "$(made_again k) $(made_again bare)"
    q "$kept" | head -3 | diff "$DIR/before" -
    is "columns" id,i,f,b,v,gone,w,oid "$(q "select group_concat(name) from pragma_table_info('k')")"
    is "new ones" "a|x||;c|x||;d|x||;e||new|7" "$(q 'select id, gone, w, oid from k order by id' | paste -sd ';')"
    is "a table without a key" "1|uno|U;2|two|;3|three|B" "$(q 'select rowid, * from bare' | paste -sd ';')"
    SEQ=300
    TABLE=k
    read_again id id:text f:double x:text -- '{"id":"a"} {"id":"a","f":2.5,"x":"xa"}' '{"id":"e"} {"id":"e","f":6,"x":null}' >"$IN"
    sink -v 2>"$DIR/err" || { cat "$DIR/err"; false; }
    is "made again" 1 "$(made_again k)"
    is "rows" "1|a|2.5|xa;5|e|6.0|" "$(q 'select rowid, * from k order by id' | paste -sd ';')"
    is "columns" id,f,x "$(q "select group_concat(name) from pragma_table_info('k')")"
    q 'pragma integrity_check' | grep -qx ok
    no_side
}

@test "among many tables: what somebody has made of a table stays" {
    among_many
    for TABLE in plain indexed triggered column checked strict limited; do users; rows c n 1 2; commit; done >"$IN"
    sink
    q "create index of_somebody on indexed (name);
       create table log (what);
       create trigger noted after update on triggered begin insert into log values (new.name); end;
       alter table \"column\" add column note text default 'none';
       update \"column\" set note = 'mine' where id = 2;
       drop table checked; create table checked (\"id\" integer, \"name\" text check (name <> ''), \"big\" text, primary key (\"id\"));
       drop table strict; create table strict (\"id\" integer, \"name\" text, \"big\" text, primary key (\"id\")) strict;
       drop table limited; create table limited (\"id\" integer, \"name\" text check (\"name\" not null), \"big\" text, primary key (\"id\"));
       create view of_plain as select id, name from plain"
    SEQ=200
    for TABLE in plain indexed triggered column checked strict limited; do
        read_again id id:integer name:text big:text new:text -- '{"id":1} {"id":1,"name":"n1","big":"b1","new":"w1"}' '{"id":2} {"id":2,"name":"m2","big":"b2","new":"w2"}'
    done >"$IN"
    sink -v 2>"$DIR/err" || { cat "$DIR/err"; false; }
    is "made again" "1 0 0 0 0 0 0" "$(for TABLE in plain indexed triggered column checked strict limited; do made_again $TABLE; done | paste -sd ' ')"
    for TABLE in plain indexed triggered column checked strict limited; do
        is "rows of $TABLE" "1|n1|b1|w1;2|m2|b2|w2" "$(q "select id, name, big, new from \"$TABLE\"" | paste -sd ';')"
    done
    forms indexed | grep -q 'of_somebody'
    # Each of the two rows has got its new column.
    is "what the trigger saw" "n1;m2" "$(q 'select what from log' | paste -sd ';')"
    is "somebody's column" "none;mine" "$(q 'select note from "column"' | paste -sd ';')"
    forms checked | grep -q 'check (name'
    forms strict | grep -q 'strict'
    forms limited | grep -q 'check ("name" not null)'
    is "a view" "1|n1;2|m2" "$(q 'select * from of_plain' | paste -sd ';')"
    no_side
}

@test "among many tables: a column that a view uses stays, as NULL" {
    among_many
    for TABLE in seen free; do schema id id:integer old:text v:text; change c '{"id":1}' null '{"id":1,"old":"o","v":"v"}'; commit; done >"$IN"
    sink
    q "create view of_seen as select id, old, v from seen"
    SEQ=200
    for TABLE in seen free; do read_again id id:integer v:text -- '{"id":1} {"id":1,"v":"w"}'; done >"$IN"
    sink -v 2>"$DIR/err" || { cat "$DIR/err"; false; }
    is "the view" "1||w" "$(q 'select * from of_seen')"
    is "used by nothing" "1|w" "$(q 'select * from free')"
    grep -q '"seen": column "old" is gone at the source; it stays' "$DIR/err"
}

@test "a read of 300000 rows stays in small memory, with triggers too" {
    big() {
        awk -v op="$1" -v text="$2" -v from="$3" -v seq="$SEQ" 'BEGIN { for (i = from; i < from + 300000; i++)
            printf("{\"op\":\"%s\",\"pos\":\"%08d.1%08d\",\"seq\":%d,\"ts_ms\":1,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"schema\":\"public\",\"table\":\"t\"},\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d,\"name\":\"%s\",\"big\":null}}\n", op, seq, i, seq, i, i, text) }'
    }
    { users; big c old 1; commit; } >"$IN"
    sink
    q "create table log(n); insert into log values(0); create trigger t_d after delete on t begin update log set n = n + 1; end; create trigger t_u after update on t begin update log set n = n + 1; end; create trigger t_i after insert on t begin update log set n = n + 1; end"
    SEQ=200
    { read_begin; users; big r new 150001; POS=90000000 SEQ=200; read_end id id:integer name:text big:text; commit; } | sed 's/"00000200.90000001"/"00000200.9900000000"/' >"$IN"
    /usr/bin/time -o "$DIR/kib" -f %M timeout 120 cdc-sink-sqlite "$DB" <"$IN"
    is rows "300000|new|150001|450000" "$(q 'select count(*), max(name), min(id), max(id) from t')"
    is "changes that the triggers saw" 450000 "$(q 'select n from log')"
    [ "$(cat "$DIR/kib")" -lt 40000 ]
}
