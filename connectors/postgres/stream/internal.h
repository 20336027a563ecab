/* SPDX-License-Identifier: MIT */
/* What the files of the replication stream share; nobody else includes this. */
#ifndef POSTGRES_STREAM_H
#define POSTGRES_STREAM_H

#include "connectors/postgres/postgres.h"

#define STATUS_MS 1000 /* a status message at least that often */

struct pg_stream {
    struct pg_stream_settings settings;
    struct pg_settings *pg;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    PGconn *sql, *replication;
    struct pgoutput *decoder;
    struct pg_identity identity;
    struct cdc_buf identity_json; /* NUL-terminated */
    struct cdc_offset boundary;   /* the decoder's, with our state */
    bool started;                 /* once in this run: from then on nothing is created */
    bool made_publication;        /* by a --temporary run */
    bool copying;                 /* between START_REPLICATION and the end of the copy */
    struct cdc_error skipped;     /* the server passed over changes */
    uint64_t start_lsn;           /* of this connection: nothing below is of interest */
    uint64_t flush;               /* what confirm() gave; never falls */
    uint64_t reported_flush;
    uint64_t wal_end;      /* of the newest keepalive: all before it has been received */
    uint64_t boundary_lsn; /* where replication would start again after the boundary */
    int64_t server_ms;     /* the server's clock at the newest keepalive, since 1970 */
    bool reply_due;        /* the server waits for a status message */
    bool server_asked;     /* and got no new flush position since */
    bool unsent;           /* a status message lies in libpq's buffer */
    int64_t status_ms;     /* interval of status messages */
    int64_t last_status, last_request, last_receive, last_line;
    int64_t last_watch, leave_at; /* leave_at: 0, or when to leave a server that shuts down */
    int64_t until_ms;             /* --until TIME; 0: none */
    uint64_t until_lsn;           /* --until LSN or now; 0: none yet */
    bool ended;
};

/* -- the end of the run (stream_until.c) -- */

/* A result with at least one row, or NULL. RETURNS NEW (PQclear). */
PGresult *pg_stream_query(PGconn *sql, const char *text, const char *what, struct cdc_error *error);
/* Everything that is committed now lies before *lsn. */
int pg_stream_current_lsn(PGconn *sql, uint64_t *lsn, struct cdc_error *error);

/* -- connections (pg_stream_connect.c) -- */

/* The plain session beside the replication connection: made when it is needed. */
int pg_stream_ensure_sql(struct pg_stream *stream, struct cdc_error *error);
void pg_stream_close_sql(struct pg_stream *stream);
/* Every check, then START_REPLICATION: an operation of the source loop. */
int pg_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error);
/* Sets the error for what the walsender said; result may be NULL. Always -1. */
int pg_stream_fail(struct pg_stream *stream, const PGresult *result, const char *what, struct cdc_error *error);

/* A notice receiver for the replication connection; its context is the stream. */
void stream_notice(void *context, const PGresult *result);

/* -- the stream itself (stream.c) -- */

void pg_stream_disconnect(void *source);

#endif
