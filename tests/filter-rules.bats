#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-filter: files of rules (-f), --check, and --explain.
# takes: 20 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines

setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    cd "$DIR"
    {
        TABLE=orders schema id id:bigint region:text total:'numeric(10,2)' note:text customer:bigint
        TABLE=customers schema id id:bigint email:text city:text card:text secret:text
        TABLE=other schema id id:bigint
        TABLE=orders change c '{"id":1}' null '{"id":1,"region":"EU","total":"119.00","note":"a:b","customer":7}'
        TABLE=orders change c '{"id":2}' null '{"id":2,"region":"EU","total":"100.00","note":null,"customer":7}'
        TABLE=orders change c '{"id":3}' null '{"id":3,"region":"US","total":"119.00","note":"x","customer":7}'
        TABLE=customers change c '{"id":1}' null '{"id":1,"email":"a@b","city":"Ulm","card":"4111111111","secret":"s"}'
        TABLE=other change c '{"id":1}' null '{"id":1}'
        commit
    } >"$IN"
}
# The rules of a test, and the same as arguments.
some_rules() {
    cat <<'END'
# Orders of Europe, and who made them.

table   orders
table   customers
where   orders: region = 'EU'          -- not the others
        AND total > 99.5
  # a comment between the lines of a rule
        AND coalesce(note, '') <> 'a:b'
add     orders: net numeric(10,2) = decimal_div(total, 1.25, 2)
rename  orders = web.bestellungen
rename-column customers : city = stadt
only    customers: id, email,
                   city
                   , card
only    orders:id,region,total,note,net,customer
mask    customers: email = redact
mask    customers: card  = partial
op      c,
        u
END
}
arguments=(-t orders -t customers --where "orders: region = 'EU' AND total > 99.5 AND coalesce(note, '') <> 'a:b'"
    --add "orders: net numeric(10,2) = decimal_div(total, 1.25, 2)" --rename orders=web.bestellungen --rename-column customers:city=stadt
    --only customers:id,email,city,card --only orders:id,region,total,note,net,customer --mask customers:email=redact --mask customers:card=partial --op c,u)

@test "a file of rules does what the same options do, also as a pipe, with CR LF, and in parts" {
    some_rules >rules
    t cdc-filter "${arguments[@]}" <"$IN" >expected
    [ "$(grep -c '"op":"c"' expected)" = 2 ]
    t cdc-filter -f rules <"$IN" | cmp - expected
    t cdc-filter --rules <(cat rules) <"$IN" | cmp - expected
    sed 's/$/\r/' rules >crlf
    t cdc-filter -f crlf <"$IN" | cmp - expected
    head -4 rules >one
    tail -n +5 rules >two
    t cdc-filter -f one -f two <"$IN" | cmp - expected
    sed '/^only/,/^mask/{/^mask/!d}' rules >one
    t cdc-filter -f one --only customers:id,email,city,card --only orders:id,region,total,note,net,customer <"$IN" | cmp - expected
}

@test "what is on the line adds to lists, and wins where there is one value" {
    printf 'where-before require\nto maxwell\nallow-unknown\nrename orders=a\n' >rules
    t cdc-filter -f rules <"$IN" | jq -r .table | sort -u | xargs >tables
    is "of the file" "a customers other" "$(cat tables)"
    t cdc-filter -f rules --to debezium,bare --rename orders=b -T other <"$IN" >out
    is "the last rename counts" "b customers" "$(jq -r 'select(.op == "c").source.table' out | uniq | xargs)"
}

@test "errors say FILE:LINE:COLUMN, those of an expression where it is wrong" {
    wrong() { # WHERE MESSAGE STATUS LINE...
        local where=$1 message=$2 status=$3
        shift 3
        printf '%s\n' "$@" >r
        run "-$status" --separate-stderr t cdc-filter -f r <"$IN"
        [[ $stderr == *"r:$where: "*"$message"* ]] || fail "$where $message: $stderr"
    }
    wrong 2:1 '"wher" is no rule' 64 '# one' "wher orders: region = 'EU'"
    wrong 1:1 'is not for a file of rules' 64 'on-error skip'
    wrong 1:1 'is not for a file of rules' 64 'rules other'
    wrong 1:3 'there is none above' 64 '  table x'
    wrong 1:14 '"never" is not one of' 64 'where-before never'
    wrong 1:1 'needs a value' 64 where
    wrong 2:1 'takes no value' 64 'op c' 'decrypt yes'
    wrong 3:13 'there is no column "totl"' 78 "where orders: region = 'EU'" '' '        AND totl > 1'
    wrong 2:6 'an expression was expected at "* 4"' 64 'where orders: total >' '     * 4'
    wrong 2:14 'there is no function' 78 'where orders:' '   id = 1 OR nothing(region)'
    wrong 1:17 'no column "emial"' 78 'mask customers: emial = redact'
    wrong 2:9 'no column "nose"' 78 'drop-columns orders: region,' '        nose'
    wrong 1:6 '"x" is not an operation' 64 'op c,x'
    wrong 1:9 'is not of the form' 64 'rename  a = b = c'
    wrong 1:21 'ünbekannt' 78 "where orders: 'ü' = ünbekannt"
    printf 'op c\n\377\n' >r
    run -64 --separate-stderr t cdc-filter -f r <"$IN"
    [[ $stderr == *r:2:1:* ]]
    run -78 t cdc-filter -f none <"$IN"
}

@test "--check: all errors with a caret, nothing is written; 64, 78 or 0" {
    printf '%s\n' 'wher x' '  more' "where orders: region = 'EU'" '        AND totl > 1' 'where orders: total >' 'mask customers: emial = redact' >r
    run -78 --separate-stderr t cdc-filter --check -f r <"$IN"
    is "places" "r:1:1 r:5:22 r:4:13 r:6:17" "$(grep -o '^r:[0-9:]*[0-9]' <<<"$output" | xargs)"
    is "the caret" '            AND totl > 1
                ^' "$(grep -A1 'AND totl > 1$' <<<"$output")"
    run -64 t cdc-filter --check -f r </dev/null
    run -64 --separate-stderr t cdc-filter --check -f r --json </dev/null
    is "as JSON" "64 rule rule" "$(jq -r '[.exit_status, .findings[].code] | join(" ")' <<<"$output")"
    # The rule above a line that is no text is looked at, too.
    printf 'table\n\377\nwhere total >\n\377\n' >r
    run -64 --separate-stderr t cdc-filter --check -f r </dev/null
    is "places" "r:1:1 r:2:1 r:4:1 r:3:14" "$(grep -o '^r:[0-9:]*[0-9]' <<<"$output" | xargs)"
    some_rules >r
    t cdc-filter --check -f r <"$IN"
    t cdc-filter --check -f r "$IN" </dev/null
    run -78 --separate-stderr t cdc-filter --check -f r --where 'orders: nothing = 1' "$IN" </dev/null
    [[ $output == *'there is no column "nothing"'* ]]
}

@test "--check: names that no schema line has are errors, but for --allow-unknown" {
    printf '%s\n' 'table ordesr' 'table *' 'drop-columns secret,secert' 'mask nobody: x = null' >r
    run -78 --separate-stderr t cdc-filter --check -f r "$IN"
    is "places" "r:1:7 r:3:14 r:4:6" "$(grep -o '^r:[0-9:]*[0-9]' <<<"$output" | xargs)"
    t cdc-filter --check -f r --allow-unknown "$IN"
}

@test "a stream goes on without a table or column that has not come; at the end a warning names it" {
    t cdc-filter --drop-columns secret,secert --rename-column cty=town <"$IN" >out 2>err
    is "warning" "cdc-filter: warning: no table of this run is the one that is named by --drop-columns 'secret,secert', --rename-column 'cty=town'" "$(cat err)"
    is "lines" "$(wc -l <"$IN")" "$(wc -l <out)"
    # A column that another option leaves out, or that is computed, is there.
    t cdc-filter -t orders --only orders:id,total --drop-columns note --add 'orders: x = 1' --only orders:x --rename-column x=y <"$IN" >out 2>err
    is "no warning" "" "$(cat err)"
}

@test "--explain: for people, and as JSON" {
    some_rules >rules
    is "for people" "public.orders leaves as web.bestellungen, only rows where: region = 'EU'          -- not the others AND total > 99.5 AND coalesce(note, '') <> 'a:b'; op c,u
  COLUMN    LEAVES AS  CLEAR  HOW
  id        id         yes
  region    region     yes
  total     total      yes
  note      note       yes
  customer  customer   yes
  -         net        yes    added: decimal_div(total, 1.25, 2)

public.customers leaves as public.customers, op c,u
  COLUMN  LEAVES AS  CLEAR    HOW
  id      id         yes
  email   email      no       masked: redact
  city    stadt      yes
  card    card       in part  masked: partial
  secret  -          no       not in --only

public.other does not leave: not chosen" "$(t cdc-filter --explain -f rules <"$IN")"
    t cdc-filter --explain --json -f rules "$IN" >out
    is "clear" "id,city" "$(jq -r '.tables[] | select(.table == "customers") | [.columns[] | select(.clear == "yes").column] | join(",")' out)"
    run -65 t cdc-filter --explain -f rules </dev/null
    run -64 t cdc-filter --explain --check -f rules <"$IN"
    run -64 t cdc-filter --json <"$IN"
    # The names of the lines that leave are those that were said.
    t cdc-filter -f rules <"$IN" >lines
    jq -r '.tables[] | select(.leaves) | .becomes.table as $t | .columns[] | select(.becomes) | "\($t) \(.becomes) \(.type_after)"' out >said
    jq -r 'select(.op == "schema") | .source.table as $t | .columns[] | "\($t) \(.name) \(.type)"' lines | diff said -
}

@test "--explain: a key store, a tokenizer, what is set, and the newest schema line of a table" {
    (umask 077; printf '%064d\n' 7 >key)
    t cdc-filter --make-key-store store
    TABLE=other schema id id:bigint late:text >>"$IN"
    t cdc-filter --explain --json --tokenize customers:card --mask-key key --encrypt customers:email --subject customers:id --key-store store \
        --set "orders:note = upper(note)" --drop-columns secret <"$IN" >out
    is "how" $'email encrypted for id no\ncard tokenized no\nsecret left out no' \
        "$(jq -r '.tables[] | select(.table == "customers").columns[] | select(.how != []) | "\(.column) \(.how | join(" ")) \(.clear)"' out)"
    is "set" 'set: upper(note)' "$(jq -r '.tables[0].columns[] | select(.column == "note").how[0]' out)"
    is "newest" "id late" "$(jq -r '.tables[] | select(.table == "other") | [.columns[].column] | join(" ")' out)"
    is "keys were made" 1 "$(find store -type f | wc -l)"
}

@test "rules of random bytes: told as errors, and nothing else happens" {
    some_rules >rules
    cat >mutate.py <<'END'
import random, sys
chance = random.Random(int(sys.argv[1]))
data = bytearray(open("rules", "rb").read())
for _ in range(chance.randint(1, 12)):
    at = chance.randrange(len(data))
    how = chance.randrange(4)
    if how == 0:
        data[at] = chance.randrange(256)
    elif how == 1:
        del data[at:at + chance.randint(1, 20)]
    elif how == 2:
        data[at:at] = chance.choice([b"\n", b"\n ", b"=", b":", b",", b"'", b'"', b"\0", b"(" * 300, b"\xc3", b"  "])
    else:
        data[at:at] = bytes(data[chance.randrange(len(data)):][:chance.randint(1, 40)])
open("mutated", "wb").write(data)
END
    local seed status
    for seed in {1..60}; do
        python3 mutate.py "$seed"
        status=0
        t cdc-filter --check -f mutated "$IN" >out 2>&1 || status=$?
        [[ $status == 0 || $status == 64 || $status == 78 ]] || fail "seed $seed: status $status: $(cat out)"
        status=0
        t cdc-filter -q -f mutated <"$IN" >out 2>&1 || status=$?
        [[ $status == 0 || $status == 64 || $status == 65 || $status == 78 ]] || fail "seed $seed: status $status: $(cat out)"
    done
}
