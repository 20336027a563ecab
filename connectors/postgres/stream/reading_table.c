/* SPDX-License-Identifier: MIT */
/* The table that is read again (reading.c): can it be, in which way, and has it the form that was described? */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/schema/describe.h"
#include "connectors/postgres/session/query.h"

#include <stdlib.h>
#include <string.h>

static const char look_sql[] = "SELECT pg_current_snapshot() AS xids, pg_current_wal_insert_lsn() AS lsn, (SELECT "
                               "concat_ws(' ', c.oid, c.relfilenode, "
                               "c.xmin, (SELECT sum(hashint8(a.xmin::text::int8 * 2048 + a.attnum)) FROM pg_attribute "
                               "a WHERE a.attrelid = c.oid AND "
                               "a.attnum > 0)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
                               "n.nspname = $1 AND c.relname = $2) AS "
                               "form";

PGresult *pg_reading_ask_form(struct pg_reading *reading, struct cdc_error *error)
{
    static const char what[] = "cannot look at a table that is read again";
    PGresult *result =
        pg_query_rows(reading->sql, look_sql, 2, (const char *const[]){reading->schema, reading->name}, what, error);
    if (!result || PQntuples(result) == 1)
        return result;
    PQclear(result);
    cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s", what);
    return NULL;
}

/* Before it is described. */
int pg_reading_take_form(struct pg_reading *reading, struct cdc_error *error)
{
    PGresult *result = pg_reading_ask_form(reading, error);
    if (!result)
        return -1;
    free(reading->form);
    reading->form = strdup(PQgetvalue(result, 0, 2));
    PQclear(result);
    return reading->form ? 0 : cdc_error_memory(error);
}

/* An address that has moved, or a proxy, leads to another server than the one that the log still comes from. */
static int check_server(const struct pg_stream *stream, PGconn *sql, struct cdc_error *error)
{
    int same = pg_stream_is_server(stream, sql, error);
    if (same != 0)
        return same < 0 ? -1 : 0;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                         "host %s is another server now than the one that the log comes from", PQhost(sql));
}

int pg_reading_open_session(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (reading->sql && PQstatus(reading->sql) == CONNECTION_OK)
        return 0;
    PQfinish(reading->sql);
    reading->sql = pg_connect_beside(stream->pg, stream->replication, NULL, error);
    if (!reading->sql || check_server(stream, reading->sql, error) < 0)
        return -1;
    return pg_query_run(reading->sql, "SET synchronous_commit = local; SET lock_timeout = 200",
                        "cannot prepare the session", error);
}

static const char key_sql[] =
    "SELECT a.attname AS name, a.atttypid AS type FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN "
    "pg_index i "
    "ON i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate CROSS JOIN LATERAL "
    "unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY k(number, place) JOIN pg_attribute a ON "
    "a.attrelid = "
    "c.oid AND a.attnum = k.number WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r' AND c.relreplident = "
    "'d' ORDER "
    "BY k.place";

/* Names of the key's columns belong to the table. 1; 0: it is not of that kind; -1. */
static int read_key(struct pg_reading *reading, struct cdc_error *error)
{
    enum { INT8 = 20, INT2 = 21, INT4 = 23, UUID = 2950 };
    static const char what[] = "cannot read the key of a table";
    struct pg_live *live = &reading->live;
    PGresult *result =
        pg_query_rows(reading->sql, key_sql, 2, (const char *const[]){reading->schema, reading->name}, what, error);
    int n = result ? PQntuples(result) : -1;
    bool good = n > 0 && n <= PG_LIVE_KEY_MAX;
    live->n_key = 0;
    for (int i = 0; good && i < n; i++) {
        int type = atoi(PQgetvalue(result, i, 1));
        live->is_uuid[i] = type == UUID;
        good = type == INT8 || type == INT2 || type == INT4 || type == UUID;
        live->column[i] = NULL;
        for (size_t c = 0; c < reading->table->n_columns; c++)
            if (reading->table->columns[c].key &&
                strcmp(reading->table->columns[c].name, PQgetvalue(result, i, 0)) == 0)
                live->column[i] = reading->table->columns[c].name;
        good = good && live->column[i];
        live->n_key++;
    }
    size_t keys = 0;
    for (size_t c = 0; good && c < reading->table->n_columns; c++)
        keys += reading->table->columns[c].key;
    PQclear(result);
    return n < 0 ? -1 : good && keys == live->n_key;
}

static const struct pg_catalog_table *find_table(const struct pg_catalog *catalog, const char *schema, const char *name)
{
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
static int take_way(struct pg_reading *reading, const struct pg_catalog_table *found, struct cdc_error *error)
{
    int keyed = reading->table->has_key && is_plain(found) ? read_key(reading, error) : 0;
    reading->live.whole = keyed == 0;
    return keyed < 0 ? -1 : 1;
}

/* From here on its rows are as this form has them. A copy has others until all are read, and is not taken for one that has these:
 * the table is in our state until then (note_round). */
static int take_shape(struct pg_stream *stream, const struct pg_catalog *catalog, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_stale only = {.at = NULL};
    struct pg_shapes *shapes = &stream->heal.shapes;
    int result = cdc_stale_add(&only, stream->identity.database, reading->schema, reading->name, "", error);
    if (result == 0)
        result = pg_shapes_take(shapes, reading->sql, stream->pg, catalog, &only, error);
    cdc_stale_clear(&only);
    struct pg_shape *shape = result == 0 ? pg_shapes_find(shapes, reading->schema, reading->name) : NULL;
    if (shape)
        shape->own = true;
    return result < 0 ? -1 : 1;
}

/* Describes it. taken: for its rows, in their transaction. 1; 0: it cannot be read so; -1. */
int pg_reading_describe(struct pg_stream *stream, bool taken, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_catalog catalog;
    bool generated = false;
    int result = pg_catalog_read(reading->sql, stream->pg->publication, 200, &catalog, error);
    const struct pg_catalog_table *found = result == 0 ? find_table(&catalog, reading->schema, reading->name) : NULL;
    pg_whole_clear(reading);
    pg_table_free(reading->table);
    reading->table = NULL;
    if (result == 0 && is_readable(found)) {
        reading->table = pg_describe_table(reading->sql, found, &generated, error);
        bool ready =
            reading->table && pg_table_prepare(reading->table, stream->pg->name, stream->identity.database, error) == 0;
        result = ready ? take_source(reading, found, generated, error) : -1;
        if (result > 0)
            result = take_way(reading, found, error);
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
