/* SPDX-License-Identifier: MIT */
/* The replication stream as a source. */
#ifndef PG_STREAM_H
#define PG_STREAM_H

#include "connectors/postgres/session/connection.h"

#include <cdc/metrics.h>
#include <cdc/source.h>

struct pg_stream;
extern const struct cdc_source_ops pg_stream_ops;
struct pg_stream_settings {
    const struct pg_settings *settings; /* with its names */
    double heartbeat;                   /* seconds */
    const char *until;                  /* "now", an LSN "X/Y", or an RFC 3339 time; NULL */
    int64_t max_events;                 /* 0: never */
    const struct cdc_start *start;      /* where the pipeline begins. BORROWED, as all of these are */
    struct cdc_acks *acks;              /* what the sinks have stored; NULL */
    const char *state_dir;              /* where requests may lie to read tables again (cdc/request.h); NULL */
    struct cdc_offset_file *offsets; /* our own, in the folder where cdc-snapshot looks for what is stale (cdc/stale.h);
                                           NULL: then nobody reads that again */
};
/* until as above: *lsn or *ms (since 1970) is set, neither for now and NULL. USAGE when it is none of these. */
int pg_until_parse(const char *text, uint64_t *lsn, int64_t *ms, struct cdc_error *error);
struct pg_stream *pg_stream_new(const struct pg_stream_settings *settings, struct cdc_metrics *metrics,
                                const struct cdc_log *log, struct cdc_error *error);
void pg_stream_free(struct pg_stream *stream);
/* For --check: would a start from what was decided be refused? LOST as the start itself has it. acks: what the
 * sinks have stored, as last read; NULL. replication may be NULL: then neither whose log it is is asked, nor
 * what is in it. 0; 1: the log was not looked at to its end (pg_peek); -1 */
struct pg_slot;
int pg_stream_preflight(PGconn *sql, PGconn *replication, const struct pg_settings *pg, const struct cdc_start *decided,
                        const struct cdc_acks *acks, const struct pg_slot *slot, struct cdc_error *error);

#endif
