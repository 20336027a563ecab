/* SPDX-License-Identifier: MIT */
/* The words of a statement: strings, comments, names and the rest apart, which is all of SQL that is understood
 * here. Nobody outside this room includes this. */
#ifndef MY_LEXER_INTERNAL_H
#define MY_LEXER_INTERNAL_H

#include "connectors/mysql/event/event.h"

#include <cdc/buf.h>

enum my_token_kind {
    MY_TOKEN_END,
    MY_TOKEN_WORD,   /* identifiers, keywords, numbers */
    MY_TOKEN_QUOTED, /* `...`: text is what is between */
    MY_TOKEN_DOUBLE, /* "...": a string, or with ANSI_QUOTES an identifier */
    MY_TOKEN_STRING, /* '...' */
    MY_TOKEN_SYMBOL  /* one byte */
};

struct my_token {
    enum my_token_kind kind;
    const char *start; /* its first byte in the text, the opening quote included */
    struct cdc_span text;
};

struct my_lexer {
    const char *p, *end;
    bool executable;      /* inside of an executable comment */
    bool unsure;          /* came past one that some servers take for a comment */
    bool broken;          /* a string or comment did not end */
    bool plain_backslash; /* in a string it is a character as any other: MY_SQL_MODE_NO_BACKSLASH_ESCAPES */
    bool names_in_double; /* "a\" is the name a\, not a string that goes on: MY_SQL_MODE_ANSI_QUOTES */
};

/* sql is BORROWED, as are the tokens' texts. */
struct my_lexer my_lexer_of(struct cdc_span sql);
/* The same, with the session's SQL mode. */
struct my_lexer my_lexer_of_query(const struct my_event_query *query);
/* Reads over white space and comments, and returns what follows, MY_TOKEN_END at the end. */
struct my_token my_lexer_next(struct my_lexer *lexer);
struct my_token my_lexer_peek(const struct my_lexer *lexer);
/* Reads over the next word if it is that one (lower case). */
bool my_lexer_take(struct my_lexer *lexer, const char *word);
/* The same of a symbol. */
bool my_lexer_take_symbol(struct my_lexer *lexer, char c);
/* Reads over IF EXISTS or IF NOT EXISTS, if that is what follows. */
bool my_lexer_take_if_exists(struct my_lexer *lexer);
/* The next name, without its quotes. False: what follows is none. */
bool my_lexer_take_name(struct my_lexer *lexer, struct cdc_buf *name);
/* [db.]table, or MariaDB's .table; db is empty when not said. */
bool my_lexer_take_table(struct my_lexer *lexer, struct cdc_buf *db, struct cdc_buf *table);
/* Reads over MariaDB's SET STATEMENT a = 1, b = (...) FOR, if that is what follows: the statement is what stands
 * after it. */
bool my_lexer_skip_set_statement(struct my_lexer *lexer);

/* -- clauses of an ALTER TABLE: statement_columns.c -- */
/* Does the one that comes next leave all columns as they are, and is it none about partitions? In doubt it does not. */
bool my_lexer_clause_keeps_columns(struct my_lexer lexer, struct cdc_buf *scratch);
/* Reads over it, up to the comma or the end, which stays. */
void my_lexer_skip_clause(struct my_lexer *lexer);

bool my_token_is(const struct my_token *token, const char *word);
bool my_token_is_symbol(const struct my_token *token, char c);

static inline char my_lexer_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}
/* Are the name.n bytes at p that name? ASCII letters are case-insensitive. */
bool my_lexer_same_name(const char *p, struct cdc_span name);

static inline bool my_lexer_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#endif
