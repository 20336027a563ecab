/* SPDX-License-Identifier: MIT */
/* A batch on its way: _bulk requests, and what each item's answer means. HTTP 200 says that the request was
 * understood; whether a document was taken stands in its item.
 *
 *   {"index":{"_index":"shop-items","_id":"43","version":7,...}}
 *   {"id":43,"note":"x"}
 *
 * Only the items that were not taken now (429, 503) are sent again, and those after them.
 *
 * The documents under old keys are deleted by requests of their own, once all of the batch is settled: a reader may see a row
 * twice for a moment, but never not at all, and a batch that stops at a refused document has deleted nothing that is not under
 * its new key. With --on-error=skip the old document of a refused one goes as well: no row has that key any more.
 *
 * A row may have the same _id under another routing. Where both lead to one shard that is the same document there, and the delete
 * takes the new one: no answer tells, so it is written once more after that. */
#include <stdio.h>

#include "connectors/http/elasticsearch/answer.h"
#include "connectors/http/elasticsearch/internal.h"

#define BEHIND_MAX 10

/* -- the body of a request -------------------------------------------------------- */

static void append_index(struct es_sink *sink, struct es_item *item, const struct cdc_event *event,
                         struct cdc_span rest)
{
    es_document_action(&sink->body, "index", item->table->target, es_batch_id(&sink->batch, item),
                       item->version > 0 ? item->version : event->seq,
                       ((const struct es_table *)item->table)->sent_through);
    es_document_join(&sink->body, event->after, rest);
    cdc_buf_byte(&sink->body, '\n');
    item->sent = ES_SENT_INDEX;
    item->written = true;
    item->behind = false;
}

static void append_delete(struct es_sink *sink, struct es_item *item, struct cdc_span id, int64_t seq)
{
    es_document_action(&sink->body, "delete", item->table->target, id, seq, NULL);
    item->sent = ES_SENT_DELETE;
    item->sent_old = id.p != es_batch_id(&sink->batch, item).p;
}

/* The line goes to the dead letters once, also where both its document and the delete of its old one are refused. */
static int reject(struct es_sink *sink, size_t index, const char *reason, struct cdc_error *error)
{
    struct es_item *item = &sink->batch.items[index];
    bool again = item->refused;

    item->refused = true;
    item->written &= item->sent != ES_SENT_INDEX;
    return again ? 0
                 : cdc_sink_reject_line(sink->client->context, http_batch_line(&sink->batch.lines, index),
                                        sink->batch.lines.lines[index].number, reason, error);
}

/* The next documents that are needed are read first. */
static int append_merge(struct es_sink *sink, size_t index, const struct cdc_event *event, struct cdc_error *error)
{
    struct es_item *item = &sink->batch.items[index];

    while (es_merge_needs_base(&sink->batch, item)) /* twice at the most: under the new _id, under the old one */
        if (es_merge_fetch(sink, index, error) != 0)
            return -1;
    int found = es_merge_rest(sink, item, event, error);
    if (found == 1 && sink->rest.failed) /* it is no object then, and may have no bytes at all */
        return cdc_error_memory(error);
    if (found == 1)
        append_index(sink, item, event, cdc_span(sink->rest.data, sink->rest.len));
    /* In a replay the log has no other line that makes it good. */
    if (found == 0 && item->base.p == NULL && sink->client->context->settings->replay != NULL)
        return reject(sink, index, "columns that the log omitted as unchanged are not in the index", error);
    return found < 0 ? -1 : 0;
}

/* What a pass over the batch puts into a request for an item; item->sent says whether it is anything. */
typedef int append_function(struct es_sink *sink, size_t index, struct cdc_error *error);

static int append_item(struct es_sink *sink, size_t index, struct cdc_error *error)
{
    struct es_item *item = &sink->batch.items[index];
    struct cdc_event event;
    struct cdc_span line = http_batch_line(&sink->batch.lines, index);
    size_t missing = 0;

    if (cdc_event_parse(&event, line.p, line.n, error) != 0) /* it was parsed before */
        return -1;
    if (item->kind == ES_CREATE) {
        es_stream_append(sink, item, &event);
        item->sent = item->there ? ES_SENT_NOTHING : ES_SENT_CREATE;
    } else if (item->kind == ES_DELETE) {
        append_delete(sink, item, es_batch_id(&sink->batch, item), event.seq);
    } else if (item->kind == ES_MERGE) {
        return append_merge(sink, index, &event, error);
    } else if (event.unchanged.p != NULL) {
        sink->rest.len = 0;
        es_document_rest(&sink->rest, event.unchanged, event.before, cdc_span(NULL, 0), &missing);
        append_index(sink, item, &event, cdc_span(sink->rest.data, sink->rest.len));
    } else {
        append_index(sink, item, &event, cdc_span("{}", 2));
    }
    return 0;
}

/* The document that a moved row has left, unless a later row of the batch is under that key now. */
static int append_old_id(struct es_sink *sink, size_t index, struct cdc_error *error)
{
    struct es_item *item = &sink->batch.items[index];
    struct cdc_span line = http_batch_line(&sink->batch.lines, index), old = es_batch_old_id(&sink->batch, item);
    struct cdc_event event;

    if (item->old_n == 0)
        return 0;
    const struct es_item *writer = es_batch_writer(&sink->batch, item->table, old);
    if (writer != NULL && writer->written)
        return 0;
    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    append_delete(sink, item, old, event.seq);
    struct es_item *same = es_batch_writer_of_any(&sink->batch, item->table, old);
    if (same != NULL && same->written)
        same->again = sink->again = true;
    return 0;
}

static int append_again(struct es_sink *sink, size_t index, struct cdc_error *error)
{
    return sink->batch.items[index].again ? append_item(sink, index, error) : 0;
}

/* The rows that go over a newer document. */
static int append_over(struct es_sink *sink, size_t index, struct cdc_error *error)
{
    return sink->batch.items[index].version > 0 ? append_item(sink, index, error) : 0;
}

/* Fills the body with items from `from` on; *to is the first that is not in it. */
static int build(struct es_sink *sink, append_function *append, size_t from, size_t *to, struct cdc_error *error)
{
    size_t i = from;

    if (es_stream_find(sink, from, error) != 0)
        return -1;
    sink->body.len = 0;
    es_merge_forget(&sink->batch, from);
    while (i < sink->batch.lines.n) {
        size_t before = sink->body.len;
        sink->batch.items[i].sent = ES_SENT_NOTHING; /* of an earlier attempt: settle goes by it */
        if (append(sink, i, error) != 0)
            return -1;
        if (sink->body.failed || sink->rest.failed)
            return cdc_error_memory(error);
        /* The first item goes in whatever its size, or a large document would never be sent. */
        if (i > from && sink->body.len > sink->limit.now) {
            sink->body.len = before; /* it comes first in the next one */
            break;
        }
        i++;
    }
    *to = i;
    /* Before the request: it deletes the documents that the journal's columns were read from. */
    return es_key_changes_sync(sink->key_changes, error);
}

/* -- the answer --------------------------------------------------------------------- */

static int refuse(struct es_sink *sink, size_t index, const struct es_result *result, struct cdc_error *error)
{
    char reason[600];
    const struct es_item *item = &sink->batch.items[index];
    struct cdc_span id = es_routing_id(es_batch_id(&sink->batch, item));

    snprintf(reason, sizeof reason, "index \"%.100s\" refuses _id \"%.*s\" (status %lld): %.80s: %.200s",
             item->table->target, (int)(id.n < 80 ? id.n : 80), id.p, (long long)result->status, result->type,
             result->reason);
    return reject(sink, index, reason, error);
}

static void note_newer(struct es_sink *sink, const struct es_item *item, int64_t version)
{
    if (version < 0)
        return;
    if (sink->newer.n++ > 0 && version <= sink->newer.version)
        return;
    sink->newer.version = version;
    sink->newer.table = item->table;
}

static int settle_done(struct es_sink *sink, size_t index, struct es_result *result, struct cdc_error *error)
{
    struct es_item *item = &sink->batch.items[index];

    if (result->newer >= 0 && item->sent == ES_SENT_INDEX && es_reread_has_row(sink, index)) {
        item->behind = sink->behind = true;
        item->shard = result->shard;
        item->newer = result->newer;
        return 0;
    }
    int dropped = item->sent == ES_SENT_CREATE ? result->dropped : es_places_check(item, result, error);

    if (dropped > 0) {
        result->type = "dropped";
        result->reason = "an ingest pipeline of the index does not let the document in";
        return refuse(sink, index, result, error);
    }
    if (item->sent != ES_SENT_CREATE)
        note_newer(sink, item, result->newer);
    return dropped;
}

/* What is of the whole index, and for a person to mend. */
static void unable(const struct es_item *item, const struct es_result *result, struct cdc_error *error)
{
    const char *index = item->table->target;

    if (result->verdict == ES_NO_INDEX) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" does not exist and is not created", index);
        cdc_error_hint(error, "create it, or allow action.auto_create_index");
    } else if (result->verdict == ES_UNUSABLE) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" takes no document: %.80s: %.300s", index, result->type,
                      result->reason);
        cdc_error_hint(error, "open it, or correct its settings; nothing is skipped for this");
    } else {
        cdc_error_set(error, CDC_EXIT_PERMISSION, "index \"%s\": not allowed to write: %s", index, result->reason);
        cdc_error_hint(error, "give the user the privilege to index and delete");
    }
}

enum settled { SETTLED_FAILED = -1, SETTLED, SETTLED_AGAIN, SETTLED_TOO_LARGE };

/* What a server says of an item that it does not take: for now, or in no request of that size. alone: the item was. */
static enum settled not_now(struct es_sink *sink, const struct es_item *item, bool alone,
                            const struct es_result *result)
{
    snprintf(sink->not_now, sizeof sink->not_now, "index \"%.100s\" does not take a document now: %.80s: %.250s",
             item->table->target, result->type, result->reason);
    return result->status == 429 && es_too_large_reason(result->reason, sink->body.len, alone) ? SETTLED_TOO_LARGE
                                                                                               : SETTLED_AGAIN;
}

/* One item's answer. */
static enum settled settle(struct es_sink *sink, size_t index, bool alone, struct es_answer *answer,
                           struct cdc_error *error)
{
    const struct es_item *item = &sink->batch.items[index];
    struct es_result result;

    if (item->sent == ES_SENT_NOTHING)
        return SETTLED;
    int got = es_answer_next_result(answer, item->sent == ES_SENT_DELETE, &result, error);
    if (got == 0)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _bulk has too few items");
    if (got <= 0 || es_places_check_id(&sink->batch, item, &result, error) != 0)
        return SETTLED_FAILED;
    switch (result.verdict) {
    case ES_DONE: return settle_done(sink, index, &result, error) == 0 ? SETTLED : SETTLED_FAILED;
    case ES_AGAIN: return not_now(sink, item, alone, &result);
    case ES_REFUSED: return refuse(sink, index, &result, error) == 0 ? SETTLED : SETTLED_FAILED;
    case ES_NO_INDEX:
    case ES_UNUSABLE:
    case ES_FORBIDDEN: break;
    }
    unable(item, &result, error);
    return SETTLED_FAILED;
}

/* The request with items from..to, of which `at` is the first that is not settled: smaller ones for a while; or it has that one alone,
 * which is refused. */
static int too_large(struct es_sink *sink, size_t from, size_t at, size_t to, size_t *next, const char *why,
                     struct cdc_error *error)
{
    char reason[600];

    if (to - from > 1) {
        es_request_smaller(sink, sink->body.len);
        return *next = at, 0;
    }
    snprintf(reason, sizeof reason, "the document is too large for the index (%s)", why);
    return reject(sink, at, reason, error);
}

/* Items from..to: *next, which is to, becomes the first that must be sent again. What comes after it is sent again with it, so that
 * no item overtakes another of the same _id; versions make that harmless. */
static int settle_all(struct es_sink *sink, struct es_answer *answer, size_t from, size_t to, size_t *next,
                      struct cdc_error *error)
{
    struct es_result extra;

    for (size_t i = from; i < to; i++) {
        enum settled result = settle(sink, i, to - from == 1, answer, error);
        if (result == SETTLED_FAILED)
            return -1;
        if (result == SETTLED_AGAIN)
            return *next = i, 0;
        if (result == SETTLED_TOO_LARGE)
            return too_large(sink, from, i, to, next, sink->not_now, error);
    }
    if (es_answer_next_result(answer, false, &extra, error) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _bulk has too many items");
    return 0;
}

/* The answer that lies in the client's response. 0; 1: the same request is to be sent again, for its items; -1. */
static int take_answer(struct es_sink *sink, size_t from, size_t to, size_t *next, struct cdc_error *error)
{
    struct es_answer answer;
    struct cdc_span body = {sink->client->response.data, sink->client->response.len};
    int result = 0;

    switch (es_answer_bulk(&answer, body, error)) {
    case ES_BULK_ITEMS:
        result = settle_all(sink, &answer, from, to, next, error);
        sink->ask_items &= !es_answer_all_taken(&answer);
        break;
    case ES_BULK_ALL_TAKEN: break;
    case ES_BULK_SOME_NOT_TAKEN:
        result = sink->asked ? cdc_error_set(error, CDC_EXIT_PROTOCOL,
                                             "the answer to _bulk does not say which items were not taken")
                             : 1;
        sink->ask_items = true;
        break;
    case ES_BULK_BAD: result = -1; break;
    }
    es_answer_close(&answer);
    return result;
}

/* For sink->body. One that is on its way already has asked for its items, or not. */
static struct http_request make_request(struct es_sink *sink)
{
    bool stream = sink->streams.pattern != NULL;

    if (!sink->client->under_way)
        sink->asked = sink->watch || sink->ask_items || stream;
    return (struct http_request){
        .method = "POST",
        .path = stream        ? ES_BULK_CREATE_PATH
                : sink->watch ? ES_BULK_PLACES_PATH
                : sink->asked ? ES_BULK_ITEMS_PATH
                              : ES_BULK_PATH,
        .content_type = "application/x-ndjson",
        .body = cdc_span(sink->body.data, sink->body.len),
        .lasts = es_too_large,
        .again = stream ? es_stream_again : NULL,
        .again_context = sink,
        .fresh = stream,
    };
}

static int request_too_large(struct es_sink *sink, size_t from, size_t to, size_t *next, long status,
                             struct cdc_error *error)
{
    char why[500];
    int n = snprintf(why, sizeof why, "HTTP status %ld", status);

    if (status != 413) {
        why[n++] = ':', why[n++] = ' ';
        es_answer_reason(cdc_span(sink->client->response.data, sink->client->response.len), why + n,
                         sizeof why - (size_t)n);
    }
    return too_large(sink, from, from, to, next, why, error);
}

static int post(struct es_sink *sink, size_t from, size_t to, size_t *next, struct cdc_error *error)
{
    int result;

    do {
        struct http_request request = make_request(sink);
        long status = 0;
        enum http_outcome outcome = es_request_send(sink, &request, &status, error);

        if (outcome != HTTP_GAVE_UP && outcome != HTTP_NOT_NOW && es_is_too_large(status))
            return request_too_large(sink, from, to, next, status, error);
        if (outcome ==
            HTTP_NOT_NOW) { /* some of it may be in an index that is not the last one of its stream any more */
            sink->at_once = true;
            return *next = from, 0;
        }
        if (http_client_check(sink->client, outcome, status, error) != 0)
            return -1;
        result = take_answer(sink, from, to, next, error);
    } while (result == 1);
    if (result == 0 && !sink->at_once && es_limit_taken(&sink->limit, sink->body.len, cdc_clock_ms()))
        cdc_log_write(sink->client->context->log, CDC_LOG_INFO, "%s takes requests of the full size again",
                      sink->client->peer.shown);
    return result;
}

static int send_pass(struct es_sink *sink, append_function *append, struct cdc_error *error)
{
    struct cdc_retry retry;
    size_t from = 0, to = 0, next;

    /* Items that are not taken though the request is; es_request_send counts its own attempts. */
    cdc_retry_init(&retry, sink->client->context->settings->retry_max);
    while (from < sink->batch.lines.n) {
        if (sink->client->under_way) /* with all items */
            to = sink->batch.lines.n;
        else if (build(sink, append, from, &to, error) != 0)
            return -1;
        next = to;
        sink->at_once = false;
        if (sink->body.len > 0 && post(sink, from, to, &next, error) != 0)
            return -1;
        sink->streams.unsure |= next < to; /* later ones may have been taken */
        /* One item taken is progress. */
        if (next > from)
            cdc_retry_success(&retry);
        if (next < to && !sink->at_once && http_client_wait(sink->client, &retry, 0, sink->not_now, error) != 0)
            return -1;
        from = next;
    }
    return 0;
}

int es_send_build(struct es_sink *sink, struct cdc_error *error)
{
    size_t to = 0;

    if (build(sink, append_item, 0, &to, error) != 0)
        return -1;
    return to == sink->batch.lines.n && sink->body.len > 0;
}

int es_send_begin(struct es_sink *sink, struct cdc_error *error)
{
    struct http_request request = make_request(sink);

    return http_client_begin(sink->client, &request, error);
}

/* A pass, and the rows that met a newer document once more. */
static int send_whole_pass(struct es_sink *sink, append_function *append, struct cdc_error *error)
{
    sink->behind = false;
    if (send_pass(sink, append, error) != 0)
        return -1;
    /* Nobody else writes these documents: once is enough. */
    for (int times = 0; sink->behind; times++) {
        if (times == BEHIND_MAX)
            return cdc_error_set(error, CDC_EXIT_TEMPORARY,
                                 "documents of a table that is read again are written by somebody else meanwhile");
        sink->behind = false;
        if (es_reread_look(sink, error) != 0 || send_pass(sink, append_over, error) != 0)
            return -1;
    }
    return 0;
}

int es_send_batch(struct es_sink *sink, struct cdc_error *error)
{
    sink->again = false;
    if (send_whole_pass(sink, append_item, error) != 0 || send_pass(sink, append_old_id, error) != 0)
        return -1;
    return sink->again ? send_whole_pass(sink, append_again, error) : 0;
}
