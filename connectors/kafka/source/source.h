/* SPDX-License-Identifier: MIT */
/* Topics as a source of lines (libcdc/loop/source.c). */
#ifndef KAFKA_SOURCE_H
#define KAFKA_SOURCE_H

#include "connectors/kafka/session/session.h"

#include <cdc/metrics.h>
#include <cdc/source.h>

enum kafka_order {
    KAFKA_ORDER_LOG,       /* one partition: its lines as they are */
    KAFKA_ORDER_PARTITION, /* each partition is a source of its own */
    KAFKA_ORDER_SOURCE     /* the stream that was written, put together again by the transaction topic */
};

struct kafka_source_settings {
    struct kafka_client_settings client;
    const char *topics;       /* "a,b", or "^shop\\.": a regular expression */
    const char *name;         /* of the pipeline */
    const char *order;        /* log, partition, source; NULL: by the number of partitions */
    const char *partitions;   /* "0-3,7"; NULL: all */
    const char *from;         /* earliest, latest, a time, @OFFSET, a position; NULL: earliest */
    const char *until;        /* now, a time, a position; NULL: none */
    const char *transactions; /* the transaction topic; NULL: NAME.transaction of the first topic */
    const char *format;       /* what foreign records are: as of cdc-filter --from; NULL: lines */
    const char *mirror_group; /* a group that shows what is confirmed; NULL: none */
    struct cdc_option_list keys;
    int64_t max_events; /* 0: no end */
    int64_t max_line;   /* longest line in bytes */
    const struct cdc_start *start;
    /* Where sinks acknowledge; what is written counts without (confirm_acks false). */
    const char *const *ack_files;
    size_t n_ack_files;
    const char *state_dir;
    bool confirm_acks;
    const char *schema_file; /* the newest schema lines, for runs that begin in the middle; NULL: none is kept */
};

extern const struct cdc_source_ops kafka_source_ops;
/* BORROWS all. RETURNS NEW. */
void *kafka_source_new(const struct kafka_source_settings *settings, struct cdc_metrics *metrics,
                       const struct cdc_log *log, struct cdc_error *error);
void kafka_source_free(void *source);
/* --check. 0, or -1 where the pipe would lose or stop. */
int kafka_source_check(const struct kafka_source_settings *settings, struct cdc_findings *findings,
                       const struct cdc_log *log, struct cdc_error *error);

#endif
