/* SPDX-License-Identifier: MIT */
/* The plugin pgoutput, protocol version 1: messages in, lines out. Pure: no connection, no clock but for lines that no
 * transaction dates. */
#ifndef PG_PGOUTPUT_H
#define PG_PGOUTPUT_H

#include "connectors/postgres/pgoutput/table.h"

#include <cdc/offset.h>
#include <cdc/selection.h>
#include <cdc/stale.h>

struct pgoutput;
struct pg_encoding;
struct pgoutput_settings {
    const char *pipeline, *database;
    struct cdc_value_format format;
    struct cdc_selection selection;
    const struct pg_encoding *encoding; /* in which the texts come; NULL: in UTF-8. BORROWED */
    /* Completes a table that a Relation message described (type names, nullable, generated, primary key) from the
     * catalogs, or says that it is stale, and needs nothing; may be NULL in tests. Called once per Relation message, and once more at the first transaction from
     * table->unsure_until on, or where composites are due. When the catalog's columns differ
     * (older Relation), only what matches by name is taken. 0 or -1 */
    int (*describe)(void *context, struct pg_table *table, struct cdc_error *error);
    /* Is each composite type of the table still as it was described? Sets table->composites_until where it is. 1: not; 0; -1. May be
     * NULL: they are. Called for changes after composites_until. */
    int (*recheck)(void *context, struct pg_table *table, struct cdc_error *error);
    /* A table has another name than before in this stream, under which it is, or was, selected; may be NULL. */
    void (*renamed)(void *context, const struct pg_table *before, const struct pg_table *now);
    /* Each Relation message, before all else: of tables that are not selected, too. May be NULL. 0 or -1 */
    int (*announced)(void *context, const struct pg_table *table, struct cdc_error *error);
    /* A change of partition comes as one of table, as the server has described both. Called for the first one after that. May be NULL. */
    int (*passed_by)(void *context, const struct pg_table *partition, const struct pg_table *table,
                     struct cdc_error *error);
    /* A change of the table is omitted, and the sink of that offset file needs it (pgoutput_set_needed). 1: the table will be read
     * again, and its changes are omitted from now on; 0: it will not, which is an error (CONFIG); -1. NULL: 0 */
    int (*needed)(void *context, const struct pg_table *table, const char *offset_file, struct cdc_error *error);
    /* A change of a table cannot be made exact: it is to be read again, and pgoutput_set_stale is called. May be NULL. 0 or -1 */
    int (*stale)(void *context, const struct pg_table *table, const char *why, struct cdc_error *error);
    void *describe_context; /* of all of them */
    size_t table_bytes;     /* of memory, see pgoutput_is_full; 0: 256 MiB */
};
struct pgoutput *pgoutput_new(const struct pgoutput_settings *settings, struct cdc_error *error); /* RETURNS NEW */
void pgoutput_free(struct pgoutput *decoder);
/* Forgets relations and any open transaction: a new connection. One of which lines were written must be the first that comes
 * anew; another one in its place is an error (IO). */
void pgoutput_reset(struct pgoutput *decoder);
/* After a reset: has the reader a part of a transaction? *xid: its id. */
bool pgoutput_is_torn(const struct pgoutput *decoder, uint32_t *xid);
/* IO, for a transaction of which the reader has a part. The lines that complete it are told from those that he has by their positions,
 * which count its changes: for when the server may leave out some of them now. */
int pgoutput_refuse_torn(const struct pgoutput *decoder, struct cdc_error *error);
/* Which server writes the log (session/identity.h): commit and heartbeat lines say so from now on. To be set once
 * connected: a standby that was promoted meanwhile has another timeline. */
void pgoutput_set_server(struct pgoutput *decoder, const char *system_id, int64_t timeline);
/* The newest transaction before a position. A server that was set back and has written on since has another log there:
 * its transactions up to the position are not the ones that were read. */
enum pg_last_kind {
    PG_LAST_UNKNOWN, /* an older version's position, or a slot that somebody has read before */
    PG_LAST_NONE,    /* none since the slot was made */
    PG_LAST_COMMIT
};
struct pg_last {
    enum pg_last_kind kind;
    uint64_t begin, end; /* of its commit record */
    int64_t ts_ms;
};
/* Reads it from a position: pos, and the source object of that line. */
void pg_last_read(struct pg_last *last, const char *pos, struct cdc_span source);
/* To be called once connected, with the newest transaction before the position at which the lines begin. until: that
 * position, where the server sends the log from an earlier one, `from`, on: until then nothing but `last` may come, which
 * leaves no line; 0: the server begins at the position itself. */
void pgoutput_expect(struct pgoutput *decoder, const struct pg_last *last, uint64_t from, uint64_t until);
/* The server has sent all of its log up to lsn. LOST when the expected transaction was not in it, or one that a sink has, IO
 * when one of which lines were written was not. 0 or -1 */
int pgoutput_reached(struct pgoutput *decoder, uint64_t lsn, struct cdc_error *error);
/* A sink that is in the log after the place where the lines begin, at `until`, with its newest transaction before that. It drops
 * all lines up to there, so the log must have that transaction, and none after it: LOST from the decoder otherwise. from: where
 * the server begins. Forgotten by pgoutput_reset. */
int pgoutput_add_ahead(struct pgoutput *decoder, const struct pg_last *last, uint64_t from, uint64_t until,
                       const char *offset_file, struct cdc_error *error);
/* Is there still something to come that is known? Then nothing may be confirmed. */
bool pgoutput_is_expecting(const struct pgoutput *decoder);
/* Row changes of transactions that a snapshot has seen are omitted (their commit lines stay): read_at as in visible.h,
 * or {NULL, 0}. LOST from the decoder where the log shows that it is not the one that the snapshot has seen. */
int pgoutput_set_visible(struct pgoutput *decoder, struct cdc_span read_at, struct cdc_error *error);
/* Row changes of the tables that a round has read are omitted in transactions that it has seen, from the round's place in the log
 * on; the rounds' read_at is as above. Those that had seen nothing after `from`, where the lines begin, are over. BORROWED until
 * the next call; NULL: none. */
int pgoutput_set_rounds(struct pgoutput *decoder, const struct cdc_rounds *rounds, uint64_t from,
                        struct cdc_error *error);
/* Tables that keep what earlier attempts at the snapshot have read: the "read" of its state (snapshot/parts.c), or {NULL, 0}. CONFIG
 * when it is damaged. */
int pgoutput_set_parts(struct pgoutput *decoder, struct cdc_span read, struct cdc_error *error);
/* A table that will be read again: its changes are omitted from now on. */
void pgoutput_set_stale(struct pgoutput *decoder, const char *schema, const char *name);
/* A schema line that is not of the log has described that table so: where the log describes it otherwise, the next change is told with
 * its own. */
void pgoutput_described(struct pgoutput *decoder, const struct pg_table *table);
/* One sink, of this offset file, did not take that snapshot, since it was in the log already, up to lsn. What is omitted after
 * that would be missing in its copy: of a row change that is both settings.needed is told. NULL: there is no such sink. */
void pgoutput_set_needed(struct pgoutput *decoder, uint64_t lsn, const char *offset_file);
/* A composite type may have been altered (ALTER TYPE): describe is called once more for each table that has one. */
void pgoutput_set_composites_due(struct pgoutput *decoder);
/* Where the next message begins in the log, as the server says; of a change that is its own place, and not its transaction's. */
void pgoutput_set_place(struct pgoutput *decoder, uint64_t lsn);
/* Decodes the payload of one XLogData message; appends whole lines. Unknown messages and bad lengths are errors
 * (PROTOCOL). So is, as CONFIG, an insert of which the log has a part only: see decode_insert. */
int pgoutput_decode(struct pgoutput *decoder, const char *data, size_t n, struct cdc_buf *out, struct cdc_error *error);
bool pgoutput_in_transaction(const struct pgoutput *decoder);
/* So many tables have been described (table_bytes) that the next boundary should be the last one of this connection.
 * The server describes a table once a connection, and never says that it was dropped: where partitions come and go, what is
 * known of them would grow for ever. In the next connection it describes again what is still in use. One transaction may
 * take four times as much; beyond that is PROTOCOL. */
bool pgoutput_is_full(const struct pgoutput *decoder);
/* The start of the commit record of the open transaction; 0: none is. *xid: the low half of its id. */
uint64_t pgoutput_transaction(const struct pgoutput *decoder, uint32_t *xid);
/* Is what the open transaction did to the table of that name in the rows of it that were read? Then no line of it comes. */
bool pgoutput_has_read(const struct pgoutput *decoder, char *schema, char *name);
/* After a commit line (or the commit line of a non-transactional message): the boundary; NULL before the first.
 * BORROWED until the next decode. */
const struct cdc_offset *pgoutput_boundary(const struct pgoutput *decoder);
/* The position that reading begins at is that of a heartbeat with this number, or 0: the next one at the same place is counted on
 * from there, or a sink would take it for one that it has. */
void pgoutput_set_heartbeats(struct pgoutput *decoder, uint32_t heartbeats);
/* Appends a heartbeat line at lsn (only between transactions) and makes it the boundary. */
void pgoutput_heartbeat(struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out);
/* The same as the boundary where a run ends, known before it is reached: its number is 0, which no other heartbeat has. */
void pgoutput_stop(struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out);
struct pgoutput_counts {
    uint64_t changes, commits, lines;
    struct pg_value_counts values;
};
const struct pgoutput_counts *pgoutput_counts_of(const struct pgoutput *decoder);

#endif
