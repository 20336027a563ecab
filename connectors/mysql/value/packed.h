/* SPDX-License-Identifier: MIT */
/* The integers of the protocol that say by their first byte how long they are. */
#ifndef MY_PACKED_H
#define MY_PACKED_H

#include <cdc/bytes.h>

/* 1, 3, 4 or 9 bytes ("MySQL Source Code Documentation: Protocol::LengthEncodedInteger"). A first byte that is none sets bad. */
uint64_t my_packed(struct cdc_bytes *cursor);

#endif
