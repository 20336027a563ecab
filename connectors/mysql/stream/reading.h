/* SPDX-License-Identifier: MIT */
/* A table that is read again while the stream goes on: what reading.c and piece.c share. */
#ifndef MY_READING_H
#define MY_READING_H

#include "connectors/mysql/decoder/live.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/scan/key.h"

#include <cdc/buf.h>
#include <cdc/stale.h>
#include <mysql.h>

/* Rows that were read, until the log has come to where they are (live.h). */
struct my_piece {
    struct my_coord upto;     /* there they go out */
    bool exact;               /* they show all before it, and nothing after it. Else all of: */
    struct my_gtid_set *seen; /* NULL: of what begins before: */
    struct my_coord before;
    bool last;       /* no row came after them */
    int64_t rows_ms; /* that the rows took, from the first one on */
    size_t n, capacity;
    struct my_piece_texts {
        size_t line, key, value;
    } * ends; /* of each row, in the three texts: */
    struct cdc_buf lines, keys,
        values; /* members of its line; its key, to compare with (live.h); the same for a statement (key.h) */
};

enum my_reading_phase { MY_READING_NONE, MY_READING_READS, MY_READING_WAITS };
struct my_reading {
    bool loaded;
    bool begun;             /* in this run */
    struct cdc_stale asked; /* tables that are to be read, with the one that is */
    struct cdc_stale open;  /* of these, those of which nothing comes until they begin: they are stale, or have come to
                               the pipeline, or a run before has begun them */
    struct cdc_rounds rounds; /* those that were read, or are: in our state */
    enum my_reading_phase phase;
    MYSQL *sql;
    char *db, *name;        /* the one that is read; NULL: none */
    struct my_table *table; /* as described for its rows */
    bool gone;              /* there is none of that name */
    struct my_key key;
    char *collations[MY_LIVE_KEY_MAX]; /* of the texts in it; NULL */
    struct cdc_buf columns;            /* the same as columns.h has it */
    struct my_live live;
    struct my_key_value after; /* rows after it are to be read; no values: all */
    struct my_piece piece;
    struct my_coord heard; /* the server has sent all before it: what a heartbeat said */
    struct my_coord least; /* what was delivered before this connection lies before it */
    unsigned attempt;      /* of the lines' positions, one a run */
    uint64_t since, total;
    unsigned restarts;      /* of this table */
    unsigned spoiled;       /* pieces in a row of which nothing could go out */
    size_t rows;            /* of the next piece */
    struct cdc_stale ended; /* those whose last lines the loop has not taken yet */
    /* Until when to wait; when this table was begun, and when there was a piece of it last, or the first try. */
    int64_t due, began, took_up;
};

#endif
