/* SPDX-License-Identifier: MIT */
/* The publication: which tables the server sends. */
#include "connectors/postgres/schema/publication.h"

#include "connectors/postgres/schema/catalog.h"
#include "connectors/postgres/schema/columns.h"
#include "connectors/postgres/schema/gaps.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Marks publications that we made, so that --drop removes no other, and for which pipeline. (Older versions did not say
 * that.) */
#define PUBLICATION_COMMENT "made by pg-cdc"
#define COMMENT_FOR PUBLICATION_COMMENT " for "
#define MAX_NAMED 20 /* tables, in warnings */

/* -- whose it is -- */

/* *comment: RETURNS NEW; "" without one, or when it is somebody else's text. 1, 0 when there is no such publication, -1. */
static int read_comment(PGconn *sql, const char *name, char **comment, struct cdc_error *error)
{
    static const char what[] = "cannot look for the publication";
    *comment = NULL;
    PGresult *result = pg_query_rows(sql,
                                     "SELECT coalesce(obj_description(oid, 'pg_publication'), '') AS comment "
                                     "FROM pg_publication WHERE pubname = $1",
                                     1, &name, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int exists = PQntuples(result) > 0;
    if (exists) {
        const char *text = pg_answer_text(&row, "comment");
        *comment = strdup(strncmp(text, PUBLICATION_COMMENT, strlen(PUBLICATION_COMMENT)) == 0 ? text : "");
    }
    PQclear(result);
    if (pg_answer_good(&row, what, error) < 0)
        exists = -1;
    else if (exists && !*comment)
        exists = cdc_error_memory(error);
    return exists;
}

static int foreign(const char *owner, const struct pg_settings *settings, struct cdc_error *error)
{
    if (settings->publication_by_name)
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "slot \"%s\" and publication \"%s\" are those of the pipeline \"%s\", not of \"%s\"",
                      settings->slot, settings->publication, owner, settings->name);
    else
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" is that of the pipeline \"%s\", not of \"%s\"",
                      settings->slot, owner, settings->name);
    return cdc_error_hint(error, "give another --name, or --slot and --publication of its own");
}

/* Does the slot's name show all of the pipeline's, so that no other name leads to it? */
static bool shows_name(const struct pg_settings *settings)
{
    return strncmp(settings->slot, "cdc_", 4) == 0 && strcmp(settings->slot + 4, settings->name) == 0;
}

/* Of a name that the database may not have the characters for: "caf\xc3\xa9". */
static void append_escaped(struct cdc_buf *out, const char *name)
{
    for (; *name; name++)
        if (*name & 0x80)
            cdc_buf_printf(out, "\\x%02x", (unsigned char)*name);
        else
            cdc_buf_byte(out, *name);
}

/* 1; 0; -1 without memory. Older versions never escaped. */
static int is_name(const char *text, const char *name)
{
    struct cdc_buf escaped = CDC_BUF_INIT;
    append_escaped(&escaped, name);
    cdc_buf_byte(&escaped, '\0');
    int is = escaped.failed ? -1 : strcmp(text, name) == 0 || strcmp(text, escaped.data) == 0;
    cdc_buf_free(&escaped);
    return is;
}

/* One would take the other's changes. */
static int check_owner(const char *comment, const struct pg_settings *settings, struct cdc_error *error)
{
    size_t n = strlen(COMMENT_FOR);
    if (comment && strncmp(comment, COMMENT_FOR, n) == 0) {
        int is = is_name(comment + n, settings->name);
        return is < 0 ? cdc_error_memory(error) : is ? 0 : foreign(comment + n, settings, error);
    }
    if (settings->publication_by_name || shows_name(settings))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "slot \"%s\" may be that of another pipeline: more names than \"%s\" lead to it, and nothing says "
                  "whose it is",
                  settings->slot, settings->name);
    return cdc_error_hint(error, "give --slot beside --publication (--slot %s where it is this pipeline's)",
                          settings->slot);
}

int pg_publication_check_owner(PGconn *sql, const struct pg_settings *settings, struct cdc_error *error)
{
    char *comment = NULL;
    if (!settings->publication_by_name && !settings->slot_by_name)
        return 0;
    const char *place = settings->slot_by_name ? settings->slot : settings->publication;
    int status = read_comment(sql, place, &comment, error);
    if (status >= 0)
        status = check_owner(comment, settings, error);
    free(comment);
    return status;
}

/* -- an existing one -- */

static bool is_permanent(const struct pg_catalog_table *table)
{
    return (table->kind == 'r' || table->kind == 'p') && table->persistence == 'p';
}

/* What is never seen is told at the start; what must not be, ends it. */
struct verdict {
    const struct cdc_log *log; /* NULL: told before */
    struct cdc_error *error;
    int stops, n;
};

static void take_gap(void *context, enum pg_gap_weight weight, const char *code, const char *what, const char *cure)
{
    (void)code;
    struct verdict *verdict = context;
    if (weight == PG_GAP_STOPS && verdict->stops++ == 0) {
        cdc_error_set(verdict->error, CDC_EXIT_CONFIG, "%s", what);
        cdc_error_hint(verdict->error, "%s", cure);
    } else if (verdict->log && verdict->n++ < MAX_NAMED) {
        cdc_log_write(verdict->log, weight == PG_GAP_TELLS ? CDC_LOG_INFO : CDC_LOG_WARNING, "%s; %s", what, cure);
    }
}

static int find_gaps(PGconn *sql, const struct pg_settings *settings, const struct pg_catalog *catalog, bool exists,
                     bool first, const struct cdc_log *log, struct cdc_error *error)
{
    struct verdict verdict = {.log = log, .error = error};
    const struct pg_gaps gaps = {.settings = settings,
                                 .catalog = catalog,
                                 .published = exists,
                                 .first = first,
                                 .say = take_gap,
                                 .context = &verdict};
    if (pg_gaps_find(&gaps, sql, error) < 0)
        return -1;
    if (log && verdict.n > MAX_NAMED)
        cdc_log_write(log, CDC_LOG_WARNING, "%d more of that kind: pg-cdc --check has them all", verdict.n - MAX_NAMED);
    return verdict.stops > 0 ? -1 : 0;
}

/* The server takes UPDATE and DELETE, and the log lacks what identifies their rows. */
static bool comes_unnamed(const struct pg_catalog_table *table)
{
    return table->key.unsent && !table->key.unsent_refused;
}

/* Whoever made the publication may not have noticed yet. */
static void warn_holes(const struct pg_catalog *catalog, const struct pg_settings *settings, const struct cdc_log *log)
{
    int n = 0;
    for (size_t i = 0; i < catalog->n && n < MAX_NAMED; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        bool refused = is_permanent(table) && table->published && !pg_key_allows_changes(&table->key);
        if ((!refused && !table->hole) || !pg_catalog_is_meant(table, settings))
            continue;
        n++;
        cdc_log_write(log, CDC_LOG_WARNING, "table \"%s\".\"%s\" %s%s: %s", table->schema, table->name,
                      refused ? "" : "is published with a ", refused ? pg_key_refusal(&table->key) : table->hole,
                      refused && comes_unnamed(table) ? pg_key_outcome(&table->key)
                                                      : "the server refuses UPDATE and DELETE on it");
    }
}

static int refuse_unlike(const struct pg_catalog *catalog, const struct pg_settings *settings, bool first,
                         struct cdc_error *error)
{
    for (size_t i = 0; i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        if (table->unlike && table->via_root &&
            cdc_selection_has_table(&settings->selection, table->schema, table->name))
            return pg_catalog_refuse(table->schema, table->name, &table->key, table->unlike, !first, error);
    }
    return 0;
}

/* exists: the publication does, and says which tables are meant. */
static int refuse_nullable(const struct pg_catalog *catalog, const struct pg_settings *settings, bool exists,
                           struct cdc_error *error)
{
    for (size_t i = 0; i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        if (table->nullable_key && is_permanent(table) && (table->published || !exists) && !table->under_root &&
            cdc_selection_has_table(&settings->selection, table->schema, table->name))
            return pg_catalog_refuse_nullable(table, error);
    }
    return 0;
}

/* -- one to be made -- */

struct plan {
    PGconn *sql;
    const struct pg_settings *settings;
    const struct pg_catalog *catalog;
    bool all;     /* FOR ALL TABLES: -T keeps no table out of it */
    bool schemas; /* FOR TABLES IN SCHEMA, where -t has nothing but whole schemas, and -T nothing */
    int n;        /* tables */
};

static bool is_covered(const struct plan *plan, const struct pg_catalog_table *table)
{
    /* Without -t it is all that the role owns: CREATE PUBLICATION refuses the tables of others. */
    bool listed = plan->settings->selection.include.count > 0 || table->owned;
    return is_permanent(table) && (plan->all || (listed && pg_catalog_is_meant(table, plan->settings)));
}

static bool is_refused(const struct plan *plan, const struct pg_catalog_table *table)
{
    return is_covered(plan, table) && !pg_key_allows_changes(&table->key);
}

/* From the moment that a table is published the server refuses UPDATE and DELETE on it unless it has a replica
 * identity ("cannot update table ... because it does not have a replica identity and publishes updates"). Whoever
 * copies a database must not make its application fail, unless that is what he wants. */
static int refuse(const struct plan *plan, struct cdc_error *error)
{
    const struct pg_catalog_table *first = NULL;
    int n = 0;
    for (size_t i = 0; i < plan->catalog->n; i++) {
        const struct pg_catalog_table *table = &plan->catalog->tables[i];
        if (!is_refused(plan, table))
            continue;
        first = first ? first : table;
        n++;
    }
    if (n == 0 || plan->settings->allow_refused)
        return 0;
    char others[48] = "";
    if (n > 1)
        snprintf(others, sizeof others, " (%d tables in all, --check names them)", n);
    cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\".\"%s\" %s: %s%s", first->schema, first->name,
                  pg_key_refusal(&first->key), pg_key_outcome(&first->key), others);
    return cdc_error_hint(error, "ALTER TABLE \"%s\".\"%s\" %s or exclude it (-T), or give --allow-refused",
                          first->schema, first->name, pg_key_cure(&first->key));
}

static void warn_refused(const struct plan *plan, const struct cdc_log *log)
{
    int n = 0;
    for (size_t i = 0; i < plan->catalog->n && n < MAX_NAMED; i++) {
        const struct pg_catalog_table *table = &plan->catalog->tables[i];
        if (!is_refused(plan, table))
            continue;
        n++;
        cdc_log_write(log, CDC_LOG_WARNING, "table \"%s\".\"%s\" %s: %s. ALTER TABLE \"%s\".\"%s\" %s", table->schema,
                      table->name, pg_key_refusal(&table->key),
                      comes_unnamed(table) ? pg_key_outcome(&table->key)
                                           : "now that it is published the server refuses UPDATE and DELETE on it",
                      table->schema, table->name, pg_key_cure(&table->key));
    }
}

/* "shop.*": the length of the schema's name; 0 for any other pattern. */
static size_t whole_schema(const char *pattern)
{
    size_t n = strcspn(pattern, ".");
    return strcmp(pattern + n, ".*") == 0 && strcspn(pattern, "*?") > n ? n : 0;
}

/* The schemas that -t asks for as a whole, once each. */
static void append_schemas(const struct plan *plan, struct cdc_buf *out)
{
    const struct cdc_option_list *include = &plan->settings->selection.include;
    const char *before = " FOR TABLES IN SCHEMA ";
    for (size_t i = 0; i < include->count; i++) {
        char name[64];
        size_t n = whole_schema(include->items[i]), j = 0;
        while (j < i && strcmp(include->items[j], include->items[i]) != 0)
            j++;
        if (j < i || n >= sizeof name)
            continue;
        memcpy(name, include->items[i], n);
        name[n] = '\0';
        cdc_buf_text(out, before);
        pg_query_identifier(out, name);
        before = ", ";
    }
}

/* So that a table of tomorrow is captured from its first row: since 15, and for a superuser. All of its tables must be
 * there now: a name that is none would be an error. */
static bool takes_schemas(const struct plan *plan)
{
    const struct cdc_option_list *include = &plan->settings->selection.include;
    bool possible = include->count > 0 && plan->settings->selection.exclude.count == 0 &&
                    plan->settings->selection.columns.count == 0 && PQserverVersion(plan->sql) >= 150000 &&
                    !plan->settings->temporary;
    for (size_t i = 0; possible && i < include->count; i++) {
        size_t n = whole_schema(include->items[i]), j = 0;
        while (j < plan->catalog->n && !(strlen(plan->catalog->tables[j].schema) == n &&
                                         memcmp(plan->catalog->tables[j].schema, include->items[i], n) == 0))
            j++;
        possible = n > 0 && n < 64 && j < plan->catalog->n;
    }
    return possible;
}

/* FOR ALL TABLES takes in the tables of tomorrow, too; only a superuser may say so, and it has no lists of columns. -T needs no list of its own: the
 * stream omits what is excluded. But what is excluded since the server would refuse its changes must not be published. */
static bool may_be_all(const struct plan *plan)
{
    const char *superuser = PQparameterStatus(plan->sql, "is_superuser");
    if (plan->settings->selection.include.count != 0 || plan->settings->selection.columns.count != 0 || !superuser ||
        strcmp(superuser, "on") != 0)
        return false;
    for (size_t i = 0; i < plan->catalog->n; i++) {
        const struct pg_catalog_table *table = &plan->catalog->tables[i];
        if (is_permanent(table) && !pg_key_allows_changes(&table->key) && !pg_catalog_is_meant(table, plan->settings))
            return false;
    }
    return true;
}

/* With publish_via_partition_root changes carry the name that the user knows, and that -t matches. ONLY: or tables
 * that inherit would be published, too, whatever -T says. */
static void append_statement(struct plan *plan, struct cdc_buf *out)
{
    const struct pg_settings *settings = plan->settings;
    cdc_buf_lit(out, "CREATE PUBLICATION ");
    pg_query_identifier(out, settings->publication);
    if (plan->all)
        cdc_buf_lit(out, " FOR ALL TABLES");
    if (plan->schemas)
        append_schemas(plan, out);
    for (size_t i = 0; !plan->all && !plan->schemas && i < plan->catalog->n; i++) {
        const struct pg_catalog_table *table = &plan->catalog->tables[i];
        if (!pg_catalog_is_to_be_listed(table, settings))
            continue;
        cdc_buf_text(out, plan->n++ == 0 ? " FOR TABLE " : ", ");
        cdc_buf_text(out, table->kind == 'r' ? "ONLY " : "");
        pg_query_table(out, table->schema, table->name);
        pg_columns_append(out, settings, table);
    }
    cdc_buf_lit(out, " WITH (publish_via_partition_root = true)");
}

static int nothing_to_publish(const struct pg_settings *settings, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "no table to publish: %s",
                  settings->selection.include.count ? "none matches -t" : "this role owns none");
    return settings->selection.include.count
               ? cdc_error_hint(error, "create the tables first, or fix the patterns (schema.table)")
               : cdc_error_hint(error,
                                "create the tables first; or GRANT it the role that owns them, or let a superuser "
                                "create publication \"%s\"",
                                settings->publication);
}

static int run_statement(const struct plan *plan, const char *text, struct cdc_error *error)
{
    /* A CREATE INDEX CONCURRENTLY, which may take hours, holds a lock that this has to wait for. */
    const struct pg_locks locks = {PG_LOCKS_PUBLISH, PG_LOCKS_PATIENCE_MS};
    struct cdc_error own = {0};
    PGresult *result =
        pg_locks_query(plan->sql, &locks, text, 0, NULL, PGRES_COMMAND_OK, "cannot create the publication", &own);
    PQclear(result);
    if (result)
        return 0;
    if (error && error->status == 0)
        *error = own;
    if (own.status == CDC_EXIT_TEMPORARY)
        return -1;
    return cdc_error_hint(
        error, "let the tables' owner (with CREATE on the database) or a superuser create publication \"%s\"",
        plan->settings->publication);
}

static void say_created(const struct plan *plan, const struct cdc_log *log)
{
    const char *name = plan->settings->publication;
    if (plan->all)
        cdc_log_write(log, CDC_LOG_INFO, "created publication \"%s\" for all tables", name);
    else if (plan->schemas)
        cdc_log_write(log, CDC_LOG_INFO, "created publication \"%s\" for all tables of its schemas", name);
    else
        cdc_log_write(log, CDC_LOG_INFO, "created publication \"%s\" for %d table%s", name, plan->n,
                      plan->n == 1 ? "" : "s");
}

static void append_comment(const struct plan *plan, struct cdc_buf *out)
{
    struct cdc_buf comment = CDC_BUF_INIT;
    cdc_buf_lit(&comment, PUBLICATION_COMMENT);
    const char *encoding = PQparameterStatus(plan->sql, "server_encoding");
    if (plan->settings->publication_by_name) {
        cdc_buf_lit(&comment, " for ");
        if (encoding && strcmp(encoding, "UTF8") == 0)
            cdc_buf_text(&comment, plan->settings->name);
        else
            append_escaped(&comment, plan->settings->name);
    }
    char *literal = comment.failed ? NULL : PQescapeLiteral(plan->sql, comment.data, comment.len);
    cdc_buf_lit(out, " IS ");
    cdc_buf_text(out, literal ? literal : "'" PUBLICATION_COMMENT "'");
    PQfreemem(literal);
    cdc_buf_free(&comment);
}

/* As for a slot that is missing there: of several hosts the primary may be away for a moment. */
static int refuse_standby(const struct plan *plan, struct cdc_error *error)
{
    if (!pg_is_standby(plan->sql))
        return 0;
    cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "host %s is a standby, and has no publication \"%s\"", PQhost(plan->sql),
                  plan->settings->publication);
    return cdc_error_hint(error,
                          "create the publication on its primary, or add target_session_attrs=primary to the URL");
}

static int create(struct plan *plan, const struct cdc_log *log, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    plan->all = may_be_all(plan);
    const char *superuser = PQparameterStatus(plan->sql, "is_superuser");
    plan->schemas = superuser && strcmp(superuser, "on") == 0 && takes_schemas(plan);
    if (refuse_standby(plan, error) < 0 || refuse(plan, error) < 0)
        return -1;
    /* One transaction: were we killed between the two statements, --drop would find a publication without our mark
     * and leave it for ever. */
    cdc_buf_lit(&text, "BEGIN; ");
    append_statement(plan, &text);
    cdc_buf_lit(&text, "; COMMENT ON PUBLICATION ");
    pg_query_identifier(&text, plan->settings->publication);
    append_comment(plan, &text);
    cdc_buf_lit(&text, "; COMMIT");
    cdc_buf_byte(&text, '\0');
    int status = text.failed                                    ? cdc_error_memory(error)
                 : !plan->all && !plan->schemas && plan->n == 0 ? nothing_to_publish(plan->settings, error)
                                                                : run_statement(plan, text.data, error);
    cdc_buf_free(&text);
    if (status < 0)
        return -1;
    say_created(plan, log);
    warn_refused(plan, log);
    return 0;
}

static int ensure(struct plan *plan, bool exists, bool first, const struct cdc_log *log, struct cdc_error *error)
{
    if (pg_catalog_refuse_detaching(plan->sql, plan->catalog, plan->settings, error) < 0 ||
        refuse_unlike(plan->catalog, plan->settings, first, error) < 0 ||
        refuse_nullable(plan->catalog, plan->settings, exists, error) < 0 ||
        pg_columns_check(plan->sql, plan->settings, plan->catalog, exists, log, error) < 0)
        return -1;
    if (find_gaps(plan->sql, plan->settings, plan->catalog, exists, first, log, error) < 0)
        return -1;
    if (exists)
        warn_holes(plan->catalog, plan->settings, log);
    return exists ? 0 : create(plan, log, error);
}

int pg_publication_ensure(PGconn *sql, const struct pg_settings *settings, bool may_create, bool first,
                          const struct cdc_log *log, struct cdc_error *error)
{
    int exists = pg_names_publication_exists(sql, settings->publication, error);
    if (exists < 0 || pg_publication_check_owner(sql, settings, error) < 0)
        return -1;
    /* A slot decodes with the catalogs as they were at each change: a publication made after the slot is unknown to
     * the older part of its log. There the server ends the stream with an error (18: omits the changes). */
    if (!exists && !may_create) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "publication \"%s\" does not exist", settings->publication);
        return cdc_error_hint(error, "CREATE PUBLICATION \"%s\" FOR TABLE ...; or run without --no-create",
                              settings->publication);
    }
    struct pg_catalog catalog;
    struct plan plan = {.sql = sql, .settings = settings, .catalog = &catalog};
    int status = pg_catalog_read(sql, settings->publication, PG_LOCKS_PATIENCE_MS, &catalog, error);
    if (status == 0)
        status = ensure(&plan, exists, first, log, error);
    pg_catalog_free(&catalog);
    return status;
}

/* -- the end of one -- */

int pg_publication_drop(PGconn *sql, const char *name, const struct cdc_log *log, struct cdc_error *error)
{
    char *comment;
    int exists = read_comment(sql, name, &comment, error);
    bool ours = exists > 0 && *comment;
    free(comment);
    if (exists < 0)
        return -1;
    if (!ours) {
        cdc_log_write(
            log, CDC_LOG_INFO,
            exists ? "publication \"%s\" was not made by pg-cdc: it stays" : "publication \"%s\" does not exist", name);
        return 0;
    }
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "DROP PUBLICATION ");
    pg_query_identifier(&text, name);
    cdc_buf_byte(&text, '\0');
    int status =
        text.failed ? cdc_error_memory(error) : pg_query_run(sql, text.data, "cannot drop the publication", error);
    cdc_buf_free(&text);
    if (status == 0)
        cdc_log_write(log, CDC_LOG_INFO, "dropped publication \"%s\"", name);
    return status;
}
