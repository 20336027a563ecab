/* SPDX-License-Identifier: MIT */
/* The tables of the database as the catalogs have them now. */
#include "connectors/postgres/schema/catalog.h"

#include "connectors/postgres/schema/internal.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/session/query.h"

#include <stdio.h>
#include <stdlib.h>

/* The entry of publication $1 that counts for the rows of c: its own, or the topmost of the tables above it where changes
 * come under that one's name. From it: a column of the row filter that is not of the replica identity of c, or a column
 * of the identity that is not in the column list (RelationBuildPublicationDesc in the server's relcache.c). A filter is
 * kept as a tree, of which ":varattno N" are the columns. */
#define HOLE_SQL                                                                                                       \
    "(SELECT coalesce((SELECT 'row filter by column ' || quote_ident(a.attname) FROM "                                 \
    "regexp_matches(e.prqual::text, ':varattno ([0-9]+)', 'g') m JOIN pg_attribute a ON a.attrelid = e.prrelid "       \
    "AND a.attnum = m[1]::int WHERE c.relreplident <> 'f' AND a.attname = ANY (e.names) IS NOT TRUE LIMIT 1), "        \
    "CASE WHEN e.prattrs IS NULL THEN NULL WHEN c.relreplident = 'f' THEN 'column list under REPLICA IDENTITY FULL' "  \
    "ELSE (SELECT 'column list without column ' || quote_ident(k) FROM unnest(e.names) k WHERE k NOT IN (SELECT "      \
    "attname FROM pg_attribute WHERE attrelid = e.prrelid AND attnum = ANY (e.prattrs::int2[])) LIMIT 1) END) FROM "   \
    "(SELECT pr.prrelid, pr.prqual, pr.prattrs, " PG_IDENTITY_NAMES(                                                   \
        "c") " AS names FROM pg_publication pp "                                                                       \
             "JOIN pg_publication_rel pr ON pr.prpubid = pp.oid JOIN (SELECT c.oid AS relid, 0 AS up UNION ALL "       \
             "SELECT * FROM pg_partition_ancestors(c.oid) WITH ORDINALITY) x ON x.relid = pr.prrelid "                 \
             "WHERE pp.pubname = $1 AND (pp.pubupdate OR pp.pubdelete) AND (pp.pubviaroot OR x.relid = c.oid) "        \
             "ORDER BY x.up DESC LIMIT 1) e WHERE c.relkind = 'r')"
/* Has c a column that is published and may be kept outside of the row (TOAST), which old rows do not carry? Those of the
 * replica identity they do. A table whose rows are always short has no place for such values, and none of them. */
#define LARGE_SQL                                                                                                      \
    "(c.relreplident <> 'f' AND (c.relkind = 'p' OR c.reltoastrelid <> 0) AND EXISTS "                                 \
    "(SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attlen = "   \
    "-1 AND a.attstorage <> 'p' AND (c.columns IS NULL OR a.attname = ANY (c.columns)) AND a.attname <> ALL "          \
    "(coalesce(" PG_IDENTITY_NAMES("c") ", '{}'))))"
/* A column of the replica identity's index that rows may have NULL in: since 18 such an index takes a column whose NOT NULL is not
 * validated. */
#define NULLABLE_KEY_SQL                                                                                               \
    "CASE WHEN c.relreplident = 'i' THEN (SELECT min(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND "     \
    "a.attname = ANY (" PG_IDENTITY_NAMES("c") "::name[]) AND NOT " PG_NOT_NULL ") END"
/* Of a table that was never analyzed (-1) what the server has counted as it was written. Its size would take a lock on it. */
#define ROWS_SQL(r) "CASE WHEN " r ".reltuples >= 0 THEN " r ".reltuples ELSE pg_stat_get_live_tuples(" r ".oid) END"
/* Every table that can be published, and those that cannot but look like it (foreign tables, materialized views:
 * --check names them). The publication's own list first, and MATERIALIZED: asking for it table by table would be
 * slow, since pg_publication_tables lists them all each time. It has names only, hence the joins back to pg_class.
 * That one is MATERIALIZED, too: beside the cost of all the questions on each table the planner sees no difference any more
 * between ways to join, and took a loop in a loop (5 s for 5,000 tables, 16 times that for 20,000).
 * estimate: of a partitioned table the leaves are counted, autovacuum does not keep its own number. */
#define TABLES_SQL(list, hole)                                                                                         \
    "WITH p AS MATERIALIZED (SELECT c.oid, " list " FROM pg_publication_tables t "                                     \
    "JOIN pg_namespace n ON n.nspname = t.schemaname "                                                                 \
    "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename WHERE t.pubname = $1), "                    \
    "c AS MATERIALIZED (SELECT c.*, p.oid IS NOT NULL AS is_listed, p.filter, p.columns, p.lists_columns FROM "        \
    "pg_class c LEFT JOIN p ON p.oid = c.oid WHERE c.relkind IN ('r', 'p', 'f', 'm')) "                                \
    "SELECT c.oid, n.nspname AS schema, c.relname AS name, rn.nspname AS root_schema, r.relname AS root, "             \
    "c.relkind AS kind, c.relpersistence AS persistence, c.is_listed AS listed, "                                      \
    "c.is_listed OR CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(bool_or(t.relid IN (SELECT oid FROM p)), "         \
    "true) FROM " PG_PARTITIONS_OF(                                                                                    \
        "c") " t WHERE t.isleaf AND t.relid <> c.oid) ELSE false END OR EXISTS (SELECT 1 "                             \
             "FROM pg_partition_ancestors(c.oid) a WHERE a.relid IN "                                                  \
             "(SELECT oid FROM p)) AS published, "                                                                     \
             "coalesce((SELECT pubviaroot FROM pg_publication WHERE pubname = $1), true) AS via_root, "                \
             "coalesce((SELECT pubviaroot FROM pg_publication WHERE pubname = $1), false) AND "                        \
             "coalesce(r.oid IN (SELECT oid FROM p), false) AS under_root, pg_has_role(c.relowner, 'USAGE') AS "       \
             "owned, "                                                                                                 \
             "has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable, "             \
             "row_security_active(c.oid) AS hidden, "                                                                  \
             "CASE WHEN NOT c.is_listed THEN 0 WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(" ROWS_SQL(              \
                 "l") "), 0) "                                                                                         \
                      "FROM " PG_PARTITIONS_OF(                                                                        \
                          "c") " t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf) "                                \
                               "ELSE " ROWS_SQL(                                                                       \
                                   "c") " END::int8 AS estimate, "                                                     \
                                        "c.filter, c.columns, coalesce(c.lists_columns, false) AS "                    \
                                        "lists_columns, " hole " AS hole, c.filter IS NOT NULL AND " LARGE_SQL         \
                                        " AS partial, " LARGE_SQL " AS large, NOT EXISTS "                             \
                                        "(SELECT 1 FROM "                                                              \
                                        "pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 "                    \
                                        "AND NOT a.attisdropped) AS columnless, (SELECT "                              \
                                        "min(h.inhrelid::regclass::text) FROM "                                        \
                                        "pg_inherits h "                                                               \
                                        "WHERE h.inhparent = c.oid AND h.inhdetachpending AND c.relkind = 'p') AS "    \
                                        "detaching, " NULLABLE_KEY_SQL " AS nullable_key, " PG_KEY_FACTS_SQL " "       \
                                        "FROM c JOIN pg_namespace n ON n.oid = c.relnamespace "                        \
                                        "LEFT JOIN pg_class r ON c.relispartition AND r.oid = "                        \
                                        "pg_partition_root(c.oid) "                                                    \
                                        "LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace "                        \
                                        "WHERE (c.is_listed OR (n.nspname !~ '^pg_' "                                  \
                                        "AND n.nspname <> 'information_schema')) ORDER BY 2, 3"

/* attnames is every column where the publication has no list of its own. */
#define LISTS_COLUMNS                                                                                                  \
    "EXISTS (SELECT 1 FROM pg_publication_rel pr JOIN pg_publication pp ON pp.oid = pr.prpubid "                       \
    "WHERE pp.pubname = $1 AND pr.prrelid = c.oid AND pr.prattrs IS NOT NULL) AS lists_columns"

void pg_key_facts_read(struct pg_answer *row, struct pg_key_facts *facts)
{
    facts->replica_identity = pg_answer_char(row, "replica_identity");
    facts->inserts_only = pg_answer_true(row, "inserts_only");
    facts->partitioned = pg_answer_true(row, "partitioned");
    facts->primary_exists = pg_answer_true(row, "primary_exists");
    facts->primary_is_immediate = pg_answer_true(row, "primary_is_immediate");
    facts->index_exists = pg_answer_true(row, "index_exists");
    facts->unsent = pg_answer_true(row, "unsent");
    facts->unsent_refused = facts->unsent && pg_answer_true(row, "is_18");
}

static void read_table(struct pg_answer *row, struct pg_catalog_table *table)
{
    table->oid = (uint32_t)pg_answer_int(row, "oid");
    table->schema = pg_answer_text(row, "schema");
    table->name = pg_answer_text(row, "name");
    table->root_schema = pg_answer_text_or_null(row, "root_schema");
    table->root = pg_answer_text_or_null(row, "root");
    table->kind = pg_answer_char(row, "kind");
    table->persistence = pg_answer_char(row, "persistence");
    table->listed = pg_answer_true(row, "listed");
    table->published = pg_answer_true(row, "published");
    table->via_root = pg_answer_true(row, "via_root");
    table->under_root = pg_answer_true(row, "under_root");
    table->owned = pg_answer_true(row, "owned");
    table->readable = pg_answer_true(row, "readable");
    table->hidden = pg_answer_true(row, "hidden");
    table->estimate = (double)pg_answer_int(row, "estimate");
    table->filter = pg_answer_text_or_null(row, "filter");
    table->columns = pg_answer_text_or_null(row, "columns");
    table->lists_columns = pg_answer_true(row, "lists_columns");
    table->hole = pg_answer_text_or_null(row, "hole");
    table->partial = pg_answer_true(row, "partial");
    table->large = pg_answer_true(row, "large");
    table->columnless = pg_answer_true(row, "columnless");
    table->detaching = pg_answer_text_or_null(row, "detaching");
    table->nullable_key = pg_answer_text_or_null(row, "nullable_key");
    table->unlike = pg_answer_text_or_null(row, "unlike");
    pg_key_facts_read(row, &table->key);
}

/* Functions of the server look at the catalogs of this moment, the query at those of when it began: of a table that was
 * dropped in between the server knows no rights any more, and there is nothing left to list. */
static bool is_gone(struct pg_answer *row)
{
    return !pg_answer_text_or_null(row, "readable");
}

int pg_catalog_read(PGconn *sql, const char *publication, int patience_ms, struct pg_catalog *catalog,
                    struct cdc_error *error)
{
    static const char what[] = "cannot list the tables";
    const struct pg_locks locks = {PG_LOCKS_READ, patience_ms};
    bool v15 = PQserverVersion(sql) >= 150000;
    *catalog = (struct pg_catalog){0};
    catalog->result = pg_locks_query(
        sql, &locks,
        v15 ? TABLES_SQL("t.rowfilter AS filter, t.attnames AS columns, " LISTS_COLUMNS, HOLE_SQL)
            : TABLES_SQL("NULL::text AS filter, NULL::name[] AS columns, false AS lists_columns", "NULL::text"),
        1, &publication, PGRES_TUPLES_OK, what, error);
    if (!catalog->result)
        return -1;
    /* The fields stay texts of the result: thousands of tables would else be as many small allocations. */
    size_t n = (size_t)PQntuples(catalog->result);
    catalog->tables = calloc(n + 1, sizeof *catalog->tables);
    if (!catalog->tables)
        return cdc_error_memory(error);
    struct pg_answer row = {.result = catalog->result};
    for (; row.row < (int)n; row.row++)
        if (!is_gone(&row))
            read_table(&row, &catalog->tables[catalog->n++]);
    return pg_answer_good(&row, what, error);
}

void pg_catalog_free(struct pg_catalog *catalog)
{
    PQclear(catalog->result);
    free(catalog->tables);
    *catalog = (struct pg_catalog){0};
}

bool pg_catalog_is_meant(const struct pg_catalog_table *table, const struct pg_settings *settings)
{
    return cdc_selection_has_table(&settings->selection, table->schema, table->name) ||
           (table->root && cdc_selection_has_table(&settings->selection, table->root_schema, table->root));
}

bool pg_catalog_is_to_be_listed(const struct pg_catalog_table *table, const struct pg_settings *settings)
{
    return (table->kind == 'r' || table->kind == 'p') && table->persistence == 'p' &&
           cdc_selection_has_table(&settings->selection, table->schema, table->name) &&
           !(table->root && cdc_selection_has_table(&settings->selection, table->root_schema, table->root)) &&
           (settings->selection.include.count > 0 || table->owned);
}

bool pg_catalog_is_read(const struct pg_catalog_table *table, const struct pg_settings *settings, bool exists)
{
    if (!exists)
        return pg_catalog_is_to_be_listed(table, settings);
    return table->listed && cdc_selection_has_table(&settings->selection, table->schema, table->name);
}

bool pg_catalog_misses(const struct pg_catalog_table *table, const struct pg_settings *settings)
{
    /* Example: orders_2026 is a partition of orders, and the publication has publish_via_partition_root. `-t
     * orders_2026` then selects a name that no change ever bears; without the option `-t orders` does. */
    if (!table->root || !table->published)
        return false;
    bool root = cdc_selection_has_table(&settings->selection, table->root_schema, table->root);
    bool own = cdc_selection_has_table(&settings->selection, table->schema, table->name);
    return table->under_root ? own && !root : root && !own;
}

int pg_catalog_refuse(const char *schema, const char *name, const struct pg_key_facts *facts, const char *unlike,
                      bool read, struct cdc_error *error)
{
    struct pg_key_facts own = *facts;
    const char *then = read && pg_key_is_marked(facts)
                           ? " and, if a row of it was changed meanwhile, take a new snapshot "
                             "(run pg-cdc --drop, remove the offset files of the pipeline and the copies, "
                             "and begin with cdc-snapshot)"
                           : "";
    own.partitioned = false; /* by its own identity, not by its partitions' */
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "\"%s\".\"%s\": the replica identity of its partition %s is another one: old rows would come without "
                  "what identifies them",
                  schema, name, unlike);
    if (pg_key_allows_changes(&own))
        return cdc_error_hint(error, "ALTER TABLE %s REPLICA IDENTITY FULL;%s", unlike, then);
    return cdc_error_hint(error,
                          "ALTER TABLE \"%s\".\"%s\" REPLICA IDENTITY FULL; and the same for each of its partitions",
                          schema, name);
}

int pg_catalog_refuse_nullable(const struct pg_catalog_table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "\"%s\".\"%s\": rows may have NULL in the column \"%s\" of its replica identity, whose NOT NULL is "
                  "not validated: such a row has no key",
                  table->schema, table->name, table->nullable_key);
    return cdc_error_hint(error,
                          "ALTER TABLE \"%s\".\"%s\" ALTER \"%s\" SET NOT NULL; once no row has NULL in it; or REPLICA "
                          "IDENTITY FULL; or exclude the table",
                          table->schema, table->name, table->nullable_key);
}

/* Between its two transactions DETACH holds no lock: it waits for those who use the table. 1, 0 or -1 */
static int is_detaching(PGconn *sql, const struct pg_catalog_table *table, struct cdc_error *error)
{
    static const char what[] = "cannot look for a DETACH CONCURRENTLY";
    char text[16];
    const char *oid = text;
    snprintf(text, sizeof text, "%lu", (unsigned long)table->oid);
    PGresult *result = pg_query_rows(
        sql,
        "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE (locktype IN ('virtualxid', 'transactionid') AND NOT granted) OR "
        "(locktype = 'relation' AND relation = $1::oid AND mode = 'ShareUpdateExclusiveLock')) AS detaching",
        1, &oid, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int detaching = pg_answer_true(&row, "detaching");
    int status = pg_answer_good(&row, what, error);
    PQclear(result);
    return status < 0 ? -1 : detaching;
}

static int refuse_detaching(PGconn *sql, const struct pg_catalog_table *table, struct cdc_error *error)
{
    int detaching = is_detaching(sql, table, error);
    if (detaching < 0)
        return -1;
    if (detaching)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                             "\"%s\".\"%s\": partition %s is being detached (DETACH CONCURRENTLY): a change of it now "
                             "would crash the server",
                             table->schema, table->name, table->detaching);
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "\"%s\".\"%s\": partition %s is half detached (DETACH CONCURRENTLY was broken off): a change of it "
                  "would crash the server",
                  table->schema, table->name, table->detaching);
    return cdc_error_hint(error, "ALTER TABLE \"%s\".\"%s\" DETACH PARTITION %s FINALIZE;", table->schema, table->name,
                          table->detaching);
}

int pg_catalog_refuse_detaching(PGconn *sql, const struct pg_catalog *catalog, const struct pg_settings *settings,
                                struct cdc_error *error)
{
    for (size_t i = 0; i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        if (table->detaching && table->via_root && pg_catalog_is_meant(table, settings))
            return refuse_detaching(sql, table, error);
    }
    return 0;
}
