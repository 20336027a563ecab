/* SPDX-License-Identifier: MIT */
/* The stream that was written, out of its partitions: for each END of the transaction topic, exactly as many lines of each partition
 * as it counts, by their positions, and then the commit line. One record of a partition is in memory, and what the client has
 * fetched. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/kafka/source/internal.h"

void kafka_merge_reset(struct kafka_source *source)
{
    struct merge_state *merge = &source->merge;

    merge->open = false;
    for (size_t i = 0; i < source->n_parts; i++) {
        struct part *part = &source->parts[i];
        if (part->front != NULL)
            rd_kafka_message_destroy(part->front);
        if (part->queue != NULL)
            rd_kafka_queue_destroy(part->queue);
        part->front = NULL;
        part->queue = NULL;
        part->pos.len = part->name.len = 0;
    }
}

int kafka_merge_start(struct kafka_source *source, struct cdc_error *error)
{
    int result = 0;

    kafka_passed_free(&source->merge.ended);
    for (size_t i = 0; result == 0 && i < source->passed.n; i++)
        result = kafka_passed_set(&source->merge.ended, source->passed.items[i].name,
                                  cdc_span_text(source->passed.items[i].pos), error);
    return result;
}

static bool is_transactions(const struct kafka_source *source, const struct part *part)
{
    return strcmp(part->topic, source->topics[source->merge.front]) == 0;
}

/* A sink that is at least once (--delivery=idempotent) sends again what a crash has left without a position: in each partition these
 * are lines at or before the last one. */
static bool is_again(const struct part *part, struct cdc_span name, struct cdc_span pos)
{
    return part->pos.len > 0 && cdc_span_equal(name, cdc_span(part->name.data, part->name.len)) &&
           cdc_span_compare(pos, cdc_span(part->pos.data, part->pos.len)) <= 0;
}

static int note_last(struct part *part, struct cdc_span name, struct cdc_span pos, struct cdc_error *error)
{
    part->name.len = part->pos.len = 0;
    cdc_buf_span(&part->name, name);
    cdc_buf_span(&part->pos, pos);
    return part->name.failed || part->pos.failed ? cdc_error_memory(error) : 0;
}

/* The last line before the place, which was passed on by an earlier run. */
static int note_anchor(struct part *part, const rd_kafka_message_t *message, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_event event;

    if (message->payload != NULL && cdc_event_parse(&event, message->payload, message->len, &ignored) == 0 &&
        event.pos.n > 0)
        return note_last(part, event.name, event.pos, error);
    return note_last(part, kafka_header_of(message, KAFKA_HEADER_NAME), kafka_header_of(message, KAFKA_HEADER_POS),
                     error);
}

static void pass_over(struct part *part, rd_kafka_message_t *message)
{
    kafka_read_to(part, message);
    kafka_keep(part, message);
}

/* TAKES the message. 1: it is the front; 0: it is passed over; -1. */
static int take_message(struct kafka_source *source, struct part *part, rd_kafka_message_t *message,
                        struct cdc_error *error)
{
    int known = part->verify ? kafka_verify(source, part, message, error) : 0;

    if (known == 1 && note_anchor(part, message, error) != 0)
        known = -1;
    if (known != 0 || message->offset < part->read.next) {
        rd_kafka_message_destroy(message);
        return known < 0 ? -1 : 0;
    }
    if (message->payload == NULL) { /* tombstones are apart */
        pass_over(part, message);
        return 0;
    }
    part->front = message;
    if (is_transactions(source, part))
        return 1;
    if (cdc_event_parse(&part->event, message->payload, message->len, error) != 0 || part->event.pos.n == 0)
        return cdc_error_set(error, CDC_EXIT_DATA, "the record is no line of cdc-event(5)"),
               cdc_error_prefix(error, "topic %s, partition %d, offset %lld", part->topic, (int)part->partition,
                                (long long)message->offset);
    if (is_again(part, part->event.name, part->event.pos)) {
        part->front = NULL;
        pass_over(part, message);
        source->metrics->duplicates++;
        return 0;
    }
    return note_last(part, part->event.name, part->event.pos, error) == 0 ? 1 : -1;
}

/* Fills the front. 1: it is there; 0: nothing has come; -1. */
static int fill(struct kafka_source *source, struct part *part, struct cdc_error *error)
{
    while (part->front == NULL) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(part->queue, 0);
        if (message == NULL)
            return 0;
        source->progress = cdc_clock_ms();
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            int result = kafka_event_message(source, part, message, error);
            rd_kafka_message_destroy(message);
            if (result != 0)
                return -1;
            continue;
        }
        part->at_end = false;
        if (take_message(source, part, message, error) < 0)
            return -1;
    }
    return 1;
}

static void take_front(struct part *part)
{
    kafka_read_to(part, part->front);
    kafka_keep(part, part->front);
    part->front = NULL;
}

static size_t find(void *context, const char *topic, int32_t partition)
{
    struct kafka_source *source = context;
    struct part *part = kafka_part_find(source, topic, partition);

    return part != NULL ? (size_t)(part - source->parts) : SIZE_MAX;
}

/* Was the transaction, or the END, at pos passed on already? */
static bool is_ended(const struct merge_state *merge, struct cdc_span name, struct cdc_span pos)
{
    const char *ended = name.p != NULL ? kafka_passed_of(&merge->ended, name) : NULL;

    return ended != NULL && cdc_span_compare(pos, cdc_span_text(ended)) <= 0;
}

static int note_ended(struct merge_state *merge, struct cdc_span raw_name, struct cdc_error *error)
{
    char *name = raw_name.n > 0 ? cdc_json_text(raw_name, NULL) : NULL;
    int result = 0;

    if (name != NULL)
        result = kafka_passed_set(&merge->ended, name, cdc_span(merge->pos.data, merge->pos.len), error);
    else if (raw_name.n > 0)
        result = cdc_error_memory(error);
    free(name);
    return result;
}

/* Partitions and topics that are made while it reads are known by the first transaction that has rows in them: a new connection finds them. */
static int begin_counts(struct kafka_source *source, struct cdc_error *error)
{
    const struct kafka_transaction *transaction = &source->merge.transaction;

    for (size_t i = 0; i < transaction->n_counts; i++) {
        const struct kafka_count *count = &transaction->counts[i];
        if (count->n > 0 && find(source, count->topic, count->partition) >= source->n_parts &&
            kafka_parts_is_new(source, count->topic, count->partition))
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "topic %s, partition %d is new: connecting anew",
                                 count->topic, (int)count->partition);
    }
    return kafka_merge_begin(&source->merge.counts, transaction, source->n_parts, find, source, error);
}

/* The next END. 1: it is open; 0: none has come; -1. */
static int open_transaction(struct kafka_source *source, struct part *ends, struct cdc_error *error)
{
    struct merge_state *merge = &source->merge;

    for (;;) {
        int filled = fill(source, ends, error);
        if (filled <= 0)
            return filled;
        merge->pos.len = 0;
        int is_end = kafka_transaction_read(&merge->transaction, cdc_span(ends->front->payload, ends->front->len),
                                            &merge->pos, &merge->seq, error);
        if (is_end < 0)
            return cdc_error_prefix(error, "topic %s, offset %lld", ends->topic, (long long)ends->front->offset);
        struct cdc_span name = kafka_header_of(ends->front, KAFKA_HEADER_NAME);
        bool again = is_end == 1 && is_ended(merge, name, cdc_span(merge->pos.data, merge->pos.len));
        if (is_end == 0 || again) {
            source->metrics->duplicates += again;
            take_front(ends);
            continue;
        }
        if (begin_counts(source, error) != 0)
            return -1;
        struct cdc_span *fronts = realloc(merge->fronts, source->n_parts * sizeof *fronts);
        if (fronts == NULL)
            return cdc_error_memory(error);
        merge->fronts = fronts;
        merge->open = true;
        merge->described = true;
        merge->changes = 0;
        return 1;
    }
}

/* The line itself. A row that moves to another key is two records, of which the second has the line that both stand for; lines
 * about a whole table are in each of its partitions, and come once. */
static int append_merged(struct kafka_source *source, const struct part *part, struct cdc_buf *out,
                         struct cdc_error *error)
{
    const struct cdc_event *event = &part->event;
    struct cdc_span line = kafka_header_of(part->front, KAFKA_HEADER_LINE);

    if (event->op == CDC_OP_DELETE && kafka_header_of(part->front, KAFKA_HEADER_NEW_KEY).p != NULL)
        return 0;
    if (!cdc_event_has_row(event)) {
        struct cdc_buf *id = &source->scratch, *last = &source->merge.last;
        id->len = 0;
        cdc_buf_span(id, event->name);
        cdc_buf_byte(id, '\n');
        cdc_buf_span(id, event->pos);
        if (id->failed)
            return cdc_error_memory(error);
        if (cdc_span_equal(cdc_span(id->data, id->len), cdc_span(last->data, last->len)))
            return 0;
        last->len = 0;
        cdc_buf_append_buf(last, id);
    }
    if (event->op == CDC_OP_SCHEMA ? kafka_schemas_note(source, part, event, error) != 0
                                   : event->table.p != NULL && kafka_schemas_row(source, part, event, out, error) != 0)
        return -1;
    cdc_buf_span(out, line.p != NULL ? line : event->line);
    cdc_buf_byte(out, '\n');
    source->metrics->lines_out++;
    source->metrics->changes += cdc_event_has_row(event) || event->op == CDC_OP_TRUNCATE;
    source->merge.changes++;
    source->merge.described &= event->op == CDC_OP_SCHEMA;
    return 0;
}

/* A position beyond the END's is of the next transaction: one of this is missing. */
static int check_row(struct kafka_source *source, const struct part *part, struct cdc_error *error)
{
    struct cdc_span end = cdc_span(source->merge.pos.data, source->merge.pos.len);

    /* Of a transaction that counted fewer than it has: every sink would take this for one that it had. */
    if (cdc_event_has_row(&part->event) && is_ended(&source->merge, part->event.name, part->event.pos))
        return kafka_lost(
            error,
            "topic %s, partition %d, offset %lld: the line is of a transaction that has ended before: the "
            "transaction topic does not count what is there",
            part->topic, (int)part->partition, (long long)part->front->offset);
    if (cdc_span_compare(part->event.pos, end) <= 0)
        return 0;
    return kafka_lost(
        error,
        "topic %s, partition %d, offset %lld: the line is of a later transaction than the one at %.*s, which has more "
        "lines: they are gone",
        part->topic, (int)part->partition, (long long)part->front->offset, (int)(end.n > 100 ? 100 : end.n), end.p);
}

/* Schema lines that came before a transaction are told of by an END of their own. Nothing ends there: the rows are to come. */
static int end_schemas(struct kafka_source *source, struct part *ends, struct cdc_span name, struct cdc_error *error)
{
    source->merge.open = false;
    take_front(ends);
    return note_ended(&source->merge, name, error);
}

static int end_transaction(struct kafka_source *source, struct part *ends, struct cdc_span raw_name,
                           struct cdc_buf *out, struct cdc_error *error)
{
    struct merge_state *merge = &source->merge;
    struct cdc_span line = kafka_header_of(ends->front, KAFKA_HEADER_LINE), name = raw_name;
    struct cdc_event event;

    if (line.p == NULL && merge->described)
        return end_schemas(source, ends, name, error);
    if (line.p != NULL && cdc_event_parse(&event, line.p, line.n, error) == 0) {
        cdc_buf_span(out, line);
        cdc_buf_byte(out, '\n');
        name = event.name;
    } else if (line.p != NULL) {
        return -1;
    } else {
        cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
        cdc_buf_append(out, merge->pos.data, merge->pos.len);
        cdc_buf_lit(out, "\",\"seq\":");
        cdc_buf_i64(out, merge->seq);
        cdc_buf_lit(out, ",\"source\":{\"name\":\"");
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\"},\"events\":");
        cdc_buf_u64(out, merge->changes);
        cdc_buf_lit(out, "}\n");
    }
    source->metrics->lines_out++;
    source->metrics->commits++;
    source->boundary_seq = merge->seq;
    const char *until = source->settings->until;
    int64_t ms;
    if (until != NULL && strcmp(until, "now") != 0 && !cdc_time_parse(until, &ms))
        source->ended |= cdc_span_compare(cdc_span(merge->pos.data, merge->pos.len), cdc_span_text(until)) >= 0;
    if (name.n > 0 && kafka_passed(source, name, cdc_span(merge->pos.data, merge->pos.len), error) != 0)
        return -1;
    if (note_ended(merge, name, error) != 0)
        return -1;
    merge->open = false;
    take_front(ends);
    for (size_t i = 0; i < source->n_parts; i++)
        kafka_safe(&source->parts[i]);
    source->new_boundary = true;
    source->between = true;
    return 0;
}

/* The lines of the open transaction. 1: it has ended; 0: something has not come yet, or out is full; -1. */
static int take_rows(struct kafka_source *source, struct part *ends, struct cdc_buf *out, size_t limit,
                     struct cdc_error *error)
{
    struct merge_state *merge = &source->merge;
    struct cdc_span *fronts = merge->fronts;

    for (size_t i = 0; i < source->n_parts; i++) {
        struct part *part = &source->parts[i];
        fronts[i] = cdc_span(NULL, 0);
        if (merge->counts.left[i] == 0)
            continue;
        if (fill(source, part, error) < 0)
            return -1;
        if (part->front != NULL)
            fronts[i] = part->event.pos;
    }
    while (out->len < limit) {
        size_t i = kafka_merge_pick(&merge->counts, fronts);
        if (i == KAFKA_MERGE_WAIT)
            return 0;
        if (i == KAFKA_MERGE_DONE)
            return end_transaction(source, ends, cdc_span(source->names.data, source->names.len), out, error) == 0 ? 1
                                                                                                                   : -1;
        struct part *part = &source->parts[i];
        if (check_row(source, part, error) != 0)
            return -1;
        source->names.len = 0;
        cdc_buf_span(&source->names, part->event.name);
        if (append_merged(source, part, out, error) != 0)
            return -1;
        source->metrics->lines_in++;
        source->metrics->bytes_in += part->front->len;
        source->between = false;
        take_front(part);
        fronts[i] = cdc_span(NULL, 0);
        if (--merge->counts.left[i] == 0)
            continue;
        if (fill(source, part, error) < 0)
            return -1;
        if (part->front != NULL)
            fronts[i] = part->event.pos;
    }
    return 0;
}

static struct part *find_ends(const struct kafka_source *source)
{
    for (size_t i = source->n_parts; i-- > 0;)
        if (is_transactions(source, &source->parts[i]))
            return &source->parts[i];
    return NULL;
}

bool kafka_merge_at_end(const struct kafka_source *source)
{
    const struct part *ends = find_ends(source);

    return ends != NULL && ends->at_end && !source->merge.open;
}

enum cdc_source_result kafka_merge_read(struct kafka_source *source, struct cdc_buf *out, size_t limit,
                                        struct cdc_error *error)
{
    struct part *ends = find_ends(source);
    size_t begin = out->len;

    if (ends == NULL)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "no transaction topic is read"), CDC_SOURCE_ERROR;
    while (out->len < limit && !source->ended) {
        int opened = source->merge.open ? 1 : open_transaction(source, ends, error);
        int ended = opened > 0 ? take_rows(source, ends, out, limit, error) : opened;
        if (ended < 0)
            return CDC_SOURCE_ERROR;
        if (ended == 0)
            break;
        if (source->settings->max_events > 0 && source->metrics->changes >= (uint64_t)source->settings->max_events)
            source->ended = true;
    }
    if (source->new_boundary && kafka_boundary(source, error) != 0)
        return CDC_SOURCE_ERROR;
    if (!source->merge.open && (source->ended || ends->done))
        return CDC_SOURCE_END;
    return out->len > begin ? CDC_SOURCE_MORE : CDC_SOURCE_IDLE;
}
