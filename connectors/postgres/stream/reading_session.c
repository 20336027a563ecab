/* SPDX-License-Identifier: MIT */
/* The session in which a table is read again while the stream goes on. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/query.h"

/* An address that has moved, or a proxy, leads to another server than the one that the log still comes from. */
static int check_server(const struct pg_stream *stream, PGconn *sql, struct cdc_error *error)
{
    int same = pg_stream_is_server(stream, sql, error);
    if (same != 0)
        return same < 0 ? -1 : 0;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                         "host %s is another server now than the one that the log comes from", PQhost(sql));
}

int pg_reading_open_session(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (reading->sql && PQstatus(reading->sql) == CONNECTION_OK)
        return 0;
    PQfinish(reading->sql);
    reading->sql = pg_connect_beside(stream->pg, stream->replication, NULL, error);
    if (!reading->sql || check_server(stream, reading->sql, error) < 0)
        return -1;
    return pg_query_run(reading->sql, "SET synchronous_commit = local; SET lock_timeout = 200",
                        "cannot prepare the session", error);
}
