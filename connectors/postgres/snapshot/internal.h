/* SPDX-License-Identifier: MIT */
/* What the files of the snapshot share; nobody else includes this. */
#ifndef PG_SNAPSHOT_INTERNAL_H
#define PG_SNAPSHOT_INTERNAL_H

#include "connectors/postgres/scan/scan.h"
#include "connectors/postgres/session/encoding.h"
#include "connectors/postgres/session/identity.h"
#include "connectors/postgres/session/slot.h"
#include "connectors/postgres/session/wait.h"
#include "connectors/postgres/snapshot/snapshot.h"

#include "connectors/postgres/schema/shapes.h"

#include <cdc/attempt.h>
#include <cdc/snapshot.h>
#include <cdc/stale.h>

/* What the offset file keeps. */
struct snapshot_state {
    bool creating; /* the slot was about to be made */
    bool has_point;
    struct cdc_attempt attempt; /* its origin is X, the slot's consistent point */
    char *identity;             /* JSON object */
    char *publication;          /* what it had for the last attempt: JSON object (members.h), or NULL */
    char *read_at;              /* of the last attempt: JSON object (visible.h), or NULL for one that read at X */
    struct pg_shapes shapes;    /* of the tables, as they were read last */
    struct cdc_rounds rounds;   /* tables that were read again since */
};

struct snapshot_table {
    struct pg_table *table;
    struct pg_scan_source source;
    char *filter; /* of rows, SQL, or NULL */
    struct cdc_snapshot_part part;
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
    PGconn *sql;
    struct pg_wait wait; /* on sql */
    bool stream_began;   /* it has a position */
    bool converts;       /* the texts of rows, from: */
    struct pg_encoding encoding;
    struct cdc_writer *writer;
    struct snapshot_table *tables;
    size_t n_tables;
    struct cdc_buf fixed;       /* of a table's rows: from after pos up to the row */
    struct cdc_buf source_head; /* of commit lines */
    char last_pos[64];          /* of the last commit line */
    int64_t ts_ms;
    uint64_t lines; /* numbers pos */
    uint64_t chunk; /* changes since the last commit line */
    struct cdc_snapshot_progress progress;
};

/* -- state.c -- */
void pg_snapshot_state_clear(struct snapshot_state *state);
int pg_snapshot_state_read(struct snapshot_run *run, struct cdc_error *error);
/* Durable when it returns. */
int pg_snapshot_state_save(struct snapshot_run *run, struct cdc_error *error);
/* Written is not stored: with acks the snapshot is finished when they have passed its last commit. 1: finished. */
int pg_snapshot_check_finished(struct snapshot_run *run, struct cdc_error *error);

/* -- session.c -- */
/* Waits for input of the server while output leaves. */
int pg_snapshot_wait_input(struct snapshot_run *run, struct cdc_error *error);
/* Runs a command that may take long; a signal ends the wait. NULL on errors. RETURNS NEW (PQclear) */
PGresult *pg_snapshot_command(struct snapshot_run *run, const char *text, ExecStatusType expected, const char *what,
                              struct cdc_error *error);
int pg_snapshot_finish_command(struct snapshot_run *run, const char *what, struct cdc_error *error);
int pg_snapshot_execute(struct snapshot_run *run, const char *text, const char *what, struct cdc_error *error);

/* -- begin.c -- */
int pg_snapshot_begin_any(struct snapshot_run *run, struct cdc_error *error);
/* Are slot, publication and log still those of the position lsn, where an attempt began? LOST when they are not. */
int pg_snapshot_check_log(struct snapshot_run *run, const struct pg_slot *slot, uint64_t lsn, struct cdc_error *error);
/* Begins the transaction that the rows are read in. *read_at becomes what it sees of the log. */
int pg_snapshot_begin_reading(struct snapshot_run *run, char **read_at, struct cdc_error *error);

/* -- rows.c -- */
/* What all attempts begin with, and how they go on once their transaction has begun. */
int pg_snapshot_connect(struct snapshot_run *run, struct cdc_error *error);
int pg_snapshot_read_tables(struct snapshot_run *run, struct cdc_error *error);

/* -- again.c -- */
/* Reads stale tables again, where the stream has marked some, and all sinks are where it ended. */
int pg_snapshot_again(struct snapshot_run *run, struct cdc_error *error);

/* -- writers.c -- */
/* Waits for the transactions that wrote to these tables before the stream saw that they are stale: of what they write the log may
 * lack a part. TEMPORARY after a while. */
int pg_snapshot_wait_writers(struct snapshot_run *run, const struct cdc_stale *tables, struct cdc_error *error);

/* -- tables.c -- */
int pg_snapshot_list_tables(struct snapshot_run *run, struct cdc_error *error);
int pg_snapshot_lock_tables(struct snapshot_run *run, struct cdc_error *error);

/* -- lines.c -- */
/* end: all rows of a table that was read again are there. */
void pg_snapshot_schema_line(struct snapshot_run *run, const struct pg_table *table, bool end);
/* Attempts before this one may have left rows that are no more: the copy begins empty. */
void pg_snapshot_truncate_line(struct snapshot_run *run, const struct pg_table *table);
/* What the lines of a table's rows share. */
void pg_snapshot_prepare_rows(struct snapshot_run *run, const struct pg_table *table);
void pg_snapshot_row_line(struct snapshot_run *run, const struct pg_table *table, const struct pg_cell *cells);
/* last: the very last line of the attempt. */
void pg_snapshot_commit_line(struct snapshot_run *run, bool last);

#endif
