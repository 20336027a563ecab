# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Each system call of a tool goes wrong once, in turn (tests/lib/faults.c). A suite says what a run is:
#
#   begin_case    makes $ROOT as it is before the run: a folder of its own, with all that the tool keeps
#   run_case      runs the tool; `faulty TOOL ...` is the process that the fault is for
#   check_case    compares what arrived
#
# A run with a fault must end with a status that the fault can mean, and after one more run without it, all must be there.

FAULT_KINDS=(read write sync rename open connect memory remove look lock any)
# At most so many places of each kind, evenly spread: all of them where there are fewer.
FAULT_PLACES=${CDC_FAULT_PLACES:-8}
FAULTS=$CDC_BUILD/tests/faults.so
# Set by a suite that runs as root: the command that takes root's capabilities away, so that the tool obeys modes as others do.
OBEYING=()

# faulty TOOL...: with the fault of FAULT_CALL, FAULT_AT and FAULT_HOW, if they are set.
faulty() {
    t "${OBEYING[@]}" env LD_PRELOAD="$FAULTS" FAULTS_COUNTS="$DIR/counts" FAULTS_TRACE="$DIR/trace" ${FAULT_CALL:+FAULTS_CALL="$FAULT_CALL" FAULTS_AT="$FAULT_AT" FAULTS_HOW="$FAULT_HOW"} \
        ${SHADOW:+FAULTS_ROOT="$ROOT" FAULTS_SHADOW="$SHADOW"} "$@"
}
# The number of calls of each kind in the last run, in the order of FAULT_KINDS.
fault_counts() { od -An -v -t u8 "$DIR/counts" | tr -s ' \n' ' '; }

# places N: up to FAULT_PLACES numbers of 1..N, evenly spread, among them the first and the last.
places() { awk -v n="$1" -v most="$FAULT_PLACES" 'BEGIN { if (n <= most) for (i = 1; i <= n; i++) print i; else for (i = 0; i < most; i++) print 1 + int(i * (n - 1) / (most - 1)) }'; }

# What a fault that passes by may end with: done all the same, peer gone, no memory, input or output error, try again.
passes_by() { case $1 in 0 | 69 | 70 | 74 | 75) ;; *) return 1 ;; esac; }

# Where in the tool's own code the last fault struck.
fault_place() {
    local line
    while read -r line; do
        [[ $line =~ ([a-z-]+)\(\+(0x[0-9a-f]+)\) && -x $BIN/${BASH_REMATCH[1]} ]] || continue
        addr2line -Cfpe "$BIN/${BASH_REMATCH[1]}" "$(printf '0x%x' $((BASH_REMATCH[2] - 1)))" | sed 's|/[^ ]*/\(connectors\|libcdc\|cmd\)|\1|'
    done <"$DIR/trace" | head -6 | paste -sd '<'
}

# A sync fails, what it was for is not on the disk, and later ones say nothing of it. Started again, and then the power goes: what
# that run has stored is there.
one_forgotten() {
    local FAULT_CALL=sync FAULT_AT=$1 FAULT_HOW=forget status=0
    begin_case
    run_case || status=$?
    passes_by "$status" || fail "forget at sync $1: exit status $status: $(tail -3 "$DIR/err")" || return 1
    FAULT_CALL=
    run_case || { status=$?; fail "after forget at sync $1: started again, exit status $status: $(tail -3 "$DIR/err")"; return 1; }
    python3 "$LIB/power-cut.py" cut "$ROOT" "$SHADOW" || return 1
    check_case || fail "after forget at sync $1, another run and a power cut: not all is there: $(tail -3 "$DIR/err")"
}

# one_fault KIND AT HOW
one_fault() {
    [ "$3" != forget ] || { one_forgotten "$2"; return; }
    local FAULT_CALL=$1 FAULT_AT=$2 FAULT_HOW=$3 status=0
    begin_case
    run_case || status=$?
    case $3 in
    kill) [ "$status" = 137 ] || [ "$status" = 0 ] || fail "killed at $1 $2: exit status $status: $(tail -3 "$DIR/err")" || return 1 ;;
    *) passes_by "$status" || fail "$3 at $1 $2: exit status $status: $(tail -3 "$DIR/err")" || return 1 ;;
    esac
    [ "$status" != 0 ] || check_case || fail "$3 at $1 $2: exit status 0, but not all is there: $(tail -3 "$DIR/err")" || return 1
    FAULT_CALL=
    # A power cut right after the kill: what was not synced is gone.
    [ -z "${SHADOW:-}" ] || python3 "$LIB/power-cut.py" cut "$ROOT" "$SHADOW" || return 1
    after_fault
    run_case || { status=$?; fail "after $3 at $1 $2: started again, exit status $status: $(tail -3 "$DIR/err")"; return 1; }
    check_case || fail "after $3 at $1 $2: not all is there: $(tail -3 "$DIR/err")"
}
# A suite that must do something between the two runs has a function of that name.
after_fault() { :; }

# all_faults HOW KIND...: every one of these kinds, at every place. Prints each that is wrong, and fails if there was one.
all_faults() {
    local how=$1 kind number wrong=0 tried=0 counts
    shift
    local FAULT_CALL=''
    begin_case
    run_case && check_case || { fail "wrong without any fault: $(tail -3 "$DIR/err")"; return 1; }
    read -ra counts <<<"$(fault_counts)"
    for kind; do
        for ((number = 0; number < ${#FAULT_KINDS[@]}; number++)); do [ "${FAULT_KINDS[number]}" != "$kind" ] || break; done
        for number in $(places "${counts[number]}"); do
            tried=$((tried + 1))
            rm -f "$DIR/trace"
            one_fault "$kind" "$number" "$how" || { wrong=$((wrong + 1)); [ ! -s "$DIR/trace" ] || echo "    at $(fault_place)"; }
        done
    done
    echo "# $how: $tried places of $* tried, $wrong wrong" >&3
    [ "$tried" -gt 0 ] || fail "no such call was made: $* (${counts[*]})" || return 1
    [ "$wrong" = 0 ]
}

# What is in $ROOT now is on the disk, where the power is to go.
on_the_disk() {
    [ -n "$SHADOW" ] || return 0
    rm -rf "$SHADOW"
    mkdir "$SHADOW"
    python3 "$LIB/power-cut.py" begin "$ROOT" "$SHADOW"
}
# snapshot_rows N: whole lines in $ROOT/out, of so many rows. An attempt that was broken off leaves rows; the last one is whole,
# and begins with a truncate if it is not the first.
snapshot_rows() {
    whole_lines "$ROOT/out" &&
        is rows "$1" "$(jq -r 'if .op == "t" then "t \(.source.table)" elif .op == "r" then "r \(.source.table) \(.key)" else empty end' "$ROOT/out" |
            awk '$1 == "t" { for (k in seen) if (index(k, $2 " ") == 1) delete seen[k]; next } { $1 = ""; sub(/^ /, ""); seen[$0] = 1 } END { n = 0; for (k in seen) n++; print n }')"
}
# stream_rows "OP:ID ...": whole lines in $ROOT/out, and of this case (ids from $CASE * 100) these changes in the order of their pos.
# At least once; what comes again comes with the pos that it had.
stream_rows() {
    whole_lines "$ROOT/out" &&
        is rows "$1" "$(jq -r --argjson c "$CASE" 'select(.op | IN("c", "d")) | select((.key.id / 100 | floor) == $c) | "\(.pos) \(.op):0\(.key.id % 100)"' "$ROOT/out" | sort -u | cut -d' ' -f2 | xargs)"
}

# -- standing still, for what others do meanwhile ------------------------------------

# stop_at KIND N TOOL...: in the background, until its Nth call of that kind, where it stands still, or until its end. As spawn.
stop_at() {
    spawn env LD_PRELOAD="$FAULTS" FAULTS_COUNTS="$DIR/counts" FAULTS_CALL="$1" FAULTS_AT="$2" FAULTS_HOW=stop "${@:3}"
    wait_until stands "$SPAWNED"
}
stands() { ! [ -e "/proc/$1/stat" ] || [[ $(cat "/proc/$1/stat") =~ \)\ [TZ] ]]; }
# go_on PID: its exit status.
go_on() {
    kill -CONT "$1"
    status_of "$1"
}
