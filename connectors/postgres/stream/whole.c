/* SPDX-License-Identifier: MIT */
/* A table that is read again in one piece (pgoutput/live.h): by COPY, as a snapshot reads it. What comes next in the log waits until all
 * rows are out, which takes as long as it does where the stream ends for it, and no longer. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/query.h"

#include <poll.h>
#include <stdlib.h>

#define PAUSE_MS 50

static const char what[] = "cannot read a table again";

void pg_whole_clear(struct pg_reading *reading)
{
    pg_scan_end(&reading->scan);
    free((char *)reading->source.filter);
    reading->source = (struct pg_scan_source){.table = NULL};
}

int pg_whole_begin(struct pg_reading *reading, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    pg_scan_statement(&text, &reading->source, NULL);
    PGresult *result = text.failed ? NULL : pg_query(reading->sql, text.data, 0, NULL, PGRES_COPY_OUT, what, error);
    if (text.failed)
        cdc_error_memory(error);
    cdc_buf_free(&text);
    PQclear(result);
    pg_scan_end(&reading->scan);
    return result ? pg_scan_begin(&reading->scan, reading->sql, &reading->source, error) : -1;
}

/* A commit record of our own comes after the rows, so that the log comes to what they have seen. */
static int finish(struct pg_reading *reading, struct cdc_error *error)
{
    int status = 0;
    for (PGresult *result; (result = PQgetResult(reading->sql)) != NULL; PQclear(result))
        if (status == 0 && PQresultStatus(result) != PGRES_COMMAND_OK)
            status = pg_query_fail(reading->sql, result, what, error);
    if (status < 0)
        return -1;
    PGresult *result = pg_query_rows(reading->sql, "SELECT pg_current_xact_id()", 0, NULL, what, error);
    PQclear(result);
    return result && pg_query_run(reading->sql, "COMMIT", what, error) == 0 ? 1 : -1;
}

/* A while without rows is no end of it: signals, and the server's walsender, are looked after in between. */
static int await(struct pg_reading *reading, struct cdc_error *error)
{
    struct pollfd fd = {PQsocket(reading->sql), POLLIN, 0};
    (void)poll(&fd, 1, PAUSE_MS);
    return PQconsumeInput(reading->sql) ? 0 : pg_query_fail(reading->sql, NULL, what, error);
}

int pg_whole_rows(struct pg_reading *reading, struct pg_live_lines *lines, struct cdc_buf *out, size_t limit,
                  struct cdc_error *error)
{
    bool waited = false;
    while (out->len < limit) {
        switch (pg_scan_next(&reading->scan, error)) {
        case PG_SCAN_ROW:
            if (pg_row_check_key(reading->table, reading->scan.cells, error) < 0)
                return -1;
            pg_live_row_line(lines, reading->scan.cells, out);
            break;
        case PG_SCAN_WAIT:
            if (waited)
                return 0;
            if (await(reading, error) < 0)
                return -1;
            waited = true;
            break;
        case PG_SCAN_END: return finish(reading, error);
        case PG_SCAN_ERROR: return -1;
        }
    }
    return 0;
}
