/* SPDX-License-Identifier: MIT */
/* Lines that wait. While a source is inside a transaction, those of all others are held, and taken in when it has ended: with
 * sources whose lines come in turns, there might never be a place where all of them are at a boundary, and nothing would
 * ever be stored. Where a line stood in the input is kept with it, for what is said of it later. */
#include <string.h>

#include "libcdc/loop/internal.h"

struct head {
    uint64_t number, offset;
    size_t n;
};

int held_add(struct held_lines *lines, const struct held_line *line, struct cdc_error *error)
{
    struct head head = {line->number, line->offset, line->text.n};

    cdc_buf_append(&lines->bytes, &head, sizeof head);
    cdc_buf_span(&lines->bytes, line->text);
    return lines->bytes.failed ? cdc_error_memory(error) : 0;
}

bool held_next(const struct held_lines *lines, size_t *at, struct held_line *line)
{
    struct head head;

    if (*at == lines->bytes.len)
        return false;
    memcpy(&head, lines->bytes.data + *at, sizeof head); /* it is not aligned */
    *line = (struct held_line){{lines->bytes.data + *at + sizeof head, head.n}, head.number, head.offset};
    *at += sizeof head + head.n;
    return true;
}
