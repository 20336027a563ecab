/* SPDX-License-Identifier: MIT */
/* Some of the rows (--sample 5%). Whether a row is one of them is a hash of the seed and of its key, so that an update and the delete of
 * a row go where its insert went. A row whose key changes may come in or go out: of it comes an insert or a delete, as of --where. */
#include <stdlib.h>

#include "libcdc/shape/internal.h"
#include <cdc/hash.h>

#define WHOLE UINT64_C(1000000000) /* parts of which a rate is so many */

struct sampled {
    struct line_table table; /* FIRST */
    uint64_t rate;
};

struct cdc_sample {
    const struct cdc_option_list *rates;
    bool *used; /* of each rate */
    uint64_t seed;
    struct line_tables tables;
};

/* -- settings ---------------------------------------------------------------------------- */

/* "5%", "0.05" or "1": of a thousand million. false: it is none, or 0, or more than all. */
static bool parse_rate(const char *text, uint64_t *rate)
{
    uint64_t number = 0, unit = WHOLE;
    size_t n = strlen(text), digits = 0;
    bool percent = n > 0 && text[n - 1] == '%', point = false;

    for (size_t i = 0; i < n - percent; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || ++digits > 12)
            return false;
        if (point && (unit /= 10) == 0)
            return false;
        number += point ? (uint64_t)(text[i] - '0') * unit : 0;
        if (!point && (number = number * 10 + (uint64_t)(text[i] - '0') * WHOLE) > 100 * WHOLE)
            return false;
    }
    *rate = percent ? number / 100 : number;
    return digits > 0 && *rate > 0 && *rate <= WHOLE;
}

static const char *rate_of(const char *item)
{
    const char *colon = strrchr(item, ':');
    return colon != NULL ? colon + 1 : item;
}

struct cdc_sample *cdc_sample_new(const struct cdc_option_list *rates, const char *seed, struct cdc_error *error)
{
    struct cdc_sample *sample;
    uint64_t rate;

    for (size_t i = 0; i < rates->count; i++) {
        const char *item = rates->items[i];
        if (shape_item_check("--sample", item, error) != 0)
            return NULL;
        if (!parse_rate(rate_of(item), &rate)) {
            cdc_error_set(error, CDC_EXIT_USAGE, "--sample: \"%.100s\" is no share of the rows", item);
            cdc_error_hint(error, "write it as 5%% or as 0.05, of one table as orders:5%%");
            return NULL;
        }
    }
    sample = calloc(1, sizeof *sample);
    if (sample == NULL || (sample->used = calloc(rates->count + 1, sizeof *sample->used)) == NULL) {
        free(sample);
        cdc_error_memory(error);
        return NULL;
    }
    sample->rates = rates;
    sample->seed = cdc_hash_text(CDC_HASH_INIT, seed != NULL ? seed : "");
    sample->tables.size = sizeof(struct sampled);
    return sample;
}

void cdc_sample_free(struct cdc_sample *sample)
{
    if (sample == NULL)
        return;
    line_tables_free(&sample->tables);
    free(sample->used);
    free(sample);
}

/* -- which rows -------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x) /* every bit of x goes into every bit of the result (SplitMix64) */
{
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* A number and the text with its digits are the same: --int64 may change. The order of the columns does not matter. The old ones where
 * `before` has them. */
static int hash_key(const struct cdc_sample *sample, const struct cdc_event *event, bool old, uint64_t *hash,
                    struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    struct cdc_buf text = CDC_BUF_INIT;

    *hash = mix(sample->seed);
    for (cdc_json_iter_begin(&iter, event->key); cdc_json_next_member(&iter, &name, &value);) {
        struct cdc_span before = old ? shape_member(event->before, name) : cdc_span(NULL, 0);
        value = before.p != NULL ? before : value;
        text.len = 0;
        cdc_json_unescape(&text, name);
        cdc_buf_byte(&text, (char)0xff);
        if (cdc_json_type(value) == CDC_JSON_STRING)
            cdc_json_unescape(&text, cdc_json_string_raw(value));
        else
            cdc_buf_span(&text, value);
        *hash += mix(cdc_hash_bytes(sample->seed, text.data, text.len));
    }
    *hash = mix(*hash);
    int result = text.failed ? cdc_error_memory(error) : 0;
    cdc_buf_free(&text);
    return result;
}

static bool is_taken(uint64_t hash, uint64_t rate)
{
    return ((hash >> 32) * WHOLE) >> 32 < rate;
}

/* -- lines ---------------------------------------------------------------------------------- */

static enum cdc_step_result refuse(const struct sampled *table, const char *what, const char *hint,
                                   struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "--sample: table \"%.*s\": %s", (int)table->table.plain_table.n,
                  table->table.plain_table.p, what);
    cdc_error_hint(error, "%s", hint);
    return CDC_STEP_FAILED;
}

static void append_old_key(struct cdc_buf *out, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    const char *comma = "";

    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, event->key); cdc_json_next_member(&iter, &name, &value); comma = ",") {
        struct cdc_span old = shape_member(event->before, name);
        cdc_buf_text(out, comma);
        cdc_buf_append(out, name.p - 1, name.n + 2);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, old.p != NULL ? old : value);
    }
    cdc_buf_byte(out, '}');
}

static void add_edit(struct shape_edit *edits, size_t *n, struct cdc_span at, struct cdc_span text)
{
    if (at.p != NULL)
        edits[(*n)++] = (struct shape_edit){at, text};
}

#define TEXT(literal) cdc_span(literal, sizeof literal - 1)

static struct cdc_span name_of_old_nulls(const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&iter, event->line); cdc_json_next_member(&iter, &name, &value);)
        if (value.p == event->json_null_old.p)
            return name;
    return cdc_span(NULL, 0);
}

/* The row is one of the sample no more. */
static void append_delete(struct cdc_buf *out, const struct cdc_event *event)
{
    struct cdc_buf key = CDC_BUF_INIT;
    struct shape_edit edits[SHAPE_EDITS];
    size_t n = 0;

    append_old_key(&key, event);
    add_edit(edits, &n, event->op_text, TEXT("d"));
    add_edit(edits, &n, event->key, cdc_span(key.data, key.len));
    add_edit(edits, &n, event->after, TEXT("null"));
    add_edit(edits, &n, event->unchanged, TEXT("[]"));
    add_edit(edits, &n, event->json_null, event->json_null_old.p != NULL ? event->json_null_old : TEXT("[]"));
    if (event->json_null.p != NULL)
        add_edit(edits, &n, event->json_null_old, TEXT("[]"));
    if (event->json_null.p == NULL) /* in a delete json_null is of before */
        add_edit(edits, &n, name_of_old_nulls(event), TEXT("json_null"));
    shape_append_edited(out, event->line, edits, n);
    out->failed |= key.failed;
    cdc_buf_free(&key);
}

static void append_insert(struct cdc_buf *out, const struct cdc_event *event)
{
    struct shape_edit edits[SHAPE_EDITS];
    size_t n = 0;

    add_edit(edits, &n, event->op_text, TEXT("c"));
    add_edit(edits, &n, event->before, TEXT("null"));
    add_edit(edits, &n, event->json_null_old, TEXT("[]"));
    shape_append_edited(out, event->line, edits, n);
}

static bool has_unchanged(const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    cdc_json_iter_begin(&iter, event->unchanged);
    return cdc_json_next_element(&iter, &item);
}

static enum cdc_step_result take_row(struct cdc_sample *sample, const struct sampled *table,
                                     const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    uint64_t hash, old_hash;

    if (cdc_json_type(event->key) != CDC_JSON_OBJECT)
        return refuse(table, "a row has no key by which its later lines would be known",
                      "give the table a primary key, or name the tables: --sample orders:5%", error);
    if (hash_key(sample, event, false, &hash, error) != 0)
        return CDC_STEP_FAILED;
    bool is = is_taken(hash, table->rate), was = is;
    if (shape_key_changed(event)) {
        if (hash_key(sample, event, true, &old_hash, error) != 0)
            return CDC_STEP_FAILED;
        was = is_taken(old_hash, table->rate);
    }
    if (is == was)
        return is ? CDC_STEP_KEPT : CDC_STEP_DROPPED;
    if (is && has_unchanged(event))
        return refuse(table, "a row whose key has changed is taken from now on, and the line has not all of it",
                      "the log must have whole rows: REPLICA IDENTITY FULL, or binlog_row_image=FULL", error);
    if (is)
        append_insert(out, event);
    else
        append_delete(out, event);
    return CDC_STEP_CHANGED;
}

static enum cdc_step_result take_event(void *state, const struct cdc_event *event, struct cdc_buf *out,
                                       struct cdc_error *error)
{
    struct cdc_sample *sample = state;
    bool is_new;

    if (event->table.p == NULL)
        return CDC_STEP_KEPT;
    struct sampled *table = line_table_of(&sample->tables, event, &is_new, error);
    if (table == NULL)
        return CDC_STEP_FAILED;
    for (size_t i = 0; is_new && i < sample->rates->count; i++)
        if (shape_item_rest(sample->rates->items[i], &table->table) != NULL) {
            (void)parse_rate(rate_of(sample->rates->items[i]), &table->rate);
            sample->used[i] = true;
        }
    if (table->rate == 0 || table->rate == WHOLE || !cdc_event_has_row(event))
        return CDC_STEP_KEPT;
    return take_row(sample, table, event, out, error);
}

static size_t unmatched(void *state, bool more, struct cdc_buf *out)
{
    const struct cdc_sample *sample = state;
    size_t n = 0;

    for (size_t i = 0; i < sample->rates->count; i++)
        if (!sample->used[i])
            cdc_buf_printf(out, "%s--sample '%s'", more || n > 0 ? ", " : "", sample->rates->items[i]), n++;
    return n;
}

static enum cdc_step_clarity explain(void *state, const struct cdc_event *event, struct cdc_span column,
                                     struct cdc_buf *out)
{
    struct cdc_sample *sample = state;
    struct cdc_error ignored = {0};
    bool is_new = false;
    const struct sampled *table = line_table_of(&sample->tables, event, &is_new, &ignored);

    if (column.p == NULL && table != NULL && table->rate != 0 && table->rate != WHOLE)
        cdc_buf_printf(out, "a sample of the rows: %g%%", 100 * (double)table->rate / (double)WHOLE);
    return CDC_CLEAR_AS_BEFORE;
}

struct cdc_filter_step cdc_sample_step(struct cdc_sample *sample)
{
    return (struct cdc_filter_step){.event = take_event, .unmatched = unmatched, .explain = explain, .state = sample};
}
