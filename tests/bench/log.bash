# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# make bench: a backlog into a log and out of it, beside cat and zstdcat. Sourced by tests/bench/run; $DIR/stream has the lines.

# The peer of append writes the same bytes and syncs lines and a journal as often; dd syncs the lines alone.
bench_log() {
    local run log=$DIR/log batch=16777216
    ${CC:-cc} -O2 -D_GNU_SOURCE -o "$DIR/bin/store" tests/bench/store.c || die "no compiler"
    for ((run = 1; run <= RUNS; run++)); do
        say "append, run $run of $RUNS"
        rm -rf "$log" "$DIR/stored"
        mkdir "$DIR/stored"
        INPUT=$DIR/stream timed "$DIR/append.store" "$DIR/bin/store" "$DIR/stored" $batch
        rm -rf "$DIR/stored"
        INPUT=$DIR/stream timed "$DIR/append.dd" dd "of=$DIR/stored" bs=$batch iflag=fullblock oflag=dsync status=none
        INPUT=$DIR/stream timed "$DIR/append.default" cdc-log append -q "$log"
        rm -rf "$log" "$DIR/stored"
        INPUT=$DIR/stream timed "$DIR/append.ours" cdc-log append -q --segment-bytes 64M --compress none "$log"
        INPUT=$DIR/stream timed "$DIR/append.sha256" openssl dgst -sha256
    done
    # The same lines in both forms, the last segment apart: read through pipes, and compared.
    rm -rf "$log.packed"
    cdc-log append -q --segment-bytes 64M "$log.packed" <"$DIR/stream" 2>>"$DIR/err" || die "append failed"
    for ((run = 1; run <= RUNS; run++)); do
        say "reading a log, run $run of $RUNS"
        timed "$DIR/read.cat" cat "$log"/*.ndjson
        timed "$DIR/read.ours" cdc-log read -q "$log"
        cmp -s "$DIR/output" "$DIR/stream" || die "what was read is not what was appended"
        timed "$DIR/read.zstdcat" bash -c 'zstdcat "$1"/0*.zst && exec cat "$1"/*.ndjson' - "$log.packed"
        timed "$DIR/read.packed" cdc-log read -q "$log.packed"
        cmp -s "$DIR/output" "$DIR/stream" || die "what was read is not what was appended"
    done
    result "log-append: wall s, peer cat with the same fsyncs" "$(column "$DIR/append.ours" 1)" "$(column "$DIR/append.store" 1)" most 1.3
    result "log-append: wall s, peer dd oflag=dsync" "$(column "$DIR/append.ours" 1)" "$(column "$DIR/append.dd" 1)" none -
    result "log-append, compressed as well: wall s, peer cat" "$(column "$DIR/append.default" 1)" "$(column "$DIR/append.store" 1)" none -
    result "log-append: CPU s, peer openssl dgst -sha256" "$(column "$DIR/append.ours" 2)" "$(column "$DIR/append.sha256" 2)" none -
    result "log-append: peak RSS KiB" "$(column "$DIR/append.ours" 3)" - limit 65536
    result "log-read: wall s, peer cat" "$(column "$DIR/read.ours" 1)" "$(column "$DIR/read.cat" 1)" most 1.5
    result "log-read: CPU s, peer cat" "$(column "$DIR/read.ours" 2)" "$(column "$DIR/read.cat" 2)" none -
    result "log-read, sealed: wall s, peer zstdcat" "$(column "$DIR/read.packed" 1)" "$(column "$DIR/read.zstdcat" 1)" most 1.5
    result "log-read, sealed: CPU s, peer zstdcat" "$(column "$DIR/read.packed" 2)" "$(column "$DIR/read.zstdcat" 2)" none -
    result "log-read: peak RSS KiB" "$(column "$DIR/read.packed" 3)" - limit 65536
    rm -rf "$log" "$log.packed"
}
