/* SPDX-License-Identifier: MIT */
/* What the files of the sink share. */
#ifndef LITE_INTERNAL_H
#define LITE_INTERNAL_H

#include <cdc/part.h>
#include <cdc/pos.h>
#include <cdc/table.h>

#include "connectors/sqlite/session/database.h"
#include "connectors/sqlite/session/value.h"
#include "connectors/sqlite/sink/sink.h"

#define LITE_SHAPES 16
#define LITE_SIDE_SIZE 40
/* A statement for one set of columns. */
struct lite_shape {
    int what; /* enum lite_what */
    unsigned char *mask;
    sqlite3_stmt *statement;
    const struct lite_part *part; /* in hand when it was made; NULL: none */
};

/* The members of a table that each part has of its own. */
struct lite_part {
    char *value; /* unescaped */
    bool live, side_fits;
    char side[LITE_SIDE_SIZE];
    char *pos;
    struct lite_part *next;
};

struct lite_table {
    struct cdc_table source; /* must be first */
    const char *rowid;       /* a name of the rowid that no column hides; NULL: they hide it, or there is none */
    enum lite_kind *kinds;   /* of the columns */
    size_t mask_n;           /* bytes of a set of columns */
    bool pending;            /* the table in the database may not fit the definition yet */
    bool missing;            /* it is not in the database yet */
    bool unmatched;          /* said once that a row to change was not there */
    bool incomplete;         /* said once that such a row came without all of its columns */
    size_t number;           /* of the definition in this run, from 1: names the table of its waiting rows */
    uint64_t waiting;        /* rows that wait (waiting.c), in the transaction of the two below */
    int64_t seq;
    uint64_t transaction;
    char snapshot[CDC_POS_NUMBER_DIGITS]; /* how the positions of the snapshot begin that was looked at last */
    /* of its reading again (reads.c) */
    bool read_known;           /* the rest is what the database says */
    bool read_new;             /* the table was not there when the read began */
    bool read_live;            /* the log goes on with the table while it is read */
    bool side_fits;            /* it is there, with the columns of the definition */
    char side[LITE_SIDE_SIZE]; /* the table that an open read fills; "": none is open */
    char *read_pos;            /* where the open read began, or the last one ended; NULL: there was none */
    /* of its parts, which are read again each by itself (parts.c) */
    struct lite_part *parts;
    char *part_column;      /* that tells their rows apart; NULL: there are none */
    struct lite_part *part; /* in hand: the members above are its; NULL: none is, they are the whole table's */
    const char *part_value; /* BORROWED */
    /* of the event in hand, per column */
    struct cdc_span *after, *before, *old_key, *new_key;
    unsigned char *after_mask, *before_mask, *key_mask;
    struct lite_shape shapes[LITE_SHAPES];
    unsigned next_shape;
    uint64_t batch;                   /* of tables that were made together (aside.c) */
    struct lite_table *next_prepared; /* in the list of the sink */
    bool prepared;                    /* it is there */
};

struct lite_position {
    char *name, *pos;
    bool noted; /* the database knows by this run which offset file it is in */
};

/* Which tables say no more than ours do (remake.c). */
struct lite_plain {
    bool looked;     /* in the transaction in hand */
    bool dependents; /* views or triggers, which may name a column of any table */
    size_t tables;   /* that the database has */
    struct cdc_buf
        others; /* names of those that say more, or have an index or a trigger of somebody's; NUL after each */
};

/* Tables that SQLite does not know of for a while (aside.c). */
struct lite_aside {
    int64_t rows;          /* of sqlite_master: 0: it is whole */
    uint64_t batch;        /* tables of this one are known */
    size_t made;           /* tables, of the batch */
    bool looked, possible; /* in the transaction in hand */
    bool used;             /* in it some were aside */
};

/* Statements that are asked for each table, and are kept. */
enum lite_kept { LITE_KEPT_OWNER, LITE_KEPT_CLAIM, LITE_KEPT_NEW, LITE_KEPT_NAMES, LITE_KEPT_REMEMBER, LITE_KEPT_N };

struct lite_sink {
    struct cdc_sink_context context; /* filled by the loop; must be first */
    const struct lite_settings *settings;
    struct lite_database db;
    bool has_boundary;               /* savepoint "complete" is open */
    bool lost;                       /* complete rows went with a transaction that somebody else ended */
    int64_t schema_version;          /* as remembered in the database; -1: unknown */
    struct lite_position *positions; /* as the database has them */
    size_t n_positions;
    uint64_t transaction;        /* counts boundaries and deliveries: no transaction goes over one */
    bool missing;                /* some table is */
    struct lite_table *prepared; /* those with statements; NULL at the end */
    size_t tables_described;
    int64_t n_reads; /* 0: no table was ever read again; -1: unknown */
    struct lite_plain plain;
    struct lite_aside aside;
    sqlite3_stmt *kept[LITE_KEPT_N]; /* NULL: not needed so far */
    struct cdc_tables tables;
    struct cdc_buf scratch; /* decoded values of one event */
};

/* -- state.c: the tables cdc_offsets, cdc_tables, cdc_meta; cdc_reads is of reads.c, cdc_columns of columns.c -- */
/* Creates them. CONFIG when a newer version of this tool wrote them. */
int lite_state_open(struct lite_sink *sink, struct cdc_error *error);
void lite_state_free(struct lite_sink *sink);
/* Those that have moved since the database was asked or written. TEMPORARY when somebody else has moved one of them there
 * since: the transaction in hand is then not to be committed. */
int lite_state_save_offsets(struct lite_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error);
/* Before a row or schema line of a snapshot. CONFIG when what is stored of its source comes from another snapshot: rows that have gone since
 * would stay, and those without a key would be there twice. */
int lite_state_check_snapshot(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                              struct cdc_error *error);
/* For struct cdc_target_ops; context is the sink. */
int lite_state_owner(void *context, const char *target, struct cdc_table_id *owner, struct cdc_error *error);
int lite_state_claim(void *context, const char *target, const struct cdc_table_id *owner, struct cdc_error *error);
/* Appends "schema\0table\0" of each table here that is of the event's source and database. */
int lite_state_list_tables(struct lite_sink *sink, const struct cdc_event *event, struct cdc_buf *names,
                           struct cdc_error *error);
/* Nobody owns the name any more. */
int lite_state_unclaim(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
/* Does the database have all lines of the source up to that position? */
bool lite_state_is_stored(const struct lite_sink *sink, const char *name, struct cdc_span pos);
/* Before a table is made for that source table: CONFIG when its rows are in one of another name. */
int lite_state_check_new(struct lite_sink *sink, const char *target, const struct cdc_table_id *id,
                         struct cdc_error *error);

/* -- holder.c -- */
/* Where a position was when it was stored, as the database says it; NULL: it does not. BORROWED. */
struct lite_holder {
    const char *file, *database; /* paths from the root: of the offset file, of this database */
};
#define LITE_HOLDER_COLUMNS                                                                                            \
    "(SELECT value FROM cdc_meta WHERE key = 'offset_file:' || name), "                                                \
    "(SELECT value FROM cdc_meta WHERE key = 'database:' || name)"
/* The position of that source is in the offset file at path. In a transaction. */
int lite_holder_note(struct lite_sink *sink, const char *name, const char *path, struct cdc_error *error);
/* Is the position one that our new, empty file is to have? alone: the database has no other. A file that is somewhere still is
 * another pipeline's. */
bool lite_holder_is_ours(const struct cdc_offset_file *offsets, const struct lite_holder *holder, bool alone);
/* Is it that of another sink, whose file is there? */
bool lite_holder_is_other(const struct lite_sink *sink, const struct cdc_offset_file *offsets, const char *name,
                          const struct lite_holder *holder);

/* -- sql.c -- */
/* Begins the transaction, unless one is open. */
int lite_sql_begin(struct lite_sink *sink, struct cdc_error *error);
/* The statement of that text, to be reset after each use. BORROWED; NULL on error. */
sqlite3_stmt *lite_sql_keep(struct lite_sink *sink, enum lite_kept which, const char *sql, struct cdc_error *error);
void lite_sql_free_kept(struct lite_sink *sink);
/* Appends the name of the table that statements on rows are for: while it is read again, that of the rows so far. */
void lite_sql_append_table(struct cdc_buf *sql, const struct lite_table *table);
/* Appends `"a", "b"`, all columns of the definition. */
void lite_sql_append_columns(struct cdc_buf *sql, const struct lite_table *table);
/* Runs a statement without rows, whose first parameter is a text, and resets it. NULL: there is an error already. */
int lite_sql_run_kept(struct lite_sink *sink, sqlite3_stmt *statement, const char *text, struct cdc_error *error);
/* The same; TAKES the statement. */
int lite_sql_run(struct lite_sink *sink, sqlite3_stmt *statement, const char *text, struct cdc_error *error);
/* What a column is declared as. */
const char *lite_sql_declared(const struct lite_table *table, size_t column);
/* Appends the end of a CREATE TABLE: `, PRIMARY KEY ("a", "b"))`, or the bracket alone where there is no key. */
void lite_sql_append_key(struct cdc_buf *sql, const struct lite_table *table);
/* Appends the name of the table's waiting rows (waiting.c), and that of a column there: those of the table with a letter in
 * front, so that none hides the rowid. */
void lite_sql_append_waiting(struct cdc_buf *sql, const struct lite_table *table);
void lite_sql_append_waiting_column(struct cdc_buf *sql, const char *column);
/* PRAGMA table_info of a table or view: a row a column, none when there is no such table. RETURNS NEW. */
sqlite3_stmt *lite_sql_table_info(struct lite_sink *sink, const char *name, struct cdc_error *error);
/* PRAGMA table_xinfo: the same, with those that SQLite computes. */
sqlite3_stmt *lite_sql_table_xinfo(struct lite_sink *sink, const char *name, struct cdc_error *error);

/* -- table.c -- */
extern const struct cdc_target_ops lite_target_ops;
void lite_table_release(struct cdc_table *source); /* for cdc_tables_init */
/* For struct cdc_tables. CONFIG for columns that SQLite cannot have beside each other, or not so many. */
int lite_table_check(void *sink, const struct cdc_table *definition, struct cdc_error *error);
/* Takes a schema line in; the database changes with the first row after it, so that an old schema line that is delivered
 * again changes nothing. */
int lite_table_define(struct lite_sink *sink, const struct cdc_event *event, struct cdc_error *error);
/* Before a row: makes the table, or makes it fit its definition, if it may not. In a transaction. */
int lite_table_settle(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
/* Before a delivery: makes the tables that have had no row. */
int lite_table_settle_all(struct lite_sink *sink, struct cdc_error *error);
/* 1 when a table or view of that name is there, 0, -1. */
int lite_table_exists(struct lite_sink *sink, const char *name, struct cdc_error *error);
/* CONFIG: a table of that name is there, and not ours. Always -1. */
int lite_table_is_foreign(const struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error);
/* Makes a table of that name as the definition says. */
int lite_table_make(struct lite_sink *sink, const struct lite_table *table, const char *name, struct cdc_error *error);
/* How a table in the database fits the definition. */
enum lite_fit {
    LITE_FIT_ERROR = -1,
    LITE_FIT_NOT,  /* it has another key, or no key */
    LITE_FIT_KEY,  /* the same key; other columns or types */
    LITE_FIT_WHOLE /* the same columns and the same key, if there is one */
};
enum lite_fit lite_table_compare(struct lite_sink *sink, const struct lite_table *table, const char *name,
                                 struct cdc_error *error);
/* Makes the table in the database, which is there, fit its definition. */
int lite_table_fit(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
void lite_table_forget_statements(struct lite_table *table);
/* Before a table is made: SQLite takes no statement of before after that without another look at its text. */
void lite_table_forget_all_statements(struct lite_sink *sink);

/* -- aside.c: many tables are made, and SQLite knows no others meanwhile -- */
/* Once, outside of a transaction. */
int lite_aside_open(struct lite_sink *sink, struct cdc_error *error);
/* A transaction begins. */
void lite_aside_begin(struct lite_sink *sink);
/* The table was made and is owned: the others may go aside. */
int lite_aside_made(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
/* Before a row or a schema line of the table, whose reads are known: if it is aside, all come back. */
int lite_aside_reach(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
/* All come back: before anything else than such a line, and before the commit. */
int lite_aside_end(struct lite_sink *sink, struct cdc_error *error);
/* The same after ROLLBACK TO. */
int lite_aside_taken_back(struct lite_sink *sink, struct cdc_error *error);
/* The transaction was rolled back: none is aside. */
void lite_aside_forget(struct lite_sink *sink);

/* -- rowid.c -- */
#define LITE_ROWID_NAMES 3
extern const char *const lite_rowid_names[LITE_ROWID_NAMES];
/* A name of the rowid that no column of the definition hides; NULL: they hide it. */
const char *lite_rowid_visible(const struct cdc_table *definition);
/* Is the column of that row of lite_sql_table_xinfo called like one? */
void lite_rowid_note_hidden(sqlite3_stmt *info, bool hidden[LITE_ROWID_NAMES]);
/* The names of the rowid that columns of the table in the database hide. */
int lite_rowid_find_hidden(struct lite_sink *sink, const char *table, bool hidden[LITE_ROWID_NAMES],
                           struct cdc_error *error);
/* Sets table->rowid to one that no column of the table in the database hides, where a column that the source has dropped is
 * still: `UPDATE ... WHERE rowid=` would mean that column. NULL: they hide all, which is CONFIG where the table has no key, or
 * somebody has made the table WITHOUT ROWID. known: the names that are hidden; NULL: they are looked for. */
int lite_rowid_choose(struct lite_sink *sink, struct lite_table *table, const bool *known, struct cdc_error *error);

/* -- declaration.c -- */
/* The declaration of a column, its name included, in the text of a CREATE TABLE; of no bytes where it has none. BORROWED. */
struct cdc_span lite_declaration_of(const char *sql, const char *column);

/* -- rebuild.c -- */
/* Makes the table anew with the wanted key and types and copies its rows, its indexes and triggers. Columns that somebody has
 * added stay as they were declared, and rows keep their rowid, which what somebody has built on the table may go by (an index
 * of FTS5, say), unless the new key is the rowid. */
int lite_rebuild_table(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);

/* -- remake.c -- */
/* Makes a plain table of few rows again, with its rows and their rowids, and the columns that it lacks (a 0 in `there`, a byte for
 * each column of the definition); without those that are gone, while it is read again. Its key and types must fit. 1 when that is
 * done, 0 when it is left to ALTER TABLE, -1. */
int lite_remake_table(struct lite_sink *sink, struct lite_table *table, const unsigned char *there,
                      struct cdc_error *error);

/* -- columns.c: which columns of a table come from the source, in cdc_columns; the others are somebody's own -- */
/* there: which columns of the definition the copy has. CONFIG where one of them is somebody's own: its values would pass for the source's;
 * and where one is missing that the copy had: it would be NULL. */
int lite_columns_check(struct lite_sink *sink, const struct lite_table *table, const unsigned char *there,
                       struct cdc_error *error);
/* Those of the definition do from now on. */
int lite_columns_remember(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error);
/* Appends the names of those that the source does not have any more and the table still has, a NUL after each. */
int lite_columns_gone(struct lite_sink *sink, const struct lite_table *table, struct cdc_buf *out,
                      struct cdc_error *error);
/* The same of those that were never the source's, but are somebody's own; without those that SQLite computes. */
int lite_columns_own(struct lite_sink *sink, const struct lite_table *table, struct cdc_buf *out,
                     struct cdc_error *error);
/* When a table was read again: those that the source does not have any more are dropped, or NULL where something uses them,
 * which is told. */
int lite_columns_drop_gone(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error);

/* -- reads.c: what the database keeps of tables that are read again, in cdc_reads -- */
/* Fills the table's members on reads from the database, once in a run and after each discard. */
int lite_reads_look(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
/* Forgets what the table knows of its reads. */
void lite_reads_forget(struct lite_table *table);
/* Its read is in that state ("open", "ended", "broken") from now on; number, of an open one, names its side. */
int lite_reads_note(struct lite_sink *sink, struct lite_table *table, const char *state, struct cdc_span pos,
                    int64_t number, struct cdc_error *error);
/* At the start: warns of tables whose reads were broken off. */
int lite_reads_report(struct lite_sink *sink, struct cdc_error *error);
static inline bool lite_reads_is_open(const struct lite_table *table)
{
    return table->side[0] != '\0';
}

/* -- parts.c: tables that are one here -- */
/* Fills the table's parts from the database. */
int lite_parts_look(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
void lite_parts_forget(struct lite_table *table);
/* The part of a line is in hand from now on; that of a row, if it is being read. Until lite_parts_leave. */
int lite_parts_enter(struct lite_table *table, const struct cdc_part *which, struct cdc_error *error);
void lite_parts_enter_row(struct lite_table *table, const struct cdc_event *event);
void lite_parts_leave(struct lite_table *table);
/* After leaving it for a moment. */
void lite_parts_return(struct lite_table *table, struct lite_part *part);
/* There is a new definition: whether a side fits, that of the whole table or of a part, has to be looked at. */
void lite_parts_unfit(struct lite_table *table);
/* As lite_reads_note, of the part in hand. */
int lite_parts_note(struct lite_sink *sink, const struct lite_table *table, const char *state, int64_t number,
                    struct cdc_error *error);
/* CONFIG when the table here has no such column, by which rows of a part are told. */
int lite_parts_check_column(struct lite_sink *sink, const struct lite_table *table, const char *column,
                            struct cdc_error *error);
/* Appends `"orders"."source_table"='shop1.orders'` of the part in hand. */
void lite_parts_append_condition(struct cdc_buf *sql, const struct lite_table *table);

/* -- part_rows.c -- */
/* Rows of a part, or of all that a prefix names, go. dropped: no end of a read comes. CONFIG when nothing in the table tells them. */
int lite_parts_empty(struct lite_sink *sink, struct lite_table *table, const struct cdc_part *part, bool dropped,
                     struct cdc_error *error);
/* Nothing of the table is to be kept. */
int lite_parts_break_off_all(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);

/* -- read.c: a table that is read again -- */
/* The line that begins a read. CONFIG when a table of that name is there and not ours. */
int lite_read_begin(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                    struct cdc_error *error);
/* Before a row of an open read. TEMPORARY when the rows so far have other columns. */
int lite_read_settle(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
/* A truncate of the log, of a read that goes on with it: what was read so far goes. */
int lite_read_empty(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);
/* The line that ends a read, which the table has been defined by: its rows are replaced. CONFIG when the line that began it
 * is missing. */
int lite_read_end(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                  struct cdc_error *error);
/* The log has changes of the table though its read has not ended: what was read is dropped. emptied: nothing of the table is to be
 * kept, so that no old row stays. */
int lite_read_break_off(struct lite_sink *sink, struct lite_table *table, bool emptied, struct cdc_error *error);

/* -- pieces.c -- */
#define LITE_PIECE 2000 /* rows */
/* A statement for rows of one table after the other: with the first and the last rowid of a piece as its parameters; without a name
 * for the rowid it has none, and is for all rows at once. */
struct lite_pieces {
    const char *table, *rowid;
    sqlite3_stmt *statement;
};
/* The rows of the table's side. */
struct lite_pieces lite_pieces_of_side(const struct lite_table *table);
/* Appends ` WHERE "t".rowid BETWEEN ?1 AND ?2`. */
void lite_pieces_append(struct cdc_buf *sql, const struct lite_pieces *pieces);
/* Appends ` AND ...`: rows of other parts stay as they are. */
void lite_pieces_append_part(struct cdc_buf *sql, const struct lite_table *table);
/* Runs what is in db.sql. */
int lite_pieces_run(struct lite_sink *sink, const struct lite_table *table, struct lite_pieces *pieces,
                    struct cdc_error *error);

/* -- own.c: columns that somebody has added, whose names are in `own`, each with its NUL -- */
/* Keeps what they have in the table temp.cdc_kept, which the caller drops. */
int lite_own_keep(struct lite_sink *sink, const struct lite_table *table, const struct cdc_buf *own,
                  struct cdc_error *error);
/* The rows of the side into the table, which has none. known: those that were here, with what was kept of them; else the others, in
 * which these columns get their defaults. */
int lite_own_insert(struct lite_sink *sink, const struct lite_table *table, const struct cdc_buf *own, bool known,
                    struct cdc_error *error);

/* -- replace.c -- */
/* The rows of the table become those of its side, in the form of the definition. In a transaction. */
int lite_replace_rows(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error);

/* -- fts.c -- */
int lite_fts_check_settings(const struct lite_settings *settings, struct cdc_error *error);
/* Can the index that --fts asks for be made of the table's columns, under its name? CONFIG when not. */
int lite_fts_check(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error);
/* Warns of each --fts that names no table of the database: of a typo no index comes. */
void lite_fts_report(struct lite_sink *sink);
int lite_fts_ensure(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error);
/* Fills TABLE_fts again, when there is one. */
int lite_fts_rebuild(struct lite_sink *sink, const char *table, struct cdc_error *error);
/* VACUUM gives rows new rowids where the key is no integer; the indexes are filled again then. */
int lite_fts_after_vacuum(struct lite_sink *sink, struct cdc_error *error);
int lite_fts_remember(struct lite_sink *sink, struct cdc_error *error);

/* -- statement.c -- */
enum lite_what {
    LITE_INSERT,         /* columns of the mask of after */
    LITE_UPSERT,         /* the same; a row with that key keeps its other columns */
    LITE_UPDATE_KEY,     /* columns of the mask of after, of the row with a key */
    LITE_DELETE_KEY,     /* by a key, as the next one */
    LITE_FIND_KEY,       /* is there such a row? */
    LITE_UPDATE_ROW,     /* columns of the mask of after, then those of before: one row that has these values */
    LITE_DELETE_ROW,     /* columns of the mask of before */
    LITE_WAIT,           /* the row of a key is copied to those that wait (waiting.c) */
    LITE_UPDATE_WAITING, /* as UPDATE_ROW and DELETE_ROW, of the rows that wait */
    LITE_DELETE_WAITING,
    LITE_RETURN, /* the first row that waits for a key comes back, and is removed there */
    LITE_DELETE_RETURNED
};
/* What one line, or one statement of it, came to. */
struct lite_outcome {
    int64_t rows; /* changed, or found */
    bool refused; /* the value is at fault: reason says why */
    char reason[300];
};
static inline bool lite_mask_has(const unsigned char *mask, size_t i)
{
    return mask[i / 8] >> i % 8 & 1;
}
/* Runs a statement on the line in hand: after, before and their masks are the table's, key is in key order. -1 without an
 * error when the line is refused; its statement has then changed nothing, unless a trigger says RAISE(FAIL). */
int lite_statement_run(struct lite_sink *sink, struct lite_table *table, enum lite_what what,
                       const struct cdc_span *key, struct lite_outcome *outcome, struct cdc_error *error);
/* Fills outcome; column may be NULL. Always -1. */
int lite_statement_refuse(struct lite_outcome *outcome, const char *table, const char *column, const char *why);

/* -- waiting.c: two rows with one key inside a transaction -- */
/* Before each line: in another transaction nothing waits. */
void lite_waiting_begin_line(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event);
/* After a schema line: the rows that wait get the columns of the new definition. before: the number of the old one. */
int lite_waiting_redefine(struct lite_sink *sink, struct lite_table *table, size_t before, struct cdc_error *error);
/* The row of that key waits from now on; it stays where it is, for the caller to replace or delete. */
int lite_waiting_add(struct lite_sink *sink, struct lite_table *table, const struct cdc_span *key,
                     struct lite_outcome *outcome, struct cdc_error *error);
/* A row that waits and has the values of `before` is removed, or gets those of `after`. outcome->rows is 0 when none has. */
int lite_waiting_remove(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome,
                        struct cdc_error *error);
int lite_waiting_update(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome,
                        struct cdc_error *error);
/* No row has that key any more: one that waits for it comes back. */
int lite_waiting_return(struct lite_sink *sink, struct lite_table *table, const struct cdc_span *key,
                        struct lite_outcome *outcome, struct cdc_error *error);

/* -- rows.c -- */
int lite_rows_apply(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                    struct cdc_error *error);

#endif
