/* SPDX-License-Identifier: MIT */
/* What we tell the server: how far it may forget, and that we leave. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/query.h"

#include <cdc/retry.h>
#include <poll.h>

static void put_i64(char *to, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (char)(value & 0xff);
}

uint64_t pg_status_i64(const char *from)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | (unsigned char)from[i];
    return value;
}

int pg_status_broken(struct pg_stream *stream, struct cdc_error *error)
{
    stream->closed = true;
    return pg_query_fail(stream->replication, NULL, "the connection to the server failed", error);
}

int pg_status_push(struct pg_stream *stream, struct cdc_error *error)
{
    int left = PQflush(stream->replication);
    if (left < 0)
        return pg_status_broken(stream, error);
    stream->unsent = left > 0;
    return 0;
}

/* Write, flush and apply are the same: what is stored at the far end. Never queues a second message after one that the
 * socket would not take. */
int pg_status_send(struct pg_stream *stream, bool request, struct cdc_error *error)
{
    char message[34];
    int64_t now = cdc_clock_ms();
    if (stream->unsent && pg_status_push(stream, error) < 0)
        return -1;
    if (stream->unsent)
        return 0;
    /* Standby status update: 'r', write, flush, apply (LSNs), the time in microseconds since 2000, reply requested.
     * Of a logical slot flush is what counts: the server may forget the log before it. 0 means no news: while it is not
     * sure that the log is the one of our position. */
    message[0] = 'r';
    uint64_t flush = pgoutput_is_expecting(stream->decoder) ? 0 : stream->flush;
    for (int i = 0; i < 3; i++)
        put_i64(message + 1 + i * 8, flush);
    put_i64(message + 25, (uint64_t)((cdc_clock_wall_ms() - EPOCH_MS) * 1000));
    message[33] = request ? 1 : 0;
    int queued = PQputCopyData(stream->replication, message, sizeof message);
    if (queued < 0)
        return pg_status_broken(stream, error);
    if (queued == 0)
        return 0;
    stream->last_status = now;
    stream->reported_flush = flush;
    stream->reply_due = false;
    if (request)
        stream->last_request = now;
    return pg_status_push(stream, error);
}

/* The last position, the end of the copy, and what the server still says, for a second at most. Just closing the
 * socket could lose the last confirmation, and the next start would get some transactions again; and the slot stays
 * "active" until the server notices. */
static void end_copy(struct pg_stream *stream)
{
    struct cdc_error ignored = {0};
    int64_t deadline = cdc_clock_ms() + 1000;
    if (pg_status_send(stream, false, &ignored) < 0 || PQputCopyEnd(stream->replication, NULL) != 1 ||
        pg_status_push(stream, &ignored) < 0)
        return;
    while (cdc_clock_ms() < deadline) {
        char *data;
        int n = PQgetCopyData(stream->replication, &data, 1);
        if (n < 0)
            return;
        if (n > 0) {
            PQfreemem(data);
            continue;
        }
        struct pollfd fd = {PQsocket(stream->replication), (short)(POLLIN | (stream->unsent ? POLLOUT : 0)), 0};
        poll(&fd, 1, 100);
        if (pg_status_push(stream, &ignored) < 0 || !PQconsumeInput(stream->replication))
            return;
    }
}

void pg_status_disconnect(void *source)
{
    struct pg_stream *stream = source;
    if (stream->replication && stream->copying && PQstatus(stream->replication) == CONNECTION_OK)
        end_copy(stream);
    if (stream->copying) {
        pg_lag_unknown(stream);
        if (stream->metrics && stream->flush > 0)
            stream->metrics->lag_bytes = -1;
    }
    stream->copying = false;
    PQfinish(stream->replication);
    stream->replication = NULL;
}
