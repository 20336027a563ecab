/* SPDX-License-Identifier: MIT */
/* Who converts the texts of a database: the server, or we (pgoutput/encoding.h). */
#ifndef PG_SESSION_ENCODING_H
#define PG_SESSION_ENCODING_H

#include "connectors/postgres/pgoutput/encoding.h"

#include "connectors/postgres/session/connection.h"

/* Fills encoding by asking the server, outside of a transaction. 1; 0: nothing is to be converted here, since the database
 * is in UTF-8, or in SQL_ASCII (which has no characters: the session gets its bytes as they are); -1. For characters of several
 * bytes another connection is made when the first one comes. settings: BORROWED until the encoding is freed, in any case. */
int pg_encoding_ask(PGconn *sql, const struct pg_settings *settings, struct pg_encoding *encoding,
                    struct cdc_error *error);
void pg_encoding_free(struct pg_encoding *encoding);

#endif
