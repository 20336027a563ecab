/* SPDX-License-Identifier: MIT */
/* The lines of a table that is read again while the log goes on: live.h. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/decoder/live.h"

uint64_t my_piece_seq(const struct my_decoder *decoder)
{
    return decoder->number + 1;
}

void my_piece_append_pos(const struct my_decoder *decoder, unsigned attempt, struct cdc_buf *out)
{
    my_pos_round(out, my_piece_seq(decoder), attempt, 0, decoder->piece.line + 1);
}

static void append_pos(struct my_piece_lines *lines, struct cdc_buf *out)
{
    struct my_decoder *decoder = lines->decoder;
    my_piece_append_pos(decoder, lines->attempt, out);
    decoder->piece.number = my_piece_seq(decoder);
    decoder->piece.attempt = lines->attempt;
    decoder->piece.line++;
}

static void append_numbers(const struct my_piece_lines *lines, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, my_piece_seq(lines->decoder));
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, lines->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    cdc_buf_append_buf(out, &lines->table->source_head);
    my_line_append_place(lines->decoder, out, lines->ts_ms);
    lines->decoder->counts.lines++;
}

static void schema_line(struct my_piece_lines *lines, struct cdc_buf *out)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false}, tail = CDC_BUF_INIT;
    append_pos(lines, &pos);
    my_line_append_place(lines->decoder, &tail, lines->ts_ms);
    my_table_schema_line(out, lines->table, cdc_span(text, pos.len), my_piece_seq(lines->decoder), lines->ts_ms,
                         cdc_span(tail.data, tail.len));
    lines->decoder->counts.lines++;
    out->failed |= tail.failed;
    cdc_buf_free(&tail);
}

void my_piece_begin(struct my_piece_lines *lines, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(lines, out);
    append_numbers(lines, out);
    cdc_buf_lit(out, ",\"read\":\"live\"}\n");
    lines->events++;
    schema_line(lines, out);
}

void my_piece_row(struct my_piece_lines *lines, struct cdc_span members, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(lines, out);
    append_numbers(lines, out);
    cdc_buf_span(out, members);
    lines->events++;
    lines->decoder->counts.changes++;
}

void my_piece_end(struct my_piece_lines *lines, struct cdc_buf *out)
{
    schema_line(lines, out);
    if (out->failed)
        return;
    out->len -= 2; /* the closing brace, and the line's end */
    cdc_buf_lit(out, ",\"read\":\"end\",\"since\":");
    cdc_buf_u64(out, lines->since);
    cdc_buf_lit(out, "}\n");
}

void my_piece_gone(struct my_piece_lines *lines, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(lines, out);
    append_numbers(lines, out);
    cdc_buf_lit(out, ",\"read\":\"dropped\"}\n");
    lines->events++;
}

void my_piece_commit(struct my_piece_lines *lines, struct cdc_buf *out)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    append_pos(lines, &pos);
    my_line_piece(lines->decoder, cdc_span(text, pos.len), my_piece_seq(lines->decoder), lines->events, lines->ts_ms,
                  out);
    lines->events = 0;
}
