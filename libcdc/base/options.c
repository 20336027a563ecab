/* SPDX-License-Identifier: MIT */
/* Options as a table. getopt_long would need a second table for --help, and a third place for bounds and types; with
 * one row for all of it, a program's help and what it accepts cannot drift apart. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cdc/options.h>

#define HELP_COLUMN 30
#define HELP_WIDTH 80

struct parser {
    const struct cdc_option *const *tables;
    void *const *values;
    size_t n;
    struct cdc_error *error;
};

int cdc_option_list_add(struct cdc_option_list *list, const char *text, struct cdc_error *error)
{
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return cdc_error_memory(error);
    list->items = items;
    items[list->count++] = text;
    return 0;
}

static int bad_value(const struct cdc_option *option, const char *text, const char *wanted, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_USAGE, "--%s: \"%s\" is not %s", option->name, text, wanted);
}

static int set_integer(const struct cdc_option *option, int64_t *target, const char *text, struct cdc_error *error)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    char wanted[96];

    if (end == text || *end != '\0' || errno != 0 || value < option->minimum || value > option->maximum) {
        snprintf(wanted, sizeof wanted, "a whole number of %lld..%lld", (long long)option->minimum,
                 (long long)option->maximum);
        return bad_value(option, text, wanted, error);
    }
    *target = value;
    return 0;
}

/* Powers of 1024. The bound is tested against the shifted limit, so that no shift overflows. */
static int set_size(const struct cdc_option *option, int64_t *target, const char *text, struct cdc_error *error)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    int shift = 0;

    if (*end == 'K' || *end == 'k')
        shift = 10, end++;
    else if (*end == 'M' || *end == 'm')
        shift = 20, end++;
    else if (*end == 'G' || *end == 'g')
        shift = 30, end++;
    int64_t most = option->maximum > 0 ? option->maximum : INT64_C(1) << 40;
    if (end == text || *end != '\0' || errno != 0 || value < 1)
        return bad_value(option, text, "a size such as 512K, 256M or 1G", error);
    if (value > most >> shift) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "a size of at most %lldM", (long long)(most >> 20));
        return bad_value(option, text, wanted, error);
    }
    *target = (int64_t)value << shift;
    return 0;
}

/* "10", "500ms", "5m", "1h". The bound, some 30 years, keeps milliseconds within an int64_t with ease. */
static int set_seconds(const struct cdc_option *option, double *target, const char *text, struct cdc_error *error)
{
    char *end;
    double value = strtod(text, &end);

    if (end != text && strcmp(end, "ms") == 0)
        value /= 1000, end += 2;
    else if (end != text && strcmp(end, "m") == 0)
        value *= 60, end++;
    else if (end != text && strcmp(end, "h") == 0)
        value *= 3600, end++;
    else if (end != text && strcmp(end, "s") == 0)
        end++;
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > 1e9)
        return bad_value(option, text, "a time such as 10, 500ms, 5m or 1h", error);
    *target = value;
    return 0;
}

/* The text must be one of the words whole: "num" is not "number". */
static int set_choice(const struct cdc_option *option, const char **target, const char *text, struct cdc_error *error)
{
    size_t n = strlen(text);

    for (const char *p = option->choices; p != NULL; p = strchr(p, '|')) {
        p += *p == '|';
        if (n > 0 && strchr(text, '|') == NULL && strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == '\0')) {
            *target = text;
            return 0;
        }
    }
    char wanted[128];
    snprintf(wanted, sizeof wanted, "one of %s", option->choices);
    return bad_value(option, text, wanted, error);
}

/* The rows say where in the caller's struct a value lies (offsetof) and which type it has there. A row whose kind
 * does not fit its member writes over the neighbours, and no compiler sees it. */
int cdc_option_set(const struct cdc_option *option, void *values, const char *text, struct cdc_error *error)
{
    void *target = (char *)values + option->offset;

    switch (option->kind) {
    case CDC_OPTION_FLAG: *(bool *)target = true; return 0;
    case CDC_OPTION_TEXT: *(const char **)target = text; return 0;
    case CDC_OPTION_LIST: return cdc_option_list_add(target, text, error);
    case CDC_OPTION_INTEGER: return set_integer(option, target, text, error);
    case CDC_OPTION_SECONDS: return set_seconds(option, target, text, error);
    case CDC_OPTION_SIZE: return set_size(option, target, text, error);
    case CDC_OPTION_CHOICE: return set_choice(option, target, text, error);
    default: return 0;
    }
}

const struct cdc_option *cdc_options_find(const struct cdc_option *table, const char *name, size_t n)
{
    for (const struct cdc_option *o = table; o != NULL && o->name != NULL; o++)
        if (o->kind != CDC_OPTION_HEADING && strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

/* By letter (name NULL) or by name; *values is the struct of the table that has it. Tables are few and short: no index. */
static const struct cdc_option *find_option(const struct parser *parser, char letter, const char *name, size_t n,
                                            void **values)
{
    for (size_t t = 0; t < parser->n; t++) {
        for (const struct cdc_option *o = parser->tables[t]; o != NULL && o->name != NULL; o++) {
            if (o->kind == CDC_OPTION_HEADING)
                continue;
            if (name != NULL ? strlen(o->name) == n && memcmp(o->name, name, n) == 0 : o->letter == letter) {
                *values = parser->values[t];
                return o;
            }
        }
    }
    return NULL;
}

static size_t size_of(enum cdc_option_kind kind)
{
    switch (kind) {
    case CDC_OPTION_FLAG: return sizeof(bool);
    case CDC_OPTION_INTEGER:
    case CDC_OPTION_SIZE: return sizeof(int64_t);
    case CDC_OPTION_SECONDS: return sizeof(double);
    case CDC_OPTION_TEXT:
    case CDC_OPTION_CHOICE: return sizeof(const char *);
    default: return 0;
    }
}

static int put_list_under(struct cdc_option_list *list, struct cdc_option_list *under, struct cdc_error *error)
{
    struct cdc_option_list first = *under;

    *under = *list;
    *list = first;
    for (size_t i = 0; i < under->count; i++)
        if (cdc_option_list_add(list, under->items[i], error) != 0)
            return -1;
    free(under->items);
    *under = (struct cdc_option_list){NULL, 0};
    return 0;
}

int cdc_options_put_under(const struct cdc_option *table, void *values, void *under, const void *defaults,
                          struct cdc_error *error)
{
    for (const struct cdc_option *o = table; o != NULL && o->name != NULL; o++) {
        char *value = (char *)values + o->offset, *below = (char *)under + o->offset;
        size_t n = size_of(o->kind);
        if (o->kind == CDC_OPTION_LIST) {
            if (put_list_under((struct cdc_option_list *)(void *)value, (struct cdc_option_list *)(void *)below,
                               error) != 0)
                return -1;
        } else if (memcmp(value, (const char *)defaults + o->offset, n) == 0) {
            memcpy(value, below, n);
        }
    }
    return 0;
}

/* "--name", "--name=value", "--name value". *next is the argument that may follow; set to NULL when it was used. */
static int parse_long(const struct parser *parser, const char *text, const char **next)
{
    const char *equals = strchr(text, '=');
    size_t n = equals != NULL ? (size_t)(equals - text) : strlen(text);
    void *values;
    const struct cdc_option *option = find_option(parser, 0, text, n, &values);

    if (option == NULL || n == 0)
        return cdc_error_set(parser->error, CDC_EXIT_USAGE, "unknown option --%.*s", (int)(n > 64 ? 64 : n), text);
    if (option->kind == CDC_OPTION_FLAG) {
        if (equals != NULL)
            return cdc_error_set(parser->error, CDC_EXIT_USAGE, "--%s takes no argument", option->name);
        return cdc_option_set(option, values, NULL, parser->error);
    }
    /* With "=", even an empty text is a value (--name=); without, the next argument is one, even if it begins with a
     * dash: "--max-events -1" complains about -1 and not about a missing argument. */
    const char *value = equals != NULL ? equals + 1 : *next;
    if (value == NULL)
        return cdc_error_set(parser->error, CDC_EXIT_USAGE, "--%s needs an argument: %s", option->name,
                             option->argument);
    if (equals == NULL)
        *next = NULL;
    return cdc_option_set(option, values, value, parser->error);
}

/* "-abc", "-tVALUE", "-t VALUE". */
static int parse_short(const struct parser *parser, const char *text, const char **next)
{
    for (; *text != '\0'; text++) {
        void *values;
        const struct cdc_option *option = find_option(parser, *text, NULL, 0, &values);
        if (option == NULL)
            return cdc_error_set(parser->error, CDC_EXIT_USAGE, "unknown option -%c", *text);
        if (option->kind == CDC_OPTION_FLAG) {
            if (cdc_option_set(option, values, NULL, parser->error) != 0)
                return -1;
            continue;
        }
        const char *value = text[1] != '\0' ? text + 1 : *next;
        if (value == NULL)
            return cdc_error_set(parser->error, CDC_EXIT_USAGE, "-%c needs an argument: %s", *text, option->argument);
        if (text[1] == '\0')
            *next = NULL;
        return cdc_option_set(option, values, value, parser->error);
    }
    return 0;
}

int cdc_options_parse(const struct cdc_option *const *tables, void *const *values, size_t n, int argc, char **argv,
                      struct cdc_option_list *operands, struct cdc_error *error)
{
    struct parser parser = {tables, values, n, error};
    bool only_operands = false;

    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool had_next = next != NULL;
        int result;
        /* "-" alone is an operand, as everywhere. */
        if (only_operands || text[0] != '-' || text[1] == '\0') {
            result = cdc_option_list_add(operands, text, error);
        } else if (strcmp(text, "--") == 0) {
            only_operands = true;
            continue;
        } else {
            result = text[1] == '-' ? parse_long(&parser, text + 2, &next) : parse_short(&parser, text + 1, &next);
            /* The parser took the argument after the option: it is no operand. */
            i += had_next && next == NULL;
        }
        if (result != 0)
            return -1;
    }
    return 0;
}

/* Appends text, broken at spaces so that lines stay within HELP_WIDTH. */
static void wrap(struct cdc_buf *out, const char *text)
{
    size_t room = HELP_WIDTH - HELP_COLUMN - 1;

    for (;;) {
        size_t n = strlen(text);
        if (n <= room) {
            cdc_buf_append(out, text, n);
            cdc_buf_byte(out, '\n');
            return;
        }
        size_t cut = room;
        while (cut > 0 && text[cut] != ' ')
            cut--;
        /* A word longer than the line: broken anywhere, since otherwise nothing would be taken off and the loop would
         * not end. */
        if (cut == 0)
            cut = room;
        cdc_buf_append(out, text, cut);
        cdc_buf_printf(out, "\n%*s", HELP_COLUMN, "");
        text += cut + (text[cut] == ' ');
    }
}

void cdc_options_help(struct cdc_buf *out, const struct cdc_option *table)
{
    for (const struct cdc_option *o = table; o != NULL && o->name != NULL; o++) {
        if (o->kind == CDC_OPTION_HEADING) {
            cdc_buf_printf(out, "\n%s:\n", o->name);
            continue;
        }
        size_t start = out->len;
        if (o->letter != 0)
            cdc_buf_printf(out, "  -%c, --%s", o->letter, o->name);
        else
            cdc_buf_printf(out, "      --%s", o->name);
        if (o->kind == CDC_OPTION_CHOICE)
            cdc_buf_printf(out, "=%s", o->choices);
        else if (o->argument != NULL)
            cdc_buf_printf(out, " %s", o->argument);
        size_t used = out->len - start;
        if (used + 2 > HELP_COLUMN)
            cdc_buf_printf(out, "\n%*s", HELP_COLUMN, "");
        else
            cdc_buf_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
        wrap(out, o->help);
    }
}
