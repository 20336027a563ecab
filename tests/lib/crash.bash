# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The crash test: traffic, kills, and the comparison afterwards.

CRASH_ROWS=${CDC_CRASH_ROWS:-15000}
CRASH_KILLS=${CDC_CRASH_KILLS:-12}
CRASH_SEED=${CDC_CRASH_SEED:-4711}
CRASH_MS=${CDC_TRAFFIC_MS:-30000}
SHARED_ROWS=$((CRASH_ROWS / 8 > 2000 ? CRASH_ROWS / 8 : 2000))

COLD_ROWS=$((CRASH_ROWS * 2))

crash_tables() {
    sql "create table $NAME.accounts (id bigint primary key, owner text not null, balance numeric(14,2) not null, flag boolean, note text, big text,
             changed timestamptz not null default clock_timestamp());
         alter table $NAME.accounts alter big set storage external;
         create table $NAME.history (id bigint generated always as identity primary key, account bigint not null, delta integer not null, at timestamptz not null default clock_timestamp());
         create table $NAME.branches (code text primary key, total bigint not null);
         insert into $NAME.accounts select i, 'owner ' || i, i * 1.01, i % 2 = 0, null, case when i % 4 = 0 then repeat(md5(i::text), 120) end from generate_series(1, $SHARED_ROWS) i;
         insert into $NAME.accounts select 1000000 + i, 'cold ' || i, i, null, 'note ' || i, case when i % 16 = 0 then repeat(md5(i::text), 100) end from generate_series(1, $COLD_ROWS) i;
         insert into $NAME.history (account, delta) select i, i from generate_series(1, 1000) i;
         insert into $NAME.branches select i || '-0', i from generate_series(1, 4) i"
}
# crash_traffic [SCHEMA...]: four clients, who take the schemas in turn, spread over about half a minute where the rows are few.
crash_traffic() {
    local client per_client=$((CRASH_ROWS / 4)) pause schemas=("${@:-$NAME}")
    pause=$((CRASH_MS / per_client))
    TRAFFIC=()
    for client in 1 2 3 4; do
        awk -v client=$client -v n=$per_client -v seed="$CRASH_SEED" -v schema="${schemas[client % ${#schemas[@]}]}" -v shared="$SHARED_ROWS" -v cold=$COLD_ROWS -v pause_ms=$pause -f "$LIB/traffic.awk" >"$DIR/traffic$client.sql"
        PGHOST=$CDC_PG_DIR PGUSER=postgres spawn psql -XqAt -d "$DATABASE" -f "$DIR/traffic$client.sql" >/dev/null 2>>"$DIR/traffic.err"
        TRAFFIC+=("$SPAWNED")
    done
}
traffic_done() {
    local pid
    for pid in "${TRAFFIC[@]}"; do gone "$pid" || return 1; done
}
# crash_once LINE VICTIM MOMENT: starts the line, kills that process of it so many milliseconds after it began; all must end.
# A snapshot may be through before its moment: then the source behind it is killed.
has_begun() { has_member "$1" "$2" || gone "$1"; }
has_begun_or_passed() { has_begun "$1" "$2" || { [ "$2" = cdc-snapshot ] && has_member "$1" pg-cdc; }; }
is_over() { gone "$1" || has_member "$1" pg-cdc; }
crash_once() {
    local line=$1 victim=$2 pid status=0
    spawn_line "$line"
    wait_until -t 120 has_begun_or_passed "$SPAWNED" "$victim"
    pause_ms "$3"
    pid=$(member "$SPAWNED" "$victim")
    if [ -z "$pid" ] && [ "$victim" = cdc-snapshot ]; then
        wait_until -t 120 has_begun "$SPAWNED" pg-cdc
        pid=$(member "$SPAWNED" pg-cdc)
    fi
    if [ -n "$pid" ]; then
        cat "/proc/$pid/comm" >>"$DIR/kills" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
    fi
    # The snapshot may have ended in that very moment: then the source after it is the one.
    if [ "$victim" = cdc-snapshot ]; then
        wait_until -t 120 is_over "$SPAWNED"
        gone "$SPAWNED" || kill -KILL "$(member "$SPAWNED" pg-cdc)" 2>/dev/null || true
    fi
    status_of "$SPAWNED" || status=$?
    case $status in
    0 | 69 | 74 | 75 | 137) ;;
    124) fail "the line did not end after $victim was killed: $(pgrep -ag "$SPAWNED")" ;;
    *) fail "the line ended with $status after $victim was killed" ;;
    esac
}
# One run that may finish the snapshot: it is killed as soon as the sink has stored it all.
snapshot_stored() { gone "$SPAWNED" || grep -q '"snapshot":"false"' "$STATE/$1.offset"; }
source_began_or_gone() { has_member "$SPAWNED" pg-cdc || gone "$SPAWNED"; }
crash_after_snapshot() {
    spawn_line "$1"
    wait_until -t 300 snapshot_stored "$2"
    # An earlier run may have stored it: then the source of this one has not begun yet.
    wait_until -t 60 source_began_or_gone
    has_member "$SPAWNED" pg-cdc || fail "the line ended by itself"
    kill -KILL "$(member "$SPAWNED" pg-cdc)"
    status_of "$SPAWNED" || [ $? != 124 ]
}
# Kills of the snapshot first (soon after the start, while there is one), then of sink, filter and source in turn.
crash_all() {
    local line=$1 sink=$2 i victim
    RANDOM=$CRASH_SEED
    for ((i = 0; i < CRASH_KILLS; i++)); do crash_once "$line" cdc-snapshot $((RANDOM % (60 + CRASH_ROWS / 400))); done
    crash_after_snapshot "$line" "$sink"
    for ((i = 0; i < 3 * CRASH_KILLS; i++)); do
        case $((i % 3)) in 0) victim=$sink ;; 1) victim=cdc-filter ;; *) victim=pg-cdc ;; esac
        crash_once "$line" "$victim" $((RANDOM % 900 + 20))
    done
    echo "# killed: $(sort "$DIR/kills" | uniq -c | awk '{printf "%s%s %d times", (NR > 1 ? ", " : ""), $2, $1}')" >&3
    [ "$(grep -c cdc-snapshot "$DIR/kills")" -ge $((CRASH_KILLS < 3 ? CRASH_KILLS : 3)) ] || fail "the snapshot was too fast to be killed"
    for victim in pg-cdc cdc-filter "$sink"; do
        [ "$(grep -cx "$victim" "$DIR/kills")" -ge "$CRASH_KILLS" ] || fail "too few kills hit $victim"
    done
}
# Tables that are read again while the log goes on: a position of the log that is confirmed says nothing of them.
none_is_read_again() { jq -e '[.offsets[].state.again // [] | .[] | select(.written == null)] == []' "$STATE/pg-cdc-$NAME.offset" >/dev/null; }
# The same line once more, until everything is through; then a clean stop.
crash_finish() {
    local status=0
    spawn_line "$1"
    wait_until -t 300 traffic_done
    is "errors of the traffic" "" "$(head -3 "$DIR/traffic.err")"
    wait_until -t 120 has_member "$SPAWNED" pg-cdc
    wait_until -t 120 slot_exists "$SLOT"
    wait_confirmed "$SLOT" 180
    none_is_read_again || echo "# a table is still to be read again" >&3
    wait_until -t 120 none_is_read_again
    wait_confirmed "$SLOT" 60
    kill -TERM "$(member "$SPAWNED" pg-cdc)"
    status_of "$SPAWNED" 60 || status=$?
    is "exit status of the line after SIGTERM to its source" 0 "$status"
}
# The source's rows as JSON arrays; %FLAG% is how the destination shows a boolean.
UTC_TEXT="replace(replace(%s::text, ' ', 'T'), '+00', 'Z')"
utc() { # shellcheck disable=SC2059
    printf "$UTC_TEXT" "$1"; }
source_rows() {
    sql_file -c "set timezone = 'UTC'" -c "select json_build_array(id, owner, balance::text, ${1:-flag}, note, big, $(utc changed)) from $NAME.accounts" >"$DIR/accounts.expected"
    sql_file -c "set timezone = 'UTC'" -c "select json_build_array(id, account, delta, $(utc at)) from $NAME.history" >"$DIR/history.expected"
    sql_file -c "select json_build_array(code, total) from $NAME.branches" >"$DIR/branches.expected"
}
compare_tables() {
    local table
    for table in accounts history branches; do
        python3 "$LIB/compare.py" "$DIR/$table.expected" "$DIR/$table.actual" || fail "$table: the copy differs from the source"
    done
}
sqlite_rows() {
    sqlite3 "$1" "select json_array(id, owner, balance, flag, note, big, changed) from accounts" >"$DIR/accounts.actual"
    sqlite3 "$1" "select json_array(id, account, delta, at) from history" >"$DIR/history.actual"
    sqlite3 "$1" "select json_array(code, total) from branches" >"$DIR/branches.actual"
}
