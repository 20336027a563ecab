/* SPDX-License-Identifier: MIT */
/* Commands on the snapshot's session: a signal ends every wait, and output leaves meanwhile. */
#include "connectors/postgres/snapshot/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* What the catalogs said is true no more: another attempt sees the new state. */
static bool is_changed_table(const PGresult *result)
{
    static const char *const states[] = {"42P01", "42703", "3F000", "42809", "40001", "55000"};
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    for (size_t i = 0; state && i < sizeof states / sizeof *states; i++)
        if (strcmp(state, states[i]) == 0)
            return true;
    return false;
}

static int query_error(struct snapshot_run *run, const PGresult *result, const char *what, struct cdc_error *error)
{
    if (!result || !is_changed_table(result))
        return pg_result_error(run->sql, result, what, error);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s: %s", what, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    return cdc_error_hint(error, "a table was changed while the snapshot was read; it begins again");
}

/* Waits for input of the server while output leaves. */
int pg_snapshot_wait_input(struct snapshot_run *run, struct cdc_error *error)
{
    if (cdc_writer_flush(run->writer, error) < 0)
        return -1;
    bool pending = cdc_writer_pending(run->writer) != 0;
    struct pollfd fds[3] = {
        {PQsocket(run->sql), POLLIN, 0},
        {run->control->wake_fd, POLLIN, 0},
        {pending ? cdc_writer_fd(run->writer) : -1, POLLOUT, 0},
    };
    (void)poll(fds, 3, 1000);
    if (run->control->stop)
        return cdc_snapshot_stopped(error);
    if (fds[0].revents && !PQconsumeInput(run->sql))
        return pg_result_error(run->sql, NULL, "the connection broke", error);
    return 0;
}

/* Runs a command that may take long; a signal ends the wait. NULL on errors. RETURNS NEW (PQclear) */
PGresult *pg_snapshot_command(struct snapshot_run *run, const char *text, ExecStatusType expected, const char *what,
                              struct cdc_error *error)
{
    if (!PQsendQuery(run->sql, text)) {
        pg_result_error(run->sql, NULL, what, error);
        return NULL;
    }
    while (PQisBusy(run->sql))
        if (pg_snapshot_wait_input(run, error) < 0)
            return NULL;
    PGresult *result = PQgetResult(run->sql);
    if (PQresultStatus(result) == expected)
        return result;
    query_error(run, result, what, error);
    PQclear(result);
    return NULL;
}

int pg_snapshot_finish_command(struct snapshot_run *run, const char *what, struct cdc_error *error)
{
    PGresult *result;
    int status = 0;
    for (;;) {
        while (PQisBusy(run->sql))
            if (pg_snapshot_wait_input(run, error) < 0)
                return -1;
        if ((result = PQgetResult(run->sql)) == NULL)
            return status;
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            status = query_error(run, result, what, error);
        PQclear(result);
    }
}

int pg_snapshot_execute(struct snapshot_run *run, const char *text, const char *what, struct cdc_error *error)
{
    PGresult *result = pg_snapshot_command(run, text, PGRES_COMMAND_OK, what, error);
    if (!result)
        return -1;
    PQclear(result);
    return pg_snapshot_finish_command(run, what, error);
}

/* A catalog query. NULL on errors. RETURNS NEW (PQclear) */
PGresult *pg_snapshot_query(struct snapshot_run *run, const char *text, int n, const char *const *values,
                            const char *what, struct cdc_error *error)
{
    PGresult *result = PQexecParams(run->sql, text, n, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    query_error(run, result, what, error);
    PQclear(result);
    return NULL;
}
