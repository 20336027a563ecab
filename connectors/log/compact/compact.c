/* SPDX-License-Identifier: MIT */
/* A base is made of the one before and the lines after it. Nothing of the log is rewritten. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "connectors/log/compact/ahead.h"
#include "connectors/log/compact/compact.h"
#include "connectors/log/compact/maker.h"
#include "connectors/log/compact/marks.h"
#include "connectors/log/file/cursor.h"

struct compaction {
    const struct log_compact_settings *settings;
    struct log_folder folder;
    uint64_t from, to; /* from: 0, or where the base before ends */
    struct cdc_buf previous_text, to_text;
    struct log_base previous;
    bool has_previous;
    struct log_commit last; /* ends at `to` */
    /* The lines to fold. */
    struct log_base_reader *base;
    struct log_cursor cursor;
    bool has_cursor, in_base;
    struct log_ahead *ahead;
    struct log_maker *maker;
};

/* -- the lines that are folded ---------------------------------------------------------------- */

/* Whatever is in `out` beyond `to` goes, once all of its batch was checked. */
static int cut_batch(struct compaction *compaction, struct cdc_buf *out, struct cdc_error *error)
{
    struct log_cursor *cursor = &compaction->cursor;
    int more = 1;

    out->len -= (size_t)(cursor->at - compaction->to);
    for (size_t whole = out->len; more == 1 && !cursor->ended_batch; out->len = whole)
        more = log_cursor_read(cursor, out, error);
    return more;
}

/* `to` was the end of a batch. Where its segment was sealed since, the journal has fewer of them, and one may go on beyond it. */
static int read_segments(struct compaction *compaction, struct cdc_buf *out, struct cdc_error *error)
{
    struct log_cursor *cursor = &compaction->cursor;

    if (cursor->at >= compaction->to)
        return 0;
    int more = log_cursor_read(cursor, out, error);
    if (more == 0) {
        log_cursor_limit(cursor, UINT64_MAX);
        more = log_cursor_read(cursor, out, error);
    }
    if (more == 1 && cursor->at > compaction->to)
        more = cut_batch(compaction, out, error);
    if (more != 0)
        return more;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "the log \"%s\" ends at byte %" PRIu64 ", and not at %" PRIu64,
                         compaction->folder.path, cursor->at, compaction->to);
}

/* In the thread of `ahead`. */
static int read_lines(void *context, struct cdc_buf *out, struct cdc_error *error)
{
    struct compaction *compaction = context;

    if (compaction->in_base) {
        int more = log_base_read(compaction->base, out, error);
        if (more != 0)
            return more;
        compaction->in_base = false;
    }
    return read_segments(compaction, out, error);
}

static int open_lines(struct compaction *compaction, struct cdc_error *error)
{
    if (compaction->has_cursor)
        log_cursor_close(&compaction->cursor);
    compaction->has_cursor = true;
    compaction->in_base = compaction->has_previous;
    if (log_cursor_open(&compaction->cursor, &compaction->folder, compaction->from, error) != 0)
        return -1;
    log_cursor_limit(&compaction->cursor, compaction->to);
    if (!compaction->has_previous)
        return 0;
    if (compaction->base != NULL)
        return log_base_rewind(compaction->base, error);
    compaction->base = log_base_open(&compaction->folder, compaction->from, error);
    return compaction->base != NULL ? 0 : -1;
}

static int rewind_lines(void *context, struct cdc_error *error)
{
    struct compaction *compaction = context;

    log_ahead_free(compaction->ahead);
    compaction->ahead = NULL;
    if (open_lines(compaction, error) != 0)
        return -1;
    compaction->ahead = log_ahead_new(read_lines, compaction, error);
    return compaction->ahead != NULL ? 0 : -1;
}

static int next_line(void *context, struct cdc_span *line, struct cdc_error *error)
{
    const struct compaction *compaction = context;

    return log_ahead_line(compaction->ahead, line, error);
}

static int take_line(void *context, struct cdc_span line, struct cdc_error *error)
{
    struct compaction *compaction = context;

    return log_maker_line(compaction->maker, line, error);
}

/* -- what is to be done ------------------------------------------------------------------------- */

/* The last commit of the segment that does not end after limit. 1, 0: none, -1. */
static int last_commit(struct compaction *compaction, uint64_t start, uint64_t limit, struct cdc_error *error)
{
    struct log_index index;
    struct log_commit commit;
    int more, found = 0;

    if (log_index_open(&index, &compaction->folder, LOG_INDEX, start, error) != 0)
        return -1;
    while ((more = log_index_next(&index, &commit, error)) > 0 && commit.end <= limit) {
        if (commit.kind == LOG_SEGMENT_LINE)
            continue;
        compaction->to_text.len = 0;
        cdc_buf_span(&compaction->to_text, commit.at);
        compaction->last = commit;
        found = 1;
    }
    log_index_close(&index);
    if (compaction->to_text.failed)
        return cdc_error_memory(error);
    compaction->last.at = cdc_span(compaction->to_text.data, compaction->to_text.len);
    return more < 0 ? -1 : found;
}

static int find_end(struct compaction *compaction, struct cdc_error *error)
{
    uint64_t limit, head;
    int found = 0;

    if (log_folder_limit(&compaction->folder, &limit, &head, error) != 0)
        return -1;
    for (size_t i = compaction->folder.n; found == 0 && i-- > 0;)
        if (compaction->folder.segments[i].indexed)
            found = last_commit(compaction, compaction->folder.segments[i].start, limit, error);
    compaction->to = found > 0 ? compaction->last.end : 0;
    return found < 0 ? -1 : 0;
}

static int find_previous(struct compaction *compaction, struct cdc_error *error)
{
    const struct log_folder *folder = &compaction->folder;

    compaction->from = 0;
    if (folder->n_bases > 0) {
        compaction->from = folder->bases[folder->n_bases - 1];
        compaction->has_previous = true;
        if (log_base_load(folder, compaction->from, &compaction->previous_text, &compaction->previous, error) != 0)
            return -1;
    }
    if (folder->n == 0 || log_folder_begin(folder) <= compaction->from)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "the log \"%s\" begins at byte %" PRIu64 ", and no base stands for what was before it", folder->path,
                  log_folder_begin(folder));
    return cdc_error_hint(error, "begin a new log, with a new snapshot");
}

/* -- doing it -------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int make(struct compaction *compaction, const struct log_marks *marks, int64_t now,
                struct log_fold_counts *counts, struct cdc_error *error)
{
    const struct log_compact_settings *settings = compaction->settings;
    struct log_fold_input input = {rewind_lines, next_line, compaction};
    struct log_fold_settings fold = {.folder = compaction->folder.path,
                                     .memory = settings->memory,
                                     .gone = marks->items,
                                     .n_gone = marks->n,
                                     .keep_messages = settings->keep_messages,
                                     .keep_ddl = settings->keep_ddl,
                                     .unkeyed_fails = settings->unkeyed_fails,
                                     .control = settings->control};
    struct log_base base = {.ts = now,
                            .at = compaction->last.at,
                            .gone = cdc_span(marks->gone.data, marks->gone.len),
                            .marks = cdc_span(marks->marks.data, marks->marks.len)};

    compaction->maker = log_maker_new(&compaction->folder, compaction->to, settings->level, error);
    if (compaction->maker == NULL || log_fold(&fold, &input, take_line, compaction, counts, error) != 0)
        return -1;
    return log_maker_finish(compaction->maker, &base, error);
}

static int make_if_due(struct compaction *compaction, struct log_fold_counts *counts, struct cdc_error *error)
{
    struct log_marks marks;
    int64_t now = now_ms();

    /* A clock that was set back makes nothing older. */
    if (compaction->has_previous && now < compaction->previous.ts)
        now = compaction->previous.ts;
    int result = log_marks_make(&marks, compaction->has_previous ? &compaction->previous : NULL, compaction->last.at,
                                now, compaction->settings->delete_retention_ms, error);
    /* One that ends where the base before ends would take its name before it has its index. */
    if (result == 0 && compaction->to > compaction->from)
        result = make(compaction, &marks, now, counts, error) == 0 ? 1 : -1;
    log_marks_free(&marks);
    return result;
}

static int run(struct compaction *compaction, struct log_fold_counts *counts, struct cdc_error *error)
{
    if (log_folder_list(&compaction->folder, error) != 0 || find_previous(compaction, error) != 0 ||
        log_maker_clean(&compaction->folder, compaction->from, error) != 0 || find_end(compaction, error) != 0)
        return -1;
    int result = make_if_due(compaction, counts, error);
    if (result == 1 && log_maker_clean(&compaction->folder, compaction->to, error) != 0)
        return -1;
    return result;
}

int log_compact(const struct log_compact_settings *settings, uint64_t *made, struct log_fold_counts *counts,
                struct cdc_error *error)
{
    struct compaction compaction = {.settings = settings};
    int lock = -1, result = -1;

    *counts = (struct log_fold_counts){.lines = 0};
    if (log_folder_open(&compaction.folder, settings->path, error) == 0 &&
        (lock = log_lock(&compaction.folder, LOG_LOCK_MAINTAIN, error)) >= 0)
        result = run(&compaction, counts, error);
    *made = compaction.to;
    log_maker_free(compaction.maker);
    log_ahead_free(compaction.ahead);
    log_base_close(compaction.base);
    if (compaction.has_cursor)
        log_cursor_close(&compaction.cursor);
    cdc_buf_free(&compaction.previous_text);
    cdc_buf_free(&compaction.to_text);
    log_folder_close(&compaction.folder);
    if (lock >= 0)
        close(lock);
    return result;
}
