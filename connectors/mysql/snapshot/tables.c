/* SPDX-License-Identifier: MIT */
/* The tables of the snapshot: found, held, described. */
#include "connectors/mysql/scan/condition.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/logged.h"
#include "connectors/mysql/schema/unmatched.h"
#include "connectors/mysql/session/grants.h"
#include "connectors/mysql/snapshot/internal.h"

#include <cdc/table_texts.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_selected(const struct my_snapshot *run, MYSQL_ROW row)
{
    struct cdc_selection selection = run->settings->selection;
    selection.any_case = run->server.lower_case_names;
    return row[0] && row[1] && cdc_selection_has_table(&selection, row[0], row[1]) &&
           (!run->again || cdc_stale_has(&run->again->mark, row[0], "", row[1]));
}

static void append_names(struct cdc_buf *names, MYSQL_ROW row)
{
    cdc_buf_append(names, row[0], strlen(row[0]) + 1);
    cdc_buf_append(names, row[1], strlen(row[1]) + 1);
}

int my_snapshot_tables_list(struct my_snapshot *run, struct cdc_buf *names, struct cdc_error *error)
{
    MYSQL_RES *result = my_catalog_list(run->sql, error);
    if (!result)
        return -1;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;)
        if (is_selected(run, row))
            append_names(names, row);
    mysql_free_result(result);
    return names->failed ? cdc_error_memory(error) : 0;
}

void my_snapshot_tables_free(struct my_snapshot *run)
{
    for (size_t i = 0; i < run->n_tables; i++) {
        my_table_free(run->tables[i].table);
        my_key_free(&run->tables[i].key);
        free(run->tables[i].condition);
    }
    free(run->tables);
    run->tables = NULL;
    run->n_tables = 0;
    run->names.len = 0;
}

/* A statement that reads no row holds the table's definition until the transaction ends: ALTER, TRUNCATE and DROP wait,
 * writers do not. All columns, since information_schema is silent of those that the user may not read. */
static int hold(MYSQL *session, const struct my_table *table, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "SELECT * FROM ");
    my_session_append_table(&sql, table->db, table->name);
    cdc_buf_append(&sql, " LIMIT 0", sizeof " LIMIT 0");
    int status = 0;
    if (sql.failed)
        status = cdc_error_memory(error);
    else if (mysql_query(session, sql.data) != 0)
        status = my_scan_error(session, table, error);
    else
        mysql_free_result(my_session_store(session, "cannot hold the tables", error));
    cdc_buf_free(&sql);
    return status == 0 && error->status ? -1 : status;
}

static void warn(struct my_snapshot *run, const struct my_snapshot_table *source)
{
    const struct my_table *table = source->table;
    my_table_report_omits(table, &run->omits_reported, run->log);
    if (!table->has_key && !run->again)
        cdc_log_write(run->log, CDC_LOG_WARNING,
                      "table %s.%s has no key: should the snapshot begin again, its rows come again, after a line "
                      "that empties it (\"op\":\"t\")",
                      table->db, table->name);
    if (!source->frozen)
        cdc_log_write(run->log, CDC_LOG_WARNING,
                      "table %s.%s has an engine without transactions: writers wait while it is read", table->db,
                      table->name);
}

static int add_table(struct my_snapshot *run, MYSQL_ROW row, struct cdc_error *error)
{
    struct my_snapshot_table *source = &run->tables[run->n_tables++];
    struct my_table *table = calloc(1, sizeof *table);
    source->table = table;
    if (!table)
        return cdc_error_memory(error);
    table->db = strdup(row[0]);
    table->name = strdup(row[1]);
    source->part = (struct cdc_snapshot_part){table->db, table->name, row[2] ? strtod(row[2], NULL) : 0, 0, false};
    snprintf(source->engine, sizeof source->engine, "%s", row[3] ? row[3] : "");
    source->frozen = my_catalog_engine(source->engine) == MY_ENGINE_FROZEN;
    snprintf(source->created, sizeof source->created, "%s", row[4] ? row[4] : "");
    append_names(&run->names, row);
    return table->db && table->name && !run->names.failed ? 0 : cdc_error_memory(error);
}

static int find_tables(struct my_snapshot *run, struct cdc_error *error)
{
    MYSQL_RES *result = my_catalog_list(run->sql, error);
    if (!result)
        return -1;
    run->tables = calloc((size_t)mysql_num_rows(result) + 1, sizeof *run->tables);
    int status = run->tables ? 0 : cdc_error_memory(error);
    for (MYSQL_ROW row; status == 0 && (row = mysql_fetch_row(result)) != NULL;)
        if (is_selected(run, row))
            status = add_table(run, row, error);
    mysql_free_result(result);
    return status;
}

/* Each statement of the session sees what is there now, as its transaction's isolation says. */
static int begin_holding(struct my_snapshot *run, struct cdc_error *error)
{
    static const char what[] = "cannot hold the tables";
    if (my_session_execute(run->sql, "ROLLBACK", what, error) < 0 ||
        my_session_execute(run->sql, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", what, error) < 0)
        return -1;
    return my_session_execute(run->sql, "START TRANSACTION", what, error);
}

static int no_table(const char *pattern, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  pattern ? "no table that the user may see matches '%s'"
                          : "no table that the user may see matches the patterns",
                  pattern);
    return cdc_error_hint(error, "a pattern is database.table with * and ?, and case matters; the user needs SELECT");
}

/* What comes after the rows would not come. */
static int check_logged(struct my_snapshot *run, const struct cdc_selection *selection, struct cdc_error *error)
{
    struct cdc_error found = {0}, warning;
    if (my_logged_check(run->sql, &run->server, selection, &warning, &found) == 0) {
        if (warning.status != 0)
            cdc_log_write(run->log, CDC_LOG_WARNING, "%s (hint: %s)", warning.text, warning.hint);
        return 0;
    }
    if (found.status == CDC_EXIT_CONFIG && !run->settings->named) {
        cdc_log_write(run->log, CDC_LOG_WARNING, "%s (hint: %s)", found.text, found.hint);
        return 0;
    }
    *error = found;
    return -1;
}

/* The log has rows of all tables, the server's catalog shows only those that the user has a privilege on. So where none is
 * seen, there may be some: a snapshot of none is one only where the user would see them. */
static int check_seen(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_snapshot_settings *settings = run->settings;
    struct my_grants grants = {0};
    const char *exact = NULL;
    struct cdc_selection selection = settings->selection;
    selection.any_case = run->server.lower_case_names;
    int selected = my_unmatched_report(run->sql, &selection, run->log, &exact, error);
    int status = selected < 0 ? -1 : my_grants_read(run->sql, &grants, error);
    if (status == 0)
        status = my_unmatched_columns(run->sql, &selection, true, run->log, error);
    if (status == 0)
        status = check_logged(run, &selection, error);
    if (status == 0 && run->n_tables == 0 && !my_grants_have_somewhere(&grants, "SELECT")) {
        cdc_error_set(error, CDC_EXIT_PERMISSION, "the user may not SELECT, so that it sees no table");
        status = cdc_error_hint(error, "GRANT SELECT on the tables to the user");
    } else if (status == 0 && settings->named && (run->n_tables == 0 || exact)) {
        status = no_table(run->n_tables == 0 ? NULL : exact, error);
    } else if (status == 0 && run->n_tables == 0) {
        cdc_log_write(run->log, CDC_LOG_WARNING, "no table that is selected can be seen: the snapshot is empty");
    }
    my_grants_free(&grants);
    return status;
}

/* Privileges that come by roles are not seen here, so that this is no more than a warning. */
static int warn_of_hidden(struct my_snapshot *run, struct cdc_error *error)
{
    char *granted = my_session_value(
        run->sql,
        "SELECT (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'SELECT') + (SELECT "
        "COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE PRIVILEGE_TYPE = 'SELECT' AND DATABASE() LIKE "
        "TABLE_SCHEMA)",
        "cannot read the user's privileges", error);
    if (!granted && error->status)
        return -1;
    if (!run->settings->named && granted && strcmp(granted, "0") == 0)
        cdc_log_write(
            run->log, CDC_LOG_WARNING,
            "the user has no SELECT on the whole database: tables that it may not read are not in the snapshot, but "
            "in the log");
    free(granted);
    return 0;
}

/* What the optimizer expects, where information_schema says nothing: MySQL keeps there for a day what it knew of a new table. The
 * table is opened already. */
static int ask_estimate(struct my_snapshot *run, struct my_snapshot_table *source, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "EXPLAIN SELECT * FROM ");
    my_session_append_table(&sql, source->table->db, source->table->name);
    cdc_buf_byte(&sql, '\0');
    MYSQL_RES *result = NULL;
    if (sql.failed)
        cdc_error_memory(error);
    else
        result = my_session_query(run->sql, sql.data, "cannot ask how many rows a table has", error);
    cdc_buf_free(&sql);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    for (unsigned i = 0; row && i < mysql_num_fields(result); i++)
        if (row[i] && strcmp(mysql_fetch_field_direct(result, i)->name, "rows") == 0)
            source->part.estimate = strtod(row[i], NULL);
    mysql_free_result(result);
    if (!error->status)
        return 0;
    if (mysql_errno(run->sql) == 0 || my_session_error_passes(mysql_errno(run->sql)))
        return -1;
    cdc_error_clear(error); /* it is not known then */
    return 0;
}

static int take_condition(struct my_snapshot *run, struct my_snapshot_table *source, struct cdc_error *error)
{
    struct cdc_selection selection = run->settings->selection;
    selection.any_case = run->server.lower_case_names;
    int status =
        my_condition_make(run->sql, &run->settings->where, &selection, source->table, &source->condition, error);
    source->key.condition = source->condition;
    return status;
}

/* A table whose engine has no consistent snapshots is read in one piece: its rows change between two statements. */
static int describe(struct my_snapshot *run, struct my_snapshot_table *source, struct cdc_error *error)
{
    enum my_flavor flavor = run->server.flavor;
    struct my_table *table = source->table;
    struct cdc_selection selection = run->settings->selection;
    selection.any_case = run->server.lower_case_names;
    if (my_catalog_make(run->sql, flavor, table, error) < 0 ||
        my_table_prepare(table, flavor, run->settings->name, &selection, error) < 0)
        return -1;
    my_table_drop_hidden(table);
    source->key.table = table;
    if (source->frozen && my_key_find(&source->key, table, run->sql, error) < 0)
        return -1;
    if (source->frozen && source->part.estimate <= 0 && ask_estimate(run, source, error) < 0)
        return -1;
    return take_condition(run, source, error);
}

/* Rows that are written after the consistent point and before they are read come from the table and from the log. That is put
 * right where the log says the whole row, and a sink finds it by its key; else rows come twice or get a mixture of values. */
static int check_engine(const struct my_snapshot *run, const struct my_snapshot_table *source, struct cdc_error *error)
{
    const struct my_table *table = source->table;
    enum my_engine engine = my_catalog_engine(source->engine);
    if (engine == MY_ENGINE_FROZEN || (engine == MY_ENGINE_LIVE && table->has_key && run->whole_images))
        return 0;
    if (engine == MY_ENGINE_ELSEWHERE) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "table %s.%s cannot be copied: the rows of engine %s are not the table's own, and change without "
                      "a line in the log",
                      table->db, table->name, source->engine);
        return cdc_error_hint(error, "exclude it (-T '%s.%s'), and copy the tables that the rows are in", table->db,
                              table->name);
    }
    cdc_error_set(error, CDC_EXIT_CONFIG, "table %s.%s cannot be copied exactly: engine %s has no transactions, and %s",
                  table->db, table->name, source->engine,
                  table->has_key ? "binlog_row_image is not FULL" : "the table has no key");
    return cdc_error_hint(error, "ALTER TABLE ... ENGINE=InnoDB%s, or exclude it (-T '%s.%s')",
                          table->has_key ? ", or SET GLOBAL binlog_row_image = FULL (sessions must reconnect)"
                                         : ", or ADD PRIMARY KEY",
                          table->db, table->name);
}

/* A name with a slip in it would have all rows read. */
static int check_conditions(struct my_snapshot *run, struct cdc_error *error)
{
    const struct cdc_option_list *where = &run->settings->where;
    struct cdc_selection selection = run->settings->selection;
    selection.any_case = run->server.lower_case_names;
    for (size_t i = 0; i < where->count; i++) {
        const struct cdc_option_list one = {&where->items[i], 1};
        bool found = false;
        for (size_t t = 0, at = 0; !found && t < run->n_tables; t++, at = 0)
            found = cdc_table_texts_next(&one, &at, &selection, run->tables[t].table->db, run->tables[t].table->name);
        if (!found && cdc_table_texts_is_name(where->items[i])) {
            cdc_error_set(error, CDC_EXIT_CONFIG, "no table that is read matches --where '%.200s'", where->items[i]);
            return cdc_error_hint(error, "TABLE is database.table, or a table in any database, as with -t");
        }
        if (!found)
            cdc_log_write(run->log, CDC_LOG_WARNING, "no table that is read matches --where '%.200s'", where->items[i]);
    }
    return 0;
}

int my_snapshot_tables_hold(struct my_snapshot *run, struct cdc_error *error)
{
    my_snapshot_tables_free(run);
    if (begin_holding(run, error) < 0 || find_tables(run, error) < 0)
        return -1;
    for (size_t i = 0; i < run->n_tables; i++) {
        if (hold(run->sql, run->tables[i].table, error) < 0 || describe(run, &run->tables[i], error) < 0 ||
            check_engine(run, &run->tables[i], error) < 0)
            return -1;
        warn(run, &run->tables[i]);
    }
    if (run->again)
        return my_again_find_gone(run, error);
    if (check_seen(run, error) < 0 || check_conditions(run, error) < 0)
        return -1;
    return warn_of_hidden(run, error);
}

/* The lock of run->sql is not enough. An ALTER that waits for it has its place in the queue, and who comes after it waits
 * for the ALTER, even a reader: each waits for the other.
 *
 *     run->sql    holds b ........................................ until the end
 *     application               ALTER b: waits for run->sql
 *     worker                                    SELECT b: waits for the ALTER
 *
 * What a transaction holds already it gets again at once. So each worker holds all tables from its beginning on. Should an
 * ALTER have come before it, the wait is short: the attempt ends, which lets the ALTER through, and begins anew. */
static int hold_for_worker(struct my_snapshot *run, MYSQL *mysql, struct cdc_error *error)
{
    static const char what[] = "cannot hold the tables";
    if (my_session_execute(mysql, "SET SESSION lock_wait_timeout = 5", what, error) < 0)
        return -1;
    for (size_t i = 0; i < run->n_tables; i++)
        if (hold(mysql, run->tables[i].table, error) < 0)
            return -1;
    return my_session_execute(mysql, "SET SESSION lock_wait_timeout = 50", what, error);
}

int my_snapshot_tables_hold_for_workers(struct my_snapshot *run, struct cdc_error *error)
{
    for (size_t i = 0; i < run->n_workers; i++)
        if (hold_for_worker(run, run->workers[i].mysql, error) < 0)
            return -1;
    return 0;
}
