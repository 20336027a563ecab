/* SPDX-License-Identifier: MIT */
/* Which changes of a table that is read again while the log goes on come, and its lines: live.h. */
#include "connectors/postgres/pgoutput/internal.h"
#include "connectors/postgres/pgoutput/live.h"

#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

enum { XIDS_MAX = 1 << 20 };

/* -- keys -- */

/* Order of the words is that of the numbers. */
static bool read_integer(const struct pg_cell *cell, uint64_t words[2])
{
    bool minus = cell->n > 0 && cell->p[0] == '-';
    uint64_t value = 0;
    if (cell->n == (minus ? 1u : 0u) || cell->n > 20)
        return false;
    for (uint32_t i = minus; i < cell->n; i++) {
        if (cell->p[i] < '0' || cell->p[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(cell->p[i] - '0');
    }
    words[0] = (minus ? 0 - value : value) ^ (UINT64_C(1) << 63);
    words[1] = 0;
    return true;
}

/* Lower case, with hyphens: the order of the bytes. */
static bool read_uuid(const struct pg_cell *cell, uint64_t words[2])
{
    int digits = 0;
    words[0] = words[1] = 0;
    for (uint32_t i = 0; i < cell->n; i++) {
        char c = cell->p[i];
        if (c == '-')
            continue;
        bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
        if ((!digit && !letter) || digits == 32)
            return false;
        words[digits / 16] = words[digits / 16] << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
        digits++;
    }
    return digits == 32;
}

static bool add_value(const struct pg_live *live, size_t k, const struct pg_cell *cell, struct pg_live_key *key)
{
    if (!live->order)
        return (live->is_uuid[k] ? read_uuid : read_integer)(cell, &key->words[2 * k]);
    cdc_buf_append(&key->text, cell->p, cell->n);
    cdc_buf_byte(&key->text, '\0');
    return !key->text.failed;
}

bool pg_live_key_of(const struct pg_live *live, const struct pg_table *table, const struct pg_cell *cells,
                    struct pg_live_key *key)
{
    memset(key->words, 0, sizeof key->words);
    key->text.len = 0;
    for (size_t k = 0; k < live->n_key; k++) {
        size_t i = 0;
        while (i < table->n_columns && strcmp(table->columns[i].name, live->column[k]) != 0)
            i++;
        if (i == table->n_columns || cells[i].kind != 't' || !add_value(live, k, &cells[i], key))
            return false;
    }
    return true;
}

void pg_live_key_free(struct pg_live_key *key)
{
    cdc_buf_free(&key->text);
}

static void copy_key(struct pg_live *live, struct pg_live_key *to, const struct pg_live_key *from)
{
    memcpy(to->words, from->words, sizeof to->words);
    to->text.len = 0;
    cdc_buf_append_buf(&to->text, &from->text);
    if (to->text.failed)
        live->broken = "there is no memory left";
}

/* Where the server does not say, the read is broken. */
static int ask(struct pg_live *live, const struct pg_live_key *a, const struct pg_live_key *b)
{
    int order = 0;
    if (a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0)
        return 0;
    int64_t began = cdc_clock_ms();
    if (live->asked >= PG_LIVE_ASKED_MAX)
        live->broken = "too many of its rows change at a time";
    else if (!live->order(live->context, a, b, &order))
        live->broken = "the server does not say which of two keys comes first";
    live->asked += 1 + PG_LIVE_ASKED_MS * (size_t)(cdc_clock_ms() - began);
    return order;
}

static int compare(struct pg_live *live, const struct pg_live_key *a, const struct pg_live_key *b)
{
    if (live->order)
        return ask(live, a, b);
    for (size_t i = 0; i < 2 * live->n_key; i++)
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i] ? -1 : 1;
    return 0;
}

/* -- pieces -- */

void pg_live_clear(struct pg_live *live)
{
    pg_visible_clear(&live->visible);
    pg_live_key_free(&live->done);
    pg_live_key_free(&live->read);
    pg_live_key_free(&live->scratch);
    free(live->xids);
    *live = (struct pg_live){.schema = NULL};
}

bool pg_live_is_whole(struct pg_live *live, const struct pg_visible *visible)
{
    for (size_t i = 0; i < live->n_xids; i++)
        if (!pg_visible_ended(visible, live->xids[i]))
            return false;
    live->n_xids = 0;
    return true;
}

void pg_live_take_piece(struct pg_live *live, const struct pg_live_key *key, struct pg_visible *visible)
{
    live->begun = true;
    live->all_read = key == NULL;
    live->asked = 0;
    if (key) {
        copy_key(live, &live->read, key);
        live->has_read = true;
    }
    pg_visible_clear(&live->visible);
    live->visible = *visible;
    *visible = (struct pg_visible){.json = NULL};
}

bool pg_live_passed(struct pg_live *live, uint64_t lsn)
{
    if (live->visible.json && lsn < live->visible.lsn)
        return false;
    pg_visible_clear(&live->visible);
    copy_key(live, &live->done, &live->read);
    live->has_done = live->has_read;
    return true;
}

/* -- changes -- */

static void note(struct pgoutput *decoder, struct pg_live *live)
{
    uint32_t xid = decoder->tx.xid;
    if (live->n_xids > 0 && live->xids[live->n_xids - 1] == xid)
        return;
    if (live->n_xids == live->xids_capacity) {
        size_t capacity = live->xids_capacity ? 2 * live->xids_capacity : 64;
        uint32_t *xids = capacity <= XIDS_MAX ? realloc(live->xids, capacity * sizeof *xids) : NULL;
        if (!xids) {
            live->broken = "too many transactions change it";
            return;
        }
        live->xids = xids;
        live->xids_capacity = capacity;
    }
    live->xids[live->n_xids++] = xid;
}

/* Does a change of this row come? */
static bool applies(struct pg_live *live, const struct pg_table *table, const struct pg_cell *cells)
{
    const struct pg_live_key *key = &live->scratch;
    if (live->broken)
        return false;
    if (!live->begun)
        return true;
    if (live->whole || (live->seen && !live->has_done))
        return !live->seen;
    if (!pg_live_key_of(live, table, cells, &live->scratch)) {
        live->broken = "its key has another type";
        return false;
    }
    bool done = live->has_done && compare(live, key, &live->done) <= 0;
    bool comes = done || (!live->seen && (live->all_read || (live->has_read && compare(live, key, &live->read) <= 0)));
    return comes && !live->broken;
}

bool pg_live_omits(struct pgoutput *decoder, const struct pg_table *table)
{
    const struct pg_live *live = decoder->live;
    if (!pg_live_is(decoder, table))
        return true; /* withheld */
    note(decoder, decoder->live);
    return live->broken || (live->begun && live->seen && (live->whole || !live->has_done));
}

void pg_live_begin(struct pgoutput *decoder)
{
    struct pg_live *live = decoder->live;
    const struct pg_transaction *tx = &decoder->tx;
    if (!live)
        return;
    live->seen = live->visible.json && !pg_live_passed(live, tx->final_lsn) &&
                 pg_visible_has(&live->visible, tx->final_lsn, tx->xid);
}

bool pg_live_has_row(struct pgoutput *decoder, const struct pg_table *table, const struct pg_cell *cells)
{
    if (!pg_live_is(decoder, table))
        return false; /* withheld */
    note(decoder, decoder->live);
    return applies(decoder->live, table, cells);
}

bool pg_live_has_truncate(struct pgoutput *decoder, const struct pg_table *table)
{
    struct pg_live *live = decoder->live;
    if (!pg_live_is(decoder, table))
        return false;
    note(decoder, live);
    if (live->broken)
        return false;
    if (live->begun && !live->whole)
        live->broken = "it was truncated";
    return !live->broken && !(live->begun && live->seen);
}

static bool is_whole(const struct pg_table *table, const struct pg_cell *cells)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (cells[i].kind == 'u')
            return false;
    return true;
}

void pg_live_update(struct pgoutput *decoder, struct pg_table *table, char old_kind, struct cdc_buf *out)
{
    const struct pg_cell *new_row = decoder->cells[0], *old_row = decoder->cells[1];
    if (!pg_live_is(decoder, table))
        return;
    note(decoder, decoder->live);
    bool to = applies(decoder->live, table, new_row);
    bool from = old_kind == PG_OLD_NONE ? to : applies(decoder->live, table, old_row);
    if (decoder->live->broken)
        return;
    if (from && to)
        pg_lines_update(decoder, table, old_kind, out);
    else if (from)
        pg_lines_delete(decoder, table, old_kind, out);
    else if (to && is_whole(table, new_row))
        pg_lines_insert(decoder, table, out);
    else if (to)
        decoder->live->broken = "a row has moved to another key, and the log lacks columns of it";
}

/* -- which table -- */

bool pg_live_is(const struct pgoutput *decoder, const struct pg_table *table)
{
    const struct pg_live *live = decoder->live;
    return live && strcmp(live->name, table->name) == 0 && strcmp(live->schema, table->schema) == 0;
}

void pg_live_mark(const struct pgoutput *decoder, struct pg_table *table)
{
    table->live =
        pg_live_is(decoder, table) ||
        (decoder->withheld && cdc_stale_has(decoder->withheld, decoder->settings.database, table->schema, table->name));
}

void pgoutput_set_live(struct pgoutput *decoder, struct pg_live *live, const struct cdc_stale *withheld)
{
    const struct pg_relations *relations = &decoder->relations;
    decoder->live = live;
    decoder->withheld = withheld;
    for (size_t i = 0; i < relations->n_slots; i++)
        if (relations->slots[i])
            pg_live_mark(decoder, relations->slots[i]);
}

/* -- lines -- */

static void numbers(const struct pg_live_lines *lines, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, lines->lsn);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, lines->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    cdc_buf_append_buf(out, &lines->table->source_head);
    pg_source_tail(out, lines->ts_ms, 0, lines->lsn, "true");
}

static void append_pos(struct pg_live_lines *lines, struct cdc_buf *out)
{
    pg_pos_round(out, lines->lsn, lines->attempt, ++*lines->line);
    lines->decoder->counts.lines++;
}

static void schema_line(struct pg_live_lines *lines, struct cdc_buf *out)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    append_pos(lines, &pos);
    pg_table_schema_line(out, lines->table, cdc_span(text, pos.len), lines->lsn, lines->ts_ms);
}

void pg_live_begin_lines(struct pg_live_lines *lines, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"t\",\"pos\":\"");
    append_pos(lines, out);
    numbers(lines, out);
    cdc_buf_lit(out, ",\"read\":\"live\"}\n");
    lines->events++;
    schema_line(lines, out);
}

void pg_live_end_line(struct pg_live_lines *lines, struct cdc_buf *out)
{
    schema_line(lines, out);
    if (out->failed)
        return;
    out->len -= 2; /* the closing brace, and the line's end */
    cdc_buf_lit(out, ",\"read\":\"end\",\"since\":");
    cdc_buf_u64(out, lines->since);
    cdc_buf_lit(out, "}\n");
}

void pg_live_row_line(struct pg_live_lines *lines, const struct pg_cell *cells, struct cdc_buf *out)
{
    struct pgoutput *decoder = lines->decoder;
    const struct pg_table *table = lines->table;
    const struct cdc_value_format *format = &decoder->settings.format;
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(lines, out);
    numbers(lines, out);
    if (table->has_key) {
        cdc_buf_lit(out, ",\"key\":");
        pg_row_append(out, table, cells, PG_ROW_KEY, format, &decoder->counts.values);
    }
    cdc_buf_lit(out, ",\"before\":null,\"after\":");
    pg_row_append(out, table, cells, PG_ROW_ALL, format, &decoder->counts.values);
    pg_row_append_json_null(out, table, cells, "json_null");
    cdc_buf_lit(out, "}\n");
    lines->events++;
    decoder->counts.changes++;
}

void pg_live_commit_line(struct pg_live_lines *lines, struct cdc_buf *out)
{
    pg_lines_piece(lines->decoder, lines->lsn, lines->attempt, ++*lines->line, lines->events, out);
    lines->events = 0;
}
