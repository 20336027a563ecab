/* SPDX-License-Identifier: MIT */
/* What a position belongs to: the system, its slot, its publication. */
#include "connectors/postgres/postgres.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Marks publications that we made, so that --drop removes no other. */
#define PUBLICATION_COMMENT "made by pg-cdc"

static PGresult *query(PGconn *sql, const char *text, int n, const char *const *values, const char *what,
                       struct cdc_error *error)
{
    PGresult *result = PQexecParams(sql, text, n, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    pg_result_error(sql, result, what, error);
    PQclear(result);
    return NULL;
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);
    if (n >= size)
        n = size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

static bool is_true(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column)[0] == 't';
}

/* -- identity -- */

int pg_identify(PGconn *replication, struct pg_identity *identity, struct cdc_error *error)
{
    PGresult *result = PQexec(replication, "IDENTIFY_SYSTEM");
    int status = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQnfields(result) < 4) {
        status = pg_result_error(replication, result, "cannot identify the server", error);
    } else {
        copy_text(identity->system_identifier, sizeof identity->system_identifier, PQgetvalue(result, 0, 0));
        identity->timeline = (int32_t)strtol(PQgetvalue(result, 0, 1), NULL, 10);
        copy_text(identity->database, sizeof identity->database, PQgetvalue(result, 0, 3));
    }
    PQclear(result);
    return status;
}

void pg_identity_json(struct cdc_buf *out, const struct pg_identity *identity)
{
    cdc_buf_lit(out, "{\"system_identifier\":");
    cdc_json_append_string(out, identity->system_identifier, strlen(identity->system_identifier));
    cdc_buf_lit(out, ",\"timeline\":");
    cdc_buf_i64(out, identity->timeline);
    cdc_buf_lit(out, ",\"database\":");
    cdc_json_append_text(out, identity->database, strlen(identity->database));
    cdc_buf_lit(out, ",\"slot\":");
    cdc_json_append_text(out, identity->slot, strlen(identity->slot));
    cdc_buf_byte(out, '}');
}

static int hint_lost(struct cdc_error *error)
{
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (run pg-cdc --drop, remove the "
                                 "offset files of the pipeline, and begin with cdc-snapshot)");
}

/* Where the server's history left timeline `old`: 1 and *lsn; 0 when it never was on it.
 */
static int find_switch(const char *history, int64_t old, uint64_t *lsn)
{
    while (*history) {
        char text[32];
        long timeline;
        if (sscanf(history, "%ld %31s", &timeline, text) == 2 && timeline == old)
            return pg_lsn_parse(text, lsn) ? 1 : 0;
        history += strcspn(history, "\n");
        history += *history == '\n';
    }
    return 0;
}

/* The server moved on to another timeline: the position is still in its log when it lies
 * before the fork. */
static int check_timeline(PGconn *replication, int32_t current, int64_t old, uint64_t lsn, struct cdc_error *error)
{
    char command[64], position[24];
    pg_lsn_format(position, lsn);
    if (old > current) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "the position %s belongs to timeline %lld, the server is on "
                      "timeline %ld: it was set back",
                      position, (long long)old, (long)current);
        return hint_lost(error);
    }
    snprintf(command, sizeof command, "TIMELINE_HISTORY %ld", (long)current);
    PGresult *result = PQexec(replication, command);
    uint64_t fork = 0;
    int status = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQnfields(result) != 2) {
        status = pg_result_error(replication, result, "cannot read the timeline's history", error);
    } else if (!find_switch(PQgetvalue(result, 0, 1), old, &fork) || lsn > fork) {
        cdc_error_set(error, CDC_EXIT_LOST, "the server's timeline %ld left timeline %lld before the position %s",
                      (long)current, (long long)old, position);
        status = hint_lost(error);
    }
    PQclear(result);
    return status;
}

int pg_identity_check(PGconn *replication, const struct pg_identity *identity, const char *state, uint64_t lsn,
                      struct cdc_error *error)
{
    struct cdc_span object = cdc_span_text(state);
    if (!state || cdc_json_type(object) != CDC_JSON_OBJECT)
        return 0;
    struct cdc_span system = cdc_json_string_raw(cdc_json_member(object, "system_identifier"));
    int64_t timeline = 0;
    if (!system.p)
        return 0; /* an ack file alone: the slot's position is what is checked */
    if (!cdc_json_raw_is(system, cdc_span_text(identity->system_identifier))) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "the position belongs to another server (system identifier %.*s, "
                      "this one is %s)",
                      (int)system.n, system.p, identity->system_identifier);
        return hint_lost(error);
    }
    if (!cdc_json_int64(cdc_json_member(object, "timeline"), &timeline) || timeline == identity->timeline)
        return 0;
    return check_timeline(replication, identity->timeline, timeline, lsn, error);
}

/* -- settings -- */

/* Slot names hold lower-case letters, digits and _ only. RETURNS NEW */
static char *default_slot(const char *name, bool temporary)
{
    char text[64];
    int n = temporary ? snprintf(text, sizeof text, "cdc_%.40s_%ld", name, (long)getpid())
                      : snprintf(text, sizeof text, "cdc_%s", name);
    if (n >= (int)sizeof text)
        n = (int)sizeof text - 1;
    for (int i = 0; i < n; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
        else if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9')))
            text[i] = '_';
    }
    return strdup(text);
}

static int publication_exists(PGconn *sql, const char *name, bool *exists, struct cdc_error *error)
{
    PGresult *result = query(sql, "SELECT 1 FROM pg_publication WHERE pubname = $1", 1, &name,
                             "cannot look for the publication", error);
    if (!result)
        return -1;
    *exists = PQntuples(result) > 0;
    PQclear(result);
    return 0;
}

static int check_slot_name(const char *slot, struct cdc_error *error)
{
    size_t n = strlen(slot);
    if (n > 0 && n < 64 && strspn(slot, "abcdefghijklmnopqrstuvwxyz0123456789_") == n)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "'%.64s' is no name for a slot", slot);
    return cdc_error_hint(error, "up to 63 lower-case letters, digits and underscores");
}

int pg_settings_resolve(PGconn *sql, struct pg_settings *settings, struct cdc_error *error)
{
    if (!settings->name) {
        settings->name = strdup(PQdb(sql));
        if (!settings->name)
            return cdc_error_memory(error);
    }
    char *slot = default_slot(settings->name, false);
    if (!slot)
        return cdc_error_memory(error);
    bool exists = true;
    if (!settings->publication) {
        if (settings->temporary && publication_exists(sql, slot, &exists, error) < 0) {
            free(slot);
            return -1;
        }
        /* A look leaves nothing behind: a publication of its own unless there is one. */
        settings->publication = exists ? strdup(slot) : default_slot(settings->name, true);
    }
    if (!settings->slot)
        settings->slot = settings->temporary ? default_slot(settings->name, true) : strdup(slot);
    free(slot);
    if (!settings->slot || !settings->publication)
        return cdc_error_memory(error);
    if (strlen(settings->publication) > 63)
        return cdc_error_set(error, CDC_EXIT_USAGE, "the name of the publication is longer than 63 bytes");
    return check_slot_name(settings->slot, error);
}

/* -- slot -- */

static int check_slot_kind(const PGresult *result, const char *slot, PGconn *sql, struct cdc_error *error)
{
    const char *plugin = PQgetvalue(result, 0, 0), *database = PQgetvalue(result, 0, 1);
    if (strcmp(plugin, "pgoutput") != 0)
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" is %s%s, not of pgoutput", slot,
                      *plugin ? "of " : "a physical one", plugin);
    else if (strcmp(database, PQdb(sql)) != 0)
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" belongs to database \"%s\", not to \"%s\"", slot, database,
                      PQdb(sql));
    else if (is_true(result, 0, 7))
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" is a two-phase one: it delivers before the commit", slot);
    else
        return 0;
    return cdc_error_hint(error, "choose another name with --slot or --name");
}

int pg_slot_read(PGconn *sql, const char *slot, struct pg_slot *slot_state, struct cdc_error *error)
{
    memset(slot_state, 0, sizeof *slot_state);
    bool v17 = PQserverVersion(sql) >= 170000;
    PGresult *result = query(sql,
                             v17 ? "SELECT plugin, database, active, active_pid, "
                                   "confirmed_flush_lsn, restart_lsn, "
                                   "coalesce(wal_status = 'lost' OR invalidation_reason "
                                   "IS NOT NULL, false), two_phase "
                                   "FROM pg_replication_slots WHERE slot_name = $1"
                                 : "SELECT plugin, database, active, active_pid, "
                                   "confirmed_flush_lsn, restart_lsn, "
                                   "coalesce(wal_status = 'lost', false), two_phase "
                                   "FROM pg_replication_slots WHERE slot_name = $1",
                             1, &slot, "cannot look at the slot", error);
    if (!result)
        return -1;
    int status = 0;
    if (PQntuples(result) == 1) {
        slot_state->exists = true;
        slot_state->active = is_true(result, 0, 2);
        slot_state->active_pid = atoi(PQgetvalue(result, 0, 3));
        pg_lsn_parse(PQgetvalue(result, 0, 4), &slot_state->confirmed_flush);
        pg_lsn_parse(PQgetvalue(result, 0, 5), &slot_state->restart_lsn);
        slot_state->lost = is_true(result, 0, 6);
        status = check_slot_kind(result, slot, sql, error);
    }
    PQclear(result);
    return status;
}

/* Says which transactions a new slot waits for. */
static void log_waiting(const struct pg_settings *settings)
{
    struct cdc_error ignored = {0};
    PGconn *sql = pg_connect(settings, false, &ignored);
    if (!sql)
        return;
    PGresult *result = PQexec(sql, "SELECT string_agg(format('pid %s (%s, %s, since %s)', pid, usename, state, "
                                   "date_trunc('second', now() - xact_start)), ', ') FROM (SELECT * FROM "
                                   "pg_stat_activity "
                                   "WHERE backend_xid IS NOT NULL ORDER BY xact_start LIMIT 3) a");
    if (PQresultStatus(result) == PGRES_TUPLES_OK && !PQgetisnull(result, 0, 0))
        cdc_log(settings->log, CDC_LOG_WARNING, "the new slot \"%s\" waits for older transactions to end: %s",
                settings->slot, PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(sql);
}

static void cancel(PGconn *connection)
{
    char ignored[256];
    PGcancel *handle = PQgetCancel(connection);
    if (handle)
        PQcancel(handle, ignored, sizeof ignored);
    PQfreeCancel(handle);
}

/* Creating a slot waits for every transaction that was running when it began, for ever
 * where one was forgotten: that is said, and a signal ends it. */
static int wait_result(PGconn *connection, const struct pg_settings *settings, struct cdc_error *error)
{
    const struct cdc_control *control = settings->control;
    int64_t begin = cdc_clock_ms(), next = begin + 5000;
    while (PQisBusy(connection)) {
        struct pollfd fds[2] = {{PQsocket(connection), POLLIN, 0}, {control ? control->wake_fd : -1, POLLIN, 0}};
        int n = poll(fds, 2, 1000);
        int64_t now = cdc_clock_ms();
        if ((control && control->stop) || now - begin > 600000) {
            cancel(connection);
            return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                                 "slot \"%s\" was not created: older transactions are still running", settings->slot);
        }
        if (n > 0 && fds[0].revents && !PQconsumeInput(connection))
            return pg_result_error(connection, NULL, "cannot create the slot", error);
        if (now >= next) {
            log_waiting(settings);
            next = now + 30000;
        }
    }
    return 0;
}

static int slot_create_error(PGconn *connection, const PGresult *result, const struct pg_settings *settings,
                             struct cdc_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    char what[128];
    snprintf(what, sizeof what, "cannot create slot \"%s\"", settings->slot);
    pg_result_error(connection, result, what, error);
    if (state && strcmp(state, "53400") == 0)
        cdc_error_hint(error, "drop slots that nobody needs, or raise max_replication_slots and restart "
                              "the server");
    return -1;
}

int pg_slot_create(PGconn *replication, const struct pg_settings *settings, uint64_t *consistent_point,
                   char snapshot[64], struct cdc_error *error)
{
    char command[256];
    snprintf(command, sizeof command, "CREATE_REPLICATION_SLOT \"%s\"%s LOGICAL pgoutput %s", settings->slot,
             settings->temporary ? " TEMPORARY" : "", snapshot ? "EXPORT_SNAPSHOT" : "NOEXPORT_SNAPSHOT");
    if (!PQsendQuery(replication, command))
        return pg_result_error(replication, NULL, "cannot create the slot", error);
    if (wait_result(replication, settings, error) < 0)
        return -1;
    PGresult *result = PQgetResult(replication);
    int status = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQnfields(result) < 3 ||
        !pg_lsn_parse(PQgetvalue(result, 0, 1), consistent_point))
        status = slot_create_error(replication, result, settings, error);
    else if (snapshot)
        copy_text(snapshot, 64, PQgetvalue(result, 0, 2));
    PQclear(result);
    while ((result = PQgetResult(replication)) != NULL)
        PQclear(result);
    return status;
}

/* -- publication -- */

/* Tables that can be matched, with the root of a partition and whether the publication
 * has them. */
#define TABLES_SQL                                                                                                     \
    "WITH p AS MATERIALIZED (SELECT c.oid FROM pg_publication_tables t "                                               \
    "JOIN pg_namespace n ON n.nspname = t.schemaname "                                                                 \
    "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename WHERE "                                     \
    "t.pubname = $1) "                                                                                                 \
    "SELECT n.nspname, c.relname, rn.nspname, r.relname, "                                                             \
    "c.oid IN (SELECT oid FROM p) OR EXISTS (SELECT 1 FROM "                                                           \
    "pg_partition_ancestors(c.oid) a "                                                                                 \
    "WHERE a.relid IN (SELECT oid FROM p)) OR c.relkind = 'p', "                                                       \
    "pg_has_role(c.relowner, 'USAGE'), "                                                                               \
    "c.relkind = 'p' OR c.relreplident IN ('f', 'i') OR (c.relreplident = 'd' AND "                                    \
    "EXISTS (SELECT 1 "                                                                                                \
    "FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)), "                                                  \
    "(SELECT pubviaroot FROM pg_publication WHERE pubname = $1) "                                                      \
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "                                                   \
    "LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid) "                                   \
    "LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace "                                                            \
    "WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' "                                \
    "AND n.nspname <> 'information_schema' ORDER BY 1, 2"
enum { T_SCHEMA, T_TABLE, T_ROOT_SCHEMA, T_ROOT, T_PUBLISHED, T_OWNED, T_IDENTITY, T_VIA_ROOT };

static bool selected(const struct pg_settings *settings, const char *schema, const char *table)
{
    return cdc_selection_has_table(&settings->selection, schema, table);
}

/* Is this row of TABLES_SQL meant, and not by way of the partitioned table above it? */
static bool row_selected(const PGresult *tables, int row, const struct pg_settings *settings)
{
    if (!selected(settings, PQgetvalue(tables, row, T_SCHEMA), PQgetvalue(tables, row, T_TABLE)))
        return false;
    return PQgetisnull(tables, row, T_ROOT) ||
           !selected(settings, PQgetvalue(tables, row, T_ROOT_SCHEMA), PQgetvalue(tables, row, T_ROOT));
}

static void append_identifier(struct cdc_buf *out, PGconn *sql, const char *name)
{
    char *quoted = PQescapeIdentifier(sql, name, strlen(name));
    if (quoted)
        cdc_buf_text(out, quoted);
    else
        out->failed = true;
    PQfreemem(quoted);
}

static void append_table(struct cdc_buf *out, PGconn *sql, const PGresult *tables, int row)
{
    append_identifier(out, sql, PQgetvalue(tables, row, T_SCHEMA));
    cdc_buf_byte(out, '.');
    append_identifier(out, sql, PQgetvalue(tables, row, T_TABLE));
}

/* An existing publication is never changed by us, but what it lacks is lost silently. */
static int warn_unpublished(PGconn *sql, const PGresult *tables, const struct pg_settings *settings,
                            const struct cdc_log *log, struct cdc_error *error)
{
    int missing = 0;
    struct cdc_buf list = CDC_BUF_INIT;
    for (int i = 0; i < PQntuples(tables); i++) {
        if (!row_selected(tables, i, settings) || is_true(tables, i, T_PUBLISHED))
            continue;
        if (missing++ < 20) {
            cdc_buf_text(&list, missing > 1 ? ", " : "");
            append_table(&list, sql, tables, i);
        }
    }
    if (missing > 0) {
        struct cdc_buf name = CDC_BUF_INIT;
        append_identifier(&name, sql, settings->publication);
        cdc_buf_byte(&name, '\0');
        cdc_buf_byte(&list, '\0');
        if (!name.failed && !list.failed)
            cdc_log(log, CDC_LOG_WARNING,
                    "%d selected table%s not in publication \"%s\": nothing of %s is seen. "
                    "ALTER PUBLICATION %s ADD TABLE %s%s;",
                    missing, missing == 1 ? " is" : "s are", settings->publication, missing == 1 ? "it" : "them",
                    name.data, list.data, missing > 20 ? ", ..." : "");
        bool failed = name.failed || list.failed;
        cdc_buf_free(&name);
        if (failed) {
            cdc_buf_free(&list);
            return cdc_error_memory(error);
        }
    }
    cdc_buf_free(&list);
    return 0;
}

/* Changes of a partition carry the name of its root or its own, as the publication says:
 * a pattern for the other one would silently see nothing. */
static void warn_partitions(const PGresult *tables, const struct pg_settings *settings, const struct cdc_log *log)
{
    for (int i = 0, n = 0; i < PQntuples(tables) && n < 20; i++) {
        if (PQgetisnull(tables, i, T_ROOT) || !is_true(tables, i, T_PUBLISHED))
            continue;
        const char *schema[2] = {PQgetvalue(tables, i, T_SCHEMA), PQgetvalue(tables, i, T_ROOT_SCHEMA)};
        const char *name[2] = {PQgetvalue(tables, i, T_TABLE), PQgetvalue(tables, i, T_ROOT)};
        int as = is_true(tables, i, T_VIA_ROOT);
        if (selected(settings, schema[as], name[as]) || !selected(settings, schema[!as], name[!as]))
            continue;
        n++;
        cdc_log(log, CDC_LOG_WARNING,
                "changes of partition \"%s\".\"%s\" come under the name \"%s\".\"%s\", "
                "which is not selected: they "
                "are not seen. Select that name, or ALTER PUBLICATION \"%s\" SET "
                "(publish_via_partition_root = %s);",
                schema[0], name[0], schema[as], name[as], settings->publication, as ? "false" : "true");
    }
}

/* Being published makes UPDATE and DELETE fail on tables that have no identity. */
static void warn_identity(const PGresult *tables, const struct pg_settings *settings, const struct cdc_log *log)
{
    for (int i = 0, n = 0; i < PQntuples(tables) && n < 20; i++) {
        if (is_true(tables, i, T_IDENTITY) || !row_selected(tables, i, settings))
            continue;
        n++;
        cdc_log(log, CDC_LOG_WARNING,
                "table \"%s\".\"%s\" has no primary key: now that it is published the "
                "server refuses UPDATE "
                "and DELETE on it. ALTER TABLE \"%s\".\"%s\" REPLICA IDENTITY FULL; or "
                "exclude it",
                PQgetvalue(tables, i, T_SCHEMA), PQgetvalue(tables, i, T_TABLE), PQgetvalue(tables, i, T_SCHEMA),
                PQgetvalue(tables, i, T_TABLE));
    }
}

/* The statement; *n is the number of tables, -1 for all. With publish_via_partition_root
 * changes carry the name that the user knows, and that -t matches. */
static void publication_statement(struct cdc_buf *out, PGconn *sql, const PGresult *tables,
                                  const struct pg_settings *settings, bool superuser, int *n)
{
    cdc_buf_lit(out, "CREATE PUBLICATION ");
    append_identifier(out, sql, settings->publication);
    bool all = settings->selection.include.count == 0 && superuser;
    *n = all ? -1 : 0;
    if (all)
        cdc_buf_lit(out, " FOR ALL TABLES");
    for (int i = 0; !all && i < PQntuples(tables); i++) {
        if (!row_selected(tables, i, settings) ||
            (settings->selection.include.count == 0 && !is_true(tables, i, T_OWNED)))
            continue;
        cdc_buf_text(out, (*n)++ == 0 ? " FOR TABLE " : ", ");
        append_table(out, sql, tables, i);
    }
    cdc_buf_lit(out, " WITH (publish_via_partition_root = true)");
}

static int publication_create(PGconn *sql, const PGresult *tables, const struct pg_settings *settings,
                              const struct cdc_log *log, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    const char *superuser = PQparameterStatus(sql, "is_superuser");
    int n, status = 0;
    cdc_buf_lit(&text, "BEGIN; ");
    publication_statement(&text, sql, tables, settings, superuser && strcmp(superuser, "on") == 0, &n);
    cdc_buf_lit(&text, "; COMMENT ON PUBLICATION ");
    append_identifier(&text, sql, settings->publication);
    cdc_buf_lit(&text, " IS '" PUBLICATION_COMMENT "'; COMMIT");
    cdc_buf_byte(&text, '\0');
    if (text.failed) {
        status = cdc_error_memory(error);
    } else if (n == 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "no table to publish: %s",
                      settings->selection.include.count ? "none matches -t" : "this role owns none");
        status = cdc_error_hint(error, "create the tables first, or mend the patterns (schema.table)");
    } else {
        PGresult *result = PQexec(sql, text.data);
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            status = pg_result_error(sql, result, "cannot create the publication", error);
            cdc_error_hint(error,
                           "let the tables' owner (with CREATE on the database) or a "
                           "superuser create "
                           "publication \"%s\"",
                           settings->publication);
            PQclear(PQexec(sql, "ROLLBACK"));
        } else if (n < 0) {
            cdc_log(log, CDC_LOG_INFO, "created publication \"%s\" for all tables", settings->publication);
        } else {
            cdc_log(log, CDC_LOG_INFO, "created publication \"%s\" for %d table%s", settings->publication, n,
                    n == 1 ? "" : "s");
        }
        PQclear(result);
    }
    cdc_buf_free(&text);
    if (status == 0)
        warn_identity(tables, settings, log);
    return status;
}

int pg_publication_ensure(PGconn *sql, const struct pg_settings *settings, const struct cdc_log *log,
                          struct cdc_error *error)
{
    bool exists;
    if (publication_exists(sql, settings->publication, &exists, error) < 0)
        return -1;
    if (!exists && settings->no_create) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "publication \"%s\" does not exist", settings->publication);
        return cdc_error_hint(error, "CREATE PUBLICATION \"%s\" FOR TABLE ...; or run without --no-create",
                              settings->publication);
    }
    PGresult *tables = query(sql, TABLES_SQL, 1, &settings->publication, "cannot list the tables", error);
    if (!tables)
        return -1;
    int status = 0;
    if (!exists)
        status = publication_create(sql, tables, settings, log, error);
    else if (settings->selection.include.count > 0)
        status = warn_unpublished(sql, tables, settings, log, error);
    if (exists)
        warn_partitions(tables, settings, log);
    PQclear(tables);
    return status;
}

/* -- drop -- */

static int drop_slot(PGconn *sql, const struct pg_settings *settings, const struct cdc_log *log,
                     struct cdc_error *error)
{
    struct pg_slot slot;
    if (pg_slot_read(sql, settings->slot, &slot, error) < 0)
        return -1;
    if (!slot.exists) {
        cdc_log(log, CDC_LOG_INFO, "slot \"%s\" does not exist", settings->slot);
        return 0;
    }
    if (slot.active) {
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "slot \"%s\" is in use by pid %d of the server", settings->slot,
                      slot.active_pid);
        return cdc_error_hint(error, "stop the pg-cdc that reads it first");
    }
    PGresult *result =
        query(sql, "SELECT pg_drop_replication_slot($1)", 1, &settings->slot, "cannot drop the slot", error);
    if (!result)
        return -1;
    PQclear(result);
    cdc_log(log, CDC_LOG_INFO, "dropped slot \"%s\"", settings->slot);
    return 0;
}

int pg_publication_drop(PGconn *sql, const struct pg_settings *settings, const struct cdc_log *log,
                        struct cdc_error *error)
{
    PGresult *result = query(sql,
                             "SELECT coalesce(obj_description(oid, 'pg_publication'), '') "
                             "FROM pg_publication WHERE pubname = $1",
                             1, &settings->publication, "cannot look for the publication", error);
    if (!result)
        return -1;
    bool exists = PQntuples(result) > 0;
    bool ours = exists && strcmp(PQgetvalue(result, 0, 0), PUBLICATION_COMMENT) == 0;
    PQclear(result);
    if (!ours) {
        cdc_log(log, CDC_LOG_INFO,
                exists ? "publication \"%s\" was not made by pg-cdc: it stays" : "publication \"%s\" does not exist",
                settings->publication);
        return 0;
    }
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "DROP PUBLICATION ");
    append_identifier(&text, sql, settings->publication);
    cdc_buf_byte(&text, '\0');
    result = text.failed ? NULL : query(sql, text.data, 0, NULL, "cannot drop the publication", error);
    if (text.failed)
        cdc_error_memory(error);
    cdc_buf_free(&text);
    if (!result)
        return -1;
    PQclear(result);
    cdc_log(log, CDC_LOG_INFO, "dropped publication \"%s\"", settings->publication);
    return 0;
}

int pg_drop(PGconn *sql, const struct pg_settings *settings, const struct cdc_log *log, struct cdc_error *error)
{
    if (drop_slot(sql, settings, log, error) < 0)
        return -1;
    return pg_publication_drop(sql, settings, log, error);
}
