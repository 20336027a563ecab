/* SPDX-License-Identifier: MIT */
/* A table's columns, types and key, from the catalogs. */
#include "connectors/postgres/schema/describe.h"

#include "connectors/postgres/pgoutput/visible.h"
#include "connectors/postgres/schema/internal.h"
#include "connectors/postgres/schema/types.h"
#include "connectors/postgres/session/query.h"

#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char what[] = "cannot look a table up in the catalogs";

/* -- a relation of the log -- */

/* Columns of i, an index of table c, by attribute a. */
#define OF_INDEX(condition)                                                                                            \
    "coalesce((SELECT true FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (" PG_INDEX_COLUMNS(            \
        "i") ") AND " condition "), false)"
/* Is what transaction x made older than all that slot $3 still sends? So it is when x is older than the slot's catalog_xmin: all
 * below that had ended where the slot begins. (What looks younger than now is older than two thousand million transactions.)
 * Or it was made with the table. */
#define IS_OLD(x)                                                                                                      \
    "age(" x ") < 0 OR " x                                                                                             \
    " = " PG_MADE_BY("c") " OR age(" x                                                                                 \
                          ") > (SELECT age(s.catalog_xmin) FROM pg_replication_slots s WHERE s.slot_name = $3)"
/* Of the primary key of c, whose own row is written anew when its index is (REINDEX CONCURRENTLY), or when it is renamed: d, that
 * it needs its columns, stays as it was made. now_at: the key, as it is seen here, is there for every transaction that commits
 * from there on. */
#define PRIMARY_OF_C                                                                                                   \
    "FROM pg_constraint o JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = o.oid AND "          \
    "d.refclassid = 'pg_class'::regclass AND d.refobjid = o.conrelid AND d.refobjsubid <> 0 "                          \
    "WHERE o.conrelid = c.oid AND o.contype = 'p' LIMIT 1"
#define AGE_OF_KEY                                                                                                     \
    "coalesce((SELECT " IS_OLD("d.xmin") " " PRIMARY_OF_C "), NOT c.primary_exists) AS is_old, "                       \
                                         "coalesce((SELECT d.xmin::text::int8 " PRIMARY_OF_C "), 0) AS made_by, "      \
                                         "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "           \
                                         "pg_current_wal_insert_lsn() END AS now_at"
/* Has no row that a change still tells of NULL in a? The row of the constraint (since 18) tells when it was validated. */
#define NEVER_NULL                                                                                                     \
    PG_NOT_NULL " AND (" IS_OLD(                                                                                       \
        "a.xmin") ") AND NOT EXISTS (SELECT 1 FROM pg_constraint nn WHERE nn.conrelid = "                              \
                  "a.attrelid AND nn.contype = 'n' AND a.attnum = ANY (nn.conkey) AND NOT (" IS_OLD("nn.xmin") "))"
/* Was a column dropped since? Its row stays, and is of who dropped it. */
#define LOST_COLUMN                                                                                                    \
    "EXISTS (SELECT 1 FROM pg_attribute g WHERE g.attrelid = c.oid AND g.attnum > 0 AND g.attisdropped AND "           \
    "(" IS_OLD("g.xmin") ") IS NOT TRUE)"
/* One row a column; one with a NULL name for a table without columns; none for a table that is gone. omitted: the
 * publication never sends it. */
#define RELATION_SQL(omitted)                                                                                          \
    "SELECT c.*, " AGE_OF_KEY ", " LOST_COLUMN                                                                         \
    " AS lost_column, pg_current_snapshot()::text AS xids, a.attname AS name, coalesce(" PG_NOT_NULL                   \
    ", false) AS not_null, coalesce(" NEVER_NULL ", false) AS never_null, "                                            \
    "coalesce(a.attgenerated <> '', false) AS generated, coalesce(" IS_OLD(                                            \
        "a.xmin") ", true) AS "                                                                                        \
                  "same_name, " OF_INDEX(                                                                              \
                      "i."                                                                                             \
                      "indispri"                                                                                       \
                      "mary") " AS \"primary\", " OF_INDEX(PG_INDEX_IDENTIFIES("c", "i")) " AS identity, "             \
                                                                                          "coalesce(a."                \
                                                                                          "attgenerated <> "           \
                                                                                          "'', false) "                \
                                                                                          "OR " omitted                \
                                                                                          " AS omitted FROM "          \
                                                                                          "(SELECT "                   \
                                                                                          "c.oid, "                    \
                                                                                          "c.relreplident, "           \
                                                                                          "c.reltype,"                 \
                                                                                          " " PG_KEY_FACTS_SQL         \
                                                                                          " FROM pg_class c "          \
                                                                                          "WHERE c.oid "               \
                                                                                          "= $2::oid "                 \
                                                                                          "OFFSET 0) c LEFT "          \
                                                                                          "JOIN "                      \
                                                                                          "pg_attribute a "            \
                                                                                          "ON a.attrelid "             \
                                                                                          "= c.oid AND "               \
                                                                                          "a.attnum > 0 AND "          \
                                                                                          "NOT "                       \
                                                                                          "a.attisdropped "            \
                                                                                          "ORDER BY a.attnum"
/* By the column list that publication $1 has for the table; 14 has none. */
#define NOT_LISTED                                                                                                     \
    "EXISTS (SELECT 1 FROM pg_publication_rel pr JOIN pg_publication pp ON pp.oid = pr.prpubid "                       \
    "WHERE pp.pubname = $1 AND pr.prrelid = c.oid AND a.attnum <> ALL (pr.prattrs::int2[]))"

enum { UNSEEN_MS = 30000, UNSEEN_STEP_MS = 20 };

static struct pg_column *find_column(struct pg_table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

/* The log's marks are those of the change's own time, and win over today's catalogs. But they are of the replica
 * identity only: where that is not the key (FULL, NOTHING) the log says nothing of the primary key. So which columns
 * of the key does the message lack? Without marks: every column of the primary key that is not in it. With marks:
 * only those that the publication omits on purpose (a column list, a generated column). A marked column that is just
 * not in the message came after it, by ALTER TABLE, and old rows do not need it. */
static bool lacks_column(struct pg_answer *row, bool marked)
{
    return marked ? pg_answer_true(row, "identity") && pg_answer_true(row, "omitted") : pg_answer_true(row, "primary");
}

/* The columns of today beside those of the message, which have nothing but their names in common. */
struct match {
    size_t found;
    bool in_order;
    bool after_other; /* a column of the message comes after one that the message lacks, though it would be sent */
    bool renamed;     /* perhaps: a column of the primary key is another row of the catalog than it was then */
    bool added;       /* perhaps: a column of the message is one that came since, and another one had its name then */
};

/* Examples, of tables whose key has another name since, that of another column of then:
 *      then a PK, b      b was dropped, a renamed to b                    now b PK
 *      then a, b PK      a was dropped, b renamed to a, b added           now a PK, b
 *      then a, b PK      a was renamed to x, b to a, b added              now x, a PK, b
 * The log still has rows of before: today's key b is not their b. It is where the columns of then are the first ones of now, and
 * none was dropped whose name an added one has. */
static bool is_that_key(const struct match *match, const struct pg_table *table, bool lost_column)
{
    return !match->renamed || (match->in_order && match->found == table->n_columns && !match->after_other &&
                               !(match->added && lost_column));
}

/* FULL and NOTHING: old rows come whole or not at all, so that a table whose key is not certain can do without.
 * Example: a table with FULL and without a key had two equal rows, lost one, and then got a primary key. Under that key
 * the log's older lines would write one row, and delete it. */
static void take_primary(struct pg_answer *row, const struct pg_key_facts *today, const struct match *match,
                         struct pg_table *table)
{
    bool old = pg_answer_true(row, "is_old");
    uint64_t now_at = pg_answer_lsn(row, "now_at");
    uint32_t made_by = (uint32_t)pg_answer_int(row, "made_by");
    /* Asked again when the log has come to where that same key was seen. */
    bool reached = table->unsure_until != 0 && table->unsure_key == made_by;
    bool sure = !today->primary_is_immediate ||
                ((old || reached) && is_that_key(match, table, pg_answer_true(row, "lost_column")));
    table->unsure_until = sure ? 0 : now_at;
    table->unsure_key = made_by;
    table->key_facts.primary_exists = today->primary_exists;
    table->key_facts.primary_is_immediate = today->primary_is_immediate && sure;
}

static void read_columns_of_today(struct pg_answer *row, struct pg_table *table, bool marked, struct match *match)
{
    const struct pg_column *before = NULL;
    bool other = false;
    for (; row->row < PQntuples(row->result); row->row++) {
        const char *name = pg_answer_text_or_null(row, "name");
        struct pg_column *column = name ? find_column(table, name) : NULL;
        bool primary = pg_answer_true(row, "primary");
        match->renamed = match->renamed || (primary && !pg_answer_true(row, "same_name"));
        if (!column) {
            table->key_facts.incomplete = table->key_facts.incomplete || lacks_column(row, marked);
            other = other || !pg_answer_true(row, "omitted");
            continue;
        }
        match->after_other = match->after_other || other;
        match->added = match->added || (!primary && !pg_answer_true(row, "same_name"));
        match->found++;
        match->in_order = match->in_order && (!before || column > before);
        before = column;
        column->nullable = !pg_answer_true(row, "not_null");
        column->never_null = pg_answer_true(row, "never_null");
        column->generated = pg_answer_true(row, "generated");
        column->primary = primary;
    }
}

static int read_relation(struct pg_answer *row, struct pg_table *table, struct cdc_error *error)
{
    struct pg_key_facts today = {0}, *facts = &table->key_facts;
    bool marked = pg_key_is_marked(facts);
    pg_key_facts_read(row, &today);
    const char *unlike = pg_answer_text_or_null(row, "unlike");
    /* Each row of the answer repeats what concerns the table, so the first one has it; then the rows are its
     * columns. */
    facts->partitioned = today.partitioned;
    facts->incomplete = false;
    struct match match = {.in_order = true};
    read_columns_of_today(row, table, marked, &match);
    row->row = 0;
    if (!marked)
        take_primary(row, &today, &match, table);
    if (row->bad)
        return pg_answer_good(row, what, error);
    return unlike ? pg_catalog_refuse(table->schema, table->name, facts, unlike, true, error) : 0;
}

/* Had the transaction ended where xids, as pg_current_snapshot() has them, were taken? One without an id had. Or -1 */
static int has_ended(const char *xids, uint32_t xid, struct cdc_error *error)
{
    struct pg_visible seen = {.json = NULL};
    int ended = pg_visible_parse_xids(&seen, xids, error) < 0 ? -1 : xid == 0 || pg_visible_ended(&seen, xid);
    pg_visible_clear(&seen);
    return ended;
}

static int has_ended_now(PGconn *sql, uint32_t xid, struct cdc_error *error)
{
    PGresult *result = pg_query_often(sql, "SELECT pg_current_snapshot()::text AS xids", 0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    const char *xids = pg_answer_text(&row, "xids");
    int ended = pg_answer_good(&row, what, error) < 0 ? -1 : has_ended(xids, xid, error);
    PQclear(result);
    return ended;
}

enum found { FAILED = -1, NOT_THERE, DESCRIBED, OLDER /* as it was before the transaction */ };

static enum found read_answer(PGresult *result, uint32_t xid, struct pg_table *table, struct cdc_error *error)
{
    struct pg_answer row = {.result = result};
    if (PQntuples(result) == 0)
        return NOT_THERE;
    const char *xids = pg_answer_text(&row, "xids");
    int ended = pg_answer_good(&row, what, error) < 0 ? -1 : has_ended(xids, xid, error);
    if (ended <= 0)
        return ended < 0 ? FAILED : OLDER;
    return read_relation(&row, table, error) < 0 ? FAILED : DESCRIBED;
}

static enum found ask_relation(PGconn *sql, const char *const values[3], uint32_t xid, struct pg_table *table,
                               struct cdc_error *error)
{
    bool v15 = PQserverVersion(sql) >= 150000;
    PGresult *result =
        pg_query_often(sql, v15 ? RELATION_SQL(NOT_LISTED) : RELATION_SQL("$1::text IS NULL"), 3, values, what, error);
    enum found found = result ? read_answer(result, xid, table, error) : FAILED;
    PQclear(result);
    /* After it: who sees the table sees types that were made with it. */
    return found != FAILED && found != OLDER && pg_types_read(sql, values[2], table, error) < 0 ? FAILED : found;
}

/* -1 with why the lines of the transaction cannot be written; 0: ask again */
static int wait_unseen(const struct pg_settings *settings, uint32_t xid, int waited, struct cdc_error *error)
{
    static const char commit[] = "a commit that others do not see yet";
    if (waited < UNSEEN_MS && !cdc_retry_wait(UNSEEN_STEP_MS, settings->control, commit))
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "transaction %lu has changed a table and is in the log, but cannot be seen yet", (unsigned long)xid);
    return cdc_error_hint(error, "its commit waits for a synchronous standby (synchronous_standby_names)");
}

/* A commit is in the log before others see it: a moment, or for as long as synchronous standbys take to confirm it. What the
 * catalogs show until then may be another table: without its new key, or none. So an answer counts that was given after the
 * transaction had ended. One that was dropped since is written with what the log knows: types by their oids, marks of the key. */
int pg_describe_relation(PGconn *sql, const struct pg_settings *settings, uint32_t xid, struct pg_table *table,
                         struct cdc_error *error)
{
    char oid[16];
    const char *values[3] = {settings->publication, oid, settings->slot};
    bool ended = xid == 0; /* before it was asked for */
    snprintf(oid, sizeof oid, "%lu", (unsigned long)table->oid);
    for (int waited = 0;; waited += UNSEEN_STEP_MS) {
        enum found found = ask_relation(sql, values, xid, table, error);
        if (found == FAILED || found == DESCRIBED || (found == NOT_THERE && ended))
            return found == FAILED ? -1 : 0;
        int now = has_ended_now(sql, xid, error);
        ended = now > 0;
        if (now < 0 || (!ended && wait_unseen(settings, xid, waited, error) < 0))
            return -1;
    }
}

/* -- a table of the publication -- */

/* In the order of the columns, as the stream has them: generated ones are absent unless (18) the publication lists
 * them. Snapshot and stream must agree on the columns, or the schema line would change between the two, and sinks
 * would drop a column that was there. */
static const char columns_sql[] =
    "SELECT a.attname AS name, a.atttypid AS type, a.atttypmod AS typmod, a.attgenerated <> '' AS generated, "
    "NOT " PG_NOT_NULL " AS nullable, c.relreplident = 'f' OR " OF_INDEX(PG_INDEX_IDENTIFIES(
        "c", "i")) " AS identity, " OF_INDEX("i.indisprimary") " AS \"primary\", CASE WHEN $2::name[] IS NULL THEN "
                                                               "a.attgenerated = '' ELSE "
                                                               "a.attname = ANY ($2::name[]) AND (a.attgenerated = '' "
                                                               "OR $3::bool) END AS published "
                                                               "FROM pg_attribute a JOIN pg_class c ON c.oid = "
                                                               "a.attrelid WHERE a.attrelid = $1::oid AND a.attnum > 0 "
                                                               "AND NOT a.attisdropped ORDER BY a.attnum";

static int read_column(struct pg_answer *row, struct pg_table *table, bool *generated, struct cdc_error *error)
{
    struct pg_column *column = &table->columns[table->n_columns++];
    column->name = strdup(pg_answer_text(row, "name"));
    column->type_oid = (uint32_t)pg_answer_int(row, "type");
    column->typmod = (int32_t)pg_answer_int(row, "typmod");
    column->type = pg_type_of(column->type_oid);
    column->nullable = pg_answer_true(row, "nullable");
    column->generated = pg_answer_true(row, "generated");
    column->identity = pg_answer_true(row, "identity");
    column->primary = pg_answer_true(row, "primary");
    *generated = *generated || column->generated;
    return column->name ? 0 : cdc_error_memory(error);
}

static int read_columns(PGresult *result, struct pg_table *table, bool *generated, struct cdc_error *error)
{
    int n = PQntuples(result);
    struct pg_key_facts *facts = &table->key_facts;
    bool marked = pg_key_is_marked(facts);
    struct pg_answer row = {.result = result};
    table->columns = calloc((size_t)n + 1, sizeof *table->columns);
    if (!table->columns)
        return cdc_error_memory(error);
    for (; row.row < n; row.row++) {
        if (!pg_answer_true(&row, "published"))
            /* A key of which one column is missing identifies nothing: two rows may be equal in the rest of it. */
            facts->incomplete = facts->incomplete || pg_answer_true(&row, marked ? "identity" : "primary");
        else if (read_column(&row, table, generated, error) < 0)
            return -1;
    }
    return pg_answer_good(&row, what, error);
}

static int fill(PGconn *sql, const struct pg_catalog_table *source, struct pg_table *table, bool *generated,
                struct cdc_error *error)
{
    char oid[16];
    const char *values[3] = {oid, source->columns, PQserverVersion(sql) >= 180000 ? "t" : "f"};
    snprintf(oid, sizeof oid, "%lu", (unsigned long)source->oid);
    PGresult *result = pg_query_often(sql, columns_sql, 3, values, what, error);
    int status = result ? read_columns(result, table, generated, error) : -1;
    PQclear(result);
    return status < 0 ? -1 : pg_types_read(sql, NULL, table, error);
}

struct pg_table *pg_describe_table(PGconn *sql, const struct pg_catalog_table *source, bool *generated,
                                   struct cdc_error *error)
{
    struct pg_table *table = calloc(1, sizeof *table);
    if (!table) {
        cdc_error_memory(error);
        return NULL;
    }
    *generated = false;
    table->oid = source->oid;
    table->key_facts = source->key;
    table->schema = strdup(source->schema);
    table->name = strdup(source->name);
    if (!table->schema || !table->name)
        cdc_error_memory(error);
    else if (fill(sql, source, table, generated, error) == 0)
        return table;
    pg_table_free(table);
    return NULL;
}
