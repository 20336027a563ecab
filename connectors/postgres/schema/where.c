/* SPDX-License-Identifier: MIT */
/* --where. A condition becomes a part of our statements:
 *
 *      placed > now() - interval '1 year'      COPY (SELECT ... FROM ONLY t WHERE ((placed > ...\n)) AND (ctid ...)) TO STDOUT
 *
 * so it must be one expression, and nothing that leaves its parentheses: `true) OR (true`, `true LIMIT 1`, `true; DROP TABLE t`. The server
 * is asked twice. As it stands, at the end of a prepared statement: what closes a parenthesis that it has not opened, or begins
 * another statement, is an error there. And in parentheses: what is more than an expression is an error there. The line break ends
 * a comment (--) that the text may end with. */
#include "connectors/postgres/schema/where.h"

#include "connectors/postgres/session/query.h"
#include "connectors/postgres/session/wait.h"

#include <stdio.h>
#include <string.h>

#define SET_TIMEOUT "SET lock_timeout = 10000"

int pg_where_text(const struct pg_settings *settings, const struct cdc_option_list *items,
                  const struct pg_catalog_table *table, char **text, struct cdc_error *error)
{
    struct cdc_buf all = CDC_BUF_INIT;
    const char *condition;
    size_t at = 0;
    *text = NULL;
    while (items &&
           (condition = cdc_table_texts_next(items, &at, &settings->selection, table->schema, table->name)) != NULL) {
        cdc_buf_text(&all, all.len ? " AND (" : "(");
        cdc_buf_text(&all, condition);
        cdc_buf_lit(&all, "\n)");
    }
    if (all.len)
        cdc_buf_byte(&all, '\0');
    if (all.failed) {
        cdc_buf_free(&all);
        return cdc_error_memory(error);
    }
    *text = all.data;
    return 0;
}

/* What the server says of the text is the user's to correct, also that a column does not exist; unless it is the server that cannot
 * at the moment, or may not. */
static int refuse(PGconn *sql, const PGresult *result, const struct pg_catalog_table *table, struct cdc_error *error)
{
    char what[200];
    struct cdc_error own = {0};
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    snprintf(what, sizeof what, "--where of table \"%.60s\".\"%.60s\"", table->schema, table->name);
    pg_query_fail(sql, result, what, &own);
    if (state &&
        (strncmp(state, "42", 2) == 0 || strncmp(state, "22", 2) == 0 || strncmp(state, "3F", 2) == 0 ||
         strncmp(state, "0A", 2) == 0) &&
        own.status != CDC_EXIT_PERMISSION)
        own.status = CDC_EXIT_CONFIG;
    *error = own;
    return -1;
}

/* Waits for the answer to what was sent. RETURNS NEW; NULL with error. */
static PGresult *answer(PGconn *sql, int sent, const struct pg_catalog_table *table, struct cdc_error *error)
{
    struct pg_wait wait = pg_wait_begin(sql);
    PGresult *result = NULL, *next = NULL;
    if (!sent) {
        refuse(sql, NULL, table, error);
        return NULL;
    }
    while (pg_wait_result(sql, &wait, &next, error) == 0) {
        if (!next)
            break;
        PQclear(result);
        result = next;
    }
    if (result && PQresultStatus(result) != PGRES_COMMAND_OK) {
        refuse(sql, result, table, error);
        PQclear(result);
        return NULL;
    }
    return result;
}

static int prepare(PGconn *sql, const char *condition, bool wrapped, const struct pg_catalog_table *table,
                   struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "SELECT FROM ");
    pg_query_table(&text, table->schema, table->name);
    cdc_buf_text(&text, wrapped ? " WHERE (" : " WHERE ");
    cdc_buf_text(&text, condition);
    cdc_buf_text(&text, wrapped ? "\n)" : "\n");
    cdc_buf_byte(&text, '\0');
    PGresult *result = NULL;
    if (text.failed)
        cdc_error_memory(error);
    else
        result = answer(sql, PQsendPrepare(sql, "", text.data, 0, NULL), table, error);
    cdc_buf_free(&text);
    PQclear(result);
    return result ? 0 : -1;
}

static int check_statement(PGconn *sql, const char *condition, const struct pg_catalog_table *table,
                           struct cdc_error *error)
{
    if (prepare(sql, condition, false, table, error) < 0 || prepare(sql, condition, true, table, error) < 0)
        return -1;
    PGresult *result = answer(sql, PQsendDescribePrepared(sql, ""), table, error);
    int status = result ? 0 : -1;
    if (result && PQnparams(result) > 0)
        status = cdc_error_set(error, CDC_EXIT_CONFIG, "--where of table \"%s\".\"%s\": there is no parameter $1",
                               table->schema, table->name);
    PQclear(result);
    return status;
}

static int check_large(const struct pg_catalog_table *table, struct cdc_error *error)
{
    if (!table->large || table->key.inserts_only)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "--where of table \"%s\".\"%s\": an UPDATE of a row that is not read would come without the large "
                  "values (TOAST) that it did not change, and nobody has them",
                  table->schema, table->name);
    return cdc_error_hint(error, "ALTER TABLE \"%s\".\"%s\" REPLICA IDENTITY FULL;", table->schema, table->name);
}

int pg_where_check(PGconn *sql, const struct pg_settings *settings, const struct cdc_option_list *items,
                   const struct pg_catalog_table *table, struct cdc_error *error)
{
    const char *condition;
    struct cdc_error ignored = {0};
    size_t at = 0;
    int status = 0;
    while (status == 0 && items &&
           (condition = cdc_table_texts_next(items, &at, &settings->selection, table->schema, table->name)) != NULL) {
        /* The server opens the table, which somebody may hold locked. */
        if (check_large(table, error) < 0 || pg_query_run(sql, SET_TIMEOUT, "cannot prepare the session", error) < 0)
            return -1;
        status = check_statement(sql, condition, table, error);
        if (pg_query_run(sql, "SET lock_timeout = 0", "cannot prepare the session", status ? &ignored : error) < 0)
            status = -1;
    }
    return status;
}

static bool names_selected(const struct pg_settings *settings, const struct pg_catalog *catalog, const char *item)
{
    const struct cdc_option_list one = {&item, 1};
    bool found = false;
    for (size_t i = 0; !found && i < catalog->n; i++) {
        const struct pg_catalog_table *table = &catalog->tables[i];
        size_t at = 0;
        found = pg_catalog_is_meant(table, settings) &&
                cdc_table_texts_next(&one, &at, &settings->selection, table->schema, table->name) != NULL;
    }
    return found;
}

int pg_where_check_names(const struct pg_settings *settings, const struct cdc_option_list *items,
                         const struct pg_catalog *catalog, const struct cdc_log *log, struct cdc_error *error)
{
    for (size_t i = 0; items && i < items->count; i++) {
        if (names_selected(settings, catalog, items->items[i]))
            continue;
        if (cdc_table_texts_is_name(items->items[i])) {
            cdc_error_set(error, CDC_EXIT_CONFIG, "--where %.200s: no such table is read", items->items[i]);
            return cdc_error_hint(error, "name a table that is selected, as -t does");
        }
        cdc_log_write(log, CDC_LOG_WARNING, "--where %.200s: no table matches", items->items[i]);
    }
    return 0;
}
