/* SPDX-License-Identifier: MIT */
#include "connectors/mysql/value/packed.h"

uint64_t my_packed_read(struct cdc_bytes *cursor)
{
    uint64_t first = cdc_bytes_le(cursor, 1);
    switch (first) {
    case 0xfb: /* NULL in result sets, nothing here */
    case 0xff: cursor->bad = true; return 0;
    case 0xfc: return cdc_bytes_le(cursor, 2);
    case 0xfd: return cdc_bytes_le(cursor, 3);
    case 0xfe: return cdc_bytes_le(cursor, 8);
    default: return first;
    }
}
