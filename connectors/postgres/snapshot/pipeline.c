/* SPDX-License-Identifier: MIT */
/* Which tables of the database a pipeline can read again: those that its publication has now, and whose form it has seen. */
#include "connectors/postgres/snapshot/snapshot.h"

#include "connectors/postgres/schema/catalog.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/schema/shapes.h"
#include "connectors/postgres/session/database_name.h"

#include <cdc/json.h>
#include <stdlib.h>

/* The state that a tool keeps of the pipeline. RETURNS NEW; NULL: there is none, or with error. */
static char *load_state(const char *state_dir, const char *tool, const char *name, struct cdc_error *error)
{
    struct cdc_offset offset = {.pos = NULL};
    char *path = cdc_state_path(state_dir, tool, name);
    if (!path || cdc_offset_read_entry(path, name, &offset, error) < 0) {
        if (!path)
            cdc_error_memory(error);
        free(path);
        return NULL;
    }
    char *state = offset.state;
    offset.state = NULL;
    cdc_offset_free(&offset);
    free(path);
    return state;
}

static struct cdc_span shapes_of(const char *state)
{
    return state ? cdc_json_member(cdc_span_text(state), "shapes") : (struct cdc_span){NULL, 0};
}

static int load_shapes(struct pg_shapes *shapes, const char *state_dir, const char *name, struct cdc_error *error)
{
    char *snapshot = load_state(state_dir, "cdc-snapshot", name, error);
    char *stream = error->status == 0 ? load_state(state_dir, "pg-cdc", name, error) : NULL;
    int result = error->status == 0 ? pg_shapes_read(shapes, shapes_of(snapshot), shapes_of(stream), error) : -1;
    free(snapshot);
    free(stream);
    return result;
}

static const char *why_not(const struct pg_shapes *shapes, const struct pg_catalog_table *table)
{
    if (table->under_root)
        return "it is a partition, and its changes come under the name of the table above it";
    if (!table->listed)
        return "it is not published";
    const struct pg_shape *shape = pg_shapes_find(shapes, table->schema, table->name);
    return !shapes->known || (shape && shape->is) ? NULL : "the pipeline's -t and -T leave it out";
}

static int visit_all(PGconn *sql, const struct pg_settings *pg, const struct pg_shapes *shapes,
                     cdc_database_visit *visit, void *context, struct cdc_error *error)
{
    struct pg_catalog catalog;
    int result = pg_catalog_read(sql, pg->publication, PG_LOCKS_PATIENCE_MS, &catalog, error);
    for (size_t i = 0; result == 0 && i < catalog.n; i++) {
        const struct pg_catalog_table *table = &catalog.tables[i];
        const struct cdc_database_table found = {.db = pg_database_name(sql),
                                                 .schema = table->schema,
                                                 .table = table->name,
                                                 .why_not = why_not(shapes, table)};
        result = visit(context, &found, error);
    }
    pg_catalog_free(&catalog);
    return result;
}

int pg_snapshot_visit_tables(const struct pg_settings *pg, const char *state_dir, cdc_database_visit *visit,
                             void *context, struct cdc_error *error)
{
    struct pg_shapes shapes = {.items = NULL};
    int result = load_shapes(&shapes, state_dir, pg->name, error);
    PGconn *sql = result == 0 ? pg_connect(pg, false, error) : NULL;
    if (result == 0)
        result = sql ? visit_all(sql, pg, &shapes, visit, context, error) : -1;
    PQfinish(sql);
    pg_shapes_clear(&shapes);
    return result;
}
