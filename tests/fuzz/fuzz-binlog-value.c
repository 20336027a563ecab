/* SPDX-License-Identifier: MIT */
/* Any column definition over any bytes, and any bytes as text of any charset: an error or valid JSON, and no more of either
 * than the bytes can hold. */
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"
#include "connectors/mysql/value/value.h"
#include "tests/fuzz/fuzz.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>

static void check_json(const struct cdc_buf *out, size_t from)
{
    if (!out->failed && cdc_json_validate(out->data + from, out->len - from, NULL) < 0)
        abort();
}

static void text(const uint8_t *data, size_t size, unsigned collation)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t unconvertible = 0;
    uint8_t *copy = exact_copy(data, size);
    my_charset_append(&out, my_charset_of(collation), copy, size, &unconvertible);
    check_json(&out, 0);
    out.len = 0;
    my_value_append_json(&out, (const char *)copy, size, &unconvertible);
    check_json(&out, 0);
    free(copy);
    cdc_buf_free(&out);
}

static void values(struct my_column *column, const uint8_t *data, size_t size, const struct cdc_value_format *format)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t unconvertible = 0;
    uint8_t *copy = exact_copy(data, size);
    struct cdc_bytes cursor = {copy, copy + size, false}, skipped = cursor;
    while (cursor.p < cursor.end) {
        struct cdc_error error = {0};
        size_t from = out.len;
        const uint8_t *before = cursor.p;
        if (my_value_append(&out, column, &cursor, format, &unconvertible, &error) < 0) {
            if (error.status == 0)
                abort();
            break;
        }
        check_json(&out, from);
        if (my_value_skip(column, &skipped, &error) < 0 || skipped.p != cursor.p || cursor.p == before)
            abort();
    }
    free(copy);
    cdc_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {1,  2,  3,   4,   5,   7,   8,   9,   10,  11,  12,  13,  15,  16,  17,
                                    18, 19, 140, 141, 242, 245, 245, 246, 247, 248, 252, 254, 255, 245, 246};
    static const char *const names[] = {NULL,   "uuid", "inet6",       "inet4",        "json",    "vector(3)",
                                        "blob", "text", "datetime(3)", "timestamp(6)", "time(1)", "datetime"};
    static struct cdc_span labels[] = {{"a", 1}, {"b\"", 2}, {"\xc3\xbc", 2}, {"d", 1},  {"e", 1},
                                       {"f", 1}, {"g", 1},   {"h", 1},        {"\0i", 2}};
    if (size < 7)
        return 0;
    unsigned collation = (data[1] | (unsigned)data[2] << 8) % 3400;
    struct my_column column = {.type = types[data[0] % sizeof types], .labels = labels, .n_labels = data[5] % 10};
    struct cdc_value_format format = {.int64_as_string = data[5] & 16, .decimal_as_number = data[5] & 32};
    struct cdc_error error = {0};
    column.metadata = (uint16_t)(data[3] | (unsigned)data[4] << 8);
    column.charset = my_charset_of(collation);
    column.is_unsigned = data[5] & 64;
    column.type_name = (char *)(uintptr_t)names[data[6] % (sizeof names / sizeof names[0])];
    if (data[0] >= 0xe0)
        text(data + 7, size - 7, collation);
    else if (my_column_resolve(&column, data[5] & 128 ? MY_FLAVOR_MARIADB : MY_FLAVOR_MYSQL, &error) == 0)
        values(&column, data + 7, size - 7, &format);
    else if (error.status == 0)
        abort();
    return 0;
}
