/* SPDX-License-Identifier: MIT */
/* The columns of a table at a point of the stream, where the log does not name them: kept from earlier (history.h), or
 * proved by the log (proof.c). */
#ifndef MY_SCHEMA_H
#define MY_SCHEMA_H

#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/session/session.h"

#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/offset.h>
#include <cdc/selection.h>

struct my_schema_settings {
    struct my_session *session;     /* BORROWED, as all of these are */
    const char *pipeline;           /* its name */
    const char *path;               /* of the history's file; NULL: nothing is kept */
    struct cdc_selection selection; /* the tables that are read */
    const struct cdc_offset
        *own; /* what the pipeline's own offset file had when the program began; its pos is NULL when it had nothing */
    const struct cdc_log *log;
};
struct my_schema;
struct my_schema *my_schema_new(const struct my_schema_settings *settings, struct cdc_error *error); /* RETURNS NEW */
void my_schema_free(struct my_schema *schema);

/* Where reading begins now. */
struct my_schema_start {
    const struct my_coord *coord; /* no file: not known */
    const char *server_uuid;      /* whose log they are of */
    uint64_t number;              /* of the last transaction that is complete there */
    struct my_point point;        /* of what follows */
    bool first;                   /* of this run */
    bool resumes;                 /* from a position that the pipeline has reached before */
};
/* A connection was made, and the session's server read: what was kept is taken where it holds, and the other tables'
 * columns are asked for where the log will not name them. */
int my_schema_begin(struct my_schema *schema, const struct my_schema_start *start, struct cdc_error *error);
/* Completes a table whose TABLE_MAP stands there. CONFIG: its columns cannot be known for sure. */
int my_schema_at(struct my_schema *schema, struct my_table *table, const struct my_coord *coord, struct my_point point,
                 struct cdc_error *error);
/* After such an error: would they be known after a point of the log at which the table was read anew (my_schema_know)? */
bool my_schema_is_curable(const struct my_schema *schema);
/* From that point on the table has these columns (columns.h). */
int my_schema_know(struct my_schema *schema, const char *db, const char *table, struct my_point point,
                   struct cdc_span columns, struct cdc_error *error);
/* The type of a column at that point, as information_schema had it: RETURNS NEW; NULL where it is not kept, or generated. */
char *my_schema_type_of(const struct my_schema *schema, const char *db, const char *table, const char *column,
                        struct my_point point, bool *nullable);
/* MariaDB: are the same of the table's texts JSON now as at that point? Where that is not known it is as where_unknown says. 1, 0, -1. */
int my_schema_keeps_json(struct my_schema *schema, const char *db, const char *table, struct my_point point,
                         bool where_unknown, struct cdc_error *error);
/* Does the log leave open what is known of columns, so that they must be kept? */
bool my_schema_is_needed(const struct my_server *server);
/* The same for one whose columns the log names: what else there is to know of them, as far as it is known. CONFIG: it is
 * not, and the rows cannot be read without it (see my_table_is_ambiguous). */
int my_schema_describe(struct my_schema *schema, struct my_table *table, const struct my_coord *coord,
                       struct my_point point, struct cdc_error *error);
/* A DDL statement (UTF-8) was read: what is known of the tables that it names ends at that point. db: of the session; NULL where it works on
 * temporary tables. */
void my_schema_altered(struct my_schema *schema, struct cdc_span sql, struct cdc_span db, struct my_point point);
/* Between transactions, when nothing else is to be done: asks for columns that no row has needed yet, not too often. now: as
 * the last chance. */
int my_schema_prefetch_if_due(struct my_schema *schema, const struct my_coord *coord, struct my_point point, bool now,
                              struct cdc_error *error);
/* May a statement between there and the end of the log change a charset of that table, so that what it is now says nothing of
 * then? What it is now is asked for before. Where the log cannot be searched it may. 1, 0, -1. */
int my_schema_charset_changes(struct my_schema *schema, const char *table, const struct my_coord *coord,
                              struct cdc_error *error);
/* Makes durable what has changed: before any line after a DDL statement goes out. */
int my_schema_save(struct my_schema *schema, const struct my_coord *coord, struct my_point point,
                   struct cdc_error *error);
/* What the offset file keeps of it, as JSON; NULL where nothing is kept. BORROWED until the next save. */
char *my_schema_state(struct my_schema *schema);
/* Reading never begins before transaction `number` again. */
void my_schema_confirm(struct my_schema *schema, uint64_t number);

#endif
