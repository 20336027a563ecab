/* SPDX-License-Identifier: MIT */
/* TRANSACTION_PAYLOAD of MySQL: all events of a transaction in one, compressed by zstd, or plain. */
#ifndef MY_PAYLOAD_H
#define MY_PAYLOAD_H

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

/* The inner events are given one after the other, without ever holding all of them, nor the whole payload, which may
 * come in parts:
 *     my_payload_open(p, first_part, size, last, error);
 *     for (;;) {
 *         result = my_payload_next(p, &data, &n, error);
 *         1: an event                  MY_PAYLOAD_WANTS: my_payload_feed(p, next_part, last)
 *         0: no more                   -1: error
 *     }
 * An inner event may have a gigabyte. One that nobody wants need never be there as a whole:
 *     if (my_payload_large(p, &data, &n, &size, error) == 1 && !wanted(data, n, size)) my_payload_pass(p); */
struct my_payload;
struct my_payload *my_payload_new(struct cdc_error *error); /* RETURNS NEW; used for many payloads */
void my_payload_free(struct my_payload *payload);
/* size: of the event's body, of which part is the beginning, or all. last: no other part will come. The part is
 * BORROWED until the last event was taken, or the next part is wanted. 0 or -1: PROTOCOL. */
int my_payload_open(struct my_payload *payload, struct cdc_bytes part, uint64_t size, bool last,
                    struct cdc_error *error);
void my_payload_feed(struct my_payload *payload, struct cdc_bytes part, bool last);
/* Has its last part come? The last inner event, which ends the transaction, is given only then: the event's
 * checksum, at its very end, is known to be right by that time. */
bool my_payload_is_whole(const struct my_payload *payload);
/* 1: an inner event (header and body, no checksum), BORROWED until the next call; MY_PAYLOAD_WANTS: the next part is
 * to be fed; 0: no more; -1: PROTOCOL (damaged, or it does not hold what its header promised), MEMORY. */
#define MY_PAYLOAD_WANTS 2
int my_payload_next(struct my_payload *payload, const uint8_t **data, size_t *n, struct cdc_error *error);
/* Before my_payload_next. 1: the next inner event is larger than MY_EVENT_PART, data[0..n) is its beginning (so much of it;
 * BORROWED until the next call), and size its whole size; MY_PAYLOAD_WANTS; 0: it is not; -1: PROTOCOL, MEMORY. */
int my_payload_large(struct my_payload *payload, const uint8_t **data, size_t *n, size_t *size,
                     struct cdc_error *error);
/* Such an event is left out: it is unpacked, piece by piece, and thrown away. */
void my_payload_pass(struct my_payload *payload);

#endif
