#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter's SQL: rows chosen and columns computed, and that a copy behind it is what the same SQL makes of the source.
# takes: 60 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    IN=$DIR/in
    POS=0
}
teardown() { pg_test_teardown; }

COLUMNS='[{"name":"id","type":"integer","nullable":false,"generated":false},{"name":"region","type":"text","nullable":true,"generated":false},{"name":"total","type":"numeric","nullable":false,"generated":false},{"name":"note","type":"text","nullable":true,"generated":false},{"name":"doc","type":"jsonb","nullable":true,"generated":false}]'
# row OP TABLE MEMBERS: a line; schema TABLE; commit EVENTS.
row() {
    POS=$((POS + 1))
    printf '{"op":"%s","pos":"%02d","seq":%d,"ts_ms":1,"source":{"connector":"%s","name":"n","db":"d","schema":"app","table":"%s","ts_ms":1763717327123},%s}\n' "$1" $POS $POS "${CONNECTOR:-postgresql}" "$2" "$3" >>"$IN"
}
schema() { row schema "$1" "\"columns\":$COLUMNS,\"key_columns\":[\"id\"]"; }
commit() {
    POS=$((POS + 1))
    printf '{"op":"commit","pos":"%02d","seq":%d,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","ts_ms":1},"events":%d}\n' $POS $POS "$1" >>"$IN"
}
filter() { t cdc-filter -q "$@" <"$IN" >"$DIR/out" 2>"$DIR/err" || { status=$?; cat "$DIR/err"; return $status; }; }
# refused STATUS TEXT OPTIONS...: that exit status, and a message with the text.
refused() {
    local expected=$1 text=$2 status=0
    shift 2
    t cdc-filter "$@" <"$IN" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "status" "$expected" "$status"
    grep -qF -- "$text" "$DIR/err" || { cat "$DIR/err"; fail "no \"$text\""; }
}
# lines JQ: of each line that has a row.
lines() { jq -c "select(.op | IN(\"r\",\"c\",\"u\",\"d\")) | $1" "$DIR/out"; }
WHOLE='"key":{"id":1},"before":{"id":1,"region":"EU","total":"5.0","note":"n","doc":null}'

@test "a row that does not match is dropped, all else passes byte for byte, and commits are counted anew" {
    schema items
    row c items '"key":{"id":1},"before":null,"after":{"id":1,"region":"EU","total":"9.50","note":"\u00e9","doc":{"b":1.0,"a":2}}'
    row c items '"key":{"id":2},"before":null,"after":{"id":2,"region":"US","total":"10","note":null,"doc":null},"json_null":["doc"]'
    row r items '"key":{"id":3},"before":null,"after":{"id":3,"region":null,"total":"10.5","note":null,"doc":null}'
    row t items '"x":1'
    row m items '"message":{}'
    schema other
    row c other '"key":{"id":1},"before":null,"after":{"id":1}'
    commit 6
    echo '{"op":"ddl","pos":"50","seq":50,"source":{"name":"n","db":"d"},"ddl":"x"}' >>"$IN"
    echo '{"op":"new","pos":"51","source":{"schema":"app","table":"items"},"after":{"id":1}}' >>"$IN"
    filter --where "items:total > 9.5"
    sed -e 2d -e 's/"events":6/"events":5/' "$IN" | diff - "$DIR/out"
    filter --where "items:region IN ('EU', 'US')" --where "items:total = 9.500"
    is "rows" '1
1' "$(lines .key.id)"
    filter --where "items:doc = 'null' AND note IS NULL"
    is "rows" '2
1' "$(lines .key.id)"
}

@test "a colon in the expression is no table's; a table may stand in quotes" {
    schema items
    row c items '"key":{"id":1},"before":null,"after":{"id":1,"region":"a:b","total":"1","note":null,"doc":null}'
    row c items '"key":{"id":2},"before":null,"after":{"id":2,"region":"a","total":"1","note":null,"doc":null}'
    filter --where "region = 'a:b'"
    is "rows" 1 "$(lines .key.id)"
    filter --where "'x:y' = 'x:' || 'y' AND new.\"region\" LIKE '%:%'"
    is "rows" 1 "$(lines .key.id)"
    filter --where 'app."items":id = 2'
    is "rows" 2 "$(lines .key.id)"
    filter --where '*.it?ms:id = 2' --where 'other.items:id = 1' --where 'things:nothing > 1'
    is "rows" 2 "$(lines .key.id)"
    t cdc-filter --where 'app."items":id = 2' --where 'things:nothing > 1' --set 'none:a = 1' <"$IN" 2>&1 >/dev/null | grep -F "named by --where 'things:nothing > 1', --set 'none:a = 1'"
}

@test "an update that enters is c, one that leaves is d, and both are whole lines of their kind" {
    schema items
    row u items "$WHOLE,"'"after":{"id":1,"region":"EU","total":"5.0","note":"m","doc":{"a":1}},"json_null_old":["doc"]'
    row u items "$WHOLE,"'"after":{"id":1,"region":"US","total":"5.0","note":"m","doc":null},"json_null":["doc"],"json_null_old":["doc"]'
    row u items '"key":{"id":1},"before":{"id":1,"region":"US","total":"5","note":null,"doc":null},"after":{"id":1,"region":"EU","total":"5","note":null,"doc":null},"json_null":["doc"],"json_null_old":["doc"]'
    row u items '"key":{"id":1},"before":{"id":1,"region":"US","total":"5","note":null,"doc":null},"after":{"id":1,"region":"CH","total":"5","note":null,"doc":null}'
    row u items '"key":{"id":9},"before":{"id":1,"region":"EU","total":"5","note":null,"doc":null},"after":{"id":9,"region":"US","total":"5","note":null,"doc":null}'
    row u items '"key":{"id":1},"before":{"id":9,"region":"US","total":"5","note":null,"doc":null},"after":{"id":1,"region":"EU","total":"5","note":null,"doc":null}'
    row u items '"key":{"id":2},"before":{"id":1,"region":"EU","total":"5","note":null,"doc":null},"after":{"id":2,"region":"EU","total":"5","note":null,"doc":null}'
    row d items '"key":{"id":2},"before":{"id":2,"region":"EU","total":"5","note":null,"doc":null},"after":null'
    row d items '"key":{"id":3},"before":{"id":3,"region":"US","total":"5","note":null,"doc":null},"after":null'
    commit 9
    filter --where "region = 'EU'"
    lines '[.op,.key.id,.before.id,.after.id,.json_null,.json_null_old]' >"$DIR/rows"
    diff - "$DIR/rows" <<'END'
["u",1,1,1,null,["doc"]]
["d",1,1,null,["doc"],null]
["c",1,null,1,["doc"],null]
["d",1,1,null,null,null]
["c",1,null,1,null,null]
["u",2,1,2,null,null]
["d",2,2,null,null,null]
END
    is "events" 7 "$(jq .events "$DIR/out" | tail -1)"
    # Members that a newer source may have stay.
    row u items "$WHOLE,"'"after":{"id":1,"region":"CH","total":"5","note":null,"doc":null},"more":{"x":[1]}'
    filter --where "region = 'EU'"
    is "the member" '{"x":[1]}' "$(tail -1 "$DIR/out" | jq -c .more)"
}

@test "an old row of which the log has the key alone: a match by default, so that no wrong row stays" {
    schema items
    row u items '"key":{"id":1},"before":null,"after":{"id":1,"region":"US","total":"5","note":null,"doc":null}'
    row u items '"key":{"id":2},"before":null,"after":{"id":2,"region":"EU","total":"5","note":null,"doc":null}'
    row u items '"key":{"id":4},"before":{"id":3},"after":{"id":4,"region":"US","total":"5","note":null,"doc":null}'
    row d items '"key":{"id":5},"before":{"id":5},"after":null'
    commit 4
    filter --where "region = 'EU'"
    lines '[.op,.key,.before,.after.id]' >"$DIR/rows"
    diff - "$DIR/rows" <<'END'
["d",{"id":1},{"id":1},null]
["u",{"id":2},null,2]
["d",{"id":3},{"id":3},null]
["d",{"id":5},{"id":5},null]
END
    t cdc-filter --where "region = 'EU'" <"$IN" 2>&1 >/dev/null | grep -c 'come without "region"' | grep -x 1
    filter --where "region = 'EU'" --where-before same
    is "rows" '["u",2]
["d",5]' "$(lines '[.op,.key.id]')"
    refused 78 'an old row comes without column "region"' --where "region = 'EU'" --where-before require
    grep -q 'REPLICA IDENTITY FULL' "$DIR/err"
    # Columns of the key are always there.
    filter --where "id > 2 AND id < 5" --where-before require
    is "rows" '["u",4]' "$(lines '[.op,.key.id]')"
}

@test "columns that the log left out as unchanged: the line passes where that is right, else 78" {
    schema items
    row u items '"key":{"id":1},"before":null,"after":{"id":1,"region":"EU","total":"5","doc":null},"unchanged":["note"]'
    refused 78 'the log left out its unchanged columns ["note"]' --where "region = 'EU'"
    refused 78 'comes without unchanged column "note"' --where "note = 'x'"
    filter --where "region = 'EU'" --where-before same
    is "the row" '["u",["note"]]' "$(lines '[.op,.unchanged]')"
    filter --where "region = 'US'" # leaves: nothing of the row is needed
    is "the row" '["d",null]' "$(lines '[.op,.unchanged]')"
    filter --where "id = 1"
    is "the row" '["u",["note"]]' "$(lines '[.op,.unchanged]')"
    # MySQL's NOBLOB image: old and new are known, the blob is not.
    : >"$IN"
    CONNECTOR=mysql schema items
    CONNECTOR=mysql row u items '"key":{"id":1},"before":{"id":1,"region":"US","total":"5","doc":null},"after":{"id":1,"region":"EU","total":"5","doc":null},"unchanged":["note"]'
    refused 78 'unchanged columns ["note"]' --where "region = 'EU'"
    filter --where "region IN ('EU', 'US')"
    is "the row" '["u",["note"]]' "$(lines '[.op,.unchanged]')"
    # MINIMAL: an insert without a column that got its default.
    CONNECTOR=mysql row c items '"key":{"id":2},"before":null,"after":{"id":2,"total":"5","doc":null,"note":""},"unchanged":["region"]'
    refused 78 'a row comes without column "region"' --where "region IN ('EU', 'US')"
}

@test "a condition that names old.column chooses changes and not rows" {
    schema items
    row c items '"key":{"id":1},"before":null,"after":{"id":1,"region":"EU","total":"5","note":null,"doc":null}'
    row u items "$WHOLE,"'"after":{"id":1,"region":"US","total":"5","note":null,"doc":null}'
    row u items '"key":{"id":2},"before":{"id":2,"region":"EU","total":"5","note":null,"doc":null},"after":{"id":2,"region":"EU","total":"6","note":null,"doc":null}'
    row d items '"key":{"id":3},"before":{"id":3,"region":"EU","total":"5","note":null,"doc":null},"after":null'
    filter --where "op = 'u' AND old.region IS NOT region"
    is "rows" '["u",1]' "$(lines '[.op,.key.id]')"
    filter --where "old.total IS NULL"
    is "rows" '["c",1]' "$(lines '[.op,.key.id]')"
    filter --where "\"table\" = 'items' AND event.schema = 'app' AND ts > '2025-01-01' AND op <> 'd'"
    is "rows" '["c",1]
["u",1]
["u",2]' "$(lines '[.op,.key.id]')"
}

@test "--set and --add: every place where the column lives" {
    schema items
    row c items '"key":{"id":1},"before":null,"after":{"id":1,"region":"EU","total":"0.10","note":"n","doc":null},"json_null":["doc"]'
    row u items "$WHOLE,"'"after":{"id":1,"region":"US","total":"0.20","note":"m","doc":{"a":1}},"json_null_old":["doc"]'
    row u items '"key":{"id":1},"before":null,"after":{"id":1,"region":"US","total":"7","doc":null},"unchanged":["note"]'
    row d items '"key":{"id":1},"before":{"id":1},"after":null'
    row d items '"key":{"id":1},"before":{"id":1,"region":"EU","total":"5.0","note":"n","doc":null},"after":null,"json_null":["doc"]'
    filter --set "total = total + 0.2" --set "doc = NULL" --set "note=note || '!'" --add "copy = doc" --add "late boolean = total > 1" --add "who = 'shop'"
    is "columns" '["id integer false","region text true","total numeric true","note text true","doc jsonb true","copy jsonb true","late boolean true","who text true"]' \
        "$(jq -c 'select(.op == "schema") | [.columns[] | "\(.name) \(.type) \(.nullable)"]' "$DIR/out")"
    lines '[.before,.after,.unchanged,.json_null,.json_null_old]' >"$DIR/rows"
    diff - "$DIR/rows" <<'END'
[null,{"id":1,"region":"EU","total":"0.30","note":"n!","doc":null,"copy":null,"late":false,"who":"shop"},null,["copy"],null]
[{"id":1,"region":"EU","total":"5.2","note":"n!","doc":null,"copy":null,"late":true,"who":"shop"},{"id":1,"region":"US","total":"0.40","note":"m!","doc":null,"copy":{"a":1},"late":false,"who":"shop"},null,null,["copy"]]
[null,{"id":1,"region":"US","total":"7.2","doc":null,"copy":null,"late":true,"who":"shop"},["note"],null,null]
[{"id":1,"who":"shop"},null,null,null,null]
[{"id":1,"region":"EU","total":"5.2","note":"n!","doc":null,"copy":null,"late":true,"who":"shop"},null,null,["copy"],null]
END
    # A value that was unchanged is there once it is set; one that is made of such and of others cannot be known.
    filter --set "note = region"
    is "the row" '{"id":1,"region":"US","total":"7","doc":null,"note":"US"} null' "$(lines 'select(.after.total == "7") | "\(.after) \(.unchanged)"' | jq -r .)"
    refused 78 'without some of the columns that it is made of' --add "x = note || region"
    # Both at once: the condition sees the source's row.
    filter --where "region = 'EU'" --set "region = 'Europe'"
    is "rows" '["c","Europe",null]
["d",null,"Europe"]
["d",null,null]' "$(lines '[.op,.after.region,.before.region]' | awk '!seen[$0]++')"
}

@test "numbers keep their digits and their form, in and out" {
    row schema items '"columns":[{"name":"id","type":"bigint","nullable":false},{"name":"n","type":"numeric","nullable":true},{"name":"u","type":"bigint unsigned","nullable":true},{"name":"f","type":"double","nullable":true}],"key_columns":["id"]'
    row c items '"key":{"id":9007199254740993},"before":null,"after":{"id":9007199254740993,"n":12345678901234567890.10,"u":18446744073709551615,"f":0.1}'
    filter --where "id = 9007199254740993 AND n = 12345678901234567890.1 AND u > 18446744073709551614" --set "n = n + 0.05" --set "u = u - 1" --add "id2 = id + 1" --add "f2 = f + 0.2"
    is "the row" '"after":{"id":9007199254740993,"n":12345678901234567890.15,"u":18446744073709551614,"f":0.1,"id2":9007199254740994,"f2":0.30000000000000004}' "$(tail -1 "$DIR/out" | grep -o '"after".*}' | sed 's/}$//')"
    row c items '"key":{"id":"9007199254740993"},"before":null,"after":{"id":"9007199254740993","n":"1.0","u":1,"f":"NaN"}'
    filter --where "id = 9007199254740993 AND n = 1" --add "id2 = id + 1"
    is "the row" '"after":{"id":"9007199254740993","n":"1.0","u":1,"f":"NaN","id2":"9007199254740994"}' "$(tail -1 "$DIR/out" | grep -o '"after".*}' | sed 's/}$//')"
}

@test "what cannot be is refused: 64 before there is a line, 78 at the schema line, 65 at the row" {
    schema items
    row c items '"key":{"id":1},"before":null,"after":{"id":1,"region":"EU","total":"1","note":"9223372036854775807","doc":null}'
    commit 1
    refused 64 'an expression was expected' --where 'total >'
    refused 64 'no table' --where 'id IN (SELECT 1)'
    refused 64 'COLUMN = EXPR' --set 'total'
    refused 64 'COLUMN = EXPR' --set 'total numeric = 1'
    refused 64 'NAME [TYPE] = EXPR' --add '= 1'
    refused 64 'is not' --where 'id = 1' --where-before maybe
    refused 78 'table "items": there is no column "totl"' --where 'totl > 1'
    refused 78 'a decimal is compared with a text' --where "total > 'much'"
    refused 78 'keeps "id"' --set 'id = 1'
    refused 78 'has no column "nope"' --set 'items:nope = 1'
    filter --set 'nope = 1'
    filter --set 'items:nope = 1' --allow-unknown
    refused 78 'has a column already that is named "note"' --add 'note = 1'
    refused 78 'gets twice "note"' --set 'note = 1' --set 'items:note = 2'
    refused 78 'gets no type for "x"' --add "x = doc ->> '\$.a'"
    refused 78 'the time of now' --where "date(ts) > date('now')"
    refused 78 'there is no function load_extension' --where "load_extension('x')"
    refused 65 'line 2 at byte offset' --where "CAST(note AS INTEGER) + 1 > 0"
    refused 65 'the result is no JSON' --set 'doc = note || note || region'
    # A row that cannot be computed is a bad line, as --on-error has it.
    t cdc-filter -q --on-error skip --where "CAST(note AS INTEGER) + 1 > 0" <"$IN" >"$DIR/out" 2>"$DIR/err"
    is "lines" '["schema",null]
["commit",0]' "$(jq -c '[.op,.events]' "$DIR/out")"
    # Without its schema line nothing is known of a row.
    sed -i 1d "$IN"
    refused 78 'a row comes before the schema line' --where 'id = 1'
    filter --where 'others:id = 1'
    cmp "$IN" "$DIR/out"
}

@test "a text with a NUL in it is whole to every function, or refused" {
    local expression
    CONNECTOR=mysql schema items
    CONNECTOR=mysql row c items '"key":{"id":1},"before":null,"after":{"id":1,"region":"ab","total":"1","note":"ab\u0000cd","doc":{"s":"ab\u0000cd"}}'
    for expression in 'length(note)' 'substr(note, 2)' "substring(doc ->> '\$.s', 1, 4)" "CASE WHEN note GLOB 'ab' THEN 1 END" "CASE WHEN note COLLATE NOCASE = 'AB' THEN 1 END"; do
        refused 65 'a text has a NUL' --add "x text = CAST($expression AS TEXT)"
    done
    filter --add "x = region || note" --add "y = replace(note, 'c', 'x')" --add 'z = length(region)' --add "w = CASE WHEN note = 'ab' THEN 1 ELSE 0 END"
    is "values" '["abab\u0000cd","ab\u0000xd",2,0]' "$(lines '[.after.x, .after.y, .after.z, .after.w]')"
    is "a condition" '' "$(filter --where "note LIKE 'ab' OR note = region" && lines .key.id)"
}

@test "a table that changes is compiled for again" {
    schema items
    row c items '"key":{"id":1},"before":null,"after":{"id":1,"region":"EU","total":"10","note":null,"doc":null}'
    row schema items '"columns":[{"name":"id","type":"integer","nullable":false,"generated":false},{"name":"total","type":"text","nullable":true,"generated":false}],"key_columns":["id"]'
    row c items '"key":{"id":2},"before":null,"after":{"id":2,"total":"10"}'
    filter --where "total = '10'"
    is "rows" '1
2' "$(lines .key.id)"
    refused 78 'a text is compared with an integer' --where 'total = 10'
    is "rows before" 1 "$(lines .key.id)"
    row schema items '"columns":[{"name":"id","type":"integer","nullable":false,"generated":false}],"key_columns":["id"]'
    refused 78 'there is no column "total"' --where "total = '10'"
}

@test "random changes: the copy is what the same SQL makes of the source" {
    local seed
    for ((seed = 1; seed <= ${CDC_FILTER_SEEDS:-25}; seed++)); do
        LIMIT=120 t python3 "$LIB/filter_sql.py" cdc-filter "$seed"
    done
}

copy() { sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "$1"; }
# Random statements: rows enter and leave the condition, keys move, large texts stay as they are.
traffic() {
    awk -v name="$NAME" -v n="$1" -v seed="$2" 'BEGIN {
        srand(seed)
        for (i = 0; i < n; i++) {
            id = int(rand() * 200); what = rand(); total = int(rand() * 20000) / 100
            region = "(array[null, \x27EU\x27, \x27US\x27, \x27é\x27])[" int(rand() * 4) + 1 "]"
            if (what < 0.4) printf "insert into %s.t values (%d, %s, %.2f, case when %d %% 3 = 0 then (select string_agg(md5(i::text), \x27\x27) from generate_series(1, 200) i) end) on conflict (id) do nothing;\n", name, id, region, total, i
            else if (what < 0.7) printf "update %s.t set region = %s, total = %.2f where id %% 50 = %d;\n", name, region, total, id % 50
            else if (what < 0.8) printf "update %s.t set id = id + 1000 where id = %d;\n", name, id
            else if (what < 0.9) printf "update %s.t set note = null where id = %d;\n", name, id
            else printf "delete from %s.t where id in (%d, %d);\n", name, id, id + 1000
        }
    }'
}
# copied IDENTITY OPTIONS...: a snapshot and random changes through the filter into a copy, which is then compared.
copied() {
    local identity=$1
    shift
    sql "create table $NAME.t (id int primary key, region text, total numeric(10,2), note text)"
    [ "$identity" = default ] || sql "alter table $NAME.t replica identity full"
    traffic 300 1 | sql_file -q -f -
    spawn_line "{ cdc-snapshot $(source_options) && exec pg-cdc --heartbeat 1 $(source_options); } | cdc-filter -t '$NAME.t' $* | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    wait_until -t 60 has_member "$SPAWNED" pg-cdc
    traffic 600 2 | sql_file -q -f -
    wait_confirmed "$SLOT" || { cat "$DIR/err"; return 1; }
}
source_options() { echo "--name $NAME -t '$NAME.*' --state-dir '$STATE' '$URL'"; }

@test "from PostgreSQL into a copy: rows, sums and texts are those of the same query there" {
    copied full "--where \"total > 50.5 AND (region = 'EU' OR region IS NULL)\" --where-before require --set \"note = substr(note, 1, 40)\" --add \"double = total * 2\""
    sql_file -c "select json_build_array(id, region, total::text, substr(note, 1, 40), (total * 2)::text) from $NAME.t where total > 50.5 and (region = 'EU' or region is null)" >"$DIR/expected"
    copy "select json_array(id, region, total, note, double) from t" >"$DIR/actual"
    [ "$(wc -l <"$DIR/expected")" -gt 5 ]
    python3 "$LIB/compare.py" "$DIR/expected" "$DIR/actual"
}

# Conditions of which PostgreSQL and the filter must say the same of each row; what PostgreSQL writes otherwise comes after " -- ".
conditions() {
    cat <<'END'
t LIKE 'a%'
t LIKE 'A_c'
t LIKE '50\%'
t LIKE 'x\_y%'
t LIKE '%é%'
t LIKE '5!0%' ESCAPE '!'
t NOT LIKE '%b%'
t = 'abc' OR t IS NULL
t > 'Z' -- t collate "C" > 'Z'
t IN ('abc', NULL)
t NOT IN ('abc', 'x')
t NOT IN ('abc', NULL)
t IS DISTINCT FROM 'abc'
length(t) = 1
upper(t) = 'ABC'
substr(t, 2, 1) = 'b'
t || 'x' = 'abcx'
c = 'ab'
c = t
length(c) = 2
n = 0.1
n = 1.1
n > 1
n = 'NaN'
n > 'Infinity'
n <> 'NaN'
n BETWEEN 0 AND 2
n * 1.5 > 1.6
n + n = 0.2
-n < -1
n IN (1.1, 1e3)
n = f
round(n, 1) = 1.1 -- n not in ('NaN', 'Infinity', '-Infinity') and round(n, 1) = 1.1
f = 0.1
f > 0.1
f = 'NaN'
f > 1e308
f < 'NaN'
f = 0
f + 1 > 2
f BETWEEN 0 AND 'Infinity'
i / 2 = 3
i % 4 = -3
i & 3 = 3 -- i & 3 = 3
i = 9223372036854775807
i > 9223372036854775806
i < -9223372036854775807
i IS NOT NULL AND NOT i = 7
b
NOT b
b IS TRUE
b IS NOT TRUE
b = 't'
b IS NULL OR b = FALSE
d >= '2026-11-21'
d = '2026-11-21'
d < '0001-01-01'
d > '9999-12-31'
d = at -- d = at at time zone 'UTC'
at >= '2026-11-21 09:28:42.5' -- at >= '2026-11-21 09:28:42.5+00'
at = '2026-11-21T09:28:42.500' -- at = '2026-11-21T09:28:42.500+00'
at > '2026-11-21' -- at > '2026-11-21+00'
at < '0001-01-01' -- at < '0001-01-01+00'
y = x'00ff' -- y = '\x00ff'
y > x'00' -- y > '\x00'
length(y) = 2
u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
u > 'a0000000-0000-0000-0000-000000000000'
clock > '09:30:00'
clock = '09:30:00.5'
j ->> 'n' = '5'
j ->> 'n' = 5 -- (j ->> 'n') in ('5', '5.0')
j ->> 't' = 'true'
j ->> 't' IS NULL
j ->> 's' = '10'
j ->> 's' > 9 -- (j ->> 's')::numeric > 9
j ->> 'p' = '1.10'
j ->> 'p' = 1.1 -- (j ->> 'p')::numeric = 1.1
j ->> 'w' LIKE 'a"%'
j ->> 'w' || '!' = 'a"b!'
j -> 'o' ->> 'x' = '1'
j ->> 'o' = '{"x":1}' -- (j ->> 'o') = '{"x": 1}'
j ->> '$.a[1]' = 'z' -- j #>> '{a,1}' = 'z'
coalesce(j ->> 't', 'no') = 'no'
CASE WHEN b THEN j ->> 't' ELSE 'no' END = 'true'
j IS NULL
j = 'null'
j = '{"n":5}' -- j = '{"n": 5}'
l = '[1,2]' -- l = '{1,2}'
mood = 'sad'
mood <> 'sad'
mood IN ('sad', 'glad')
ip = '10.0.0.1'
bits = '0101'
s = 'P1M' -- s = '1 month'
END
}

@test "each condition chooses the rows that PostgreSQL chooses" {
    sql "create type $NAME.mood as enum ('sad', 'ok', 'glad')"
    sql "create table $NAME.v (id int primary key, t text, c char(5), n numeric, f double precision, i bigint, b boolean, d date, at timestamptz, y bytea, u uuid, clock time, j jsonb, l int[], mood $NAME.mood, ip inet, bits bit(4), s interval)"
    sql_file -q -v ON_ERROR_STOP=1 -f - <<END
insert into $NAME.v values
    (1, 'abc', 'ab', 0.1, 0.1, 7, true, '2026-11-21', '2026-11-21 09:28:42.5+00', '\\x00ff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '09:30', '{"n": 5, "t": true, "s": "10", "p": 1.10, "w": "a\"b", "o": {"x": 1}, "a": ["y", "z"]}', '{1,2}', 'sad', '10.0.0.1', B'0101', '1 day 2 hours'),
    (2, 'Abc', 'AB', 1.1000, 1.1, 9223372036854775807, false, 'infinity', 'infinity', '\\x00', 'b0000000-0000-0000-0000-000000000000', '09:30:00.5', '{"n": "5", "t": "true", "s": "9"}', '{}', 'ok', '10.0.0.0/24', B'1111', '1 month'),
    (3, '50%', 'abc', 'NaN', 'NaN', -9223372036854775808, null, '-infinity', '-infinity', '', null, '00:00', '{"n": null, "t": false}', null, 'glad', '::1', B'0000', '-1 day'),
    (4, '50x', null, 'Infinity', 'Infinity', -7, true, '0044-03-15 BC', '0044-03-15 12:00+00 BC', null, null, null, 'null', null, null, null, null, null),
    (5, 'x_y', '', '-Infinity', '-Infinity', 0, false, '20000-01-01', '2026-11-21 00:00+00', '\\x01', 'a0000000-0000-0000-0000-000000000000', '23:59:59.999999', '{"n": 5}', '{1,2}', 'sad', '10.0.0.1/32', B'0101', '26 hours'),
    (6, 'xzy', 'abc  ', 1000, -0.0, 8, true, '2026-11-21', '2026-11-21 00:00+00', '\\x00ff', null, '09:30', '{"n": 5.0, "p": 1.1}', null, 'ok', null, null, null),
    (7, '', 'é', -0.5, 1e300, 1, false, '2026-02-28', '2026-11-21 09:28:42.500001+00', '\\x00fe', null, null, '[]', null, null, null, null, null),
    (8, 'é', 'abc', 2, 2, 9007199254740993, null, null, null, null, null, null, '"x"', null, null, null, null, null),
    (9, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
END
    sql "create publication cdc_v_$NAME for table $NAME.v"
    t cdc-snapshot -q --name v --offset-file "$DIR/offset" -t "$NAME.v" "$URL" >"$IN"
    local line ours theirs failed=
    while IFS= read -r line; do
        theirs=${line#* -- } ours=${line%% -- *}
        theirs=$(PGOPTIONS="-c TimeZone=UTC" sql_file -c "select id from $NAME.v where $theirs order by id" 2>&1 | paste -sd' ')
        ours=$(t cdc-filter -q --where "$ours" <"$IN" 2>&1 | sed -n 's/.*"op":"r".*"key":{"id":\([0-9]*\)}.*/\1/p; /error:/p' | paste -sd' ')
        [ "$ours" = "$theirs" ] || { echo "$line: PostgreSQL chooses [$theirs], the filter [$ours]" && failed=yes; }
    done < <(conditions)
    [ -z "$failed" ]
}

@test "from PostgreSQL with the default identity: a condition that the log cannot tell of old rows" {
    sql "create table $NAME.other (id int primary key)"
    sql "create table $NAME.u (id int primary key, region text, total numeric(10,2))"
    sql "insert into $NAME.u select i, (array['EU', 'US'])[i % 2 + 1], i from generate_series(1, 200) i"
    spawn_line "{ cdc-snapshot $(source_options) && exec pg-cdc --heartbeat 1 $(source_options); } | cdc-filter --where 'u:region = '\''EU'\''' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    wait_until -t 60 has_member "$SPAWNED" pg-cdc
    sql "update $NAME.u set region = case region when 'EU' then 'US' else 'EU' end where id % 3 = 0; update $NAME.u set id = id + 500, region = 'US' where id % 7 = 0; update $NAME.u set id = id + 1000, region = 'EU' where id % 11 = 0; delete from $NAME.u where id % 5 = 0; insert into $NAME.other values (1)"
    wait_confirmed "$SLOT" || { cat "$DIR/err"; return 1; }
    sql_file -c "select json_build_array(id, region, total::text) from $NAME.u where region = 'EU'" >"$DIR/expected"
    copy "select json_array(id, region, total) from u" >"$DIR/actual"
    python3 "$LIB/compare.py" "$DIR/expected" "$DIR/actual"
    is "another table" 1 "$(copy 'select count(*) from other')"
}
