/* SPDX-License-Identifier: MIT */
/* A PostgreSQL server that is a table of answers, in the place of libpq's functions that talk to one. What the tool says is
 * kept, connection by connection; and one thing can go wrong: a command that is refused or after which the connection breaks, a
 * connection that cannot be made, a row of a COPY that does not come, a message that cannot be sent. Included by one file of a
 * program. */
#ifndef FAKE_POSTGRES_H
#define FAKE_POSTGRES_H

#include "tests/unit/no-memory.h"

#include <libpq-events.h>
#include <libpq-fe.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* To commands that have this in them. rows: names of columns, and rows, with | between values, a line each, and ~ for NULL;
 * "!42501 text": an error; "COPY name": rows or messages of that name; NULL: no rows belong to it. The first that was not given
 * yet counts, and of those that were the last. may_fail: the tool goes on without it. */
struct fake_answer {
    const char *to, *rows;
    bool may_fail;
};
struct fake_copy {
    const char *name;
    struct fake_message {
        const char *data;
        size_t n;
    } messages[16];
};

enum fake_fault { FAKE_SOUND, FAKE_REFUSES, FAKE_BREAKS, FAKE_NO_CONNECTION, FAKE_NO_MESSAGE, FAKE_NOT_SENT };
#define FAKE_ANSWERS 64

static struct {
    const struct fake_answer *answers, *first; /* first: these before the others; NULL: none */
    const struct fake_copy *copies;
    bool given[FAKE_ANSWERS];
    struct cdc_buf said, sent; /* "1 SELECT ...\n"; messages of CopyData */
    unsigned connections, open;
    int version;
    const char *encoding, *superuser, *standby;
    enum fake_fault fault;
    unsigned fault_at, met;
    int unsent;       /* what PQflush says */
    unsigned busy_at; /* that connection is busy */
    int busy;         /* as often */
    bool may_fail, tolerated;
    char struck[61]; /* the command */
} fake = {.version = 150000, .encoding = "UTF8", .superuser = "on", .standby = "off"};

struct pg_conn {
    unsigned number;
    int fd;
    bool broken;
    const char *error;
    PGresult *result, *after; /* that comes next; and once a COPY is read */
    bool copies;
    const struct fake_message *messages;
    void *instance;
    PGEventProc event;
};

static void *fake_calloc(size_t n)
{
    bool counts = memory_counts;
    memory_counts = false;
    void *made = calloc(1, n);
    memory_counts = counts;
    if (!made)
        abort();
    return made;
}

static void fake_say(const PGconn *connection, const char *what)
{
    bool counts = memory_counts;
    memory_counts = false;
    cdc_buf_printf(&fake.said, "%u %s\n", connection->number, what);
    memory_counts = counts;
}

static bool fake_due(enum fake_fault kind)
{
    if (fake.fault != kind || ++fake.met != fake.fault_at)
        return false;
    fake.tolerated = fake.may_fail;
    return true;
}

/* -- results with an error -- */

static struct fake_failure {
    const PGresult *result;
    char state[6];
    const char *text;
} fake_failures[8];

static PGresult *fake_failure(const char *state, const char *text)
{
    static size_t next;
    struct fake_failure *failure = &fake_failures[next++ % 8];
    failure->result = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
    snprintf(failure->state, sizeof failure->state, "%.5s", state);
    failure->text = text;
    return (PGresult *)failure->result;
}

char *PQresultErrorField(const PGresult *result, int field)
{
    for (size_t i = 0; result && PQresultStatus(result) == PGRES_FATAL_ERROR && i < 8; i++)
        if (fake_failures[i].result == result)
            return field == PG_DIAG_SQLSTATE          ? fake_failures[i].state
                   : field == PG_DIAG_MESSAGE_PRIMARY ? (char *)fake_failures[i].text
                                                      : NULL;
    return NULL;
}

/* -- connections -- */

PGconn *PQconnectStartParams(const char *const *keywords, const char *const *values, int expand)
{
    PGconn *connection = fake_calloc(sizeof *connection);
    (void)expand;
    connection->fd = eventfd(0, EFD_CLOEXEC);
    connection->error = "";
    for (size_t i = 0; keywords[i]; i++)
        if (strcmp(keywords[i], "sslmode") == 0) { /* asked for its options alone */
            connection->broken = true;
            return connection;
        }
    connection->number = ++fake.connections;
    fake.open++;
    bool replication = false;
    for (size_t i = 0; keywords[i]; i++)
        replication |= strcmp(keywords[i], "replication") == 0 && values[i];
    fake_say(connection, replication ? "connects for replication" : "connects");
    return connection;
}

PostgresPollingStatusType PQconnectPoll(PGconn *connection)
{
    fake.may_fail = false;
    if (!fake_due(FAKE_NO_CONNECTION))
        return PGRES_POLLING_OK;
    connection->broken = true;
    connection->error = "refused by the test\n";
    return PGRES_POLLING_FAILED;
}

void PQfinish(PGconn *connection)
{
    if (!connection)
        return;
    if (connection->event)
        connection->event(PGEVT_CONNDESTROY, &(PGEventConnDestroy){connection}, NULL);
    fake.open -= connection->number != 0;
    close(connection->fd);
    PQclear(connection->result);
    PQclear(connection->after);
    free(connection);
}

ConnStatusType PQstatus(const PGconn *connection)
{
    return !connection || connection->broken ? CONNECTION_BAD : CONNECTION_OK;
}
int PQsocket(const PGconn *connection)
{
    return connection->fd;
}
int PQserverVersion(const PGconn *connection)
{
    (void)connection;
    return fake.version;
}
char *PQhost(const PGconn *connection)
{
    (void)connection;
    return "/sockets";
}
char *PQhostaddr(const PGconn *connection)
{
    (void)connection;
    return "";
}
char *PQport(const PGconn *connection)
{
    (void)connection;
    return "5432";
}
char *PQdb(const PGconn *connection)
{
    (void)connection;
    return "postgres";
}
char *PQuser(const PGconn *connection)
{
    (void)connection;
    return "u";
}
char *PQerrorMessage(const PGconn *connection)
{
    return (char *)connection->error;
}
int PQbackendPID(const PGconn *connection)
{
    return 1000 + (int)connection->number;
}
int PQconnectionNeedsPassword(const PGconn *connection)
{
    (void)connection;
    return 0;
}
PGTransactionStatusType PQtransactionStatus(const PGconn *connection)
{
    return connection->broken ? PQTRANS_UNKNOWN : PQTRANS_IDLE;
}
const char *PQparameterStatus(const PGconn *connection, const char *name)
{
    (void)connection;
    return strcmp(name, "server_encoding") == 0  ? fake.encoding
           : strcmp(name, "is_superuser") == 0   ? fake.superuser
           : strcmp(name, "in_hot_standby") == 0 ? fake.standby
                                                 : NULL;
}
PQconninfoOption *PQconninfo(PGconn *connection)
{
    (void)connection;
    return PQconninfoParse("host=/sockets port=5432", NULL);
}
PGVerbosity PQsetErrorVerbosity(PGconn *connection, PGVerbosity verbosity)
{
    (void)connection;
    return verbosity;
}
PQnoticeReceiver PQsetNoticeReceiver(PGconn *connection, PQnoticeReceiver receiver, void *context)
{
    (void)connection, (void)context;
    return receiver;
}
/* The first that asks is remembered. Statements that would be prepared are sent as they are, and are seen in the conversation. */
int PQregisterEventProc(PGconn *connection, PGEventProc event, const char *name, void *context)
{
    (void)context;
    if (strcmp(name, "prepared") == 0)
        return 0;
    connection->event = event;
    return 1;
}
int PQsetInstanceData(PGconn *connection, PGEventProc event, void *data)
{
    (void)event;
    connection->instance = data;
    return 1;
}
void *PQinstanceData(const PGconn *connection, PGEventProc event)
{
    return connection && connection->event == event ? connection->instance : NULL;
}
int PQsetnonblocking(PGconn *connection, int on)
{
    (void)connection, (void)on;
    return 0;
}

/* -- commands -- */

static const struct fake_answer *fake_find(const struct fake_answer *answers, const char *sql, bool once)
{
    const struct fake_answer *last = NULL;
    for (size_t i = 0; answers && answers[i].to; i++) {
        if (!strstr(sql, answers[i].to))
            continue;
        last = &answers[i];
        if (!once || !fake.given[i]) {
            fake.given[i] |= once;
            return last;
        }
    }
    return last;
}

static size_t fake_count(const char *line)
{
    size_t n = 1;
    for (; *line && *line != '\n'; line++)
        n += *line == '|';
    return n;
}

static PGresult *fake_rows(const char *rows)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[40] = {0};
    char names[40][64];
    int n = (int)fake_count(rows);
    for (int i = 0; i < n; i++) {
        size_t length = strcspn(rows, "|\n");
        snprintf(names[i], sizeof names[i], "%.*s", (int)length, rows);
        columns[i].name = names[i];
        rows += length + (rows[length] != '\0');
    }
    PQsetResultAttrs(result, n, columns);
    for (int row = 0; *rows; row++)
        for (int i = 0; i < n; i++) {
            size_t length = strcspn(rows, "|\n");
            bool null = length == 1 && *rows == '~';
            PQsetvalue(result, row, i, null ? NULL : (char *)rows, null ? -1 : (int)length);
            rows += length + (rows[length] != '\0');
        }
    return result;
}

static void fake_answer(PGconn *connection, const char *sql)
{
    const struct fake_answer *answer = fake_find(fake.first, sql, false);
    if (!answer)
        answer = fake_find(fake.answers, sql, true);
    if (!answer) {
        printf("not ok - nobody knows what to answer: %s\n", sql);
        abort();
    }
    fake.may_fail = answer->may_fail;
    connection->copies = false;
    if (answer->rows && answer->rows[0] == '!') {
        connection->result = fake_failure(answer->rows + 1, answer->rows + 7);
    } else if (answer->rows && strncmp(answer->rows, "COPY ", 5) == 0) {
        bool both = strncmp(sql, "START", 5) == 0;
        connection->result = PQmakeEmptyPGresult(NULL, both ? PGRES_COPY_BOTH : PGRES_COPY_OUT);
        connection->after = PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
        connection->copies = true;
        for (const struct fake_copy *copy = fake.copies; copy->name; copy++)
            if (strcmp(copy->name, answer->rows + 5) == 0)
                connection->messages = copy->messages;
    } else {
        connection->result = answer->rows ? fake_rows(answer->rows) : PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
    }
    bool refused = fake_due(FAKE_REFUSES), breaks = fake_due(FAKE_BREAKS);
    if (!refused && !breaks)
        return;
    snprintf(fake.struck, sizeof fake.struck, "%s", sql);
    PQclear(connection->result);
    PQclear(connection->after);
    connection->after = NULL;
    connection->copies = false;
    connection->result = refused ? fake_failure("XX000", "refused by the test") : NULL;
    connection->broken = breaks;
    connection->error = breaks ? "broken by the test\n" : "";
}

int PQsendQuery(PGconn *connection, const char *sql)
{
    fake_say(connection, sql);
    if (connection->broken)
        return 0;
    fake_answer(connection, sql);
    return 1;
}

int PQsendQueryParams(PGconn *connection, const char *sql, int n, const Oid *types, const char *const *values,
                      const int *lengths, const int *formats, int format)
{
    (void)types, (void)lengths, (void)formats, (void)format;
    int sent = PQsendQuery(connection, sql);
    for (int i = 0; i < n; i++)
        fake_say(connection, values[i] ? values[i] : "NULL");
    return sent;
}

int PQisBusy(PGconn *connection)
{
    return connection->number == fake.busy_at && fake.busy > 0 ? fake.busy-- : 0;
}
int PQconsumeInput(PGconn *connection)
{
    return !connection->broken;
}
PGresult *PQgetResult(PGconn *connection)
{
    PGresult *result = connection->result;
    if (!result && !connection->copies) {
        result = connection->after;
        connection->after = NULL;
        return result;
    }
    connection->result = NULL;
    return result;
}

int PQgetCopyData(PGconn *connection, char **data, int async)
{
    (void)async;
    *data = NULL;
    fake.may_fail = false;
    if (!connection->copies)
        return -1;
    if (connection->broken || fake_due(FAKE_NO_MESSAGE)) {
        connection->broken = true;
        connection->error = "broken by the test\n";
        return -2;
    }
    const struct fake_message *message = connection->messages;
    if (!message->data && message->n == 0) { /* the stream goes on, a table ends */
        connection->copies = false;
        return -1;
    }
    if (!message->data)
        return 0;
    bool counts = memory_counts;
    memory_counts = false;
    *data = malloc(message->n + 1);
    memory_counts = counts;
    memcpy(*data, message->data, message->n);
    (*data)[message->n] = '\0';
    connection->messages++;
    return (int)message->n;
}

int PQputCopyData(PGconn *connection, const char *data, int n)
{
    bool counts = memory_counts;
    memory_counts = false;
    cdc_buf_append(&fake.sent, data, (size_t)n);
    memory_counts = counts;
    fake.may_fail = true; /* the next one says the same, and more */
    if (!connection->broken && !fake_due(FAKE_NOT_SENT))
        return 1;
    connection->broken = true;
    connection->error = "broken by the test\n";
    return -1;
}
int PQputCopyEnd(PGconn *connection, const char *error)
{
    (void)error;
    connection->copies = false;
    return 1;
}
int PQflush(PGconn *connection)
{
    return connection->broken ? -1 : fake.unsent;
}
char *PQescapeLiteral(PGconn *connection, const char *text, size_t n)
{
    (void)connection;
    char *made = fake_calloc(n + 3);
    sprintf(made, "'%.*s'", (int)n, text);
    return made;
}
PGcancel *PQgetCancel(PGconn *connection)
{
    (void)connection;
    return NULL;
}

/* -- one thing goes wrong -- */

/* As fake_sweep of fake-mysql.h. */
static inline size_t fake_sweep(const char *what, memory_scenario *scenario)
{
    static const char *const kinds[] = {"",
                                        "a refused command",
                                        "a broken connection",
                                        "no connection",
                                        "a missing message",
                                        "a message that cannot be sent"};
    struct cdc_buf whole = CDC_BUF_INIT;
    struct cdc_error error = {0};
    size_t wrong = 0;
    fake.fault = FAKE_SOUND;
    if (scenario(&whole, &error) != 0) {
        printf("not ok - %s: %s\n", what, error.text);
        return 1;
    }
    for (enum fake_fault kind = FAKE_REFUSES; kind <= FAKE_NOT_SENT; kind++) {
        unsigned places = 0;
        for (unsigned at = 1;; at++) {
            struct cdc_buf out = CDC_BUF_INIT;
            memset(&error, 0, sizeof error);
            fake.fault = kind;
            fake.fault_at = at;
            fake.met = 0;
            fake.tolerated = false;
            int result = scenario(&out, &error);
            bool struck = fake.met >= at, same = out.len == whole.len;
            bool begins = out.len <= whole.len && (out.len == 0 || memcmp(out.data, whole.data, out.len) == 0);
            bool good = result == 0 ? same && begins && (fake.tolerated || !struck) && error.status == 0
                                    : begins && error.status != 0 && error.status != CDC_EXIT_INTERNAL;
            if (!good) {
                wrong++;
                printf("not ok - %s: %s, place %u: %s: result %d, status %d %s, %zu of %zu bytes%s\n", what,
                       kinds[kind], at, fake.struck, result, error.status, error.text, out.len, whole.len,
                       begins ? "" : ", and others");
            }
            cdc_buf_free(&out);
            if (!struck)
                break;
            places++;
        }
        if (wrong == 0)
            printf("ok - %s: %s at any of %u places\n", what, kinds[kind], places);
    }
    fake.fault = FAKE_SOUND;
    cdc_buf_free(&whole);
    return wrong;
}

#endif
