#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter: what is kept, what is dropped, and that all the rest passes byte for byte.
bats_require_minimum_version 1.8.0
load lib/common

setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    {
        row schema users '"columns":[{"name":"id","type":"integer","nullable":false,"generated":false},{"name":"name","type":"text","nullable":true,"generated":false},{"name":"secret","type":"text","nullable":true,"generated":false}],"key_columns":["id"]'
        row c users '"key":{"id":1},"before":null,"after":{"id":1,"name":"Zoë","secret":"s1"}'
        row u users '"key":{"id":1},"before":{"id":1,"name":"Zoë","secret":"s1"},"after":{"id":1,"name":"Zo\u00eb","secret":"s2"}'
        row u users '"key":{"id":1},"before":null,"after":{"id":1,"secret":"s3"},"unchanged":["name"]'
        row d users '"key":{"id":1},"before":{"id":1},"after":null'
        commit 4
        row schema orders '"columns":[{"name":"id","type":"integer","nullable":false,"generated":false}],"key_columns":["id"]'
        row c orders '"key":{"id":7},"before":null,"after":{"id":7,"n":12345678901234567890.10,"j":{"a":[1,{"id":2}]}}'
        row r orders '"key":{"id":8},"before":null,"after":{"id":8,"n":1e400}'
        row t orders '"x":1'
        commit 3
        echo '{"op":"m","pos":"20","seq":20,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d"},"message":{"prefix":"p","content":"c","transactional":false}}'
        echo '{"op":"heartbeat","pos":"21","seq":21,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d"}}'
        echo '{"op":"brand-new","pos":"22","seq":22,"source":{"schema":"app","table":"users"},"after":{"secret":1}}'
    } >"$IN"
}
teardown() { end_spawned; }
POS=0
row() {
    POS=$((POS + 1))
    printf '{"op":"%s","pos":"%02d","seq":%d,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","schema":"app","table":"%s","ts_ms":1,"txId":5,"lsn":9,"snapshot":"false"},%s}\n' "$1" $POS $POS "$2" "$3"
}
commit() {
    POS=$((POS + 1))
    printf '{"op":"commit","pos":"%02d","seq":%d,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","ts_ms":1,"snapshot":"false"},"events":%d}\n' $POS $POS "$1"
}
filter() { t cdc-filter "$@" <"$IN" >"$DIR/out"; }
# kept PATTERN: only the lines that match an extended regular expression came through, untouched, but for the number of
# change lines in commit.
kept() { grep -E "$1" "$IN" | recount | diff - "$DIR/out"; }
recount() { awk '/"op":"[rcudtm]"/ {n++} /"op":"commit"/ {sub(/"events":[0-9]+/, "\"events\":" n + 0); n = 0} {print}'; }

@test "no options: byte for byte" {
    filter
    cmp "$IN" "$DIR/out"
}

@test "odd but valid lines pass byte for byte" {
    printf '%s\n' ' { "op" :"c" , "seq":1,"pos":"1","source" : {"schema":"app", "table":"users"}, "after":{ "id":1.0e-7,"x":"\u0000\"\\\/\ud83d\ude00"}}  ' \
        '{"after":{"id":1},"source":{"table":"users","schema":"app"},"seq":2,"pos":"2","op":"c","more":{"op":"d"}}' \
        '{"op":"c","pos":"3","seq":9223372036854775807,"source":{"schema":"app","table":"users"},"after":{}}' >"$IN"
    filter -t app.users --op c
    cmp "$IN" "$DIR/out"
}

@test "-t keeps a table, with commits, heartbeats, messages and what is unknown" {
    filter -t app.users
    kept '"table":"users"|"op":"(commit|heartbeat|m|brand-new)"'
    filter --table 'app.us*'
    kept '"table":"users"|"op":"(commit|heartbeat|m|brand-new)"'
    filter -t 'a?p.*' -t nothing.here
    cmp "$IN" "$DIR/out"
    filter -t users
    kept '"table":"users"|"op":"(commit|heartbeat|m|brand-new)"'
}

@test "-t of a table that is not there: commit and heartbeat still pass" {
    filter -t app.none
    kept '"op":"(commit|heartbeat|m|brand-new)"'
}

@test "-T drops a table, and wins over -t" {
    filter -T app.users
    kept '"table":"orders"|"op":"(commit|heartbeat|m|brand-new)"'
    filter -t 'app.*' --exclude-table '*.orders'
    kept '"table":"users"|"op":"(commit|heartbeat|m|brand-new)"'
}

@test "--op keeps operations; schema, commit, heartbeat and the unknown pass" {
    filter --op c,d
    kept '"op":"(c|d|schema|commit|heartbeat|brand-new)"'
    filter --op=r
    kept '"op":"(r|schema|commit|heartbeat|brand-new)"'
    run -64 t cdc-filter --op nonsense <"$IN"
}

@test "a table that is read again: the lines around its rows pass with these, whatever --op says of t and schema" {
    {
        printf '%s\n' '{"op":"t","pos":"30","seq":30,"source":{"name":"n","schema":"app","table":"users","snapshot":"true"},"read":"begin"}'
        POS=30
        row schema users '"columns":[{"name":"id","type":"integer"},{"name":"secret","type":"text"}],"key_columns":["id"]'
        row r users '"key":{"id":1},"before":null,"after":{"id":1,"secret":"s1"}'
        row schema users '"columns":[{"name":"id","type":"integer"},{"name":"secret","type":"text"}],"key_columns":["id"],"read":"end"'
        commit 2
    } >"$DIR/read"
    cat "$DIR/read" >>"$IN"
    filter --op c,u,d,r
    kept '"op":"(r|c|u|d|schema|commit|heartbeat|brand-new)"|"read":"begin"'
    # Without its rows, a sink would take all that it has for what is gone.
    filter --op c,u,d,t
    grep -E '"op":"(c|u|d|t|schema|commit|heartbeat|brand-new)"' "$IN" | grep -v '"read"' | recount | diff - "$DIR/out"
    cp "$DIR/read" "$IN"
    filter -T users
    kept '"op":"commit"'
    filter --drop-columns secret --rename users=people --rename-column id=no
    is "the end" '{"table":"people","columns":["no"],"key":["no"],"read":"end"}' \
        "$(sed -n 4p "$DIR/out" | jq -c '{table: .source.table, columns: [.columns[].name], key: .key_columns, read}')"
    is "the begin" '["people","begin"]' "$(sed -n 1p "$DIR/out" | jq -c '[.source.table, .read]')"
}

@test "--drop-columns takes a column out of before, after, unchanged and schema, and leaves the rest" {
    filter --drop-columns users:secret
    ! grep '"table":"users"' "$DIR/out" | grep -v brand-new | grep -qE '"secret"|"s[123]"' || fail "the column is still there"
    is "lines" "$(wc -l <"$IN")" "$(wc -l <"$DIR/out")"
    diff <(grep -v '"table":"users"' "$IN") <(grep -v '"table":"users"' "$DIR/out")
    # Bytes around it stay: escapes, order, everything.
    grep -qF '"after":{"id":1,"name":"Zo\u00eb"}' "$DIR/out"
    filter --drop-columns users:name
    is "columns named in unchanged" "" "$(jq -r '.unchanged // [] | .[]' "$DIR/out")"
    jq -e -s 'map(select(.op == "schema" and .source.table == "users"))[0].columns | map(.name) == ["id","secret"]' "$DIR/out"
}

@test "--columns keeps only those, and the key" {
    filter --columns orders:id
    is "orders" '{"id":7}{"id":8}' "$(jq -jc 'select(.source.table == "orders" and .after) | .after' "$DIR/out")"
    diff <(grep '"table":"users"' "$IN") <(grep '"table":"users"' "$DIR/out")
    filter --columns id,name
    is "users" '{"id":1,"name":"Zoë"}' "$(jq -c 'select(.op == "c" and .source.table == "users") | .after' "$DIR/out")"
    is "key" '{"id":1}' "$(jq -c 'select(.op == "d") | .key' "$DIR/out")"
}

@test "json_null and json_null_old name what is left, under its new name" {
    row u users '"key":{"id":1},"before":{"id":1,"name":null,"secret":null},"after":{"id":1,"name":null,"secret":null},"json_null":["name","secret"],"json_null_old":["secret","name"]' >"$IN"
    filter --drop-columns secret --rename-column name=title
    is "line" '{"id":1,"title":null} {"id":1,"title":null} ["title"] ["title"]' "$(jq -c '.before,.after,.json_null,.json_null_old' "$DIR/out" | xargs -d '\n')"
}

@test "columns inside a column's own JSON are none of our business" {
    filter --allow-unknown --drop-columns orders:a --columns orders:id,j
    grep -qF '"j":{"a":[1,{"id":2}]}' "$DIR/out"
}

@test "a column's name written with escapes is the same column" {
    row c users '"key":{"id":1},"before":null,"after":{"id":1,"s\u0065cret":"s1"}' >"$IN"
    filter --drop-columns secret
    not grep -q s1 "$DIR/out"
}

@test "numbers that no double can hold survive" {
    filter --drop-columns users:secret -t app.orders
    grep -qF '12345678901234567890.10' "$DIR/out"
    grep -qF '1e400' "$DIR/out"
}

@test "the lines of several sources in turns: each commit line has the number of its own source's" {
    of() { sed "s/\"name\":\"n\"/\"name\":\"$1\"/"; }
    {
        POS=$((POS + 1)) # the pipe has a shell of its own
        row c users '"key":{"id":1},"before":null,"after":{"id":1}' | of a
        POS=$((POS + 1))
        row c users '"key":{"id":1},"before":null,"after":{"id":1}' | of b
        POS=$((POS + 1))
        row c orders '"key":{"id":1},"before":null,"after":{"id":1}' | of b
        POS=$((POS + 1))
        row c users '"key":{"id":2},"before":null,"after":{"id":2}' | of b
        POS=$((POS + 1))
        commit 1 | of a
        POS=$((POS + 1))
        commit 3 | of b
    } >"$IN"
    filter -T orders
    is numbers "a 1 b 2" "$(jq -r 'select(.op == "commit") | .source.name, .events' "$DIR/out" | xargs)"
}

@test "names of sources and tables with other escapes are the same" {
    {
        POS=$((POS + 1))
        row c größe '"key":{"id":1},"before":null,"after":{"id":1,"ß":2}' | sed 's/"name":"n"/"name":"ü"/'
        POS=$((POS + 1))
        row c orders '"key":{"id":1},"before":null,"after":{"id":1}' | sed 's/"name":"n"/"name":"ü"/'
        POS=$((POS + 1))
        row c größe '"key":{"id":2},"before":null,"after":{"id":2,"ß":2}' | sed 's/"name":"n"/"name":"ü"/' | jq -ac .
        POS=$((POS + 1))
        commit 3 | sed 's/"name":"n"/"name":"ü"/' | jq -ac .
    } >"$IN"
    filter -t 'app.größe' --drop-columns 'größe:ß' --rename größe=sizes
    is "rows and their number" "sizes 1,sizes 2,2" "$(jq -r 'if .op == "commit" then .events else "\(.source.table) \(.after | .id)" end' "$DIR/out" | paste -sd,)"
    not grep -qE 'ß|u00df' "$DIR/out"
}

@test "--rename renames table and schema, and nothing else" {
    filter --rename app.users=public.people
    is "lines" "$(wc -l <"$IN")" "$(wc -l <"$DIR/out")"
    diff <(sed '/brand-new/!s/"schema":"app","table":"users"/"schema":"public","table":"people"/' "$IN") "$DIR/out"
}

@test "--rename gives no two tables one name: exit 78; names may be swapped, and a name that is left out is free" {
    run -78 --separate-stderr t cdc-filter --rename users=orders <"$IN"
    [[ $stderr == *'"users" and "orders" one name, "orders"'* ]]
    run -78 t cdc-filter --rename orders=app.users <"$IN"
    run -78 t cdc-filter --rename orders=all --rename users=all <"$IN"
    filter --rename users=orders -T orders
    is tables orders "$(jq -r 'select(.op != "brand-new").source.table | values' "$DIR/out" | sort -u)"
    filter --rename users=orders --rename orders=users
    is swapped "4 users 5 orders" "$(jq -r 'select(.op != "brand-new").source.table | values' "$DIR/out" | sort -r | uniq -c | xargs)"
    filter --rename users=web.orders
    sed 's/"table":"users"/"table":"\\u0075sers"/; 1,4d' "$IN" >"$DIR/spelled"
    cat "$DIR/spelled" >>"$IN"
    filter --rename users=people
    is "in two spellings" people "$(jq -r 'select(.op == "d").source.table' "$DIR/out" | sort -u)"
}

@test "--rename-column renames it in key, before, after, unchanged and schema" {
    filter --rename-column users:name=full_name
    ! grep '"table":"users"' "$DIR/out" | grep -v brand-new | grep -q '"name":"Zo' || fail "the old name is still there"
    is "unchanged" '["full_name"]' "$(jq -c 'select(.unchanged) | .unchanged' "$DIR/out")"
    is "schema" '["id","full_name","secret"]' "$(jq -c 'select(.op == "schema" and .source.table == "users") | .columns | map(.name)' "$DIR/out")"
    filter --rename-column users:id=uid
    is "key" '{"uid":1}' "$(jq -c 'select(.op == "d") | .key' "$DIR/out")"
    is "key columns" '["uid"]' "$(jq -c 'select(.op == "schema" and .source.table == "users") | .key_columns' "$DIR/out")"
}

@test "events: a transaction that begins again after a reconnect counts once, a skipped line does not count" {
    local after='"key":{"id":1},"before":null,"after":{"id":1}'
    {
        row c users "$after"
        row c orders "$after"
        row c users "$after"
        POS=0
        row c users "$after"
        row c orders "$after"
        row c users "$after"
        row c users "$after"
        commit 4
        # The reader had all of it, and gets it once more with the next one.
        POS=0
        for _ in 1 2 3 4; do row c users "$after"; done
        commit 4
        row c users "$after"
        POS=5
        row c users "$after"
        row c users "$after"
        commit 2
    } >"$IN"
    filter -T orders
    is "of a filter that drops some" "3 4 2" "$(jq 'select(.op == "commit").events' "$DIR/out" | xargs)"
    filter
    cmp "$IN" "$DIR/out"

    POS=0
    {
        row c users "$after"
        row c users "$after" | cut -c 1-100
        row c orders "$after"
        commit 3
        row c users "$after"
        commit 1
    } >"$IN"
    filter -q --on-error=skip
    is "without the skipped one" "2 1" "$(jq 'select(.op == "commit").events' "$DIR/out" | xargs)"
    POS=0
    {
        row c users "$after" | tr -d :
        row c orders "$after"
        commit 2
    } >"$IN"
    filter -q --on-error=skip
    is "the first one of all" 1 "$(jq 'select(.op == "commit").events' "$DIR/out" | xargs)"
}

@test "--on-error=skip goes on behind a bad line, and counts it" {
    { head -3 "$IN"; echo 'no json'; tail -n +4 "$IN"; } >"$DIR/bad"
    run -0 --separate-stderr t bash -c 'cdc-filter --on-error=skip <"$0" >"$1"' "$DIR/bad" "$DIR/out"
    cmp "$IN" "$DIR/out"
    [[ $stderr == *"line 4"* ]]
    run -65 t bash -c 'cdc-filter <"$0" >"$1"' "$DIR/bad" "$DIR/out"
    head -3 "$IN" | cmp - "$DIR/out"
}

@test "of a row or a list that a line has twice the last one counts, and the first one does not leave beside one that is edited" {
    local line option
    { # The columns of the first line, and rows and lists that come twice, also by a name with an escape.
        head -1 "$IN"
        for line in '"key":{"id":1},"before":null,"after":{"id":1,"secret":"leak"},"after":{"id":1,"name":"x"}' \
            '"key":{"id":1,"secret":"leak"},"before":{"id":1,"secret":"leak"},"key":{"id":1},"before":null,"after":{"id":1,"name":"x"}' \
            '"\u0061fter":{"id":1,"secret":"leak"},"key":{"id":1},"x":2,"before":null,"after":{"id":1,"name":"x"}' \
            '"unchanged":["leak"],"key":{"id":1},"after":{"id":1,"name":"x"},"unchanged":null'; do
            row u users "$line"
        done
        head -1 "$IN" | sed 's/"columns":/"columns":[{"name":"leak"}],&/'
    } >"$DIR/bad"
    for option in --drop-columns=secret --columns=users:id,name --rename-column=users:secret=s --rename-column=users:id=i \
        --route=users=all --sample=100% --flatten=users:*; do
        t cdc-filter -q "$option" <"$DIR/bad" >"$DIR/out"
        is "lines, $option" 6 "$(wc -l <"$DIR/out")"
        is "what must not leave, $option" "" "$(grep leak "$DIR/out")"
        is "rows, $option" "x x x x" "$(jq -r 'select(.op == "u").after.name' "$DIR/out" | xargs)"
    done
    t cdc-filter --op=u <"$DIR/bad" | grep -c leak | grep -qx 5 # what nothing changes is copied byte for byte
}

@test "a line is written as soon as the input pauses" {
    mkfifo "$DIR/fifo"
    spawn bash -c 'exec cdc-filter <"$0" >"$1"' "$DIR/fifo" "$DIR/out"
    exec 7>"$DIR/fifo"
    head -1 "$IN" >&7
    wait_for_lines "$DIR/out" 1
    commit 1 >&7
    wait_for_lines "$DIR/out" 2
    # Half a line is held back.
    head -2 "$IN" | tail -1 | head -c 50 >&7
    kill -TERM "$SPAWNED"
    status=0
    status_of "$SPAWNED" || status=$?
    exec 7>&-
    is "exit status after SIGTERM" 0 "$status"
    whole_lines "$DIR/out"
    is "lines" 2 "$(wc -l <"$DIR/out")"
}

@test "a second SIGTERM while the reader takes nothing: it leaves at once, and not with 0" {
    local line='{"op":"commit","pos":"1","seq":1,"source":{"name":"n"},"events":0}'
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    exec 7<>"$BATS_TEST_TMPDIR/fifo" # open for reading, and nobody reads
    spawn bash -c 'yes "$0" | head -c 8000000 | exec cdc-filter >"$1"' "$line" "$BATS_TEST_TMPDIR/fifo"
    filter() { pgrep -P "$SPAWNED" -x cdc-filter; }
    wait_until filter
    # Who gives waits for the filter, and the filter for its reader.
    sleeps() { grep -q '^State:.*S' "/proc/$1/status"; }
    blocked() { local i; for i in 1 2 3; do sleeps "$(pgrep -P "$SPAWNED" -x head)" && sleeps "$(filter)" || return 1; done; }
    wait_until blocked
    taken() { grep -q '^ShdPnd:.*0000000000000000' "/proc/$(filter)/status"; } # else both would be one signal
    kill -TERM "$(filter)"
    wait_until taken
    kill -TERM "$(filter)"
    status=0
    status_of "$SPAWNED" || status=$?
    exec 7>&-
    is "exit status" 75 "$status"
}

@test "appending to a file that ends inside a line: the torn line goes, whole ones stay" {
    local line='{"op":"commit","pos":"1","seq":1,"source":{"name":"n"},"events":0}'
    printf '%s\n%s' "$line" "${line:0:20}" >"$BATS_TEST_TMPDIR/out"
    echo "$line" | t cdc-filter >>"$BATS_TEST_TMPDIR/out"
    is lines "$line"$'\n'"$line" "$(cat "$BATS_TEST_TMPDIR/out")"
    printf 'a note' >"$BATS_TEST_TMPDIR/foreign"
    echo "$line" | t cdc-filter >>"$BATS_TEST_TMPDIR/foreign"
    is "a foreign end" "a note"$'\n'"$line" "$(cat "$BATS_TEST_TMPDIR/foreign")"
    printf '{"precious":"whole"}' >"$BATS_TEST_TMPDIR/foreign"
    echo "$line" | t cdc-filter >>"$BATS_TEST_TMPDIR/foreign"
    is "a whole object" '{"precious":"whole"}'$'\n'"$line" "$(cat "$BATS_TEST_TMPDIR/foreign")"
    { printf '{"torn'; echo "$line" | t cdc-filter; } >"$BATS_TEST_TMPDIR/foreign"
    is "not appended to" '{"torn'"$line" "$(cat "$BATS_TEST_TMPDIR/foreign")"
}

@test "a column that its table does not have: 78, or --allow-unknown; a pattern may name columns of some tables" {
    local option
    for option in --drop-columns=users:secrets --columns=app.users:id,nam --rename-column=users:secrets=x; do
        run -78 --separate-stderr t cdc-filter "$option" <"$IN"
        [[ $stderr == *'table "users" has no column'*--allow-unknown* ]]
        not grep -q s1 <<<"$output"
        filter --allow-unknown "$option"
    done
    filter --drop-columns 'user?:secrets' --drop-columns nowhere --drop-columns app.users:secret
    not grep -q '"secret":"s' "$DIR/out"
}

@test "a table that is named and does not come is said, once, at the end and with the statistics" {
    t cdc-filter -t users -t ordesr -T 'app.o*' -T none --drop-columns usres:secret --drop-columns secret --columns 'users:id,name' \
        --rename a=b --rename app.users=x --rename-column 'ghost:a=b' <"$IN" >"$DIR/out" 2>"$DIR/err"
    is "one warning" "cdc-filter: warning: no table of this run is the one that is named by -t 'ordesr', -T 'none', --drop-columns 'usres:secret', --rename 'a=b', --rename-column 'ghost:a=b'" "$(cat "$DIR/err")"
    t cdc-filter -t 'app.*' -T orders --drop-columns '*:secret' <"$IN" >"$DIR/out" 2>"$DIR/err"
    is "nothing to say" "" "$(cat "$DIR/err")"
    commit 0 >"$DIR/idle"
    t cdc-filter -t 'nothing' <"$DIR/idle" >"$DIR/out" 2>"$DIR/err"
    is "no table has come" "" "$(cat "$DIR/err")"
    mkfifo "$DIR/fifo"
    spawn_line "exec timeout 60 cdc-filter -t nothing <'$DIR/fifo' >'$DIR/out' 2>'$DIR/err'"
    exec 7>"$DIR/fifo"
    cat "$IN" >&7
    wait_for_lines "$DIR/out" 4
    pkill -USR1 -g "$SPAWNED" -x cdc-filter
    wait_for_match "$DIR/err" "warning: no table of this run is the one that is named by -t 'nothing'"
    exec 7>&-
    status_of "$SPAWNED"
}

@test "ddl lines obey the selection by their database" {
    ddl() { printf '{"op":"ddl","pos":"%02d","seq":1,"source":{"connector":"mysql","name":"n"%s},"ddl":"x","db":"%s"}\n' "$1" "${2:+,\"db\":\"$2\"}" "$2"; }
    { ddl 1 shop; ddl 2 staging; ddl 3 ''; ddl 4 'sh\u006fp'; } >"$IN"
    passed() { filter "$@" && jq -r .pos "$DIR/out" | xargs; }
    is "all" "01 02 03 04" "$(passed)"
    is "of a schema" "01 03 04" "$(passed -q -t 'shop.*')"
    is "of one table of it" "01 03 04" "$(passed -t shop.orders)"
    is "a table of any schema" "01 02 03 04" "$(passed -t orders)"
    is "a schema left out" "01 03 04" "$(passed -T 'staging.*')"
    is "a table left out" "01 02 03 04" "$(passed -T staging.orders)"
    is "a quoted one" "02 03" "$(passed -t '"staging".*')"
    { ddl 1 shop; ddl 2 staging; } | sed 's/"op":"ddl"/"op":"t"/; s/,"ddl":.*/}/' >"$IN"
    is "a database that is dropped" "01" "$(passed -t shop.orders)"
    cmp <(filter -t shop.orders && cat "$DIR/out") <(head -1 "$IN")
    { ddl 1 shop; ddl 2 staging; commit 2; } >"$IN"
    filter -t 'shop.*'
    is "counted" 1 "$(jq 'select(.op == "commit").events' "$DIR/out")"
}

@test "a database that is dropped: no row stays under another name, and no other row goes" {
    at() { printf '"pos":"%02d","seq":%d,"source":{"connector":"mysql","name":"n","db":"%s"' "$1" "$1" "$2"; }
    table() {
        echo "{\"op\":\"schema\",$(at "$1" "$2"),\"table\":\"$3\"},\"columns\":[{\"name\":\"id\",\"type\":\"int\"}],\"key_columns\":[\"id\"]}"
        echo "{\"op\":\"c\",$(at $(($1 + 1)) "$2"),\"table\":\"$3\"},\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1}}"
        echo "{\"op\":\"commit\",$(at $(($1 + 2)) "$2")},\"events\":1}"
    }
    dropped() {
        echo "{\"op\":\"t\",$(at 80 "$1")}$2}"
        echo "{\"op\":\"commit\",$(at 81 "$1")},\"events\":1}"
    }
    tables() { table 10 shop a; table 20 shop b; table 30 old c; table 40 old d; }
    # left EXCEPT OPTIONS...: the tables of the copy that still have their row.
    left() {
        local except=$1 name
        shift
        { tables; dropped shop "$except"; } >"$IN"
        filter -q "$@"
        rm -f "$DIR"/a.db*
        t cdc-sink-sqlite -q --table-name='{schema}_{table}' "$DIR/a.db" <"$DIR/out"
        for name in $(sqlite3 "$DIR/a.db" 'select table_name from cdc_tables order by 1'); do
            sqlite3 "$DIR/a.db" "select '$name' from $name"
        done | xargs
    }
    is "no renames" "old_c old_d" "$(left '')"
    is "out of it, and into it" "old_d shop_c" "$(left '' --rename shop.a=web.a --rename old.c=shop.c)"
    is "lines" 2 "$(jq 'select(.pos == "81").events' "$DIR/out")"
    is "their places" "80 80.1 81" "$(jq -r 'select(.pos >= "80").pos' "$DIR/out" | xargs)"
    is "a table alone" "old_d shop_c" "$(left '' --rename a=web.a --rename c=shop.c)"
    is "swapped" "old_d shop_a" "$(left '' --rename shop.a=old.c --rename old.c=shop.a)"
    is "read again since" "old_c old_d shop_x" "$(left ',"except":["a"]' --rename shop.a=shop.x)"
    is "read again since, by another name in quotes" 'old_c old_d web_x' "$(left ',"except":["b","\u0061"]' --rename a=web.x -T b)"
    is "both" "old_d shop_b2 shop_c web_a" "$(left ',"except":["a","b"]' --rename shop.a=web.a --rename b=b2 --rename old.c=shop.c)"
    is "the last one counts" "old_c old_d" "$(left '' --rename shop.a=old.x --rename shop.a=web.a)"
    is "of another database" "old_d x_c" "$(left '' --rename old.c=x.c)"
    # Its line is as it was where no name of it differs.
    filter -q --rename old.c=x.c
    cmp <(grep '"pos":"80"' "$DIR/out") <(grep '"pos":"80"' "$IN")
    # No line has shown in which database it is.
    dropped shop >"$IN"
    run -78 --separate-stderr t cdc-filter --rename e=web.e <"$IN"
    [[ $stderr == *"'e=web.e'"*"DATABASE.e=web.e"* ]]
    filter -q --rename shop.e=web.e
    is "where the setting says it" "web e" "$(jq -r 'select(.pos == "80.1").source | [.db, .table] | join(" ")' "$DIR/out")"
    filter -q --rename e=web.e -T shop.e
    is "where it is not selected" 80 "$(jq -r 'select(.op == "t").pos' "$DIR/out")"
    filter -q --rename e=shop.f -T shop.e
    is "moved here from a database that no line has shown" '["f"]' "$(jq -c 'select(.op == "t").except' "$DIR/out")"
}

@test "a table in quotes may have a colon, a dot or a wildcard in its name: its columns are dropped, none of another" {
    local name
    for name in 'a:b' 'a.b' 'a*b' ':'; do
        row schema "$name" '"columns":[{"name":"id","type":"integer"},{"name":"secret","type":"text"},{"name":"old","type":"text"}],"key_columns":["id"]' >"$IN"
        row c "$name" '"key":{"id":1},"before":null,"after":{"id":1,"secret":"hidden","old":"o"}' >>"$IN"
        row c axb '"key":{"id":1},"before":null,"after":{"id":1,"secret":"seen","old":"o"}' >>"$IN"
        filter --drop-columns "\"$name\":secret" --rename-column "app.\"$name\":old=new"
        is "$name" '{"id":1,"new":"o"} {"id":1,"secret":"seen","old":"o"}' "$(jq -c 'select(.op == "c") | .after' "$DIR/out" | xargs -d '\n')"
        filter --columns "\`$name\`:old" -t "\"$name\""
        is "$name kept" '{"id":1,"old":"o"}' "$(jq -c 'select(.op == "c") | .after' "$DIR/out")"
        run -78 --separate-stderr t cdc-filter --drop-columns "\"$name\":secrets" <"$IN" # it names this very table
        [[ $stderr == *'has no column "secrets"'* ]]
    done
}

@test "settings that are not UTF-8 would make lines that no reader takes: exit 64" {
    local option
    for option in --rename=users --rename-column=name --drop-columns --columns; do
        run -64 --separate-stderr t cdc-filter "$option=x"$'\xff' <"$IN"
        is "$option" "" "$output"
        [[ $stderr == *"is not valid UTF-8"* ]]
    done
    run -64 t cdc-filter --drop-columns "$(printf 'x%.0s' {1..1100}):secret" <"$IN"
}

@test "key columns stay, however their names are spelled, and in --columns as well" {
    row c users '"key":{"id":7},"before":null,"after":{"\u0069d":7,"name":"n","secret":"s"}' >"$IN"
    row c users '"key":{"\u0069d":7},"before":null,"after":{"id":7,"name":"n","secret":"s"}' >>"$IN"
    row schema users '"columns":[{"name":"\u0069d"},{"name":"name"}],"key_columns":["id"]' >>"$IN"
    filter --drop-columns id,secret
    is rows '{"id":7,"name":"n"} {"id":7,"name":"n"}' "$(jq -c 'select(.op=="c").after' "$DIR/out" | xargs -d '\n')"
    is columns '["id","name"]' "$(jq -c 'select(.op=="schema")|[.columns[].name]' "$DIR/out")"
    filter --columns users:name --allow-unknown
    is rows '{"id":7,"name":"n"} {"id":7,"name":"n"}' "$(jq -c 'select(.op=="c").after' "$DIR/out" | xargs -d '\n')"
    filter --rename-column users:name=id2
    run -78 t cdc-filter --rename-column users:name=id <"$IN"
}

@test "a new name may be that of a column that is dropped, in any order" {
    local columns
    for columns in '{"name":"name"},{"name":"full_name"}' '{"name":"full_name"},{"name":"name"}'; do
        row schema users "\"columns\":[{\"name\":\"id\"},$columns],\"key_columns\":[\"id\"]" >"$IN"
        filter --drop-columns name --rename-column full_name=name
        is columns '["id","name"]' "$(jq -c '[.columns[].name]' "$DIR/out")"
    done
}

@test "a table of one schema is not that of another, in turns" {
    { row c users '"key":{"id":1},"before":null,"after":{"id":1,"secret":"keep"}'; row c users '"key":{"id":2},"before":null,"after":{"id":2,"secret":"other"}' | sed 's/"schema":"app"/"schema":"web"/'; } >"$DIR/two"
    cat "$DIR/two" "$DIR/two" >"$IN"
    filter -t app.users
    is rows "1 1" "$(jq .after.id "$DIR/out" | xargs)"
    filter --drop-columns web.users:secret
    is secrets "keep null keep null" "$(jq -r .after.secret "$DIR/out" | xargs)"
}

@test "a second source replaces all of the first, and -T goes by it" {
    echo '{"op":"c","pos":"1","seq":1,"source":{"schema":"a","table":"secret"},"source":{"schema":"a","table":"public"},"after":{"id":1}}' >"$IN"
    filter -T a.public
    is lines 0 "$(wc -l <"$DIR/out")"
    echo '{"op":"c","pos":"1","seq":1,"source":{"schema":"a","table":"secret"},"source":{"schema":"b"},"after":{"id":1}}' >"$IN"
    filter -T secret
    is lines 1 "$(wc -l <"$DIR/out")"
}

@test "an output file that is removed while it is written: exit 74, since nobody has the lines" {
    mkfifo "$DIR/fifo"
    spawn_line "cdc-filter <'$DIR/fifo' >'$DIR/out' 2>'$DIR/err'"
    exec 9>"$DIR/fifo"
    head -6 "$IN" >&9
    wait_for_lines "$DIR/out" 6
    rm "$DIR/out"
    tail -n +7 "$IN" >&9
    exec 9>&-
    local status=0
    status_of "$SPAWNED" || status=$?
    is status 74 "$status"
    grep -q 'the output file was removed' "$DIR/err"
}

@test "rows of 5,000 columns: the time grows with the columns, and not with their square" {
    # What it measures is CPU time: it may have to wait for it.
    LIMIT=$((5 * DEADLINE)) t python3 "$LIB/wide_rows.py" "$DIR" >"$DIR/wide" 2>&1 || fail "$(cut -c1-2000 "$DIR/wide")"
}
