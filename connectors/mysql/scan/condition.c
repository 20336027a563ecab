/* SPDX-License-Identifier: MIT */
/* A condition of the user's, which becomes a part of our statement: it must be one expression, whole by itself. */
#include "connectors/mysql/scan/condition.h"
#include "connectors/mysql/session/session.h"

#include <cdc/table_texts.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <string.h>

static int refuse(MYSQL *mysql, const struct my_table *table, const char *text, struct cdc_error *error)
{
    char what[160];
    snprintf(what, sizeof what, "--where of table %.64s.%.64s", table->db, table->name);
    (void)my_session_error(mysql, what, error);
    /* A right that lacks (of a table in a subquery), and what passes by itself. */
    if (error->status == CDC_EXIT_PERMISSION || my_session_error_passes(mysql_errno(mysql)))
        return -1;
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", what, mysql_error(mysql));
    return cdc_error_hint(error, "correct \"%.200s\": one SQL expression over the table's columns", text);
}

/* Parses a statement, and finds its names; nothing runs. */
static int prepare(MYSQL *mysql, const struct my_table *table, const char *text, const char *before, const char *after,
                   struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "SELECT 1 FROM ");
    my_session_append_table(&sql, table->db, table->name);
    cdc_buf_text(&sql, before);
    cdc_buf_text(&sql, text);
    cdc_buf_text(&sql, after);
    MYSQL_STMT *statement = sql.failed ? NULL : mysql_stmt_init(mysql);
    int status = 0;
    if (!statement) {
        status = cdc_error_memory(error);
    } else if (mysql_stmt_prepare(statement, sql.data, sql.len) != 0) {
        status = refuse(mysql, table, text, error);
    } else if (mysql_stmt_param_count(statement) != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "--where of table %.64s.%.64s: a question mark stands for no value",
                      table->db, table->name);
        status = cdc_error_hint(error, "write the value in its place");
    }
    if (statement)
        mysql_stmt_close(statement);
    cdc_buf_free(&sql);
    return status;
}

/* What closes a parenthesis that it has not opened, or leaves a text or a comment open, is refused by itself; what is more than an
 * expression (ORDER BY, LIMIT, a second statement) in parentheses. The line's end ends a comment (`--`, `#`).
 *
 *     alone            SELECT 1 FROM t WHERE true) OR (true      refused
 *     in parentheses   SELECT 1 FROM t WHERE (true LIMIT 1\n)    refused */
static int check(MYSQL *mysql, const struct my_table *table, const char *text, struct cdc_error *error)
{
    return prepare(mysql, table, text, " WHERE (", "\n)", error) < 0
               ? -1
               : prepare(mysql, table, text, " WHERE ", "", error);
}

/* A row that was not read comes with its next change. Without a key a sink looks for the old row, which is not there, and takes
 * the new one for none of its own. */
static int check_key(const struct my_table *table, struct cdc_error *error)
{
    if (table->has_key)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "--where of table %.64s.%.64s: the table has no key, and a sink would not find rows that were not "
                  "read when they change",
                  table->db, table->name);
    return cdc_error_hint(error, "ALTER TABLE ... ADD PRIMARY KEY, or read all of its rows");
}

int my_condition_make(MYSQL *mysql, const struct cdc_option_list *where, const struct cdc_selection *selection,
                      const struct my_table *table, char **condition, struct cdc_error *error)
{
    struct cdc_buf all = CDC_BUF_INIT;
    const char *text;
    size_t at = 0;
    *condition = NULL;
    while ((text = cdc_table_texts_next(where, &at, selection, table->db, table->name)) != NULL) {
        if (check_key(table, error) < 0 || check(mysql, table, text, error) < 0) {
            cdc_buf_free(&all);
            return -1;
        }
        cdc_buf_text(&all, all.len > 0 ? " AND (" : "(");
        cdc_buf_text(&all, text);
        cdc_buf_lit(&all, "\n)");
    }
    if (all.len == 0)
        return 0;
    cdc_buf_byte(&all, '\0');
    if (all.failed) {
        cdc_buf_free(&all);
        return cdc_error_memory(error);
    }
    *condition = all.data;
    return 0;
}

/* By the class of the SQL state: a value out of range, a subquery with several rows, a signal of a function; and the errors of
 * regular expressions, which have none. */
static bool is_of_condition(unsigned number, const char *state)
{
    static const char *const classes[] = {"21", "22", "42", "45"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strncmp(state, classes[i], 2) == 0)
            return true;
    return number >= 3685 && number <= 3699;
}

int my_condition_error(MYSQL *mysql, const struct my_table *table, struct cdc_error *error)
{
    switch (mysql_errno(mysql)) {
    case ER_NO_SUCH_TABLE: /* somebody has altered what it reads */
    case ER_BAD_FIELD_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR: return 0;
    default: break;
    }
    if (!is_of_condition(mysql_errno(mysql), mysql_sqlstate(mysql)))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "--where of table %.64s.%.64s: %s", table->db, table->name,
                  mysql_error(mysql));
    return cdc_error_hint(error, "correct the condition, so that the server can tell for each row whether it is true");
}
