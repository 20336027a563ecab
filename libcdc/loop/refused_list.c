/* SPDX-License-Identifier: MIT */
/* The refused lines that are known, the oldest first, and the newest schema line of each table of theirs. */
#include "libcdc/loop/refused_internal.h"

#include <stdlib.h>

#include <cdc/hash.h>

#define ENTRIES_MAX 10000u /* the newest ones are known */
#define FILTER_MASK ((1u << REFUSED_FILTER_BITS) - 1)

static void set_bit(struct refused *refused, uint64_t key)
{
    uint32_t bit = cdc_hash_fold(key) & FILTER_MASK;
    refused->filter[bit / 64] |= UINT64_C(1) << bit % 64;
}

bool refused_may_wait(const struct refused *refused, uint64_t key)
{
    uint32_t bit = cdc_hash_fold(key) & FILTER_MASK;
    return (refused->filter[bit / 64] >> bit % 64 & 1) != 0;
}

bool refused_is_open(enum refused_state state)
{
    return state == REFUSED_WAITING || state == REFUSED_CHANGED || state == REFUSED_LACKING || state == REFUSED_AWAY;
}

static uint64_t id_of(struct cdc_span name, struct cdc_span pos)
{
    return cdc_hash_span(cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, name), 0xff), pos);
}

struct refused_entry *refused_find_entry(struct refused *refused, struct cdc_span name, struct cdc_span pos)
{
    uint64_t id = id_of(name, pos);

    for (size_t i = refused->n; i > 0; i--) {
        struct refused_entry *entry = &refused->entries[i - 1];
        if (entry->id == id && cdc_span_is(pos, entry->pos) && cdc_span_is(name, entry->name))
            return entry;
    }
    return NULL;
}

void refused_free_entry(struct refused_entry *entry)
{
    free(entry->pos);
    free(entry->name);
    free(entry->lacks);
    free(entry->part);
}

bool refused_is_full(const struct refused *refused)
{
    return refused->n >= ENTRIES_MAX + REFUSED_FORGET;
}

void refused_drop_oldest(struct refused *refused)
{
    for (size_t i = 0; i < REFUSED_FORGET; i++) {
        refused->n_open -= refused_is_open(refused->entries[i].state);
        refused_free_entry(&refused->entries[i]);
    }
    refused->n -= REFUSED_FORGET;
    memmove(refused->entries, refused->entries + REFUSED_FORGET, refused->n * sizeof *refused->entries);
}

struct refused_entry *refused_add_entry(struct refused *refused, struct refused_entry entry, struct cdc_error *error)
{
    struct refused_entry *entries = NULL;

    if (entry.pos != NULL && entry.name != NULL)
        entries = realloc(refused->entries, (refused->n + 1) * sizeof *entries);
    if (entries == NULL) {
        refused_free_entry(&entry);
        cdc_error_memory(error);
        return NULL;
    }
    refused->entries = entries;
    entry.id = id_of(cdc_span_text(entry.name), cdc_span_text(entry.pos));
    entries[refused->n] = entry;
    set_bit(refused, entry.keys[0]);
    set_bit(refused, entry.keys[1]);
    refused->n_open += refused_is_open(entry.state);
    return &entries[refused->n++];
}

struct refused_table *refused_find_table(struct refused *refused, uint64_t table)
{
    for (size_t i = 0; i < refused->n_tables; i++)
        if (refused->tables[i].table == table)
            return &refused->tables[i];
    return NULL;
}

/* Of a read that ends with it, the line says that as well: a row that is taken in by itself ends none. */
static void append_without_read(struct cdc_buf *out, struct cdc_span line)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool first = true;

    for (cdc_json_iter_begin(&iter, line); cdc_json_next_member(&iter, &name, &value);) {
        if (cdc_json_raw_is(name, cdc_span("read", 4)))
            continue;
        cdc_buf_text(out, first ? "{\"" : ",\"");
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\":");
        cdc_buf_span(out, value);
        first = false;
    }
    cdc_buf_byte(out, '}');
}

int refused_describe(struct refused *refused, uint64_t table, const struct cdc_event *event, bool written,
                     struct cdc_error *error)
{
    struct refused_table *known = refused_find_table(refused, table);

    if (known != NULL && known->columns == refused_hash_columns(event))
        return 0;
    if (known == NULL) {
        struct refused_table *tables = realloc(refused->tables, (refused->n_tables + 1) * sizeof *tables);
        if (tables == NULL)
            return cdc_error_memory(error);
        refused->tables = tables;
        known = &tables[refused->n_tables++];
        *known = (struct refused_table){.table = table, .line = CDC_BUF_INIT};
    }
    known->columns = refused_hash_columns(event);
    known->written = written;
    known->line.len = 0;
    append_without_read(&known->line, event->line);
    return known->line.failed ? cdc_error_memory(error) : 0;
}
