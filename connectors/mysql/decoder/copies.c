/* SPDX-License-Identifier: MIT */
/* What becomes of a copy that is kept of the tables. Where a statement changes its rows and no line could say how, nothing of its table
 * comes until it was read again, or it is marked, and reading ends before the transaction; where nothing changes in rows that are there,
 * it goes on. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/effect.h"
#include "connectors/mysql/event/retype.h"
#include "connectors/mysql/value/name_case.h"

#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A table of the statement, unless what comes later in it leaves no row under that name. */
struct my_copies_note {
    char *db, *table;
    char *column;     /* that is added: it may be one that was dropped before; NULL */
    const char *what; /* as in struct my_effect; NULL: no row is left */
};

bool my_copies_are_kept(const struct my_decoder *decoder)
{
    return decoder->settings.copy && !decoder->settings.allow_unlogged;
}

bool my_copies_omit(const struct my_decoder *decoder, const char *db, const char *table)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    return settings->copy && settings->copy->is_omitted(settings->context, db, table);
}

int my_copies_stop(const struct my_decoder *decoder, const char *db, const char *table, const char *why,
                   struct cdc_error *error)
{
    if (decoder->settings.copy->stale(decoder->settings.context, db, table, why, error) < 0)
        return -1;
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "table %s.%s is to be read again: %s", db, table, why);
}

int my_copies_mark(const struct my_decoder *decoder, const char *db, const char *table, const char *why,
                   struct cdc_error *error)
{
    int withheld = decoder->settings.copy->withhold(decoder->settings.context, db, table, why, error);
    if (withheld != 0)
        return withheld < 0 ? -1 : 0;
    return my_copies_stop(decoder, db, table, why, error);
}

int my_copies_mark_all(const struct my_decoder *decoder, struct cdc_span sql, struct cdc_error *error)
{
    char why[800];
    if (!my_copies_are_kept(decoder))
        return 0;
    snprintf(why, sizeof why, "%s at %llu: a change was logged as a statement, not as rows: %.*s", decoder->coord.file,
             (unsigned long long)decoder->event_position, (int)(sql.n < 60 ? sql.n : 60), sql.p);
    return decoder->settings.copy->stale_all(decoder->settings.context, why, error);
}

/* -- tables that are new ----------------------------------------------------------------------------------
 *
 *     create table _t_new like t
 *     alter table _t_new add c int not null default 7      no row is there that could get it
 *
 * as tools do that change a table beside itself. Until its first TABLE_MAP such a table has no row. */

enum { FRESH_MAX = 4096 }; /* bytes; above that none counts as new */

static const char *next_fresh(const struct my_decoder *decoder, const char *name)
{
    const char *table = name + strlen(name) + 1, *next = table + strlen(table) + 1;
    return next < decoder->fresh.data + decoder->fresh.len ? next : NULL;
}

static const char *find_fresh(const struct my_decoder *decoder, const char *db, const char *table)
{
    const char *name = decoder->fresh.len > 0 ? decoder->fresh.data : NULL;
    while (name && (strcmp(name, db) != 0 || strcmp(name + strlen(name) + 1, table) != 0))
        name = next_fresh(decoder, name);
    return name;
}

static int add_fresh(struct my_decoder *decoder, const char *db, const char *table, struct cdc_error *error)
{
    size_t db_n = strlen(db) + 1, table_n = strlen(table) + 1;
    if (find_fresh(decoder, db, table))
        return 0;
    if (decoder->fresh.len + db_n + table_n > FRESH_MAX)
        decoder->fresh.len = 0;
    cdc_buf_append(&decoder->fresh, db, db_n);
    cdc_buf_append(&decoder->fresh, table, table_n);
    return decoder->fresh.failed ? cdc_error_memory(error) : 0;
}

void my_copies_forget_fresh(struct my_decoder *decoder, const char *db, const char *table)
{
    const char *name = find_fresh(decoder, db, table);
    if (!name)
        return;
    size_t at = (size_t)(name - decoder->fresh.data), n = strlen(db) + strlen(table) + 2;
    memmove(decoder->fresh.data + at, decoder->fresh.data + at + n, decoder->fresh.len - at - n);
    decoder->fresh.len -= n;
}

/* Does it change rows that are there, and no others? */
static bool is_of_rows_there(const struct my_effect *effect)
{
    return effect->kind == MY_EFFECT_VALUES || effect->kind == MY_EFFECT_KEYS || effect->kind == MY_EFFECT_CHECKS ||
           effect->kind == MY_EFFECT_COLUMN_ADDED || effect->kind == MY_EFFECT_COLUMN_CHANGED;
}

/* -- the effects of a statement ------------------------------------------------------------------------ */

/* In lower case, as nobody tells columns apart by it. RETURNS NEW; NULL without memory. */
static char *column_name(struct cdc_span name)
{
    struct cdc_buf lower = CDC_BUF_INIT;
    if (!cdc_utf8_valid(name.p, name.n))
        return strdup("");
    my_name_append_lower(&lower, name);
    cdc_buf_byte(&lower, '\0');
    if (!lower.failed)
        return lower.data;
    cdc_buf_free(&lower);
    return NULL;
}

static bool is_of(const struct my_copies_note *note, const char *db, const char *table)
{
    return strcmp(note->table, table) == 0 && strcmp(note->db, db) == 0;
}

static int add_note(struct my_copies_notes *notes, const char *db, const char *table, const struct my_effect *effect,
                    struct cdc_error *error)
{
    bool adds = effect->kind == MY_EFFECT_COLUMN_ADDED;
    struct my_copies_note *items = realloc(notes->items, (notes->n + 1) * sizeof *items);
    if (!items)
        return cdc_error_memory(error);
    notes->items = items;
    struct my_copies_note *note = &items[notes->n++];
    *note = (struct my_copies_note){strdup(db), strdup(table), adds ? column_name(effect->column) : NULL, effect->what};
    return note->db && note->table && (note->column || !adds) ? 0 : cdc_error_memory(error);
}

/* The newest effect counts: of
 *     RENAME TABLE a TO tmp, b TO a, tmp TO b
 * a and b are stale, and there is no tmp after it. */
static void forget_notes(struct my_copies_notes *notes, const char *db, const char *table)
{
    for (size_t i = 0; i < notes->n; i++)
        if (is_of(&notes->items[i], db, table))
            notes->items[i].what = NULL;
}

static int drop_column(const struct my_decoder *decoder, const struct my_effect *effect, const char *db,
                       const char *table, struct cdc_error *error)
{
    char *column = column_name(effect->column);
    int result = column ? decoder->settings.copy->drop_column(decoder->settings.context, db, table, column, error)
                        : cdc_error_memory(error);
    free(column);
    return result;
}

/* In the very spelling: MODIFY C renames a column c to that. *of_log: what is not of the log may be of now, as with MySQL and FULL
 * metadata: enum('z'). */
static const struct my_column *find_column(const struct my_decoder *decoder, const char *db, const char *table,
                                           const char *name, bool *of_log)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        const struct my_table *known = decoder->tables[i];
        if (!known || !known->selected || strcmp(known->name, table) != 0 || strcmp(known->db, db) != 0)
            continue;
        for (size_t c = 0; c < known->n_columns; c++)
            if (known->columns[c].name && strcmp(known->columns[c].name, name) == 0) {
                *of_log = known->has_names && decoder->flavor == MY_FLAVOR_MYSQL;
                return &known->columns[c];
            }
    }
    return NULL;
}

/* RETURNS NEW; NULL without memory. */
static char *type_of_log(const struct my_column *column)
{
    struct cdc_buf type = CDC_BUF_INIT;
    my_type_name_append(&type, column);
    cdc_buf_byte(&type, '\0');
    if (!type.failed)
        return type.data;
    cdc_buf_free(&type);
    return NULL;
}

/* A text may get another charset or collation, on which a generated column may depend: LENGTH(c), c = 'x'. MySQL's are in the
 * lines, MariaDB's are not. 1, 0, -1 */
static int is_computed(const struct my_decoder *decoder, const char *db, const char *table, const char *type,
                       struct cdc_error *error)
{
    bool text =
        strstr(type, "char") || strstr(type, "text") || strncmp(type, "enum", 4) == 0 || strncmp(type, "set", 3) == 0;
    return decoder->flavor == MY_FLAVOR_MYSQL && text
               ? decoder->settings.copy->computes(decoder->settings.context, db, table, error)
               : 0;
}

/* What the statement may do beside what it says: another key, bytes for a text. 1, 0, -1 */
static int has_other_effect(const struct my_decoder *decoder, const struct my_event_query *query,
                            const struct my_effect *effect, const char *db, const char *table, const char *column,
                            const char *type, bool nullable, struct cdc_error *error)
{
    const struct my_copy_ops *copy = decoder->settings.copy;
    int keeps_key = my_retype_changes_null(nullable, query, effect->definition)
                        ? copy->keeps_key(decoder->settings.context, db, table, error)
                        : 1;
    if (keeps_key <= 0)
        return keeps_key < 0 ? -1 : 1;
    int bytes = my_retype_takes_default_charset(query, effect->definition)
                    ? copy->may_be_bytes(decoder->settings.context, db, table, column, error)
                    : 0;
    return bytes != 0 ? bytes : is_computed(decoder, db, table, type, error);
}

/* By its last row, or what is kept of the table. 1, 0, -1 */
static int keeps_values(const struct my_decoder *decoder, const struct my_event_query *query,
                        const struct my_effect *effect, const char *db, const char *table, struct cdc_error *error)
{
    bool of_log = false;
    char *name = cdc_span_copy(effect->column), *type = NULL;
    const struct my_column *column = name ? find_column(decoder, db, table, name, &of_log) : NULL;
    bool nullable = column && column->nullable;
    if (column && column->generated)
        type = NULL; /* the lines may have no value of it (MariaDB) */
    else if (column)
        type = of_log ? type_of_log(column) : strdup(column->type_name);
    else if (name)
        type = decoder->settings.copy->type_of(decoder->settings.context, db, table, name, &nullable);
    int keeps = type && my_retype_keeps_values(type, nullable, query, effect->definition);
    int other = keeps ? has_other_effect(decoder, query, effect, db, table, name, type, nullable, error) : 0;
    free(name);
    free(type);
    return other < 0 ? -1 : keeps && !other;
}

/* A column that goes, or is defined anew, may take with it a CHECK by which another one is JSON: b TEXT CHECK (json_valid(a)). That is
 * rare, and where nothing is known of the table, none is taken for one. 1, 0, -1 */
static int keeps_json(const struct my_decoder *decoder, const struct my_effect *effect, const char *db,
                      const char *table, struct cdc_error *error)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    bool where_unknown = effect->kind != MY_EFFECT_CHECKS;
    return decoder->flavor == MY_FLAVOR_MARIADB
               ? settings->copy->keeps_json(settings->context, db, table, where_unknown, error)
               : 1;
}

/* 1: no row that is there is another one; 0; -1. */
static int is_harmless(const struct my_decoder *decoder, const struct my_event_query *query,
                       const struct my_effect *effect, const char *db, const char *table, struct cdc_error *error)
{
    int keeps;
    switch (effect->kind) {
    case MY_EFFECT_KEYS: return decoder->settings.copy->keeps_key(decoder->settings.context, db, table, error);
    case MY_EFFECT_COLUMN_CHANGED:
        keeps = keeps_values(decoder, query, effect, db, table, error);
        return keeps > 0 ? keeps_json(decoder, effect, db, table, error) : keeps;
    case MY_EFFECT_CHECKS:
    case MY_EFFECT_COLUMN_DROPPED: return keeps_json(decoder, effect, db, table, error);
    default: return 0;
    }
}

int my_copies_see(struct my_decoder *decoder, const struct my_event_query *query, const struct my_effect *effect,
                  const char *db, const char *table, struct my_copies_notes *notes, struct cdc_error *error)
{
    bool drops =
        effect->kind == MY_EFFECT_COLUMN_DROPPED; /* also of one that is read again: the copy keeps what it had */
    if (drops && drop_column(decoder, effect, db, table, error) < 0)
        return -1;
    if (decoder->live && !drops)
        my_live_alter(decoder, db, table, "a statement has changed it");
    if (my_copies_omit(decoder, db, table))
        return 0;
    if (effect->kind == MY_EFFECT_EMPTIES) {
        forget_notes(notes, db, table);
        if (decoder->settings.copy->empty(decoder->settings.context, db, table, error) < 0)
            return -1;
    }
    if (effect->kind == MY_EFFECT_CREATED)
        return add_fresh(decoder, db, table, error);
    if ((is_of_rows_there(effect) || drops) && find_fresh(decoder, db, table))
        return 0;
    if (!drops)
        my_copies_forget_fresh(decoder, db, table);
    if (effect->kind == MY_EFFECT_EMPTIES || effect->kind == MY_EFFECT_MADE || effect->kind == MY_EFFECT_DROPPED)
        return 0;
    int harmless = is_harmless(decoder, query, effect, db, table, error);
    return harmless != 0 ? (harmless < 0 ? -1 : 0) : add_note(notes, db, table, effect, error);
}

static bool is_stale(const struct my_decoder *decoder, const struct my_copies_note *note)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    return note->what &&
           (!note->column || settings->copy->was_dropped(settings->context, note->db, note->table, note->column));
}

int my_copies_end(const struct my_decoder *decoder, const struct my_copies_notes *notes, struct cdc_error *error)
{
    char why[800];
    bool any = false;
    for (size_t i = 0; i < notes->n; i++) {
        const struct my_copies_note *note = &notes->items[i];
        if (!is_stale(decoder, note))
            continue;
        snprintf(why, sizeof why, "%s at %llu: %s it", decoder->coord.file, (unsigned long long)decoder->event_position,
                 note->what);
        any |= my_copies_mark(decoder, note->db, note->table, why, error) < 0;
    }
    return any ? -1 : 0;
}

void my_copies_free_notes(struct my_copies_notes *notes)
{
    for (size_t i = 0; i < notes->n; i++) {
        free(notes->items[i].db);
        free(notes->items[i].table);
        free(notes->items[i].column);
    }
    free(notes->items);
    *notes = (struct my_copies_notes){NULL, 0};
}

/* -- what a row shows ------------------------------------------------------------------------------------ */

static const struct my_column *named(const struct my_table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (!table->columns[i].hidden && strcmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

static size_t count_key(const struct my_table *table)
{
    size_t n = 0;
    for (size_t i = 0; i < table->n_columns; i++)
        n += table->columns[i].key;
    return n;
}

/* The log names the columns, and no statement in it has named the table in between. */
static bool was_altered_unseen(const struct my_table *old, const struct my_table *table)
{
    if (old->body.len == 0 || !old->has_names || !table->has_names)
        return false;
    if (old->n_columns != table->n_columns)
        return true;
    for (size_t i = 0; i < old->n_columns; i++)
        if (!old->columns[i].hidden && !table->columns[i].hidden &&
            strcmp(old->columns[i].name, table->columns[i].name) != 0)
            return true;
    return false;
}

const char *my_copies_difference(const struct my_table *old, const struct my_table *table)
{
    if (was_altered_unseen(old, table))
        return "a statement that is not in the log has given it other columns";
    bool same_key = count_key(old) == count_key(table);
    for (size_t i = 0; i < old->n_columns; i++) {
        const struct my_column *before = &old->columns[i], *column = before->hidden ? NULL : named(table, before->name);
        same_key = same_key && (!before->key || (column && column->key));
        if (column && column->kind != before->kind)
            return "a column of it has another type";
    }
    return same_key ? NULL : "its key is another one";
}
