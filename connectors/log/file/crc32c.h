/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli), as iSCSI and ext4 have it. */
#ifndef LOG_CRC32C_H
#define LOG_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of what `crc` stands for (0: of nothing) and n more bytes. */
uint32_t log_crc32c(uint32_t crc, const void *data, size_t n);

/* Of a and then b, which is n bytes long, from the CRCs of both. */
uint32_t log_crc32c_join(uint32_t a, uint32_t b, uint64_t n);

#endif
