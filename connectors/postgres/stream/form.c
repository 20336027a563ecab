/* SPDX-License-Identifier: MIT */
/* The log shows a table of another form than was seen last. Its lines wait until that is looked into: of a table that is stale the
 * sinks must not get lines of the new form, for rows of the old one. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/schema/describe.h"

#include <cdc/retry.h>

#define UNSEEN_MS 5000 /* for a commit that others do not see yet */
#define UNSEEN_STEP_MS 20

/* A commit is in the log before others see it (synchronous standbys): what it changed is locked until then. */
static int look_until_seen(struct pg_stream *stream, struct pg_table *table, uint64_t lsn, struct cdc_error *error)
{
    size_t looks = stream->heal.looks;
    for (int waited = 0;; waited += UNSEEN_STEP_MS) {
        if (pg_stream_ensure_sql(stream, error) < 0 || pg_watch_look(stream, error) < 0)
            return -1;
        bool looked = stream->heal.looks != looks;
        if (looked && !pg_shapes_differ(&stream->heal.shapes, table, lsn))
            return 0;
        int held = looked && waited < UNSEEN_MS ? pg_describe_is_held(stream->sql, table->oid, error) : 0;
        if (held <= 0)
            return held < 0 ? -1 : !looked;
        if (cdc_retry_wait(UNSEEN_STEP_MS, stream->pg->control, "a commit that others do not see yet"))
            return 0;
    }
}

/* Why the table is stale, or NULL. The log may have forms that were there between two looks only. */
static int judge_relation(struct pg_stream *stream, struct pg_table *table, uint64_t lsn, const char **why,
                          struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    if (pg_shapes_differ(&heal->shapes, table, lsn)) {
        int unseen = look_until_seen(stream, table, lsn, error);
        if (unseen < 0)
            return -1;
        /* Dropped again since, or the name is another table's by now. */
        *why = unseen                                 ? "its form has changed"
               : !pg_shapes_has(&heal->shapes, table) ? "another table was there under its name"
                                                      : NULL;
    }
    /* rename a to b; insert ...; rename b to a: the row's value is in b, where nobody looks. What comes once more is stored. */
    if (!*why && lsn >= stream->start.lsn && pg_shapes_other_names(&heal->shapes, table, lsn))
        *why = "a column had another name for a while, or is another one";
    return 0;
}

int pg_heal_relation(struct pg_stream *stream, struct pg_table *table, struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    uint64_t lsn = stream->decoder ? pgoutput_transaction(stream->decoder) : 0;
    const char *why = NULL;
    if (!heal->on)
        return 0;
    if (!cdc_stale_has(&heal->mark, stream->identity.database, table->schema, table->name)) {
        if (judge_relation(stream, table, lsn, &why, error) < 0)
            return -1;
        if (why && (pg_heal_add(stream, table->schema, table->name, why, error) < 0 || pg_heal_plan(stream, error) < 0))
            return -1;
        if (pg_heal_save(stream, error) < 0)
            return -1;
    }
    table->stale = cdc_stale_has(&heal->mark, stream->identity.database, table->schema, table->name);
    return 0;
}
