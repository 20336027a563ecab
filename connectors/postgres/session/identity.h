/* SPDX-License-Identifier: MIT */
/* Which server wrote the log that a position lies in. */
#ifndef PG_IDENTITY_H
#define PG_IDENTITY_H

#include "connectors/postgres/session/database_name.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <libpq-fe.h>

struct pg_identity { /* what a position belongs to */
    char system_identifier[32];
    int32_t timeline;
    uint64_t end; /* of its log, as far as it is on the disk */
    char slot[64];
    char database[PG_DATABASE_NAME];
};
int pg_identity_read(PGconn *replication, const char *slot, struct pg_identity *identity, struct cdc_error *error);
enum { PG_IDENTITY_START = 96 };
/* When the server was started, to the microsecond, and of which system it is: of servers with one log no two have the same text.
 * Addresses do not tell where a proxy, or an address that moves, stands between. */
int pg_identity_read_start(PGconn *connection, char text[PG_IDENTITY_START], struct cdc_error *error);
/* As a JSON object for an offset's `state`. */
void pg_identity_json(struct cdc_buf *out, const struct pg_identity *identity);
/* Is the position lsn in the log of this server? source: the source object of the line that it was taken from, which names
 * the server in an ack file, too; where it does not (older versions), state as above. Either may be {NULL, 0}: not known. LOST
 * when the position belongs to another system, to a timeline that forked before it (asks TIMELINE_HISTORY), or lies after
 * the end of the log: the server was set back. UNAVAILABLE for the last on a standby, which may still get there. */
int pg_identity_check(PGconn *replication, const struct pg_identity *identity, struct cdc_span source,
                      struct cdc_span state, uint64_t lsn, struct cdc_error *error);
/* The same for a position whose copy has rows of a snapshot beside it: read_at (pgoutput/visible.h, or {NULL, 0}) is what that has
 * seen of the log after the position, so up to there the log must be the same one, too. sql: a plain session with the server. */
int pg_identity_check_log(PGconn *sql, PGconn *replication, const struct pg_identity *identity, struct cdc_span source,
                          struct cdc_span state, struct cdc_span read_at, uint64_t lsn, struct cdc_error *error);

#endif
