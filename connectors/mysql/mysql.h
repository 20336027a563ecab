/* SPDX-License-Identifier: MIT */
/* MySQL and MariaDB: all that programs see. */
#ifndef MY_MYSQL_H
#define MY_MYSQL_H

#include "connectors/mysql/session/session.h"
#include "connectors/mysql/session/url.h"
#include "connectors/mysql/snapshot/snapshot.h"
#include "connectors/mysql/stream/stream.h"
#include "connectors/mysql/value/column.h"

#include <cdc/control.h>
#include <cdc/database.h>
#include <cdc/error.h>
#include <cdc/findings.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>
#include <cdc/value_format.h>

/* What a start knows besides the server. */
struct my_check_known {
    const struct cdc_option_list *where; /* conditions of a snapshot, which is checked; NULL: the stream is */
    uint32_t replica_id;                 /* what the reader would be */
    struct cdc_offset position;          /* that the pipeline keeps; pos NULL: none */
    const struct cdc_acks *acks;         /* of its sinks, as they were last read; NULL */
    struct cdc_error error;              /* status 0, or why it could not be decided where to begin */
    struct cdc_findings *report;         /* takes facts and findings; NULL: the findings are told, no more is asked */
};
/* --check: one finding a line through log, each with its cure; 0, or -1 when the pipe would lose or stop, with the status that a
 * start would exit with: LOST, CONFIG. */
int my_check(const struct my_session_settings *settings, const struct cdc_selection *selection,
             const struct my_check_known *known, const struct cdc_log *log, struct cdc_error *error);

/* For programs that take any database (database.c). */
extern const struct cdc_database my_database;

/* -- files (file.c) --------------------------------------------------------------------------
 * Decodes the files one after the other into output_fd. */
struct my_file_settings {
    const char *const *files;
    size_t n_files;
    const char *name;
    struct cdc_selection selection;
    struct cdc_value_format value_format;
    int64_t max_events;
    bool allow_unlogged; /* see decoder.h */
    int output_fd;
    const char *xa_folder; /* for prepared XA transactions while it runs; NULL */
    /* A server that still has the tables as they were, for columns that the files do not name; NULL: none */
    const struct my_session_settings *schema_from;
};
int my_file_run(const struct my_file_settings *settings, struct cdc_control *control, struct cdc_metrics *metrics,
                const struct cdc_log *log, struct cdc_error *error);

#endif
