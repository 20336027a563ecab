/* SPDX-License-Identifier: MIT */
/* Positions (pos): text that sorts byte-wise in stream order.
 *
 * File and offset of the log do not grow over a RESET or a failover, and GTIDs have no order. So transactions are
 * numbered: C is the number of the transaction in the stream, counted from a start that is the wall clock in
 * microseconds, so that a pipeline that begins anew counts from above the old one. Which transaction has which
 * number follows from any position: offsets hold both C and the GTID set (or file and offset) that is complete with
 * it. At another server it goes on as numbering.h says. seq is C.
 *
 *     snapshot line  CCCCCCCCCCCCCCCC.0000000000.aAAAA.KKKKKK.RRRRRRRRRR   A: attempt, K: chunk, R: its line
 *     line of a round  CCCCCCCCCCCCCCCC.0000000000.rAAAA.KKKKKK.RRRRRRRRRR   (cdc/stale.h) C: of the transaction after it; so is seq
 *     schema line    CCCCCCCCCCCCCCCC.OOOOOOOOOO.0                    O: ordinal of the next change
 *     change         CCCCCCCCCCCCCCCC.OOOOOOOOOO.1                    O: grows within the transaction, whatever -t selects
 *     commit         CCCCCCCCCCCCCCCC.FFFFFFFFFF.0
 *     heartbeat      CCCCCCCCCCCCCCCC.FFFFFFFFFF.hNNNNNNNN            C: of the transaction before; N: counter
 *
 * A transaction of two rows, and a heartbeat (hexadecimal digits are upper case):
 *
 *     00060D1E2F3A4B5C.0000000001.0      schema
 *     00060D1E2F3A4B5C.0000000001.1      change
 *     00060D1E2F3A4B5C.0000000002.1      change
 *     00060D1E2F3A4B5C.FFFFFFFFFF.0      commit
 *     00060D1E2F3A4B5C.FFFFFFFFFF.h00000001 */
#ifndef MY_POSITION_H
#define MY_POSITION_H

#include <cdc/buf.h>

/* Each appends a pos; number: C. */
void my_pos_snapshot(struct cdc_buf *out, uint64_t number, unsigned attempt, uint64_t chunk, uint64_t line);
void my_pos_round(struct cdc_buf *out, uint64_t number, unsigned attempt, uint64_t chunk, uint64_t line);
void my_pos_schema(struct cdc_buf *out, uint64_t number, uint64_t ordinal);
void my_pos_change(struct cdc_buf *out, uint64_t number, uint64_t ordinal);
void my_pos_commit(struct cdc_buf *out, uint64_t number);
void my_pos_heartbeat(struct cdc_buf *out, uint64_t number, uint32_t counter);
/* Number of the last transaction that is complete at a pos, which ends in NUL (inside of a transaction: of that one);
 * false when pos is none of ours. */
bool my_pos_number(const char *pos, uint64_t *number);

/* A heartbeat's counter; 0 for other lines. */
uint32_t my_pos_counter(const char *pos);

/* A point in the stream: after so many DDL statements of transaction `number`. The same wherever reading begins. */
struct my_point {
    uint64_t number, statements;
};

#endif
