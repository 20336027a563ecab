/* SPDX-License-Identifier: MIT */
/* The names of the pipeline, its slot and its publication. */
#ifndef PG_NAMES_H
#define PG_NAMES_H

#include "connectors/postgres/session/connection.h"

/* What the user gave, each may be NULL; copies. */
int pg_names_set(struct pg_settings *settings, const char *name, const char *slot, const char *publication,
                 struct cdc_error *error);
void pg_names_free(struct pg_settings *settings);
/* Fills in what was not given: the database's name, cdc_NAME, and for --temporary names of its own. sql is asked for the
 * database, and whether a look may use the pipeline's publication; it may be NULL where the name is given and nothing is
 * temporary. USAGE for names that the server would not take. */
int pg_names_fill(struct pg_settings *settings, PGconn *sql, struct cdc_error *error);
/* The same over a connection of its own, tried again as often as retry_max says. 1: stopped while waiting. */
int pg_names_resolve(struct pg_settings *settings, int64_t retry_max, struct cdc_error *error);

/* Names in a command of a session that does not convert must be in the database's own encoding. */
bool pg_names_is_ascii(const char *text);

/* 1, 0, or -1 */
int pg_names_publication_exists(PGconn *sql, const char *publication, struct cdc_error *error);

/* The role whose rights on tables and databases count: ALTER ROLE ... SET role makes it another one than that which logged
 * in (PQuser), whose right to replicate counts. RETURNS NEW; NULL on errors. */
char *pg_names_acting_role(PGconn *sql, struct cdc_error *error);

#endif
