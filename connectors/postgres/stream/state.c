/* SPDX-License-Identifier: MIT */
/* What is kept beside a position: which server's log it lies in, what the publication had, the tables' form, and what is stale. */
#include "connectors/postgres/stream/internal.h"

/* The tables' form, and those that are stale. Without sinks to ask, what is written is stored: then a mark says that all up to it is
 * written, and until then what has changed is not known, so that the next start finds it again. */
static void append_forms(struct pg_stream *stream, struct cdc_buf *out)
{
    struct pg_heal *heal = &stream->heal;
    bool marks = stream->settings.acks || heal->done, keeps = !marks && heal->mark.n > 0;
    if (out->len > 0 && stream->reading.rounds.n > 0) {
        out->len--; /* the brace */
        cdc_rounds_append(out, &stream->reading.rounds);
        cdc_buf_byte(out, '}');
    }
    if (!heal->shapes.known || out->len == 0)
        return;
    if (!keeps) {
        heal->known.len = 0;
        pg_shapes_append(&heal->known, &heal->shapes, false);
    }
    out->len--; /* the brace */
    if (heal->known.len > 0) {
        cdc_buf_lit(out, ",\"shapes\":");
        cdc_buf_append_buf(out, &heal->known);
    }
    if (marks)
        cdc_stale_append(out, &heal->mark);
    cdc_buf_byte(out, '}');
}

int pg_stream_write_state(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_buf *out = &stream->state_json;
    out->len = 0;
    pg_identity_json(out, &stream->identity);
    if (stream->members.json.data && out->len > 0) {
        out->len--; /* the brace */
        cdc_buf_lit(out, ",\"publication\":");
        pg_members_append(out, &stream->members);
        cdc_buf_byte(out, '}');
    }
    append_forms(stream, out);
    cdc_buf_byte(out, '\0');
    stream->boundary.state = out->data;
    return out->failed ? cdc_error_memory(error) : 0;
}

int pg_stream_look_at_members(struct pg_stream *stream, struct cdc_error *error)
{
    const char *known = stream->members.json.data;
    struct cdc_span before = known ? cdc_span_text(known) : stream->start.members;
    if (pg_members_update(&stream->members, stream->sql, stream->pg, before, stream->heal.on ? NULL : stream->log,
                          error) < 0)
        return -1;
    stream->start.members = (struct cdc_span){NULL, 0};
    return pg_stream_write_state(stream, error);
}

int pg_stream_settle_members(struct pg_stream *stream, struct cdc_error *error)
{
    int changed = stream->sql ? pg_members_settle(&stream->members, stream->sql, error) : 0;
    return changed > 0 ? pg_stream_write_state(stream, error) : changed;
}

bool pg_stream_is_older(const struct pg_stream *stream)
{
    return (stream->heal.on || stream->members.keeps_tables) && !stream->pg->temporary &&
           pg_members_doubt(&stream->members, stream->start.lsn);
}

int pg_stream_set_timeline(struct pg_stream *stream, int32_t timeline, struct cdc_error *error)
{
    stream->identity.timeline = timeline;
    pgoutput_set_server(stream->decoder, stream->identity.system_identifier, timeline);
    cdc_log_write(stream->log, CDC_LOG_INFO, "the server's log goes on on timeline %ld", (long)timeline);
    return pg_stream_write_state(stream, error);
}
