#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# How mysql-binlog and cdc-snapshot reach a server: TLS with and without verification, certificates of clients, the ways to
# prove a password, and signals while a server lets them wait.
# takes: 40 s
# Each test runs in a subshell.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers

setup_file() {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    export CERTIFICATES=$BATS_FILE_TMPDIR SERVER_FILES
    SERVER_FILES=$(test_folder)
    chmod 755 "$SERVER_FILES"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    make_authority authority
    make_authority stranger
    make_certificate authority server "DNS:localhost,IP:127.0.0.1"
    make_certificate authority elsewhere "DNS:db.example.org"
    make_certificate authority client "DNS:client"
    mysql_start --ssl-ca="$(for_server authority.pem)" --ssl-cert="$(for_server server.pem)" --ssl-key="$(for_server server.key)"
    mysql_start other --ssl-ca="$(for_server authority.pem)" --ssl-cert="$(for_server elsewhere.pem)" --ssl-key="$(for_server elsewhere.key)"
}
teardown_file() {
    mysql_end
    [ -z "${SERVER_FILES:-}" ] || rm -rf "$SERVER_FILES"
}
setup() {
    mysql_test_setup
    CA=$CERTIFICATES/authority.pem
    # MySQL's accounts have caching_sha2_password: without TLS the password is sent only under the server's key.
    KEY=
    mysql_is_mariadb || KEY="&get-server-public-key=true"
}
teardown() {
    kill -CONT "$(cat "$(mysql_dir)/pid")"
    msql "set global init_connect = ''"
    ! mysql_is_mariadb || msql "set global system_versioning_asof = default"
    mysql_test_teardown
}

# A copy that the server may read, whoever it runs as.
for_server() {
    cp "$CERTIFICATES/$1" "$SERVER_FILES/$1"
    [ "$(id -u)" != 0 ] || chown nobody: "$SERVER_FILES/$1"
    echo "$SERVER_FILES/$1"
}
make_authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$1" -keyout "$CERTIFICATES/$1.key" -out "$CERTIFICATES/$1.pem" 2>/dev/null
}
# make_certificate AUTHORITY NAME ALTERNATIVE_NAMES
make_certificate() {
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$CERTIFICATES/$2.key" -out "$CERTIFICATES/$2.request" 2>/dev/null
    openssl x509 -req -days 30 -in "$CERTIFICATES/$2.request" -CA "$CERTIFICATES/$1.pem" -CAkey "$CERTIFICATES/$1.key" -CAcreateserial \
        -extfile <(echo "subjectAltName=$3") -out "$CERTIFICATES/$2.pem" 2>/dev/null
}
# user NAME REQUIREMENT [HOW]: with the privileges of cdc.
user() {
    msql "set sql_log_bin = 0; drop user if exists $1@'%'; create user $1@'%' ${3:-identified by '$MYSQL_PASSWORD'} $2; grant replication slave, replication client, select on *.* to $1@'%'"
}
# url USER PARAMETERS
url() { echo "mysql://$1:$MYSQL_PASSWORD@127.0.0.1:$(cat "$(mysql_dir)/port")/$NAME?$2"; }
# The rows of t arrive by the URL: from the snapshot, and from the log.
rows_arrive() {
    URL=$1
    rm -rf "$DIR"/p "$DIR"/p.* "$DIR"/s "$DIR"/s.*
    t cdc-snapshot -q --name "$NAME" -t "$NAME.*" --offset-file "$DIR/s" --ack stdout "$URL" >"$DIR/out" 2>"$DIR/err" || { cat "$DIR/err"; return 1; }
    is "rows of the snapshot" "$(msql -N 'select count(*) from t')" "$(grep -c '"op":"r"' "$DIR/out")"
    begin
    msql "insert into t select ifnull(max(id), 0) + 1, repeat('x', 1000) from t"
    read_all
    is "rows of the log" 1 "$(grep -c '"op":"c"' "$DIR/out")"
}
# Neither waits for a server that will never be another one.
refused() {
    URL=$2
    : >"$DIR/out"
    exits "$1" binlog --offset-file "$DIR/p" --start now --until now --retry-max 2
    is "lines" 0 "$(wc -l <"$DIR/out")"
}

@test "TLS: required by the account, asked for by ssl-mode, verified against the authority and the host's name" {
    msql "create table t (id int primary key, v text)"
    user secure "require ssl"
    rows_arrive "$(url secure "ssl-mode=REQUIRED")"
    rows_arrive "$(url secure "")"
    rows_arrive "$(url secure "ssl-mode=VERIFY_CA&ssl-ca=$CA")"
    rows_arrive "$(url secure "ssl-mode=VERIFY_IDENTITY&ssl-ca=$CA")"
    refused 77 "$(url secure "ssl-mode=DISABLED$KEY")"
    refused 64 "$(url secure "ssl-mode=sometimes")"
}

@test "TLS: a certificate of another authority, or of another host: no connection, exit 78" {
    refused 78 "$(url cdc "ssl-mode=VERIFY_CA&ssl-ca=$CERTIFICATES/stranger.pem")"
    says "certificate"
    refused 78 "$(url cdc "ssl-mode=VERIFY_IDENTITY&ssl-ca=$CERTIFICATES/stranger.pem")"
    MYSQL_SERVER=other
    refused 78 "$(url cdc "ssl-mode=VERIFY_IDENTITY&ssl-ca=$CA")"
    says "certificate"
    refused 78 "$(url cdc "ssl-mode=VERIFY_CA&ssl-ca=$DIR/none.pem")"
}

@test "TLS: an account that needs the client's certificate" {
    msql "create table t (id int primary key, v text)"
    user certified "require x509"
    refused 77 "$(url certified "ssl-mode=REQUIRED")"
    rows_arrive "$(url certified "ssl-mode=REQUIRED&ssl-cert=$CERTIFICATES/client.pem&ssl-key=$CERTIFICATES/client.key")"
    rows_arrive "$(url certified "ssl-mode=VERIFY_IDENTITY&ssl-ca=$CA&ssl-cert=$CERTIFICATES/client.pem&ssl-key=$CERTIFICATES/client.key")"
}

@test "TLS: much data, rows of more than 16 MB among it, arrives as it was" {
    msql "create table t (id int primary key, v longtext)"
    URL=$(url cdc "ssl-mode=VERIFY_IDENTITY&ssl-ca=$CA")
    begin
    msql "set global max_allowed_packet = 67108864"
    msql "insert into t values (1, repeat('abcdefghij', 2000000)); insert into t select n, repeat(char(97 + n % 26), 1000) from $(numbers 2 20000)"
    read_all
    is "rows" 20000 "$(grep -c '"op":"c"' "$DIR/out")"
    cmp <(msql -N "select id, v from t where id > 1 order by id") <(jq -r 'select(.op == "c" and .after.id > 1) | [.after.id, .after.v] | @tsv' "$DIR/out" | sort -n)
    is "the huge one" 20000000 "$(jq -r 'select(.op == "c" and .after.id == 1) | .after.v' "$DIR/out" | tr -d '\n' | wc -c)"
}

# bats test_tags=only:mysql
@test "caching_sha2_password: without TLS by the server's public key, with it as it is; also when nothing is cached" {
    msql "create table t (id int primary key, v text)"
    user hashed "" "identified with caching_sha2_password by '$MYSQL_PASSWORD'"
    refused 78 "$(url hashed "ssl-mode=DISABLED")"
    rows_arrive "$(url hashed "ssl-mode=DISABLED&get-server-public-key=true")"
    msql "flush privileges"
    rows_arrive "$(url hashed "ssl-mode=DISABLED&server-public-key-path=$(mysql_dir)/data/public_key.pem")"
    msql "flush privileges"
    rows_arrive "$(url hashed "ssl-mode=VERIFY_IDENTITY&ssl-ca=$CA")"
}

# bats test_tags=only:mariadb
@test "ed25519 and the native password" {
    msql "create table t (id int primary key, v text)"
    if msql "install soname 'auth_ed25519'" 2>/dev/null; then
        user curved "" "identified via ed25519 using password('$MYSQL_PASSWORD')"
        rows_arrive "$(url curved "")"
    else
        echo "# this server's package has no ed25519" >&3
    fi
    user native "" "identified via mysql_native_password using password('$MYSQL_PASSWORD')"
    rows_arrive "$(url native "")"
}

# option_file LINE...: the [client] of the user's own file.
option_file() { mkdir -p "$DIR/home"; printf '%s\n' '[client]' "$@" >"$DIR/home/.my.cnf"; }
fingerprint() { openssl x509 -in "$1" -noout -fingerprint -sha1 | sed 's/.*=//'; }
@test "TLS: what the URL asks for no option file weakens" {
    local line
    export HOME=$DIR/home
    MYSQL_SERVER=other
    MYSQL_DATABASE='' msql "create database if not exists $NAME"
    # The server's certificate is of another host, and the one that the URL trusts is a stranger.
    for line in ssl-verify-server-cert=0 tls-verify-peer=0 disable-ssl-verify-server-cert skip-ssl-verify-server-cert ssl=0 ssl-enforce=0 tls-enforce=0 \
        ssl-mode=DISABLED "ssl-ca=$CA" "tls-ca=$CA" "ssl-capath=$CERTIFICATES" "ssl-fp=$(fingerprint "$CERTIFICATES/elsewhere.pem")" "tls-fp=$(fingerprint "$CERTIFICATES/elsewhere.pem")"; do
        option_file "$line"
        refused 78 "$(url cdc "ssl-mode=VERIFY_IDENTITY&ssl-ca=$CA")"
        says "certificate"
        refused 78 "$(url cdc "ssl-mode=VERIFY_CA&ssl-ca=$CERTIFICATES/stranger.pem")"
        says "certificate"
    done
    MYSQL_SERVER=main
    msql "create table t (id int primary key, v text)"
    user secure "require ssl"
    user certified "require x509"
    option_file ssl-enforce=0 tls-enforce=0
    rows_arrive "$(url secure "ssl-mode=REQUIRED")"
    option_file "ssl-ca=$CERTIFICATES/stranger.pem" "ssl-cert=$DIR/none" "ssl-key=$DIR/none"
    rows_arrive "$(url certified "ssl-mode=VERIFY_IDENTITY&ssl-ca=$CA&ssl-cert=$CERTIFICATES/client.pem&ssl-key=$CERTIFICATES/client.key")"
}

@test "TLS: what the URL leaves open comes from option files, which may ask for more" {
    export HOME=$DIR/home
    msql "create table t (id int primary key, v text)"
    user certified "require x509"
    option_file ssl-verify-server-cert=1 "ssl-ca=$CA" "ssl-cert=$CERTIFICATES/client.pem" "ssl-key=$CERTIFICATES/client.key"
    rows_arrive "$(url certified "")"
    option_file ssl-verify-server-cert=1 "ssl-ca=$CERTIFICATES/stranger.pem"
    refused 78 "$(url cdc "")"
    refused 78 "$(url cdc "ssl-mode=REQUIRED")"
    rows_arrive "$(url cdc "ssl-mode=DISABLED$KEY")"
    printf '[mysql-binlog]\nuser = nobody\n[cdc-snapshot]\nuser = nobody\n' >>"$DIR/home/.my.cnf"
    option_file "user=cdc" "password=$MYSQL_PASSWORD" host=127.0.0.1 "port=$(cat "$(mysql_dir)/port")" "database=$NAME"
    rows_arrive mysql://
}

@test "a server without TLS: REQUIRED is 78, PREFERRED goes on without it" {
    msql "create table t (id int primary key, v text)"
    local off=--skip-ssl
    mysql_is_mariadb || off=--tls-version=
    MYSQL_DATABASE='' mysql_restart other $off
    MYSQL_SERVER=other
    MYSQL_DATABASE='' msql "create database $NAME; create table $NAME.t (id int primary key, v text)"
    record_clients
    refused 78 "$(recorded "$(url cdc "ssl-mode=REQUIRED")")"
    mysql_is_mariadb || refused 78 "$(recorded "$(url cdc "ssl-mode=PREFERRED")")"
    rows_arrive "$(recorded "$(url cdc "ssl-mode=PREFERRED$KEY")")"
    [ "$(wc -c <"$DIR/record")" -gt 1000 ]
    # Nobody's cache of passwords has made that easy: the server was just started.
    is "the password on the wire" 0 "$(grep -c "$MYSQL_PASSWORD" "$DIR/record")"
}
# MySQL's accounts want caching_sha2_password, and for that its certificate is tried to be verified first.
# bats test_tags=only:mariadb
@test "PREFERRED breaks no connection off: at a server whose certificate nobody knows, and at one without TLS" {
    aborted() { msql -N "select variable_value from information_schema.global_status where variable_name = 'Aborted_connects'"; }
    local before
    msql "create table t (id int primary key, v text)"
    before=$(aborted)
    rows_arrive "$(url cdc "ssl-mode=PREFERRED")"
    is "connections broken off, with TLS" "$before" "$(aborted)"
    MYSQL_DATABASE='' mysql_restart other --skip-ssl
    MYSQL_SERVER=other
    MYSQL_DATABASE='' msql "create database $NAME; create table $NAME.t (id int primary key, v text)"
    before=$(aborted)
    rows_arrive "$(url cdc "ssl-mode=PREFERRED")"
    is "connections broken off, without TLS" "$before" "$(aborted)"
}
record_clients() {
    : >"$DIR/record"
    spawn python3 "$LIB/tcp-record.py" "$DIR/port" "$DIR/record" "$(cat "$(mysql_dir)/port")"
    wait_until test -s "$DIR/port"
}
recorded() { echo "$1" | sed "s/127.0.0.1:[0-9]*/127.0.0.1:$(cat "$DIR/port")/"; }

# -- limits

@test "an account with too many connections: exit 69, and the rows arrive when the limit is gone" {
    msql "create table t (id int primary key, v text)"
    user limited ""
    msql "set sql_log_bin = 0; alter user limited@'%' with max_user_connections 1"
    refused 69 "$(url limited "")"
    says "max_user_connections"
    msql "set sql_log_bin = 0; alter user limited@'%' with max_user_connections 0"
    rows_arrive "$(url limited "")"
}

# -- settings

# both NAME: what a snapshot and the log say of the test's tables, as $DIR/NAME.
both() {
    t cdc-snapshot -q --name "$NAME" -t "$NAME.*" --offset-file "$DIR/$1.snapshot" "$URL" >"$DIR/$1.all" 2>"$DIR/err" || { cat "$DIR/err"; return 1; }
    t mysql-binlog -q --name "$NAME" -t "$NAME.*" --start "$PLACE" --until now --heartbeat 0 --offset-file "$DIR/$1.log" "$URL" >>"$DIR/$1.all" 2>"$DIR/err" ||
        { cat "$DIR/err"; return 1; }
    lines 'select(.op | IN("schema", "r", "c", "u")) | [.op, .source.table, .key, .before, .after, .columns]' "$DIR/$1.all" >"$DIR/$1"
}
@test "what the server sets for each new session changes no line: charset, limits, transactions, versions" {
    local PLACE setting LIMIT=20
    PLACE=$(log_place)
    msql 'create table `größe` (id int primary key, `名` json, e enum("ä", "名"), t timestamp null); create table v (id int primary key, a int)'
    ! mysql_is_mariadb || msql 'alter table v add system versioning'
    msql 'insert into `größe` values (1, "[1]", "名", "2024-01-02 03:04:05"), (2, "{}", "ä", null), (3, null, null, null); insert into v values (1, 1), (2, 2); update v set a = 3 where id = 2'
    both plain
    is "rows of snapshot and log" "5 5" "$(grep -c '^."r"' "$DIR/plain") $(grep -c '^."c"' "$DIR/plain")"
    # Those of accounts without SUPER begin with this.
    for setting in "set names latin1, sql_select_limit = 1, completion_type = 1" \
        "set character_set_results = latin1, autocommit = 0, completion_type = 2, sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"; do
        msql "set global init_connect = \"$setting\""
        both other || fail "$setting"
        diff "$DIR/plain" "$DIR/other" || fail "$setting"
        rm "$DIR"/other*
    done
    msql "set global init_connect = ''"
    mysql_is_mariadb || return 0
    msql "set global system_versioning_asof = '2020-01-01 00:00:00'"
    both other
    diff "$DIR/plain" "$DIR/other"
}

@test "changes that the server leaves out of its log: exit 78 before the first line, and the cure" {
    local database native='' out=--skip-log-slave-updates
    # From 9.6 on MySQL logs what cascades change, unless it is told to leave that to InnoDB.
    if ! mysql_is_mariadb; then out=--skip-log-replica-updates; ! mysql_since 90600 || native=--innodb-native-foreign-keys=ON; fi
    local MYSQL_DATABASE='' MYSQL_SERVER URL
    mysql_start filtered "$out" --binlog-do-db=shop ${native:+"$native"}
    MYSQL_SERVER=filtered
    URL=$(mysql_url)
    for database in shop shopping; do
        msql "create database $database; create table $database.t (id int primary key)"
    done
    # Rows of shop are logged, but not what a session in another database does with its tables.
    says_by_session() { says 'warning: binlog_do_db leaves out of the log what a session in a database that it does not name'; }
    exits 0 t mysql-binlog -t 'shop.*' --start oldest --until now --offset-file "$DIR/1" "$URL" >"$DIR/out" 2>"$DIR/err"
    says_by_session
    MYSQL_DATABASE=shopping msql 'insert into shop.t values (1); truncate table shop.t'
    exits 0 t mysql-binlog -t 'shop.*' --start oldest --until now --offset-file "$DIR/1" "$URL" >"$DIR/out" 2>"$DIR/err"
    is "what is in the log" "c" "$(changes | jq -r .op | xargs)"
    exits 0 t cdc-snapshot -t 'shop.*' --offset-file "$DIR/2" "$URL" >"$DIR/out" 2>"$DIR/err"
    says_by_session
    exits 0 t mysql-binlog --check -t 'shop.*' "$URL" 2>"$DIR/err"
    says_by_session
    msql 'create table shop.p (id int primary key); create table shop.c (id int primary key, p int, foreign key (p) references shop.p (id) on delete cascade)'
    exits 78 t mysql-binlog --check -t 'shop.*' "$URL" 2>"$DIR/err"
    says 'table shop.c: the server does not log the rows that this changes'
    # All that there is: all that is logged.
    exits 0 t mysql-binlog --start oldest --until now --offset-file "$DIR/3" "$URL" >"$DIR/out" 2>"$DIR/err"
    says 'warning: table shopping.t is selected, and binlog_do_db leaves'
    for database in 'shop*.*' 'shopping.t'; do
        left_out 'table shopping.t is selected, and binlog_do_db leaves' -t "$database"
    done
    mysql_replicate filtered main
    left_out 'is a replica and does not log what it replicates' -t 'shop.*'
    mysql_stop filtered
}

@test "a server that comes back, and leaves a database out of its log from then on: exit 78, not silence" {
    local MYSQL_DATABASE='' MYSQL_SERVER=forgetful URL status=0
    mysql_start forgetful
    URL=$(mysql_url)
    msql 'create database shop; create table shop.t (id int primary key)'
    spawn_line "exec mysql-binlog -t 'shop.*' --start oldest --offset-file '$DIR/p' '$URL' >'$DIR/out' 2>'$DIR/err'"
    msql 'insert into shop.t values (1)'
    wait_for_match "$DIR/out" '"after":\{"id":1\}'
    mysql_restart forgetful --binlog-ignore-db=shop
    msql 'insert into shop.t values (2)'
    status_of "$SPAWNED" || status=$?
    is "exit status" 78 "$status"
    says 'error: table shop.t is selected, and binlog_ignore_db leaves its changes out of the log'
    mysql_stop forgetful
}
# left_out TEXT OPTION...: neither tool begins, and --check says the same.
left_out() {
    local text=$1 tool
    shift
    for tool in mysql-binlog cdc-snapshot; do
        is "exit status of $tool" 78 "$(t "$tool" "$@" --offset-file "$DIR/$tool" "$URL" >"$DIR/out" 2>"$DIR/err"; echo $?)"
        is "lines of $tool" 0 "$(wc -l <"$DIR/out")"
        says "error: .*$text.*hint"
    done
    is "exit status of --check" 78 "$(t mysql-binlog --check "$@" "$URL" >"$DIR/facts" 2>"$DIR/err"; echo $?)"
    says "error: .*$text.*hint"
}

# -- signals

# The handlers are there, and are the program's, not those of the shell that becomes it.
caught() { [ -r "/proc/$1/status" ] && [ "$(cat "/proc/$1/comm")" != bash ] && [ $((0x$(sed -n 's/^SigCgt:[^0-9a-f]*//p' "/proc/$1/status") & 0x4000)) != 0 ]; }
mentions() { grep -q -- "$1" "$DIR/err"; }
# leaves STATUS: the program in $SPAWNED, at the second signal.
leaves() {
    local status=0
    kill -TERM "$SPAWNED"
    status_of "$SPAWNED" || status=$?
    is "exit status" "$1" "$status" || { cat "$DIR/err"; return 1; }
}

@test "a server that takes the connection and says nothing: a second signal ends the stream, the first the snapshot" {
    # Without them the wait ends after ten minutes.
    printf '[client]\nconnect-timeout=600\n' >"$DIR/my.cnf"
    kill -STOP "$(cat "$(mysql_dir)/pid")"
    spawn bash -c "exec mysql-binlog --defaults-file '$DIR/my.cnf' --ack=stdout '$(mysql_url)$NAME' >'$DIR/out' 2>'$DIR/err'"
    wait_until caught "$SPAWNED"
    kill -TERM "$SPAWNED"
    wait_until mentions 'a signal came, still waiting for the server'
    leaves 0
    spawn bash -c "exec cdc-snapshot --defaults-file '$DIR/my.cnf' --state-dir '$DIR' '$(mysql_url)$NAME' >'$DIR/out' 2>'$DIR/err'"
    wait_until caught "$SPAWNED"
    leaves 75
    kill -CONT "$(cat "$(mysql_dir)/pid")"
}

@test "a name server that does not answer: a second signal" {
    cat >"$DIR/names.c" <<'C'
#include <netdb.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)node, (void)service, (void)hints, (void)result;
    for (;;)
        pause();
}
C
    cc -shared -fPIC -o "$DIR/names.so" "$DIR/names.c"
    spawn env LD_PRELOAD="$DIR/names.so" bash -c "exec mysql-binlog --ack=stdout 'mysql://u@db.example/$NAME' >'$DIR/out' 2>'$DIR/err'"
    wait_until caught "$SPAWNED"
    kill -TERM "$SPAWNED"
    wait_until mentions 'a signal came, still waiting for the name server'
    leaves 0
}

@test "a question that waits for another session's lock: a second signal ends it, and the next run has the row" {
    local writer status=0
    MYSQL_DATABASE='' msql "create database if not exists $NAME; set global binlog_row_metadata = $(if mysql_is_mariadb; then echo NO_LOG; else echo MINIMAL; fi)"
    t mysql-binlog --offset-file "$DIR/p" --ack=stdout --start now --until now "$(mysql_url)$NAME" >"$DIR/out" 2>"$DIR/err"
    mkfifo "$DIR/sql"
    spawn bash -c "exec mariadb --no-defaults --socket='$(mysql_dir)/socket' -uroot '$NAME' <'$DIR/sql'"
    writer=$SPAWNED
    exec 7>"$DIR/sql"
    echo "create table n (id int primary key); lock tables n write; insert into n values (2); select sleep(0.1);" >&7
    spawn bash -c "exec mysql-binlog -v --offset-file '$DIR/p' --ack=stdout '$(mysql_url)$NAME' >'$DIR/out' 2>'$DIR/err'"
    waits() { [ "$(msql -N "select count(*) from information_schema.processlist where state like 'Waiting for table metadata lock'")" -gt 0 ]; }
    wait_until waits
    # 0 between transactions, 75 inside one.
    again() { kill -TERM "$SPAWNED" 2>/dev/null; gone "$SPAWNED"; }
    wait_until again
    status_of "$SPAWNED" || status=$?
    [ "$status" = 0 ] || [ "$status" = 75 ] || fail "exit status $status: $(cat "$DIR/err")"
    whole_lines "$DIR/out"
    echo "unlock tables;" >&7
    exec 7>&-
    status_of "$writer"
    t mysql-binlog --offset-file "$DIR/p" --ack=stdout --until now "$(mysql_url)$NAME" >"$DIR/out" 2>"$DIR/err"
    is "row" '{"id":2}' "$(jq -c 'select(.op == "c") | .after' "$DIR/out")"
    MYSQL_DATABASE='' msql "set global binlog_row_metadata = FULL"
}

@test "the URL's database was dropped while nobody read: the hint is followed, and the log goes on with its t line" {
    msql "create table t (id int primary key)"
    URL=$(mysql_url)$NAME
    begin
    msql "insert into t values (1); drop database $NAME"
    local status=0
    binlog --offset-file "$DIR/p" --until now || status=$?
    is "exit" 78 $status
    says "if it was dropped.*CREATE DATABASE it again, empty, and start"
    MYSQL_DATABASE='' msql "create database $NAME"
    binlog --offset-file "$DIR/p" --until now
    is "lines" "c t" "$(jq -r 'select(.op == "c" or .op == "t").op' "$DIR/out" | xargs)"
}

@test "SIGUSR1 while the server lets a session wait, with TLS: statistics each time, and the wait goes on" {
    local writer n
    msql "create table t (id int primary key); insert into t values (1), (2)"
    user certified "require ssl"
    mkfifo "$DIR/sql"
    spawn bash -c "exec mariadb --no-defaults --socket='$(mysql_dir)/socket' -uroot '$NAME' <'$DIR/sql'"
    writer=$SPAWNED
    exec 7>"$DIR/sql"
    echo "lock tables t write; select sleep(0.1);" >&7
    locked() { [ "$(msql -N "select count(*) from information_schema.processlist where db = '$NAME' and command = 'Sleep'")" = 1 ]; }
    wait_until locked
    spawn bash -c "exec cdc-snapshot --name '$NAME' -t '$NAME.*' --retry-max 0 --offset-file '$DIR/s' --ack stdout '$(url certified "ssl-mode=REQUIRED")' >'$DIR/out' 2>'$DIR/err' 7>&-"
    waits() { [ "$(msql -N "select count(*) from information_schema.processlist where user = 'certified' and state like 'Waiting for %'")" -gt 0 ]; }
    wait_until waits
    said() { [ "$(grep -c 'lines in 0, lines out' "$DIR/err")" -ge "$n" ]; }
    for n in 1 2 3; do
        kill -USR1 "$SPAWNED"
        wait_until said || { cat "$DIR/err"; return 1; }
    done
    echo "unlock tables;" >&7
    exec 7>&-
    status_of "$writer"
    status_of "$SPAWNED" || { cat "$DIR/err"; return 1; }
    is "rows" 2 "$(grep -c '"op":"r"' "$DIR/out")"
}
