/* SPDX-License-Identifier: MIT */
/* The sink of HTTP, from its lines to the documents of an index and to a webhook, where any one call fails, and any one request:
 * against a server in this program, which knows as much of an index as the sink asks for. */
#include <curl/curl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "connectors/http/client/batch.h"
#include "connectors/http/http.h"
#include "tests/unit/random-source.h"
#include "tests/unit/failing-calls.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

#if MEMORY_CAN_FAIL
/* Our waits take no time: the clock goes on by them. Those of libcurl are its own. */
static _Atomic int64_t passed_ms;

static int poll_at_once(const void *caller, struct pollfd *pollers, nfds_t n, int timeout_ms)
{
    if (!memory_is_ours(caller) || timeout_ms < 0)
        return (int)syscall(SYS_poll, pollers, n, timeout_ms);
    int ready = (int)syscall(SYS_poll, pollers, n, 0);
    if (ready == 0)
        passed_ms += timeout_ms;
    return ready;
}

int poll(struct pollfd *pollers, nfds_t n, int timeout_ms)
{
    return poll_at_once(__builtin_return_address(0), pollers, n, timeout_ms);
}

int __poll_chk(struct pollfd *pollers, nfds_t n, int timeout_ms, size_t size);
int __poll_chk(struct pollfd *pollers, nfds_t n, int timeout_ms, size_t size)
{
    (void)size;
    return poll_at_once(__builtin_return_address(0), pollers, n, timeout_ms);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (memory_is_ours(__builtin_return_address(0)) && clock == CLOCK_MONOTONIC) {
        int64_t ns = now->tv_nsec + passed_ms % 1000 * 1000000;
        now->tv_sec += passed_ms / 1000 + ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return result;
}

/* What is left of libcurl's own memory is its own to test. */
#define CURL_NULL(name, type, parameters, arguments)                                                                   \
    type name parameters                                                                                               \
    {                                                                                                                  \
        static type(*call) parameters;                                                                                 \
        if (call == NULL)                                                                                              \
            *(void **)&call = true_call(#name);                                                                        \
        return FAILS(ENOMEM) ? NULL : call arguments;                                                                  \
    }
CURL_NULL(curl_easy_init, CURL *, (void), ())
CURL_NULL(curl_multi_init, CURLM *, (void), ())
CURL_NULL(curl_url, CURLU *, (void), ())
CURL_NULL(curl_slist_append, struct curl_slist *, (struct curl_slist * list, const char *text), (list, text))
#endif

#include "tests/unit/fake-index.h"

/* -- a run ------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[4][64];
    static unsigned next;
    char *one = path[next++ % 4];
    snprintf(one, sizeof path[0], "%s/%s", dir, name);
    return one;
}

static enum http_mode mode = HTTP_MODE_ELASTICSEARCH;
static enum http_webhook_format format;
static const char *on_error = "stop";

static int64_t retries = 2, at_once = 1;

static int deliver(struct cdc_error *error)
{
    FILE *file = fopen(path_of("input"), "w");
    check(file != NULL && fwrite(input.data, 1, input.len, file) == input.len && fclose(file) == 0,
          "the lines are written");
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_log log = {0};
    char text[128], journal[64], ids[64];
    const char *headers[] = {"X-Extra: yes"};
    snprintf(text, sizeof text, "http://me:s%%40cret@127.0.0.1:%d%s", server.port,
             mode == HTTP_MODE_ELASTICSEARCH ? "" : "/hook");
    snprintf(journal, sizeof journal, "%s", path_of("o.moves"));
    snprintf(ids, sizeof ids, "%s", path_of("o.indexes"));
    struct cdc_sink_settings loop = {.input_fd =
                                         (int)syscall(SYS_openat, AT_FDCWD, path_of("input"), O_RDONLY | O_CLOEXEC),
                                     .max_line = 1 << 20,
                                     .batch_events = 4,
                                     .batch_ms = 100000,
                                     .on_error = on_error,
                                     .retry_max = retries,
                                     .tool = "cdc-sink-http"};
    struct http_url url = {.local = false};
    struct http_sink *sink = NULL;
    int result = -1;

    memory_begin();
    struct cdc_offset_file *offsets = cdc_offset_file_open(path_of("o"), "cdc-sink-http", error);
    if (offsets != NULL && http_url_split(text, &url, error) == 0) {
        struct http_node node = {url.clean, url.shown, url.user, url.password, url.local};
        struct http_settings settings = {.mode = mode,
                                         .webhook_format = format,
                                         .peer = {.nodes = &node, .n_nodes = 1, .headers = {headers, 1}, .timeout = 30},
                                         .index = "{table}",
                                         .batch_bytes = 100000,
                                         .batch_events = 3,
                                         .requests = at_once,
                                         .key_changes_path = journal,
                                         .index_ids_path = ids};
        if (url.clean[strlen(url.clean) - 1] == '/')
            url.clean[strlen(url.clean) - 1] = '\0';
        sink = http_sink_open(&settings, error);
        if (sink != NULL)
            result = cdc_sink_run(&http_sink_ops, sink, &loop, offsets, &control, &log, error);
    }
    http_sink_free(sink);
    http_url_free(&url);
    cdc_offset_file_free(offsets);
    memory_end();
    close(loop.input_fd);
    return result;
}

/* -- an index ---------------------------------------------------------------------------- */

#define T_SCHEMA SCHEMA(COLUMN("id", "integer") "," COLUMN("name", "text") "," COLUMN("big", "text"), "\"id\"")

static json_t *first_indexes;
static struct cdc_buf first_files[3];
static const char *const files[3] = {"o", "o.moves", "o.indexes"};

static void first_lines(void)
{
    begin_lines(100);
    line("schema", "t", T_SCHEMA);
    for (int i = 1; i <= 5; i++) {
        char members[256];
        snprintf(members, sizeof members, ROW("{\"id\":%d}", "null", "{\"id\":%d,\"name\":\"n%d\",\"big\":\"b%d\"}"), i,
                 i, i, i);
        line("c", "t", members);
    }
    line("schema", "g", SCHEMA(COLUMN("id", "integer"), "\"id\""));
    line("c", "g", ROW("{\"id\":1}", "null", "{\"id\":1}"));
    line("c", "g", ROW("{\"id\":2}", "null", "{\"id\":2}"));
    commit();
}

/* Changes of each kind; columns that the log omits are taken from the documents, also of rows that change their key twice. */
static void more_lines(void)
{
    begin_lines(200);
    line("schema", "t", T_SCHEMA);
    line("c", "t", ROW("{\"id\":6}", "null", "{\"id\":6,\"name\":\"n6\",\"big\":\"b6\"}"));
    line("u", "t", ROW("{\"id\":1}", "null", "{\"id\":1,\"name\":\"again\"}") ",\"unchanged\":[\"big\"]");
    line("u", "t", ROW("{\"id\":12}", "{\"id\":2}", "{\"id\":12,\"name\":\"moved\"}") ",\"unchanged\":[\"big\"]");
    line("u", "t", ROW("{\"id\":22}", "{\"id\":12}", "{\"id\":22,\"name\":\"twice\"}") ",\"unchanged\":[\"big\"]");
    line("d", "t", ROW("{\"id\":3}", "{\"id\":3}", "null"));
    line("u", "t",
         ROW("{\"id\":14}", "{\"id\":4,\"name\":\"n4\",\"big\":\"b4\"}",
             "{\"id\":14,\"name\":\"full\"}") ",\"unchanged\":[\"big\"]");
    line("u", "t", ROW("{\"id\":3}", "{\"id\":5}", "{\"id\":3,\"name\":\"n5\",\"big\":\"new\"}"));
    commit();
    line("schema", "g", SCHEMA(COLUMN("id", "integer"), "\"id\""));
    line("t", "g", "\"key\":null");
    line("c", "g", ROW("{\"id\":3}", "null", "{\"id\":3}"));
    commit();
    line("schema", "new", SCHEMA(COLUMN("a", "text") "," COLUMN("b", "integer"), "\"a\",\"b\""));
    line("c", "new", ROW("{\"a\":\"x,y\",\"b\":7}", "null", "{\"a\":\"x,y\",\"b\":7}"));
    line("u", "new", ROW("{\"a\":\"x,y\",\"b\":7}", "null", "{\"a\":\"x,y\",\"b\":7}"));
    commit();
}

static void read_file(const char *name, struct cdc_buf *content)
{
    FILE *file = fopen(path_of(name), "r");
    for (int c; file != NULL && (c = getc(file)) != EOF;)
        cdc_buf_byte(content, (char)c);
    if (file != NULL)
        fclose(file);
}

static void write_file(const char *name, const struct cdc_buf *content)
{
    unlink(path_of(name));
    FILE *file = content->cap > 0 ? fopen(path_of(name), "w") : NULL;
    if (file != NULL && content->len > 0)
        check(fwrite(content->data, 1, content->len, file) == content->len, name);
    if (file != NULL)
        fclose(file);
}

static void begin(void)
{
    pthread_mutex_lock(&server.lock);
    json_decref(server.indexes);
    server.indexes = json_deep_copy(first_indexes);
    server.requests = server.made = 0;
    server.posts.len = 0;
    server.scrolled = false;
    pthread_mutex_unlock(&server.lock);
    for (int i = 0; i < 3; i++)
        write_file(files[i], &first_files[i]);
}

static void append_content(struct cdc_buf *out)
{
    const char *name, *id;
    json_t *index, *doc;
    struct cdc_offset offset = {0};
    struct cdc_error error = {0};

    json_object_foreach(server.indexes, name, index)
    {
        char *meta = json_dumps(json_object_get(index, "meta"), JSON_COMPACT | JSON_SORT_KEYS);
        cdc_buf_printf(out, "%s %s\n", name, meta);
        free(meta);
        for (int i = 0; i < 30; i++) {
            char key[12];
            snprintf(key, sizeof key, "%d", i);
            if ((doc = json_object_get(json_object_get(index, "docs"), key)) == NULL ||
                !json_is_object(json_object_get(doc, "source")))
                continue;
            char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
            cdc_buf_printf(out, "  %s %s\n", key, text);
            free(text);
        }
        json_object_foreach(json_object_get(index, "docs"), id, doc) if (atoi(id) == 0)
        {
            char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
            cdc_buf_printf(out, "  %s %s\n", id, text);
            free(text);
        }
    }
    if (cdc_offset_read(path_of("o"), "n", &offset, &error) == 1)
        cdc_buf_printf(out, "offset %s %d\n", offset.pos, (int)offset.lines);
    cdc_offset_free(&offset);
}

/* By hand: what the lines above come to. */
static const char expected[] = "t {\"cdc\":{\"db\":\"d\",\"name\":\"n\",\"schema\":\"public\",\"table\":\"t\"}}\n"
                               "  1 {\"source\":{\"big\":\"b1\",\"id\":1,\"name\":\"again\"},\"version\":200}\n"
                               "  3 {\"source\":{\"big\":\"new\",\"id\":3,\"name\":\"n5\"},\"version\":200}\n"
                               "  6 {\"source\":{\"big\":\"b6\",\"id\":6,\"name\":\"n6\"},\"version\":200}\n"
                               "  14 {\"source\":{\"big\":\"b4\",\"id\":14,\"name\":\"full\"},\"version\":200}\n"
                               "  22 {\"source\":{\"big\":\"b2\",\"id\":22,\"name\":\"twice\"},\"version\":200}\n"
                               "g {\"cdc\":{\"db\":\"d\",\"name\":\"n\",\"schema\":\"public\",\"table\":\"g\"}}\n"
                               "  3 {\"source\":{\"id\":3},\"version\":201}\n"
                               "new {\"cdc\":{\"db\":\"d\",\"name\":\"n\",\"schema\":\"public\",\"table\":\"new\"}}\n"
                               "  x%2Cy,7 {\"source\":{\"a\":\"x,y\",\"b\":7},\"version\":202}\n"
                               "offset 00000202.99999999 18\n";

static bool is_done(void)
{
    struct cdc_buf found = CDC_BUF_INIT;
    pthread_mutex_lock(&server.lock);
    append_content(&found);
    bool same = cdc_span_is(cdc_span(found.data, found.len), expected);
    if (!same)
        printf("# found\n%.*s", (int)found.len, found.data);
    if (strcmp(server.authorization, "Basic bWU6c0BjcmV0") != 0 || strcmp(server.extra, "yes") != 0)
        same = false, printf("# %s, %s\n", server.authorization, server.extra);
    pthread_mutex_unlock(&server.lock);
    cdc_buf_free(&found);
    return same;
}

static bool first_is_done(void)
{
    return json_object_size(json_object_get(json_object_get(server.indexes, "t"), "docs")) == 5 &&
           json_object_size(json_object_get(json_object_get(server.indexes, "g"), "docs")) == 2;
}

/* -- any one request goes wrong ------------------------------------------------------------ */

static void sweep_requests(const char *what, const bool *troubles, bool done(void))
{
    struct cdc_error error = {0};
    unsigned wrong = 0, tried = 0;

    begin();
    check(deliver(&error) == 0 && done() && !server.scrolled, what);
    unsigned n = server.requests;
    for (int trouble = 1; trouble < TROUBLES; trouble++)
        for (unsigned i = 0; troubles[trouble] && i < 2 * n; i++) {
            unsigned at = i / 2 + 1;
            bool lasts = i % 2 == 1; /* then the work cannot be done, and nothing of it counts as done */
            begin();
            set_trouble((enum trouble)trouble, at, lasts ? UINT32_MAX : at);
            memset(&error, 0, sizeof error);
            retries = lasts ? 0 : 2; /* each of them takes its time */
            int result = deliver(&error);
            retries = 2;
            bool good = result == 0              ? error.status == 0 && done()
                        : trouble == HALF_ANSWER ? error.status == CDC_EXIT_PROTOCOL
                        : trouble == TOO_LARGE /* one document alone, or deletes */
                            ? error.status == CDC_EXIT_DATA || error.status == CDC_EXIT_PROTOCOL
                            : passes_by(error.status);
            set_trouble(NO_TROUBLE, 0, 0);
            struct cdc_error again = {0};
            bool repaired = deliver(&again) == 0 && done();
            tried++;
            wrong += !good || !repaired;
            if (!good || !repaired)
                printf("not ok - %s: request %u of %u, trouble %d%s: result %d, status %d %s; again: %s\n", what, at, n,
                       trouble, lasts ? " from then on" : "", result, error.status, error.text, again.text);
        }
    failures += wrong != 0;
    if (wrong == 0)
        printf("ok - %s: any of %u requests may fail (%u times)\n", what, n, tried);
}

static void test_index(void)
{
    static const bool troubles[TROUBLES] = {
        [BUSY] = true,        [TOO_MANY] = true,  [NO_ANSWER] = true, [LOST_ANSWER] = true,
        [HALF_ANSWER] = true, [ITEM_BUSY] = true, [LAST_BUSY] = true, [TOO_LARGE] = true};
    struct cdc_error error = {0};

    mode = HTTP_MODE_ELASTICSEARCH;
    first_indexes = json_object();
    first_lines();
    failures += calls_sweep(&(struct calls_case){"new indexes", begin, deliver, first_is_done, NULL}) != 0;
    begin();
    check(deliver(&error) == 0 && first_is_done(), "the first lines");
    json_decref(first_indexes);
    first_indexes = json_deep_copy(server.indexes);
    for (int i = 0; i < 3; i++)
        read_file(files[i], &first_files[i]);
    more_lines();
    failures += calls_sweep(&(struct calls_case){"an index", begin, deliver, is_done, NULL}) != 0;
    sweep_requests("an index", troubles, is_done);
    at_once = 2;
    failures += calls_sweep(&(struct calls_case){"an index, two at once", begin, deliver, is_done, NULL}) != 0;
    sweep_requests("an index, two at once", troubles, is_done);
    at_once = 1;
}

static void long_key(int i, char key[172])
{
    snprintf(key, 172, "%0159d%d", 0, i);
}

static bool long_keys_are_done(void)
{
    bool done = true;
    for (int i = 1; i <= 3; i++) {
        char key[172];
        long_key(i, key);
        json_t *source = json_object_get(json_object_get(json_object_get(index_of("t", false), "docs"), key), "source");
        const char *name = json_string_value(json_object_get(source, "name"));
        const char *big = json_string_value(json_object_get(source, "big"));
        done = done && name && strcmp(name, "again") == 0 && big && big[0] == 'b' && big[1] == '0' + i;
    }
    return done;
}

static void change_long_keys(void)
{
    begin_lines(200);
    line("schema", "t", T_SCHEMA);
    for (int i = 1; i <= 3; i++) {
        char key[172], members[600];
        long_key(i, key);
        snprintf(members, sizeof members,
                 ROW("{\"id\":\"%s\"}", "null", "{\"id\":\"%s\",\"name\":\"again\"}") ",\"unchanged\":[\"big\"]", key,
                 key);
        line("u", "t", members);
    }
    commit();
}

/* What asks for the documents is longer than all that was sent before, and takes memory of its own; so do the
 * columns that the lines lack. */
static void test_long_keys(void)
{
    struct cdc_error error = {0};
    json_decref(first_indexes);
    first_indexes = json_object();
    begin_lines(100);
    line("schema", "t", T_SCHEMA);
    for (int i = 1; i <= 3; i++) {
        char key[172], members[600];
        long_key(i, key);
        snprintf(members, sizeof members,
                 ROW("{\"id\":\"%s\"}", "null", "{\"id\":\"%s\",\"name\":\"n\",\"big\":\"b%d\"}"), key, key, i);
        line("c", "t", members);
        cdc_buf_free(&first_files[i - 1]);
    }
    commit();
    begin();
    check(deliver(&error) == 0, "rows with long keys");
    json_decref(first_indexes);
    first_indexes = json_deep_copy(server.indexes);
    for (int i = 0; i < 3; i++)
        read_file(files[i], &first_files[i]);
    change_long_keys();
    failures += calls_sweep(&(struct calls_case){"long keys", begin, deliver, long_keys_are_done, NULL}) != 0;
}

/* A peer that takes no more than so many bytes: the documents that fit are there, one that is larger is refused alone. */
static void test_limit(void)
{
    char members[600];

    json_decref(first_indexes);
    first_indexes = json_object();
    for (int i = 0; i < 3; i++)
        cdc_buf_free(&first_files[i]);
    begin_lines(100);
    line("schema", "t", T_SCHEMA);
    for (int i = 1; i <= 3; i++) {
        snprintf(members, sizeof members, ROW("{\"id\":%d}", "null", "{\"id\":%d,\"big\":\"%0*d\"}"), i, i,
                 i == 3 ? 400 : 20, 0);
        line("c", "t", members);
    }
    commit();
    for (int stop = 0; stop < 2; stop++) {
        struct cdc_error error = {0};
        begin();
        server.limit = 350;
        on_error = stop ? "stop" : "skip";
        int result = deliver(&error);
        json_t *docs = json_object_get(index_of("t", false), "docs");
        check(result == -stop && error.status == (stop ? CDC_EXIT_DATA : 0), "a document that is too large");
        check(json_object_size(docs) == 2 && json_object_get(docs, "3") == NULL, "those that are not");
    }
    server.limit = 0;
    on_error = "stop";
}

static void test_batch(void)
{
    struct http_batch batch = {.n = 0};
    struct cdc_error error = {0};
    struct cdc_span text = cdc_span_text("0123456789");

    check(http_batch_init(&batch, 3, 15, &error) == 0, "a batch");
    check(!http_batch_lacks_room(&batch, cdc_span("0123456789012345", 16)), "a line of any size, alone");
    check(http_batch_add(&batch, text, 7, &error) == 0 && !http_batch_is_full(&batch), "a line");
    check(http_batch_lacks_room(&batch, cdc_span(text.p, 5)) && !http_batch_lacks_room(&batch, cdc_span(text.p, 4)),
          "up to its most bytes");
    check(http_batch_add(&batch, cdc_span("", 0), 8, &error) == 0 && !http_batch_is_full(&batch), "an empty one");
    check(cdc_span_is(http_batch_line(&batch, 0), "0123456789") && http_batch_line(&batch, 1).n == 0, "as they were");
    check(http_batch_add(&batch, cdc_span("", 0), 9, &error) == 0 && http_batch_is_full(&batch), "full by lines");
    http_batch_clear(&batch);
    check(http_batch_add(&batch, cdc_span("01234567890123", 14), 10, &error) == 0 && http_batch_is_full(&batch) &&
              batch.lines[0].number == 10,
          "full by bytes");
    http_batch_free(&batch);
}

/* -- random changes ------------------------------------------------------------------------ */

static void append_documents(struct cdc_buf *out, enum kind kind)
{
    char *lines[64], number_text[12];
    size_t n = 0;
    const char *id;
    json_t *doc;

    json_object_foreach(json_object_get(index_of(tables[kind], false), "docs"), id, doc)
    {
        const json_t *source = json_object_get(doc, "source"), *a = json_object_get(source, "a");
        const char *text[N_COLUMNS];
        if (!json_is_object(source) || n == 64)
            continue;
        snprintf(number_text, sizeof number_text, "%d", (int)json_integer_value(a));
        text[0] = json_is_integer(a) ? number_text : "~";
        for (int i = 1; i < N_COLUMNS; i++) {
            const json_t *member = json_object_get(source, columns[i]);
            text[i] = json_is_null(member) ? "~" : json_is_string(member) ? json_string_value(member) : "?";
        }
        if (asprintf(&lines[n], "%s|%s|%s|%s", text[0], text[1], text[2], text[3]) >= 0)
            n++;
    }
    append_sorted(out, lines, n);
}

static bool documents_are_the_rows(unsigned run)
{
    bool all = true;
    pthread_mutex_lock(&server.lock);
    for (int kind = 0; kind < n_kinds; kind++) {
        struct cdc_buf wanted = CDC_BUF_INIT, found = CDC_BUF_INIT;
        append_model(&wanted, (enum kind)kind);
        append_documents(&found, (enum kind)kind);
        bool same = cdc_span_equal(cdc_span(wanted.data, wanted.len), cdc_span(found.data, found.len));
        if (!same)
            printf("not ok - run %u, index %s, wanted\n%.*sfound\n%.*slines\n%.*s", run, tables[kind], (int)wanted.len,
                   wanted.data, (int)found.len, found.data, (int)input.len, input.data);
        all &= same;
        cdc_buf_free(&wanted);
        cdc_buf_free(&found);
    }
    pthread_mutex_unlock(&server.lock);
    return all;
}

/* Documents are the rows of the source, whatever goes wrong in between. */
static void test_random(void)
{
    unsigned run = 0;
    n_kinds = KEYLESS;
    late_keys = false;
    mode = HTTP_MODE_ELASTICSEARCH;
    json_decref(first_indexes);
    first_indexes = json_object();
    for (int i = 0; i < 3; i++)
        cdc_buf_free(&first_files[i]);
    begin();
    begin_lines(1000);
    for (; run < 40 && failures == 0; run++) {
        struct cdc_error error = {0};
        if (below(3) > 0)
            begin_lines(transaction);
        append_changes();
        int result = -1;
        for (int tries = 0; result != 0 && tries < 8; tries++) {
            error = (struct cdc_error){0};
            server.trouble_at = server.trouble_until = below(3) == 0 ? server.requests + 1 + below(12) : 0;
            server.trouble = (enum trouble)below(TROUBLES);
            at_once = 1 + below(4);
            result = deliver(&error);
        }
        at_once = 1;
        check(result == 0, error.text);
        failures += !documents_are_the_rows(run);
    }
    if (failures == 0)
        printf("ok - an index: %u runs of random changes\n", run);
}

/* -- a webhook -------------------------------------------------------------------------------- */

/* Each change, in the order in which they came last. */
static bool posts_are_there(void)
{
    const char *at = server.posts.data, *end = at + server.posts.len;
    for (int i = 1; i <= 7; i++) {
        char text[32];
        const char *found = NULL;
        snprintf(text, sizeof text, "\"n%d\"", i);
        for (const char *p = at; p < end && (p = memmem(p, (size_t)(end - p), text, strlen(text))) != NULL; p++)
            found = p;
        if (i == 4 && server.refuse != NULL ? found != NULL : found == NULL) {
            printf("# %s is not there as it should be: %.*s\n", text, (int)server.posts.len, server.posts.data);
            return false;
        }
        at = found != NULL ? found : at;
    }
    return server.posts.data[server.posts.len - 1] == '\n';
}

static const char *posts;
static bool posts_are(void)
{
    bool same = cdc_span_is(cdc_span(server.posts.data, server.posts.len), posts);
    if (!same)
        printf("# wanted\n%s# found\n%.*s", posts, (int)server.posts.len, server.posts.data);
    return same;
}

static void hook_lines(void)
{
    begin_lines(300);
    line("schema", "t", SCHEMA(COLUMN("id", "integer"), "\"id\""));
    for (int i = 1; i <= 7; i++) {
        char members[64];
        snprintf(members, sizeof members, "\"after\":{\"v\":\"n%d\"}", i);
        line("c", "t", members);
        if (i == 5)
            commit();
    }
    commit();
}

static void test_webhook(void)
{
    static const bool troubles[TROUBLES] = {[BUSY] = true, [TOO_MANY] = true, [NO_ANSWER] = true, [LOST_ANSWER] = true};
    static const bool too_large[TROUBLES] = {[TOO_LARGE] = true};
    struct cdc_error error = {0};

    for (int i = 0; i < 3; i++)
        cdc_buf_free(&first_files[i]);
    hook_lines();
    for (int i = 0; i < 3; i++) {
        mode = HTTP_MODE_WEBHOOK;
        format = i == 0 ? HTTP_WEBHOOK_EVENT : i == 1 ? HTTP_WEBHOOK_NDJSON : HTTP_WEBHOOK_ARRAY;
        sweep_requests(i == 0   ? "a webhook"
                       : i == 1 ? "a webhook of lines"
                                : "a webhook of arrays",
                       troubles, posts_are_there);
        if (format != HTTP_WEBHOOK_EVENT)
            sweep_requests("a webhook that takes less", too_large, posts_are_there);
        at_once = format == HTTP_WEBHOOK_EVENT ? 3 : 1;
        if (at_once > 1)
            sweep_requests("a webhook, three at once", troubles, posts_are_there);
        /* One line that it does not take, and the others with it. */
        server.refuse = "n4";
        on_error = "skip";
        begin();
        check(deliver(&error) == 0 && posts_are_there(), "all but a refused line");
        on_error = "stop";
        begin();
        error = (struct cdc_error){0};
        check(deliver(&error) != 0 && error.status == CDC_EXIT_DATA &&
                  memmem(server.posts.data, server.posts.len, "n5", 2) == NULL,
              "a refused line, and nothing after it");
        server.refuse = NULL;
        at_once = 1;
    }
    failures += calls_sweep(&(struct calls_case){"a webhook of arrays", begin, deliver, posts_are_there, NULL}) != 0;
    begin_lines(7);
    line("c", "t", "\"after\":{\"v\":\"n1\"}");
    line("m", "t", "\"after\":{\"v\":\"n%\"}");
    commit();
#define HOOKED(op, n, what)                                                                                            \
    "{\"op\":\"" op "\",\"pos\":\"00000007.0000000" n                                                                  \
    "\",\"seq\":7,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"schema\":\"public\","         \
    "\"table\":\"t\"},"                                                                                                \
    "\"after\":{\"v\":\"" what "\"}}"
    posts = "n/00000007.00000001..00000007.00000002 [" HOOKED("c", "1", "n1") "," HOOKED("m", "2", "n%") "]\n";
    begin();
    check(deliver(&error) == 0 && posts_are(), "an array, and its id");
    format = HTTP_WEBHOOK_NDJSON;
    posts = "n/00000007.00000001..00000007.00000002 " HOOKED("c", "1", "n1") "\n" HOOKED("m", "2", "n%") "\n\n";
    begin();
    check(deliver(&error) == 0 && posts_are(), "lines, and their id");
    format = HTTP_WEBHOOK_EVENT;
    posts = "n/00000007.00000001 " HOOKED("c", "1", "n1") "\nn/00000007.00000002 " HOOKED("m", "2", "n%") "\n";
    begin();
    check(deliver(&error) == 0 && posts_are(), "one each, and its id");
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    disk_is_slow = true;
    start_server();
    test_batch();
    test_index();
    test_long_keys();
    test_limit();
    test_random();
    test_webhook();
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - HTTP\n");
    return failures != 0;
}
