/* SPDX-License-Identifier: MIT */
/* --alias: the name that readers search by, which is led to this sink's index once that has caught up. So an index with other fields, or from
 * another filter, is filled beside the one in use by a pipeline of its own, and takes its place at one moment for all tables:
 *
 *   POST /_refresh of each                 what is in the new index is found
 *   POST /_aliases  {"actions":[{"remove":{"index":"orders-1","alias":"orders"}},
 *                               {"add":{"index":"orders-2","alias":"orders"}}, ...]}
 *
 * Caught up: what is to be confirmed is of the stream and not of a snapshot, for every source, and not older than ten seconds; and no table is
 * being read. The index that the
 * alias led to before stays as it is.
 *
 * That is done once for each index, which is kept beside its id (index_ids.h). Whoever leads the alias elsewhere after that, a person or the next
 * pipeline, has the last word, also when this sink starts again. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/http/elasticsearch/internal.h"
#include <cdc/hash.h>
#include <cdc/retry.h>

#define LATE_MS 10000

/* Of lines from the future nobody knows how late they are. */
static void say_late(struct es_sink *sink, int64_t ms)
{
    sink->n_late++;
    if ((sink->n_late & (sink->n_late - 1)) == 0)
        cdc_log_write(sink->client->context->log, CDC_LOG_INFO,
                      "the aliases are led here when it has caught up: the newest lines are %.1f s %s%s",
                      (double)(ms < 0 ? -ms : ms) / 1000, ms < 0 ? "ahead of this machine's clock" : "old",
                      ms < 0 ? "; correct the clocks of this machine and of the database" : "");
}

/* A table that is read while the log goes on: its index may have less than that of before, or older values. Where a run has ended within
 * the read, lines of the log come before it begins anew. */
static bool is_reading(struct es_sink *sink)
{
    const char *name = es_index_ids_reading(sink->index_ids);

    if (name == NULL)
        return false;
    sink->n_late++;
    if ((sink->n_late & (sink->n_late - 1)) == 0)
        cdc_log_write(
            sink->client->context->log, CDC_LOG_INFO,
            "the aliases are led here when it has caught up: the read of the table of index \"%s\" is not at its end",
            name);
    return true;
}

static bool has_caught_up(struct es_sink *sink, const struct cdc_offset_file *offsets)
{
    int64_t now = cdc_clock_wall_ms();
    size_t n = cdc_offset_file_count(offsets);

    for (size_t i = 0; i < n; i++) {
        const struct cdc_offset *offset = cdc_offset_file_get(offsets, cdc_offset_file_name(offsets, i));
        struct cdc_span source = cdc_span_text(offset->source != NULL ? offset->source : "{}");
        struct cdc_span snapshot = cdc_json_member_raw(source, "snapshot"), ts = cdc_json_member(source, "ts_ms");
        int64_t ms;
        if (snapshot.p == NULL || !cdc_span_is(snapshot, "false") || ts.p == NULL || !cdc_json_int64(ts, &ms))
            return false;
        if (now - ms > LATE_MS || ms - now > LATE_MS)
            return say_late(sink, now - ms), false;
    }
    return n > 0;
}

/* Those of the file: name, db, schema, table of a source table. */
static int append_name(const struct es_sink *sink, const char *source, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_span object = cdc_span_text(source), schema = cdc_json_member_raw(object, "schema");
    struct cdc_event event = {.name = cdc_json_member_raw(object, "name"),
                              .db = cdc_json_member_raw(object, "db"),
                              .schema = schema.n > 0 ? schema : cdc_span(NULL, 0),
                              .table = cdc_json_member_raw(object, "table")};

    return es_index_fill(sink->alias, &event, out, error);
}

/* -- one alias, one index ------------------------------------------------------------------- */

struct taken {
    uint64_t alias, index; /* their hashes; alias 0: empty */
};
struct es_aliases_taken {
    struct taken *slots; /* open addressing, n_slots a power of two, at most half full */
    size_t n, n_slots;
};

static struct taken *slot_of(const struct es_aliases_taken *all, uint64_t alias)
{
    size_t i = cdc_hash_fold(alias);

    while (all->slots[i & (all->n_slots - 1)].alias != 0 && all->slots[i & (all->n_slots - 1)].alias != alias)
        i++;
    return &all->slots[i & (all->n_slots - 1)];
}

static int grow(struct es_aliases_taken *all, struct cdc_error *error)
{
    struct es_aliases_taken more = {.n = all->n, .n_slots = all->n_slots == 0 ? 64 : 2 * all->n_slots};

    if (2 * all->n < all->n_slots)
        return 0;
    if ((more.slots = calloc(more.n_slots, sizeof *more.slots)) == NULL)
        return cdc_error_memory(error);
    for (size_t i = 0; i < all->n_slots; i++)
        if (all->slots[i].alias != 0)
            *slot_of(&more, all->slots[i].alias) = all->slots[i];
    free(all->slots);
    *all = more;
    return 0;
}

/* That index is to have that alias. CONFIG where another one of this sink is: of two, one would leave it without a word. */
static int take_alias(struct es_aliases_taken *all, struct cdc_span alias, const char *index, struct cdc_error *error)
{
    struct taken taken = {cdc_hash_span(CDC_HASH_INIT, alias) | 1, cdc_hash_text(CDC_HASH_INIT, index)};

    if (grow(all, error) != 0)
        return -1;
    struct taken *slot = slot_of(all, taken.alias);
    all->n += slot->alias == 0;
    if (slot->alias != 0 && slot->index != taken.index) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "the alias \"%.*s\" would be that of two tables, in index \"%s\" and in another", (int)alias.n,
                      alias.p, index);
        return cdc_error_hint(error, "give each its own with --alias, for example {schema}-{table}");
    }
    *slot = taken;
    return 0;
}

static int take_known(void *context, const char *source, struct cdc_error *error)
{
    struct es_sink *sink = context;
    struct cdc_buf alias = CDC_BUF_INIT;
    int result = append_name(sink, source, &alias, error);

    if (result == 0)
        result = take_alias(sink->aliases_taken, cdc_span(alias.data, alias.len),
                            es_index_ids_home(sink->index_ids, source), error);
    cdc_buf_free(&alias);
    return result;
}

static int take_first(struct es_sink *sink, struct cdc_error *error)
{
    if (sink->aliases_taken != NULL)
        return 0;
    sink->aliases_taken = calloc(1, sizeof *sink->aliases_taken);
    return sink->aliases_taken != NULL ? es_index_ids_each_home(sink->index_ids, take_known, sink, error)
                                       : cdc_error_memory(error);
}

void es_alias_free(struct es_sink *sink)
{
    if (sink->aliases_taken != NULL)
        free(sink->aliases_taken->slots);
    free(sink->aliases_taken);
}

/* -- before there is a document -------------------------------------------------------------- */

/* 1: an index has that name, so that no alias can; 0: none; -1. */
static int is_an_index(struct es_sink *sink, struct cdc_span name, struct cdc_error *error)
{
    struct http_request request = {.method = "GET", .content_type = "application/json"};
    struct cdc_error why = {0};
    char path[400];
    long status = 0;

    snprintf(path, sizeof path, "/%.*s/_settings/index.uuid", (int)name.n, name.p);
    request.path = path;
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);
    if (outcome == HTTP_ANSWERED && (status == 404 || status == 403 || status == 405))
        return 0;
    if (http_client_check(sink->client, outcome, status, error) != 0)
        return -1;
    struct cdc_span body = {sink->client->response.data, sink->client->response.len};
    if (cdc_json_validate(body.p, body.n, &why) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _settings is no JSON: %s", why.text);
    char *text = strndup(name.p, name.n);
    int found = text == NULL ? cdc_error_memory(error) : cdc_json_member(body, text).p != NULL;
    free(text);
    return found;
}

int es_alias_check(struct es_sink *sink, const struct cdc_event *event, const char *index, struct cdc_error *error)
{
    struct cdc_buf name = CDC_BUF_INIT;

    if (sink->alias == NULL)
        return 0;
    int found = take_first(sink, error) == 0 ? es_index_fill(sink->alias, event, &name, error) : -1;
    if (found == 0)
        found = take_alias(sink->aliases_taken, cdc_span(name.data, name.len), index, error);
    if (found == 0)
        found = is_an_index(sink, cdc_span(name.data, name.len), error);
    if (found == 1) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "\"%.*s\" is to be an alias, and is an index", (int)name.len, name.data);
        cdc_error_hint(
            error,
            "give another --alias; or stop who writes and reads that index, copy it to another name, and delete it");
    }
    cdc_buf_free(&name);
    sink->alias_due = true;
    return found == 0 ? 0 : -1;
}

/* -- the switch -------------------------------------------------------------------------------- */

struct aliases {
    struct es_sink *sink;
    struct cdc_buf actions;
    struct cdc_buf led; /* index, NUL, alias, NUL ...: that lead here after this, and have not been led here before */
    size_t n;           /* aliases that lead elsewhere now */
};

static void append_action(struct cdc_buf *out, const char *what, struct cdc_span index, struct cdc_span alias)
{
    cdc_buf_printf(out, "%s{\"%s\":{\"index\":\"", out->len > 0 ? "," : "", what);
    cdc_buf_span(out, index); /* names of indexes have nothing to escape */
    cdc_buf_lit(out, "\",\"alias\":\"");
    cdc_buf_span(out, alias);
    cdc_buf_lit(out, "\"}}");
}

/* Where the alias leads now lies in the client's response. 1; 0: nowhere; -1. */
static int ask_alias(struct es_sink *sink, struct cdc_span alias, struct cdc_error *error)
{
    struct http_request request = {.method = "GET", .content_type = "application/json"};
    struct cdc_error why = {0};
    char path[400];
    long status = 0;

    snprintf(path, sizeof path, "/_alias/%.*s", (int)alias.n, alias.p);
    request.path = path;
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);
    if (outcome == HTTP_ANSWERED && status == 404)
        return 0;
    if (http_client_check(sink->client, outcome, status, error) != 0)
        return -1;
    struct cdc_span body = {sink->client->response.data, sink->client->response.len};
    if (cdc_json_validate(body.p, body.n, &why) != 0 || cdc_json_type(body) != CDC_JSON_OBJECT)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _alias is no JSON object: %s", why.text);
    return 1;
}

static void say_led_away(struct es_sink *sink, struct cdc_span alias, struct cdc_span to)
{
    cdc_log_write(sink->client->context->log, CDC_LOG_WARNING,
                  "the alias \"%.*s\" was led to index \"%.*s\" by somebody else since it was led here: it is left "
                  "so (stop this sink when nobody reads its index; POST _aliases leads it back)",
                  (int)alias.n, alias.p, (int)to.n, to.p);
}

/* The actions that lead the alias from where it leads now to index; none where somebody has led it away. */
static int append_switch(struct aliases *aliases, const char *index, struct cdc_span alias, struct cdc_error *error)
{
    struct es_sink *sink = aliases->sink;
    const char *led = es_index_ids_alias(sink->index_ids, index);
    size_t mark = aliases->actions.len;
    struct cdc_span name, value, other = {NULL, 0};
    struct cdc_json_iter indexes;
    bool here = false;
    int found = ask_alias(sink, alias, error);

    if (found < 0)
        return -1;
    if (found == 1)
        cdc_json_iter_begin(&indexes, cdc_span(sink->client->response.data, sink->client->response.len));
    while (found == 1 && cdc_json_next_member(&indexes, &name, &value)) {
        if (cdc_span_is(name, index)) {
            here = true;
            continue;
        }
        append_action(&aliases->actions, "remove", name, alias);
        other = name;
    }
    if (led != NULL && cdc_span_is(alias, led) && other.p != NULL) {
        aliases->actions.len = mark;
        say_led_away(sink, alias, other);
        return 0;
    }
    /* Also where it leads here: who leads it elsewhere at this moment removes it from here. */
    if (!here || other.p != NULL)
        append_action(&aliases->actions, "add", cdc_span_text(index), alias);
    aliases->n += !here || other.p != NULL;
    cdc_buf_append(&aliases->led, index, strlen(index) + 1);
    cdc_buf_span(&aliases->led, alias);
    cdc_buf_byte(&aliases->led, '\0');
    return 0;
}

static int take_home(void *context, const char *source, struct cdc_error *error)
{
    struct aliases *aliases = context;
    struct cdc_buf alias = CDC_BUF_INIT, index = CDC_BUF_INIT;

    /* Requests may note more: the name is kept apart. */
    cdc_buf_text(&index, es_index_ids_home(aliases->sink->index_ids, source));
    cdc_buf_byte(&index, '\0');
    int result = index.failed ? cdc_error_memory(error) : append_name(aliases->sink, source, &alias, error);
    int there = result == 0 ? es_request_on_shards(aliases->sink, index.data, "_refresh", error) : 1;
    if (there <= 0)
        result = there < 0 ? -1 : es_owner_is_gone(index.data, error);
    if (result == 0)
        result = append_switch(aliases, index.data, cdc_span(alias.data, alias.len), error);
    cdc_buf_free(&alias);
    cdc_buf_free(&index);
    return result;
}

/* 0: they lead here, or one of them was led elsewhere or taken away meanwhile; -1. */
static int post(struct aliases *aliases, struct cdc_error *error)
{
    struct es_sink *sink = aliases->sink;
    char answer[300];
    long status = 0;

    sink->rest.len = 0;
    cdc_buf_lit(&sink->rest, "{\"actions\":[");
    cdc_buf_append_buf(&sink->rest, &aliases->actions);
    cdc_buf_lit(&sink->rest, "]}");
    if (sink->rest.failed)
        return cdc_error_memory(error);
    struct http_request request = {.method = "POST",
                                   .path = "/_aliases",
                                   .content_type = "application/json",
                                   .body = cdc_span(sink->rest.data, sink->rest.len)};
    enum http_outcome outcome = es_request_send(sink, &request, &status, error);
    if (outcome == HTTP_ANSWERED && status == 404)
        return 0;
    /* An index may have been made with that name since. */
    if (outcome == HTTP_ANSWERED && status == 400) {
        http_client_excerpt(sink->client, answer, sizeof answer);
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the aliases cannot be led here: HTTP status 400: %s", answer);
    }
    if (http_client_check(sink->client, outcome, status, error) != 0)
        return -1;
    cdc_log_write(sink->client->context->log, CDC_LOG_INFO, "caught up: %zu alias%s to the indexes of this sink now",
                  aliases->n, aliases->n == 1 ? " leads" : "es lead");
    return 0;
}

static int note_led(const struct aliases *aliases, struct cdc_error *error)
{
    const struct cdc_buf *led = &aliases->led;

    for (const char *index = led->data, *alias; led->len > 0 && index < led->data + led->len;
         index = alias + strlen(alias) + 1) {
        alias = index + strlen(index) + 1;
        const char *known = es_index_ids_alias(aliases->sink->index_ids, index);
        if ((known == NULL || strcmp(known, alias) != 0) &&
            es_index_ids_note_alias(aliases->sink->index_ids, index, alias, error) != 0)
            return -1;
    }
    return es_index_ids_sync(aliases->sink->index_ids, error);
}

/* One that is there may be of a run that was killed before it knew it. */
static bool is_unknown(const struct es_sink *sink, const struct es_table *table)
{
    return table->no_index || (table->source.owned && !table->touched && !table->hidden &&
                               es_index_ids_get(sink->index_ids, table->source.target) == NULL);
}

int es_alias_prepare(struct es_sink *sink, struct cdc_error *error)
{
    if (!sink->alias_due)
        return 0;
    for (size_t i = 0; i < sink->tables.n; i++) {
        struct es_table *table = (struct es_table *)sink->tables.items[i];
        if (table->source.columns == NULL || !is_unknown(sink, table))
            continue;
        if (table->no_index && es_owner_make_index(sink, &table->source, error) < 0)
            return -1;
        table->no_index = false;
        if (es_owner_verify_table(sink, table, error) != 0)
            return -1;
    }
    return 0;
}

/* 1: all lead here, and nowhere else; 0: to be looked at again, -1. That is so after they were led here, too: two sinks that saw an alias
 * leading nowhere at the same moment have both added theirs, and readers would find the rows of both. */
static int switch_all(struct es_sink *sink, struct cdc_error *error)
{
    struct aliases aliases = {.sink = sink};
    int result = es_index_ids_each_home(sink->index_ids, take_home, &aliases, error);

    if (result == 0 && (aliases.actions.failed || aliases.led.failed))
        result = cdc_error_memory(error);
    if (result == 0)
        result = aliases.n > 0 ? post(&aliases, error) : note_led(&aliases, error) == 0 ? 1 : -1;
    cdc_buf_free(&aliases.actions);
    cdc_buf_free(&aliases.led);
    return result;
}

#define TRIES 5 /* in a delivery */

int es_alias_switch(struct es_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    int result = 0;

    if (!sink->alias_due || is_reading(sink) || !has_caught_up(sink, offsets))
        return 0;
    for (int i = 0; result == 0 && i < TRIES; i++)
        result = switch_all(sink, error);
    sink->alias_due = result != 1;
    return result < 0 ? -1 : 0;
}
