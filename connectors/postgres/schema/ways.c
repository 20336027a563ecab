/* SPDX-License-Identifier: MIT */
/* By what each selected table is published, and under which name its changes come. */
#include "connectors/postgres/schema/ways.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/schema/internal.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pg_ways_clear(struct pg_ways *ways)
{
    free(ways->items);
    *ways = (struct pg_ways){0};
}

static int compare(const void *left, const void *right)
{
    const struct pg_way *a = left, *b = right;
    return a->table < b->table ? -1 : a->table > b->table;
}

static int add(struct pg_ways *ways, struct pg_way way, struct cdc_error *error)
{
    if (ways->n == ways->capacity) {
        size_t capacity = ways->capacity ? ways->capacity * 2 : 16;
        struct pg_way *items = realloc(ways->items, capacity * sizeof *items);
        if (!items)
            return cdc_error_memory(error);
        ways->items = items;
        ways->capacity = capacity;
    }
    ways->items[ways->n++] = way;
    return 0;
}

static void sort(struct pg_ways *ways)
{
    if (ways->n > 0)
        qsort(ways->items, ways->n, sizeof *ways->items, compare);
}

static const struct pg_way *find(const struct pg_ways *ways, uint32_t table)
{
    const struct pg_way key = {.table = table};
    return ways->n == 0 ? NULL : bsearch(&key, ways->items, ways->n, sizeof key, compare);
}

const struct pg_way *pg_ways_find(const struct pg_ways *ways, uint32_t table, uint64_t lsn)
{
    const struct pg_way *way = find(ways, table);
    return way && lsn >= way->since ? way : NULL;
}

#define TOLD UINT64_MAX

void pg_ways_tell(struct pg_ways *ways, uint32_t table)
{
    for (size_t i = 0; i < ways->n; i++)
        if (ways->items[i].table == table)
            ways->items[i].since = TOLD;
}

/* -- as JSON -- */

int pg_ways_parse(struct pg_ways *ways, struct cdc_span publication, struct cdc_error *error)
{
    char *text = publication.p ? cdc_json_member_text(publication, "ways") : NULL;
    int status = 0, n = 0;
    struct pg_way way = {0};
    for (const char *at = text; at && status == 0 &&
                                sscanf(at, " %" SCNu32 ":%" SCNu32 ":%" SCNu32 ":%" SCNu64 "%n", &way.table,
                                       &way.target, &way.hash, &way.since, &n) == 4;) {
        at += n;
        way.gone = strncmp(at, ":gone", 5) == 0;
        at += way.gone ? 5 : 0;
        status = add(ways, way, error);
    }
    free(text);
    sort(ways);
    return status;
}

void pg_ways_append(struct cdc_buf *out, const struct pg_ways *ways)
{
    for (size_t i = 0; i < ways->n; i++) {
        const struct pg_way *way = &ways->items[i];
        cdc_buf_printf(out, "%s%" PRIu32 ":%" PRIu32 ":%" PRIu32 ":%" PRIu64 "%s", i > 0 ? " " : "", way->table,
                       way->target, way->hash, way->since, way->gone ? ":gone" : "");
    }
}

/* -- as the catalogs have them -- */

/* g: what publishes c, itself or a table above it; with publish_via_partition_root the topmost one, whose name its changes bear.
 * way: the rows that make c a partition of it, and the one that says in which schema it is, where it is published with that. */
#define WAYS_SQL(by_schema)                                                                                            \
    "SELECT c.oid::text::int8 AS table_oid, (CASE WHEN p.pubviaroot THEN g.relid ELSE c.oid END)::text::int8 AS "      \
    "target, n.nspname AS schema, c.relname AS name, CASE WHEN p.pubviaroot THEN g.nspname ELSE n.nspname END AS "     \
    "target_schema, CASE WHEN p.pubviaroot THEN g.relname ELSE c.relname END AS target_name, g.relid <> c.oid AS "     \
    "by_another, coalesce(hashtext(nullif(concat_ws(' ', (SELECT string_agg(i.xmin::text, ' ' ORDER BY a.up) FROM "    \
    "pg_partition_ancestors(c.oid) WITH ORDINALITY a(relid, up) JOIN pg_inherits i ON i.inhrelid = a.relid WHERE "     \
    "a.up < g.up), CASE WHEN NOT p.puballtables AND NOT g.listed THEN " PG_SPACE_OF(                                   \
        "g.relid") " END), ''))::int8 & 4294967295, 0) AS way, CASE WHEN pg_is_in_recovery() THEN "                    \
                   "pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS lsn FROM pg_publication p CROSS " \
                   "JOIN pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL (SELECT "         \
                   "x.relid, x.up, xc.relname, xn.nspname, EXISTS (SELECT FROM pg_publication_rel r WHERE "            \
                   "r.prpubid = p.oid AND r.prrelid = x.relid) AS listed FROM (SELECT c.oid AS relid, 1::bigint AS "   \
                   "up UNION SELECT a.relid, a.up FROM pg_partition_ancestors(c.oid) WITH ORDINALITY a(relid, up)) x " \
                   "JOIN pg_class xc ON xc.oid = x.relid JOIN pg_namespace xn ON xn.oid = xc.relnamespace WHERE "      \
                   "p.puballtables OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND "           \
                   "r.prrelid = x.relid)" by_schema " ORDER BY CASE WHEN p.pubviaroot THEN -x.up ELSE x.up END LIMIT " \
                   "1) g WHERE p.pubname = $1 AND c.relpersistence = 'p' AND c.oid >= 16384 AND (c.relkind = 'r' OR "  \
                   "(c.relkind = 'p' AND p.pubviaroot AND g.relid = c.oid))"
#define BY_SCHEMA                                                                                                      \
    " OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = xc.relnamespace)"

static void say_away(struct cdc_buf *found, struct pg_answer *row)
{
    cdc_buf_text(found, "table ");
    pg_query_table(found, pg_answer_text(row, "schema"), pg_answer_text(row, "name"));
    cdc_buf_text(found, pg_answer_true(row, "by_another")
                            ? " was detached from a partitioned table by which it is published, or that one was in "
                              "another schema, and it is back"
                            : " was in another schema than the one that is published, and is back");
    cdc_buf_byte(found, '\0');
}

static int take(struct pg_ways *ways, const struct pg_ways *before, struct pg_answer *row, struct cdc_buf *found,
                struct cdc_error *error)
{
    struct pg_way way = {.table = (uint32_t)pg_answer_int(row, "table_oid"),
                         .target = (uint32_t)pg_answer_int(row, "target"),
                         .hash = (uint32_t)pg_answer_int(row, "way"),
                         .since = pg_answer_lsn(row, "lsn")};
    const struct pg_way *old = find(before, way.table);
    if (old && old->target == way.target) {
        way.since = old->since == TOLD ? way.since : old->since;
        if (old->hash != 0 && way.hash != 0 && old->hash != way.hash && found->len == 0)
            say_away(found, row);
    }
    return add(ways, way, error);
}

static int take_gone(struct pg_ways *ways, const struct pg_ways *before, struct cdc_error *error)
{
    size_t n = ways->n;
    for (size_t i = 0; i < before->n; i++) {
        const struct pg_ways there = {.items = ways->items, .n = n};
        struct pg_way way = before->items[i];
        way.gone = true;
        if (!find(&there, way.table) && add(ways, way, error) < 0)
            return -1;
    }
    sort(ways);
    return 0;
}

int pg_ways_look(struct pg_ways *ways, const struct pg_ways *before, PGconn *sql, const struct pg_settings *settings,
                 struct cdc_buf *found, struct cdc_error *error)
{
    static const char what[] = "cannot look at what the publication's tables are in";
    PGresult *result = pg_query_rows(sql, PQserverVersion(sql) >= 150000 ? WAYS_SQL(BY_SCHEMA) : WAYS_SQL(""), 1,
                                     (const char *const[]){settings->publication}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int status = 0;
    for (; status == 0 && row.row < PQntuples(result); row.row++)
        if (cdc_selection_has_table(&settings->selection, pg_answer_text(&row, "target_schema"),
                                    pg_answer_text(&row, "target_name")))
            status = take(ways, before, &row, found, error);
    PQclear(result);
    if (status < 0 || pg_answer_good(&row, what, error) < 0)
        return -1;
    sort(ways);
    return take_gone(ways, before, error);
}
