/* SPDX-License-Identifier: MIT */
/* The order is: to the destination, durable there, noted as replayed. Killed in between, a line goes to the destination once more,
 * which is the same row again: no newer one can have come, as the offset file is locked all the while, and whatever a sink takes in
 * later ends the wait. Positions do not move. */
#include "libcdc/loop/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/line.h>

void replay_refuse(struct replay *replay, uint64_t number, const char *reason)
{
    replay->again++;
    cdc_log_write(replay->log, CDC_LOG_WARNING, "line %" PRIu64 " of \"%s\" is refused again: %s", number,
                  replay->settings->replay, reason);
    for (size_t i = 0; i < replay->n_taken; i++)
        if (replay->taken[i].number == number)
            replay->taken[i].refused = true;
}

static int deliver(struct replay *replay, struct cdc_error *error)
{
    if (replay->n_taken == 0)
        return 0;
    if (replay->ops->deliver(replay->sink, replay->offsets, error) != 0)
        return -1;
    for (size_t i = 0; i < replay->n_taken; i++) {
        if (replay->taken[i].refused)
            continue;
        if (refused_replayed(replay->refused, replay->taken[i].entry, error) != 0)
            return -1;
        replay->counts[REFUSED_REPLAYED]++;
    }
    replay->n_taken = 0;
    return refused_sync(replay->refused, error);
}

/* What the destination has not stored yet comes by itself, in its order. */
static bool is_early(const struct replay *replay, const struct cdc_event *event)
{
    char *name = cdc_json_text(event->name, NULL);
    const struct cdc_offset *offset = name != NULL ? cdc_offset_file_get(replay->offsets, name) : NULL;
    bool early = offset == NULL || cdc_span_compare(event->pos, cdc_span_text(offset->pos)) > 0;

    free(name);
    return early;
}

/* Once for each table: it describes its rows. */
static int give_schema(struct replay *replay, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_event event;

    for (size_t at = 0; at < replay->tables.len; at += strlen(replay->tables.data + at) + 1)
        if (cdc_span_is(line, replay->tables.data + at))
            return 0;
    cdc_buf_span(&replay->tables, line);
    cdc_buf_byte(&replay->tables, '\0');
    if (replay->tables.failed)
        return cdc_error_memory(error);
    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    return replay->ops->event(replay->sink, &event, error);
}

static int take_in(struct replay *replay, const struct cdc_event *event, size_t entry, struct cdc_span schema,
                   struct cdc_error *error)
{
    void *taken = realloc(replay->taken, (replay->n_taken + 1) * sizeof *replay->taken);

    if (taken == NULL)
        return cdc_error_memory(error);
    replay->taken = taken;
    replay->taken[replay->n_taken].number = *replay->number;
    replay->taken[replay->n_taken].entry = entry;
    replay->taken[replay->n_taken++].refused = false;
    if ((schema.p != NULL && give_schema(replay, schema, error) != 0) ||
        replay->ops->event(replay->sink, event, error) != 0)
        return -1;
    replay->metrics->changes++;
    return replay->n_taken >= (size_t)replay->settings->batch_events ? deliver(replay, error) : 0;
}

static bool is_taken(const struct replay *replay, size_t entry)
{
    for (size_t i = 0; i < replay->n_taken; i++)
        if (replay->taken[i].entry == entry)
            return true;
    return false;
}

/* A file need not have the lines in their order: what is in hand and newer is stored first, and ends the wait of this one. */
static int store_newer(struct replay *replay, size_t entry, struct cdc_error *error)
{
    for (size_t i = 0; i < replay->n_taken; i++)
        if (refused_is_behind(replay->refused, entry, replay->taken[i].entry))
            return deliver(replay, error);
    return 0;
}

static int take_event(struct replay *replay, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_span schema;
    size_t entry = 0;
    enum refused_state state = refused_look(replay->refused, event, &entry, &schema);

    if (state == REFUSED_WAITING) {
        if (store_newer(replay, entry, error) != 0)
            return -1;
        state = refused_look(replay->refused, event, &entry, &schema);
    }
    if (state != REFUSED_WAITING) {
        replay->counts[state]++;
        return 0;
    }
    if (is_early(replay, event)) {
        replay->early++;
        return 0;
    }
    /* A letter may stand in the file twice. */
    return is_taken(replay, entry) ? 0 : take_in(replay, event, entry, schema, error);
}

/* A letter has the line in it; a line that stands there by itself, as one that was mended, is taken as well. */
static int take_line(struct replay *replay, struct cdc_span line, bool too_long, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_event event;

    replay->metrics->lines_in++;
    replay->metrics->bytes_in += line.n + 1;
    if (too_long || cdc_json_validate_envelope(line.p, line.n, &ignored) != 0) {
        replay->no_line++;
        return 0;
    }
    struct cdc_span raw = cdc_json_member_raw(line, "line");
    if (cdc_json_member_raw(line, "reason").p != NULL) {
        replay->line.len = 0;
        cdc_json_unescape(&replay->line, raw);
        if (replay->line.failed)
            return cdc_error_memory(error);
        line = cdc_span(replay->line.data != NULL ? replay->line.data : "", raw.p != NULL ? replay->line.len : 0);
    }
    ignored = (struct cdc_error){0};
    if (cdc_event_parse(&event, line.p, line.n, &ignored) != 0) {
        replay->no_line++;
        return 0;
    }
    return take_event(replay, &event, error);
}

/* It may be a part of one: a person has to look. */
static void note_cut_line(struct replay *replay, const struct cdc_line_reader *reader)
{
    if (cdc_line_reader_leftover(reader) == 0)
        return;
    replay->no_line++;
    cdc_log_write(replay->log, CDC_LOG_WARNING, "the last line of \"%s\" has no line feed at its end: it is left out",
                  replay->settings->replay);
}

static int take_lines(struct replay *replay, struct cdc_line_reader *reader, struct cdc_error *error)
{
    struct cdc_span line;

    for (;;) {
        loop_report_turn(replay->report, false);
        if (replay->control->stop) {
            if (deliver(replay, error) != 0)
                return -1;
            return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                                 "stopped before the end of \"%s\"; start again for the rest",
                                 replay->settings->replay);
        }
        enum cdc_line_result got = cdc_line_reader_next(reader, &line, error);
        if (got == CDC_LINE_ERROR)
            return -1;
        if (got == CDC_LINE_END)
            break;
        if (got == CDC_LINE_AGAIN) {
            cdc_line_reader_wait(reader, replay->control->wake_fd, 1000);
            continue;
        }
        *replay->number = cdc_line_reader_number(reader);
        if (take_line(replay, line, got == CDC_LINE_TOO_LONG, error) != 0)
            return -1;
    }
    note_cut_line(replay, reader);
    return deliver(replay, error);
}

static int report(const struct replay *replay, struct cdc_error *error)
{
    const uint64_t *counts = replay->counts;
    uint64_t lacking = counts[REFUSED_LACKING] + counts[REFUSED_AWAY];
    uint64_t left = replay->again + counts[REFUSED_UNKNOWN] + counts[REFUSED_CHANGED] + lacking + replay->no_line;

    cdc_log_write(replay->log, CDC_LOG_INFO,
                  "lines of \"%s\": %" PRIu64 " replayed, now or before; %" PRIu64
                  " left out, since a newer line of the row is stored; %" PRIu64 " come again by themselves",
                  replay->settings->replay, counts[REFUSED_REPLAYED], counts[REFUSED_NEWER], replay->early);
    if (left == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_DATA,
                  "%" PRIu64 " lines of \"%s\" were not replayed: %" PRIu64 " refused again, %" PRIu64
                  " of tables with other columns since, %" PRIu64
                  " of rows that are not whole in the newer lines that are stored, %" PRIu64
                  " that are no events, %" PRIu64 " of which nobody knows whether newer ones are stored",
                  left, replay->settings->replay, replay->again, counts[REFUSED_CHANGED], lacking, replay->no_line,
                  counts[REFUSED_UNKNOWN]);
    /* Reading the table again would only meet the same cause. */
    return cdc_error_hint(error, "%s",
                          left == replay->again ? "correct the cause, or the lines, and replay them again"
                          : replay->again > 0
                              ? "correct the cause of those that are refused, and read the tables of the "
                                "others again: cdc-snapshot --again"
                              : "read their tables again: cdc-snapshot --again");
}

int replay_run(struct replay *replay, struct cdc_error *error)
{
    int fd = open(replay->settings->replay, O_RDONLY | O_CLOEXEC), result = -1;

    if (fd < 0)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to read \"%s\": %s", replay->settings->replay,
                             strerror(errno));
    /* A line has at most six bytes for one in a letter. */
    struct cdc_line_reader *reader = cdc_line_reader_new(fd, replay->settings->max_line * 6 + 4096, error);
    if (reader != NULL && take_lines(replay, reader, error) == 0)
        result = report(replay, error);
    cdc_line_reader_free(reader);
    close(fd);
    free(replay->taken);
    cdc_buf_free(&replay->line);
    cdc_buf_free(&replay->tables);
    return result;
}
