/* SPDX-License-Identifier: MIT */
/* The DDL statements of a part of the log: which tables may have other columns after which coordinates. Those that leave all columns
 * as they are, such as ANALYZE TABLE, are not among them, but for those that may set a table's default charset. */
#ifndef MY_DDL_H
#define MY_DDL_H

#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"

#include <cdc/buf.h>
#include <cdc/error.h>

/* A statement, and where it ends. */
struct my_ddl {
    char *sql; /* UTF-8 where it could be converted */
    size_t n;
    char *db; /* of the session; NULL where it works on temporary tables, whose names tell nothing */
    bool keeps_columns;
    struct my_coord coord;
};
/* Begins as {0}. */
struct my_ddl_list {
    struct my_ddl *items;
    size_t n, bytes;
    struct cdc_buf scratch;
};
void my_ddl_free(struct my_ddl_list *list);
/* Takes a query event that ends there: one of a DDL statement that may change columns, or charsets, is kept. CONFIG: there are too many. */
int my_ddl_take(struct my_ddl_list *list, const struct my_event_header *header, struct cdc_bytes body,
                const struct my_coord *coord, struct cdc_error *error);
/* Those that end there or before go. */
void my_ddl_forget(struct my_ddl_list *list, const struct my_coord *coord);
/* Does one that ends after the coordinates, and may change columns, name the table? By its name alone, whatever the database: a statement need
 * not say it. */
bool my_ddl_names(const struct my_ddl_list *list, const char *table, const struct my_coord *coord);
/* The same of those that may change charsets, the table's default one included. */
bool my_ddl_names_charset(const struct my_ddl_list *list, const char *table, const struct my_coord *coord);

#endif
