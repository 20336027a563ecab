/* SPDX-License-Identifier: MIT */
/* What a round has seen of the log: read_at.h has an example. */
#include "connectors/mysql/schema/read_at.h"

#include <cdc/json.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void append_member(struct cdc_buf *out, const char *name, const char *text)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, text, strlen(text));
}

void my_read_at_append(struct cdc_buf *out, const struct my_coord *coord, const char *gtids, const char *server_uuid)
{
    append_member(out, "{\"file\":", coord->file);
    cdc_buf_lit(out, ",\"pos\":");
    cdc_buf_u64(out, coord->position);
    append_member(out, ",\"gtids\":", gtids);
    append_member(out, ",\"server_uuid\":", server_uuid);
    cdc_buf_lit(out, ",\"tables\":[");
}

void my_read_at_append_table(struct cdc_buf *out, bool first, const char *db, const char *table,
                             const struct cdc_buf *columns)
{
    append_member(out, first ? "{\"db\":" : ",{\"db\":", db);
    append_member(out, ",\"table\":", table);
    if (columns) {
        cdc_buf_lit(out, ",\"columns\":");
        cdc_buf_append_buf(out, columns);
    }
    cdc_buf_byte(out, '}');
}

void my_read_at_free(struct my_read_at *at)
{
    my_gtid_set_free(at->set);
    cdc_stale_clear(&at->tables);
    free(at->gtids);
    memset(at, 0, sizeof *at);
}

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"read_at\" of the snapshot's state is damaged");
}

static int read_tables(struct my_read_at *at, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    if (cdc_json_type(at->list) != CDC_JSON_ARRAY)
        return damaged(error);
    cdc_json_iter_begin(&iter, at->list);
    while (cdc_json_next_element(&iter, &item)) {
        errno = 0;
        char *db = cdc_json_member_text(item, "db"), *table = cdc_json_member_text(item, "table");
        int result = db && table       ? cdc_stale_add(&at->tables, db, "", table, "", error)
                     : errno == ENOMEM ? cdc_error_memory(error)
                                       : damaged(error);
        free(db);
        free(table);
        if (result < 0)
            return -1;
    }
    return 0;
}

int my_read_at_parse(struct my_read_at *at, struct cdc_span object, enum my_flavor flavor, struct cdc_error *error)
{
    int64_t position = 0;
    memset(at, 0, sizeof *at);
    errno = 0;
    at->gtids = cdc_json_member_text(object, "gtids");
    at->list = cdc_json_member(object, "tables");
    if (!at->gtids && errno == ENOMEM)
        return cdc_error_memory(error);
    if (!at->gtids || !cdc_json_int64(cdc_json_member(object, "pos"), &position) || position < 0 ||
        !cdc_json_member_copy(object, "file", at->coord.file, sizeof at->coord.file) ||
        !cdc_json_member_copy(object, "server_uuid", at->server_uuid, sizeof at->server_uuid))
        return damaged(error);
    at->coord.position = (uint64_t)position;
    at->set = my_gtid_set_new(flavor, error);
    if (!at->set || my_gtid_set_parse(at->set, cdc_span_text(at->gtids), error) < 0)
        return -1;
    return read_tables(at, error);
}

/* MySQL's sets name each transaction. MariaDB's numbers may come again, so that they are asked at another server alone. */
bool my_read_at_by_coord(const struct my_read_at *at, enum my_gtid_kind kind, bool here)
{
    bool named = kind == MY_GTID_OF_MYSQL && !my_gtid_set_is_empty(at->set);
    return here && !named && at->coord.file[0];
}

bool my_read_at_has(const struct my_read_at *at, const struct my_gtid *gtid, const struct my_coord *coord, bool here)
{
    if (my_read_at_by_coord(at, gtid->kind, here))
        return my_coord_compare(coord, &at->coord) < 0;
    return gtid->kind != MY_GTID_NONE && my_gtid_set_contains(at->set, gtid);
}

struct cdc_span my_read_at_columns(const struct my_read_at *at, const char *db, const char *table)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    cdc_json_iter_begin(&iter, at->list);
    while (cdc_json_next_element(&iter, &item))
        if (cdc_json_member_is(item, "db", db) && cdc_json_member_is(item, "table", table))
            return cdc_json_member(item, "columns");
    return cdc_span(NULL, 0);
}
