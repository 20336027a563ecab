/* SPDX-License-Identifier: MIT */
/* Where each partition begins. Of an offset file: there, if the brokers still have what comes next (LOST where not). Without one, after
 * what the sinks have stored, which their files tell by the positions in the lines: a partition is sorted by them, so the place is
 * found by halves. Without sinks' positions, where --from says. */
#include <errno.h>
#include <stdlib.h>

#include "connectors/kafka/source/internal.h"

#define ANSWER_MS 10000
#define PEEK_MS 20000
#define SINKS_MS 5000

/* -- one record at an offset ------------------------------------------------------- */

static int assign_one(struct kafka_source *source, const struct part *part, int64_t offset, struct cdc_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset = offset;
    rd_kafka_resp_err_t code = rd_kafka_assign(source->consumer.handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : kafka_error_set(error, code, "cannot read topic %s, partition %d", part->topic, (int)part->partition);
}

/* The first record at offset or after it that is a line. 1: *message NEW; 0: there is none up to the end; -1. */
static int peek(struct kafka_source *source, const struct part *part, int64_t offset, rd_kafka_message_t **message,
                struct cdc_error *error)
{
    int64_t until = cdc_clock_ms() + PEEK_MS;

    if (assign_one(source, part, offset, error) != 0)
        return -1;
    while (cdc_clock_ms() < until && !source->client.control->stop) {
        cdc_control_waiting(source->client.control, "a record of Kafka");
        rd_kafka_message_t *got = rd_kafka_consumer_poll(source->consumer.handle, 100);
        if (got == NULL)
            continue;
        bool same = got->partition == part->partition && got->rkt != NULL &&
                    strcmp(rd_kafka_topic_name(got->rkt), part->topic) == 0;
        if (same && got->err == RD_KAFKA_RESP_ERR_NO_ERROR && got->offset >= offset && got->payload != NULL) {
            *message = got;
            return 1;
        }
        rd_kafka_resp_err_t code = got->err;
        rd_kafka_message_destroy(got);
        if (same && code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            return 0;
        if (same && code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
            return kafka_lost(error, "topic %s, partition %d has no offset %lld", part->topic, (int)part->partition,
                              (long long)offset);
    }
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "no record of topic %s, partition %d came", part->topic,
                         (int)part->partition);
}

/* -- positions in lines -------------------------------------------------------------- */

/* Is the record at or after offset beyond pos of that name? *at: its offset. 1, 0: it is not; 2: there is none; -1. Records without
 * a position, and lines of other names, are passed over. */
static int is_beyond(struct kafka_source *source, const struct part *part, int64_t offset, const char *name,
                     const char *pos, int64_t *at, struct cdc_error *error)
{
    for (;;) {
        rd_kafka_message_t *message;
        int found = peek(source, part, offset, &message, error);
        if (found <= 0)
            return found == 0 ? 2 : -1;
        struct cdc_span value = cdc_span(message->payload, message->len), place = {NULL, 0};
        struct cdc_error ignored = {0};
        bool valid = cdc_json_validate(value.p, value.n, &ignored) == 0;
        if (valid)
            place = cdc_json_member_raw(value, "pos");
        if (valid && name != NULL && place.p != NULL && !cdc_json_member_is(value, "status", "END") &&
            !cdc_json_member_is(cdc_json_member(value, "source"), "name", name))
            place.p = NULL;
        int beyond = place.p != NULL ? cdc_span_compare(place, cdc_span_text(pos)) > 0 : -1;
        *at = message->offset;
        rd_kafka_message_destroy(message);
        if (beyond >= 0)
            return beyond;
        offset = *at + 1;
    }
}

/* The offset of the first line beyond pos. */
static int bisect(struct kafka_source *source, struct part *part, const char *name, const char *pos,
                  struct cdc_error *error)
{
    int64_t low, high, at;

    if (kafka_topic_ends(&source->asker, part->topic, part->partition, &low, &high, error) != 0)
        return -1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int beyond = is_beyond(source, part, middle, name, pos, &at, error);
        if (beyond < 0)
            return -1;
        if (beyond == 0)
            low = at + 1;
        else
            high = middle;
    }
    part->read = part->safe = (struct kafka_spot){low, {NOT_READ, 0, 0}};
    part->started = true;
    return 0;
}

/* "0000000000000007...": of a foreign record, its offset. */
static int after_foreign(struct part *part, const char *pos, struct cdc_error *error)
{
    char digits[17] = "", *end;

    if (strlen(pos) >= 16)
        memcpy(digits, pos, 16);
    errno = 0;
    int64_t offset = strtoll(digits, &end, 16);
    if (digits[0] == '\0' || *end != '\0' || errno != 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "position %s is none of a record in Kafka", pos);
    part->read = part->safe = (struct kafka_spot){offset + 1, {NOT_READ, 0, 0}};
    part->started = true;
    return 0;
}

/* -- what the sinks have ---------------------------------------------------------------- */

/* What the sinks know the lines of a part by. NEW; NULL: there is no line in it (*empty), or error. */
static char *name_in(struct kafka_source *source, struct part *part, bool *empty, struct cdc_error *error)
{
    rd_kafka_message_t *message;
    char *name = NULL, *whole = NULL;
    int64_t low, high;

    *empty = false;
    if (kafka_topic_ends(&source->asker, part->topic, part->partition, &low, &high, error) != 0)
        return NULL;
    if (source->foreign) {
        if (asprintf(&whole, "%s%s", source->settings->name, part->label) < 0)
            cdc_error_memory(error);
        return whole;
    }
    int found = low < high ? peek(source, part, low, &message, error) : 0;
    if (found <= 0) {
        *empty = found == 0;
        return NULL;
    }
    struct cdc_error ignored = {0};
    struct cdc_span value = cdc_span(message->payload, message->len);
    if (cdc_json_validate(value.p, value.n, &ignored) == 0)
        name = cdc_json_member_text(cdc_json_member(value, "source"), "name");
    rd_kafka_message_destroy(message);
    *empty = name == NULL;
    if (name == NULL || source->order != KAFKA_ORDER_PARTITION)
        return name;
    if (asprintf(&whole, "%s%s", name, part->label) < 0) {
        whole = NULL;
        cdc_error_memory(error);
    }
    free(name);
    return whole;
}

/* The smallest position that the sinks have of it. 1: *pos NEW; 0: none of them has one; -1. */
static int smallest(struct kafka_source *source, const char *name, char **pos, struct cdc_error *error)
{
    const struct kafka_source_settings *settings = source->settings;
    const struct cdc_offset *acked = NULL;
    struct cdc_acks *acks = cdc_acks_new(name, settings->ack_files, settings->n_ack_files, settings->state_dir, error);
    int result = acks != NULL ? cdc_acks_read(acks, &acked, error) : -1;

    if (result == 0 && acked != NULL && (*pos = strdup(acked->pos)) == NULL)
        result = cdc_error_memory(error);
    else if (result == 0)
        result = acked != NULL;
    cdc_acks_free(acks);
    return result;
}

static int to_position(struct kafka_source *source, struct part *part, const char *name, const char *pos,
                       struct cdc_error *error)
{
    return source->foreign ? after_foreign(part, pos, error) : bisect(source, part, name, pos, error);
}

/* Before the place there is a line that the sinks have, or something between may be missing. */
static int check_joined(struct kafka_source *source, const struct part *part, const char *name, const char *pos,
                        struct cdc_error *error)
{
    int64_t low, high;

    if (kafka_topic_ends(&source->asker, part->topic, part->partition, &low, &high, error) != 0)
        return -1;
    if (part->read.next > low || source->settings->from != NULL)
        return 0;
    return kafka_lost(
        error, "topic %s, partition %d has nothing of \"%s\" up to %s, where the sinks are: what came next may be gone",
        part->topic, (int)part->partition, name, pos);
}

/* Without an offset file of our own. */
static int by_sinks(struct kafka_source *source, struct part *part, struct cdc_error *error)
{
    bool empty;
    char *pos = NULL, *name = name_in(source, part, &empty, error);
    const char *lines = NULL;

    if (name == NULL)
        return empty ? 0 : -1;
    int found = smallest(source, name, &pos, error);
    if (found > 0 && source->order == KAFKA_ORDER_PARTITION && !source->foreign) {
        lines = name;
        name[strlen(name) - strlen(part->label)] = '\0';
    } else {
        lines = name;
    }
    int result = found < 0 ? -1 : 0;
    if (found > 0) {
        /* "POS/" and "POS.0" of commits that are made here: what they stand for is before them. */
        result = to_position(source, part, lines, pos, error);
        part->by_sinks = !source->foreign;
        if (result == 0)
            result = check_joined(source, part, lines, pos, error);
        cdc_log_write(source->log, CDC_LOG_INFO,
                      "topic %s, partition %d: begins at offset %lld, after what the sinks have", part->topic,
                      (int)part->partition, (long long)part->read.next);
    }
    free(name);
    free(pos);
    return result;
}

/* In a merge all partitions begin after the same commit. */
static int all_by_sinks(struct kafka_source *source, struct cdc_error *error)
{
    bool empty = true;
    char *name = NULL, *pos = NULL;

    for (size_t i = 0; i < source->n_parts && name == NULL; i++) {
        name = name_in(source, &source->parts[i], &empty, error);
        if (name == NULL && !empty)
            return -1;
    }
    int found = name != NULL ? smallest(source, name, &pos, error) : 0;
    for (size_t i = 0; found > 0 && i < source->n_parts; i++)
        if (bisect(source, &source->parts[i], name, pos, error) != 0)
            found = -1;
    free(name);
    free(pos);
    return found < 0 ? -1 : 0;
}

/* The same; sinks that begin at this moment may tell their position a little later (cdc-sink-sqlite). */
static int wait_for_smallest(struct kafka_source *source, const char *name, char **pos, struct cdc_error *error)
{
    int64_t until = cdc_clock_ms() + SINKS_MS;

    for (;;) {
        int found = smallest(source, name, pos, error);
        if (found != 0 || cdc_clock_ms() > until)
            return found;
        if (cdc_retry_wait(50, source->client.control, "a sink's position"))
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while waiting for a sink's position");
    }
}

/* A sink that went back needs again what was confirmed long ago; one that has nothing would miss it. */
static int check_sinks(struct kafka_source *source, struct cdc_error *error)
{
    for (size_t i = 0; source->relay != NULL && i < source->passed.n; i++) {
        char *pos = NULL;
        const struct passed *passed = &source->passed.items[i];
        int has = cdc_relay_has(source->relay, passed->name, passed->pos, error);
        if (has != 0) {
            if (has < 0)
                return -1;
            continue;
        }
        int found = wait_for_smallest(source, passed->name, &pos, error);
        if (found > 0 && strcmp(pos, passed->pos) >= 0) { /* it has told by now */
            free(pos);
            continue;
        }
        if (found <= 0)
            return found == 0 ? cdc_start_lost_sink(passed->name, error) : -1;
        cdc_log_write(source->log, CDC_LOG_WARNING,
                      "a sink of \"%s\" is at %s, before what it had confirmed: it gets it again", passed->name, pos);
        for (size_t k = 0; found > 0 && k < source->n_parts; k++) {
            struct part *part = &source->parts[k];
            size_t n = strlen(passed->name), m = strlen(part->label);
            bool of_part = n > m && strcmp(passed->name + n - m, part->label) == 0;
            if (source->order == KAFKA_ORDER_PARTITION && !of_part)
                continue;
            char *lines = strndup(passed->name, source->order == KAFKA_ORDER_PARTITION ? n - m : n);
            if (lines == NULL || to_position(source, part, lines, pos, error) != 0)
                found = -1;
            free(lines);
        }
        /* Lines that it gets again are not those of before it. */
        if (found > 0)
            found = kafka_passed_set(&source->passed, passed->name, cdc_span_text(pos), error);
        free(pos);
        if (found < 0)
            return -1;
    }
    return 0;
}

/* -- --from and --until ------------------------------------------------------------------- */

static int at_time(struct kafka_source *source, const struct part *part, int64_t ms, int64_t high, int64_t *offset,
                   struct cdc_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset = ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(source->asker.handle, list, ANSWER_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    *offset = list->elems[0].offset >= 0 ? list->elems[0].offset : high;
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : kafka_error_set(error, code, "cannot ask topic %s, partition %d for a time", part->topic,
                                 (int)part->partition);
}

static int first_start(struct kafka_source *source, struct part *part, int64_t low, int64_t high,
                       struct cdc_error *error)
{
    const char *from = source->settings->from;
    int64_t ms, offset = low;

    if (from != NULL && strcmp(from, "latest") == 0) {
        offset = high;
    } else if (from != NULL && from[0] == '@') {
        char *end;
        offset = strtoll(from + 1, &end, 10);
        if (end == from + 1 || *end != '\0')
            return cdc_error_set(error, CDC_EXIT_USAGE, "--from=%s: after @ comes an offset", from);
        if (offset < low || offset > high)
            return kafka_lost(error, "topic %s, partition %d has the offsets %lld to %lld, and not %lld", part->topic,
                              (int)part->partition, (long long)low, (long long)high, (long long)offset);
    } else if (from != NULL && cdc_time_parse(from, &ms)) {
        if (at_time(source, part, ms, high, &offset, error) != 0)
            return -1;
    } else if (from != NULL && strcmp(from, "earliest") != 0) {
        return to_position(source, part, NULL, from, error);
    }
    part->read = part->safe = (struct kafka_spot){offset, {NOT_READ, 0, 0}};
    part->started = true;
    return 0;
}

/* A record before the place, if there is one that is committed: it shows that the topic is still the one that it was, before any
 * record of it was passed on. */
static int find_anchor(struct kafka_source *source, struct part *part, int64_t low, struct cdc_error *error)
{
    int64_t place = part->read.next;
    rd_kafka_timestamp_type_t type;

    for (int64_t step = 1, offset = place; offset > low; step *= 4) {
        rd_kafka_message_t *message;
        offset = place - low > step ? place - step : low;
        int found = peek(source, part, offset, &message, error);
        if (found < 0)
            return -1;
        if (found == 0)
            continue;
        bool before = message->offset < place;
        if (before)
            part->read.anchor =
                (struct anchor){message->offset, rd_kafka_message_timestamp(message, &type), kafka_crc(message)};
        rd_kafka_message_destroy(message);
        if (before)
            break;
    }
    part->safe = part->read;
    return 0;
}

static int set_end(struct kafka_source *source, struct part *part, int64_t high, struct cdc_error *error)
{
    const char *until = source->settings->until;
    int64_t ms;

    if (until == NULL || part->end != NOT_READ)
        return 0;
    if (strcmp(until, "now") == 0)
        part->end = high;
    else if (cdc_time_parse(until, &ms))
        return at_time(source, part, ms, high, &part->end, error);
    return 0;
}

/* -- is it still there ---------------------------------------------------------------------- */

static bool is_compacted(struct kafka_source *source, const struct part *part)
{
    static const char *const names[] = {"cleanup.policy"};
    char *value = NULL;
    struct cdc_error ignored = {0};
    bool compacted =
        kafka_configs_read(&source->asker, RD_KAFKA_RESOURCE_TOPIC, part->topic, names, &value, 1, &ignored) == 0 &&
        value != NULL && strstr(value, "compact") != NULL;

    free(value);
    return compacted;
}

static int check_part(struct part *part, int64_t low, int64_t high, struct cdc_error *error)
{
    if (low > part->read.next)
        return kafka_lost(error, "topic %s, partition %d begins at offset %lld: what came from %lld on is gone",
                          part->topic, (int)part->partition, (long long)low, (long long)part->read.next);
    if (high < part->read.next)
        return kafka_lost(
            error,
            "topic %s, partition %d ends at offset %lld, before the position, %lld: it is another one, or was cut",
            part->topic, (int)part->partition, (long long)high, (long long)part->read.next);
    /* Where the anchor has gone by age there is nothing to compare with. */
    part->verify = part->read.anchor.offset != NOT_READ && part->read.anchor.offset >= low;
    return 0;
}

static int start_part(struct kafka_source *source, struct part *part, struct cdc_error *error)
{
    int64_t low, high;

    if (kafka_topic_ends(&source->asker, part->topic, part->partition, &low, &high, error) != 0)
        return -1;
    part->at_end = part->done = false;
    part->seen = NOT_READ;
    if (!part->started && source->known) {
        /* It came while we were away, or while we read: all of it is new. */
        part->read = part->safe = (struct kafka_spot){0, {NOT_READ, 0, 0}};
        part->started = true;
    }
    const char *from = source->settings->from;
    part->fresh |= !part->started && (from == NULL || strcmp(from, "earliest") == 0);
    if (!part->started && source->settings->start->kind == CDC_START_FIRST &&
        (first_start(source, part, low, high, error) != 0 || find_anchor(source, part, low, error) != 0))
        return -1;
    if (check_part(part, low, high, error) != 0 || set_end(source, part, high, error) != 0)
        return -1;
    part->done = part->end != NOT_READ && part->read.next >= part->end;
    return 0;
}

/* A merge that leaves out rows that were removed under way would take those of other transactions for them. */
static int check_merge(struct kafka_source *source, struct cdc_error *error)
{
    for (size_t i = 0; source->order == KAFKA_ORDER_SOURCE && i < source->n_topics; i++) {
        const struct part *part = NULL;
        for (size_t k = 0; k < source->n_parts && part == NULL; k++)
            if (strcmp(source->parts[k].topic, source->topics[i]) == 0)
                part = &source->parts[k];
        if (part != NULL && is_compacted(source, part)) {
            cdc_error_set(error, CDC_EXIT_CONFIG,
                          "topic %s is compacted: --order=source would miss rows of transactions", source->topics[i]);
            return cdc_error_hint(error, "use --order=partition, or topics with cleanup.policy=delete");
        }
    }
    return 0;
}

/* What rows of plain JSON were before: their columns and their key, which a lost file had. Of a record that nobody can read there is
 * nothing to know. */
static int learn_row(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                     struct cdc_error *error)
{
    struct cdc_buf *lines = &source->scratch;
    struct cdc_error ignored = {0};
    struct cdc_event event;
    const char *end;
    size_t told = part->json_told;

    lines->len = 0;
    if (kafka_json_of_message(source, part, message, &told, lines, &ignored) != 0 || lines->len == 0 ||
        (end = memchr(lines->data, '\n', lines->len)) == NULL)
        return 0;
    part->json_told = told;
    if (cdc_event_parse(&event, lines->data, (size_t)(end - lines->data), error) != 0)
        return -1;
    return event.op == CDC_OP_SCHEMA ? kafka_schemas_note(source, part, &event, error) : 0;
}

static int note_before(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                       struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_event event;

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->offset >= part->read.next)
        return 0;
    if (part->json != NULL)
        return learn_row(source, part, message, error);
    if (message->payload == NULL || memmem(message->payload, message->len, "\"schema\"", 8) == NULL ||
        memmem(message->payload, message->len, "\"key_columns\"", 13) == NULL ||
        cdc_event_parse(&event, message->payload, message->len, &ignored) != 0 || event.op != CDC_OP_SCHEMA)
        return 0;
    return kafka_schemas_note(source, part, &event, error);
}

/* What the sinks have of that source; "" where they have nothing. NULL with the error. BORROWED until the next. */
static const char *sinks_have(struct kafka_source *source, const struct part *part, struct passed_list *known,
                              const struct cdc_event *event, struct cdc_error *error)
{
    const char *passed = kafka_passed_of(known, event->name);
    char *name = passed == NULL ? cdc_json_text(event->name, NULL) : NULL, *whole = NULL, *pos = NULL;

    if (passed != NULL)
        return passed;
    if (name == NULL || asprintf(&whole, "%s%s", name, source->order == KAFKA_ORDER_PARTITION ? part->label : "") < 0) {
        free(name);
        cdc_error_memory(error);
        return NULL;
    }
    int found = smallest(source, whole, &pos, error);
    if (found >= 0)
        found = kafka_passed_set(known, name, cdc_span_text(found > 0 ? pos : ""), error);
    free(name);
    free(whole);
    free(pos);
    return found >= 0 ? kafka_passed_of(known, event->name) : NULL;
}

/* A sink that ended within a transaction of one source has what is whole of the others, also where that came later. So the place is
 * before the first line that the sinks lack. 1: it was moved there; 0; -1. */
static int go_before(struct kafka_source *source, struct part *part, struct passed_list *known,
                     const rd_kafka_message_t *message, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_event event;

    if (!part->by_sinks || message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->offset >= part->read.next ||
        message->payload == NULL || cdc_event_parse(&event, message->payload, message->len, &ignored) != 0 ||
        event.pos.n == 0 || event.name.n == 0 || event.op == CDC_OP_SCHEMA || event.op == CDC_OP_UNKNOWN)
        return 0;
    const char *pos = sinks_have(source, part, known, &event, error);
    if (pos == NULL)
        return -1;
    if (cdc_span_compare(event.pos, cdc_span_text(pos)) <= 0)
        return 0;
    cdc_log_write(source->log, CDC_LOG_INFO,
                  "topic %s, partition %d: begins at offset %lld, before the first line that the sinks lack",
                  part->topic, (int)part->partition, (long long)message->offset);
    part->read = part->safe = (struct kafka_spot){message->offset, {NOT_READ, 0, 0}};
    part->done &= part->read.next >= part->end;
    return 1;
}

/* The schema lines that are before the place of a part, from the log itself. */
static int scan_schemas(struct kafka_source *source, struct part *part, struct cdc_error *error)
{
    int64_t low, high;

    if (kafka_topic_ends(&source->asker, part->topic, part->partition, &low, &high, error) != 0)
        return -1;
    if (part->json != NULL && low > 0 && part->read.next > low)
        cdc_log_write(
            source->log, CDC_LOG_WARNING,
            "topic %s, partition %d: which columns rows had before offset %lld is not known any more: one that a "
            "copy has and that no record from there on has keeps its old values",
            part->topic, (int)part->partition, (long long)low);
    if (low >= part->read.next || assign_one(source, part, low, error) != 0)
        return low >= part->read.next ? 0 : -1;
    cdc_log_write(source->log, CDC_LOG_INFO, "topic %s, partition %d: looking for schema lines before offset %lld",
                  part->topic, (int)part->partition, (long long)part->read.next);
    struct passed_list known = {NULL, 0};
    int result = 0;
    for (bool more = true; more && result == 0 && !source->client.control->stop;) {
        cdc_control_waiting(source->client.control, "schema lines of Kafka");
        rd_kafka_message_t *message = rd_kafka_consumer_poll(source->consumer.handle, 100);
        if (message == NULL)
            continue;
        if (message->rkt != NULL && message->partition == part->partition &&
            strcmp(rd_kafka_topic_name(message->rkt), part->topic) == 0) {
            more = message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset + 1 < part->read.next;
            result = go_before(source, part, &known, message, error);
            if (result == 0)
                result = note_before(source, part, message, error);
        }
        rd_kafka_message_destroy(message);
    }
    kafka_passed_free(&known);
    return result < 0 ? -1 : 0;
}

static int find_schemas(struct kafka_source *source, bool own, struct cdc_error *error)
{
    /* Plain JSON tells columns row by row: those of before stay. */
    int found = own || source->json ? kafka_schemas_load(source, error) : 0;

    if (found < 0)
        return -1;
    for (size_t i = 0; i < source->n_tables; i++) {
        const char *line = kafka_schemas_of(source, source->tables[i]->topic);
        struct cdc_event event;
        if (line != NULL && (cdc_event_parse(&event, line, strlen(line), error) != 0 ||
                             kafka_json_restore(source->tables[i], &event, error) != 0))
            return -1;
    }
    for (size_t i = 0; found == 0 && (!source->foreign || source->json) && i < source->n_parts; i++)
        if (scan_schemas(source, &source->parts[i], error) != 0)
            return -1;
    for (size_t i = 0; i < source->n_parts; i++) /* of this run: nothing was told */
        source->parts[i].json_told = SIZE_MAX;
    kafka_schemas_begin(source);
    return 0;
}

int kafka_start(struct kafka_source *source, struct cdc_error *error)
{
    bool first = !source->known, begins = source->boundary.pos == NULL;

    if (check_merge(source, error) != 0)
        return -1;
    if (first && source->settings->confirm_acks && source->order == KAFKA_ORDER_SOURCE &&
        all_by_sinks(source, error) != 0)
        return -1;
    for (size_t i = 0;
         first && source->settings->confirm_acks && source->order != KAFKA_ORDER_SOURCE && i < source->n_parts; i++)
        if (by_sinks(source, &source->parts[i], error) != 0)
            return -1;
    if (!first && source->boundary.pos == NULL && check_sinks(source, error) != 0)
        return -1;
    for (size_t i = 0; i < source->n_parts; i++)
        if (start_part(source, &source->parts[i], error) != 0)
            return -1;
    source->known = true;
    return begins ? find_schemas(source, !first, error) : 0;
}

/* -- the anchor -------------------------------------------------------------------------------- */

int kafka_verify(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                 struct cdc_error *error)
{
    rd_kafka_timestamp_type_t type;
    const struct anchor *anchor = &part->read.anchor;

    part->verify = false;
    if (message->offset > anchor->offset) {
        if (!is_compacted(source, part))
            return kafka_lost(
                error, "topic %s, partition %d has no record at offset %lld any more: it is another topic, or was cut",
                part->topic, (int)part->partition, (long long)anchor->offset);
        cdc_log_write(
            source->log, CDC_LOG_INFO,
            "topic %s, partition %d: the record at offset %lld, the last one that was read, is compacted away",
            part->topic, (int)part->partition, (long long)anchor->offset);
        return message->offset < part->read.next;
    }
    if (rd_kafka_message_timestamp(message, &type) == anchor->timestamp && kafka_crc(message) == anchor->crc)
        return 1;
    return kafka_lost(
        error,
        "topic %s, partition %d has another record at offset %lld than the one that was read: the topic was made anew",
        part->topic, (int)part->partition, (long long)anchor->offset);
}
