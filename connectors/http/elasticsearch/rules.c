/* SPDX-License-Identifier: MIT */
/* Options of the form [TABLE:]VALUE, which may be given any number of times; the last one that matches a table counts. */
#include <stdlib.h>

#include "connectors/http/elasticsearch/internal.h"
#include <cdc/pattern.h>

static int take_rule(struct es_rule *rule, const char *option, const char *what, const char *item,
                     struct cdc_error *error)
{
    bool is_name;
    size_t n = cdc_pattern_prefix(item, &is_name);

    rule->value = n == SIZE_MAX ? item : item + n + 1;
    if (n == 0 || rule->value[0] == '\0')
        return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not of the form [TABLE:]%s", option, item, what);
    if (n != SIZE_MAX && (rule->pattern = strndup(item, n)) == NULL)
        return cdc_error_memory(error);
    return 0;
}

int es_rules_read(struct es_rules *rules, const char *option, const char *what, const struct cdc_option_list *items,
                  struct cdc_error *error)
{
    if ((rules->items = calloc(items->count + 1, sizeof *rules->items)) == NULL)
        return cdc_error_memory(error);
    for (size_t i = 0; i < items->count; i++)
        if (take_rule(&rules->items[rules->n++], option, what, items->items[i], error) != 0)
            return -1;
    return 0;
}

void es_rules_free(struct es_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++)
        free(rules->items[i].pattern);
    free(rules->items);
}

const char *es_rules_value(const struct es_rules *rules, const struct cdc_table *table)
{
    struct cdc_span schema = cdc_span_text(table->id.schema), name = cdc_span_text(table->id.table);
    const char *found = NULL;

    if (schema.n == 0)
        schema = cdc_span_text(table->id.db);
    for (size_t i = 0; i < rules->n; i++)
        if (rules->items[i].pattern == NULL || cdc_pattern_matches_table(rules->items[i].pattern, schema, name, false))
            found = rules->items[i].value;
    return found;
}
