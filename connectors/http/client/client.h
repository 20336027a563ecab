/* SPDX-License-Identifier: MIT */
/* HTTP to one peer: a request is sent again as long as the peer is away or overloaded. A client has one request at a time;
 * several clients beside each other have as many under way. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <cdc/options.h>
#include <cdc/retry.h>
#include <cdc/sink.h>

#include "connectors/http/client/gzip.h"
#include "connectors/http/client/kept.h"

#define HTTP_MORE_HEADERS 4
#define HTTP_NODES_MAX 16

/* A server, or one of a cluster, each of which takes any request. */
struct http_node {
    const char *url;             /* http:// or https://, without credentials */
    const char *shown;           /* what messages call it: no path and no query, which may be secrets */
    const char *user, *password; /* NULL: none */
    bool local;                  /* this machine: no proxy is asked, whatever the environment says */
};

struct http_peer {
    const struct http_node *nodes; /* all of the cluster, 1 to HTTP_NODES_MAX */
    size_t n_nodes;
    const char *url, *shown;        /* of the node that has the request in hand, or had the newest one */
    struct cdc_option_list headers; /* "Name: value", sent with every request */
    double timeout;                 /* seconds a request may take; doubled when it is too short */
    const char *ca;                 /* file with the certificates to trust; NULL: the machine's */
    const char *cert, *key;         /* files with a certificate of our own, and its key; NULL: none */
    bool deny_private;              /* no connection to an address that is not of the public internet */
    bool gzip;                      /* bodies are packed: Content-Encoding */
    bool may_be_busy;               /* with a request of a run before this one, which had no time to hear of it */
};

struct http_request {
    const char *method; /* "POST" */
    const char *path;   /* after the base URL, with its query; "" for none */
    const char *url;    /* in place of the base URL; NULL: that */
    const char *content_type;
    struct cdc_span body;
    const char *more_headers[HTTP_MORE_HEADERS]; /* NULL where absent */
    const struct cdc_option_list *headers;       /* in place of the peer's; NULL: those */
    /* Before each attempt: what is to be new in it (more_headers point to it). May be NULL. 0 or -1. */
    int (*attempt)(void *context, struct cdc_error *error);
    void *attempt_context;
    /* Before each attempt but the first: 0; 1: it must not be sent again as it is, which is HTTP_NOT_NOW; -1. May be NULL. */
    int (*again)(void *context, struct cdc_error *error);
    void *again_context;
    /* Will the peer say this of the request whenever it is sent, though the status passes by itself for others? May be NULL. */
    bool (*lasts)(const struct http_request *request, struct cdc_span answer);
    size_t response_limit; /* most bytes of the answer; 0: the usual */
    bool begin_suffices;   /* the status says all: with a whole header the answer counts, though its body is longer
                                    than the limit, does not end in time, or breaks off. The connection is closed then. */
    bool fresh;            /* each attempt over a connection of its own: on a kept one libcurl may send it twice */
    bool has_id;           /* by which the peer knows it when it comes again (Idempotency-Key): 409 may say that it is
                                    busy with an attempt before, of this run or of the last one */
    bool once;             /* sent once, over a connection of its own: HTTP_NOT_NOW in place of a retry */
    size_t node;           /* only to this one, counted from 1, whether it was looked at or not; 0: to any */
    double timeout;        /* seconds; 0: the peer's */
};

/* May a node have requests? 1; 0: it does not answer now, and why says more; -1. */
typedef int http_check_node(void *context, size_t node, char *why, size_t size, struct cdc_error *error);

/* What clients beside each other share. */
struct http_shared {
    void *multi;    /* libcurl's handle, with the connections */
    double timeout; /* of the next request */
    bool gzip;      /* bodies are packed, as long as the peer takes them */
    int running;    /* transfers that have not ended */
    size_t node;    /* that gets the next request: one is kept to for as long as it answers */
    http_check_node
        *check; /* before the first request to a node, and the first one after it has not answered; NULL: none */
    void *check_context;
    bool checked[HTTP_NODES_MAX];
    struct http_kept kept;
    int64_t busy_until; /* with a request of the last run, whichever that is (cdc_clock_ms); 0: with none */
    bool frames;        /* HTTP/2, by which a peer may send at any time */
};

struct http_client {
    struct http_peer peer;
    struct cdc_sink_context *context;
    struct cdc_buf response; /* the newest answer */
    /* client.c's own */
    struct http_shared *shared, own; /* that of the first one is its own */
    void *easy;                      /* libcurl's handle */
    void *header_list;               /* of the request in hand */
    char waits_for[260];             /* "http://... to answer" */
    struct http_request request;     /* in hand */
    size_t node, tried;              /* that has it, or had; how many have in turn not done with it */
    bool under_way;                  /* it was begun */
    bool done;                       /* its transfer has ended, with that code */
    int code;
    bool too_long, header_whole;
    bool chunked;     /* the answer says where its body ends, as one with a length or in frames does */
    bool chosen;      /* a connection for it was */
    bool stray;       /* the connection that was kept for it had bytes: it was not sent */
    bool afresh;      /* the next attempt goes over a connection of its own */
    char denied[64];  /* the newest address that deny_private has refused in this attempt; "": none */
    bool any_allowed; /* another one was not refused: it may answer the next time */
    struct cdc_buf url;
    struct cdc_retry retry; /* of the request in hand */
    int64_t busy_until;     /* the peer may be busy with an attempt of it (cdc_clock_ms); 0: it has answered each */
    struct http_gzip gzip;
    struct cdc_buf packed; /* the body that is sent, where it is packed; else it is empty */
    bool plain;            /* the request in hand is not packed: it was refused so */
    char curl_error[256];
};

/* What became of a request. A truncated answer is an outcome of its own, so that nobody takes it for a whole one. */
enum http_outcome {
    HTTP_GAVE_UP = -1, /* with the error: no attempts left, stopped, or no way to reach the peer */
    HTTP_ANSWERED,     /* *status, which is none that passes by itself, and the whole answer */
    HTTP_TOO_LONG,     /* *status, and the answer's beginning: it is longer than the limit */
    HTTP_NOT_NOW       /* `once` only: no answer, or a status that passes by itself. Or `again` has said so. */
};

/* BORROWS the nodes and all strings of peer, and context. http_client_close is for one whose opening failed as well. */
int http_client_open(struct http_client *client, const struct http_peer *peer, struct cdc_sink_context *context,
                     struct cdc_error *error);
void http_client_close(struct http_client *client);
/* Another client of the same peer, whose requests are under way at the same time. To be closed before the first one. */
int http_client_open_beside(struct http_client *client, struct http_client *first, struct cdc_error *error);
/* Sends the first attempt of a request on its way, and does not wait for it: http_client_send with the same request goes on with it.
 * BORROWS what the request points to until then. 0 or -1. */
int http_client_begin(struct http_client *client, const struct http_request *request, struct cdc_error *error);
/* Lets the requests go on that are under way at this client, and beside it, as far as they can without waiting. */
void http_client_turn(struct http_client *client);
/* Sends, and sends again (with backoff, Retry-After honoured) as long as there is no answer, or 408, 425, 429 or 5xx. Where there are
 * several nodes, one that does not answer, or with 5xx, leaves it to the next, and the waiting is between rounds. */
enum http_outcome http_client_send(struct http_client *client, const struct http_request *request, long *status,
                                   struct cdc_error *error);
/* 0: the whole answer, with status 200. Else -1 with the error that outcome and status stand for. */
int http_client_check(struct http_client *client, enum http_outcome outcome, long status, struct cdc_error *error);
/* The start of the newest answer, for messages: without the secrets that it repeats. */
void http_client_excerpt(const struct http_client *client, char *out, size_t size);
/* Is it an answer to how the connection was made, and not to what the request has? */
bool http_client_speaks_wrongly(const struct http_client *client, long status);
/* The error for a status that waiting does not cure. Always -1. */
int http_client_refused(struct http_client *client, long status, struct cdc_error *error);
/* Waits before another attempt. -1: no attempts left (UNAVAILABLE), or asked to stop (TEMPORARY). */
int http_client_wait(struct http_client *client, struct cdc_retry *retry, int64_t at_least_ms, const char *why,
                     struct cdc_error *error);

#endif
