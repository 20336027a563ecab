/* SPDX-License-Identifier: MIT */
/* Schema lines: what the settings name must be there, and what comes after them must be said. A column whose values become texts
 * is one of type text, an encrypted one is json and keeps its own type in `encrypted`, for who decrypts it. */
#include "libcdc/privacy/internal.h"
#include <cdc/pattern.h>

static struct cdc_span name_of(struct cdc_span column)
{
    return cdc_json_member_raw(column, "name");
}

/* The names of the line's columns. 0, or -1 without memory. */
static int index_columns(struct cdc_names *names, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span raw = name_of(column);
        if (raw.p != NULL && cdc_names_add_raw(names, raw, 0) != 0)
            return -1;
    }
    return 0;
}

static bool has_column(const struct cdc_names *names, struct cdc_span name)
{
    return cdc_names_find_in_raw(names, name) != SIZE_MAX;
}

/* -- looking ------------------------------------------------------------------------------ */

static int is_missing(const struct table *table, struct cdc_span name, const struct rule *rule, bool seen,
                      struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%.*s\" has no column \"%.*s\"%s, which %s '%s' names",
                  (int)table->names.plain_table.n, table->names.plain_table.p, (int)name.n, name.p,
                  seen ? " any more" : "", rule->option, rule->item);
    cdc_error_hint(error, "correct the name, or use --allow-unknown if the column may be missing");
    return cdc_error_item(error, name.p, 0);
}

/* Of a name that was misspelt, or is another one since, the values would leave as they are. */
static int look_for(const struct cdc_privacy *privacy, const struct table *table, struct column *columns, size_t n,
                    const struct cdc_names *names, struct cdc_error *error)
{
    for (size_t i = 0; i < n; i++) {
        struct column *column = &columns[i];
        bool seen = has_column(names, column->name);
        if (!seen && !privacy->settings.allow_unknown && (column->rule->is_name || column->seen))
            return is_missing(table, column->name, column->rule, column->seen, error);
        column->seen = seen;
        column->rule->seen[column->index] |= seen;
    }
    return 0;
}

static int check_conflicts(const struct table *table, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct column *two = &table->columns[i],
                            *one = &table->columns[cdc_names_find_plain(&table->by_name, two->name)];
        if (one->action == two->action)
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG, "column \"%.*s\" of table \"%.*s\" is named by %s '%s' and by %s '%s'",
                      (int)one->name.n, one->name.p, (int)table->names.plain_table.n, table->names.plain_table.p,
                      one->rule->option, one->rule->item, two->rule->option, two->rule->item);
        return cdc_error_item(error, two->name.p, 0);
    }
    return 0;
}

bool action_keeps_identity(enum action action)
{
    return action == ACTION_NONE || action == ACTION_HASH || action == ACTION_TOKENIZE;
}

int key_is_lost(const struct table *table, struct cdc_span raw, const struct column *column, struct cdc_error *error)
{
    if (column == NULL)
        cdc_error_set(error, CDC_EXIT_CONFIG, "column \"%.*s\" of the key of table \"%.*s\" is not in --only",
                      (int)raw.n, raw.p, (int)table->names.plain_table.n, table->names.plain_table.p);
    else
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "column \"%.*s\" is of the key of table \"%.*s\": with %s '%s' no two rows could be told apart",
                      (int)raw.n, raw.p, (int)table->names.plain_table.n, table->names.plain_table.p,
                      column->rule->option, column->rule->item);
    cdc_error_hint(error, column == NULL
                              ? "list it, with --mask COLUMN=hash if it must not be seen, or leave out the table"
                              : "use --mask COLUMN=hash, or --tokenize");
    return column != NULL ? cdc_error_item(error, column->name.p, 0) : -1;
}

/* The column that becomes the key of what a later step makes of the rows. */
static int check_later_key(const struct cdc_privacy *privacy, const struct table *table, struct cdc_error *error)
{
    const struct cdc_privacy_settings *settings = &privacy->settings;
    bool keyed = false;

    for (size_t i = 0; settings->key_column != NULL && i < settings->keyed_tables.count; i++)
        keyed = keyed || cdc_pattern_matches_table(settings->keyed_tables.items[i], table->names.plain_schema,
                                                   table->names.plain_table, false);
    size_t i = keyed ? cdc_names_find_plain(&table->by_name, cdc_span_text(settings->key_column)) : SIZE_MAX;
    if (i == SIZE_MAX || action_keeps_identity(table->columns[i].action))
        return 0;
    return key_is_lost(table, table->columns[i].name, &table->columns[i], error);
}

static int check_key(const struct cdc_privacy *privacy, const struct table *table, const struct cdc_event *event,
                     struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    for (cdc_json_iter_begin(&iter, event->key_columns); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        if (raw.p == NULL)
            continue;
        const struct column *column = table_column(table, raw);
        if (!table_allows(&privacy->tables, table, raw))
            return key_is_lost(table, raw, NULL, error);
        if (column != NULL && !action_keeps_identity(column->action))
            return key_is_lost(table, raw, column, error);
    }
    return 0;
}

static int check_subject(struct table *table, const struct cdc_names *names, struct cdc_error *error)
{
    table->encrypts = false;
    for (size_t i = 0; i < table->n_columns; i++)
        table->encrypts |= table->columns[i].action == ACTION_ENCRYPT && table->columns[i].seen;
    if (!table->encrypts)
        return 0;
    if (table->subject_rule == NULL) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "no --subject says whose key encrypts rows of table \"%.*s\"",
                      (int)table->names.plain_table.n, table->names.plain_table.p);
        return cdc_error_hint(error, "add --subject TABLE:COLUMN");
    }
    if (!has_column(names, table->subject)) /* whatever may be missing: rows could not be encrypted */
        return is_missing(table, table->subject, table->subject_rule, false, error);
    table->subject_rule->seen[0] = true;
    return 0;
}

static int take_encrypted(struct table *table, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    table_forget_opened(table);
    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &column);) {
        struct cdc_span raw = name_of(column);
        if (raw.p != NULL && cdc_json_type(cdc_json_member(column, "encrypted")) == CDC_JSON_OBJECT &&
            table_add_opened(table, raw) != 0)
            return cdc_error_memory(error);
    }
    return 0;
}

int schema_take(struct cdc_privacy *privacy, struct table *table, const struct cdc_event *event,
                struct cdc_error *error)
{
    struct cdc_names names = {0};
    int result = index_columns(&names, event) != 0 ? cdc_error_memory(error) : 0;

    if (result == 0 && (look_for(privacy, table, table->columns, table->n_columns, &names, error) != 0 ||
                        look_for(privacy, table, table->allowed, table->n_allowed, &names, error) != 0 ||
                        check_conflicts(table, error) != 0 || check_key(privacy, table, event, error) != 0 ||
                        check_later_key(privacy, table, error) != 0 || check_subject(table, &names, error) != 0))
        result = -1;
    cdc_names_free(&names);
    if (result != 0)
        return -1;
    table->is_described = true;
    return privacy->settings.decrypt ? take_encrypted(table, event, error) : 0;
}

/* -- writing ------------------------------------------------------------------------------ */

static bool begins_with(struct cdc_span text, const char *word)
{
    size_t n = strlen(word);

    return text.n >= n && memcmp(text.p, word, n) == 0;
}

/* Types that take a text of the same length. */
static bool is_text(struct cdc_span column)
{
    static const char *const types[] = {"text",   "character", "char(",      "char ",    "varchar",
                                        "bpchar", "tinytext",  "mediumtext", "longtext", "nvarchar"};
    struct cdc_span type = cdc_json_member_raw(column, "type");

    if (cdc_json_member(column, "base_type").p != NULL || type.n == 0 || type.p[type.n - 1] == ']')
        return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (begins_with(type, types[i]))
            return true;
    return cdc_span_is(type, "char");
}

static void append_member(struct cdc_buf *out, const char *name, struct cdc_span value)
{
    if (value.p == NULL)
        return;
    cdc_buf_printf(out, "%s\"%s\":", out->len > 0 && out->data[out->len - 1] == '{' ? "" : ",", name);
    cdc_buf_span(out, value);
}

/* enum('red','blue') has values in it: they do not leave with the type. */
static void append_type(struct cdc_buf *out, const char *name, struct cdc_span column)
{
    struct cdc_span type = cdc_json_member_raw(column, name);
    const char *bracket = type.n > 0 ? memchr(type.p, '(', type.n) : NULL;

    if (type.p == NULL)
        return;
    if (memchr(type.p, '\'', type.n) != NULL)
        type.n = bracket != NULL ? (size_t)(bracket - type.p) : 0;
    append_member(out, name, cdc_span("\"", 1));
    cdc_buf_span(out, type);
    cdc_buf_byte(out, '"');
}

/* Of a column whose values are others: only what is said here, as a default would be a value too. */
static void append_changed(struct cdc_buf *out, struct cdc_span column, enum action action)
{
    struct cdc_span type = cdc_json_member(column, "type"), nullable = cdc_json_member(column, "nullable");
    bool may_be_null = action == ACTION_NULL || action == ACTION_ENCRYPT;

    cdc_buf_byte(out, '{');
    append_member(out, "name", cdc_json_member(column, "name"));
    if (action == ACTION_ENCRYPT)
        type = cdc_span_text("\"json\"");
    else if (action != ACTION_TOKENIZE || !is_text(column))
        type = cdc_span_text("\"text\"");
    append_member(out, "type", type);
    append_member(out, "nullable", may_be_null ? cdc_span_text("true") : nullable);
    append_member(out, "generated", cdc_json_member(column, "generated"));
    append_member(out, "optional", cdc_json_member(column, "optional"));
    if (action == ACTION_ENCRYPT) {
        append_member(out, "encrypted", cdc_span_text("{"));
        append_type(out, "type", column);
        append_type(out, "base_type", column);
        cdc_buf_byte(out, '}');
    }
    cdc_buf_byte(out, '}');
}

/* What append_changed has made of it, back. */
static void append_opened(struct cdc_buf *out, struct cdc_span column)
{
    struct cdc_span encrypted = cdc_json_member(column, "encrypted");

    cdc_buf_byte(out, '{');
    append_member(out, "name", cdc_json_member(column, "name"));
    append_member(out, "type", cdc_json_member(encrypted, "type"));
    append_member(out, "base_type", cdc_json_member(encrypted, "base_type"));
    append_member(out, "nullable", cdc_json_member(column, "nullable"));
    append_member(out, "generated", cdc_json_member(column, "generated"));
    append_member(out, "optional", cdc_json_member(column, "optional"));
    cdc_buf_byte(out, '}');
}

void schema_append_columns(const struct cdc_privacy *privacy, const struct table *table, struct cdc_span columns,
                           struct cdc_buf *out)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    bool first = true;

    cdc_buf_byte(out, '[');
    for (cdc_json_iter_begin(&iter, columns); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = name_of(item);
        if (raw.p == NULL || !table_allows(&privacy->tables, table, raw))
            continue;
        const struct column *column = table_column(table, raw);
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        if (column != NULL)
            append_changed(out, item, column->action);
        else if (table_opens(table, raw))
            append_opened(out, item);
        else
            cdc_buf_span(out, item);
    }
    cdc_buf_byte(out, ']');
}
