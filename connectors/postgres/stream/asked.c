/* SPDX-License-Identifier: MIT */
/* Tables that somebody asks to be read again (cdc/request.h), at the start and while the stream runs: they become a part of the mark. */
#include "connectors/postgres/stream/internal.h"

#include <cdc/request.h>
#include <cdc/retry.h>
#include <string.h>

#define ASK_MS 1000

/* A request is worth no end of the stream: what cannot be read or changed is said once, and looked at again. */
static void report(struct pg_stream *stream, const struct cdc_error *failed)
{
    if (!stream->heal.asking_failed)
        cdc_log_write(stream->log, CDC_LOG_WARNING, "%s%s%s (said once)", failed->text, failed->hint[0] ? "; " : "",
                      failed->hint);
    stream->heal.asking_failed = true;
}

static void settle(struct pg_stream *stream, const struct cdc_stale *asked)
{
    struct cdc_error failed = {0};
    if (cdc_request_settle(asked, stream->settings.state_dir, stream->pg->name, &failed) < 0)
        report(stream, &failed);
}

/* Is what is stale durable before the run ends? Without sinks to ask it is saved with W (state.c), and the next start settles it. */
static bool is_saved_at_once(const struct pg_stream *stream)
{
    return stream->settings.acks != NULL;
}

/* Of these, those that the mark has. */
static int find_marked(const struct pg_stream *stream, const struct cdc_stale *asked, struct cdc_stale *found,
                       struct cdc_error *error)
{
    for (size_t i = 0; i < asked->n; i++) {
        const struct cdc_stale_table *table = &asked->tables[i];
        if (cdc_stale_has(&stream->heal.mark, table->db, table->schema, table->table) &&
            cdc_stale_add(found, table->db, table->schema, table->table, table->why, error) < 0)
            return -1;
    }
    return 0;
}

void pg_asked_begin(struct pg_stream *stream)
{
    const struct cdc_start *start = stream->settings.start;
    if (!stream->heal.on || !stream->settings.state_dir)
        return;
    settle(stream, &start->marked);
    struct cdc_stale in_mark = {.at = NULL};
    struct cdc_error ignored = {0};
    if (is_saved_at_once(stream) && find_marked(stream, &start->asked, &in_mark, &ignored) == 0)
        settle(stream, &in_mark);
    cdc_stale_clear(&in_mark);
}

static int take(struct pg_stream *stream, const struct cdc_stale *asked, struct cdc_error *error)
{
    for (size_t i = 0; i < asked->n; i++) {
        const struct cdc_stale_table *table = &asked->tables[i];
        int reads = pg_reading_ask(stream, table, error);
        if (reads < 0)
            return -1;
        if (reads == 0 && strcmp(table->db, stream->identity.database) == 0 &&
            pg_heal_add(stream, table->schema, table->table, table->why, error) < 0)
            return -1;
    }
    return pg_heal_plan(stream, error) < 0 ? -1 : pg_heal_save(stream, error);
}

int pg_asked_tick(struct pg_stream *stream, int64_t now, struct cdc_error *error)
{
    struct cdc_stale asked = {.at = NULL};
    struct cdc_error failed = {0};
    if (!stream->heal.on || !stream->settings.state_dir || now < stream->heal.ask_due)
        return 0;
    stream->heal.ask_due = now + ASK_MS;
    if (cdc_request_read(&asked, stream->settings.state_dir, stream->pg->name, &failed) < 0)
        report(stream, &failed);
    struct cdc_stale in_mark = {.at = NULL};
    int result = asked.n > 0 ? take(stream, &asked, error) : 0;
    if (result == 0 && is_saved_at_once(stream))
        result = find_marked(stream, &asked, &in_mark, error);
    if (result == 0)
        settle(stream, &in_mark);
    cdc_stale_clear(&in_mark);
    cdc_stale_clear(&asked);
    return result;
}
