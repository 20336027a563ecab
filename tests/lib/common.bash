# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What every suite, the demo and the benchmark share.

CDC_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CDC_BUILD=$(cd "$CDC_ROOT" && realpath -m "${CDC_BUILD:-build}")
BIN=$CDC_BUILD/bin
LIB=$CDC_ROOT/tests/lib
# A build without a connector names the tools it has.
read -ra TOOLS <<<"${CDC_TOOLS:-pg-cdc mysql-binlog cdc-snapshot cdc-filter cdc-sink-sqlite cdc-sink-http cdc-log cdc-sink-kafka kafka-cdc}"
case :$PATH: in *:"$BIN":*) ;; *) PATH=$BIN:$PATH ;; esac
export CDC_ROOT CDC_BUILD BIN PATH LC_ALL=C.UTF-8 TZ=UTC
# The machine's settings must not change a result. 78 and 79 are ours, leaks are checked by valgrind and unit tests.
unset CDC_STATE_DIR CDC_HTTP_PASSWORD http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy no_proxy NO_PROXY
DEADLINE=${CDC_TEST_TIMEOUT:-60}
# What tests draw at random is new in each run, but where this is set: there it is the same each time (see .ci/run).
[ -z "${CDC_RANDOM:-}" ] || RANDOM=$CDC_RANDOM

# A tool, never longer than LIMIT seconds (default 60: other suites run at the same time): no test can hang.
t() { timeout -k 5 "${LIMIT:-$DEADLINE}" "$@"; }

# clock SECONDS COMMAND...: to it the wall clock is that much ahead.
clock() { echo "$1" >"$DIR/clock"; CDC_CLOCK=$DIR/clock LD_PRELOAD=$CDC_BUILD/tests/clock.so "${@:2}"; }

# wait_until [-t SECONDS] COMMAND...: polls until the command is true.
wait_until() {
    local limit=$DEADLINE end
    if [ "$1" = -t ]; then limit=$2; shift 2; fi
    end=$((SECONDS + limit))
    until "$@"; do
        if [ $SECONDS -ge $end ]; then
            echo "gave up after $limit s: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}
# A moment that is itself the test's input (when to kill, how long to be stuck), never a way to wait for something.
pause_ms() { sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"; }

lines_at_least() { [ "$(wc -l 2>/dev/null <"$1" || echo 0)" -ge "$2" ]; }
wait_for_lines() { wait_until lines_at_least "$1" "$2"; }
file_matches() { grep -qE -- "$2" "$1" 2>/dev/null; }
wait_for_match() { wait_until file_matches "$1" "$2"; }
gone() { ! kill -0 "$1" 2>/dev/null; }
# The exit status of background process $1, once it has ended, at the latest after $2 seconds.
status_of() {
    wait_until -t "${2:-$DEADLINE}" gone "$1" || { kill -KILL "$1" 2>/dev/null; return 124; }
    wait "$1"
}

fail() { echo "$*" >&2; return 1; }
# `! command` does not fail a test; this does.
not() { if "$@"; then fail "should not be so: $*"; fi; }
# is WHAT EXPECTED ACTUAL
is() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
# The file is empty or its last byte is LF, and each line is one JSON object.
whole_lines() {
    [ ! -s "$1" ] || [ "$(tail -c 1 "$1" | od -An -tx1 | tr -d ' ')" = 0a ] || fail "$1 ends inside a line"
    jq -e -n 'reduce inputs as $x (true; . and ($x|type) == "object")' "$1" >/dev/null || fail "$1 holds a line that is no object"
}

# Background processes of a test: `spawn COMMAND...` leaves the pid in SPAWNED. Every one leads a process group, so that
# teardown ends whatever it had started.
SPAWNED_ALL=()
spawn() {
    setsid "$@" 3>&- &
    SPAWNED=$!
    SPAWNED_ALL+=("$SPAWNED")
}
# A whole command line, given as text to bash with pipefail.
spawn_line() { spawn bash -o pipefail -c "$1"; }
# member GROUP NAME: the pid of that tool in the line, empty when it is not running.
member() { pgrep -g "$1" -x "${2:0:15}" | head -1; }
has_member() { [ -n "$(member "$1" "$2")" ]; }
end_spawned() {
    local pid
    for pid in "${SPAWNED_ALL[@]}"; do
        kill -CONT -- "-$pid" 2>/dev/null
        kill -KILL -- "-$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    SPAWNED_ALL=()
    return 0
}
# supervise LINE: starts it again and again in the background after what passes by itself, as a supervisor does, until $DIR/stop is
# there. $DIR/ends has the statuses, $DIR/failed one of another kind, which ends it; $DIR/err the messages.
supervise() {
    echo "$1" >"$DIR/line"
    rm -f "$DIR/stop"
    spawn bash "$LIB/supervise.bash" "$DIR"
    SUPERVISOR=$SPAWNED
}
# Peak resident memory of process $1, in KiB.
peak_kib() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null; }

# A short folder: a socket's path ends at 108 bytes. In the suite's own, so that tests/run finds what lies and runs there.
test_folder() { mktemp -d "${CDC_SUITE_DIR:-/tmp}/cdcXXXXXX"; }
