# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The suites of tables that are read again, from MySQL and MariaDB: the line, run after run, and the comparison.

least() { if mysql_is_mariadb; then echo NO_LOG; else echo MINIMAL; fi; }
# For the suites that have none of their own.
setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start --binlog-row-metadata="$(least)"
}
teardown_file() { mysql_end; }
setup() { stale_test_setup; }
teardown() { stale_test_teardown; }
stale_test_setup() {
    mysql_test_setup
    COPY=$DIR/copy.db
    msql "create table other (id int auto_increment primary key, v int)"
}
stale_test_teardown() {
    mysql_test_teardown
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = $(least)"
}

# The line, as users have it; the arguments are the stream's.
sink_line() {
    local options="--name $NAME -t '$NAME.*' --state-dir '$STATE'"
    echo "{ cdc-snapshot $options $SNAPSHOT_OPTIONS '$URL' && exec mysql-binlog --heartbeat 1 $options $* '$URL'; } 2>>'$DIR/err' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
}
line() { sink_line "$@"; }
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
        copy "select $(cell "$columns" "$table") from \"$table\"" | LC_ALL=C sort >"$DIR/copy.$table"
        diff "$DIR/source.$table" "$DIR/copy.$table" >"$DIR/report" || { head -20 "$DIR/report"; fail "$table: the copy differs"; return 1; }
    done
}
quoted() { tr ',' '\n' <<<"$1" | sed "s/.*/ifnull(\`&\`, '-')/" | paste -sd,; }
# A column without a value may not be there yet: no row has shown it.
cell() {
    local column cells=() has
    has=$(copy "select name from pragma_table_info('$2')")
    for column in ${1//,/ }; do
        if grep -qx "$column" <<<"$has"; then cells+=("ifnull(\"$column\", '-')"); else cells+=("'-'"); fi
    done
    local IFS='~'
    sed "s/~/ || '|' || /g" <<<"${cells[*]}"
}
has_mark() { jq -e ".offsets[\"$NAME\"].state.stale" "$STATE/mysql-binlog-$NAME.offset" >/dev/null; }

# runs: the line as a supervisor starts it, until it has read the log to its end; RUNS: how many it took, 1 without a round.
runs() {
    local status n=0
    while :; do
        status=0
        : >"$DIR/err"
        t bash -o pipefail -c "$(line --until now)" || status=$?
        n=$((n + 1))
        [ "$status" = 75 ] || break
        [ $n -lt 9 ] || { cat "$DIR/err"; fail "it does not come to an end"; return 1; }
    done
    is "exit status" 0 "$status" || { cat "$DIR/err"; return 1; }
    RUNS=$n
}
# stale SQL TABLE...: rows of another table before the statement, and after it; a round, and all is equal.
stale() {
    local sql=$1
    shift
    note "$sql"
    msql "insert into other (v) values (1); $sql; insert into other (v) values (2)" || return 1
    runs && [ "$RUNS" -gt 1 ] && equal other "$@" || { echo "after: $sql" >&2; return 1; }
}
# harmless SQL TABLE...: one run does, but where the log does not name columns and what they were cannot be proved any more.
harmless() {
    local sql=$1
    shift
    note "$sql"
    msql "insert into other (v) values (1); $sql; insert into other (v) values (2)" || return 1
    runs && { [ "$METADATA" != FULL ] || is "runs" 1 "$RUNS"; } && equal other "$@" || { echo "after: $sql" >&2; return 1; }
}
note() { echo "# $1" >>"$DIR/notes"; }

# The line again and again, in the background.
loop_start() {
    : >"$DIR/err"
    supervise "$(line)"
}
loop_end() {
    touch "$DIR/stop"
    wait_until -t 120 loop_stopped || { tail -20 "$DIR/err"; return 1; }
}
loop_stopped() {
    local pid
    pid=$(member "$SUPERVISOR" mysql-binlog)
    [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
    gone "$SUPERVISOR"
}
marked() { [ "$(copy 'select v from marker' 2>/dev/null)" = "$1" ]; }
caught_up() {
    MARK=$((${MARK:-0} + 1))
    msql "replace into marker values (1, $MARK)"
    wait_until -t 180 marked $MARK || { tail -20 "$DIR/err"; cat "$DIR/ends"; return 1; }
}
# Clients that write to t and u until $DIR/quiet is there.
writers() {
    local client
    cat >"$DIR/writer" <<'END'
CLIENT=$1 DIR=$2; shift 2
n=0
while [ ! -f "$DIR/quiet" ]; do
    n=$((n + 1)) k=$(((n * 7 + CLIENT) % 300))
    echo "begin; insert into t (id, a) values ($k, $n) on duplicate key update a = $n; update u set b = $n where id % 50 = $((k % 50)); commit; delete from t where id = $(((k * 3) % 300)); insert ignore into u (id, b) values ($k, $n);"
    [ $((n % 20)) != 0 ] || echo "do sleep(0.05);"
done | mariadb "$@" --force >/dev/null 2>&1
END
    rm -f "$DIR/quiet"
    WRITERS=()
    for client in 1 2; do
        spawn bash -o pipefail "$DIR/writer" $client "$DIR" --no-defaults --socket="$(mysql_dir)/socket" --user=root "$NAME"
        WRITERS+=("$SPAWNED")
    done
}
# Each has written up to here: one whose client has ended before is an error.
writers_end() {
    local pid
    touch "$DIR/quiet"
    for pid in "${WRITERS[@]}"; do
        wait_until -t 120 gone "$pid"
        status_of "$pid" || { fail "a writer ended by itself"; return 1; }
    done
}
# traffic_tables [TYPE [KEY]]: of their keys. All but those of a part of a column, such as id(8), are read in place by mysql-binlog.
traffic_tables() {
    local type=${1:-int} key=${2:-id}
    msql "create table t (id $type, a int, primary key ($key)); insert into t select n, n from $(numbers 1 300); create table marker (id int primary key, v int);
          create table u (id $type, b int, primary key ($key)); insert into u select n, n from $(numbers 1 300)"
}
