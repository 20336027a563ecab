/* SPDX-License-Identifier: MIT */
/* When what is known of columns is taken from the file, ended, and written. */
#include "connectors/mysql/schema/schema.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/columns.h"
#include "connectors/mysql/schema/internal.h"

#include <stdlib.h>
#include <string.h>

/* -- life ------------------------------------------------------------------------------------- */

struct my_schema *my_schema_new(const struct my_schema_settings *settings, struct cdc_error *error)
{
    struct my_schema *schema = calloc(1, sizeof *schema);
    if (!schema) {
        cdc_error_memory(error);
        return NULL;
    }
    schema->settings = *settings;
    schema->history = my_history_new(settings->path, settings->pipeline, error);
    if (schema->history)
        return schema;
    my_schema_free(schema);
    return NULL;
}

void my_schema_free(struct my_schema *schema)
{
    if (!schema)
        return;
    my_schema_forget_search(schema);
    my_history_free(schema->history);
    free(schema);
}

static const struct my_server *server_of(const struct my_schema *schema)
{
    return &schema->settings.session->server;
}

/* MySQL's log with FULL metadata says all that matters for rows. */
bool my_schema_is_needed(const struct my_server *server)
{
    return !server->full_metadata || server->flavor == MY_FLAVOR_MARIADB;
}

static bool is_needed(const struct my_schema *schema)
{
    return my_schema_is_needed(server_of(schema));
}

/* -- where reading begins ------------------------------------------------------------------------ */

static bool same_server(const struct my_schema *schema, const struct my_schema_start *start)
{
    return strcmp(start->server_uuid, server_of(schema)->uuid) == 0;
}

/* Where the offset file is, in the log: it is saved after the history, so that is in step there. */
static bool read_own(const struct cdc_offset *own, struct my_history_synced *synced)
{
    struct cdc_span source = cdc_span_text(own->source ? own->source : "{}");
    int64_t position = 0;
    memset(synced, 0, sizeof *synced);
    if (!my_pos_number(own->pos, &synced->number) ||
        !cdc_json_member_copy(source, "file", synced->coord.file, sizeof synced->coord.file) ||
        !cdc_json_int64(cdc_json_member(source, "pos"), &position) || position < 4)
        return false;
    synced->coord.position = (uint64_t)position;
    return true;
}

/* A sink may have stored more than the offset file says, and reading begins after that. Statements between were read by
 * nobody who kept count of them: they are looked for now. 1; 0: it cannot be told; -1. */
static int close_gap(struct my_schema *schema, const struct my_schema_start *start, struct my_history_synced synced,
                     struct cdc_error *error)
{
    struct my_history_synced own;
    if (read_own(schema->settings.own, &own) && own.number > synced.number)
        synced = own;
    /* Reading begins at or before the history's place: the statements come by again, and end what they ended before. */
    if (start->number <= synced.number)
        return 1;
    if (!synced.coord.file[0] || !start->coord->file[0] || synced.coord.position > UINT32_MAX)
        return 0;
    if (my_schema_search(schema, &synced.coord, start->coord, error) < 0) {
        if (cdc_error_is_transient(error))
            return -1;
        cdc_error_clear(error);
        return 0;
    }
    for (size_t i = 0; i < schema->ddl.n; i++)
        if (!schema->ddl.items[i].keeps_columns)
            my_history_forget(schema->history, cdc_span(schema->ddl.items[i].sql, schema->ddl.items[i].n));
    return 1;
}

/* 1: what was kept holds here; 0: it does not; -1. */
static int take_kept(struct my_schema *schema, const struct my_schema_start *start, struct cdc_error *error)
{
    const struct cdc_offset *own = schema->settings.own;
    const char *server = server_of(schema)->uuid;
    struct cdc_span source, token, uuid;
    struct my_history_synced synced;
    if (!start->resumes || !own->source || !own->state || !same_server(schema, start))
        return 0;
    source = cdc_span_text(own->source);
    uuid = cdc_json_member_raw(source, "server_uuid");
    token = cdc_json_member_raw(cdc_span_text(own->state), "schema");
    if (!token.p || !cdc_json_raw_is(uuid, cdc_span_text(server)))
        return 0;
    int loaded = my_history_load(schema->history, server, token, &synced, error);
    return loaded > 0 ? close_gap(schema, start, synced, error) : loaded;
}

static int begin_history(struct my_schema *schema, const struct my_schema_start *start, struct cdc_error *error)
{
    const struct my_server *server = server_of(schema);
    if (my_history_is_of(schema->history, server->uuid))
        return 0; /* the same process has read all since then */
    int kept = start->first ? take_kept(schema, start, error) : 0;
    if (kept != 0)
        return kept < 0 ? -1 : 0;
    /* What is kept of another server stays until something is known of this one: reading may go back there. */
    bool keep = is_needed(schema) && same_server(schema, start);
    return my_history_begin(schema->history, server->uuid, keep, error);
}

int my_schema_begin(struct my_schema *schema, const struct my_schema_start *start, struct cdc_error *error)
{
    my_schema_forget_search(schema);
    schema->settings.selection.any_case = server_of(schema)->lower_case_names;
    if (begin_history(schema, start, error) < 0)
        return -1;
    schema->prefetch = is_needed(schema);
    if (!schema->prefetch || !start->coord->file[0])
        return 0;
    int result = my_schema_prefetch(schema, start->coord, start->point, error);
    schema->next_prefetch = 0;
    return result;
}

/* -- while reading -------------------------------------------------------------------------------- */

void my_schema_altered(struct my_schema *schema, struct cdc_span sql, struct cdc_span db, struct my_point point)
{
    my_history_alter(schema->history, sql, db, point);
    schema->prefetch = is_needed(schema);
}

bool my_schema_is_curable(const struct my_schema *schema)
{
    return schema->curable;
}

int my_schema_know(struct my_schema *schema, const char *db, const char *table, struct my_point point,
                   struct cdc_span columns, struct cdc_error *error)
{
    struct cdc_span known = my_history_find(schema->history, db, table, point);
    if (known.p && cdc_span_equal(known, columns))
        return 0;
    return my_history_add(schema->history, db, table, point, columns, error);
}

char *my_schema_type_of(const struct my_schema *schema, const char *db, const char *table, const char *column,
                        struct my_point point, bool *nullable)
{
    struct cdc_span kept = my_history_find(schema->history, db, table, point);
    return kept.p ? my_columns_type_of(kept, column, nullable) : NULL;
}

/* What its columns are by now is compared: one that a later statement changes has that one's effect besides. */
int my_schema_keeps_json(struct my_schema *schema, const char *db, const char *table, struct my_point point,
                         bool where_unknown, struct cdc_error *error)
{
    struct cdc_buf now = CDC_BUF_INIT;
    char *names[] = {strdup(db), strdup(table)};
    const struct my_table asked = {.db = names[0], .name = names[1]};
    struct cdc_span before = my_history_find(schema->history, db, table, point);
    MYSQL *sql = names[0] && names[1] ? my_session_sql(schema->settings.session, error) : NULL;
    int keeps = sql                    ? my_catalog_columns(sql, server_of(schema)->flavor, &asked, &now, error)
                : names[0] && names[1] ? -1
                                       : cdc_error_memory(error);
    if (!before.p)
        before = my_history_derived(schema->history, db, table, point);
    if (keeps >= 0)
        keeps = my_columns_keep_json(before, cdc_span(now.data, now.len), where_unknown, error);
    free(names[0]);
    free(names[1]);
    cdc_buf_free(&now);
    return keeps;
}

int my_schema_save(struct my_schema *schema, const struct my_coord *coord, struct my_point point,
                   struct cdc_error *error)
{
    /* The transaction at hand is not complete: after a crash it is read again. */
    const struct my_history_synced synced = {.number = point.number - 1, .coord = *coord};
    return my_history_save(schema->history, &synced, error);
}

char *my_schema_state(struct my_schema *schema)
{
    return my_history_state(schema->history);
}

void my_schema_confirm(struct my_schema *schema, uint64_t number)
{
    my_history_confirm(schema->history, number);
}
