/* SPDX-License-Identifier: MIT */
/* Names of hosts, asked for by a thread. getaddrinfo knows no end but its own, which may be a minute; who asks here may wait for
 * something else as well, and leave at any time.
 *
 *   struct cdc_lookup *lookup = cdc_lookup_ask("db.example.org");
 *   ... poll cdc_lookup_fd(lookup) beside a signal's descriptor ...
 *   if (cdc_lookup_done(lookup)) status = cdc_lookup_answer(lookup, &found);
 *   cdc_lookup_leave(lookup); */
#ifndef CDC_LOOKUP_H
#define CDC_LOOKUP_H

#include <stdbool.h>

struct addrinfo;
struct cdc_lookup;

/* Begins to look up the stream addresses of a host, which is copied. RETURNS NEW (cdc_lookup_leave); NULL: no memory, no
 * descriptor or no thread. */
struct cdc_lookup *cdc_lookup_ask(const char *host);
/* Readable once the answer is there. */
int cdc_lookup_fd(const struct cdc_lookup *lookup);
bool cdc_lookup_done(const struct cdc_lookup *lookup);
/* Once it is done: 0 and the addresses, BORROWED, or an error of getaddrinfo (gai_strerror). found may be NULL. */
int cdc_lookup_answer(const struct cdc_lookup *lookup, const struct addrinfo **found);
/* Before its answer, too: the thread ends by itself then. NULL is nothing. */
void cdc_lookup_leave(struct cdc_lookup *lookup);

#endif
