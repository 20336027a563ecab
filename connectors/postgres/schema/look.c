/* SPDX-License-Identifier: MIT */
/* The form of the tables as the catalogs have it now, beside what was seen last. */
#include "connectors/postgres/pgoutput/visible.h"
#include "connectors/postgres/schema/internal.h"
#include "connectors/postgres/schema/judge.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/schema/rewrite.h"
#include "connectors/postgres/schema/shapes.h"
#include "connectors/postgres/session/database_name.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/stale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 1000 /* with a partition that somebody holds locked */

static const char what[] = "cannot look at the tables' form";

static int set_text(char **target, const char *text, struct cdc_error *error)
{
    char *copy = strdup(text);
    if (!copy)
        return cdc_error_memory(error);
    free(*target);
    *target = copy;
    return 0;
}

/* -- as the catalogs have them -- */

/* A row of the publication for each of the tables $2, or one without a table. made: the transaction that made it, since the rows
 * of the system's columns are never written again. What makes a table part of the publication (by): its own row, one of a table
 * above it, one of a schema, or 0 where it is for all tables. There may be several of them. */
#define PARTS_OF_C                                                                                                     \
    "(WITH RECURSIVE h AS (SELECT i.inhrelid, i.xmin AS by FROM pg_inherits i WHERE i.inhparent = c.oid AND NOT "      \
    "i.inhdetachpending UNION ALL SELECT i.inhrelid, i.xmin FROM h JOIN pg_inherits i ON i.inhparent = h.inhrelid "    \
    "WHERE NOT i.inhdetachpending) SELECT h.inhrelid, h.by, l.relfilenode AS file, l.reltoastrelid AS toast FROM h "   \
    "JOIN pg_class l ON l.oid = "                                                                                      \
    "h.inhrelid)"
#define KEY_OF_C                                                                                                       \
    "(SELECT json_agg(ka.attname ORDER BY ka.attnum) FROM pg_index ki JOIN pg_attribute ka ON ka.attrelid = "          \
    "ki.indrelid AND ka.attnum = ANY (" PG_INDEX_COLUMNS("ki") ") WHERE ki.indrelid = c.oid AND " PG_INDEX_COUNTS(     \
        "ki") " AND CASE c.relreplident WHEN 'i' THEN ki.indisreplident ELSE ki.indisprimary END)"
#define COLUMNS_OF_C(listed, generated)                                                                                \
    "(SELECT json_agg(json_build_array(a.attnum, a.attname, a.atttypid::text::int8, a.atttypmod, a.xmin::text::int8, " \
    "CASE WHEN c.relkind = 'p' THEN coalesce((SELECT max(la.atthasmissing::int) FROM " PARTS_OF_C                      \
    " lp JOIN pg_attribute la ON la.attrelid = lp.inhrelid AND la.attname = a.attname), 0) ELSE "                      \
    "a.atthasmissing::int END) ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND "                   \
    "a.attnum > 0 AND NOT a.attisdropped AND " listed " AND (a.attgenerated = '' OR " generated "))"
#define UNSEEN_OF_C(listed, generated)                                                                                 \
    "(SELECT json_agg(a.attnum ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND "  \
    "NOT a.attisdropped AND NOT (" listed " AND (a.attgenerated = '' OR " generated ")))"
#define PUBLISHED_BY(schemas)                                                                                          \
    "(SELECT (array_agg(q.oid ORDER BY q.rank, q.oid))[1] AS oid, (array_agg(q.by ORDER BY q.rank, q.oid))[1] AS by, " \
    "json_agg(q.oid ORDER BY q.rank, q.oid) AS oids FROM (SELECT CASE WHEN r.prrelid = c.oid THEN 0 ELSE 1 END AS "    \
    "rank, r.oid::text::int8 AS oid, r.xmin::text::int8 AS by FROM pg_publication_rel r WHERE r.prpubid = p.oid "      \
    "AND (r.prrelid = c.oid OR (c.relispartition AND r.prrelid IN (SELECT relid FROM "                                 \
    "pg_partition_ancestors(c.oid))))" schemas ") q)"
/* Of a partition that is published by a table above it alone: what makes it part of the nearest such one. Whoever detaches it, or one
 * between the two, and attaches it again, writes another row. */
#define LINKS_OF_C(schemas)                                                                                            \
    "(SELECT json_agg(i.xmin::text::int8 ORDER BY a.up) FROM pg_partition_ancestors(c.oid) WITH ORDINALITY a(relid, "  \
    "up) JOIN pg_inherits i ON i.inhrelid = a.relid WHERE a.up < (SELECT min(x.up) FROM "                              \
    "pg_partition_ancestors(c.oid) WITH ORDINALITY x(relid, up) WHERE EXISTS (SELECT 1 FROM pg_publication_rel r "     \
    "WHERE r.prpubid = p.oid AND r.prrelid = x.relid)" schemas "))"
#define LINKS_BY_SCHEMA                                                                                                \
    " OR EXISTS (SELECT 1 FROM pg_publication_namespace s JOIN pg_class l ON l.relnamespace = s.pnnspid WHERE "        \
    "s.pnpubid = p.oid AND l.oid = x.relid)"
/* Of a partition that is published with the schema of a table above it alone: when those tables came there. */
#define ABOVE_BY_SCHEMA                                                                                                \
    "(SELECT json_agg(" PG_SPACE_OF("l.oid") " ORDER BY a.up) FROM pg_partition_ancestors(c.oid) WITH ORDINALITY "     \
                                             "a(relid, up) JOIN pg_class l ON l.oid = a.relid JOIN "                   \
                                             "pg_publication_namespace s ON s.pnnspid = l.relnamespace "               \
                                             "AND s.pnpubid = p.oid WHERE a.up > 1 AND NOT EXISTS (SELECT 1 FROM "     \
                                             "pg_publication_rel r WHERE r.prpubid = p.oid "                           \
                                             "AND r.prrelid = c.oid) AND NOT EXISTS (SELECT 1 FROM "                   \
                                             "pg_publication_namespace o WHERE o.pnpubid = p.oid AND "                 \
                                             "o.pnnspid = c.relnamespace))"
#define PARTS_AS_LIST                                                                                                  \
    "(SELECT json_agg(json_build_array(t.inhrelid::text::int8, t.file::text::int8, t.by::text::int8"                   \
    ", t.toast::text::int8) ORDER BY t.inhrelid) FROM " PARTS_OF_C " t)"
/* The types of its columns that are no built-in ones, with those that they are made of. Of a composite type its fields, of an enum
 * the labels by their oids, which stay where a label gets another text, with the transaction that gave it that; when one of the composites was altered last (see types.c);
 * and how values of those that are more than a text are written ($3), where there are such. */
#define TYPES_OF_C                                                                                                     \
    "(WITH RECURSIVE w(t) AS (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND "    \
    "NOT a.attisdropped AND a.atttypid >= 16384 UNION SELECT x.t FROM w JOIN pg_type y ON y.oid = w.t JOIN LATERAL "   \
    "(SELECT y.typbasetype AS t WHERE y.typtype = 'd' UNION ALL SELECT y.typelem WHERE y.typtype = 'b' UNION ALL "     \
    "SELECT r.rngsubtype FROM pg_range r WHERE y.typtype IN ('r', 'm') AND y.oid IN (r.rngtypid, r.rngmultitypid) "    \
    "UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE y.typtype = 'c' AND a.attrelid = y.typrelid AND a.attnum "  \
    "> 0 AND NOT a.attisdropped) x ON x.t >= 16384), f AS (SELECT y.oid, y.typtype, y.typrelid, CASE y.typtype WHEN "  \
    "'c' THEN (SELECT json_agg(json_build_array(a.attnum, a.attname, a.atttypid::text::int8, a.atttypmod) ORDER BY "   \
    "a.attnum) FROM pg_attribute a WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped) WHEN 'e' "   \
    "THEN (SELECT json_agg(json_build_array(v.oid::text::int8, v.enumlabel, v.xmin::text::int8) ORDER BY v.oid) FROM " \
    "pg_enum v WHERE v.enumtypid = y.oid) END AS fields, y.typtype = 'c' OR EXISTS (SELECT 1 FROM pg_depend p JOIN "   \
    "pg_extension e ON "                                                                                               \
    "e.oid = p.refobjid WHERE p.classid = 'pg_type'::regclass AND p.objid = y.oid AND p.refclassid = "                 \
    "'pg_extension'::regclass AND p.deptype = 'e' AND (e.extname, y.typname) IN (('hstore', 'hstore'), ('vector', "    \
    "'vector'), ('vector', 'halfvec'), ('postgis', 'geometry'), ('postgis', 'geography'))) AS nested FROM w JOIN "     \
    "pg_type y ON y.oid = w.t) SELECT json_agg(json_build_array(f.oid::text::int8, f.typtype, f.fields) ORDER BY "     \
    "f.oid) FILTER (WHERE f.typtype IN ('c', 'e')) AS types, (SELECT x.xmin::text::int8 FROM f fc JOIN pg_attribute "  \
    "x ON x.attrelid = fc.typrelid AND x.attnum > 0 WHERE fc.typtype = 'c' ORDER BY " PG_AGE_OF(                       \
        "x.xmin") " LIMIT 1) AS altered, "                                                                             \
                  "CASE WHEN bool_or(f.nested) THEN $3 END AS nested FROM f)"
#define FORM_OF_C(listed, generated, links, above)                                                                     \
    "json_build_object('oid', c.oid::text::int8, 'file', c.relfilenode::text::int8"                                    \
    ", 'toast', c.reltoastrelid::text::int8, 'owner', c.relowner::text::int8, 'named', y.xmin::text::int8"             \
    ", 'by', coalesce(b.oid, 0), 'all', b.oids, 'links', CASE WHEN c.relispartition AND NOT p.puballtables "           \
    "THEN " links " END, 'apart', c.relispartition AND p.pubviaroot, 'above', CASE WHEN c.relispartition THEN " above  \
    " END, 'space', " PG_SPACE_OF(                                                                                     \
        "c.oid") ", 'keyed', (SELECT d.xmin::text::int8 " PG_PRIMARY_OF_C "), 'key', " KEY_OF_C                        \
                 ", 'unseen', " UNSEEN_OF_C(listed, generated) ", 'cols', " COLUMNS_OF_C(                              \
                     listed,                                                                                           \
                     generated) ", 'parts', CASE WHEN c.relkind = 'p' THEN " PARTS_AS_LIST                             \
                                " END, 'types', coalesce(k.types, '[]'), 'altered', k.altered, 'nested', k.nested)"
#define SHAPES_SQL(schemas, listed, generated, links, above, since_18)                                                 \
    "SELECT concat_ws(' ', p.oid, p.xmin, p.pubowner, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, "         \
    "p.pubtruncate, p.pubviaroot" since_18 ") AS publication, (SELECT pg_current_snapshot()::text) AS xids, "          \
    "(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END) AS "    \
    "at, "                                                                                                             \
    "t.* FROM pg_publication p LEFT JOIN LATERAL (SELECT n.nspname AS schema, c.relname AS name, "                     \
    "c.oid::text::int8 AS oid, m.xmin::text::int8 AS made, y.xmin::text::int8 AS named, coalesce(b.by, 0) AS by, "     \
    "c.relispartition AS is_part, c.relfilenode = c.oid AS first_file, c.relnatts AS columns, " FORM_OF_C(             \
        listed, generated, links,                                                                                      \
        above) "::text AS is "                                                                                         \
               "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_type y ON "                 \
               "y.oid = c.reltype LEFT JOIN "                                                                          \
               "pg_attribute m ON m.attrelid = c.oid AND m.attnum = -6 LEFT JOIN LATERAL " PUBLISHED_BY(               \
                   schemas) " b ON true LEFT JOIN LATERAL " TYPES_OF_C                                                 \
                            " k ON true WHERE c.oid = ANY ($2::oid[])) t ON true WHERE p.pubname = $1"
#define SCHEMAS                                                                                                        \
    " UNION ALL SELECT 2, s.oid::text::int8, s.xmin::text::int8 FROM pg_publication_namespace s WHERE s.pnpubid "      \
    "= p.oid AND (s.pnnspid = c.relnamespace OR (c.relispartition AND s.pnnspid IN (SELECT "                           \
    "pc.relnamespace FROM "                                                                                            \
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
    return version >= 180000
               ? SHAPES_SQL(SCHEMAS, LISTED, GENERATED, LINKS_OF_C(LINKS_BY_SCHEMA), ABOVE_BY_SCHEMA, ", p.pubgencols")
           : version >= 150000 ? SHAPES_SQL(SCHEMAS, LISTED, "false", LINKS_OF_C(LINKS_BY_SCHEMA), ABOVE_BY_SCHEMA, "")
                               : SHAPES_SQL("", "true", "false", LINKS_OF_C(""), "NULL", "");
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
    if (append_oids(&oids, settings, catalog, only, pg_database_name(sql), error) == 0)
        result = pg_query_rows(sql, shapes_sql(sql), 3,
                               (const char *const[]){settings->publication, oids.data,
                                                     settings->format.objects_as_text ? "text" : "object"},
                               what, error);
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
        struct pg_shape *shape = pg_shapes_ensure(shapes, only->tables[i].schema, only->tables[i].table, error);
        if (!shape || pg_shapes_set(shape, (struct cdc_span){NULL, 0}, -1, shapes->at, false, error) < 0)
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
        struct pg_shape *shape =
            pg_shapes_ensure(shapes, pg_answer_text(&row, "schema"), pg_answer_text(&row, "name"), error);
        status = shape ? pg_shapes_set(shape, is, pg_answer_int(&row, "columns"), at, false, error) : -1;
    }
    cdc_buf_free(&form);
    PQclear(result);
    return status < 0 ? -1 : pg_answer_good(&row, what, error);
}

/* -- looking again -- */

struct looking {
    const struct pg_shapes_look *look;
    struct pg_shapes *shapes;
    struct pg_visible before, now; /* what had ended by the look before, and by this one */
    const char *publication;       /* what was done to it, so that all tables are stale; NULL */
    uint64_t at;
    struct cdc_buf form;
};

/* Ids wrap: of what is very old the half that the catalogs keep may look like one to come. */
static bool is_since(const struct looking *looking, int64_t xid)
{
    return !pg_visible_ended(&looking->before, (uint32_t)xid) && pg_visible_ended(&looking->now, (uint32_t)xid);
}

/* What the catalogs and the file say of a table now. */
struct birth {
    bool empty;      /* it hides no row: none was ever written into its file (before 15: see members.c) */
    bool made_there; /* as a partition, by one statement, in the tree that it is in, and its rows are in that file */
    int64_t made;    /* by that transaction */
};

/* w: what makes the table a partition, and each one above it. The row of one that a statement made as a partition is written by that
 * statement, a moment (commands are numbered) after its columns; the others were attached. */
#define BIRTH_SQL                                                                                                      \
    "WITH w AS (SELECT a.up, i.xmin AS by, i.xmin = m.xmin AND i.cmin::text::int8 - m.cmin::text::int8 BETWEEN 0 AND " \
    "2 AS made FROM pg_partition_ancestors($1::oid) WITH ORDINALITY a(relid, up) JOIN pg_inherits i ON i.inhrelid = "  \
    "a.relid JOIN pg_attribute m ON m.attrelid = a.relid AND m.attnum = -6) SELECT l.relkind = 'p' OR "                \
    "pg_relation_size(l.oid) = 0 AND current_setting('server_version_num')::int >= 150000 AS empty, "                  \
    "coalesce(l.relfilenode = l.oid AND (SELECT w.made FROM w WHERE w.up = 1), "                                       \
    "false) AS made_there, coalesce((SELECT json_agg(w.by::text::int8) FROM w WHERE w.up > 1 AND NOT w.made), "        \
    "'[]')::text AS attached, m.xmin::text::int8 AS made FROM pg_class l JOIN pg_attribute m ON m.attrelid = l.oid "   \
    "AND m.attnum = -6 WHERE l.oid = $1::oid"

/*      CREATE TABLE s ... PARTITION BY ...; CREATE TABLE s_1 PARTITION OF s ...; INSERT INTO s ...;
 *      ALTER TABLE p ATTACH PARTITION s ...
 * Of the tables above one, those that were attached: one of them since the last look? */
static bool was_attached(const struct looking *looking, struct cdc_span attached)
{
    struct cdc_json_iter items;
    struct cdc_span item;
    int64_t by;
    cdc_json_iter_begin(&items, attached);
    while (cdc_json_next_element(&items, &item))
        if (cdc_json_int64(item, &by) && is_since(looking, by))
            return true;
    return false;
}

/* 1; 0: it is gone again; -1 */
static int ask_birth(const struct looking *looking, uint32_t table, struct birth *birth, struct cdc_error *error)
{
    const struct pg_locks locks = {PG_LOCKS_READ, PATIENCE_MS};
    char oid[16];
    snprintf(oid, sizeof oid, "%lu", (unsigned long)table);
    PGresult *result = pg_locks_query(looking->look->sql, &locks, BIRTH_SQL, 1, (const char *const[]){oid},
                                      PGRES_TUPLES_OK, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int found = PQntuples(result) > 0;
    if (found)
        *birth = (struct birth){pg_answer_true(&row, "empty"),
                                pg_answer_true(&row, "made_there") &&
                                    !was_attached(looking, cdc_span_text(pg_answer_text(&row, "attached"))),
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

static int is_same(void *context, uint32_t table, bool emptied, struct cdc_error *error)
{
    const struct looking *looking = context;
    return pg_rewrite_harmless(looking->look->sql, table, &looking->before, emptied, error);
}

/* What was done to a table since the last look of which its form shows nothing. */
struct history {
    bool renamed;       /* by a command after the one that made it, which may be one of the same transaction */
    bool came_and_gone; /* a column: one of its name, now, has none of the values that the lines have */
    bool dropped;       /* some column was, at any time */
    bool moved;         /* its schema was, perhaps: it was altered after the table was made */
};

/* Numbers of columns are never given again, so one that was dropped has come and gone where the table had fewer of them. Where that
 * is not known it can still be seen beside a new column (judge). */
static bool has_come_and_gone(const struct looking *looking, struct cdc_span dropped, int64_t columns)
{
    struct cdc_json_iter items, fields;
    struct cdc_span item, value;
    int64_t number = 0, by = 0;
    cdc_json_iter_begin(&items, dropped);
    while (columns >= 0 && cdc_json_next_element(&items, &item)) {
        cdc_json_iter_begin(&fields, item);
        if (cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &number) &&
            cdc_json_next_element(&fields, &value) && cdc_json_int64(value, &by) && number > columns &&
            pg_visible_ended(&looking->now, (uint32_t)by))
            return true;
    }
    return false;
}

/* A schema whose row is as old as the look before, or older than the table, was not renamed since. */
static bool has_moved(const struct looking *looking, struct pg_answer *row, int64_t made)
{
    int64_t by = pg_answer_int(row, "space");
    bool before = (int32_t)((uint32_t)made - (uint32_t)by) > 0;
    return is_since(looking, by) && !before && !pg_answer_true(row, "space_first");
}

/* Commands are numbered in a transaction. columns: as in a shape. 0, also where the table is gone again; -1 */
static int ask_history(const struct looking *looking, struct pg_answer *table, int64_t columns, struct history *history,
                       struct cdc_error *error)
{
    char oid[24];
    *history = (struct history){.renamed = false};
    snprintf(oid, sizeof oid, "%lld", (long long)pg_answer_int(table, "oid"));
    PGresult *result = pg_query_rows(
        looking->look->sql,
        "SELECT y.cmin::text IS DISTINCT FROM m.cmin::text AS renamed, n.xmin::text::int8 AS space, coalesce(n.xmin = "
        "m.xmin AND n.cmin::text::int8 < m.cmin::text::int8, false) AS space_first, coalesce((SELECT "
        "json_agg(json_build_array(d.attnum, d.xmin::text::int8)) FROM pg_attribute d WHERE d.attrelid = c.oid AND "
        "d.attnum > 0 AND d.attisdropped), '[]')::text AS dropped FROM pg_class c JOIN pg_namespace n ON n.oid = "
        "c.relnamespace LEFT JOIN pg_type y ON y.oid = "
        "c.reltype LEFT JOIN pg_attribute m ON m.attrelid = c.oid AND m.attnum = -6 WHERE c.oid = $1::oid",
        1, (const char *const[]){oid}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    if (PQntuples(result) > 0) {
        struct cdc_span dropped = cdc_span_text(pg_answer_text(&row, "dropped"));
        *history = (struct history){pg_answer_true(&row, "renamed"), has_come_and_gone(looking, dropped, columns),
                                    dropped.n > 2, has_moved(looking, &row, pg_answer_int(table, "made"))};
    }
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

/* A name that was not there: has the log all its rows? So it has where the table was made since the last look, under that name, and
 * published by what was there before it; not where it was made UNLOGGED, filled, and then SET LOGGED, which gives it another file.
 * 1 0 -1 */
static int is_whole(struct looking *looking, struct pg_answer *row, struct cdc_span is, struct cdc_error *error)
{
    static const struct cdc_span nothing = {"{}", 2};
    int64_t made = pg_answer_int(row, "made"), by = pg_answer_int(row, "by");
    bool since = is_since(looking, made) && pg_answer_int(row, "named") == made &&
                 (by == 0 || !is_since(looking, by)) && pg_answer_true(row, "first_file");
    const struct pg_judge judge = {nothing, is, true, is_new_part, is_same, looking, {NULL, 0}};
    struct birth birth;
    if (cdc_json_type(cdc_json_member(is, "parts")) == CDC_JSON_ARRAY) {
        int came = pg_judge_parts(&judge, error);
        return came < 0 ? -1 : !came;
    }
    struct history history = {.renamed = false};
    if (since && ask_history(looking, row, 0, &history, error) < 0)
        return -1;
    since = since && !history.renamed && !history.came_and_gone && !history.moved;
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
    struct pg_shape *shape = pg_shapes_ensure(looking->shapes, schema, name, error);
    return shape ? pg_shapes_follow(shape, (struct cdc_span){NULL, 0}, is, pg_answer_int(row, "columns"), looking->at,
                                    error)
                 : -1;
}

static int follow(struct looking *looking, struct pg_answer *row, struct pg_shape *shape, struct cdc_span is,
                  struct cdc_error *error)
{
    char *was = shape->is;
    shape->is = NULL;
    int status = pg_shapes_follow(shape, cdc_span_text(was), is, pg_answer_int(row, "columns"), looking->at, error);
    if (status < 0)
        shape->is = was;
    else
        free(was);
    return status;
}

static int judge(struct looking *looking, struct pg_answer *row, struct pg_shape *shape, struct cdc_span is,
                 struct cdc_error *error)
{
    const struct pg_judge judge = {
        cdc_span_text(shape->is),  is, looking->look->settings->allow_republished, is_new_part, is_same, looking,
        cdc_span_text(shape->gone)};
    struct cdc_buf why = CDC_BUF_INIT;
    struct history history;
    int stale = pg_judge_table(&judge, &why, error), status = 0;
    if (stale < 0 || (!stale && ask_history(looking, row, shape->columns, &history, error) < 0))
        status = -1;
    else if (stale && why.failed)
        status = cdc_error_memory(error);
    else if (stale)
        status = say(looking, shape->schema, shape->name, why.data, error);
    else if (history.came_and_gone)
        status = say(looking, shape->schema, shape->name, "a column was added and dropped again", error);
    else if (shape->columns < 0 && history.dropped && pg_judge_adds(&judge))
        status = say(looking, shape->schema, shape->name,
                     "an earlier version of pg-cdc kept nothing of the columns that were dropped", error);
    else
        status = follow(looking, row, shape, is, error);
    cdc_buf_free(&why);
    return status;
}

/* Under the name that it has now: the list of tables is a moment older, and one of them may have got another name since. */
static bool is_selected(const struct looking *looking, struct pg_answer *row)
{
    return cdc_selection_has_table(&looking->look->settings->selection, pg_answer_text(row, "schema"),
                                   pg_answer_text(row, "name"));
}

static int take_table(struct looking *looking, struct pg_answer *row, bool first, struct cdc_error *error)
{
    struct cdc_span is;
    if (form_of(row, &looking->form, &is, error) < 0)
        return -1;
    if (!is.p || !is_selected(looking, row))
        return 0;
    const char *schema = pg_answer_text(row, "schema"), *name = pg_answer_text(row, "name");
    struct pg_shape *shape = pg_shapes_find(looking->shapes, schema, name);
    if (first) {
        shape = pg_shapes_ensure(looking->shapes, schema, name, error);
        if (!shape || pg_shapes_set(shape, is, pg_answer_int(row, "columns"), looking->at, true, error) < 0)
            return -1;
        return say(looking, schema, name, "an earlier version of pg-cdc kept nothing of what it was like", error);
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
        else if (key && !bsearch(&key, keys, n, sizeof *keys, compare_names)) {
            const struct pg_shapes_look *look = looking->look;
            if (look->left && !cdc_selection_has_table(&look->settings->selection, shape->schema, shape->name))
                look->left(look->context, shape->schema, shape->name);
            pg_shapes_leave(shape, looking->at);
        }
        free(key);
    }
    for (size_t i = 0; i < n; i++)
        free(keys[i]);
    free(keys);
    return status;
}

bool pg_shapes_saw(const struct pg_shapes *shapes, uint32_t xid)
{
    const char *xids = shapes->began ? shapes->began : shapes->xids;
    struct pg_visible ended = {.json = NULL};
    struct cdc_error ignored = {0};
    bool saw = xids && pg_visible_parse_xids(&ended, xids, &ignored) == 0 && pg_visible_ended(&ended, xid);
    pg_visible_clear(&ended);
    return saw;
}

char *pg_shapes_ended(PGconn *sql, struct cdc_error *error)
{
    PGresult *result = pg_query_rows(sql, "SELECT pg_current_snapshot()::text", 0, NULL, what, error);
    char *xids = result && PQntuples(result) == 1 ? strdup(PQgetvalue(result, 0, 0)) : NULL;
    if (result && !xids)
        cdc_error_memory(error);
    PQclear(result);
    return xids;
}

int pg_shapes_compare(struct pg_shapes *shapes, const struct pg_shapes_look *look, struct cdc_error *error)
{
    struct looking looking = {.look = look, .shapes = shapes};
    bool first = !shapes->known;
    PGresult *result = ask(look->sql, look->settings, look->catalog, NULL, error);
    struct pg_answer row = {.result = result};
    bool any = result && PQntuples(result) > 0;
    int status = !result ? -1 : any ? pg_visible_parse_xids(&looking.now, pg_answer_text(&row, "xids"), error) : 0;
    if (status == 0 && !first)
        status = pg_visible_parse_xids(&looking.before, shapes->began ? shapes->began : shapes->xids, error);
    if (status == 0 && any) {
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
        /* A table that was made after the catalog was read is new to the next look. */
        if (status == 0 && look->xids)
            status = set_text(&shapes->began, look->xids, error);
    }
    PQclear(result);
    pg_visible_clear(&looking.before);
    pg_visible_clear(&looking.now);
    cdc_buf_free(&looking.form);
    return status;
}
