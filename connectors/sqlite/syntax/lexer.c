/* SPDX-License-Identifier: MIT */
/* Tokens of an SQL expression, as SQLite takes them. */
#include "connectors/sqlite/syntax/syntax.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hexadecimal(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' || (c & 0x80) != 0;
}

/* Past the blanks and comments; NULL: a comment has no end. */
static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end) {
        if (*p == ' ' || (*p >= '\t' && *p <= '\r')) {
            p++;
        } else if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
            while (p < end && *p != '\n')
                p++;
        } else if (end - p >= 2 && p[0] == '/' && p[1] == '*') {
            for (p += 2; end - p >= 2 && !(p[0] == '*' && p[1] == '/');)
                p++;
            if (end - p < 2)
                return NULL;
            p += 2;
        } else {
            break;
        }
    }
    return p;
}

static struct token bad(const char *why)
{
    return (struct token){.kind = TOKEN_BAD, .why = why};
}

/* p: after the opening quote. Past the closing one, or NULL. */
static const char *skip_quoted(const char *p, const char *end, char quote)
{
    for (; p < end; p++)
        if (*p == quote && !(p + 1 < end && p[1] == quote))
            return p + 1;
        else
            p += *p == quote;
    return NULL;
}

static struct token take_quoted(const char **p, const char *end, enum token_kind kind)
{
    const char *start = *p, *after = skip_quoted(start + 1, end, *start == '[' ? ']' : *start);

    if (after == NULL)
        return bad("a quote is not closed");
    *p = after;
    return (struct token){.kind = kind, .text = cdc_span(start, (size_t)(after - start)), .quoted = true};
}

/* x'00ff': pairs of hexadecimal digits. */
static struct token take_bytes(const char **p, const char *end)
{
    const char *start = *p, *at = start + 2;

    while (at < end && is_hexadecimal(*at))
        at++;
    if (at == end || *at != '\'' || (at - start) % 2 != 0)
        return bad("bytes are pairs of hexadecimal digits");
    *p = at + 1;
    return (struct token){.kind = TOKEN_BYTES, .text = cdc_span(start, (size_t)(*p - start))};
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

static struct token take_number(const char **p, const char *end)
{
    const char *start = *p, *at = skip_digits(start, end);

    if (at == start + 1 && *start == '0' && end - at > 1 && (*at | 0x20) == 'x' && is_hexadecimal(at[1])) {
        for (at++; at < end && is_hexadecimal(*at);)
            at++;
    } else {
        if (at < end && *at == '.')
            at = skip_digits(at + 1, end);
        if (at < end && (*at | 0x20) == 'e') {
            const char *power = at + 1;
            if (power < end && (*power == '+' || *power == '-'))
                power++;
            if (power < end && is_digit(*power))
                at = skip_digits(power, end);
        }
    }
    if (at < end && is_word(*at))
        return bad("a number is followed by letters");
    *p = at;
    return (struct token){.kind = TOKEN_NUMBER, .text = cdc_span(start, (size_t)(at - start))};
}

static struct token take_mark(const char **p, const char *end)
{
    static const char *const marks[] = {"->>", "->", "||", "<<", ">>", "<=", ">=", "<>", "==", "!=", "<", ">", "=",
                                        "+",   "-",  "*",  "/",  "%",  "&",  "|",  "~",  "(",  ")",  ",", "."};

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        size_t n = strlen(marks[i]);
        if ((size_t)(end - *p) >= n && memcmp(*p, marks[i], n) == 0) {
            struct token token = {.kind = TOKEN_MARK, .text = cdc_span(*p, n)};
            *p += n;
            return token;
        }
    }
    return bad(**p == ';'                               ? "an expression has no semicolon"
               : **p == '?' || **p == ':' || **p == '@' ? "an expression has no parameters"
                                                        : "a character that SQL does not know");
}

struct token lexer_next(const char **p, const char *end)
{
    const char *at = skip_blanks(*p, end);

    if (at == NULL)
        return bad("a comment is not closed");
    *p = at;
    if (at == end)
        return (struct token){.kind = TOKEN_END};
    if (*at == '\'')
        return take_quoted(p, end, TOKEN_TEXT);
    if (*at == '"' || *at == '`' || *at == '[')
        return take_quoted(p, end, TOKEN_NAME);
    if ((*at | 0x20) == 'x' && at + 1 < end && at[1] == '\'')
        return take_bytes(p, end);
    if (is_digit(*at) || (*at == '.' && at + 1 < end && is_digit(at[1])))
        return take_number(p, end);
    if (!is_word(*at))
        return take_mark(p, end);
    while (*p < end && is_word(**p))
        (*p)++;
    return (struct token){.kind = TOKEN_NAME, .text = cdc_span(at, (size_t)(*p - at))};
}

void lexer_append_unquoted(struct cdc_buf *out, struct cdc_span quoted)
{
    char quote = quoted.p[quoted.n - 1];

    for (size_t i = 1; i + 1 < quoted.n; i++) {
        cdc_buf_byte(out, quoted.p[i]);
        i += quoted.p[i] == quote; /* a doubled one */
    }
}
