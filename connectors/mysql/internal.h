/* SPDX-License-Identifier: MIT */
/* What --check writes down besides its findings. */
#ifndef MY_INTERNAL_H
#define MY_INTERNAL_H

#include "connectors/mysql/mysql.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/session/server.h"

/* Server, settings, log, lag. report NULL: of these nothing is asked. true: the log has no end, for the server writes none. */
bool my_facts_server(struct cdc_findings *report, MYSQL *mysql, const struct my_server *server,
                     const struct my_check_known *known);
/* A selected table. */
void my_facts_table(struct cdc_findings *report, const struct my_catalog_table *table);

#endif
