#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What identifies a row: the server's own rule (tried out on it), --check, snapshot and stream have one answer.
# Each test runs in a subshell, and PG_DIR is read by lib/postgres.bash.
# shellcheck disable=SC2030,SC2031,SC2034,SC2046,SC2119,SC2120,SC2154
# takes: 25 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() { pg_test_setup; }
teardown() { pg_test_teardown; }

arguments() { echo --name "$NAME" -t "$NAME.*" --state-dir "$STATE"; }
snapshot() { t cdc-snapshot $(arguments) "$@" "$URL" >"$DIR/snapshot" 2>"$DIR/snapshot.err"; }
stream() { t pg-cdc $(arguments) --ack stdout --until now "$@" "$URL" >"$DIR/stream" 2>"$DIR/stream.err"; }
check() { CHECKED=0; t pg-cdc --check --name "$NAME" -t "$NAME.*" "$URL" 2>"$DIR/check" || CHECKED=$?; }

# d, n, f, i: the replica identity; pk, def: a primary key, a deferrable one; idx, gone: an index for i, and a dropped one.
# A name with _1 at its end is a partition. The last letters are what is expected of a key: the columns' names, - for none.
MATRIX="d_none:- d_pk:a d_def:- n_none:- n_pk:a n_def:- f_none:- f_pk:a f_def:- f_idx:-
    i_idx:b i_pk_idx:b i_def_idx:b i_gone:- i_pk_gone:a i_def_gone:-
    d_wide:ab f_wide:ab pd_none:- pd_pk:ab pf_f:- pf_pk_f:ab pd_pk_f:ab pi_i:b"

make_table() {
    local t=$NAME.$1 key='' partition=''
    case $1 in *_pk*) key=', primary key (a)' ;; *_def*) key=', primary key (a) deferrable' ;; *_wide) key=', primary key (a, b)' ;; esac
    case $1 in p*) partition='partition by range (b)' key=${key/(a)/(a, b)} ;; esac
    sql "create table $t (a int not null, b int not null, c text$key) $partition"
    case $1 in p*) sql "create table ${t}_1 partition of $t for values from (0) to (100)" ;; esac
    case $1 in
    i_*) sql "create unique index $1_b on $t (b); alter table $t replica identity using index $1_b" ;;
    pi_*) sql "create unique index $1_b on $t (b); alter table $t replica identity using index $1_b; alter table ${t}_1 replica identity using index $1_1_b_idx" ;;
    n_*) sql "alter table $t replica identity nothing" ;;
    f_* | pf_*) sql "alter table $t replica identity full" ;;
    esac
    case $1 in *_gone) sql "drop index $NAME.$1_b" ;; f_idx) sql "create unique index $1_b on $t (b)" ;; p*_f) sql "alter table ${t}_1 replica identity full" ;; esac
    sql "insert into $t values (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z')"
}

# The tables of rows whose UPDATE or DELETE the server refuses, one a line.
refused() {
    local t
    for t in $(sql "select relname from pg_class where relnamespace = '$NAME'::regnamespace and relkind = 'r' order by relname collate \"C\""); do
        if ! sql "begin; update $NAME.$t set c = 'no'; delete from $NAME.$t; rollback" 2>"$DIR/refusal"; then
            grep -q 'does not have a replica identity' "$DIR/refusal" || fail "$t: $(cat "$DIR/refusal")"
            echo "$t"
        fi
    done
}
named() { sed -n "s/.*\"$NAME\".\"\([a-z0-9_]*\)\" [^:]*: once published the server refuses.*/\1/p" "$DIR/check" | LC_ALL=C sort; }
# TABLE:COLUMNS of every line with one of these ops, once each.
keys_of() {
    jq -r --arg ops "$2" 'select(.op as $o | $ops | split("") | index($o)) | .source.table + ":" + (if .key == null then "-" else (.key | keys_unsorted | join("")) end)' "$1" | LC_ALL=C sort -u
}
schema_keys() { jq -r 'select(.op == "schema") | .source.table + ":" + (if .key_columns == [] then "-" else (.key_columns | join("")) end)' "$1" | LC_ALL=C sort -u; }

# Since 18 a column is NOT NULL as far as the server minds, and old rows may have NULL in it. Older servers are told so.
@test "an identity index over a column whose NOT NULL is not validated: --check and the start name it, 78, before anything is published" {
    if [ "$(sql "show server_version_num")" -ge 180000 ]; then
        sql "create table $NAME.t (id int, v text); insert into $NAME.t values (1, 'x'), (null, 'y'); alter table $NAME.t add constraint n not null id not valid"
        sql "create unique index t_id on $NAME.t (id); alter table $NAME.t replica identity using index t_id"
    else
        sql "create table $NAME.t (id int not null, v text); create unique index t_id on $NAME.t (id); alter table $NAME.t replica identity using index t_id"
        sql "set allow_system_table_mods = on; update pg_attribute set attnotnull = false where attrelid = '$NAME.t'::regclass and attname = 'id'"
        sql "insert into $NAME.t values (1, 'x'), (null, 'y')"
    fi
    check
    is "status of the check" 78 "$CHECKED"
    grep -q "\"$NAME\".\"t\": rows may have NULL in the column \"id\" of its replica identity" "$DIR/check"
    run -78 snapshot
    grep -q "rows may have NULL in the column \"id\"" "$DIR/snapshot.err"
    run -78 stream
    grep -q "ALTER TABLE \"$NAME\".\"t\" ALTER \"id\" SET NOT NULL;" "$DIR/stream.err"
    is "nothing is published" 0 "$(sql "select count(*) from pg_publication where pubname = 'cdc_$NAME'")"
    sql "update $NAME.t set id = 2 where id is null; alter table $NAME.t alter id set not null"
    check
    is "status of the check, mended" 0 "$CHECKED"
    snapshot
    is "rows" "1 2" "$(jq -r 'select(.op == "r").key.id' "$DIR/snapshot" | sort | xargs)"
}

@test "every identity, key and index: the server, --check, snapshot and stream agree" {
    local entry t expected
    for entry in $MATRIX; do make_table "${entry%:*}"; done
    expected=$(tr -s ' \n' '\n' <<<"$MATRIX" | grep . | LC_ALL=C sort)
    check
    is "status of the check" 78 "$CHECKED"
    run -78 snapshot
    grep -q 'once published the server would refuse UPDATE and DELETE on it' "$DIR/snapshot.err"
    is "nothing is published" 0 "$(sql "select count(*) from pg_publication where pubname = 'cdc_$NAME'")"
    snapshot --allow-refused
    refused >"$DIR/refused"
    [ -s "$DIR/refused" ]
    is "the check, before anything was published, names what the server refuses" "$(cat "$DIR/refused")" "$(named)"
    is "keys of the snapshot's rows" "$expected" "$(keys_of "$DIR/snapshot" r)"
    is "keys of the snapshot's schema lines" "$expected" "$(schema_keys "$DIR/snapshot")"
    for entry in $MATRIX; do
        t=${entry%:*}
        sql "insert into $NAME.$t values (7, 7, 'new')"
        # no line of another row bears the key of this one at the same time
        grep -qxE "$t(_1)?" "$DIR/refused" || sql "update $NAME.$t set c = 'u' where a = 1; update $NAME.$t set a = 9, b = 9 where a = 2; delete from $NAME.$t where a = 3"
    done
    stream || fail "$(cat "$DIR/stream.err")"
    is "keys of inserts" "$expected" "$(keys_of "$DIR/stream" c)"
    is "keys of the stream's schema lines" "$expected" "$(schema_keys "$DIR/stream")"
    is "keys of updates and deletes" "$(keys_of "$DIR/stream" u)" "$(keys_of "$DIR/stream" d)"
    is "they are those of the inserts" "" "$(comm -13 <(echo "$expected") <(keys_of "$DIR/stream" ud))"
    is "no NULL in a key" "" "$(jq -c 'select(.key != null and any(.key[]; . == null))' "$DIR/snapshot" "$DIR/stream")"
    is "keys of deleted rows" "3" "$(jq -r 'select(.op == "d" and .key) | .key[]' "$DIR/stream" | sort -u)"
    is "old keys" "2" "$(jq -r 'select(.op == "u" and .key and .before.c == null and .before) | .before[] | select(. != null)' "$DIR/stream" | sort -u)"
}

# The server describes rows by the partitioned table, and takes old rows by the partition.
unlike() {
    check
    is "status of the check" 78 "$CHECKED"
    grep -q "\"p\": the replica identity of its partition $NAME.p_1 is another one" "$DIR/check"
    run -78 snapshot
    run -78 stream
    grep -q "partition $NAME.p_1 is another one" "$DIR/stream.err"
    is "nothing was made" "0" "$(sql "select count(*) from pg_publication where pubname = 'cdc_$NAME'")"
}
partitioned() { sql "create table $NAME.p (a int not null, b int not null, c text$1) partition by range (b); create table $NAME.p_1 partition of $NAME.p for values from (0) to (100); insert into $NAME.p values (1, 1, 'x')"; }

@test "a partition whose old rows lack what the partitioned table promises: refused before it starts" {
    partitioned ', primary key (a, b)'
    sql "alter table $NAME.p replica identity full"
    unlike
    sql "alter table $NAME.p_1 replica identity full"
    check
    is "status after the cure" 0 "$CHECKED"
}
@test "a partition with an identity of its own" {
    partitioned ', primary key (a, b)'
    sql "alter table $NAME.p_1 alter c set not null; create unique index p_c on $NAME.p_1 (c); alter table $NAME.p_1 replica identity using index p_c"
    unlike
}
@test "a partition with an identity, the partitioned table without" {
    partitioned ''
    sql "alter table $NAME.p_1 replica identity full"
    unlike
    sql "alter table $NAME.p replica identity full"
    check
    is "status after the cure" 0 "$CHECKED"
}
@test "a partition with a key, the partitioned table without" {
    partitioned ''
    sql "alter table $NAME.p_1 add primary key (a)"
    unlike
}

@test "a partition that changes its identity while the stream runs: it stops, and says which" {
    partitioned ', primary key (a, b)'
    stream
    sql "insert into $NAME.p values (2, 2, 'y'); alter table $NAME.p_1 alter c set not null; create unique index p_c on $NAME.p_1 (c); alter table $NAME.p_1 replica identity using index p_c; delete from $NAME.p where a = 1"
    run -78 stream
    # a key that was changed there has left no trace of the old one
    grep -q "partition $NAME.p_1 is another one.*ALTER TABLE $NAME.p_1 REPLICA IDENTITY FULL; and, if a row of it was changed meanwhile, take a new snapshot" "$DIR/stream.err" || fail "$(cat "$DIR/stream.err")"
    check
    is "status of the check" 78 "$CHECKED"
}
@test "a key that was changed in a partition of another identity: refused, also once the partition has the table's" {
    local identity
    for identity in default full; do
        sql "create table $NAME.p (a int primary key, c text not null) partition by range (a); alter table $NAME.p replica identity $identity;
             create table $NAME.p_1 partition of $NAME.p for values from (0) to (100); create table $NAME.p_2 partition of $NAME.p for values from (100) to (200);
             alter table $NAME.p_1 replica identity $identity; alter table $NAME.p_2 replica identity $identity"
        stream
        sql "insert into $NAME.p values (1, 'x'), (101, 'y'); update $NAME.p set a = 102, c = 'z' where a = 101"
        sql "create unique index p_c on $NAME.p_1 (c); alter table $NAME.p_1 replica identity using index p_c; insert into $NAME.p values (3, 'w')"
        sql "$([ $identity = full ] && echo "update $NAME.p set c = 'y' where a = 102;") update $NAME.p set a = 2 where a = 1"
        sql "alter table $NAME.p_1 replica identity full; update $NAME.p set c = 'late' where a = 3"
        run -78 stream
        grep -q 'the log has a change without the old row: when it was made the replica identity of some partition was another one' "$DIR/stream.err" || fail "$(cat "$DIR/stream.err")"
        is "keys" "$([ $identity = full ] && echo 'c1 c101 u102 c3 u102' || echo 'c1 c101 u102 c3')" "$(jq -r 'select(.key) | .op + (.key.a | tostring)' "$DIR/stream" | xargs)"
        t pg-cdc --drop --name "$NAME" "$URL" 2>>"$DIR/stream.err"
        rm -f "$STATE"/*
        sql "drop table $NAME.p"
    done
}

# What --check and the stream say of such a partition is to be done, and the log of before still comes.
@test "a partition that was given the table's FULL after its rows had changed: no value is lost" {
    sql "create table $NAME.p (a int primary key, c text, big text, w text not null) partition by range (a); alter table $NAME.p replica identity full"
    stream
    sql "create table $NAME.p_1 partition of $NAME.p for values from (0) to (100); alter table $NAME.p_1 alter big set storage external;
         insert into $NAME.p select i, 'c', repeat(chr(96 + i), 5000), 'w' from generate_series(1, 4) i"
    sql "update $NAME.p set a = 11 where a = 1; update $NAME.p set c = 'new' where a = 2; delete from $NAME.p where a = 3; update $NAME.p set a = 14, big = 'short' where a = 4"
    run -78 stream
    sql "alter table $NAME.p_1 replica identity full; update $NAME.p set c = null where a = 14"
    stream || fail "$(cat "$DIR/stream.err")"
    is "lines" "$(printf '%s\n' \
        'u {"a":11} {"a":1} {"a":11,"c":"c","w":"w"} ["big"]' \
        'u {"a":2} null {"a":2,"c":"new","w":"w"} ["big"]' \
        'd {"a":3} {"a":3} null null' \
        'u {"a":14} {"a":4} {"a":14,"c":"c","big":"short","w":"w"} null' \
        'u {"a":14} {"a":14,"c":"c","big":"short","w":"w"} {"a":14,"c":null,"big":"short","w":"w"} null')" \
        "$(jq -r 'select(.op == "u" or .op == "d") | "\(.op) \(.key) \(.before) \(.after) \(.unchanged)"' "$DIR/stream")"
}
@test "a partition of a table without a key, given FULL after its rows had changed: refused" {
    local change
    for change in "update $NAME.p set v = 'new'" "update $NAME.p set a = 2" "delete from $NAME.p"; do
        sql "create table $NAME.p (a int, c text not null, v text) partition by range (a); alter table $NAME.p replica identity full"
        stream
        sql "create table $NAME.p_1 partition of $NAME.p for values from (0) to (100); alter table $NAME.p_1 add primary key (a); insert into $NAME.p values (1, 'x', 'y')"
        sql "$change"
        sql "alter table $NAME.p_1 replica identity full"
        run -78 stream
        grep -q "table \"$NAME\".\"p\" has no key, and the log has a change without the old row" "$DIR/stream.err" || fail "$change: $(cat "$DIR/stream.err")"
        is "lines of $change" "c" "$(jq -r 'select(.source.table and .op != "schema") | .op' "$DIR/stream")"
        t pg-cdc --drop --name "$NAME" "$URL" 2>>"$DIR/stream.err"
        rm -f "$STATE"/*
        sql "drop table $NAME.p"
    done
}

# The log does not say what the primary key is where the whole old row is the identity.
@test "a primary key that is younger than the change is not its key; from where it is certain on it is" {
    sql "create table $NAME.late (id int, v text); alter table $NAME.late replica identity full;
         create table $NAME.gone (id int primary key, v text); alter table $NAME.gone replica identity full"
    stream
    sql "insert into $NAME.late values (null, 'n'), (1, 'a'), (1, 'a'); insert into $NAME.gone values (1, 'x')"
    sql "delete from $NAME.late where ctid = '(0,2)' or id is null; alter table $NAME.late add primary key (id); create table $NAME.new (id int primary key, v text); alter table $NAME.new replica identity full; alter publication cdc_$NAME add table $NAME.new"
    sql "insert into $NAME.late values (2, 'b'); insert into $NAME.new values (1, 'y'); drop table $NAME.gone"
    stream || fail "$(cat "$DIR/stream.err")"
    is "keys" "gone:- late:- new:id" "$(keys_of "$DIR/stream" cud | xargs)"
    is "rows of late" "c:null c:1 c:1 d:null d:1 c:2" "$(jq -r 'select(.source.table == "late" and .op != "schema") | "\(.op):\((.after // .before).id)"' "$DIR/stream" | xargs)"
    spawn pg-cdc $(arguments) --ack stdout "$URL" >"$DIR/live" 2>"$DIR/live.err"
    wait_until slot_active "$SLOT"
    local i
    for i in 11 12 13; do
        sql "insert into $NAME.late values ($i, 'z')"
        wait_for_match "$DIR/live" "\"after\":{\"id\":$i"
    done
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED"
    is "key at the end" '{"id":13}' "$(jq -c 'select(.op == "c") | .key' "$DIR/live" | tail -1)"
    is "and its schema line before" '["id"]' "$(jq -c 'select(.op == "schema") | .key_columns' "$DIR/live" | tail -1)"
}

# Both write the row of the constraint anew, and no key is younger for it.
@test "a primary key whose index is made anew, or that gets another name, stays the key" {
    local table
    for table in indexed named; do sql "create table $NAME.$table (id int, v text, constraint ${table}_key primary key (id)); alter table $NAME.$table replica identity full"; done
    stream
    for table in indexed named; do sql "insert into $NAME.$table values (1, 'a'), (2, 'b')"; done
    sql "reindex index concurrently $NAME.indexed_key"
    sql "alter table $NAME.named rename constraint named_key to other_key"
    for table in indexed named; do sql "update $NAME.$table set v = 'c' where id = 1; delete from $NAME.$table where id = 2"; done
    stream || fail "$(cat "$DIR/stream.err")"
    is "keys" "indexed:id named:id" "$(keys_of "$DIR/stream" cud | xargs)"
    is "of schema lines" "indexed:id named:id" "$(schema_keys "$DIR/stream" | xargs)"
}

renamed_and_back() { echo "alter table $NAME.$1 rename to other; alter table $NAME.other rename to $1"; }
# What a reader has who begins with nothing, in the order of the lines: of a table without a key all rows, of one with a key the last
# of each.
ids_of() { jq -rs --arg table "$2" '[.[] | select(.source.table == $table and .op == "c")] | if .[0].key then [group_by(.key)[] | last] else . end | map(.after.id) | sort | map(tostring) | join(" ")' "$1"; }

# The name is that of the table's row type, too, whose row is written anew.
@test "a key, or a name of its column, that is made together with a new name of the table is younger than the rows of before" {
    sql "create table $NAME.twins (id int, v text); alter table $NAME.twins replica identity full"
    sql "create table $NAME.named (id int primary key, ref int, v text); alter table $NAME.named replica identity full"
    stream
    sql "insert into $NAME.twins values (1, 'a'), (2, 'b'), (2, 'b'); insert into $NAME.named values (1, 7, 'a'), (2, 7, 'b')"
    sql "delete from $NAME.twins where ctid = (select max(ctid) from $NAME.twins)"
    sql "begin; $(renamed_and_back twins); alter table $NAME.twins add primary key (id); commit"
    sql "begin; $(renamed_and_back named); alter table $NAME.named drop column ref; alter table $NAME.named rename id to ref; commit"
    stream || fail "$(cat "$DIR/stream.err")"
    is "keys" "named:- twins:-" "$(keys_of "$DIR/stream" cud | xargs)"
    is "rows" "1 2,1 2 2" "$(ids_of "$DIR/stream" named),$(ids_of "$DIR/stream" twins)"
}

# In order, and all found: no proof that the columns are those of then.
@test "a key whose column takes the name of one before it, while a new column takes its own" {
    local table
    for table in behind amid; do sql "create table $NAME.$table (v text, ref int, id int primary key); alter table $NAME.$table replica identity full"; done
    stream
    for table in behind amid; do sql "insert into $NAME.$table values ('a', 7, 1), ('b', 7, 2)"; done
    sql "alter table $NAME.behind drop column ref; alter table $NAME.behind rename id to ref; alter table $NAME.behind add id int;
         alter table $NAME.amid rename ref to x; alter table $NAME.amid rename id to ref; alter table $NAME.amid add id int"
    stream || fail "$(cat "$DIR/stream.err")"
    is "keys" "amid:- behind:-" "$(keys_of "$DIR/stream" cud | xargs)"
    for table in behind amid; do is "rows of $table" "1 2" "$(ids_of "$DIR/stream" $table)"; done
}

# The catalogs of today know the key's column by the name of today, the log has those of then.
@test "columns that were renamed since: no other column is taken for the key, and the copy has every row" {
    local table
    for table in swapped dropped; do
        sql "create table $NAME.$table (id int primary key, ref int, v text); alter table $NAME.$table replica identity full; insert into $NAME.$table values (100, 7, 'old')"
    done
    sql "create table $NAME.wider (id int primary key); alter table $NAME.wider replica identity full"
    t bash -o pipefail -c "{ cdc-snapshot $(source_options) && exec pg-cdc --until now $(source_options); } 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'"
    for table in swapped dropped; do sql "insert into $NAME.$table values (1, 7, 'a'), (2, 7, 'b'); update $NAME.$table set v = 'c' where id = 1"; done
    sql "insert into $NAME.wider values (1)"
    sql "alter table $NAME.swapped rename id to x; alter table $NAME.swapped rename ref to id; alter table $NAME.swapped rename x to ref;
         alter table $NAME.dropped drop column ref; alter table $NAME.dropped rename id to ref;
         alter table $NAME.wider alter id set statistics 10, add w int"
    # The tables are read again: what the log has under the names of then is in the rows.
    local tries=0 status=75
    while [ $status = 75 ] && [ $((++tries)) -lt 6 ]; do
        status=0
        t bash -o pipefail -c "{ cdc-snapshot $(source_options) && exec pg-cdc --until now $(source_options); } 2>>'$DIR/err' | tee '$DIR/stream' | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db' 2>>'$DIR/err'" || status=$?
    done
    is "status" 0 $status || { cat "$DIR/err"; return 1; }
    is "copy of swapped" "1 7 c,2 7 b,100 7 old" "$(sqlite3 -separator ' ' "$DIR/copy.db" "select ref, id, v from swapped order by ref" | paste -sd,)"
    is "copy of dropped" "1 c,2 b,100 old" "$(sqlite3 -separator ' ' "$DIR/copy.db" "select ref, v from dropped order by ref" | paste -sd,)"
    # From where the names are those of today on, the key is certain again.
    sql "insert into $NAME.swapped values (8, 3, 'd'); insert into $NAME.dropped values (3, 'd')"
    t pg-cdc --until now $(eval "printf '%s\n' $(source_options)") >"$DIR/later" 2>>"$DIR/err"
    is "later" 'swapped:{"ref":8} dropped:{"ref":3}' "$(jq -r 'select(.op == "c") | "\(.source.table):\(.key)"' "$DIR/later" | xargs -d '\n')"
}

@test "a publication for inserts alone: partitions of any identity, tables without one" {
    partitioned ''
    sql "alter table $NAME.p_1 add primary key (a); create table $NAME.p_2 partition of $NAME.p for values from (100) to (200);
         create table $NAME.none (a int); create publication cdc_$NAME for table $NAME.p, $NAME.none with (publish = 'insert', publish_via_partition_root = true)"
    check
    is "status of the check" 0 "$CHECKED" || { cat "$DIR/check"; return 1; }
    snapshot || fail "$(cat "$DIR/snapshot.err")"
    sql "insert into $NAME.p values (2, 2, 'y'), (3, 103, 'z'); insert into $NAME.none values (1); update $NAME.p set c = 'w'; update $NAME.none set a = 2; delete from $NAME.p"
    stream || fail "$(cat "$DIR/stream.err")"
    is "inserts" '{"a":2,"b":2,"c":"y"} {"a":3,"b":103,"c":"z"} {"a":1}' "$(jq -c 'select(.op == "c") | .after' "$DIR/stream" | xargs -d '\n')"
}

# bats test_tags=only:postgresql-15
@test "row filters and column lists for which the server refuses changes are named" {
    local t refusal
    for t in good filter full list listfull; do sql "create table $NAME.$t (a int primary key, b int not null, c text); insert into $NAME.$t values (1, 1, 'x')"; done
    # Without large values, which are another matter (pg-cdc.bats).
    sql "alter table $NAME.good alter c set storage plain; alter table $NAME.filter alter c set storage plain;
         alter table $NAME.full replica identity full; alter table $NAME.listfull replica identity full;
         create table $NAME.p (a int, b int, c text, primary key (a, b)) partition by range (b); create table $NAME.p_1 (c text, b int not null, a int not null);
         alter table $NAME.p attach partition $NAME.p_1 for values from (0) to (100); insert into $NAME.p values (1, 1, 'x');
         create publication cdc_$NAME for table $NAME.good (a, c) where (a > 0), $NAME.filter where (b > 0 and a > 0), $NAME.full where (c <> ''),
             $NAME.list (b, c), $NAME.listfull (a), $NAME.p where (a > 0 and length(c) > 0) with (publish_via_partition_root = true)"
    check
    is "status" 78 "$CHECKED"
    for t in good filter full list listfull p_1; do
        refusal=0
        sql "begin; update $NAME.$t set c = 'no'; rollback" 2>/dev/null || refusal=1
        is "$t is named where the server refuses" "$refusal" "$(grep -c "for \"$NAME\".\"$t\": the server refuses" "$DIR/check" || true)"
    done
    grep -q 'row filter by column b for' "$DIR/check"
    grep -q 'column list without column a for' "$DIR/check"
    t pg-cdc --name "$NAME" -t "$NAME.good" -t "$NAME.filter" --until now "$URL" >/dev/null 2>"$DIR/err"
    is "said at the start" "\"$NAME\".\"filter\" is published with a row filter by column b: the server refuses UPDATE and DELETE on it" "$(sed -n 's/.*warning: table //p' "$DIR/err")"
    sql "alter publication cdc_$NAME set (publish = 'insert')"
    check
    is "inserts alone" 0 "$(grep -c 'the server refuses' "$DIR/check" || true)"
}

@test "keys that differ never look the same: arrays that begin elsewhere" {
    sql "create table $NAME.t (k int[] primary key, v text)"
    stream
    sql "insert into $NAME.t values ('{1,2}', 'a'), ('[0:1]={1,2}', 'b'), ('[2:3]={1,2}', 'c')"
    stream
    is "keys" '[1,2] "[0:1]={1,2}" "[2:3]={1,2}"' "$(jq -c 'select(.op == "c") | .key.k' "$DIR/stream" | xargs -d '\n')"
}

# bats test_tags=only:postgresql-15
@test "half a key is none: a column list, a generated column" {
    sql "create table $NAME.list (a int, b int, c text, primary key (a, b));
         create table $NAME.gen (a int, b int generated always as (a * 2) stored, c text, primary key (a, b));
         create publication cdc_$NAME for table $NAME.list (a, c), $NAME.gen with (publish = 'insert');
         insert into $NAME.list values (1, 1, 'x'); insert into $NAME.gen values (1)"
    stream
    sql "insert into $NAME.list values (1, 2, 'y'); insert into $NAME.gen values (2)"
    stream
    is "of the stream" "gen:- list:-" "$(keys_of "$DIR/stream" c | xargs)"
    t pg-cdc --drop --name "$NAME" "$URL"
    rm -f "$STATE"/*
    snapshot
    is "of the snapshot" "gen:- list:-" "$(keys_of "$DIR/snapshot" r | xargs)"
}

# Before 18 the server takes the changes, and sends old rows without the generated column; since 18 it refuses them, of FULL too.
@test "a generated column in the replica identity: refused before the first line, --check and the server agree" {
    local expected=pk version refused='' t
    version=$(sql 'show server_version_num')
    sql "create table $NAME.pk (a int, b int generated always as (a * 2) stored primary key, c text);
         create table $NAME.full_ (a int primary key, b int generated always as (a * 2) stored, c text); alter table $NAME.full_ replica identity full;
         create table $NAME.other (a int primary key, b int generated always as (a * 2) stored, c text);
         insert into $NAME.pk values (1); insert into $NAME.full_ values (1); insert into $NAME.other values (1)"
    [ "$version" -lt 180000 ] || expected="full_ pk"
    check
    is "status of --check" 78 "$CHECKED"
    is "found by --check" "$expected" "$(sed -n "s/.*error: \"$NAME\".\"\([a-z_]*\)\" has .*generated column that is not sent.*/\1/p" "$DIR/check" | sort | xargs)"
    run snapshot
    is "status of the snapshot" 78 "$status"
    is "publications" 0 "$(sql "select count(*) from pg_publication where pubname = 'cdc_$NAME'")"
    if [ "$version" -ge 180000 ]; then
        sql "create publication cdc_$NAME for table $NAME.pk, $NAME.full_, $NAME.other"
        for t in full_ other pk; do sql "update $NAME.$t set c = 'x'" 2>/dev/null || refused+=" $t"; done
        is "refused by the server" " $expected" "$refused"
        sql "drop publication cdc_$NAME; create publication cdc_$NAME for table $NAME.pk, $NAME.full_, $NAME.other with (publish_generated_columns = stored)"
    else
        sql "alter table $NAME.pk replica identity full"
    fi
    check
    is "status of --check after the cure" 0 "$CHECKED" || fail "$(cat "$DIR/check")"
    snapshot || fail "$(cat "$DIR/snapshot.err")"
    sql "update $NAME.pk set c = 'y'; update $NAME.full_ set c = 'y'; update $NAME.other set c = 'y'; delete from $NAME.pk"
    stream || fail "$(cat "$DIR/stream.err")"
    is "changes" "u:full_ u:other d:pk u:pk" "$(jq -r 'select(.op == "u" or .op == "d") | "\(.op):\(.source.table)"' "$DIR/stream" | sort -t: -k2 | xargs)"
}

@test "--temporary refuses where publishing would make the server refuse somebody's UPDATE" {
    sql "create table $NAME.bare (v text); insert into $NAME.bare values ('a')"
    run -78 t pg-cdc --temporary --name "$NAME" -t "$NAME.*" --until now "$URL"
    [[ $output == *'"bare" has no primary key and no replica identity'* ]]
    sql "update $NAME.bare set v = 'b'"
}

@test "a table that inherits is published only when it is selected" {
    sql "create table $NAME.parent (a int primary key); create table $NAME.child () inherits ($NAME.parent); insert into $NAME.child values (1)"
    t pg-cdc --name "$NAME" -t "$NAME.parent" --until now "$URL"
    is "published" "parent" "$(sql "select tablename from pg_publication_tables where pubname = 'cdc_$NAME'")"
    sql "delete from $NAME.child"
}

@test "a column of the key is never nullable, also in the lines of a table that was dropped since" {
    sql "create table $NAME.kept (id int primary key, v text); create table $NAME.gone (id int, b int not null, v text); create unique index gone_b on $NAME.gone (b); alter table $NAME.gone replica identity using index gone_b"
    sql "create table $NAME.old (a int, b int, v text, primary key (a, b))"
    stream
    sql "insert into $NAME.gone values (1, 2, 'x'); insert into $NAME.old values (1, 2, 'x'); drop table $NAME.gone, $NAME.old; insert into $NAME.kept values (1, 'x')"
    stream
    is "nullable" 'gone:id,v|b old:v|a,b kept:v|id' \
        "$(jq -r 'select(.op == "schema") | .source.table + ":" + ([.columns[] | select(.nullable) | .name] | join(",")) + "|" + (.key_columns | join(","))' "$DIR/stream" | xargs)"
}

# bats test_tags=only:postgresql-18
@test "a column that is NOT NULL for new rows alone is nullable" {
    sql "create table $NAME.t (id int primary key, v text, w text not null, x text not null); insert into $NAME.t values (1, null, 'w', 'x'), (2, 'v', 'w', 'x'); alter table $NAME.t add constraint v_not_null not null v not valid"
    snapshot
    sql "update $NAME.t set w = 'new' where id = 2"
    stream
    is "nullable" "v v" "$(jq -r 'select(.op == "schema") | [.columns[] | select(.nullable) | .name] | join(",")' "$DIR/snapshot" "$DIR/stream" | xargs)"
    sql "update $NAME.t set v = 'v'; alter table $NAME.t validate constraint v_not_null"
    stream
    is "nullable, once all rows are valid" "" "$(jq -r 'select(.op == "schema") | [.columns[] | select(.nullable) | .name] | join(",")' "$DIR/stream" | xargs)"
}
