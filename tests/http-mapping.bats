#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# cdc-sink-http --mapping: the fields of an index, in a real OpenSearch.
# takes: 40 s
bats_require_minimum_version 1.8.0
load lib/common
load lib/lines
load lib/opensearch

setup_file() { opensearch_start; }
teardown_file() { opensearch_stop; }
setup() {
    DIR=$BATS_TEST_TMPDIR
    IN=$DIR/in
    SOURCE_NAME=n$BATS_TEST_NUMBER
    SCHEMA=s$BATS_TEST_NUMBER
}
elastic() { t cdc-sink-http --elasticsearch --offset-file "$DIR/o" "$@" "$OPENSEARCH_URL" <"$IN"; }
field() { curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_mapping" | jq -r ".[].mappings.properties$1"; }
found() {
    curl -sS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null
    curl -sS -H 'Content-Type: application/json' "$OPENSEARCH_URL/$SCHEMA-t/_search?size=100&filter_path=hits.hits._source" -d "{\"query\":$1}" | jq -c '[.hits.hits[]._source.id] | sort'
}

@test "--mapping=auto: fields by the columns, values that a field cannot hold stay in the document" {
    # The field of 64 bits without a sign is in a module of Elasticsearch that is not among the jars.
    local big=18446744073709551615 type='bigint unsigned' field=unsigned_long
    [[ ${CDC_SEARCH:-} != elasticsearch-* ]] || big=9223372036854775807 type=bigint field=long
    {
        schema id id:integer price:'numeric(10,2)' at:'timestamp with time zone' ip:inet doc:jsonb raw:bytea name:'character varying(20)' code:uuid tags:'text[]' h:public.hstore big:"$type" mood:public.mood dotted.name:integer f:'double precision'
        change c '{"id":1}' null '{"id":1,"price":"12.50","at":"2026-02-01T10:00:00.123456Z","ip":"10.0.0.1","doc":{"a":1},"raw":"AAE=","name":"red tea","code":"x","tags":["a","b"],"h":{"a":"1"},"big":'$big',"mood":"ok","dotted.name":1,"f":1.5}'
        change c '{"id":2}' null '{"id":2,"price":"NaN","at":"infinity","ip":"10.0.0.0/8","doc":[1,"x"],"raw":null,"name":"green","code":null,"tags":[],"h":{"a.b":"2","":"x"},"big":1,"mood":null,"dotted.name":2,"f":"Infinity"}'
        change c '{"id":3}' null '{"id":3,"price":"99999999999999999999.99","at":"0044-03-15 01:02:03 BC","ip":null,"doc":"text","raw":null,"name":null,"code":null,"tags":null,"h":null,"big":2,"mood":null,"dotted.name":3,"f":-0.5}'
        commit
    } >"$IN"
    elastic --mapping auto
    is types "long double date ip object binary text keyword text object $field double" "$(field '| [.id, .price, .at, .ip, .doc, .raw, .name, .code, .tags, .h, .big, .f | .type] | join(" ")')"
    is "all documents" '[1,2,3]' "$(found '{"match_all":{}}')"
    is "numbers" '[1]' "$(found '{"range":{"price":{"gte":10,"lt":13}}}')"
    is "dates" '[1]' "$(found '{"range":{"at":{"gte":"2026-02-01","lt":"2026-02-02"}}}')"
    is "addresses" '[1]' "$(found '{"term":{"ip":"10.0.0.0/8"}}')"
    is "words" '[1]' "$(found '{"match":{"name":"tea"}}')"
    is "64 bits" '[1]' "$(found '{"term":{"big":'$big'}}')"
    is "documents as they came" "$(grep '"op":"c"' "$IN" | jq -cS .after)" "$(curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_search?sort=id" | jq -cS '.hits.hits[]._source')"
}

@test "--mapping=auto: columns that come later, also beside one that the index has as something else" {
    { schema id id:integer a:text; change c '{"id":1}' null '{"id":1,"a":"12"}'; commit; } >"$IN"
    elastic # the index makes a of the document
    is "a" text "$(field .a.type)"
    { schema id id:integer a:integer b:date; tx; } >>"$IN"
    { change c '{"id":2}' null '{"id":2,"a":13,"b":"2026-02-01"}'; commit; } >>"$IN"
    SEQ=200
    elastic --mapping auto 2>"$DIR/err"
    is "said" 1 "$(grep -c 'its field "a" cannot be made' "$DIR/err")"
    is "a stays" text "$(field .a.type)"
    is "b" date "$(field .b.type)"
    is documents '[1,2]' "$(found '{"match_all":{}}')"
}

@test "--mapping=FILE: settings and fields of an index that is made; the owner is kept beside its _meta" {
    { schema id id:integer a:text; change c '{"id":1}' null '{"id":1,"a":"12"}'; commit; } >"$IN"
    echo ' {"settings":{"number_of_replicas":0,"refresh_interval":"7s"},"mappings":{"_meta":{"team":"x"},"dynamic":"strict","properties":{"id":{"type":"keyword"},"a":{"type":"integer"}}}} ' >"$DIR/map"
    elastic --mapping none --mapping "other.*:auto" --mapping "$SCHEMA.t:$DIR/map"
    is types "keyword integer" "$(field '| [.id.type, .a.type] | join(" ")')"
    is refresh 7s "$(curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_settings" | jq -r '.[].settings.index.refresh_interval')"
    is meta "[\"x\",\"$SCHEMA\"]" "$(curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_mapping" | jq -c '.[].mappings._meta | [.team, .cdc.schema]')"
    is documents 1 "$(curl -sS -XPOST "$OPENSEARCH_URL/$SCHEMA-t/_refresh" >/dev/null; curl -sS "$OPENSEARCH_URL/$SCHEMA-t/_count" | jq .count)"
}

@test "--mapping: what is none ends before anything is made" {
    { schema id id:integer a:text; change c '{"id":1}' null '{"id":1,"a":"12"}'; commit; } >"$IN"
    local bad
    for bad in '' '[]' '{"mappings":[]}' '{"mappings":{}' 'x'; do
        printf '%s' "$bad" >"$DIR/map"
        run -78 elastic --mapping "$DIR/map"
    done
    run -78 elastic --mapping "$DIR/none"
    run -64 elastic --mapping 't:'
    run -64 elastic --mapping ':auto'
    run -64 t cdc-sink-http --webhook --mapping auto http://127.0.0.1:9/ <"$IN"
    is status 404 "$(curl -sS -o /dev/null -w '%{http_code}' "$OPENSEARCH_URL/$SCHEMA-t")"
    # What the server does not take is 78, too: a person must see to it.
    echo '{"mappings":{"properties":{"a":{"type":"no such type"}}}}' >"$DIR/map"
    run -78 elastic --mapping "$DIR/map"
}
