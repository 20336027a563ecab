/* SPDX-License-Identifier: MIT */
/* What a statement of the log is, by its first words, and which names stand in it. No grammar: the log has
 * statements of all versions of two servers, and only what they do to rows and tables matters. */
#ifndef MY_STATEMENT_H
#define MY_STATEMENT_H

#include "connectors/mysql/event/event.h"

#include <cdc/buf.h>

enum my_statement_kind {
    MY_STATEMENT_BEGIN,
    MY_STATEMENT_COMMIT,
    MY_STATEMENT_ROLLBACK,
    MY_STATEMENT_SAVEPOINT,
    MY_STATEMENT_RELEASE,
    MY_STATEMENT_ROLLBACK_TO,
    MY_STATEMENT_XA_START,
    MY_STATEMENT_XA_END,
    MY_STATEMENT_XA_PREPARE,
    MY_STATEMENT_XA_COMMIT,
    MY_STATEMENT_XA_ROLLBACK,
    MY_STATEMENT_TRUNCATE,      /* TRUNCATE [TABLE] name: also a DDL statement */
    MY_STATEMENT_CREATE_SELECT, /* CREATE TABLE name ... SELECT: also a DDL statement. Only the statement format has it so:
                                   as rows, the log has the CREATE TABLE without the query */
    MY_STATEMENT_DDL,           /* CREATE, ALTER, DROP, RENAME, GRANT, ... : everything else that is no row change */
    MY_STATEMENT_DML            /* INSERT, UPDATE, DELETE, REPLACE, LOAD DATA, CALL, ...: statement format */
};
struct my_statement {
    enum my_statement_kind kind;
    struct cdc_span xid; /* of XA statements: as written, BORROWED */
    struct cdc_buf db,
        table; /* of TRUNCATE, CREATE_SELECT: unquoted; db empty when not said. SAVEPOINT, ROLLBACK TO: table is the
                                 savepoint, empty when it cannot be read. Freed by my_statement_free */
};
/* Leading white space and comments are skipped, the inside of executable comments counts as text. A TRUNCATE whose
 * table cannot be read is a DDL, whose effect (effect.h) is UNREADABLE. ALTER is DDL. Statements inside of BEGIN and COMMIT
 * that are DDL by name (CREATE TEMPORARY TABLE) are DDL. A text of nothing but comments is a DDL. MariaDB's SET
 * STATEMENT ... FOR is what follows FOR. query: its sql is ASCII-compatible. statement: {0} before its first
 * use, then used again; to be freed in any case. -1: out of memory, since a TRUNCATE would pass for a DDL then. */
int my_statement_parse(struct my_statement *statement, const struct my_event_query *query, struct cdc_error *error);
void my_statement_free(struct my_statement *statement);
/* Is it about accounts, or may it carry a secret for another reason: an event or a routine with a statement on accounts in
 * it, a table's CONNECTION? In doubt it is. */
bool my_statement_is_of_accounts(struct cdc_span sql);
/* Does an identifier of that name (case-insensitive, quoted or not) stand anywhere in the text outside of strings and
 * comments (executable comments count)? May be true too often, is never false wrongly. */
bool my_statement_names(struct cdc_span sql, struct cdc_span name);
/* Does it leave the columns of every table as they are: their names, order and types, what else information_schema says of them, and
 * which are the key? Rows may come or go. May be false wrongly, is never true wrongly. */
bool my_statement_keeps_columns(struct cdc_span sql);
/* May it give a table or a column another charset or collation? May be true too often, is never false wrongly. */
bool my_statement_names_charset(struct cdc_span sql);
/* *sql: the statement in UTF-8, in text (whose content it replaces); where it cannot be converted, as it is. BORROWED. -1: out of
 * memory, since names in another charset would be those of other tables. */
int my_statement_text(const struct my_event_query *query, struct cdc_buf *text, struct cdc_span *sql,
                      struct cdc_error *error);

#endif
