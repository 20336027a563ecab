# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2119
# The part of the bench that reads a binary log: of a MariaDB of its own.
# shellcheck source=tests/lib/mysql.bash
. tests/lib/mysql.bash

read -ra my <<<"$(pkg-config --cflags --libs libmariadb)"
${CC:-cc} -O2 -D_GNU_SOURCE -I. -o "$DIR/bin/latency-mysql" tests/bench/latency-mysql.c "${my[@]}" || die "no libmariadb"
mysql_start || die "MariaDB did not start"
MYSQL_URL=$(mysql_url)bench
MYSQL_DATA=$(mysql_dir)/data

say "writing a log of $ROWS rows"
msql "create database bench; create table bench.items (id bigint primary key, name varchar(40), price decimal(12,2), stock int, changed timestamp, note varchar(80));
      create table bench.ticks (a bigint auto_increment primary key, b text)"
for ((first = 1; first <= ROWS; first += 1000)); do
    echo "insert into bench.items select seq, concat('item number ', seq), (seq % 100000) / 100, seq % 1000, now(), repeat('x', 60) from seq_${first}_to_$((first + 999 < ROWS ? first + 999 : ROWS));"
done >"$DIR/fill.sql"
MYSQL_DATABASE=bench msql <"$DIR/fill.sql" >/dev/null || die "the log was not written"
msql "flush binary logs; set global max_binlog_size = 1073741824"
LOG=$MYSQL_DATA/binlog.000001

file_ours() { OUTPUT="|/dev/null" timed "$DIR/file.ours" mysql-binlog -q -t bench.items --file "$LOG"; }
file_peer() { OUTPUT="|/dev/null" timed "$DIR/file.peer" mariadb-binlog --no-defaults --base64-output=DECODE-ROWS -vv "$LOG"; }
live() { mysql-binlog -q -t bench.items --start=binlog.000001:4 --until=binlog.000002:4 --ack stdout "$MYSQL_URL"; }
live_ours() { OUTPUT="${2:-|/dev/null}" timed "$DIR/live.${1:-ours}" mysql-binlog -q -t bench.items --start=binlog.000001:4 --until=binlog.000002:4 --ack stdout "$MYSQL_URL"; }
is "rows" "$ROWS" "$(live 2>>"$DIR/err" | grep -c '"op":"c"')" || die "rows are missing"
live_peer() {
    rm -f "$DIR"/raw*
    timed "$DIR/live.peer" mariadb-binlog --no-defaults --read-from-remote-server --raw --result-file="$DIR/raw" --host=127.0.0.1 --port="$(cat "$(mysql_dir)/port")" --user=cdc --password="$MYSQL_PASSWORD" binlog.000001
}
for ((run = 1; run <= RUNS; run++)); do
    say "decoding the log, run $run of $RUNS"
    file_peer
    file_ours
    live_peer
    live_ours
    live_ours pipe "|$DIR/output"
    live_ours file "$DIR/output"
done
result "binlog file: CPU s, peer mariadb-binlog -vv" "$(column "$DIR/file.ours" 2)" "$(column "$DIR/file.peer" 2)" most 0.3334
result "binlog file: wall s, peer mariadb-binlog -vv" "$(column "$DIR/file.ours" 1)" "$(column "$DIR/file.peer" 1)" none -
result "binlog live: wall s, peer mariadb-binlog --raw" "$(column "$DIR/live.ours" 1)" "$(column "$DIR/live.peer" 1)" most 4
result "binlog live: CPU s, peer mariadb-binlog --raw" "$(column "$DIR/live.ours" 2)" "$(column "$DIR/live.peer" 2)" none -
result "binlog live: wall s through a pipe, peer into a file" "$(column "$DIR/live.pipe" 1)" "$(column "$DIR/live.file" 1)" most 1.5
result "mysql-binlog: peak RSS KiB" "$(column "$DIR/live.ours" 3)" - limit 32768

for ((run = 1; run <= RUNS; run++)); do
    say "latency of the binlog, run $run of $RUNS"
    # From here on, not from a "now" that may come after the first row.
    place=$(msql -N 'show master status' | cut -f 1,2 | tr '\t' :)
    "$DIR/bin/latency-mysql" "$(mysql_dir)/socket" bench ticks "$LATENCY_ROWS" mysql-binlog -q -t bench.ticks --start="$place" --ack stdout "$MYSQL_URL" 2>>"$DIR/err" >"$DIR/ticks" || die "latency of mysql-binlog"
    medians <"$DIR/ticks" >>"$DIR/latency.mysql"
    sort -n "$DIR/ticks" | awk '{v[NR] = $1} END {print v[int(NR * 0.99)]}' >>"$DIR/latency.mysql.99"
done
result "binlog latency from COMMIT's return: us, median" "$(column "$DIR/latency.mysql" 1)" - limit 500
result "binlog latency from COMMIT's return: us, 99th percentile" "$(column "$DIR/latency.mysql.99" 1)" - none -
mysql_end
