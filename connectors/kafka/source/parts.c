/* SPDX-License-Identifier: MIT */
/* The partitions that are read, and where each of them is, as the offset file keeps it:
 *
 *   {"cluster":"...","topics":{"shop":{"0":{"next":7,"anchor":{"offset":6,"ts":...,"crc":...}}}},"passed":{"shop":"POS"}} */
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/kafka/source/internal.h"

int kafka_lost(struct cdc_error *error, const char *format, ...)
{
    char text[700];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cdc_error_set(error, CDC_EXIT_LOST, "%s", text);
    return cdc_error_hint(
        error, "what is missing is not in Kafka any more: begin anew with an offset file that does not exist, "
               "into an empty destination, or take a new snapshot");
}

/* CRC-32C, bit by bit: of one record a batch. */
static uint32_t crc_add(uint32_t crc, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return crc;
}

uint32_t kafka_crc(const rd_kafka_message_t *message)
{
    uint32_t crc = ~0u;

    crc = crc_add(crc, message->key, message->key_len);
    return ~crc_add(crc, message->payload, message->len);
}

/* -- which ones ------------------------------------------------------------------ */

struct part *kafka_part_find(struct kafka_source *source, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < source->n_parts; i++)
        if (source->parts[i].partition == partition && strcmp(source->parts[i].topic, topic) == 0)
            return &source->parts[i];
    return NULL;
}

static void free_part(struct part *part)
{
    struct cdc_buf *const bufs[] = {&part->pos, &part->name, &part->source, &part->gone, &part->home};

    free(part->topic);
    free(part->label);
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        cdc_buf_free(bufs[i]);
    cdc_format_reader_free(part->reader);
}

void kafka_parts_report(const struct kafka_source *source)
{
    struct cdc_buf text = CDC_BUF_INIT;

    for (size_t i = 0; i < source->n_parts; i++) {
        const struct part *part = &source->parts[i];
        text.len = 0;
        if (part->reader != NULL && cdc_format_reader_losses(part->reader, &text) > 0 && !text.failed)
            cdc_log_write(source->log, CDC_LOG_WARNING, "topic %s [%d], --format: %.*s", part->topic,
                          (int)part->partition, (int)text.len, text.data);
    }
    cdc_buf_free(&text);
}

void kafka_parts_free(struct kafka_source *source)
{
    for (size_t i = 0; i < source->n_parts; i++)
        free_part(&source->parts[i]);
    free(source->parts);
    for (size_t i = 0; i < source->n_topics; i++)
        free(source->topics[i]);
    free(source->topics);
    free(source->topic_partitions);
    for (size_t i = 0; i < source->n_tables; i++) {
        kafka_json_free(source->tables[i]);
        free(source->tables[i]);
    }
    free(source->tables);
}

/* All partitions of a topic are rows of one table, and columns of one are columns of the others. */
static int make_table(struct kafka_source *source, struct part *part, struct cdc_error *error)
{
    part->json_told = SIZE_MAX;
    for (size_t i = 0; i < source->n_tables; i++)
        if (strcmp(source->tables[i]->topic, part->topic) == 0) {
            part->json = source->tables[i];
            return 0;
        }
    struct kafka_json_table **tables =
        realloc(source->tables, (source->n_tables + 1) * sizeof(struct kafka_json_table *));
    if (tables != NULL)
        source->tables = tables;
    struct kafka_json_table *table = malloc(sizeof *table);
    if (tables == NULL || table == NULL || !kafka_json_init(table, part->topic)) {
        free(table);
        return cdc_error_memory(error);
    }
    tables[source->n_tables++] = part->json = table;
    return kafka_json_set_key(table, &source->settings->keys, error);
}

static int make_reader(struct kafka_source *source, struct part *part, struct cdc_error *error)
{
    if (source->json && part->json == NULL)
        return make_table(source, part, error);
    if (!source->foreign || part->reader != NULL)
        return 0;
    const struct cdc_format_reader_settings settings = {.spec = source->settings->format,
                                                        .name = source->settings->name,
                                                        .keys = source->settings->keys,
                                                        .position = CDC_FORMAT_POSITION_LINE};
    part->reader = cdc_format_reader_new(&settings, error);
    return part->reader != NULL ? 0 : -1;
}

static struct part *add_part(struct kafka_source *source, const char *topic, int32_t partition, struct cdc_error *error)
{
    struct part *grown = realloc(source->parts, (source->n_parts + 1) * sizeof *grown);

    if (grown == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    source->parts = grown;
    struct part *part = &grown[source->n_parts];
    *part = (struct part){.topic = strdup(topic),
                          .partition = partition,
                          .end = NOT_READ,
                          .seen = NOT_READ,
                          .hidden = NOT_READ,
                          .read = {0, {NOT_READ, 0, 0}},
                          .safe = {0, {NOT_READ, 0, 0}}};
    if (part->topic == NULL || asprintf(&part->label, "/%s/%d", topic, (int)partition) < 0 ||
        make_reader(source, part, error) != 0) {
        free_part(part);
        cdc_error_memory(error);
        return NULL;
    }
    source->n_parts++;
    return part;
}

/* "0-3,7" */
static bool in_list(const char *list, int32_t partition)
{
    if (list == NULL)
        return true;
    for (const char *p = list; *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
        char *end;
        long from = strtol(p, &end, 10), to = *end == '-' ? strtol(end + 1, NULL, 10) : from;
        if (partition >= from && partition <= to)
            return true;
    }
    return false;
}

/* -- topics ----------------------------------------------------------------------- */

static int add_topic(struct kafka_source *source, const char *topic, size_t n, struct cdc_error *error)
{
    for (size_t i = 0; i < source->n_topics; i++)
        if (strlen(source->topics[i]) == n && memcmp(source->topics[i], topic, n) == 0)
            return 0;
    char **topics = realloc(source->topics, (source->n_topics + 1) * sizeof *topics);
    if (topics != NULL)
        source->topics = topics;
    int32_t *counts = realloc(source->topic_partitions, (source->n_topics + 1) * sizeof *counts);
    if (counts != NULL)
        source->topic_partitions = counts;
    if (topics == NULL || counts == NULL || (topics[source->n_topics] = strndup(topic, n)) == NULL)
        return cdc_error_memory(error);
    counts[source->n_topics++] = 0;
    return 0;
}

static int add_matching(struct kafka_source *source, const regex_t *expression, struct cdc_error *error)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(source->asker.handle, 1, NULL, &metadata, 5000);
    int result = 0;

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_error_set(error, code, "cannot ask for the topics");
    for (int i = 0; result == 0 && i < metadata->topic_cnt; i++) {
        const char *topic = metadata->topics[i].topic;
        if (strncmp(topic, "__", 2) != 0 && regexec(expression, topic, 0, NULL, 0) == 0)
            result = add_topic(source, topic, strlen(topic), error);
    }
    rd_kafka_metadata_destroy(metadata);
    return result;
}

static int expand(struct kafka_source *source, struct cdc_error *error)
{
    const char *text = source->settings->topics;
    regex_t expression;

    if (*text == '^') {
        if (regcomp(&expression, text, REG_EXTENDED | REG_NOSUB) != 0)
            return cdc_error_set(error, CDC_EXIT_USAGE, "\"%s\" is no regular expression", text);
        int result = add_matching(source, &expression, error);
        regfree(&expression);
        if (result == 0 && source->n_topics == 0)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "no topic matches \"%s\"", text);
        return result;
    }
    for (const char *p = text; *p != '\0'; p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (n > 0 && add_topic(source, p, n, error) != 0)
            return -1;
        p += n;
    }
    return 0;
}

/* NAME.transaction, where NAME is what the first topic begins with. */
static int add_transactions(struct kafka_source *source, struct cdc_error *error)
{
    char topic[300];

    if (source->order != KAFKA_ORDER_SOURCE || source->n_topics == 0)
        return 0;
    if (source->settings->transactions != NULL)
        snprintf(topic, sizeof topic, "%s", source->settings->transactions);
    else
        snprintf(topic, sizeof topic, "%.*s.transaction", (int)strcspn(source->topics[0], "."), source->topics[0]);
    if (add_topic(source, topic, strlen(topic), error) != 0)
        return -1;
    for (size_t i = 0; i < source->n_topics; i++)
        if (strcmp(source->topics[i], topic) == 0)
            source->merge.front = i;
    return 0;
}

static bool matches(const char *expression, const char *topic)
{
    regex_t compiled;

    if (*expression != '^' || strncmp(topic, "__", 2) == 0 ||
        regcomp(&compiled, expression, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool found = regexec(&compiled, topic, 0, NULL, 0) == 0;
    regfree(&compiled);
    return found;
}

bool kafka_parts_is_new(const struct kafka_source *source, const char *topic, int32_t partition)
{
    if (!in_list(source->settings->partitions, partition))
        return false;
    for (size_t i = 0; i < source->n_topics; i++)
        if (strcmp(source->topics[i], topic) == 0)
            return partition >= source->topic_partitions[i];
    return matches(source->settings->topics, topic);
}

static int look_topic(struct kafka_source *source, size_t i, struct cdc_error *error)
{
    struct kafka_topic_facts facts;
    const char *topic = source->topics[i];
    bool transactions = source->order == KAFKA_ORDER_SOURCE && i == source->merge.front;

    if (kafka_topic_look(&source->asker, topic, &facts, error) != 0)
        return -1;
    if (facts.partitions == 0 && source->known)
        return kafka_lost(error, "topic %s is gone", topic);
    if (facts.partitions == 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "there is no topic %s", topic);
        return cdc_error_hint(error, "start what writes it first (cdc-sink-kafka), or make it");
    }
    if (facts.partitions < source->topic_partitions[i])
        return kafka_lost(error, "topic %s had %d partitions, and now has %d: it is another one", topic,
                          (int)source->topic_partitions[i], (int)facts.partitions);
    if (transactions && facts.partitions != 1)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the transaction topic %s has %d partitions", topic,
                             (int)facts.partitions);
    if (source->topic_partitions[i] > 0 && facts.partitions > source->topic_partitions[i])
        cdc_log_write(source->log, CDC_LOG_WARNING, "topic %s had %d partitions, and now has %d", topic,
                      (int)source->topic_partitions[i], (int)facts.partitions);
    source->topic_partitions[i] = facts.partitions;
    for (int32_t p = 0; p < facts.partitions; p++)
        if (kafka_part_find(source, topic, p) == NULL && (transactions || in_list(source->settings->partitions, p)) &&
            add_part(source, topic, p, error) == NULL)
            return -1;
    return 0;
}

/* One partition is a log; several are sources of their own. */
static int settle_order(struct kafka_source *source, struct cdc_error *error)
{
    const char *order = source->settings->order;

    if (order == NULL && !source->foreign)
        source->order = source->n_parts == 1 ? KAFKA_ORDER_LOG : KAFKA_ORDER_PARTITION;
    if (order == NULL && source->was_log && source->order != KAFKA_ORDER_LOG) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "what was a log of one partition has %zu now: sinks would get its lines under other names",
                      source->n_parts);
        return cdc_error_hint(error, "go on with --order=partition, or with the first one alone: --partitions=0");
    }
    source->was_log = source->order == KAFKA_ORDER_LOG;
    if (source->n_parts == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "none of the partitions is to be read (--partitions)");
    if (source->order != KAFKA_ORDER_LOG || source->n_parts == 1)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "--order=log is for one partition, and there are %zu", source->n_parts);
    return cdc_error_hint(error, "the rows of several partitions have no common order: --order=partition, or "
                                 "--order=source with a transaction topic");
}

int kafka_parts_look(struct kafka_source *source, struct cdc_error *error)
{
    if (expand(source, error) != 0 || add_transactions(source, error) != 0)
        return -1;
    for (size_t i = 0; i < source->n_topics; i++)
        if (look_topic(source, i, error) != 0)
            return -1;
    return settle_order(source, error);
}

/* -- the offset file ---------------------------------------------------------------- */

int64_t kafka_state_sum(const struct kafka_source *source)
{
    int64_t sum = 0;

    for (size_t i = 0; i < source->n_parts; i++)
        sum += source->parts[i].safe.next;
    return sum;
}

static void append_part(struct cdc_buf *out, const struct part *part)
{
    cdc_buf_printf(out, "\"%d\":{\"next\":%lld", (int)part->partition, (long long)part->safe.next);
    if (part->safe.anchor.offset != NOT_READ)
        cdc_buf_printf(out, ",\"anchor\":{\"offset\":%lld,\"ts\":%lld,\"crc\":%lu}",
                       (long long)part->safe.anchor.offset, (long long)part->safe.anchor.timestamp,
                       (unsigned long)part->safe.anchor.crc);
    if (part->home.len > 0 && !part->mixed) {
        cdc_buf_lit(out, ",\"source\":");
        cdc_buf_append_buf(out, &part->home);
    }
    cdc_buf_text(out, part->mixed ? ",\"mixed\":true" : part->fresh ? ",\"fresh\":true" : "");
    /* Or a tombstone of the next run would be taken for the end of the row with its key. */
    cdc_buf_text(out, part->json != NULL && part->json->differs ? ",\"differs\":true" : "");
    cdc_buf_byte(out, '}');
}

char *kafka_state_write(const struct kafka_source *source)
{
    struct cdc_buf out = CDC_BUF_INIT;

    cdc_buf_lit(&out, "{\"cluster\":");
    cdc_json_append_string(&out, source->cluster, strlen(source->cluster));
    cdc_buf_printf(&out, ",\"order\":%d,\"topics\":{", (int)source->order);
    for (size_t i = 0; i < source->n_topics; i++) {
        bool first = true;
        cdc_buf_printf(&out, "%s\"%s\":{", i > 0 ? "," : "", source->topics[i]);
        for (size_t k = 0; k < source->n_parts; k++) {
            if (!source->parts[k].started || strcmp(source->parts[k].topic, source->topics[i]) != 0)
                continue;
            if (!first)
                cdc_buf_byte(&out, ',');
            first = false;
            append_part(&out, &source->parts[k]);
        }
        cdc_buf_byte(&out, '}');
    }
    cdc_buf_lit(&out, "},\"passed\":{");
    for (size_t i = 0; i < source->passed.n; i++) {
        if (i > 0)
            cdc_buf_byte(&out, ',');
        cdc_json_append_string(&out, source->passed.items[i].name, strlen(source->passed.items[i].name));
        cdc_buf_byte(&out, ':');
        cdc_json_append_string(&out, source->passed.items[i].pos, strlen(source->passed.items[i].pos));
    }
    cdc_buf_lit(&out, "}}");
    cdc_buf_byte(&out, '\0');
    if (!out.failed)
        return out.data;
    cdc_buf_free(&out);
    return NULL;
}

int kafka_passed_set(struct passed_list *list, const char *name, struct cdc_span pos, struct cdc_error *error)
{
    size_t i = 0;

    while (i < list->n && strcmp(list->items[i].name, name) != 0)
        i++;
    if (i == list->n) {
        struct passed *grown = realloc(list->items, (i + 1) * sizeof *grown);
        if (grown == NULL)
            return cdc_error_memory(error);
        list->items = grown;
        grown[i] = (struct passed){strdup(name), NULL};
        if (grown[i].name == NULL)
            return cdc_error_memory(error);
        list->n++;
    }
    char *copy = cdc_span_copy(pos);
    if (copy == NULL)
        return cdc_error_memory(error);
    free(list->items[i].pos);
    list->items[i].pos = copy;
    return 0;
}

const char *kafka_passed_of(const struct passed_list *list, struct cdc_span raw_name)
{
    for (size_t i = 0; i < list->n; i++)
        if (cdc_json_raw_is(raw_name, cdc_span_text(list->items[i].name)))
            return list->items[i].pos;
    return NULL;
}

void kafka_passed_free(struct passed_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].name);
        free(list->items[i].pos);
    }
    free(list->items);
    *list = (struct passed_list){NULL, 0};
}

int kafka_passed(struct kafka_source *source, struct cdc_span raw_name, struct cdc_span pos, struct cdc_error *error)
{
    char *name = cdc_json_text(raw_name, NULL);
    int result = name != NULL ? kafka_passed_set(&source->passed, name, pos, error) : cdc_error_memory(error);

    free(name);
    return result;
}

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "the state in the offset file is damaged");
}

static int read_place(struct kafka_spot *place, struct cdc_span value, struct cdc_error *error)
{
    int64_t crc = 0;
    struct cdc_span anchor = cdc_json_member(value, "anchor");

    if (!cdc_json_int64(cdc_json_member(value, "next"), &place->next) || place->next < 0)
        return damaged(error);
    place->anchor.offset = NOT_READ;
    if (anchor.p == NULL)
        return 0;
    if (!cdc_json_int64(cdc_json_member(anchor, "offset"), &place->anchor.offset) ||
        !cdc_json_int64(cdc_json_member(anchor, "ts"), &place->anchor.timestamp) ||
        !cdc_json_int64(cdc_json_member(anchor, "crc"), &crc) || place->anchor.offset < 0 ||
        place->anchor.offset >= place->next)
        return damaged(error);
    place->anchor.crc = (uint32_t)crc;
    return 0;
}

static int read_topic(struct kafka_source *source, const char *topic, struct cdc_span parts, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span number, value;

    if (add_topic(source, topic, strlen(topic), error) != 0)
        return -1;
    size_t i = 0;
    while (strcmp(source->topics[i], topic) != 0)
        i++;
    for (cdc_json_iter_begin(&iter, parts); cdc_json_next_member(&iter, &number, &value);) {
        int64_t partition;
        if (!cdc_json_int64(number, &partition) || partition < 0 || partition > INT32_MAX)
            return damaged(error);
        struct part *part = kafka_part_find(source, topic, (int32_t)partition);
        if (part == NULL && (part = add_part(source, topic, (int32_t)partition, error)) == NULL)
            return -1;
        if (read_place(&part->safe, value, error) != 0)
            return -1;
        part->read = part->safe;
        part->started = true;
        part->home.len = 0;
        cdc_buf_span(&part->home, cdc_json_member(value, "source"));
        part->mixed = cdc_span_is(cdc_json_member(value, "mixed"), "true");
        part->fresh = cdc_span_is(cdc_json_member(value, "fresh"), "true");
        if (part->json != NULL)
            part->json->differs |= cdc_span_is(cdc_json_member(value, "differs"), "true");
        if (partition >= source->topic_partitions[i])
            source->topic_partitions[i] = (int32_t)partition + 1;
    }
    return 0;
}

int kafka_state_read(struct kafka_source *source, const char *state, struct cdc_error *error)
{
    struct cdc_span text = cdc_span_text(state), name, value;
    struct cdc_json_iter iter;
    char *cluster = cdc_json_member_text(text, "cluster");
    int result = 0;

    if (cluster == NULL)
        return damaged(error);
    bool same = strcmp(cluster, source->cluster) == 0;
    int64_t order;
    source->was_log = cdc_json_int64(cdc_json_member(text, "order"), &order) && order == KAFKA_ORDER_LOG;
    if (!same)
        result = kafka_lost(error, "the position is of cluster %s, and this is cluster %s", cluster, source->cluster);
    free(cluster);
    for (cdc_json_iter_begin(&iter, cdc_json_member(text, "topics"));
         result == 0 && cdc_json_next_member(&iter, &name, &value);) {
        char *topic = cdc_json_text(name, NULL);
        result = topic != NULL ? read_topic(source, topic, value, error) : cdc_error_memory(error);
        free(topic);
    }
    for (cdc_json_iter_begin(&iter, cdc_json_member(text, "passed"));
         result == 0 && cdc_json_next_member(&iter, &name, &value);) {
        char *pos = cdc_json_text(cdc_json_string_raw(value), NULL);
        result = pos != NULL ? kafka_passed(source, name, cdc_span_text(pos), error) : cdc_error_memory(error);
        free(pos);
    }
    if (result == 0)
        source->known = true;
    return result;
}

void kafka_append_named(struct cdc_buf *out, const struct part *part, const struct cdc_event *event,
                        struct cdc_span text)
{
    const char *after = event->name.p + event->name.n;

    cdc_buf_append(out, text.p, (size_t)(after - text.p));
    cdc_buf_text(out, part->label);
    cdc_buf_lit(out, "\",\"partition_of\":\"");
    cdc_buf_span(out, event->name);
    cdc_buf_append(out, after, (size_t)(text.p + text.n - after));
}
