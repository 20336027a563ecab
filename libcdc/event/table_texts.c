/* SPDX-License-Identifier: MIT */
/* TABLE:TEXT. */
#include <cdc/exit.h>
#include <cdc/json.h>
#include <cdc/pattern.h>
#include <cdc/table_texts.h>

#include <string.h>

#define PATTERN_MAX 512

static bool has_form(const char *item)
{
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);

    return n != SIZE_MAX && n != 0 && n < PATTERN_MAX && item[n + 1 + strspn(item + n + 1, " \t\r\n")] != '\0';
}

int cdc_table_texts_check(const char *option, const char *form, const struct cdc_option_list *items,
                          struct cdc_error *error)
{
    for (size_t i = 0; i < items->count; i++) {
        const char *item = items->items[i];
        if (!cdc_utf8_valid(item, strlen(item)))
            return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not valid UTF-8", option, item);
        if (!has_form(item))
            return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not of the form %s", option, item, form);
    }
    return 0;
}

const char *cdc_table_texts_next(const struct cdc_option_list *items, size_t *at, const struct cdc_selection *selection,
                                 const char *schema, const char *table)
{
    while (*at < items->count) {
        const char *item = items->items[(*at)++];
        char pattern[PATTERN_MAX];
        bool is_name;
        size_t n = cdc_pattern_prefix(item, &is_name); /* it fits: it was checked */
        memcpy(pattern, item, n);
        pattern[n] = '\0';
        if (cdc_selection_matches(selection, pattern, cdc_span_text(schema), cdc_span_text(table)))
            return item + n + 1;
    }
    return NULL;
}

bool cdc_table_texts_is_name(const char *item)
{
    bool is_name;

    (void)cdc_pattern_prefix(item, &is_name);
    return is_name;
}
