# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The crash test of MySQL and MariaDB: traffic, kills, and the comparison afterwards.

CRASH_ROWS=${CDC_CRASH_ROWS:-8000}
CRASH_KILLS=${CDC_CRASH_KILLS:-6} # of each process of each line
CRASH_SEED=${CDC_CRASH_SEED:-4711}
SHARED_ROWS=$((CRASH_ROWS / 8 > 1000 ? CRASH_ROWS / 8 : 1000))
TRAFFIC_MS=${CDC_TRAFFIC_MS:-35000}

crash_tables() {
    msql "create table accounts (id bigint primary key, owner varchar(100) not null, balance decimal(14,2) not null, flag tinyint(1), note text, big mediumtext, changed timestamp(6) not null default current_timestamp(6));
          create table history (id bigint auto_increment primary key, account bigint not null, delta int not null, at datetime(6) not null default current_timestamp(6));
          create table branches (code varchar(20) primary key, total bigint not null);
          create table moving (id bigint primary key, v varchar(100), w int);
          create table marker (id int primary key, n int);
          create table parts (id int primary key, v varchar(50)) partition by range (id) (partition p0 values less than (1000), partition pm values less than maxvalue);
          create table hashed (id int primary key, v varchar(50)) partition by hash (id) partitions 2;
          insert into parts select n, 'first' from $(numbers 1 1500);
          insert into hashed select n, 'first' from $(numbers 1 300);
          insert into marker values (1, 0);
          insert into accounts (id, owner, balance, flag, big) select n, concat('owner ', n), n * 1.01, n % 2, if(n % 4 = 0, repeat(sha2(n, 256), 60), null) from $(numbers 1 "$SHARED_ROWS");
          insert into accounts (id, owner, balance, note) select 1000000 + n, concat('cold ', n), n, concat('note ', n) from $(numbers 1 "$COLD_ROWS");
          insert into history (account, delta) select n, n from $(numbers 1 1000);
          insert into branches select concat(n, '-0'), n from $(numbers 1 4);
          insert into moving select n, 'first', n from $(numbers 1 100)"
}
# traffic_start [FIRST]: four clients, spread over TRAFFIC_MS. Each runs its statements in pieces, so that a server that goes away
# takes no more than one of them with it. FIRST: their numbers begin behind that.
traffic_start() {
    local client first=${1:-0} per_client=$((CRASH_ROWS / 4))
    cat >"$DIR/client.sh" <<'END'
for piece in "$1".*; do
    until mariadb "${@:2}" -e 'select 1' >/dev/null 2>&1; do sleep 0.1; done
    mariadb "${@:2}" --force <"$piece" >/dev/null
done
END
    TRAFFIC=()
    for client in 1 2 3 4; do
        awk -v client=$((first + client)) -v n=$per_client -v seed="$CRASH_SEED" -v shared="$SHARED_ROWS" -v cold="$COLD_ROWS" -v pause_ms=$((TRAFFIC_MS / per_client)) -f "$LIB/mysql-traffic.awk" |
            split -l 100 -a 4 - "$DIR/traffic$first$client."
        spawn bash "$DIR/client.sh" "$DIR/traffic$first$client" --no-defaults --default-character-set=utf8mb4 --connect-timeout=5 --socket="$(mysql_dir)/socket" --user=root "$NAME" 2>>"$DIR/errors.$first$client"
        TRAFFIC+=("$SPAWNED")
    done
}
traffic_done() {
    local pid
    for pid in "${TRAFFIC[@]}"; do gone "$pid" || return 1; done
}
# One at a time, and not while the server is restarted (which takes the lock).
ddl() { (flock 9; msql "$1" 9>&-) 9>>"$DIR/server.lock"; }
restart_between() { (flock 9; MYSQL_DATABASE='' mysql_restart 9>&-) 9>>"$DIR/server.lock"; }
# DDL between the traffic. What a statement does to rows that are there is not in the log: an update of all of them is, and of
# a partition that goes its rows go before: so the source may go on where one
# is renamed or dropped.
ddl_traffic() {
    local i copied
    for ((i = 1; i <= ${1:-3}; i++)); do
        ddl "alter table moving add column extra_$i int, add index (w); update moving set extra_$i = $i, w = coalesce(w, 0) + 1"
        pause_ms 300
        ddl "alter table moving rename column extra_$i to renamed_$i; update moving set w = coalesce(w, 0) + 1, renamed_$i = renamed_$i + 1"
        ddl 'flush binary logs'
        pause_ms 300
        ddl "rename table moving to moved_$i; create table moving like moved_$i; insert into moving select * from moved_$i; update moved_$i set w = coalesce(w, 0) + 1"
        pause_ms 300
        ddl "truncate moving; alter table moving drop column renamed_$i, drop index w; insert into moving (id, v, w) select id, v, $i from moved_$i; alter table branches modify total bigint unsigned not null; flush binary logs"
        ddl "create table like_$i like accounts; insert into like_$i select * from accounts where id < 50; alter table like_$i drop column big, add column later varchar(10) first; update like_$i set later = 'x'"
        copied="create table copied_$i (primary key (id)) select id, account from history where id < 30"
        # MySQL before 8.0.21 has no GTID for it.
        mysql_is_mariadb || mysql_since 80021 || copied="create table copied_$i (id int primary key, account int)"
        ddl "$copied; truncate copied_$i; insert into copied_$i values ($i, $i); drop table if exists gone; create table gone (id int primary key); insert into gone values (1); drop table gone"
        ddl "alter table parts reorganize partition pm into (partition p$i values less than ($((i + 1))000), partition pm values less than maxvalue); insert into parts select n, 'round $i' from $(numbers "$((i + 1))000" "$((i + 1))200"); update parts set v = concat('later ', v) where id >= ${i}000"
        ddl "delete from parts where id < ${i}000; alter table parts truncate partition p$((i - 1)); alter table parts drop partition p$((i - 1)); update parts set v = 'kept' where id < ${i}100"
        ddl "alter table hashed add partition partitions 2; update hashed set v = 'added $i'; alter table hashed coalesce partition 1; delete from hashed where id % 50 = $i; insert into hashed values (1000 + $i, 'new'); alter table hashed remove partitioning; alter table hashed partition by hash (id) partitions 2; update hashed set v = concat(v, '.')"
        pause_ms 300
    done
}
# full_line PIPELINE STATE-DIR SINK...: the line from NAME's server into that sink.
full_line() {
    local options="--name $1 -t '$NAME.*' --state-dir '$2' '$URL'" state=$2
    shift 2
    echo "{ cdc-snapshot --chunk-rows 500 $options && exec mysql-binlog --allow-unlogged --heartbeat 1 $options; } 2>>'$DIR/err' | cdc-filter -t '$NAME.*' 2>>'$DIR/err' | $* --state-dir '$state' 2>>'$DIR/err'"
}
sqlite_line() { full_line "$NAME" "$STATE" cdc-sink-sqlite "'$COPY'"; }
# Its own pipeline, besides the other.
search_line() { full_line "${NAME}search" "$STATE/search" cdc-sink-http --elasticsearch --index "'{schema}-{table}'" "'$OPENSEARCH_URL'"; }
copy() { sqlite3 -cmd '.timeout 30000' "$COPY" "$1"; }
# Everything that is committed now is in the copy.
marked() { [ "$(copy 'select n from marker' 2>/dev/null)" = "$1" ]; }
marked_search() { [ "$(opensearch_rows "$NAME-marker" .n 2>/dev/null)" = "$1" ]; }
caught_up() {
    MARK=$((${MARK:-0} + 1))
    msql "update marker set n = $MARK"
    wait_until -t "${1:-60}" marked $MARK || { tail -20 "$DIR/err"; return 1; }
    [ -z "${OPENSEARCH_PID:-}" ] || wait_until -t "${1:-60}" marked_search $MARK || { tail -20 "$DIR/err"; return 1; }
}
# crash_hit GROUP VICTIM MOMENT: kills that process of a line that was started, so many milliseconds after it began.
# A snapshot may be through before its moment: then the source behind it is killed.
crash_begun() { has_member "$1" "$2" || gone "$1" || { [ "$2" = cdc-snapshot ] && has_member "$1" mysql-binlog; }; }
crash_over() { gone "$1" || has_member "$1" mysql-binlog; }
crash_hit() {
    local group=$1 victim=$2 pid
    wait_until -t 120 crash_begun "$group" "$victim"
    pause_ms "$3"
    pid=$(member "$group" "$victim")
    if [ -z "$pid" ] && [ "$victim" = cdc-snapshot ]; then
        wait_until -t 120 crash_begun "$group" mysql-binlog
        pid=$(member "$group" mysql-binlog)
    fi
    if [ -n "$pid" ]; then
        cat "/proc/$pid/comm" >>"$DIR/kills" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
    fi
    # The snapshot may have ended in that very moment: then the source behind it is the one.
    if [ "$victim" = cdc-snapshot ]; then
        wait_until -t 120 crash_over "$group"
        gone "$group" || kill -KILL "$(member "$group" mysql-binlog)" 2>/dev/null || true
    fi
}
# crash_ended GROUP VICTIM: all of the line must end.
crash_ended() {
    local status=0
    status_of "$1" || status=$?
    case $status in
    0 | 69 | 74 | 75 | 137) ;;
    124) fail "the line did not end after $2 was killed: $(pgrep -ag "$1")" ;;
    *) fail "the line ended with $status after $2 was killed: $(tail -5 "$DIR/err")" ;;
    esac
}
# crash_both VICTIM FIRST SECOND: both lines are started, and that process of each is killed; the sinks go by "sink".
crash_both() {
    local first second
    spawn_line "$(sqlite_line)" 2>/dev/null
    first=$SPAWNED
    spawn_line "$(search_line)" 2>/dev/null
    second=$SPAWNED
    crash_hit "$first" "${1/#sink/cdc-sink-sqlite}" "$2"
    crash_hit "$second" "${1/#sink/cdc-sink-http}" "$3"
    crash_ended "$first" "$1"
    crash_ended "$second" "$1"
}
crash_counts() { # what was hit, and often enough
    local victim
    echo "# killed: $(sort "$DIR/kills" | uniq -c | awk '{printf "%s%s %d times", (NR > 1 ? ", " : ""), $2, $1}')" >&3
    [ "$(grep -c cdc-snapshot "$DIR/kills")" -ge $((CRASH_KILLS < 3 ? CRASH_KILLS : 3)) ] || fail "the snapshot was too fast to be killed"
    for victim in mysql-binlog cdc-filter; do
        [ "$(grep -cx "$victim" "$DIR/kills")" -ge $((2 * CRASH_KILLS)) ] || fail "too few kills hit $victim"
    done
    for victim in cdc-sink-sqlite cdc-sink-http; do
        [ "$(grep -cx "$victim" "$DIR/kills")" -ge "$CRASH_KILLS" ] || fail "too few kills hit $victim"
    done
}
# What is in the source, and in the copies: JSON arrays, the key first.
compare_copy() {
    local table columns quoted members rows=0
    msql -N "select table_name from information_schema.tables where table_schema = '$NAME' order by 1" >"$DIR/tables"
    [ -s "$DIR/tables" ]
    while read -r table; do
        msql -N "select column_name, data_type from information_schema.columns where table_schema = '$NAME' and table_name = '$table' order by column_key = 'PRI' desc, ordinal_position" </dev/null >"$DIR/columns"
        quoted=$(awk '{ printf "%s%s", (NR > 1 ? ", " : ""), $1 }' "$DIR/columns")
        members=$(awk '{ printf "%s.%s", (NR > 1 ? ", " : ""), $1 }' "$DIR/columns")
        columns=$(awk '{ e = $1
                         if ($2 == "decimal") e = "cast(" $1 " as char)"
                         if ($2 == "timestamp") e = "concat(replace(cast(" $1 " as char), \" \", \"T\"), \"Z\")"
                         if ($2 == "datetime") e = "replace(cast(" $1 " as char), \" \", \"T\")"
                         printf "%s%s", (NR > 1 ? ", " : ""), e }' "$DIR/columns")
        msql_raw "set time_zone = '+00:00'; select json_array($columns) from $table" </dev/null >"$DIR/$table.expected"
        copy "select json_array($quoted) from $table" </dev/null >"$DIR/$table.actual"
        compare_table "$table" SQLite
        if [ -n "${OPENSEARCH_PID:-}" ]; then
            opensearch_rows "$NAME-$table" "[$members]" >"$DIR/$table.actual"
            compare_table "$table" OpenSearch
        fi
        rows=$((rows + $(wc -l <"$DIR/$table.expected")))
    done <"$DIR/tables"
    echo "# $rows rows of $(wc -l <"$DIR/tables") tables are equal" >&3
}
compare_table() { python3 "$LIB/compare.py" "$DIR/$1.expected" "$DIR/$1.actual" >"$DIR/report" || { cat "$DIR/report"; fail "$1: the copy in $2 differs from the source"; }; }
msql_raw() { mariadb --no-defaults --batch --raw -N --default-character-set=utf8mb4 --socket="$(mysql_dir)/socket" --user=root -e "$1" "$NAME"; }
