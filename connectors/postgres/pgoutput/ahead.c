/* SPDX-License-Identifier: MIT */
/* Sinks that are further in the log than the place where the lines begin. Two sinks, and the server is set back to a copy of
 * itself; the log grew, lost and new transactions have the same positions:
 *
 *   log before   ... C1 | C2  C3 |            sink 1 has all up to C3, sink 2 up to C1
 *   log now      ... C1 | N2    N3   N4       lines begin after C1, for sink 2
 *
 * Sink 1 drops what comes up to where it is, N2 and N3, as lines that it has. So what comes until then must be what it has:
 * C3 is to be in it, and nothing after C3. */
#include "connectors/postgres/pgoutput/internal.h"

#include <stdio.h>
#include <stdlib.h>

int pgoutput_add_ahead(struct pgoutput *decoder, const struct pg_last *last, uint64_t from, uint64_t until,
                       const char *offset_file, struct cdc_error *error)
{
    if (last->kind == PG_LAST_UNKNOWN)
        return 0;
    struct pg_ahead *grown = realloc(decoder->ahead, (decoder->n_ahead + 1) * sizeof *grown);
    if (!grown)
        return cdc_error_memory(error);
    decoder->ahead = grown;
    struct pg_ahead *ahead = &grown[decoder->n_ahead++];
    *ahead =
        (struct pg_ahead){.last = *last, .until = until, .due = last->kind == PG_LAST_COMMIT && last->begin >= from};
    snprintf(ahead->offset_file, sizeof ahead->offset_file, "%s", offset_file);
    return 0;
}

int pg_hint_new_snapshot(struct cdc_error *error)
{
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (run pg-cdc --drop, remove the "
                                 "offset files of the pipeline and the copies, and begin with cdc-snapshot)");
}

int pg_other_log(uint64_t before, struct cdc_error *error)
{
    char position[24];
    pg_lsn_format(position, before);
    cdc_error_set(
        error, CDC_EXIT_LOST,
        "the server's log before the position %s has other transactions than those that were read: it was set "
        "back to a state before them, and written to since",
        position);
    return pg_hint_new_snapshot(error);
}

static int other_log(const struct pg_ahead *ahead, struct cdc_error *error)
{
    char position[24];
    pg_lsn_format(position, ahead->until);
    cdc_error_set(
        error, CDC_EXIT_LOST,
        "the sink of \"%s\" is at the position %s, and the server's log before that has other transactions than "
        "those that it has: the server was set back to a state before them, and written to since",
        ahead->offset_file, position);
    return pg_hint_new_snapshot(error);
}

static void forget(struct pgoutput *decoder, size_t i)
{
    decoder->ahead[i] = decoder->ahead[--decoder->n_ahead];
}

int pg_ahead_begin(struct pgoutput *decoder, struct cdc_error *error)
{
    const struct pg_transaction *tx = &decoder->tx;
    for (size_t i = decoder->n_ahead; i-- > 0;) {
        struct pg_ahead *ahead = &decoder->ahead[i];
        bool before = tx->final_lsn < ahead->until;
        bool known = ahead->last.kind == PG_LAST_COMMIT && before && tx->final_lsn <= ahead->last.begin;
        bool is_last = known && tx->final_lsn == ahead->last.begin;
        if (before ? !known || (is_last && tx->ts_ms != ahead->last.ts_ms) : ahead->due)
            return other_log(ahead, error);
        ahead->due = ahead->due && !is_last;
        if (!before)
            forget(decoder, i);
    }
    return 0;
}

int pg_ahead_reached(struct pgoutput *decoder, uint64_t lsn, struct cdc_error *error)
{
    for (size_t i = decoder->n_ahead; i-- > 0;) {
        if (lsn < decoder->ahead[i].until)
            continue;
        if (decoder->ahead[i].due)
            return other_log(&decoder->ahead[i], error);
        forget(decoder, i);
    }
    return 0;
}
