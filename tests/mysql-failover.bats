#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A replica takes the place of the server while sinks are not all at the same position, or in the middle of a transaction:
# no sink misses a transaction, none has one twice, and each has the number that it had.
# takes: 25 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() { mysql_available || skip "no $CDC_MYSQL_FLAVOR here"; }
# A pair of servers of its own for each test: a failover cannot be taken back.
setup() {
    MAIN=main REPLICA=replica
    MYSQL_DATABASE='' mysql_start "$MAIN"
    MYSQL_DATABASE='' mysql_start "$REPLICA"
    MYSQL_SERVER=$MAIN
    mysql_test_setup
    msql "create table keyed (id int primary key, v varchar(100), w varchar(100)); create table heap (a int, b varchar(100)); create table marker (n int primary key)"
}
teardown() {
    end_spawned
    mysql_end
}

# change FROM TO: a transaction for each number; rows without a key, rows that move to another key, rows in their old place.
change() {
    local i
    for ((i = $1; i <= $2; i++)); do
        echo "begin; insert into heap values ($i, 'row $i'); insert into keyed values ($i, 'value $i', 'old');
              update keyed set id = id + 100000 where id = $i - 1; insert into heap values ($i % 3, 'again'); commit;"
        echo "insert into keyed values ($i - 1, 'in the old place', 'new');"
    done | msql
}
replicated() { [ "$(MYSQL_SERVER=$REPLICA msql -N 'select max(n) from marker' 2>/dev/null)" = "$1" ]; }
replicate() { mysql_replicate "$REPLICA" "$MAIN"; }
marked() {
    MARK=$((${MARK:-0} + 1))
    msql "insert into marker values ($MARK)"
    wait_until -t 120 replicated $MARK || { MYSQL_SERVER=$REPLICA msql 'show slave status\G' | grep -E 'Running|Error'; return 1; }
}
# The replica takes over; the old server is gone.
take_over() {
    mysql_kill "$MAIN"
    MYSQL_SERVER=$REPLICA
    mysql_promote "$REPLICA"
    URL=$(mysql_url)
}
# What the pipeline writes to $1, with the two sinks' files as acknowledgements.
read_to() {
    local to=$1
    shift
    t mysql-binlog --name "$NAME" -t "$NAME.*" --heartbeat 0 --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" --until now "$@" "$URL" >"$to" 2>>"$DIR/err" || { cat "$DIR/err"; return 1; }
}
begin_both() {
    read_to "$DIR/begin" --start now
    for sink in ahead behind; do to $sink <"$DIR/begin"; done
    change 1 3
    read_to "$DIR/first"
    for sink in ahead behind; do to $sink <"$DIR/first"; done
}
# to SINK: it stores what comes, and keeps its position.
to() { t cdc-sink-sqlite --offset-file "$DIR/$1" "$DIR/$1.db" 2>>"$DIR/err"; }
# The first N transactions of the lines.
transactions() { awk -v n="$1" '{ print } /^\{"op":"commit"/ && ++seen == n { exit }'; }
position() { jq -r ".offsets[\"$NAME\"].pos" "$DIR/$1"; }
same_as_source() {
    local table sink
    for table in "keyed" "heap"; do
        msql -N "select * from $table" | LC_ALL=C sort >"$DIR/source"
        for sink in "$@"; do
            sqlite3 -separator $'\t' "$DIR/$sink.db" "select * from $table" | LC_ALL=C sort | diff "$DIR/source" - >"$DIR/differences" ||
                { head "$DIR/differences"; fail "$table of the sink that was $sink differs"; }
        done
    done
}
# What a line says, but for where and when a server logged it.
said() { jq -c 'del(.source, .ts_ms)' "$@"; }
# Lines of both files that have the same pos are the same; and there are at least $3 of them.
agree() {
    said "$1" | jq -r '"\(.pos)\t\(.)"' | LC_ALL=C sort >"$DIR/one"
    said "$2" | jq -r '"\(.pos)\t\(.)"' | LC_ALL=C sort >"$DIR/other"
    LC_ALL=C join -t "$(printf '\t')" "$DIR/one" "$DIR/other" >"$DIR/joined"
    is "lines that are the same in both" "$(wc -l <"$DIR/joined")" "$(awk -F'\t' '$2 == $3' "$DIR/joined" | wc -l)"
    [ "$(wc -l <"$DIR/joined")" -ge "$3" ] || fail "only $(wc -l <"$DIR/joined") lines of $1 and $2 have the same pos"
}
image() { MYSQL_DATABASE='' msql "set global binlog_row_image = $1"; MYSQL_SERVER=$REPLICA MYSQL_DATABASE='' msql "set global binlog_row_image = $1"; }

@test "sinks at different positions: behind the failover each has every transaction once, and each line is the one it was" {
    image MINIMAL
    replicate
    begin_both
    change 4 20
    read_to "$DIR/second"
    to ahead <"$DIR/second"
    transactions 7 <"$DIR/second" | to behind
    change 21 25
    marked
    take_over
    change 26 30
    read_to "$DIR/third"
    says "goes on at another server"
    not grep -q "another order" "$DIR/err"
    ordered "$DIR/third"
    agree "$DIR/second" "$DIR/third" 80
    # Cut off, and read again at the new server: from before the place where the numbers step, and from behind it.
    transactions 6 <"$DIR/third" | to behind
    transactions 45 <"$DIR/third" | to ahead
    read_to "$DIR/fourth"
    ordered "$DIR/fourth"
    agree "$DIR/third" "$DIR/fourth" 100
    to ahead <"$DIR/fourth"
    transactions 30 <"$DIR/fourth" | to behind
    read_to "$DIR/fifth"
    agree "$DIR/fourth" "$DIR/fifth" 20
    for sink in ahead behind; do to $sink <"$DIR/fifth"; done
    same_as_source ahead behind
    is "position" "$(position ahead)" "$(position behind)"
    # Passed by all, the step is no longer told.
    change 31 32
    read_to "$DIR/sixth"
    is "steps" null "$(jq -c 'select(.op == "commit") | .source.renumbered' "$DIR/sixth" | sort -u)"
    for sink in ahead behind; do to $sink <"$DIR/sixth"; done
    same_as_source ahead behind
}

# sql_thread start|stop: the replica applies what it has taken, or does not.
sql_thread() {
    local MYSQL_SERVER=$REPLICA MYSQL_DATABASE=''
    if ! mysql_is_mariadb && mysql_since 80022; then msql "$1 replica sql_thread"; else msql "$1 slave sql_thread"; fi
}
@test "a replica that has not applied yet what was read: tried again, 69; it is 79 only where nothing comes any more" {
    mysql_is_mariadb && MYSQL_SERVER=$REPLICA MYSQL_DATABASE='' msql "set sql_log_bin = 0; grant slave monitor on *.* to cdc@'%'"
    replicate
    begin_both
    marked
    sql_thread stop
    change 4 5
    read_to "$DIR/second"
    to ahead <"$DIR/second"
    transactions 3 <"$DIR/second" | to behind
    URL=$(mysql_url "$REPLICA")
    exits 69 binlog --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" --retry-max 1 --until now
    says "a replica that has not yet what was read at .*: it has taken that, and not applied it"
    # One sink has what is there, another one more.
    sql_thread start
    marked
    sql_thread stop
    URL=$(mysql_url)
    change 6 7
    read_to "$DIR/third"
    to ahead <"$DIR/third"
    URL=$(mysql_url "$REPLICA")
    exits 69 binlog --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" --retry-max 1 --until now
    says "a replica that has not yet"
    sql_thread start
    marked
    read_to "$DIR/fourth"
    for sink in ahead behind; do to $sink <"$DIR/fourth"; done
    same_as_source ahead behind
    # It copies no more.
    mysql_promote "$REPLICA"
    change 8 9
    URL=$(mysql_url)
    read_to "$DIR/fifth"
    for sink in ahead behind; do to $sink <"$DIR/fifth"; done
    URL=$(mysql_url "$REPLICA")
    exits 79 binlog --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" --retry-max 1 --until now
}

io_thread() {
    local MYSQL_SERVER=$REPLICA MYSQL_DATABASE=''
    if ! mysql_is_mariadb && mysql_since 80022; then msql "$1 replica io_thread"; else msql "$1 slave io_thread"; fi
}
# A library for LD_PRELOAD, $DIR/fast.so: time passes ten times as fast.
fast_clock() {
    cat >"$DIR/fast.c" <<'C'
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC) {
        long long ns = (now->tv_sec * 1000000000LL + now->tv_nsec) * 10;
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return (int)result;
}
C
    cc -shared -fPIC -o "$DIR/fast.so" "$DIR/fast.c"
}
# The start is there, what the sink that is ahead has is not, and the replica goes on asking a server that is gone.
@test "what one of two sinks has stored never comes to a replica that still asks for it: 69 for a minute, then 79" {
    mysql_is_mariadb && MYSQL_SERVER=$REPLICA MYSQL_DATABASE='' msql "set sql_log_bin = 0; grant slave monitor on *.* to cdc@'%'"
    replicate
    begin_both
    marked
    io_thread stop
    change 4 5
    read_to "$DIR/second"
    to ahead <"$DIR/second"
    transactions 1 <"$DIR/second" | to behind
    URL=$(mysql_url "$REPLICA")
    mysql_kill "$MAIN"
    io_thread start
    exits 69 binlog --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" --retry-max 1 --until now
    says "it may still come"
    fast_clock
    exits 79 env LD_PRELOAD="$DIR/fast.so" timeout 60 mysql-binlog --name "$NAME" --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" --until now "$URL" 2>"$DIR/err"
    says "may still come; trying again"
    says "a sink has stored transactions that this server does not have"
}

# bats test_tags=only:mysql
@test "a further attempt of a snapshot at a replica that has not got so far yet: tried again, 69; and then the rows come" {
    snap() { t cdc-snapshot --name "$NAME" -t "$NAME.keyed" --offset-file "$DIR/rows" --ack "$DIR/copy" "$@" 2>"$DIR/err"; }
    replicate
    msql "insert into keyed values (1, 'one', '')"
    marked
    sql_thread stop
    msql "insert into keyed values (2, 'two', '')"
    to copy </dev/null || true
    snap "$URL" >"$DIR/lost"
    run -69 snap --retry-max 1 "$(mysql_url "$REPLICA")"
    says "has not yet what was read at .*: it has taken that, and not applied it"
    sql_thread start
    marked
    snap "$(mysql_url "$REPLICA")" | to copy
    is "rows" "1 2" "$(sqlite3 "$DIR/copy.db" 'select id from keyed order by id' | xargs)"
    # It copies no more.
    rm "$DIR"/rows* "$DIR"/copy*
    mysql_promote "$REPLICA"
    msql "insert into keyed values (3, 'three', '')"
    to copy </dev/null || true
    snap "$URL" >"$DIR/lost"
    run -79 snap --retry-max 1 "$(mysql_url "$REPLICA")"
}

@test "a second failover before the sinks have passed the first one" {
    replicate
    begin_both
    change 4 12
    read_to "$DIR/second"
    to ahead <"$DIR/second"
    transactions 3 <"$DIR/second" | to behind
    change 13 14
    marked
    take_over
    THIRD=third
    MYSQL_DATABASE='' mysql_start "$THIRD"
    mysql_replicate "$THIRD" "$REPLICA"
    change 15 20
    read_to "$DIR/third"
    to ahead <"$DIR/third"
    transactions 2 <"$DIR/third" | to behind
    change 21 22
    REPLICA=$THIRD marked
    mysql_kill "$REPLICA"
    MYSQL_SERVER=$THIRD
    mysql_promote "$THIRD"
    URL=$(mysql_url)
    change 23 24
    read_to "$DIR/fourth"
    not grep -q "another order" "$DIR/err"
    ordered "$DIR/fourth"
    agree "$DIR/second" "$DIR/fourth" 20
    agree "$DIR/third" "$DIR/fourth" 40
    for sink in ahead behind; do to $sink <"$DIR/fourth"; done
    same_as_source ahead behind
}

# Both servers have the same transactions, and one has them in another order, as replication with several workers may.
# transaction SERVER N STATEMENT: the transaction with that number.
transaction() {
    if mysql_is_mariadb; then
        MYSQL_SERVER=$1 msql "set session gtid_domain_id = 77$2; set session server_id = 7; set session gtid_seq_no = 1; $3"
    else
        MYSQL_SERVER=$1 msql "set session gtid_next = 'aaaaaaaa-0000-4000-8000-00000000000$2:1'; $3"
    fi
}
@test "the other server has them in another order: it says so; no sink misses a transaction, keyed tables are the same" {
    local i
    replicate
    begin_both
    marked
    to behind <"$DIR/first"
    read_to "$DIR/second"
    for sink in ahead behind; do to $sink <"$DIR/second"; done
    mysql_promote "$REPLICA"
    for i in 1 2 3 4; do transaction "$MAIN" $i "insert into keyed values (100$i, 'one by one', 'x'), (2000 + $i, '', '')"; done
    for i in 4 2 1 3; do transaction "$REPLICA" $i "insert into keyed values (100$i, 'one by one', 'x'), (2000 + $i, '', '')"; done
    read_to "$DIR/third"
    transactions 3 <"$DIR/third" | to ahead
    transactions 1 <"$DIR/third" | to behind
    take_over
    change 26 30
    read_to "$DIR/fourth"
    says "in another order"
    for sink in ahead behind; do to $sink <"$DIR/fourth"; done
    same_as_source ahead behind
}

# An index keeps the document with the highest number.
@test "the clock was set back since the first start: numbers that were sent, and not stored, are not given again" {
    local before after
    replicate
    clock 7200 begin_both
    marked
    mysql_promote "$REPLICA"
    change 4 9
    clock 7200 read_to "$DIR/second"
    before=$(jq -s 'map(.seq) | max' "$DIR/second")
    take_over
    change 26 27
    read_to "$DIR/third"
    after=$(jq -s 'map(select(.op == "c").seq) | min' "$DIR/third")
    [ "$after" -gt "$before" ] || fail "$after comes after $before"
}

@test "a sink has stored what the other server does not have: exit 79" {
    local status=0
    replicate
    begin_both
    marked
    mysql_promote "$REPLICA"
    change 4 9
    read_to "$DIR/second"
    to ahead <"$DIR/second"
    transactions 1 <"$DIR/second" | to behind
    take_over
    change 26 60
    read_to "$DIR/third" >/dev/null || status=$?
    exits 79 t mysql-binlog --name "$NAME" --offset-file "$DIR/p" --ack "$DIR/ahead" --ack "$DIR/behind" --until now "$URL" 2>"$DIR/err"
    is "lines" 0 "$(wc -l <"$DIR/third")"
}

@test "within a transaction that is written in part: that part is dropped, and the transaction comes whole" {
    local status=0
    replicate
    begin_both
    ln -s "$(mysql_dir "$MAIN")/socket" "$DIR/socket"
    URL="mysql://cdc:$MYSQL_PASSWORD@localhost/?socket=$DIR/socket"
    mkfifo "$DIR/pipe"
    msql "insert into heap select n, repeat('x', 90) from $(numbers 1 200000)"
    marked
    spawn_line "exec mysql-binlog --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --ack '$DIR/ahead' --heartbeat 0 '$URL' >'$DIR/pipe' 2>'$DIR/err'"
    reader=$SPAWNED
    # The sink takes a part of it; then the server is another one.
    exec 9<"$DIR/pipe"
    head -c 3000000 <&9 >"$DIR/part"
    ln -sfn "$(mysql_dir "$REPLICA")/socket" "$DIR/socket"
    take_over
    cat <&9 >"$DIR/rest" &
    cat_pid=$!
    exec 9<&-
    status_of "$reader" 60 || status=$?
    wait "$cat_pid"
    is "exit status" 74 "$status" || { cat "$DIR/err"; return 1; }
    says "to be started again"
    cat "$DIR/part" "$DIR/rest" | to ahead || true
    change 26 27
    URL=$(mysql_url)
    read_to "$DIR/again"
    for sink in ahead behind; do to $sink <"$DIR/again"; done
    same_as_source ahead behind
}

@test "a prepared XA transaction whose outcome was read, and not stored, before the failover: it comes, once" {
    replicate
    begin_both
    msql "xa start 'early'; insert into heap values (7, 'prepared before the position'); xa end 'early'; xa prepare 'early'"
    change 4 5
    read_to "$DIR/second"
    for sink in ahead behind; do to $sink <"$DIR/second"; done
    wait_until committed early
    msql "xa start 'late'; insert into heap values (8, 'prepared behind it'); xa end 'late'; xa prepare 'late'"
    wait_until committed late
    read_to "$DIR/third"
    is "rows" "7 8" "$(jq -r 'select(.op == "c") | .after.a' "$DIR/third" | xargs)"
    marked
    take_over
    change 26 28
    read_to "$DIR/fourth"
    transactions 1 <"$DIR/fourth" | to ahead
    read_to "$DIR/fifth"
    for sink in ahead behind; do to $sink <"$DIR/fifth"; done
    same_as_source ahead behind
    read_to "$DIR/none"
    is "kept" 0 "$(find "$DIR/p.xa" -type f | wc -l)"
}
committed() { msql "xa commit '$1'" 2>/dev/null; }

# Connections through $BALANCED go to the first server, and to the other one when so many were made: turn NAME NUMBER
balance() {
    turn none 0
    spawn python3 "$LIB/tcp-balance.py" "$DIR/port" "$DIR/turn" "$(cat "$(mysql_dir "$MAIN")/port")" "$(cat "$(mysql_dir "$REPLICA")/port")"
    wait_until [ -s "$DIR/port" ]
    BALANCED="mysql://cdc:$MYSQL_PASSWORD@127.0.0.1:$(cat "$DIR/port")/"
}
turn() { echo "$1 $2" >"$DIR/turn.tmp" && mv "$DIR/turn.tmp" "$DIR/turn"; }

@test "connections that a balancer spreads over two servers: the log of one is not read by what the other one says" {
    local n
    replicate
    balance
    t mysql-binlog --name "$NAME" -t "$NAME.*" --heartbeat 0 --offset-file "$DIR/p" --start now --until now "$URL" >"$DIR/out" 2>"$DIR/err"
    : >"$DIR/out"
    for n in 1 2 3 4 5 6 7 8 9 10; do
        msql "insert into heap values ($n, 'row $n')"
        marked
        turn "$n" "$n"
        URL=$BALANCED exits 0 binlog --offset-file "$DIR/p" --until now
    done
    is "rows" "$(echo {1..10})" "$(jq -r 'select(.source.table == "heap" and .op == "c") | .after.a' "$DIR/out" | xargs)"
    is "and those of the other table" "$(echo {1..10})" "$(jq -r 'select(.source.table == "marker" and .op == "c") | .after.n' "$DIR/out" | xargs)"
    ordered "$DIR/out"
}

@test "connections that a balancer spreads over two servers: a snapshot of both is none, and one of either is whole" {
    local n status finished=0
    replicate
    marked
    MYSQL_SERVER=$REPLICA MYSQL_DATABASE='' msql "$(if ! mysql_is_mariadb && mysql_since 80022; then echo stop replica; else echo stop slave; fi)"
    msql "insert into keyed values (1, 'not yet at the replica', '')"
    balance
    for n in 0 1 2 3 4 5 6 7 8 9 10 11 12; do
        rm -f "$DIR"/s.*
        turn "$n" "$n"
        status=0
        t cdc-snapshot --name "$NAME" -t "$NAME.*" -j 2 --offset-file "$DIR/s.offset" "$BALANCED" >"$DIR/s.out" 2>"$DIR/err" || status=$?
        [ "$status" = 0 ] || { is "exit status" 69 "$status" && says 'another server answers than a moment ago' && continue; }
        finished=$((finished + 1))
        t cdc-sink-sqlite --offset-file "$DIR/s.sink" "$DIR/s.db" <"$DIR/s.out" 2>>"$DIR/err"
        t mysql-binlog --name "$NAME" -t "$NAME.*" --heartbeat 0 --offset-file "$DIR/s.log" --ack "$DIR/s.sink" --until now "$URL" 2>>"$DIR/err" |
            t cdc-sink-sqlite --offset-file "$DIR/s.sink" "$DIR/s.db" 2>>"$DIR/err" || { cat "$DIR/err"; return 1; }
        is "rows of the copy, $n connections" "1" "$(sqlite3 "$DIR/s.db" 'select id from keyed')"
    done
    [ "$finished" -ge 2 ]
}

# galera FOLDER NODE PORT CLUSTER OPTION...: the options of a node of a Galera cluster, which is reached at that port.
galera() {
    local provider=$1 node=$2 port=$3 cluster=$4
    shift 4
    printf '%s\n' --wsrep-on=ON --wsrep-provider="$provider" --wsrep-cluster-name="$NAME" --wsrep-node-name="$node" \
        --wsrep-node-address="127.0.0.1:$port" --wsrep-cluster-address="gcomm://$cluster" --innodb-autoinc-lock-mode=2 --wsrep-sst-method=rsync \
        --wsrep-provider-options="base_port=$port;gmcast.listen_addr=tcp://127.0.0.1:$port;ist.recv_addr=127.0.0.1:$((port + 1))" "$@"
}
node_is_ready() { [ "$(MYSQL_SERVER=$1 MYSQL_DATABASE='' msql -N "show status like 'wsrep_ready'" 2>/dev/null | cut -f2)" = ON ]; }
# A cluster of nodes one and two, with the same rows; OPTION...: of both.
galera_start() {
    local provider=/usr/lib/galera/libgalera_smm.so port dir options MYSQL_DATABASE=''
    port=$(mysql_free_port)
    mapfile -t options < <(galera "$provider" one "$port" "" "$@")
    mysql_start one "${options[@]}" --wsrep-new-cluster
    MYSQL_SERVER=one msql "create database $NAME; create table $NAME.t (id int primary key)"
    mysql_stop one
    dir=$(mysql_dir two)
    mkdir "$dir"
    cp -a "$(mysql_dir one)/." "$dir"
    rm -f "$dir"/data/binlog.* "$dir/data/gvwstate.dat" "$dir/socket"
    mysql_free_port >"$dir/port"
    mysql_options "$dir" >"$dir/options"
    galera "$provider" two "$(mysql_free_port)" "127.0.0.1:$port" "$@" >>"$dir/options"
    sed -i 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' "$(mysql_dir one)/data/grastate.dat"
    mysql_up one
    mysql_up two
    wait_until node_is_ready one
    wait_until node_is_ready two
}
# Rows that both nodes write, and have.
galera_insert() {
    local MYSQL_SERVER id
    for id; do
        MYSQL_SERVER=one msql "insert into t values ($id)"
        MYSQL_SERVER=two msql "insert into t values ($((id + 100)))"
    done
    MYSQL_SERVER=one wait_until galera_has "$((id + 100))"
}
galera_has() { [ "$(msql -N "select count(*) from t where id = $1")" = 1 ]; }

# bats test_tags=only:mariadb-server
@test "Galera where each node has GTIDs of its own: another node is exit 79, not a gap; --check says so" {
    galera_start
    MYSQL_SERVER=one
    URL=$(mysql_url one)
    begin
    galera_insert 1 2 3
    read_all
    is "rows" "1 101 2 102 3 103" "$(ids)"
    galera_insert 4 5 6
    URL=$(mysql_url two)
    : >"$DIR/out"
    exits 79 binlog --offset-file "$DIR/p" --until now
    says 'wsrep_gtid_mode'
    is "lines" 0 "$(wc -l <"$DIR/out")"
    binlog --check || cat "$DIR/err"
    says 'warning: wsrep_gtid_mode is OFF'
    URL=$(mysql_url one)
    read_all
    is "rows" "4 104 5 105 6 106" "$(ids)"
}

# bats test_tags=only:mariadb-server
@test "Galera with wsrep_gtid_mode: it goes on at another node, also of the same server_id" {
    galera_start --wsrep-gtid-mode=ON --wsrep-gtid-domain-id=7 --server-id=5
    MYSQL_SERVER=one
    URL=$(mysql_url one)
    begin
    galera_insert 1 2 3
    read_all
    is "rows" "1 101 2 102 3 103" "$(ids)"
    galera_insert 4 5 6
    URL=$(mysql_url two)
    binlog --check
    not grep -q 'wsrep' "$DIR/err"
    read_all
    says "goes on at another server"
    is "rows" "4 104 5 105 6 106" "$(ids)"
}
