/* SPDX-License-Identifier: MIT */
/* The columns that tables had, from which point of the stream to which: where the log does not name columns, rows that
 * were logged before a DDL statement are read by what was known before it.
 *
 * A table's columns hold from the point at which they were proved to the next DDL statement that names the table. That is
 * sound as long as every statement between is seen: by one process that reads the log without a gap, or by several, of
 * which each begins where the offset file says. So a file is bound to
 *   the server: at another one all is forgotten;
 *   the pipeline's offset file: that keeps a token of it (id and generation), and one that is older, or another one's, is
 *   not taken;
 *   coordinates: it is in step with the log up to there. Where reading begins after that (a sink has stored more than the
 *   offset file says), the statements between are looked for first.
 * What ends is in the file before a line after it is written. A file that cannot be taken costs no more than the proof by
 * the log that a first start needs, too. */
#ifndef MY_HISTORY_H
#define MY_HISTORY_H

#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/event/coord.h"

#include <cdc/buf.h>
#include <cdc/error.h>

/* Up to where of the log it is in step. */
struct my_history_synced {
    uint64_t number; /* of the last transaction that is complete there */
    struct my_coord coord;
};

struct my_history;
/* path: NULL keeps nothing; name: of the pipeline. RETURNS NEW */
struct my_history *my_history_new(const char *path, const char *name, struct cdc_error *error);
void my_history_free(struct my_history *history);

/* Of that server, and nothing known. keep: there will be: the file is made, so that the offset file's token finds it. */
int my_history_begin(struct my_history *history, const char *server, bool keep, struct cdc_error *error);
bool my_history_is_of(const struct my_history *history, const char *server);
/* Takes the file, if it has that server and that token, or a newer generation: 1 and *synced; 0 when not; -1: it cannot be
 * read, or CONFIG: it is damaged, foreign, or of a newer version. */
int my_history_load(struct my_history *history, const char *server, struct cdc_span token,
                    struct my_history_synced *synced, struct cdc_error *error);
/* Durable when it returns. Nothing is written when nothing has changed. CONFIG: there is a file of that name, and it is
 * none of this pipeline's. */
int my_history_save(struct my_history *history, const struct my_history_synced *synced, struct cdc_error *error);
/* `{"schema":"ID.GENERATION"}`, for the offset file; NULL where nothing is kept. BORROWED until the next save. */
char *my_history_state(struct my_history *history);

/* The columns (columns.h) at a point, BORROWED until the next change; {NULL, 0}: not known. */
struct cdc_span my_history_find(const struct my_history *history, const char *db, const char *table,
                                struct my_point point);
/* The same of what nobody has asked for since a statement: what it left of the columns of before (follow.h). */
struct cdc_span my_history_derived(const struct my_history *history, const char *db, const char *table,
                                   struct my_point point);
/* They hold from that point on. Not kept when there is too much already. */
int my_history_add(struct my_history *history, const char *db, const char *table, struct my_point from,
                   struct cdc_span columns, struct cdc_error *error);
/* A DDL statement (UTF-8) at a point ends what holds there of the tables that it names, unless it leaves all columns as they are. db: of
 * the session; NULL where that does not tell the table. */
void my_history_alter(struct my_history *history, struct cdc_span sql, struct cdc_span db, struct my_point point);
/* The same where the point is not known: all that is kept of those tables goes. */
void my_history_forget(struct my_history *history, struct cdc_span sql);
/* Reading never begins before transaction `number` again: what had ended by then goes. */
void my_history_confirm(struct my_history *history, uint64_t number);
bool my_history_is_full(const struct my_history *history);

#endif
