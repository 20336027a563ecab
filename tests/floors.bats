#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Who may include and call whom (tests/floors.rooms): of this tree, and that what is forbidden would be found.
# takes: 15 s
bats_require_minimum_version 1.8.0
load lib/common

# A small tree of the same shape without a violation; each test plants one.
setup() {
    TREE=$BATS_TEST_TMPDIR/tree
    mkdir -p "$TREE/tests"
    cat >"$TREE/tests/floors.rooms" <<'END'
include/cdc             0  pure
libcdc/base             1  pure
libcdc/loop             2  pure
connectors/sql          1  shared
connectors/one/value    1  pure
connectors/one/session  2
connectors/one/scan     2
connectors/one          3
connectors/two          1
cmd                     1
END
    put include/cdc/say.h 'struct cdc_word { int n; };' 'int cdc_say(int n); /* printf would be wrong here */'
    put libcdc/base/base.h 'int base_twice(int n);'
    put libcdc/base/say.c '#include <cdc/say.h>' '#include "base.h"' 'int base_twice(int n)' '{' 'return 2 * n;' '}' 'int cdc_say(int n)' '{' 'return base_twice(n);' '}'
    put libcdc/loop/loop.c '#include "libcdc/base/base.h"' 'int cdc_loop(int n)' '{' 'return base_twice(n);' '}'
    put connectors/sql/sql.h 'int sql_text(int n);'
    put connectors/sql/sql.c '#include "sql.h"' 'int sql_text(int n)' '{' 'return n;' '}'
    put connectors/one/value/value.h 'struct one_value { int n; };' 'int one_value_read(struct one_value *value);'
    put connectors/one/value/internal.h 'int one_value_inner(int n);'
    put connectors/one/value/value.c '#include "value.h"' '#include "internal.h"' '#include <cdc/say.h>' 'int one_value_read(struct one_value *value)' '{' \
        'return cdc_say(one_value_inner(value->n));' '}'
    put connectors/one/value/inner.c '#include "internal.h"' 'int one_value_inner(int n)' '{' 'return n;' '}'
    put connectors/one/session/session.h 'int one_session_ask(int n);'
    put connectors/one/session/session.c '#include "session.h"' '#include "connectors/one/value/value.h"' 'int one_session_ask(int n)' '{' \
        'struct one_value value = {n};' 'return one_value_read(&value);' '}'
    put connectors/one/scan/scan.c 'int one_scan(void)' '{' 'return 0;' '}'
    put connectors/one/one.h 'int one_run(void);'
    put connectors/one/run.c '#include "one.h"' '#include "session/session.h"' '#include "connectors/sql/sql.h"' 'int one_run(void)' '{' 'return sql_text(one_session_ask(1));' '}'
    put connectors/two/two.h 'int two_run(void);'
    put connectors/two/two.c '#include "two.h"' 'int two_run(void)' '{' 'return 0;' '}'
    put cmd/tool.c '#include "connectors/one/one.h"' 'int main(void)' '{' 'return one_run();' '}'
}

# put FILE LINE...: a source of the small tree.
put() {
    mkdir -p "$TREE/$(dirname "$1")"
    printf '%s\n' "${@:2}" >"$TREE/$1"
}
append() { printf '%s\n' "${@:2}" >>"$TREE/$1"; }
# Compiles what has no object, or an older one.
compile() {
    local source object
    (cd "$TREE" && find libcdc connectors cmd -name '*.c') | while read -r source; do
        object=$TREE/build/${source%.c}.o
        [ "$TREE/$source" -ot "$object" ] || {
            mkdir -p "${object%/*}"
            (cd "$TREE" && gcc -w -Iinclude -I. -c -o "$object" "$source") || exit 1
        }
    done
}
floors() { compile && t "$CDC_ROOT/tests/floors" --root "$TREE" --build "$TREE/build" "$@"; }
# found LINE...: these violations and no others.
found() {
    run floors
    [ "$status" -eq 1 ] || fail "exit status $status: $output"
    is "violations" "$(printf '%s\n' "$@" | sort)" "$(head -n -1 <<<"$output" | sort)"
}

@test "no file of this tree includes or calls upwards, but for the list" {
    run t "$CDC_ROOT/tests/floors" --build "$CDC_BUILD"
    [ "$status" -eq 0 ] || fail "$output"
    [[ ${lines[-1]} == *" 0 violations"* ]]
}

@test "the plan of this tree bites: a decoder that includes the stream, a call of it from a value" {
    TREE=$BATS_TEST_TMPDIR/copy
    mkdir -p "$TREE/tests"
    cp -a "$CDC_ROOT"/{include,libcdc,connectors,cmd} "$TREE"
    cp -a "$CDC_ROOT"/tests/floors.* "$TREE/tests"
    mkdir "$TREE/build"
    cp -a "$CDC_BUILD"/{libcdc,connectors,cmd} "$TREE/build"
    [ -e "$TREE/build/connectors/mysql/stream/stream.o" ] || skip "built without MySQL"
    run -0 floors
    append connectors/mysql/decoder/position.c '#include "connectors/mysql/stream/internal.h"'
    touch -d '+2 seconds' "$TREE/build/connectors/mysql/decoder/position.o" # newer for sure, so that it is not compiled again
    put connectors/mysql/value/planted.c 'int planted_up(void);' 'int planted_down(void)' '{' 'return planted_up();' '}'
    put connectors/mysql/stream/planted.c 'int planted_up(void)' '{' 'return 1;' '}'
    run -1 floors
    grep -qxF "connectors/mysql/decoder/position.c -> connectors/mysql/stream/internal.h: internal.h (include up)" <<<"$output"
    grep -qxF "connectors/mysql/value/planted.c -> connectors/mysql/stream/planted.c: planted_up (call up)" <<<"$output"
}

@test "the small tree is good" {
    run -0 floors
    [[ ${lines[-1]} == *" 0 violations, 0 exceptions" ]]
}

@test "include up" {
    append connectors/one/value/inner.c '#include "connectors/one/one.h"'
    append include/cdc/say.h '#include "libcdc/loop/loop.h"'
    put libcdc/loop/loop.h ''
    append libcdc/base/say.c '#include "connectors/sql/sql.h"'
    found "connectors/one/value/inner.c -> connectors/one/one.h: one.h (include up)" \
        "connectors/one/value -> connectors/one: one.h (circle of rooms in connectors/one: . session value)" \
        "include/cdc/say.h -> libcdc/loop/loop.h: loop.h (include up)" \
        "include/cdc -> libcdc/loop: loop.h (circle of rooms: include/cdc libcdc/base libcdc/loop)" \
        "libcdc/base/say.c -> connectors/sql/sql.h: sql.h (include up)"
}

@test "call up, through a prototype of its own" {
    put connectors/one/value/inner.c '#include "internal.h"' 'int one_scan(void);' 'int one_value_inner(int n)' '{' 'return n + one_scan();' '}'
    put libcdc/base/up.c 'int sql_text(int n);' 'int cdc_up(int n)' '{' 'return sql_text(n);' '}'
    found "connectors/one/value/inner.c -> connectors/one/scan/scan.c: one_scan (call up)" \
        "libcdc/base/up.c -> connectors/sql/sql.c: sql_text (call up)"
}

@test "a pointer to a function, or data, is as good as a call" {
    put connectors/one/scan/scan.c 'int one_scan_size = 3;' 'int one_scan(void)' '{' 'return 0;' '}'
    put connectors/one/value/inner.c '#include "internal.h"' 'int one_scan(void);' 'extern int one_scan_size;' 'int (*const one_value_of)(void) = one_scan;' \
        'int one_value_inner(int n)' '{' 'return n + one_scan_size;' '}'
    found "connectors/one/value/inner.c -> connectors/one/scan/scan.c: one_scan one_scan_size (call up)"
}

@test "rooms on one floor, and connectors, do not know each other" {
    append connectors/one/scan/scan.c '#include "connectors/one/session/session.h"' 'int one_scan_ask(void)' '{' 'return one_session_ask(1);' '}'
    append connectors/two/two.c '#include "connectors/one/one.h"' '#include "connectors/sql/sql.h"' 'int two_more(void)' '{' 'return one_run() + sql_text(1);' '}'
    found "connectors/one/scan/scan.c -> connectors/one/session/session.h: session.h (include of a room on the same floor)" \
        "connectors/one/scan/scan.c -> connectors/one/session/session.c: one_session_ask (call of a room on the same floor)" \
        "connectors/two/two.c -> connectors/one/one.h: one.h (include of another connector)" \
        "connectors/two/two.c -> connectors/one/run.c: one_run (call of another connector)"
}

@test "circle of files" {
    append connectors/one/value/inner.c '#include "value.h"' 'int one_value_again(struct one_value *value)' '{' 'return one_value_read(value);' '}'
    found "connectors/one/value/inner.c -> connectors/one/value/value.c: one_value_read (circle of files in connectors/one/value: inner.c value.c)" \
        "connectors/one/value/value.c -> connectors/one/value/inner.c: one_value_inner (circle of files in connectors/one/value: inner.c value.c)"
}

@test "circle of rooms, without one of files" {
    put connectors/one/value/more.c 'int one_scan(void);' 'int one_value_more(void)' '{' 'return one_scan();' '}'
    put connectors/one/scan/key.c '#include "connectors/one/value/value.h"' 'int one_scan_key(struct one_value *value)' '{' 'return one_value_read(value);' '}'
    found "connectors/one/value/more.c -> connectors/one/scan/scan.c: one_scan (call up)" \
        "connectors/one/value -> connectors/one/scan: one_scan (circle of rooms in connectors/one: scan value)"
    # Of connectors that all may use, which have no floors among themselves, each arrow.
    echo 'connectors/log 1 shared' >>"$TREE/tests/floors.rooms"
    rm "$TREE/connectors/one/value/more.c"
    put connectors/log/log.c 'int sql_text(int n);' 'int log_text(int n)' '{' 'return sql_text(n);' '}' 'int log_more(int n)' '{' 'return n;' '}'
    put connectors/sql/more.c 'int log_more(int n);' 'int sql_more(int n)' '{' 'return log_more(n);' '}'
    found "connectors/log -> connectors/sql: sql_text (circle of rooms in connectors: log sql)" \
        "connectors/sql -> connectors/log: log_more (circle of rooms in connectors: log sql)"
}

@test "circle of files and rooms that an arrow up closes: that arrow, not the whole circle" {
    append connectors/one/value/inner.c 'int one_run(void);' 'int one_value_run(void)' '{' 'return one_run();' '}'
    found "connectors/one/value/inner.c -> connectors/one/run.c: one_run (call up)" \
        "connectors/one/value/inner.c -> connectors/one/run.c: one_run (circle of files in connectors/one: run.c session/session.c value/inner.c value/value.c)" \
        "connectors/one/value -> connectors/one: one_run (circle of rooms in connectors/one: . session value)"
    echo "connectors/one/value/inner.c -> connectors/one/run.c" >"$TREE/tests/floors.exceptions"
    run -0 floors
}

@test "internal header from outside" {
    append connectors/one/session/session.c '#include "connectors/one/value/internal.h"'
    put connectors/one/session/more_internal.h 'int one_session_more;'
    append connectors/one/run.c '#include "session/more_internal.h"'
    found "connectors/one/session/session.c -> connectors/one/value/internal.h: internal.h (include of another room's internal header)" \
        "connectors/one/run.c -> connectors/one/session/more_internal.h: more_internal.h (include of another room's internal header)"
}

@test "a connector uses of libcdc what is public, in include and call" {
    append connectors/two/two.c '#include "libcdc/base/base.h"' 'int two_more(void)' '{' 'return base_twice(1);' '}'
    found "connectors/two/two.c -> libcdc/base/base.h: base.h (include of a header that is libcdc's own)" \
        "connectors/two/two.c -> libcdc/base/say.c: base_twice (call of a function that no header for this file declares)"
}

@test "cmd sees of a connector its top header alone" {
    append cmd/tool.c '#include "connectors/one/session/session.h"' 'int ask(void)' '{' 'return one_session_ask(1);' '}'
    found "cmd/tool.c -> connectors/one/session/session.h: session.h (cmd sees only the connector's top header)" \
        "cmd/tool.c -> connectors/one/session/session.c: one_session_ask (call of a function that no header for this file declares)"
    # What the top header includes is its promise too.
    append connectors/one/one.h '#include "session/session.h"'
    found "cmd/tool.c -> connectors/one/session/session.h: session.h (cmd sees only the connector's top header)"
}

@test "library in a pure room: its functions, its header, and its header through another" {
    put connectors/one/value/inner.c '#include "internal.h"' 'int PQstatus(void);' 'int sqlite3_errcode(void);' 'int PQ;' 'int one_value_inner(int n)' '{' \
        'return n + PQstatus() + sqlite3_errcode() + PQ;' '}'
    append libcdc/loop/loop.c '#if 0' '#include <curl/curl.h>' '#endif'
    append connectors/one/value/value.h '#if 0' '#include <mysql.h>' '#endif'
    # Rooms that are not pure may.
    append connectors/one/session/session.c '#if 0' '#include <libpq-fe.h>' '#endif' 'int PQstatus(void);' 'int one_session_status(void)' '{' 'return PQstatus();' '}'
    found "connectors/one/value/inner.c -> libpq: PQstatus (library in a pure room)" \
        "connectors/one/value/inner.c -> libsqlite3: sqlite3_errcode (library in a pure room)" \
        "libcdc/loop/loop.c -> libcurl: <curl/curl.h> (library in a pure room)" \
        "connectors/one/value/value.c -> libmariadb: <mysql.h> through connectors/one/value/value.h (library in a pure room)" \
        "connectors/one/value/value.h -> libmariadb: <mysql.h> (library in a pure room)"
}

@test "libcdc prints nothing, ends nothing, reads no environment" {
    append libcdc/base/say.c '#include <stdio.h>' '#include <stdlib.h>' 'void base_talk(int n)' '{' 'printf("%d\n", n);' 'if (getenv("N")) exit(n);' '}'
    # Into a buffer it may; and a connector may print.
    append libcdc/loop/loop.c '#include <stdio.h>' 'void loop_text(char *text, int n)' '{' 'snprintf(text, 9, "%d", n);' '}'
    append connectors/two/two.c '#include <stdio.h>' 'void two_talk(int n)' '{' 'printf("%d\n", n);' '}'
    found "libcdc/base/say.c -> libc: printf (libcdc prints nothing)" \
        "libcdc/base/say.c -> libc: exit (libcdc never ends the program)" \
        "libcdc/base/say.c -> libc: getenv (libcdc does not read the environment)"
}

@test "libcdc prints nothing: with _FORTIFY_SOURCE too" {
    append libcdc/base/say.c '#include <stdio.h>' 'void base_talk(FILE *file, int n)' '{' 'fprintf(file, "%d\n", n);' 'fprintf(stderr, "%d\n", n);' '}'
    compile
    (cd "$TREE" && gcc -O2 -D_FORTIFY_SOURCE=2 -Iinclude -I. -c -o build/libcdc/base/say.o libcdc/base/say.c)
    found "libcdc/base/say.c -> libc: __fprintf_chk stderr (libcdc prints nothing)"
}

@test "function named as a struct, static ones too" {
    append connectors/one/session/session.c 'int cdc_word(void)' '{' 'return 1;' '}' 'static int one_value(void)' '{' 'return 1;' '}' 'int one_session_none(void)' '{' 'return one_value();' '}'
    found "connectors/one/session/session.c -> include/cdc/say.h: cdc_word (a function bears a struct's name)" \
        "connectors/one/session/session.c -> connectors/one/value/value.h: one_value (a function bears a struct's name)"
}

@test "an exception covers what it names and nothing else" {
    append connectors/one/value/inner.c '#include "connectors/one/session/session.h"'
    append connectors/one/scan/scan.c '#include "connectors/one/one.h"'
    echo "connectors/one/value/inner.c -> connectors/one/session/session.h # known" >"$TREE/tests/floors.exceptions"
    found "connectors/one/scan/scan.c -> connectors/one/one.h: one.h (include up)"
}

@test "stale exception: the list only shrinks" {
    echo "connectors/one/value/inner.c -> connectors/one/session/session.h" >"$TREE/tests/floors.exceptions"
    found "connectors/one/value/inner.c -> connectors/one/session/session.h: no longer occurs (stale exception)"
    append connectors/one/value/inner.c '#include "connectors/one/session/session.h"'
    run -0 floors
}

@test "an exception for one arrow of a circle opens it" {
    append connectors/one/value/inner.c '#include "value.h"' 'int one_value_again(struct one_value *value)' '{' 'return one_value_read(value);' '}'
    echo "connectors/one/value/inner.c -> connectors/one/value/value.c" >"$TREE/tests/floors.exceptions"
    run -0 floors
}

@test "--exceptions gives a list with which the tree passes" {
    append connectors/one/value/inner.c '#include "value.h"' 'int one_value_again(struct one_value *value)' '{' 'return one_value_read(value);' '}' '#include "connectors/one/one.h"'
    append libcdc/base/say.c 'void abort(void);' 'void base_end(void)' '{' 'abort();' '}'
    floors --exceptions >"$TREE/list"
    is "its lines" 3 "$(wc -l <"$TREE/list")"
    cp "$TREE/list" "$TREE/tests/floors.exceptions"
    run -0 floors
}

@test "a folder that the plan does not know" {
    put connectors/one/attic/old.c 'int one_old(void)' '{' 'return 0;' '}'
    found "connectors/one/attic/old.c -> connectors/one/attic: old.c (no such room in tests/floors.rooms)"
}

@test "no object, an old object: nobody sees the calls" {
    compile
    rm "$TREE/build/connectors/one/value/inner.o"
    touch -d '1 hour ago' "$TREE/build/connectors/two/two.o"
    compile() { :; }
    found "connectors/one/value/inner.c -> connectors/one/value/inner.o: - (not built: make all)" \
        "connectors/two/two.c -> connectors/two/two.o: - (the object is older than its source: make all)"
}

@test "a build without a connector is held as far as it goes; objects of sources that are gone do not count" {
    append connectors/one/value/inner.c 'int one_old(void)' '{' 'return 0;' '}'
    put connectors/one/scan/old.c 'int one_old(void);' 'int one_value_read(void *);' 'int one_scan_old(void)' '{' 'return one_old() + one_value_read(0);' '}'
    put connectors/one/value/old.c 'int one_scan_old(void);' 'int one_value_old(void)' '{' 'return one_scan_old();' '}'
    compile
    rm "$TREE/connectors/one/value/old.c"
    rm -r "$TREE/build/connectors/two"
    compile() { :; }
    run -0 floors
    is "note" "not built, so who calls whom is not known: connectors/two" "${lines[0]}"
}

@test "no plan, no tree: not silently good" {
    rm "$TREE/tests/floors.rooms"
    run -1 floors
    [[ $output == *"no plan" ]]
    run -1 t "$CDC_ROOT/tests/floors" --root "$TREE/tests"
    [[ $output == *"no sources" ]]
    echo "cmd one" >"$TREE/tests/floors.rooms"
    run -1 floors
    [[ $output == *"expected FOLDER FLOOR"* ]]
}

@test "--report counts functions, circles, arrows and duplicates" {
    local i body=()
    for i in {1..11}; do body+=("    n = n * $i + 1;"); done
    put connectors/two/long.c 'int two_long(int n)' '{' "${body[@]}" 'return n;' '}'
    put connectors/one/long.c 'int one_long(int n)' '{' "" "${body[@]/    /  }" 'return n + 1;' '}'
    put connectors/one/value/more.c 'int one_scan(void);' 'int one_value_more(void)' '{' 'return one_scan();' '}'
    floors --report >"$TREE/report"
    grep -q '^rooms: 10, 21 files' "$TREE/report"
    grep -q '^functions in .c files: 14, median 4 lines (1 between the braces), 0 of 60 lines and more' "$TREE/report"
    grep -q '^ *16 connectors/one/long.c:1 one_long$' "$TREE/report"
    grep -q '^circles of files: 0$' "$TREE/report"
    grep -q '^circles of rooms: 0$' "$TREE/report"
    grep -q '^arrows up: 1 from file to file, 1 from room to room$' "$TREE/report"
    grep -q '^ *11 lines: connectors/one/long.c:4-14 connectors/two/long.c:3-13$' "$TREE/report"
    grep -q '^  public headers *1 of *2, 50.0 %$' "$TREE/report"
    # A tree without a plan has its folders for rooms; and nobody says that sql/ is for all.
    rm "$TREE/tests/floors.rooms"
    floors --report >"$TREE/flat"
    grep -q '^arrows up: 2 from file to file, 1 from room to room (no plan: only between houses)$' "$TREE/flat"
}
