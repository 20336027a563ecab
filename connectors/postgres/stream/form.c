/* SPDX-License-Identifier: MIT */
/* The log shows a table of another form than was seen last. Its lines wait until that is looked into: of a table that is stale the
 * sinks must not get lines of the new form, for rows of the old one. */
#include "connectors/postgres/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>

#define UNSEEN_MS 5000 /* for a commit that others do not see yet */
#define UNSEEN_STEP_MS 20

/* A commit is in the log before others see it: a moment, or until synchronous standbys have it. What the look then shows is older
 * than the transaction. 0: it shows what that did; 1: it does not, for all the time that it was given; -1 */
static int look_until_seen(struct pg_stream *stream, uint32_t xid, struct cdc_error *error)
{
    size_t looks = stream->heal.looks;
    for (int waited = 0;; waited += UNSEEN_STEP_MS) {
        if (pg_stream_ensure_sql(stream, error) < 0 || pg_watch_look(stream, error) < 0)
            return -1;
        if (stream->heal.looks == looks || waited >= UNSEEN_MS)
            return 1;
        if (pg_shapes_saw(&stream->heal.shapes, xid))
            return 0;
        if (cdc_retry_wait(UNSEEN_STEP_MS, stream->pg->control, "a commit that others do not see yet"))
            return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                                 "stopped before others could see transaction %lu, which is in the log",
                                 (unsigned long)xid);
    }
}

/* A table of which nothing is known, and that the last look could not see yet: is it in the log from its first row on? */
static bool is_news(const struct pg_heal *heal, const struct pg_table *table, uint32_t xid)
{
    return pg_shapes_lack(&heal->shapes, table) && !pg_shapes_saw(&heal->shapes, xid);
}

/* From before the form was asked for, and in the rows that were read: no line of it comes. The form is that of the rows' view, and
 * the place in the log is the one of a moment later:
 *
 *      the view of the rows | RENAME v TO x; INSERT; RENAME x TO v | the form is asked for        the line has x, and is not in the rows */
static bool rows_have(const struct pg_stream *stream, const struct pg_shape *shape, uint64_t lsn)
{
    return pg_shapes_may_have(shape, lsn) && stream->decoder &&
           pgoutput_has_read(stream->decoder, shape->schema, shape->name);
}

static bool differs(const struct pg_stream *stream, const struct pg_table *table, uint64_t lsn)
{
    bool read = stream->decoder && pgoutput_has_read(stream->decoder, table->schema, table->name);
    return pg_shapes_differ(&stream->heal.shapes, table, lsn, read);
}

/* After a look. One of which nothing is known then has no copy that could be stale under this name any more: it was dropped since,
 * or has another name. */
static const char *why_stale(const struct pg_stream *stream, const struct pg_table *table, uint64_t lsn, bool unseen)
{
    const struct pg_heal *heal = &stream->heal;
    if (unseen)
        return "its form has changed";
    if (pg_shapes_lack(&heal->shapes, table))
        return NULL;
    if (!pg_shapes_has(&heal->shapes, table))
        return "another table was there under its name";
    return differs(stream, table, lsn) ? "it had another form meanwhile" : NULL;
}

/* Where the last alteration of a composite type was seen before, with a form of the table, its fields are certain from there on. */
void pg_heal_composites(struct pg_stream *stream, struct pg_table *table)
{
    const struct pg_shape *shape = pg_shapes_find(&stream->heal.shapes, table->schema, table->name);
    int64_t altered;
    table->composites_read = false;
    if (!shape || !shape->is || shape->oid != table->oid ||
        !cdc_json_int64(cdc_json_member(cdc_span_text(shape->is), "altered"), &altered) ||
        (uint32_t)altered != table->composites_altered)
        return;
    table->composites_read = !shape->own;
    if (table->composites_from > shape->at)
        table->composites_from = shape->at;
}

/* Does the run end for it? */
static bool is_marked(const struct pg_stream *stream, const struct pg_table *table)
{
    return cdc_stale_has(&stream->heal.mark, stream->identity.database, table->schema, table->name);
}

/* Old rows come whole (FULL), so that the log does not say what the key is, and that of the catalogs may be younger than the change,
 * or the table was dropped since. Without one the sinks would take the table for one that has none. */
int pg_heal_key(struct pg_stream *stream, struct pg_table *table, struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    if (!heal->on || table->stale || pg_key_is_marked(&table->key_facts) || table->key_facts.primary_is_immediate ||
        !pg_shapes_keyed(&heal->shapes, table))
        return 0;
    if (pg_heal_add(stream, table->schema, table->name, "its key was made again, or dropped", error) < 0 ||
        pg_heal_plan(stream, error) < 0)
        return -1;
    /* Not where the stream reads it: then its changes come again once that has begun, and the log may not describe it once more. */
    table->stale = is_marked(stream, table);
    return pg_heal_save(stream, error);
}

int pg_heal_relation(struct pg_stream *stream, struct pg_table *table, struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    uint32_t xid = 0;
    uint64_t lsn = stream->decoder ? pgoutput_transaction(stream->decoder, &xid) : 0;
    if (!heal->on)
        return 0;
    if (!is_marked(stream, table) && !pg_reading_withholds(stream, table->schema, table->name) &&
        (is_news(heal, table, xid) || differs(stream, table, lsn))) {
        int unseen = look_until_seen(stream, xid, error);
        if (unseen < 0)
            return -1;
        const char *why = why_stale(stream, table, lsn, unseen);
        if (why && (pg_heal_add(stream, table->schema, table->name, why, error) < 0 || pg_heal_plan(stream, error) < 0))
            return -1;
        if (pg_heal_save(stream, error) < 0)
            return -1;
    }
    table->stale = is_marked(stream, table);
    table->seen_key = pg_shapes_key(&heal->shapes, table, lsn);
    return 0;
}

/*      ALTER SCHEMA s RENAME TO x; INSERT INTO x.t; ALTER SCHEMA x RENAME TO s
 * leaves no trace in the catalogs, and a copy of s.t lacks the row. A name that stays is another matter: the look takes it for a
 * new table. */
int pg_heal_announced(struct pg_stream *stream, const struct pg_table *table, struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    uint32_t xid = 0;
    uint64_t lsn = stream->decoder ? pgoutput_transaction(stream->decoder, &xid) : 0;
    const struct pg_shape *shape = heal->on ? pg_shapes_misnamed(&heal->shapes, table, lsn) : NULL;
    if (!shape || rows_have(stream, shape, lsn) ||
        cdc_stale_has(&heal->mark, stream->identity.database, shape->schema, shape->name) ||
        pg_reading_withholds(stream, shape->schema, shape->name))
        return 0;
    if (look_until_seen(stream, xid, error) < 0)
        return -1;
    shape = pg_shapes_misnamed(&heal->shapes, table, lsn);
    if (shape && !rows_have(stream, shape, lsn) &&
        (pg_heal_add(stream, shape->schema, shape->name, "it had another name meanwhile", error) < 0 ||
         pg_heal_plan(stream, error) < 0))
        return -1;
    return pg_heal_save(stream, error);
}

/* A table that is not known to be stale yet. */
static const struct pg_shape *next_passed_by(const struct pg_stream *stream, const struct pg_table *partition,
                                             const struct pg_table *table, uint64_t lsn)
{
    const struct pg_shape *shape;
    size_t from = 0;
    while ((shape = pg_shapes_passed_by(&stream->heal.shapes, &from, partition, table, lsn)) != NULL)
        if (!rows_have(stream, shape, lsn) &&
            !cdc_stale_has(&stream->heal.mark, stream->identity.database, shape->schema, shape->name) &&
            !pg_reading_withholds(stream, shape->schema, shape->name))
            break;
    return shape;
}

/*      ALTER PUBLICATION x ADD TABLE p; UPDATE p_1 ...; ALTER PUBLICATION x DROP TABLE p        (publish_via_partition_root)
 * leaves no trace in the catalogs, either, and a copy of p_1 lacks what came as a change of p. */
int pg_heal_passed_by(struct pg_stream *stream, const struct pg_table *partition, const struct pg_table *table,
                      struct cdc_error *error)
{
    struct pg_heal *heal = &stream->heal;
    uint32_t xid = 0;
    uint64_t lsn = stream->decoder ? pgoutput_transaction(stream->decoder, &xid) : 0;
    const struct pg_shape *shape = heal->on ? next_passed_by(stream, partition, table, lsn) : NULL;
    if (!shape)
        return 0;
    /* Where they come so to this day, it is none of ours any more after the look. */
    if (look_until_seen(stream, xid, error) < 0)
        return -1;
    while ((shape = next_passed_by(stream, partition, table, lsn)) != NULL)
        if (pg_heal_add(stream, shape->schema, shape->name, "its changes came under another name meanwhile", error) < 0)
            return -1;
    return pg_heal_plan(stream, error) < 0 ? -1 : pg_heal_save(stream, error);
}
