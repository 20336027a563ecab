#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every column type of MySQL and MariaDB: what the lines say is what the server says to its own client.
# takes: 20 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start --max-allowed-packet=64M
}
teardown_file() { mysql_end; }
setup() {
    mysql_test_setup
    TYPES_CLIENT="mariadb --no-defaults --batch -N --default-character-set=utf8mb4 --max-allowed-packet=64M --socket=$(mysql_dir)/socket --user=root $NAME"
    TYPES_MARIADB=$(mysql_is_mariadb && echo 1 || echo 0)
    TYPES_VERSION=$(cat "$(mysql_dir)/version")
    export TYPES_CLIENT TYPES_MARIADB TYPES_VERSION
}
teardown() { mysql_test_teardown; }

# all_types [SQL]: all of them, with this setting of the session.
all_types() {
    begin
    python3 "$LIB/mysql-types.py" run "$DIR" "${1:-}"
    read_all
    whole_lines "$DIR/out"
    ordered "$DIR/out"
    python3 "$LIB/mysql-types.py" compare "$DIR" "$DIR/out" >"$DIR/report" || { cat "$DIR/report"; return 1; }
    echo "# $(tail -1 "$DIR/report")" >&3
    # MariaDB's lines omit the generated columns of one table, which is said.
    is "messages" "$TYPES_MARIADB" "$(grep -c . "$DIR/err")"
    ! mysql_is_mariadb || says 'gencols: its generated columns are not in the lines'
}

@test "every type: insert, update, delete" {
    all_types
    # The schema lines name the types as the server does.
    jq -r 'select(.op == "schema") | .source.table as $t | .columns[] | [$t, .name, .type] | @tsv' "$DIR/out" | sort -u >"$DIR/types"
    msql -N "select table_name, column_name, column_type from information_schema.columns where table_schema = '$NAME'" | sort -u >"$DIR/expected"
    # MariaDB's JSON is a LONGTEXT that is checked; the lines say what it is meant to be.
    diff <(grep -v longtext "$DIR/expected") <(grep -vE 'longtext|	json$' "$DIR/types" || true) || mysql_is_mariadb || diff "$DIR/expected" "$DIR/types"
    is "generated" "$(mysql_is_mariadb && echo '[]' || echo '["virt","stor","jv"]')" "$(lines 'select(.op == "schema" and .source.table == "gencols") | .columns | map(select(.generated) | .name)')"
}

@test "every type, where the log does not name columns: binlog_row_metadata MINIMAL and NO_LOG" {
    local metadata
    for metadata in MINIMAL $(! mysql_is_mariadb || echo NO_LOG); do
        # Reading on would stop at the DROP.
        rm -f "$DIR/p"*
        msql "set global binlog_row_metadata = $metadata; drop database $NAME; create database $NAME"
        TYPES_NAMED=0 all_types
    done
    msql "set global binlog_row_metadata = FULL"
}

@test "every type in a compressed log" {
    if mysql_is_mariadb; then
        msql 'set global log_bin_compress = ON; set global log_bin_compress_min_len = 10'
        all_types
        msql 'set global log_bin_compress = OFF'
    else
        mysql_since 80020 || skip "MySQL compresses its log since 8.0.20"
        all_types 'set session binlog_transaction_compression = ON'
    fi
}

@test "every type of a file, without a server to ask" {
    mysql_is_mariadb || mysql_since 80020 || skip "early MySQL 8.0 does not log the charset of labels"
    begin
    place=$(log_place)
    msql 'flush binary logs'
    file=$(log_files | tail -1)
    python3 "$LIB/mysql-types.py" run "$DIR"
    # Nor does anybody say there which of MariaDB's columns are generated.
    mysql_is_mariadb && export TYPES_WITHOUT=gencols
    t mysql-binlog --name "$NAME" -t "$NAME.*" ${TYPES_WITHOUT:+-T "$NAME.$TYPES_WITHOUT"} --file "$(log_file "$file")" >"$DIR/out" 2>"$DIR/err"
    whole_lines "$DIR/out"
    # Without the server MariaDB's JSON is the text that it is in the log.
    if mysql_is_mariadb; then
        python3 "$LIB/mysql-types.py" compare "$DIR" "$DIR/out" | grep -vE ' json:|^k[0-9]+ [cud] .* json' | tee "$DIR/report"
        is "problems beside JSON" 1 "$(grep -c . "$DIR/report")"
    else
        python3 "$LIB/mysql-types.py" compare "$DIR" "$DIR/out"
    fi
}

@test "labels that information_schema writes with a backslash, where the log does not name them" {
    msql "set global binlog_row_metadata = MINIMAL"
    begin
    msql "create table t (id int primary key, e enum('a\\\\b', 'c''d', 'x\\ny', '\\\\n', 'q,r'), s set('\\\\', '\\r', 'é'));
          insert into t select n, n, 1 << (n % 3) from $(numbers 1 5) order by n"
    msql -N 'select hex(e), hex(s) from t order by id' | tr '\t' ' ' >"$DIR/expected"
    local status=0
    read_all || status=$?
    msql "set global binlog_row_metadata = FULL"
    [ $status = 0 ]
    jq -r 'select(.op == "c") | .after | [.e, .s] | @json' "$DIR/out" |
        python3 -c 'import json, sys; [print(*(v.encode().hex().upper() for v in json.loads(line))) for line in sys.stdin]' >"$DIR/labels"
    diff "$DIR/expected" "$DIR/labels"
}

@test "JSON's null is no NULL: named in the lines of snapshot and stream, and a text in a copy" {
    msql "create table t (id int primary key, a json not null, b json)"
    msql "insert into t values (1, 'null', null), (2, '[null]', 'null')"
    begin
    t cdc-snapshot -q --name "$NAME" --offset-file "$DIR/s" "$URL" >"$DIR/out"
    is "snapshot" '[1,["a"]] [2,["b"]]' "$(lines 'select(.op == "r") | [.key.id, .json_null]' | paste -sd ' ')"
    t cdc-sink-sqlite -q "$DIR/copy.db" <"$DIR/out"
    is "the copy" $'1|0|1\n2|0|0' "$(sqlite3 "$DIR/copy.db" 'select id, a is null, b is null from t order by id')"
    msql "update t set b = 'null', a = '0' where id = 1; update t set id = 3, b = null where id = 2; insert into t values (4, 'null', 'null'); delete from t where id = 1"
    read_all
    diff - <(lines 'select(.op | IN("c","u","d")) | [.op, .key.id, .json_null, .json_null_old]') <<'EOF'
["u",1,["b"],["a"]]
["u",3,null,["b"]]
["c",4,["a","b"],null]
["d",1,["b"],null]
EOF
}

# MariaDB's JSON is a text: ALTER TABLE ... CONVERT TO CHARACTER SET takes it along.
# bats test_tags=only:mariadb
@test "MariaDB: JSON in another charset is JSON, in the log and in the snapshot" {
    local charset n=0 want='{"a":"é"} [1] "ж" null'
    msql "create table docs (id int primary key, j json); create table other like docs;
          insert into docs values (1, '{\"a\": \"é\"}'), (2, '[1]'), (3, '\"ж\"'), (4, 'null')"
    begin
    for charset in utf16 ucs2 utf32 cp1251 gbk utf8mb3; do
        msql "create table $charset (id int primary key, j longtext character set $charset check (json_valid(j)));
              insert ignore into $charset select * from docs"
    done
    msql "insert into other values (1, '{\"a\": \"é\"}'); alter table other convert to character set latin1; update other set id = 2"
    read_all
    lines 'select(.op == "c" and (.source.table | IN("docs", "other") | not)) | [.source.table, .after.id, .after.j, .json_null]' | sort >"$DIR/log"
    is "values" 24 "$(wc -l <"$DIR/log")"
    is "in utf16" "$want" "$(jq -c 'select(.[0] == "utf16")[2]' "$DIR/log" | xargs -d '\n')"
    is "those in Cyrillic" '"ж"' "$(jq -c 'select(.[0] == "cp1251" and .[1] == 3)[2]' "$DIR/log")"
    is "converted" '{"a":"é"}' "$(lines 'select(.op == "u") | .before.j, .after.j' | sort -u)"
    t cdc-snapshot --state-dir "$STATE" "$URL$NAME" -T "$NAME.docs" -T "$NAME.other" 2>/dev/null |
        jq -c 'select(.op == "r") | [.source.table, .after.id, .after.j, .json_null]' | sort | diff "$DIR/log" -
}

# bats test_tags=only:mariadb
@test "MariaDB: labels that are bytes and no text: base64 from log and snapshot, and 78 where only information_schema has them" {
    begin
    msql "create table bin (id int primary key, e enum('a', x'ff') character set binary, s set(x'fe', 'q', 'r') character set binary);
          insert into bin values (1, 2, 3), (2, 1, 6), (3, 'a', 1)"
    read_all
    says '3 texts .* base64'
    lines 'select(.op == "c") | [.after.e, .after.s]' >"$DIR/log"
    diff "$DIR/log" - <<'EOF'
[{"base64":"/w=="},{"base64":"/ixx"}]
["a","q,r"]
["a",{"base64":"/g=="}]
EOF
    t cdc-snapshot --state-dir "$STATE" "$URL$NAME" 2>/dev/null | jq -c 'select(.op == "r") | [.after.e, .after.s]' | diff "$DIR/log" -
    rm -f "$DIR/p"*
    msql "set global binlog_row_metadata = MINIMAL"
    begin
    msql "update bin set s = 2"
    msql "set global binlog_row_metadata = FULL"
    exits 78 binlog --offset-file "$DIR/p" --until now
    says "table $NAME.bin .*as '\?'"
}

@test "--int64=string and --decimal=number" {
    msql "create table t (id int primary key, b bigint, u bigint unsigned, d decimal(40,3), f double)"
    begin
    msql "insert into t values (1, 9007199254740993, 18446744073709551615, '-1234567890123456789012345.670', 1.5), (2, -9007199254740992, 5, 0.1, 2), (3, -9223372036854775808, 9007199254740992, null, 0)"
    read_all --int64 string --decimal number
    # jq rounds numbers: the text counts.
    grep -o '"after":{[^}]*}' "$DIR/out" >"$DIR/after"
    diff "$DIR/after" - <<'EOF'
"after":{"id":1,"b":"9007199254740993","u":"18446744073709551615","d":-1234567890123456789012345.670,"f":1.5}
"after":{"id":2,"b":-9007199254740992,"u":5,"d":0.100,"f":2}
"after":{"id":3,"b":"-9223372036854775808","u":9007199254740992,"d":null,"f":0}
EOF
}

# -- row images

images() {
    msql "create table t (id int primary key, a int, b varchar(20) default 'dflt', big text, bl blob, j json, n int)"
    begin
    msql "set session binlog_row_image = $1;
          insert into t (id, a, big, bl) values (1, 1, repeat('x', 20), 'blob');
          update t set a = 2 where id = 1; update t set big = 'new' where id = 1; update t set a = null, j = '{\"k\": 1}' where id = 1; update t set id = 2 where id = 1; delete from t where id = 2"
    read_all
}
# What a sink would make of the lines: unchanged columns keep their values.
applied() {
    python3 -c '
import json, sys
rows, problems = {}, 0
for line in open(sys.argv[1], encoding="utf-8"):
    e = json.loads(line)
    if e["op"] not in ("c", "u", "d"):
        continue
    key = (e["before"] if e["op"] != "c" and "id" in (e["before"] or {}) else e["key"])["id"]
    old = rows.pop(key, {})
    if e["op"] != "d":
        after = e["after"]
        assert not set(after) & set(e.get("unchanged", [])), e
        new = dict(after)
        for name in e.get("unchanged", []):
            if name in old: # an insert names those that got their default
                new[name] = old[name]
        rows[e["key"]["id"]] = new
        print(json.dumps({name: value for name, value in new.items() if value is not None}, sort_keys=True))
    else:
        print("gone", key)' "$DIR/out"
}

@test "binlog_row_image=MINIMAL: what did not change is named, never null" {
    images MINIMAL
    is "unchanged of the updates" '["b","big","bl","j","n"] ["a","b","bl","j","n"]' "$(lines 'select(.op == "u") | .unchanged' | head -2 | xargs -d '\n')"
    is "null is told" '[null,{"k":1}]' "$(lines 'select(.op == "u") | .after | [.a, .j]' | sed -n 3p)"
    is "columns of the insert that are told" true "$(lines 'select(.op == "c") | .after | [.a, .big, .bl] == [1, "xxxxxxxxxxxxxxxxxxxx", "YmxvYg=="]')"
    is "the key's change" '{"id":2} {"id":1}' "$(lines 'select(.op == "u") | [.key, .before | {id}]' | sed -n 4p | tr -d '[]' | sed 's/},{/} {/')"
    is "delete" '{"id":2} {"id":2}' "$(lines 'select(.op == "d") | .key, .before' | xargs -d '\n')"
    is "placeholders" "" "$(lines 'select(.op == "u") | . as $l | (.unchanged // [])[] | select(. as $c | $l.after | has($c))')"
    applied >"$DIR/applied"
    diff <(sed 1d "$DIR/applied") - <<'EOF'
{"a": 2, "big": "xxxxxxxxxxxxxxxxxxxx", "bl": "YmxvYg==", "id": 1}
{"a": 2, "big": "new", "bl": "YmxvYg==", "id": 1}
{"big": "new", "bl": "YmxvYg==", "id": 1, "j": {"k": 1}}
{"big": "new", "bl": "YmxvYg==", "id": 2, "j": {"k": 1}}
gone 2
EOF
}

@test "binlog_row_image=MINIMAL: a row that is inserted without a column, whose default is not in the log: said once" {
    msql "create table t (id int primary key, g int not null, a int default 7)"
    begin
    msql "set session binlog_row_image = MINIMAL; insert into t (id, g, a) values (1, 2, 7); update t set a = 8"
    read_all
    not grep -q warning "$DIR/err"
    msql "set session binlog_row_image = MINIMAL; insert into t (id, g) values (2, 3), (3, 4)"
    read_all
    is "lines" '{"id":2,"g":3} ["a"] {"id":3,"g":4} ["a"]' "$(lines 'select(.op == "c") | .after, .unchanged' | xargs -d '\n')"
    is "warnings" 1 "$(grep -c 'warning.*without column "a"' "$DIR/err")"
}

@test "binlog_row_image=NOBLOB: BLOB and TEXT that did not change are filled in or named, never null" {
    images NOBLOB
    applied >"$DIR/applied"
    diff "$DIR/applied" - <<'EOF'
{"a": 1, "b": "dflt", "big": "xxxxxxxxxxxxxxxxxxxx", "bl": "YmxvYg==", "id": 1}
{"a": 2, "b": "dflt", "big": "xxxxxxxxxxxxxxxxxxxx", "bl": "YmxvYg==", "id": 1}
{"a": 2, "b": "dflt", "big": "new", "bl": "YmxvYg==", "id": 1}
{"b": "dflt", "big": "new", "bl": "YmxvYg==", "id": 1, "j": {"k": 1}}
{"b": "dflt", "big": "new", "bl": "YmxvYg==", "id": 2, "j": {"k": 1}}
gone 2
EOF
}

# What MariaDB's log has of generated columns: of 10.11 what changed, with MINIMAL without most virtual ones; of 11.8 only what is
# inserted, and not always that.
GENERATED='(id int primary key, a int, v int as (a * 2) virtual, s varchar(20) as (concat(a, "x")) stored, i int as (a + 1) virtual, b text, t text as (concat(a, "y")) virtual, key (i))'
# changed IMAGE: rows of table t that are inserted, updated, replaced and deleted.
changed() {
    msql "set session binlog_row_image = $1; insert into t (id, a, b) values (1, 1, 'p'), (2, 2, 'q'), (3, 3, 'r'); update t set a = 10 where id = 1; update t set b = 'z' where s = '2x';
          delete from t where id = 3; replace into t (id, a, b) values (2, 7, 'n'); insert into t (id, a) values (1, 0) on duplicate key update a = 11"
}
# The copy of t in $DIR/copy.db against what SELECT says of these columns.
copy_is() {
    diff <(msql -N "select $1 from t order by id") <(sqlite3 -separator '	' -nullvalue NULL "$DIR/copy.db" "select $1 from t order by id")
}

# bats test_tags=only:mariadb
@test "generated columns: MariaDB does not log what becomes of them, and neither snapshot nor stream has them" {
    local image
    for image in FULL MINIMAL NOBLOB; do
        rm -rf "$DIR"/*
        msql "create or replace table t $GENERATED; insert into t (id, a, b) values (9, 9, 'i')"
        t mysql-binlog --check -t "$NAME.*" "$URL" 2>"$DIR/err"
        says "table $NAME.t: its generated columns are in no line"
        t cdc-snapshot --name "$NAME" -t "$NAME.*" --state-dir "$STATE" --ack stdout "$URL" >"$DIR/snapshot" 2>"$DIR/err"
        says 't: its generated columns are not in the lines'
        changed $image
        binlog --state-dir "$STATE" --ack stdout --until now
        says 't: its generated columns are not in the lines'
        is "columns" '["id","a","b"] ["id","a","b"]' "$(jq -c 'select(.op == "schema") | .columns | map(.name)' "$DIR/snapshot" "$DIR/out" | xargs -d '\n')"
        is "told of them" "" "$(jq -r '(.before // {}), (.after // {}) | keys_unsorted[]' "$DIR/snapshot" "$DIR/out" | grep -E '^(v|s|i|t)$' || true)"
        is "unchanged" "" "$(jq -r '.unchanged[]?' "$DIR/out" | grep -E '^(v|s|i|t)$' || true)"
        cat "$DIR/snapshot" "$DIR/out" | t cdc-sink-sqlite -q "$DIR/copy.db"
        copy_is id,a,b
    done
}

# bats test_tags=only:mysql
@test "generated columns: MySQL logs what becomes of them, in each image" {
    local image
    for image in FULL MINIMAL NOBLOB; do
        rm -rf "$DIR"/*
        msql "drop table if exists t; create table t $(sed 's/"/'"'"'/g' <<<"$GENERATED")"
        begin
        changed $image
        read_all
        t cdc-sink-sqlite -q "$DIR/copy.db" <"$DIR/out"
        copy_is id,a,v,s,i,b,t
    done
}

# bats test_tags=only:mariadb
@test "generated columns in MariaDB's files: never said to be unchanged where nobody tells which ones they are" {
    local file
    begin
    msql 'flush binary logs'
    file=$(log_file "$(log_files | tail -1)")
    msql "create table t $GENERATED"
    changed FULL
    local status=0
    t mysql-binlog --name "$NAME" -t "$NAME.*" --file "$file" >"$DIR/out" 2>"$DIR/err" || status=$?
    is "unchanged" "" "$(jq -r '.unchanged[]?' "$DIR/out" | grep -E '^(v|s|i|t)$' || true)"
    # An older server logs them all, and then there is nothing to refuse.
    if [ $status != 0 ]; then
        is "exit status" 78 $status
        says 'an update in the log lacks column "v", .*--schema-from'
    fi
    t mysql-binlog --name "$NAME" -t "$NAME.*" --schema-from "$URL" --file "$file" >"$DIR/out" 2>"$DIR/err"
    t cdc-sink-sqlite -q "$DIR/copy.db" <"$DIR/out"
    copy_is id,a,b
    is "columns" '["id","a","b"]' "$(lines 'select(.op == "schema") | .columns | map(.name)')"
}

# bats test_tags=only:mariadb-11
@test "binlog_row_image=FULL_NODUP (MariaDB 11.4): the old row fills in what did not change" {
    images FULL_NODUP
    applied >"$DIR/applied"
    is "rows" 6 "$(wc -l <"$DIR/applied")"
    is "nothing is missing" "" "$(lines 'select(.op == "u" and .unchanged) | .unchanged')"
    grep -q '{"b": "dflt", "big": "new", "bl": "YmxvYg==", "id": 2, "j": {"k": 1}}' "$DIR/applied"
}

# partial SQL...: in a session with these settings.
partial() {
    msql "set session binlog_row_image = $1; set session binlog_row_value_options = PARTIAL_JSON; $2"
}

# bats test_tags=only:mysql
@test "PARTIAL_JSON (MySQL): the whole document after each update" {
    msql "create table t (id int primary key, j json, other json, n int)"
    begin
    partial FULL "insert into t values (1, json_object('a', 1, 'b', json_array(1, 2, 3), 'long', repeat('x', 3000), 'c', json_object('d', 'text')), '{\"o\": [1]}', 0);
              update t set j = json_set(j, '\$.a', 2), n = 1;
              update t set j = json_replace(j, '\$.b[1]', 'two', '\$.c.d', 'changed');
              update t set j = json_remove(j, '\$.b[0]', '\$.a'), other = json_set(other, '\$.o[0]', 'x');
              update t set j = json_set(j, '\$.new', json_object('k', null), '\$.b[5]', 7);
              update t set j = json_array_append(j, '\$.b', 1.50), n = 7;
              update t set j = json_set(j, '\$.n', cast('2024-01-02' as date)); update t set j = null; update t set j = '[1]'"
    read_all
    lines 'select(.op == "u") | .after.j | if type == "object" then del(.long) else . end' >"$DIR/docs"
    diff "$DIR/docs" - <<'EOF'
{"a":2,"b":[1,2,3],"c":{"d":"text"}}
{"a":2,"b":[1,"two",3],"c":{"d":"changed"}}
{"b":["two",3],"c":{"d":"changed"}}
{"b":["two",3,7],"c":{"d":"changed"},"new":{"k":null}}
{"b":["two",3,7,1.5],"c":{"d":"changed"},"new":{"k":null}}
{"b":["two",3,7,1.5],"c":{"d":"changed"},"n":"2024-01-02","new":{"k":null}}
null
[1]
EOF
    # jq does not keep the digits of a number.
    is "digits" 2 "$(grep '"op":"u"' "$DIR/out" | sed 's/.*"after"//' | grep -c '7, *1\.50\]')"
    is "long texts" 6 "$(jq -r 'select(.op == "u") | .after.j | objects | .long | length' "$DIR/out" | grep -c 3000)"
    is "the other" '["x"]' "$(lines 'select(.op == "u") | .after.other.o' | sed -n 3p)"
    # Where the log has no document to put the parts into: said, with the cure, and not passed over.
    partial MINIMAL "update t set j = json_set(j, '\$[0]', 2)"
    msql "insert into t (id) values (2)"
    : >"$DIR/out"
    if binlog --offset-file "$DIR/p" --until now; then
        is "the document" '[2]' "$(lines 'select(.op == "u") | .after.j')"
    else
        exits 78 binlog --offset-file "$DIR/p" --until now
        says 'binlog_row_image = FULL'
        is "rows behind it" "" "$(ids)"
    fi
}

# bats test_tags=only:mariadb
@test "types of before MySQL 5.6, which MariaDB still makes" {
    msql 'set global mysql56_temporal_format = OFF'
    msql "create table t (id int primary key, t time, dt datetime, ts timestamp null)"
    begin
    msql "set time_zone = '+00:00'; insert into t values (1, '-12:34:56', '2026-11-21 09:28:42', '2026-11-21 09:28:42'), (2, '838:59:59', '0000-00-00 00:00:00', null), (3, '00:00:01', '9999-12-31 23:59:59', '2038-01-19 03:14:07')"
    msql "create table f (id int primary key, t time(3)); insert into f values (1, '-00:00:01.5')"
    local status=0
    binlog --offset-file "$DIR/p" --until now || status=$?
    msql 'set global mysql56_temporal_format = ON'
    diff <(lines 'select(.source.table == "t" and .op == "c") | .after') - <<'EOF'
{"id":1,"t":"-12:34:56","dt":"2026-11-21T09:28:42","ts":"2026-11-21T09:28:42Z"}
{"id":2,"t":"838:59:59","dt":"0000-00-00 00:00:00","ts":null}
{"id":3,"t":"00:00:01","dt":"9999-12-31T23:59:59","ts":"2038-01-19T03:14:07Z"}
EOF
    # The log does not tell how many digits there are: known, or refused, never guessed.
    if [ "$status" = 0 ]; then
        is "with fractions" '"-00:00:01.500"' "$(lines 'select(.source.table == "f" and .op == "c") | .after.t')"
    else
        is "exit status" 78 "$status"
        says 'digits|mysql56_temporal_format'
    fi
}

# bats test_tags=only:mariadb
@test "a fraction of the first second of 1970 is no zero date: in new types, and in those of before MySQL 5.6" {
    local format
    for format in ON OFF; do
        msql "set global mysql56_temporal_format = $format"
        msql "create or replace table t (id int primary key, t timestamp(6) null, u timestamp(1) null)"
        rm -f "$DIR/p"*
        begin
        msql "set time_zone = '+00:00'; insert into t values (1, '1970-01-01 00:00:00.000001', '1970-01-01 00:00:00.5'), (2, 0, 0), (3, '1970-01-01 00:00:01', null)"
        t cdc-snapshot -q --name "$NAME" -t "$NAME.*" --offset-file "$DIR/s.$format" --ack stdout "$URL" >"$DIR/rows" 2>"$DIR/err"
        binlog --offset-file "$DIR/p" --until now
        msql 'set global mysql56_temporal_format = ON'
        diff <(jq -c 'select(.op == "r") | .after' "$DIR/rows") - <<'EOF'
{"id":1,"t":"1970-01-01T00:00:00.000001Z","u":"1970-01-01T00:00:00.5Z"}
{"id":2,"t":"0000-00-00 00:00:00.000000","u":"0000-00-00 00:00:00.0"}
{"id":3,"t":"1970-01-01T00:00:01.000000Z","u":null}
EOF
        diff <(jq -c 'select(.op == "r") | .after' "$DIR/rows") <(lines 'select(.op == "c") | .after')
    done
}
