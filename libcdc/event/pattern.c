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

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(char a, char b, bool any_case)
{
    return a == b || (any_case && lower(a) == lower(b));
}

static bool matches(const char *pattern, size_t n, struct cdc_span text, bool any_case)
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
        } else if (at < n && same(pattern[at], text.p[i], any_case)) {
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

bool cdc_pattern_matches(const char *pattern, size_t n, struct cdc_span text)
{
    return matches(pattern, n, text, false);
}

static bool is_quote(char c)
{
    return c == '"' || c == '`';
}

/* The length of a half that stands in quotes, these included; 0: it does not. end: what may come after it, besides the
 * end of the text. */
static size_t quoted_before(const char *half, const char *end)
{
    size_t i = 1;

    if (!is_quote(half[0]))
        return 0;
    for (; half[i] != '\0'; i++) {
        if (half[i] == half[0] && half[i + 1] != half[0])
            return strchr(end, half[i + 1]) != NULL ? i + 1 : 0; /* it finds the NUL as well */
        i += half[i] == half[0];
    }
    return 0;
}

static size_t quoted(const char *half)
{
    return quoted_before(half, ".");
}

/* What is between the quotes, a doubled one as one, and nothing of it a wildcard. */
static bool quoted_is(const char *half, size_t n, struct cdc_span text, bool any_case)
{
    size_t at = 1, i = 0;

    for (; at < n - 1 && i < text.n && same(half[at], text.p[i], any_case); i++)
        at += half[at] == half[0] ? 2 : 1;
    return at == n - 1 && i == text.n;
}

static bool half_matches(const char *half, size_t n, struct cdc_span text, bool any_case)
{
    return n > 1 && quoted(half) == n ? quoted_is(half, n, text, any_case) : matches(half, n, text, any_case);
}

/* The first dot: "shop.*" is every table of shop. A table with a dot in its name is matched by the second half
 * ("shop.a.b"), but a schema with one only in quotes, or by * or ?. */
static const char *dot_of(const char *pattern)
{
    return strchr(pattern + quoted(pattern), '.');
}

bool cdc_pattern_matches_table(const char *pattern, struct cdc_span schema, struct cdc_span table, bool any_case)
{
    const char *dot = dot_of(pattern);

    if (dot == NULL)
        return half_matches(pattern, strlen(pattern), table, any_case);
    return half_matches(pattern, (size_t)(dot - pattern), schema, any_case) &&
           half_matches(dot + 1, strlen(dot + 1), table, any_case);
}

size_t cdc_pattern_prefix(const char *text, bool *is_name)
{
    size_t half = 0, n = 0;

    *is_name = true;
    for (;;) {
        size_t in_quotes = quoted_before(text + half, ".:");
        n = half + (in_quotes > 0 ? in_quotes : strcspn(text + half, ".:"));
        *is_name &= in_quotes > 0 || strcspn(text + half, "*?") >= n - half;
        if (text[n] != '.')
            break;
        half = n + 1;
    }
    *is_name &= text[n] == ':';
    return text[n] == ':' ? n : SIZE_MAX;
}

bool cdc_pattern_matches_some_of(const char *pattern, struct cdc_span schema, bool any_case)
{
    const char *dot = dot_of(pattern);

    return dot == NULL || half_matches(pattern, (size_t)(dot - pattern), schema, any_case);
}

bool cdc_pattern_matches_all_of(const char *pattern, struct cdc_span schema, bool any_case)
{
    const char *dot = dot_of(pattern), *table = dot == NULL ? pattern : dot + 1;

    return *table != '\0' && table[strspn(table, "*")] == '\0' &&
           cdc_pattern_matches_some_of(pattern, schema, any_case);
}

void cdc_pattern_append_quoted(struct cdc_buf *out, const char *name)
{
    cdc_buf_byte(out, '"');
    for (; *name != '\0'; name++) {
        cdc_buf_byte(out, *name);
        if (*name == '"')
            cdc_buf_byte(out, '"');
    }
    cdc_buf_byte(out, '"');
}
