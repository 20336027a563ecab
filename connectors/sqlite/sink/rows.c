/* SPDX-License-Identifier: MIT */
/* One row: upsert, update, delete. Statements are made for the set of columns that a line carries, and kept: most
 * lines of a table carry the same ones, and preparing a statement costs more than running it. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

enum lite_what {
    UPSERT,         /* columns of the mask, by key; a plain INSERT without one */
    UPDATE_OLD_KEY, /* columns of the mask; then the old key */
    DELETE_KEY,     /* the key */
    FIND_KEY,       /* the key */
    UPDATE_ROW,     /* columns of the mask of after, then those of before: one row that has these values */
    DELETE_ROW      /* columns of the mask of before */
};

/* -- reading a row's object --------------------------------------------------- */

static bool has(const unsigned char *mask, size_t i)
{
    return mask[i / 8] >> i % 8 & 1;
}

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

/* The key columns of an object into key, in key order. */
static bool take_key(const struct lite_table *table, const struct cdc_span *spans, const unsigned char *mask,
                     struct cdc_span *key)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        if (!has(mask, table->source.key[i]))
            return false;
        key[i] = spans[table->source.key[i]];
    }
    return table->source.n_key > 0;
}

/* -- statements ------------------------------------------------------------------ */

static void append_key_match(struct cdc_buf *sql, const struct lite_table *table, size_t *parameter)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        if (i > 0)
            cdc_buf_lit(sql, " AND ");
        lite_database_quote(sql, table->source.columns[table->source.key[i]].name);
        cdc_buf_printf(sql, "=?%zu", ++*parameter);
    }
}

/* One row that has these values, not all of them: without a key there may be several that are equal, and the source
 * changed one. IS and not =, which is never true for NULL. */
static void append_row_match(struct cdc_buf *sql, const struct lite_table *table, const unsigned char *mask,
                             size_t *parameter)
{
    bool first = true;

    cdc_buf_printf(sql, "%s=(SELECT %s FROM ", table->rowid, table->rowid);
    lite_database_quote(sql, table->source.target);
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (!has(mask, i))
            continue;
        cdc_buf_text(sql, first ? " WHERE " : " AND ");
        first = false;
        lite_database_quote(sql, table->source.columns[i].name);
        cdc_buf_printf(sql, " IS ?%zu", ++*parameter);
    }
    cdc_buf_lit(sql, " LIMIT 1)");
}

static void append_set(struct cdc_buf *sql, const struct lite_table *table, const unsigned char *mask,
                       size_t *parameter)
{
    bool first = true;

    cdc_buf_lit(sql, "UPDATE ");
    lite_database_quote(sql, table->source.target);
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (!has(mask, i))
            continue;
        cdc_buf_text(sql, first ? " SET " : ", ");
        first = false;
        lite_database_quote(sql, table->source.columns[i].name);
        cdc_buf_printf(sql, "=?%zu", ++*parameter);
    }
    cdc_buf_lit(sql, " WHERE ");
}

/* Only columns that the line carries are set: those that the log left out keep what they have. A row that comes again
 * is the same row, not a conflict. */
static void append_conflict(struct cdc_buf *sql, const struct lite_table *table, const unsigned char *mask)
{
    bool first = true;

    for (size_t i = 0; i < table->source.n_key; i++) {
        cdc_buf_text(sql, i == 0 ? " ON CONFLICT(" : ", ");
        lite_database_quote(sql, table->source.columns[table->source.key[i]].name);
    }
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (!has(mask, i) || table->source.columns[i].key)
            continue;
        cdc_buf_text(sql, first ? ") DO UPDATE SET " : ", ");
        first = false;
        lite_database_quote(sql, table->source.columns[i].name);
        cdc_buf_lit(sql, "=excluded.");
        lite_database_quote(sql, table->source.columns[i].name);
    }
    if (first)
        cdc_buf_lit(sql, ") DO NOTHING");
}

static void append_upsert(struct cdc_buf *sql, const struct lite_table *table, const unsigned char *mask)
{
    size_t parameter = 0;

    cdc_buf_lit(sql, "INSERT INTO ");
    lite_database_quote(sql, table->source.target);
    for (size_t i = 0; i < table->source.n_columns; i++) {
        if (!has(mask, i))
            continue;
        cdc_buf_text(sql, parameter++ == 0 ? " (" : ", ");
        lite_database_quote(sql, table->source.columns[i].name);
    }
    if (parameter == 0)
        cdc_buf_lit(sql, " DEFAULT VALUES");
    for (size_t i = 1; i <= parameter; i++)
        cdc_buf_printf(sql, i == 1 ? ") VALUES (?%zu" : ", ?%zu", i);
    if (parameter > 0)
        cdc_buf_byte(sql, ')');
    if (table->source.n_key > 0)
        append_conflict(sql, table, mask);
}

static void append_delete(struct cdc_buf *sql, const struct lite_table *table)
{
    cdc_buf_lit(sql, "DELETE FROM ");
    lite_database_quote(sql, table->source.target);
    cdc_buf_lit(sql, " WHERE ");
}

static void append_statement(struct cdc_buf *sql, const struct lite_table *table, enum lite_what what)
{
    size_t parameter = 0;

    switch (what) {
    case UPSERT: append_upsert(sql, table, table->after_mask); break;
    case UPDATE_OLD_KEY:
        append_set(sql, table, table->after_mask, &parameter);
        append_key_match(sql, table, &parameter);
        break;
    case DELETE_KEY:
        append_delete(sql, table);
        append_key_match(sql, table, &parameter);
        break;
    case FIND_KEY:
        cdc_buf_lit(sql, "SELECT 1 FROM ");
        lite_database_quote(sql, table->source.target);
        cdc_buf_lit(sql, " WHERE ");
        append_key_match(sql, table, &parameter);
        break;
    case UPDATE_ROW:
        append_set(sql, table, table->after_mask, &parameter);
        append_row_match(sql, table, table->before_mask, &parameter);
        break;
    case DELETE_ROW:
        append_delete(sql, table);
        append_row_match(sql, table, table->before_mask, &parameter);
        break;
    }
}

/* Both masks tell statements apart (they lie side by side); where one plays no part it is zeroed for the comparison. */
static void shape_mask(const struct lite_table *table, enum lite_what what, unsigned char *mask)
{
    memset(mask, 0, 2 * table->mask_n);
    if (what == UPSERT || what == UPDATE_OLD_KEY || what == UPDATE_ROW)
        memcpy(mask, table->after_mask, table->mask_n);
    if (what == UPDATE_ROW || what == DELETE_ROW)
        memcpy(mask + table->mask_n, table->before_mask, table->mask_n);
}

static bool is_shape(const struct lite_table *table, const struct lite_shape *shape, enum lite_what what)
{
    if (shape->statement == NULL || shape->what != (int)what)
        return false;
    bool after = what == UPSERT || what == UPDATE_OLD_KEY || what == UPDATE_ROW;
    bool before = what == UPDATE_ROW || what == DELETE_ROW;
    return (!after || memcmp(shape->mask, table->after_mask, table->mask_n) == 0) &&
           (!before || memcmp(shape->mask + table->mask_n, table->before_mask, table->mask_n) == 0);
}

static sqlite3_stmt *statement_for(struct lite_sink *sink, struct lite_table *table, enum lite_what what,
                                   struct cdc_error *error)
{
    for (size_t i = 0; i < LITE_SHAPES; i++)
        if (is_shape(table, &table->shapes[i], what))
            return table->shapes[i].statement;
    /* In turn: which one is used least is not worth counting. */
    struct lite_shape *shape = &table->shapes[table->next_shape++ % LITE_SHAPES];
    sqlite3_finalize(shape->statement);
    shape->statement = NULL;
    if (shape->mask == NULL && (shape->mask = malloc(2 * table->mask_n)) == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    shape_mask(table, what, shape->mask);
    shape->what = (int)what;
    sink->db.sql.len = 0;
    append_statement(&sink->db.sql, table, what);
    return shape->statement = lite_database_prepare_made(&sink->db, true, error);
}

/* -- running them ------------------------------------------------------------------ */

/* What one line came to. */
struct outcome {
    int64_t rows; /* changed, or found */
    bool refused; /* the value is at fault: reason says why */
    char reason[300];
};

static int refuse(struct outcome *outcome, const char *table, const char *column, const char *why)
{
    outcome->refused = true;
    snprintf(outcome->reason, sizeof outcome->reason, "table \"%.80s\"%s%.80s%s %s", table,
             column != NULL ? ": column \"" : ":", column != NULL ? column : "", column != NULL ? "\"" : "", why);
    return -1;
}

static int bind_one(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement, int *index,
                    size_t column, struct cdc_span value, struct outcome *outcome, struct cdc_error *error)
{
    const char *reason = NULL;
    int code = lite_value_bind(&sink->scratch, statement, ++*index, table->kinds[column], value, &reason);

    if (reason != NULL)
        return refuse(outcome, table->source.target, table->source.columns[column].name, reason);
    if (lite_database_is_value_error(code))
        return refuse(outcome, table->source.target, table->source.columns[column].name, sqlite3_errstr(code));
    return code == SQLITE_OK ? 0 : lite_database_error(&sink->db, code, "cannot bind a value", error);
}

static int bind_masked(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement, int *index,
                       const struct cdc_span *spans, const unsigned char *mask, struct outcome *outcome,
                       struct cdc_error *error)
{
    for (size_t i = 0; i < table->source.n_columns; i++)
        if (has(mask, i) && bind_one(sink, table, statement, index, i, spans[i], outcome, error) != 0)
            return -1;
    return 0;
}

static int bind_key(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement, int *index,
                    const struct cdc_span *key, struct outcome *outcome, struct cdc_error *error)
{
    for (size_t i = 0; i < table->source.n_key; i++)
        if (bind_one(sink, table, statement, index, table->source.key[i], key[i], outcome, error) != 0)
            return -1;
    return 0;
}

static int bind_all(struct lite_sink *sink, const struct lite_table *table, sqlite3_stmt *statement,
                    enum lite_what what, const struct cdc_span *key, struct outcome *outcome, struct cdc_error *error)
{
    int index = 0;

    if ((what == UPSERT || what == UPDATE_OLD_KEY || what == UPDATE_ROW) &&
        bind_masked(sink, table, statement, &index, table->after, table->after_mask, outcome, error) != 0)
        return -1;
    if ((what == UPDATE_ROW || what == DELETE_ROW) &&
        bind_masked(sink, table, statement, &index, table->before, table->before_mask, outcome, error) != 0)
        return -1;
    if (what == UPSERT || what == UPDATE_ROW || what == DELETE_ROW)
        return 0;
    return bind_key(sink, table, statement, &index, key, outcome, error);
}

static int run(struct lite_sink *sink, struct lite_table *table, enum lite_what what, const struct cdc_span *key,
               struct outcome *outcome, struct cdc_error *error)
{
    sqlite3_stmt *statement = statement_for(sink, table, what, error);

    if (statement == NULL)
        return -1;
    sink->scratch.len = 0;
    if (bind_all(sink, table, statement, what, key, outcome, error) != 0)
        return -1;
    int code = sqlite3_step(statement);
    outcome->rows = code == SQLITE_ROW                        ? 1
                    : code == SQLITE_DONE && what != FIND_KEY ? sqlite3_changes64(sink->db.handle)
                                                              : 0;
    /* SQLite undoes the statement (ABORT), and the transaction goes on; but a trigger with RAISE(ROLLBACK) ends it, and with
     * it goes what complete transactions before this line had written. An offset stored after that would lose them. */
    if (lite_database_is_value_error(code)) {
        sqlite3_reset(statement);
        if (sqlite3_get_autocommit(sink->db.handle))
            return lite_database_lost_transaction(&sink->db, table->source.target, error);
        return refuse(outcome, table->source.target, NULL, sqlite3_errmsg(sink->db.handle));
    }
    int result = code == SQLITE_DONE || code == SQLITE_ROW
                     ? 0
                     : lite_database_error(&sink->db, code, table->source.target, error);
    sqlite3_reset(statement);
    return result;
}

/* -- the kinds of change ------------------------------------------------------------- */

/* The same text, whatever the escapes: a stage before us may have printed one of two equal keys anew. */
static bool same_value(struct lite_sink *sink, struct cdc_span a, struct cdc_span b)
{
    if (cdc_span_equal(a, b))
        return true;
    if (cdc_json_type(a) != CDC_JSON_STRING || cdc_json_type(b) != CDC_JSON_STRING)
        return false;
    sink->scratch.len = 0;
    cdc_json_unescape(&sink->scratch, cdc_json_string_raw(a));
    return cdc_json_raw_is(cdc_json_string_raw(b), cdc_span(sink->scratch.data, sink->scratch.len));
}

static bool key_changed(struct lite_sink *sink, const struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_key; i++)
        if (!same_value(sink, table->old_key[i], table->new_key[i]))
            return true;
    return false;
}

/* The row moves to another key. Columns that the log did not carry are taken from a row at the new key: there is one
 * only when a snapshot read the table after this change, and then the old key may be another row's by now. Else they
 * come along with the row at the old key. */
static int move(struct lite_sink *sink, struct lite_table *table, bool partial, struct outcome *outcome,
                struct cdc_error *error)
{
    if (partial) {
        if (run(sink, table, FIND_KEY, table->new_key, outcome, error) != 0)
            return -1;
        bool at_new = outcome->rows > 0;
        if (!at_new && run(sink, table, FIND_KEY, table->old_key, outcome, error) != 0)
            return -1;
        if (!at_new && outcome->rows > 0)
            return run(sink, table, UPDATE_OLD_KEY, table->old_key, outcome, error);
    }
    if (run(sink, table, DELETE_KEY, table->old_key, outcome, error) != 0)
        return -1;
    return run(sink, table, UPSERT, NULL, outcome, error);
}

static void warn_unmatched(struct lite_sink *sink, struct lite_table *table, const struct outcome *outcome)
{
    if (outcome->rows > 0 || table->unmatched)
        return;
    table->unmatched = true;
    cdc_log_write(sink->db.log, CDC_LOG_WARNING,
                  "table \"%s\" has no key, and a row to change or delete was not found in it (said once)",
                  table->source.target);
}

static int change_without_key(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                              struct outcome *outcome, struct cdc_error *error)
{
    if (cdc_json_is_null(event->before))
        return refuse(
            outcome, table->source.target, NULL,
            "the table has no key, and the line has no \"before\": give it a primary key or REPLICA IDENTITY FULL");
    if (run(sink, table, event->op == CDC_OP_DELETE ? DELETE_ROW : UPDATE_ROW, NULL, outcome, error) != 0)
        return -1;
    warn_unmatched(sink, table, outcome);
    return 0;
}

static int change(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                  struct outcome *outcome, struct cdc_error *error)
{
    bool partial = event->unchanged.p != NULL;

    if (table->source.n_key == 0 && (event->op == CDC_OP_UPDATE || event->op == CDC_OP_DELETE))
        return change_without_key(sink, table, event, outcome, error);
    if (event->op == CDC_OP_DELETE) {
        /* A delete has its key in "key"; a line without it may still have all columns in "before". */
        if (!take_key(table, table->new_key, table->key_mask, table->old_key) &&
            !take_key(table, table->before, table->before_mask, table->old_key))
            return refuse(outcome, table->source.target, NULL, "a delete without the key");
        return run(sink, table, DELETE_KEY, table->old_key, outcome, error);
    }
    if (table->source.n_key > 0 && event->op == CDC_OP_UPDATE &&
        take_key(table, table->before, table->before_mask, table->old_key) &&
        take_key(table, table->after, table->after_mask, table->new_key) && key_changed(sink, table))
        return move(sink, table, partial, outcome, error);
    return run(sink, table, UPSERT, NULL, outcome, error);
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
        if (i < table->source.n_columns && has(mask, i) && cdc_json_is_null(spans[i]))
            spans[i] = lite_json_null;
    }
}

/* A key column may be among the unchanged ones (a long text): its value is in the key. */
static bool complete_key(struct lite_table *table)
{
    for (size_t i = 0; i < table->source.n_key; i++) {
        size_t column = table->source.key[i];
        if (has(table->after_mask, column))
            continue;
        if (!has(table->key_mask, column))
            return false;
        table->after[column] = table->new_key[column];
        put(table->after_mask, column);
    }
    return true;
}

static int read_row(struct lite_table *table, const struct cdc_event *event, struct outcome *outcome)
{
    struct cdc_span unknown = {"", 0};
    char name[100];

    if (!read_object(table, event->after, table->after, table->after_mask, &unknown) ||
        !read_object(table, event->before, table->before, table->before_mask, &unknown) ||
        !read_object(table, event->key, table->new_key, table->key_mask, &unknown)) {
        snprintf(name, sizeof name, "%.*s", (int)(unknown.n < 90 ? unknown.n : 90), unknown.p);
        return refuse(outcome, table->source.target, name, "is not in the table's schema line");
    }
    mark_json_null(table, event->json_null, table->after, table->after_mask);
    mark_json_null(table, event->json_null, table->new_key, table->key_mask);
    mark_json_null(table, event->op == CDC_OP_DELETE ? event->json_null : event->json_null_old, table->before,
                   table->before_mask);
    if (event->op == CDC_OP_DELETE)
        return 0;
    if (cdc_json_is_null(event->after))
        return refuse(outcome, table->source.target, NULL, "the line has no \"after\"");
    if (!complete_key(table))
        return refuse(outcome, table->source.target, NULL, "the line lacks a key column");
    return 0;
}

int lite_rows_apply(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                    struct cdc_error *error)
{
    struct outcome outcome = {0, false, ""};

    /* Decoded values are never longer than the line, twice over where a key is bound twice: no move while they are
     * bound. */
    sink->scratch.len = 0;
    if (!cdc_buf_room(&sink->scratch, 2 * event->line.n + 16))
        return cdc_error_memory(error);
    if (read_row(table, event, &outcome) == 0 && change(sink, table, event, &outcome, error) == 0)
        return 0;
    if (outcome.refused)
        return cdc_sink_reject(&sink->context, event->line, outcome.reason, error);
    return -1;
}
