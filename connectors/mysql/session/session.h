/* SPDX-License-Identifier: MIT */
/* Who asks a server asks here: connections, what the server is, dumps of its log. */
#ifndef MY_SESSION_H
#define MY_SESSION_H

#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/selection.h>
#include <mysql.h>

struct my_session_settings {
    const char *url;           /* mysql://user:password@host:port/db?ssl-mode=..., mariadb://; or "" */
    const char *defaults_file; /* option file; NULL: the usual ones */
    const char *password;      /* when the URL has none; NULL */
    const char *tool;          /* also the option file's group, beside [client] */
};
/* The URL, taken apart. Members are owned; NULL where not given. */
struct my_url {
    char *user, *password, *host, *db, *socket, *ssl_mode, *ssl_ca, *ssl_cert, *ssl_key, *public_key;
    unsigned port;
};
/* USAGE when it is none. The text appears in no message: it may hold a password. */
int my_url_parse(struct my_url *url, const char *text, struct cdc_error *error);
void my_url_free(struct my_url *url);
/* Connects; the session is pinned (UTC, utf8mb4, no sql_mode surprises). Errors: PERMISSION for a wrong password or
 * privilege, CONFIG for a database that does not exist, UNAVAILABLE else. RETURNS NEW (mysql_close). */
MYSQL *my_session_connect(const struct my_session_settings *settings, struct cdc_error *error);
/* Sets the error of a failed call: 1044 1045 1142 1227 PERMISSION; connection errors and shutdown UNAVAILABLE; 1236 LOST
 * (or CONFIG: another reader has our server id); else PROTOCOL. Always -1. */
int my_session_error(MYSQL *mysql, const char *what, struct cdc_error *error);
/* The same for a number and a text that were kept. */
int my_session_error_of(unsigned number, const char *text, const char *what, struct cdc_error *error);
/* An inserted row of the log lacks that column. */
void my_catalog_warn_omitted(const struct cdc_log *log, const struct my_table *table, const struct my_column *column);
/* Runs a statement and keeps its result; NULL on errors, and for statements without one when *error stays clear. */
MYSQL_RES *my_session_query(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);
int my_session_execute(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);
/* One value, or NULL when there is none (no row, NULL, error). RETURNS NEW (free). */
char *my_session_value(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);

/* Appends `name`, quoted. */
void my_session_append_identifier(struct cdc_buf *out, const char *name);
/* `db`.`table` */
void my_session_append_table(struct cdc_buf *out, const char *db, const char *table);

/* -- the server (server.c) --------------------------------------------------------------- */
struct my_server {
    enum my_flavor flavor;
    unsigned version; /* 80404, 101106 */
    char uuid[128];   /* server_uuid; MariaDB has none: server_id/hostname:port */
    bool gtid;        /* MariaDB: always; MySQL: gtid_mode ON */
    bool full_metadata;
    bool checksums; /* its events end in a CRC32 */
    bool
        lower_case_names; /* lower_case_table_names=1: rows come under names in lower case, statements as they were typed */
};
int my_server_flavor(MYSQL *mysql, enum my_flavor *flavor, struct cdc_error *error);
/* Asks what it is; CONFIG when its log cannot be read (off, statement format ...), with the cure. */
int my_server_read(MYSQL *mysql, struct my_server *server, struct cdc_error *error);
/* The end of the log: file, position and the GTID set there (RETURNS NEW). */
int my_server_end(MYSQL *mysql, const struct my_server *server, struct my_coord *coord, char **gtids,
                  struct cdc_error *error);
/* The oldest place that there is. */
int my_server_oldest(MYSQL *mysql, const struct my_server *server, struct my_coord *coord, char **gtids,
                     struct cdc_error *error);
/* A global variable's value; "" when the server has none of that name. RETURNS NEW (free); NULL on errors. */
char *my_server_variable(MYSQL *mysql, const char *name, struct cdc_error *error);

/* The number of a reader of the log, where none is given: the same for the same pipeline, unique among readers. */
uint32_t my_replica_id(uint32_t given, const char *name);

/* -- a dump on a session of its own, which is of no other use then (stream_connect.c, walk.c) ------ */
/* Asks for the log from a place to the end that it has now. */
int my_dump_begin(MYSQL *mysql, const struct my_server *server, uint32_t replica_id, const struct my_coord *from,
                  struct cdc_error *error);
/* When the server began that file, as it says itself: seconds since 1970; 0 when it does not say. */
int my_dump_file_created(MYSQL *mysql, const struct my_server *server, uint32_t replica_id, const char *file,
                         uint32_t *created, struct cdc_error *error);

/* -- which tables (selection.c) --------------------------------------------------------------- */
/* Completes what -t and -T say: without -t the tables of the URL's database are read (db; NULL where it names none), else
 * all but the servers' own. *pattern RETURNS NEW (free) what the selection then borrows, or NULL. */
int my_selection_complete(struct cdc_selection *selection, const char *db, char **pattern, struct cdc_error *error);

#endif
