/* SPDX-License-Identifier: MIT */
/* Who asks a server asks here: connections, statements, and one session that comes back when it is lost. */
#ifndef MY_SESSION_H
#define MY_SESSION_H

#include "connectors/mysql/session/server.h"

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>
#include <cdc/selection.h>
#include <mysql.h>

struct my_session_settings {
    const char *url;                   /* mysql://user:password@host:port/db?ssl-mode=..., mariadb://; or "" */
    const char *defaults_file;         /* option file; NULL: the usual ones */
    const char *password;              /* when the URL has none; NULL */
    const char *tool;                  /* also the option file's group, beside [client] */
    const struct cdc_control *control; /* ends all waits for a server, see wait.h; NULL */
    int stop_at;                       /* at this stop, 1 or 2 */
};

/* -- one session (session.c) -------------------------------------------------------------------
 * Where to connect, what the server is, and a plain connection for questions. Dumps of the log have connections of their
 * own (dump.h, log_read.h), and leave this one alone. */
struct my_session {
    struct my_session_settings settings; /* texts are BORROWED */
    uint32_t replica_id;                 /* as a reader of the log */
    struct my_server server;             /* as my_session_read_server found it */
    MYSQL *sql;                          /* session.c alone reads this */
};
/* Connects to nothing yet. */
void my_session_init(struct my_session *session, const struct my_session_settings *settings, uint32_t replica_id);
/* The connection, alive now: made at the first call, and again after it was lost. So nobody keeps it: what was set up on it
 * (a transaction, a variable) may be gone at the next call. It stays with the server that my_session_read_server has found:
 * UNAVAILABLE when another one answers. BORROWED; NULL on errors. */
MYSQL *my_session_sql(struct my_session *session, struct cdc_error *error);
/* One more connection, to the server that my_session_read_server has found: UNAVAILABLE when it leads to another one.
 * RETURNS NEW (mysql_close). */
MYSQL *my_session_beside(const struct my_session *session, struct cdc_error *error);
/* Asks again what the server is: it may be another one after a failover. */
int my_session_read_server(struct my_session *session, struct cdc_error *error);
/* Ends the connection; the next my_session_sql makes a new one. */
void my_session_close(struct my_session *session);

/* -- connections and statements (connection.c) ---------------------------------------------------
 * Connects; the session is pinned (UTC, utf8mb4, no sql_mode surprises). Errors: PERMISSION for a wrong password or
 * privilege, CONFIG for a database that does not exist, UNAVAILABLE else. RETURNS NEW (mysql_close). */
MYSQL *my_session_connect(const struct my_session_settings *settings, struct cdc_error *error);
/* Does the server take one more connection, or at least say why not? That it is silent, or not there, is no answer; that it could not be
 * asked is none of its. Any thread. */
bool my_session_answers(const struct my_session_settings *settings);
/* Runs a statement and keeps its result; NULL on errors, and for statements without one when *error stays clear. */
MYSQL_RES *my_session_query(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);
/* The result of a statement that was sent, in place of mysql_store_result: a column that is not there reads as NULL, up to
 * 32 of them (a server answers what it was asked; what sits between may not), and an answer without an end is PROTOCOL.
 * NULL as above. Freed with mysql_free_result. */
MYSQL_RES *my_session_store(MYSQL *mysql, const char *what, struct cdc_error *error);
int my_session_execute(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);
/* One value, or NULL when it is NULL, or on errors: a question for a value is answered with a row, and one without is PROTOCOL.
 * RETURNS NEW (free). */
char *my_session_value(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);
/* Appends `name`, quoted. */
void my_session_append_identifier(struct cdc_buf *out, const char *name);
/* Appends 'text', escaped. */
void my_session_append_literal(struct cdc_buf *out, MYSQL *mysql, const char *text);
/* `db`.`table` */
void my_session_append_table(struct cdc_buf *out, const char *db, const char *table);

/* -- errors (error.c) ----------------------------------------------------------------------------
 * Sets the error of a failed call: a right that lacks PERMISSION; 1236 LOST (or CONFIG: another reader has our server id); a
 * statement that the server does not understand PROTOCOL; connection errors, limits, shutdown, and what is not known, with its
 * number, UNAVAILABLE. Always -1. */
int my_session_error(MYSQL *mysql, const char *what, struct cdc_error *error);
/* The same for a number and a text that were kept. */
int my_session_error_of(unsigned number, const char *text, const char *what, struct cdc_error *error);
/* Is it known to be of the connection, or of the moment, and not of the table that was asked for? */
bool my_session_error_passes(unsigned number);

/* -- which tables (selection.c) --------------------------------------------------------------- */
/* Completes what -t and -T say: without -t the tables of the URL's database are read (db; NULL where it names none), else
 * all but the servers' own. *pattern RETURNS NEW (free) what the selection then borrows, or NULL. */
int my_selection_complete(struct cdc_selection *selection, const char *db, char **pattern, struct cdc_error *error);
/* For a state that is kept: appends {"include":["shop.*"],"exclude":[]}. */
void my_selection_append(struct cdc_buf *out, const struct cdc_selection *selection);
/* `,"columns":[...]`, where --columns names any; and does the object have the very same? */
void my_selection_append_columns(struct cdc_buf *out, const struct cdc_selection *selection);
bool my_selection_has_columns(struct cdc_span object, const struct cdc_selection *selection);
/* The same, read; CONFIG when it is damaged. *kept is to be freed in any case. */
struct my_kept_selection {
    struct cdc_selection selection; /* of texts in: */
    struct cdc_buf text;
};
int my_selection_read(struct my_kept_selection *kept, struct cdc_span object, struct cdc_error *error);
void my_selection_free_kept(struct my_kept_selection *kept);
/* Did that add the pattern to those of -T? */
bool my_selection_is_own(const char *pattern);

/* The error of a server that goes on without its log (my_server_log_is_off): always -1. */
int my_session_log_off_error(struct cdc_error *error, int status);

#endif
