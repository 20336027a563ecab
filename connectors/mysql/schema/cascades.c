/* SPDX-License-Identifier: MIT */
/* A foreign key with ON DELETE CASCADE changes rows of another table, and InnoDB does that without the server's knowing: the
 * log has the parent's row alone, and copies of the child table keep theirs. */
#include "connectors/mysql/schema/cascades.h"
#include "connectors/mysql/schema/catalog.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_TABLES_NAMED 50
#define NATIVE_CASCADES 90600 /* from this MySQL on, the rows that cascades change are logged */

/* SHOW CREATE TABLE: information_schema hides constraints from users that may only SELECT. RETURNS NEW; NULL when the
 * table is gone or may not be seen. */
static char *create_statement(MYSQL *mysql, const char *db, const char *table)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    struct cdc_error ignored = {0};
    cdc_buf_lit(&sql, "SHOW CREATE TABLE ");
    my_session_append_table(&sql, db, table);
    cdc_buf_byte(&sql, '\0');
    MYSQL_RES *result = sql.failed ? NULL : my_session_query(mysql, sql.data, "", &ignored);
    MYSQL_ROW row = result && mysql_num_fields(result) >= 2 ? mysql_fetch_row(result) : NULL;
    char *text = row && row[1] ? strdup(row[1]) : NULL;
    mysql_free_result(result);
    cdc_buf_free(&sql);
    return text;
}

/* The line of a foreign key that changes rows by itself, in a CREATE TABLE statement; NULL. */
static char *cascade_in(char *text)
{
    static const char *const rules[] = {"ON DELETE CASCADE", "ON DELETE SET", "ON UPDATE CASCADE", "ON UPDATE SET"};
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        for (size_t i = 0; strstr(line, "FOREIGN KEY") && i < sizeof rules / sizeof *rules; i++)
            if (strstr(line, rules[i]))
                return line + strspn(line, " ");
    return NULL;
}

/* innodb_native_foreign_keys=ON brings the old way back; it is off by default. */
bool my_cascades_are_logged(MYSQL *mysql, const struct my_server *server)
{
    struct cdc_error ignored = {0};
    if (server->flavor != MY_FLAVOR_MYSQL || server->version < NATIVE_CASCADES)
        return false;
    char *native = my_server_variable(mysql, "innodb_native_foreign_keys", &ignored);
    bool logged = !native || strcasecmp(native, "ON") != 0;
    free(native);
    return logged;
}

int my_cascades_list(MYSQL *mysql, const struct my_server *server, const struct cdc_selection *selection,
                     const struct cdc_log *log, enum cdc_log_level level, struct cdc_error *error)
{
    if (my_cascades_are_logged(mysql, server))
        return 0;
    MYSQL_RES *result = my_catalog_list_names(mysql, error);
    if (!result)
        return -1;
    int n = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        bool selected = row[0] && row[1] && cdc_selection_has_table(selection, row[0], row[1]);
        char *text = selected ? create_statement(mysql, row[0], row[1]) : NULL;
        const char *line = text ? cascade_in(text) : NULL;
        if (line && ++n <= MAX_TABLES_NAMED)
            cdc_log_write(
                log, level,
                "table %s.%s: the server does not log the rows that this changes: %s (hint: delete and update child "
                "rows in the application or by triggers)",
                row[0], row[1], line);
        free(text);
    }
    mysql_free_result(result);
    return n;
}
