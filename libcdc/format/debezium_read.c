/* SPDX-License-Identifier: MIT */
/* Debezium's messages: the value alone, with its schema, or with the key: {"key":K,"value":V}, {"key":K,"payload":V}. */
#include <stdio.h>
#include <stdlib.h>

#include "libcdc/format/debezium_read.h"

static const char *const parts[] = {NULL};

#define SNAPSHOT_LINES 1000 /* of a snapshot without transactions, after which there is a commit line */

struct message {
    struct cdc_span key, schema, value;
};

/* -- the frame -------------------------------------------------------------------- */

/* {"schema":S,"payload":P} */
static bool take_schema_off(struct cdc_span *value, struct cdc_span *schema)
{
    struct cdc_span payload;

    if (cdc_json_type(*value) != CDC_JSON_OBJECT)
        return false;
    *schema = cdc_json_member(*value, "schema");
    payload = cdc_json_member(*value, "payload");
    if (schema->p == NULL || payload.p == NULL || cdc_json_member(*value, "op").p != NULL)
        return false;
    *value = payload;
    return true;
}

static struct message open_message(struct cdc_span line)
{
    struct message message = {.value = line};
    struct cdc_span key = cdc_json_member(line, "key"), value = cdc_json_member(line, "value"), ignored;

    /* As a consumer prints both; kcat calls the value payload. */
    if (cdc_json_member(line, "op").p == NULL && cdc_json_member(line, "schema").p == NULL && key.p != NULL) {
        message.key = key;
        message.value = value.p != NULL ? value : cdc_json_member(line, "payload");
        (void)take_schema_off(&message.key, &ignored);
    }
    if (!take_schema_off(&message.value, &message.schema))
        message.schema = cdc_span(NULL, 0);
    return message;
}

static struct debezium_source read_source(struct cdc_span source)
{
    struct debezium_source read = {.whole = source};
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    const struct {
        const char *name;
        struct cdc_span *raw, *value;
    } members[] = {
        {"connector", &read.connector, NULL},
        {"name", &read.name, NULL},
        {"db", &read.db, NULL},
        {"schema", &read.schema, NULL},
        {"table", &read.table, NULL},
        {"snapshot", &read.snapshot, NULL},
        {"sequence", &read.sequence, NULL},
        {"gtid", &read.gtid, NULL},
        {"file", &read.file, NULL},
        {"lsn", NULL, &read.lsn},
        {"txId", NULL, &read.tx_id},
        {"pos", NULL, &read.pos},
        {"row", NULL, &read.row},
    };

    for (cdc_json_iter_begin(&iter, source); cdc_json_next_member(&iter, &name, &value);) {
        if (cdc_span_is(name, "ts_ms"))
            (void)cdc_json_int64(value, &read.ts_ms);
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            if (cdc_span_is(name, members[i].name)) {
                if (members[i].value != NULL)
                    *members[i].value = value;
                else
                    *members[i].raw = cdc_json_string_raw(value);
                /* The documentation's examples have it so. */
                if (members[i].raw == &read.snapshot && cdc_span_is(value, "true"))
                    read.snapshot = value;
                break;
            }
    }
    read.is_postgres = cdc_span_is(read.connector, "postgresql");
    return read;
}

/* -- places ----------------------------------------------------------------------- */

static bool take_quoted_number(struct cdc_span *text, int64_t *number)
{
    struct cdc_span digits = {text->p, 0};

    while (digits.n < text->n && text->p[digits.n] >= '0' && text->p[digits.n] <= '9')
        digits.n++;
    text->p += digits.n;
    text->n -= digits.n;
    return digits.n > 0 && cdc_json_int64(digits, number);
}

/* Of "[\"24023119\",\"24023128\"]", which stands within a string, the first number; null is 0. */
static bool first_of_sequence(struct cdc_span sequence, int64_t *number)
{
    *number = 0;
    if (sequence.n == 0 || *sequence.p != '[')
        return false;
    do {
        sequence.p++;
        sequence.n--;
    } while (sequence.n > 0 && memchr("\\\" ", *sequence.p, 3) != NULL);
    if (sequence.n >= 4 && memcmp(sequence.p, "null", 4) == 0)
        return true;
    return take_quoted_number(&sequence, number);
}

/* The lines of a snapshot that our writer wrote have one place in the log: they are in the order of their chunks. */
static bool append_chunk(struct cdc_buf *key, struct cdc_span transaction)
{
    struct cdc_span id = cdc_json_member_raw(transaction, "id"), prefix = cdc_span_text(DEBEZIUM_CHUNK);
    int64_t order;

    if (id.n <= prefix.n || memcmp(id.p, prefix.p, prefix.n) != 0 ||
        !cdc_json_int64(cdc_json_member(transaction, "total_order"), &order))
        return false;
    reader_append_chunk(key, cdc_span(id.p + prefix.n, id.n - prefix.n));
    cdc_buf_byte(key, '.');
    cdc_buf_hex(key, (uint64_t)order, 16);
    return true;
}

/* PostgreSQL: where the transaction committed, or the one before it, then the place in it: either grows. */
static bool place_postgres(struct cdc_buf *key, const struct debezium_source *source, struct cdc_span transaction,
                           int64_t *seq)
{
    int64_t in_it = 0;

    if (!first_of_sequence(source->sequence, seq) || *seq < 0)
        return false;
    if (!cdc_json_int64(cdc_json_member(transaction, "total_order"), &in_it) && !cdc_json_int64(source->lsn, &in_it))
        return false;
    cdc_buf_hex(key, (uint64_t)*seq, 16);
    if (append_chunk(key, transaction))
        return true;
    cdc_buf_byte(key, '.');
    cdc_buf_hex(key, (uint64_t)in_it, 16);
    return true;
}

/* MySQL: the number of the file, the place in it, the row of the event. */
static bool place_mysql(struct cdc_buf *key, const struct debezium_source *source, struct cdc_span transaction,
                        int64_t *seq)
{
    struct cdc_span file = source->file;
    int64_t number, pos, row = 0;
    size_t digits = 0;

    while (digits < file.n && file.p[file.n - 1 - digits] >= '0' && file.p[file.n - 1 - digits] <= '9')
        digits++;
    struct cdc_span text = {file.p + file.n - digits, digits};
    while (text.n > 1 && *text.p == '0') {
        text.p++;
        text.n--;
    }
    if (digits == 0 || !cdc_json_int64(text, &number) || number > 0x7fffff || !cdc_json_int64(source->pos, &pos) ||
        pos < 0)
        return false;
    (void)cdc_json_int64(source->row, &row);
    cdc_buf_hex(key, (uint64_t)number, 8);
    cdc_buf_byte(key, '.');
    cdc_buf_hex(key, (uint64_t)pos, 16);
    *seq = number << 40 | (pos & 0xffffffffff);
    if (append_chunk(key, transaction))
        return true;
    cdc_buf_byte(key, '.');
    cdc_buf_hex(key, (uint64_t)row, 8);
    return true;
}

static bool is_snapshot(const struct debezium_source *source)
{
    return source->snapshot.n > 0 && !cdc_span_is(source->snapshot, "false");
}

/* A connector for PostgreSQL puts the place of each line behind the number of the transaction, and so it does in BEGIN and END:
 *
 *   571:53195829   571:53195830   571:53195832 */
static struct cdc_span name_of_id(struct cdc_span id)
{
    size_t n = 0, digits;

    while (n < id.n && id.p[n] >= '0' && id.p[n] <= '9')
        n++;
    for (digits = n + 1; digits < id.n && id.p[digits] >= '0' && id.p[digits] <= '9';)
        digits++;
    return n > 0 && n + 1 < id.n && id.p[n] == ':' && digits == id.n ? cdc_span(id.p, n) : id;
}

/* The transaction's name: what its metadata says, or what the source has of it. Without either, each line is one. */
static void name_transaction(struct cdc_buf *id, const struct debezium_source *source, struct cdc_span transaction,
                             struct cdc_span key)
{
    struct cdc_span said = cdc_json_member_raw(transaction, "id");

    if (said.n > 0)
        cdc_buf_span(id, name_of_id(said));
    else if (is_snapshot(source))
        cdc_buf_lit(id, "snapshot");
    else if (source->tx_id.p != NULL && cdc_json_type(source->tx_id) == CDC_JSON_NUMBER)
        cdc_buf_span(id, source->tx_id);
    else if (source->gtid.n > 0)
        cdc_buf_span(id, source->gtid);
    else
        cdc_buf_span(id, key);
}

/* An incremental snapshot's rows have no place of their own: they come after what came before them. */
static bool place_after_last(struct cdc_buf *key, const struct reader_stream *stream, int64_t *seq)
{
    *seq = stream->seq;
    cdc_buf_append(key, stream->key.data, stream->key.len);
    return stream->key.len > 0;
}

/* Lines with one place are several, as the two of an update of a key, or one that comes again: their numbers in the transaction tell,
 * where they have some. The first line of a transaction that is open begins it again. */
static bool comes_again(struct reader_stream *stream, struct cdc_span key, struct cdc_span transaction)
{
    int64_t before = stream->order;

    stream->order = 0;
    return cdc_json_int64(cdc_json_member(transaction, "total_order"), &stream->order) && stream->order <= before &&
           ((stream->open && stream->order == 1) || cdc_span_equal(cdc_span(stream->key.data, stream->key.len), key));
}

static int place(struct cdc_format_reader *reader, struct reader_stream *stream, const struct debezium_source *source,
                 struct cdc_span transaction, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf *key = &reader->place;
    int64_t seq = 0;

    key->len = 0;
    bool found = cdc_span_is(source->snapshot, "incremental") ? place_after_last(key, stream, &seq)
                 : source->is_postgres                        ? place_postgres(key, source, transaction, &seq)
                                                              : place_mysql(key, source, transaction, &seq);
    size_t n = found ? key->len : 0;
    if (!found) {
        key->len = 0;
        cdc_buf_u64(key, reader->line);
    }
    size_t at = key->len;
    name_transaction(key, source, transaction, cdc_span(key->data, key->len));
    if (key->failed)
        return cdc_error_memory(error);
    if (reader_transaction(stream, cdc_span(key->data + at, key->len - at), out, error) != 0)
        return -1;
    if (found && comes_again(stream, cdc_span(key->data, n), transaction))
        reader_begin_again(stream);
    /* The places within a MySQL transaction differ, and a greater seq would end it. */
    seq = stream->open ? stream->seq : seq;
    return reader_place(reader, stream, found ? cdc_span(key->data, n) : cdc_span(NULL, 0), seq,
                        source->is_postgres ? "source.sequence is missing" : "source.file and source.pos are missing",
                        error);
}

/* -- rows ------------------------------------------------------------------------- */

/* Decodes a row of the message; is_new: what is unavailable is unchanged. */
static int read_row(struct cdc_format_reader *reader, struct format_table *table, bool postgres, struct cdc_span row,
                    bool is_new, struct cdc_buf *nulls, struct cdc_error *error)
{
    struct cdc_buf *out = is_new ? &reader->after : &reader->before;
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;
    char separator = '{';

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        struct format_column *column = format_column_of(table, &next, name);
        if (column == NULL && (column = reader_untyped(reader, table, name, postgres, error)) == NULL)
            return -1;
        if (debezium_is_unavailable(column, value)) {
            if (is_new)
                reader_list_add(&reader->unchanged, name);
            continue;
        }
        cdc_buf_byte(out, separator);
        separator = ',';
        format_append_raw(out, name);
        cdc_buf_byte(out, ':');
        size_t at = out->len;
        debezium_read_value(out, column, value, &reader->losses, &reader->scratch);
        if (column->wire == DEBEZIUM_JSON && *value.p == '"' &&
            cdc_span_is(cdc_span(out->data + at, out->len - at), "null"))
            reader_list_add(nulls, name);
    }
    cdc_buf_text(out, separator == '{' ? "{}" : "}");
    return 0;
}

static struct cdc_span span_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data, buf->len);
}

static int take_row(struct cdc_format_reader *reader, const struct message *message, struct reader_change *change,
                    const struct debezium_source *source, struct cdc_error *error)
{
    struct format_table *table = change->table;
    struct cdc_span before = cdc_json_member(message->value, "before"),
                    after = cdc_json_member(message->value, "after");
    bool is_delete = *change->op == 'd';

    if (message->schema.p != NULL && cdc_json_type(message->schema) == CDC_JSON_OBJECT &&
        debezium_take_schema(reader, table, message->schema, source->is_postgres, error) != 0)
        return -1;
    if (is_delete)
        after = cdc_span(NULL, 0);
    /* The old row of a table without one is its key, where the message has that. */
    if (is_delete && cdc_json_is_null(before))
        before = message->key;
    if (cdc_json_type(before) == CDC_JSON_OBJECT) {
        if (read_row(reader, table, source->is_postgres, before, false,
                     is_delete ? &reader->json_null : &reader->json_null_old, error) != 0)
            return -1;
        change->before = span_of(&reader->before);
    }
    if (cdc_json_type(after) == CDC_JSON_OBJECT) {
        if (read_row(reader, table, source->is_postgres, after, true, &reader->json_null, error) != 0)
            return -1;
        change->after = span_of(&reader->after);
    }
    if (reader->before.failed || reader->after.failed)
        return cdc_error_memory(error);
    if (is_delete ? change->before.p == NULL : change->after.p == NULL)
        return reader_bad(is_delete ? "a delete has neither a row in before nor a key" : "the line has no row in after",
                          error);
    change->unchanged = span_of(&reader->unchanged);
    change->json_null = span_of(&reader->json_null);
    change->json_null_old = span_of(&reader->json_null_old);
    if (debezium_take_key(reader, table, message->key, source->is_postgres, error) != 0)
        return -1;
    if (reader_settle_key(reader, table, error) != 0)
        return -1;
    return source->is_postgres ? debezium_judge_old_row(reader, table, change, before, error) : 0;
}

static void take_message(struct cdc_format_reader *reader, struct cdc_span value)
{
    struct cdc_span message = cdc_json_member(value, "message"), prefix = cdc_json_member(message, "prefix");
    struct cdc_buf *out = &reader->extra;

    cdc_buf_lit(out, ",\"message\":{\"prefix\":");
    cdc_buf_span(out, prefix.p != NULL ? prefix : cdc_span("\"\"", 2));
    cdc_buf_lit(out, ",\"content\":");
    reader->scratch.len = 0;
    if (format_decode_base64(&reader->scratch, cdc_json_member_raw(message, "content")))
        cdc_json_append_text(out, reader->scratch.data, reader->scratch.len);
    else
        cdc_buf_lit(out, "\"\"");
    cdc_buf_lit(out, ",\"transactional\":true}");
}

static const char *connector_of(const struct debezium_source *source)
{
    return source->is_postgres                         ? "postgresql"
           : cdc_span_is(source->connector, "mariadb") ? "mariadb"
           : cdc_span_is(source->connector, "mysql")   ? "mysql"
                                                       : "debezium";
}

static int read_change(struct cdc_format_reader *reader, const struct message *message, struct cdc_span op,
                       struct cdc_buf *out, struct cdc_error *error)
{
    static const char *const ops[] = {"r", "c", "u", "d", "t", "m"};
    struct debezium_source source = read_source(cdc_json_member(message->value, "source"));
    struct reader_change change = {.source = source.whole, .connector = connector_of(&source)};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (cdc_span_is(op, ops[i]))
            change.op = ops[i];
    if (change.op == NULL)
        return reader_bad("the line's op is none of Debezium's", error);
    if (source.name.p == NULL)
        return reader_bad("the line's source has no name", error);
    change.ts_ms = source.ts_ms;
    (void)cdc_json_int64(cdc_json_member(message->value, "ts_ms"), &change.ts_ms);
    change.snapshot = is_snapshot(&source);
    struct reader_stream *stream = reader_stream_of(reader, source.name, error);
    if (stream == NULL)
        return -1;
    if (place(reader, stream, &source, cdc_json_member(message->value, "transaction"), out, error) != 0)
        return -1;
    if (*change.op == 'm') {
        take_message(reader, message->value);
        change.extra = span_of(&reader->extra);
    } else {
        change.table = format_table_of(&reader->tables, source.name, source.db, source.schema,
                                       source.table.n > 0 ? source.table : cdc_span(NULL, 0), error);
        if (change.table == NULL)
            return -1;
        if (*change.op == 't') {
            struct cdc_span except = cdc_json_member(message->value, "except");
            if (except.p != NULL)
                cdc_buf_lit(&reader->extra, ",\"except\":");
            cdc_buf_span(&reader->extra, except);
            change.extra = span_of(&reader->extra);
        } else if (take_row(reader, message, &change, &source, error) != 0) {
            return -1;
        }
        /* Such as the second half of an update of a key: which line had the value, nothing says. */
        reader->losses.n[LOSS_UNAVAILABLE] += (*change.op == 'c' || *change.op == 'r') && change.unchanged.n > 0;
    }
    if (reader_append(reader, stream, &change, out, error) != 0)
        return -1;
    bool pause = change.snapshot && stream->events >= SNAPSHOT_LINES &&
                 cdc_json_is_null(cdc_json_member(message->value, "transaction"));
    return pause ? reader_commit(stream, out, error) : 0;
}

/* -- other lines ------------------------------------------------------------------ */

/* {"status":"END","id":"571:53195832",...}: whose transaction that is, its id says. */
static int read_status(struct cdc_format_reader *reader, struct cdc_span value, struct cdc_buf *out,
                       struct cdc_error *error)
{
    struct cdc_span id = name_of_id(cdc_json_member_raw(value, "id"));

    reader->has_ends = true;
    if (!cdc_json_member_is(value, "status", "END"))
        return 0;
    for (size_t i = 0; i < reader->n_streams; i++)
        if (reader->streams[i].open && cdc_span_equal(span_of(&reader->streams[i].tx), id))
            return reader_commit(&reader->streams[i], out, error);
    return 0;
}

static int read_schema_change(struct cdc_format_reader *reader, struct cdc_span value, struct cdc_buf *out,
                              struct cdc_error *error)
{
    struct debezium_source source = read_source(cdc_json_member(value, "source"));
    struct cdc_span ddl = cdc_json_member(value, "ddl"), db = cdc_json_member(value, "databaseName");
    struct reader_change change = {
        .op = "ddl", .ts_ms = source.ts_ms, .connector = connector_of(&source), .source = source.whole};

    if (source.name.p == NULL)
        return reader_bad("the line's source has no name", error);
    if (debezium_take_table_changes(reader, &source, cdc_json_member(value, "tableChanges"), error) != 0)
        return -1;
    if (cdc_json_type(ddl) != CDC_JSON_STRING)
        return 0;
    struct reader_stream *stream = reader_stream_of(reader, source.name, error);
    if (stream == NULL || place(reader, stream, &source, cdc_span(NULL, 0), out, error) != 0)
        return -1;
    cdc_buf_lit(&reader->extra, ",\"ddl\":");
    cdc_buf_span(&reader->extra, ddl);
    cdc_buf_lit(&reader->extra, ",\"db\":");
    cdc_buf_span(&reader->extra, db.p != NULL ? db : cdc_span("\"\"", 2));
    change.extra = span_of(&reader->extra);
    bool alone = source.gtid.n == 0 && source.tx_id.p == NULL; /* nothing says where it ends but that it is DDL */
    if (reader_append(reader, stream, &change, out, error) != 0)
        return -1;
    /* Before a connector describes a table of its snapshot, it "drops" it. */
    if (!is_snapshot(&source) &&
        debezium_append_gone(reader, stream, &source, cdc_json_member(value, "tableChanges"), &change, out, error) != 0)
        return -1;
    if (!is_snapshot(&source) && reader_drops_database(ddl) && db.n > 2 &&
        reader_append_gone(reader, stream, &change, NULL, cdc_json_string_raw(db), out, error) != 0)
        return -1;
    return alone ? reader_commit(stream, out, error) : 0;
}

static int read_line(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out,
                     struct cdc_error *error)
{
    struct message message = open_message(line);
    struct cdc_span op;

    /* A tombstone: the delete before it has said it all. */
    if (cdc_json_is_null(message.value))
        return 0;
    if (cdc_json_type(message.value) != CDC_JSON_OBJECT)
        return reader_bad("the line is no message of Debezium", error);
    op = cdc_json_member_raw(message.value, "op");
    if (op.p != NULL)
        return read_change(reader, &message, op, out, error);
    if (cdc_json_member(message.value, "status").p != NULL)
        return read_status(reader, message.value, out, error);
    if (cdc_json_member(message.value, "ddl").p != NULL || cdc_json_member(message.value, "tableChanges").p != NULL)
        return read_schema_change(reader, message.value, out, error);
    if (cdc_json_member(message.value, "ts_ms").p == NULL)
        return reader_bad("the line is no message of Debezium", error);
    return 0; /* a heartbeat, which tells no position */
}

const struct reader_ops debezium_reader = {"debezium", parts, read_line, false};
