/* SPDX-License-Identifier: MIT */
/* What the database is called. */
#ifndef PG_DATABASE_NAME_H
#define PG_DATABASE_NAME_H

#include <cdc/error.h>
#include <libpq-fe.h>

enum { PG_DATABASE_NAME = 256 }; /* a name of 63 bytes, each of which may become three */

/* In UTF-8, as it was given where it is that. BORROWED from the connection. */
const char *pg_database_name(PGconn *connection);
/* Once for each connection, before the first. Asks the server where the name was given in other bytes. */
int pg_database_name_learn(PGconn *connection, struct cdc_error *error);

#endif
