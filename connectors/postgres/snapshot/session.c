/* SPDX-License-Identifier: MIT */
/* Commands on the snapshot's session: a signal ends every wait, and output leaves meanwhile. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/session/query.h"
#include "connectors/postgres/session/wait.h"

#include <poll.h>
#include <string.h>

/* What the catalogs said is true no more, since somebody changed a table meanwhile; another attempt sees the new
 * state. Undefined table, column or schema, wrong kind of object (a table became a view), serialization failure, not
 * in prerequisite state. */
static bool is_changed_table(const PGresult *result)
{
    static const char *const states[] = {"42P01", "42703", "3F000", "42809", "40001", "55000"};
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    for (size_t i = 0; state && i < sizeof states / sizeof *states; i++)
        if (strcmp(state, states[i]) == 0)
            return true;
    return false;
}

/* The result when its status is the expected one; else NULL. TAKES result. */
static PGresult *expect(struct snapshot_worker *worker, PGresult *result, ExecStatusType expected, const char *what,
                        struct cdc_error *error)
{
    if (!is_changed_table(result))
        return pg_query_expect(worker->sql, result, expected, what, error);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s: %s", what, text ? text : "it was changed");
    cdc_error_hint(error, "a table was changed while the snapshot was read; it begins again");
    PQclear(result);
    return NULL;
}

int pg_snapshot_wait_input(struct snapshot_worker *worker, struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    bool writes = worker->in_turn;
    /* While the server is slow (a lock, a large sort) the rows already made go on to the sink. */
    if (writes && cdc_writer_flush(run->writer, error) < 0)
        return -1;
    bool pending = writes && cdc_writer_pending(run->writer) != 0;
    struct pollfd fds[5] = {
        {PQsocket(worker->sql), POLLIN, 0},
        {run->control->wake_fd, POLLIN, 0},
        {pending ? cdc_writer_fd(run->writer) : -1, POLLOUT, 0},
        {writes ? run->control->notice_fd : -1, POLLIN, 0},
        {run->failed_fd, POLLIN, 0},
    };
    (void)poll(fds, 5, 1000);
    if (writes) /* and reports */
        cdc_snapshot_look_around(&run->progress);
    else
        cdc_control_waiting(run->control, "an answer of the server");
    if (run->control->stop)
        return cdc_snapshot_stopped(error);
    if (fds[4].revents)
        return cdc_turns_another_failed(error);
    if (!fds[0].revents)
        return pg_wait_check(worker->sql, &worker->wait, error);
    int taken = pg_wait_take(worker->sql, &worker->wait, error);
    return taken > 0 ? pg_query_fail(worker->sql, NULL, "the connection broke", error) : taken;
}

PGresult *pg_snapshot_command(struct snapshot_worker *worker, const char *text, ExecStatusType expected,
                              const char *what, struct cdc_error *error)
{
    if (!PQsendQuery(worker->sql, text)) {
        pg_query_fail(worker->sql, NULL, what, error);
        return NULL;
    }
    worker->wait = pg_wait_begin(worker->sql);
    while (PQisBusy(worker->sql))
        if (pg_snapshot_wait_input(worker, error) < 0)
            return NULL;
    return expect(worker, PQgetResult(worker->sql), expected, what, error);
}

int pg_snapshot_finish_command(struct snapshot_worker *worker, const char *what, struct cdc_error *error)
{
    worker->wait = pg_wait_begin(worker->sql);
    for (;;) {
        while (PQisBusy(worker->sql))
            if (pg_snapshot_wait_input(worker, error) < 0)
                return -1;
        /* A statement may fail after its last row: without this an aborted COPY would pass for a whole table. */
        PGresult *result = PQgetResult(worker->sql);
        if (!result)
            return 0;
        result = expect(worker, result, PGRES_COMMAND_OK, what, error);
        if (!result)
            return -1;
        PQclear(result);
    }
}

int pg_snapshot_execute(struct snapshot_worker *worker, const char *text, const char *what, struct cdc_error *error)
{
    PGresult *result = pg_snapshot_command(worker, text, PGRES_COMMAND_OK, what, error);
    if (!result)
        return -1;
    PQclear(result);
    return pg_snapshot_finish_command(worker, what, error);
}
