/* SPDX-License-Identifier: MIT */
/* Answers of an index server. In the meaning of a status lies whether a row is lost: a wrong ES_DONE confirms a line
 * that the index does not have, a wrong ES_AGAIN stops the pipeline for ever, a wrong ES_REFUSED throws a good line
 * away. */
#include "connectors/http/elasticsearch/answer.h"

static int senseless(const char *what, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to %s", what);
}

/* The answer as an object, without white space around it. */
static int open_answer(struct cdc_span *body, const char *to, struct cdc_error *error)
{
    struct cdc_error why = {0};

    if (cdc_json_validate(body->p, body->n, &why) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to %s is no JSON: %s", to, why.text);
    while (body->n > 0 && (unsigned char)*body->p <= ' ')
        *body = cdc_span(body->p + 1, body->n - 1);
    while (body->n > 0 && (unsigned char)body->p[body->n - 1] <= ' ')
        body->n--;
    if (cdc_json_type(*body) != CDC_JSON_OBJECT)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to %s is no JSON object", to);
    return 0;
}

/* The member of that name when it has that type; p NULL: it has another, or is absent. */
static struct cdc_span typed_member(struct cdc_span object, const char *name, enum cdc_json_type type)
{
    struct cdc_span value = cdc_json_member(object, name);
    return cdc_json_type(value) == type ? value : cdc_span(NULL, 0);
}

/* An error's type and reason, where it says so. */
static void read_error(struct cdc_span why, struct cdc_span *type, struct cdc_span *reason)
{
    *type = cdc_json_member_raw(why, "type");
    *reason = cdc_json_member_raw(why, "reason");
}

/* -- _bulk ------------------------------------------------------------------------- */

int es_answer_bulk(struct cdc_json_iter *items, struct cdc_span body, struct cdc_error *error)
{
    if (open_answer(&body, "_bulk", error) != 0)
        return -1;
    struct cdc_span list = typed_member(body, "items", CDC_JSON_ARRAY);
    if (list.p == NULL)
        return senseless("_bulk has no \"items\"", error);
    cdc_json_iter_begin(items, list);
    return 0;
}

static enum es_verdict judge(const struct es_result *result, bool was_delete)
{
    int64_t status = result->status;

    if (status >= 200 && status < 300)
        return ES_DONE;
    if (status == 409) /* version conflict: the index has a newer state already */
        return ES_DONE;
    if (status == 404 && was_delete) /* not there, as it should be */
        return ES_DONE;
    /* 429: the index's queue is full. */
    if (status == 429 || status >= 500)
        return ES_AGAIN;
    if (status == 403) /* a block (disk full) goes away, a missing privilege does not */
        return cdc_span_is(result->type, "cluster_block_exception") ? ES_AGAIN : ES_FORBIDDEN;
    /* 404 for an index action can only be the index. */
    return status == 404 ? ES_NO_INDEX : ES_REFUSED;
}

int es_answer_next_result(struct cdc_json_iter *items, bool was_delete, struct es_result *result,
                          struct cdc_error *error)
{
    struct cdc_json_iter members;
    struct cdc_span item, name, action = {NULL, 0};

    if (!cdc_json_next_element(items, &item))
        return 0;
    *result = (struct es_result){.verdict = ES_REFUSED};
    cdc_json_iter_begin(&members, item); /* {"index":{"status":200}}: the action's name is its own */
    if (!cdc_json_next_member(&members, &name, &action) ||
        !cdc_json_int64(cdc_json_member(action, "status"), &result->status))
        return senseless("_bulk has an item without a status", error);
    read_error(cdc_json_member(action, "error"), &result->type, &result->reason);
    result->verdict = judge(result, was_delete);
    return 1;
}

/* -- _mget ------------------------------------------------------------------------- */

int es_answer_mget(struct cdc_json_iter *documents, struct cdc_span body, struct cdc_error *error)
{
    if (open_answer(&body, "_mget", error) != 0)
        return -1;
    struct cdc_span list = typed_member(body, "docs", CDC_JSON_ARRAY);
    if (list.p == NULL)
        return senseless("_mget has no \"docs\"", error);
    cdc_json_iter_begin(documents, list);
    return 0;
}

static enum es_document_state state_of_error(struct cdc_span type)
{
    if (cdc_span_is(type, "index_not_found_exception"))
        return ES_ABSENT;
    /* A shard that is moving, a circuit breaker ...: in time it can be read. */
    return cdc_span_is(type, "security_exception") ? ES_NOT_ALLOWED : ES_UNREADABLE;
}

int es_answer_next_document(struct cdc_json_iter *documents, struct es_document *document, struct cdc_error *error)
{
    struct cdc_span element;

    if (!cdc_json_next_element(documents, &element))
        return 0;
    *document = (struct es_document){.state = ES_ABSENT};
    struct cdc_span why = cdc_json_member(element, "error");
    if (cdc_json_type(why) == CDC_JSON_OBJECT) {
        read_error(why, &document->type, &document->reason);
        document->state = state_of_error(document->type);
        return 1;
    }
    struct cdc_span found = typed_member(element, "found", CDC_JSON_BOOL);
    if (found.p == NULL)
        return senseless("_mget has a document without \"found\"", error);
    if (cdc_span_is(found, "false"))
        return 1;
    document->source = typed_member(element, "_source", CDC_JSON_OBJECT);
    bool versioned = cdc_json_int64(cdc_json_member(element, "_version"), &document->version);
    document->state = document->source.p != NULL && versioned ? ES_FOUND : ES_HIDDEN;
    return 1;
}

/* -- _search ----------------------------------------------------------------------- */

int es_answer_page(struct es_page *page, struct cdc_span body, struct cdc_error *error)
{
    int64_t failed = 0;

    if (open_answer(&body, "_search", error) != 0)
        return -1;
    struct cdc_span shards = cdc_json_member(body, "_shards"), hits = cdc_json_member(body, "hits");
    if (shards.p != NULL && !cdc_json_int64(typed_member(shards, "failed", CDC_JSON_NUMBER), &failed))
        return senseless("_search does not say how many shards failed", error);
    page->whole = failed == 0 && !cdc_span_is(cdc_json_member(body, "timed_out"), "true");
    page->scroll = typed_member(body, "_scroll_id", CDC_JSON_STRING);
    if (page->whole && page->scroll.p == NULL)
        return senseless("_search has no \"_scroll_id\"", error);
    /* filter_path omits what would be empty. */
    struct cdc_span list = cdc_json_member(hits, "hits");
    if ((hits.p != NULL && cdc_json_type(hits) != CDC_JSON_OBJECT) ||
        (list.p != NULL && cdc_json_type(list) != CDC_JSON_ARRAY))
        return senseless("_search has \"hits\" of another type", error);
    cdc_json_iter_begin(&page->hits, list);
    return 0;
}

int es_answer_next_id(struct es_page *page, struct cdc_span *id, struct cdc_error *error)
{
    struct cdc_span hit;

    if (!cdc_json_next_element(&page->hits, &hit))
        return 0;
    *id = cdc_json_member_raw(hit, "_id");
    return id->p != NULL ? 1 : senseless("_search has a hit without \"_id\"", error);
}

bool es_answer_is_no_index(struct cdc_span body)
{
    /* The answer to a request for a missing index has status 404, and so has one for a scroll that is over; only the
     * type tells them apart. */
    return body.n > 0 && memmem(body.p, body.n, "index_not_found_exception", 25) != NULL;
}
