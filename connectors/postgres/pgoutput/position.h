/* SPDX-License-Identifier: MIT */
/* Positions of lines, and LSNs. */
#ifndef PG_POSITION_H
#define PG_POSITION_H

#include <cdc/buf.h>
#include <stdbool.h>
#include <stdint.h>

/* A pos compares byte-wise in stream order. Hexadecimal digits are upper case.
 *   snapshot line  XXXXXXXXXXXXXXXX.0000000000.aAAAA.RRRRRRRRRRRR   X: consistent point, A: attempt, R: row (1..)
 *   line of a round WWWWWWWWWWWWWWWW.0000000000.rAAAA.RRRRRRRRRRRR  after the heartbeat at W where the stream ended (stale.h)
 *   heartbeat      WWWWWWWWWWWWWWWW.0000000000.hNNNNNNNN            W: position of the server, N: counter
 *   schema line    FFFFFFFFFFFFFFFF.OOOOOOOOOO.0                    F: start of the commit record, O: ordinal of the next change
 *   change         FFFFFFFFFFFFFFFF.OOOOOOOOOO.1                    O: 1.. within the transaction (all its changes count)
 *   commit         FFFFFFFFFFFFFFFF.FFFFFFFFFF.EEEEEEEEEEEEEEEE     E: end of the commit record
 * seq is F (X for snapshot lines, W for heartbeats and rounds). */
void pg_pos_snapshot(struct cdc_buf *out, uint64_t consistent_point, unsigned attempt, uint64_t row);
void pg_pos_round(struct cdc_buf *out, uint64_t lsn, unsigned attempt, uint64_t row);
void pg_pos_heartbeat(struct cdc_buf *out, uint64_t lsn, uint32_t counter);
void pg_pos_schema(struct cdc_buf *out, uint64_t final_lsn, uint64_t next_ordinal);
void pg_pos_change(struct cdc_buf *out, uint64_t final_lsn, uint64_t ordinal);
void pg_pos_commit(struct cdc_buf *out, uint64_t final_lsn, uint64_t end_lsn);
/* LSN at which replication starts again so that nothing after pos is missed: E for a commit, W for a heartbeat, X for a
 * snapshot line, W for one of a round, F (the whole transaction again) for a change. false when pos is none of ours. */
bool pg_pos_restart_lsn(const char *pos, uint64_t *lsn);
/* Is it a commit line's? Then *begin and *end are those of the commit record. */
bool pg_pos_is_commit(const char *pos, uint64_t *begin, uint64_t *end);
/* Was pos made by a snapshot? Then *attempt is set. */
bool pg_pos_is_snapshot(const char *pos, unsigned *attempt);

/* A heartbeat's counter; 0 for other lines. */
uint32_t pg_pos_counter(const char *pos);

/* Was it made by a round? */
bool pg_pos_is_round(const char *pos);

bool pg_lsn_parse(const char *text, uint64_t *lsn); /* "16/B374D848" */
void pg_lsn_format(char text[24], uint64_t lsn);

#endif
