/* SPDX-License-Identifier: MIT */
/* A table that is read again while the log goes on (cdc/stale.h has rounds, for which the stream ends). Its rows come in pieces by
 * the order of its key, each at a boundary of the log, as they are at that moment, which is later than the boundary:
 *
 *   the log   ... T1 |        T2        T3      T4 ...        the boundary: T1 is out, T2 is next
 *   the piece        | rows (7, 19], which show T1 and T2
 *   lines     ... T1 | r r r  T2        T3 ...                of T2 without what it does to rows (7, 19]; all that T3 does
 *
 * So of each change it is asked to which piece its row belongs:
 *
 *   up to 7    done: the log has passed what the piece had seen; the change comes
 *   (7, 19]    read: it comes, unless the piece has seen its transaction
 *   after 19   not read yet: it does not come, since a later piece will show it
 *
 * An update that moves a row from one to another is what it is to each: both take it: an update; only the old one: a delete; only
 * the new one: an insert, whose columns must all be in the log. The next piece is read once the log has passed what this one has
 * seen. It must have seen all that the log has brought of the table by then: `xids` are asked for that, since a commit is in the
 * log a moment before others see it (for as long as a synchronous standby takes).
 *
 * What has seen a change while no piece of before is done, has no row of it yet that needs it: such changes do not come, whatever
 * their key, which may be one that the table no longer has.
 *
 * Keys are integers and uuids, whose order is known here. That of others, as of texts with their collation, the server is asked for, once
 * or twice for each change: equal are those with the same bytes, and else it says. Where that would be too often while one piece
 * waits, the read begins anew, in one piece.
 *
 * A table without a key is one piece (`whole`): all its rows are read in one view, and the log waits until they are out. Of each
 * change it is asked then whether that view has seen its transaction, and not what it is to which row:
 *
 *   the log   ... T1 |                  T2        T3 ...       so rows may have no key, or lie in partitions, or move as they like:
 *   lines     ... T1 | r r r r r r      (of others) T3         each transaction is in the rows, or comes whole after them
 *
 * The last line comes once the log has passed that view, as after any piece: a start that finds the read stored need leave out
 * nothing.
 *
 * Readers take the lines between the first one ("read":"live") and the last one ("read":"end") for the table as it will be. */
#ifndef PG_LIVE_H
#define PG_LIVE_H

#include "connectors/postgres/pgoutput/pgoutput.h"
#include "connectors/postgres/pgoutput/visible.h"

enum { PG_LIVE_KEY_MAX = 8 };
/* Questions to the server while one piece waits, and 4 for each millisecond of answers: from a distant one they take 5 seconds. */
enum { PG_LIVE_ASKED_MAX = 20000, PG_LIVE_ASKED_MS = 4 };

struct pg_live_key {
    uint64_t words[2 * PG_LIVE_KEY_MAX]; /* integers and uuids: texts that are compared here as the server does */
    struct cdc_buf text; /* instead of them, where the server is asked: its values, with a NUL after each; owned */
};
void pg_live_key_free(struct pg_live_key *key);
/* The server's word on two such keys, by the same comparison as cuts the pieces in its statement: *order is <0, 0 or >0. false: it does
 * not say. */
typedef bool pg_live_order(void *context, const struct pg_live_key *a, const struct pg_live_key *b, int *order);

struct pg_live {
    const char *schema, *name;           /* BORROWED, as the names of: */
    const char *column[PG_LIVE_KEY_MAX]; /* the key, in the order of the read */
    bool is_uuid[PG_LIVE_KEY_MAX];
    size_t n_key;
    pg_live_order *order; /* of keys of other types; NULL: all are integers and uuids */
    void *context;
    size_t asked;            /* times since the last piece; an answer that takes longer counts for more */
    bool whole;              /* in one piece, whatever its key */
    bool begun;              /* its first line is out; before, all changes come */
    bool all_read;           /* no row is after `read` */
    bool has_done, has_read; /* the first pieces have come */
    struct pg_live_key done, read, scratch;
    struct pg_visible visible; /* what the newest piece has seen; json NULL: the log has passed it */
    bool seen;                 /* it has seen the open transaction */
    const char *broken; /* why it cannot go on, for people: nothing of the table comes until it begins anew; NULL */
    uint32_t *xids;     /* transactions that the log has brought, and that changed the table */
    size_t n_xids, xids_capacity;
};
void pg_live_clear(struct pg_live *live);
/* The key of a row; false where it is none of these. cells: of columns by name, as of table. key: {0}, or of an earlier call. */
bool pg_live_key_of(const struct pg_live *live, const struct pg_table *table, const struct pg_cell *cells,
                    struct pg_live_key *key);
/* Has the snapshot seen all that the log has brought? Then that is forgotten. */
bool pg_live_is_whole(struct pg_live *live, const struct pg_visible *visible);
/* A piece is out: rows up to key (NULL: there are no more), which TAKES visible. */
void pg_live_take_piece(struct pg_live *live, const struct pg_live_key *key, struct pg_visible *visible);
/* The log is at lsn: has it passed what the piece has seen? */
bool pg_live_passed(struct pg_live *live, uint64_t lsn);

/* The table that is read so; NULL: none. withheld: those that will be, of which nothing comes until then. BORROWS. */
void pgoutput_set_live(struct pgoutput *decoder, struct pg_live *live, const struct cdc_stale *withheld);

/* -- its lines: between transactions, all at one lsn -- */
struct pg_live_lines {
    struct pgoutput *decoder;
    const struct pg_table *table; /* as the catalogs have it now */
    uint64_t lsn, since;          /* since: the first line's seq */
    unsigned attempt;
    uint64_t *line; /* counts them */
    uint64_t events;
    int64_t ts_ms;
};
void pg_live_begin_lines(struct pg_live_lines *lines, struct cdc_buf *out); /* t, schema */
void pg_live_row_line(struct pg_live_lines *lines, const struct pg_cell *cells, struct cdc_buf *out);
void pg_live_end_line(struct pg_live_lines *lines, struct cdc_buf *out);
void pg_live_commit_line(struct pg_live_lines *lines, struct cdc_buf *out); /* makes it the boundary */

#endif
