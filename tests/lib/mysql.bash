# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Private MariaDB and MySQL servers: own folder, a Unix socket and a port of 127.0.0.1, row events in the binary log.
# CDC_MYSQL_FLAVOR says which: mariadb (this machine's), mariadb-11.8, mysql-9.7 (from the trees of tests/matrix).
# CDC_MYSQL_PREFIX is the folder of another one, with bin/mariadbd or bin/mysqld in it; what it is, it says itself.
#
# A .bats file starts one with mysql_start in setup_file and ends all with mysql_end in teardown_file. A second server has a
# name: mysql_start replica; MYSQL_SERVER=replica msql 'SQL'; mysql_url replica.

# shellcheck source=tests/lib/tree.bash
. "$(dirname "${BASH_SOURCE[0]}")/tree.bash"

MYSQL_PASSWORD=rows-and-rows
unset MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT MYSQL_PWD MYSQL_HOME

mysql_tree() { [ -n "${CDC_MYSQL_PREFIX:-}" ] || tree_of "$CDC_MYSQL_FLAVOR"; }
mysql_prefix() { echo "${CDC_MYSQL_PREFIX:-/usr}"; }
# mysql_program NAME...: the path of the first that is there, as the tree sees it.
mysql_program() {
    local tree name folder
    tree=$(mysql_tree)
    for name in "$@"; do
        for folder in sbin bin libexec scripts; do
            [ ! -x "$tree$(mysql_prefix)/$folder/$name" ] || { echo "$(mysql_prefix)/$folder/$name"; return; }
        done
    done
    return 1
}
mysql_is_mariadb() { [[ $CDC_MYSQL_FLAVOR == mariadb* ]]; }
mysql_daemon() { if mysql_is_mariadb; then mysql_program mariadbd mysqld; else mysql_program mysqld; fi; }
# Whether the server is there: mysql_available || skip "no $CDC_MYSQL_FLAVOR"
mysql_available() { mysql_daemon >/dev/null && command -v mariadb >/dev/null; }
# Whether the running one is MySQL (or MariaDB) of this version or a later one: mysql_since 80200
mysql_since() { [ "$(cat "$(mysql_dir)/version")" -ge "$1" ]; }
# What the server in CDC_MYSQL_PREFIX is: mariadb-11.4, mysql-8.0.
mysql_flavor() {
    local version
    version=$("$(mysql_program mariadbd mysqld)" --no-defaults --version) || { echo "no server in $CDC_MYSQL_PREFIX" >&2; return 1; }
    [[ $version =~ Ver\ ([0-9]+\.[0-9]+)\.[0-9]+(-MariaDB)? ]] || return 1
    if [ -n "${BASH_REMATCH[2]}" ]; then echo "mariadb-${BASH_REMATCH[1]}"; else echo "mysql-${BASH_REMATCH[1]}"; fi
}
[ -n "${CDC_MYSQL_FLAVOR:-}" ] || if [ -n "${CDC_MYSQL_PREFIX:-}" ]; then CDC_MYSQL_FLAVOR=$(mysql_flavor); else CDC_MYSQL_FLAVOR=mariadb; fi
export CDC_MYSQL_FLAVOR

# The folder of a server: data, socket, port, options, log; pid while it is meant to run.
mysql_dir() { echo "$CDC_MYSQL_DIR/${1:-${MYSQL_SERVER:-main}}"; }

# Takes the place of the (sub)shell, as in_tree does. The servers refuse to run as root.
as_mysql() {
    local tree
    tree=$(mysql_tree)
    if [ -n "$tree" ]; then in_tree "$tree" "$(id -u nobody):$(id -g nobody)" "$@"; fi
    if [ "$(id -u)" = 0 ]; then exec setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"; fi
    exec "$@"
}
# A process that nobody has waited for yet has ended all the same, once its last thread has.
mysql_ended() {
    local status
    status=$(cat "/proc/$1/status" 2>/dev/null)
    [ -z "$status" ] || { [[ $status =~ State:[[:space:]]+[ZX] ]] && [[ $status =~ Threads:[[:space:]]+[01]($|[[:space:]]) ]]; }
}
mysql_running() { [ -f "$(mysql_dir "$@")/pid" ] && ! mysql_ended "$(cat "$(mysql_dir "$@")/pid")"; }
mysql_answers() { mysql_ended "$2" || MYSQL_SERVER=$1 msql 'select 1' >/dev/null 2>&1; }
mysql_complain() { echo "$CDC_MYSQL_FLAVOR: server $2 $1" >&2; { grep -iE "error|signal|cannot" "$(mysql_dir "$2")/log" | head -15; echo ...; tail -30 "$(mysql_dir "$2")/log"; } >&2; return 1; }
# Below the ports that the system gives away by itself. Of the suites that tests/run has side by side, none gets another's.
mysql_free_port() {
    local port
    for port in $(shuf -i 20000-31999 -n 50); do
        [ -z "${CDC_RUN_DIR:-}" ] || mkdir "$CDC_RUN_DIR/port-$port" 2>/dev/null || continue
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
    return 1
}

# mysql_initialize DIR: makes DIR/data, as a copy of the one that the run of tests/run already has.
mysql_initialize() {
    local template=${CDC_RUN_DIR:-}/template-$CDC_MYSQL_FLAVOR
    [ -n "${CDC_RUN_DIR:-}" ] || { mysql_install "$1"; return; }
    (flock 9; [ -d "$template/data" ] || mysql_template "$template") 9>"$template.lock" || return 1
    cp -a --sparse=always "$template/data" "$1/data" || return 1
    rm -f "$1/data/auto.cnf" # MySQL makes a new identity
}
mysql_template() {
    rm -rf "$1.making"
    mkdir "$1.making" || return 1
    [ "$(id -u)" != 0 ] || chown nobody: "$1.making"
    mysql_install "$1.making" && mv "$1.making" "$1"
}
# tmpdir: that of the caller may be nobody else's to write.
mysql_install() {
    local dir=$1
    if mysql_is_mariadb; then
        (as_mysql "$(mysql_program mariadb-install-db)" --no-defaults --basedir="$(mysql_prefix)" --datadir="$dir/data" --tmpdir="$dir" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve --force)
    else
        (as_mysql "$(mysql_daemon)" --no-defaults --initialize-insecure --datadir="$dir/data" --tmpdir="$dir")
    fi
}
mysql_options() {
    local dir=$1
    printf '%s\n' --no-defaults --datadir="$dir/data" --socket="$dir/socket" --pid-file="$dir/data/pid" --tmpdir="$dir/data" \
        --bind-address=127.0.0.1 --port="$(cat "$dir/port")" --skip-name-resolve --max-connections=120 --character-set-server=utf8mb4 \
        --server-id="$(find "$CDC_MYSQL_DIR" -mindepth 1 -maxdepth 1 -type d | wc -l)" \
        --log-bin=binlog --binlog-format=ROW --binlog-row-image=FULL --loose-binlog-row-metadata=FULL \
        --innodb-flush-log-at-trx-commit=2 --sync-binlog=0 --innodb-buffer-pool-size=128M
    # A replica's changes are in its own log on MySQL without being asked.
    if mysql_is_mariadb; then
        echo --log-slave-updates
    else
        printf '%s\n' --gtid-mode=ON --enforce-gtid-consistency=ON --loose-mysqlx=OFF --secure-file-priv=NULL
    fi
}
# The server begins with an empty log: what makes the users is not in it.
mysql_users() {
    local account
    msql -N "select concat('\`', user, '\`@\`', host, '\`') from mysql.user where user = ''" | while read -r account; do
        msql "set sql_log_bin = 0; drop user $account" </dev/null
    done
    msql "set sql_log_bin = 0; create user cdc@'%' identified by '$MYSQL_PASSWORD'"
    if mysql_is_mariadb; then
        msql "set sql_log_bin = 0; grant replication slave, binlog monitor, select, reload on *.* to cdc@'%'"
    elif ! mysql_since 80000; then
        msql "set sql_log_bin = 0; grant replication slave, replication client, select, reload on *.* to cdc@'%'"
    else
        msql "set sql_log_bin = 0; grant replication slave, replication client, select, reload, backup_admin on *.* to cdc@'%';
              grant select on performance_schema.* to cdc@'%'"
    fi
}

# mysql_up NAME: starts the server that is there, and waits until it answers.
mysql_up() {
    local dir options pid
    dir=$(mysql_dir "$1")
    mapfile -t options <"$dir/options"
    # MySQL takes a process that was killed, and not yet collected, for one that uses the socket.
    rm -f "$dir/socket" "$dir/socket.lock"
    (cd "$dir" && as_mysql "$(mysql_daemon)" "${options[@]}") </dev/null >>"$dir/log" 2>&1 3>&- &
    pid=$!
    disown "$pid"
    echo "$pid" >"$dir/pid"
    wait_until -t 180 mysql_answers "$1" "$pid" && ! mysql_ended "$pid" && return
    kill -KILL "$pid" 2>/dev/null
    rm -f "$dir/pid"
    mysql_complain "did not start" "$1"
}
# mysql_start [NAME] [OPTION...]: makes and starts a server; the options come last on its command line.
mysql_start() {
    local name=main dir MYSQL_SERVER
    case ${1:-} in '' | -*) ;; *) name=$1; shift ;; esac
    mysql_available || { echo "no $CDC_MYSQL_FLAVOR found: run tests/setup test, or tests/matrix --prepare" >&2; return 1; }
    [ -n "${CDC_MYSQL_DIR:-}" ] || CDC_MYSQL_DIR=$(test_folder)
    export CDC_MYSQL_DIR
    MYSQL_SERVER=$name
    dir=$(mysql_dir)
    chmod 755 "$CDC_MYSQL_DIR"
    mkdir "$dir" || return 1
    [ "$(id -u)" != 0 ] || chown nobody: "$dir"
    mysql_free_port >"$dir/port" || { echo "no free port" >&2; return 1; }
    mysql_options "$dir" >"$dir/options"
    [ $# = 0 ] || printf '%s\n' "$@" >>"$dir/options"
    mysql_initialize "$dir" >"$dir/log" 2>&1 </dev/null || { mysql_complain "was not made" "$name"; return 1; }
    mysql_up "$name" && msql -N 'select version()' | awk -F. '{ printf "%d%02d%02d\n", $1, $2, $3 }' >"$dir/version" && mysql_users
}
# mysql_stop [NAME]: with the server's own shutdown. One that had ended by itself is an error.
mysql_stop() {
    local dir name=${1:-${MYSQL_SERVER:-main}} pid
    dir=$(mysql_dir "$name")
    pid=$(cat "$dir/pid") || return 1
    rm -f "$dir/pid"
    ! mysql_ended "$pid" || { mysql_complain "had ended by itself" "$name"; return 1; }
    kill -TERM "$pid" 2>/dev/null
    wait_until -t 60 mysql_ended "$pid" && return
    kill -KILL "$pid"
    mysql_complain "did not stop" "$name"
}
# mysql_kill [NAME]: SIGKILL.
mysql_kill() {
    local dir pid
    dir=$(mysql_dir "$@")
    pid=$(cat "$dir/pid") || return 1
    rm -f "$dir/pid"
    kill -KILL "$pid"
    wait_until -t 60 mysql_ended "$pid"
}
# mysql_restart [NAME] [OPTION...]: also of one that was stopped or killed; further options stay.
mysql_restart() {
    local name=${MYSQL_SERVER:-main}
    case ${1:-} in '' | -*) ;; *) name=$1; shift ;; esac
    [ ! -f "$(mysql_dir "$name")/pid" ] || mysql_stop "$name" || return 1
    [ $# = 0 ] || printf '%s\n' "$@" >>"$(mysql_dir "$name")/options"
    mysql_up "$name"
}
# Stops what runs and removes all of it; fails when a server had ended by itself.
mysql_end() {
    local pid status=0
    [ -n "${CDC_MYSQL_DIR:-}" ] || return 0
    for pid in "$CDC_MYSQL_DIR"/*/pid; do
        [ ! -f "$pid" ] || mysql_stop "$(basename "$(dirname "$pid")")" || status=1
    done
    [ "${CDC_TEST_KEEP:-0}" = 1 ] || rm -rf "$CDC_MYSQL_DIR"
    unset CDC_MYSQL_DIR
    return $status
}

# msql [-N] 'SQL': as root, one row a line, columns between tabs, under a line of names without -N. Without SQL: from standard
# input. MYSQL_DATABASE and MYSQL_SERVER say where.
msql() {
    local options=(--no-defaults --batch --default-character-set=utf8mb4 --socket="$(mysql_dir)/socket" --user=root)
    [ "${1:-}" != -N ] || { options+=(-N); shift; }
    [ $# = 0 ] || options+=(-e "$*")
    mariadb "${options[@]}" ${MYSQL_DATABASE:+"$MYSQL_DATABASE"}
}
# What the releases call differently.
log_status() { if ! mysql_is_mariadb && mysql_since 80200; then echo 'show binary log status'; else echo 'show master status'; fi; }
# Where the log ends: FILE:POSITION, and the GTIDs.
log_place() { msql -N "$(log_status)" | awk '{ print $1 ":" $2 }'; }
log_gtids() { if mysql_is_mariadb; then msql -N 'select @@global.gtid_binlog_pos'; else msql -N "select replace(@@global.gtid_executed, '\n', '')"; fi; }
log_file() { echo "$(mysql_dir)/data/$1"; }
log_files() { msql -N 'show binary logs' | cut -f1; }
reset_log() { if ! mysql_is_mariadb && mysql_since 80200; then msql 'reset binary logs and gtids'; else msql 'reset master'; fi; }
# mysql_replicate NAME SOURCE: the server copies what the other one's log has, by GTID, from now on.
# MySQL 9 gives up after ten attempts, which a restart may outlast.
mysql_replicate() {
    local MYSQL_SERVER=$1 MYSQL_DATABASE='' port
    port=$(cat "$(mysql_dir "$2")/port")
    if mysql_is_mariadb; then
        msql "change master to master_host = '127.0.0.1', master_port = $port, master_user = 'cdc', master_password = '$MYSQL_PASSWORD', master_connect_retry = 1, master_use_gtid = slave_pos; start slave"
    elif mysql_since 80023; then
        msql "change replication source to source_host = '127.0.0.1', source_port = $port, source_user = 'cdc', source_password = '$MYSQL_PASSWORD', source_connect_retry = 1, source_retry_count = 1000, source_auto_position = 1, get_source_public_key = 1; start replica"
    else
        msql "change master to master_host = '127.0.0.1', master_port = $port, master_user = 'cdc', master_password = '$MYSQL_PASSWORD', master_connect_retry = 1, master_retry_count = 1000, master_auto_position = 1, get_master_public_key = 1; start slave"
    fi
}
# mysql_promote NAME: it copies no more.
mysql_promote() {
    local MYSQL_SERVER=$1 MYSQL_DATABASE=''
    if ! mysql_is_mariadb && mysql_since 80022; then msql 'stop replica; reset replica all'; else msql 'stop slave; reset slave all'; fi
}
# mysql_url [NAME]: as user cdc.
mysql_url() { echo "mysql://cdc:$MYSQL_PASSWORD@127.0.0.1:$(cat "$(mysql_dir "$@")/port")/"; }
