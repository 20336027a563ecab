/* SPDX-License-Identifier: MIT */
/* A server in a thread of the program: a little of an index (documents with external versions, mappings, scrolled searches), and a
 * webhook that keeps what it gets. Something can go wrong with each request, counted from the last begin(). Included by one file of a
 * program, after its check(). */
#ifndef FAKE_INDEX_H
#define FAKE_INDEX_H

#include <cdc/buf.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What goes wrong with one request. */
enum trouble {
    NO_TROUBLE,
    BUSY,        /* 503, and it is not done */
    TOO_MANY,    /* 429 */
    NO_ANSWER,   /* closed, and it is not done */
    LOST_ANSWER, /* it is done, and closed */
    HALF_ANSWER, /* it is done, and its answer ends too early, though it is as long as it says */
    ITEM_BUSY,   /* the first item, document or shard cannot be reached now */
    LAST_BUSY,   /* the last one */
    TOO_LARGE,   /* 413, of what brings documents */
    TROUBLES
};

static struct {
    pthread_mutex_t lock;
    int fd, port;
    json_t *indexes; /* {"t":{"uuid":"t-1","meta":{...},"docs":{"1":{"version":5,"source":{...}|null}}}} */
    unsigned made;   /* indexes so far */
    bool scrolled;
    unsigned requests, trouble_at, trouble_until; /* the last request with trouble */
    size_t limit;                                 /* bytes of a body that brings documents; 0: any */
    enum trouble trouble;
    struct cdc_buf posts;   /* bodies of the webhook, each with its id */
    const char *refuse;     /* a body with that text is refused */
    char authorization[64]; /* of the last request */
    char extra[64];
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct exchange {
    char method[8], path[512], id[256];
    char *body;
    size_t n;
    int status;
    json_t *answer; /* NULL: of no bytes */
    enum trouble trouble;
};

static json_t *error_of(const char *type)
{
    return json_pack("{s:{s:s,s:s}}", "error", "type", type, "reason", "so");
}

static json_t *index_of(const char *name, bool make)
{
    char uuid[32];
    json_t *index = json_object_get(server.indexes, name);
    if (index == NULL && make) {
        snprintf(uuid, sizeof uuid, "%s-%u", name, ++server.made);
        index = json_pack("{s:s,s:{},s:{}}", "uuid", uuid, "meta", "docs");
        json_object_set_new(server.indexes, name, index);
    }
    return index;
}

/* One action: its status. */
static int act(const json_t *action, const char *what, json_t *source)
{
    const char *id = json_string_value(json_object_get(action, "_id"));
    json_int_t version = json_integer_value(json_object_get(action, "version"));
    json_t *index = index_of(json_string_value(json_object_get(action, "_index")), true);
    json_t *docs = json_object_get(index, "docs"), *doc = json_object_get(docs, id);
    bool there = doc != NULL && json_is_object(json_object_get(doc, "source"));

    check(strcmp(json_string_value(json_object_get(action, "version_type")), "external_gte") == 0,
          "each action has its version");
    if (doc != NULL && json_integer_value(json_object_get(doc, "version")) > version)
        return 409;
    doc = json_pack("{s:I,s:o}", "version", version, "source",
                    strcmp(what, "index") == 0 ? json_incref(source) : json_null());
    json_object_set_new(docs, id, doc);
    return strcmp(what, "index") == 0 ? (there ? 200 : 201) : there ? 200 : 404;
}

static json_t *item_of(const char *what, int status)
{
    return status < 300 || status == 404
               ? json_pack("{s:{s:i}}", what, "status", status)
               : json_pack("{s:{s:i,s:{s:s,s:s}}}", what, "status", status, "error", "type",
                           status == 409 ? "version_conflict_engine_exception" : "busy", "reason", "so");
}

static void bulk(struct exchange *e)
{
    json_t *items = json_array();
    bool errors = false;
    size_t n = 0, all = 0;

    for (char *p = e->body; *p != '\0'; p++)
        all += strncmp(p, "\"version_type\"", 14) == 0;
    for (char *p = e->body, *lf; (lf = strchr(p, '\n')) != NULL; p = lf + 1) {
        json_t *head = json_loadb(p, (size_t)(lf - p), 0, NULL), *source = NULL, *action;
        const char *what;
        check(json_object_size(head) == 1, "an action");
        what = json_object_iter_key(json_object_iter(head));
        action = json_object_iter_value(json_object_iter(head));
        if (strcmp(what, "index") == 0) {
            p = lf + 1;
            lf = strchr(p, '\n');
            check(lf != NULL, "a document follows");
            source = json_loadb(p, (size_t)(lf - p), JSON_REJECT_DUPLICATES, NULL);
            check(json_is_object(source), "a document is an object");
        }
        bool busy = (e->trouble == ITEM_BUSY && n == 0) || (e->trouble == LAST_BUSY && n + 1 == all);
        int status = busy ? 429 : act(action, what, source);
        n++;
        errors |= status >= 300 && status != 404;
        json_array_append_new(items, item_of(what, status));
        json_decref(source);
        json_decref(head);
    }
    e->answer = json_pack("{s:b}", "errors", errors);
    if (strstr(e->path, "items") != NULL)
        json_object_set(e->answer, "items", items);
    json_decref(items);
}

static void mget(struct exchange *e)
{
    json_t *request = json_loadb(e->body, e->n, 0, NULL), *list = json_object_get(request, "docs"), *one,
           *docs = json_array();
    size_t i, n = json_array_size(list);

    json_array_foreach(list, i, one)
    {
        json_t *index = index_of(json_string_value(json_object_get(one, "_index")), false);
        const char *id = json_string_value(json_object_get(one, "_id"));
        json_t *doc = json_object_get(json_object_get(index, "docs"), id), *source = json_object_get(doc, "source");
        json_t *answer = (e->trouble == ITEM_BUSY && i == 0) || (e->trouble == LAST_BUSY && i + 1 == n)
                             ? error_of("no_shard_available_action_exception")
                         : index == NULL          ? error_of("index_not_found_exception")
                         : json_is_object(source) ? json_pack("{s:b,s:O,s:O}", "found", 1, "_version",
                                                              json_object_get(doc, "version"), "_source", source)
                                                  : json_pack("{s:b}", "found", 0);
        json_array_append_new(docs, answer);
    }
    e->answer = json_pack("{s:o}", "docs", docs);
    json_decref(request);
}

static void page(struct exchange *e, json_t *index)
{
    json_t *hits = json_array(), *doc;
    const char *id;

    if (index != NULL)
        json_object_foreach(json_object_get(index, "docs"), id, doc) if (json_is_object(json_object_get(doc, "source")))
            json_array_append_new(hits, json_pack("{s:s}", "_id", id));
    bool failed = e->trouble == ITEM_BUSY || e->trouble == LAST_BUSY;
    server.scrolled = true;
    e->answer = json_pack("{s:s,s:b,s:{s:i}}", "_scroll_id", "scroll", "timed_out", 0, "_shards", "failed", failed);
    if (json_array_size(hits) > 0)
        json_object_set_new(e->answer, "hits", json_pack("{s:O}", "hits", hits));
    json_decref(hits);
}

/* GET /a,b?..., /a/_mapping, /a/_settings/... */
static void describe(struct exchange *e, char *names, bool tolerant)
{
    e->answer = json_object();
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
        json_t *index = index_of(name, false), *meta = json_object_get(index, "meta");
        if (index == NULL) {
            if (!tolerant)
                e->status = 404;
            continue;
        }
        json_object_set_new(e->answer, name,
                            json_pack("{s:{s:O},s:{s:{s:O}}}", "mappings", "_meta", meta, "settings", "index", "uuid",
                                      json_object_get(index, "uuid")));
    }
}

static void put(struct exchange *e, const char *name, bool mapping)
{
    json_t *body = json_loadb(e->body, e->n, 0, NULL), *index = index_of(name, false);
    const json_t *mappings = mapping ? body : json_object_get(body, "mappings");

    if (!mapping && index != NULL) {
        e->status = 400;
        e->answer = error_of("resource_already_exists_exception");
    } else {
        json_object_set(index_of(name, true), "meta", json_object_get(mappings, "_meta"));
        e->answer = json_pack("{s:b}", "acknowledged", 1);
    }
    json_decref(body);
}

static void hook(struct exchange *e)
{
    if (server.refuse != NULL && strstr(e->body, server.refuse) != NULL) {
        e->status = 422;
        return;
    }
    cdc_buf_printf(&server.posts, "%s %.*s\n", e->id, (int)e->n, e->body);
    e->status = 204;
}

static void handle(struct exchange *e)
{
    char *path = e->path + 1, *slash, *query = strchr(path, '?');

    e->status = 200;
    if (strcmp(path, "hook") == 0)
        return hook(e);
    if (strncmp(path, "_bulk", 5) == 0)
        return bulk(e);
    if (strcmp(path, "_mget") == 0)
        return mget(e);
    if (strncmp(path, "_search/scroll", 14) == 0) {
        if (strcmp(e->method, "DELETE") != 0)
            page(e, NULL);
        else
            server.scrolled = false;
        return;
    }
    if (query != NULL)
        *query = '\0';
    if ((slash = strchr(path, '/')) != NULL)
        *slash++ = '\0';
    if (strcmp(e->method, "PUT") == 0)
        put(e, path, slash != NULL);
    else if (strcmp(e->method, "GET") == 0)
        describe(e, path, slash == NULL || strncmp(slash, "_settings", 9) == 0);
    else if (index_of(path, false) == NULL)
        e->status = 404, e->answer = error_of("index_not_found_exception");
    else if (strcmp(slash, "_refresh") == 0)
        e->answer = json_pack("{s:{s:i}}", "_shards", "failed", e->trouble == ITEM_BUSY || e->trouble == LAST_BUSY);
    else
        page(e, index_of(path, false));
}

static void header_of(const char *head, const char *name, char *out, size_t size)
{
    const char *found = strcasestr(head, name);
    out[0] = '\0';
    if (found != NULL)
        snprintf(out, size, "%.*s", (int)strcspn(found + strlen(name), "\r\n"), found + strlen(name));
}

static bool receive(int fd, struct exchange *e, struct cdc_buf *in)
{
    char length[32], *end = NULL;

    while (cdc_buf_room(in, 65536)) {
        ssize_t n = recv(fd, in->data + in->len, 65535, 0);
        if (n <= 0)
            return false;
        in->len += (size_t)n;
        in->data[in->len] = '\0';
        if ((end = strstr(in->data, "\r\n\r\n")) == NULL)
            continue;
        header_of(in->data, "\r\nContent-Length: ", length, sizeof length);
        e->body = end + 4;
        e->n = strtoul(length, NULL, 10);
        if (in->len >= (size_t)(e->body - in->data) + e->n)
            break;
    }
    header_of(in->data, "\r\nwebhook-id: ", e->id, sizeof e->id);
    header_of(in->data, "\r\nAuthorization: ", server.authorization, sizeof server.authorization);
    header_of(in->data, "\r\nX-Extra: ", server.extra, sizeof server.extra);
    return sscanf(in->data, "%7s %511s", e->method, e->path) == 2;
}

static void answer(int fd, struct exchange *e)
{
    struct cdc_buf out = CDC_BUF_INIT;
    char *text = e->answer != NULL ? json_dumps(e->answer, JSON_COMPACT) : NULL;
    size_t n = text != NULL ? strlen(text) : 0;

    if (e->trouble == HALF_ANSWER)
        n /= 2;
    cdc_buf_printf(
        &out, "HTTP/1.1 %d x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%.*s",
        e->status, n, (int)n, text != NULL ? text : "");
    if (e->trouble != NO_ANSWER && e->trouble != LOST_ANSWER)
        (void)!send(fd, out.data, out.len, MSG_NOSIGNAL);
    cdc_buf_free(&out);
    free(text);
    json_decref(e->answer);
}

static void *serve(void *unused)
{
    (void)unused;
    for (int fd; (fd = accept(server.fd, NULL, NULL)) >= 0; close(fd)) {
        struct cdc_buf in = CDC_BUF_INIT;
        struct exchange e = {.status = 200};
        pthread_mutex_lock(&server.lock);
        if (receive(fd, &e, &in)) {
            server.requests++;
            bool troubled = server.trouble_at > 0 && server.requests >= server.trouble_at &&
                            server.requests <= server.trouble_until;
            e.trouble = troubled ? server.trouble : NO_TROUBLE;
            if (e.trouble == TOO_LARGE && strncmp(e.path, "/_bulk", 6) != 0 && strcmp(e.path, "/hook") != 0)
                e.trouble = NO_TROUBLE;
            if (server.limit > 0 && strncmp(e.path, "/_bulk", 6) == 0 && e.n > server.limit)
                e.trouble = TOO_LARGE;
            if (e.trouble == BUSY || e.trouble == TOO_MANY || e.trouble == TOO_LARGE)
                e.status = e.trouble == BUSY ? 503 : e.trouble == TOO_MANY ? 429 : 413;
            else if (e.trouble != NO_ANSWER)
                handle(&e);
            answer(fd, &e);
        }
        cdc_buf_free(&in);
        pthread_mutex_unlock(&server.lock);
    }
    return NULL;
}

static void start_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    pthread_t thread;

    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(server.fd, (struct sockaddr *)&address, n) == 0 && listen(server.fd, 16) == 0 &&
              getsockname(server.fd, (struct sockaddr *)&address, &n) == 0,
          "a server");
    server.port = ntohs(address.sin_port);
    check(pthread_create(&thread, NULL, serve, NULL) == 0, "its thread");
}

/* With those requests, counted from 1; 0: with none. It may still be at the last one. */
static void set_trouble(enum trouble trouble, unsigned from, unsigned until)
{
    pthread_mutex_lock(&server.lock);
    server.trouble = trouble;
    server.trouble_at = from;
    server.trouble_until = until;
    pthread_mutex_unlock(&server.lock);
}

#endif
