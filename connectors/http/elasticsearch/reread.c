/* SPDX-License-Identifier: MIT */
/* A table that is read again: a `t` line with "read":"begin", its rows, a `schema` line with "read":"end". Searchers see the old
 * documents until rows replace them: at the begin nothing goes. At the end goes what the read has not written:
 *
 *   _version < seq     of before: all rows of the read have its seq, those of before a smaller one
 *   _version = seq     of an attempt at this read that broke off: all attempts have one seq. The row was deleted since, and no
 *                      line of the log says so, as the later attempt has seen it
 *
 * Documents of two attempts are told apart by the index's own order of writes, _primary_term and _seq_no, which grow within a
 * shard, also where a document is written again as it is. So at the begin the newest write of each shard is kept, beside the
 * index's id (index_ids.h), since the end may come in another run:
 *
 *   {"uuid":"dJ3vXo1vQ1e2Zp0xNq8k9A","pos":"...","seq":27440072,"shards":[[1,1041],[1,998],[-1,-1]]}
 *
 * The end may come again, whole or half done, and finds nothing then that is to go. One whose begin is not known (a stage before us
 * has dropped it) is about smaller versions alone. */
#include <stdio.h>

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

/* The id that the index has now; "" where it may not be seen. */
static const char *id_of(const struct es_sink *sink, const struct es_table *table)
{
    const char *id = es_index_ids_get(sink->index_ids, table->source.target);
    return id != NULL && !table->hidden ? id : "";
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
    cdc_buf_lit(&text, ",\"shards\":");
    int result = append_shards(sink, index, &text, error);
    cdc_buf_byte(&text, '}');
    cdc_buf_byte(&text, '\0');
    if (result >= 0 && text.failed)
        result = cdc_error_memory(error);
    if (result == 1)
        result = es_index_ids_note_read(sink->index_ids, index, text.data, error);
    cdc_buf_free(&text);
    return result < 0 ? -1 : 0;
}

int es_reread_begin(struct es_sink *sink, struct es_table *table, const struct cdc_event *event,
                    struct cdc_error *error)
{
    /* Whatever the key was: documents with other ids than those of the read go at its end. */
    es_identity_forget(table);
    if (table->no_index)
        return 0;
    return es_owner_verify_table(sink, table, error) == 0 ? note_begin(sink, table, event, error) : -1;
}

/* -- the end ----------------------------------------------------------------------------- */

/* The marks of the read's begin; p NULL: it is not known, or of another read, or of another index of that name. */
static struct cdc_span shards_of(const struct es_sink *sink, const struct es_table *table,
                                 const struct cdc_event *event)
{
    const char *read = es_index_ids_read(sink->index_ids, table->source.target);
    struct cdc_span object = cdc_span_text(read != NULL ? read : "{}"), pos = cdc_json_member_raw(object, "pos"),
                    uuid = cdc_json_member_raw(object, "uuid"), shards = cdc_json_member(object, "shards");
    int64_t seq;

    if (pos.p == NULL || uuid.p == NULL || shards.p == NULL || cdc_json_type(shards) != CDC_JSON_ARRAY ||
        !cdc_json_int64(cdc_json_member(object, "seq"), &seq))
        return cdc_span(NULL, 0);
    bool same = seq == event->seq && cdc_span_compare(pos, event->pos) < 0 &&
                cdc_json_raw_is(uuid, cdc_span_text(id_of(sink, table)));
    return same ? shards : cdc_span(NULL, 0);
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

    if (table->no_index) /* there was none at the begin, and no row since */
        return 0;
    if (es_owner_verify_table(sink, table, error) != 0 || sweep(sink, &old, shards_of(sink, table, event), error) != 0)
        return -1;
    cdc_log_write(sink->client->context->log, CDC_LOG_INFO,
                  "index \"%s\": its table was read again; %llu documents that it no longer has were deleted",
                  old.index, (unsigned long long)old.gone);
    return 0;
}
