/* SPDX-License-Identifier: MIT */
/* What applies to a table is known at its first line, and becomes statements at each of its schema lines. */
#include <stdlib.h>

#include "connectors/sqlite/filter/internal.h"

/* -- lifetime ------------------------------------------------------------------------------ */

/* Tables have no names at a destination here: each gets one of its own. */
static int name_table(void *filter, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    (void)event;
    (void)error;
    cdc_buf_u64(out, ++((struct lite_filter *)filter)->n_names);
    return 0;
}

static void forget(struct sql_table *table)
{
    for (size_t i = 0; i < table->n_conditions; i++)
        lite_program_free(table->conditions[i].program);
    for (size_t i = 0; i < table->n_assignments; i++) {
        lite_program_free(table->assignments[i].program);
        free(table->assignments[i].type);
    }
    free(table->conditions);
    free(table->assignments);
    free(table->wanted);
    cdc_names_free(&table->assigned);
    cdc_names_free(&table->wanted_by_name);
    free(table->row);
    free(table->old);
    table->conditions = NULL;
    table->assignments = NULL;
    table->wanted = NULL;
    table->row = table->old = NULL;
    table->n_conditions = table->n_assignments = table->n_wanted = 0;
    table->defined = false;
}

static void release(struct cdc_table *table)
{
    forget((struct sql_table *)table);
    free(((struct sql_table *)table)->items);
}

void sql_tables_init(struct lite_filter *filter)
{
    static const struct cdc_target_ops ops = {.what = "table", .name = name_table};

    cdc_tables_init(&filter->tables, sizeof(struct sql_table), release, &ops, filter);
}

static int look_up(struct lite_filter *filter, struct sql_table *table, struct cdc_error *error)
{
    const struct cdc_table_id *id = &table->source.id;
    struct cdc_span schema = cdc_span_text(id->schema[0] != '\0' ? id->schema : id->db);

    table->items = calloc(filter->items.n + 1, sizeof *table->items);
    if (table->items == NULL || cdc_tables_claim(&filter->tables, &table->source, error) != 0)
        return cdc_error_memory(error);
    for (size_t i = 0; i < filter->items.n; i++)
        if (items_apply(&filter->items.items[i], schema, cdc_span_text(id->table))) {
            filter->items.items[i].used = true;
            table->items[table->n_items++] = i;
        }
    table->looked_up = true;
    return 0;
}

struct sql_table *sql_tables_find(struct lite_filter *filter, const struct cdc_event *event, struct cdc_error *error)
{
    struct sql_table *table = (struct sql_table *)cdc_tables_of(&filter->tables, event, error);

    if (table == NULL || (!table->looked_up && look_up(filter, table, error) != 0))
        return NULL;
    return table;
}

/* -- what applies ---------------------------------------------------------------------------- */

static bool is_mysql(const struct cdc_event *event)
{
    return cdc_span_is(event->connector, "mysql") || cdc_span_is(event->connector, "mariadb");
}

/* SIZE_MAX: there is none. */
static size_t find_column(const struct sql_table *table, const char *name)
{
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (strcmp(table->source.columns[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static int want(struct sql_table *table, size_t column)
{
    struct cdc_span name = {table->source.columns[column].name, table->source.columns[column].name_n};

    if (cdc_names_find_plain(&table->wanted_by_name, name) != SIZE_MAX)
        return 0;
    size_t *more = realloc(table->wanted, (table->n_wanted + 1) * sizeof *more);
    if (more == NULL)
        return -1;
    table->wanted = more;
    more[table->n_wanted] = column;
    return cdc_names_add(&table->wanted_by_name, name, table->n_wanted++);
}

static int want_all(struct sql_table *table, const struct lite_program *program)
{
    size_t n;
    const struct parameter *parameters = lite_program_parameters(program, &n);

    for (size_t i = 0; i < n; i++)
        if (parameters[i].kind <= PARAMETER_OLD && want(table, parameters[i].column) != 0)
            return -1;
    return 0;
}

static bool names(const struct lite_program *program, enum parameter_kind from, enum parameter_kind to)
{
    size_t n;
    const struct parameter *parameters = lite_program_parameters(program, &n);

    for (size_t i = 0; i < n; i++)
        if (parameters[i].kind >= from && parameters[i].kind <= to)
            return true;
    return false;
}

static struct lite_program *compile_item(struct lite_filter *filter, struct sql_table *table,
                                         const struct sql_item *item, bool mysql, enum lite_type into,
                                         struct cdc_error *error)
{
    const struct scope scope = {table->source.columns, table->source.n_columns, mysql};
    struct lite_program *program =
        lite_program_new(filter->engine, &item->tree, item->text, &scope,
                         item->kind == ITEM_WHERE ? COMPILE_CONDITION : COMPILE_VALUE, into, error);

    if (program != NULL && want_all(table, program) == 0)
        return program;
    if (program != NULL)
        cdc_error_memory(error);
    else
        cdc_error_prefix(error, "%s \"%.100s\": table \"%s\"", item->option, item->whole, table->source.id.table);
    cdc_error_item(error, item->text, 0);
    lite_program_free(program);
    return NULL;
}

static int refuse(const struct sql_table *table, const struct sql_item *item, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s \"%.100s\": table \"%s\" %s \"%s\"", item->option, item->whole,
                  table->source.id.table, why, item->column != NULL ? item->column : "");
    return cdc_error_item(error, item->whole, 0);
}

static int add_condition(struct lite_filter *filter, struct sql_table *table, const struct sql_item *item, bool mysql,
                         struct cdc_error *error)
{
    struct lite_program *program = compile_item(filter, table, item, mysql, LITE_TYPE_ANY, error);

    if (program == NULL)
        return -1;
    table->conditions[table->n_conditions++] =
        (struct condition){program, item, names(program, PARAMETER_OLD, PARAMETER_OLD)};
    return 0;
}

static bool is_made_already(const struct sql_table *table, const struct sql_item *item)
{
    return cdc_names_find_plain(&table->assigned, cdc_span_text(item->column)) != SIZE_MAX;
}

/* A column by itself, of a type that its values need not be turned into. */
static bool is_copy(const struct sql_table *table, const struct sql_item *item, const struct lite_program *program,
                    const char *type)
{
    size_t n;
    const struct parameter *parameters = lite_program_parameters(program, &n);

    return item->tree.root->kind == NODE_NAME && n == 1 && parameters[0].kind <= PARAMETER_OLD &&
           (type == NULL || strcmp(type, table->source.columns[parameters[0].column].type) == 0);
}

/* What the schema line calls a column of that type; NULL: it must be declared. */
static const char *type_name(const struct sql_table *table, const struct sql_item *item,
                             const struct lite_program *program, bool mysql)
{
    size_t n;
    const struct parameter *parameters = lite_program_parameters(program, &n);

    if (is_copy(table, item, program, NULL))
        return table->source.columns[parameters[0].column].type;
    switch (lite_program_type(program)) {
    case LITE_TYPE_BOOL: return mysql ? "tinyint(1)" : "boolean";
    case LITE_TYPE_INTEGER: return "bigint";
    case LITE_TYPE_DECIMAL: return mysql ? "decimal" : "numeric";
    case LITE_TYPE_REAL: return mysql ? "double" : "double precision";
    case LITE_TYPE_TEXT:
    case LITE_TYPE_OPAQUE: return mysql ? "longtext" : "text";
    case LITE_TYPE_BYTES: return mysql ? "longblob" : "bytea";
    case LITE_TYPE_JSON: return "json";
    default: break;
    }
    if (item->tree.root->kind == NODE_NAME && n == 1 && parameters[0].kind == PARAMETER_TS)
        return mysql ? "timestamp(3)" : "timestamp with time zone";
    return NULL;
}

static int type_addition(struct sql_table *table, struct assignment *assignment, const struct sql_item *item,
                         bool mysql, struct cdc_error *error)
{
    const char *type = item->type != NULL ? item->type : type_name(table, item, assignment->program, mysql);

    if (type == NULL) {
        refuse(table, item, "gets no type for", error);
        return cdc_error_hint(error, "declare it: --add '%s text = ...'", item->column);
    }
    assignment->type = strdup(type);
    if (assignment->type == NULL)
        return cdc_error_memory(error);
    assignment->output = (struct lite_output){.type = lite_type_of_column(type, mysql), .mysql = mysql};
    assignment->is_copy = is_copy(table, item, assignment->program, type);
    return 0;
}

static int add_assignment(struct lite_filter *filter, struct sql_table *table, const struct sql_item *item, bool mysql,
                          struct cdc_error *error)
{
    size_t column = find_column(table, item->column);
    struct assignment *assignment = &table->assignments[table->n_assignments];
    enum lite_type into = LITE_TYPE_ANY;

    if (is_made_already(table, item))
        return refuse(table, item, "gets twice", error);
    if (item->kind == ITEM_ADD && column != SIZE_MAX)
        return refuse(table, item, "has a column already that is named", error);
    if (item->kind == ITEM_SET && column == SIZE_MAX)
        return item->is_name && !filter->settings.allow_unknown ? refuse(table, item, "has no column", error) : 0;
    if (item->kind == ITEM_SET && table->source.columns[column].key)
        return refuse(table, item, "is found by its key, and keeps", error);
    *assignment = (struct assignment){.item = item, .column = item->kind == ITEM_SET ? column : SIZE_MAX};
    if (item->kind == ITEM_SET) {
        const char *type = table->source.columns[column].type;
        assignment->output = (struct lite_output){.type = lite_type_of_column(type, mysql), .mysql = mysql};
        into = assignment->output.type.type;
    } else if (item->type != NULL) {
        into = lite_type_of_column(item->type, mysql).type;
    }
    assignment->program = compile_item(filter, table, item, mysql, into, error);
    if (assignment->program == NULL)
        return -1;
    if (cdc_names_add(&table->assigned, cdc_span_text(item->column), table->n_assignments++) != 0)
        return cdc_error_memory(error);
    assignment->of_event = names(assignment->program, PARAMETER_OP, PARAMETER_OP) ||
                           names(assignment->program, PARAMETER_TS, PARAMETER_TS_MS);
    assignment->of_old = names(assignment->program, PARAMETER_OLD, PARAMETER_OLD);
    if (item->kind == ITEM_ADD)
        return type_addition(table, assignment, item, mysql, error);
    assignment->is_copy = is_copy(table, item, assignment->program, table->source.columns[column].type);
    return want(table, column) == 0 ? 0 : cdc_error_memory(error);
}

static int define(struct lite_filter *filter, struct sql_table *table, bool mysql, struct cdc_error *error)
{
    table->conditions = calloc(table->n_items + 1, sizeof *table->conditions);
    table->assignments = calloc(table->n_items + 1, sizeof *table->assignments);
    table->row = calloc(table->source.n_columns + 1, sizeof *table->row);
    table->old = calloc(table->source.n_columns + 1, sizeof *table->old);
    if (table->conditions == NULL || table->assignments == NULL || table->row == NULL || table->old == NULL)
        return cdc_error_memory(error);
    for (size_t i = 0; i < table->n_items; i++) {
        const struct sql_item *item = &filter->items.items[table->items[i]];
        if ((item->kind == ITEM_WHERE ? add_condition : add_assignment)(filter, table, item, mysql, error) != 0)
            return -1;
    }
    table->n_named = table->n_wanted;
    for (size_t i = 0; i < table->source.n_key; i++)
        if (want(table, table->source.key[i]) != 0)
            return cdc_error_memory(error);
    table->defined = true;
    return 0;
}

int sql_tables_define(struct lite_filter *filter, const struct cdc_event *event, struct sql_table **table,
                      struct cdc_error *error)
{
    *table = sql_tables_find(filter, event, error);
    if (*table == NULL)
        return -1;
    if ((*table)->n_items == 0)
        return 0;
    forget(*table);
    if (cdc_tables_define(&filter->tables, event, error) == NULL)
        return -1;
    if (!(*table)->source.whole)
        return cdc_error_set(error, CDC_EXIT_DATA, "schema line of table \"%s\" without its columns",
                             (*table)->source.id.table);
    return define(filter, *table, is_mysql(event), error);
}
