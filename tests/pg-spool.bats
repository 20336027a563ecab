#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# pg-cdc --spool: transactions that are taken while they are open (PostgreSQL's streaming).
# takes: 60 s
# shellcheck disable=SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() {
    create_database
    # All but the smallest transactions are streamed, or spilled.
    DATABASE=postgres sql "alter system set logical_decoding_work_mem = '64kB'"
    DATABASE=postgres sql "select pg_reload_conf()" >/dev/null
}
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    mkdir "$DIR/spool"
    COPY=$DIR/copy.db
}
teardown() { pg_test_teardown; }
copy() { sqlite3 -cmd '.timeout 30000' "$COPY" "$1"; }
# changes SLOT [OPTION...]: to the end of the log; one pipeline for all slots, so that lines can be the same.
changes() { t pg-cdc --name "$NAME" --slot "$1" --publication "cdc_$NAME" --no-create -t "$NAME.*" --offset-file "$DIR/$1.offset" --heartbeat 0 --until now "${@:2}" "$URL"; }
statistics() { sql "select $2 from pg_stat_replication_slots where slot_name = '$1'"; }

# same_lines [messages]: random traffic, read through two slots.
same_lines() {
    local slot session pids=() seed=${CDC_SPOOL_SEED:-5}
    sql "create table $NAME.t (id int primary key, v text); create table $NAME.u (id int, v text); alter table $NAME.u replica identity full;
         alter table $NAME.t alter v set storage external; create publication cdc_$NAME for all tables"
    for slot in with without; do
        sql "select pg_create_logical_replication_slot('${NAME}_$slot', 'pgoutput')" >/dev/null
    done
    # Four sessions at once. A statement that fails (a lock that was not had in time) undoes its transaction, as any may.
    for session in 1 2 3 4; do
        python3 "$LIB/savepoints.py" "$((seed * 10 + session))" "$NAME" "$session" "$@" >"$DIR/session$session.sql"
        PGHOST=$CDC_PG_DIR PGUSER=postgres psql -Xq -d "$DATABASE" -f "$DIR/session$session.sql" >"$DIR/session$session.log" 2>&1 &
        pids+=($!)
    done
    wait "${pids[@]}"
    changes "${NAME}_without" >"$DIR/without"
    changes "${NAME}_with" --spool "$DIR/spool" >"$DIR/with" 2>"$DIR/err"
    [ "$(grep -c '"op":"c"' "$DIR/without")" -gt 2000 ]
    # But for the times of those that no transaction dates: heartbeats, and messages outside of one.
    sed -i -E '/^\{"op":"heartbeat"/d; /"txId"/! {/^\{"op":"(m|commit)"/ s/"ts_ms":[0-9]+/"ts_ms":0/g}' "$DIR/with" "$DIR/without"
    # A new connection describes a table again.
    [ $# = 0 ] || sed -i '/^{"op":"schema"/d' "$DIR/with" "$DIR/without"
    cmp "$DIR/without" "$DIR/with" || fail "$(diff "$DIR/without" "$DIR/with" | head -4 | cut -c1-300)"
    is "files" "" "$(ls -A "$DIR/spool")"
}

@test "lines are the same with and without, whatever was rolled back, altered and truncated meanwhile" {
    same_lines
    # Not for nothing. A server spills with streaming, too, while a large value is not complete.
    [ "$(statistics "${NAME}_with" stream_txns)" -gt 10 ]
    [ "$(statistics "${NAME}_with" spill_bytes)" -lt "$(statistics "${NAME}_without" spill_bytes)" ]
    is "streamed" 0 "$(statistics "${NAME}_without" stream_txns)"
}

@test "logical messages beside savepoints that are rolled back, which the server does not tell apart: the same lines, without streaming" {
    same_lines messages
    [ "$(grep -c '"transactional":true' "$DIR/with")" -gt 10 ]
    is "said" 1 "$(grep -c 'logical messages beside savepoints' "$DIR/err")"
}

@test "small transactions come while a large one is open; killed, and the server restarted, inside it; all of it once it commits" {
    sql "create table $NAME.t (id int primary key, v text)"
    source_line() { echo "{ cdc-snapshot -q $(source_options) && exec pg-cdc --spool '$DIR/spool' $(source_options); }"; }
    start_line() {
        spawn_line "{ $(source_line) | cdc-sink-sqlite -q --state-dir '$STATE' '$COPY'; } 2>>'$DIR/err'"
        GROUP=$SPAWNED
    }
    start_line
    wait_until has_member "$GROUP" pg-cdc
    wait_confirmed "$SLOT"
    # A session that stays open, told what to do through a pipe.
    mkfifo "$DIR/say"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn sh -c "exec psql -Xq -d '$DATABASE' -f '$DIR/say' >'$DIR/said' 2>&1"
    exec 8>"$DIR/say"
    echo "begin; insert into $NAME.t select i, 'large' from generate_series(1, 20000) i; savepoint a;
          insert into $NAME.t select i, 'undone' from generate_series(20001, 40000) i; rollback to a;
          update $NAME.t set v = 'larger' where id % 2 = 0;
          select 'written';" >&8
    wait_for_match "$DIR/said" written
    streamed() { [ "$(statistics "$SLOT" "coalesce(stream_bytes, 0)")" -gt 1000000 ]; }
    wait_until streamed
    sql "insert into $NAME.t select i, 'small' from generate_series(100001, 100010) i"
    has() { [ "$(copy 'select count(*) from t')" = "$1" ]; }
    wait_until has 10
    wait_confirmed "$SLOT"
    kill -KILL "$(member "$GROUP" pg-cdc)"
    local status=0
    status_of "$GROUP" || status=$?
    is "files of a process that is gone" "" "$(ls -A "$DIR/spool")"
    start_line
    sql "insert into $NAME.t values (100011, 'small')"
    wait_until has 11
    echo "commit; select 'committed';" >&8
    wait_for_match "$DIR/said" committed
    exec 8>&-
    wait_until has 20011
    is "values" "large|10000 larger|10000 small|11" "$(copy "select v || '|' || count(*) from t group by v order by v" | xargs)"
    # Another one, and the server goes away inside it: nothing of it stays.
    mkfifo "$DIR/say2"
    PGHOST=$CDC_PG_DIR PGUSER=postgres spawn sh -c "exec psql -Xq -d '$DATABASE' -f '$DIR/say2' >'$DIR/said2' 2>&1"
    exec 8>"$DIR/say2"
    local before
    before=$(statistics "$SLOT" stream_bytes)
    echo "begin; update $NAME.t set v = 'never'; select 'written';" >&8
    wait_for_match "$DIR/said2" written
    more() { [ "$(statistics "$SLOT" stream_bytes)" -gt "$before" ]; }
    wait_until more
    pg_down "$CDC_PG_DIR" immediate
    exec 8>&-
    pg_up "$CDC_PG_DIR"
    sql "insert into $NAME.t values (100012, 'small')"
    wait_until has 20012
    is "values" "large|10000 larger|10000 small|12" "$(copy "select v || '|' || count(*) from t group by v order by v" | xargs)"
    wait_confirmed "$SLOT"
    kill -TERM "$(member "$GROUP" pg-cdc)"
    status_of "$GROUP"
}

@test "a full disk at the spool is 74, and the same line goes on where there is room; a folder that is not there is 78, by --check too" {
    sql "create table $NAME.t (id int primary key, v text)"
    t pg-cdc -q --name "$NAME" -t "$NAME.*" --offset-file "$DIR/o" --until now "$URL" >/dev/null
    sql "insert into $NAME.t select i, 'v' || i from generate_series(1, 20000) i"
    run -74 t bash -c 'ulimit -f 100; trap "" XFSZ; exec pg-cdc --name "$0" -t "$0.*" --offset-file "$1" --until now --spool "$2" "$3" | cat >/dev/null; exit "${PIPESTATUS[0]}"' "$NAME" "$DIR/o" "$DIR/spool" "$URL"
    t pg-cdc -q --name "$NAME" -t "$NAME.*" --offset-file "$DIR/o" --until now --spool "$DIR/spool" "$URL" >"$DIR/out"
    is "rows" 20000 "$(grep -c '"op":"c"' "$DIR/out")"
    run -78 t pg-cdc --name "$NAME" -t "$NAME.*" --offset-file "$DIR/o" --until now --spool "$DIR/none" "$URL"
    [[ $output == *"$DIR/none"* ]]
    run -78 t pg-cdc --check --name "$NAME" -t "$NAME.*" --offset-file "$DIR/o" --spool "$DIR/none" "$URL"
    [[ $output == *"$DIR/none"* ]]
}
