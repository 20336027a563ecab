/* SPDX-License-Identifier: MIT */
/* The form of each table that is read, as it was seen last. */
#include "connectors/postgres/schema/shapes.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/pgoutput/visible.h"
#include "connectors/postgres/schema/internal.h"
#include "connectors/postgres/schema/judge.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/stale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 1000 /* with a partition that somebody holds locked */

static const char what[] = "cannot look at the tables' form";

/* -- the list -- */

static void shape_free(struct pg_shape *shape)
{
    free(shape->schema);
    free(shape->name);
    free(shape->is);
    free(shape->was);
}

void pg_shapes_clear(struct pg_shapes *shapes)
{
    for (size_t i = 0; i < shapes->n; i++)
        shape_free(&shapes->items[i]);
    free(shapes->items);
    free(shapes->publication);
    free(shapes->xids);
    *shapes = (struct pg_shapes){.items = NULL};
}

static int compare(const struct pg_shape *shape, const char *schema, const char *name)
{
    int order = strcmp(shape->schema, schema);
    return order ? order : strcmp(shape->name, name);
}

/* Its place, or where it would be. */
static size_t place_of(const struct pg_shapes *shapes, const char *schema, const char *name, bool *there)
{
    size_t low = 0, high = shapes->n;
    *there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&shapes->items[middle], schema, name);
        *there |= order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct pg_shape *find(const struct pg_shapes *shapes, const char *schema, const char *name)
{
    bool there;
    size_t place = place_of(shapes, schema, name, &there);
    return there ? &shapes->items[place] : NULL;
}

/* The one of that name, which may be new. NULL without memory. */
static struct pg_shape *ensure(struct pg_shapes *shapes, const char *schema, const char *name, struct cdc_error *error)
{
    bool there;
    size_t place = place_of(shapes, schema, name, &there);
    if (there)
        return &shapes->items[place];
    if (shapes->n == shapes->capacity) {
        size_t capacity = shapes->capacity ? shapes->capacity * 2 : 16;
        struct pg_shape *items = realloc(shapes->items, capacity * sizeof *items);
        if (!items) {
            cdc_error_memory(error);
            return NULL;
        }
        shapes->items = items;
        shapes->capacity = capacity;
    }
    struct pg_shape shape = {.schema = strdup(schema), .name = strdup(name)};
    if (!shape.schema || !shape.name) {
        shape_free(&shape);
        cdc_error_memory(error);
        return NULL;
    }
    memmove(&shapes->items[place + 1], &shapes->items[place], (shapes->n++ - place) * sizeof shape);
    shapes->items[place] = shape;
    return &shapes->items[place];
}

/* is {NULL, 0}: it has left. */
static int set(struct pg_shape *shape, struct cdc_span is, uint64_t at, bool own, struct cdc_error *error)
{
    int64_t oid = 0;
    char *copy = is.p ? cdc_span_copy(is) : NULL;
    if (is.p && !copy)
        return cdc_error_memory(error);
    free(shape->is);
    free(shape->was);
    shape->is = copy;
    shape->was = NULL;
    shape->oid = is.p && cdc_json_int64(cdc_json_member(is, "oid"), &oid) ? (uint32_t)oid : 0;
    shape->at = at;
    shape->own = own;
    return 0;
}

/* The same of one whose changes since it was seen last are lines: those may still have its form of before. was {NULL, 0}: it is
 * new, and all its rows are to come. */
static int set_followed(struct pg_shape *shape, struct cdc_span was, struct cdc_span is, uint64_t at,
                        struct cdc_error *error)
{
    char *copy = was.p ? cdc_span_copy(was) : strdup("{}");
    if (!copy)
        return cdc_error_memory(error);
    if (set(shape, is, at, true, error) < 0) {
        free(copy);
        return -1;
    }
    shape->was = copy;
    return 0;
}

static int set_text(char **target, const char *text, struct cdc_error *error)
{
    char *copy = strdup(text);
    if (!copy)
        return cdc_error_memory(error);
    free(*target);
    *target = copy;
    return 0;
}

/* -- as JSON -- */

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"shapes\" of the pipeline's state is damaged");
}

static bool lsn_of(struct cdc_span object, const char *name, uint64_t *lsn)
{
    char text[24];
    return cdc_json_member_copy(object, name, text, sizeof text) && pg_lsn_parse(text, lsn);
}

static int read_table(struct pg_shapes *shapes, struct cdc_span item, bool own, struct cdc_error *error)
{
    struct cdc_span is = cdc_json_member(item, "is"), was = cdc_json_member(item, "was");
    uint64_t at = 0;
    char *schema = cdc_json_member_text(item, "schema"), *name = cdc_json_member_text(item, "table");
    int result = 0;
    if (!schema || !name || !lsn_of(item, "at", &at) || (is.p && cdc_json_type(is) != CDC_JSON_OBJECT) ||
        (was.p && (!is.p || cdc_json_type(was) != CDC_JSON_OBJECT)))
        result = damaged(error);
    struct pg_shape *known = result == 0 ? find(shapes, schema, name) : NULL;
    if (result == 0 && (!known || known->at <= at)) {
        struct pg_shape *shape = ensure(shapes, schema, name, error);
        result = !shape ? -1 : was.p ? set_followed(shape, was, is, at, error) : set(shape, is, at, own, error);
    }
    free(schema);
    free(name);
    return result;
}

static int read_list(struct pg_shapes *shapes, struct cdc_span object, bool own, struct cdc_error *error)
{
    struct cdc_json_iter tables;
    struct cdc_span item;
    uint64_t at = 0;
    if (!object.p || cdc_json_is_null(object))
        return 0;
    char *publication = cdc_json_member_text(object, "publication"), *xids = cdc_json_member_text(object, "xids");
    if (!publication || !xids || !lsn_of(object, "at", &at)) {
        free(publication);
        free(xids);
        return damaged(error);
    }
    if (!shapes->known || shapes->at <= at) {
        free(shapes->publication);
        free(shapes->xids);
        shapes->publication = publication;
        shapes->xids = xids;
        shapes->at = at;
        shapes->own = own;
    } else {
        free(publication);
        free(xids);
    }
    shapes->known = true;
    cdc_json_iter_begin(&tables, cdc_json_member(object, "tables"));
    while (cdc_json_next_element(&tables, &item))
        if (read_table(shapes, item, own, error) < 0)
            return -1;
    return 0;
}

int pg_shapes_read(struct pg_shapes *shapes, struct cdc_span snapshot, struct cdc_span stream, struct cdc_error *error)
{
    pg_shapes_clear(shapes);
    if (read_list(shapes, snapshot, false, error) == 0 && read_list(shapes, stream, true, error) == 0)
        return 0;
    pg_shapes_clear(shapes);
    return -1;
}

static void append_text(struct cdc_buf *out, const char *text)
{
    cdc_json_append_text(out, text, strlen(text));
}

static void append_lsn(struct cdc_buf *out, uint64_t lsn)
{
    char text[24];
    pg_lsn_format(text, lsn);
    cdc_buf_printf(out, ",\"at\":\"%s\"", text);
}

void pg_shapes_append(struct cdc_buf *out, const struct pg_shapes *shapes, bool all)
{
    bool any = false;
    cdc_buf_lit(out, "{\"publication\":");
    append_text(out, shapes->publication ? shapes->publication : "");
    cdc_buf_lit(out, ",\"xids\":");
    append_text(out, shapes->xids ? shapes->xids : "");
    append_lsn(out, shapes->at);
    cdc_buf_lit(out, ",\"tables\":[");
    for (size_t i = 0; i < shapes->n; i++) {
        const struct pg_shape *shape = &shapes->items[i];
        if (!all && !shape->own)
            continue;
        cdc_buf_text(out, any ? ",{\"schema\":" : "{\"schema\":");
        any = true;
        append_text(out, shape->schema);
        cdc_buf_lit(out, ",\"table\":");
        append_text(out, shape->name);
        append_lsn(out, shape->at);
        cdc_buf_text(out, shape->is ? ",\"is\":" : "");
        cdc_buf_text(out, shape->is ? shape->is : "");
        cdc_buf_text(out, shape->was ? ",\"was\":" : "");
        cdc_buf_text(out, shape->was ? shape->was : "");
        cdc_buf_byte(out, '}');
    }
    cdc_buf_lit(out, "]}");
}

/* -- as the catalogs have them -- */

/* A row of the publication for each of the tables $2, or one without a table. made: the transaction that made it, since the rows
 * of the system's columns are never written again. What makes a table part of the publication (by): its own row, one of a table
 * above it, one of a schema, or 0 where it is for all tables. as_named: no command after the one that made it (they are numbered in
 * a transaction) gave it another name. dropped: the columns that are there no more, and the transactions that dropped them. */
#define NUMBER(value) value "::text::int8"
#define PARTS_OF_C                                                                                                     \
    "(WITH RECURSIVE h AS (SELECT i.inhrelid, i.xmin AS by FROM pg_inherits i WHERE i.inhparent = c.oid AND NOT "      \
    "i.inhdetachpending UNION ALL SELECT i.inhrelid, i.xmin FROM h JOIN pg_inherits i ON i.inhparent = h.inhrelid "    \
    "WHERE NOT i.inhdetachpending) SELECT h.inhrelid, h.by, l.relfilenode AS file FROM h JOIN pg_class l ON l.oid = "  \
    "h.inhrelid)"
#define KEY_OF_C                                                                                                       \
    "(SELECT json_agg(ka.attname ORDER BY ka.attnum) FROM pg_index ki JOIN pg_attribute ka ON ka.attrelid = "          \
    "ki.indrelid AND ka.attnum = ANY (" PG_INDEX_COLUMNS("ki") ") WHERE ki.indrelid = c.oid AND " PG_INDEX_COUNTS(     \
        "ki") " AND CASE c.relreplident WHEN 'i' THEN ki.indisreplident ELSE ki.indisprimary END)"
#define COLUMNS_OF_C(listed, generated)                                                                                \
    "(SELECT json_agg(json_build_array(a.attnum, a.attname, " NUMBER("a.atttypid") ", a.atttypmod, " NUMBER(           \
        "a.xmin") ", CASE WHEN c.relkind = 'p' THEN coalesce((SELECT max(la.atthasmissing::int) FROM " PARTS_OF_C      \
                  " lp JOIN pg_attribute la ON la.attrelid = lp.inhrelid AND la.attname = a.attname), 0) ELSE "        \
                  "a.atthasmissing::int END) ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND "     \
                  "a.attnum > 0 AND NOT a.attisdropped AND " listed " AND (a.attgenerated = '' OR " generated "))"
#define SHAPES_SQL(schemas, listed, generated, since_18)                                                                                                                        \
    "SELECT concat_ws(' ', p.oid, p.xmin, p.pubowner, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, "                                                                  \
    "p.pubtruncate, p.pubviaroot" since_18 ") AS publication, (SELECT pg_current_snapshot()::text) AS xids, "                                                                   \
    "(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END) AS "                                                             \
    "at, t.* FROM pg_publication p LEFT JOIN LATERAL (SELECT n.nspname AS schema, c.relname AS name, " NUMBER("c.oid") " AS oid, " NUMBER(                                      \
        "m.xmin") " AS made, " NUMBER("y.xmin") " AS named, coalesce(b.by, 0) AS by, "                                                                                          \
                                                "c.relispartition AS is_part, coalesce(y.cmin = m.cmin, false) AS "                                                             \
                                                "as_named, coalesce((SELECT "                                                                                                   \
                                                "json_agg(json_build_array(d.attnum, d.xmin::text::int8)) FROM "                                                                \
                                                "pg_attribute d WHERE d.attrelid = c.oid AND "                                                                                  \
                                                "d.attnum > 0 AND d.attisdropped), '[]')::text AS dropped, "                                                                    \
                                                "json_build_object('oid', " NUMBER("c.oid") ", 'file', " NUMBER("c."                                                            \
                                                                                                                "relf"                                                          \
                                                                                                                "ilen"                                                          \
                                                                                                                "ode") ", 'owner', " NUMBER("c.relowner") ", 'named', " NUMBER( \
                                                    "y.xmin") ", 'by', coalesce(b.oid, 0), 'key', " KEY_OF_C                                                                    \
                                                              ", 'cols', " COLUMNS_OF_C(                                                                                        \
                                                                  listed,                                                                                                       \
                                                                  generated) ", 'parts', CASE WHEN c.relkind = 'p' "                                                            \
                                                                             "THEN (SELECT "                                                                                    \
                                                                             "json_agg(json_build_array(" NUMBER("t."                                                           \
                                                                                                                 "inh"                                                          \
                                                                                                                 "rel"                                                          \
                                                                                                                 "id") ", " NUMBER("t.file") ", " NUMBER(                       \
                                                                                 "t.by") ") ORDER BY "                                                                          \
                                                                                         "t.inhrelid) "                                                                         \
                                                                                         "FROM " PARTS_OF_C                                                                     \
                                                                                         " t) END)::text AS is FROM "                                                           \
                                                                                         "pg_class c JOIN "                                                                     \
                                                                                         "pg_namespace n ON n.oid = "                                                           \
                                                                                         "c.relnamespace LEFT JOIN "                                                            \
                                                                                         "pg_type y ON y.oid = "                                                                \
                                                                                         "c.reltype LEFT JOIN "                                                                 \
                                                                                         "pg_attribute m ON "                                                                   \
                                                                                         "m.attrelid = c.oid AND "                                                              \
                                                                                         "m.attnum = -6 LEFT JOIN "                                                             \
                                                                                         "LATERAL (SELECT q.oid, "                                                              \
                                                                                         "q.by FROM (SELECT CASE "                                                              \
                                                                                         "WHEN r.prrelid = c.oid "                                                              \
                                                                                         "THEN 0 ELSE 1 END "                                                                   \
                                                                                         "AS rank, " NUMBER("r.oid") " AS oid, " NUMBER(                                        \
                                                                                             "r.xmin") " AS by FROM "                                                           \
                                                                                                       "pg_"                                                                    \
                                                                                                       "publication_"                                                           \
                                                                                                       "rel r WHERE "                                                           \
                                                                                                       "r.prpubid = "                                                           \
                                                                                                       "p.oid AND "                                                             \
                                                                                                       "(r.prrelid = "                                                          \
                                                                                                       "c.oid OR "                                                              \
                                                                                                       "(c."                                                                    \
                                                                                                       "relispartitio"                                                          \
                                                                                                       "n AND "                                                                 \
                                                                                                       "r.prrelid IN "                                                          \
                                                                                                       "(SELECT "                                                               \
                                                                                                       "relid FROM "                                                            \
                                                                                                       "pg_partition_"                                                          \
                                                                                                       "ancestors(c."                                                           \
                                                                                                       "oid)))"                                                                 \
                                                                                                       ")" schemas                                                              \
                                                                                                       ") q ORDER BY "                                                          \
                                                                                                       "q.rank, "                                                               \
                                                                                                       "q.oid LIMIT "                                                           \
                                                                                                       "1) b ON true "                                                          \
                                                                                                       "WHERE c.oid "                                                           \
                                                                                                       "= ANY "                                                                 \
                                                                                                       "($2::oid[])) "                                                          \
                                                                                                       "t ON true "                                                             \
                                                                                                       "WHERE "                                                                 \
                                                                                                       "p.pubname = "                                                           \
                                                                                                       "$1"
#define SCHEMAS                                                                                                        \
    " UNION ALL SELECT 2, " NUMBER("s.oid") ", " NUMBER(                                                               \
        "s.xmin") " FROM pg_publication_namespace s WHERE s.pnpubid "                                                  \
                  "= p.oid AND (s.pnnspid = c.relnamespace OR (c.relispartition AND s.pnnspid IN (SELECT "             \
                  "pc.relnamespace FROM "                                                                              \
                  "pg_partition_ancestors(c.oid) pa JOIN pg_class pc ON pc.oid = pa.relid)))"
#define LISTED                                                                                                         \
    "NOT EXISTS (SELECT 1 FROM pg_publication_rel pr WHERE pr.prpubid = p.oid AND pr.prrelid = c.oid AND a.attnum "    \
    "<> ALL (pr.prattrs::int2[]))"
#define GENERATED                                                                                                      \
    "(a.attgenerated = 's' AND (p.pubgencols = 's' OR EXISTS (SELECT 1 FROM pg_publication_rel pr WHERE pr.prpubid = " \
    "p.oid AND pr.prrelid = c.oid AND pr.prattrs IS NOT NULL)))"

static const char *shapes_sql(PGconn *sql)
{
    int version = PQserverVersion(sql);
    return version >= 180000   ? SHAPES_SQL(SCHEMAS, LISTED, GENERATED, ", p.pubgencols")
           : version >= 150000 ? SHAPES_SQL(SCHEMAS, LISTED, "false", "")
                               : SHAPES_SQL("", "true", "false", "");
}

/* Those under whose names changes come. */
static int append_oids(struct cdc_buf *out, const struct pg_settings *settings, const struct pg_catalog *catalog,
                       const struct cdc_stale *only, const char *database, struct cdc_error *error)
{
    char separator = '{';
    for (size_t i = 0; i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        if (!table->listed || !cdc_selection_has_table(&settings->selection, table->schema, table->name) ||
            (only && !cdc_stale_has(only, database, table->schema, table->name)))
            continue;
        cdc_buf_byte(out, separator);
        cdc_buf_u64(out, table->oid);
        separator = ',';
    }
    cdc_buf_text(out, separator == '{' ? "{}" : "}");
    cdc_buf_byte(out, '\0');
    return out->failed ? cdc_error_memory(error) : 0;
}

static PGresult *ask(PGconn *sql, const struct pg_settings *settings, const struct pg_catalog *catalog,
                     const struct cdc_stale *only, struct cdc_error *error)
{
    struct cdc_buf oids = CDC_BUF_INIT;
    PGresult *result = NULL;
    if (append_oids(&oids, settings, catalog, only, PQdb(sql), error) == 0)
        result = pg_query_rows(sql, shapes_sql(sql), 2, (const char *const[]){settings->publication, oids.data}, what,
                               error);
    cdc_buf_free(&oids);
    return result;
}

/* Compact, as it comes back from an offset file. Names that are no text in the database's encoding are refused where they are read
 * (table.c). */
static int form_of(struct pg_answer *row, struct cdc_buf *out, struct cdc_span *form, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    bool named = pg_answer_text_or_null(row, "name") && pg_answer_text_or_null(row, "schema");
    struct cdc_span is = cdc_span_text(named ? pg_answer_text(row, "is") : "");
    out->len = 0;
    if (cdc_json_validate(is.p, is.n, &ignored) == 0)
        cdc_json_append_compact(out, is);
    *form = out->len > 0 ? cdc_span(out->data, out->len) : (struct cdc_span){NULL, 0};
    return out->failed ? cdc_error_memory(error) : 0;
}

/* What the look itself says, besides the tables. */
static int take_look(struct pg_shapes *shapes, struct pg_answer *row, bool own, struct cdc_error *error)
{
    const char *publication = pg_answer_text(row, "publication"), *xids = pg_answer_text(row, "xids");
    uint64_t at = pg_answer_lsn(row, "at");
    if (pg_answer_good(row, what, error) < 0 || set_text(&shapes->publication, publication, error) < 0 ||
        set_text(&shapes->xids, xids, error) < 0)
        return -1;
    shapes->at = at;
    shapes->known = true;
    shapes->own = own;
    return 0;
}

/* Tables of `only` that are not there are none any more. */
static int forget_missing(struct pg_shapes *shapes, const struct cdc_stale *only, struct cdc_error *error)
{
    for (size_t i = 0; only && i < only->n; i++) {
        struct pg_shape *shape = ensure(shapes, only->tables[i].schema, only->tables[i].table, error);
        if (!shape || set(shape, (struct cdc_span){NULL, 0}, shapes->at, false, error) < 0)
            return -1;
    }
    return 0;
}

int pg_shapes_take(struct pg_shapes *shapes, PGconn *sql, const struct pg_settings *settings,
                   const struct pg_catalog *catalog, const struct cdc_stale *only, struct cdc_error *error)
{
    PGresult *result = ask(sql, settings, catalog, only, error);
    struct pg_answer row = {.result = result};
    struct cdc_buf form = CDC_BUF_INIT;
    int status = result ? 0 : -1;
    uint64_t at = 0;
    if (status == 0 && PQntuples(result) > 0) {
        at = pg_answer_lsn(&row, "at");
        /* Of a round the tables alone are new: what else there is was not looked at. */
        if (!only || !shapes->known)
            status = take_look(shapes, &row, false, error);
    }
    if (status == 0 && only && at > 0) {
        uint64_t before = shapes->at;
        shapes->at = at;
        status = forget_missing(shapes, only, error);
        shapes->at = before;
    }
    for (; status == 0 && row.row < PQntuples(result); row.row++) {
        struct cdc_span is;
        status = form_of(&row, &form, &is, error);
        if (status < 0 || !is.p)
            continue;
        struct pg_shape *shape = ensure(shapes, pg_answer_text(&row, "schema"), pg_answer_text(&row, "name"), error);
        status = shape ? set(shape, is, at, false, error) : -1;
    }
    cdc_buf_free(&form);
    PQclear(result);
    return status < 0 ? -1 : pg_answer_good(&row, what, error);
}

/* -- looking again -- */

struct looking {
    const struct pg_shapes_look *look;
    struct pg_shapes *shapes;
    struct pg_visible before; /* what had ended by the look before */
    const char *publication;  /* what was done to it, so that all tables are stale; NULL */
    uint64_t at;
    struct cdc_buf form;
};

static bool is_since(const struct looking *looking, int64_t xid)
{
    return !pg_visible_ended(&looking->before, (uint32_t)xid);
}

/* What the catalogs and the file say of a table now. */
struct birth {
    bool empty;      /* no row was ever written into its file */
    bool made_there; /* as a partition, by one statement */
    int64_t made;    /* by that transaction */
};

/* The row that attaches a partition is written by the statement that makes it, a moment (commands are numbered) after its
 * columns. 1; 0: it is gone again; -1 */
static int ask_birth(const struct looking *looking, uint32_t table, struct birth *birth, struct cdc_error *error)
{
    const struct pg_locks locks = {PG_LOCKS_READ, PATIENCE_MS};
    char oid[16];
    snprintf(oid, sizeof oid, "%lu", (unsigned long)table);
    PGresult *result =
        pg_locks_query(looking->look->sql, &locks,
                       "SELECT l.relkind = 'p' OR pg_relation_size(l.oid) = 0 AS empty, coalesce(h.xmin = m.xmin AND "
                       "h.cmin::text::int8 - m.cmin::text::int8 BETWEEN 0 AND 2, false) AS made_there, " NUMBER(
                           "m.xmin") " AS made FROM pg_class l JOIN pg_attribute m ON m.attrelid = l.oid AND m.attnum "
                                     "= -6 LEFT JOIN pg_inherits h "
                                     "ON h.inhrelid = l.oid WHERE l.oid = $1::oid",
                       1, (const char *const[]){oid}, PGRES_TUPLES_OK, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int found = PQntuples(result) > 0;
    if (found)
        *birth = (struct birth){pg_answer_true(&row, "empty"), pg_answer_true(&row, "made_there"),
                                pg_answer_int(&row, "made")};
    PQclear(result);
    return pg_answer_good(&row, what, error) < 0 ? -1 : found;
}

/* A partition whose changes come under another name from now on. One without rows hides nothing, and one that was made as a
 * partition, since the last look, had none that is not in a line. 1 0 -1 */
static int is_new_part(void *context, uint32_t partition, struct cdc_error *error)
{
    const struct looking *looking = context;
    struct birth birth;
    int found = ask_birth(looking, partition, &birth, error);
    return found <= 0 ? found : birth.empty || (birth.made_there && is_since(looking, birth.made));
}

/* A column that came and went since the last look: one of its name, now, has none of the values that the lines have. */
static bool has_come_and_gone(const struct looking *looking, struct pg_answer *row, struct cdc_span was)
{
    struct cdc_json_iter dropped, fields;
    struct cdc_span item, value;
    int64_t number = 0, by = 0;
    cdc_json_iter_begin(&dropped, cdc_span_text(pg_answer_text(row, "dropped")));
    while (cdc_json_next_element(&dropped, &item)) {
        cdc_json_iter_begin(&fields, item);
        if (cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &number) &&
            cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &by) && is_since(looking, by) &&
            !pg_judge_has_column(was, number))
            return true;
    }
    return false;
}

/* A name that was not there: has the log all its rows? So it has where the table was made since the last look, under that name, and
 * published by what was there before it; and where no ALTER gave its rows other values. 1 0 -1 */
static int is_whole(struct looking *looking, struct pg_answer *row, struct cdc_span is, struct cdc_error *error)
{
    static const struct cdc_span nothing = {"{}", 2};
    int64_t made = pg_answer_int(row, "made"), by = pg_answer_int(row, "by");
    bool since = is_since(looking, made) && pg_answer_int(row, "named") == made && pg_answer_true(row, "as_named") &&
                 (by == 0 || !is_since(looking, by)) && !has_come_and_gone(looking, row, nothing) &&
                 !pg_judge_rewritten_since(is, made);
    const struct pg_judge judge = {nothing, is, true, is_new_part, looking};
    struct birth birth;
    if (cdc_json_type(cdc_json_member(is, "parts")) == CDC_JSON_ARRAY) {
        int came = pg_judge_parts(&judge, error);
        return came < 0 ? -1 : !came;
    }
    if (since && !pg_answer_true(row, "is_part"))
        return 1;
    int found = ask_birth(looking, (uint32_t)pg_answer_int(row, "oid"), &birth, error);
    return found <= 0 ? found : birth.empty || (since && birth.made_there);
}

static int say(const struct looking *looking, const char *schema, const char *name, const char *why,
               struct cdc_error *error)
{
    return looking->look->stale(looking->look->context, schema, name, why, error);
}

static int take_new(struct looking *looking, struct pg_answer *row, struct cdc_span is, struct cdc_error *error)
{
    const char *schema = pg_answer_text(row, "schema"), *name = pg_answer_text(row, "name");
    int whole = is_whole(looking, row, is, error);
    if (whole < 0)
        return -1;
    if (whole == 0)
        return say(looking, schema, name, "it was not read before", error);
    struct pg_shape *shape = ensure(looking->shapes, schema, name, error);
    return shape ? set_followed(shape, (struct cdc_span){NULL, 0}, is, looking->at, error) : -1;
}

static int follow(struct looking *looking, struct pg_shape *shape, struct cdc_span is, struct cdc_error *error)
{
    char *was = shape->is; /* which set_followed would free */
    shape->is = NULL;
    int status = set_followed(shape, cdc_span_text(was), is, looking->at, error);
    if (status < 0)
        shape->is = was;
    else
        free(was);
    return status;
}

static int judge(struct looking *looking, struct pg_answer *row, struct pg_shape *shape, struct cdc_span is,
                 struct cdc_error *error)
{
    const struct pg_judge judge = {cdc_span_text(shape->is), is, looking->look->settings->allow_republished,
                                   is_new_part, looking};
    struct cdc_buf why = CDC_BUF_INIT;
    int stale = pg_judge(&judge, &why, error), status = 0;
    if (stale < 0)
        status = -1;
    else if (stale && why.failed)
        status = cdc_error_memory(error);
    else if (stale)
        status = say(looking, shape->schema, shape->name, why.data, error);
    else if (has_come_and_gone(looking, row, judge.before))
        status = say(looking, shape->schema, shape->name, "a column was added and dropped again", error);
    else
        status = follow(looking, shape, is, error);
    cdc_buf_free(&why);
    return status;
}

static int take_table(struct looking *looking, struct pg_answer *row, bool first, struct cdc_error *error)
{
    struct cdc_span is;
    if (form_of(row, &looking->form, &is, error) < 0)
        return -1;
    if (!is.p)
        return 0;
    const char *schema = pg_answer_text(row, "schema"), *name = pg_answer_text(row, "name");
    struct pg_shape *shape = find(looking->shapes, schema, name);
    if (first) {
        shape = ensure(looking->shapes, schema, name, error);
        return shape ? set(shape, is, looking->at, true, error) : -1;
    }
    if (!shape)
        return take_new(looking, row, is, error);
    if (!shape->is)
        return say(looking, schema, name, "another table was there under its name, or it was not published", error);
    if (looking->publication)
        return say(looking, schema, name, looking->publication, error);
    return cdc_span_is(is, shape->is) ? 0 : judge(looking, row, shape, is, error);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "schema" NUL "name" would do; a line feed is as good for telling names apart. */
static char *key_of(const char *schema, const char *name)
{
    struct cdc_buf out = CDC_BUF_INIT;
    cdc_buf_text(&out, schema);
    cdc_buf_byte(&out, '\n');
    cdc_buf_text(&out, name);
    cdc_buf_byte(&out, '\0');
    if (!out.failed)
        return out.data;
    cdc_buf_free(&out);
    return NULL;
}

/* Names that are there no more: what comes under them later is another table. */
static int leave_missing(struct looking *looking, const PGresult *result, struct cdc_error *error)
{
    struct pg_answer row = {.result = result};
    size_t n = 0, most = (size_t)PQntuples(result);
    char **keys = calloc(most + 1, sizeof *keys);
    int status = keys ? 0 : cdc_error_memory(error);
    for (; status == 0 && row.row < (int)most; row.row++) {
        const char *name = pg_answer_text_or_null(&row, "name"), *schema = pg_answer_text_or_null(&row, "schema");
        if (!name || !schema)
            continue;
        keys[n] = key_of(schema, name);
        status = keys[n++] ? 0 : cdc_error_memory(error);
    }
    if (status == 0 && n > 1)
        qsort(keys, n, sizeof *keys, compare_names);
    for (size_t i = 0; status == 0 && i < looking->shapes->n; i++) {
        struct pg_shape *shape = &looking->shapes->items[i];
        char *key = shape->is ? key_of(shape->schema, shape->name) : NULL;
        if (shape->is && !key)
            status = cdc_error_memory(error);
        else if (key && !bsearch(&key, keys, n, sizeof *keys, compare_names))
            status = set(shape, (struct cdc_span){NULL, 0}, looking->at, true, error);
        free(key);
    }
    for (size_t i = 0; i < n; i++)
        free(keys[i]);
    free(keys);
    return status;
}

static int parse_before(struct looking *looking, struct cdc_error *error)
{
    struct cdc_buf json = CDC_BUF_INIT;
    if (!looking->shapes->known)
        return 0;
    cdc_buf_printf(&json, "{\"lsn\":\"0/0\",\"xids\":\"%s\"}", looking->shapes->xids);
    int status = json.failed ? cdc_error_memory(error)
                             : pg_visible_parse(&looking->before, cdc_span(json.data, json.len), error);
    cdc_buf_free(&json);
    return status;
}

int pg_shapes_compare(struct pg_shapes *shapes, const struct pg_shapes_look *look, struct cdc_error *error)
{
    struct looking looking = {.look = look, .shapes = shapes};
    bool first = !shapes->known;
    if (parse_before(&looking, error) < 0)
        return -1;
    PGresult *result = ask(look->sql, look->settings, look->catalog, NULL, error);
    struct pg_answer row = {.result = result};
    int status = result ? 0 : -1;
    if (status == 0 && PQntuples(result) > 0) {
        looking.at = pg_answer_lsn(&row, "at");
        if (!first && !look->settings->allow_republished)
            looking.publication = pg_judge_publication(shapes->publication, pg_answer_text(&row, "publication"));
        for (; status == 0 && row.row < PQntuples(result); row.row++)
            status = take_table(&looking, &row, first, error);
        if (status == 0)
            status = leave_missing(&looking, result, error);
        row.row = 0;
        /* The last: where something fails before it, the look is as if it had not been. */
        if (status == 0)
            status = take_look(shapes, &row, true, error);
    }
    PQclear(result);
    pg_visible_clear(&looking.before);
    cdc_buf_free(&looking.form);
    return status;
}

/* -- beside a Relation message -- */

/* [number, name, type, modifier, by, missing]. */
struct form_column {
    struct cdc_span name; /* raw */
    int64_t type, typmod, missing;
};

static bool next_column(struct cdc_json_iter *columns, struct form_column *column)
{
    struct cdc_span item, name = {NULL, 0}, value;
    struct cdc_json_iter fields;
    *column = (struct form_column){.missing = 0};
    if (!cdc_json_next_element(columns, &item))
        return false;
    cdc_json_iter_begin(&fields, item);
    bool good = cdc_json_next_element(&fields, &value) && cdc_json_next_element(&fields, &name) &&
                cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &column->type) &&
                cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &column->typmod) &&
                cdc_json_next_element(&fields, &value) && cdc_json_next_element(&fields, &value) &&
                cdc_json_int64(value, &column->missing);
    column->name = cdc_json_string_raw(name);
    return good;
}

static bool is_column(const struct form_column *is, const struct pg_column *column)
{
    return cdc_json_raw_is(is->name, cdc_span_text(column->name)) && is->type == (int64_t)column->type_oid &&
           is->typmod == column->typmod;
}

static bool same_columns(struct cdc_span is, const struct pg_table *table)
{
    struct cdc_json_iter columns;
    struct form_column column;
    cdc_json_iter_begin(&columns, cdc_json_member(is, "cols"));
    for (size_t i = 0; i < table->n_columns; i++)
        if (!next_column(&columns, &column) || !is_column(&column, &table->columns[i]))
            return false;
    return !next_column(&columns, &column);
}

static bool has_column(struct cdc_span is, const struct pg_column *wanted)
{
    struct cdc_json_iter columns;
    struct form_column column;
    cdc_json_iter_begin(&columns, cdc_json_member(is, "cols"));
    while (next_column(&columns, &column))
        if (is_column(&column, wanted))
            return true;
    return false;
}

/* The key that the log itself marks, in the order of the columns. */
static bool same_key(struct cdc_span is, const struct pg_table *table)
{
    struct cdc_json_iter names;
    struct cdc_span name;
    if (!pg_key_is_marked(&table->key_facts))
        return true;
    cdc_json_iter_begin(&names, cdc_json_member(is, "key"));
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].identity &&
            (!cdc_json_next_element(&names, &name) ||
             !cdc_json_raw_is(cdc_json_string_raw(name), cdc_span_text(table->columns[i].name))))
            return false;
    return !cdc_json_next_element(&names, &name);
}

static bool is_table(struct cdc_span is, const struct pg_table *table)
{
    int64_t oid;
    return cdc_json_int64(cdc_json_member(is, "oid"), &oid) && oid == (int64_t)table->oid;
}

/* Have the rows that come in this form, of a table that was new then, all of their values? Not if a column was added since that has
 * a value for them. */
static bool lacks_values(struct cdc_span is, const struct pg_table *table)
{
    struct cdc_json_iter columns;
    struct form_column column;
    bool rewritten = pg_judge_is_rewritten(is);
    cdc_json_iter_begin(&columns, cdc_json_member(is, "cols"));
    while (next_column(&columns, &column)) {
        bool there = false;
        for (size_t i = 0; i < table->n_columns && !there; i++)
            there = is_column(&column, &table->columns[i]);
        if (!there && (column.missing || rewritten))
            return true;
    }
    return false;
}

/* A change from between two looks. Between the forms `was` and `is` a table may have had a third one, of which the catalogs show
 * nothing any more:
 *      ADD c; INSERT; RENAME c TO d          the line has c, and d of that row is in none
 *      CREATE t; INSERT; DROP t; CREATE t    another table */
static bool differs_between(struct cdc_span was, struct cdc_span is, const struct pg_table *table)
{
    bool is_new = !cdc_json_member(was, "oid").p;
    if (!is_table(is, table) && !is_table(was, table))
        return true;
    for (size_t i = 0; i < table->n_columns; i++)
        if (!has_column(is, &table->columns[i]) && !has_column(was, &table->columns[i]))
            return true;
    return (!same_key(is, table) && (is_new || !same_key(was, table))) || (is_new && lacks_values(is, table));
}

bool pg_shapes_differ(const struct pg_shapes *shapes, const struct pg_table *table, uint64_t lsn)
{
    const struct pg_shape *shape = find(shapes, table->schema, table->name);
    if (!shape || (lsn < shape->at && !shape->was))
        return false;
    struct cdc_span is = cdc_span_text(shape->is);
    if (lsn < shape->at)
        return differs_between(cdc_span_text(shape->was), is, table);
    return shape->oid != table->oid || !same_columns(is, table) || !same_key(is, table);
}

bool pg_shapes_has(const struct pg_shapes *shapes, const struct pg_table *table)
{
    const struct pg_shape *shape = find(shapes, table->schema, table->name);
    return shape && shape->oid == table->oid;
}

bool pg_shapes_lack(const struct pg_shapes *shapes, const struct pg_table *table)
{
    return shapes->known && !find(shapes, table->schema, table->name);
}
