/* SPDX-License-Identifier: MIT */
/* The sources that write into one stream of lines: where each of them is, what of it is in hand, and what it was at the last
 * place where all were at the end of a transaction. Who they are is told by `source.name` of the lines. */
#include <stdlib.h>

#include "libcdc/loop/internal.h"
#include <cdc/offset.h>

static int keep(struct cdc_buf *buf, struct cdc_span text, bool terminate, struct cdc_error *error)
{
    buf->len = 0;
    cdc_buf_span(buf, text);
    if (terminate)
        cdc_buf_byte(buf, '\0');
    return buf->failed ? cdc_error_memory(error) : 0;
}

/* Its position says what another sink was given, which may be other lines of the source: of tables that we are not given, say. */
static int check_holder(const struct streams *streams, const char *name, struct cdc_error *error)
{
    const char *holder = cdc_offset_file_holder(streams->offsets, name);

    if (holder == NULL)
        return 0;
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "lines of source \"%s\" are stored here by another sink, with the offset file \"%s\": by its position "
        "what this one is given would be taken for stored",
        name, holder);
    return cdc_error_hint(error,
                          "give each sink of a source a destination of its own; where this one takes the place of "
                          "that one, remove its offset file");
}

static struct sink_stream *add_stream(struct streams *streams, struct cdc_span raw_name, struct cdc_error *error)
{
    struct sink_stream *items = realloc(streams->items, (streams->n + 1) * sizeof *items);
    if (items == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    streams->items = items;
    struct sink_stream *stream = &items[streams->n++];
    memset(stream, 0, sizeof *stream);
    cdc_json_unescape(&stream->name, raw_name);
    cdc_buf_byte(&stream->name, '\0');
    if (stream->name.failed || keep(&stream->raw_name, raw_name, false, error) != 0) {
        cdc_error_memory(error);
        return NULL;
    }
    if (check_holder(streams, stream->name.data, error) != 0)
        return NULL;
    const struct cdc_offset *offset = cdc_offset_file_get(streams->offsets, stream->name.data);
    /* Lines at or before this position are dropped as re-deliveries (take_event): a restarted source begins at the
     * smallest position of all sinks, and ours may be ahead of it. */
    if (offset != NULL) {
        stream->seq = offset->seq;
        stream->lines = offset->lines;
        if (keep(&stream->pos, cdc_span_text(offset->pos), false, error) != 0 ||
            keep(&stream->origin, cdc_span_text(offset->source != NULL ? offset->source : ""), false, error) != 0)
            return NULL;
        /* The destination had it and our file did not: killed between the two. The source waits for the file. */
        if (!cdc_offset_file_owns(streams->offsets, stream->name.data) &&
            (cdc_offset_file_set(streams->offsets, stream->name.data, offset, error) != 0 ||
             cdc_offset_file_save(streams->offsets, error) != 0))
            return NULL;
    }
    return stream;
}

/* Nearly always there is one source, so a list is searched. */
struct sink_stream *streams_find(struct streams *streams, struct cdc_span raw_name, struct cdc_error *error)
{
    for (size_t i = 0; i < streams->n; i++)
        if (cdc_json_raw_equal(cdc_span(streams->items[i].raw_name.data, streams->items[i].raw_name.len), raw_name))
            return &streams->items[i];
    return add_stream(streams, raw_name, error);
}

void streams_free(struct streams *streams)
{
    for (size_t i = 0; i < streams->n; i++) {
        cdc_buf_free(&streams->items[i].raw_name);
        cdc_buf_free(&streams->items[i].name);
        cdc_buf_free(&streams->items[i].pos);
        cdc_buf_free(&streams->items[i].source);
        cdc_buf_free(&streams->items[i].origin);
        cdc_buf_free(&streams->items[i].server);
        cdc_buf_free(&streams->items[i].back.pos);
        cdc_buf_free(&streams->items[i].back.source);
    }
    free(streams->items);
    *streams = (struct streams){.offsets = streams->offsets};
}

bool streams_at_boundary(const struct streams *streams)
{
    bool moved = false;

    for (size_t i = 0; i < streams->n; i++) {
        if (streams->items[i].open_lines > 0)
            return false;
        moved |= streams->items[i].moved;
    }
    return moved;
}

bool streams_nothing_open(const struct streams *streams)
{
    for (size_t i = 0; i < streams->n; i++)
        if (streams->items[i].open_lines > 0)
            return false;
    return true;
}

/* pos and source keep a NUL after their end for this call only; len says where they end. */
static int set_offset(struct cdc_offset_file *offsets, struct sink_stream *stream, struct cdc_error *error)
{
    cdc_buf_byte(&stream->pos, '\0');
    cdc_buf_byte(&stream->source, '\0');
    if (stream->pos.failed || stream->source.failed)
        return cdc_error_memory(error);
    stream->pos.len--;
    stream->source.len--;
    struct cdc_offset offset = {.pos = stream->pos.data,
                                .seq = stream->seq,
                                .lines = stream->lines,
                                .source = stream->source.len > 0 ? stream->source.data : NULL,
                                .state = NULL};
    return cdc_offset_file_set(offsets, stream->name.data, &offset, error);
}

int streams_set_offsets(struct streams *streams, int64_t *seq, struct cdc_error *error)
{
    for (size_t i = 0; i < streams->n; i++) {
        if (!streams->items[i].moved)
            continue;
        if (set_offset(streams->offsets, &streams->items[i], error) != 0)
            return -1;
        *seq = streams->items[i].seq;
    }
    return 0;
}

void streams_delivered(struct streams *streams)
{
    for (size_t i = 0; i < streams->n; i++)
        streams->items[i].moved = streams->items[i].back.set = false;
}

static struct cdc_span span_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data, buf->len);
}

int streams_set_rollback_point(struct streams *streams, struct cdc_error *error)
{
    for (size_t i = 0; i < streams->n; i++) {
        struct sink_stream *stream = &streams->items[i];
        if (!stream->moved)
            continue;
        if (keep(&stream->back.pos, span_of(&stream->pos), false, error) != 0 ||
            keep(&stream->back.source, span_of(&stream->source), false, error) != 0)
            return -1;
        stream->back.seq = stream->seq;
        stream->back.lines = stream->lines;
        stream->back.set = true;
    }
    return 0;
}

int streams_go_back(struct streams *streams, struct cdc_error *error)
{
    for (size_t i = 0; i < streams->n; i++) {
        struct sink_stream *stream = &streams->items[i];
        stream->open_lines = 0;
        stream->moved = stream->back.set;
        if (!stream->back.set)
            continue;
        if (keep(&stream->pos, span_of(&stream->back.pos), false, error) != 0 ||
            keep(&stream->source, span_of(&stream->back.source), false, error) != 0)
            return -1;
        stream->seq = stream->back.seq;
        stream->lines = stream->back.lines;
    }
    return 0;
}

void stream_close_boundary(struct sink_stream *stream)
{
    stream->open_lines = 0;
    stream->moved = true;
}

int stream_remember(struct sink_stream *stream, const struct cdc_event *event, struct cdc_error *error)
{
    if (event->has_seq && event->seq > stream->seq)
        stream->seq = event->seq;
    if (keep(&stream->pos, event->pos, false, error) != 0)
        return -1;
    return keep(&stream->source, event->source, false, error);
}

/* The server's own id as it stands in a boundary's source, quotes included; of no bytes where it has none. */
static struct cdc_span server_in(struct cdc_span source)
{
    struct cdc_span id = cdc_json_member_raw(source, "system_id");

    if (id.n == 0)
        id = cdc_json_member_raw(source, "server_uuid");
    return id.n > 0 ? cdc_span(id.p - 1, id.n + 2) : cdc_span(NULL, 0);
}

/* Each boundary of a stream bears it, so a search of the bytes is what it takes to see that the server is the same. */
static bool is_same_server(const struct sink_stream *stream, struct cdc_span source)
{
    return stream->server.len == 0 || memmem(source.p, source.n, stream->server.data, stream->server.len) != NULL;
}

/* The first line of a run tells the connector, the boundaries whether the lines are of the server that the stored ones are
 * of, and those before them. So does each boundary that would be dropped. */
int stream_check_origin(struct sink_stream *stream, const struct cdc_event *event, bool again, struct cdc_error *error)
{
    bool boundary = event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT;
    struct cdc_span known = {stream->origin.data, stream->origin.len};

    if (boundary ? stream->boundary_checked && !again && is_same_server(stream, event->source) : stream->line_checked)
        return 0;
    stream->line_checked = true;
    if (known.n > 0 && event->source.n > 0 &&
        cdc_origin_check(stream->name.data, known, event->source, again, error) != 0)
        return -1;
    if (!boundary || again)
        return 0;
    stream->boundary_checked = true;
    if (keep(&stream->server, server_in(event->source), false, error) != 0)
        return -1;
    return keep(&stream->origin, event->source, false, error);
}
