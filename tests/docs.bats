#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# README and man pages say what is there, and nothing else.
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
# This suite knows the tool of MySQL and MariaDB, too.

PAGES=(pg-cdc.1 mysql-binlog.1 cdc-snapshot.1 cdc-filter.1 cdc-sink-sqlite.1 cdc-sink-http.1 cdc-log.1 cdc-sink-kafka.1 kafka-cdc.1 cdc-event.5 cdc-format.5 cdc-log.5 cdc.7 libcdc.3)

# Literal displays of a page, as a reader sees them.
displays() {
    sed -n '/^\.Bd -literal/,/^\.Ed/p' "$CDC_ROOT/man/$1" | sed '/^\.Bd/d; /^\.Ed/d; s/\\e/\\/g; s/\\&//g'
}
# Indented blocks of README.
blocks() { sed -n 's/^    //p' "$CDC_ROOT/README.md"; }

@test "every page is there and clean" {
    local page
    for page in "${PAGES[@]}"; do [ -f "$CDC_ROOT/man/$page" ] || fail "$page is missing"; done
    run -0 mandoc -T lint -W warning "$CDC_ROOT"/man/*
}

# A page as `man` of Debian shows it (groff), and as mandoc does, a paragraph a line.
as_groff() { groff -mandoc -Tutf8 -P-cbou -rLL=2000n "$CDC_ROOT/man/$1" 2>&1; }
as_mandoc() { mandoc -T utf8 -O width=1000 "$CDC_ROOT/man/$1" | sed 's/.\x08//g'; }
# groff's .Ql quotes the rest of its line, mandoc's only what is before a comma or the next macro: a page must say the same in both.
quoted() { tr -s '\n \240' ' ' | grep -oE '‘[^’]*’' | sort; }

@test "every page is shown alike by groff and by mandoc: quotes, options, tables" {
    local page shown
    for page in "${PAGES[@]}"; do
        as_groff "$page" >"$BATS_TEST_TMPDIR/groff"
        as_mandoc "$page" >"$BATS_TEST_TMPDIR/mandoc"
        is "quoted in $page" "" "$(diff <(quoted <"$BATS_TEST_TMPDIR/groff") <(quoted <"$BATS_TEST_TMPDIR/mandoc"))"
        for shown in groff mandoc; do
            [ -s "$BATS_TEST_TMPDIR/$shown" ]
            is "quotes over a list, $page by $shown" "" "$(grep -E '‘[^’]*(, |‘)' "$BATS_TEST_TMPDIR/$shown" || :)"
            is "two hyphens before a letter, $page by $shown" "" "$(grep -E -- '--[a-zA-Z]([^a-zA-Z]|$)' "$BATS_TEST_TMPDIR/$shown" || :)"
        done
    done
}

# Of a table's rows every cell but the last fits the width that .Bl -column gives it, or groff runs it into the next one.
@test "tables of the pages are wide enough" {
    local page
    for page in "${PAGES[@]}"; do
        is "cells of $page that are too long" "" "$(awk '
            function shown(text) { gsub(/So |Ql /, "q", text); gsub(/ Sc/, "q", text); gsub(/(Sy|Pa|Li|Cm|Ns|Fl) /, "", text); gsub(/ ,/, ",", text); return text }
            /^\.Bl -column/ { n = split($0, width, "\""); rows = 1; next }
            /^\.El/ { rows = 0 }
            rows && /^\.It / { cells = split(substr($0, 5), cell, " Ta "); for (i = 1; i < cells; i++) if (length(shown(cell[i])) > length(width[2 * i])) print cell[i] }
        ' "$CDC_ROOT/man/$page")"
    done
}

@test "pages refer only to pages that exist here, and to known programs" {
    local section name
    while read -r name section; do
        case $name.$section in jq.1 | sqlite3.1 | pkg-config.1) continue ;; esac
        [ -f "$CDC_ROOT/man/$name.$section" ] || fail "$name($section) does not exist"
    done < <(sed -nE 's/.*Xr ([a-z0-9-]+) ([1-9]).*/\1 \2/p' "$CDC_ROOT"/man/* | sort -u)
}

@test "options in README and in the examples of the pages exist" {
    local tool option
    for page in "${PAGES[@]}"; do displays "$page"; done >"$BATS_TEST_TMPDIR/text"
    blocks >>"$BATS_TEST_TMPDIR/text"
    # Continued lines are joined, stages of a pipeline parted.
    sed -e ':a' -e '/\\$/N; s/\\\n//; ta' "$BATS_TEST_TMPDIR/text" | sed 's/&&/\n/g' | tr '|;(){}' '\n' >"$BATS_TEST_TMPDIR/stages"
    for tool in "${TOOLS[@]}"; do
        grep -E "(^|[ /])$tool " "$BATS_TEST_TMPDIR/stages" >"$BATS_TEST_TMPDIR/uses" || fail "no example of $tool"
        while read -r option; do
            grep -qE "^\.It .*Fl -${option#--}( |$)" "$CDC_ROOT/man/$tool.1" || fail "an example gives $tool $option, which it has not"
        done < <(grep -oE -- ' --[a-z][a-z0-9-]*' "$BATS_TEST_TMPDIR/uses" | tr -d ' ' | sort -u)
    done
    # It takes no destination whose kind it is not told.
    grep -E '(^|[ /])cdc-sink-http .*http' "$BATS_TEST_TMPDIR/stages" >"$BATS_TEST_TMPDIR/uses"
    not grep -vE -- '--(webhook|elasticsearch)' "$BATS_TEST_TMPDIR/uses"
}

@test "README names every tool and every make target that it promises exists" {
    local tool target
    for tool in "${TOOLS[@]}"; do grep -q "^| \`$tool\`" "$CDC_ROOT/README.md" || fail "README has no row for $tool"; done
    for target in $(blocks | grep -oE '^make [a-z]+' | cut -d' ' -f2 | sort -u); do
        grep -qE "^$target( [a-z ]*)?:" "$CDC_ROOT/Makefile" || fail "there is no make $target"
    done
}

@test "README installs what is needed, from the one list" {
    is "to build" "apt-get install $("$CDC_ROOT/tests/needs" build)" "$(blocks | sed -e ':a' -e '/\\$/N; s/ *\\\n */ /; ta' | grep '^apt-get install gcc')"
    # And to begin with: what the two commands themselves need.
    is "to begin" "apt-get install git make" "$(blocks | sed -n 's/^\(apt-get install git [a-z ]*[a-z]\) *#.*/\1/p')"
}

@test "README's map fits in ten lines, and every path in it exists" {
    local path count=0
    sed -n '/^## Where to look/,$s/^    //p' "$CDC_ROOT/README.md" >"$BATS_TEST_TMPDIR/map"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/map")" -le 10 ]
    while read -r path; do
        [ -e "$CDC_ROOT/$path" ] || fail "$path does not exist"
        count=$((count + 1))
    done < <(grep -oE '(include|libcdc|connectors|cmd|man|tests)/[a-z./]*' "$BATS_TEST_TMPDIR/map" | sed 's/\.$//' | sort -u)
    [ "$count" -ge 13 ]
}

# Files that comments of the public headers send their reader to.
@test "paths in the headers exist" {
    local path
    for path in $(grep -ohE '(libcdc|connectors|cmd|tests|cdc)/[a-z_/]+\.(c|h|bats)' "$CDC_ROOT"/include/cdc/*.h | sort -u); do
        [ -e "$CDC_ROOT/$path" ] || [ -e "$CDC_ROOT/include/$path" ] || fail "$path does not exist"
    done
}

@test "make help has a line for each target that is for users" {
    local target
    make -s -C "$CDC_ROOT" help >"$BATS_TEST_TMPDIR/help"
    for target in $(sed -n 's/^\.PHONY: //p' "$CDC_ROOT/Makefile"); do
        case $target in FORCE | help) continue ;; esac
        grep -qE "(^|[ ;])$target( |\$)" "$BATS_TEST_TMPDIR/help" || fail "make help does not say what $target does"
    done
}

@test "shell examples parse" {
    local page
    blocks | grep -vE '^(include|libcdc|connectors|cmd|man|tests)/' >"$BATS_TEST_TMPDIR/readme"
    run -0 bash -n "$BATS_TEST_TMPDIR/readme"
    for page in pg-cdc.1 mysql-binlog.1 cdc-snapshot.1 cdc-filter.1 cdc-sink-sqlite.1 cdc-sink-http.1 cdc-sink-kafka.1; do
        displays "$page" >"$BATS_TEST_TMPDIR/$page"
        run -0 bash -n "$BATS_TEST_TMPDIR/$page"
    done
}

@test "CHANGELOG knows the version" {
    grep -q "^## $(sed -n 's/^#define CDC_VERSION "\(.*\)"/\1/p' "$CDC_ROOT/include/cdc/version.h")" "$CDC_ROOT/CHANGELOG.md"
}

# The statements of the pages, as an administrator runs them, on a server of their own.
@test "PostgreSQL's setup statements are all that pg-cdc and cdc-snapshot need" {
    case " ${TOOLS[*]} " in *" pg-cdc "*) ;; *) skip "a build without PostgreSQL" ;; esac
    local url
    PG_DIR=$(test_folder)
    export PG_DIR
    pg_start "$PG_DIR" "wal_level = replica"
    sql "create role shop_owner"
    sql "create database shop"
    DATABASE=shop sql "create table public.products (id int primary key, name text); alter table public.products owner to shop_owner; insert into products values (1, 'tea')"
    url="postgresql://cdc@/shop?host=$PG_DIR"
    statements() { displays "$1" | grep -E "^($2)"; }
    statements pg-cdc.1 'ALTER SYSTEM|CREATE ROLE' >"$BATS_TEST_TMPDIR/role.sql"
    statements pg-cdc.1 GRANT >"$BATS_TEST_TMPDIR/owner.sql"
    statements cdc-snapshot.1 GRANT >"$BATS_TEST_TMPDIR/select.sql"
    statements pg-cdc.1 'CREATE PUBLICATION' >"$BATS_TEST_TMPDIR/publication.sql"
    DATABASE=shop sql_file -v ON_ERROR_STOP=1 <"$BATS_TEST_TMPDIR/role.sql"
    pg_down "$PG_DIR" && pg_up "$PG_DIR"
    # Without what the page says of the publication it cannot be made.
    run -77 t pg-cdc --until now -t public.products --name first "$url"
    DATABASE=shop sql_file -v ON_ERROR_STOP=1 <"$BATS_TEST_TMPDIR/owner.sql"
    run -0 t pg-cdc --until now -t public.products --name second "$url"
    # By an administrator, and with SELECT alone.
    DATABASE=shop sql "revoke shop_owner from cdc; revoke create on database shop from cdc"
    DATABASE=shop sql_file -v ON_ERROR_STOP=1 <"$BATS_TEST_TMPDIR/publication.sql"
    run -77 t cdc-snapshot -t public.products --state-dir "$BATS_TEST_TMPDIR" --ack stdout "$url"
    DATABASE=shop sql_file -v ON_ERROR_STOP=1 <"$BATS_TEST_TMPDIR/select.sql"
    rm -f "$BATS_TEST_TMPDIR"/*.offset*
    run -0 --separate-stderr t cdc-snapshot -t public.products --state-dir "$BATS_TEST_TMPDIR" --ack stdout "$url"
    [[ $output == *'"name":"tea"'* ]]
    run -0 t pg-cdc --until now -t public.products --state-dir "$BATS_TEST_TMPDIR" --ack stdout "$url"
    run -0 t pg-cdc --check -t public.products "$url"
    pg_down "$PG_DIR"
}
