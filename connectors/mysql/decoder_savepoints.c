/* SPDX-License-Identifier: MIT */
/* Rows that were undone, and are in the log all the same.
 * The server takes rows that ROLLBACK TO undoes out of a transaction before it logs it; but MariaDB leaves them in, and logs
 * SAVEPOINT and ROLLBACK TO, once the transaction has changed a table without transactions, or made or dropped a temporary
 * one. Rows of tables without transactions are in groups of their own, so that all rows of such a group are undone. */
#include "connectors/mysql/decoder_internal.h"

#include <stdlib.h>
#include <string.h>

#define SAVEPOINTS_MAX 1000 /* of different names in a transaction; those above share one */

/* Its key: the name in lower case. "": one that may be equal to another by the rules of a collation, or is not understood. */
static void key_of(struct cdc_span name, char *key)
{
    key[0] = '\0';
    if (name.n > SAVEPOINT_NAME_MAX)
        return;
    for (size_t i = 0; i < name.n; i++)
        if ((name.p[i] & 0x80) || name.p[i] == '\0')
            return;
    for (size_t i = 0; i < name.n; i++)
        key[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) : name.p[i];
    key[name.n] = '\0';
}

static struct savepoint *find(struct binlog_decoder *decoder, const char *key)
{
    for (size_t i = 0; i < decoder->n_savepoints; i++)
        if (strcmp(decoder->savepoints[i].key, key) == 0)
            return &decoder->savepoints[i];
    return NULL;
}

int decoder_savepoint(struct binlog_decoder *decoder, struct cdc_span name, struct cdc_error *error)
{
    const struct group *group = &decoder->group;
    const struct savepoint_place place = {
        ++decoder->savepoint_serial, decoder->held.len, group->ordinal, group->events, group->rows, decoder->counts};
    char key[SAVEPOINT_NAME_MAX + 1];
    key_of(name, key);
    if (decoder->n_savepoints == SAVEPOINTS_MAX && !find(decoder, key))
        key[0] = '\0';
    struct savepoint *known = find(decoder, key);
    if (known) {
        known->last = place;
        return 0;
    }
    struct savepoint *more = realloc(decoder->savepoints, (decoder->n_savepoints + 1) * sizeof *more);
    if (!more)
        return cdc_error_memory(error);
    decoder->savepoints = more;
    more = &more[decoder->n_savepoints++];
    more->first = more->last = place;
    memcpy(more->key, key, sizeof more->key);
    return 0;
}

/* What is behind it was never there. */
static void forget_since(struct binlog_decoder *decoder, const struct savepoint_place *place)
{
    size_t n = 0;
    for (size_t i = 0; i < decoder->n_savepoints; i++) {
        struct savepoint *savepoint = &decoder->savepoints[i];
        if (savepoint->first.serial > place->serial)
            continue;
        if (savepoint->last.serial > place->serial)
            savepoint->last = savepoint->first;
        decoder->savepoints[n++] = *savepoint;
    }
    decoder->n_savepoints = n;
}

static void cut_back(struct binlog_decoder *decoder, struct savepoint_place place)
{
    decoder->held.len = place.held;
    decoder->group.events = place.events;
    decoder->group.rows = place.rows;
    decoder_forget_schemas(decoder, place.ordinal);
    decoder_restore_counts(decoder, &place.counts);
    forget_since(decoder, &place);
}

static int not_told(const struct binlog_decoder *decoder, const char *why, struct cdc_error *error)
{
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "%s at %llu: a transaction was rolled back to a savepoint, and which of its rows stay is not known: %s",
        decoder->place.file, (unsigned long long)decoder->event_position, why);
    return cdc_error_hint(error, "take a new snapshot; where savepoints are rolled back to, change no tables without "
                                 "transactions, and make and drop no temporary ones");
}

int decoder_rollback_to(struct binlog_decoder *decoder, struct cdc_span name, struct cdc_error *error)
{
    const struct group *group = &decoder->group;
    char key[SAVEPOINT_NAME_MAX + 1];
    key_of(name, key);
    const struct savepoint *found = find(decoder, key);
    if (decoder->xa && !decoder->in_xa && binlog_xa_is_open(decoder->xa))
        return not_told(decoder, "it is an XA transaction", error);
    /* They stand in their order: whichever is meant, there is nothing behind the first of them. */
    if (group->rows == (decoder->n_savepoints ? decoder->savepoints[0].first.rows : 0))
        return 0;
    if (!found || find(decoder, ""))
        return not_told(decoder, "the savepoint cannot be told from others", error);
    /* One of that name in a trigger, which is not that of the statements outside, looks the same in the log. */
    if (found->first.rows != found->last.rows)
        return not_told(decoder, "two savepoints have the same name", error);
    if (group->rows == found->last.rows)
        return 0;
    if (decoder->flavor != BINLOG_MARIADB || group->released)
        return not_told(decoder, "it is larger than what is held back", error);
    if (group->events - found->last.events != group->rows - found->last.rows)
        return not_told(decoder, "there are statements among them", error);
    cut_back(decoder, found->last);
    return 0;
}
