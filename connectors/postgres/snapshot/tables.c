/* SPDX-License-Identifier: MIT */
/* The tables of the snapshot: found, locked, described. */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define TABLES_SQL(more)                                                                                               \
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, "                                                  \
    "CASE c.relkind WHEN 'p' THEN (SELECT coalesce(sum(greatest(l.reltuples, 0)), 0) "                                 \
    "FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf) "                              \
    "ELSE greatest(c.reltuples, 0) END, " more " FROM pg_publication_tables p "                                        \
    "JOIN pg_namespace n ON n.nspname = p.schemaname "                                                                 \
    "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename WHERE p.pubname = $1 ORDER BY 2, 3"

/* In the order of the columns, as the stream has them: generated ones are absent unless (18) the publication lists
 * them. */
static const char columns_sql[] = "SELECT a.attname, a.atttypid, a.atttypmod, a.attgenerated <> '', CASE WHEN "
                                  "c.relreplident = 'f' THEN true ELSE EXISTS "
                                  "(SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND a.attnum = ANY "
                                  "((i.indkey::int2[])[0:i.indnkeyatts - 1]) "
                                  "AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary "
                                  "AND i.indimmediate ELSE false END) END "
                                  "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attrelid = "
                                  "$1::oid AND a.attnum > 0 AND NOT a.attisdropped "
                                  "AND CASE WHEN $2::name[] IS NULL THEN a.attgenerated = '' ELSE a.attname = ANY "
                                  "($2::name[]) AND (a.attgenerated = '' OR $3::bool) END "
                                  "ORDER BY a.attnum";

static int read_columns(struct snapshot_run *run, struct snapshot_table *source, const char *names,
                        struct cdc_error *error)
{
    struct pg_table *table = source->table;
    char oid[16];
    struct cdc_buf text = {oid, 0, sizeof oid, false};
    cdc_buf_u64(&text, table->oid);
    cdc_buf_byte(&text, '\0');
    const char *values[3] = {oid, names, PQserverVersion(run->sql) >= 180000 ? "t" : "f"};
    PGresult *result = pg_snapshot_query(run, columns_sql, 3, values, "cannot list the columns", error);
    if (!result)
        return -1;
    int n = PQntuples(result);
    table->columns = calloc((size_t)n + 1, sizeof *table->columns);
    bool good = table->columns != NULL;
    for (int i = 0; good && i < n; i++) {
        struct pg_column *column = &table->columns[table->n_columns++];
        column->name = strdup(PQgetvalue(result, i, 0));
        column->type_oid = (uint32_t)strtoul(PQgetvalue(result, i, 1), NULL, 10);
        column->typmod = (int32_t)strtol(PQgetvalue(result, i, 2), NULL, 10);
        column->type = pg_type_of(column->type_oid);
        column->nullable = true;
        source->generated = source->generated || PQgetvalue(result, i, 3)[0] == 't';
        column->identity = PQgetvalue(result, i, 4)[0] == 't';
        good = column->name != NULL;
    }
    PQclear(result);
    return good ? 0 : cdc_error_memory(error);
}

static const char *value_or_null(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static int add_table(struct snapshot_run *run, const PGresult *list, int row, struct cdc_error *error)
{
    struct snapshot_table *source = &run->tables[run->n_tables++];
    struct pg_table *table = calloc(1, sizeof *table);
    const char *filter = value_or_null(list, row, 6);
    source->table = table;
    if (!table)
        return cdc_error_memory(error);
    table->oid = (uint32_t)strtoul(PQgetvalue(list, row, 0), NULL, 10);
    table->schema = strdup(PQgetvalue(list, row, 1));
    table->name = strdup(PQgetvalue(list, row, 2));
    source->kind = PQgetvalue(list, row, 3)[0];
    table->replica_identity = PQgetvalue(list, row, 4)[0];
    source->estimate = strtod(PQgetvalue(list, row, 5), NULL);
    source->filter = filter ? strdup(filter) : NULL;
    run->progress.estimate += source->estimate;
    if (!table->schema || !table->name || (filter && !source->filter))
        return cdc_error_memory(error);
    if (read_columns(run, source, value_or_null(list, row, 7), error) < 0 ||
        pg_table_describe(run->sql, table, error) < 0 ||
        pg_table_prepare(table, run->pg->name, PQdb(run->sql), error) < 0)
        return -1;
    if (!table->has_key)
        cdc_log(run->log, CDC_LOG_WARNING,
                "table %s.%s has no key: should the snapshot begin again, its rows are delivered twice", table->schema,
                table->name);
    return 0;
}

int pg_snapshot_list_tables(struct snapshot_run *run, struct cdc_error *error)
{
    const struct pg_settings *pg = run->pg;
    const char *values[1] = {pg->publication};
    bool v15 = PQserverVersion(run->sql) >= 150000;
    PGresult *list = pg_snapshot_query(run, v15 ? TABLES_SQL("p.rowfilter, p.attnames") : TABLES_SQL("NULL, NULL"), 1,
                                       values, "cannot list the publication's tables", error);
    if (!list)
        return -1;
    int n = PQntuples(list), result = 0;
    run->tables = calloc((size_t)n + 1, sizeof *run->tables);
    if (!run->tables)
        result = cdc_error_memory(error);
    for (int i = 0; result == 0 && i < n; i++)
        if (pg_snapshot_is_selected(run, PQgetvalue(list, i, 1), PQgetvalue(list, i, 2)))
            result = add_table(run, list, i, error);
    PQclear(list);
    if (result == 0 && run->n_tables == 0)
        cdc_log(run->log, CDC_LOG_WARNING, "publication \"%s\" has no table that is selected: the snapshot is empty",
                pg->publication);
    return result;
}

void pg_snapshot_append_identifier(struct snapshot_run *run, struct cdc_buf *out, const char *name)
{
    char *quoted = PQescapeIdentifier(run->sql, name, strlen(name));
    if (quoted)
        cdc_buf_text(out, quoted);
    else
        out->failed = true;
    PQfreemem(quoted);
}

/* `ONLY "s"."t"`: rows of tables that inherit are their own; a partitioned table has none but those. */
void pg_snapshot_append_table(struct snapshot_run *run, struct cdc_buf *out, const struct snapshot_table *source,
                              bool only)
{
    if (only && source->kind != 'p')
        cdc_buf_lit(out, "ONLY ");
    pg_snapshot_append_identifier(run, out, source->table->schema);
    cdc_buf_byte(out, '.');
    pg_snapshot_append_identifier(run, out, source->table->name);
}

/* What a rewrite (ALTER TABLE, TRUNCATE) leaves is not visible to older snapshots: such a table would look empty, and
 * the log does not tell its rows again. So all are locked, lightly, and none may have been rewritten since the
 * snapshot. */
static const char rewritten_sql[] =
    "WITH o AS (SELECT unnest($1::oid[]) AS oid), r AS (SELECT oid FROM o UNION SELECT t.relid FROM o, "
    "pg_partition_tree(o.oid) t) "
    "SELECT n.nspname, c.relname FROM r JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid) LIMIT 1";

static int check_rewritten(struct snapshot_run *run, const char *oids, struct cdc_error *error)
{
    PGresult *result = pg_snapshot_query(run, rewritten_sql, 1, &oids, "cannot check the tables", error);
    if (!result)
        return -1;
    int status = 0;
    if (PQntuples(result) != 0) {
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "table %s.%s was rewritten or dropped since the snapshot was taken",
                      PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
        status = cdc_error_hint(error, "the snapshot begins again");
    }
    PQclear(result);
    return status;
}

int pg_snapshot_lock_tables(struct snapshot_run *run, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT, oids = CDC_BUF_INIT;
    int result = 0;
    cdc_buf_byte(&oids, '{');
    for (size_t i = 0; result == 0 && i < run->n_tables; i++) {
        text.len = 0;
        cdc_buf_lit(&text, "LOCK TABLE ");
        pg_snapshot_append_table(run, &text, &run->tables[i], true);
        cdc_buf_append(&text, " IN ACCESS SHARE MODE", sizeof " IN ACCESS SHARE MODE");
        cdc_buf_text(&oids, i ? "," : "");
        cdc_buf_u64(&oids, run->tables[i].table->oid);
        result = text.failed
                     ? cdc_error_memory(error)
                     : pg_snapshot_execute(run, text.data, "cannot lock a table against changes of its form", error);
    }
    cdc_buf_append(&oids, "}", 2);
    if (result == 0)
        result = oids.failed ? cdc_error_memory(error) : check_rewritten(run, oids.data, error);
    cdc_buf_free(&text);
    cdc_buf_free(&oids);
    return result;
}
