/* SPDX-License-Identifier: MIT */
/* Which names stand in a statement, and whether it is about accounts. Both err on one side: a table is asked for
 * once too often, and a statement that may carry a password is not shown. */
#include "connectors/mysql/event/lexer_internal.h"
#include "connectors/mysql/event/statement.h"

/* Anywhere at all, not only where an identifier could stand. Quotes in a name are doubled in the text: not looked
 * for. */
static bool found_anywhere(struct cdc_span sql, struct cdc_span name)
{
    if (memchr(name.p, '`', name.n) || memchr(name.p, '"', name.n))
        return true;
    for (size_t i = 0; i + name.n <= sql.n; i++)
        if (my_lexer_same_name(sql.p + i, name))
            return true;
    return false;
}

/* A byte that goes on with a name. Digits before one may be the version of an executable comment. */
static bool goes_on(char c, bool digits)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (c & 0x80) ||
           (digits && my_lexer_is_digit(c));
}

/* As a whole word, be it in a string or a comment: item is not in item_log. */
static bool found_as_word(struct cdc_span sql, struct cdc_span name)
{
    for (size_t i = 0; i + name.n <= sql.n; i++)
        if (my_lexer_same_name(sql.p + i, name) && !(i > 0 && goes_on(sql.p[i - 1], false)) &&
            !(i + name.n < sql.n && goes_on(sql.p[i + name.n], true)))
            return true;
    return false;
}

/* Where what a quote means depends on what is not known here: the SQL mode (backslashes), the charset (sjis, gbk and
 * big5 have characters whose second byte is a backslash or a backtick). */
static bool ambiguous(struct cdc_span sql)
{
    for (size_t i = 0; i < sql.n; i++)
        if (sql.p[i] == '\\' || ((sql.p[i] & 0x80) && i + 1 < sql.n && sql.p[i + 1] == '`'))
            return true;
    return false;
}

static bool has_high(struct cdc_span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] & 0x80)
            return true;
    return false;
}

/* Does the inside of quotes, doubled ones as one, read like name? */
static bool quoted_is(struct cdc_span text, char quote, struct cdc_span name)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++, n++) {
        if (n == name.n || my_lexer_lower(text.p[i]) != my_lexer_lower(name.p[n]))
            return false;
        i += text.p[i] == quote;
    }
    return n == name.n;
}

static bool names(const struct my_token *token, struct cdc_span name)
{
    if (token->kind == MY_TOKEN_WORD)
        return token->text.n == name.n && my_lexer_same_name(token->text.p, name);
    return (token->kind == MY_TOKEN_QUOTED || token->kind == MY_TOKEN_DOUBLE) &&
           quoted_is(token->text, *token->start, name);
}

bool my_statement_names(struct cdc_span sql, struct cdc_span name)
{
    if (name.n == 0 || sql.n == 0)
        return false;
    if (has_high(name)) /* its bytes there depend on the charset; without a high byte it cannot stand there */
        return has_high(sql);
    if (!found_anywhere(sql, name))
        return false;
    if (ambiguous(sql))
        return memchr(name.p, '`', name.n) || memchr(name.p, '"', name.n) || found_as_word(sql, name);
    struct my_lexer lexer = my_lexer_of(sql);
    for (struct my_token token = my_lexer_next(&lexer); token.kind != MY_TOKEN_END; token = my_lexer_next(&lexer))
        if (names(&token, name))
            return true;
    return lexer.broken; /* what was taken for a string or a comment may be none */
}

bool my_statement_names_charset(struct cdc_span sql)
{
    static const char *const words[] = {"charset", "character", "collate", "ascii",
                                        "unicode", "national",  "nchar",   "nvarchar"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (found_anywhere(sql, cdc_span_text(words[i])))
            return true;
    return false;
}

/* -- accounts --------------------------------------------------------------------------- */

static bool any_word_of_accounts(struct cdc_span sql)
{
    static const char *const words[] = {"user", "role", "server", "password", "grant", "revoke"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (found_anywhere(sql, cdc_span_text(words[i])))
            return true;
    return false;
}

/* CREATE [OR REPLACE] [DEFINER = `x`@`y`] EVENT, and whatever else has statements in it. */
static bool is_routine(struct cdc_span sql)
{
    static const char *const words[] = {"event", "procedure", "function", "trigger", "package"};
    struct my_lexer lexer = my_lexer_of(sql);
    struct my_token token = my_lexer_next(&lexer);
    if (!my_token_is(&token, "create") && !my_token_is(&token, "alter"))
        return false;
    for (int i = 0; i < 16; i++) {
        token = my_lexer_next(&lexer);
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            if (my_token_is(&token, words[w]))
                return true;
        if (my_token_is(&token, "table"))
            return false;
    }
    return false;
}

/* CONNECTION = 'mysql://root:secret@host/d/t', of a table in another server. */
static bool has_connection(struct cdc_span sql)
{
    struct my_lexer lexer = my_lexer_of(sql);
    for (struct my_token token = my_lexer_next(&lexer); token.kind != MY_TOKEN_END; token = my_lexer_next(&lexer)) {
        if (!my_token_is(&token, "connection"))
            continue;
        struct my_token next = my_lexer_next(&lexer);
        if (my_token_is_symbol(&next, '='))
            next = my_lexer_next(&lexer);
        if (next.kind == MY_TOKEN_STRING || next.kind == MY_TOKEN_DOUBLE)
            return true;
    }
    return lexer.broken;
}

static bool has_secret(struct cdc_span sql)
{
    if (found_anywhere(sql, cdc_span_text("connection")) && has_connection(sql))
        return true;
    return is_routine(sql) &&
           (found_anywhere(sql, cdc_span_text("identified")) || found_anywhere(sql, cdc_span_text("password")) ||
            found_anywhere(sql, cdc_span_text("connection")));
}

/* Two words say it. Where it is not sure which ones they are, each that could be one of them counts wherever it
 * stands. */
bool my_statement_is_of_accounts(struct cdc_span sql)
{
    struct my_lexer lexer = my_lexer_of(sql);
    bool unsure = false;
    while (my_lexer_skip_set_statement(&lexer))
        unsure = ambiguous(sql);
    struct my_token first = my_lexer_next(&lexer), second = my_lexer_next(&lexer);
    if (my_token_is(&second, "or")) { /* CREATE OR REPLACE USER */
        my_lexer_next(&lexer);
        second = my_lexer_next(&lexer);
    }
    unsure |= lexer.unsure || lexer.broken || my_token_is_symbol(&first, '*') ||
              my_token_is_symbol(&second, '*'); /* of a nested comment */
    if ((unsure && any_word_of_accounts(sql)) || has_secret(sql))
        return true;
    if (my_token_is(&first, "grant") || my_token_is(&first, "revoke") || my_token_is(&first, "set"))
        return true;
    return !my_token_is(&first, "truncate") &&
           (my_token_is(&second, "user") || my_token_is(&second, "role") || my_token_is(&second, "server"));
}
