/* SPDX-License-Identifier: MIT */
/* How transactions are counted on where the log goes on at another server. That may have them in another order, and others
 * than the old one sent last: there the numbers go on from above all that were given, behind the last transaction that is
 * known to be the same in both. Each of these steps travels with the positions behind it, in the source object of commit
 * lines and heartbeats, as `"renumbered":[[AFTER,FROM],...]`, until every sink has passed it: so a transaction has the same
 * number wherever reading begins. */
#ifndef MY_NUMBERING_H
#define MY_NUMBERING_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <stdint.h>

#define MY_RENUMBERINGS_MAX 64

/* The transaction behind number `after` has number `from`. */
struct my_renumbering {
    uint64_t after, from;
};

struct my_numbering {
    struct my_renumbering renumberings[MY_RENUMBERINGS_MAX]; /* rising */
    size_t n;
};

/* The number of the transaction behind that one. */
uint64_t my_numbering_after(const struct my_numbering *numbering, uint64_t number);
/* False where the number lies between `after` and `from` of a step: what stands behind it has other numbers. */
bool my_numbering_is_counted(const struct my_numbering *numbering, uint64_t number);
/* Steps that begin at `after` or behind it give way: what they counted is counted anew. CONFIG when there are too many. */
int my_numbering_add(struct my_numbering *numbering, struct my_renumbering renumbering, struct cdc_error *error);
/* Those of both, as they came one after the other. */
int my_numbering_merge(struct my_numbering *numbering, const struct my_numbering *other, struct cdc_error *error);
/* The number that the newest step led to; 0 without one. */
uint64_t my_numbering_newest(const struct my_numbering *numbering);
/* Reading never begins before that number again: steps behind it are all that is needed. */
void my_numbering_confirm(struct my_numbering *numbering, uint64_t number);
/* Appends `,"renumbered":[[A,F],...]`; nothing where there are none. */
void my_numbering_append(struct cdc_buf *out, const struct my_numbering *numbering);
/* From a source object; false when it is damaged. */
bool my_numbering_read(struct cdc_span source, struct my_numbering *numbering);

#endif
