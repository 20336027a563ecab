#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-sqlite: rows exact, each change once, schema changes, full-text index, faults.
# takes: 45 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines

setup() {
    DIR=$BATS_TEST_TMPDIR
    DB=$DIR/a.db
    IN=$DIR/in
}
sink() { t cdc-sink-sqlite "$@" "$DB" <"$IN"; }
q() { sqlite3 "$DB" "$1"; }
users() { schema id id:integer name:text big:text; }

@test "insert, update, delete, truncate, snapshot rows, messages" {
    {
        users
        change r '{"id":1}' null '{"id":1,"name":"one","big":"b1"}'
        change r '{"id":2}' null '{"id":2,"name":"two","big":"b2"}'
        commit
        change c '{"id":3}' null '{"id":3,"name":"three","big":null}'
        change u '{"id":1}' null '{"id":1,"name":"uno","big":"b1"}'
        change d '{"id":2}' '{"id":2}' null
        line m '"message":{"prefix":"p","content":"c","transactional":true}'
        commit
    } >"$IN"
    sink
    is rows $'1|uno|b1\n3|three|' "$(q 'select * from t order by id')"
    is "offset of database and file" "$(q 'select pos from cdc_offsets')" "$(jq -r .offsets.n.pos "$DB.offset")"
    { schema id id:integer name:text big:text; line t '"x":1'; commit; } >"$IN"
    sink
    is "rows after truncate" 0 "$(q 'select count(*) from t')"
}

@test "values: every kind comes out as it went in" {
    {
        schema id id:bigint b:boolean n:'numeric(20,4)' f:'double precision' s:text raw:bytea j:jsonb a:'text[]' u:'bigint unsigned' ts:'timestamp with time zone' i:integer
        change c '{"id":-9223372036854775808}' null '{"id":-9223372036854775808,"b":true,"n":"00012345678901234567890.1000","f":0.1,"s":"007","raw":"AAH/","j":{"a":[1,{"b":null}],"n":1.10},"a":["1",null],"u":18446744073709551615,"ts":"2026-11-21T09:28:42.834232Z","i":2147483647}'
        change c '{"id":2}' null '{"id":2,"b":false,"n":1.10,"f":"NaN","s":"a\u0000b\"\\\u00e9\ud83d\ude00","raw":"","j":"text","a":[],"u":5,"ts":"infinity","i":null}'
        change c '{"id":3}' null '{"id":3,"b":null,"n":null,"f":1e300,"s":{"base64":"/w=="},"raw":null,"j":"007","a":null,"u":null,"ts":null,"i":-1}'
        change c '{"id":"9007199254740993"}' null '{"id":"9007199254740993","b":null,"n":"1e5","f":"-Infinity","s":"","raw":null,"j":5,"a":null,"u":null,"ts":null,"i":0}'
        commit
    } >"$IN"
    sink
    is "row 1" '-9223372036854775808|1|00012345678901234567890.1000|0.1|007|0001FF|{"a":[1,{"b":null}],"n":1.10}|["1",null]|18446744073709551615|2026-11-21T09:28:42.834232Z|2147483647' \
        "$(q 'select id,b,n,f,s,hex(raw),j,a,u,ts,i from t where id < 0')"
    is "types of row 1" 'integer|integer|text|real|text|blob|text|text|text|text|integer' \
        "$(q 'select typeof(id),typeof(b),typeof(n),typeof(f),typeof(s),typeof(raw),typeof(j),typeof(a),typeof(u),typeof(ts),typeof(i) from t where id < 0')"
    is "row 2" '2|0|1.10|NaN|6100625CC3A9F09F9880||"text"|[]|5|infinity|' "$(q "select id,b,n,f,replace(hex(s),'22',''),hex(raw),j,a,u,ts,i from t where id = 2")"
    is "types of row 2" 'text|text|blob|integer' "$(q 'select typeof(f),typeof(s),typeof(raw),typeof(u) from t where id = 2')"
    is "row 3" '3|1.0e+300|blob|FF|"007"|-1' "$(q 'select id,f,typeof(s),hex(s),j,i from t where id = 3')"
    is "row 4" '9007199254740993|integer|1e5|-Infinity|text||5' "$(q 'select id,typeof(id),n,f,typeof(s),s,j from t where id > 3')"
}

@test "a value that SQLite would change is refused, never changed" {
    {
        schema id id:integer n:integer
        change c '{"id":1}' null '{"id":1,"n":18446744073709551615}'
        change c '{"id":2}' null '{"id":2,"n":2}'
        commit
    } >"$IN"
    run -65 --separate-stderr sink
    [[ $stderr == *'"n"'*64-bit* ]]
    is rows 0 "$(q "select count(*) from sqlite_master where name = 't'")"
    sink --on-error=dead-letter --dead-letter "$DIR/dead"
    is rows 2 "$(q 'select id from t')"
    lines_at_least "$DIR/dead" 1
}

@test "the same lines again change nothing; a cut transaction leaves nothing" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$IN"
    sink
    cp "$IN" "$DIR/first"
    q "update t set name = 'touched'"
    sink
    is "delivered again" touched "$(q 'select name from t')"
    tx
    { cat "$DIR/first"; tx; change c '{"id":2}' null '{"id":2,"name":"a","big":"b"}'; } >"$IN"
    run -75 sink
    is "rows" 1 "$(q 'select count(*) from t')"
}

@test "a key of -0 and of 0 is one key: changes of either find the row, and leave what they do not carry" {
    {
        schema k k:'double precision' name:text big:text
        change r '{"k":-0}' null '{"k":-0,"name":"a","big":"b1"}'
        change r '{"k":5}' null '{"k":5,"name":"other","big":"b5"}'
        commit
        change u '{"k":0}' '{"k":-0}' '{"k":0,"name":"b"}' '["big"]'
        commit
    } >"$IN"
    sink
    is rows $'0.0|b|b1\n5.0|other|b5' "$(q 'select * from t order by k')"
    {
        schema k k:'double precision' name:text big:text
        change u '{"k":-0}' '{"k":0}' '{"k":-0,"name":"c","big":"b2"}'
        change u '{"k":-0}' null '{"k":-0,"name":"d"}' '["big"]'
        change u '{"k":7}' '{"k":-0}' '{"k":7,"name":"e"}' '["big"]'
        change c '{"k":0}' null '{"k":0,"name":"new","big":"n"}'
        change d '{"k":-0}' '{"k":-0}' null
        commit
    } >>"$IN"
    sink
    is rows $'5.0|other|b5\n7.0|e|b2' "$(q 'select * from t order by k')"
}
@test "unchanged columns keep their value, in place and when the key changes" {
    {
        users
        change c '{"id":1}' null '{"id":1,"name":"one","big":"B1"}'
        change c '{"id":2}' null '{"id":2,"name":"two","big":"B2"}'
        change c '{"id":3}' null '{"id":3,"name":"three","big":"B3"}'
        commit
        change u '{"id":1}' null '{"id":1,"name":"uno"}' '["big"]'
        change u '{"id":20}' '{"id":2}' '{"id":20,"name":"dos"}' '["big"]'
        change u '{"id":30}' '{"id":3}' '{"id":30,"name":"tres","big":"new"}'
        change u '{"id":40}' '{"id":4}' '{"id":40,"name":"quatro"}' '["big"]'
        commit
    } >"$IN"
    sink
    is rows $'1|uno|B1\n20|dos|B2\n30|tres|new\n40|quatro|' "$(q 'select * from t order by id')"
}

@test "a key change that a snapshot has seen already: the new row keeps what it has" {
    {
        users
        change r '{"id":2}' null '{"id":2,"name":"later","big":"B"}'
        commit
        change u '{"id":2}' '{"id":1}' '{"id":2,"name":"then"}' '["big"]'
        change u '{"id":2}' null '{"id":2,"name":"later"}' '["big"]'
        commit
        change c '{"id":1}' null '{"id":1,"name":"x","big":"X"}'
        change d '{"id":2}' '{"id":2}' null
        change u '{"id":2}' '{"id":1}' '{"id":2,"name":"moved"}' '["big"]'
        commit
    } >"$IN"
    sink
    is rows "2|moved|X" "$(q 'select * from t')"
}

@test "composite, text and bytea keys" {
    {
        schema a,b a:text b:bytea v:integer
        change c '{"a":"x\u00e9","b":"AA=="}' null '{"a":"x\u00e9","b":"AA==","v":1}'
        change u '{"a":"xé","b":"AA=="}' null '{"a":"xé","b":"AA==","v":2}'
        change c '{"a":"xé","b":"AQ=="}' null '{"a":"xé","b":"AQ==","v":3}'
        change u '{"a":"x\u00e9","b":"AA=="}' '{"a":"xé","b":"AA=="}' '{"a":"x\u00e9","b":"AA=="}' '["v"]'
        change d '{"a":"xé","b":"AQ=="}' '{"a":"xé","b":"AQ=="}' null
        commit
    } >"$IN"
    sink
    is rows "xé|00|2" "$(q 'select a,hex(b),v from t')"
}

@test "a table without a key: rows are found by all their values" {
    {
        schema '' a:integer b:text
        line c '"before":null,"after":{"a":1,"b":"x"}'
        line c '"before":null,"after":{"a":1,"b":"x"}'
        line c '"before":null,"after":{"a":2,"b":null}'
        line u '"before":{"a":2,"b":null},"after":{"a":3,"b":"y"}'
        line d '"before":{"a":1,"b":"x"},"after":null'
        commit
    } >"$IN"
    sink
    is rows $'1|x\n3|y' "$(q 'select * from t order by a')"
    { schema '' a:integer b:text; line d '"before":null,"after":null'; commit; } >"$IN"
    run -65 --separate-stderr sink
    [[ $stderr == *"REPLICA IDENTITY FULL"* ]]
}

@test "JSON's null is the text null, and finds the row that has it" {
    {
        schema '' a:jsonb n:integer
        change c null null '{"a":null,"n":1}'
        change c null null '{"a":null,"n":1},"json_null":["a"]'
        change c null null '{"a":null,"n":2},"json_null":["a"]'
        change u null '{"a":null,"n":1}' '{"a":null,"n":3},"json_null":["\u0061"],"json_null_old":["a"]'
        change d null '{"a":null,"n":2}' 'null,"json_null":["a"]'
        commit
    } | sed 's|"key":null,||' >"$IN"
    sink
    is "rows" $'1||null\n3|null|text' "$(q 'select n, a, typeof(a) from t order by n')"
}

@test "new columns, columns that are gone, an old schema line again" {
    { schema id id:integer name:text; change c '{"id":1}' null '{"id":1,"name":"a"}'; commit; } >"$IN"
    sink
    cp "$IN" "$DIR/old"
    {
        cat "$DIR/old"
        tx
        schema id id:integer extra:text
        change c '{"id":2}' null '{"id":2,"extra":"e"}'
        commit
        cat "$DIR/old"
    } >"$IN"
    sink
    is rows $'1|a|\n2||e' "$(q 'select * from t order by id')"
}

@test "a column that somebody has dropped in the copy comes back as no row of NULLs: 78; where the source has dropped it too, it is a new one" {
    { schema id id:integer a:text b:text; change c '{"id":1}' null '{"id":1,"a":"x","b":"y"}'; commit; } >"$IN"
    sink
    q 'alter table t drop column b'
    { tx; schema id id:integer a:text b:text; change c '{"id":2}' null '{"id":2,"a":"x2","b":"y2"}'; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *'somebody has dropped column "b" here'*'--again'* ]]
    is rows "1|x" "$(q 'select * from t')"
    # The way on that it says.
    q 'alter table t add column b text'
    q "update t set b = 'y'"
    sink
    is rows $'1|x|y\n2|x2|y2' "$(q 'select * from t order by id')"
    # Of a column that the source has dropped, nobody misses it.
    { tx; schema id id:integer a:text; change c '{"id":3}' null '{"id":3,"a":"x3"}'; commit; } >"$IN"
    sink
    q 'alter table t drop column b'
    { tx; schema id id:integer a:text; change c '{"id":4}' null '{"id":4,"a":"x4"}'; commit; } >"$IN"
    sink
    { tx; schema id id:integer a:text b:text; change c '{"id":5}' null '{"id":5,"a":"x5","b":"y5"}'; commit; } >"$IN"
    sink
    is rows $'1|x|\n2|x2|\n3|x3|\n4|x4|\n5|x5|y5' "$(q 'select * from t order by id')"
}

@test "another key and another type: the table is made anew with its rows, indexes and views" {
    {
        schema id id:integer code:integer
        change c '{"id":1}' null '{"id":1,"code":7}'
        change c '{"id":2}' null '{"id":2,"code":8}'
        commit
    } >"$IN"
    sink --fts t:code
    q 'create index mine on t(code); create view v as select code from t'
    tx
    {
        schema id,code id:bigint code:text
        change c '{"id":1,"code":"007"}' null '{"id":1,"code":"007"}'
        commit
    } >"$IN"
    sink --fts t:code
    is rows $'1|007|text\n1|7|text\n2|8|text' "$(q 'select id,code,typeof(code) from t order by id,code')"
    is key "id,code" "$(q "select group_concat(name) from pragma_table_info('t') where pk")"
    is index 1 "$(q "select count(*) from sqlite_master where name = 'mine' and tbl_name = 't'")"
    is found 1 "$(q "select id from t where rowid in (select rowid from t_fts where t_fts match '007')")"
    q "insert into t_fts(t_fts, rank) values('integrity-check', 1)"
    # The old definition, delivered again, must not turn texts into numbers.
    { SEQ=100 POS=0; schema id id:integer code:integer; } >"$IN"
    sink
    is type text "$(q "select typeof(code) from t where code = '007'")"
}

@test "a table that is made anew keeps what somebody has added to it: columns as declared, and the rows' ids" {
    {
        schema id id:text n:integer v:text
        for i in 1 2 3 4; do change c "{\"id\":\"k$i\"}" null "{\"id\":\"k$i\",\"n\":$i,\"v\":\"word$i\"}"; done
        change d '{"id":"k1"}' '{"id":"k1"}' null
        commit
    } >"$IN"
    sink
    q "alter table t add column twice int generated always as (n * 2) virtual;
       alter table t add column [odd, (name] text not null default ',)' collate nocase /* a comment, with ( */;
       alter table t add column \"q\"\"q\" int check (\"q\"\"q\" <> ')') default 3;
       create index by_twice on t(twice);
       update t set [odd, (name] = 'mine' where id = 'k3';
       create virtual table words using fts5(v, content='t');
       insert into words(words) values ('rebuild')"
    {
        schema id id:text n:text v:text
        change c '{"id":"k5"}' null '{"id":"k5","n":"5","v":"word5"}'
        commit
    } >"$IN"
    sink
    is "types of n" text "$(q 'select distinct typeof(n) from t')"
    is rows $'2|k2|2|4|,)|3\n3|k3|3|6|mine|3\n4|k4|4|8|,)|3\n5|k5|5|10|,)|3' "$(q 'select rowid, id, n, twice, [odd, (name], "q""q" from t')"
    is "found by the index of somebody's own" k3 "$(q "select id from t where rowid in (select rowid from words where words match 'word3')")"
    is "by the other one" k4 "$(q "select id from t indexed by by_twice where twice = 8")"
    is "its collation" k3 "$(q "select id from t where [odd, (name] = 'MINE'")"
    # Another key: the same, until the key is the rowid.
    {
        schema id,n id:text n:text v:text
        change c '{"id":"k6","n":"6"}' null '{"id":"k6","n":"6","v":"word6"}'
        commit
        schema n id:text n:integer v:text
        change c '{"n":70}' null '{"id":"k7","n":70,"v":"word7"}'
        commit
    } >"$IN"
    sink --batch-events 1 --max-events 1
    is "ids" '2 3 4 5 6' "$(q 'select rowid from t' | xargs)"
    sink
    is "ids that are the key" '2|k2 3|k3 4|k4 5|k5 6|k6 70|k7' "$(q 'select rowid, id from t' | xargs)"
}

@test "--fts: the index follows inserts, updates, key changes, deletes, truncate and VACUUM" {
    {
        schema code code:text title:text price:integer
        change c '{"code":"a"}' null '{"code":"a","title":"red lamp","price":1}'
        change c '{"code":"b"}' null '{"code":"b","title":"blue lamp","price":2}'
        change c '{"code":"c"}' null '{"code":"c","title":"green chair","price":3}'
        commit
    } >"$IN"
    sink
    search() { q "select group_concat(code) from (select t.code from t_fts join t on t.rowid = t_fts.rowid where t_fts match '$1' order by 1)"; }
    check() { q "insert into t_fts(t_fts, rank) values('integrity-check', 1)"; }
    : >"$IN"
    tx
    {
        schema code code:text title:text price:integer
        change u '{"code":"a"}' null '{"code":"a","price":9}' '["title"]'
        commit
    } >"$IN"
    sink --fts t:title # filled from the rows that are there
    is lamp a,b "$(search lamp)"
    check
    {
        schema code code:text title:text price:integer
        change u '{"code":"b"}' null '{"code":"b","title":"blue sofa","price":2}'
        change u '{"code":"z"}' '{"code":"a"}' '{"code":"z","price":1}' '["title"]'
        change d '{"code":"c"}' '{"code":"c"}' null
        commit
    } >"$IN"
    sink --fts t:title
    is lamp z "$(search lamp)"
    is sofa b "$(search sofa)"
    is chair "" "$(search chair)"
    check
    q 'delete from t where 0; vacuum'
    {
        schema code code:text title:text price:integer
        change u '{"code":"z"}' null '{"code":"z","title":"yellow lamp","price":1}'
        commit
    } >"$IN"
    sink --fts public.t:title
    is yellow z "$(search yellow)"
    check
    { schema code code:text title:text price:integer; line t '"x":1'; commit; } >"$IN"
    sink
    is lamp "" "$(search lamp)"
    check
    run -78 --separate-stderr t cdc-sink-sqlite --fts t:nothing "$DB" < <(schema code code:text title:text; change r '{"code":"q"}' null '{"code":"q","title":"q"}'; commit)
    [[ $stderr == *nothing* ]]
}

@test "--fts of a table without a key: VACUUM between two runs leaves its index right, also in a copy of before" {
    lamps() { schema "" word:text n:integer; }
    { lamps; for n in 1 2 3 4; do change c null null "{\"word\":\"w$n lamp\",\"n\":$n}"; done; commit; } >"$IN"
    sink --fts t:word
    tx
    { lamps; change d null '{"word":"w1 lamp","n":1}' null; change d null '{"word":"w3 lamp","n":3}' null; commit; } >"$IN"
    sink --fts t:word
    found() { q "select t.word from t_fts join t on t.rowid = t_fts.rowid where t_fts match '$1'"; }
    q vacuum
    is "after VACUUM" "w4 lamp" "$(found w4)"
    q "insert into t_fts(t_fts, rank) values('integrity-check', 1)"
    q "drop index cdc_rowids_t; vacuum" # as a copy has it that was made without that
    not test "$(found w4)" = "w4 lamp"
    tx
    { schema "" word:text n:integer more:integer; change u null '{"word":"w2 lamp","n":2,"more":null}' '{"word":"w2 sofa","n":2,"more":5}'; commit; } >"$IN"
    sink --fts t:word
    is "found again" "w4 lamp" "$(found w4)"
    is "rows" $'w2 sofa|2|5\nw4 lamp|4|' "$(q 'select * from t')"
    q "delete from t where n = 2; vacuum"
    is "after VACUUM" "w4 lamp" "$(found w4)"
    is "sofa" "" "$(found sofa)"
    q "insert into t_fts(t_fts, rank) values('integrity-check', 1)"
}

@test "a column of somebody's own whose name the source gives to one of its own: exit 78, its values never pass for the source's" {
    { users; change c '{"id":1}' null '{"id":1,"name":"one","big":"b"}'; change c '{"id":2}' null '{"id":2,"name":"two","big":"b"}'; commit; } >"$IN"
    sink
    q "alter table t add column Note text; update t set note = 'mine'"
    { users; change u '{"id":1}' null '{"id":1,"name":"uno","big":"b"}'; commit; schema id id:integer name:text big:text note:integer; change u '{"id":2}' null '{"id":2,"name":"dos","big":"b","note":null}'; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *'"note"'*"somebody"* ]]
    is "rows, with the transaction before" $'1|uno|b|mine\n2|two|b|mine' "$(q 'select * from t order by id')"
    q "alter table t rename column note to remark"
    sink
    is "rows" $'1|uno|b|mine|\n2|dos|b|mine|' "$(q 'select id, name, big, remark, note from t order by id')"
    # One that was the source's before is no stranger.
    { users; change u '{"id":1}' null '{"id":1,"name":"one","big":"b"}'; commit; schema id id:integer name:text big:text note:integer; change u '{"id":1}' null '{"id":1,"name":"one","big":"b","note":5}'; commit; } | sed 's/"0000/"0001/; s/"seq":/"seq":10/' >"$IN"
    sink
    is "note" 5 "$(q 'select note from t where id = 1')"
}

@test "one table under two names of a pipeline: exit 78, and the hint is not about names of tables" {
    { users; change r '{"id":1}' null '{"id":1,"name":"one","big":"b"}'; commit; SOURCE_NAME=m; users; change u '{"id":1}' null '{"id":1,"name":"uno","big":"b"}'; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *"give cdc-snapshot and the stream the same --name"* ]]
    not grep -q table-name <<<"$stderr"
}

@test "names: two tables in one, columns that differ in case, reserved and odd names" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; SCHEMA=other users; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *"two source tables"* && $stderr == *--table-name* ]]
    is "what was complete before it is stored" "1|a|b" "$(q 'select * from t')"
    rm -f "$DB"*
    sink --table-name '{schema}_{table}'
    is tables other_t,public_t "$(q "select group_concat(name) from (select name from sqlite_master where name like '%\_t' escape '\\' order by 1)")"
    schema id id:integer Name:text name:text >"$IN"
    run -78 --separate-stderr t cdc-sink-sqlite "$DIR/b.db" <"$IN"
    [[ $stderr == *'"Name"'* ]]
    TABLE=cdc_offsets schema id id:integer >"$IN"
    run -78 t cdc-sink-sqlite "$DIR/c.db" <"$IN"
    { TABLE='or\"der; drop' schema 'select' 'select:integer' 'a b:text'; TABLE='or\"der; drop' change c '{"select":1}' null '{"select":1,"a b":"x"}'; commit; } >"$IN"
    t cdc-sink-sqlite "$DIR/d.db" <"$IN"
    is row "1|x" "$(sqlite3 "$DIR/d.db" 'select * from "or""der; drop"')"
    sqlite3 "$DIR/e.db" 'create table t(mine)'
    users >"$IN"
    run -78 --separate-stderr t cdc-sink-sqlite "$DIR/e.db" <"$IN"
    [[ $stderr == *"none of ours"* ]]
}

@test "a trigger that rolls the whole transaction back: exit 78, and what was complete before it is not lost" {
    { users; commit; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; change c '{"id":2}' null '{"id":2,"name":"no","big":"b"}'; commit; } >"$DIR/all"
    head -2 "$DIR/all" >"$IN"
    sink
    q "create trigger never before insert on t when new.name = 'no' begin select raise(rollback, 'never'); end"
    cp "$DIR/all" "$IN"
    local how
    for how in stop skip; do
        run -78 --separate-stderr sink --on-error=$how
        [[ $stderr == *"rolled back the whole transaction"* ]]
    done
    q "drop trigger never; create trigger never before insert on t when new.name = 'no' begin select raise(abort, 'never'); end"
    sink --on-error=skip
    is "rows, the trigger refuses one" "1|a" "$(q 'select id, name from t')"
}

@test "somebody's trigger on a table that the sink keeps for itself: exit 78, and nothing of that delivery is stored" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$IN"
    sink
    q "create trigger never before insert on cdc_offsets begin select raise(abort, 'not that one'); end"
    { change c '{"id":2}' null '{"id":2,"name":"b","big":"b"}'; commit; } >>"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *"not that one"* ]]
    is rows "1|a" "$(q 'select id, name from t')"
    q "drop trigger never"
    sink
    is rows "1|a;2|b" "$(q 'select id, name from t' | paste -sd ';')"
}

@test "names: the same with other escapes, between two runs and in one, are the same" {
    SOURCE_NAME=quelle-ü SCHEMA=café TABLE=größe
    rows_of() { change c "{\"é\":$1}" null "{\"é\":$1,\"ß\":\"v$1\"}"; commit; }
    { schema é é:integer ß:text; rows_of 1; } >"$IN"
    sink
    { schema é é:integer ß:text; rows_of 2; change u '{"é":1}' '{"é":1}' '{"é":1}' '["ß"]'; commit; } >"$DIR/plain"
    ascii <"$DIR/plain" >"$IN"
    grep -q 'gr\\u00f6\\u00dfe' "$IN"
    rows_of 3 >>"$IN"
    rows_of 4 >"$DIR/plain"
    ascii <"$DIR/plain" >>"$IN"
    sink
    is rows $'1|v1\n2|v2\n3|v3\n4|v4' "$(q 'select * from "größe" order by 1')"
    is "owner and position" 1,1 "$(q 'select (select count(*) from cdc_tables), (select count(*) from cdc_offsets)' | tr '|' ,)"
    # A position is that of the source, however its name is spelled.
    rows_of 5 >>"$IN"
    sink
    is "once" 5 "$(q 'select count(*) from "größe"')"
}

@test "names: a table called as one of SQLite's table-valued functions" {
    { TABLE=json_each schema id id:integer; TABLE=json_each change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    sink
    is rows 1 "$(q 'select count(*) from main.json_each')"
}

@test "a schema line without its columns: exit 65, nothing is made" {
    { users | sed 's/"columns":\[[^]]*\],//'; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$IN"
    grep -q '"columns"' "$IN" && return 1
    run -65 --separate-stderr sink
    [[ $stderr == *'without "columns"'* ]]
}

@test "names: another --table-name makes no second table without the rows of the first: exit 78" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$DIR/one"
    { users; change c '{"id":2}' null '{"id":2,"name":"c","big":"d"}'; commit; } >"$DIR/two"
    cp "$DIR/one" "$IN"
    sink
    cp "$DIR/two" "$IN"
    run -78 --separate-stderr sink --table-name '{schema}_{table}'
    [[ $stderr == *'are in table "t"'*'"public_t" now'* ]] || fail "$stderr"
    is tables t "$(q "select group_concat(table_name) from cdc_tables")"
    is position "$(jq -r 'select(.op == "commit").pos' "$DIR/one")" "$(jq -r .offsets.n.pos "$DB.offset")"
    sink
    is rows $'1|a\n2|c' "$(q 'select id, name from t order by id')"
}

@test "names: a truncate of another table of that name empties nothing, in this run and in a later one" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; SCHEMA=staging line t '"x":1'; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *"two source tables"*public.t*staging.t* ]]
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$IN"
    sink
    { SCHEMA=staging line t '"x":1'; commit; } >"$IN"
    run -78 sink
    { TABLE=T line t '"x":1'; commit; } >"$IN"
    run -78 sink
    is rows 1 "$(q 'select count(*) from t')"
    # Nothing of it is here, then it is the first of its name.
    { TABLE=other SCHEMA=a line t '"x":1'; TABLE=other SCHEMA=b schema id id:integer; TABLE=other SCHEMA=b change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    sink
    { TABLE=other SCHEMA=a line t '"x":1'; commit; } >"$IN"
    run -78 sink
    { TABLE=other SCHEMA=b line t '"x":1'; commit; } >"$IN"
    sink
    is rows 0 "$(q 'select count(*) from other')"
}

@test "the database decides the position: a file behind it catches up, a file ahead of it stops" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$IN"
    sink
    cp "$DB.offset" "$DIR/old.offset"
    cp "$DB" "$DIR/old.db"
    { users; change c '{"id":2}' null '{"id":2,"name":"a","big":"b"}'; commit; } >"$IN"
    sink
    local pos
    pos=$(q 'select pos from cdc_offsets')
    cp "$DIR/old.offset" "$DB.offset"
    q "update t set name = 'touched'"
    sink
    is "delivered again" touched,touched "$(q 'select group_concat(name) from t')"
    is "offset file" "$pos" "$(jq -r .offsets.n.pos "$DB.offset")"
    rm -f "$DB-wal" "$DB-shm"
    cp "$DIR/old.db" "$DB"
    run -78 --separate-stderr sink
    [[ $stderr == *"ahead of database"* ]]
    rm "$DB"
    run -78 sink
}

# Root may write everywhere: without its capabilities it obeys modes as others do.
obeying() { if [ "$(id -u)" = 0 ]; then exec setpriv --bounding-set=-all "$@"; else exec "$@"; fi; }
@test "a folder that may not be written, or not any more: exit 77; the next run goes on" {
    local status=0 pid
    mkdir "$DIR/state"
    mkfifo "$DIR/pipe"
    (obeying cdc-sink-sqlite --state-dir "$DIR/state" "$DB" <"$DIR/pipe" 2>"$DIR/err") 3>&- &
    pid=$!
    exec 9>"$DIR/pipe"
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >&9
    wait_until grep -q '"lines":1' "$DIR/state/cdc-sink-sqlite.offset"
    chmod 555 "$DIR/state"
    tx
    { change c '{"id":2}' null '{"id":2,"name":"a","big":"b"}'; commit; } >&9
    exec 9>&-
    wait "$pid" || status=$?
    is "exit status" 77 "$status" || fail "$(cat "$DIR/err")"
    is "the file's lines" 1 "$(jq .offsets.n.lines "$DIR/state/cdc-sink-sqlite.offset")"
    chmod 755 "$DIR/state"
    t cdc-sink-sqlite --state-dir "$DIR/state" "$DB" </dev/null
    is "the file's lines, from the database" 2 "$(jq .offsets.n.lines "$DIR/state/cdc-sink-sqlite.offset")"
    mkdir -m 555 "$DIR/fixed"
    for options in "--state-dir '$DIR/fixed/new'" "--state-dir '$DIR/fixed'" "--on-error dead-letter --dead-letter '$DIR/fixed/dead'"; do
        status=0
        (eval "obeying cdc-sink-sqlite $options '$DIR/b.db'" </dev/null 2>"$DIR/err") || status=$?
        is "exit status with $options" 77 "$status" || fail "$(cat "$DIR/err")"
    done
}

@test "a bad file, a missing folder, a locked database, a full disk" {
    users >"$IN"
    head -c 8192 /dev/urandom >"$DIR/noise.db"
    run -78 t cdc-sink-sqlite "$DIR/noise.db" <"$IN"
    run -78 t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/none/a.db" <"$IN"
    run -64 t cdc-sink-sqlite :memory: <"$IN"
    sink
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$IN"
    spawn python3 -c 'import signal,sqlite3,sys
c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute("begin immediate"); open(sys.argv[2], "w").close(); signal.pause()' "$DB" "$DIR/locked"
    wait_until test -e "$DIR/locked"
    run -69 --separate-stderr sink --retry-max 0
    [[ $stderr == *lock* ]]
    end_spawned || true
    sink
    is rows 1 "$(q 'select count(*) from t')"
    { users; for i in {2..2000}; do printf -v big %01000d "$i"; change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"a\",\"big\":\"$big\"}"; done; commit; } >"$IN"
    run -74 --separate-stderr bash -c 'ulimit -f 1000; exec timeout 30 cdc-sink-sqlite "$1" <"$2"' - "$DB" "$IN"
    [[ $stderr == *disk* ]]
    is "rows after the failure" 1 "$(q 'select count(*) from t')"
    sink
    is "rows with room again" 2000 "$(q 'select count(*) from t')"
}

@test "the database is removed, its WAL is not: exit 78 with the files, and both are as they were" {
    { users; change c '{"id":1}' null '{"id":1,"name":"one","big":"b"}'; commit; } >"$IN"
    sink
    spawn python3 -c 'import signal,sqlite3,sys
c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute("insert into t values (2, 1, 1)"); open(sys.argv[2], "w").close(); signal.pause()' "$DB" "$DIR/written"
    wait_until test -e "$DIR/written"
    kill -KILL -- "-$SPAWNED"
    [ -s "$DB-wal" ] || fail "there is no WAL"
    rm "$DB"
    local before
    before=$(md5sum <"$DB-wal")
    run -78 sink
    [[ $output == *"the database is not there, and its $DB-wal is"*"remove $DB-wal and $DB-shm, too"* ]] || fail "$output"
    not test -e "$DB"
    is "WAL" "$before" "$(md5sum <"$DB-wal")"
    rm "$DB-wal" "$DB-shm" "$DB.offset"
    sink
    is rows "1|one|b" "$(q 'select * from t')"
}

@test "what stops at a setting stores the transactions before it, whatever the batch, and nothing of its own" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; users; change c '{"id":2}' null '{"id":2,"name":"c","big":"d"}'; TABLE=cdc_meta schema id id:integer; commit; } >"$IN"
    run -78 sink
    is rows 1 "$(q 'select id from t')"
    is "offset of database and file" "$(q 'select pos from cdc_offsets')" "$(jq -r .offsets.n.pos "$DB.offset")"
    sed -i 's/cdc_meta/other/' "$IN"
    sink
    is rows "1 2" "$(q 'select id from t' | xargs)"
}

@test "a schema line that SQLite cannot take stores the transactions before it, as the one before it says" {
    local bad
    for bad in "id id:integer v:text V:text" "'' rowid:integer oid:integer _rowid_:integer"; do
        rm -f "$DB"*
        { schema id id:integer v:text; commit; TABLE=u schema id id:integer; TABLE=u change c '{"id":1}' null '{"id":1}'; commit; eval "schema $bad"; } >"$IN"
        run -78 sink
        is rows 1 "$(q 'select id from u')"
        is "columns of the other table" "id v" "$(q "select name from pragma_table_info('t')" | xargs)"
        is position "$(jq -r 'select(.op == "commit").pos' "$IN" | tail -1)" "$(jq -r .offsets.n.pos "$DB.offset")"
    done
}

@test "a table that cannot be made: the transactions before its schema line are stored, with and without rows of it" {
    local before many
    t cdc-sink-sqlite "$DB" </dev/null
    q 'create table mine(a); create index taken on mine(a); create table u_fts(a)'
    cp "$DB" "$DIR/empty.db"
    many=$(printf 'c%d:text ' {1..2000})
    cannot() { # WHY TABLE COLUMNS [OPTIONS]
        local with_row
        for with_row in true false; do
            cp "$DIR/empty.db" "$DB"
            rm -f "$DB"-* "$DB.offset"
            {
                users
                change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'
                commit
            } >"$IN"
            before=$(jq -r 'select(.op == "commit").pos' "$IN")
            {
                eval "TABLE=$2 schema id id:integer $3"
                ! $with_row || TABLE=$2 change c '{"id":1}' null '{"id":1}'
                commit
            } >>"$IN"
            run -78 --separate-stderr sink "${@:4}"
            [[ $stderr == *"$1"* ]] || fail "$stderr"
            is "rows before it" 1 "$(q 'select id from t')"
            is position "$before" "$(jq -r .offsets.n.pos "$DB.offset")"
        done
    }
    cannot 'holds an index "TAKEN"' TAKEN ''
    cannot '2001 columns, and SQLite takes 2000' u "$many"
    cannot 'has no column "nope"' u '' --fts u:nope
    cannot 'FTS5 keeps the name of column "RANK"' u RANK:text --fts u:RANK
    cannot 'FTS5 keeps the name of column "v_FTS"' v v_FTS:text --fts v:v_FTS
    cannot 'table "u_fts" that is none of ours' u name:text --fts u:name
    run -64 sink --fts u:name,Name
}

@test "a schema line that cannot be used obeys --on-error" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; users | sed 's/"name":"id"/"nome":"id"/'; commit; } >"$IN"
    run -65 sink
    is rows 1 "$(q 'select id from t')"
    sink --on-error=dead-letter --dead-letter "$DIR/dead"
    is "the line" schema "$(jq -r '.line|fromjson|.op' "$DIR/dead")"
}

@test "a heartbeat of another writer inside a transaction is no end of it" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; } >"$IN"
    printf '{"op":"heartbeat","pos":"%08d.%08d","seq":%d,"source":{"name":"n"}}\n' "$SEQ" 90 $((SEQ - 1)) >>"$IN"
    run -75 sink
    is offsets 0 "$(q 'select count(*) from cdc_offsets')"
    sed -i "s/\"seq\":$((SEQ - 1)),/\"seq\":$SEQ,/" "$IN"
    sink
    is rows 1 "$(q 'select id from t')"
}

@test "two sources in turns, the end inside a transaction of the second: the lines that each has counted" {
    local n
    { users; SOURCE_NAME=m TABLE=u schema id id:integer
    change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; SOURCE_NAME=m TABLE=u change c '{"id":1}' null '{"id":1}'; commit; SEQ=100 SOURCE_NAME=m commit
    SOURCE_NAME=m TABLE=u change c '{"id":2}' null '{"id":2}'; change c '{"id":2}' null '{"id":2,"name":"a","big":"b"}'; commit; } >"$IN"
    run -75 sink
    for n in n m; do is "lines of $n" "$(q "select lines from cdc_offsets where name = '$n'")" "$(jq -r ".offsets.$n.lines" "$DB.offset")"; done
    { cat "$IN"; SEQ=120 SOURCE_NAME=m commit; } >"$DIR/whole"
    cp "$DIR/whole" "$IN"
    sink
    is rows "1 2" "$(q 'select id from u order by id' | xargs)"
    is lines "2 2" "$(q 'select lines from cdc_offsets' | xargs)"
}

@test "the dead-letter file: escaped lines, kept from run to run, a torn end goes, a line too long for it stops" {
    printf 'bad "\\ line\n' >"$IN"
    dead() { t cdc-sink-sqlite --on-error dead-letter --dead-letter "$DIR/dead" "$@" "$DB" <"$IN"; }
    dead
    printf '{"reason":"torn by a full disk' >>"$DIR/dead"
    dead
    is lines $'bad "\\ line\nbad "\\ line' "$(jq -r .line "$DIR/dead")"
    printf 'a note of somebody' >>"$DIR/dead"
    dead
    is "the last two" $'a note of somebody\nbad "\\ line' "$(tail -2 "$DIR/dead" | sed '2s/.*/&/' | jq -R -r 'fromjson? // . | .line? // .')"
    { users; printf '{"op":"c","x":"%02000d"}\n' 1; commit; } >"$IN"
    rm -f "$DB"*
    run -65 --separate-stderr dead --max-line 1K
    [[ $stderr == *'line 2: at byte offset '*'longer than --max-line'* ]]
    run t cdc-sink-sqlite --on-error skip --max-line 1K "$DB" <"$IN"
    is status 0 "$status"
}

@test "a dead-letter file is never the database, an offset file or anybody's: exit 78, and the file as it was" {
    local file
    users >"$IN"
    sink
    printf 'bad\n' >"$IN"
    echo mine >"$DIR/mine"
    for file in "$DB" "$DB.offset" "$DIR/mine"; do
        cp "$file" "$DIR/before"
        run -78 --separate-stderr t cdc-sink-sqlite --on-error dead-letter --dead-letter "$file" "$DB" <"$IN"
        [[ $stderr == *"no dead-letter file"* ]]
        # An offset file is written at each start, with the time.
        cmp <(sed 's/"time":"[^"]*"//' "$file") <(sed 's/"time":"[^"]*"//' "$DIR/before")
    done
}

@test "usage errors and links leave nothing behind" {
    run -64 t cdc-sink-sqlite --on-error dead-letter "$DB" </dev/null
    not test -e "$DB"
    not test -e "$DB.offset"
    ln -s elsewhere "$DIR/link"
    run -78 --separate-stderr t cdc-sink-sqlite --offset-file "$DIR/link" "$DB" </dev/null
    [[ $stderr == *"symbolic link"* ]]
    test -L "$DIR/link"
}

@test "a transaction of 300000 rows stays in small memory" {
    awk 'BEGIN {
        s = "\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"schema\":\"public\",\"table\":\"t\"}"
        print "{\"op\":\"schema\",\"pos\":\"1\",\"seq\":1," s ",\"columns\":[{\"name\":\"id\",\"type\":\"integer\"},{\"name\":\"v\",\"type\":\"text\"}],\"key_columns\":[\"id\"]}"
        for (i = 1; i <= 300000; i++) printf "{\"op\":\"c\",\"pos\":\"2.%09d\",\"seq\":2,%s,\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d,\"v\":\"value of row %d, and something more to make it longer\"}}\n", i, s, i, i, i
        print "{\"op\":\"commit\",\"pos\":\"3\",\"seq\":2,\"source\":{\"name\":\"n\"},\"events\":300000}" }' >"$IN"
    python3 -c 'import resource,subprocess,sys
subprocess.run(sys.argv[2:], stdin=open(sys.argv[1]), check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$IN" cdc-sink-sqlite "$DB" >"$DIR/rss"
    is rows 300000 "$(q 'select count(*) from t')"
    # A build with a sanitizer keeps what it frees.
    ldd "$BIN/cdc-sink-sqlite" | grep -q san || [ "$(cat "$DIR/rss")" -lt 65536 ] || fail "peak memory $(cat "$DIR/rss") KiB"
}

teardown() { end_spawned; }

@test "a schema line alone holds no lock: others write while the input pauses; the table comes with the next delivery" {
    mkfifo "$DIR/fifo"
    cdc-sink-sqlite "$DB" <"$DIR/fifo" 2>"$DIR/err" 3>&- &
    local pid=$!
    exec 7>"$DIR/fifo"
    wait_until test -e "$DB.offset" # signals are taken by now
    users >&7
    asked() { kill -USR1 "$pid" && grep -q 'lines in 1,' "$DIR/err"; }
    wait_until asked
    q 'pragma busy_timeout=0; create table other(x)'
    is "not there yet" 0 "$(q "select count(*) from sqlite_master where name = 't'")"
    commit >&7
    exec 7>&-
    wait "$pid"
    is "there" 1 "$(q "select count(*) from sqlite_master where name = 't'")"
}

@test "a new key with a column that the rows do not have: exit 78, the rows stay as they are" {
    {
        schema code code:text a:text
        change c '{"code":"zz"}' null '{"code":"zz","a":"row zz"}'
        commit
    } >"$IN"
    sink
    {
        schema id code:text a:text id:integer
        change c '{"id":1}' null '{"code":"b","a":"row b","id":1}'
        commit
    } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *'"t" has a new key'* ]]
    is rows "zz|row zz" "$(q 'select * from t')"
    q 'delete from t'
    sink
    is "an empty table takes the key" "b|row b|1" "$(q 'select * from t')"
}

@test "a new key that several of the rows have: exit 78, no row is lost" {
    local type
    for type in text integer; do # by themselves, and by the type that comes with the key
        rm -f "$DB"*
        {
            schema id id:integer code:text
            change c '{"id":1}' null '{"id":1,"code":"5"}'
            change c '{"id":2}' null "{\"id\":2,\"code\":\"$([ $type = text ] || echo 0)5\"}"
            commit
            schema code id:integer code:$type
            change c '{"code":"9"}' null '{"code":"9","id":3}'
            commit
        } >"$IN"
        run -78 --separate-stderr sink
        [[ $stderr == *'"t" has a new key'*'one and the same'*'new snapshot'* ]] || fail "$stderr"
        is rows "1 2" "$(q 'select id from t' | xargs)"
        is key id "$(q "select name from pragma_table_info('t') where pk")"
    done
}

@test "--fts: an index, or a trigger of it, that somebody has removed is made anew and filled" {
    local n=0 gone
    for gone in none 'drop trigger t_fts_insert' 'drop trigger t_fts_update' 'drop trigger t_fts_delete' 'drop table t_fts'; do
        n=$((n + 1))
        [ $n = 1 ] || q "$gone"
        q "update t set v = 'touched' where id = 'k1'" 2>/dev/null || true # the index misses it, or there is none
        {
            schema id id:text v:text
            change c "{\"id\":\"k$n\"}" null "{\"id\":\"k$n\",\"v\":\"word$n\"}"
            commit
        } >"$IN"
        sink --fts t:v
        is "found after $gone" "k$n" "$(q "select id from t where rowid in (select rowid from t_fts where t_fts match 'word$n')")"
        q "insert into t_fts(t_fts, rank) values('integrity-check', 1)"
    done
}

@test "--fts: a name that is no table's is told at the end of each run with a table, others are not" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$IN"
    fts() { run -0 --separate-stderr sink --fts T:name --fts public.t:name --fts d.t:name; }
    fts
    is told "T:name d.t:name" "$(grep -o 'fts=[^ ]* names no table' <<<"$stderr" | sed 's/fts=\([^ ]*\).*/\1/' | xargs)"
    { TABLE=u schema id id:integer; TABLE=u change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    fts
    is "told, of a table of before" "T:name d.t:name" "$(grep -o 'fts=[^ ]* names no table' <<<"$stderr" | sed 's/fts=\([^ ]*\).*/\1/' | xargs)"
    : >"$IN"
    fts
    [[ $stderr != *'names no table'* ]]
}

@test "--fts of a column that came later: the schema line of before, delivered again without a row, stops nothing" {
    {
        schema id id:integer
        change c '{"id":1}' null '{"id":1}'
        commit
    } >"$IN"
    cp "$IN" "$DIR/before"
    sink
    {
        cat "$DIR/before"
        schema id id:integer v:text
        change c '{"id":2}' null '{"id":2,"v":"lamp"}'
        commit
    } >"$IN"
    sink --fts t:v
    is found 2 "$(q "select rowid from t_fts where t_fts match 'lamp'")"
}

@test "--fts names a table as the source does: database and table where there are no schemas" {
    { schema id id:integer a:text; change c '{"id":1}' null '{"id":1,"a":"red lamp"}'; commit; } | sed 's/"schema":"public",//' >"$IN"
    sink --fts d.t:a
    is found 1 "$(q "select rowid from t_fts where t_fts match 'lamp'")"
}

@test "lines of another server or connector under a known name: exit 78, nothing stored or dropped; a server that took the place" {
    # from SED-SCRIPT: one more transaction, its lines changed
    more() {
        { schema id id:integer; change c "{\"id\":$1}" null "{\"id\":$1}"; commit; } >"$DIR/plain"
        sed -E "$2" "$DIR/plain" >"$IN"
    }
    pg() { echo "/\"op\":\"commit\"/s/\"ts_ms\":1,\"txId\"/\"system_id\":\"$1\",\"timeline\":1,\"ts_ms\":1,\"txId\"/"; }
    my() { echo "s/\"postgresql\"/\"mysql\"/; /\"op\":\"commit\"/s/\"ts_ms\":1,\"txId\"/\"gtids\":\"$2\",\"server_uuid\":\"$1\",\"txId\"/"; }
    ids() { q 'select id from t order by id' | paste -sd' '; }

    more 1 "$(pg 71)"
    sink
    more 2 "$(pg 71)"
    sink
    is "the same server" "1 2" "$(ids)"
    more 3 "$(pg 72)"
    run -78 --separate-stderr sink
    [[ $stderr == *'source "n"'*'another server'*'system_id 72, not 71'* ]]
    SEQ=100 # as far back as what is stored
    more 4 "$(pg 72)"
    run -78 sink
    SEQ=300
    more 5 's/"postgresql"/"mysql"/'
    run -78 --separate-stderr sink
    [[ $stderr == *'connector mysql, not postgresql'* ]]
    is "nothing of others" "1 2" "$(ids)"
    more 5 "$(pg 71)"
    cp "$IN" "$DIR/first"
    more 6 "$(pg 72)"
    cat "$DIR/first" "$IN" >"$DIR/both"
    cp "$DIR/both" "$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *'system_id 72, not 71'* ]]
    is "another one within the run" "1 2 5" "$(ids)"
    more 6 ''
    sink
    more 7 "$(pg 71)"
    sink
    is "lines that do not say" "1 2 5 6 7" "$(ids)"

    rm -f "$DB"*
    SEQ=100
    more 1 "$(my aa 'aa:1-7')"
    sink
    more 2 "$(my bb 'aa:1-7,bb:1')"
    sink
    SEQ=100
    more 2 "$(my bb 'aa:1-7,bb:1')"
    sink
    is "a replica that was promoted" "1 2" "$(ids)"
    more 3 "$(my cc 'cc:1-9')"
    run -78 --separate-stderr sink
    [[ $stderr == *'server_uuid cc, not bb'* ]]
    is "and not a foreign one" "1 2" "$(ids)"

    # MariaDB: name, GTIDs, file, when that was begun.
    maria() { echo "s/\"postgresql\"/\"mariadb\"/; /\"op\":\"commit\"/s/\"ts_ms\":1,\"txId\"/\"file\":\"$3\",\"gtids\":\"$2\",\"server_uuid\":\"$1\",\"file_created\":$4,\"txId\"/"; }
    another() {
        run -78 --separate-stderr sink
        [[ $stderr == *"another server"*"server_uuid $1, not $2"* ]]
    }
    rm -f "$DB"*
    SEQ=100
    more 1 "$(maria '1\/a:3306' 0-1-55 b.000007 1000)"
    sink
    more 2 "$(maria '1\/a:3306' 0-1-56 b.000007 1000)"
    sink
    more 3 "$(maria '2\/c:3306' 7-2-1,0-2-57 x.000001 500)"
    sink
    is "a replica in its place" "1 2 3" "$(ids)"
    more 4 "$(maria '1\/d:3306' 0-1-12 b.000009 1100)"
    another 1/d:3306 2/c:3306
    # All of it is higher: only a source that has looked into the log keeps the name.
    more 4 "$(maria '2\/d:3306' 7-2-5,0-2-90 x.000002 501)"
    another 2/d:3306 2/c:3306
    is "nothing of foreign ones" "1 2 3" "$(ids)"
    more 4 "$(maria '2\/c:3306' 7-2-5,0-2-90 x.000002 501)"
    sink
    is "the same log" "1 2 3 4" "$(ids)"
}

@test "re-deliveries that were dropped are told at the end, with a warning when there was nothing else" {
    { schema id id:integer; change c '{"id":1}' null '{"id":1}'; change c '{"id":2}' null '{"id":2}'; commit; } >"$IN"
    sink
    run -0 --separate-stderr sink -q
    [[ $stderr == *'warning: all 2 change lines were dropped as re-deliveries'* ]]
    { change c '{"id":3}' null '{"id":3}'; commit; } >>"$IN"
    run -0 --separate-stderr sink
    [[ $stderr == *'info: 2 change lines were dropped as re-deliveries'* ]]
    run -0 --separate-stderr sink -q
    is rows "1 2 3" "$(q 'select id from t order by id' | paste -sd' ')"
}

@test "two sources whose lines come in turns: each transaction is stored; one that is not whole keeps nobody else from it" {
    one() { SOURCE_NAME=$1 TABLE=t$1; }
    {
        one a; schema id id:integer
        one b; schema id id:integer
        for i in $(seq 1 50); do
            one a; change c "{\"id\":$i}" null "{\"id\":$i}"
            one b; change c "{\"id\":$i}" null "{\"id\":$i}"
            POS=97; one a; line commit '"events":1'
            POS=98; one b; change c "{\"id\":-$i}" null "{\"id\":-$i}"
            POS=99; line commit '"events":2'
            tx
        done
        one a; change c '{"id":99}' null '{"id":99}'
        one b; change c '{"id":99}' null '{"id":99}'; line commit '"events":1'
    } >"$IN"
    run -75 sink --batch-events 10
    is "a, whose last transaction is not whole" 50 "$(q 'select count(*) from ta')"
    is "b, all of it" 101 "$(q 'select count(*) from tb')"
    is "positions" $'a|00000590.00000098\nb|00000600.00000003' "$(q 'select name, pos from cdc_offsets order by name')"
    one a; line commit '"events":1' >>"$IN"
    sink
    is "a, the rest" "51|99" "$(q 'select count(*), max(id) from ta')"
    is "b, nothing twice" 101 "$(q 'select count(*) from tb')"
}

@test "two sources in turns, stopped: what waited for the other's transaction comes with the next run" {
    one() { SOURCE_NAME=$1 TABLE=t$1; }
    {
        one a; schema id id:integer
        one b; schema id id:integer; change c '{"id":1}' null '{"id":1}'
        one a; change c '{"id":1}' null '{"id":1}'; POS=97; line commit '"events":1'
        one b; change c '{"id":2}' null '{"id":2}'; line commit '"events":2'
        one a; tx; change c '{"id":2}' null '{"id":2}'; line commit '"events":1'
    } >"$IN"
    sink --max-events 1
    is "b, to the end of its transaction" "1 2" "$(q 'select id from tb order by id' | paste -sd' ')"
    is "positions" b "$(q 'select name from cdc_offsets')"
    sink
    is "a" "1 2" "$(q 'select id from ta order by id' | paste -sd' ')"
    is "b" "1 2" "$(q 'select id from tb order by id' | paste -sd' ')"
}

@test "a table of the copy that somebody has removed is not made anew without its rows: exit 78" {
    { schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    sink
    q 'drop table t'
    { schema id id:integer; change c '{"id":2}' null '{"id":2}'; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *'table "t" is gone'* ]]
    is "position" 100 "$(q 'select seq from cdc_offsets')"
    is "tables" 0 "$(q "select count(*) from sqlite_master where name = 't'")"
}

@test "an update of a row that is not there: unchanged columns come from its old row, or are told" {
    {
        schema id id:integer name:text big:text
        change u '{"id":1}' '{"id":1,"name":"a","big":"old"}' '{"id":1,"name":"b"}' '["big"]'
        commit
    } >"$IN"
    run -0 --separate-stderr sink
    is "of the old row" "1|b|old" "$(q 'select * from t')"
    [[ $stderr != *warning* ]]
    {
        schema id id:integer name:text big:text
        change u '{"id":1}' null '{"id":1,"name":"c"}' '["big"]'
        commit
    } >"$IN"
    run -0 --separate-stderr sink
    is "it is there" "1|c|old" "$(q 'select * from t')"
    [[ $stderr != *warning* ]]
    {
        schema id id:integer name:text big:text
        for i in 2 3; do change u "{\"id\":$i}" null "{\"id\":$i,\"name\":\"b\"}" '["big"]'; done
        commit
    } >"$IN"
    run -0 --separate-stderr sink
    is "nowhere" 2 "$(q 'select count(*) from t where id > 1 and big is null')"
    is "told once" 1 "$(grep -c 'table "t": a row to update was not there' <<<"$stderr")"
    # The row is there, and what the line has of before is newer: a line between was not taken in.
    {
        schema id id:integer name:text big:text
        change u '{"id":1}' '{"id":1,"name":"c","big":"new"}' '{"id":1,"name":"d"}' '["big"]'
        commit
    } >"$IN"
    sink
    is "of before, in place" "1|d|new" "$(q 'select * from t where id = 1')"
    {
        schema id id:integer name:text big:text
        change u '{"id":8}' '{"id":7}' '{"id":8,"name":"e"}' '["big"]'
        commit
    } >"$IN"
    run -0 --separate-stderr sink
    is "moved from where none was" "8|e|" "$(q 'select * from t where id = 8')"
    is "told of that one" 1 "$(grep -c 'table "t": a row to update was not there' <<<"$stderr")"
    {
        schema id id:bigint name:text big:text
        for i in -9223372036854775808 9223372036854775807; do change u "{\"id\":$i}" "{\"id\":$i,\"name\":\"a\",\"big\":\"old\"}" "{\"id\":$i,\"name\":\"b\"}" '["big"]'; done
        commit
    } >"$IN"
    sink
    is "the least and the greatest key" $'-9223372036854775808|b|old\n9223372036854775807|b|old' "$(q 'select * from t where abs(id / 2) > 9 order by id')"
}

@test "two pipelines with one database: each moves its own position, in the database and in its file" {
    part() { SOURCE_NAME=$1 TABLE=t$1 SEQ=$2; schema id id:integer; change c "{\"id\":$2}" null "{\"id\":$2}"; commit; }
    of() { t cdc-sink-sqlite -q --offset-file "$DIR/$1.offset" "$DB"; }
    part a 200 | of a
    part b 200 | of b
    mkfifo "$DIR/fifo"
    of a <"$DIR/fifo" 3>&- &
    exec 7>"$DIR/fifo"
    SOURCE_NAME=a TABLE=ta SEQ=290
    { schema id id:integer; commit; } >&7 # it has looked at the database by now, and has seen b at 200
    wait_until grep -q 00000290 "$DIR/a.offset"
    part b 300 | of b
    part a 310 >&7
    exec 7>&-
    wait $!
    is "positions" "a 310 b 300" "$(q 'select name, cast(pos as integer) from cdc_offsets order by name' | tr '|\n' '  ' | sed 's/ $//')"
    is "files" '["a"]["b"]' "$(jq -c '.offsets|keys' "$DIR/a.offset" "$DIR/b.offset" | tr -d '\n')"
    part b 320 | of b
    is rows "200 300 320" "$(q 'select id from tb order by id' | paste -sd' ')"
}

@test "an offset file that was removed is made anew from the database, with its own pipeline's position, before the first line" {
    part() { SOURCE_NAME=$1 TABLE=t$1 SEQ=$2; schema id id:integer; change c "{\"id\":$2}" null "{\"id\":$2}"; commit; }
    of() { t cdc-sink-sqlite -q --offset-file "$1" "$DB"; }
    cd "$DIR"
    part a 200 | of a.offset
    part b 210 | of "$DIR/b.offset"
    rm a.offset
    of "$DIR/a.offset" </dev/null
    is "one of two" '{"a":200}' "$(jq -c '.offsets | map_values(.seq)' a.offset)"
    rm b.offset
    mkdir elsewhere
    of elsewhere/c.offset </dev/null
    is "not those that other files have, or may have" '{}' "$(jq -c .offsets elsewhere/c.offset)"
    # The whole copy in another place, without its offset file.
    mkdir moved
    part b 220 >"$IN"
    t cdc-sink-sqlite -q "$DIR/one.db" <"$IN"
    mv one.db moved/
    rm one.db.offset
    t cdc-sink-sqlite -q moved/one.db </dev/null
    is "the only one" '{"b":220}' "$(jq -c '.offsets | map_values(.seq)' moved/one.db.offset)"
    t cdc-sink-sqlite -q moved/one.db <"$IN"
    is "nothing twice" 1 "$(sqlite3 moved/one.db 'select count(*) from tb')"
}

@test "values by what they are and what a domain is made of, not by the name of the type" {
    {
        schema id id:integer b:'bit(1)' b8:'bit(8)' y:yesno n:qty w:photo p:'bit(1)' c:'varbinary(9) /*M!100301 COMPRESSED*/' f:ratio |
            sed 's/"type":"yesno"/&,"base_type":"boolean"/; s/"type":"qty"/&,"base_type":"bigint"/; s/"type":"photo"/&,"base_type":"bytea"/; s/"type":"ratio"/&,"base_type":"double precision"/'
        change c '{"id":1}' null '{"id":1,"b":true,"b8":"00000101","y":true,"n":9007199254740993,"w":"AP8=","p":"1","c":"AP8=","f":1.5}'
        change c '{"id":2}' null '{"id":2,"b":false,"b8":"00000000","y":false,"n":-1,"w":"","p":"0","c":null,"f":"NaN"}'
        commit
    } >"$IN"
    sink
    is "row 1" "1 integer|00000101 text|1 integer|9007199254740993 integer|00FF blob|1 text|00FF blob|1.5 real" \
        "$(q "select b||' '||typeof(b), b8||' '||typeof(b8), y||' '||typeof(y), n||' '||typeof(n), hex(w)||' '||typeof(w), p||' '||typeof(p), hex(c)||' '||typeof(c), f||' '||typeof(f) from t where id = 1")"
    is "where b and y" 1 "$(q 'select id from t where b and y')"
    is "row 2" "0|00000000|0|-1||blob|NaN" "$(q 'select b, b8, y, n, hex(w), typeof(w), f from t where id = 2')"
}

@test "values that SQLite would take for others: 007 into integers and doubles, an object that is not only base64" {
    local line
    for line in '"n":"007"' '"n":" 7"' '"n":"1e3"' '"f":"007"' '"f":"1e400"' '"f":true' '"n":1.5' '"w":"AP8"' '"w":5'; do
        rm -f "$DB"*
        {
            schema id id:integer n:integer f:'double precision' w:bytea
            change c '{"id":1}' null "{\"id\":1,$line}"
            commit
        } >"$IN"
        run -65 sink
    done
    {
        schema id id:integer a:text k:'bigint unsigned'
        change c '{"id":1}' null '{"id":1,"a":{"base64":"/w==","x":1},"k":"007"}'
        change c '{"id":2}' null '{"id":2,"a":{"base64":1},"k":"18446744073709551615"}'
        change c '{"id":3}' null '{"id":3,"a":{"base64":"/w=="},"k":"7"}'
        commit
    } >"$IN"
    sink
    is rows $'1|text|{"base64":"/w==","x":1}|007\n2|text|{"base64":1}|18446744073709551615\n3|blob|\xff|7' "$(q 'select id, typeof(a), a, k from t')"
}

@test "a database of a newer version: exit 78, nothing is written" {
    { users; change c '{"id":1}' null '{"id":1,"name":"a","big":"b"}'; commit; } >"$IN"
    sink
    q "update cdc_meta set value = 2 where key = 'format'"
    { users; change c '{"id":2}' null '{"id":2,"name":"a","big":"b"}'; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *"newer version"* ]]
    is rows 1 "$(q 'select count(*) from t')"
}

@test "a table without a key: old rows that carry different columns take each its own" {
    {
        schema '' a:integer b:integer g:integer | sed 's/\("name":"g"[^}]*\)false}/\1true}/'
        for row in '1 1 2' '1 2 3' '2 1 3'; do
            # shellcheck disable=SC2086
            set -- $row
            change c null null "{\"a\":$1,\"b\":$2,\"g\":$3}"
        done
        commit
        change d null '{"a":1,"b":2,"g":3}' null
        change d null '{"a":2,"b":1}' null
        change u null '{"b":1,"a":1,"g":2}' '{"a":5,"b":1,"g":6}'
        change u null '{"a":5,"b":1}' '{"a":7,"b":1,"g":8}'
        commit
    } >"$IN"
    sink
    is rows "7|1|8" "$(q 'select * from t')"
}

# One row of a table without a key, in a transaction of its own.
keyless_row() { change c null null "{\"a\":\"$1\"}"; commit; }
# stored_at_least N: so many rows are in the database.
stored_at_least() { [ "$(q 'select count(*) from t' 2>/dev/null || echo 0)" -ge "$1" ]; }

@test "two sinks of one source with one database, each with its own offset file: no row comes twice, the later one exits 75" {
    mkfifo "$DIR/one" "$DIR/two"
    { schema '' a:text; keyless_row first; } >"$DIR/a"
    keyless_row second >"$DIR/b"
    cat "$DIR/a" "$DIR/b" >"$DIR/both"
    spawn_line "cdc-sink-sqlite --offset-file '$DIR/o1' '$DB' <'$DIR/one'"
    local one=$SPAWNED
    exec 8>"$DIR/one"
    spawn_line "cdc-sink-sqlite --offset-file '$DIR/o2' '$DB' <'$DIR/two' 2>'$DIR/err'"
    local two=$SPAWNED status=
    exec 9>"$DIR/two"
    head -1 "$DIR/a" >&9
    has_asked() { kill -USR1 "$(member "$two" cdc-sink-sqlite)" && grep -q 'lines in 1,' "$DIR/err"; }
    wait_until test -s "$DIR/o2" # it takes signals
    wait_until has_asked         # it has asked the database, which has nothing yet
    cat "$DIR/a" >&8
    wait_until stored_at_least 1
    cat "$DIR/both" >&9
    exec 9>&-
    status_of "$two" || status=$?
    is "exit status" 75 "${status:-0}"
    [[ $(cat "$DIR/err") == *"another process has changed the position of source \"n\""* ]]
    cat "$DIR/b" >&8
    exec 8>&-
    status_of "$one"
    is rows $'first\nsecond' "$(q 'select a from t order by rowid')"
    # Started again, it does not take what the other one was given for stored: it may be given other lines.
    cp "$DIR/both" "$IN"
    run -78 --separate-stderr sink --offset-file "$DIR/o2"
    [[ $stderr == *"by another sink, with the offset file \"$DIR/o1\""* ]]
    is "its position" '{}' "$(jq -c .offsets "$DIR/o2")"
    rm "$DIR/o1"
    sink --offset-file "$DIR/o2"
    is "rows when it has taken that one's place" $'first\nsecond' "$(q 'select a from t order by rowid')"
}

@test "two sinks that make one database at the same moment: neither takes it for a link to nothing" {
    local i a b status
    { schema '' a:text; keyless_row first; } >"$IN"
    sed 's/"name":"n"/"name":"m"/g; s/"table":"t"/"table":"u"/g' "$IN" >"$DIR/other"
    for i in {1..30}; do
        t cdc-sink-sqlite --offset-file "$DIR/a$i" "$DIR/$i.db" <"$IN" & a=$!
        t cdc-sink-sqlite --offset-file "$DIR/b$i" "$DIR/$i.db" <"$DIR/other" & b=$!
        status=0
        wait $a || status=$?
        wait $b || status=$?
        is "exit status of round $i" 0 "$status"
        is "rows of round $i" 1+1 "$(sqlite3 "$DIR/$i.db" "select (select count(*) from t) || '+' || (select count(*) from u)")"
    done
}

@test "two sinks of one source with one database, each with other tables: the second is exit 78, and its lines are not taken for stored" {
    { TABLE=orders; schema id id:integer; change c '{"id":1}' null '{"id":1}'; commit; } >"$DIR/orders"
    { TABLE=customers; SEQ=100; POS=2; schema id id:integer; change c '{"id":2}' null '{"id":2}'; commit; } >"$DIR/customers"
    t cdc-sink-sqlite --offset-file "$DIR/o1" "$DB" <"$DIR/orders"
    run -78 t cdc-sink-sqlite --offset-file "$DIR/o2" "$DB" <"$DIR/customers"
    [ ! -e "$DIR/o2" ] # no source waits for it
    # Another source is not that one's; a copy of the database, or one in another place, neither.
    sed 's/"name":"n"/"name":"m"/' "$DIR/customers" | t cdc-sink-sqlite --offset-file "$DIR/o2" "$DB"
    is "of another source" 2 "$(q 'select id from customers')"
    cp "$DB" "$DIR/copy.db"
    tx
    { TABLE=orders; schema id id:integer; change c '{"id":3}' null '{"id":3}'; commit; } >"$DIR/more"
    t cdc-sink-sqlite "$DIR/copy.db" <"$DIR/more"
    is "the copy goes on" $'1\n3' "$(sqlite3 "$DIR/copy.db" 'select id from orders')"
    mv "$DIR/o1" "$DIR/elsewhere"
    t cdc-sink-sqlite --offset-file "$DIR/elsewhere" "$DB" <"$DIR/more"
    is "an offset file that was moved" $'1\n3' "$(q 'select id from orders')"
}

@test "a second sink that may not look into the folder of the first one's offset file: exit 78, and not in its place" {
    local user=() open=$DIR/open
    { users; change c '{"id":1}' null '{"id":1,"name":"one","big":"b"}'; commit; } >"$IN"
    mkdir -m 777 "$open"
    mkdir "$DIR/closed"
    t cdc-sink-sqlite --offset-file "$DIR/closed/o1" "$open/a.db" <"$IN"
    chmod a+rw "$open"/a.db*
    if [ "$(id -u)" = 0 ]; then
        user=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
        chmod 700 "$DIR/closed"
    else
        chmod 000 "$DIR/closed"
    fi
    install -m 755 "$BIN/cdc-sink-sqlite" "$open/sink"
    chmod a+rx "$DIR" "$DIR/.." "$DIR/../.." "$DIR/../../.." 2>/dev/null
    run -78 --separate-stderr t "${user[@]}" env "LD_LIBRARY_PATH=$BIN/.." "$open/sink" --offset-file "$open/o2" "$open/a.db" <"$IN"
    chmod 700 "$DIR/closed"
    [[ $stderr == *"by another sink, with the offset file \"$DIR/closed/o1\""* ]] || fail "$stderr"
}

@test "a database that is removed or replaced while its sink runs: exit 78, and nothing more is confirmed" {
    local how before status
    for how in 'rm DB DB-wal DB-shm' 'mv DB DB.old' 'rm DB-wal' 'mv DB-wal DB-old'; do
        rm -f "$DB"* "$DIR/fifo"
        mkfifo "$DIR/fifo"
        { schema '' a:text; keyless_row first; } >"$DIR/a"
        keyless_row second >"$DIR/b"
        spawn_line "cdc-sink-sqlite '$DB' <'$DIR/fifo' 2>'$DIR/err'"
        exec 9>"$DIR/fifo"
        cat "$DIR/a" >&9
        wait_until stored_at_least 1
        wait_for_match "$DB.offset" '"lines":1'
        before=$(jq -r .offsets.n.pos "$DB.offset")
        eval "${how//DB/\"$DB\"}"
        cat "$DIR/b" >&9
        exec 9>&-
        status=0
        status_of "$SPAWNED" || status=$?
        is "$how: exit status" 78 "$status"
        [[ $(cat "$DIR/err") == *"was removed or replaced while it was in use"* ]]
        is "$how: the position" "$before" "$(jq -r .offsets.n.pos "$DB.offset")"
    done
}

@test "a schema line that lacks columns and is skipped changes nothing: rows go where the one before it says" {
    {
        schema id id:integer a:text b:text
        change c '{"id":1}' null '{"id":1,"a":"a1","b":"b1"}'
        line schema '"key_columns":["b","a","id"]'
        change c '{"id":2}' null '{"id":2,"a":"a2","b":"b2"}'
        line schema "\"key_columns\":[$(printf '"k%d",' {1..200})\"id\"]"
        change c '{"id":3}' null '{"id":3,"a":"a3","b":"b3"}'
        line schema '"columns":[{"name":"id","type":"integer"}],"key_columns":["other"]'
        change u '{"id":1}' null '{"id":1,"a":"a4","b":"b4"}'
        commit
    } >"$IN"
    run -0 --separate-stderr sink --on-error=skip
    is skipped 3 "$(grep -c 'schema line without "columns"' <<<"$stderr")"
    is rows $'1|a4|b4\n2|a2|b2\n3|a3|b3' "$(q 'select id, a, b from t order by id')"
}

@test "dead letters: a file that is removed while the sink runs is made anew, and gets the next ones" {
    mkfifo "$DIR/fifo"
    spawn_line "cdc-sink-sqlite --on-error=dead-letter --dead-letter '$DIR/dead' '$DB' <'$DIR/fifo' 2>'$DIR/err'"
    exec 9>"$DIR/fifo"
    { users; change c '{"id":1}' null '{"id":1,"other":1}'; commit; } >&9
    wait_for_match "$DB.offset" '"lines":1'
    is letters 1 "$(wc -l <"$DIR/dead")"
    rm "$DIR/dead"
    { change c '{"id":2}' null '{"id":2,"other":1}'; change c '{"id":3}' null '{"id":3,"name":"a"}'; commit; } >&9
    exec 9>&-
    status_of "$SPAWNED"
    is "letter" '{"id":2}' "$(jq -r .line "$DIR/dead" | jq -c .key)"
    is rows 3 "$(q 'select id from t')"
}

@test "dead letters: a file that is renamed while the sink runs keeps what it has, and the next ones go where they are looked for" {
    mkfifo "$DIR/fifo"
    spawn_line "cdc-sink-sqlite --on-error=dead-letter --dead-letter '$DIR/dead' '$DB' <'$DIR/fifo' 2>'$DIR/err'"
    exec 9>"$DIR/fifo"
    { users; change c '{"id":1}' null '{"id":1,"other":1}'; commit; } >&9
    wait_for_match "$DB.offset" '"lines":1'
    mv "$DIR/dead" "$DIR/dead.1"
    { change c '{"id":2}' null '{"id":2,"other":1}'; commit; } >&9
    wait_for_match "$DB.offset" '"lines":2'
    # logrotate makes the new one itself.
    mv "$DIR/dead" "$DIR/dead.2"
    : >"$DIR/dead"
    { change c '{"id":3}' null '{"id":3,"other":1}'; change c '{"id":4}' null '{"id":4,"name":"a"}'; commit; } >&9
    exec 9>&-
    status_of "$SPAWNED"
    for number in .1:1 .2:2 :3; do
        is "letter of dead${number%:*}" "{\"id\":${number#*:}}" "$(jq -r .line "$DIR/dead${number%:*}" | jq -c .key)"
    done
    is rows 4 "$(q 'select id from t')"
}

# The positions of hand-written lines as those of a snapshot, or of the log: snapshot_at NUMBER, log_at NUMBER.
snapshot_at() { awk -v n="$1" '{ sub(/"pos":"[0-9.]*"/, sprintf("\"pos\":\"%s.0000000000.a0001.%012d\"", n, NR)); print }'; }
log_at() { awk -v n="$1" '{ sub(/"pos":"[0-9.]*"/, sprintf("\"pos\":\"%s.%010d.1\"", n, NR)); print }'; }

@test "dead letters: a sink that starts while another one writes into the same file removes nothing of it" {
    mkfifo "$DIR/pipe"
    spawn bash -c 'cdc-sink-sqlite -q --on-error dead-letter --dead-letter "$1/dead" "$1/other.db" <"$1/pipe"' - "$DIR"
    exec 9>"$DIR/pipe"
    echo '{"op":"c"' >&9
    wait_until test -s "$DIR/dead"
    # What the other one has written so far of a long letter.
    printf '{"reason":"long","line":"half' >>"$DIR/dead"
    echo '{"op":"d"' >"$IN"
    sink --on-error dead-letter --dead-letter "$DIR/dead"
    exec 9>&-
    wait "$SPAWNED"
    is letters 'c half d' "$(grep -o '"c\|half\|"d' "$DIR/dead" | tr -d '"' | xargs)"
    tail -1 "$DIR/dead" | jq -e .reason
    # Alone with it: such a letter comes again.
    printf '{"reason":"long","line":"torn' >>"$DIR/dead"
    sink --on-error dead-letter --dead-letter "$DIR/dead"
    not grep -q torn "$DIR/dead"
}

@test "a snapshot that is taken anew over an older copy: exit 78 before its first row, and the copy stays as it is" {
    local first=0000000004C1E2C8 log=0000000004C1E430 anew=0000000005000000
    { schema '' a:text; change r null null '{"a":"1"}'; change r null null '{"a":"2"}'; commit; } | snapshot_at $first >"$IN"
    head -2 "$IN" >"$DIR/part"
    cp "$IN" "$DIR/snapshot"
    { cat "$DIR/snapshot"; { schema '' a:text; change d null '{"a":"1"}' null; commit; } | log_at $log; } >"$IN"
    sink
    is rows 2 "$(q 'select a from t')"
    # What comes again of the same snapshot is known.
    sink
    cp "$DIR/snapshot" "$IN"
    sink
    is "rows, after the same lines again" 2 "$(q 'select a from t')"
    { schema '' a:text; change r null null '{"a":"2"}'; commit; } | snapshot_at $anew >"$IN"
    for offset_file in kept removed; do
        [ $offset_file = kept ] || rm "$DB.offset"
        run -78 --separate-stderr sink
        [[ $stderr == *"$DB has the rows of an earlier snapshot of source \"n\""*"remove $DB and its offset file"* ]]
        is "rows, offset file $offset_file" 2 "$(q 'select a from t')"
        is "position, offset file $offset_file" $log "$(q 'select substr(pos, 1, 16) from cdc_offsets')"
    done
    # Of a table without rows the schema line alone says it.
    schema '' a:text | snapshot_at $anew >"$IN"
    run -78 sink
    rm -f "$DB"*
    { schema '' a:text; change r null null '{"a":"2"}'; commit; } | snapshot_at $anew >"$IN"
    sink
    is "rows, without the old copy" 2 "$(q 'select a from t')"
}

@test "a snapshot in several batches and runs, and further attempts at it, is one snapshot" {
    local n=0000000004C1E2C8
    { schema id id:integer; for i in 1 2 3; do change r "{\"id\":$i}" null "{\"id\":$i}"; commit; done; } | snapshot_at $n >"$DIR/all"
    head -3 "$DIR/all" >"$IN"
    sink
    cp "$DIR/all" "$IN"
    sink --batch-events 1
    sed 's/a0001/a0002/' "$DIR/all" >"$IN"
    change r '{"id":4}' null '{"id":4}' | snapshot_at $n | sed 's/a0001/a0003/' >>"$IN"
    commit | snapshot_at $n | sed 's/a0001.0*1/a0003.000000000002/' >>"$IN"
    sink
    is rows '1 2 3 4' "$(q 'select id from t' | xargs)"
}

@test "a table that somebody has made again with another collation: rows that differ in case stay apart" {
    { schema id id:text v:text; change c '{"id":"a"}' null '{"id":"a","v":"x"}'; commit; } >"$IN"
    sink
    q 'create table other("id" TEXT COLLATE NOCASE, "v" TEXT COLLATE NOCASE, note TEXT COLLATE NOCASE, PRIMARY KEY ("id"));
       insert into other select *, 1 from t; drop table t; alter table other rename to t'
    { schema id id:text v:text; change c '{"id":"A"}' null '{"id":"A","v":"y"}'; change d '{"id":"a"}' null null; commit; } >"$IN"
    sink
    is rows 'A|y|' "$(q 'select * from t')"
    is "what is somebody's own" 1 "$(q "select count(*) from sqlite_master where sql like '%note TEXT COLLATE NOCASE%'")"
    TABLE=k
    row() { line "$1" "\"before\":$2,\"after\":$3"; }
    { schema '' a:text; row c null '{"a":"x"}'; row c null '{"a":"X"}'; commit; } >"$IN"
    sink
    q 'drop table k; create table k("a" TEXT COLLATE RTRIM); insert into k values ("x "), ("x")'
    { schema '' a:text; row d '{"a":"x"}' null; commit; } >"$IN"
    sink
    is "the row that was meant" 'x ' "$(q 'select a from k')"
}

@test "a column of the key that somebody renames in the copy while the sink runs: no delete finds nothing in silence" {
    local keys
    for keys in id ''; do
        rm -rf "$DB"* "$DIR/fifo"
        mkfifo "$DIR/fifo"
        spawn_line "exec cdc-sink-sqlite '$DB' <'$DIR/fifo'"
        exec 9>"$DIR/fifo"
        row() { if [ -n "$keys" ]; then change "$1" "{\"id\":$2}" "$3" "$4"; else line "$1" "\"before\":$3,\"after\":$4"; fi; }
        { schema "$keys" id:integer v:text; row c 1 null '{"id":1,"v":"a"}'; row c 2 null '{"id":2,"v":"b"}'; commit; } >"$DIR/rows"
        cat "$DIR/rows" >&9
        tx
        { row d 1 '{"id":1,"v":"a"}' null; commit; } >"$DIR/rows"
        cat "$DIR/rows" >&9
        wait_until stored_exactly 1
        q 'alter table t rename column id to number'
        tx
        { row d 2 '{"id":2,"v":"b"}' null; commit; } >"$DIR/rows"
        cat "$DIR/rows" >&9
        exec 9>&-
        local status=0
        status_of "$SPAWNED" || status=$?
        is "exit status" 78 "$status"
        is "what is confirmed" 3 "$(jq -r .offsets.n.lines "$DB.offset")"
    done
}
stored_exactly() { [ "$(q 'select count(*) from t' 2>/dev/null)" = "$1" ]; }

@test "a column called rowid that the source has dropped is still in the copy: it is not taken for the rowid" {
    local row
    {
        schema '' a:integer rowid:integer note:text
        for row in 1 2 3; do change c null null "{\"a\":$row,\"rowid\":7,\"note\":\"word$row\"}"; done
        commit
    } >"$IN"
    sink --fts t:note
    tx
    {
        schema '' a:integer note:text
        change c null null '{"a":4,"note":"word4"}'
        change u null '{"a":4,"note":"word4"}' '{"a":40,"note":"word40"}'
        change u null '{"a":1,"note":"word1"}' '{"a":10,"note":"word10"}'
        change d null '{"a":2,"note":"word2"}' null
        commit
    } >"$IN"
    run -0 --separate-stderr sink --fts t:note
    not grep -q "not found" <<<"$stderr"
    is rows '3|7|word3 10|7|word10 40||word40' "$(q 'select a, rowid, note from t order by a' | xargs)"
    is found 10 "$(q "select a from t where _rowid_ in (select rowid from t_fts where t_fts match 'word10')")"
    is "not found" '' "$(q "select rowid from t_fts where t_fts match 'word1 OR word2'")"
    # All three names.
    q 'alter table t add column oid'
    q 'alter table t add column _rowid_'
    tx
    { schema '' a:integer note:text; change d null '{"a":3,"note":"word3"}' null; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *"hide SQLite's rowid"* ]]
}

@test "somebody's own FTS5 index without a table, called as ours would be, is left alone" {
    { schema id id:integer v:text; change c '{"id":1}' null '{"id":1,"v":"a"}'; commit; } >"$IN"
    sink
    q "create virtual table t_fts using fts5(a, content=''); insert into t_fts values ('mine')"
    tx
    { schema id id:integer v:text w:text; change c '{"id":2}' null '{"id":2,"v":"b","w":"c"}'; commit; } >"$IN"
    sink
    is rows '1|a| 2|b|c' "$(q 'select id, v, w from t' | xargs)"
    is "found there" 1 "$(q "select rowid from t_fts where t_fts match 'mine'")"
}

@test "a name of a database that SQLite may take for a URI is that of a file" {
    { users; change c '{"id":1}' null '{"id":1,"name":"one","big":"b"}'; commit; } >"$IN"
    cd "$DIR"
    for DB in 'file:a.db?mode=memory' 'file:b.db?nolock=1' file:///c.db; do
        mkdir -p "$(dirname "$DB")"
        sink
        [ -s "$DB" ] || fail "$DB is empty"
        is "rows of $DB" '1|one|b' "$(sqlite3 "./$DB" 'select * from t')"
    done
    not compgen -G '?.db*'
}

@test "a table that somebody has made WITHOUT ROWID: updates with unchanged columns, key changes, and a read" {
    { users; for i in 1 2 3 4; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"n$i\",\"big\":\"b$i\"}"; done; commit; } >"$IN"
    sink
    q 'create table x (id INTEGER PRIMARY KEY, name TEXT, big TEXT) without rowid; insert into x select * from t; drop table t; alter table x rename to t'
    tx
    {
        users
        change u '{"id":1}' null '{"id":1,"name":"uno"}' '["big"]'
        change u '{"id":20}' '{"id":2}' '{"id":20,"name":"moved"}' '["big"]'
        change u '{"id":9}' '{"id":9,"big":"old"}' '{"id":9,"name":"new"}' '["big"]'
        change d '{"id":3}' '{"id":3}' null
        commit
    } >"$IN"
    sink
    is rows '1|uno|b1 4|n4|b4 9|new|old 20|moved|b2' "$(q 'select * from t' | xargs)"
    tx
    { users; change u '{"id":10}' null '{"id":10,"name":"half"}' '["big"]'; commit; } >"$IN"
    run -0 --separate-stderr sink
    [[ $stderr == *"a row to update was not there"* ]]
    tx
    { read_begin; users; for i in 1 2 20; do change r "{\"id\":$i}" null "{\"id\":$i,\"name\":\"r$i\",\"big\":\"b\"}"; done; commit; tx; read_end id id:integer name:text big:text; commit; } >"$IN"
    sink
    is "rows that were read" '1|r1|b 2|r2|b 20|r20|b' "$(q 'select * from t' | xargs)"
}

@test "a writer that is stopped within a change of the WAL's index is waited for, as any lock is" {
    { users; change c '{"id":1}' null '{"id":1,"name":"one","big":"b"}'; commit; } >"$IN"
    sink
    # It has the lock for writing, and one of the two copies of the index's head is another.
    spawn python3 -c 'import fcntl,signal,sqlite3,sys
c = sqlite3.connect(sys.argv[1]); c.execute("select * from t").fetchall()
f = open(sys.argv[1] + "-shm", "r+b"); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 120)
head = bytearray(f.read(48)); head[8] ^= 1; f.seek(0); f.write(head); f.flush()
open(sys.argv[2], "w").close(); signal.pause()' "$DB" "$DIR/stopped"
    local holder=$SPAWNED
    wait_until test -e "$DIR/stopped"
    tx
    { users; change c '{"id":2}' null '{"id":2,"name":"two","big":"b"}'; commit; } >"$IN"
    run -69 --separate-stderr sink --retry-max 0
    [[ $stderr == *lock* ]]
    kill -KILL -- "-$holder"
    sink
    is rows '1|one|b 2|two|b' "$(q 'select * from t' | xargs)"
}

@test "a line whose source no offset file could keep, or whose name has a NUL: exit 65, or passed over, and no position is lost" {
    local deep
    deep=$(printf '[%.0s' {1..126})$(printf ']%.0s' {1..126})
    with() { sed "s/\"snapshot\":\"false\"/&,\"x\":$1/"; }
    { users; change c '{"id":1}' null '{"id":1,"name":"one","big":"b"}'; commit; } >"$IN"
    sink
    tx
    { users; change c '{"id":2}' null '{"id":2,"name":"two","big":"b"}'; commit | with "$deep"; } >"$IN"
    run -65 --separate-stderr sink
    [[ $stderr == *"line 3"*"nested too deep to be kept"* ]]
    is rows '1|one|b' "$(q 'select * from t' | xargs)"
    { change c '{"id":3}' null '{"id":3,"name":"three","big":"b"}'; commit; } >>"$IN"
    sink --on-error skip
    is rows '1|one|b 2|two|b 3|three|b' "$(q 'select * from t' | xargs)"
    tx
    { users; change c '{"id":4}' null '{"id":4,"name":"four","big":"b"}'; commit; } | python3 -c 'import sys
for line in sys.stdin:
    print(line.rstrip("\n").replace("\"snapshot\"", "\"x\":\"" + "y" * (17 << 20 if "commit" in line else 0) + "\",\"snapshot\""))' >"$IN"
    run -65 --separate-stderr sink
    [[ $stderr == *"too long to be kept"* ]]
    # Under the name n these would be lines of before.
    { SEQ=50 POS=0; users; change c '{"id":5}' null '{"id":5,"name":"five","big":"b"}'; commit; } | sed 's/"name":"n",/"name":"n\\u0000x",/' >"$IN"
    run -65 --separate-stderr sink
    [[ $stderr == *"line 1"*NUL* ]]
    sink --on-error dead-letter --dead-letter "$DIR/dead"
    is "dead letters" 3 "$(grep -c NUL "$DIR/dead")"
    is position 1 "$(q 'select count(*) from cdc_offsets')"
    : >"$IN"
    sink
}

@test "a database that keeps text in UTF-16, where two keys may become one: exit 78, and it stays as it is" {
    q "PRAGMA encoding = 'UTF-16le'; create table mine (a)"
    { users; change c '{"id":1}' null '{"id":1,"name":"x\uffff","big":"\ufffe"}'; commit; } >"$IN"
    run -78 --separate-stderr sink
    [[ $stderr == *UTF-16* ]]
    is tables mine "$(q "select name from sqlite_master" | xargs)"
    [ ! -e "$DB.offset" ]
    rm "$DB"*
    sink
    is value "78EFBFBF|EFBFBE" "$(q 'select hex(name), hex(big) from t')"
}
