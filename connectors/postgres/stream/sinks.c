/* SPDX-License-Identifier: MIT */
/* Sinks at different positions. Two of them, and a standby is promoted that lacks the newest transactions, T5 and T6:
 *
 *   sink 1   after T6, on timeline 1: beyond the fork
 *   sink 2   after T4: in the log of the new timeline, where the lines go on
 *
 * What comes instead of T5 and T6 has their positions, and sink 1 would drop it as lines that it has. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"

int pg_sinks_identify(const struct cdc_acks *acks, PGconn *replication, const struct pg_identity *identity,
                      struct cdc_error *error)
{
    for (size_t i = 0; acks && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *offset = cdc_acks_offset(acks, i);
        const char *path = cdc_acks_path(acks, i);
        uint64_t lsn;
        if (!offset || !offset->pos[0])
            continue;
        if (!pg_pos_restart_lsn(offset->pos, &lsn))
            return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' in \"%s\" is no position of a PostgreSQL source",
                                 offset->pos, path);
        if (pg_identity_check(replication, identity, cdc_span_text(offset->source), (struct cdc_span){NULL, 0}, lsn,
                              error) < 0)
            return cdc_error_prefix(error, "the sink of \"%s\"", path);
    }
    return 0;
}

int pg_sinks_check(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_start *start = &stream->start;
    const struct cdc_acks *acks = stream->settings.acks;
    if (pg_sinks_identify(acks, stream->replication, &stream->identity, error) < 0)
        return -1;
    if (pg_members_doubt(&stream->members, start->from))
        return 0;
    for (size_t i = 0; acks && start->has_position && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *offset = cdc_acks_offset(acks, i);
        struct pg_last last;
        uint64_t lsn;
        if (!offset || !pg_pos_restart_lsn(offset->pos, &lsn) || lsn <= start->lsn)
            continue;
        pg_last_read(&last, offset->pos, cdc_span_text(offset->source));
        if (pgoutput_add_ahead(stream->decoder, &last, start->from, lsn, cdc_acks_path(acks, i), error) < 0)
            return -1;
    }
    return 0;
}
