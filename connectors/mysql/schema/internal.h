/* SPDX-License-Identifier: MIT */
/* What the files of this room share; nobody else includes this. */
#ifndef MY_SCHEMA_INTERNAL_H
#define MY_SCHEMA_INTERNAL_H

#include "connectors/mysql/schema/ddl.h"
#include "connectors/mysql/schema/history.h"
#include "connectors/mysql/schema/schema.h"

#include <cdc/json.h>

/* -- the history: history.c, history_file.c ------------------------------------------------------ */

/* A table's columns from one point up to, but without, another. */
struct my_version {
    uint32_t hash;    /* of db and table */
    char *db, *table; /* one allocation with columns: db is its start */
    struct cdc_span columns;
    struct my_point from, end;
    bool ended;
    bool derived; /* see my_history_derived */
};

struct my_history {
    char *path, *name;
    char server[128];
    bool begun, changed, full;
    bool is_ours; /* the file, if there is one */
    uint64_t id, generation;
    char state[64];
    struct my_version *versions;
    size_t n, room, bytes;
};
/* Appends one that holds from no point on yet; NULL without memory. BORROWED until the next change. */
struct my_version *my_history_new_version(struct my_history *history, const char *db, const char *table,
                                          struct cdc_span columns);

/* -- the schema: schema.c, proof.c, prefetch.c ----------------------------------------------------- */

struct my_schema {
    struct my_schema_settings settings;
    struct my_history *history;
    /* What was searched of the log, and its DDL statements. */
    bool searched;
    struct my_coord from, to;
    struct my_ddl_list ddl;
    bool curable;  /* see my_schema_is_curable */
    bool prefetch; /* there may be tables whose columns are not known */
    int64_t next_prefetch;
};
/* Lists the DDL statements from where the last search ended (or from `from`) up to `to`. */
int my_schema_search(struct my_schema *schema, const struct my_coord *from, const struct my_coord *to,
                     struct cdc_error *error);
void my_schema_forget_search(struct my_schema *schema);
/* The columns of a table (db and name) as of now, and an end of the log up to which no statement on it is missing. 0;
 * 1: another session keeps its lock away; -1. */
int my_schema_ask(struct my_schema *schema, MYSQL *sql, const struct my_table *table, struct cdc_buf *columns,
                  struct my_coord *end, struct cdc_error *error);
/* The session's waits for locks end after so many seconds. */
int my_schema_limit_waits(MYSQL *sql, unsigned seconds, struct cdc_error *error);
/* Asks for the columns of all tables that are selected and not known, and keeps what holds there. */
int my_schema_prefetch(struct my_schema *schema, const struct my_coord *coord, struct my_point point,
                       struct cdc_error *error);

#endif
