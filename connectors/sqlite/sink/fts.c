/* SPDX-License-Identifier: MIT */
/* --fts: an FTS5 index TABLE_fts beside a table. It keeps no copy of the text (external content); triggers keep it in
 * step with every change, whoever makes it. Of --fts=items:name,note comes
 *
 *   CREATE VIRTUAL TABLE "items_fts" USING fts5("name", "note", content='items', content_rowid='rowid')
 *
 * and three triggers: items_fts_insert, items_fts_delete, items_fts_update. Where the table has no key, also
 *
 *   CREATE INDEX "cdc_rowids_items" ON "items"("name") WHERE 0
 *
 * which holds nothing: VACUUM gives the rows of a table that has neither an integer for a key nor any index new rowids. */
#include "connectors/sqlite/sink/internal.h"

static struct cdc_span spec_table(const char *spec)
{
    /* The last colon: a table's name may have one, a column of an index hardly. */
    return cdc_span(spec, (size_t)(strrchr(spec, ':') - spec));
}

static bool next_column(const char **columns, struct cdc_span *name)
{
    const char *p = *columns;
    if (*p == '\0')
        return false;
    size_t n = strcspn(p, ",");
    *name = cdc_span(p, n);
    *columns = p[n] == ',' ? p + n + 1 : p + n;
    return true;
}

/* FTS5 takes no two columns of one name, whatever their case. */
static bool names_twice(const char *columns)
{
    struct cdc_span one, other;

    while (next_column(&columns, &one))
        for (const char *rest = columns; next_column(&rest, &other);)
            if (one.n == other.n && sqlite3_strnicmp(one.p, other.p, (int)one.n) == 0)
                return true;
    return false;
}

int lite_fts_check_settings(const struct lite_settings *settings, struct cdc_error *error)
{
    for (size_t i = 0; i < settings->fts.count; i++) {
        const char *spec = settings->fts.items[i], *colon = strrchr(spec, ':');
        bool bad = colon == NULL || colon == spec || colon[1] == '\0' || colon[1] == ',';
        for (const char *p = colon; !bad && *p != '\0'; p++)
            bad = *p == ',' && (p[1] == ',' || p[1] == '\0');
        if (bad)
            return cdc_error_set(error, CDC_EXIT_USAGE, "--fts=%s: TABLE:COLUMN[,COLUMN...] is expected", spec);
        if (names_twice(colon + 1))
            return cdc_error_set(error, CDC_EXIT_USAGE, "--fts=%s: a column is named twice", spec);
        for (size_t j = 0; j < i; j++)
            if (cdc_span_equal(spec_table(settings->fts.items[j]), spec_table(spec)))
                return cdc_error_set(error, CDC_EXIT_USAGE, "--fts=%s: the table has an --fts already", spec);
    }
    return 0;
}

/* The columns text of the --fts that names the table, by its name in SQLite or at the source. */
static const char *spec_of(const struct lite_sink *sink, const struct cdc_table *source)
{
    const struct cdc_table_id *id = &source->id;

    for (size_t i = 0; i < sink->settings->fts.count; i++) {
        struct cdc_span name = spec_table(sink->settings->fts.items[i]);
        const char *schema_name = id->schema[0] != '\0' ? id->schema : id->db; /* MySQL has databases alone */
        size_t schema = strlen(schema_name);
        if (cdc_span_is(name, source->target) || cdc_span_is(name, id->table) ||
            (name.n == schema + 1 + strlen(id->table) && memcmp(name.p, schema_name, schema) == 0 &&
             name.p[schema] == '.' && memcmp(name.p + schema + 1, id->table, name.n - schema - 1) == 0))
            return name.p + name.n + 1;
    }
    return NULL;
}

static void append_column(struct cdc_buf *sql, const char *prefix, struct cdc_span name)
{
    cdc_buf_text(sql, prefix);
    cdc_buf_byte(sql, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"')
            cdc_buf_byte(sql, '"');
        cdc_buf_byte(sql, name.p[i]);
    }
    cdc_buf_byte(sql, '"');
}

/* Appends `PREFIX"a", PREFIX"b"`. */
static void append_columns(struct cdc_buf *sql, const char *columns, const char *prefix)
{
    struct cdc_span name;

    for (bool first = true; next_column(&columns, &name); first = false) {
        if (!first)
            cdc_buf_lit(sql, ", ");
        append_column(sql, prefix, name);
    }
}

static void append_name(struct cdc_buf *sql, const char *table, const char *suffix)
{
    cdc_buf_byte(sql, '"');
    for (const char *p = table; *p != '\0'; p++) {
        if (*p == '"')
            cdc_buf_byte(sql, '"');
        cdc_buf_byte(sql, *p);
    }
    cdc_buf_text(sql, suffix);
    cdc_buf_byte(sql, '"');
}

static bool is_column(const struct cdc_table *source, struct cdc_span name)
{
    for (size_t i = 0; i < source->n_columns; i++)
        if (cdc_span_is(name, source->columns[i].name))
            return true;
    return false;
}

/* FTS5 has columns of its own by these names, whatever their case: the last one is called as the index is. */
static bool is_reserved(const struct cdc_table *source, struct cdc_span name)
{
    size_t n = strlen(source->target);

    return (name.n == 4 && sqlite3_strnicmp(name.p, "rank", 4) == 0) ||
           (name.n == 5 && sqlite3_strnicmp(name.p, "rowid", 5) == 0) ||
           (name.n == n + 4 && sqlite3_strnicmp(name.p, source->target, (int)n) == 0 &&
            sqlite3_strnicmp(name.p + n, "_fts", 4) == 0);
}

static int check_columns(const struct lite_table *table, const char *columns, struct cdc_error *error)
{
    const struct cdc_table *definition = &table->source;
    struct cdc_span name;

    while (next_column(&columns, &name))
        if (!is_column(definition, name) || is_reserved(definition, name))
            return cdc_error_set(error, CDC_EXIT_CONFIG,
                                 is_column(definition, name)
                                     ? "--fts: table \"%s\": FTS5 keeps the name of column \"%.*s\" for itself"
                                     : "--fts: table \"%s\" has no column \"%.*s\"",
                                 definition->target, (int)name.n, name.p);
    if (table->rowid == NULL)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "--fts: the columns of table \"%s\" hide SQLite's rowid",
                             definition->target);
    return 0;
}

static void append_table_sql(struct cdc_buf *sql, const struct lite_table *table, const char *columns)
{
    cdc_buf_lit(sql, "CREATE VIRTUAL TABLE ");
    append_name(sql, table->source.target, "_fts");
    cdc_buf_lit(sql, " USING fts5(");
    append_columns(sql, columns, "");
    cdc_buf_lit(sql, ", content=");
    lite_database_quote_text(sql, table->source.target);
    cdc_buf_lit(sql, ", content_rowid=");
    lite_database_quote_text(sql, table->rowid);
    cdc_buf_byte(sql, ')');
}

/* 1: there with these columns, 0: not there, 2: there with others. */
static int compare_table(struct lite_sink *sink, const struct lite_table *table, const char *columns,
                         struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(
        &sink->db, "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1 || '_fts' COLLATE NOCASE", error);
    int result = 0;

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, table->source.target, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        sink->db.sql.len = 0;
        append_table_sql(&sink->db.sql, table, columns);
        const char *sql = (const char *)sqlite3_column_text(statement, 0);
        /* SQLite keeps the text of CREATE as it was given, so ours is compared byte for byte. */
        result = sql != NULL && cdc_span_is(cdc_span(sink->db.sql.data, sink->db.sql.len), sql) ? 1 : 2;
        if (result == 2 && (sql == NULL || sqlite3_strlike("%USING fts5(%content=%", sql, 0) != 0))
            result = cdc_error_set(error, CDC_EXIT_CONFIG, "%s holds a table \"%s_fts\" that is none of ours",
                                   sink->db.path, table->source.target);
        sink->db.sql.len = 0;
    } else if (code != SQLITE_DONE) {
        result = lite_database_error(&sink->db, code, "cannot read the schema", error);
    }
    sqlite3_finalize(statement);
    return result;
}

/* 1: all three are there, 0, -1. */
static int has_triggers(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(
        &sink->db,
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND (name = ?1 || "
        "'_fts_insert' COLLATE NOCASE OR name = ?1 || '_fts_delete' COLLATE NOCASE OR name = ?1 || '_fts_update' "
        "COLLATE NOCASE)",
        error);

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, table->source.target, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    int n = code == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? n == 3 : lite_database_error(&sink->db, code, "cannot read the schema", error);
}

/* The same of the whole index; 2 as well where somebody has removed a trigger: it may have missed changes. */
static int compare_index(struct lite_sink *sink, const struct lite_table *table, const char *columns,
                         struct cdc_error *error)
{
    int there = compare_table(sink, table, columns, error), whole;

    if (there != 1)
        return there;
    whole = has_triggers(sink, table, error);
    return whole < 0 ? -1 : whole ? 1 : 2;
}

/* No table of a source is called so, as names that begin with cdc_ are ours. */
static void append_keeper(struct cdc_buf *sql, const struct lite_table *table)
{
    cdc_buf_lit(sql, "\"cdc_rowids_");
    for (const char *p = table->source.target; *p != '\0'; p++) {
        if (*p == '"')
            cdc_buf_byte(sql, '"');
        cdc_buf_byte(sql, *p);
    }
    cdc_buf_byte(sql, '"');
}

/* The rows keep their rowids from here on. Of a column that the triggers name as well, so that it is in the way of nothing that they
 * are not in the way of. */
static int keep_rowids(struct lite_sink *sink, const struct lite_table *table, const char *columns,
                       struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;
    struct cdc_span first;

    if (table->source.n_key > 0 || !next_column(&columns, &first))
        return 0;
    sql->len = 0;
    cdc_buf_lit(sql, "CREATE INDEX IF NOT EXISTS ");
    append_keeper(sql, table);
    cdc_buf_lit(sql, " ON ");
    append_name(sql, table->source.target, "");
    cdc_buf_byte(sql, '(');
    append_column(sql, "", first);
    cdc_buf_lit(sql, ") WHERE 0");
    return lite_database_exec_made(&sink->db, error);
}

static int drop_index(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    static const char *const triggers[] = {"_fts_insert", "_fts_delete", "_fts_update"};

    cdc_buf_lit(&sink->db.sql, "DROP INDEX IF EXISTS ");
    append_keeper(&sink->db.sql, table);
    if (lite_database_exec_made(&sink->db, error) != 0)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        cdc_buf_lit(&sink->db.sql, "DROP TRIGGER IF EXISTS ");
        append_name(&sink->db.sql, table->source.target, triggers[i]);
        if (lite_database_exec_made(&sink->db, error) != 0)
            return -1;
    }
    cdc_buf_lit(&sink->db.sql, "DROP TABLE IF EXISTS ");
    append_name(&sink->db.sql, table->source.target, "_fts");
    return lite_database_exec_made(&sink->db, error);
}

static void append_insert(struct cdc_buf *sql, const struct lite_table *table, const char *columns)
{
    cdc_buf_lit(sql, "INSERT INTO ");
    append_name(sql, table->source.target, "_fts");
    cdc_buf_lit(sql, "(rowid, ");
    append_columns(sql, columns, "");
    cdc_buf_printf(sql, ") VALUES (new.%s, ", table->rowid);
    append_columns(sql, columns, "new.");
    cdc_buf_lit(sql, "); ");
}

/* The delete of an external-content table is an INSERT of a command, and needs the old text: the index does not have
 * it, and could not find the words that it must forget. */
static void append_delete(struct cdc_buf *sql, const struct lite_table *table, const char *columns)
{
    cdc_buf_lit(sql, "INSERT INTO ");
    append_name(sql, table->source.target, "_fts");
    cdc_buf_byte(sql, '(');
    append_name(sql, table->source.target, "_fts");
    cdc_buf_lit(sql, ", rowid, ");
    append_columns(sql, columns, "");
    cdc_buf_printf(sql, ") VALUES ('delete', old.%s, ", table->rowid);
    append_columns(sql, columns, "old.");
    cdc_buf_lit(sql, "); ");
}

static void append_trigger(struct cdc_buf *sql, const struct lite_table *table, const char *suffix, const char *when)
{
    cdc_buf_lit(sql, "CREATE TRIGGER ");
    append_name(sql, table->source.target, suffix);
    cdc_buf_printf(sql, " AFTER %s ON ", when);
    append_name(sql, table->source.target, "");
    cdc_buf_byte(sql, ' ');
}

static int create_triggers(struct lite_sink *sink, const struct lite_table *table, const char *columns,
                           struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql;
    struct cdc_span name;

    append_trigger(sql, table, "_fts_insert", "INSERT");
    cdc_buf_lit(sql, "BEGIN ");
    append_insert(sql, table, columns);
    cdc_buf_lit(sql, "END");
    if (lite_database_exec_made(&sink->db, error) != 0)
        return -1;
    append_trigger(sql, table, "_fts_delete", "DELETE");
    cdc_buf_lit(sql, "BEGIN ");
    append_delete(sql, table, columns);
    cdc_buf_lit(sql, "END");
    if (lite_database_exec_made(&sink->db, error) != 0)
        return -1;
    append_trigger(sql, table, "_fts_update", "UPDATE");
    /* Most updates touch no indexed text: they cost nothing. */
    cdc_buf_printf(sql, "WHEN old.%s IS NOT new.%s", table->rowid, table->rowid);
    for (const char *rest = columns; next_column(&rest, &name);) {
        cdc_buf_lit(sql, " OR ");
        append_column(sql, "old.", name);
        cdc_buf_lit(sql, " IS NOT ");
        append_column(sql, "new.", name);
    }
    cdc_buf_lit(sql, " BEGIN ");
    append_delete(sql, table, columns);
    append_insert(sql, table, columns);
    cdc_buf_lit(sql, "END");
    return lite_database_exec_made(&sink->db, error);
}

static int fill(struct lite_sink *sink, const char *table, struct cdc_error *error)
{
    cdc_buf_lit(&sink->db.sql, "INSERT INTO ");
    append_name(&sink->db.sql, table, "_fts");
    cdc_buf_byte(&sink->db.sql, '(');
    append_name(&sink->db.sql, table, "_fts");
    /* FTS5's command: reads the table from the first row to the last. */
    cdc_buf_lit(&sink->db.sql, ") VALUES ('rebuild')");
    return lite_database_exec_made(&sink->db, error);
}

int lite_fts_check(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    const char *columns = spec_of(sink, &table->source);

    if (columns == NULL)
        return 0;
    return check_columns(table, columns, error) == 0 && compare_index(sink, table, columns, error) >= 0 ? 0 : -1;
}

int lite_fts_ensure(struct lite_sink *sink, const struct lite_table *table, struct cdc_error *error)
{
    const char *columns = spec_of(sink, &table->source);
    int there;

    if (columns == NULL)
        return 0;
    if (check_columns(table, columns, error) != 0 || (there = compare_index(sink, table, columns, error)) < 0)
        return -1;
    if (there == 1)
        return keep_rowids(sink, table, columns, error);
    /* Of an index that somebody has removed the triggers stay. */
    if (drop_index(sink, table, error) != 0)
        return -1;
    sink->db.sql.len = 0;
    append_table_sql(&sink->db.sql, table, columns);
    if (lite_database_exec_made(&sink->db, error) != 0 || create_triggers(sink, table, columns, error) != 0 ||
        keep_rowids(sink, table, columns, error) != 0)
        return -1;
    cdc_log_write(sink->db.log, CDC_LOG_INFO, "full-text index \"%s_fts\" is being filled", table->source.target);
    return fill(sink, table->source.target, error);
}

/* The names of the tables that have an index to be filled again, one NUL-terminated text after the other; only: NULL for
 * all. One of somebody's own without a table (content='') has nothing to be filled from. */
static int indexed_tables(struct lite_sink *sink, const char *only, struct cdc_buf *out, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(
        &sink->db,
        "SELECT t.table_name FROM cdc_tables t JOIN sqlite_master m ON m.name = t.table_name || '_fts' COLLATE NOCASE"
        " WHERE m.sql LIKE '%USING fts5(%content=%' AND m.sql NOT LIKE '%content=''''%' AND m.sql NOT LIKE "
        "'%content=\"\"%' AND (?1 IS NULL OR t.table_name = ?1)",
        error);
    int code;

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, only, -1, SQLITE_STATIC);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        cdc_buf_text(out, (const char *)sqlite3_column_text(statement, 0));
        cdc_buf_byte(out, '\0');
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the schema", error);
    return out->failed ? cdc_error_memory(error) : 0;
}

int lite_fts_rebuild(struct lite_sink *sink, const char *table, struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;
    int result = indexed_tables(sink, table, &names, error);

    for (size_t at = 0; result == 0 && at < names.len; at += strlen(names.data + at) + 1)
        result = fill(sink, names.data + at, error);
    cdc_buf_free(&names);
    return result;
}

/* VACUUM is the one thing that renumbers rows without the triggers, and like each change of the schema it counts
 * schema_version up. The number is remembered with every commit; when it moved without us, the indexes are filled
 * again. */
int lite_fts_after_vacuum(struct lite_sink *sink, struct cdc_error *error)
{
    int64_t now;

    if (lite_database_number(&sink->db, "PRAGMA schema_version", &now, error) != 0)
        return -1;
    if (sink->schema_version < 0 &&
        lite_database_number(&sink->db, "SELECT value FROM cdc_meta WHERE key = 'schema_version'",
                             &sink->schema_version, error) != 0)
        return -1;
    return sink->schema_version < 0 || sink->schema_version == now ? 0 : lite_fts_rebuild(sink, NULL, error);
}

int lite_fts_remember(struct lite_sink *sink, struct cdc_error *error)
{
    int64_t now;

    if (lite_database_number(&sink->db, "PRAGMA schema_version", &now, error) != 0)
        return -1;
    if (now == sink->schema_version)
        return 0;
    sink->schema_version = now;
    sink->db.sql.len = 0;
    cdc_buf_printf(&sink->db.sql, "INSERT OR REPLACE INTO cdc_meta VALUES('schema_version', %lld)", (long long)now);
    return lite_database_exec_made(&sink->db, error);
}

/* -- names that are no table's ---------------------------------------------------- */

/* By the names that spec_of takes. true where it cannot be told. */
static bool names_a_table(struct lite_sink *sink, struct cdc_span name)
{
    sqlite3_stmt *statement = lite_database_prepare(&sink->db,
                                                    "SELECT 1 FROM cdc_tables WHERE table_name = ?1 COLLATE BINARY OR "
                                                    "source_table = ?1 OR iif(schema = '', db, schema) || '.' || "
                                                    "source_table = ?1",
                                                    NULL);

    if (statement == NULL)
        return true;
    sqlite3_bind_text(statement, 1, name.p, (int)name.n, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code != SQLITE_DONE;
}

void lite_fts_report(struct lite_sink *sink)
{
    for (size_t i = 0; i < sink->settings->fts.count; i++)
        if (!names_a_table(sink, spec_table(sink->settings->fts.items[i])))
            cdc_log_write(sink->db.log, CDC_LOG_WARNING, "--fts=%s names no table that is in %s",
                          sink->settings->fts.items[i], sink->db.path);
}
