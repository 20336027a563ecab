/* SPDX-License-Identifier: MIT */
/* A table is found to be stale: the stream reads it itself (reading.c), or ends for it (stale.c). */
#include "connectors/postgres/stream/internal.h"

int pg_heal_add(void *context, const char *schema, const char *name, const char *why, struct cdc_error *error)
{
    struct pg_stream *stream = context;
    if (cdc_stale_has(&stream->heal.mark, stream->identity.database, schema, name))
        return 0;
    int reads = pg_reading_take(stream, schema, name, why, error);
    return reads != 0 ? (reads < 0 ? -1 : 0) : pg_heal_mark(stream, schema, name, why, error);
}

/* Snapshot and stream that were given different tables look just so, and a copy stands still: it is said, once. */
static void tell_left(void *context, const char *schema, const char *name)
{
    const struct pg_stream *stream = context;
    cdc_log_write(stream->log, CDC_LOG_WARNING,
                  "table \"%s\".\"%s\" is not selected any more: its changes come no more, and copies keep its rows as "
                  "they are (hint: cdc-snapshot and pg-cdc are to be given the same -t and -T)",
                  schema, name);
}

int pg_heal_look(struct pg_stream *stream, const struct pg_catalog *catalog, const char *ended, struct cdc_error *error)
{
    const struct pg_shapes_look look = {.sql = stream->sql,
                                        .settings = stream->pg,
                                        .catalog = catalog,
                                        .xids = ended,
                                        .stale = pg_heal_add,
                                        .left = tell_left,
                                        .context = stream};
    int status = pg_shapes_compare(&stream->heal.shapes, &look, error);
    stream->heal.looks += status == 0;
    /* Also where it failed: what it had found by then is in the mark, which is saved with its W. */
    return pg_heal_plan(stream, error) < 0 ? -1 : status;
}
