/* SPDX-License-Identifier: MIT */
/* What is in the log that a start would have to read. The server decodes each change with the catalogs of its time, and fails where
 * the publication was not there then:
 *
 *      DROP PUBLICATION p | INSERT | CREATE PUBLICATION p        the catalogs of now show nothing of it
 *
 * Only decoding shows it. So it is decoded, and nothing is confirmed: the slot stays where it is. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/query.h"

#include <cdc/retry.h>
#include <poll.h>
#include <string.h>

#define PEEK_MS 3000
#define END_MS 1000

struct peek {
    const struct pg_settings *pg;
    PGconn *replication;
    uint64_t end;             /* of the log, when it began */
    struct cdc_error skipped; /* what the server omits (18 and later) */
};

/* Was the row of the publication, which a new name changes as well, written after the oldest transaction that the slot may still
 * have to decode? 1 0 -1 */
static int is_younger(PGconn *sql, const struct pg_settings *pg, struct cdc_error *error)
{
    static const char what[] = "cannot ask for the age of the publication";
    PGresult *result = pg_query_rows(
        sql,
        "SELECT coalesce(age(p.xmin) <= age(s.catalog_xmin), false) AS younger FROM pg_publication p CROSS JOIN "
        "pg_replication_slots s WHERE p.pubname = $1 AND s.slot_name = $2",
        2, (const char *const[]){pg->publication, pg->slot}, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    int younger = PQntuples(result) > 0 && pg_answer_true(&row, "younger");
    int status = PQntuples(result) > 0 ? pg_answer_good(&row, what, error) : 0;
    PQclear(result);
    return status < 0 ? -1 : younger;
}

static void notice(void *context, const PGresult *result)
{
    struct peek *peek = context;
    pg_start_notice(peek->replication, peek->pg->publication, result, &peek->skipped);
}

/* -1 */
static int fail(const struct peek *peek, const PGresult *result, struct cdc_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    pg_query_fail(peek->replication, result, "the log cannot be read on", error);
    if (state && strcmp(state, "42704") == 0)
        pg_start_hint_publication(peek->pg->publication, error);
    return -1;
}

/* Nobody converts what is thrown away. */
static int start(struct peek *peek, uint64_t from, struct cdc_error *error)
{
    struct pg_identity identity;
    struct cdc_buf command = CDC_BUF_INIT;
    if (pg_identity_read(peek->replication, peek->pg->slot, &identity, error) < 0 ||
        (pg_names_is_ascii(peek->pg->publication) &&
         pg_query_run(peek->replication, "SET client_encoding = 'SQL_ASCII'", "cannot prepare the session", error) < 0))
        return -1;
    peek->end = pg_bounds_without_header(identity.end);
    pg_start_statement(&command, peek->pg, from, false);
    PQsetNoticeReceiver(peek->replication, notice, peek);
    PGresult *result =
        command.failed ? NULL
                       : pg_query_result(peek->replication, command.data, 0, NULL, "cannot start replication", error);
    int status = result ? 0 : command.failed ? cdc_error_memory(error) : -1;
    if (result && PQresultStatus(result) != PGRES_COPY_BOTH)
        status = fail(peek, result, error);
    PQclear(result);
    cdc_buf_free(&command);
    return status;
}

/* One message, if there is one: 1; 0: the end is reached; -1 */
static int take(struct peek *peek, bool *more, struct cdc_error *error)
{
    char *data = NULL;
    int n = PQgetCopyData(peek->replication, &data, 1);
    bool passed = n >= 9 && data[0] == 'k' && pg_status_i64(data + 1) >= peek->end;
    PQfreemem(data);
    *more = n > 0 && !passed;
    if (peek->skipped.status != 0) {
        *error = peek->skipped;
        return -1;
    }
    if (n >= 0)
        return passed ? 0 : 1;
    PGresult *result = PQgetResult(peek->replication);
    fail(peek, result, error);
    PQclear(result);
    return -1;
}

/* 0, 1 or -1, as pg_peek. */
static int read_ahead(struct peek *peek, struct cdc_error *error)
{
    const struct cdc_control *control = peek->pg->control;
    for (int64_t end = cdc_clock_ms() + PEEK_MS; cdc_clock_ms() < end && !(control && control->stop);) {
        bool more = true;
        while (more) {
            int status = take(peek, &more, error);
            if (status <= 0)
                return status;
        }
        struct pollfd fd = {PQsocket(peek->replication), POLLIN, 0};
        (void)poll(&fd, 1, 100);
        if (!PQconsumeInput(peek->replication))
            return 1;
    }
    return 1;
}

/* So that the slot is free again when this is over. */
static void end(struct peek *peek)
{
    int64_t deadline = cdc_clock_ms() + END_MS;
    if (PQputCopyEnd(peek->replication, NULL) != 1)
        return;
    while (PQflush(peek->replication) >= 0 && cdc_clock_ms() < deadline) {
        char *data = NULL;
        int n = PQgetCopyData(peek->replication, &data, 1);
        PQfreemem(data);
        if (n < 0)
            return;
        struct pollfd fd = {PQsocket(peek->replication), POLLIN, 0};
        if (n == 0 && poll(&fd, 1, 100) > 0 && !PQconsumeInput(peek->replication))
            return;
    }
}

int pg_peek(PGconn *sql, const struct pg_settings *pg, const struct pg_slot *slot, uint64_t from,
            struct cdc_error *error)
{
    struct peek peek = {.pg = pg};
    struct cdc_error own = {0}; /* what passes by itself is not for --check to say */
    int younger = slot->exists && !slot->active ? is_younger(sql, pg, error) : 0;
    if (younger <= 0)
        return younger;
    peek.replication = pg_connect_walsender(pg, sql, &own);
    int status = peek.replication ? start(&peek, from, &own) : -1;
    if (status == 0) {
        status = read_ahead(&peek, &own);
        end(&peek);
    }
    PQfinish(peek.replication);
    if (status >= 0 || cdc_error_is_transient(&own))
        return status < 0 ? 1 : status;
    *error = own;
    return -1;
}
