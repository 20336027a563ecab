/* SPDX-License-Identifier: MIT */
/* Text of a database that is not in UTF-8, as UTF-8. */
#include "connectors/postgres/pgoutput/encoding.h"

#include <stdlib.h>
#include <string.h>

static bool is_ascii(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] & 0x80)
            return false;
    return true;
}

/* -- several bytes a character -- */

static struct pg_euc_known *slot_of(const struct pg_euc *euc, uint32_t bytes)
{
    size_t slot = (bytes * UINT32_C(2654435769)) & (euc->n_slots - 1);
    while (euc->known[slot].bytes != 0 && euc->known[slot].bytes != bytes)
        slot = (slot + 1) & (euc->n_slots - 1);
    return &euc->known[slot];
}

static int grow(struct pg_euc *euc, struct cdc_error *error)
{
    struct pg_euc old = *euc;
    size_t n_slots = old.n_slots ? old.n_slots * 2 : 1024;
    struct pg_euc_known *known = calloc(n_slots, sizeof *known);
    if (!known)
        return cdc_error_memory(error);
    euc->known = known;
    euc->n_slots = n_slots;
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.known[i].bytes != 0)
            *slot_of(euc, old.known[i].bytes) = old.known[i];
    free(old.known);
    return 0;
}

/* NULL: an error. */
static const struct pg_euc_known *look_up(struct pg_euc *euc, const char *p, size_t n, struct cdc_error *error)
{
    uint32_t bytes = 0;
    size_t n_utf8 = 0;
    for (size_t i = 0; i < n; i++)
        bytes = bytes << 8 | (unsigned char)p[i];
    if (euc->n_known * 2 >= euc->n_slots && grow(euc, error) < 0)
        return NULL;
    struct pg_euc_known *known = slot_of(euc, bytes);
    if (known->bytes == bytes)
        return known;
    if (euc->ask(euc->context, p, n, known->utf8, &n_utf8, error) < 0)
        return NULL;
    known->bytes = bytes;
    known->n = (uint8_t)n_utf8;
    euc->n_known++;
    return known;
}

/* Takes a character of several bytes from p on: how many; 0: it is none; -1: an error. */
static int take_euc(struct cdc_buf *out, struct pg_euc *euc, const char *p, size_t n, struct cdc_error *error)
{
    unsigned char first = (unsigned char)*p;
    size_t length = first == 0x8e ? euc->after_8e : first == 0x8f ? euc->after_8f : 2;
    if (length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if (!((unsigned char)p[i] & 0x80))
            return 0;
    const struct pg_euc_known *known = look_up(euc, p, length, error);
    if (!known)
        return -1;
    cdc_buf_append(out, known->utf8, known->n);
    return known->n > 0 ? (int)length : 0;
}

static int take_byte(struct cdc_buf *out, const struct pg_encoding *encoding, unsigned char c)
{
    cdc_buf_append(out, encoding->high[c - 0x80].utf8, encoding->high[c - 0x80].n);
    return encoding->high[c - 0x80].n > 0;
}

/* 1; 0: something in it is no character, and nothing is appended; -1 */
static int append(struct cdc_buf *out, const struct pg_encoding *encoding, const char *text, size_t n,
                  struct cdc_error *error)
{
    size_t start = out->len;
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        int taken = 1;
        if (c < 0x80)
            cdc_buf_byte(out, text[i]);
        else
            taken = encoding->euc ? take_euc(out, encoding->euc, text + i, n - i, error) : take_byte(out, encoding, c);
        if (taken <= 0) {
            out->len = start;
            return taken;
        }
        i += (size_t)taken;
    }
    return 1;
}

int pg_encoding_convert_row(const struct pg_encoding *encoding, struct cdc_buf *scratch, struct pg_cell *cells,
                            size_t n, struct cdc_error *error)
{
    size_t total = 0;
    if (!encoding)
        return 0;
    for (size_t i = 0; i < n; i++)
        total += cells[i].kind == 't' ? cells[i].n : 0;
    /* Room for the longest that can become of it: the buffer must not move while cells point into it. */
    scratch->len = 0;
    if (!cdc_buf_room(scratch, total * sizeof encoding->high->utf8 + 1))
        return cdc_error_memory(error);
    for (size_t i = 0; i < n; i++) {
        struct pg_cell *cell = &cells[i];
        size_t start = scratch->len;
        if (cell->kind != 't' || is_ascii(cell->p, cell->n))
            continue;
        int converted = append(scratch, encoding, cell->p, cell->n, error);
        if (converted < 0)
            return -1;
        if (!converted) {
            cell->raw = true;
            continue;
        }
        cell->p = scratch->data + start;
        cell->n = (uint32_t)(scratch->len - start);
    }
    return scratch->failed ? cdc_error_memory(error) : 0;
}

char *pg_encoding_name(const struct pg_encoding *encoding, const char *name, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    int converted = !encoding || is_ascii(name, strlen(name)) ? 0 : append(&text, encoding, name, strlen(name), error);
    cdc_buf_byte(&text, '\0');
    if (converted > 0 && !text.failed)
        return text.data;
    char *copy = converted == 0 ? strdup(name) : NULL;
    cdc_buf_free(&text);
    if (!copy && converted >= 0)
        cdc_error_memory(error);
    return copy;
}
