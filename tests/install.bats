#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# make install and uninstall, and what lies in the folders afterwards.
bats_require_minimum_version 1.8.0
load lib/common
# This suite knows the tool of MySQL and MariaDB, too.

setup() { DEST=$BATS_TEST_TMPDIR/dest; }
# What was built is installed, with whatever flags that was (-o). One at a time: libcdc.pc is made anew by each, here and in
# library.bats.
run_make() { (cd "$CDC_ROOT" && env -u MAKEFLAGS -u MAKELEVEL LIMIT=300 flock "$CDC_BUILD" make --no-print-directory -o "$CDC_BUILD/flags" BUILD="$CDC_BUILD" "$@") >"$BATS_TEST_TMPDIR/make.out" 2>&1 || { tail -20 "$BATS_TEST_TMPDIR/make.out"; return 1; }; }

@test "make install puts everything under DESTDIR, and uninstall leaves nothing" {
    run_make install DESTDIR="$DEST" PREFIX=/usr
    local tool header page
    for tool in "${TOOLS[@]}"; do
        [ -x "$DEST/usr/bin/$tool" ] || fail "$tool is missing"
        "$DEST/usr/bin/$tool" --version >/dev/null
        [ -f "$DEST/usr/share/man/man1/$tool.1" ] || fail "$tool.1 is missing"
    done
    for header in "$CDC_ROOT"/include/cdc/*.h; do cmp "$header" "$DEST/usr/include/cdc/${header##*/}"; done
    for page in cdc-event.5 cdc-format.5 cdc.7 libcdc.3; do [ -f "$DEST/usr/share/man/man${page##*.}/$page" ] || fail "$page is missing"; done
    [ -f "$DEST/usr/lib/libcdc.a" ] && [ -f "$DEST/usr/lib/libcdc.so.0" ] && [ -L "$DEST/usr/lib/libcdc.so" ]
    grep -q '^prefix=/usr$\|/usr/include' "$DEST/usr/lib/pkgconfig/libcdc.pc"
    # Twice is as good as once.
    run_make install DESTDIR="$DEST" PREFIX=/usr
    # Also what this call of make would leave out.
    run_make uninstall DESTDIR="$DEST" PREFIX=/usr WITH_POSTGRES=no WITH_MYSQL=no WITH_SQLITE=no WITH_HTTP=no
    is "left behind" "" "$(find "$DEST" ! -type d)"
}

@test "what is left out of a build is not installed, and the rest is" {
    local part out tool
    for part in "POSTGRES pg-cdc" "MYSQL mysql-binlog" "SQLITE cdc-sink-sqlite" "HTTP cdc-sink-http"; do
        read -ra out <<<"$part"
        run_make -n "WITH_${out[0]}=no" install DESTDIR="$DEST"
        grep -E '^install -m 755 .*/bin' "$BATS_TEST_TMPDIR/make.out" | tr ' ' '\n' >"$BATS_TEST_TMPDIR/installed"
        for tool in "${TOOLS[@]}"; do
            if [[ " ${out[*]:1} " == *" $tool "* ]]; then
                not grep -q "/bin/$tool\$" "$BATS_TEST_TMPDIR/installed"
            else
                grep -q "/bin/$tool\$" "$BATS_TEST_TMPDIR/installed" || fail "$tool is missing with WITH_${out[0]}=no"
            fi
        done
    done
}

@test "libcdc.pc names the prefix of the installation, whatever was built before" {
    run_make install PREFIX="$DEST/one"
    run_make install PREFIX="$DEST/two"
    local prefix
    for prefix in one two; do
        is "cflags" "-I$DEST/$prefix/include" "$(PKG_CONFIG_PATH=$DEST/$prefix/lib/pkgconfig pkg-config --cflags libcdc | tr -s ' ' '\n' | grep "$DEST")"
    done
    is "version" "$(sed -n 's/^#define CDC_VERSION "\(.*\)"/\1/p' "$CDC_ROOT/include/cdc/version.h")" "$(PKG_CONFIG_PATH=$DEST/two/lib/pkgconfig pkg-config --modversion libcdc)"
    run_make "$CDC_BUILD/libcdc.pc"
}

@test "programs and library: addresses at random, symbols bound at the start and read-only, stacks guarded" {
    local tool
    if nm "$CDC_BUILD/bin/cdc-filter" | grep -q '__asan_init\|__ubsan'; then skip "a build with sanitizers"; fi
    for tool in "${TOOLS[@]}"; do
        readelf -h "$BIN/$tool" | grep -q 'Type: *DYN' || fail "$tool is loaded at a fixed address"
    done
    for tool in "${TOOLS[@]/#/$BIN/}" "$CDC_BUILD/libcdc.so.0"; do
        readelf -lW "$tool" | grep -q GNU_RELRO || fail "$tool: no RELRO"
        readelf -dW "$tool" | grep -qE 'BIND_NOW|FLAGS_1.*NOW' || fail "$tool: symbols are bound late"
        readelf -lW "$tool" | grep GNU_STACK | grep -q 'RW ' || fail "$tool: the stack is executable"
        nm -D "$tool" | grep -q __stack_chk_fail || fail "$tool: no stack protector"
        nm -D "$tool" | grep -q '__.*_chk' || fail "$tool: not fortified"
    done
}

@test "the shared library exports cdc_ names and nothing else" {
    run -0 bash -o pipefail -c 'nm -D --defined-only "$0" | awk "\$2 ~ /[TDBRVW]/ {print \$3}" | grep -v "^cdc_"' "$CDC_BUILD/libcdc.so.0" || [ -z "$output" ] || fail "exports: $output"
    # Every function that a public header declares is there.
    local name
    nm -D --defined-only "$CDC_BUILD/libcdc.so.0" | awk '{sub(/@.*/, "", $3); print $3}' | sort >"$BATS_TEST_TMPDIR/exported"
    for name in $(cat "$CDC_ROOT"/include/cdc/*.h | gcc -fpreprocessed -dD -E -P -x c - 2>/dev/null | grep -v '^ *#' | grep -v 'static inline' | grep -oE '\b((enum|struct) )?cdc_[a-z0-9_]+ *\(' | grep -vE '^(enum|struct)' | tr -d ' (' | sort -u); do
        grep -qx "$name" "$BATS_TEST_TMPDIR/exported" || grep -qE "(static inline|define|typedef).*\b$name\b" "$CDC_ROOT"/include/cdc/*.h || fail "$name is declared, but not exported"
    done
}

@test "library and connectors neither print, nor exit, nor read the environment" {
    local object
    for object in $(find "$CDC_BUILD/libcdc" "$CDC_BUILD/connectors" -name "*.o"); do
        ! nm -u "$object" | grep -wE 'printf|puts|putchar|perror|exit|_exit|abort|getenv|secure_getenv|stdout|stderr|__printf_chk|__fprintf_chk|fprintf' || fail "in $object"
    done
}
