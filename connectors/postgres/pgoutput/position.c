/* SPDX-License-Identifier: MIT */
/* Positions: text that sorts byte-wise in stream order, and LSNs in it. */
#include "connectors/postgres/pgoutput/position.h"

#include <stdio.h>
#include <string.h>

enum { LSN_DIGITS = 16, ORDINAL_DIGITS = 10, ATTEMPT_DIGITS = 4, ROW_DIGITS = 12, COUNTER_DIGITS = 8 };
/* Where the part after the second dot begins. */
enum { TAIL = LSN_DIGITS + 1 + ORDINAL_DIGITS + 1 };

static void put_head(struct cdc_buf *out, uint64_t lsn, uint64_t ordinal)
{
    cdc_buf_hex(out, lsn, LSN_DIGITS);
    cdc_buf_byte(out, '.');
    cdc_buf_hex(out, ordinal, ORDINAL_DIGITS);
    cdc_buf_byte(out, '.');
}

void pg_pos_snapshot(struct cdc_buf *out, uint64_t consistent_point, unsigned attempt, uint64_t row)
{
    put_head(out, consistent_point, 0);
    cdc_buf_byte(out, 'a');
    cdc_buf_hex(out, attempt, ATTEMPT_DIGITS);
    cdc_buf_byte(out, '.');
    cdc_buf_hex(out, row, ROW_DIGITS);
}

void pg_pos_heartbeat(struct cdc_buf *out, uint64_t lsn, uint32_t counter)
{
    put_head(out, lsn, 0);
    cdc_buf_byte(out, 'h');
    cdc_buf_hex(out, counter, COUNTER_DIGITS);
}

void pg_pos_schema(struct cdc_buf *out, uint64_t final_lsn, uint64_t next_ordinal)
{
    put_head(out, final_lsn, next_ordinal);
    cdc_buf_byte(out, '0');
}

void pg_pos_change(struct cdc_buf *out, uint64_t final_lsn, uint64_t ordinal)
{
    put_head(out, final_lsn, ordinal);
    cdc_buf_byte(out, '1');
}

void pg_pos_commit(struct cdc_buf *out, uint64_t final_lsn, uint64_t end_lsn)
{
    put_head(out, final_lsn, UINT64_C(0xFFFFFFFFFF));
    cdc_buf_hex(out, end_lsn, LSN_DIGITS);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Exactly `digits` upper-case hexadecimal digits. */
static bool get_hex(const char *p, size_t digits, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint64_t)digit;
    }
    return true;
}

static bool get_snapshot_tail(const char *tail, uint64_t *attempt)
{
    uint64_t row;
    return strlen(tail) == 1 + ATTEMPT_DIGITS + 1 + ROW_DIGITS && tail[0] == 'a' &&
           get_hex(tail + 1, ATTEMPT_DIGITS, attempt) && tail[1 + ATTEMPT_DIGITS] == '.' &&
           get_hex(tail + 2 + ATTEMPT_DIGITS, ROW_DIGITS, &row);
}

/* The two numbers in front; false when pos is none of ours. */
static bool get_head(const char *pos, uint64_t *lsn, uint64_t *ordinal)
{
    return strnlen(pos, TAIL + 1) > TAIL && get_hex(pos, LSN_DIGITS, lsn) && pos[LSN_DIGITS] == '.' &&
           get_hex(pos + LSN_DIGITS + 1, ORDINAL_DIGITS, ordinal) && pos[TAIL - 1] == '.';
}

bool pg_pos_restart_lsn(const char *pos, uint64_t *lsn)
{
    uint64_t head, ordinal, value;
    if (!get_head(pos, &head, &ordinal))
        return false;
    const char *tail = pos + TAIL;
    *lsn = head;
    if (strcmp(tail, "0") == 0 || strcmp(tail, "1") == 0)
        return true;
    if (ordinal == 0 && tail[0] == 'h')
        return strlen(tail) == 1 + COUNTER_DIGITS && get_hex(tail + 1, COUNTER_DIGITS, &value);
    if (ordinal == 0 && tail[0] == 'a')
        return get_snapshot_tail(tail, &value);
    if (ordinal != UINT64_C(0xFFFFFFFFFF) || strlen(tail) != LSN_DIGITS || !get_hex(tail, LSN_DIGITS, &value))
        return false;
    *lsn = value;
    return true;
}

bool pg_pos_is_snapshot(const char *pos, unsigned *attempt)
{
    uint64_t lsn, ordinal, value;
    if (!get_head(pos, &lsn, &ordinal) || ordinal != 0 || !get_snapshot_tail(pos + TAIL, &value))
        return false;
    *attempt = (unsigned)value;
    return true;
}

bool pg_lsn_parse(const char *text, uint64_t *lsn)
{
    uint64_t half[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        int digits = 0;
        for (; digits < 9; digits++, text++) {
            int digit = hex_digit(*text >= 'a' && *text <= 'f' ? (char)(*text - 'a' + 'A') : *text);
            if (digit < 0)
                break;
            half[i] = half[i] << 4 | (uint64_t)digit;
        }
        if (digits == 0 || digits > 8 || *text != (i == 0 ? '/' : '\0'))
            return false;
        text += i == 0;
    }
    *lsn = half[0] << 32 | half[1];
    return true;
}

void pg_lsn_format(char text[24], uint64_t lsn)
{
    snprintf(text, 24, "%X/%X", (unsigned)(lsn >> 32), (unsigned)(lsn & UINT32_MAX));
}
