#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From MySQL and MariaDB through a filter that masks, chooses rows and makes one table of two shards: each process of the line is
# killed again and again, and the copy ends equal to what the same query finds in the source.
# CDC_CRASH_KILLS=20 CDC_CRASH_ROWS=60000 CDC_TRAFFIC_MS=120000: the long run.
# takes: 120 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/opensearch
CDC_CRASH_KILLS=${CDC_CRASH_KILLS:-4} CDC_CRASH_ROWS=${CDC_CRASH_ROWS:-4000} CDC_TRAFFIC_MS=${CDC_TRAFFIC_MS:-15000}
load lib/mysql-crash

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start --innodb-lock-wait-timeout=10
}
teardown_file() { mysql_end; }
setup() {
    local table shard
    mysql_test_setup
    COPY=$DIR/copy.db
    # So many that a snapshot takes a while.
    COLD_ROWS=$((CRASH_ROWS > 15000 ? CRASH_ROWS * 2 : 30000))
    SHARDS=("${NAME}_a" "${NAME}_b")
    (umask 077; printf '%064x\n' 4711 >"$DIR/mask.key")
    {
        for table in accounts history branches; do
            echo "table ${NAME}_?.$table"
            echo "route ${NAME}_?.$table = $NAME.$table"
        done
        echo "table $NAME.marker"
        echo "where accounts: $ACCOUNTS"
        echo "where history: $HISTORY"
        echo "mask accounts: owner = hash"
        echo "mask accounts: note = partial"
        echo "mask branches: code = hash"
        echo "mask-key $DIR/mask.key"
    } >"$DIR/rules"
    msql "create table marker (id int primary key, n int); insert into marker values (1, 0)"
    for shard in "${SHARDS[@]}"; do
        msql "create database $shard"
        MYSQL_DATABASE=$shard crash_tables
    done
}
teardown() {
    end_spawned
    msql "drop database if exists ${SHARDS[0]}; drop database if exists ${SHARDS[1]}"
    mysql_test_teardown
    opensearch_stop
}

# What the server and the filter both understand. Half of the texts end with an even digit, so that most updates enter or leave.
ACCOUNTS="(note LIKE '%0' OR note LIKE '%2' OR note LIKE '%4' OR note LIKE '%6' OR note LIKE '%8' OR balance BETWEEN 500.05 AND 1500.55)"
HISTORY="delta > 0"

line() { # SINK...
    local options="--name $NAME -t '${NAME}_?.*' -t '$NAME.marker' --state-dir '$STATE' '$URL'"
    echo "{ { cdc-snapshot --chunk-rows 500 $options && exec mysql-binlog --allow-unlogged --heartbeat 1 $options; } | cdc-filter -f '$DIR/rules' | $*; } 2>>'$DIR/err'"
}
hit() { # VICTIM MOMENT
    spawn_line "$LINE" 2>/dev/null
    crash_hit "$SPAWNED" "$1" "$2"
    crash_ended "$SPAWNED" "$1"
}
# killed_and_finished SINK MARKED: under traffic, each process in turn; then the line once more, until everything is through.
killed_and_finished() {
    local i victim sink=${1%% *} status=0 all=()
    NAME=${SHARDS[0]} traffic_start
    all=("${TRAFFIC[@]}")
    NAME=${SHARDS[1]} traffic_start 4
    TRAFFIC+=("${all[@]}")
    RANDOM=$CRASH_SEED
    for ((i = 0; i < CRASH_KILLS; i++)); do hit cdc-snapshot $((RANDOM % 150)); done
    spawn_line "$LINE"
    wait_until -t 120 has_member "$SPAWNED" mysql-binlog
    kill -KILL "$(member "$SPAWNED" mysql-binlog)"
    crash_ended "$SPAWNED" mysql-binlog
    for ((i = 0; i < 3 * CRASH_KILLS; i++)); do
        case $((i % 3)) in 0) victim=$sink ;; 1) victim=cdc-filter ;; *) victim=mysql-binlog ;; esac
        hit "$victim" $((RANDOM % 900 + 20))
    done
    echo "# killed: $(sort "$DIR/kills" | uniq -c | awk '{printf "%s%s %d times", (NR > 1 ? ", " : ""), $2, $1}')" >&3
    for victim in mysql-binlog cdc-filter "$sink"; do
        [ "$(grep -cx "$victim" "$DIR/kills")" -ge "$CRASH_KILLS" ] || fail "too few kills hit $victim"
    done
    spawn_line "$LINE"
    wait_until -t 300 traffic_done
    msql "update marker set n = 1"
    wait_until -t 120 "$2" 1 || { tail -20 "$DIR/err"; return 1; }
    kill -TERM "$(member "$SPAWNED" mysql-binlog)"
    status_of "$SPAWNED" || status=$?
    is "exit status of the line after SIGTERM to its source" 0 "$status"
}
# expected: what the query finds, masked.
expected() {
    local shard utc="set time_zone = '+00:00'"
    for shard in "${SHARDS[@]}"; do
        MYSQL_DATABASE=$shard msql_raw "$utc; select json_array(json_array('$shard.accounts', id), owner, cast(balance as char), flag, note, big, concat(replace(cast(changed as char), ' ', 'T'), 'Z')) from $shard.accounts where $ACCOUNTS" >>"$DIR/accounts"
        msql_raw "$utc; select json_array(json_array('$shard.history', id), account, delta, replace(cast(at as char), ' ', 'T')) from $shard.history where $HISTORY" >>"$DIR/history.expected"
        msql_raw "select json_array(json_array('$shard.branches', code), total) from $shard.branches" >>"$DIR/branches"
    done
    python3 "$LIB/masked.py" "$DIR/mask.key" 1=hash 4=partial <"$DIR/accounts" >"$DIR/accounts.expected"
    python3 "$LIB/masked.py" "$DIR/mask.key" 0.1=hash <"$DIR/branches" >"$DIR/branches.expected"
    # Some rows have entered and some have left, or the run has proved less than it says.
    local all
    all=$(msql -N "select (select count(*) from ${SHARDS[0]}.accounts) + (select count(*) from ${SHARDS[1]}.accounts)")
    [ "$(wc -l <"$DIR/accounts")" -gt $((all / 4)) ] && [ "$(wc -l <"$DIR/accounts")" -lt $((all * 3 / 4)) ] || fail "$(wc -l <"$DIR/accounts") of $all rows are chosen"
}

@test "through a filter, each process killed with SIGKILL again and again: the SQLite copy ends as the query of the source" {
    LINE=$(line "cdc-sink-sqlite --state-dir '$STATE' '$COPY'")
    killed_and_finished cdc-sink-sqlite marked
    expected
    copy "select json_array(json_array(source_table, id), owner, balance, flag, note, big, changed) from accounts" >"$DIR/accounts.actual"
    copy "select json_array(json_array(source_table, id), account, delta, at) from history" >"$DIR/history.actual"
    copy "select json_array(json_array(source_table, code), total) from branches" >"$DIR/branches.actual"
    for table in accounts history branches; do compare_table $table SQLite; done
}

@test "through a filter, each process killed with SIGKILL again and again: the OpenSearch index ends as the query of the source" {
    opensearch_start
    LINE=$(line "cdc-sink-http --elasticsearch --requests 2 --state-dir '$STATE' '$OPENSEARCH_URL'")
    killed_and_finished cdc-sink-http marked_search
    expected
    opensearch_rows "$NAME-accounts" '[[.source_table,.id],.owner,.balance,.flag,.note,.big,.changed]' >"$DIR/accounts.actual"
    opensearch_rows "$NAME-history" '[[.source_table,.id],.account,.delta,.at]' >"$DIR/history.actual"
    opensearch_rows "$NAME-branches" '[[.source_table,.code],.total]' >"$DIR/branches.actual"
    for table in accounts history branches; do compare_table $table OpenSearch; done
}
