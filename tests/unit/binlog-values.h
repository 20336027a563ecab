/* SPDX-License-Identifier: MIT */
/* For the tests of values in MySQL's and MariaDB's binary log: bytes in hexadecimal, what they become, and what becomes
 * of them when they are truncated anywhere. */
#ifndef BINLOG_VALUES_H
#define BINLOG_VALUES_H

#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

static inline void check(bool good, const char *what, const char *got, const char *want)
{
    if (good) {
        printf("ok - %s\n", what);
        return;
    }
    failures++;
    printf("not ok - %s\n#  got %s\n# want %s\n", what, got, want);
}

static const struct cdc_value_format plain = {.int64_as_string = false},
                                     other = {.int64_as_string = true, .decimal_as_number = true};

/* The bytes of hexadecimal text, in memory of exactly their size: a sanitizer sees a read beyond it. */
static inline uint8_t *bytes_of(const char *hex, size_t *n)
{
    *n = strlen(hex) / 2;
    uint8_t *bytes = malloc(*n ? *n : 1);
    if (!bytes)
        exit(1);
    for (size_t i = 0; i < *n; i++) {
        unsigned value = 0;
        if (sscanf(hex + 2 * i, "%2x", &value) != 1)
            exit(1);
        bytes[i] = (uint8_t)value;
    }
    return bytes;
}

static inline uint8_t *exact_copy(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        exit(1);
    if (n)
        memcpy(copy, bytes, n);
    return copy;
}

/* A column as TABLE_MAP describes it; type_name and charset may be NULL. */
static inline struct my_column column_of(enum my_flavor flavor, unsigned type, unsigned metadata, const char *charset,
                                         const char *type_name)
{
    struct my_column column = {.type = (uint8_t)type, .metadata = (uint16_t)metadata};
    struct cdc_error error = {0};
    column.type_name = type_name ? cdc_span_copy(cdc_span_text(type_name)) : NULL;
    column.charset = charset ? my_charset_named(charset) : NULL;
    if (my_column_resolve(&column, flavor, &error) < 0)
        check(false, "a column is resolved", error.text, "");
    return column;
}

static inline void set_labels(struct my_column *column, size_t n, const char *const *labels)
{
    column->labels = calloc(n, sizeof *column->labels);
    if (!column->labels)
        exit(1);
    for (size_t i = 0; i < n; i++)
        column->labels[i] = cdc_span(cdc_span_copy(cdc_span_text(labels[i])), strlen(labels[i]));
    column->n_labels = n;
}

/* Every shorter run of the bytes must be an error, and skipping must go as far as printing. */
static inline void truncated(const struct my_column *column, const uint8_t *bytes, size_t n)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t unconvertible = 0;
    for (size_t length = 0; length < n; length++) {
        uint8_t *copy = exact_copy(bytes, length);
        struct cdc_bytes cursor = {copy, copy + length, false}, again = cursor;
        struct cdc_error error = {0}, skip_error = {0};
        int result = my_value_append(&out, column, &cursor, &plain, &unconvertible, &error);
        int skipped = my_value_skip(column, &again, &skip_error);
        if (result == 0 || error.status != CDC_EXIT_PROTOCOL || skipped == 0)
            check(false, "a value that is truncated is an error", "", "");
        free(copy);
    }
    cdc_buf_free(&out);
}

static inline void value_with(struct my_column *column, const struct cdc_value_format *format, const char *hex,
                              const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    uint64_t unconvertible = 0;
    size_t n;
    char what[200];
    uint8_t *bytes = bytes_of(hex, &n);
    struct cdc_bytes cursor = {bytes, bytes + n, false}, again = cursor;
    int result = my_value_append(&out, column, &cursor, format, &unconvertible, &error);
    snprintf(what, sizeof what, "type %u (%s): %.80s", column->type, column->type_name ? column->type_name : "", hex);
    if (want == NULL) {
        cdc_buf_byte(&out, '\0');
        check(result < 0 && error.status == CDC_EXIT_PROTOCOL, what, out.data, "an error");
    } else {
        bool valid = result == 0 && cdc_json_validate(out.data, out.len, NULL) == 0 && cursor.p == cursor.end;
        cdc_buf_byte(&out, '\0');
        check(valid && strcmp(out.data, want) == 0, what, result == 0 ? out.data : error.text, want);
        check(my_value_skip(column, &again, &error) == 0 && again.p == again.end, "skipping it", "", "");
        truncated(column, bytes, n);
    }
    free(bytes);
    cdc_buf_free(&out);
}

/* Settles, prints, frees. want NULL: an error. */
static inline void value(enum my_flavor flavor, unsigned type, unsigned metadata, const char *charset,
                         const char *type_name, const char *hex, const char *want)
{
    struct my_column column = column_of(flavor, type, metadata, charset, type_name);
    value_with(&column, &plain, hex, want);
    my_column_free(&column);
}

static inline void mysql(unsigned type, unsigned metadata, const char *hex, const char *want)
{
    value(MY_FLAVOR_MYSQL, type, metadata, NULL, NULL, hex, want);
}

static inline void integer(unsigned type, bool is_unsigned, const struct cdc_value_format *format, const char *hex,
                           const char *want)
{
    struct my_column column = column_of(MY_FLAVOR_MYSQL, type, 0, NULL, NULL);
    column.is_unsigned = is_unsigned;
    value_with(&column, format, hex, want);
    my_column_free(&column);
}

/* A JSON document as MySQL stores it, and as it is printed. */
#define DOCUMENT                                                                                                       \
    "000b00a4005100010052000100530001005400010055000100560001005700010058000100590001005a0002005c000300025f000401000f" \
    "6b000f750005fdff0f7b000400000f84000a8e000f96000fa00061626466696b6e7475647462696e02000c000501000c0a0001780c08c027" \
    "09053144b219f60402018105f6070b0280000001320b080000007defffffffffffffffffffffff0a08000000000044b2190f026162"
#define DOCUMENT_TEXT                                                                                                  \
    "{\"a\":[1,\"x\"],\"b\":true,\"d\":\"2024-01-02 03:04:05.600000\",\"f\":1.5,\"i\":-3,\"k\":1.50,\"n\":null,"       \
    "\"t\":\"-01:02:03.000000\",\"u\":18446744073709551615,\"dt\":\"2024-01-02\",\"bin\":\"base64:type15:YWI=\"}"

#endif
