/* SPDX-License-Identifier: MIT */
/* The run of a snapshot and its workers, and what the files of this room do to them; nobody else includes this.
 *
 *     snapshot.c   begins the run and ends it: one attempt
 *     begin.c      holds the tables (tables.c), begins the workers' transactions at a point of the log
 *                  (consistent_point.c), finds where an attempt before was (resume.c)
 *     workers.c    each worker: claims a key range (chunk.c), copies it (copy.c) as lines (lines.c), writes those when it
 *                  is its turn (turns.c), and keeps a checkpoint now and then (resume.c)
 *     again.c      tables of a copy that is complete, read again
 *     state.c      what the offset file keeps of all that */
#ifndef MY_SNAPSHOT_INTERNAL_H
#define MY_SNAPSHOT_INTERNAL_H

#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/scan/scan.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/snapshot/guard.h"
#include "connectors/mysql/snapshot/snapshot.h"
#include "connectors/mysql/snapshot/state.h"

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>
#include <cdc/json.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>
#include <cdc/snapshot.h>
#include <cdc/turns.h>
#include <cdc/stale.h>
#include <pthread.h>

enum { MY_OTHER_SESSIONS = 3 }; /* besides the workers': the questions', the lock's, the log's */

struct my_snapshot_table {
    struct my_table *table; /* owned */
    struct my_key key;      /* that it is read in the order of */
    char *condition;        /* of key; owned */
    struct cdc_snapshot_part part;
    bool frozen;      /* its engine has consistent snapshots */
    char engine[68];  /* its name */
    char created[24]; /* as the server says; "" when it does not */
};

/* What is read with one statement: a table, or a range of its key. */
struct my_chunk {
    uint64_t number; /* lines go out in this order, from 1 */
    size_t table;
    bool first, last; /* of its table in this attempt */
    struct my_range range;
};

/* A session that reads. It has one chunk at a time, and keeps the lines until those of the chunks before are out. */
struct my_worker {
    struct my_snapshot *run;
    MYSQL *mysql;
    pthread_t thread; /* of all but the first, which is the caller's */
    struct my_chunk chunk;
    struct cdc_buf json_null;                       /* as my_image_note_json_null, of the row at hand */
    struct cdc_buf row_head;                        /* of a table's rows: from after pos up to the row */
    struct cdc_buf lines;                           /* of the chunk, not yet with the writer */
    uint64_t line;                                  /* numbers pos inside of the chunk */
    uint64_t sent;                                  /* rows of the chunk */
    uint64_t events;                                /* changes since the last commit line */
    uint64_t rows, n_lines, commits, unconvertible; /* not yet in the run's metrics */
};

struct my_snapshot {
    const struct my_snapshot_settings *settings;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct my_snapshot_state state;
    struct my_again *again;            /* NULL: the first copy */
    struct my_consistent_point *point; /* of this copy */
    struct my_server server;
    struct my_guard *guard;
    MYSQL *sql; /* keeps the tables from being altered, and answers questions */
    struct my_worker *workers;
    size_t n_workers;
    struct cdc_buf names; /* of the tables: "db\0table\0" ... */
    struct my_snapshot_table *tables;
    size_t n_tables;
    struct cdc_buf source_tail; /* `,"ts_ms":N,"server_id":N,"file":"F","pos":N,"row":0,"snapshot":` */
    int64_t ts_ms;
    bool whole_images;   /* binlog_row_image */
    bool omits_reported; /* see my_table_report_omits */

    /* Which chunk is next: under claims, which is held while the server is asked for its end. */
    pthread_mutex_t claims;
    struct my_chunk next; /* number, table, first and range.after of it */

    /* Whose lines go out: under turns. What is below belongs to the worker whose turn it is. */
    struct cdc_turns turns;
    struct cdc_writer *writer;
    char last_pos[64]; /* of the last commit line */
    char kept_pos[64]; /* all sinks have stored this, of what is not read again; "": nothing */
    uint64_t beats;    /* lines after the last one, while the sinks are waited for; the last one counts */
    int64_t saved;     /* cdc_clock_ms of the last checkpoint */
    struct cdc_snapshot_progress progress;
};

/* Tables that are read again, after the copy is complete: a round (cdc/stale.h). Each attempt reads them as they are then, from a
 * point of its own on. */
struct my_again {
    struct cdc_stale mark;
    struct my_consistent_point point;
    uint64_t origin;     /* number of the transaction that follows; seq of all lines */
    unsigned attempt;    /* once it has begun */
    struct my_seen seen; /* by the rows of this attempt */
    char *source;        /* of the boundary that all sinks have: where the log goes on */
    struct cdc_buf gone; /* the tables that are no more: "db\0table\0" ... */
};

static inline const struct my_snapshot_table *my_worker_table(const struct my_worker *worker)
{
    return &worker->run->tables[worker->chunk.table];
}
/* Appends a name as it stands, such as `,"file":`, and a text as JSON. */
static inline void my_snapshot_append_member(struct cdc_buf *out, const char *name, const char *text)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, text, strlen(text));
}

/* -- begin.c -- */
/* Up to the first row: all that is decided before is durable. */
int my_snapshot_begin(struct my_snapshot *run, struct cdc_error *error);

/* -- again.c -- */
/* The copy is complete: are there tables to be read again, and all sinks where that may be? 1: run->again has them; 0; -1. */
int my_again_open(struct my_snapshot *run, struct cdc_error *error);
void my_again_close(struct my_snapshot *run);
/* Finds those that are no more. PERMISSION where that cannot be told from one that may not be read. */
int my_again_find_gone(struct my_snapshot *run, struct cdc_error *error);
/* A further attempt, durable when it returns. TEMPORARY: the server's log ends before what the sinks have. */
int my_again_begin(struct my_snapshot *run, struct cdc_error *error);
/* All is written: returns once all sinks have stored it. */
int my_again_end(struct my_snapshot *run, struct cdc_error *error);

/* -- tables.c -- */
/* Appends the names of the tables that are selected now. */
int my_snapshot_tables_list(struct my_snapshot *run, struct cdc_buf *names, struct cdc_error *error);
/* Finds the tables, and keeps their definitions as they are until sql's transaction ends. */
int my_snapshot_tables_hold(struct my_snapshot *run, struct cdc_error *error);
/* The same in each worker's transaction, which has begun. */
int my_snapshot_tables_hold_for_workers(struct my_snapshot *run, struct cdc_error *error);
void my_snapshot_tables_free(struct my_snapshot *run);

/* -- consistent_point.c -- */
/* Begins the workers' transactions, and keeps where the log goes on from. */
int my_consistent_point_find(struct my_snapshot *run, struct cdc_error *error);
/* The set as the server prints it, in the one order that sets have here. RETURNS NEW; NULL on errors. */
char *my_consistent_point_canonical(enum my_flavor flavor, const char *gtids, struct cdc_error *error);
/* When that file of MySQL's log was begun; 0 when the user may not read the log, or the file is gone. */
int my_consistent_point_file_created(struct my_snapshot *run, const char *file, uint32_t *created,
                                     struct cdc_error *error);
/* The set at coordinates of MariaDB's log. sql: a session that has nothing under way. 1 and RETURNS NEW; 0: the log has none such; -1. */
int my_consistent_point_gtids_at(struct my_snapshot *run, MYSQL *sql, const struct my_coord *coord, char **gtids,
                                 struct cdc_error *error);

/* -- consistent_point_check.c -- */
/* Does the server's log still go on from the point of the first attempt? LOST: not any more. */
int my_consistent_point_check(struct my_snapshot *run, struct cdc_error *error);
/* Does it have what rows of attempts have seen, which are not read again? A crash may have taken that back. 1, 0, -1 */
int my_consistent_point_has_seen(struct my_snapshot *run, struct cdc_error *error);
/* Keeps what those of this attempt see: once its transactions have begun. */
int my_consistent_point_see(struct my_snapshot *run, struct cdc_error *error);

/* -- workers.c -- */
/* Connects them. */
int my_workers_open(struct my_snapshot *run, struct cdc_error *error);
/* Closes all but the first `left`. */
void my_workers_close(struct my_snapshot *run, size_t left);
/* START TRANSACTION WITH CONSISTENT SNAPSHOT in each of them, one after the other. */
int my_workers_start_transactions(struct my_snapshot *run, struct cdc_error *error);
/* Reads all chunks; the workers' threads begin and end in it. */
int my_workers_run(struct my_snapshot *run, struct cdc_error *error);

/* -- chunk.c -- */
/* Gives the worker the chunk that is next. 1, 0 when there is none, or -1. */
int my_chunk_claim(struct my_worker *worker, struct cdc_error *error);

/* -- copy.c -- */
/* Reads the worker's chunk, and writes it. */
int my_copy_chunk(struct my_worker *worker, struct cdc_error *error);

/* -- lines.c: to the worker's lines -- */
/* end: that of a table's read in a round. */
void my_lines_add_schema(struct my_worker *worker, bool end);
/* Attempts before this one may have left rows that are no more: the copy begins empty. In a round it is where the table's read
 * begins. */
void my_lines_add_truncate(struct my_worker *worker);
/* That table is no more. */
void my_lines_add_gone(struct my_worker *worker, const char *db, const char *table);
/* What the lines of the table's rows have in common. */
void my_lines_begin_rows(struct my_worker *worker);
int my_lines_add_row(struct my_worker *worker, const struct my_cell *cells, struct cdc_error *error);
/* Only in turn. last: the very last line of the attempt. */
void my_lines_add_commit(struct my_worker *worker, bool last);
/* One more commit line after the last line, as one of its chunk: of struct cdc_snapshot_beat, whose context is the run. */
int my_lines_write_beat(void *context, struct cdc_error *error);
/* Makes source_tail. */
int my_lines_begin(struct my_snapshot *run, struct cdc_error *error);
/* Appends the source object of a commit line: what mysql-binlog starts from. snapshot: "true", or "last". */
void my_lines_append_source(struct cdc_buf *out, const struct my_snapshot *run, const char *snapshot);

/* -- turns.c -- */
/* Waits for the worker's turn. -1: another one failed. */
int my_turns_wait(struct my_worker *worker, struct cdc_error *error);
/* Writes the lines that it has so far, in turn. */
int my_turns_write(struct my_worker *worker, struct cdc_error *error);
/* The same if it is its turn; else keeps them, or waits for the turn where they are too many. */
int my_turns_pass(struct my_worker *worker, struct cdc_error *error);
/* The chunk is written: the next one's turn. */
void my_turns_end(struct my_worker *worker);
/* The run has failed: nobody waits any longer. */
void my_turns_fail(struct my_worker *worker, const struct cdc_error *error);

/* -- resume.c -- */
/* Is it time to keep a checkpoint? */
bool my_resume_is_due(const struct my_snapshot *run);
/* Keeps one, after the commit line that went out last: the worker's table is read up to key; NULL: it is read. */
int my_resume_keep(struct my_worker *worker, const struct my_key_value *key, struct cdc_error *error);
/* The reading begins after the latest checkpoint that is stored, when what it says still holds; else with the first
 * table. */
int my_resume_begin(struct my_snapshot *run, struct cdc_error *error);
/* The reading begins with the first table after all. */
void my_resume_discard(struct my_snapshot *run);
/* Is a table without a key among those that are to be read? */
bool my_resume_reads_keyless(const struct my_snapshot *run);
/* The reading begins with the first table after all, and at another point of the log. LOST where a sink has come too far for
 * that. */
int my_resume_forget(struct my_snapshot *run, struct cdc_error *error);
/* Where something is not read again: do all sinks have it? TEMPORARY: one has come, or was set back, that has not; the next attempt
 * reads all. */
int my_resume_check_sinks(struct my_snapshot *run, struct cdc_error *error);

#endif
