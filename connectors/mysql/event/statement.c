/* SPDX-License-Identifier: MIT */
/* What a statement of the log is, by its first words. */
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/event/lexer_internal.h"
#include "connectors/mysql/value/charset.h"

/* -- XA: XA COMMIT X'6162',X'',1 -------------------------------------------------------------------------- */

/* A part of an xid: '..', "..", X'..', 0x.., a number. False: none here. */
static bool take_xid_part(struct my_lexer *lexer)
{
    struct my_lexer ahead = *lexer;
    struct my_token token = my_lexer_next(&ahead);
    if (token.kind == MY_TOKEN_WORD && ahead.p < ahead.end && (*ahead.p == '\'' || *ahead.p == '"'))
        token = my_lexer_next(&ahead); /* after X, B, a charset */
    if (token.kind != MY_TOKEN_STRING && token.kind != MY_TOKEN_DOUBLE &&
        !(token.kind == MY_TOKEN_WORD && my_lexer_is_digit(token.text.p[0])))
        return false;
    *lexer = ahead;
    return true;
}

/* gtrid[,bqual[,format]] */
static struct cdc_span xid_of(struct my_lexer *lexer)
{
    const char *start = my_lexer_peek(lexer).start, *end = start;
    while (take_xid_part(lexer)) {
        end = lexer->p;
        struct my_token token = my_lexer_peek(lexer);
        if (!my_token_is_symbol(&token, ','))
            break;
        my_lexer_next(lexer);
    }
    return cdc_span(start, (size_t)(end - start));
}

static enum my_statement_kind xa(struct my_lexer *lexer, struct cdc_span *xid)
{
    static const struct {
        const char *word;
        enum my_statement_kind kind;
    } words[] = {{"start", MY_STATEMENT_XA_START},   {"begin", MY_STATEMENT_XA_START},
                 {"end", MY_STATEMENT_XA_END},       {"prepare", MY_STATEMENT_XA_PREPARE},
                 {"commit", MY_STATEMENT_XA_COMMIT}, {"rollback", MY_STATEMENT_XA_ROLLBACK}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!my_lexer_take(lexer, words[i].word))
            continue;
        *xid = xid_of(lexer);
        return words[i].kind;
    }
    return MY_STATEMENT_DDL;
}

/* -- TRUNCATE ---------------------------------------------------------------------- */

/* The table, then nothing that could belong to the name (MariaDB knows WAIT and NOWAIT, DROP and REUSE STORAGE). */
static enum my_statement_kind truncate_of(struct my_lexer *lexer, struct my_statement *statement)
{
    my_lexer_take(lexer, "table");
    bool taken = my_lexer_take_table(lexer, &statement->db, &statement->table);
    struct my_token token = my_lexer_peek(lexer);
    if (taken && (token.kind == MY_TOKEN_END || token.kind == MY_TOKEN_WORD || my_token_is_symbol(&token, ';')))
        return MY_STATEMENT_TRUNCATE;
    statement->db.len = statement->table.len = 0;
    return MY_STATEMENT_DDL;
}

/* -- CREATE TABLE ... SELECT --------------------------------------------------------------- */

/* Part of a number, as 1 in AUTO_INCREMENT=1. */
static bool is_digits(const struct my_token *token)
{
    size_t i = 0;
    while (i < token->text.n && my_lexer_is_digit(token->text.p[i]))
        i++;
    return token->kind == MY_TOKEN_WORD && i == token->text.n;
}

/* Does a query follow? SELECT, VALUES (1) or ROW(1), and MySQL's TABLE t are reserved words, which no name is written like
 * without quotes, but for one right after a dot: REFERENCES d.table (id). A partition has VALUES LESS THAN (1), or IN (1). */
static bool has_query(struct my_lexer *lexer)
{
    struct my_token before = {.kind = MY_TOKEN_END}, token = before;
    for (;;) {
        bool of_number = is_digits(&before), after_dot = my_token_is_symbol(&token, '.');
        const char *at = lexer->p;
        before = token;
        token = my_lexer_next(lexer);
        if (token.kind == MY_TOKEN_END)
            return false;
        if (after_dot && !of_number && token.start == at)
            continue;
        struct my_token next = my_lexer_peek(lexer);
        if (my_token_is(&token, "select") || my_token_is(&token, "table") ||
            (my_token_is(&token, "values") && (my_token_is(&next, "row") || my_token_is_symbol(&next, '('))))
            return true;
    }
}

static enum my_statement_kind create_of(struct my_lexer *lexer, struct my_statement *statement)
{
    if (my_lexer_take(lexer, "or"))
        my_lexer_take(lexer, "replace");
    if (!my_lexer_take(lexer, "table")) /* rows of a TEMPORARY one are nobody's */
        return MY_STATEMENT_DDL;
    if (my_lexer_take(lexer, "if")) {
        my_lexer_take(lexer, "not");
        my_lexer_take(lexer, "exists");
    }
    if (my_lexer_take_table(lexer, &statement->db, &statement->table) && has_query(lexer))
        return MY_STATEMENT_CREATE_SELECT;
    statement->db.len = statement->table.len = 0;
    return MY_STATEMENT_DDL;
}

/* -- all ------------------------------------------------------------------------------ */

/* Statements that can change rows, or run something that does. */
static bool changes_rows(const struct my_token *token)
{
    static const char *const words[] = {"insert", "update", "delete", "replace", "load",   "call",
                                        "do",     "select", "with",   "execute", "values", "handler"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (my_token_is(token, words[i]))
            return true;
    return my_token_is_symbol(token, '(');
}

/* ANALYZE TABLE is one thing, MariaDB's ANALYZE UPDATE ..., which runs it, another. */
static bool analyzes_tables(struct my_lexer *lexer)
{
    return my_lexer_take(lexer, "table") || my_lexer_take(lexer, "tables") || my_lexer_take(lexer, "local") ||
           my_lexer_take(lexer, "no_write_to_binlog");
}

static enum my_statement_kind savepoint(struct my_lexer *lexer, struct cdc_buf *name)
{
    if (!my_lexer_take_name(lexer, name))
        name->len = 0;
    return MY_STATEMENT_SAVEPOINT;
}

static enum my_statement_kind rollback(struct my_lexer *lexer, struct cdc_buf *savepoint)
{
    my_lexer_take(lexer, "work");
    if (!my_lexer_take(lexer, "to"))
        return MY_STATEMENT_ROLLBACK;
    my_lexer_take(lexer, "savepoint");
    if (!my_lexer_take_name(lexer, savepoint))
        savepoint->len = 0;
    return MY_STATEMENT_ROLLBACK_TO;
}

static enum my_statement_kind classify(struct my_lexer *lexer, struct my_statement *statement)
{
    struct my_token first = my_lexer_next(lexer);
    if (my_token_is(&first, "begin"))
        return MY_STATEMENT_BEGIN;
    if (my_token_is(&first, "start") && my_lexer_take(lexer, "transaction"))
        return MY_STATEMENT_BEGIN;
    if (my_token_is(&first, "commit"))
        return MY_STATEMENT_COMMIT;
    if (my_token_is(&first, "rollback"))
        return rollback(lexer, &statement->table);
    if (my_token_is(&first, "savepoint"))
        return savepoint(lexer, &statement->table);
    if (my_token_is(&first, "release") && my_lexer_take(lexer, "savepoint"))
        return MY_STATEMENT_RELEASE;
    if (my_token_is(&first, "xa"))
        return xa(lexer, &statement->xid);
    if (my_token_is(&first, "truncate"))
        return truncate_of(lexer, statement);
    if (my_token_is(&first, "create"))
        return create_of(lexer, statement);
    if (my_token_is(&first, "analyze"))
        return analyzes_tables(lexer) ? MY_STATEMENT_DDL : MY_STATEMENT_DML;
    return changes_rows(&first) ? MY_STATEMENT_DML : MY_STATEMENT_DDL;
}

int my_statement_parse(struct my_statement *statement, const struct my_event_query *query, struct cdc_error *error)
{
    struct my_lexer lexer = my_lexer_of_query(query);
    statement->xid = cdc_span(NULL, 0);
    statement->db.len = statement->table.len = 0;
    while (my_lexer_skip_set_statement(&lexer))
        ;
    statement->kind = classify(&lexer, statement);
    return statement->db.failed || statement->table.failed ? cdc_error_memory(error) : 0;
}

void my_statement_free(struct my_statement *statement)
{
    cdc_buf_free(&statement->db);
    cdc_buf_free(&statement->table);
}

int my_statement_text(const struct my_event_query *query, struct cdc_buf *text, struct cdc_span *sql,
                      struct cdc_error *error)
{
    const struct my_charset *charset = query->charset ? my_charset_of(query->charset) : NULL;
    text->len = 0;
    bool converted = my_charset_convert(text, charset, (const uint8_t *)query->sql.p, query->sql.n);
    *sql = converted ? cdc_span(text->data, text->len) : query->sql;
    return text->failed ? cdc_error_memory(error) : 0;
}
