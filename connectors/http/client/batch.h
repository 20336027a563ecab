/* SPDX-License-Identifier: MIT */
/* Lines that wait to be sent: copies, so that a refused one can be handed back as it came. */
#ifndef HTTP_BATCH_H
#define HTTP_BATCH_H

#include <cdc/buf.h>
#include <cdc/error.h>

#define HTTP_BATCH_KEEP ((size_t)16 << 20) /* bytes of memory that a buffer keeps from one batch to the next */

/* What became of a line that was offered to a batch. Whoever offers it does the flushing. */
enum http_taken {
    HTTP_TAKEN_FAILED = -1, /* with the error */
    HTTP_TAKEN,             /* in, or of no interest */
    HTTP_TAKEN_FULL,        /* in, and the batch is full: flush */
    HTTP_TAKEN_NOT_YET      /* not in: flush, then offer it again */
};

struct http_batch {
    struct cdc_buf bytes; /* the lines, each with its LF */
    struct http_line {
        size_t at, n;    /* in bytes; without the LF */
        uint64_t number; /* of the input's line */
    } * lines;
    size_t n, cap;
    size_t most_bytes;
};

int http_batch_init(struct http_batch *batch, size_t most_lines, size_t most_bytes, struct cdc_error *error);
void http_batch_free(struct http_batch *batch);
void http_batch_clear(struct http_batch *batch);
int http_batch_add(struct http_batch *batch, struct cdc_span line, uint64_t number, struct cdc_error *error);
/* BORROWED until the next add. */
struct cdc_span http_batch_line(const struct http_batch *batch, size_t index);
/* Must the batch be sent before that line goes in? A large line goes alone. */
bool http_batch_lacks_room(const struct http_batch *batch, struct cdc_span line);
bool http_batch_is_full(const struct http_batch *batch);

#endif
