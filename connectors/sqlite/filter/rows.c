/* SPDX-License-Identifier: MIT */
/* The values that expressions name, found in one walk over each row. */
#include "connectors/sqlite/filter/internal.h"
#include "connectors/sqlite/session/value.h"

static bool lists(struct cdc_span names, struct cdc_span name)
{
    struct cdc_json_iter iter;
    struct cdc_span value;

    for (cdc_json_iter_begin(&iter, names); cdc_json_next_element(&iter, &value);)
        if (cdc_json_raw_equal(cdc_json_string_raw(value), name))
            return true;
    return false;
}

/* What lines so far write numbers as that may be texts. */
static void note_form(struct lite_filter *filter, const struct cdc_column *column, struct cdc_span value)
{
    enum cdc_json_type type = cdc_json_type(value);

    if (type == CDC_JSON_NUMBER && !filter->decimals_are_numbers &&
        (strncmp(column->type, "numeric", 7) == 0 || strncmp(column->type, "decimal", 7) == 0))
        filter->decimals_are_numbers = true;
    if (type == CDC_JSON_STRING && !filter->integers_are_texts && strncmp(column->type, "bigint", 6) == 0)
        filter->integers_are_texts = true;
}

static void gather(struct lite_filter *filter, struct sql_table *table, struct cdc_span row, struct cdc_span json_null,
                   struct cdc_span *values, size_t n)
{
    const struct cdc_column *columns = table->source.columns;
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (size_t i = 0; i < table->n_wanted; i++)
        values[table->wanted[i]] = cdc_span(NULL, 0);
    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        size_t i = cdc_names_find(&table->wanted_by_name, name);
        if (i >= n)
            continue;
        size_t column = table->wanted[i];
        bool is_value = json_null.p != NULL && cdc_json_type(value) == CDC_JSON_NULL && lists(json_null, name);
        values[column] = is_value ? lite_json_null : value;
        note_form(filter, &columns[column], value);
    }
}

/* The key's values where the row does not have them itself. */
static void add_key(struct sql_table *table, struct cdc_span key, struct cdc_span *values)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        size_t column = table->source.key[i];
        if (values[column].p == NULL)
            values[column] = cdc_json_member(key, table->source.columns[column].name);
    }
}

void rows_gather(struct lite_filter *filter, struct sql_table *table, const struct cdc_event *event)
{
    const struct cdc_span none = {NULL, 0};
    bool deleted = event->op == CDC_OP_DELETE;

    gather(filter, table, deleted ? none : event->after, event->json_null, table->row, table->n_named);
    gather(filter, table, event->before, deleted ? event->json_null : event->json_null_old, table->old,
           table->n_wanted);
    /* `key` is the new one in an update, and the old one as well where there is nothing before. */
    if (deleted || (event->op == CDC_OP_UPDATE && cdc_json_is_null(event->before)))
        add_key(table, event->key, table->old);
    if (event->op == CDC_OP_UPDATE)
        add_key(table, event->key, table->row);
}

bool rows_have_all(const struct lite_program *program, const struct cdc_span *row, const struct cdc_span *old)
{
    size_t n;
    const struct parameter *parameters = lite_program_parameters(program, &n);

    for (size_t i = 0; i < n; i++) {
        if (parameters[i].kind == PARAMETER_ROW && row[parameters[i].column].p == NULL)
            return false;
        if (parameters[i].kind == PARAMETER_OLD && old != NULL && old[parameters[i].column].p == NULL)
            return false;
    }
    return true;
}
