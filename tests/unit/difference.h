/* SPDX-License-Identifier: MIT */
/* What of a text of many lines is another one than in the usual case: exact, and yet short enough to stand in a table of cases.
 * Included by one file of a program. */
#ifndef DIFFERENCE_H
#define DIFFERENCE_H

#include <cdc/buf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text_lines {
    const char *at[512];
    size_t length[512], n;
};

static inline void text_split(struct text_lines *lines, const struct cdc_buf *text)
{
    const char *p = text->data, *end = p + text->len;
    for (lines->n = 0; text->len > 0 && p < end; lines->n++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (lines->n == 512)
            abort();
        lines->at[lines->n] = p;
        lines->length[lines->n] = (size_t)((newline ? newline : end) - p);
        p = newline ? newline + 1 : end;
    }
}

static inline bool text_same(const struct text_lines *a, size_t i, const struct text_lines *b, size_t j)
{
    return a->length[i] == b->length[j] && memcmp(a->at[i], b->at[j], a->length[i]) == 0;
}

/* Long ones without their middle. */
static inline void text_append(struct cdc_buf *to, char sign, const struct text_lines *lines, size_t i)
{
    const char *p = lines->at[i];
    size_t n = lines->length[i];
    cdc_buf_byte(to, sign);
    if (n > 110 && (p[0] != '#' || sign == '-')) /* what is said to people is whole */
        cdc_buf_printf(to, "%.*s ... %.*s\n", 50, p, 50, p + n - 50);
    else
        cdc_buf_printf(to, "%.*s\n", (int)n, p);
}

/* Lines of got that are not in usual ("+...") and the other way round ("-...", of many the first
 * two and how many more), in the order of got. */
static inline void text_difference(struct cdc_buf *to, const struct cdc_buf *usual, const struct cdc_buf *got)
{
    static unsigned short common[513][513]; /* lines that both have from there on */
    static struct text_lines a, b;
    size_t i, j;
    text_split(&a, usual);
    text_split(&b, got);
    memset(common, 0, sizeof common);
    for (i = a.n; i-- > 0;)
        for (j = b.n; j-- > 0;)
            common[i][j] = text_same(&a, i, &b, j)               ? (unsigned short)(common[i + 1][j + 1] + 1)
                           : common[i + 1][j] > common[i][j + 1] ? common[i + 1][j]
                                                                 : common[i][j + 1];
    for (i = j = 0; i < a.n || j < b.n;) {
        size_t gone = 0;
        while (i < a.n && (j == b.n || (!text_same(&a, i, &b, j) && common[i + 1][j] >= common[i][j + 1])))
            gone++, i++;
        for (size_t k = i - gone; k < i && k < i - gone + 2; k++)
            text_append(to, '-', &a, k);
        if (gone > 2)
            cdc_buf_printf(to, "-%zu more\n", gone - 2);
        while (j < b.n && (i == a.n || (!text_same(&a, i, &b, j) && common[i + 1][j] < common[i][j + 1])))
            text_append(to, '+', &b, j++);
        for (; i < a.n && j < b.n && text_same(&a, i, &b, j); i++)
            j++;
    }
}

#endif
