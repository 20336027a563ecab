/* SPDX-License-Identifier: MIT */
/* What the files of the stream share; nobody else includes this. */
#ifndef MYSQL_STREAM_H
#define MYSQL_STREAM_H

#include "connectors/mysql/source.h"

/* Where reading begins. */
struct stream_start {
    uint64_t number;           /* C of the last complete transaction */
    uint64_t confirmed;        /* C that the sinks have stored, as the server counted that gave it; 0: nothing */
    uint32_t heartbeats;       /* that were written behind it */
    char *gtids;               /* complete with it; owned; "" when not known */
    struct binlog_place place; /* never behind the GTIDs */
    char server_uuid[128];     /* that place belongs to; "" when not known */
    int64_t file_created;      /* of place's file, as it says itself; 0 when not known */
    struct binlog_numbering numbering; /* of what is behind it */
};

/* The DDL statements between two places of the log (schema.c). */
struct binlog_schema {
    bool searched;
    struct binlog_place from, to;
    struct binlog_ddl *found;
    size_t n, bytes;
};

struct binlog_history;

struct binlog_stream {
    struct binlog_stream_settings settings;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    MYSQL *sql; /* the plain session */
    struct binlog_server server;
    struct binlog_packets *packets;
    struct binlog_decoder *decoder;
    struct stream_start start; /* of this connection */
    bool has_start;            /* start was settled once in this run */
    uint64_t cut;              /* C of a transaction that had lines out and no end when a connection broke; 0 */
    bool until_now, has_until_place;
    bool ends; /* the end lies in the log already: the server tells when there is no more */
    struct binlog_place until_place;
    int64_t until_ms;
    bool more; /* the decoder holds a payload */
    bool ended, received;
    struct binlog_schema schema;
    struct binlog_history *history;
    bool look; /* there may be tables whose columns are not known */
    int64_t next_look;
    /* See detour.c. For the next dump, and that of this one; no file: none. With the C of what was complete there. */
    struct binlog_place detour, taken;
    uint64_t detour_number, taken_number;
    struct cdc_error late; /* told once the lines before it were taken */
    struct cdc_offset boundary;
    bool announce; /* a first start: its place is told at once, so that the next one goes on from there */
    int64_t last_receive, last_line;
};

/* -- stream_until.c */
int binlog_stream_until_parse(struct binlog_stream *stream, const char *until, struct cdc_error *error);
/* "FILE:POSITION" */
/* Earlier, the same, or later in one server's log: <0, 0, >0. */
int binlog_place_compare(const struct binlog_place *a, const struct binlog_place *b);
bool binlog_stream_place_parse(const char *text, struct binlog_place *place);

/* -- binlog_stream_connect.c */
/* The number of the reader that another dump is. */
uint32_t binlog_stream_other_id(const struct binlog_stream *stream);
/* Another dump, from a place, or, where that is NULL, behind the GTIDs of the start, to the end that the log has now.
 * RETURNS NEW (mysql_close) */
MYSQL *binlog_stream_dump(struct binlog_stream *stream, const struct binlog_place *from, struct cdc_error *error);
int binlog_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error);
/* The plain session beside the dump: made when it is needed. */
int binlog_stream_ensure_sql(struct binlog_stream *stream, struct cdc_error *error);

/* -- stream.c */
void binlog_stream_disconnect(void *source);

/* -- describe.c: names, types and keys that the log does not tell, from information_schema */
int binlog_stream_describe(void *context, struct binlog_table *table, const struct binlog_place *place,
                           struct cdc_error *error);

void binlog_stream_left_out(void *context, const struct binlog_table *table, const struct binlog_column *column);

/* -- walk.c */
/* Reads the log from one place to another beside the stream, or until visit has seen enough; it gets every event but
 * FORMAT_DESCRIPTION and ROTATE. end: where reading ended; may be NULL. */
int binlog_walk(struct binlog_stream *stream, const struct binlog_place *from, const struct binlog_place *to,
                binlog_visit *visit, void *context, struct binlog_place *end, struct cdc_error *error);
/* The same for what is behind the GTIDs of the start, to the end. */
int binlog_walk_behind_start(struct binlog_stream *stream, binlog_visit *visit, void *context, struct cdc_error *error);
/* For the decoder: from a place to the end of its file. */
int binlog_stream_look_ahead(void *context, const struct binlog_place *from, uint64_t bytes, binlog_visit *visit,
                             void *visitor, struct cdc_error *error);
/* The GTID set that is complete at a place; "" where the server has none. RETURNS NEW (free) */
int binlog_gtids_at(struct binlog_stream *stream, const struct binlog_place *place, char **gtids,
                    struct cdc_error *error);

/* -- detour.c */
/* The server's log has a file that ends inside an event. */
bool binlog_is_cut_off(const struct cdc_error *error);
/* The file behind that one, from its beginning; no name: there is none. */
int binlog_next_file(struct binlog_stream *stream, const char *file, struct binlog_place *next,
                     struct cdc_error *error);
/* The dump broke: is there another way into what follows? Then the next one takes it, and the error becomes one to try
 * again after. Always -1. */
int binlog_stream_detour(struct binlog_stream *stream, struct cdc_error *error);
/* Where the dump that is made now begins instead of at stream->start; NULL: nowhere else. */
const struct binlog_place *binlog_stream_take_detour(struct binlog_stream *stream);

/* -- stream_start.c */
/* Settles stream->start, and checks that the server has what comes after it: LOST when not. */
int binlog_stream_start(struct binlog_stream *stream, const struct cdc_offset *from, struct cdc_error *error);
/* Is the start found by its GTIDs, not by file and position? */
bool binlog_stream_by_gtid(const struct binlog_stream *stream);
int binlog_stream_lost(struct cdc_error *error, const char *why);
/* SELECT GTID_SUBSET(a, b), of two expressions; 1, 0 or -1. */
int binlog_stream_is_subset(struct binlog_stream *stream, const char *a, const char *b, struct cdc_error *error);

/* -- stream_move.c: the log goes on at another server */
/* Once the start is settled and the server has it: stream->start.numbering. IO: the transaction that was cut off cannot go
 * on there; LOST: a sink has stored what that server does not have. */
int binlog_stream_number(struct binlog_stream *stream, struct cdc_error *error);

/* -- schema.c */
/* The names of the columns at a place of the log, where the log does not tell. CONFIG when they cannot be known. */
int binlog_schema_complete(struct binlog_stream *stream, struct binlog_table *table, const struct binlog_place *place,
                           struct cdc_error *error);
void binlog_schema_forget(struct binlog_schema *schema);
/* Lists the DDL statements from where the last search ended (or from `from`) up to `to`. */
int binlog_schema_search(struct binlog_stream *stream, const struct binlog_place *from, const struct binlog_place *to,
                         struct cdc_error *error);
/* Does one behind the place name the table? */
bool binlog_schema_is_named(const struct binlog_schema *schema, const char *table, const struct binlog_place *place);
void binlog_schema_each(const struct binlog_schema *schema, void (*visit)(void *context, struct cdc_span sql),
                        void *context);
/* The columns of a table (db and name) as of now, and an end of the log up to which no statement on it is missing. */
int binlog_schema_ask(struct binlog_stream *stream, const struct binlog_table *table, struct cdc_buf *columns,
                      struct binlog_place *end, struct cdc_error *error);

/* -- schema_kept.c */
/* Once the start is settled. resumes: from a position that the pipeline has reached before. */
int binlog_schema_connect(struct binlog_stream *stream, bool resumes, struct cdc_error *error);
/* Asks for the columns of all tables that are selected and not known, and keeps what holds at that place and moment. */
int binlog_schema_look(struct binlog_stream *stream, const struct binlog_place *place, struct binlog_moment moment,
                       struct cdc_error *error);
int binlog_schema_look_if_due(struct binlog_stream *stream, struct cdc_error *error);
void binlog_schema_altered(void *context, struct cdc_span sql);
int binlog_schema_save(struct binlog_stream *stream, struct cdc_error *error);

#endif
