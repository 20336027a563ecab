/* SPDX-License-Identifier: MIT */
/* A refused line that is taken in later must not go over a newer row. The destination cannot tell: a table has no positions of rows,
 * an index forgets that of a row that was deleted, a webhook's receiver says nothing. The stream can: every line that goes to the
 * destination is looked at, and the first one of the same row ends the wait of the refused one. One JSON object a line:
 *
 *   {"schema":"9F02...","line":"{\"op\":\"schema\",..."}         of a table, by its hash
 *   {"letter":"0000A1","name":"shop","seq":7,"db":"..","table":"9F02...","keys":["01AB...","01AB..."],"columns":"77...","lacks":["note"]}
 *   {"letter":"0000A1","name":"shop","state":2}
 *
 * With "part":"shop1.orders" where the table was put together from several (cdc/part.h): which one the row is of.
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
#include "libcdc/loop/refused.h"
#include "libcdc/loop/recent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/hash.h>
#include <cdc/part.h>

#define ENTRIES_MAX 10000u /* the newest ones are known */
#define FORGET 1000u       /* at a time */
#define LINES_MAX 50000u   /* that are appended before the file is written anew */
#define FILTER_BITS 16

struct entry {
    char *pos, *name; /* as they stand in the line */
    char *lacks;      /* an array: the columns that the line does not have; NULL: none */
    char *part;       /* a JSON string: of which part of its table it is; NULL: not known */
    uint64_t id;      /* of name and pos */
    int64_t seq;      /* of the line; -1: not known */
    uint64_t db, table, keys[2], columns;
    enum refused_state state;
    uint64_t ended_by;      /* the line of this run that has ended its wait; 0: none */
    enum refused_state was; /* before that */
};

struct described {
    uint64_t table, columns;
    struct cdc_buf line;
    bool written;
};

struct refused {
    char *path;
    int fd; /* -1: not there yet */
    bool dirty, keeps, history;
    size_t n_lines; /* that were appended since it was written anew */
    struct entry *entries;
    size_t n, n_open;
    struct described *tables;
    size_t n_tables;
    uint64_t *filter;      /* a bit for each key of those that wait; bits of others stay */
    struct recent *recent; /* NULL: no line is refused in this run */
    struct cdc_buf text, scratch, lacks;
};

/* -- hashes ------------------------------------------------------------------------------- */

struct names {
    uint64_t db, table;
};

static uint64_t hash_raw(struct refused *refused, uint64_t hash, struct cdc_span raw)
{
    if (raw.p != NULL && memchr(raw.p, '\\', raw.n) != NULL) {
        refused->scratch.len = 0;
        cdc_json_unescape(&refused->scratch, raw);
        raw = cdc_span(refused->scratch.data, refused->scratch.len);
    }
    return cdc_hash_byte(cdc_hash_span(hash, raw), 0xff);
}

static struct names names_of(struct refused *refused, const struct cdc_event *event)
{
    struct names names;

    names.db = hash_raw(refused, hash_raw(refused, CDC_HASH_INIT, event->name), event->db);
    names.table = hash_raw(refused, hash_raw(refused, names.db, event->schema), event->table);
    return names;
}

/* Ids that follow each other differ in the last byte: that reaches all bits (the finalizer of MurmurHash3). */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
    hash = (hash ^ hash >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
    return hash ^ hash >> 33;
}

/* Members in any order, strings however they are escaped. */
static uint64_t hash_member(struct refused *refused, uint64_t table, struct cdc_span name, struct cdc_span value)
{
    uint64_t hash = hash_raw(refused, table, name);
    struct cdc_span raw = cdc_json_string_raw(value);

    return mix(raw.p != NULL ? hash_raw(refused, cdc_hash_byte(hash, 's'), raw) : cdc_hash_span(hash, value));
}

/* Of the row's key, and of the one that it had before: the same one where that is not known. false: it has none. */
static bool hash_keys(struct refused *refused, uint64_t table, const struct cdc_event *event, uint64_t keys[2])
{
    struct cdc_json_iter iter, row;
    struct cdc_span name, value, other, old;
    bool moved = event->op == CDC_OP_UPDATE && cdc_json_type(event->before) == CDC_JSON_OBJECT;
    size_t n = 0, found = 0;

    keys[0] = keys[1] = 0;
    if (cdc_json_type(event->key) != CDC_JSON_OBJECT)
        return false;
    for (cdc_json_iter_begin(&iter, event->key); cdc_json_next_member(&iter, &name, &value); n++) {
        keys[0] += hash_member(refused, table, name, value);
        if (!moved)
            continue;
        for (cdc_json_iter_begin(&row, event->before); cdc_json_next_member(&row, &other, &old);)
            if (cdc_json_raw_equal(other, name)) {
                keys[1] += hash_member(refused, table, name, old);
                found++;
                break;
            }
    }
    if (found < n || !moved)
        keys[1] = keys[0];
    return n > 0;
}

static struct cdc_span member_of(struct cdc_span object, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (cdc_json_type(object) != CDC_JSON_OBJECT)
        return cdc_span(NULL, 0);
    for (cdc_json_iter_begin(&iter, object); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_json_raw_equal(name, raw))
            return value;
    return cdc_span(NULL, 0);
}

/* The columns that the line does not have, as an array; of no bytes where it has all. BORROWED until the next call. */
static struct cdc_span lacks_of(struct refused *refused, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span item, none = {NULL, 0};
    struct cdc_buf *out = &refused->lacks;

    out->len = 0;
    if (event->op != CDC_OP_UPDATE || event->unchanged.p == NULL || cdc_json_type(event->unchanged) != CDC_JSON_ARRAY)
        return none;
    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &item);) {
        if (event->before.p != NULL && member_of(event->before, cdc_json_string_raw(item)).p != NULL)
            continue;
        cdc_buf_byte(out, out->len == 0 ? '[' : ',');
        cdc_buf_span(out, item);
    }
    if (out->len == 0)
        return none;
    cdc_buf_byte(out, ']');
    return cdc_span(out->data, out->len);
}

static uint64_t hash_columns(const struct cdc_event *event)
{
    return cdc_hash_span(cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, event->columns), 0xff), event->key_columns);
}

static void set_bit(struct refused *refused, uint64_t key)
{
    uint32_t bit = cdc_hash_fold(key) & ((1u << FILTER_BITS) - 1);
    refused->filter[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool may_wait(const struct refused *refused, uint64_t key)
{
    uint32_t bit = cdc_hash_fold(key) & ((1u << FILTER_BITS) - 1);
    return (refused->filter[bit / 64] >> bit % 64 & 1) != 0;
}

/* -- the file ----------------------------------------------------------------------------- */

static int io_error(const struct refused *refused, struct cdc_error *error)
{
    return cdc_error_set(error, cdc_file_exit(errno), "unable to write \"%s\": %s", refused->path, strerror(errno));
}

static int open_file(struct refused *refused, struct cdc_error *error)
{
    refused->fd = cdc_file_open(refused->path, O_RDWR | O_CREAT | O_APPEND, 0600, "file of refused lines", error);
    if (refused->fd < 0)
        return -1;
    return cdc_file_sync_folder(refused->path) == 0 ? 0 : io_error(refused, error);
}

static int write_text(struct refused *refused, struct cdc_error *error)
{
    if (refused->text.failed)
        return cdc_error_memory(error);
    if (refused->fd < 0 && open_file(refused, error) != 0)
        return -1;
    refused->dirty = true;
    refused->n_lines++;
    int result = cdc_file_write(refused->fd, refused->text.data, refused->text.len);
    refused->text.len = 0;
    return result == 0 ? 0 : io_error(refused, error);
}

static void append_schema(struct cdc_buf *out, const struct described *table)
{
    cdc_buf_lit(out, "{\"schema\":\"");
    cdc_buf_hex(out, table->table, 16);
    cdc_buf_lit(out, "\",\"line\":");
    cdc_json_append_string(out, table->line.data, table->line.len);
    cdc_buf_lit(out, "}\n");
}

static void append_head(struct cdc_buf *out, const struct entry *entry)
{
    cdc_buf_printf(out, "{\"letter\":\"%s\",\"name\":\"%s\"", entry->pos, entry->name);
}

static void append_entry(struct cdc_buf *out, const struct entry *entry)
{
    append_head(out, entry);
    cdc_buf_lit(out, ",\"db\":\"");
    cdc_buf_hex(out, entry->db, 16);
    cdc_buf_lit(out, "\",\"table\":\"");
    cdc_buf_hex(out, entry->table, 16);
    cdc_buf_lit(out, "\",\"keys\":[\"");
    cdc_buf_hex(out, entry->keys[0], 16);
    cdc_buf_lit(out, "\",\"");
    cdc_buf_hex(out, entry->keys[1], 16);
    cdc_buf_lit(out, "\"],\"columns\":\"");
    cdc_buf_hex(out, entry->columns, 16);
    cdc_buf_byte(out, '"');
    if (entry->lacks != NULL) {
        cdc_buf_lit(out, ",\"lacks\":");
        cdc_buf_text(out, entry->lacks);
    }
    if (entry->part != NULL) {
        cdc_buf_lit(out, ",\"part\":");
        cdc_buf_text(out, entry->part);
    }
    cdc_buf_lit(out, ",\"seq\":");
    cdc_buf_i64(out, entry->seq);
    cdc_buf_printf(out, ",\"state\":%d}\n", (int)entry->state);
}

/* Without what is not known any more, and without the tail of a line that a kill has torn. */
static int rewrite(struct refused *refused, struct cdc_error *error)
{
    refused->text.len = 0;
    for (size_t i = 0; i < refused->n_tables; i++)
        if (refused->tables[i].written)
            append_schema(&refused->text, &refused->tables[i]);
    for (size_t i = 0; i < refused->n; i++)
        if (refused->entries[i].state != REFUSED_UNKNOWN)
            append_entry(&refused->text, &refused->entries[i]);
    if (refused->text.failed)
        return cdc_error_memory(error);
    int result = cdc_file_replace(refused->path, refused->text.data, refused->text.len, 0600, true, error);
    refused->text.len = 0;
    if (result != 0)
        return -1;
    if (refused->fd >= 0)
        close(refused->fd);
    refused->dirty = false;
    refused->n_lines = 0;
    return open_file(refused, error);
}

/* A run may have any number of refused lines, and the next one reads the file. */
int refused_sync(struct refused *refused, struct cdc_error *error)
{
    if (refused == NULL || !refused->dirty)
        return 0;
    if (refused->n_lines > LINES_MAX)
        return rewrite(refused, error);
    if (fsync(refused->fd) != 0)
        return io_error(refused, error);
    refused->dirty = false;
    return 0;
}

/* -- entries ------------------------------------------------------------------------------ */

/* May a line that comes still make good what it has? */
static bool is_open(enum refused_state state)
{
    return state == REFUSED_WAITING || state == REFUSED_CHANGED || state == REFUSED_LACKING;
}

static int set_state(struct refused *refused, struct entry *entry, enum refused_state state, struct cdc_error *error)
{
    if (entry->state == state)
        return 0;
    refused->n_open += (size_t)is_open(state) - (size_t)is_open(entry->state);
    entry->state = state;
    append_head(&refused->text, entry);
    cdc_buf_printf(&refused->text, ",\"state\":%d}\n", (int)state);
    return write_text(refused, error);
}

/* Is its row one that the line is about, which is of a whole table, or of a part of it? 1, 0; -1: nobody knows. */
static int is_of_part(struct refused *refused, const struct entry *entry, const struct cdc_part *part)
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
static bool is_excepted(struct refused *refused, const struct entry *entry, const struct cdc_event *event)
{
    struct cdc_span list = cdc_json_member(event->line, "except"), name;
    uint64_t schema = hash_raw(refused, entry->db, event->schema);
    struct cdc_json_iter iter;

    if (list.p == NULL || cdc_json_type(list) != CDC_JSON_ARRAY)
        return false;
    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &name);)
        if (hash_raw(refused, schema, cdc_json_string_raw(name)) == entry->table)
            return true;
    return false;
}

/* Is the entry's row one of those that the line is about? 1, 0; -1: nobody knows. */
static int is_about(struct refused *refused, const struct names *names, const struct cdc_event *event,
                    const struct cdc_part *part, const struct entry *entry)
{
    if (cdc_event_is_of_database(event))
        return entry->db == names->db && !is_excepted(refused, entry, event);
    return entry->table == names->table ? is_of_part(refused, entry, part) : 0;
}

/* The line is about all rows of a table, a part of it or a database: those that are older than that seq do not wait any more. */
static int touch_rows(struct refused *refused, const struct cdc_event *event, int64_t before, struct cdc_error *error)
{
    struct names names = names_of(refused, event);
    struct cdc_error ignored = {0};
    struct cdc_part part;
    bool ended = false;
    int of_part = cdc_part_read(&part, event, &ignored);

    if (of_part < 0) /* no destination takes it */
        return 0;
    for (size_t i = 0; i < refused->n; i++) {
        struct entry *entry = &refused->entries[i];
        if (!is_open(entry->state) || entry->seq >= before)
            continue;
        int about = is_about(refused, &names, event, of_part == 1 ? &part : NULL, entry);
        if (refused->scratch.failed)
            return cdc_error_memory(error);
        if (about == 0 || (about < 0 && entry->state != REFUSED_WAITING))
            continue;
        if (set_state(refused, entry, about > 0 ? REFUSED_NEWER : REFUSED_LACKING, error) != 0)
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
        struct entry *entry = &refused->entries[i];
        if (entry->state != REFUSED_WAITING || entry->table != table || entry->columns == columns)
            continue;
        if (set_state(refused, entry, REFUSED_CHANGED, error) != 0)
            return -1;
        ended = true;
    }
    return ended ? refused_sync(refused, error) : 0;
}

static uint64_t id_of(struct cdc_span name, struct cdc_span pos)
{
    return cdc_hash_span(cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, name), 0xff), pos);
}

static struct entry *find_entry(struct refused *refused, struct cdc_span name, struct cdc_span pos)
{
    uint64_t id = id_of(name, pos);

    for (size_t i = refused->n; i > 0; i--) {
        struct entry *entry = &refused->entries[i - 1];
        if (entry->id == id && cdc_span_is(pos, entry->pos) && cdc_span_is(name, entry->name))
            return entry;
    }
    return NULL;
}

static void free_entry(struct entry *entry)
{
    free(entry->pos);
    free(entry->name);
    free(entry->lacks);
    free(entry->part);
}

static bool is_full(const struct refused *refused)
{
    return refused->n >= ENTRIES_MAX + FORGET;
}

static void drop_oldest(struct refused *refused)
{
    for (size_t i = 0; i < FORGET; i++) {
        refused->n_open -= is_open(refused->entries[i].state);
        free_entry(&refused->entries[i]);
    }
    refused->n -= FORGET;
    memmove(refused->entries, refused->entries + FORGET, refused->n * sizeof *refused->entries);
}

/* The oldest ones are not known any more, which ends their wait for good. */
static int forget_oldest(struct refused *refused, struct cdc_error *error)
{
    bool waited = false;

    if (!is_full(refused))
        return 0;
    for (size_t i = 0; i < FORGET; i++) {
        waited |= is_open(refused->entries[i].state);
        if (set_state(refused, &refused->entries[i], REFUSED_UNKNOWN, error) != 0)
            return -1;
    }
    if (waited && refused_sync(refused, error) != 0)
        return -1;
    drop_oldest(refused);
    return 0;
}

/* TAKES its texts. */
static struct entry *add_entry(struct refused *refused, struct entry entry, struct cdc_error *error)
{
    struct entry *entries = NULL;

    if (entry.pos != NULL && entry.name != NULL)
        entries = realloc(refused->entries, (refused->n + 1) * sizeof *entries);
    if (entries == NULL) {
        free_entry(&entry);
        cdc_error_memory(error);
        return NULL;
    }
    refused->entries = entries;
    entry.id = id_of(cdc_span_text(entry.name), cdc_span_text(entry.pos));
    entries[refused->n] = entry;
    set_bit(refused, entry.keys[0]);
    set_bit(refused, entry.keys[1]);
    refused->n_open += is_open(entry.state);
    return &entries[refused->n++];
}

/* -- tables ------------------------------------------------------------------------------- */

static struct described *find_table(struct refused *refused, uint64_t table)
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

static int describe(struct refused *refused, uint64_t table, const struct cdc_event *event, bool written,
                    struct cdc_error *error)
{
    struct described *known = find_table(refused, table);

    if (known != NULL && known->columns == hash_columns(event))
        return 0;
    if (known == NULL) {
        struct described *tables = realloc(refused->tables, (refused->n_tables + 1) * sizeof *tables);
        if (tables == NULL)
            return cdc_error_memory(error);
        refused->tables = tables;
        known = &tables[refused->n_tables++];
        *known = (struct described){.table = table, .line = CDC_BUF_INIT};
    }
    known->columns = hash_columns(event);
    known->written = written;
    known->line.len = 0;
    append_without_read(&known->line, event->line);
    return known->line.failed ? cdc_error_memory(error) : 0;
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

static bool shares_key(const struct entry *entry, const uint64_t keys[2])
{
    return entry->keys[0] == keys[0] || entry->keys[1] == keys[0] || entry->keys[0] == keys[1] ||
           entry->keys[1] == keys[1];
}

/* What becomes of it by a newer line with these keys, which does not have these columns. Of a row that has moved, the columns that its
 * line lacks are under the old key, and none under the new one. */
static enum refused_state ended_as(const struct entry *entry, const uint64_t keys[2], bool is_whole, bool has_all)
{
    bool moved = entry->keys[0] != entry->keys[1];

    if (entry->keys[0] != keys[0] && entry->keys[0] != keys[1])
        return REFUSED_LACKING;
    if (moved)
        return is_whole && entry->lacks == NULL ? REFUSED_NEWER : REFUSED_LACKING;
    return has_all ? REFUSED_NEWER : REFUSED_LACKING;
}

static int end_wait(struct refused *refused, struct entry *entry, enum refused_state state, uint64_t number,
                    struct cdc_error *error)
{
    if (state == REFUSED_LACKING && entry->state != REFUSED_WAITING)
        return 0;
    entry->was = entry->state;
    entry->ended_by = number;
    return set_state(refused, entry, state, error) == 0 ? 1 : -1;
}

static bool is_older(const struct entry *entry, const struct entry *than)
{
    return shares_key(entry, than->keys) && cdc_span_compare(cdc_span_text(entry->pos), cdc_span_text(than->pos)) < 0;
}

/* Is it a line of the row from before `move` has taken that to another key? */
static bool is_left_behind(const struct entry *entry, const struct entry *move)
{
    return move->keys[0] != move->keys[1] && entry->keys[0] == move->keys[1] && is_older(entry, move);
}

/* A line that ends the wait of one that moved the row is of the same row under a key that older ones do not have: stored after that, they
 * would be a second row. */
static int end_waits_behind(struct refused *refused, const struct entry *move, uint64_t number, struct cdc_error *error)
{
    for (size_t i = 0; i < refused->n; i++) {
        struct entry *entry = &refused->entries[i];
        if (!is_open(entry->state) || !is_left_behind(entry, move))
            continue;
        int result = end_wait(refused, entry, move->state, number, error);
        if (result < 0 || (result > 0 && end_waits_behind(refused, entry, number, error) != 0))
            return -1;
    }
    return 0;
}

static void note_recent(struct refused *refused, const uint64_t keys[2], struct cdc_span lacks, uint64_t number)
{
    struct recent_line line = {number, lacks.n > 0 ? cdc_hash_span(CDC_HASH_INIT, lacks) : 0};

    if (refused->recent == NULL)
        return;
    recent_note(refused->recent, keys[0], &line);
    if (keys[1] != keys[0])
        recent_note(refused->recent, keys[1], &line);
}

static int touch_row(struct refused *refused, const struct cdc_event *event, uint64_t number, struct cdc_error *error)
{
    struct names names = names_of(refused, event);
    uint64_t keys[2];
    int ended = 0;

    if (!hash_keys(refused, names.table, event, keys))
        return 0;
    struct cdc_span lacks = lacks_of(refused, event);
    if (refused->lacks.failed)
        return cdc_error_memory(error);
    note_recent(refused, keys, lacks, number);
    if (refused->n_open == 0 || (!may_wait(refused, keys[0]) && !may_wait(refused, keys[1])))
        return 0;
    for (size_t i = 0; i < refused->n && ended >= 0; i++) {
        struct entry *entry = &refused->entries[i];
        int order = cdc_span_compare(event->pos, cdc_span_text(entry->pos));
        /* What comes again after a restart may be from before it. */
        if (!is_open(entry->state) || !shares_key(entry, keys) || order < 0)
            continue;
        enum refused_state state =
            order == 0 ? REFUSED_NEWER : ended_as(entry, keys, lacks.n == 0, is_within(lacks, entry->lacks));
        int result = end_wait(refused, entry, state, number, error);
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
    struct names names = names_of(refused, event);

    if (cdc_span_is(event->read, "end") && touch_rows(refused, event, begin_of_read(event), error) != 0)
        return -1;
    if (!refused->keeps && refused->n_open == 0)
        return 0;
    if (end_waits_of_columns(refused, names.table, hash_columns(event), error) != 0)
        return -1;
    return describe(refused, names.table, event, false, error);
}

bool refused_ends_others(struct refused *refused, const struct cdc_event *event)
{
    if (refused == NULL || !refused->keeps || refused->history)
        return false;
    if (event->op != CDC_OP_SCHEMA)
        return event->op == CDC_OP_TRUNCATE;
    struct described *known = find_table(refused, names_of(refused, event).table);
    return cdc_span_is(event->read, "end") || (known != NULL && known->columns != hash_columns(event));
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
 * that be refused as well, one between the two may not be. */
static void look_at_recent(const struct refused *refused, struct entry *entry, uint64_t number)
{
    struct recent_line newest = {0, 0}, line;
    uint64_t keys[2] = {0, 0};
    bool unknown = false;

    for (int k = 1; k >= 0; k--) {
        int found = recent_find(refused->recent, entry->keys[k], number, &line);
        unknown |= found < 0;
        if (found <= 0)
            continue;
        newest = line;
        keys[k] = entry->keys[k];
    }
    if (newest.number > 0) {
        uint64_t own = entry->lacks != NULL ? cdc_hash_span(CDC_HASH_INIT, cdc_span_text(entry->lacks)) : 0;
        entry->state = ended_as(entry, keys, newest.lacks == 0, newest.lacks == 0 || newest.lacks == own);
    } else if (unknown) {
        entry->state = REFUSED_UNKNOWN;
    }
}

/* The line that has ended their wait is refused as well: they go on waiting, and come before it. */
static int wait_again(struct refused *refused, uint64_t number, struct cdc_error *error)
{
    for (size_t i = 0; i < refused->n; i++) {
        struct entry *entry = &refused->entries[i];
        if ((entry->state == REFUSED_NEWER || entry->state == REFUSED_LACKING) && entry->ended_by == number &&
            set_state(refused, entry, entry->was, error) != 0)
            return -1;
    }
    return 0;
}

/* A JSON string; NULL: nobody has said which column tells it, or the row does not have it, or without memory. RETURNS NEW. */
static char *part_of(const struct described *table, const struct cdc_event *event)
{
    struct cdc_span line = cdc_span(table->line.data, table->line.len), part = cdc_json_member(line, "part");

    if (part.p == NULL || cdc_json_type(part) != CDC_JSON_OBJECT)
        return NULL;
    char *column = cdc_json_member_text(part, "column");
    struct cdc_span value = column != NULL ? cdc_part_of_row(event, column) : cdc_span(NULL, 0);
    free(column);
    return value.p != NULL && cdc_json_type(value) == CDC_JSON_STRING ? cdc_span_copy(value) : NULL;
}

/* *entry: what is kept of the line, with its texts. 1; 0: the line has no key; -1. */
static int read_entry(struct refused *refused, const struct cdc_event *event, struct entry *entry,
                      struct cdc_error *error)
{
    struct names names = names_of(refused, event);
    const struct described *table = find_table(refused, names.table);

    *entry = (struct entry){.db = names.db,
                            .table = names.table,
                            .seq = event->has_seq ? event->seq : -1,
                            .columns = table != NULL ? table->columns : 0,
                            .state = REFUSED_WAITING};
    if (!hash_keys(refused, names.table, event, entry->keys) && !refused->history)
        return 0;
    struct cdc_span lacks = lacks_of(refused, event);
    entry->lacks = lacks.n > 0 ? cdc_span_copy(lacks) : NULL;
    if (refused->lacks.failed || (lacks.n > 0 && entry->lacks == NULL))
        return cdc_error_memory(error);
    entry->part = table != NULL ? part_of(table, event) : NULL;
    entry->pos = cdc_span_copy(event->pos);
    entry->name = cdc_span_copy(event->name);
    return 1;
}

static int add_new(struct refused *refused, const struct entry *entry, struct cdc_error *error)
{
    struct described *table = find_table(refused, entry->table);

    if (table != NULL && !table->written) {
        append_schema(&refused->text, table);
        table->written = true;
    }
    const struct entry *known = add_entry(refused, *entry, error);
    if (known == NULL)
        return -1;
    append_entry(&refused->text, known);
    return write_text(refused, error);
}

static int note_line(struct refused *refused, const struct cdc_event *event, uint64_t number, struct cdc_error *error)
{
    struct entry *known = find_entry(refused, event->name, event->pos), entry;
    int result = read_entry(refused, event, &entry, error);

    if (result <= 0)
        return result;
    if (!refused->history)
        look_at_recent(refused, &entry, number);
    if ((entry.state == REFUSED_WAITING && wait_again(refused, number, error) != 0) ||
        (known == NULL && forget_oldest(refused, error) != 0)) {
        free_entry(&entry);
        return -1;
    }
    if (known == NULL)
        return add_new(refused, &entry, error);
    /* It came again, and its own coming has ended the wait. */
    free_entry(&entry);
    known->ended_by = 0;
    return set_state(refused, known, entry.state, error);
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
static bool has_moved_on(const struct refused *refused, const struct entry *entry)
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
    struct entry *known = find_entry(refused, event->name, event->pos);
    struct names names = names_of(refused, event);
    bool has_key = hash_keys(refused, names.table, event, keys) || refused->history;
    /* One that a person has mended is the same row still. */
    if (known == NULL || known->table != names.table || !has_key || known->keys[0] != keys[0])
        return REFUSED_UNKNOWN;
    *entry = (size_t)(known - refused->entries);
    struct described *table = find_table(refused, names.table);
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
    struct entry *done = &refused->entries[entry];
    struct cdc_span lacks = cdc_span_text(done->lacks != NULL ? done->lacks : "");

    for (size_t i = 0; i < refused->n && !refused->history; i++) {
        struct entry *older = &refused->entries[i];
        if (!is_open(older->state) || !is_older(older, done))
            continue;
        enum refused_state state = ended_as(older, done->keys, lacks.n == 0, is_within(lacks, older->lacks));
        int result = end_wait(refused, older, state, 0, error);
        if (result < 0 || (result > 0 && end_waits_behind(refused, older, 0, error) != 0))
            return -1;
    }
    return set_state(refused, done, REFUSED_REPLAYED, error);
}

/* -- opening ------------------------------------------------------------------------------ */

static uint64_t hex_of(struct cdc_span object, const char *name)
{
    char text[24];

    return cdc_json_member_copy(object, name, text, sizeof text) ? strtoull(text, NULL, 16) : 0;
}

static int damaged(const struct refused *refused, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is damaged", refused->path);
    return cdc_error_hint(error, "remove it: dead letters from before cannot be replayed then");
}

static int load_schema(struct refused *refused, struct cdc_span object, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_event event;
    int result;

    refused->text.len = 0;
    cdc_json_unescape(&refused->text, cdc_json_member_raw(object, "line"));
    if (refused->text.failed)
        return cdc_error_memory(error);
    if (refused->text.len == 0 || cdc_event_parse(&event, refused->text.data, refused->text.len, &ignored) != 0)
        result = damaged(refused, error);
    else
        result = describe(refused, hex_of(object, "schema"), &event, true, error);
    refused->text.len = 0;
    return result;
}

static int load_letter(struct refused *refused, struct cdc_span object, struct cdc_error *error)
{
    struct cdc_span pos = cdc_json_member_raw(object, "letter"), name = cdc_json_member_raw(object, "name"), value;
    struct cdc_json_iter iter;
    struct entry *known = find_entry(refused, name, pos);
    int64_t state = REFUSED_UNKNOWN;

    if (name.p == NULL || !cdc_json_int64(cdc_json_member(object, "state"), &state) || state < REFUSED_UNKNOWN ||
        state >= REFUSED_STATES)
        return damaged(refused, error);
    if (known != NULL) {
        refused->n_open += (size_t)is_open((enum refused_state)state) - (size_t)is_open(known->state);
        known->state = (enum refused_state)state;
        return 0;
    }
    struct entry entry = {.seq = -1,
                          .db = hex_of(object, "db"),
                          .table = hex_of(object, "table"),
                          .columns = hex_of(object, "columns"),
                          .state = (enum refused_state)state};
    size_t n = 0;
    cdc_json_iter_begin(&iter, cdc_json_member(object, "keys"));
    while (n < 2 && cdc_json_next_element(&iter, &value)) {
        struct cdc_span raw = cdc_json_string_raw(value);
        char text[24] = "";
        memcpy(text, raw.p != NULL ? raw.p : "", raw.n < sizeof text ? raw.n : 0);
        entry.keys[n++] = strtoull(text, NULL, 16);
    }
    if (n < 2) /* a state alone: of one that was forgotten */
        return 0;
    value = cdc_json_member(object, "lacks");
    entry.lacks = value.p != NULL && cdc_json_type(value) == CDC_JSON_ARRAY ? cdc_span_copy(value) : NULL;
    value = cdc_json_member(object, "part");
    entry.part = value.p != NULL && cdc_json_type(value) == CDC_JSON_STRING ? cdc_span_copy(value) : NULL;
    (void)cdc_json_int64(cdc_json_member(object, "seq"), &entry.seq);
    entry.pos = cdc_span_copy(pos);
    entry.name = cdc_span_copy(name);
    if (is_full(refused)) /* the run that wrote it had forgotten them by then */
        drop_oldest(refused);
    return add_entry(refused, entry, error) != NULL ? 0 : -1;
}

static int load_line(struct refused *refused, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_error ignored = {0};

    if (cdc_json_validate(line.p, line.n, &ignored) == 0) {
        if (cdc_json_member_raw(line, "schema").p != NULL)
            return load_schema(refused, line, error);
        if (cdc_json_member_raw(line, "letter").p != NULL)
            return load_letter(refused, line, error);
    }
    return damaged(refused, error);
}

static int read_whole(int fd, struct cdc_buf *text)
{
    enum { PIECE = 64 << 10 };
    ssize_t n;

    do {
        if (!cdc_buf_room(text, PIECE))
            return -1;
        n = read(fd, text->data + text->len, PIECE);
        text->len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? -1 : 0;
}

/* A file system may make a file longer before the bytes are there: after a power cut they are NUL, which no line has, and from there on
 * nothing was durable. */
static bool is_unwritten(struct cdc_span line)
{
    return memchr(line.p, '\0', line.n) != NULL;
}

static int load(struct refused *refused, struct cdc_error *error)
{
    struct cdc_error why = {0};
    struct cdc_buf text = CDC_BUF_INIT;
    int fd = cdc_file_open(refused->path, O_RDONLY, 0, "file of refused lines", &why), result = 0;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return cdc_error_set(error, why.status, "%s", why.text);
    if (read_whole(fd, &text) != 0)
        result = cdc_error_set(error, CDC_EXIT_IO, "unable to read \"%s\": %s", refused->path, strerror(errno));
    close(fd);
    const char *end = text.data + text.len;
    for (const char *p = text.data, *lf; result == 0 && text.len > 0 && p < end; p = lf + 1) {
        if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL || is_unwritten(cdc_span(p, (size_t)(lf - p))))
            break;
        result = load_line(refused, cdc_span(p, (size_t)(lf - p)), error);
    }
    cdc_buf_free(&text);
    return result == 0 ? rewrite(refused, error) : -1;
}

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
    refused->filter = calloc((size_t)1 << (FILTER_BITS - 6), sizeof *refused->filter);
    refused->recent = settings->keeps ? recent_new() : NULL;
    if (refused->path == NULL || refused->filter == NULL || (settings->keeps && refused->recent == NULL))
        cdc_error_memory(error);
    else if ((settings->anew ? remove_old(path, error) : load(refused, error)) == 0)
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
        free_entry(&refused->entries[i]);
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
