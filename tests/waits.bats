#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Signals while a tool waits, and while it never has to: they are obeyed, and statistics, metrics and a word on what is
# waited for come from any wait.
# takes: 20 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines

setup() {
    DIR=$BATS_TEST_TMPDIR
    DB=$DIR/a.db
    IN=$DIR/in
    { users; change c '{"id":0}' null '{"id":0}'; commit; } >"$IN"
}
teardown() { end_spawned || true; }
users() { schema id id:integer; }
# endless LINES: change lines without an end, a new transaction every LINES lines (0: all one), after those of $IN.
endless() {
    cat >"$DIR/endless.py" <<'P'
import sys
every, n = int(sys.argv[1]), 0
sys.stdout.write(open(sys.argv[2]).read())
while True:
    n += 1
    seq = 200 + (n // every if every else 0)
    sys.stdout.write('{"op":"c","pos":"%08d.%010d","seq":%d,"source":{"name":"n","db":"d","schema":"public","table":"t"},"key":{"id":%d},"before":null,"after":{"id":%d}}\n' % (seq, n, seq, n, n))
P
    echo "python3 $DIR/endless.py $1 $IN"
}
q() { sqlite3 "$DB" "$1"; }
statistics() { file_matches "$DIR/err" 'info: lines in '; }
# ask PID: asks for statistics until they come; not before the handlers are there.
catches() { [ -r "/proc/$1/status" ] && [ $((0x$(sed -n 's/^SigCgt:[^0-9a-f]*//p' "/proc/$1/status") & 0x200)) != 0 ]; }
ask() { ! catches "$1" || kill -USR1 "$1"; statistics; }
asked_of_many() { ! catches "$1" || kill -USR1 "$1"; file_matches "$DIR/err" 'info: lines in [0-9]{4}'; }
server() {
    mkdir -p "$DIR/http"
    [ $# = 0 ] || printf '%s\n' "$@" >"$DIR/http/script"
    spawn python3 "$LIB/http-server.py" "$DIR/http"
    wait_until test -s "$DIR/http/port"
    URL=http://127.0.0.1:$(cat "$DIR/http/port")
}

@test "a transaction that never ends: a sink leaves after a signal, and stores what was complete" {
    spawn_line "$(endless 0) | { cdc-sink-sqlite $DB 2>$DIR/err; echo \$? >$DIR/status; }"
    wait_for_match "$DIR/err" 'created table'
    local pid signals
    pid=$(member "$SPAWNED" cdc-sink-sqlite)
    kill -TERM "$pid"
    wait_until test -s "$DIR/status"
    is status 0 "$(cat "$DIR/status")"
    is rows 0 "$(q 'select id from t')"
}

@test "a transaction that never ends: a second signal ends sink and filter at once" {
    local tool pid wanted
    for tool in "cdc-sink-sqlite $DB" "cdc-filter"; do
        rm -f "$DIR/status"
        spawn_line "$(endless 0) | { $tool >$DIR/out 2>$DIR/err; echo \$? >$DIR/status; }"
        if [ "$tool" = cdc-filter ]; then wait_until test -s "$DIR/out"; else wait_for_match "$DIR/err" 'created table'; fi
        pid=$(member "$SPAWNED" "${tool%% *}")
        # The first one must be taken before the second comes, or they are one.
        kill -TERM "$pid"
        wait_until -t 1 gone "$pid" || kill -TERM "$pid"
        wait_until test -s "$DIR/status"
        wanted=0
        [ "$tool" != cdc-filter ] || wanted=75
        is "status of $tool" $wanted "$(cat "$DIR/status")"
    done
    whole_lines "$DIR/out"
}

@test "commit lines were dropped: a sink ends between two transactions, for a signal and for --max-events" {
    spawn_line "$(endless 7) | { cdc-sink-sqlite $DB 2>$DIR/err; echo \$? >$DIR/status; }"
    wait_for_match "$DIR/err" 'created table'
    kill -TERM "$(member "$SPAWNED" cdc-sink-sqlite)"
    wait_until test -s "$DIR/status"
    is status 0 "$(cat "$DIR/status")"
    is "the last row is the position's" "$(q "select max(id) from t")" "$(q "select cast(substr(pos, 10) as integer) from cdc_offsets where pos like '%.__________' union all select 0 limit 1")"
    rm -f "$DB"*
    spawn_line "$(endless 7) | { cdc-sink-sqlite --max-events 10 $DB 2>$DIR/err; echo \$? >$DIR/max-status; }"
    wait_until test -s "$DIR/max-status"
    is status 0 "$(cat "$DIR/max-status")"
    is rows 14 "$(q 'select count(*) from t')"
}

@test "a destination that is away: statistics and metrics go on" {
    spawn bash -c "exec cdc-sink-http --webhook --metrics-file $DIR/m --offset-file $DIR/o http://127.0.0.1:1 <$IN 2>$DIR/err"
    wait_for_match "$DIR/err" 'trying again'
    wait_until ask "$SPAWNED"
    wait_for_match "$DIR/m" '^cdc_retries_total.* [1-9]'
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED"
}

@test "a peer that does not answer: statistics, what a stop waits for, and a second signal" {
    server slow
    spawn bash -c "exec cdc-sink-http --webhook --offset-file $DIR/o $URL/hook?token=secret <$IN 2>$DIR/err"
    wait_until ask "$SPAWNED"
    kill -TERM "$SPAWNED"
    wait_for_match "$DIR/err" 'still waiting for http://127.* to answer; a second one leaves at once'
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" 20
    not grep -q secret "$DIR/err"
    is offset null "$(jq -c '.offsets.n.pos' "$DIR/o")"
}

@test "a connection that does not come about: a second signal" {
    # Its queue is full: further connections hang.
    spawn python3 -c 'import signal, socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
full = [socket.socket() for _ in range(4)]
for c in full: c.setblocking(False); c.connect_ex(s.getsockname())
open(sys.argv[1] + ".new", "w").write(str(s.getsockname()[1])); import os; os.rename(sys.argv[1] + ".new", sys.argv[1])
signal.pause()' "$DIR/port"
    wait_until test -s "$DIR/port"
    spawn bash -c "exec cdc-sink-http --webhook --offset-file $DIR/o http://127.0.0.1:$(cat "$DIR/port") <$IN 2>$DIR/err"
    wait_until test -s "$DIR/o"
    wait_until ask "$SPAWNED"
    kill -TERM "$SPAWNED"
    wait_for_match "$DIR/err" 'still waiting for'
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" 5
    not grep -q 'trying again' "$DIR/err"
}

@test "a locked database: tried for ever at the start as well, statistics come, and a signal ends it" {
    spawn python3 -c 'import signal,sqlite3,sys
c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute("begin immediate"); open(sys.argv[2], "w").close(); signal.pause()' "$DB" "$DIR/locked"
    local holder=$SPAWNED
    wait_until test -e "$DIR/locked"
    spawn bash -c "exec cdc-sink-sqlite $DB <$IN 2>$DIR/err"
    wait_for_match "$DIR/err" 'is locked by another process'
    kill -KILL "$holder"
    status_of "$SPAWNED"
    is rows 0 "$(q 'select id from t')"
    rm -f "$DIR/locked" "$DIR/err"
    { users; change c '{"id":9}' null '{"id":9}'; commit; } | sed 's/"pos":"00000/"pos":"00009/' >"$DIR/more"
    mkfifo "$DIR/fifo"
    spawn bash -c "exec cdc-sink-sqlite $DB <$DIR/fifo 2>$DIR/err"
    local sink=$SPAWNED
    exec 8>"$DIR/fifo"
    cat "$IN" >&8
    wait_until ask "$sink"
    spawn python3 -c 'import signal,sqlite3,sys
c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute("begin immediate"); open(sys.argv[2], "w").close(); signal.pause()' "$DB" "$DIR/locked"
    wait_until test -e "$DIR/locked"
    : >"$DIR/err"
    cat "$DIR/more" >&8
    wait_until ask "$sink"
    kill -TERM "$sink"
    status_of "$sink" 20
    exec 8>&-
}

@test "a reader that takes nothing: a filter says what it waits for, answers, and obeys a second signal in bounded memory" {
    mkfifo "$DIR/fifo"
    spawn bash -c "exec <$DIR/fifo; touch $DIR/open; exec sleep 1000"
    spawn_line "$(endless 0) | { cdc-filter >$DIR/fifo 2>$DIR/err; echo \$? >$DIR/status; }"
    wait_until test -e "$DIR/open"
    wait_until has_member "$SPAWNED" cdc-filter
    local pid
    pid=$(member "$SPAWNED" cdc-filter)
    # Inside a transaction, with more to come than the pipe takes.
    wait_until asked_of_many "$pid"
    kill -TERM "$pid"
    wait_for_match "$DIR/err" 'still waiting for the reader of the output'
    [ "$(peak_kib "$pid")" -lt 65536 ] || ldd "$BIN/cdc-filter" | grep -q san
    kill -TERM "$pid"
    wait_until test -s "$DIR/status"
    is status 75 "$(cat "$DIR/status")"
}

bytes_in_7() { python3 -c 'import fcntl, struct, termios; print(struct.unpack("i", fcntl.ioctl(7, termios.FIONREAD, b"0000"))[0])'; }
messages_are_stuck() { [ "$(bytes_in_7)" -gt 60000 ]; }
ends_by_term() { kill -TERM "$1" 2>/dev/null; [ -s "$DIR/status" ]; }
@test "messages that nobody reads: a second signal" {
    mkfifo "$DIR/messages"
    exec 7<>"$DIR/messages"
    seq -f 'no line %g' 3000 >"$DIR/bad"
    spawn bash -c "cdc-filter --on-error=skip <$DIR/bad >/dev/null 2>$DIR/messages; echo \$? >$DIR/status"
    wait_until messages_are_stuck
    wait_until ends_by_term "$(member "$SPAWNED" cdc-filter)"
    is status 0 "$(cat "$DIR/status")"
    exec 7>&-
}
