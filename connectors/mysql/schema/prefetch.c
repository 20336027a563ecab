/* SPDX-License-Identifier: MIT */
/* Columns asked for before a row needs them: of all tables that are selected and not known, at the start and after DDL. A
 * row that comes later is then read by what held when it was asked, even if the table has changed since. */
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/internal.h"

#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256      /* tables whose columns are read before the log is searched */
#define LOCKED_MAX 3   /* tables that are locked for long, each of which costs a second */
#define REST_MS 1000   /* between two of them, at the least */
#define REST_FACTOR 10 /* as many times as long as the last one took */

struct found {
    struct my_table table; /* db and name */
    struct cdc_buf columns;
};

struct prefetch {
    struct my_schema *schema;
    MYSQL *sql;
    const struct my_coord *coord;
    struct my_point point;
    struct found *found; /* BATCH */
    size_t n;
    struct my_coord end; /* of the log, when the last one was read */
    unsigned locked;
};

static void clear(struct prefetch *prefetch)
{
    for (size_t i = 0; i < prefetch->n; i++) {
        free(prefetch->found[i].table.db);
        free(prefetch->found[i].table.name);
        cdc_buf_free(&prefetch->found[i].columns);
    }
    prefetch->n = 0;
}

/* What no statement names from the coordinates up to the end held there already. */
static int keep_found(struct prefetch *prefetch, struct cdc_error *error)
{
    struct my_schema *schema = prefetch->schema;
    int result = prefetch->n > 0 ? my_schema_search(schema, prefetch->coord, &prefetch->end, error) : 0;
    for (size_t i = 0; result == 0 && i < prefetch->n; i++) {
        const struct found *found = &prefetch->found[i];
        if (!my_ddl_names(&schema->ddl, found->table.name, prefetch->coord))
            result = my_history_add(schema->history, found->table.db, found->table.name, prefetch->point,
                                    cdc_span(found->columns.data, found->columns.len), error);
    }
    clear(prefetch);
    return result;
}

/* One that cannot be read now is asked for when a row of it comes. */
static int ask(struct prefetch *prefetch, const char *db, const char *name, struct cdc_error *error)
{
    struct found *found = &prefetch->found[prefetch->n];
    struct cdc_error gone = {0};
    *found = (struct found){.table = {.db = strdup(db), .name = strdup(name)}};
    prefetch->n++;
    if (!found->table.db || !found->table.name)
        return cdc_error_memory(error);
    int locked = my_schema_ask(prefetch->schema, prefetch->sql, &found->table, &found->columns, &prefetch->end, &gone);
    if (locked == 0)
        return 0;
    prefetch->locked += locked > 0;
    prefetch->n--;
    free(found->table.db);
    free(found->table.name);
    cdc_buf_free(&found->columns);
    return cdc_error_is_transient(&gone) ? cdc_error_set(error, gone.status, "%s", gone.text) : 0;
}

static bool is_wanted(const struct prefetch *prefetch, MYSQL_ROW row)
{
    return row[0] && row[1] && cdc_selection_has_table(&prefetch->schema->settings.selection, row[0], row[1]) &&
           !my_history_find(prefetch->schema->history, row[0], row[1], prefetch->point).p;
}

static int ask_for_all(struct prefetch *prefetch, MYSQL_RES *result, struct cdc_error *error)
{
    const struct my_history *history = prefetch->schema->history;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        if (prefetch->locked >= LOCKED_MAX || my_history_is_full(history))
            break;
        if (is_wanted(prefetch, row) &&
            (ask(prefetch, row[0], row[1], error) < 0 || (prefetch->n == BATCH && keep_found(prefetch, error) < 0)))
            return -1;
    }
    return keep_found(prefetch, error);
}

static int ask_for_ambiguous(struct prefetch *prefetch, const char *db, struct cdc_error *error)
{
    MYSQL_RES *result = my_catalog_list_ambiguous(prefetch->sql, db, error);
    int status = result ? ask_for_all(prefetch, result, error) : -1;
    mysql_free_result(result);
    return status;
}

/* With FULL metadata the log itself describes most tables: only the others are asked for, of databases with tables that are
 * wanted. The rows are in order. */
static int ask_with_metadata(struct prefetch *prefetch, MYSQL_RES *result, struct cdc_error *error)
{
    const char *db = "";
    int status = 0;
    for (MYSQL_ROW row; status == 0 && (row = mysql_fetch_row(result)) != NULL;) {
        if (!is_wanted(prefetch, row) || strcmp(row[0], db) == 0)
            continue;
        db = row[0];
        status = ask_for_ambiguous(prefetch, db, error);
    }
    return status;
}

static int ask_server(struct prefetch *prefetch, struct cdc_error *error)
{
    bool full = prefetch->schema->settings.session->server.full_metadata;
    /* A table whose lock somebody holds for hours must not hold up the start: it is left for later. */
    if (my_schema_limit_waits(prefetch->sql, 1, error) < 0)
        return -1;
    MYSQL_RES *result = my_catalog_list_names(prefetch->sql, error);
    int status = !result ? -1
                 : full  ? ask_with_metadata(prefetch, result, error)
                         : ask_for_all(prefetch, result, error);
    mysql_free_result(result);
    return status;
}

int my_schema_prefetch(struct my_schema *schema, const struct my_coord *coord, struct my_point point,
                       struct cdc_error *error)
{
    struct prefetch prefetch = {.schema = schema, .coord = coord, .point = point};
    int64_t begun = cdc_clock_ms();
    if (coord->position > UINT32_MAX)
        return 0;
    prefetch.sql = my_session_sql(schema->settings.session, error);
    if (!prefetch.sql)
        return -1;
    prefetch.found = calloc(BATCH, sizeof *prefetch.found);
    if (!prefetch.found)
        return cdc_error_memory(error);
    int result = ask_server(&prefetch, error);
    clear(&prefetch);
    free(prefetch.found);
    schema->prefetch = prefetch.locked > 0; /* those are asked for again */
    schema->next_prefetch = cdc_clock_ms() + REST_MS + REST_FACTOR * (cdc_clock_ms() - begun);
    if (result == 0 || cdc_error_is_transient(error) || error->status == CDC_EXIT_INTERNAL)
        return result;
    cdc_log_write(schema->settings.log, CDC_LOG_INFO, "columns are not read ahead: %s", error->text);
    cdc_error_clear(error);
    return 0;
}

int my_schema_prefetch_if_due(struct my_schema *schema, const struct my_coord *coord, struct my_point point, bool now,
                              struct cdc_error *error)
{
    if (!schema->prefetch || !coord->file[0] || (!now && cdc_clock_ms() < schema->next_prefetch))
        return 0;
    return my_schema_prefetch(schema, coord, point, error);
}
