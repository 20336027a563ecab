/* SPDX-License-Identifier: MIT */
/* The plain session beside the replication connection. */
#include "connectors/postgres/stream/internal.h"

#include <poll.h>
#include <string.h>

void pg_stream_close_sql(struct pg_stream *stream)
{
    PQfinish(stream->sql);
    stream->sql = NULL;
}

/* A server that ends a session has a last word first. */
bool pg_stream_has_session(const struct pg_stream *stream)
{
    for (int reads = 0; reads < 3; reads++) {
        if (!stream->sql || PQstatus(stream->sql) != CONNECTION_OK)
            return false;
        struct pollfd fd = {PQsocket(stream->sql), POLLIN, 0};
        if (poll(&fd, 1, 0) <= 0)
            return true;
        if (!PQconsumeInput(stream->sql))
            return false;
    }
    return PQstatus(stream->sql) == CONNECTION_OK;
}

int pg_stream_ensure_sql(struct pg_stream *stream, struct cdc_error *error)
{
    if (stream->sql && PQstatus(stream->sql) == CONNECTION_OK)
        return 0;
    PQfinish(stream->sql);
    stream->sql = stream->replication ? pg_connect_beside(stream->pg, stream->replication, NULL, error)
                                      : pg_connect_among(stream->pg, false, &stream->hosts, error);
    return stream->sql ? 0 : -1;
}

int pg_stream_is_server(const struct pg_stream *stream, PGconn *sql, struct cdc_error *error)
{
    char started[PG_IDENTITY_START];
    return pg_identity_read_start(sql, started, error) < 0 ? -1 : strcmp(started, stream->server_started) == 0;
}
