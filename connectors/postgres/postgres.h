/* SPDX-License-Identifier: MIT */
/* PostgreSQL: all that programs see. */
#ifndef PG_POSTGRES_H
#define PG_POSTGRES_H

#include "connectors/postgres/session/connection.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/snapshot/snapshot.h"
#include "connectors/postgres/stream/stream.h"

#include <cdc/database.h>
#include <cdc/findings.h>
#include <cdc/start.h>

/* For programs that take any database (database.c). */
extern const struct cdc_database pg_database;

/* What a start knows besides the server. */
struct pg_check_known {
    struct cdc_start start;              /* as it was decided from the files that the pipeline keeps */
    struct cdc_error error;              /* status 0, or why it could not be decided */
    const struct cdc_acks *acks;         /* what the sinks have stored, as last read; NULL */
    bool reads_rows;                     /* a snapshot, which needs SELECT */
    const struct cdc_option_list *where; /* which of the rows; NULL: all */
    struct cdc_findings *report;         /* takes facts and findings; NULL: the findings are told, no more is asked */
};
/* --check: one finding a line through log, each with its cure; 0, or -1 when the pipe would lose or stop, with the status
 * that a start would exit with: LOST, CONFIG, PERMISSION. Fills in the names. */
int pg_check(struct pg_settings *settings, const struct pg_check_known *known, const struct cdc_log *log,
             struct cdc_error *error);
/* --drop: the slot, and the publication if it was made here. */
int pg_drop(const struct pg_settings *settings, const struct cdc_log *log, struct cdc_error *error);

#endif
