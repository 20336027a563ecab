/* SPDX-License-Identifier: MIT */
/* What the files of the SQLite sink share. */
#ifndef SQLITE_INTERNAL_H
#define SQLITE_INTERNAL_H

#include <sqlite3.h>

#include "connectors/sqlite/sqlite.h"

/* How values of a column are stored. SQLite's affinities convert values on their way in, so each kind is declared
 * with the one affinity that leaves its values alone. */
enum sqlite_kind {
    SQLITE_KIND_INTEGER, /* affinity INTEGER: 64-bit signed integers and booleans */
    SQLITE_KIND_REAL,    /* affinity REAL; NaN and the infinities stay text */
    SQLITE_KIND_TEXT,    /* affinity TEXT: everything else, numeric included */
    SQLITE_KIND_JSON,    /* affinity TEXT: the JSON text of the value */
    SQLITE_KIND_BYTES,   /* affinity BLOB: base64 is decoded */
    SQLITE_KIND_ANY      /* affinity BLOB (none): unsigned 64-bit integers, as text where they do not fit */
};

struct sqlite_column {
    char *name;
    size_t name_n;
    enum sqlite_kind kind;
    bool generated;
    bool key;
};

#define SQLITE_SHAPES 16
/* A statement for one set of columns. */
struct sqlite_shape {
    int what; /* enum sqlite_what */
    unsigned char *mask;
    sqlite3_stmt *statement;
};

struct sqlite_table {
    struct sqlite_table *next;
    char *source[4];   /* name, db, schema, table as the lines have them */
    char *name;        /* in SQLite */
    const char *rowid; /* a name of the rowid that no column hides */
    struct sqlite_column *columns;
    size_t n;
    size_t *keys; /* indexes of the key columns, in key order */
    size_t n_keys;
    size_t mask_n;
    bool pending;   /* the definition is not in the database yet */
    bool unmatched; /* said once that a row to change was not there */
    /* of the event in hand, per column */
    struct cdc_span *after, *before, *old_key, *new_key;
    unsigned char *after_mask, *before_mask, *key_mask;
    struct sqlite_shape shapes[SQLITE_SHAPES];
    unsigned next_shape;
};

struct sqlite_sink {
    struct cdc_sink_context context; /* filled by the loop; must be first */
    const struct sqlite_settings *settings;
    const struct cdc_log *log;
    sqlite3 *db;
    bool in_transaction;
    bool has_boundary;      /* savepoint "complete" is open */
    int64_t schema_version; /* as remembered in the database; -1: unknown */
    struct sqlite_table *tables;
    struct sqlite_table *last; /* of the event before */
    struct cdc_buf scratch;    /* decoded values of one event */
    struct cdc_buf sql;
};

/* -- database.c: the connection, errors, transactions, offsets -- */
int sqlite_db_error(struct sqlite_sink *sink, int code, const char *what, struct cdc_error *error);
/* Is the value at fault, so that another line may do better? */
bool sqlite_is_value_error(int code);
int sqlite_exec(struct sqlite_sink *sink, const char *sql, struct cdc_error *error);
/* Executes what is in sink->sql and empties it. */
int sqlite_exec_buffer(struct sqlite_sink *sink, struct cdc_error *error);
/* Prepares what is in sink->sql and empties it. RETURNS NEW; NULL on error. */
sqlite3_stmt *sqlite_prepare(struct sqlite_sink *sink, bool keep, struct cdc_error *error);
sqlite3_stmt *sqlite_prepare_text(struct sqlite_sink *sink, const char *sql, struct cdc_error *error);
int sqlite_database_open(struct sqlite_sink *sink, struct cdc_error *error);
int sqlite_begin(struct sqlite_sink *sink, struct cdc_error *error);
int sqlite_save_offsets(struct sqlite_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error);
int sqlite_pragma_number(struct sqlite_sink *sink, const char *sql, int64_t *number, struct cdc_error *error);
/* Appends "name" quoted as an identifier. */
void sqlite_quote(struct cdc_buf *out, const char *name);
/* Appends 'text' quoted as a literal. */
void sqlite_quote_text(struct cdc_buf *out, const char *text);

/* -- value.c -- */
enum sqlite_kind sqlite_kind_of(struct cdc_span raw_type);
/* What the column is declared as; alone: it is the whole primary key. */
const char *sqlite_declared(const struct sqlite_column *column, bool alone);
/* Binds value (p NULL: NULL). 0, or -1 with *reason when the value does not fit the column, or SQLite's code.
 * sink->scratch must have room for the decoded value: it must not move while values are bound. */
int sqlite_bind(struct sqlite_sink *sink, sqlite3_stmt *statement, int index, enum sqlite_kind kind,
                struct cdc_span value, const char **reason);

/* -- table.c -- */
struct sqlite_table *sqlite_table_find(struct sqlite_sink *sink, const struct cdc_event *event);
/* Takes a schema line in: a table that is not there is created, other changes wait for the first row, so that an old
 * schema line that is delivered again changes nothing. */
int sqlite_table_define(struct sqlite_sink *sink, const struct cdc_event *event, struct cdc_error *error);
/* Makes the table in the database fit its definition. */
int sqlite_table_apply(struct sqlite_sink *sink, struct sqlite_table *table, struct cdc_error *error);
void sqlite_table_forget_statements(struct sqlite_table *table);
void sqlite_table_free(struct sqlite_table *table);
/* The table's name in SQLite, by the pattern, into out (NUL-terminated). */
int sqlite_table_name(const struct sqlite_sink *sink, const struct cdc_event *event, struct cdc_buf *out,
                      struct cdc_error *error);

/* -- rebuild.c -- */
/* Makes the table anew with the wanted key and types and copies its rows, its indexes and triggers. */
int sqlite_table_rebuild(struct sqlite_sink *sink, struct sqlite_table *table, struct cdc_error *error);

/* -- fts.c -- */
int sqlite_fts_check(const struct sqlite_settings *settings, struct cdc_error *error);
int sqlite_fts_ensure(struct sqlite_sink *sink, const struct sqlite_table *table, struct cdc_error *error);
/* Fills TABLE_fts again, when there is one. */
int sqlite_fts_rebuild(struct sqlite_sink *sink, const char *table, struct cdc_error *error);
/* VACUUM gives rows new rowids where the key is no integer; the indexes are filled again then. */
int sqlite_fts_after_vacuum(struct sqlite_sink *sink, struct cdc_error *error);
int sqlite_fts_remember(struct sqlite_sink *sink, struct cdc_error *error);

/* -- rows.c -- */
int sqlite_row(struct sqlite_sink *sink, struct sqlite_table *table, const struct cdc_event *event,
               struct cdc_error *error);

#endif
