/* SPDX-License-Identifier: MIT */
/* Events become items of a batch: what is to be done under which _id. Every
 * action carries the event's seq as version with external_gte: what the index
 * has newer stays, what comes again does no harm. */
#include <stdlib.h>

#include "connectors/http/internal.h"

/* -- tables ----------------------------------------------------------------------- */

static bool is_table(const struct es_table *table, const struct cdc_event *event)
{
    return cdc_span_is(event->table, table->source[3]) && cdc_span_is(event->schema, table->source[2]) &&
           cdc_span_is(event->db, table->source[1]) && cdc_span_is(event->name, table->source[0]);
}

static void free_keys(struct es_table *table)
{
    for (size_t i = 0; i < table->n_keys; i++)
        free(table->keys[i]);
    free(table->keys);
    table->keys = NULL;
    table->n_keys = 0;
}

static void free_table(struct es_table *table)
{
    for (int i = 0; i < 4; i++)
        free(table->source[i]);
    free(table->index);
    free_keys(table);
    free(table);
}

void es_free_tables(struct http_sink *sink)
{
    while (sink->tables != NULL) {
        struct es_table *table = sink->tables;
        sink->tables = table->next;
        free_table(table);
    }
}

static int check_collision(const struct http_sink *sink, const struct es_table *table, struct cdc_error *error)
{
    for (const struct es_table *other = sink->tables; other != NULL; other = other->next)
        if (strcmp(other->index, table->index) == 0) {
            cdc_error_set(
                error, CDC_EXIT_CONFIG,
                "two source tables map to index \"%s\": %s.%s.%s (source \"%s\") and %s.%s.%s (source \"%s\")",
                table->index, other->source[1], other->source[2], other->source[3], other->source[0], table->source[1],
                table->source[2], table->source[3], table->source[0]);
            return cdc_error_hint(error, "give them different names with --index, for example {db}-{schema}-{table}");
        }
    return 0;
}

static struct es_table *add_table(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    const struct cdc_span parts[4] = {event->name, event->db, event->schema, event->table};
    struct cdc_buf index = CDC_BUF_INIT;
    struct es_table *table = calloc(1, sizeof *table);
    bool good = table != NULL && es_index_name(sink->settings->index, event, &index, error) == 0;

    cdc_buf_byte(&index, '\0');
    if (!good || index.failed) {
        cdc_error_memory(error);
        cdc_buf_free(&index);
        free(table);
        return NULL;
    }
    table->index = index.data;
    for (int i = 0; i < 4; i++)
        good = good && (table->source[i] = cdc_span_copy(parts[i].p != NULL ? parts[i] : cdc_span("", 0))) != NULL;
    if (!good)
        cdc_error_memory(error);
    if (!good || check_collision(sink, table, error) != 0) {
        free_table(table);
        return NULL;
    }
    table->next = sink->tables;
    return sink->tables = table;
}

static struct es_table *find_table(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    if (sink->last != NULL && is_table(sink->last, event))
        return sink->last;
    for (struct es_table *table = sink->tables; table != NULL; table = table->next)
        if (is_table(table, event))
            return sink->last = table;
    return sink->last = add_table(sink, event, error);
}

static int take_schema(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct es_table *table = find_table(sink, event, error);
    struct cdc_json_iter iter;
    struct cdc_span element;
    size_t n = 0;

    if (table == NULL)
        return -1;
    free_keys(table);
    if (event->key_columns.p == NULL)
        return 0;
    for (cdc_json_iter(&iter, event->key_columns); cdc_json_next_element(&iter, &element);)
        n++;
    table->keys = calloc(n + 1, sizeof *table->keys);
    if (table->keys == NULL)
        return cdc_error_memory(error);
    for (cdc_json_iter(&iter, event->key_columns); cdc_json_next_element(&iter, &element);) {
        struct cdc_buf name = CDC_BUF_INIT;
        cdc_json_unescape(&name, cdc_json_string_raw(element));
        cdc_buf_byte(&name, '\0');
        if (name.failed)
            return cdc_error_memory(error);
        table->keys[table->n_keys++] = name.data;
    }
    return 0;
}

/* -- rows ---------------------------------------------------------------------------- */

/* What is known about a row before it enters the batch. Spans into sink->scratch, where id and old id lie. */
struct intent {
    enum item_kind kind;
    const struct es_table *table;
    size_t id_n, old_n; /* old id lies behind id; 0: the key did not change */
};

/* Appends the key object that `before` has, with the members of key. false when before has no other key. */
static bool append_old_key(struct cdc_buf *out, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool changed = false;
    char mark = '{';

    if (cdc_json_is_null(event->before))
        return false;
    for (cdc_json_iter(&iter, event->key); cdc_json_next_member(&iter, &name, &value);) {
        struct cdc_span old = es_member(event->before, name);
        if (old.p == NULL)
            return false;
        changed |= !cdc_span_equal(old, value);
        cdc_buf_byte(out, mark);
        mark = ',';
        cdc_buf_byte(out, '"');
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\":");
        cdc_buf_span(out, old);
    }
    cdc_buf_byte(out, '}');
    return changed;
}

static bool append_old_id(struct http_sink *sink, const struct cdc_event *event, struct intent *intent)
{
    struct cdc_buf *ids = &sink->scratch;

    sink->rest.len = 0;
    if (!append_old_key(&sink->rest, event))
        return true;
    if (!es_id(intent->table, cdc_span(sink->rest.data, sink->rest.len), ids))
        return false;
    intent->old_n = ids->len - intent->id_n;
    /* The same key in another spelling. */
    if (intent->old_n == intent->id_n && memcmp(ids->data, ids->data + intent->id_n, intent->id_n) == 0)
        intent->old_n = 0;
    return true;
}

/* NULL, or why the line cannot be taken. */
static const char *read_intent(struct http_sink *sink, const struct cdc_event *event, struct intent *intent)
{
    bool lacking = event->unchanged.p != NULL && event->op == CDC_OP_UPDATE;

    if (!event->has_seq)
        return "the line has no \"seq\"";
    if (cdc_json_is_null(event->key))
        return "the table has no key: a document would have no _id; give the table a primary key, or leave it out";
    sink->scratch.len = 0;
    if (!es_id(intent->table, event->key, &sink->scratch))
        return "the key is incomplete";
    intent->id_n = sink->scratch.len;
    intent->kind = ITEM_DELETE;
    if (event->op == CDC_OP_DELETE)
        return NULL;
    if (cdc_json_is_null(event->after))
        return "the line has no \"after\"";
    if (event->op == CDC_OP_UPDATE && !append_old_id(sink, event, intent))
        return "the key in \"before\" is incomplete";
    intent->kind = lacking && !es_has_all(event->unchanged, event->before) ? ITEM_MERGE : ITEM_INDEX;
    return NULL;
}

static int put(struct http_sink *sink, const struct cdc_event *event, const struct intent *intent,
               struct cdc_error *error)
{
    struct batch *batch = &sink->batch;
    struct item *item = batch_add(batch, intent->kind, event->line);

    if (item == NULL)
        return cdc_error_memory(error);
    item->table = intent->table;
    item->id = batch->ids.len;
    item->id_n = intent->id_n;
    item->old = item->id + intent->id_n;
    item->old_n = intent->old_n;
    cdc_buf_append(&batch->ids, sink->scratch.data, intent->id_n + intent->old_n);
    if (batch->ids.failed)
        return cdc_error_memory(error);
    batch_see(batch, intent->table, cdc_span(sink->scratch.data, intent->id_n));
    if (intent->old_n > 0)
        batch_see(batch, intent->table, cdc_span(sink->scratch.data + intent->id_n, intent->old_n));
    bool full = batch->n == batch->cap || batch->lines.len >= (size_t)sink->settings->batch_bytes;
    return full ? http_flush(sink, error) : 0;
}

static int take_row(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct intent intent = {ITEM_INDEX, find_table(sink, event, error), 0, 0};

    if (intent.table == NULL)
        return -1;
    const char *why = read_intent(sink, event, &intent);
    if (sink->scratch.failed || sink->rest.failed)
        return cdc_error_memory(error);
    if (why != NULL)
        return cdc_sink_reject(&sink->context, event->line, why, error);
    struct cdc_span id = {sink->scratch.data, intent.id_n}, old = {sink->scratch.data + intent.id_n, intent.old_n};
    const struct batch *batch = &sink->batch;
    /* A merge reads the index: what the batch has for these ids must be there first. And a large line goes alone. */
    bool first = intent.kind == ITEM_MERGE &&
                 (batch_seen(batch, intent.table, id) || (old.n > 0 && batch_seen(batch, intent.table, old)));
    first |= batch->n > 0 && batch->lines.len + event->line.n > (size_t)sink->settings->batch_bytes;
    if (first) {
        /* Sending uses scratch: the ids are computed again. */
        if (http_flush(sink, error) != 0)
            return -1;
        intent.id_n = intent.old_n = 0;
        (void)read_intent(sink, event, &intent);
    }
    return put(sink, event, &intent, error);
}

int es_event(struct http_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    if (cdc_event_has_row(event))
        return take_row(sink, event, error);
    if (event->op == CDC_OP_SCHEMA)
        return take_schema(sink, event, error);
    if (event->op != CDC_OP_TRUNCATE)
        return 0;
    const struct es_table *table = find_table(sink, event, error);
    if (table == NULL || http_flush(sink, error) != 0)
        return -1;
    if (!event->has_seq)
        return cdc_sink_reject(&sink->context, event->line, "the line has no \"seq\"", error);
    return es_truncate(sink, table, event->seq, error);
}
