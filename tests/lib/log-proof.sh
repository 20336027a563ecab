#!/bin/bash
# Checks the proof in file $1 with the public key in file $2, and prints the line that it proves.
set -euo pipefail
hash() { sha256sum | cut -c 1-64; }
bytes() { printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"; }
hex() { base64 -d | od -An -v -tx1 | tr -d ' \n'; }
dir=$(mktemp -d) && trap 'rm -r "$dir"' EXIT
sed '1,/^$/d; /^$/,$d' "$1" >"$dir/text"
tail -n 1 "$1" | sed 's/.* //' | base64 -d | tail -c 64 >"$dir/signature"
openssl pkeyutl -verify -pubin -inkey "$2" -rawin -in "$dir/text" -sigfile "$dir/signature" >/dev/null
at=$(sed -n 's/^index //p' "$1") last=$(($(sed -n 2p "$dir/text") - 1))
node=$({ printf '\0'; sed -n 's/^extra //p' "$1" | base64 -d; } | hash)
while read -r sibling; do
    sibling=$(hex <<<"$sibling")
    if ((at % 2 == 1 || at == last)); then
        node=$(bytes "01$sibling$node" | hash)
        while ((at % 2 == 0 && at > 0)); do at=$((at / 2)) last=$((last / 2)); done
    else
        node=$(bytes "01$node$sibling" | hash)
    fi
    at=$((at / 2)) last=$((last / 2))
done < <(sed '1,/^index /d; /^$/,$d' "$1")
[ "$last" = 0 ] && [ "$node" = "$(sed -n 3p "$dir/text" | hex)" ]
sed -n 's/^extra //p' "$1" | base64 -d >"$dir/entry"
# A salt of 16 bytes comes first, unless the log has none.
if [ "$(head -c 2 "$dir/entry" | od -An -tx1)" = ' 7b 22' ]; then cat "$dir/entry"; else tail -c +17 "$dir/entry"; fi
echo
