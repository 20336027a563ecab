/* SPDX-License-Identifier: MIT */
/* Two rows that have one key for a while, and so one _id. Under a key that is unique only at the end of a transaction
 * (DEFERRABLE), `UPDATE t SET id = id + 1` moves 1 to 2 while 2 is still there, and then 2 to 3: what is under 2 by then must
 * stay. Whole old rows tell the two apart, and where there are such keys old rows are whole:
 *
 *   in one batch, with other values than those of the newest   the lines say it: nothing is deleted
 *   in one batch, and the newest one leaves again              what the document was is not known any more
 *   the newest one leaves, and the other was there before      the index has an older document still
 *   in two requests, with other values                         the index has one of this very transaction that is not the old row
 *
 * An older document is no other row where the table is read while the log goes on (reread.c): it is what was under the key before,
 * and no line says that it went. Such tables have keys that are always unique.
 *
 * The last one only where this run has written the id, in a request before: lines that come again after a crash find what a later
 * line of theirs has written. 4 becomes 14, then 5 becomes 4, all was sent, and the offset was not stored: under 4 is what was 5
 * when the first of the two comes again. It is deleted, and written again by the second.
 *
 * All but the first are refused, before the request that would lose a document. With a key that is always unique they do not
 * come up, and hardly any row is looked for in the index: one that was written by this transaction, and is left by it in another
 * request, or as it arrived. MySQL and MariaDB have no other keys. */
#include "connectors/http/elasticsearch/internal.h"

/* The same text, whatever the escapes: an ingest pipeline prints a document anew. */
static bool same_value(struct cdc_span a, struct cdc_span b)
{
    return cdc_span_equal(a, b) || (cdc_json_type(a) == CDC_JSON_STRING && cdc_json_type(b) == CDC_JSON_STRING &&
                                    cdc_json_raw_equal(cdc_json_string_raw(a), cdc_json_string_raw(b)));
}

/* Has object another value for a member of row? */
static bool differs(struct cdc_span row, struct cdc_span object)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        struct cdc_span there = es_document_member(object, name);
        if (there.p != NULL && !same_value(there, value))
            return true;
    }
    return false;
}

/* Is the old row there with all its columns, and not the key alone? */
static bool is_whole(const struct cdc_table *table, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&iter, event->before); cdc_json_next_member(&iter, &name, &value);)
        if (es_document_member(event->key, name).p == NULL)
            return true;
    return table->whole && table->n_columns > 0 && table->n_columns == table->n_key;
}

static bool has_other_keys(const struct cdc_event *event)
{
    struct cdc_span connector = cdc_json_member_raw(event->source, "connector");
    return !cdc_span_is(connector, "mysql") && !cdc_span_is(connector, "mariadb");
}

bool es_twice_is_taken(struct es_sink *sink, const struct cdc_event *event, struct es_item *item, struct cdc_span id)
{
    const struct es_item *writer = es_batch_writer(&sink->batch, item->table, id);
    struct cdc_event other;
    struct cdc_error ignored = {0};

    if (cdc_json_is_null(event->before))
        return false;
    if (writer == NULL) {
        if (es_written_has(&sink->written, item->table, id, event->seq) && has_other_keys(event) &&
            !es_batch_has_seen(&sink->batch, item->table, id) && is_whole(item->table, event))
            item->look = ES_LOOK_OTHER;
        return false;
    }
    struct cdc_span line = http_batch_line(&sink->batch.lines, (size_t)(writer - sink->batch.items));
    if (cdc_event_parse(&other, line.p, line.n, &ignored) != 0 || other.seq != event->seq ||
        cdc_json_is_null(other.after))
        return false;
    struct es_seen *seen = es_batch_seen(&sink->batch, item->table, id);
    if (differs(event->before, other.after)) {
        seen->rows -= seen->rows > 0;
        return true;
    }
    if (has_other_keys(event) && is_whole(item->table, event))
        item->look = seen->rows > 1                                                       ? ES_IS_TWICE
                     : seen->arrived && !es_batch_was_left(&sink->batch, item->table, id) ? ES_LOOK_OLDER
                                                                                          : ES_NO_LOOK;
    return false;
}

static int refuse(struct es_sink *sink, size_t index, struct cdc_error *error)
{
    const struct es_item *item = &sink->batch.items[index];
    struct cdc_span id =
        es_routing_id(item->old_n > 0 ? es_batch_old_id(&sink->batch, item) : es_batch_id(&sink->batch, item));

    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "line %llu: index \"%s\": two rows have the _id \"%.*s\" inside one transaction, and which of them is "
        "to stay cannot be told",
        (unsigned long long)sink->batch.lines.lines[index].number, item->table->target, (int)(id.n < 80 ? id.n : 80),
        id.p);
    return cdc_error_hint(error, "the table's key is unique only at the end of a transaction (DEFERRABLE): exclude the "
                                 "table, or give it another key and take a new snapshot");
}

static int check(struct es_sink *sink, size_t index, struct cdc_error *error)
{
    const struct es_item *item = &sink->batch.items[index];
    struct cdc_span line = http_batch_line(&sink->batch.lines, index);
    struct cdc_event event;

    if (item->look == ES_IS_TWICE)
        return refuse(sink, index, error);
    if (item->base.p == NULL)
        return 0;
    if (cdc_event_parse(&event, line.p, line.n, error) != 0) /* it was parsed before */
        return -1;
    bool twice = item->look == ES_LOOK_OTHER
                     ? item->base_version == event.seq && differs(event.before, item->base)
                     : item->base_version < event.seq && !es_reread_goes_on(sink, (const struct es_table *)item->table);
    return twice ? refuse(sink, index, error) : 0;
}

int es_twice_check(struct es_sink *sink, struct cdc_error *error)
{
    int result = 0;

    sink->batch.looking = true;
    for (size_t i = 0; result == 0 && i < sink->batch.lines.n; i++) {
        if (sink->batch.items[i].look == ES_NO_LOOK)
            continue;
        if (es_merge_needs_base(&sink->batch, &sink->batch.items[i]))
            result = es_merge_fetch(sink, i, error);
        if (result == 0)
            result = check(sink, i, error);
    }
    sink->batch.looking = false;
    return result;
}
