/* SPDX-License-Identifier: MIT */
/* Where in a log something is. Whole segments are passed over by their last line, and in one segment the journal is read. */
#include <stdlib.h>

#include "connectors/log/file/index.h"

/* Is it this batch? 1, 0, -1. */
typedef int log_test(const void *context, const struct log_commit *commit, struct cdc_error *error);

/* *begin: where the batch starts. Keeps the line in text, which *commit BORROWS. */
static int find_in(const struct log_folder *folder, const struct log_segment *segment, log_test *test,
                   const void *context, struct cdc_buf *text, struct log_commit *commit, uint64_t *begin,
                   struct cdc_error *error)
{
    struct log_index index;
    int found = log_index_open(&index, folder, LOG_INDEX, segment->start, error), is_it = 0;

    *begin = segment->start;
    while (found >= 0 && is_it == 0 && (found = log_index_next(&index, commit, error)) == 1) {
        is_it = commit->kind == LOG_COMMIT_LINE ? test(context, commit, error) : 0;
        if (is_it == 0 && commit->kind == LOG_COMMIT_LINE)
            *begin = commit->end;
    }
    if (is_it == 1) {
        text->len = 0;
        cdc_buf_span(text, commit->at);
        commit->at = cdc_span(text->data, text->len);
        if (text->failed)
            is_it = cdc_error_memory(error);
    }
    log_index_close(&index);
    return found < 0 ? -1 : is_it;
}

/* 1, 0, -1. */
static int look_in(const struct log_folder *folder, const struct log_segment *segment, log_test *test,
                   const void *context, struct cdc_buf *text, struct log_commit *commit, uint64_t *begin,
                   struct cdc_error *error)
{
    int found = log_index_last(folder, segment->start, text, commit, error);

    if (found == 1)
        found = test(context, commit, error);
    return found == 1 ? find_in(folder, segment, test, context, text, commit, begin, error) : found;
}

/* A segment that is trimmed meanwhile is passed over: it is none of the log any more. */
static int find(const struct log_folder *folder, log_test *test, const void *context, struct cdc_buf *text,
                struct log_commit *commit, uint64_t *begin, struct cdc_error *error)
{
    int found = 0;

    for (size_t i = 0; i < folder->n && found == 0; i++) {
        const struct log_segment *segment = &folder->segments[i];
        if (!segment->indexed || segment->end == segment->start)
            continue;
        struct cdc_error why = {0};
        found = look_in(folder, segment, test, context, text, commit, begin, &why);
        if (found < 0 && why.status == CDC_EXIT_LOST)
            found = 0;
        else if (found < 0 && error != NULL)
            *error = why;
    }
    return found;
}

static int ends_after(const void *context, const struct log_commit *commit, struct cdc_error *error)
{
    (void)error;
    return commit->end > *(const uint64_t *)context;
}

int log_find_byte(const struct log_folder *folder, uint64_t byte, struct cdc_buf *text, struct log_commit *commit,
                  struct cdc_error *error)
{
    uint64_t begin;
    return find(folder, ends_after, &byte, text, commit, &begin, error);
}

int log_find_batch(const struct log_folder *folder, uint64_t byte, uint64_t *begin, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit commit;
    int found = find(folder, ends_after, &byte, &text, &commit, begin, error);

    if (found == 0)
        *begin = byte;
    cdc_buf_free(&text);
    return found;
}

static int is_since(const void *context, const struct log_commit *commit, struct cdc_error *error)
{
    (void)error;
    return commit->ts >= *(const int64_t *)context;
}

int log_find_time(const struct log_folder *folder, int64_t ts, uint64_t *begin, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit commit;
    int found = find(folder, is_since, &ts, &text, &commit, begin, error);

    cdc_buf_free(&text);
    return found;
}

struct place {
    const char *name, *pos;
};

static int is_after(const void *context, const struct log_commit *commit, struct cdc_error *error)
{
    const struct place *place = context;
    struct cdc_offset offset = {.pos = NULL};
    int found = log_at_get(commit->at, place->name, &offset, error);

    if (found == 1)
        found = strcmp(offset.pos, place->pos) > 0;
    cdc_offset_free(&offset);
    return found;
}

int log_find_pos(const struct log_folder *folder, const char *name, const char *pos, uint64_t *begin,
                 struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct place place = {name, pos};
    struct log_commit commit;
    int found = find(folder, is_after, &place, &text, &commit, begin, error);

    cdc_buf_free(&text);
    return found;
}

/* Of the first line of a segment's journal. */
static int positions_before(const struct log_folder *folder, uint64_t start, struct cdc_buf *text, struct cdc_span *at,
                            struct cdc_error *error)
{
    struct log_commit commit;
    struct log_index index;

    if (log_index_open(&index, folder, LOG_INDEX, start, error) != 0)
        return -1;
    int found = log_index_next(&index, &commit, error);
    text->len = 0;
    if (found == 1) {
        cdc_buf_span(text, commit.at);
        *at = cdc_span(text->data, text->len);
    }
    log_index_close(&index);
    return text->failed ? cdc_error_memory(error) : found;
}

int log_find_positions(const struct log_folder *folder, uint64_t byte, struct cdc_buf *text, struct cdc_span *at,
                       struct cdc_error *error)
{
    struct log_commit commit;
    const struct log_segment *segment = log_folder_find(folder, byte);

    *at = cdc_span_text("{}");
    if (byte == 0)
        return 0;
    /* The batch before it may be removed, and there may be none after it. */
    if (segment != NULL && segment->start == byte && segment->indexed)
        return positions_before(folder, byte, text, at, error);
    int found = log_find_byte(folder, byte - 1, text, &commit, error);
    if (found == 1)
        *at = commit.at;
    return found;
}
