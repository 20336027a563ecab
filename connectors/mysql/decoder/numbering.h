/* SPDX-License-Identifier: MIT */
/* How transactions are numbered where the log goes on at another server.
 *
 * A transaction's number is counted: one after the other, from a start. Another server may have the transactions in
 * another order, and others than the old one sent last. So after a failover the numbers go on from above all that
 * were given, after the last transaction that is known to be the same in both logs. That is a renumbering:
 *
 *     old server   ... 41 42 43 44 45        a sink has 43, another one 45; the new server has never seen 44 and 45
 *     new server   ... 41 42 43 46 47 48     after 43 comes 46: {after 43, from 46}
 *
 * It travels with the positions after it, in the source object of commit lines and heartbeats, as
 * `"renumbered":[[43,46],...]`, until every sink has passed it. So a transaction has the same number wherever
 * reading begins: at 41 it is counted 42, 43, 46, 47. 44 and 45 are not counted: a sink that has them is ahead of
 * the new server. */
#ifndef MY_NUMBERING_H
#define MY_NUMBERING_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <stdint.h>

#define MY_RENUMBERINGS_MAX 64

/* The transaction after number `after` has number `from`. */
struct my_renumbering {
    uint64_t after, from;
};

struct my_numbering {
    struct my_renumbering renumberings[MY_RENUMBERINGS_MAX]; /* rising */
    size_t n;
};

/* The number of the transaction after that one. */
uint64_t my_numbering_after(const struct my_numbering *numbering, uint64_t number);
/* False where the number lies between `after` and `from` of a renumbering: what came after it has other numbers. */
bool my_numbering_is_counted(const struct my_numbering *numbering, uint64_t number);
/* Renumberings at its `after` or later are dropped: what they counted is counted anew. 0 or -1: CONFIG when there
 * are too many. */
int my_numbering_add(struct my_numbering *numbering, struct my_renumbering renumbering, struct cdc_error *error);
/* Those of both, added in the order in which they happened. 0 or -1 as above. */
int my_numbering_merge(struct my_numbering *numbering, const struct my_numbering *other, struct cdc_error *error);
/* `from` of the newest renumbering; 0 without one. */
uint64_t my_numbering_newest(const struct my_numbering *numbering);
/* Reading never begins before that number again: only renumberings after it are kept. */
void my_numbering_confirm(struct my_numbering *numbering, uint64_t number);
/* Appends `,"renumbered":[[A,F],...]`; nothing where there are none. */
void my_numbering_append(struct cdc_buf *out, const struct my_numbering *numbering);
/* From a source object; false when it is damaged. */
bool my_numbering_read(struct cdc_span source, struct my_numbering *numbering);

#endif
