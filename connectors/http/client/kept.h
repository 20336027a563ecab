/* SPDX-License-Identifier: MIT */
/* Connections that are kept between requests. What comes on one while no request is under way is the answer to none: the rest of an
 * earlier one, or what a peer says before it closes. libcurl before 8.0 would take it for the answer to the next request. */
#ifndef HTTP_KEPT_H
#define HTTP_KEPT_H

#include <stdbool.h>
#include <stddef.h>

/* All zero at first. */
struct http_kept {
    int *sockets; /* that were made: some may be closed by now */
    size_t n;
};

/* A socket that was made. false: no memory. */
bool http_kept_add(struct http_kept *kept, int socket);
/* Has the one with that local port bytes that nobody has read? */
bool http_kept_has_bytes(const struct http_kept *kept, int port);
void http_kept_free(struct http_kept *kept);

#endif
