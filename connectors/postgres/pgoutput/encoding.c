/* SPDX-License-Identifier: MIT */
/* Text of a database that is in a single-byte encoding, as UTF-8. */
#include "connectors/postgres/pgoutput/encoding.h"

#include <string.h>

static bool is_ascii(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] & 0x80)
            return false;
    return true;
}

/* Nothing is appended where it returns false. */
static bool append(struct cdc_buf *out, const struct pg_encoding *encoding, const char *text, size_t n)
{
    size_t start = out->len;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x80) {
            cdc_buf_byte(out, text[i]);
            continue;
        }
        if (encoding->high[c - 0x80].n == 0) {
            out->len = start;
            return false;
        }
        cdc_buf_append(out, encoding->high[c - 0x80].utf8, encoding->high[c - 0x80].n);
    }
    return true;
}

void pg_encoding_convert_row(const struct pg_encoding *encoding, struct cdc_buf *scratch, struct pg_cell *cells,
                             size_t n)
{
    size_t total = 0;
    if (!encoding)
        return;
    for (size_t i = 0; i < n; i++)
        total += cells[i].kind == 't' ? cells[i].n : 0;
    /* Room for the longest that can become of it: the buffer must not move while cells point into it. */
    scratch->len = 0;
    if (!cdc_buf_room(scratch, total * sizeof encoding->high->utf8 + 1))
        return;
    for (size_t i = 0; i < n; i++) {
        struct pg_cell *cell = &cells[i];
        size_t start = scratch->len;
        if (cell->kind != 't' || is_ascii(cell->p, cell->n))
            continue;
        if (!append(scratch, encoding, cell->p, cell->n)) {
            cell->raw = true;
            continue;
        }
        cell->p = scratch->data + start;
        cell->n = (uint32_t)(scratch->len - start);
    }
}

char *pg_encoding_name(const struct pg_encoding *encoding, const char *name)
{
    struct cdc_buf text = CDC_BUF_INIT;
    if (!encoding || is_ascii(name, strlen(name)) || !append(&text, encoding, name, strlen(name)))
        return strdup(name);
    cdc_buf_byte(&text, '\0');
    if (!text.failed)
        return text.data;
    cdc_buf_free(&text);
    return NULL;
}
