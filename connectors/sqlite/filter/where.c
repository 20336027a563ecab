/* SPDX-License-Identifier: MIT */
/* Which rows are in the copy behind the filter, and what an update is to it, as PostgreSQL's row filters have it:
 *
 *   old row   new row
 *   in        in        the update
 *   out       in        an insert
 *   in        out       a delete
 *   out       out       nothing
 *
 * Of an old row the log may have no more than its key. Where that does not tell, it counts as the settings say. As a match (the
 * default) it makes deletes of rows that may not be there, and updates that a sink takes as inserts if need be: both leave
 * the copy right. */
#include <stdio.h>

#include "connectors/sqlite/filter/internal.h"

enum judgement { FAILED = -1, OUT, IN, UNKNOWN };

/* All conditions on a row, of those that are. */
static enum judgement judge(struct sql_table *table, const struct cdc_event *event, const struct cdc_span *row,
                            struct cdc_error *error)
{
    const struct lite_input input = {row, NULL, event};
    enum judgement all = IN;

    for (size_t i = 0; i < table->n_conditions; i++) {
        const struct condition *condition = &table->conditions[i];
        if (condition->of_change)
            continue;
        if (!rows_have_all(condition->program, row, NULL)) {
            all = UNKNOWN;
            continue;
        }
        if (lite_program_run(condition->program, &input, error) != 0)
            return FAILED;
        if (!lite_program_is_true(condition->program))
            return OUT;
    }
    return all;
}

/* The column that the log does not have. */
static const char *lacking(const struct sql_table *table, const struct cdc_span *row, bool old)
{
    for (size_t i = 0; i < table->n_conditions; i++) {
        size_t n;
        const struct parameter *parameters = lite_program_parameters(table->conditions[i].program, &n);
        for (size_t k = 0; k < n; k++)
            if (parameters[k].kind == (old ? PARAMETER_OLD : PARAMETER_ROW) && row[parameters[k].column].p == NULL)
                return table->source.columns[parameters[k].column].name;
    }
    return "";
}

static const char *const hint_full =
    "let the log have old rows whole: REPLICA IDENTITY FULL (PostgreSQL), binlog_row_image=FULL (MySQL, MariaDB)";

static enum cdc_step_result refuse(const struct sql_table *table, const char *what, const char *column,
                                   struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "--where: table \"%s\": %s \"%s\"", table->source.id.table, what, column);
    cdc_error_hint(error, "%s", hint_full);
    return CDC_STEP_FAILED;
}

static bool counts_as(const struct lite_filter *filter, const char *mode)
{
    return strcmp(filter->settings.before, mode) == 0;
}

/* Once for each table. */
static void tell(const struct lite_filter *filter, struct sql_table *table, const char *column)
{
    if (!table->told && filter->settings.log != NULL)
        cdc_log_write(filter->settings.log, CDC_LOG_WARNING,
                      "--where: old rows of table \"%s\" come without \"%s\": %s (--where-before; said once)",
                      table->source.id.table, column,
                      counts_as(filter, "same")
                          ? "they count as what the new row is"
                          : "they count as matching, so updates of rows that do not match leave as deletes");
    table->told = true;
}

/* -- lines that become others ------------------------------------------------------------------ */

/* What names the old row. */
static struct cdc_span old_key(struct lite_filter *filter, const struct sql_table *table, const struct cdc_event *event)
{
    struct cdc_buf *out = &filter->key;

    if (cdc_json_is_null(event->before) || cdc_json_is_null(event->key))
        return event->key;
    out->len = 0;
    for (size_t i = 0; i < table->source.n_key; i++) {
        const struct cdc_column *column = &table->source.columns[table->source.key[i]];
        struct cdc_span value = table->old[table->source.key[i]];
        if (value.p == NULL)
            return event->key;
        cdc_buf_byte(out, i == 0 ? '{' : ',');
        cdc_json_append_string(out, column->name, column->name_n);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, value);
    }
    cdc_buf_byte(out, '}');
    return table->source.n_key > 0 ? cdc_span(out->data, out->len) : event->key;
}

static enum cdc_step_result make_delete(struct lite_filter *filter, const struct sql_table *table,
                                        const struct cdc_event *event, struct parts *parts, struct cdc_error *error)
{
    parts->op = CDC_OP_DELETE;
    parts->key = old_key(filter, table, event);
    if (filter->key.failed) {
        cdc_error_memory(error);
        return CDC_STEP_FAILED;
    }
    if (cdc_json_is_null(event->before) && event->key.p != NULL)
        parts->before = parts->key;
    parts->after = cdc_span("null", 4);
    parts->json_null = event->json_null_old;
    parts->json_null_old = parts->unchanged = cdc_span(NULL, 0);
    return CDC_STEP_CHANGED;
}

static bool is_empty(struct cdc_span list)
{
    struct cdc_json_iter iter;
    struct cdc_span value;

    cdc_json_iter_begin(&iter, list);
    return list.p == NULL || !cdc_json_next_element(&iter, &value);
}

/* A row that is new to the copy must be whole. */
static enum cdc_step_result refuse_part(const struct sql_table *table, const struct cdc_event *event,
                                        struct cdc_error *error)
{
    char columns[80];

    snprintf(columns, sizeof columns, "%.*s", (int)(event->unchanged.n < 70 ? event->unchanged.n : 70),
             event->unchanged.p);
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "--where: table \"%s\": an update may be of a row that is new to the copy, and the log left out its unchanged "
        "columns %s",
        table->source.id.table, columns);
    cdc_error_hint(error, "%s; or --where-before same, where what the condition names never changes", hint_full);
    return CDC_STEP_FAILED;
}

static enum cdc_step_result make_insert(const struct sql_table *table, const struct cdc_event *event,
                                        struct parts *parts, struct cdc_error *error)
{
    if (!is_empty(event->unchanged))
        return refuse_part(table, event, error);
    parts->op = CDC_OP_CREATE;
    parts->before = cdc_span("null", 4);
    parts->json_null_old = parts->unchanged = cdc_span(NULL, 0);
    return CDC_STEP_CHANGED;
}

/* -- each kind of line ---------------------------------------------------------------------------- */

static enum cdc_step_result decide_update(struct lite_filter *filter, struct sql_table *table,
                                          const struct cdc_event *event, struct parts *parts, struct cdc_error *error)
{
    enum judgement new = judge(table, event, table->row, error);
    enum judgement old = new == FAILED ? FAILED : judge(table, event, table->old, error);

    if (old == FAILED)
        return CDC_STEP_FAILED;
    if (new == UNKNOWN && old != UNKNOWN &&counts_as(filter, "same"))
        new = old;
    if (new == UNKNOWN)
        return refuse(table, "the new row of an update comes without unchanged column",
                      lacking(table, table->row, false), error);
    if (old == UNKNOWN) {
        const char *column = lacking(table, table->old, false);
        if (counts_as(filter, "require"))
            return refuse(table, "an old row comes without column", column, error);
        tell(filter, table, column);
        if (counts_as(filter, "same"))
            old = new;
        else if (new == IN)
            return is_empty(event->unchanged) ? CDC_STEP_KEPT : refuse_part(table, event, error);
        else
            old = IN;
    }
    if (old == IN)
        return new == IN ? CDC_STEP_KEPT : make_delete(filter, table, event, parts, error);
    return new == IN ? make_insert(table, event, parts, error) : CDC_STEP_DROPPED;
}

static enum cdc_step_result decide_delete(struct lite_filter *filter, struct sql_table *table,
                                          const struct cdc_event *event, struct cdc_error *error)
{
    enum judgement old = judge(table, event, table->old, error);

    if (old == FAILED)
        return CDC_STEP_FAILED;
    if (old != UNKNOWN)
        return old == IN ? CDC_STEP_KEPT : CDC_STEP_DROPPED;
    if (counts_as(filter, "require"))
        return refuse(table, "an old row comes without column", lacking(table, table->old, false), error);
    tell(filter, table, lacking(table, table->old, false));
    return CDC_STEP_KEPT;
}

static enum cdc_step_result decide_insert(struct sql_table *table, const struct cdc_event *event,
                                          struct cdc_error *error)
{
    enum judgement new = judge(table, event, table->row, error);

    if (new == UNKNOWN)
        return refuse(table, "a row comes without column", lacking(table, table->row, false), error);
    return new == FAILED ? CDC_STEP_FAILED : new == IN ? CDC_STEP_KEPT : CDC_STEP_DROPPED;
}

/* -- conditions on changes ----------------------------------------------------------------------- */

/* Those that name old.column look at the line as it is. DROPPED or KEPT. */
static enum cdc_step_result judge_change(struct lite_filter *filter, struct sql_table *table,
                                         const struct cdc_event *event, struct cdc_error *error)
{
    const struct lite_input input = {event->op == CDC_OP_DELETE ? table->old : table->row, table->old, event};
    bool has_old = event->op == CDC_OP_UPDATE || event->op == CDC_OP_DELETE;

    for (size_t i = 0; i < table->n_conditions; i++) {
        const struct condition *condition = &table->conditions[i];
        if (!condition->of_change)
            continue;
        if (!rows_have_all(condition->program, input.row, has_old ? table->old : NULL)) {
            const char *column = lacking(table, table->old, true);
            if (counts_as(filter, "require"))
                return refuse(table, "an old row comes without column", column, error);
            tell(filter, table, column);
            continue;
        }
        if (lite_program_run(condition->program, &input, error) != 0)
            return CDC_STEP_FAILED;
        if (!lite_program_is_true(condition->program))
            return CDC_STEP_DROPPED;
    }
    return CDC_STEP_KEPT;
}

enum cdc_step_result where_decide(struct lite_filter *filter, struct sql_table *table, const struct cdc_event *event,
                                  struct parts *parts, struct cdc_error *error)
{
    enum cdc_step_result result = judge_change(filter, table, event, error);

    if (result != CDC_STEP_KEPT)
        return result;
    switch (event->op) {
    case CDC_OP_UPDATE: return decide_update(filter, table, event, parts, error);
    case CDC_OP_DELETE: return decide_delete(filter, table, event, error);
    default: return decide_insert(table, event, error);
    }
}
