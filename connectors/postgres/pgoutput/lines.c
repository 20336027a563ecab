/* SPDX-License-Identifier: MIT */
/* The lines of the stream. */
#include "connectors/postgres/pgoutput/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>

void pg_lines_begin(struct pgoutput *decoder, uint64_t final_lsn, int64_t ts_ms, uint32_t xid)
{
    struct pg_transaction *tx = &decoder->tx;
    char head[17 + 64];
    struct cdc_buf pos = {head, 0, sizeof head, false};
    tx->open = true;
    tx->seen = pg_visible_has(&decoder->visible, final_lsn, xid);
    tx->needed = tx->seen && final_lsn >= decoder->needed_from;
    tx->read = false;
    tx->final_lsn = final_lsn;
    tx->ts_ms = ts_ms;
    tx->xid = xid;
    tx->ordinal = tx->events = 0;
    /* All lines of a transaction begin alike; what they share is written once. */
    cdc_buf_hex(&pos, final_lsn, 16);
    cdc_buf_byte(&pos, '.');
    memcpy(tx->pos_head, head, sizeof tx->pos_head);
    tx->numbers.len = tx->source_tail.len = 0;
    cdc_buf_lit(&tx->numbers, "\",\"seq\":");
    cdc_buf_u64(&tx->numbers, final_lsn);
    cdc_buf_lit(&tx->numbers, ",\"ts_ms\":");
    cdc_buf_i64(&tx->numbers, ts_ms);
    cdc_buf_lit(&tx->numbers, ",\"source\":");
    pg_source_tail(&tx->source_tail, ts_ms, xid, final_lsn, "false");
}

/* Keeps pos and source of the boundary line just appended. */
static void set_boundary(struct pgoutput *decoder, const char *pos, size_t pos_n, const char *source, size_t source_n,
                         uint64_t seq)
{
    decoder->boundary_pos.len = decoder->boundary_source.len = 0;
    cdc_buf_append(&decoder->boundary_pos, pos, pos_n);
    cdc_buf_byte(&decoder->boundary_pos, '\0');
    cdc_buf_append(&decoder->boundary_source, source, source_n);
    cdc_buf_byte(&decoder->boundary_source, '\0');
    decoder->boundary.pos = decoder->boundary_pos.data;
    decoder->boundary.source = decoder->boundary_source.data;
    decoder->boundary.seq = (int64_t)seq;
    decoder->boundary.lines = decoder->counts.changes;
    decoder->has_boundary = true;
}

/* Until the log has passed the snapshot's own position, each boundary carries what the snapshot has seen: a run that
 * starts again from here must omit the same transactions, and has only this position to know it from. */
static void append_visible(const struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out)
{
    if (!decoder->visible.json || lsn >= decoder->visible.lsn || out->failed)
        return;
    out->len--; /* the closing brace */
    cdc_buf_lit(out, ",\"read_at\":");
    cdc_buf_text(out, decoder->visible.json);
    cdc_buf_byte(out, '}');
}

/* `"last":{"pos":"...","ts_ms":N}` in lines whose own pos is not that of a transaction; null: none yet. */
static void append_last(const struct pgoutput *decoder, struct cdc_buf *out)
{
    const struct pg_last *last = &decoder->last;
    if (last->kind == PG_LAST_UNKNOWN || out->failed)
        return;
    out->len--; /* the closing brace */
    cdc_buf_lit(out, ",\"last\":");
    if (last->kind == PG_LAST_NONE) {
        cdc_buf_lit(out, "null}");
        return;
    }
    cdc_buf_lit(out, "{\"pos\":\"");
    pg_pos_commit(out, last->begin, last->end);
    cdc_buf_lit(out, "\",\"ts_ms\":");
    cdc_buf_i64(out, last->ts_ms);
    cdc_buf_lit(out, "}}");
}

void pg_last_read(struct pg_last *last, const char *pos, struct cdc_span source)
{
    unsigned attempt;
    char text[64];
    struct cdc_span object = source.p ? cdc_json_member(source, "last") : source, ts = source;
    *last = (struct pg_last){.kind = PG_LAST_UNKNOWN};
    if ((object.p && cdc_json_is_null(object)) || pg_pos_is_snapshot(pos, &attempt)) {
        last->kind = PG_LAST_NONE;
        return;
    }
    if (object.p && cdc_json_type(object) == CDC_JSON_OBJECT &&
        cdc_json_member_copy(object, "pos", text, sizeof text)) {
        pos = text;
        ts = object;
    }
    /* A message that belongs to no transaction has a commit line of its own, of one byte: no record is that short. */
    if (ts.p && pg_pos_is_commit(pos, &last->begin, &last->end) && last->end - last->begin > 1 &&
        cdc_json_int64(cdc_json_member(ts, "ts_ms"), &last->ts_ms))
        last->kind = PG_LAST_COMMIT;
}

/* The common part of commit and heartbeat lines: up to and with source. pos is appended already, from pos_at on. */
static void boundary_line(struct pgoutput *decoder, struct cdc_buf *out, size_t pos_at, uint64_t seq, int64_t ts_ms,
                          uint32_t xid, uint64_t lsn)
{
    size_t pos_n = out->len - pos_at;
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, seq);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    size_t source_at = out->len;
    cdc_buf_append_buf(out, &decoder->source_head);
    pg_source_tail(out, ts_ms, xid, lsn, "false");
    if (decoder->system_id[0])
        pg_source_server(out, decoder->system_id, decoder->timeline);
    if (xid == 0)
        append_last(decoder, out);
    append_visible(decoder, seq, out);
    decoder->counts.lines++;
    if (!out->failed)
        set_boundary(decoder, out->data + pos_at, pos_n, out->data + source_at, out->len - source_at, seq);
}

/* Written for every transaction, also one whose changes were all excluded or seen by the snapshot: its end is a
 * position to go on from, and lets the server forget the log before it. */
void pg_lines_commit(struct pgoutput *decoder, uint64_t end_lsn, struct cdc_buf *out)
{
    struct pg_transaction *tx = &decoder->tx;
    decoder->counts.commits++;
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    size_t pos_at = out->len;
    pg_pos_commit(out, tx->final_lsn, end_lsn);
    boundary_line(decoder, out, pos_at, tx->final_lsn, tx->ts_ms, tx->xid, end_lsn);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, tx->events);
    cdc_buf_lit(out, "}\n");
    tx->open = false;
}

void pg_lines_piece(struct pgoutput *decoder, uint64_t lsn, unsigned attempt, uint64_t line, uint64_t events,
                    struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    size_t pos_at = out->len;
    pg_pos_round(out, lsn, attempt, line);
    boundary_line(decoder, out, pos_at, lsn, cdc_clock_wall_ms(), 0, lsn);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, events);
    cdc_buf_lit(out, "}\n");
}

static void heartbeat(struct pgoutput *decoder, uint64_t lsn, uint32_t number, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"heartbeat\",\"pos\":\"");
    size_t pos_at = out->len;
    pg_pos_heartbeat(out, lsn, number);
    boundary_line(decoder, out, pos_at, lsn, cdc_clock_wall_ms(), 0, lsn);
    cdc_buf_lit(out, "}\n");
    /* Passed: of no use to any transaction that comes. */
    if (decoder->visible.json && lsn >= decoder->visible.lsn)
        pg_visible_clear(&decoder->visible);
}

void pgoutput_set_heartbeats(struct pgoutput *decoder, uint32_t heartbeats)
{
    if (decoder->heartbeats < heartbeats) /* after a reconnect it has gone on already */
        decoder->heartbeats = heartbeats;
}

void pgoutput_heartbeat(struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out)
{
    heartbeat(decoder, lsn, ++decoder->heartbeats, out);
}

void pgoutput_stop(struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out)
{
    heartbeat(decoder, lsn, 0, out);
}

/* `{"op":"c","pos":"...","seq":N,"ts_ms":N,"source":{...}`, and the schema line before it where it is due. */
static void line_head(struct pgoutput *decoder, struct pg_table *table, char op, struct cdc_buf *out)
{
    struct pg_transaction *tx = &decoder->tx;
    if (table && !table->schema_written) {
        char text[64];
        struct cdc_buf pos = {text, 0, sizeof text, false};
        pg_pos_schema(&pos, tx->final_lsn, tx->ordinal);
        pg_table_schema_line(out, table, cdc_span(text, pos.len), tx->final_lsn, tx->ts_ms);
        table->schema_written = true;
        decoder->counts.lines++;
    }
    const struct cdc_buf *head = table ? &table->source_head : &decoder->source_head;
    cdc_buf_lit(out, "{\"op\":\"");
    cdc_buf_byte(out, op);
    cdc_buf_lit(out, "\",\"pos\":\"");
    cdc_buf_append(out, tx->pos_head, sizeof tx->pos_head);
    cdc_buf_hex(out, tx->ordinal, 10);
    cdc_buf_lit(out, ".1");
    cdc_buf_append_buf(out, &tx->numbers);
    cdc_buf_append_buf(out, head);
    cdc_buf_append_buf(out, &tx->source_tail);
    tx->events++;
    decoder->counts.changes++;
    decoder->counts.lines++;
}

static inline void row(struct pgoutput *decoder, const struct pg_table *table, const struct pg_cell *cells,
                       enum pg_row_part part, struct cdc_buf *out)
{
    const struct cdc_value_format *format = table->composites_unsure ? &decoder->unsure : &decoder->settings.format;
    pg_row_append(out, table, cells, part, format, &decoder->counts.values);
}

/* `,"key":{...}`, where there is one. */
static inline void key(struct pgoutput *decoder, const struct pg_table *table, const struct pg_cell *cells,
                       struct cdc_buf *out)
{
    if (!table->has_key)
        return;
    cdc_buf_lit(out, ",\"key\":");
    row(decoder, table, cells, PG_ROW_KEY, out);
}

/* A value of some 2 kB and more is kept outside the row (TOAST), and when an UPDATE does not touch it the log has no
 * copy. The line omits it and names it here: to write null would erase it in every sink. */
static void append_unchanged(struct cdc_buf *out, const struct pg_table *table, const struct pg_cell *cells)
{
    bool any = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        if (cells[i].kind != 'u')
            continue;
        cdc_buf_text(out, any ? "," : ",\"unchanged\":[");
        cdc_buf_append(out, table->columns[i].name_json.data, table->columns[i].name_json.len - 1);
        any = true;
    }
    if (any)
        cdc_buf_byte(out, ']');
}

void pg_lines_insert(struct pgoutput *decoder, struct pg_table *table, struct cdc_buf *out)
{
    const struct pg_cell *cells = decoder->cells[0];
    line_head(decoder, table, 'c', out);
    key(decoder, table, cells, out);
    cdc_buf_lit(out, ",\"before\":null,\"after\":");
    row(decoder, table, cells, PG_ROW_ALL, out);
    pg_row_append_json_null(out, table, cells, "json_null");
    cdc_buf_lit(out, "}\n");
}

/* Same bytes: text forms of equal values are equal, since one session writes both. */
static bool same_identity(const struct pg_table *table, const struct pg_cell *a, const struct pg_cell *b, char old_kind)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (pg_old_has(old_kind, &table->columns[i]) &&
            (a[i].kind != b[i].kind || a[i].n != b[i].n || (a[i].n != 0 && memcmp(a[i].p, b[i].p, a[i].n) != 0)))
            return false;
    return true;
}

static enum pg_row_part part_of(char old_kind)
{
    return old_kind == PG_OLD_WHOLE ? PG_ROW_ALL : old_kind == PG_OLD_SHORT ? PG_ROW_KEY : PG_ROW_IDENTITY;
}

void pg_lines_update(struct pgoutput *decoder, struct pg_table *table, char old_kind, struct cdc_buf *out)
{
    const struct pg_cell *new_row = decoder->cells[0], *old_row = decoder->cells[1];
    /* A long key is sent even when it is the same. */
    bool has_before =
        old_kind != PG_OLD_NONE && (old_kind == PG_OLD_WHOLE || !same_identity(table, new_row, old_row, old_kind));
    line_head(decoder, table, 'u', out);
    key(decoder, table, new_row, out);
    cdc_buf_lit(out, ",\"before\":");
    if (has_before)
        row(decoder, table, old_row, part_of(old_kind), out);
    else
        cdc_buf_lit(out, "null");
    cdc_buf_lit(out, ",\"after\":");
    row(decoder, table, new_row, PG_ROW_ALL, out);
    append_unchanged(out, table, new_row);
    pg_row_append_json_null(out, table, new_row, "json_null");
    if (has_before)
        pg_row_append_json_null(out, table, old_row, "json_null_old");
    cdc_buf_lit(out, "}\n");
}

void pg_lines_delete(struct pgoutput *decoder, struct pg_table *table, char old_kind, struct cdc_buf *out)
{
    const struct pg_cell *cells = decoder->cells[1];
    line_head(decoder, table, 'd', out);
    key(decoder, table, cells, out);
    cdc_buf_lit(out, ",\"before\":");
    row(decoder, table, cells, part_of(old_kind), out);
    cdc_buf_lit(out, ",\"after\":null");
    pg_row_append_json_null(out, table, cells, "json_null");
    cdc_buf_lit(out, "}\n");
}

void pg_lines_truncate(struct pgoutput *decoder, struct pg_table *table, struct cdc_buf *out)
{
    line_head(decoder, table, 't', out);
    cdc_buf_lit(out, "}\n");
}

void pg_lines_message(struct pgoutput *decoder, const char *prefix, const char *content, size_t n, bool transactional,
                      struct cdc_buf *out)
{
    decoder->tx.ordinal++;
    line_head(decoder, NULL, 'm', out);
    cdc_buf_lit(out, ",\"message\":{\"prefix\":");
    if (!cdc_json_append_text(out, prefix, strlen(prefix)))
        decoder->counts.values.unconvertible++;
    cdc_buf_lit(out, ",\"content\":");
    cdc_json_append_text(out, content, n); /* bytes are no mistake here */
    cdc_buf_text(out, transactional ? ",\"transactional\":true}}\n" : ",\"transactional\":false}}\n");
}
