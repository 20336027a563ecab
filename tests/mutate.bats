#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/mutate itself: it must see what a test notices, and what none does.
# A small tree of the same shape, with a suite that knows one function well and one not at all.
# takes: 50 s
# shellcheck disable=SC2154
bats_require_minimum_version 1.8.0
load lib/common

setup() {
    MORE=()
    TREE=$BATS_TEST_TMPDIR/tree
    mkdir -p "$TREE/libcdc/base" "$TREE/tests/lib" "$BATS_TEST_TMPDIR/tmp"
    cp "$CDC_ROOT/tests/run" "$TREE/tests/"
    cp "$CDC_ROOT"/tests/lib/*.bash "$TREE/tests/lib/"
    cat >"$TREE/libcdc/base/base.c" <<'END'
/* Known well: the sum. */
int base_sum(int a, int b)
{
    return a + b;
}

/* Known to nobody. */
int base_less(int a, int b)
{
    return a < b;
}

/* Before the end by a signal. */
int base_killed(int a)
{
    return a == 2;
}

/* Never called. */
int base_never(int a)
{
    return a * 2;
}
END
    cat >"$TREE/libcdc/base/main.c" <<'END'
#include <signal.h>
int base_sum(int a, int b);
int base_less(int a, int b);
int base_killed(int a);

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return base_killed(argc) ? raise(SIGKILL) : 0;
    return base_sum(argc, 4) == 5 && (base_less(argc, 2) || 1) ? 0 : 1;
}
END
    cat >"$TREE/Makefile" <<'END'
BUILD = build
all unit: $(BUILD)/base
$(BUILD)/base: $(BUILD)/libcdc/base/base.o $(BUILD)/libcdc/base/main.o
	$(CC) $(LDFLAGS) -o $@ $^
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<
END
    # shellcheck disable=SC2016
    more_tests "the sum" '"$CDC_BUILD/base"'
}
# more_tests NAME BODY. bats takes a line that begins as a test's does for one of this suite, wherever it stands.
more_tests() { printf '@%s "%s" {\n    %s\n}\n' test "$1" "$2" >>"$TREE/tests/unit.bats"; }
# As runner.bats has it: nothing of the suite around it is known inside.
mutate() {
    env -i "${MORE[@]}" HOME=/tmp TMPDIR="$BATS_TEST_TMPDIR/tmp" CDC_CACHE="$BATS_TEST_TMPDIR/cache" CDC_SUITE_DIR="$BATS_TEST_TMPDIR/tmp" \
        PATH="$(tr : '\n' <<<"$PATH" | grep -v bats-core | paste -sd:)" \
        timeout -k 5 120 "$CDC_ROOT/tests/mutate" --root "$TREE" --suites unit "$@"
}
# edit FROM TO: a diff of base.c, named by its number.
edit() {
    sed "s|$1|$2|" "$TREE/libcdc/base/base.c" >"$BATS_TEST_TMPDIR/edited"
    diff -u --label a/libcdc/base/base.c --label b/libcdc/base/base.c "$TREE/libcdc/base/base.c" "$BATS_TEST_TMPDIR/edited" >"$BATS_TEST_TMPDIR/$3" || true
    [ -s "$BATS_TEST_TMPDIR/$3" ]
}
last_line() { is "last line" "$1" "${lines[-1]}" || { echo "$output"; return 1; }; }
says() { grep -qE -- "$1" <<<"$output" || { echo "$output"; fail "nothing says '$1'"; }; }

@test "an edit that a test notices, one that none does, one that does not compile" {
    edit 'a + b' 'a - b' sum
    edit 'Known well' 'Known badly' comment
    edit 'a < b' 'a <= b' less
    edit 'return a < b' 'return ((' broken
    run -1 mutate --patch "$BATS_TEST_TMPDIR"/{sum,comment,less,broken}
    says '^noticed .*return a \+ b; => return a - b;'
    says '^ +unit: the sum$'
    says '^NOT NOTICED .*Known badly'
    says '^NOT NOTICED .*a <= b'
    says '^\+    return a <= b;$'
    says '^did not compile .*return \(\('
    last_line "1 passed, 2 failed"
    run -0 mutate --patch "$BATS_TEST_TMPDIR/sum"
    last_line "1 passed, 0 failed"
    is "left over" "" "$(ls "$BATS_TEST_TMPDIR/tmp")"
}

@test "the tree is only read, and the same seed draws the same edits" {
    cp -r "$TREE" "$BATS_TEST_TMPDIR/before"
    mutate --seed 3 --edits 100 --show >"$BATS_TEST_TMPDIR/drawn"
    mutate --seed 3 --edits 100 --show >"$BATS_TEST_TMPDIR/again"
    cmp "$BATS_TEST_TMPDIR/drawn" "$BATS_TEST_TMPDIR/again"
    mutate --seed 4 --edits 100 --show >"$BATS_TEST_TMPDIR/other"
    not cmp -s "$BATS_TEST_TMPDIR/drawn" "$BATS_TEST_TMPDIR/other"
    # Each kind that these few lines can have, and none twice.
    grep -q 'return a + b; => return a - b;$' "$BATS_TEST_TMPDIR/drawn"
    grep -q 'return a < b; => return a <= b;$' "$BATS_TEST_TMPDIR/drawn"
    grep -q '(base_less(argc, 2) || 1) ? 0 : 1; => .*argc, 3) ||' "$BATS_TEST_TMPDIR/drawn"
    is "drawn twice" "" "$(grep ' => ' "$BATS_TEST_TMPDIR/drawn" | sort | uniq -d)"
    run mutate --seed 3 --edits 2
    diff -r "$BATS_TEST_TMPDIR/before" "$TREE"
}

@test "a tree that others change meanwhile: the edits are those of the copy" {
    # shellcheck disable=SC2016
    more_tests "somebody works on" '"$CDC_BUILD/base"; rm -f '"'$TREE/libcdc/base/base.c'"
    edit 'a + b' 'a - b' sum
    run -0 mutate --patch "$BATS_TEST_TMPDIR/sum"
    last_line "1 passed, 0 failed"
    [ ! -e "$TREE/libcdc/base/base.c" ]
}

@test "edits that are listed as harmless are not drawn" {
    echo 'libcdc/base/base.c: return a < b; => return a <= b;  # nobody asks' >"$TREE/tests/mutate.known"
    run -0 mutate --seed 1 --edits 100 --show
    not grep -q 'a <= b' <<<"$output"
    says 'a \+ b; => return a - b;'
}

@test "a test that fails without an edit has noticed nothing" {
    # shellcheck disable=SC2016
    more_tests red '"$CDC_BUILD/base"; false'
    edit 'a < b' 'a <= b' less
    edit 'a + b' 'a - b' sum
    run -1 mutate --patch "$BATS_TEST_TMPDIR"/{sum,less}
    says '^set aside: unit fails without an edit: red$'
    says '^NOT NOTICED .*a <= b'
    last_line "1 passed, 1 failed"
}

@test "a test that fails once and not again has noticed nothing" {
    # It fails the first time with an edit.
    more_tests "now and then" '"$CDC_BUILD/base"; [[ $CDC_BUILD != */build ]] || ! mkdir "'"$BATS_TEST_TMPDIR/seen"'"'
    edit 'a < b' 'a <= b' less
    run -1 mutate --patch "$BATS_TEST_TMPDIR/less"
    says '^# failed once, and not again: unit: now and then$'
    says '^NOT NOTICED .*a <= b'
    last_line "0 passed, 1 failed"
}

@test "only tests that reach an edit run, whatever their environment and their end" {
    more_tests "killed (by a signal)" "run env -i \"\$CDC_BUILD/base\" x; [ \"\$status\" = 137 ]"
    # Each tells that it ran with an edit.
    sed -i "s|^@test.*|&\n    [[ \$CDC_BUILD != */build ]] \|\| echo \"\$BATS_TEST_DESCRIPTION\" >>'$BATS_TEST_TMPDIR/ran'|" "$TREE/tests/unit.bats"
    edit 'a == 2' 'a == 3' killed
    edit 'a < b' 'a <= b' less
    edit 'a [*] 2' 'a * 3' never
    run -0 mutate --patch "$BATS_TEST_TMPDIR/killed"
    says '^ +unit: killed \(by a signal\)$'
    not grep -q sum "$BATS_TEST_TMPDIR/ran"
    rm "$BATS_TEST_TMPDIR/ran"
    run -1 mutate --patch "$BATS_TEST_TMPDIR"/{less,never}
    says '^ +1 tests reach it'
    says '^ +no test reaches it'
    is "ran" "the sum" "$(cat "$BATS_TEST_TMPDIR/ran")"
    last_line "0 passed, 2 failed"
    # What the suites reach was asked once.
    not grep -q '^running unit' <<<"$output"
}

# bats test_tags=only:ccache
@test "a cache of objects changes nothing" {
    MORE=(CC="ccache cc" CCACHE_DIR="$BATS_TEST_TMPDIR/ccache" CCACHE_NOHASHDIR=1)
    edit 'a + b' 'a - b' sum
    for _ in 1 2; do # each in a folder of its own; the second time, all is in the cache
        rm -rf "$BATS_TEST_TMPDIR/cache"
        run -0 mutate --patch "$BATS_TEST_TMPDIR/sum"
        last_line "1 passed, 0 failed"
    done
}

@test "nothing tried is not good" {
    run -1 mutate --room libcdc/nothing
    [[ $output == *"no sources"* ]]
    last_line "0 passed, 1 failed"
}
