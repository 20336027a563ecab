/* SPDX-License-Identifier: MIT */
/* The first time over the lines: which tables there are, and an entry for each change of a row, by its key. */
#include <stdlib.h>

#include "connectors/log/compact/internal.h"
#include "connectors/log/compact/row.h"

/* -- entries ----------------------------------------------------------------------------- */

static int add(struct log_fold_state *fold, const struct log_group_key *group, const struct cdc_buf *key,
               uint64_t number, const struct log_entry *entry, struct cdc_error *error)
{
    struct cdc_buf *bytes = &fold->bytes;

    bytes->len = 0;
    cdc_buf_append(bytes, group, sizeof *group);
    if (key != NULL)
        cdc_buf_append_buf(bytes, key);
    if (bytes->failed)
        return cdc_error_memory(error);
    struct log_record record = {log_hash_bytes(0, bytes->data, bytes->len), number, cdc_span(bytes->data, bytes->len),
                                cdc_span((const char *)entry, sizeof *entry)};
    return log_sorter_add(fold->entries, &record, error);
}

/* The line is kept as it is, for as long as rows of its generation live. */
static int add_stays(struct log_fold_state *fold, uint32_t table, uint32_t generation, uint64_t number,
                     struct cdc_error *error)
{
    struct log_group_key group = {table, generation | LOG_STAYS};
    struct log_entry entry = {.change = LOG_CHANGE_STAYS};

    return add(fold, &group, NULL, number, &entry, error);
}

/* Of a row, with the names of its columns whose null is JSON's. */
static uint32_t hash_of(struct cdc_span object, struct cdc_span nulls)
{
    uint64_t hash = log_hash_bytes(0, object.p, object.n);
    return (uint32_t)(nulls.n > 0 ? log_hash_bytes(hash, nulls.p, nulls.n) : hash) | 1;
}

/* The names of the columns that are missing, in whatever order. */
static uint32_t hash_omitted(const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    uint32_t hash = 0;

    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &item);)
        hash += hash_of(item, cdc_span(NULL, 0));
    return hash | 1;
}

static bool is_plain(const struct cdc_event *event)
{
    return event->op == CDC_OP_READ && cdc_json_is_null(event->before) && event->unchanged.p == NULL &&
           event->json_null_old.p == NULL;
}

static struct log_entry entry_of(const struct cdc_event *event, uint64_t transaction, enum log_change change)
{
    struct log_entry entry = {.transaction = transaction, .change = (uint8_t)change};

    if (change == LOG_CHANGE_REMOVE)
        return entry;
    if (event->unchanged.p == NULL) {
        /* Without a `before` in its lines nothing will ask for it. */
        if (event->op != CDC_OP_UPDATE || !cdc_json_is_null(event->before))
            entry.row = hash_of(event->after, event->json_null);
    } else if (log_row_is_partial(event)) {
        entry.flags = LOG_CHANGE_PARTIAL;
        entry.omitted = hash_omitted(event);
    }
    if (is_plain(event))
        entry.flags |= LOG_CHANGE_PLAIN;
    return entry;
}

static void tell(struct log_entry *entry, const struct log_table *table, const struct log_key *key,
                 const struct cdc_event *event, bool whole)
{
    if (cdc_json_is_null(event->before) || (!whole && table->n_columns != key->n))
        return;
    entry->flags |= LOG_CHANGE_TELLS;
    entry->old = hash_of(event->before, event->op == CDC_OP_DELETE ? event->json_null : event->json_null_old);
}

static int add_update(struct log_fold_state *fold, const struct log_table *table, const struct log_group_key *group,
                      const struct cdc_event *event, uint64_t number, uint64_t transaction, struct cdc_error *error)
{
    struct log_entry entry = entry_of(event, transaction, LOG_CHANGE_UPDATE);
    bool whole = false,
         known = !cdc_json_is_null(event->before) && log_key_of_before(&fold->old, event->key, event->before, &whole);

    if (!known || (fold->old.bytes.len == fold->key.bytes.len &&
                   memcmp(fold->old.bytes.data, fold->key.bytes.data, fold->key.bytes.len) == 0)) {
        if (known)
            tell(&entry, table, &fold->key, event, whole);
        return add(fold, group, &fold->key.bytes, number, &entry, error);
    }
    struct log_entry left = entry_of(event, transaction, LOG_CHANGE_REMOVE);
    tell(&left, table, &fold->key, event, whole);
    left.flags |= LOG_CHANGE_MOVED;
    if (entry.flags & LOG_CHANGE_PARTIAL)
        left.flags |= LOG_CHANGE_GIVES;
    entry.change = LOG_CHANGE_ARRIVE;
    entry.flags |= LOG_CHANGE_MOVED;
    return add(fold, group, &fold->old.bytes, number, &left, error) == 0
               ? add(fold, group, &fold->key.bytes, number, &entry, error)
               : -1;
}

static int add_change(struct log_fold_state *fold, const struct log_table *table, const struct log_group_key *group,
                      const struct cdc_event *event, uint64_t number, uint64_t transaction, struct cdc_error *error)
{
    if (event->op == CDC_OP_UPDATE)
        return add_update(fold, table, group, event, number, transaction, error);
    struct log_entry entry = entry_of(event, transaction,
                                      event->op == CDC_OP_DELETE   ? LOG_CHANGE_REMOVE
                                      : event->op == CDC_OP_CREATE ? LOG_CHANGE_ARRIVE
                                                                   : LOG_CHANGE_READ);
    bool whole = false;
    if (event->op == CDC_OP_DELETE && !cdc_json_is_null(event->before) &&
        log_key_of_before(&fold->old, event->key, event->before, &whole))
        tell(&entry, table, &fold->key, event, whole);
    return add(fold, group, &fold->key.bytes, number, &entry, error);
}

/* -- lines of rows ---------------------------------------------------------------------------- */

static int refuse_unkeyed(const struct log_table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\" has rows without a key", table->table ? table->table : "");
    return cdc_error_hint(error, "give it a primary key, or keep all of its lines (--unkeyed=keep)");
}

/* Can the row be told from others by its key, as those before it in its generation? */
static bool is_keyed(struct log_fold_state *fold, const struct log_table *table, struct log_generation *generation,
                     const struct cdc_event *event)
{
    if (table->no_key_type || cdc_json_is_null(event->key) || !log_key_of(&fold->key, event) ||
        (event->op != CDC_OP_DELETE && cdc_json_is_null(event->after)))
        return false;
    if (!generation->keyed) {
        generation->keyed = true;
        generation->names = fold->key.names;
    }
    if (generation->key_type == 0)
        generation->key_type = table->key_type;
    return generation->names == fold->key.names && generation->key_type == table->key_type;
}

static int take_row(struct log_fold_state *fold, const struct cdc_event *event, uint64_t number,
                    struct cdc_error *error)
{
    struct log_table *table = log_tables_of(&fold->tables, event, error);

    if (table == NULL)
        return -1;
    struct log_source *source = fold->tables.sources[table->source];
    struct log_generation *generation = log_table_row(table, event->op);
    if (fold->settings->unkeyed_fails && cdc_json_is_null(event->key))
        return refuse_unkeyed(table, error);
    if (!generation->verbatim && (table->parted || !is_keyed(fold, table, generation, event)))
        generation->verbatim = true;
    if (generation->verbatim) {
        fold->counts->verbatim++;
        return add_stays(fold, table->index, generation->number, number, error);
    }
    struct log_group_key group = {table->index, generation->number};
    return add_change(fold, table, &group, event, number, source->first, error);
}

/* -- other lines -------------------------------------------------------------------------------- */

static int note_dropped(struct log_fold_state *fold, uint64_t number, struct cdc_error *error)
{
    if (fold->n_dropped + 2 > fold->dropped_capacity) {
        size_t capacity = 2 * fold->dropped_capacity + 16;
        uint64_t *larger = realloc(fold->dropped, capacity * sizeof *larger);
        if (larger == NULL)
            return cdc_error_memory(error);
        fold->dropped = larger;
        fold->dropped_capacity = capacity;
    }
    fold->dropped[fold->n_dropped++] = number;
    fold->dropped[fold->n_dropped++] = fold->tables.last_source;
    return 0;
}

static bool is_of(const struct log_table *table, size_t source, struct cdc_span db)
{
    return table->source == source && table->db != NULL && cdc_json_raw_is(db, cdc_span_text(table->db));
}

/* All tables of a database are gone, but for those that the line excepts. */
static int empty_database(struct log_fold_state *fold, const struct cdc_event *event, uint64_t number,
                          struct cdc_error *error)
{
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct cdc_event one;
    int result = log_tables_source(&fold->tables, event->name, error) != NULL ? 0 : -1;
    size_t source = fold->tables.last_source;

    for (size_t i = 0; result == 0 && i < fold->tables.n; i++) {
        struct log_table *table = fold->tables.items[i];
        if (!is_of(table, source, event->db) || table->table == NULL)
            continue;
        result = cdc_event_of_table(event, table->schema ? table->schema : "", table->table, &scratch, &one, error);
        if (result > 0)
            result = log_table_empty(table, event, number, true, error);
    }
    cdc_buf_free(&scratch);
    return result == 0 ? note_dropped(fold, number, error) : -1;
}

static int take_of_table(struct log_fold_state *fold, const struct cdc_event *event, uint64_t number,
                         struct cdc_error *error)
{
    if (cdc_event_is_of_database(event))
        return empty_database(fold, event, number, error);
    struct log_table *table = log_tables_of(&fold->tables, event, error);
    if (table == NULL)
        return -1;
    if (event->part.p != NULL && !cdc_json_is_null(event->part)) {
        /* Rows are this part's or not by what is in a column: from here on the lines are kept. */
        table->parted = true;
        return add_stays(fold, table->index, table->main.number, number, error);
    }
    if (event->op == CDC_OP_TRUNCATE)
        return log_table_empty(table, event, number, false, error);
    return log_table_define(table, event, number, error);
}

static int take_boundary(struct log_fold_state *fold, const struct cdc_event *event, uint64_t number,
                         struct cdc_error *error)
{
    struct log_source *source = log_tables_source(&fold->tables, event->name, error);

    if (source == NULL)
        return -1;
    *(event->op == CDC_OP_COMMIT ? &source->commit : &source->beat) = number;
    source->first = 0;
    return 0;
}

/* A transaction ends at a boundary; where a stage before has dropped these, all of its lines have one seq. */
static int take_source(struct log_fold_state *fold, const struct cdc_event *event, uint64_t number,
                       struct cdc_error *error)
{
    struct log_source *source = log_tables_source(&fold->tables, event->name, error);

    if (source == NULL)
        return -1;
    if (source->first == 0 || source->seq != event->seq)
        source->first = number;
    source->seq = event->seq;
    if (source->gone_pos.len > 0 && event->pos.p != NULL &&
        cdc_span_compare(event->pos, cdc_span(source->gone_pos.data, source->gone_pos.len)) <= 0)
        source->gone = number;
    return 0;
}

static bool stays(const struct log_fold_state *fold, const struct cdc_event *event)
{
    switch (event->op) {
    case CDC_OP_MESSAGE: return fold->settings->keep_messages;
    case CDC_OP_DDL: return fold->settings->keep_ddl;
    default: return !cdc_span_is(event->op_text, "purged"); /* nobody here knows what it is for */
    }
}

static int take(struct log_fold_state *fold, const struct cdc_event *event, uint64_t number, struct cdc_error *error)
{
    if (event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT)
        return take_boundary(fold, event, number, error);
    if (!cdc_event_has_row(event) && event->op != CDC_OP_TRUNCATE && event->op != CDC_OP_SCHEMA) {
        if (!stays(fold, event))
            return 0;
        return log_tables_source(&fold->tables, event->name, error) != NULL
                   ? add_stays(fold, LOG_NO_TABLE, 0, number, error)
                   : -1;
    }
    if (take_source(fold, event, number, error) != 0)
        return -1;
    return cdc_event_has_row(event) ? take_row(fold, event, number, error) : take_of_table(fold, event, number, error);
}

static int set_gone(struct log_fold_state *fold, struct cdc_error *error)
{
    for (size_t i = 0; i < fold->settings->n_gone; i++) {
        const struct log_gone *gone = &fold->settings->gone[i];
        struct cdc_buf name = CDC_BUF_INIT;
        cdc_json_append_string(&name, gone->name, strlen(gone->name));
        struct log_source *source =
            name.failed ? NULL : log_tables_source(&fold->tables, cdc_span(name.data + 1, name.len - 2), error);
        if (source != NULL)
            cdc_buf_text(&source->gone_pos, gone->pos);
        cdc_buf_free(&name);
        if (source == NULL)
            return cdc_error_memory(error);
    }
    return 0;
}

int log_fold_take(struct log_fold_state *fold, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_span line;
    int result = set_gone(fold, error);

    if (result == 0)
        result = fold->input->rewind(fold->input->context, error);
    while (result == 0 && (result = log_fold_line(fold, &line, error)) > 0) {
        fold->counts->lines++;
        result = cdc_event_parser_next(fold->parser, &event, line.p, line.n, error) == 0
                     ? take(fold, &event, fold->counts->lines, error)
                     : cdc_error_prefix(error, "line %llu", (unsigned long long)fold->counts->lines);
    }
    return result;
}
