/* SPDX-License-Identifier: MIT */
/* Which column, or member of the event, a name is. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "connectors/sqlite/expression/compiler.h"

int compile_refuse(struct compiler *compiler, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cdc_error_set(compiler->error, CDC_EXIT_CONFIG, "%s", text);
    return compiler->at != NULL ? cdc_error_item(compiler->error, compiler->at, 0) : -1;
}

static bool is(struct cdc_span text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

static int add_parameter(struct compiler *compiler, struct parameter parameter)
{
    struct compiled *out = compiler->out;

    for (size_t i = 0; i < out->n; i++)
        if (out->parameters[i].kind == parameter.kind && out->parameters[i].column == parameter.column)
            return (int)i;
    struct parameter *more = realloc(out->parameters, (out->n + 1) * sizeof *more);
    if (more == NULL)
        return cdc_error_memory(compiler->error);
    out->parameters = more;
    more[out->n] = parameter;
    return (int)out->n++;
}

/* As it is spelled, else in any case where that is one column. */
static int find_column(struct compiler *compiler, struct cdc_span name, size_t *column)
{
    const struct scope *scope = compiler->scope;
    size_t found = 0;

    for (size_t i = 0; i < scope->n; i++)
        if (cdc_span_equal(name, cdc_span(scope->columns[i].name, scope->columns[i].name_n)))
            return *column = i, 1;
    for (size_t i = 0; i < scope->n; i++)
        if (scope->columns[i].name_n == name.n && is(name, scope->columns[i].name)) {
            *column = i;
            found++;
        }
    if (found > 1)
        return compile_refuse(compiler, "columns are named \"%.*s\" in several spellings: write the one that is meant",
                              (int)name.n, name.p);
    return (int)found;
}

static bool find_field(struct cdc_span name, struct parameter *parameter)
{
    static const struct {
        const char *name;
        enum parameter_kind kind;
        enum lite_type type;
    } fields[] = {{"op", PARAMETER_OP, LITE_TYPE_TEXT},       {"schema", PARAMETER_SCHEMA, LITE_TYPE_TEXT},
                  {"table", PARAMETER_TABLE, LITE_TYPE_TEXT}, {"db", PARAMETER_DB, LITE_TYPE_TEXT},
                  {"ts", PARAMETER_TS, LITE_TYPE_TIME},       {"ts_ms", PARAMETER_TS_MS, LITE_TYPE_INTEGER}};

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (is(name, fields[i].name)) {
            *parameter = (struct parameter){.kind = fields[i].kind, .type.type = fields[i].type};
            return true;
        }
    return false;
}

int names_resolve(struct compiler *compiler, const struct node *node)
{
    struct parameter field, parameter = {.kind = PARAMETER_ROW};
    struct cdc_span name = node->text, qualifier = node->qualifier;
    bool is_event = qualifier.p != NULL && is(qualifier, "event");
    bool is_field = (qualifier.p == NULL || is_event) && find_field(name, &field);
    int found = is_event ? 0 : find_column(compiler, name, &parameter.column);

    if (found < 0)
        return -1;
    if (qualifier.p != NULL && !is_event && !is(qualifier, "old") && !is(qualifier, "new"))
        return compile_refuse(compiler, "\"%.*s.%.*s\": only old, new and event stand before a name", (int)qualifier.n,
                              qualifier.p, (int)name.n, name.p);
    if (found > 0 && is_field)
        return compile_refuse(compiler,
                              "\"%.*s\" is a column of the table, too: write new.%.*s for the column or event.%.*s",
                              (int)name.n, name.p, (int)name.n, name.p, (int)name.n, name.p);
    if (is_field)
        return add_parameter(compiler, field);
    if (found == 0)
        return compile_refuse(compiler, "there is no column \"%.*s\"", (int)name.n, name.p);
    if (qualifier.p != NULL && is(qualifier, "old"))
        parameter.kind = PARAMETER_OLD;
    parameter.type = lite_type_of_column(compiler->scope->columns[parameter.column].type, compiler->scope->mysql);
    return add_parameter(compiler, parameter);
}
