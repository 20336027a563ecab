/* SPDX-License-Identifier: MIT */
/* Lines that wait to be sent. All lie in one buffer, so that a batch of NDJSON is sent as it is, without being copied
 * together; they are found by offsets and not by pointers, since the buffer moves as it grows. */
#include <stdlib.h>

#include "connectors/http/client/batch.h"

int http_batch_init(struct http_batch *batch, size_t most_lines, size_t most_bytes, struct cdc_error *error)
{
    batch->cap = most_lines;
    batch->most_bytes = most_bytes;
    batch->lines = malloc(most_lines * sizeof *batch->lines);
    return batch->lines != NULL ? 0 : cdc_error_memory(error);
}

void http_batch_free(struct http_batch *batch)
{
    cdc_buf_free(&batch->bytes);
    free(batch->lines);
}

void http_batch_clear(struct http_batch *batch)
{
    batch->n = 0;
    batch->bytes.len = 0;
    cdc_buf_shrink(&batch->bytes, HTTP_BATCH_KEEP);
}

int http_batch_add(struct http_batch *batch, struct cdc_span line, uint64_t number, struct cdc_error *error)
{
    batch->lines[batch->n] = (struct http_line){batch->bytes.len, line.n, number};
    cdc_buf_span(&batch->bytes, line);
    cdc_buf_byte(&batch->bytes, '\n');
    if (batch->bytes.failed)
        return cdc_error_memory(error);
    batch->n++;
    return 0;
}

struct cdc_span http_batch_line(const struct http_batch *batch, size_t index)
{
    return cdc_span(batch->bytes.data + batch->lines[index].at, batch->lines[index].n);
}

bool http_batch_lacks_room(const struct http_batch *batch, struct cdc_span line)
{
    /* An empty batch has room for any line: one that is larger than --batch-bytes is sent alone, not refused. */
    return batch->n > 0 && batch->bytes.len + line.n > batch->most_bytes;
}

bool http_batch_is_full(const struct http_batch *batch)
{
    return batch->n == batch->cap || batch->bytes.len >= batch->most_bytes;
}
