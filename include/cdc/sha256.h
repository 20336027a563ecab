/* SPDX-License-Identifier: MIT */
/* SHA-256, for names made of bytes that are too long or too secret to stand in one. */
#ifndef CDC_SHA256_H
#define CDC_SHA256_H

#include <stddef.h>

/* The digest as 64 lower-case hexadecimal digits with a NUL. */
void cdc_sha256_hex(const void *data, size_t n, char out[65]);

#endif
