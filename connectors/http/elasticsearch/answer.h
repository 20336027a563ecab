/* SPDX-License-Identifier: MIT */
/* What an index server answers, with every type checked before it is used: a peer, or a proxy before it, may send
 * anything. All errors are PROTOCOL.
 *
 * An answer is read into a tree by jansson; texts are BORROWED from it until it is closed. But for one part: the documents
 * in an answer to _mget must keep their bytes, since a tree would turn 1.10 into 1.1 and 12345678901234567890 into a
 * double. Their `_source` is found with the walkers of cdc/json.h, and points into the answer. */
#ifndef ES_ANSWER_H
#define ES_ANSWER_H

#include <cdc/json.h>
#include <jansson.h>

#include "connectors/http/client/client.h"

/* The elements of an array in an answer, in turn. Opened by one of the functions below; es_answer_close is for one whose
 * opening failed as well. */
struct es_answer {
    json_t *tree;
    const json_t *list; /* NULL: none */
    size_t next;
};
void es_answer_close(struct es_answer *answer);

/* Which write of a shard a document is of: within a shard both only grow. */
struct es_mark {
    int64_t term, number; /* -1: of none */
};

/* -- _bulk: HTTP 200 says nothing, each item has a status -- */
enum es_verdict {
    ES_DONE,     /* the index has it, or something newer */
    ES_AGAIN,    /* not now */
    ES_REFUSED,  /* never: the document is at fault */
    ES_NO_INDEX, /* it does not exist and is not created */
    ES_UNUSABLE, /* never, whatever the document: the index is closed, say */
    ES_FORBIDDEN
};
struct es_result {
    enum es_verdict verdict;
    int64_t status;
    const char *type, *reason; /* of the error, "" when absent */
    int64_t newer;             /* the version that the index has, newer than ours; -1: no such conflict */
    /* Where it was written, which an ingest pipeline may have changed; p and index NULL where that was not asked for. */
    struct cdc_span id;
    const char *index;
    int64_t version; /* that the document was written with, or was not for a newer one; -1: it does not say */
    bool dropped;    /* a pipeline did not let it in: that counts as success */
    int shard;       /* of the error; -1: it does not say */
};
/* How much an answer says: the peer was asked for `errors` alone, or for items as well. */
enum es_bulk_answer { ES_BULK_BAD = -1, ES_BULK_ITEMS, ES_BULK_ALL_TAKEN, ES_BULK_SOME_NOT_TAKEN };
/* ES_BULK_ITEMS: es_answer_next_result has them. ES_BULK_BAD with the error. */
enum es_bulk_answer es_answer_bulk(struct es_answer *items, struct cdc_span body, struct cdc_error *error);
/* Does the answer itself say so? */
bool es_answer_all_taken(const struct es_answer *items);
/* 1: *result is that of the next action, 0: no more, -1. was_delete: what the action was. */
int es_answer_next_result(struct es_answer *items, bool was_delete, struct es_result *result, struct cdc_error *error);

/* -- too_large.c: a request that is too large for the server's memory, whatever else that does -- */
/* Does the reason of an error with status 429 say so? n: bytes of the request; alone: of one item, which is refused for it. */
bool es_too_large_reason(const char *reason, size_t n, bool alone);
/* Of a request that has es_too_large as `lasts`. Elasticsearch 6 and older say 503 of a circuit breaker. */
static inline bool es_is_too_large(long status)
{
    return status == 413 || status == 429 || (status >= 500 && status != 501 && status != 505);
}
/* As `lasts` of a request: does its answer say so? Any body will do. */
bool es_too_large(const struct http_request *request, struct cdc_span answer);

/* -- _mget -- */
enum es_document_state {
    ES_FOUND,
    ES_ABSENT,      /* no such document, or no such index */
    ES_HIDDEN,      /* the index keeps no source, or no version of ours */
    ES_UNREADABLE,  /* not now */
    ES_NOT_ALLOWED, /* to read it */
    ES_CLOSED       /* the whole index, until somebody opens it */
};
struct es_document {
    enum es_document_state state;
    struct cdc_span source; /* of ES_FOUND: an object, in the answer */
    int64_t version;
    struct es_mark mark; /* of the newest write of it */
    char reason[200];    /* of an error */
};
int es_answer_mget(struct cdc_json_iter *documents, struct cdc_span body, struct cdc_error *error);
/* id: that was asked for in its place; p NULL: any. 1: *document is the next one, 0: no more, -1. */
int es_answer_next_document(struct cdc_json_iter *documents, struct cdc_span id, struct es_document *document,
                            struct cdc_error *error);

/* -- _search with a scroll -- */
struct es_page {
    struct es_answer hits;
    bool whole;         /* no shard failed, and the time sufficed */
    const char *scroll; /* its id; NULL when it is not whole and has none */
};
/* Closed by es_answer_close(&page->hits). */
int es_answer_page(struct es_page *page, struct cdc_span body, struct cdc_error *error);
struct es_hit {
    struct cdc_span id, routing; /* BORROWED from the page; routing p NULL: none */
    int64_t version;             /* -1: it does not say */
    struct es_mark mark;
};
/* 1: *hit is the next one, 0: no more, -1. whole: it must have all members, and not the id alone. */
int es_answer_next_hit(struct es_page *page, bool whole, struct es_hit *hit, struct cdc_error *error);
/* The text that the source of the newest hit has under that name; p NULL: it is not there, or no text. BORROWED from the page. */
struct cdc_span es_answer_hit_text(const struct es_page *page, const char *name);

/* -- _search for the document of the newest write -- */
struct es_newest {
    bool whole;          /* as of a page */
    int64_t shards;      /* that were asked */
    struct es_mark mark; /* of the first hit */
};
int es_answer_newest(struct es_newest *newest, struct cdc_span body, struct cdc_error *error);

/* Does it say that a shard failed? Any body will do. */
bool es_answer_shard_failed(struct cdc_span body);

/* Does it say that the index or the cluster is blocked? Then why has the reason. Any body will do. */
bool es_answer_is_block(struct cdc_span body, char *why, size_t size);

/* Is that an error of that type? Any body will do. */
bool es_answer_is_error(struct cdc_span body, const char *type);

/* The start of its reason, "" where there is none. Any body will do. */
void es_answer_reason(struct cdc_span body, char *out, size_t size);

#endif
