/* SPDX-License-Identifier: MIT */
/* Columns where the log does not name them (binlog_row_metadata MINIMAL or NO_LOG, the servers' defaults).
 *
 * What is kept of them from earlier (history.h) comes first. Else information_schema is asked, which speaks of now, while
 * the log speaks of then. What it says holds at a place of the log when no statement between that place and now has named
 * the table: so the columns are read under the table's metadata lock (a DDL statement on it is either in the log already or
 * cannot have begun), the end of the log is asked for under it, too, and the log from the place up to that end is searched
 * for DDL statements with the table's name in them. One is found: which columns the table had in between is not known, and
 * reading stops. None is found: they hold, and go on to hold until a DDL statement that names the table comes by.
 *
 * So that something is kept of tables that no row has come of yet, those that are selected are asked for at the start and
 * when DDL was read (schema_kept.c). */
#include "connectors/mysql/schema/history.h"
#include "connectors/mysql/stream/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A DDL statement between a place that was read and the end of the log. */
struct binlog_ddl {
    char *sql; /* UTF-8 where it could be converted */
    size_t n;
    struct binlog_place place; /* its end */
};

#define SEARCH_MAX ((size_t)64 << 20) /* bytes of statements that are kept */

/* -- the search ------------------------------------------------------------------------- */

void binlog_schema_forget(struct binlog_schema *schema)
{
    for (size_t i = 0; i < schema->n; i++)
        free(schema->found[i].sql);
    free(schema->found);
    memset(schema, 0, sizeof *schema);
}

static int keep(struct binlog_schema *schema, const struct binlog_query *query, const struct binlog_place *place,
                struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span sql = binlog_statement_text(query, &text);
    if (sql.p != text.data) {
        text.len = 0;
        cdc_buf_span(&text, sql);
    }
    if (schema->bytes + text.len > SEARCH_MAX) {
        cdc_buf_free(&text);
        return cdc_error_set(error, CDC_EXIT_CONFIG, "there are more DDL statements in the log than can be searched");
    }
    struct binlog_ddl *found = realloc(schema->found, (schema->n + 1) * sizeof *found);
    if (!found || text.failed) {
        schema->found = found ? found : schema->found;
        cdc_buf_free(&text);
        return cdc_error_memory(error);
    }
    schema->found = found;
    schema->bytes += text.len;
    found[schema->n++] = (struct binlog_ddl){text.data, text.len, *place};
    return 0;
}

struct search {
    struct binlog_schema *schema;
    struct binlog_gtid gtid; /* of the transaction at hand */
    struct cdc_buf scratch;
};

static int search_event(void *context, const struct binlog_header *header, struct binlog_reader body,
                        const struct binlog_place *place, struct cdc_error *error)
{
    struct search *search = context;
    struct binlog_query query;
    struct binlog_statement statement = {0};
    if (header->type == BINLOG_MARIADB_GTID)
        return binlog_gtid_parse(header, body, &search->gtid, error);
    if (header->type != BINLOG_QUERY && header->type != BINLOG_MARIADB_QUERY_COMPRESSED)
        return 0;
    if (binlog_query_parse(header, body, &search->scratch, &query, error) < 0)
        return -1;
    binlog_statement_parse(&statement, query.sql);
    bool ddl = statement.kind == BINLOG_STATEMENT_DDL && binlog_gtid_is_done(&search->gtid);
    binlog_statement_free(&statement);
    return ddl ? keep(search->schema, &query, place, error) : 0;
}

/* Nothing before `from` is asked for again: reading goes on from there. */
static void forget_before(struct binlog_schema *schema, const struct binlog_place *from)
{
    size_t kept = 0;
    for (size_t i = 0; i < schema->n; i++) {
        if (binlog_place_compare(&schema->found[i].place, from) > 0) {
            schema->found[kept++] = schema->found[i];
            continue;
        }
        schema->bytes -= schema->found[i].n;
        free(schema->found[i].sql);
    }
    schema->n = kept;
    schema->from = *from;
}

int binlog_schema_search(struct binlog_stream *stream, const struct binlog_place *from, const struct binlog_place *to,
                         struct cdc_error *error)
{
    struct binlog_schema *schema = &stream->schema;
    if (!schema->searched || binlog_place_compare(&schema->from, from) > 0 ||
        binlog_place_compare(&schema->to, from) < 0) {
        binlog_schema_forget(schema);
        schema->from = schema->to = *from;
    }
    forget_before(schema, from);
    if (binlog_place_compare(&schema->to, to) >= 0) {
        schema->searched = true;
        return 0;
    }
    struct search search = {.schema = schema};
    int result = binlog_walk(stream, &schema->to, to, search_event, &search, NULL, error);
    cdc_buf_free(&search.scratch);
    if (result < 0) {
        binlog_schema_forget(schema);
        return -1;
    }
    schema->searched = true;
    schema->to = *to;
    return 0;
}

bool binlog_schema_is_named(const struct binlog_schema *schema, const char *table, const struct binlog_place *place)
{
    for (size_t i = 0; i < schema->n; i++)
        if (binlog_place_compare(&schema->found[i].place, place) > 0 &&
            binlog_statement_names(cdc_span(schema->found[i].sql, schema->found[i].n), cdc_span_text(table)))
            return true;
    return false;
}

void binlog_schema_each(const struct binlog_schema *schema, void (*visit)(void *context, struct cdc_span sql),
                        void *context)
{
    for (size_t i = 0; i < schema->n; i++)
        visit(context, cdc_span(schema->found[i].sql, schema->found[i].n));
}

/* -- the columns ------------------------------------------------------------------------------ */

static int unknown(const struct binlog_table *table, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the columns that table %s.%s had at this place of the log are not known: %s",
                  table->db, table->name, why);
    return cdc_error_hint(
        error,
        "leave the table out (-T '%s.%s'), or take a new snapshot (remove the pipeline's offset files, and begin "
        "with cdc-snapshot); SET GLOBAL binlog_row_metadata = FULL; first, and the log names columns from then on",
        table->db, table->name);
}

static int read_columns(struct binlog_stream *stream, const struct binlog_table *table, struct cdc_buf *columns,
                        struct cdc_error *error)
{
    int found = binlog_columns_read(stream->sql, stream->server.flavor, table, columns, error);
    return found < 0 ? -1 : found ? 0 : unknown(table, "it does not exist any more, or may not be seen", error);
}

static int lock(struct binlog_stream *stream, const struct binlog_table *table, struct cdc_error *error)
{
    struct cdc_error gone = {0};
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "SELECT 1 FROM ");
    binlog_append_identifier(&sql, table->db);
    cdc_buf_byte(&sql, '.');
    binlog_append_identifier(&sql, table->name);
    cdc_buf_lit(&sql, " LIMIT 0");
    cdc_buf_byte(&sql, '\0');
    int status = sql.failed ? cdc_error_memory(error) : binlog_execute(stream->sql, sql.data, "cannot lock", &gone);
    cdc_buf_free(&sql);
    if (status == 0 || gone.status == 0)
        return status;
    return cdc_error_is_transient(&gone) ? cdc_error_set(error, gone.status, "%s", gone.text)
                                         : unknown(table, gone.text, error);
}

/* A transaction that has touched the table holds its metadata lock: no DDL statement on it is under way. One for each
 * table, so that it sees what was committed when the lock was got. */
int binlog_schema_ask(struct binlog_stream *stream, const struct binlog_table *table, struct cdc_buf *columns,
                      struct binlog_place *end, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    char *gtids = NULL;
    if (binlog_execute(stream->sql, "START TRANSACTION", "cannot begin a transaction", error) < 0)
        return -1;
    int status = lock(stream, table, error);
    if (status == 0)
        status = read_columns(stream, table, columns, error);
    if (status == 0)
        status = binlog_server_end(stream->sql, &stream->server, end, &gtids, error);
    free(gtids);
    (void)binlog_execute(stream->sql, "ROLLBACK", "", &ignored);
    return status;
}

static int prove(struct binlog_stream *stream, struct binlog_table *table, const struct binlog_place *place,
                 struct cdc_buf *columns, struct cdc_error *error)
{
    struct binlog_place end;
    const char *why;
    if (place->position > UINT32_MAX)
        return unknown(table, "the place is beyond 4 GiB in its file", error);
    if (binlog_stream_ensure_sql(stream, error) < 0 || binlog_schema_ask(stream, table, columns, &end, error) < 0 ||
        binlog_schema_search(stream, place, &end, error) < 0)
        return -1;
    if (binlog_schema_is_named(&stream->schema, table->name, place))
        return unknown(table, "a later statement in the log changes it", error);
    int fits = binlog_columns_apply(cdc_span(columns->data, columns->len), table, stream->server.flavor, &why, error);
    return fits < 0 ? -1 : fits ? 0 : unknown(table, why, error);
}

int binlog_schema_complete(struct binlog_stream *stream, struct binlog_table *table, const struct binlog_place *place,
                           struct cdc_error *error)
{
    struct binlog_moment moment = binlog_decoder_moment(stream->decoder);
    struct cdc_span kept = binlog_history_find(stream->history, table->db, table->name, moment);
    struct cdc_buf columns = CDC_BUF_INIT;
    const char *why;
    if (kept.p) {
        int fits = binlog_columns_apply(kept, table, stream->server.flavor, &why, error);
        return fits < 0 ? -1 : fits ? 0 : unknown(table, why, error);
    }
    int result = prove(stream, table, place, &columns, error);
    if (result == 0)
        result = binlog_history_add(stream->history, table->db, table->name, moment,
                                    cdc_span(columns.data, columns.len), error);
    cdc_buf_free(&columns);
    return result;
}
