/* SPDX-License-Identifier: MIT */
/* What a round (cdc/stale.h) has seen of the log: all up to a point, and the columns that its tables had there. As the state of
 * cdc-snapshot keeps it ("read_at"):
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

struct my_read_at {
    struct my_coord coord;   /* file "": not known, the GTIDs say it all */
    struct my_gtid_set *set; /* owned */
    char *gtids;             /* the same as text; "" without GTIDs */
    char server_uuid[128];
    struct cdc_span tables; /* the array; BORROWED */
};
/* Appends all up to "tables", which is the caller's, and the closing brace. */
void my_read_at_append(struct cdc_buf *out, const struct my_coord *coord, const char *gtids, const char *server_uuid);
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
