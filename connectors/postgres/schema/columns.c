/* SPDX-License-Identifier: MIT */
/* --columns. What the server would refuse only at the application's next UPDATE, a list without a column of the replica identity, is
 * refused here before anything is published. */
#include "connectors/postgres/schema/columns.h"

#include "connectors/postgres/schema/internal.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/table_texts.h>
#include <stdio.h>

/* -- the list -- */

static bool is_named_before(const struct pg_settings *settings, const struct pg_catalog_table *table,
                            struct cdc_span name, size_t n)
{
    struct cdc_selection_walk walk = {0};
    struct cdc_span other;
    while (n-- > 0 && cdc_selection_next_column(&settings->selection, table->schema, table->name, &walk, &other))
        if (cdc_span_equal(name, other))
            return true;
    return false;
}

/* Each name once, by append; what comes before the first, between two, and after the last one. */
static void append_names(struct cdc_buf *out, const struct pg_settings *settings, const struct pg_catalog_table *table,
                         void (*append)(struct cdc_buf *, struct cdc_span), const char *const parts[3])
{
    struct cdc_selection_walk walk = {0};
    struct cdc_span name;
    size_t n = 0;
    for (; cdc_selection_next_column(&settings->selection, table->schema, table->name, &walk, &name); n++) {
        if (is_named_before(settings, table, name, n))
            continue;
        cdc_buf_text(out, parts[n > 0]);
        append(out, name);
    }
    if (n > 0)
        cdc_buf_text(out, parts[2]);
}

static void append_identifier(struct cdc_buf *out, struct cdc_span name)
{
    cdc_buf_byte(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"')
            cdc_buf_byte(out, '"');
        cdc_buf_byte(out, name.p[i]);
    }
    cdc_buf_byte(out, '"');
}

static void append_json(struct cdc_buf *out, struct cdc_span name)
{
    cdc_json_append_text(out, name.p, name.n);
}

void pg_columns_append(struct cdc_buf *out, const struct pg_settings *settings, const struct pg_catalog_table *table)
{
    append_names(out, settings, table, append_identifier, (const char *const[]){" (", ", ", ")"});
}

/* -- is it one that the server takes? -- */

/* $1: publication; $2: the table's oid; $3: the names, as JSON; $4: those that the publication has, or NULL. */
static const char list_sql[] =
    "WITH w AS (SELECT ARRAY(SELECT jsonb_array_elements_text($3::jsonb)) AS names), "
    "c AS (SELECT * FROM pg_class WHERE oid = $2::oid), "
    "l AS (SELECT p.* FROM c, LATERAL " PG_PARTITIONS_OF(
        "c") " t JOIN pg_class p ON p.oid = t.relid) "
             "SELECT (SELECT min(n) FROM unnest(w.names) n WHERE NOT EXISTS (SELECT 1 FROM c JOIN pg_attribute a ON "
             "a.attrelid = c.oid WHERE a.attname = n AND a.attnum > 0 AND NOT a.attisdropped)) AS unknown, "
             "(SELECT min(a.attname) FROM c JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attname = ANY (w.names) "
             "AND a.attgenerated <> '' AND NOT (" PG_IS_18 " AND a.attgenerated = 's')) AS generated, "
             "(SELECT min(l.oid::regclass::text) FROM l WHERE l.relreplident = 'f') AS whole, "
             "(SELECT min(k) FROM l, unnest(" PG_IDENTITY_NAMES(
                 "l") ") k WHERE k <> ALL (w.names)) AS lacking, "
                      "coalesce($4::text::name[]::text[] @> w.names AND w.names @> $4::text::name[]::text[], false) "
                      "AS same, "
                      "EXISTS (SELECT 1 FROM c JOIN pg_publication_rel r ON r.prrelid = c.oid JOIN pg_publication p "
                      "ON p.oid = r.prpubid WHERE p.pubname = $1) AS by_name FROM w";

/* before, after: of what is said of the column. */
static int refuse(const struct pg_catalog_table *table, const char *before, const char *column, const char *after,
                  const char *cure, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "--columns of table \"%s\".\"%s\": %s%.80s%s", table->schema, table->name,
                  before, column, after);
    return cdc_error_hint(error, "%s", cure);
}

static int refuse_publication(const struct pg_settings *settings, const struct pg_catalog_table *table, bool by_name,
                              struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;
    pg_columns_append(&names, settings, table);
    cdc_buf_byte(&names, '\0');
    cdc_error_set(error, CDC_EXIT_CONFIG, "--columns of table \"%s\".\"%s\": publication \"%s\" has %s%s",
                  table->schema, table->name, settings->publication,
                  table->lists_columns ? "the list " : "no list of columns for it",
                  table->lists_columns ? table->columns : "");
    if (by_name && !names.failed)
        cdc_error_hint(error,
                       "change --columns; or: BEGIN; ALTER PUBLICATION \"%s\" DROP TABLE \"%s\".\"%s\"; ALTER "
                       "PUBLICATION \"%s\" ADD TABLE %s\"%s\".\"%s\"%s; COMMIT;",
                       settings->publication, table->schema, table->name, settings->publication,
                       table->kind == 'r' ? "ONLY " : "", table->schema, table->name, names.data);
    else
        cdc_error_hint(error,
                       "it is for all tables (of the database, of a schema), and cannot have one: leave columns out "
                       "with cdc-filter --columns; or begin anew, with a publication of its own (pg-cdc --drop)");
    cdc_buf_free(&names);
    return -1;
}

static int judge(const struct pg_settings *settings, const struct pg_catalog_table *table, bool exists,
                 struct pg_answer *row, struct cdc_error *error)
{
    const char *unknown = pg_answer_text_or_null(row, "unknown"), *generated = pg_answer_text_or_null(row, "generated");
    const char *whole = pg_answer_text_or_null(row, "whole"), *lacking = pg_answer_text_or_null(row, "lacking");
    if (unknown)
        return refuse(table, "there is no column \"", unknown, "\"", "fix the name; case matters", error);
    if (generated)
        return refuse(table, "the server does not send the generated column \"", generated, "\"",
                      "leave it out of the list", error);
    if (whole && !table->key.inserts_only)
        return refuse(table, "the server takes no list with the REPLICA IDENTITY FULL of ", whole, "",
                      "ALTER TABLE ... REPLICA IDENTITY DEFAULT, with a primary key; or leave columns out with "
                      "cdc-filter --columns",
                      error);
    if (lacking && !table->key.inserts_only)
        return refuse(table, "\"", lacking, "\" is left out, which is of the replica identity",
                      "name it, too: sinks find rows by it, and the server would refuse UPDATE and DELETE", error);
    if (exists && !(pg_answer_true(row, "same") && table->lists_columns))
        return refuse_publication(settings, table, pg_answer_true(row, "by_name"), error);
    return 0;
}

int pg_columns_check_table(PGconn *sql, const struct pg_settings *settings, const struct pg_catalog_table *table,
                           bool exists, struct cdc_error *error)
{
    static const char what[] = "cannot look at the columns of a table";
    if (!cdc_selection_names_columns(&settings->selection, table->schema, table->name))
        return 0;
    if (PQserverVersion(sql) < 150000)
        return refuse(table, "a publication has no lists of columns before PostgreSQL 15", "", "",
                      "leave columns out with cdc-filter --columns", error);
    char oid[16];
    struct cdc_buf names = CDC_BUF_INIT;
    snprintf(oid, sizeof oid, "%u", (unsigned)table->oid);
    append_names(&names, settings, table, append_json, (const char *const[]){"[", ",", "]"});
    cdc_buf_byte(&names, '\0');
    PGresult *result = NULL;
    if (names.failed)
        cdc_error_memory(error);
    else
        result =
            pg_query_rows(sql, list_sql, 4,
                          (const char *const[]){settings->publication, oid, names.data, table->columns}, what, error);
    cdc_buf_free(&names);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int status = judge(settings, table, exists, &row, error);
    PQclear(result);
    return status < 0 ? -1 : pg_answer_good(&row, what, error);
}

/* -- all of it -- */

static bool names_read(const struct pg_settings *settings, const struct pg_catalog *catalog, bool exists,
                       const char *item)
{
    const struct cdc_option_list one = {&item, 1};
    for (size_t i = 0; i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        size_t at = 0;
        if (pg_catalog_is_read(table, settings, exists) &&
            cdc_table_texts_next(&one, &at, &settings->selection, table->schema, table->name) != NULL)
            return true;
    }
    return false;
}

int pg_columns_check_names(const struct pg_settings *settings, const struct pg_catalog *catalog, bool exists,
                           const struct cdc_log *log, struct cdc_error *error)
{
    const struct cdc_option_list *columns = &settings->selection.columns;
    for (size_t i = 0; i < columns->count; i++) {
        if (names_read(settings, catalog, exists, columns->items[i]))
            continue;
        if (cdc_table_texts_is_name(columns->items[i])) {
            cdc_error_set(error, CDC_EXIT_CONFIG, "--columns %.200s: no such table is read", columns->items[i]);
            return cdc_error_hint(error, "name a table that is selected and published, as -t does; of partitions the "
                                         "partitioned table");
        }
        if (log)
            cdc_log_write(log, CDC_LOG_WARNING, "--columns %.200s: no table matches", columns->items[i]);
    }
    return 0;
}

int pg_columns_check(PGconn *sql, const struct pg_settings *settings, const struct pg_catalog *catalog, bool exists,
                     const struct cdc_log *log, struct cdc_error *error)
{
    if (settings->selection.columns.count == 0)
        return 0;
    int status = pg_columns_check_names(settings, catalog, exists, log, error);
    for (size_t i = 0; status == 0 && i < catalog->n; i++)
        if (pg_catalog_is_read(&catalog->tables[i], settings, exists))
            status = pg_columns_check_table(sql, settings, &catalog->tables[i], exists, error);
    return status;
}
