/* SPDX-License-Identifier: MIT */
/* What of the selected tables the publication has, and since when: whether a table was out of it for a while, which nothing
 * else shows once it is in again. */
#ifndef PG_MEMBERS_H
#define PG_MEMBERS_H

#include "connectors/postgres/session/connection.h"

#include <cdc/buf.h>

/* Each table, and each schema that is published as a whole, by the row of the catalog that says so: whoever is taken out and
 * put in again has another row. The same for the publication itself. As JSON, for an offset's `state`:
 *      {"oid":16390,"row":"751","is":"10 f t t t t f","has":"t16385:16391 s2200:16400"}
 * Those that have left stay in it, so that they are known when they come again. NUL-terminated; empty (data NULL) where there
 * is no publication. */
struct pg_members {
    struct cdc_buf json;
};
void pg_members_free(struct pg_members *members);
/* As they are now, where `before` (as above, or {NULL, 0}: not known) is what was seen last; *members becomes both. CONFIG when
 * changes may have passed by between the two, unless settings->allow_republished: then it is said, and members is as now.
 * members is what it was on errors. log: NULL where somebody else judges (shapes.h), and nothing is said. */
int pg_members_update(struct pg_members *members, PGconn *sql, const struct pg_settings *settings,
                      struct cdc_span before, const struct cdc_log *log, struct cdc_error *error);

#endif
