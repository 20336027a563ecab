/* SPDX-License-Identifier: MIT */
/* The scanner, the event view, and the writers: what is accepted, what is refused, what comes out. */
#include <stdio.h>
#include <stdlib.h>

#include <cdc/event.h>

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static void accepts(const char *text, size_t n, bool wanted)
{
    struct cdc_error error = {0};
    /* A copy of the exact size: a sanitizer sees any byte read too far. */
    char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    bool got = cdc_json_validate(copy, n, &error) == 0;
    if (got != wanted) {
        printf("not ok - %.*s: accepted %d, wanted %d (%s)\n", (int)n, text, got, wanted, error.text);
        failures++;
    }
    free(copy);
}

static void test_grammar(void)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "1.5e+10",
                                       "null",
                                       "true",
                                       " false ",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       "[1,2,[3]]",
                                       "{\"a\":{\"b\":[]}}",
                                       "\"\\u0000\\ud83d\\ude00\\n\"",
                                       "{\"a\" : 1 , \"b\":\t2}",
                                       "123456789012345678901234567890.00001",
                                       "\"12345678901234567890 longer than a block of sixteen\"",
                                       "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""};
    static const char *const bad[] = {"",
                                      " ",
                                      "01",
                                      "-",
                                      "1.",
                                      "1e",
                                      ".5",
                                      "+1",
                                      "nul",
                                      "truee",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "{\"a\":1,}",
                                      "\"",
                                      "\"\\",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "[",
                                      "{",
                                      "]",
                                      "1 2",
                                      "[1}",
                                      "{\"a\":1]",
                                      "\"a\nb\"",
                                      "\"\x80\"",
                                      "\"\xc0\xaf\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xe2\x82\"",
                                      "NaN",
                                      "'a'"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        accepts(good[i], strlen(good[i]), true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        accepts(bad[i], strlen(bad[i]), false);
    accepts("\"a\0b\"", 5, false);
}

static void test_depth(void)
{
    char text[2 * (CDC_JSON_DEPTH + 1)];

    for (unsigned depth = CDC_JSON_DEPTH; depth <= CDC_JSON_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        accepts(text, 2 * depth, depth <= CDC_JSON_DEPTH);
    }
    char envelope[2 * (CDC_JSON_DEPTH + CDC_JSON_ENVELOPE + 1)];
    for (unsigned depth = 1; depth <= CDC_JSON_DEPTH + CDC_JSON_ENVELOPE + 1; depth++) {
        memset(envelope, '[', depth);
        memset(envelope + depth, ']', depth);
        bool good = cdc_json_validate_envelope(envelope, (size_t)2 * depth, NULL) == 0;
        check(good == (depth <= CDC_JSON_DEPTH + CDC_JSON_ENVELOPE), "an envelope may be deeper");
    }
}

/* Every position of every odd byte within blocks of sixteen. */
static void test_blocks(void)
{
    char text[64];

    for (size_t n = 2; n < sizeof text; n++) {
        for (size_t at = 1; at + 1 < n; at++) {
            memset(text, 'x', n);
            text[0] = text[n - 1] = '"';
            accepts(text, n, true);
            text[at] = '\x01';
            accepts(text, n, false);
            text[at] = '\xff';
            accepts(text, n, false);
            text[at] = '"';
            accepts(text, n, false);
        }
    }
}

static bool round_trip(const char *p, size_t n)
{
    struct cdc_buf json = CDC_BUF_INIT, back = CDC_BUF_INIT;
    cdc_json_append_string(&json, p, n);
    bool ok = cdc_json_validate(json.data, json.len, NULL) == 0;
    cdc_json_unescape(&back, cdc_span(json.data + 1, json.len - 2));
    ok = ok && back.len == n && (n == 0 || memcmp(back.data, p, n) == 0) &&
         cdc_json_raw_is(cdc_span(json.data + 1, json.len - 2), cdc_span(p, n));
    cdc_buf_free(&json);
    cdc_buf_free(&back);
    return ok;
}

static void test_strings(void)
{
    char all[128];
    struct cdc_buf out = CDC_BUF_INIT;

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    for (size_t n = 0; n <= sizeof all; n++)
        check(round_trip(all, n) && round_trip(all + sizeof all - n, n), "strings survive escaping");
    for (char c = 1; c < 0x20; c++) {
        char wanted[16];
        const char *shorter = strchr("\bb\tt\nn\ff\rr", c);
        if (shorter != NULL)
            snprintf(wanted, sizeof wanted, "\"\\%c\"", shorter[1]);
        else
            snprintf(wanted, sizeof wanted, "\"\\u%04x\"", c);
        out.len = 0;
        cdc_json_append_string(&out, &c, 1);
        check(cdc_span_is(cdc_span(out.data, out.len), wanted), "the shortest spelling of a control character");
    }
    out.len = 0;
    check(!cdc_json_append_text(&out, "\xff\x00", 2), "bytes that are no text are told apart");
    check(cdc_span_equal(cdc_span(out.data, out.len), cdc_span_text("{\"base64\":\"/wA=\"}")), "and given as base64");
    out.len = 0;
    cdc_json_append_compact(&out, cdc_span_text("{ \"a b\" :\n [1, 2.50 ,\t\"x \\\" y\"] , \"n\" : null }"));
    check(cdc_span_equal(cdc_span(out.data, out.len), cdc_span_text("{\"a b\":[1,2.50,\"x \\\" y\"],\"n\":null}")),
          "compact keeps tokens as they are");
    cdc_buf_free(&out);
}

/* Members and elements that a walker finds in a value of whatever type. */
static void walks(const char *text, size_t members, size_t elements)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t n = strlen(text), n_members = 0, n_elements = 0;
    char *copy = malloc(n); /* of the exact size, as above */

    memcpy(copy, text, n);
    for (cdc_json_iter_begin(&iter, cdc_span(copy, n)); cdc_json_next_member(&iter, &name, &value);)
        n_members++;
    for (cdc_json_iter_begin(&iter, cdc_span(copy, n)); cdc_json_next_element(&iter, &value);)
        n_elements++;
    check(n_members == members && n_elements == elements, text);
    check(cdc_json_member(cdc_span(copy, n), "none").p == NULL, text);
    free(copy);
}

/* Into four bytes, where "xyz" fits and no more. */
static void copies(const char *object, bool found, const char *expected)
{
    char to[4] = "old";

    check(cdc_json_member_copy(cdc_span_text(object), "a", to, sizeof to) == found && strcmp(to, expected) == 0,
          object);
}

static void test_member_copy(void)
{
    copies("{\"a\":\"xyz\"}", true, "xyz");
    copies("{\"a\":\"\"}", true, "");
    copies("{\"a\":\"\\u0041\\n\"}", true, "A\n");
    copies("{\"a\":\"wxyz\"}", false, "");
    copies("{\"a\":\"x\\u0000\"}", false, "");
    copies("{\"a\":1}", false, "");
    copies("{\"b\":\"x\"}", false, "");
    copies("7", false, "");
}

static void test_walkers(void)
{
    check(cdc_json_count_members(cdc_span_text("{\"a\":{\"x\":1,\"y\":2},\"b\":[3]}")) == 2 &&
              cdc_json_count_members(cdc_span_text("{}")) == 0 && cdc_json_count_members(cdc_span_text("[1,2]")) == 0 &&
              cdc_json_count_members(cdc_span_text("null")) == 0,
          "members are counted, of objects alone");
    walks("{\"a\":1,\"b\":[2]}", 2, 0);
    walks("{\"a\" : \"b\"}", 1, 0);
    walks("[1,\"b\",{\"c\":1}]", 0, 3);
    walks("[\"a\"]", 0, 1);
    walks("[\"a\",\"b\" ]", 0, 2);
    walks("[[1]]", 0, 1);
    walks("[{}]", 0, 1);
    walks("[1]", 0, 1);
    walks("{}", 0, 0);
    walks("[]", 0, 0);
    walks("1", 0, 0);
    walks("\"a\"", 0, 0);
    walks("null", 0, 0);
}

static void test_integers(void)
{
    int64_t v = 0;
    check(cdc_json_int64(cdc_span_text("9223372036854775807"), &v) && v == INT64_MAX, "largest integer");
    check(cdc_json_int64(cdc_span_text("-9223372036854775808"), &v) && v == INT64_MIN, "smallest integer");
    check(!cdc_json_int64(cdc_span_text("9223372036854775808"), &v), "overflow is refused");
    check(!cdc_json_int64(cdc_span_text("1.0"), &v) && !cdc_json_int64(cdc_span_text("-"), &v), "no integer");
    struct cdc_buf out = CDC_BUF_INIT;
    cdc_buf_i64(&out, INT64_MIN);
    cdc_buf_byte(&out, ' ');
    cdc_buf_u64(&out, UINT64_MAX);
    check(cdc_span_equal(cdc_span(out.data, out.len), cdc_span_text("-9223372036854775808 18446744073709551615")),
          "integers are printed whole");
    cdc_buf_free(&out);
}

static void test_event(void)
{
    struct cdc_event e;
    struct cdc_error error = {0};
    const char *line = "{ \"zz\":[1,{\"op\":\"x\"}], \"source\":{\"table\":\"t\\u0031\",\"db\":null,\"name\":\"n\"},"
                       "\"o\\u0070\":\"u\",\"pos\":\"p\",\"seq\":7,\"after\":{\"a\":\"}\"},\"before\":null}";
    check(cdc_event_parse(&e, line, strlen(line), &error) == 0, "any order, unknown fields, escaped names");
    check(e.op == CDC_OP_UPDATE && cdc_span_is(e.pos, "p") && e.has_seq && e.seq == 7, "fields are found");
    check(cdc_json_raw_is(e.table, cdc_span_text("t1")) && e.db.p == NULL && cdc_span_is(e.name, "n"),
          "source is read");
    check(cdc_span_is(e.after, "{\"a\":\"}\"}") && cdc_json_is_null(e.before) && e.key.p == NULL, "rows are found");

    static const char *const bad[] = {"",
                                      "[]",
                                      "1",
                                      "{}",
                                      "{\"op\":1}",
                                      "{\"op\":\"c\",\"seq\":-1}",
                                      "{\"op\":\"c\",\"seq\":1.5}",
                                      "{\"op\":\"c\",\"key\":1}",
                                      "{\"op\":\"c\",\"source\":[]}",
                                      "{\"op\":\"c\",\"source\":{\"table\":1}}",
                                      "{\"op\":\"c\"} x",
                                      "{\"op\":\"c\"",
                                      "{\"op\":\"c\",}",
                                      "{\"op\":\"commit\",\"events\":-1}",
                                      "{\"op\":null}",
                                      "{\"key\":1,\"op\":\"c\"}",
                                      "{\"op\":\"c\",\"source\":{\"a\":1,}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cdc_error_clear(&error);
        bool refused = cdc_event_parse(&e, bad[i], strlen(bad[i]), &error) != 0 && error.status == CDC_EXIT_DATA;
        check(refused, bad[i]);
    }
}

static void parses(const char *line, struct cdc_event *e)
{
    struct cdc_error error = {0};

    check(cdc_event_parse(e, line, strlen(line), &error) == 0 && error.status == 0, line);
}

/* Of two wrong members the first is told, and where it is. */
static void test_wrong_member(void)
{
    static const char *const lines[][2] = {
        {"{\"op\":\"c\",\"source\":{\"table\":1}}", "source: field \"table\""},
        {"{\"op\":\"c\",\"seq\":\"x\",\"source\":{\"table\":1}}", "field \"seq\""},
        {"{\"op\":\"c\",\"source\":{\"db\":1,\"table\":1},\"seq\":\"x\"}", "source: field \"db\""}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct cdc_event e;
        struct cdc_error error = {0};
        check(cdc_event_parse(&e, lines[i][0], strlen(lines[i][0]), &error) != 0 &&
                  strncmp(error.text, lines[i][1], strlen(lines[i][1])) == 0,
              error.text);
    }
}

/* What a later version may write, and what stands for nothing. */
static void test_odd_events(void)
{
    struct cdc_event e;

    parses("{\"op\":\"future\",\"pos\":1,\"columns\":{\"a\":1},\"key\":\"k\",\"seq\":\"x\",\"source\":{\"table\":1}}",
           &e);
    check(e.op == CDC_OP_UNKNOWN, "unknown op");
    parses("{\"columns\":{\"a\":1},\"op\":\"future\"}", &e);
    parses("{\"op\":\"c\",\"pos\":null,\"seq\":null,\"ts_ms\":null,\"unchanged\":null,\"source\":null}", &e);
    check(e.pos.p == NULL && !e.has_seq && e.unchanged.p == NULL && e.source.p == NULL, "null is absent");
    parses("{\"op\":\"c\",\"seq\":1,\"seq\":null,\"unchanged\":[1],\"unchanged\":null}", &e);
    check(!e.has_seq && e.unchanged.p == NULL, "null after a value");
    parses("{\"op\":\"c\",\"source\":{\"table\":\"a\",\"db\":\"d\"},\"source\":{\"schema\":\"b\"}}", &e);
    check(e.table.p == NULL && e.db.p == NULL && cdc_span_is(e.schema, "b"), "the last source counts");
}

/* A line of a database, and what it is to one of its tables: `schema.table`, or "none". */
static void is_of_table(const char *line, const char *schema, const char *table, const char *want)
{
    struct cdc_event all, one;
    struct cdc_error error = {0};
    struct cdc_buf scratch = CDC_BUF_INIT, got = CDC_BUF_INIT;
    parses(line, &all);
    int result = cdc_event_of_table(&all, schema, table, &scratch, &one, &error);
    if (result == 1) {
        cdc_buf_span(&got, one.schema);
        cdc_buf_byte(&got, '.');
        cdc_buf_span(&got, one.table);
        check(one.op == all.op && one.db.p == all.db.p && one.pos.p == all.pos.p, "the rest of it");
    }
    check(result >= 0 && (result == 0 ? strcmp(want, "none") == 0 : cdc_span_is(cdc_span(got.data, got.len), want)),
          want);
    cdc_buf_free(&scratch);
    cdc_buf_free(&got);
}

static void test_of_table(void)
{
    struct cdc_event e;
#define OF_DATABASE "{\"op\":\"t\",\"pos\":\"1\",\"source\":{\"db\":\"d\"}"
    parses(OF_DATABASE "}", &e);
    check(cdc_event_is_of_database(&e), "a line of a database");
    parses("{\"op\":\"t\",\"source\":{\"db\":\"d\",\"table\":\"t\"}}", &e);
    check(!cdc_event_is_of_database(&e), "of a table");
    parses("{\"op\":\"t\",\"source\":{\"db\":\"\"}}", &e);
    check(!cdc_event_is_of_database(&e), "of none");
    parses("{\"op\":\"c\",\"source\":{\"db\":\"d\"}}", &e);
    check(!cdc_event_is_of_database(&e), "of another kind");
    is_of_table(OF_DATABASE "}", "", "t\"1", ".t\\\"1");
    is_of_table(OF_DATABASE "}", "s", "t", "s.t");
    is_of_table(OF_DATABASE ",\"except\":[\"a\",\"\\u0074\"]}", "", "t", "none");
    is_of_table(OF_DATABASE ",\"except\":[\"a\",7]}", "", "t", ".t");
    is_of_table(OF_DATABASE ",\"except\":\"t\"}", "", "t", ".t");
}

/* What UTF-8 is not (RFC 3629): longer forms than needed, surrogates, beyond U+10FFFF. In any block of the scanner. */
static void test_utf8(void)
{
    static const char *const good[] = {"\xc2\x80",     "\xdf\xbf",         "\xe0\xa0\x80",
                                       "\xec\xbf\xbf", "\xed\x80\x80",     "\xed\x9f\xbf",
                                       "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x80\x80",     "\xe0\x9f\xbf",     "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
        "\xc2",         "\xe2\x82",         "\xf0\x9f\x98"};
    char text[64];

    for (int before = 0; before < 20; before++) {
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
            int n = snprintf(text, sizeof text, "\"%.*s%s\"", before, "aaaaaaaaaaaaaaaaaaaa", good[i]);
            check(cdc_json_validate(text, (size_t)n, NULL) == 0 && cdc_utf8_valid(good[i], strlen(good[i])),
                  "good UTF-8");
        }
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            int n = snprintf(text, sizeof text, "\"%.*s%s\"", before, "aaaaaaaaaaaaaaaaaaaa", bad[i]);
            struct cdc_error error = {0};
            char where[40];
            snprintf(where, sizeof where, "bad JSON at byte %d: ", before + 1);
            check(cdc_json_validate(text, (size_t)n, &error) != 0 && !cdc_utf8_valid(bad[i], strlen(bad[i])),
                  "bad UTF-8");
            check(strncmp(error.text, where, strlen(where)) == 0,
                  "it is at the first byte that belongs to no character");
        }
    }
}

static void test_message(void)
{
    struct cdc_buf out = CDC_BUF_INIT;

    cdc_json_append_message(&out, "\xc3\xa9\"");
    cdc_json_append_message(&out, "\xc3\xa9 \xc3");
    check(out.len == 24 && memcmp(out.data, "\"\xc3\xa9\\\"\"\"\\\\xc3\\\\xa9 \\\\xc3\"", 24) == 0,
          "a message is a string");
    cdc_buf_free(&out);
}

int main(void)
{
    test_odd_events();
    test_wrong_member();
    test_of_table();
    test_utf8();
    test_message();
    test_grammar();
    test_depth();
    test_blocks();
    test_strings();
    test_integers();
    test_walkers();
    test_member_copy();
    test_event();
    if (failures == 0)
        printf("ok - json\n");
    return failures != 0;
}
