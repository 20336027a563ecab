/* SPDX-License-Identifier: MIT */
/* Tables: their definition from schema lines, and the database made to fit. */
#include <stdlib.h>

#include "connectors/sqlite/internal.h"

/* -- lifetime --------------------------------------------------------------- */

void sqlite_table_forget_statements(struct sqlite_table *table)
{
    for (size_t i = 0; i < SQLITE_SHAPES; i++) {
        sqlite3_finalize(table->shapes[i].statement);
        free(table->shapes[i].mask);
        table->shapes[i] = (struct sqlite_shape){0, NULL, NULL};
    }
    table->next_shape = 0;
}

static void free_columns(struct sqlite_column *columns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(columns[i].name);
    free(columns);
}

static void free_definition(struct sqlite_table *table)
{
    sqlite_table_forget_statements(table);
    free_columns(table->columns, table->n);
    free(table->keys);
    free(table->after); /* one block for all spans */
    free(table->after_mask);
    table->columns = NULL;
    table->keys = NULL;
    table->after = NULL;
    table->after_mask = NULL;
    table->n = table->n_keys = 0;
}

void sqlite_table_free(struct sqlite_table *table)
{
    free_definition(table);
    for (int i = 0; i < 4; i++)
        free(table->source[i]);
    free(table->name);
    free(table);
}

/* -- finding ------------------------------------------------------------------ */

static void identity(const struct cdc_event *event, struct cdc_span parts[4])
{
    parts[0] = event->name;
    parts[1] = event->db;
    parts[2] = event->schema;
    parts[3] = event->table;
}

static bool is_table(const struct sqlite_table *table, const struct cdc_event *event)
{
    struct cdc_span parts[4];

    identity(event, parts);
    for (int i = 3; i >= 0; i--)
        if (!cdc_span_is(parts[i], table->source[i]))
            return false;
    return true;
}

struct sqlite_table *sqlite_table_find(struct sqlite_sink *sink, const struct cdc_event *event)
{
    if (sink->last != NULL && is_table(sink->last, event))
        return sink->last;
    for (struct sqlite_table *table = sink->tables; table != NULL; table = table->next)
        if (is_table(table, event))
            return sink->last = table;
    return NULL;
}

/* -- names ---------------------------------------------------------------------- */

int sqlite_table_name(const struct sqlite_sink *sink, const struct cdc_event *event, struct cdc_buf *out,
                      struct cdc_error *error)
{
    out->len = 0;
    for (const char *p = sink->settings->table_name; *p != '\0';) {
        struct cdc_span raw;
        size_t n = cdc_event_placeholder(p, event, &raw);
        if (n != 0)
            cdc_json_unescape(out, raw);
        else
            cdc_buf_byte(out, *p);
        p += n != 0 ? n : 1;
    }
    bool nul = out->len != 0 && memchr(out->data, '\0', out->len) != NULL;
    cdc_buf_byte(out, '\0');
    if (out->failed)
        return cdc_error_memory(error);
    if (nul || out->len == 1)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "source table \"%.*s\" gives no usable table name",
                             (int)event->table.n, event->table.p != NULL ? event->table.p : "");
    if (sqlite3_strnicmp(out->data, "cdc_", 4) == 0 || sqlite3_strnicmp(out->data, "sqlite_", 7) == 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "table name \"%s\" is reserved in %s", out->data, sink->settings->path);
        return cdc_error_hint(error, "choose another name with --table-name, for example {schema}_{table}");
    }
    return 0;
}

/* 1: recorded as ours, 0: not known, -1: error (another source table has the name). */
static int check_recorded(struct sqlite_sink *sink, const struct sqlite_table *table, struct cdc_error *error)
{
    sqlite3_stmt *statement =
        sqlite_prepare_text(sink, "SELECT name, db, schema, source_table FROM cdc_tables WHERE table_name = ?1", error);
    int result = 0;

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        result = 1;
        for (int i = 0; i < 4; i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            if (text == NULL || strcmp(text, table->source[i]) != 0)
                result = -1;
        }
        if (result < 0) {
            cdc_error_set(
                error, CDC_EXIT_CONFIG,
                "two source tables map to table \"%s\": %s.%s.%s (source \"%s\") and %s.%s.%s (source \"%s\")",
                table->name, sqlite3_column_text(statement, 1), sqlite3_column_text(statement, 2),
                sqlite3_column_text(statement, 3), sqlite3_column_text(statement, 0), table->source[1],
                table->source[2], table->source[3], table->source[0]);
            cdc_error_hint(error, "give them different names with --table-name, for example {schema}_{table}");
        }
    } else if (code != SQLITE_DONE) {
        result = sqlite_db_error(sink, code, "cannot read cdc_tables", error);
    }
    sqlite3_finalize(statement);
    return result;
}

static int record(struct sqlite_sink *sink, const struct sqlite_table *table, struct cdc_error *error)
{
    sqlite3_stmt *statement =
        sqlite_prepare_text(sink, "INSERT OR REPLACE INTO cdc_tables VALUES(?1,?2,?3,?4,?5)", error);

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_STATIC);
    for (int i = 0; i < 4; i++)
        sqlite3_bind_text(statement, i + 2, table->source[i], -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : sqlite_db_error(sink, code, "cannot write cdc_tables", error);
}

/* 1 when a table or view of that name exists. */
static int exists(struct sqlite_sink *sink, const char *name, struct cdc_error *error)
{
    sqlite3_stmt *statement = sqlite_prepare_text(
        sink, "SELECT 1 FROM sqlite_master WHERE type IN ('table','view') AND name = ?1 COLLATE NOCASE", error);
    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return sqlite_db_error(sink, code, "cannot read the schema", error);
    return code == SQLITE_ROW;
}

/* -- a schema line ---------------------------------------------------------------- */

static int parse_column(struct sqlite_column *column, struct cdc_span object, struct cdc_error *error)
{
    struct cdc_span name =
        cdc_json_type(object) == CDC_JSON_OBJECT ? cdc_json_member_raw(object, "name") : cdc_span(NULL, 0);

    if (name.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "schema line: a column has no name");
    column->name = cdc_json_text(name, &column->name_n);
    if (column->name == NULL)
        return cdc_error_memory(error);
    if (column->name_n == 0 || strlen(column->name) != column->name_n)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "a column name is empty or holds a NUL byte");
    column->kind = sqlite_kind_of(cdc_json_member_raw(object, "type"));
    struct cdc_span generated = cdc_json_member(object, "generated");
    column->generated = generated.p != NULL && cdc_span_is(generated, "true");
    return 0;
}

static int parse_columns(struct sqlite_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    size_t n = 0;

    for (cdc_json_iter(&iter, event->columns); cdc_json_next_element(&iter, &item);)
        n++;
    if (n == 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\" has no columns, and SQLite knows no such tables",
                      table->name);
        return cdc_error_hint(error, "leave the table out at the source (-T) or in cdc-filter");
    }
    table->columns = calloc(n, sizeof *table->columns);
    if (table->columns == NULL)
        return cdc_error_memory(error);
    for (cdc_json_iter(&iter, event->columns); cdc_json_next_element(&iter, &item);) {
        struct sqlite_column *column = &table->columns[table->n++];
        if (parse_column(column, item, error) != 0)
            return -1;
        for (size_t i = 0; i + 1 < table->n; i++)
            if (sqlite3_stricmp(table->columns[i].name, column->name) == 0) {
                cdc_error_set(error, CDC_EXIT_CONFIG,
                              "table \"%s\": columns \"%s\" and \"%s\" are one column to SQLite", table->name,
                              table->columns[i].name, column->name);
                return cdc_error_hint(error, "rename one of them: cdc-filter --rename-column");
            }
    }
    return 0;
}

static int parse_keys(struct sqlite_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    table->keys = calloc(table->n, sizeof *table->keys);
    if (table->keys == NULL)
        return cdc_error_memory(error);
    if (event->key_columns.p == NULL)
        return 0;
    for (cdc_json_iter(&iter, event->key_columns); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        size_t i = 0;
        while (i < table->n && !cdc_json_raw_is(raw, cdc_span(table->columns[i].name, table->columns[i].name_n)))
            i++;
        if (raw.p == NULL || i == table->n || table->columns[i].key)
            return cdc_error_set(error, CDC_EXIT_DATA, "schema line: key column \"%.*s\" is no column of the table",
                                 (int)raw.n, raw.p != NULL ? raw.p : "");
        table->columns[i].key = true;
        table->keys[table->n_keys++] = i;
    }
    return 0;
}

static const char *visible_rowid(const struct sqlite_table *table)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};

    for (size_t i = 0; i < 3; i++) {
        bool hidden = false;
        for (size_t j = 0; j < table->n; j++)
            hidden |= sqlite3_stricmp(table->columns[j].name, names[i]) == 0;
        if (!hidden)
            return names[i];
    }
    return NULL;
}

static int parse_definition(struct sqlite_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    if (event->columns.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "schema line without \"columns\"");
    if (parse_columns(table, event, error) != 0 || parse_keys(table, event, error) != 0)
        return -1;
    table->mask_n = (table->n + 7) / 8;
    table->rowid = visible_rowid(table);
    if (table->rowid == NULL && table->n_keys == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\" has no key, and its columns hide SQLite's rowid",
                             table->name);
    table->after = calloc(4 * table->n, sizeof *table->after);
    table->after_mask = calloc(3, table->mask_n);
    if (table->after == NULL || table->after_mask == NULL)
        return cdc_error_memory(error);
    table->before = table->after + table->n;
    table->old_key = table->before + table->n;
    table->new_key = table->old_key + table->n;
    table->before_mask = table->after_mask + table->mask_n;
    table->key_mask = table->before_mask + table->mask_n;
    return 0;
}

static struct sqlite_table *add_table(struct sqlite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_buf name = CDC_BUF_INIT;
    struct cdc_span parts[4];
    struct sqlite_table *table = calloc(1, sizeof *table);

    if (table == NULL || sqlite_table_name(sink, event, &name, error) != 0) {
        cdc_error_memory(error);
        cdc_buf_free(&name);
        free(table);
        return NULL;
    }
    table->name = name.data;
    identity(event, parts);
    for (int i = 0; i < 4; i++) {
        table->source[i] = cdc_span_copy(parts[i].p != NULL ? parts[i] : cdc_span("", 0));
        if (table->source[i] == NULL) {
            cdc_error_memory(error);
            sqlite_table_free(table);
            return NULL;
        }
    }
    table->next = sink->tables;
    sink->tables = table;
    return table;
}

/* -- the database ------------------------------------------------------------------- */

static void append_definition(struct cdc_buf *sql, const struct sqlite_table *table, const struct sqlite_column *column)
{
    sqlite_quote(sql, column->name);
    cdc_buf_byte(sql, ' ');
    cdc_buf_text(sql, sqlite_declared(column, column->key && table->n_keys == 1));
}

static int create(struct sqlite_sink *sink, const struct sqlite_table *table, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->sql;

    sql->len = 0;
    cdc_buf_lit(sql, "CREATE TABLE ");
    sqlite_quote(sql, table->name);
    for (size_t i = 0; i < table->n; i++) {
        cdc_buf_text(sql, i == 0 ? " (" : ", ");
        append_definition(sql, table, &table->columns[i]);
    }
    for (size_t i = 0; i < table->n_keys; i++) {
        cdc_buf_text(sql, i == 0 ? ", PRIMARY KEY (" : ", ");
        sqlite_quote(sql, table->columns[table->keys[i]].name);
    }
    cdc_buf_text(sql, table->n_keys > 0 ? "))" : ")");
    if (sqlite_exec_buffer(sink, error) != 0 || record(sink, table, error) != 0)
        return -1;
    cdc_log(sink->log, CDC_LOG_INFO, "created table \"%s\" in %s", table->name, sink->settings->path);
    return sqlite_fts_ensure(sink, table, error);
}

/* What the table in the database lacks. */
struct difference {
    bool rebuild;
    unsigned char *there; /* a byte per wanted column */
    size_t keys_there;    /* key columns of the database's table */
    size_t keys_same;     /* of them, those at the same place of the wanted key */
};

static void compare_column(const struct sqlite_table *table, sqlite3_stmt *info, struct difference *difference)
{
    const char *name = (const char *)sqlite3_column_text(info, 1);
    const char *type = (const char *)sqlite3_column_text(info, 2);
    int place = sqlite3_column_int(info, 5);

    difference->keys_there += place > 0;
    for (size_t i = 0; i < table->n; i++) {
        const struct sqlite_column *column = &table->columns[i];
        if (sqlite3_stricmp(column->name, name) != 0)
            continue;
        difference->there[i] = 1;
        if (sqlite3_stricmp(type, sqlite_declared(column, column->key && table->n_keys == 1)) != 0)
            difference->rebuild = true;
        if (place > 0 && (size_t)place <= table->n_keys && table->keys[place - 1] == i)
            difference->keys_same++;
    }
}

static int compare(struct sqlite_sink *sink, const struct sqlite_table *table, struct difference *difference,
                   struct cdc_error *error)
{
    int code = SQLITE_ROW;

    sink->sql.len = 0;
    cdc_buf_lit(&sink->sql, "PRAGMA table_info(");
    sqlite_quote(&sink->sql, table->name);
    cdc_buf_byte(&sink->sql, ')');
    sqlite3_stmt *info = sqlite_prepare(sink, false, error);
    if (info == NULL)
        return -1;
    while ((code = sqlite3_step(info)) == SQLITE_ROW)
        compare_column(table, info, difference);
    sqlite3_finalize(info);
    if (difference->keys_there != difference->keys_same || difference->keys_same != table->n_keys)
        difference->rebuild = true;
    return code == SQLITE_DONE ? 0 : sqlite_db_error(sink, code, "cannot read the columns", error);
}

static int add_columns(struct sqlite_sink *sink, const struct sqlite_table *table, const unsigned char *there,
                       struct cdc_error *error)
{
    for (size_t i = 0; i < table->n; i++) {
        struct sqlite_column column = table->columns[i];
        if (there[i])
            continue;
        column.key = false; /* a new key column is declared by the rebuild */
        cdc_buf_lit(&sink->sql, "ALTER TABLE ");
        sqlite_quote(&sink->sql, table->name);
        cdc_buf_lit(&sink->sql, " ADD COLUMN ");
        append_definition(&sink->sql, table, &column);
        if (sqlite_exec_buffer(sink, error) != 0)
            return -1;
        cdc_log(sink->log, CDC_LOG_WARNING,
                "table \"%s\": new column \"%s\" is NULL in the rows that are here already, until they change at the "
                "source or a new snapshot is taken",
                table->name, column.name);
    }
    return 0;
}

int sqlite_table_apply(struct sqlite_sink *sink, struct sqlite_table *table, struct cdc_error *error)
{
    struct difference difference = {false, calloc(table->n, 1), 0, 0};
    int result = -1;

    sqlite_table_forget_statements(table);
    sink->sql.len = 0;
    if (difference.there == NULL)
        cdc_error_memory(error);
    else if (compare(sink, table, &difference, error) == 0 && add_columns(sink, table, difference.there, error) == 0)
        result = !difference.rebuild ? 0 : sqlite_table_rebuild(sink, table, error);
    free(difference.there);
    if (result == 0)
        result = sqlite_fts_ensure(sink, table, error);
    table->pending = result != 0;
    return result;
}

static int create_or_wait(struct sqlite_sink *sink, struct sqlite_table *table, struct cdc_error *error)
{
    int ours = check_recorded(sink, table, error);
    int there = ours >= 0 ? exists(sink, table->name, error) : -1;

    if (there < 0)
        return -1;
    if (there && !ours) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s holds a table \"%s\" that is none of ours", sink->settings->path,
                      table->name);
        return cdc_error_hint(error, "choose another name with --table-name, or another database file");
    }
    table->pending = there;
    if (there)
        return 0;
    return sqlite_begin(sink, error) == 0 ? create(sink, table, error) : -1;
}

int sqlite_table_define(struct sqlite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct sqlite_table *table = sqlite_table_find(sink, event);

    if (table == NULL && (table = add_table(sink, event, error)) == NULL)
        return -1;
    free_definition(table);
    if (parse_definition(table, event, error) != 0)
        return -1;
    return create_or_wait(sink, table, error);
}
