/* SPDX-License-Identifier: MIT */
/* What the files of the snapshot share; nobody else includes this. */
#ifndef PG_SNAPSHOT_INTERNAL_H
#define PG_SNAPSHOT_INTERNAL_H

#include "connectors/postgres/scan/scan.h"
#include "connectors/postgres/session/encoding.h"
#include "connectors/postgres/session/identity.h"
#include "connectors/postgres/session/hosts.h"
#include "connectors/postgres/session/slot.h"
#include "connectors/postgres/session/wait.h"
#include "connectors/postgres/snapshot/snapshot.h"

#include "connectors/postgres/schema/shapes.h"

#include <cdc/attempt.h>
#include <cdc/snapshot.h>
#include <cdc/turns.h>
#include <cdc/stale.h>
#include <pthread.h>

/* What sinks may have stored already (parts.c): of a table the blocks before `upto`, or all of it. */
struct snapshot_part {
    char *schema, *table;
    char form[17];     /* of the table */
    size_t base, edge; /* views: the log brings its changes from the one on; all that the other one saw is read */
    bool whole;
    uint64_t upto;
    char pos[64]; /* of the commit line after that */
};
struct snapshot_parts {
    struct snapshot_part *items; /* in the order of their lines; of one table there may be several */
    size_t n, capacity;
    char **views; /* of attempts: as read_at; the last one is the last attempt's */
    size_t n_views;
    char *sinks; /* that have what is not read again: an array of paths; NULL: all is read */
};

/* What the offset file keeps. */
struct snapshot_state {
    bool creating; /* the slot was about to be made */
    bool partial;  /* conditions of the user's have held (--where), which the stream does not know */
    bool has_point;
    struct cdc_attempt attempt; /* its origin is X, the slot's consistent point */
    char *identity;             /* JSON object */
    char *publication;          /* what it had for the last attempt: JSON object (members.h), or NULL */
    char *read_at;              /* of the last attempt: JSON object (visible.h), or NULL for one that read at X */
    struct pg_shapes shapes;    /* of the tables, as they were read last */
    struct cdc_rounds rounds;   /* tables that were read again since */
    struct snapshot_parts parts;
};

struct snapshot_table {
    struct pg_table *table;
    struct pg_scan_source source;
    char *filter, *where; /* of rows, SQL, or NULL: of the publication, of the user */
    double estimate;
    struct cdc_snapshot_part part;
    /* Its files, of all its partitions: all of them are read by ranges of their blocks at once. */
    bool has_blocks; /* that is possible: all are heaps */
    uint64_t *blocks;
    size_t n_blocks;
    /* What is stored of it (parts.c): */
    char form[17];
    bool may_keep;      /* a further attempt may go on with it */
    bool kept, skipped; /* some of its rows; all */
    uint64_t known;     /* blocks before this one */
    size_t base, edge;  /* of these */
};

/* What is read with one statement: a table, or a range of its blocks (ctid). */
struct snapshot_chunk {
    uint64_t number; /* lines go out in this order, from 1 */
    size_t table;
    bool first, last; /* of its table in this attempt */
    bool ranged;
    bool changed;        /* what those before this attempt may not have seen, alone */
    uint64_t from, upto; /* blocks; upto UINT64_MAX: the rest */
};

/* A session that reads. It has one chunk at a time, and keeps the rows, as they came, until it is its turn: they become lines
 * then. */
struct snapshot_run;
struct snapshot_worker {
    struct snapshot_run *run;
    PGconn *sql;
    struct pg_wait wait; /* on sql */
    pthread_t thread;    /* of all but the first, which is the caller's */
    bool converts;       /* the texts of rows, from: */
    struct pg_encoding encoding;
    struct snapshot_chunk chunk;
    bool in_turn;
    size_t locked;        /* the table that its transaction has locked last; SIZE_MAX: none */
    struct cdc_buf head;  /* of rows: up to the number in pos */
    struct cdc_buf fixed; /* of a table's rows: from after pos up to the row */
    struct cdc_buf kept;  /* rows before its turn: a length (size_t), and so many bytes */
    uint64_t received;    /* bytes of rows of the chunk */
    uint64_t events;      /* changes since the last commit line */
    uint64_t chunk_rows;
    /* not yet in the run's metrics: */
    uint64_t rows, changes, n_lines, commits, unconvertible, json_texts;
};

/* An attempt, at all tables or at those of a round (again.c). */
struct snapshot_lines {
    uint64_t origin; /* seq of all its lines */
    unsigned number;
    bool again;                   /* a round's */
    const struct cdc_stale *only; /* its tables; NULL: all */
    char *boundary;       /* of a round: the source object of the line where the stream has ended; NULL: not known */
    char *read_at, *last; /* of that: for a stream that begins after the round. JSON, or NULL */
};

/* What keeps the slot in use (idle.c). */
struct snapshot_idle {
    const struct pg_settings *pg;
    struct pg_hosts hosts; /* the server of the snapshot */
    pthread_t thread;
    int end_fd; /* readable: it is over */
    int step_ms;
    bool running;
};

struct snapshot_run {
    const struct pg_snapshot_settings *settings;
    const struct pg_settings *pg;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct snapshot_state state;
    struct snapshot_lines of;
    struct pg_identity identity;
    PGconn *sql;       /* the first worker's: whose snapshot and locks all have */
    bool stream_began; /* it has a position */
    struct snapshot_worker *workers;
    size_t n_workers;
    struct snapshot_table *tables;
    size_t n_tables;
    struct cdc_buf source_head; /* of commit lines */
    char *xids;                 /* pg_current_snapshot() of the attempt */
    bool republished;           /* the publication has changed since the attempt before */
    bool keeps_parts;           /* what is stored need not be read again by a further attempt, and */
    size_t view;                /* of this attempt */
    char kept_pos[64];          /* all sinks have stored this, of what is not read again; "": nothing */
    char pos_head[48];          /* of all lines of this attempt: up to their number */
    int64_t ts_ms;

    /* Which chunk is next: under claims, which is held while a session waits for a lock. */
    pthread_mutex_t claims;
    struct snapshot_chunk next; /* number, table, first and from of it */
    uint64_t step;              /* so many blocks are taken at once */

    /* Whose lines go out: under turns. What is below belongs to the worker whose turn it is. */
    struct cdc_turns turns;
    struct snapshot_idle idle;
    int failed_fd; /* readable once one has failed: ends waits for the server */
    struct cdc_writer *writer;
    char last_pos[64]; /* of the last commit line */
    uint64_t lines;    /* numbers pos */
    int64_t saved;     /* cdc_clock_ms of the last save of parts */
    struct cdc_snapshot_progress progress;
};

static inline const struct pg_table *snapshot_worker_table(const struct snapshot_worker *worker)
{
    return worker->chunk.table < worker->run->n_tables ? worker->run->tables[worker->chunk.table].table : NULL;
}

/* -- state.c -- */
void pg_snapshot_state_clear(struct snapshot_state *state);
int pg_snapshot_state_read(struct snapshot_run *run, struct cdc_error *error);
/* Durable when it returns. */
int pg_snapshot_state_save(struct snapshot_run *run, struct cdc_error *error);
/* Written is not stored: with acks the snapshot is finished when they have passed its last commit. 1: finished. */
int pg_snapshot_check_finished(struct snapshot_run *run, struct cdc_error *error);

/* -- session.c -- */
/* Waits for input of the server while output leaves. */
int pg_snapshot_wait_input(struct snapshot_worker *worker, struct cdc_error *error);
/* Runs a command that may take long; a signal ends the wait. NULL on errors. RETURNS NEW (PQclear) */
PGresult *pg_snapshot_command(struct snapshot_worker *worker, const char *text, ExecStatusType expected,
                              const char *what, struct cdc_error *error);
int pg_snapshot_finish_command(struct snapshot_worker *worker, const char *what, struct cdc_error *error);
int pg_snapshot_execute(struct snapshot_worker *worker, const char *text, const char *what, struct cdc_error *error);

/* -- begin.c -- */
/* row_security = off makes a policy that hides rows an error. */
#define PG_SNAPSHOT_OPENING "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off"
int pg_snapshot_begin_any(struct snapshot_run *run, struct cdc_error *error);
/* Are slot, publication and log still those of the position lsn, where an attempt began? LOST when they are not. */
int pg_snapshot_check_log(struct snapshot_run *run, const struct pg_slot *slot, uint64_t lsn, struct cdc_error *error);
/* What there is of the publication now (members.h), as a NEW text in the place of *members; NULL: there is none. */
int pg_snapshot_members(struct snapshot_run *run, char **members, struct cdc_error *error);
/* The transactions that are to have ended before rows are read. wait: as pg_snapshot_wait_writers. BORROWS. */
struct snapshot_settling {
    int (*wait)(struct snapshot_run *run, const struct cdc_stale *tables, struct cdc_error *error);
    const struct cdc_stale *tables;
};
/* Waits, and begins the transaction that the rows are read in, with the publication as it was before that: else both once more.
 * *read_at becomes what it sees of the log. */
int pg_snapshot_begin_reading(struct snapshot_run *run, const struct snapshot_settling *settling, char **read_at,
                              struct cdc_error *error);

/* Before any query of the transaction. */
int pg_snapshot_import(struct snapshot_worker *worker, const char *snapshot, struct cdc_error *error);

/* -- workers.c -- */
/* What all attempts begin with: the first session. */
int pg_snapshot_connect(struct snapshot_run *run, struct cdc_error *error);
void pg_snapshot_close_workers(struct snapshot_run *run);
/* How attempts go on once their transaction has begun: all chunks, and the last line. */
int pg_snapshot_read_tables(struct snapshot_run *run, struct cdc_error *error);

/* -- chunk.c -- */
/* Gives the worker the chunk that is next. 1; 0 when there is none for it; -1. */
int pg_snapshot_claim(struct snapshot_worker *worker, struct cdc_error *error);
/* Its chunk is read: how many blocks the next one should have. */
void pg_snapshot_measure(struct snapshot_worker *worker);

/* -- copy.c -- */
/* Reads the worker's chunk, and writes it. */
int pg_snapshot_copy_chunk(struct snapshot_worker *worker, struct cdc_error *error);

/* -- turns.c -- */
/* 1: it is the worker's turn, from now on; 0: not yet; -1: another one failed, which is reported elsewhere. wait: until it is. */
int pg_snapshot_take_turn(struct snapshot_worker *worker, bool wait, struct cdc_error *error);
/* Writes what there is, in turn. */
int pg_snapshot_pass(struct snapshot_worker *worker, struct cdc_error *error);
/* Writes all, and gives the turn to the next chunk. */
int pg_snapshot_end_turn(struct snapshot_worker *worker, struct cdc_error *error);
/* The run has failed: nobody waits any longer. */
void pg_snapshot_fail(struct snapshot_worker *worker, const struct cdc_error *error);

/* -- part_list.c -- */
void pg_snapshot_part_free(struct snapshot_part *part); /* the members */
void pg_snapshot_parts_clear(struct snapshot_parts *parts);
/* An empty one, the last; NULL without memory. */
struct snapshot_part *pg_snapshot_parts_add(struct snapshot_parts *parts);
/* TAKES view. The number of views, or 0 without memory. */
size_t pg_snapshot_parts_add_view(struct snapshot_parts *parts, char *view);
/* The "read" of a state; there may be none. false: it is damaged, or errno ENOMEM. */
bool pg_snapshot_parts_read(struct snapshot_parts *parts, struct cdc_span read);
/* Appends ,"read":{...}; nothing where there is no part. */
void pg_snapshot_parts_append(struct cdc_buf *out, const struct snapshot_parts *parts, bool finished);
/* Has a sink come that lacks what was not read again? As the acks were last read. */
bool pg_snapshot_parts_lack_sink(const struct snapshot_run *run);

/* -- parts.c -- */
/* Once the tables are listed, in the attempt's transaction: which of them, and how much, is not to be read again. */
int pg_snapshot_parts_begin(struct snapshot_run *run, struct cdc_error *error);
/* Appends the rest of a condition: rows that the table's edge may not have seen. */
void pg_snapshot_parts_condition(const struct snapshot_run *run, const struct snapshot_table *table,
                                 struct cdc_buf *out);
/* In turn, after the commit line of the worker's chunk. */
int pg_snapshot_parts_keep(struct snapshot_worker *worker, struct cdc_error *error);
/* Has a sink come that lacks what was not read again? TEMPORARY then, and all is to be read. */
int pg_snapshot_parts_check_sinks(struct snapshot_run *run, struct cdc_error *error);

/* -- flush.c -- */
/* Until the log is on the server's disk up to lsn, for a minute: then TEMPORARY. 0 or -1 */
int pg_snapshot_await_flush(struct snapshot_run *run, const char *lsn, struct cdc_error *error);

/* -- idle.c -- */
/* From now on the slot, which there is, does not become idle for the server. Once is enough. 0 or -1 */
int pg_snapshot_idle_begin(struct snapshot_run *run, struct cdc_error *error);
void pg_snapshot_idle_end(struct snapshot_run *run);

/* -- again.c -- */
/* Reads stale tables again, where the stream has marked some, and all sinks are where it ended. */
int pg_snapshot_again(struct snapshot_run *run, struct cdc_error *error);

/* -- writers.c -- */
/* An id that is greater than those of all transactions that run by now, as a text for SQL's xid. Not in the attempt's own
 * transaction. */
int pg_snapshot_bound(struct snapshot_run *run, char *xid, size_t size, struct cdc_error *error);
/* Waits for the transactions that wrote to these tables (NULL: to all that are selected) by now: of what they write the log may lack
 * a part. TEMPORARY after a while. */
int pg_snapshot_wait_writers(struct snapshot_run *run, const struct cdc_stale *tables, struct cdc_error *error);

/* -- tables.c -- */
int pg_snapshot_list_tables(struct snapshot_run *run, struct cdc_error *error);
/* In the first session. */
int pg_snapshot_lock_tables(struct snapshot_run *run, struct cdc_error *error);
/* In another one, for a moment: what waits for the lock of the first one would wait for ever. 1; 0: it is not to be had; -1 */
int pg_snapshot_try_lock(struct snapshot_worker *worker, size_t table, struct cdc_error *error);
/* Sizes, in blocks, once locked. */
int pg_snapshot_measure_tables(struct snapshot_run *run, struct cdc_error *error);

/* -- lines.c: in turn -- */
/* What is the same in all of them. */
int pg_snapshot_prepare_lines(struct snapshot_run *run, struct cdc_error *error);
/* end: all rows of a table that was read again are there. */
void pg_snapshot_schema_line(struct snapshot_worker *worker, const struct pg_table *table, bool end);
/* Attempts before this one may have left rows that are no more: the copy begins empty. */
void pg_snapshot_truncate_line(struct snapshot_worker *worker, const struct pg_table *table);
/* What the lines of a table's rows share. */
void pg_snapshot_prepare_rows(struct snapshot_worker *worker, const struct pg_table *table);
void pg_snapshot_row_line(struct snapshot_worker *worker, const struct pg_table *table, const struct pg_cell *cells);
/* last: the very last line of the attempt. */
void pg_snapshot_commit_line(struct snapshot_worker *worker, bool last);

#endif
