/* SPDX-License-Identifier: MIT */
/* Lines of cdc-event(5) from what a format's reader has found. Positions are
 *
 *   KEY.NNNNNNNN.K   KEY: of the log, from the format; N: changes with that key; K: 0 schema, 1 the change, 2 commit
 *
 * so that a change has the same position each time it comes, whether a schema line is before it or not. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "libcdc/format/internal.h"
#include <cdc/pattern.h>

int reader_bad(const char *why, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_DATA, "%s", why);
}

/* -- streams --------------------------------------------------------------------- */

static void free_stream(struct reader_stream *stream)
{
    free((char *)stream->name.p);
    cdc_buf_free(&stream->key);
    cdc_buf_free(&stream->pos);
    cdc_buf_free(&stream->first);
    cdc_buf_free(&stream->done);
    cdc_buf_free(&stream->tx);
    cdc_buf_free(&stream->chunk);
    cdc_buf_free(&stream->source);
}

void cdc_format_reader_free(struct cdc_format_reader *reader)
{
    if (reader == NULL)
        return;
    for (size_t i = 0; i < reader->n_streams; i++)
        free_stream(&reader->streams[i]);
    free(reader->streams);
    format_tables_free(&reader->tables);
    struct cdc_buf *const bufs[] = {&reader->before,        &reader->after,     &reader->json_null,
                                    &reader->json_null_old, &reader->unchanged, &reader->extra,
                                    &reader->source,        &reader->scratch,   &reader->place};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        cdc_buf_free(bufs[i]);
    free(reader);
}

struct reader_stream *reader_stream_of(struct cdc_format_reader *reader, struct cdc_span raw_name,
                                       struct cdc_error *error)
{
    for (size_t i = 0; i < reader->n_streams; i++)
        if (cdc_json_raw_equal(reader->streams[i].name, raw_name))
            return &reader->streams[i];
    struct reader_stream *streams = realloc(reader->streams, (reader->n_streams + 1) * sizeof *streams);
    if (streams != NULL) {
        reader->streams = streams;
        struct reader_stream *stream = &streams[reader->n_streams];
        memset(stream, 0, sizeof *stream);
        stream->name = cdc_span(cdc_span_copy(raw_name), raw_name.n);
        if (stream->name.p != NULL) {
            reader->n_streams++;
            return stream;
        }
    }
    cdc_error_memory(error);
    return NULL;
}

struct reader_stream *reader_only_stream(struct cdc_format_reader *reader, struct cdc_error *error)
{
    const char *name = reader->settings.name != NULL ? reader->settings.name : reader->ops->name;

    reader->scratch.len = 0;
    cdc_json_append_text(&reader->scratch, name, strlen(name));
    if (reader->scratch.failed) {
        cdc_error_memory(error);
        return NULL;
    }
    return reader_stream_of(reader, cdc_span(reader->scratch.data + 1, reader->scratch.len - 2), error);
}

/* -- places ---------------------------------------------------------------------- */

static void append_number(struct cdc_format_reader *reader, struct cdc_buf *out)
{
    if (reader->settings.position == CDC_FORMAT_POSITION_RUN) {
        cdc_buf_hex(out, (uint64_t)reader->settings.now_ms, 16);
        cdc_buf_byte(out, '.');
    }
    cdc_buf_hex(out, reader->line, 16);
}

/* Of a run, milliseconds since 1970 and 20 bits: the lines of a run come after those of the runs before. */
static int64_t number_seq(const struct cdc_format_reader *reader)
{
    uint64_t most = (1u << 20) - 1;

    if (reader->settings.position == CDC_FORMAT_POSITION_LINE)
        return (int64_t)reader->line;
    return (int64_t)((uint64_t)reader->settings.now_ms << 20 | (reader->line < most ? reader->line : most));
}

/* The next place with the key of the one before. */
static void step(struct reader_stream *stream)
{
    stream->n++;
    stream->pos.len = 0;
    cdc_buf_append_buf(&stream->pos, &stream->key);
    cdc_buf_byte(&stream->pos, '.');
    cdc_buf_hex(&stream->pos, stream->n, 8);
}

int reader_place(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span key, int64_t seq,
                 const char *lacks, struct cdc_error *error)
{
    if (reader->settings.position != CDC_FORMAT_POSITION_LOG) {
        reader->scratch.len = 0;
        append_number(reader, &reader->scratch);
        key = cdc_span(reader->scratch.data, reader->scratch.len);
        /* One for all lines of a transaction, as a greater one would say that what is before it is complete. */
        seq = stream->open ? stream->seq : number_seq(reader);
    } else if (key.p == NULL) {
        cdc_error_set(error, CDC_EXIT_DATA, "the line has no position in the log: %s", lacks);
        return cdc_error_hint(error, "use --from-position=line for a file that is always read from its beginning, or "
                                     "--from-position=run where lines that come again may be taken again");
    }
    if (!cdc_span_equal(cdc_span(stream->key.data, stream->key.len), key)) {
        stream->key.len = 0;
        cdc_buf_span(&stream->key, key);
        stream->n = 0;
    }
    stream->seq = seq > stream->seq ? seq : stream->seq;
    step(stream);
    return reader->scratch.failed || stream->key.failed || stream->pos.failed ? cdc_error_memory(error) : 0;
}

void reader_append_chunk(struct cdc_buf *key, struct cdc_span chunk)
{
    cdc_buf_lit(key, ".~"); /* behind every digit */
    cdc_buf_span(key, chunk);
}

void reader_begin_again(struct reader_stream *stream)
{
    stream->key.len = 0;
    stream->events = 0;
}

static bool is_before(const struct cdc_buf *pos, const struct cdc_buf *other)
{
    return cdc_span_compare(cdc_span(pos->data, pos->len), cdc_span(other->data, other->len)) < 0;
}

static void keep_place(struct cdc_buf *to, const struct cdc_buf *pos)
{
    to->len = 0;
    cdc_buf_append_buf(to, pos);
}

/* A line from before what was complete comes again, or is out of the order of the log. Sinks take it for the first of the two and
 * drop it, so the second must not pass. The lines of a table are in order; so what lies behind the first line of the run and
 * behind all that came of its table was never here:
 *
 *   100 a   300 a   400 a   200 b   250 b      two topics, one after the other */
static int check_order(struct cdc_format_reader *reader, struct reader_stream *stream, struct format_table *table,
                       struct cdc_error *error)
{
    const struct cdc_buf *pos = &stream->pos;

    if (reader->settings.position != CDC_FORMAT_POSITION_LOG || reader->unordered || table == NULL)
        return 0;
    if (stream->first.len == 0)
        keep_place(&stream->first, pos);
    if (is_before(pos, &stream->done) && is_before(&stream->first, pos) && is_before(&table->newest, pos)) {
        cdc_error_set(error, CDC_EXIT_DATA,
                      "the line is out of the order of the log: its place is before that of "
                      "lines of other tables that came already, and sinks would drop it");
        return cdc_error_hint(error, "bring the lines of several topics or partitions into the order of the log first, "
                                     "or use --from-position=run, where lines that come again may be taken again");
    }
    if (is_before(&table->newest, pos))
        keep_place(&table->newest, pos);
    return stream->first.failed || table->newest.failed ? cdc_error_memory(error) : 0;
}

/* -- lines ----------------------------------------------------------------------- */

static void append_head(struct cdc_buf *out, const struct reader_stream *stream, const char *op, char kind)
{
    cdc_buf_lit(out, "{\"op\":\"");
    cdc_buf_text(out, op);
    cdc_buf_lit(out, "\",\"pos\":\"");
    cdc_buf_append(out, stream->pos.data, stream->pos.len);
    cdc_buf_byte(out, '.');
    cdc_buf_byte(out, kind);
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_i64(out, stream->seq);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, stream->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
}

static void append_part(struct cdc_buf *out, const char *name, struct cdc_span raw)
{
    if (raw.p == NULL)
        return;
    cdc_buf_lit(out, ",\"");
    cdc_buf_text(out, name);
    cdc_buf_lit(out, "\":");
    format_append_raw(out, raw);
}

/* The source object of a change, and in stream->source that of its commit line. */
static void make_source(struct cdc_format_reader *reader, struct reader_stream *stream,
                        const struct reader_change *change)
{
    const struct format_table *table = change->table;
    struct cdc_buf *one = &reader->source, *both[2] = {one, &stream->source};

    for (int i = 0; i < 2; i++) {
        struct cdc_buf *out = both[i];
        out->len = 0;
        cdc_buf_lit(out, "{\"connector\":\"");
        cdc_buf_text(out, change->connector);
        cdc_buf_lit(out, "\",\"name\":");
        format_append_raw(out, stream->name);
        append_part(out, "db", table != NULL ? table->db : change->db);
        if (table != NULL && i == 0) {
            append_part(out, "schema", table->schema);
            append_part(out, "table", table->table);
        }
        cdc_buf_lit(out, ",\"ts_ms\":");
        cdc_buf_i64(out, change->ts_ms);
        cdc_buf_text(out, change->snapshot ? ",\"snapshot\":\"true\"}" : ",\"snapshot\":\"false\"}");
    }
    if (change->source.p != NULL) {
        one->len = 0;
        cdc_json_append_compact(one, change->source);
    }
}

int reader_commit(struct reader_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    if (!stream->open)
        return 0;
    append_head(out, stream, "commit", '2');
    cdc_buf_append(out, stream->source.data, stream->source.len);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, stream->events);
    cdc_buf_lit(out, "}\n");
    if (is_before(&stream->done, &stream->pos))
        keep_place(&stream->done, &stream->pos);
    stream->open = false;
    stream->events = 0;
    stream->tx.len = 0;
    return stream->source.failed || stream->done.failed ? cdc_error_memory(error) : 0;
}

int reader_transaction(struct reader_stream *stream, struct cdc_span id, struct cdc_buf *out, struct cdc_error *error)
{
    if (stream->open && !cdc_span_equal(cdc_span(stream->tx.data, stream->tx.len), id) &&
        reader_commit(stream, out, error) != 0)
        return -1;
    if (!stream->open) {
        stream->tx.len = 0;
        cdc_buf_span(&stream->tx, id);
    }
    return stream->tx.failed ? cdc_error_memory(error) : 0;
}

static void append_columns(struct cdc_buf *out, const struct format_table *table)
{
    cdc_buf_lit(out, ",\"columns\":[");
    for (size_t i = 0; i < table->n; i++) {
        const struct format_column *column = &table->columns[i];
        cdc_buf_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        format_append_raw(out, column->name);
        cdc_buf_lit(out, ",\"type\":");
        format_append_raw(out, column->type);
        cdc_buf_text(out, column->nullable ? ",\"nullable\":true,\"generated\":false}"
                                           : ",\"nullable\":false,\"generated\":false}");
    }
    cdc_buf_lit(out, "],\"key_columns\":[");
    format_append_key_names(out, table);
    cdc_buf_lit(out, "]}\n");
}

static void append_row(struct cdc_buf *out, const char *name, struct cdc_span row)
{
    cdc_buf_lit(out, ",\"");
    cdc_buf_text(out, name);
    cdc_buf_lit(out, "\":");
    if (row.p != NULL)
        cdc_buf_span(out, row);
    else
        cdc_buf_lit(out, "null");
}

static void append_list(struct cdc_buf *out, const char *name, struct cdc_span names)
{
    if (names.n == 0)
        return;
    cdc_buf_lit(out, ",\"");
    cdc_buf_text(out, name);
    cdc_buf_lit(out, "\":[");
    cdc_buf_span(out, names);
    cdc_buf_byte(out, ']');
}

void reader_list_add(struct cdc_buf *list, struct cdc_span raw)
{
    if (list->len > 0)
        cdc_buf_byte(list, ',');
    format_append_raw(list, raw);
}

/* The key's columns of the row; a row that lacks one, or has NULL there, cannot be found by it. */
static int append_key(struct cdc_buf *out, const struct format_table *table, struct cdc_span row,
                      struct cdc_error *error)
{
    if (table->n_key == 0)
        return 0;
    cdc_buf_lit(out, ",\"key\":{");
    for (size_t i = 0; i < table->n_key; i++) {
        const struct format_column *column = &table->columns[table->key[i]];
        struct cdc_span value = format_row_value(row, column->name);
        if (cdc_json_is_null(value))
            return cdc_error_set(error, CDC_EXIT_DATA, "the row has no value of its key's column \"%.*s\"",
                                 (int)(column->name.n > 200 ? 200 : column->name.n), column->name.p);
        if (i > 0)
            cdc_buf_byte(out, ',');
        format_append_raw(out, column->name);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, value);
    }
    cdc_buf_byte(out, '}');
    return 0;
}

int reader_append(struct cdc_format_reader *reader, struct reader_stream *stream, const struct reader_change *change,
                  struct cdc_buf *out, struct cdc_error *error)
{
    struct format_table *table = change->table;
    bool has_row = change->before.p != NULL || change->after.p != NULL;

    if (check_order(reader, stream, table, error) != 0)
        return -1;
    stream->ts_ms = change->ts_ms;
    make_source(reader, stream, change);
    if (table != NULL && table->defined && !table->announced) {
        append_head(out, stream, "schema", '0');
        cdc_buf_append(out, reader->source.data, reader->source.len);
        append_columns(out, table);
        table->announced = true;
    }
    size_t begin = out->len;
    append_head(out, stream, change->op, '1');
    cdc_buf_append(out, reader->source.data, reader->source.len);
    if (has_row) {
        if (append_key(out, table, change->after.p != NULL ? change->after : change->before, error) != 0) {
            out->len = begin; /* only whole lines */
            return -1;
        }
        append_row(out, "before", change->before);
        append_row(out, "after", change->after);
        append_list(out, "unchanged", change->unchanged);
        append_list(out, "json_null", change->json_null);
        append_list(out, "json_null_old", change->json_null_old);
    }
    cdc_buf_span(out, change->extra);
    cdc_buf_lit(out, "}\n");
    stream->open = true;
    stream->events++;
    return reader->source.failed ? cdc_error_memory(error) : 0;
}

/* -- what has gone ----------------------------------------------------------------- */

int reader_append_gone(struct cdc_format_reader *reader, struct reader_stream *stream,
                       const struct reader_change *change, struct format_table *table, struct cdc_span db,
                       struct cdc_buf *out, struct cdc_error *error)
{
    struct reader_change gone = {
        .op = "t", .table = table, .db = db, .ts_ms = change->ts_ms, .connector = change->connector};

    if (reader->unordered) {
        reader->losses.n[LOSS_GONE]++;
        return 0;
    }
    if (table != NULL)
        format_table_reset(table); /* a table that is made under its name has columns of its own */
    step(stream);
    return stream->pos.failed ? cdc_error_memory(error) : reader_append(reader, stream, &gone, out, error);
}

/* Takes the word off, and the white space before it, where that may be escaped. */
static bool take_word(struct cdc_span *text, const char *word)
{
    size_t n = strlen(word);

    while (text->n > 0 && (*text->p == ' ' || (*text->p == '\\' && text->n > 1 && strchr("ntr", text->p[1]) != NULL))) {
        size_t blank = *text->p == ' ' ? 1 : 2;
        text->p += blank;
        text->n -= blank;
    }
    if (text->n < n || strncasecmp(text->p, word, n) != 0)
        return false;
    text->p += n;
    text->n -= n;
    return text->n == 0 || *text->p == ' ' || *text->p == '\\' || *text->p == '`';
}

bool reader_drops_database(struct cdc_span sql)
{
    struct cdc_span rest = cdc_json_string_raw(sql);

    return take_word(&rest, "drop") && (take_word(&rest, "database") || take_word(&rest, "schema"));
}

/* -- keys ------------------------------------------------------------------------ */

static int take_key_list(struct format_table *table, const char *list, struct cdc_error *error)
{
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ","), i = 0;
        for (; i < table->n; i++)
            if (cdc_json_raw_is(table->columns[i].name, cdc_span(p, n)))
                break;
        if (i == table->n)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "--key: the table has no column \"%.*s\"", (int)n, p);
        if (format_table_add_key(table, i, error) != 0)
            return -1;
        p += n;
        if (*p == '\0')
            return 0;
    }
}

int reader_settle_key(struct cdc_format_reader *reader, struct format_table *table, struct cdc_error *error)
{
    struct cdc_span schema = table->schema.p != NULL ? table->schema : table->db;

    for (size_t i = 0; table->n_key == 0 && i < reader->settings.keys.count; i++) {
        const char *item = reader->settings.keys.items[i];
        bool is_name;
        size_t prefix = cdc_pattern_prefix(item, &is_name);
        bool applies = prefix == SIZE_MAX;
        if (!applies) {
            char *pattern = strndup(item, prefix), *s = cdc_json_text(schema, NULL),
                 *t = cdc_json_text(table->table, NULL);
            applies = pattern != NULL && s != NULL && t != NULL &&
                      cdc_pattern_matches_table(pattern, cdc_span_text(s), cdc_span_text(t), false);
            bool failed = pattern == NULL || s == NULL || t == NULL;
            free(pattern);
            free(s);
            free(t);
            if (failed)
                return cdc_error_memory(error);
        }
        if (applies && take_key_list(table, prefix == SIZE_MAX ? item : item + prefix + 1, error) != 0)
            return -1;
    }
    return 0;
}

int reader_take_key(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span names,
                    struct cdc_error *error)
{
    size_t known = table->n_key;

    if (known == 0 && format_table_set_key(table, names, error) != 0)
        return -1;
    if (reader_settle_key(reader, table, error) != 0)
        return -1;
    table->announced &= table->n_key == known;
    return 0;
}

void reader_name_unchanged(struct cdc_format_reader *reader, struct format_table *table, bool is_update)
{
    for (size_t i = 0; i < table->n; i++) {
        if (is_update && !table->columns[i].seen)
            reader_list_add(&reader->unchanged, table->columns[i].name);
        table->columns[i].seen = false;
    }
}

int reader_keep_old(struct cdc_format_reader *reader, const struct format_table *table, struct cdc_span old,
                    struct cdc_error *error)
{
    struct cdc_buf *out = &reader->scratch;
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    struct format_row of_old;
    size_t next = 0;

    out->len = 0;
    format_row_begin(&of_old, old);
    for (cdc_json_iter_begin(&iter, cdc_span(reader->before.data, reader->before.len));
         cdc_json_next_member(&iter, &name, &value);) {
        const struct format_column *column = format_column_of(table, &next, name);
        if ((column == NULL || !column->key) && format_row_find(&of_old, name).p == NULL)
            continue;
        cdc_buf_byte(out, out->len == 0 ? '{' : ',');
        format_append_raw(out, name);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, value);
    }
    format_row_end(&of_old);
    cdc_buf_text(out, out->len == 0 ? "{}" : "}");
    if (out->failed)
        return cdc_error_memory(error);
    reader->before.len = 0;
    cdc_buf_append(&reader->before, out->data, out->len);
    return reader->before.failed ? cdc_error_memory(error) : 0;
}

struct format_column *reader_untyped(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span name,
                                     bool postgres, struct cdc_error *error)
{
    struct format_column *column = format_table_add(table, name, cdc_span_text("unknown"), postgres, error);

    if (column == NULL)
        return NULL;
    reader->losses.n[LOSS_UNTYPED]++;
    table->defined = true;
    table->announced = false;
    return column;
}

/* -- reading --------------------------------------------------------------------- */

static void empty(struct cdc_buf *buf)
{
    buf->len = 0;
    cdc_buf_shrink(buf, (size_t)1 << 20);
}

/* A clean end: what is in hand was whole, as far as the format tells. Where it tells the ends of transactions, one that lacks
 * its own is not. */
static int end_of_input(struct cdc_format_reader *reader, struct cdc_buf *out, struct cdc_error *error)
{
    for (size_t i = 0; i < reader->n_streams; i++)
        if (!reader->has_ends && reader_commit(&reader->streams[i], out, error) != 0)
            return -1;
    return 0;
}

void cdc_format_reader_seek(struct cdc_format_reader *reader, uint64_t number)
{
    reader->line = number - 1;
}

void cdc_format_reader_set_unordered(struct cdc_format_reader *reader, bool unordered)
{
    reader->unordered = unordered;
}

int cdc_format_read(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out,
                    struct cdc_error *error)
{
    if (line.p == NULL)
        return end_of_input(reader, out, error);
    reader->line++;
    if (cdc_json_validate(line.p, line.n, error) != 0)
        return -1;
    while (line.n > 0 && (unsigned char)*line.p <= ' ') {
        line.p++;
        line.n--;
    }
    while (line.n > 0 && (unsigned char)line.p[line.n - 1] <= ' ')
        line.n--;
    empty(&reader->before);
    empty(&reader->after);
    empty(&reader->extra);
    reader->json_null.len = reader->json_null_old.len = reader->unchanged.len = 0;
    if (reader->ops->line(reader, line, out, error) != 0)
        return -1;
    bool failed = out->failed || reader->before.failed || reader->after.failed || reader->json_null.failed ||
                  reader->json_null_old.failed || reader->unchanged.failed || reader->extra.failed ||
                  reader->scratch.failed || reader->place.failed;
    return failed ? cdc_error_memory(error) : 0;
}
