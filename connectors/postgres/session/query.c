/* SPDX-License-Identifier: MIT */
/* Questions to the server. */
#include "connectors/postgres/session/query.h"

#include "connectors/postgres/session/wait.h"

#include <ctype.h>
#include <libpq-events.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- errors -- */

/* A verbose message looks like
 *      connection to server ... failed: FATAL:  3D000: database "x" does not exist\nLOCATION:  InitPostgres, postinit.c:885\n
 * Ours are one line each, and the place in the server's source helps nobody. */
void pg_query_clean(struct cdc_buf *out, const char *message, size_t n)
{
    const char *location = memmem(message, n, "\nLOCATION:", 10);
    if (location)
        n = (size_t)(location - message);
    while (n > 0 && isspace((unsigned char)message[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++) {
        bool space = message[i] == '\n' || message[i] == '\t';
        if (!space || (i > 0 && message[i - 1] != '\n' && message[i - 1] != '\t'))
            cdc_buf_byte(out, space ? ' ' : message[i]);
    }
}

/* What a person must fix: text of ours that the server does not take (22, 42), a database that is not there (3D), a server
 * that is not set up for it (0A, 53400, 55000), a row beyond its limits (54), what else stands in the way of a command
 * (2B, 34, 3B, 3F), a damaged page (XX001, XX002). */
static bool is_configuration(const char *sqlstate)
{
    static const char *const prefixes[] = {"0A",    "22", "2B",    "2F",    "3D",    "42",
                                           "53400", "54", "55000", "55P02", "XX001", "XX002"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(sqlstate, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

int pg_query_status(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        int status;
        /* The first prefix that fits counts: the longer ones stand before the shorter. What passes by itself is tried
         * again: a server that starts or stops (57P0), is full (53), has the slot still in use by the connection that
         * we just lost (55006), a lock that is held (55P03), a deadlock (40), a table that somebody changed between two
         * questions (42P01 and the like). So is what nobody has thought of: it is told with its code. */
    } map[] = {{"28", CDC_EXIT_PERMISSION},   {"42501", CDC_EXIT_PERMISSION}, {"08P01", CDC_EXIT_PROTOCOL},
               {"57014", CDC_EXIT_TEMPORARY}, {"42P01", CDC_EXIT_TEMPORARY},  {"42703", CDC_EXIT_TEMPORARY},
               {"42809", CDC_EXIT_TEMPORARY}, {"3F000", CDC_EXIT_TEMPORARY}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (strncmp(sqlstate, map[i].prefix, strlen(map[i].prefix)) == 0)
            return map[i].status;
    return is_configuration(sqlstate) ? CDC_EXIT_CONFIG : CDC_EXIT_UNAVAILABLE;
}

/* A pooler has this one state for nearly all that it says itself. What passes by itself ("server conn crashed?", "query_wait_timeout",
 * "no more connections allowed") is more than what a person must mend. */
static bool is_for_a_person(const char *text)
{
    static const char *const texts[] = {"unsupported", "no such", "authentication", "auth failed", "SSL required"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strstr(text, texts[i]))
            return true;
    return false;
}

int pg_query_status_of(const char *sqlstate, const char *place, const char *text)
{
    if (!place && strcmp(sqlstate, "08P01") == 0 && text && !is_for_a_person(text))
        return CDC_EXIT_UNAVAILABLE;
    return pg_query_status(sqlstate);
}

int pg_query_fail(PGconn *sql, const PGresult *result, const char *what, struct cdc_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    struct cdc_buf message = CDC_BUF_INIT;
    if (text) {
        pg_query_clean(&message, text, strlen(text));
        const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
        if (detail) {
            cdc_buf_lit(&message, ": ");
            pg_query_clean(&message, detail, strlen(detail));
        }
    } else {
        const char *own = PQerrorMessage(sql);
        pg_query_clean(&message, own, strlen(own));
    }
    cdc_buf_byte(&message, '\0');
    /* Without a state the error is libpq's own: the connection broke (PQstatus may not know yet). */
    const char *place = result ? PQresultErrorField(result, PG_DIAG_SOURCE_FILE) : NULL;
    int status = state ? pg_query_status_of(state, place, text) : CDC_EXIT_UNAVAILABLE;
    const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
    /* One SQLSTATE for memory that is short for a moment, and for a table of locks that will never be large enough. */
    if (hint && strstr(hint, "max_locks_per_transaction"))
        status = CDC_EXIT_CONFIG;
    cdc_error_set(error, status, "%s: %s%s%s%s", what, message.failed ? "out of memory" : message.data,
                  state ? " (SQLSTATE " : "", state ? state : "", state ? ")" : "");
    if (hint)
        cdc_error_hint(error, "%s", hint);
    else if (state && strncmp(state, "54", 2) == 0)
        cdc_error_hint(error,
                       "is a row longer than 1 GB as text? Shorten it, or exclude its table from the publication");
    else if (state && strcmp(state, "XX001") == 0)
        cdc_error_hint(error, "the server's disk has damaged data: restore the table (pg_amcheck and pg_checksums find "
                              "more), or exclude it");
    cdc_buf_free(&message);
    return -1;
}

/* -- questions -- */

PGresult *pg_query_expect(PGconn *sql, PGresult *result, ExecStatusType expected, const char *what,
                          struct cdc_error *error)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == expected)
        return result;
    if (!result || status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE)
        pg_query_fail(sql, result, what, error);
    else
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the server gave an answer of another kind (%s)", what,
                      PQresStatus(status));
    PQclear(result);
    return NULL;
}

/* "cannot list the tables: " before what the wait said. */
static void prefix(const char *what, const struct cdc_error *wait, struct cdc_error *error)
{
    cdc_error_set(error, wait->status, "%s: %s", what, wait->text);
}

/* As PQexec does it: what a question before left unread is thrown away. */
static int make_ready(PGconn *sql, const char *what, struct cdc_error *error)
{
    struct cdc_error failed = {0};
    if (pg_wait_discard(sql, &failed) == 0)
        return 0;
    prefix(what, &failed, error);
    return -1;
}

/* The result of what was sent; sent: what libpq says to that. */
static PGresult *take_result(PGconn *sql, int sent, const char *what, struct cdc_error *error)
{
    struct cdc_error failed = {0};
    PGresult *last = NULL, *next = NULL;
    if (!sent) {
        pg_query_fail(sql, NULL, what, error);
        return NULL;
    }
    struct pg_wait wait = pg_wait_begin(sql);
    do {
        if (pg_wait_result(sql, &wait, &next, &failed) < 0) {
            PQclear(last);
            prefix(what, &failed, error);
            return NULL;
        }
        if (!next)
            break;
        PQclear(last);
        last = next;
    } while (!pg_wait_is_copy(last));
    if (!last)
        pg_query_fail(sql, NULL, what, error);
    return last;
}

PGresult *pg_query_result(PGconn *sql, const char *text, int n, const char *const *values, const char *what,
                          struct cdc_error *error)
{
    if (make_ready(sql, what, error) < 0)
        return NULL;
    /* PQsendQueryParams uses the extended protocol: it takes a single statement, and a replication connection refuses it. */
    int sent = n == 0 ? PQsendQuery(sql, text) : PQsendQueryParams(sql, text, n, NULL, values, NULL, NULL, 0);
    return take_result(sql, sent, what, error);
}

PGresult *pg_query(PGconn *sql, const char *text, int n, const char *const *values, ExecStatusType expected,
                   const char *what, struct cdc_error *error)
{
    PGresult *result = pg_query_result(sql, text, n, values, what, error);
    return !result ? NULL : pg_query_expect(sql, result, expected, what, error);
}

PGresult *pg_query_rows(PGconn *sql, const char *text, int n, const char *const *values, const char *what,
                        struct cdc_error *error)
{
    return pg_query(sql, text, n, values, PGRES_TUPLES_OK, what, error);
}

/* A row: 1. The end of the rows: 0. TAKES result. */
static int take_one(PGconn *sql, PGresult *result, const char *what,
                    int (*take)(void *context, const PGresult *row, struct cdc_error *error), void *context,
                    struct cdc_error *error)
{
    if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
        int status = take(context, result, error);
        PQclear(result);
        return status == 0 ? 1 : -1;
    }
    result = pg_query_expect(sql, result, PGRES_TUPLES_OK, what, error);
    PQclear(result);
    return result ? 0 : -1;
}

/* What is left unread after an error is thrown away by the next question. */
int pg_query_each(PGconn *sql, const char *text, const char *what,
                  int (*take)(void *context, const PGresult *row, struct cdc_error *error), void *context,
                  struct cdc_error *error)
{
    struct cdc_error failed = {0};
    if (make_ready(sql, what, error) < 0)
        return -1;
    if (!PQsendQuery(sql, text) || !PQsetSingleRowMode(sql))
        return pg_query_fail(sql, NULL, what, error);
    struct pg_wait wait = pg_wait_begin(sql);
    wait.endless = true;
    for (;;) {
        PGresult *result = NULL;
        if (pg_wait_result(sql, &wait, &result, &failed) < 0) {
            prefix(what, &failed, error);
            return -1;
        }
        if (!result)
            return pg_query_fail(sql, NULL, what, error);
        int status = take_one(sql, result, what, take, context, error);
        if (status <= 0)
            return status;
    }
}

/* The texts that were prepared on a connection; its number names the statement. They go with the connection. */
#define OFTEN_MAX 8
struct prepared {
    const char *texts[OFTEN_MAX];
    size_t n;
};

static int on_event(PGEventId event, void *info, void *context)
{
    (void)context;
    if (event == PGEVT_CONNDESTROY)
        free(PQinstanceData(((PGEventConnDestroy *)info)->conn, on_event));
    return 1;
}

/* BORROWED; NULL without memory. */
static struct prepared *prepared_of(PGconn *sql)
{
    struct prepared *prepared = PQinstanceData(sql, on_event);
    if (prepared || !PQregisterEventProc(sql, on_event, "prepared", NULL))
        return prepared;
    prepared = calloc(1, sizeof *prepared);
    if (prepared)
        PQsetInstanceData(sql, on_event, prepared);
    return prepared;
}

/* The number of the statement; OFTEN_MAX when it is none, -1 on errors. */
static int prepare(PGconn *sql, struct prepared *prepared, const char *text, const char *what, struct cdc_error *error)
{
    char name[16];
    size_t i = 0;
    while (i < prepared->n && prepared->texts[i] != text)
        i++;
    if (i < prepared->n || i == OFTEN_MAX)
        return (int)i;
    if (make_ready(sql, what, error) < 0)
        return -1;
    snprintf(name, sizeof name, "cdc_%zu", i);
    PGresult *result = take_result(sql, PQsendPrepare(sql, name, text, 0, NULL), what, error);
    result = result ? pg_query_expect(sql, result, PGRES_COMMAND_OK, what, error) : NULL;
    PQclear(result);
    if (!result)
        return -1;
    prepared->texts[prepared->n++] = text;
    return (int)i;
}

PGresult *pg_query_often(PGconn *sql, const char *text, int n, const char *const *values, const char *what,
                         struct cdc_error *error)
{
    char name[16];
    struct prepared *prepared = prepared_of(sql);
    int number = prepared ? prepare(sql, prepared, text, what, error) : OFTEN_MAX;
    if (number < 0)
        return NULL;
    if (number == OFTEN_MAX)
        return pg_query_rows(sql, text, n, values, what, error);
    if (make_ready(sql, what, error) < 0)
        return NULL;
    snprintf(name, sizeof name, "cdc_%d", number);
    PGresult *result = take_result(sql, PQsendQueryPrepared(sql, name, n, values, NULL, NULL, 0), what, error);
    return result ? pg_query_expect(sql, result, PGRES_TUPLES_OK, what, error) : NULL;
}

int pg_query_run(PGconn *sql, const char *text, const char *what, struct cdc_error *error)
{
    PGresult *result = pg_query(sql, text, 0, NULL, PGRES_COMMAND_OK, what, error);
    PQclear(result);
    return result ? 0 : -1;
}

/* -- names -- */

/* Byte by byte is right: the session's encoding is UTF-8. */
void pg_query_identifier(struct cdc_buf *out, const char *name)
{
    cdc_buf_byte(out, '"');
    for (; *name; name++) {
        if (*name == '"')
            cdc_buf_byte(out, '"');
        cdc_buf_byte(out, *name);
    }
    cdc_buf_byte(out, '"');
}

void pg_query_table(struct cdc_buf *out, const char *schema, const char *name)
{
    pg_query_identifier(out, schema);
    cdc_buf_byte(out, '.');
    pg_query_identifier(out, name);
}
