/* SPDX-License-Identifier: MIT */
/* DDL statements that change the rows of selected tables. What happened to them is nowhere in the log, so either a line can
 * say it exactly (a table has no row any more), or reading stops there: going on would leave a copy that differs, and nobody
 * would know. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/effect.h"
#include "connectors/mysql/value/name_case.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unlogged {
    struct my_decoder *decoder;
    const struct my_event_query *query;
    struct cdc_buf *out;
    bool alters_temporary;
    size_t at;   /* number of the effect, in the order of the statement */
    bool untold; /* the statement has an effect that no line tells, and reading goes on */
    bool warned; /* that values may be others */
    struct my_copies_notes notes;
};

/* The name as TABLE_MAP has it: in lower case where the server stores names so. RETURNS NEW */
static char *name_of_rows(const struct my_decoder *decoder, struct cdc_span name)
{
    struct cdc_buf lower = CDC_BUF_INIT;
    if (!decoder->lower_case)
        return cdc_span_copy(name);
    my_name_append_lower(&lower, name);
    cdc_buf_byte(&lower, '\0');
    if (!lower.failed)
        return lower.data;
    cdc_buf_free(&lower);
    return NULL;
}

int my_unlogged_table(const struct my_decoder *decoder, const struct my_event_query *query, struct cdc_span named_db,
                      struct cdc_span named_table, char **db, char **table, struct cdc_error *error)
{
    *db = *table = NULL;
    if (!cdc_utf8_valid(named_db.p, named_db.n) || !cdc_utf8_valid(named_table.p, named_table.n))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "%s at %llu: a statement is about a table whose name is no valid text",
                             decoder->coord.file, (unsigned long long)decoder->event_position);
    *db = name_of_rows(decoder, named_db.n ? named_db : query->db);
    *table = name_of_rows(decoder, named_table);
    return *db && *table ? 0 : cdc_error_memory(error);
}

/* "binlog.000002 at 1234: ALTER TABLE ... DROP PARTITION removed rows of shop.t" */
static void describe(const struct my_decoder *decoder, const struct my_effect *effect, const char *db,
                     const char *table, char *text, size_t size)
{
    snprintf(text, size, "%s at %llu: %s %s%s%s", decoder->coord.file, (unsigned long long)decoder->event_position,
             effect->what, effect->kind == MY_EFFECT_UNREADABLE ? "a table whose name cannot be read" : db,
             *table ? "." : "", table);
}

static int refuse(struct unlogged *unlogged, const struct my_effect *effect, const char *db, const char *table,
                  struct cdc_error *error)
{
    char text[2048], pattern[512] = "";
    const struct my_decoder *decoder = unlogged->decoder;
    describe(decoder, effect, db, table, text, sizeof text);
    unlogged->untold = true;
    if (decoder->settings.allow_unlogged && decoder->settings.log)
        cdc_log_write(decoder->settings.log, CDC_LOG_WARNING,
                      "%s: no line tells which, and copies keep what they have (hint: take a new snapshot)", text);
    if (decoder->settings.allow_unlogged)
        return 0;
    if (effect->kind != MY_EFFECT_UNREADABLE)
        snprintf(pattern, sizeof pattern, ", or exclude it (-T '%s.%s')", db, *table ? table : "*");
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s: the log does not have these rows, so no line can tell", text);
    return cdc_error_hint(error, "take a new snapshot%s; --allow-unlogged goes on, and leaves copies as they are",
                          pattern);
}

/* The copies may be right or not: a text says what a column is now, not what it was. */
static void warn_of_values(const struct my_decoder *decoder, const struct my_effect *effect, const char *db,
                           const char *table)
{
    char text[2048];
    describe(decoder, effect, db, table, text, sizeof text);
    if (decoder->settings.log)
        cdc_log_write(decoder->settings.log, CDC_LOG_WARNING,
                      "%s that were there: no line tells (hint: where it did, take a new snapshot)", text);
}

/* -- temporary tables ------------------------------------------------------------------------------------ */

static struct my_temporary_owner owner_of(const struct my_event_query *query)
{
    return (struct my_temporary_owner){query->server_id, query->thread_id};
}

bool my_unlogged_is_temporary(const struct my_decoder *decoder, const struct my_event_query *query, const char *db,
                              const char *table)
{
    return my_temporaries_has(&decoder->temporaries, owner_of(query), db, table);
}

/* ALTER tells by its flag that it may be of a temporary table. RENAME TABLE has none: MariaDB's takes the temporary table first,
 * MySQL's knows none. */
static bool may_be_of_temporary(const struct unlogged *unlogged, const struct my_effect *effect)
{
    switch (effect->by) {
    case MY_EFFECT_BY_ALTER: return unlogged->query->thread_specific;
    case MY_EFFECT_BY_RENAME: return unlogged->decoder->flavor == MY_FLAVOR_MARIADB;
    default: return false;
    }
}

static int rename_temporary(struct unlogged *unlogged, const struct my_effect *effect, const char *db,
                            const char *table, struct cdc_error *error)
{
    char *new_db, *new_table;
    struct my_temporaries *temporaries = &unlogged->decoder->temporaries;
    int result =
        my_unlogged_table(unlogged->decoder, unlogged->query, effect->db, effect->table, &new_db, &new_table, error);
    if (result == 0) {
        my_temporaries_remove(temporaries, owner_of(unlogged->query), db, table);
        result = my_temporaries_add(temporaries, owner_of(unlogged->query), new_db, new_table, error);
    }
    free(new_db);
    free(new_table);
    return result;
}

/* 1: the effect is one on a temporary table, of which the list is kept; 0; -1. */
static int take_temporary(struct unlogged *unlogged, const struct my_effect *effect, struct cdc_error *error)
{
    char *db, *table;
    struct my_temporaries *temporaries = &unlogged->decoder->temporaries;
    const struct my_temporary_owner owner = owner_of(unlogged->query);
    bool made = effect->kind == MY_EFFECT_MADE, dropped = effect->kind == MY_EFFECT_DROPPED;
    if (!made && !dropped && (temporaries->n == 0 || !may_be_of_temporary(unlogged, effect)))
        return 0;
    int result =
        my_unlogged_table(unlogged->decoder, unlogged->query, effect->subject_db, effect->subject, &db, &table, error);
    bool known = result == 0 && (unlogged->alters_temporary || my_temporaries_has(temporaries, owner, db, table));
    unlogged->alters_temporary = known && effect->by == MY_EFFECT_BY_ALTER; /* also once it has another name */
    if (result == 0 && made && unlogged->query->error_code == 0)            /* of one that failed, nothing is left */
        result = my_temporaries_add(temporaries, owner, db, table, error);
    else if (known && dropped)
        my_temporaries_remove(temporaries, owner, db, table);
    else if (known && effect->renames)
        result = rename_temporary(unlogged, effect, db, table, error);
    free(db);
    free(table);
    return result < 0 ? -1 : made || dropped || known;
}

/* -- all of them ------------------------------------------------------------------------------------------- */

/* 1: the effect is on something selected, and *db and *table RETURN NEW (free in any case); 0; -1. */
static int concerns(const struct unlogged *unlogged, const struct my_effect *effect, char **db, char **table,
                    struct cdc_error *error)
{
    const struct my_decoder *decoder = unlogged->decoder;
    const struct cdc_selection *selection = &decoder->settings.selection;
    if (my_unlogged_table(decoder, unlogged->query, effect->db, effect->table, db, table, error) < 0)
        return -1;
    switch (effect->kind) {
    case MY_EFFECT_UNREADABLE: return 1;
    case MY_EFFECT_DATABASE: return cdc_selection_has_some_of(selection, *db);
    default: return cdc_selection_has_table(selection, *db, *table);
    }
}

/* Where no copy is kept that could be read again. */
static int tell(struct unlogged *unlogged, const struct my_effect *effect, const char *db, const char *table,
                struct cdc_error *error)
{
    switch (effect->kind) {
    case MY_EFFECT_EMPTIES:
    case MY_EFFECT_KEYS:
    case MY_EFFECT_CHECKS:
    case MY_EFFECT_COLUMN_ADDED:
    case MY_EFFECT_DATABASE:
    case MY_EFFECT_CREATED:
    case MY_EFFECT_COLUMN_DROPPED: return 0;
    case MY_EFFECT_VALUES:
    case MY_EFFECT_COLUMN_CHANGED:
        if (!unlogged->warned)
            warn_of_values(unlogged->decoder, effect, db, table);
        unlogged->warned = true;
        return 0;
    default: return refuse(unlogged, effect, db, table, error);
    }
}

/* MySQL from 9.6 on changes child rows itself, and logs them. */
static bool logs_cascades(const struct my_decoder *decoder)
{
    unsigned major = 0, minor = 0;
    if (decoder->cascades_unlogged)
        return false;
    return decoder->flavor == MY_FLAVOR_MYSQL && sscanf(decoder->format.server_version, "%u.%u", &major, &minor) == 2 &&
           (major > 9 || (major == 9 && minor >= 6));
}

static void warn_of_cascades(const struct my_decoder *decoder, const struct my_effect *effect, const char *db,
                             const char *table)
{
    char text[2048];
    describe(decoder, effect, db, table, text, sizeof text);
    if (decoder->settings.log && !logs_cascades(decoder))
        cdc_log_write(decoder->settings.log, CDC_LOG_WARNING,
                      "%s (hint: delete and update child rows in the application or by triggers)", text);
}

/* Which table is meant, nobody could say: no reading would put that right. */
static bool is_of_table(const struct my_effect *effect)
{
    return effect->kind != MY_EFFECT_UNREADABLE && effect->kind != MY_EFFECT_DATABASE;
}

/* RENAME TABLE renames views and sequences, too. A table that had the name then, and has gone since, has a statement of its own for that in
 * the log. 1, 0, -1 */
static int renames_other(const struct my_decoder *decoder, const struct my_effect *effect, const char *db,
                         const char *table, struct cdc_error *error)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    return effect->renames && settings->is_no_table ? settings->is_no_table(settings->context, db, table, error) : 0;
}

static int look(void *context, const struct my_effect *effect, struct cdc_error *error)
{
    struct unlogged *unlogged = context;
    struct cdc_buf *of_temporary = &unlogged->decoder->of_temporary;
    char *db, *table;
    int temporary = take_temporary(unlogged, effect, error);
    cdc_buf_byte(of_temporary, temporary > 0);
    if (temporary != 0)
        return temporary < 0 ? -1 : 0;
    int result = 0, concerned = concerns(unlogged, effect, &db, &table, error);
    int other = concerned > 0 ? renames_other(unlogged->decoder, effect, db, table, error) : 0;
    if (other != 0)
        result = other < 0 ? -1 : 0;
    else if (concerned > 0 && effect->kind == MY_EFFECT_CASCADES)
        warn_of_cascades(unlogged->decoder, effect, db, table);
    else if (concerned > 0)
        result = my_copies_are_kept(unlogged->decoder) && is_of_table(effect)
                     ? my_copies_see(unlogged->decoder, unlogged->query, effect, db, table, &unlogged->notes, error)
                     : tell(unlogged, effect, db, table, error);
    free(db);
    free(table);
    return concerned < 0 ? -1 : result;
}

int my_unlogged_look(struct my_decoder *decoder, const struct my_event_query *query, bool *untold,
                     struct cdc_error *error)
{
    struct unlogged unlogged = {.decoder = decoder, .query = query};
    decoder->of_temporary.len = 0;
    int result = my_effects_of(query, look, &unlogged, error);
    if (result == 0)
        result = my_copies_end(decoder, &unlogged.notes, error);
    my_copies_free_notes(&unlogged.notes);
    *untold = unlogged.untold;
    return decoder->of_temporary.failed ? cdc_error_memory(error) : result;
}

/* {"op":"t",...,"source":{...,"db":"d",...}}: none of its tables has a row. Which ones the copy has, its sink knows; those that were read again
 * after it are excepted. */
static void database_line(struct my_decoder *decoder, const char *db, struct cdc_buf *out)
{
    struct cdc_buf head = CDC_BUF_INIT, except = CDC_BUF_INIT;
    if (decoder->settings.copy)
        decoder->settings.copy->omitted_of(decoder->settings.context, db, &except);
    my_table_source_head(&head, decoder->flavor, decoder->settings.pipeline, db, NULL);
    my_line_begin_change(decoder, &head, "t", ++decoder->transaction.ordinal, 0, out);
    if (except.len > 0) {
        cdc_buf_lit(out, ",\"except\":[");
        cdc_buf_append_buf(out, &except);
        cdc_buf_byte(out, ']');
    }
    cdc_buf_lit(out, "}\n");
    out->failed |= except.failed || head.failed;
    cdc_buf_free(&head);
    cdc_buf_free(&except);
    my_tables_forget_schemas_of(decoder, db);
}

static int empty(void *context, const struct my_effect *effect, struct cdc_error *error)
{
    struct unlogged *unlogged = context;
    char *db, *table;
    const struct cdc_buf *of_temporary = &unlogged->decoder->of_temporary;
    /* The same statement has more effects than a moment ago where memory has run out since. */
    if (unlogged->at >= of_temporary->len)
        return cdc_error_memory(error);
    bool temporary = of_temporary->data[unlogged->at++];
    if ((effect->kind != MY_EFFECT_EMPTIES && effect->kind != MY_EFFECT_DATABASE) || temporary)
        return 0;
    int concerned = concerns(unlogged, effect, &db, &table, error);
    if (concerned > 0 && effect->kind == MY_EFFECT_DATABASE) {
        database_line(unlogged->decoder, db, unlogged->out);
    } else if (concerned > 0 && my_copies_omit(unlogged->decoder, db, table)) {
        unlogged->decoder->transaction.ordinal++; /* as with the line: those after it keep theirs */
    } else if (concerned > 0) {
        my_unlogged_truncate_line(unlogged->decoder, db, table, unlogged->out);
        my_tables_forget_schema_of(unlogged->decoder, db, table);
    }
    free(db);
    free(table);
    return concerned < 0 ? -1 : 0;
}

int my_unlogged_lines(struct my_decoder *decoder, const struct my_event_query *query, struct cdc_buf *out,
                      struct cdc_error *error)
{
    struct unlogged unlogged = {.decoder = decoder, .query = query, .out = out};
    return my_effects_of(query, empty, &unlogged, error);
}

void my_unlogged_truncate_line(struct my_decoder *decoder, const char *db, const char *table, struct cdc_buf *out)
{
    struct cdc_buf head = CDC_BUF_INIT;
    my_table_source_head(&head, decoder->flavor, decoder->settings.pipeline, db, table);
    my_line_begin_change(decoder, &head, "t", ++decoder->transaction.ordinal, 0, out);
    cdc_buf_lit(out, "}\n");
    cdc_buf_free(&head);
}
