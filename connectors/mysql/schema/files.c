/* SPDX-License-Identifier: MIT */
#include "connectors/mysql/schema/files.h"
#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/columns.h"

#include <cdc/bytes.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SEARCH_MAX ((size_t)64 << 20)   /* bytes of statements that are kept */
#define STATEMENT_MAX ((size_t)1 << 30) /* max_allowed_packet's limit */

struct ddl {
    char *sql; /* UTF-8 where it could be converted */
    size_t n;
    size_t file;
    uint64_t end; /* offset in it */
};

struct my_files_schema {
    MYSQL *sql;
    enum my_flavor flavor;
    struct ddl *found;
    size_t n, bytes;
    struct cdc_buf event, scratch, columns;
};

/* -- the statements ------------------------------------------------------------------------- */

static int keep(struct my_files_schema *schema, const struct my_event_query *query, size_t file, uint64_t end,
                struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span sql = my_statement_text(query, &text);
    char *copy = cdc_span_copy(sql);
    struct ddl *found = copy ? realloc(schema->found, (schema->n + 1) * sizeof *found) : NULL;
    cdc_buf_free(&text);
    if (!found) {
        free(copy);
        return cdc_error_memory(error);
    }
    schema->found = found;
    schema->found[schema->n++] = (struct ddl){copy, sql.n, file, end};
    schema->bytes += sql.n;
    if (schema->bytes <= SEARCH_MAX)
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "there are more DDL statements in the files than can be searched");
}

static int take_event(struct my_files_schema *schema, struct my_event_format *format, size_t file, uint64_t end,
                      struct cdc_error *error)
{
    struct my_event_header header;
    struct cdc_bytes body;
    struct my_event_query query;
    struct my_statement statement = {0};
    const uint8_t *data = (const uint8_t *)schema->event.data;
    if (my_event_header_parse(data, schema->event.len, &header, error) < 0 ||
        my_event_body(format, &header, data, schema->event.len, &body, error) < 0)
        return -1;
    if (header.type == MY_EVENT_FORMAT)
        return my_event_format_parse(&header, body, format, error);
    if (my_event_query_parse(&header, body, &schema->scratch, &query, error) < 0)
        return -1;
    my_statement_parse(&statement, query.sql);
    bool ddl = statement.kind == MY_STATEMENT_DDL;
    my_statement_free(&statement);
    return ddl ? keep(schema, &query, file, end, error) : 0;
}

/* The rest of an event whose header was read. */
static int read_event(struct my_files_schema *schema, FILE *in, size_t n, struct cdc_error *error)
{
    if (!cdc_buf_room(&schema->event, n))
        return cdc_error_memory(error);
    schema->event.len += fread(schema->event.data + MY_EVENT_HEADER_SIZE, 1, n - MY_EVENT_HEADER_SIZE, in);
    return 0;
}

/* What is cut or damaged is told by the reading that follows; here it only ends. */
static int search_events(struct my_files_schema *schema, FILE *in, size_t file, struct cdc_error *error)
{
    struct my_event_format format;
    uint64_t end = 4;
    my_event_format_default(&format);
    for (;;) {
        uint8_t head[MY_EVENT_HEADER_SIZE];
        if (fread(head, 1, sizeof head, in) != sizeof head)
            return 0;
        size_t n = (size_t)head[9] | (size_t)head[10] << 8 | (size_t)head[11] << 16 | (size_t)head[12] << 24;
        if (n < sizeof head || n > STATEMENT_MAX)
            return 0;
        end += n;
        if (head[4] != MY_EVENT_QUERY && head[4] != MY_EVENT_MARIADB_QUERY_COMPRESSED && head[4] != MY_EVENT_FORMAT) {
            if (fseeko(in, (off_t)(n - sizeof head), SEEK_CUR) != 0)
                return 0;
            continue;
        }
        schema->event.len = 0;
        cdc_buf_append(&schema->event, head, sizeof head);
        if (read_event(schema, in, n, error) < 0)
            return -1;
        if (schema->event.len != n)
            return 0;
        if (take_event(schema, &format, file, end, error) < 0)
            return -1;
    }
}

static int search_file(struct my_files_schema *schema, const char *path, size_t file, struct cdc_error *error)
{
    FILE *in = fopen(path, "re");
    if (!in)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to open file %s: %s", path, strerror(errno));
    int result = 0;
    if (fseeko(in, 4, SEEK_SET) != 0)
        result = cdc_error_set(error, CDC_EXIT_USAGE, "%s cannot be read twice, as --schema-from needs", path);
    else if (search_events(schema, in, file, error) < 0)
        result = cdc_error_prefix(error, "file %.400s", path);
    fclose(in);
    return result;
}

/* -- life ------------------------------------------------------------------------------ */

struct my_files_schema *my_files_schema_new(const struct my_session_settings *connection, const char *const *files,
                                            size_t n_files, struct cdc_error *error)
{
    struct my_files_schema *schema = calloc(1, sizeof *schema);
    if (!schema) {
        cdc_error_memory(error);
        return NULL;
    }
    int result = 0;
    for (size_t i = 0; result == 0 && i < n_files; i++)
        result = search_file(schema, files[i], i, error);
    if (result == 0 && (schema->sql = my_session_connect(connection, error)) != NULL &&
        my_server_flavor(schema->sql, &schema->flavor, error) == 0)
        return schema;
    my_files_schema_free(schema);
    return NULL;
}

void my_files_schema_free(struct my_files_schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->n; i++)
        free(schema->found[i].sql);
    free(schema->found);
    if (schema->sql)
        mysql_close(schema->sql);
    cdc_buf_free(&schema->event);
    cdc_buf_free(&schema->scratch);
    cdc_buf_free(&schema->columns);
    free(schema);
}

/* -- columns ------------------------------------------------------------------------------ */

static int unknown(const struct my_table *table, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the columns that table %s.%s had at this place are not known: %s", table->db,
                  table->name, why);
    return cdc_error_hint(error,
                          "leave the table out (-T '%s.%s'), or name a server with --schema-from where the table "
                          "is as it was then",
                          table->db, table->name);
}

static bool is_altered(const struct my_files_schema *schema, size_t file, uint64_t offset, const char *table)
{
    for (size_t i = 0; i < schema->n; i++) {
        const struct ddl *ddl = &schema->found[i];
        if ((ddl->file > file || (ddl->file == file && ddl->end > offset)) &&
            my_statement_names(cdc_span(ddl->sql, ddl->n), cdc_span_text(table)))
            return true;
    }
    return false;
}

int my_files_schema_complete(struct my_files_schema *schema, enum my_flavor flavor, size_t file, uint64_t offset,
                             struct my_table *table, struct cdc_error *error)
{
    const char *why;
    if (flavor != schema->flavor)
        return unknown(table, "the files are of MySQL and the server is MariaDB, or the other way round", error);
    if (is_altered(schema, file, offset, table->name))
        return unknown(table, "a later statement in the files changes it", error);
    int found = my_catalog_columns(schema->sql, flavor, table, &schema->columns, error);
    if (found <= 0)
        return found < 0 ? -1 : unknown(table, "the server has no such table, or does not show it", error);
    int fits = my_columns_apply(cdc_span(schema->columns.data, schema->columns.len), table, flavor, &why, error);
    return fits < 0 ? -1 : fits ? 0 : unknown(table, why, error);
}
