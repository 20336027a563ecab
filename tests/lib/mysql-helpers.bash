# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the suites of mysql-binlog share: a database a test, the program with the test's names, and questions to its lines.

# Every test: a database and a pipeline of its own, $NAME, and a folder, $DIR.
mysql_test_setup() {
    NAME=m$BATS_SUITE_TEST_NUMBER
    DIR=$BATS_TEST_TMPDIR
    STATE=$DIR/state
    URL=$(mysql_url)
    mkdir -p "$STATE"
    msql "create database $NAME"
    MYSQL_DATABASE=$NAME
}
mysql_test_teardown() {
    end_spawned
    MYSQL_DATABASE='' msql "drop database if exists $NAME"
}
# mysql-binlog with this test's names; lines in $DIR/out (appended), messages in $DIR/err.
binlog() { t mysql-binlog --name "$NAME" -t "$NAME.*" --heartbeat 0 "$@" "$URL" >>"$DIR/out" 2>"$DIR/err"; }
# Takes the place where the log ends now for the position: read_all goes on from there.
begin() { binlog --offset-file "$DIR/p" --start now --until now || { cat "$DIR/err"; return 1; }; : >"$DIR/out"; }
# What was committed since the last time, as $DIR/out.
read_all() { : >"$DIR/out"; binlog --offset-file "$DIR/p" --until now "$@" || { cat "$DIR/err"; return 1; }; }
lines() { jq -c "$1" "${2:-$DIR/out}"; }
changes() { lines 'select(.op | IN("c","u","d","t")) | del(.pos,.seq,.ts_ms,.source)' "$@"; }
ids() { jq -r 'select(.op == "c") | .after.id' "${1:-$DIR/out}" | xargs; }
# No two lines of a file have the same pos, and none is before the one above it; seq never falls.
ordered() {
    jq -r '.pos' "$1" | LC_ALL=C sort -c -u
    jq -r '.seq' "$1" | sort -c -n
}
# exits STATUS COMMAND...: and the message says why, under the tool's name.
exits() {
    local expected=$1 status=0
    shift
    "$@" || status=$?
    is "exit status of $*" "$expected" "$status" || { cat "$DIR/err"; return 1; }
    [ "$expected" = 0 ] || grep -q '^mysql-binlog: error: ' "$DIR/err" || fail "no message"
}
says() { grep -qiE -- "$1" "$DIR/err" || fail "the message does not say '$1': $(cat "$DIR/err")"; }
# A following reader in the background: follow [OPTION...]; lines in $DIR/out, messages in $DIR/err; pid in $SPAWNED.
follow() {
    spawn_line "exec mysql-binlog --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --heartbeat 1 $* '$URL' >>'$DIR/out' 2>>'$DIR/err'"
    FOLLOWER=$SPAWNED
}
follow_end() {
    local status=0
    kill -TERM "$FOLLOWER"
    status_of "$FOLLOWER" || status=$?
    is "exit status after SIGTERM" 0 "$status" || { tail -5 "$DIR/err"; return 1; }
}
# numbers FROM TO (and "order by n" behind it): a table expression with the numbers from FROM to TO as column n, at most a million of them.
numbers() {
    local digits='(select 0 d union all select 1 union all select 2 union all select 3 union all select 4 union all select 5 union all select 6 union all select 7 union all select 8 union all select 9)'
    echo "(select $1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d as n from $digits a, $digits b, $digits c, $digits e, $digits f, $digits g
           where a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d <= $2 - $1) numbers"
}
