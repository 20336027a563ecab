/* SPDX-License-Identifier: MIT */
/* The types of a table's columns, from the catalogs. Composites in steps: the types of the columns, the fields of those that are
 * composite, the types of these, and so on. The server takes no type that is within itself. */
#include "connectors/postgres/schema/types.h"

#include "connectors/postgres/schema/internal.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

static const char what[] = "cannot look types up in the catalogs";

/* One row a type, in order: its name, base type of a domain with its name (NULL where it is no domain), `leaf`, the element type of an
 * array (its base), or the base itself, and what that is; delimiters. A domain may be made of a domain, and an array's elements may be
 * one, of an array for instance: hence the two recursions, b down to a type's base type, e down to what is no array any more, with a
 * delimiter for each array on the way. Values are written like those of the base. typsubscript and typlen tell arrays from the types
 * of fixed length that one may index, too (point, name). */
#define IS_ARRAY "y.typsubscript = 'array_subscript_handler'::regproc AND y.typlen = -1"
#define OF_EXTENSION                                                                                                   \
    "(SELECT x.extname || '.' || y.typname FROM pg_depend p JOIN pg_extension x ON x.oid = p.refobjid WHERE "          \
    "p.classid = 'pg_type'::regclass AND p.objid = y.oid AND p.refclassid = 'pg_extension'::regclass AND p.deptype = " \
    "'e')"
#define TYPES_SQL                                                                                                      \
    "WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[]) WITH "                                     \
    "ORDINALITY u(t, m, o)), "                                                                                         \
    "b AS (SELECT o, t AS base FROM c UNION ALL SELECT o, y.typbasetype FROM b "                                       \
    "JOIN pg_type y ON y.oid = b.base WHERE y.typtype = 'd'), "                                                        \
    "d AS (SELECT b.o, y.oid AS base FROM b JOIN pg_type y ON y.oid = b.base WHERE y.typtype <> 'd'), "                \
    "e AS (SELECT o, base AS t, ''::text AS delimiters, 0 AS step FROM d UNION ALL SELECT e.o, CASE y.typtype WHEN "   \
    "'d' THEN y.typbasetype ELSE y.typelem END, e.delimiters || CASE y.typtype WHEN 'd' THEN '' ELSE "                 \
    "y.typdelim::text END, e.step + 1 FROM e JOIN pg_type y ON y.oid = e.t WHERE y.typtype = 'd' OR (" IS_ARRAY ")), " \
    "l AS (SELECT DISTINCT ON (o) o, t, delimiters FROM e ORDER BY o, step DESC) "                                     \
    "SELECT coalesce(format_type(c.t, c.m), '') AS name, CASE WHEN d.base <> c.t THEN format_type(d.base, NULL) END "  \
    "AS base_name, coalesce(d.base, 0) AS base, coalesce(l.t, 0) AS leaf, coalesce(l.delimiters, '') AS delimiters, "  \
    "coalesce((SELECT CASE y.typtype WHEN 'c' THEN 'composite' ELSE " OF_EXTENSION                                     \
    " END FROM pg_type y WHERE y.oid = l.t AND (y.typtype = 'c' OR y.oid >= 16384)), '') AS leaf_is "                  \
    "FROM c LEFT JOIN d ON d.o = c.o LEFT JOIN l ON l.o = c.o ORDER BY c.o"

/* -- one type ---------------------------------------------------------------- */

static enum pg_kind leaf_kind(const char *is)
{
    static const struct {
        const char *is;
        enum pg_kind kind;
    } kinds[] = {
        {"composite", PG_COMPOSITE},   {"hstore.hstore", PG_HSTORE},      {"vector.vector", PG_VECTOR},
        {"vector.halfvec", PG_VECTOR}, {"postgis.geometry", PG_GEOMETRY}, {"postgis.geography", PG_GEOMETRY},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].is, is) == 0)
            return kinds[i].kind;
    return PG_TEXT;
}

/* Of a type that is not built in, and of a domain of one. */
static struct pg_type type_of(struct pg_answer *row, struct pg_table *table)
{
    uint32_t leaf = (uint32_t)pg_answer_int(row, "leaf");
    const char *delimiters = pg_answer_text(row, "delimiters"), *is = pg_answer_text(row, "leaf_is");
    struct pg_type type = pg_type_of(leaf);
    size_t arrays = strlen(delimiters);
    if (arrays > PG_NESTED_MAX + 1) /* the elements stay the texts that they are */
        return (struct pg_type){.kind = PG_ARRAY, .delimiter = delimiters[0]};
    if (*is)
        type = (struct pg_type){.kind = leaf_kind(is), .delimiter = ','};
    if (type.kind == PG_COMPOSITE)
        type.composite = pg_table_composite(table, leaf);
    if (arrays == 0)
        return type;
    struct pg_type array = {
        .kind = PG_ARRAY, .element = type.kind, .delimiter = delimiters[0], .composite = type.composite};
    array.nested = (uint8_t)(arrays - 1);
    memcpy(array.nested_delimiters, delimiters + 1, arrays - 1);
    return array;
}

/* Arrays of enums, domains, an extension: of enums the elements are texts; of a domain over int4 they are numbers. */
static struct pg_type settle(struct pg_answer *row, struct pg_table *table)
{
    struct pg_type type = pg_type_of((uint32_t)pg_answer_int(row, "base"));
    return type.kind == PG_TEXT ? type_of(row, table) : type;
}

static PGresult *ask_types(PGconn *sql, struct cdc_buf *oids, struct cdc_buf *typmods, struct cdc_error *error)
{
    PGresult *result = NULL;
    cdc_buf_append(oids, "}", 2);
    cdc_buf_append(typmods, "}", 2);
    if (oids->failed || typmods->failed)
        cdc_error_memory(error);
    else
        result = pg_query_often(sql, TYPES_SQL, 2, (const char *const[]){oids->data, typmods->data}, what, error);
    cdc_buf_free(oids);
    cdc_buf_free(typmods);
    return result;
}

static void append_type(struct cdc_buf *oids, struct cdc_buf *typmods, uint32_t oid, int32_t typmod)
{
    cdc_buf_printf(oids, "%c%lu", oids->len ? ',' : '{', (unsigned long)oid);
    cdc_buf_printf(typmods, "%c%ld", typmods->len ? ',' : '{', (long)typmod);
}

/* -- columns ------------------------------------------------------------------ */

static int read_column(struct pg_answer *row, struct pg_table *table, struct pg_column *column, struct cdc_error *error)
{
    uint32_t base = (uint32_t)pg_answer_int(row, "base");
    const char *name = pg_answer_text(row, "name"), *base_name = pg_answer_text_or_null(row, "base_name");
    if (pg_answer_good(row, what, error) < 0)
        return -1;
    if (base == 0 && column->type_name) { /* dropped since: as the log names it */
        column->type.composite = NULL;
        return 0;
    }
    free(column->type_name);
    free(column->base_type_name);
    column->type_name = strdup(name);
    column->base_type_name = base_name ? strdup(base_name) : NULL;
    if (!column->type_name || (base_name && !column->base_type_name))
        return cdc_error_memory(error);
    column->type = settle(row, table);
    return pg_answer_good(row, what, error);
}

static int read_columns(PGconn *sql, struct pg_table *table, struct cdc_error *error)
{
    struct cdc_buf oids = CDC_BUF_INIT, typmods = CDC_BUF_INIT;
    for (size_t i = 0; i < table->n_columns; i++)
        append_type(&oids, &typmods, table->columns[i].type_oid, table->columns[i].typmod);
    PGresult *result = ask_types(sql, &oids, &typmods, error);
    struct pg_answer row = {.result = result};
    int status = result ? 0 : -1;
    for (size_t i = 0; status == 0 && i < table->n_columns; i++, row.row++)
        status = read_column(&row, table, &table->columns[i], error);
    PQclear(result);
    return status;
}

/* -- composites ---------------------------------------------------------------- */

/* The fields of types $1, and of each type the transaction that altered it last (every ALTER TYPE writes rows of these columns, those
 * of dropped ones too), with its age. Its fields were always those of now where that is the one that made it, or is older than all
 * that slot $2 still sends (see IS_OLD in describe.c). */
#define FIELDS_SQL                                                                                                     \
    "SELECT y.oid::int8 AS type, a.attname AS name, coalesce(a.atttypid, 0)::int8 AS field_type, "                     \
    "coalesce(a.atttypmod, -1) AS typmod, "                                                                            \
    "coalesce(s.altered, 0) AS altered, coalesce(s.age, 0) AS age, coalesce(s.altered = (SELECT td.xmin::text::int8 "  \
    "FROM pg_depend td "                                                                                               \
    "WHERE td.classid = 'pg_class'::regclass AND td.objid = y.typrelid AND td.objsubid = 0 AND td.refclassid = "       \
    "'pg_type'::regclass AND td.refobjid = y.oid LIMIT 1), false) OR coalesce(s.altered = (SELECT "                    \
    "td.xmin::text::int8 "                                                                                             \
    "FROM pg_depend td WHERE td.classid = 'pg_type'::regclass AND td.objid = y.oid AND td.objsubid = 0 AND "           \
    "td.refclassid = 'pg_class'::regclass AND td.refobjid = y.typrelid AND td.refobjsubid = 0 LIMIT 1), false) OR "    \
    "coalesce(s.age > (SELECT age(r.catalog_xmin) FROM pg_replication_slots r WHERE r.slot_name = $2), s.age IS "      \
    "NULL) AS is_old, CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() "   \
    "END AS now_at "                                                                                                   \
    "FROM unnest($1::oid[]) WITH ORDINALITY u(t, o) JOIN pg_type y ON y.oid = u.t "                                    \
    "LEFT JOIN LATERAL (SELECT x.xmin::text::int8 AS altered, " PG_AGE_OF(                                             \
        "x.xmin") " AS age FROM pg_attribute x WHERE "                                                                 \
                  "x.attrelid "                                                                                        \
                  "= y.typrelid AND x.attnum > 0 ORDER BY 2 LIMIT 1) s ON true "                                       \
                  "LEFT JOIN pg_attribute a ON a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER " \
                  "BY u.o, "                                                                                           \
                  "a.attnum"

/* What is found on the way. */
struct finding {
    const char *slot;
    bool unsure;          /* of one composite type at least */
    int64_t altered, age; /* of the one that was altered last */
    uint64_t now_at;
};

static int add_field(struct pg_answer *row, struct pg_composite *composite, struct cdc_error *error)
{
    const char *name = pg_answer_text(row, "name");
    struct pg_field *fields = realloc(composite->fields, (composite->n + 1) * sizeof *fields);
    if (!fields)
        return cdc_error_memory(error);
    composite->fields = fields;
    struct pg_field *field = &fields[composite->n++];
    *field = (struct pg_field){.type_oid = (uint32_t)pg_answer_int(row, "field_type"),
                               .typmod = (int32_t)pg_answer_int(row, "typmod")};
    cdc_json_append_string(&field->name_json, name, strlen(name));
    cdc_buf_byte(&field->name_json, ':');
    return field->name_json.failed ? cdc_error_memory(error) : 0;
}

static void take_times(struct pg_answer *row, struct finding *finding)
{
    int64_t altered = pg_answer_int(row, "altered"), age = pg_answer_int(row, "age");
    if (finding->altered == 0 || age < finding->age) {
        finding->altered = altered;
        finding->age = age;
    }
    finding->unsure = finding->unsure || (finding->slot && !pg_answer_true(row, "is_old"));
    finding->now_at = pg_answer_lsn(row, "now_at");
}

static int read_fields(PGconn *sql, struct pg_table *table, size_t from, struct finding *finding,
                       struct cdc_error *error)
{
    struct cdc_buf oids = CDC_BUF_INIT;
    for (size_t i = from; i < table->n_composites; i++)
        cdc_buf_printf(&oids, "%c%lu", i > from ? ',' : '{', (unsigned long)table->composites[i]->oid);
    cdc_buf_append(&oids, "}", 2);
    PGresult *result =
        oids.failed ? NULL
                    : pg_query_rows(sql, FIELDS_SQL, 2, (const char *const[]){oids.data, finding->slot}, what, error);
    int status = result ? 0 : oids.failed ? cdc_error_memory(error) : -1;
    struct pg_answer row = {.result = result};
    cdc_buf_free(&oids);
    for (; status == 0 && row.row < PQntuples(result); row.row++) {
        struct pg_composite *composite = pg_table_composite(table, (uint32_t)pg_answer_int(&row, "type"));
        take_times(&row, finding);
        if (composite && pg_answer_text_or_null(&row, "name"))
            status = add_field(&row, composite, error);
    }
    status = status < 0 ? -1 : pg_answer_good(&row, what, error);
    PQclear(result);
    return status;
}

/* The types of the fields of those from `from` up to `to`; they may bring more composites. */
static int read_field_types(PGconn *sql, struct pg_table *table, size_t from, size_t to, struct cdc_error *error)
{
    struct cdc_buf oids = CDC_BUF_INIT, typmods = CDC_BUF_INIT;
    for (size_t i = from; i < to; i++)
        for (size_t j = 0; j < table->composites[i]->n; j++)
            append_type(&oids, &typmods, table->composites[i]->fields[j].type_oid,
                        table->composites[i]->fields[j].typmod);
    if (oids.len == 0)
        return 0;
    PGresult *result = ask_types(sql, &oids, &typmods, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    for (size_t i = from; i < to; i++)
        for (size_t j = 0; j < table->composites[i]->n; j++, row.row++)
            table->composites[i]->fields[j].type = settle(&row, table);
    PQclear(result);
    return pg_answer_good(&row, what, error);
}

/* Another name of a field is in no message, and so is a dropped one in whose place another one came. Where the same alteration was
 * seen before, what was certain then is so. */
static void settle_times(struct pg_table *table, const struct finding *finding)
{
    if (!finding->unsure)
        table->composites_from = 0;
    else if (table->composites_from == 0 || table->composites_altered != (uint32_t)finding->altered)
        table->composites_from = finding->now_at;
    table->composites_altered = (uint32_t)finding->altered;
    table->composites_until = 0;
}

int pg_types_read(PGconn *sql, const char *slot, struct pg_table *table, struct cdc_error *error)
{
    struct finding finding = {.slot = slot};
    pg_table_drop_composites(table);
    if (table->n_columns == 0)
        return 0;
    if (read_columns(sql, table, error) < 0)
        return -1;
    for (size_t from = 0; from < table->n_composites;) {
        size_t to = table->n_composites;
        if (read_fields(sql, table, from, &finding, error) < 0 || read_field_types(sql, table, from, to, error) < 0)
            return -1;
        from = to;
    }
    settle_times(table, &finding);
    return 0;
}

/* -- again ------------------------------------------------------------------------ */

/* A commit is in the log before others see it, and its locks are there until they do: so first the log's end, then the locks, then, by
 * another statement, the catalogs. */
static const char locks_sql[] =
    "WITH a AS MATERIALIZED (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE "
    "pg_current_wal_insert_lsn() END AS lsn) SELECT a.lsn, EXISTS (SELECT 1 FROM pg_locks l JOIN pg_type y ON "
    "y.typrelid = "
    "l.relation WHERE y.oid = ANY ($1::oid[]) AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND "
    "l.granted AND "
    "l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND a.lsn IS NOT NULL) AS "
    "held FROM a";
static const char altered_sql[] =
    "SELECT coalesce((SELECT x.xmin::text::int8 FROM pg_type y JOIN pg_attribute x ON "
    "x.attrelid = y.typrelid AND x.attnum > 0 "
    "WHERE y.oid = ANY ($1::oid[]) ORDER BY " PG_AGE_OF("x.xmin") " LIMIT 1), 0) AS altered";

static int recheck(PGconn *sql, const char *oids, bool patient, struct pg_table *table, struct cdc_error *error)
{
    struct pg_answer row = {.result = pg_query_rows(sql, locks_sql, 1, &oids, what, error)};
    if (!row.result)
        return -1;
    bool held = pg_answer_true(&row, "held");
    uint64_t lsn = pg_answer_lsn(&row, "lsn");
    int status = pg_answer_good(&row, what, error);
    PQclear((PGresult *)row.result);
    if (status < 0)
        return -1;
    row = (struct pg_answer){.result = pg_query_rows(sql, altered_sql, 1, &oids, what, error)};
    if (!row.result)
        return -1;
    bool altered = (uint32_t)pg_answer_int(&row, "altered") != table->composites_altered;
    status = pg_answer_good(&row, what, error);
    PQclear((PGresult *)row.result);
    if (status == 0 && !altered && (!held || patient))
        table->composites_until = lsn;
    return status < 0 ? -1 : altered;
}

int pg_types_recheck(PGconn *sql, bool patient, struct pg_table *table, struct cdc_error *error)
{
    struct cdc_buf oids = CDC_BUF_INIT;
    if (table->n_composites == 0) /* the last one went while the log was read */
        return 0;
    for (size_t i = 0; i < table->n_composites; i++)
        cdc_buf_printf(&oids, "%c%lu", i ? ',' : '{', (unsigned long)table->composites[i]->oid);
    cdc_buf_append(&oids, "}", 2);
    int status = oids.failed ? cdc_error_memory(error) : recheck(sql, oids.data, patient, table, error);
    cdc_buf_free(&oids);
    return status;
}
