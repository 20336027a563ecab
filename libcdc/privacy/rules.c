/* SPDX-License-Identifier: MIT */
/* The settings, taken apart once: an option's item is the tables that it is for, the columns, and what becomes of them. */
#include <stdlib.h>

#include "libcdc/privacy/internal.h"
#include <cdc/pattern.h>

static int bad_form(const char *option, const char *item, const char *form, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not of the form %s", option, item, form);
    return cdc_error_item(error, item, 0);
}

/* How many; 0 where two commas, or one at an end, would be a column without a name. */
static size_t count_names(struct cdc_span names)
{
    size_t n = 1;

    if (names.n == 0 || names.p[0] == ',' || names.p[names.n - 1] == ',')
        return 0;
    for (size_t i = 0; i + 1 < names.n; i++) {
        if (names.p[i] == ',' && names.p[i + 1] == ',')
            return 0;
        n += names.p[i] == ',';
    }
    return n;
}

static int take_item(struct rules *rules, struct rule rule, struct cdc_span text, const char *form,
                     struct cdc_error *error)
{
    struct rule *items = realloc(rules->items, (rules->n + 1) * sizeof *items);
    size_t n = cdc_pattern_prefix(rule.item, &rule.is_name);
    bool has_pattern = n != SIZE_MAX && n < text.n;

    if (items == NULL)
        return cdc_error_memory(error);
    rules->items = items;
    rule.is_name &= has_pattern;
    rule.names = has_pattern ? cdc_span(text.p + n + 1, text.n - n - 1) : text;
    rule.n_names = count_names(rule.names);
    if ((has_pattern && n == 0) || rule.n_names == 0 || (rule.action == ACTION_SUBJECT && rule.n_names > 1))
        return bad_form(rule.option, rule.item, form, error);
    if (!cdc_utf8_valid(rule.item, strlen(rule.item))) {
        cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%s\" is not valid UTF-8", rule.option, rule.item);
        return cdc_error_item(error, rule.item, 0);
    }
    rule.pattern = has_pattern ? cdc_span_copy(cdc_span(text.p, n)) : NULL;
    rule.seen = calloc(rule.n_names, sizeof *rule.seen);
    items[rules->n++] = rule;
    return (has_pattern && rule.pattern == NULL) || rule.seen == NULL ? cdc_error_memory(error) : 0;
}

static int take_list(struct rules *rules, const struct cdc_option_list *list, const char *option, enum action action,
                     struct cdc_error *error)
{
    const char *form = action == ACTION_SUBJECT ? "[TABLE:]COLUMN" : "[TABLE:]COLUMN,COLUMN";

    for (size_t i = 0; i < list->count; i++) {
        struct rule rule = {.action = action, .option = option, .item = list->items[i]};
        if (take_item(rules, rule, cdc_span_text(rule.item), form, error) != 0)
            return -1;
    }
    return 0;
}

static int take_mask(struct rules *rules, const char *item, struct cdc_error *error)
{
    static const struct {
        const char *name;
        enum action action;
    } kinds[] = {{"null", ACTION_NULL}, {"redact", ACTION_REDACT}, {"partial", ACTION_PARTIAL}, {"hash", ACTION_HASH}};
    static const char form[] = "[TABLE:]COLUMN,COLUMN=null|redact|partial|hash";
    const char *equals = strrchr(item, '=');

    for (size_t i = 0; equals != NULL && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(equals + 1, kinds[i].name) == 0) {
            struct rule rule = {.action = kinds[i].action, .option = "--mask", .item = item};
            return take_item(rules, rule, cdc_span(item, (size_t)(equals - item)), form, error);
        }
    return bad_form("--mask", item, form, error);
}

int rules_take(struct rules *rules, const struct cdc_privacy_settings *settings, struct cdc_error *error)
{
    rules->limited = settings->only.count > 0;
    for (size_t i = 0; i < settings->mask.count; i++)
        if (take_mask(rules, settings->mask.items[i], error) != 0)
            return -1;
    if (take_list(rules, &settings->tokenize, "--tokenize", ACTION_TOKENIZE, error) != 0 ||
        take_list(rules, &settings->encrypt, "--encrypt", ACTION_ENCRYPT, error) != 0 ||
        take_list(rules, &settings->subject, "--subject", ACTION_SUBJECT, error) != 0)
        return -1;
    return take_list(rules, &settings->only, "--only", ACTION_ONLY, error);
}

void rules_free(struct rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        free(rules->items[i].pattern);
        free(rules->items[i].seen);
    }
    free(rules->items);
}

bool rule_applies(const struct rule *rule, struct cdc_span schema, struct cdc_span table)
{
    return rule->pattern == NULL || cdc_pattern_matches_table(rule->pattern, schema, table, false);
}

bool rule_next_name(struct cdc_span *rest, struct cdc_span *name)
{
    if (rest->n == 0)
        return false;
    const char *comma = memchr(rest->p, ',', rest->n);
    size_t n = comma != NULL ? (size_t)(comma - rest->p) : rest->n, taken = n + (comma != NULL);
    *name = cdc_span(rest->p, n);
    *rest = cdc_span(rest->p + taken, rest->n - taken);
    return true;
}

bool rules_have_some_of(const struct rules *rules, struct cdc_span db)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *rule = &rules->items[i];
        if (rule->action == ACTION_ONLY &&
            (rule->pattern == NULL || cdc_pattern_matches_some_of(rule->pattern, db, false)))
            return true;
    }
    return !rules->limited;
}

static bool all_seen(const struct rule *rule)
{
    for (size_t i = 0; i < rule->n_names; i++)
        if (!rule->seen[i])
            return false;
    return true;
}

size_t rules_unmatched(const struct rules *rules, bool more, struct cdc_buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < rules->n; i++)
        if (!all_seen(&rules->items[i])) {
            cdc_buf_printf(out, "%s%s '%s'", more || n > 0 ? ", " : "", rules->items[i].option, rules->items[i].item);
            n++;
        }
    return n;
}
