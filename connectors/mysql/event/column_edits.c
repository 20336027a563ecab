/* SPDX-License-Identifier: MIT */
/* ALTER TABLE read for its list of columns. In doubt it is not understood: then the table is read again, which is slow and right. */
#include "connectors/mysql/event/column_edits.h"
#include "connectors/mysql/event/lexer_internal.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct my_lexer lexer;
    struct my_column_edits *edits;
    struct cdc_buf name, other;
};

void my_column_edits_free(struct my_column_edits *edits)
{
    for (size_t i = 0; i < edits->n; i++) {
        free(edits->items[i].name);
        free(edits->items[i].new_name);
        free(edits->items[i].after);
        free(edits->items[i].type);
    }
    free(edits->items);
    free(edits->db);
    free(edits->table);
    *edits = (struct my_column_edits){0};
}

/* -- words -- */

static bool take(struct reader *reader, const char *word)
{
    return my_lexer_take(&reader->lexer, word);
}

static bool take_symbol(struct reader *reader, char c)
{
    return my_lexer_take_symbol(&reader->lexer, c);
}

/* 1; 0: no name follows; -1 */
static int take_name(struct reader *reader, char **name, struct cdc_error *error)
{
    if (!my_lexer_take_name(&reader->lexer, &reader->name))
        return reader->name.failed ? cdc_error_memory(error) : 0;
    *name = cdc_span_copy(cdc_span(reader->name.data, reader->name.len));
    return *name ? 1 : cdc_error_memory(error);
}

static bool take_condition(struct reader *reader)
{
    return my_lexer_take_if_exists(&reader->lexer);
}

static struct my_column_edit *add_edit(struct reader *reader, enum my_column_edit_kind kind, struct cdc_error *error)
{
    struct my_column_edits *edits = reader->edits;
    struct my_column_edit *items = realloc(edits->items, (edits->n + 1) * sizeof *items);
    if (!items) {
        cdc_error_memory(error);
        return NULL;
    }
    edits->items = items;
    items[edits->n] = (struct my_column_edit){.kind = kind};
    return &items[edits->n++];
}

/* -- a type -- */

static const struct plain_type {
    const char *word, *name;
    const char *otherwise; /* its parameters where none are said */
} plain_types[] = {
    {"tinyint", "tinyint", ""},
    {"smallint", "smallint", ""},
    {"mediumint", "mediumint", ""},
    {"int", "int", ""},
    {"integer", "int", ""},
    {"bigint", "bigint", ""},
    {"decimal", "decimal", "(10,0)"},
    {"dec", "decimal", "(10,0)"},
    {"numeric", "decimal", "(10,0)"},
    {"float", "float", ""},
    {"double", "double", ""},
    {"bool", "tinyint", "(1)"},
    {"boolean", "tinyint", "(1)"},
    {"date", "date", ""},
    {"time", "time", ""},
    {"datetime", "datetime", ""},
    {"year", "year", ""},
    {"bit", "bit", "(1)"},
    {"timestamp", "timestamp", ""},
};

static const struct plain_type *plain_type_of(const struct my_token *token)
{
    for (size_t i = 0; i < sizeof plain_types / sizeof *plain_types; i++)
        if (my_token_is(token, plain_types[i].word))
            return &plain_types[i];
    return NULL;
}

/* (10), (10,2), or what is there by itself. */
static bool take_parameters(struct my_lexer *lexer, const struct plain_type *type, struct cdc_buf *text)
{
    struct my_token token = my_lexer_peek(lexer);
    if (!my_token_is_symbol(&token, '(')) {
        cdc_buf_text(text, type->otherwise);
        return true;
    }
    size_t n = 0;
    do {
        my_lexer_next(lexer);
        token = my_lexer_next(lexer);
        if (token.kind != MY_TOKEN_WORD || !my_lexer_is_digit(token.text.p[0]) || n == 2)
            return false;
        cdc_buf_byte(text, n++ ? ',' : '(');
        cdc_buf_span(text, token.text);
        token = my_lexer_peek(lexer);
    } while (my_token_is_symbol(&token, ','));
    if (n == 1 && strcmp(type->name, "decimal") == 0)
        cdc_buf_lit(text, ",0");
    cdc_buf_byte(text, ')');
    return my_token_is_symbol(&token, ')') && my_lexer_next(lexer).kind != MY_TOKEN_END;
}

/* FLOAT(30) is a double, and so is DOUBLE PRECISION; FLOAT(7,2) rounds. */
static int read_type(struct my_lexer lexer, struct my_column_edit *edit, struct cdc_error *error)
{
    struct my_token token = my_lexer_next(&lexer);
    const struct plain_type *type = plain_type_of(&token);
    struct cdc_buf text = CDC_BUF_INIT;
    if (!type)
        return 0;
    cdc_buf_text(&text, type->name);
    size_t name = text.len;
    bool plain = take_parameters(&lexer, type, &text);
    token = my_lexer_peek(&lexer);
    if (type->name[0] == 'f' || strcmp(type->name, "double") == 0)
        plain &= text.len == name && !my_token_is(&token, "precision");
    if (my_token_is(&token, "unsigned"))
        cdc_buf_lit(&text, " unsigned");
    else
        plain &= !my_token_is(&token, "zerofill");
    if (plain && !text.failed)
        edit->type = cdc_span_copy(cdc_span(text.data, text.len));
    bool failed = text.failed || (plain && !edit->type);
    cdc_buf_free(&text);
    edit->nullable = true;
    return failed ? cdc_error_memory(error) : 0;
}

/* What it says besides: TIMESTAMP without NULL or NOT NULL is what explicit_defaults_for_timestamp makes of it. */
static void take_attribute(struct my_column_edit *edit, const struct my_token *before, const struct my_token *token,
                           bool *null_is_said)
{
    if (my_token_is(token, "null") && !my_token_is(before, "default")) {
        *null_is_said = true;
        edit->nullable = !my_token_is(before, "not");
    }
    if (my_token_is(token, "as") || my_token_is(token, "generated") || my_token_is(token, "zerofill") ||
        my_token_is(token, "auto_increment")) {
        free(edit->type);
        edit->type = NULL;
    }
}

/* -- a definition -- */

/* Words of a definition after which the list of columns, or what is the key, is not known from it: keys, and options of the table that
 * follow without a comma. */
static bool tells_more(const struct my_token *token)
{
    static const char *const words[] = {"primary",   "unique", "key",        "serial",
                                        "partition", "remove", "versioning", "period"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (my_token_is(token, words[i]))
            return true;
    return false;
}

static bool ends_definition(const struct my_token *token)
{
    return token->kind == MY_TOKEN_END || my_token_is_symbol(token, ',') || my_token_is_symbol(token, ')');
}

/* FIRST or AFTER c, after which nothing may come. */
static int take_place(struct reader *reader, struct my_column_edit *edit, bool first, struct cdc_error *error)
{
    int named = 1;
    edit->first = first;
    if (!first)
        named = take_name(reader, &edit->after, error);
    struct my_token next = my_lexer_peek(&reader->lexer);
    return named > 0 && !ends_definition(&next) ? 0 : named;
}

/* Up to the comma, the bracket or the end that closes it, which stays. */
static int take_attributes(struct reader *reader, struct my_column_edit *edit, bool *null_is_said,
                           struct cdc_error *error)
{
    struct my_token before = {.kind = MY_TOKEN_END};
    for (int depth = 0;;) {
        struct my_token token = my_lexer_peek(&reader->lexer);
        if (token.kind == MY_TOKEN_END || (depth == 0 && ends_definition(&token)))
            return depth == 0;
        my_lexer_next(&reader->lexer);
        depth += my_token_is_symbol(&token, '(') - my_token_is_symbol(&token, ')');
        if (depth == 0 && tells_more(&token))
            return 0;
        if (depth == 0 && (my_token_is(&token, "first") || my_token_is(&token, "after")))
            return take_place(reader, edit, my_token_is(&token, "first"), error);
        if (depth == 0)
            take_attribute(edit, &before, &token, null_is_said);
        before = token;
    }
}

static int take_definition(struct reader *reader, struct my_column_edit *edit, struct cdc_error *error)
{
    bool null_is_said = false;
    edit->defined = true;
    if (read_type(reader->lexer, edit, error) < 0)
        return -1;
    int result = take_attributes(reader, edit, &null_is_said, error);
    if (edit->type && strncmp(edit->type, "timestamp", 9) == 0 && !null_is_said) {
        free(edit->type);
        edit->type = NULL;
    }
    return result;
}

/* -- clauses: each 1; 0: not understood; -1 -- */

static int add_column(struct reader *reader, bool conditional, struct cdc_error *error)
{
    struct my_column_edit *edit = add_edit(reader, MY_COLUMN_ADD, error);
    if (!edit)
        return -1;
    edit->conditional = conditional;
    int named = take_name(reader, &edit->name, error);
    return named > 0 ? take_definition(reader, edit, error) : named;
}

/* What is added and is no column begins with one of these, which are reserved, but for the last two. */
static bool is_other(struct my_lexer lexer)
{
    static const char *const others[] = {"constraint", "primary", "unique", "index",     "key",    "fulltext",
                                         "spatial",    "foreign", "check",  "partition", "period", "system"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (my_lexer_take(&lexer, others[i]))
            return true;
    return false;
}

static int add(struct reader *reader, struct cdc_error *error)
{
    bool column = take(reader, "column"), conditional = take_condition(reader);
    if (!column && !conditional && is_other(reader->lexer))
        return 0;
    if (!take_symbol(reader, '('))
        return add_column(reader, conditional, error);
    int result;
    do
        result = is_other(reader->lexer) ? 0 : add_column(reader, conditional, error);
    while (result > 0 && take_symbol(reader, ','));
    return result > 0 ? take_symbol(reader, ')') : result;
}

static int drop(struct reader *reader, struct cdc_error *error)
{
    static const char *const others[] = {"primary", "index",     "key",    "constraint", "foreign",
                                         "check",   "partition", "period", "system"};
    bool column = take(reader, "column"), conditional = take_condition(reader);
    for (size_t i = 0; !column && i < sizeof others / sizeof *others; i++) {
        struct my_lexer ahead = reader->lexer;
        if (my_lexer_take(&ahead, others[i]))
            return 0;
    }
    struct my_column_edit *edit = add_edit(reader, MY_COLUMN_DROP, error);
    if (!edit)
        return -1;
    edit->conditional = conditional;
    int named = take_name(reader, &edit->name, error);
    if (named > 0 && !take(reader, "restrict"))
        take(reader, "cascade");
    return named;
}

/* MODIFY c INT, CHANGE c d INT */
static int change(struct reader *reader, bool names_twice, struct cdc_error *error)
{
    struct my_column_edit *edit = add_edit(reader, MY_COLUMN_CHANGE, error);
    if (!edit)
        return -1;
    take(reader, "column");
    edit->conditional = take_condition(reader);
    int named = take_name(reader, &edit->name, error);
    if (named > 0 && names_twice)
        named = take_name(reader, &edit->new_name, error);
    else if (named > 0 && !(edit->new_name = strdup(edit->name)))
        named = cdc_error_memory(error);
    return named > 0 ? take_definition(reader, edit, error) : named;
}

static int rename_column(struct reader *reader, struct cdc_error *error)
{
    struct my_column_edit *edit = add_edit(reader, MY_COLUMN_CHANGE, error);
    if (!edit)
        return -1;
    edit->conditional = take_condition(reader);
    int named = take_name(reader, &edit->name, error);
    if (named > 0)
        named = take(reader, "to") ? take_name(reader, &edit->new_name, error) : 0;
    return named;
}

static int take_clause(struct reader *reader, struct cdc_error *error)
{
    if (my_lexer_clause_keeps_columns(reader->lexer, &reader->other)) {
        my_lexer_skip_clause(&reader->lexer);
        return reader->other.failed ? cdc_error_memory(error) : 1;
    }
    if (take(reader, "add"))
        return add(reader, error);
    if (take(reader, "drop"))
        return drop(reader, error);
    if (take(reader, "modify"))
        return change(reader, false, error);
    if (take(reader, "change"))
        return change(reader, true, error);
    if (take(reader, "rename") && take(reader, "column"))
        return rename_column(reader, error);
    return 0;
}

/* -- the statement -- */

static int take_table(struct reader *reader, struct cdc_error *error)
{
    bool unsaid;
    take(reader, "ignore");
    take(reader, "online");
    if (!take(reader, "table"))
        return 0;
    take_condition(reader);
    struct my_token token = my_lexer_peek(&reader->lexer);
    if (my_token_is_symbol(&token, '.'))
        return 0;
    if (!my_lexer_take_table(&reader->lexer, &reader->other, &reader->name))
        return reader->name.failed || reader->other.failed ? cdc_error_memory(error) : 0;
    unsaid = reader->other.len == 0;
    reader->edits->table = cdc_span_copy(cdc_span(reader->name.data, reader->name.len));
    reader->edits->db = unsaid ? NULL : cdc_span_copy(cdc_span(reader->other.data, reader->other.len));
    if (!reader->edits->table || (!unsaid && !reader->edits->db))
        return cdc_error_memory(error);
    if (take(reader, "wait"))
        my_lexer_next(&reader->lexer);
    else
        take(reader, "nowait");
    return 1;
}

static int read_statement(struct reader *reader, struct cdc_error *error)
{
    while (my_lexer_skip_set_statement(&reader->lexer))
        ;
    int result = take(reader, "alter") ? take_table(reader, error) : 0;
    if (result <= 0)
        return result;
    do
        result = take_clause(reader, error);
    while (result > 0 && take_symbol(reader, ','));
    if (result <= 0)
        return result;
    struct my_token token = my_lexer_peek(&reader->lexer);
    return token.kind == MY_TOKEN_END || my_token_is_symbol(&token, ';');
}

int my_column_edits_read(struct my_column_edits *edits, struct cdc_span sql, struct cdc_error *error)
{
    struct reader reader = {.lexer = my_lexer_of(sql), .edits = edits, .name = CDC_BUF_INIT, .other = CDC_BUF_INIT};
    *edits = (struct my_column_edits){0};
    /* What "..." is, and where a string with a backslash ends, depends on the session. */
    if (sql.n == 0 || memchr(sql.p, '\\', sql.n) || memchr(sql.p, '"', sql.n))
        return 0;
    int result = read_statement(&reader, error);
    if (result > 0 && (reader.lexer.unsure || reader.lexer.broken))
        result = 0;
    cdc_buf_free(&reader.name);
    cdc_buf_free(&reader.other);
    return result;
}
