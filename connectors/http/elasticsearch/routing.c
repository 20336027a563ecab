/* SPDX-License-Identifier: MIT */
/* --routing: the shard of a document is chosen by a column, and not by its _id. An index keeps ids apart in a shard alone: the same _id under
 * another routing is another document. So a document's address is both, kept in one text, and a row whose routing changes is moved as one whose
 * key changes is (send.c): written under the new routing, then deleted under the old one.
 *
 *   42                         no routing, or a NULL
 *   42 \xff acme               the byte is in no UTF-8 */
#include "connectors/http/elasticsearch/internal.h"

#define MARK 0xff

struct cdc_span es_routing_id(struct cdc_span address)
{
    const char *mark = address.n > 0 ? memchr(address.p, MARK, address.n) : NULL;
    return mark != NULL ? cdc_span(address.p, (size_t)(mark - address.p)) : address;
}

struct cdc_span es_routing_value(struct cdc_span address)
{
    size_t n = es_routing_id(address).n;
    return n < address.n ? cdc_span(address.p + n + 1, address.n - n - 1) : cdc_span(NULL, 0);
}

void es_routing_append(struct cdc_buf *out, struct cdc_span text)
{
    if (text.n == 0)
        return;
    cdc_buf_byte(out, (char)MARK);
    cdc_buf_span(out, text);
}

void es_routing_append_members(struct cdc_buf *out, struct cdc_span address)
{
    struct cdc_span id = es_routing_id(address), routing = es_routing_value(address);

    cdc_buf_lit(out, "\"_id\":");
    cdc_json_append_string(out, id.p, id.n);
    if (routing.p == NULL)
        return;
    cdc_buf_lit(out, ",\"routing\":");
    cdc_json_append_string(out, routing.p, routing.n);
}

/* Appends what the column's value makes of the address: strings unescaped, so that their spelling does not matter. */
static void append_value(struct cdc_buf *out, struct cdc_span value)
{
    size_t before = out->len;

    if (cdc_json_is_null(value))
        return;
    cdc_buf_byte(out, (char)MARK);
    if (cdc_json_type(value) == CDC_JSON_STRING)
        cdc_json_unescape(out, cdc_json_string_raw(value));
    else
        cdc_buf_span(out, value);
    if (out->len == before + 1) /* an empty one is none to the index */
        out->len = before;
}

static struct cdc_span column_of(struct cdc_span object, const char *name)
{
    return cdc_json_is_null(object) || cdc_json_type(object) != CDC_JSON_OBJECT ? cdc_span(NULL, 0)
                                                                                : cdc_json_member(object, name);
}

static struct cdc_span new_value(const struct cdc_event *event, const char *column)
{
    struct cdc_span value = column_of(event->after, column);

    if (value.p == NULL) /* unchanged, and not in the log again */
        value = column_of(event->before, column);
    return value.p != NULL ? value : column_of(event->key, column);
}

/* Of the row before the event. A key that `before` does not have has not changed. */
static struct cdc_span old_value(const struct cdc_event *event, const char *column)
{
    struct cdc_span value = column_of(event->before, column);

    return value.p != NULL ? value : column_of(event->key, column);
}

void es_routing_append_new(struct cdc_buf *out, const struct es_table *table, const struct cdc_event *event)
{
    if (table->routing != NULL)
        append_value(out,
                     event->op == CDC_OP_DELETE ? old_value(event, table->routing) : new_value(event, table->routing));
}

void es_routing_append_old(struct cdc_buf *out, const struct es_table *table, const struct cdc_event *event)
{
    if (table->routing != NULL)
        append_value(out, old_value(event, table->routing));
}

int es_routing_check(const struct es_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    const char *column = table->routing;

    if (column == NULL)
        return 0;
    if (event->op != CDC_OP_DELETE && new_value(event, column).p == NULL) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "table \"%s\" is routed by its column \"%s\", which the line does not have",
                      table->source.id.table, column);
        return cdc_error_hint(error, "check --routing, and what a stage before leaves out");
    }
    if ((event->op != CDC_OP_DELETE && event->op != CDC_OP_UPDATE) || old_value(event, column).p != NULL)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table \"%s\" is routed by its column \"%s\", and the line does not say what that was before: the "
                  "document under the old routing would stay",
                  table->source.id.table, column);
    return cdc_error_hint(error, "set REPLICA IDENTITY FULL (PostgreSQL) or binlog_row_image=FULL (MySQL, MariaDB), or "
                                 "route by a column of the key");
}
