#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A pipeline whose PostgreSQL is replaced by a later one: by pg_upgrade, or by a new server that a dump is restored into. Its position
# means nothing there. That is exit status 79, and what the message says to do then gives a copy that is equal, and stays so.
# Needs the trees of tests/matrix; not a part of `make test`.
# takes: 90 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load ../lib/common
load ../lib/postgres
load ../lib/jars
load ../lib/upgrade
load ../lib/opensearch

setup() {
    DIR=$BATS_TEST_TMPDIR STATE=$BATS_TEST_TMPDIR/state DATABASE=postgres
    CDC_PG_DIR=$(test_folder)
    chmod 755 "$CDC_PG_DIR"
    mkdir "$STATE"
    unset CDC_PG_TREE CDC_PG_BIN
}
teardown() {
    local folder
    for folder in "$CDC_PG_DIR" "$CDC_PG_DIR/moved"; do
        [ ! -f "$folder/data/postmaster.pid" ] || pg_down "$folder" immediate
    done
    rm -rf "$CDC_PG_DIR"
    opensearch_stop
}

need_tree() { [ -n "$(CDC_PG_TREE=$(tree_of "$1") pg_bin)" ] || skip "no $1: run tests/matrix --prepare"; }
begin() {
    pg_start "$CDC_PG_DIR"
    URL=$(pg_url postgres)
    sql "create table items (id int primary key, v text); create table other (id int primary key, at timestamptz default now())"
    sql "insert into items select g, 'of the old server' from generate_series(1, 300) g; insert into other select generate_series(1, 20)"
}
# line [SINK]: a run of it; its status, and messages in $DIR/err.
line() {
    local status=0
    t bash -o pipefail -c "{ cdc-snapshot --state-dir '$STATE' '$URL' && exec pg-cdc --until now --state-dir '$STATE' '$URL'; } | ${1:-cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'}" 2>"$DIR/err" || status=$?
    return $status
}
index() { echo "cdc-sink-http --elasticsearch --state-dir '$STATE' '$OPENSEARCH_URL'"; }
ends_with() {
    local status=0
    line "${2:-}" || status=$?
    [ $status = "$1" ] || { cat "$DIR/err" >&2; fail "status $status instead of $1"; }
}
same_rows() {
    local table columns
    for table in items other; do
        columns=$([ $table = items ] && echo "id, v" || echo "id")
        diff <(sql "select $columns from $table order by id") <(sqlite3 "$DIR/copy.db" "select $columns from $table order by id") || return 1
    done
}
same_documents() { diff <(sql "select id, v from items order by id") <(opensearch_rows public-items '[.id, .v]' | jq -r '"\(.[0])|\(.[1])"' | sort -n); }
# What nobody has read when the server goes.
unread() { sql "delete from items where id <= 50; update items set v = 'unread' where id between 60 and 70; insert into items values (1000, 'unread')"; }
later() { sql "delete from items where id between 80 and 90; update items set v = 'of the new server' where id > 250; insert into items values ($1, 'new'); delete from other where id = 3"; }
# As the message says: "run pg-cdc --drop, remove the offset files of the pipeline and the copies, and begin with cdc-snapshot".
cure() {
    grep -q 'run pg-cdc --drop, remove the offset files of the pipeline and the copies, and begin with cdc-snapshot' "$DIR/err" || { cat "$DIR/err"; return 1; }
    t pg-cdc --drop "$URL" 2>>"$DIR/err"
    rm "$STATE"/*.offset "$DIR/copy.db"
}
goes_on() {
    ends_with 0
    same_rows
    later 1002
    ends_with 0
    same_rows
}

# upgraded TREE VERSION OLD-PROGRAMS [INITDB-OPTION]: the stopped server, started again
upgraded() {
    pg_down "$CDC_PG_DIR"
    pg_upgrade_to "$1" "$2" "$3" "$CDC_PG_DIR" "${4:-}"
    unset CDC_PG_BIN
    export CDC_PG_TREE=$1
    pg_up "$CDC_PG_DIR"
    is "version" "$2" "$(sql 'show server_version_num' | cut -c1-2)"
}

@test "pg_upgrade to 17: exit 79, and a new snapshot as the message says" {
    local version
    need_tree postgresql-17
    begin
    ends_with 0
    same_rows
    unread
    version=$(sed -n 1p "$CDC_PG_DIR/data/PG_VERSION")
    old_programs / "$version" "$(tree_of postgresql-17)" "$CDC_PG_DIR/old"
    upgraded "$(tree_of postgresql-17)" 17 "$CDC_PG_DIR/old"
    later 1001
    ends_with 79
    cure
    goes_on
}

# Of 17 a release of before its tables could have what 18 in Debian's unstable does not know; pg_upgrade takes no other one.
@test "pg_upgrade from 17 to 18, which keeps slots: exit 79, and a new snapshot as the message says" {
    local setting tree
    need_tree postgresql-17
    need_tree postgresql-18
    tree=$(tree_of postgresql-17)
    setting=$(server_setting postgresql-17.6 "$CDC_PG_DIR/old")
    export "${setting?}"
    begin
    ends_with 0
    same_rows
    # These do without the server's libraries.
    cp "$tree/usr/lib/postgresql/17/bin/pg_controldata" "$tree/usr/lib/postgresql/17/bin/pg_resetwal" "$CDC_PG_DIR/old/bin/"
    upgraded "$(tree_of postgresql-18)" 18 "$CDC_PG_DIR/old" --no-data-checksums
    is "slots" cdc_postgres "$(sql 'select slot_name from pg_replication_slots')"
    later 1001
    ends_with 79
    cure
    goes_on
}

# With the publication, since pg_dump takes that along; without the slot.
@test "a dump restored into another server: exit 79, and a new snapshot as the message says; an index too" {
    opensearch_start
    begin
    ends_with 0 "tee >($(index)) | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"
    same_rows
    unread
    pg_dump -h "$CDC_PG_DIR" -U postgres postgres >"$DIR/dump"
    pg_down "$CDC_PG_DIR"
    pg_start "$CDC_PG_DIR/moved"
    PG_DIR=$CDC_PG_DIR/moved
    URL=$(pg_url postgres)
    sql_file -f "$DIR/dump" >/dev/null
    is "publications" "cdc_postgres" "$(sql "select pubname from pg_publication")"
    later 1001
    ends_with 79
    cure
    # The index is a copy, too.
    curl -sSf -XDELETE "$OPENSEARCH_URL/public-items,public-other" >/dev/null
    ends_with 0 "tee >($(index)) | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"
    same_rows
    wait_until -t 20 same_documents >/dev/null || same_documents

    # A position as an earlier version left it, without the file that says which indexes are filled.
    rm "$STATE/cdc-sink-http.offset.indexes"
    run -78 --separate-stderr t bash -c "$(index) </dev/null"
    [[ $stderr == *"where an earlier version of this tool wrote it, which kept no such file, delete the indexes, remove the offset files of the pipeline and the other copies, with PostgreSQL run pg-cdc --drop, and begin with cdc-snapshot"* ]] || fail "$stderr"
    curl -sSf -XDELETE "$OPENSEARCH_URL/public-items,public-other" >/dev/null
    rm "$STATE"/*.offset "$DIR/copy.db"
    t pg-cdc --drop "$URL"
    later 1003
    ends_with 0 "tee >($(index)) | cdc-sink-sqlite --state-dir '$STATE' '$DIR/copy.db'"
    same_rows
    wait_until -t 20 same_documents >/dev/null || same_documents
}
