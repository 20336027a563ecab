#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter's shapes: a share of the rows, nested values as columns, an outbox's rows as events, plain rows.
# takes: 30 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines

setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
}

shapes() { python3 "$LIB/shapes.py" "$@"; }
# ends STATUS COMMAND...
ends() {
    local expected=$1 status=0
    shift
    "$@" >"$DIR/refused" 2>"$DIR/err" || status=$?
    is status "$expected" $status || { cat "$DIR/err"; return 1; }
}
says() { grep -qF -- "$1" "$DIR/err" || fail "not said: $1: $(cat "$DIR/err")"; }

# -- sample

# A row with each id up to N.
each_row() {
    seq 1 "$1" | awk '{ printf "{\"op\":\"r\",\"pos\":\"%08d\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"public\",\"table\":\"t\"},\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d}}\n", $1, $1, $1 }'
}

@test "--sample: what is left is the same as of the rows whose key is one, whatever changes, and with another run in between" {
    for seed in $(seq 1 5); do
        shapes lines "$seed" >"$IN"
        # Which keys are in it: asked with one row each.
        { head -1 "$IN"; each_row 400; } | t cdc-filter --sample 30% --sample-seed "$seed" | jq -c 'select(.op == "r") | .key.id' | sort >"$DIR/keys"
        half=$(grep -n '"op":"schema"' "$IN" | sed -n '2s/:.*//p')
        head -$((half - 1)) "$IN" | t cdc-filter --sample 30% --sample-seed "$seed" >"$DIR/one"
        tail -n +"$half" "$IN" | t cdc-filter --sample 30% --sample-seed "$seed" >"$DIR/two"
        shapes rows "$DIR/one" "$DIR/two" >"$DIR/actual"
        shapes rows "$IN" | jq -c --slurpfile keys "$DIR/keys" 'select(.id as $id | $keys | index($id))' | jq -cS . | sort >"$DIR/expected"
        jq -cS . "$DIR/actual" | sort | diff "$DIR/expected" - || fail "seed $seed"
        [ "$(wc -l <"$DIR/actual")" -gt 20 ]
        whole_lines "$DIR/two"
    done
}

@test "--sample: the share is what it says, a smaller one is in a larger one, and other seeds take other rows" {
    { schema id id:integer v:text; each_row 20000; } >"$IN"
    ids() { t cdc-filter --sample "$@" <"$IN" | jq -c 'select(.op == "r") | .key.id' | sort; }
    ids 5% >"$DIR/5"
    ids 0.2 >"$DIR/20"
    ids 5% --sample-seed other >"$DIR/other"
    n=$(wc -l <"$DIR/5")
    [ "$n" -gt 850 ] && [ "$n" -lt 1150 ] || fail "5% of 20000: $n"
    is "of 5% in 20%" "$n" "$(comm -12 "$DIR/5" "$DIR/20" | wc -l)"
    [ "$(comm -12 "$DIR/5" "$DIR/other" | wc -l)" -lt 150 ]
    is all 20000 "$(ids 100% | wc -l)"
    is "a number and its digits" "$(ids 5% | sum)" "$(sed 's/"key":{"id":\([0-9]*\)}/"key":{"id":"\1"}/' "$IN" | t cdc-filter --sample 5% | jq -r 'select(.op == "r") | .key.id' | sort | sum)"
}

@test "--sample: tables by name, other lines pass, commit lines count, and what cannot be is refused" {
    { schema id id:integer; for id in 1 2 3 4 5 6 7 8 9; do change c "{\"id\":$id}" null "{\"id\":$id}"; done; line t '"x":1'; commit; TABLE=other schema id id:integer; TABLE=other change c '{"id":1}' null '{"id":1}'; commit; } >"$IN"
    t cdc-filter --sample t:0.0001% <"$IN" >"$DIR/out"
    is lines 'schema t commit schema c commit' "$(jq -r .op "$DIR/out" | xargs)"
    is events 1 "$(jq -r 'select(.op == "commit") | .events' "$DIR/out" | head -1)"
    for rate in 0 101% 1.1 x 5%% . -1 % 1e9 t: :5%; do ends 64 t cdc-filter --sample "$rate" <"$IN"; done
    ends 64 t cdc-filter --sample-seed x <"$IN"
    { schema '' v:text; line c '"before":null,"after":{"v":"x"}'; } >"$IN"
    ends 78 t cdc-filter --sample 5% <"$IN"
    says 'has no key'
    { schema id id:integer v:text; for id in $(seq 1 40); do change u "{\"id\":$id}" "{\"id\":$((id + 100))}" "{\"id\":$id}" '["v"]'; done; } >"$IN"
    ends 78 t cdc-filter --sample 50% <"$IN"
    says 'has not all of it'
}

# -- flatten

@test "--flatten: rows with nested values, changed at random, end as the flattened ones, in a copy as well, and over a restart" {
    for seed in $(seq 1 5); do
        shapes lines "$seed" >"$IN"
        half=$(grep -n '"op":"schema"' "$IN" | sed -n '2s/:.*//p')
        rm -f "$DIR/db" "$DIR/o"
        head -$((half - 1)) "$IN" | t cdc-filter --flatten t:doc >"$DIR/one"
        tail -n +"$half" "$IN" | t cdc-filter --flatten '*' >"$DIR/two"
        shapes flatten "$seed" | jq -cS . | sort >"$DIR/expected"
        shapes rows "$DIR/one" "$DIR/two" | jq -cS . | sort | diff "$DIR/expected" - || fail "seed $seed"
        for run in one two; do
            t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/db" <"$DIR/$run"
            # Each column of a row is one of the newest schema line.
            jq -n '[foreach inputs as $x ({names: [], bad: []}; if $x.op == "schema" then .names = [$x.columns[].name] elif $x.after then .bad = ($x.after | keys) - .names else . end; .bad[])] | length' "$DIR/$run" >"$DIR/bad"
            is "columns without a schema line" 0 "$(cat "$DIR/bad")"
            is "positions" "$(jq -r .pos "$DIR/$run" | LC_ALL=C sort -u | wc -l)" "$(wc -l <"$DIR/$run")"
        done
        sqlite3 -json "$DIR/db" 'select * from t' | jq -cS '.[] | with_entries(select(.value != null) | if (.key | startswith("doc")) then .value |= fromjson else . end)' | sort | diff "$DIR/expected" - || fail "seed $seed, copy"
    done
}

@test "--flatten: a table that is read again gets the columns that its rows have, in a copy that has it and in a new one" {
    nested() { change r "{\"id\":$1}" null "{\"id\":$1,\"doc\":$2,\"v\":\"v$1\"}"; }
    of_table() { schema id id:integer doc:jsonb v:text; }
    # Rows with new members come after others have been stored.
    { of_table; nested 1 '{"a":1,"z":1}'; nested 2 '{"z":2}'; commit; } | t cdc-filter --flatten t:doc >"$DIR/before"
    for read in begin live; do
        { line t "\"read\":\"$read\""; of_table; nested 1 '{"a":2}'; commit; nested 3 '{"b":{"c":3}}'; commit; nested 4 '[4]'; commit
          of_table | sed 's/}$/,"read":"end","since":110}/'; commit; } | sed 's/\(0000[0-9]*\)\./9\1./g; s/"seq":/&9/' | t cdc-filter --flatten t:doc >"$DIR/read"
        for before in "$DIR/before" /dev/null; do
            rm -f "$DIR/db" "$DIR/o"
            t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/db" <"$before"
            t cdc-sink-sqlite --batch-events 1 --offset-file "$DIR/o" "$DIR/db" <"$DIR/read"
            is "$read rows" '1|2|||v1 3||3||v3 4|||4|v4' "$(sqlite3 "$DIR/db" 'select id, doc_a, doc_b_c, doc_0, v from t order by id' | xargs -d '\n')"
            is "$read columns" 'doc doc_0 doc_a doc_b_c id v' "$(sqlite3 "$DIR/db" "select name from pragma_table_info('t') order by 1" | xargs)"
        done
    done
}

@test "--flatten: a row of a table without a key is found by what it has" {
    { schema '' id:integer doc:jsonb; line c '"before":null,"after":{"id":1,"doc":{"a":1}}'; line c '"before":null,"after":{"id":1,"doc":{"b":1}}'; line c '"before":null,"after":{"id":2,"doc":5}'; commit
      line u '"before":{"id":1,"doc":{"a":1}},"after":{"id":1,"doc":{"c":2}}'; line d '"before":{"id":2,"doc":5},"after":null'; commit; } |
        t cdc-filter --flatten t:doc | t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/db"
    is rows '1|||1|,1||||2' "$(sqlite3 "$DIR/db" 'select id, doc, doc_a, doc_b, doc_c from t order by doc_c' | paste -sd,)"
}

@test "--flatten: with options for privacy no message and no redacted letter has a member of a value" {
    { schema id id:integer doc:json mail:text; change c '{"id":1}' null '{"id":1,"mail":"m","doc":{"alice@x":{"b":1},"alice@x_b":2}}'; commit; } >"$IN"
    t cdc-filter --flatten doc --mask mail=redact --on-error dead-letter --dead-letter "$DIR/dead" --dead-letter-lines redacted <"$IN" >"$DIR/out" 2>"$DIR/err"
    grep -q 'column \\"doc\\" of table' "$DIR/dead"
    not grep -q alice "$DIR/dead" "$DIR/err" "$DIR/out"
    t cdc-filter --flatten doc --on-error skip <"$IN" 2>&1 >/dev/null | grep -q 'alice@x_b'
}

@test "--flatten: what cannot be true is refused, and nothing of it leaves" {
    doc() { schema id id:integer doc:jsonb "${1:-doc_x:text}"; }
    { doc; change c '{"id":1}' null '{"id":1,"doc":{"x":1}}'; } >"$IN"
    ends 65 t cdc-filter --flatten t:doc <"$IN"
    says "one of the table's own"
    { doc v:text; change c '{"id":1}' null '{"id":1,"doc":{"a_b":1,"a":{"b":2}}}'; change c '{"id":2}' null '{"id":2,"doc":{"z":1}}'; } >"$IN"
    ends 65 t cdc-filter --flatten t:doc <"$IN"
    says 'would be made of two values'
    t cdc-filter --flatten t:doc --on-error skip <"$IN" >"$DIR/out" 2>/dev/null
    is columns '["id","doc","v"] ["id","doc","v","doc_z"]' "$(jq -c 'select(.op == "schema") | [.columns[].name]' "$DIR/out" | xargs -d '\n')"
    { doc v:text; change u '{"id":1}' null '{"id":1,"doc":{"a":1}}'; } >"$IN"
    ends 78 t cdc-filter --flatten t:doc <"$IN"
    says 'does not say what it was'
    { doc v:text; change u '{"id":1}' null '{"id":1,"v":"x"}' '["doc"]'; } >"$IN"
    ends 78 t cdc-filter --flatten t:doc <"$IN"
    change c '{"id":1}' null '{"id":1,"doc":{}}' >"$IN"
    ends 65 t cdc-filter --flatten t:doc <"$IN"
    doc v:text >"$IN"
    ends 78 t cdc-filter --flatten t:nothing <"$IN"
    t cdc-filter --flatten t:nothing --allow-unknown <"$IN" >/dev/null
    ends 78 t cdc-filter --flatten t:v <"$IN"
    schema doc doc:jsonb >"$IN"
    ends 78 t cdc-filter --flatten t:doc <"$IN"
    jq -cn '{a: [range(1001)]}' | { doc v:text; read -r many; change c '{"id":1}' null "{\"id\":1,\"doc\":$many}"; } >"$IN"
    ends 78 t cdc-filter --flatten t:doc <"$IN"
}

@test "--flatten: values stay byte for byte, and columns are chosen and renamed by their new names" {
    { schema id id:integer doc:jsonb; change c '{"id":1}' null '{"id":1,"doc":{"n":1.10,"big":12345678901234567890,"s":"\u00e9","e":{},"l":[[1],{"k":null}]}}'; } >"$IN"
    t cdc-filter --flatten t:doc <"$IN" >"$DIR/out"
    is after '{"id":1,"doc_n":1.10,"doc_big":12345678901234567890,"doc_s":"\u00e9","doc_e":{},"doc_l_0_0":1,"doc_l_1_k":null}' "$(sed -n 's/.*"after":\({.*}\),"json_null".*/\1/p' "$DIR/out")"
    is nulls '["doc_l_1_k"]' "$(jq -c 'select(.op == "c") | .json_null' "$DIR/out")"
    t cdc-filter --flatten t:doc --drop-columns doc_big,doc_e,doc_l_0_0,doc_l_1_k --rename-column doc_n=n <"$IN" >"$DIR/out"
    is chosen '{"id":1,"n":1.10,"doc_s":"\u00e9"}' "$(sed -n 's/.*"after":\({.*}\),"json_null".*/\1/p' "$DIR/out")"
}

# -- outbox

outbox() { TABLE=outbox schema id id:uuid aggregatetype:text aggregateid:text type:text payload:jsonb; }
event() { TABLE=outbox change "${3:-c}" "{\"id\":\"$1\"}" null "{\"id\":\"$1\",\"aggregatetype\":\"$2\",\"aggregateid\":\"7\",\"type\":\"X\",\"payload\":{\"n\":$POS}}"; }

@test "--outbox: inserts become events under their aggregatetype, each after a schema line; deletes and truncates are nothing, updates are told" {
    { outbox; event e1 order; event e2 customer; TABLE=outbox change d '{"id":"e1"}' '{"id":"e1"}' null; event e3 order; TABLE=outbox change u '{"id":"e3"}' null '{"id":"e3"}'; TABLE=outbox line t '"x":1'; commit; outbox; event e4 order r; commit; } >"$IN"
    t cdc-filter --outbox public.outbox <"$IN" >"$DIR/out" 2>"$DIR/err"
    is lines 'schema outbox.event.order c outbox.event.order schema outbox.event.customer c outbox.event.customer c outbox.event.order commit null schema outbox.event.order r outbox.event.order commit null' "$(jq -r '.op, .source.table' "$DIR/out" | xargs)"
    is events 3 "$(jq -r 'select(.op == "commit") | .events' "$DIR/out" | head -1)"
    is key '{"id":"e1"}' "$(jq -c 'select(.op == "c") | .key' "$DIR/out" | head -1)"
    says 'warning: --outbox: 1 updates'
    jq -r .pos "$DIR/out" | LC_ALL=C sort -c -u
    t cdc-sink-sqlite --offset-file "$DIR/o" "$DIR/db" <"$DIR/out"
    is rows 'e1 e3 e4' "$(sqlite3 "$DIR/db" 'select id from "outbox.event.order" order by id' | xargs)"
    is payload '{"n":2}' "$(sqlite3 "$DIR/db" 'select payload from "outbox.event.customer"')"
}

@test "--outbox: that events are missing where a table is read is told, at the first row of a snapshot and at each further read" {
    { outbox; event e1 order; commit; } >"$IN"
    t cdc-filter --outbox outbox <"$IN" >/dev/null 2>"$DIR/err"
    not grep -q 'read again' "$DIR/err"
    { outbox; event e1 order r; event e2 order r; commit; TABLE=outbox read_begin; outbox; event e1 order r; TABLE=outbox read_end id id:uuid aggregatetype:text aggregateid:text type:text payload:jsonb; commit; } >"$IN"
    t cdc-filter --outbox outbox <"$IN" >"$DIR/out" 2>"$DIR/err"
    is events 'e1 e2 e1' "$(jq -r 'select(.op == "r").key.id' "$DIR/out" | xargs)"
    is warnings 2 "$(grep -c 'warning: --outbox: table "outbox"' "$DIR/err")"
    says 'begin such a pipeline without cdc-snapshot'
    says 'table "outbox" is read again: events whose rows were deleted before that may be missing'
}

@test "--outbox: names of its own, another key, another prefix, and one event in the place of the outbox's position each time" {
    { TABLE=outbox schema id id:uuid kind:text aggregateid:text type:text payload:text; TABLE=outbox change c '{"id":"e1"}' null '{"id":"e1","kind":"order","aggregateid":"7","type":"X","payload":"p"}'; commit; } >"$IN"
    t cdc-filter --outbox outbox --outbox-column aggregatetype=kind --outbox-key aggregateid --outbox-prefix ev- <"$IN" >"$DIR/out"
    is names 'ev-order ev-order' "$(jq -r '.source.table // empty' "$DIR/out" | xargs)"
    is key '{"aggregateid":"7"} ["aggregateid"]' "$(jq -c 'select(.op == "c") | .key' "$DIR/out") $(jq -c 'select(.op == "schema") | .key_columns' "$DIR/out")"
    t cdc-filter --outbox outbox --outbox-column aggregatetype=kind --unwrap drop <"$IN" >"$DIR/out"
    is row '{"id":"e1","kind":"order","aggregateid":"7","type":"X","payload":"p"}' "$(cat "$DIR/out")"
}

@test "--outbox-key: a mask under which two events could have one key is refused; hash keeps them apart" {
    { outbox; event e1 order; event e2 order; commit; } >"$IN"
    local mask
    for mask in redact partial null; do
        ends 78 t cdc-filter --outbox outbox --outbox-key aggregateid --mask "aggregateid=$mask" <"$IN"
        says 'column "aggregateid" is of the key of table "outbox"'
    done
    (umask 077; printf 'ab%.0s' {1..32} >"$DIR/key")
    t cdc-filter --outbox outbox --outbox-key id --mask id=hash --mask-key "$DIR/key" --mask aggregateid=redact <"$IN" >"$DIR/out"
    is keys 2 "$(jq -c 'select(.op == "c").key.id' "$DIR/out" | sort -u | wc -l)"
}

@test "--outbox: a table of an event's name, a column that is missing, and a row that names no kind are refused" {
    { outbox; event e1 order; TABLE=outbox.event.order schema id id:integer; } >"$IN"
    ends 78 t cdc-filter --outbox outbox <"$IN"
    says "has the name of an outbox's events"
    { TABLE=outbox.event.order schema id id:integer; outbox; event e1 order; } >"$IN"
    ends 78 t cdc-filter --outbox outbox <"$IN"
    TABLE=outbox schema id id:uuid aggregatetype:text >"$IN"
    ends 78 t cdc-filter --outbox outbox <"$IN"
    says 'no column "aggregateid"'
    { outbox; event e1 ''; } >"$IN"
    ends 65 t cdc-filter --outbox outbox <"$IN"
    event e1 order >"$IN"
    ends 65 t cdc-filter --outbox outbox <"$IN"
    ends 64 t cdc-filter --outbox outbox --outbox-column kind=type </dev/null
    ends 64 t cdc-filter --outbox-key id </dev/null
}

# -- unwrap

rows_in() {
    { schema id id:integer v:text; change c '{"id":1}' null '{"id":1,"v":1.10}'; change u '{"id":1}' null '{"id":1}' '["v"]'; change u '{"id":2}' '{"id":1}' '{"id":2,"v":"x"}'
      change d '{"id":2}' '{"id":2,"v":"x"}' null; change d '{"id":3}' null null; line t '"x":1'; commit; } >"$IN"
}

@test "--unwrap: only rows, byte for byte; deletes as chosen; what rows cannot say is told" {
    rows_in
    t cdc-filter --unwrap drop <"$IN" >"$DIR/out" 2>"$DIR/err"
    is rows '{"id":1,"v":1.10} {"id":1} {"id":2,"v":"x"}' "$(xargs -d '\n' <"$DIR/out")"
    says '1 truncates'
    says '3 deletes were no lines'
    says '1 values that the log did not carry'
    t cdc-filter --unwrap mark <"$IN" >"$DIR/out" 2>/dev/null
    is rows '{"id":1,"v":1.10,"__deleted":false} {"id":1,"__deleted":false} {"id":1,"__deleted":true} {"id":2,"v":"x","__deleted":false} {"id":2,"v":"x","__deleted":true} {"id":3,"__deleted":true}' "$(xargs -d '\n' <"$DIR/out")"
    ends 78 t cdc-filter --unwrap refuse <"$IN"
    { schema id id:integer __deleted:text; change c '{"id":1}' null '{"id":1,"__deleted":"x"}'; } >"$IN"
    ends 78 t cdc-filter --unwrap mark <"$IN"
}

@test "--unwrap: that one of several tables under one name is emptied, or read again, is told as of any table" {
    { for SCHEMA in a b; do schema id id:integer; read_begin; change r '{"id":1}' null '{"id":1}'; line t '"x":1'; done; } >"$IN"
    t cdc-filter --route '?.t=all.t' --unwrap drop <"$IN" >"$DIR/out" 2>"$DIR/err"
    is rows '{"id":1,"source_table":"a.t"} {"id":1,"source_table":"b.t"}' "$(tr '\n' ' ' <"$DIR/out" | sed 's/ $//')"
    says '4 truncates, or beginnings of reads, were no lines'
}

@test "--tombstones: key and value, and null after what was deleted, also under an old key; not without --unwrap" {
    rows_in
    t cdc-filter --unwrap drop --tombstones <"$IN" >"$DIR/out" 2>/dev/null
    is lines '{"key":{"id":1},"value":{"id":1,"v":1.10}} {"key":{"id":1},"value":{"id":1}} {"key":{"id":1},"value":null} {"key":{"id":2},"value":{"id":2,"v":"x"}} {"key":{"id":2},"value":null} {"key":{"id":3},"value":null}' "$(xargs -d '\n' <"$DIR/out")"
    t cdc-filter --unwrap mark --tombstones <"$IN" 2>/dev/null | jq -c 'select(.key.id == 2)' >"$DIR/out"
    is marked '{"key":{"id":2},"value":{"id":2,"v":"x","__deleted":false}} {"key":{"id":2},"value":{"id":2,"v":"x","__deleted":true}} {"key":{"id":2},"value":null}' "$(xargs -d '\n' <"$DIR/out")"
    # The newest value of each key, as a compacted log has it, is what the rows end as.
    shapes lines 3 >"$IN"
    t cdc-filter --unwrap drop --tombstones <"$IN" | jq -cn 'reduce inputs as $x ({}; .[$x.key | tojson] = $x.value) | .[] | select(. != null)' | jq -cS . | sort >"$DIR/actual"
    jq -cn 'reduce inputs as $x ({}; if $x.key then (if $x.before then del(.[{id: $x.before.id} | tojson]) else . end) | (if $x.after then .[$x.key | tojson] = $x.after else del(.[$x.key | tojson]) end) else . end) | .[]' "$IN" | jq -cS . | sort | diff - "$DIR/actual"
    ends 64 t cdc-filter --tombstones </dev/null
    says 'debezium,tombstones'
    ends 64 t cdc-filter --unwrap drop --to debezium </dev/null
    { schema '' v:text; line d '"before":{"v":"x"},"after":null'; } >"$IN"
    ends 78 t cdc-filter --unwrap drop --tombstones <"$IN"
}

@test "--explain says what an outbox and plain rows are" {
    { TABLE=outbox schema id id:uuid kind:text aggregateid:text type:text payload:json; TABLE=t schema id id:integer v:text; } >"$IN"
    t cdc-filter --explain --outbox outbox --outbox-column aggregatetype=kind --outbox-key aggregateid --unwrap mark <"$IN" >"$DIR/out"
    is outbox 'public.outbox leaves as public.outbox.event.*, each insert an event with the name that is in "kind"; no updates, deletes and truncates; only the row, with "__deleted"' "$(head -1 "$DIR/out")"
    is rows 'public.t leaves as public.t, only the row, with "__deleted"' "$(grep '^public.t ' "$DIR/out")"
    t cdc-filter --explain --json --outbox outbox --outbox-column aggregatetype=kind --outbox-key aggregateid <"$IN" >"$DIR/out"
    is key aggregateid "$(jq -r '.tables[0] | select(.leaves) | .columns[] | select(.key).becomes' "$DIR/out")"
    t cdc-filter --explain --to debezium <"$IN" | grep -q 'leaves as public.t, in another form (--to)'
}

@test "--explain says what is sampled and flattened" {
    schema id id:integer doc:jsonb >"$DIR/in"
    is "said" "public.$TABLE leaves as public.$TABLE, a sample of the rows: 2.5%
  COLUMN  LEAVES AS  CLEAR  HOW
  id      id         yes
  doc     doc        yes    what is in objects and arrays becomes columns of their own" "$(t cdc-filter --explain --sample 2.5% --flatten doc <"$DIR/in")"
}

# -- several sources

@test "tables of one name in the lines of two sources: each has its own columns and schema lines" {
    of() { SOURCE_NAME=$1; shift; POS=$((POS + 1)); "$@"; }
    {
        of a schema id id:integer doc:jsonb
        of b schema k k:text doc:json more:text
        of a change c '{"id":1}' null '{"id":1,"doc":{"x":1}}'
        of b change c '{"k":"z"}' null '{"k":"z","doc":{"x":1,"y":2},"more":null}'
        of a change c '{"id":2}' null '{"id":2,"doc":{"y":2}}'
    } >"$IN"
    t cdc-filter --flatten doc <"$IN" >"$DIR/out"
    jq -c 'select(.op == "schema") | [.source.name, (.columns | map(.name))]' "$DIR/out" >"$DIR/actual"
    printf '%s\n' '["a",["id","doc"]]' '["b",["k","doc","more"]]' '["a",["id","doc","doc_x"]]' '["b",["k","doc","more","doc_x","doc_y"]]' '["a",["id","doc","doc_x","doc_y"]]' | diff - "$DIR/actual"
    # Masked, one of them has a column that the other one lacks, and its rows do not leave before its own schema line.
    t cdc-filter --mask '*:more=redact' <"$IN" >"$DIR/out"
    is masked "null" "$(jq -r 'select(.source.name == "b" and .op == "c").after.more' "$DIR/out")"
    ends 65 t cdc-filter --mask doc=redact < <(sed 2d "$IN")
    {
        for SOURCE_NAME in a b; do schema id id:text aggregatetype:text aggregateid:text type:text payload:text; POS=$((POS + 1)); done
        for SOURCE_NAME in a b; do change c "{\"id\":\"$SOURCE_NAME\"}" null "{\"id\":\"$SOURCE_NAME\",\"aggregatetype\":\"order\",\"aggregateid\":\"1\",\"type\":\"t\",\"payload\":null}"; POS=$((POS + 1)); done
    } >"$IN"
    t cdc-filter --outbox t <"$IN" >"$DIR/out"
    is lines "a schema a c b schema b c" "$(jq -r '.source.name, .op' "$DIR/out" | xargs)"
}
