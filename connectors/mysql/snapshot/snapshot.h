/* SPDX-License-Identifier: MIT */
/* The first copy of the tables. */
#ifndef MY_SNAPSHOT_H
#define MY_SNAPSHOT_H

#include "connectors/mysql/session/replication.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/value/column.h"

#include <cdc/control.h>
#include <cdc/database.h>
#include <cdc/value_format.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>
#include <cdc/snapshot.h>

struct my_snapshot_settings {
    struct my_session_settings connection;
    const char *name; /* of the pipeline */
    struct cdc_selection selection;
    bool named; /* by -t: none of that name is an error */
    struct cdc_value_format value_format;
    struct cdc_option_list where;               /* TABLE:CONDITION (cdc/table_texts.h), checked */
    int64_t chunk_rows;                         /* rows between commit lines */
    size_t jobs;                                /* sessions that read; at least 1 */
    const struct cdc_snapshot_report *progress; /* NULL: not told */
    int output_fd;
    const char *state_dir;    /* where mysql-binlog may have left a mark (cdc/stale.h); NULL: nowhere */
    struct my_behind *behind; /* of the tries before this one */
};
/* Does the whole snapshot unless it is finished. offsets: its own file; acks: NULL where what is written is stored. */
int my_snapshot_run(const struct my_snapshot_settings *settings, struct cdc_offset_file *offsets, struct cdc_acks *acks,
                    struct cdc_control *control, struct cdc_metrics *metrics, const struct cdc_log *log,
                    struct cdc_error *error);
/* struct cdc_database's tables. */
int my_snapshot_visit_tables(const struct my_snapshot_settings *settings, cdc_database_visit *visit, void *context,
                             struct cdc_error *error);

#endif
