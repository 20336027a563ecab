#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One huge transaction: killed and stopped inside it, figures that are true meanwhile, savepoints by the thousand.
# CDC_HUGE_ROWS=10000000 CDC_SUBTRANSACTIONS=100000: as large as the slow lane has them.
# takes: 30 s
# shellcheck disable=SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    COPY=$DIR/copy.db
    sql "create table $NAME.t (id bigint primary key, v text)"
}
teardown() { pg_test_teardown; }

ROWS=${CDC_HUGE_ROWS:-100000}
LIMIT=$((ROWS / 10000 + 60))
copy() { sqlite3 -cmd '.timeout 30000' "$COPY" "$1"; }
source_line() { echo "{ cdc-snapshot -q $(source_options) && exec pg-cdc --heartbeat 1 --metrics-file '$DIR/metrics' $(source_options); }"; }
# The line with a stage that stops inside the transaction; the first run takes the empty table.
gated_line() { echo "$(source_line) | python3 '$LIB/gate.py' 50000 '$DIR/inside' '$DIR/go' | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY'"; }
start_line() {
    rm -f "$DIR/inside" "$DIR/go"
    spawn_line "{ $(gated_line); } 2>>'$DIR/err'"
    GROUP=$SPAWNED
}
# Both ends have had a part of it, and none has it whole.
wait_inside() {
    wait_until -t "$LIMIT" test -e "$DIR/inside"
    is "rows that readers of the copy see" 0 "$(copy 'select count(*) from t')"
}
# ends_with STATUS: the rest of the line, once its stage may go on.
ends_with() {
    local status=0
    touch "$DIR/go"
    status_of "$GROUP" "$LIMIT" || status=$?
    is "exit status of the line" "$1" "$status"
    is "rows of a part" 0 "$(copy 'select count(*) from t')"
}
# lag_above BYTES MS, by the metrics file.
lag_above() { awk -v b="$1" -v m="$2" '/^cdc_lag_bytes/ {bytes = $NF} /^cdc_lag_milliseconds/ {ms = $NF} END {exit !(bytes > b && ms > m)}' "$DIR/metrics"; }

@test "killed and stopped inside one huge transaction: none of it, then all of it; figures are true meanwhile" {
    start_line
    wait_until has_member "$GROUP" pg-cdc
    wait_confirmed "$SLOT"
    sql "insert into $NAME.t select i, 'v' || i from generate_series(1, $ROWS) i"
    wait_inside
    # Blocked, too: the pipe is full.
    wait_until lag_above $((ROWS * 50)) 1000
    kill -USR1 "$(member "$GROUP" pg-cdc)"
    wait_for_match "$DIR/err" '^pg-cdc: .*changes'
    kill -KILL "$(member "$GROUP" pg-cdc)"
    ends_with 75

    start_line
    wait_inside
    kill -KILL "$(member "$GROUP" cdc-sink-sqlite)"
    ends_with 137

    # A signal: the transaction does not end while nobody reads, and is not waited for.
    start_line
    wait_inside
    kill -TERM "$(member "$GROUP" pg-cdc)"
    left() { [ -z "$(member "$GROUP" pg-cdc)" ]; }
    wait_until left
    wait_for_match "$DIR/err" '^pg-cdc: .*left by a signal'
    ends_with 75

    start_line
    wait_inside
    touch "$DIR/go"
    stored() { [ "$(copy 'select count(*) from t')" = "$ROWS" ]; }
    wait_until -t "$LIMIT" stored
    is "sums" "$(sql "select sum(id), sum(length(v)) from $NAME.t")" "$(copy 'select sum(id), sum(length(v)) from t')"
    local tool kib
    for tool in pg-cdc cdc-sink-sqlite; do
        kib=$(peak_kib "$(member "$GROUP" "$tool")")
        echo "# $tool: peak $kib KiB" >&3
        [ "$kib" -lt 65536 ] || fail "$tool took $kib KiB"
    done
    wait_confirmed "$SLOT"
    kill -TERM "$(member "$GROUP" pg-cdc)"
    status_of "$GROUP"
}

@test "thousands of savepoints in one transaction, half of them rolled back: the rows that stay, each once" {
    local n=${CDC_SUBTRANSACTIONS:-20000}
    t pg-cdc -q --name "$NAME" -t "$NAME.*" --until now "$URL" >"$DIR/out"
    sql "do \$\$ begin for i in 1..$n loop
            begin
                insert into $NAME.t values (i, 'new');
                update $NAME.t set v = 'by ' || i where id = i - 1;
                if i % 2 = 0 then raise exception 'undone'; end if;
            exception when raise_exception then null;
            end;
         end loop; end \$\$"
    t pg-cdc -q --name "$NAME" -t "$NAME.*" --until now "$URL" >"$DIR/out"
    is "commits with changes" 1 "$(jq -r 'select(.op == "commit" and .events > 0) | .events' "$DIR/out" | wc -l)"
    # What the lines make of an empty table.
    jq -rn 'reduce inputs as $l ({}; if $l.op == "c" or $l.op == "u" then .[$l.key.id | tostring] = $l.after.v else . end) | to_entries[] | "\(.key)|\(.value)"' "$DIR/out" | sort >"$DIR/actual"
    sql "select id, v from $NAME.t" | sort | diff - "$DIR/actual"
    is "rows" $((n / 2)) "$(grep -c '"op":"c"' "$DIR/out")"
}
