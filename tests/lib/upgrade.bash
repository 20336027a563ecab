# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Programs of one PostgreSQL that are to run beside those of another one: pg_upgrade needs both.

# old_programs ROOT VERSION TREE FOLDER: FOLDER/bin has the programs of the PostgreSQL of ROOT (a tree, or / for this machine's),
# to be run in TREE; FOLDER/libraries what they need and TREE does not have.
old_programs() {
    local root=${1%/} version=$2 tree=$3 folder=$4 file name found missing
    mkdir -p "$folder/usr/lib/postgresql" "$folder/usr/share/postgresql" "$folder/libraries"
    cp -a "$root/usr/lib/postgresql/$version" "$folder/usr/lib/postgresql/"
    cp -aL "$root/usr/share/postgresql/$version" "$folder/usr/share/postgresql/"
    ln -s "usr/lib/postgresql/$version/bin" "$folder/bin"
    chmod -R a+rX "$folder"
    while missing=$(for file in "$folder/bin/postgres" "$folder/bin/psql" "$folder"/libraries/*.so*; do
        [ ! -e "$file" ] || (in_tree "$tree" 0:0 env LD_LIBRARY_PATH="$folder/libraries" ldd "$file")
    done | sed -n 's/^[[:space:]]*\([^ ]*\) => not found$/\1/p' | sort -u) && [ -n "$missing" ]; do
        for name in $missing; do
            found=$(find "$root/usr/lib" -name "$name" 2>/dev/null | head -1)
            [ -n "$found" ] || { echo "no $name in ${root:-/}" >&2; return 1; }
            cp -L "$found" "$folder/libraries/"
        done
    done
}
# pg_upgrade_to TREE VERSION OLD-PROGRAMS DIR [INITDB-OPTION]: the stopped server in DIR becomes one of VERSION, which TREE has;
# CDC_PG_TREE is to be TREE from then on.
pg_upgrade_to() {
    local tree=$1 bin=/usr/lib/postgresql/$2/bin old=$3 dir=$4 option=${5:-}
    mv "$dir/data" "$dir/old-data"
    mkdir "$dir/work" && chown postgres: "$dir/work"
    (
        cd "$dir/work" && export CDC_PG_TREE=$tree LD_LIBRARY_PATH=$old/libraries
        # shellcheck disable=SC2086
        as_postgres "$bin/initdb" -A trust -N -U postgres -E UTF8 --no-locale $option -D "$dir/data" >"$dir/initdb.log" 2>&1 &&
            cp "$dir/old-data/postgresql.conf" "$dir/old-data/pg_hba.conf" "$dir/data/" &&
            as_postgres sh -c 'cd "$0" && exec "$@"' "$dir/work" "$bin/pg_upgrade" -U postgres -b "$old/bin" -B "$bin" -d "$dir/old-data" -D "$dir/data" -s "$dir/work" >"$dir/upgrade.log" 2>&1
    ) && return
    tail -n 20 "$dir/initdb.log" "$dir/upgrade.log" >&2
    find "$dir/data/pg_upgrade_output.d" -type f ! -name '*.custom' ! -name '*.sql' -exec grep -hE 'error|ERROR|FATAL' {} + >&2
    return 1
}
