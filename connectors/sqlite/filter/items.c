/* SPDX-License-Identifier: MIT */
/* "[TABLE:]...": an expression has no colon outside of its quotes, so a colon is TABLE's where what stands before it looks like a
 * pattern: letters, digits, _ $ - * ?, dots, and halves in double quotes or backticks. In  note = 'a:b'  it does not. */
#include <stdlib.h>

#include "connectors/sqlite/filter/internal.h"
#include <cdc/pattern.h>

static bool is_of_pattern(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80) != 0 ||
           (c != '\0' && strchr("_$-*?.", c) != NULL);
}

static bool looks_like_pattern(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool begins = i == 0 || text[i - 1] == '.';
        if (begins && (text[i] == '"' || text[i] == '`')) {
            char quote = text[i];
            for (i++; i < n && (text[i] != quote || (i + 1 < n && text[i + 1] == quote)); i++)
                i += text[i] == quote;
            if (i >= n || (i + 1 < n && text[i + 1] != '.'))
                return false;
        } else if (!is_of_pattern(text[i])) {
            return false;
        }
    }
    return n > 0;
}

/* What comes after TABLE and the colon. */
static const char *take_pattern(struct sql_item *item, const char *text)
{
    size_t n = cdc_pattern_prefix(text, &item->is_name);

    if (n == SIZE_MAX || !looks_like_pattern(text, n)) {
        item->is_name = false;
        return text;
    }
    item->pattern = cdc_span_copy(cdc_span(text, n));
    return item->pattern != NULL ? text + n + 1 : NULL;
}

static int bad_form(const struct sql_item *item, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%.100s\" is not of the form %s", item->option, item->whole,
                  item->kind == ITEM_SET ? "[TABLE:]COLUMN = EXPR" : "[TABLE:]NAME [TYPE] = EXPR");
    return cdc_error_item(error, item->whole, 0);
}

/* An expression in a file of rules may go over several lines. */
static const char blanks[] = " \t\r\n";

static char *copy_trimmed(const char *start, const char *end)
{
    while (start < end && strchr(blanks, *start) != NULL)
        start++;
    while (end > start && strchr(blanks, end[-1]) != NULL)
        end--;
    return cdc_span_copy(cdc_span(start, (size_t)(end - start)));
}

/* The column that a token names, without quotes. */
static char *column_of(struct token token)
{
    struct cdc_buf name = CDC_BUF_INIT;

    if (!token.quoted)
        return cdc_span_copy(token.text);
    lexer_append_unquoted(&name, token.text);
    cdc_buf_byte(&name, '\0');
    if (!name.failed)
        return name.data;
    cdc_buf_free(&name);
    return NULL;
}

/* "column = EXPR", "name TYPE = EXPR": the expression begins behind the first =. */
static int take_column(struct sql_item *item, const char **text, struct cdc_error *error)
{
    const char *p = *text, *end = p + strlen(p);
    struct token token = lexer_next(&p, end);

    if (token.kind != TOKEN_NAME)
        return bad_form(item, error);
    if ((item->column = column_of(token)) == NULL)
        return cdc_error_memory(error);
    const char *type = p, *equals;
    do {
        equals = p;
        token = lexer_next(&p, end);
    } while (token.kind != TOKEN_END && token.kind != TOKEN_BAD &&
             !(token.kind == TOKEN_MARK && cdc_span_is(token.text, "=")));
    if (token.kind != TOKEN_MARK || *item->column == '\0')
        return bad_form(item, error);
    char *words = copy_trimmed(type, equals);
    if (words == NULL)
        return cdc_error_memory(error);
    *text = p;
    if (*words != '\0' && item->kind == ITEM_ADD) {
        item->type = words;
        return 0;
    }
    bool plain = *words == '\0';
    free(words);
    return plain ? 0 : bad_form(item, error);
}

static int parse_item(struct sql_item *item, struct cdc_error *error)
{
    const char *text = item->whole;

    if (!cdc_utf8_valid(text, strlen(text))) {
        cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%.100s\" is not valid UTF-8", item->option, text);
        return cdc_error_item(error, text, 0);
    }
    if ((text = take_pattern(item, text)) == NULL)
        return cdc_error_memory(error);
    if (item->kind != ITEM_WHERE && take_column(item, &text, error) != 0)
        return -1;
    item->text = text + strspn(text, blanks);
    if (tree_parse(&item->tree, item->text, error) != 0)
        return cdc_error_prefix(error, "%s \"%.100s\"", item->option, item->whole);
    return 0;
}

static int parse_list(struct sql_items *items, const struct cdc_option_list *list, enum item_kind kind,
                      const char *option, struct cdc_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        struct sql_item *item = &items->items[items->n++];
        *item = (struct sql_item){.kind = kind, .option = option, .whole = list->items[i]};
        if (parse_item(item, error) != 0)
            return -1;
    }
    return 0;
}

int items_parse(struct sql_items *items, const struct lite_filter_settings *settings, struct cdc_error *error)
{
    items->items = calloc(settings->where.count + settings->set.count + settings->add.count + 1, sizeof *items->items);
    if (items->items == NULL)
        return cdc_error_memory(error);
    if (parse_list(items, &settings->where, ITEM_WHERE, "--where", error) != 0 ||
        parse_list(items, &settings->set, ITEM_SET, "--set", error) != 0)
        return -1;
    return parse_list(items, &settings->add, ITEM_ADD, "--add", error);
}

void items_free(struct sql_items *items)
{
    for (size_t i = 0; i < items->n; i++) {
        free(items->items[i].pattern);
        free(items->items[i].column);
        free(items->items[i].type);
        tree_free(&items->items[i].tree);
    }
    free(items->items);
    *items = (struct sql_items){NULL, 0};
}

bool items_apply(const struct sql_item *item, struct cdc_span schema, struct cdc_span table)
{
    return item->pattern == NULL || cdc_pattern_matches_table(item->pattern, schema, table, false);
}
