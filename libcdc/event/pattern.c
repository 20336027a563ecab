/* SPDX-License-Identifier: MIT */
/* Table patterns: ? is one character, an é as well; * takes any number. */
#include <cdc/pattern.h>

/* The bytes of the UTF-8 character at i. */
static size_t character(struct cdc_span text, size_t i)
{
    size_t n = 1;

    while (i + n < text.n && ((unsigned char)text.p[i + n] & 0xc0) == 0x80)
        n++;
    return n;
}

bool cdc_pattern_matches(const char *pattern, size_t n, struct cdc_span text)
{
    /* Greedy with one step back: after a mismatch only the last * needs to take one byte more, since what an earlier
     * one took can be no better. *b against "aab": * takes nothing, then "a", then "aa", and b fits. No recursion, at
     * most n * text.n steps: a pattern such as *a*a*a*a costs no more. */
    size_t at = 0, i = 0, star = SIZE_MAX, resume = 0;

    while (i < text.n) {
        if (at < n && pattern[at] == '*') {
            star = at++;
            resume = i;
        } else if (at < n && pattern[at] == '?') {
            at++;
            i += character(text, i);
        } else if (at < n && pattern[at] == text.p[i]) {
            at++;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = resume += character(text, resume);
        } else {
            return false;
        }
    }
    while (at < n && pattern[at] == '*')
        at++;
    return at == n;
}

bool cdc_pattern_matches_table(const char *pattern, struct cdc_span schema, struct cdc_span table)
{
    /* The first dot: "shop.*" is every table of shop. A table with a dot in its name is matched by the second half
     * ("shop.a.b"), but a schema with one only by * or ?. */
    const char *dot = strchr(pattern, '.');

    if (dot == NULL)
        return cdc_pattern_matches(pattern, strlen(pattern), table);
    return cdc_pattern_matches(pattern, (size_t)(dot - pattern), schema) &&
           cdc_pattern_matches(dot + 1, strlen(dot + 1), table);
}
