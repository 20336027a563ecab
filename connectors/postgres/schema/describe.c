/* SPDX-License-Identifier: MIT */
/* What a Relation message leaves out, from the catalogs: names of types, nullability,
 * generated columns, the primary key. They are today's catalogs, the message may be
 * older: types are asked for by the message's own oids, the rest is taken by name. */
#include "connectors/postgres/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGresult *query(PGconn *sql, const char *text, int n, const char *const *values, struct cdc_error *error)
{
    PGresult *result = PQexecParams(sql, text, n, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    pg_result_error(sql, result, "cannot look a table up in the catalogs", error);
    PQclear(result);
    return NULL;
}

/* One row a column, in order: type name, base type of a domain, element type of an array
 * (its base), delimiter. */
#define TYPES_SQL                                                                                                      \
    "WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[]) WITH "                                     \
    "ORDINALITY u(t, m, o)), "                                                                                         \
    "b AS (SELECT o, t AS base FROM c UNION ALL SELECT o, y.typbasetype FROM b "                                       \
    "JOIN pg_type y ON y.oid = b.base WHERE y.typtype = 'd'), "                                                        \
    "d AS (SELECT b.o, y.oid AS base, CASE WHEN y.typsubscript = "                                                     \
    "'array_subscript_handler'::regproc "                                                                              \
    "AND y.typlen = -1 THEN y.typelem ELSE 0 END AS elem, y.typdelim FROM b JOIN "                                     \
    "pg_type y ON y.oid = b.base "                                                                                     \
    "WHERE y.typtype <> 'd'), "                                                                                        \
    "e AS (SELECT o, elem FROM d UNION ALL SELECT e.o, y.typbasetype FROM e "                                          \
    "JOIN pg_type y ON y.oid = e.elem WHERE y.typtype = 'd') "                                                         \
    "SELECT format_type(c.t, c.m), coalesce(d.base, 0), coalesce((SELECT e.elem FROM e "                               \
    "LEFT JOIN pg_type y "                                                                                             \
    "ON y.oid = e.elem WHERE e.o = c.o AND y.typtype IS DISTINCT FROM 'd' LIMIT 1), "                                  \
    "0), "                                                                                                             \
    "coalesce(d.typdelim, ',') FROM c LEFT JOIN d ON d.o = c.o ORDER BY c.o"

static void type_of_row(struct pg_column *column, const PGresult *result, int row)
{
    uint32_t base = (uint32_t)strtoul(PQgetvalue(result, row, 1), NULL, 10);
    uint32_t element = (uint32_t)strtoul(PQgetvalue(result, row, 2), NULL, 10);
    if (base == 0)
        return; /* a type that was dropped since: its text */
    column->type = pg_type_of(base);
    if (column->type.kind == PG_TEXT && element != 0) {
        column->type.kind = PG_ARRAY;
        column->type.element = pg_type_of(element).kind;
        column->type.delimiter = PQgetvalue(result, row, 3)[0];
    }
}

static int read_types(PGconn *sql, struct pg_table *table, struct cdc_error *error)
{
    struct cdc_buf oids = CDC_BUF_INIT, typmods = CDC_BUF_INIT;
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_printf(&oids, "%c%lu", i ? ',' : '{', (unsigned long)table->columns[i].type_oid);
        cdc_buf_printf(&typmods, "%c%ld", i ? ',' : '{', (long)table->columns[i].typmod);
    }
    cdc_buf_append(&oids, "}", 2);
    cdc_buf_append(&typmods, "}", 2);
    PGresult *result = NULL;
    if (oids.failed || typmods.failed) {
        cdc_error_memory(error);
    } else {
        const char *values[2] = {oids.data, typmods.data};
        result = query(sql, TYPES_SQL, 2, values, error);
    }
    cdc_buf_free(&oids);
    cdc_buf_free(&typmods);
    if (!result)
        return -1;
    int status = 0;
    for (size_t i = 0; i < table->n_columns && status == 0; i++) {
        if ((int)i >= PQntuples(result)) {
            status = cdc_error_set(error, CDC_EXIT_PROTOCOL, "the catalogs describe too few types");
            break;
        }
        char *name = strdup(PQgetvalue(result, (int)i, 0));
        if (!name) {
            status = cdc_error_memory(error);
            break;
        }
        free(table->columns[i].type_name);
        table->columns[i].type_name = name;
        type_of_row(&table->columns[i], result, (int)i);
    }
    PQclear(result);
    return status;
}

/* The primary key is the key where old rows carry it: where it is the replica identity,
 * or that is the whole row. With another identity (an index) a delete knows only that
 * one's columns, and they are the key on all lines. */
static void choose_key(struct pg_table *table, const bool *primary, size_t n_primary, size_t n_expected)
{
    bool usable = n_primary > 0 && n_primary == n_expected, any_identity = false, same = true;
    for (size_t i = 0; i < table->n_columns; i++) {
        any_identity = any_identity || table->columns[i].identity;
        same = same && primary[i] == table->columns[i].identity;
    }
    if (any_identity && table->replica_identity != 'f' && !same)
        usable = false;
    for (size_t i = 0; usable && i < table->n_columns; i++)
        table->columns[i].key = primary[i];
    table->has_key = table->has_key || usable;
}

static int read_columns(PGconn *sql, struct pg_table *table, struct cdc_error *error)
{
    char oid[16];
    const char *values[1] = {oid};
    snprintf(oid, sizeof oid, "%lu", (unsigned long)table->oid);
    PGresult *result = query(sql,
                             "SELECT a.attname, a.attnotnull, a.attgenerated <> '', "
                             "coalesce(a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]), "
                             "false), coalesce(i.indnkeyatts, 0) FROM pg_attribute a "
                             "LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary "
                             "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped",
                             1, values, error);
    bool *primary = calloc(table->n_columns + 1, sizeof *primary);
    if (!result || !primary) {
        PQclear(result);
        free(primary);
        return result ? cdc_error_memory(error) : -1;
    }
    size_t n_primary = 0, n_expected = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        n_expected = (size_t)strtoul(PQgetvalue(result, row, 4), NULL, 10);
        for (size_t i = 0; i < table->n_columns; i++) {
            if (strcmp(PQgetvalue(result, row, 0), table->columns[i].name) != 0)
                continue;
            table->columns[i].nullable = PQgetvalue(result, row, 1)[0] != 't';
            table->columns[i].generated = PQgetvalue(result, row, 2)[0] == 't';
            primary[i] = PQgetvalue(result, row, 3)[0] == 't';
            n_primary += primary[i];
            break;
        }
    }
    choose_key(table, primary, n_primary, n_expected);
    free(primary);
    PQclear(result);
    return 0;
}

int pg_table_describe(PGconn *sql, struct pg_table *table, struct cdc_error *error)
{
    if (table->n_columns > 0 && read_types(sql, table, error) < 0)
        return -1;
    return read_columns(sql, table, error);
}
