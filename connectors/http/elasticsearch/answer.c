/* SPDX-License-Identifier: MIT */
/* Answers of an index server. In the meaning of a status lies whether a row is lost: a wrong ES_DONE confirms a line
 * that the index does not have, a wrong ES_AGAIN stops the pipeline for ever, a wrong ES_REFUSED throws a good line
 * away. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/http/elasticsearch/answer.h"

static int senseless(const char *what, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to %s", what);
}

/* RETURNS NEW; NULL with the error. JSON_ALLOW_NUL: a reason may quote a value of the document. */
static json_t *load(struct cdc_span text, const char *to, struct cdc_error *error)
{
    json_error_t why;
    json_t *tree = json_loadb(text.n > 0 ? text.p : "", text.n, JSON_ALLOW_NUL, &why);

    if (tree == NULL)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to %s is no JSON object: %s", to, why.text);
    return tree;
}

static int open_answer(struct es_answer *answer, struct cdc_span body, const char *to, struct cdc_error *error)
{
    *answer = (struct es_answer){.tree = load(body, to, error)};
    return answer->tree != NULL ? 0 : -1;
}

void es_answer_close(struct es_answer *answer)
{
    json_decref(answer->tree);
    answer->tree = NULL;
}

/* jansson's readers take any type, and NULL: the member of something that is no object is NULL. Up to a NUL, of a text
 * with one. */
static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static const json_t *next_element(struct es_answer *answer)
{
    return json_array_get(answer->list, answer->next++);
}

/* A number that is never negative; -1 and false: it is none. */
static bool number_of(const json_t *object, const char *name, int64_t *number)
{
    const json_t *value = json_object_get(object, name);

    *number = json_is_integer(value) ? json_integer_value(value) : -1;
    return *number >= 0;
}

/* -- _bulk ------------------------------------------------------------------------- */

enum es_bulk_answer es_answer_bulk(struct es_answer *items, struct cdc_span body, struct cdc_error *error)
{
    if (open_answer(items, body, "_bulk", error) != 0)
        return ES_BULK_BAD;
    const json_t *errors = json_object_get(items->tree, "errors"), *list = json_object_get(items->tree, "items");
    if (json_is_array(list)) {
        items->list = list;
        return ES_BULK_ITEMS;
    }
    if (list == NULL && json_is_boolean(errors))
        return json_is_true(errors) ? ES_BULK_SOME_NOT_TAKEN : ES_BULK_ALL_TAKEN;
    senseless("_bulk has neither \"errors\" nor \"items\"", error);
    return ES_BULK_BAD;
}

bool es_answer_all_taken(const struct es_answer *items)
{
    return json_is_false(json_object_get(items->tree, "errors"));
}

/* Status 400 is said of a document that does not fit, and of an index that takes none at all: to count those as refused lines
 * would lose them all under --on-error=skip. */
static bool is_of_the_index(const struct es_result *result)
{
    static const char *const types[] = {"index_closed_exception", "routing_missing_exception", "validation_exception",
                                        "invalid_index_name_exception"};
    static const char *const reasons[] = {"no write index is defined for alias", "pipeline with id [",
                                          "only write ops with an op_type of create are allowed in data streams"};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(result->type, types[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strncmp(result->reason, reasons[i], strlen(reasons[i])) == 0)
            return true;
    return false;
}

/* cluster_block_exception, index_create_block_exception. */
static bool is_block(const char *type)
{
    static const char end[] = "_block_exception";
    size_t n = strlen(type);

    return n >= sizeof end - 1 && strcmp(type + n - (sizeof end - 1), end) == 0;
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
    /* A processor `fail` of an ingest pipeline, and a mapping that does not fit, have status 500, and are of the document. */
    if (strcmp(result->type, "fail_processor_exception") == 0 || strcmp(result->type, "mapper_exception") == 0)
        return ES_REFUSED;
    /* 429: the index's queue is full. */
    if (status == 408 || status == 425 || status == 429 || status >= 500)
        return ES_AGAIN;
    if (status == 401 || status == 403) /* a block (disk full) goes away, a missing privilege does not */
        return is_block(result->type) ? ES_AGAIN : ES_FORBIDDEN;
    /* 404 for an index action can only be the index. */
    if (status == 404)
        return ES_NO_INDEX;
    return is_of_the_index(result) ? ES_UNUSABLE : ES_REFUSED;
}

/* A data stream may have a failure store, which takes what does not fit, and says so as a success. No search of the stream finds it. */
static void refuse_failed(struct es_result *result)
{
    result->verdict = ES_REFUSED;
    result->type = "failure_store";
    result->reason = "it does not fit, and is in the failure store of the data stream alone, which has the cause "
                     "(STREAM::failures)";
}

/* The last one: what comes before it may be of a document's id. */
static const char *last_of(const char *text, const char *mark)
{
    const char *found = NULL;

    for (const char *p = text; (p = strstr(p, mark)) != NULL; p++)
        found = p;
    return found;
}

/* [7]: version conflict, current version [12] is higher than the one provided [7]. 0 where it does not say which. */
static int64_t newer_version(const struct es_result *result)
{
    static const char begin[] = "current version [";
    const char *p = last_of(result->reason, begin);

    if (result->status != 409)
        return -1;
    return p != NULL ? strtoll(p + sizeof begin - 1, NULL, 10) : 0;
}

/* 7 of the same; -1 where it does not say. */
static int64_t refused_version(const struct es_result *result)
{
    static const char begin[] = "provided [";
    const char *p = last_of(result->reason, begin);

    return result->status == 409 && p != NULL ? strtoll(p + sizeof begin - 1, NULL, 10) : -1;
}

/* "2" */
static int shard_of(const json_t *why)
{
    const char *text = text_of(why, "shard");
    char *end;
    long number = strtol(text, &end, 10);

    return *text != '\0' && *end == '\0' && number >= 0 && number < INT_MAX ? (int)number : -1;
}

int es_answer_next_result(struct es_answer *items, bool was_delete, struct es_result *result, struct cdc_error *error)
{
    const json_t *item = next_element(items);

    if (item == NULL)
        return 0;
    /* {"index":{"status":200}}: the action's name is its own */
    const json_t *action = json_object_iter_value(json_object_iter((json_t *)item));
    const json_t *status = json_object_get(action, "status"), *why = json_object_get(action, "error");
    if (!json_is_integer(status))
        return senseless("_bulk has an item without a status", error);
    /* Neither taken nor refused: no line may go for that. */
    if (json_integer_value(status) < 200 || (json_integer_value(status) >= 300 && json_integer_value(status) < 400))
        return senseless("_bulk has an item whose status is none", error);
    if (json_is_object(why) && json_integer_value(status) < 300)
        return senseless("_bulk has an item that is taken, and has an error", error);
    const json_t *id = json_object_get(action, "_id");
    *result = (struct es_result){.status = json_integer_value(status),
                                 .type = text_of(why, "type"),
                                 .reason = text_of(why, "reason"),
                                 .id = cdc_span(json_string_value(id), json_string_length(id)),
                                 .index = json_string_value(json_object_get(action, "_index")),
                                 .dropped = strcmp(text_of(action, "result"), "noop") == 0};
    result->verdict = judge(result, was_delete);
    if (strcmp(text_of(action, "failure_store"), "used") == 0)
        refuse_failed(result);
    result->newer = newer_version(result);
    if (!number_of(action, "_version", &result->version))
        result->version = refused_version(result);
    result->shard = shard_of(why);
    return 1;
}

/* -- _mget ------------------------------------------------------------------------- */

/* Walked and not read into a tree: see answer.h. */
int es_answer_mget(struct cdc_json_iter *documents, struct cdc_span body, struct cdc_error *error)
{
    struct cdc_error why = {0};

    /* The columns of a line are two levels down, and here four. */
    if (cdc_json_validate_envelope(body.p, body.n, &why) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _mget is no JSON: %s", why.text);
    while (body.n > 0 && (unsigned char)*body.p <= ' ')
        body = cdc_span(body.p + 1, body.n - 1);
    while (body.n > 0 && (unsigned char)body.p[body.n - 1] <= ' ')
        body.n--;
    struct cdc_span list = cdc_json_member(body, "docs");
    if (cdc_json_type(list) != CDC_JSON_ARRAY)
        return senseless("_mget has no \"docs\"", error);
    cdc_json_iter_begin(documents, list);
    return 0;
}

/* The members of a document's element but for its source, as a tree. RETURNS NEW; NULL with the error. */
static json_t *load_envelope(struct cdc_span element, struct cdc_span *source, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_json_iter members;
    struct cdc_span name, value;
    json_t *tree = NULL;

    cdc_buf_byte(&text, '{');
    for (cdc_json_iter_begin(&members, element); cdc_json_next_member(&members, &name, &value);) {
        if (cdc_span_is(name, "_source")) {
            *source = value;
            continue;
        }
        cdc_buf_text(&text, text.len > 1 ? ",\"" : "\"");
        cdc_buf_span(&text, name);
        cdc_buf_lit(&text, "\":");
        cdc_buf_span(&text, value);
    }
    cdc_buf_byte(&text, '}');
    if (text.failed)
        cdc_error_memory(error);
    else
        tree = load(cdc_span(text.data, text.len), "_mget", error);
    cdc_buf_free(&text);
    return tree;
}

static enum es_document_state state_of_error(const char *type)
{
    if (strcmp(type, "index_not_found_exception") == 0)
        return ES_ABSENT;
    if (strcmp(type, "index_closed_exception") == 0)
        return ES_CLOSED;
    /* A shard that is moving, a circuit breaker ...: in time it can be read. */
    return strcmp(type, "security_exception") == 0 ? ES_NOT_ALLOWED : ES_UNREADABLE;
}

/* The state that the envelope says. 0 or -1. */
static int read_envelope(const json_t *envelope, struct es_document *document, struct cdc_error *error)
{
    const json_t *why = json_object_get(envelope, "error"), *found = json_object_get(envelope, "found"),
                 *version = json_object_get(envelope, "_version");

    if (json_is_object(why)) {
        document->state = state_of_error(text_of(why, "type"));
        snprintf(document->reason, sizeof document->reason, "%s", text_of(why, "reason"));
        return 0;
    }
    if (!json_is_boolean(found))
        return senseless("_mget has a document without \"found\"", error);
    document->version = json_integer_value(version);
    number_of(envelope, "_seq_no", &document->mark.number);
    number_of(envelope, "_primary_term", &document->mark.term);
    document->state = json_is_false(found)                                                             ? ES_ABSENT
                      : cdc_json_type(document->source) == CDC_JSON_OBJECT && json_is_integer(version) ? ES_FOUND
                                                                                                       : ES_HIDDEN;
    return 0;
}

/* Columns of another row would become those of this one. */
static bool is_of_another(const json_t *envelope, struct cdc_span id)
{
    const json_t *text = json_object_get(envelope, "_id");
    return id.p != NULL && json_is_string(text) &&
           !cdc_span_equal(cdc_span(json_string_value(text), json_string_length(text)), id);
}

int es_answer_next_document(struct cdc_json_iter *documents, struct cdc_span id, struct es_document *document,
                            struct cdc_error *error)
{
    struct cdc_span element;

    if (!cdc_json_next_element(documents, &element))
        return 0;
    *document = (struct es_document){.state = ES_ABSENT};
    json_t *envelope = load_envelope(element, &document->source, error);
    int result = envelope != NULL && read_envelope(envelope, document, error) == 0 ? 1 : -1;
    if (result == 1 && is_of_another(envelope, id))
        result = senseless("_mget has another document than was asked for", error);
    json_decref(envelope);
    return result;
}

/* -- _search ----------------------------------------------------------------------- */

int es_answer_page(struct es_page *page, struct cdc_span body, struct cdc_error *error)
{
    *page = (struct es_page){.whole = false};
    if (open_answer(&page->hits, body, "_search", error) != 0)
        return -1;
    const json_t *tree = page->hits.tree, *shards = json_object_get(tree, "_shards"),
                 *failed = json_object_get(shards, "failed"), *hits = json_object_get(tree, "hits"),
                 *list = json_object_get(hits, "hits");
    if (shards != NULL && !json_is_integer(failed))
        return senseless("_search does not say how many shards failed", error);
    page->whole = json_integer_value(failed) == 0 && !json_is_true(json_object_get(tree, "timed_out"));
    page->scroll = json_string_value(json_object_get(tree, "_scroll_id"));
    if (page->whole && page->scroll == NULL)
        return senseless("_search has no \"_scroll_id\"", error);
    /* filter_path omits what would be empty. */
    if ((hits != NULL && !json_is_object(hits)) || (list != NULL && !json_is_array(list)))
        return senseless("_search has \"hits\" of another type", error);
    page->hits.list = list;
    return 0;
}

int es_answer_next_hit(struct es_page *page, bool whole, struct es_hit *hit, struct cdc_error *error)
{
    const json_t *object = next_element(&page->hits), *text = json_object_get(object, "_id");

    if (object == NULL)
        return 0;
    if (!json_is_string(text))
        return senseless("_search has a hit without \"_id\"", error);
    const json_t *routing = json_object_get(object, "_routing");
    hit->id = cdc_span(json_string_value(text), json_string_length(text));
    hit->routing = cdc_span(json_string_value(routing), json_string_length(routing));
    bool all = number_of(object, "_version", &hit->version);
    all &= number_of(object, "_seq_no", &hit->mark.number);
    all &= number_of(object, "_primary_term", &hit->mark.term);
    return all || !whole ? 1
                         : senseless("_search has a hit without \"_version\", \"_seq_no\" or \"_primary_term\"", error);
}

struct cdc_span es_answer_hit_text(const struct es_page *page, const char *name)
{
    const json_t *object = json_array_get(page->hits.list, page->hits.next - 1),
                 *text = json_object_get(json_object_get(object, "_source"), name);
    return json_is_string(text) ? cdc_span(json_string_value(text), json_string_length(text)) : cdc_span(NULL, 0);
}

int es_answer_newest(struct es_newest *newest, struct cdc_span body, struct cdc_error *error)
{
    struct es_answer answer;

    *newest = (struct es_newest){.mark = {-1, -1}};
    if (open_answer(&answer, body, "_search", error) != 0)
        return -1;
    const json_t *shards = json_object_get(answer.tree, "_shards"),
                 *hit = json_array_get(json_object_get(json_object_get(answer.tree, "hits"), "hits"), 0);
    int64_t failed = -1;
    bool sound = number_of(shards, "total", &newest->shards) && number_of(shards, "failed", &failed);
    newest->whole = failed == 0 && !json_is_true(json_object_get(answer.tree, "timed_out"));
    if (sound && hit != NULL)
        sound = number_of(hit, "_seq_no", &newest->mark.number) && number_of(hit, "_primary_term", &newest->mark.term);
    es_answer_close(&answer);
    return sound ? 0 : senseless("_search does not say how many shards there are, or what is in them", error);
}

bool es_answer_shard_failed(struct cdc_span body)
{
    struct cdc_error ignored = {0};
    json_t *tree = load(body, "the request", &ignored);
    bool result = json_integer_value(json_object_get(json_object_get(tree, "_shards"), "failed")) > 0;

    json_decref(tree);
    return result;
}

bool es_answer_is_error(struct cdc_span body, const char *type)
{
    struct cdc_error ignored = {0};
    json_t *tree = load(body, "the request", &ignored);
    bool result = strcmp(text_of(json_object_get(tree, "error"), "type"), type) == 0;

    json_decref(tree);
    return result;
}

void es_answer_reason(struct cdc_span body, char *out, size_t size)
{
    struct cdc_error ignored = {0};
    json_t *tree = load(body, "the request", &ignored);

    snprintf(out, size, "%s", text_of(json_object_get(tree, "error"), "reason"));
    json_decref(tree);
}

bool es_answer_is_block(struct cdc_span body, char *why, size_t size)
{
    struct cdc_error ignored = {0};
    json_t *tree = load(body, "the request", &ignored);
    const json_t *error = json_object_get(tree, "error");
    bool result = is_block(text_of(error, "type"));

    snprintf(why, size, "%s", text_of(error, "reason"));
    json_decref(tree);
    return result;
}
