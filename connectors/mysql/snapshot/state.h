/* SPDX-License-Identifier: MIT */
/* What the snapshot's offset file keeps from one attempt to the next. */
#ifndef MY_STATE_H
#define MY_STATE_H

#include "connectors/mysql/decoder/seen.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/snapshot/checkpoint.h"

#include <cdc/attempt.h>
#include <cdc/stale.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the log goes on after the first attempt, or after the last one that read tables without a key: whatever the rows lack
 * comes after it. */
struct my_consistent_point {
    struct my_coord coord; /* file "": not known, the GTIDs say it all */
    char *gtids;           /* complete there, as the server prints them; owned; "" without GTIDs */
    uint32_t file_created; /* when that file was begun, as it says itself; 0: not known */
    char server_uuid[128]; /* as my_server has it; "": MariaDB, by an older version */
    uint32_t server_id;
};

/* MariaDB's name is 1/host:3306, MySQL's a UUID. */
bool my_consistent_point_is_mariadb(const struct my_consistent_point *from);

struct my_snapshot_state {
    bool has_start;
    struct cdc_attempt attempt; /* its origin is X, the wall clock in microseconds at the first attempt */
    struct my_consistent_point from;
    struct my_seen seen;               /* by the rows of the last attempt, and of those that it went on from */
    char *selection;                   /* -t and -T of the last attempt, JSON (session.h); NULL: not known */
    struct cdc_rounds rounds;          /* what was read again since */
    struct my_checkpoints checkpoints; /* of the last attempt, and the one it went on from */
    char *sinks; /* that have what was not read again: an array of paths; NULL: all was read; owned */
};

struct my_snapshot;
void my_snapshot_state_clear(struct my_snapshot_state *state);
/* CONFIG when what the file has is damaged, or another database's. */
int my_snapshot_state_read(struct my_snapshot *run, struct cdc_error *error);
/* Durable when it returns. */
int my_snapshot_state_save(struct my_snapshot *run, struct cdc_error *error);
/* 1: nothing is left to do, which is noted; 0; -1. */
int my_snapshot_state_is_finished(struct my_snapshot *run, struct cdc_error *error);

#endif
