/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "connectors/log/compact/history.h"

void log_history_free(struct log_history *history)
{
    for (size_t i = 0; i < history->capacity; i++)
        free(history->rows[i].links);
    free(history->rows);
    *history = (struct log_history){0};
}

void log_history_clear(struct log_history *history)
{
    history->n = 0;
    history->removed = false;
    history->transaction = 0;
}

/* -- the lines of a row ------------------------------------------------------------------- */

static int append_link(struct log_chain_of_row *row, struct log_link link, struct cdc_error *error)
{
    if (row->n == row->capacity) {
        size_t capacity = row->capacity > 0 ? 2 * row->capacity : 4;
        struct log_link *links = realloc(row->links, capacity * sizeof *links);
        if (links == NULL)
            return cdc_error_memory(error);
        row->links = links;
        row->capacity = capacity;
    }
    row->links[row->n++] = link;
    return 0;
}

/* A line that omits the same columns as a newer one is of no use: all that it has, the newer one has. */
static void forget_same(struct log_chain_of_row *row, uint32_t omitted)
{
    size_t out = 0;

    for (size_t i = 0; i < row->n; i++)
        if (row->links[i].omitted != omitted || row->links[i].taken_over)
            row->links[out++] = row->links[i];
    row->n = out;
}

static int add_line(struct log_chain_of_row *row, uint64_t number, const struct log_entry *entry,
                    struct cdc_error *error)
{
    bool partial = entry->flags & LOG_CHANGE_PARTIAL;

    if (!partial)
        row->n = 0;
    else
        forget_same(row, entry->omitted);
    row->row = entry->row;
    return append_link(
        row, (struct log_link){number, partial ? entry->omitted : 0, false, (entry->flags & LOG_CHANGE_PLAIN) != 0},
        error);
}

/* -- rows of the key ------------------------------------------------------------------------ */

static struct log_chain_of_row *push(struct log_history *history, struct cdc_error *error)
{
    if (history->n == history->capacity) {
        size_t capacity = history->capacity + 4;
        struct log_chain_of_row *rows = realloc(history->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            cdc_error_memory(error);
            return NULL;
        }
        memset(rows + history->capacity, 0, (capacity - history->capacity) * sizeof *rows);
        history->rows = rows;
        history->capacity = capacity;
    }
    struct log_chain_of_row *row = &history->rows[history->n++];
    row->n = 0;
    row->row = 0;
    return row;
}

static void take_out(struct log_history *history, size_t i)
{
    struct log_chain_of_row gone = history->rows[i];

    memmove(history->rows + i, history->rows + i + 1, (history->n - i - 1) * sizeof *history->rows);
    history->rows[--history->n] = gone; /* its memory is used again */
}

/* At the end of a transaction none waits: what still does was there before it came. */
static void end_transaction(struct log_history *history)
{
    while (history->n > 1)
        take_out(history, 0);
}

/* The row that the line speaks of: one that waits, if it is that one, else the one that is there. */
static size_t find(const struct log_history *history, const struct log_entry *entry)
{
    size_t last = history->n - 1;

    /* Of rows that are the same in all it does not matter which one is taken. */
    if (!(entry->flags & LOG_CHANGE_TELLS) || last == 0 || history->rows[last].row == entry->old)
        return last;
    for (size_t i = 0; i < last; i++)
        if (history->rows[i].row == entry->old)
            return i;
    /* One that waits was there before this transaction, and may have been printed in another way than what is compared with it. */
    return 0;
}

static int arrive(struct log_history *history, uint64_t number, const struct log_entry *entry, struct cdc_error *error)
{
    struct log_chain_of_row *row = push(history, error);

    if (row == NULL)
        return -1;
    /* A row that comes from another key brings along what its line omits; a new one has nothing of before. */
    if ((entry->flags & LOG_CHANGE_PARTIAL) && (entry->flags & LOG_CHANGE_MOVED) &&
        append_link(row, (struct log_link){number, 0, true, false}, error) != 0)
        return -1;
    return add_line(row, number, entry, error);
}

static int update(struct log_history *history, uint64_t number, const struct log_entry *entry, struct cdc_error *error)
{
    if (history->n == 0 && push(history, error) == NULL)
        return -1;
    return add_line(&history->rows[find(history, entry)], number, entry, error);
}

static void remove_row(struct log_history *history, uint64_t number, const struct log_entry *entry, size_t i)
{
    /* Without a `before` that tells, no two rows had this key at the source: none is left. */
    if (!(entry->flags & LOG_CHANGE_TELLS))
        history->n = 0;
    else if (history->n > 0)
        take_out(history, i);
    if (history->n == 0) {
        history->removed = true;
        history->remover = number;
        history->remover_flags = entry->flags;
    }
}

int log_history_add(struct log_history *history, uint64_t number, const struct log_entry *entry,
                    int (*gives)(void *context, uint64_t number, const struct log_chain_of_row *row,
                                 struct cdc_error *error),
                    void *context, struct cdc_error *error)
{
    if (history->transaction != entry->transaction)
        end_transaction(history);
    history->transaction = entry->transaction;
    switch ((enum log_change)entry->change) {
    case LOG_CHANGE_READ:
    case LOG_CHANGE_UPDATE: return update(history, number, entry, error);
    case LOG_CHANGE_ARRIVE: return arrive(history, number, entry, error);
    case LOG_CHANGE_REMOVE: break;
    default: return 0;
    }
    size_t i = history->n > 0 ? find(history, entry) : 0;
    if ((entry->flags & LOG_CHANGE_GIVES) && history->n > 0 && gives != NULL &&
        gives(context, number, &history->rows[i], error) != 0)
        return -1;
    remove_row(history, number, entry, i);
    return 0;
}

const struct log_chain_of_row *log_history_row(struct log_history *history)
{
    end_transaction(history);
    return history->n > 0 ? &history->rows[0] : NULL;
}

/* -- thinning ------------------------------------------------------------------------------- */

static struct log_entry entry_at(const struct log_group *group, size_t i)
{
    struct log_entry entry;

    memcpy(&entry, log_group_at(group, i).data.p, sizeof entry);
    return entry;
}

static bool sets_row(const struct log_entry *entry)
{
    return entry->change == LOG_CHANGE_READ || entry->change == LOG_CHANGE_UPDATE;
}

/* Of the lines from first up to end, one transaction's: where is the one before which nothing counts? end: there is none. Once a row has
 * arrived, a line that tells of another one is about one that waits, if any does. */
static size_t barrier(const struct log_group *group, size_t first, size_t end)
{
    bool arrived = false;
    uint32_t row = 0;
    size_t found = end;

    for (size_t i = first; i < end; i++) {
        struct log_entry entry = entry_at(group, i);
        if (entry.change == LOG_CHANGE_REMOVE) {
            if (end - first > 1 || (entry.flags & LOG_CHANGE_GIVES))
                return end;
            found = i;
        } else if (!(entry.flags & LOG_CHANGE_PARTIAL) || (entry.change == LOG_CHANGE_ARRIVE)) {
            found = i;
        }
        if (arrived && (entry.flags & LOG_CHANGE_TELLS) && sets_row(&entry) && entry.old != row)
            return end;
        arrived = arrived || entry.change == LOG_CHANGE_ARRIVE;
        row = entry.row;
    }
    return found;
}

/* Where the transaction begins in which a row first takes columns along to another key: what it is made of must stay, whatever
 * comes after. */
static size_t first_that_gives(const struct log_group *group)
{
    size_t i = 0, n = log_group_size(group);

    while (i < n && !(entry_at(group, i).flags & LOG_CHANGE_GIVES))
        i++;
    while (i > 0 && i < n && entry_at(group, i - 1).transaction == entry_at(group, i).transaction)
        i--;
    return i;
}

/* From the newest transaction back to the first one that leaves nothing of what was before it. */
void log_history_thin(struct log_group *group, const uint64_t cut[2])
{
    size_t end, first = log_group_size(group), found;

    if (first < 2)
        return;
    found = first = first_that_gives(group);
    do {
        end = first;
        uint64_t transaction = end > 0 ? entry_at(group, end - 1).transaction : 0;
        while (first > 0 && entry_at(group, first - 1).transaction == transaction)
            first--;
        found = transaction == cut[0] || transaction == cut[1] ? end : barrier(group, first, end);
    } while (first > 0 && found == end);
    for (size_t i = 0; found < end && i < found; i++)
        log_group_drop(group, i);
}

/* -- lines that come to nothing at once ------------------------------------------------------ */

/* Of two transactions each begins with one row at most: what the first one made of it is all that the other one replaces. Within one
 * transaction it may be another row that is replaced, unless neither line tells which one it is about. */
bool log_history_replaces(const struct log_entry *older, struct log_entry *newer, uint64_t known_from)
{
    bool opens = older != NULL ? older->transaction != newer->transaction : newer->transaction > known_from;

    newer->flags = (uint8_t)(newer->flags | (opens ? LOG_CHANGE_OPENS : 0));
    if (older == NULL || !sets_row(newer) || (newer->flags & LOG_CHANGE_PARTIAL))
        return false;
    if (opens && (older->flags & LOG_CHANGE_OPENS) && (sets_row(older) || older->change == LOG_CHANGE_ARRIVE))
        return true;
    if (!sets_row(older) || ((older->flags | newer->flags) & LOG_CHANGE_TELLS))
        return false;
    newer->flags = (uint8_t)(newer->flags | (older->flags & LOG_CHANGE_OPENS));
    return true;
}
