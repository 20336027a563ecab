/* SPDX-License-Identifier: MIT */
/* A parser that knows the lines before says of each line what cdc_event_parse says of it alone: of random lines of some tables, whole
 * and damaged, at every place in memory; and nothing is read beyond a line. test-event-parser [SEED [LINES]]. */
#include <stdio.h>
#include <stdlib.h>

#include "libcdc/json/json_scan.h"
#include <cdc/filter.h>

#include "tests/unit/guarded.h"

static unsigned failures;
static uint64_t state = 42;

static unsigned below(unsigned n)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

/* -- the scanner of strings --------------------------------------------------------------------- */

static const char *plain_end(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Every length up to some blocks, every byte at every place, with more of it or without, up to the end of a page. */
static void check_plain(void)
{
    char text[80];

    for (size_t n = 0; n <= 70; n++)
        for (unsigned c = 0; c < 256; c++) {
            size_t at = below(71), again = below(71);
            memset(text, 'a', sizeof text);
            text[at] = text[again] = (char)c;
            const char *p = guarded_end(text, n);
            if (json_skip_plain(p, p + n) != plain_end(p, p + n) && failures++ < 10)
                printf("not ok - byte %02x at %zu or %zu of %zu\n", c, at, again, n);
        }
}

/* -- random lines --------------------------------------------------------------------------------- */

#define LINE_MAX 60000
static struct cdc_buf line;

static void text(const char *p)
{
    cdc_buf_text(&line, p);
}

static void space(unsigned rarely)
{
    if (rarely > 0 && one_in(rarely))
        text(&"\0 \0\t\0  "[(unsigned[]){1, 3, 5}[below(3)]]);
}

static void string(void)
{
    static const char *const parts[] = {"a",
                                        "item number ",
                                        "é",
                                        "\\n",
                                        "\\u00e9",
                                        "\\ud83d\\ude00",
                                        "漢字",
                                        "{\\\"}",
                                        "0123456789abcdef",
                                        "the quick brown fox jumps over the lazy dog"};
    cdc_buf_byte(&line, '"');
    for (unsigned i = one_in(8) ? below(40) : below(3); i > 0; i--)
        text(parts[below(one_in(3) ? 10 : 2)]);
    cdc_buf_byte(&line, '"');
}

static void value(unsigned depth)
{
    static const char *const words[] = {"0",
                                        "-1",
                                        "1.5",
                                        "-0.25e3",
                                        "12345678901234567890",
                                        "1e5",
                                        "true",
                                        "null",
                                        "false",
                                        "123456789012345",
                                        "1234567890123456",
                                        "{}",
                                        "[]",
                                        "7",
                                        "[1,\"a\"]",
                                        "{\"a\":[{\"b\":1}]}"};
    unsigned what = below(10);

    if (what < 4)
        string();
    else if (what < 7)
        cdc_buf_printf(&line, "%u", below(1u << below(31)));
    else if (what < 9 || depth == 0)
        text(words[below(sizeof words / sizeof *words)]);
    else {
        unsigned levels = one_in(6) ? below(CDC_JSON_DEPTH + 2) : below(4);
        for (unsigned i = 0; i < levels; i++)
            cdc_buf_byte(&line, '[');
        value(0);
        for (unsigned i = 0; i < levels; i++)
            cdc_buf_byte(&line, ']');
    }
}

/* What the lines of a table have in common. */
#define TABLES 6
static struct table {
    const char *schema, *name;
    unsigned columns, key, long_names;
    unsigned early, late; /* what stands before the names in source, and after them, for some lines */
} tables[TABLES] = {{"public", "items", 6, 1, 0, 0, 0},
                    {"public", "other", 6, 1, 0, 0, 0},
                    {"public", "wide", 300, 2, 0, 0, 0},
                    {NULL, "plain", 3, 0, 0, 0, 0},
                    {"sh\\u006fp", "caf\xc3\xa9 with a long name", 5, 2, 1, 0, 0},
                    {"public", "ite\\u006ds", 4, 4, 1, 0, 0}};

static void column(const struct table *table, unsigned i)
{
    cdc_buf_byte(&line, '"');
    if (table->long_names)
        cdc_buf_printf(&line, i == 0   ? "fifteen_and_"
                              : i == 1 ? "a_name_of_more_than_sixteen_bytes_"
                              : i == 2 ? "\\u0063"
                                       : "é");
    cdc_buf_printf(&line, "c%u\":", i);
}

static void row(const struct table *table, unsigned n, unsigned spaces)
{
    bool first = true, lacks = one_in(10), other_order = one_in(30);
    unsigned start = other_order ? below(n + 1) : 0;

    cdc_buf_byte(&line, '{');
    space(spaces);
    for (unsigned i = 0; i < n; i++) {
        if (lacks && one_in(3))
            continue;
        if (!first)
            cdc_buf_byte(&line, ',');
        first = false;
        space(spaces);
        column(table, one_in(200) ? below(400) : (i + start) % n);
        space(spaces);
        value(1);
        space(spaces);
    }
    cdc_buf_byte(&line, '}');
}

static void row_or_null(const char *name, const struct table *table, unsigned n, unsigned spaces)
{
    cdc_buf_printf(&line, ",\"%s\":", name);
    space(spaces);
    if (one_in(12))
        text(one_in(4) ? "[1]" : "null");
    else
        row(table, n, spaces);
}

/* Of the transaction in hand. */
static unsigned long transaction;

static void source(const struct table *table, unsigned odd)
{
    static const char *const tails[] = {
        ",\"name\":\"again\"", ",\"table\":\"again\"",   ",\"table\":null",          ",\"schema\":7",
        ",\"db\":null",        ",\"snapshot\":\"true\"", ",\"x\":{\"table\":\"t\"}", ",\"txId\":null"};
    text("{\"connector\":\"postgresql\",");
    text((const char *const[]){"", "\"snapshot\":\"first\",", "\"txId\":[1],", "\"x\":{\"name\":1},"}[table->early]);
    if (odd == 0 || !one_in(odd))
        text("\"name\":\"bench\",");
    text("\"db\":\"bench\"");
    if (table->schema != NULL)
        cdc_buf_printf(&line, ",\"schema\":\"%s\"", table->schema);
    cdc_buf_printf(&line, ",\"table\":\"%s\"", table->name);
    if (odd > 0 && one_in(odd))
        text(tails[below(8)]);
    cdc_buf_printf(&line, ",\"ts_ms\":%lu", 1795825812341 + transaction);
    if (table->late % 2 == 0)
        cdc_buf_printf(&line, ",\"txId\":%lu", transaction);
    if (table->late < 2)
        text(",\"snapshot\":\"false\"");
    if (odd > 0 && one_in(odd))
        text(tails[below(8)]);
    cdc_buf_byte(&line, '}');
}

static void head(const struct table *table, unsigned odd)
{
    static const char *const seqs[] = {"null", "-1", "1.5", "\"7\"", "0", "9223372036854775808"};

    if (odd > 0 && one_in(odd))
        text("\"source\":{\"name\":\"early\",\"table\":\"t\"},");
    if (odd > 0 && one_in(odd))
        text("\"seq\":5,\"ts_ms\":6,");
    if (odd > 0 && one_in(odd))
        cdc_buf_printf(&line, "\"seq\":%s,", seqs[below(6)]);
    else
        cdc_buf_printf(&line, "\"seq\":%lu,", transaction * 7);
    if (odd > 0 && one_in(odd))
        text("\"unknown\":[],");
    if (odd == 0 || !one_in(odd))
        cdc_buf_printf(&line, "\"ts_ms\":%lu,", 1795825812341 + transaction);
    text("\"source\":");
    if (odd > 0 && one_in(odd))
        text(one_in(2) ? "null" : "7");
    else
        source(table, odd);
    if (odd > 0 && one_in(odd))
        text(one_in(2) ? ",\"seq\":null" : ",\"source\":{}");
}

/* That of the line before, often: whatever is wrong with it. */
static void add_head(const struct table *table, unsigned odd)
{
    static struct cdc_buf kept;
    size_t start = line.len;

    if (line.data != NULL && kept.len > 0 && one_in(3)) {
        cdc_buf_append_buf(&line, &kept);
        return;
    }
    head(table, odd);
    kept.len = 0;
    cdc_buf_append(&kept, line.data + start, line.len - start);
}

static void make_line(void)
{
    static const char *const ops[] = {"c", "u", "d", "r", "t", "commit", "ddl", "future", "\\u0063"};
    static unsigned last;
    unsigned spaces = one_in(8) ? 6 : 0, odd = one_in(4) ? 5 : 0;

    last = one_in(3) ? below(TABLES) : one_in(2) ? 1 - last % 2 : last;
    struct table *table = &tables[last];
    if (one_in(10)) {
        table->early = one_in(2) ? 0 : below(4);
        table->late = one_in(2) ? 0 : below(4);
    }
    transaction += one_in(5);
    line.len = 0;
    space(spaces);
    text("{");
    if (odd > 0 && one_in(odd))
        text("\"after\":{\"x\":1},");
    if (odd == 0 || !one_in(odd * 2))
        cdc_buf_printf(&line, "\"op\":\"%s\",", ops[one_in(4) ? below(9) : 0]);
    cdc_buf_printf(&line, "\"pos\":\"%016lX.%u\",", transaction, below(1000));
    add_head(table, odd);
    space(spaces);
    if (table->key > 0)
        row_or_null("key", table, table->key, spaces);
    row_or_null("before", table, one_in(2) ? table->key : table->columns, spaces);
    row_or_null("after", table, table->columns, spaces);
    if (odd > 0 && one_in(odd))
        row_or_null(one_in(2) ? "after" : "key", table, table->columns, spaces);
    if (one_in(20))
        text(",\"unchanged\":[\"c1\"]");
    if (odd > 0 && one_in(odd))
        text(",\"op\":7");
    space(spaces);
    text("}");
    space(spaces);
}

/* One byte is another one, missing or there twice, or a part of the line is. */
static void damage(void)
{
    size_t at = below((unsigned)line.len), n = below(one_in(3) ? 40 : 2) + 1;

    if (n > line.len - at)
        n = line.len - at;
    switch (below(4)) {
    case 0: line.data[at] = "{}[],:\"\\0n \xc3\x01\xff"[below(14)]; break;
    case 1: line.len = at; break;
    case 2:
        memmove(line.data + at, line.data + at + n, line.len - at - n);
        line.len -= n;
        break;
    default:
        if (!cdc_buf_room(&line, n))
            return;
        memmove(line.data + at + n, line.data + at, line.len - at);
        line.len += n;
    }
}

/* -- comparing ---------------------------------------------------------------------------------- */

static bool same_members(const struct cdc_event *event, struct cdc_span row)
{
    struct cdc_json_iter known, walked;
    struct cdc_span name, value, other_name, other_value, element;

    cdc_event_iter_begin(&known, event, row);
    cdc_json_iter_begin(&walked, row);
    for (;;) {
        bool more = cdc_json_next_member(&walked, &name, &value);
        if (cdc_json_next_member(&known, &other_name, &other_value) != more)
            return false;
        if (!more)
            break;
        if (name.p != other_name.p || name.n != other_name.n || value.p != other_value.p || value.n != other_value.n)
            return false;
    }
    cdc_event_iter_begin(&known, event, row);
    return cdc_json_type(row) == CDC_JSON_ARRAY || !cdc_json_next_element(&known, &element);
}

/* The names of the rows of each shape. */
static struct cdc_buf *shapes;
static size_t n_shapes;

static bool same_shape(const struct cdc_event_row *row)
{
    struct cdc_buf names = CDC_BUF_INIT;

    if (row->p == NULL || row->shape == 0)
        return true;
    for (size_t i = 0; i < row->n; i++) {
        cdc_buf_span(&names, row->pairs[i].name);
        cdc_buf_byte(&names, '"');
    }
    if (row->shape >= n_shapes) {
        size_t n = row->shape * 2 + 2;
        shapes = realloc(shapes, n * sizeof *shapes);
        memset(shapes + n_shapes, 0, (n - n_shapes) * sizeof *shapes);
        n_shapes = n;
    }
    struct cdc_buf *known = &shapes[row->shape];
    bool same =
        known->data == NULL || cdc_span_equal(cdc_span(known->data, known->len), cdc_span(names.data, names.len));
    if (known->data == NULL)
        *known = names;
    else
        cdc_buf_free(&names);
    return same;
}

static unsigned valid, with_rows, with_shape;

static bool same_event(const struct cdc_event *alone, struct cdc_event *event)
{
    const struct cdc_event_row *rows = event->rows;

    for (unsigned i = 0; i < CDC_EVENT_ROWS; i++) {
        with_rows += rows[i].p != NULL;
        with_shape += rows[i].p != NULL && rows[i].shape != 0;
        if (!same_shape(&rows[i]))
            return false;
    }
    if (!same_members(event, event->key) || !same_members(event, event->before) || !same_members(event, event->after) ||
        !same_members(event, event->unchanged))
        return false;
    event->rows = NULL;
    bool same = memcmp(alone, event, sizeof *event) == 0;
    event->rows = rows;
    return same;
}

/* Columns are chosen row by row, or by the shape of a row: with the same result. Two filters of the same settings. */
#define CHOICES 3
static struct cdc_filter *filters[CHOICES][2];

static void open_filters(void)
{
    static const char *const keep[] = {"c0,c2,c3"}, *const drop[] = {"c1", "public.items:c4,caf\xc3\xa9"},
                             *const renames[] = {"c2=c9", "c0=first"};
    const struct cdc_filter_settings settings[CHOICES] = {
        {.keep_columns = {(const char **)keep, 1}},
        {.drop_columns = {(const char **)drop, 2}},
        {.keep_columns = {(const char **)keep, 1}, .rename_columns = {(const char **)renames, 2}}};
    static struct cdc_filter_settings kept[CHOICES];

    memcpy(kept, settings, sizeof kept);
    for (unsigned i = 0; i < CHOICES * 2; i++)
        filters[i / 2][i % 2] = cdc_filter_new(&kept[i / 2], NULL);
}

static bool same_choice(const struct cdc_event *alone, const struct cdc_event *event)
{
    bool same = true;

    for (unsigned i = 0; i < CHOICES; i++) {
        struct cdc_buf one = CDC_BUF_INIT, other = CDC_BUF_INIT;
        int lines = cdc_filter_event(filters[i][0], alone, &one, NULL);
        same = same && cdc_filter_event(filters[i][1], event, &other, NULL) == lines &&
               cdc_span_equal(cdc_span(one.data, one.len), cdc_span(other.data, other.len));
        cdc_buf_free(&one);
        cdc_buf_free(&other);
    }
    return same;
}

static void try(struct cdc_event_parser *parser, const char *p, size_t n, const char *where)
{
    struct cdc_event alone, event;
    struct cdc_error why = {0}, other_why = {0};
    int result = cdc_event_parse(&alone, p, n, &why), other = cdc_event_parser_next(parser, &event, p, n, &other_why);
    bool same = result == other && why.status == other_why.status && strcmp(why.text, other_why.text) == 0 &&
                (result != 0 || (same_event(&alone, &event) && same_choice(&alone, &event)));

    valid += result == 0;
    if (!same && failures++ < 10)
        printf("not ok - %s: alone %d %s, after others %d %s: %.*s\n", where, result, why.text, other, other_why.text,
               (int)n, p);
}

int main(int argc, char **argv)
{
    static char among[LINE_MAX + 200];
    struct cdc_event_parser *parser = cdc_event_parser_new(NULL);
    unsigned long lines = argc > 2 ? strtoul(argv[2], NULL, 10) : 30000;

    state = argc > 1 ? strtoul(argv[1], NULL, 10) : 42;
    check_plain();
    open_filters();
    for (unsigned long i = 0; i < lines; i++) {
        do {
            make_line();
            if (one_in(4))
                damage();
        } while (line.failed || line.len > LINE_MAX);
        /* At the end of a page, or among text that goes on as the line does. */
        if (one_in(2)) {
            try(parser, guarded_end(line.data, line.len), line.len, "at the end");
            continue;
        }
        size_t at = below(64);
        memset(among, '"', sizeof among);
        memcpy(among + at, line.data, line.len);
        memcpy(among + at + line.len, "\"}}1,\"a\":1}}\n", 13);
        try(parser, among + at, line.len, "among others");
    }
    if ((valid < lines / 4 || with_rows < lines / 2 || with_shape < lines / 4) && failures++ < 10)
        printf("not ok - of %lu lines %u are valid, with %u rows and %u shapes\n", lines, valid, with_rows, with_shape);
    if (failures == 0)
        printf("ok - %lu lines, %u are valid, with %u rows and %u shapes\n", lines, valid, with_rows, with_shape);
    cdc_event_parser_free(parser);
    for (unsigned i = 0; i < CHOICES * 2; i++)
        cdc_filter_free(filters[i / 2][i % 2]);
    for (size_t i = 0; i < n_shapes; i++)
        cdc_buf_free(&shapes[i]);
    free(shapes);
    cdc_buf_free(&line);
    return failures != 0;
}
