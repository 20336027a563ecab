/* SPDX-License-Identifier: MIT */
/* What an index server answers, with every type checked before it is walked: a peer, or a proxy before it, may send
 * anything. All errors are PROTOCOL.
 *
 * Read with the walkers of cdc/json.h and not into a tree: an answer to _bulk has ten thousand items of which two numbers
 * and two texts count, and the documents in an answer to _mget must keep their bytes, since a tree would turn 1.10 into
 * 1.1 and 12345678901234567890 into a double. Spans point into the answer. */
#ifndef ES_ANSWER_H
#define ES_ANSWER_H

#include <cdc/json.h>

/* -- _bulk: HTTP 200 says nothing, each item has a status -- */
enum es_verdict {
    ES_DONE,     /* the index has it, or something newer */
    ES_AGAIN,    /* not now */
    ES_REFUSED,  /* never: the document is at fault */
    ES_NO_INDEX, /* it does not exist and is not created */
    ES_FORBIDDEN
};
struct es_result {
    enum es_verdict verdict;
    int64_t status;
    struct cdc_span type, reason; /* of the error, between the quotes; p NULL when absent */
};
int es_answer_bulk(struct cdc_json_iter *items, struct cdc_span body, struct cdc_error *error);
/* 1: *result is that of the next action, 0: no more, -1. was_delete: what the action was. */
int es_answer_next_result(struct cdc_json_iter *items, bool was_delete, struct es_result *result,
                          struct cdc_error *error);

/* -- _mget -- */
enum es_document_state {
    ES_FOUND,
    ES_ABSENT,     /* no such document, or no such index */
    ES_HIDDEN,     /* the index keeps no source, or no version of ours */
    ES_UNREADABLE, /* not now */
    ES_NOT_ALLOWED /* to read it */
};
struct es_document {
    enum es_document_state state;
    struct cdc_span source; /* of ES_FOUND: an object */
    int64_t version;
    struct cdc_span type, reason; /* of an error */
};
int es_answer_mget(struct cdc_json_iter *documents, struct cdc_span body, struct cdc_error *error);
int es_answer_next_document(struct cdc_json_iter *documents, struct es_document *document, struct cdc_error *error);

/* -- _search with a scroll -- */
struct es_page {
    bool whole;             /* no shard failed, and the time sufficed */
    struct cdc_span scroll; /* its id, a JSON string with its quotes */
    struct cdc_json_iter hits;
};
int es_answer_page(struct es_page *page, struct cdc_span body, struct cdc_error *error);
/* 1: *id is between the quotes, 0: no more, -1. */
int es_answer_next_id(struct es_page *page, struct cdc_span *id, struct cdc_error *error);
/* Is that the error of an index that does not exist? Any body will do. */
bool es_answer_is_no_index(struct cdc_span body);

#endif
