/* SPDX-License-Identifier: MIT */
/* What of the selected tables will never be seen, though everything works: found by one function, for the start, for
 * --check, and while the stream runs. */
#ifndef PG_GAPS_H
#define PG_GAPS_H

#include "connectors/postgres/schema/catalog.h"

enum pg_gap_weight {
    PG_GAP_TELLS, /* worth knowing */
    PG_GAP_WARNS, /* changes are not seen, and that may be meant */
    PG_GAP_STOPS  /* rows that somebody asked for by name would be lost: CONFIG */
};
/* Takes one finding: its code (cdc/findings.h), what, and the SQL or the option that cures it (may be ""). */
typedef void pg_gap_say(void *context, enum pg_gap_weight weight, const char *code, const char *what, const char *cure);

struct pg_gaps {
    const struct pg_settings *settings;
    const struct pg_catalog *catalog;
    bool published; /* the publication exists */
    /* Nothing has been read yet: whatever -t selects must be there. Later only what it names without a wildcard must:
     * `-t shop.*` does not stop at the table that was made yesterday. */
    bool first;
    bool all;     /* without -t too the tables that are not published are told */
    bool heals;   /* a table that comes into the publication is read by cdc-snapshot (cdc/stale.h) */
    bool columns; /* --columns is looked at, too; a start and --check do so themselves (columns.h) */
    pg_gap_say *say;
    void *context;
};
/* 0, or -1 when the server could not be asked. */
int pg_gaps_find(const struct pg_gaps *gaps, PGconn *sql, struct cdc_error *error);

#endif
