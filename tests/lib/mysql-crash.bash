# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The crash test of MySQL and MariaDB: traffic, kills, and the comparison afterwards.

CRASH_ROWS=${CDC_CRASH_ROWS:-8000}
CRASH_KILLS=${CDC_CRASH_KILLS:-20}
CRASH_SEED=${CDC_CRASH_SEED:-4711}
SHARED_ROWS=$((CRASH_ROWS / 8 > 1000 ? CRASH_ROWS / 8 : 1000))
TRAFFIC_MS=${CDC_TRAFFIC_MS:-35000}

crash_tables() {
    msql "create table accounts (id bigint primary key, owner varchar(100) not null, balance decimal(14,2) not null, flag tinyint(1), note text, big mediumtext, changed timestamp(6) not null default current_timestamp(6));
          create table history (id bigint auto_increment primary key, account bigint not null, delta int not null, at datetime(6) not null default current_timestamp(6));
          create table branches (code varchar(20) primary key, total bigint not null);
          create table moving (id bigint primary key, v varchar(100), w int);
          create table marker (id int primary key, n int);
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
        spawn bash "$DIR/client.sh" "$DIR/traffic$first$client" --no-defaults --default-character-set=utf8mb4 --connect-timeout=5 --socket="$(mysql_dir)/socket" --user=root "$NAME" 2>>"$DIR/traffic.err"
        TRAFFIC+=("$SPAWNED")
    done
}
traffic_done() {
    local pid
    for pid in "${TRAFFIC[@]}"; do gone "$pid" || return 1; done
}
# DDL between the traffic. What a statement does to rows that are there is not in the log: an update of all of them is.
ddl_traffic() {
    local i
    for ((i = 1; i <= ${1:-3}; i++)); do
        msql "alter table moving add column extra_$i int, add index (w); update moving set extra_$i = $i, w = coalesce(w, 0) + 1"
        pause_ms 300
        msql "alter table moving rename column extra_$i to renamed_$i; update moving set w = coalesce(w, 0) + 1, renamed_$i = renamed_$i + 1"
        msql 'flush binary logs'
        pause_ms 300
        msql "rename table moving to moved_$i; create table moving like moved_$i; insert into moving select * from moved_$i; update moved_$i set w = coalesce(w, 0) + 1"
        pause_ms 300
        msql "truncate moving; alter table moving drop column renamed_$i, drop index w; insert into moving (id, v, w) select id, v, $i from moved_$i; alter table branches modify total bigint unsigned not null; flush binary logs"
        msql "create table like_$i like accounts; insert into like_$i select * from accounts where id < 50; alter table like_$i drop column big, add column later varchar(10) first; update like_$i set later = 'x'"
        msql "create table copied_$i (primary key (id)) select id, account from history where id < 30; truncate copied_$i; insert into copied_$i values ($i, $i); drop table if exists gone; create table gone (id int primary key); insert into gone values (1); drop table gone"
        pause_ms 300
    done
}
# The line from NAME's server, into the copy.
full_line() {
    local options="--name $NAME -t '$NAME.*' --state-dir '$STATE' '$URL'"
    echo "{ cdc-snapshot --chunk-rows 500 $options && exec mysql-binlog --heartbeat 1 $options; } 2>>'$DIR/err' | cdc-filter -t '$NAME.*' 2>>'$DIR/err' | cdc-sink-sqlite --state-dir '$STATE' '$COPY' 2>>'$DIR/err'"
}
copy() { sqlite3 -cmd '.timeout 30000' "$COPY" "$1"; }
# Everything that is committed now is in the copy.
marked() { [ "$(copy 'select n from marker' 2>/dev/null)" = "$1" ]; }
caught_up() {
    MARK=$((${MARK:-0} + 1))
    msql "update marker set n = $MARK"
    wait_until -t "${1:-60}" marked $MARK || { tail -20 "$DIR/err"; return 1; }
}
# crash_once LINE VICTIM MOMENT: starts the line, kills that process of it so many milliseconds after it began; all must end.
# A snapshot may be through before its moment: then the source behind it is killed.
crash_begun() { has_member "$1" "$2" || gone "$1" || { [ "$2" = cdc-snapshot ] && has_member "$1" mysql-binlog; }; }
crash_over() { gone "$1" || has_member "$1" mysql-binlog; }
crash_once() {
    local line=$1 victim=$2 pid status=0
    spawn_line "$line" 2>/dev/null
    wait_until -t 60 crash_begun "$SPAWNED" "$victim"
    pause_ms "$3"
    pid=$(member "$SPAWNED" "$victim")
    if [ -z "$pid" ] && [ "$victim" = cdc-snapshot ]; then
        wait_until -t 60 crash_begun "$SPAWNED" mysql-binlog
        pid=$(member "$SPAWNED" mysql-binlog)
    fi
    if [ -n "$pid" ]; then
        cat "/proc/$pid/comm" >>"$DIR/kills" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
    fi
    # The snapshot may have ended in that very moment: then the source behind it is the one.
    if [ "$victim" = cdc-snapshot ]; then
        wait_until -t 60 crash_over "$SPAWNED"
        gone "$SPAWNED" || kill -KILL "$(member "$SPAWNED" mysql-binlog)" 2>/dev/null || true
    fi
    status_of "$SPAWNED" 30 || status=$?
    case $status in
    0 | 69 | 74 | 75 | 137) ;;
    124) fail "the line did not end after $victim was killed: $(pgrep -ag "$SPAWNED")" ;;
    *) fail "the line ended with $status after $victim was killed: $(tail -5 "$DIR/err")" ;;
    esac
}
# What is in the source, and in the copy: JSON arrays, the key first.
compare_copy() {
    local table columns quoted
    msql -N "select table_name from information_schema.tables where table_schema = '$NAME' order by 1" >"$DIR/tables"
    [ -s "$DIR/tables" ]
    while read -r table; do
        msql -N "select column_name, data_type from information_schema.columns where table_schema = '$NAME' and table_name = '$table' order by column_key = 'PRI' desc, ordinal_position" </dev/null >"$DIR/columns"
        quoted=$(awk '{ printf "%s%s", (NR > 1 ? ", " : ""), $1 }' "$DIR/columns")
        columns=$(awk '{ e = $1
                         if ($2 == "decimal") e = "cast(" $1 " as char)"
                         if ($2 == "timestamp") e = "concat(replace(cast(" $1 " as char), \" \", \"T\"), \"Z\")"
                         if ($2 == "datetime") e = "replace(cast(" $1 " as char), \" \", \"T\")"
                         printf "%s%s", (NR > 1 ? ", " : ""), e }' "$DIR/columns")
        msql_raw "set time_zone = '+00:00'; select json_array($columns) from $table" </dev/null >"$DIR/$table.expected"
        copy "select json_array($quoted) from $table" </dev/null >"$DIR/$table.actual"
        python3 "$LIB/compare.py" "$DIR/$table.expected" "$DIR/$table.actual" >"$DIR/report" || { cat "$DIR/report"; fail "$table: the copy differs from the source"; }
    done <"$DIR/tables"
    echo "# $(cat "$DIR"/*.expected | wc -l) rows of $(wc -l <"$DIR/tables") tables are equal" >&3
}
msql_raw() { mariadb --no-defaults --batch --raw -N --default-character-set=utf8mb4 --socket="$(mysql_dir)/socket" --user=root -e "$1" "$NAME"; }
