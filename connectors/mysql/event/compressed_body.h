/* SPDX-License-Identifier: MIT */
/* The compressed part of MariaDB's events: of a rows event what follows the bitmaps, of a QUERY the statement. */
#ifndef MY_COMPRESSED_BODY_H
#define MY_COMPRESSED_BODY_H

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

/* Appends what body stands for, from its cursor to its end, to out, and reads over it. -1: PROTOCOL (it is damaged, or
 * larger than an event can be), MEMORY; then nothing is appended. */
int my_compressed_body_unpack(struct cdc_bytes *body, struct cdc_buf *out, struct cdc_error *error);
/* How many bytes those are, by what it says itself (unpacking proves it). -1: PROTOCOL. */
int my_compressed_body_size(struct cdc_bytes body, uint64_t *size, struct cdc_error *error);

#endif
