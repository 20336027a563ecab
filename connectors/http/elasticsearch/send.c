/* SPDX-License-Identifier: MIT */
/* A batch on its way: documents completed from the index, _bulk requests, and
 * what each item's answer means.
 *
 * Columns that the log did not carry are read from the document and the whole
 * document is indexed: an `update` takes no version of ours, and would let an
 * older state in later. When the document is not there, nothing is written:
 * the row was deleted later in the log (which is being replayed after a
 * snapshot), or somebody else deleted it; half a document with a high version
 * would keep a later snapshot's whole one out. */
#include "connectors/http/internal.h"

#define BULK_PATH "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
#define MGET_MAX 32
#define MGET_LIMIT ((size_t)4 << 20)
#define NO_LIMIT ((size_t)1 << 30)

void es_action(struct cdc_buf *body, const char *what, const char *index, struct cdc_span id, int64_t version)
{
    cdc_buf_lit(body, "{\"");
    cdc_buf_text(body, what);
    cdc_buf_lit(body, "\":{\"_index\":\"");
    cdc_buf_text(body, index); /* only a-z 0-9 - _ . */
    cdc_buf_lit(body, "\",\"_id\":");
    cdc_json_append_string(body, id.p, id.n);
    cdc_buf_lit(body, ",\"version\":");
    cdc_buf_i64(body, version);
    cdc_buf_lit(body, ",\"version_type\":\"external_gte\"}}\n");
}

static struct cdc_span id_of(const struct batch *batch, const struct item *item)
{
    return cdc_span(batch->ids.data + item->id, item->id_n);
}

static struct cdc_span old_id_of(const struct batch *batch, const struct item *item)
{
    return cdc_span(batch->ids.data + item->old, item->old_n);
}

/* -- reading documents ---------------------------------------------------------- */

static bool needs_base(const struct item *item)
{
    return item->kind == ITEM_MERGE && !item->base_read && item->place == 0;
}

/* The request for the documents that items from `from` on need, at most `most`. Returns how many. */
static size_t build_mget(struct http_sink *sink, size_t from, size_t most)
{
    const struct batch *batch = &sink->batch;
    struct cdc_buf *body = &sink->scratch;
    size_t n = 0;

    body->len = 0;
    cdc_buf_lit(body, "{\"docs\":[");
    for (size_t i = from; i < batch->n && n < most; i++) {
        const struct item *item = &batch->items[i];
        if (!needs_base(item))
            continue;
        cdc_buf_text(body, n++ == 0 ? "{\"_index\":\"" : ",{\"_index\":\"");
        cdc_buf_text(body, item->table->index);
        cdc_buf_lit(body, "\",\"_id\":");
        struct cdc_span id = item->base_old ? old_id_of(batch, item) : id_of(batch, item);
        cdc_json_append_string(body, id.p, id.n);
        cdc_buf_byte(body, '}');
    }
    cdc_buf_lit(body, "]}");
    return n;
}

/* The document is not there. A moved row is looked for under its new _id first: it is there only when a snapshot read
 * the table after this change, and then the old _id may be another row's by now. */
static int no_doc(struct item *item)
{
    if (item->old_n > 0 && !item->base_old) {
        item->base_old = true;
        item->base_read = false;
    }
    return 0;
}

/* 0, 1 to try again, -1. */
static int take_doc(struct item *item, struct cdc_span doc, struct cdc_error *error)
{
    item->base = cdc_span(NULL, 0);
    item->base_read = true;
    struct cdc_span why = cdc_json_member(doc, "error");
    if (why.p != NULL) {
        struct cdc_span type = cdc_json_member_raw(why, "type");
        return type.p != NULL && cdc_span_is(type, "index_not_found_exception") ? no_doc(item) : 1;
    }
    struct cdc_span found = cdc_json_member(doc, "found");
    if (found.p == NULL)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mget lacks \"found\"");
    if (cdc_span_is(found, "false"))
        return no_doc(item);
    item->base = cdc_json_member(doc, "_source");
    if (item->base.p == NULL || !cdc_json_int64(cdc_json_member(doc, "_version"), &item->base_version)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" gives documents back without _source or _version",
                      item->table->index);
        return cdc_error_hint(error, "columns that the log leaves out are taken from it: keep _source in the mapping, "
                                     "or set REPLICA IDENTITY FULL");
    }
    return 0;
}

static int take_docs(struct http_sink *sink, size_t from, size_t n, struct cdc_error *error)
{
    struct cdc_span answer = {sink->client.response.data, sink->client.response.len}, doc;
    struct cdc_json_iter docs;
    size_t i = from;

    struct cdc_span list = cdc_json_validate(answer.p, answer.n, NULL) == 0 && cdc_json_type(answer) == CDC_JSON_OBJECT
                               ? cdc_json_member(answer, "docs")
                               : cdc_span(NULL, 0);
    if (list.p == NULL || cdc_json_type(list) != CDC_JSON_ARRAY)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mget is not what was asked for");
    for (cdc_json_iter(&docs, list); n > 0 && cdc_json_next_element(&docs, &doc); n--) {
        while (i < sink->batch.n && !needs_base(&sink->batch.items[i]))
            i++;
        int result = i < sink->batch.n ? take_doc(&sink->batch.items[i++], doc, error) : 1;
        if (result != 0)
            return result;
    }
    if (n > 0 || cdc_json_next_element(&docs, &doc))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mget has another number of documents");
    return 0;
}

static void forget_bases(struct batch *batch, size_t from)
{
    for (size_t i = from; i < batch->n; i++)
        batch->items[i].base_read = false;
}

/* Reads the documents for the next items that need one; they stay in the client's response until the next request. */
static int fetch(struct http_sink *sink, size_t from, struct cdc_error *error)
{
    struct cdc_retry retry;
    size_t most = MGET_MAX;
    int result;

    cdc_retry_init(&retry, sink->context.settings->retry_max);
    do {
        long status;
        forget_bases(&sink->batch, from);
        size_t n = build_mget(sink, from, most);
        struct http_request request = {"POST",
                                       "/_mget",
                                       "application/json",
                                       {sink->scratch.data, sink->scratch.len},
                                       {NULL, NULL},
                                       most > 1 ? MGET_LIMIT : NO_LIMIT,
                                       false};
        if (sink->scratch.failed)
            return cdc_error_memory(error);
        if (http_send(&sink->client, &request, &status, error) != 0)
            return -1;
        result = 1;
        if (status == 1 && most > 1)
            most /= 2; /* large documents: fewer at a time */
        else if (status != 200)
            return http_status_error(&sink->client, status, error);
        else if ((result = take_docs(sink, from, n, error)) == 1 &&
                 http_backoff(&sink->client, &retry, 0, "a document cannot be read now", error) != 0)
            return -1;
    } while (result == 1);
    return result;
}

/* -- the body of a request -------------------------------------------------------- */

static void append_index(struct http_sink *sink, struct item *item, const struct cdc_event *event, struct cdc_span rest)
{
    es_action(&sink->body, "index", item->table->index, id_of(&sink->batch, item), event->seq);
    es_join(&sink->body, event->after, rest);
    cdc_buf_byte(&sink->body, '\n');
    item->index_sent = true;
}

static void append_delete(struct http_sink *sink, struct item *item, struct cdc_span id, int64_t seq)
{
    es_action(&sink->body, "delete", item->table->index, id, seq);
    item->delete_sent = true;
}

static void say_lack(struct http_sink *sink, const struct item *item)
{
    if (!sink->told_lack)
        cdc_log(
            sink->context.log, CDC_LOG_WARNING,
            "index \"%s\": a document lacks a column that the log left out as unchanged; it stays without (said once)",
            item->table->index);
    sink->told_lack = true;
}

/* The columns that the line lacks, into sink->rest. 1: here they are, 0: nothing is to be written, -1. */
static int find_rest(struct http_sink *sink, struct item *item, const struct cdc_event *event, struct cdc_error *error)
{
    size_t missing = 0;
    int found = 0;

    sink->rest.len = 0;
    if (item->place > 0)
        return moves_read(sink->moves, item->place - 1, &sink->rest, error) == 0 ? 1 : -1;
    if (item->old_n > 0 && (found = moves_find(sink->moves, event->name, event->pos, &sink->rest, error)) != 0)
        return found;
    if (item->base.p == NULL) {
        sink->without_base++;
        cdc_log(sink->context.log, CDC_LOG_DEBUG,
                "index \"%s\": no document to complete for a line with unchanged columns (%llu so far)",
                item->table->index, (unsigned long long)sink->without_base);
        return 0;
    }
    if (item->base_version > event->seq) /* this line, and later ones, were applied before */
        return 0;
    es_rest(&sink->rest, event->unchanged, event->before, item->base, &missing);
    if (missing > 0)
        say_lack(sink, item);
    if (item->old_n > 0) {
        uint64_t place;
        if (moves_add(sink->moves, event->name, event->pos, cdc_span(sink->rest.data, sink->rest.len), &place, error) !=
            0)
            return -1;
        item->place = place + 1;
    }
    return 1;
}

static int append_merge(struct http_sink *sink, struct item *item, const struct cdc_event *event,
                        struct cdc_error *error)
{
    int found = find_rest(sink, item, event, error);

    if (found < 0)
        return -1;
    if (found == 1)
        append_index(sink, item, event, cdc_span(sink->rest.data, sink->rest.len));
    return 0;
}

static int append_item(struct http_sink *sink, struct item *item, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_span line = batch_line(&sink->batch, item);
    size_t missing = 0;

    item->index_sent = item->delete_sent = false;
    if (cdc_event_parse(&event, line.p, line.n, error) != 0) /* it was parsed before */
        return -1;
    if (item->kind == ITEM_DELETE) {
        append_delete(sink, item, id_of(&sink->batch, item), event.seq);
        return 0;
    }
    if (item->kind == ITEM_MERGE) {
        if (append_merge(sink, item, &event, error) != 0)
            return -1;
    } else if (event.unchanged.p != NULL) {
        sink->rest.len = 0;
        es_rest(&sink->rest, event.unchanged, event.before, cdc_span(NULL, 0), &missing);
        append_index(sink, item, &event, cdc_span(sink->rest.data, sink->rest.len));
    } else {
        append_index(sink, item, &event, cdc_span("{}", 2));
    }
    /* The new document first: a reader may see the row twice for a moment, but never not at all. */
    if (item->old_n > 0)
        append_delete(sink, item, old_id_of(&sink->batch, item), event.seq);
    return 0;
}

/* Fills the body with items from `from` on; *to is the first that is not in it. */
static int build(struct http_sink *sink, size_t from, size_t *to, struct cdc_error *error)
{
    size_t i = from;

    sink->body.len = 0;
    forget_bases(&sink->batch, from);
    while (i < sink->batch.n) {
        size_t before = sink->body.len;
        while (needs_base(&sink->batch.items[i])) /* twice at the most: under the new _id, under the old one */
            if (fetch(sink, i, error) != 0)
                return -1;
        if (append_item(sink, &sink->batch.items[i], error) != 0)
            return -1;
        if (sink->body.failed || sink->rest.failed)
            return cdc_error_memory(error);
        if (i > from && sink->body.len > sink->body_limit) {
            sink->body.len = before; /* it comes first in the next one */
            break;
        }
        i++;
    }
    *to = i;
    return moves_sync(sink->moves, error);
}

/* -- the answer --------------------------------------------------------------------- */

static int refuse(struct http_sink *sink, const struct item *item, const struct bulk_result *result,
                  struct cdc_error *error)
{
    char reason[600];
    struct cdc_span id = id_of(&sink->batch, item), type = result->type, why = result->reason;

    snprintf(reason, sizeof reason, "index \"%.100s\" refuses _id \"%.*s\" (status %lld): %.*s: %.*s",
             item->table->index, (int)(id.n < 80 ? id.n : 80), id.p, (long long)result->status,
             (int)(type.n < 80 ? type.n : 80), type.p != NULL ? type.p : "", (int)(why.n < 200 ? why.n : 200),
             why.p != NULL ? why.p : "");
    return cdc_sink_reject(&sink->context, batch_line(&sink->batch, item), reason, error);
}

/* One item's answers. 0: settled, 1: the item must be sent again, -1. */
static int settle(struct http_sink *sink, const struct item *item, struct bulk_answer *answer, struct cdc_error *error)
{
    bool again = false, refused = false;

    for (int action = 0; action < 2; action++) {
        struct bulk_result result;
        if (!(action == 0 ? item->index_sent : item->delete_sent))
            continue;
        int got = bulk_answer_next(answer, &result, error);
        if (got < 0)
            return -1;
        if (got == 0)
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _bulk has too few items");
        switch (bulk_judge(&result, action == 1)) {
        case BULK_DONE: break;
        case BULK_AGAIN: again = true; break;
        case BULK_REFUSED:
            if (!refused && refuse(sink, item, &result, error) != 0)
                return -1;
            refused = true;
            break;
        case BULK_NO_INDEX:
            cdc_error_set(error, CDC_EXIT_CONFIG, "index \"%s\" does not exist and is not created", item->table->index);
            return cdc_error_hint(error, "create it, or allow action.auto_create_index");
        case BULK_FORBIDDEN:
            cdc_error_set(error, CDC_EXIT_PERMISSION, "index \"%s\": not allowed to write: %.*s", item->table->index,
                          (int)result.reason.n, result.reason.p != NULL ? result.reason.p : "");
            return cdc_error_hint(error, "give the user the privilege to index and delete");
        }
    }
    return again && !refused;
}

/* Items from..to: *next is the first that must be sent again, or to. What comes after it is sent again with it, so that
 * no item overtakes another of the same _id; versions make that harmless. */
static int settle_all(struct http_sink *sink, size_t from, size_t to, size_t *next, struct cdc_error *error)
{
    struct bulk_answer answer;
    struct bulk_result extra;

    if (bulk_answer_open(&answer, cdc_span(sink->client.response.data, sink->client.response.len), error) != 0)
        return -1;
    for (size_t i = from; i < to; i++) {
        int result = settle(sink, &sink->batch.items[i], &answer, error);
        if (result < 0)
            return -1;
        if (result == 1)
            return *next = i, 0;
    }
    *next = to;
    if (bulk_answer_next(&answer, &extra, error) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _bulk has too many items");
    return 0;
}

/* Too large for the peer: smaller requests from now on, or this one line is refused. */
static int too_large(struct http_sink *sink, size_t from, size_t to, size_t *next, struct cdc_error *error)
{
    if (to - from > 1) {
        sink->body_limit = sink->body.len / 2;
        cdc_log(sink->context.log, CDC_LOG_WARNING, "%s takes no request of %zu bytes; smaller ones from now on",
                sink->settings->url, sink->body.len);
        return *next = from, 0;
    }
    *next = to;
    return cdc_sink_reject(&sink->context, batch_line(&sink->batch, &sink->batch.items[from]),
                           "the document is too large for the index (HTTP status 413)", error);
}

static int post(struct http_sink *sink, size_t from, size_t to, size_t *next, struct cdc_error *error)
{
    struct http_request request = {
        "POST", BULK_PATH, "application/x-ndjson", {sink->body.data, sink->body.len}, {NULL, NULL}, 0, false};
    long status;

    if (http_send(&sink->client, &request, &status, error) != 0)
        return -1;
    if (status == 413)
        return too_large(sink, from, to, next, error);
    return status == 200 ? settle_all(sink, from, to, next, error) : http_status_error(&sink->client, status, error);
}

int es_flush(struct http_sink *sink, struct cdc_error *error)
{
    struct cdc_retry retry;
    size_t from = 0, to = 0, next;

    cdc_retry_init(&retry, sink->context.settings->retry_max);
    while (from < sink->batch.n) {
        if (build(sink, from, &to, error) != 0)
            return -1;
        next = to;
        bool smaller = false;
        if (sink->body.len > 0) {
            size_t limit = sink->body_limit;
            if (post(sink, from, to, &next, error) != 0)
                return -1;
            smaller = limit != sink->body_limit;
        }
        if (next > from)
            cdc_retry_success(&retry);
        if (next < to && !smaller && http_backoff(&sink->client, &retry, 0, "an item is not taken now", error) != 0)
            return -1;
        from = next;
    }
    return 0;
}
