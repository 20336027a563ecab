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
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/value_format.h>

/* --check: one finding a line through log, each with its cure; 0, or -1 with CONFIG when the pipe would lose or stop.
 * where: the conditions of a snapshot; NULL: it is for a stream. replica_id: what the reader would be. */
int my_check(const struct my_session_settings *settings, const struct cdc_selection *selection,
             const struct cdc_option_list *where, uint32_t replica_id, const struct cdc_log *log,
             struct cdc_error *error);

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
