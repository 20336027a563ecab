#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/mutate itself: it must see what a test notices, and what none does.
# A small tree of the same shape, with a suite that knows one function well and one not at all.
# takes: 20 s
# shellcheck disable=SC2154
bats_require_minimum_version 1.8.0
load lib/common

setup() {
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
END
    cat >"$TREE/libcdc/base/main.c" <<'END'
int base_sum(int a, int b);
int base_less(int a, int b);

int main(int argc, char **argv)
{
    (void)argv;
    return base_sum(argc, 4) == 5 && (base_less(argc, 2) || 1) ? 0 : 1;
}
END
    cat >"$TREE/Makefile" <<'END'
all unit: build/base
build/base: build/libcdc/base/base.o build/libcdc/base/main.o
	$(CC) -o $@ $^
build/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<
END
    # shellcheck disable=SC2016
    printf '%s\n' '@test "the sum" {' '    "$CDC_BUILD/base"' '}' >"$TREE/tests/unit.bats"
}
# As runner.bats has it: nothing of the suite around it is known inside.
mutate() {
    env -i HOME=/tmp TMPDIR="$BATS_TEST_TMPDIR/tmp" CDC_SUITE_DIR="$BATS_TEST_TMPDIR/tmp" \
        PATH="$(tr : '\n' <<<"$PATH" | grep -v bats-core | paste -sd:)" \
        timeout -k 5 60 "$CDC_ROOT/tests/mutate" --root "$TREE" --suites unit "$@"
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

@test "edits that are listed as harmless are not drawn" {
    echo 'libcdc/base/base.c: return a < b; => return a <= b;  # nobody asks' >"$TREE/tests/mutate.known"
    run -0 mutate --seed 1 --edits 100 --show
    not grep -q 'a <= b' <<<"$output"
    says 'a \+ b; => return a - b;'
}

@test "a test that fails without an edit has noticed nothing" {
    printf '%s\n' '@test "red" {' false '}' >>"$TREE/tests/unit.bats"
    edit 'a < b' 'a <= b' less
    edit 'a + b' 'a - b' sum
    run -1 mutate --patch "$BATS_TEST_TMPDIR"/{sum,less}
    says '^set aside: unit fails without an edit: red$'
    says '^NOT NOTICED .*a <= b'
    last_line "1 passed, 1 failed"
}

@test "nothing tried is not good" {
    run -1 mutate --room libcdc/nothing
    [[ $output == *"no sources"* ]]
    last_line "0 passed, 1 failed"
}
