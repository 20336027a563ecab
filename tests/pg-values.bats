#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Values of PostgreSQL: the same bytes from the snapshot and from the log, whatever encoding and settings there are.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() {
    pg_test_teardown
    local other
    for other in $(DATABASE=postgres sql "select datname from pg_database where datname like 'other%'"); do
        DATABASE=$other drop_slots
        DATABASE=postgres sql "drop database $other with (force)"
    done
}

stream() { t pg-cdc --name "$NAME" --heartbeat 0 "$@" "$URL" >>"$DIR/out" 2>"$DIR/err"; }
begin() { stream --until now; : >"$DIR/out"; }
read_all() { : >"$DIR/out"; stream --until now || { cat "$DIR/err"; return 1; }; }
# A snapshot of its own, as $DIR/rows.
snapshot() { t cdc-snapshot -q --name "${NAME}s" --offset-file "$DIR/s.offset" "$URL" >"$DIR/rows" 2>"$DIR/snapshot.err" || { cat "$DIR/snapshot.err"; return 1; }; }
lines() { jq -c "$1" "${2:-$DIR/out}"; }
# A database in another encoding.
other_database() {
    DATABASE=postgres sql "create database other$1 encoding '$1' template template0 lc_collate 'C' lc_ctype 'C'"
    DATABASE=other$1 URL=$(pg_url "other$1")
}
in_encoding() { PGCLIENTENCODING=$1 sql "$2"; }

@test "bytes that are no characters of the database's encoding: base64, counted, in snapshot and stream" {
    other_database win1252
    in_encoding UTF8 'create table "größe" (id int primary key, "maß" text, a text[], j json)'
    begin
    in_encoding UTF8 "insert into \"größe\" values (1, 'é€', '{ä,b}', '{\"ü\": \"ö\"}')"
    in_encoding UTF8 "insert into \"größe\" values (2, 'x' || chr(129), array['é', chr(129)], null), (3, 'after', null, null)"
    in_encoding UTF8 "select pg_logical_emit_message(true, 'pré', 'c')" >/dev/null
    read_all
    diff - <(lines 'select(.op == "c") | .after') <<'EOF'
{"id":1,"maß":"é€","a":["ä","b"],"j":{"ü":"ö"}}
{"id":2,"maß":{"base64":"eIE="},"a":{"base64":"e+ksgX0="},"j":null}
{"id":3,"maß":"after","a":null,"j":null}
EOF
    grep -q '^pg-cdc: warning: 2 texts' "$DIR/err"
    is "names" 'größe pré' "$(jq -r 'select(.op == "schema") .source.table, select(.op == "m") .message.prefix' "$DIR/out" | xargs)"
    snapshot
    diff <(lines 'select(.op == "c") | .after') <(lines 'select(.op == "r") | .after' "$DIR/rows")
}

@test "characters that Unicode lacks, of encodings with several bytes each: base64, counted, in snapshot and stream" {
    local encoding lacking
    for lacking in euc_jp:375:376 euc_kr:311:241 euc_cn:375:376 euc_tw:376:376; do
        encoding=${lacking%%:*}
        lacking=${lacking#*:}
        lacking="\\${lacking%:*}\\${lacking#*:}"
        other_database "$encoding"
        in_encoding UTF8 'create table t (id int primary key, "中" text, a text[])'
        : >"$DIR/out"
        begin
        in_encoding UTF8 "insert into t values (1, 'a中文b', '{中,x}')"
        # Of the character set's form, without a character in it.
        in_encoding SQL_ASCII "insert into t values (2, E'x$lacking', null), (3, 'after', null)"
        read_all
        diff - <(lines 'select(.op == "c") | .after') <<EOF
{"id":1,"中":"a中文b","a":["中","x"]}
{"id":2,"中":{"base64":"$(printf "x$lacking" | base64)"},"a":null}
{"id":3,"中":"after","a":null}
EOF
        grep -q '^pg-cdc: warning: 1 text' "$DIR/err"
        rm -f "$DIR"/s.offset*
        snapshot
        diff <(lines 'select(.op == "c") | .after') <(lines 'select(.op == "r") | .after' "$DIR/rows")
        drop_slots
    done
}

@test "a database in SQL_ASCII: what is UTF-8 is text, the rest base64" {
    other_database sql_ascii
    in_encoding SQL_ASCII 'create table t (id int primary key, v text, j json, a text[])'
    begin
    in_encoding SQL_ASCII "insert into t values (1, E'a\\351', E'{\"k\":\"\\351\"}', array[E'\\351', 'ok']), (2, 'é', '{\"k\":\"é\"}', null)"
    read_all
    diff - <(lines 'select(.op == "c") | .after') <<'EOF'
{"id":1,"v":{"base64":"Yek="},"j":{"base64":"eyJrIjoi6SJ9"},"a":[{"base64":"6Q=="},"ok"]}
{"id":2,"v":"é","j":{"k":"é"},"a":null}
EOF
    grep -q '^pg-cdc: warning: 3 texts' "$DIR/err"
    snapshot
    diff <(lines 'select(.op == "c") | .after') <(lines 'select(.op == "r") | .after' "$DIR/rows")
}

# named ENCODING BYTES NAME: a snapshot and the log after it, of a database whose name in the catalog is BYTES.
named() {
    local bytes=n_$1_$2 name=n_$1_$3
    DATABASE=otherlatin1 in_encoding LATIN1 "create database \"$bytes\" encoding '$1' template template0 lc_collate 'C' lc_ctype 'C'"
    local DATABASE=$bytes URL
    rm -f "$STATE"/*
    URL=$(pg_url "$bytes")
    in_encoding UTF8 'create table t (id int primary key); insert into t values (1)'
    t cdc-snapshot -q --state-dir "$STATE" "$URL" >"$DIR/out" 2>"$DIR/err" || { cat "$DIR/err"; return 1; }
    in_encoding UTF8 'insert into t values (2)'
    t pg-cdc --state-dir "$STATE" --until now "$URL" >>"$DIR/out" 2>"$DIR/err" || { cat "$DIR/err"; return 1; }
    is "rows of $1 $3" "1 2" "$(jq -r 'select(.after) | .after.id' "$DIR/out" | xargs)"
    is "names of $1 $3" "[\"$name\",\"$name\"]" "$(jq -c 'select(.source) | [.source.name, .source.db]' "$DIR/out" | sort -u)"
    [ -e "$STATE/pg-cdc-$name.offset" ]
    t pg-cdc --check --json --state-dir "$STATE" "$URL" >"$DIR/check"
    is "names in the check of $1 $3" "[\"$name\",\"$name\"]" "$(jq -c '[.server.database, .slot.database]' "$DIR/check")"
    t pg-cdc --drop --state-dir "$STATE" "$URL" 2>"$DIR/err" || { cat "$DIR/err"; return 1; }
    DATABASE=otherlatin1 in_encoding LATIN1 "drop database \"$bytes\" with (force)"
}

@test "a database whose own name is not ASCII, in the bytes of its encoding or of another" {
    DATABASE=postgres sql "create database otherlatin1 encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'"
    local encoding latin1=$'\xe9' euc=$'\xc6\xfc\xcb\xdc'
    for encoding in utf8 latin1 euc_jp sql_ascii; do
        named "$encoding" "日本" "日本"
    done
    named latin1 "$latin1" "é"
    named euc_jp "$euc" "日本"
    # No text in the database's encoding.
    named utf8 "$latin1" "é"
    named sql_ascii "$latin1" "é"
    named euc_jp "$latin1" "é"
    # 63 bytes that become more.
    named win1252 "$(printf '\x80%.0s' {1..53})" "$(printf '€%.0s' {1..53})"
}

@test "an array of a type that was dropped since is the array that it was" {
    sql "create type $NAME.mood as enum ('a', 'b'); create table $NAME.t (id int primary key, m $NAME.mood, ms $NAME.mood[])"
    begin
    sql "insert into $NAME.t values (1, 'a', '{a,NULL,b}')"
    sql "alter table $NAME.t alter m type text, alter ms type text[]; drop type $NAME.mood"
    read_all
    is "row" '{"id":1,"m":"a","ms":["a",null,"b"]}' "$(lines 'select(.op == "c") | .after')"
    is "types" "[\"integer\",\"$NAME.mood\",\"$NAME.mood[]\"]" "$(lines 'select(.op == "schema") | [.columns[].type]')"
}

@test "a value of a composite that was dropped since is the server's text, alone and in an array" {
    sql "create type $NAME.pair as (n int, v text[]); create table $NAME.t (id int primary key, p $NAME.pair, ps $NAME.pair[])"
    begin
    sql "insert into $NAME.t values (1, row(1, '{a,\"b c\"}'), array[row(2, null)::$NAME.pair, null])"
    sql "drop type $NAME.pair cascade"
    read_all
    diff - <(lines 'select(.op == "c") | .after') <<'EOF'
{"id":1,"p":"(1,\"{a,\"\"b c\"\"}\")","ps":["(2,)",null]}
EOF
}

# Whatever a setting can be, for each that a role can have: its name, a tab, the value.
settings() {
    sql "select name, v from pg_settings, lateral (
            select case setting when 'on' then 'off' else 'on' end where vartype = 'bool'
            union all select unnest(enumvals) where vartype = 'enum'
            union all select min_val where vartype in ('integer', 'real') and name !~ 'cost|mem|buffers|threshold|limit\$|size|timeout\$'
            union all select max_val where vartype in ('integer', 'real') and name !~ 'timeout\$'
            union all select case name when 'transaction_timeout' then '1000' else '1' end where name ~ 'timeout\$' and vartype = 'integer'
        ) v(v) where context in ('user', 'superuser') and v <> setting
        and name not in ('client_encoding', 'log_statement_stats', 'exit_on_error', 'wal_sender_timeout', 'ignore_checksum_failure') and name !~ '^(log|debug|trace)_|wal_consistency'" | tr '|' '\t'
    printf '%s\t%s\n' datestyle 'German, DMY' datestyle 'SQL, MDY' datestyle Postgres timezone Asia/Kathmandu lc_monetary C.UTF-8 lc_numeric C.UTF-8 \
        lc_time C.UTF-8 lc_messages C.UTF-8 search_path 'public, pg_catalog' client_encoding LATIN1 timezone_abbreviations India
}

@test "no setting of the role changes a byte" {
    sql "create extension if not exists hstore; create type $NAME.mood as enum ('a b', 'c\"d'); create type $NAME.inner_one as (m money, f double precision, i interval, b bytea, t timestamptz, x xml, e $NAME.mood, r regclass, h hstore); create type $NAME.nested as (o $NAME.inner_one, l $NAME.inner_one[], d date[])"
    sql "create table $NAME.\"T\" (id int primary key, n numeric, f real, g double precision, m money, t text, b bytea, d date, ti time, tz timetz, ts timestamp, tstz timestamptz, i interval, x xml, j jsonb, r regclass, rt regtype, tr tstzrange, ia interval[], ba bytea[], tza timestamptz[], e $NAME.mood[], h hstore, bo bool, bi bit(3), ra regclass[], c $NAME.nested, ca $NAME.nested[], dr daterange, tm tstzmultirange, b0 timestamptz[])"
    DATABASE=postgres sql "create role odd superuser login"
    local odd name value round n=0
    odd=$(pg_url "$DATABASE" odd)
    begin
    sql "insert into $NAME.\"T\" values (1, 1.50, 0.1, 1e-300, -1234.5, E'a\\\\b\\'c', '\\x00ff5c', '2026-02-01', '24:00', '10:00+05:30', '0044-03-15 01:02:03 BC', '2026-02-01 00:00+00', '1 year -2 mons 3 days -04:05:06.7', '<a>1<b/></a>', '{\"a\": [1, null]}', '$NAME.\"T\"', 'timestamptz', '[2020-01-01 00:00+02,)', '{1 day -1 sec,NULL}', '{\"\\\\x5c\",NULL}', '{2020-01-01 00:00+02}', array['a b', 'c\"d']::$NAME.mood[], 'a=>1, b=>NULL', true, b'101', array['pg_class'::regclass, '$NAME.\"T\"'::regclass], null, null, '[2026-02-01,2026-03-01)', '{[2020-01-01 00:00+02,2020-01-02 00:00+02)}', '[0:0]={2020-01-01 00:00+02}')"
    sql "update $NAME.\"T\" t set c = row(o, array[o, null]::$NAME.inner_one[], array['2026-02-01'::date])::$NAME.nested, ca = array[row(o, null, null)::$NAME.nested] from (select row(-1234.5, 0.1, '1 year -2 mons 3 days -04:05:06.7', '\\x00ff5c', '2026-02-01 00:00+02', '<a>1<b/></a>', 'a b', '$NAME.\"T\"', 'a=>1')::$NAME.inner_one) s(o)"
    # Acknowledged by nobody: each run reads the same from the slot, and what was altered since: before 15 the server sends transactions that
    # changed no row of ours, too.
    again() { t pg-cdc --name "$NAME" --heartbeat 0 --until now --ack "$DIR/nobody" "$1" 2>"$DIR/err" | grep -v '"op":"heartbeat"\|"op":"commit".*"events":0}'; }
    other_style() { ! plain_style; }
    plain_style() { [ "$(sql 'show datestyle') $(sql 'show intervalstyle')" = "ISO, MDY postgres" ]; }
    same_lines() {
        again "$odd" >"$DIR/odd" || fail "$1: $(cat "$DIR/err")"
        cmp "$DIR/plain" "$DIR/odd" || fail "$1: $(diff "$DIR/plain" "$DIR/odd")"
    }
    again "$URL" >"$DIR/plain"
    grep -q '"op":"c"' "$DIR/plain"
    snapshot
    diff <(lines 'select(.op == "u") | .after' "$DIR/plain") <(lines 'select(.op == "r") | .after' "$DIR/rows")
    # One value of every setting at a time, then the next one of those that have more.
    settings >"$DIR/settings"
    for round in 1 2 3 4 5 6; do
        awk -F '\t' -v "round=$round" '++seen[$1] == round' "$DIR/settings" >"$DIR/round"
        sql "alter role odd reset all"
        # A role cannot have each of them; psql goes on with the next one.
        awk -F '\t' '{ gsub(/, /, "\047, \047", $2); print "alter role odd set " $1 " = \047" $2 "\047;" }' "$DIR/round" >"$DIR/round.sql"
        sql_file -f "$DIR/round.sql" 2>/dev/null
        n=$((n + $(sql "select cardinality(setconfig) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole where rolname = 'odd'")))
        same_lines "round $round"
        t cdc-snapshot -q --name "${NAME}o$round" --offset-file "$DIR/o.$round" "$odd" >"$DIR/odd" 2>"$DIR/err" || fail "round $round: $(cat "$DIR/err")"
        diff <(lines 'select(.op == "r") | .after' "$DIR/rows") <(lines 'select(.op == "r") | .after' "$DIR/odd")
        t pg-cdc -q --drop --name "${NAME}o$round" "$URL"
    done
    # Of the database, and of the server, as of a role.
    local way
    for way in "alter database $DATABASE set" "alter system set"; do
        grep -v '^search_path\|^client_encoding' "$DIR/settings" | grep -E '^(datestyle|intervalstyle|bytea_output|extra_float_digits|lc_|timezone\s|xml|quote_all|standard_conf|escape_string|array_nulls)' | awk -F '\t' -v way="$way" '!seen[tolower($1)]++ { gsub(/, /, "\047, \047", $2); print way " " $1 " = \047" $2 "\047;" }' >"$DIR/way.sql"
        sql_file -f "$DIR/way.sql"
        sql "select pg_reload_conf()" >/dev/null
        wait_until other_style
        same_lines "$way"
        t cdc-snapshot -q --name "${NAME}w" --offset-file "$DIR/w.offset" "$URL" >"$DIR/odd" 2>"$DIR/err" || fail "$way: $(cat "$DIR/err")"
        diff <(lines 'select(.op == "r") | .after' "$DIR/rows") <(lines 'select(.op == "r") | .after' "$DIR/odd")
        t pg-cdc -q --drop --name "${NAME}w" "$URL"
        rm -f "$DIR/w.offset"
        sql "alter database $DATABASE reset all"
        sql "alter system reset all"
        sql "select pg_reload_conf()" >/dev/null
        wait_until plain_style
    done
    echo "# $n values of settings" >&3
    [ "$n" -gt 100 ]
    sql "drop owned by odd; drop role odd"
}

@test "JSON's null in a key is a value: told from NULL, and kept apart from other documents by sinks" {
    sql "create table $NAME.k (k jsonb primary key, v text); create table $NAME.two (a int, k jsonb, primary key (k, a)); insert into $NAME.k values ('null', 'a'), ('1', 'b'), ('\"null\"', 'text')"
    local i
    for i in 0 1 2; do
        [ $i = 0 ] || sql "update $NAME.k set v = 'c' where k = 'null'; insert into $NAME.k values ('[$i]', 'd'); update $NAME.k set k = '2' where k = 'null'; update $NAME.k set k = 'null' where k = '1'; update $NAME.k set k = '1' where k = '2'; insert into $NAME.two values ($i, 'null'), ($i, '1'); delete from $NAME.two where k = 'null'"
        t bash -o pipefail -c "{ cdc-snapshot $(source_options) && pg-cdc --until now $(source_options); } 2>>'$DIR/err' | tee -a '$DIR/out' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'" || { cat "$DIR/err"; return 1; }
    done
    is "copy" "$(sql "select k::text || ' ' || v from $NAME.k order by 1")" "$(sqlite3 "$DIR/copy.db" "select k || ' ' || v from k order by 1")"
    is "of two columns" "1|1 2|1" "$(sqlite3 "$DIR/copy.db" "select a, k from two order by 1" | xargs)"
    diff - <(lines 'select(.source.table == "k" and has("key") and .key.k == null) | [.op, .json_null, .json_null_old]') <<'END'
["r",["k"],null]
["u",["k"],null]
["u",["k"],null]
["u",["k"],null]
["u",["k"],null]
END
    is "updates away from it" '[["k"],null] [["k"],null]' "$(lines 'select(.op == "u" and .key.k == 2) | [.json_null_old, .before.k]' | xargs -d '\n')"
}

@test "JSON that readers would refuse is a string: counted and told, by snapshot and stream" {
    sql "create table $NAME.j (id int primary key, j json, a json[])"
    begin
    sql "insert into $NAME.j values (1, '\"\\ud800\"', null), (2, (repeat('[', 300) || repeat(']', 300))::json, null), (3, '{\"a\":\"\\u0000\"}', array['\"\\udc00\"'::json])"
    stream --until now --metrics-file "$DIR/metrics"
    is "as strings" '["string",null] ["string",null] ["object",["\"\\udc00\""]]' "$(lines 'select(.op == "c") | [(.after.j | type), .after.a]' | xargs -d '\n')"
    grep -q '^cdc_json_texts_total{.*} 3$' "$DIR/metrics"
    grep -q 'warning: 3 JSON documents are written as strings' "$DIR/err"
    t cdc-snapshot --name "${NAME}j" --offset-file "$DIR/j.offset" "$URL" 2>&1 >"$DIR/rows" | grep 'warning: 3 JSON documents are written as strings'
    is "the same in the snapshot" "$(lines 'select(.op == "c") | .after')" "$(lines 'select(.op == "r") | .after' "$DIR/rows")"
}
