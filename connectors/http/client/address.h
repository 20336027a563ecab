/* SPDX-License-Identifier: MIT */
/* Addresses that are not of the public internet: a URL that somebody else gave must not lead into one's own network. */
#ifndef HTTP_ADDRESS_H
#define HTTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* False for what the registries of special-purpose addresses (RFC 6890) do not have as globally reachable: this machine, private
 * networks, link-local, shared, documentation, multicast; for IPv6 addresses that have such an IPv4 address in them; and for whatever is
 * neither IPv4 nor IPv6. */
bool http_address_is_public(const struct sockaddr *address);
/* As text, for messages. */
void http_address_print(char *out, size_t size, const struct sockaddr *address);

#endif
