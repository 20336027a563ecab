/* SPDX-License-Identifier: MIT */
/* The first copy of the tables. */
#ifndef PG_SNAPSHOT_H
#define PG_SNAPSHOT_H

#include "connectors/postgres/session/connection.h"

#include <cdc/database.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>

struct pg_snapshot_settings {
    const struct pg_settings *settings;         /* with its names */
    int64_t chunk_rows;                         /* rows between commit lines */
    int64_t jobs;                               /* sessions that read; 0 is one */
    const struct cdc_option_list *where;        /* TABLE:CONDITION (cdc/table_texts.h) */
    const struct cdc_snapshot_report *progress; /* NULL: not told */
    int output_fd;
    const char *state_dir; /* where the stream may have left a mark (cdc/stale.h); NULL */
};
/* Does the whole snapshot unless it is finished. offsets: its own file; acks: NULL where what is written is stored. */
int pg_snapshot_run(const struct pg_snapshot_settings *settings, struct cdc_offset_file *offsets, struct cdc_acks *acks,
                    struct cdc_control *control, struct cdc_metrics *metrics, const struct cdc_log *log,
                    struct cdc_error *error);
/* struct cdc_database's tables. */
int pg_snapshot_visit_tables(const struct pg_settings *pg, const char *state_dir, cdc_database_visit *visit,
                             void *context, struct cdc_error *error);

#endif
