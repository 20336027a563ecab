/* SPDX-License-Identifier: MIT */
/* What is kept beside a position: which server's log it lies in, what the publication had, the tables' form, and what is stale. */
#include "connectors/postgres/stream/internal.h"

int pg_stream_write_state(struct pg_stream *stream, struct cdc_error *error)
{
    struct cdc_buf *out = &stream->state_json;
    out->len = 0;
    pg_identity_json(out, &stream->identity);
    if (stream->members.json.data && out->len > 0) {
        out->len--; /* the brace */
        cdc_buf_lit(out, ",\"publication\":");
        cdc_buf_text(out, stream->members.json.data);
        cdc_buf_byte(out, '}');
    }
    if (stream->heal.shapes.known && out->len > 0) {
        out->len--;
        cdc_buf_lit(out, ",\"shapes\":");
        pg_shapes_append(out, &stream->heal.shapes, false);
        /* Without sinks to ask what is written is stored: the mark says then that all up to it is written. */
        if (stream->settings.acks || stream->heal.done)
            cdc_stale_append(out, &stream->heal.mark);
        cdc_buf_byte(out, '}');
    }
    cdc_buf_byte(out, '\0');
    stream->boundary.state = out->data;
    return out->failed ? cdc_error_memory(error) : 0;
}

int pg_stream_look_at_members(struct pg_stream *stream, struct cdc_error *error)
{
    const char *known = stream->members.json.data;
    struct cdc_span before = known ? cdc_span_text(known) : stream->start.members;
    if (pg_members_update(&stream->members, stream->sql, stream->pg, before,
                          stream->heal.on ? NULL : stream->log, error) < 0)
        return -1;
    stream->start.members = (struct cdc_span){NULL, 0};
    return pg_stream_write_state(stream, error);
}

int pg_stream_set_timeline(struct pg_stream *stream, int32_t timeline, struct cdc_error *error)
{
    stream->identity.timeline = timeline;
    pgoutput_set_server(stream->decoder, stream->identity.system_identifier, timeline);
    cdc_log_write(stream->log, CDC_LOG_INFO, "the server's log goes on on timeline %ld", (long)timeline);
    return pg_stream_write_state(stream, error);
}
