/* SPDX-License-Identifier: MIT */
/* What a start would find out before its first byte, for --check. */
#include "connectors/postgres/stream/internal.h"

/* heals: what a copy lacks is read again. */
static int check_members(PGconn *sql, const struct pg_settings *pg, struct cdc_span before, bool heals,
                         struct cdc_error *error)
{
    struct pg_members members = {.json = CDC_BUF_INIT};
    int status = pg_members_update(&members, sql, pg, before, heals ? NULL : pg->log, error);
    pg_members_free(&members);
    return status;
}

int pg_stream_preflight(PGconn *sql, PGconn *replication, const struct pg_settings *pg, const struct cdc_start *decided,
                        const struct cdc_acks *acks, const struct pg_slot *slot, struct cdc_error *error)
{
    struct pg_start start;
    struct pg_identity identity;
    const struct cdc_offset *from = decided->kind != CDC_START_FIRST && decided->from.pos ? &decided->from : NULL;
    if (pg_start_read(&start, decided, false, from, error) < 0 || pg_start_check(&start, pg->slot, slot, error) < 0 ||
        check_members(sql, pg, start.members, decided->heals, error) < 0)
        return -1;
    if (!replication)
        return 0;
    if (pg_identity_read(replication, pg->slot, &identity, error) < 0 ||
        pg_sinks_identify(acks, replication, &identity, error) < 0)
        return -1;
    if (start.has_position && pg_identity_check_log(sql, replication, &identity, start.source, start.state,
                                                    start.read_at, start.lsn, error) < 0)
        return -1;
    return pg_peek(sql, pg, slot, start.from, error);
}
