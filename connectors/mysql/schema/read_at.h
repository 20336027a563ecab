/* SPDX-License-Identifier: MIT */
/* What a round (cdc/stale.h) has seen of the log: all of its tables up to a point, and the columns that they had there, where the log
 * does not name them. As the state of cdc-snapshot keeps it ("read_at"):
 *     {"file":"b.000007","pos":4711,"gtids":"...","server_uuid":"...",
 *      "tables":[{"db":"d","table":"t","columns":[["id","int(11)",null,2]]}]}
 * File and position mean something at that server alone; at another one GTIDs tell. */
#ifndef MY_READ_AT_H
#define MY_READ_AT_H

#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/schema/history.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <cdc/stale.h>

struct my_read_at {
    struct my_coord coord;   /* file "": not known, the GTIDs say it all */
    struct my_gtid_set *set; /* owned */
    char *gtids;             /* the same as text; "" without GTIDs */
    char server_uuid[128];
    struct cdc_stale tables; /* those that it has read, or found gone; owned */
    struct cdc_span list;    /* the same as text; BORROWED */
};
/* Appends all up to and with the [ of the tables; the array's end and the closing brace are the caller's. */
void my_read_at_append(struct cdc_buf *out, const struct my_coord *coord, const char *gtids, const char *server_uuid);
/* The next table, first or not; columns: of columns.h, or NULL. */
void my_read_at_append_table(struct cdc_buf *out, bool first, const char *db, const char *table,
                             const struct cdc_buf *columns);
/* Into *at, to be freed in any case; BORROWS object. CONFIG when it is damaged. */
int my_read_at_parse(struct my_read_at *at, struct cdc_span object, enum my_flavor flavor, struct cdc_error *error);
void my_read_at_free(struct my_read_at *at);

/* Has it seen the transaction with that GTID, which begins at those coordinates? here: they are of its server. */
bool my_read_at_has(const struct my_read_at *at, const struct my_gtid *gtid, const struct my_coord *coord, bool here);
/* Do coordinates tell what it has seen, and not GTIDs? */
bool my_read_at_by_coord(const struct my_read_at *at, enum my_gtid_kind kind, bool here);
/* What it has of a table's columns (columns.h); {NULL, 0} where it has nothing. BORROWED as object is. */
struct cdc_span my_read_at_columns(const struct my_read_at *at, const char *db, const char *table);

#endif
