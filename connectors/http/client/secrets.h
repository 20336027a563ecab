/* SPDX-License-Identifier: MIT */
/* What nobody is to read in a message or a dead letter: some peers say what they were sent, a page of "not found" the URL with its token. */
#ifndef HTTP_SECRETS_H
#define HTTP_SECRETS_H

#include "connectors/http/client/client.h"

/* Puts stars in place of the password, of words of the headers, and of parts of the URL's path and query (not of what is appended to
 * it), each of eight bytes or more, however JSON, a URL or HTML spells them. The length stays. Without memory all of it becomes stars. */
void http_secrets_mask(const struct http_peer *peer, char *text, size_t n);

#endif
