/* SPDX-License-Identifier: MIT */
/* A refused line that is taken in later must not go over a newer row. The destination cannot tell: a table has no positions of rows,
 * an index forgets that of a row that was deleted, a webhook's receiver says nothing. The stream can: every line that goes to the
 * destination is looked at, and the first one of the same row ends the wait of the refused one.
 *
 * A newer line stands for the refused one where it has all that this has. It may lack columns that the refused one has, when the
 * destination keeps what these were before; and a line that is only of the key which the row left says nothing of the row. Then no
 * line that is here can mend the row, but for one that comes later and is whole.
 *
 * What ends all rows of a table ends those alone that are older: the end of a read does not stand for a row of this very read, nor does
 * a line about one part for a row of another one. In a history each line stays beside the others, and none stands for another.
 *
 * Rows, tables and columns are known by hashes. Two that have the same one by chance end a wait that could go on: never the other
 * way round. */
#include "libcdc/loop/refused_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/hash.h>
#include <cdc/part.h>

/* Is its row one that the line is about, which is of a whole table, or of a part of it? 1, 0; -1: nobody knows. */
static int is_of_part(struct refused *refused, const struct refused_entry *entry, const struct cdc_part *part)
{
    if (part == NULL)
        return 1;
    if (entry->part == NULL)
        return -1;
    refused->scratch.len = 0;
    cdc_json_unescape(&refused->scratch, cdc_json_string_raw(cdc_span_text(entry->part)));
    return cdc_part_has(part, cdc_span(refused->scratch.data, refused->scratch.len));
}

/* A database that is dropped again: tables that were read since are none of it. */
static bool is_excepted(struct refused *refused, const struct refused_entry *entry, const struct cdc_event *event)
{
    struct cdc_span list = cdc_json_member(event->line, "except"), name;
    uint64_t schema = refused_hash_raw(refused, entry->db, event->schema);
    struct cdc_json_iter iter;

    if (list.p == NULL || cdc_json_type(list) != CDC_JSON_ARRAY)
        return false;
    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &name);)
        if (refused_hash_raw(refused, schema, cdc_json_string_raw(name)) == entry->table)
            return true;
    return false;
}

/* Is the entry's row one of those that the line is about? 1, 0; -1: nobody knows. */
static int is_about(struct refused *refused, const struct refused_names *names, const struct cdc_event *event,
                    const struct cdc_part *part, const struct refused_entry *entry)
{
    if (cdc_event_is_of_database(event))
        return entry->db == names->db && !is_excepted(refused, entry, event);
    return entry->table == names->table ? is_of_part(refused, entry, part) : 0;
}

/* The line is about all rows of a table, a part of it or a database: those that are older than that seq do not wait any more. */
static int touch_rows(struct refused *refused, const struct cdc_event *event, int64_t before, struct cdc_error *error)
{
    struct refused_names names = refused_names_of(refused, event);
    struct cdc_error ignored = {0};
    struct cdc_part part;
    bool ended = false;
    int of_part = cdc_part_read(&part, event, &ignored);

    if (of_part < 0) /* no destination takes it */
        return 0;
    for (size_t i = 0; i < refused->n; i++) {
        struct refused_entry *entry = &refused->entries[i];
        if (!refused_is_open(entry->state) || entry->seq >= before)
            continue;
        int about = is_about(refused, &names, event, of_part == 1 ? &part : NULL, entry);
        if (refused->scratch.failed)
            return cdc_error_memory(error);
        if (about == 0 || (about < 0 && entry->state != REFUSED_WAITING))
            continue;
        if (refused_set_state(refused, entry, about > 0 ? REFUSED_NEWER : REFUSED_LACKING, error) != 0)
            return -1;
        ended = true;
    }
    return ended ? refused_sync(refused, error) : 0;
}

/* Those of a table that has other columns now. */
static int end_waits_of_columns(struct refused *refused, uint64_t table, uint64_t columns, struct cdc_error *error)
{
    bool ended = false;

    for (size_t i = 0; i < refused->n; i++) {
        struct refused_entry *entry = &refused->entries[i];
        if (entry->state != REFUSED_WAITING || entry->table != table || entry->columns == columns)
            continue;
        if (refused_set_state(refused, entry, REFUSED_CHANGED, error) != 0)
            return -1;
        ended = true;
    }
    return ended ? refused_sync(refused, error) : 0;
}

/* The oldest ones are not known any more, which ends their wait for good. */
static int forget_oldest(struct refused *refused, struct cdc_error *error)
{
    bool waited = false;

    if (!refused_is_full(refused))
        return 0;
    for (size_t i = 0; i < REFUSED_FORGET; i++) {
        waited |= refused_is_open(refused->entries[i].state);
        if (refused_set_state(refused, &refused->entries[i], REFUSED_UNKNOWN, error) != 0)
            return -1;
    }
    if (waited && refused_sync(refused, error) != 0)
        return -1;
    refused_drop_oldest(refused);
    return 0;
}

/* -- lines that are taken in -------------------------------------------------------------- */

/* Is each name of the one array in the other? */
static bool is_within(struct cdc_span names, const char *all)
{
    struct cdc_json_iter iter, other;
    struct cdc_span name, known;
    bool found = true;

    if (names.n == 0)
        return true;
    for (cdc_json_iter_begin(&iter, names); found && cdc_json_next_element(&iter, &name);) {
        found = false;
        cdc_json_iter_begin(&other, cdc_span_text(all != NULL ? all : "[]"));
        while (!found && cdc_json_next_element(&other, &known))
            found = cdc_json_raw_equal(cdc_json_string_raw(known), cdc_json_string_raw(name));
    }
    return found;
}

static bool shares_key(const struct refused_entry *entry, const uint64_t keys[2])
{
    return entry->keys[0] == keys[0] || entry->keys[1] == keys[0] || entry->keys[0] == keys[1] ||
           entry->keys[1] == keys[1];
}

/* What becomes of it by a newer line with these keys, which does not have these columns. Of a row that has moved, the columns that its
 * line lacks are under the old key, and none under the new one. One that is not whole and takes the row to another key:
 *
 *   u 1 big=b2     refused
 *   u 1 -> 19      without big: the row 19 has the old one
 *   c 1            another row, which says nothing of that */
static enum refused_state ended_as(const struct refused_entry *entry, const uint64_t keys[2], bool is_whole,
                                   bool has_all)
{
    bool moved = entry->keys[0] != entry->keys[1], leaves = keys[0] != keys[1] && entry->keys[0] == keys[1];

    if (entry->keys[0] != keys[0] && entry->keys[0] != keys[1])
        return REFUSED_LACKING;
    if (moved ? is_whole && entry->lacks == NULL : has_all)
        return REFUSED_NEWER;
    return leaves ? REFUSED_AWAY : REFUSED_LACKING;
}

static int end_wait(struct refused *refused, struct refused_entry *entry, enum refused_state state, uint64_t number,
                    struct cdc_error *error)
{
    if (entry->state == REFUSED_AWAY || (state == REFUSED_LACKING && entry->state != REFUSED_WAITING))
        return 0;
    entry->was = entry->state;
    entry->ended_by = number;
    return refused_set_state(refused, entry, state, error) == 0 ? 1 : -1;
}

/* The line itself has come again, and is taken in. */
static int take_in(struct refused *refused, struct refused_entry *entry, uint64_t number, struct cdc_error *error)
{
    entry->was = entry->state;
    entry->ended_by = number;
    return refused_set_state(refused, entry, REFUSED_NEWER, error) == 0 ? 1 : -1;
}

static bool is_older(const struct refused_entry *entry, const struct refused_entry *than)
{
    return shares_key(entry, than->keys) && cdc_span_compare(cdc_span_text(entry->pos), cdc_span_text(than->pos)) < 0;
}

/* Is it a line of the row from before `move` has taken that to another key? */
static bool is_left_behind(const struct refused_entry *entry, const struct refused_entry *move)
{
    return move->keys[0] != move->keys[1] && entry->keys[0] == move->keys[1] && is_older(entry, move);
}

/* A line that ends the wait of one that moved the row is of the same row under a key that older ones do not have: stored after that, they
 * would be a second row. */
static int end_waits_behind(struct refused *refused, const struct refused_entry *move, uint64_t number,
                            struct cdc_error *error)
{
    for (size_t i = 0; i < refused->n; i++) {
        struct refused_entry *entry = &refused->entries[i];
        if (!refused_is_open(entry->state) || !is_left_behind(entry, move))
            continue;
        int result = end_wait(refused, entry, move->state, number, error);
        if (result < 0 || (result > 0 && end_waits_behind(refused, entry, number, error) != 0))
            return -1;
    }
    return 0;
}

static void note_recent(struct refused *refused, const uint64_t keys[2], struct cdc_span lacks, uint64_t number)
{
    struct recent_line line = {.number = number, .lacks = lacks.n > 0 ? cdc_hash_span(CDC_HASH_INIT, lacks) : 0};

    if (refused->recent == NULL)
        return;
    recent_note(refused->recent, keys[0], &line);
    if (keys[1] == keys[0])
        return;
    line.away = lacks.n > 0 ? number : 0;
    recent_note(refused->recent, keys[1], &line);
}

static int touch_row(struct refused *refused, const struct cdc_event *event, uint64_t number, struct cdc_error *error)
{
    struct refused_names names = refused_names_of(refused, event);
    uint64_t keys[2];
    int ended = 0;

    if (!refused_hash_keys(refused, names.table, event, keys))
        return 0;
    struct cdc_span lacks = refused_lacks_of(refused, event);
    if (refused->lacks.failed)
        return cdc_error_memory(error);
    note_recent(refused, keys, lacks, number);
    if (refused->n_open == 0 || (!refused_may_wait(refused, keys[0]) && !refused_may_wait(refused, keys[1])))
        return 0;
    for (size_t i = 0; i < refused->n && ended >= 0; i++) {
        struct refused_entry *entry = &refused->entries[i];
        int order = cdc_span_compare(event->pos, cdc_span_text(entry->pos));
        /* What comes again after a restart may be from before it. */
        if (!refused_is_open(entry->state) || !shares_key(entry, keys) || order < 0)
            continue;
        enum refused_state state = ended_as(entry, keys, lacks.n == 0, is_within(lacks, entry->lacks));
        int result =
            order > 0 ? end_wait(refused, entry, state, number, error) : take_in(refused, entry, number, error);
        if (result > 0 && order > 0 && end_waits_behind(refused, entry, number, error) != 0)
            result = -1;
        ended = result < 0 ? -1 : ended | result;
    }
    return ended > 0 ? refused_sync(refused, error) : ended;
}

/* All lines of a read have one seq, or while the log goes on none that is smaller than `since`; those of before are smaller. */
static int64_t begin_of_read(const struct cdc_event *event)
{
    int64_t since = event->has_seq ? event->seq : INT64_MAX;

    (void)cdc_json_int64(cdc_json_member(event->line, "since"), &since);
    return since;
}

static int touch_schema(struct refused *refused, const struct cdc_event *event, struct cdc_error *error)
{
    struct refused_names names = refused_names_of(refused, event);

    if (cdc_span_is(event->read, "end") && touch_rows(refused, event, begin_of_read(event), error) != 0)
        return -1;
    if (!refused->keeps && refused->n_open == 0)
        return 0;
    if (end_waits_of_columns(refused, names.table, refused_hash_columns(event), error) != 0)
        return -1;
    return refused_describe(refused, names.table, event, false, error);
}

bool refused_ends_others(struct refused *refused, const struct cdc_event *event)
{
    if (refused == NULL || !refused->keeps || refused->history)
        return false;
    if (event->op != CDC_OP_SCHEMA)
        return event->op == CDC_OP_TRUNCATE;
    struct refused_table *known = refused_find_table(refused, refused_names_of(refused, event).table);
    return cdc_span_is(event->read, "end") || (known != NULL && known->columns != refused_hash_columns(event));
}

int refused_touch(struct refused *refused, const struct cdc_event *event, uint64_t number, struct cdc_error *error)
{
    if (refused == NULL || refused->history || (!refused->keeps && refused->n_open == 0))
        return 0;
    if (cdc_event_has_row(event))
        return touch_row(refused, event, number, error);
    if (event->op == CDC_OP_SCHEMA)
        return touch_schema(refused, event, error);
    return event->op == CDC_OP_TRUNCATE ? touch_rows(refused, event, INT64_MAX, error) : 0;
}

/* -- lines that are refused --------------------------------------------------------------- */

/* A destination may refuse a line long after it took it in: has one of the same row gone to it since? The newest one tells; should
 * that be refused as well, the wait goes on where it is the only one. Of several, each may have been stored: see link_before. */
static void look_at_recent(const struct refused *refused, struct refused_entry *entry, uint64_t number)
{
    struct recent_line newest = {0}, line;
    uint64_t keys[2] = {0, 0};
    bool unknown = false, away = false, several = false;

    for (int k = 1; k >= 0; k--) {
        int found = recent_find(refused->recent, entry->keys[k], number, &line);
        unknown |= found < 0;
        if (found <= 0)
            continue;
        several |= line.previous > number || (newest.number > 0 && newest.number != line.number);
        newest = line;
        keys[k] = entry->keys[k];
        away = k == 0 && line.away > number;
    }
    if (away) {
        entry->state = REFUSED_AWAY;
    } else if (newest.number > 0) {
        uint64_t own = entry->lacks != NULL ? cdc_hash_span(CDC_HASH_INIT, cdc_span_text(entry->lacks)) : 0;
        entry->state = ended_as(entry, keys, newest.lacks == 0, newest.lacks == 0 || newest.lacks == own);
    } else if (unknown) {
        entry->state = REFUSED_UNKNOWN;
    }
    entry->was = REFUSED_WAITING;
    entry->ended_by = unknown ? 0 : several ? REFUSED_BY_SEVERAL : newest.number;
}

/* The line that has ended their wait is refused as well: they go on waiting, and come before it. So do those whose wait they have ended,
 * of which each is the next line of the row:
 *
 *   1 refused   ended by 2     waits again, since 2 does
 *   2 refused   ended by 3     waits again, since 3 does
 *   3 refused   waits */
static int wait_again(struct refused *refused, uint64_t number, struct cdc_error *error)
{
    for (size_t i = 0; i < refused->n; i++) {
        struct refused_entry *entry = &refused->entries[i];
        bool ended = entry->state == REFUSED_NEWER || entry->state == REFUSED_LACKING || entry->state == REFUSED_AWAY;
        if (!ended || entry->ended_by != number)
            continue;
        if (refused_set_state(refused, entry, entry->was, error) != 0 ||
            (entry->number != 0 && wait_again(refused, entry->number, error) != 0))
            return -1;
    }
    return 0;
}

/* Of several lines after a refused one, the next one is refused, too. */
static void link_before(struct refused *refused, const struct refused_entry *next)
{
    uint64_t before = next->keys[0] == next->keys[1] ? recent_before(refused->recent, next->keys[0], next->number) : 0;

    for (size_t i = refused->n; before != 0 && i > 0; i--) {
        struct refused_entry *entry = &refused->entries[i - 1];
        if (entry->number == before && entry->ended_by == REFUSED_BY_SEVERAL && entry->keys[0] == next->keys[0] &&
            entry->keys[1] == next->keys[0])
            entry->ended_by = next->number;
    }
}

/* A JSON string; NULL: nobody has said which column tells it, or the row does not have it, or without memory. RETURNS NEW. */
static char *part_of(const struct refused_table *table, const struct cdc_event *event)
{
    struct cdc_span line = cdc_span(table->line.data, table->line.len), part = cdc_json_member(line, "part");
    char *column = cdc_json_member_text(part, "column");
    struct cdc_span value = column != NULL ? cdc_part_of_row(event, column) : cdc_span(NULL, 0);
    free(column);
    return value.p != NULL && cdc_json_type(value) == CDC_JSON_STRING ? cdc_span_copy(value) : NULL;
}

/* *entry: what is kept of the line, with its texts. 1; 0: the line has no key; -1. */
static int read_entry(struct refused *refused, const struct cdc_event *event, struct refused_entry *entry,
                      struct cdc_error *error)
{
    struct refused_names names = refused_names_of(refused, event);
    const struct refused_table *table = refused_find_table(refused, names.table);

    *entry = (struct refused_entry){.db = names.db,
                                    .table = names.table,
                                    .seq = event->has_seq ? event->seq : -1,
                                    .columns = table != NULL ? table->columns : 0,
                                    .state = REFUSED_WAITING};
    if (!refused_hash_keys(refused, names.table, event, entry->keys) && !refused->history)
        return 0;
    struct cdc_span lacks = refused_lacks_of(refused, event);
    entry->lacks = lacks.n > 0 ? cdc_span_copy(lacks) : NULL;
    if (refused->lacks.failed || (lacks.n > 0 && entry->lacks == NULL))
        return cdc_error_memory(error);
    entry->part = table != NULL ? part_of(table, event) : NULL;
    entry->pos = cdc_span_copy(event->pos);
    entry->name = cdc_span_copy(event->name);
    return 1;
}

static int add_new(struct refused *refused, const struct refused_entry *entry, struct cdc_error *error)
{
    struct refused_table *table = refused_find_table(refused, entry->table);

    if (table != NULL && !table->written) {
        refused_append_schema(&refused->text, table);
        table->written = true;
    }
    const struct refused_entry *known = refused_add_entry(refused, *entry, error);
    if (known == NULL)
        return -1;
    refused_append_entry(&refused->text, known);
    return refused_write_text(refused, error);
}

static int note_line(struct refused *refused, const struct cdc_event *event, uint64_t number, struct cdc_error *error)
{
    struct refused_entry *known = refused_find_entry(refused, event->name, event->pos), entry;
    int result = read_entry(refused, event, &entry, error);

    if (result <= 0)
        return result;
    entry.number = number;
    if (!refused->history) {
        look_at_recent(refused, &entry, number);
        link_before(refused, &entry);
    }
    if ((entry.state == REFUSED_WAITING && wait_again(refused, number, error) != 0) ||
        (known == NULL && forget_oldest(refused, error) != 0)) {
        refused_free_entry(&entry);
        return -1;
    }
    if (known == NULL)
        return add_new(refused, &entry, error);
    /* It came again, and its own coming has ended the wait. */
    known->was = entry.was;
    known->number = number;
    known->ended_by = entry.ended_by;
    refused_free_entry(&entry);
    return refused_set_state(refused, known, entry.state, error);
}

/* In a history it may be of a whole table, or of none. */
static bool may_come_again(const struct refused *refused, const struct cdc_event *event)
{
    return event->pos.n > 0 && event->name.p != NULL &&
           (cdc_event_has_row(event) ||
            (refused->history && (event->op == CDC_OP_TRUNCATE || event->op == CDC_OP_MESSAGE)));
}

int refused_note(struct refused *refused, struct cdc_span line, uint64_t number, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_error ignored = {0};

    if (refused == NULL || !refused->keeps || line.p == NULL ||
        cdc_event_parse(&event, line.p, line.n, &ignored) != 0 || !may_come_again(refused, &event))
        return 0;
    return note_line(refused, &event, number, error);
}

/* -- replaying ---------------------------------------------------------------------------- */

/* Has the row left that key, by a line that waits and has all of it? Whoever stored the older one alone would have a row under a key that
 * none has any more. */
static bool has_moved_on(const struct refused *refused, const struct refused_entry *entry)
{
    for (size_t i = 0; i < refused->n; i++)
        if (refused->entries[i].state == REFUSED_WAITING && refused->entries[i].lacks == NULL &&
            is_left_behind(entry, &refused->entries[i]))
            return true;
    return false;
}

enum refused_state refused_look(struct refused *refused, const struct cdc_event *event, size_t *entry,
                                struct cdc_span *schema)
{
    uint64_t keys[2];

    *schema = cdc_span(NULL, 0);
    if (!may_come_again(refused, event))
        return REFUSED_UNKNOWN;
    struct refused_entry *known = refused_find_entry(refused, event->name, event->pos);
    struct refused_names names = refused_names_of(refused, event);
    bool has_key = refused_hash_keys(refused, names.table, event, keys) || refused->history;
    /* One that a person has mended is the same row still. */
    if (known == NULL || known->table != names.table || !has_key || known->keys[0] != keys[0])
        return REFUSED_UNKNOWN;
    *entry = (size_t)(known - refused->entries);
    struct refused_table *table = refused_find_table(refused, names.table);
    if (table != NULL)
        *schema = cdc_span(table->line.data, table->line.len);
    bool moved_on = known->state == REFUSED_WAITING && !refused->history && known->keys[0] == known->keys[1] &&
                    has_moved_on(refused, known);
    return moved_on ? REFUSED_NEWER : known->state;
}

bool refused_is_behind(const struct refused *refused, size_t entry, size_t other)
{
    return !refused->history && is_older(&refused->entries[entry], &refused->entries[other]);
}

int refused_replayed(struct refused *refused, size_t entry, struct cdc_error *error)
{
    struct refused_entry *done = &refused->entries[entry];
    struct cdc_span lacks = cdc_span_text(done->lacks != NULL ? done->lacks : "");

    for (size_t i = 0; i < refused->n && !refused->history; i++) {
        struct refused_entry *older = &refused->entries[i];
        if (!refused_is_open(older->state) || !is_older(older, done))
            continue;
        enum refused_state state = ended_as(older, done->keys, lacks.n == 0, is_within(lacks, older->lacks));
        int result = end_wait(refused, older, state, 0, error);
        if (result < 0 || (result > 0 && end_waits_behind(refused, older, 0, error) != 0))
            return -1;
    }
    return refused_set_state(refused, done, REFUSED_REPLAYED, error);
}

/* -- opening ------------------------------------------------------------------------------ */

static int remove_old(const char *path, struct cdc_error *error)
{
    struct stat status;

    if (lstat(path, &status) != 0 || unlink(path) == 0)
        return 0;
    return cdc_error_set(error, cdc_file_exit(errno), "unable to remove \"%s\": %s", path, strerror(errno));
}

int refused_open(struct refused **result, const char *path, const struct refused_settings *settings,
                 struct cdc_error *error)
{
    *result = NULL;
    if (path == NULL)
        return 0;
    struct refused *refused = calloc(1, sizeof *refused);
    if (refused == NULL)
        return cdc_error_memory(error);
    refused->fd = -1;
    refused->keeps = settings->keeps;
    refused->history = settings->history;
    refused->path = strdup(path);
    refused->filter = calloc((size_t)1 << (REFUSED_FILTER_BITS - 6), sizeof *refused->filter);
    refused->recent = settings->keeps ? recent_new() : NULL;
    if (refused->path == NULL || refused->filter == NULL || (settings->keeps && refused->recent == NULL))
        cdc_error_memory(error);
    else if ((settings->anew ? remove_old(path, error) : refused_load(refused, error)) == 0)
        return *result = refused, 0;
    refused_free(refused);
    return -1;
}

void refused_free(struct refused *refused)
{
    if (refused == NULL)
        return;
    if (refused->fd >= 0)
        close(refused->fd);
    for (size_t i = 0; i < refused->n; i++)
        refused_free_entry(&refused->entries[i]);
    for (size_t i = 0; i < refused->n_tables; i++)
        cdc_buf_free(&refused->tables[i].line);
    free(refused->entries);
    free(refused->tables);
    free(refused->filter);
    recent_free(refused->recent);
    free(refused->path);
    cdc_buf_free(&refused->text);
    cdc_buf_free(&refused->scratch);
    cdc_buf_free(&refused->lacks);
    free(refused);
}
