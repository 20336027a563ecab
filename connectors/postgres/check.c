/* SPDX-License-Identifier: MIT */
/* --check: what would make the pipe stop or lose rows, each finding with its cure. */
#include "connectors/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TABLES_NAMED 50

struct check {
    const struct pg_settings *settings;
    const struct cdc_log *log;
    PGconn *sql;
    int problems; /* that stop the pipe or lose rows */
};

static void good(struct check *check, const char *text, const char *detail)
{
    cdc_log(check->log, CDC_LOG_INFO, "ok: %s%s", text, detail);
}

/* NULL when the question could not be asked: itself a finding. */
static PGresult *ask(struct check *check, const char *text, int n, const char *const *values)
{
    struct cdc_error error = {0};
    PGresult *result = PQexecParams(check->sql, text, n, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    pg_result_error(check->sql, result, "cannot check", &error);
    cdc_log(check->log, CDC_LOG_ERROR, "%s", error.text);
    check->problems++;
    PQclear(result);
    return NULL;
}

static bool is_true(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column)[0] == 't';
}

static void check_settings(struct check *check)
{
    PGresult *r = ask(check,
                      "SELECT current_setting('wal_level'), "
                      "current_setting('max_replication_slots')::int, "
                      "(SELECT count(*) FROM pg_replication_slots), "
                      "current_setting('max_wal_senders')::int, "
                      "(SELECT count(*) FROM pg_stat_replication), "
                      "(SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user), "
                      "current_setting('max_slot_wal_keep_size'), "
                      "EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = $1)",
                      1, &check->settings->slot);
    if (!r)
        return;
    const char *level = PQgetvalue(r, 0, 0), *keep = PQgetvalue(r, 0, 6);
    if (strcmp(level, "logical") == 0) {
        good(check, "wal_level is ", level);
    } else {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR,
                "wal_level is %s: ALTER SYSTEM SET wal_level = logical; and restart the "
                "server",
                level);
    }
    if (!is_true(r, 0, 7) && atoi(PQgetvalue(r, 0, 2)) >= atoi(PQgetvalue(r, 0, 1))) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR,
                "all %s replication slots are taken: drop one, or raise "
                "max_replication_slots and restart the server",
                PQgetvalue(r, 0, 1));
    }
    if (atoi(PQgetvalue(r, 0, 4)) >= atoi(PQgetvalue(r, 0, 3))) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR, "all %s WAL senders are taken: raise max_wal_senders and restart the server",
                PQgetvalue(r, 0, 3));
    }
    if (!is_true(r, 0, 5)) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR, "the role may not replicate: ALTER ROLE \"%s\" REPLICATION;",
                PQuser(check->sql));
    } else {
        good(check, "role may replicate: ", PQuser(check->sql));
    }
    if (strcmp(keep, "-1") == 0)
        cdc_log(check->log, CDC_LOG_INFO,
                "max_slot_wal_keep_size is -1: a stopped pipeline keeps WAL until the "
                "disk is full; watch the slot, or set a "
                "limit (the slot is then lost when it is passed)");
    else
        cdc_log(check->log, CDC_LOG_WARNING,
                "max_slot_wal_keep_size is %s: a pipeline that lags more than that loses "
                "its slot",
                keep);
    PQclear(r);
}

/* A replication connection is another line of pg_hba.conf, or none. */
static void check_walsender(struct check *check)
{
    struct cdc_error error = {0};
    PGconn *connection = pg_connect(check->settings, true, &error);
    if (connection) {
        good(check, "replication connection", "");
    } else {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR, "replication connection: %s%s%s", error.text, *error.hint ? "; " : "",
                error.hint);
    }
    PQfinish(connection);
}

static void check_slot(struct check *check)
{
    struct cdc_error error = {0};
    struct pg_slot slot;
    if (pg_slot_read(check->sql, check->settings->slot, &slot, &error) < 0) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR, "%s%s%s", error.text, *error.hint ? "; " : "", error.hint);
        return;
    }
    if (!slot.exists) {
        cdc_log(check->log, CDC_LOG_INFO, "slot \"%s\" does not exist: the first start creates it",
                check->settings->slot);
        return;
    }
    if (slot.lost) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR,
                "slot \"%s\" was invalidated: run pg-cdc --drop, remove the pipeline's "
                "offset files, take a new snapshot",
                check->settings->slot);
        return;
    }
    char restart[24], confirmed[24];
    pg_lsn_format(restart, slot.restart_lsn);
    pg_lsn_format(confirmed, slot.confirmed_flush);
    cdc_log(check->log, CDC_LOG_INFO, "ok: slot \"%s\" keeps WAL from %s, confirmed up to %s%s", check->settings->slot,
            restart, confirmed, slot.active ? ", in use" : "");
}

static bool check_publication(struct check *check)
{
    PGresult *r = ask(check,
                      "SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND "
                      "pubtruncate, pubviaroot "
                      "FROM pg_publication WHERE pubname = $1",
                      1, &check->settings->publication);
    if (!r)
        return false;
    bool exists = PQntuples(r) == 1;
    struct pg_slot slot = {0};
    struct cdc_error ignored = {0};
    pg_slot_read(check->sql, check->settings->slot, &slot, &ignored);
    if (!exists && slot.exists) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR,
                "publication \"%s\" does not exist but its slot does: create it before "
                "the next change, or begin anew with "
                "pg-cdc --drop",
                check->settings->publication);
    } else if (!exists) {
        cdc_log(check->log, CDC_LOG_INFO, "publication \"%s\" does not exist: the first start creates it",
                check->settings->publication);
    } else {
        cdc_log(check->log, CDC_LOG_INFO, "ok: publication \"%s\"%s", check->settings->publication,
                is_true(r, 0, 0) ? " for all tables" : "");
        if (!is_true(r, 0, 1))
            cdc_log(check->log, CDC_LOG_WARNING,
                    "publication \"%s\" does not publish all of insert, update, delete, "
                    "truncate: the others are never "
                    "seen. ALTER PUBLICATION \"%s\" SET (publish = 'insert, update, "
                    "delete, truncate');",
                    check->settings->publication, check->settings->publication);
        if (is_true(r, 0, 2))
            cdc_log(check->log, CDC_LOG_INFO,
                    "publish_via_partition_root: changes carry the partitioned table's "
                    "name; TRUNCATE of a single "
                    "partition, ATTACH and DETACH are not seen");
    }
    PQclear(r);
    return exists;
}

/* Kind, persistence, identity and publication of every user table, foreign table and
 * materialized view. */
#define TABLES_SQL                                                                                                     \
    "WITH p AS MATERIALIZED (SELECT c.oid FROM pg_publication_tables t "                                               \
    "JOIN pg_namespace n ON n.nspname = t.schemaname "                                                                 \
    "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename WHERE "                                     \
    "t.pubname = $1) "                                                                                                 \
    "SELECT n.nspname, c.relname, c.relkind, c.relpersistence, "                                                       \
    "c.relkind = 'p' OR c.relreplident IN ('f', 'i') OR (c.relreplident = 'd' AND "                                    \
    "EXISTS (SELECT 1 "                                                                                                \
    "FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)), "                                                  \
    "c.relkind = 'p' OR c.oid IN (SELECT oid FROM p) OR EXISTS (SELECT 1 "                                             \
    "FROM pg_partition_ancestors(c.oid) a WHERE a.relid IN (SELECT oid FROM p)), "                                     \
    "coalesce((SELECT pubviaroot FROM pg_publication WHERE pubname = $1), true), "                                     \
    "rn.nspname, r.relname "                                                                                           \
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "                                                   \
    "LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid) "                                   \
    "LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace "                                                            \
    "WHERE c.relkind IN ('r', 'p', 'f', 'm') AND n.nspname !~ '^pg_' "                                                 \
    "AND n.nspname <> 'information_schema' ORDER BY 1, 2"
enum { C_SCHEMA, C_TABLE, C_KIND, C_PERSISTENCE, C_IDENTITY, C_PUBLISHED, C_VIA_ROOT, C_ROOT_SCHEMA, C_ROOT };

static bool selected(const struct check *check, const char *schema, const char *table)
{
    return cdc_selection_has_table(&check->settings->selection, schema, table);
}

/* A partition is judged by the name under which its changes come. */
static void check_partition(struct check *check, const PGresult *r, int row)
{
    const char *schema[2] = {PQgetvalue(r, row, C_SCHEMA), PQgetvalue(r, row, C_ROOT_SCHEMA)};
    const char *name[2] = {PQgetvalue(r, row, C_TABLE), PQgetvalue(r, row, C_ROOT)};
    int as = is_true(r, row, C_VIA_ROOT);
    if (!is_true(r, row, C_PUBLISHED) || selected(check, schema[as], name[as]) ||
        !selected(check, schema[!as], name[!as]))
        return;
    check->problems++;
    cdc_log(check->log, CDC_LOG_ERROR,
            "changes of \"%s\".\"%s\" come under the name \"%s\".\"%s\", which is not "
            "selected: select it, or ALTER "
            "PUBLICATION \"%s\" SET (publish_via_partition_root = %s);",
            schema[0], name[0], schema[as], name[as], check->settings->publication, as ? "false" : "true");
}

/* One selected table; true when there is something to say. */
static bool check_table(struct check *check, const PGresult *r, int row, bool publication)
{
    const char *schema = PQgetvalue(r, row, C_SCHEMA), *table = PQgetvalue(r, row, C_TABLE);
    char kind = PQgetvalue(r, row, C_KIND)[0], persistence = PQgetvalue(r, row, C_PERSISTENCE)[0];
    if (kind == 'f' || kind == 'm' || persistence == 'u') {
        cdc_log(check->log, CDC_LOG_WARNING, "\"%s\".\"%s\" is %s: its changes are not in the log and never seen",
                schema, table,
                kind == 'f'   ? "a foreign table"
                : kind == 'm' ? "a materialized view"
                              : "unlogged");
        return true;
    }
    if (persistence != 'p')
        return false;
    if (publication && !is_true(r, row, C_PUBLISHED)) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR,
                "\"%s\".\"%s\" is not in the publication: ALTER PUBLICATION \"%s\" ADD "
                "TABLE \"%s\".\"%s\";",
                schema, table, check->settings->publication, schema, table);
        return true;
    }
    if (!is_true(r, row, C_IDENTITY)) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR,
                "\"%s\".\"%s\" has no primary key and no replica identity: once "
                "published the server refuses UPDATE and "
                "DELETE on it. Give it a primary key, or ALTER TABLE \"%s\".\"%s\" "
                "REPLICA IDENTITY FULL;",
                schema, table, schema, table);
        return true;
    }
    return false;
}

static void check_tables(struct check *check, bool publication)
{
    PGresult *r = ask(check, TABLES_SQL, 1, &check->settings->publication);
    if (!r)
        return;
    int n = 0, named = 0;
    for (int i = 0; i < PQntuples(r) && named < MAX_TABLES_NAMED; i++) {
        if (publication && !PQgetisnull(r, i, C_ROOT))
            check_partition(check, r, i);
        if (!selected(check, PQgetvalue(r, i, C_SCHEMA), PQgetvalue(r, i, C_TABLE)))
            continue;
        n++;
        named += check_table(check, r, i, publication);
    }
    PQclear(r);
    if (named >= MAX_TABLES_NAMED)
        cdc_log(check->log, CDC_LOG_WARNING, "more than %d findings on tables: the rest is left out", MAX_TABLES_NAMED);
    if (n == 0) {
        check->problems++;
        cdc_log(check->log, CDC_LOG_ERROR, "no table is selected: mend -t and -T, or create the tables first");
    } else {
        cdc_log(check->log, CDC_LOG_INFO, "%s%d tables selected, %d with findings", named ? "" : "ok: ", n, named);
    }
}

int pg_check(const struct pg_settings *settings, const struct cdc_log *log, struct cdc_error *error)
{
    struct pg_settings resolved = *settings;
    struct check check = {.settings = &resolved, .log = log};
    check.sql = pg_connect(settings, false, error);
    if (!check.sql)
        return -1;
    int result = pg_settings_resolve(check.sql, &resolved, error);
    if (result == 0) {
        check_settings(&check);
        check_walsender(&check);
        check_slot(&check);
        check_tables(&check, check_publication(&check));
    }
    PQfinish(check.sql);
    if (resolved.name != settings->name)
        free((void *)resolved.name);
    if (resolved.slot != settings->slot)
        free((void *)resolved.slot);
    if (resolved.publication != settings->publication)
        free((void *)resolved.publication);
    if (result < 0)
        return -1;
    if (check.problems == 0)
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "%d finding%s would stop the pipe or lose rows", check.problems,
                         check.problems == 1 ? "" : "s");
}
