/* SPDX-License-Identifier: MIT */
/* Which tables of the server a pipeline can read again: those that it selects, as its state says. */
#include "connectors/mysql/snapshot/snapshot.h"

#include "connectors/mysql/schema/catalog.h"

#include <cdc/json.h>
#include <stdlib.h>

/* *kept becomes the "selection" that a tool keeps of the pipeline. 1; 0: there is none; -1. */
static int load(struct my_kept_selection *kept, const struct my_snapshot_settings *settings, const char *tool,
                struct cdc_error *error)
{
    struct cdc_offset offset = {.pos = NULL};
    char *path = cdc_state_path(settings->state_dir, tool, settings->name);
    int found = path ? cdc_offset_read_entry(path, settings->name, &offset, error) : cdc_error_memory(error);
    struct cdc_span object = {NULL, 0};
    if (found > 0 && offset.state)
        object = cdc_json_member(cdc_span_text(offset.state), "selection");
    if (found >= 0)
        found = object.p ? (my_selection_read(kept, object, error) < 0 ? -1 : 1) : 0;
    cdc_offset_free(&offset);
    free(path);
    return found;
}

/* By an older version none was kept: then only the stream knows. */
static int load_selection(struct my_kept_selection *kept, const struct my_snapshot_settings *settings,
                          struct cdc_error *error)
{
    int found = load(kept, settings, "mysql-binlog", error);
    return found != 0 ? found : load(kept, settings, "cdc-snapshot", error);
}

static int visit_all(MYSQL *sql, const struct cdc_selection *selected, bool any_case, cdc_database_visit *visit,
                     void *context, struct cdc_error *error)
{
    MYSQL_RES *tables = my_catalog_list_names(sql, error);
    int result = tables ? 0 : -1;
    for (MYSQL_ROW row; result == 0 && (row = mysql_fetch_row(tables)) != NULL;) {
        if (!row[0] || !row[1])
            continue;
        bool has = !selected || cdc_selection_has_table(selected, row[0], row[1]);
        const struct cdc_database_table table = {.db = row[0],
                                                 .schema = "",
                                                 .table = row[1],
                                                 .any_case = any_case,
                                                 .why_not = has ? NULL : "the pipeline's -t and -T leave it out"};
        result = visit(context, &table, error);
    }
    mysql_free_result(tables);
    return result;
}

int my_snapshot_visit_tables(const struct my_snapshot_settings *settings, cdc_database_visit *visit, void *context,
                             struct cdc_error *error)
{
    struct my_kept_selection kept = {.text = CDC_BUF_INIT};
    struct my_session session;
    int found = load_selection(&kept, settings, error);
    my_session_init(&session, &settings->connection, 0);
    int result = found < 0 ? -1 : my_session_read_server(&session, error);
    MYSQL *sql = result == 0 ? my_session_sql(&session, error) : NULL;
    kept.selection.any_case = session.server.lower_case_names;
    if (result == 0)
        result = sql ? visit_all(sql, found > 0 ? &kept.selection : NULL, session.server.lower_case_names, visit,
                                 context, error)
                     : -1;
    my_session_close(&session);
    my_selection_free_kept(&kept);
    return result;
}
