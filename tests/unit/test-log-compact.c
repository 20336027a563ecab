/* SPDX-License-Identifier: MIT */
/* Random changes of random tables, folded: what a sink has after the lines that are left is what it would have after all of them,
 * from nothing and from any place before. Each run is made of a seed, which is printed when it fails; a seed may be given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cdc/event.h>

#include "connectors/log/compact/fold.h"

static uint64_t random_state;

static unsigned below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

/* -- rows --------------------------------------------------------------------------------- */

#define SOURCES 2
#define ROWS 6
#define COLUMNS 5
enum kind {
    PARTIAL, /* id is the key; "before" is the old key alone, "after" may lack w and doc */
    FULL,    /* (id, b) is the key, unique at the end of a transaction only; "before" is whole */
    ALL,     /* all columns are the key */
    KEYLESS, /* equal rows may be there */
    KINDS
};
static const char *const tables[KINDS] = {"partial", "full", "all", "keyless"};
static const char *const columns[COLUMNS] = {"id", "b", "v", "w", "doc"};
static const unsigned n_key[KINDS] = {1, 2, 5, 0};

struct row {
    bool there, read; /* read: by the read that is open */
    int at[COLUMNS];  /* 0: null; doc: 1 is JSON's null */
};
struct table {
    struct row rows[ROWS * 4];
};
/* What a reader has, from the lines alone. */
struct copy {
    struct table tables[SOURCES][KINDS], sides[SOURCES][KINDS];
    bool open[SOURCES][KINDS], live[SOURCES][KINDS];
};

static bool same_key(enum kind kind, const struct row *a, const struct row *b)
{
    return memcmp(a->at, b->at, n_key[kind] * sizeof a->at[0]) == 0;
}

static struct row *find(struct table *table, enum kind kind, const struct row *wanted)
{
    for (unsigned i = 0; i < ROWS * 4; i++) {
        struct row *row = &table->rows[i];
        if (row->there &&
            (n_key[kind] > 0 ? same_key(kind, row, wanted) : memcmp(row->at, wanted->at, sizeof row->at) == 0))
            return row;
    }
    return NULL;
}

static void insert(struct table *table, const struct row *new)
{
    for (unsigned i = 0; i < ROWS * 4; i++)
        if (!table->rows[i].there) {
            table->rows[i] = *new;
            table->rows[i].there = true;
            return;
        }
    abort();
}

static int by_columns(const void *a, const void *b)
{
    const struct row *one = a, *other = b;
    if (one->there != other->there)
        return one->there ? -1 : 1;
    return one->there ? memcmp(one->at, other->at, sizeof one->at) : 0;
}

static bool same_table(const struct table *a, const struct table *b)
{
    struct table one = *a, other = *b;
    qsort(one.rows, ROWS * 4, sizeof one.rows[0], by_columns);
    qsort(other.rows, ROWS * 4, sizeof other.rows[0], by_columns);
    for (unsigned i = 0; i < ROWS * 4; i++)
        if (by_columns(&one.rows[i], &other.rows[i]) != 0)
            return false;
    return true;
}

/* -- the source --------------------------------------------------------------------------- */

static struct cdc_buf input;
static struct table database[SOURCES][KINDS], seen[SOURCES][KINDS]; /* seen: what readers see while a read is open */
static unsigned transaction[SOURCES], number[SOURCES], events;
enum reading { NOT, READ, LIVE };
static enum reading reading[SOURCES][KINDS];
static bool begun[SOURCES]; /* its schema lines are out */

/* How whole rows are printed: one stage prints all lines of a transaction in the same way. */
static unsigned style;

static const char *space(void)
{
    return below(8) == 0 ? " " : "";
}

static void begin_line(const char *op, unsigned source, int kind)
{
    cdc_buf_printf(&input,
                   "{%s\"op\":%s\"%s\",\"pos\":\"%08u.%08u\",\"seq\":%u,\"source\":{\"name\":\"n%u\",\"db\":\"d\"",
                   space(), space(), op, transaction[source], ++number[source], transaction[source], source);
    if (kind >= 0)
        cdc_buf_printf(&input, ",\"schema\":\"public\",\"table\":\"%s\"", tables[kind]);
    cdc_buf_lit(&input, "}");
}

static void append_value(unsigned column, int value, unsigned way)
{
    if (value == 0 || (column == 4 && value == 1))
        cdc_buf_lit(&input, "null");
    else if (column == 0 && (way & 1) == 0)
        cdc_buf_printf(&input, "%d", value);
    else if (column == 1 && (way & 2) == 0)
        cdc_buf_printf(&input, "\"\\u00e%d\"", value);
    else if (column == 1)
        cdc_buf_printf(&input, "\"\xc3%c\"", (char)(0xa0 + value));
    else
        cdc_buf_printf(&input, "\"%d\"", value);
}

static void append_row(const char *name, const struct row *row, unsigned set)
{
    unsigned way = *name == 'k' ? below(32) : style;
    const char *before = "", *gap = way & 4 ? " " : "";
    cdc_buf_printf(&input, ",\"%s\":%s", name, space());
    if (row == NULL) {
        cdc_buf_lit(&input, "null");
        return;
    }
    cdc_buf_lit(&input, "{");
    for (unsigned i = 0; i < COLUMNS; i++) {
        unsigned column = way & 8 ? COLUMNS - 1 - i : i;
        if (!(set >> column & 1))
            continue;
        cdc_buf_printf(&input, "%s%s\"%s\"%s:", before, gap, columns[column], gap);
        append_value(column, row->at[column], way);
        before = ",";
    }
    cdc_buf_lit(&input, "}");
}

#define ALL_SET ((1u << COLUMNS) - 1)

static void row_line(const char *op, unsigned source, enum kind kind, const struct row *old, const struct row *new)
{
    unsigned key = (1u << n_key[kind]) - 1, omitted = 0;
    bool moved = old != NULL && new != NULL && !same_key(kind, old, new);
    if (kind == PARTIAL && old != NULL && new != NULL)
        for (unsigned i = 3; i < COLUMNS; i++)
            if (old->at[i] == new->at[i] && below(3) > 0)
                omitted |= 1u << i;
    bool whole = kind != PARTIAL || (old != NULL && new != NULL &&below(12) == 0);
    begin_line(op, source, kind);
    const struct row *row = new != NULL ? new : old;
    if (key != 0)
        append_row("key", row, key);
    bool has_before = old != NULL && (whole || moved || new == NULL);
    append_row("before", has_before ? old : NULL, whole ? ALL_SET : key);
    append_row("after", new, ALL_SET & ~omitted);
    const char *before = ",\"unchanged\":[";
    for (unsigned i = 0; i < COLUMNS; i++)
        if (omitted >> i & 1) {
            cdc_buf_printf(&input, "%s\"%s\"", before, columns[i]);
            before = ",";
        }
    cdc_buf_text(&input, omitted ? "]" : "");
    if (row->at[4] == 1 && !(omitted >> 4 & 1) && (new != NULL || whole))
        cdc_buf_lit(&input, ",\"json_null\":[\"doc\"]");
    if (new != NULL && has_before &&whole && old->at[4] == 1)
        cdc_buf_lit(&input, ",\"json_null_old\":[\"doc\"]");
    cdc_buf_lit(&input, "}\n");
    events++;
}

static void table_line(unsigned source, enum kind kind, const char *read)
{
    begin_line("t", source, kind);
    cdc_buf_printf(&input, *read ? ",\"read\":\"%s\"}\n" : "}\n", read);
    events++;
}

static void schema_line(unsigned source, enum kind kind, const char *read)
{
    begin_line("schema", source, kind);
    cdc_buf_lit(&input, ",\"columns\":[");
    for (unsigned i = 0; i < COLUMNS; i++)
        cdc_buf_printf(&input, "%s{\"name\":\"%s\",\"type\":\"%s\"}", i > 0 ? "," : "", columns[i],
                       i == 0 ? "integer" : "text");
    cdc_buf_lit(&input, "],\"key_columns\":[");
    for (unsigned i = 0; i < n_key[kind]; i++)
        cdc_buf_printf(&input, "%s\"%s\"", i > 0 ? "," : "", columns[i]);
    cdc_buf_printf(&input, *read ? "],\"read\":\"%s\"}\n" : "]}\n", read);
}

static void choose(enum kind kind, struct row *row, unsigned first)
{
    for (unsigned i = first; i < COLUMNS; i++)
        row->at[i] = i < n_key[kind] ? 1 + (int)below(kind == ALL ? 2 : 4) : i < 2 ? 1 + (int)below(3) : (int)below(4);
}

/* A line comes, unless the row is still to be read. */
static void tell(const char *op, unsigned source, enum kind kind, const struct row *old, struct row *new)
{
    if (reading[source][kind] == LIVE && !(old != NULL && old->read) && !(old == NULL && below(2) == 0))
        return;
    if (new != NULL)
        new->read = true;
    row_line(op, source, kind, old, new);
}

static void shuffle(unsigned source, enum kind kind)
{
    struct row *there[ROWS], old[ROWS];
    unsigned n = 0, by, from;
    for (unsigned i = 0; i < ROWS; i++)
        if (database[source][kind].rows[i].there)
            there[n++] = &database[source][kind].rows[i];
    for (unsigned i = 0; i < n; i++)
        if (reading[source][kind] == LIVE && !there[i]->read)
            return;
    if (n < 2)
        return;
    for (unsigned i = 0; i < n; i++)
        old[i] = *there[i];
    by = 1 + below(n - 1);
    from = below(n);
    for (unsigned i = 0; i < n; i++) {
        unsigned k = (i + from) % n;
        memcpy(there[k]->at, old[(k + by) % n].at, n_key[kind] * sizeof there[k]->at[0]);
        if (memcmp(there[k]->at, old[k].at, sizeof old[k].at) != 0)
            row_line("u", source, kind, &old[k], there[k]);
    }
}

static void change_row(unsigned source, enum kind kind, struct row *row)
{
    struct row new = {.there = true, .read = row->read}, old = *row, *other;
    if (row->there && below(3) == 0) {
        tell("d", source, kind, &old, NULL);
        row->there = row->read = false;
        return;
    }
    if (row->there)
        new = *row;
    choose(kind, &new, row->there && below(2) == 0 ? n_key[kind] : 0);
    other = n_key[kind] > 0 ? find(&database[source][kind], kind, &new) : NULL;
    if (other != NULL && other != row)
        return;
    bool updates = row->there;
    tell(updates ? "u" : "c", source, kind, updates ? &old : NULL, &new);
    *row = new;
}

static void truncate_table(unsigned source, enum kind kind)
{
    table_line(source, kind, "");
    memset(&database[source][kind], 0, sizeof database[source][kind]);
    if (reading[source][kind] == READ)
        reading[source][kind] = NOT;
}

/* Rows change without a line. */
static void change_silently(unsigned source, enum kind kind)
{
    for (unsigned i = 0; i < ROWS; i++) {
        struct row *row = &database[source][kind].rows[i], new = {.there = true};
        row->read = false;
        choose(kind, &new, 0);
        if (below(2) == 0)
            row->there = false;
        else if (n_key[kind] == 0 || find(&database[source][kind], kind, &new) == NULL)
            *row = new;
    }
}

static void begin_read(unsigned source, enum kind kind)
{
    if (reading[source][kind] == NOT)
        seen[source][kind] = database[source][kind];
    change_silently(source, kind);
    reading[source][kind] = below(2) == 0 ? READ : LIVE;
    table_line(source, kind, reading[source][kind] == LIVE ? "live" : "begin");
    schema_line(source, kind, "");
}

static void go_on_reading(unsigned source, enum kind kind)
{
    unsigned left = 0;
    for (unsigned i = 0; i < ROWS; i++) {
        struct row *row = &database[source][kind].rows[i];
        if (row->there && !row->read && below(2) == 0) {
            row->read = true;
            row_line("r", source, kind, NULL, row);
        }
        left += row->there && !row->read;
    }
    if (left > 0)
        return;
    schema_line(source, kind, "end");
    reading[source][kind] = NOT;
}

static void change(unsigned source)
{
    enum kind kind = (enum kind)below(KINDS);
    if (!begun[source])
        for (int i = 0; i < KINDS; i++)
            schema_line(source, (enum kind)i, "");
    begun[source] = true;
    if (reading[source][kind] != NOT && below(3) == 0)
        below(10) == 0 ? begin_read(source, kind) : go_on_reading(source, kind);
    else if (below(25) == 0 && (reading[source][kind] == NOT || below(2) == 0))
        truncate_table(source, kind);
    else if (reading[source][kind] == READ)
        return;
    else if (below(30) == 0)
        begin_read(source, kind);
    else if (below(4) == 0 && (kind == FULL || kind == ALL))
        shuffle(source, kind);
    else
        change_row(source, kind, &database[source][kind].rows[below(ROWS)]);
}

static void drop_database(unsigned source)
{
    begin_line("t", source, -1);
    cdc_buf_lit(&input, ",\"except\":[\"full\"]}\n");
    events++;
    for (int kind = 0; kind < KINDS; kind++)
        if (kind != FULL) {
            memset(&database[source][kind], 0, sizeof database[source][kind]);
            reading[source][kind] = NOT;
        }
}

/* -- a reader ------------------------------------------------------------------------------- */

static int number_of(struct cdc_span value)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span raw = cdc_json_string_raw(value);
    int result = 0;
    if (raw.p != NULL)
        cdc_json_unescape(&text, raw);
    else
        cdc_buf_span(&text, value);
    if (text.len == 2 && (unsigned char)text.data[0] == 0xc3)
        result = (unsigned char)text.data[1] - 0xa0;
    else
        for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
            result = result * 10 + text.data[i] - '0';
    cdc_buf_free(&text);
    return result;
}

/* Fills what the object has; the set of columns that it has. */
static unsigned take_object(struct row *row, struct cdc_span object, struct cdc_span json_null)
{
    unsigned set = 0;
    for (unsigned i = 0; i < COLUMNS && !cdc_json_is_null(object); i++) {
        struct cdc_span value = cdc_json_member(object, columns[i]);
        if (value.p == NULL)
            continue;
        set |= 1u << i;
        row->at[i] = number_of(value);
        if (i == 4 && cdc_json_is_null(value) && json_null.p != NULL)
            row->at[i] = 1;
    }
    return set;
}

static const char *why;

static void fail(const char *text)
{
    why = why != NULL ? why : text;
}

static void apply_keyless(struct table *table, const struct cdc_event *event)
{
    struct row old = {0}, new = {.there = true};
    take_object(&old, event->before, event->op == CDC_OP_DELETE ? event->json_null : event->json_null_old);
    take_object(&new, event->after, event->json_null);
    struct row *row = cdc_json_is_null(event->before) ? NULL : find(table, KEYLESS, &old);
    if (event->op == CDC_OP_CREATE || event->op == CDC_OP_READ)
        insert(table, &new);
    else if (row == NULL)
        fail("a row without a key is not there");
    else if (event->op == CDC_OP_DELETE)
        row->there = false;
    else
        *row = new;
}

/* Of keyed tables a base has r and d alone, and u where columns are known to nobody. */
static void apply_keyed(struct table *table, enum kind kind, const struct cdc_event *event)
{
    struct row key = {.there = true};
    take_object(&key, event->key, event->json_null);
    struct row *row = find(table, kind, &key);
    if (event->op == CDC_OP_DELETE) {
        if (row != NULL)
            row->there = false;
        return;
    }
    if (event->op != CDC_OP_READ)
        fail("a change in a base is not r");
    if (!cdc_json_is_null(event->before))
        fail("a row has before");
    if (row == NULL) {
        insert(table, &key);
        row = find(table, kind, &key);
    }
    if (take_object(row, event->after, event->json_null) != ALL_SET)
        fail("a row lacks columns");
}

static void empty(struct copy *copy, unsigned source, int kind, bool dropped)
{
    if (copy->open[source][kind] && copy->live[source][kind] && !dropped) {
        memset(&copy->sides[source][kind], 0, sizeof copy->sides[source][kind]);
        return;
    }
    copy->open[source][kind] = false;
    memset(&copy->tables[source][kind], 0, sizeof copy->tables[source][kind]);
}

static void apply_table(struct copy *copy, const struct cdc_event *event, unsigned source, int kind)
{
    if (event->op == CDC_OP_SCHEMA) {
        if (event->read.p == NULL)
            return;
        if (!copy->open[source][kind])
            fail("the end of a read without its begin");
        copy->open[source][kind] = false;
        copy->tables[source][kind] = copy->sides[source][kind];
    } else if (event->read.p != NULL) {
        copy->open[source][kind] = true;
        copy->live[source][kind] = cdc_span_is(event->read, "live");
        memset(&copy->sides[source][kind], 0, sizeof copy->sides[source][kind]);
    } else {
        empty(copy, source, kind, false);
    }
}

static void apply_row(struct copy *copy, const struct cdc_event *event, unsigned source, enum kind kind)
{
    struct table *table = copy->open[source][kind] ? &copy->sides[source][kind] : &copy->tables[source][kind];
    if (copy->open[source][kind] && !copy->live[source][kind] && event->op != CDC_OP_READ)
        fail("a read is broken off");
    if (kind == KEYLESS)
        apply_keyless(table, event);
    else
        apply_keyed(table, kind, event);
}

static void apply(struct copy *copy, const struct cdc_event *event)
{
    unsigned source = (unsigned)(event->name.p[1] - '0');
    int kind = KINDS - 1;
    if (cdc_event_is_of_database(event)) {
        for (kind = 0; kind < KINDS; kind++)
            if (kind != FULL)
                empty(copy, source, kind, true);
        return;
    }
    if (event->table.p == NULL)
        return;
    while (kind > 0 && !cdc_span_is(event->table, tables[kind]))
        kind--;
    if (cdc_event_has_row(event))
        apply_row(copy, event, source, (enum kind)kind);
    else
        apply_table(copy, event, source, kind);
}

/* -- a run ------------------------------------------------------------------------------------ */

#define COMMITS 60
struct moment {
    size_t end;                          /* of the input */
    char pos[SOURCES][24];               /* of the last commit */
    struct table tables[SOURCES][KINDS]; /* what readers see */
    bool reading[SOURCES][KINDS];        /* some read is open */
};
static struct moment moments[COMMITS];
static unsigned n_moments;

static void commit(unsigned source)
{
    begin_line("commit", source, -1);
    cdc_buf_printf(&input, ",\"events\":%u}\n", events);
    struct moment *moment = &moments[n_moments++];
    if (n_moments > 1)
        memcpy(moment->pos, moment[-1].pos, sizeof moment->pos);
    snprintf(moment->pos[source], sizeof moment->pos[source], "%08u.%08u", transaction[source], number[source]);
    moment->end = input.len;
    for (unsigned s = 0; s < SOURCES; s++)
        for (int kind = 0; kind < KINDS; kind++) {
            moment->reading[s][kind] = reading[s][kind] != NOT;
            if (reading[s][kind] == NOT)
                seen[s][kind] = database[s][kind];
            moment->tables[s][kind] = seen[s][kind];
        }
    transaction[source]++;
    number[source] = events = 0;
    style = below(16);
}

static void make_lines(void)
{
    input.len = 0;
    n_moments = 0;
    memset(database, 0, sizeof database);
    memset(seen, 0, sizeof seen);
    memset(reading, 0, sizeof reading);
    memset(begun, 0, sizeof begun);
    memset(moments, 0, sizeof moments);
    transaction[0] = transaction[1] = 1;
    number[0] = number[1] = events = 0;
    for (unsigned i = 2 + below(COMMITS - 2); i > 0; i--) {
        unsigned source = below(5) == 0;
        for (unsigned k = below(14); k > 0; k--)
            change(source);
        if (below(60) == 0 && begun[source])
            drop_database(source);
        commit(source);
    }
}

struct texts {
    struct cdc_span parts[2]; /* one after the other */
    size_t part, at;
    char *copy; /* of the line: nothing is read behind it */
};

static int rewind_texts(void *context, struct cdc_error *error)
{
    struct texts *texts = context;
    (void)error;
    texts->part = texts->at = 0;
    return 0;
}

static int next_text(void *context, struct cdc_span *line, struct cdc_error *error)
{
    struct texts *texts = context;
    (void)error;
    while (texts->part < 2 && texts->at == texts->parts[texts->part].n) {
        texts->part++;
        texts->at = 0;
    }
    if (texts->part == 2)
        return 0;
    const char *p = texts->parts[texts->part].p + texts->at,
               *lf = memchr(p, '\n', texts->parts[texts->part].n - texts->at);
    *line = cdc_span(p, (size_t)(lf - p));
    texts->at += line->n + 1;
    free(texts->copy);
    texts->copy = malloc(line->n + 1);
    memcpy(texts->copy, p, line->n);
    line->p = texts->copy;
    return 1;
}

static int append_line(void *context, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_buf *out = context;
    (void)error;
    cdc_buf_span(out, line);
    cdc_buf_byte(out, '\n');
    return 0;
}

static void fold(struct cdc_span first, struct cdc_span second, const struct moment *gone, struct cdc_buf *out)
{
    struct texts texts = {{first, second}, 0, 0, NULL};
    struct log_fold_input lines = {rewind_texts, next_text, &texts};
    struct log_gone positions[SOURCES] = {{"n0", gone ? gone->pos[0] : ""}, {"n1", gone ? gone->pos[1] : ""}};
    struct log_fold_settings settings = {
        .folder = "/tmp", .memory = below(2) == 0 ? 1 : 1 << 20, .gone = positions, .n_gone = gone ? SOURCES : 0};
    struct log_fold_counts counts;
    struct cdc_error error = {0};
    out->len = 0;
    if (log_fold(&settings, &lines, append_line, out, &counts, &error) != 0)
        fail(error.text[0] ? strdup(error.text) : "the fold failed");
    free(texts.copy);
}

/* The reader was at that moment; NULL: it has nothing. What it has already, it drops. */
static void check_reader(const struct cdc_buf *base, const struct moment *from, const struct moment *to,
                         const char *what)
{
    static struct copy copy;
    char last[SOURCES][24] = {"", ""};
    memset(&copy, 0, sizeof copy);
    if (from != NULL)
        memcpy(copy.tables, from->tables, sizeof copy.tables);
    for (size_t at = 0; at < base->len;) {
        struct cdc_event event;
        struct cdc_error error = {0};
        const char *p = base->data + at, *lf = memchr(p, '\n', base->len - at);
        if (cdc_event_parse(&event, p, (size_t)(lf - p), &error) != 0) {
            fail("a line is no event");
            return;
        }
        at += event.line.n + 1;
        unsigned source = (unsigned)(event.name.p[1] - '0');
        if (cdc_span_compare(cdc_span_text(last[source]), event.pos) >= 0)
            fail("positions do not grow");
        snprintf(last[source], sizeof last[source], "%.*s", (int)event.pos.n, event.pos.p);
        if (from == NULL || cdc_span_compare(event.pos, cdc_span_text(from->pos[source])) > 0)
            apply(&copy, &event);
    }
    for (unsigned s = 0; s < SOURCES; s++) {
        if (strcmp(last[s], to->pos[s]) != 0)
            fail("the last line is not the last commit");
        for (int kind = 0; kind < KINDS; kind++)
            if (!same_table(&copy.tables[s][kind], &to->tables[s][kind])) {
                printf("table %s of n%u, %s\n", tables[kind], s, what);
                fail("rows are others");
            }
    }
}

static bool has_read(const struct moment *moment)
{
    for (unsigned s = 0; s < SOURCES; s++)
        for (int kind = 0; kind < KINDS; kind++)
            if (moment->reading[s][kind])
                return true;
    return false;
}

static void run(uint64_t seed)
{
    static struct cdc_buf one, two;
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    why = NULL;
    make_lines();
    unsigned to = below(n_moments), at = below(to + 1), from = below(to + 1), gone = below(from + 1);
    const struct moment *end = &moments[to];
    fold(cdc_span(input.data, end->end), cdc_span(NULL, 0), NULL, &one);
    check_reader(&one, NULL, end, "from nothing");
    if (!has_read(&moments[from]))
        check_reader(&one, &moments[from], end, "from before");
    /* A base, and later one of that and what came after it; markers are dropped by either. */
    fold(cdc_span(input.data, moments[at].end), cdc_span(NULL, 0), below(2) == 0 && at >= gone ? &moments[gone] : NULL,
         &one);
    check_reader(&one, NULL, &moments[at], "the first base");
    fold(cdc_span(one.data, one.len), cdc_span(input.data + moments[at].end, end->end - moments[at].end),
         &moments[gone], &two);
    check_reader(&two, NULL, end, "the second base");
    if (!has_read(&moments[from]))
        check_reader(&two, &moments[from], end, "from before, by the second base");
    if (why != NULL)
        printf("not ok - log compact: seed %llu: %s (%u of %u commits, first %u, from %u, gone %u)\n",
               (unsigned long long)seed, why, to, n_moments, at, from, gone);
    if (why != NULL && getenv("CDC_TEST_KEEP") != NULL)
        printf("lines\n%.*sfirst\n%.*ssecond\n%.*s", (int)end->end, input.data, (int)one.len, one.data, (int)two.len,
               two.data);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, last = argc > 2   ? strtoull(argv[2], NULL, 10)
                                                                       : argc > 1 ? seed
                                                                                  : 3000;
    for (; seed <= last; seed++) {
        run(seed);
        if (why != NULL)
            return 1;
    }
    cdc_buf_free(&input);
    printf("ok - log compact: seeds up to %llu\n", (unsigned long long)last);
    return 0;
}
