# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Hand-written event lines for the tests of the sinks. SEQ is the transaction,
# POS counts its lines; tx begins the next one.
SEQ=100
POS=0
TABLE=t
SOURCE_NAME=n
tx() { SEQ=$((SEQ + 10)); POS=0; }
# line OP MEMBERS: one line of table TABLE.
line() {
    POS=$((POS + 1))
    printf '{"op":"%s","pos":"%08d.%08d","seq":%d,"ts_ms":1,"source":{"connector":"postgresql","name":"%s","db":"d","schema":"%s","table":"%s","ts_ms":1,"txId":5,"lsn":%d,"snapshot":"false"},%s}\n' \
        "$1" $SEQ $POS $SEQ "$SOURCE_NAME" "${SCHEMA:-public}" "$TABLE" $SEQ "$2"
}
# ascii: the same lines with every other spelling of what is not ASCII, as `jq -a` and many others print them.
ascii() { jq -ac .; }
# schema KEYS NAME:TYPE...: KEYS are comma-joined.
schema() {
    local keys=$1 columns='' key list=''
    shift
    for key in ${keys//,/ }; do list+=",\"$key\""; done
    for key; do columns+=",{\"name\":\"${key%%:*}\",\"type\":\"${key#*:}\",\"nullable\":true,\"generated\":false}"; done
    line schema "\"columns\":[${columns#,}],\"key_columns\":[${list#,}]"
}
# The lines that begin and end the read of a table; the second has the columns, as schema.
read_begin() { line t '"read":"begin"'; }
read_end() {
    schema "$@" | sed 's/}$/,"read":"end"}/'
    POS=$((POS + 1)) # the pipe has counted in a process of its own
}
# change OP KEY BEFORE AFTER [UNCHANGED]
change() { line "$1" "\"key\":$2,\"before\":$3,\"after\":$4${5:+,\"unchanged\":$5}"; }
commit() {
    POS=$((POS + 1))
    printf '{"op":"commit","pos":"%08d.99999999.%d","seq":%d,"ts_ms":1,"source":{"connector":"postgresql","name":"%s","db":"d","ts_ms":1,"txId":5,"lsn":%d,"snapshot":"false"},"events":%d}\n' $SEQ $POS $SEQ "$SOURCE_NAME" $SEQ $POS
    tx
}
