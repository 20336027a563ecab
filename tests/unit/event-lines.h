/* SPDX-License-Identifier: MIT */
/* Lines of events for the tests of sinks, in `input`; one transaction after the other. Included by one file of a program. */
#ifndef EVENT_LINES_H
#define EVENT_LINES_H

#include <cdc/buf.h>

static struct cdc_buf input;
static unsigned transaction, number;

static void line(const char *op, const char *table, const char *members)
{
    cdc_buf_printf(
        &input,
        "{\"op\":\"%s\",\"pos\":\"%08u.%08u\",\"seq\":%u,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\","
        "\"db\":\"d\",\"schema\":\"public\",\"table\":\"%s\"},%s}\n",
        op, transaction, ++number, transaction, table, members);
}

static void commit(void)
{
    cdc_buf_printf(
        &input,
        "{\"op\":\"commit\",\"pos\":\"%08u.99999999\",\"seq\":%u,\"source\":{\"connector\":\"postgresql\",\"name\":"
        "\"n\",\"system_id\":\"1\"},\"events\":%u}\n",
        transaction, transaction, number);
    transaction++;
    number = 0;
}

#define COLUMN(name, type) "{\"name\":\"" name "\",\"type\":\"" type "\",\"nullable\":true,\"generated\":false}"
#define SCHEMA(columns, key) "\"columns\":[" columns "],\"key_columns\":[" key "]"

#define ROW(key, before, after) "\"key\":" key ",\"before\":" before ",\"after\":" after

static void begin_lines(unsigned first_transaction)
{
    input.len = 0;
    transaction = first_transaction;
    number = 0;
}

#endif
