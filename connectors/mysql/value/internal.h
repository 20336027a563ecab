/* SPDX-License-Identifier: MIT */
/* What the files that print values share; binlog.h has what others see. */
#ifndef BINLOG_VALUE_H
#define BINLOG_VALUE_H

#include "connectors/mysql/binlog.h"

#define BINLOG_DECIMAL_DIGITS 65 /* the server's limit */

/* n (1..8) bytes, big-endian. */
static inline uint64_t binlog_big_endian(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

/* n (1..8) bytes, little-endian. */
static inline uint64_t binlog_little_endian(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | p[n];
    return value;
}

/* Two digits at p; returns the place behind them. value < 100. */
static inline char *binlog_put2(char *p, uint32_t value)
{
    p[0] = (char)('0' + value / 10);
    p[1] = (char)('0' + value % 10);
    return p + 2;
}

/* -- number.c */
/* A double as the server writes it into JSON: 1.0 for 1. Infinities and NaN, which JSON has not, as strings. */
void binlog_json_double_append(struct cdc_buf *out, double value);

/* -- decimal.c */
/* Bytes of a DECIMAL; 0 when the server has no such type. */
size_t binlog_decimal_size(unsigned precision, unsigned scale);
/* The digits of the binlog_decimal_size bytes at p, as the server prints them; text has room for
 * BINLOG_DECIMAL_DIGITS + 3. Returns the length; 0 when the bytes are none. */
size_t binlog_decimal_text(char *text, const uint8_t *p, unsigned precision, unsigned scale);

/* -- temporal.c */
/* The value bytes p[0..n) of a column of a temporal type, n as binlog_temporal_size says. */
int binlog_temporal_append(struct cdc_buf *out, const struct binlog_column *column, const uint8_t *p, size_t n,
                           struct cdc_error *error);
/* Bytes of a value; 0: the precision is not known. */
size_t binlog_temporal_size(const struct binlog_column *column);
/* The server's packed form (of JSON's opaque values) to the text in it, without quotes; false when it is none. */
bool binlog_packed_time_append(struct cdc_buf *out, enum binlog_kind kind, int64_t packed);

/* -- json_binary.c */
/* The binary document p[0..n) as JSON text. */
int binlog_json_append(struct cdc_buf *out, const uint8_t *p, size_t n, struct cdc_error *error);

#endif
