/* SPDX-License-Identifier: MIT */
/* Any bytes as a file of rules: what is wrong is said with a line and a column of the file, and each character of a value is found
 * again where it stands. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cdc/json.h>

#include "cmd/filter/rules.h"

struct values {
    struct cdc_option_list where, columns, rules;
    const char *key, *before;
    bool allow;
};
#define AT(member) offsetof(struct values, member)
static const struct cdc_option table[] = {
    {.kind = CDC_OPTION_LIST, .name = "where", .argument = "EXPR", .help = "-", .offset = AT(where)},
    {.kind = CDC_OPTION_LIST, .name = "columns", .argument = "A,B", .help = "-", .offset = AT(columns)},
    {.kind = CDC_OPTION_LIST, .name = "rules", .argument = "FILE", .help = "-", .offset = AT(rules)},
    {.kind = CDC_OPTION_TEXT, .name = "mask-key", .argument = "FILE", .help = "-", .offset = AT(key)},
    {.kind = CDC_OPTION_CHOICE, .name = "where-before", .choices = "match|same", .help = "-", .offset = AT(before)},
    {.kind = CDC_OPTION_FLAG, .name = "allow-unknown", .help = "-", .offset = AT(allow)},
    {.name = NULL},
};

/* The text from that character of the line on; p NULL: it has not so many. */
static struct cdc_span at_column(struct cdc_span line, unsigned column)
{
    const char *p = line.p, *end = line.p + line.n;

    for (; column > 1 && p < end; column--)
        for (p++; p < end && ((unsigned char)*p & 0xc0) == 0x80;)
            p++;
    return column == 1 ? cdc_span(p, (size_t)(end - p)) : cdc_span(NULL, 0);
}

static void look_at_place(const struct filter_rules *rules, const char *path, const struct rule_place *place)
{
    struct cdc_span line = filter_rules_line(rules, path, place->line);

    /* A line that is no text has no characters to count. */
    if (place->line == 0 || place->column == 0 || line.p == NULL ||
        (cdc_utf8_valid(line.p, line.n) && at_column(line, place->column).p == NULL))
        abort();
}

static void note(void *context, const char *path, const struct rule_place *place, struct cdc_error *why)
{
    if (why->status != CDC_EXIT_USAGE || why->text[0] == '\0')
        abort();
    look_at_place(context, path, place);
}

/* Between two lines of a value there is a character that stands nowhere. */
static bool is_joint(const struct filter_rule *rule, size_t k)
{
    for (size_t i = 0; i < rule->n_places; i++)
        if (rule->places[i].at == k + 1 && (rule->value.data[k] == ' ' || rule->value.data[k] == '\n'))
            return true;
    return false;
}

static void look_at_value(const struct filter_rules *rules, const struct filter_rule *rule)
{
    for (size_t k = 0; k + 1 < rule->value.len && rule->value.data[k] != '\0'; k++) {
        struct cdc_error error = {0};
        struct rule_place place;
        cdc_error_item(&error, rule->value.data, k);
        if (filter_rules_find(rules, &error, &place) != rule)
            abort();
        look_at_place(rules, rule->file, &place);
        struct cdc_span text = at_column(filter_rules_line(rules, rule->file, place.line), place.column);
        bool begins = ((unsigned char)rule->value.data[k] & 0xc0) != 0x80;
        if (begins && !is_joint(rule, k) && (text.n == 0 || text.p[0] != rule->value.data[k]))
            abort();
    }
}

static void run(const char *path, bool all)
{
    struct filter_rules rules = {.n = 0};
    struct values values = {.key = NULL};
    struct cdc_error error = {0};
    size_t n = strlen(path);

    if (all) {
        rules.report = note;
        rules.context = &rules;
    }
    if (filter_rules_read(&rules, path, table, &values, &error) != 0) {
        unsigned line, column;
        if (all || error.status != CDC_EXIT_USAGE || strncmp(error.text, path, n) != 0 ||
            sscanf(error.text + n, ":%u:%u", &line, &column) != 2)
            abort();
        look_at_place(&rules, path, &(struct rule_place){0, line, column});
    }
    for (size_t i = 0; i < rules.n; i++)
        look_at_value(&rules, rules.items[i]);
    filter_rules_free(&rules);
    free(values.where.items);
    free(values.columns.items);
    free(values.rules.items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("rules", MFD_CLOEXEC);

    if (fd < 0 || (size > 0 && write(fd, data, size) != (ssize_t)size))
        exit(1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    run(path, false);
    run(path, true);
    close(fd);
    return 0;
}
