/* SPDX-License-Identifier: MIT */
/* libcurl: requests over kept connections, sent again with backoff as long as the peer is away or overloaded. One at a
 * time for each client, for the sake of order: were the next request on its way already, a retry of this one would
 * arrive after it. Whoever has several clients beside each other sees to it that no order is between their requests. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connectors/http/client/address.h"
#include "connectors/http/client/client.h"
#include "connectors/http/client/secrets.h"

/* An answer to _bulk for 10000 items, all refused, has some megabytes. A peer that asks for more than an hour of
 * patience gets that hour. */
#define RESPONSE_LIMIT ((size_t)64 << 20)
#define RETRY_AFTER_MAX 3600 /* seconds */
#define TIMEOUT_TIMES 16     /* the longest that --timeout grows to */
#define LOOK_MS 100          /* how soon a second signal is seen */
#define PACKED_KEEP ((size_t)4 << 20)

_Static_assert(sizeof((struct http_client *)0)->curl_error >= CURL_ERROR_SIZE, "libcurl's messages need room");

static size_t take_response(char *data, size_t size, size_t n, void *context)
{
    struct http_client *client = context;
    size_t room = client->request.response_limit != 0 ? client->request.response_limit : RESPONSE_LIMIT;

    n *= size;
    room -= client->response.len;
    client->too_long = n > room;
    if (!client->too_long || client->request.begin_suffices)
        cdc_buf_append(&client->response, data, client->too_long ? room : n);
    /* 0: libcurl ends the transfer, and closes the connection. */
    return client->too_long || client->response.failed ? 0 : n;
}

/* A line of the header, of the one of an answer before it (100 Continue), or of the trailer. */
static size_t take_header(char *data, size_t size, size_t n, void *context)
{
    struct http_client *client = context;

    n *= size;
    if (n >= 5 && memcmp(data, "HTTP/", 5) == 0)
        client->header_whole = client->chunked = false;
    else if (n >= 18 && strncasecmp(data, "transfer-encoding:", 18) == 0)
        client->chunked = true;
    else if (n > 0 && (data[0] == '\n' || (n == 2 && memcmp(data, "\r\n", 2) == 0)))
        client->header_whole = true;
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
    client->any_allowed = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int note_socket(void *context, curl_socket_t socket, curlsocktype purpose)
{
    struct http_client *client = context;

    (void)purpose;
    return http_kept_add(&client->shared->kept, socket) ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

/* For as long as it has for a request, the peer may be busy with one that was sent up to now. */
static int64_t busy_from_now(const struct http_client *client)
{
    return cdc_clock_ms() + (int64_t)(client->shared->timeout * 1000);
}

/* One of them is an attempt of the request in hand. */
static void note_busy(struct http_client *client)
{
    client->busy_until = busy_from_now(client);
}

/* The connection is chosen, and nothing was sent on it yet. A second one for one attempt: the peer has closed the kept one without an
 * answer, and libcurl sends the request again by itself. */
static int look_for_stray(void *context, char *peer, char *local, int peer_port, int local_port)
{
    struct http_client *client = context;
    long connects = 1;

    (void)peer, (void)local, (void)peer_port;
    if (client->chosen)
        note_busy(client);
    client->chosen = true;
    curl_easy_getinfo(client->easy, CURLINFO_NUM_CONNECTS, &connects);
    client->stray = connects == 0 && !client->shared->frames && http_kept_has_bytes(&client->shared->kept, local_port);
    return client->stray ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static int set_options(struct http_client *client)
{
    const struct http_peer *peer = &client->peer;
    CURL *easy = client->easy;
    CURLcode bad = CURLE_OK;

    /* libcurl would use SIGALRM for name lookups, and take our handlers' place. */
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, client);
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
    bad |= curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's answer is not the peer's */
    /* A name server that does not answer must not hold us when we leave. */
    bad |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "cdc-sink-http");
    if (peer->ca != NULL)
        bad |= curl_easy_setopt(easy, CURLOPT_CAINFO, peer->ca);
    if (peer->cert != NULL) {
        bad |= curl_easy_setopt(easy, CURLOPT_SSLCERT, peer->cert);
        bad |= curl_easy_setopt(easy, CURLOPT_SSLKEY, peer->key != NULL ? peer->key : peer->cert);
    }
    bad |= curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, note_socket);
    bad |= curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, client);
    bad |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, look_for_stray);
    bad |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, client);
    if (peer->deny_private) {
        bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_public);
        bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, client);
    }
    return bad == CURLE_OK ? 0 : -1;
}

/* The next request goes to that node. 0 or -1. */
static int turn_to(struct http_client *client, size_t index)
{
    const struct http_node *node = &client->peer.nodes[index];
    CURL *easy = client->easy;
    /* libcurl takes a proxy from the environment, also for this very machine, by which a proxy would mean itself; and a proxy
     * would look a name up out of our sight. */
    bool direct = node->local || client->peer.deny_private;
    CURLcode bad = curl_easy_setopt(easy, CURLOPT_PROXY, direct ? "" : NULL);

    client->node = index;
    client->peer.url = node->url;
    client->peer.shown = node->shown;
    snprintf(client->waits_for, sizeof client->waits_for, "%.200s to answer", node->shown);
    bad |= curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    bad |= curl_easy_setopt(easy, CURLOPT_USERNAME, node->user);
    bad |= curl_easy_setopt(easy, CURLOPT_PASSWORD,
                            node->user == NULL       ? NULL
                            : node->password != NULL ? node->password
                                                     : "");
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

static int open_easy(struct http_client *client, struct cdc_error *error)
{
    if ((client->easy = curl_easy_init()) == NULL)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "cannot initialise libcurl");
    if (set_options(client) != 0 || turn_to(client, client->shared->node) != 0)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "this libcurl lacks an option that is needed");
    return 0;
}

int http_client_open(struct http_client *client, const struct http_peer *peer, struct cdc_sink_context *context,
                     struct cdc_error *error)
{
    client->peer = *peer;
    client->context = context;
    client->shared = &client->own;
    client->own.timeout = peer->timeout;
    client->own.gzip = peer->gzip;
    client->own.busy_until = peer->may_be_busy ? busy_from_now(client) : 0;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (client->own.multi = curl_multi_init()) == NULL)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "cannot initialise libcurl");
    return open_easy(client, error) == 0 ? check_files(&client->peer, error) : -1;
}

int http_client_open_beside(struct http_client *client, struct http_client *first, struct cdc_error *error)
{
    client->peer = first->peer;
    client->context = first->context;
    client->shared = first->shared;
    return open_easy(client, error);
}

/* The request in hand is none any more. */
static void leave(struct http_client *client)
{
    if (!client->under_way)
        return;
    curl_multi_remove_handle(client->shared->multi, client->easy);
    /* The list is freed, and the handle must not keep it. */
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(client->header_list);
    client->header_list = NULL;
    client->under_way = false;
}

void http_client_close(struct http_client *client)
{
    leave(client);
    curl_easy_cleanup(client->easy);
    if (client->shared == &client->own)
        curl_multi_cleanup(client->own.multi);
    http_kept_free(&client->own.kept);
    http_gzip_free(&client->gzip);
    cdc_buf_free(&client->packed);
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
    if (client->packed.len > 0)
        list = append_header(list, "Content-Encoding: gzip", &failed);
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

/* Whatever can go on without waiting goes on, of all clients beside each other. */
static CURLMcode drive(struct http_shared *shared)
{
    CURLMcode failed = curl_multi_perform(shared->multi, &shared->running);
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(shared->multi, &left)) != NULL) {
        struct http_client *of = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &of);
        of->done = true;
        of->code = (int)message->data.result;
    }
    return failed;
}

/* Until something can go on, a signal comes, or the time is over. */
static CURLMcode wait_for_any(struct http_client *client, int64_t ms)
{
    const struct cdc_control *control = client->context->control;
    struct curl_waitfd waitfds[2] = {{.fd = control->stop ? -1 : control->wake_fd, .events = CURL_WAIT_POLLIN},
                                     {.fd = control->notice_fd, .events = CURL_WAIT_POLLIN}};

    return curl_multi_poll(client->shared->multi, waitfds, 2, (int)(ms < LOOK_MS ? ms : LOOK_MS), NULL);
}

void http_client_turn(struct http_client *client)
{
    if (client->shared->running > 0)
        (void)drive(client->shared);
}

/* Waits for the transfer's end. A second signal ends it at once, whatever it waits for: a name server, a connection, an
 * answer. */
static CURLcode perform(struct http_client *client)
{
    const struct cdc_control *control = client->context->control;
    CURLMcode failed = CURLM_OK;

    while (failed == CURLM_OK && control->stop < 2) {
        failed = drive(client->shared);
        if (failed != CURLM_OK || client->done)
            break;
        cdc_control_waiting(control, client->waits_for);
        failed = wait_for_any(client, LOOK_MS);
    }
    return client->done ? (CURLcode)client->code : failed != CURLM_OK ? CURLE_FAILED_INIT : CURLE_ABORTED_BY_CALLBACK;
}

/* The node that is to have the request is looked at first, where that is due. 1: it may have it, 0: it does not answer now, -1. */
static int choose_node(struct http_client *client, const struct http_request *request, struct cdc_error *error)
{
    struct http_shared *shared = client->shared;
    size_t node = request->node > 0 ? request->node - 1 : shared->node;
    int good = 1;

    if (node != client->node && turn_to(client, node) != 0)
        return cdc_error_memory(error);
    client->curl_error[0] = client->denied[0] = '\0';
    client->any_allowed = false;
    if (request->node == 0 && shared->check != NULL && !shared->checked[node])
        good = shared->check(shared->check_context, node, client->curl_error, sizeof client->curl_error, error);
    if (request->node == 0 && good == 1)
        shared->checked[node] = true;
    return good;
}

/* A request is packed anew for each attempt: most have one. 0 or -1. */
static int pack(struct http_client *client, const struct http_request *request, struct cdc_error *error)
{
    client->packed.len = 0;
    cdc_buf_shrink(&client->packed, PACKED_KEEP);
    if (!client->shared->gzip || client->plain || request->body.n < HTTP_GZIP_LEAST)
        return 0;
    return http_gzip_pack(&client->gzip, request->body, &client->packed, error);
}

static struct cdc_span body_to_send(const struct http_client *client, const struct http_request *request)
{
    return client->packed.len > 0 ? cdc_span(client->packed.data, client->packed.len) : request->body;
}

int http_client_begin(struct http_client *client, const struct http_request *request, struct cdc_error *error)
{
    int chosen = choose_node(client, request, error);

    client->response.len = 0;
    client->too_long = client->header_whole = client->done = client->stray = client->chosen = false;
    if (chosen != 1)
        return chosen;
    if (request->attempt != NULL && request->attempt(request->attempt_context, error) != 0)
        return -1;
    if (pack(client, request, error) != 0)
        return -1;
    struct cdc_span body = body_to_send(client, request);
    struct curl_slist *headers = make_headers(client, request);

    client->url.len = 0;
    cdc_buf_text(&client->url, request->url != NULL ? request->url : client->peer.url);
    cdc_buf_text(&client->url, request->path);
    cdc_buf_byte(&client->url, '\0');
    if (headers == NULL || client->url.failed) {
        curl_slist_free_all(headers);
        return cdc_error_memory(error);
    }
    client->request = *request;
    client->header_list = headers;
    double timeout = request->timeout > 0 ? request->timeout : client->shared->timeout;
    curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, (long)(timeout * 1000));
    /* On a connection that it has kept, and that is closed without an answer, libcurl sends a request a second time by itself:
     * for all it knows the peer has never seen it. */
    curl_easy_setopt(client->easy, CURLOPT_FRESH_CONNECT, request->once || request->fresh || client->afresh ? 1L : 0L);
    client->afresh = false;
    curl_easy_setopt(client->easy, CURLOPT_URL, client->url.data);
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, headers);
    /* libcurl does not copy the body: it stays where it is until the transfer has ended. */
    curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, body.n != 0 ? body.p : "");
    curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, request->method);
    client->under_way = true;
    if (curl_multi_add_handle(client->shared->multi, client->easy) != CURLM_OK) {
        leave(client);
        return cdc_error_memory(error);
    }
    (void)drive(client->shared);
    return 0;
}

/* libcurl says that it has no memory where a line of the answer's header is longer than it allows (100 KB): that is the peer's doing. */
static CURLcode without_long_lines(struct http_client *client, CURLcode code)
{
    curl_off_t begun = 0;

    curl_easy_getinfo(client->easy, CURLINFO_STARTTRANSFER_TIME_T, &begun);
    if (code != CURLE_OUT_OF_MEMORY || begun == 0)
        return code;
    snprintf(client->curl_error, sizeof client->curl_error, "a line in the header of the answer is too long");
    return CURLE_WEIRD_SERVER_REPLY;
}

static int attempt(struct http_client *client, const struct http_request *request, CURLcode *code, long *status,
                   struct cdc_error *error)
{
    *status = 0;
    *code = CURLE_COULDNT_CONNECT; /* its node was looked at, and does not answer */
    if (!client->under_way && http_client_begin(client, request, error) != 0)
        return -1;
    if (!client->under_way)
        return 0;
    long version = 0;
    *code = without_long_lines(client, perform(client));
    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, status);
    curl_easy_getinfo(client->easy, CURLINFO_HTTP_VERSION, &version);
    client->shared->frames |= version >= CURL_HTTP_VERSION_2_0;
    leave(client);
    return client->response.failed ? cdc_error_memory(error) : 0;
}

/* -- what became of it ------------------------------------------------------------- */

/* Answers that pass by themselves: timeout, too early, too many requests, and what a proxy says while the server
 * behind it is away (502, 503, 504). Not 501 and 505: a method or version that the peer does not know, it will not
 * know in a minute either. */
static bool is_overload(long status)
{
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

/* With https a proxy is asked for a tunnel first. It may refuse that: it wants a password, or the host is not allowed. */
static int refused_tunnel(struct http_client *client, struct cdc_error *error)
{
    long status = 0;

    curl_easy_getinfo(client->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    if (status < 400 || is_overload(status))
        return 0;
    cdc_error_set(error, status == 401 || status == 403 || status == 407 ? CDC_EXIT_PERMISSION : CDC_EXIT_CONFIG,
                  "%s: the proxy refuses to connect: HTTP status %ld", client->peer.shown, status);
    return cdc_error_hint(error, "check the proxy of the environment (https_proxy, all_proxy, no_proxy), and the user "
                                 "and password in it");
}

/* By an alert the server says what it does not like: our certificate, or that there is none; OpenSSL has words for it alone. */
static bool is_refused_by_tls(const char *why)
{
    static const char *const alerts[] = {"certificate", "unknown ca", "handshake failure", "access denied",
                                         "protocol version"};
    const char *alert = strstr(why, " alert ");

    for (size_t i = 0; alert != NULL && i < sizeof alerts / sizeof alerts[0]; i++)
        if (strstr(alert, alerts[i]) != NULL)
            return true;
    return false;
}

/* libcurl cannot make anything of the proxy that the environment names, and says it whole, with its password. */
static bool is_bad_proxy(const char *why)
{
    return strncmp(why, "Unsupported proxy", 17) == 0;
}

/* Failures that waiting does not cure. */
static int lasting_error(struct http_client *client, CURLcode code, struct cdc_error *error)
{
    const char *why = client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(code);

    if (is_bad_proxy(why)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: the proxy of the environment is none that can be used",
                      client->peer.shown);
        return cdc_error_hint(error, "check http_proxy, https_proxy or all_proxy: http://USER:PASSWORD@HOST:PORT, with "
                                     "%%XX for other characters than letters and digits in the password");
    }
    if (client->denied[0] != '\0' && !client->any_allowed) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s is no address of the public internet", client->peer.shown,
                      client->denied);
        return cdc_error_hint(error, "check the URL and its name server, or leave --deny-private out");
    }
    if (is_refused_by_tls(why)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", client->peer.shown, why);
        return cdc_error_hint(
            error, "the server wants another certificate of ours (--cert, --key), or another version of TLS");
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
    default: return refused_tunnel(client, error);
    }
}

/* As cdc_retry_wait. What is under way beside this client goes on meanwhile: it would seem to be too slow else. */
static bool wait_beside(struct http_client *client, int64_t ms)
{
    const struct cdc_control *control = client->context->control;
    int64_t until = cdc_clock_ms() + ms;

    http_client_turn(client);
    while (client->shared->running > 0 && !control->stop && cdc_clock_ms() < until) {
        cdc_control_waiting(control, "the next attempt");
        if (wait_for_any(client, until - cdc_clock_ms()) != CURLM_OK || drive(client->shared) != CURLM_OK)
            break;
    }
    int64_t left = until - cdc_clock_ms();
    return cdc_retry_wait(left > 0 ? left : 0, control, "the next attempt");
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
    if (wait_beside(client, wait))
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

    if (client->shared->timeout >= longest)
        return;
    client->shared->timeout = client->shared->timeout * 2 < longest ? client->shared->timeout * 2 : longest;
    cdc_log_write(client->context->log, CDC_LOG_WARNING, "%s does not answer in time; it gets %.1f s from now on",
                  client->peer.shown, client->shared->timeout);
}

/* Only the end of the connection ends its body, and so does a peer that is killed: JSON that has begun, or not even that, and does not
 * end is a part of an answer. A page of something else is whole, for all that anybody knows. */
static bool is_cut(const struct http_client *client)
{
    const struct cdc_buf *body = &client->response;
    curl_off_t length = -1;

    curl_easy_getinfo(client->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length >= 0 || client->chunked || client->shared->frames)
        return false;
    return body->len == 0 || (*body->data == '{' && cdc_json_validate_envelope(body->data, body->len, NULL) != 0);
}

/* A status is an answer, however long the rest; where nothing but the status matters, also when the rest never ends. A connection
 * that is cut within the header is the end of an answer without a body to libcurl. */
static bool is_answered(const struct http_client *client, const struct http_request *request, CURLcode code,
                        long status)
{
    if (!client->header_whole)
        return false;
    /* 413 may come before the request was read, and the rest of both is then cut off. */
    if ((request->begin_suffices && status >= 200) || status == 413)
        return true;
    return client->too_long || (code == CURLE_OK && !(status == 200 && is_cut(client)));
}

static bool is_lasting(const struct http_client *client, const struct http_request *request)
{
    return request->lasts != NULL && request->lasts(request, cdc_span(client->response.data, client->response.len));
}

#define SECRET_MOST 4096 /* bytes that one may have behind the end of an excerpt */

void http_client_excerpt(const struct http_client *client, char *out, size_t size)
{
    const struct cdc_buf *answer = &client->response;
    size_t n = answer->len < size + SECRET_MOST ? answer->len : size + SECRET_MOST;
    char *copy = n > 0 ? strndup(answer->data, n) : NULL; /* up to a NUL: it is for people */

    if (copy != NULL)
        http_secrets_mask(&client->peer, copy, strlen(copy));
    snprintf(out, size, "%s", copy != NULL ? copy : "");
    free(copy);
}

/* It has not done with the request, where another node may. Said at 1, 2, 4, 8 ... rounds. Is there one that has not been tried in
 * this round? The next attempt goes there. */
static bool move_on(struct http_client *client, bool answered, const char *why)
{
    struct http_shared *shared = client->shared;
    const struct http_peer *peer = &client->peer;

    if (!answered)
        shared->checked[client->node] = false; /* whatever answers there the next time */
    if (peer->n_nodes < 2)
        return false;
    if (shared->node == client->node)
        shared->node = (client->node + 1) % peer->n_nodes;
    if (++client->tried >= peer->n_nodes) {
        client->tried = 0;
        return false;
    }
    if ((client->retry.attempts & (client->retry.attempts - 1)) == 0)
        cdc_log_write(client->context->log, CDC_LOG_WARNING, "%s: %s; trying %s", peer->shown, why,
                      peer->nodes[shared->node].shown);
    return true;
}

/* An index server says in JSON why: a request that is too large for its memory, say, will be so the next time, too. A page of a
 * proxy says nothing. */
static void say_status(const struct http_client *client, long status, char *out, size_t size)
{
    char text[250] = "";

    if (client->response.len > 0 && *client->response.data == '{')
        http_client_excerpt(client, text, sizeof text);
    snprintf(out, size, "HTTP status %ld%s%s", status, *text != '\0' ? ": " : "", text);
}

/* Why there is no answer, or none that ends the request. */
static void say_why(const struct http_client *client, bool answered, CURLcode code, long status, char *out, size_t size)
{
    if (answered)
        say_status(client, status, out, size);
    else
        snprintf(out, size, "%s",
                 code == CURLE_OK                ? "the connection was closed within the answer"
                 : client->curl_error[0] != '\0' ? client->curl_error
                                                 : curl_easy_strerror(code));
}

/* May it be the packing that the peer does not like? A receiver that does not know it says 415 at best, and that the body is bad at
 * worst, as which it would say of each line. */
static bool is_refused_packed(const struct http_client *client, long status)
{
    return client->packed.len > 0 && (status == 400 || status == 415 || status == 422);
}

/* The request has its answer. */
static enum http_outcome finish(struct http_client *client, const struct http_request *request, long status)
{
    if (client->retry.attempts > 0)
        cdc_log_write(client->context->log, CDC_LOG_INFO, "%s answers again", client->peer.shown);
    client->context->metrics->bytes_out += body_to_send(client, request).n;
    if (client->plain && client->shared->gzip && status >= 200 && status < 300) {
        cdc_log_write(client->context->log, CDC_LOG_WARNING,
                      "%s takes no body in gzip; requests go as they are from now on", client->peer.shown);
        client->shared->gzip = false;
    }
    return client->too_long && !request->begin_suffices ? HTTP_TOO_LONG : HTTP_ANSWERED;
}

/* On a kept connection, what is no answer may be the rest of one: a peer that sends a body after 204, say. A new connection tells. Where
 * it came in time to be seen, nothing was sent. */
static bool is_rest_of_another(struct http_client *client, CURLcode code)
{
    long connects = 1;

    if (code == CURLE_UNSUPPORTED_PROTOCOL)
        curl_easy_getinfo(client->easy, CURLINFO_NUM_CONNECTS, &connects);
    client->afresh = client->stray || connects == 0;
    return client->afresh;
}

/* An attempt that the peer may be busy with still: there is no answer, or one of something between that did not wait for it. */
static bool may_go_on(bool answered, CURLcode code, long status)
{
    return answered ? status == 408 || status == 502 || status == 504
                    : code != CURLE_COULDNT_CONNECT && code != CURLE_COULDNT_RESOLVE_HOST;
}

/* Does the answer pass by itself? A conflict with an attempt before does once the peer has done with that, for which it has as long as
 * for a request; after that it is one with something else. A run that was killed may have made that attempt: it was so before this
 * one began. */
static bool will_pass(const struct http_client *client, const struct http_request *request, long status)
{
    int64_t now = cdc_clock_ms();
    bool busy = now < client->busy_until || now < client->shared->busy_until;

    return is_overload(status) || (status == 409 && request->has_id && busy);
}

static enum http_outcome send_until_answered(struct http_client *client, const struct http_request *request,
                                             long *status, struct cdc_error *error)
{
    for (;;) {
        CURLcode code = CURLE_OK;
        int going_on;
        char why[400];
        if (attempt(client, request, &code, status, error) != 0)
            return HTTP_GAVE_UP;
        bool answered = is_answered(client, request, code, *status);
        if (answered && (!will_pass(client, request, *status) || is_lasting(client, request))) {
            if (!is_refused_packed(client, *status))
                return finish(client, request, *status);
            client->plain = true;
            continue;
        }
        if (!answered && is_rest_of_another(client, code))
            continue;
        if (!answered && lasting_error(client, code, error) != 0)
            return HTTP_GAVE_UP;
        if (!answered && code == CURLE_OPERATION_TIMEDOUT && request->timeout == 0)
            be_patient(client);
        if (may_go_on(answered, code, *status))
            note_busy(client);
        say_why(client, answered, code, *status, why, sizeof why);
        bool elsewhere = request->node == 0 && (!answered || *status >= 500) && move_on(client, answered, why);
        if (request->once)
            return HTTP_NOT_NOW;
        if (!elsewhere &&
            http_client_wait(client, &client->retry, answered ? retry_after_ms(client) : 0, why, error) != 0)
            return HTTP_GAVE_UP;
        if (request->again != NULL && (going_on = request->again(request->again_context, error)) != 0)
            return going_on < 0 ? HTTP_GAVE_UP : HTTP_NOT_NOW;
    }
}

enum http_outcome http_client_send(struct http_client *client, const struct http_request *request, long *status,
                                   struct cdc_error *error)
{
    /* --retry-max counts the attempts of each request anew. */
    cdc_retry_init(&client->retry, client->context->settings->retry_max);
    client->tried = 0;
    enum http_outcome outcome = send_until_answered(client, request, status, error);
    client->plain = false;
    client->busy_until = 0;
    return outcome;
}

bool http_client_speaks_wrongly(const struct http_client *client, long status)
{
    /* nginx says the first two of a certificate, and the third of a request without TLS, as Go and Apache do after it. */
    static const char *const says[] = {"No required SSL certificate was sent", "The SSL certificate error",
                                       "The plain HTTP request was sent to HTTPS port",
                                       "Client sent an HTTP request to an HTTPS server",
                                       "speaking plain HTTP to an SSL-enabled server"};
    const struct cdc_buf *answer = &client->response;

    for (size_t i = 0; status == 400 && answer->len > 0 && i < sizeof says / sizeof says[0]; i++)
        if (memmem(answer->data, answer->len, says[i], strlen(says[i])) != NULL)
            return true;
    return false;
}

int http_client_refused(struct http_client *client, long status, struct cdc_error *error)
{
    const char *url = client->peer.shown;
    char text[300];

    http_client_excerpt(client, text, sizeof text);
    if (status == 401 || status == 403 || status == 407) {
        cdc_error_set(error, CDC_EXIT_PERMISSION, "%s: HTTP status %ld: %s", url, status, text);
        return cdc_error_hint(error, "check --user and CDC_HTTP_PASSWORD, and what that user may do");
    }
    if (http_client_speaks_wrongly(client, status)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: HTTP status %ld: %s", url, status, text);
        return cdc_error_hint(error, "the server wants a certificate (--cert, --key), or a URL with https");
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
