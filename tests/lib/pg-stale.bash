# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A line that is started again as a supervisor does, while tables change their form; its copy beside the source.

copy_line() { full_line "cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"; }
# Ends the line between two runs of it, or in one. What is started after that gets the signal as well, and each process gets one.
stop_supervised() {
    touch "$DIR/stop"
    SIGNALLED=" "
    wait_until all_stopped
}
all_stopped() {
    local pid
    if gone "$SUPERVISOR"; then return 0; fi
    for pid in $(pgrep -g "$SUPERVISOR" -x pg-cdc) $(pgrep -g "$SUPERVISOR" -x cdc-snapshot); do
        [[ $SIGNALLED != *" $pid "* ]] || continue
        kill -TERM "$pid" 2>/dev/null || true
        SIGNALLED+="$pid "
    done
    return 1
}
# A second session that writes all the time: the statements of $1, N being another number each time. Some of them fail meanwhile.
write_all_the_time() {
    # shellcheck disable=SC2016
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c 'i=1000; while [ ! -e "$0/quiet" ]; do i=$((i + 1)); echo "${1//NN/$i}"; sleep 0.02; done |
        psql -XqAt -d "$2" >/dev/null 2>"$0/traffic.err"' "$DIR" "$1" "$DATABASE"
    TRAFFIC=$SPAWNED
}
quiet() {
    touch "$DIR/quiet"
    wait_until gone "$TRAFFIC"
}
rows_at() { sql "select $2 from $NAME.$1 order by 1"; }
rows_copied() { sqlite3 "${3:-$DIR/copy.db}" "select $2 from $1 order by 1" 2>/dev/null; }
same() { [ ! -e "$DIR/failed" ] || return 1; [ "$(rows_at "$1" "$2")" = "$(rows_copied "$@")" ]; }
# equal TABLE COLUMNS [COPY]: at the latest after a while
equal() {
    wait_until -t "${WITHIN:-40}" same "$@" 2>/dev/null || {
        diff <(rows_at "$1" "$2") <(rows_copied "$@") | head -20 >&2
        tail -30 "$DIR/err" >&2
        fail "$1 ($2) differs${3:+ in $3}"
    }
}
ends_with_75() { grep -cx 75 "$DIR/ends" 2>/dev/null || echo 0; }
# How often a table was read again.
read_again() { grep -c "table \"$NAME\".\"$1\" is to be read again" "$DIR/err"; }
# lock_table NAME: until $DIR/let-go is there.
lock_table() {
    # shellcheck disable=SC2016
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn bash -c '{ echo "begin; lock table $2 in access exclusive mode; select 1;"; until [ -e "$0/let-go" ]; do sleep 0.05; done; echo "commit;"; } | psql -XqAt -d "$1" >"$0/held"' "$DIR" "$DATABASE" "$NAME.$1"
    wait_for_lines "$DIR/held" 1
}
