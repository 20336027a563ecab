#!/bin/bash
# Walks the chain of the log in folder $1, and prints the value that it ends with; status 1 where it is broken.
set -euo pipefail
hash() { sha256sum | cut -c 1-64; }
bytes() { printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"; }
lines() { if [ -e "$1.ndjson" ]; then cat "$1.ndjson"; else zstdcat "$1.ndjson.zst"; fi; }
id=$(jq -r .id "$1/meta.json")
redactable=$(jq -r .redactable "$1/meta.json")
chain=$(printf 'cdc-log %s' "$id" | hash)
for journal in "$1"/[0-9]*.idx; do
    segment=${journal%.idx} n=0 salt=
    start=$(head -n 1 "$journal" | jq -r '.segment, .prev' | paste -sd ' ')
    # Of a log that was trimmed, the first one says where to begin.
    [ "${first:-$start}" != "$start" ] || [ "${start% *}" = 0 ] || chain=${start#* }
    first=${first:-$start}
    [ "${start#* }" = "$chain" ] || { echo "$segment: does not go on where the one before ends" >&2; exit 1; }
    while IFS= read -r line; do
        leaf=
        if [[ $line == '{"op":"purged",'* ]]; then
            leaf=$(jq -r --arg id "$id" 'select(.log == $id) | .leaf // ""' <<<"$line")
        fi
        if [ -z "$leaf" ]; then
            [ "$redactable" = false ] || salt=$(od -An -v -tx1 -j $((16 * n)) -N 16 "$segment.salt" | tr -d ' \n')
            leaf=$({ printf '\0'; bytes "$salt"; printf %s "$line"; } | hash)
        fi
        chain=$(bytes "$chain$leaf" | hash)
        n=$((n + 1))
    done < <(lines "$segment")
    [ "$(tail -n 1 "$journal" | jq -r ".chain // .prev")" = "$chain" ] || { echo "$segment: its lines are not those of its journal" >&2; exit 1; }
done
echo "$chain"
