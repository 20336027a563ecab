/* SPDX-License-Identifier: MIT */
/* --check: what would make the pipe stop or lose rows, each finding with its cure. --drop: its end. */
#include "connectors/postgres/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/schema/columns.h"
#include "connectors/postgres/schema/gaps.h"
#include "connectors/postgres/schema/publication.h"
#include "connectors/postgres/schema/where.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/database_name.h"
#include "connectors/postgres/session/hosts.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/query.h"
#include "connectors/postgres/session/slot.h"
#include "connectors/postgres/stream/spool.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TABLES_NAMED 50
#define PATIENCE_MS 3000 /* with tables that somebody holds locked */

struct check {
    const struct pg_settings *settings;
    const struct cdc_log *log;
    PGconn *sql;
    PGconn *replication; /* NULL: refused */
    char *role;          /* whose rights on tables count */
    const struct pg_check_known *known;
    struct pg_slot slot;
    bool resumes;                /* a position is stored */
    struct cdc_findings *report; /* NULL: none */
    int gaps;
    int problems; /* that stop the pipe or lose rows */
    int status;   /* the exit status: that of the worst one */
};

/* The start would exit with that: what is lost (79) is worse than what is to be configured (78), and that than what
 * somebody may not do (77). */
static void find(struct check *check, int status)
{
    check->problems++;
    if (status > check->status)
        check->status = status;
}

/* What stands for the parts of a message that the table of findings cannot know. */
struct subject {
    const char *detail;                   /* %d */
    const struct pg_catalog_table *table; /* %t: "schema"."name" */
};

static void append_part(struct check *check, struct cdc_buf *out, char part, const struct subject *subject)
{
    switch (part) {
    case 'd': cdc_buf_text(out, subject->detail); return;
    case 'p': pg_query_identifier(out, check->settings->publication); return;
    case 's': pg_query_identifier(out, check->settings->slot); return;
    default: pg_query_table(out, subject->table->schema, subject->table->name);
    }
}

/* Of the text the part after the mark is the cure, without what joins the two. */
static const char *cure_of(const char *text, size_t at)
{
    return at > 0 ? text + at + strspn(text + at, ":;. ") : NULL;
}

static void report_finding(struct check *check, enum cdc_log_level level, const char *code, const char *table,
                           const char *text, size_t cure_at)
{
    const char *cure = cure_of(text, cure_at);
    char *what = cure ? strndup(text, cure_at) : NULL;
    if (strncmp(text, "ok: ", 4) != 0)
        cdc_findings_add(check->report, level, code, table, what ? what : text, cure);
    free(what);
}

/* text with %d detail, %t table, %p publication, %s slot, %| before what joins it to its cure. STOPS counts. */
enum weight { TELLS, WARNS, STOPS };
static void say(struct check *check, enum weight weight, const char *code, const char *text,
                const struct subject *subject)
{
    static const enum cdc_log_level levels[] = {CDC_LOG_INFO, CDC_LOG_WARNING, CDC_LOG_ERROR};
    struct cdc_buf out = CDC_BUF_INIT, table = CDC_BUF_INIT;
    size_t cure_at = 0;
    for (; *text; text++) {
        if (*text != '%')
            cdc_buf_byte(&out, *text);
        else if (*++text == '|')
            cure_at = out.len;
        else
            append_part(check, &out, *text, subject);
    }
    cdc_buf_byte(&out, '\0');
    if (subject && subject->table)
        cdc_buf_printf(&table, "%s.%s", subject->table->schema, subject->table->name);
    if (weight == STOPS)
        find(check, CDC_EXIT_CONFIG);
    cdc_log_write(check->log, levels[weight], "%s", out.failed ? "out of memory" : out.data);
    if (!out.failed)
        report_finding(check, levels[weight], code, table.len > 0 ? table.data : NULL, out.data, cure_at);
    cdc_buf_free(&out);
    cdc_buf_free(&table);
}

/* What could not be asked, or was answered with an error, is itself a finding. */
static void fail(struct check *check, const char *code, const char *what, const struct cdc_error *error)
{
    bool told =
        error->status == CDC_EXIT_TEMPORARY || (error->status >= CDC_EXIT_PERMISSION && error->status <= CDC_EXIT_LOST);
    find(check, told ? error->status : CDC_EXIT_CONFIG);
    cdc_log_write(check->log, CDC_LOG_ERROR, "%s%s%s%s", what, error->text, *error->hint ? "; " : "", error->hint);
    cdc_findings_add(check->report, CDC_LOG_ERROR, code, NULL, error->text, error->hint);
}

/* -- one row of facts, a finding each --------------------------------------------------- */

struct finding {
    const char *code;   /* cdc/findings.h */
    const char *good;   /* the column that must be true */
    const char *detail; /* the column that both texts speak of; NULL: none */
    enum weight weight;
    const char *text, *good_text; /* NULL: nothing to say */
};

static void judge(struct check *check, struct pg_answer *row, const struct finding *findings, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct finding *finding = &findings[i];
        struct subject subject = {finding->detail ? pg_answer_text(row, finding->detail) : "", NULL};
        bool good = pg_answer_true(row, finding->good);
        if (row->bad)
            return;
        if (!good)
            say(check, finding->weight, finding->code, finding->text, &subject);
        else if (finding->good_text)
            say(check, TELLS, finding->code, finding->good_text, &subject);
    }
}

/* Asks for the one row; false when there is none. */
static bool judge_row(struct check *check, const char *sql, const char *value, const struct finding *findings, size_t n)
{
    struct cdc_error error = {0};
    PGresult *result = pg_query_rows(check->sql, sql, 1, &value, "cannot check", &error);
    struct pg_answer row = {.result = result};
    bool found = result && PQntuples(result) > 0;
    if (found)
        judge(check, &row, findings, n);
    if (!result || pg_answer_good(&row, "cannot check", &error) < 0)
        fail(check, "server", "", &error);
    PQclear(result);
    return found;
}

static const char server_sql[] =
    "SELECT current_setting('wal_level') = 'logical' AS is_logical, current_setting('wal_level') AS wal_level, "
    "EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = $1) OR (SELECT count(*) FROM pg_replication_slots) < "
    "current_setting('max_replication_slots')::int AS has_slots, current_setting('max_replication_slots') AS slots, "
    "(SELECT count(*) FROM pg_stat_replication WHERE pid IS DISTINCT FROM (SELECT active_pid FROM pg_replication_slots "
    "WHERE slot_name = $1)) < current_setting('max_wal_senders')::int AS has_senders, "
    "current_setting('max_wal_senders') AS senders, coalesce((SELECT rolsuper OR rolreplication FROM pg_roles WHERE "
    "rolname "
    "= session_user), false) AS may_replicate, session_user AS role, "
    "current_setting('max_slot_wal_keep_size') = '-1' AS keeps_all, current_setting('max_slot_wal_keep_size') AS keeps";
static const struct finding server_findings[] = {
    {"wal_level", "is_logical", "wal_level", STOPS,
     "wal_level is %d%|: ALTER SYSTEM SET wal_level = logical; and restart the server", "ok: wal_level is %d"},
    {"max_replication_slots", "has_slots", "slots", STOPS,
     "all %d replication slots are taken%|: drop one, or raise max_replication_slots and restart the server", NULL},
    {"max_wal_senders", "has_senders", "senders", STOPS,
     "all %d WAL senders are taken%|: raise max_wal_senders and restart the server", NULL},
    {"replication_role", "may_replicate", "role", STOPS, "the role may not replicate%|: ALTER ROLE \"%d\" REPLICATION;",
     "ok: role may replicate: %d"},
    {"max_slot_wal_keep_size", "keeps_all", "keeps", WARNS,
     "max_slot_wal_keep_size is %d: a pipeline that lags more than that loses its slot",
     "max_slot_wal_keep_size is -1: a stopped pipeline keeps WAL until the disk is full%|; watch the slot, or set a "
     "limit "
     "(the slot is then lost when it is passed)"},
};

static const char publication_sql[] = "SELECT true AS exists, CASE WHEN puballtables THEN ' for all tables' ELSE '' "
                                      "END AS of, NOT pubviaroot AS by_leaf FROM pg_publication WHERE pubname = $1";
static const struct finding publication_findings[] = {
    {"publication", "exists", "of", STOPS, "", "ok: publication %p%d"},
    {"via_root", "by_leaf", NULL, TELLS,
     "publish_via_partition_root: changes carry the partitioned table's name; TRUNCATE of a single partition, ATTACH "
     "and "
     "DETACH are not seen",
     NULL},
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* -- connections, slot and publication --------------------------------------------------- */

/* A replication connection is another line of pg_hba.conf, or none. */
static void check_walsender(struct check *check)
{
    struct cdc_error error = {0};
    check->replication = pg_connect_walsender(check->settings, check->sql, &error);
    if (check->replication)
        say(check, TELLS, "replication_connection", "ok: replication connection", NULL);
    else
        fail(check, "replication_connection", "replication connection: ", &error);
}

static void check_spool(struct check *check)
{
    struct cdc_error error = {0};
    struct pg_spool *spool = check->settings->spool ? pg_spool_new(check->settings->spool, &error) : NULL;
    if (error.status != 0)
        fail(check, "spool", "", &error);
    pg_spool_free(spool);
}

/* What the start does with the position that the pipeline keeps. */
static bool check_position(struct check *check)
{
    struct cdc_error error = check->known->error;
    int status = error.status == 0 ? pg_stream_preflight(check->sql, check->replication, check->settings,
                                                         &check->known->start, check->known->acks, &check->slot, &error)
                                   : -1;
    if (status > 0)
        say(check, WARNS, "log",
            "publication %p may be younger than a part of the log that is not read yet, and that takes too long to be "
            "looked "
            "at here%|: should a start say that the publication does not exist, take a new snapshot",
            NULL);
    if (status >= 0)
        return true;
    fail(check, "position", "", &error);
    return false;
}

/* A standby that cannot be read from: what it lacks is not lost. */
static bool is_unfit_standby(const struct check *check)
{
    return pg_is_standby(check->sql) && (check->slot.exists ? check->slot.synced : check->resumes);
}

static void check_slot(struct check *check)
{
    struct cdc_error error = {0};
    char restart[24], confirmed[24];
    const struct pg_slot *slot = &check->slot;
    if (pg_slot_read(check->sql, check->settings->slot, &check->slot, &error) < 0) {
        fail(check, "slot", "", &error);
    } else if (check->known->error.status == 0 && is_unfit_standby(check)) {
        return; /* check_standby */
    } else if (!check_position(check)) {
        return;
    } else if (!slot->exists && check->settings->no_create) {
        say(check, STOPS, "slot", "slot %s does not exist, and --no-create forbids to make it%|: run once without",
            NULL);
    } else if (!slot->exists) {
        say(check, TELLS, "slot", "slot %s does not exist: the first start creates it", NULL);
    } else {
        pg_lsn_format(restart, slot->restart_lsn);
        pg_lsn_format(confirmed, slot->confirmed_flush);
        cdc_log_write(check->log, CDC_LOG_INFO, "ok: slot \"%s\" keeps WAL from %s, confirmed up to %s%s",
                      check->settings->slot, restart, confirmed, slot->active ? ", in use" : "");
    }
}

/* The first start makes the publication, which takes a right of its own, besides the tables'. */
static void check_may_create(struct check *check)
{
    static const char what[] = "cannot check the privileges";
    struct cdc_error error = {0};
    PGresult *result = pg_query_rows(
        check->sql, "SELECT has_database_privilege(current_database(), 'CREATE') AS may_create", 0, NULL, what, &error);
    struct pg_answer row = {.result = result};
    bool may = result && pg_answer_true(&row, "may_create");
    if (!result || pg_answer_good(&row, what, &error) < 0)
        fail(check, "publication", "", &error);
    else if (check->settings->no_create)
        say(check, STOPS, "publication",
            "publication %p does not exist, and --no-create forbids to make it%|: CREATE PUBLICATION %p FOR ...;",
            NULL);
    else if (!may) {
        cdc_error_set(&error, CDC_EXIT_PERMISSION, "role \"%s\" may not create publication \"%s\" in database \"%s\"",
                      check->role, check->settings->publication, pg_database_name(check->sql));
        cdc_error_hint(&error, "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; or let a superuser create it",
                       pg_database_name(check->sql), check->role);
        fail(check, "publication", "", &error);
    } else {
        say(check, TELLS, "publication", "publication %p does not exist: the first start creates it", NULL);
    }
    PQclear(result);
}

static bool check_publication(struct check *check)
{
    struct cdc_error error = {0};
    if (pg_publication_check_owner(check->sql, check->settings, &error) < 0)
        fail(check, "publication", "", &error);
    if (judge_row(check, publication_sql, check->settings->publication, publication_findings,
                  COUNT(publication_findings)))
        return true;
    if (check->slot.exists)
        say(check, STOPS, "publication",
            "publication %p does not exist but its slot does%|: create it before the next change, or begin anew with "
            "pg-cdc --drop",
            NULL);
    else
        check_may_create(check);
    return false;
}

/* What the first start makes is made on the primary. Only a snapshot makes its slot on a standby, since 16. */
static void check_standby(struct check *check, bool publication)
{
    bool may_make_slot = check->known->reads_rows && PQserverVersion(check->sql) >= 160000;
    if (is_unfit_standby(check)) {
        say(check, STOPS, "standby",
            check->slot.exists
                ? "the server is a standby, and its slot %s is only a copy of the primary's%|: connect to its "
                  "primary, or promote it"
                : "the server is a standby, and has no slot %s%|: connect to its primary",
            NULL);
        return;
    }
    if (!pg_is_standby(check->sql) || (publication && (check->slot.exists || may_make_slot)))
        return;
    say(check, STOPS, "standby",
        publication ? "the server is a standby, where no slot can be made%|: connect to its primary"
                    : "the server is a standby, where no publication can be made%|: connect to its primary",
        NULL);
}

/* -- tables ------------------------------------------------------------------------------- */

static void take_gap(void *context, enum pg_gap_weight weight, const char *code, const char *what, const char *cure)
{
    static const enum cdc_log_level levels[] = {CDC_LOG_INFO, CDC_LOG_WARNING, CDC_LOG_ERROR};
    struct check *check = context;
    if (check->gaps++ >= MAX_TABLES_NAMED && weight != PG_GAP_STOPS)
        return;
    if (weight == PG_GAP_STOPS)
        find(check, CDC_EXIT_CONFIG);
    cdc_log_write(check->log, levels[weight], "%s: %s", what, cure);
    cdc_findings_add(check->report, levels[weight], code, NULL, what, cure);
}

/* To read the rows, and to make the publication: a table is published by its owner. */
static bool lacks_right(const struct check *check, const struct pg_catalog_table *table, bool publication,
                        struct cdc_error *error)
{
    const struct pg_settings *settings = check->settings;
    const char *role = check->role;
    if (table->kind != 'r' && table->kind != 'p')
        return false;
    if (check->known->reads_rows && (table->listed || !publication) && (!table->readable || table->hidden)) {
        cdc_error_set(error, CDC_EXIT_PERMISSION, "role \"%s\" may not read %stable \"%s\".\"%s\"", role,
                      table->readable ? "all rows of " : "", table->schema, table->name);
        cdc_error_hint(error,
                       table->readable ? "row level security hides some: ALTER ROLE \"%s\" BYPASSRLS;"
                                       : "GRANT SELECT on the table and USAGE on its schema to \"%s\"",
                       role);
        return true;
    }
    if (publication || table->owned || settings->no_create || settings->selection.include.count == 0)
        return false;
    cdc_error_set(error, CDC_EXIT_PERMISSION, "role \"%s\" does not own table \"%s\".\"%s\", and may not publish it",
                  role, table->schema, table->name);
    cdc_error_hint(error, "let its owner or a superuser create publication \"%s\"", settings->publication);
    return true;
}

/* Is it published, or would the publication that the start makes take it in? */
static bool is_covered(const struct check *check, const struct pg_catalog_table *table, bool publication)
{
    if (publication)
        return table->published;
    return check->settings->selection.include.count > 0 || table->owned;
}

static bool is_refused(const struct pg_catalog_table *table)
{
    return table->persistence == 'p' && !pg_key_allows_changes(&table->key);
}

/* A generated column is in the way: another cure. */
static bool is_unsent(const struct pg_catalog_table *table)
{
    return is_refused(table) && table->key.unsent;
}

static bool is_unsent_refused(const struct pg_catalog_table *table)
{
    return is_refused(table) && table->key.unsent_refused;
}

static bool has_hole(const struct pg_catalog_table *table)
{
    return table->hole != NULL;
}

static bool is_columnless(const struct pg_catalog_table *table)
{
    return table->columnless && table->persistence == 'p';
}

static bool is_real(const struct pg_catalog_table *table)
{
    return table->persistence == 'p' && (table->kind == 'r' || table->kind == 'p');
}

/* The first that applies is said. */
static const struct {
    bool (*applies)(const struct pg_catalog_table *table);
    bool of_publication; /* which must be there */
    enum weight weight;
    const char *code, *text;
} table_findings[] = {
    {is_unsent_refused, false, STOPS, "replica_identity",
     "%t %d: once published the server refuses UPDATE and DELETE on it%|. Give it a replica identity without generated "
     "columns, or make a publication with publish_generated_columns = stored"},
    {is_unsent, false, STOPS, "replica_identity",
     "%t %d: UPDATE and DELETE come without what identifies their rows%|. ALTER TABLE %t REPLICA IDENTITY FULL;"},
    {is_refused, false, STOPS, "replica_identity",
     "%t %d: once published the server refuses UPDATE and DELETE on it%|. Give it a primary key (not a deferrable "
     "one), "
     "or "
     "ALTER TABLE %t REPLICA IDENTITY FULL;"},
    {is_columnless, false, STOPS, "no_columns",
     "%t has no columns: sinks may refuse it, and all that comes after%|. Exclude it (-T)"},
    {has_hole, true, STOPS, "publication_hole",
     "publication %p has a %d for %t: the server refuses UPDATE and DELETE on it%|. The replica identity must have the "
     "columns of the filter, and the list the columns of the replica identity"},
};

/* True when there is something to say. */
static bool check_table(struct check *check, const struct pg_catalog_table *table, bool publication)
{
    struct subject subject = {is_refused(table) ? pg_key_refusal(&table->key) : table->hole, table};
    struct cdc_error error = {0};
    for (size_t i = 0; is_covered(check, table, publication) && i < COUNT(table_findings); i++) {
        if (!is_real(table) || !table_findings[i].applies(table) || (table_findings[i].of_publication && !publication))
            continue;
        bool allowed = is_refused(table) && check->settings->allow_refused;
        say(check, allowed ? WARNS : table_findings[i].weight, table_findings[i].code, table_findings[i].text,
            &subject);
        return true;
    }
    if (lacks_right(check, table, publication, &error)) {
        fail(check, "table_right", "", &error);
        return true;
    }
    if (table->nullable_key && !table->under_root && is_covered(check, table, publication))
        pg_catalog_refuse_nullable(table, &error);
    else if (table->unlike && table->via_root)
        pg_catalog_refuse(table->schema, table->name, &table->key, table->unlike, false, &error);
    else
        return false;
    fail(check, "replica_identity", "", &error);
    return true;
}

/* The server sends no word of what these do: no check of the lines could find it later. */
static void tell_roots(struct check *check, const struct pg_catalog *catalog)
{
    for (size_t i = 0; i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        const struct subject subject = {NULL, table};
        if (table->kind != 'p' || table->root || !table->via_root || !pg_catalog_is_meant(table, check->settings))
            continue;
        say(check, WARNS, "partition_statements",
            "changes of the partitions of %t come under its name: TRUNCATE of one of them, ATTACH and DETACH of one "
            "with "
            "rows are not seen%|. DELETE before that, and INSERT after it, or take a new snapshot then; or ALTER "
            "PUBLICATION %p SET (publish_via_partition_root = false); before the first snapshot",
            &subject);
    }
}

static void check_each_table(struct check *check, const struct pg_catalog *catalog, bool publication)
{
    int n = 0, named = 0;
    bool covered = publication || check->settings->no_create;
    for (size_t i = 0; i < catalog->n && named < MAX_TABLES_NAMED; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        if (!pg_catalog_is_meant(table, check->settings))
            continue;
        n++;
        covered |= is_covered(check, table, publication);
        named += check_table(check, table, publication);
    }
    if (named >= MAX_TABLES_NAMED)
        cdc_log_write(check->log, CDC_LOG_WARNING, "more than %d findings on tables: the rest is omitted",
                      MAX_TABLES_NAMED);
    if (n > 0 && !covered)
        say(check, STOPS, "nothing_owned",
            "the role owns none of the tables, and without -t the first start publishes those that it owns%|: GRANT it "
            "the role that owns them, or let a superuser create publication %p",
            NULL);
    if (n > 0)
        cdc_log_write(check->log, CDC_LOG_INFO, "%s%d table%s selected, %d with findings",
                      named || !covered ? "" : "ok: ", n, n == 1 ? "" : "s", named);
}

static void check_where(struct check *check, const struct pg_catalog *catalog, bool publication)
{
    const struct cdc_option_list *where = check->known->where;
    struct cdc_error names = {0};
    if (pg_where_check_names(check->settings, where, catalog, check->log, &names) < 0)
        fail(check, "where", "", &names);
    for (size_t i = 0; i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        struct cdc_error error = {0};
        if (is_covered(check, table, publication) && (table->listed || !publication) &&
            pg_catalog_is_meant(table, check->settings) &&
            pg_where_check(check->sql, check->settings, where, table, &error) < 0)
            fail(check, "where", "", &error);
    }
}

static void check_columns(struct check *check, const struct pg_catalog *catalog, bool publication)
{
    struct cdc_error names = {0};
    if (pg_columns_check_names(check->settings, catalog, publication, check->log, &names) < 0)
        fail(check, "columns", "", &names);
    for (size_t i = 0; i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        struct cdc_error error = {0};
        if (pg_catalog_is_read(table, check->settings, publication) &&
            pg_columns_check_table(check->sql, check->settings, table, publication, &error) < 0)
            fail(check, "columns", "", &error);
    }
}

static void check_tables(struct check *check, bool publication)
{
    struct cdc_error error = {0};
    struct pg_catalog catalog;
    int result = pg_catalog_read(check->sql, check->settings->publication, PATIENCE_MS, &catalog, &error);
    const struct pg_gaps gaps = {.settings = check->settings,
                                 .catalog = &catalog,
                                 .published = publication,
                                 .first = !check->resumes && !check->slot.exists,
                                 .all = true,
                                 .say = take_gap,
                                 .context = check};
    if (result == 0)
        pg_facts_tables(check->report, check->sql, &catalog, check->settings);
    if (result == 0)
        check_each_table(check, &catalog, publication);
    if (result == 0)
        result = pg_gaps_find(&gaps, check->sql, &error);
    if (result == 0)
        tell_roots(check, &catalog);
    if (result == 0)
        check_where(check, &catalog, publication);
    if (result == 0)
        check_columns(check, &catalog, publication);
    if (result == 0)
        result = pg_catalog_refuse_detaching(check->sql, &catalog, check->settings, &error);
    if (result < 0) {
        fail(check, "tables", "", &error);
    }
    pg_catalog_free(&catalog);
}

/* -- for --check that a person or a monitor reads --------------------------------------------- */

/* A walsender counts as a standby where its name, or any, is in the list: then commits of the application wait for what
 * the sinks have stored. */
static const char synchronous_sql[] =
    "SELECT NOT EXISTS (SELECT 1 FROM regexp_split_to_table(regexp_replace(current_setting("
    "'synchronous_standby_names'), '^\\s*((first|any)\\s+)?[0-9]+\\s*\\(|\\)\\s*$', '', 'gi'), ',') AS n(name) WHERE "
    "btrim(n.name, E' \\t\\n\"') = '*' OR lower(btrim(n.name, E' \\t\\n\"')) = lower($1)) AS alone, "
    "current_setting('synchronous_standby_names') AS names";
static const struct finding synchronous_findings[] = {
    {"synchronous_standby", "alone", "names", WARNS,
     "synchronous_standby_names is %d, which counts this pipeline as a standby: commits then wait until its sinks "
     "have stored them%|: ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (...)' with the application_name of "
     "each real standby; SELECT pg_reload_conf(); or, where * is not in it, give another application_name in the URL",
     NULL},
};

/* A primary of 17 and later sends to a slot that standbys copy only what these have, too: for ever, where one of them is not there. */
static const char standby_slots_sql[] =
    "WITH s AS (SELECT n.name, r.slot_type IS DISTINCT FROM 'physical' OR coalesce(r.wal_status = 'lost', false) AS "
    "absent, r.active "
    "FROM (SELECT btrim(t, E' \\t\\n\"') AS name FROM regexp_split_to_table(coalesce(current_setting("
    "'synchronized_standby_slots', true), ''), ',') AS t) n LEFT JOIN pg_replication_slots r ON r.slot_name = n.name "
    "WHERE n.name <> '' AND NOT pg_is_in_recovery() AND coalesce((SELECT (to_jsonb(o) ->> 'failover')::bool FROM "
    "pg_replication_slots o WHERE o.slot_name = $1), true)) "
    "SELECT NOT coalesce(bool_or(absent), false) AS are_there, coalesce(string_agg(name, ', ') FILTER (WHERE absent), "
    "'') AS absent, NOT coalesce(bool_or(NOT absent AND NOT active), false) AS are_read, coalesce(string_agg(name, "
    "', ') FILTER (WHERE NOT absent AND NOT active), '') AS unread FROM s";
static const struct finding standby_slots_findings[] = {
    {"standby_slots", "are_there", "absent", STOPS,
     "synchronized_standby_slots names %d, which is no physical slot, or has lost its log: nothing is sent to slot %s "
     "until it is there%|: SELECT pg_create_physical_replication_slot('...'); for its standby, or ALTER SYSTEM SET "
     "synchronized_standby_slots without it, and SELECT pg_reload_conf();",
     NULL},
    {"standby_slots", "are_read", "unread", WARNS,
     "synchronized_standby_slots names %d, which no standby reads now: slot %s is sent nothing that it has not "
     "confirmed%|: start the standby, or take it out",
     NULL},
};

/* As the walsender will have it. */
static const char *application_name(const struct check *check)
{
    const char *name = PQparameterStatus(check->replication ? check->replication : check->sql, "application_name");
    return name ? name : "";
}

static void report_server(struct check *check)
{
    pg_facts_server(check->report, check->sql, check->replication, check->settings, check->known);
    judge_row(check, synchronous_sql, application_name(check), synchronous_findings, COUNT(synchronous_findings));
    judge_row(check, standby_slots_sql, check->settings->slot, standby_slots_findings, COUNT(standby_slots_findings));
}

/* -- interface ---------------------------------------------------------------------------- */

/* TAKES sql. */
static int check_host(struct pg_settings *settings, const struct pg_check_known *known, const struct cdc_log *log,
                      PGconn *sql, struct cdc_error *error)
{
    struct check check = {.settings = settings,
                          .known = known,
                          .log = log,
                          .report = known->report,
                          .sql = sql,
                          .resumes = known->start.kind != CDC_START_FIRST};
    int result = pg_names_fill(settings, check.sql, error);
    if (result == 0)
        result = (check.role = pg_names_acting_role(check.sql, error)) ? 0 : -1;
    if (result == 0) {
        judge_row(&check, server_sql, settings->slot, server_findings, COUNT(server_findings));
        check_walsender(&check);
        check_slot(&check);
        check_spool(&check);
        if (check.report)
            report_server(&check);
        bool publication = check_publication(&check);
        check_standby(&check, publication);
        check_tables(&check, publication);
    }
    free(check.role);
    PQfinish(check.replication);
    PQfinish(check.sql);
    if (result < 0 || check.problems == 0)
        return result;
    return cdc_error_set(error, check.status, "%d finding%s would stop the pipe or lose rows", check.problems,
                         check.problems == 1 ? "" : "s");
}

struct search {
    const struct pg_settings *settings;
    const struct pg_check_known *known;
};

/* Would a start at that host go on? In silence: what is told is that of the one that is chosen. */
static int is_good_host(void *context, PGconn *sql, struct cdc_error *error)
{
    const struct search *search = context;
    struct pg_settings settings = *search->settings;
    struct pg_check_known known = *search->known;
    struct pg_hosts hosts = {.known = false};
    settings.log = NULL;
    known.report = NULL;
    bool named = settings.slot && settings.publication; /* else a server must be asked first */
    PGconn *own =
        !named || pg_hosts_at(&hosts, sql, error) < 0 ? NULL : pg_connect_among(&settings, false, &hosts, error);
    pg_hosts_free(&hosts);
    return own ? check_host(&settings, &known, NULL, own, error) == 0 : -1;
}

int pg_check(struct pg_settings *settings, const struct pg_check_known *known, const struct cdc_log *log,
             struct cdc_error *error)
{
    const struct search search = {settings, known};
    PGconn *sql = pg_connect_suited(settings, is_good_host, (void *)&search, error);
    return sql ? check_host(settings, known, log, sql, error) : -1;
}

int pg_drop(const struct pg_settings *settings, const struct cdc_log *log, struct cdc_error *error)
{
    PGconn *sql = pg_connect(settings, false, error);
    int result = sql ? pg_publication_check_owner(sql, settings, error) : -1;
    if (result == 0)
        result = pg_slot_drop(sql, settings->slot, log, error);
    if (result == 0)
        result = pg_publication_drop(sql, settings->publication, log, error);
    PQfinish(sql);
    return result;
}
