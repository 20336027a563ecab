/* SPDX-License-Identifier: MIT */
/* The rows of a table have the same members in the same order, so the names are compared with those of the row before, and only the
 * values are scanned. Of
 *
 *   {"id":7,"name":"x","price":null}
 *
 * after {"id":6,"name":"w","price":"1.50"} three names are compared, 16 bytes at once, and 7, "x" and null are looked at. Every byte is
 * either equal to one that was validated at the same place of the grammar, or validated here: this never decides what is valid.
 * Whatever is unusual is left to the plain scanner. */
#include <stdatomic.h>

#include "libcdc/json/json_row.h"
#include "libcdc/json/json_scan.h"

#define TEXT_MAX 16384 /* bytes of names that are kept of a table */
#define PAD 16         /* bytes */

void json_names_free(struct json_names *names)
{
    cdc_buf_free(&names->text);
    names->n = 0;
}

/* Does the text at p begin with the name, of n bytes, at `name`? There 16 bytes can be read. */
static inline bool begins_with(const char *p, const char *end, const char *name, size_t n)
{
#if defined(__SSE2__)
    if (end - p >= PAD && n <= PAD) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i expected = _mm_loadu_si128((const __m128i *)(const void *)name);
        /* A bit for each byte that is equal; those after the name belong to the value, and do not count. */
        unsigned equal = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, expected)), wanted = (1u << n) - 1;
        return (equal & wanted) == wanted;
    }
#endif
    return (size_t)(end - p) >= n && memcmp(p, name, n) == 0;
}

/* From member i on, whose name is the n bytes at `name`, other ones are expected than before. at: where the names before it end in
 * names->text, and so it does what is returned after this one. */
static const char *expect(struct json_names *names, size_t i, const char *at, const char *name, size_t n)
{
    size_t before = at != NULL ? (size_t)(at - names->text.data) : 0;

    if (i > names->n || names->text.failed) /* one before it was not kept */
        return at;
    names->n = i;
    names->shape = 0;
    names->text.len = before;
    if (i == JSON_ROW_NAMES || before + n > TEXT_MAX || !cdc_buf_room(&names->text, n + PAD))
        return at;
    char *kept = names->text.data + before;
    memcpy(kept, name, n);
    memset(kept + n, 0, PAD);
    names->text.len = before + n;
    names->lengths[i] = (uint16_t)n;
    names->n = i + 1;
    return kept + n;
}

/* `"name":`, whatever the name is. */
static const char *scan_any_name(const char *p, const char *end)
{
    struct json_fault fault;

    if (p == end || *p != '"' || (p = json_scan_string(p + 1, end, &fault)) == NULL || p == end || *p != ':')
        return NULL;
    return p + 1;
}

/* true, false or null; NULL: nothing of them. */
static inline const char *skip_word(const char *p, const char *end)
{
    if (end - p < 5)
        return NULL;
    if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)
        return p + 4;
    return memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
}

/* What nearly all values are without a call. */
static inline const char *scan_row_value(const char *p, const char *end, int depth)
{
    struct json_fault fault;

    if (p == end)
        return NULL;
    if (*p == '"')
        return json_scan_string(p + 1, end, &fault);
    const char *after = *p >= 'a' ? skip_word(p, end) : json_skip_integer(p, end);
    if (after != NULL && after < end && (*after == ',' || *after == '}'))
        return after;
    return json_scan_value(p, end, depth, &fault);
}

/* That of a row with all names in `names`; threads may ask at the same time. */
static uint64_t shape_of(struct json_names *names)
{
    static atomic_uint_fast64_t newest;

    if (names->shape == 0)
        names->shape = atomic_fetch_add(&newest, 1) + 1;
    return names->shape;
}

const char *json_scan_row(const char *p, const char *end, int depth, struct json_names *names, struct json_pairs *pairs,
                          uint64_t *shape)
{
    const char *expected = names->text.data;
    struct cdc_json_pair *pair = pairs->items + pairs->n, *pairs_end = pairs->items + pairs->size;
    size_t i = 0, n;

    *shape = 0;
    if (end - p >= 2 && p[1] == '}')
        return p + 2;
    for (;; i++) {
        const char *name = ++p; /* after the brace or the comma */
        if (i < names->n && begins_with(p, end, expected, n = names->lengths[i])) {
            p += n;
            expected += n;
        } else {
            if ((p = scan_any_name(p, end)) == NULL)
                return NULL;
            expected = expect(names, i, expected, name, (size_t)(p - name));
        }
        const char *value = p;
        p = scan_row_value(p, end, depth + 1);
        if (p == NULL || p == end)
            return NULL;
        if (pair < pairs_end)
            *pair++ = (struct cdc_json_pair){{name + 1, (size_t)(value - name) - 3}, {value, (size_t)(p - value)}};
        if (*p != ',')
            break;
    }
    pairs->n += i + 1;
    if (i + 1 == names->n)
        *shape = shape_of(names);
    return *p == '}' ? p + 1 : NULL;
}
