/* SPDX-License-Identifier: MIT */
/* What the files of the replication stream share; nobody else includes this. */
#ifndef PG_STREAM_INTERNAL_H
#define PG_STREAM_INTERNAL_H

#include "connectors/postgres/pgoutput/live.h"
#include "connectors/postgres/pgoutput/pgoutput.h"
#include "connectors/postgres/scan/scan.h"
#include "connectors/postgres/schema/catalog.h"
#include "connectors/postgres/schema/members.h"
#include "connectors/postgres/schema/shapes.h"
#include "connectors/postgres/session/encoding.h"
#include "connectors/postgres/session/hosts.h"
#include "connectors/postgres/session/identity.h"
#include "connectors/postgres/session/slot.h"
#include "connectors/postgres/stream/spool.h"
#include "connectors/postgres/stream/stream.h"

#define STATUS_MS 1000        /* a status message at least that often */
#define SILENT_MS 60000       /* silence after which it is asked whether the walsender is there */
#define REPLY_MS 100          /* and at most that often when the server asks */
#define EPOCH_MS 946684800000 /* 2000-01-01 since 1970 */

/* Where a connection starts, and what it may make: what cdc/start.h has decided for the pipeline, in terms of the server. */
struct pg_start {
    bool resumes;      /* something has been read before: slot and publication must be there, nothing is created */
    bool has_position; /* and we know up to where: */
    uint64_t lsn;      /* nothing below is of interest; 0: wherever the slot is */
    struct cdc_span source, state; /* what the position belongs to (identity.h). BORROWED, while connecting */
    struct cdc_span members;       /* what the publication had then (members.h). BORROWED, while connecting */
    struct pg_last last;           /* the newest transaction before lsn */
    uint32_t heartbeats;           /* that were written at lsn */
    uint64_t from;                 /* where the server is to begin: lsn, or before it to see that the log is the same */
    struct cdc_span
        read_at; /* what a snapshot has seen of the log from here on (visible.h). BORROWED, while connecting */
};

/* Tables, as the last look has found them (moves.c). */
struct pg_moves {
    struct pg_seen *items; /* by oid */
    size_t n;
};

/* The catalogs, as far as they decide what is seen (watch.c). */
struct pg_watch {
    struct pg_moves moves;
    char *question, *seen; /* its last answer */
    uint64_t *said;        /* hashes of what the last look has found */
    size_t n_said;
    bool looked, asked, failed;
    bool remembers; /* said is what a first start has said before it made the slot */
    bool changed;   /* the answer that is coming in is another one */
    int64_t due, asked_at;
    int64_t stands_since; /* the walsender waits for standbys; 0: it does not */
    bool said_stands;
};

/* Tables whose rows of before are not the source's any more (stale.c, cdc/stale.h). */
struct pg_heal {
    bool on;                 /* the pipeline has a snapshot, and cdc-snapshot can read them again */
    bool begun;              /* in this run */
    struct pg_shapes shapes; /* of all tables, as they were seen last */
    struct cdc_buf known;    /* the same as JSON, as it is kept */
    size_t looks;            /* at them, in this run */
    struct cdc_stale mark;   /* those that are stale; at: W */
    uint64_t stop_at;        /* W; 0: none is stale */
    bool done;               /* all up to W is written: the run ends, TEMPORARY */
    bool unsaved;            /* the mark, or some of it */
    uint64_t after_round;    /* the position of the last line that the sinks have is a round's, of this LSN; 0 */
    int64_t moved;           /* when the log was made to go on to W last */
    int64_t ask_due;         /* when to look for what people ask to be read again (asked.c) */
    bool asking_failed;      /* which was said */
};

/* Tables that are read again while the stream goes on (reading.c), one after the other. */
enum pg_reading_phase { PG_READING_NONE, PG_READING_SETTLES, PG_READING_ROWS, PG_READING_PASSES };
struct pg_reading {
    bool loaded;
    bool begun;             /* in this run */
    struct cdc_stale asked; /* tables that are to be read, with the one that is */
    struct cdc_stale
        open; /* of these, those that a run before has begun: nothing of them comes until they begin anew */
    struct cdc_rounds rounds; /* those that were read, or are: in our state */
    enum pg_reading_phase phase;
    PGconn *sql;
    char *schema, *name;    /* the one that is read; NULL: none */
    struct pg_table *table; /* as described for its rows */
    char *form;             /* that it had before that */
    struct pg_shapes taken; /* its shape in that transaction: the copy's with the first line */
    struct pg_live live;
    char *question;               /* about two keys of it, where the server tells their order (key_order.c) */
    struct pg_scan_source source; /* of a table in one piece; its filter is ours */
    struct pg_scan scan;          /* its rows, while the phase is ROWS: nothing else is read meanwhile */
    char until[24];               /* transactions below were open, or over, when it was taken up */
    unsigned attempt;             /* of the lines' positions, one a run */
    uint64_t line, since, total;
    unsigned restarts; /* of this table */
    size_t rows;       /* of the next piece */
    int64_t due, began, asked_at;
};

struct pg_stream {
    struct pg_stream_settings settings;
    const struct pg_settings *pg;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    PGconn *sql, *replication;
    struct pg_hosts hosts; /* where to connect, once others of the URL have said that the position is lost */
    struct pgoutput *decoder;
    struct pg_spool *spool; /* NULL: no transaction is taken before its commit, or none any more in this run */
    size_t whole;           /* of the output: lines before what is being decoded */
    bool unsure;            /* what it says cannot be told: to be connected anew, without it */
    bool has_from;
    struct cdc_offset from; /* where this connection began */
    bool converts;          /* the texts of rows, from: */
    struct pg_encoding encoding;
    struct pg_identity identity;
    char server_started[PG_IDENTITY_START]; /* of the one that the log comes from (pg_identity_read_start) */
    struct pg_members members;              /* what the publication has, as of the last look */
    struct cdc_buf state_json;              /* identity and members. NUL-terminated */
    struct cdc_offset boundary;             /* the decoder's, with our state */
    /* Of the host at hand: a standby that cannot be read from. And has one of the hosts that were tried lost the position? */
    enum { PG_IS_FIT, PG_HAS_NO_SLOT, PG_HAS_COPY } unfit;
    bool some_lost;
    bool stored_is_here;      /* a host that lacks the boundary has what the sinks have stored */
    bool moved_on;            /* and is on a newer timeline: it has taken over */
    bool started;             /* once in this run: from then on nothing is created */
    bool made_publication;    /* by a --temporary run */
    bool copying;             /* between START_REPLICATION and the end of the copy */
    struct cdc_error skipped; /* the server passed over changes */
    struct pg_start start;    /* of this connection */
    uint64_t slot_at;         /* where the slot stood when that was checked */
    int walsender_pid;        /* as the slot has it: a proxy tells us another one */
    int64_t began;            /* when it began to stream, and was not looked at since; 0 */
    bool closed;              /* and broke without an error of the server */
    uint64_t checkpoint;      /* its newest one when this connection was made; 0: of a standby */
    uint64_t checkpoint_now;  /* the same of the one that is being made */
    struct cdc_error broken;  /* or with an error that another attempt will meet, too */
    uint64_t broke_at;        /* where the connections before it began */
    int breaks;               /* so often in a row, each soon after it had begun */
    uint64_t flush;           /* what confirm() gave; never falls */
    uint64_t reported_flush;
    uint64_t wal_end;      /* of the newest keepalive: all before it has been received */
    uint64_t boundary_lsn; /* where replication would start again after the boundary */
    uint64_t commit_lsn;   /* and after the newest transaction that has been read in this connection */
    uint64_t server_end;   /* of its log, when it was asked last */
    uint64_t end_at_first; /* the same when the connection was made */
    bool end_asked;        /* somebody waits for it */
    int64_t flush_ms;      /* the time of what confirm() gave, since 1970; 0: unknown */
    int64_t level_ms;      /* when all that the server had was confirmed, since 1970; 0 */
    int64_t server_ms;     /* the server's clock at the newest keepalive, since 1970 */
    bool reply_due;        /* the server waits for a status message */
    bool server_asked;     /* and got no new flush position since */
    bool unsent;           /* a status message lies in libpq's buffer */
    int64_t status_ms;     /* interval of status messages */
    int64_t silent_ms;     /* silence after which it is asked whether the walsender is there */
    int64_t last_status, last_request, last_receive, last_line;
    struct pg_watch watch;
    struct pg_heal heal;
    struct pg_reading reading;
    int64_t last_watch, leave_at; /* leave_at: 0, or when to leave a server that shuts down */
    int64_t until_ms;             /* --until TIME; 0: none */
    uint64_t until_lsn;           /* --until LSN or now; 0: none yet */
    bool ended;
    bool told_silent;     /* and at work */
    bool on_standby;      /* which may be promoted */
    int32_t new_timeline; /* that its log goes on on, as the last look has found; 0 */
    bool timeline_due;    /* a boundary that has it */
};

/* -- start.c -- */

/* decided: for the pipeline; started: a connection of this run has read before; from: the offset to go on from, or NULL.
 * CONFIG when its pos is none of ours. */
int pg_start_read(struct pg_start *start, const struct cdc_start *decided, bool started, const struct cdc_offset *from,
                  struct cdc_error *error);
/* Has the server still what the start needs? LOST when it has not. Decides where the server is to begin. */
int pg_start_check(struct pg_start *start, const char *name, const struct pg_slot *slot, struct cdc_error *error);
/* A sink that is in the log, but not by way of what the snapshot of start->read_at has seen: what is omitted for that
 * snapshot's sake after *lsn, it would lack. Returns its index, that of the first one; -1: there is none. */
int pg_start_needed(const struct pg_start *start, const struct cdc_acks *acks, uint64_t *lsn);
/* The error for a slot that is no more what a position was taken from. Returns -1. */
int pg_start_lost(const char *slot, const char *why, struct cdc_error *error);

/* Appends the START_REPLICATION of a decoder that begins at from, NUL-terminated. streams: transactions that are open, too (spool.h). */
void pg_start_statement(struct cdc_buf *out, const struct pg_settings *pg, uint64_t from, bool streams);
/* To an error that the publication does not exist, where the server decodes. */
void pg_start_hint_publication(const char *publication, struct cdc_error *error);
/* For changes whose publication did not exist when they were made, 18 and later have a warning where older servers have an error,
 * and go on without them. libpq delivers it in its place in the stream. Sets *skipped for the first one. */
void pg_start_notice(PGconn *replication, const char *publication, const PGresult *result, struct cdc_error *skipped);

/* -- peek.c -- */

/* Can the server decode the rest of its log, for --check? Looked at where its publication may be younger than that. from: where a
 * start begins. 0; 1: it was not read to its end, which takes too long; -1 */
int pg_peek(PGconn *sql, const struct pg_settings *pg, const struct pg_slot *slot, uint64_t from,
            struct cdc_error *error);

/* -- sinks.c -- */

/* The sinks' positions as last read: is the log of this server the one that each of them has? The smallest position is not
 * enough: a sink that is after it drops what comes up to where it is. LOST, naming its offset file. acks: may be NULL. */
int pg_sinks_identify(const struct cdc_acks *acks, PGconn *replication, const struct pg_identity *identity,
                      struct cdc_error *error);
/* The same before START_REPLICATION; what only the log can show comes from the decoder (pgoutput_add_ahead). */
int pg_sinks_check(struct pg_stream *stream, struct cdc_error *error);

/* -- bounds.c -- */

/* A position just after the header of a page is the end of the page before. */
uint64_t pg_bounds_without_header(uint64_t lsn);
/* Everything that is committed now lies before *lsn. */
int pg_bounds_now(PGconn *sql, uint64_t *lsn, struct cdc_error *error);
/* Has all come that was in the log when the connection was made? */
bool pg_bounds_caught_up(const struct pg_stream *stream);

/* -- session.c -- */

/* Made when it is needed. */
int pg_stream_ensure_sql(struct pg_stream *stream, struct cdc_error *error);
void pg_stream_close_sql(struct pg_stream *stream);
/* Is it there? Whoever reads from it may see its end first: libpq has no socket to poll after that. */
bool pg_stream_has_session(const struct pg_stream *stream);
/* Is the session with the server that the log comes from? 1, 0, or -1 when it could not be asked. */
int pg_stream_is_server(const struct pg_stream *stream, PGconn *sql, struct cdc_error *error);

/* -- status.c -- */

/* A message of the walsender has integers in big-endian order. */
uint64_t pg_status_i64(const char *from);
int pg_status_push(struct pg_stream *stream, struct cdc_error *error);
/* Tells the server what is stored; request: and asks it for a sign of life. */
int pg_status_send(struct pg_stream *stream, bool request, struct cdc_error *error);
int pg_status_broken(struct pg_stream *stream, struct cdc_error *error);
/* Ends the copy politely, and the connection: an operation of the source loop. */
void pg_status_disconnect(void *source);

/* -- lag.c -- */

/* offset is confirmed. */
void pg_lag_confirmed(struct pg_stream *stream, const struct cdc_offset *offset);
/* How far the confirmed position is behind the server, for the metrics: at each tick, also while the output is blocked. */
void pg_lag_measure(struct pg_stream *stream);
/* The connection has gone: from now on nobody knows what the server has, and the lag grows until it is known again. */
void pg_lag_unknown(struct pg_stream *stream);

/* -- state.c -- */

/* Makes state_json anew: the identity's object, and in it what the publication has. */
int pg_stream_write_state(struct pg_stream *stream, struct cdc_error *error);
/* What the publication has now, beside what it had when it was looked at last, in this run or before. CONFIG when changes may
 * have passed by (members.h). */
int pg_stream_look_at_members(struct pg_stream *stream, struct cdc_error *error);
/* Which transactions may be decoded in another way, since it was altered (members.h): while they run, now and then. */
int pg_stream_settle_members(struct pg_stream *stream, struct cdc_error *error);
/* The walsender keeps what it has found out of a table's publication until the server tells it of a change, and where that is one of a
 * table above it the server does not: what a transaction that was open then has left there holds for all that come after it. So once all
 * of those have ended, and their part of the log has come, it is to be another walsender. May it still know something of before? */
bool pg_stream_is_older(const struct pg_stream *stream);

/* -- stale.c -- */

/* Once, with the first connection: what the pipeline knows of its tables, and which of them are stale already. */
int pg_heal_begin(struct pg_stream *stream, struct cdc_error *error);
void pg_heal_clear(struct pg_heal *heal);
/* A table is stale, and is read after W (cdc/stale.h): its changes are omitted from now on. */
int pg_heal_mark(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                 struct cdc_error *error);
int pg_heal_plan(struct pg_stream *stream, struct cdc_error *error);
int pg_heal_save(struct pg_stream *stream, struct cdc_error *error);
/* A Relation message (form.c): sets table->stale where rows of before are not of that form. Looks at the catalogs when it must. */
int pg_heal_relation(struct pg_stream *stream, struct pg_table *table, struct cdc_error *error);
/* After it was described: stale as well where its key is not certain, but it was seen with one. */
int pg_heal_key(struct pg_stream *stream, struct pg_table *table, struct cdc_error *error);
/* The same: from where on the fields of its composites are certain. */
void pg_heal_composites(struct pg_stream *stream, struct pg_table *table);
/* Before that, and of a table that is not selected: are these changes of a table that a copy has, by another name? */
int pg_heal_announced(struct pg_stream *stream, const struct pg_table *table, struct cdc_error *error);
/* A change of partition comes as one of table. Tables with names of their own, that one or those above it, are stale then. */
int pg_heal_passed_by(struct pg_stream *stream, const struct pg_table *partition, const struct pg_table *table,
                      struct cdc_error *error);
/* What the rounds have seen of the log, to the decoder; the log must be the one that they have seen. */
int pg_heal_rounds(struct pg_stream *stream, struct cdc_error *error);
/* The boundary W is due: all before lsn has come, and no transaction is open. Appends it, and the run is over. */
bool pg_heal_is_due(const struct pg_stream *stream, uint64_t lsn);
void pg_heal_stop(struct pg_stream *stream, struct cdc_buf *out, int64_t now);
/* A message that begins a transaction after W? Its LSN, else 0. */
uint64_t pg_heal_after(const struct pg_stream *stream, const char *payload, size_t n);
/* Saves what is stale before lines after it leave, and sees to it that the log comes to W. */
int pg_heal_tick(struct pg_stream *stream, int64_t now, struct cdc_error *error);
/* The end of the run: an operation of the source loop. */
int pg_heal_end(void *source, struct cdc_error *error);

/* Rows of the snapshot have this seq; 0: it is not known. */
uint64_t pg_heal_consistent_point(const struct pg_stream *stream);

/* -- away.c: where nothing heals -- */

/* A Relation message: is it of a table that is known by a selected name? CONFIG where that is its name again. */
int pg_away_announced(struct pg_stream *stream, const struct pg_table *table, struct cdc_error *error);
/* A change of partition comes as one of table: the same of that one, or of one between the two. */
int pg_away_passed_by(struct pg_stream *stream, const struct pg_table *partition, const struct pg_table *table,
                      struct cdc_error *error);

/* -- heal.c -- */

/* A look at the catalogs: what of the tables has changed since the last one. ended: pg_shapes_ended, before they were read. */
int pg_heal_look(struct pg_stream *stream, const struct pg_catalog *catalog, const char *ended,
                 struct cdc_error *error);
/* It is stale, as pg_shapes_stale takes it: its changes are omitted from now on, until it is read while the stream goes on (reading.c),
 * or else after W. Then W is to be planned, and all of it saved. */
int pg_heal_add(void *stream, const char *schema, const char *name, const char *why, struct cdc_error *error);

/* -- reading.c; the steps: reading_steps.c -- */

/* Once, before any state is written: what our own has of tables that were read. */
int pg_reading_load(struct pg_stream *stream, struct cdc_error *error);
/* Once, after pg_heal_begin: what runs before have begun and sinks have not stored. */
int pg_reading_begin(struct pg_stream *stream, struct cdc_error *error);
/* There is a decoder. */
void pg_reading_attach(struct pg_stream *stream);
/* A new connection: what was being read begins anew. */
void pg_reading_disconnected(struct pg_stream *stream);
/* Somebody asks for the table: is it to be read while the stream goes on? 1; 0: the stream must end for it; -1 */
int pg_reading_ask(struct pg_stream *stream, const struct cdc_stale_table *table, struct cdc_error *error);
/* It is stale: the same. Its changes are withheld until its read begins; to be saved (pg_heal_save). */
int pg_reading_take(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                    struct cdc_error *error);
/* Are its changes withheld? */
bool pg_reading_withholds(const struct pg_stream *stream, const char *schema, const char *name);
/* It cannot be read so: the stream ends for it. */
int pg_reading_give_up(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                       struct cdc_error *error);
/* Between transactions: what there is to do now. May append whole lines. */
int pg_reading_step(struct pg_stream *stream, struct cdc_buf *out, struct cdc_error *error);
/* The rows of a table in one piece: the log waits for them. */
bool pg_reading_has_rows(const struct pg_stream *stream);
int pg_reading_rows(struct pg_stream *stream, struct cdc_buf *out, size_t limit, struct cdc_error *error);
void pg_reading_clear(struct pg_reading *reading);
/* The table is another one's to read from here on, or was read. */
void pg_reading_forget(struct pg_stream *stream);
/* Begins anew, from the table's first row. What the log brings of it meanwhile does not come, if lines are out. */
void pg_reading_restart(struct pg_stream *stream, const char *why);
/* What is stale in another way is read once the stream has ended. */
void pg_reading_leave(struct pg_stream *stream, const char *schema, const char *name);
/* It is in our state from now on, as one that not all sinks have. line: of its position, which no other round has. */
int pg_reading_note(struct pg_stream *stream, const char *schema, const char *name, uint64_t line,
                    struct cdc_error *error);
/* Where in the log its next line is. */
uint64_t pg_reading_place(const struct pg_stream *stream);

/* -- reading_session.c, key_order.c, reading_table.c: the table, for the files of reading -- */

/* Makes the session where there is none. */
int pg_reading_open_session(struct pg_stream *stream, struct cdc_error *error);
/* The key of the table as described. 1: it can be read by it, in pieces; 0; -1. */
int pg_reading_key(struct pg_stream *stream, struct cdc_error *error);
/* What changes with each alteration of it, as form, beside what is seen. RETURNS NEW (PQclear) */
PGresult *pg_reading_ask_form(struct pg_stream *stream, struct cdc_error *error);
/* Before it is described. */
int pg_reading_take_form(struct pg_stream *stream, struct cdc_error *error);
/* Describes it. taken: for its rows, in their transaction. 1; 0: it cannot be read so; -1. */
int pg_reading_describe(struct pg_stream *stream, bool taken, struct cdc_error *error);
/* The first lines are out: from here on its rows are as that form has them. */
int pg_reading_keep_shape(struct pg_stream *stream, struct cdc_error *error);

/* -- piece.c -- */

enum { PG_PIECE_ROWS_FIRST = 16, PG_PIECE_ROWS_MAX = 10000 };

struct pg_piece {
    struct pg_visible visible;
    struct cdc_buf cells; /* of n rows */
    size_t limit, n;
    bool is_other;               /* the table has another form than was described */
    bool last;                   /* no row is after these */
    int64_t rows_began, rows_ms; /* when the first one came, and what all of them took since, their lines included */
};
void pg_piece_free(struct pg_piece *piece);
/* All that is read of a piece, with a commit record of our own after it in the log, so that the log comes to what it has seen. 1;
 * 0: it is too early, or the table has another form; -1. */
int pg_piece_read(struct pg_stream *stream, struct pg_piece *piece, struct cdc_error *error);
/* Its transaction, where it was not read to its end. */
void pg_piece_end(struct pg_reading *reading);
/* The next one is as large as this one would have been in the time for one. took: milliseconds for the whole piece. */
void pg_piece_learn(struct pg_reading *reading, int64_t took, const struct pg_piece *piece);
/* Appends its lines; first: with those that begin the table. */
int pg_piece_write(struct pg_stream *stream, struct pg_piece *piece, bool first, struct cdc_buf *out,
                   struct cdc_error *error);
struct pg_live_lines pg_piece_lines(struct pg_stream *stream);
void pg_piece_lines_are_out(struct pg_stream *stream, const struct pg_live_lines *lines);

/* -- whole.c: a table in one piece, for reading.c -- */

/* In the transaction whose view was taken. */
int pg_whole_begin(struct pg_reading *reading, struct cdc_error *error);
/* Lines of what has come, up to limit; waits a moment where nothing has. 1: these were the last ones; 0; -1, and the transaction is
 * over */
int pg_whole_rows(struct pg_reading *reading, struct pg_live_lines *lines, struct cdc_buf *out, size_t limit,
                  struct cdc_error *error);
void pg_whole_clear(struct pg_reading *reading);

/* -- asked.c -- */

/* Once the mark of the start is saved: the requests in it are settled. */
void pg_asked_begin(struct pg_stream *stream);
/* Now and then: requests become a part of the mark. */
int pg_asked_tick(struct pg_stream *stream, int64_t now, struct cdc_error *error);

/* -- moves.c -- */

/* Says which rows have come or gone since the last look without a line, with a table's name: tables dropped, made in another
 * one's place, renamed out of sight, partitions attached and detached; heals: only what nobody will read again. 0, or -1 without
 * memory. */
int pg_moves_look(struct pg_moves *moves, const struct pg_catalog *catalog, const struct pg_settings *settings,
                  bool heals, const struct cdc_log *log, struct cdc_error *error);
void pg_moves_clear(struct pg_moves *moves);

/* -- watch.c -- */

/* What a first start has said. To make a slot takes as long as transactions run, and what becomes of the tables meanwhile is to be
 * told. */
void pg_watch_remember(struct pg_stream *stream);
/* Looks for the first time in this run: what comes later is new. */
int pg_watch_begin(struct pg_stream *stream, struct cdc_error *error);
/* Says what has left the stream's view since; CONFIG for a table that -t names. Never waits for the server, but where the
 * catalogs have changed. Of a standby it asks for the timeline, too. */
/* Waits for the answer to a question that was put, and keeps it, so that the session may be asked something else. */
int pg_watch_await(struct pg_stream *stream, struct cdc_error *error);
int pg_watch_tick(struct pg_stream *stream, int64_t now, struct cdc_error *error);
/* Looks at the tables now. Where the server cannot be asked it is as if nothing had changed, and is asked again. */
int pg_watch_look(struct pg_stream *stream, struct cdc_error *error);
void pg_watch_clear(struct pg_watch *watch);

/* -- connect.c -- */

/* After silence: does the server still have the walsender of this connection? It says nothing while it decodes a large
 * transaction of which the publication sends nothing (with wal_sender_timeout = 0, or some minor releases); whoever leaves it
 * then finds the same transaction at the next connection, and never gets past it. 0, or UNAVAILABLE. */
int pg_stream_check_walsender(struct pg_stream *stream, struct cdc_error *error);

/* The server's log goes on on this timeline: boundaries have it from here on. */
int pg_stream_set_timeline(struct pg_stream *stream, int32_t timeline, struct cdc_error *error);

/* Every check, then START_REPLICATION: an operation of the source loop. */
int pg_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error);
/* Sets the error for what the walsender said; result may be NULL. Always -1. */
int pg_stream_fail(struct pg_stream *stream, const PGresult *result, const char *what, struct cdc_error *error);

#endif
