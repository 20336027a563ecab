#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A transaction ends in the source's state at each destination: random ones against a model (tests/lib/transactions.py), and
# the cases that it was written for, one by one.
#
#   CDC_TEST_SEEDS=20000 tests/run tests/transactions.bats     more of them; CDC_TEST_SEED=7 is the first
# takes: 30 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

setup_file() { opensearch_start; }
teardown_file() { opensearch_stop; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    DB=$DIR/a.db
    IN=$DIR/in
    SEED=${CDC_TEST_SEED:-1} SEEDS=${CDC_TEST_SEEDS:-300}
}
sink() { t cdc-sink-sqlite "$@" "$DB" <"$IN"; }
q() { sqlite3 "$DB" "$1"; }
transactions() { python3 "$LIB/transactions.py" "$1" "$SEED" "$SEEDS" "${@:2}"; }
# rows TABLE...: as `transactions.py expect` prints them
rows() {
    local table
    for table; do
        q "select '$table ' || json_object('a', a, 'big', big, 'k', k, 's', s) from \"$table\""
    done | python3 -c '
import json, sys
lines = (line.rstrip("\n").split(" ", 1) for line in sys.stdin)
for line in sorted(table + " " + json.dumps(json.loads(row), sort_keys=True) for table, row in lines):
    print(line)'
}
same_rows() {
    transactions expect "$@" | LC_ALL=C sort >"$DIR/want"
    rows "$@" | LC_ALL=C sort >"$DIR/got"
    [ -s "$DIR/want" ] && diff "$DIR/want" "$DIR/got" >&2
}

@test "SQLite: random transactions" {
    transactions lines >"$IN"
    sink -q --batch-events 50
    same_rows default full deferred mysql minimal keyless
}

@test "SQLite: random transactions, the input truncated anywhere, and given again from its beginning" {
    SEEDS=$((SEEDS / 4 + 1))
    transactions lines >"$DIR/all"
    local n lines=0
    n=$(wc -l <"$DIR/all")
    RANDOM=$((SEED % 30000))
    while lines=$((lines + 1 + RANDOM % (n / 12))) && [ "$lines" -lt "$n" ]; do
        head -n "$lines" "$DIR/all" >"$IN"
        sink -q --batch-events $((1 + RANDOM % 40)) 2>/dev/null || [ $? -eq 75 ]
    done
    cp "$DIR/all" "$IN"
    sink -q
    same_rows default full deferred mysql minimal keyless
}

@test "SQLite: random transactions of three sources whose lines come in turns, truncated anywhere, and given again" {
    local source table lines=0 n
    SEEDS=$((SEEDS / 20 + 1))
    for source in one two three; do
        SEED=$((SEED + SEEDS)) # each has seeds and tables of its own
        transactions lines | sed "s/\"name\":\"n\"/\"name\":\"$source\"/; s/\"table\":\"/&$source/" >"$DIR/$source"
        transactions expect | sed "s/^/$source/"
    done | LC_ALL=C sort >"$DIR/want"
    python3 - "$SEED" "$DIR"/{one,two,three} >"$DIR/all" <<'P'
import random, sys
chance, left = random.Random(int(sys.argv[1])), [open(name).readlines()[::-1] for name in sys.argv[2:]]
while any(left):
    source = chance.choice([lines for lines in left if lines])
    for _ in range(min(len(source), chance.choice([1, 1, 2, 7, 40]))):
        sys.stdout.write(source.pop())
P
    n=$(wc -l <"$DIR/all")
    RANDOM=$((SEED % 30000))
    while lines=$((lines + 1 + RANDOM % (n / 5))) && [ "$lines" -lt "$n" ]; do
        head -n "$lines" "$DIR/all" >"$IN"
        sink -q --batch-events $((1 + RANDOM % 40)) 2>/dev/null || [ $? -eq 75 ]
        # What every source has complete by then is stored, whatever the others are in the middle of.
        for source in one two three; do
            is "position of $source after $lines lines" "$(grep "\"name\":\"$source\"" "$IN" | grep '"op":"commit"' | tail -1 | jq -r .pos)" "$(jq -r ".offsets.$source.pos // \"\"" "$DB.offset")"
        done
    done
    cp "$DIR/all" "$IN"
    sink -q
    for source in one two three; do
        is "lines of $source" "$(grep -c '"op":"[cud]"' "$DIR/$source")" "$(jq ".offsets.$source.lines" "$DB.offset")"
        rows "$source"{default,full,deferred,mysql,minimal,keyless}
    done >"$DIR/rows"
    LC_ALL=C sort "$DIR/rows" >"$DIR/got"
    [ -s "$DIR/want" ] && diff "$DIR/want" "$DIR/got" >&2
}

@test "SQLite: a line that waited for another source is refused under its own number; what waited before a refused one is stored" {
    from() { SOURCE_NAME=$1 TABLE=$1; }
    {
        for source in a b c; do from $source; schema id id:integer; done
        from a; change c '{"id":1}' null '{"id":1}'
        from b; change c '{"id":1}' null '{"id":1,"no":"such column"}'
        from a; commit
        from b; commit
    } >"$IN"
    run -65 --separate-stderr sink
    [[ $stderr == *"line 5: "* ]] || fail "$stderr"
    is "sources with a position" a "$(jq -r '.offsets | keys[]' "$DB.offset" | xargs)"
    run -0 --separate-stderr sink --on-error=skip
    [[ $stderr == *"line 5 skipped"* ]] || fail "$stderr"
    rm -f "$DB"*
    {
        for source in a b c; do from $source; schema id id:integer; done
        from a; change c '{"id":1}' null '{"id":1}'
        from c; change c '{"id":1}' null '{"id":1}'
        commit
        from b; change c '{"id":1}' null '{"id":1}'
        # Of the same transaction as the first one.
        SEQ=$((SEQ - 10)) POS=50
        from a; change c '{"id":2}' null '{"id":2,"no":"such column"}'
    } >"$IN"
    run -65 --separate-stderr sink
    [[ $stderr == *"line 8: "* ]] || fail "$stderr"
    is "rows" 1 "$(q 'select count(*) from c')"
    is "sources with a position" c "$(jq -r '.offsets | keys[]' "$DB.offset" | xargs)"
}

@test "SQLite: a refused line, and one that waited of another server: what was complete before both is stored with its position" {
    from() { SOURCE_NAME=$1 TABLE=$1; }
    server() { sed "s/\"db\":\"d\"/&,\"system_id\":\"$1\"/"; }
    # two REFUSED: a's transaction is complete, b's is open, and a line of a waits for it: then b's REFUSED.
    two() {
        for source in a b; do from $source; schema id,note id:integer note:text; done
        from a; change c '{"id":1,"note":"a"}' null '{"id":1,"note":"a"}'
        commit | server 111; tx
        from b; change c '{"id":1,"note":"b"}' null '{"id":1,"note":"b"}'
        from a; commit | server 222
        from b; change c '{"id":2}' null "$1"
        commit | server 111
    }
    two '{"id":2,"note":"b","no":"such column"}' >"$IN"
    run -65 --separate-stderr sink
    is "rows" 1 "$(q 'select count(*) from a')"
    is "sources with a position" a "$(jq -r '.offsets | keys[]' "$DB.offset" | xargs)"
    # A trigger ends the whole transaction: neither the rows nor the position.
    rm "$DB"*
    { from b; schema id,note id:integer note:text; commit | server 111; } >"$IN"
    sink
    q "create trigger never before insert on b when new.note = 'never' begin select raise(rollback, 'never'); end"
    tx
    two '{"id":2,"note":"never"}' >"$IN"
    run -78 --separate-stderr sink
    is "tables" 0 "$(q "select count(*) from sqlite_master where name = 'a'")"
    is "sources with a position" b "$(jq -r '.offsets | keys[]' "$DB.offset" | xargs)"
}

@test "SQLite: random transactions that a snapshot has read already" {
    transactions again full deferred mysql >"$IN"
    sink -q
    same_rows full deferred mysql
}

@test "SQLite: keys that move through each other: shifted, swapped, rows that leave again, equal rows" {
    {
        schema id id:integer name:text
        for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"r$i\"}"; done
        commit
        for i in 1 2 3; do change u "{\"id\":$((i + 1))}" "{\"id\":$i,\"name\":\"r$i\"}" "{\"id\":$((i + 1)),\"name\":\"r$i\"}"; done
        commit
    } >"$IN"
    sink
    is shifted $'2|r1\n3|r2\n4|r3' "$(q 'select * from t order by id')"
    {
        schema id id:integer name:text
        change u '{"id":3}' '{"id":2,"name":"r1"}' '{"id":3,"name":"r1"}'
        change u '{"id":2}' '{"id":3,"name":"r2"}' '{"id":2,"name":"r2"}'
        commit
    } >"$IN"
    sink
    is swapped $'2|r2\n3|r1\n4|r3' "$(q 'select * from t order by id')"
    {
        schema id id:integer name:text
        change u '{"id":3}' '{"id":2,"name":"r2"}' '{"id":3,"name":"r2"}'
        change u '{"id":3}' '{"id":3,"name":"r1"}' '{"id":3,"name":"R1"}'
        change u '{"id":9}' '{"id":3,"name":"r2"}' '{"id":9,"name":"r2"}'
        change c '{"id":4}' null '{"id":4,"name":"new"}'
        change d '{"id":4}' '{"id":4,"name":"r3"}' null
        commit
    } >"$IN"
    sink
    is "left again, and replaced" $'3|R1\n4|new\n9|r2' "$(q 'select * from t order by id')"
    {
        TABLE=o
        schema id id:integer
        for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i}"; done
        commit
        for i in 1 2 3; do change u "{\"id\":$((i + 1))}" "{\"id\":$i}" "{\"id\":$((i + 1))}"; done
        commit
    } >"$IN"
    sink
    is "rows that differ by their keys alone" "2 3 4" "$(q 'select id from o order by id' | paste -sd' ')"
    {
        TABLE=e
        schema id id:integer name:text
        for i in 1 2; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"r$i\"}"; done
        commit
        change u '{"id":2}' '{"id":1,"name":"r1"}' '{"id":2,"name":"r1"}'
        line t '"key":null'
        change c '{"id":2}' null '{"id":2,"name":"new"}'
        change d '{"id":2}' '{"id":2,"name":"new"}' null
        change c '{"id":3}' null '{"id":3,"name":"last"}'
        commit
    } >"$IN"
    sink
    is "emptied while one of two rows with a key waited" "3|last" "$(q 'select * from e')"
}

@test "SQLite: a schema line among keys that move through each other: the rows that wait stay, with the columns that it has" {
    rows() { q 'select * from t order by id'; }
    shift_of() { change u "{\"id\":$(($1 + 1))}" "{\"id\":$1,\"rowid\":\"r$1\"$2}" "{\"id\":$(($1 + 1)),\"rowid\":\"r$1\"$2}"; }
    {
        schema id id:integer rowid:text gone:text
        for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i,\"rowid\":\"r$i\",\"gone\":\"g\"}"; done
        commit
        shift_of 1 ',"gone":"g"'
        schema id id:integer rowid:text gone:text
        shift_of 2 ',"gone":"g"'
        shift_of 3 ',"gone":"g"'
        commit
    } >"$IN"
    sink
    is "the same columns again" $'2|r1|g\n3|r2|g\n4|r3|g' "$(rows)"
    {
        schema id id:integer rowid:text gone:text
        change u '{"id":3}' '{"id":2,"rowid":"r1","gone":"g"}' '{"id":3,"rowid":"r1","gone":"g"}'
        schema id new:integer id:bigint rowid:text
        change u '{"id":4}' '{"new":null,"id":3,"rowid":"r2"}' '{"new":5,"id":4,"rowid":"r2"}'
        change d '{"id":4}' '{"new":null,"id":4,"rowid":"r3"}' null
        commit
    } >"$IN"
    sink
    is "others, in another order" $'3|r1|\n4|r2|5' "$(q 'select id, "rowid", "new" from t order by id')"
    {
        schema id id:integer rowid:text
        change u '{"id":4}' '{"id":3,"rowid":"r1"}' '{"id":4,"rowid":"r1"}'
        schema '' id:integer rowid:text
        change d null '{"id":4,"rowid":"r2"}' null
        commit
    } >"$IN"
    run -78 --separate-stderr sink
    is "the key is gone: nothing of the transaction" $'3|r1\n4|r2' "$(q 'select id, "rowid" from t order by id')"
}

@test "SQLite: a line that is refused is not applied in part: the moved row, RAISE(FAIL), as the first of its transaction" {
    {
        schema id id:integer n:integer
        change c '{"id":1}' null '{"id":1,"n":1}'
        commit
    } >"$IN"
    sink
    q "create trigger no before update on t when new.n > 50 begin select raise(fail, 'too much'); end;
       create trigger late after insert on t when new.n > 50 begin select raise(fail, 'too much'); end"
    cp "$DB" "$DIR/first.db"
    {
        schema id id:integer n:integer
        change c '{"id":2}' null '{"id":2,"n":2}'
        commit
        change u '{"id":3}' '{"id":1,"n":1}' '{"id":3,"n":99}'
        change c '{"id":4}' null '{"id":4,"n":99}'
        commit
    } >"$IN"
    run -65 sink
    is "stopped: the transaction before is stored, nothing of the line" $'1|1\n2|2' "$(q 'select * from t order by id')"
    { schema id id:integer n:integer; change c '{"id":5}' null '{"id":5,"n":5}'; commit; change c '{"id":6}' null '{"id":6,"n":99}'; } >"$IN"
    run -65 sink
    is "as the first of its transaction" 0 "$(q 'select count(*) from t where id = 6')"
    rm -f "$DB"* && cp "$DIR/first.db" "$DB"
    {
        schema id id:integer n:integer
        change u '{"id":3}' '{"id":1,"n":1}' '{"id":3,"n":99}'
        change c '{"id":4}' null '{"id":4,"n":99}'
        change c '{"id":5}' null '{"id":5,"n":5}'
        commit
    } >"$IN"
    sink --on-error=dead-letter --dead-letter "$DIR/dead"
    is "dead letters" 2 "$(wc -l <"$DIR/dead")"
    # But the row that moved is not under its old key any more, as in an index.
    is "nothing of the refused ones is there" "5|5" "$(q 'select * from t order by id')"
}

@test "SQLite: a NULL or a missing part in a key, an old row that could be any, an empty row: exit 65, never some other row" {
    local key='{"id":null}'
    lines_with() { { schema id id:integer a:text; change c '{"id":1}' null '{"id":1,"a":"x"}'; commit; "$@"; commit; } >"$IN"; }
    for line in "c $key null {\"id\":null,\"a\":\"y\"}" "u $key null {\"id\":null,\"a\":\"y\"}" "d $key $key null" \
        "u {\"id\":1} {\"id\":null,\"a\":null} {\"id\":1,\"a\":\"y\"}" "d {} null null"; do
        rm -f "$DB"*
        # shellcheck disable=SC2086
        lines_with change $line
        run -65 sink
        is "$line" "1|x" "$(q 'select * from t')"
    done
    for line in 'd null {} null' 'd null {"a":"1"} null' 'u null {} {"a":"2","b":"k"}' 'u null {"a":"1","b":"x"} {}' 'c null null {}'; do
        rm -f "$DB"*
        {
            schema '' a:text b:text
            change c null null '{"a":"1","b":"x"}'
            change c null null '{"a":"1","b":"y"}'
            commit
            # shellcheck disable=SC2086
            change $line
            commit
        } >"$IN"
        run -65 sink
        is "keyless: $line" $'1|x\n1|y' "$(q 'select * from t')"
    done
}

@test "SQLite: a table without a key and with 1100 columns; one that has a column called rowid" {
    python3 - >"$IN" <<'P'
import json
columns = ["c%d" % i for i in range(1100)]
def line(op, pos, **members):
    print(json.dumps({"op": op, "pos": pos, "seq": int(pos[0]), "source": {"name": "n", "db": "d", "schema": "s", "table": "t"}, **members}))
line("schema", "1.0", columns=[{"name": c, "type": "integer"} for c in columns], key_columns=[])
line("c", "1.1", before=None, after={c: 1 for c in columns})
line("c", "1.2", before=None, after={c: 2 for c in columns})
line("commit", "1.3")
line("u", "2.1", before={c: 1 for c in columns}, after={c: 3 for c in columns})
line("d", "2.2", before={c: 2 for c in columns}, after=None)
line("commit", "2.3")
P
    sink
    is rows 3 "$(q 'select c1099 from t')"
    rm -f "$DB"*
    {
        schema '' rowid:integer a:text
        for i in 7 7 8; do change c null null "{\"rowid\":$i,\"a\":\"x\"}"; done
        commit
        change d null '{"rowid":7,"a":"x"}' null
        change u null '{"rowid":8,"a":"x"}' '{"rowid":1,"a":"y"}'
        commit
    } >"$IN"
    sink
    is "rows" $'1|y\n7|x' "$(q 'select rowid, a from t order by 1')"
}

@test "OpenSearch: random transactions" {
    local table tables=(default full mysql minimal)
    SEEDS=$((SEEDS / 6 + 1))
    transactions lines "${tables[@]}" >"$IN"
    # Some of the transactions in one request, and most in several.
    t cdc-sink-http -q --elasticsearch --index 'random-{table}' --batch-events 7 --offset-file "$DIR/o" "$OPENSEARCH_URL" <"$IN"
    for table in "${tables[@]}"; do opensearch_rows "random-$table" "[\"$table\", .]"; done |
        python3 -c '
import json, sys
for table, row in map(json.loads, sys.stdin):
    print(table, json.dumps(row, sort_keys=True))' | LC_ALL=C sort >"$DIR/got"
    transactions expect "${tables[@]}" | LC_ALL=C sort >"$DIR/want"
    [ -s "$DIR/want" ] && diff "$DIR/want" "$DIR/got" >&2
}

@test "OpenSearch: keys that move through each other: shifted, swapped, inserted before the old row is deleted" {
    TABLE=shifted
    elastic() { t cdc-sink-http -q --elasticsearch --index '{table}' --offset-file "$DIR/o" "$OPENSEARCH_URL" <"$IN"; }
    all() { opensearch_rows shifted '[.id, .name]' | sort | paste -sd' '; }
    {
        schema id id:integer name:text
        for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"r$i\"}"; done
        commit
        for i in 1 2 3; do change u "{\"id\":$((i + 1))}" "{\"id\":$i,\"name\":\"r$i\"}" "{\"id\":$((i + 1)),\"name\":\"r$i\"}"; done
        commit
    } >"$IN"
    elastic
    is shifted '[2,"r1"] [3,"r2"] [4,"r3"]' "$(all)"
    {
        schema id id:integer name:text
        change u '{"id":3}' '{"id":2,"name":"r1"}' '{"id":3,"name":"r1"}'
        change u '{"id":2}' '{"id":3,"name":"r2"}' '{"id":2,"name":"r2"}'
        change c '{"id":4}' null '{"id":4,"name":"new"}'
        change d '{"id":4}' '{"id":4,"name":"r3"}' null
        change c '{"id":7}' null '{"id":7,"name":"gone again"}'
        change d '{"id":7}' '{"id":7,"name":"gone again"}' null
        commit
    } >"$IN"
    elastic
    is "swapped, replaced" '[2,"r2"] [3,"r1"] [4,"new"]' "$(all)"
}

@test "OpenSearch: a transaction over several requests that moves a row to the key that another one has left comes again after a crash" {
    elastic() { t cdc-sink-http -q --elasticsearch --index '{table}' --offset-file "$DIR/$TABLE" "$@" "$OPENSEARCH_URL" <"$IN"; }
    all() { opensearch_rows "$TABLE" '[.id, .name]' | sort | paste -sd' '; }
    move() { change u "{\"id\":$2}" "{\"id\":$1,\"name\":\"$3\"}" "{\"id\":$2,\"name\":\"$3\"}"; }
    local file n
    TABLE=again
    { schema id id:integer name:text; for i in 4 5 6; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"r$i\"}"; done; commit; } >"$IN"
    elastic
    for file in "$DIR/$TABLE"*; do cp "$file" "$DIR/before-${file##*/}"; done
    {
        schema id id:integer name:text
        move 4 14 r4
        move 5 4 r5
        change d '{"id":6}' '{"id":6,"name":"r6"}' null
        change c '{"id":6}' null '{"id":6,"name":"new"}'
        move 4 24 r5
        change c '{"id":4}' null '{"id":4,"name":"last"}'
        commit
    } >"$IN"
    elastic --batch-events 1
    is "once" '[14,"r4"] [24,"r5"] [4,"last"] [6,"new"]' "$(all)"
    # The offset was not stored.
    for n in 1 2; do
        for file in "$DIR/before-$TABLE"*; do cp "$file" "$DIR/${file##*/before-}"; done
        elastic --batch-events $n
        is "again, $n in a request" '[14,"r4"] [24,"r5"] [4,"last"] [6,"new"]' "$(all)"
    done
}

@test "OpenSearch: keys that move through each other, over several requests or with equal rows: refused before a document is lost" {
    elastic() { t cdc-sink-http -q --elasticsearch --index '{table}' --offset-file "$DIR/$TABLE" "$@" "$OPENSEARCH_URL" <"$IN"; }
    all() { opensearch_rows "$TABLE" '[.id, .name]' | sort | paste -sd' '; }
    rows_of() { schema id id:integer name:text; for i in 1 2 3; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"$1$i\"}"; done; commit; }
    move() { change u "{\"id\":$2}" "{\"id\":$1,\"name\":\"$3\"}" "{\"id\":$2,\"name\":\"$3\"}"; }
    refused() { # LINE ID [OPTION...]
        cp "$DIR/$TABLE" "$DIR/stored"
        run -78 --separate-stderr elastic "${@:3}"
        [[ $stderr == *"line $1: index \"$TABLE\": two rows have the _id \"$2\" inside one transaction"*DEFERRABLE* ]] || fail "$stderr"
        cmp "$DIR/stored" "$DIR/$TABLE"
    }
    TABLE=split
    rows_of r >"$IN"
    elastic
    { schema id id:integer name:text; move 1 2 r1; move 2 3 r2; move 3 4 r3; commit; } >"$IN"
    refused 3 2 --batch-events 1
    is "two documents of three rows, and the third where it was" '[2,"r1"] [3,"r3"]' "$(all)"
    elastic # in one request the lines themselves say it
    is "shifted" '[2,"r1"] [3,"r2"] [4,"r3"]' "$(all)"
    { schema id id:integer name:text; move 2 9 r1; move 9 10 r1; change d '{"id":10}' '{"id":10,"name":"r1"}' null; move 3 2 r2; commit; } >"$IN"
    elastic --batch-events 1 # each key is always unique
    is "moved one after the other" '[2,"r2"] [4,"r3"]' "$(all)"

    TABLE=equal
    { schema id id:integer name:text; for i in 1 2; do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"same\"}"; done; commit; } >"$IN"
    elastic
    { schema id id:integer name:text; move 1 2 same; move 2 3 same; commit; } >"$IN"
    refused 3 2
    is "both are there" '[1,"same"] [2,"same"]' "$(all)"
    # Always unique: left first, or never there.
    {
        schema id id:integer name:text
        move 2 3 same
        move 1 2 same
        move 2 4 same
        change c '{"id":7}' null '{"id":7,"name":"same"}'
        move 7 8 same
        change u '{"id":8}' '{"id":8,"name":"same"}' '{"id":8,"name":"same"}'
        change d '{"id":8}' '{"id":8,"name":"same"}' null
        commit
    } >"$IN"
    elastic
    is "moved one after the other" '[3,"same"] [4,"same"]' "$(all)"

    TABLE=newest
    rows_of r >"$IN"
    elastic
    { schema id id:integer name:text; change c '{"id":5}' null '{"id":5,"name":"stays"}'; move 1 5 r1; move 5 6 r1; commit; } >"$IN"
    refused 4 5
    is "nothing is lost" '[1,"r1"] [2,"r2"] [3,"r3"]' "$(all)"
    { schema id id:integer name:text; move 1 2 r1; move 2 6 r1; commit; } >"$IN"
    refused 3 2

    TABLE=nothing-but-a-key
    { schema id id:integer; for i in 1 2; do change c "{\"id\":$i}" null "{\"id\":$i}"; done; commit; } >"$IN"
    elastic
    { schema id id:integer; for i in 1 2; do change u "{\"id\":$((i + 1))}" "{\"id\":$i}" "{\"id\":$((i + 1))}"; done; commit; } >"$IN"
    refused 3 2
    is "both are there" '[1,null] [2,null]' "$(all)"
}
