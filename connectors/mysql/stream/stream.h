/* SPDX-License-Identifier: MIT */
/* The binary log of a live server as a source. */
#ifndef MY_STREAM_H
#define MY_STREAM_H

#include "connectors/mysql/session/session.h"
#include "connectors/mysql/value/column.h"

#include <cdc/error.h>
#include <cdc/value_format.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>
#include <cdc/source.h>

struct my_stream_settings {
    struct my_session_settings connection;
    const char *name; /* of the pipeline */
    struct cdc_selection selection;
    struct cdc_value_format value_format;
    const struct cdc_start *start; /* where the pipeline begins. BORROWED */
    const char *first;             /* of a first start: "now", "oldest", FILE:POSITION, a GTID set; NULL: now */
    const char *until;             /* "now", FILE:POSITION, an RFC 3339 time; NULL */
    double heartbeat;
    int64_t max_events;
    uint32_t server_id;              /* 0: made of host and name */
    const char *xa_folder;           /* see decoder.h; NULL */
    const char *schema_file;         /* see history.h; NULL */
    bool allow_unlogged;             /* see decoder.h */
    struct cdc_acks *acks;           /* what the sinks have stored; NULL. BORROWED */
    struct cdc_offset_file *offsets; /* the stream's own, for marks (cdc/stale.h). BORROWED */
    const char *state_dir;           /* where requests may lie to read tables again (cdc/request.h); NULL */
    bool marks;                      /* it lies where cdc-snapshot looks for them */
};
/* USAGE when text is none of what first may be. */
int my_start_check(const char *text, struct cdc_error *error);
struct my_stream;
extern const struct cdc_source_ops my_stream_ops;
struct my_stream *my_stream_new(const struct my_stream_settings *settings, struct cdc_metrics *metrics,
                                const struct cdc_log *log, struct cdc_error *error);
void my_stream_free(struct my_stream *stream);

#endif
