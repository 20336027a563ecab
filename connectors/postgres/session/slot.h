/* SPDX-License-Identifier: MIT */
/* The replication slot: how far the server has been told to forget. */
#ifndef PG_SLOT_H
#define PG_SLOT_H

#include "connectors/postgres/session/connection.h"

struct pg_slot {
    bool exists, active, lost;
    bool synced; /* copied from the primary, now or before a promotion (17 and later) */
    uint64_t confirmed_flush, restart_lsn;
    int active_pid;
};
/* CONFIG when it is none of pgoutput's, or another database's. */
int pg_slot_read(PGconn *sql, const char *name, struct pg_slot *slot, struct cdc_error *error);
/* Of several hosts the primary may be away for a moment: what its standby lacks is not lost, and a slot that the standby copies from
 * its primary cannot be read before the standby is promoted. 1, and UNAVAILABLE, where the server is a standby without the slot, or
 * with a copy of it; 0; -1 */
int pg_slot_refuse_standby(PGconn *sql, const char *name, const struct pg_slot *slot, struct cdc_error *error);
/* Creates the slot on a replication connection; its snapshot is exported and lives until that connection's next
 * command. snapshot may be NULL (then none is exported). On a primary since 17 it is one for standbys to copy (failover). */
int pg_slot_create(PGconn *replication, const struct pg_settings *settings, uint64_t *consistent_point,
                   char snapshot[64], struct cdc_error *error);
/* Drops it where it exists; TEMPORARY while it is read. Says what it did. */
int pg_slot_drop(PGconn *sql, const char *name, const struct cdc_log *log, struct cdc_error *error);

#endif
