/* SPDX-License-Identifier: MIT */
/* Positions of lines (cdc-event(5)): text that sorts byte-wise in stream order, whatever the database. All begin alike:
 *
 *   0000000016B374D8.0000000003.1      transaction or LSN, ordinal within it, and a tail that tells lines of one
 *                                      ordinal apart: 0 schema, 1 change, h... heartbeat, a... row of a snapshot */
#ifndef CDC_POS_H
#define CDC_POS_H

#include <cdc/buf.h>

#define CDC_POS_NUMBER_DIGITS 16
#define CDC_POS_ORDINAL_DIGITS 10
#define CDC_POS_LAST_ORDINAL UINT64_C(0xFFFFFFFFFF) /* after those of all lines of a transaction: its commit's */

/* Appends "NUMBER.ORDINAL."; the tail is the caller's. */
static inline void cdc_pos_head(struct cdc_buf *out, uint64_t number, uint64_t ordinal)
{
    cdc_buf_hex(out, number, CDC_POS_NUMBER_DIGITS);
    cdc_buf_byte(out, '.');
    cdc_buf_hex(out, ordinal, CDC_POS_ORDINAL_DIGITS);
    cdc_buf_byte(out, '.');
}

/* Takes the head off. Returns the tail (BORROWED, at least one byte); NULL when pos does not begin so. */
const char *cdc_pos_parse(const char *pos, uint64_t *number, uint64_t *ordinal);
/* Exactly `digits` upper-case hexadecimal digits at p (which has a NUL after it or among them). */
bool cdc_pos_hex(const char *p, size_t digits, uint64_t *value);

#endif
