#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A snapshot of MySQL and MariaDB in parts: of a part of the rows (--where), and in several attempts, each of which reads what the
# ones before it have not; and what it says of how far it is.
# takes: 70 s
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-snapshot

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
}
teardown_file() { mysql_end; }
setup() { begin_test p$BATS_TEST_NUMBER; }
teardown() {
    end_spawned
    MYSQL_DATABASE='' msql "set global binlog_row_image = FULL"
    [ -z "${NAME:-}" ] || MYSQL_DATABASE='' msql "drop database if exists $NAME"
}

read_rows() { jq -r "select(.op == \"r\" and .source.table == \"$1\") | .after.id" "$2" | xargs; }
# equal TABLE COLUMNS [CONDITION]: the copy has the source's rows for which that is true, and no others.
equal() {
    local mine="ifnull(${2//,/, \'-\'), \'|\', ifnull(}, '-')" theirs="ifnull(${2//,/, \'-\') || \'|\' || ifnull(}, '-')"
    msql -N "select concat($mine) from $1 where ${3:-true}" | LC_ALL=C sort >"$DIR/expected"
    copy "select $theirs from $1" | LC_ALL=C sort >"$DIR/actual"
    diff "$DIR/expected" "$DIR/actual" >"$DIR/report" || { head -20 "$DIR/report"; cat "$DIR/err"; fail "$1: the copy differs"; }
}
# numbers N: a derived table of n from 1 to N.
numbers() { echo "(with recursive n (n) as (select 1 union all select n + 1 from n where n < $1) select n from n) n"; }
fill() { msql "set @@$(if mysql_is_mariadb; then echo max_recursive_iterations; else echo cte_max_recursion_depth; fi) = 1000000; $1"; }

# -- a part of the rows

@test "--where: these rows are read, by one session and by several, and every change comes" {
    local jobs
    fill "create table t (id int primary key, v varchar(20), d date); insert into t select n, concat('v', n), '2026-01-01' + interval n day from $(numbers 300);
          create table u (id int primary key, v int); insert into u values (1, 1), (2, 2), (3, null);
          create table w (id int primary key); insert into w values (1), (2)"
    for jobs in 1 3; do
        snapshot -j $jobs --chunk-rows 50 --where "t:id % 7 = 0 -- every seventh" --where "$NAME.t:d >= date '2026-07-01' or v = 'v14' # and late" --where "u:v > (select min(id) from w)" | tee "$DIR/lines" | sink
        is "rows of t" "14 $(seq 182 7 300 | xargs)" "$(read_rows t "$DIR/lines")"
        is "rows of u" 2 "$(read_rows u "$DIR/lines")"
        is "rows of w" "1 2" "$(read_rows w "$DIR/lines")"
        # A row that was not read comes whole with its next change; one that is changed out of the condition stays.
        msql "update t set v = concat(v, '.') where id in (1, 14); delete from t where id in (2, 189); update t set id = 1000 + id where id = 3; insert into t values (400 + $jobs, 'new', null); update u set v = 0 where id = 2"
        binlog --until now | sink
        equal t id,v,d "id in (1, 14, 1003, 400 + $jobs) or (id % 7 = 0 and id between 182 and 300)"
        equal u id,v "id = 2"
        msql "delete from t where id > 400; update t set id = 3 where id = 1003; insert into t values (2, 'v2', '2026-01-03'), (189, 'v189', '2026-07-09'); update t set v = trim(trailing '.' from v); update u set v = 2 where id = 2"
        rm -r "$STATE" "$COPY"*
        mkdir "$STATE"
    done
}

refused() { # CONDITION MESSAGE
    exits 78 snapshot --ack=stdout --where "t:$1"
    says "error: --where of table $NAME.t: .*$2" || { echo "of '$1'"; return 1; }
    is "lines" 0 "$(wc -l <"$DIR/out")"
}
@test "--where: what is no expression, or more than one, is refused with the server's words, 78, and --check finds it" {
    msql "create table t (id int primary key, v varchar(20)); insert into t values (1, 'a'), (2, '2'); create table hidden (id int)"
    refused 'nothing = 1' "[Uu]nknown column.*nothing"
    refused 'id >' 'syntax'
    refused 'id = 1) or (id = 2' 'syntax'
    refused "v = 'a" 'syntax'
    refused 'id = 1; drop table t' 'syntax'
    refused 'id = 1 limit 1' 'syntax'
    refused 'id = 1 order by id' 'syntax'
    refused 'id = 1 union select 2' 'syntax'
    refused "id = 1 into outfile '/tmp/x'" 'syntax'
    refused 'id = 1 for update' 'syntax'
    refused 'id = 1 /* open' 'syntax'
    refused 'true) -- ' 'syntax'
    refused 'id = ?' 'stands for no value'
    refused 'id = (select id, v from t)' '(1 column|Illegal parameter)'
    refused 'missing(id) = 1' 'missing'
    refused 'count(*) > 1' 'group function'
    exits 78 t cdc-snapshot --check --state-dir "$STATE" --where "t:id = 1) or (id = 2" "$URL" 2>"$DIR/err"
    says "error: --where of table $NAME.t: .*syntax"
    # One that the server finds out row by row.
    exits 78 snapshot --ack=stdout --where 't:id = (select id from t where true)'
    says "error: --where of table $NAME.t: .*more than 1 row"
    is "rows of t" 2 "$(msql -N 'select count(*) from t')"
    # Without a key a sink would not find a row that was not read.
    exits 78 snapshot --ack=stdout --where 'hidden:id > 1'
    says "error: --where of table $NAME.hidden: the table has no key"
    exits 78 t cdc-snapshot --check --state-dir "$STATE" --where "h*:id = 1" "$URL" 2>"$DIR/err"
    says "error: --where of table $NAME.hidden: the table has no key"
    exits 78 snapshot --ack=stdout --where 'tt:id = 1'
    says "no table that is read matches --where 'tt:id = 1'"
    exits 78 t cdc-snapshot --check --state-dir "$STATE" --where "tt:id = 1" "$URL" 2>"$DIR/err"
    says "no table that is read matches --where 'tt:id = 1'"
    rm "$STATE"/cdc-snapshot-*
    exits 0 t cdc-snapshot --check --state-dir "$STATE" --where "t:id = 1 # one" "$URL" 2>"$DIR/err"
    exits 0 snapshot --ack=stdout --where 't:id = 1 # one' --where "x*:false"
    says "warning: no table that is read matches --where 'x\*:false'"
    is "rows" 1 "$(read_rows t "$DIR/out")"
}

@test "--where and row images that are not whole: 78, before anything is written, and --check finds it" {
    msql "create table t (id int primary key, v int, w int); insert into t values (1, 1, 1)"
    MYSQL_DATABASE='' msql "set global binlog_row_image = MINIMAL"
    exits 78 snapshot --ack=stdout --where 't:id = 2'
    says 'where needs binlog_row_image = FULL.*hint: SET GLOBAL binlog_row_image = FULL'
    is "lines" 0 "$(wc -l <"$DIR/out")"
    exits 78 t cdc-snapshot --check --state-dir "$STATE" --where "t:id = 2" "$URL" 2>"$DIR/err"
    says "table $NAME.t: --where needs binlog_row_image = FULL"
    exits 0 snapshot --ack=stdout
}


@test "--where in several attempts: the same goes on after what is stored, another begins anew" {
    fill "create table a (id int primary key); insert into a values (1), (2); create table t (id int primary key, v int, filler varchar(500)); insert into t select n, n, repeat('x', 300) from $(numbers 40000)"
    spawn_line "cdc-snapshot --chunk-rows 200 --where 't:id % 2 = 0' --where 'a:id = 1' --state-dir '$STATE' '$URL' 2>>'$DIR/err' | $(slow_line) | cdc-sink-sqlite --batch-events 100 --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
    wait_until has_stored_point t || { cat "$DIR/err"; return 1; }
    kill -KILL -- "-$SPAWNED"
    wait "$SPAWNED" || true
    rm -f "$STATE"/*.lock
    cp -r "$STATE" "$DIR/before"
    snapshot --where 't:id % 2 = 0' --where 'a:id = 1' | tee "$DIR/second" | sink
    says "goes on inside of table $NAME.t"
    is "tables" t "$(jq -r 'select(.op == "schema") | .source.table' "$DIR/second" | xargs)"
    is "all of it" "20000 0" "$(copy 'select count(*), sum(id % 2) from t')"
    [ "$(grep -c '"op":"r"' "$DIR/second")" -lt 20000 ]
    rm -r "$STATE"
    cp -r "$DIR/before" "$STATE"
    : >"$DIR/err"
    snapshot --where 't:id % 2 = 1' --where 'a:id = 1' >"$DIR/other"
    says "all are read again"
    is "emptied" "a t" "$(jq -r 'select(.op == "t") | .source.table' "$DIR/other" | xargs)"
    is "rows" 20001 "$(grep -c '"op":"r"' "$DIR/other")"
}

@test "--where and a table that is read again: the same condition" {
    local n
    msql "create table t (id int primary key, v int); insert into t values (1, 1), (2, 2), (3, 3)"
    line() {
        local status=0
        : >"$DIR/err"
        t bash -o pipefail -c "{ cdc-snapshot --where 't:v < 3' --state-dir '$STATE' '$URL' && exec mysql-binlog --until now --state-dir '$STATE' '$URL'; } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'" || status=$?
        is "exit status" "$1" "$status" || { cat "$DIR/err"; return 1; }
    }
    line 0
    is "first" "1 2" "$(copy 'select id from t' | xargs)"
    msql "insert into t values (4, 4), (5, 5); update t set v = 9 where id = 1; alter table t add c int not null default 7"
    line 75
    is "every change" "1 2 4 5" "$(copy 'select id from t order by id' | xargs)"
    line 0
    says "table $NAME.t is read again"
    is "as one that begins now" "2 2 7" "$(copy 'select id, v, c from t')"
}

# -- how far it is

@test "progress on a terminal: one line that is written over, whatever its width, and one of all rows in the end" {
    local width
    fill "create table a (id int primary key, filler varchar(500)); insert into a select n, repeat('x', 300) from $(numbers 20000);
          create table b_with_a_name_that_takes_much_of_the_room (id int primary key); insert into b_with_a_name_that_takes_much_of_the_room values (1); create table c (id int primary key, v int); insert into c select n, n from $(numbers 500)"
    for width in 80 200; do
        rm -rf "$STATE"
        t python3 "$LIB/terminal.py" $width "$DIR/states" bash -o pipefail -c "cdc-snapshot --ack=stdout --state-dir '$STATE' '$URL' | awk '{ print } NR % 3000 == 0 { system(\"sleep 0.3\") }'" >"$DIR/all" || { cat "$DIR/states"; return 1; }
        is "rows" 20501 "$(grep -c '"op":"r"' "$DIR/all")"
        grep '^cdc-snapshot: ' "$DIR/all" | tail -1 | grep -q "is written: 20501 rows of 3 tables" || { cat "$DIR/all" | tail; return 1; }
        # Rows, bytes, per cent, and what is left; never more than all.
        grep -qE "^$NAME\.a [0-9]+ %.*; 0 of 3 tables [0-9]+ % [0-9]+ of [0-9]+ rows [0-9.]+ [kM]B .*left$" "$DIR/states" || { cat "$DIR/states"; fail "width $width"; }
        grep -oE '[0-9]+ %' "$DIR/states" | awk '$1 > 100 { exit 1 }'
        is "left on it" 0 "$(grep -c ' left$' "$DIR/all")"
    done
    # Not on a terminal, and by a wish: messages; figures in the file.
    rm -rf "$STATE"
    snapshot --ack=stdout --progress never --metrics-file "$DIR/metrics" >"$DIR/out"
    not grep -q "rows/s" "$DIR/err"
    is "rows" 20501 "$(sed -n 's/^cdc_snapshot_rows{.*} //p' "$DIR/metrics")"
    is "expected" 20501 "$(sed -n 's/^cdc_snapshot_expected_rows{.*} //p' "$DIR/metrics")"
    is "bytes" "$(wc -c <"$DIR/out")" "$(sed -n 's/^cdc_snapshot_bytes{.*} //p' "$DIR/metrics")"
    is "tables" 3 "$(sed -n 's/^cdc_snapshot_tables_done{.*} //p' "$DIR/metrics")"
}

# -- several attempts

KILLS=${CDC_SNAPSHOT_KILLS:-3}
KEYS=${CDC_SNAPSHOT_KEYS:-6000}
# Keys of numbers from 1 to KEYS, in the order of the key: by a number, a text, a decimal and a date, bytes.
declare -gA KEY=([ints]="%" [moments]="(%) / 4, '2026-01-01' + interval mod(%, 4) day" [texts]="concat('ü', lpad(%, 8, '0'))" [bytes]="unhex(lpad(hex(%), 8, '0')), 1")
declare -gA COLUMNS_OF=([bytes]=a,b [ints]=a [moments]=a,b [texts]=a)
keyed_tables() {
    local table
    msql "create table bytes (a varbinary(9), b bigint unsigned, v int, filler varchar(300), primary key (a, b));
          create table ints (a int primary key, v int, filler varchar(300));
          create table moments (a decimal(9,2), b date, v int, filler varchar(300), primary key (a, b));
          create table texts (a varchar(20) character set utf8mb4 primary key, v int, filler varchar(300)) collate utf8mb4_general_ci"
    for table in bytes ints moments texts; do
        fill "insert into $table select ${KEY[$table]//%/n}, n, repeat('x', 200) from $(numbers "$KEYS") where n % 8 <> 0"
    done
}
# Rows come, change, go, move to other keys, and change places.
write_rows() {
    local i table n m v
    for ((i = 0; i < 40; i++)); do
        for table in bytes ints moments texts; do
            n=$((1 + RANDOM * 32768 % KEYS)) m=$((1 + (RANDOM * 32768 + RANDOM) % KEYS)) v=$RANDOM
            local at="(${COLUMNS_OF[$table]}) = (${KEY[$table]//%/$n})" other="(${COLUMNS_OF[$table]}) = (${KEY[$table]//%/$m})" set=""
            case ${COLUMNS_OF[$table]} in
            a,b) set="a = $(sed 's/,[^,]*$//' <<<"${KEY[$table]//%/$m}"), b = $(sed 's/.*,//' <<<"${KEY[$table]//%/$m}")" ;;
            *) set="a = ${KEY[$table]//%/$m}" ;;
            esac
            case $((RANDOM % 5)) in
            0) echo "delete from $table where $at;" ;;
            1) echo "insert into $table values (${KEY[$table]//%/$m}, $v, 'new') on duplicate key update v = $v;" ;;
            2) echo "update $table set v = $v, filler = 'changed' where $at;" ;;
            3) echo "begin; delete from $table where $other; update $table set $set, v = v + 1 where $at; commit;" ;;
            *) echo "begin; update $table x join $table y on ${at//(a/(x.a} and ${other//(a/(y.a} set x.v = y.v, y.v = x.v; commit;" ;;
            esac
        done
    done | sed 's/(x\.a,b)/(x.a,x.b)/; s/(y\.a,b)/(y.a,y.b)/'
}
writers_start() {
    local i
    WRITERS=()
    for i in 1 2 3 4; do
        spawn_line "$(declare -p KEY COLUMNS_OF KEYS); $(declare -f write_rows); RANDOM=$((SEED + i)); until [ -e '$DIR/enough' ]; do write_rows | mariadb --no-defaults --default-character-set=utf8mb4 --force --socket='$(mysql_dir)/socket' --user=root $NAME 2>>'$DIR/writers' || true; sleep 0.05; done"
        WRITERS+=("$SPAWNED")
    done
}
two_sinks() { echo "tee '$1' >($(slow_line ${CDC_SNAPSHOT_PACE:-300}) | exec cdc-sink-sqlite -q --batch-events 200 --state-dir '$STATE' --offset-file '$STATE/b.offset' '$DIR/b.db') | cdc-sink-sqlite -q --state-dir '$STATE' --offset-file '$STATE/a.offset' '$DIR/a.db'"; }
# The newest point that both sinks have stored: the table, and the number of its rows that are read.
stored_point() {
    local a b
    a=$(jq -r ".offsets[\"$NAME\"].pos // \"\"" "$STATE/a.offset" 2>/dev/null) b=$(jq -r ".offsets[\"$NAME\"].pos // \"\"" "$STATE/b.offset" 2>/dev/null)
    [[ $a < $b ]] || a=$b
    state ".state | [.points[]? | select(.pos <= \"$a\")] | last | select(. != null) | .table + \" \" + (.rows | tostring) + \" \" + (has(\"after\") | tostring)"
}
# What the attempt has read is no more than what the ones before had not.
read_the_rest() { # LINES POINT
    local table=${2%% *} rows n inside=${2##* }
    [ -n "$2" ] || return 0
    rows=$(cut -d' ' -f2 <<<"$2")
    LC_ALL=C awk -v table="$table" -F'"table":"' '/^{"op":"r"/ { sub(/".*/, "", $2); n[$2]++; if ($2 < table) bad++ } END { print n[table] + 0; exit bad > 0 }' "$1" >"$DIR/read" || fail "tables before $table are read again"
    n=$(cat "$DIR/read")
    if [ "$inside" = true ]; then ((n + rows <= KEYS)) || fail "$n rows of $table, after $rows of $KEYS"; else is "rows of $table, which is read" 0 "$n"; fi
}
killed_and_begun_again() { # JOBS
    local i point status further=0
    SEED=$((${CDC_CRASH_SEED:-4711} + $1)) RANDOM=$SEED
    rm -rf "$STATE" "$DIR"/[ab].db* "$DIR/enough"
    mkdir "$STATE"
    writers_start
    for ((i = 0; i < KILLS; i++)); do
        point=$(stored_point 2>/dev/null) || point=""
        [ -z "$point" ] || further=$((further + 1))
        spawn_line "cdc-snapshot -j $1 --chunk-rows 150 --state-dir '$STATE' '$URL' 2>>'$DIR/err' | $(two_sinks "$DIR/lines$i")"
        # So long that there is something to go on from; then at any moment.
        KNOWN=$point
        wait_until has_another_point_or_ended || { cat "$DIR/err"; return 1; }
        pause_ms $((RANDOM % 900))
        case $((RANDOM % 3)) in
        0) kill -KILL "$(member "$SPAWNED" cdc-snapshot)" 2>/dev/null || true ;;
        1) kill -KILL "$(member "$SPAWNED" cdc-sink-sqlite)" 2>/dev/null || true ;;
        *) kill -KILL -- "-$SPAWNED" || true ;;
        esac
        status=0
        wait "$SPAWNED" 2>/dev/null || status=$?
        wait_until no_sink_runs
        head -c "$(($(wc -c <"$DIR/lines$i") - $(tail -1 "$DIR/lines$i" | wc -c)))" "$DIR/lines$i" >"$DIR/whole"
        read_the_rest "$DIR/whole" "$point" || { cat "$DIR/err"; return 1; }
        rm "$DIR/lines$i"
        [ $status != 0 ] || break # it was faster
    done
    point=$(stored_point)
    t bash -o pipefail -c "cdc-snapshot -j $1 --chunk-rows 150 --state-dir '$STATE' '$URL' 2>>'$DIR/err' | $(CDC_SNAPSHOT_PACE=100000 two_sinks "$DIR/lines")" || { cat "$DIR/err"; return 1; }
    read_the_rest "$DIR/lines" "$point" || { cat "$DIR/err"; return 1; }
    touch "$DIR/enough"
    for i in "${WRITERS[@]}"; do status_of "$i" 60 || true; done
    wait_until no_sink_runs
    # The first attempt waits for no sink.
    t bash -o pipefail -c "{ cdc-snapshot -j $1 --state-dir '$STATE' '$URL' && exec mysql-binlog --heartbeat 1 --until now --state-dir '$STATE' '$URL'; } 2>>'$DIR/err' | $(CDC_SNAPSHOT_PACE=100000 two_sinks /dev/null)" || { cat "$DIR/err"; return 1; }
    wait_until no_sink_runs
    for COPY in "$DIR/a.db" "$DIR/b.db"; do
        for i in bytes ints moments texts; do equal_keyed $i; done
    done
    [ $further -gt 0 ] || fail "no attempt went on from another"
    echo "# -j $1: $KILLS kills, $further attempts went on from stored rows" >&3
}
has_another_point_or_ended() { has_another_point || ! has_member "$SPAWNED" cdc-snapshot; }
has_another_point() { local now; now=$(stored_point 2>/dev/null) && [ -n "$now" ] && [ "$now" != "$KNOWN" ]; }
no_sink_runs() { ! fuser -s "$STATE/a.offset.lock" "$STATE/b.offset.lock" 2>/dev/null; }
equal_keyed() {
    case $1 in
    bytes) msql -N "select hex(a), b, v, filler from bytes" ;;
    *) msql -N "select ${COLUMNS_OF[$1]}, v, filler from $1" ;;
    esac | tr '\t' '|' | LC_ALL=C sort >"$DIR/expected"
    sqlite3 -cmd '.timeout 30000' "$COPY" "select $(if [ "$1" = bytes ]; then echo 'hex(a), b'; else echo "${COLUMNS_OF[$1]}"; fi), v, filler from $1" | LC_ALL=C sort >"$DIR/actual"
    diff "$DIR/expected" "$DIR/actual" >"$DIR/report" || { head -20 "$DIR/report"; cat "$DIR/err"; fail "$1 in $COPY: the copy differs"; }
}

stored_part() { local point; point=$(stored_point 2>/dev/null) && [[ $point == u* ]]; }
@test "an attempt for a sink that came since, and tells of itself only when it has begun: it has all rows" {
    fill "create table t (id int primary key, v varchar(300)); insert into t select n, repeat('x', 200) from $(numbers 500);
          create table u (id int primary key, v varchar(300)); insert into u select n, repeat('x', 200) from $(numbers 20000)"
    stored_point() { state ".state | [.points[]? | select(.pos <= \"$(jq -r ".offsets[\"$NAME\"].pos" "$STATE/a.offset")\")] | last | select(. != null) | .table"; }
    spawn_line "cdc-snapshot --chunk-rows 50 --state-dir '$STATE' '$URL' 2>>'$DIR/err' | $(slow_line 100) | exec cdc-sink-sqlite -q --batch-events 50 --state-dir '$STATE' --offset-file '$STATE/a.offset' '$DIR/a.db'"
    wait_until stored_part
    kill -KILL -- "-$SPAWNED"
    wait_until no_sink_runs
    cat >"$DIR/late" <<END
until [ -e '$STATE/b.offset' ] || grep -q '"sinks"' '$STATE/cdc-snapshot-$NAME.offset'; do sleep 0.05; done
exec cdc-sink-sqlite -q --state-dir '$STATE' --offset-file '$STATE/b.offset' '$DIR/b.db'
END
    : >"$DIR/err"
    t bash -o pipefail -c "{ cdc-snapshot --chunk-rows 50 --state-dir '$STATE' '$URL' && exec mysql-binlog --until now --state-dir '$STATE' '$URL'; } 2>>'$DIR/err' | tee >(bash '$DIR/late') | cdc-sink-sqlite -q --state-dir '$STATE' --offset-file '$STATE/a.offset' '$DIR/a.db'" || { cat "$DIR/err"; return 1; }
    says "goes on inside of table $NAME.u"
    says "a sink has come, or was set back"
    wait_until no_sink_runs
    for COPY in "$DIR/a.db" "$DIR/b.db"; do
        equal t id,v
        equal u id,v
    done
}

@test "killed at random while four write, two sinks of which one is slow: each attempt reads what is missing, and the copies end equal" {
    local jobs
    keyed_tables
    for jobs in ${CDC_SNAPSHOT_JOBS:-3}; do killed_and_begun_again "$jobs"; done
}

# -- a part of the columns

with() { snapshot --columns "$1" && binlog --columns "$1" --until now; } # COLUMNS: the pipeline, as one writes it
@test "--columns: snapshot and stream have these columns; others of them have the table read again, for both alike" {
    local rows="select group_concat(id || '|' || ifnull(v, '-'), ' ') from (select * from t order by id)"
    msql "create table t (id int primary key, secret varchar(20), v varchar(20), big text); insert into t select n, 'hush', concat('v', n), repeat('x', 100) from $(numbers 5);
          create table u (id int primary key, v int); insert into u values (1, 1); create table n (a int, secret int); insert into n values (1, 9), (2, 9)"
    with "t:id,v" | tee "$DIR/lines" | sink
    msql "insert into t values (6, 'hush', 'new', 'y'); update t set v = 'changed', secret = 'hush hush' where id = 2; update t set big = 'z' where id = 1; delete from t where id = 3; insert into u values (2, 2); insert into n values (3, 9)"
    with "t:id,v" | tee -a "$DIR/lines" | sink
    is "t in the copy" "1|v1 2|changed 4|v4 5|v5 6|new" "$(copy "$rows")"
    is "its columns" "id v" "$(copy "select group_concat(name, ' ') from pragma_table_info('t') where name not like 'cdc_%'")"
    is "lines with what is left out" "" "$(grep -E 'hush|"big"' "$DIR/lines" || true)"
    is "u in the copy" "1 1 2 2" "$(copy "select id, v from u" | xargs)"
    # Of one of the two tools alone it is refused; given to both, the table is read again.
    exits 78 binlog --columns "t:id,big" --until now
    says "not that of cdc-snapshot.*t:id,v"
    exits 78 binlog --until now
    is "lines" "" "$(grep -v heartbeat "$DIR/out" || true)"
    snapshot --columns "t:id,v,secret" >"$DIR/out"
    binlog --columns "t:id,v,secret" --until now >"$DIR/out" && false
    says "$NAME.t.*other columns of it are selected"
    with "t:id,v,secret" | sink
    is "secrets in the copy" "1|hush 2|hush hush 4|hush 5|hush 6|hush" "$(copy "select group_concat(id || '|' || secret, ' ') from (select * from t order by id)")"
    msql "update t set secret = 'more' where id = 1"
    with "t:id,v,secret" | sink
    is "after that" more "$(copy "select secret from t where id = 1")"
}

@test "--columns: a key that is left out, a column or a table that is not there: 78 before the first line, and --check finds it" {
    local tool
    msql "create table t (id int, part int, v varchar(20), primary key (id, part)); insert into t values (1, 1, 'a')"
    for tool in snapshot "binlog --until now"; do
        msql "insert into t values (2, 1, 'b') on duplicate key update v = concat(v, 'b')"
        # shellcheck disable=SC2086
        {
            exits 78 $tool --columns "t:id,part,v" --columns "nowhere:id"
            says "no table that is selected matches --columns 'nowhere:id'"
            exits 78 $tool --check --columns "nowhere:id"
            says "matches --columns 'nowhere:id'"
            exits 78 $tool --check --columns "t:id,v"
            says "leaves out \"part\", which is of its key"
            exits 78 $tool --check --columns "$NAME.t:id,part,V"
            says "no column \"V\""
            exits 64 $tool --columns "t:id,,v"
            exits 64 $tool --columns "t"
        }
        rm -rf "$STATE"; mkdir "$STATE"
    done
    exits 78 snapshot --columns "t:id,v"
    exits 78 snapshot --columns "t:id,part,w"
    is "lines" "" "$(cat "$DIR/out")"
    binlog --start oldest --columns "t:part,id" --until now >"$DIR/out"
    is "rows" '{"id":1,"part":1} {"id":2,"part":1}' "$(jq -c 'select(.op == "c").after' "$DIR/out" | sort -u | xargs -d'\n')"
    # A column that is there no more ends the stream before its first row without it.
    msql "alter table t drop v; insert into t values (3, 1)"
    exits 78 binlog --columns "t:id,part,v" --until now
    says "no column \"v\""
}
