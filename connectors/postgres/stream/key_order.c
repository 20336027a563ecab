/* SPDX-License-Identifier: MIT */
/* The key of a table that is read again in pieces (pgoutput/live.h), and its order where the server has to tell it. Two keys are
 * compared there as a piece's statement compares its columns with the last key, by the columns' own collations: a primary key has the
 * default operators, and no other order than they have.
 *
 *      SELECT ROW($1::pg_catalog.text COLLATE "C", $2::pg_catalog.date) > ROW($3..., $4...), ROW($1..., $2...) < ROW($3..., $4...) */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/query.h"

#include <stdlib.h>
#include <string.h>

static const char key_sql[] =
    "SELECT a.attname AS name, a.atttypid AS type, 'pg_catalog.' || quote_ident(t.typname) || coalesce(' COLLATE ' || "
    "(SELECT quote_ident(s.nspname) || '.' || quote_ident(l.collname) FROM pg_collation l JOIN pg_namespace s ON s.oid "
    "= l.collnamespace WHERE l.oid = a.attcollation), '') AS cast, pg_relation_size(c.oid) >= 8388608 AS large "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indrelid = c.oid AND "
    "i.indisprimary AND i.indisvalid AND i.indimmediate CROSS JOIN LATERAL unnest((i.indkey::int2[])[0:i.indnkeyatts - "
    "1]) WITH ORDINALITY k(number, place) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number JOIN "
    "pg_type t ON t.oid = a.atttypid WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r' AND c.relreplident = "
    "'d' ORDER BY k.place";

/* Is the order known here, is it the server's to tell, or is it none that its texts would keep? */
enum kind { KEY_KNOWN, KEY_ASKED, KEY_NONE };
static enum kind kind_of(int type)
{
    enum { INT8 = 20, INT2 = 21, INT4 = 23, UUID = 2950 };
    /* bool, bytea, "char", name, text, oid, cidr, macaddr8, macaddr, inet, bpchar, varchar, date, time, timestamp, timestamptz, numeric */
    static const int asked[] = {16, 17, 18, 19, 25, 26, 650, 774, 829, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1700};
    if (type == INT8 || type == INT2 || type == INT4 || type == UUID)
        return KEY_KNOWN;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        if (type == asked[i])
            return KEY_ASKED;
    return KEY_NONE;
}

static const char *find_name(const struct pg_table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].key && strcmp(table->columns[i].name, name) == 0)
            return table->columns[i].name;
    return NULL;
}

/* -- the question -- */

static void append_row(struct cdc_buf *out, const PGresult *key, int first)
{
    cdc_buf_lit(out, "ROW(");
    for (int i = 0; i < PQntuples(key); i++)
        cdc_buf_printf(out, "%s$%d::%s", i ? ", " : "", first + i + 1, PQgetvalue(key, i, 2));
    cdc_buf_lit(out, ")");
}

static int make_question(struct pg_reading *reading, const PGresult *key, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "SELECT ");
    for (int i = 0; i < 2; i++) {
        append_row(&text, key, 0);
        cdc_buf_text(&text, i == 0 ? " > " : " < ");
        append_row(&text, key, PQntuples(key));
        cdc_buf_text(&text, i == 0 ? ", " : "");
    }
    cdc_buf_byte(&text, '\0');
    free(reading->question);
    reading->question = text.failed ? NULL : strdup(text.data);
    cdc_buf_free(&text);
    return reading->question ? 0 : cdc_error_memory(error);
}

static void take_values(const struct pg_live_key *key, size_t n, const char **values)
{
    const char *text = key->text.data;
    for (size_t i = 0; i < n; i++, text += strlen(text) + 1)
        values[i] = text;
}

static bool order_of(void *context, const struct pg_live_key *a, const struct pg_live_key *b, int *order)
{
    struct pg_stream *stream = context;
    struct pg_reading *reading = &stream->reading;
    const char *values[2 * PG_LIVE_KEY_MAX];
    size_t n = reading->live.n_key;
    struct cdc_error error = {0};
    take_values(a, n, values);
    take_values(b, n, values + n);
    if (pg_reading_open_session(stream, &error) < 0)
        return false;
    PGresult *result =
        pg_query_rows(reading->sql, reading->question, (int)(2 * n), values, "cannot compare two keys", &error);
    bool good = result && PQntuples(result) == 1 && PQnfields(result) == 2;
    if (good)
        *order = (PQgetvalue(result, 0, 0)[0] == 't') - (PQgetvalue(result, 0, 1)[0] == 't');
    else if (error.status)
        cdc_log_write(stream->log, CDC_LOG_DEBUG, "%s", error.text);
    PQclear(result);
    return good;
}

/* -- the key -- */

/* Names of the key's columns belong to the table. */
static enum kind take_columns(struct pg_reading *reading, const PGresult *key)
{
    struct pg_live *live = &reading->live;
    enum { UUID = 2950 };
    enum kind all = KEY_KNOWN;
    int n = PQntuples(key);
    size_t keys = 0;
    live->n_key = 0;
    if (n == 0 || n > PG_LIVE_KEY_MAX)
        return KEY_NONE;
    for (int i = 0; i < n; i++) {
        int type = atoi(PQgetvalue(key, i, 1));
        enum kind kind = kind_of(type);
        all = kind > all ? kind : all;
        live->is_uuid[i] = type == UUID;
        live->column[i] = find_name(reading->table, PQgetvalue(key, i, 0));
        if (!live->column[i])
            return KEY_NONE;
        live->n_key++;
    }
    for (size_t c = 0; c < reading->table->n_columns; c++)
        keys += reading->table->columns[c].key;
    return keys == live->n_key ? all : KEY_NONE;
}

int pg_reading_key(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_live *live = &reading->live;
    PGresult *key = pg_query_rows(reading->sql, key_sql, 2, (const char *const[]){reading->schema, reading->name},
                                  "cannot read the key of a table", error);
    if (!key)
        return -1;
    enum kind kind = take_columns(reading, key);
    /* Questions are for tables that others would have to wait for, and for once. */
    if (kind == KEY_ASKED && (PQgetvalue(key, 0, 3)[0] != 't' || reading->restarts > 0))
        kind = KEY_NONE;
    live->order = kind == KEY_ASKED ? order_of : NULL;
    live->context = stream;
    int status = live->order ? make_question(reading, key, error) : 0;
    PQclear(key);
    return status < 0 ? -1 : kind != KEY_NONE;
}
