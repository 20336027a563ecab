/* SPDX-License-Identifier: MIT */
/* libcurl: one request at a time over one kept connection, sent again with backoff as long as the peer is away or
 * overloaded. One at a time for the sake of order: were the next request on its way already, a retry of this one
 * would arrive after it. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connectors/http/client/address.h"
#include "connectors/http/client/client.h"

/* An answer to _bulk for 10000 items, all refused, has some megabytes. A peer that asks for more than an hour of
 * patience gets that hour. */
#define RESPONSE_LIMIT ((size_t)64 << 20)
#define RETRY_AFTER_MAX 3600 /* seconds */
#define TIMEOUT_TIMES 16     /* the longest that --timeout grows to */
#define LOOK_MS 100          /* how soon a second signal is seen */

_Static_assert(sizeof((struct http_client *)0)->curl_error >= CURL_ERROR_SIZE, "libcurl's messages need room");

static size_t take_response(char *data, size_t size, size_t n, void *context)
{
    struct http_client *client = context;
    size_t room = client->request->response_limit != 0 ? client->request->response_limit : RESPONSE_LIMIT;

    n *= size;
    room -= client->response.len;
    client->too_long = n > room;
    if (!client->too_long || client->request->begin_suffices)
        cdc_buf_append(&client->response, data, client->too_long ? room : n);
    /* 0: libcurl ends the transfer, and closes the connection. */
    return client->too_long || client->response.failed ? 0 : n;
}

/* A line of the header, or of the one of an answer before it (100 Continue). */
static size_t take_header(char *data, size_t size, size_t n, void *context)
{
    struct http_client *client = context;

    n *= size;
    client->header_whole = n == 2 && memcmp(data, "\r\n", 2) == 0;
    return n;
}

/* Looked at where the connection is made, so that no name can say one address first and another one then. */
static curl_socket_t open_public(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_client *client = context;

    (void)purpose;
    if (!http_address_is_public(&address->addr)) {
        http_address_print(client->denied, sizeof client->denied, &address->addr);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int set_options(struct http_client *client)
{
    const struct http_peer *peer = &client->peer;
    CURL *easy = client->easy;
    CURLcode bad = CURLE_OK;

    /* libcurl would use SIGALRM for name lookups, and take our handlers' place. */
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* No file:// or ftp://, wherever a URL comes from. */
    bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* a redirected POST may lose its body */
    bad |=
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, peer->timeout < 10 ? (long)(peer->timeout * 1000) : 10000L);
    /* Of a whole request: a peer that takes a connection and never answers would else hold the pipeline for ever. */
    bad |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->curl_error);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_response);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, client);
    /* A name server that does not answer must not hold us when we leave. */
    bad |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "cdc-sink-http");
    /* libcurl takes a proxy from the environment, also for this very machine, by which a proxy would mean itself. */
    if (peer->local || peer->deny_private) /* a proxy would look the name up out of our sight */
        bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (peer->ca != NULL)
        bad |= curl_easy_setopt(easy, CURLOPT_CAINFO, peer->ca);
    if (peer->cert != NULL) {
        bad |= curl_easy_setopt(easy, CURLOPT_SSLCERT, peer->cert);
        bad |= curl_easy_setopt(easy, CURLOPT_SSLKEY, peer->key != NULL ? peer->key : peer->cert);
    }
    if (peer->deny_private) {
        bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_public);
        bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, client);
    }
    if (peer->user != NULL) {
        bad |= curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        bad |= curl_easy_setopt(easy, CURLOPT_USERNAME, peer->user);
        bad |= curl_easy_setopt(easy, CURLOPT_PASSWORD, peer->password != NULL ? peer->password : "");
    }
    return bad == CURLE_OK ? 0 : -1;
}

/* libcurl would look for it only once a peer answers, which may take hours. */
static int check_file(const char *path, const char *what, const char *hint, struct cdc_error *error)
{
    if (path == NULL || access(path, R_OK) == 0)
        return 0;
    cdc_error_set(error, errno == EACCES ? CDC_EXIT_PERMISSION : CDC_EXIT_CONFIG, "unable to read the %s \"%s\": %s",
                  what, path, strerror(errno));
    return cdc_error_hint(error, "%s", hint);
}

static int check_files(const struct http_peer *peer, struct cdc_error *error)
{
    if (check_file(peer->ca, "file of certificates",
                   "name a readable file of PEM certificates (--ca, CURL_CA_BUNDLE, SSL_CERT_FILE)", error) != 0 ||
        check_file(peer->cert, "certificate", "name a readable PEM file (--cert)", error) != 0)
        return -1;
    return check_file(peer->key, "key of the certificate", "name a readable PEM file (--key)", error);
}

int http_client_open(struct http_client *client, const struct http_peer *peer, struct cdc_sink_context *context,
                     struct cdc_error *error)
{
    client->peer = *peer;
    client->context = context;
    client->timeout = peer->timeout;
    snprintf(client->waits_for, sizeof client->waits_for, "%.200s to answer", peer->shown);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (client->easy = curl_easy_init()) == NULL ||
        (client->multi = curl_multi_init()) == NULL)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "cannot initialise libcurl");
    if (set_options(client) != 0)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "this libcurl lacks an option that is needed");
    return check_files(&client->peer, error);
}

void http_client_close(struct http_client *client)
{
    curl_multi_cleanup(client->multi);
    curl_easy_cleanup(client->easy);
    cdc_buf_free(&client->response);
    cdc_buf_free(&client->url);
}

/* -- one attempt ---------------------------------------------------------------- */

static struct curl_slist *append_header(struct curl_slist *list, const char *text, bool *failed)
{
    struct curl_slist *longer = curl_slist_append(list, text);

    if (longer == NULL)
        *failed = true;
    return longer != NULL ? longer : list;
}

/* A receiver may insist on one of its own. */
static bool has_content_type(const struct cdc_option_list *headers)
{
    for (size_t i = 0; i < headers->count; i++)
        if (strncasecmp(headers->items[i], "content-type:", 13) == 0)
            return true;
    return false;
}

static struct curl_slist *make_headers(const struct http_client *client, const struct http_request *request)
{
    const struct cdc_option_list *own = request->headers != NULL ? request->headers : &client->peer.headers;
    char text[200];
    bool failed = false;
    struct curl_slist *list = append_header(NULL, "Expect:", &failed); /* no second of waiting for 100 Continue */

    snprintf(text, sizeof text, "Content-Type: %s", request->content_type);
    if (!has_content_type(own))
        list = append_header(list, text, &failed);
    for (size_t i = 0; i < HTTP_MORE_HEADERS; i++)
        if (request->more_headers[i] != NULL)
            list = append_header(list, request->more_headers[i], &failed);
    for (size_t i = 0; i < own->count; i++)
        list = append_header(list, own->items[i], &failed);
    if (failed) {
        curl_slist_free_all(list);
        return NULL;
    }
    return list;
}

/* As curl_easy_perform, but a second signal ends it at once, whatever it waits for: a name server, a connection, an
 * answer. */
static CURLcode perform(struct http_client *client)
{
    const struct cdc_control *control = client->context->control;
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    CURLMcode failed = curl_multi_add_handle(client->multi, client->easy);
    int running = 1, left;

    while (failed == CURLM_OK && control->stop < 2) {
        struct curl_waitfd waitfds[2] = {{.fd = control->stop ? -1 : control->wake_fd, .events = CURL_WAIT_POLLIN},
                                         {.fd = control->notice_fd, .events = CURL_WAIT_POLLIN}};
        failed = curl_multi_perform(client->multi, &running);
        if (failed != CURLM_OK || running == 0)
            break;
        cdc_control_waiting(control, client->waits_for);
        failed = curl_multi_poll(client->multi, waitfds, 2, LOOK_MS, NULL);
    }
    CURLMsg *message = curl_multi_info_read(client->multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE)
        code = message->data.result;
    else if (failed != CURLM_OK)
        code = CURLE_FAILED_INIT;
    curl_multi_remove_handle(client->multi, client->easy);
    return code;
}

static int attempt(struct http_client *client, const struct http_request *request, CURLcode *code, long *status,
                   struct cdc_error *error)
{
    if (request->attempt != NULL && request->attempt(request->attempt_context, error) != 0)
        return -1;
    struct curl_slist *headers = make_headers(client, request);

    client->url.len = 0;
    cdc_buf_text(&client->url, request->url != NULL ? request->url : client->peer.url);
    cdc_buf_text(&client->url, request->path);
    cdc_buf_byte(&client->url, '\0');
    if (headers == NULL || client->url.failed) {
        curl_slist_free_all(headers);
        return cdc_error_memory(error);
    }
    client->response.len = 0;
    client->request = request;
    client->too_long = client->header_whole = false;
    client->curl_error[0] = client->denied[0] = '\0';
    curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, (long)(client->timeout * 1000));
    /* On a connection that it has kept, and that is closed without an answer, libcurl sends a request a second time by itself:
     * for all it knows the peer has never seen it. */
    curl_easy_setopt(client->easy, CURLOPT_FRESH_CONNECT, request->once ? 1L : 0L);
    curl_easy_setopt(client->easy, CURLOPT_URL, client->url.data);
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, headers);
    /* libcurl does not copy the body: it stays where it is until curl_easy_perform returns. */
    curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, request->body.n != 0 ? request->body.p : "");
    curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
    curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, request->method);
    *code = perform(client);
    *status = 0;
    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, status);
    /* The list is freed below, and the handle must not keep it. */
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (client->response.failed)
        return cdc_error_memory(error);
    return 0;
}

/* -- what became of it ------------------------------------------------------------- */

/* Answers that pass by themselves: timeout, too early, too many requests, and what a proxy says while the server
 * behind it is away (502, 503, 504). Not 501 and 505: a method or version that the peer does not know, it will not
 * know in a minute either. */
static bool is_overload(long status)
{
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

/* Failures that waiting does not cure. */
static int lasting_error(struct http_client *client, CURLcode code, struct cdc_error *error)
{
    const char *why = client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(code);

    if (client->denied[0] != '\0') {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s is no address of the public internet", client->peer.shown,
                      client->denied);
        return cdc_error_hint(error, "check the URL and its name server, or leave --deny-private out");
    }
    switch (code) {
    case CURLE_OUT_OF_MEMORY: return cdc_error_memory(error);
    case CURLE_ABORTED_BY_CALLBACK:
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped in the middle of a request");
    /* The URL is one of http or https (url.c): it is the peer that speaks something else. */
    case CURLE_UNSUPPORTED_PROTOCOL:
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: %s", client->peer.shown, why);
        return cdc_error_hint(error, "check that the URL is that of an HTTP server");
    case CURLE_URL_MALFORMAT: return cdc_error_set(error, CDC_EXIT_USAGE, "%s: %s", client->peer.shown, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", client->peer.shown, why);
        return cdc_error_hint(error, "the certificate must be one that this machine trusts");
    default: return 0;
    }
}

int http_client_wait(struct http_client *client, struct cdc_retry *retry, int64_t at_least_ms, const char *why,
                     struct cdc_error *error)
{
    const struct cdc_sink_context *context = client->context;
    int64_t wait = cdc_retry_next(retry);

    if (wait < 0) {
        cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "%s: %s (%lld attempts)", client->peer.shown, why,
                      (long long)retry->attempts + 1);
        return cdc_error_hint(error, "start again when the peer is well; what it has not confirmed is sent again");
    }
    /* Retry-After may ask for more than our backoff would. */
    wait = wait < at_least_ms ? at_least_ms : wait;
    context->metrics->retries++;
    /* Said at 1, 2, 4, 8 … attempts: enough to be found, too little to fill a disk. */
    if ((retry->attempts & (retry->attempts - 1)) == 0)
        cdc_log_write(context->log, CDC_LOG_WARNING, "%s: %s; trying again in %.1f s", client->peer.shown, why,
                      (double)wait / 1000);
    if (cdc_retry_wait(wait, context->control, "the next attempt"))
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s: %s", client->peer.shown, why);
    return 0;
}

static int64_t retry_after_ms(struct http_client *client)
{
    curl_off_t seconds = 0;

    curl_easy_getinfo(client->easy, CURLINFO_RETRY_AFTER, &seconds);
    return (int64_t)(seconds > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : seconds) * 1000;
}

/* The peer may have taken a request that it was too slow to confirm, and would take the same one again for ever. So it
 * gets more time, for the rest of the run. */
static void be_patient(struct http_client *client)
{
    double longest = TIMEOUT_TIMES * client->peer.timeout;

    if (client->timeout >= longest)
        return;
    client->timeout = client->timeout * 2 < longest ? client->timeout * 2 : longest;
    cdc_log_write(client->context->log, CDC_LOG_WARNING, "%s does not answer in time; it gets %.1f s from now on",
                  client->peer.shown, client->timeout);
}

/* A status is an answer, however long the rest; where nothing but the status matters, also when the rest never ends. */
static bool is_answered(const struct http_client *client, const struct http_request *request, CURLcode code,
                        long status)
{
    return code == CURLE_OK || client->too_long || (request->begin_suffices && client->header_whole && status >= 200);
}

enum http_outcome http_client_send(struct http_client *client, const struct http_request *request, long *status,
                                   struct cdc_error *error)
{
    /* --retry-max counts the attempts of each request anew. */
    cdc_retry_init(&client->retry, client->context->settings->retry_max);
    for (;;) {
        CURLcode code = CURLE_OK;
        char why[400];
        if (attempt(client, request, &code, status, error) != 0)
            return HTTP_GAVE_UP;
        bool answered = is_answered(client, request, code, *status);
        if (answered && !is_overload(*status)) {
            if (client->retry.attempts > 0)
                cdc_log_write(client->context->log, CDC_LOG_INFO, "%s answers again", client->peer.shown);
            client->context->metrics->bytes_out += request->body.n;
            return client->too_long && !request->begin_suffices ? HTTP_TOO_LONG : HTTP_ANSWERED;
        }
        if (!answered && lasting_error(client, code, error) != 0)
            return HTTP_GAVE_UP;
        if (!answered && code == CURLE_OPERATION_TIMEDOUT)
            be_patient(client);
        if (request->once)
            return HTTP_NOT_NOW;
        if (!answered)
            snprintf(why, sizeof why, "%s",
                     client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(code));
        else
            snprintf(why, sizeof why, "HTTP status %ld", *status);
        if (http_client_wait(client, &client->retry, answered ? retry_after_ms(client) : 0, why, error) != 0)
            return HTTP_GAVE_UP;
    }
}

/* Printable start of the answer, for messages. */
static void excerpt(const struct http_client *client, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)(client->response.len < 300 ? client->response.len : 300),
             client->response.len > 0 ? client->response.data : "");
}

int http_client_refused(struct http_client *client, long status, struct cdc_error *error)
{
    const char *url = client->peer.shown;
    char text[310];

    excerpt(client, text, sizeof text);
    if (status == 401 || status == 403 || status == 407) {
        cdc_error_set(error, CDC_EXIT_PERMISSION, "%s: HTTP status %ld: %s", url, status, text);
        return cdc_error_hint(error, "check --user and CDC_HTTP_PASSWORD, and what that user may do");
    }
    if (status >= 300 && status < 400) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: HTTP status %ld: redirects are not followed", url, status);
        return cdc_error_hint(error, "give the URL that it leads to");
    }
    /* 404, 405, 410, 415 ...: of the request. Those of its content come from a peer that is another than the URL promises. */
    if (status >= 400 && status < 500 && status != 400 && status != 409 && status != 413 && status != 422) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: HTTP status %ld: %s", url, status, text);
        return cdc_error_hint(error, "check the URL, and what it takes (--format, --header)");
    }
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: HTTP status %ld: %s", url, status, text);
}

int http_client_check(struct http_client *client, enum http_outcome outcome, long status, struct cdc_error *error)
{
    if (outcome == HTTP_GAVE_UP)
        return -1;
    if (outcome == HTTP_NOT_NOW)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s does not answer now", client->peer.shown);
    if (status != 200)
        return http_client_refused(client, status, error);
    if (outcome == HTTP_TOO_LONG)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the answer is too long", client->peer.shown);
    return 0;
}
