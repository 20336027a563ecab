/* SPDX-License-Identifier: MIT */
/* Which server wrote the log that a position lies in. */
#ifndef PG_IDENTITY_H
#define PG_IDENTITY_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <libpq-fe.h>

struct pg_identity { /* what a position belongs to */
    char system_identifier[32];
    int32_t timeline;
    char slot[64];
    char database[64];
};
int pg_identity_read(PGconn *replication, const char *slot, struct pg_identity *identity, struct cdc_error *error);
/* As a JSON object for an offset's `state`. */
void pg_identity_json(struct cdc_buf *out, const struct pg_identity *identity);
/* Does state (as above; NULL: not known) go with this server? LOST when the position belongs to another system, or to a
 * timeline that forked before it (asks TIMELINE_HISTORY). */
int pg_identity_check(PGconn *replication, const struct pg_identity *identity, const char *state, uint64_t lsn,
                      struct cdc_error *error);

#endif
