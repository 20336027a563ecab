#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What goes wrong outside: servers that end, slots that vanish, files that are
# damaged, rights that are missing. Each has its exit status, and loses nothing.
# takes: 40 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres

setup_file() { create_database; }
teardown_file() { drop_database; }
setup() {
    pg_test_setup
    sql "create table $NAME.t (id bigint primary key, v text)"
}
teardown() {
    pg_test_teardown
    [ -z "${OTHER:-}" ] || OTHERS+=("$OTHER")
    for OTHER in "${OTHERS[@]}"; do
        pg_down "$OTHER" immediate || true
        rm -rf "$OTHER"
    done
}
OTHERS=()
on() { PG_DIR=$1 DATABASE=postgres sql "$2"; }

# pg-cdc with this test's names; output in $DIR/out (appended), messages in $DIR/err.
stream() { t pg-cdc --name "$NAME" -t "$NAME.*" --offset-file "$DIR/p" "$@" "$URL" >>"$DIR/out" 2>"$DIR/err"; }
snapshot() { t cdc-snapshot --name "$NAME" -t "$NAME.*" --offset-file "$DIR/s" "$@" "$URL" >>"$DIR/out" 2>"$DIR/err"; }
# exits STATUS COMMAND...: and the message says why, under the tool's name.
exits() {
    local expected=$1 status=0
    shift
    "$@" || status=$?
    is "exit status of $*" "$expected" "$status" || { cat "$DIR/err"; return 1; }
    [ "$expected" = 0 ] || grep -qE '^(pg-cdc|cdc-snapshot): ' "$DIR/err" || fail "no message"
}
says() { grep -qiE -- "$1" "$DIR/err" || fail "the message does not say '$1': $(cat "$DIR/err")"; }
insert() { sql "insert into $NAME.t select i, 'v' from generate_series($1, $2) i"; }
rows() { jq -r 'select(.op == "c") | .after.id' "$DIR/out" | sort -u | wc -l; }
test_rows() { [ "$(rows)" = "$1" ]; }
# A position that was confirmed: slot, publication and offset file exist.
begin() { snapshot; insert 1 10; stream --until now; is "rows" 10 "$(rows)"; }

@test "the first start makes slot and publication and says so; --no-create forbids it" {
    exits 78 stream --no-create --until now
    says "$SLOT|publication|slot"
    is "slots" 0 "$(sql "select count(*) from pg_replication_slots where slot_name = '$SLOT'")"
    exits 0 stream --until now
    slot_exists "$SLOT"
    says slot
    says publication
    exits 0 stream --until now --no-create
    insert 1 5
    exits 0 stream --until now --no-create
    is "rows" 5 "$(rows)"
}

@test "--drop takes away what was made" {
    begin
    exits 0 stream --drop
    not slot_exists "$SLOT"
    is "publications" 0 "$(sql "select count(*) from pg_publication where pubname = 'cdc_$NAME'")"
}

@test "--temporary leaves nothing behind" {
    spawn_line "exec pg-cdc --temporary --name $NAME -t '$NAME.*' --heartbeat 1 '$URL' >'$DIR/out' 2>'$DIR/err'"
    wait_for_match "$DIR/out" '"op":"heartbeat"'
    insert 1 3
    wait_for_match "$DIR/out" '"op":"commit"'
    kill "$SPAWNED"
    status_of "$SPAWNED"
    is "rows" 3 "$(rows)"
    is "slots" 0 "$(sql "select count(*) from pg_replication_slots where slot_name like '%$NAME%'")"
}

@test "the slot is gone: exit 79, and no new one is made" {
    begin
    sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
    insert 11 20
    exits 79 stream --until now
    says snapshot
    not slot_exists "$SLOT"
    exits 79 stream --until now
}

@test "the slot was dropped and made again: exit 79" {
    begin
    sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
    insert 11 20
    sql "select pg_create_logical_replication_slot('$SLOT', 'pgoutput')" >/dev/null
    exits 79 stream --until now
    says "$SLOT"
}

@test "the slot was moved on by somebody else: exit 79" {
    begin
    insert 11 20
    sql "select pg_replication_slot_advance('$SLOT', pg_current_wal_lsn())" >/dev/null
    exits 79 stream --until now
}

@test "the slot is gone after the snapshot: neither tool makes a new one" {
    snapshot
    sql "select pg_drop_replication_slot('$SLOT')" >/dev/null
    exits 79 t bash -c "exec pg-cdc --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --ack '$DIR/s' --until now '$URL' >>'$DIR/out' 2>'$DIR/err'"
    not slot_exists "$SLOT"
}

@test "the slot lost its log (max_slot_wal_keep_size): exit 79" {
    OTHER=$(test_folder)
    pg_start "$OTHER" "max_slot_wal_keep_size = 16MB" "max_wal_size = 64MB" "wal_keep_size = 0"
    PG_DIR=$OTHER DATABASE=postgres
    URL=$(pg_url postgres)
    sql "create schema $NAME; create table $NAME.t (id bigint primary key, v text)"
    exits 0 stream --until now
    local i
    for i in 1 2 3 4; do sql "insert into $NAME.t select i, repeat('x', 100) from generate_series($i * 200000, $i * 200000 + 150000) i; select pg_switch_wal(); checkpoint" >/dev/null; done
    is "the slot" lost "$(sql "select wal_status from pg_replication_slots where slot_name = '$SLOT'")"
    exits 79 stream --until now
    says snapshot
}

@test "a position of another server: exit 79" {
    begin
    OTHER=$(test_folder)
    pg_start "$OTHER"
    PG_DIR=$OTHER DATABASE=postgres
    URL=$(pg_url postgres)
    sql "create schema $NAME; create table $NAME.t (id bigint primary key, v text)"
    sql "create publication cdc_$NAME for all tables"
    sql "select pg_create_logical_replication_slot('$SLOT', 'pgoutput')" >/dev/null
    exits 79 stream --until now
}

@test "the publication is gone: never a silent gap" {
    begin
    sql "drop publication cdc_$NAME"
    insert 11 20
    exits 78 stream --until now --retry-max 1
    says publication
    # Made again it does not know of the rows before it: that must not pass in silence, either.
    sql "create publication cdc_$NAME for all tables"
    insert 21 30
    local status=0
    stream --until now --retry-max 1 || status=$?
    [ "$status" != 0 ] || is "rows" 30 "$(rows)"
}

@test "the publication goes while changes come: exit 78, and nothing behind it is taken" {
    begin
    PGOPTIONS="-c client_min_messages=error" spawn_line "exec pg-cdc --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --heartbeat 1 '$URL' >>'$DIR/out' 2>'$DIR/err'"
    wait_for_match "$DIR/out" '"op":"heartbeat"'
    insert 11 15
    wait_until test_rows 15
    sql "drop publication cdc_$NAME"
    insert 16 20
    local status=0
    status_of "$SPAWNED" || status=$?
    is "exit status" 78 "$status"
    says "publication"
    sql "create publication cdc_$NAME for table $NAME.t"
    insert 21 25
    exits 78 stream --until now --retry-max 1
    says "publication.*new snapshot"
    is "rows" 15 "$(rows)"
}

@test "the server goes inside a transaction, then SIGTERM: not exit 0, and all of it comes again" {
    OTHER=$(test_folder)
    pg_start "$OTHER"
    PG_DIR=$OTHER DATABASE=postgres
    URL=$(pg_url postgres)
    sql "create schema $NAME; create table $NAME.t (id int primary key)"
    stream --until now
    sql "insert into $NAME.t select generate_series(1, 300000)"
    spawn_line "exec pg-cdc --name $NAME -t '$NAME.*' --offset-file '$DIR/p' '$URL' >'$DIR/part' 2>'$DIR/err'"
    wait_for_lines "$DIR/part" 1000
    pg_down "$OTHER" immediate
    wait_for_match "$DIR/err" 'trying again'
    local status=0
    kill "$SPAWNED"
    status_of "$SPAWNED" || status=$?
    not grep -q '"op":"commit"' "$DIR/part"
    is "status" 75 "$status"
    whole_lines "$DIR/part"
    pg_up "$OTHER"
    stream --until now
    is "rows" 300000 "$(grep -c '"op":"c"' "$DIR/out")"
}

@test "a table that the publication does not publish is named" {
    sql "create table $NAME.other (id int primary key); create publication cdc_$NAME for table $NAME.t"
    exits 78 stream --until now
    says 'other.*ALTER PUBLICATION'
    is "slots" 0 "$(sql "select count(*) from pg_replication_slots where slot_name = '$SLOT'")"
}

@test "a second copy: exit 75, the first goes on" {
    spawn_line "exec pg-cdc --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --heartbeat 1 '$URL' >'$DIR/first' 2>'$DIR/first.err'"
    wait_for_match "$DIR/first" '"op":"heartbeat"'
    exits 75 stream --until now
    says 'lock|another|already'
    insert 1 3
    wait_for_match "$DIR/first" '"op":"commit"'
    kill "$SPAWNED"
    status_of "$SPAWNED"
    # Without a common file the server's own lock speaks; it may pass, so the tool waits as long as it was told.
    spawn_line "exec pg-cdc --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --heartbeat 1 '$URL' >>'$DIR/first' 2>>'$DIR/first.err'"
    wait_until slot_active "$SLOT"
    run -75 t pg-cdc --name "$NAME" -t "$NAME.*" --offset-file "$DIR/elsewhere" --retry-max 1 --until now "$URL"
    [[ $output == *active* || $output == *use* ]]
}

@test "a second sink on the same database file or offset: exit 75" {
    mkfifo "$DIR/fifo"
    spawn_line "exec cdc-sink-sqlite '$DIR/c.db' <'$DIR/fifo'"
    exec 7>"$DIR/fifo"
    wait_until test -e "$DIR/c.db.offset"
    run -75 t cdc-sink-sqlite "$DIR/c.db" </dev/null
    exec 7>&-
    status_of "$SPAWNED"
}

@test "a damaged offset file: exit 78, and it stays as it is" {
    begin
    local content
    cp "$DIR/p" "$DIR/good"
    for content in '' 'nonsense' '{"format":1' '[]' '{"format":99,"tool":"pg-cdc","offsets":{}}' '{"format":1,"tool":"cdc-sink-sqlite","offsets":{}}' "$(head -c 60 "$DIR/good")"; do
        printf '%s' "$content" >"$DIR/p"
        exits 78 stream --until now || fail "on '$content'"
        says "$DIR/p"
        is "the file" "$content" "$(cat "$DIR/p")"
    done
    for content in 'nonsense' '{"format":99,"tool":"cdc-sink-sqlite","offsets":{}}'; do
        printf '%s' "$content" >"$DIR/c.db.offset"
        run -78 t cdc-sink-sqlite "$DIR/c.db" </dev/null
    done
    cp "$DIR/good" "$DIR/p"
    insert 11 20
    exits 0 stream --until now
    is "rows" 20 "$(rows)"
}

@test "a damaged acknowledgement: exit 78, not silence" {
    begin
    echo broken >"$DIR/ack"
    exits 78 stream --ack "$DIR/ack" --until now
}

@test "an offset file that cannot be written: exit 74 or 78, with its name" {
    local status=0
    t pg-cdc --name "$NAME" -t "$NAME.*" --offset-file "$DIR/no/such/folder/p" --until now "$URL" >"$DIR/out" 2>"$DIR/err" || status=$?
    [[ $status = 74 || $status = 78 ]] || fail "exit status $status"
    says "no/such/folder"
}

@test "wrong password: exit 77; no password: exit 77; neither is printed" {
    sql "grant all on database $DATABASE to with_password"
    local url tool
    cd "$DIR" # where cdc-snapshot leaves its offset file
    for tool in pg-cdc cdc-snapshot; do
        url="postgresql://with_password:wrongsecret@/$DATABASE?host=$CDC_PG_DIR"
        run -77 t "$tool" --name "$NAME" "$url" </dev/null
        [[ $output == "$tool: "*password* && $output != *wrongsecret* ]] || fail "$output"
        run -77 t "$tool" --name "$NAME" "$(pg_url "$DATABASE" with_password)" </dev/null
    done
}

@test "a role that may not replicate, or not read: exit 77" {
    sql "drop role if exists plain_$NAME; create role plain_$NAME login"
    run -77 t pg-cdc --name "$NAME" -t "$NAME.*" --retry-max 1 --until now "$(pg_url "$DATABASE" "plain_$NAME")"
    [[ $output == *[Rr][Ee][Pp][Ll][Ii][Cc][Aa]* ]] || fail "$output"
    sql "alter role plain_$NAME replication"
    sql "create publication cdc_$NAME for table $NAME.t"
    run -77 t bash -c 'cdc-snapshot --name "$0" -t "$0.*" --offset-file "$1" "$2"' "$NAME" "$DIR/s" "$(pg_url "$DATABASE" "plain_$NAME")"
    sql "drop role plain_$NAME"
}

@test "a database that does not exist: exit 78" {
    local tool
    for tool in pg-cdc cdc-snapshot; do
        run -78 t "$tool" "$(pg_url no_such_database)"
        [[ $output == "$tool: "*no_such_database* ]]
    done
}

@test "no server: exit 69 once the retries are used up" {
    local tool
    cd "$DIR" # where cdc-snapshot leaves its offset file
    for tool in pg-cdc cdc-snapshot; do
        run -69 t "$tool" --name n --retry-max 1 "postgresql:///x?host=$DIR/nowhere&user=postgres"
        [[ $output == "$tool: "* ]]
    done
}

@test "wal_level=replica: exit 78, and the cure" {
    OTHER=$(test_folder)
    pg_start "$OTHER" "wal_level = replica"
    PG_DIR=$OTHER DATABASE=postgres
    URL=$(pg_url postgres)
    sql "create schema $NAME; create table $NAME.t (id int primary key)"
    exits 78 stream --until now
    says wal_level
    exits 78 snapshot
    says wal_level
    exits 78 stream --check
    says wal_level
}

@test "--check: fine here, and names what would lose or stop" {
    exits 0 stream --check
    is "it makes nothing" 0 "$(sql "select count(*) from pg_replication_slots where slot_name = '$SLOT'")"
    sql "create table $NAME.keyless (v text)"
    stream --check || true
    says keyless
}

@test "the walsender is ended again and again: pg-cdc comes back, nothing is lost" {
    stream --until now
    spawn_line "exec pg-cdc --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --heartbeat 1 '$URL' >>'$DIR/out' 2>'$DIR/err'"
    local i pid
    for i in 1 2 3 4; do
        wait_until slot_active "$SLOT"
        insert $((i * 10000)) $((i * 10000 + 4999))
        pid=$(sql "select active_pid from pg_replication_slots where slot_name = '$SLOT'")
        [ -z "$pid" ] || sql "select pg_terminate_backend($pid)" >/dev/null
    done
    wait_until slot_active "$SLOT"
    wait_confirmed "$SLOT"
    kill "$SPAWNED"
    status_of "$SPAWNED"
    whole_lines "$DIR/out"
    is "rows" 20000 "$(rows)"
    # What was delivered twice has the position that it had before.
    is "rows by position" 20000 "$(jq -r 'select(.op == "c") | .pos' "$DIR/out" | sort -u | wc -l)"
    says 'warning'
}

@test "the server restarts and crashes: pg-cdc comes back, nothing is lost" {
    OTHER=$(test_folder)
    pg_start "$OTHER"
    PG_DIR=$OTHER DATABASE=postgres
    URL=$(pg_url postgres)
    sql "create schema $NAME; create table $NAME.t (id bigint primary key, v text)"
    stream --until now
    spawn_line "exec pg-cdc --name $NAME -t '$NAME.*' --offset-file '$DIR/p' --heartbeat 1 '$URL' >>'$DIR/out' 2>'$DIR/err'"
    local mode i=0
    for mode in fast immediate fast; do
        i=$((i + 1))
        wait_until slot_active "$SLOT" || { cat "$DIR/err"; return 1; }
        insert $((i * 10000)) $((i * 10000 + 1999))
        local begun=$SECONDS
        pg_down "$OTHER" "$mode"
        # A receiver that never confirms would hold up a shutdown.
        [ $((SECONDS - begun)) -lt 40 ] || fail "the server took $((SECONDS - begun)) s to stop"
        pg_up "$OTHER"
    done
    wait_until slot_active "$SLOT" || { cat "$DIR/err"; return 1; }
    wait_confirmed "$SLOT"
    kill "$SPAWNED"
    status_of "$SPAWNED"
    is "rows" 6000 "$(rows)"
    whole_lines "$DIR/out"
}

@test "an open transaction on the server delays the slot, and the tool says what it waits for or goes on" {
    mkfifo "$DIR/fifo"
    PGHOST=$CDC_PG_DIR PGUSER=postgres psql -XqAt -d "$DATABASE" <"$DIR/fifo" >"$DIR/psql.out" 2>&1 3>&- &
    SPAWNED_ALL+=($!)
    exec 7>"$DIR/fifo"
    echo "begin; insert into $NAME.t values (1, 'open'); select 'ready';" >&7
    wait_for_match "$DIR/psql.out" ready
    spawn_line "exec cdc-snapshot --name $NAME -t '$NAME.*' --offset-file '$DIR/s' '$URL' >'$DIR/out' 2>'$DIR/err'"
    pause_ms 1000
    echo "commit;" >&7
    exec 7>&-
    status_of "$SPAWNED"
    # The row that was committed while the slot was made is in the snapshot or in the log, once.
    stream --until now
    is "the row" 1 "$(jq -r 'select(.op == "c" or .op == "r") | .after.id' "$DIR/out" | wc -l)"
}

@test "a column is added, renamed and dropped while it runs: each row by the columns of its time" {
    begin
    : >"$DIR/out"
    sql "insert into $NAME.t values (100, 'a'); alter table $NAME.t add n int; insert into $NAME.t values (101, 'b', 1);
         alter table $NAME.t rename v to w; insert into $NAME.t values (102, 'c', 2); alter table $NAME.t drop column w; insert into $NAME.t values (103, 3)"
    exits 0 stream --until now
    diff <(jq -c 'select(.op == "c") | .after' "$DIR/out") - <<'END'
{"id":100,"v":"a"}
{"id":101,"v":"b","n":1}
{"id":102,"w":"c","n":2}
{"id":103,"n":3}
END
    [ "$(grep -c '"op":"schema"' "$DIR/out")" -ge 4 ]
}

# bats test_tags=only:postgresql-17
@test "a failover with a slot that the standby copies: waited for until the promotion, then each row once" {
    local primary standby follower
    primary=$(test_folder)
    standby=$(test_folder)
    OTHERS+=("$primary" "$standby")
    pg_start "$primary"
    on "$primary" "create table t (id int primary key, v text)"
    [ "$(id -u)" != 0 ] || chown postgres: "$standby"
    on "$primary" "select pg_create_physical_replication_slot('copies', true)" >/dev/null
    (cd "$standby" && as_postgres "$(pg_bin)/pg_basebackup" -h "$primary" -U postgres -D "$standby/data" -R -c fast -S copies)
    sed -i "s#unix_socket_directories = .*#unix_socket_directories = '$standby'#" "$standby/data/postgresql.conf"
    printf '%s\n' "hot_standby_feedback = on" "primary_conninfo = 'host=$primary user=postgres dbname=postgres'" >>"$standby/data/postgresql.auto.conf"
    pg_up "$standby"
    spawn_line "exec pg-cdc --name p --heartbeat 1 --offset-file '$DIR/own' 'postgresql:///postgres?host=$primary,$standby&user=postgres' >'$DIR/out' 2>'$DIR/err'"
    follower=$SPAWNED
    wait_for_match "$DIR/err" 'created slot'
    on "$primary" "insert into t values (1, 'before')"
    wait_for_match "$DIR/out" '"id":1,'
    # The standby takes a copy that has caught up with its own log.
    copied() {
        on "$primary" "checkpoint; select pg_log_standby_snapshot()" >/dev/null
        on "$standby" "select pg_sync_replication_slots()" >/dev/null
        [ "$(on "$standby" "select synced and not temporary from pg_replication_slots where slot_name = 'cdc_p'")" = t ]
    }
    wait_until copied
    pg_down "$primary"
    wait_for_match "$DIR/err" 'is a standby, and its slot "cdc_p" is only a copy'
    on "$standby" "select pg_promote()" >/dev/null
    on "$standby" "insert into t values (2, 'after')"
    wait_for_match "$DIR/out" '"id":2,'
    kill -TERM "$follower"
    status_of "$follower"
    is "rows" "1 2" "$(jq -r 'select(.op == "c").after.id' "$DIR/out" | xargs)"
}
