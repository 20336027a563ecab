/* SPDX-License-Identifier: MIT */
/* The scanner against a second opinion: what it accepts jansson accepts, and the other way round; what is accepted
 * can be walked without leaving its bytes. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <stdlib.h>

#include <cdc/event.h>
#include <cdc/filter.h>

static void walk(struct cdc_span value, unsigned depth)
{
    struct cdc_json_iter iter;
    struct cdc_span name, inner;

    if (depth > CDC_JSON_DEPTH || value.n == 0)
        abort();
    cdc_json_iter_begin(&iter, value);
    if (cdc_json_type(value) == CDC_JSON_OBJECT)
        while (cdc_json_next_member(&iter, &name, &inner))
            walk(inner, depth + 1);
    else if (cdc_json_type(value) == CDC_JSON_ARRAY)
        while (cdc_json_next_element(&iter, &inner))
            walk(inner, depth + 1);
}

static void compare(const char *text, size_t n, bool ours)
{
    json_error_t why;
    if (n != 0 && memchr(text, '\0', n) != NULL) /* jansson takes a NUL byte for the end of the text */
        return;
    json_t *theirs = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    /* jansson refuses numbers out of its range and U+0000 in names, and allows more depth: only these may differ. */
    enum json_error_code code = theirs == NULL ? json_error_code(&why) : 0;
    if (ours && theirs == NULL && code != json_error_numeric_overflow && code != json_error_null_byte_in_key)
        abort();
    if (!ours && theirs != NULL && n < CDC_JSON_DEPTH)
        abort();
    json_decref(theirs);
}

static void filter(const struct cdc_event *event)
{
    const char *drop[] = {"a", "t:b"}, *names[] = {"c=d"}, *tables[] = {"t=u"};
    struct cdc_filter_settings settings = {
        .drop_columns = {drop, 2}, .rename_columns = {names, 1}, .rename_tables = {tables, 1}};
    struct cdc_filter *stage = cdc_filter_new(&settings, NULL);
    struct cdc_buf out = CDC_BUF_INIT;

    if (cdc_filter_event(stage, event, &out, NULL) == 1 && cdc_json_validate(out.data, out.len, NULL) != 0)
        abort();
    cdc_buf_free(&out);
    cdc_filter_free(stage);
}

/* The lines of a stream, each of which must be what it is alone. */
static void parse_stream(const char *text, size_t n)
{
    struct cdc_event_parser *parser = cdc_event_parser_new(NULL);
    const char *end = text + n;

    for (const char *line = text, *lf; parser != NULL && line < end; line = lf + 1) {
        struct cdc_event alone, event;
        struct cdc_error why = {0}, other = {0};
        lf = memchr(line, '\n', (size_t)(end - line));
        lf = lf != NULL ? lf : end;
        size_t length = (size_t)(lf - line);
        int result = cdc_event_parse(&alone, line, length, &why);
        if (cdc_event_parser_next(parser, &event, line, length, &other) != result || strcmp(why.text, other.text) != 0)
            abort();
        event.rows = NULL;
        if (result == 0 && memcmp(&alone, &event, sizeof event) != 0)
            abort();
    }
    cdc_event_parser_free(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct cdc_event event;
    bool ours = cdc_json_validate(text, size, NULL) == 0;

    compare(text, size, ours);
    parse_stream(text, size);
    if (ours) {
        struct cdc_span value = cdc_span(text, size);
        while (value.n > 0 && (unsigned char)value.p[0] <= ' ')
            value.p++, value.n--;
        while (value.n > 0 && (unsigned char)value.p[value.n - 1] <= ' ')
            value.n--;
        walk(value, 0);
    }
    if (cdc_event_parse(&event, text, size, NULL) == 0) {
        if (!ours)
            abort();
        filter(&event);
    }
    return 0;
}
