/* SPDX-License-Identifier: MIT */
/* JSON columns of MySQL's binary log: documents, parts of documents, and as a SELECT shows them. */
#include "binlog-values.h"

#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/scan/cell.h"
#include "tests/unit/no-memory.h"

static void apply(const char *before, const char *diffs, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    size_t n, m;
    uint8_t *document = bytes_of(before, &n), *bytes = bytes_of(diffs, &m);
    int result = my_value_apply_json_diffs(&out, cdc_span((char *)document, n), cdc_span((char *)bytes, m), &error);
    cdc_buf_byte(&out, '\0');
    if (want == NULL)
        check(result < 0 && error.status == CDC_EXIT_PROTOCOL && out.len == 1, diffs, out.data, "an error");
    else
        check(result == 1 && strcmp(out.data, want) == 0, diffs, result < 0 ? error.text : out.data, want);
    for (size_t length = 0; length < m; length++) { /* none of them reads beyond the end */
        uint8_t *copy = exact_copy(bytes, length);
        out.len = 0;
        if (my_value_apply_json_diffs(&out, cdc_span((char *)document, n), cdc_span((char *)copy, length), NULL) > 0 &&
            cdc_json_validate(out.data, out.len, NULL) < 0)
            check(false, "a partial update that is truncated", "", "");
        free(copy);
    }
    for (size_t length = 0; length < n; length++) {
        uint8_t *copy = exact_copy(document, length);
        out.len = 0;
        if (my_value_apply_json_diffs(&out, cdc_span((char *)copy, length), cdc_span((char *)bytes, m), NULL) > 0 &&
            cdc_json_validate(out.data, out.len, NULL) < 0)
            check(false, "a partial update of a document that is truncated", "", "");
        free(copy);
    }
    free(document);
    free(bytes);
    cdc_buf_free(&out);
}

/* {"a":1}, {"a":[1,2]} */
#define OBJECT "0001000c000b00010005010061"
#define NESTED                                                                                                         \
    "0001001600"                                                                                                       \
    "0b000100"                                                                                                         \
    "020c00"                                                                                                           \
    "61"                                                                                                               \
    "02000a00"                                                                                                         \
    "050100"                                                                                                           \
    "050200"

/* {"a":[1,2]} with a[1] replaced, a[0] inserted before, b added, and a's last removed. */
#define CHANGES                                                                                                        \
    "0006242e615b315d03050700"                                                                                         \
    "0106242e615b305d03050800"                                                                                         \
    "0103242e6203050900"                                                                                               \
    "0206242e615b315d"

static const char *swept;

static int apply_without_memory(struct cdc_buf *out, struct cdc_error *error)
{
    size_t n, m;
    uint8_t *document = bytes_of(NESTED, &n), *bytes = bytes_of(swept, &m);
    memory_begin();
    int result = my_value_apply_json_diffs(out, cdc_span((char *)document, n), cdc_span((char *)bytes, m), error);
    memory_end();
    free(document);
    free(bytes);
    return result < 0 ? -1 : 0;
}

static void test_json_apply(void)
{
    apply(OBJECT, "", "{\"a\":1}");
    apply(OBJECT, "0203242e61", "{}");
    apply(OBJECT, "0003242e6103050700", "{\"a\":7}");
    apply(OBJECT, "0103242e6203050700", "{\"a\":1,\"b\":7}");
    apply(OBJECT, "0105242e22622203050700", "{\"a\":1,\"b\":7}");
    apply(OBJECT,
          "0107242e22625c22220305"
          "0700",
          "{\"a\":1,\"b\\\"\":7}");
    apply(OBJECT,
          "0001"
          "24"
          "03040100",
          "true");
    apply(OBJECT,
          "0003242e6103050700"
          "0103242e6203050800"
          "0203242e61",
          "{\"b\":8}");
    apply(OBJECT, "0103242e6103050700", NULL); /* it is there */
    apply(OBJECT, "0203242e62", NULL);         /* it is not */
    apply(OBJECT, "02012403", NULL);
    apply(OBJECT, "0303242e61", NULL);
    apply(OBJECT, "0204245b305d", NULL);
    apply(OBJECT, "0004245b305d03050700", "7"); /* an object counts as an array of one */
    apply(NESTED, "0006242e615b305d03050700", "{\"a\":[7,2]}");
    apply(NESTED, "0206242e615b305d", "{\"a\":[2]}");
    apply(NESTED, "0206242e615b325d", NULL);
    apply(NESTED, "0106242e615b395d03050700", "{\"a\":[1,2,7]}");
    apply(NESTED, "0106242e615b305d03050700", "{\"a\":[7,1,2]}");
    apply(NESTED, "0009242e615b6c6173745d03050700", "{\"a\":[1,7]}");
    apply(NESTED, "000b242e615b6c6173742d315d03050700", "{\"a\":[7,2]}");
    apply(NESTED,
          "0003242e61"
          "0d" OBJECT "0105242e612e6203050700",
          "{\"a\":{\"a\":1,\"b\":7}}");
    struct cdc_buf out = CDC_BUF_INIT;
    check(my_value_apply_json_diffs(&out, cdc_span(NULL, 0), cdc_span(NULL, 0), NULL) == 0 && out.len == 0,
          "no document before", "", "");
    cdc_buf_free(&out);
}

/* The binary document, of any length below 64 KiB, as a JSON column has it. */
static void document(const char *hex, const char *want)
{
    struct cdc_buf text = CDC_BUF_INIT;
    size_t n = strlen(hex) / 2;
    cdc_buf_printf(&text, "%02x%02x0000%s", (unsigned)n & 255, (unsigned)n >> 8, hex);
    cdc_buf_byte(&text, '\0');
    mysql(MY_TYPE_JSON, 4, text.data, want);
    cdc_buf_free(&text);
}

static void test_deep_json(int depth)
{
    struct cdc_buf hex = CDC_BUF_INIT, want = CDC_BUF_INIT;
    for (int i = 0; i < depth; i++) {
        unsigned size = (unsigned)(depth - i) * 7 - (i == depth - 1 ? 3 : 3);
        if (i == 0)
            cdc_buf_lit(&hex, "02");
        if (i == depth - 1)
            cdc_buf_lit(&hex, "00000400");
        else
            cdc_buf_printf(&hex, "0100%02x%02x020700", size & 255, size >> 8);
        cdc_buf_byte(&want, '[');
    }
    for (int i = 0; i < depth; i++)
        cdc_buf_byte(&want, ']');
    cdc_buf_byte(&hex, '\0');
    cdc_buf_byte(&want, '\0');
    document(hex.data, depth <= 100 ? want.data : NULL);
    cdc_buf_free(&hex);
    cdc_buf_free(&want);
}

/* Forty arrays, each of two that are the same bytes: printed, 2^40 values. */
static void test_shared_json(void)
{
    struct cdc_buf hex = CDC_BUF_INIT;
    cdc_buf_lit(&hex, "02");
    for (unsigned i = 0; i < 40; i++) {
        unsigned size = (40 - i) * 10 + 4;
        cdc_buf_printf(&hex, "0200%02x%02x020a00020a00", size & 255, size >> 8);
    }
    cdc_buf_lit(&hex, "00000400");
    cdc_buf_byte(&hex, '\0');
    document(hex.data, NULL);
    cdc_buf_free(&hex);
}

static void json_text(const char *text, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t unconvertible = 0;
    my_value_append_json(&out, text, strlen(text), &unconvertible);
    cdc_buf_byte(&out, '\0');
    check(strcmp(out.data, want) == 0, text, out.data, want);
    cdc_buf_free(&out);
}

static void test_json(void)
{
    document("", "null");
    document(DOCUMENT, DOCUMENT_TEXT);
    document("0400", "null");
    document("0401", "true");
    document("0402", "false");
    document("0403", NULL);
    document("05feff", "-2");
    document("06feff", "65534");
    document("07feffffff", "-2");
    document("08feffffff", "4294967294");
    document("09feffffffffffffff", "-2");
    document("0afeffffffffffffff", "18446744073709551614");
    document("0b000000000000f03f", "1.0");
    document("0b0000000000000080", "-0.0");
    document("0b7dc39425ad49b254", "1e100");
    document("0c00", "\"\"");
    document("0c03c3bc22", "\"\xc3\xbc\\\"\"");
    document("0c01ff", NULL);
    document("0c8080808080", NULL);
    document("0ff60402018105", "1.5");
    document("0ff60502018105"
             "00",
             NULL);
    document("0ff6020000", NULL); /* a DECIMAL of no digits */
    document("0ffc0300ff10", "\"base64:type252:AP8Q\"");
    document("0200000400", "[]");
    document("0000000400", "{}");
    document("030100000011000000"
             "0701000000"
             "00000000",
             "[1]");
    document("0201000700"
             "020000",
             NULL); /* itself */
    document("0201000700"
             "0c0700",
             NULL); /* after the end */
    document("0201000800"
             "0501"
             "00",
             NULL);
    document("0d00", NULL);
    for (int depth = 98; depth <= 103; depth++)
        test_deep_json(depth);
    test_shared_json();
    json_text("{\"a\": [1, 2.50, \"x y\"], \"b\": {}}", "{\"a\":[1,2.50,\"x y\"],\"b\":{}}");
    json_text("not json", "\"not json\"");
    test_json_apply();
}

/* JSON as a SELECT shows it. */
static void selected(const char *text, const char *want)
{
    struct my_column column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_JSON, 4, NULL, "json");
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    uint64_t unconvertible = 0;
    struct my_cell cell = {.n = (uint32_t)strlen(text)};
    uint8_t *bytes = exact_copy((const uint8_t *)text, cell.n);
    cell.p = bytes;
    int result = my_cell_append(&out, &column, &cell, &plain, &unconvertible, &error);
    cdc_buf_byte(&out, '\0');
    check(result == 0 && strcmp(out.data, want) == 0, "JSON of a SELECT", out.data, want);
    free(bytes);
    cdc_buf_free(&out);
    my_column_free(&column);
}

static void test_selected_json(void)
{
    selected("{\"a\": [1, 1.50]}", "{\"a\":[1,1.50]}");
    /* Base64 in lines, as early releases of MySQL 8.0 print it. */
    selected("\"base64:type15:eHh4\neHh4\neA==\"", "\"base64:type15:eHh4\\neHh4\\neA==\"");
    selected("\"\n\"", "\"\\n\"");
}

int main(void)
{
    test_json();
    test_selected_json();
    apply(NESTED, CHANGES, "{\"a\":[8,7],\"b\":9}");
    swept = CHANGES;
    failures += memory_sweep("a partial update", apply_without_memory) != 0;
    swept = "0103242e6203050900"; /* b alone: what is not known of the rest must not be left out */
    failures += memory_sweep("a member more", apply_without_memory) != 0;
    return failures ? 1 : 0;
}
