/* SPDX-License-Identifier: MIT */
/* Tables: their definition from schema lines, and the database made to fit. A schema line takes effect on a table
 * that is there only with the first row after it: after a restart, an older schema line comes again, maybe without a
 * row, and must not undo a newer one. */
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

/* -- lifetime --------------------------------------------------------------- */

void lite_table_forget_statements(struct lite_table *table)
{
    for (size_t i = 0; i < LITE_SHAPES; i++) {
        sqlite3_finalize(table->shapes[i].statement);
        free(table->shapes[i].mask);
        table->shapes[i] = (struct lite_shape){0, NULL, NULL, NULL};
    }
    table->next_shape = 0;
}

/* A first run with 20,000 tables would else keep as many statements, of which none is valid any more, between what SQLite walks
 * through at each CREATE TABLE. */
void lite_table_forget_all_statements(struct lite_sink *sink)
{
    for (struct lite_table *table = sink->prepared; table != NULL; table = table->next_prepared) {
        lite_table_forget_statements(table);
        table->prepared = false;
    }
    sink->prepared = NULL;
}

/* What was made for the definition in hand. */
static void free_definition(struct lite_table *table)
{
    lite_table_forget_statements(table);
    free(table->kinds);
    free(table->after); /* one block for all spans */
    free(table->after_mask);
    table->kinds = NULL;
    table->after = NULL;
    table->after_mask = NULL;
}

void lite_table_release(struct cdc_table *source)
{
    free_definition((struct lite_table *)source);
    lite_reads_forget((struct lite_table *)source);
}

/* -- names ---------------------------------------------------------------------- */

static int append_name(void *context, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    const struct lite_sink *sink = context;

    for (const char *p = sink->settings->table_name; *p != '\0';) {
        struct cdc_span raw;
        size_t n = cdc_event_placeholder(p, event, &raw);
        if (n != 0)
            cdc_json_unescape(out, raw);
        else
            cdc_buf_byte(out, *p);
        p += n != 0 ? n : 1;
    }
    if (out->failed)
        return cdc_error_memory(error);
    if (out->len == 0 || memchr(out->data, '\0', out->len) != NULL)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "source table \"%.*s\" gives no usable table name",
                             (int)event->table.n, event->table.p != NULL ? event->table.p : "");
    /* cdc_ is ours (state.c), sqlite_ is SQLite's. Case does not matter to SQLite: CDC_OFFSETS is the same table. */
    if ((out->len >= 4 && sqlite3_strnicmp(out->data, "cdc_", 4) == 0) ||
        (out->len >= 7 && sqlite3_strnicmp(out->data, "sqlite_", 7) == 0)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "table name \"%.*s\" is reserved in %s", (int)out->len, out->data,
                      sink->db.path);
        return cdc_error_hint(error, "choose another name with --table-name, for example {schema}_{table}");
    }
    return 0;
}

const struct cdc_target_ops lite_target_ops = {
    .what = "table",
    .hint =
        "in a new copy give them different names with --table-name, for example {schema}_{table}; in this one leave "
        "one of them out at the source (-T), or give it another name on the way with cdc-filter --rename",
    .name = append_name,
    .owner = lite_state_owner,
    .claim = lite_state_claim,
};

/* 1: the statement gives a row, 0: none, -1. TAKES the statement. */
static int gives_a_row(struct lite_sink *sink, sqlite3_stmt *statement, struct cdc_error *error)
{
    if (statement == NULL)
        return -1;
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the schema", error);
    return code == SQLITE_ROW;
}

/* 1 when a table or view of that name exists. A look through sqlite_master takes longer with every table, so two others
 * come first: mostly it is a table, which SQLite finds by a hash of its names, or there is nothing. But it also tells
 * columns of table-valued functions (json_each), which are in the way of no table. */
int lite_table_exists(struct lite_sink *sink, const char *name, struct cdc_error *error)
{
    if (sqlite3_table_column_metadata(sink->db.handle, "main", name, NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK)
        return 1;
    int has_columns = gives_a_row(sink, lite_sql_table_info(sink, name, error), error);

    if (has_columns <= 0)
        return has_columns;
    sqlite3_stmt *listed = lite_database_prepare(
        &sink->db, "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE", error);
    if (listed != NULL)
        sqlite3_bind_text(listed, 1, name, -1, SQLITE_STATIC);
    return gives_a_row(sink, listed, error);
}

/* -- a schema line ---------------------------------------------------------------- */

static int check_columns(const struct cdc_table *source, struct cdc_error *error)
{
    if (source->n_columns == 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\" has no columns, and SQLite knows no such tables",
                      source->target);
        return cdc_error_hint(error, "exclude the table at the source (-T) or in cdc-filter");
    }
    for (size_t i = 0; i < source->n_columns; i++)
        for (size_t j = 0; j < i; j++)
            if (sqlite3_stricmp(source->columns[j].name, source->columns[i].name) == 0) {
                cdc_error_set(error, CDC_EXIT_CONFIG,
                              "table \"%s\": columns \"%s\" and \"%s\" are one column to SQLite", source->target,
                              source->columns[j].name, source->columns[i].name);
                return cdc_error_hint(error, "rename one of them: cdc-filter --rename-column");
            }
    return 0;
}

/* Before the definition is taken over: what is complete is still to be stored with the one before it. */
int lite_table_check(void *context, const struct cdc_table *definition, struct cdc_error *error)
{
    const struct lite_sink *sink = context;
    int limit = sqlite3_limit(sink->db.handle, SQLITE_LIMIT_COLUMN, -1);

    if (definition->n_columns > (size_t)limit) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\" has %zu columns, and SQLite takes %d at most",
                      definition->target, definition->n_columns, limit);
        return cdc_error_hint(error,
                              "leave some out with cdc-filter --columns or --drop-columns, or the table with -T");
    }
    if (check_columns(definition, error) != 0)
        return -1;
    /* Without a key, rows are changed by their rowid (rows.c). */
    if (definition->n_key == 0 && lite_rowid_visible(definition) == NULL)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\" has no key, and its columns hide SQLite's rowid",
                             definition->target);
    return 0;
}

/* What the definition asks for: kinds of values, room for the values of a row. */
static int prepare_definition(struct lite_table *table, struct cdc_error *error)
{
    const struct cdc_table *source = &table->source;
    size_t n = source->n_columns;

    free_definition(table);
    table->mask_n = (n + 7) / 8;
    table->rowid = lite_rowid_visible(source);
    table->kinds = calloc(n, sizeof *table->kinds);
    /* After, before, old key, new key: one block each for spans and for masks. */
    table->after = calloc(4 * n, sizeof *table->after);
    table->after_mask = calloc(3, table->mask_n);
    if (table->kinds == NULL || table->after == NULL || table->after_mask == NULL)
        return cdc_error_memory(error);
    table->before = table->after + n;
    table->old_key = table->before + n;
    table->new_key = table->old_key + n;
    table->before_mask = table->after_mask + table->mask_n;
    table->key_mask = table->before_mask + table->mask_n;
    for (size_t i = 0; i < n; i++)
        table->kinds[i] = lite_value_kind(cdc_span_text(source->columns[i].type));
    return 0;
}

/* -- the database ------------------------------------------------------------------- */

int lite_table_make(struct lite_sink *sink, const struct lite_table *table, const char *name, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;

    sql->len = 0;
    cdc_buf_lit(sql, "CREATE TABLE ");
    lite_database_quote(sql, name);
    for (size_t i = 0; i < table->source.n_columns; i++) {
        cdc_buf_text(sql, i == 0 ? " (" : ", ");
        lite_database_quote(sql, table->source.columns[i].name);
        cdc_buf_byte(sql, ' ');
        cdc_buf_text(sql, lite_sql_declared(table, i));
    }
    lite_sql_append_key(sql, table);
    return lite_database_exec_made(&sink->db, error);
}

static int create(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    lite_table_forget_all_statements(sink);
    if (lite_table_make(sink, table, table->source.target, error) != 0 ||
        cdc_tables_claim(&sink->tables, &table->source, error) != 0 || lite_columns_remember(sink, table, error) != 0)
        return -1;
    cdc_log_write(sink->db.log, CDC_LOG_INFO, "created table \"%s\" in %s", table->source.target, sink->db.path);
    return lite_fts_ensure(sink, table, error) == 0 ? lite_aside_made(sink, table, error) : -1;
}

/* What the table in the database lacks. */
struct difference {
    bool rebuild;
    unsigned char *there; /* a byte per wanted column */
    size_t keys_there;    /* key columns of the database's table */
    size_t keys_same;     /* of them, those at the same place of the wanted key, with the same type */
    size_t columns;       /* columns of the database's table */
    size_t columns_same;  /* of them, those that are wanted */
    bool added;           /* columns were added since */
    bool hidden[LITE_ROWID_NAMES];
};

/* Somebody may have made the table again with another collation: 'a' and 'A' would be one key, and a change of the one to the other
 * none. */
static bool compares_bytes(const struct lite_sink *sink, const char *table, const char *column)
{
    const char *collation = NULL;

    return sqlite3_table_column_metadata(sink->db.handle, "main", table, column, NULL, &collation, NULL, NULL, NULL) !=
               SQLITE_OK ||
           collation == NULL || sqlite3_stricmp(collation, "BINARY") == 0;
}

static void compare_column(const struct lite_sink *sink, const struct lite_table *table, const char *in,
                           sqlite3_stmt *info, struct difference *difference)
{
    const char *name = (const char *)sqlite3_column_text(info, 1);
    const char *type = (const char *)sqlite3_column_text(info, 2);
    int place = sqlite3_column_int(info, 5);

    difference->columns++;
    difference->keys_there += place > 0;
    for (size_t i = 0; i < table->source.n_columns; i++) {
        const struct cdc_column *column = &table->source.columns[i];
        if (sqlite3_stricmp(column->name, name) != 0)
            continue;
        difference->there[i] = 1;
        difference->columns_same++;
        bool same_type = sqlite3_stricmp(type, lite_sql_declared(table, i)) == 0 &&
                         (table->kinds[i] == LITE_KIND_INTEGER || compares_bytes(sink, in, name));
        difference->rebuild |= !same_type;
        if (same_type && place > 0 && (size_t)place <= table->source.n_key && table->source.key[place - 1] == i)
            difference->keys_same++;
    }
}

static int compare(struct lite_sink *sink, const struct lite_table *table, const char *name,
                   struct difference *difference, struct cdc_error *error)
{
    int code = SQLITE_ROW;

    sqlite3_stmt *info = lite_sql_table_xinfo(sink, name, error);
    if (info == NULL)
        return -1;
    while ((code = sqlite3_step(info)) == SQLITE_ROW) {
        lite_rowid_note_hidden(info, difference->hidden);
        if (sqlite3_column_int(info, 6) == 0) /* not one that SQLite computes */
            compare_column(sink, table, name, info, difference);
    }
    sqlite3_finalize(info);
    /* The same columns in the same order, no more and no fewer. */
    if (difference->keys_there != difference->keys_same || difference->keys_same != table->source.n_key)
        difference->rebuild = true;
    return code == SQLITE_DONE ? 0 : lite_database_error(&sink->db, code, "cannot read the columns", error);
}

enum lite_fit lite_table_compare(struct lite_sink *sink, const struct lite_table *table, const char *name,
                                 struct cdc_error *error)
{
    struct difference difference = {.there = calloc(table->source.n_columns, 1)};
    int result = difference.there != NULL ? compare(sink, table, name, &difference, error) : cdc_error_memory(error);

    free(difference.there);
    if (result != 0)
        return LITE_FIT_ERROR;
    if (!difference.rebuild && difference.columns == difference.columns_same &&
        difference.columns == table->source.n_columns)
        return LITE_FIT_WHOLE;
    bool same_key = difference.keys_there == difference.keys_same && difference.keys_same == table->source.n_key;
    return same_key && table->source.n_key > 0 ? LITE_FIT_KEY : LITE_FIT_NOT;
}

/* Unless it is read again: the rows that it then gets have it. Those without an optional one are NULL there at the source, too. */
static void warn_added(const struct lite_sink *sink, const struct lite_table *table, const struct cdc_column *added)
{
    const char *column = added->name;

    if (lite_reads_is_open(table) || added->optional)
        cdc_log_write(sink->db.log, CDC_LOG_INFO, "table \"%s\": new column \"%s\"", table->source.target, column);
    else
        cdc_log_write(sink->db.log, CDC_LOG_WARNING,
                      "table \"%s\": new column \"%s\" is NULL in the rows that are here already: where it is not so "
                      "at the source, "
                      "they have to change there, or the table is read again",
                      table->source.target, column);
}

static int add_column(struct lite_sink *sink, const struct lite_table *table, size_t column, struct cdc_error *error)
{
    cdc_buf_lit(&sink->db.sql, "ALTER TABLE ");
    lite_database_quote(&sink->db.sql, table->source.target);
    cdc_buf_lit(&sink->db.sql, " ADD COLUMN ");
    lite_database_quote(&sink->db.sql, table->source.columns[column].name);
    cdc_buf_byte(&sink->db.sql, ' ');
    /* Not yet as a key: the rebuild that follows declares it so. */
    cdc_buf_text(&sink->db.sql, lite_value_declared(table->kinds[column], false));
    return lite_database_exec_made(&sink->db, error);
}

static int add_columns(struct lite_sink *sink, struct lite_table *table, struct difference *difference,
                       struct cdc_error *error)
{
    int remade = difference->rebuild ? 0 : lite_remake_table(sink, table, difference->there, error);

    for (size_t i = 0; remade >= 0 && i < table->source.n_columns; i++) {
        if (difference->there[i])
            continue;
        difference->added = true;
        if (remade == 0 && add_column(sink, table, i, error) != 0)
            return -1;
        warn_added(sink, table, &table->source.columns[i]);
    }
    if (remade < 0)
        return -1;
    return difference->added ? lite_columns_remember(sink, table, error) : 0;
}

int lite_table_fit(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    struct difference difference = {.there = calloc(table->source.n_columns, 1)};
    int result = -1;

    lite_table_forget_statements(table);
    if (difference.there == NULL)
        cdc_error_memory(error);
    else if (lite_aside_end(sink, error) == 0 && compare(sink, table, table->source.target, &difference, error) == 0 &&
             lite_columns_check(sink, table, difference.there, error) == 0 &&
             add_columns(sink, table, &difference, error) == 0)
        result = !difference.rebuild ? 0 : lite_rebuild_table(sink, table, error);
    free(difference.there);
    if (result == 0)
        result =
            lite_rowid_choose(sink, table, difference.added || difference.rebuild ? NULL : difference.hidden, error);
    if (result == 0)
        result = lite_fts_ensure(sink, table, error);
    table->pending = result != 0;
    return result;
}

/* Tables and indexes share their names in SQLite: somebody may have an index on another table that is called so. Found by
 * the hash of names as well. */
static int check_no_index(struct lite_sink *sink, const char *name, struct cdc_error *error)
{
    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "PRAGMA index_info(");
    lite_database_quote(&sink->db.sql, name);
    cdc_buf_byte(&sink->db.sql, ')');
    int there = gives_a_row(sink, lite_database_prepare_made(&sink->db, false, error), error);
    if (there <= 0)
        return there;
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s holds an index \"%s\", and a table cannot be called so beside it",
                  sink->db.path, name);
    return cdc_error_hint(error, "give the index another name, or the table with --table-name");
}

/* What would make it fail is found here: at the schema line, the transactions before it can still be stored. */
static int check_can_be_made(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    const char *target = table->source.target;

    return lite_state_check_new(sink, target, &table->source.id, error) == 0 && check_no_index(sink, target, error) == 0
               ? lite_fts_check(sink, table, error)
               : -1;
}

int lite_table_is_foreign(const struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s holds a table \"%s\" that is none of ours", sink->db.path,
                  table->source.target);
    return cdc_error_hint(error, "choose another name with --table-name, or another database file");
}

/* Made with its first row, or with the next delivery: for a schema line alone no write lock is held. */
static int look(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    bool is_read = lite_reads_is_open(table);
    int there = lite_table_exists(sink, table->source.target, error);

    table->missing = false; /* where it cannot be made, no delivery is to try it again */
    if (there < 0)
        return -1;
    if (there && (!table->source.owned || (is_read && table->read_new)))
        return lite_table_is_foreign(sink, table, error);
    if (!there && table->source.owned && !is_read) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: table \"%s\" is gone, with the rows that were stored in it",
                      sink->db.path, table->source.target);
        return cdc_error_hint(error, "bring it back; or remove %s and its offset file, and take a new snapshot",
                              sink->db.path);
    }
    if (!there && check_can_be_made(sink, table, error) != 0)
        return -1;
    table->pending = there;
    table->missing = !there;
    sink->missing |= !there;
    return 0;
}

int lite_table_define(struct lite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct lite_table *table = (struct lite_table *)cdc_tables_define(&sink->tables, event, error);
    size_t before = table != NULL ? table->number : 0;

    /* A read that begins and ends leaves nothing of an earlier snapshot. */
    if (table == NULL || lite_reads_look(sink, table, error) != 0 ||
        (!lite_reads_is_open(table) && lite_state_check_snapshot(sink, table, event, error) != 0) ||
        prepare_definition(table, error) != 0)
        return -1;
    lite_parts_unfit(table);
    table->number = ++sink->tables_described; /* rows that wait have the columns of this definition */
    return lite_waiting_redefine(sink, table, before, error) == 0 ? look(sink, table, error) : -1;
}

int lite_table_settle(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (!table->source.owned && !table->missing && look(sink, table, error) != 0) /* its creation was rolled back */
        return -1;
    if (table->missing) {
        /* Another one of that name may have been made since the schema line. */
        if (look(sink, table, error) != 0)
            return -1;
        bool missing = table->missing;
        table->missing =
            false; /* of what cannot be made nothing is tried again: what is complete is still to be stored */
        if (missing && create(sink, table, error) != 0)
            return -1;
    }
    return table->pending ? lite_table_fit(sink, table, error) : 0;
}

/* One that is read for the first time appears with its rows. */
static int settle_missing(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    return lite_reads_is_open(table) ? 0 : lite_table_settle(sink, table, error);
}

int lite_table_settle_all(struct lite_sink *sink, struct cdc_error *error)
{
    if (!sink->missing)
        return 0;
    sink->missing = false;
    for (size_t i = 0; i < sink->tables.n; i++) {
        struct lite_table *table = (struct lite_table *)sink->tables.items[i];
        if (table->missing && (lite_reads_look(sink, table, error) != 0 || lite_aside_reach(sink, table, error) != 0 ||
                               settle_missing(sink, table, error) != 0))
            return -1;
    }
    sink->missing = false;
    return 0;
}
