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
#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/columns.h"
#include "connectors/mysql/schema/history.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/stream/internal.h"
#include "connectors/mysql/stream/stream.h"

#include <cdc/bytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A DDL statement between a place that was read and the end of the log. */
struct my_ddl {
    char *sql; /* UTF-8 where it could be converted */
    size_t n;
    struct my_coord coord; /* its end */
};

#define SEARCH_MAX ((size_t)64 << 20) /* bytes of statements that are kept */

/* -- the search ------------------------------------------------------------------------- */

void my_schema_forget(struct my_schema *schema)
{
    for (size_t i = 0; i < schema->n; i++)
        free(schema->found[i].sql);
    free(schema->found);
    memset(schema, 0, sizeof *schema);
}

static int keep(struct my_schema *schema, const struct my_event_query *query, const struct my_coord *coord,
                struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span sql = my_statement_text(query, &text);
    if (sql.p != text.data) {
        text.len = 0;
        cdc_buf_span(&text, sql);
    }
    if (schema->bytes + text.len > SEARCH_MAX) {
        cdc_buf_free(&text);
        return cdc_error_set(error, CDC_EXIT_CONFIG, "there are more DDL statements in the log than can be searched");
    }
    struct my_ddl *found = realloc(schema->found, (schema->n + 1) * sizeof *found);
    if (!found || text.failed) {
        schema->found = found ? found : schema->found;
        cdc_buf_free(&text);
        return cdc_error_memory(error);
    }
    schema->found = found;
    schema->bytes += text.len;
    found[schema->n++] = (struct my_ddl){text.data, text.len, *coord};
    return 0;
}

struct search {
    struct my_schema *schema;
    struct my_gtid gtid; /* of the transaction at hand */
    struct cdc_buf scratch;
};

static int search_event(void *context, const struct my_event_header *header, struct cdc_bytes body,
                        const struct my_coord *coord, struct cdc_error *error)
{
    struct search *search = context;
    struct my_event_query query;
    struct my_statement statement = {0};
    if (header->type == MY_EVENT_MARIADB_GTID)
        return my_gtid_parse(header, body, &search->gtid, error);
    if (header->type != MY_EVENT_QUERY && header->type != MY_EVENT_MARIADB_QUERY_COMPRESSED)
        return 0;
    if (my_event_query_parse(header, body, &search->scratch, &query, error) < 0)
        return -1;
    my_statement_parse(&statement, query.sql);
    bool ddl = statement.kind == MY_STATEMENT_DDL && my_gtid_is_done(&search->gtid);
    my_statement_free(&statement);
    return ddl ? keep(search->schema, &query, coord, error) : 0;
}

/* Nothing before `from` is asked for again: reading goes on from there. */
static void forget_before(struct my_schema *schema, const struct my_coord *from)
{
    size_t kept = 0;
    for (size_t i = 0; i < schema->n; i++) {
        if (my_coord_compare(&schema->found[i].coord, from) > 0) {
            schema->found[kept++] = schema->found[i];
            continue;
        }
        schema->bytes -= schema->found[i].n;
        free(schema->found[i].sql);
    }
    schema->n = kept;
    schema->from = *from;
}

int my_schema_search(struct my_stream *stream, const struct my_coord *from, const struct my_coord *to,
                     struct cdc_error *error)
{
    struct my_schema *schema = &stream->schema;
    if (!schema->searched || my_coord_compare(&schema->from, from) > 0 || my_coord_compare(&schema->to, from) < 0) {
        my_schema_forget(schema);
        schema->from = schema->to = *from;
    }
    forget_before(schema, from);
    if (my_coord_compare(&schema->to, to) >= 0) {
        schema->searched = true;
        return 0;
    }
    struct search search = {.schema = schema};
    int result = my_log_read(stream, &schema->to, to, search_event, &search, NULL, error);
    cdc_buf_free(&search.scratch);
    if (result < 0) {
        my_schema_forget(schema);
        return -1;
    }
    schema->searched = true;
    schema->to = *to;
    return 0;
}

bool my_schema_is_named(const struct my_schema *schema, const char *table, const struct my_coord *coord)
{
    for (size_t i = 0; i < schema->n; i++)
        if (my_coord_compare(&schema->found[i].coord, coord) > 0 &&
            my_statement_names(cdc_span(schema->found[i].sql, schema->found[i].n), cdc_span_text(table)))
            return true;
    return false;
}

void my_schema_each(const struct my_schema *schema, void (*visit)(void *context, struct cdc_span sql), void *context)
{
    for (size_t i = 0; i < schema->n; i++)
        visit(context, cdc_span(schema->found[i].sql, schema->found[i].n));
}

/* -- the columns ------------------------------------------------------------------------------ */

static int unknown(const struct my_table *table, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the columns that table %s.%s had at this place of the log are not known: %s",
                  table->db, table->name, why);
    return cdc_error_hint(
        error,
        "leave the table out (-T '%s.%s'), or take a new snapshot (remove the pipeline's offset files, and begin "
        "with cdc-snapshot); SET GLOBAL binlog_row_metadata = FULL; first, and the log names columns from then on",
        table->db, table->name);
}

static int read_columns(struct my_stream *stream, const struct my_table *table, struct cdc_buf *columns,
                        struct cdc_error *error)
{
    int found = my_catalog_columns(stream->sql, stream->server.flavor, table, columns, error);
    return found < 0 ? -1 : found ? 0 : unknown(table, "it does not exist any more, or may not be seen", error);
}

static int lock(struct my_stream *stream, const struct my_table *table, struct cdc_error *error)
{
    struct cdc_error gone = {0};
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "SELECT 1 FROM ");
    my_session_append_identifier(&sql, table->db);
    cdc_buf_byte(&sql, '.');
    my_session_append_identifier(&sql, table->name);
    cdc_buf_lit(&sql, " LIMIT 0");
    cdc_buf_byte(&sql, '\0');
    int status = sql.failed ? cdc_error_memory(error) : my_session_execute(stream->sql, sql.data, "cannot lock", &gone);
    cdc_buf_free(&sql);
    if (status == 0 || gone.status == 0)
        return status;
    return cdc_error_is_transient(&gone) ? cdc_error_set(error, gone.status, "%s", gone.text)
                                         : unknown(table, gone.text, error);
}

/* A transaction that has touched the table holds its metadata lock: no DDL statement on it is under way. One for each
 * table, so that it sees what was committed when the lock was got. */
int my_schema_ask(struct my_stream *stream, const struct my_table *table, struct cdc_buf *columns, struct my_coord *end,
                  struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    char *gtids = NULL;
    if (my_session_execute(stream->sql, "START TRANSACTION", "cannot begin a transaction", error) < 0)
        return -1;
    int status = lock(stream, table, error);
    if (status == 0)
        status = read_columns(stream, table, columns, error);
    if (status == 0)
        status = my_server_end(stream->sql, &stream->server, end, &gtids, error);
    free(gtids);
    (void)my_session_execute(stream->sql, "ROLLBACK", "", &ignored);
    return status;
}

static int prove(struct my_stream *stream, struct my_table *table, const struct my_coord *coord,
                 struct cdc_buf *columns, struct cdc_error *error)
{
    struct my_coord end;
    const char *why;
    if (coord->position > UINT32_MAX)
        return unknown(table, "the place is beyond 4 GiB in its file", error);
    if (my_stream_ensure_sql(stream, error) < 0 || my_schema_ask(stream, table, columns, &end, error) < 0 ||
        my_schema_search(stream, coord, &end, error) < 0)
        return -1;
    if (my_schema_is_named(&stream->schema, table->name, coord))
        return unknown(table, "a later statement in the log changes it", error);
    int fits = my_columns_apply(cdc_span(columns->data, columns->len), table, stream->server.flavor, &why, error);
    return fits < 0 ? -1 : fits ? 0 : unknown(table, why, error);
}

int my_schema_complete(struct my_stream *stream, struct my_table *table, const struct my_coord *coord,
                       struct cdc_error *error)
{
    struct my_point point = my_decoder_point(stream->decoder);
    struct cdc_span kept = my_history_find(stream->history, table->db, table->name, point);
    struct cdc_buf columns = CDC_BUF_INIT;
    const char *why;
    if (kept.p) {
        int fits = my_columns_apply(kept, table, stream->server.flavor, &why, error);
        return fits < 0 ? -1 : fits ? 0 : unknown(table, why, error);
    }
    int result = prove(stream, table, coord, &columns, error);
    if (result == 0)
        result =
            my_history_add(stream->history, table->db, table->name, point, cdc_span(columns.data, columns.len), error);
    cdc_buf_free(&columns);
    return result;
}
