/* SPDX-License-Identifier: MIT */
/* Any bytes as a binary JSON document, as one with a partial update, or as the text that a server prints. What comes out is
 * valid JSON on one line; read again as a server's text it comes out the same, byte for byte, and an update without a
 * difference changes nothing. */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/value.h"
#include "tests/fuzz/fuzz.h"

#include <cdc/json.h>
#include <stdlib.h>

#define DOCUMENT_MAX 65536 /* of one whose parts refer to each other a text may become much longer than its bytes */

static void expect(bool good)
{
    if (!good)
        abort();
}

static void check_document(const struct cdc_buf *out)
{
    struct cdc_buf again = CDC_BUF_INIT;
    uint64_t unconvertible = 0;
    expect(cdc_json_validate(out->data, out->len, NULL) == 0 && memchr(out->data, '\n', out->len) == NULL);
    if (out->len < DOCUMENT_MAX) {
        my_value_append_json(&again, out->data, out->len, &unconvertible);
        expect(again.failed || (again.len == out->len && memcmp(again.data, out->data, out->len) == 0));
        expect(unconvertible == 0);
    }
    cdc_buf_free(&again);
}

static void document(const uint8_t *data, size_t size)
{
    struct cdc_buf out = CDC_BUF_INIT, same = CDC_BUF_INIT;
    struct cdc_error error = {0};
    uint8_t *copy = exact_copy(data, size);
    int result = my_json_append(&out, copy, size, &error);
    expect(result == 0 || error.status != 0);
    if (result == 0 && !out.failed && size > 0) {
        check_document(&out);
        if (my_value_apply_json_diffs(&same, cdc_span((char *)copy, size), cdc_span("", 0), &error) > 0)
            expect(same.failed || (same.len == out.len && memcmp(same.data, out.data, out.len) == 0));
    }
    free(copy);
    cdc_buf_free(&out);
    cdc_buf_free(&same);
}

/* Two bytes: how long the document is. The rest are differences. */
static void update(const uint8_t *data, size_t size)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    size_t n = size < 2 ? 0 : (data[0] | (size_t)data[1] << 8) % (size - 1);
    if (size < 2)
        return;
    uint8_t *before = exact_copy(data + 2, n), *diffs = exact_copy(data + 2 + n, size - 2 - n);
    int result =
        my_value_apply_json_diffs(&out, cdc_span((char *)before, n), cdc_span((char *)diffs, size - 2 - n), &error);
    expect(result >= 0 || (error.status != 0 && out.len == 0));
    if (result > 0 && !out.failed)
        check_document(&out);
    free(before);
    free(diffs);
    cdc_buf_free(&out);
}

static void text(const uint8_t *data, size_t size)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t unconvertible = 0;
    uint8_t *copy = exact_copy(data, size);
    my_value_append_json(&out, (const char *)copy, size, &unconvertible);
    if (!out.failed)
        check_document(&out);
    free(copy);
    cdc_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0: document(data + 1, size - 1); break;
    case 1: update(data + 1, size - 1); break;
    default: text(data + 1, size - 1); break;
    }
    return 0;
}
