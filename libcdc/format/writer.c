/* SPDX-License-Identifier: MIT */
/* What the formats' writers share: the transaction in hand, and marks of values. */
#include <stdlib.h>

#include "libcdc/format/internal.h"

int writer_touch(struct writer_stream *stream, struct format_table *table, struct cdc_error *error)
{
    stream->open = true;
    stream->lines++;
    if (table == NULL)
        return 0;
    if (table->tx != stream->number) {
        table->tx = stream->number;
        table->tx_lines = 0;
        if (stream->n_touched == stream->touched_room) {
            size_t room = stream->touched_room == 0 ? 16 : stream->touched_room * 2;
            struct format_table **touched = realloc(stream->touched, room * sizeof(struct format_table *));
            if (touched == NULL)
                return cdc_error_memory(error);
            stream->touched = touched;
            stream->touched_room = room;
        }
        stream->touched[stream->n_touched++] = table;
    }
    table->tx_lines++;
    return 0;
}

void writer_commit(struct writer_stream *stream)
{
    stream->open = false;
    stream->number++;
    stream->lines = stream->n_touched = 0;
    stream->id.len = 0;
}

void writer_place(struct writer_stream *stream, const struct cdc_event *event)
{
    struct cdc_buf *newest = &stream->newest;

    if (event->pos.n == 0)
        return;
    if (stream->open && newest->len > 0 && cdc_span_compare(event->pos, cdc_span(newest->data, newest->len)) <= 0) {
        writer_commit(stream);
        stream->held.len = 0; /* it comes again */
    }
    newest->len = 0;
    cdc_buf_span(newest, event->pos);
}

void writer_name_chunk(struct writer_stream *stream, const struct cdc_event *event)
{
    struct cdc_span snapshot = cdc_json_member_raw(event->source, "snapshot");

    if (stream->open)
        return;
    stream->chunk.len = 0;
    if (snapshot.n > 0 && !cdc_span_is(snapshot, "false"))
        cdc_buf_span(&stream->chunk, event->pos);
}

bool writer_is_json_null(const struct format_column *column, struct cdc_span value, struct cdc_span json_null)
{
    return json_null.p != NULL && *value.p == 'n' && format_list_has(json_null, column->name);
}

bool writer_lacks_old(const struct cdc_event *event)
{
    return cdc_json_is_null(event->before) ||
           cdc_json_count_members(event->before) < cdc_json_count_members(event->after);
}

bool writer_is_same(const struct format_column *column, const struct cdc_event *event, struct cdc_span old,
                    struct cdc_span new)
{
    return format_values_equal(old, new) &&
           writer_is_json_null(column, old, event->json_null_old) == writer_is_json_null(column, new, event->json_null);
}

bool format_is_bytes_text(struct cdc_span value)
{
    return value.n > 10 && memcmp(value.p, "{\"base64\":", 10) == 0;
}

bool format_values_equal(struct cdc_span a, struct cdc_span b)
{
    return cdc_span_equal(a, b) || (cdc_json_type(a) == CDC_JSON_STRING && cdc_json_type(b) == CDC_JSON_STRING &&
                                    cdc_json_raw_equal(cdc_json_string_raw(a), cdc_json_string_raw(b)));
}

bool format_key_moves(const struct format_table *table, const struct cdc_event *event)
{
    if (event->op != CDC_OP_UPDATE || cdc_json_is_null(event->before))
        return false;
    for (size_t i = 0; i < table->n_key; i++) {
        struct cdc_span name = table->columns[table->key[i]].name;
        struct cdc_span old = format_row_value(event->before, name), new = format_row_value(event->after, name);
        if (old.p != NULL && new.p != NULL && !format_values_equal(old, new))
            return true;
    }
    return false;
}

void format_append_key_names(struct cdc_buf *out, const struct format_table *table)
{
    for (size_t i = 0; i < table->n_key; i++) {
        if (i > 0)
            cdc_buf_byte(out, ',');
        format_append_raw(out, table->columns[table->key[i]].name);
    }
}

bool format_is_mysql_type(const struct format_column *column)
{
    return !column->value.is_postgres || value_type_of(column->type, false).value == column->value.value;
}

struct cdc_span format_mysql_type(const struct format_column *column)
{
    return format_is_mysql_type(column) ? column->type : cdc_span_text("text");
}
