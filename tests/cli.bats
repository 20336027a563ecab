#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What every tool has in common: help, version, usage errors, man pages, bad
# input, output that cannot be written.
bats_require_minimum_version 1.8.0
load lib/common
load lib/mysql
load lib/kafka
# This suite knows the tool of MySQL and MariaDB, too.

# Of the sinks, the one into Kafka looks at its topic before the first line. Where there is no Kafka it is left out here, and all tests
# of tests/kafka-sink.bats are skipped ones.
setup_file() {
    case " ${TOOLS[*]} " in
    *" cdc-sink-kafka "*) ! "$CDC_ROOT/tests/kafka/start" --prepare >&2 || kafka_begin ;;
    esac
}
teardown_file() { kafka_end; }
setup() { DIR=$BATS_TEST_TMPDIR; }
teardown() {
    end_spawned
    mysql_end
}

EVENT='{"op":"c","pos":"01","seq":1,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","schema":"public","table":"t","ts_ms":1,"snapshot":"false"},"key":{"id":1},"before":null,"after":{"id":1,"v":"x"}}'
SCHEMA='{"op":"schema","pos":"00","seq":1,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","schema":"public","table":"t","ts_ms":1,"snapshot":"false"},"columns":[{"name":"id","type":"bigint","nullable":false,"generated":false},{"name":"v","type":"text","nullable":true,"generated":false}],"key_columns":["id"]}'
COMMIT='{"op":"commit","pos":"02","seq":1,"ts_ms":1,"source":{"connector":"postgresql","name":"n","db":"d","ts_ms":1,"snapshot":"false"},"events":1}'

# Everything that reads events: the filter, and the sinks there are.
readers() {
    local tool
    for tool in "${TOOLS[@]}"; do
        case $tool in
        cdc-filter | cdc-sink-sqlite | cdc-sink-http | cdc-log) echo "$tool" ;;
        cdc-sink-kafka) [ -z "${KAFKA:-}" ] || echo "$tool" ;;
        esac
    done
}
# reader TOOL [OPTION...]: that tool as it would stand in a pipeline; nothing listens at the HTTP sink's address.
reader() {
    local tool=$1
    shift
    rm -rf "$DIR"/reader.*
    case $tool in
    cdc-filter) t cdc-filter "$@" ;;
    cdc-sink-sqlite) t cdc-sink-sqlite "$@" "$DIR/reader.db" ;;
    cdc-log) t cdc-log append "$@" "$DIR/reader.log" ;;
    cdc-sink-http) t cdc-sink-http --webhook --retry-max 0 "$@" http://127.0.0.1:9/ ;;
    cdc-sink-kafka)
        READER_TOPICS=$((${READER_TOPICS:-0} + 1))
        t cdc-sink-kafka -q --topic "t$BATS_TEST_NUMBER.$READER_TOPICS" --retry-max 0 "$@" "kafka://$KAFKA"
        ;;
    esac
}
# Each reader must end with this status on the given file, and say why on stderr.
readers_exit() {
    local expected=$1 file=$2 tool status
    shift 2
    for tool in $(readers); do
        status=0
        reader "$tool" "$@" <"$file" >"$DIR/out" 2>"$DIR/err" || status=$?
        is "$tool's exit status" "$expected" "$status" || { head -c 500 "$DIR/err"; return 1; }
        [ "$expected" = 0 ] || grep -q "^$tool: " "$DIR/err" || fail "$tool does not say why"
    done
}

@test "--help: exit 0, on stdout only, at most 80 columns" {
    local tool
    for tool in "${TOOLS[@]}"; do
        t "$tool" --help >"$DIR/out" 2>"$DIR/err" || fail "$tool --help failed"
        [ -s "$DIR/out" ] || fail "$tool --help is empty"
        [ ! -s "$DIR/err" ] || fail "$tool --help writes to stderr"
        is "$tool: longest line over 80" "" "$(awk 'length > 80' "$DIR/out")"
        t "$tool" -h | cmp - "$DIR/out"
    done
}

@test "--version: exit 0, the version of version.h" {
    local tool version
    version=$(sed -n 's/^#define CDC_VERSION "\(.*\)"/\1/p' "$CDC_ROOT/include/cdc/version.h")
    for tool in "${TOOLS[@]}"; do
        run -0 --separate-stderr t "$tool" --version
        [[ ${lines[0]} == "$tool $version"* || ${lines[0]} == "$tool"*" $version"* ]] || fail "$tool: ${lines[0]}"
        [ -z "$stderr" ]
    done
}

@test "usage errors: exit 64, nothing on stdout, a way to help on stderr" {
    local tool arguments
    for tool in "${TOOLS[@]}"; do
        for arguments in --no-such-option "--metrics-file" "-Z" "--log-format=xml"; do
            run -64 --separate-stderr t "$tool" $arguments </dev/null
            [ -z "$output" ] || fail "$tool $arguments writes to stdout"
            [[ $stderr == "$tool: "* ]] || fail "$tool $arguments: $stderr"
            [[ $stderr == *"--help"* ]] || fail "$tool $arguments names no way to help: $stderr"
        done
    done
}

@test "usage errors of single tools" {
    local line
    while read -r line; do
        [[ " ${TOOLS[*]} " == *" ${line%% *} "* ]] || continue
        # shellcheck disable=SC2086
        run --separate-stderr t $line </dev/null
        is "exit status of $line" 64 "$status"
        [ -z "$output" ] || fail "$line: stdout: $output"
        [ -n "$stderr" ] || fail "$line: silent"
    done <<END
cdc-filter leftover
cdc-filter --max-line=0
cdc-filter --max-line=12q
cdc-filter --rename=nothing
cdc-filter --on-error=never
cdc-sink-sqlite
cdc-sink-sqlite one two
cdc-sink-sqlite --batch-events=0 $DIR/a.db
cdc-sink-sqlite --batch-events=x $DIR/a.db
cdc-sink-sqlite --fts=nocolumns $DIR/a.db
cdc-sink-sqlite --fts=t:a, $DIR/a.db
cdc-sink-sqlite --fts=t:a,,b $DIR/a.db
cdc-sink-sqlite --fts=t: $DIR/a.db
cdc-sink-sqlite --fts=t:,a $DIR/a.db
cdc-sink-sqlite --fts=:a $DIR/a.db
cdc-sink-sqlite --on-error=dead-letter $DIR/a.db
cdc-log append
cdc-log append one two
cdc-log append --compress=zip $DIR/l
cdc-log append --compress=zstd:99 $DIR/l
cdc-log append --segment-bytes=0 $DIR/l
cdc-log append --on-error=dead-letter $DIR/l
cdc-log read
cdc-log read --from= $DIR/l
cdc-log read --from=@x $DIR/l
cdc-log read --follow --until=now $DIR/l
cdc-log read --reader=../x $DIR/l
cdc-log read --reader=a --offset-file=b $DIR/l
cdc-log read --ack=stdout --ack=a $DIR/l
cdc-log repair one
cdc-log nothing $DIR/l
cdc-sink-http http://127.0.0.1:9/
cdc-sink-http --webhook
cdc-sink-http --webhook --elasticsearch http://127.0.0.1:9/
cdc-sink-http --webhook --format=xml http://127.0.0.1:9/
cdc-sink-http --webhook ftp://127.0.0.1/
cdc-sink-kafka
cdc-sink-kafka --topic t
cdc-sink-kafka kafka://127.0.0.1:9
cdc-sink-kafka --topic t http://127.0.0.1:9
cdc-sink-kafka --topic t kafka://
cdc-sink-kafka --topic t kafka://u:p@127.0.0.1:9
cdc-sink-kafka --topic t kafka://127.0.0.1:9/t
cdc-sink-kafka --topic t --value debezium kafka://127.0.0.1:9
cdc-sink-kafka --topic t --lines schema kafka://127.0.0.1:9
cdc-sink-kafka --name n --lines rows kafka://127.0.0.1:9
cdc-sink-kafka --name n --create-topics 0 kafka://127.0.0.1:9
cdc-sink-kafka --name n --txn-timeout 1h kafka://127.0.0.1:9
cdc-sink-kafka --topic t -X acks=1 kafka://127.0.0.1:9
cdc-sink-kafka --topic t -X acks kafka://127.0.0.1:9
cdc-sink-kafka --topic t --json kafka://127.0.0.1:9
pg-cdc --int64=float postgresql:///x
pg-cdc --until=yesterday-ish postgresql:///x
pg-cdc --retry-max=-7 postgresql:///x
pg-cdc postgresql:///x leftover
mysql-binlog --int64=float mysql:///x
mysql-binlog --decimal=7 mysql:///x
mysql-binlog --until=yesterday-ish mysql:///x
mysql-binlog --until=binlog.000001: mysql:///x
mysql-binlog --start=bogus mysql:///x
mysql-binlog --start=binlog.000001: mysql:///x
mysql-binlog --retry-max=-7 mysql:///x
mysql-binlog --max-events=0 mysql:///x
mysql-binlog --server-id=0 mysql:///x
mysql-binlog --server-id=4294967296 mysql:///x
mysql-binlog --heartbeat=soon mysql:///x
mysql-binlog --retry-max=0 --ack=stdout --ack=$DIR/a.offset mysql:///x
mysql-binlog --retry-max=0 postgresql:///x
mysql-binlog --retry-max=0 x
mysql-binlog --retry-max=0 mysql://h:0/x
mysql-binlog --retry-max=0 mysql://h:65536/x
mysql-binlog --retry-max=0 mysql://[::1/x
mysql-binlog --retry-max=0 mysql://h/%zz
mysql-binlog --retry-max=0 mysql://h/x?no-such-parameter=1
mysql-binlog --retry-max=0 mysql://127.0.0.1:9/x?ssl-mode=sometimes
mysql-binlog mysql:///x leftover
mysql-binlog --file=$DIR/binlog.000001 mysql:///x
mysql-binlog --file=$DIR/binlog.000001 --check
mysql-binlog --file=$DIR/binlog.000001 --start=now
mysql-binlog --login-path=client mysql:///x
cdc-snapshot --login-path=client mysql:///x
mysql-binlog --file=$DIR/binlog.000001 --ack=stdout
cdc-snapshot --chunk-rows=0 postgresql:///x
cdc-snapshot --progress=sometimes postgresql:///x
cdc-snapshot --slot=s mysql://127.0.0.1/x
cdc-snapshot --defaults-file=f postgresql:///x
cdc-snapshot mysql://127.0.0.1:0/x
cdc-snapshot postgresql:///x leftover
END
}

@test "every option of --help is in the man page, and the other way round" {
    local tool
    for tool in "${TOOLS[@]}"; do
        t "$tool" --help | grep -oE -- '(^|[ ,(])--[a-z][a-z0-9-]*' | grep -oE -- '--.*' | sort -u >"$DIR/help"
        sed -n '/^\.Sh DESCRIPTION/,/^\.Sh \(EXIT STATUS\|ENVIRONMENT\|FILES\|EXAMPLES\)/p' "$CDC_ROOT/man/$tool.1" |
            sed 's/\\-/-/g; s/\\&//g' | grep -E '^\.It ' | grep -oE 'Fl -[a-z][a-z0-9-]*' | sed 's/^Fl -/--/' | sort -u >"$DIR/man"
        diff "$DIR/help" "$DIR/man" >"$DIR/diff" || fail "$tool: --help (<) and man page (>) differ: $(cat "$DIR/diff")"
    done
}

@test "every exit status of --help is in the man page, and in cdc(7)" {
    local tool status
    for tool in "${TOOLS[@]}"; do
        t "$tool" --help | sed -n '/[Ee]xit/,$p' | grep -oE '\b(0|6[4-9]|7[0-9])\b' | sort -u >"$DIR/help"
        [ "$(wc -l <"$DIR/help")" -ge 4 ] || fail "$tool --help does not name its exit statuses"
        sed -n '/^\.Sh EXIT STATUS/,/^\.Sh /p' "$CDC_ROOT/man/$tool.1" >"$DIR/man"
        while read -r status; do
            grep -qwE "$status" "$DIR/man" || fail "$tool.1 does not explain exit status $status"
            grep -qw "$status" "$CDC_ROOT/man/cdc.7" || fail "cdc.7 does not explain exit status $status"
        done <"$DIR/help"
    done
}

@test "man pages are clean for mandoc" {
    run -0 mandoc -T lint -W warning "$CDC_ROOT"/man/*.[1357]
}

@test "stdout on a full device: exit 74" {
    local tool
    for tool in "${TOOLS[@]}"; do
        run -74 t bash -c '"$0" --help >/dev/full' "$tool"
        [[ $output == "$tool: "* ]] || fail "$tool is silent: $output"
    done
    printf '%s\n%s\n' "$EVENT" "$COMMIT" >"$DIR/in"
    run -74 t bash -c 'cdc-filter <"$0" >/dev/full' "$DIR/in"
    [[ $output == "cdc-filter: "* ]]
}

@test "places that cannot be right are exit 78, a missing right is 77, a file that may not grow is 74" {
    printf '%s\n%s\n' "$EVENT" "$COMMIT" >"$DIR/in"
    local sink="cdc-sink-sqlite $DIR/a.db --offset-file" line open=$DIR/open closed=$DIR/closed
    for line in "$sink $DIR/none/o" "$sink $DIR/in/o" "$sink $DIR/$(printf 'x%.0s' {1..300})" "cdc-sink-sqlite $DIR/a.db --state-dir $DIR/none/state" \
        "cdc-sink-sqlite $DIR/a.db --state-dir $DIR/in" "cdc-sink-sqlite $DIR/a.db --on-error=dead-letter --dead-letter $DIR/none/dead"; do
        run -78 --separate-stderr t bash -c "$line <$DIR/in"
        [[ $stderr == *"$DIR/"* ]] || fail "$line: $stderr"
    done
    run -74 --separate-stderr bash -c "ulimit -f 1; yes '$EVENT' | head -1000 | timeout 30 cdc-filter >$DIR/out"
    [[ $stderr == *"File too large"* ]]
    # The lock is there from better days, and the folder is closed since. Root may write everywhere.
    local user=()
    mkdir -m 755 "$closed"
    touch "$closed/o.lock"
    mkdir -m 777 "$open"
    if [ "$(id -u)" = 0 ]; then
        chown nobody "$closed/o.lock"
        user=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
    else
        chmod 555 "$closed"
    fi
    install -m 755 "$BIN/cdc-sink-sqlite" "$open/sink"
    chmod a+rx "$DIR" "$DIR/.." "$DIR/../.." "$DIR/../../.." 2>/dev/null
    for line in "--offset-file $closed/o" "--state-dir $closed/state"; do
        run -77 --separate-stderr t "${user[@]}" env "LD_LIBRARY_PATH=$BIN/.." "$open/sink" "$open/a.db" $line <"$DIR/in"
        [[ $stderr == *"$closed/"*"Permission denied"* ]] || fail "$line: $stderr"
    done
}

@test "a sink's offset file that a source with that state folder does not find: a warning" {
    mkdir -p "$DIR/s" "$DIR/other"
    cd "$DIR" || return 1
    local file
    unseen() { grep -c "is not one that a source finds in state folder" "$DIR/err" || true; }
    for file in s/a.offset "$DIR/s/b.offset" ./other/../s/c.offset; do
        t cdc-sink-sqlite --state-dir "$DIR/s" --offset-file "$file" "$DIR/copy.db" </dev/null 2>"$DIR/err"
        is "warnings of $file" 0 "$(unseen)"
    done
    for file in s/a a.offset other/a.offset "$DIR/other/b.offset"; do
        CDC_STATE_DIR=$DIR/s t cdc-sink-sqlite --offset-file "$file" "$DIR/copy.db" </dev/null 2>"$DIR/err"
        is "warnings of $file" 1 "$(unseen)"
    done
    t cdc-sink-sqlite --offset-file a "$DIR/copy.db" </dev/null 2>"$DIR/err"
    is "warnings without a folder" 0 "$(unseen)"
}

@test "a reader that goes away: exit 74, without a word" {
    yes "$EVENT" | head -200000 >"$DIR/in"
    t bash -c 'cdc-filter <"$0" 2>"$1" | head -3 >"$2"; exit "${PIPESTATUS[0]}"' "$DIR/in" "$DIR/err" "$DIR/out" || status=$?
    is "exit status" 74 "${status:-0}"
    is "stderr" "" "$(cat "$DIR/err")"
    is "lines" 3 "$(wc -l <"$DIR/out")"
    # Closed from the start.
    run -74 t bash -c 'cdc-filter <"$0" >&-' "$DIR/in"
}

@test "empty input is fine for a reader" {
    : >"$DIR/in"
    local tool
    for tool in $(readers); do
        reader "$tool" <"$DIR/in" >"$DIR/out" 2>"$DIR/err" || fail "$tool: $(cat "$DIR/err")"
        [ ! -s "$DIR/out" ]
    done
}

@test "a cut last line: exit 75, and it is not used" {
    printf '%s' "${EVENT:0:100}" >"$DIR/in"
    readers_exit 75 "$DIR/in"
    # A whole object is cut too as long as its LF is missing.
    printf '%s\n%s\n%s\n%s' "$SCHEMA" "$EVENT" "$COMMIT" "$EVENT" >"$DIR/in"
    run -75 t bash -c 'cdc-filter <"$0" 2>/dev/null >"$1"' "$DIR/in" "$DIR/out"
    is "lines that came through" 3 "$(wc -l <"$DIR/out")"
    whole_lines "$DIR/out"
    run -75 t bash -c 'cdc-sink-sqlite "$1" <"$0"' "$DIR/in" "$DIR/cut.db"
    is "rows" 1 "$(sqlite3 "$DIR/cut.db" 'select count(*) from t')"
}

@test "input that ends inside a transaction: exit 75, and what was complete is stored" {
    printf '%s\n%s\n%s\n%s\n' "$SCHEMA" "$EVENT" "$COMMIT" "$(sed 's/"pos":"01","seq":1/"pos":"03","seq":3/; s/"id":1/"id":2/g' <<<"$EVENT")" >"$DIR/in"
    run -75 t bash -c 'cdc-sink-sqlite "$1" <"$0"' "$DIR/in" "$DIR/a.db"
    is "rows" 1 "$(sqlite3 "$DIR/a.db" 'select group_concat(id) from t')"
    # The same from the start, this time whole.
    { cat "$DIR/in"; sed 's/"pos":"02","seq":1/"pos":"04","seq":3/' <<<"$COMMIT"; } >"$DIR/whole"
    t cdc-sink-sqlite "$DIR/a.db" <"$DIR/whole"
    is "rows" 1,2 "$(sqlite3 "$DIR/a.db" 'select group_concat(id) from t')"
}

@test "a file or a folder without a name is a usage error; a start that is refused leaves nothing behind" {
    local tool url option before
    for tool in "${TOOLS[@]}"; do
        case $tool in
        cdc-filter) continue ;;
        cdc-sink-sqlite) url=$DIR/e.db ;;
        cdc-sink-http) url='--webhook http://127.0.0.1:1/' ;;
        cdc-log) url=$DIR/e.log tool="$tool append" ;;
        cdc-sink-kafka) url='--topic t kafka://127.0.0.1:1' ;;
        pg-cdc) url='--name n postgresql://127.0.0.1:1/d' ;;
        *) url='--name n mysql://127.0.0.1:1/d' ;;
        esac
        for option in --offset-file --state-dir; do
            # shellcheck disable=SC2086
            run -64 --separate-stderr t $tool --retry-max 0 $option '' $url </dev/null
            [[ $stderr == *"$option needs the name of a"* ]] || fail "$tool: $stderr"
        done
    done
    not test -e "$DIR/e.db"
    not test -e "$DIR/e.log"
    mkdir "$DIR/empty"
    # No destination can have a table without a name.
    sed 's/"table":"[a-z]*"/"table":""/' <<<"$SCHEMA" >"$DIR/in"
    for tool in "cdc-sink-sqlite $DIR/r.db" "cdc-sink-http --elasticsearch --index {table} http://127.0.0.1:1/"; do
        for option in "--state-dir $DIR/empty/s" "--offset-file $DIR/empty/o"; do
            # shellcheck disable=SC2086
            run -78 --separate-stderr t $tool $option --retry-max 0 <"$DIR/in"
            is "left by $tool" "" "$(find "$DIR/empty" -mindepth 1)"
        done
    done
}

@test "a name that is not UTF-8 is a usage error, before anything is made" {
    local tool name=$'n\xff'
    mkdir "$DIR/state"
    for tool in "pg-cdc --name $name --state-dir $DIR/state postgresql://127.0.0.1:1/d" "pg-cdc --check --name $name postgresql://127.0.0.1:1/d" \
        "mysql-binlog --name $name --state-dir $DIR/state mysql://127.0.0.1:1/d" "mysql-binlog --name $name --file $DIR/none" \
        "cdc-snapshot --name $name --state-dir $DIR/state postgresql://127.0.0.1:1/d" "kafka-cdc --name $name --state-dir $DIR/state kafka://127.0.0.1:1/t" \
        "cdc-sink-kafka --name $name --state-dir $DIR/state kafka://127.0.0.1:1"; do
        # shellcheck disable=SC2086
        run -64 --separate-stderr t $tool --retry-max 0 </dev/null
        [[ $stderr == *'is not UTF-8'* ]] || fail "$tool: $stderr"
    done
    is "what is there" "" "$(find "$DIR/state" -mindepth 1)"
}

@test "bad lines: exit 65 and the line's number" {
    local bad
    head -c 4000 /dev/zero | tr '\0' '[' >"$DIR/brackets"
    for bad in 'no json' '{"op":"c"' '[1,2]' '"text"' '7' '{"op":"c",}' '{"op":"c"} x' $'{"op":"c","x":"\xff\xfe"}' $'\x01\x02\x03' '{"op":"c","x":01}' '{"op":"c","x":"\ud800"}' '' \
        "{\"op\":\"c\",\"x\":$(head -c 1000 /dev/zero | tr '\0' '[')$(head -c 1000 /dev/zero | tr '\0' ']')}"; do
        printf '%s\n%s\n%s\n%s\n' "$SCHEMA" "$EVENT" "$COMMIT" "$bad" >"$DIR/in"
        # The first two would wait for the network in the HTTP sink: there the bad line comes first.
        for tool in $(readers); do
            [ "$tool" != cdc-sink-http ] || printf '%s\n' "$bad" >"$DIR/in"
            status=0
            reader "$tool" <"$DIR/in" >"$DIR/out" 2>"$DIR/err" || status=$?
            is "$tool on '${bad:0:40}'" 65 "$status" || { head -c 500 "$DIR/err"; return 1; }
            grep -qE '(line|record) [0-9]+' "$DIR/err" || fail "$tool names no line: $(head -c 300 "$DIR/err")"
        done
    done
    # Binary, and NUL bytes.
    printf 'a\0b\n' >"$DIR/in"
    readers_exit 65 "$DIR/in"
    head -c 65536 "$BIN/cdc-filter" >"$DIR/in"
    echo >>"$DIR/in"
    readers_exit 65 "$DIR/in"
}

@test "known fields of the wrong type: exit 65" {
    local bad
    for bad in '{"op":1}' '{"op":"c","pos":5,"seq":1,"source":{}}' '{"op":"c","pos":"1","seq":"x","source":{}}' '{"op":"c","pos":"1","seq":1,"source":"s"}' \
        '{"op":"c","pos":"1","seq":1,"source":{"table":5}}' '{"op":"c","pos":"1","seq":1,"source":{},"after":[1]}' '{"op":"c","pos":"1","seq":1.5,"source":{}}' \
        '{"op":"c","pos":"1","seq":99999999999999999999,"source":{}}' '{"op":"u","pos":"1","seq":1,"source":{},"unchanged":{}}'; do
        printf '%s\n' "$bad" >"$DIR/in"
        readers_exit 65 "$DIR/in" || fail "on $bad"
    done
}

@test "--max-line: a longer line is an error, 100 MB pass by default" {
    printf '{"op":"x","pos":"1","seq":1,"x":"' >"$DIR/in"
    head -c 100000000 /dev/zero | tr '\0' a >>"$DIR/in"
    printf '"}\n' >>"$DIR/in"
    readers_exit 65 "$DIR/in" --max-line 1M
    LIMIT=60 t cdc-filter <"$DIR/in" | cmp - "$DIR/in"
    rm -f "$DIR/in"
}

@test "an op that nobody knows passes the filter byte for byte, and sinks go on" {
    printf '{ "op" : "future",  "pos":"01","seq":1, "x" : [1.0,1e5,"\\u00e9\\/"] }\n%s\n' "$COMMIT" >"$DIR/in"
    t cdc-filter -t nothing.at_all --op c --drop-columns x <"$DIR/in" | cmp - "$DIR/in"
    run -0 --separate-stderr t bash -c 'cdc-sink-sqlite "$1" <"$0"' "$DIR/in" "$DIR/a.db"
    [[ $stderr == *"unknown op"* ]] || fail "the sink says nothing: $stderr"
}

@test "messages: one line each, tool: level: text; --log-format=json is JSON; terminal codes are escaped" {
    printf 'bad \033[31m line\n' >"$DIR/in"
    local tool status
    for tool in $(readers); do
        reader "$tool" <"$DIR/in" 2>"$DIR/err" >/dev/null || true
        ! grep -q $'\033' "$DIR/err" || fail "$tool passes control characters to the terminal"
        ! grep -vE "^$tool: (error|warning|info|debug|hint): " "$DIR/err" || fail "$tool: form of messages"
        reader "$tool" --log-format=json <"$DIR/in" 2>"$DIR/err" >/dev/null || true
        jq -e .level "$DIR/err" >/dev/null || fail "$tool: $(cat "$DIR/err")"
    done
}

# silent TOOL ARGUMENT...: the tool fails, says why, and shows nothing of geheim123.
silent() {
    [[ " ${TOOLS[*]} " == *" $1 "* ]] || return 0
    run t "$@" <&-
    [ "$status" -ne 0 ] || fail "$* ends well"
    [ -n "$output" ] || fail "$* says nothing"
    [[ $output != *geheim123* ]] || fail "$*: $output"
}
@test "a secret that is misplaced or misspelled is in no message" {
    local tool url
    cd "$DIR"
    for tool in pg-cdc mysql-binlog cdc-snapshot cdc-sink-sqlite cdc-filter; do
        for url in postgresql://u:geheim123@127.0.0.1:1/d mysql://u:geheim123@127.0.0.1:1/d http://u:geheim123@127.0.0.1 'host=127.0.0.1 password=geheim123'; do
            silent $tool "$url" "$url"
            silent $tool --metrics-file "$url" "$url" one two
            silent $tool --retry-max "$url"
        done
    done
    for url in postgres:/u:geheim123@127.0.0.1:1/d posgresql://u:geheim123@127.0.0.1:1/d u:geheim123@127.0.0.1 postgresql://u:geheim123/x@127.0.0.1:1/d 'postgresql://u:p?geheim123@127.0.0.1:1/d'; do
        silent pg-cdc --retry-max 0 "$url"
    done
    for url in mysql:/u:geheim123@127.0.0.1:1/d mysql://u:geheim123/x@127.0.0.1:1/d 'mysql://u:p?geheim123@127.0.0.1:1/d' 'mysql://u@127.0.0.1:1/d?password:geheim123'; do
        silent mysql-binlog --retry-max 0 "$url"
        silent mysql-binlog --file "$url"
        silent mysql-binlog --file x --schema-from "$url" --offset-file "$url"
    done
    # Of a message that is truncated inside it, too.
    for tool in pg-cdc mysql-binlog; do silent $tool "x://u:$(printf 'geheim123%.0s' {1..100})@h/d" "x://u:$(printf 'geheim123%.0s' {1..100})@h/d"; done
}

@test "an http URL's path, query and password, and a header, are neither in messages nor in the process list" {
    [[ " ${TOOLS[*]} " == *" cdc-sink-http "* ]] || skip "no cdc-sink-http"
    local url line='{"op":"c","pos":"1","seq":1,"source":{"name":"s","table":"t"},"key":{"id":1},"after":{"id":1}}'
    cd "$DIR"
    for url in 'http://127.0.0.1:9/hook?token=geheim123' http://127.0.0.1:9/services/geheim123 http://u:geheim123@127.0.0.1:9/; do
        run bash -o pipefail -c "echo '$line' | cdc-sink-http --webhook --retry-max 1 --header 'Authorization: Bearer geheim123' '$url'"
        is "exit status" 69 "$status"
        [[ $output == *http://127.0.0.1:9* ]] || fail "names no host: $output"
        [[ $output != *geheim123* ]] || fail "$output"
        rm -f "$DIR/err" # that of the URL before says nothing of this one
        spawn bash -c "exec cdc-sink-http --webhook --header 'Authorization: Bearer geheim123' '$url' 2>'$DIR/err' < <(sleep 100)"
        wait_for_match "$DIR/err" .
        tr '\0' ' ' <"/proc/$SPAWNED/cmdline" | grep -q 'Authorization:.*http:' || fail "the rest of the arguments is gone"
        not grep -qa geheim123 "/proc/$SPAWNED/cmdline"
        kill -KILL "$SPAWNED"
    done
    for url in http:/u:geheim123@127.0.0.1:1/ http:///u:geheim123@127.0.0.1:1/ u:geheim123@127.0.0.1:1/; do
        silent cdc-sink-http --webhook "$url"
        is "exit status of $url" 64 "$status"
    done
    silent cdc-sink-http --webhook http://u:geheim123@127.0.0.1:1x/
    silent cdc-sink-http --webhook --header 'Authorization geheim123' http://127.0.0.1:1/
    silent cdc-sink-http --webhook --user u:geheim123 http://127.0.0.1:1/
}

@test "a password in a URL shows neither in messages nor in the process list" {
    local tool url
    cd "$DIR" # where cdc-snapshot leaves its offset file
    for tool in pg-cdc cdc-snapshot mysql-binlog; do
        [[ " ${TOOLS[*]} " == *" $tool "* ]] || continue
        url='postgresql://someone:geheim123@127.0.0.1:9/x?connect_timeout=1'
        [ "$tool" != mysql-binlog ] || url='mysql://someone:geheim123@127.0.0.1:9/x'
        run t "$tool" --retry-max 0 --name n "$url"
        [ "$status" -eq 69 ] || fail "$tool: $status: $output"
        [[ $output != *geheim123* ]] || fail "$tool prints it: $output"
        spawn "$tool" --retry-max 1000 --name n "$url" 2>"$DIR/err"
        wait_for_match "$DIR/err" .
        ! tr '\0' ' ' <"/proc/$SPAWNED/cmdline" | grep -q geheim123 || fail "$tool leaves it in its arguments"
        kill "$SPAWNED"
        # A snapshot that was not even begun is not done: `&& exec pg-cdc` must not go on.
        status=0
        status_of "$SPAWNED" || status=$?
        case $tool in cdc-snapshot) is "$tool after SIGTERM" 75 $status ;; *) is "$tool after SIGTERM" 0 $status ;; esac
    done
}

# exits STATUS WORD COMMAND...: with that status, nothing on stdout, and a message that holds the word.
exits() {
    local expected=$1 word=$2
    shift 2
    run --separate-stderr t "$@" </dev/null
    is "exit status of $*" "$expected" "$status" || { echo "$stderr"; return 1; }
    [ -z "$output" ] || fail "$*: stdout: $output"
    [[ $stderr == *": error: "*"$word"* ]] || fail "$*: $stderr"
}

@test "mysql-binlog without a server: no server 69, files that are none 78 and 65, state 75 and 78" {
    [[ " ${TOOLS[*]} " == *" mysql-binlog "* ]] || skip "not in this build"
    exits 69 127.0.0.1 mysql-binlog --retry-max 0 mysql://cdc@127.0.0.1:9/shop
    exits 69 127.0.0.1 mysql-binlog --check mysql://cdc@127.0.0.1:9/shop
    exits 69 no.such.host.invalid mysql-binlog --retry-max 0 mysql://cdc@no.such.host.invalid/shop
    exits 78 "$DIR/missing" mysql-binlog --file "$DIR/missing"
    exits 78 "$DIR" mysql-binlog --file "$DIR"
    echo 'no binary log' >"$DIR/text"
    exits 65 "$DIR/text" mysql-binlog --file "$DIR/text"
    printf '\376bin\1\2\3' >"$DIR/cut"
    exits 65 "$DIR/cut" mysql-binlog --file "$DIR/cut"
    exits 65 "$DIR/cut" mysql-binlog --file "$DIR/cut" --file "$DIR/text"
    printf '\376bin' >"$DIR/empty"
    run -0 t mysql-binlog --file "$DIR/empty"
    is "lines" "" "$output"
    # A second copy, and a file that is none of ours.
    flock "$DIR/held.lock" timeout 10 "$BIN/mysql-binlog" --retry-max 0 --offset-file "$DIR/held" mysql://cdc@127.0.0.1:9/shop 2>"$DIR/err" || status=$?
    is "with the offset file held" 75 "$status" || { cat "$DIR/err"; return 1; }
    echo '{"format":1' >"$DIR/damaged"
    exits 78 "$DIR/damaged" mysql-binlog --retry-max 0 --offset-file "$DIR/damaged" mysql://cdc@127.0.0.1:9/shop
    echo '{"format":1,"tool":"pg-cdc","time":"2026-11-21T09:28:42Z","offsets":{}}' >"$DIR/foreign"
    exits 78 "$DIR/foreign" mysql-binlog --retry-max 0 --offset-file "$DIR/foreign" mysql://cdc@127.0.0.1:9/shop
}

@test "mysql-binlog at a server: wrong password and missing privileges 77, no such database 78, all there 0" {
    [[ " ${TOOLS[*]} " == *" mysql-binlog "* ]] || skip "not in this build"
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start
    msql "create database shop; create table shop.t (id int primary key); create user nobody@'%' identified by 'x', half@'%' identified by 'x';
          grant replication slave on *.* to half@'%'; grant select on shop.* to half@'%'"
    local url login
    url=$(mysql_url)
    login="mysql://cdc:$MYSQL_PASSWORD@"
    run -0 --separate-stderr t mysql-binlog --check "${url}shop"
    [[ $output == server*binlog_format*ROW* ]] || fail "stdout of --check: $output"
    run -0 --separate-stderr t mysql-binlog --check --json "${url}shop"
    is "the object" '["mysql-binlog",0,"ROW","t",true]' "$(jq -c '[.tool, .exit_status, .settings.binlog_format, .tables[0].table, .tables[0].key]' <<<"$output")"
    is "stderr of --check --json" "" "$stderr"
    run -0 t mysql-binlog -q --until now "${url}shop"
    exits 77 cdc mysql-binlog --retry-max 0 "mysql://cdc:wrong@${url#"$login"}shop"
    exits 77 nobody mysql-binlog --retry-max 0 "mysql://nobody:x@${url#"$login"}shop"
    exits 77 "" mysql-binlog --retry-max 0 "mysql://half:x@${url#"$login"}shop"
    exits 78 "" mysql-binlog -q --check "mysql://half:x@${url#"$login"}shop"
    exits 78 no_such_db mysql-binlog --retry-max 0 "${url}no_such_db"
    # The password in the environment and in an option file.
    MYSQL_PWD=$MYSQL_PASSWORD run -0 t mysql-binlog -q --until now "mysql://cdc@${url#"$login"}shop"
    printf '[mysql-binlog]\nuser=cdc\npassword=%s\n' "$MYSQL_PASSWORD" >"$DIR/options"
    run -0 t mysql-binlog -q --until now --defaults-file "$DIR/options" "mysql://${url#"$login"}shop"
}

@test "--metrics-file is written, and is Prometheus text" {
    printf '%s\n%s\n%s\n' "$SCHEMA" "$EVENT" "$COMMIT" >"$DIR/in"
    t cdc-sink-sqlite --metrics-file "$DIR/m.prom" "$DIR/a.db" <"$DIR/in"
    grep -qE '^cdc_[a-z_]+\{.*tool="cdc-sink-sqlite".*\} [0-9]+' "$DIR/m.prom"
    not grep -vE '^(#.*|[a-z_]+(\{.*\})? [-0-9.e+]+)?$' "$DIR/m.prom"
}
