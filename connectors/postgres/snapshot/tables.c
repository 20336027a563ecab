/* SPDX-License-Identifier: MIT */
/* The tables of the snapshot: found, described, locked. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/schema/columns.h"
#include "connectors/postgres/schema/describe.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/schema/where.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/database_name.h"
#include "connectors/postgres/session/query.h"

#include <stdlib.h>
#include <string.h>

#define LOCK_MOMENT_MS 300

/* The texts of `found` end with the catalog; what the snapshot needs of them longer is copied. */
static int add_table(struct snapshot_run *run, const struct pg_catalog_table *found, struct cdc_error *error)
{
    struct snapshot_table *entry = &run->tables[run->n_tables++];
    bool generated = false;
    entry->table = pg_describe_table(run->sql, found, &generated, error);
    if (!entry->table)
        return -1;
    entry->filter = found->filter ? strdup(found->filter) : NULL;
    if ((found->filter && !entry->filter) ||
        pg_where_text(run->pg, run->settings->where, found, &entry->where, error) < 0)
        return cdc_error_memory(error);
    if (pg_columns_check_table(run->sql, run->pg, found, true, error) < 0)
        return -1;
    if (pg_where_check(run->sql, run->pg, run->settings->where, found, error) < 0)
        return -1;
    if (pg_table_prepare(entry->table, run->pg->name, pg_database_name(run->sql), error) < 0)
        return -1;
    entry->source =
        (struct pg_scan_source){entry->table, found->kind == 'p', entry->filter, entry->where, generated, NULL};
    entry->estimate = found->estimate;
    entry->part = (struct cdc_snapshot_part){
        .schema = entry->table->schema, .table = entry->table->name, .estimate = found->estimate};
    run->progress.estimate += found->estimate;
    run->progress.tables++;
    if (!entry->table->has_key)
        cdc_log_write(run->log, CDC_LOG_WARNING,
                      "table %s.%s has no key: should the snapshot begin again, its rows come again, after a line "
                      "that empties it (\"op\":\"t\")",
                      found->schema, found->name);
    if (found->nullable_key)
        return pg_catalog_refuse_nullable(found, error);
    return found->unlike ? pg_catalog_refuse(found->schema, found->name, &found->key, found->unlike, false, error) : 0;
}

static bool is_meant(const struct snapshot_run *run, const struct pg_catalog_table *table)
{
    return table->listed && cdc_selection_has_table(&run->pg->selection, table->schema, table->name) &&
           (!run->of.only || cdc_stale_has(run->of.only, pg_database_name(run->sql), table->schema, table->name));
}

/* The stream compares with it what it finds (shapes.h). Where it has begun already, for a sink that has taken an attempt before
 * this one, tables stay as they were read for that sink: the older form shows more. */
static int keep_shapes(struct snapshot_run *run, const struct pg_catalog *catalog, struct cdc_error *error)
{
    struct pg_shapes *shapes = &run->state.shapes;
    if (!run->of.again && run->stream_began && shapes->known)
        return 0;
    if (!run->of.again)
        pg_shapes_clear(shapes);
    return pg_shapes_take(shapes, run->sql, run->pg, catalog, run->of.only, error);
}

int pg_snapshot_list_tables(struct snapshot_run *run, struct cdc_error *error)
{
    struct pg_catalog catalog;
    int result = pg_catalog_read(run->sql, run->pg->publication, PG_LOCKS_PATIENCE_MS, &catalog, error);
    if (result == 0) {
        run->tables = calloc(catalog.n + 1, sizeof *run->tables);
        result = run->tables ? 0 : cdc_error_memory(error);
    }
    if (result == 0 && !run->of.only)
        result = pg_columns_check_names(run->pg, &catalog, true, run->log, error);
    if (result == 0 && !run->of.only)
        result = pg_where_check_names(run->pg, run->settings->where, &catalog, run->log, error);
    for (size_t i = 0; result == 0 && i < catalog.n; i++)
        if (is_meant(run, &catalog.tables[i]))
            result = add_table(run, &catalog.tables[i], error);
    if (result == 0)
        result = keep_shapes(run, &catalog, error);
    pg_catalog_free(&catalog);
    if (run->of.again)
        return result;
    if (result == 0 && run->n_tables == 0)
        cdc_log_write(run->log, CDC_LOG_WARNING,
                      "publication \"%s\" has no table that is selected: the snapshot is empty", run->pg->publication);
    return result;
}

/* A rewrite (ALTER TABLE ... TYPE, TRUNCATE, VACUUM FULL, CLUSTER) gives a table a new file, and TRUNCATE or ALTER
 * TABLE leave nothing in it that an older snapshot sees: the table would look empty, and the log does not have its
 * rows again. So all tables are locked, lightly (ACCESS SHARE: reads and writes go on, rewrites wait), and none may
 * have been rewritten between the snapshot and its lock. pg_class is read with the transaction's snapshot, and shows
 * the file of then; pg_relation_filenode() looks into the server's cache, and shows that of now. They differ after a
 * rewrite; of a dropped table the function gives NULL.
 * Locked and read is what bears the name now. Where another table has taken it meanwhile (a copy that was filled beside the
 * application, and renamed), the snapshot need not see that one's rows, and the log has them under the name of before.
 * So it is with partitions: those of now are read, whatever the snapshot sees of pg_inherits, and one that was filled before it
 * was attached (rows moved from an old partition to a new one) would look empty. One without rows, as is made for tomorrow,
 * hides nothing. */
static const char rewritten_sql[] =
    "WITH RECURSIVE o AS (SELECT unnest($1::oid[]) AS oid), "
    "now AS (SELECT o.oid AS root, t.relid FROM o, pg_partition_tree(o.oid) t), "
    "r AS (SELECT oid FROM o UNION SELECT relid FROM now), "
    "before AS (SELECT oid AS relid FROM o UNION SELECT h.inhrelid FROM before JOIN pg_inherits h ON h.inhparent = "
    "before.relid), "
    "f AS (SELECT c.oid, 'was rewritten, renamed or dropped' AS what FROM r JOIN pg_class c ON c.oid = r.oid JOIN "
    "pg_namespace n ON n.oid = c.relnamespace WHERE (c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM "
    "pg_relation_filenode(c.oid)) OR (c.oid IN (SELECT oid FROM o) AND to_regclass(format('%I.%I', n.nspname, "
    "c.relname))::oid IS DISTINCT FROM c.oid) UNION ALL SELECT root, 'got a partition that has rows' FROM now WHERE "
    "relid NOT IN (SELECT relid FROM before) AND pg_relation_size(relid) > 0) "
    "SELECT n.nspname AS schema, c.relname AS name, f.what FROM f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n "
    "ON n.oid = c.relnamespace LIMIT 1";

static int check_rewritten(struct snapshot_run *run, const char *oids, struct cdc_error *error)
{
    PGresult *result = pg_query_rows(run->sql, rewritten_sql, 1, &oids, "cannot check the tables", error);
    if (!result)
        return -1;
    int status = 0;
    if (PQntuples(result) != 0) {
        struct pg_answer row = {.result = result};
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "table %s.%s %s since the snapshot was taken",
                      pg_answer_text(&row, "schema"), pg_answer_text(&row, "name"), pg_answer_text(&row, "what"));
        status = cdc_error_hint(error, "the snapshot begins again");
    }
    PQclear(result);
    return status;
}

static int lock(struct snapshot_run *run, const struct snapshot_table *entry, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_text(&text, entry->source.partitioned ? "LOCK TABLE " : "LOCK TABLE ONLY ");
    pg_query_table(&text, entry->table->schema, entry->table->name);
    cdc_buf_append(&text, " IN ACCESS SHARE MODE", sizeof " IN ACCESS SHARE MODE");
    const struct pg_locks locks = {PG_LOCKS_READ, PG_LOCKS_PATIENCE_MS};
    PGresult *result = NULL;
    if (text.failed)
        cdc_error_memory(error);
    else
        result = pg_locks_query(run->sql, &locks, text.data, 0, NULL, PGRES_COMMAND_OK,
                                "cannot lock a table against changes of its form", error);
    if (!result && !text.failed && error && error->status == CDC_EXIT_PERMISSION)
        cdc_error_hint(error, "GRANT SELECT on table %s.%s and USAGE on its schema to the role, or exclude the table",
                       entry->table->schema, entry->table->name);
    PQclear(result);
    cdc_buf_free(&text);
    return result ? 0 : -1;
}

static void append_oids(struct cdc_buf *out, const struct snapshot_run *run)
{
    cdc_buf_byte(out, '{');
    for (size_t i = 0; i < run->n_tables; i++) {
        cdc_buf_text(out, i ? "," : "");
        cdc_buf_u64(out, run->tables[i].table->oid);
    }
    cdc_buf_append(out, "}", 2);
}

int pg_snapshot_lock_tables(struct snapshot_run *run, struct cdc_error *error)
{
    struct cdc_buf oids = CDC_BUF_INIT;
    int result = 0;
    append_oids(&oids, run);
    for (size_t i = 0; result == 0 && i < run->n_tables; i++)
        result = lock(run, &run->tables[i], error);
    if (result == 0)
        result = oids.failed ? cdc_error_memory(error) : check_rewritten(run, oids.data, error);
    cdc_buf_free(&oids);
    return result;
}

int pg_snapshot_try_lock(struct snapshot_worker *worker, size_t table, struct cdc_error *error)
{
    static const char what[] = "cannot lock a table against changes of its form";
    const struct snapshot_table *entry = &worker->run->tables[table];
    if (worker->locked == table)
        return 1;
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_printf(&text, "SET LOCAL lock_timeout = %d; LOCK TABLE %s", LOCK_MOMENT_MS,
                   entry->source.partitioned ? "" : "ONLY ");
    pg_query_table(&text, entry->table->schema, entry->table->name);
    cdc_buf_printf(&text, " IN ACCESS SHARE MODE; SET LOCAL lock_timeout = %d", PG_LOCKS_PATIENCE_MS);
    cdc_buf_byte(&text, '\0');
    if (text.failed) {
        cdc_buf_free(&text);
        return cdc_error_memory(error);
    }
    PGresult *result = pg_query_result(worker->sql, text.data, 0, NULL, what, error);
    cdc_buf_free(&text);
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (state && strcmp(state, "55P03") == 0) {
        PQclear(result);
        return 0;
    }
    result = result ? pg_query_expect(worker->sql, result, PGRES_COMMAND_OK, what, error) : NULL;
    PQclear(result);
    worker->locked = table;
    return result ? 1 : -1;
}

/* In blocks, of each file that a table has: its own, or those of its partitions. What the snapshot sees lies in these, since it was
 * taken before they are measured. A file that is no heap (another access method, a foreign table) cannot be read by ranges. */
static const char blocks_sql[] =
    "SELECT o.n, bool_and(coalesce(l.relkind IN ('r', 'm') AND a.amname = 'heap', false)) AS heap, "
    "array_to_string(array_agg(coalesce(pg_relation_size(t.relid), 0) / current_setting('block_size')::int8), ' ') AS "
    "blocks FROM unnest($1::oid[]) WITH ORDINALITY AS o (oid, n) JOIN pg_class c ON c.oid = o.oid CROSS JOIN LATERAL "
    "(SELECT c.oid AS relid WHERE c.relkind <> 'p' UNION ALL SELECT p.relid FROM pg_partition_tree(CASE c.relkind WHEN "
    "'p' THEN c.oid END) p WHERE p.isleaf) t LEFT JOIN pg_class l ON l.oid = t.relid LEFT JOIN pg_am a ON a.oid = "
    "l.relam GROUP BY o.n ORDER BY o.n";

static int take_blocks(struct snapshot_table *table, const char *text, struct cdc_error *error)
{
    char *end;
    table->blocks = calloc(strlen(text) / 2 + 1, sizeof *table->blocks);
    if (!table->blocks)
        return cdc_error_memory(error);
    for (uint64_t blocks = strtoull(text, &end, 10); end != text; blocks = strtoull(text, &end, 10)) {
        table->blocks[table->n_blocks++] = blocks;
        text = end;
    }
    return 0;
}

int pg_snapshot_measure_tables(struct snapshot_run *run, struct cdc_error *error)
{
    static const char what[] = "cannot ask for the size of the tables";
    struct cdc_buf oids = CDC_BUF_INIT;
    if (run->settings->jobs < 2 && !run->keeps_parts) /* each is read in one piece */
        return 0;
    append_oids(&oids, run);
    PGresult *result = NULL;
    if (oids.failed)
        cdc_error_memory(error);
    else
        result = pg_query_rows(run->sql, blocks_sql, 1, (const char *const[]){oids.data}, what, error);
    cdc_buf_free(&oids);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int status = 0;
    for (; status == 0 && row.row < PQntuples(result); row.row++) {
        uint64_t n = (uint64_t)pg_answer_int(&row, "n");
        if (n < 1 || n > run->n_tables)
            continue;
        struct snapshot_table *table = &run->tables[n - 1];
        table->has_blocks = pg_answer_true(&row, "heap");
        status = take_blocks(table, pg_answer_text(&row, "blocks"), error);
    }
    if (status == 0)
        status = pg_answer_good(&row, what, error);
    PQclear(result);
    return status;
}
