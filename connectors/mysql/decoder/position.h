/* SPDX-License-Identifier: MIT */
/* Positions: text that sorts byte-wise in stream order. */
#ifndef MY_POSITION_H
#define MY_POSITION_H

#include <cdc/buf.h>

/* -- positions (position.c) ------------------------------------------------------
 * File and offset of the log do not grow over a RESET or a failover, and GTIDs have no order. So transactions are
 * numbered: C is the number of the transaction's group in the stream, counted from a start that is the wall clock in
 * microseconds, so that a pipeline begun anew counts from above the old one. Which group has which number follows from
 * any position: offsets hold both C and the GTID set (or file and offset) that is complete with it. At another server it
 * goes on as numbering.h says.
 * A pos compares byte-wise in stream order. Hexadecimal digits are upper case.
 *   snapshot line  CCCCCCCCCCCCCCCC.0000000000.aAAAA.KKKKKK.RRRRRRRRRR   A: attempt, K: chunk, R: its line
 *   schema line    CCCCCCCCCCCCCCCC.OOOOOOOOOO.0                    O: ordinal of the next change
 *   change         CCCCCCCCCCCCCCCC.OOOOOOOOOO.1                    O: grows within the transaction, whatever -t selects
 *   commit         CCCCCCCCCCCCCCCC.FFFFFFFFFF.0
 *   heartbeat      CCCCCCCCCCCCCCCC.FFFFFFFFFF.hNNNNNNNN            C: of the transaction before; N: counter
 * seq is C. */
void my_pos_snapshot(struct cdc_buf *out, uint64_t number, unsigned attempt, uint64_t chunk, uint64_t line);
void my_pos_schema(struct cdc_buf *out, uint64_t number, uint64_t ordinal);
void my_pos_change(struct cdc_buf *out, uint64_t number, uint64_t ordinal);
void my_pos_commit(struct cdc_buf *out, uint64_t number);
void my_pos_heartbeat(struct cdc_buf *out, uint64_t number, uint32_t counter);
/* C; false when pos is none of ours. */
bool my_pos_number(const char *pos, uint64_t *number);

/* A heartbeat's counter; 0 for other lines. */
uint32_t my_pos_counter(const char *pos);

/* A place in the stream: behind so many DDL statements of transaction C. The same wherever reading begins. */
struct my_point {
    uint64_t number, statements;
};

#endif
