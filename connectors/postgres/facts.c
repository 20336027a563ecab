/* SPDX-License-Identifier: MIT */
/* The facts of --check: each question names the members that its answer becomes. What a release does not have yet is NULL, by way
 * of to_jsonb. */
#include "connectors/postgres/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/database_name.h"
#include "connectors/postgres/session/identity.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOOL_OID = 16, INT8_OID = 20, INT4_OID = 23, JSON_OID = 114 };
static const char what[] = "cannot ask for the facts";

/* database: an empty text is the name of the one that we are in, which the server may not be able to convert (database_name.h). */
static void take_value(struct cdc_findings *report, PGconn *sql, const PGresult *result, int row, int column)
{
    const char *name = PQfname(result, column), *value = PQgetvalue(result, row, column);
    struct cdc_error ignored = {0};
    if (PQgetisnull(result, row, column))
        cdc_findings_text(report, name, NULL);
    else if (PQftype(result, column) == BOOL_OID)
        cdc_findings_flag(report, name, *value == 't');
    else if (PQftype(result, column) == INT8_OID || PQftype(result, column) == INT4_OID)
        cdc_findings_number(report, name, strtoll(value, NULL, 10));
    else if (PQftype(result, column) == JSON_OID && cdc_json_validate(value, strlen(value), &ignored) == 0)
        cdc_findings_json(report, name, cdc_span_text(value));
    else
        cdc_findings_text(report, name, !*value && strcmp(name, "database") == 0 ? pg_database_name(sql) : value);
}

static PGresult *ask(struct cdc_findings *report, PGconn *sql, const char *text, const char *value)
{
    struct cdc_error error = {0};
    PGresult *result = pg_query_rows(sql, text, value ? 1 : 0, &value, what, &error);
    if (!result)
        cdc_findings_add(report, CDC_LOG_WARNING, "facts", NULL, error.text, error.hint);
    return result;
}

/* One row becomes members of the open object. False where there is none. */
static bool take_facts(struct cdc_findings *report, PGconn *sql, const char *text, const char *value)
{
    PGresult *result = ask(report, sql, text, value);
    bool found = result && PQntuples(result) > 0;
    if (found)
        for (int column = 0; column < PQnfields(result); column++)
            take_value(report, sql, result, 0, column);
    PQclear(result);
    return found;
}

/* -- the server -- */

#define END_LSN "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
static const char server_sql[] =
    "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int4 AS version_num, "
    "CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS role, '' AS database, "
    "session_user::text AS user, (" END_LSN ")::text AS lsn";
static const char settings_sql[] =
    "SELECT current_setting('wal_level') AS wal_level, current_setting('max_replication_slots')::int4 AS "
    "max_replication_slots, current_setting('max_replication_slots')::int4 - (SELECT count(*) FROM "
    "pg_replication_slots)::int4 AS replication_slots_free, current_setting('max_wal_senders')::int4 AS "
    "max_wal_senders, current_setting('max_wal_senders')::int4 - (SELECT count(*) FROM pg_stat_replication WHERE pid "
    "IS DISTINCT FROM $1::int4)::int4 AS "
    "wal_senders_free, current_setting('max_slot_wal_keep_size') AS max_slot_wal_keep_size, "
    "current_setting('idle_replication_slot_timeout', true) AS idle_replication_slot_timeout, "
    "current_setting('wal_sender_timeout') AS wal_sender_timeout, current_setting('logical_decoding_work_mem') AS "
    "logical_decoding_work_mem, current_setting('synchronous_standby_names') AS synchronous_standby_names";

static void take_identity(struct cdc_findings *report, PGconn *replication, const struct pg_settings *settings)
{
    struct pg_identity identity;
    struct cdc_error ignored = {0}; /* a finding already */
    bool known = replication && pg_identity_read(replication, settings->slot, &identity, &ignored) == 0;
    cdc_findings_text(report, "system_id", known ? identity.system_identifier : NULL);
    if (known)
        cdc_findings_number(report, "timeline", identity.timeline);
    else
        cdc_findings_text(report, "timeline", NULL);
}

/* -- the slot -- */

/* What came with later releases is taken from the row as JSON, where it is NULL in older ones. */
static const char slot_sql[] =
    "SELECT true AS exists, plugin::text AS plugin, slot_type AS type, "
    "CASE WHEN database = current_database() THEN '' ELSE database::text END AS database, "
    "temporary, active, active_pid, wal_status, restart_lsn::text AS restart_lsn, "
    "confirmed_flush_lsn::text AS confirmed_flush_lsn, "
    "pg_wal_lsn_diff(" END_LSN ", restart_lsn)::int8 AS wal_kept_bytes, safe_wal_size AS safe_wal_bytes, two_phase, "
    "(to_jsonb(s) ->> 'failover')::bool AS failover, (to_jsonb(s) ->> 'synced')::bool AS synced, "
    "(to_jsonb(s) ->> 'conflicting')::bool AS conflicting, (to_jsonb(s) ->> 'invalidation_reason') AS "
    "invalidation_reason, (to_jsonb(s) ->> 'inactive_since') AS inactive_since "
    "FROM pg_replication_slots s WHERE slot_name = $1";

static void take_slot(struct cdc_findings *report, PGconn *sql, const struct pg_settings *settings)
{
    cdc_findings_object(report, "slot");
    cdc_findings_text(report, "name", settings->slot);
    if (!take_facts(report, sql, slot_sql, settings->slot))
        cdc_findings_flag(report, "exists", false);
}

/* By the clock that the position has its time from: the server's. That of a heartbeat is ours, which may be ahead. */
static void take_lag_seconds(struct cdc_findings *report, PGconn *sql, const char *source)
{
    static const char seconds_sql[] = "SELECT greatest(floor(extract(epoch FROM clock_timestamp()) - $1::int8 / "
                                      "1000.0), 0)::int8 AS lag_seconds";
    int64_t ms = 0;
    char text[24];
    bool known = source && cdc_json_int64(cdc_json_member(cdc_span_text(source), "ts_ms"), &ms) && ms > 0;
    snprintf(text, sizeof text, "%" PRId64, ms);
    if (!known || !take_facts(report, sql, seconds_sql, text))
        cdc_findings_text(report, "lag_seconds", NULL);
}

/* From the position that the pipeline keeps, else from where the slot stands. In seconds it is the age of that position's
 * transaction: it may be more than what waits, and is never less. */
static void take_lag(struct cdc_findings *report, PGconn *sql, const struct pg_check_known *known,
                     const struct pg_settings *settings)
{
    static const char lag_sql[] =
        "SELECT $1::pg_lsn::text AS lsn, pg_wal_lsn_diff(" END_LSN ", $1::pg_lsn)::int8 AS lag_bytes";
    static const char slot_lag_sql[] =
        "SELECT confirmed_flush_lsn::text AS lsn, pg_wal_lsn_diff(" END_LSN
        ", confirmed_flush_lsn)::int8 AS lag_bytes FROM pg_replication_slots WHERE slot_name = $1";
    const struct cdc_offset *from = &known->start.from;
    char text[24];
    uint64_t lsn;
    bool kept = from->pos && pg_pos_restart_lsn(from->pos, &lsn);
    cdc_findings_object(report, "lag");
    cdc_findings_text(report, "pos", kept ? from->pos : NULL);
    if (kept)
        pg_lsn_format(text, lsn);
    if (!take_facts(report, sql, kept ? lag_sql : slot_lag_sql, kept ? text : settings->slot)) {
        cdc_findings_text(report, "lsn", NULL);
        cdc_findings_text(report, "lag_bytes", NULL);
    }
    take_lag_seconds(report, sql, kept ? from->source : NULL);
}

/* -- the publication -- */

static const char publication_sql[] =
    "SELECT true AS exists, puballtables AS all_tables, pubviaroot AS via_root, pubinsert AS insert, pubupdate AS "
    "update, pubdelete AS delete, pubtruncate AS truncate, to_jsonb(p) ->> 'pubgencols' AS generated_columns FROM "
    "pg_publication p WHERE pubname = $1";

void pg_facts_server(struct cdc_findings *report, PGconn *sql, PGconn *replication, const struct pg_settings *settings,
                     const struct pg_check_known *known)
{
    char ours[16]; /* a walsender that is gone after the check */
    cdc_findings_object(report, "server");
    (void)take_facts(report, sql, server_sql, NULL);
    take_identity(report, replication, settings);
    cdc_findings_object(report, "settings");
    snprintf(ours, sizeof ours, "%d", replication ? PQbackendPID(replication) : 0);
    (void)take_facts(report, sql, settings_sql, ours);
    take_slot(report, sql, settings);
    take_lag(report, sql, known, settings);
    cdc_findings_object(report, "publication");
    cdc_findings_text(report, "name", settings->publication);
    if (!take_facts(report, sql, publication_sql, settings->publication))
        cdc_findings_flag(report, "exists", false);
}

/* -- tables -- */

/* Of the index that is the replica identity, or the primary key. */
static const char keys_sql[] =
    "SELECT c.oid::text::int8 AS oid, json_agg(a.attname ORDER BY array_position(x.indkey::int2[], a.attnum)) AS key "
    "FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN x.indisreplident ELSE "
    "x.indisprimary END JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey::int2[]) WHERE c.oid = "
    "ANY ($1::oid[]) GROUP BY c.oid ORDER BY c.oid::text::int8";

static PGresult *ask_keys(struct cdc_findings *report, PGconn *sql, const struct pg_catalog *catalog,
                          const struct pg_settings *settings)
{
    struct cdc_buf oids = CDC_BUF_INIT;
    cdc_buf_byte(&oids, '{');
    for (size_t i = 0; i < catalog->n; i++)
        if (pg_catalog_is_meant(&catalog->tables[i], settings))
            cdc_buf_printf(&oids, "%s%lu", oids.len > 1 ? "," : "", (unsigned long)catalog->tables[i].oid);
    cdc_buf_append(&oids, "}", 2);
    PGresult *result = oids.failed ? NULL : ask(report, sql, keys_sql, oids.data);
    cdc_buf_free(&oids);
    return result;
}

/* Both go by oid in the answer; tables do not. */
static struct cdc_span key_of(const PGresult *keys, uint32_t oid)
{
    int low = 0, high = keys ? PQntuples(keys) : 0;
    while (low < high) {
        int middle = low + (high - low) / 2;
        uint32_t at = (uint32_t)strtoul(PQgetvalue(keys, middle, 0), NULL, 10);
        if (at == oid)
            return cdc_span_text(PQgetvalue(keys, middle, 1));
        if (at < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct cdc_span){NULL, 0};
}

static const char *kind_of(const struct pg_catalog_table *table)
{
    switch (table->kind) {
    case 'p': return "partitioned";
    case 'f': return "foreign";
    case 'm': return "materialized view";
    default: return table->persistence == 'u' ? "unlogged" : table->root ? "partition" : "table";
    }
}

static const char *identity_of(const struct pg_catalog_table *table)
{
    switch (table->key.replica_identity) {
    case 'f': return "full";
    case 'i': return "index";
    case 'n': return "nothing";
    default: return "default";
    }
}

static const char *problem_of(const struct pg_catalog_table *table)
{
    if (table->persistence == 'p' && (table->kind == 'r' || table->kind == 'p') && !pg_key_allows_changes(&table->key))
        return pg_key_refusal(&table->key);
    return table->hole ? table->hole : table->unlike ? table->unlike : NULL;
}

static void take_table(struct cdc_findings *report, const struct pg_catalog_table *table, struct cdc_span key)
{
    struct cdc_error ignored = {0};
    cdc_findings_row(report, "tables");
    cdc_findings_text(report, "schema", table->schema);
    cdc_findings_text(report, "table", table->name);
    cdc_findings_text(report, "kind", kind_of(table));
    cdc_findings_flag(report, "published", table->published);
    cdc_findings_text(report, "comes_as", table->under_root ? table->root : table->published ? table->name : NULL);
    cdc_findings_text(report, "replica_identity", identity_of(table));
    if (key.p && cdc_json_validate(key.p, key.n, &ignored) == 0)
        cdc_findings_json(report, "key", key);
    else
        cdc_findings_text(report, "key", NULL);
    cdc_findings_text(report, "columns", table->lists_columns ? table->columns : NULL);
    cdc_findings_text(report, "filter", table->filter);
    cdc_findings_flag(report, "readable", table->readable && !table->hidden);
    cdc_findings_text(report, "problem", problem_of(table));
}

void pg_facts_tables(struct cdc_findings *report, PGconn *sql, const struct pg_catalog *catalog,
                     const struct pg_settings *settings)
{
    if (!report)
        return;
    PGresult *keys = ask_keys(report, sql, catalog, settings);
    for (size_t i = 0; i < catalog->n; i++)
        if (pg_catalog_is_meant(&catalog->tables[i], settings))
            take_table(report, &catalog->tables[i], key_of(keys, catalog->tables[i].oid));
    PQclear(keys);
}
