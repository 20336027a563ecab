/* SPDX-License-Identifier: MIT */
/* Lines of other tools' formats. The first byte says which one is read, the second which one is written then: what comes of any
 * line is events, in an order that grows or stays, and what comes of these is JSON. */
#include "tests/fuzz/fuzz.h"

#include <cdc/format.h>

static const char *const formats[] = {"debezium", "maxwell",  "wal2json",         "canal",
                                      "singer",   "debezium", "debezium,schemas", "debezium,tombstones"};

static void write_lines(struct cdc_format_writer *writer, const struct cdc_buf *events)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_event event;

    for (const char *p = events->data, *end = p + events->len, *lf; p < end; p = lf + 1) {
        lf = memchr(p, '\n', (size_t)(end - p));
        if (lf == NULL || cdc_event_parse(&event, p, (size_t)(lf - p), NULL) != 0 || event.pos.n == 0 || !event.has_seq)
            abort();
        size_t at = out.len;
        if (cdc_format_write(writer, &event, &out, NULL) < 0)
            out.len = at;
    }
    for (const char *p = out.data, *end = out.len > 0 ? p + out.len : p, *lf; p < end; p = lf + 1) {
        lf = memchr(p, '\n', (size_t)(end - p));
        if (lf == NULL || cdc_json_validate(p, (size_t)(lf - p), NULL) != 0)
            abort();
    }
    cdc_buf_free(&out);
}

static void read_line(struct cdc_format_reader *reader, struct cdc_format_writer *writer, struct cdc_span line)
{
    struct cdc_buf events = CDC_BUF_INIT;

    if (cdc_format_read(reader, line, &events, NULL) == 0 && events.len > 0)
        write_lines(writer, &events);
    cdc_buf_free(&events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *keys[] = {"id"};

    if (size < 3)
        return 0;
    const struct cdc_format_reader_settings settings = {
        .spec = formats[data[0] % 5],
        .keys = {keys, data[2] & 1},
        .position = data[2] >> 1 & 1 ? CDC_FORMAT_POSITION_LINE : CDC_FORMAT_POSITION_LOG,
    };
    struct cdc_format_reader *reader = cdc_format_reader_new(&settings, NULL);
    struct cdc_format_writer *writer = cdc_format_writer_new(formats[data[1] % 8], NULL);
    size_t n = size - 3;
    const char *copy = (const char *)exact_copy(data + 3, n), *p = copy;
    while (n > 0) {
        const char *lf = memchr(p, '\n', n);
        size_t length = lf != NULL ? (size_t)(lf - p) : n;
        uint8_t *line = exact_copy((const uint8_t *)p, length);
        read_line(reader, writer, cdc_span((const char *)line, length));
        free(line);
        length += lf != NULL;
        p += length;
        n -= length;
    }
    read_line(reader, writer, cdc_span(NULL, 0));
    cdc_format_reader_free(reader);
    cdc_format_writer_free(writer);
    free((void *)copy);
    return 0;
}
