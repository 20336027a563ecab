#!/bin/bash
# SPDX-License-Identifier: MIT
# The steps of tests/fresh, inside a copy of a bare Debian: fresh.bash build | demo | demo-all. A person has the tree in
# /home/someone/cdc-tools, root in /root/cdc-tools. Each step is a line of output; the first that fails ends it.
set -uo pipefail

SUITES=({unit,cli,filter,docs,install,build,sink-sqlite,pg-cdc,mysql-binlog}.bats)
# What README has a person install by hand; everything else comes from tests/packages.
FIRST=(git make)

# try WHAT COMMAND...: a step. Its output is in /tmp/step, and shown when it fails.
try() {
    local what=$1 begun=$SECONDS
    shift
    ("$@") >/tmp/step 2>&1 </dev/null || {
        echo "FAIL $what ($((SECONDS - begun)) s)"
        tail -"${SHOWN:-40}" /tmp/step | sed 's/^/     /'
        exit 1
    }
    echo "ok   $what ($((SECONDS - begun)) s)"
}
show() { sed 's/^/     /'; }
complain() { echo "$*"; return 1; }
in_tree_of_root() { cd /root/cdc-tools && "$@"; }
as_someone() { setpriv --reuid=someone --regid=someone --init-groups env -i HOME=/home/someone PATH=/usr/local/bin:/usr/bin:/bin bash -c "cd ~/cdc-tools && $1"; }
# As a person types it, but asking nothing.
apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -y -qq "$@"; }
not_there() {
    local command
    for command in "$@"; do ! command -v "$command" || return 1; done
}

# --- a person without rights builds ---

# make says no, names everything at once, and gives one command, which is kept.
refuses() {
    ! as_someone make >/tmp/refusal 2>&1 || complain "it built" || return 1
    cat /tmp/refusal
    grep 'apt-get' /tmp/refusal | sed 's/^ *//' >/tmp/command
    [ "$(cat /tmp/command)" = "apt-get install $(as_someone 'tests/needs build' | sed 's/ make / /')" ] || complain "another command was expected"
}
types_it() { read -ra words </tmp/command && apt_get "${words[@]:1}"; }
# shellcheck disable=SC2016
builds() { as_someone 'make -j"$(nproc)"' && ! grep -iE 'warning|error:' /tmp/step; }
files() { find / -xdev ! -type d ! -path '/tmp/*' ! -path '/home/someone/*' ! -path '/root/cdc-tools/*' | sort; }
installs() { in_tree_of_root make BUILD=/home/someone/cdc-tools/build install && [ "$(stat -c %U /home/someone/cdc-tools/build/bin/pg-cdc)" = someone ]; }
# By their names alone, from another folder.
tools_work() {
    local page tool
    cd / || return 1
    for page in /root/cdc-tools/man/*.1; do
        tool=$(basename "$page" .1)
        [ "$(command -v "$tool")" = "/usr/local/bin/$tool" ] && "$tool" --version && "$tool" --help >/dev/null || complain "$tool" || return 1
    done
    echo '{"op":"c","pos":"01","seq":1,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","schema":"public","table":"old"},"key":{"id":1},"before":null,"after":{"id":1}}' |
        cdc-filter --rename public.old=public.new | grep '"table":"new"'
}
# Whatever that call of make would have built.
uninstalls() { in_tree_of_root make uninstall WITH_MYSQL=no WITH_HTTP=no && files | diff /tmp/files -; }

steps_of_build() {
    try "there is no make, compiler, pkg-config or git" not_there make cc gcc pkg-config git
    apt-get -qq update || exit 1
    try "apt-get install ${FIRST[*]}" apt_get install "${FIRST[@]}"
    try "make help, clean, uninstall need no more" as_someone 'make help && make clean && make -n uninstall'
    try "make names all that is missing, and one command" refuses
    try "that command" types_it
    try "make builds, without a warning" builds
    files >/tmp/files
    try "make install, by root, builds nothing again" installs
    try "the installed tools work" tools_work
    try "make uninstall leaves nothing" uninstalls
}

# --- root has a look ---

packages() { dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | grep '^ii' | sort; }
demo() { in_tree_of_root make demo && grep -q 'Source and index agree' /tmp/step; }
says() { grep -F -- "$1" /tmp/said || complain "it does not say: $1"; }
demo_says() {
    local version name
    cp /tmp/demo /tmp/said
    says "setup: installing $(in_tree_of_root tests/needs build run | sed 's/ make / /; s/ util-linux//')" && says 'to undo, but for those that other packages suggest: apt-get purge --auto-remove gcc ' || return 1
    while read -r version name _; do says "to undo: pg_dropcluster --stop $version $name" || return 1; done < <(pg_lsclusters --no-header)
}
# No process, no folder; the server that Debian makes was said.
demo_leaves_nothing() { ! pgrep -a -f '/tmp/cdc|pg-cdc|cdc-s' && [ -z "$(find /tmp -maxdepth 1 -name 'cdc*')" ] && [ ! -e /root/.cache ]; }
suites() { in_tree_of_root tests/setup && in_tree_of_root make -j"$(nproc)" all unit && CDC_NO_SKIP=1 in_tree_of_root tests/run "${SUITES[@]/#/tests/}" && all_passed; }
everything() { CDC_NO_SKIP=1 in_tree_of_root make test && all_passed; }
all_passed() { tail -1 /tmp/step | grep -qE '^[1-9][0-9]* passed, 0 failed$'; }
# What is here and was not before: apt would remove it, were it not for what other packages suggest.
only_suggested() {
    local package
    apt-get -s autoremove -o APT::AutoRemove::SuggestsImportant=false -o APT::AutoRemove::RecommendsImportant=false >/tmp/removable || return 1
    for package in $(packages | comm -13 /tmp/packages - | sed 's/^ii *//'); do
        grep -q "^Remv $package " /tmp/removable || complain "$package is left" || return 1
    done
}
# The commands that were given, typed: first the servers, then the packages.
undo() {
    local words
    sed -n 's/.*to undo: \(pg_dropcluster .*\)/\1/p' /tmp/demo /tmp/step.suites >/tmp/undo
    sed -n 's/.*to undo[^:]*: \(apt-get .*\)/\1/p' /tmp/demo /tmp/step.suites >>/tmp/undo
    while read -ra words; do
        if [ "${words[0]}" = apt-get ]; then apt_get "${words[@]:1}"; else "${words[@]}"; fi </dev/null || return 1
    done </tmp/undo
    only_suggested && [ ! -e /var/lib/postgresql ]
}

steps_of_demo() {
    apt-get -qq update && apt_get install "${FIRST[@]}" >/tmp/step 2>&1 || exit 1
    packages >/tmp/packages
    try "make demo" demo
    cp /tmp/step /tmp/demo
    grep -E 'setup:|found after|agree' /tmp/demo | show
    try "it says what it changes" demo_says
    try "it leaves nothing else" demo_leaves_nothing
    if [ "$1" = all ]; then
        SHOWN=200 try "make test" everything
    else
        SHOWN=100 try "suites: ${SUITES[*]}" suites
    fi
    cp /tmp/step /tmp/step.suites
    tail -1 /tmp/step | show
    try "what it gave to undo, undoes it" undo
}

case $1 in
build) steps_of_build ;;
demo) steps_of_demo some ;;
demo-all) steps_of_demo all ;;
esac
