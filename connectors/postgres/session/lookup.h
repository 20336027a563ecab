/* SPDX-License-Identifier: MIT */
/* Names of hosts, looked up in a wait that a signal ends. */
#ifndef PG_LOOKUP_H
#define PG_LOOKUP_H

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>

/* The addresses of a host as text, in the order in which they are to be tried, with commas between them: "::1,127.0.0.1".
 * 0; -1: UNAVAILABLE, the name servers do not know it; TEMPORARY, a signal came. control may be NULL: no signals. */
int pg_lookup(const char *host, const struct cdc_control *control, struct cdc_buf *out, struct cdc_error *error);

#endif
