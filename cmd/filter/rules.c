/* SPDX-License-Identifier: MIT */
/* A file of rules:
 *
 *   # a comment
 *   where  orders: region = 'EU'
 *          AND total > 99.5
 *   only   customers: id, email
 *   mask   customers: email = hash
 *
 * A rule is an option's long name, white space, and its value as on the command line. A line that begins with white space goes on
 * with the value above. The value is put together here; what it means is looked at where options are. */
#include "cmd/filter/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/json.h>

#define FILE_MAX ((size_t)16 << 20) /* bytes */

struct reading {
    struct filter_rules *rules;
    struct filter_rule *rule; /* in hand; NULL: none */
    const struct cdc_option *table;
    void *values;
    const char *path;
    unsigned line;
    const char *start; /* of the line */
    bool passing;      /* over the further lines of a rule that was reported */
    struct cdc_error why;
    struct rule_place place; /* of that error */
    struct cdc_error *error;
};

/* -- places ------------------------------------------------------------------------------ */

/* Characters from start to p, and 1. */
static unsigned column_of(const char *start, const char *p)
{
    unsigned n = 1;

    for (; start < p; start++)
        n += ((unsigned char)*start & 0xc0) != 0x80;
    return n;
}

static int refuse(struct reading *reading, const char *p, const char *what, struct cdc_span word)
{
    int n = word.n > 64 ? 64 : (int)word.n;

    reading->place = (struct rule_place){0, reading->line, column_of(reading->start, p)};
    return cdc_error_set(&reading->why, CDC_EXIT_USAGE, "\"%.*s\" %s", n, word.p, what);
}

static int add_place(struct reading *reading, const char *p)
{
    struct filter_rule *rule = reading->rule;
    struct rule_place *places = realloc(rule->places, (rule->n_places + 1) * sizeof *places);

    if (places == NULL)
        return cdc_error_memory(&reading->why);
    rule->places = places;
    places[rule->n_places++] = (struct rule_place){rule->value.len, reading->line, column_of(reading->start, p)};
    return 0;
}

const struct filter_rule *filter_rules_find(const struct filter_rules *rules, const struct cdc_error *error,
                                            struct rule_place *place)
{
    for (size_t i = 0; error->item != NULL && i < rules->n; i++) {
        const struct filter_rule *rule = rules->items[i];
        if (error->item < rule->value.data || error->item >= rule->value.data + rule->value.len)
            continue;
        size_t at = (size_t)(error->item - rule->value.data) + error->at, k = 0;
        while (k + 1 < rule->n_places && rule->places[k + 1].at <= at)
            k++;
        *place = rule->places[k];
        place->column += column_of(rule->value.data + place->at, rule->value.data + at) - 1;
        return rule;
    }
    return NULL;
}

void filter_rules_locate(const struct filter_rules *rules, struct cdc_error *error)
{
    struct rule_place place;
    const struct filter_rule *rule = filter_rules_find(rules, error, &place);

    if (rule == NULL)
        return;
    /* A value that went over several lines is shown on one. */
    for (char *p = error->text; *p != '\0'; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
    cdc_error_prefix(error, "%s:%u:%u", rule->file, place.line, place.column);
}

/* -- values ------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_sql(const struct cdc_option *option)
{
    return strcmp(option->name, "where") == 0 || strcmp(option->name, "set") == 0 || strcmp(option->name, "add") == 0;
}

/* At the end of what is there so far; also the one between two lines, at which the second has its place. */
static void drop_blanks(struct filter_rule *rule)
{
    struct cdc_buf *value = &rule->value;

    while (value->len > 0 && is_blank(value->data[value->len - 1]))
        value->len--;
    for (size_t i = rule->n_places; i > 0 && rule->places[i - 1].at > value->len; i--)
        rule->places[i - 1].at = value->len;
}

/* In an expression every byte counts. Elsewhere blanks beside these are no part of a name. */
static int append_value(struct reading *reading, const char *p, const char *end)
{
    struct cdc_buf *value = &reading->rule->value;
    bool sql = is_sql(reading->rule->option);
    char quote = '\0';

    while (end > p && is_blank(end[-1]))
        end--;
    if (value->len > 0 && (sql || strchr(",:=", value->data[value->len - 1]) == NULL))
        cdc_buf_byte(value, sql ? '\n' : ' ');
    if (add_place(reading, p) != 0)
        return -1;
    for (const char *from = p; p < end; p++) {
        if (!sql && quote == '\0' && strchr(",:=", *p) != NULL) {
            drop_blanks(reading->rule);
            if (p != from && add_place(reading, p) != 0)
                return -1;
            cdc_buf_byte(value, *p);
            while (p + 1 < end && is_blank(p[1]))
                p++;
            if (add_place(reading, p + 1) != 0)
                return -1;
            continue;
        }
        if (quote != '\0' ? *p == quote : *p == '"' || *p == '`')
            quote = quote != '\0' ? '\0' : *p;
        cdc_buf_byte(value, *p);
    }
    return value->failed ? cdc_error_memory(&reading->why) : 0;
}

static int end_rule(struct reading *reading)
{
    struct filter_rule *rule = reading->rule;

    if (rule == NULL)
        return 0;
    reading->rule = NULL;
    bool empty = rule->value.len == 0, flag = rule->option->kind == CDC_OPTION_FLAG;
    cdc_buf_byte(&rule->value, '\0');
    if (rule->value.failed)
        return cdc_error_memory(&reading->why);
    reading->place = (struct rule_place){0, rule->line, rule->column};
    if (flag != empty)
        return cdc_error_set(&reading->why, CDC_EXIT_USAGE, "\"%s\" %s%s", rule->option->name,
                             flag ? "takes no value" : "needs a value: ",
                             flag                             ? ""
                             : rule->option->argument != NULL ? rule->option->argument
                                                              : rule->option->choices);
    if (!empty)
        reading->place = rule->places[0];
    return cdc_option_set(rule->option, reading->values, flag ? NULL : rule->value.data, &reading->why);
}

/* -- lines ------------------------------------------------------------------------------- */

/* What is done with the stream and not with events is for the one who starts the tool. */
static bool is_for_the_line(const struct cdc_option *option)
{
    static const char *const names[] = {"rules",    "check",       "explain",        "json",
                                        "on-error", "dead-letter", "dead-letters",   "dead-letter-lines",
                                        "max-line", "forget",      "make-key-store", "reason"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(option->name, names[i]) == 0)
            return true;
    return false;
}

static int begin_rule(struct reading *reading, const char *p, const char *end)
{
    const char *name = p;

    while (p < end && !is_blank(*p))
        p++;
    struct cdc_span word = cdc_span(name, (size_t)(p - name));
    const struct cdc_option *option = cdc_options_find(reading->table, name, word.n);
    if (option == NULL || is_for_the_line(option)) {
        refuse(reading, name, option == NULL ? "is no rule" : "is not for a file of rules: give it as an option", word);
        return option != NULL ? -1
                              : cdc_error_hint(&reading->why,
                                               "a rule is the long name of an option without its dashes, white space, "
                                               "and the value");
    }
    struct filter_rules *rules = reading->rules;
    struct filter_rule **items = realloc(rules->items, (rules->n + 1) * sizeof *items);
    if (items != NULL)
        rules->items = items;
    struct filter_rule *rule = items != NULL ? calloc(1, sizeof *rule) : NULL;
    if (rule == NULL)
        return cdc_error_memory(&reading->why);
    *rule = (struct filter_rule){
        .file = reading->path, .option = option, .line = reading->line, .column = column_of(reading->start, name)};
    reading->rule = items[rules->n++] = rule;
    while (p < end && is_blank(*p))
        p++;
    return p < end ? append_value(reading, p, end) : 0;
}

/* 0: it was reported, and reading goes on. */
static int report(struct reading *reading)
{
    const struct filter_rules *rules = reading->rules;

    reading->rule = NULL;
    reading->passing = true;
    if (rules->report == NULL || reading->why.status != CDC_EXIT_USAGE) {
        if (reading->why.status == CDC_EXIT_USAGE)
            cdc_error_prefix(&reading->why, "%s:%u:%u", reading->path, reading->place.line, reading->place.column);
        if (reading->error != NULL)
            *reading->error = reading->why;
        return -1;
    }
    rules->report(rules->context, reading->path, &reading->place, &reading->why);
    reading->why = (struct cdc_error){0};
    return 0;
}

static int take_line(struct reading *reading, const char *end)
{
    const char *p = reading->start;

    if (end > p && end[-1] == '\r')
        end--;
    while (p < end && is_blank(*p))
        p++;
    if (p == end || *p == '#')
        return 0;
    if (p == reading->start) {
        /* Of a rule above that is wrong, this one is still to be read. */
        if (end_rule(reading) != 0 && report(reading) != 0)
            return -1;
        reading->passing = false;
        return begin_rule(reading, p, end);
    }
    if (reading->passing)
        return 0;
    if (reading->rule == NULL)
        return refuse(reading, p, "goes on with a rule, and there is none above", cdc_span(p, (size_t)(end - p)));
    return append_value(reading, p, end);
}

static int take_one(struct reading *reading, const char *stop)
{
    if (cdc_utf8_valid(reading->start, (size_t)(stop - reading->start)) &&
        memchr(reading->start, '\0', (size_t)(stop - reading->start)) == NULL)
        return take_line(reading, stop);
    /* Whether it goes on with the rule above nobody can say: that one is as it stands. */
    if (end_rule(reading) != 0 && report(reading) != 0)
        return -1;
    reading->place = (struct rule_place){0, reading->line, 1};
    return cdc_error_set(&reading->why, CDC_EXIT_USAGE, "the line is no UTF-8 text");
}

static int take_text(struct reading *reading, const struct cdc_buf *text)
{
    const char *p = text->data, *end = p + text->len;

    for (reading->line = 1; p < end; reading->line++) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        reading->start = p;
        if (take_one(reading, lf != NULL ? lf : end) != 0 && report(reading) != 0)
            return -1;
        p = lf != NULL ? lf + 1 : end;
    }
    return end_rule(reading) == 0 ? 0 : report(reading);
}

/* -- files ------------------------------------------------------------------------------- */

static int read_all(int fd, struct cdc_buf *text)
{
    enum { PIECE = 64 << 10 };
    ssize_t n;

    do {
        if (!cdc_buf_room(text, PIECE)) {
            errno = ENOMEM;
            return -1;
        }
        n = read(fd, text->data + text->len, PIECE);
        if (n > 0)
            text->len += (size_t)n;
        if (text->len > FILE_MAX) {
            errno = EFBIG;
            return -1;
        }
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? -1 : 0;
}

int filter_rules_read(struct filter_rules *rules, const char *path, const struct cdc_option *table, void *values,
                      struct cdc_error *error)
{
    struct reading reading = {.rules = rules, .table = table, .values = values, .path = path, .error = error};
    struct rule_file *files = realloc(rules->files, (rules->n_files + 1) * sizeof *files);

    if (files == NULL)
        return cdc_error_memory(error);
    rules->files = files;
    files[rules->n_files] = (struct rule_file){path, CDC_BUF_INIT};
    struct cdc_buf *text = &files[rules->n_files++].text;
    int fd = open(path, O_RDONLY | O_CLOEXEC), result;
    if (fd < 0 || read_all(fd, text) != 0)
        result =
            cdc_error_set(error, cdc_file_exit(errno), "unable to read the rules in \"%s\": %s", path, strerror(errno));
    else
        result = take_text(&reading, text);
    if (fd >= 0)
        close(fd);
    return result;
}

struct cdc_span filter_rules_line(const struct filter_rules *rules, const char *path, unsigned line)
{
    for (size_t i = 0; i < rules->n_files; i++) {
        const struct cdc_buf *text = &rules->files[i].text;
        const char *p = text->data, *end = p + text->len;
        if (rules->files[i].path != path)
            continue;
        for (unsigned k = 1; p < end; k++) {
            const char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf != NULL ? lf : end;
            if (k == line)
                return cdc_span(p, (size_t)(stop - p));
            p = lf != NULL ? lf + 1 : end;
        }
    }
    return cdc_span(NULL, 0);
}

void filter_rules_free(struct filter_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        cdc_buf_free(&rules->items[i]->value);
        free(rules->items[i]->places);
        free(rules->items[i]);
    }
    free(rules->items);
    for (size_t i = 0; i < rules->n_files; i++)
        cdc_buf_free(&rules->files[i].text);
    free(rules->files);
}
