/* SPDX-License-Identifier: MIT */
/* cdc-sink-http: change events from stdin to a search index or a webhook. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/http/http.h"
#include "cmd/program/options.h"
#include "cmd/program/program.h"

#include <cdc/file.h>

#define INDEX_DEFAULT "{schema}-{table}"

struct options {
    bool webhook, elasticsearch, deny_private, new_cluster, gzip;
    const char *format, *index, *alias, *data_stream, *user, *ca, *cert, *key, *sign, *header_file;
    struct cdc_option_list headers, mappings, routing, pipelines;
    int64_t batch_bytes, requests;
    double timeout;
    struct sink_options sink;
};

#define AT(member) offsetof(struct options, member)
static const struct cdc_option option_table[] = {
    OPTION_HEADING("Options"),
    OPTION_FLAG(0, "elasticsearch", AT(elasticsearch), "URLs are servers of an Elasticsearch or OpenSearch cluster"),
    OPTION_FLAG(0, "webhook", AT(webhook), "URL takes change lines by POST"),
    OPTION_TEXT("index", AT(index), "PATTERN",
                "name of indexes: {db} {schema} {table} {name} (default {schema}-{table})"),
    OPTION_TEXT("data-stream", AT(data_stream), "PATTERN",
                "keep the history of changes in data streams, and no index of the rows"),
    OPTION_TEXT("alias", AT(alias), "PATTERN", "name that leads to the index once that has caught up"),
    OPTION_LIST(0, "mapping", AT(mappings), "[TABLE:]HOW",
                "fields of indexes: none, auto (by the columns), or a file (repeatable)"),
    OPTION_LIST(0, "routing", AT(routing), "[TABLE:]COLUMN", "the column that chooses a document's shard (repeatable)"),
    OPTION_LIST(0, "pipeline", AT(pipelines), "[TABLE:]NAME", "ingest pipeline that documents go through (repeatable)"),
    OPTION_FLAG(0, "new-cluster", AT(new_cluster), "the cluster at URL takes the place of the one that was filled"),
    OPTION_CHOICE("format", AT(format), "FORMAT", "what a webhook gets in one POST (default event)",
                  "event|ndjson|array|cloudevents|cloudevents-batch"),
    OPTION_TEXT("sign", AT(sign), "FILE", "sign what a webhook gets with the keys in FILE (Standard Webhooks)"),
    OPTION_FLAG(0, "deny-private", AT(deny_private), "connect to no address of a private network or of this machine"),
    OPTION_INTEGER(0, "requests", AT(requests), "N", "requests under way at once (default 1)", 1, 16),
    OPTION_SIZE("batch-bytes", AT(batch_bytes), "send at the latest after that many bytes (default 5M)",
                INT64_C(1) << 30),
    OPTION_FLAG(0, "gzip", AT(gzip), "pack the bodies of requests"),
    OPTION_TEXT("user", AT(user), "USER", "log in; the password is in CDC_HTTP_PASSWORD"),
    OPTION_LIST(0, "header", AT(headers), "'NAME: VALUE'", "a header for every request"),
    OPTION_TEXT("header-file", AT(header_file), "FILE", "further headers, one a line, such as Authorization"),
    OPTION_TEXT("ca", AT(ca), "FILE", "certificates to trust, in place of the machine's"),
    OPTION_TEXT("cert", AT(cert), "FILE", "certificate to show, PEM"),
    OPTION_TEXT("key", AT(key), "FILE", "its key, PEM (default: in the file of --cert)"),
    OPTION_SECONDS("timeout", AT(timeout), "longest time of a request (default 60)"),
    OPTION_END,
};

static int check_headers(const struct cdc_option_list *headers, struct cdc_error *error)
{
    for (size_t i = 0; i < headers->count; i++) {
        const char *text = headers->items[i], *colon = strchr(text, ':');
        /* A line break would smuggle a second header into each request, and a space in the name would make it an
         * invalid one. */
        if (colon == NULL || colon == text || strpbrk(text, "\r\n") != NULL ||
            strcspn(text, " \t") < (size_t)(colon - text))
            return cdc_error_set(error, CDC_EXIT_USAGE,
                                 "a header is 'NAME: VALUE', on one line (--header, --header-file)");
    }
    return 0;
}

#define HEADER_FILE_BYTES ((size_t)64 << 10)

/* The lines of the file and CDC_HTTP_AUTHORIZATION become headers like those of --header. text: what they point into, to be freed
 * with cdc_file_free_secret. */
static int add_secret_headers(struct options *options, struct cdc_buf *text, struct cdc_error *error)
{
    const char *authorization = getenv("CDC_HTTP_AUTHORIZATION");

    if (options->header_file != NULL &&
        cdc_file_read_secret(options->header_file, HEADER_FILE_BYTES, "the file of headers", text, error) != 0)
        return -1;
    if (memchr(text->len > 0 ? text->data : "", '\0', text->len) != NULL)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" has a NUL byte", options->header_file);
    size_t end_of_file = text->len;
    cdc_buf_byte(text, '\0');
    if (authorization != NULL && authorization[0] != '\0') {
        cdc_buf_lit(text, "Authorization: ");
        cdc_buf_text(text, authorization);
        cdc_buf_byte(text, '\0');
    }
    if (text->failed)
        return cdc_error_memory(error);
    char *rest = text->data;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        size_t n = strlen(line);
        if (n > 0 && line[n - 1] == '\r')
            line[n - 1] = '\0';
        if (line[0] != '\0' && line[0] != '#' && cdc_option_list_add(&options->headers, line, error) != 0)
            return -1;
    }
    return text->len > end_of_file + 1 ? cdc_option_list_add(&options->headers, text->data + end_of_file + 1, error)
                                       : 0;
}

/* A history has no documents of rows, which is what these are about. */
static int check_data_stream(const struct options *options, struct cdc_error *error)
{
    if (options->data_stream == NULL)
        return 0;
    if (!options->elasticsearch)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--data-stream belongs to --elasticsearch");
    if (options->index != NULL || options->alias != NULL || options->mappings.count > 0 || options->routing.count > 0 ||
        options->pipelines.count > 0)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--data-stream takes the place of --index, and has no --alias, --mapping, --routing or "
                             "--pipeline: the index template of the stream says how it is kept");
    return 0;
}

static int check_options(const struct options *options, const struct cdc_option_list *operands, struct cdc_error *error)
{
    if (operands->count == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "the URL is missing");
    if (options->webhook == options->elasticsearch)
        return cdc_error_set(error, CDC_EXIT_USAGE, "one of --webhook and --elasticsearch must be given");
    if (operands->count > 1 && options->webhook)
        return cdc_error_set(error, CDC_EXIT_USAGE, "one URL is expected");
    if (operands->count > HTTP_NODES_MAX)
        return cdc_error_set(error, CDC_EXIT_USAGE, "%d URLs of a cluster are enough", HTTP_NODES_MAX);
    if (options->format != NULL && !options->webhook)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--format belongs to --webhook");
    if (options->sign != NULL && !options->webhook)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--sign belongs to --webhook");
    if (options->sign != NULL && options->gzip)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--gzip does not go with --sign: whether a signature is of the packed body or of what is "
                             "in it, each receiver decides for itself");
    if (options->requests > 1 && options->webhook && options->format != NULL && strcmp(options->format, "event") != 0 &&
        strcmp(options->format, "cloudevents") != 0)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--requests: the order of a batch is that of all its rows; with "
                             "--webhook it takes --format event or cloudevents");
    if (options->key != NULL && options->cert == NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--key belongs to --cert");
    if (options->index != NULL && !options->elasticsearch)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--index belongs to --elasticsearch");
    if (check_data_stream(options, error) != 0)
        return -1;
    if (options->new_cluster && !options->elasticsearch)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--new-cluster belongs to --elasticsearch");
    if (options->alias != NULL && !options->elasticsearch)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--alias belongs to --elasticsearch");
    if (options->alias != NULL && strcmp(options->alias, options->index != NULL ? options->index : INDEX_DEFAULT) == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--alias must not be what --index is");
    if (options->mappings.count > 0 && !options->elasticsearch)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--mapping belongs to --elasticsearch");
    if ((options->routing.count > 0 || options->pipelines.count > 0) && !options->elasticsearch)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--routing and --pipeline belong to --elasticsearch");
    if (options->user != NULL && strchr(options->user, ':') != NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--user takes no password: put it into CDC_HTTP_PASSWORD");
    if (options->timeout < 0.001 || options->timeout > 86400)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--timeout must be between 1ms and 24h");
    return check_headers(&options->headers, error);
}

static enum http_webhook_format format_of(const struct options *options)
{
    static const struct {
        const char *name;
        enum http_webhook_format format;
    } known[] = {{"ndjson", HTTP_WEBHOOK_NDJSON},
                 {"array", HTTP_WEBHOOK_ARRAY},
                 {"cloudevents", HTTP_WEBHOOK_CLOUDEVENTS},
                 {"cloudevents-batch", HTTP_WEBHOOK_CLOUDEVENTS_BATCH}};

    for (size_t i = 0; options->format != NULL && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(options->format, known[i].name) == 0)
            return known[i].format;
    return HTTP_WEBHOOK_EVENT;
}

/* What is there without an offset file is of a copy that was given up: nothing of it belongs to this one. A link, a FIFO or a
 * folder is no file of ours, and it is not for us to remove. */
static int begin_anew(const char *path, struct cdc_error *error)
{
    struct stat status;

    if (path == NULL)
        return 0;
    if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is in the way: it is no regular file", path);
        return cdc_error_hint(error, "remove it, or give another --offset-file");
    }
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    return cdc_error_set(error, cdc_file_exit(errno), "unable to remove \"%s\": %s", path, strerror(errno));
}

/* Files beside the offset file. Without one there are none: a restart takes in everything again. */
struct beside {
    char *key_changes, *index_ids;
};

static int name_beside(struct beside *beside, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    const char *path = cdc_offset_file_path(offsets);

    if (program_beside(&beside->key_changes, path, ".moves", error) != 0 ||
        program_beside(&beside->index_ids, path, ".indexes", error) != 0)
        return -1;
    if (!cdc_offset_file_is_new(offsets))
        return 0;
    return begin_anew(beside->key_changes, error) == 0 ? begin_anew(beside->index_ids, error) : -1;
}

static bool has_position(const struct cdc_offset_file *offsets)
{
    for (size_t i = 0; i < cdc_offset_file_count(offsets); i++)
        if (cdc_offset_file_get(offsets, cdc_offset_file_name(offsets, i))->pos[0] != '\0')
            return true;
    return false;
}

/* Made with the first start for an index. A position without it is that of a webhook, for instance: indexes would be made, and
 * lack all that came before. Or it is of a version of before there was such a file: it has no name of any index, and whether those
 * of today are the ones that were filled nobody knows. */
static int check_index_ids(const struct cdc_offset_file *offsets, const char *path, struct cdc_error *error)
{
    if (path == NULL || !has_position(offsets) || access(path, F_OK) == 0 || errno != ENOENT)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "offset file \"%s\" has a position, and no index was filled up to it: \"%s\" is missing",
                  cdc_offset_file_path(offsets), path);
    return cdc_error_hint(error,
                          "bring that back; where the position is that of a webhook, give another --offset-file; "
                          "where an earlier version of this tool wrote it, which kept no such file, delete the "
                          "indexes, remove the offset files of the pipeline and the other copies, with PostgreSQL "
                          "run pg-cdc --drop, and begin with cdc-snapshot");
}

/* A first start that was refused leaves nothing behind. */
static void close_beside(struct beside *beside, const struct cdc_offset_file *offsets)
{
    struct cdc_error ignored = {0};

    if (offsets != NULL && beside->index_ids != NULL && cdc_offset_file_is_new(offsets) &&
        access(cdc_offset_file_path(offsets), F_OK) != 0) {
        (void)begin_anew(beside->key_changes, &ignored);
        (void)begin_anew(beside->index_ids, &ignored);
    }
    free(beside->key_changes);
    free(beside->index_ids);
}

static int run_with(struct program *program, const struct options *options, struct http_settings *settings,
                    struct cdc_error *error)
{
    struct cdc_offset_file *offsets = sink_program_open_offsets(program, &options->sink, NULL, error);
    struct beside beside = {NULL, NULL};
    struct http_sink *sink = NULL;
    int result = -1;

    if (offsets != NULL && name_beside(&beside, offsets, error) == 0 &&
        (!options->elasticsearch || check_index_ids(offsets, beside.index_ids, error) == 0)) {
        settings->key_changes_path = beside.key_changes;
        settings->index_ids_path = beside.index_ids;
        settings->peer.may_be_busy = !cdc_offset_file_is_new(offsets);
        sink = http_sink_open(settings, error);
    }
    if (sink != NULL)
        result = sink_program_loop(program, &options->sink, offsets,
                                   options->data_stream != NULL ? &http_history_ops : &http_sink_ops, sink, error);
    http_sink_free(sink);
    close_beside(&beside, offsets);
    cdc_offset_file_free(offsets);
    return result;
}

static const char *first_set(const char *const *names)
{
    while (*names != NULL && program_default(NULL, *names, NULL) == NULL)
        names++;
    return *names;
}

/* libcurl obeys these without a word. (HTTP_PROXY it does not: a web server sets that from a header of its client.) */
static bool tell_proxy(const struct program *program, const struct http_url *url)
{
    static const char *const plain[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const tls[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
    const char *name = url->local ? NULL : first_set(strncmp(url->clean, "https:", 6) == 0 ? tls : plain);

    if (name != NULL)
        cdc_log_write(&program->log, CDC_LOG_INFO, "%s is set: requests go to that proxy, unless no_proxy has the host",
                      name);
    return name != NULL;
}

/* The URLs taken apart, and what is made of them. */
struct urls {
    struct http_url parts[HTTP_NODES_MAX];
    struct http_node nodes[HTTP_NODES_MAX];
    size_t n;
};

static int add_url(struct urls *urls, const struct options *options, const char *text, struct cdc_error *error)
{
    struct http_url *url = &urls->parts[urls->n++];

    if (http_url_split(text, url, error) != 0)
        return -1;
    /* /_bulk is appended to the URL: after a query it would become part of that. */
    if (options->elasticsearch && strchr(url->clean, '?') != NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "the URL of an index server takes no query");
    /* Paths are appended to it, and each begins with a slash. */
    for (size_t n = strlen(url->clean); options->elasticsearch && n > 0 && url->clean[n - 1] == '/';)
        url->clean[--n] = '\0';
    urls->nodes[urls->n - 1] = (struct http_node){
        .url = url->clean,
        .shown = url->shown,
        .user = options->user != NULL ? options->user : url->user,
        /* The variable is the better place: arguments stay in the shell's history. */
        .password = url->password != NULL ? url->password : getenv("CDC_HTTP_PASSWORD"),
        .local = url->local,
    };
    return 0;
}

static int run_at(struct program *program, const struct options *options, const struct urls *urls,
                  struct cdc_error *error)
{
    static const char *const bundles[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE", NULL};
    const char *variable = first_set(bundles);
    const char *ca = options->ca != NULL ? options->ca : variable != NULL ? getenv(variable) : NULL;
    size_t told = 0;

    while (!options->deny_private && told < urls->n && !tell_proxy(program, &urls->parts[told])) /* else none is used */
        told++;
    struct http_settings settings = {
        .mode = options->elasticsearch ? HTTP_MODE_ELASTICSEARCH : HTTP_MODE_WEBHOOK,
        .webhook_format = format_of(options),
        .sign_file = options->sign,
        .peer = {.nodes = urls->nodes,
                 .n_nodes = urls->n,
                 .headers = options->headers,
                 .ca = ca,
                 .cert = options->cert,
                 .key = options->key,
                 .deny_private = options->deny_private,
                 .gzip = options->gzip,
                 .timeout = options->timeout},
        .new_cluster = options->new_cluster,
        .index = options->index != NULL ? options->index : INDEX_DEFAULT,
        .data_stream = options->data_stream,
        .alias = options->alias,
        .mappings = options->mappings,
        .routing = options->routing,
        .pipelines = options->pipelines,
        .batch_bytes = options->batch_bytes,
        .requests = options->requests > 0 ? options->requests : 1,
        .batch_events = options->sink.batch_events,
    };
    return run_with(program, options, &settings, error);
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct options *options = program->values;
    struct urls urls = {.n = 0};
    struct cdc_buf secrets = CDC_BUF_INIT;
    int result = add_secret_headers(options, &secrets, error);

    if (result == 0)
        result = check_options(options, &operands, error);
    for (size_t i = 0; result == 0 && i < operands.count; i++)
        result = add_url(&urls, options, operands.items[i], error);
    if (result == 0)
        result = run_at(program, options, &urls, error);
    for (size_t i = 0; i < urls.n; i++)
        http_url_free(&urls.parts[i]);
    free(options->headers.items);
    free(options->mappings.items);
    free(options->routing.items);
    free(options->pipelines.items);
    cdc_file_free_secret(&secrets);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = {.batch_bytes = 5 << 20, .timeout = 60};
    struct program program = {
        .name = "cdc-sink-http",
        .synopsis = "[options] --elasticsearch URL... | --webhook URL < events",
        .summary = "Sends change events to a search index or a webhook, each at least once.",
        .options = option_table,
        .values = &options,
        .more_options = sink_option_table,
        .more_values = &options.sink,
        .exit_statuses = "0 64 65 69 70 74 75 76 77 78",
        .run = run,
    };

    sink_options_init(&options.sink);
    return program_main(&program, argc, argv);
}
