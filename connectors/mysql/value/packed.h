/* SPDX-License-Identifier: MIT */
/* Packed integers: those of the protocol whose first byte tells how long they are. */
#ifndef MY_PACKED_H
#define MY_PACKED_H

#include <cdc/bytes.h>

/* 1, 3, 4 or 9 bytes ("MySQL Source Code Documentation: Protocol::LengthEncodedInteger"):
 *     fa                           250
 *     fc 00 01                     256
 *     fd 00 00 01                  65536
 *     fe 00 00 00 00 00 00 00 01   2^56
 * fb and ff are no integers: they set bad, as a missing byte does, and 0 is returned. */
uint64_t my_packed_read(struct cdc_bytes *cursor);

#endif
