/* SPDX-License-Identifier: MIT */
/* The types of a table's columns, from the catalogs. */
#ifndef PG_SCHEMA_TYPES_H
#define PG_SCHEMA_TYPES_H

#include "connectors/postgres/pgoutput/table.h"

#include <libpq-fe.h>

/* Sets, of each column: the names of its type and of what a domain is made of, and how its values are written; and the composite
 * types that are in it. slot: of a stream, whose changes may be older than the catalogs, and then composites_from says so; NULL: the
 * values are those of now. 0 or -1 */
int pg_types_read(PGconn *sql, const char *slot, struct pg_table *table, struct cdc_error *error);
/* Are the composite types of the table still as pg_types_read has found them? Sets table->composites_until to where the log is, if so,
 * and if nobody is altering one of them, or has just done so (patient: then it is taken for one that does not end soon). 1: they
 * are not; 0; -1 */
int pg_types_recheck(PGconn *sql, bool patient, struct pg_table *table, struct cdc_error *error);

#endif
