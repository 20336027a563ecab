/* SPDX-License-Identifier: MIT */
/* An ingest pipeline of the index (index.default_pipeline, index.final_pipeline) sees each document before it is written. It may
 * add and change fields; but what it drops, gives another _id or sends to another index counts as taken, and is not where the
 * next change of the row, or its delete, looks for it:
 *
 *   {"index":{"_index":"shop-orders-2026","_id":"7","result":"created","status":201}}      not shop-orders
 *   {"index":{"_index":"shop-orders","_id":"7","_version":-3,"result":"noop","status":200}} dropped
 *
 * So the answers say it, item by item, where there is a pipeline, and in the first delivery of each table, since only then
 * it is known whether there is one. */
#include <stdlib.h>
#include <strings.h>

#include "connectors/http/elasticsearch/internal.h"

bool es_places_watched(const struct es_table *table)
{
    return !table->looked_at || table->pipeline || table->sent_through != NULL;
}

static int is_elsewhere(const struct es_table *table, const char *what, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\": an ingest pipeline writes its documents %s",
                  table->source.target, what);
    return cdc_error_hint(
        error,
        "take that out of the pipeline, and start again: it must leave _id, _index, _routing and _version as they are");
}

int es_places_check_id(const struct es_batch *batch, const struct es_item *item, const struct es_result *result,
                       struct cdc_error *error)
{
    bool old = item->sent == ES_SENT_DELETE && item->sent_old;
    struct cdc_span id = old ? es_batch_old_id(batch, item) : es_batch_id(batch, item);

    if (result->id.p == NULL || cdc_span_equal(result->id, es_routing_id(id)))
        return 0;
    if (item->sent == ES_SENT_INDEX && es_places_watched((const struct es_table *)item->table))
        return is_elsewhere((const struct es_table *)item->table, "under another _id", error);
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _bulk has an item of another document in its place");
}

int es_places_check(const struct es_item *item, const struct es_result *result, struct cdc_error *error)
{
    struct es_table *table = (struct es_table *)item->table;

    if (item->sent != ES_SENT_INDEX)
        return 0;
    if (result->dropped)
        return 1;
    /* A lower one is not written at all, for the document that is there. */
    if (es_places_watched(table) && result->version >= 0 &&
        result->version != (item->version > 0 ? item->version : item->seq))
        return is_elsewhere(table, "with another _version", error);
    if (result->status >= 300)
        return 0;
    if (result->index == NULL || (table->place != NULL && strcmp(result->index, table->place) == 0))
        return 0;
    if (table->place != NULL)
        return is_elsewhere(table, "to more than one index", error);
    table->place = strdup(result->index);
    return table->place != NULL ? 0 : cdc_error_memory(error);
}

static bool is_set(struct cdc_span index, const char *name)
{
    struct cdc_span value = cdc_json_member_raw(index, name);
    return value.n > 0 && !cdc_span_is(value, "_none");
}

bool es_places_has_pipeline(struct cdc_span settings)
{
    return settings.p != NULL && (is_set(settings, "default_pipeline") || is_set(settings, "final_pipeline"));
}

/* {"uuid":"...","translog":{"durability":"ASYNC"}} */
static bool is_lazy(struct cdc_span index)
{
    struct cdc_span translog = cdc_json_member(index, "translog");
    struct cdc_span value =
        cdc_json_type(translog) == CDC_JSON_OBJECT ? cdc_json_member_raw(translog, "durability") : cdc_span(NULL, 0);
    return value.n == 5 && strncasecmp(value.p, "async", 5) == 0;
}

int es_places_learn(struct es_table *table, struct cdc_span raw_name, struct cdc_span settings, struct cdc_error *error)
{
    table->looked_at = true;
    table->pipeline = es_places_has_pipeline(settings);
    table->lazy = is_lazy(settings);
    if (table->place != NULL && !cdc_json_raw_is(raw_name, cdc_span_text(table->place)))
        return is_elsewhere(table, "to another index", error);
    return 0;
}
