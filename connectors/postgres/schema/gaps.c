/* SPDX-License-Identifier: MIT */
/* What of the selected tables will never be seen. */
#include "connectors/postgres/schema/gaps.h"

#include "connectors/postgres/schema/columns.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/pattern.h>
#include <string.h>

/* -- texts -- */

/* %t table, %r its root, %p publication, %d text: each as SQL would have it, but for %d. */
struct subject {
    const struct pg_catalog_table *table;
    const char *text;
};

static void append(struct cdc_buf *out, const struct pg_gaps *gaps, const char *text, const struct subject *subject)
{
    for (; *text; text++) {
        if (*text != '%') {
            cdc_buf_byte(out, *text);
            continue;
        }
        switch (*++text) {
        case 't': pg_query_table(out, subject->table->schema, subject->table->name); break;
        case 'r': pg_query_table(out, subject->table->root_schema, subject->table->root); break;
        case 'p': pg_query_identifier(out, gaps->settings->publication); break;
        default: cdc_buf_text(out, subject->text);
        }
    }
    cdc_buf_byte(out, '\0');
}

static void say(const struct pg_gaps *gaps, enum pg_gap_weight weight, const char *code, const char *what,
                const char *cure, const struct subject *subject)
{
    struct cdc_buf text = CDC_BUF_INIT, sql = CDC_BUF_INIT;
    append(&text, gaps, what, subject);
    append(&sql, gaps, cure, subject);
    if (!text.failed && !sql.failed)
        gaps->say(gaps->context, weight, code, text.data, sql.data);
    cdc_buf_free(&text);
    cdc_buf_free(&sql);
}

/* -- patterns -- */

static bool is_exact(const char *pattern)
{
    return strpbrk(pattern, "*?") == NULL;
}

/* Does -t have this very name? */
static bool is_named(const struct pg_gaps *gaps, const char *schema, const char *name)
{
    const struct cdc_option_list *include = &gaps->settings->selection.include;
    for (size_t i = 0; i < include->count; i++)
        if (is_exact(include->items[i]) &&
            cdc_pattern_matches_table(include->items[i], cdc_span_text(schema), cdc_span_text(name), false))
            return true;
    return false;
}

static bool matches_any(const struct pg_gaps *gaps, const char *pattern)
{
    for (size_t i = 0; i < gaps->catalog->n; i++) {
        const struct pg_catalog_table *table = &gaps->catalog->tables[i];
        if (cdc_pattern_matches_table(pattern, cdc_span_text(table->schema), cdc_span_text(table->name), false))
            return true;
    }
    return false;
}

static void append_patterns(struct cdc_buf *out, const char *option, const struct cdc_option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        cdc_buf_printf(out, "%s%s %s", out->len > 0 ? " " : "", option, list->items[i]);
}

/* By -t and -T as they were given; without one there is no table at all. */
static void find_nothing(const struct pg_gaps *gaps)
{
    struct cdc_buf patterns = CDC_BUF_INIT;
    append_patterns(&patterns, "-t", &gaps->settings->selection.include);
    append_patterns(&patterns, "-T", &gaps->settings->selection.exclude);
    bool any = patterns.len > 0;
    cdc_buf_byte(&patterns, '\0');
    say(gaps, gaps->first ? PG_GAP_STOPS : PG_GAP_WARNS, "nothing_selected",
        any ? "no table is selected by %d" : "no table is selected",
        "fix -t and -T (schema.table), or create the tables first",
        &(struct subject){.text = patterns.failed ? "the patterns" : patterns.data});
    cdc_buf_free(&patterns);
}

static void find_patterns(const struct pg_gaps *gaps)
{
    const struct cdc_option_list *include = &gaps->settings->selection.include;
    size_t n = 0;
    for (size_t i = 0; i < gaps->catalog->n; i++)
        n += pg_catalog_is_meant(&gaps->catalog->tables[i], gaps->settings);
    if (n == 0 && (include->count > 0 || gaps->catalog->n > 0))
        find_nothing(gaps);
    for (size_t i = 0; n > 0 && i < include->count; i++)
        if (!matches_any(gaps, include->items[i]))
            say(gaps, PG_GAP_WARNS, "pattern", "-t %d matches no table", "fix it, or create the table",
                &(struct subject){.text = include->items[i]});
}

/* -- tables -- */

static bool is_permanent(const struct pg_catalog_table *table)
{
    return (table->kind == 'r' || table->kind == 'p') && table->persistence == 'p';
}

static enum pg_gap_weight weight_of(const struct pg_gaps *gaps, const char *schema, const char *name)
{
    bool asked = gaps->settings->selection.include.count > 0;
    if (!asked)
        return PG_GAP_TELLS;
    return gaps->first || is_named(gaps, schema, name) ? PG_GAP_STOPS : PG_GAP_WARNS;
}

/* What no publication can have. */
static void find_kind(const struct pg_gaps *gaps, const struct pg_catalog_table *table)
{
    const struct subject subject = {.table = table};
    bool asked = gaps->all || gaps->settings->selection.include.count > 0;
    if (table->kind == 'f' && table->root)
        say(gaps, PG_GAP_WARNS, "foreign_table",
            "%t, a partition of %r, is a foreign table: its changes are not in the log and never seen",
            "ALTER TABLE %r DETACH PARTITION %t; or capture it on its own server", &subject);
    else if (asked && table->kind == 'f')
        say(gaps, PG_GAP_WARNS, "foreign_table", "%t is a foreign table: its changes are not in the log and never seen",
            "capture it on its own server", &subject);
    else if (asked && table->kind == 'm')
        say(gaps, PG_GAP_WARNS, "materialized_view",
            "%t is a materialized view: its changes are not in the log and never seen", "select its tables", &subject);
    else if (asked && table->persistence == 'u')
        say(gaps, PG_GAP_WARNS, "unlogged_table",
            "%t is unlogged: its changes are not in the log and never seen, nor are the rows that it has when it "
            "becomes "
            "logged",
            "ALTER TABLE %t SET LOGGED;", &subject);
}

static void find_published(const struct pg_gaps *gaps, const struct pg_catalog_table *table)
{
    const struct subject subject = {.table = table};
    bool asked = gaps->all || gaps->settings->selection.include.count > 0;
    bool by_root = table->root && cdc_selection_has_table(&gaps->settings->selection, table->root_schema, table->root);
    if (!table->published && !by_root && asked) /* of a partitioned table it is said once */
        say(gaps, weight_of(gaps, table->schema, table->name), "not_published",
            "%t is not in publication %p: its changes are not seen",
            gaps->first || gaps->heals
                ? "ALTER PUBLICATION %p ADD TABLE %t;"
                : "ALTER PUBLICATION %p ADD TABLE %t; and, if it has rows by then, start the same line again where it "
                  "began with cdc-snapshot and a --state-dir, else take a new snapshot",
            &subject);
    /* One that --columns asks for is meant; the cure would undo it. */
    if (table->listed && table->lists_columns &&
        !cdc_selection_names_columns(&gaps->settings->selection, table->schema, table->name))
        say(gaps, PG_GAP_WARNS, "column_list", "publication %p has a list of columns for %t: the others are never seen",
            "BEGIN; ALTER PUBLICATION %p DROP TABLE %t; ALTER PUBLICATION %p ADD TABLE %t; COMMIT;", &subject);
    /* A copy would have NULL for them, and nothing would ever correct it. */
    if (table->listed && table->partial && !table->key.inserts_only)
        say(gaps, PG_GAP_STOPS, "row_filter_toast",
            "publication %p has a condition for the rows of %t: one that an UPDATE moves into it would come without "
            "the large "
            "values (TOAST) that the UPDATE did not change",
            "ALTER TABLE %t REPLICA IDENTITY FULL;", &subject);
    if (table->listed && table->filter)
        say(gaps, PG_GAP_WARNS, "row_filter",
            "publication %p has a condition for the rows of %t: others are never seen",
            "BEGIN; ALTER PUBLICATION %p DROP TABLE %t; ALTER PUBLICATION %p ADD TABLE %t; COMMIT;", &subject);
}

/* A column of the list has another name, or the list is another one: lines have what nobody asked for. */
static int find_columns(const struct pg_gaps *gaps, PGconn *sql, const struct pg_catalog_table *table,
                        struct cdc_error *error)
{
    struct cdc_error found = {0};
    if (!gaps->columns || !pg_catalog_is_read(table, gaps->settings, true) ||
        pg_columns_check_table(sql, gaps->settings, table, true, &found) == 0)
        return 0;
    if (found.status != CDC_EXIT_CONFIG) {
        *error = found;
        return -1;
    }
    gaps->say(gaps->context, PG_GAP_STOPS, "columns", found.text, found.hint);
    return 0;
}

/* Changes under the other one of the two names that a partition's changes may bear. */
static void find_partition(const struct pg_gaps *gaps, const struct pg_catalog_table *table)
{
    const struct subject subject = {.table = table};
    if (!pg_catalog_misses(table, gaps->settings))
        return;
    if (table->under_root)
        say(gaps, weight_of(gaps, table->schema, table->name), "other_name",
            "changes of %t come under the name %r, which is not selected: they are not seen",
            "select that name, or ALTER PUBLICATION %p SET (publish_via_partition_root = false);", &subject);
    else
        say(gaps, weight_of(gaps, table->root_schema, table->root), "other_name",
            "changes of %r come under the name of its partition %t, which is not selected: they are not seen",
            "select that name, or ALTER PUBLICATION %p SET (publish_via_partition_root = true);", &subject);
}

/* -- the publication -- */

static int find_operations(const struct pg_gaps *gaps, PGconn *sql, struct cdc_error *error)
{
    static const char what[] = "cannot look at the publication";
    PGresult *result = pg_query_rows(
        sql,
        "SELECT concat_ws(', ', CASE WHEN NOT pubinsert THEN 'insert' END, CASE WHEN NOT pubupdate THEN 'update' END, "
        "CASE WHEN NOT pubdelete THEN 'delete' END, CASE WHEN NOT pubtruncate THEN 'truncate' END) AS missing "
        "FROM pg_publication WHERE pubname = $1",
        1, (const char *const[]){gaps->settings->publication}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    const char *missing = PQntuples(result) > 0 ? pg_answer_text(&row, "missing") : "";
    if (*missing)
        say(gaps, PG_GAP_WARNS, "operations", "publication %p does not publish %d: such changes are never seen",
            "ALTER PUBLICATION %p SET (publish = 'insert, update, delete, truncate');",
            &(struct subject){.text = missing});
    PQclear(result);
    return 0;
}

int pg_gaps_find(const struct pg_gaps *gaps, PGconn *sql, struct cdc_error *error)
{
    if (gaps->published && find_operations(gaps, sql, error) < 0)
        return -1;
    find_patterns(gaps);
    for (size_t i = 0; i < gaps->catalog->n; i++) {
        const struct pg_catalog_table *table = &gaps->catalog->tables[i];
        if (gaps->published && is_permanent(table))
            find_partition(gaps, table);
        if (!pg_catalog_is_meant(table, gaps->settings))
            continue;
        if (!is_permanent(table))
            find_kind(gaps, table);
        else if (gaps->published)
            find_published(gaps, table);
        if (gaps->published && find_columns(gaps, sql, table, error) < 0)
            return -1;
    }
    return 0;
}
