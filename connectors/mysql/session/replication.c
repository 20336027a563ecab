/* SPDX-License-Identifier: MIT */
/* SHOW REPLICA STATUS, whose columns have other names in each generation, and of which users may see nothing. An example of what
 * it tells:
 *     executed 7e..:1-11   Retrieved_Gtid_Set 7e..:5-13       12 and 13 are taken, and not applied yet */
#include "connectors/mysql/session/replication.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/session/session.h"

#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BEHIND_MS 60000

static const char *statement_of(const struct my_server *server)
{
    if (server->flavor == MY_FLAVOR_MARIADB)
        return "SHOW ALL SLAVES STATUS";
    return server->version >= 80022 ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
}

/* NULL: there is none. The names differ in what stands before: Slave_IO_Running, Replica_IO_Running. */
static const char *field(MYSQL_RES *result, MYSQL_ROW row, const char *end)
{
    for (unsigned i = 0; i < mysql_num_fields(result); i++) {
        const char *name = mysql_fetch_field_direct(result, i)->name;
        size_t n = strlen(name), wanted = strlen(end);
        if (n >= wanted && strcasecmp(name + n - wanted, end) == 0)
            return row[i];
    }
    return NULL;
}

static bool is_running(MYSQL_RES *result, MYSQL_ROW row)
{
    const char *io = field(result, row, "_IO_Running"), *sql = field(result, row, "_SQL_Running");
    return (io && strcasecmp(io, "No") != 0) || (sql && strcasecmp(sql, "No") != 0);
}

/* MariaDB's channels have a position each. */
static int is_taken_by_channel(const char *position, const char *gtids, struct cdc_error *error)
{
    struct my_gtid_set *all = my_gtid_set_new(MY_FLAVOR_MARIADB, error);
    struct my_gtid_set *part = all ? my_gtid_set_new(MY_FLAVOR_MARIADB, error) : NULL;
    int result = -1;
    if (part && my_gtid_set_parse(all, cdc_span_text(position), error) == 0 &&
        my_gtid_set_parse(part, cdc_span_text(gtids), error) == 0)
        result = my_gtid_set_includes(all, part);
    my_gtid_set_free(all);
    my_gtid_set_free(part);
    return result;
}

static void add_set(struct cdc_buf *sets, const char *set)
{
    cdc_buf_text(sets, sets->len > 0 ? "," : "");
    for (const char *p = set; *p; p++)
        if (*p != '\n' && *p != ' ')
            cdc_buf_byte(sets, *p);
}

static int is_taken(MYSQL *mysql, struct cdc_buf *sets, const char *gtids, struct cdc_error *error)
{
    char *executed = my_session_value(mysql, "SELECT @@GLOBAL.gtid_executed", "cannot read the server's GTIDs", error);
    if (!executed && error->status)
        return -1;
    if (executed && *executed)
        add_set(sets, executed);
    free(executed);
    cdc_buf_byte(sets, '\0');
    return sets->failed ? cdc_error_memory(error) : my_server_is_subset(mysql, gtids, sets->data, error);
}

/* What of it is applied, but not logged, never comes. */
static int logs_copies(MYSQL *mysql, const struct my_server *server, struct cdc_error *error)
{
    if (server->flavor == MY_FLAVOR_MYSQL)
        return 1;
    char *logged = my_server_variable(mysql, "log_slave_updates", error);
    int result = logged ? strcasecmp(logged, "ON") == 0 : -1;
    free(logged);
    return result;
}

/* MariaDB tells anybody how many channels are running. */
static bool any_runs(MYSQL *mysql)
{
    struct cdc_error ignored = {0};
    MYSQL_RES *result = my_session_query(mysql, "SHOW GLOBAL STATUS LIKE 'Slaves_running'", "", &ignored);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    bool any = row && row[1] && strcmp(row[1], "0") != 0;
    mysql_free_result(result);
    return any;
}

int my_replication_of(MYSQL *mysql, const struct my_server *server, const char *gtids, enum my_replication *replication,
                      struct cdc_error *error)
{
    struct cdc_error hidden = {0};
    struct cdc_buf sets = CDC_BUF_INIT;
    bool mysqls = server->flavor == MY_FLAVOR_MYSQL;
    *replication = MY_REPLICATION_NONE;
    int logged = logs_copies(mysql, server, error), taken = 0;
    MYSQL_RES *result = logged > 0 ? my_session_query(mysql, statement_of(server), "", &hidden) : NULL;
    if (logged > 0 && !result && !mysqls && any_runs(mysql))
        *replication = MY_REPLICATION_RUNS;
    for (MYSQL_ROW row; result && taken == 0 && (row = mysql_fetch_row(result)) != NULL;) {
        const char *position = field(result, row, mysqls ? "Retrieved_Gtid_Set" : "Gtid_IO_Pos");
        if (is_running(result, row))
            *replication = MY_REPLICATION_RUNS;
        if (position && *position && mysqls)
            add_set(&sets, position);
        else if (position && *position)
            taken = is_taken_by_channel(position, gtids, error);
    }
    if (taken == 0 && sets.len > 0)
        taken = is_taken(mysql, &sets, gtids, error);
    if (taken > 0)
        *replication = MY_REPLICATION_TAKEN;
    mysql_free_result(result);
    cdc_buf_free(&sets);
    return logged < 0 || taken < 0 ? -1 : 0;
}

void my_behind_begin_try(struct my_behind *behind)
{
    behind->is = false;
}

void my_behind_end_try(struct my_behind *behind)
{
    if (!behind->is)
        behind->since = 0;
}

int my_behind_wait(struct my_behind *behind, MYSQL *mysql, const struct my_server *server, const char *server_uuid,
                   const char *gtids, struct cdc_error *error)
{
    enum my_replication replication;
    if (my_replication_of(mysql, server, gtids, &replication, error) < 0)
        return -1;
    behind->is = true;
    if (behind->since == 0)
        behind->since = cdc_clock_ms();
    if (replication == MY_REPLICATION_NONE ||
        (replication == MY_REPLICATION_RUNS && cdc_clock_ms() - behind->since > BEHIND_MS))
        return 0;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                         "the server is a replica that has not yet what was read at %.120s: %s", server_uuid,
                         replication == MY_REPLICATION_TAKEN ? "it has taken that, and not applied it"
                                                             : "it may still come");
}
