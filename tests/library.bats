#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The example program of libcdc(3), compiled against the installed library, as its reader would.
bats_require_minimum_version 1.8.0
load lib/common

setup() {
    DIR=$BATS_TEST_TMPDIR
    (cd "$CDC_ROOT" && env -u MAKEFLAGS -u MAKELEVEL flock "$CDC_BUILD" make -s -o "$CDC_BUILD/flags" BUILD="$CDC_BUILD" PREFIX="$DIR/usr" install) >"$DIR/make.out" 2>&1 || { tail "$DIR/make.out"; return 1; }
    export PKG_CONFIG_PATH=$DIR/usr/lib/pkgconfig
    SANITIZE=()
    if nm "$CDC_BUILD/libcdc.a" 2>/dev/null | grep -q __asan_; then SANITIZE=(-fsanitize=address,undefined); fi
}
# The first literal display of the page's EXAMPLES, without the marks of mdoc.
example() {
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh /p' "$CDC_ROOT/man/libcdc.3" | sed -n '/^\.Bd -literal/,/^\.Ed/p' | sed '/^\.Ed/q' | sed '/^\.Bd/d; /^\.Ed/d' |
        sed 's/^\\&//; s/\\&//g; s/\\e/\\/g; s/\\(rs/\\/g; s/\\-/-/g; s/\\(dq/"/g; s/\\(aq/'"'"'/g'
}
EVENTS='{"op":"c","pos":"01","seq":1,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","schema":"public","table":"users"},"key":{"id":1},"before":null,"after":{"id":1}}
{"op":"commit","pos":"02","seq":1,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d"},"events":1}'

@test "the example is there, and short" {
    example >"$DIR/example.c"
    grep -q 'int *$\|int main' "$DIR/example.c"
    [ "$(wc -l <"$DIR/example.c")" -le 45 ] || fail "$(wc -l <"$DIR/example.c") lines"
}

@test "it compiles without a warning, static and shared, and reads events" {
    example >"$DIR/example.c"
    # shellcheck disable=SC2046
    gcc -std=c11 -Wall -Wextra -Werror "${SANITIZE[@]}" -o "$DIR/shared" "$DIR/example.c" $(pkg-config --cflags --libs libcdc)
    # shellcheck disable=SC2046
    gcc -std=c11 -Wall -Wextra -Werror "${SANITIZE[@]}" -o "$DIR/static" "$DIR/example.c" $(pkg-config --cflags libcdc) "$DIR/usr/lib/libcdc.a" $(pkg-config --libs-only-l --static libcdc | sed 's/-lcdc\b//')
    LD_LIBRARY_PATH=$DIR/usr/lib t "$DIR/shared" <<<"$EVENTS" >"$DIR/out"
    grep -q users "$DIR/out"
    t "$DIR/static" <<<"$EVENTS" | cmp - "$DIR/out"
}

@test "it says no to bad input" {
    example >"$DIR/example.c"
    # shellcheck disable=SC2046
    gcc -std=c11 "${SANITIZE[@]}" -o "$DIR/example" "$DIR/example.c" $(pkg-config --cflags --libs libcdc)
    run env LD_LIBRARY_PATH="$DIR/usr/lib" timeout -k 5 10 "$DIR/example" <<<'no json'
    [ "$status" -ne 0 ]
}

@test "headers compile on their own, in C11" {
    local header
    for header in "$DIR"/usr/include/cdc/*.h; do
        echo "#include <cdc/${header##*/}>" | gcc -std=c11 -Wall -Wextra -Werror -fsyntax-only "-I$DIR/usr/include" -x c - || fail "$header"
    done
}

@test "libcdc(3) knows every header, and names no function that is not there" {
    local header name
    for header in "$CDC_ROOT"/include/cdc/*.h; do
        grep -q "^\.It In cdc/${header##*/}$" "$CDC_ROOT/man/libcdc.3" || fail "${header##*/} is not in libcdc(3)"
    done
    for name in $(grep -oE 'Fn cdc_[a-z0-9_]+' "$CDC_ROOT/man/libcdc.3" | cut -d' ' -f2 | sort -u); do
        grep -qE "\b$name\(" "$CDC_ROOT"/include/cdc/*.h || fail "$name is in no header"
    done
}
