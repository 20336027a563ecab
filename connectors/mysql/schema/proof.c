/* SPDX-License-Identifier: MIT */
/* Columns where the log does not name them (binlog_row_metadata MINIMAL or NO_LOG, the servers' defaults), and what
 * MariaDB's log does not say of them even with FULL.
 *
 * What is kept of them from earlier (history.h) comes first. Else information_schema is asked, which speaks of now, while
 * the log speaks of then. What it says holds at coordinates of the log when no statement between there and now has named
 * the table: so the columns are read under the table's metadata lock (a DDL statement on it is either in the log already or
 * cannot have begun), the end of the log is asked for under it, too, and the log from there up to that end is searched
 * for DDL statements with the table's name in them. One is found: which columns the table had in between is not known, and
 * reading stops, unless the statements themselves tell (follow.h). None is found: they hold, and go on to hold until a DDL
 * statement that names the table comes by.
 *
 * So that something is kept of tables that no row has come of yet, those that are selected are asked for at the start and
 * when DDL was read (prefetch.c). */
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/schema/columns.h"
#include "connectors/mysql/schema/follow.h"
#include "connectors/mysql/schema/internal.h"
#include "connectors/mysql/session/log_read.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOCK_SECONDS = 5 }; /* that a row waits for the lock of its table; then the connection is made again */

/* -- the search ------------------------------------------------------------------------- */

void my_schema_forget_search(struct my_schema *schema)
{
    my_ddl_free(&schema->ddl);
    schema->searched = false;
}

struct search {
    struct my_ddl_list *ddl;
    struct my_gtid gtid; /* of the transaction at hand */
};

static int search_event(void *context, const struct my_event_header *header, struct cdc_bytes body,
                        const struct my_coord *coord, struct cdc_error *error)
{
    struct search *search = context;
    switch (header->type) {
    case MY_EVENT_MARIADB_GTID: return my_gtid_parse(header, body, &search->gtid, error);
    case MY_EVENT_QUERY:
    case MY_EVENT_MARIADB_QUERY_COMPRESSED:
        return my_gtid_is_done(&search->gtid) ? my_ddl_take(search->ddl, header, body, coord, error) : 0;
    default: return 0;
    }
}

/* One search goes on where the last one ended, as long as reading moves on: the log is not read again for each table. */
int my_schema_search(struct my_schema *schema, const struct my_coord *from, const struct my_coord *to,
                     struct cdc_error *error)
{
    /* The stretch that was searched does not reach to where the new one begins: nothing of it is of use. */
    if (!schema->searched || my_coord_compare(&schema->from, from) > 0 || my_coord_compare(&schema->to, from) < 0) {
        my_schema_forget_search(schema);
        schema->to = *from;
    }
    my_ddl_forget(&schema->ddl, from);
    schema->from = *from;
    struct search search = {.ddl = &schema->ddl};
    if (my_coord_compare(&schema->to, to) < 0) {
        if (my_log_read(schema->settings.session, &schema->to, to, search_event, &search, NULL, error) < 0) {
            my_schema_forget_search(schema);
            return -1;
        }
        schema->to = *to;
    }
    schema->searched = true;
    return 0;
}

/* -- the columns ------------------------------------------------------------------------------ */

static int unknown(const struct my_table *table, const char *why, struct cdc_error *error)
{
    if (table->has_names) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "the log does not say which columns of table %s.%s were JSON, UUID and the like, and it is not "
                      "known what they were at this point of it: %s",
                      table->db, table->name, why);
        return cdc_error_hint(error,
                              "exclude the table (-T '%s.%s'), or take a new snapshot (remove the offset files of the "
                              "pipeline and the copies, and begin with cdc-snapshot)",
                              table->db, table->name);
    }
    cdc_error_set(error, CDC_EXIT_CONFIG, "the columns that table %s.%s had at this point of the log are not known: %s",
                  table->db, table->name, why);
    return cdc_error_hint(
        error,
        "exclude the table (-T '%s.%s'), or take a new snapshot (remove the offset files of the pipeline and the "
        "copies, and begin with cdc-snapshot); SET GLOBAL binlog_row_metadata = FULL; first, and the log names columns "
        "from then on",
        table->db, table->name);
}

static int read_columns(struct my_schema *schema, MYSQL *sql, const struct my_table *table, struct cdc_buf *columns,
                        struct cdc_error *error)
{
    int found = my_catalog_columns(sql, schema->settings.session->server.flavor, table, columns, error);
    return found < 0 ? -1 : found ? 0 : unknown(table, "it does not exist any more, or may not be seen", error);
}

int my_schema_limit_waits(MYSQL *sql, unsigned seconds, struct cdc_error *error)
{
    char text[80];
    snprintf(text, sizeof text, "SET SESSION lock_wait_timeout = %u", seconds);
    return my_session_execute(sql, text, "cannot limit waits", error);
}

/* 1: another session keeps it away, with LOCK TABLES or a statement that takes long. */
static int lock(MYSQL *sql, const struct my_table *table, struct cdc_error *error)
{
    struct cdc_error gone = {0};
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "SELECT 1 FROM ");
    my_session_append_table(&text, table->db, table->name);
    cdc_buf_lit(&text, " LIMIT 0");
    cdc_buf_byte(&text, '\0');
    int status = text.failed ? cdc_error_memory(error) : my_session_execute(sql, text.data, "cannot lock", &gone);
    cdc_buf_free(&text);
    if (status == 0 || gone.status == 0)
        return status;
    if (mysql_errno(sql) == ER_LOCK_WAIT_TIMEOUT)
        return 1;
    /* An error of one table (its engine, a file of it) must not hold up the others. */
    return my_session_error_passes(mysql_errno(sql)) ? cdc_error_set(error, gone.status, "%s", gone.text)
                                                     : unknown(table, gone.text, error);
}

/* A transaction that has touched the table holds its metadata lock until its end: no DDL statement on it is under
 * way. The columns and the end of the log are asked for under it; so each statement that formed these columns is in
 * the log before that end, and one that comes later is after it. A transaction for each table, so that it sees what
 * was committed when the lock was got. */
int my_schema_ask(struct my_schema *schema, MYSQL *sql, const struct my_table *table, struct cdc_buf *columns,
                  struct my_coord *end, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    char *gtids = NULL;
    if (my_session_execute(sql, "START TRANSACTION", "cannot begin a transaction", error) < 0)
        return -1;
    int status = lock(sql, table, error);
    if (status == 0)
        status = read_columns(schema, sql, table, columns, error);
    if (status == 0)
        status = my_server_end(sql, &schema->settings.session->server, end, &gtids, error);
    free(gtids);
    (void)my_session_execute(sql, "ROLLBACK", "", &ignored);
    return status;
}

static int apply(struct my_schema *schema, struct my_table *table, struct cdc_span columns, struct cdc_error *error)
{
    const char *why;
    int fits = my_columns_apply(columns, table, schema->settings.session->server.flavor, &why, error);
    schema->curable &= fits != 0 || why != my_columns_hidden_label;
    return fits < 0 ? -1 : fits ? 0 : unknown(table, why, error);
}

/* Statements between there and the end name the table: what it had then follows from what it had before, and has now, or is not known. */
static int follow(struct my_schema *schema, const struct my_table *table, const struct my_coord *coord,
                  struct my_point point, struct cdc_buf *columns, struct cdc_error *error)
{
    const struct my_follow_table followed = {table->db, table->name};
    struct cdc_span derived = my_history_derived(schema->history, table->db, table->name, point);
    struct cdc_buf now = *columns;
    *columns = (struct cdc_buf)CDC_BUF_INIT;
    int result = derived.p ? my_follow_complete(derived, &followed, &schema->ddl, coord, cdc_span(now.data, now.len),
                                                columns, error)
                           : 0;
    cdc_buf_free(&now);
    return result == 0 ? unknown(table, "a later statement in the log changes it", error) : result;
}

static int prove(struct my_schema *schema, struct my_table *table, const struct my_coord *coord, struct my_point point,
                 struct cdc_buf *columns, struct cdc_error *error)
{
    struct my_coord end;
    /* A dump cannot begin there: its command has four bytes for the offset. */
    if (coord->position > UINT32_MAX)
        return unknown(table, "the position is beyond 4 GiB in its file", error);
    MYSQL *sql = my_session_sql(schema->settings.session, error);
    if (!sql || my_schema_limit_waits(sql, LOCK_SECONDS, error) < 0)
        return -1;
    int locked = my_schema_ask(schema, sql, table, columns, &end, error);
    if (locked > 0)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                             "table %s.%s is locked by another session, and its columns cannot be read", table->db,
                             table->name);
    if (locked < 0 || my_schema_search(schema, coord, &end, error) < 0)
        return -1;
    if (my_ddl_names(&schema->ddl, table->name, coord) && follow(schema, table, coord, point, columns, error) < 0)
        return -1;
    return apply(schema, table, cdc_span(columns->data, columns->len), error);
}

int my_schema_at(struct my_schema *schema, struct my_table *table, const struct my_coord *coord, struct my_point point,
                 struct cdc_error *error)
{
    struct cdc_span kept = my_history_find(schema->history, table->db, table->name, point);
    struct cdc_buf columns = CDC_BUF_INIT;
    schema->curable = true;
    if (kept.p)
        return apply(schema, table, kept, error);
    int result = prove(schema, table, coord, point, &columns, error);
    if (result == 0)
        result =
            my_history_add(schema->history, table->db, table->name, point, cdc_span(columns.data, columns.len), error);
    cdc_buf_free(&columns);
    return result;
}

int my_schema_charset_changes(struct my_schema *schema, const char *table, const struct my_coord *coord,
                              struct cdc_error *error)
{
    struct my_coord end;
    char *gtids = NULL;
    if (!coord->file[0] || coord->position > UINT32_MAX)
        return 1;
    MYSQL *sql = my_session_sql(schema->settings.session, error);
    int result = sql ? my_server_end(sql, &schema->settings.session->server, &end, &gtids, error) : -1;
    free(gtids);
    if (result == 0)
        result = my_schema_search(schema, coord, &end, error);
    if (result == 0)
        return my_ddl_names_charset(&schema->ddl, table, coord);
    if (cdc_error_is_transient(error) || error->status == CDC_EXIT_INTERNAL)
        return -1;
    cdc_error_clear(error);
    return 1;
}

/* MySQL: names of types and what is generated, which no value depends on. They are of now; where the table has other columns
 * by now, the log's own words are enough. */
static int describe_mysql(struct my_schema *schema, struct my_table *table, struct cdc_error *error)
{
    const char *why;
    struct cdc_buf columns = CDC_BUF_INIT;
    MYSQL *sql = my_session_sql(schema->settings.session, error);
    int found = sql ? my_catalog_columns(sql, MY_FLAVOR_MYSQL, table, &columns, error) : -1;
    if (found > 0)
        found = my_columns_apply(cdc_span(columns.data, columns.len), table, MY_FLAVOR_MYSQL, &why, error);
    cdc_buf_free(&columns);
    return found < 0 ? -1 : 0;
}

int my_schema_describe(struct my_schema *schema, struct my_table *table, const struct my_coord *coord,
                       struct my_point point, struct cdc_error *error)
{
    enum my_flavor flavor = schema->settings.session->server.flavor;
    if (flavor == MY_FLAVOR_MYSQL)
        return describe_mysql(schema, table, error);
    int result = my_schema_at(schema, table, coord, point, error);
    if (result == 0 || error->status != CDC_EXIT_CONFIG || my_table_is_ambiguous(table, flavor))
        return result;
    cdc_error_clear(error);
    return 0;
}
