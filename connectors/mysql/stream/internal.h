/* SPDX-License-Identifier: MIT */
/* What the files of the stream share; nobody else includes this. */
#ifndef MY_STREAM_INTERNAL_H
#define MY_STREAM_INTERNAL_H

#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/numbering.h"
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/schema/history.h"
#include "connectors/mysql/session/packets.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/stream/stream.h"
#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>

/* Where reading begins. */
struct my_start {
    uint64_t number;               /* C of the last complete transaction */
    uint64_t confirmed;            /* C that the sinks have stored, as the server counted that gave it; 0: nothing */
    uint32_t heartbeats;           /* that were written behind it */
    char *gtids;                   /* complete with it; owned; "" when not known */
    struct my_coord coord;         /* never behind the GTIDs */
    char server_uuid[128];         /* that place belongs to; "" when not known */
    int64_t file_created;          /* of place's file, as it says itself; 0 when not known */
    struct my_numbering numbering; /* of what is behind it */
};

/* The DDL statements between two places of the log (schema.c). */
struct my_schema {
    bool searched;
    struct my_coord from, to;
    struct my_ddl *found;
    size_t n, bytes;
};

struct my_history;

struct my_stream {
    struct my_stream_settings settings;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    MYSQL *sql; /* the plain session */
    struct my_server server;
    struct my_packets *packets;
    struct my_decoder *decoder;
    struct my_start start; /* of this connection */
    bool has_start;        /* start was settled once in this run */
    uint64_t cut;          /* C of a transaction that had lines out and no end when a connection broke; 0 */
    bool until_now, has_until_coord;
    bool ends; /* the end lies in the log already: the server tells when there is no more */
    struct my_coord until_coord;
    int64_t until_ms;
    bool more; /* the decoder holds a payload */
    bool ended, received;
    struct my_schema schema;
    struct my_history *history;
    bool look; /* there may be tables whose columns are not known */
    int64_t next_look;
    /* See detour.c. For the next dump, and that of this one; no file: none. With the C of what was complete there. */
    struct my_coord detour, taken;
    uint64_t detour_number, taken_number;
    struct cdc_error late; /* told once the lines before it were taken */
    struct cdc_offset boundary;
    bool announce; /* a first start: its place is told at once, so that the next one goes on from there */
    int64_t last_receive, last_line;
};

/* -- stream_until.c */
int my_stream_until_parse(struct my_stream *stream, const char *until, struct cdc_error *error);
/* "FILE:POSITION" */
/* Earlier, the same, or later in one server's log: <0, 0, >0. */
int my_coord_compare(const struct my_coord *a, const struct my_coord *b);
bool my_coord_parse(const char *text, struct my_coord *coord);

/* -- my_stream_connect.c */
/* The number of the reader that another dump is. */
uint32_t my_stream_other_id(const struct my_stream *stream);
/* Another dump, from a place, or, where that is NULL, behind the GTIDs of the start, to the end that the log has now.
 * RETURNS NEW (mysql_close) */
MYSQL *my_stream_dump(struct my_stream *stream, const struct my_coord *from, struct cdc_error *error);
int my_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error);
/* The plain session beside the dump: made when it is needed. */
int my_stream_ensure_sql(struct my_stream *stream, struct cdc_error *error);

/* -- stream.c */
void my_stream_disconnect(void *source);

/* -- describe.c: names, types and keys that the log does not tell, from information_schema */
int my_stream_describe(void *context, struct my_table *table, const struct my_coord *coord, struct cdc_error *error);

void my_stream_omitted(void *context, const struct my_table *table, const struct my_column *column);

/* -- walk.c */
/* Reads the log from one place to another beside the stream, or until visit has seen enough; it gets every event but
 * FORMAT_DESCRIPTION and ROTATE. end: where reading ended; may be NULL. */
int my_log_read(struct my_stream *stream, const struct my_coord *from, const struct my_coord *to, my_log_visit *visit,
                void *context, struct my_coord *end, struct cdc_error *error);
/* The same for what is behind the GTIDs of the start, to the end. */
int my_log_read_after_start(struct my_stream *stream, my_log_visit *visit, void *context, struct cdc_error *error);
/* For the decoder: from a place to the end of its file. */
int my_stream_look_ahead(void *context, const struct my_coord *from, uint64_t bytes, my_log_visit *visit, void *visitor,
                         struct cdc_error *error);
/* The GTID set that is complete at a place; "" where the server has none. RETURNS NEW (free) */
int my_log_gtids_at(struct my_stream *stream, const struct my_coord *coord, char **gtids, struct cdc_error *error);

/* -- detour.c */
/* The server's log has a file that ends inside an event. */
bool my_torn_file_is(const struct cdc_error *error);
/* The file behind that one, from its beginning; no name: there is none. */
int my_torn_file_next(struct my_stream *stream, const char *file, struct my_coord *next, struct cdc_error *error);
/* The dump broke: is there another way into what follows? Then the next one takes it, and the error becomes one to try
 * again after. Always -1. */
int my_torn_file_avoid(struct my_stream *stream, struct cdc_error *error);
/* Where the dump that is made now begins instead of at stream->start; NULL: nowhere else. */
const struct my_coord *my_torn_file_take(struct my_stream *stream);

/* -- stream_start.c */
/* Settles stream->start, and checks that the server has what comes after it: LOST when not. */
int my_start_find(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error);
/* Is the start found by its GTIDs, not by file and position? */
bool my_start_by_gtid(const struct my_stream *stream);
int my_start_lost(struct cdc_error *error, const char *why);
/* SELECT GTID_SUBSET(a, b), of two expressions; 1, 0 or -1. */
int my_start_is_subset(struct my_stream *stream, const char *a, const char *b, struct cdc_error *error);

/* -- stream_move.c: the log goes on at another server */
/* Once the start is settled and the server has it: stream->start.numbering. IO: the transaction that was cut off cannot go
 * on there; LOST: a sink has stored what that server does not have. */
int my_failover_number(struct my_stream *stream, struct cdc_error *error);

/* -- schema.c */
/* The names of the columns at a place of the log, where the log does not tell. CONFIG when they cannot be known. */
int my_schema_complete(struct my_stream *stream, struct my_table *table, const struct my_coord *coord,
                       struct cdc_error *error);
void my_schema_forget(struct my_schema *schema);
/* Lists the DDL statements from where the last search ended (or from `from`) up to `to`. */
int my_schema_search(struct my_stream *stream, const struct my_coord *from, const struct my_coord *to,
                     struct cdc_error *error);
/* Does one behind the place name the table? */
bool my_schema_is_named(const struct my_schema *schema, const char *table, const struct my_coord *coord);
void my_schema_each(const struct my_schema *schema, void (*visit)(void *context, struct cdc_span sql), void *context);
/* The columns of a table (db and name) as of now, and an end of the log up to which no statement on it is missing. */
int my_schema_ask(struct my_stream *stream, const struct my_table *table, struct cdc_buf *columns, struct my_coord *end,
                  struct cdc_error *error);

/* -- schema_kept.c */
/* Once the start is settled. resumes: from a position that the pipeline has reached before. */
int my_schema_connect(struct my_stream *stream, bool resumes, struct cdc_error *error);
/* Asks for the columns of all tables that are selected and not known, and keeps what holds at that place and moment. */
int my_schema_prefetch(struct my_stream *stream, const struct my_coord *coord, struct my_point point,
                       struct cdc_error *error);
int my_schema_prefetch_if_due(struct my_stream *stream, struct cdc_error *error);
void my_schema_altered(void *context, struct cdc_span sql);
int my_schema_save(struct my_stream *stream, struct cdc_error *error);

#endif
