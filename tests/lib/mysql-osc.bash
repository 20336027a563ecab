# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Online changes of the table t, while clients write to it. After mysql-stale.bash.

osc_tables() {
    msql "create table t (id int primary key, a int, b varchar(40), c int not null default 0, key (a));
          insert into t select n, n, concat('row ', n), n from $(numbers 1 600)"
}
# Clients that write what t has in every shape of it here: they go on when a statement fails.
clients() {
    local client
    cat >"$DIR/client" <<'END'
CLIENT=$1 DIR=$2; shift 2
n=0
while [ ! -f "$DIR/quiet" ]; do
    n=$((n + 1)) k=$(((n * 7 + CLIENT * 3) % 900))
    echo "begin; insert into t (id, b) values ($k, 'client $CLIENT, $n') on duplicate key update b = 'client $CLIENT, $n'; insert into other (v) values ($n); commit; delete from t where id = $(((k * 5) % 900)); update t set b = concat(b, '+') where id between $k and $((k + 5)) and length(b) < 30;"
    [ $((n % 10)) != 0 ] || echo "do sleep(0.05);"
done | mariadb "$@" --force >/dev/null 2>&1
END
    rm -f "$DIR/quiet"
    WRITERS=()
    for client in 1 2 3; do
        spawn bash -o pipefail "$DIR/client" $client "$DIR" --no-defaults --socket="$(mysql_dir)/socket" --user=root "$NAME"
        WRITERS+=("$SPAWNED")
    done
}
# change ALTERATION: by the tool as Debian packages it.
change() {
    pt-online-schema-change --execute --no-version-check --recursion-method=none --chunk-size=200 --sleep=0.02 --no-check-alter \
        --alter "$1" "S=$(mysql_dir)/socket,u=root,D=$NAME,t=t" >"$DIR/pt" 2>&1 || { cat "$DIR/pt"; return 1; }
}
