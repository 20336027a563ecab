/* SPDX-License-Identifier: MIT */
/* One connection to an SQLite database: opened with the settings that durable commits need, its errors in the project's
 * terms. It knows neither lines nor tables. */
#ifndef LITE_DATABASE_H
#define LITE_DATABASE_H

#include <sqlite3.h>
#include <sys/types.h>

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>
#include <cdc/log.h>

/* How long another process' lock is waited for. */
struct lite_patience {
    int64_t retry_max; /* attempts after the first, of 5 s each; -1: for ever */
    const struct cdc_control *control;
    uint64_t *retries; /* counted up; may be NULL */
};

struct lite_database {
    sqlite3 *handle;
    const struct cdc_control *control; /* BORROWED */
    int64_t locked_since;              /* when SQLite began to wait for a lock; 0: it does not */
    const char *path;                  /* BORROWED */
    const struct cdc_log *log;         /* BORROWED */
    struct cdc_buf sql;                /* a statement in the making */
    ino_t wal;                         /* that of its -wal; 0: not seen yet */
    bool in_transaction;
};

/* Waits for locks as lite_database_begin. lite_database_close is for one whose opening failed as well. */
int lite_database_open(struct lite_database *database, const char *path, const struct lite_patience *patience,
                       const struct cdc_log *log, struct cdc_error *error);
void lite_database_close(struct lite_database *database);

/* Sets the error that SQLite's code and its message stand for; what: what was tried. Always -1. */
int lite_database_error(struct lite_database *database, int code, const char *what, struct cdc_error *error);
/* Is the value at fault, so that another line may do better? */
bool lite_database_is_value_error(int code);

int lite_database_exec(struct lite_database *database, const char *sql, struct cdc_error *error);
/* Executes what is in database->sql and empties it. */
int lite_database_exec_made(struct lite_database *database, struct cdc_error *error);
/* RETURNS NEW (sqlite3_finalize); NULL on error. */
sqlite3_stmt *lite_database_prepare(struct lite_database *database, const char *sql, struct cdc_error *error);
/* The same of what is in database->sql, which is emptied. keep: the statement will be used many times. */
sqlite3_stmt *lite_database_prepare_made(struct lite_database *database, bool keep, struct cdc_error *error);
/* The first column of the first row; -1 where there is none. */
int lite_database_number(struct lite_database *database, const char *sql, int64_t *number, struct cdc_error *error);

/* Begins a transaction that has the write lock already. UNAVAILABLE when it stays locked, TEMPORARY when the wait was
 * ended by a signal. */
int lite_database_begin(struct lite_database *database, const struct lite_patience *patience, struct cdc_error *error);
/* CONFIG also when it is committed, but to a file that is no longer at the path: nobody will find it there. */
int lite_database_commit(struct lite_database *database, struct cdc_error *error);
void lite_database_roll_back(struct lite_database *database);
/* CONFIG: SQLite is in no transaction any more, though we are: a trigger with RAISE(ROLLBACK) has ended it. Always -1. */
int lite_database_lost_transaction(struct lite_database *database, const char *what, struct cdc_error *error);

/* Appends "name" quoted as an identifier. */
void lite_database_quote(struct cdc_buf *out, const char *name);
/* Appends 'text' quoted as a literal. */
void lite_database_quote_text(struct cdc_buf *out, const char *text);

#endif
