bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/mysql-helpers
load lib/mysql-stale
setup_file() { mysql_start --binlog-row-metadata="$(least)"; }
teardown_file() { mysql_end; }
setup() { stale_test_setup; }
teardown() { stale_test_teardown; }
show() { echo "== $*" >>/tmp/myknown/exp; }
one() { local s=0; : >"$DIR/err"; t bash -o pipefail -c "$(line --until now)" || s=$?; echo "status $s" >>/tmp/myknown/exp; cat "$DIR/err" >>/tmp/myknown/exp; }
@test "xa file" {
    show "xa with --file"
    msql "create table t (id int primary key, a int); xa start 'x'; insert into t values (1,1); xa end 'x'; xa prepare 'x'; xa commit 'x'; insert into t values (3,3); flush binary logs"
    ls -la "$(mysql_dir)/data" | grep binlog >>/tmp/myknown/exp
    local s=0
    t mysql-binlog --name f -t "$NAME.*" --file "$(mysql_dir)/data/binlog.000001" >"$DIR/o" 2>>/tmp/myknown/exp || s=$?
    echo "status $s" >>/tmp/myknown/exp
    jq -c 'select(.after)|.after' "$DIR/o" >>/tmp/myknown/exp
    s=0
    t mysql-binlog --name f -t "$NAME.*" --state-dir "$STATE" --file "$(mysql_dir)/data/binlog.000001" >"$DIR/o" 2>>/tmp/myknown/exp || s=$?
    echo "status $s" >>/tmp/myknown/exp
    jq -c 'select(.after)|.after' "$DIR/o" >>/tmp/myknown/exp
}
