/* SPDX-License-Identifier: MIT */
/* The shapes, line by line, and each of them where there is no memory. */
#include <stdio.h>
#include <string.h>

#include <cdc/shape.h>

#include "tests/unit/no-memory.h"

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

#define LIST(...)                                                                                                      \
    {                                                                                                                  \
        (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                          \
    }
#define HEAD(op, pos)                                                                                                  \
    "{\"op\":\"" op "\",\"pos\":\"" pos "\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"app\",\"table\":\"t\"}"
#define COLUMN(name, type) "{\"name\":\"" name "\",\"type\":\"" type "\",\"nullable\":true,\"generated\":false}"
#define OPTIONAL(name)                                                                                                 \
    "{\"name\":\"" name "\",\"type\":\"json\",\"nullable\":true,\"generated\":false,\"optional\":true}"

/* All of them, as cdc-filter has them. */
struct chain {
    struct cdc_sample *sample;
    struct cdc_flatten *flatten;
    struct cdc_outbox *outbox;
    struct cdc_unwrap *unwrap;
    struct cdc_filter_step steps[3];
    struct cdc_filter_format format;
    struct cdc_filter *filter;
};
struct wanted {
    struct cdc_option_list sample, flatten;
    struct cdc_outbox_settings outbox;
    bool unwraps, tombstones;
    enum cdc_unwrap_deletes deletes;
};

static int open_chain(struct chain *chain, const struct wanted *wanted, struct cdc_error *error)
{
    struct cdc_filter_settings settings = {.steps = chain->steps};

    if (wanted->sample.count > 0) {
        if ((chain->sample = cdc_sample_new(&wanted->sample, NULL, error)) == NULL)
            return -1;
        chain->steps[settings.n_steps++] = cdc_sample_step(chain->sample);
    }
    if (wanted->flatten.count > 0) {
        if ((chain->flatten = cdc_flatten_new(&wanted->flatten, false, false, error)) == NULL)
            return -1;
        chain->steps[settings.n_steps++] = cdc_flatten_step(chain->flatten);
    }
    if (wanted->outbox.tables.count > 0) {
        if ((chain->outbox = cdc_outbox_new(&wanted->outbox, error)) == NULL)
            return -1;
        chain->steps[settings.n_steps++] = cdc_outbox_step(chain->outbox);
    }
    if (wanted->unwraps) {
        if ((chain->unwrap = cdc_unwrap_new(wanted->deletes, wanted->tombstones, error)) == NULL)
            return -1;
        chain->format = cdc_unwrap_format(chain->unwrap);
        settings.format = &chain->format;
    }
    return (chain->filter = cdc_filter_new(&settings, error)) != NULL ? 0 : -1;
}

static void close_chain(struct chain *chain)
{
    cdc_filter_free(chain->filter);
    cdc_sample_free(chain->sample);
    cdc_flatten_free(chain->flatten);
    cdc_outbox_free(chain->outbox);
    cdc_unwrap_free(chain->unwrap);
}

/* Appends what becomes of the lines, each with an LF: 0, or the status of the error. */
static int run(const struct wanted *wanted, const char *lines, struct cdc_buf *out)
{
    struct chain chain = {0};
    struct cdc_error error = {0};
    int result = open_chain(&chain, wanted, &error);

    for (const char *line = lines, *lf; result >= 0 && *line != '\0'; line = lf + 1) {
        struct cdc_event event;
        lf = strchr(line, '\n');
        result = cdc_event_parse(&event, line, (size_t)(lf - line), &error) == 0
                     ? cdc_filter_event(chain.filter, &event, out, &error)
                     : -1;
    }
    close_chain(&chain);
    return result < 0 ? (int)error.status : 0;
}

static void becomes(const struct wanted *wanted, const char *lines, const char *expected)
{
    struct cdc_buf out = CDC_BUF_INIT;
    int status = run(wanted, lines, &out);
    bool good =
        status == 0 && out.len == strlen(expected) && (out.len == 0 || memcmp(out.data, expected, out.len) == 0);

    check(good, lines);
    if (!good)
        printf("  wanted  %s\n  got     %d %.*s\n", expected, status, (int)out.len, out.len > 0 ? out.data : "");
    cdc_buf_free(&out);
}

static void ends(const struct wanted *wanted, const char *lines, int expected)
{
    struct cdc_buf out = CDC_BUF_INIT;
    int status = run(wanted, lines, &out);

    check(status == expected, lines);
    if (status != expected)
        printf("  status %d\n", status);
    cdc_buf_free(&out);
}

static const char schema[] =
    HEAD("schema", "1") ",\"columns\":[" COLUMN("id", "int") "," COLUMN("doc", "json") "],\"key_columns\":[\"id\"]}\n";

static void test_sample(void)
{
    const struct wanted all = {.sample = LIST("100%")};
    static const char row[] = HEAD("c", "2") ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1}}\n";
    /* Of 20 keys that one after the other take the row, some are taken and some are not. */
    const struct wanted half = {.sample = LIST("0.5")};
    struct cdc_buf out = CDC_BUF_INIT;
    int n[3] = {0};

    becomes(&all, row, row);
    for (int i = 0; i < 40; i++) {
        char line[512];
        snprintf(
            line, sizeof line,
            HEAD("u", "3") ",\"key\":{\"id\":%d},\"before\":{\"id\":%d,\"d\":null},\"after\":{\"id\":%d,\"d\":null},"
                           "\"json_null\":[\"a\"],\"json_null_old\":[\"b\"]}\n",
            i + 1, i, i + 1);
        out.len = 0;
        check(run(&half, line, &out) == 0, "a key that changes");
        struct cdc_event event;
        if (out.len == 0 || cdc_event_parse(&event, out.data, out.len - 1, NULL) != 0)
            continue;
        n[event.op == CDC_OP_CREATE ? 0 : event.op == CDC_OP_DELETE ? 1 : 2]++;
        if (event.op == CDC_OP_DELETE)
            check(cdc_json_is_null(event.after) && cdc_span_is(event.json_null, "[\"b\"]"), "a row that leaves");
        if (event.op == CDC_OP_CREATE)
            check(cdc_json_is_null(event.before) && cdc_span_is(event.json_null, "[\"a\"]"), "a row that enters");
    }
    check(n[0] > 2 && n[1] > 2 && n[2] > 2, "rows enter, leave and stay");
    cdc_buf_free(&out);
    ends(&half, HEAD("c", "2") ",\"before\":null,\"after\":{\"id\":1}}\n", CDC_EXIT_CONFIG);
    const struct wanted none = {.sample = LIST("0")};
    ends(&none, "", CDC_EXIT_USAGE);
}

static void test_flatten(void)
{
    const struct wanted wanted = {.flatten = LIST("t:doc")};
    static const char lines[] = HEAD("u", "2") ",\"key\":{\"id\":1},\"before\":{\"id\":1,\"doc\":{\"a\":[1,{}]}},"
                                               "\"after\":{\"id\":1,\"doc\":null},\"json_null\":[\"doc\"]}\n";
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_text(&text, schema);
    cdc_buf_text(&text, lines);
    cdc_buf_byte(&text, '\0');
#define FLAT COLUMN("id", "int") "," OPTIONAL("doc")
    becomes(&wanted, text.data,
            HEAD("schema", "1") ",\"columns\":[" FLAT "],\"key_columns\":[\"id\"]}\n" HEAD(
                "schema",
                "2.1") ",\"columns\":[" FLAT
                       "," OPTIONAL("doc_a_0") "," OPTIONAL("doc_a_1") "],\"key_columns\":[\"id\"]}\n" HEAD(
                           "u", "2.2") ",\"key\":{\"id\":1},\"before\":{\"id\":1,\"doc_a_0\":1,\"doc_a_1\":{}},"
                                       "\"after\":{\"id\":1,\"doc\":null,\"doc_a_0\":null,\"doc_a_1\":null},\"json_"
                                       "null\":[\"doc\"]}\n");
    cdc_buf_free(&text);
    ends(&wanted, lines, CDC_EXIT_DATA);
    /* A truncate of one of several tables under that name: the others' rows have their columns still. */
#define ROW(pos, id, doc) HEAD("c", pos) ",\"key\":{\"id\":" id "},\"before\":null,\"after\":{\"id\":" id "," doc "}}\n"
#define PART HEAD("t", "3") ",\"part\":{\"column\":\"source_table\",\"value\":\"a.t\"}}\n"
    text = (struct cdc_buf)CDC_BUF_INIT;
    cdc_buf_text(&text, schema);
    cdc_buf_text(&text, ROW("2", "1", "\"doc\":{\"a\":1}") PART ROW("4", "2", "\"doc\":{\"b\":1}"));
    cdc_buf_byte(&text, '\0');
    becomes(
        &wanted, text.data,
        HEAD("schema", "1") ",\"columns\":[" FLAT
                            "],\"key_columns\":[\"id\"]}\n" HEAD("schema", "2.1") ",\"columns\":[" FLAT "," OPTIONAL(
                                "doc_a") "],\"key_columns\":[\"id\"]}\n" ROW("2.2", "1", "\"doc_a\":1")
                                PART HEAD("schema", "4.1") ",\"columns\":[" FLAT "," OPTIONAL("doc_a") "," OPTIONAL(
                                    "doc_b") "],\"key_columns\":[\"id\"]}\n" ROW("4.2", "2", "\"doc_b\":1"));
    cdc_buf_free(&text);
    /* A name with a backslash before u0000 has no NUL in it. */
    text = (struct cdc_buf)CDC_BUF_INIT;
    cdc_buf_text(&text, schema);
    cdc_buf_text(&text, ROW("2", "1", "\"doc\":{\"\\\\u0000\":1}"));
    cdc_buf_byte(&text, '\0');
    ends(&wanted, text.data, 0);
    text.len = 0;
    cdc_buf_text(&text, schema);
    cdc_buf_text(&text, ROW("2", "1", "\"doc\":{\"\\\\\\u0000\":1}"));
    cdc_buf_byte(&text, '\0');
    ends(&wanted, text.data, CDC_EXIT_DATA);
    cdc_buf_free(&text);
    const struct wanted nothing = {.flatten = LIST("t:")};
    ends(&nothing, "", CDC_EXIT_USAGE);
}

static const char outbox_schema[] =
    HEAD("schema", "1") ",\"columns\":[" COLUMN("id", "int") "," COLUMN("aggregatetype", "text") "," COLUMN(
        "aggregateid", "text") "," COLUMN("type", "text") "," COLUMN("payload", "json") "],\"key_columns\":[\"id\"]}\n";
#define EVENT(pos, kind)                                                                                               \
    HEAD("c", pos)                                                                                                     \
    ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1,\"aggregatetype\":" kind                                  \
    ",\"aggregateid\":\"7\",\"type\":\"x\",\"payload\":{\"a\":1}}}\n"

static void refused_event(const struct wanted *wanted, const char *event, int status)
{
    char text[4096];
    snprintf(text, sizeof text, "%s%s", outbox_schema, event);
    ends(wanted, text, status);
}

static void test_outbox(void)
{
    const struct wanted wanted = {.outbox = {.tables = LIST("app.t")}};
    const struct wanted keyed = {.outbox = {.tables = LIST("app.t"), .key = "aggregateid"}};

    refused_event(&wanted, EVENT("2", "\"order\""), 0);
    refused_event(&wanted, EVENT("2", "5"), 0);
    refused_event(&wanted, EVENT("2", "null"), CDC_EXIT_DATA);
    refused_event(&wanted, EVENT("2", "{\"base64\":\"AA==\"}"), CDC_EXIT_DATA);
    refused_event(&wanted, EVENT("2", "\"a\\u0000b\""), CDC_EXIT_DATA);
    refused_event(&wanted, EVENT("2", "\"\""), CDC_EXIT_DATA);
    refused_event(&keyed, HEAD("c", "2") ",\"before\":null,\"after\":{\"aggregatetype\":\"x\"}}\n", CDC_EXIT_DATA);
    refused_event(&keyed, HEAD("c", "2") ",\"before\":null,\"after\":{\"aggregatetype\":\"x\",\"aggregateid\":1}}\n",
                  0);
    refused_event(&wanted,
                  "{\"op\":\"c\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"app\",\"table\":\"t\"},"
                  "\"after\":{\"aggregatetype\":\"x\"}}\n",
                  CDC_EXIT_DATA);
    const struct wanted columns = {.outbox = {.tables = LIST("t"), .columns = LIST("kind=x")}};
    ends(&columns, "", CDC_EXIT_USAGE);
}

static void test_unwrap(void)
{
    const struct wanted wanted = {.unwraps = true, .deletes = CDC_UNWRAP_DROP, .tombstones = true};
    becomes(&wanted, HEAD("d", "2") ",\"key\":{\"id\":1},\"before\":null,\"after\":null}\n",
            "{\"key\":{\"id\":1},\"value\":null}\n");
    const struct wanted marked = {.unwraps = true, .deletes = CDC_UNWRAP_MARK};
    becomes(&marked, HEAD("c", "2") ",\"before\":null,\"after\":{}}\n", "{\"__deleted\":false}\n");
    becomes(&marked, HEAD("d", "2") ",\"before\":null,\"after\":null}\n", "");
    ends(&marked, HEAD("c", "2") ",\"before\":null,\"after\":null}\n", CDC_EXIT_DATA);
    ends(&marked, HEAD("c", "2") ",\"before\":null,\"after\":{\"__deleted\":1}}\n", CDC_EXIT_CONFIG);
}

/* Without memory at one place it says so, and leaves nothing behind. */
static int all_shapes(struct cdc_buf *out, struct cdc_error *error)
{
    const struct wanted wanted = {.sample = LIST("app.u:50%", "app.v:1"),
                                  .flatten = LIST("app.u:*"),
                                  .outbox = {.tables = LIST("app.t"), .columns = LIST("id=id"), .key = "aggregateid"},
                                  .unwraps = true,
                                  .deletes = CDC_UNWRAP_MARK};
    struct chain chain = {0};
    static const char *const lines[] = {"{\"op\":\"schema\",\"pos\":\"0\",\"source\":{\"name\":\"n\",\"schema\":"
                                        "\"app\",\"table\":\"u\"},\"columns\":[{\"name\":\"doc\","
                                        "\"type\":\"json\"}],\"key_columns\":[]}",
                                        "{\"op\":\"u\",\"pos\":\"1\",\"source\":{\"name\":\"n\",\"schema\":\"app\","
                                        "\"table\":\"u\"},\"key\":{\"id\":8},\"before\":{\"id\":1,"
                                        "\"doc\":{\"b\":1}},\"after\":{\"id\":8,\"doc\":{\"a\":null}}}",
                                        "{\"op\":\"u\",\"pos\":\"1\",\"source\":{\"name\":\"n\",\"schema\":\"app\","
                                        "\"table\":\"u\"},\"key\":{\"id\":3},\"before\":{\"id\":4,"
                                        "\"doc\":{\"b\":1}},\"after\":{\"id\":3,\"doc\":{\"a\":null}}}",
                                        outbox_schema, EVENT("2", "\"order\"")};
    memory_begin();
    int result = open_chain(&chain, &wanted, error);
    for (size_t i = 0; result >= 0 && i < sizeof lines / sizeof lines[0]; i++) {
        struct cdc_event event;
        result = cdc_event_parse(&event, lines[i], strcspn(lines[i], "\n"), error) == 0
                     ? cdc_filter_event(chain.filter, &event, out, error)
                     : -1;
    }
    close_chain(&chain);
    memory_end();
    return result < 0 ? -1 : 0;
}

int main(void)
{
    failures += memory_sweep("shapes", all_shapes) != 0;
    test_sample();
    test_flatten();
    test_outbox();
    test_unwrap();
    return failures != 0;
}
