/* SPDX-License-Identifier: MIT */
/* One row: inserted, updated, moved to another key, deleted. A line is applied whole or, when the destination refuses
 * it, not at all. */
#include <stdio.h>

#include "connectors/sqlite/sink/internal.h"

/* -- reading a row's object --------------------------------------------------- */

static void put(unsigned char *mask, size_t i)
{
    mask[i / 8] = (unsigned char)(mask[i / 8] | 1u << i % 8);
}

/* guess: the column after the one before, since rows have their members in the order of the table. */
static size_t column_of(const struct lite_table *table, struct cdc_span raw, size_t guess)
{
    if (guess < table->source.n_columns && raw.n == table->source.columns[guess].name_n &&
        memcmp(raw.p, table->source.columns[guess].name, raw.n) == 0 && memchr(raw.p, '\\', raw.n) == NULL)
        return guess;
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (cdc_json_raw_is(raw, cdc_span(table->source.columns[i].name, table->source.columns[i].name_n)))
            return i;
    return table->source.n_columns;
}

/* Spreads an object over spans and mask. false with *unknown when a member is no column. */
static bool read_object(const struct lite_table *table, struct cdc_span object, struct cdc_span *spans,
                        unsigned char *mask, struct cdc_span *unknown)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t guess = 0;

    memset(mask, 0, table->mask_n);
    if (cdc_json_is_null(object))
        return true;
    cdc_json_iter_begin(&iter, object);
    while (cdc_json_next_member(&iter, &name, &value)) {
        size_t i = column_of(table, name, guess);
        if (i == table->source.n_columns)
            return *unknown = name, false;
        spans[i] = value;
        put(mask, i);
        guess = i + 1;
    }
    return true;
}

/* A row of a table without a key is found by all of its columns: one that lacks an optional one is NULL there. */
static void fill_optional(struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (table->source.columns[i].optional && !lite_mask_has(table->before_mask, i)) {
            table->before[i] = cdc_span("null", 4);
            put(table->before_mask, i);
        }
}

/* The key columns of an object into key, in key order. false when one is missing. */
static bool take_key(const struct lite_table *table, const struct cdc_span *spans, const unsigned char *mask,
                     struct cdc_span *key)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        if (!lite_mask_has(mask, table->source.key[i]))
            return false;
        key[i] = spans[table->source.key[i]];
    }
    return table->source.n_key > 0;
}

/* -- the kinds of change ------------------------------------------------------------- */

/* The same text, whatever the escapes: a stage before us may have printed one of two equal keys anew. */
static bool same_value(struct cdc_span a, struct cdc_span b)
{
    return cdc_span_equal(a, b) || (cdc_json_type(a) == CDC_JSON_STRING && cdc_json_type(b) == CDC_JSON_STRING &&
                                    cdc_json_raw_equal(cdc_json_string_raw(a), cdc_json_string_raw(b)));
}

static struct cdc_span without_sign(struct cdc_span number)
{
    size_t sign = number.n > 0 && number.p[0] == '-';
    return cdc_span(number.p + sign, number.n - sign);
}

/* -0 and 0 of floating point numbers: two texts, and one number, to the source and to SQLite, which keeps no sign of it. */
static bool same_zero(struct cdc_span a, struct cdc_span b)
{
    if (cdc_json_type(a) != CDC_JSON_NUMBER || cdc_json_type(b) != CDC_JSON_NUMBER ||
        !cdc_span_equal(without_sign(a), without_sign(b)))
        return false;
    for (size_t i = 0; i < a.n && a.p[i] != 'e' && a.p[i] != 'E'; i++)
        if (a.p[i] >= '1' && a.p[i] <= '9')
            return false;
    return true;
}

static bool key_changed(const struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_key; i++)
        if (!same_value(table->old_key[i], table->new_key[i]) && !same_zero(table->old_key[i], table->new_key[i]))
            return true;
    return false;
}

/* After a refusal: is it for a row that has the new key already? That is seen from what is there, since a unique index of the
 * user's may speak first. false: the refusal stands, or, where outcome has none, the database could not be asked. */
static bool key_is_taken(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome,
                         struct cdc_error *error)
{
    struct lite_outcome first = *outcome;

    *outcome = (struct lite_outcome){0, false, ""};
    int result = lite_statement_run(sink, table, LITE_FIND_KEY, table->new_key, outcome, error);
    bool taken = result == 0 && outcome->rows > 0;
    if (!taken && (result == 0 || outcome->refused))
        *outcome = first;
    return taken;
}

/* The row of `after` arrives under its key. Where a row has that key already, that one waits (waiting.c). */
static int land(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome, struct cdc_error *error)
{
    if (lite_statement_run(sink, table, LITE_INSERT, NULL, outcome, error) == 0)
        return 0;
    if (!outcome->refused || !key_is_taken(sink, table, outcome, error))
        return -1;
    return lite_waiting_add(sink, table, table->new_key, outcome, error) != 0
               ? -1
               : lite_statement_run(sink, table, LITE_UPSERT, NULL, outcome, error);
}

/* The row at the old key gets the new one, and whatever it has that the line does not carry comes along. outcome->rows is
 * 0 when there is none. */
static int rename_row(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome,
                      struct cdc_error *error)
{
    if (lite_statement_run(sink, table, LITE_UPDATE_KEY, table->old_key, outcome, error) == 0)
        return 0;
    if (!outcome->refused || !key_is_taken(sink, table, outcome, error))
        return -1;
    if (lite_waiting_add(sink, table, table->new_key, outcome, error) != 0 ||
        lite_statement_run(sink, table, LITE_DELETE_KEY, table->new_key, outcome, error) != 0)
        return -1;
    return lite_statement_run(sink, table, LITE_UPDATE_KEY, table->old_key, outcome, error);
}

/* Columns that the log did not carry are taken from `before`, where it has them. false: some are nowhere in the line. */
static bool fill_unchanged(struct lite_table *table, struct cdc_span unchanged)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    bool whole = true;

    if (unchanged.p == NULL)
        return true;
    for (cdc_json_iter_begin(&iter, unchanged); cdc_json_next_element(&iter, &item);) {
        size_t i = column_of(table, cdc_json_string_raw(item), 0);
        if (i == table->source.n_columns || lite_mask_has(table->after_mask, i))
            continue;
        if (lite_mask_has(table->before_mask, i)) {
            table->after[i] = table->before[i];
            put(table->after_mask, i);
        } else {
            whole = false;
        }
    }
    return whole;
}

/* A line of before, which is taken in by itself, finds nothing that it could be completed from. */
static int refuse_lacking(struct lite_sink *sink, const struct lite_table *table, struct lite_outcome *outcome)
{
    return sink->context.settings->replay == NULL
               ? 0
               : lite_statement_refuse(outcome, table->source.target, NULL,
                                       "columns that the log omitted as unchanged are not there");
}

/* The row of an update was not there (a copy without a snapshot, say): the log left out columns that it has. */
static int lack_columns(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome)
{
    if (refuse_lacking(sink, table, outcome) != 0)
        return -1;
    if (!table->incomplete)
        cdc_log_write(sink->db.log, CDC_LOG_WARNING,
                      "table \"%s\": a row to update was not there, and columns that the log omitted as unchanged are "
                      "NULL in it (said once)",
                      table->source.target);
    table->incomplete = true;
    return 0;
}

/* A row at the new key has the columns that the line does not carry only when a snapshot read the table after this
 * change, and then the old key may be another row's by now. Else they come along with the row at the old key. */
static int move_partial(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome,
                        struct cdc_error *error)
{
    if (lite_statement_run(sink, table, LITE_FIND_KEY, table->new_key, outcome, error) != 0)
        return -1;
    bool at_new = outcome->rows > 0;
    if (!at_new && lite_statement_run(sink, table, LITE_UPDATE_KEY, table->old_key, outcome, error) != 0)
        return -1;
    if (!at_new && outcome->rows > 0)
        return 0;
    if (!at_new && lack_columns(sink, table, outcome) != 0)
        return -1;
    if (lite_statement_run(sink, table, LITE_DELETE_KEY, table->old_key, outcome, error) != 0)
        return -1;
    return lite_statement_run(sink, table, LITE_UPSERT, NULL, outcome, error);
}

/* The row moves to another key. */
static int move(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                struct lite_outcome *outcome, struct cdc_error *error)
{
    if (!fill_unchanged(table, event->unchanged))
        return move_partial(sink, table, outcome, error);
    if (lite_waiting_remove(sink, table, outcome, error) != 0)
        return -1;
    if (outcome->rows > 0) /* it was the one that waited: under the old key another row is now */
        return land(sink, table, outcome, error);
    if (rename_row(sink, table, outcome, error) != 0)
        return -1;
    if (outcome->rows == 0)
        return land(sink, table, outcome, error);
    return lite_waiting_return(sink, table, table->old_key, outcome, error);
}

static int delete_by_key(struct lite_sink *sink, struct lite_table *table, struct lite_outcome *outcome,
                         struct cdc_error *error)
{
    if (lite_waiting_remove(sink, table, outcome, error) != 0)
        return -1;
    if (outcome->rows > 0)
        return 0;
    if (lite_statement_run(sink, table, LITE_DELETE_KEY, table->old_key, outcome, error) != 0)
        return -1;
    return lite_waiting_return(sink, table, table->old_key, outcome, error);
}

static void warn_unmatched(struct lite_sink *sink, struct lite_table *table, const struct lite_outcome *outcome)
{
    if (outcome->rows > 0 || table->unmatched)
        return;
    table->unmatched = true;
    cdc_log_write(sink->db.log, CDC_LOG_WARNING,
                  "table \"%s\" has no key, and a row to change or delete was not found in it (said once)",
                  table->source.target);
}

/* Does `before` tell the row from all that are not equal to it? Else some other row would be taken. */
static bool before_is_whole(const struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (!lite_mask_has(table->before_mask, i) && !table->source.columns[i].generated)
            return false;
    return true;
}

static bool is_empty(const struct lite_table *table, const unsigned char *mask)
{
    for (size_t i = 0; i < table->mask_n; i++)
        if (mask[i] != 0)
            return false;
    return true;
}

static int change_without_key(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                              struct lite_outcome *outcome, struct cdc_error *error)
{
    if (cdc_json_is_null(event->before))
        return lite_statement_refuse(
            outcome, table->source.target, NULL,
            "the table has no key, and the line has no \"before\": give it a primary key or REPLICA IDENTITY FULL");
    if (is_empty(table, table->before_mask) || !before_is_whole(table))
        return lite_statement_refuse(outcome, table->source.target, NULL,
                                     "the table has no key, and \"before\" lacks columns: it could be any row");
    if (event->op == CDC_OP_UPDATE && is_empty(table, table->after_mask))
        return event->unchanged.p != NULL
                   ? 0
                   : lite_statement_refuse(outcome, table->source.target, NULL, "\"after\" has no column");
    enum lite_what what = event->op == CDC_OP_DELETE ? LITE_DELETE_ROW : LITE_UPDATE_ROW;
    if (lite_statement_run(sink, table, what, NULL, outcome, error) != 0)
        return -1;
    warn_unmatched(sink, table, outcome);
    return 0;
}

static int add_row(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                   struct lite_outcome *outcome, struct cdc_error *error)
{
    if (is_empty(table, table->after_mask))
        return lite_statement_refuse(outcome, table->source.target, NULL, "\"after\" has no column");
    if (table->source.n_key == 0)
        return lite_statement_run(sink, table, LITE_INSERT, NULL, outcome, error);
    if (event->op != CDC_OP_CREATE) /* a snapshot's row that comes again is the same row */
        return lite_statement_run(sink, table, LITE_UPSERT, NULL, outcome, error);
    take_key(table, table->after, table->after_mask, table->new_key);
    return land(sink, table, outcome, error);
}

/* A rowid that the row of the line has not: none of ours is the least one, unless it is the key. */
static int64_t rowid_of_none(const struct lite_table *table)
{
    struct cdc_span key = table->source.n_key == 1 ? table->after[table->source.key[0]] : cdc_span(NULL, 0);
    int64_t number;

    if (cdc_json_type(key) == CDC_JSON_STRING)
        key = cdc_json_string_raw(key);
    return cdc_json_int64(key, &number) && number == INT64_MIN ? INT64_MAX : INT64_MIN;
}

/* Inserts or updates. *is_new: it was inserted. */
static int put_row(struct lite_sink *sink, struct lite_table *table, bool *is_new, struct lite_outcome *outcome,
                   struct cdc_error *error)
{
    /* Only an insert sets it, and none into a table without rowids, where the row is looked for first. */
    int64_t none = rowid_of_none(table);
    bool there = false;

    if (table->rowid == NULL) {
        take_key(table, table->after, table->after_mask, table->new_key);
        if (lite_statement_run(sink, table, LITE_FIND_KEY, table->new_key, outcome, error) != 0)
            return -1;
        there = outcome->rows > 0;
    }
    sqlite3_set_last_insert_rowid(sink->db.handle, none);
    if (lite_statement_run(sink, table, LITE_UPSERT, NULL, outcome, error) != 0)
        return -1;
    *is_new = table->rowid != NULL ? sqlite3_last_insert_rowid(sink->db.handle) != none : !there;
    return 0;
}

static int update_in_place(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                           struct lite_outcome *outcome, struct cdc_error *error)
{
    /* What is unchanged may be other than what is there: a line before this one was refused. */
    bool whole = fill_unchanged(table, event->unchanged), is_new;

    if (lite_waiting_update(sink, table, outcome, error) != 0)
        return -1;
    if (outcome->rows > 0)
        return 0;
    if (whole)
        return lite_statement_run(sink, table, LITE_UPSERT, NULL, outcome, error);
    if (put_row(sink, table, &is_new, outcome, error) != 0)
        return -1;
    return is_new ? lack_columns(sink, table, outcome) : 0;
}

/* A column of the key is never NULL at the source: such a line is at fault, and under a NULL SQLite would invent an id, or
 * keep a row that no later line finds. (JSON's null is a value like any other.) */
static bool has_null(const struct lite_table *table, const struct cdc_span *spans, const unsigned char *mask)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        struct cdc_span value = spans[table->source.key[i]];
        if (lite_mask_has(mask, table->source.key[i]) && value.p != lite_json_null.p && cdc_json_is_null(value))
            return true;
    }
    return false;
}

static int change(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                  struct lite_outcome *outcome, struct cdc_error *error)
{
    if (has_null(table, table->new_key, table->key_mask) || has_null(table, table->before, table->before_mask) ||
        (event->op != CDC_OP_DELETE && has_null(table, table->after, table->after_mask)))
        return lite_statement_refuse(outcome, table->source.target, NULL, "a column of the key is NULL");
    if (event->op == CDC_OP_CREATE || event->op == CDC_OP_READ)
        return add_row(sink, table, event, outcome, error);
    if (table->source.n_key == 0)
        return change_without_key(sink, table, event, outcome, error);
    if (event->op == CDC_OP_DELETE) {
        /* A delete has its key in "key"; a line without it may still have all columns in "before". */
        if (!take_key(table, table->new_key, table->key_mask, table->old_key) &&
            !take_key(table, table->before, table->before_mask, table->old_key))
            return lite_statement_refuse(outcome, table->source.target, NULL, "a delete without the key");
        return delete_by_key(sink, table, outcome, error);
    }
    if (take_key(table, table->before, table->before_mask, table->old_key) &&
        take_key(table, table->after, table->after_mask, table->new_key) && key_changed(table))
        return move(sink, table, event, outcome, error);
    return update_in_place(sink, table, event, outcome, error);
}

/* The columns that names lists have JSON's null, where the object has a null at all. */
static void mark_json_null(const struct lite_table *table, struct cdc_span names, struct cdc_span *spans,
                           const unsigned char *mask)
{
    struct cdc_json_iter iter;
    struct cdc_span name;

    if (names.p == NULL)
        return;
    cdc_json_iter_begin(&iter, names);
    while (cdc_json_next_element(&iter, &name)) {
        struct cdc_span raw = cdc_json_string_raw(name);
        size_t i = raw.p != NULL ? column_of(table, raw, 0) : table->source.n_columns;
        if (i < table->source.n_columns && lite_mask_has(mask, i) && cdc_json_is_null(spans[i]))
            spans[i] = lite_json_null;
    }
}

/* A key column may be among the unchanged ones (a long text): its value is in the key. */
static bool complete_key(struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        size_t column = table->source.key[i];
        if (lite_mask_has(table->after_mask, column))
            continue;
        if (!lite_mask_has(table->key_mask, column))
            return false;
        table->after[column] = table->new_key[column];
        put(table->after_mask, column);
    }
    return true;
}

static int read_row(struct lite_table *table, const struct cdc_event *event, struct lite_outcome *outcome)
{
    struct cdc_span unknown = {"", 0};
    char name[100];

    if (!read_object(table, event->after, table->after, table->after_mask, &unknown) ||
        !read_object(table, event->before, table->before, table->before_mask, &unknown) ||
        !read_object(table, event->key, table->new_key, table->key_mask, &unknown)) {
        snprintf(name, sizeof name, "%.*s", (int)(unknown.n < 90 ? unknown.n : 90), unknown.p);
        return lite_statement_refuse(outcome, table->source.target, name, "is not in the table's schema line");
    }
    if (table->source.n_key == 0 && cdc_json_type(event->before) == CDC_JSON_OBJECT)
        fill_optional(table);
    mark_json_null(table, event->json_null, table->after, table->after_mask);
    mark_json_null(table, event->json_null, table->new_key, table->key_mask);
    mark_json_null(table, event->op == CDC_OP_DELETE ? event->json_null : event->json_null_old, table->before,
                   table->before_mask);
    if (event->op == CDC_OP_DELETE)
        return 0;
    if (cdc_json_is_null(event->after))
        return lite_statement_refuse(outcome, table->source.target, NULL, "the line has no \"after\"");
    if (!complete_key(table))
        return lite_statement_refuse(outcome, table->source.target, NULL, "the line lacks a key column");
    return 0;
}

static int apply(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                 struct lite_outcome *outcome, struct cdc_error *error)
{
    lite_waiting_begin_line(sink, table, event);
    return read_row(table, event, outcome) == 0 ? change(sink, table, event, outcome, error) : -1;
}

static bool moves_whole(struct lite_table *table, const struct cdc_event *event)
{
    struct lite_outcome ignored = {0, false, ""};

    return event->op == CDC_OP_UPDATE && table->source.n_key > 0 && read_row(table, event, &ignored) == 0 &&
           !has_null(table, table->before, table->before_mask) && !has_null(table, table->after, table->after_mask) &&
           take_key(table, table->before, table->before_mask, table->old_key) &&
           take_key(table, table->after, table->after_mask, table->new_key) && key_changed(table) &&
           fill_unchanged(table, event->unchanged);
}

/* A line that is passed over gives its row another key: no row has the old one any more, and what is there would stay for good. Unless
 * it has columns that the line does not: for those it stays, to be taken along when the line is replayed. */
static int leave_old_key(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                         struct cdc_error *error)
{
    struct lite_outcome outcome = {0, false, ""};
    uint64_t waiting = table->waiting;

    if (!moves_whole(table, event))
        return 0;
    if (lite_database_exec(&sink->db, "SAVEPOINT line", error) != 0)
        return -1;
    int result = delete_by_key(sink, table, &outcome, error);
    if (result != 0 && !outcome.refused)
        return -1;
    if (result != 0)
        table->waiting = waiting;
    return lite_database_exec(&sink->db, result != 0 ? "ROLLBACK TO line; RELEASE line" : "RELEASE line", error);
}

/* The line is applied whole or not at all, also where a trigger says RAISE(FAIL), which keeps what its statement has
 * done so far. With --on-error=stop the loop rolls back further than that (discard), and no savepoint is needed. */
static int apply_whole(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                       struct lite_outcome *outcome, struct cdc_error *error)
{
    uint64_t waiting = table->waiting;

    if (strcmp(sink->context.settings->on_error, "stop") == 0)
        return apply(sink, table, event, outcome, error);
    if (lite_database_exec(&sink->db, "SAVEPOINT line", error) != 0)
        return -1;
    int result = apply(sink, table, event, outcome, error);
    if (result != 0 && !outcome->refused)
        return -1;
    if (result != 0)
        table->waiting = waiting;
    const char *end = result != 0 ? "ROLLBACK TO line; RELEASE line" : "RELEASE line";
    if (lite_database_exec(&sink->db, end, error) != 0 ||
        (result != 0 && leave_old_key(sink, table, event, error) != 0))
        return outcome->refused = false, -1;
    return result;
}

int lite_rows_apply(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                    struct cdc_error *error)
{
    struct lite_outcome outcome = {0, false, ""};

    /* Decoded values are never longer than the line, twice over where a key is bound twice: no move while they are
     * bound. */
    sink->scratch.len = 0;
    if (!cdc_buf_room(&sink->scratch, 2 * event->line.n + 16))
        return cdc_error_memory(error);
    if (apply_whole(sink, table, event, &outcome, error) == 0)
        return 0;
    if (outcome.refused)
        return cdc_sink_reject(&sink->context, event->line, outcome.reason, error);
    return -1;
}
