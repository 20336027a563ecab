/* SPDX-License-Identifier: MIT */
/* A table's columns, types and key, from the catalogs. */
#ifndef PG_DESCRIBE_H
#define PG_DESCRIBE_H

#include "connectors/postgres/pgoutput/table.h"
#include "connectors/postgres/schema/catalog.h"

/* Completes a table that a Relation message described: names of types, nullability, generated columns, and what the
 * message does not say of the key. They are today's catalogs, the message may be older: types are asked for by the
 * message's own oids, the rest is taken by name. xid: the transaction that has the message (0: none). Waits until others see what
 * that did; TEMPORARY when that takes half a minute, or a signal ends it. CONFIG when rows would come without what identifies
 * them. */
int pg_describe_relation(PGconn *sql, const struct pg_settings *settings, uint32_t xid, struct pg_table *table,
                         struct cdc_error *error);
/* A table of the publication as the catalogs have it, to read its rows; pg_table_prepare makes it ready for lines.
 * *generated: has it such columns? RETURNS NEW (pg_table_free), or NULL. */
struct pg_table *pg_describe_table(PGconn *sql, const struct pg_catalog_table *source, bool *generated,
                                   struct cdc_error *error);

#endif
