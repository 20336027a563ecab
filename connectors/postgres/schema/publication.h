/* SPDX-License-Identifier: MIT */
/* The publication: which tables the server sends. */
#ifndef PG_PUBLICATION_H
#define PG_PUBLICATION_H

#include "connectors/postgres/session/connection.h"

/* Creates the publication where it is missing and may_create (for the tables that match -t/-T, or FOR ALL TABLES when
 * none is given and the role may; else all that it owns); says so. An existing one is never changed, but what it lacks
 * is said. first: nothing has been read yet (gaps.h). CONFIG where rows would be lost or come without what identifies
 * them, and where a new publication would make the server refuse somebody's UPDATE (unless allow_refused). */
int pg_publication_ensure(PGconn *sql, const struct pg_settings *settings, bool may_create, bool first,
                          const struct cdc_log *log, struct cdc_error *error);
/* Whose slot is it? The names a-b and a_b lead to the same one, cdc_a_b, and a slot has no place for a word of its owner: that
 * stands with the publication of that name, if it was made by pg_publication_ensure. CONFIG when it is another pipeline; and for
 * a name that the slot's does not show whole, where that publication has no word of it and another one is used (--publication),
 * so that nothing tells the two apart. 0 or -1 */
int pg_publication_check_owner(PGconn *sql, const struct pg_settings *settings, struct cdc_error *error);
/* Removes the publication if it was made by pg_publication_ensure, else leaves it and says so. */
int pg_publication_drop(PGconn *sql, const char *name, const struct cdc_log *log, struct cdc_error *error);

#endif
