/* SPDX-License-Identifier: MIT */
/* Text of a database that is in a single-byte encoding, as UTF-8. The server could convert it, but has an error instead of
 * the whole row where one byte is no character (0x81 in WIN1252): the stream would end there, at each start. So the bytes
 * are taken as they are stored, and what has no character leaves as base64. */
#ifndef PG_ENCODING_H
#define PG_ENCODING_H

#include "connectors/postgres/pgoutput/table.h"

/* What the bytes from 0x80 on are; n 0: no character. Those below are ASCII in every encoding of a server. */
struct pg_encoding {
    struct {
        uint8_t n;
        char utf8[3];
    } high[128];
};
/* Converts the cells of a row that are text. Their bytes are in scratch then, until its next use; one that cannot be
 * converted stays as it is, and is marked raw. Memory that is missing shows in scratch->failed. encoding NULL: nothing to
 * do. */
void pg_encoding_convert_row(const struct pg_encoding *encoding, struct cdc_buf *scratch, struct pg_cell *cells,
                             size_t n);
/* A name. RETURNS NEW; as it is where it cannot be converted, or encoding is NULL. NULL: no memory. */
char *pg_encoding_name(const struct pg_encoding *encoding, const char *name);

#endif
