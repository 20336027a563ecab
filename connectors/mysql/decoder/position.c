/* SPDX-License-Identifier: MIT */
/* Positions: position.h has the layout, and examples. */
#include "connectors/mysql/decoder/position.h"

#include <cdc/pos.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPT_DIGITS = 4, CHUNK_DIGITS = 6, LINE_DIGITS = 10, COUNTER_DIGITS = 8 };

static void read_line(struct cdc_buf *out, char kind, uint64_t number, unsigned attempt, uint64_t chunk, uint64_t line)
{
    cdc_pos_head(out, number, 0);
    cdc_buf_byte(out, kind);
    cdc_buf_hex(out, attempt, ATTEMPT_DIGITS);
    cdc_buf_byte(out, '.');
    cdc_buf_hex(out, chunk, CHUNK_DIGITS);
    cdc_buf_byte(out, '.');
    cdc_buf_hex(out, line, LINE_DIGITS);
}

void my_pos_snapshot(struct cdc_buf *out, uint64_t number, unsigned attempt, uint64_t chunk, uint64_t line)
{
    read_line(out, 'a', number, attempt, chunk, line);
}

void my_pos_round(struct cdc_buf *out, uint64_t number, unsigned attempt, uint64_t chunk, uint64_t line)
{
    read_line(out, 'r', number, attempt, chunk, line);
}

void my_pos_schema(struct cdc_buf *out, uint64_t number, uint64_t ordinal)
{
    cdc_pos_head(out, number, ordinal);
    cdc_buf_byte(out, '0');
}

void my_pos_change(struct cdc_buf *out, uint64_t number, uint64_t ordinal)
{
    cdc_pos_head(out, number, ordinal);
    cdc_buf_byte(out, '1');
}

void my_pos_commit(struct cdc_buf *out, uint64_t number)
{
    cdc_pos_head(out, number, CDC_POS_LAST_ORDINAL);
    cdc_buf_byte(out, '0');
}

void my_pos_heartbeat(struct cdc_buf *out, uint64_t number, uint32_t counter)
{
    cdc_pos_head(out, number, CDC_POS_LAST_ORDINAL);
    cdc_buf_byte(out, 'h');
    cdc_buf_hex(out, counter, COUNTER_DIGITS);
}

uint32_t my_pos_counter(const char *pos)
{
    const char *counter = strrchr(pos, '.');
    return counter && counter[1] == 'h' ? (uint32_t)strtoul(counter + 2, NULL, 16) : 0;
}

bool my_pos_number(const char *pos, uint64_t *number)
{
    uint64_t ignored;
    if (!cdc_pos_hex(pos, CDC_POS_NUMBER_DIGITS, number) || pos[CDC_POS_NUMBER_DIGITS] != '.' || *number > INT64_MAX)
        return false;
    const char *tail = cdc_pos_parse(pos, &ignored, &ignored);
    *number -=
        tail && *tail == 'r' && *number > 0; /* a round comes before the transaction that it shares the number with */
    return true;
}
