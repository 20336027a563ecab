/* SPDX-License-Identifier: MIT */
/* A table that is read again: a `t` line with "read":"begin", its rows, a `schema` line with "read":"end". Searchers see the old
 * documents until rows replace them: at the begin nothing goes. At the end goes what the read has not written. In a further attempt
 * at a snapshot a plain `t` line begins each table, and all goes at once.
 *
 * Rows of the read have its seq, and the lines before have a smaller one; but a document may have a newer state all the same:
 *
 *   _version = seq   of an attempt at this read that broke off. The row may be gone since, and no line of the log says so: the log
 *                    leaves out what the last attempt has seen
 *   _version > seq   of lines that came after, which were sent and not confirmed. They come again, but for those that the read has
 *                    seen
 *
 * So what counts is the index's own order of writes, _primary_term and _seq_no, which grow within a shard, also where a document is
 * written again as it is. The newest write of each shard is kept at the begin, beside the index's id (index_ids.h) and at once:
 *
 *   {"uuid":"dJ3vXo1vQ1e2Zp0xNq8k9A","pos":"...","seq":27440072,"shards":[[1,1041],[1,998],[-1,-1]]}
 *
 * A row of the read goes over any document that was written before, with the version of that one where it is newer than the row;
 * a delete at the end has that version, too. What was written after the begin is left: of this read, or of lines after it that come
 * again. The same begin that comes again is that of the first time, another one is a new attempt.
 *
 * A table that was put together from several (cdc/part.h) is read in parts, each by itself. What is kept of each is kept under
 * "INDEX/PART", a name that no index has, and under the index's own name {"column":"source_table"}, which tells of what part a
 * row is. Documents of other parts stay as they are.
 *
 * The end may come again, whole or half done, and finds nothing then that is to go. One whose begin is not known (a stage before us
 * has dropped it) is about smaller versions alone. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/http/elasticsearch/internal.h"

#define NEWEST "{\"size\":1,\"_source\":false,\"seq_no_primary_term\":true,\"sort\":[{\"_seq_no\":\"desc\"}]}"
#define FILTER "filter_path=timed_out,_shards.total,_shards.failed,hits.hits._seq_no,hits.hits._primary_term"
#define SHARDS_MAX 1024 /* that an index can have */

/* -- the begin --------------------------------------------------------------------------- */

/* The newest document of a shard; -1: of them all. 1, 0: there is no such index, -1. */
static int ask_newest(struct es_sink *sink, const char *index, int shard, struct es_newest *newest,
                      struct cdc_error *error)
{
    struct http_request request = {
        .method = "POST", .content_type = "application/json", .body = cdc_span(NEWEST, sizeof NEWEST - 1)};
    struct cdc_retry retry;
    char path[600], preference[40] = "";
    long status = 0;

    if (shard >= 0)
        snprintf(preference, sizeof preference, "preference=_shards:%d&", shard);
    snprintf(path, sizeof path, "/%s/_search?%s" FILTER, index, preference);
    request.path = path;
    cdc_retry_init(&retry, sink->client->context->settings->retry_max);
    for (;;) {
        enum http_outcome outcome = es_request_send(sink, &request, &status, error);
        if (outcome == HTTP_ANSWERED && status == 404)
            return 0;
        if (http_client_check(sink->client, outcome, status, error) != 0 ||
            es_answer_newest(newest, cdc_span(sink->client->response.data, sink->client->response.len), error) != 0)
            return -1;
        if (newest->whole)
            return 1;
        if (http_client_wait(sink->client, &retry, 0, "a shard of the index does not answer now", error) != 0)
            return -1;
    }
}

/* Appends [[1,1041],[1,998]]: the newest write of each shard. 1, 0: there is no such index, -1. */
static int append_shards(struct es_sink *sink, const char *index, struct cdc_buf *out, struct cdc_error *error)
{
    struct es_newest newest;
    /* Documents that a search does not see yet are of before as well. */
    int there = es_request_on_shards(sink, index, "_refresh", error);

    if (there == 1)
        there = ask_newest(sink, index, -1, &newest, error);
    int64_t shards = there == 1 ? newest.shards : 0;
    if (there == 1 && (shards < 1 || shards > SHARDS_MAX))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "index \"%s\" is said to have %lld shards", index,
                             (long long)shards);
    cdc_buf_byte(out, '[');
    for (int64_t i = 0; there == 1 && i < shards; i++) {
        there = ask_newest(sink, index, (int)i, &newest, error);
        cdc_buf_printf(out, "%s[%lld,%lld]", i > 0 ? "," : "", (long long)newest.mark.term,
                       (long long)newest.mark.number);
    }
    cdc_buf_byte(out, ']');
    return there;
}

/* -- what is kept of it ------------------------------------------------------------------ */

/* The id that the index has now; "" where it may not be seen. */
static const char *id_of(const struct es_sink *sink, const struct es_table *table)
{
    const char *id = es_index_ids_get(sink->index_ids, table->source.target);
    return id != NULL && !table->hidden ? id : "";
}

/* Appends the name under which the read is kept that the line belongs to, with a NUL. event NULL: of the whole index. */
static void append_name(struct cdc_buf *out, const struct es_sink *sink, const struct es_table *table,
                        const struct cdc_event *event)
{
    const char *index = table->source.target, *text = es_index_ids_read(sink->index_ids, index);
    struct cdc_span raw = {NULL, 0};
    char *column = NULL;

    if (event != NULL && event->part.p != NULL)
        raw = cdc_json_member_raw(event->part, "value");
    else if (event != NULL && cdc_event_has_row(event) && text != NULL &&
             (column = cdc_json_member_text(cdc_span_text(text), "column")) != NULL)
        raw = cdc_json_string_raw(cdc_part_of_row(event, column));
    cdc_buf_text(out, index);
    if (raw.p != NULL) {
        cdc_buf_byte(out, '/');
        cdc_json_unescape(out, raw);
    }
    cdc_buf_byte(out, '\0');
    free(column);
}

/* The read of that seq whose begin is kept. p NULL: there is none, or it is of another index of that name. While the log goes on
 * with the table ("live") the lines of the read have growing ones. */
static struct cdc_span read_of(const struct es_sink *sink, const struct es_table *table, const struct cdc_event *event)
{
    struct cdc_buf name = CDC_BUF_INIT;
    append_name(&name, sink, table, event);
    const char *text = !name.failed ? es_index_ids_read(sink->index_ids, name.data) : NULL;
    cdc_buf_free(&name);
    int64_t wanted = event->seq;
    struct cdc_span object = cdc_span_text(text != NULL ? text : "{}"), uuid = cdc_json_member_raw(object, "uuid"),
                    shards = cdc_json_member(object, "shards");
    int64_t seq;
    bool live = cdc_json_member(object, "live").p != NULL;
    bool same = uuid.p != NULL && cdc_json_raw_is(uuid, cdc_span_text(id_of(sink, table))) && shards.p != NULL &&
                cdc_json_type(shards) == CDC_JSON_ARRAY && cdc_json_member_raw(object, "pos").p != NULL &&
                cdc_json_int64(cdc_json_member(object, "seq"), &seq) && (live ? seq <= wanted : seq == wanted);

    return same ? object : cdc_span(NULL, 0);
}

/* The marks of the read that the line is in; p NULL: its begin is not known. */
static struct cdc_span shards_of(const struct es_sink *sink, const struct es_table *table,
                                 const struct cdc_event *event)
{
    struct cdc_span read = read_of(sink, table, event);

    if (read.p == NULL || cdc_span_compare(cdc_json_member_raw(read, "pos"), event->pos) >= 0)
        return cdc_span(NULL, 0);
    return cdc_json_member(read, "shards");
}

/* [1,1041] */
static struct es_mark mark_of(struct cdc_span pair)
{
    struct es_mark mark = {-1, -1};
    struct cdc_json_iter numbers;
    struct cdc_span term, number;

    if (cdc_json_type(pair) != CDC_JSON_ARRAY)
        return mark;
    cdc_json_iter_begin(&numbers, pair);
    if (cdc_json_next_element(&numbers, &term) && cdc_json_next_element(&numbers, &number) &&
        (!cdc_json_int64(term, &mark.term) || !cdc_json_int64(number, &mark.number)))
        mark = (struct es_mark){-1, -1};
    return mark;
}

static struct es_mark mark_of_shard(struct cdc_span shards, int shard)
{
    struct cdc_json_iter marks;
    struct cdc_span pair;
    int i = 0;

    for (cdc_json_iter_begin(&marks, shards); cdc_json_next_element(&marks, &pair); i++)
        if (i == shard)
            return mark_of(pair);
    return (struct es_mark){-1, -1};
}

/* Of the index: that it has parts. Once one of them was read while the log went on, that is so of the index. */
static int note_column(struct es_sink *sink, const struct es_table *table, const struct cdc_event *event,
                       struct cdc_error *error)
{
    const char *index = table->source.target, *id = id_of(sink, table);
    bool live = cdc_span_is(event->read, "live") || es_reread_goes_on(sink, table);
    struct cdc_buf text = CDC_BUF_INIT;

    cdc_buf_lit(&text, "{\"uuid\":");
    cdc_json_append_text(&text, id, strlen(id));
    cdc_buf_lit(&text, ",\"column\":");
    cdc_buf_span(&text, cdc_json_member(event->part, "column"));
    cdc_buf_text(&text, live ? ",\"live\":true}" : "}");
    cdc_buf_byte(&text, '\0');
    const char *known = es_index_ids_read(sink->index_ids, index);
    int result = text.failed ? cdc_error_memory(error) : 0;
    if (result == 0 && (known == NULL || strcmp(known, text.data) != 0))
        result = es_index_ids_note_read(sink->index_ids, index, text.data, error);
    cdc_buf_free(&text);
    return result;
}

int es_reread_note_reading(struct es_sink *sink, const struct es_table *table, const struct cdc_event *event,
                           bool reading, struct cdc_error *error)
{
    struct cdc_buf name = CDC_BUF_INIT;

    append_name(&name, sink, table, event);
    int result =
        name.failed ? cdc_error_memory(error) : es_index_ids_note_reading(sink->index_ids, name.data, reading, error);
    cdc_buf_free(&name);
    return result;
}

static int note_read(struct es_sink *sink, const struct es_table *table, const struct cdc_event *event,
                     const char *read, struct cdc_error *error)
{
    struct cdc_buf name = CDC_BUF_INIT;

    append_name(&name, sink, table, event);
    int result =
        name.failed ? cdc_error_memory(error) : es_index_ids_note_read(sink->index_ids, name.data, read, error);
    cdc_buf_free(&name);
    return result == 0 && event->part.p != NULL ? note_column(sink, table, event, error) : result;
}

static int note_begin(struct es_sink *sink, const struct es_table *table, const struct cdc_event *event,
                      struct cdc_error *error)
{
    const char *index = table->source.target, *id = id_of(sink, table);
    struct cdc_buf text = CDC_BUF_INIT;

    cdc_buf_lit(&text, "{\"uuid\":");
    cdc_json_append_text(&text, id, strlen(id));
    cdc_buf_lit(&text, ",\"pos\":\"");
    cdc_buf_span(&text, event->pos);
    cdc_buf_lit(&text, "\",\"seq\":");
    cdc_buf_i64(&text, event->seq);
    cdc_buf_text(&text, cdc_span_is(event->read, "live") ? ",\"live\":true,\"shards\":" : ",\"shards\":");
    int result = append_shards(sink, index, &text, error);
    cdc_buf_byte(&text, '}');
    cdc_buf_byte(&text, '\0');
    if (result >= 0 && text.failed)
        result = cdc_error_memory(error);
    if (result == 1)
        result = note_read(sink, table, event, text.data, error);
    cdc_buf_free(&text);
    return result < 0 ? -1 : es_index_ids_sync(sink->index_ids, error);
}

/* -- the end ----------------------------------------------------------------------------- */

static int sweep(struct es_sink *sink, struct es_sweep *sweep, struct cdc_span shards, struct cdc_error *error)
{
    struct cdc_json_iter marks;
    struct cdc_span pair;

    if (shards.p == NULL)
        return es_sweep_index(sink, sweep, error);
    for (cdc_json_iter_begin(&marks, shards); cdc_json_next_element(&marks, &pair);) {
        sweep->shard++;
        sweep->mark = mark_of(pair);
        if (es_sweep_index(sink, sweep, error) != 0)
            return -1;
    }
    return 0;
}

int es_reread_end(struct es_sink *sink, struct es_table *table, const struct cdc_event *event, struct cdc_error *error)
{
    struct es_sweep old = {.index = table->source.target, .seq = event->seq, .mark = {-1, -1}, .shard = -1};
    struct cdc_part part;

    int of_part = cdc_part_read(&part, event, error);
    if (of_part < 0)
        return -1;
    old.part = of_part == 1 ? &part : NULL;
    if (table->no_index) /* there was none at the begin, and no row since */
        return 0;
    /* Where the log went on meanwhile, the first rows of the read are older than its end. */
    (void)cdc_json_int64(cdc_json_member(event->line, "since"), &old.seq);
    if (es_owner_verify_table(sink, table, error) != 0 || sweep(sink, &old, shards_of(sink, table, event), error) != 0)
        return -1;
    cdc_log_write(sink->client->context->log, CDC_LOG_INFO,
                  "index \"%s\": its table was read again; %llu documents that it no longer has were deleted",
                  old.index, (unsigned long long)old.gone);
    return 0;
}

int es_reread_begin(struct es_sink *sink, struct es_table *table, const struct cdc_event *event,
                    struct cdc_error *error)
{
    struct es_sweep old = {.index = table->source.target, .seq = event->seq, .mark = {-1, -1}, .shard = -1};

    struct cdc_part part;
    int of_part = cdc_part_read(&part, event, error);

    if (of_part < 0)
        return -1;
    if (of_part == 1 && part.value.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "\"part\" of a table that is read again names more than one");
    old.part = of_part == 1 ? &part : NULL;
    /* Whatever the key was: documents with other ids than those of the read go, now or at its end. Not those of other parts. */
    if (old.part == NULL)
        es_identity_forget(table);
    if (table->no_index)
        return 0;
    if (es_owner_verify_table(sink, table, error) != 0)
        return -1;
    struct cdc_span read = read_of(sink, table, event);
    bool again = read.p != NULL && cdc_span_equal(cdc_json_member_raw(read, "pos"), event->pos);
    if (!again && note_begin(sink, table, event, error) != 0)
        return -1;
    if (cdc_span_is(event->read, "begin") || cdc_span_is(event->read, "live"))
        return 0;
    read = read_of(sink, table, event);
    return sweep(sink, &old, read.p != NULL ? cdc_json_member(read, "shards") : read, error);
}

/* -- rows that meet a newer document ------------------------------------------------------ */

#define LOOK_MAX 1000 /* documents that are looked at in one request */

static int parse(const struct es_sink *sink, size_t index, struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_span line = http_batch_line(&sink->batch.lines, index);
    return cdc_event_parse(event, line.p, line.n, error); /* it was parsed before */
}

bool es_reread_has_row(const struct es_sink *sink, size_t index)
{
    const struct es_table *table = (const struct es_table *)sink->batch.items[index].table;
    struct cdc_event event;
    struct cdc_error ignored = {0};

    return es_index_ids_read(sink->index_ids, table->source.target) != NULL &&
           parse(sink, index, &event, &ignored) == 0 && event.op == CDC_OP_READ &&
           shards_of(sink, table, &event).p != NULL;
}

bool es_reread_goes_on(const struct es_sink *sink, const struct es_table *table)
{
    const char *text = es_index_ids_read(sink->index_ids, table->source.target);
    struct cdc_span read = cdc_span_text(text != NULL ? text : "{}"), uuid = cdc_json_member_raw(read, "uuid");

    return cdc_json_member(read, "live").p != NULL && uuid.p != NULL &&
           cdc_json_raw_is(uuid, cdc_span_text(id_of(sink, table)));
}

/* Asks for the documents of at most LOOK_MAX items that are behind, from `from` on. *to is the first that is not among them. Returns
 * how many. */
static size_t build_look(struct es_sink *sink, size_t from, size_t *to)
{
    const struct es_batch *batch = &sink->batch;
    size_t i = from, n = 0;

    sink->body.len = 0;
    cdc_buf_lit(&sink->body, "{\"docs\":[");
    for (; i < batch->lines.n && n < LOOK_MAX && (n == 0 || sink->body.len < sink->limit.now); i++) {
        if (!batch->items[i].behind)
            continue;
        struct cdc_span id = es_batch_id(batch, &batch->items[i]);
        cdc_buf_text(&sink->body, n++ == 0 ? "{\"_index\":\"" : ",{\"_index\":\"");
        cdc_buf_text(&sink->body, batch->items[i].table->target);
        cdc_buf_lit(&sink->body, "\",\"_source\":false,");
        es_routing_append_members(&sink->body, id);
        cdc_buf_byte(&sink->body, '}');
    }
    cdc_buf_lit(&sink->body, "]}");
    *to = i;
    return n;
}

/* 0, 1 to try again, -1. */
static int decide(struct es_sink *sink, size_t index, const struct es_document *document, struct cdc_error *error)
{
    struct es_item *item = &sink->batch.items[index];
    struct cdc_event event;
    int64_t version = document->version;

    if (document->state == ES_UNREADABLE)
        return 1;
    if (document->state == ES_NOT_ALLOWED) {
        cdc_error_set(error, CDC_EXIT_PERMISSION, "index \"%s\": not allowed to read: %s", item->table->target,
                      document->reason);
        return cdc_error_hint(error, "a row of a table that is read again has met a newer document, which must be "
                                     "looked at: give the user the privilege to read the index");
    }
    if (document->state == ES_CLOSED)
        return es_request_closed(item->table->target, error);
    if (parse(sink, index, &event, error) != 0)
        return -1;
    if (document->state == ES_ABSENT) { /* it was deleted, and the index remembers the version for a while */
        version = item->newer;
    } else if (item->shard >= 0) {
        struct es_mark mark = mark_of_shard(shards_of(sink, (struct es_table *)item->table, &event), item->shard);
        if (!es_mark_is_before(document->mark, mark))
            return item->behind = false, 0;
    }
    if (version <= 0 || (item->shard < 0 && document->state != ES_ABSENT))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "index \"%s\" refuses a row for a newer document, and does not say of which shard and "
                             "version that is",
                             item->table->target);
    item->version = version > event.seq ? version : event.seq;
    item->behind = false;
    return 0;
}

/* The answer for items `from` on. 0, 1 to try again, -1. */
static int take_look(struct es_sink *sink, size_t from, size_t n, struct cdc_error *error)
{
    struct cdc_json_iter documents;
    struct es_document document;
    int got = 1;

    if (es_answer_mget(&documents, cdc_span(sink->client->response.data, sink->client->response.len), error) != 0)
        return -1;
    for (size_t i = from; n > 0; i++) {
        if (!sink->batch.items[i].behind)
            continue;
        if ((got = es_answer_next_document(&documents, es_routing_id(es_batch_id(&sink->batch, &sink->batch.items[i])),
                                           &document, error)) != 1)
            break;
        int result = decide(sink, i, &document, error);
        if (result != 0)
            return result;
        n--;
    }
    if (got == 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mget has another number of documents");
    return got == 1 ? 0 : -1;
}

/* The documents of items from `from` on. */
static int look_at_some(struct es_sink *sink, size_t from, size_t *to, struct cdc_error *error)
{
    struct cdc_retry retry;
    int result;

    cdc_retry_init(&retry, sink->client->context->settings->retry_max);
    do {
        long status = 0;
        size_t n = build_look(sink, from, to);
        struct http_request request = {
            .method = "POST",
            .path = "/_mget",
            .content_type = "application/json",
            .body = cdc_span(sink->body.data, sink->body.len),
        };
        if (sink->body.failed)
            return cdc_error_memory(error);
        if (n == 0)
            return 0;
        enum http_outcome outcome = es_request_send(sink, &request, &status, error);
        if (outcome != HTTP_GAVE_UP && status == 413 && n > 1) {
            es_request_smaller(sink, request.body.n);
            result = 1;
            continue;
        }
        if (http_client_check(sink->client, outcome, status, error) != 0)
            return -1;
        result = take_look(sink, from, n, error);
        if (result == 1 && http_client_wait(sink->client, &retry, 0, "a document cannot be read now", error) != 0)
            return -1;
    } while (result == 1);
    return result;
}

int es_reread_look(struct es_sink *sink, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->batch.lines.n; i++)
        sink->batch.items[i].version = 0;
    for (size_t from = 0, to; from < sink->batch.lines.n; from = to)
        if (look_at_some(sink, from, &to, error) != 0)
            return -1;
    return 0;
}
