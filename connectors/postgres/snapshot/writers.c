/* SPDX-License-Identifier: MIT */
/* Who writes to a table while it comes into the publication. The server decides at each change whether it is published, by the
 * catalogs as they were then:
 *
 *      A: BEGIN; INSERT INTO t ...          not published: no line of it, though A commits after all that follows
 *      B: ALTER PUBLICATION p ADD TABLE t
 *      rows of t are read                   they do not show what A has inserted, which has not committed
 *
 * So the rows are read once such transactions have ended. Those that begin after we do, do not count, or a table that is always
 * written to could not be read. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/schema/catalog.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <cdc/stale.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITERS_MS 60000
#define WRITERS_STEP_MS 200

static int append_tables(struct cdc_buf *out, const struct cdc_stale *tables, struct cdc_error *error)
{
    for (size_t i = 0; i < tables->n; i++) {
        cdc_buf_text(out, i > 0 ? ",[" : "[[");
        cdc_json_append_text(out, tables->tables[i].schema, strlen(tables->tables[i].schema));
        cdc_buf_byte(out, ',');
        cdc_json_append_text(out, tables->tables[i].table, strlen(tables->tables[i].table));
        cdc_buf_byte(out, ']');
    }
    cdc_buf_text(out, tables->n > 0 ? "]" : "[]");
    cdc_buf_byte(out, '\0');
    return out->failed ? cdc_error_memory(error) : 0;
}

/* A transaction holds what it has written to locked until its end; of a partition that itself, and maybe those above it. A prepared one has
 * no process; what a role may not see of others (state, times) is NULL. */
static const char writers_sql[] =
    "WITH named AS (SELECT c.oid FROM json_array_elements($1::json) e JOIN pg_namespace n ON n.nspname = e->>0 JOIN "
    "pg_class c ON c.relnamespace = n.oid AND c.relname = e->>1), wanted AS (SELECT oid FROM named UNION SELECT "
    "t.relid::oid FROM named, pg_partition_tree(named.oid) t), writers AS (SELECT DISTINCT l.virtualtransaction, "
    "l.pid, x.transactionid AS xid FROM pg_locks l JOIN pg_locks x ON x.virtualtransaction = l.virtualtransaction AND "
    "x.locktype = 'transactionid' AND x.mode = 'ExclusiveLock' AND x.granted AND age(x.transactionid) > "
    "age($2::text::xid) WHERE l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = "
    "current_database()) AND l.relation IN (SELECT oid FROM wanted) AND l.granted AND l.mode IN ('RowExclusiveLock', "
    "'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) SELECT (SELECT count(DISTINCT "
    "virtualtransaction) FROM writers) AS n, (SELECT string_agg(a.who, ', ') FROM (SELECT CASE WHEN w.pid IS NULL "
    "THEN format('prepared transaction %L (%s, for %s s)', p.gid, p.owner, extract(epoch FROM now() - "
    "p.prepared)::bigint) ELSE format('pid %s (%s)', w.pid, concat_ws(', ', s.usename, s.state, 'for ' || "
    "extract(epoch FROM now() - s.xact_start)::bigint || ' s')) END AS who FROM writers w LEFT JOIN "
    "pg_prepared_xacts p ON p.transaction = w.xid LEFT JOIN pg_stat_activity s ON s.pid = w.pid ORDER BY "
    "coalesce(p.prepared, s.xact_start) LIMIT 3) a) AS who";

struct writers {
    int64_t n;
    char who[360]; /* the oldest of them */
};

static int ask_writers(struct snapshot_run *run, const char *tables, const char *xid, struct writers *writers,
                       struct cdc_error *error)
{
    static const char what[] = "cannot ask for transactions that write to tables";
    PGresult *result = pg_query_rows(run->sql, writers_sql, 2, (const char *const[]){tables, xid}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    const char *who = pg_answer_text_or_null(&row, "who");
    writers->n = pg_answer_int(&row, "n");
    snprintf(writers->who, sizeof writers->who, "%s", who ? who : "gone by now");
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

static int wait_for(struct snapshot_run *run, const char *tables, const char *xid, struct cdc_error *error)
{
    struct writers writers = {.n = 0};
    for (int waited = 0; waited < WRITERS_MS; waited += WRITERS_STEP_MS) {
        if (ask_writers(run, tables, xid, &writers, error) < 0)
            return -1;
        if (writers.n == 0)
            return 0;
        if (waited == 0)
            cdc_log_write(run->log, CDC_LOG_INFO,
                          "waiting for %lld transaction%s that wrote to tables which are to be read: %s",
                          (long long)writers.n, writers.n == 1 ? "" : "s", writers.who);
        if (cdc_retry_wait(WRITERS_STEP_MS, run->control, "transactions that write to tables which are to be read"))
            return cdc_snapshot_stopped(error);
    }
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "transactions are open that wrote to tables before these were to be read, and what they write may "
                  "not be in the log: %s",
                  writers.who);
    return cdc_error_hint(error, "let them end, or end them (pg_terminate_backend(pid); COMMIT PREPARED or ROLLBACK "
                                 "PREPARED, in this database): it is tried again");
}

/* xmax of a snapshot would not do: it comes after the last transaction that has ended, and one that began later may run, or wait for
 * a standby:
 *      100 begins | 101 begins, and writes | 100 commits: xmax is 101
 * On a standby there is no other one. */
int pg_snapshot_bound(struct snapshot_run *run, char *xid, size_t size, struct cdc_error *error)
{
    static const char what[] = "cannot ask for the newest transaction";
    PGresult *result = pg_query_rows(run->sql,
                                     "SELECT (CASE WHEN pg_is_in_recovery() THEN "
                                     "pg_snapshot_xmax(pg_current_snapshot()) ELSE pg_current_xact_id() END)::xid AS "
                                     "next",
                                     0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    snprintf(xid, size, "%s", pg_answer_text(&row, "next"));
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

/* Those that are selected, as the catalogs have them now. */
static int list_selected(struct snapshot_run *run, struct cdc_stale *tables, struct cdc_error *error)
{
    struct pg_catalog catalog;
    int status = pg_catalog_read(run->sql, run->pg->publication, PG_LOCKS_PATIENCE_MS, &catalog, error);
    for (size_t i = 0; status == 0 && i < catalog.n; i++)
        if (pg_catalog_is_meant(&catalog.tables[i], run->pg))
            status = cdc_stale_add(tables, "", catalog.tables[i].schema, catalog.tables[i].name, "", error);
    pg_catalog_free(&catalog);
    return status;
}

int pg_snapshot_wait_writers(struct snapshot_run *run, const struct cdc_stale *tables, struct cdc_error *error)
{
    char xid[24];
    struct cdc_stale selected = {.at = NULL};
    struct cdc_buf list = CDC_BUF_INIT;
    int status = pg_snapshot_bound(run, xid, sizeof xid, error);
    if (status == 0 && !tables)
        status = list_selected(run, &selected, error);
    if (status == 0)
        status = append_tables(&list, tables ? tables : &selected, error);
    if (status == 0)
        status = wait_for(run, list.data, xid, error);
    cdc_stale_clear(&selected);
    cdc_buf_free(&list);
    return status;
}
