/* SPDX-License-Identifier: MIT */
/* SQL expressions over one row: what each is, as JSON, and what is refused and how. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/sqlite/expression/expression.h"
#include "connectors/sqlite/session/value.h"
#include "connectors/sqlite/syntax/decimal.h"
#include "connectors/sqlite/syntax/moment.h"

static int failures;
static struct lite_engine *engine;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %.100s\n", what);
        failures++;
    }
}

/* -- a row ---------------------------------------------------------------------------------- */

static const struct {
    const char *name, *type, *value;
} row[] = {
    {"i", "integer", "7"},
    {"big", "bigint", "9223372036854775807"},
    {"small", "bigint", "\"-9223372036854775808\""},
    {"u", "bigint unsigned", "18446744073709551615"},
    {"n", "numeric(30,10)", "\"1.10\""},
    {"n2", "numeric", "12345678901234567890.12345678901234567891"},
    {"nan", "numeric", "\"NaN\""},
    {"f", "double precision", "0.1"},
    {"fnan", "real", "\"NaN\""},
    {"t", "text", "\"Zo\\u00eb's\""},
    {"bad", "text", "{\"base64\":\"/w==\"}"},
    {"c", "character(5)", "\"ab   \""},
    {"y", "bytea", "\"AP8=\""},
    {"j", "jsonb", "{\"a\":[1,0.1,\"x\"],\"n\":12345678901234567890.5}"},
    {"jn", "jsonb", "null"}, /* JSON's, see below */
    {"at", "timestamp with time zone", "\"2026-11-21T09:28:42.5Z\""},
    {"day", "date", "\"2026-11-21\""},
    {"bc", "date", "\"0044-03-15 BC\""},
    {"ever", "timestamp without time zone", "\"infinity\""},
    {"far", "date", "\"12000-01-01\""},
    {"last", "timestamp with time zone", "\"9999-12-31T23:59:59.999999Z\""},
    {"eve", "timestamp without time zone", "\"2026-12-31T23:59:59.9996\""},
    {"none", "date", NULL},
    {"nil", "text", NULL},
    {"o", "boolean", "true"},
    {"mood", "mood", "\"sad\""},
    {"gap", "integer", NULL}, /* NULL */
    {"Case", "integer", "1"},
    {"CASE", "integer", "2"},
    {"a b", "integer", "3"},
    {"op", "text", "\"mine\""},
    {"money", "money", "\"$1.00\""},
    {"untyped", "", "\"x\""},
    {"id", "uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""},
    {"clock", "time without time zone", "\"09:30:00.5\""},
    {"span", "interval", "\"P1DT2H\""},
    {"tags", "text[]", "[\"a\",\"b c\"]"},
    {"bits", "bit(4)", "\"0101\""},
    {"ip", "inet", "\"10.0.0.1\""},
    {"doc", "jsonb", "{\"n\":5,\"p\":1.10,\"s\":\"10\",\"t\":true,\"w\":\"a\\\"b\",\"z\":null,\"o\":{\"x\":1}}"},
};
#define N (sizeof row / sizeof row[0])

static struct cdc_column columns[N];
static struct cdc_span values[N], before[N];
static const char line[] =
    "{\"op\":\"u\",\"pos\":\"1\",\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\","
    "\"schema\":\"s\",\"table\":\"t\\u00e9\",\"ts_ms\":1763717327123}}";
static struct cdc_event event;

static void make_row(void)
{
    for (size_t i = 0; i < N; i++) {
        columns[i] = (struct cdc_column){
            .name = (char *)row[i].name, .name_n = strlen(row[i].name), .type = (char *)row[i].type};
        values[i] = row[i].value != NULL ? cdc_span_text(row[i].value) : cdc_span("null", 4);
        if (strcmp(row[i].name, "jn") == 0)
            values[i] = lite_json_null;
    }
    before[0] = cdc_span_text("6");
    check(cdc_event_parse(&event, line, sizeof line - 1, NULL) == 0, "the line");
}

/* -- what an expression is -------------------------------------------------------------------- */

/* 0 and the JSON of the result, or the exit status; the message is printed where it was not expected. */
static int evaluate(const char *text, enum compile_as as, const char *into, struct cdc_buf *out,
                    struct cdc_error *error)
{
    const struct scope scope = {columns, N, false};
    struct tree tree = {.root = NULL};
    struct lite_program *program = NULL;
    const struct lite_input input = {values, before, &event};
    bool json_null;
    int result = tree_parse(&tree, text, error);

    if (result == 0 && (program = lite_program_new(engine, &tree, text, &scope, as,
                                                   into != NULL ? lite_type_of_column(into, false).type : LITE_TYPE_ANY,
                                                   error)) == NULL)
        result = -1;
    if (result == 0 && lite_program_run(program, &input, error) != 0)
        result = -1;
    if (result == 0 && as == COMPILE_CONDITION)
        cdc_buf_text(out, lite_program_is_true(program) ? "true" : "false");
    else if (result == 0) {
        struct lite_output output = {.type = {.type = lite_program_type(program)}};
        if (into != NULL)
            output.type = lite_type_of_column(into, false);
        result = lite_program_append(program, &output, out, &json_null, error);
    }
    lite_program_free(program);
    tree_free(&tree);
    cdc_buf_byte(out, '\0');
    return result == 0 ? 0 : error->status;
}

static void is_into(const char *text, const char *into, const char *expected)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    int status = evaluate(text, COMPILE_VALUE, into, &out, &error);
    bool good = status == 0 && strcmp(out.data, expected) == 0;

    check(good, text);
    if (!good)
        printf("  wanted %s, got %d %s %s\n", expected, status, out.data, error.text);
    cdc_buf_free(&out);
}

static void is(const char *text, const char *expected)
{
    is_into(text, NULL, expected);
}

static void holds(const char *text, bool expected)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    int status = evaluate(text, COMPILE_CONDITION, NULL, &out, &error);
    bool good = status == 0 && strcmp(out.data, expected ? "true" : "false") == 0;

    check(good, text);
    if (!good)
        printf("  got %d %s %s\n", status, out.data, error.text);
    cdc_buf_free(&out);
}

static void fails_into(const char *text, const char *into, int expected, const char *word)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    int status = evaluate(text, COMPILE_VALUE, into, &out, &error);

    check(status == expected && strstr(error.text, word) != NULL, text);
    if (status != expected || strstr(error.text, word) == NULL)
        printf("  wanted %d with \"%s\", got %d %s %s\n", expected, word, status, out.data, error.text);
    cdc_buf_free(&out);
}

static void fails(const char *text, int expected, const char *word)
{
    fails_into(text, NULL, expected, word);
}

/* -- numbers ------------------------------------------------------------------------------------ */

static void test_integers(void)
{
    is("i + 1", "8");
    is("i / 2", "3");
    is("-i % 4", "-3");
    is("big", "9223372036854775807");
    is("small", "-9223372036854775808");
    holds("big > 9223372036854775806", true);
    holds("small = -9223372036854775808", true);
    holds("big = 9223372036854775808", false);
    fails("big + 1", 65, "64 bits");
    fails("small - 1", 65, "64 bits");
    fails("-small", 65, "64 bits");
    fails("abs(small)", 65, "64 bits");
    fails("big * 2", 65, "64 bits");
    fails("small / -1", 65, "64 bits");
    is("small % -1", "0");
    fails("i / 0", 65, "division by zero");
    fails("1 / 0", 78, "division by zero");
    holds("u = 18446744073709551615", true);
    holds("u > big", true);
    is("u - 1", "\"18446744073709551614\"");
    is_into("u - 1", "bigint unsigned", "18446744073709551614");
    is("0x10", "16");
    is("i & 3", "3");
    is("1 << 4", "16");
    is("~i", "-8");
    holds("i = '7'", true);
    fails("i = 'x'", 78, "compared");
    fails("i = t", 78, "compared");
    fails("t + 1", 78, "no number");
    is("i BETWEEN 1 AND 7", "true");
    is("i NOT BETWEEN 1 AND 7", "false");
    is("gap + 1", "null");
    is("i IN (1, 2, 7)", "true");
    is("i NOT IN (1, gap)", "null");
    is("i IN ()", "false");
    fails("CAST(n2 AS INTEGER)", 65, "64 bits");
}

static void test_decimals(void)
{
    holds("n = 1.1", true);
    holds("n = '1.100'", true);
    holds("n < 1.1000000000000000000001", true);
    holds("0.1 + 0.2 = 0.3", true);
    is("0.1 + 0.2", "\"0.3\"");
    is("n * 3", "\"3.30\"");
    is("n - 2", "\"-0.90\"");
    is("-n", "\"-1.10\"");
    is("n2 + 1", "\"12345678901234567891.12345678901234567891\"");
    is("n2 * n2", "\"152415787532388367504953515625666819450.3002591542783112365526596557677488187881\"");
    holds("n2 = 12345678901234567890.12345678901234567891", true);
    holds("n2 > 12345678901234567890", true);
    holds("n BETWEEN 1 AND 1.10", true);
    holds("n IN (2, 1.1)", true);
    holds("n IS NOT DISTINCT FROM 1.1", true);
    holds("n IS DISTINCT FROM gap", true);
    holds("CASE n WHEN 1.1 THEN TRUE END", true);
    is("max(n, 2)", "\"2\"");
    is("max(n, 0.5, i)", "\"7\"");
    is("min(n, 2)", "\"1.10\"");
    is("round(n2, 3)", "\"12345678901234567890.123\"");
    is("round(2.5)", "\"3\"");
    is("round(-2.5)", "\"-3\"");
    is("round(0.05, 1)", "\"0.1\"");
    is("decimal_div(1, 3, 5)", "\"0.33333\"");
    is("decimal_div(2, 3, 2)", "\"0.67\"");
    is("decimal_div(-n, 0.3, 4)", "\"-3.6667\"");
    fails("n / 3", 78, "no last digit");
    is("CAST(n AS REAL) / 2", "0.55");
    is("CAST('12.5' AS NUMERIC) + 1", "\"13.5\"");
    is("CAST(12.9 AS INTEGER)", "12");
    is("CAST('-12.9' AS BIGINT)", "-12");
    fails("CAST(t AS NUMERIC)", 65, "is no number");
    fails("CAST('12e' AS NUMERIC)", 78, "is no number");
    fails("CAST('12e+' AS NUMERIC)", 78, "is no number");
    fails("CAST('12e1.5' AS NUMERIC)", 78, "is no number");
    fails("CAST('12ex' AS NUMERIC)", 78, "is no number");
    holds("nan = nan", true);
    holds("nan > 1e300", true);
    is("nan + 1", "\"NaN\"");
    is("abs(-1.5)", "\"1.5\"");
    is("sign(n - 2)", "-1");
    is("coalesce(n, 0)", "\"1.10\"");
    is("coalesce(gap, n)", "\"1.10\"");
    is("n || ' EUR'", "\"1.10 EUR\"");
    holds("1e3 = 1000", true);
    holds("1e-3 = 0.001", true);
    fails("n = 'abc'", 78, "compared");
    is_into("n", "numeric", "\"1.10\"");
    is_into("2 + 1", "numeric", "\"3\"");
    fails_into("n", "integer", 65, "is no integer");
    is_into("n - 0.1", "text", "\"1.00\"");
    is_into("round(n)", "integer", "1");
}

static void test_reals(void)
{
    holds("f = 0.1", true);
    is("f + 0.2", "0.30000000000000004");
    is("f * 3", "0.30000000000000004");
    holds("f = n - 1", true);
    holds("fnan > 1e300", true);
    is("fnan", "\"NaN\"");
    fails("sqrt(n)", 78, "CAST");
    is("sqrt(0.25)", "0.5");
    is("sign(f)", "1");
    is("sign(-f)", "-1");
    is("sign(f - f)", "0");
    is("abs(f - 0.5)", "0.4");
    is("round(f, 3)", "0.1");
    is("f || ''", "\"0.1\"");
    holds("big > f", true);
    is("1e300 * CAST(1e300 AS REAL)", "\"Infinity\"");
}

/* -- texts, times, JSON ----------------------------------------------------------------------------- */

static void test_texts(void)
{
    holds("t = 'Zo\xc3\xab''s'", true);
    is("length(t)", "5");
    is("upper(t)", "\"ZO\xc3\xab'S\"");
    holds("t LIKE 'Zo%'", true);
    holds("t LIKE 'zo%'", false);
    holds("t LIKE 'Zo_''s'", true);
    holds("t LIKE '%%''_'", true);
    holds("t LIKE 'Zo'", false);
    holds("'a_b%' LIKE 'a\\_b\\%'", true);
    holds("'axb%' LIKE 'a\\_b\\%'", false);
    holds("'a\\b' LIKE 'a\\b' ESCAPE ''", true);
    fails("t LIKE 'Zo%' ESCAPE 'xy'", 65, "ESCAPE");
    fails("'a' LIKE 'a\\'", 78, "ends with");
    is("t LIKE gap", "null");
    holds("t NOT LIKE 'x%'", true);
    holds("t GLOB 'Z*'", true);
    holds("'10%' LIKE '10!%' ESCAPE '!'", true);
    holds("t COLLATE NOCASE = 'ZO\xc3\xab''S'", true);
    holds("c = 'ab'", true);
    holds("bad = 'x'", false);
    is("bad", "{\"base64\":\"/w==\"}");
    is("y", "\"AP8=\"");
    holds("y = x'00ff'", true);
    is("hex(y)", "\"00FF\"");
    fails("y = 'AP8='", 78, "compared");
    holds("mood = 'sad'", true);
    holds("mood IN ('sad', 'glad')", true);
    fails("mood < 'x'", 78, "order");
    holds("CAST(mood AS TEXT) < 'x'", true);
    fails("money > 1", 78, "compared");
    holds("untyped = 'x'", true);
    is("substr(t, 1, 2)", "\"Zo\"");
    is("CASE WHEN o THEN 'yes' ELSE 'no' END", "\"yes\"");
    holds("o", true);
    holds("o = TRUE", true);
    holds("o IS TRUE", true);
    holds("NOT o", false);
    holds("o = 't'", true);
    fails("t AND TRUE", 78, "no condition");
    is("i > 3", "true");
    is("char(0, 233)", "\"\\u0000\xc3\xa9\"");
    is("NULL", "null");
    is("coalesce(gap, 5)", "5");
    is("nullif(i, 7)", "null");
    is("iif(i = 7, 'a', 'b')", "\"a\"");
    holds("gap = 1", false);
    holds("gap IS NULL", true);
    holds("gap ISNULL AND i NOTNULL AND i NOT NULL AND i IS NOT NULL", true);
    fails("coalesce(t, 1)", 78, "different types");
    is("/* note */ i -- more", "7");
}

static void test_times(void)
{
    holds("at > '2026-11-21 09:28:42'", true);
    holds("at < '2026-11-21T09:28:42.51Z'", true);
    holds("at = '2026-11-21T09:28:42.500'", true);
    holds("at >= day", true);
    holds("day = '2026-11-21T00:00:00'", true);
    holds("bc < day", true);
    holds("ever > '9999-12-31'", true);
    holds("at BETWEEN '2026-11-01' AND '2026-12-01'", true);
    holds("day IN ('2026-11-20', '2026-11-21')", true);
    fails("at > 'yesterday'", 78, "compared");
    fails("at > t", 78, "compared");
    fails("at > '2026-11-21T10:00:00+02:00'", 78, "compared");
    holds("date(at) = '2026-11-21'", true);
    holds("date(at, '-1 day') < day", true);
    /* What SQLite makes NULL of is no NULL. */
    fails("date(ever)", 65, "no time");
    fails("strftime('%Y', ever) IS NULL", 65, "no time");
    fails("datetime(bc)", 65, "no time");
    fails("date(far)", 65, "no time");
    fails("date(date(far, '+1 day'))", 65, "no time");
    fails("date(at, '+1 dayz')", 65, "cannot");
    fails("date(at, '+9000 years')", 65, "cannot");
    is("date(none)", "null");
    is("date(date(none), '+1 day')", "null");
    is("date(at, nil)", "null");
    /* It rounds to milliseconds, which would be the next second, day and year. */
    is("date(last)", "\"9999-12-31\"");
    is("strftime('%Y', last)", "\"9999\"");
    is("strftime('%s', eve)", "\"1798761599\"");
    is("date(eve, '+0 days')", "\"2026-12-31\"");
    is("date(date(eve, '+1 day'), '-1 day')", "\"2026-12-31\"");
    fails("date('now')", 78, "now");
    fails("CURRENT_TIMESTAMP", 78, "no column");
    is("date(at)", "\"2026-11-21\"");
    is_into("datetime(at)", "timestamp with time zone", "\"2026-11-21T09:28:42Z\"");
    is_into("datetime(at)", "timestamp without time zone", "\"2026-11-21T09:28:42\"");
    is("strftime('%Y', at)", "\"2026\"");
    is("ts", "\"2025-11-21T09:28:47.123Z\"");
    is("ts_ms", "1763717327123");
    holds("ts < '2026-01-01'", true);
}

/* A literal that no line ever has in that column. */
static void test_literals(void)
{
    holds("id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", true);
    fails("id = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", 78, "small letters");
    fails("id IN ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{}')", 78, "never the text");
    holds("CAST(id AS TEXT) = 'x'", false);
    holds("clock > '09:30:00'", true);
    fails("clock = '09:30'", 78, "HH:MM:SS");
    fails("'09:30:00.50' = old.clock", 78, "zeros");
    holds("span = 'P1DT2H'", true);
    fails("span = '1 day 02:00:00'", 78, "ISO 8601");
    holds("tags = '[\"a\",\"b c\"]'", true);
    fails("tags = '{a,\"b c\"}'", 78, "JSON");
    fails("j <> '{\"a\": 1}'", 78, "JSON");
    fails("bits = '5'", 78, "zeros and ones");
    fails("ip = '10.0.0.1/32'", 78, "/32");
    fails("c = 'ab '", 78, "blanks");
    fails("money = '1.00'", 78, "$1,000.00");
    holds("event.op = 'u'", true);
    fails("event.op IN ('c', 'update')", 78, "r, c, u or d");
}

/* What is taken out of JSON is a text beside a text and a number beside a number, as ->> is the source's. */
static void test_taken_out(void)
{
    holds("doc ->> 'n' = '5'", true);
    holds("doc ->> '$.n' = 5", true);
    holds("doc ->> '$.t' = 'true'", true);
    holds("doc ->> '$.t'", true);
    holds("doc ->> '$.p' = '1.10'", true);
    holds("doc ->> '$.p' = 1.1", true);
    holds("doc ->> '$.s' = '10'", true);
    holds("doc ->> '$.s' > 500", false);
    holds("doc ->> '$.s' BETWEEN 9 AND 11", true);
    holds("doc ->> '$.s' = f", false);
    holds("doc ->> '$.w' = 'a\"b'", true);
    holds("doc ->> '$.o' = '{\"x\":1}'", true);
    holds("json_extract(doc, '$.t') IN ('true', 'yes')", true);
    holds("coalesce(doc ->> 'none', doc ->> 't', 'x') = 'true'", true);
    holds("CASE WHEN o THEN doc ->> 't' ELSE 'x' END = 'true'", true);
    holds("iif(doc ->> 't', doc ->> 't', 'x') = 'true'", true);
    holds("nullif(doc ->> 't', 'false') = 'true'", true);
    holds("doc ->> 'z' IS NULL", true);
    is_into("doc ->> 't'", "text", "\"true\"");
    is_into("doc ->> 'p'", "text", "\"1.10\"");
    is("doc ->> 't' || '!'", "\"true!\"");
    fails("doc ->> '$.w' > 1", 65, "no number");
}

static void test_json(void)
{
    holds("j ->> '$.a[1]' = 0.1", true);
    holds("json_extract(j, '$.a[0]') = 1", true);
    holds("j ->> 'n' > 1", true);
    is("j -> '$.n'", "12345678901234567890.5");
    holds("CAST(j -> '$.n' AS NUMERIC) = 12345678901234567890.5", true);
    is("json_extract(j, '$.a[2]')", "\"x\"");
    is("json_set(j, '$.b', n)", "{\"a\":[1,0.1,\"x\"],\"n\":12345678901234567890.5,\"b\":\"1.10\"}");
    is("json_array_length(j, '$.a')", "3");
    is("jn IS NULL", "false");
    is("jn", "null");
    is("j ->> '$.none'", "null");
    fails_into("t", "jsonb", 65, "no JSON");
    is_into("'{\"a\": 1}'", "jsonb", "{\"a\":1}");
    holds("j ->> '$.a[2]' = 'x'", true);
}

/* -- names, and what is refused ------------------------------------------------------------------------ */

static void test_names(void)
{
    is("I", "7");
    is("\"i\" + `i` + [i]", "21");
    is("\"a b\"", "3");
    is("\"Case\"", "1");
    fails("\"cAsE\"", 78, "several spellings");
    fails("nope", 78, "no column \"nope\"");
    fails("op = 'u'", 78, "event.op");
    is("new.op", "\"mine\"");
    is("event.op", "\"u\"");
    is("old.i", "6");
    is("old.t", "null");
    is("table", "\"t\xc3\xa9\"");
    is("\"schema\"", "\"s\"");
    fails("x.i", 78, "only old, new and event");
}

static void test_refused(void)
{
    static const char *const syntax[] = {"",
                                         "1 +",
                                         "(1",
                                         "1)",
                                         "i = = 1",
                                         "SELECT 1",
                                         "(SELECT 1)",
                                         "i IN (SELECT 1)",
                                         "EXISTS (SELECT 1)",
                                         "count(*)",
                                         "'open",
                                         "\"open",
                                         "i; DROP TABLE x",
                                         "?1",
                                         ":a",
                                         "i IS",
                                         "CASE END",
                                         "CASE WHEN 1 THEN 2",
                                         "CAST(i)",
                                         "i LIKE",
                                         "a.b.c",
                                         "i MATCH 'x'",
                                         "1abc",
                                         "/* open",
                                         "count(DISTINCT i)",
                                         "sum(i) OVER ()",
                                         "i BETWEEN 1",
                                         "x'0",
                                         "x'0'",
                                         "x'0g'",
                                         "x'00''00'",
                                         "t GLOB 'a' ESCAPE 'b'",
                                         "0x",
                                         "\x01",
                                         "i NOT 5"};
    static const char *const unknown[] = {"load_extension('x')", "random() > 1",     "randomblob(5)",
                                          "zeroblob(5)",         "sqlite_version()", "readfile('/etc/passwd')",
                                          "last_insert_rowid()", "cdc_add(1, 2)",    "sum(i)",
                                          "fts3_tokenizer('x')", "length()",         "length(1, 2)"};

    for (size_t i = 0; i < sizeof syntax / sizeof syntax[0]; i++)
        fails(syntax[i], 64, "");
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        fails(unknown[i], 78, "");
    fails("printf('%d', 1)", 78, "no function");
}

static void repeat(struct cdc_buf *out, const char *text, size_t n)
{
    out->len = 0;
    for (size_t i = 0; i < n; i++)
        cdc_buf_text(out, text);
}

static void test_large(void)
{
    struct cdc_buf text = CDC_BUF_INIT;

    repeat(&text, "i + ", 5000);
    cdc_buf_text(&text, "1");
    cdc_buf_byte(&text, '\0');
    fails(text.data, 64, "too many operators");
    repeat(&text, "(", 5000);
    cdc_buf_byte(&text, '\0');
    fails(text.data, 64, "too deep");
    repeat(&text, "NOT ", 5000);
    cdc_buf_byte(&text, '\0');
    fails(text.data, 64, "too deep");
    text.len = 0;
    cdc_buf_text(&text, "n IN (");
    for (int i = 0; i < 5000; i++)
        cdc_buf_printf(&text, "%d.5,", i);
    cdc_buf_text(&text, "1.1)");
    cdc_buf_byte(&text, '\0');
    holds(text.data, true);
    text.len = 0;
    cdc_buf_text(
        &text,
        "i IN (1,2) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0)"
        " IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0) IN (1,0)");
    cdc_buf_byte(&text, '\0');
    fails(text.data, 78, "too large");
    /* A result that would be larger than its limit. */
    char *blanks = calloc(1, 20001);
    memset(blanks, 'a', 20000);
    text.len = 0;
    cdc_buf_printf(&text, "length(replace('%s', 'a', '%s'))", blanks, blanks);
    cdc_buf_byte(&text, '\0');
    fails(text.data, 78, "too big");
    free(blanks);
    cdc_buf_free(&text);
}

int main(void)
{
    struct cdc_error error = {0};

    engine = lite_engine_new(&error);
    check(engine != NULL, "an engine");
    if (engine == NULL)
        return 1;
    make_row();
    test_integers();
    test_decimals();
    test_reals();
    test_texts();
    test_times();
    test_json();
    test_literals();
    test_taken_out();
    test_names();
    test_refused();
    test_large();
    lite_engine_free(engine);
    return failures > 0;
}
