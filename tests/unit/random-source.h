/* SPDX-License-Identifier: MIT */
/* A source with random changes: lines for a sink, and the rows that its copy must have after them. Included by one file of a
 * program. */
#ifndef RANDOM_SOURCE_H
#define RANDOM_SOURCE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/event-lines.h"

static uint64_t random_state = 7;

static unsigned below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

/* -- the source ------------------------------------------------------------------------------ */

#define N_COLUMNS 4
#define N_ROWS 6

/* How a table's lines look. */
enum kind {
    FULL,    /* (a, b) is the key, unique at the end of a transaction only; "before" is whole */
    PARTIAL, /* (a, b) is the key; "before" is the old key alone, "after" may lack what is unchanged */
    ALL,     /* all columns are the key, unique at the end of a transaction only */
    KEYLESS, /* equal rows may be there */
    KINDS
};
static const char *const tables[KINDS] = {"full", "partial", "all", "keyless"};
static const char *const columns[N_COLUMNS] = {"a", "b", "v", "w"};
static const unsigned n_key[KINDS] = {2, 2, 4, 0};

struct row {
    unsigned at[N_COLUMNS]; /* which of the values; 0 is null, and not in a key */
    bool there;
};
static struct row rows[KINDS][N_ROWS];

/* Of a sink that takes less: the first so many kinds; keys are unique at any time. */
static int n_kinds = KINDS;
static bool late_keys = true;

/* As JSON, and as SQLite shows it. Numbers in a, texts elsewhere. */
static const char *const texts[][2] = {
    {"null", "~"}, {"\"x\"", "x"}, {"\"y,z\"", "y,z"}, {"\"\"", ""}, {"\"\\u00e9\\n\"", "é\n"}, {"\"'\\\"\"", "'\""}};
#define N_TEXTS (sizeof texts / sizeof texts[0])

static void append_value(struct cdc_buf *out, unsigned column, unsigned value)
{
    if (column == 0 && value > 0)
        cdc_buf_u64(out, value);
    else
        cdc_buf_text(out, texts[value][0]);
}

/* {"a":1,...} of the columns whose bit is set. */
static void append_object(struct cdc_buf *out, const struct row *row, unsigned set)
{
    const char *before = "{";
    for (unsigned i = 0; i < N_COLUMNS; i++)
        if (set >> i & 1) {
            cdc_buf_printf(out, "%s\"%s\":", before, columns[i]);
            append_value(out, i, row->at[i]);
            before = ",";
        }
    cdc_buf_text(out, set != 0 ? "}" : "{}");
}

static unsigned key_set(enum kind kind)
{
    return (1u << n_key[kind]) - 1;
}

static void row_line(const char *op, enum kind kind, const struct row *old, const struct row *new)
{
    struct cdc_buf out = CDC_BUF_INIT;
    unsigned all = (1u << N_COLUMNS) - 1, key = key_set(kind), left_out = 0;
    bool moved = false;

    for (unsigned i = 0; old != NULL && new != NULL &&i < n_key[kind]; i++)
        moved |= old->at[i] != new->at[i];
    for (unsigned i = 0; kind == PARTIAL && old != NULL && new != NULL &&i < N_COLUMNS; i++)
        if (old->at[i] == new->at[i] && below(3) == 0)
            left_out |= 1u << i;
    cdc_buf_lit(&out, "\"key\":");
    if (key == 0)
        cdc_buf_lit(&out, "null");
    else
        append_object(&out, new != NULL ? new : old, key);
    cdc_buf_lit(&out, ",\"before\":");
    if (old == NULL || (kind == PARTIAL && !moved && new != NULL))
        cdc_buf_lit(&out, "null");
    else
        append_object(&out, old, kind == PARTIAL ? key : all);
    cdc_buf_lit(&out, ",\"after\":");
    if (new == NULL)
        cdc_buf_lit(&out, "null");
    else
        append_object(&out, new, all & ~left_out);
    const char *before = ",\"unchanged\":[";
    for (unsigned i = 0; i < N_COLUMNS; i++)
        if (left_out >> i & 1) {
            cdc_buf_printf(&out, "%s\"%s\"", before, columns[i]);
            before = ",";
        }
    cdc_buf_text(&out, left_out != 0 ? "]" : "");
    cdc_buf_byte(&out, '\0');
    line(op, tables[kind], out.data);
    cdc_buf_free(&out);
}

/* Another row of the table that has this key; NULL: none. */
static struct row *same_key(enum kind kind, const struct row *row)
{
    for (struct row *other = rows[kind]; n_key[kind] > 0 && other < rows[kind] + N_ROWS; other++)
        if (other != row && other->there && memcmp(other->at, row->at, n_key[kind] * sizeof row->at[0]) == 0)
            return other;
    return NULL;
}

static void choose(enum kind kind, struct row *row, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        row->at[i] = i < n_key[kind] ? 1 + below(kind == ALL ? 2 : 3) : below(N_TEXTS);
}

/* A row comes; under a key that is checked late, also where another one is, which then goes. */
static void insert(enum kind kind, struct row *row)
{
    struct row new = {.there = true};
    choose(kind, &new, 0, N_COLUMNS);
    struct row *other = same_key(kind, &new);
    if (other != NULL && (!late_keys || kind == PARTIAL || other == row))
        return;
    if (!row->there)
        row_line("c", kind, NULL, &new);
    if (!row->there && other != NULL) {
        row_line("d", kind, other, NULL);
        other->there = false;
    }
    if (!row->there)
        *row = new;
}

static void update(enum kind kind, struct row *row)
{
    struct row new = *row;
    choose(kind, &new, below(2) == 0 ? n_key[kind] : 0, N_COLUMNS);
    if (n_key[kind] > 0 && same_key(kind, &new) != NULL && same_key(kind, &new) != row)
        return;
    row_line("u", kind, row, &new);
    *row = new;
}

/* UPDATE t SET key = ... of all rows: each gets the key of another one, in the order of the table. */
static void shuffle(enum kind kind)
{
    struct row old[N_ROWS];
    unsigned n = 0, there[N_ROWS], by = 1 + below(3);

    for (unsigned i = 0; i < N_ROWS; i++)
        if (rows[kind][i].there)
            there[n++] = i;
    memcpy(old, rows[kind], sizeof old);
    for (unsigned i = 0; n > 1 && i < n; i++) {
        struct row *row = &rows[kind][there[i]];
        memcpy(row->at, old[there[(i + by) % n]].at, n_key[kind] * sizeof row->at[0]);
    }
    for (unsigned i = 0, from = below(N_ROWS); n > 1 && i < n; i++) {
        unsigned k = there[(i + from) % n];
        if (memcmp(old[k].at, rows[kind][k].at, sizeof old[k].at) != 0)
            row_line("u", kind, &old[k], &rows[kind][k]);
    }
}

static void change(void)
{
    enum kind kind = (enum kind)below(n_kinds);
    struct row *row = &rows[kind][below(N_ROWS)];

    if (below(40) == 0) {
        line("t", tables[kind], "\"key\":null");
        for (unsigned i = 0; i < N_ROWS; i++)
            rows[kind][i].there = false;
    } else if (below(4) == 0 && late_keys && (kind == FULL || kind == ALL)) {
        shuffle(kind);
    } else if (!row->there) {
        insert(kind, row);
    } else if (below(3) == 0) {
        row_line("d", kind, row, NULL);
        row->there = false;
    } else {
        update(kind, row);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All lines of the texts, sorted. */
static void append_sorted(struct cdc_buf *out, char **lines, size_t n)
{
    qsort(lines, n, sizeof *lines, compare);
    for (size_t i = 0; i < n; i++) {
        cdc_buf_printf(out, "%s\n", lines[i]);
        free(lines[i]);
    }
}

static void append_model(struct cdc_buf *out, enum kind kind)
{
    char *lines[N_ROWS];
    size_t n = 0;
    for (unsigned i = 0; i < N_ROWS; i++) {
        const unsigned *at = rows[kind][i].at;
        char a[12];
        snprintf(a, sizeof a, "%u", at[0]);
        if (rows[kind][i].there && asprintf(&lines[n], "%s|%s|%s|%s", at[0] > 0 ? a : "~", texts[at[1]][1],
                                            texts[at[2]][1], texts[at[3]][1]) >= 0)
            n++;
    }
    append_sorted(out, lines, n);
}

static void append_schemas(void)
{
#define COLUMNS COLUMN("a", "integer") "," COLUMN("b", "text") "," COLUMN("v", "text") "," COLUMN("w", "text")
    line("schema", "full", SCHEMA(COLUMNS, "\"a\",\"b\""));
    line("schema", "partial", SCHEMA(COLUMNS, "\"a\",\"b\""));
    line("schema", "all", SCHEMA(COLUMNS, "\"a\",\"b\",\"v\",\"w\""));
    if (n_kinds > KEYLESS)
        line("schema", "keyless", SCHEMA(COLUMNS, ""));
}

/* Some transactions, each of some changes. */
static void append_changes(void)
{
    append_schemas();
    for (unsigned i = 1 + below(6); i > 0; i--) {
        for (unsigned k = 1 + below(12); k > 0; k--)
            change();
        commit();
    }
}

#endif
