/* SPDX-License-Identifier: MIT */
/* What the files of the stream share; nobody else includes this. */
#ifndef MY_STREAM_INTERNAL_H
#define MY_STREAM_INTERNAL_H

#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/schema/read_at.h"
#include "connectors/mysql/schema/schema.h"
#include "connectors/mysql/session/packets.h"
#include "connectors/mysql/session/replication.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/session/wire.h"
#include "connectors/mysql/stream/reading.h"
#include "connectors/mysql/stream/stream.h"

#include <cdc/metrics.h>
#include <cdc/offset.h>

/* Where reading begins. */
struct my_start {
    uint64_t number;               /* of the last complete transaction */
    uint64_t confirmed;            /* that the sinks have stored, as the server counted that gave it; 0: nothing */
    uint32_t heartbeats;           /* that were written after it */
    char *gtids;                   /* complete with it; owned; "" when not known */
    struct my_coord coord;         /* never after the GTIDs, unless: */
    bool gtids_lag;                /* MySQL: what was being committed is before coord, and not among the GTIDs */
    bool coord_stands;             /* MariaDB: coord is a place of this server's log, where the GTIDs are complete */
    char server_uuid[128];         /* whose log the coordinates are of; "" when not known */
    int64_t file_created;          /* of coord's file, as it says itself; 0 when not known */
    int64_t event, event_sum;      /* of the last event before coord: where it begins, its checksum; 0 when not known */
    struct my_numbering numbering; /* of what follows */
    bool after_refusal;            /* the dump before met a transaction without a GTID */
    struct my_temporaries temporaries; /* that sessions have there; owned */
    struct my_seen seen;               /* by the rows of the copy; owned */
};

/* Where reading ends (--until). */
struct my_bounds {
    bool given, now, has_coord;
    bool in_log; /* the end lies in the log already: the server ends the dump when there is no more */
    struct my_coord coord;
    int64_t ms;          /* 0: no time was given */
    int64_t clock_ahead; /* the server's clock, less cdc_clock_ms */
};

/* The way round a torn file of the log: where the next dump begins, and where this one did, each with the transaction that
 * was complete then. No file: nowhere else than at the start. */
struct my_torn_file {
    struct my_coord next, taken;
    uint64_t next_number, taken_number;
};

/* Tables that are read again (cdc/stale.h). */
struct my_stale {
    struct cdc_stale
        open; /* as the run found them: nothing is told of them until it ends, at the first boundary from open.at on */
    struct cdc_stale found; /* in this run, which ends there */
    bool reached;           /* open.at */
    bool looking_on;        /* for further ones, in what comes after the end of the run */
    struct cdc_offset end;  /* the boundary where the run ends, as soon as one was found; owned */
    bool has_part;          /* the event at hand is this one, whole: */
    struct my_wire_part part;
    struct my_round *rounds; /* that the log has not passed */
    size_t n_rounds;
    struct cdc_buf dropped; /* columns that the copy may have and the tables have not: "db\0table\0column\0" ... */
    bool changed;           /* dropped or the selection, since it was saved */
    bool saved;             /* the mark, of the start or the end */
    struct cdc_stale asked; /* requests in found (asked.c) */
    int64_t ask_due;        /* when to look for them */
    bool asking_failed;     /* which was said */
    bool dropped_before;    /* there may be others, of a version that kept no list */
    struct cdc_buf state;   /* of the offset file */
};

/* What has been read again, and what of the log that has seen. */
struct my_round {
    struct my_read_at at;
    bool here;    /* `at` is of the server that is read */
    bool is_seen; /* the transaction at hand */
    bool passed;  /* nothing that comes is */
};

/* What the lag is told by (lag.c). Times are of the clock, in ms since 1970, where not said otherwise; 0: not known. */
struct my_lag {
    bool known;                      /* something is confirmed: */
    char confirmed[64], written[64]; /* positions; written: of the newest transaction that has lines */
    struct my_coord at;              /* where what is confirmed ends in the log of: */
    char server_uuid[128];
    int64_t confirmed_ms, read_ms; /* of the newest transaction that is confirmed, of the newest event */
    uint32_t read_s;               /* the latter as the event says it */
    int64_t level_ms;              /* nothing waited then */
    int64_t heard;                 /* monotonic: the server has said that there is no more; 0: events have come since */
    struct my_coord heard_at;      /* in the last heartbeat */
    int64_t bytes_due;             /* monotonic: when to ask the server for its files */
};

struct my_stream {
    struct my_stream_settings settings;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct my_session session;
    struct my_packets *packets;
    struct my_decoder *decoder;
    struct my_schema *schema;
    struct my_start start; /* of this connection */
    bool has_start;        /* start was settled once in this run */
    bool announce;      /* a first start: where it begins is written at once, so that the next run goes on from there */
    uint64_t truncated; /* a transaction that had lines out and no end when a connection broke; 0 */
    struct my_bounds bounds;
    struct my_torn_file torn;
    struct my_stale stale;
    struct my_reading reading;
    struct cdc_buf refused_tables; /* that the user may not SELECT, which was said: "db\0table\0" ... */
    struct my_behind behind;
    struct my_lag lag;
    int64_t log_due; /* when to ask whether the server still writes its log */
    bool refused;    /* the last dump met a transaction without a GTID */
    bool more;       /* the decoder holds a payload */
    bool ended, received;
    struct cdc_error late; /* told once the lines before it were taken */
    struct cdc_offset boundary;
    int64_t last_receive, last_line;
};

/* -- bounds.c -- */
int my_bounds_parse(struct my_bounds *bounds, const char *until, struct cdc_error *error);
/* A connection is made: does the end lie in the log already? */
int my_bounds_settle(struct my_bounds *bounds, struct my_session *session, struct cdc_error *error);
/* Between transactions: is what was read up to there, and committed then, the end? */
bool my_bounds_are_reached(const struct my_bounds *bounds, const struct my_coord *coord, int64_t commit_ms);
/* The same, when the server says that there is nothing yet after those coordinates. 1, 0 or -1. */
int my_bounds_are_late(struct my_bounds *bounds, struct my_session *session, const struct my_coord *coord,
                       struct cdc_error *error);

/* -- start_position.c -- */
/* From a commit's pos and source object, as the sinks' offset files have them. start: {0} or used before; my_start_clear. */
int my_start_from(struct my_start *start, const struct cdc_offset *from, struct cdc_error *error);
void my_start_clear(struct my_start *start);

/* -- start_verify.c: whether the server still has what follows a start -- */
/* Is the start found by its GTIDs, not by file and position? */
bool my_start_by_gtid(const struct my_stream *stream);
/* LOST when the server does not have what follows stream->start. */
int my_start_verify(struct my_stream *stream, struct cdc_error *error);
/* Once that was checked: coordinates that are of another server say nothing here, and go. */
int my_start_leave_old_coord(struct my_stream *stream, struct cdc_error *error);
/* Would a start there be good? 1; 0; -1: it could not be found out. *coord_stands: as other->coord_stands would be. Neither
 * stream->start nor *other is changed. */
int my_start_stands(struct my_stream *stream, const struct my_start *other, bool *coord_stands,
                    struct cdc_error *error);
/* The error, with what to do: always -1. */
int my_start_lost(struct cdc_error *error, const char *why);

/* -- anonymous.c: transactions without GTIDs at a MySQL server that is read by GTIDs -- */
/* Does none of them come between the start, whose coordinates are this server's, and the next one with a GTID? CONFIG when one
 * does. */
int my_anonymous_check(struct my_stream *stream, struct cdc_error *error);
/* The dump met one: the next connection may find another gtid_mode, and then reads by coordinates. The error is one to try again
 * after, once. Always -1. */
int my_anonymous_refused(struct my_stream *stream, struct cdc_error *error);

/* -- behind.c -- */
/* The transactions `gtids` were read at the server of that name. UNAVAILABLE: this one is a replica that has not got so far yet. */
int my_behind_check(struct my_stream *stream, const char *server_uuid, const char *gtids, struct cdc_error *error);

/* -- failover.c: the log goes on at another server -- */
/* Once the start is settled and the server has it: stream->start.numbering. IO: the transaction that was truncated cannot
 * go on there; LOST: a sink has stored what the server does not have. */
int my_failover_number(struct my_stream *stream, struct cdc_error *error);
/* MariaDB: is the newest transaction of each domain of these in the log after stream->start, or before that? 1, 0, -1 */
int my_failover_has(struct my_stream *stream, const struct my_gtid_set *wanted, struct cdc_error *error);

/* -- seen.c -- */
/* stream->start is checked: LOST when the server does not have what the rows of the copy have seen. */
int my_seen_check(struct my_stream *stream, struct cdc_error *error);

/* -- start.c -- */
/* Settles stream->start, and checks that the server has what comes after it: LOST when not. */
int my_start_find(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error);

/* -- stale.c -- */
/* Is a copy kept of the tables, which cdc-snapshot reads again where they are stale? */
bool my_stale_is_kept(const struct my_stream *stream);
/* Before anything is read: what the start has found is durable. TEMPORARY: all sinks are where it is to be read. */
int my_stale_open(struct my_stream *stream, struct cdc_error *error);
void my_stale_close(struct my_stream *stream);
/* stream->start is found: what of the log after it have rounds seen? LOST: more than this server has. */
int my_stale_connect(struct my_stream *stream, struct cdc_error *error);
extern const struct my_copy_ops my_stale_copy; /* for the decoder */
/* The table is stale from the transaction at hand on. */
int my_stale_take(void *source, const char *db, const char *table, const char *why, struct cdc_error *error);
/* What the decoder has told since is durable: before its lines go out. */
int my_stale_save(struct my_stream *stream, struct cdc_error *error);
/* Between transactions: ends the run where all that is to come before a round has come. May append a heartbeat. */
void my_stale_look(struct my_stream *stream, struct cdc_buf *out);
/* What the offset file keeps; schema: what the schema has for it, or NULL. BORROWED until the next call. */
const char *my_stale_state(struct my_stream *stream, const char *schema);
/* At the end of the run: the mark is durable. TEMPORARY where there is one. */
int my_stale_end(void *source, struct cdc_error *error);

/* The copy has all of the table as it is at this place of the log, and no columns of before. */
int my_stale_was_read(struct my_stream *stream, const char *db, const char *table, struct cdc_error *error);

/* All tables that are selected, and not omitted already: TEMPORARY, and stale.found has them; 0: there are none, or the server logs
 * statements. */
int my_stale_take_all(void *source, const char *why, struct cdc_error *error);

/* -- lag.c -- */
void my_lag_connected(struct my_stream *stream);
void my_lag_confirmed(struct my_stream *stream, const struct cdc_offset *offset);
/* An event has come that is no heartbeat; a heartbeat, with the place that it names. */
void my_lag_event(struct my_stream *stream, const struct my_wire_part *part);
void my_lag_heartbeat(struct my_stream *stream, const struct my_coord *coord);
/* Lines were made of what has come. */
void my_lag_written(struct my_stream *stream);
/* The connection has ended. */
void my_lag_unknown(struct my_stream *stream);
/* Sets lag_bytes and lag_since of the metrics. Now and then it asks the server. */
void my_lag_measure(struct my_stream *stream);

/* -- log_off.c -- */
#define MY_LOG_OFF_MS 5000 /* between two looks */
/* A connection has failed: is it for that? A copy that is kept has all its tables marked then. Always -1. */
int my_log_off_connect(struct my_stream *stream, struct cdc_error *error);
/* Between transactions, when the log has nothing more, now and then: 1: it is off, and all tables are in stale.found; 0; -1. */
int my_log_off_look(struct my_stream *stream, struct cdc_error *error);

/* -- piece.c -- */
void my_piece_clear(struct my_piece *piece);
/* Reads the next piece of the table at hand; share: its rows are held for a moment (MySQL). 1; 0: it is too early; -1. */
int my_piece_read(struct my_stream *stream, bool share, struct cdc_error *error);
/* Does it show for sure the transaction that begins there? */
bool my_piece_shows(const struct my_piece *piece, const struct my_gtid *gtid, const struct my_coord *begin);

/* -- withheld.c -- */
/* A transaction begins. */
void my_reading_begins(struct my_stream *stream, const struct my_gtid *gtid, const struct my_coord *coord);
/* Does nothing of the table come now? */
bool my_reading_omits(const struct my_stream *stream, const char *db, const char *table);
/* The table is stale from here on, or comes to the pipeline: can it be read while the stream goes on? 1: nothing of it comes until then;
 * 0: the stream must end for it; -1. */
int my_reading_withhold(struct my_stream *stream, const char *db, const char *table, const char *why,
                        struct cdc_error *error);
/* A start that finds it in our state reads it. pos: of its first line, or one that no line has; number: of the transaction after it.
 * Not saved yet. */
int my_reading_note(struct my_stream *stream, const char *db, const char *table, const char *pos, uint64_t number,
                    struct cdc_error *error);
/* It is in the mark: cdc-snapshot reads it. */
void my_reading_leave(struct my_stream *stream, const char *db, const char *table);
/* No table is read now. */
void my_reading_forget(struct my_stream *stream);
void my_reading_free_table(struct my_reading *reading);
bool my_reading_is_current(const struct my_reading *reading, const char *db, const char *table);
void my_reading_clear(struct my_reading *reading);

/* -- reading_table.c -- */
/* Describes the table that is read, as it is once all is done that has come by in the log (or later). 1: it can be read, or is gone;
 * 0: it cannot be read so; -1. */
int my_reading_describe(struct my_stream *stream, struct cdc_error *error);

/* -- reading_session.c -- */
/* The session for the table's rows, made where there is none. */
int my_reading_session(struct my_stream *stream, struct cdc_error *error);

/* -- key_order.c -- */
/* The table's key is in reading.live: where its order is the server's to tell, the server is asked from here on. 1; 0: it cannot tell;
 * -1. */
int my_key_order_begin(struct my_stream *stream, struct cdc_error *error);

/* -- reading.c -- */
/* Once, before any state is written: what our own has of tables that were read. */
int my_reading_load(struct my_stream *stream, struct cdc_error *error);
/* Once, at the first connection: what runs before have begun and sinks have not stored. */
int my_reading_begin(struct my_stream *stream, struct cdc_error *error);
/* There is a decoder. */
void my_reading_attach(struct my_stream *stream);
/* A new connection: what was being read begins anew. */
void my_reading_disconnected(struct my_stream *stream);
/* Somebody asks for the table: is it to be read while the stream goes on? 1; 0: the stream must end for it; -1 */
int my_reading_ask(struct my_stream *stream, const struct cdc_stale_table *table, struct cdc_error *error);
/* Between transactions, when the log has nothing more: what there is to do now. May append whole lines, and may find that the stream
 * must end (stale.found). 1: something was done; 0; -1. */
int my_reading_step(struct my_stream *stream, struct cdc_buf *out, struct cdc_error *error);
/* Between two transactions: the piece that waits for this place of the log goes out. As above. */
int my_reading_pass(struct my_stream *stream, struct cdc_buf *out, struct cdc_error *error);
/* Lines that were appended are taken back: a table whose last one was among them begins anew. */
void my_reading_take_back(struct my_stream *stream);

/* -- asked.c -- */
/* Between transactions, now and then: takes tables that people ask to be read again as stale. 1: there are some; 0; -1 */
int my_asked_look(struct my_stream *stream, struct cdc_error *error);
/* After my_stale_open: requests that are in a durable mark are settled. */
void my_asked_begin(struct my_stream *stream);
/* The end of the run, of struct cdc_source_ops. */
int my_asked_end(void *source, struct cdc_error *error);
/* At the first connection: what is selected now, and was not in the last run, is stale. */
int my_asked_compare_selection(struct my_stream *stream, struct cdc_error *error);

/* -- torn_file.c -- */
/* The dump broke: is there another way into what follows? Then the next one takes it, and the error becomes one to try
 * again after. Always -1. */
int my_torn_file_avoid(struct my_stream *stream, struct cdc_error *error);
/* Where the dump that is made now begins instead of at stream->start; NULL: nowhere else. */
const struct my_coord *my_torn_file_take(struct my_stream *stream);

/* -- connect.c -- */
int my_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error);
void my_stream_disconnect(void *source);

#endif
