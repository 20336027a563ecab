/* SPDX-License-Identifier: MIT */
/* --check: everything that is wrong, and not only the first error. An option's text that is found wrong is told and taken out, and
 * the rest is looked at again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/filter/schemas.h"

/* -- telling --------------------------------------------------------------------------------- */

/* The line of the file, and a caret below the character. */
static void append_excerpt(struct cdc_buf *out, struct cdc_span line, unsigned column)
{
    unsigned at = 1;

    if (line.p == NULL)
        return;
    cdc_buf_lit(out, "    ");
    for (size_t i = 0; i < line.n; i++)
        cdc_buf_byte(out, (unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f ? ' ' : line.p[i]);
    cdc_buf_lit(out, "\n    ");
    for (; at < column; at++)
        cdc_buf_byte(out, ' ');
    cdc_buf_lit(out, "^\n");
}

static void note(struct look_errors *errors, const char *path, const struct rule_place *place,
                 const struct cdc_error *why)
{
    struct cdc_buf text = CDC_BUF_INIT;

    errors->n++;
    if (errors->status != CDC_EXIT_CONFIG)
        errors->status = why->status == CDC_EXIT_USAGE ? CDC_EXIT_USAGE : CDC_EXIT_CONFIG;
    if (path != NULL)
        cdc_buf_printf(&text, "%s:%u:%u: ", path, place->line, place->column);
    for (const char *p = why->text; *p != '\0'; p++)
        cdc_buf_byte(&text, (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p);
    cdc_buf_append_buf(&errors->out, &text);
    if (why->hint[0] != '\0')
        cdc_buf_printf(&errors->out, " (hint: %s)", why->hint);
    cdc_buf_byte(&errors->out, '\n');
    if (path != NULL)
        append_excerpt(&errors->out, filter_rules_line(errors->rules, path, place->line), place->column);
    cdc_buf_byte(&text, '\0');
    cdc_findings_add(&errors->findings, CDC_LOG_ERROR, why->status == CDC_EXIT_USAGE ? "rule" : "schema", NULL,
                     text.failed ? why->text : text.data, why->hint[0] != '\0' ? why->hint : NULL);
    cdc_buf_free(&text);
}

void look_note_rule(void *errors, const char *path, const struct rule_place *place, struct cdc_error *why)
{
    note(errors, path, place, why);
}

static void note_error(struct look_errors *errors, const struct cdc_error *why)
{
    struct rule_place place;
    const struct filter_rule *rule = filter_rules_find(errors->rules, why, &place);

    note(errors, rule != NULL ? rule->file : NULL, &place, why);
}

/* -- looking --------------------------------------------------------------------------------- */

/* Takes the text out of the option that has it. false: it is in none, so that the same error would come again. */
static bool take_out(const struct filter_look *look, const char *item)
{
    for (const struct cdc_option *o = look->table; item != NULL && o->name != NULL; o++) {
        struct cdc_option_list *list = (struct cdc_option_list *)(void *)((char *)look->values + o->offset);
        if (o->kind != CDC_OPTION_LIST)
            continue;
        for (size_t i = 0; i < list->count; i++)
            if (item >= list->items[i] && item <= list->items[i] + strlen(list->items[i])) {
                memmove(&list->items[i], &list->items[i + 1], (list->count - i - 1) * sizeof *list->items);
                list->count--;
                return true;
            }
    }
    return false;
}

/* What no table of the lines has. The steps name it as it was given: each rule is looked for in that. */
static void note_unmatched(const struct filter_look *look, struct look_errors *errors, const struct cdc_filter *filter)
{
    struct cdc_buf names = CDC_BUF_INIT, one = CDC_BUF_INIT;
    struct cdc_error why = {.status = CDC_EXIT_CONFIG};
    size_t n = look->allow_unknown ? 0 : cdc_filter_unmatched(filter, &names), found = 0;

    cdc_buf_byte(&names, '\0');
    for (size_t i = 0; n > 0 && !names.failed && i < errors->rules->n; i++) {
        const struct filter_rule *rule = errors->rules->items[i];
        const char *name = rule->option->name;
        one.len = 0;
        bool include = strcmp(name, "table") == 0, exclude = strcmp(name, "exclude-table") == 0;
        cdc_buf_printf(&one, "%s%s '%s'", include || exclude ? "-" : "--",
                       include   ? "t"
                       : exclude ? "T"
                                 : name,
                       rule->value.data);
        cdc_buf_byte(&one, '\0');
        if (one.failed || strstr(names.data, one.data) == NULL)
            continue;
        why.item = rule->value.data;
        why.at = 0;
        snprintf(why.text, sizeof why.text, "no schema line has what %s names", name);
        snprintf(why.hint, sizeof why.hint, "correct the name, or use --allow-unknown");
        note_error(errors, &why);
        found++;
    }
    if (found < n && !names.failed) {
        why.item = NULL;
        snprintf(why.text, sizeof why.text, "no schema line has what is named by one of %s", names.data);
        note_error(errors, &why);
    }
    cdc_buf_free(&names);
    cdc_buf_free(&one);
}

/* 1: something was taken out, look again; 0: done. bad: lines that are told already. */
static int take_schemas(const struct filter_look *look, struct look_errors *errors, struct cdc_filter *filter,
                        const struct schemas *schemas, bool *bad)
{
    struct cdc_buf out = CDC_BUF_INIT;
    bool again = false;

    for (size_t i = 0; !again && i < schemas->n; i++) {
        struct cdc_error why = {0};
        struct cdc_event event;
        out.len = 0;
        if (bad[i] ||
            (schemas_event(schemas, i, &event, &why) == 0 && cdc_filter_event(filter, &event, &out, &why) >= 0))
            continue;
        bad[i] = errors->of_schemas = true;
        note_error(errors, &why);
        again = take_out(look, why.item);
        bad[i] = !again;
    }
    cdc_buf_free(&out);
    return again;
}

/* 1: again; 0; -1 with an error that is none of the options. */
static int look_once(const struct filter_look *look, struct look_errors *errors, const struct schemas *schemas,
                     bool *bad, struct cdc_error *error)
{
    struct cdc_error why = {0};
    struct cdc_filter *filter = look->open(look->context, &why);
    int again = 0;

    if (filter != NULL) {
        again = take_schemas(look, errors, filter, schemas, bad);
        /* Of a table that was refused, some names were not looked for. */
        if (!again && schemas->n > 0 && !errors->of_schemas)
            note_unmatched(look, errors, filter);
    } else if (why.status == CDC_EXIT_USAGE || why.status == CDC_EXIT_CONFIG) {
        note_error(errors, &why);
        again = take_out(look, why.item);
    } else {
        again = -1;
        *error = why;
    }
    look->close(look->context);
    return again;
}

static int finish(const struct filter_look *look, struct look_errors *errors, size_t tables, struct cdc_error *error)
{
    struct cdc_buf json = CDC_BUF_INIT;
    struct cdc_error why = {0};

    if (errors->n > 0)
        cdc_error_set(&why, errors->status, "%zu error%s in the options and rules", errors->n,
                      errors->n == 1 ? "" : "s");
    else
        cdc_log_write(&look->program->log, CDC_LOG_INFO,
                      "options and rules are sound; tables they were tried with: %zu", tables);
    int result = 0;
    if (look->json) {
        cdc_findings_object(&errors->findings, "tried");
        cdc_findings_number(&errors->findings, "tables", (int64_t)tables);
        result = cdc_findings_end(&errors->findings, look->program->name, NULL, &why, &json);
        cdc_buf_byte(&json, '\n');
    }
    if (result == 0)
        result = program_write(look->json ? &json : &errors->out, error);
    else
        cdc_error_memory(error);
    if (result == 0 && errors->n > 0) {
        *error = why;
        result = -1;
    }
    return result;
}

int look_check(const struct filter_look *look, struct look_errors *errors, struct cdc_error *error)
{
    struct schemas schemas = {.n = 0};
    int result = schemas_read(&schemas, look, error), again = result;
    bool *bad = calloc(schemas.n + 1, sizeof *bad);

    if (bad == NULL)
        again = cdc_error_memory(error);
    for (again = again == 0; again > 0;)
        again = look_once(look, errors, &schemas, bad, error);
    result = again == 0 && result == 0 && bad != NULL ? finish(look, errors, schemas.n, error) : -1;
    free(bad);
    schemas_free(&schemas);
    cdc_buf_free(&errors->out);
    cdc_findings_free(&errors->findings);
    return result;
}
