/* SPDX-License-Identifier: MIT */
/* Nobody reads the slot while rows are copied and sinks store them, which may take longer than a server since 18 lets a slot be idle
 * (idle_replication_slot_timeout): the snapshot would be finished, and its slot invalidated, each time. So a session of its own moves
 * the slot now and then, to where it is: that counts as use. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SHARE 4 /* of the time that a slot may be idle, one part passes at the most between two uses */

/* Milliseconds; 0: a slot may be idle for ever; -1 */
static int64_t read_limit(struct snapshot_run *run, struct cdc_error *error)
{
    static const char what[] = "cannot ask how long a slot may be idle";
    if (PQserverVersion(run->sql) < 180000)
        return 0;
    PGresult *result =
        pg_query_rows(run->sql,
                      "SELECT coalesce(extract(epoch FROM current_setting('idle_replication_slot_timeout')::interval) "
                      "* 1000, 0)::int8 AS ms",
                      0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int64_t ms = pg_answer_int(&row, "ms");
    PQclear(result);
    return pg_answer_good(&row, what, error) < 0 ? -1 : ms;
}

/* One that somebody reads is in use as it is. What fails is tried again at the next turn. */
static void use_slot(const struct snapshot_idle *idle, PGconn **sql)
{
    struct cdc_error ignored = {0};
    if (*sql && PQstatus(*sql) != CONNECTION_OK) {
        PQfinish(*sql);
        *sql = NULL;
    }
    if (!*sql)
        *sql = pg_connect_among(idle->pg, false, &idle->hosts, &ignored);
    /* It may wait for standbys (synchronized_standby_slots), for ever where one is gone. */
    if (*sql && pg_query_run(*sql, "SET statement_timeout = 5000", "cannot prepare the session", &ignored) == 0)
        PQclear(pg_query_rows(
            *sql,
            "SELECT pg_replication_slot_advance(slot_name, confirmed_flush_lsn) FROM pg_replication_slots "
            "WHERE slot_name = $1 AND NOT active AND invalidation_reason IS NULL",
            1, (const char *const[]){idle->pg->slot}, "cannot use the slot", &ignored));
}

static void *run_idle(void *pointer)
{
    struct snapshot_idle *idle = pointer;
    struct pollfd fd = {idle->end_fd, POLLIN, 0};
    PGconn *sql = NULL;
    int n;
    do {
        use_slot(idle, &sql);
        n = poll(&fd, 1, idle->step_ms);
    } while (n == 0 || (n < 0 && errno == EINTR)); /* a signal is no end */
    PQfinish(sql);
    return NULL;
}

int pg_snapshot_idle_begin(struct snapshot_run *run, struct cdc_error *error)
{
    struct snapshot_idle *idle = &run->idle;
    int64_t limit = idle->running ? 0 : read_limit(run, error);
    if (limit <= 0)
        return limit < 0 ? -1 : 0;
    idle->pg = run->pg;
    idle->step_ms = limit / SHARE > INT32_MAX ? INT32_MAX : (int)(limit / SHARE) + 1;
    if (pg_hosts_at(&idle->hosts, run->sql, error) < 0)
        return -1;
    idle->end_fd = eventfd(0, EFD_CLOEXEC);
    idle->running = idle->end_fd >= 0 && pthread_create(&idle->thread, NULL, run_idle, idle) == 0;
    if (idle->running)
        return 0;
    if (idle->end_fd >= 0)
        close(idle->end_fd);
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "no thread can be started to keep the slot in use");
}

void pg_snapshot_idle_end(struct snapshot_run *run)
{
    struct snapshot_idle *idle = &run->idle;
    if (idle->running && eventfd_write(idle->end_fd, 1) == 0) {
        pthread_join(idle->thread, NULL);
        close(idle->end_fd);
    }
    pg_hosts_free(&idle->hosts);
    idle->running = false;
}
