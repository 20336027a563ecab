/* SPDX-License-Identifier: MIT */
/* Where a source begins: decided once, before it connects, from what the pipeline keeps. A connector only says whether
 * its server still has it: connectors/postgres/stream/start.c and connectors/mysql/stream/start.c follow it. */
#ifndef CDC_START_H
#define CDC_START_H

#include <cdc/offset.h>
#include <cdc/stale.h>

enum cdc_start_kind {
    CDC_START_FIRST, /* no part of the pipeline has a position: slot and the like may be created, now and never again */
    CDC_START_SNAPSHOT, /* only a complete snapshot has one: the log goes on where its rows end */
    CDC_START_RESUME    /* after a position that is stored */
};

struct cdc_start {
    enum cdc_start_kind kind;
    struct cdc_offset from; /* RESUME: the smallest position of the sinks, without acks our own; SNAPSHOT: the
                               snapshot's; FIRST: pos is NULL */
    struct cdc_offset own;  /* what our own offset file has, with the state in it; pos is NULL when it has nothing */
    char *snapshot;         /* the state of the snapshot, a JSON object; NULL: there is none in the folder */
    char *visible; /* what the snapshot has seen of the log: the "read_at" of its state, a JSON object; NULL: none */
    /* Tables that are stale (stale.h), none: stale.n is 0. To be saved before the first line; with sinks that have all passed
     * stale.at nothing is to be written at all: cdc-snapshot is next. */
    struct cdc_stale stale;
    /* What people ask to be read again (request.h), which is in `stale`, and those of it that the last run had in its durable mark,
     * and which may be answered since. To be settled: the first once stale is saved, the others at any time. */
    struct cdc_stale asked, marked;
    bool heals;               /* tables that become stale can be read again; false: there is no snapshot, or no sink */
    struct cdc_rounds rounds; /* what cdc-snapshot has read again since the snapshot: what of the log it has seen */
    size_t sinks;             /* number of sinks, of which it is known that they have stored rows or changes; 0: none */
};

/* acks: NULL where what is written counts as stored. state_dir: where cdc-snapshot of the pipeline `name` may have left
 * its file; NULL: nowhere. output_fd: where the stream will write; -1: nowhere, it is only asked. *start is to be freed
 * in any case (cdc_start_free). 0, or -1: CONFIG when a snapshot was begun and is not complete: after half of one, the
 * sinks would move past the other half for ever; TEMPORARY when it is complete, but went into another pipe, and its
 * sinks have not stored it: it may have ended with that pipe; LOST when it is finished besides, and a sink has come since
 * that has not stored it; LOST also when a sink has no position, but an earlier run has confirmed changes, which that sink
 * will never see. */
int cdc_start_decide(struct cdc_start *start, const struct cdc_offset_file *own, struct cdc_acks *acks,
                     const char *state_dir, const char *name, int output_fd, struct cdc_error *error);
/* Would the start be refused as long as a sink has no position? Then those that begin at this moment are worth waiting for.
 * 1, 0, or -1. */
int cdc_start_needs_sinks(const struct cdc_offset_file *own, const char *state_dir, const char *name, int output_fd,
                          struct cdc_error *error);
/* LOST: the sink without a position, as above. Always -1. */
int cdc_start_lost_sink(const char *name, struct cdc_error *error);
/* Would lines at pos come after all that any sink has, or it would drop them as those that it had? acks: as last read; rounds: our own,
 * beside those of start; boundary: the last line that was written, or NULL. */
bool cdc_start_is_before(const struct cdc_start *start, const struct cdc_acks *acks, const struct cdc_rounds *rounds,
                         const struct cdc_offset *boundary, const char *pos);
void cdc_start_free(struct cdc_start *start); /* the members, not the struct */

#endif
