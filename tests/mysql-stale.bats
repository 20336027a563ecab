#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables whose rows in the copy are no longer the server's, though no row of the log said so: the stream marks them and ends,
# the same line started again reads them anew, and the copy ends equal. Every other table goes on.
# takes: 90 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

least() { if mysql_is_mariadb; then echo NO_LOG; else echo MINIMAL; fi; }
setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start --binlog-row-metadata="$(least)"
}
teardown_file() { mysql_end; }
setup() {
    mysql_test_setup
    COPY=$DIR/copy.db
    msql "create table other (id int primary key, v int)"
}
teardown() {
    mysql_test_teardown
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $(least)"
}

# The line, as users have it; OPTIONS are the stream's.
line() {
    local options="--name $NAME -t '$NAME.*' --state-dir '$STATE'"
    echo "{ cdc-snapshot $options $SNAPSHOT_OPTIONS '$URL' && exec mysql-binlog --heartbeat 1 $options $* '$URL'; } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
}
# run STATUS...: one run up to the end of the log each, with that exit status.
run_line() {
    local expected status
    for expected in "$@"; do
        status=0
        : >"$DIR/err"
        t bash -o pipefail -c "$(line --until now)" || status=$?
        is "exit status" "$expected" "$status" || { cat "$DIR/err"; return 1; }
    done
}
copy() { sqlite3 -cmd '.timeout 30000' "$COPY" "$1"; }
columns_of() { msql -N "select group_concat(column_name order by ordinal_position) from information_schema.columns where table_schema = '$NAME' and table_name = '$1' and not ($(omitted))"; }
# MariaDB's generated columns are in no line.
omitted() { if mysql_is_mariadb; then echo "extra like '%GENERATED%' and generation_expression not like 'ROW %'"; else echo false; fi; }
# equal TABLE...: the copy has the rows of the source.
equal() {
    local table columns
    for table in "$@"; do
        columns=$(columns_of "$table")
        msql -N "select concat_ws('|', $(quoted "$columns")) from $table" | LC_ALL=C sort >"$DIR/source.$table"
        copy "select $(cell "$columns") from \"$table\"" | LC_ALL=C sort >"$DIR/copy.$table"
        diff "$DIR/source.$table" "$DIR/copy.$table" >"$DIR/report" || { head -20 "$DIR/report"; fail "$table: the copy differs"; }
    done
}
quoted() { tr ',' '\n' <<<"$1" | sed "s/.*/ifnull(\`&\`, '-')/" | paste -sd,; }
cell() { tr ',' '\n' <<<"$1" | sed "s/.*/ifnull(\"&\", '-')/" | paste -sd'|' | sed 's/|/ || \x27|\x27 || /g'; }
has_mark() { jq -e ".offsets[\"$NAME\"].state.stale" "$STATE/mysql-binlog-$NAME.offset" >/dev/null; }

# heals SQL: rows before and after the statement, of the table and of the other one. The first run ends with 75, the second one has
# read the table and goes on.
heals() {
    msql "insert into other values (null, 1)" 2>/dev/null || true
    msql "$1"
    msql "replace into other values (1, floor(rand() * 1e6))"
    run_line 75 0 || return 1
    equal other
}

@test "a column with a default: the run ends before the statement, the next one has the values" {
    msql "create table t (id int primary key, a int); insert into t values (1, 1), (2, 2); insert into other values (1, 1)"
    run_line 0
    equal t other
    msql "insert into t values (3, 3); insert into other values (2, 2); alter table t add c int not null default 7;
          insert into t values (4, 4, 4); insert into other values (3, 3); update t set a = 10 where id = 1"
    run_line 75
    is "rows before the statement" 3 "$(copy 'select count(*) from t')"
    is "no row after it" 2 "$(copy 'select count(*) from other')"
    has_mark
    grep -q "error: to be read again: table $NAME.t (binlog.* .* rows of it)" "$DIR/err" || { cat "$DIR/err"; false; }
    run_line 0
    equal t other
    msql "insert into t values (5, 5, 5); delete from t where id = 2; update t set c = 8 where id = 3"
    run_line 0
    equal t other
    not has_mark
}
