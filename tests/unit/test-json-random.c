/* SPDX-License-Identifier: MIT */
/* Random JSON, most of it broken: we and jansson agree on what is valid, and on what is in it. Nothing is read beyond a text. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <cdc/event.h>
#include <cdc/json.h>

#include "tests/unit/guarded.h"

static int failures;
static uint64_t state = 42;

static unsigned below(unsigned n)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

static bool same_text(struct cdc_span raw, const char *text, size_t n)
{
    struct cdc_buf out = CDC_BUF_INIT, again = CDC_BUF_INIT;
    cdc_json_unescape(&out, raw);
    bool same = !out.failed && out.len == n && (n == 0 || memcmp(out.data, text, n) == 0) &&
                cdc_json_raw_is(raw, cdc_span(text, n));
    /* Printed anew it is the same text, and no other one. */
    cdc_json_append_string(&again, text, n);
    struct cdc_span printed = cdc_span(again.data + 1, again.len - 2);
    same = same && cdc_json_raw_equal(raw, printed) && cdc_json_raw_equal(printed, raw) &&
           cdc_json_raw_is(printed, cdc_span(text, n));
    if (n > 0)
        same = same && !cdc_json_raw_is(raw, cdc_span(text, n - 1)) && !cdc_json_raw_equal(raw, cdc_span("", 0)) &&
               !cdc_json_raw_is(cdc_span("", 0), cdc_span(text, n));
    cdc_buf_byte(&out, 'x');
    same = same && !cdc_json_raw_is(raw, cdc_span(out.data, out.len));
    cdc_buf_free(&out);
    cdc_buf_free(&again);
    return same;
}

static bool same_value(struct cdc_span value, const json_t *tree);

static bool same_object(struct cdc_span value, const json_t *tree)
{
    struct cdc_json_iter iter;
    struct cdc_span raw, member;
    const char *name;
    json_t *inner;
    size_t n = 0;

    json_object_foreach((json_t *)tree, name, inner)
    {
        n++;
        if (!same_value(cdc_json_member(value, name), inner))
            return false;
    }
    /* A name may come twice. */
    size_t walked = 0;
    for (cdc_json_iter_begin(&iter, value); cdc_json_next_member(&iter, &raw, &member);)
        walked++;
    return walked >= n && cdc_json_member(value, "zz").p == NULL;
}

static bool same_array(struct cdc_span value, const json_t *tree)
{
    struct cdc_json_iter iter;
    struct cdc_span element;
    size_t n = 0;

    for (cdc_json_iter_begin(&iter, value); cdc_json_next_element(&iter, &element); n++)
        if (!same_value(element, json_array_get(tree, n)))
            return false;
    return n == json_array_size(tree);
}

static bool same_value(struct cdc_span value, const json_t *tree)
{
    int64_t number;
    char *end;

    switch (cdc_json_type(value)) {
    case CDC_JSON_OBJECT: return json_is_object(tree) && same_object(value, tree);
    case CDC_JSON_ARRAY: return json_is_array(tree) && same_array(value, tree);
    case CDC_JSON_STRING:
        return json_is_string(tree) &&
               same_text(cdc_json_string_raw(value), json_string_value(tree), json_string_length(tree));
    case CDC_JSON_NULL: return json_is_null(tree) && cdc_json_is_null(value) && cdc_span_is(value, "null");
    case CDC_JSON_BOOL: return json_is_boolean(tree) && cdc_span_is(value, json_is_true(tree) ? "true" : "false");
    case CDC_JSON_NUMBER: {
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)value.n, value.p);
        double same = strtod(text, &end);
        return *end == '\0' && json_is_number(tree) && same == json_number_value(tree) &&
               (!json_is_integer(tree) || (cdc_json_int64(value, &number) && number == json_integer_value(tree)));
    }
    default: return false;
    }
}

static void tried(const char *text, size_t n, unsigned *valid)
{
    const char *copy = guarded_end(text, n);
    json_error_t why;
    json_t *tree = json_loadb(copy, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    struct cdc_error error = {0};
    bool good = cdc_json_validate(copy, n, &error) == 0;
    struct cdc_span value = {copy, n};
    struct cdc_event event;
    struct cdc_buf compact = CDC_BUF_INIT;

    while (value.n > 0 && strchr(" \t\n\r", *value.p) != NULL)
        value = cdc_span(value.p + 1, value.n - 1);
    while (value.n > 0 && strchr(" \t\n\r", value.p[value.n - 1]) != NULL)
        value.n--;
    bool same = good == (tree != NULL) && (!good || same_value(value, tree));
    if (good) {
        cdc_json_append_compact(&compact, value);
        same = same && cdc_json_validate(compact.data, compact.len, NULL) == 0 &&
               same_value(cdc_span(compact.data, compact.len), tree);
    }
    (void)cdc_event_parse(&event, copy, n, NULL);
    if (!same && failures++ < 10)
        printf("not ok - we: %s %s, jansson: %s: %.*s\n", good ? "valid" : "not valid", error.text,
               tree != NULL ? "valid" : why.text, (int)n, text);
    *valid += good;
    cdc_buf_free(&compact);
    json_decref(tree);
}

static const char *const words[] = {"{",
                                    "}",
                                    "[",
                                    "]",
                                    ",",
                                    ":",
                                    "\"a\"",
                                    "\"b\"",
                                    "\"op\"",
                                    "\"c\"",
                                    "\"\\u0061\"",
                                    "\"\"",
                                    "0",
                                    "-1",
                                    "12",
                                    "01",
                                    "1.5",
                                    "-0.25",
                                    "1e2",
                                    "1E-2",
                                    "1e+3",
                                    "1.",
                                    ".5",
                                    "-",
                                    "1e",
                                    "true",
                                    "false",
                                    "null",
                                    "tru",
                                    "nul",
                                    "falsey",
                                    " ",
                                    "\n",
                                    "\t",
                                    "\r",
                                    "\"\\n\\t\\r\\b\\f\\/\\\\\\\"\"",
                                    "\"\\x\"",
                                    "\"\\u12\"",
                                    "\"\\u20ac\"",
                                    "\"\\u00e9\\u07ff\\u0800\\uffff\"",
                                    "\"\\ud83d\\ude00\"",
                                    "\"\\ud83d\"",
                                    "\"\\ude00\"",
                                    "\"\\ud83dx\"",
                                    "\"\\ud83d\\u0041\"",
                                    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                                    "\"\xc3\"",
                                    "\"\\u00E9\\uABCD\"",
                                    "\"abcdefgh\\nabcdefghijklmnopq\"",
                                    "\"\x01\"",
                                    "\"unfinished",
                                    "\"\\u0000\""};
#define WORDS (sizeof words / sizeof words[0])

/* Words one after the other. */
static size_t chain(char *out, size_t size)
{
    size_t n = 0;
    for (unsigned i = below(10) + 1; i > 0; i--)
        n += (size_t)snprintf(out + n, size - n, "%s", words[below(WORDS)]);
    return n;
}

/* A value of valid parts; depth is below 70 so that more than one word of brackets is open. */
static size_t value(char *out, size_t size, unsigned depth)
{
    static const char *const scalars[] = {"0",
                                          "-1",
                                          "12",
                                          "1.5",
                                          "-0.25",
                                          "1e2",
                                          "true",
                                          "false",
                                          "null",
                                          "\"\"",
                                          "\"x\"",
                                          "\"\\n\\t\\r\\b\\f\\/\\\\\\\"\"",
                                          "\"\\u20ac\\u00e9\\u07ff\\u0800\\uffff\"",
                                          "\"\\ud83d\\ude00\"",
                                          "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                                          "\"abcdefgh\\nabcdefghijklmnopq\"",
                                          "{}",
                                          "[]",
                                          "\"[}\""};
    static const char *const names[] = {"a", "b", "\\u0061", "op", "long name of a member", "\\\"", "\xc3\xa9", ""};
    static const char *const blanks[] = {"", "", "", " ", "\n", " \t"};
    if (depth == 0 || size < 4096)
        return (size_t)snprintf(out, size, "%s", scalars[below(sizeof scalars / sizeof scalars[0])]);
    bool object = below(2) == 0;
    unsigned parts = depth > 6 ? 1 : below(4), deep = parts > 0 ? below(parts) : 0;
    size_t n = (size_t)snprintf(out, size, "%s", object ? "{" : "[");
    for (unsigned i = 0; i < parts; i++) {
        n += (size_t)snprintf(out + n, size - n, "%s%s", i > 0 ? "," : "", blanks[below(6)]);
        if (object)
            n +=
                (size_t)snprintf(out + n, size - n, "\"%s\"%s:%s", names[below(8)], blanks[below(6)], blanks[below(6)]);
        n += value(out + n, size - n, i == deep ? depth - 1 : below(2));
        n += (size_t)snprintf(out + n, size - n, "%s", blanks[below(6)]);
    }
    return n + (size_t)snprintf(out + n, size - n, "%s", object ? "}" : "]");
}

int main(void)
{
    static char text[GUARDED_MAX];
    unsigned valid = 0, all = 0;

    for (unsigned i = 0; i < 15000; i++, all++)
        tried(text, chain(text, sizeof text), &valid);
    for (unsigned i = 0; i < 1500; i++, all++) {
        size_t n = value(text, sizeof text, i % 10 == 0 ? 60 + below(10) : below(6));
        unsigned before = valid;
        tried(text, n, &valid);
        if (valid == before && failures++ < 10)
            printf("not ok - not valid: %s\n", text);
        /* One byte is another one, or missing; or the end is. */
        for (unsigned k = 0; k < 6 && n > 0; k++) {
            size_t at = below((unsigned)n);
            char kept = text[at];
            text[at] = "{}[],:\"\\0n \xc3"[below(12)];
            tried(text, n, &valid);
            text[at] = kept;
            tried(text, at, &valid);
            tried(text + at, n - at, &valid);
        }
    }
    if (valid < 2000 && failures++ < 10)
        printf("not ok - %u are valid\n", valid);
    if (failures == 0)
        printf("ok - random JSON: %u are valid\n", valid);
    return failures != 0;
}
