/* SPDX-License-Identifier: MIT */
/* What a statement of the log is, by its first words: no more of SQL is understood here than its lexical structure
 * ("MySQL Reference Manual: Language Structure", which MariaDB shares). */
#include "connectors/mysql/event/statement.h"

/* -- words ---------------------------------------------------------------------- */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* identifiers, keywords, numbers */
    TOKEN_QUOTED, /* `...`: text is what is between */
    TOKEN_DOUBLE, /* "...": a string, or with ANSI_QUOTES an identifier */
    TOKEN_STRING, /* '...' */
    TOKEN_SYMBOL  /* one byte */
};

struct token {
    enum token_kind kind;
    const char *start; /* with the quotes */
    struct cdc_span text;
};

struct lexer {
    const char *p, *end;
    bool executable; /* inside of an executable comment */
    bool unsure;     /* came past one that some servers take for a comment */
    bool broken;     /* a string or comment did not end */
};

static struct lexer lexer_of(struct cdc_span sql)
{
    const char *start = sql.n != 0 ? sql.p : "";
    return (struct lexer){.p = start, .end = start + sql.n};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' || (c & 0x80) != 0;
}

static size_t left(const struct lexer *lexer)
{
    return (size_t)(lexer->end - lexer->p);
}

static bool at(const struct lexer *lexer, const char *text)
{
    size_t n = strlen(text);
    return left(lexer) >= n && memcmp(lexer->p, text, n) == 0;
}

static void skip_line(struct lexer *lexer)
{
    const char *lf = memchr(lexer->p, '\n', left(lexer));
    lexer->p = lf != NULL ? lf + 1 : lexer->end;
}

static void skip_comment(struct lexer *lexer)
{
    const char *close = memmem(lexer->p + 2, left(lexer) - 2, "*/", 2);
    lexer->broken |= close == NULL;
    lexer->p = close != NULL ? close + 2 : lexer->end;
}

/* Executable comments, with or without a version of five or six digits: only their marks are passed over. A word right
 * behind six digits could begin with the last of them. All servers run those without a version, and those of before 5.7;
 * MariaDB takes MySQL's later ones for comments, and MySQL MariaDB's. */
static void skip_executable_mark(struct lexer *lexer)
{
    lexer->p += at(lexer, "/*M!") ? 4 : 3;
    const char *start = lexer->p;
    while (lexer->p < lexer->end && lexer->p - start < 6 && is_digit(*lexer->p))
        lexer->p++;
    size_t digits = (size_t)(lexer->p - start);
    lexer->executable = true;
    lexer->unsure |= start[-2] == 'M' || !(digits == 0 || (digits == 5 && memcmp(start, "50700", 5) < 0));
    lexer->broken |= lexer->p - start == 6 && lexer->p < lexer->end && is_word(*lexer->p);
}

static void skip_executable_end(struct lexer *lexer)
{
    lexer->p += 2;
    lexer->executable = false;
}

/* White space and comments. */
static void skip_blank(struct lexer *lexer)
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

/* p: behind the opening quote. What is between the quotes; a doubled quote is part of it, and behind a backslash
 * (not in backticks) anything. */
static struct cdc_span quoted(struct lexer *lexer, char quote)
{
    const char *start = lexer->p;
    for (; lexer->p < lexer->end; lexer->p++) {
        if (*lexer->p == '\\' && quote != '`' && left(lexer) > 1)
            lexer->p++;
        else if (*lexer->p == quote && (left(lexer) == 1 || lexer->p[1] != quote))
            return cdc_span(start, (size_t)(lexer->p++ - start));
        else if (*lexer->p == quote)
            lexer->p++;
    }
    lexer->broken = true;
    return cdc_span(start, (size_t)(lexer->end - start));
}

static struct token next(struct lexer *lexer)
{
    skip_blank(lexer);
    struct token token = {.kind = TOKEN_END, .start = lexer->p};
    if (lexer->p == lexer->end)
        return token;
    char c = *lexer->p++;
    if (c == '`' || c == '"' || c == '\'') {
        token.kind = c == '`' ? TOKEN_QUOTED : c == '"' ? TOKEN_DOUBLE : TOKEN_STRING;
        token.text = quoted(lexer, c);
        return token;
    }
    token.kind = is_word(c) ? TOKEN_WORD : TOKEN_SYMBOL;
    while (token.kind == TOKEN_WORD && lexer->p < lexer->end && is_word(*lexer->p))
        lexer->p++;
    token.text = cdc_span(token.start, (size_t)(lexer->p - token.start));
    return token;
}

static struct token peek(const struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    return next(&ahead);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ASCII letters: case-insensitive. */
static bool same_name(const char *p, struct cdc_span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (lower(p[i]) != lower(name.p[i]))
            return false;
    return true;
}

static bool is(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && token->text.n == strlen(word) && same_name(token->text.p, cdc_span_text(word));
}

static bool is_symbol(const struct token *token, char c)
{
    return token->kind == TOKEN_SYMBOL && *token->start == c;
}

/* The next word, if it is that one. */
static bool take(struct lexer *lexer, const char *word)
{
    struct lexer ahead = *lexer;
    struct token token = next(&ahead);
    if (!is(&token, word))
        return false;
    *lexer = ahead;
    return true;
}

/* -- XA -------------------------------------------------------------------------- */

/* A part of an xid: '..', "..", X'..', 0x.., a number. False: none here. */
static bool take_xid_part(struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    struct token token = next(&ahead);
    if (token.kind == TOKEN_WORD && ahead.p < ahead.end && (*ahead.p == '\'' || *ahead.p == '"'))
        token = next(&ahead); /* behind X, B, a charset */
    if (token.kind != TOKEN_STRING && token.kind != TOKEN_DOUBLE &&
        !(token.kind == TOKEN_WORD && is_digit(token.text.p[0])))
        return false;
    *lexer = ahead;
    return true;
}

/* gtrid[,bqual[,format]] */
static struct cdc_span xid_of(struct lexer *lexer)
{
    skip_blank(lexer);
    const char *start = lexer->p, *end = start;
    while (take_xid_part(lexer)) {
        end = lexer->p;
        struct token token = peek(lexer);
        if (!is_symbol(&token, ','))
            break;
        next(lexer);
    }
    return cdc_span(start, (size_t)(end - start));
}

static enum my_statement_kind xa(struct lexer *lexer, struct cdc_span *xid)
{
    static const struct {
        const char *word;
        enum my_statement_kind kind;
    } words[] = {{"start", MY_STATEMENT_XA_START},   {"begin", MY_STATEMENT_XA_START},
                 {"end", MY_STATEMENT_XA_END},       {"prepare", MY_STATEMENT_XA_PREPARE},
                 {"commit", MY_STATEMENT_XA_COMMIT}, {"rollback", MY_STATEMENT_XA_ROLLBACK}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!take(lexer, words[i].word))
            continue;
        *xid = xid_of(lexer);
        return words[i].kind;
    }
    return MY_STATEMENT_DDL;
}

/* -- TRUNCATE ---------------------------------------------------------------------- */

/* A doubled quote is one. */
static void unquote(struct cdc_buf *out, struct cdc_span text, char quote)
{
    for (size_t i = 0; i < text.n; i++) {
        cdc_buf_byte(out, text.p[i]);
        i += text.p[i] == quote;
    }
}

static bool take_name(struct lexer *lexer, struct cdc_buf *name)
{
    struct token token = next(lexer);
    name->len = 0;
    if (token.kind == TOKEN_WORD)
        cdc_buf_span(name, token.text);
    else if (token.kind == TOKEN_QUOTED || token.kind == TOKEN_DOUBLE)
        unquote(name, token.text, *token.start);
    return name->len != 0 && !name->failed && !lexer->broken;
}

/* [db.]table, then nothing that could belong to the name (MariaDB knows WAIT and NOWAIT, DROP and REUSE STORAGE). */
static bool take_table(struct lexer *lexer, struct cdc_buf *db, struct cdc_buf *table)
{
    if (!take_name(lexer, table))
        return false;
    struct token token = peek(lexer);
    if (is_symbol(&token, '.')) {
        struct cdc_buf first = *table;
        *table = *db;
        *db = first;
        next(lexer);
        if (!take_name(lexer, table))
            return false;
        token = peek(lexer);
    }
    return token.kind == TOKEN_END || token.kind == TOKEN_WORD || is_symbol(&token, ';');
}

static enum my_statement_kind truncate_of(struct lexer *lexer, struct my_statement *statement)
{
    take(lexer, "table");
    if (take_table(lexer, &statement->db, &statement->table))
        return MY_STATEMENT_TRUNCATE;
    statement->db.len = statement->table.len = 0;
    return MY_STATEMENT_DDL;
}

/* -- all ------------------------------------------------------------------------------ */

/* Statements that can change rows, or run something that does. */
static bool changes_rows(const struct token *token)
{
    static const char *const words[] = {"insert", "update", "delete", "replace", "load",   "call",
                                        "do",     "select", "with",   "execute", "values", "handler"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is(token, words[i]))
            return true;
    return is_symbol(token, '(');
}

/* MariaDB: SET STATEMENT a = 1, b = (...) FOR what is meant. */
static bool skip_set_statement(struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    if (!take(&ahead, "set") || !take(&ahead, "statement"))
        return false;
    int depth = 0;
    for (struct token token = next(&ahead); token.kind != TOKEN_END; token = next(&ahead)) {
        depth += is_symbol(&token, '(') - is_symbol(&token, ')');
        if (depth <= 0 && is(&token, "for")) {
            *lexer = ahead;
            return true;
        }
    }
    return false;
}

/* ANALYZE TABLE is one thing, MariaDB's ANALYZE UPDATE ..., which runs it, another. */
static bool analyzes_tables(struct lexer *lexer)
{
    return take(lexer, "table") || take(lexer, "tables") || take(lexer, "local") || take(lexer, "no_write_to_binlog");
}

static enum my_statement_kind savepoint(struct lexer *lexer, struct cdc_buf *name)
{
    if (!take_name(lexer, name))
        name->len = 0;
    return MY_STATEMENT_SAVEPOINT;
}

static enum my_statement_kind rollback(struct lexer *lexer, struct cdc_buf *savepoint)
{
    take(lexer, "work");
    if (!take(lexer, "to"))
        return MY_STATEMENT_ROLLBACK;
    take(lexer, "savepoint");
    if (!take_name(lexer, savepoint))
        savepoint->len = 0;
    return MY_STATEMENT_ROLLBACK_TO;
}

static enum my_statement_kind classify(struct lexer *lexer, struct my_statement *statement)
{
    struct token first = next(lexer);
    if (is(&first, "begin"))
        return MY_STATEMENT_BEGIN;
    if (is(&first, "start") && take(lexer, "transaction"))
        return MY_STATEMENT_BEGIN;
    if (is(&first, "commit"))
        return MY_STATEMENT_COMMIT;
    if (is(&first, "rollback"))
        return rollback(lexer, &statement->table);
    if (is(&first, "savepoint"))
        return savepoint(lexer, &statement->table);
    if (is(&first, "release") && take(lexer, "savepoint"))
        return MY_STATEMENT_RELEASE;
    if (is(&first, "xa"))
        return xa(lexer, &statement->xid);
    if (is(&first, "truncate"))
        return truncate_of(lexer, statement);
    if (is(&first, "analyze"))
        return analyzes_tables(lexer) ? MY_STATEMENT_DDL : MY_STATEMENT_DML;
    return changes_rows(&first) ? MY_STATEMENT_DML : MY_STATEMENT_DDL;
}

void my_statement_parse(struct my_statement *statement, struct cdc_span sql)
{
    struct lexer lexer = lexer_of(sql);
    statement->xid = cdc_span(NULL, 0);
    statement->db.len = statement->table.len = 0;
    while (skip_set_statement(&lexer))
        ;
    statement->kind = classify(&lexer, statement);
}

void my_statement_free(struct my_statement *statement)
{
    cdc_buf_free(&statement->db);
    cdc_buf_free(&statement->table);
}

/* -- names ------------------------------------------------------------------------------ */

/* Anywhere at all, not only where an identifier could stand. Quotes in a name are doubled in the text: not looked for. */
static bool found_anywhere(struct cdc_span sql, struct cdc_span name)
{
    if (memchr(name.p, '`', name.n) || memchr(name.p, '"', name.n))
        return true;
    for (size_t i = 0; i + name.n <= sql.n; i++)
        if (same_name(sql.p + i, name))
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
        if (n == name.n || lower(text.p[i]) != lower(name.p[n]))
            return false;
        i += text.p[i] == quote;
    }
    return n == name.n;
}

static bool names(const struct token *token, struct cdc_span name)
{
    if (token->kind == TOKEN_WORD)
        return token->text.n == name.n && same_name(token->text.p, name);
    return (token->kind == TOKEN_QUOTED || token->kind == TOKEN_DOUBLE) && quoted_is(token->text, *token->start, name);
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
        return true;
    struct lexer lexer = lexer_of(sql);
    for (struct token token = next(&lexer); token.kind != TOKEN_END; token = next(&lexer))
        if (names(&token, name))
            return true;
    return lexer.broken; /* what was taken for a string or a comment may be none */
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

/* Two words say it. Where it is not sure which ones they are, each that could be one of them counts wherever it stands. */
bool my_statement_is_of_accounts(struct cdc_span sql)
{
    struct lexer lexer = lexer_of(sql);
    bool unsure = false;
    while (skip_set_statement(&lexer))
        unsure = ambiguous(sql);
    struct token first = next(&lexer), second = next(&lexer);
    if (is(&second, "or")) { /* CREATE OR REPLACE USER */
        next(&lexer);
        second = next(&lexer);
    }
    unsure |=
        lexer.unsure || lexer.broken || is_symbol(&first, '*') || is_symbol(&second, '*'); /* of a nested comment */
    if (unsure && any_word_of_accounts(sql))
        return true;
    if (is(&first, "grant") || is(&first, "revoke") || is(&first, "set"))
        return true;
    return !is(&first, "truncate") && (is(&second, "user") || is(&second, "role") || is(&second, "server"));
}
