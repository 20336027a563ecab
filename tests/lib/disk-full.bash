#!/bin/bash
# SPDX-License-Identifier: MIT
# disk-full.bash DIR: what tests/disk-full.bats does on a small disk, DIR/disk. The scenario is read from stdin. It is a file system of
# 64 KiB where one may be mounted; elsewhere files get a limit of their size when it is to be full.
set -eu
DIR=$1
DISK=$DIR/disk
LIMIT=:
MOUNTED=yes
mount -t tmpfs -o size=64k tmpfs "$DISK" 2>/dev/null || MOUNTED=
export DIR DISK
# shellcheck source=tests/lib/common.bash
. "${BASH_SOURCE%/*}/common.bash"
# shellcheck source=tests/lib/lines.bash
. "$LIB/lines.bash"

full() { if [ -n "$MOUNTED" ]; then dd if=/dev/zero of="$DISK/filler" bs=4096 2>/dev/null || true; else LIMIT='ulimit -f 0'; fi; }
room() { rm -f "$DISK/filler"; LIMIT=:; }
users() { schema id id:integer name:text; }
row() { change c "{\"id\":$1}" null "{\"id\":$1,\"name\":\"$2\"}"; }
# ends STATUS TOOL...: with $DIR/in; its lines in $DIR/out, its messages in $DIR/err, which are not on the disk, and have no limit.
ends() {
    local wanted=$1
    shift
    {
        # shellcheck disable=SC2016
        bash -c "$LIMIT"'; exec "$@"' limited timeout 60 "$@" <"$DIR/in" 2>&3 | cat >"$DIR/out"
        echo "${PIPESTATUS[0]}" >"$DIR/status"
    } 3>&1 | cat >"$DIR/err"
    is "exit status of $*" "$wanted" "$(cat "$DIR/status")" || { cat "$DIR/err" >&2; return 1; }
}
says() { grep -qE -- "error: .*$1" "$DIR/err" || fail "no error names '$1': $(cat "$DIR/err")"; }
# position FILE
position() { jq -r '.offsets.n.pos // ""' "$1"; }
last_position() { tail -1 "$DIR/in" | jq -r .pos; }

# shellcheck source=/dev/null
. /dev/stdin
echo done >"$DIR/done"
