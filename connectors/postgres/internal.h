/* SPDX-License-Identifier: MIT */
/* What --check writes down besides its findings. */
#ifndef PG_INTERNAL_H
#define PG_INTERNAL_H

#include "connectors/postgres/postgres.h"
#include "connectors/postgres/schema/catalog.h"

/* Server, slot, lag, settings, publication. What cannot be asked is a finding of its own. replication may be NULL. */
void pg_facts_server(struct cdc_findings *report, PGconn *sql, PGconn *replication, const struct pg_settings *settings,
                     const struct pg_check_known *known);
/* Each selected table. */
void pg_facts_tables(struct cdc_findings *report, PGconn *sql, const struct pg_catalog *catalog,
                     const struct pg_settings *settings);

#endif
