/* SPDX-License-Identifier: MIT */
/* Values of PostgreSQL as JSON, and positions. */
#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/pgoutput/types.h"
#include "tests/unit/guarded.h"

#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

static void check(bool good, const char *what, const char *got, const char *want)
{
    if (good) {
        printf("ok - %s\n", what);
        return;
    }
    failures++;
    printf("not ok - %s\n#  got %s\n# want %s\n", what, got, want);
}

static void value_n(uint32_t oid, const struct cdc_value_format *style, const char *text, size_t n, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct pg_value_counts counts = {0};
    char what[160];
    pg_value_append(&out, pg_type_of(oid), style, guarded_end(text, n), n, &counts);
    bool valid = cdc_json_validate(out.data, out.len, NULL) == 0;
    cdc_buf_byte(&out, '\0');
    snprintf(what, sizeof what, "oid %u: %.*s", oid, n > 60 ? 60 : (int)n, text);
    check(valid && strcmp(out.data, want) == 0, what, out.data, want);
    cdc_buf_free(&out);
}

static const struct cdc_value_format plain = {.int64_as_string = false},
                                     other = {.int64_as_string = true, .decimal_as_number = true},
                                     texts = {.objects_as_text = true}, unsure = {.composites_as_text = true};

static void value(uint32_t oid, const char *text, const char *want)
{
    value_n(oid, &plain, text, strlen(text), want);
}

static void other_value(uint32_t oid, const char *text, const char *want)
{
    value_n(oid, &other, text, strlen(text), want);
}

static void test_scalars(void)
{
    value(16, "t", "true");
    value(16, "f", "false");
    value(16, "x", "\"x\"");
    value(21, "-32768", "-32768");
    value(23, "0", "0");
    value(23, "007", "\"007\"");
    value(23, "-", "\"-\"");
    value(23, "", "\"\"");
    value(26, "4294967295", "4294967295");
    value(20, "9223372036854775807", "9223372036854775807");
    other_value(20, "9007199254740992", "9007199254740992");
    other_value(20, "9007199254740993", "\"9007199254740993\"");
    other_value(20, "-9007199254740992", "-9007199254740992");
    other_value(20, "-9223372036854775808", "\"-9223372036854775808\"");
    other_value(23, "2147483647", "2147483647");
    value(701, "1e+20", "1e+20");
    value(701, "-0", "-0");
    value(701, "1.5e-07", "1.5e-07");
    value(701, "NaN", "\"NaN\"");
    value(700, "-Infinity", "\"-Infinity\"");
    value(701, "1.", "\"1.\"");
    value(701, ".5", "\".5\"");
    value(701, "1e", "\"1e\"");
    value(1700, "12345678901234567890.5000", "\"12345678901234567890.5000\"");
    other_value(1700, "12345678901234567890.5000", "12345678901234567890.5000");
    other_value(1700, "NaN", "\"NaN\"");
    other_value(1700, "Infinity", "\"Infinity\"");
    value(790, "$1,234.50", "\"$1,234.50\"");
    value(1560, "101", "\"101\"");
    value(2950, "550e8400-e29b-41d4-a716-446655440000", "\"550e8400-e29b-41d4-a716-446655440000\"");
    value(99999, "anything", "\"anything\"");
}

static void test_text(void)
{
    value(25, "", "\"\"");
    value(25, "plain text", "\"plain text\"");
    value(25, "a\"b\\c\nd\te\x01", "\"a\\\"b\\\\c\\nd\\te\\u0001\"");
    value(25, "1234567\"", "\"1234567\\\"\"");
    value(25, "12345678\\", "\"12345678\\\\\"");
    value(25, "\xc3\xbc and \xf0\x9f\x98\x80", "\"\xc3\xbc and \xf0\x9f\x98\x80\"");
    value(25, "\x7f", "\"\x7f\"");
    value_n(25, &plain, "\xff\xfe", 2, "{\"base64\":\"//4=\"}");
    for (size_t n = 1; n < 20; n++) { /* something special at every place of a word */
        char text[24], want[32];
        memset(text, 'x', n);
        text[n - 1] = '"';
        int length = snprintf(want, sizeof want, "\"%.*s\\\"\"", (int)n - 1, text);
        if (length > 0)
            value_n(25, &plain, text, n, want);
    }
}

static void test_bytea(void)
{
    value(17, "\\x", "\"\"");
    value(17, "\\x00", "\"AA==\"");
    value(17, "\\x00ff", "\"AP8=\"");
    value(17, "\\x00FF10", "\"AP8Q\"");
    value(17, "\\x0", "\"\\\\x0\"");
    value(17, "\\xzz", "\"\\\\xzz\"");
    value(17, "\\000", "\"\\\\000\"");
    /* across the chunks in which it is converted */
    size_t n = 2 + 2 * 2000;
    char *text = malloc(n);
    struct cdc_buf want = CDC_BUF_INIT;
    char zeros[2000] = "";
    if (!text)
        exit(1);
    memset(text, '0', n);
    text[0] = '\\';
    text[1] = 'x';
    cdc_buf_byte(&want, '"');
    cdc_buf_base64(&want, zeros, sizeof zeros);
    cdc_buf_lit(&want, "\"");
    cdc_buf_byte(&want, '\0');
    value_n(17, &plain, text, n, want.data);
    cdc_buf_free(&want);
    free(text);
}

static void test_json(void)
{
    value(114, "{\"a\": [1,\n 2.50]}", "{\"a\":[1,2.50]}");
    value(3802, "12345678901234567890.10", "12345678901234567890.10");
    value(114, "{\"a\":\"\\ud800\"}", "\"{\\\"a\\\":\\\"\\\\ud800\\\"}\"");
    value(114, "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}");
    char deep[401];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    deep[400] = '\0';
    char want[410];
    snprintf(want, sizeof want, "\"%s\"", deep);
    value(114, deep, want);
}

/* A document that is deep, but valid by itself, must not make a line that readers refuse. */
static void test_depth(int depth)
{
    struct cdc_buf text = CDC_BUF_INIT, line = CDC_BUF_INIT;
    struct pg_value_counts counts = {0};
    char what[64];
    for (int i = 0; i < depth; i++)
        cdc_buf_byte(&text, '[');
    for (int i = 0; i < depth; i++)
        cdc_buf_byte(&text, ']');
    for (int i = 0; i < 8; i++)
        cdc_buf_byte(&line, '[');
    pg_value_append(&line, pg_type_of(3802), &plain, text.data, text.len, &counts);
    for (int i = 0; i < 8; i++)
        cdc_buf_byte(&line, ']');
    snprintf(what, sizeof what, "JSON of depth %d%s inside a line", depth, line.data[8] == '"' ? ", as text," : "");
    check(cdc_json_validate(line.data, line.len, NULL) == 0 && (line.data[8] == '"') == (depth > 120), what, "invalid",
          "");
    cdc_buf_free(&text);
    cdc_buf_free(&line);
}

static void test_time(void)
{
    value(1114, "2026-11-21 09:28:42.834232", "\"2026-11-21T09:28:42.834232\"");
    value(1114, "2026-11-21 09:28:42", "\"2026-11-21T09:28:42\"");
    value(1114, "infinity", "\"infinity\"");
    value(1114, "0044-03-15 10:00:00 BC", "\"0044-03-15 10:00:00 BC\"");
    value(1114, "12026-11-21 09:28:42", "\"12026-11-21 09:28:42\"");
    value(1114, "2026-11-21 09:28:42.", "\"2026-11-21 09:28:42.\"");
    value(1184, "2026-11-21 09:28:42.8+00", "\"2026-11-21T09:28:42.8Z\"");
    value(1184, "2026-11-21 09:28:42+00", "\"2026-11-21T09:28:42Z\"");
    value(1184, "2026-11-21 09:28:42+05:30", "\"2026-11-21 09:28:42+05:30\"");
    value(1184, "0044-03-15 10:00:00+00 BC", "\"0044-03-15 10:00:00+00 BC\"");
    value(1184, "-infinity", "\"-infinity\"");
    value(1184, "+00", "\"+00\"");
    value(1082, "0044-03-15 BC", "\"0044-03-15 BC\"");
    value(1083, "24:00:00", "\"24:00:00\"");
    value(1186, "P1Y2DT3H4M5.6S", "\"P1Y2DT3H4M5.6S\"");
}

static void test_arrays(void)
{
    value(1007, "{}", "[]");
    value(1007, "{1,NULL,-3}", "[1,null,-3]");
    value(1007, "{{1,2},{3,4}}", "[[1,2],[3,4]]");
    value(1007, "[0:1]={7,8}", "\"[0:1]={7,8}\""); /* JSON has no bounds */
    value(1007, "[1:1][-2:-1]={{7,8}}", "\"[1:1][-2:-1]={{7,8}}\"");
    /* {{1,2}} and {"[1,2]"} of json are two values */
    value(199, "{\"[1,2]\",3}", "[[1,2],3]");
    value(199, "{{1,2}}", "\"{{1,2}}\"");
    value(199, "{\"null\"}", "\"{\\\"null\\\"}\"");
    value(1009, "{a,\"b c\",NULL,\"NULL\",\"q\\\"u\",\"b\\\\s\",\"\",\"{x}\"}",
          "[\"a\",\"b c\",null,\"NULL\",\"q\\\"u\",\"b\\\\s\",\"\",\"{x}\"]");
    value(1000, "{t,f,NULL}", "[true,false,null]");
    value(1001, "{\"\\\\x00ff\"}", "[\"AP8=\"]");
    value(1231, "{1.50,NaN}", "[\"1.50\",\"NaN\"]");
    other_value(1231, "{1.50,NaN}", "[1.50,\"NaN\"]");
    other_value(1016, "{9007199254740993,1}", "[\"9007199254740993\",1]");
    value(1020, "{(3,4),(1,2);(1,1),(0,0)}", "[\"(3,4),(1,2)\",\"(1,1),(0,0)\"]");
    value(3807, "{\"{\\\"k\\\": [1, 2]}\"}", "[{\"k\":[1,2]}]");
    value(1185, "{\"2026-11-21 09:28:42+00\"}", "[\"2026-11-21T09:28:42Z\"]");
    static const char *const broken[] = {
        "",        "{",     "{1",   "{1,",    "{1,}",   "{,1}",         "{1}x",           "1,2",
        "{{1}",    "{1}}",  "{\"1", "{\"1\\", "{a\"b}", "[0:1]{7,8}",   "[0:1]=",         "[",
        "{1}{2}}", "{\"\"", "{ab{", "{a\\b}", "{1;2",   "{\"a\"\"b\"}", "{{{{{{{1}}}}}}}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct cdc_buf want = CDC_BUF_INIT;
        cdc_json_append_string(&want, broken[i], strlen(broken[i]));
        cdc_buf_byte(&want, '\0');
        value(1009, broken[i], want.data);
        cdc_buf_free(&want);
    }
}

static void as(const struct pg_type *type, const struct cdc_value_format *style, const char *text, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct pg_value_counts counts = {0};
    size_t n = strlen(text);
    pg_value_append(&out, *type, style, guarded_end(text, n), n, &counts);
    bool valid = cdc_json_validate(out.data, out.len, NULL) == 0;
    cdc_buf_byte(&out, '\0');
    check(valid && strcmp(out.data, want) == 0, text, out.data, want);
    cdc_buf_free(&out);
}

/* Is the text written as the string that it is? */
static void as_it_is(const struct pg_type *type, const struct cdc_value_format *style, const char *text)
{
    struct cdc_buf want = CDC_BUF_INIT;
    cdc_json_append_string(&want, text, strlen(text));
    cdc_buf_byte(&want, '\0');
    as(type, style, text, want.data);
    cdc_buf_free(&want);
}

static struct pg_field field(const char *name, struct pg_type type)
{
    struct pg_field field = {.type = type};
    cdc_json_append_string(&field.name_json, name, strlen(name));
    cdc_buf_byte(&field.name_json, ':');
    return field;
}

static struct pg_composite *composite(size_t n)
{
    struct pg_composite *composite = calloc(1, sizeof *composite);
    struct pg_field *fields = calloc(n ? n : 1, sizeof *fields);
    if (!composite || !fields)
        exit(1);
    *composite = (struct pg_composite){.n = n, .fields = fields};
    return composite;
}

static void test_composites(void)
{
    struct pg_composite *pair = composite(2), *outer = composite(3), *one = composite(1), *none = composite(0);
    const struct pg_type of_pair = {.kind = PG_COMPOSITE, .composite = pair};
    const struct pg_type pairs = {.kind = PG_ARRAY, .element = PG_COMPOSITE, .delimiter = ',', .composite = pair};
    const struct pg_type of_outer = {.kind = PG_COMPOSITE, .composite = outer};
    const struct pg_type of_one = {.kind = PG_COMPOSITE, .composite = one};
    const struct pg_type of_none = {.kind = PG_COMPOSITE, .composite = none};
    pair->fields[0] = field("a", pg_type_of(23));
    pair->fields[1] = field("b \"c", pg_type_of(25));
    outer->fields[0] = field("p", of_pair);
    outer->fields[1] = field("l", pairs);
    outer->fields[2] = field("j", pg_type_of(114));
    one->fields[0] = field("base64", pg_type_of(25));
    as(&of_pair, &plain, "(1,x)", "{\"a\":1,\"b \\\"c\":\"x\"}");
    as(&of_pair, &plain, "(,)", "{\"a\":null,\"b \\\"c\":null}");
    as(&of_pair, &plain, "(,\"\")", "{\"a\":null,\"b \\\"c\":\"\"}");
    as(&of_pair, &plain, "(-5,\"x \"\"y\"\" \\\\, (z)\")", "{\"a\":-5,\"b \\\"c\":\"x \\\"y\\\" \\\\, (z)\"}");
    as(&pairs, &plain, "{\"(1,x)\",NULL}", "[{\"a\":1,\"b \\\"c\":\"x\"},null]");
    as(&of_outer, &plain, "(\"(1,x)\",\"{\"\"(2,)\"\"}\",\"{\"\"k\"\": null}\")",
       "{\"p\":{\"a\":1,\"b \\\"c\":\"x\"},\"l\":[{\"a\":2,\"b \\\"c\":null}],\"j\":{\"k\":null}}");
    as(&of_none, &plain, "()", "{}");
    as_it_is(&of_outer, &plain, "(,,null)");
    as_it_is(&of_one, &plain, "(AAAA)");
    as_it_is(&of_pair, &texts, "(1,x)");
    as_it_is(&of_pair, &unsure, "(1,x)");
    as(&pairs, &unsure, "{\"(1,x)\"}", "[\"(1,x)\"]");
    static const char *const broken[] = {"",        "(",          ")",           "()",          "(1)",
                                         "(1,2,3)", "(1,x",       "1,x)",        "(1,x))",      "(1,(x)",
                                         "(1,\"x)", "(1,\"x\"y)", "(1,\"\\x\")", "(1,x\\\\y)",  "(1, x)",
                                         "(1,x y)", "(1,\"x\",)", "(1;x)",       "(1,\"x\"\")", "(1,x\"y\")"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        as_it_is(&of_pair, &plain, broken[i]);
    pg_composite_free(pair);
    pg_composite_free(outer);
    pg_composite_free(one);
    pg_composite_free(none);
    pg_composite_free(NULL);
}

static void test_extensions(void)
{
    const struct pg_type hstore = {.kind = PG_HSTORE}, vector = {.kind = PG_VECTOR}, geometry = {.kind = PG_GEOMETRY};
    const struct pg_type vectors = {.kind = PG_ARRAY, .element = PG_VECTOR, .delimiter = ','};
    static const char *const no_hstore[] = {"a",
                                            "\"a\"",
                                            "\"a\"=>1",
                                            "\"a\"=>\"1\",",
                                            "\"a\"=>\"1\",\"b\"=>\"2\"",
                                            "\"a\"=>NULLx",
                                            "\"a\"=>\"1",
                                            "\"base64\"=>\"AAAA\"",
                                            "=>\"1\"",
                                            "\"a\" => \"1\""};
    static const char *const no_vector[] = {"",       "[",     "[]",   "[1",  "[1,]", "[,1]",
                                            "[1 ,2]", "[NaN]", "[1]x", "{1}", "1,2"};
    static const char *const no_geometry[] = {"",           "01",        "0101000000F", "0201000000", "010100002001",
                                              "01010000zz", "POINT(1 2)"};
    as(&hstore, &plain, "", "{}");
    as(&hstore, &plain, "\"a\"=>\"1\", \"b \\\"\\\\\"=>NULL, \"\"=>\"NULL\"",
       "{\"a\":\"1\",\"b \\\"\\\\\":null,\"\":\"NULL\"}");
    as(&hstore, &plain, "\"base64\"=>\"AAAA\", \"b\"=>NULL", "{\"base64\":\"AAAA\",\"b\":null}");
    as(&vector, &plain, "[1,-2.5,1e-10]", "[1,-2.5,1e-10]");
    as(&vectors, &plain, "{\"[1,2]\",NULL}", "[[1,2],null]");
    as_it_is(&vectors, &plain, "{{\"[1,2]\"}}");
    as(&geometry, &plain, "0101000020E6100000000000000000F03F0000000000000040",
       "{\"srid\":4326,\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\"}");
    as(&geometry, &plain, "00A0000001000010E63FF0000000000000", "{\"srid\":4326,\"wkb\":\"AIAAAAE/8AAAAAAAAA==\"}");
    as(&geometry, &plain, "0101000000", "{\"srid\":0,\"wkb\":\"AQEAAAA=\"}");
    for (size_t i = 0; i < sizeof no_hstore / sizeof *no_hstore; i++)
        as_it_is(&hstore, &plain, no_hstore[i]);
    for (size_t i = 0; i < sizeof no_vector / sizeof *no_vector; i++)
        as_it_is(&vector, &plain, no_vector[i]);
    for (size_t i = 0; i < sizeof no_geometry / sizeof *no_geometry; i++)
        as_it_is(&geometry, &plain, no_geometry[i]);
    as_it_is(&hstore, &texts, "\"a\"=>\"1\"");
    as_it_is(&geometry, &texts, "0101000000");
    as_it_is(&vector, &texts, "[1]");
}

/* Domains: int[] of a domain that is int[], and so on. Texts that nest without an end stay texts. */
static void test_nesting(void)
{
    const struct pg_type arrays = {
        .kind = PG_ARRAY, .element = PG_INTEGER, .delimiter = ',', .nested = 1, .nested_delimiters = ","};
    as(&arrays, &plain, "{\"{1,2}\",NULL,\"{}\"}", "[[1,2],null,[]]");
    as(&arrays, &plain, "{\"{{1,2}}\"}", "[\"{{1,2}}\"]");
    as_it_is(&arrays, &plain, "{{\"{1,2}\"}}");
    struct pg_composite *self = composite(1);
    const struct pg_type of_self = {.kind = PG_COMPOSITE, .composite = self};
    self->fields[0] = field("s", of_self);
    struct cdc_buf text = CDC_BUF_INIT, out = CDC_BUF_INIT;
    struct pg_value_counts counts = {0};
    for (int i = 0; i < 200; i++)
        cdc_buf_text(&text, i < 100 ? "(" : ")");
    pg_value_append(&out, of_self, &plain, text.data, text.len, &counts);
    check(cdc_json_validate(out.data, out.len, NULL) == 0, "nested without an end", "", "");
    cdc_buf_free(&text);
    cdc_buf_free(&out);
    pg_composite_free(self);
}

static void test_types(void)
{
    check(pg_type_of(1007).kind == PG_ARRAY && pg_type_of(1007).element == PG_INTEGER, "int4[] by oid", "", "");
    check(pg_type_of(1020).delimiter == ';', "box[] by oid", "", "");
    check(pg_type_of(16).kind == PG_BOOL && pg_type_of(6157).kind == PG_ARRAY, "first and last by oid", "", "");
    check(pg_type_of(0).kind == PG_TEXT && pg_type_of(UINT32_MAX).kind == PG_TEXT, "unknown oids", "", "");
    check(pg_type_named("int8").kind == PG_INT8 && pg_type_named("_timestamptz").element == PG_TIMESTAMPTZ,
          "types by name", "", "");
    check(pg_type_named("nonesuch").kind == PG_TEXT, "unknown name", "", "");
}

static void position(void (*make)(struct cdc_buf *), const char *want, uint64_t restart)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t lsn = 0;
    make(&out);
    cdc_buf_byte(&out, '\0');
    check(strcmp(out.data, want) == 0 && pg_pos_restart_lsn(out.data, &lsn) && lsn == restart, want, out.data, want);
    cdc_buf_free(&out);
}

static void make_snapshot(struct cdc_buf *out)
{
    pg_pos_snapshot(out, 0x1A2B, 2, 10);
}
static void make_heartbeat(struct cdc_buf *out)
{
    pg_pos_heartbeat(out, 0x1A2B, 3);
}
static void make_round(struct cdc_buf *out)
{
    pg_pos_round(out, 0x1A2B, 2, 10);
}
static void make_schema(struct cdc_buf *out)
{
    pg_pos_schema(out, 0x1A2B, 7);
}
static void make_change(struct cdc_buf *out)
{
    pg_pos_change(out, 0x1A2B, 7);
}
static void make_commit(struct cdc_buf *out)
{
    pg_pos_commit(out, 0x1A2B, 0x1A5B);
}

static void test_positions(void)
{
    static const char *const ordered[] = {"0000000000001A2B.0000000000.a0001.0000000000FF",
                                          "0000000000001A2B.0000000000.a0002.000000000001",
                                          "0000000000001A2B.0000000000.h00000001",
                                          "0000000000001A2B.0000000000.r0001.00000000000A",
                                          "0000000000001A2B.0000000000.r0002.000000000001",
                                          "0000000000001A2B.0000000001.0",
                                          "0000000000001A2B.0000000001.1",
                                          "0000000000001A2B.0000000002.1",
                                          "0000000000001A2B.FFFFFFFFFF.0000000000001A5B",
                                          "0000000000001A5B.0000000000.h00000002",
                                          "0000000000001A5B.0000000001.0"};
    position(make_snapshot, "0000000000001A2B.0000000000.a0002.00000000000A", 0x1A2B);
    position(make_heartbeat, "0000000000001A2B.0000000000.h00000003", 0x1A2B);
    position(make_round, "0000000000001A2B.0000000000.r0002.00000000000A", 0x1A2B);
    position(make_schema, "0000000000001A2B.0000000007.0", 0x1A2B);
    position(make_change, "0000000000001A2B.0000000007.1", 0x1A2B);
    position(make_commit, "0000000000001A2B.FFFFFFFFFF.0000000000001A5B", 0x1A5B);
    for (size_t i = 1; i < sizeof ordered / sizeof *ordered; i++)
        check(strcmp(ordered[i - 1], ordered[i]) < 0, "positions sort", ordered[i - 1], ordered[i]);
    static const char *const foreign[] = {"",
                                          "1",
                                          "0000000000001A2B",
                                          "0000000000001A2B.0000000007.",
                                          "0000000000001A2B.0000000007.2",
                                          "0000000000001a2b.0000000007.1",
                                          "0000000000001A2B.0000000001.h00000003",
                                          "0000000000001A2B.FFFFFFFFFF.1A5B",
                                          "0000000000001A2B.0000000000.a0002.1",
                                          "0000000000001A2B.0000000000.a0002.00000000000A "};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        uint64_t lsn;
        check(!pg_pos_restart_lsn(foreign[i], &lsn), "a foreign pos is refused", foreign[i], "");
    }
    unsigned attempt = 0;
    check(pg_pos_is_snapshot(ordered[1], &attempt) && attempt == 2, "a snapshot's pos", "", "");
    check(!pg_pos_is_snapshot(ordered[2], &attempt) && !pg_pos_is_snapshot("x", &attempt), "no snapshot's pos", "", "");
    check(pg_pos_is_round(ordered[3]) && !pg_pos_is_snapshot(ordered[3], &attempt), "a round's pos", "", "");
    check(!pg_pos_is_round(ordered[1]) && !pg_pos_is_round(ordered[2]), "no round's pos", "", "");
}

/* Each kind has a form of its own, and is known by all of it: an ordinal or a tail of another kind makes it foreign. */
static void test_kinds(void)
{
    static const struct {
        const char *pos;
        bool snapshot, round, commit, restarts;
    } kinds[] = {{"0000000000001A2B.0000000000.a0002.00000000000A", true, false, false, true},
                 {"0000000000001A2B.0000000000.r0002.00000000000A", false, true, false, true},
                 {"0000000000001A2B.FFFFFFFFFF.0000000000001A5B", false, false, true, true},
                 {"0000000000001A2B.0000000000.h00000003", false, false, false, true},
                 {"0000000000001A2B.0000000007.0", false, false, false, true},
                 {"0000000000001A2B.0000000007.a0002.00000000000A", false, false, false, false},
                 {"0000000000001A2B.FFFFFFFFFF.a0002.00000000000A", false, false, false, false},
                 {"0000000000001A2B.0000000007.r0002.00000000000A", false, false, false, false},
                 {"0000000000001A2B.0000000000.a0002.0000000000A", false, false, false, false},
                 {"0000000000001A2B.0000000000.a0002.00000000000G", false, false, false, false},
                 {"0000000000001A2B.0000000000.a000G.00000000000A", false, false, false, false},
                 {"0000000000001A2B.0000000000.a0002:00000000000A", false, false, false, false},
                 {"0000000000001A2B.0000000000.b0002.00000000000A", false, false, false, false},
                 {"0000000000001A2B.0000000000.0000000000001A5B", false, false, false, false},
                 {"0000000000001A2B.FFFFFFFFFF.0000000000001A5G", false, false, false, false},
                 {"0000000000001A2B.FFFFFFFFFF.h00000003", false, false, false, false}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint64_t begin, end;
        unsigned attempt;
        check(pg_pos_is_snapshot(kinds[i].pos, &attempt) == kinds[i].snapshot &&
                  pg_pos_is_round(kinds[i].pos) == kinds[i].round &&
                  pg_pos_is_commit(kinds[i].pos, &begin, &end) == kinds[i].commit &&
                  pg_pos_restart_lsn(kinds[i].pos, &end) == kinds[i].restarts,
              "what a pos is of", kinds[i].pos, "");
    }
}

static void test_lsn(void)
{
    uint64_t lsn = 0;
    char text[24];
    check(pg_lsn_parse("16/B374D848", &lsn) && lsn == UINT64_C(0x16B374D848), "an LSN", "", "");
    check(pg_lsn_parse("ffffffff/ffffffff", &lsn) && lsn == UINT64_MAX, "the last LSN", "", "");
    pg_lsn_format(text, UINT64_C(0x16B374D848));
    check(strcmp(text, "16/B374D848") == 0, "an LSN as text", text, "16/B374D848");
    static const char *const bad[] = {"",     "/",           "1/",          "/1",  "1",   "1/2/3",
                                      "1/2 ", "123456789/0", "1/123456789", "g/1", "1/-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check(!pg_lsn_parse(bad[i], &lsn), "no LSN", bad[i], "");
}

int main(void)
{
    test_scalars();
    test_text();
    test_bytea();
    test_json();
    for (int depth = 118; depth <= 130; depth++)
        test_depth(depth);
    test_time();
    test_arrays();
    test_composites();
    test_extensions();
    test_nesting();
    test_types();
    test_positions();
    test_kinds();
    test_lsn();
    return failures ? 1 : 0;
}
