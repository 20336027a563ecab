/* SPDX-License-Identifier: MIT */
/* Columns where the log does not name them (binlog_row_metadata MINIMAL or NO_LOG, the servers' defaults).
 *
 * information_schema speaks of now, the log of then. What it says holds at a place of the log when no statement between
 * that place and now has named the table: so the columns are read under the table's metadata lock (a DDL statement on it is
 * either in the log already or cannot have begun), the end of the log is asked for under it, too, and the log from the
 * place up to that end is searched for DDL statements with the table's name in them. One is found: which columns the
 * table had in between is not known, and reading stops. None is found: they hold, and go on to hold until a DDL statement
 * comes by, which gives the table a new id in the log, and the question is asked again. */
#include "connectors/mysql/stream.h"

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
    const struct binlog_charset *charset = query->charset ? binlog_charset_of(query->charset) : NULL;
    if (!binlog_text_convert(&text, charset, (const uint8_t *)query->sql.p, query->sql.n)) {
        text.len = 0;
        cdc_buf_append(&text, query->sql.p, query->sql.n);
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
    struct cdc_buf scratch;
};

static int search_event(void *context, const struct binlog_header *header, struct binlog_reader body,
                        const struct binlog_place *place, struct cdc_error *error)
{
    struct search *search = context;
    struct binlog_query query;
    struct binlog_statement statement = {0};
    if (header->type != BINLOG_QUERY && header->type != BINLOG_MARIADB_QUERY_COMPRESSED)
        return 0;
    if (binlog_query_parse(header, body, &search->scratch, &query, error) < 0)
        return -1;
    binlog_statement_parse(&statement, query.sql);
    bool ddl = statement.kind == BINLOG_STATEMENT_DDL || statement.kind == BINLOG_STATEMENT_TRUNCATE;
    binlog_statement_free(&statement);
    return ddl ? keep(search->schema, &query, place, error) : 0;
}

/* Lists the DDL statements from where the last search ended (or from `from`) up to `to`. */
static int search_log(struct binlog_stream *stream, const struct binlog_place *from, const struct binlog_place *to,
                      struct cdc_error *error)
{
    struct binlog_schema *schema = &stream->schema;
    if (!schema->searched || binlog_place_compare(&schema->from, from) > 0 ||
        binlog_place_compare(&schema->to, from) < 0) {
        binlog_schema_forget(schema);
        schema->from = schema->to = *from;
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

/* -- the columns ------------------------------------------------------------------------------ */

static int unknown(const struct binlog_table *table, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the columns that table %s.%s had at this place of the log are not known: %s",
                  table->db, table->name, why);
    return cdc_error_hint(error,
                          "SET GLOBAL binlog_row_metadata = FULL; and take a new snapshot: from then on the log names "
                          "its columns");
}

/* As the server writes them, whatever sql_mode says: '' \\ \n \r \0 */
static char label_byte(const char **p)
{
    if (**p == '\'')
        return *++*p;
    if (**p != '\\' || !(*p)[1])
        return **p;
    switch (*++*p) {
    case 'n': return '\n';
    case 'r': return '\r';
    case '0': return '\0';
    default: return **p;
    }
}

static int labels_of(struct binlog_column *column, const char *type, struct cdc_error *error)
{
    const char *p = strchr(type, '(');
    while (p && (*p == '(' || *p == ',') && p[1] == '\'') {
        struct cdc_buf label = CDC_BUF_INIT;
        bool has_nul = false;
        for (p += 2; *p && !(p[0] == '\'' && p[1] != '\''); p++) {
            char c = label_byte(&p);
            has_nul |= c == '\0';
            cdc_buf_byte(&label, c);
        }
        cdc_buf_byte(&label, '\0');
        char **labels = realloc(column->labels, (column->n_labels + 1) * sizeof *labels);
        if (!labels || label.failed) {
            column->labels = labels ? labels : column->labels;
            cdc_buf_free(&label);
            return cdc_error_memory(error);
        }
        column->labels = labels;
        labels[column->n_labels++] = label.data;
        if (has_nul)
            return cdc_error_set(error, CDC_EXIT_CONFIG,
                                 "a label of an ENUM or SET column has a NUL in it, which has no meaning here");
        p += *p == '\'';
    }
    return 0;
}

/* row: COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, COLUMN_KEY */
static int take_column(struct binlog_table *table, struct binlog_column *column, MYSQL_ROW row, struct cdc_error *error)
{
    const char *type = row[1] ? row[1] : "";
    bool label = column->type == BINLOG_TYPE_ENUM || column->type == BINLOG_TYPE_SET;
    if (!row[0] || !binlog_type_fits(column, type) || column->nullable != (row[3] && strcmp(row[3], "YES") == 0))
        return unknown(table, "they have other types now", error);
    free(column->name);
    column->name = strdup(row[0]);
    column->is_unsigned |= strstr(type, "unsigned") != NULL;
    column->key |= row[4] && strcmp(row[4], "PRI") == 0;
    if (!column->charset)
        column->charset = row[2] ? binlog_charset_named(row[2]) : binlog_charset_named("binary");
    if (!column->name)
        return cdc_error_memory(error);
    return label && column->n_labels == 0 ? labels_of(column, type, error) : 0;
}

static int take_columns(struct binlog_table *table, MYSQL_RES *result, struct cdc_error *error)
{
    size_t i = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL; i++) {
        if (i >= table->n_columns)
            return unknown(table, "it has more of them now", error);
        if (take_column(table, &table->columns[i], row, error) < 0)
            return -1;
    }
    if (i == 0)
        return unknown(table, "it does not exist any more, or may not be seen", error);
    if (i == table->n_columns || binlog_table_name_hidden(table, i, error))
        return 0;
    return error->status ? -1 : unknown(table, "it has fewer of them now", error);
}

static int read_locked(struct binlog_stream *stream, struct binlog_table *table, struct binlog_place *end,
                       struct cdc_error *error)
{
    char *gtids = NULL;
    MYSQL_RES *result = binlog_query_table(stream->sql,
                                           "SELECT COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, COLUMN_KEY "
                                           "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ",
                                           " ORDER BY ORDINAL_POSITION", table, error);
    int status = result ? take_columns(table, result, error) : -1;
    mysql_free_result(result);
    if (status == 0)
        status = binlog_server_end(stream->sql, &stream->server, end, &gtids, error);
    free(gtids);
    return status;
}

/* A transaction that has touched the table holds its metadata lock: no DDL statement on it is under way. */
static int read_columns(struct binlog_stream *stream, struct binlog_table *table, struct binlog_place *end,
                        struct cdc_error *error)
{
    struct cdc_error gone = {0}, ignored = {0};
    struct cdc_buf sql = CDC_BUF_INIT;
    if (binlog_execute(stream->sql, "START TRANSACTION", "cannot begin a transaction", error) < 0)
        return -1;
    cdc_buf_lit(&sql, "SELECT 1 FROM ");
    binlog_append_identifier(&sql, table->db);
    cdc_buf_byte(&sql, '.');
    binlog_append_identifier(&sql, table->name);
    cdc_buf_lit(&sql, " LIMIT 0");
    cdc_buf_byte(&sql, '\0');
    int status = sql.failed ? cdc_error_memory(error) : binlog_execute(stream->sql, sql.data, "cannot lock", &gone);
    cdc_buf_free(&sql);
    if (status < 0 && gone.status != 0)
        status = cdc_error_is_transient(&gone) ? cdc_error_set(error, gone.status, "%s", gone.text)
                                               : unknown(table, gone.text, error);
    if (status == 0)
        status = read_locked(stream, table, end, error);
    (void)binlog_execute(stream->sql, "ROLLBACK", "", &ignored);
    return status;
}

static bool is_named_since(const struct binlog_schema *schema, const struct binlog_table *table,
                           const struct binlog_place *place)
{
    for (size_t i = 0; i < schema->n; i++)
        if (binlog_place_compare(&schema->found[i].place, place) > 0 &&
            binlog_statement_names(cdc_span(schema->found[i].sql, schema->found[i].n), cdc_span_text(table->name)))
            return true;
    return false;
}

int binlog_schema_complete(struct binlog_stream *stream, struct binlog_table *table, const struct binlog_place *place,
                           struct cdc_error *error)
{
    struct binlog_place end;
    if (place->position > UINT32_MAX)
        return unknown(table, "the place is beyond 4 GiB in its file", error);
    if (read_columns(stream, table, &end, error) < 0 || search_log(stream, place, &end, error) < 0)
        return -1;
    if (is_named_since(&stream->schema, table, place))
        return unknown(table, "a later statement in the log changes it", error);
    return 0;
}
