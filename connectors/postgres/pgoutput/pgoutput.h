/* SPDX-License-Identifier: MIT */
/* The plugin pgoutput, protocol version 1: messages in, lines out. Pure: no connection, no clock but for lines that no
 * transaction dates. */
#ifndef PG_PGOUTPUT_H
#define PG_PGOUTPUT_H

#include "connectors/postgres/pgoutput/table.h"

#include <cdc/offset.h>
#include <cdc/selection.h>

struct pgoutput;
struct pg_encoding;
struct pgoutput_settings {
    const char *pipeline, *database;
    struct cdc_value_format format;
    struct cdc_selection selection;
    const struct pg_encoding *encoding; /* in which the texts come; NULL: in UTF-8. BORROWED */
    /* Completes a table that a Relation message described (type names, nullable, generated, primary key) from the
     * catalogs; may be NULL in tests. Called at most once per Relation message. When the catalog's columns differ
     * (older Relation), only what matches by name is taken. 0 or -1 */
    int (*describe)(void *context, struct pg_table *table, struct cdc_error *error);
    void *describe_context;
};
struct pgoutput *pgoutput_new(const struct pgoutput_settings *settings, struct cdc_error *error); /* RETURNS NEW */
void pgoutput_free(struct pgoutput *decoder);
/* Forgets relations and any open transaction: a new connection. */
void pgoutput_reset(struct pgoutput *decoder);
/* Row changes of transactions that a snapshot has seen are omitted (their commit lines stay): read_at as in visible.h,
 * or {NULL, 0}. */
int pgoutput_set_visible(struct pgoutput *decoder, struct cdc_span read_at, struct cdc_error *error);
/* Decodes the payload of one XLogData message; appends whole lines. Unknown messages and bad lengths are errors
 * (PROTOCOL). */
int pgoutput_decode(struct pgoutput *decoder, const char *data, size_t n, struct cdc_buf *out, struct cdc_error *error);
bool pgoutput_in_transaction(const struct pgoutput *decoder);
/* After a commit line (or the commit line of a non-transactional message): the boundary; NULL before the first.
 * BORROWED until the next decode. */
const struct cdc_offset *pgoutput_boundary(const struct pgoutput *decoder);
/* Appends a heartbeat line at lsn (only between transactions) and makes it the boundary. */
void pgoutput_heartbeat(struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out);
struct pgoutput_counts {
    uint64_t changes, commits, lines, unconvertible;
};
const struct pgoutput_counts *pgoutput_counts_of(const struct pgoutput *decoder);

#endif
