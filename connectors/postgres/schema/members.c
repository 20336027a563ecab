/* SPDX-License-Identifier: MIT */
/* What of the selected tables the publication has, and since when. */
#include "connectors/postgres/schema/members.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/schema/internal.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One table ('t') or schema ('s') of the publication. */
struct member {
    char kind;
    uint32_t of;  /* its oid */
    uint32_t row; /* the oid of its row in pg_publication_rel or pg_publication_namespace */
};
struct members {
    struct member *items;
    size_t n, capacity;
    uint32_t publication; /* its oid; 0: there is none, or it is not known */
    char row[24], is[64]; /* the transaction that wrote its row; its owner, and what it publishes */
    char whole[192];      /* what changes with each alteration, also of tables that are not selected */
    uint64_t next;        /* the id of the next transaction */
};

static void clear(struct members *members)
{
    free(members->items);
    *members = (struct members){0};
}

static int compare(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->of < b->of ? -1 : a->of > b->of;
}

static const struct member *find(const struct members *members, const struct member *member)
{
    return members->n == 0 ? NULL : bsearch(member, members->items, members->n, sizeof *member, compare);
}

static int add(struct members *members, struct member member, struct cdc_error *error)
{
    if (members->n == members->capacity) {
        size_t capacity = members->capacity ? members->capacity * 2 : 16;
        struct member *items = realloc(members->items, capacity * sizeof *items);
        if (!items)
            return cdc_error_memory(error);
        members->items = items;
        members->capacity = capacity;
    }
    members->items[members->n++] = member;
    return 0;
}

/* -- as JSON -- */

static int parse(struct members *members, struct cdc_span json, struct cdc_error *error)
{
    int64_t oid = 0;
    if (!json.p || cdc_json_type(json) != CDC_JSON_OBJECT || !cdc_json_int64(cdc_json_member(json, "oid"), &oid) ||
        !cdc_json_member_copy(json, "row", members->row, sizeof members->row) ||
        !cdc_json_member_copy(json, "is", members->is, sizeof members->is))
        return 0;
    (void)cdc_json_member_copy(json, "whole", members->whole, sizeof members->whole); /* not of an older version */
    char *has = cdc_json_member_text(json, "has");
    if (!has)
        return 0;
    members->publication = (uint32_t)oid;
    int status = 0, n = 0;
    struct member member;
    for (const char *at = has; status == 0 && sscanf(at, " %c%u:%u%n", &member.kind, &member.of, &member.row, &n) == 3;
         at += n)
        status = add(members, member, error);
    free(has);
    if (members->n > 0)
        qsort(members->items, members->n, sizeof *members->items, compare);
    return status;
}

static void append_member(struct cdc_buf *out, const struct member *member, bool first)
{
    cdc_buf_printf(out, "%s%c%lu:%lu", first ? "" : " ", member->kind, (unsigned long)member->of,
                   (unsigned long)member->row);
}

/* Those of now, and those of before that have left. */
static void append(struct cdc_buf *out, const struct members *now, const struct members *before)
{
    size_t n = 0;
    cdc_buf_printf(out, "{\"oid\":%lu,\"row\":\"%s\",\"is\":\"%s\",\"whole\":\"%s\",\"has\":\"",
                   (unsigned long)now->publication, now->row, now->is, now->whole);
    for (size_t i = 0; i < now->n; i++)
        append_member(out, &now->items[i], n++ == 0);
    for (size_t i = 0; i < before->n; i++)
        if (!find(now, &before->items[i]))
            append_member(out, &before->items[i], n++ == 0);
    cdc_buf_append(out, "\"}", 3);
}

/* -- as the catalogs have them -- */

/* Of a schema each of its tables, for the selection. Without an entry at all there is one row of NULLs. 3 is the first id of all: its
 * age shows the next one, which a snapshot does not (take_bound), and takes none. */
#define MEMBERS_SQL(schemas, whole_schemas, since_18)                                                                  \
    "SELECT p.oid AS publication, p.xmin::text AS written, concat_ws(' ', p.pubowner, p.puballtables, p.pubinsert, "   \
    "p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot" since_18 ") AS is, concat_ws(' ', p.xmin, (SELECT "        \
    "concat(count(*), ' ', sum(hashtext(r::text)::bigint)) FROM pg_publication_rel r WHERE r.prpubid = "               \
    "p.oid)" whole_schemas ") AS whole, pg_snapshot_xmax(pg_current_snapshot()) AS newest, age('3'::xid) AS ids, "     \
    "p.pubviaroot AS via_root, e.kind, "                                                                               \
    "e.of, e.row, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned, rn.nspname AS root_schema, " \
    "r.relname AS root, coalesce(" PG_MADE_BY(                                                                         \
        "c") " = e.by, false) AS made_with "                                                                           \
             "FROM pg_publication p LEFT JOIN (SELECT 't' AS kind, prpubid AS pub, prrelid AS of, "                    \
             "oid AS row, prrelid AS relid, xmin AS by FROM pg_publication_rel" schemas ") e ON e.pub = p.oid "        \
             "LEFT JOIN pg_class c ON c.oid = e.relid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace "             \
             "LEFT JOIN pg_class r ON c.relispartition AND r.oid = (SELECT a.relid FROM "                              \
             "pg_partition_ancestors(c.oid) "                                                                          \
             "WITH ORDINALITY a(relid, up) ORDER BY a.up DESC LIMIT 1) LEFT JOIN pg_namespace rn ON rn.oid = "         \
             "r.relnamespace "                                                                                         \
             "WHERE p.pubname = $1 ORDER BY e.kind, e.of"
#define SCHEMAS                                                                                                        \
    " UNION ALL SELECT 's', s.pnpubid, s.pnnspid, s.oid, t.oid, s.xmin FROM pg_publication_namespace s JOIN pg_class " \
    "t ON "                                                                                                            \
    "t.relnamespace = s.pnnspid AND t.relkind IN ('r', 'p') AND t.relpersistence = 'p'"

/* With the partitioned tables in them, whose partitions are published wherever they are: one that is in another schema for a while, and is
 * back, has another row of where it is. */
#define WHOLE_SCHEMAS                                                                                                  \
    ", (SELECT concat(count(*), ' ', sum(hashtext(s::text)::bigint)) FROM pg_publication_namespace s WHERE s.pnpubid " \
    "= p.oid), (SELECT concat(count(*), ' ', sum(hashtext(concat(d.objid, ' ', d.xmin))::bigint)) FROM "               \
    "pg_publication_namespace s JOIN pg_class c ON c.relnamespace = s.pnnspid AND c.relkind = 'p' JOIN pg_depend d "   \
    "ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.refclassid = "                   \
    "'pg_namespace'::regclass WHERE s.pnpubid = p.oid)"
/* A walsender keeps what it has found out of a table until the publication is altered. Before 15 that is by what it is published, and
 * under which name its changes come:
 *      INSERT INTO q; ALTER TABLE p ATTACH PARTITION q ...; UPDATE q          is in no line, since q was not published
 * so it counts what makes tables partitions. Before 16 it is the name of the schema, so that count, of those that have such tables:
 *      INSERT INTO s.t; ALTER SCHEMA s RENAME TO x; INSERT INTO x.t           comes as a change of s.t */
#define LINKS_BEFORE_15                                                                                                \
    ", (SELECT concat(count(*), ' ', sum(hashtext(concat(i.inhrelid, ' ', i.inhparent, ' ', i.xmin))::bigint)) FROM "  \
    "pg_inherits i JOIN pg_class l ON l.oid = i.inhparent AND l.relkind = 'p')"
#define NAMES_BEFORE_16(by_schema)                                                                                     \
    ", (SELECT sum(hashtext(concat(sn.oid, ' ', sn.nspname))::bigint) FROM pg_namespace sn WHERE sn.nspname !~ "       \
    "'^pg_' AND sn.oid IN (SELECT l.relnamespace FROM pg_class l WHERE l.relkind IN ('r', 'p') AND "                   \
    "(p.puballtables OR l.relispartition OR l.oid IN (SELECT lr.prrelid FROM pg_publication_rel lr WHERE "             \
    "lr.prpubid = p.oid))" by_schema "))"
#define NAME_BY_SCHEMA " UNION ALL SELECT ls.pnnspid FROM pg_publication_namespace ls WHERE ls.pnpubid = p.oid"
#define SINCE_18 ", p.pubgencols"
/* Each partition that comes under the name of a partitioned table with publish_via_partition_root, and under its own without. */
#define PARTITIONS_SQL(schemas)                                                                                        \
    "SELECT rn.nspname AS root_schema, r.relname AS root, n.nspname AS schema, c.relname AS name FROM "                \
    "pg_publication p JOIN pg_class r ON r.relkind = 'p' AND r.relpersistence = 'p' AND (p.puballtables OR r.oid IN "  \
    "(SELECT prrelid FROM pg_publication_rel WHERE prpubid = p.oid)" schemas ") JOIN pg_namespace rn ON rn.oid = "     \
    "r.relnamespace CROSS JOIN pg_partition_tree(r.oid) t JOIN pg_class c ON c.oid = t.relid AND t.isleaf AND "        \
    "c.oid <> r.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = $1 ORDER BY 1, 2, 3, 4"
#define OF_SCHEMAS " OR r.relnamespace IN (SELECT pnnspid FROM pg_publication_namespace WHERE pnpubid = p.oid)"

struct question {
    const struct pg_settings *settings;
    const struct cdc_log *log;
    const struct members *before;
    struct members now;
    struct cdc_buf found; /* the first that was out of the publication, in words; NUL-terminated */
    bool renames;         /* what was found is another name for what changes */
    bool narrowed;        /* what was found shows: it publishes less than before, or in another way */
};

static bool is_selected(struct pg_answer *row, const struct pg_settings *settings)
{
    const char *root = pg_answer_text_or_null(row, "root"), *root_schema = pg_answer_text_or_null(row, "root_schema");
    return cdc_selection_has_table(&settings->selection, pg_answer_text(row, "schema"), pg_answer_text(row, "name")) ||
           (root && root_schema && cdc_selection_has_table(&settings->selection, root_schema, root));
}

/* Without publish_via_partition_root a partitioned table stands for its partitions, of which some may be selected. */
static bool is_meant(struct pg_answer *row, const struct pg_settings *settings)
{
    return is_selected(row, settings) || (pg_answer_true(row, "partitioned") && !pg_answer_true(row, "via_root"));
}

static void take_other(struct question *question, struct pg_answer *row, char kind)
{
    if (question->found.len > 0)
        return;
    cdc_buf_text(&question->found, kind == 's' ? "schema " : "table ");
    if (kind == 's')
        pg_query_identifier(&question->found, pg_answer_text(row, "schema"));
    else
        pg_query_table(&question->found, pg_answer_text(row, "schema"), pg_answer_text(row, "name"));
    cdc_buf_printf(&question->found, " was taken out of publication \"%s\", and added again",
                   question->settings->publication);
    cdc_buf_byte(&question->found, '\0');
}

/* The table, or the first one of the schema. What was published when it was made has no rows of before. */
static void tell_new(const struct question *question, struct pg_answer *row, char kind)
{
    struct cdc_buf table = CDC_BUF_INIT;
    if (!question->log || question->before->publication == 0 || pg_answer_true(row, "made_with"))
        return;
    if (kind == 's')
        pg_query_identifier(&table, pg_answer_text(row, "schema"));
    else
        pg_query_table(&table, pg_answer_text(row, "schema"), pg_answer_text(row, "name"));
    cdc_buf_byte(&table, '\0');
    cdc_log_write(question->log, CDC_LOG_WARNING,
                  "%s %s was not in publication \"%s\" before, or not selected: rows that %s are in no line, "
                  "and a copy lacks them; if there are any, take a new snapshot",
                  kind == 's' ? "schema" : "table", table.failed ? "" : table.data, question->settings->publication,
                  kind == 's' ? "its tables had" : "it had");
    cdc_buf_free(&table);
}

static int take_member(struct question *question, struct pg_answer *row, struct cdc_error *error)
{
    const char *kind = pg_answer_text_or_null(row, "kind");
    if (!kind || !is_meant(row, question->settings))
        return 0;
    struct member member = {*kind, (uint32_t)pg_answer_int(row, "of"), (uint32_t)pg_answer_int(row, "row")};
    struct members *now = &question->now;
    if (now->n > 0 && compare(&now->items[now->n - 1], &member) == 0)
        return 0; /* another table of that schema */
    const struct member *before = find(question->before, &member);
    if (before && before->row != member.row)
        take_other(question, row, member.kind);
    if (!before)
        tell_new(question, row, member.kind);
    return add(now, member, error);
}

static void take_publication(struct question *question, struct pg_answer *row)
{
    struct members *now = &question->now;
    const struct members *before = question->before;
    now->publication = (uint32_t)pg_answer_int(row, "publication");
    snprintf(now->row, sizeof now->row, "%s", pg_answer_text(row, "written"));
    snprintf(now->is, sizeof now->is, "%s", pg_answer_text(row, "is"));
    snprintf(now->whole, sizeof now->whole, "%s", pg_answer_text(row, "whole"));
    now->next = (uint64_t)pg_answer_int(row, "newest");
    now->next += 3 + (uint32_t)pg_answer_int(row, "ids") - (uint32_t)now->next;
    if (before->publication == 0 || now->publication == 0)
        return;
    if (before->publication != now->publication)
        cdc_buf_printf(&question->found, "publication \"%s\" was dropped, and made again",
                       question->settings->publication);
    if (question->found.len > 0)
        cdc_buf_byte(&question->found, '\0');
}

static const char what[] = "cannot look at the publication's tables";

/* The words of `is`, from 0; all but the first are t or f, or a letter. */
enum { OWNER, FIRST_OPERATION = 2, LAST_OPERATION = 5, VIA_ROOT };
static struct cdc_span word_of(const struct members *members, int index)
{
    const char *at = members->is;
    for (; index > 0 && *at; index--) {
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    return cdc_span(at, strcspn(at, " "));
}

/* Example: a copy has a table orders, of rows that came under that name. From now on their changes come as those of orders_2026
 * and orders_2027, and leave it as it is. */
static int find_renamed(struct question *question, PGconn *sql, struct cdc_error *error)
{
    struct cdc_span before = word_of(question->before, VIA_ROOT), now = word_of(&question->now, VIA_ROOT);
    if (question->found.len > 0 || before.n == 0 || now.n == 0 || cdc_span_equal(before, now))
        return 0;
    PGresult *result =
        pg_query_rows(sql, PQserverVersion(sql) >= 150000 ? PARTITIONS_SQL(OF_SCHEMAS) : PARTITIONS_SQL(""), 1,
                      (const char *const[]){question->settings->publication}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    for (; row.row < PQntuples(result) && question->found.len == 0; row.row++) {
        if (!is_selected(&row, question->settings))
            continue;
        question->renames = true;
        cdc_buf_printf(&question->found, "publication \"%s\" was altered (publish_via_partition_root): changes of ",
                       question->settings->publication);
        pg_query_table(&question->found, pg_answer_text(&row, "root_schema"), pg_answer_text(&row, "root"));
        cdc_buf_text(&question->found,
                     *now.p == 't' ? " come under that name" : " come under the names of its partitions");
        cdc_buf_byte(&question->found, '\0');
    }
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

/* Does it differ in what it publishes, and has nothing of it been left out before? */
static bool is_narrowed(const struct members *before, const struct members *now)
{
    bool broader = false;
    for (int i = FIRST_OPERATION; i <= LAST_OPERATION; i++)
        broader |= cdc_span_is(word_of(before, i), "f") && cdc_span_is(word_of(now, i), "t");
    return !broader && strcmp(before->is, now->is) != 0 && cdc_span_equal(word_of(before, OWNER), word_of(now, OWNER));
}

/* Whatever it was altered to last, it may have published less in between. Who has it publish less from now on knows that; what it
 * does not publish is said elsewhere (gaps.h). */
static void find_altered(struct question *question)
{
    const struct members *now = &question->now, *before = question->before;
    if (question->found.len > 0 || before->publication == 0 || now->publication == 0 ||
        strcmp(before->row, now->row) == 0)
        return;
    question->narrowed = is_narrowed(before, now);
    cdc_buf_printf(&question->found, "publication \"%s\" was altered%s: it may have been another one meanwhile",
                   question->settings->publication, strcmp(before->is, now->is) == 0 ? " to what it was before" : "");
    cdc_buf_byte(&question->found, '\0');
}

static const char *members_sql(PGconn *sql)
{
    int version = PQserverVersion(sql);
    return version >= 180000   ? MEMBERS_SQL(SCHEMAS, WHOLE_SCHEMAS, SINCE_18)
           : version >= 160000 ? MEMBERS_SQL(SCHEMAS, WHOLE_SCHEMAS, "")
           : version >= 150000 ? MEMBERS_SQL(SCHEMAS, WHOLE_SCHEMAS NAMES_BEFORE_16(NAME_BY_SCHEMA), "")
                               : MEMBERS_SQL("", LINKS_BEFORE_15 NAMES_BEFORE_16(""), "");
}

static int ask(struct question *question, PGconn *sql, struct cdc_error *error)
{
    PGresult *result =
        pg_query_rows(sql, members_sql(sql), 1, (const char *const[]){question->settings->publication}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int status = 0;
    if (PQntuples(result) > 0)
        take_publication(question, &row);
    /* A table that is dropped while we ask has no name. */
    for (; status == 0 && row.row < PQntuples(result); row.row++)
        if (pg_answer_text_or_null(&row, "name"))
            status = take_member(question, &row, error);
    PQclear(result);
    if (status < 0 || pg_answer_good(&row, what, error) < 0)
        return -1;
    if (find_renamed(question, sql, error) < 0)
        return -1;
    find_altered(question);
    return 0;
}

static int judge(const struct question *question, const struct cdc_log *log, struct cdc_error *error)
{
    const char *meaning = question->renames ? "a copy keeps the rows of before under the other name"
                                            : "what changed meanwhile was not seen";
    if (question->found.len == 0 || !log)
        return 0;
    if (question->settings->allow_republished || question->narrowed) {
        cdc_log_write(log, CDC_LOG_WARNING, "%s: %s", question->found.data, meaning);
        return 0;
    }
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", question->found.data, meaning);
    return cdc_error_hint(
        error,
        "take a new snapshot (run pg-cdc --drop, remove the offset files of the pipeline and the copies, and "
        "begin with cdc-snapshot); or, %s, give --allow-republished once",
        question->renames ? "if that is meant" : "if nothing changed meanwhile (it was one transaction)");
}

void pg_members_free(struct pg_members *members)
{
    cdc_buf_free(&members->json);
    pg_ways_clear(&members->ways);
}

/* -- transactions that were open while it was altered -- */

/* What a run before knew of them. */
static void take_open(struct pg_members *members, struct cdc_span before)
{
    char sure[24] = "";
    int64_t since = 0;
    if (members->json.data || !before.p || cdc_json_type(before) != CDC_JSON_OBJECT)
        return;
    members->open = cdc_json_member_copy(before, "open", members->bound, sizeof members->bound);
    if (cdc_json_member_copy(before, "sure_from", sure, sizeof sure))
        (void)pg_lsn_parse(sure, &members->sure_from);
    if (cdc_json_int64(cdc_json_member(before, "since"), &since) && since > 0)
        members->since = (uint64_t)since;
}

static void note_altered(struct pg_members *members, const struct members *before, const struct members *now,
                         bool keeps_tables)
{
    bool known = before->publication != 0 && before->whole[0] != '\0';
    bool same = known && before->publication == now->publication && strcmp(before->whole, now->whole) == 0;
    members->next = now->next;
    members->keeps_tables = keeps_tables;
    if (!same || members->since == 0)
        members->since = now->next;
    if (!known || same)
        return;
    members->open = true;
    members->bound[0] = '\0';
}

void pg_members_append(struct cdc_buf *out, const struct pg_members *members)
{
    char sure[24];
    cdc_buf_text(out, members->json.data);
    if (out->failed)
        return;
    out->len--; /* the brace */
    if (members->open)
        cdc_buf_printf(out, ",\"open\":\"%s\"", members->bound);
    pg_lsn_format(sure, members->sure_from);
    if (members->sure_from != 0)
        cdc_buf_printf(out, ",\"sure_from\":\"%s\"", sure);
    cdc_buf_printf(out, ",\"since\":%llu", (unsigned long long)members->since);
    if (members->ways.n > 0) {
        cdc_buf_lit(out, ",\"ways\":\"");
        pg_ways_append(out, &members->ways);
        cdc_buf_byte(out, '"');
    }
    cdc_buf_byte(out, '}');
}

/* The id of a new transaction is greater than those of all that are open; xmax of a snapshot may not be (snapshot/begin.c). */
static int take_bound(struct pg_members *members, PGconn *sql, struct cdc_error *error)
{
    static const char bound[] = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_snapshot_xmax(pg_current_snapshot()) "
                                "ELSE pg_current_xact_id() END AS bound";
    PGresult *result = pg_query_rows(sql, bound, 0, NULL, "cannot ask for the newest transaction", error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    snprintf(members->bound, sizeof members->bound, "%s", pg_answer_text(&row, "bound"));
    PQclear(result);
    return pg_answer_good(&row, "cannot ask for the newest transaction", error);
}

int pg_members_settle(struct pg_members *members, PGconn *sql, struct cdc_error *error)
{
    static const char question[] = "cannot ask for open transactions";
    if (!members->open)
        return 0;
    if (members->bound[0] == '\0')
        return take_bound(members, sql, error) < 0 ? -1 : 1;
    PGresult *result = pg_query_rows(
        sql,
        "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8 AS over, CASE WHEN pg_is_in_recovery() THEN "
        "pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS lsn",
        1, (const char *const[]){members->bound}, question, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    bool over = pg_answer_true(&row, "over");
    uint64_t lsn = pg_answer_lsn(&row, "lsn");
    PQclear(result);
    if (pg_answer_good(&row, question, error) < 0)
        return -1;
    members->open = !over;
    members->sure_from = over ? lsn : members->sure_from;
    return over;
}

bool pg_members_doubt(const struct pg_members *members, uint64_t lsn)
{
    return members->open || lsn < members->sure_from;
}

bool pg_members_began_since(const struct pg_members *members, uint32_t xid)
{
    uint64_t id = members->next - (uint32_t)((uint32_t)members->next - xid);
    return members->json.data && id >= members->since;
}

/* Of the look before in this run, or of a run before. Where the publication is another one, what it was made of is no matter any
 * more. */
static int look_at_ways(struct question *question, PGconn *sql, const struct pg_members *members,
                        struct cdc_span before, struct pg_ways *ways, struct cdc_error *error)
{
    struct pg_ways parsed = {0};
    const struct pg_ways *seen = members->json.data ? &members->ways : &parsed;
    bool same = question->before->publication == question->now.publication;
    int status = same && !members->json.data ? pg_ways_parse(&parsed, before, error) : 0;
    if (status == 0)
        status =
            pg_ways_look(ways, same ? seen : &(struct pg_ways){0}, sql, question->settings, &question->found, error);
    pg_ways_clear(&parsed);
    return status;
}

int pg_members_update(struct pg_members *members, PGconn *sql, const struct pg_settings *settings,
                      struct cdc_span before, const struct cdc_log *log, struct cdc_error *error)
{
    struct members seen = {0};
    struct pg_ways ways = {0};
    struct question question = {.settings = settings, .log = log, .before = &seen};
    struct cdc_buf json = CDC_BUF_INIT;
    int status = parse(&seen, before, error);
    if (status == 0)
        status = ask(&question, sql, error);
    if (status == 0 && log)
        status = look_at_ways(&question, sql, members, before, &ways, error);
    if (status == 0 && question.now.publication != 0)
        append(&json, &question.now, &seen);
    if (status == 0 && (json.failed || question.found.failed))
        status = cdc_error_memory(error);
    if (status == 0)
        status = judge(&question, log, error);
    if (status == 0 && json.data) {
        take_open(members, before);
        note_altered(members, &seen, &question.now, PQserverVersion(sql) < 160000);
        pg_members_free(members);
        members->json = json;
        members->ways = ways;
    } else {
        cdc_buf_free(&json);
        pg_ways_clear(&ways);
    }
    cdc_buf_free(&question.found);
    clear(&question.now);
    clear(&seen);
    return status;
}
