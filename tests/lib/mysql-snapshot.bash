# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A database and a state folder of each test's own, and the three programs between them and a copy. SEPARATOR is that of copy's columns.

# begin_test NAME
begin_test() {
    NAME=$1
    DIR=$BATS_TEST_TMPDIR
    STATE=$DIR/state
    COPY=$DIR/copy.db
    URL=$(mysql_url)$NAME
    mkdir -p "$STATE"
    MYSQL_DATABASE='' msql "create database $NAME"
    MYSQL_DATABASE=$NAME
}

snapshot() { t cdc-snapshot --state-dir "$STATE" "$@" "$URL" 2>>"$DIR/err"; }
binlog() { t mysql-binlog --state-dir "$STATE" --heartbeat 0 "$@" "$URL" 2>>"$DIR/err"; }
sink() { t cdc-sink-sqlite --state-dir "$STATE" "$COPY" 2>>"$DIR/err"; }
copy() { sqlite3 -cmd '.timeout 30000' -separator "${SEPARATOR:- }" "$COPY" "$1"; }
says() { grep -qE -- "$1" "$DIR/err" || fail "no message says '$1': $(cat "$DIR/err")"; }
state() { jq -r ".offsets[\"$NAME\"]$1" "$STATE/cdc-snapshot-$NAME.offset"; }
# exits STATUS COMMAND...
exits() {
    local expected=$1 status=0
    shift
    : >"$DIR/err"
    "$@" >"$DIR/out" || status=$?
    is "exit status of $*" "$expected" "$status" || { cat "$DIR/err"; return 1; }
}
# slow_line [LINES]: a stage that waits after so many.
slow_line() { echo "'$CDC_ROOT/tests/lib/paced.py' ${1:-300}"; }
# Has the sink stored a point in the table from which a further attempt goes on?
has_stored_point() {
    local point stored
    point=$(state ".state.points[0] | select(.table == \"$1\") | .pos" 2>/dev/null) || return 1
    stored=$(jq -r ".offsets[\"$NAME\"].pos // empty" "$STATE/cdc-sink-sqlite.offset" 2>/dev/null) || return 1
    [ -n "$point" ] && [ -n "$stored" ] && [[ ! $stored < $point ]]
}
