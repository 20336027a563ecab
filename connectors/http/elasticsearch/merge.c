/* SPDX-License-Identifier: MIT */
/* Columns that the log did not carry are read from the document and the whole document is indexed: an `update` takes
 * no version of ours, and would let an older state in later. When the document is not there, nothing is written: the
 * row was deleted later in the log (which is being replayed after a snapshot), or somebody else deleted it; half a
 * document with a high version would keep a later snapshot's whole one out.
 *
 * _mget gets documents by _id, which is real-time: it sees what was indexed a moment ago, where a search would see it
 * only after a refresh. */
#include <stdio.h>

#include <cdc/pattern.h>

#include "connectors/http/elasticsearch/answer.h"
#include "connectors/http/elasticsearch/internal.h"

/* Documents a request, and bytes of its answer. A document with columns that are left out tends to be large; one
 * alone may have any size. */
#define MGET_MAX 32
#define MGET_LIMIT ((size_t)4 << 20)
#define NO_LIMIT ((size_t)1 << 30)

bool es_merge_needs_base(const struct es_batch *batch, const struct es_item *item)
{
    if (batch->looking)
        return (item->look == ES_LOOK_OTHER || item->look == ES_LOOK_OLDER) && !item->base_read;
    /* place: the columns are in the journal already, read in an earlier attempt at this batch. */
    return item->kind == ES_MERGE && !item->base_read && item->place == 0;
}

/* Where its document is looked for. */
static struct cdc_span address_of(const struct es_batch *batch, const struct es_item *item)
{
    bool old = batch->looking ? item->old_n > 0 : item->base_old;
    return old ? es_batch_old_id(batch, item) : es_batch_id(batch, item);
}

/* The request for the documents that items from `from` on need, at most `most`. Returns how many. */
static size_t build_mget(struct es_sink *sink, size_t from, size_t most)
{
    const struct es_batch *batch = &sink->batch;
    struct cdc_buf *body = &sink->scratch;
    size_t n = 0;

    body->len = 0;
    cdc_buf_lit(body, "{\"docs\":[");
    for (size_t i = from; i < batch->lines.n && n < most && (n == 0 || body->len < sink->limit.now); i++) {
        const struct es_item *item = &batch->items[i];
        if (!es_merge_needs_base(batch, item))
            continue;
        cdc_buf_text(body, n++ == 0 ? "{\"_index\":\"" : ",{\"_index\":\"");
        cdc_buf_text(body, item->table->target);
        cdc_buf_lit(body, "\",");
        es_routing_append_members(body, address_of(batch, item));
        cdc_buf_byte(body, '}');
    }
    cdc_buf_lit(body, "]}");
    return n;
}

/* The document is not there. A moved row is looked for under its new _id first: it is there only when a snapshot read
 * the table after this change, and then the old _id may be another row's by now. Not so where the table is read while the log goes on
 * (reread.c): no line comes that a row of the read has seen, and what is under the new _id is of before the read, and gone. */
static int no_document(struct es_item *item)
{
    if (item->old_n > 0 && !item->base_old) {
        item->base_old = true;
        item->base_read = false;
    }
    return 0;
}

/* 0, 1 to try again, -1. */
static int take_document(const struct es_batch *batch, struct es_item *item, const struct es_document *document,
                         struct cdc_error *error)
{
    item->base = cdc_span(NULL, 0);
    item->base_read = true;
    switch (document->state) {
    case ES_FOUND:
        item->base = document->source;
        item->base_version = document->version;
        return 0;
    case ES_ABSENT: return batch->looking ? 0 : no_document(item);
    case ES_UNREADABLE: return 1;
    case ES_NOT_ALLOWED:
        if (batch->looking) /* whoever may only write is not asked for more */
            return 0;
        cdc_error_set(error, CDC_EXIT_PERMISSION, "index \"%s\": not allowed to read: %s", item->table->target,
                      document->reason);
        return cdc_error_hint(error, "columns that the log omits are taken from the index: give the user the "
                                     "privilege to read it, or set REPLICA IDENTITY FULL");
    case ES_CLOSED:
        cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" is closed", item->table->target);
        return cdc_error_hint(error, "open it, and start again");
    case ES_HIDDEN:
        if (batch->looking)
            return 0;
        break;
    }
    cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" gives documents back without _source or _version",
                  item->table->target);
    return cdc_error_hint(error, "columns that the log omits are taken from it: keep _source in the mapping, "
                                 "or set REPLICA IDENTITY FULL");
}

/* The answer for the n items from `from` on that were asked for. 0, 1 to try again, -1. */
static int take_documents(struct es_sink *sink, size_t from, size_t n, struct cdc_error *error)
{
    struct cdc_json_iter documents;
    struct es_document document;
    int got = 1, more = 0;

    if (es_answer_mget(&documents, cdc_span(sink->client->response.data, sink->client->response.len), error) != 0)
        return -1;
    /* The same items in the same order as in build_mget. */
    for (size_t i = from; n > 0 && i < sink->batch.lines.n; i++) {
        struct es_item *item = &sink->batch.items[i];
        if (!es_merge_needs_base(&sink->batch, item))
            continue;
        struct cdc_span id = es_routing_id(address_of(&sink->batch, item));
        if ((got = es_answer_next_document(&documents, id, &document, error)) != 1)
            break;
        int result = take_document(&sink->batch, item, &document, error);
        if (result != 0)
            return result;
        n--;
    }
    if (got == 1)
        more = es_answer_next_document(&documents, cdc_span(NULL, 0), &document, error);
    if (got < 0 || more < 0)
        return -1;
    return got == 1 && more == 0
               ? 0
               : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mget has another number of documents");
}

void es_merge_forget(struct es_batch *batch, size_t from)
{
    for (size_t i = from; i < batch->lines.n; i++)
        batch->items[i].base_read = false;
}

/* -- does the index give back what it was given? -------------------------------------------- */

/* Does one of the patterns (texts, with `*` for anything) match the name? head: what is before their first dot alone. */
static bool is_listed(struct cdc_span source, const char *list, struct cdc_span name, bool head)
{
    struct cdc_span patterns = cdc_json_member(source, list), item;
    struct cdc_json_iter iter;
    bool found = false;

    if (patterns.p == NULL || cdc_json_type(patterns) != CDC_JSON_ARRAY)
        return false;
    for (cdc_json_iter_begin(&iter, patterns); !found && cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        const char *dot = raw.p != NULL && head ? memchr(raw.p, '.', raw.n) : NULL;
        found = raw.p != NULL && cdc_pattern_matches(raw.p, dot != NULL ? (size_t)(dot - raw.p) : raw.n, name);
    }
    return found;
}

static bool is_empty(struct cdc_span source, const char *list)
{
    struct cdc_span patterns = cdc_json_member(source, list), item;
    struct cdc_json_iter iter;

    if (patterns.p == NULL || cdc_json_type(patterns) != CDC_JSON_ARRAY)
        return true;
    cdc_json_iter_begin(&iter, patterns);
    return !cdc_json_next_element(&iter, &item);
}

/* {"includes":["a*"],"excludes":["secret","doc.key"]}: a document that is read from there and written again would lose these
 * fields. name: as it stands in the line; one with escapes matches no pattern of plain text, and is taken for left out. */
static bool gives_back(struct cdc_span source, struct cdc_span name)
{
    return memchr(name.p, '\\', name.n) == NULL && !is_listed(source, "excludes", name, true) &&
           (is_empty(source, "includes") || is_listed(source, "includes", name, false));
}

/* The columns of the line that are taken from the index must all be there, with all that is in them. */
static int check_kept(const struct es_item *item, const struct cdc_event *event, struct cdc_error *error)
{
    const char *kept = ((const struct es_table *)item->table)->kept;
    struct cdc_json_iter iter;
    struct cdc_span element;

    if (kept == NULL)
        return 0;
    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &element);) {
        struct cdc_span raw = cdc_json_string_raw(element);
        if (raw.n == 0 || es_document_member(event->before, raw).p != NULL || gives_back(cdc_span_text(kept), raw))
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" does not keep all of column \"%.*s\" in _source",
                      item->table->target, (int)(raw.n < 80 ? raw.n : 80), raw.p);
        return cdc_error_hint(error, "columns that the log omits are taken from it: keep the whole _source in the "
                                     "mapping, or set REPLICA IDENTITY FULL");
    }
    return 0;
}

static struct cdc_span object_in(struct cdc_span object, const char *name)
{
    struct cdc_span value = object.p != NULL ? cdc_json_member(object, name) : object;

    return value.p != NULL && cdc_json_type(value) == CDC_JSON_OBJECT ? value : cdc_span(NULL, 0);
}

/* What such a pipeline makes of a column is in the document, and it gets that again. */
static void tell_pipeline(const struct es_sink *sink, const struct es_table *table, struct cdc_span index)
{
    struct cdc_span settings = object_in(object_in(index, "settings"), "index");

    if (!es_places_has_pipeline(settings) && table->sent_through == NULL)
        return;
    cdc_log_write(
        sink->client->context->log, CDC_LOG_WARNING,
        "index \"%s\" has an ingest pipeline, and columns that the log omits are taken from its documents: it "
        "gets those as it left them, and must leave them so the second time; else set REPLICA IDENTITY FULL",
        table->source.target);
}

/* Keeps what the mapping says of _source; nothing where all of it is kept. Without _source at all there is no document to read
 * (ES_HIDDEN). 0 or -1. */
static int note_kept(const struct es_sink *sink, struct es_table *table, struct cdc_span body, struct cdc_error *error)
{
    struct cdc_json_iter indexes;
    struct cdc_span name, index;

    if (cdc_json_validate(body.p, body.n, NULL) != 0 || cdc_json_type(body) != CDC_JSON_OBJECT)
        return 0;
    cdc_json_iter_begin(&indexes, body);
    if (!cdc_json_next_member(&indexes, &name, &index) || cdc_json_type(index) != CDC_JSON_OBJECT)
        return 0;
    tell_pipeline(sink, table, index);
    struct cdc_span source = object_in(object_in(index, "mappings"), "_source");
    if (source.p == NULL || (is_empty(source, "includes") && is_empty(source, "excludes")))
        return 0;
    table->kept = cdc_span_copy(source);
    return table->kept != NULL ? 0 : cdc_error_memory(error);
}

/* Once for each table in a run. Who may not see mappings is not asked for more. */
static int check_source(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    struct http_request request = {.method = "GET", .content_type = "application/json"};
    const struct cdc_buf *response = &sink->client->response;
    char path[400];
    long status = 0;

    if (table->asked_kept)
        return 0;
    /* A name of an index has at most 255 bytes (index.c). */
    snprintf(path, sizeof path, "/%s?filter_path=*.mappings._source,*.settings.index.uuid,*.settings.index.*_pipeline",
             table->source.target);
    request.path = path;
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);
    bool unseen = outcome == HTTP_ANSWERED && (status == 403 || status == 404 || status == 405);
    if (!unseen && http_client_check(sink->client, outcome, status, error) != 0)
        return -1;
    table->asked_kept = true;
    return unseen ? 0 : note_kept(sink, table, cdc_span(response->data, response->len), error);
}

/* Of all items from `from` on that need a document. */
static int check_sources(struct es_sink *sink, size_t from, struct cdc_error *error)
{
    for (size_t i = from; !sink->batch.looking && i < sink->batch.lines.n; i++)
        if (es_merge_needs_base(&sink->batch, &sink->batch.items[i]) &&
            check_source(sink, (struct es_table *)sink->batch.items[i].table, error) != 0)
            return -1;
    return 0;
}

/* -- documents --------------------------------------------------------------------------- */

/* Reads the documents for the next items that need one; they stay in the client's response until the next request. */
int es_merge_fetch(struct es_sink *sink, size_t from, struct cdc_error *error)
{
    struct cdc_retry retry;
    size_t most = MGET_MAX;
    int result;

    if (check_sources(sink, from, error) != 0)
        return -1;
    cdc_retry_init(&retry, sink->client->context->settings->retry_max);
    do {
        long status = 0;
        /* Their spans point into the response that the request below overwrites. */
        es_merge_forget(&sink->batch, from);
        size_t n = build_mget(sink, from, most);
        struct http_request request = {
            .method = "POST",
            .path = "/_mget",
            .content_type = "application/json",
            .body = cdc_span(sink->scratch.data, sink->scratch.len),
            .response_limit = most > 1 ? MGET_LIMIT : NO_LIMIT,
        };
        if (sink->scratch.failed)
            return cdc_error_memory(error);
        enum http_outcome outcome = es_request_send(sink, &request, &status, error);
        result = 1;
        if (outcome == HTTP_TOO_LONG && status == 200 && most > 1)
            most /= 2; /* large documents: fewer at a time */
        else if (outcome != HTTP_GAVE_UP && status == 413 && n > 1)
            es_request_smaller(sink, request.body.n);
        else if (http_client_check(sink->client, outcome, status, error) != 0)
            return -1;
        else if ((result = take_documents(sink, from, n, error)) == 1 &&
                 http_client_wait(sink->client, &retry, 0, "a document cannot be read now", error) != 0)
            return -1;
    } while (result == 1);
    return result;
}

static void say_lack(struct es_sink *sink, const struct es_item *item)
{
    if (!sink->told_lack)
        cdc_log_write(
            sink->client->context->log, CDC_LOG_WARNING,
            "index \"%s\": a document lacks a column that the log omitted as unchanged; it stays without (said once)",
            item->table->target);
    sink->told_lack = true;
}

/* The columns that the line lacks, into sink->rest. 1: here they are, 0: nothing is to be written, -1. */
int es_merge_rest(struct es_sink *sink, struct es_item *item, const struct cdc_event *event, struct cdc_error *error)
{
    size_t missing = 0;
    int found = 0;

    sink->rest.len = 0;
    /* An earlier attempt may have deleted the document under the old id since. */
    if (item->place > 0)
        return es_key_changes_read(sink->key_changes, item->place - 1, &sink->rest, error) == 0 ? 1 : -1;
    if (item->old_n > 0 &&
        (found = es_key_changes_find(sink->key_changes, event->name, event->pos, &sink->rest, error)) != 0)
        return found;
    if (item->base.p == NULL) {
        struct cdc_span id = es_routing_id(es_batch_id(&sink->batch, item));
        sink->without_base++;
        sink->client->context->metrics->skipped++;
        /* Said at 1, 2, 4, 8 ... of them. */
        if ((sink->without_base & (sink->without_base - 1)) == 0)
            cdc_log_write(sink->client->context->log, CDC_LOG_WARNING,
                          "index \"%s\": no document _id \"%.*s\" to complete for an update with unchanged columns; "
                          "nothing is written (%llu so far)",
                          item->table->target, (int)(id.n < 80 ? id.n : 80), id.p,
                          (unsigned long long)sink->without_base);
        return 0;
    }
    if (item->base_version > event->seq) /* this line, and later ones, were applied before */
        return 0;
    if (check_kept(item, event, error) != 0)
        return -1;
    es_document_rest(&sink->rest, event->unchanged, event->before, item->base, &missing);
    if (missing > 0)
        say_lack(sink, item);
    if (item->old_n > 0) {
        uint64_t place;
        if (es_key_changes_add(sink->key_changes, event->name, event->pos, cdc_span(sink->rest.data, sink->rest.len),
                               &place, error) != 0)
            return -1;
        item->place = place + 1;
    }
    return 1;
}
