/* SPDX-License-Identifier: MIT */
/* The places that a reader has passed, and what the sinks have of them: at the end of each batch, by the positions that the journal has
 * there. */
#include <stdlib.h>

#include "connectors/log/read/internal.h"

struct passing {
    struct log_read *read;
    bool first; /* where the run begins: nothing was written for it */
};

static int pass(void *context, const char *name, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct passing *passing = context;
    struct log_read *read = passing->read;
    const struct cdc_offset *before = cdc_offset_file_get(read->known, name);

    if (before != NULL && strcmp(before->pos, offset->pos) == 0)
        return 0;
    if (!passing->first && offset->lines > (before != NULL ? before->lines : 0) && !read->exact)
        read->settings->metrics->changes += offset->lines - (before != NULL ? before->lines : 0);
    if (cdc_offset_file_set(read->known, name, offset, error) != 0)
        return -1;
    return read->relay != NULL && !passing->first ? cdc_relay_passed(read->relay, name, offset->pos, error) : 0;
}

int read_note_place(struct log_read *read, uint64_t byte, struct cdc_span at, const unsigned char chain[LOG_HASH],
                    bool first, struct cdc_error *error)
{
    struct passing passing = {read, first};
    char pos[LOG_DIGITS + 1];

    if (!cdc_span_equal(at, cdc_span(read->at.data, read->at.len))) {
        if (log_at_each(at, pass, &passing, error) != 0)
            return -1;
        read->at.len = 0;
        cdc_buf_span(&read->at, at);
    }
    log_pos_make(pos, byte);
    read->state.len = 0;
    log_state_append(&read->state, read->folder.id, chain);
    cdc_buf_byte(&read->state, '\0');
    if (read->state.failed || read->at.failed)
        return cdc_error_memory(error);
    const struct cdc_offset place = {
        .pos = pos, .seq = (int64_t)byte, .lines = read->settings->metrics->changes, .state = read->state.data};
    if (cdc_offset_copy(&read->boundary, &place, error) != 0)
        return -1;
    if (!first)
        read->settings->metrics->commits++;
    return read->relay != NULL && !first ? cdc_relay_place(read->relay, &place, error) : 0;
}
