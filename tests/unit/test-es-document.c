/* SPDX-License-Identifier: MIT */
/* Ids of documents, and documents put together. */
#include <stdio.h>
#include <string.h>

#include <cdc/sha256.h>

#include "connectors/http/elasticsearch/internal.h"
#include "tests/unit/no-memory.h"

static int failures;

static void is(const char *what, struct cdc_span got, const char *want)
{
    bool good = cdc_span_is(got, want);
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    if (!good)
        printf("#  got %.*s\n# want %s\n", (int)got.n, got.p, want);
    failures += !good;
}

/* -- ids ------------------------------------------------------------------------ */

static struct cdc_column columns[] = {
    {.name = "a", .type = "text"}, {.name = "b", .type = "int4"}, {.name = "j", .type = "jsonb"}};
static size_t key_a[] = {0}, key_ba[] = {1, 0}, key_j[] = {2};
static const struct cdc_table none = {.columns = NULL}, of_a = {.columns = columns, .key = key_a, .n_key = 1},
                              of_ba = {.columns = columns, .key = key_ba, .n_key = 2},
                              of_j = {.columns = columns, .key = key_j, .n_key = 1};

/* want NULL: the key gives no id. Ids are appended, so another one stands before it. */
static void id(const struct cdc_table *table, const char *key, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    cdc_buf_lit(&out, "first");
    bool good = es_document_id(table, cdc_span_text(key), &out);
    if (want == NULL)
        is(key, cdc_span_text(good ? "an id" : "no id"), "no id");
    else
        is(key, cdc_span(good ? out.data + 5 : "", good ? out.len - 5 : 0), want);
    is("what stood before it", cdc_span(out.data, 5), "first");
    cdc_buf_free(&out);
}

static void ids(void)
{
    static char long_key[700], long_id[600];
    char digest[72] = "sha256:";

    id(&of_a, "{\"a\":\"caf\\u00e9\"}", "café");
    id(&of_a, "{\"a\":42}", "42");
    id(&of_a, "{\"a\":\"\"}", "%");
    id(&of_a, "{\"a\":\"%x\"}", "%%x");
    id(&of_a, "{\"a\":\"x%\"}", "x%");
    id(&of_a, "{\"a\":\"sha256:\"}", "%sha256:");
    id(&of_a, "{\"a\":\"sha256\"}", "sha256");
    id(&of_a, "{\"a\":\"x,y\"}", "x,y");
    id(&of_a, "{\"a\":null}", NULL);
    id(&of_a, "{\"b\":1}", NULL);
    id(&of_a, "null", NULL);
    id(&of_a, "[1]", NULL);
    /* In the key's order, whatever the members'. */
    id(&of_ba, "{\"a\":\"x,y%\",\"b\":7}", "7,x%2Cy%25");
    id(&of_ba, "{\"b\":7,\"a\":\"\"}", "7,");
    id(&of_ba, "{\"b\":null,\"a\":\"x\"}", NULL);
    id(&of_ba, "{\"b\":7}", NULL);
    /* Documents: null is one, and "1" is another than 1. */
    id(&of_j, "{\"j\":null}", "null");
    id(&of_j, "{\"j\":\"1\"}", "\"1\"");
    id(&of_j, "{\"j\":1}", "1");
    id(&of_j, "{}", NULL);
    /* No schema line was seen. */
    id(&none, "{\"x\":1}", "1");
    id(&none, "{\"x\":1,\"y\":\"%\"}", "1,%25");
    id(&none, "{\"x\":1,\"y\":null}", NULL);
    id(&none, "{}", NULL);

    memset(long_id, 'k', 512);
    snprintf(long_key, sizeof long_key, "{\"a\":\"%s\"}", long_id);
    id(&of_a, long_key, long_id);
    long_id[512] = 'k';
    snprintf(long_key, sizeof long_key, "{\"a\":\"%s\"}", long_id);
    cdc_sha256_hex(long_id, 513, digest + 7);
    id(&of_a, long_key, digest);
}

/* -- documents --------------------------------------------------------------------- */

static void joined(const char *after, const char *rest, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    es_document_join(&out, cdc_span_text(after), cdc_span_text(rest));
    is("joined", cdc_span(out.data, out.len), want);
    cdc_buf_free(&out);
}

static void rest(const char *unchanged, const char *first, const char *second, const char *want, size_t missing)
{
    struct cdc_buf out = CDC_BUF_INIT;
    size_t got = 0;
    es_document_rest(&out, cdc_span_text(unchanged), cdc_span_text(first), cdc_span_text(second), &got);
    is("the rest", cdc_span(out.data, out.len), want);
    is("how many are missing", cdc_span_text(got == missing ? "right" : "wrong"), "right");
    cdc_buf_free(&out);
}

static void has_all(const char *unchanged, const char *object, bool want)
{
    is(unchanged,
       cdc_span_text(es_document_has_all(cdc_span_text(unchanged), cdc_span_text(object)) == want ? "right" : "wrong"),
       "right");
}

static void documents(void)
{
    struct cdc_buf out = CDC_BUF_INIT;

    joined("{\"a\":1}", "{\"b\":2}", "{\"a\":1,\"b\":2}");
    joined("{}", "{\"b\":2}", "{\"b\":2}");
    joined("{ \t\"a\":1\t }", "{ }", "{\"a\":1}");
    joined("{}", "{}", "{}");
    /* The line's own old row is believed before the index. */
    rest("[\"t\",\"u\",\"v\"]", "{\"t\":1,\"x\":0}", "{\"t\":2,\"u\": [1,\n2]}", "{\"t\":1,\"u\":[1,2]}", 1);
    rest("[\"t\"]", "null", "null", "{}", 1);
    rest("[]", "{\"t\":1}", "{}", "{}", 0);
    rest("[\"caf\\u00e9\"]", "{\"café\":1}", "{}", "{\"caf\\u00e9\":1}", 0);
    rest("[\"t\"]", "{\"t\":null}", "{\"t\":2}", "{\"t\":null}", 0);
    has_all("[\"a\",\"b\"]", "{\"b\":1,\"a\":null}", true);
    has_all("[\"a\",\"b\"]", "{\"b\":1}", false);
    has_all("[\"a\"]", "null", false);
    has_all("[1]", "{\"1\":1}", false);
    has_all("[]", "{}", true);
    es_document_action(&out, "index", "shop.t", cdc_span_text("a\"b"), -3, NULL);
    is("an action", cdc_span(out.data, out.len),
       "{\"index\":{\"_index\":\"shop.t\",\"_id\":\"a\\\"b\",\"version\":-3,\"version_type\":\"external_gte\"}}\n");
    out.len = 0;
    es_document_action(&out, "index", "t",
                       cdc_span_text("7\xff"
                                     "a\"c"),
                       1, "p\"q");
    is("an action with a routing and a pipeline", cdc_span(out.data, out.len),
       "{\"index\":{\"_index\":\"t\",\"_id\":\"7\",\"routing\":\"a\\\"c\",\"pipeline\":\"p\\\"q\",\"version\":1,"
       "\"version_type\":\"external_gte\"}}\n");
    cdc_buf_free(&out);
}

/* A member is found whatever memory there is: without it a row would pass for one with the key alone. */
static void members(void)
{
    static const char *const names[] = {"caf\\u00e9", "café", "ca\\u0066\\u00e9", "\\ud83d\\ude00", "😀", "\\n"};
    struct cdc_span object =
        cdc_span_text("{\"cafe\":0,\"caf\\u00E9\":1,\"\\uD83D\\uDE00\":2,\"\\u000a\":3,\"caf\\u00e9s\":4}");

    for (memory_fails_at = 0; memory_fails_at <= 3; memory_fails_at++)
        for (int i = 0; i < 6; i++) {
            memory_calls = 0;
            memory_begin();
            struct cdc_span found = es_document_member(object, cdc_span_text(names[i])),
                            none_there = es_document_member(object, cdc_span_text("caf\\u00e8"));
            memory_end();
            is(names[i], found, i < 3 ? "1" : i < 5 ? "2" : "3");
            is("no such member", none_there, "");
        }
    memory_fails_at = 0;
}

int main(void)
{
    members();
    ids();
    documents();
    return failures > 0;
}
