# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Servers of other Debian releases, run from the trees that tests/matrix makes.

CDC_TREES=${CDC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cdc-tools}/suites

# The tree that has this server; empty for the machine's own.
tree_of() {
    case $1 in
    postgresql-17 | mariadb-11.8) echo "$CDC_TREES/trixie" ;;
    postgresql-18 | mysql-9.7) echo "$CDC_TREES/sid" ;;
    mariadb-10.5) echo "$CDC_TREES/bullseye" ;;
    mariadb-10.6) echo "$CDC_TREES/jammy" ;;
    mysql-8.4) echo "$CDC_TREES/resolute" ;;
    esac
}

# in_tree TREE UID:GID COMMAND...: as that user, inside the tree, with this machine's /tmp, /proc, /dev and user names.
# Takes the place of the (sub)shell that calls it; the mounts belong to the command and go with it.
in_tree() {
    # shellcheck disable=SC2016
    exec unshare --mount --propagation private bash -c '
        tree=$1 user=$2
        shift 2
        mount --bind /tmp "$tree/tmp" && mount --rbind /proc "$tree/proc" && mount --rbind /dev "$tree/dev" || exit 71
        for file in /etc/passwd /etc/group; do mount --bind "$file" "$tree$file" || exit 71; done
        exec chroot --userspec="$user" --groups="" "$tree" "$@"' in_tree "$@"
}
