#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A disk that is full: that of the file with the position, or of what cdc-filter and the sinks keep of refused lines. The tool stops with
# 74 and names the file, nothing is confirmed, and with room again the same line goes on to the same rows.
bats_require_minimum_version 1.8.0
load lib/common

setup() {
    DIR=$BATS_TEST_TMPDIR
    mkdir "$DIR/disk"
}
teardown() { end_spawned || true; }

# The scenario on stdin, in a mount namespace of its own where that may be made (tests/lib/disk-full.bash).
on_small_disk() {
    cat >"$DIR/scenario"
    local apart=(unshare --map-root-user --mount)
    "${apart[@]}" true 2>/dev/null || apart=()
    LIMIT=120 t "${apart[@]}" bash "$LIB/disk-full.bash" "$DIR" <"$DIR/scenario"
    [ -e "$DIR/done" ]
}

@test "cdc-sink-sqlite: the disk of its offset file is full" {
    on_small_disk <<'END'
sink() { ends "$1" cdc-sink-sqlite --offset-file "$DISK/offset" "$DIR/copy.db"; }
{ users; row 1 one; commit; } >"$DIR/in"
sink 0
before=$(position "$DISK/offset")
{ row 2 two; commit; } >>"$DIR/in"
full
sink 74
says "$DISK/offset|copy.db"
is "the position" "$before" "$(position "$DISK/offset")"
room
sink 0
is "the position" "$(last_position)" "$(position "$DISK/offset")"
is rows "1|one 2|two" "$(sqlite3 "$DIR/copy.db" 'select * from t' | xargs)"
END
}

@test "cdc-sink-http: the disk of its offset file is full, and lines come again" {
    mkdir "$DIR/server"
    spawn python3 "$LIB/http-server.py" "$DIR/server"
    wait_until test -s "$DIR/server/port"
    on_small_disk <<'END'
sink() { ends "$1" cdc-sink-http --webhook --offset-file "$DISK/offset" "http://127.0.0.1:$(cat "$DIR/server/port")/"; }
{ users; row 1 one; commit; } >"$DIR/in"
sink 0
before=$(position "$DISK/offset")
{ row 2 two; commit; row 3 three; commit; } >>"$DIR/in"
full
sink 74
says "$DISK/offset"
is "the position" "$before" "$(position "$DISK/offset")"
room
sink 0
is "the position" "$(last_position)" "$(position "$DISK/offset")"
is rows "1 2 3" "$(jq -r '.body | fromjson | .after.id' "$DIR/server/log" | sort -u | xargs)"
is "the last of what came" "2 3" "$(jq -r '.body | fromjson | .after.id' "$DIR/server/log" | tail -2 | xargs)"
END
}

@test "cdc-filter: the disk of its dead letters is full, in the middle of one" {
    on_small_disk <<'END'
filter() { ends "$1" cdc-filter --on-error dead-letter --dead-letter "$DISK/dead"; }
{ users; echo bad; row 1 one; commit; } >"$DIR/in"
filter 0
{ printf 'worse %020000d\n' 1; row 2 two; commit; } >"$DIR/in"
full
filter 74
says "$DISK/dead"
not grep -q '"op":"c"' "$DIR/out"
room
filter 0
is "what passed" "2" "$(jq -r 'select(.op == "c").after.id' "$DIR/out")"
is "letters" "bad worse" "$(jq -r .line "$DISK/dead" | cut -c1-5 | xargs)"
whole_lines "$DISK/dead"
END
}

@test "cdc-sink-sqlite: the disk of its dead letters, and of what it knows of refused rows, is full" {
    on_small_disk <<'END'
sink() { ends "$1" cdc-sink-sqlite --on-error dead-letter --dead-letter "$DISK/dead" --offset-file "$DISK/offset" "$DIR/copy.db"; }
{ users; row 1 one; commit; } >"$DIR/in"
sink 0
sqlite3 "$DIR/copy.db" "create trigger no before insert on t when new.name like 'bad%' begin select raise(fail, 'no bad ones'); end"
before=$(position "$DISK/offset")
{ row 2 "bad$(printf %09000d 1)"; row 3 three; commit; } >>"$DIR/in"
full
sink 74
says "$DISK/|copy.db"
is "the position" "$before" "$(position "$DISK/offset")"
room
sink 0
is rows "1|one 3|three" "$(sqlite3 "$DIR/copy.db" 'select * from t' | xargs)"
whole_lines "$DISK/dead"
is "the row that was refused" 2 "$(jq -r '.line | fromjson | .after.id' "$DISK/dead" | sort -u)"
sqlite3 "$DIR/copy.db" 'drop trigger no'
: >"$DIR/in"
ends 0 cdc-sink-sqlite --replay "$DISK/dead" --offset-file "$DISK/offset" "$DIR/copy.db"
is rows 3 "$(sqlite3 "$DIR/copy.db" 'select count(*) from t')"
END
}
