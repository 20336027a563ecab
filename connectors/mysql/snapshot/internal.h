/* SPDX-License-Identifier: MIT */
/* What the files of the snapshot share; nobody else includes this. */
#ifndef MY_SNAPSHOT_INTERNAL_H
#define MY_SNAPSHOT_INTERNAL_H

#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/snapshot/snapshot.h"
#include "connectors/mysql/value/column.h"

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>
#include <cdc/snapshot.h>
#include <pthread.h>

/* Where the log goes on after the first attempt: nothing that the rows lack lies before it. */
struct my_consistent_point {
    struct my_coord coord; /* file "": not known, the GTIDs say it all */
    char *gtids;           /* complete with it, as the server prints them; owned; "" without GTIDs */
    uint32_t file_created; /* MySQL: when place's file was begun, as it says itself; 0: not known */
    char server_uuid[40];  /* MySQL */
    uint32_t server_id;
};

/* A commit line that a further attempt can go on behind: the tables before this one are read, and this one up to a key. */
struct my_checkpoint {
    char pos[64];        /* of the line */
    struct cdc_buf json; /* what the offset file keeps of it; owned */
};
enum { MY_CHECKPOINTS = 16 };   /* acks lag behind what is written */
enum { MY_OTHER_SESSIONS = 3 }; /* sessions besides the readers': the questions', the lock's, the log's */

/* What the offset file keeps. */
struct my_snapshot_state {
    bool has_start, finished;
    uint64_t number;  /* X: the wall clock in microseconds at the first attempt */
    unsigned attempt; /* the last one that began to write */
    char *written;    /* pos of the last commit of a whole attempt, or NULL */
    struct my_consistent_point from;
    struct my_checkpoint checkpoints[MY_CHECKPOINTS]; /* in the order of their lines */
    size_t n_checkpoints;
};

/* How a value comes in a row of the binary protocol. */
enum my_cell_form {
    MY_CELL_BYTES, /* behind their packed length */
    MY_CELL_CLOCK, /* parts of a date or time, behind a length of one byte */
    MY_CELL_1,     /* little-endian */
    MY_CELL_2,
    MY_CELL_4,
    MY_CELL_8
};

struct my_snapshot_table {
    struct my_table *table;
    double estimate;  /* rows */
    bool frozen;      /* its engine has consistent snapshots */
    char created[24]; /* as the server says; "" when it does not */
    size_t *key;      /* columns of the primary key that it can be read in the order of, in that order; owned */
    size_t n_key;     /* 0: it is read in one piece */
};

struct my_guard; /* ends what blocks when a signal comes, or a session fails */
struct my_snapshot;

/* Values of a primary key: of strings their bytes in hexadecimal, of others what the server prints. */
struct snapshot_key {
    struct cdc_buf values; /* with NUL behind each; owned */
    size_t n;              /* 0: no key */
};

/* What is read with one statement: a table, or the rows of one whose key is above after and not above upto. */
struct my_chunk {
    uint64_t number; /* lines go out in this order, from 1 */
    size_t table;
    bool first, last; /* of its table in this attempt */
    struct snapshot_key after, upto;
};

/* One session of the snapshot. It reads one chunk at a time, and keeps the lines until those before them are out. */
struct my_worker {
    struct my_snapshot *run;
    MYSQL *mysql;
    pthread_t thread; /* of all but the first, which is the caller's */
    bool started;
    struct my_chunk chunk;
    struct my_cell *cells;
    uint8_t *wires;                                 /* enum my_cell_form of each column */
    struct cdc_buf fixed;                           /* of a table's rows: from behind pos up to the row */
    struct cdc_buf lines;                           /* of the chunk, not yet with the writer */
    uint64_t line;                                  /* numbers pos inside of the chunk */
    uint64_t events;                                /* changes since the last commit line */
    uint64_t rows, n_lines, commits, unconvertible; /* not yet in the run's metrics */
    struct cdc_error error;
};

struct my_snapshot {
    const struct my_snapshot_settings *settings;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct my_snapshot_state state;
    struct my_server server;
    struct my_guard *guard;
    MYSQL *sql; /* keeps the tables from being altered, and answers questions */
    struct my_worker *workers;
    size_t n_workers;
    struct cdc_buf names; /* of the tables: "db\0table\0" ... */
    struct my_snapshot_table *tables;
    size_t n_tables;
    struct cdc_buf tail; /* of source: `,"ts_ms":N,"server_id":N,"file":"F","pos":N,"row":0,"snapshot":` */
    int64_t ts_ms;
    bool whole_images; /* binlog_row_image */

    /* Which chunk is next: under claims, which is held while the server is asked for its end. */
    pthread_mutex_t claims;
    struct my_chunk next; /* number, table, first and after of it */

    /* Whose lines go out: under turns. What is below belongs to the reader whose turn it is. */
    pthread_mutex_t turns;
    pthread_cond_t turned;
    uint64_t turn; /* number of a chunk */
    bool failed;
    struct cdc_error error; /* why */
    struct cdc_writer *writer;
    char last_pos[64]; /* of the last commit line */
    int64_t saved;     /* cdc_clock_ms of the last point */
    struct cdc_snapshot_progress progress;
};

/* -- my_snapshot_state.c -- */
void my_snapshot_state_clear(struct my_snapshot_state *state);
int my_snapshot_state_read(struct my_snapshot *run, struct cdc_error *error);
/* Durable when it returns. */
int my_snapshot_state_save(struct my_snapshot *run, struct cdc_error *error);
/* 1: finished. */
int my_snapshot_is_finished(struct my_snapshot *run, struct cdc_error *error);
/* The source object of a commit line: what mysql-binlog starts from. snapshot: "true", or "last". */
void my_snapshot_append_source(const struct my_snapshot *run, struct cdc_buf *out, const char *snapshot);

/* -- snapshot_session.c -- */
/* wake_fd: readable once a signal has come; sessions: so many at most. RETURNS NEW */
struct my_guard *my_guard_new(int wake_fd, size_t sessions, struct cdc_error *error);
void my_guard_free(struct my_guard *guard);
/* Ends every wait for the server, as a signal does. */
void my_guard_cut(struct my_guard *guard);
/* Connects; a signal ends every wait for its server. RETURNS NEW (my_snapshot_close) */
MYSQL *my_snapshot_open(struct my_snapshot *run, struct cdc_error *error);
void my_snapshot_close(struct my_snapshot *run, MYSQL *mysql);
/* my_session_error, and TEMPORARY where another attempt sees a table as it is now. */
int my_snapshot_error(MYSQL *mysql, const char *what, struct cdc_error *error);
/* `db`.`table`, quoted. */
void my_snapshot_append_name(struct cdc_buf *out, const char *db, const char *table);

/* -- snapshot_position.c -- */
/* Begins the readers' transactions, and keeps the place that the log goes on from. */
int my_consistent_point_find(struct my_snapshot *run, struct cdc_error *error);
/* Does the server's log still go on from the place of the first attempt? */
int my_consistent_point_check(struct my_snapshot *run, struct cdc_error *error);

/* -- snapshot_begin.c -- */
int my_snapshot_begin(struct my_snapshot *run, struct cdc_error *error);
/* START TRANSACTION WITH CONSISTENT SNAPSHOT in each of them, one after the other. */
int my_workers_start_transactions(struct my_snapshot *run, struct cdc_error *error);

/* -- snapshot_tables.c -- */
/* Appends the names of the tables that are selected. */
int my_snapshot_list(struct my_snapshot *run, struct cdc_buf *names, struct cdc_error *error);
/* Finds the tables, and keeps their definitions as they are until sql's transaction ends. */
int my_snapshot_hold_tables(struct my_snapshot *run, struct cdc_error *error);
void my_snapshot_forget_tables(struct my_snapshot *run);

/* -- snapshot_key.c -- */
/* Finds the primary key that the table can be read in the order of. */
int my_key_find(struct my_snapshot *run, struct my_snapshot_table *table, struct cdc_error *error);
void my_key_clear(struct snapshot_key *key);
void my_key_free(struct snapshot_key *key);
/* Appends the value that the server sent as that text or those bytes. */
void my_key_append(struct snapshot_key *key, const struct my_column *column, const void *bytes, size_t n);
/* Appends the value of a row that was read. */
int my_key_append_cell(struct snapshot_key *key, const struct my_column *column, const struct my_cell *cell,
                       uint8_t wire, struct cdc_error *error);
/* Appends a value that was kept; false when it is none of that column. */
bool my_key_restore(struct snapshot_key *key, const struct my_column *column, struct cdc_span value);
/* ` FORCE INDEX (PRIMARY) WHERE ... ORDER BY ...`: the rows above after, not above upto, either of which may be empty. */
void my_key_clause(struct cdc_buf *out, const struct my_snapshot_table *table, const struct snapshot_key *after,
                   const struct snapshot_key *upto);

/* -- my_chunk.c -- */
/* Gives the reader the chunk that is next. 1, 0 when there is none, or -1. */
int my_chunk_claim(struct my_worker *worker, struct cdc_error *error);
void my_chunk_free(struct my_chunk *chunk);

/* -- snapshot_resume.c -- */
/* Is it time to keep a point? */
bool my_checkpoint_is_due(const struct my_snapshot *run);
/* Keeps a point behind the commit line that went out last: the reader's table is read up to key; NULL: it is read. */
int my_checkpoint_keep(struct my_worker *worker, const struct snapshot_key *key, struct cdc_error *error);
/* The reading begins behind the latest point that is stored, when what it says still holds; else with the first table. */
int my_snapshot_resume(struct my_snapshot *run, struct cdc_error *error);
/* Drops all points but the one (or NULL). */
void my_checkpoints_drop(struct my_snapshot_state *state, const struct my_checkpoint *but);

/* -- snapshot_lines.c -- */
void my_lines_schema(struct my_worker *worker);
/* Attempts before this one may have left rows that are no more: the copy begins empty. */
void my_lines_truncate(struct my_worker *worker);
/* What the lines of the table's rows have in common. */
void my_lines_prepare_rows(struct my_worker *worker);
int my_lines_row(struct my_worker *worker, struct cdc_error *error);
/* Only in turn. last: the very last line of the attempt. */
void my_lines_commit(struct my_worker *worker, bool last);

/* -- snapshot_rows.c -- */
/* Reads the reader's chunk. */
int my_chunk_read(struct my_worker *worker, struct cdc_error *error);

/* -- snapshot_readers.c -- */
/* RETURNS NEW in run. */
int my_workers_open(struct my_snapshot *run, struct cdc_error *error);
/* Closes all but the first `left`. */
void my_workers_close(struct my_snapshot *run, size_t left);
/* Reads all chunks; the readers' threads begin and end in it. */
int my_workers_run(struct my_snapshot *run, struct cdc_error *error);
/* Writes the lines when it is the reader's turn; waits for that when there are too many. */
int my_worker_pass_lines(struct my_worker *worker, struct cdc_error *error);
/* Waits for the turn. */
int my_worker_wait_turn(struct my_worker *worker, struct cdc_error *error);
/* Writes all lines, in turn. */
int my_worker_write_lines(struct my_worker *worker, struct cdc_error *error);

/* -- snapshot_value.c */
/* How a column of that type of the protocol comes, checked against what the column is. -1 when it cannot be. */
int my_cell_form_of(const struct my_column *column, unsigned type, struct cdc_error *error);
/* The bytes of a value as JSON, the same as of the log's. */
int my_cell_append(struct cdc_buf *out, const struct my_column *column, const struct my_cell *cell,
                   const struct cdc_value_format *style, uint64_t *unconvertible, struct cdc_error *error);

#endif
