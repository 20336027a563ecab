/* SPDX-License-Identifier: MIT */
/* TRUNCATE: the ids of all documents are read, and deleted with the event's
 * version. Not _delete_by_query: it leaves tombstones one version above the
 * documents', so that rows inserted later in the same transaction, or
 * delivered again, would be taken for older ones and dropped. */
#include "connectors/http/internal.h"

#define PAGE "{\"size\":2000,\"_source\":false,\"query\":{\"match_all\":{}},\"sort\":[\"_doc\"]}"
#define FILTER "filter_path=_scroll_id,timed_out,_shards.failed,hits.hits._id"

/* What a step of the walk came to: 1 go on, 0 finished, 2 begin again, -1 error. */
enum { ERROR = -1, FINISHED = 0, GO_ON = 1, BEGIN_AGAIN = 2 };

/* Deletes the ids of a page in the client's response. */
static int delete_page(struct http_sink *sink, const struct es_table *table, struct cdc_span hits, int64_t seq,
                       struct cdc_error *error)
{
    struct http_request request = {"POST",
                                   "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason",
                                   "application/x-ndjson",
                                   {NULL, 0},
                                   {NULL, NULL},
                                   0,
                                   false};
    struct bulk_answer answer;
    struct bulk_result result;
    struct cdc_json_iter iter;
    struct cdc_span hit;
    long status;
    int got;

    sink->body.len = 0;
    for (cdc_json_iter(&iter, hits); cdc_json_next_element(&iter, &hit);) {
        sink->rest.len = 0;
        cdc_json_unescape(&sink->rest, cdc_json_member_raw(hit, "_id"));
        es_action(&sink->body, "delete", table->index, cdc_span(sink->rest.data, sink->rest.len), seq);
    }
    if (sink->body.failed || sink->rest.failed)
        return cdc_error_memory(error);
    request.body = cdc_span(sink->body.data, sink->body.len);
    if (http_send(&sink->client, &request, &status, error) != 0)
        return ERROR;
    if (status != 200)
        return http_status_error(&sink->client, status, error);
    if (bulk_answer_open(&answer, cdc_span(sink->client.response.data, sink->client.response.len), error) != 0)
        return ERROR;
    while ((got = bulk_answer_next(&answer, &result, error)) == 1) {
        enum bulk_verdict verdict = bulk_judge(&result, true);
        if (verdict == BULK_AGAIN)
            return BEGIN_AGAIN;
        if (verdict != BULK_DONE)
            return cdc_error_set(error, verdict == BULK_FORBIDDEN ? CDC_EXIT_PERMISSION : CDC_EXIT_PROTOCOL,
                                 "index \"%s\": cannot delete: %.*s", table->index, (int)result.reason.n,
                                 result.reason.p != NULL ? result.reason.p : "");
    }
    return got < 0 ? ERROR : GO_ON;
}

/* Reads a page's answer; its ids are deleted, its scroll id goes to sink->scratch. */
static int take_page(struct http_sink *sink, const struct es_table *table, int64_t seq, struct cdc_error *error)
{
    struct cdc_span answer = {sink->client.response.data, sink->client.response.len}, hits = {NULL, 0};
    int64_t failed = 0;

    if (cdc_json_validate(answer.p, answer.n, NULL) != 0 || cdc_json_type(answer) != CDC_JSON_OBJECT)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _search is no JSON object");
    struct cdc_span shards = cdc_json_member(answer, "_shards"), scroll = cdc_json_member_raw(answer, "_scroll_id");
    if (shards.p != NULL)
        cdc_json_int64(cdc_json_member(shards, "failed"), &failed);
    if (failed > 0 || cdc_span_is(cdc_json_member(answer, "timed_out"), "true"))
        return BEGIN_AGAIN;
    if (scroll.p == NULL)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _search has no _scroll_id");
    sink->scratch.len = 0;
    cdc_buf_lit(&sink->scratch, "{\"scroll\":\"5m\",\"scroll_id\":\"");
    cdc_buf_span(&sink->scratch, scroll);
    cdc_buf_lit(&sink->scratch, "\"}");
    struct cdc_span outer = cdc_json_member(answer, "hits");
    if (outer.p != NULL && cdc_json_type(outer) == CDC_JSON_OBJECT)
        hits = cdc_json_member(outer, "hits");
    struct cdc_json_iter iter;
    struct cdc_span hit;
    if (hits.p == NULL || (cdc_json_iter(&iter, hits), !cdc_json_next_element(&iter, &hit)))
        return FINISHED;
    return delete_page(sink, table, hits, seq, error);
}

/* A page whose answer was lost is not asked for again: the scroll has moved on. The walk begins again instead. */
static int ask(struct http_sink *sink, const char *path, struct cdc_span body, struct cdc_error *error)
{
    struct http_request request = {"POST", path, "application/json", body, {NULL, NULL}, 0, true};
    long status;

    if (http_send(&sink->client, &request, &status, error) != 0)
        return ERROR;
    if (status == 0)
        return BEGIN_AGAIN;
    if (status == 404) { /* no such index: nothing to delete; or the scroll is over its time */
        struct cdc_span answer = {sink->client.response.data, sink->client.response.len};
        return answer.n > 0 && memmem(answer.p, answer.n, "index_not_found_exception", 25) != NULL ? FINISHED
                                                                                                   : BEGIN_AGAIN;
    }
    return status == 200 ? GO_ON : http_status_error(&sink->client, status, error);
}

static int walk(struct http_sink *sink, const struct es_table *table, int64_t seq, struct cdc_error *error)
{
    char path[400];
    int result;

    snprintf(path, sizeof path, "/%s/_refresh?filter_path=_shards.failed", table->index);
    if ((result = ask(sink, path, cdc_span(NULL, 0), error)) != GO_ON)
        return result;
    snprintf(path, sizeof path, "/%s/_search?scroll=5m&" FILTER, table->index);
    result = ask(sink, path, cdc_span(PAGE, sizeof PAGE - 1), error);
    while (result == GO_ON) {
        result = take_page(sink, table, seq, error);
        if (result == GO_ON)
            result = ask(sink, "/_search/scroll?" FILTER, cdc_span(sink->scratch.data, sink->scratch.len), error);
    }
    return result;
}

static void end_scroll(struct http_sink *sink)
{
    struct http_request request = {"DELETE", "/_search/scroll", "application/json", {NULL, 0}, {NULL, NULL}, 0, true};
    struct cdc_error ignored = {0};
    long status;

    if (sink->scratch.len == 0)
        return;
    /* {"scroll":"5m",...} without the time; should it fail, the scroll ends by itself */
    struct cdc_span id = cdc_json_member(cdc_span(sink->scratch.data, sink->scratch.len), "scroll_id");
    sink->rest.len = 0;
    cdc_buf_lit(&sink->rest, "{\"scroll_id\":");
    cdc_buf_span(&sink->rest, id);
    cdc_buf_byte(&sink->rest, '}');
    request.body = cdc_span(sink->rest.data, sink->rest.len);
    if (!sink->rest.failed)
        (void)http_send(&sink->client, &request, &status, &ignored);
}

int es_truncate(struct http_sink *sink, const struct es_table *table, int64_t seq, struct cdc_error *error)
{
    struct cdc_retry retry;
    int result;

    cdc_retry_init(&retry, sink->context.settings->retry_max);
    do {
        sink->scratch.len = 0;
        result = walk(sink, table, seq, error);
        if (result != ERROR)
            end_scroll(sink);
        if (result == BEGIN_AGAIN &&
            http_backoff(&sink->client, &retry, 0, "the index cannot be emptied now", error) != 0)
            return -1;
    } while (result == BEGIN_AGAIN);
    return result == FINISHED ? 0 : -1;
}
