/* SPDX-License-Identifier: MIT */
/* Temporary tables of sessions: temporary.h has an example. */
#include "connectors/mysql/decoder/temporary.h"

#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

static void free_item(struct my_temporary *item)
{
    free(item->db);
    free(item->name);
}

void my_temporaries_clear(struct my_temporaries *temporaries)
{
    for (size_t i = 0; i < temporaries->n; i++)
        free_item(&temporaries->items[i]);
    free(temporaries->items);
    *temporaries = (struct my_temporaries){0};
}

static size_t find(const struct my_temporaries *temporaries, struct my_temporary_owner owner, const char *db,
                   const char *name)
{
    size_t i = 0;
    for (; i < temporaries->n; i++) {
        const struct my_temporary *item = &temporaries->items[i];
        if (item->owner.server_id == owner.server_id && item->owner.thread_id == owner.thread_id &&
            strcmp(item->name, name) == 0 && strcmp(item->db, db) == 0)
            break;
    }
    return i;
}

bool my_temporaries_has(const struct my_temporaries *temporaries, struct my_temporary_owner owner, const char *db,
                        const char *name)
{
    return find(temporaries, owner, db, name) < temporaries->n;
}

static int too_many(struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "sessions with binlog_format=STATEMENT or MIXED have more than %d temporary tables",
                  MY_TEMPORARIES_MAX);
    return cdc_error_hint(error, "SET GLOBAL binlog_format = ROW, and let sessions reconnect: then none is in the log");
}

int my_temporaries_add(struct my_temporaries *temporaries, struct my_temporary_owner owner, const char *db,
                       const char *name, struct cdc_error *error)
{
    if (my_temporaries_has(temporaries, owner, db, name))
        return 0;
    if (temporaries->n == MY_TEMPORARIES_MAX)
        return too_many(error);
    if (temporaries->n == temporaries->room) {
        size_t room = temporaries->room ? 2 * temporaries->room : 8;
        struct my_temporary *more = realloc(temporaries->items, room * sizeof *more);
        if (!more)
            return cdc_error_memory(error);
        temporaries->items = more;
        temporaries->room = room;
    }
    struct my_temporary item = {owner, strdup(db), strdup(name)};
    if (!item.db || !item.name) {
        free_item(&item);
        return cdc_error_memory(error);
    }
    temporaries->items[temporaries->n++] = item;
    return 0;
}

void my_temporaries_remove(struct my_temporaries *temporaries, struct my_temporary_owner owner, const char *db,
                           const char *name)
{
    size_t i = find(temporaries, owner, db, name);
    if (i == temporaries->n)
        return;
    free_item(&temporaries->items[i]);
    temporaries->items[i] = temporaries->items[--temporaries->n];
}

int my_temporaries_copy(struct my_temporaries *temporaries, const struct my_temporaries *other, struct cdc_error *error)
{
    my_temporaries_clear(temporaries);
    for (size_t i = 0; i < other->n; i++) {
        const struct my_temporary *item = &other->items[i];
        if (my_temporaries_add(temporaries, item->owner, item->db, item->name, error) < 0) {
            my_temporaries_clear(temporaries);
            return -1;
        }
    }
    return 0;
}

void my_temporaries_append(struct cdc_buf *out, const struct my_temporaries *temporaries)
{
    if (temporaries->n == 0)
        return;
    cdc_buf_lit(out, ",\"temporary\":[");
    for (size_t i = 0; i < temporaries->n; i++) {
        const struct my_temporary *item = &temporaries->items[i];
        cdc_buf_text(out, i == 0 ? "[" : ",[");
        cdc_buf_u64(out, item->owner.server_id);
        cdc_buf_byte(out, ',');
        cdc_buf_u64(out, item->owner.thread_id);
        cdc_buf_byte(out, ',');
        cdc_json_append_text(out, item->db, strlen(item->db)); /* valid UTF-8: my_unlogged_table has seen to it */
        cdc_buf_byte(out, ',');
        cdc_json_append_text(out, item->name, strlen(item->name));
        cdc_buf_byte(out, ']');
    }
    cdc_buf_byte(out, ']');
}

static bool read_id(struct cdc_json_iter *iter, uint32_t *id)
{
    struct cdc_span value;
    int64_t number;
    if (!cdc_json_next_element(iter, &value) || !cdc_json_int64(value, &number) || number < 0 || number > UINT32_MAX)
        return false;
    *id = (uint32_t)number;
    return true;
}

/* RETURNS NEW; NULL where there is none, or no memory. */
static char *read_name(struct cdc_json_iter *iter)
{
    struct cdc_span value;
    size_t n;
    if (!cdc_json_next_element(iter, &value) || cdc_json_type(value) != CDC_JSON_STRING)
        return NULL;
    char *name = cdc_json_text(cdc_json_string_raw(value), &n);
    if (!name || strlen(name) == n)
        return name;
    free(name);
    return NULL;
}

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "the list of temporary tables in a position is damaged");
}

static int read_item(struct my_temporaries *temporaries, struct cdc_span value, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct my_temporary_owner owner;
    if (cdc_json_type(value) != CDC_JSON_ARRAY)
        return damaged(error);
    cdc_json_iter_begin(&iter, value);
    bool good = read_id(&iter, &owner.server_id) && read_id(&iter, &owner.thread_id);
    char *db = good ? read_name(&iter) : NULL;
    char *name = db ? read_name(&iter) : NULL;
    int result = name ? my_temporaries_add(temporaries, owner, db, name, error) : damaged(error);
    free(db);
    free(name);
    return result;
}

int my_temporaries_read(struct my_temporaries *temporaries, struct cdc_span source, struct cdc_error *error)
{
    struct cdc_span list = cdc_json_member(source, "temporary"), value;
    struct cdc_json_iter iter;
    int result = 0;
    my_temporaries_clear(temporaries);
    if (cdc_json_is_null(list))
        return 0;
    if (cdc_json_type(list) != CDC_JSON_ARRAY)
        return damaged(error);
    cdc_json_iter_begin(&iter, list);
    while (result == 0 && cdc_json_next_element(&iter, &value))
        result = read_item(temporaries, value, error);
    if (result < 0)
        my_temporaries_clear(temporaries);
    return result;
}
