#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Through a filter that masks, chooses rows and makes one table of two shards: each process of the line is killed again and again,
# and the copy ends equal to what the same query finds in the source.
# CDC_CRASH_KILLS=20 CDC_CRASH_ROWS=60000 CDC_TRAFFIC_MS=120000: the long run.
# takes: 120 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/opensearch
CDC_CRASH_KILLS=${CDC_CRASH_KILLS:-5} CDC_CRASH_ROWS=${CDC_CRASH_ROWS:-8000} CDC_TRAFFIC_MS=${CDC_TRAFFIC_MS:-20000}
load lib/crash

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    SHARDS=("${NAME}_a" "${NAME}_b")
    rules
}
teardown() {
    sql "set client_min_messages = warning; drop publication if exists cdc_$NAME; drop schema if exists ${SHARDS[0]} cascade; drop schema if exists ${SHARDS[1]} cascade"
    pg_test_teardown
    opensearch_stop
}

# What PostgreSQL and the filter both understand. Half of the texts end with an even digit, so that most updates enter or leave.
ACCOUNTS="(note LIKE '%0' OR note LIKE '%2' OR note LIKE '%4' OR note LIKE '%6' OR note LIKE '%8' OR balance BETWEEN 500.05 AND 1500.55)"
HISTORY="delta > 0"
BRANCHES="total >= 2"
rules() {
    local table
    (umask 077; printf '%064x\n' 4711 >"$DIR/mask.key")
    {
        for table in accounts history branches; do
            echo "table ${NAME}_?.$table"
            echo "route ${NAME}_?.$table = $NAME.$table"
        done
        echo "where accounts: $ACCOUNTS"
        echo "where history: $HISTORY"
        echo "where branches: $BRANCHES"
        echo "mask accounts: owner = hash"
        echo "mask accounts: note = partial"
        echo "mask branches: code = hash"
        echo "mask-key $DIR/mask.key"
    } >"$DIR/rules"
}
# Rows that enter need whole old ones; of the other tables the condition is on what never changes, or is not in the old row.
shards() {
    local shard
    for shard in "${SHARDS[@]}"; do
        sql "create schema $shard"
        NAME=$shard crash_tables
        sql "alter table $shard.accounts replica identity full"
    done
}
line() { # SINK...
    local options="--name $NAME -t '${NAME}_?.*' --state-dir '$STATE' '$URL'"
    echo "{ { cdc-snapshot $options && exec pg-cdc --heartbeat 1 $options; } | cdc-filter -f '$DIR/rules' | $*; } 2>>'$DIR/err'"
}
# expected FLAG: what the query finds, masked.
expected() {
    local shard
    for shard in "${SHARDS[@]}"; do
        sql_file -c "set timezone = 'UTC'" -c "select json_build_array(json_build_array('$shard.accounts', id), owner, balance::text, $1, note, big, $(utc changed)) from $shard.accounts where $ACCOUNTS" >>"$DIR/accounts"
        sql_file -c "set timezone = 'UTC'" -c "select json_build_array(json_build_array('$shard.history', id), account, delta, $(utc at)) from $shard.history where $HISTORY" >>"$DIR/history.expected"
        sql_file -c "select json_build_array(json_build_array('$shard.branches', code), total) from $shard.branches where $BRANCHES" >>"$DIR/branches"
    done
    python3 "$LIB/masked.py" "$DIR/mask.key" 1=hash 4=partial <"$DIR/accounts" >"$DIR/accounts.expected"
    python3 "$LIB/masked.py" "$DIR/mask.key" 0.1=hash <"$DIR/branches" >"$DIR/branches.expected"
}
killed_and_finished() { # SINK
    local line
    line=$(line "$1 --state-dir '$STATE' $2")
    shards
    crash_traffic "${SHARDS[@]}"
    crash_all "$line" "${1%% *}" || { tail -20 "$DIR/err"; return 1; }
    crash_finish "$line" || { tail -20 "$DIR/err"; return 1; }
}
# Some rows have entered and some have left, or the run has proved less than it says.
some_are_chosen() {
    local all
    all=$(sql "select (select count(*) from ${SHARDS[0]}.accounts) + (select count(*) from ${SHARDS[1]}.accounts)")
    [ "$(wc -l <"$DIR/accounts")" -gt $((all / 4)) ] && [ "$(wc -l <"$DIR/accounts")" -lt $((all * 3 / 4)) ] || fail "$(wc -l <"$DIR/accounts") of $all rows are chosen"
}

@test "through a filter, each process killed with SIGKILL again and again: the SQLite copy ends as the query of the source" {
    local table
    killed_and_finished cdc-sink-sqlite "'$DIR/copy.db'"
    expected flag::int
    some_are_chosen
    sqlite3 "$DIR/copy.db" "select json_array(json_array(source_table, id), owner, balance, flag, note, big, changed) from accounts" >"$DIR/accounts.actual"
    sqlite3 "$DIR/copy.db" "select json_array(json_array(source_table, id), account, delta, at) from history" >"$DIR/history.actual"
    sqlite3 "$DIR/copy.db" "select json_array(json_array(source_table, code), total) from branches" >"$DIR/branches.actual"
    compare_tables
}

@test "through a filter, each process killed with SIGKILL again and again: the OpenSearch index ends as the query of the source" {
    opensearch_start
    killed_and_finished "cdc-sink-http --elasticsearch --requests 2" "'$OPENSEARCH_URL'"
    expected flag
    some_are_chosen
    opensearch_rows "$NAME-accounts" '[[.source_table,.id],.owner,.balance,.flag,.note,.big,.changed]' >"$DIR/accounts.actual"
    opensearch_rows "$NAME-history" '[[.source_table,.id],.account,.delta,.at]' >"$DIR/history.actual"
    opensearch_rows "$NAME-branches" '[[.source_table,.code],.total]' >"$DIR/branches.actual"
    compare_tables
}
