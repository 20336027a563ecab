/* SPDX-License-Identifier: MIT */
/* What the server leaves out of its log:
 *     binlog_do_db=shop        changes of all other databases
 *     binlog_ignore_db=scrap   those of this one, where there is no binlog_do_db
 * Rows go by the database that they are in, statements such as TRUNCATE by the one that the session is in (USE):
 *     USE scrap; TRUNCATE TABLE shop.t      is in no log with either of them
 *     log_slave_updates=OFF    what a replica copies; MariaDB's default. MySQL calls it log_replica_updates */
#include "connectors/mysql/schema/logged.h"
#include "connectors/mysql/schema/catalog.h"

#include <cdc/bytes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* SHOW REPLICA STATUS and the like were named SHOW SLAVE STATUS once. */
static bool is_since(const struct my_server *server, unsigned version)
{
    return server->flavor == MY_FLAVOR_MYSQL && server->version >= version;
}

/* "shop,stock". A name with a comma in it stands there as it is. */
static bool lists(const char *names, const char *name, bool any_case)
{
    size_t n = strlen(name);
    for (const char *p = names; (p = any_case ? strcasestr(p, name) : strstr(p, name)) != NULL; p++)
        if ((p == names || p[-1] == ',') && (p[n] == '\0' || p[n] == ','))
            return true;
    return false;
}

static int find_left_out(MYSQL *mysql, const char *only, const char *ignored, const struct cdc_selection *selection,
                         struct cdc_error *error)
{
    MYSQL_RES *tables = my_catalog_list_names(mysql, error);
    int status = tables ? 0 : -1;
    for (MYSQL_ROW row; status == 0 && (row = mysql_fetch_row(tables)) != NULL;) {
        if (!row[0] || !row[1] || !cdc_selection_has_table(selection, row[0], row[1]))
            continue;
        if (*only ? lists(only, row[0], selection->any_case) : !lists(ignored, row[0], selection->any_case))
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG, "table %s.%s is selected, and %s leaves its changes out of the log",
                      row[0], row[1], *only ? "binlog_do_db" : "binlog_ignore_db");
        status = cdc_error_hint(error, "take it out of the server's configuration, or select only what is logged");
    }
    mysql_free_result(tables);
    return status;
}

static void by_session(const char *only, struct cdc_error *warning)
{
    cdc_error_set(warning, CDC_EXIT_CONFIG,
                  "%s leaves out of the log what a session in %s does with TRUNCATE, ALTER TABLE and the like, of "
                  "whatever table: a copy would not hear of it",
                  *only ? "binlog_do_db" : "binlog_ignore_db",
                  *only ? "a database that it does not name" : "the database that it names");
    cdc_error_hint(warning, "take it out of the server's configuration; until then such statements on tables that are "
                            "selected belong into sessions in the tables' own database (USE)");
}

static int check_filters(MYSQL *mysql, const struct my_server *server, const struct cdc_selection *selection,
                         struct cdc_error *warning, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    MYSQL_RES *result = my_session_query(
        mysql, is_since(server, 80200) ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", "", &ignored);
    MYSQL_ROW row = result && mysql_num_fields(result) >= 4 ? mysql_fetch_row(result) : NULL;
    const char *only = row && row[2] ? row[2] : "", *except = row && row[3] ? row[3] : "";
    int status = *only || *except ? find_left_out(mysql, only, except, selection, error) : 0;
    if (status == 0 && (*only || *except))
        by_session(only, warning);
    mysql_free_result(result);
    return status;
}

/* MariaDB tells anybody how many channels are running, MySQL nobody without a privilege. */
static bool is_replica(MYSQL *mysql, const struct my_server *server)
{
    struct cdc_error ignored = {0};
    MYSQL_RES *result =
        my_session_query(mysql, is_since(server, 80022) ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS", "", &ignored);
    bool replica = result && mysql_num_rows(result) > 0;
    mysql_free_result(result);
    if (replica || server->flavor != MY_FLAVOR_MARIADB)
        return replica;
    result = my_session_query(mysql, "SHOW GLOBAL STATUS LIKE 'Slaves_running'", "", &ignored);
    MYSQL_ROW row = result && mysql_num_fields(result) >= 2 ? mysql_fetch_row(result) : NULL;
    replica = row && row[1] && strcmp(row[1], "0") != 0;
    mysql_free_result(result);
    return replica;
}

static int check_replica(MYSQL *mysql, const struct my_server *server, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    char *logged = my_server_variable(mysql, "log_slave_updates", &ignored);
    if (logged && !*logged) {
        free(logged);
        logged = my_server_variable(mysql, "log_replica_updates", &ignored);
    }
    bool omits = logged && *logged && strcasecmp(logged, "ON") != 0 && is_replica(mysql, server);
    free(logged);
    if (!omits)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the server is a replica and does not log what it replicates");
    return cdc_error_hint(error, "put log_replica_updates (log_slave_updates) into its configuration, and start it "
                                 "again");
}

int my_logged_check(MYSQL *mysql, const struct my_server *server, const struct cdc_selection *selection,
                    struct cdc_error *warning, struct cdc_error *error)
{
    *warning = (struct cdc_error){0};
    return check_replica(mysql, server, error) < 0 ? -1 : check_filters(mysql, server, selection, warning, error);
}
