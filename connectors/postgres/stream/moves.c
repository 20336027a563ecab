/* SPDX-License-Identifier: MIT */
/* Rows that come and go with a table's name: a table that is dropped and made again (each night, by a job that loads it), a
 * partition that is detached, dropped or attached. The log has none of it, and a copy keeps, or lacks, the rows. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/query.h"

#include <cdc/hash.h>
#include <stdlib.h>
#include <string.h>

struct pg_seen {
    uint32_t oid;
    uint64_t name, root;    /* hashes; root 0: its changes come under its own name */
    char *text, *root_text; /* as SQL; NULL where its changes do not concern us */
};

static uint64_t hash_of(const char *schema, const char *name)
{
    uint64_t hash = cdc_hash_span(CDC_HASH_INIT, cdc_span_text(schema));
    return cdc_hash_span(cdc_hash_span(hash, cdc_span(".", 1)), cdc_span_text(name));
}

static char *text_of(const char *schema, const char *name)
{
    struct cdc_buf out = CDC_BUF_INIT;
    pg_query_table(&out, schema, name);
    cdc_buf_byte(&out, '\0');
    if (!out.failed)
        return out.data;
    cdc_buf_free(&out);
    return NULL;
}

void pg_moves_clear(struct pg_moves *moves)
{
    for (size_t i = 0; i < moves->n; i++) {
        free(moves->items[i].text);
        free(moves->items[i].root_text);
    }
    free(moves->items);
    *moves = (struct pg_moves){0};
}

static int compare(const void *left, const void *right)
{
    const struct pg_seen *a = left, *b = right;
    return a->oid < b->oid ? -1 : a->oid > b->oid;
}

static const struct pg_seen *find(const struct pg_moves *moves, uint32_t oid)
{
    const struct pg_seen key = {.oid = oid};
    return moves->n == 0 ? NULL : bsearch(&key, moves->items, moves->n, sizeof key, compare);
}

/* One that concerns us: by that name. */
static bool has_name(const struct pg_moves *moves, uint64_t name)
{
    for (size_t i = 0; i < moves->n; i++)
        if (moves->items[i].text && moves->items[i].name == name)
            return true;
    return false;
}

static bool add(struct pg_moves *moves, const struct pg_catalog_table *table, const struct pg_settings *settings)
{
    struct pg_seen *seen = &moves->items[moves->n++];
    *seen = (struct pg_seen){.oid = table->oid, .name = hash_of(table->schema, table->name)};
    if (table->under_root)
        seen->root = hash_of(table->root_schema, table->root);
    if (!table->published || !pg_catalog_is_meant(table, settings))
        return true;
    seen->text = text_of(table->schema, table->name);
    seen->root_text = table->under_root ? text_of(table->root_schema, table->root) : NULL;
    return seen->text && (seen->root_text || !table->under_root);
}

static bool take(struct pg_moves *moves, const struct pg_catalog *catalog, const struct pg_settings *settings)
{
    moves->items = calloc(catalog->n + 1, sizeof *moves->items);
    bool good = moves->items != NULL;
    for (size_t i = 0; good && i < catalog->n; i++)
        if (catalog->tables[i].kind == 'r' || catalog->tables[i].kind == 'p')
            good = add(moves, &catalog->tables[i], settings);
    if (good)
        qsort(moves->items, moves->n, sizeof *moves->items, compare);
    return good;
}

#define NEW_SNAPSHOT "; take a new snapshot if there are any"

/* heals: what can be read again will be (cdc/stale.h). */
static void tell_gone(const struct pg_seen *before, const struct pg_moves *now, bool heals, const struct cdc_log *log)
{
    if (heals && (before->root || has_name(now, before->name)))
        return;
    if (has_name(now, before->name))
        cdc_log_write(log, CDC_LOG_WARNING,
                      "table %s was dropped, and another one made in its place: a copy keeps the rows of the first "
                      "one that the second one lacks" NEW_SNAPSHOT,
                      before->text);
    else if (!before->root)
        cdc_log_write(log, CDC_LOG_WARNING,
                      "table %s was dropped: a copy keeps its rows; drop it there, too, if nobody needs them",
                      before->text);
    else if (has_name(now, before->root))
        cdc_log_write(log, CDC_LOG_WARNING, "partition %s of %s was dropped: a copy keeps its rows" NEW_SNAPSHOT,
                      before->text, before->root_text);
}

static void tell_before(const struct pg_seen *before, const struct pg_moves *now, bool heals, const struct cdc_log *log)
{
    const struct pg_seen *same = find(now, before->oid);
    bool other_root = same && before->root && before->root != same->root;
    if (!same)
        tell_gone(before, now, heals, log);
    else if (heals && (other_root || has_name(now, before->name)))
        return;
    else if (before->root && before->root != same->root)
        cdc_log_write(log, CDC_LOG_WARNING, "%s is no partition of %s any more: a copy keeps its rows" NEW_SNAPSHOT,
                      before->text, before->root_text);
    else if (before->name != same->name && has_name(now, before->name))
        cdc_log_write(log, CDC_LOG_WARNING,
                      "table %s was renamed, and another one has its name: a copy keeps the rows of the first one "
                      "that the second one lacks, and lacks what that one had" NEW_SNAPSHOT,
                      before->text);
    else if (before->name != same->name && !same->text)
        cdc_log_write(log, CDC_LOG_WARNING,
                      "table %s has another name now, which is not selected or not published: its changes are not "
                      "seen any more",
                      before->text);
}

int pg_moves_look(struct pg_moves *moves, const struct pg_catalog *catalog, const struct pg_settings *settings,
                  bool heals, const struct cdc_log *log, struct cdc_error *error)
{
    struct pg_moves now = {0};
    if (!take(&now, catalog, settings)) {
        pg_moves_clear(&now);
        return cdc_error_memory(error);
    }
    for (size_t i = 0; i < moves->n; i++)
        if (moves->items[i].text)
            tell_before(&moves->items[i], &now, heals, log);
    for (size_t i = 0; !heals && i < now.n; i++) {
        const struct pg_seen *seen = &now.items[i], *before = find(moves, seen->oid);
        if (seen->root_text && before && before->root != seen->root)
            cdc_log_write(log, CDC_LOG_WARNING,
                          "%s has become a partition of %s: rows that it had are in no line, and a copy lacks "
                          "them" NEW_SNAPSHOT,
                          seen->text, seen->root_text);
    }
    pg_moves_clear(moves);
    *moves = now;
    return 0;
}
