#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter: what must not leave. A value that is masked is looked for in everything that the tool writes; random lines are compared
# with a model; a copy behind the filter with the same query on the source.
# takes: 120 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154,SC2314
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/postgres
load lib/faults

setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    KEY=$DIR/mask.key
    STORE=$DIR/keys
    ROOT=$DIR/root
    SHADOW=
    (umask 077; printf '%064d\n' 7 >"$KEY")
    some_lines >"$IN"
}
teardown() {
    end_spawned
    [ -z "${DATABASE:-}" ] || { pg_test_teardown; drop_database; }
}
# Each place that can have a value has one with the text 5ecret in it, or as a number 987654321.
some_lines() {
    local source='"source":{"connector":"mysql","name":"n","db":"d","schema":"app","table":"users"}'
    local all='{"id":1,"email":"5ecret@example.com","card":"5ecret-4111-1111","n":987654321,"doc":{"a":["5ecret"]}}'
    cat <<END
{"op":"schema","pos":"01","seq":1,$source,"columns":[{"name":"id","type":"bigint","nullable":false},{"name":"email","type":"text","nullable":false},{"name":"card","type":"enum('5ecret')","nullable":true,"default":"5ecret"},{"name":"n","type":"bigint"},{"name":"doc","type":"json"}],"key_columns":["id"],"comment":"5ecret"}
{"op":"r","pos":"02","seq":1,$source,"key":{"id":1},"before":null,"after":$all}
{"op":"c","pos":"03","seq":1,${source%\}},"query":"insert 5ecret"},"key":{"id":1},"before":null,"after":$all,"old":$all}
{"op":"u","pos":"04","seq":1,$source,"key":{"id":1},"before":$all,"after":{"id":1,"\u0065mail":"5ecret","\u0065mail":"5ecret 2"},"before":$all,"unchanged":["card"]}
{"op":"d","pos":"05","seq":1,$source,"key":{"id":1},"before":$all,"after":null}
{"op":"t","pos":"06","seq":1,$source,"why":"5ecret"}
{"op":"m","pos":"07","seq":1,"source":{"name":"n"},"message":{"prefix":"5ecret","content":"5ecret"}}
{"op":"ddl","pos":"08","seq":1,"source":{"name":"n","db":"app"},"ddl":"alter table users alter email set default '5ecret'","db":"app"}
{"op":"commit","pos":"09","seq":1,"source":{"name":"n"},"events":7}
END
}
# Lines that are refused, each with the value in it.
bad_lines() {
    local head='{"op":"c","pos":"10","seq":2,"source":{"name":"n","schema":"app","table":"users"}' after='"after":{"id":1,"email":"5ecret","n":987654321}'
    cat <<END
$head,$after
$head,$after}}
$head,$after,"x":5ecret}
$head,$after,"unchanged":"5ecret"}
$head,"key":"5ecret",$after}
$head,"key":{"id":1},"after":"5ecret"}
{"op":"c","seq":"5ecret","source":{"table":"users"},$after}
{"op":"5ecret","source":{"name":"n"},$after}
{"op":"c","source":{"name":"n"},$after}
{"op":"c","source":{"name":"n","table":"unseen"},$after}
["5ecret"]
5ecret
"5ecret
END
    printf '%s,"after":{"email":"5ecret\xff"}}\n%s,"after":{"email":"5ecret \\ud800"}}\n%s,"after":{"email":"5ecret\001"}}\n' "$head" "$head" "$head"
    printf '%s,"after":{"doc":%s"5ecret"%s}}\n' "$head" "$(printf '[%.0s' {1..200})" "$(printf ']%.0s' {1..200})"
    printf '%s,"after":{"email":"5ecret%s"}}\n' "$head" "$(printf 'x%.0s' {1..5000})"
}
# Nothing that was written has the value, as it is or in Base64 or in hexadecimal.
no_secret() {
    not grep -aFl -e 5ecret -e 987654321 -e "$(printf 5ecret | base64 | cut -c1-8)" -e "$(printf 5ecret | od -An -tx1 | tr -d ' \n')" "$@"
}
with_store() { t cdc-filter --make-key-store "$STORE"; }

ALL=email,card,n,doc
every_way() {
    with_store
    ways=("--mask $ALL=null" "--mask $ALL=redact" "--mask $ALL=hash --mask-key $KEY" "--mask n=hash --mask email,card,doc=null --mask-key $KEY"
        "--only users:id" "--only app.users:id --drop-columns id" "--encrypt $ALL --subject id --key-store $STORE" "--only id,email --encrypt email --subject id --key-store $STORE")
}

@test "a masked value is in no line and in no message" {
    local ways way
    every_way
    bad_lines >>"$IN"
    for way in "${ways[@]}"; do
        # shellcheck disable=SC2086
        t cdc-filter -v --on-error=skip --max-line 4096 --metrics-file "$DIR/metrics" $way <"$IN" >"$DIR/out" 2>"$DIR/err" || fail "$way: $(tail -1 "$DIR/err")"
        whole_lines "$DIR/out"
        no_secret "$DIR/out" "$DIR/err" "$DIR/metrics" || fail "$way"
        is "lines" 8 "$(wc -l <"$DIR/out")"
        # One is of a table that --only does not list.
        is "skipped, with $way" $([[ $way == *users:* ]] && echo 17 || echo 18) "$(grep -c ' skipped: ' "$DIR/err")"
        grep -q '1 messages (op m) and the texts of 1 statements (op ddl) were left out' "$DIR/err"
        is "events" 6 "$(jq -r 'select(.op == "commit").events' "$DIR/out")"
    done
}

@test "a bad line ends the run without a word of what is in it" {
    local ways way line
    every_way
    bad_lines >"$DIR/bad"
    while IFS= read -r line; do
        { some_lines; printf '%s\n' "$line"; } >"$IN"
        for way in "${ways[0]}" "${ways[6]}"; do
            # shellcheck disable=SC2086
            run -65 --separate-stderr t cdc-filter --log-format json --max-line 4096 $way <"$IN"
            no_secret - <<<"$output $stderr" || fail "$line"
        done
    done <"$DIR/bad"
}

@test "an expression that cannot be computed for a row, and lines of another tool: no word of what is in them" {
    local expression format
    for expression in "CAST(email AS INTEGER) > 1" "json_extract(email, '\$.a') = 'x'" "json_extract(doc, email) = 'x'"; do
        some_lines | t cdc-filter --where "$expression" --mask 'app.users:email,card,n,doc=redact' --on-error skip >"$DIR/out" 2>"$DIR/err" || true
        is "$expression" "" "$(grep -h '5ecret\|987654321' "$DIR/out" "$DIR/err" || :)"
        grep -q "cannot be computed" "$DIR/err"
    done
    for format in debezium maxwell canal wal2json singer; do
        { some_lines; bad_lines; } | t cdc-filter --from "$format" --mask 'app.users:email,card,n,doc=redact' --on-error skip >"$DIR/out" 2>"$DIR/err" || true
        is "$format" "" "$(grep -h '5ecret\|987654321' "$DIR/out" "$DIR/err" || :)"
    done
}

@test "a value that cannot have a token is refused without being said" {
    local text
    for text in 5ecr3 true '{"base64":"5ecretab"}' '"5ecret 😀"' 98765; do
        { grep '"op":"schema"' "$IN"; printf '{"op":"c","pos":"02","source":{"name":"n","db":"d","schema":"app","table":"users"},"after":{"card":%s}}\n' "${text/#5ecr3/\"5ecr3\"}"; } >"$DIR/one"
        [ "$text" != 5ecr3 ] || sed -i 's/5ecr3/5ec/' "$DIR/one"
        run -65 --separate-stderr t cdc-filter --tokenize card --mask-key "$KEY" <"$DIR/one"
        [[ $stderr == *'column "card" of table "users": a value cannot have a token'* ]] || fail "$stderr"
        no_secret - <<<"$stderr" || fail "$stderr"
        not grep -qF -e 5ec -e 98765 <<<"${stderr/98765 /}"
    done
}

@test "random lines: what the model makes of them; decrypted, what they were" {
    local seed options
    for ((seed = 1; seed <= ${CDC_PRIVACY_SEEDS:-4}; seed++)); do
        python3 "$LIB/privacy.py" lines "$seed" >"$IN"
        for options in "--mask email=null --mask n=partial" "--mask users:email,doc=redact --mask orders:total=hash --mask no=hash" \
            "--only users:id,email --only orders:no,id,total --mask orders:total=partial" "--tokenize card --mask email,id,doc=hash" "--only id,no,card --tokenize users:card --mask no=hash"; do
            local key=()
            [[ $options != *hash* && $options != *tokenize* ]] || key=(--mask-key "$KEY")
            # shellcheck disable=SC2086
            t cdc-filter -q $options "${key[@]}" <"$IN" >"$DIR/out" 2>"$DIR/err" || fail "seed $seed, $options: $(tail -1 "$DIR/err")"
            # shellcheck disable=SC2086
            python3 "$LIB/privacy.py" model "$KEY" $options <"$IN" >"$DIR/wanted"
            python3 "$LIB/privacy.py" compare "$DIR/wanted" "$DIR/out" || fail "seed $seed, $options"
        done
        rm -rf "$STORE"
        with_store
        t cdc-filter -q --encrypt users:email,doc,card --encrypt orders:email,total --subject id --key-store "$STORE" <"$IN" >"$DIR/sealed"
        t cdc-filter -q --decrypt --key-store "$STORE" <"$DIR/sealed" >"$DIR/out"
        python3 "$LIB/privacy.py" model "$KEY" --mask users:none=null --mask orders:none=null <"$IN" >"$DIR/wanted"
        python3 "$LIB/privacy.py" same "$DIR/wanted" "$DIR/out" || fail "seed $seed, encrypted"
    done
}

@test "hash is what openssl computes" {
    t cdc-filter -q --mask email,n=hash --mask-key "$KEY" <"$IN" >"$DIR/out"
    is "of a text" "$(printf 5ecret@example.com | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(cat "$KEY")" -r | cut -c1-64)" "$(jq -r 'select(.op == "r").after.email' "$DIR/out")"
    is "of a number" "$(printf 987654321 | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(cat "$KEY")" -r | cut -c1-64)" "$(jq -r 'select(.op == "r").after.n' "$DIR/out")"
}

@test "--only: a column that comes later does not leave, a table neither" {
    {
        schema id id:integer name:text
        change c '{"id":1}' null '{"id":1,"name":"a"}'
        schema id id:integer name:text ssn:text
        change u '{"id":1}' '{"id":1,"ssn":"5ecret"}' '{"id":1,"name":"a","ssn":"5ecret"}' '["ssn"]'
        commit
    } >"$IN"
    t cdc-filter --only t:id,name <"$IN" >"$DIR/out"
    no_secret "$DIR/out"
    not grep -q ssn "$DIR/out"
    is "rows" '{"id":1,"name":"a"} {"id":1,"name":"a"}' "$(jq -c '.after // empty' "$DIR/out" | xargs -d '\n')"
    t cdc-filter --only other:id <"$IN" >"$DIR/out"
    is "lines of no table that is listed" commit "$(jq -r .op "$DIR/out" | xargs)"
    run -78 --separate-stderr t cdc-filter --only t:name <"$IN"
    [[ $stderr == *'column "id" of the key of table "t" is not in --only'* ]] || fail "$stderr"
}

@test "names that are none: 78 with the table, a warning without" {
    run -78 --separate-stderr t cdc-filter --mask users:emial=null <"$IN"
    [[ $stderr == *"table \"users\" has no column \"emial\", which --mask 'users:emial=null' names"* ]] || fail "$stderr"
    is "what has left" "" "$output"
    t cdc-filter --mask users:emial=null --mask '*.us*:emali=null' --only id --allow-unknown <"$IN" 2>"$DIR/err" >"$DIR/out"
    grep -qF -- "named by --mask 'users:emial=null', --mask '*.us*:emali=null'" "$DIR/err"
    run -78 t cdc-filter --mask id=null <"$IN"
    run -78 t cdc-filter --encrypt id --subject email --key-store "$(with_store; echo "$STORE")" <"$IN"
}

@test "rows before their schema line do not leave" {
    sed -i 1d "$IN"
    run -65 --separate-stderr t cdc-filter --mask email=null <"$IN"
    is "what has left" "" "$output"
    [[ $stderr == *'a row of table "users" comes before the schema line'* ]] || fail "$stderr"
}

@test "a line that is of no row, and has one, or that has an op that nobody knows, does not leave" {
    local op
    for op in commit heartbeat news; do
        { cat "$IN"; jq -c --arg op $op 'select(.op == "c") | .op = $op | .pos += "Z"' "$IN" | head -1; } >"$DIR/more"
        run -65 --separate-stderr t cdc-filter --mask email=null <"$DIR/more"
        not grep -E '"op":"(heartbeat|news)"|"op":"commit".*"after"' <<<"$output"
        t cdc-filter -t '*' <"$DIR/more" >"$DIR/out"
        is "nothing is private" "$(tail -1 "$DIR/more" | jq -c .after)" "$(tail -1 "$DIR/out" | jq -c .after)"
    done
}

@test "no core file, and no look into the process" {
    mkfifo "$DIR/fifo"
    spawn bash -c 'exec cdc-filter --mask email=hash --mask-key "$1" <"$0" >/dev/null' "$DIR/fifo" "$KEY"
    exec 5>"$DIR/fifo"
    printf '%s\n' "$(head -1 "$IN")" >&5
    wait_for_match "/proc/$SPAWNED/limits" '^Max core file size +0 +0 '
    is "owner of what is in /proc" 0 "$(stat -c %u "/proc/$SPAWNED/mem")"
    exec 5>&-
    # Where a core file would be written at all.
    python3 - "$DIR" "$KEY" <<'END'
import os, resource, signal, subprocess, sys
os.chdir(sys.argv[1])
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
p = subprocess.Popen(["cdc-filter", "--mask", "email=hash", "--mask-key", sys.argv[2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
schema = open("in").readline()
p.stdin.write(schema.encode())
p.stdin.flush()
p.stdout.readline()
p.send_signal(signal.SIGSEGV)
status = os.waitpid(p.pid, 0)[1]
assert os.WTERMSIG(status) == signal.SIGSEGV, status
assert not os.WCOREDUMP(status), "a core file was written"
END
}

@test "a key that others can read is refused, and so is a link" {
    chmod 640 "$KEY"
    run -78 --separate-stderr t cdc-filter --mask email=hash --mask-key "$KEY" <"$IN"
    [[ $stderr == *'can be read or written by others (mode 640)'* ]] || fail "$stderr"
    chmod 600 "$KEY"
    ln -s "$KEY" "$DIR/link"
    run -78 t cdc-filter --mask email=hash --mask-key "$DIR/link" <"$IN"
    with_store
    chmod 750 "$STORE"
    run -78 t cdc-filter --decrypt --key-store "$STORE" <"$IN"
    chmod 700 "$STORE"
    chmod 604 "$STORE/store"
    run -78 t cdc-filter --decrypt --key-store "$STORE" <"$IN"
    # An empty folder, as where a disk is not mounted, does not become a store.
    mkdir -m 700 "$DIR/empty"
    run -78 --separate-stderr t cdc-filter --encrypt email --subject id --key-store "$DIR/empty" <"$IN"
    [[ $stderr == *'it has no file "store"'* ]] || fail "$stderr"
    is "files in it" "" "$(ls "$DIR/empty")"
    # A damaged key, and one of another's name.
    chmod 600 "$STORE/store"
    t cdc-filter -q --encrypt email --subject id --key-store "$STORE" <"$IN" >"$DIR/sealed"
    local key
    key=$(find "$STORE"/?? -type f)
    cp "$key" "$DIR/good"
    sed -i 's/\(cdc-key 1 .\{9\}\)./\1x/' "$key"
    run -78 --separate-stderr t cdc-filter --decrypt --key-store "$STORE" <"$DIR/sealed"
    [[ $stderr == *'is damaged'* ]] || fail "$stderr"
    rm "$key"
    run -78 --separate-stderr t cdc-filter --decrypt --key-store "$STORE" <"$DIR/sealed"
    [[ $stderr == *'the store has no such key'* ]] || fail "$stderr"
    cp "$DIR/good" "$key"
    t cdc-filter -q --decrypt --key-store "$STORE" <"$DIR/sealed" | grep -q 5ecret@example.com
}

@test "--forget: a person is gone from every copy, also for a filter that runs" {
    with_store
    {
        schema id id:integer name:text
        change c '{"id":1}' null '{"id":1,"name":"Zoe"}'
        change c '{"id":2}' null '{"id":2,"name":"Max"}'
    } >"$IN"
    local options=(-q --encrypt name --subject id --key-store "$STORE")
    t cdc-filter "${options[@]}" <"$IN" >"$DIR/sealed"
    mkfifo "$DIR/fifo"
    spawn bash -c 'exec cdc-filter "$@" <"$0/fifo" >"$0/live" 2>"$0/err"' "$DIR" "${options[@]}"
    exec 5>"$DIR/fifo"
    cat "$IN" >&5
    wait_for_lines "$DIR/live" 3
    is "names" 'Zoe Max' "$(t cdc-filter -q --decrypt --key-store "$STORE" <"$DIR/sealed" | jq -r '.after.name // empty' | xargs)"
    printf '1\n77\n' | t cdc-filter --key-store "$STORE" --forget 2>"$DIR/err.forget"
    grep -q '2 subjects are forgotten; 1 of them had a key' "$DIR/err.forget"
    is "names" 'null Max' "$(t cdc-filter -q --decrypt --key-store "$STORE" <"$DIR/sealed" | jq -r 'select(.after).after.name' | xargs)"
    next_is_null() { sed -n 2p "$IN" >&5; tail -n 1 "$DIR/live" | jq -e '.after.name == null' >/dev/null; }
    wait_until next_is_null
    exec 5>&-
    # It does not come back.
    is "the same lines again" 'null object' "$(t cdc-filter "${options[@]}" <"$IN" | jq -r 'select(.after).after.name | type' | xargs)"
    printf 77 | { run -75 t cdc-filter --key-store "$STORE" --forget; }
    is "keys that are gone" 2 "$(grep -rlE '^cdc-key 1 0{64} 0{16}$' "$STORE" | wc -l)"
}

@test "--encrypt: every call fails once: what has left can be read with what is on the disk" {
    # A few keys are synced one by one, more of them together.
    local rows
    for rows in 2 7; do keys_with_faults "$rows"; done
}
keys_with_faults() {
    local i rows=$1
    {
        schema id id:integer name:text
        for ((i = 1; i <= rows; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"name $i\"}"; done
        commit
    } >"$IN"
    begin_case() {
        rm -rf "$ROOT" "$DIR/shadow"
        mkdir "$ROOT" "$DIR/shadow"
        cdc-filter --make-key-store "$ROOT/keys"
        : >"$DIR/out"
        [ -z "$SHADOW" ] || python3 "$LIB/power-cut.py" begin "$ROOT" "$SHADOW"
    }
    # What a run before has written is there still: the sinks have it.
    run_case() { faulty cdc-filter -q --encrypt name --subject id --key-store "$ROOT/keys" <"$IN" >>"$DIR/out" 2>"$DIR/err"; }
    check_case() {
        cdc-filter -q --decrypt --key-store "$ROOT/keys" <"$DIR/out" >"$DIR/opened" || return 1
        is names "$(seq -f 'name %g' "$rows" | xargs)" "$(jq -r '.after.name // empty' "$DIR/opened" | sort -u | xargs)"
    }
    all_faults error read write sync rename open memory
    all_faults short read write
    SHADOW=$DIR/shadow
    all_faults kill write sync rename
}

@test "--encrypt: several filters make keys in one store, and --forget takes some meanwhile" {
    local i n=600 pids=()
    {
        schema id id:integer name:text
        for ((i = 1; i <= n; i++)); do change c "{\"id\":$i}" null "{\"id\":$i,\"name\":\"name $i\"}"; done
        commit
    } >"$IN"
    with_store
    for i in 1 2 3; do
        t cdc-filter -q --encrypt name --subject id --key-store "$STORE" <"$IN" >"$DIR/sealed$i" &
        pids+=($!)
    done
    seq 1 7 $n | t cdc-filter -q --key-store "$STORE" --forget
    for i in "${pids[@]}"; do wait "$i"; done
    for i in 1 2 3; do
        t cdc-filter -q --decrypt --key-store "$STORE" <"$DIR/sealed$i" >"$DIR/out"
        is "rows" $n "$(jq -s 'map(select(.op == "c" and (.after.name == null) == (.after.id % 7 == 1) and (.after.name // "name \(.after.id)") == "name \(.after.id)")) | length' "$DIR/out")"
    done
    is "no file is left over" "" "$(find "$STORE" -name '*.tmp.*')"
}

@test "a copy behind the filter is what the same query makes of the source" {
    create_database
    pg_test_setup
    sql "create extension pgcrypto;
         create table $NAME.people (email text primary key, card text, city text, n bigint);
         insert into $NAME.people select 'p' || i || '@example.com', lpad((i * 7919)::text, 12, '0'), 'city ' || i, case when i % 3 > 0 then i end from generate_series(1, 500) i"
    local line
    line=$(full_line "cdc-filter --only people:email,card,n --mask email=hash --mask n=redact --mask people:card=partial --mask-key '$KEY' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'")
    spawn_line "$line 2>>'$DIR/err'"
    local group=$SPAWNED
    wait_until -t 120 has_member "$group" pg-cdc
    sql "update $NAME.people set email = 'moved' || email where n < 50; delete from $NAME.people where n between 60 and 90;
         update $NAME.people set card = '999', city = 'x' where n > 450; alter table $NAME.people add ssn text default '5ecret'; insert into $NAME.people values ('new', '1234567890', 'c', 5, '5ecret')"
    wait_confirmed "$SLOT" 120 || { cat "$DIR/err"; return 1; }
    sql_file -c "select json_build_array(encode(hmac(email::bytea, decode('$(cat "$KEY")', 'hex'), 'sha256'), 'hex'), case when length(card) >= 8 then '****' || right(card, 4) else '****' end, case when n is not null then '***' end) from $NAME.people" >"$DIR/expected"
    sqlite3 -cmd '.timeout 30000' "$DIR/copy.db" "select json_array(email, card, n) from people" >"$DIR/actual"
    python3 "$LIB/compare.py" "$DIR/expected" "$DIR/actual"
    is "columns" "email card n" "$(sqlite3 "$DIR/copy.db" "select name from pragma_table_info('people')" | xargs)"
    not grep -aq -e 5ecret -e '@example' "$DIR/copy.db"
    kill -TERM "$(member "$group" pg-cdc)"
    status_of "$group" || true
}

@test "options that do not go together" {
    local wrong
    while IFS= read -r wrong; do
        # shellcheck disable=SC2086
        run -64 t cdc-filter $wrong </dev/null
    done <<END
--mask email=hash
--tokenize email
--mask email=all
--mask email
--mask-key $KEY
--encrypt email --key-store $STORE
--encrypt email --subject id
--subject id
--key-store $STORE
--decrypt
--decrypt --key-store $STORE --only id
--forget
--forget --key-store $STORE --mask a=null
--make-key-store $STORE --forget --key-store $STORE
--encrypt email --subject id --key-store $STORE --rename users=people
END
    not test -e "$STORE"
    with_store
    run -78 t cdc-filter --make-key-store "$STORE"
}
