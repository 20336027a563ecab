/* SPDX-License-Identifier: MIT */
/* Who converts the texts of a database: the server, or we (pgoutput/encoding.h). */
#ifndef PG_SESSION_ENCODING_H
#define PG_SESSION_ENCODING_H

#include "connectors/postgres/pgoutput/encoding.h"

#include <libpq-fe.h>

/* Fills encoding by asking the server, outside of a transaction. 1; 0: nothing is to be converted here, since the database
 * is in UTF-8, in SQL_ASCII (which has no characters: the session gets its bytes as they are), or in an encoding of several
 * bytes a character, which the server converts; -1. */
int pg_encoding_ask(PGconn *sql, struct pg_encoding *encoding, struct cdc_error *error);

#endif
