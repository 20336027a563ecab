/* SPDX-License-Identifier: MIT */
/* Columns for files of the log: their DDL statements, and a server. */
#include "connectors/mysql/schema/files.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/columns.h"
#include "connectors/mysql/schema/ddl.h"

#include <cdc/bytes.h>
#include <cdc/file.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define STATEMENT_MAX ((size_t)1 << 30) /* max_allowed_packet's limit */

struct my_files_schema {
    struct my_session session;
    enum my_flavor flavor;
    struct my_ddl_list ddl;
    struct cdc_buf event, columns;
};

/* The files are one log in the order in which they were given, whatever their names are: they are numbered here,
 * with digits enough that names compare like numbers. */
static struct my_coord coord_of(size_t file, uint64_t offset)
{
    struct my_coord coord = {.position = offset};
    snprintf(coord.file, sizeof coord.file, "%020zu", file);
    return coord;
}

/* -- the statements ------------------------------------------------------------------------- */

static int take_event(struct my_files_schema *schema, struct my_event_format *format, size_t file, uint64_t end,
                      struct cdc_error *error)
{
    const struct my_coord coord = coord_of(file, end);
    struct my_event_header header;
    struct cdc_bytes body;
    const uint8_t *data = (const uint8_t *)schema->event.data;
    if (my_event_header_parse(data, schema->event.len, &header, error) < 0 ||
        my_event_body(format, &header, data, schema->event.len, &body, error) < 0)
        return -1;
    if (header.type == MY_EVENT_FORMAT)
        return my_event_format_parse(&header, body, format, error);
    return my_ddl_take(&schema->ddl, &header, body, &coord, error);
}

/* The rest of an event whose header was read. */
static int read_event(struct my_files_schema *schema, FILE *in, size_t n, struct cdc_error *error)
{
    if (!cdc_buf_room(&schema->event, n))
        return cdc_error_memory(error);
    schema->event.len += fread(schema->event.data + MY_EVENT_HEADER_SIZE, 1, n - MY_EVENT_HEADER_SIZE, in);
    return 0;
}

/* A file that is truncated or damaged only ends here: the reading that follows reports it. */
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
        /* Rows are passed over unread: this is a first reading of all files, for their statements alone. */
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
        return cdc_error_set(error, cdc_file_exit(errno), "unable to open file %s: %s", path, strerror(errno));
    int result = 0;
    if (fseeko(in, 4, SEEK_SET) != 0)
        result = cdc_error_set(error, CDC_EXIT_USAGE, "%s cannot be read twice, as --schema-from needs", path);
    else if (search_events(schema, in, file, error) < 0)
        result = cdc_error_prefix(error, "file %.400s", path);
    else if (ferror(in)) /* the next reading may have no error, and statements would be missing without a word */
        result = cdc_error_set(error, cdc_file_exit(errno), "unable to read file %s: %s", path, strerror(errno));
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
    my_session_init(&schema->session, connection, 0);
    for (size_t i = 0; result == 0 && i < n_files; i++)
        result = search_file(schema, files[i], i, error);
    MYSQL *sql = result == 0 ? my_session_sql(&schema->session, error) : NULL;
    if (sql && my_server_flavor(sql, &schema->flavor, error) == 0)
        return schema;
    my_files_schema_free(schema);
    return NULL;
}

void my_files_schema_free(struct my_files_schema *schema)
{
    if (!schema)
        return;
    my_ddl_free(&schema->ddl);
    my_session_close(&schema->session);
    cdc_buf_free(&schema->event);
    cdc_buf_free(&schema->columns);
    free(schema);
}

/* -- columns ------------------------------------------------------------------------------ */

static int unknown(const struct my_table *table, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the columns that table %s.%s had at this point are not known: %s", table->db,
                  table->name, why);
    return cdc_error_hint(error,
                          "exclude the table (-T '%s.%s'), or name a server with --schema-from where the table "
                          "is as it was then",
                          table->db, table->name);
}

int my_files_schema_describe(struct my_files_schema *schema, enum my_flavor flavor, struct my_table *table,
                             struct cdc_error *error)
{
    MYSQL *sql = flavor == schema->flavor ? my_session_sql(&schema->session, error) : NULL;
    if (!sql)
        return error->status ? -1 : 0;
    if (my_catalog_tell_sequence(sql, flavor, table, error) < 0)
        return -1;
    return table->sequence ? 0 : my_catalog_describe(sql, flavor, table, error);
}

int my_files_schema_complete(struct my_files_schema *schema, enum my_flavor flavor, size_t file, uint64_t offset,
                             struct my_table *table, struct cdc_error *error)
{
    const struct my_coord coord = coord_of(file, offset);
    const char *why;
    if (flavor != schema->flavor)
        return unknown(table, "the files are of MySQL and the server is MariaDB, or the other way round", error);
    MYSQL *sql = my_session_sql(&schema->session, error);
    if (!sql || my_catalog_tell_sequence(sql, flavor, table, error) < 0)
        return -1;
    if (table->sequence)
        return 0;
    if (my_ddl_names(&schema->ddl, table->name, &coord))
        return unknown(table, "a later statement in the files changes it", error);
    int found = my_catalog_columns(sql, flavor, table, &schema->columns, error);
    if (found <= 0)
        return found < 0 ? -1 : unknown(table, "the server has no such table, or does not show it", error);
    int fits = my_columns_apply(cdc_span(schema->columns.data, schema->columns.len), table, flavor, &why, error);
    return fits < 0 ? -1 : fits ? 0 : unknown(table, why, error);
}
