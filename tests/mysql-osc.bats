#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Tools that change a table's schema beside it, and swap the names at the end: pt-online-schema-change itself where it is installed,
# and gh-ost's steps by its own statements. Clients write all the while, the line runs under a supervisor: the copy ends equal, by
# statuses alone that a supervisor starts again after.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale
load lib/mysql-osc

setup() {
    stale_test_setup
    msql "create table marker (id int primary key, v int)"
    osc_tables
}

# The supervisor has met nothing but what it starts again after.
kept_going() { not grep -qvE '^(0|69|74|75|137|143)$' "$DIR/ends" && not test -e "$DIR/failed"; }

pt_online_schema_change() {
    clients
    loop_start
    caught_up
    change "add column d int not null default 7"
    caught_up
    change "modify a bigint, drop column c, add column e varchar(10) default 'e' after id"
    change "add column c varchar(10) default 'new', add index (b)"
    change "drop primary key, add column n bigint not null auto_increment primary key first, add unique key (id)"
    writers_end
    caught_up
    equal t other
    kept_going
    loop_end
    is "columns" "a b c d e id n" "$(copy "select name from pragma_table_info('t') order by name" | xargs)"
}
# bats test_tags=only:percona-toolkit
@test "pt-online-schema-change, one change after the other" { pt_online_schema_change; }

# As gh-ost does it: rows of the log and chunks of the table go into the shadow table side by side. What reads the log for it here is
# mysql-binlog, of another name.
apply_log() {
    cat >"$DIR/apply.jq" <<'END'
def text: if . == null then "null" else "'" + tostring + "'" end;
if .op == "d" then "delete from _t_gho where id = \(.key.id);"
elif .source.table == "t" then "replace into _t_gho (id, a, b, c) values (\(.after.id), \(.after.a | text), \(.after.b | text), \(.after.c));"
elif .after.hint == "cut-over" then "update _t_ghc set value = 'applied' where hint = 'cut-over';"
else empty end
END
    spawn_line "mysql-binlog --name ghost --heartbeat 0 -t $NAME.t -t ${NAME}._t_ghc --start now '$URL' 2>'$DIR/ghost' |
        jq --unbuffered -r 'select(.op | IN(\"c\", \"u\", \"d\"))' -c | jq --unbuffered -r -f '$DIR/apply.jq' |
        mariadb --no-defaults --socket='$(mysql_dir)/socket' --user=root '$NAME' >'$DIR/applied' 2>&1"
    wait_until reads_log
}
reads_log() { grep -q 'info: reading' "$DIR/ghost" || { tell "still here"; grep -q . "$DIR/ghost"; }; }
tell() { msql "insert into _t_ghc (hint, value) values ('$1', now()) on duplicate key update value = values(value)"; }
is_applied() { [ "$(msql -N "select value from _t_ghc where hint = 'cut-over'")" = applied ]; }
waits_for_lock() { msql -N "show processlist" | grep -qi "rename table"; }
gh_ost() {
    local from
    msql "create table _t_ghc (id bigint auto_increment primary key, last_update timestamp not null default current_timestamp on update current_timestamp, hint varchar(64) not null, value varchar(255) not null, unique key hint_uidx (hint));
          create table _t_gho like t; alter table _t_gho $1"
    apply_log
    for ((from = 0; from < 900; from += 100)); do
        msql "insert ignore into _t_gho (id, a, b, c) (select id, a, b, c from t force index (primary) where id >= $from and id < $from + 100 lock in share mode)"
        tell "copied $from"
        pause_ms 50
    done
    msql "create table _t_del (id int auto_increment primary key) comment='ghost-cut-over-sentry'"
    # One session keeps both names locked until another waits with the swap, and drops the sentry that stood in its way.
    mkfifo "$DIR/locker"
    spawn_line "mariadb --no-defaults --socket='$(mysql_dir)/socket' --user=root '$NAME' <'$DIR/locker'"
    exec 7>"$DIR/locker"
    echo "lock tables t write, _t_del write;" >&7
    pause_ms 100
    tell cut-over
    wait_until -t 60 is_applied
    spawn_line "mariadb --no-defaults --socket='$(mysql_dir)/socket' --user=root '$NAME' -e 'rename table t to _t_del, _t_gho to t'"
    local renames=$SPAWNED
    wait_until -t 60 waits_for_lock
    echo "drop table _t_del; unlock tables;" >&7
    exec 7>&-
    status_of "$renames"
    msql "drop table _t_ghc; drop table _t_del"
}
@test "the way of gh-ost: rows of the log and of the table side by side, two names swapped while a lock is held" {
    clients
    loop_start
    caught_up
    gh_ost "add column d int not null default 7, modify a bigint, add index (b)"
    writers_end
    caught_up
    equal t other
    kept_going
    is "default" 1 "$(copy 'select count(distinct d) from t')"
    loop_end
}
