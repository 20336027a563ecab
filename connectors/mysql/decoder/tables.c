/* SPDX-License-Identifier: MIT */
/* Which table an id of the log stands for. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/statement.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

size_t my_decoder_slot_of(const struct my_decoder *decoder, uint64_t id)
{
    size_t slot = (size_t)(id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (decoder->n_slots - 1);
    while (decoder->tables[slot] && decoder->tables[slot]->id != id)
        slot = (slot + 1) & (decoder->n_slots - 1);
    return slot;
}

int my_decoder_rehash(struct my_decoder *decoder, size_t n_new, struct cdc_error *error)
{
    struct my_table **old = decoder->tables;
    size_t n_old = decoder->n_slots;
    struct my_table **tables = calloc(n_new, sizeof *tables);
    if (!tables)
        return cdc_error_memory(error);
    decoder->tables = tables;
    decoder->n_slots = n_new;
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            tables[my_decoder_slot_of(decoder, old[i]->id)] = old[i];
    free(old);
    return 0;
}

void my_decoder_forget_tables(struct my_decoder *decoder)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        my_table_free(decoder->tables[i]);
        decoder->tables[i] = NULL;
    }
    decoder->n_tables = 0;
    decoder->last = NULL;
}

/* The entry of that name, under whatever id; NULL. */
static struct my_table **named(struct my_decoder *decoder, const struct my_table *table)
{
    for (size_t i = 0; i < decoder->n_slots; i++)
        if (decoder->tables[i] && strcmp(decoder->tables[i]->name, table->name) == 0 &&
            strcmp(decoder->tables[i]->db, table->db) == 0)
            return &decoder->tables[i];
    return NULL;
}

/* A new id for a name (every DDL gives one) replaces the old entry: there are as many entries as tables. */
static int keep_table(struct my_decoder *decoder, struct my_table *table, struct cdc_error *error)
{
    struct my_table **old = named(decoder, table);
    decoder->last = NULL;
    if (old) {
        table->schema_number = (*old)->schema_number;
        table->schema_ordinal = (*old)->schema_ordinal;
        table->schema_written = (*old)->schema_written && table->selected && my_table_same_schema(*old, table);
        my_table_free(*old);
        *old = NULL;
        decoder->n_tables--;
        if (my_decoder_rehash(decoder, decoder->n_slots, error) < 0) /* no holes in the chains */
            return -1;
    }
    if (decoder->n_tables * 2 >= decoder->n_slots && my_decoder_rehash(decoder, decoder->n_slots * 2, error) < 0)
        return -1;
    struct my_table **slot = &decoder->tables[my_decoder_slot_of(decoder, table->id)];
    if (*slot) { /* the id was another table's: the server was started again */
        my_table_free(*slot);
        decoder->n_tables--;
    }
    *slot = table;
    decoder->n_tables++;
    return 0;
}

void my_decoder_altered(struct my_decoder *decoder, struct cdc_span sql)
{
    for (size_t i = 0; i < decoder->n_slots; i++)
        if (decoder->tables[i] && my_statement_names(sql, cdc_span_text(decoder->tables[i]->name)))
            decoder->tables[i]->body.len = 0;
    if (decoder->settings.altered)
        decoder->settings.altered(decoder->settings.context, sql);
}

static int complete_table(struct my_decoder *decoder, struct my_table *table, struct cdc_error *error)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    table->selected = cdc_selection_has_table(&settings->selection, table->db, table->name);
    if (!table->selected)
        return 0;
    if (settings->describe && settings->describe(settings->context, table, &decoder->coord, error) < 0)
        return -1;
    return my_table_prepare(table, decoder->flavor, settings->pipeline, error);
}

int my_decoder_table_map(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_error *error)
{
    if (cdc_bytes_left(&body) < 6)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a TABLE_MAP event is too short");
    struct cdc_bytes cursor = body;
    struct my_table *known = decoder->tables[my_decoder_slot_of(decoder, cdc_bytes_le(&cursor, 6))];
    if (known && known->body.len == cdc_bytes_left(&body) && memcmp(known->body.data, body.p, known->body.len) == 0)
        return 0;
    struct my_table *table = my_table_new(body, decoder->flavor, error);
    if (table && complete_table(decoder, table, error) == 0 && keep_table(decoder, table, error) == 0)
        return 0;
    my_table_free(table);
    return -1;
}

int my_decoder_room_for_cells(struct my_decoder *decoder, size_t n, struct cdc_error *error)
{
    if (n <= decoder->n_cells)
        return 0;
    struct my_cell *before = calloc(n, sizeof *before), *after = calloc(n, sizeof *after);
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
