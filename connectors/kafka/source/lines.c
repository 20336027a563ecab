/* SPDX-License-Identifier: MIT */
/* Records as lines. In a log they are passed on as they are. Where partitions are sources of their own, each line gets the
 * partition's name, so that the positions of a name are in order again:
 *
 *   shop/0  "pos":"10" "name":"shop"      "name":"shop/shop/0","partition_of":"shop"   10, 12, 12/ (a commit)
 *   shop/1  "pos":"11" "name":"shop"      "name":"shop/shop/1"   11, 11/ */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/kafka/source/internal.h"

#define COMMIT_MS 200
#define COMMIT_EVENTS 10000

struct cdc_span kafka_header_of(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t n;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &n) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cdc_span(NULL, 0);
    return cdc_span(value, n);
}

void kafka_read_to(struct part *part, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;

    part->read.next = message->offset + 1;
    part->read.anchor = (struct anchor){message->offset, rd_kafka_message_timestamp(message, &type), 0};
}

static int bad_record(const struct part *part, const rd_kafka_message_t *message, struct cdc_error *error)
{
    return cdc_error_prefix(error, "topic %s, partition %d, offset %lld", part->topic, (int)part->partition,
                            (long long)message->offset);
}

static int parse(struct part *part, const rd_kafka_message_t *message, struct cdc_event *event, struct cdc_error *error)
{
    if (memchr(message->payload, '\n', message->len) != NULL) {
        cdc_error_set(error, CDC_EXIT_DATA, "the record has a line break in it");
        return bad_record(part, message, error);
    }
    if (cdc_event_parse(event, message->payload, message->len, error) != 0)
        return bad_record(part, message, error);
    if (event->pos.n > 0 && event->name.n > 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_DATA, "the record is no line of cdc-event(5): it has no \"pos\", or no source.name");
    cdc_error_hint(error, "records of other tools are read with --format");
    return bad_record(part, message, error);
}

/* Does it begin as change lines do that cdc tools write? Then nothing else in it matters to a log. */
static bool is_plain_change(const rd_kafka_message_t *message)
{
    static const char begin[] = "{\"op\":\"c\",";
    const char *p = message->payload;

    return message->len > sizeof begin && memcmp(p, begin, 7) == 0 && p[8] == '"' && p[9] == ',' &&
           (p[7] == 'c' || p[7] == 'u' || p[7] == 'd' || p[7] == 'r') && p[message->len - 1] == '}' &&
           memchr(p, '\n', message->len) == NULL;
}

static void append_line(struct cdc_buf *out, const rd_kafka_message_t *message)
{
    cdc_buf_append(out, message->payload, message->len);
    cdc_buf_byte(out, '\n');
}

static void count(struct kafka_source *source, enum cdc_op op)
{
    source->metrics->lines_out++;
    source->metrics->changes += op == CDC_OP_READ || op == CDC_OP_CREATE || op == CDC_OP_UPDATE ||
                                op == CDC_OP_DELETE || op == CDC_OP_TRUNCATE || op == CDC_OP_MESSAGE;
    source->metrics->commits += op == CDC_OP_COMMIT;
}

/* Before a row: what its table looks like, if this run has not told. */
static int tell_schema(struct kafka_source *source, const struct part *part, const struct cdc_event *event,
                       struct cdc_buf *out, struct cdc_error *error)
{
    if (event->op == CDC_OP_SCHEMA)
        return kafka_schemas_note(source, part, event, error);
    return event->table.p != NULL ? kafka_schemas_row(source, part, event, out, error) : 0;
}

/* -- a log -------------------------------------------------------------------------- */

static bool until_reached(const struct kafka_source *source, struct cdc_span pos)
{
    const char *until = source->settings->until;
    int64_t ignored;

    return until != NULL && strcmp(until, "now") != 0 && !cdc_time_parse(until, &ignored) &&
           cdc_span_compare(pos, cdc_span_text(until)) >= 0;
}

static int take_log(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                    struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_event event;

    if (!kafka_schemas_wait(source) && is_plain_change(message)) {
        count(source, CDC_OP_CREATE);
        append_line(out, message);
        source->between = false;
        kafka_read_to(part, message);
        return 0;
    }
    if (message->payload == NULL) {
        cdc_error_set(error, CDC_EXIT_DATA, "the record is a tombstone");
        cdc_error_hint(error, "topics of tables are read with --order=partition or --order=source");
        return bad_record(part, message, error);
    }
    if (parse(part, message, &event, error) != 0)
        return -1;
    if (tell_schema(source, part, &event, out, error) != 0)
        return -1;
    count(source, event.op);
    append_line(out, message);
    kafka_read_to(part, message);
    bool ends = event.op == CDC_OP_COMMIT || event.op == CDC_OP_HEARTBEAT;
    /* A heartbeat inside a transaction ends nothing. */
    if (event.op == CDC_OP_HEARTBEAT && !source->between && (!event.has_seq || event.seq < source->boundary_seq))
        ends = false;
    source->between = ends || (source->between && event.op == CDC_OP_SCHEMA);
    if (!ends)
        return 0;
    source->boundary_seq = event.has_seq ? event.seq : 0;
    source->ended |= until_reached(source, event.pos);
    return kafka_passed(source, event.name, event.pos, error) == 0 ? 1 : -1;
}

/* -- partitions ------------------------------------------------------------------------ */

static void keep(struct cdc_buf *buf, struct cdc_span text)
{
    buf->len = 0;
    cdc_buf_span(buf, text);
}

static void append_renamed(struct cdc_buf *out, const struct part *part, const struct cdc_event *event)
{
    kafka_append_named(out, part, event, event->line);
    cdc_buf_byte(out, '\n');
}

static int note_line(struct kafka_source *source, struct part *part, const struct cdc_event *event,
                     struct cdc_error *error)
{
    bool ends = event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT;

    count(source, event->op);
    keep(&part->pos, event->pos);
    keep(&part->name, event->name);
    cdc_buf_text(&part->name, part->label);
    part->source.len = 0;
    kafka_append_named(&part->source, part, event, event->source);
    part->seq = event->has_seq && event->seq > part->seq ? event->seq : part->seq;
    part->ts_ms = event->ts_ms;
    if (part->pos.failed || part->name.failed || part->source.failed)
        return cdc_error_memory(error);
    if (ends) {
        part->open = 0;
        return kafka_passed(source, cdc_span(part->name.data, part->name.len), event->pos, error) == 0 ? 1 : -1;
    }
    if (part->open++ == 0)
        part->open_since = cdc_clock_ms();
    return 0;
}

/* Has the run before this one passed that position on? */
static bool was_passed(const struct kafka_source *source, const struct part *part, const struct cdc_event *event)
{
    size_t label = strlen(part->label);

    for (size_t i = 0; i < source->passed.n; i++) {
        const struct passed *passed = &source->passed.items[i];
        size_t n = strlen(passed->name);
        if (n >= label && strcmp(passed->name + n - label, part->label) == 0 &&
            cdc_json_raw_is(event->name, cdc_span(passed->name, n - label)))
            return cdc_span_compare(event->pos, cdc_span_text(passed->pos)) <= 0;
    }
    return false;
}

/* The delete that a tombstone stands for, in source->scratch. 1; 0: nobody can tell whose row that was; -1 */
static int read_tombstone(struct kafka_source *source, const struct part *part, const rd_kafka_message_t *message,
                          struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_span key = cdc_span(message->key, message->key_len), pos = kafka_header_of(message, KAFKA_HEADER_POS),
                    seq = kafka_header_of(message, KAFKA_HEADER_SEQ),
                    home = kafka_header_of(message, KAFKA_HEADER_SOURCE);
    struct cdc_buf *line = &source->scratch;
    struct cdc_error ignored = {0};
    rd_kafka_timestamp_type_t type;

    if (home.p == NULL) /* of the partition's last line, with the partition in its name */
        home = cdc_span(part->source.data, part->source.len);
    if (pos.p == NULL || home.n == 0 || cdc_json_validate(home.p, home.n, &ignored) != 0 ||
        cdc_json_validate(key.p, key.n, &ignored) != 0 || cdc_json_type(key) != CDC_JSON_OBJECT)
        return 0;
    line->len = 0;
    cdc_buf_lit(line, "{\"op\":\"d\",\"pos\":\"");
    cdc_buf_span(line, pos);
    cdc_buf_lit(line, "\",\"seq\":");
    cdc_buf_span(line, seq.p != NULL ? seq : cdc_span_text("0"));
    cdc_buf_printf(line, ",\"ts_ms\":%lld,\"source\":", (long long)rd_kafka_message_timestamp(message, &type));
    cdc_buf_span(line, home);
    cdc_buf_lit(line, ",\"key\":");
    cdc_json_append_compact(line, key);
    cdc_buf_lit(line, ",\"before\":null,\"after\":null}");
    if (line->failed)
        return cdc_error_memory(error);
    return cdc_event_parse(event, line->data, line->len, error) == 0 ? 1 : bad_record(part, message, error);
}

/* A tombstone says nothing new after the delete of that key, and is a delete where that one is missing: the brokers may have
 * compacted it away, whatever was read before. */
static int take_tombstone(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                          struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_event event;

    kafka_read_to(part, message);
    if (message->key == NULL ||
        cdc_span_equal(cdc_span(message->key, message->key_len), cdc_span(part->gone.data, part->gone.len)))
        return 0;
    int read = read_tombstone(source, part, message, &event, error);
    if (read <= 0) {
        source->metrics->skipped += read == 0;
        return read;
    }
    /* Its own delete was read just before, in this run or another. */
    if (cdc_span_compare(event.pos, cdc_span(part->pos.data, part->pos.len)) <= 0 || was_passed(source, part, &event))
        return 0;
    if (tell_schema(source, part, &event, out, error) != 0)
        return -1;
    if (kafka_header_of(message, KAFKA_HEADER_SOURCE).p != NULL) {
        append_renamed(out, part, &event);
        return note_line(source, part, &event, error);
    }
    cdc_buf_append(out, event.line.p, event.line.n);
    cdc_buf_byte(out, '\n');
    count(source, CDC_OP_DELETE);
    keep(&part->pos, event.pos);
    if (part->open++ == 0)
        part->open_since = cdc_clock_ms();
    return part->pos.failed ? cdc_error_memory(error) : 0;
}

/* It is about the rows of all partitions, and would take away those that came after it in another one. */
static int check_truncate(const struct kafka_source *source, const struct cdc_event *event, struct cdc_error *error)
{
    if (event->op != CDC_OP_TRUNCATE || source->n_parts <= 1)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "a truncate has no place among rows of several partitions");
    return cdc_error_hint(error, source->foreign ? "use a topic with one partition"
                                                 : "use --order=source, or a topic with one partition");
}

static int take_partition(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                          struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_event event;

    if (message->payload == NULL)
        return take_tombstone(source, part, message, out, error);
    if (parse(part, message, &event, error) != 0)
        return -1;
    if (check_truncate(source, &event, error) != 0)
        return bad_record(part, message, error);
    if (tell_schema(source, part, &event, out, error) != 0)
        return -1;
    append_renamed(out, part, &event);
    kafka_read_to(part, message);
    part->gone.len = 0;
    if (event.op == CDC_OP_DELETE)
        cdc_buf_append(&part->gone, message->key, message->key_len);
    part->moves = event.op == CDC_OP_DELETE && kafka_header_of(message, KAFKA_HEADER_NEW_KEY).p != NULL;
    return note_line(source, part, &event, error);
}

/* -- records of other tools -------------------------------------------------------------- */

static bool same_table(struct cdc_span a, struct cdc_span b)
{
    static const char *const members[] = {"db", "schema", "table"};

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!cdc_span_equal(cdc_json_member(a, members[i]), cdc_json_member(b, members[i])))
            return false;
    return true;
}

/* Which table the rows of this partition are of: its tombstones do not tell. */
static void note_home(struct part *part, const rd_kafka_message_t *message)
{
    struct cdc_span value = cdc_span(message->payload, message->len), payload = cdc_json_member(value, "payload");
    struct cdc_span home = cdc_json_member(payload.p != NULL ? payload : value, "source");

    if (cdc_json_type(home) != CDC_JSON_OBJECT || cdc_json_member(home, "table").p == NULL)
        return;
    part->mixed |= part->home.len > 0 && !same_table(cdc_span(part->home.data, part->home.len), home);
    keep(&part->home, home);
}

/* Maxwell's keys have the table in them: {"database":"d","table":"t","pk.id":1}. */
static void append_maxwell_delete(struct cdc_buf *line, struct cdc_span key, int64_t ms)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    struct cdc_buf names = CDC_BUF_INIT;
    char separator = '{';

    cdc_buf_lit(line, "{\"database\":");
    cdc_buf_span(line, cdc_json_member(key, "database"));
    cdc_buf_lit(line, ",\"table\":");
    cdc_buf_span(line, cdc_json_member(key, "table"));
    cdc_buf_printf(line, ",\"type\":\"delete\",\"ts\":%lld,\"data\":", (long long)ms / 1000);
    for (cdc_json_iter_begin(&iter, key); cdc_json_next_member(&iter, &name, &value);) {
        if (name.n < 3 || memcmp(name.p, "pk.", 3) != 0)
            continue;
        cdc_buf_printf(line, "%c\"%.*s\":", separator, (int)name.n - 3, name.p + 3);
        cdc_buf_span(line, value);
        cdc_buf_printf(&names, "%s\"%.*s\"", separator == '{' ? "" : ",", (int)name.n - 3, name.p + 3);
        separator = ',';
    }
    cdc_buf_text(line, separator == '{' ? "{}" : "}");
    cdc_buf_lit(line, ",\"primary_key_columns\":[");
    cdc_buf_append_buf(line, &names);
    cdc_buf_lit(line, "]}");
    line->failed |= names.failed;
    cdc_buf_free(&names);
}

/* The message that its tool would have written of a delete. 0: nobody can tell whose row that was. */
static bool append_delete(struct kafka_source *source, const struct part *part, const rd_kafka_message_t *message,
                          struct cdc_buf *line)
{
    struct cdc_span key = cdc_span(message->key, message->key_len);
    struct cdc_error ignored = {0};
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(message, &type);

    if (cdc_json_validate(key.p, key.n, &ignored) != 0 || cdc_json_type(key) != CDC_JSON_OBJECT)
        return false;
    if (strncmp(source->settings->format, "maxwell", 7) == 0) {
        append_maxwell_delete(line, key, ms);
        return cdc_json_member(key, "table").p != NULL && cdc_json_member(key, "database").p != NULL;
    }
    if (strncmp(source->settings->format, "debezium", 8) != 0 || part->mixed || part->home.len == 0)
        return false;
    cdc_buf_lit(line, "{\"key\":");
    cdc_buf_span(line, key);
    cdc_buf_printf(line,
                   ",\"value\":{\"op\":\"d\",\"before\":null,\"after\":null,\"ts_ms\":%lld,\"source\":", (long long)ms);
    cdc_buf_append_buf(line, &part->home);
    cdc_buf_lit(line, "}}");
    return true;
}

/* A tombstone is a delete where the delete before it is missing: brokers may have compacted that one away. 1: *value is what to
 * read, in line; 0: it says nothing new; -1 */
static int foreign_tombstone(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                             struct cdc_buf *line, struct cdc_error *error)
{
    struct cdc_span key = cdc_span(message->key, message->key_len);

    if (message->key == NULL)
        return 0;
    if (cdc_span_equal(key, cdc_span(part->gone.data, part->gone.len)))
        return 0;
    if (append_delete(source, part, message, line))
        return line->failed ? cdc_error_memory(error) : 1;
    if (part->fresh) {
        source->metrics->skipped++;
        return 0;
    }
    cdc_error_set(error, CDC_EXIT_CONFIG, "a tombstone without its delete, and its key does not tell whose row it was");
    return cdc_error_hint(error, "read the topic from its beginning into an empty copy");
}

static void note_delete(struct part *part, const rd_kafka_message_t *message, enum cdc_op op)
{
    part->fresh = false;
    part->gone.len = 0;
    if (op == CDC_OP_DELETE && message->payload != NULL)
        cdc_buf_append(&part->gone, message->key, message->key_len);
}

/* Its lines, in source->scratch. 1; 0: it has none; -1 */
static int read_foreign(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                        struct cdc_error *error)
{
    struct cdc_buf *lines = &source->scratch, made = CDC_BUF_INIT;

    lines->len = 0;
    if (part->json != NULL)
        return kafka_json_of_message(source, part, message, &part->json_told, lines, error) == 0 ? 1 : -1;
    int result = message->payload == NULL ? foreign_tombstone(source, part, message, &made, error) : 1;
    if (result > 0) {
        struct cdc_span value = made.len > 0 ? cdc_span(made.data, made.len) : cdc_span(message->payload, message->len);
        cdc_format_reader_seek(part->reader, (uint64_t)message->offset);
        cdc_format_reader_set_unordered(part->reader, source->n_parts > 1);
        result = cdc_format_read(part->reader, value, lines, error) == 0 ? 1 : -1;
    }
    cdc_buf_free(&made);
    return result;
}

/* They are passed on one by one. */
static int take_foreign(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                        struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf *lines = &source->scratch;
    struct cdc_event event;

    kafka_read_to(part, message);
    int result = read_foreign(source, part, message, error);
    if (result == 0)
        return 0;
    if (result < 0)
        return bad_record(part, message, error);
    if (message->payload != NULL && part->json == NULL)
        note_home(part, message);
    result = 0;
    for (size_t at = 0; at < lines->len && result >= 0;) {
        const char *end = memchr(lines->data + at, '\n', lines->len - at);
        size_t n = end != NULL ? (size_t)(end - lines->data) - at : lines->len - at;
        if (cdc_event_parse(&event, lines->data + at, n, error) != 0 || check_truncate(source, &event, error) != 0)
            return bad_record(part, message, error);
        if (part->json != NULL && event.op == CDC_OP_SCHEMA && kafka_schemas_note(source, part, &event, error) != 0)
            return -1;
        append_renamed(out, part, &event);
        note_delete(part, message, event.op);
        int noted = note_line(source, part, &event, error);
        result = noted < 0 ? -1 : result | noted;
        at += n + 1;
    }
    return result;
}

static int commit_part(struct kafka_source *source, struct part *part, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf pos = CDC_BUF_INIT;

    cdc_buf_append_buf(&pos, &part->pos);
    /* After the row and all that is made of it (POS.1), and before the next; the create of a row that moves may still come, as POS.1. */
    cdc_buf_text(&pos, part->moves ? ".0" : "/");
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    cdc_buf_append_buf(out, &pos);
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_i64(out, part->seq);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, part->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    cdc_buf_append_buf(out, &part->source);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, part->open);
    cdc_buf_lit(out, "}\n");
    part->open = 0;
    count(source, CDC_OP_COMMIT);
    int result = kafka_passed(source, cdc_span(part->name.data, part->name.len), cdc_span(pos.data, pos.len), error);
    bool failed = pos.failed || out->failed;
    cdc_buf_free(&pos);
    return failed ? cdc_error_memory(error) : result;
}

int kafka_commit_parts(struct kafka_source *source, bool all, struct cdc_buf *out, struct cdc_error *error)
{
    int64_t now = cdc_clock_ms();
    int came = 0;

    for (size_t i = 0; source->order == KAFKA_ORDER_PARTITION && i < source->n_parts; i++) {
        struct part *part = &source->parts[i];
        if (part->open == 0 ||
            (!all && !part->at_end && part->open < COMMIT_EVENTS && now - part->open_since < COMMIT_MS))
            continue;
        if (commit_part(source, part, out, error) != 0)
            return -1;
        came = 1;
    }
    return came;
}

int kafka_take(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message, struct cdc_buf *out,
               struct cdc_error *error)
{
    if (part->verify) {
        int known = kafka_verify(source, part, message, error);
        if (known != 0)
            return known < 0 ? -1 : 0;
    }
    if (message->offset < part->read.next)
        return 0;
    source->metrics->bytes_in += message->len;
    source->metrics->lines_in++;
    if (source->order == KAFKA_ORDER_LOG)
        return take_log(source, part, message, out, error);
    return source->foreign ? take_foreign(source, part, message, out, error)
                           : take_partition(source, part, message, out, error);
}
