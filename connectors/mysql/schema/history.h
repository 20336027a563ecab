/* SPDX-License-Identifier: MIT */
/* The columns that tables had, from which moment of the stream to which: where the log does not name columns, rows that
 * were logged before a DDL statement are read by what was known before it.
 *
 * A table's columns hold from the moment at which they were proved to the next DDL statement that names the table. That is
 * sound as long as every statement between is seen: by one process that reads the log without a gap, or by several, of
 * which each begins where the offset file says. So a file is bound to
 *   the server: at another one all is forgotten;
 *   the pipeline's offset file: that keeps a token of it (id and generation), and one that is older, or another one's, is
 *   not taken;
 *   a place: it is in step with the log up to there. Where reading begins behind that (a sink was told of more than the
 *   offset file), the statements between are looked for first.
 * What ends is in the file before a line behind it is written. A file that cannot be taken costs no more than the proof by
 * the log that a first start needs, too. */
#ifndef MYSQL_HISTORY_H
#define MYSQL_HISTORY_H

#include "connectors/mysql/decoder/decoder.h"

/* Up to where of the log it is in step. */
struct binlog_history_mark {
    uint64_t number; /* C of the last transaction that is complete there */
    struct binlog_place place;
};

struct binlog_history;
/* path: NULL keeps nothing; name: of the pipeline. RETURNS NEW */
struct binlog_history *binlog_history_new(const char *path, const char *name, struct cdc_error *error);
void binlog_history_free(struct binlog_history *history);

/* Of that server, and nothing known. keep: there will be: the file is made, so that the offset file's token finds it. */
int binlog_history_begin(struct binlog_history *history, const char *server, bool keep, struct cdc_error *error);
bool binlog_history_is_of(const struct binlog_history *history, const char *server);
/* Takes the file, if it has that server and that token, or a newer generation: 1 and *mark; 0 when not; -1: it cannot be
 * read, or CONFIG: it is damaged, foreign, or of a newer version. */
int binlog_history_load(struct binlog_history *history, const char *server, struct cdc_span token,
                        struct binlog_history_mark *mark, struct cdc_error *error);
/* Durable when it returns. Nothing is written when nothing has changed. CONFIG: there is a file of that name, and it is
 * none of this pipeline's. */
int binlog_history_save(struct binlog_history *history, const struct binlog_history_mark *mark,
                        struct cdc_error *error);
/* `{"schema":"ID.GENERATION"}`, for the offset file; NULL where nothing is kept. BORROWED until the next save. */
char *binlog_history_state(struct binlog_history *history);

/* The columns (columns.c) at a moment, BORROWED until the next change; {NULL, 0}: not known. */
struct cdc_span binlog_history_find(const struct binlog_history *history, const char *db, const char *table,
                                    struct binlog_moment moment);
/* They hold from that moment on. Not kept when there is too much already. */
int binlog_history_add(struct binlog_history *history, const char *db, const char *table, struct binlog_moment from,
                       struct cdc_span columns, struct cdc_error *error);
/* A DDL statement (UTF-8) at a moment ends what holds then of the tables that it names. */
void binlog_history_alter(struct binlog_history *history, struct cdc_span sql, struct binlog_moment moment);
/* The same where the moment is not known: all of those tables goes. */
void binlog_history_forget(struct binlog_history *history, struct cdc_span sql);
/* Reading never begins before transaction `number` again: what had ended by then goes. */
void binlog_history_confirm(struct binlog_history *history, uint64_t number);
bool binlog_history_is_full(const struct binlog_history *history);

/* -- columns.c: what is kept of a table's columns, as JSON text: [["name","type","collation",FLAGS],...] */
enum {
    BINLOG_KEPT_NULLABLE = 1,
    BINLOG_KEPT_KEY = 2,
    BINLOG_KEPT_GENERATED = 4,
    BINLOG_KEPT_ROW_END = 8 /* see struct binlog_table */
};
void binlog_columns_add(struct cdc_buf *columns, const char *name, const char *type, const char *collation,
                        unsigned flags);
void binlog_columns_end(struct cdc_buf *columns);
/* Compares them with what the log tells of the table (count, types, lengths, signs, charsets, NULL), and completes it. 1;
 * 0: they do not fit, *why says in what; -1. */
int binlog_columns_apply(struct cdc_span columns, struct binlog_table *table, enum binlog_flavor flavor,
                         const char **why, struct cdc_error *error);
/* Could a column of that type's name have been logged with this type? Only what matters for values is looked at. */
bool binlog_type_fits(const struct binlog_column *column, const char *type);

#endif
