/* SPDX-License-Identifier: MIT */
/* Bodies of requests, packed (RFC 1952). */
#ifndef HTTP_GZIP_H
#define HTTP_GZIP_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* Shorter bodies are sent as they are: what packing saves there is less than a packet. */
#define HTTP_GZIP_LEAST 1024

/* The state of the packing, kept from one body to the next: it takes a quarter of a megabyte. All zero is a new one. */
struct http_gzip {
    void *stream; /* zlib's */
};

/* Packs body into out, whose content it replaces. 0; -1: MEMORY. */
int http_gzip_pack(struct http_gzip *gzip, struct cdc_span body, struct cdc_buf *out, struct cdc_error *error);
void http_gzip_free(struct http_gzip *gzip);

#endif
