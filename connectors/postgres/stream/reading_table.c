/* SPDX-License-Identifier: MIT */
/* The table that is read again (reading.c): can it be, in which way, and has it the form that was described? */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/schema/describe.h"
#include "connectors/postgres/session/query.h"

#include <stdlib.h>
#include <string.h>

/* What a table is, and what makes it part of publication $3. A transaction that wrote to it while it was out of the publication is in
 * no line, and was not waited for where it began later than the wait for those that were open:
 *      ALTER PUBLICATION p DROP TABLE t | A: BEGIN; UPDATE t ... | ALTER PUBLICATION p ADD TABLE t | rows are read | A: COMMIT
 * So it is another form, and all that is open is waited for again. So it is where a partitioned table above it was in another schema. */
#define LOOK_SQL(schemas)                                                                                              \
    "SELECT pg_current_snapshot() AS xids, pg_current_wal_insert_lsn() AS lsn, (SELECT concat_ws(' ', c.oid, "         \
    "c.relfilenode, c.xmin, (SELECT sum(hashint8(a.xmin::text::int8 * 2048 + a.attnum)) FROM pg_attribute a WHERE "    \
    "a.attrelid = c.oid AND a.attnum > 0), (SELECT concat_ws(' ', p.oid, p.xmin, (SELECT string_agg(concat(r.oid, "    \
    "':', r.xmin), ',' ORDER BY r.oid) FROM pg_publication_rel r WHERE r.prpubid = p.oid AND (r.prrelid = c.oid OR "   \
    "(c.relispartition AND r.prrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))))" schemas                  \
    ") FROM pg_publication p WHERE p.pubname = $3)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "    \
    "WHERE n.nspname = $1 AND c.relname = $2) AS form"
#define SCHEMAS                                                                                                        \
    ", (SELECT string_agg(s.oid::text, ',' ORDER BY s.oid) FROM pg_publication_namespace s WHERE s.pnpubid = p.oid), " \
    "(SELECT string_agg(d.xmin::text, ',' ORDER BY d.objid) FROM pg_partition_ancestors(c.oid) a JOIN pg_depend d ON " \
    "d.classid = 'pg_class'::regclass AND d.objid = a.relid AND d.objsubid = 0 AND d.refclassid = "                    \
    "'pg_namespace'::regclass)"

PGresult *pg_reading_ask_form(struct pg_stream *stream, struct cdc_error *error)
{
    static const char what[] = "cannot look at a table that is read again";
    const struct pg_reading *reading = &stream->reading;
    const char *look_sql = PQserverVersion(reading->sql) >= 150000 ? LOOK_SQL(SCHEMAS) : LOOK_SQL("");
    PGresult *result =
        pg_query_rows(reading->sql, look_sql, 3,
                      (const char *const[]){reading->schema, reading->name, stream->pg->publication}, what, error);
    if (!result || PQntuples(result) == 1)
        return result;
    PQclear(result);
    cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s", what);
    return NULL;
}

/* Before it is described. */
int pg_reading_take_form(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    PGresult *result = pg_reading_ask_form(stream, error);
    if (!result)
        return -1;
    free(reading->form);
    reading->form = strdup(PQgetvalue(result, 0, 2));
    PQclear(result);
    return reading->form ? 0 : cdc_error_memory(error);
}

/* One that was to be read, and is not selected by the start after that, is left to cdc-snapshot, which tells it. */
static const struct pg_catalog_table *find_table(const struct pg_stream *stream, const struct pg_catalog *catalog,
                                                 const char *schema, const char *name)
{
    if (!cdc_selection_has_table(&stream->pg->selection, schema, name))
        return NULL;
    for (size_t i = 0; i < catalog->n; i++)
        if (strcmp(catalog->tables[i].name, name) == 0 && strcmp(catalog->tables[i].schema, schema) == 0)
            return &catalog->tables[i];
    return NULL;
}

static bool is_readable(const struct pg_catalog_table *found)
{
    return found && found->listed && !found->under_root && (found->kind == 'r' || found->kind == 'p') &&
           found->persistence == 'p' && found->readable && !found->hidden && !found->unlike && !found->nullable_key &&
           !found->columnless && !found->detaching;
}

static bool is_plain(const struct pg_catalog_table *found)
{
    return found->kind == 'r' && !found->filter && !found->lists_columns;
}

/* 1, 0: it has no column, -1 */
static int take_source(struct pg_reading *reading, const struct pg_catalog_table *found, bool generated,
                       struct cdc_error *error)
{
    char *filter = found->filter ? strdup(found->filter) : NULL;
    if (found->filter && !filter)
        return cdc_error_memory(error);
    reading->source = (struct pg_scan_source){
        .table = reading->table, .partitioned = found->kind == 'p', .filter = filter, .generated = generated};
    return reading->table->n_columns > 0;
}

/* In pieces by the key, or in one? */
static int take_way(struct pg_stream *stream, const struct pg_catalog_table *found, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    int keyed = reading->table->has_key && is_plain(found) ? pg_reading_key(stream, error) : 0;
    reading->live.whole = keyed == 0;
    return keyed < 0 ? -1 : 1;
}

/* Where the read fails before its first line, an alteration that no look has found yet is still to be found. */
static int take_shape(struct pg_stream *stream, const struct pg_catalog *catalog, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_stale only = {.at = NULL};
    int result = cdc_stale_add(&only, stream->identity.database, reading->schema, reading->name, "", error);
    pg_shapes_clear(&reading->taken);
    if (result == 0)
        result = pg_shapes_take(&reading->taken, reading->sql, stream->pg, catalog, &only, error);
    cdc_stale_clear(&only);
    return result < 0 ? -1 : 1;
}

/* A copy has other rows until all are read, and is not taken for one that has these: the table is in our state until then
 * (pg_reading_note). */
int pg_reading_keep_shape(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    const struct pg_shape *taken = pg_shapes_find(&reading->taken, reading->schema, reading->name);
    if (!taken)
        return 0;
    struct pg_shape *shape = pg_shapes_ensure(&stream->heal.shapes, reading->schema, reading->name, error);
    struct cdc_span is = taken->is ? cdc_span_text(taken->is) : (struct cdc_span){NULL, 0};
    if (!shape || pg_shapes_set(shape, is, taken->columns, taken->at, true, error) < 0)
        return -1;
    pg_shapes_clear(&reading->taken);
    stream->heal.unsaved = true;
    return 0;
}

/* Describes it. taken: for its rows, in their transaction. 1; 0: it cannot be read so; -1. */
int pg_reading_describe(struct pg_stream *stream, bool taken, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_catalog catalog;
    bool generated = false;
    int result = pg_catalog_read(reading->sql, stream->pg->publication, 200, &catalog, error);
    const struct pg_catalog_table *found =
        result == 0 ? find_table(stream, &catalog, reading->schema, reading->name) : NULL;
    pg_whole_clear(reading);
    pg_table_free(reading->table);
    reading->table = NULL;
    if (result == 0 && is_readable(found)) {
        reading->table = pg_describe_table(reading->sql, found, &generated, error);
        bool ready =
            reading->table && pg_table_prepare(reading->table, stream->pg->name, stream->identity.database, error) == 0;
        result = ready ? take_source(reading, found, generated, error) : -1;
        if (result > 0)
            result = take_way(stream, found, error);
    }
    if (result > 0 && taken)
        result = take_shape(stream, &catalog, error);
    pg_catalog_free(&catalog);
    if (result == 0) {
        pg_table_free(reading->table);
        reading->table = NULL;
    }
    return result;
}
