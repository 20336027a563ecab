/* SPDX-License-Identifier: MIT */
/* Relation and Type messages: the tables that the changes after them are of. */
#include "connectors/postgres/pgoutput/internal.h"

#include <stdio.h>
#include <stdlib.h>

static size_t slot_of(const struct pg_relations *relations, uint32_t oid)
{
    /* Oids of neighbouring tables follow one another; the multiplication (2^32 by the golden ratio) spreads them. */
    size_t slot = (oid * UINT32_C(2654435769)) & (relations->n_slots - 1);
    while (relations->slots[slot] && relations->slots[slot]->oid != oid)
        slot = (slot + 1) & (relations->n_slots - 1);
    return slot;
}

static int grow_tables(struct pg_relations *relations, struct cdc_error *error)
{
    struct pg_table **old = relations->slots;
    size_t n_old = relations->n_slots, n_new = n_old ? n_old * 2 : 64;
    struct pg_table **tables = calloc(n_new, sizeof(*tables));
    if (!tables)
        return cdc_error_memory(error);
    relations->slots = tables;
    relations->n_slots = n_new;
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            tables[slot_of(relations, old[i]->oid)] = old[i];
    free(old);
    return 0;
}

struct pg_table *pg_relations_find(struct pg_relations *relations, uint32_t oid, struct cdc_error *error)
{
    if (relations->last && relations->last->oid == oid)
        return relations->last;
    struct pg_table *table = relations->n_slots ? relations->slots[slot_of(relations, oid)] : NULL;
    if (!table)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a change of a table (oid %u) that it did not describe",
                      oid);
    relations->last = table;
    return table;
}

static const struct pg_named_type *find_type(const struct pg_relations *relations, uint32_t oid)
{
    for (size_t i = 0; i < relations->n_types; i++)
        if (relations->types[i].oid == oid)
            return &relations->types[i];
    return NULL;
}

/* In quotes where the server would put them, but for keywords. */
static void append_identifier(struct cdc_buf *out, const char *name)
{
    bool plain =
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) && !(*name >= '0' && *name <= '9');
    if (plain && *name) {
        cdc_buf_text(out, name);
        return;
    }
    cdc_buf_byte(out, '"');
    for (; *name; name++) {
        cdc_buf_text(out, *name == '"' ? "\"" : "");
        cdc_buf_byte(out, *name);
    }
    cdc_buf_byte(out, '"');
}

/* The server calls the array type of public.mood public._mood (and __mood where that is taken). */
static char *type_name(const char *namespace, const char *name, bool array)
{
    struct cdc_buf out = CDC_BUF_INIT;
    append_identifier(&out, namespace);
    cdc_buf_byte(&out, '.');
    append_identifier(&out, array ? name + strspn(name, "_") : name);
    cdc_buf_text(&out, array ? "[]" : "");
    cdc_buf_byte(&out, '\0');
    if (!out.failed)
        return out.data;
    cdc_buf_free(&out);
    return NULL;
}

/* Type messages come for types that are not built in, before the Relation that has them. For a domain the oid is the
 * domain's and the name that of the type which it is made of (in pg_catalog, an empty namespace): its values are
 * written like that one's. Enums and types of extensions are text, and their arrays are arrays of text. The catalogs say it
 * better (describe); this is what stays where the type was dropped since. */
int pg_relations_decode_type(struct pg_relations *relations, struct cdc_bytes *bytes, struct cdc_error *error)
{
    uint32_t oid = (uint32_t)cdc_bytes_be(bytes, 4);
    const char *namespace = pg_message_string(bytes), *name = pg_message_string(bytes);
    if (pg_message_finished(bytes, "Type", error) < 0)
        return -1;
    size_t i = 0;
    while (i < relations->n_types && relations->types[i].oid != oid)
        i++;
    if (i == MAX_COLUMNS)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server describes more types than a table can have");
    if (i == relations->types_cap) {
        size_t cap = relations->types_cap ? relations->types_cap * 2 : 16;
        struct pg_named_type *types = realloc(relations->types, cap * sizeof *types);
        if (!types)
            return cdc_error_memory(error);
        relations->types = types;
        relations->types_cap = cap;
    }
    struct pg_named_type *type = &relations->types[i];
    bool array = *namespace && name[0] == '_' && name[1];
    free(relations->n_types > i ? type->name : NULL);
    *type = (struct pg_named_type){oid, *namespace ? pg_type_of(0) : pg_type_named(name), NULL};
    if (array)
        type->type = (struct pg_type){.kind = PG_ARRAY, .element = PG_TEXT, .delimiter = ','};
    relations->n_types += i == relations->n_types;
    if (*namespace && !(type->name = type_name(namespace, name, array)))
        return cdc_error_memory(error);
    return 0;
}

static int read_column(const struct pg_relations *relations, const struct pg_encoding *encoding,
                       struct cdc_bytes *bytes, struct pg_column *column, struct cdc_error *error)
{
    uint8_t flags = (uint8_t)cdc_bytes_be(bytes, 1);
    const char *name = pg_message_string(bytes);
    column->identity = flags & 1;
    column->type_oid = (uint32_t)cdc_bytes_be(bytes, 4);
    column->typmod = (int32_t)cdc_bytes_be(bytes, 4);
    const struct pg_named_type *named = find_type(relations, column->type_oid);
    column->type = named ? named->type : pg_type_of(column->type_oid);
    /* The message does not say; the catalogs do (describe). */
    column->nullable = true;
    if (bytes->bad)
        return pg_message_malformed(error, "Relation");
    char oid_text[16];
    snprintf(oid_text, sizeof oid_text, "%lu", (unsigned long)column->type_oid);
    column->type_name = strdup(named && named->name ? named->name : oid_text);
    column->name = pg_encoding_name(encoding, name, error);
    return column->name && column->type_name ? 0 : cdc_error_memory(error);
}

/* What the log itself says of the key: with d and i, whether columns bear its mark. */
static void facts_of_log(struct pg_table *table, char replica_identity)
{
    struct pg_key_facts *facts = &table->key_facts;
    bool marked = false;
    for (size_t i = 0; i < table->n_columns; i++)
        marked = marked || table->columns[i].identity;
    facts->replica_identity = replica_identity;
    facts->primary_exists = facts->primary_is_immediate = replica_identity == 'd' && marked;
    facts->index_exists = replica_identity == 'i' && marked;
}

static int read_relation(const struct pg_relations *relations, const struct pg_encoding *encoding,
                         struct cdc_bytes *bytes, struct pg_table *table, struct cdc_error *error)
{
    table->oid = (uint32_t)cdc_bytes_be(bytes, 4);
    const char *schema = pg_message_string(bytes), *name = pg_message_string(bytes);
    char replica_identity = (char)cdc_bytes_be(bytes, 1);
    size_t n = (size_t)cdc_bytes_be(bytes, 2);
    if (bytes->bad || n > MAX_COLUMNS || replica_identity == '\0' || !strchr("dnfi", replica_identity))
        return pg_message_malformed(error, "Relation");
    table->schema = pg_encoding_name(encoding, *schema ? schema : "pg_catalog", error);
    table->name = pg_encoding_name(encoding, name, error);
    table->columns = calloc(n ? n : 1, sizeof *table->columns);
    if (!table->schema || !table->name || !table->columns)
        return cdc_error_memory(error);
    for (; table->n_columns < n; table->n_columns++) {
        if (read_column(relations, encoding, bytes, &table->columns[table->n_columns], error) < 0) {
            table->n_columns++; /* so that what it holds is freed */
            return -1;
        }
    }
    facts_of_log(table, replica_identity);
    return pg_message_finished(bytes, "Relation", error);
}

static bool same_column(const struct pg_column *a, const struct pg_column *b)
{
    return strcmp(a->name, b->name) == 0 && a->type_oid == b->type_oid && a->typmod == b->typmod && a->key == b->key &&
           a->nullable == b->nullable && a->generated == b->generated && strcmp(a->type_name, b->type_name) == 0;
}

/* Would the schema line read the same? */
static bool same_schema(const struct pg_table *a, const struct pg_table *b)
{
    if (a->n_columns != b->n_columns || strcmp(a->schema, b->schema) != 0 || strcmp(a->name, b->name) != 0)
        return false;
    for (size_t i = 0; i < a->n_columns; i++)
        if (!same_column(&a->columns[i], &b->columns[i]))
            return false;
    return true;
}

static int complete_relation(const struct pgoutput_settings *settings, struct pg_table *table, struct cdc_error *error)
{
    table->selected = cdc_selection_has_table(&settings->selection, table->schema, table->name);
    if (!table->selected) {
        pg_table_drop_columns(table);
        return 0;
    }
    if (settings->describe && settings->describe(settings->describe_context, table, error) < 0)
        return -1;
    if (table->stale)
        pg_table_drop_columns(table);
    return table->stale ? 0 : pg_table_prepare(table, settings->pipeline, settings->database, error);
}

int pg_relations_settle(const struct pgoutput_settings *settings, struct pg_table *table, uint64_t lsn,
                        struct cdc_error *error)
{
    bool had_key = table->has_key;
    if ((lsn < table->unsure_until && !table->composites_due) || !table->selected)
        return 0;
    table->composites_due = false;
    if (complete_relation(settings, table, error) < 0)
        return -1;
    table->schema_written = table->schema_written && table->has_key == had_key;
    return 0;
}

static size_t bytes_of(const struct pg_table *table)
{
    size_t n = sizeof *table + strlen(table->schema) + strlen(table->name) + table->source_head.cap;
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct pg_column *column = &table->columns[i];
        n += sizeof *column + strlen(column->name) + strlen(column->type_name) + column->name_json.cap;
        n += column->base_type_name ? strlen(column->base_type_name) : 0;
    }
    for (size_t i = 0; i < table->n_composites; i++)
        n += sizeof *table->composites[i] + table->composites[i]->n * (sizeof *table->composites[i]->fields + 64);
    return n;
}

/* Replaces what was known of the table wholesale: a Relation is sent at its first use and after any DDL (and
 * ANALYZE, TRUNCATE ...), and each describes the table in full. Where it reads the same no second schema line is
 * due. TAKES table. */
static int keep(struct pg_relations *relations, const struct pgoutput_settings *settings, struct pg_table *table,
                struct cdc_error *error)
{
    if (relations->n * 2 >= relations->n_slots && grow_tables(relations, error) < 0) {
        pg_table_free(table);
        return -1;
    }
    struct pg_table **slot = &relations->slots[slot_of(relations, table->oid)];
    if (*slot) {
        table->schema_written = (*slot)->schema_written && same_schema(*slot, table);
        table->n_unlike = (*slot)->n_unlike;
        table->unlike_of = (*slot)->unlike_of;
    } else {
        relations->n++;
    }
    table->bytes = bytes_of(table);
    relations->bytes += table->bytes - (*slot ? (*slot)->bytes : 0);
    pg_table_free(*slot);
    *slot = table;
    relations->last = NULL;
    return relations->bytes > settings->table_bytes * 4
               ? cdc_error_set(error, CDC_EXIT_PROTOCOL,
                               "the server describes tables without an end (%zu in a transaction)", relations->n)
               : 0;
}

static struct pg_table *look_up(const struct pg_relations *relations, uint32_t oid)
{
    return relations->n_slots ? relations->slots[slot_of(relations, oid)] : NULL;
}

/* Would old rows of `partition` lack some of the key of `table`? */
static bool lacks_key(const struct pg_table *partition, const struct pg_table *table)
{
    for (size_t i = 0; i < table->key_end && partition->key_facts.replica_identity != 'f'; i++) {
        bool marked = !table->columns[i].key;
        for (size_t j = 0; j < partition->n_columns && !marked; j++)
            marked = partition->columns[j].identity && strcmp(partition->columns[j].name, table->columns[i].name) == 0;
        if (!marked)
            return true;
    }
    return false;
}

static void note_described(struct pg_relations *relations, const struct pg_table *table)
{
    relations->described[0] = relations->described[1];
    relations->described[1] = table->oid;
    const struct pg_table *before = relations->described[0] ? look_up(relations, relations->described[0]) : NULL;
    relations->is_unlike = before && before->selected && lacks_key(table, before);
}

static void count_unlike(const struct pg_relations *relations, struct pg_table *partition, uint32_t table, bool unlike)
{
    struct pg_table *before = partition->unlike_of ? look_up(relations, partition->unlike_of) : NULL;
    if (before)
        before->n_unlike--;
    partition->unlike_of = unlike ? table : 0;
    if (unlike)
        look_up(relations, table)->n_unlike++;
}

/* Before the first change of a partition that comes as another table's the server describes both, that table first:
 *      R t   R t_1   U t ...
 * Two tables are described without a change of the first by TRUNCATE only, whose message names both (and does not call this). */
const struct pg_table *pg_relations_changed(struct pg_relations *relations, struct pg_table *table)
{
    struct pg_table *partition = relations->described[0] == table->oid && relations->described[1] != table->oid
                                     ? look_up(relations, relations->described[1])
                                     : NULL;
    if (partition)
        count_unlike(relations, partition, table->oid, relations->is_unlike);
    relations->described[0] = relations->described[1] = 0;
    return partition;
}

static void forget_types(struct pg_relations *relations)
{
    for (size_t i = 0; i < relations->n_types; i++)
        free(relations->types[i].name);
    relations->n_types = 0;
}

/* What is known of the times of the composites' fields. */
static void keep_composites(const struct pg_relations *relations, struct pg_table *table)
{
    const struct pg_table *before = look_up(relations, table->oid);
    if (!before)
        return;
    table->composites_from = before->composites_from;
    table->composites_altered = before->composites_altered;
}

void pg_relations_composites_due(struct pg_relations *relations)
{
    for (size_t i = 0; i < relations->n_slots; i++)
        if (relations->slots[i] && relations->slots[i]->n_composites > 0)
            relations->slots[i]->composites_due = true;
}

static void tell_renamed(const struct pg_relations *relations, const struct pgoutput_settings *settings,
                         const struct pg_table *table)
{
    const struct pg_table *before = relations->n_slots ? relations->slots[slot_of(relations, table->oid)] : NULL;
    if (before && settings->renamed && (before->selected || table->selected) &&
        (strcmp(before->schema, table->schema) != 0 || strcmp(before->name, table->name) != 0))
        settings->renamed(settings->describe_context, before, table);
}

int pg_relations_decode_relation(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_error *error)
{
    struct pg_relations *relations = &decoder->relations;
    const struct pgoutput_settings *settings = &decoder->settings;
    struct pg_table *table = calloc(1, sizeof *table);
    if (!table)
        return cdc_error_memory(error);
    int status = read_relation(relations, settings->encoding, bytes, table, error);
    forget_types(relations);
    if (status == 0)
        note_described(relations, table);
    keep_composites(relations, table);
    if (status == 0 && settings->announced)
        status = settings->announced(settings->describe_context, table, error);
    if (status == 0 && complete_relation(settings, table, error) == 0) {
        table->round = pg_rounds_of(decoder, table);
        pg_live_mark(decoder, table);
        table->part = pg_parts_of(decoder, table);
        tell_renamed(relations, settings, table);
        return keep(relations, settings, table, error);
    }
    pg_table_free(table);
    return -1;
}

/*      the log    U t (a) | ADD b |          | DROP b | U t (a)
 *      lines      a, U t             a b, r r           a, U t         the message before that U reads as the first one did */
void pg_relations_described(struct pg_relations *relations, const struct pg_table *now)
{
    for (size_t i = 0; i < relations->n_slots; i++) {
        struct pg_table *table = relations->slots[i];
        if (table && strcmp(table->name, now->name) == 0 && strcmp(table->schema, now->schema) == 0 &&
            !same_schema(table, now))
            table->schema_written = false;
    }
}

void pg_relations_set_stale(struct pg_relations *relations, const char *schema, const char *name)
{
    for (size_t i = 0; i < relations->n_slots; i++) {
        struct pg_table *table = relations->slots[i];
        if (table && strcmp(table->schema, schema) == 0 && strcmp(table->name, name) == 0)
            table->stale = true;
    }
}

void pg_relations_clear(struct pg_relations *relations)
{
    for (size_t i = 0; i < relations->n_slots; i++) {
        pg_table_free(relations->slots[i]);
        relations->slots[i] = NULL;
    }
    forget_types(relations);
    relations->n = relations->bytes = 0;
    relations->last = NULL;
    relations->described[0] = relations->described[1] = 0;
}

void pg_relations_free(struct pg_relations *relations)
{
    pg_relations_clear(relations);
    free(relations->slots);
    free(relations->types);
}
