/* SPDX-License-Identifier: MIT */
/* The lexical structure of SQL ("MySQL Reference Manual: Language Structure", which MariaDB shares), as far as it
 * does not depend on the session: where it does (SQL mode, charset), the callers say how, or ask for both readings. */
#include "connectors/mysql/event/lexer_internal.h"

struct my_lexer my_lexer_of(struct cdc_span sql)
{
    const char *start = sql.n != 0 ? sql.p : "";
    return (struct my_lexer){.p = start, .end = start + sql.n};
}

struct my_lexer my_lexer_of_query(const struct my_event_query *query)
{
    struct my_lexer lexer = my_lexer_of(query->sql);
    lexer.plain_backslash = (query->sql_mode & MY_SQL_MODE_NO_BACKSLASH_ESCAPES) != 0;
    lexer.names_in_double = (query->sql_mode & MY_SQL_MODE_ANSI_QUOTES) != 0;
    return lexer;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

/* Bytes above ASCII belong to names, whatever the charset. */
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || my_lexer_is_digit(c) || c == '_' || c == '$' ||
           (c & 0x80) != 0;
}

static size_t left(const struct my_lexer *lexer)
{
    return (size_t)(lexer->end - lexer->p);
}

static bool at(const struct my_lexer *lexer, const char *text)
{
    size_t n = strlen(text);
    return left(lexer) >= n && memcmp(lexer->p, text, n) == 0;
}

/* A comment after # or -- ends with the line. */
static void skip_line(struct my_lexer *lexer)
{
    const char *lf = memchr(lexer->p, '\n', left(lexer));
    lexer->p = lf != NULL ? lf + 1 : lexer->end;
}

static void skip_comment(struct my_lexer *lexer)
{
    const char *close = memmem(lexer->p + 2, left(lexer) - 2, "*/", 2);
    lexer->broken |= close == NULL;
    lexer->p = close != NULL ? close + 2 : lexer->end;
}

/* Executable comments (those that begin with "!", or in MariaDB with "M!", and maybe a version of five or six
 * digits): their inside is text, only their marks are skipped. A word right after six digits could begin with the
 * last of them. All servers run those without a version, and those of before 5.7; MariaDB takes MySQL's later ones
 * for comments, and MySQL MariaDB's. */
static void skip_executable_mark(struct my_lexer *lexer)
{
    lexer->p += at(lexer, "/*M!") ? 4 : 3;
    const char *start = lexer->p;
    while (lexer->p < lexer->end && lexer->p - start < 6 && my_lexer_is_digit(*lexer->p))
        lexer->p++;
    size_t digits = (size_t)(lexer->p - start);
    lexer->executable = true;
    lexer->unsure |= start[-2] == 'M' || !(digits == 0 || (digits == 5 && memcmp(start, "50700", 5) < 0));
    lexer->broken |= lexer->p - start == 6 && lexer->p < lexer->end && is_word(*lexer->p);
}

static void skip_executable_end(struct my_lexer *lexer)
{
    lexer->p += 2;
    lexer->executable = false;
}

/* White space and comments. */
static void skip_blank(struct my_lexer *lexer)
{
    while (lexer->p < lexer->end) {
        if (is_space(*lexer->p))
            lexer->p++;
        else if (at(lexer, "/*!") || at(lexer, "/*M!"))
            skip_executable_mark(lexer);
        else if (at(lexer, "/*"))
            skip_comment(lexer);
        else if (lexer->executable && at(lexer, "*/"))
            skip_executable_end(lexer);
        else if (*lexer->p == '#' || (at(lexer, "--") && (left(lexer) == 2 || (unsigned char)lexer->p[2] <= ' ')))
            skip_line(lexer);
        else
            return;
    }
}

/* lexer->p is after the opening quote. Returns what is between the quotes, as it stands: a doubled quote is part of it,
 * and after a backslash in a string anything. */
static struct cdc_span quoted(struct my_lexer *lexer, char quote)
{
    const char *start = lexer->p;
    bool name = quote == '`' || (quote == '"' && lexer->names_in_double);
    for (; lexer->p < lexer->end; lexer->p++) {
        if (*lexer->p == '\\' && !name && !lexer->plain_backslash && left(lexer) > 1)
            lexer->p++;
        else if (*lexer->p == quote && (left(lexer) == 1 || lexer->p[1] != quote))
            return cdc_span(start, (size_t)(lexer->p++ - start));
        else if (*lexer->p == quote)
            lexer->p++;
    }
    lexer->broken = true;
    return cdc_span(start, (size_t)(lexer->end - start));
}

struct my_token my_lexer_next(struct my_lexer *lexer)
{
    skip_blank(lexer);
    struct my_token token = {.kind = MY_TOKEN_END, .start = lexer->p};
    if (lexer->p == lexer->end)
        return token;
    char c = *lexer->p++;
    if (c == '`' || c == '"' || c == '\'') {
        token.kind = c == '`' ? MY_TOKEN_QUOTED : c == '"' ? MY_TOKEN_DOUBLE : MY_TOKEN_STRING;
        token.text = quoted(lexer, c);
        return token;
    }
    token.kind = is_word(c) ? MY_TOKEN_WORD : MY_TOKEN_SYMBOL;
    while (token.kind == MY_TOKEN_WORD && lexer->p < lexer->end && is_word(*lexer->p))
        lexer->p++;
    token.text = cdc_span(token.start, (size_t)(lexer->p - token.start));
    return token;
}

struct my_token my_lexer_peek(const struct my_lexer *lexer)
{
    struct my_lexer ahead = *lexer;
    return my_lexer_next(&ahead);
}

bool my_lexer_same_name(const char *p, struct cdc_span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (my_lexer_lower(p[i]) != my_lexer_lower(name.p[i]))
            return false;
    return true;
}

bool my_token_is(const struct my_token *token, const char *word)
{
    return token->kind == MY_TOKEN_WORD && token->text.n == strlen(word) &&
           my_lexer_same_name(token->text.p, cdc_span_text(word));
}

bool my_token_is_symbol(const struct my_token *token, char c)
{
    return token->kind == MY_TOKEN_SYMBOL && *token->start == c;
}

/* The next word, if it is that one. */
bool my_lexer_take(struct my_lexer *lexer, const char *word)
{
    struct my_lexer ahead = *lexer;
    struct my_token token = my_lexer_next(&ahead);
    if (!my_token_is(&token, word))
        return false;
    *lexer = ahead;
    return true;
}

bool my_lexer_take_symbol(struct my_lexer *lexer, char c)
{
    struct my_token token = my_lexer_peek(lexer);
    if (!my_token_is_symbol(&token, c))
        return false;
    my_lexer_next(lexer);
    return true;
}

bool my_lexer_take_if_exists(struct my_lexer *lexer)
{
    if (!my_lexer_take(lexer, "if"))
        return false;
    my_lexer_take(lexer, "not");
    return my_lexer_take(lexer, "exists");
}

/* A doubled quote is one. */
static void unquote(struct cdc_buf *out, struct cdc_span text, char quote)
{
    for (size_t i = 0; i < text.n; i++) {
        cdc_buf_byte(out, text.p[i]);
        i += text.p[i] == quote;
    }
}

bool my_lexer_take_name(struct my_lexer *lexer, struct cdc_buf *name)
{
    struct my_token token = my_lexer_next(lexer);
    name->len = 0;
    if (token.kind == MY_TOKEN_WORD)
        cdc_buf_span(name, token.text);
    else if (token.kind == MY_TOKEN_QUOTED || token.kind == MY_TOKEN_DOUBLE)
        unquote(name, token.text, *token.start);
    return name->len != 0 && !name->failed && !lexer->broken;
}

bool my_lexer_take_table(struct my_lexer *lexer, struct cdc_buf *db, struct cdc_buf *table)
{
    struct my_token token = my_lexer_peek(lexer);
    db->len = 0;
    if (my_token_is_symbol(&token, '.')) {
        my_lexer_next(lexer);
        return my_lexer_take_name(lexer, table);
    }
    if (!my_lexer_take_name(lexer, table))
        return false;
    token = my_lexer_peek(lexer);
    if (!my_token_is_symbol(&token, '.'))
        return true;
    struct cdc_buf first = *table;
    *table = *db;
    *db = first;
    my_lexer_next(lexer);
    return my_lexer_take_name(lexer, table);
}

bool my_lexer_skip_set_statement(struct my_lexer *lexer)
{
    struct my_lexer ahead = *lexer;
    if (!my_lexer_take(&ahead, "set") || !my_lexer_take(&ahead, "statement"))
        return false;
    int depth = 0;
    for (struct my_token token = my_lexer_next(&ahead); token.kind != MY_TOKEN_END; token = my_lexer_next(&ahead)) {
        depth += my_token_is_symbol(&token, '(') - my_token_is_symbol(&token, ')');
        if (depth <= 0 && my_token_is(&token, "for")) {
            *lexer = ahead;
            return true;
        }
    }
    return false;
}
