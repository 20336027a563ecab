#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The Makefile: what is missing is named at once, what depends on a setting is made again, wrong settings are refused.
# takes: 40 s
bats_require_minimum_version 1.8.0
load lib/common

setup() { OUT=$BATS_FILE_TMPDIR/out; }
# In a folder of its own; without optimization, since nothing is run for long.
make_here() { (cd "$CDC_ROOT" && env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory BUILD="$OUT" CFLAGS=-O0 "$@"); }
# A PATH with some commands that a bare Debian has, and make.
bare_path() {
    local command
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    for command in sh bash sed grep find cut sort tail tr rm mkdir printf make dirname env; do
        ln -sf "$(type -P "$command")" "$BATS_TEST_TMPDIR/bin/$command"
    done
    echo "$BATS_TEST_TMPDIR/bin"
}
made_again() { make_here -n "$@" | grep -oE "(-o|rcs) [^ ]*" | sed "s|.* $OUT/||" | sort; }

@test "nothing is made twice" {
    make_here -j2 all >"$BATS_TEST_TMPDIR/first"
    run -0 make_here all
    is "second" "make: Nothing to be done for 'all'." "$output"
}

@test "other flags, another compiler, another choice of parts: all is made again, once" {
    make_here -j2 all >/dev/null
    local setting
    made_again -B all >"$BATS_TEST_TMPDIR/all"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/all")" -gt 50 ]
    for setting in CFLAGS=-O1 CC=gcc CPPFLAGS=-DX LDFLAGS=-Wl,-O1 SANITIZE=undefined VERSION=9; do
        made_again all "$setting" | diff "$BATS_TEST_TMPDIR/all" - || fail "$setting"
    done
    made_again all WITH_HTTP=no | diff <(grep -v http "$BATS_TEST_TMPDIR/all") -
    # A value with all that a shell or make could stumble over.
    make_here lib "CPPFLAGS=-DX='\"a b\$\$(c),d\"'" >/dev/null
    run -0 make_here lib "CPPFLAGS=-DX='\"a b\$\$(c),d\"'"
    is "the same again" "make: Nothing to be done for 'lib'." "$output"
}

@test "a build that leaves a part out has nothing of the one before" {
    make_here -j2 all >/dev/null
    [ -x "$OUT/bin/cdc-sink-http" ]
    ldd "$OUT/bin/cdc-snapshot" | grep mariadb
    make_here -j2 all WITH_HTTP=no WITH_MYSQL=no >/dev/null
    [ ! -e "$OUT/bin/cdc-sink-http" ] && [ ! -e "$OUT/bin/mysql-binlog" ] && [ -x "$OUT/bin/pg-cdc" ]
    ldd "$OUT/bin/cdc-snapshot" >"$BATS_TEST_TMPDIR/libraries"
    not grep mariadb "$BATS_TEST_TMPDIR/libraries"
}

@test "libcdc.pc names the folders and the version of this call, whatever the last one had" {
    make_here lib PREFIX=/one >/dev/null
    make_here lib PREFIX=/two LIBDIR=/two/lib64 >/dev/null
    grep -x 'prefix=/two' "$OUT/libcdc.pc" && grep -x 'libdir=/two/lib64' "$OUT/libcdc.pc"
    make_here "$OUT/libcdc.pc" PREFIX=/two LIBDIR=/two/lib64 VERSION=9.9 >/dev/null
    grep -x 'Version: 9.9' "$OUT/libcdc.pc"
}

@test "settings that mean nothing are refused" {
    local setting
    for setting in WITH_MYSQL=maybe WITH_HTTP= "WITH_HTTP=yes no" WITH_SQLITE=NO; do
        run ! make_here -n lib "$setting"
        [[ $output == *"$setting: neither yes nor no"* ]] || fail "$setting: $output"
    done
    run ! make_here -n lib WITH_MYSQLS=no
    [[ $output == *"WITH_MYSQLS is not known"*WITH_MYSQL* ]]
    # Somebody else's variable.
    WITH_SOMETHING=else run -0 make_here -n lib
    run ! make_here -n lib CC=no-such-compiler
    [[ $output == *"CC=no-such-compiler: there is no such command"* ]]
}

@test "what is missing is named at once, in one command" {
    # No compiler, no pkg-config; of the libraries only what the folders tell.
    PATH=$(bare_path) run ! make_here lib
    [[ $output == *"missing: gcc "*pkg-config* ]]
    is "commands" 1 "$(grep -c apt-get <<<"$output")"
    # pkg-config that knows nothing.
    mkdir "$BATS_TEST_TMPDIR/none"
    export PKG_CONFIG_LIBDIR=$BATS_TEST_TMPDIR/none PKG_CONFIG_PATH=
    run ! make_here all
    [[ $output == *"    apt-get install libjansson-dev libssl-dev libpq-dev libmariadb-dev libzstd-dev zlib1g-dev libsqlite3-dev libcurl4-openssl-dev librdkafka-dev"$'\n'* ]] || fail "$output"
    run ! make_here all WITH_MYSQL=no WITH_SQLITE=no WITH_HTTP=no WITH_LOG=no WITH_KAFKA=no
    [[ $output == *"    apt-get install libjansson-dev libssl-dev libpq-dev"$'\n'* ]] || fail "$output"
}

@test "help, clean and uninstall need nothing" {
    local path goal
    path=$(bare_path)
    # The suite's own build is not cleaned away.
    for goal in help uninstall "-n clean"; do
        # shellcheck disable=SC2086
        PATH=$path run -0 make_here -s $goal BUILD="$BATS_TEST_TMPDIR/none" DESTDIR="$BATS_TEST_TMPDIR/none"
        [[ $output != *"not found"* && $output != *"No such"* ]] || fail "$output"
    done
}

@test "the list of packages is whole: four words a line, uses and parts that exist" {
    local package proof uses part use one
    while read -r package proof uses part; do
        case $package in '' | '#'*) continue ;; esac
        [ -n "$proof" ] && [ -n "$uses" ] || fail "$package"
        for use in ${uses//,/ }; do [[ " build run test mysql opensearch kafka matrix fresh workload bench ci " == *" $use "* ]] || fail "$package: $use"; done
        for one in ${part//,/ }; do [[ " POSTGRES MYSQL SQLITE HTTP LOG KAFKA " == *" $one "* ]] || fail "$package: $one"; done
    done <"$CDC_ROOT/tests/packages"
    is "twice" "" "$(grep -v '^#' "$CDC_ROOT/tests/packages" | cut -d' ' -f1 | sort | uniq -d)"
    is "build without four parts" "gcc libc6-dev make pkg-config libjansson-dev libssl-dev libpq-dev libsqlite3-dev" "$(WITHOUT="MYSQL HTTP LOG KAFKA" "$CDC_ROOT/tests/needs" build)"
    is "nothing missing here" "" "$("$CDC_ROOT/tests/needs" --missing build run test)"
}
