#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tables of MySQL and MariaDB that are read again, in an OpenSearch index: the line under a supervisor, killed, while others write.
# takes: 60 s
# shellcheck disable=SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/opensearch

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    opensearch_start
    export OPENSEARCH_URL OPENSEARCH_PID OPENSEARCH_DIR
    mysql_start --binlog-row-metadata=FULL
}
teardown_file() {
    mysql_end
    opensearch_stop
}
setup() { mysql_test_setup; }
teardown() {
    touch "$DIR/stop" "$DIR/quiet"
    mysql_test_teardown
}

supervise() {
    local options="--name $NAME -t '$NAME.*' --state-dir '$STATE'"
    echo "{ cdc-snapshot --chunk-rows 20 $options '$URL' && exec mysql-binlog --heartbeat 1 $options '$URL'; } | cdc-sink-http --elasticsearch --batch-events 50 --state-dir '$STATE' $OPENSEARCH_URL" >"$DIR/line"
    # shellcheck disable=SC2016
    spawn bash -c 'while [ ! -e "$0/stop" ]; do
        bash -o pipefail -c "$(cat "$0/line")" 2>>"$0/err" 3>&-
        status=$?
        echo "$status" >>"$0/ends"
        case $status in 0 | 69 | 74 | 75 | 137 | 143) ;; *) echo "$status" >"$0/failed"; exit ;; esac
        sleep 0.05
    done' "$DIR"
    SUPERVISOR=$SPAWNED
}
# Clients that write to t and u until $DIR/quiet is there.
writer() {
    cat >"$DIR/writer" <<'END'
DIR=$1; shift
n=0
while [ ! -f "$DIR/quiet" ]; do
    n=$((n + 1)) k=$(((n * 7) % 300))
    echo "begin; insert into t (id, a) values ($k, $n) on duplicate key update a = $n; update u set b = $n where id % 50 = $((k % 50)); commit; delete from t where id = $(((k * 3) % 300)); insert ignore into u (id, b) values ($k, $n);"
    [ $((n % 20)) != 0 ] || echo "do sleep(0.05);"
done | mariadb --force "$@" >/dev/null 2>&1
END
    spawn bash "$DIR/writer" "$DIR" --no-defaults --socket="$(mysql_dir)/socket" --user=root "$NAME"
    WRITER=$SPAWNED
}
rows_at() {
    msql -N "select json_object($(msql -N "select group_concat(concat('\'', column_name, '\', ', column_name)) from information_schema.columns where table_schema = '$NAME' and table_name = '$1'")) from $1" |
        jq -cS . | LC_ALL=C sort
}
# A column without a value need not be in a document.
rows_in_index() { opensearch_rows "$NAME-$1" . 2>/dev/null | jq -cS . | LC_ALL=C sort; }
same() { [ ! -e "$DIR/failed" ] || return 1; [ "$(rows_at "$1")" = "$(rows_in_index "$1")" ]; }
equal() {
    wait_until -t 90 same "$1" 2>/dev/null || {
        diff <(rows_at "$1") <(rows_in_index "$1") | head -20 >&2
        tail -30 "$DIR/err" >&2
        fail "$1 differs"
    }
}

@test "statements that change rows, under a writer, and the programs killed: the index ends as the source" {
    local i victim pid
    msql "create table t (id int primary key, a int); insert into t select n, n from $(numbers 1 300); create table u (id int primary key, b int); insert into u select n, n from $(numbers 1 300)"
    supervise
    equal t
    writer
    for ((i = 0; i < 6; i++)); do
        msql "alter table t add column c$i int not null default $i; update t set c$i = 100 where id % 10 = $i"
        msql "alter table u add column d$i varchar(20) default 'd$i'"
        case $((i % 4)) in 0) victim=cdc-sink-http ;; 1) victim=cdc-snapshot ;; 2) victim=cdc-sink-http ;; *) victim=mysql-binlog ;; esac
        wait_until -t 5 has_member "$SUPERVISOR" "$victim" 2>/dev/null || true
        pause_ms $((i * 37 % 200))
        pid=$(member "$SUPERVISOR" "$victim")
        [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
        pause_ms 300
    done
    touch "$DIR/quiet"
    wait_until gone "$WRITER"
    equal t
    equal u
    not test -e "$DIR/failed"
    [ "$(grep -c 75 "$DIR/ends")" -ge 2 ]
    touch "$DIR/stop"
}
