/* SPDX-License-Identifier: MIT */
/* Which table an id of the log stands for. */
#include "connectors/mysql/decoder/internal.h"

#include <cdc/json.h>
#include <cdc/pattern.h>
#include <stdlib.h>
#include <string.h>

size_t decoder_slot_of(const struct binlog_decoder *decoder, uint64_t id)
{
    size_t slot = (size_t)(id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (decoder->n_slots - 1);
    while (decoder->tables[slot] && decoder->tables[slot]->id != id)
        slot = (slot + 1) & (decoder->n_slots - 1);
    return slot;
}

int decoder_rehash(struct binlog_decoder *decoder, size_t n_new, struct cdc_error *error)
{
    struct binlog_table **old = decoder->tables;
    size_t n_old = decoder->n_slots;
    struct binlog_table **tables = calloc(n_new, sizeof *tables);
    if (!tables)
        return cdc_error_memory(error);
    decoder->tables = tables;
    decoder->n_slots = n_new;
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            tables[decoder_slot_of(decoder, old[i]->id)] = old[i];
    free(old);
    return 0;
}

void decoder_forget_tables(struct binlog_decoder *decoder)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        binlog_table_free(decoder->tables[i]);
        decoder->tables[i] = NULL;
    }
    decoder->n_tables = 0;
    decoder->last = NULL;
}

/* The entry of that name, under whatever id; NULL. */
static struct binlog_table **named(struct binlog_decoder *decoder, const struct binlog_table *table)
{
    for (size_t i = 0; i < decoder->n_slots; i++)
        if (decoder->tables[i] && strcmp(decoder->tables[i]->name, table->name) == 0 &&
            strcmp(decoder->tables[i]->db, table->db) == 0)
            return &decoder->tables[i];
    return NULL;
}

/* A new id for a name (every DDL gives one) replaces the old entry: there are as many entries as tables. */
static int keep_table(struct binlog_decoder *decoder, struct binlog_table *table, struct cdc_error *error)
{
    struct binlog_table **old = named(decoder, table);
    decoder->last = NULL;
    if (old) {
        table->schema_number = (*old)->schema_number;
        table->schema_ordinal = (*old)->schema_ordinal;
        table->schema_written = (*old)->schema_written && table->selected && binlog_table_same_schema(*old, table);
        binlog_table_free(*old);
        *old = NULL;
        decoder->n_tables--;
        if (decoder_rehash(decoder, decoder->n_slots, error) < 0) /* no holes in the chains */
            return -1;
    }
    if (decoder->n_tables * 2 >= decoder->n_slots && decoder_rehash(decoder, decoder->n_slots * 2, error) < 0)
        return -1;
    struct binlog_table **slot = &decoder->tables[decoder_slot_of(decoder, table->id)];
    if (*slot) { /* the id was another table's: the server was started again */
        binlog_table_free(*slot);
        decoder->n_tables--;
    }
    *slot = table;
    decoder->n_tables++;
    return 0;
}

void decoder_altered(struct binlog_decoder *decoder, struct cdc_span sql)
{
    for (size_t i = 0; i < decoder->n_slots; i++)
        if (decoder->tables[i] && binlog_statement_names(sql, cdc_span_text(decoder->tables[i]->name)))
            decoder->tables[i]->body.len = 0;
    if (decoder->settings.altered)
        decoder->settings.altered(decoder->settings.context, sql);
}

static int complete_table(struct binlog_decoder *decoder, struct binlog_table *table, struct cdc_error *error)
{
    const struct binlog_decoder_settings *settings = &decoder->settings;
    table->selected = cdc_table_selected(settings->include, settings->n_include, settings->exclude, settings->n_exclude,
                                         cdc_span_text(table->db), cdc_span_text(table->name));
    if (!table->selected)
        return 0;
    if (settings->describe && settings->describe(settings->context, table, &decoder->place, error) < 0)
        return -1;
    return binlog_table_prepare(table, decoder->flavor, settings->pipeline, error);
}

int decoder_table_map(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_error *error)
{
    if (binlog_left(&body) < 6)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a TABLE_MAP event is too short");
    struct binlog_reader reader = body;
    struct binlog_table *known = decoder->tables[decoder_slot_of(decoder, binlog_uint(&reader, 6))];
    if (known && known->body.len == binlog_left(&body) && memcmp(known->body.data, body.p, known->body.len) == 0)
        return 0;
    struct binlog_table *table = binlog_table_new(body, decoder->flavor, error);
    if (table && complete_table(decoder, table, error) == 0 && keep_table(decoder, table, error) == 0)
        return 0;
    binlog_table_free(table);
    return -1;
}

int decoder_room_for_cells(struct binlog_decoder *decoder, size_t n, struct cdc_error *error)
{
    if (n <= decoder->n_cells)
        return 0;
    struct binlog_cell *before = calloc(n, sizeof *before), *after = calloc(n, sizeof *after);
    if (!before || !after) {
        free(before);
        free(after);
        return cdc_error_memory(error);
    }
    free(decoder->before);
    free(decoder->after);
    decoder->before = before;
    decoder->after = after;
    decoder->n_cells = n;
    return 0;
}
