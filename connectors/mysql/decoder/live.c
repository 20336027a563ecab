/* SPDX-License-Identifier: MIT */
/* Which changes of a table that is read again while the log goes on come: live.h. */
#include "connectors/mysql/decoder/live.h"
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/value/value.h"

#include <cdc/retry.h>
#include <string.h>

/* -- keys -- */

bool my_live_is_ordered(const struct my_column *column)
{
    switch (column->kind) {
    case MY_KIND_INTEGER:
    case MY_KIND_DATE:
    case MY_KIND_DATETIME:
    case MY_KIND_TIMESTAMP: return true;
    case MY_KIND_YEAR: return column->type_name && strcmp(column->type_name, "year(2)") != 0;
    case MY_KIND_BINARY: return column->type == MY_TYPE_STRING || column->type == MY_TYPE_VARCHAR;
    default: return false;
    }
}

bool my_live_is_asked(const struct my_column *column)
{
    switch (column->kind) {
    case MY_KIND_TEXT: return column->charset && (column->type == MY_TYPE_STRING || column->type == MY_TYPE_VARCHAR);
    case MY_KIND_DECIMAL:
    case MY_KIND_TIME:
    case MY_KIND_UUID:
    case MY_KIND_INET4:
    case MY_KIND_INET6: return true;
    default: return false;
    }
}

/* 00 or 01 for its sign, and eight bytes, the highest first: -1 is 00 FF .. FF, 7 is 01 00 .. 07. */
static bool add_integer(struct cdc_buf *key, struct cdc_span digits)
{
    bool minus = digits.n > 0 && digits.p[0] == '-';
    uint64_t value = 0;
    if (digits.n == (minus ? 1u : 0u) || digits.n > 20)
        return false;
    for (size_t i = minus; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(digits.p[i] - '0');
    }
    value = minus ? 0 - value : value;
    cdc_buf_byte(key, minus ? 0 : 1);
    for (int shift = 56; shift >= 0; shift -= 8)
        cdc_buf_byte(key, (char)(value >> shift));
    return true;
}

/* 00 becomes 00 FF, and 00 00 ends it: a string sorts before those that it begins. Zeros at the end of a BINARY(n) are no part of it. */
static bool add_bytes(struct cdc_buf *key, const struct my_column *column, struct cdc_span bytes)
{
    size_t n = bytes.n;
    while (column->type == MY_TYPE_STRING && n > 0 && bytes.p[n - 1] == 0)
        n--;
    for (size_t i = 0; i < n; i++) {
        cdc_buf_byte(key, bytes.p[i]);
        if (bytes.p[i] == 0)
            cdc_buf_byte(key, (char)0xFF);
    }
    cdc_buf_append(key, "\0", 2);
    return true;
}

/* "2026-11-21T09:28:42.50": of so many digits as the column's type has, and in UTC where it has a zone. */
static bool add_time(struct cdc_buf *key, struct cdc_span json)
{
    if (json.n < 2 || json.p[0] != '"')
        return false;
    cdc_buf_span(key, json);
    cdc_buf_byte(key, 0);
    return true;
}

/* As a statement can have it: X'6162', or what stands between the quotes. */
static bool add_asked(struct cdc_buf *key, const struct my_column *column, struct cdc_span value)
{
    bool text = column->kind == MY_KIND_TEXT;
    for (size_t i = 0; i < value.n; i++)
        if (text)
            cdc_buf_hex(key, (uint8_t)value.p[i], 2);
        else if (value.p[i] != '"')
            cdc_buf_byte(key, value.p[i]);
    cdc_buf_byte(key, '\0');
    return text || value.n > 0;
}

bool my_live_key_add(struct cdc_buf *key, const struct my_column *column, struct cdc_span value)
{
    switch (column->kind) {
    case MY_KIND_INTEGER:
    case MY_KIND_YEAR: return add_integer(key, value);
    case MY_KIND_BINARY: return add_bytes(key, column, value);
    default:
        return my_live_is_asked(column) ? add_asked(key, column, value)
                                        : my_live_is_ordered(column) && add_time(key, value);
    }
}

int my_live_key_compare(struct cdc_span a, struct cdc_span b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : a.n < b.n ? -1 : a.n > b.n;
}

/* -- the order that the server tells -- */

/* Where the value that a key begins with ends, its end with it. */
static size_t length_of(const struct my_column *column, struct cdc_span key)
{
    size_t n = 0;
    if (!column || column->kind == MY_KIND_INTEGER || column->kind == MY_KIND_YEAR)
        return key.n < 9 ? key.n : 9;
    if (column->kind == MY_KIND_BINARY) {
        while (n + 1 < key.n && (key.p[n] != 0 || key.p[n + 1] != 0))
            n += key.p[n] == 0 ? 2 : 1;
        return n + 1 < key.n ? n + 2 : key.n;
    }
    while (n < key.n && key.p[n] != 0)
        n++;
    return n < key.n ? n + 1 : n;
}

static struct cdc_span take(struct cdc_span *key, size_t n)
{
    struct cdc_span value = cdc_span(key->p, n);
    key->p += n;
    key->n -= n;
    return value;
}

/* Their bytes differ. */
static int ask(struct my_live *live, size_t k, struct cdc_span a, struct cdc_span b)
{
    int order = 0;
    if (live->why)
        return 0;
    int64_t began = cdc_clock_ms();
    if (live->asked >= MY_LIVE_ASKED_MAX)
        my_live_spoil(live, "too many of its rows change at a time");
    else if (!live->order(live->context, k, cdc_span(a.p, a.n - 1), cdc_span(b.p, b.n - 1), &order))
        my_live_spoil(live, "the server does not say which of two keys comes first");
    live->asked += 1 + MY_LIVE_ASKED_MS * (size_t)(cdc_clock_ms() - began);
    return order;
}

int my_live_compare(struct my_live *live, struct cdc_span a, struct cdc_span b)
{
    int order = 0;
    if (!live->order)
        return my_live_key_compare(a, b);
    for (size_t k = 0; order == 0 && k < live->n_key && a.n > 0 && b.n > 0; k++) {
        struct cdc_span one = take(&a, length_of(live->kind[k], a)), other = take(&b, length_of(live->kind[k], b));
        order = my_live_key_compare(one, other);
        if (order != 0 && live->kind[k] && my_live_is_asked(live->kind[k]))
            order = ask(live, k, one, other);
    }
    return order != 0 ? order : a.n == 0 && b.n > 0 ? -1 : a.n > 0 && b.n == 0;
}

static bool add_cell(struct cdc_buf *key, const struct my_column *column, const struct my_cell *cell)
{
    static const struct cdc_value_format plain = {0};
    struct cdc_bytes cursor = {cell->p, cell->p + cell->n, false};
    struct cdc_error ignored = {0};
    uint64_t unconvertible = 0;
    char text[128];
    struct cdc_buf json = {text, 0, sizeof text, false};
    if (!my_live_is_ordered(column) && !my_live_is_asked(column))
        return false;
    if (column->kind == MY_KIND_BINARY || column->kind == MY_KIND_TEXT)
        return cell->n >= column->length_size && my_live_key_add(key, column,
                                                                 cdc_span((const char *)cell->p + column->length_size,
                                                                          cell->n - (size_t)column->length_size));
    return my_value_append(&json, column, &cursor, &plain, &unconvertible, &ignored) == 0 && !json.failed &&
           my_live_key_add(key, column, cdc_span(json.data, json.len));
}

/* What the server is asked to compare is of the type that was described. */
static bool is_of_kind(const struct my_column *column, const struct my_column *kind)
{
    if (!kind || (my_live_is_ordered(column) && my_live_is_ordered(kind)))
        return true;
    return column->kind == kind->kind && (column->kind != MY_KIND_TEXT || column->charset == kind->charset);
}

/* The key of a row, in scratch. */
static bool key_of(struct my_live *live, const struct my_table *table, const struct my_cell *cells)
{
    live->scratch.len = 0;
    for (size_t k = 0; k < live->n_key; k++) {
        size_t i = 0;
        while (i < table->n_columns &&
               (!table->columns[i].name || strcmp(table->columns[i].name, live->column[k]) != 0))
            i++;
        if (i == table->n_columns || !cells[i].p || cells[i].null || cells[i].partial ||
            !is_of_kind(&table->columns[i], live->kind[k]) || !add_cell(&live->scratch, &table->columns[i], &cells[i]))
            return false;
    }
    return live->n_key > 0 && !live->scratch.failed;
}

static struct cdc_span span_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data ? buf->data : "", buf->len);
}

/* -- what is known -- */

void my_live_clear(struct my_live *live)
{
    cdc_buf_free(&live->done);
    cdc_buf_free(&live->scratch);
    cdc_buf_free(&live->least);
    *live = (struct my_live){.db = NULL};
}

void my_live_forget_touched(struct my_live *live)
{
    live->unsure = live->touched = false;
    live->least.len = 0;
    live->asked = 0;
}

void my_live_spoil(struct my_live *live, const char *why)
{
    if (!live->why)
        live->why = why;
    live->hidden |= live->begun;
}

/* Some rows, nobody knows which: the empty key is before all others. */
static void touch_all(struct my_live *live)
{
    live->touched = true;
    live->least.len = 0;
}

/* The row with the key in scratch. */
static void touch(struct my_live *live)
{
    if (live->touched && live->least.len == 0)
        return;
    if (live->order && live->asked >= MY_LIVE_ASKED_MAX) {
        touch_all(live);
        return;
    }
    if (live->touched && my_live_compare(live, span_of(&live->scratch), span_of(&live->least)) >= 0)
        return;
    live->touched = true;
    live->least.len = 0;
    cdc_buf_append_buf(&live->least, &live->scratch);
    if (live->least.failed)
        my_live_spoil(live, "there is no memory left");
}

/* -- which table -- */

void my_decoder_set_live(struct my_decoder *decoder, struct my_live *live)
{
    decoder->live = live;
}

struct my_live *my_live_of(const struct my_decoder *decoder, const char *db, const char *table)
{
    struct my_live *live = decoder->live;
    return live && strcmp(live->name, table) == 0 && strcmp(live->db, db) == 0 ? live : NULL;
}

/* -- changes -- */

void my_live_pass(struct my_decoder *decoder, const struct my_table *table)
{
    struct my_live *live = my_live_of(decoder, table->db, table->name);
    if (live && live->unsure)
        touch_all(live);
}

bool my_live_alter(struct my_decoder *decoder, const char *db, const char *table, const char *why)
{
    struct my_live *live = my_live_of(decoder, db, table);
    if (!live)
        return false;
    my_live_spoil(live, why);
    return live->hidden;
}

/* Is it out? Else it is not read yet. */
static bool is_done(struct my_live *live, const struct my_table *table, const struct my_cell *cells)
{
    if (!key_of(live, table, cells)) {
        my_live_spoil(live, "its key has another type");
        return false;
    }
    if (live->unsure)
        touch(live);
    return live->all_done ||
           (live->has_done && my_live_compare(live, span_of(&live->scratch), span_of(&live->done)) <= 0);
}

static bool is_whole(const struct my_table *table, const struct my_cell *cells)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (!cells[i].p && !table->columns[i].hidden)
            return false;
    return true;
}

bool my_live_takes(struct my_decoder *decoder, struct my_live *live, const struct my_table *table,
                   enum my_rows_kind *kind)
{
    if (live->why || (!live->begun && !live->unsure))
        return !live->hidden;
    bool from = *kind != MY_ROWS_WRITE && is_done(live, table, decoder->before);
    bool to = *kind != MY_ROWS_DELETE && is_done(live, table, decoder->after);
    if (live->hidden || !live->begun)
        return !live->hidden;
    if (*kind == MY_ROWS_UPDATE && to && !from && !is_whole(table, decoder->after)) {
        my_live_spoil(live, "a row has moved to another key, and the log lacks columns of it");
        return false;
    }
    *kind = from && to ? MY_ROWS_UPDATE : to ? MY_ROWS_WRITE : MY_ROWS_DELETE;
    return from || to;
}
