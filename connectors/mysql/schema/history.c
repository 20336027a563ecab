/* SPDX-License-Identifier: MIT */
/* What is known of the tables' columns, in memory. */
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/schema/follow.h"
#include "connectors/mysql/schema/internal.h"

#include <cdc/hash.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEEP_MAX ((size_t)8 << 20) /* bytes of names and columns */

/* -- life -------------------------------------------------------------------------------- */

struct my_history *my_history_new(const char *path, const char *name, struct cdc_error *error)
{
    struct my_history *history = calloc(1, sizeof *history);
    if (history) {
        history->path = path ? strdup(path) : NULL;
        history->name = strdup(name);
    }
    if (history && history->name && (history->path || !path))
        return history;
    my_history_free(history);
    cdc_error_memory(error);
    return NULL;
}

static size_t size_of(const struct my_version *version)
{
    return sizeof *version + strlen(version->db) + strlen(version->table) + 2 + version->columns.n;
}

static void drop(struct my_history *history, size_t i)
{
    history->bytes -= size_of(&history->versions[i]);
    history->full = false;
    free(history->versions[i].db);
    /* The order means nothing, so the last one takes its place; loops that drop run backwards, and see each one
     * once. */
    history->versions[i] = history->versions[--history->n];
}

void my_history_free(struct my_history *history)
{
    if (!history)
        return;
    while (history->n > 0)
        drop(history, history->n - 1);
    free(history->versions);
    free(history->path);
    free(history->name);
    free(history);
}

int my_history_begin(struct my_history *history, const char *server, bool keep, struct cdc_error *error)
{
    while (history->n > 0)
        drop(history, history->n - 1);
    history->full = false;
    history->changed = keep;
    history->generation = 0;
    /* A new id: the offset file's token of an older history must not fit this one. */
    if (getrandom(&history->id, sizeof history->id, 0) != (ssize_t)sizeof history->id)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "the system has no random numbers: %s", strerror(errno));
    snprintf(history->server, sizeof history->server, "%s", server);
    history->begun = true;
    return 0;
}

bool my_history_is_of(const struct my_history *history, const char *server)
{
    return history->begun && strcmp(history->server, server) == 0;
}

/* -- what is known ---------------------------------------------------------------------- */

static bool before(struct my_point a, struct my_point b)
{
    return a.number < b.number || (a.number == b.number && a.statements < b.statements);
}

static uint32_t hash_of(const char *db, const char *table)
{
    return cdc_hash_fold(cdc_hash_text(cdc_hash_byte(cdc_hash_text(CDC_HASH_INIT, db), '.'), table));
}

static struct cdc_span find(const struct my_history *history, const char *db, const char *table, struct my_point point,
                            bool derived)
{
    const struct my_version *found = NULL;
    uint32_t hash = hash_of(db, table);
    for (size_t i = 0; i < history->n; i++) {
        const struct my_version *version = &history->versions[i];
        if (version->hash == hash && version->derived == derived && !before(point, version->from) &&
            (!version->ended || before(point, version->end)) && strcmp(version->table, table) == 0 &&
            strcmp(version->db, db) == 0 && (!found || before(found->from, version->from)))
            found = version;
    }
    return found ? found->columns : cdc_span(NULL, 0);
}

struct cdc_span my_history_find(const struct my_history *history, const char *db, const char *table,
                                struct my_point point)
{
    return find(history, db, table, point, false);
}

struct cdc_span my_history_derived(const struct my_history *history, const char *db, const char *table,
                                   struct my_point point)
{
    return find(history, db, table, point, true);
}

struct my_version *my_history_new_version(struct my_history *history, const char *db, const char *table,
                                          struct cdc_span columns)
{
    size_t db_n = strlen(db) + 1, table_n = strlen(table) + 1;
    if (history->n == history->room) {
        size_t room = history->room ? 2 * history->room : 16;
        struct my_version *versions = realloc(history->versions, room * sizeof *versions);
        if (!versions)
            return NULL;
        history->versions = versions;
        history->room = room;
    }
    char *text = malloc(db_n + table_n + columns.n);
    if (!text)
        return NULL;
    memcpy(text, db, db_n);
    memcpy(text + db_n, table, table_n);
    memcpy(text + db_n + table_n, columns.p, columns.n);
    struct my_version *version = &history->versions[history->n++];
    *version = (struct my_version){.hash = hash_of(db, table),
                                   .db = text,
                                   .table = text + db_n,
                                   .columns = cdc_span(text + db_n + table_n, columns.n)};
    history->bytes += size_of(version);
    return version;
}

int my_history_add(struct my_history *history, const char *db, const char *table, struct my_point from,
                   struct cdc_span columns, struct cdc_error *error)
{
    /* Not kept is no error: the log proves the columns again when they are needed. */
    if (history->bytes + columns.n > KEEP_MAX) {
        history->full = true;
        return 0;
    }
    struct my_version *version = my_history_new_version(history, db, table, columns);
    if (!version)
        return cdc_error_memory(error);
    version->from = from;
    history->changed = true;
    return 0;
}

/* What the statement leaves of the columns that hold before it. Where that cannot be said, or there is no memory for it, they are not
 * known from there on. */
static void derive(struct my_history *history, size_t i, struct cdc_span sql, struct cdc_span db, struct my_point point)
{
    const struct my_version *version = &history->versions[i];
    const struct my_follow_table table = {version->db, version->table};
    struct cdc_buf after = CDC_BUF_INIT;
    struct cdc_error ignored = {0};
    if (my_follow_statement(version->columns, &table, sql, db, &after, &ignored) > 0 &&
        history->bytes + after.len <= KEEP_MAX) {
        struct my_version *derived =
            my_history_new_version(history, table.db, table.name, cdc_span(after.data, after.len));
        if (derived) {
            derived->from = point;
            derived->derived = true;
        }
    }
    cdc_buf_free(&after);
}

/* Of what holds there: the newest, and what was asked for rather than what was derived. */
static bool is_best(const struct my_history *history, size_t i, struct my_point point)
{
    const struct my_version *version = &history->versions[i];
    for (size_t k = 0; k < history->n; k++) {
        const struct my_version *other = &history->versions[k];
        if (k == i || other->hash != version->hash || !before(other->from, point) ||
            (other->ended && before(other->end, point)) || strcmp(other->table, version->table) != 0 ||
            strcmp(other->db, version->db) != 0)
            continue;
        if (other->derived != version->derived ? version->derived : before(version->from, other->from))
            return false;
    }
    return true;
}

void my_history_alter(struct my_history *history, struct cdc_span sql, struct cdc_span db, struct my_point point)
{
    if (my_statement_keeps_columns(sql))
        return;
    for (size_t i = 0, n = history->n; i < n; i++) {
        struct my_version *version = &history->versions[i];
        /* What begins at the very point was asked for after the statement, and has its effect already. */
        if (!before(version->from, point) || (version->ended && !before(point, version->end)) ||
            !my_statement_names(sql, cdc_span_text(version->table)))
            continue;
        version->end = point;
        version->ended = history->changed = true;
        if (is_best(history, i, point))
            derive(history, i, sql, db, point);
    }
}

void my_history_forget(struct my_history *history, struct cdc_span sql)
{
    for (size_t i = history->n; i > 0; i--)
        if (my_statement_names(sql, cdc_span_text(history->versions[i - 1].table))) {
            drop(history, i - 1);
            history->changed = true;
        }
}

/* Not worth writing the file: what has ended is of no use, and does no harm. */
void my_history_confirm(struct my_history *history, uint64_t number)
{
    for (size_t i = history->n; i > 0; i--)
        if (history->versions[i - 1].ended && history->versions[i - 1].end.number <= number)
            drop(history, i - 1);
}

bool my_history_is_full(const struct my_history *history)
{
    return history->full;
}
