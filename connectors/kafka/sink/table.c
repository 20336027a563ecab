/* SPDX-License-Identifier: MIT */
/* The table layout: a row is a record in its table's topic, under its key, in the partition where every other program would put that
 * key. A delete is two records, a row that changes its key three. */
#include <stdlib.h>

#include "connectors/kafka/sink/internal.h"

/* A line on its way. */
struct line {
    struct kafka_sink *sink;
    struct kafka_stream *stream;
    struct kafka_table *table;
    const struct cdc_event *event;
    bool again; /* stored already, by a run that was cut off within its transaction: counted, and not sent */
};

/* One record of it. p NULL: none of that. */
struct part {
    struct kafka_topic *topic;
    int32_t partition;
    struct cdc_span key, value;
    const char *header; /* NULL: none */
    struct cdc_span header_value;
    bool placed;  /* with headers that say whose it is */
    bool counted; /* of the transaction */
};

void kafka_table_release(struct cdc_table *source)
{
    struct kafka_table *table = (struct kafka_table *)source;

    for (size_t i = 0; table->seen != NULL && i < table->n_key; i++)
        free(table->seen[i]);
    free(table->seen);
    free(table->key);
}

/* -- records ------------------------------------------------------------------------ */

static bool put(struct kafka_sink *sink, const char **to, struct cdc_span from)
{
    *to = from.p != NULL ? kafka_arena_put(&sink->arena, from.p, from.n) : NULL;
    return *to != NULL || from.p == NULL;
}

/* Adds headers one by one; *record moves with none of it. */
static int add_headers(struct kafka_sink *sink, struct kafka_record *record, const struct cdc_event *event,
                       const struct part *part, struct cdc_error *error)
{
    if (part->placed && kafka_batch_headers(sink, record, event, NULL, cdc_span(NULL, 0), error) != 0)
        return -1;
    return part->header != NULL ? kafka_batch_headers(sink, record, NULL, part->header, part->header_value, error) : 0;
}

static int emit(struct line *line, const struct part *part, struct cdc_error *error)
{
    struct kafka_sink *sink = line->sink;

    if (part->counted && kafka_transaction_count(&line->stream->transaction, line->event, part->topic->name,
                                                 part->partition, error) != 0)
        return -1;
    if (line->again)
        return 0;
    struct kafka_record *record = kafka_batch_add(sink, part->topic, part->partition, error);
    if (record == NULL)
        return -1;
    record->counted = part->counted;
    record->key_n = (uint32_t)part->key.n;
    record->value_n = part->value.n;
    if (!put(sink, &record->key, part->key) || !put(sink, &record->value, part->value))
        return kafka_batch_no_room(sink, error);
    if (sink->settings->commit_time)
        record->timestamp = line->event->ts_ms;
    sink->bytes += part->key.n + part->value.n;
    return add_headers(sink, record, line->event, part, error);
}

/* -- transactions ----------------------------------------------------------------------- */

static bool has_transactions(const struct kafka_sink *sink)
{
    return sink->settings->transaction_topic == NULL || strcmp(sink->settings->transaction_topic, "none") != 0;
}

/* A topic with one partition beside those of the tables. NULL with the error. */
static struct kafka_topic *side_topic(struct line *line, const char *template, struct cdc_error *error)
{
    struct cdc_buf name = CDC_BUF_INIT;
    struct kafka_topic *topic = NULL;

    if (kafka_topic_name(&name, template, line->event, error) == 0) {
        cdc_buf_byte(&name, '\0');
        topic = name.failed ? NULL : kafka_topic_of(line->sink, name.data, 0, error);
    }
    cdc_buf_free(&name);
    return topic != NULL && kafka_topic_prepare(line->sink, topic, 1, NULL, error) == 0 ? topic : NULL;
}

/* {"schema":S,"payload": ... } around a payload; schema NULL: none. */
static void begin_payload(struct cdc_buf *out, const char *schema)
{
    if (schema == NULL)
        return;
    cdc_buf_lit(out, "{\"schema\":");
    cdc_buf_text(out, schema);
    cdc_buf_lit(out, ",\"payload\":");
}

static int emit_status(struct line *line, struct cdc_span commit_line, bool end, struct cdc_error *error)
{
    struct kafka_sink *sink = line->sink;
    const char *given = sink->settings->transaction_topic;
    struct kafka_topic *topic = side_topic(line, given != NULL ? given : "{name}.transaction", error);

    if (topic == NULL)
        return -1;
    bool schemas = sink->settings->schemas;
    sink->key.len = sink->text.len = 0;
    begin_payload(&sink->key, schemas ? KAFKA_TRANSACTION_KEY_SCHEMA : NULL);
    kafka_transaction_key(&sink->key, &line->stream->transaction);
    if (schemas)
        cdc_buf_byte(&sink->key, '}');
    begin_payload(&sink->text, schemas ? KAFKA_TRANSACTION_SCHEMA : NULL);
    if (end)
        kafka_transaction_end(&sink->text, &line->stream->transaction, line->event);
    else
        kafka_transaction_status(&sink->text, &line->stream->transaction, line->event);
    if (schemas)
        cdc_buf_byte(&sink->text, '}');
    if (sink->key.failed || sink->text.failed)
        return cdc_error_memory(error);
    struct part part = {.topic = topic,
                        .key = cdc_span(sink->key.data, sink->key.len),
                        .value = cdc_span(sink->text.data, sink->text.len),
                        .placed = true};
    if (commit_line.p != NULL) {
        part.header = KAFKA_HEADER_LINE;
        part.header_value = commit_line;
    }
    return emit(line, &part, error);
}

static int open_transaction(struct line *line, struct cdc_error *error)
{
    struct kafka_transaction *transaction = &line->stream->transaction;

    line->stream->transaction_seq = line->event->seq;
    line->stream->transaction_ts = line->event->ts_ms;
    if (!has_transactions(line->sink) || transaction->open)
        return 0;
    kafka_transaction_begin(transaction, line->event);
    if (emit_status(line, cdc_span(NULL, 0), false, error) != 0)
        return -1;
    const struct cdc_buf *described = &line->stream->described.list;
    return kafka_transaction_describe(transaction, cdc_span(described->data, described->len), error);
}

/* again: its end is in Kafka, and what the position has of schema lines is of a later one. */
static int close_transaction(struct kafka_sink *sink, struct kafka_stream *stream, bool again, struct cdc_error *error)
{
    kafka_transaction_clear(&stream->transaction);
    return again ? 0 : kafka_described_close(sink, stream, error);
}

static int end_transaction(struct line *line, struct cdc_error *error)
{
    int result = line->stream->described.list.len > 0 ? open_transaction(line, error) : 0;

    if (result == 0 && line->stream->transaction.open)
        result = emit_status(line, line->event->line, true, error);
    struct cdc_error why = {0};
    int closed = close_transaction(line->sink, line->stream, line->again, &why);
    if (result == 0 && closed != 0 && error != NULL)
        *error = why;
    return result != 0 ? result : closed;
}

/* All of it has come again, and Kafka has what came after it. */
static bool is_ended_in_kafka(const struct kafka_stream *stream)
{
    return stream->taken.len == 0 &&
           cdc_span_compare(cdc_span(stream->again.data, stream->again.len), cdc_span_text(stream->place.pos)) < 0;
}

/* After the last line and all that is made of it (the create of a row that moves is at POS.1), and before the next. */
static void end_position(struct cdc_buf *out, const struct kafka_stream *stream)
{
    if (stream->taken.len > 0)
        cdc_buf_append_buf(out, &stream->taken);
    else
        cdc_buf_text(out, stream->place.pos);
    cdc_buf_byte(out, '/');
}

int kafka_table_end_implied(struct kafka_sink *sink, bool described, struct cdc_error *error)
{
    for (size_t i = 0; i < sink->n_streams; i++) {
        struct kafka_stream *stream = &sink->streams[i];
        /* Lines of a run before, from which nothing has come again yet, may be in the middle of a transaction. */
        if (!stream->transaction.open && (!described || stream->described.list.len == 0 || stream->taken.len == 0))
            continue;
        if (is_ended_in_kafka(stream)) {
            (void)close_transaction(sink, stream, true, error);
            continue;
        }
        char *name = stream->place.name;
        struct cdc_buf raw = CDC_BUF_INIT;
        cdc_json_append_string(&raw, name, strlen(name));
        struct cdc_buf pos = CDC_BUF_INIT;
        end_position(&pos, stream);
        if (raw.failed || pos.failed) {
            cdc_buf_free(&raw);
            cdc_buf_free(&pos);
            return cdc_error_memory(error);
        }
        struct cdc_event event = {.op = CDC_OP_COMMIT,
                                  .pos = cdc_span(pos.data, pos.len),
                                  .has_seq = true,
                                  .seq = stream->transaction_seq,
                                  .ts_ms = stream->transaction_ts,
                                  .name = cdc_span(raw.data + 1, raw.len - 2)};
        struct line line = {sink, stream, NULL, &event, false};
        int result = open_transaction(&line, error);
        if (result == 0)
            result = emit_status(&line, cdc_span(NULL, 0), true, error);
        if (result == 0)
            result = close_transaction(sink, stream, false, error);
        cdc_buf_free(&pos);
        cdc_buf_free(&raw);
        if (result != 0)
            return -1;
    }
    return 0;
}

/* -- tables ------------------------------------------------------------------------------- */

static int prepare(struct line *line, struct cdc_error *error)
{
    struct kafka_sink *sink = line->sink;
    struct kafka_table *table = line->table;

    if (table->topic == NULL && (table->topic = kafka_topic_of(sink, table->source.target, 0, error)) == NULL)
        return -1;
    if (kafka_topic_prepare(sink, table->topic, sink->settings->create_partitions, NULL, error) != 0)
        return -1;
    if (table->source.owned && (table->topic->claimed || table->topic->claim_stored))
        return 0;
    return cdc_tables_claim(&sink->tables, &table->source, error);
}

static void forget_key(struct kafka_table *table)
{
    for (size_t i = 0; table->seen != NULL && i < table->n_key; i++)
        free(table->seen[i]);
    free(table->seen);
    free(table->key);
    table->seen = NULL;
    table->key = NULL;
    table->n_key = 0;
}

static int take_key_order(struct kafka_table *table, struct cdc_error *error)
{
    forget_key(table);
    if (table->source.n_key == 0)
        return 0;
    table->key = calloc(table->source.n_key, sizeof *table->key);
    if (table->key == NULL)
        return cdc_error_memory(error);
    for (size_t i = 0; i < table->source.n_key; i++)
        table->key[i] = table->source.columns[table->source.key[i]].name;
    table->n_key = table->source.n_key;
    return 0;
}

/* Without a schema line: as the first row has them. */
static int see_key_order(struct kafka_table *table, struct cdc_span key, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t n = 0;

    for (cdc_json_iter_begin(&iter, key); cdc_json_next_member(&iter, &name, &value);)
        n++;
    table->seen = calloc(n + 1, sizeof *table->seen);
    table->key = calloc(n + 1, sizeof *table->key);
    if (table->seen == NULL || table->key == NULL)
        return cdc_error_memory(error);
    for (cdc_json_iter_begin(&iter, key); cdc_json_next_member(&iter, &name, &value); table->n_key++) {
        if ((table->seen[table->n_key] = cdc_json_text(name, NULL)) == NULL)
            return cdc_error_memory(error);
        table->key[table->n_key] = table->seen[table->n_key];
    }
    return 0;
}

/* -- rows ----------------------------------------------------------------------------------- */

static int refuse(struct line *line, const char *why, struct cdc_error *error)
{
    return line->again ? 0 : cdc_sink_reject(&line->sink->context, line->event->line, why, error);
}

/* 1: sink->key is the row's key; 0: it has none, and goes without; 2: refused; -1 */
static int make_key(struct line *line, struct cdc_error *error)
{
    struct kafka_sink *sink = line->sink;
    struct kafka_table *table = line->table;
    const struct cdc_event *event = line->event;
    struct cdc_error why = {0};

    sink->key.len = 0;
    if (cdc_json_type(event->key) == CDC_JSON_OBJECT) {
        if (table->n_key == 0 && see_key_order(table, event->key, error) != 0)
            return -1;
        if (kafka_key_append(&sink->key, table->key, table->n_key, event->key, true, &why) == 0)
            return 1;
        return refuse(line, why.text, error) == 0 ? 2 : -1;
    }
    if (sink->settings->unkeyed == KAFKA_UNKEYED_WHOLE) {
        cdc_json_append_compact(&sink->key, event->op == CDC_OP_DELETE ? event->before : event->after);
        return sink->key.failed ? cdc_error_memory(error) : 1;
    }
    if (sink->settings->unkeyed == KAFKA_UNKEYED_ROW && !table->topic->compacted)
        return 0;
    return refuse(line,
                  sink->settings->unkeyed == KAFKA_UNKEYED_ROW
                      ? "a row without a key, which a compacted topic does not take: see --unkeyed=whole"
                      : "a row without a key: see --unkeyed",
                  error) == 0
               ? 2
               : -1;
}

/* A message of Debezium. */
struct message {
    struct cdc_span key, value; /* key: with its schema where values have theirs */
};

/* BEGIN and END, which are made here, and not of a table. */
static bool is_status(struct cdc_span value)
{
    static const char *const begins[] = {"{\"status\":", "{\"schema\":null,"};

    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(begins[i]);
        if (value.n > n && memcmp(value.p, begins[i], n) == 0)
            return true;
    }
    return false;
}

/* The messages that Debezium's form of the line is, at most three. How many, or -1. */
static int debezium_messages(struct line *line, struct message *messages, struct cdc_error *error)
{
    struct cdc_buf *text = &line->sink->text;
    int n = 0;

    text->len = 0;
    if (cdc_format_write(line->sink->writer, line->event, text, error) < 0)
        return -1;
    if (text->failed)
        return cdc_error_memory(error);
    for (const char *p = text->data, *end = p + text->len; p != NULL && p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        struct cdc_span whole = cdc_span(p, (size_t)(stop - p));
        struct message message = {cdc_json_member(whole, "key"), cdc_json_member(whole, "value")};
        if (!is_status(message.value) && n < 3)
            messages[n++] = message;
        p = stop + 1;
    }
    return n;
}

static struct part part_of(const struct line *line, struct cdc_span key, struct cdc_span value)
{
    return (struct part){.topic = line->table->topic,
                         .partition =
                             key.p != NULL ? kafka_partition_of(key.p, key.n, line->table->topic->partitions) : 0,
                         .key = key,
                         .value = value,
                         .placed = line->sink->settings->debezium,
                         .counted = line->stream->transaction.open};
}

static int emit_tombstone(struct line *line, struct cdc_span key, struct cdc_error *error)
{
    struct part part = part_of(line, key, cdc_span(NULL, 0));

    if (!line->sink->settings->tombstones || key.p == NULL)
        return 0;
    part.placed = true;
    part.counted = false;
    part.header = KAFKA_HEADER_SOURCE;
    part.header_value = line->event->source;
    return emit(line, &part, error);
}

/* The old row goes, the new one comes: in this order, and in one batch. */
static int emit_moved(struct line *line, struct cdc_span old_key, struct cdc_span new_key, struct cdc_span deleted,
                      struct cdc_span created, struct cdc_error *error)
{
    struct part part = part_of(line, old_key, deleted);

    part.header = KAFKA_HEADER_NEW_KEY;
    part.header_value = new_key;
    if (emit(line, &part, error) != 0 || emit_tombstone(line, old_key, error) != 0)
        return -1;
    struct cdc_buf pos = CDC_BUF_INIT;
    struct cdc_event second = *line->event;
    struct line other = *line;
    cdc_buf_span(&pos, line->event->pos);
    cdc_buf_lit(&pos, ".1");
    second.pos = cdc_span(pos.data, pos.len);
    other.event = &second;
    part = part_of(line, new_key, created);
    part.header = KAFKA_HEADER_OLD_KEY;
    part.header_value = old_key;
    size_t before = line->sink->n;
    int result = pos.failed ? cdc_error_memory(error) : emit(&other, &part, error);
    cdc_buf_free(&pos);
    /* Who puts the stream together again gets the line as it was. */
    if (result == 0 && !line->sink->settings->debezium && line->sink->n > before)
        result = kafka_batch_headers(line->sink, &line->sink->records[line->sink->n - 1], NULL, KAFKA_HEADER_LINE,
                                     line->event->line, error);
    return result;
}

static int split_lines(struct line *line, struct cdc_span old_key, struct cdc_span *deleted, struct cdc_span *created,
                       struct cdc_error *error)
{
    struct cdc_buf *text = &line->sink->text;
    size_t n;

    text->len = 0;
    bool whole = kafka_split_update(text, line->event, old_key, &n);
    if (text->failed)
        return cdc_error_memory(error);
    line->sink->lost_columns += !whole && !line->again;
    *deleted = cdc_span(text->data, n);
    *created = cdc_span(text->data + n, text->len - n);
    return 0;
}

static int emit_row(struct line *line, struct cdc_span key, struct cdc_error *error)
{
    struct kafka_sink *sink = line->sink;
    bool debezium = sink->settings->debezium;
    struct message messages[3] = {{{NULL, 0}, {NULL, 0}}};
    int n = debezium ? debezium_messages(line, messages, error) : 0, moves = 0;

    if (n < 0)
        return -1;
    sink->old_key.len = 0;
    if (key.p != NULL && line->table->n_key > 0)
        moves = kafka_key_moves(&sink->old_key, line->table->key, line->table->n_key, line->event, key, error);
    if (moves < 0)
        return -1;
    if (moves) {
        struct cdc_span old_key = cdc_span(sink->old_key.data, sink->old_key.len);
        struct message *created = &messages[n > 1 ? n - 1 : 1];
        if (!debezium && split_lines(line, old_key, &messages[0].value, &created->value, error) != 0)
            return -1;
        if (sink->settings->schemas)
            return emit_moved(line, messages[0].key, created->key, messages[0].value, created->value, error);
        return emit_moved(line, old_key, key, messages[0].value, created->value, error);
    }
    if (sink->settings->schemas && key.p != NULL)
        key = messages[0].key;
    struct part part = part_of(line, key, debezium ? messages[0].value : line->event->line);
    if (emit(line, &part, error) != 0)
        return -1;
    return line->event->op == CDC_OP_DELETE ? emit_tombstone(line, key, error) : 0;
}

static int take_row(struct line *line, struct cdc_error *error)
{
    struct kafka_sink *sink = line->sink;
    struct cdc_error why = {0};

    if (prepare(line, error) != 0)
        return -1;
    int keyed = make_key(line, error);
    if (keyed < 0 || keyed == 2)
        return keyed < 0 ? -1 : 0;
    struct cdc_buf kept = CDC_BUF_INIT; /* sink->key is used for BEGIN as well */
    bool alone = false;
    if (keyed == 1)
        cdc_buf_append_buf(&kept, &sink->key);
    int result = kept.failed ? cdc_error_memory(error) : open_transaction(line, error);
    if (result == 0 && !line->again)
        result = kafka_line_begin(sink, line->table->topic, line->event->line.n, &alone, error);
    size_t before = sink->n, bytes = sink->bytes;
    if (result == 0)
        result = emit_row(line, keyed == 1 ? cdc_span(kept.data, kept.len) : cdc_span(NULL, 0), &why);
    cdc_buf_free(&kept);
    if (result != 0 && why.status == CDC_EXIT_DATA) {
        sink->n = before;
        sink->bytes = bytes;
        return refuse(line, why.text, error);
    }
    if (result != 0) {
        if (why.status != 0 && error != NULL)
            *error = why;
        return -1;
    }
    return line->again ? 0 : kafka_line_end(sink, line->stream, line->event, alone, error);
}

/* -- other lines ------------------------------------------------------------------------------ */

/* Schema lines begin no transaction: they come before it, and count in it. */
static int begin_or_describe(struct line *line, struct cdc_error *error)
{
    struct kafka_stream *stream = line->stream;

    if (line->event->op != CDC_OP_SCHEMA)
        return open_transaction(line, error);
    stream->transaction_seq = line->event->seq;
    stream->transaction_ts = line->event->ts_ms;
    return has_transactions(line->sink)
               ? kafka_described_add(line->sink, stream, line->event, line->table->topic, error)
               : 0;
}

/* About all rows of a table, so it goes into each of its partitions. */
static int emit_to_all(struct line *line, struct cdc_error *error)
{
    if (prepare(line, error) != 0)
        return -1;
    if (line->table->topic->compacted)
        return cdc_error_set(
            error, CDC_EXIT_CONFIG,
            "topic %s is compacted, and takes no lines without a key: leave --lines, or the compaction",
            line->table->topic->name);
    if (begin_or_describe(line, error) != 0)
        return -1;
    for (int32_t i = 0; i < line->table->topic->partitions; i++) {
        struct part part = part_of(line, cdc_span(NULL, 0), line->event->line);
        part.partition = i;
        part.placed = false;
        if (emit(line, &part, error) != 0)
            return -1;
    }
    return line->again ? 0 : kafka_line_end(line->sink, line->stream, line->event, false, error);
}

static int emit_aside(struct line *line, const char *template, struct cdc_error *error)
{
    struct kafka_topic *topic = side_topic(line, template, error);

    if (topic == NULL || open_transaction(line, error) != 0)
        return -1;
    struct part part = {.topic = topic, .value = line->event->line, .counted = line->stream->transaction.open};
    if (emit(line, &part, error) != 0)
        return -1;
    return line->again ? 0 : kafka_line_end(line->sink, line->stream, line->event, false, error);
}

static void tell_once(struct line *line, bool *told, const char *what)
{
    if (!*told)
        cdc_log_write(line->sink->context.log, CDC_LOG_WARNING,
                      "%s are not written to tables' topics: readers of these do not hear of them (hint: --lines)",
                      what);
    *told = true;
}

static struct kafka_table *table_of(struct line *line, struct cdc_error *error)
{
    return (struct kafka_table *)cdc_tables_of(&line->sink->tables, line->event, error);
}

static int take_truncate(struct line *line, struct cdc_error *error)
{
    if (!(line->sink->settings->lines & KAFKA_LINES_TRUNCATE) || cdc_event_is_of_database(line->event)) {
        if (!cdc_event_is_of_read(line->event))
            tell_once(line, &line->sink->told_truncate, "truncates");
        return 0;
    }
    return (line->table = table_of(line, error)) != NULL ? emit_to_all(line, error) : -1;
}

/* It comes with each run: what was stored of it is not sent again. */
static int take_schema(struct line *line, struct cdc_error *error)
{
    struct kafka_sink *sink = line->sink;
    struct cdc_error why = {0};

    line->table = (struct kafka_table *)cdc_tables_define(&sink->tables, line->event, &why);
    if (line->table == NULL) {
        if (error != NULL)
            *error = why;
        return -1;
    }
    if (take_key_order(line->table, error) != 0)
        return -1;
    if (sink->writer != NULL) {
        sink->text.len = 0;
        if (cdc_format_write(sink->writer, line->event, &sink->text, error) < 0)
            return -1;
    }
    if (!(sink->settings->lines & KAFKA_LINES_SCHEMA) || line->again)
        return 0;
    return emit_to_all(line, error);
}

static int take_message(struct line *line, struct cdc_error *error)
{
    if (line->sink->settings->lines & KAFKA_LINES_MESSAGE)
        return emit_aside(line, "{name}.message", error);
    tell_once(line, &line->sink->told_message, "logical messages");
    return 0;
}

static int take_ddl(struct line *line, struct cdc_error *error)
{
    if (line->sink->settings->lines & KAFKA_LINES_DDL)
        return emit_aside(line, "{name}", error);
    tell_once(line, &line->sink->told_ddl, "DDL statements");
    return 0;
}

static int take_commit(struct line *line, struct cdc_error *error)
{
    if (line->sink->writer != NULL) {
        line->sink->text.len = 0;
        if (cdc_format_write(line->sink->writer, line->event, &line->sink->text, error) < 0)
            return -1;
    }
    if (end_transaction(line, error) != 0)
        return -1;
    return line->again ? 0 : kafka_stream_take(line->stream, line->event, error);
}

int kafka_table_event(void *context, const struct cdc_event *event, struct cdc_error *error)
{
    struct kafka_sink *sink = context;
    struct line line = {.sink = sink, .event = event, .stream = kafka_stream_of(sink, event->name, error)};

    if (line.stream == NULL)
        return -1;
    line.again = kafka_stream_has(line.stream, event->pos);
    if (line.again) {
        line.stream->again.len = 0;
        cdc_buf_span(&line.stream->again, event->pos);
        if (line.stream->again.failed)
            return cdc_error_memory(error);
    }
    if (cdc_event_has_row(event)) {
        sink->dropped += line.again;
        return (line.table = table_of(&line, error)) != NULL ? take_row(&line, error) : -1;
    }
    switch (event->op) {
    case CDC_OP_SCHEMA: return take_schema(&line, error);
    case CDC_OP_TRUNCATE: return take_truncate(&line, error);
    case CDC_OP_MESSAGE: return take_message(&line, error);
    case CDC_OP_DDL: return take_ddl(&line, error);
    case CDC_OP_COMMIT: return take_commit(&line, error);
    default: return 0;
    }
}
