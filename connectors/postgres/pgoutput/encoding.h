/* SPDX-License-Identifier: MIT */
/* Text of a database that is not in UTF-8, as UTF-8. The server could convert it, but has an error instead of
 * the whole row where one byte is no character (0x81 in WIN1252): the stream would end there, at each start. So the bytes
 * are taken as they are stored, and what has no character leaves as base64. */
#ifndef PG_ENCODING_H
#define PG_ENCODING_H

#include "connectors/postgres/pgoutput/table.h"

/* The encodings of a server with several bytes a character, but for UTF-8, are the EUC ones: each byte of such a character is
 * 0x80 or more, and the first one tells how many there are. What characters there are is asked as they come, and kept. */
struct pg_euc {
    unsigned char after_8e, after_8f; /* bytes of a character that begins with these; of others 2 */
    /* 0, with *n_utf8 0 where it is no character of Unicode; -1 */
    int (*ask)(void *context, const char *bytes, size_t n, char utf8[8], size_t *n_utf8, struct cdc_error *error);
    void *context;
    struct pg_euc_known {
        uint32_t bytes; /* 0: a free slot */
        uint8_t n;
        char utf8[8];
    } * known; /* open addressing; the size is a power of two */
    size_t n_known, n_slots;
};
/* What the bytes from 0x80 on are; n 0: no character. Those below are ASCII in every encoding of a server. */
struct pg_encoding {
    struct pg_euc *euc; /* NULL: one byte a character */
    struct {
        uint8_t n;
        char utf8[3];
    } high[128];
};
/* Converts the cells of a row that are text. Their bytes are in scratch then, until its next use; one that cannot be
 * converted stays as it is, and is marked raw. encoding NULL: nothing to do. 0 or -1 */
int pg_encoding_convert_row(const struct pg_encoding *encoding, struct cdc_buf *scratch, struct pg_cell *cells,
                            size_t n, struct cdc_error *error);
/* A name. RETURNS NEW; as it is where it cannot be converted, or encoding is NULL. NULL: an error. */
char *pg_encoding_name(const struct pg_encoding *encoding, const char *name, struct cdc_error *error);

#endif
