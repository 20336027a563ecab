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

many_mysql() {
    local n=$1 half=$2 from
    msql "create database many_$n"
    from=$(msql -N 'show master status' | cut -f 1,2 | tr '\t' :)
    seq "$n" | awk '{print "create table t" $1 " (id int primary key, v text); insert into t" $1 " values (1, 2);"}' | MYSQL_DATABASE=many_$n msql
    timed "$DIR/many_log.$half" mysql-binlog -q --name many -t "many_$n.*" --start="$from" --until=now --ack stdout "$MYSQL_URL"
    is "changes" "$n" "$(grep -c '"op":"c"' "$DIR/output")" || die "changes are missing"
    timed "$DIR/many_rows.$half" cdc-snapshot -q --name "many_$n" -t "many_$n.*" --offset-file "$DIR/many.mysql.$n" "$MYSQL_URL"
    is "rows" "$n" "$(grep -c '"op":"r"' "$DIR/output")" || die "rows are missing"
    timed "$DIR/many_mysql_check.$half" mysql-binlog --check -t "many_$n.*" "$MYSQL_URL"
}
say "$MANY tables in MariaDB"
many_mysql $((MANY / 2)) half
many_mysql "$MANY" whole
many_results "mysql-binlog, a change each" many_log
many_results "MariaDB: cdc-snapshot, a row each" many_rows
many_results "mysql-binlog --check" many_mysql_check

${CC:-cc} -O2 -D_GNU_SOURCE -I. -o "$DIR/bin/paced-mysql" tests/bench/paced-mysql.c "${my[@]}" || die "no libmariadb"
msql "create table bench.paced (id bigint auto_increment primary key, at bigint, b text)"
for rate in 1000 20; do
    say "MariaDB, $rate commits a second for ten seconds"
    paced paced.my.$rate mysql-binlog "$MYSQL_URL" "$DIR/bin/paced-mysql" "$(mysql_dir)/socket" bench $rate 12
    msql "truncate bench.paced"
done
paced_results paced.my.1000 "MariaDB, 1,000 commits/s"
paced_results paced.my.20 "MariaDB, 20 commits/s"
mysql_end
