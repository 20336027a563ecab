/* SPDX-License-Identifier: MIT */
/* What is compressed: TRANSACTION_PAYLOAD of MySQL, and the bodies of MariaDB's compressed events. */
#ifndef MY_PAYLOAD_H
#define MY_PAYLOAD_H

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

/* TRANSACTION_PAYLOAD (zstd or plain): the inner events one after the other, without ever holding them all. */
struct my_payload;
struct my_payload *my_payload_new(struct cdc_error *error); /* RETURNS NEW; used for many payloads */
void my_payload_free(struct my_payload *payload);
/* part: of the event's body, which has so many bytes; last: there is no other one to come. BORROWED until the last event
 * was taken, or the next part is wanted. */
int my_payload_open(struct my_payload *payload, struct cdc_bytes part, uint64_t size, bool last,
                    struct cdc_error *error);
void my_payload_feed(struct my_payload *payload, struct cdc_bytes part, bool last);
/* Has its last part come? The last inner event is given only then. */
bool my_payload_is_whole(const struct my_payload *payload);
/* 1: an inner event (header and body, no checksum), BORROWED until the next call; 2 (MY_PAYLOAD_WANTS): the next part is to be
 * fed; 0: no more; -1: error. */
#define MY_PAYLOAD_WANTS 2
int my_payload_next(struct my_payload *payload, const uint8_t **data, size_t *n, struct cdc_error *error);
/* MariaDB's compressed body (a rows event's, behind its bitmaps, and a query's), to its end: appends the unpacked bytes to
 * out. */
int my_payload_uncompress(struct cdc_bytes *body, struct cdc_buf *out, struct cdc_error *error);

#endif
