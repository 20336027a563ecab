/* SPDX-License-Identifier: MIT */
/* MySQL and MariaDB as a source: connections, checks, the stream and files of the binary log. */
#ifndef MYSQL_SOURCE_H
#define MYSQL_SOURCE_H

#include "connectors/mysql/decoder/decoder.h"

#include <cdc/control.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/options.h>
#include <cdc/source.h>
#include <mysql.h>

/* -- connection (connection.c) ------------------------------------------------------ */
struct binlog_connection_settings {
    const char *url;           /* mysql://user:password@host:port/db?ssl-mode=..., mariadb://; or "" */
    const char *defaults_file; /* option file; NULL: the usual ones */
    const char *password;      /* when the URL has none; NULL */
    const char *tool;          /* also the option file's group, beside [client] */
};
/* The URL, taken apart. Members are owned; NULL where not given. */
struct binlog_url {
    char *user, *password, *host, *db, *socket, *ssl_mode, *ssl_ca, *ssl_cert, *ssl_key, *public_key;
    unsigned port;
};
/* USAGE when it is none. The text appears in no message: it may hold a password. */
int binlog_url_parse(struct binlog_url *url, const char *text, struct cdc_error *error);
void binlog_url_free(struct binlog_url *url);
/* Connects; the session is pinned (UTC, utf8mb4, no sql_mode surprises). Errors: PERMISSION for a wrong password or
 * privilege, CONFIG for a database that does not exist, UNAVAILABLE else. RETURNS NEW (mysql_close). */
MYSQL *binlog_connect(const struct binlog_connection_settings *settings, struct cdc_error *error);
/* Sets the error of a failed call: 1044 1045 1142 1227 PERMISSION; connection errors and shutdown UNAVAILABLE; 1236 LOST
 * (or CONFIG: another reader has our server id); else PROTOCOL. Always -1. */
int binlog_mysql_error(MYSQL *mysql, const char *what, struct cdc_error *error);
/* The same for a number and a text that were kept. */
int binlog_error_of(unsigned number, const char *text, const char *what, struct cdc_error *error);
/* An inserted row of the log lacks that column. */
void binlog_warn_left_out(const struct cdc_log *log, const struct binlog_table *table,
                          const struct binlog_column *column);
/* Runs a statement and keeps its result; NULL on errors, and for statements without one when *error stays clear. */
MYSQL_RES *binlog_query(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);
int binlog_execute(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);
/* One value, or NULL when there is none (no row, NULL, error). RETURNS NEW (free). */
char *binlog_query_value(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error);

/* Appends `name`, quoted. */
void binlog_append_identifier(struct cdc_buf *out, const char *name);

/* -- the server (server.c) --------------------------------------------------------------- */
struct binlog_server {
    enum binlog_flavor flavor;
    unsigned version; /* 80404, 101106 */
    char uuid[128];   /* server_uuid; MariaDB has none: server_id/hostname:port */
    bool gtid;        /* MariaDB: always; MySQL: gtid_mode ON */
    bool full_metadata;
    bool checksums; /* its events end in a CRC32 */
    bool
        lower_case_names; /* lower_case_table_names=1: rows come under names in lower case, statements as they were typed */
};
int binlog_server_flavor(MYSQL *mysql, enum binlog_flavor *flavor, struct cdc_error *error);
/* Asks what it is; CONFIG when its log cannot be read (off, statement format ...), with the cure. */
int binlog_server_read(MYSQL *mysql, struct binlog_server *server, struct cdc_error *error);
/* The end of the log: file, position and the GTID set there (RETURNS NEW). */
int binlog_server_end(MYSQL *mysql, const struct binlog_server *server, struct binlog_place *place, char **gtids,
                      struct cdc_error *error);
/* The oldest place that there is. */
int binlog_server_oldest(MYSQL *mysql, const struct binlog_server *server, struct binlog_place *place, char **gtids,
                         struct cdc_error *error);
/* A global variable's value; "" when the server has none of that name. RETURNS NEW (free); NULL on errors. */
char *binlog_server_variable(MYSQL *mysql, const char *name, struct cdc_error *error);

/* The number of a reader of the log, where none is given: the same for the same pipeline, unique among readers. */
uint32_t binlog_reader_id(uint32_t given, const char *name);

/* -- a dump on a session of its own, which is of no other use then (stream_connect.c, walk.c) ------ */
/* Asks for the log from a place to the end that it has now. */
int binlog_dump(MYSQL *mysql, const struct binlog_server *server, uint32_t reader_id, const struct binlog_place *from,
                struct cdc_error *error);
/* When the server began that file, as it says itself: seconds since 1970; 0 when it does not say. */
int binlog_file_created(MYSQL *mysql, const struct binlog_server *server, uint32_t reader_id, const char *file,
                        uint32_t *created, struct cdc_error *error);

/* -- checks (check.c) ------------------------------------------------------------------------ */
/* Which tables: patterns as -t and -T have them. */
struct binlog_patterns {
    const char *const *include, *const *exclude;
    size_t n_include, n_exclude;
};
/* --check: one finding a line through log, each with its cure; 0, or -1 with CONFIG when the pipe would lose or stop.
 * reader_id: what the reader would be. */
int binlog_check(const struct binlog_connection_settings *settings, const struct binlog_patterns *patterns,
                 uint32_t reader_id, const struct cdc_log *log, struct cdc_error *error);
/* Warns of foreign keys whose cascades the server does not log; for every start. */
int binlog_warn_of_cascades(MYSQL *mysql, const struct binlog_server *server, const struct binlog_patterns *patterns,
                            const struct cdc_log *log, struct cdc_error *error);

/* -- packets (packets.c) -----------------------------------------------------------------
 * The client library reads blocking; a thread of its own does, and hands the events over in blocks. Not more than a block
 * and an event wait on either side. */
struct binlog_packets;
/* The connection has been sent its dump command; it is TAKEN (closed by free). RETURNS NEW */
struct binlog_packets *binlog_packets_new(MYSQL *mysql, struct cdc_error *error);
void binlog_packets_free(struct binlog_packets *packets);
int binlog_packets_descriptor(const struct binlog_packets *packets);
struct binlog_part; /* wire.h */
/* 1: a part, BORROWED until the next call; 0: none now; 2: the server said that this is the end; -1: error. */
int binlog_packets_next(struct binlog_packets *packets, struct binlog_part *part, struct cdc_error *error);

/* -- the stream (stream.c) ---------------------------------------------------------------- */
struct binlog_stream_settings {
    struct binlog_connection_settings connection;
    const char *name; /* of the pipeline */
    const char *const *include, *const *exclude;
    size_t n_include, n_exclude;
    struct binlog_value_style style;
    const char *start; /* of a first start: "now", "oldest", FILE:POSITION, a GTID set; NULL: now */
    const char *until; /* "now", FILE:POSITION, an RFC 3339 time; NULL */
    double heartbeat;
    int64_t max_events;
    uint32_t server_id;           /* 0: made of host and name */
    const char *xa_folder;        /* see decoder.h; NULL */
    const char *schema_file;      /* see history.h; NULL */
    const struct cdc_offset *own; /* what the pipeline's own offset file has at the start; NULL. BORROWED until then */
    struct cdc_acks *acks;        /* what the sinks have stored; NULL. BORROWED */
    bool resume_only;             /* a position exists somewhere */
    const struct cdc_offset *snapshot; /* where a snapshot says that the log begins; NULL. BORROWED */
};
/* USAGE when text is none of what start may be. */
int binlog_start_check(const char *text, struct cdc_error *error);
struct binlog_stream;
extern const struct cdc_source_ops binlog_stream_ops;
struct binlog_stream *binlog_stream_new(const struct binlog_stream_settings *settings, struct cdc_metrics *metrics,
                                        const struct cdc_log *log, struct cdc_error *error);
void binlog_stream_free(struct binlog_stream *stream);

/* -- files (file.c) --------------------------------------------------------------------------
 * Decodes the files one after the other into output_fd. */
struct binlog_file_settings {
    const char *const *files;
    size_t n_files;
    const char *name;
    const char *const *include, *const *exclude;
    size_t n_include, n_exclude;
    struct binlog_value_style style;
    int64_t max_events;
    int output_fd;
    /* A server that still has the tables as they were, for columns that the files do not name; NULL: none */
    const struct binlog_connection_settings *schema_from;
};
int binlog_file_run(const struct binlog_file_settings *settings, struct cdc_control *control,
                    struct cdc_metrics *metrics, const struct cdc_log *log, struct cdc_error *error);

/* -- names and types (describe.c) -----------------------------------------------------------
 * A query of information_schema about one table: head ends before the database's literal. RETURNS NEW */
MYSQL_RES *binlog_query_table(MYSQL *mysql, const char *head, const char *tail, const struct binlog_table *table,
                              struct cdc_error *error);
/* EXTRA of information_schema.COLUMNS */
bool binlog_is_generated(const char *extra);
/* All columns of the table, by its names alone, as text for binlog_columns_apply (columns_read.c): 1; 0: there is no such
 * table, or it may not be seen; -1. */
int binlog_columns_read(MYSQL *sql, enum binlog_flavor flavor, const struct binlog_table *table,
                        struct cdc_buf *columns, struct cdc_error *error);
/* What information_schema adds to named columns: the types' names, what is generated, MariaDB's JSON. */
int binlog_describe(MYSQL *mysql, enum binlog_flavor flavor, struct binlog_table *table, struct cdc_error *error);

/* -- which tables (selection.c) ---------------------------------------------------------------
 * Those named by -t; else those of the URL's database; else all but the servers' own. */
struct binlog_selection {
    struct binlog_patterns patterns;
    const char **include, **exclude;
    char *database_pattern;
};
/* BORROWS the lists' texts; to be freed in any case. db: NULL where the URL names none. */
int binlog_select(struct binlog_selection *selection, const struct cdc_option_list *tables,
                  const struct cdc_option_list *exclude, const char *db, struct cdc_error *error);
void binlog_selection_free(struct binlog_selection *selection);

/* -- the snapshot (snapshot.c) ------------------------------------------------------------------ */
struct binlog_snapshot_settings {
    struct binlog_connection_settings connection;
    const char *name; /* of the pipeline */
    struct binlog_patterns patterns;
    bool named; /* by -t: none of that name is an error */
    struct binlog_value_style style;
    int64_t chunk_rows; /* rows between commit lines */
    size_t jobs;        /* sessions that read; at least 1 */
    bool progress;
    int output_fd;
};
/* Does the whole snapshot unless it is finished. offsets: its own file; acks: NULL where what is written is stored. */
int binlog_snapshot_run(const struct binlog_snapshot_settings *settings, struct cdc_offset_file *offsets,
                        struct cdc_acks *acks, struct cdc_control *control, struct cdc_metrics *metrics,
                        const struct cdc_log *log, struct cdc_error *error);

#endif
