/* SPDX-License-Identifier: MIT */
/* The rows of a table, or of a range of its keys, by COPY: whoever reads them says when to wait. */
#ifndef PG_SCAN_H
#define PG_SCAN_H

#include "connectors/postgres/pgoutput/encoding.h"

#include <libpq-fe.h>

struct pg_scan_source {
    const struct pg_table *table; /* BORROWED; prepared */
    bool partitioned;   /* its rows are those of its partitions; else those of tables that inherit are not its own */
    const char *filter; /* of the publication, SQL; NULL. BORROWED */
    const char *where;  /* of the user, SQL; NULL. BORROWED */
    bool generated;     /* has it generated columns? */
    const struct pg_encoding *encoding; /* of the database, where it is converted here; NULL. BORROWED */
};
/* The statement, with a NUL. range: a condition on the key, SQL; NULL for the whole table. */
void pg_scan_statement(struct cdc_buf *out, const struct pg_scan_source *source, const char *range);

struct pg_scan {
    PGconn *sql; /* BORROWED */
    const struct pg_table *table;
    const struct pg_encoding *encoding; /* as above */
    char *line;                         /* the row that cells point into, or else into converted */
    size_t length;
    struct cdc_buf converted;
    struct pg_cell *cells; /* one for each column */
};
/* Once sql has answered the statement with PGRES_COPY_OUT. scan is to be ended in any case. */
int pg_scan_begin(struct pg_scan *scan, PGconn *sql, const struct pg_scan_source *source, struct cdc_error *error);
enum pg_scan_result { PG_SCAN_ERROR = -1, PG_SCAN_WAIT, PG_SCAN_ROW, PG_SCAN_END };
/* ROW: scan->cells are a row until the next call. WAIT: nothing is there; read more from the socket (PQconsumeInput).
 * END: the statement's own result is still to be taken (PQgetResult). */
enum pg_scan_result pg_scan_next(struct pg_scan *scan, struct cdc_error *error);
/* The two halves of it, for who keeps rows as they came: scan->line has the row, of scan->length bytes; and one that was kept becomes
 * scan->cells, which point into it: its bytes change. 0 or -1 */
enum pg_scan_result pg_scan_fetch(struct pg_scan *scan, struct cdc_error *error);
int pg_scan_split(struct pg_scan *scan, char *line, size_t n, struct cdc_error *error);
void pg_scan_end(struct pg_scan *scan);

#endif
