/* SPDX-License-Identifier: MIT */
/* Table patterns. */
#include <cdc/pattern.h>

bool cdc_pattern_matches(const char *pattern, size_t n, struct cdc_span text)
{
    size_t at = 0, i = 0, star = SIZE_MAX, resume = 0;

    while (i < text.n) {
        if (at < n && pattern[at] == '*') {
            star = at++;
            resume = i;
        } else if (at < n && (pattern[at] == '?' || pattern[at] == text.p[i])) {
            at++;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++resume;
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
    const char *dot = strchr(pattern, '.');

    if (dot == NULL)
        return cdc_pattern_matches(pattern, strlen(pattern), table);
    return cdc_pattern_matches(pattern, (size_t)(dot - pattern), schema) &&
           cdc_pattern_matches(dot + 1, strlen(dot + 1), table);
}

static bool any_matches(const char *const *patterns, size_t n, struct cdc_span schema, struct cdc_span table)
{
    for (size_t i = 0; i < n; i++)
        if (cdc_pattern_matches_table(patterns[i], schema, table))
            return true;
    return false;
}

bool cdc_table_selected(const char *const *include, size_t n_include, const char *const *exclude, size_t n_exclude,
                        struct cdc_span schema, struct cdc_span table)
{
    if (n_include != 0 && !any_matches(include, n_include, schema, table))
        return false;
    return !any_matches(exclude, n_exclude, schema, table);
}
