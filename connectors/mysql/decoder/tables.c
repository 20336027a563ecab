/* SPDX-License-Identifier: MIT */
/* Which table an id of the log stands for. Each rows event names its table by an id, which a TABLE_MAP before it in
 * the same transaction has explained:
 *     TABLE_MAP 109: d.t (a int)   WRITE_ROWS 109
 * Each DDL statement gives a table a new id, and a server that starts again counts from the beginning. A TABLE_MAP
 * comes with every statement, so one that is the same as before, byte by byte, must cost next to nothing. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/statement.h"

#include <cdc/bytes.h>
#include <stdlib.h>
#include <string.h>

/* Ids are small numbers, one after the other: multiplied (2^64 by the golden ratio) they spread over the slots. */
size_t my_tables_slot(const struct my_decoder *decoder, uint64_t id)
{
    size_t slot = (size_t)(id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (decoder->n_slots - 1);
    while (decoder->tables[slot] && decoder->tables[slot]->id != id)
        slot = (slot + 1) & (decoder->n_slots - 1);
    return slot;
}

int my_tables_resize(struct my_decoder *decoder, size_t n_new, struct cdc_error *error)
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
            tables[my_tables_slot(decoder, old[i]->id)] = old[i];
    free(old);
    return 0;
}

void my_tables_clear(struct my_decoder *decoder)
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

/* Tables that a DDL statement has named since their last row: most have been dropped or renamed. One that has not is made
 * anew from its next TABLE_MAP, and its schema line is written once more. Not those of the transaction at hand, which
 * my_tables_forget_schemas may ask for. */
static int forget_altered(struct my_decoder *decoder, struct cdc_error *error)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        struct my_table *table = decoder->tables[i];
        if (!table || table->body.len > 0 || table->schema_number == decoder->number)
            continue;
        my_table_free(table);
        decoder->tables[i] = NULL;
        decoder->n_tables--;
    }
    return my_tables_resize(decoder, decoder->n_slots, error); /* no holes in the chains */
}

/* Room for one more. What was freed must be worth it: else the next table would come here again. */
static int make_room(struct my_decoder *decoder, struct cdc_error *error)
{
    if (decoder->n_tables * 2 < decoder->n_slots)
        return 0;
    if (forget_altered(decoder, error) < 0)
        return -1;
    return decoder->n_tables * 4 < decoder->n_slots ? 0 : my_tables_resize(decoder, decoder->n_slots * 2, error);
}

/* A new id for a name (every DDL gives one) replaces the old entry: there are as many entries as tables, and
 * work tables that come and go do not pile up. */
static int keep_table(struct my_decoder *decoder, struct my_table *table, struct cdc_error *error)
{
    struct my_table **old = named(decoder, table);
    decoder->last = NULL;
    bool known = old && (*old)->schema_written && table->selected;
    const char *why = known && my_copies_are_kept(decoder) ? my_copies_difference(*old, table) : NULL;
    if (why && !(decoder->live && my_live_alter(decoder, table->db, table->name, why))) {
        if (my_copies_mark(decoder, table->db, table->name, why, error) < 0)
            return -1;
        table->selected = false;
    }
    if (old) {
        table->schema_number = (*old)->schema_number;
        table->schema_ordinal = (*old)->schema_ordinal;
        table->schema_written = (*old)->schema_written && table->selected && my_table_same_schema(*old, table);
        my_table_free(*old);
        *old = NULL;
        decoder->n_tables--;
        if (my_tables_resize(decoder, decoder->n_slots, error) < 0) /* no holes in the chains */
            return -1;
    }
    if (make_room(decoder, error) < 0)
        return -1;
    struct my_table **slot = &decoder->tables[my_tables_slot(decoder, table->id)];
    if (*slot) { /* the id was another table's: the server was started again */
        my_table_free(*slot);
        decoder->n_tables--;
    }
    *slot = table;
    decoder->n_tables++;
    return 0;
}

void my_decoder_forget_table(struct my_decoder *decoder, const char *db, const char *table)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        struct my_table *known = decoder->tables[i];
        if (!known || strcmp(known->db, db) != 0 || strcmp(known->name, table) != 0)
            continue;
        known->body.len = 0;
        known->schema_written = false;
    }
}

/* A table that is not selected needs no names: it is kept, so that its rows are known for what they are. */
static int complete_table(struct my_decoder *decoder, struct my_table *table, struct cdc_error *error)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    table->selected = cdc_selection_has_table(&settings->selection, table->db, table->name) &&
                      !my_copies_omit(decoder, table->db, table->name);
    my_copies_forget_fresh(decoder, table->db, table->name);
    if (!table->selected)
        return 0;
    if (settings->describe && settings->describe(settings->context, table, &decoder->coord, error) < 0)
        return -1;
    if (table->sequence || my_copies_omit(decoder, table->db, table->name)) { /* that may have become so just now */
        table->selected = false;
        return 0;
    }
    return my_table_prepare(table, decoder->flavor, settings->pipeline, &settings->selection, error);
}

int my_tables_take_map(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_error *error)
{
    if (cdc_bytes_left(&body) < 6)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a TABLE_MAP event is too short");
    struct cdc_bytes cursor = body;
    struct my_table *known = decoder->tables[my_tables_slot(decoder, cdc_bytes_le(&cursor, 6))];
    if (known && known->body.len == cdc_bytes_left(&body) && memcmp(known->body.data, body.p, known->body.len) == 0)
        return 0;
    struct my_table *table = my_table_new(body, decoder->flavor, error);
    if (table && complete_table(decoder, table, error) == 0 && keep_table(decoder, table, error) == 0)
        return 0;
    my_table_free(table);
    return -1;
}

void my_tables_altered(struct my_decoder *decoder, struct cdc_span sql, struct cdc_span db)
{
    for (size_t i = 0; i < decoder->n_slots; i++)
        if (decoder->tables[i] && my_statement_names(sql, cdc_span_text(decoder->tables[i]->name)))
            decoder->tables[i]->body.len = 0;
    if (decoder->live && my_statement_names(sql, cdc_span_text(decoder->live->name)))
        my_live_spoil(decoder->live, "a statement has changed it");
    if (decoder->settings.altered)
        decoder->settings.altered(decoder->settings.context, sql, db);
}

void my_tables_forget_schema_of(struct my_decoder *decoder, const char *db, const char *name)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        struct my_table *table = decoder->tables[i];
        if (table && strcmp(table->db, db) == 0 && strcmp(table->name, name) == 0)
            table->schema_written = false;
    }
}

void my_tables_forget_schemas_of(struct my_decoder *decoder, const char *db)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        struct my_table *table = decoder->tables[i];
        if (!table || strcmp(table->db, db) != 0)
            continue;
        table->body.len = 0;
        table->schema_written = false;
    }
}

void my_tables_forget_schemas(struct my_decoder *decoder, uint64_t ordinal)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        struct my_table *table = decoder->tables[i];
        if (table && table->schema_number == decoder->number && table->schema_ordinal > ordinal)
            table->schema_written = false;
    }
}
