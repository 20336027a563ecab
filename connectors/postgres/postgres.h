/* SPDX-License-Identifier: MIT */
/* PostgreSQL: all that programs see. */
#ifndef PG_POSTGRES_H
#define PG_POSTGRES_H

#include "connectors/postgres/session/connection.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/snapshot/snapshot.h"
#include "connectors/postgres/stream/stream.h"

#include <cdc/database.h>

/* For programs that take any database (database.c). */
extern const struct cdc_database pg_database;

/* --check: one finding a line through log, each with its cure; 0, or -1 with CONFIG when the pipe would lose or stop.
 * Fills in the names. */
int pg_check(struct pg_settings *settings, const struct cdc_log *log, struct cdc_error *error);
/* --drop: the slot, and the publication if it was made here. */
int pg_drop(const struct pg_settings *settings, const struct cdc_log *log, struct cdc_error *error);

#endif
