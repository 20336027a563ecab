/* SPDX-License-Identifier: MIT */
/* Answers of an index server: sound ones, and ones in which any value has another type. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/http/elasticsearch/answer.h"

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* What an answer says, a word an item; "error" when it makes no sense. */
static void read_bulk(struct cdc_span text, bool was_delete, char *out)
{
    static const char *const words[] = {"done ", "again ", "refused ", "no-index ", "unusable ", "forbidden "};
    struct cdc_error error = {0};
    struct es_answer items;
    struct es_result result;
    enum es_bulk_answer told = es_answer_bulk(&items, text, &error);

    strcpy(out, told == ES_BULK_ALL_TAKEN ? "all" : told == ES_BULK_SOME_NOT_TAKEN ? "not all" : "");
    int got = 0;
    while (told == ES_BULK_ITEMS && (got = es_answer_next_result(&items, was_delete, &result, &error)) == 1)
        strcat(out, words[result.verdict]);
    check(told != ES_BULK_ITEMS || (got < 0) == (error.status != 0), "an error is no end of the items");
    es_answer_close(&items);
    if (error.status != 0)
        strcpy(out, error.status == CDC_EXIT_PROTOCOL ? "error" : "another error");
}

static void read_mget(struct cdc_span text, bool unused, char *out)
{
    struct cdc_error error = {0};
    struct cdc_json_iter documents;
    struct es_document document;
    static const char *const words[] = {"found", "absent ", "hidden ", "unreadable ", "forbidden ", "closed "};

    (void)unused;
    *out = '\0';
    if (es_answer_mget(&documents, text, &error) == 0)
        while (es_answer_next_document(&documents, cdc_span("1", 1), &document, &error) == 1) {
            strcat(out, words[document.state]);
            if (document.state == ES_FOUND)
                sprintf(out + strlen(out), "-%lld-%.*s ", (long long)document.version, (int)document.source.n,
                        document.source.p);
        }
    if (error.status != 0)
        strcpy(out, error.status == CDC_EXIT_PROTOCOL ? "error" : "another error");
}

/* versions: they are asked for as well. */
static void read_page(struct cdc_span text, bool versions, char *out)
{
    struct cdc_error error = {0};
    struct es_page page;
    struct es_hit hit;

    *out = '\0';
    if (es_answer_page(&page, text, &error) == 0) {
        int got;
        sprintf(out, "%s %s ", page.whole ? "whole" : "partial", page.scroll != NULL ? page.scroll : "");
        while ((got = es_answer_next_hit(&page, versions, &hit, &error)) == 1) {
            sprintf(out + strlen(out), "%.*s ", (int)hit.id.n, hit.id.p);
            if (versions)
                sprintf(out + strlen(out) - 1, ":%lld:%lld:%lld ", (long long)hit.version, (long long)hit.mark.term,
                        (long long)hit.mark.number);
        }
        check((got < 0) == (error.status != 0), "an error is no end of the page");
    }
    es_answer_close(&page.hits);
    if (error.status != 0)
        strcpy(out, error.status == CDC_EXIT_PROTOCOL ? "error" : "another error");
}

static void read_newest(struct cdc_span text, bool unused, char *out)
{
    struct cdc_error error = {0};
    struct es_newest newest;

    (void)unused;
    if (es_answer_newest(&newest, text, &error) == 0)
        sprintf(out, "%s %lld %lld:%lld", newest.whole ? "whole" : "partial", (long long)newest.shards,
                (long long)newest.mark.term, (long long)newest.mark.number);
    else
        strcpy(out, error.status == CDC_EXIT_PROTOCOL ? "error" : "another error");
}

static void says(void (*read)(struct cdc_span, bool, char *), const char *text, bool was_delete, const char *wanted)
{
    char got[1000];
    /* Of the exact size: a sanitizer sees any byte read too far. */
    char *copy = memcpy(malloc(strlen(text) + (*text == '\0')), text, strlen(text));

    read(cdc_span(copy, strlen(text)), was_delete, got);
    free(copy);
    if (strcmp(got, wanted) != 0) {
        printf("not ok - %s: \"%s\" instead of \"%s\"\n", text, got, wanted);
        failures++;
    }
}

/* The whole text with each value of it replaced by one of another type: never a crash, never more than the text. */
static void deform(void (*read)(struct cdc_span, bool, char *), const char *text)
{
    static const char *const others[] = {"[]", "[1]",   "[\"a\"]", "[[1],{}]", "{}",    "{\"a\":[1]}",
                                         "1",  "\"x\"", "null",    "true",     "-1.5e3"};

    for (const char *p = text; *p != '\0'; p++) {
        if (p == text || (p[-1] != ':' && p[-1] != '[' && p[-1] != ','))
            continue;
        const char *end = p;
        for (int depth = 0; *end != '\0'; end++) {
            depth += *end == '{' || *end == '[';
            if ((*end == ',' && depth == 0) || ((*end == '}' || *end == ']') && depth-- == 0))
                break;
        }
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
            char made[1000], got[3000];
            size_t n = (size_t)snprintf(made, sizeof made, "%.*s%s%s", (int)(p - text), text, others[i], end);
            char *copy = memcpy(malloc(n), made, n);
            read(cdc_span(copy, n), false, got);
            free(copy);
            check(strcmp(got, "another error") != 0, made);
        }
    }
}

/* An id comes before the versions in the reason, and may look like them. */
static void test_conflict(void)
{
    static const char text[] = "{\"items\":[{\"index\":{\"_id\":\"n, provided "
                               "[1\",\"status\":409,\"error\":{\"type\":\"version_conflict_engine_"
                               "exception\",\"reason\":\"[current version [3, provided [1]: version conflict, current "
                               "version [12] is higher than "
                               "the one provided [7]\"}}}]}";
    struct cdc_error error = {0};
    struct es_answer items;
    struct es_result result;

    check(es_answer_bulk(&items, cdc_span_text(text), &error) == ES_BULK_ITEMS &&
              es_answer_next_result(&items, false, &result, &error) == 1 && result.newer == 12 && result.version == 7,
          "the versions of a conflict");
    es_answer_close(&items);
}

static void test_bulk(void)
{
    says(read_bulk, "{\"items\":[]}", false, "");
    says(read_bulk, "{\"errors\":false}", false, "all");
    says(read_bulk, "{\"errors\":true}", false, "not all");
    says(read_bulk, " {\"items\":[{\"index\":{\"status\":200}},{\"delete\":{\"status\":404}}]}\n", true, "done done ");
    says(read_bulk, "{\"items\":[{\"index\":{\"status\":404}}]}", false, "no-index ");
    says(read_bulk,
         "{\"items\":[{\"index\":{\"status\":409}},{\"index\":{\"status\":429}},{\"index\":{\"status\":503}}]}", false,
         "done again again ");
    says(read_bulk,
         "{\"items\":[{\"index\":{\"status\":403,\"error\":{\"type\":\"cluster_block_exception\"}}},{\"index\":{"
         "\"status\":403,\"error\":{\"type\":[1]}}},{\"index\":{\"status\":400,\"error\":[1]}}]}",
         false, "again forbidden refused ");
    says(read_bulk,
         "{\"items\":[{\"index\":{\"status\":401}},{\"index\":{\"status\":408}},{\"index\":{\"status\":425}},{"
         "\"index\":{"
         "\"status\":413}}]}",
         false, "forbidden again again refused ");
    static const char *const none[] = {"0", "-1", "101", "199", "302", "399"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"items\":[{\"index\":{\"status\":%s}}]}", none[i]);
        says(read_bulk, text, false, "error");
    }
#define ITEM(type, reason) "{\"index\":{\"status\":400,\"error\":{\"type\":\"" type "\",\"reason\":\"" reason "\"}}}"
    says(read_bulk,
         "{\"items\":[" ITEM("index_closed_exception", "closed") "," ITEM(
             "illegal_argument_exception",
             "no write index is defined for alias [a]") "," ITEM("illegal_argument_exception",
                                                                 "pipeline with id [p] does not "
                                                                 "exist") "," ITEM("validation_"
                                                                                   "exception",
                                                                                   "shards") "]}",
         false, "unusable unusable unusable unusable ");
    says(read_bulk,
         "{\"items\":[" ITEM("mapper_parsing_exception", "failed to parse") "," ITEM(
             "illegal_argument_exception", "Limit of total fields [1000] has been exceeded") "]}",
         false, "refused refused ");
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "1",
                                      "{}",
                                      "{\"errors\":0}",
                                      "{\"errors\":false,\"items\":null}",
                                      "{\"items\":{}}",
                                      "{\"items\":[1]}",
                                      "{\"items\":[[1]]}",
                                      "{\"items\":[[\"index\",{\"status\":200}]]}",
                                      "{\"items\":[{}]}",
                                      "{\"items\":[{\"index\":[]}]}",
                                      "{\"items\":[{\"index\":{\"status\":\"200\"}}]}",
                                      "{\"items\":[{\"index\":{\"status\":201,\"error\":{}}}]}",
                                      "{\"items\":[{\"index\":{\"status\":200}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        says(read_bulk, bad[i], false, "error");
    deform(read_bulk,
           "{\"errors\":true,\"items\":[{\"index\":{\"status\":400,\"error\":{\"type\":\"a\",\"reason\":\"b\"}}}]}");
}

static void test_mget(void)
{
    says(read_mget, "{\"docs\":[{\"found\":true,\"_version\":7,\"_source\":{\"n\":1.10 }},{\"found\":false}]}", false,
         "found-7-{\"n\":1.10 } absent ");
    says(read_mget,
         "{\"docs\":[{\"error\":{\"type\":\"index_not_found_exception\"}},{\"error\":{\"type\":\"security_exception\"}}"
         ",{"
         "\"error\":{}},{\"found\":true,\"_source\":[1],\"_version\":1},{\"found\":true,\"_source\":{}}]}",
         false, "absent forbidden unreadable hidden hidden ");
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"docs\":{}}",
                                      "{\"docs\":[1]}",
                                      "{\"docs\":[[1]]}",
                                      "{\"docs\":[{\"error\":[1]}]}",
                                      "{\"docs\":[{\"found\":0}]}",
                                      "{\"docs\":[[\"found\",true]]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        says(read_mget, bad[i], false, "error");
    deform(read_mget, "{\"docs\":[{\"found\":true,\"_version\":7,\"_source\":{\"n\":1.10}},{\"error\":{\"type\":\"a\","
                      "\"reason\":\"b\"}}]}");
}

static void test_page(void)
{
    says(read_page,
         "{\"_scroll_id\":\"s\\/"
         "1\",\"timed_out\":false,\"_shards\":{\"failed\":0},\"hits\":{\"hits\":[{\"_id\":\"a\"},{\"_id\":\"\"}]}}",
         false, "whole s/1 a  ");
    says(read_page, "{\"_scroll_id\":\"s\"}", false, "whole s ");
    says(read_page, "{\"_shards\":{\"failed\":1}}", false, "partial  ");
    says(read_page, "{\"_scroll_id\":\"s\",\"timed_out\":true}", false, "partial s ");
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"_scroll_id\":1}",
                                      "{\"_scroll_id\":\"s\",\"_shards\":[1]}",
                                      "{\"_scroll_id\":\"s\",\"_shards\":{\"failed\":\"0\"}}",
                                      "{\"_scroll_id\":\"s\",\"hits\":[1]}",
                                      "{\"_scroll_id\":\"s\",\"hits\":{\"hits\":{}}}",
                                      "{\"_scroll_id\":\"s\",\"hits\":{\"hits\":[[1]]}}",
                                      "{\"_scroll_id\":\"s\",\"hits\":{\"hits\":[{\"_id\":1}]}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        says(read_page, bad[i], false, "error");
    deform(
        read_page,
        "{\"_scroll_id\":\"s\",\"timed_out\":false,\"_shards\":{\"failed\":0},\"hits\":{\"hits\":[{\"_id\":\"a\"}]}}");
}

static void test_versions(void)
{
#define HITS(members) "{\"_scroll_id\":\"s\",\"hits\":{\"hits\":[{\"_id\":\"a\"" members "}]}}"
    says(read_page, HITS(",\"_version\":7,\"_seq_no\":0,\"_primary_term\":1"), true, "whole s a:7:1:0 ");
    static const char *const bad[] = {HITS(""),
                                      HITS(",\"_version\":7,\"_seq_no\":0"),
                                      HITS(",\"_version\":7,\"_primary_term\":1"),
                                      HITS(",\"_seq_no\":0,\"_primary_term\":1"),
                                      HITS(",\"_version\":\"7\",\"_seq_no\":0,\"_primary_term\":1"),
                                      HITS(",\"_version\":7,\"_seq_no\":-2,\"_primary_term\":1")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        says(read_page, bad[i], true, "error");
        says(read_page, bad[i], false, "whole s a ");
    }
}

static void test_newest(void)
{
#define SHARDS(more) "{\"timed_out\":false,\"_shards\":{\"total\":3,\"failed\":0}" more "}"
    static const char one[] = SHARDS(",\"hits\":{\"hits\":[{\"_seq_no\":9,\"_primary_term\":2}]}");
    says(read_newest, SHARDS(""), false, "whole 3 -1:-1");
    says(read_newest, one, false, "whole 3 2:9");
    says(read_newest, "{\"timed_out\":true,\"_shards\":{\"total\":1,\"failed\":0}}", false, "partial 1 -1:-1");
    says(read_newest, "{\"_shards\":{\"total\":1,\"failed\":1}}", false, "partial 1 -1:-1");
    static const char *const bad[] = {"{}",
                                      "[]",
                                      "{\"_shards\":{\"total\":1}}",
                                      "{\"_shards\":{\"failed\":0}}",
                                      "{\"_shards\":{\"total\":\"1\",\"failed\":0}}",
                                      SHARDS(",\"hits\":{\"hits\":[{\"_seq_no\":9}]}"),
                                      SHARDS(",\"hits\":{\"hits\":[[1]]}")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        says(read_newest, bad[i], false, "error");
    deform(read_newest, one);
}

/* Of a request of 1000 bytes. */
static void test_too_large(void)
{
#define PRESSURE(what, rest) "rejected execution of " what " operation [coordinating_and_primary_bytes=7, " rest "]"
#define OWN(bytes)                                                                                                     \
    "rejected execution of primary operation [coordinating_and_primary_bytes=" bytes ", replica_bytes=0, "
#define BREAKER(limit, more)                                                                                           \
    "[parent] Data too large, data for [<http_request>] would be [9999/9kb], which is larger than the limit of "       \
    "[" limit "/x]" more
    static const struct {
        bool too_large;
        const char *reason;
    } cases[] = {
        {true,
         PRESSURE("coordinating", "all_bytes=0, coordinating_operation_bytes=9, max_coordinating_and_primary_bytes=8")},
        {true, PRESSURE("coordinating", "all_bytes=0, coordinating_operation_bytes=9, max_coordinating_bytes=8")},
        {true, PRESSURE("primary", "all_bytes=0, primary_operation_bytes=9, max_primary_bytes=8")},
        {false, PRESSURE("coordinating", "all_bytes=99, coordinating_operation_bytes=8, max_coordinating_bytes=8")},
        {false, PRESSURE("primary", "all_bytes=99, primary_operation_bytes=8, max_coordinating_and_primary_bytes=9")},
        /* Of the request itself is there what keeps its documents from the shard; of others it is gone in a moment. */
        {true, OWN("1040") "primary_operation_bytes=400000, max_primary_bytes=401039]"},
        {false, OWN("1040") "primary_operation_bytes=400000, max_primary_bytes=401040]"},
        {false, OWN("800") "primary_operation_bytes=400999, max_primary_bytes=401039]"},
        {false, OWN("100000") "primary_operation_bytes=400000, max_primary_bytes=401039]"},
        {false, PRESSURE("coordinating", "coordinating_operation_bytes=x, max_coordinating_bytes=8")},
        {false, PRESSURE("coordinating", "coordinating_operation_bytes=9")},
        {false, "rejected execution of coordinating operation [shard_detail=[i][0][C], shard_total_bytes=0, "
                "shard_operation_bytes=9, shard_max_coordinating_and_primary_bytes=8]"},
        {true, "Request contains an operation of size [9] bytes, which exceeds the maximum allowed limit of [8] bytes"},
        {true, BREAKER("999", "")},
        {false, BREAKER("1000", "")},
        {true, BREAKER("5000", ", real usage: [1/1b], new bytes reserved: [5001/x], usages [request=0/0b]")},
        {false, BREAKER("5000", ", real usage: [4999/x], new bytes reserved: [2000/x], usages [request=0/0b]")},
        {false, "rejected execution of org.x.Y on Executor[name = x/write, queue capacity = 10000]"},
        {false, ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(es_too_large_reason(cases[i].reason, 1000, true) == cases[i].too_large, cases[i].reason);
    check(es_too_large_reason(OWN("800") "primary_operation_bytes=400999, max_primary_bytes=401039]", 1000, false),
          "a part of the request is there");
    check(!es_too_large_reason(OWN("70000") "primary_operation_bytes=400999, max_primary_bytes=401039]", 1000, false),
          "more is there than the request");

    struct http_request request = {.body = {"", 1000}};
    static const char *const answers[] = {"", "[]", "{\"error\":1}", "{\"error\":{\"reason\":[]}}"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        check(!es_too_large(&request, cdc_span_text(answers[i])), answers[i]);
    check(es_too_large(&request, cdc_span_text("{\"error\":{\"reason\":\"" BREAKER("9", "") "\"},\"status\":429}")),
          "the answer to a request");
}

int main(void)
{
    test_bulk();
    test_mget();
    test_page();
    test_versions();
    test_conflict();
    test_newest();
    test_too_large();
    if (failures == 0)
        printf("ok - es-answer\n");
    return failures != 0;
}
