/* SPDX-License-Identifier: MIT */
/* Items of options, "[TABLE:]rest". */
#include "libcdc/shape/internal.h"
#include <cdc/pattern.h>

int shape_item_check(const char *option, const char *item, struct cdc_error *error)
{
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);

    if (n != SIZE_MAX && (n == 0 || n >= SHAPE_PATTERN_MAX || item[n + 1] == '\0'))
        return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%.100s\" does not name a table and what to do with it",
                             option, item);
    return cdc_utf8_valid(item, strlen(item)) && item[0] != '\0'
               ? 0
               : cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%.100s\" is no text in UTF-8", option, item);
}

const char *shape_item_rest(const char *item, const struct line_table *table)
{
    char pattern[SHAPE_PATTERN_MAX];
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);

    if (n == SIZE_MAX)
        return item;
    memcpy(pattern, item, n); /* shape_item_check has looked at its length */
    pattern[n] = '\0';
    return cdc_pattern_matches_table(pattern, table->plain_schema, table->plain_table, false) ? item + n + 1 : NULL;
}

bool shape_item_is_of_one(const char *item)
{
    bool is_name;
    return cdc_pattern_prefix(item, &is_name) != SIZE_MAX && is_name;
}
