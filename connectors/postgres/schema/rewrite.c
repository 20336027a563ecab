/* SPDX-License-Identifier: MIT */
/* A table has another file than before: by a statement that leaves rows as they are? */
#include "connectors/postgres/schema/rewrite.h"

#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <stdio.h>

#define PATIENCE_MS 1000 /* with a table that somebody holds locked */
#define FIRST_NORMAL_XID 3

static const char what[] = "cannot look at a table's file";

/* In the place of a table that may not be read there is none. The numbers wrap after 2^32, which only makes it less certain. */
static const char table_sql[] =
    "SELECT CASE WHEN has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') THEN "
    "quote_ident(n.nspname) || '.' || quote_ident(c.relname) END AS name, EXISTS (SELECT 1 FROM pg_index x JOIN "
    "pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid AND i.relfilenode::text::int8 - "
    "c.relfilenode::text::int8 BETWEEN 1 AND 2) AS truncated FROM pg_class c JOIN pg_namespace n ON n.oid = "
    "c.relnamespace WHERE c.oid = $1::oid AND c.relkind = 'r'";

/* A subtransaction is not among those that run, so only what is older than all that ran had certainly ended. */
static bool is_older(const struct pg_visible *before, uint32_t xid)
{
    uint64_t full = before->xmax + (uint64_t)(int64_t)(int32_t)(xid - (uint32_t)before->xmax);
    return xid < FIRST_NORMAL_XID || full < before->xmin;
}

/* Any row will do, and after most statements the first one does. 1 0 -1 */
static int has_older_row(PGconn *sql, const char *name, const struct pg_visible *before, struct cdc_error *error)
{
    const struct pg_locks locks = {PG_LOCKS_READ, PATIENCE_MS};
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "SELECT DISTINCT xmin::text::int8 AS xid FROM (SELECT xmin FROM ONLY ");
    cdc_buf_text(&text, name);
    cdc_buf_append(&text, " LIMIT 1000) r", sizeof " LIMIT 1000) r");
    PGresult *result =
        text.failed ? NULL : pg_locks_query(sql, &locks, text.data, 0, NULL, PGRES_TUPLES_OK, what, error);
    if (text.failed)
        cdc_error_memory(error);
    cdc_buf_free(&text);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    bool found = false;
    for (; row.row < PQntuples(result) && !found; row.row++)
        found = is_older(before, (uint32_t)pg_answer_int(&row, "xid"));
    PQclear(result);
    return pg_answer_good(&row, what, error) < 0 ? -1 : found;
}

int pg_rewrite_harmless(PGconn *sql, uint32_t table, const struct pg_visible *before, bool emptied,
                        struct cdc_error *error)
{
    char oid[16];
    snprintf(oid, sizeof oid, "%lu", (unsigned long)table);
    PGresult *result = pg_query_rows(sql, table_sql, 1, (const char *const[]){oid}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int harmless = 0;
    if (PQntuples(result) > 0) {
        const char *name = pg_answer_text_or_null(&row, "name");
        harmless = emptied && pg_answer_true(&row, "truncated");
        if (!harmless && name && !row.bad)
            harmless = has_older_row(sql, name, before, error);
    }
    PQclear(result);
    return pg_answer_good(&row, what, error) < 0 ? -1 : harmless;
}
