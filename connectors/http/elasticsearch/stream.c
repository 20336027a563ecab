/* SPDX-License-Identifier: MIT */
/* A history in data streams: each change is a document of its own, which is created and never touched again. The line is the
 * document, with the time of its commit:
 *
 *   {"create":{"_index":"shop-history","_id":"shop:0000000016B374D8.0000000000.r0002"}}
 *   {"@timestamp":"2026-11-27T16:52:33.123Z","op":"u","pos":"0000000016B374D8.0000000000.r0002",...}
 *
 * A line that comes again has the same _id, and 409 says that it is there: no change is in the stream twice. But a stream is a row
 * of indexes, of which the last one is written to, and each knows its own ids alone: after a rollover a line that was sent
 * before it would be created a second time. So it is kept which index was the last one when the position was the newest:
 *
 *   .ds-shop-history-000001    all before the position
 *   .ds-shop-history-000002    the last one then: "since"
 *   .ds-shop-history-000003    "older": has lines from after the position, if any were sent
 *   .ds-shop-history-000004    the last one now: its own ids are its own business
 *
 * Where lines may have been sent before (at a start, and where an attempt has failed, up to the next delivery), the server is
 * asked which indexes there are; if those from `since` on are more than one, it is asked for the ids in the older ones, and
 * what is there is not sent. _mget looks at ids at once, without a refresh.
 *
 * What no look can see is a rollover between it and the request, and a request of which the answer was lost and that the server
 * takes up after the look. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "connectors/http/client/time.h"
#include "connectors/http/elasticsearch/internal.h"

#define MGET_MAX 500 /* documents that are asked for in one request */

struct es_stream {
    char *since; /* the id (uuid) of the last index when the position was the newest; NULL: nothing was sent */
    int64_t since_generation; /* of the stream then: it grows with each rollover */
    char *last;               /* the same when it was looked at last */
    int64_t generation;
    char **older; /* the names of the indexes from `since` on, without the last one */
    size_t n_older;
    bool has_since; /* it is among them, or the last one */
    bool touched;   /* it has got lines since the last delivery */
    bool looked;    /* at the last delivery */
};

/* -- questions ------------------------------------------------------------------------ */

/* By a client of its own: a request may be in hand at another one. The answer lies in its response. */
static enum http_outcome ask(struct es_sink *sink, const struct http_request *request, long *status,
                             struct cdc_error *error)
{
    struct http_client *client = sink->client;

    sink->client = &sink->streams.client;
    enum http_outcome outcome = es_request_send(sink, request, status, error);
    sink->client = client;
    return outcome;
}

static struct cdc_span answer_of(const struct es_sink *sink)
{
    struct cdc_span body = {sink->streams.client.response.data, sink->streams.client.response.len};

    while (body.n > 0 && (unsigned char)*body.p <= ' ')
        body = cdc_span(body.p + 1, body.n - 1);
    while (body.n > 0 && (unsigned char)body.p[body.n - 1] <= ' ')
        body.n--;
    return body;
}

static void forget_older(struct es_stream *stream)
{
    for (size_t i = 0; i < stream->n_older; i++)
        free(stream->older[i]);
    free(stream->older);
    stream->older = NULL;
    stream->n_older = 0;
}

static int add_older(struct es_stream *stream, char *name, struct cdc_error *error)
{
    char **more = name != NULL ? realloc(stream->older, (stream->n_older + 1) * sizeof *more) : NULL;

    if (more == NULL) {
        free(name);
        return cdc_error_memory(error);
    }
    stream->older = more;
    stream->older[stream->n_older++] = name;
    return 0;
}

static int senseless(const char *name, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer about data stream \"%s\" does not have its indexes",
                         name);
}

static bool is_object(struct cdc_span value)
{
    return value.p != NULL && cdc_json_type(value) == CDC_JSON_OBJECT;
}

static bool is_array(struct cdc_span value)
{
    return value.p != NULL && cdc_json_type(value) == CDC_JSON_ARRAY;
}

/* {"data_streams":[{"indices":[{"index_name":".ds-a-000001","index_uuid":"..."},...],"generation":4}]}, with the last one at the end.
 * An index that retention has deleted is not there: without `since`, all that are there may have lines from after the position. 1: it
 * is no such list. */
static int read_indexes(struct es_stream *stream, struct cdc_span list, struct cdc_error *error)
{
    struct cdc_json_iter indexes;
    struct cdc_span index, uuid = {NULL, 0};

    forget_older(stream);
    stream->has_since = false;
    for (cdc_json_iter_begin(&indexes, list); cdc_json_next_element(&indexes, &index);) {
        struct cdc_span name = is_object(index) ? cdc_json_member_raw(index, "index_name") : cdc_span(NULL, 0);
        if (name.p == NULL || (uuid = cdc_json_member_raw(index, "index_uuid")).p == NULL)
            return 1;
        if (stream->since != NULL && cdc_json_raw_is(uuid, cdc_span_text(stream->since))) {
            stream->has_since = true;
            forget_older(stream);
        }
        if (add_older(stream, cdc_json_text(name, NULL), error) != 0)
            return -1;
    }
    if (stream->n_older == 0)
        return 1;
    free(stream->older[--stream->n_older]);
    free(stream->last);
    stream->last = cdc_json_text(uuid, NULL);
    return stream->last != NULL ? 0 : cdc_error_memory(error);
}

static int read_stream(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    struct cdc_span body = answer_of(sink), list = {NULL, 0}, first, indexes = {NULL, 0};
    struct cdc_json_iter streams;

    if (body.n > 0 && cdc_json_validate(body.p, body.n, NULL) == 0 && is_object(body))
        list = cdc_json_member(body, "data_streams");
    if (is_array(list)) {
        cdc_json_iter_begin(&streams, list);
        if (cdc_json_next_element(&streams, &first) && is_object(first) &&
            cdc_json_int64(cdc_json_member(first, "generation"), &table->stream->generation))
            indexes = cdc_json_member(first, "indices");
    }
    if (!is_array(indexes))
        return senseless(table->source.target, error);
    int result = read_indexes(table->stream, indexes, error);
    return result == 1 ? senseless(table->source.target, error) : result;
}

static int has_no_streams(const struct es_sink *sink, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s has no data streams", sink->streams.client.peer.shown);
    return cdc_error_hint(error, "leave --data-stream out");
}

/* Which indexes has it? 1; 0: there is no such stream; -1. */
static int look(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    struct http_request request = {.method = "GET", .content_type = "application/json"};
    char path[400];
    long status = 0;

    /* A name has at most 255 bytes (index.c). */
    snprintf(path, sizeof path, "/_data_stream/%s?filter_path=data_streams.generation,data_streams.indices.index_*",
             table->source.target);
    request.path = path;
    enum http_outcome outcome = ask(sink, &request, &status, error);
    if (outcome == HTTP_ANSWERED && status == 404)
        return 0;
    if (outcome == HTTP_ANSWERED && (status == 400 || status == 405))
        return has_no_streams(sink, error);
    if (http_client_check(&sink->streams.client, outcome, status, error) != 0)
        return -1;
    return read_stream(sink, table, error) == 0 ? 1 : -1;
}

static int is_gone(const char *name, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "data stream \"%s\" is gone, with the changes that were stored in it", name);
    return cdc_error_hint(error, "restore it; or remove this sink's offset file, and begin another history");
}

/* As look; a stream that lines were sent to must be there, and the same. Retention takes no index that is the last one: where that
 * of before is gone there was a rollover. */
static int look_again(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    const struct es_stream *stream = table->stream;
    int found = look(sink, table, error);

    if (found == 0 || (found == 1 && !stream->has_since && stream->generation <= stream->since_generation))
        return is_gone(table->source.target, error);
    return found;
}

/* -- a stream's first line ---------------------------------------------------------------- */

/* Nothing that comes in a line can be refused for its type: of the columns no field is made. */
#define TEMPLATE                                                                                                       \
    "\"data_stream\":{},\"priority\":500,\"template\":{\"mappings\":{\"dynamic\":false,\"properties\":{"               \
    "\"@timestamp\":{\"type\":\"date\"},\"op\":{\"type\":\"keyword\",\"ignore_above\":1024},"                          \
    "\"pos\":{\"type\":\"keyword\",\"ignore_above\":1024},\"seq\":{\"type\":\"long\"},"                                \
    "\"key\":{\"type\":\"object\",\"enabled\":false},\"before\":{\"type\":\"object\",\"enabled\":false},"              \
    "\"after\":{\"type\":\"object\",\"enabled\":false},\"message\":{\"type\":\"object\",\"enabled\":false},"           \
    "\"source\":{\"dynamic\":false,\"properties\":{\"name\":{\"type\":\"keyword\",\"ignore_above\":1024},"             \
    "\"db\":{\"type\":\"keyword\",\"ignore_above\":1024},\"schema\":{\"type\":\"keyword\",\"ignore_above\":1024},"     \
    "\"table\":{\"type\":\"keyword\",\"ignore_above\":1024},\"txId\":{\"type\":\"keyword\",\"ignore_above\":1024}}}}}" \
    "}"

static enum http_outcome put(struct es_sink *sink, const char *path, const struct cdc_buf *body, long *status,
                             struct cdc_error *error)
{
    struct http_request request = {.method = "PUT", .path = path, .content_type = "application/json"};

    if (body != NULL)
        request.body = cdc_span(body->data, body->len);
    return ask(sink, &request, status, error);
}

static int put_template(struct es_sink *sink, const char *name, struct cdc_error *error)
{
    struct cdc_buf body = CDC_BUF_INIT;
    char path[400];
    long status = 0;
    int result;

    snprintf(path, sizeof path, "/_index_template/cdc-%s?create=true", name);
    cdc_buf_printf(&body, "{\"index_patterns\":[\"%s\"],", name); /* only a-z 0-9 - _ . */
    cdc_buf_lit(&body, TEMPLATE);
    cdc_buf_byte(&body, '}');
    if (body.failed) {
        result = cdc_error_memory(error);
    } else {
        enum http_outcome outcome = put(sink, path, &body, &status, error);
        result = http_client_check(&sink->streams.client, outcome, status, error);
    }
    cdc_buf_free(&body);
    return result;
}

/* 1: it is there, by us or by somebody else; 0: no template of a data stream matches; -1. */
static int put_stream(struct es_sink *sink, const char *name, struct cdc_error *error)
{
    char path[300], reason[300];
    long status = 0;

    snprintf(path, sizeof path, "/_data_stream/%s", name);
    enum http_outcome outcome = put(sink, path, NULL, &status, error);
    if (outcome == HTTP_ANSWERED && status == 400) {
        es_answer_reason(answer_of(sink), reason, sizeof reason);
        if (es_answer_is_error(answer_of(sink), "resource_already_exists_exception"))
            return 1;
        if (strstr(reason, "index template") != NULL)
            return 0;
        cdc_error_set(error, CDC_EXIT_CONFIG, "data stream \"%s\" cannot be made: %s", name, reason);
        return cdc_error_hint(error, "choose another --data-stream");
    }
    return http_client_check(&sink->streams.client, outcome, status, error) == 0 ? 1 : -1;
}

static int make(struct es_sink *sink, const char *name, struct cdc_error *error)
{
    int made = put_stream(sink, name, error);

    if (made != 0)
        return made > 0 ? 0 : -1;
    if (put_template(sink, name, error) != 0)
        return -1;
    cdc_log_write(sink->client->context->log, CDC_LOG_INFO,
                  "data stream \"%s\": no index template matches; \"cdc-%s\" was made for it", name, name);
    made = put_stream(sink, name, error);
    if (made == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "data stream \"%s\": another index template matches", name);
    return made > 0 ? 0 : -1;
}

/* Up to here is what was stored by now. Durable after es_index_ids_sync. */
static int note(struct es_sink *sink, const struct es_table *table, struct cdc_error *error)
{
    struct es_stream *stream = table->stream;
    struct cdc_buf text = CDC_BUF_INIT;
    char *since = strdup(stream->last);

    cdc_buf_printf(&text, "{\"generation\":%lld,\"last\":", (long long)stream->generation);
    cdc_json_append_text(&text, stream->last, strlen(stream->last));
    cdc_buf_lit(&text, "}");
    cdc_buf_byte(&text, '\0');
    int result = since == NULL || text.failed
                     ? cdc_error_memory(error)
                     : es_index_ids_note_stream(sink->index_ids, table->source.target, text.data, error);
    cdc_buf_free(&text);
    if (result != 0) {
        free(since);
        return -1;
    }
    free(stream->since);
    stream->since = since;
    stream->since_generation = stream->generation;
    forget_older(stream);
    return 0;
}

/* One that is known from an earlier run. */
static int recall(struct es_sink *sink, struct es_table *table, const char *known, struct cdc_error *error)
{
    struct cdc_span all = cdc_span_text(known), last = cdc_json_member_raw(all, "last");

    if (last.p == NULL || !cdc_json_int64(cdc_json_member(all, "generation"), &table->stream->since_generation))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the file of index ids says nothing of data stream \"%s\"",
                             table->source.target);
    table->stream->since = cdc_json_text(last, NULL);
    if (table->stream->since == NULL)
        return cdc_error_memory(error);
    return look_again(sink, table, error) == 1 ? 0 : -1;
}

static int begin_stream(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    const char *known = es_index_ids_stream(sink->index_ids, table->source.target);

    if (known != NULL)
        return recall(sink, table, known, error);
    int found = look(sink, table, error);
    if (found == 0 && make(sink, table->source.target, error) == 0)
        found = look(sink, table, error);
    if (found == 0)
        return is_gone(table->source.target, error);
    /* Before anything is sent there. */
    return found == 1 && note(sink, table, error) == 0 ? es_index_ids_sync(sink->index_ids, error) : -1;
}

static void free_table(struct es_table *table)
{
    if (table == NULL)
        return;
    if (table->stream != NULL) {
        forget_older(table->stream);
        free(table->stream->since);
        free(table->stream->last);
    }
    free(table->stream);
    free(table->source.target);
    free(table);
}

/* RETURNS the stream of that name, which is one of the sink's; NULL with the error. */
static struct es_table *add_stream(struct es_sink *sink, struct cdc_span name, struct cdc_error *error)
{
    struct es_streams *streams = &sink->streams;
    struct es_table **more = realloc(streams->items, (streams->n + 1) * sizeof *more);
    struct es_table *table = calloc(1, sizeof *table);

    if (more != NULL)
        streams->items = more;
    if (table != NULL) {
        table->source.target = cdc_span_copy(name);
        table->stream = calloc(1, sizeof *table->stream);
    }
    if (more == NULL || table == NULL || table->source.target == NULL || table->stream == NULL) {
        cdc_error_memory(error);
    } else if (begin_stream(sink, table, error) == 0) {
        streams->items[streams->n++] = table;
        return table;
    }
    free_table(table);
    return NULL;
}

struct es_table *es_stream_of(struct es_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    sink->scratch.len = 0;
    if (es_index_fill(sink->streams.pattern, event, &sink->scratch, error) != 0)
        return NULL;
    struct cdc_span name = {sink->scratch.data, sink->scratch.len};
    for (size_t i = 0; i < sink->streams.n; i++)
        if (cdc_span_is(name, sink->streams.items[i]->source.target))
            return sink->streams.items[i];
    return add_stream(sink, name, error);
}

/* -- lines -------------------------------------------------------------------------------- */

bool es_stream_append_time(struct cdc_buf *out, const struct cdc_event *event)
{
    int64_t ts_ms = event->ts_ms;

    if (is_object(event->source))
        (void)cdc_json_int64(cdc_json_member(event->source, "ts_ms"), &ts_ms);
    return ts_ms != 0 && http_time_append(out, ts_ms);
}

void es_stream_append(struct es_sink *sink, const struct es_item *item, const struct cdc_event *event)
{
    struct cdc_span line = event->line;

    if (item->there)
        return;
    while (line.n > 0 && *line.p != '{')
        line = cdc_span(line.p + 1, line.n - 1);
    while (line.n > 0 && line.p[line.n - 1] != '}')
        line.n--;
    cdc_buf_lit(&sink->body, "{\"create\":{\"_index\":\"");
    cdc_buf_text(&sink->body, item->table->target);
    cdc_buf_lit(&sink->body, "\",");
    es_routing_append_members(&sink->body, es_batch_id(&sink->batch, item));
    cdc_buf_lit(&sink->body, "}}\n");
    sink->rest.len = 0;
    cdc_buf_lit(&sink->rest, "{\"@timestamp\":\"");
    es_stream_append_time(&sink->rest, event);
    cdc_buf_lit(&sink->rest, "\"}");
    es_document_join(&sink->body, cdc_span(sink->rest.data, sink->rest.len), line);
    cdc_buf_byte(&sink->body, '\n');
}

/* -- what is there already ------------------------------------------------------------------- */

static bool has_item(const struct es_sink *sink, const struct es_table *table, size_t from)
{
    for (size_t i = from; i < sink->batch.lines.n; i++)
        if (sink->batch.items[i].table == &table->source)
            return true;
    return false;
}

static bool is_open(const struct es_item *item, const struct es_table *table)
{
    return item->table == &table->source && !item->there;
}

/* Asks that index for items from `from` on; *to is the first that was not asked for. Returns how many were. */
static size_t build_mget(struct es_sink *sink, const struct es_table *table, const char *index, size_t from, size_t *to)
{
    struct cdc_buf *body = &sink->scratch;
    size_t n = 0, i = from;

    body->len = 0;
    cdc_buf_lit(body, "{\"docs\":[");
    for (; i < sink->batch.lines.n && n < MGET_MAX && (n == 0 || body->len < sink->limit.now); i++) {
        const struct es_item *item = &sink->batch.items[i];
        if (!is_open(item, table))
            continue;
        cdc_buf_text(body, n++ == 0 ? "{\"_index\":" : ",{\"_index\":");
        cdc_json_append_text(body, index, strlen(index));
        cdc_buf_byte(body, ',');
        es_routing_append_members(body, es_batch_id(&sink->batch, item));
        cdc_buf_byte(body, '}');
    }
    cdc_buf_lit(body, "]}");
    *to = i;
    return n;
}

static int cannot_look(const char *index, const struct es_document *document, struct cdc_error *error)
{
    bool closed = document->state == ES_CLOSED;

    cdc_error_set(error, closed ? CDC_EXIT_CONFIG : CDC_EXIT_PERMISSION, "index \"%s\": %s", index,
                  closed ? "it is closed" : document->reason);
    return cdc_error_hint(error, "after a rollover it is looked at which changes it has: %s",
                          closed ? "open it, and start again" : "give the user the privilege to read it");
}

/* The answer for the items from `from` to `to`. 0, 1 to try again, -1. */
static int take_found(struct es_sink *sink, const struct es_table *table, const char *index, size_t from, size_t to,
                      struct cdc_error *error)
{
    struct cdc_json_iter documents;
    struct es_document document;

    if (es_answer_mget(&documents, answer_of(sink), error) != 0)
        return -1;
    for (size_t i = from; i < to; i++) {
        struct es_item *item = &sink->batch.items[i];
        if (!is_open(item, table))
            continue;
        int got = es_answer_next_document(&documents, es_routing_id(es_batch_id(&sink->batch, item)), &document, error);
        if (got == 0)
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mget has another number of documents");
        if (got < 0)
            return -1;
        if (document.state == ES_UNREADABLE)
            return 1;
        if (document.state == ES_CLOSED || document.state == ES_NOT_ALLOWED)
            return cannot_look(index, &document, error);
        item->there = document.state != ES_ABSENT; /* without its source, as was asked for */
    }
    return 0;
}

/* Items from `from` on in one of the older indexes; *to is the first that was not asked for. */
static int find_some(struct es_sink *sink, const struct es_table *table, const char *index, size_t from, size_t *to,
                     struct cdc_error *error)
{
    struct cdc_retry retry;
    int result = 1;

    cdc_retry_init(&retry, sink->client->context->settings->retry_max);
    while (result == 1) {
        long status = 0;
        size_t n = build_mget(sink, table, index, from, to);
        struct http_request request = {.method = "POST",
                                       .path = "/_mget?_source=false",
                                       .content_type = "application/json",
                                       .body = cdc_span(sink->scratch.data, sink->scratch.len)};
        if (sink->scratch.failed)
            return cdc_error_memory(error);
        if (n == 0)
            return 0;
        enum http_outcome outcome = ask(sink, &request, &status, error);
        if (outcome != HTTP_GAVE_UP && status == 413 && n > 1) {
            es_request_smaller(sink, request.body.n);
            continue;
        }
        if (http_client_check(&sink->streams.client, outcome, status, error) != 0)
            return -1;
        result = take_found(sink, table, index, from, *to, error);
        if (result == 1 &&
            http_client_wait(&sink->streams.client, &retry, 0, "a document cannot be looked at now", error) != 0)
            return -1;
    }
    return result;
}

static int find_of(struct es_sink *sink, struct es_table *table, size_t from, struct cdc_error *error)
{
    if (look_again(sink, table, error) != 1)
        return -1;
    for (size_t k = 0; k < table->stream->n_older; k++)
        for (size_t at = from, to; at < sink->batch.lines.n; at = to)
            if (find_some(sink, table, table->stream->older[k], at, &to, error) != 0)
                return -1;
    return 0;
}

int es_stream_find(struct es_sink *sink, size_t from, struct cdc_error *error)
{
    for (size_t i = 0; sink->streams.unsure && i < sink->streams.n; i++)
        if (has_item(sink, sink->streams.items[i], from) && find_of(sink, sink->streams.items[i], from, error) != 0)
            return -1;
    return 0;
}

/* What was sent went to the index that was the last one before, or to a later one. */
static int has_moved(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    char *last = strdup(table->stream->last);

    if (last == NULL)
        return cdc_error_memory(error);
    int result = look_again(sink, table, error);
    if (result == 1)
        result = strcmp(last, table->stream->last) != 0;
    free(last);
    return result;
}

int es_stream_again(void *context, struct cdc_error *error)
{
    struct es_sink *sink = context;
    bool moved = false;

    sink->streams.unsure = true;
    for (size_t i = 0; i < sink->streams.n; i++) {
        int result = has_item(sink, sink->streams.items[i], 0) ? has_moved(sink, sink->streams.items[i], error) : 0;
        if (result < 0)
            return -1;
        moved |= result == 1;
    }
    return moved;
}

/* -- deliveries ------------------------------------------------------------------------------ */

/* {".ds-a-000001":{"settings":{"index.translog.durability":"async"}}} */
static bool has_lazy_index(struct cdc_span body)
{
    struct cdc_json_iter indexes;
    struct cdc_span name, index;

    if (body.n == 0 || cdc_json_validate(body.p, body.n, NULL) != 0 || !is_object(body))
        return false;
    for (cdc_json_iter_begin(&indexes, body); cdc_json_next_member(&indexes, &name, &index);) {
        struct cdc_span settings = is_object(index) ? cdc_json_member(index, "settings") : cdc_span(NULL, 0);
        struct cdc_span value =
            is_object(settings) ? cdc_json_member_raw(settings, "index.translog.durability") : cdc_span(NULL, 0);
        if (value.n == 5 && strncasecmp(value.p, "async", 5) == 0)
            return true;
    }
    return false;
}

/* What it took must be on its disk, and is there for a while in memory alone where its template says so. */
static int make_durable(struct es_sink *sink, const char *name, struct cdc_error *error)
{
    struct http_request request = {.method = "GET", .content_type = "application/json"};
    char path[400];
    long status = 0;

    snprintf(path, sizeof path, "/%s/_settings/index.translog.durability?flat_settings=true", name);
    request.path = path;
    enum http_outcome outcome = ask(sink, &request, &status, error);
    if (outcome == HTTP_ANSWERED && status == 404)
        return is_gone(name, error);
    if (http_client_check(&sink->streams.client, outcome, status, error) != 0)
        return -1;
    if (!has_lazy_index(answer_of(sink)))
        return 0;
    int flushed = es_request_on_shards(sink, name, "_flush", error);
    return flushed == 0 ? is_gone(name, error) : flushed < 0 ? -1 : 0;
}

void es_stream_touch(struct es_table *table)
{
    table->stream->touched = true;
}

int es_streams_delivered(struct es_sink *sink, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->streams.n; i++) {
        struct es_table *table = sink->streams.items[i];
        if (!table->stream->touched)
            continue;
        if (look_again(sink, table, error) != 1 || make_durable(sink, table->source.target, error) != 0)
            return -1;
        table->stream->touched = false;
        table->stream->looked = true;
    }
    sink->streams.delivered = true;
    return es_index_ids_sync(sink->index_ids, error);
}

/* The offsets are saved by now. Before that, a crash would begin again at the position of before. */
int es_streams_begin(struct es_sink *sink, struct cdc_error *error)
{
    if (!sink->streams.delivered)
        return 0;
    for (size_t i = 0; i < sink->streams.n; i++) {
        struct es_table *table = sink->streams.items[i];
        bool other = table->stream->looked && strcmp(table->stream->since, table->stream->last) != 0;
        table->stream->looked = false;
        if (other && note(sink, table, error) != 0)
            return -1;
    }
    sink->streams.delivered = sink->streams.unsure = false;
    return es_index_ids_sync(sink->index_ids, error);
}

/* -- lifetime -------------------------------------------------------------------------------- */

static int check_kind(const struct es_sink *sink, struct cdc_error *error)
{
    bool streams = sink->streams.pattern != NULL;

    if (streams ? !es_index_ids_has_indexes(sink->index_ids) : !es_index_ids_has_streams(sink->index_ids))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the offset file is that of %s: what came before is in %s",
                  streams ? "indexes" : "data streams", streams ? "no data stream" : "no index");
    return cdc_error_hint(error, "give another --offset-file, and begin with a snapshot");
}

int es_streams_open(struct es_sink *sink, const struct es_settings *settings, struct cdc_error *error)
{
    sink->streams.pattern = settings->data_stream;
    sink->streams.unsure = true; /* by a run before this one */
    if (check_kind(sink, error) != 0)
        return -1;
    if (settings->data_stream == NULL)
        return 0;
    return es_index_check_pattern("--data-stream", settings->data_stream, error) == 0
               ? http_client_open_beside(&sink->streams.client, sink->client, error)
               : -1;
}

void es_streams_close(struct es_sink *sink)
{
    for (size_t i = 0; i < sink->streams.n; i++)
        free_table(sink->streams.items[i]);
    free(sink->streams.items);
    if (sink->streams.client.shared != NULL)
        http_client_close(&sink->streams.client);
}
