/* SPDX-License-Identifier: MIT */
/* What the files of the snapshot share; nobody else includes this. */
#ifndef MYSQL_SNAPSHOT_H
#define MYSQL_SNAPSHOT_H

#include "connectors/mysql/source.h"

#include <cdc/snapshot.h>

/* Where the log goes on after the first attempt: nothing that the rows lack lies before it. */
struct snapshot_place {
    struct binlog_place place; /* file "": not known, the GTIDs say it all */
    char *gtids;               /* complete with it, as the server prints them; owned; "" without GTIDs */
    char server_uuid[40];      /* MySQL */
    uint32_t server_id;
};

/* What the offset file keeps. */
struct snapshot_state {
    bool has_start, finished;
    uint64_t number;  /* X: the wall clock in microseconds at the first attempt */
    unsigned attempt; /* the last one that began to write */
    char *written;    /* pos of the last commit of a whole attempt, or NULL */
    struct snapshot_place from;
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
    double estimate; /* rows */
    bool frozen;     /* its engine has consistent snapshots */
};

struct snapshot_guard; /* ends what blocks when a signal comes */

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
    MYSQL *sql;    /* keeps the tables from being altered, and answers questions */
    MYSQL *reader; /* the consistent snapshot */
    struct cdc_writer *writer;
    struct cdc_buf names; /* of the tables: "db\0table\0" ... */
    struct snapshot_table *tables;
    size_t n_tables;
    struct binlog_cell *cells;
    uint8_t *wires;       /* enum snapshot_wire of each column */
    struct cdc_buf tail;  /* of source: `,"ts_ms":N,"server_id":N,"file":"F","pos":N,"row":0,"snapshot":` */
    struct cdc_buf fixed; /* of a table's rows: from behind pos up to the row */
    char last_pos[64];    /* of the last commit line */
    int64_t ts_ms;
    uint64_t lines; /* numbers pos */
    uint64_t chunk; /* changes since the last commit line */
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
/* wake_fd: readable once a signal has come. RETURNS NEW */
struct snapshot_guard *binlog_snapshot_guard_new(int wake_fd, struct cdc_error *error);
void binlog_snapshot_guard_free(struct snapshot_guard *guard);
/* Connects; a signal ends every wait for its server. RETURNS NEW (binlog_snapshot_close) */
MYSQL *binlog_snapshot_open(struct snapshot_run *run, struct cdc_error *error);
void binlog_snapshot_close(struct snapshot_run *run, MYSQL *mysql);
/* binlog_mysql_error, and TEMPORARY where another attempt sees a table as it is now. */
int binlog_snapshot_error(MYSQL *mysql, const char *what, struct cdc_error *error);
/* `db`.`table`, quoted. */
void binlog_snapshot_append_name(struct cdc_buf *out, const char *db, const char *table);

/* -- snapshot_position.c -- */
/* Before the transaction of the snapshot begins (MySQL; nothing on MariaDB), and inside of it (MariaDB only). */
int binlog_snapshot_place_before(struct snapshot_run *run, struct cdc_error *error);
int binlog_snapshot_place_inside(struct snapshot_run *run, struct cdc_error *error);
/* Does the server's log still go on from the place of the first attempt? */
int binlog_snapshot_place_check(struct snapshot_run *run, struct cdc_error *error);

/* -- snapshot_begin.c -- */
int binlog_snapshot_begin(struct snapshot_run *run, struct cdc_error *error);

/* -- snapshot_tables.c -- */
/* Appends the names of the tables that are selected. */
int binlog_snapshot_list(struct snapshot_run *run, struct cdc_buf *names, struct cdc_error *error);
/* Finds the tables, and keeps their definitions as they are until sql's transaction ends. */
int binlog_snapshot_hold_tables(struct snapshot_run *run, struct cdc_error *error);
void binlog_snapshot_forget_tables(struct snapshot_run *run);

/* -- snapshot_describe.c -- */
/* Fills columns from information_schema. */
int binlog_snapshot_describe(struct snapshot_run *run, struct binlog_table *table, struct cdc_error *error);

/* -- snapshot_rows.c -- */
/* last: the very last line of the attempt. */
void binlog_snapshot_commit_line(struct snapshot_run *run, bool last);
int binlog_snapshot_read_table(struct snapshot_run *run, const struct snapshot_table *source, struct cdc_error *error);

/* -- snapshot_value.c */
/* How a column of that type of the protocol comes, checked against what the column is. -1 when it cannot be. */
int binlog_snapshot_wire(const struct binlog_column *column, unsigned type, struct cdc_error *error);
/* The bytes of a value as JSON, the same as of the log's. */
int binlog_snapshot_value_append(struct cdc_buf *out, const struct binlog_column *column,
                                 const struct binlog_cell *cell, const struct binlog_value_style *style,
                                 uint64_t *unconvertible, struct cdc_error *error);

#endif
