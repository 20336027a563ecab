# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# supervise.bash DIR: the command line in DIR/line, as a supervisor runs it (tests/lib/common.bash, supervise).
dir=$1
while [ ! -e "$dir/stop" ]; do
    bash -o pipefail -c "$(cat "$dir/line")" 2>>"$dir/err"
    status=$?
    echo "$status" >>"$dir/ends"
    case $status in
    0 | 69 | 74 | 75 | 137 | 143) sleep 0.05 ;; # what a supervisor leaves between two runs
    *)
        echo "$status" >"$dir/failed"
        exit "$status"
        ;;
    esac
done
