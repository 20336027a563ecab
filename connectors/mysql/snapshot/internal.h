/* SPDX-License-Identifier: MIT */
/* What the files of the snapshot share; nobody else includes this. */
#ifndef MYSQL_SNAPSHOT_H
#define MYSQL_SNAPSHOT_H

#include "connectors/mysql/source.h"

#include <cdc/snapshot.h>
#include <pthread.h>

/* Where the log goes on after the first attempt: nothing that the rows lack lies before it. */
struct snapshot_place {
    struct binlog_place place; /* file "": not known, the GTIDs say it all */
    char *gtids;               /* complete with it, as the server prints them; owned; "" without GTIDs */
    uint32_t file_created;     /* MySQL: when place's file was begun, as it says itself; 0: not known */
    char server_uuid[40];      /* MySQL */
    uint32_t server_id;
};

/* A commit line that a further attempt can go on behind: the tables before this one are read, and this one up to a key. */
struct snapshot_point {
    char pos[64];        /* of the line */
    struct cdc_buf json; /* what the offset file keeps of it; owned */
};
enum { SNAPSHOT_POINTS = 16 }; /* acks lag behind what is written */
enum { SNAPSHOT_OTHERS = 3 };  /* sessions besides the readers': the questions', the lock's, the log's */

/* What the offset file keeps. */
struct snapshot_state {
    bool has_start, finished;
    uint64_t number;  /* X: the wall clock in microseconds at the first attempt */
    unsigned attempt; /* the last one that began to write */
    char *written;    /* pos of the last commit of a whole attempt, or NULL */
    struct snapshot_place from;
    struct snapshot_point points[SNAPSHOT_POINTS]; /* in the order of their lines */
    size_t n_points;
};

/* How a value comes in a row of the binary protocol. */
enum snapshot_wire {
    SNAPSHOT_WIRE_BYTES, /* behind their packed length */
    SNAPSHOT_WIRE_CLOCK, /* parts of a date or time, behind a length of one byte */
    SNAPSHOT_WIRE_1,     /* little-endian */
    SNAPSHOT_WIRE_2,
    SNAPSHOT_WIRE_4,
    SNAPSHOT_WIRE_8
};

struct snapshot_table {
    struct binlog_table *table;
    double estimate;  /* rows */
    bool frozen;      /* its engine has consistent snapshots */
    char created[24]; /* as the server says; "" when it does not */
    size_t *key;      /* columns of the primary key that it can be read in the order of, in that order; owned */
    size_t n_key;     /* 0: it is read in one piece */
};

struct snapshot_guard; /* ends what blocks when a signal comes, or a session fails */
struct snapshot_run;

/* Values of a primary key: of strings their bytes in hexadecimal, of others what the server prints. */
struct snapshot_key {
    struct cdc_buf values; /* with NUL behind each; owned */
    size_t n;              /* 0: no key */
};

/* What is read with one statement: a table, or the rows of one whose key is above after and not above upto. */
struct snapshot_chunk {
    uint64_t number; /* lines go out in this order, from 1 */
    size_t table;
    bool first, last; /* of its table in this attempt */
    struct snapshot_key after, upto;
};

/* One session of the snapshot. It reads one chunk at a time, and keeps the lines until those before them are out. */
struct snapshot_reader {
    struct snapshot_run *run;
    MYSQL *mysql;
    pthread_t thread; /* of all but the first, which is the caller's */
    bool started;
    struct snapshot_chunk chunk;
    struct binlog_cell *cells;
    uint8_t *wires;                                 /* enum snapshot_wire of each column */
    struct cdc_buf fixed;                           /* of a table's rows: from behind pos up to the row */
    struct cdc_buf lines;                           /* of the chunk, not yet with the writer */
    uint64_t line;                                  /* numbers pos inside of the chunk */
    uint64_t events;                                /* changes since the last commit line */
    uint64_t rows, n_lines, commits, unconvertible; /* not yet in the run's metrics */
    struct cdc_error error;
};

struct snapshot_run {
    const struct binlog_snapshot_settings *settings;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct snapshot_state state;
    struct binlog_server server;
    struct snapshot_guard *guard;
    MYSQL *sql; /* keeps the tables from being altered, and answers questions */
    struct snapshot_reader *readers;
    size_t n_readers;
    struct cdc_buf names; /* of the tables: "db\0table\0" ... */
    struct snapshot_table *tables;
    size_t n_tables;
    struct cdc_buf tail; /* of source: `,"ts_ms":N,"server_id":N,"file":"F","pos":N,"row":0,"snapshot":` */
    int64_t ts_ms;
    bool whole_images; /* binlog_row_image */

    /* Which chunk is next: under claims, which is held while the server is asked for its end. */
    pthread_mutex_t claims;
    struct snapshot_chunk next; /* number, table, first and after of it */

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

/* -- snapshot_state.c -- */
void binlog_snapshot_state_clear(struct snapshot_state *state);
int binlog_snapshot_state_read(struct snapshot_run *run, struct cdc_error *error);
/* Durable when it returns. */
int binlog_snapshot_state_save(struct snapshot_run *run, struct cdc_error *error);
/* 1: finished. */
int binlog_snapshot_check_finished(struct snapshot_run *run, struct cdc_error *error);
/* The source object of a commit line: what mysql-binlog starts from. snapshot: "true", or "last". */
void binlog_snapshot_append_source(const struct snapshot_run *run, struct cdc_buf *out, const char *snapshot);

/* -- snapshot_session.c -- */
/* wake_fd: readable once a signal has come; sessions: so many at most. RETURNS NEW */
struct snapshot_guard *binlog_snapshot_guard_new(int wake_fd, size_t sessions, struct cdc_error *error);
void binlog_snapshot_guard_free(struct snapshot_guard *guard);
/* Ends every wait for the server, as a signal does. */
void binlog_snapshot_guard_cut(struct snapshot_guard *guard);
/* Connects; a signal ends every wait for its server. RETURNS NEW (binlog_snapshot_close) */
MYSQL *binlog_snapshot_open(struct snapshot_run *run, struct cdc_error *error);
void binlog_snapshot_close(struct snapshot_run *run, MYSQL *mysql);
/* binlog_mysql_error, and TEMPORARY where another attempt sees a table as it is now. */
int binlog_snapshot_error(MYSQL *mysql, const char *what, struct cdc_error *error);
/* `db`.`table`, quoted. */
void binlog_snapshot_append_name(struct cdc_buf *out, const char *db, const char *table);

/* -- snapshot_position.c -- */
/* Begins the readers' transactions, and keeps the place that the log goes on from. */
int binlog_snapshot_place_first(struct snapshot_run *run, struct cdc_error *error);
/* Does the server's log still go on from the place of the first attempt? */
int binlog_snapshot_place_check(struct snapshot_run *run, struct cdc_error *error);

/* -- snapshot_begin.c -- */
int binlog_snapshot_begin(struct snapshot_run *run, struct cdc_error *error);
/* START TRANSACTION WITH CONSISTENT SNAPSHOT in each of them, one after the other. */
int binlog_snapshot_start_readers(struct snapshot_run *run, struct cdc_error *error);

/* -- snapshot_tables.c -- */
/* Appends the names of the tables that are selected. */
int binlog_snapshot_list(struct snapshot_run *run, struct cdc_buf *names, struct cdc_error *error);
/* Finds the tables, and keeps their definitions as they are until sql's transaction ends. */
int binlog_snapshot_hold_tables(struct snapshot_run *run, struct cdc_error *error);
void binlog_snapshot_forget_tables(struct snapshot_run *run);

/* -- snapshot_describe.c -- */
/* Fills columns from information_schema. */
int binlog_snapshot_describe(struct snapshot_run *run, struct binlog_table *table, struct cdc_error *error);

/* -- snapshot_key.c -- */
/* Finds the primary key that the table can be read in the order of. */
int binlog_snapshot_find_key(struct snapshot_run *run, struct snapshot_table *table, struct cdc_error *error);
void binlog_snapshot_key_clear(struct snapshot_key *key);
void binlog_snapshot_key_free(struct snapshot_key *key);
/* Appends the value that the server sent as that text or those bytes. */
void binlog_snapshot_key_append(struct snapshot_key *key, const struct binlog_column *column, const void *bytes,
                                size_t n);
/* Appends the value of a row that was read. */
int binlog_snapshot_key_append_cell(struct snapshot_key *key, const struct binlog_column *column,
                                    const struct binlog_cell *cell, uint8_t wire, struct cdc_error *error);
/* Appends a value that was kept; false when it is none of that column. */
bool binlog_snapshot_key_restore(struct snapshot_key *key, const struct binlog_column *column, struct cdc_span value);
/* ` FORCE INDEX (PRIMARY) WHERE ... ORDER BY ...`: the rows above after, not above upto, either of which may be empty. */
void binlog_snapshot_key_clause(struct cdc_buf *out, const struct snapshot_table *table,
                                const struct snapshot_key *after, const struct snapshot_key *upto);

/* -- snapshot_chunk.c -- */
/* Gives the reader the chunk that is next. 1, 0 when there is none, or -1. */
int binlog_snapshot_claim(struct snapshot_reader *reader, struct cdc_error *error);
void binlog_snapshot_chunk_free(struct snapshot_chunk *chunk);

/* -- snapshot_resume.c -- */
/* Is it time to keep a point? */
bool binlog_snapshot_point_is_due(const struct snapshot_run *run);
/* Keeps a point behind the commit line that went out last: the reader's table is read up to key; NULL: it is read. */
int binlog_snapshot_keep_point(struct snapshot_reader *reader, const struct snapshot_key *key, struct cdc_error *error);
/* The reading begins behind the latest point that is stored, when what it says still holds; else with the first table. */
int binlog_snapshot_resume(struct snapshot_run *run, struct cdc_error *error);
/* Drops all points but the one (or NULL). */
void binlog_snapshot_points_drop(struct snapshot_state *state, const struct snapshot_point *but);

/* -- snapshot_lines.c -- */
void binlog_snapshot_schema_line(struct snapshot_reader *reader);
/* Attempts before this one may have left rows that are no more: the copy begins empty. */
void binlog_snapshot_truncate_line(struct snapshot_reader *reader);
/* What the lines of the table's rows have in common. */
void binlog_snapshot_prepare_rows(struct snapshot_reader *reader);
int binlog_snapshot_row_line(struct snapshot_reader *reader, struct cdc_error *error);
/* Only in turn. last: the very last line of the attempt. */
void binlog_snapshot_commit_line(struct snapshot_reader *reader, bool last);

/* -- snapshot_rows.c -- */
/* Reads the reader's chunk. */
int binlog_snapshot_read_chunk(struct snapshot_reader *reader, struct cdc_error *error);

/* -- snapshot_readers.c -- */
/* RETURNS NEW in run. */
int binlog_snapshot_open_readers(struct snapshot_run *run, struct cdc_error *error);
/* Closes all but the first `left`. */
void binlog_snapshot_close_readers(struct snapshot_run *run, size_t left);
/* Reads all chunks; the readers' threads begin and end in it. */
int binlog_snapshot_read_all(struct snapshot_run *run, struct cdc_error *error);
/* Writes the lines when it is the reader's turn; waits for that when there are too many. */
int binlog_snapshot_pass_lines(struct snapshot_reader *reader, struct cdc_error *error);
/* Waits for the turn. */
int binlog_snapshot_wait_turn(struct snapshot_reader *reader, struct cdc_error *error);
/* Writes all lines, in turn. */
int binlog_snapshot_write_lines(struct snapshot_reader *reader, struct cdc_error *error);

/* -- snapshot_value.c */
/* How a column of that type of the protocol comes, checked against what the column is. -1 when it cannot be. */
int binlog_snapshot_wire(const struct binlog_column *column, unsigned type, struct cdc_error *error);
/* The bytes of a value as JSON, the same as of the log's. */
int binlog_snapshot_value_append(struct cdc_buf *out, const struct binlog_column *column,
                                 const struct binlog_cell *cell, const struct binlog_value_style *style,
                                 uint64_t *unconvertible, struct cdc_error *error);

#endif
