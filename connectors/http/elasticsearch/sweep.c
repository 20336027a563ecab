/* SPDX-License-Identifier: MIT */
/* Documents that go, page by page: all of an index (TRUNCATE), or those that the read of a table has not written (reread.c).
 * Ids and versions are read, and deletes sent with a version of ours. Not _delete_by_query: it leaves tombstones one
 * version above the documents', so that rows inserted later in the same transaction, or delivered again, would be taken
 * for older ones and dropped. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/http/elasticsearch/answer.h"
#include "connectors/http/elasticsearch/internal.h"

#define PAGE                                                                                                           \
    "{\"size\":2000,\"_source\":false,\"version\":true,\"seq_no_primary_term\":true,\"query\":{\"match_all\":{}},"     \
    "\"sort\":[\"_doc\"]}"
#define PAGE_OF_PART ",\"version\":true,\"seq_no_primary_term\":true,\"query\":{\"match_all\":{}},\"sort\":[\"_doc\"]}"
#define FILTER                                                                                                         \
    "filter_path=_scroll_id,timed_out,_shards.failed,hits.hits._id,hits.hits._routing,hits.hits._version,hits.hits._"  \
    "seq_no,hits.hits._primary_term,hits.hits._source"
#define GRACE_MS 5000 /* that a sweep goes on after a signal, as the loop does for a transaction */

/* What a step came to. */
enum step { FAILED = -1, FINISHED, GO_ON, BEGIN_AGAIN };

/* ES_NO_INDEX cannot come: a delete in a missing index is ES_DONE. */
static enum step take_result(const char *index, const struct es_result *result, struct cdc_error *error)
{
    if (result->verdict == ES_DONE)
        return GO_ON;
    if (result->verdict == ES_AGAIN)
        return BEGIN_AGAIN;
    cdc_error_set(error,
                  result->verdict == ES_FORBIDDEN  ? CDC_EXIT_PERMISSION
                  : result->verdict == ES_UNUSABLE ? CDC_EXIT_CONFIG
                                                   : CDC_EXIT_PROTOCOL,
                  "index \"%s\": cannot delete: %s", index, result->reason);
    return FAILED;
}

/* What became of the n deletes of sink->body: each has its item in the answer. */
static enum step take_results(struct es_sink *sink, const char *index, size_t n, struct cdc_error *error)
{
    struct es_answer results;
    struct es_result result;
    struct cdc_span body = {sink->client->response.data, sink->client->response.len};
    enum step step = GO_ON;
    int got = 0;

    if (es_answer_bulk(&results, body, error) == ES_BULK_BAD)
        step = FAILED;
    while (step == GO_ON && (got = es_answer_next_result(&results, true, &result, error)) == 1) {
        step = take_result(index, &result, error);
        n--;
    }
    es_answer_close(&results);
    if (got < 0 || step != GO_ON)
        return got < 0 ? FAILED : step;
    if (n != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _bulk has another number of items"), FAILED;
    return GO_ON;
}

/* Sends the n deletes, one a line. *too_large: the peer takes no request of that size. */
static enum step post_once(struct es_sink *sink, struct es_sweep *sweep, struct cdc_span deletes, size_t n,
                           bool *too_large, struct cdc_error *error)
{
    struct http_request request = {.method = "POST",
                                   .path = ES_BULK_ITEMS_PATH,
                                   .content_type = "application/x-ndjson",
                                   .body = deletes,
                                   .lasts = es_too_large};
    long status = 0;
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);

    *too_large = outcome != HTTP_GAVE_UP && outcome != HTTP_NOT_NOW && es_is_too_large(status);
    if (*too_large && n > 1)
        return es_request_smaller(sink, deletes.n), GO_ON;
    if (http_client_check(sink->client, outcome, status, error) != 0)
        return FAILED;
    enum step step = take_results(sink, sweep->index, n, error);
    sweep->gone += step == GO_ON ? n : 0;
    return step;
}

/* The first lines, up to the limit, but one at least; *n is how many. */
static struct cdc_span lines_up_to(struct cdc_span lines, size_t limit, size_t *n)
{
    const char *p = lines.p, *end = lines.p + lines.n;

    for (*n = 0; p < end; ++*n) {
        const char *next = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
        if (*n > 0 && (size_t)(next - lines.p) > limit)
            break;
        p = next;
    }
    return cdc_span(lines.p, (size_t)(p - lines.p));
}

/* Deletes the documents of sink->body. */
static enum step post_deletes(struct es_sink *sink, struct es_sweep *sweep, struct cdc_error *error)
{
    struct cdc_span rest = {sink->body.data, sink->body.len};
    enum step step = GO_ON;
    size_t limit = rest.n, n;

    if (sink->body.failed)
        return cdc_error_memory(error), FAILED;
    while (step == GO_ON && rest.n > 0) {
        bool too_large;
        struct cdc_span now = lines_up_to(rest, limit, &n);
        step = post_once(sink, sweep, now, n, &too_large, error);
        if (too_large)
            limit = sink->limit.now;
        else
            rest = cdc_span(rest.p + now.n, rest.n - now.n);
    }
    return step;
}

bool es_mark_is_before(struct es_mark write, struct es_mark mark)
{
    return write.term <= mark.term && write.number <= mark.number;
}

/* The version that the delete of a document gets; -1: it stays. */
static int64_t version_to_go(const struct es_sweep *sweep, const struct es_hit *hit)
{
    if (sweep->all)
        return sweep->seq;
    if (hit->version < sweep->seq)
        return sweep->seq - 1; /* should it be written anew meanwhile, that stays */
    return es_mark_is_before(hit->mark, sweep->mark) ? hit->version : -1;
}

/* Also of one of somebody else. */
static void append_delete(struct es_sink *sink, const struct es_sweep *sweep, const struct es_hit *hit, int64_t version)
{
    struct cdc_buf address = CDC_BUF_INIT;

    cdc_buf_span(&address, hit->id);
    es_routing_append(&address, hit->routing);
    es_document_action(&sink->body, "delete", sweep->index, cdc_span(address.data, address.len), version, NULL);
    sink->body.failed |= address.failed;
    cdc_buf_free(&address);
}

/* Is the document of the part? 1, 0, -1: it does not say. */
static int is_of_part(const struct es_sweep *sweep, const struct es_page *page, const struct es_hit *hit,
                      struct cdc_error *error)
{
    if (sweep->part == NULL)
        return 1;
    char *column = cdc_json_text(sweep->part->column, NULL);
    struct cdc_span text = column != NULL ? es_answer_hit_text(page, column) : cdc_span(NULL, 0);
    bool no_memory = column == NULL;
    free(column);
    if (no_memory)
        return cdc_error_memory(error);
    if (text.p != NULL)
        return cdc_part_has(sweep->part, text);
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "index \"%s\": document \"%.*s\" does not have \"%.*s\" in its _source, which says of which table at "
                  "the source it is",
                  sweep->index, (int)(hit->id.n < 100 ? hit->id.n : 100), hit->id.p, (int)sweep->part->column.n,
                  sweep->part->column.p);
    return cdc_error_hint(error, "keep that field in _source, and fill the index anew where it was filled without it");
}

/* Deletes those documents of a page that are to go, in requests that are no larger than others. */
static enum step delete_hits(struct es_sink *sink, struct es_page *page, struct es_sweep *sweep,
                             struct cdc_error *error)
{
    struct es_hit hit;
    enum step step = FINISHED; /* a page without hits is the last one */
    int got;

    sink->body.len = 0;
    while ((got = es_answer_next_hit(page, !sweep->all, &hit, error)) == 1) {
        int64_t version = version_to_go(sweep, &hit);
        int ours = is_of_part(sweep, page, &hit, error);
        if (ours < 0)
            return FAILED;
        step = GO_ON;
        if (version < 0 || !ours)
            continue;
        append_delete(sink, sweep, &hit, version);
        if (sink->body.len < sink->limit.now)
            continue;
        if ((step = post_deletes(sink, sweep, error)) != GO_ON)
            return step;
        sink->body.len = 0;
    }
    if (got < 0)
        return FAILED;
    return sink->body.len > 0 ? post_deletes(sink, sweep, error) : step;
}

/* The page lies in the client's response; its scroll id goes to sink->scratch. */
static enum step take_page(struct es_sink *sink, struct es_sweep *sweep, struct cdc_error *error)
{
    struct es_page page;
    struct cdc_span body = {sink->client->response.data, sink->client->response.len};
    enum step step = FAILED;

    sink->scratch.len = 0;
    if (es_answer_page(&page, body, error) == 0) {
        /* Kept also where the page is not whole: the scroll is to be ended. */
        if (page.scroll != NULL)
            cdc_json_append_string(&sink->scratch, page.scroll, strlen(page.scroll));
        step = sink->scratch.failed ? (cdc_error_memory(error), FAILED)
               : page.whole         ? delete_hits(sink, &page, sweep, error)
                                    : BEGIN_AGAIN;
    }
    es_answer_close(&page.hits);
    return step;
}

/* A page whose answer was lost is not asked for again: the scroll has moved on. All begins again instead. */
static enum step ask(struct es_sink *sink, const char *index, const char *path, struct cdc_span body,
                     struct cdc_error *error)
{
    struct http_request request = {
        .method = "POST", .path = path, .content_type = "application/json", .body = body, .once = true};
    long status = 0;
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);
    struct cdc_span answer = {sink->client->response.data, sink->client->response.len};

    if (outcome == HTTP_NOT_NOW)
        return BEGIN_AGAIN;
    /* No such index: nothing to delete; or the scroll is over its time. Only the type tells them apart. */
    if (outcome == HTTP_ANSWERED && status == 404)
        return es_answer_is_error(answer, "index_not_found_exception") ? FINISHED : BEGIN_AGAIN;
    if (outcome == HTTP_ANSWERED && status == 400 && es_answer_is_error(answer, "index_closed_exception"))
        return es_request_closed(index, error), FAILED;
    return http_client_check(sink->client, outcome, status, error) == 0 ? GO_ON : FAILED;
}

/* The body of a request about the scroll, into sink->rest. more: further members, or "". */
static struct cdc_span scroll_body(struct es_sink *sink, const char *more)
{
    sink->rest.len = 0;
    cdc_buf_printf(&sink->rest, "{%s\"scroll_id\":", more);
    cdc_buf_append_buf(&sink->rest, &sink->scratch);
    cdc_buf_byte(&sink->rest, '}');
    return cdc_span(sink->rest.data, sink->rest.len);
}

/* The body of the first request: of a part, the column that tells its documents is asked for. */
static struct cdc_span page_body(struct es_sink *sink, const struct es_sweep *sweep)
{
    if (sweep->part == NULL)
        return cdc_span(PAGE, sizeof PAGE - 1);
    sink->rest.len = 0;
    cdc_buf_lit(&sink->rest, "{\"size\":2000,\"_source\":[\"");
    cdc_buf_span(&sink->rest, sweep->part->column);
    cdc_buf_lit(&sink->rest, "\"]" PAGE_OF_PART);
    return cdc_span(sink->rest.data, sink->rest.len);
}

/* Asked to stop: it is done with within the grace time, or begins again with the line, which comes again. */
static int check_stop(const struct es_sink *sink, struct es_sweep *sweep, struct cdc_error *error)
{
    const struct cdc_control *control = sink->client->context->control;

    cdc_control_waiting(control, "documents that are to be deleted");
    if (!control->stop)
        return 0;
    if (sweep->deadline == 0)
        sweep->deadline = cdc_clock_ms() + GRACE_MS;
    return control->stop < 2 && cdc_clock_ms() < sweep->deadline
               ? 0
               : cdc_error_set(error, CDC_EXIT_TEMPORARY, "index \"%s\": some documents are still to be deleted",
                               sweep->index);
}

static enum step delete_all(struct es_sink *sink, struct es_sweep *sweep, struct cdc_retry *retry,
                            struct cdc_error *error)
{
    char path[600], shard[40] = "";
    enum step step;

    /* A search sees only what was there at the last refresh: documents that were indexed a moment ago would survive. */
    int there = es_request_on_shards(sink, sweep->index, "_refresh", error);
    if (there <= 0)
        return there == 0 ? FINISHED : FAILED;
    if (sweep->shard >= 0)
        snprintf(shard, sizeof shard, "preference=_shards:%d&", sweep->shard);
    /* A name of an index has at most 255 bytes (index.c), so the path fits. */
    snprintf(path, sizeof path, "/%s/_search?scroll=5m&%s" FILTER, sweep->index, shard);
    struct cdc_span page = page_body(sink, sweep);
    step = !sink->rest.failed ? ask(sink, sweep->index, path, page, error) : (cdc_error_memory(error), FAILED);
    while (step == GO_ON) {
        uint64_t before = sweep->gone;
        /* The scroll keeps the state of its beginning: deleting while it runs makes it skip nothing. */
        step = take_page(sink, sweep, error);
        if (step != GO_ON)
            break;
        if (sweep->gone > before)
            cdc_retry_success(retry);
        if (check_stop(sink, sweep, error) != 0)
            return FAILED;
        struct cdc_span body = scroll_body(sink, "\"scroll\":\"5m\",");
        step = !sink->rest.failed ? ask(sink, sweep->index, "/_search/scroll?" FILTER, body, error)
                                  : (cdc_error_memory(error), FAILED);
    }
    return step;
}

/* Should it fail, the scroll ends by itself. */
static void end_scroll(struct es_sink *sink)
{
    struct http_request request = {
        .method = "DELETE", .path = "/_search/scroll", .content_type = "application/json", .once = true};
    struct cdc_error ignored = {0};
    long status;

    if (sink->scratch.len == 0)
        return;
    request.body = scroll_body(sink, "");
    if (!sink->rest.failed)
        (void)es_request_send(sink, &request, &status, &ignored);
}

int es_sweep_index(struct es_sink *sink, struct es_sweep *sweep, struct cdc_error *error)
{
    struct cdc_retry retry;
    enum step step;

    cdc_retry_init(&retry, sink->client->context->settings->retry_max);
    do {
        /* Begun again from the first page: what was deleted before is not there any more. */
        sink->scratch.len = 0; /* no scroll yet */
        step = delete_all(sink, sweep, &retry, error);
        /* After a failure as well: a cluster allows 500 of them, and each holds what was deleted since. */
        end_scroll(sink);
        if (step == BEGIN_AGAIN &&
            http_client_wait(sink->client, &retry, 0, "documents cannot be deleted now", error) != 0)
            return -1;
    } while (step == BEGIN_AGAIN);
    return step == FINISHED ? 0 : -1;
}
