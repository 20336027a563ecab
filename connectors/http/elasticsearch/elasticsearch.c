/* SPDX-License-Identifier: MIT */
/* Events become items of a batch: what is to be done under which _id. Every
 * action carries the event's seq as version with external_gte: what the index
 * has newer stays, what comes again does no harm. */
#include <stdlib.h>

#include "connectors/http/elasticsearch/internal.h"

static const struct cdc_target_ops target_ops = {
    .what = "index",
    .hint = "for new indexes give them different names with --index, for example {db}-{schema}-{table}; for these "
            "leave one of "
            "them out at the source (-T), or give it another name on the way with cdc-filter --rename",
    .name = es_index_name,
    .owner = es_owner_read,
    .claim = es_owner_claim,
};

static void release(struct cdc_table *table)
{
    free(((struct es_table *)table)->place);
    free(((struct es_table *)table)->kept);
    free(((struct es_table *)table)->identity);
}

/* -- lifetime -------------------------------------------------------------------- */

struct es_sink *es_sink_open(struct http_client *client, const struct es_settings *settings, struct cdc_error *error)
{
    struct es_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    sink->client = client;
    sink->index = settings->index;
    sink->alias = settings->alias;
    sink->alias_due = settings->alias != NULL;
    es_limit_init(&sink->limit, settings->most_bytes);
    cdc_tables_init(&sink->tables, sizeof(struct es_table), release, &target_ops, sink);
    if (es_index_check_pattern("--index", settings->index, error) == 0 &&
        (settings->alias == NULL || es_index_check_pattern("--alias", settings->alias, error) == 0) &&
        es_batch_init(&sink->batch, settings, error) == 0 && es_flights_open(sink, settings, error) == 0 &&
        es_written_init(&sink->written, error) == 0 &&
        (sink->mappings = es_mappings_read(&settings->mappings, error)) != NULL &&
        es_rules_read(&sink->routing, "--routing", "COLUMN", &settings->routing, error) == 0 &&
        es_rules_read(&sink->pipelines, "--pipeline", "NAME", &settings->pipelines, error) == 0 &&
        (sink->key_changes = es_key_changes_open(settings->key_changes_path, error)) != NULL &&
        (sink->index_ids = es_index_ids_open(settings->index_ids_path, error)) != NULL &&
        es_cluster_open(sink, settings, error) == 0 && es_streams_open(sink, settings, error) == 0)
        return sink;
    es_sink_free(sink);
    return NULL;
}

void es_sink_free(struct es_sink *sink)
{
    if (sink == NULL)
        return;
    cdc_tables_free(&sink->tables);
    es_flights_close(sink);
    es_cluster_close(sink);
    es_streams_close(sink);
    es_batch_free(&sink->batch);
    es_mappings_free(sink->mappings);
    es_rules_free(&sink->routing);
    es_rules_free(&sink->pipelines);
    es_written_free(&sink->written);
    es_key_changes_free(sink->key_changes);
    es_index_ids_free(sink->index_ids);
    es_alias_free(sink);
    free(sink->touched);
    cdc_buf_free(&sink->body);
    cdc_buf_free(&sink->scratch);
    cdc_buf_free(&sink->rest);
    free(sink);
}

/* With nothing else under way. */
static int send_alone(struct es_sink *sink, struct cdc_error *error)
{
    struct cdc_buf *response = &sink->client->response;
    int result =
        es_flights_settle(sink, error) == 0 && es_twice_check(sink, error) == 0 ? es_send_batch(sink, error) : -1;

    /* After a failure as well: what was not sent comes again in a later run, since no delivery confirms it now
     * (sink.c). */
    /* Inside a large transaction: most of it need not be watched. */
    if (result == 0 && sink->watch && sink->n_watched++ > 0)
        result = es_owner_look(sink, error);
    es_written_note(&sink->written, &sink->batch);
    sink->watch = false;
    es_batch_clear(&sink->batch);
    sink->body.len = sink->rest.len = response->len = 0;
    cdc_buf_shrink(&sink->body, HTTP_BATCH_KEEP);
    cdc_buf_shrink(&sink->rest, HTTP_BATCH_KEEP);
    cdc_buf_shrink(response, HTTP_BATCH_KEEP);
    return result;
}

int es_sink_flush(struct es_sink *sink, struct cdc_error *error)
{
    if (sink->batch.lines.n == 0)
        return 0;
    int begun = es_flights_begin(sink, error);
    return begun != 0 ? (begun < 0 ? -1 : 0) : send_alone(sink, error);
}

int es_sink_settle(struct es_sink *sink, struct cdc_error *error)
{
    return es_flights_settle(sink, error);
}

/* After a crash lines come again that the index has in a newer state, until the position has passed what was written before it.
 * Beyond that a version is not ours: the index was filled by another copy, or is written to by somebody else, and lines
 * are without effect for as long as their seq is lower. */
static void tell_newer(struct es_sink *sink, const struct cdc_offset_file *offsets)
{
    const struct cdc_offset *offset =
        sink->newer.n > 0 ? cdc_offset_file_get(offsets, sink->newer.table->id.name) : NULL;

    if (offset == NULL)
        return;
    if (sink->newer.version <= offset->seq) {
        sink->newer.n = sink->newer.times = 0;
        return;
    }
    /* Said at 1, 2, 4, 8 ... deliveries. */
    sink->newer.times++;
    if ((sink->newer.times & (sink->newer.times - 1)) == 0)
        cdc_log_write(sink->client->context->log, CDC_LOG_WARNING,
                      "index \"%s\": %llu lines were not written, since their documents have a newer version (up to "
                      "%lld, and the "
                      "position has %lld); unless they come again after a crash, the index has the documents of "
                      "another copy: delete "
                      "it and the offset file, and take a new snapshot",
                      sink->newer.table->target, (unsigned long long)sink->newer.n, (long long)sink->newer.version,
                      (long long)offset->seq);
}

int es_sink_delivered(struct es_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    if (sink->streams.pattern != NULL)
        return es_streams_delivered(sink, error);
    if (es_alias_prepare(sink, error) != 0 || es_owner_verify(sink, error) != 0 ||
        es_index_ids_sync(sink->index_ids, error) != 0)
        return -1;
    sink->n_watched = 0;
    tell_newer(sink, offsets);
    /* Only now: a crash before would still need the journal of key changes. */
    es_key_changes_delivered(sink->key_changes, offsets);
    return es_alias_switch(sink, offsets, error);
}

static int touch(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    if (table->touched)
        return 0;
    if (sink->n_touched == sink->touched_cap) {
        size_t cap = sink->touched_cap == 0 ? 16 : 2 * sink->touched_cap;
        struct es_table **more = realloc(sink->touched, cap * sizeof *more);
        if (more == NULL)
            return cdc_error_memory(error);
        sink->touched = more;
        sink->touched_cap = cap;
    }
    sink->touched[sink->n_touched++] = table;
    table->touched = true;
    return 0;
}

/* -- rows ------------------------------------------------------------------------- */

/* Appends the key object that `before` has, with the members of key. false when before has no other key. */
static bool append_old_key(struct cdc_buf *out, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool changed = false;
    char mark = '{';

    if (cdc_json_is_null(event->before))
        return false;
    for (cdc_json_iter_begin(&iter, event->key); cdc_json_next_member(&iter, &name, &value);) {
        struct cdc_span old = es_document_member(event->before, name);
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

static bool append_old_id(struct es_sink *sink, const struct cdc_event *event, struct es_item *item)
{
    struct cdc_buf *ids = &sink->scratch;

    const struct es_table *table = (const struct es_table *)item->table;

    sink->rest.len = 0;
    bool moved = append_old_key(&sink->rest, event);
    if (!moved && table->routing == NULL)
        return true;
    if (!es_document_id(item->table, moved ? cdc_span(sink->rest.data, sink->rest.len) : event->key, ids))
        return false;
    es_routing_append_old(ids, table, event);
    item->old_n = ids->len - item->id_n;
    /* The same key in another spelling. */
    if (item->old_n == item->id_n && memcmp(ids->data, ids->data + item->id_n, item->id_n) == 0)
        item->old_n = 0;
    return true;
}

/* What is to be done for a row; its ids go to sink->scratch, one after the other. NULL, or why the line cannot be taken. */
static const char *read_row(struct es_sink *sink, const struct cdc_event *event, struct es_item *item)
{
    bool lacking = event->unchanged.p != NULL && event->op == CDC_OP_UPDATE;

    if (!event->has_seq)
        return "the line has no \"seq\"";
    if (cdc_json_is_null(event->key))
        return "the table has no key: a document would have no _id; give the table a primary key, or leave it out (-T "
               "of the "
               "source or of cdc-filter)";
    sink->scratch.len = 0;
    if (!es_document_id(item->table, event->key, &sink->scratch))
        return "the key is incomplete";
    es_routing_append_new(&sink->scratch, (const struct es_table *)item->table, event);
    item->id_n = sink->scratch.len;
    /* For "d", no more is needed than the key. */
    item->kind = ES_DELETE;
    if (event->op == CDC_OP_DELETE)
        return NULL;
    if (cdc_json_is_null(event->after))
        return "the line has no \"after\"";
    if (event->op == CDC_OP_UPDATE && !append_old_id(sink, event, item))
        return "the key in \"before\" is incomplete";
    /* With REPLICA IDENTITY FULL, before has the values of the unchanged columns: the index need not be asked. */
    item->arrived = event->op != CDC_OP_UPDATE || item->old_n > 0;
    item->kind = lacking && !es_document_has_all(event->unchanged, event->before) ? ES_MERGE : ES_INDEX;
    return NULL;
}

/* Once in a run: of an index that is not known yet, also where it is there with its owner, as a run leaves it that was killed. */
static int check_alias(struct es_sink *sink, const struct cdc_event *event, struct es_table *table,
                       struct cdc_error *error)
{
    const char *index = table->source.target;

    if (table->alias_checked)
        return 0;
    bool known = table->source.owned && es_index_ids_get(sink->index_ids, index) != NULL;
    if (!known && es_alias_check(sink, event, index, error) != 0)
        return -1;
    table->alias_checked = true;
    return 0;
}

/* The index belongs to the table from its first line on, whatever that is. */
static int claim(struct es_sink *sink, const struct cdc_event *event, struct cdc_table *table, struct cdc_error *error)
{
    if (check_alias(sink, event, (struct es_table *)table, error) != 0)
        return -1;
    if (table->owned)
        return 0;
    sink->no_index = sink->hidden = sink->ownerless = false;
    if (cdc_tables_claim(&sink->tables, table, error) != 0)
        return -1;
    ((struct es_table *)table)->no_index = sink->no_index;
    ((struct es_table *)table)->hidden = sink->hidden;
    ((struct es_table *)table)->ownerless = sink->ownerless;
    return 0;
}

/* With the table as its owner. Somebody else may have made it since it was looked for: then the owner is looked at again. */
static int make_index(struct es_sink *sink, struct cdc_table *table, const struct cdc_event *event,
                      struct cdc_error *error)
{
    sink->ownerless = false;
    int made = es_owner_make_index(sink, table, error);

    if (made < 0)
        return -1;
    ((struct es_table *)table)->no_index = false;
    ((struct es_table *)table)->ownerless = sink->ownerless;
    if (made == 1) {
        ((struct es_table *)table)->settled = true;
        return 0;
    }
    table->owned = false;
    return cdc_tables_of(&sink->tables, event, error) != NULL ? claim(sink, event, table, error) : -1;
}

/* Is the index to be looked at, or changed, before the row? Not while rows of another definition are under way. */
static bool is_new(const struct cdc_table *source)
{
    const struct es_table *table = (const struct es_table *)source;
    return !table->identified || table->no_index || !table->settled;
}

/* The line alone does not tell a reader of the message which table it is of. */
static int reject_row(struct es_sink *sink, const struct cdc_event *event, const struct cdc_table *table,
                      const char *why, struct cdc_error *error)
{
    const struct cdc_table_id *id = &table->id;
    struct cdc_buf text = CDC_BUF_INIT;

    cdc_buf_printf(&text, "table %s.%s: %s", id->schema[0] != '\0' ? id->schema : id->db, id->table, why);
    cdc_buf_byte(&text, '\0');
    int result =
        text.failed ? cdc_error_memory(error) : cdc_sink_reject(sink->client->context, event->line, text.data, error);
    cdc_buf_free(&text);
    return result;
}

static enum http_taken take_row(struct es_sink *sink, const struct cdc_event *event, struct cdc_table *table,
                                struct cdc_error *error)
{
    struct es_batch *batch = &sink->batch;
    struct es_item item = {.kind = ES_INDEX, .table = table, .seq = event->seq};
    if (es_routing_check((struct es_table *)table, event, error) != 0)
        return HTTP_TAKEN_FAILED;
    const char *why = read_row(sink, event, &item);

    if (sink->scratch.failed || sink->rest.failed)
        return cdc_error_memory(error), HTTP_TAKEN_FAILED;
    if (why != NULL)
        return reject_row(sink, event, table, why, error) == 0 ? HTTP_TAKEN : HTTP_TAKEN_FAILED;
    /* A row may have to go over a newer document, after the batch was sent: not after a later line of it. */
    if (((struct es_table *)table)->read_in == batch->number && event->op != CDC_OP_READ)
        return HTTP_TAKEN_NOT_YET;
    item.base_old = item.old_n > 0 && es_reread_goes_on(sink, (struct es_table *)table);
    struct cdc_span id = {sink->scratch.data, item.id_n}, old = {sink->scratch.data + item.id_n, item.old_n};
    if (item.kind == ES_DELETE && es_twice_is_taken(sink, event, &item, id))
        return HTTP_TAKEN;
    if (item.kind == ES_INDEX && old.n > 0 && es_twice_is_taken(sink, event, &item, old))
        old.n = item.old_n = 0;
    /* A merge reads the index: what the batch has for these ids must be there first. */
    if (item.kind == ES_MERGE &&
        (es_batch_has_seen(batch, table, id) || es_batch_has_seen_any(batch, table, id) ||
         (old.n > 0 && (es_batch_has_seen(batch, table, old) || es_batch_has_seen_any(batch, table, old)))))
        return HTTP_TAKEN_NOT_YET;
    if (http_batch_lacks_room(&batch->lines, event->line))
        return HTTP_TAKEN_NOT_YET;
    if (is_new(table) && es_flights_settle(sink, error) != 0)
        return HTTP_TAKEN_FAILED;
    if (!((struct es_table *)table)->identified && es_identity_check(sink, (struct es_table *)table, error) != 0)
        return HTTP_TAKEN_FAILED;
    if (((struct es_table *)table)->no_index && make_index(sink, table, event, error) != 0)
        return HTTP_TAKEN_FAILED;
    if ((!((struct es_table *)table)->settled && es_mapping_settle(sink, (struct es_table *)table, error) != 0) ||
        touch(sink, (struct es_table *)table, error) != 0)
        return HTTP_TAKEN_FAILED;
    if (es_batch_add(batch, event->line, cdc_sink_line_number(sink->client->context), &item, sink->scratch.data,
                     error) != 0)
        return HTTP_TAKEN_FAILED;
    batch->plain &= es_flights_is_plain(sink, &item, event);
    if (event->op == CDC_OP_READ)
        ((struct es_table *)table)->read_in = batch->number;
    sink->watch |= es_places_watched((struct es_table *)table);
    return http_batch_is_full(&batch->lines) || es_flights_is_part(sink) ? HTTP_TAKEN_FULL : HTTP_TAKEN;
}

static int empty(struct es_sink *sink, struct es_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    struct es_sweep all = {.index = table->source.target, .seq = event->seq, .all = true, .shard = -1};
    struct cdc_part part;
    int of_part = cdc_part_read(&part, event, error);

    if (of_part < 0)
        return -1;
    all.part = of_part == 1 ? &part : NULL;
    /* Whether all documents can be found is looked at first. */
    if ((!table->no_index && es_owner_verify_table(sink, table, error) != 0) || es_sweep_index(sink, &all, error) != 0)
        return -1;
    if (all.part == NULL) /* documents of other parts keep their ids */
        es_identity_forget(table);
    return 0;
}

static bool is_of_snapshot(const struct cdc_event *event)
{
    return event->snapshot.p != NULL && cdc_json_type(event->snapshot) == CDC_JSON_STRING &&
           !cdc_span_is(event->snapshot, "\"false\"");
}

/* A TRUNCATE, or the begin of a table in an attempt at a snapshot, or in a read that comes again. */
static enum http_taken take_truncate(struct es_sink *sink, const struct cdc_event *event, struct es_table *table,
                                     struct cdc_error *error)
{
    bool read = cdc_span_is(event->read, "begin") || cdc_span_is(event->read, "live");
    int result;

    if (!event->has_seq)
        result = cdc_sink_reject(sink->client->context, event->line, "the line has no \"seq\"", error);
    else if (read || is_of_snapshot(event))
        result = es_reread_begin(sink, table, event, error);
    else
        result = empty(sink, table, event, error);
    if (result == 0 && read) /* without that, no line says that it has ended */
        result = es_reread_note_reading(sink, table, event, true, error);
    if (result == 0 && cdc_event_ends_read(event))
        result = es_reread_note_reading(sink, table, event, false, error);
    if (result == 0 && !table->no_index)
        result = touch(sink, table, error);
    return result == 0 ? HTTP_TAKEN : HTTP_TAKEN_FAILED;
}

static enum http_taken take_schema(struct es_sink *sink, const struct cdc_event *event, struct es_table *table,
                                   struct cdc_error *error)
{
    table->identified = table->settled = false;
    if (!cdc_span_is(event->read, "end"))
        return HTTP_TAKEN;
    if (!event->has_seq) {
        cdc_error_set(error, CDC_EXIT_DATA, "the line has no \"seq\"");
        return HTTP_TAKEN_FAILED;
    }
    if (es_reread_end(sink, table, event, error) != 0 || es_reread_note_reading(sink, table, event, false, error) != 0)
        return HTTP_TAKEN_FAILED;
    /* What was deleted is made durable before the position moves, as documents are. */
    return table->no_index || touch(sink, table, error) == 0 ? HTTP_TAKEN : HTTP_TAKEN_FAILED;
}

/* Is it about all documents of an index? Then what came before goes first. */
static bool is_of_all_documents(const struct cdc_event *event)
{
    return event->op == CDC_OP_TRUNCATE || (event->op == CDC_OP_SCHEMA && cdc_span_is(event->read, "end"));
}

struct emptied {
    struct es_sink *sink;
    const struct cdc_event *event;
    struct cdc_span db, name; /* unescaped */
};

static int empty_one(struct es_sink *sink, const struct cdc_event *one, struct cdc_error *error)
{
    struct cdc_table *table = cdc_tables_of(&sink->tables, one, error);

    return table != NULL && claim(sink, one, table, error) == 0 &&
                   take_truncate(sink, one, (struct es_table *)table, error) == HTTP_TAKEN &&
                   es_reread_note_reading(sink, (struct es_table *)table, one, false, error) == 0
               ? 0
               : -1;
}

static int empty_home(void *context, const char *source, struct cdc_error *error)
{
    struct emptied *emptied = context;
    struct cdc_span object = cdc_span_text(source);
    struct cdc_event one;
    struct cdc_buf scratch = CDC_BUF_INIT;

    if (!cdc_json_raw_is(cdc_json_member_raw(object, "db"), emptied->db) ||
        !cdc_json_raw_is(cdc_json_member_raw(object, "name"), emptied->name))
        return 0;
    char *schema = cdc_json_member_text(object, "schema"), *table = cdc_json_member_text(object, "table");
    int result = schema != NULL && table != NULL
                     ? cdc_event_of_table(emptied->event, schema, table, &scratch, &one, error)
                     : cdc_error_memory(error);
    if (result > 0)
        result = empty_one(emptied->sink, &one, error);
    cdc_buf_free(&scratch);
    free(schema);
    free(table);
    return result;
}

/* Of a database that was dropped, the tables that have documents here. */
static enum http_taken take_database(struct es_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    char *db = cdc_json_text(event->db, NULL),
         *name = cdc_json_text(event->name.p ? event->name : cdc_span("", 0), NULL);
    int result = -1;

    if (db == NULL || name == NULL) {
        cdc_error_memory(error);
    } else {
        struct emptied emptied = {sink, event, cdc_span_text(db), cdc_span_text(name)};
        result = es_index_ids_each_home(sink->index_ids, empty_home, &emptied, error);
    }
    free(db);
    free(name);
    return result == 0 ? HTTP_TAKEN : HTTP_TAKEN_FAILED;
}

static void apply_rules(const struct es_sink *sink, struct es_table *table)
{
    if (table->has_rules)
        return;
    table->has_rules = true;
    table->routing = es_rules_value(&sink->routing, &table->source);
    table->sent_through = es_rules_value(&sink->pipelines, &table->source);
}

enum http_taken es_sink_event(struct es_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    bool is_row = cdc_event_has_row(event);

    es_flights_turn(sink);
    /* The offsets of the last delivery are saved by now, or the loop would have ended. */
    if (es_key_changes_begin(sink->key_changes, error) != 0)
        return HTTP_TAKEN_FAILED;
    if (sink->streams.pattern != NULL)
        return es_history_event(sink, event, error);
    if (!is_row && event->op != CDC_OP_TRUNCATE && event->op != CDC_OP_SCHEMA)
        return HTTP_TAKEN;
    if (sink->batch.lines.n > 0 && is_of_all_documents(event))
        return HTTP_TAKEN_NOT_YET;
    if (is_of_all_documents(event) && es_flights_settle(sink, error) != 0)
        return HTTP_TAKEN_FAILED;
    if (cdc_event_is_of_database(event))
        return take_database(sink, event, error);
    struct cdc_table *table = event->op == CDC_OP_SCHEMA ? cdc_tables_define(&sink->tables, event, error)
                                                         : cdc_tables_of(&sink->tables, event, error);
    if (table == NULL)
        return HTTP_TAKEN_FAILED;
    apply_rules(sink, (struct es_table *)table);
    if (claim(sink, event, table, error) != 0)
        return HTTP_TAKEN_FAILED;
    if (event->op == CDC_OP_SCHEMA)
        return take_schema(sink, event, (struct es_table *)table, error);
    return is_row ? take_row(sink, event, table, error) : take_truncate(sink, event, (struct es_table *)table, error);
}
