/* SPDX-License-Identifier: MIT */
/* Transactions that are still open, taken from the server before it knows whether they commit.
 *
 * A server that decodes a large transaction keeps it until its commit, beyond logical_decoding_work_mem on its own disk, and sends
 * it only then. With streaming (protocol version 2) it sends it in blocks while it runs, each change with the id of the
 * subtransaction that made it:
 *
 *      S 9 1  I(9) I(10)  E     S 9 0  I(10) U(9)  E     A 9 10     c 9 ...
 *
 * They are kept here, in a file without a name for each, and come out at the commit as the server would have sent them without
 * streaming: Begin, the changes without the ids, Commit. So lines, their order and their positions are the same, what was
 * rolled back is in none, and the decoder knows nothing of it.
 *
 * One thing the server does not say: a logical message (M) has the id of the transaction, also where a subtransaction wrote it. One
 * that comes just before the first change of a subtransaction that is rolled back later may be of either:
 *
 *      S 9 1  I(9) M(9) I(10)  E     A 9 10
 *
 * That is told apart where the transaction is not streamed, so who reads it must have it sent anew. Source of the format: PostgreSQL, "Logical Replication Message
 * Formats". No connection is needed. */
#ifndef PG_SPOOL_H
#define PG_SPOOL_H

#include <cdc/buf.h>
#include <cdc/error.h>

struct pg_spool;

/* folder: where the files are; COPIED. RETURNS NEW (pg_spool_free); NULL without memory, or where no file can be made in it: as
 * cdc_file_exit has it. */
struct pg_spool *pg_spool_new(const char *folder, struct cdc_error *error);
void pg_spool_free(struct pg_spool *spool);
/* A new connection: all of it comes again. keeps_empty: a transaction without a change comes out, too, as it comes from a server
 * before 15, which knows nothing of its being empty. */
void pg_spool_reset(struct pg_spool *spool, bool keeps_empty);
/* The payload of an XLogData message and where it begins in the log. Not while pg_spool_has. -1: PROTOCOL, or the file cannot be
 * written. */
enum pg_spool_taken {
    PG_SPOOL_NOT,   /* it is of no streamed transaction, and to be decoded */
    PG_SPOOL_TAKEN, /* it is of one */
    PG_SPOOL_UNSURE /* it is, and what was rolled back cannot be told: pg_spool_reset, and a connection without streaming */
};
int pg_spool_take(struct pg_spool *spool, uint64_t place, const char *payload, size_t n, struct cdc_error *error);
/* A transaction has committed, and is not out yet. Nothing else may be decoded before. */
bool pg_spool_has(const struct pg_spool *spool);
/* Its next message, while pg_spool_has. BORROWED until the next call. 0 or -1: IO */
int pg_spool_next(struct pg_spool *spool, uint64_t *place, struct cdc_span *payload, struct cdc_error *error);

#endif
