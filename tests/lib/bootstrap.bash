# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Makes the trees of tests/matrix and tests/fresh: small Debians and Ubuntus of other releases, by debootstrap, kept in the
# cache folder. Whoever sources this has CDC_TREES (tests/lib/tree.bash) and a function `say`.

distribution_of() { case $1 in jammy | noble | plucky | resolute) echo ubuntu ;; *) echo debian ;; esac; }

# The main archive of this machine's distribution as apt has it, whatever the format of its files; empty for the other one.
mirror() {
    local codename
    [ "$(. /etc/os-release && echo "$ID")" = "$1" ] || return 0
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v codename="$codename" '$3 == "main" && ($2 == codename || $2 ~ /^(stable|testing|unstable|sid)$/) { print $1; exit }'
}
# The keys that sign Ubuntu's releases. An older Debian does not have them; a newer one does.
ubuntu_keys() (
    keys=usr/share/keyrings/ubuntu-archive-keyring.gpg
    [ ! -f "/$keys" ] || { echo "/$keys"; exit 0; }
    [ ! -f "$CDC_TREES/keys/$keys" ] || { echo "$CDC_TREES/keys/$keys"; exit 0; }
    mkdir -p "$CDC_TREES/keys/lists/partial" && cd "$CDC_TREES/keys" || exit 1
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror debian) trixie main" >sources.list
    options=(-qq -o "Dir::Etc::SourceList=$PWD/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$PWD/lists" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update >&2 && apt-get "${options[@]}" download ubuntu-keyring >&2 && dpkg-deb -x ubuntu-keyring_*.deb . &&
        rm -rf lists && [ -f "$keys" ] && echo "$PWD/$keys"
)

# bootstrap RELEASE TREE MIRROR: a bare Debian or Ubuntu, and apt's proxy for the one who goes on with it.
bootstrap() {
    local release=$1 tree=$2 mirror=$3 proxy=
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "$proxy" ] || export http_proxy=${http_proxy:-$proxy}
    if [ "$(distribution_of "$release")" = ubuntu ]; then
        # One script serves all of Ubuntu's releases, and debootstrap does not know those newer than itself.
        debootstrap --variant=minbase --components=main,universe --keyring="$(ubuntu_keys)" "$release" "$tree" "$mirror" gutsy || return 1
        sed -n "s/ $release / $release-updates /p" "$tree/etc/apt/sources.list" >"$tree/etc/apt/sources.list.d/updates.list" || return 1
    else
        debootstrap --variant=minbase "$release" "$tree" "$mirror" || return 1
    fi
    apt-config dump | grep -E '^Acquire::' >"$tree/etc/apt/apt.conf.d/00host" || true
}
# keep_tree TREE CONTENT COMMAND...: makes TREE with COMMAND... RELEASE NEW-TREE MIRROR CONTENT, unless it is there with this
# CONTENT. One at a time. A tree has its name only once it is whole. The command runs in a mount namespace of its own: whatever
# is left mounted when it ends, however it ends, is gone.
keep_tree() (
    tree=$1 content=$2
    shift 2
    release=$(basename "$tree")
    mkdir -p "$(dirname "$tree")" || exit 1
    exec 9>"$(dirname "$tree")/lock" || exit 1
    flock -n 9 || { say "waiting for another one that makes a tree" && flock 9; } || exit 1
    [ "$(cat "$tree/packages" 2>/dev/null)" != "$content" ] || exit 0
    mirror=$(mirror "$(distribution_of "$release")")
    say "making $tree with $content"
    rm -rf --one-file-system "$tree" "$tree.making"
    # shellcheck disable=SC2086
    CDC_FILL_TREE=1 unshare --mount --propagation private "$@" "$release" "$tree.making" "$mirror" $content </dev/null >"$tree.log" 2>&1 || {
        tail -20 "$tree.log" >&2
        say "making $tree failed; all of it is in $tree.log"
        exit 1
    }
    echo "$content" >"$tree.making/packages" && mv "$tree.making" "$tree"
)
