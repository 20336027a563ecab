/* SPDX-License-Identifier: MIT */
/* Where a connection starts. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"

#include <cdc/json.h>
#include <stdio.h>

int pg_start_lost(const char *slot, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST, "slot \"%s\" %s", slot, why);
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (run pg-cdc --drop, remove the "
                                 "offset files of the pipeline, and begin with cdc-snapshot)");
}

int pg_start_read(struct pg_start *start, const struct cdc_start *decided, bool started, const struct cdc_offset *from,
                  struct cdc_error *error)
{
    *start = (struct pg_start){.has_position = from != NULL};
    start->resumes = started || decided->kind != CDC_START_FIRST;
    if (!start->has_position) {
        if (!started && decided->visible)
            start->read_at = cdc_span_text(decided->visible);
        return 0;
    }
    start->state = from->state;
    if (from->source)
        start->read_at = cdc_json_member(cdc_span_text(from->source), "read_at");
    if (pg_pos_restart_lsn(from->pos, &start->lsn))
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a PostgreSQL source", from->pos);
}

int pg_start_check(const struct pg_start *start, const char *name, const struct pg_slot *slot, struct cdc_error *error)
{
    if (slot->exists && slot->lost)
        return pg_start_lost(name, "was invalidated by the server: its log is gone", error);
    if (start->resumes && !slot->exists)
        return pg_start_lost(name, "is gone, and a position to go on from exists", error);
    /* We confirm only what is stored, so the slot is at our position or before it. Beyond it, the server sends from
     * there, and what lies between is lost. */
    if (!start->has_position || slot->confirmed_flush <= start->lsn)
        return 0;
    char why[160], confirmed[24], ours[24];
    pg_lsn_format(confirmed, slot->confirmed_flush);
    pg_lsn_format(ours, start->lsn);
    snprintf(why, sizeof why,
             "was confirmed up to %s, beyond our position %s: it was made anew, or somebody else reads it", confirmed,
             ours);
    return pg_start_lost(name, why, error);
}
