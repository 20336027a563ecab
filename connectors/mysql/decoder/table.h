/* SPDX-License-Identifier: MIT */
/* A table as the log describes it, completed by what only the server knows. */
#ifndef MY_TABLE_H
#define MY_TABLE_H

#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/selection.h>

struct my_table {
    uint64_t id;
    char *db, *name;     /* UTF-8 */
    struct cdc_buf body; /* of the TABLE_MAP that made it: the same again is the same table; empty: must be made anew */
    struct my_column *columns;
    size_t n_columns, n_json;
    bool has_names;    /* the log itself has the names of the columns */
    bool has_signs;    /* and which numbers are unsigned */
    bool has_key_told; /* and the key (or, with FULL metadata, has shown that there is none) */
    bool has_key;      /* some column is of the key: only my_row_key_settle sets it */
    bool selected, schema_written;
    bool described; /* information_schema shows it now */
    bool sequence;  /* MariaDB: it is one, and in no line */
    bool omits;     /* columns that lines omit: see my_column_is_omitted */
    /* Of MariaDB's system-versioned tables: where a row's time ends; NULL: the table is none. */
    const struct my_column *row_end;
    uint64_t schema_number;     /* C of the transaction that its schema line was written in */
    uint64_t schema_ordinal;    /* the line's ordinal there */
    struct cdc_buf source_head; /* `{"connector":..,"name":..,"db":..,"table":..` ready */
};
/* From a TABLE_MAP; body: the event's, as it stands. Names, charsets, labels, key as far as the log has them.
 * RETURNS NEW; NULL: PROTOCOL, CONFIG (a label with NUL in it), MEMORY. */
struct my_table *my_table_new(struct cdc_bytes body, enum my_flavor flavor, struct cdc_error *error);
void my_table_free(struct my_table *table);
/* Once everything is known: resolves the columns, hides those that are not selected, names their types where nobody did, and
 * builds what lines begin with. 0 or -1: CONFIG when a column has no name, and when one is selected that is not there, or one of
 * the key is not. */
int my_table_prepare(struct my_table *table, enum my_flavor flavor, const char *pipeline,
                     const struct cdc_selection *selection, struct cdc_error *error);
/* For who reads the table itself, after that: the hidden columns are no more. */
void my_table_drop_hidden(struct my_table *table);
/* MariaDB (hidden.c): is it a generated column, which lines omit? Asked once what is generated is known. */
bool my_column_is_omitted(const struct my_column *column, enum my_flavor flavor);
/* Warns of them, once for all tables of a run: *reported says whether it was done. */
void my_table_report_omits(const struct my_table *table, bool *reported, const struct cdc_log *log);
/* MariaDB (hidden.c): could it be a sequence, by the names of its columns, or, where they are not known, by their types? A
 * copy of one could. */
bool my_table_may_be_sequence(const struct my_table *table, enum my_flavor flavor);
/* MariaDB (hidden.c): marks the columns that are not in the lines, and finds where a row's time ends.
 * 0 or -1: CONFIG when the table's versions are told apart by transactions. */
int my_table_hide(struct my_table *table, enum my_flavor flavor, struct cdc_error *error);
/* Does the log, with FULL metadata, leave open what the rows mean? MySQL's never does. MariaDB logs a UUID as BINARY(16), an
 * INET6 too, JSON as LONGTEXT, a VECTOR as VARBINARY, and does not say which column ends a row's time or is a hash of its
 * own: a table that has columns which could be such is only read by what is known of it at that point of the log. */
bool my_table_is_ambiguous(const struct my_table *table, enum my_flavor flavor);
/* Does the log have, from that column on, only such as MariaDB hides? Where it names no columns, they are named. */
bool my_table_name_hidden(struct my_table *table, size_t from, struct cdc_error *error);
/* Would the schema line read the same? */
bool my_table_same_schema(const struct my_table *a, const struct my_table *b);
/* Appends one whole schema line with LF. source_tail: what the source object ends with, its brace included. */
void my_table_schema_line(struct cdc_buf *out, const struct my_table *table, struct cdc_span pos, uint64_t seq,
                          int64_t ts_ms, struct cdc_span source_tail);
/* Appends `{"connector":"mysql","name":"N"` and, when db is not NULL, `,"db":"D"`, and so table. */
void my_table_source_head(struct cdc_buf *out, enum my_flavor flavor, const char *pipeline, const char *db,
                          const char *table);

#endif
