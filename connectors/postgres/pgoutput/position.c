/* SPDX-License-Identifier: MIT */
/* Positions: text that sorts byte-wise in stream order, and LSNs in it. */
#include "connectors/postgres/pgoutput/position.h"

#include <cdc/pos.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LSN_DIGITS = 16, ATTEMPT_DIGITS = 4, ROW_DIGITS = 12, COUNTER_DIGITS = 8 };

static void append_row(struct cdc_buf *out, uint64_t lsn, char kind, unsigned attempt, uint64_t row)
{
    cdc_pos_head(out, lsn, 0);
    cdc_buf_byte(out, kind);
    cdc_buf_hex(out, attempt, ATTEMPT_DIGITS);
    cdc_buf_byte(out, '.');
    cdc_buf_hex(out, row, ROW_DIGITS);
}

void pg_pos_snapshot(struct cdc_buf *out, uint64_t consistent_point, unsigned attempt, uint64_t row)
{
    append_row(out, consistent_point, 'a', attempt, row);
}

void pg_pos_round(struct cdc_buf *out, uint64_t lsn, unsigned attempt, uint64_t row)
{
    append_row(out, lsn, 'r', attempt, row);
}

void pg_pos_heartbeat(struct cdc_buf *out, uint64_t lsn, uint32_t counter)
{
    cdc_pos_head(out, lsn, 0);
    cdc_buf_byte(out, 'h');
    cdc_buf_hex(out, counter, COUNTER_DIGITS);
}

void pg_pos_schema(struct cdc_buf *out, uint64_t final_lsn, uint64_t next_ordinal)
{
    cdc_pos_head(out, final_lsn, next_ordinal);
    cdc_buf_byte(out, '0');
}

void pg_pos_change(struct cdc_buf *out, uint64_t final_lsn, uint64_t ordinal)
{
    cdc_pos_head(out, final_lsn, ordinal);
    cdc_buf_byte(out, '1');
}

void pg_pos_commit(struct cdc_buf *out, uint64_t final_lsn, uint64_t end_lsn)
{
    cdc_pos_head(out, final_lsn, CDC_POS_LAST_ORDINAL);
    cdc_buf_hex(out, end_lsn, LSN_DIGITS);
}

static bool get_row_tail(const char *tail, char kind, uint64_t *attempt)
{
    uint64_t row;
    return strlen(tail) == 1 + ATTEMPT_DIGITS + 1 + ROW_DIGITS && tail[0] == kind &&
           cdc_pos_hex(tail + 1, ATTEMPT_DIGITS, attempt) && tail[1 + ATTEMPT_DIGITS] == '.' &&
           cdc_pos_hex(tail + 2 + ATTEMPT_DIGITS, ROW_DIGITS, &row);
}

/* Replication from LSN L sends each transaction whose commit record begins at L or later; one byte too many loses a
 * whole transaction. So a commit gives the end of its record (the next record begins there or later), and a change
 * the start of it: its transaction comes again. */
bool pg_pos_restart_lsn(const char *pos, uint64_t *lsn)
{
    uint64_t head, ordinal, value;
    const char *tail = cdc_pos_parse(pos, &head, &ordinal);
    if (!tail)
        return false;
    *lsn = head;
    if (strcmp(tail, "0") == 0 || strcmp(tail, "1") == 0)
        return true;
    if (ordinal == 0 && tail[0] == 'h')
        return strlen(tail) == 1 + COUNTER_DIGITS && cdc_pos_hex(tail + 1, COUNTER_DIGITS, &value);
    if (ordinal == 0 && (tail[0] == 'a' || tail[0] == 'r'))
        return get_row_tail(tail, tail[0], &value);
    if (ordinal != CDC_POS_LAST_ORDINAL || strlen(tail) != LSN_DIGITS || !cdc_pos_hex(tail, LSN_DIGITS, &value))
        return false;
    *lsn = value;
    return true;
}

bool pg_pos_is_commit(const char *pos, uint64_t *begin, uint64_t *end)
{
    uint64_t ordinal;
    const char *tail = cdc_pos_parse(pos, begin, &ordinal);
    return tail && ordinal == CDC_POS_LAST_ORDINAL && strlen(tail) == LSN_DIGITS && cdc_pos_hex(tail, LSN_DIGITS, end);
}

bool pg_pos_is_snapshot(const char *pos, unsigned *attempt)
{
    uint64_t lsn, ordinal, value;
    const char *tail = cdc_pos_parse(pos, &lsn, &ordinal);
    if (!tail || ordinal != 0 || !get_row_tail(tail, 'a', &value))
        return false;
    *attempt = (unsigned)value;
    return true;
}

uint32_t pg_pos_counter(const char *pos)
{
    uint64_t ignored, counter;
    const char *tail = cdc_pos_parse(pos, &ignored, &ignored);
    return tail && *tail == 'h' && cdc_pos_hex(tail + 1, COUNTER_DIGITS, &counter) ? (uint32_t)counter : 0;
}

bool pg_pos_is_round(const char *pos)
{
    uint64_t lsn, ordinal, value;
    const char *tail = cdc_pos_parse(pos, &lsn, &ordinal);
    return tail && ordinal == 0 && get_row_tail(tail, 'r', &value);
}

bool pg_lsn_parse(const char *text, uint64_t *lsn)
{
    uint64_t half[2];
    for (int i = 0; i < 2; i++) {
        /* strtoull alone would take signs, blanks and 0x. */
        size_t digits = strspn(text, "0123456789ABCDEFabcdef");
        if (digits == 0 || digits > 8 || text[digits] != (i == 0 ? '/' : '\0'))
            return false;
        half[i] = strtoull(text, NULL, 16);
        text += digits + 1;
    }
    *lsn = half[0] << 32 | half[1];
    return true;
}

void pg_lsn_format(char text[24], uint64_t lsn)
{
    snprintf(text, 24, "%X/%X", (unsigned)(lsn >> 32), (unsigned)(lsn & UINT32_MAX));
}
