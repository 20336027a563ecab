#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a webhook gets beside the plain lines: CloudEvents, signatures, headers and URLs of each table, and what it takes to be let in.
# takes: 15 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines

setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    SOURCE_NAME=shop
    SCHEMA=public
}
teardown() { end_spawned || true; }

server() {
    mkdir -p "$DIR/http"
    spawn python3 "$LIB/http-server.py" "$DIR/http" "$@"
    wait_until test -s "$DIR/http/port"
    URL=http://127.0.0.1:$(cat "$DIR/http/port")
}
script() { printf '%s\n' "$@" >"$DIR/http/script"; }
log() { jq -r "$1" "$DIR/http/log"; }
webhook() { t cdc-sink-http --webhook --offset-file "$DIR/o" "$@" "$URL" <"$IN"; }
row() { change c "{\"id\":$1}" null "{\"id\":$1,\"v\":\"v$1\"}"; }
three() {
    schema id id:integer v:text
    row 1; row 2; row 3
    commit
}
pos() { jq -r '.offsets.shop.pos // ""' "$DIR/o"; }

@test "409 while the receiver may be busy with the same request is tried again, and is the line's after that" {
    server
    three >"$IN"
    script 200 close '409 busy' '409 busy' 200 504 '409 busy' 200
    LIMIT=60 webhook
    is "taken" "1 2 3" "$(log 'select(.answer == "200") | .body | fromjson | .after.id' | xargs)"
    rm "$DIR/o"
    end_spawned || true
    rm -r "$DIR/http"
    server
    script close $(yes 409 | head -100)
    LIMIT=60 run -65 --separate-stderr webhook --timeout 1
    [[ $stderr == *"the webhook refuses the line: HTTP status 409"* ]]
    is "offset" "" "$(pos)"
    end_spawned || true
    rm -r "$DIR/http"
    rm "$DIR/o"
    server
    script 409 # nothing was ever sent before
    run -65 webhook
    is "requests" 1 "$(log .path | wc -l)"
}

@test "an answer with a line of 150 KB in its header is no want of memory: it is tried again" {
    server
    three >"$IN"
    script "200 X-Long=$(head -c 150000 /dev/zero | tr '\0' a)" 200
    run -0 --separate-stderr webhook
    [[ $stderr == *"a line in the header of the answer is too long; trying again"* ]]
    is "the last one" 3 "$(log '.body | fromjson | .after.id' | tail -n 1)"
    [ -n "$(pos)" ]
}

@test "409 after a kill: the receiver may be busy with the request of the run before, whose lines come again" {
    local requests
    three >"$IN"
    for requests in 1 2; do
        rm -rf "$DIR/http" "$DIR/o"
        server
        script slow slow
        spawn_line "exec cdc-sink-http --webhook --requests $requests --offset-file '$DIR/o' $URL <'$IN'"
        wait_for_lines "$DIR/http/log" "$requests"
        kill -KILL -- "-$SPAWNED"
        end_spawned || true
        rm -r "$DIR/http"
        server
        script '409 busy' '409 busy' 200 '409 busy' 200
        LIMIT=60 webhook --requests "$requests"
        is "taken" "1 2 3" "$(log 'select(.answer == "200" or .answer == null) | .body | fromjson | .after.id' | sort | xargs)"
        end_spawned || true
    done
    rm -r "$DIR/http" "$DIR/o"
    server
    script slow
    spawn_line "exec cdc-sink-http --webhook --offset-file '$DIR/o' $URL <'$IN'"
    wait_for_lines "$DIR/http/log" 1
    kill -KILL -- "-$SPAWNED"
    end_spawned || true
    rm -r "$DIR/http"
    server
    script $(yes 409 | head -100) # for good: it is the line's, once the request before must have ended
    LIMIT=60 run -65 --separate-stderr webhook --timeout 1
    [[ $stderr == *"the webhook refuses the line: HTTP status 409"* ]]
}

@test "cloudevents: the attributes of the specification, and the line as data, byte for byte" {
    server
    SCHEMA='a\"b' # as it stands in the line: with its escape
    { three; line t '"unknown":1.10'; line m '"message":{"prefix":"p","content":"x"}'; commit; } >"$IN"
    webhook --format=cloudevents
    is requests 5 "$(log .path | wc -l)"
    is type "application/cloudevents+json; charset=utf-8" "$(log '.headers["content-type"]' | sort -u)"
    is attributes '["1.0","/shop/d","cdc.create","a\"b.t","1970-01-01T00:00:00.001Z","application/json"]' \
        "$(log '.body | fromjson | select(.type == "cdc.create") | [.specversion, .source, .type, .subject, .time, .datacontenttype] | @json' | sort -u)"
    is types "cdc.create cdc.create cdc.create cdc.truncate cdc.message" "$(log '.body | fromjson | .type' | xargs)"
    is ids "$(grep -E '"op":"[ctm]"' "$IN" | jq -r .pos)" "$(log '.body | fromjson | .id')"
    # jq would write 1.10 as 1.1.
    is data "$(grep -E '"op":"[ctm]"' "$IN")" "$(log .body | sed 's/.*,"data"://; s/}$//')"
}

@test "cloudevents-batch: an array of them, and halves of it where a line is refused" {
    server
    three >"$IN"
    webhook --format=cloudevents-batch
    is requests 1 "$(log .path | wc -l)"
    is type "application/cloudevents-batch+json; charset=utf-8" "$(log '.headers["content-type"]')"
    is data "$(grep '"op":"c"' "$IN" | jq -cS .)" "$(log .body | jq -cS '.[].data')"
    rm "$DIR/o" "$DIR/http/log"
    script 200 422 422 422 200 # the first was taken above
    webhook --format=cloudevents-batch --on-error=dead-letter --dead-letter "$DIR/dead"
    is "what was taken or refused" "$(grep '"op":"c"' "$IN" | jq -c .key)" \
        "$({ jq -c '.line | fromjson | .key' "$DIR/dead"; log 'select(.answer == "200") | .body' | jq -c '.[].data.key'; } | sort -u)"
}

@test "the time of a CloudEvent: before 1970, and what RFC 3339 cannot have is left out" {
    server
    three | sed 's/"ts_ms":1,"source"/"ts_ms":-1,"source"/' >"$IN"
    webhook --format=cloudevents
    is time 1969-12-31T23:59:59.999Z "$(log '.body | fromjson | .time' | sort -u)"
    rm "$DIR/o" "$DIR/http/log"
    three | sed 's/"ts_ms":1,"source"/"ts_ms":9000000000000000,"source"/' >"$IN"
    webhook --format=cloudevents
    is time null "$(log '.body | fromjson | .time' | sort -u)"
    is requests 3 "$(log .path | wc -l)"
}

# verified KEY...: the requests of the log one of whose signatures is right for each key.
verified() {
    python3 - "$DIR/http/log" "$@" <<'EOF'
import base64, hashlib, hmac, json, sys
for line in open(sys.argv[1]):
    request = json.loads(line)
    headers = request["headers"]
    signed = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.{request["body"]}'.encode()
    wanted = ["v1," + base64.b64encode(hmac.new(base64.b64decode(key.removeprefix("whsec_")), signed, hashlib.sha256).digest()).decode() for key in sys.argv[2:]]
    assert headers["webhook-signature"].split(" ") == wanted, (headers, wanted)
    print(headers["webhook-id"])
EOF
}

@test "--sign: Standard Webhooks, also of a request that is sent again, and with two keys while one takes the other's place" {
    local old=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw new=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==
    server
    three >"$IN"
    (umask 077 && printf '# of this year\n%s\n' $old >"$DIR/keys")
    script 503 200 close 200 200
    webhook --sign "$DIR/keys"
    is "requests with the right signature" 5 "$(verified $old | wc -l)"
    is "taken" "$(grep '"op":"c"' "$IN")" "$(log 'select(.answer == "200") | .body')"
    rm "$DIR/o" "$DIR/http/log"
    printf '\n%s\r\n' $new >>"$DIR/keys"
    webhook --sign "$DIR/keys" --format=ndjson
    is "signed twice" 1 "$(verified $old $new | wc -l)"
    is "Idempotency-Key" "\"$(log '.headers["webhook-id"]')\"" "$(log '.headers["idempotency-key"]')"
}

@test "--sign: a file without a sound key, or that others may read, sends nothing" {
    server
    three >"$IN"
    local bad
    for bad in '' 'secret' 'whsec_' 'whsec_c2hvcnQ=' 'whsec_!!!!9r8GKYqrTwjUPD8ILPZIo2LaLaSw' "whsec_$(head -c 66 /dev/zero | base64 -w0)"; do
        (umask 077 && printf '%s\n' "$bad" >"$DIR/keys")
        run -78 --separate-stderr webhook --sign "$DIR/keys"
        [[ ${#bad} -lt 8 || $stderr != *"$bad"* ]] || fail "the key is in the message: $stderr"
    done
    echo whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw >"$DIR/keys"
    chmod 640 "$DIR/keys"
    run -77 webhook --sign "$DIR/keys"
    chmod 600 "$DIR/keys"
    ln -s keys "$DIR/link"
    run -78 webhook --sign "$DIR/link"
    run -78 webhook --sign "$DIR/none"
    run -64 t cdc-sink-http --elasticsearch --sign "$DIR/keys" "$URL" <"$IN"
    [ ! -s "$DIR/http/log" ]
}

@test "URLs and headers of each table: in order, a batch for one place, and no name breaks out of its segment" {
    server
    {
        for TABLE in a 'x/y' 'x/y' '..' 'ü?%\n' a; do row $((++i)); done
        TABLE=a line m '"message":{"prefix":"p","content":"x"}' | sed 's/"schema":"public","table":"a",//'
        commit
    } >"$IN"
    URL+='/in/{db}/{schema}.{table}/{unknown}?t={table}'
    webhook --format=ndjson --header 'X-Table: {name}:{table}' --header 'X-Same: {x}'
    is paths "/in/d/public.a/{unknown}?t=a
/in/d/public.x%2Fy/{unknown}?t=x%2Fy
/in/d/public.%2E%2E/{unknown}?t=%2E%2E
/in/d/public.%C3%BC%3F%25%0A/{unknown}?t=%C3%BC%3F%25%0A
/in/d/public.a/{unknown}?t=a
/in/d/d./{unknown}?t=" "$(log .path)"
    is headers "shop:a shop:x/y shop:.. shop:%C3%BC?%25%0A shop:a shop:" "$(log '.headers["x-table"]' | xargs)"
    is same '{x}' "$(log '.headers["x-same"]' | sort -u)"
    is lines "$(grep -v commit "$IN")" "$(log .body | grep .)"
    is "ids" "$(log .path | wc -l)" "$(log '.headers["webhook-id"]' | sort -u | wc -l)"
}

@test "--deny-private: this machine and private networks are not connected to, by whatever name" {
    server
    three >"$IN"
    local host port=${URL##*:}
    for host in 127.0.0.1 localhost '[::1]' '[::ffff:127.0.0.1]' 127.1 2130706433 0; do
        run -78 --separate-stderr t cdc-sink-http --webhook --deny-private --retry-max 0 "http://$host:$port/" <"$IN"
        [[ $stderr == *"no address of the public internet"* ]] || fail "$host: $stderr"
    done
    # A proxy would be asked out of our sight: it is not asked.
    http_proxy=$URL run -78 --separate-stderr t cdc-sink-http --webhook --deny-private --retry-max 0 http://10.0.0.1/ <"$IN"
    [[ $stderr != *proxy* ]]
    [ ! -s "$DIR/http/log" ]
    webhook
    is requests 3 "$(log .path | wc -l)"
}

@test "--deny-private: a name with a private and a public address is that of the public one, and waited for" {
    three >"$IN"
    cat >"$DIR/names.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    look_up *real = (look_up *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!node || strcmp(node, "both.test") != 0)
        return real(node, service, hints, result);
    int status = real("10.9.9.9", service, hints, result);
    return status != 0 ? status : real("1.1.1.1", service, hints, &(*result)->ai_next);
}
int connect(int fd, const struct sockaddr *address, socklen_t n)
{
    char text[64] = "";
    (void)fd, (void)n;
    inet_ntop(address->sa_family, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    fprintf(fopen(getenv("CONNECTED"), "a"), "%s\n", text);
    errno = ECONNREFUSED;
    return -1;
}
C
    cc -shared -fPIC -o "$DIR/names.so" "$DIR/names.c" -ldl
    run -69 env LD_PRELOAD="$DIR/names.so" CONNECTED="$DIR/connected" timeout 30 cdc-sink-http --webhook --deny-private --retry-max 1 http://both.test/ <"$IN"
    is "connected to" "1.1.1.1" "$(sort -u "$DIR/connected")"
}

@test "a peer that sends a body where there is none: the next request is not taken for one to something else than HTTP" {
    server
    three >"$IN"
    script 'stray 204' 'stray 204' 'stray 204' 'stray 204' 'stray 204'
    webhook
    is "taken" "$(grep '"op":"c"' "$IN")" "$(log .body | awk '!seen[$0]++')"
    is "offset" "$(tail -1 "$IN" | jq -r .pos)" "$(pos)"
    rm "$DIR/o"
    printf 'raw what\n%.0s' {1..9} >>"$DIR/http/script" # which is none on any connection
    run -76 webhook
}

@test "an answer too many on a kept connection is not taken for that to the next request" {
    server
    three >"$IN"
    tx
    { row 4; commit; } >"$DIR/more"
    script 200 200 'twice 200' 503 503
    mkfifo "$DIR/pipe"
    spawn_line "exec $BIN/cdc-sink-http --webhook --offset-file $DIR/o $URL <$DIR/pipe"
    exec 7>"$DIR/pipe"
    cat "$IN" >&7
    stored() { [ "$(pos)" = "$(tail -1 "$1" | jq -r .pos)" ]; }
    wait_until stored "$IN"
    touch "$DIR/http/again"
    wait_until test -e "$DIR/http/answered"
    cat "$DIR/more" >&7
    exec 7>&-
    wait_until stored "$DIR/more"
    is "answers to the last line" "503 503 200" "$(log 'select(.body | test("v4")) | .answer // "200"' | xargs)"
}

@test "--header-file and CDC_HTTP_AUTHORIZATION: sent, in no list of processes, and not read where others may" {
    server
    three >"$IN"
    (umask 077 && printf '# of the receiver\nX-One: 1\r\n\nAuthorization: Bearer geheim123\n' >"$DIR/headers")
    webhook --header-file "$DIR/headers" --header 'X-Two: 2'
    is headers '["1","2","Bearer geheim123"]' "$(log '.headers | [.["x-one"], .["x-two"], .authorization] | @json' | sort -u)"
    rm "$DIR/o" "$DIR/http/log"
    CDC_HTTP_AUTHORIZATION='ApiKey Z2VoZWltMTIz' webhook
    is header 'ApiKey Z2VoZWltMTIz' "$(log .headers.authorization | sort -u)"
    rm "$DIR/o" "$DIR/http/log"
    printf 'no header geheim123\n' >"$DIR/headers"
    run -64 webhook --header-file "$DIR/headers"
    [[ $output != *geheim123* ]] || fail "it is told: $output"
    chmod 644 "$DIR/headers"
    run -77 webhook --header-file "$DIR/headers"
    [ ! -s "$DIR/http/log" ]
}

@test "a peer that repeats what it was sent: no secret of ours in a message or a dead letter" {
    server
    three >"$IN"
    (umask 077 && printf 'Authorization: Bearer geheim123\n' >"$DIR/headers")
    # The last one is cut within the first one that is repeated: an excerpt ends there.
    script '400 Cannot POST /hooks/geheim456 (Bearer geheim123)' '429 {"for":"geheim123,dTpnZWhlaW03,u:geheim7"}' \
        '404 {"at":"hooks\/geheim456"}' "500 {\"x\":\"$(printf '%0233d' 0)geheim123\"}" "404 $(printf '%0290d' 0)geheim123"
    local secrets="--header-file $DIR/headers --header X-Kind:text"
    send() { CDC_HTTP_PASSWORD=geheim7 t cdc-sink-http --webhook --offset-file "$DIR/o" --user u $secrets "$@" "$URL/hooks/geheim456" <"$IN"; }
    run send --on-error=dead-letter --dead-letter "$DIR/dead"
    [ "$status" = 78 ]
    [[ $output == *"Cannot POST /hooks/********* (Bearer *********)"*'"for":"'* ]]
    local said=$output
    run send
    said+=$output
    [[ $output == *"HTTP status 500"*"HTTP status 404: 000"* ]]
    [[ $said != *gehei* && $said != *dTpnZW* ]] || fail "told: $said"
    not grep -E "gehei|dTpnZW" "$DIR/dead"
    # Beside the name of a table, too.
    echo '404 /hooks/t-geheim789 t,geheim12' >>"$DIR/http/script"
    printf 'X-Key: {table},geheim12\n' >"$DIR/headers"
    URL+='/hooks/{table}-geheim789' run webhook --header-file "$DIR/headers"
    [[ $status = 78 && $output == *"HTTP status 404: /hooks/t********** t*********"* ]] || fail "told: $output"
}

@test "a peer that repeats what it was sent in the spelling of JSON, URLs or HTML: no secret of ours is told" {
    server
    three >"$IN"
    (umask 077 && printf 'X-Key: a/b+c"d&é\n' >"$DIR/headers")
    script '404 a\/b+c\"d&\u00e9' '404 a%2Fb%2bc%22d%26%C3%A9' '404 a/b+c&quot;d&amp;&#233;' '404 a&#x2f;b+c&#34;d&#38;é' \
        '404 Cannot POST /hooks/gehei m/t ok' '404 at:gehei%20m%2ft' '404 at:gehei m\/t' '404 p%40ss\u0077ord'
    local i
    for i in 1 2 3 4 5 6 7 8; do
        CDC_HTTP_PASSWORD='p@ssword' run t cdc-sink-http --webhook --offset-file "$DIR/o" --user u --header-file "$DIR/headers" "$URL/hooks/gehei%20m%2Ft" <"$IN"
        [ "$status" = 78 ]
        [[ $output == *"**"* ]] || fail "told: $output"
        not grep -E 'b(\+|%2b)c|gehei|ss(w|.u0077)ord' <<<"$output"
    done
}

@test "a proxy that libcurl cannot make anything of: exit 78, and its password is not told" {
    three >"$IN"
    local proxy
    for proxy in 'http://u:geh#eim123@127.0.0.1:1' 'http://u:geheim123@127.0.0.1:99999' 'ftp://u:geheim123@127.0.0.1:1' 'u:ge/heim123@127.0.0.1:1'; do
        http_proxy=$proxy run -78 --separate-stderr t cdc-sink-http --webhook http://hooks.test/ <"$IN"
        [[ $stderr == *"proxy of the environment"*http_proxy* ]]
        [[ $stderr != *eim123* ]] || fail "told: $stderr"
    done
}

certificates() {
    local name
    for name in server client stranger; do
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$name" -addext "subjectAltName=IP:127.0.0.1" -keyout "$DIR/$name.key" -out "$DIR/$name.pem" 2>/dev/null
        cat "$DIR/$name.key" "$DIR/$name.pem" >"$DIR/$name.both"
    done
}

@test "a server that says it wants another certificate of ours is not asked for ever" {
    three >"$IN"
    certificates
    local version wrong port
    for version in -tls1_2 -tls1_3; do
        spawn openssl s_server -accept 127.0.0.1:0 -cert "$DIR/server.both" -CAfile "$DIR/client.pem" -Verify 1 -verify_return_error -www "$version" >"$DIR/says$version" 2>&1
        wait_for_match "$DIR/says$version" '^ACCEPT'
        port=$(sed -n 's/^ACCEPT.*://p' "$DIR/says$version")
        for wrong in "" "--cert=$DIR/stranger.both"; do
            run -78 --separate-stderr t cdc-sink-http --webhook --ca "$DIR/server.pem" ${wrong:+"$wrong"} "https://127.0.0.1:$port/" <"$IN"
            [[ $stderr == *alert*--cert* ]]
        done
    done
}

@test "400 of a server that wants a certificate, or TLS, is of no line" {
    server
    three >"$IN"
    local page='<html><head><title>400 No required SSL certificate was sent</title></head>' other='Client sent an HTTP request to an HTTPS server.'
    script "400 $page" "400 $other"
    run -78 --separate-stderr webhook --on-error=skip
    [[ $stderr == *"No required SSL certificate was sent"*--cert* ]]
    run -78 --separate-stderr webhook --on-error=skip --requests 2
    [[ $stderr == *"to an HTTPS server"*https* ]]
    is "offset" "" "$(pos)"
}

@test "--cert and --key: a receiver that asks for a certificate" {
    three >"$IN"
    certificates
    spawn python3 "$LIB/https-server.py" "$DIR/port" "$DIR/server.both" "$DIR/bodies" "$DIR/client.pem"
    wait_until test -s "$DIR/port"
    URL=https://127.0.0.1:$(cat "$DIR/port")
    local wrong
    for wrong in "" "--cert=$DIR/stranger.both"; do # as its connection breaks off, its reason may not come through
        run webhook --retry-max 0 --ca "$DIR/server.pem" ${wrong:+"$wrong"}
        [ "$status" = 69 ] || [ "$status" = 78 ]
    done
    run -78 webhook --retry-max 0 --ca "$DIR/server.pem" --cert "$DIR/none"
    run -78 webhook --retry-max 0 --ca "$DIR/server.pem" --cert "$DIR/client.pem" --key "$DIR/none"
    run -64 webhook --key "$DIR/client.key"
    [ ! -s "$DIR/bodies" ]
    webhook --ca "$DIR/server.pem" --cert "$DIR/client.pem" --key "$DIR/client.key"
    is bodies "$(grep '"op":"c"' "$IN")" "$(cat "$DIR/bodies")"
    rm "$DIR/o" "$DIR/bodies"
    webhook --ca "$DIR/server.pem" --cert "$DIR/client.both"
    is bodies "$(grep '"op":"c"' "$IN")" "$(cat "$DIR/bodies")"
}
