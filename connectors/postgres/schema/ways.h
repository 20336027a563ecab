/* SPDX-License-Identifier: MIT */
/* By what each selected table is published, and under which name its changes come: whether they may have passed by for a while,
 * though no row of the publication says so. */
#ifndef PG_WAYS_H
#define PG_WAYS_H

#include "connectors/postgres/session/connection.h"

#include <cdc/buf.h>
#include <cdc/json.h>

/* A table is published by its own entry, by its schema, or by a table above it:
 *
 *      ALTER TABLE s.t SET SCHEMA away; INSERT ...; ALTER TABLE away.t SET SCHEMA s             FOR TABLES IN SCHEMA s
 *      ALTER TABLE p DETACH PARTITION p_1; INSERT INTO p_1 ...; ALTER TABLE p ATTACH PARTITION p_1 ...     FOR TABLE p
 *
 * leave the publication as it was, and other rows of the catalog: their transactions, as a hash. */
struct pg_way {
    uint32_t table, target; /* whose name its changes bear */
    bool gone;              /* it is not published, or not selected, under a name that it has now */
    uint32_t hash;          /* 0: nothing can take it away */
    uint64_t since;         /* where the log was when its changes came under that name first */
};
struct pg_ways {
    struct pg_way *items; /* by table */
    size_t n, capacity;
};
void pg_ways_clear(struct pg_ways *ways);
/* "16385:16385:0:24051704 16390:16380:3735928559:24051704:gone", of an older version NULL. */
int pg_ways_parse(struct pg_ways *ways, struct cdc_span publication, struct cdc_error *error);
void pg_ways_append(struct cdc_buf *out, const struct pg_ways *ways);
/* As they are now, and those of `before` that are gone. found: the first that was away since then, in words; NUL-terminated;
 * untouched where it has something, or there is none. */
int pg_ways_look(struct pg_ways *ways, const struct pg_ways *before, PGconn *sql, const struct pg_settings *settings,
                 struct cdc_buf *found, struct cdc_error *error);
/* What is known of a table, from before a transaction that ended at lsn; NULL: nothing. */
const struct pg_way *pg_ways_find(const struct pg_ways *ways, uint32_t table, uint64_t lsn);
/* It was told that its changes come under another name: not again before it has that of before. */
void pg_ways_tell(struct pg_ways *ways, uint32_t table);

#endif
