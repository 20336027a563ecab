/* SPDX-License-Identifier: MIT */
/* Savepoints: rows that were undone, and are in the log all the same.
 *
 * MySQL takes rows that ROLLBACK TO undoes out of a transaction before it logs it. So does MariaDB, until the
 * transaction has changed a table without transactions, or made or dropped a temporary one: from then on it leaves
 * them in, and logs the statements beside them.
 *
 *     BEGIN; INSERT t (1); SAVEPOINT a; INSERT t (2); INSERT myisam (1); ROLLBACK TO a; INSERT t (3); COMMIT
 *
 *     GTID 0-1-8   WRITE_ROWS myisam (1)   COMMIT                          a transaction of its own
 *     GTID 0-1-9   WRITE_ROWS t (1)   SAVEPOINT a   WRITE_ROWS t (2)   ROLLBACK TO a   WRITE_ROWS t (3)   XID
 *
 * Row 2 is not in the table. Its line is buffered when ROLLBACK TO is read, and goes: the buffer is truncated to
 * what it was at the savepoint. Rows of tables without transactions are in transactions of their own, so that all
 * rows in one with savepoints can be undone. Where the log does not tell which savepoint is meant, it is an error:
 * my_savepoint_unclear. */
#include "connectors/mysql/decoder/internal.h"

#include <cdc/hash.h>
#include <stdlib.h>
#include <string.h>

#define SAVEPOINTS_MAX 1000 /* of different names in a transaction; those above share one */

/* Names are case-insensitive, so the key is the name in lower case. "": one that may be equal to another by the
 * rules of a collation, or is not understood. */
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

/* By their hashes first: a transaction may set as many as 100,000. */
static struct my_savepoint *find(const struct my_decoder *decoder, const char *key)
{
    uint64_t hash = cdc_hash_text(CDC_HASH_INIT, key);
    for (size_t i = 0; i < decoder->n_savepoints; i++)
        if (decoder->savepoints[i].hash == hash && strcmp(decoder->savepoints[i].key, key) == 0)
            return &decoder->savepoints[i];
    return NULL;
}

int my_savepoint_add(struct my_decoder *decoder, struct cdc_span name, const struct my_savepoint_state *state,
                     struct cdc_error *error)
{
    char key[SAVEPOINT_NAME_MAX + 1];
    key_of(name, key);
    if (decoder->n_savepoints >= SAVEPOINTS_MAX && !find(decoder, key))
        key[0] = '\0';
    struct my_savepoint *known = find(decoder, key);
    if (known) {
        known->last = *state;
        return 0;
    }
    struct my_savepoint *more = realloc(decoder->savepoints, (decoder->n_savepoints + 1) * sizeof *more);
    if (!more)
        return cdc_error_memory(error);
    decoder->savepoints = more;
    more = &more[decoder->n_savepoints++];
    more->first = more->last = *state;
    memcpy(more->key, key, sizeof more->key);
    more->hash = cdc_hash_text(CDC_HASH_INIT, key);
    return 0;
}

int my_savepoint_set(struct my_decoder *decoder, struct cdc_span name, struct cdc_error *error)
{
    const struct my_transaction *transaction = &decoder->transaction;
    const struct my_savepoint_state state = {.serial = ++decoder->savepoint_serial,
                                             .buffered = decoder->buffered.len,
                                             .index = transaction->index,
                                             .ordinal = transaction->ordinal,
                                             .events = transaction->events,
                                             .rows = transaction->rows,
                                             .counts = decoder->counts};
    return transaction->outcome_known ? 0 : my_savepoint_add(decoder, name, &state, error);
}

void my_savepoint_forget_after(struct my_decoder *decoder, const struct my_savepoint_state *state)
{
    size_t n = 0;
    for (size_t i = 0; i < decoder->n_savepoints; i++) {
        struct my_savepoint *savepoint = &decoder->savepoints[i];
        if (savepoint->first.serial > state->serial)
            continue;
        if (savepoint->last.serial > state->serial)
            savepoint->last = savepoint->first;
        decoder->savepoints[n++] = *savepoint;
    }
    decoder->n_savepoints = n;
}

int my_savepoint_unclear(const struct my_decoder *decoder, const char *why, struct cdc_error *error)
{
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "%s at %llu: a transaction was rolled back to a savepoint, and which of its rows stay is not known: %s",
        decoder->coord.file, (unsigned long long)decoder->event_position, why);
    return cdc_error_hint(error, "take a new snapshot; where savepoints are rolled back to, change no tables without "
                                 "transactions, and make and drop no temporary ones");
}

int my_savepoint_resolve(const struct my_decoder *decoder, struct cdc_span name, uint64_t rows,
                         struct my_savepoint_state *state, struct cdc_error *error)
{
    char key[SAVEPOINT_NAME_MAX + 1];
    key_of(name, key);
    const struct my_savepoint *found = find(decoder, key);
    if (decoder->xa && !decoder->in_xa && my_xa_is_open(decoder->xa))
        return my_savepoint_unclear(decoder, "it is an XA transaction", error);
    /* They stand in their order: whichever is meant, nothing comes after the first of them. */
    if (rows == (decoder->n_savepoints ? decoder->savepoints[0].first.rows : 0))
        return 0;
    if (!found || find(decoder, ""))
        return my_savepoint_unclear(decoder, "the savepoint cannot be told from others", error);
    /* One of that name in a trigger, which is not that of the statements outside, looks the same in the log. */
    if (found->first.rows != found->last.rows)
        return my_savepoint_unclear(decoder, "two savepoints have the same name", error);
    *state = found->last;
    return rows != found->last.rows;
}

int my_savepoint_truncate(struct my_decoder *decoder, const struct my_savepoint_state *state, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    if (transaction->events - state->events != transaction->rows - state->rows)
        return my_savepoint_unclear(decoder, "there are statements among them", error);
    decoder->buffered.len = state->buffered;
    transaction->events = state->events;
    transaction->rows = state->rows;
    my_tables_forget_schemas(decoder, state->ordinal);
    my_transaction_restore_counts(decoder, &state->counts);
    return 0;
}

int my_savepoint_rollback_to(struct my_decoder *decoder, struct cdc_span name, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    struct my_savepoint_state state;
    if (transaction->outcome_known)
        return 0;
    int found = my_savepoint_resolve(decoder, name, transaction->rows, &state, error);
    if (found <= 0)
        return found;
    if (decoder->flavor != MY_FLAVOR_MARIADB || transaction->flushed)
        return my_savepoint_unclear(decoder, "it is larger than what is buffered", error);
    if (my_savepoint_truncate(decoder, &state, error) < 0)
        return -1;
    my_savepoint_forget_after(decoder, &state);
    return 0;
}
