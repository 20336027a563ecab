# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by tests/bench/run: a log is compacted, beside sort -u of the same lines by key: with the memory that sort takes by itself, which is
# more than all lines where there is so much, and with the same memory. The result is the same number of rows.
LOG_ROWS=${CDC_BENCH_LOG_ROWS:-10000000}

# Updates of a tenth as many rows, in transactions of a thousand.
log_updates() {
    awk -v n="$LOG_ROWS" 'BEGIN {
        srand(7)
        for (i = 1; i <= n; i++) {
            key = int(rand() * n / 10) + 1
            if (i % 1000 == 1) seq++
            printf "{\"op\":\"u\",\"pos\":\"%016X.%010X.1\",\"seq\":%d,\"ts_ms\":1795253327123,\"source\":{\"connector\":\"postgresql\",\"name\":\"shop\",\"db\":\"shop\",\"schema\":\"public\",\"table\":\"items\",\"ts_ms\":1795253327120,\"txId\":745,\"lsn\":%d,\"snapshot\":\"false\"},\"key\":{\"id\":%d},\"before\":null,\"after\":{\"id\":%d,\"name\":\"item number %d\",\"price\":\"%d.%02d\",\"stock\":%d,\"active\":true,\"at\":\"2026-11-21T09:28:42.834232Z\"}}\n", seq, i, seq, seq, key, key, key, i % 1000, i % 100, i % 977
            if (i % 1000 == 0 || i == n) printf "{\"op\":\"commit\",\"pos\":\"%016X.FFFFFFFFFF.1\",\"seq\":%d,\"source\":{\"connector\":\"postgresql\",\"name\":\"shop\",\"db\":\"shop\",\"system_id\":\"1\"},\"events\":1000}\n", seq, seq
        }
    }'
}

say "writing a log of $LOG_ROWS changes"
log_updates >"$DIR/updates"
cdc-log append -q "$DIR/updates.log" <"$DIR/updates" 2>>"$DIR/err" || die "append failed"
for ((run = 1; run <= RUNS; run++)); do
    say "compaction, run $run of $RUNS"
    rm -f "$DIR/updates.log"/base-*
    timed "$DIR/compact.ours" cdc-log compact -q --memory 256M "$DIR/updates.log"
    OUTPUT=$DIR/sorted timed "$DIR/compact.small" env LC_ALL=C sort -S 256M -T "$DIR" -u -t '{' -k 4,4 "$DIR/updates"
    OUTPUT=$DIR/sorted timed "$DIR/compact.sort" env LC_ALL=C sort -T "$DIR" -u -t '{' -k 4,4 "$DIR/updates"
    is "rows of the base and of sort -u" "$(grep -c '"op":"u"' "$DIR/sorted")" "$(zstdcat "$DIR/updates.log"/base-*.zst | grep -c '"op":"r"')" || die "they do not do the same"
    rm -f "$DIR/sorted"
done
result "compaction of $LOG_ROWS changes: wall s, peer sort -u" "$(column "$DIR/compact.ours" 1)" "$(column "$DIR/compact.sort" 1)" faster 5
result "compaction: wall s, peer sort -u with the same memory" "$(column "$DIR/compact.ours" 1)" "$(column "$DIR/compact.small" 1)" none -
result "compaction: CPU s, peer sort -u" "$(column "$DIR/compact.ours" 2)" "$(column "$DIR/compact.sort" 2)" none -
result "compaction: RSS KiB, peer sort -u" "$(column "$DIR/compact.ours" 3)" "$(column "$DIR/compact.sort" 3)" none -
result "compaction: peak RSS KiB, --memory 256M" "$(column "$DIR/compact.ours" 3)" - limit 327680
rm -rf "$DIR/updates" "$DIR/updates.log"
