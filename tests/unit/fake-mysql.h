/* SPDX-License-Identifier: MIT */
/* A server of MySQL or MariaDB that is a table of answers, in the place of the client library's functions that talk to one.
 * What the tool says is kept, session by session; and one thing can go wrong: a command that is refused or whose connection
 * breaks, an answer that breaks off, a packet that does not come. Included by one file of a program. */
#ifndef FAKE_MYSQL_H
#define FAKE_MYSQL_H

#include "tests/unit/no-memory.h"

#include <dlfcn.h>
#include <ma_pvio.h>
#include <mysql.h>
#include <pthread.h>

/* To statements that have this in them: rows, with | between values, a line each, and ~ for NULL, and ? for a number that is
 * another one each time; or an error, "!1045 denied"; NULL: no rows belong to it. The first that fits counts. may_fail: the
 * tool goes on without it. */
struct fake_answer {
    const char *to;
    unsigned columns;
    const char *rows;
    bool may_fail;
};
struct fake_packet {
    const uint8_t *data;
    size_t n;
};

static struct {
    const struct fake_answer *answers, *first; /* first: these before the others; NULL: none */
    const struct fake_packet *rows;            /* of each prepared statement, then an EOF */
    const struct fake_packet *dump;            /* of each dump, then an EOF */
    const unsigned *types;                     /* of the rows of a prepared statement */
    size_t n_rows, n_dump, n_types;
    struct cdc_buf said; /* "1 SELECT ...\n" */
    unsigned sessions, number;
    enum { FAKE_SOUND, FAKE_REFUSES, FAKE_LEAVES, FAKE_BREAKS_OFF, FAKE_NO_PACKET } fault;
    unsigned fault_at, met; /* of what the fault is about: the one it strikes, how many there were */
    bool tolerated;         /* what was struck might fail */
} fake;
static char fake_struck[81];             /* the statement */
static _Thread_local bool fake_may_fail; /* what is met now */

struct fake_session {
    MYSQL *mysql;
    unsigned number;
    const struct fake_answer *answer; /* not yet taken */
    bool breaks_off;
    const struct fake_packet *packets;
    size_t n_packets;
    bool dumps;
} fake_sessions[16];

/* A thread may read a dump while another one connects. */
static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;

/* Under the lock. */
static struct fake_session *fake_session_of(const MYSQL *mysql)
{
    for (size_t i = 0; i < sizeof fake_sessions / sizeof *fake_sessions; i++)
        if (fake_sessions[i].mysql == mysql)
            return &fake_sessions[i];
    abort();
}

static struct fake_session *fake_session(const MYSQL *mysql)
{
    pthread_mutex_lock(&fake_lock);
    struct fake_session *session = fake_session_of(mysql);
    pthread_mutex_unlock(&fake_lock);
    return session;
}

static void fake_set_session(const MYSQL *of, struct fake_session to)
{
    pthread_mutex_lock(&fake_lock);
    *fake_session_of(of) = to;
    pthread_mutex_unlock(&fake_lock);
}

/* Not of the memory that is tested. */
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

static void fake_say(unsigned session, const char *what)
{
    bool counts = memory_counts;
    memory_counts = false;
    pthread_mutex_lock(&fake_lock);
    cdc_buf_printf(&fake.said, "%u %s\n", session, what);
    pthread_mutex_unlock(&fake_lock);
    memory_counts = counts;
}

static bool fake_strikes(unsigned kind)
{
    if (fake.fault != kind || ++fake.met != fake.fault_at)
        return false;
    fake.tolerated = fake_may_fail;
    const char *last = fake.said.len > 1 ? memrchr(fake.said.data, '\n', fake.said.len - 1) : NULL;
    last = last ? last + 1 : fake.said.data;
    snprintf(fake_struck, sizeof fake_struck, "%.*s", (int)(fake.said.data + fake.said.len - last - 1), last);
    return true;
}

static bool fake_due(unsigned kind)
{
    pthread_mutex_lock(&fake_lock);
    bool due = fake_strikes(kind);
    pthread_mutex_unlock(&fake_lock);
    return due;
}

static int fake_error(MYSQL *mysql, unsigned number, const char *message)
{
    mysql->net.last_errno = number;
    snprintf(mysql->net.last_error, sizeof mysql->net.last_error, "%s", message);
    return number == 0 ? 0 : 1;
}

/* 0, or the command has failed. */
static int fake_command(MYSQL *mysql)
{
    if (fake_due(FAKE_REFUSES))
        return fake_error(mysql, 1053, "refused by the test");
    return fake_due(FAKE_LEAVES) ? fake_error(mysql, 2013, "broken by the test") : fake_error(mysql, 0, "");
}

/* -- connections -- */

static int fake_db_command(MYSQL *mysql, enum enum_server_command command, const char *arg, size_t length, my_bool skip,
                           void *context)
{
    struct fake_session *session = fake_session(mysql);
    char what[400] = "", *to = what;
    (void)skip, (void)context;
    for (size_t i = 0; i < length && i < 180; i++)
        to += sprintf(to, "%02x", (unsigned char)arg[i]);
    fake_say(session->number, command == 18 ? "dump from coordinates" : "dump from GTIDs");
    fake_say(session->number, what);
    session->packets = fake.dump;
    session->dumps = true;
    session->n_packets = fake.n_dump;
    fake_may_fail = false;
    return fake_command(mysql);
}

static struct st_mariadb_methods fake_methods;
static const struct st_mariadb_methods *fake_true_methods;
static struct st_ma_pvio_methods fake_pvio_methods;
static struct st_ma_pvio fake_pvio = {.methods = &fake_pvio_methods};

MYSQL *mysql_real_connect(MYSQL *mysql, const char *host, const char *user, const char *password, const char *db,
                          unsigned port, const char *socket, unsigned long flags)
{
    (void)user, (void)password, (void)db, (void)port, (void)socket, (void)flags;
    if (host && strcmp(host, ",") == 0) { /* "read the option files": there are none */
        free(mysql->options.my_cnf_group);
        mysql->options.my_cnf_group = NULL;
        return NULL;
    }
    fake_may_fail = false;
    fake_say(++fake.sessions, "connects");
    if (fake_command(mysql) != 0)
        return NULL;
    if (!fake_true_methods) {
        fake_true_methods = mysql->methods;
        fake_methods = *mysql->methods;
        fake_methods.db_command = fake_db_command;
    }
    fake_set_session(NULL, (struct fake_session){.mysql = mysql, .number = fake.sessions});
    mysql->methods = &fake_methods;
    mysql->net.pvio = &fake_pvio;
    return mysql;
}

void mysql_close(MYSQL *mysql)
{
    static void (*close_it)(MYSQL *);
    if (!close_it)
        *(void **)&close_it = dlsym(RTLD_NEXT, "mysql_close");
    if (mysql->net.pvio) {
        fake_set_session(mysql, (struct fake_session){.mysql = NULL});
        mysql->net.pvio = NULL;
        mysql->methods = (struct st_mariadb_methods *)fake_true_methods;
    }
    close_it(mysql);
}

my_socket mysql_get_socket(MYSQL *mysql)
{
    (void)mysql;
    return -1;
}

int mysql_ping(MYSQL *mysql)
{
    fake_may_fail = true; /* the session is connected anew */
    return fake_command(mysql);
}

/* -- statements -- */

static const struct fake_answer *fake_find(const struct fake_answer *answers, const char *sql)
{
    for (; answers && answers->to; answers++)
        if (strstr(sql, answers->to))
            return answers;
    return NULL;
}

/* Is the answer to it an error? */
static bool fake_refuses(MYSQL *mysql, const struct fake_answer *answer)
{
    if (!answer || !answer->rows || answer->rows[0] != '!')
        return false;
    const char *message = strchr(answer->rows, ' ');
    fake_error(mysql, (unsigned)atoi(answer->rows + 1), message ? message + 1 : "");
    return true;
}

int mysql_query(MYSQL *mysql, const char *sql)
{
    struct fake_session *session = fake_session(mysql);
    fake_say(session->number, sql);
    session->answer = fake_find(fake.first, sql);
    if (!session->answer)
        session->answer = fake_find(fake.answers, sql);
    if (!session->answer) {
        printf("not ok - nobody knows what to answer: %s\n", sql);
        abort();
    }
    fake_may_fail = session->answer->may_fail;
    return fake_refuses(mysql, session->answer) || fake_command(mysql);
}

static MYSQL_RES *fake_result(MYSQL *mysql, unsigned columns)
{
    MYSQL_RES *result = fake_calloc(sizeof *result);
    result->handle = mysql;
    result->field_count = columns;
    result->row = fake_calloc((columns + 1) * sizeof *result->row);
    result->lengths = fake_calloc((columns + 1) * sizeof *result->lengths);
    result->fields = fake_calloc((columns + 1) * sizeof *result->fields);
    return result;
}

MYSQL_RES *mysql_use_result(MYSQL *mysql)
{
    struct fake_session *session = fake_session(mysql);
    const struct fake_answer *answer = session->answer;
    session->answer = NULL;
    if (!answer || !answer->rows)
        return NULL;
    MYSQL_RES *result = fake_result(mysql, answer->columns);
    bool counts = memory_counts;
    memory_counts = false;
    result->fields[0].def = strdup(answer->rows);
    for (char *p = result->fields[0].def; *p; p++)
        if (*p == '?')
            *p = (char)('0' + fake.number++ % 10);
    memory_counts = counts;
    result->fields[0].name = result->fields[0].def; /* what is left of the rows */
    fake_may_fail = answer->may_fail;
    session->breaks_off = fake_due(FAKE_BREAKS_OFF);
    return result;
}

static MYSQL_ROW fake_next(MYSQL_RES *result)
{
    struct fake_session *session = fake_session(result->handle);
    char *p = result->fields[0].name;
    /* An answer of several rows breaks off after the first. */
    if (session->breaks_off && (p != result->fields[0].def || !strchr(p, '\n'))) {
        fake_error(result->handle, 2013, "broken off by the test");
        return NULL;
    }
    if (*p == '\0')
        return NULL;
    for (unsigned i = 0; i < result->field_count; i++) {
        size_t n = strcspn(p, "|\n");
        result->row[i] = n == 1 && *p == '~' ? NULL : p;
        result->lengths[i] = n;
        bool more = p[n] != '\0';
        p[n] = '\0';
        p += n + more;
    }
    result->fields[0].name = p;
    return result->row;
}

MYSQL_ROW mysql_fetch_row(MYSQL_RES *result)
{
    if (!result->data)
        return fake_next(result);
    MYSQL_ROWS *row = result->data_cursor;
    result->current_row = row ? row->data : NULL;
    result->data_cursor = row ? row->next : NULL;
    return result->current_row;
}

unsigned long *mysql_fetch_lengths(MYSQL_RES *result)
{
    for (unsigned i = 0; result->data && i < result->field_count; i++)
        result->lengths[i] = result->current_row[i] ? strlen(result->current_row[i]) : 0;
    return result->lengths;
}

unsigned int mysql_num_fields(MYSQL_RES *result)
{
    return result->field_count;
}

my_ulonglong mysql_num_rows(MYSQL_RES *result)
{
    return result->row_count;
}

void mysql_free_result(MYSQL_RES *result)
{
    if (!result)
        return;
    for (MA_USED_MEM *block = result->data ? result->data->alloc.used : NULL, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(result->data);
    free(result->fields[0].def);
    free(result->fields);
    free(result->row);
    free(result->lengths);
    free(result);
}

unsigned long mysql_real_escape_string(MYSQL *mysql, char *to, const char *from, unsigned long n)
{
    char *start = to;
    (void)mysql;
    for (unsigned long i = 0; i < n; i++) {
        if (from[i] == '\'' || from[i] == '\\')
            *to++ = '\\';
        *to++ = from[i];
    }
    *to = '\0';
    return (unsigned long)(to - start);
}

/* -- prepared statements, and what comes after them and a dump -- */

MYSQL_STMT *mysql_stmt_init(MYSQL *mysql)
{
    MYSQL_STMT *statement = fake_calloc(sizeof *statement);
    statement->mysql = mysql;
    return statement;
}

int mysql_stmt_prepare(MYSQL_STMT *statement, const char *sql, unsigned long n)
{
    struct fake_session *session = fake_session(statement->mysql);
    char said[1000];
    snprintf(said, sizeof said, "prepare %.*s", (int)n, sql);
    fake_say(session->number, said);
    fake_may_fail = false;
    return fake_refuses(statement->mysql, fake_find(fake.first, said)) || fake_command(statement->mysql);
}

MYSQL_RES *mysql_stmt_result_metadata(MYSQL_STMT *statement)
{
    MYSQL_RES *result = fake_result(statement->mysql, (unsigned)fake.n_types);
    for (size_t i = 0; i < fake.n_types; i++)
        result->fields[i].type = fake.types[i];
    return result;
}

MYSQL_FIELD *mysql_fetch_field_direct(MYSQL_RES *result, unsigned int i)
{
    return &result->fields[i];
}

int mysql_stmt_execute(MYSQL_STMT *statement)
{
    struct fake_session *session = fake_session(statement->mysql);
    session->packets = fake.rows;
    session->n_packets = fake.n_rows;
    fake_may_fail = false;
    return fake_command(statement->mysql);
}

my_bool mysql_stmt_close(MYSQL_STMT *statement)
{
    free(statement);
    return 0;
}

unsigned long mysql_net_read_packet(MYSQL *mysql)
{
    static uint8_t end[] = {0xFE, 0, 0, 2, 0};
    struct fake_session *session = fake_session(mysql);
    /* Who has read a dump up to where it was to does not wait for its end. */
    fake_may_fail = session->dumps && session->n_packets == 0;
    if (fake_due(FAKE_NO_PACKET)) {
        fake_error(mysql, 2013, "broken by the test");
        return packet_error;
    }
    if (session->n_packets == 0) {
        mysql->net.read_pos = end;
        return sizeof end;
    }
    session->n_packets--;
    mysql->net.read_pos = (unsigned char *)session->packets->data;
    return session->packets++->n;
}

/* -- one thing goes wrong -- */

/* Does the work with each of these faults once, at each place. Where the tool needs what it does not get, that is an error; where
 * it may go on without, and always when the result is 0, all is there. Returns how many places were wrong; prints each. */
static inline size_t fake_sweep(const char *what, memory_scenario *scenario)
{
    static const char *const kinds[] = {"", "a refused command", "a broken connection", "half an answer",
                                        "a missing packet"};
    struct cdc_buf whole = CDC_BUF_INIT;
    struct cdc_error error = {0};
    size_t wrong = 0;
    fake.fault = FAKE_SOUND;
    if (scenario(&whole, &error) != 0) {
        printf("not ok - %s: %s\n", what, error.text);
        return 1;
    }
    for (unsigned kind = FAKE_REFUSES; kind <= FAKE_NO_PACKET; kind++) {
        unsigned places = 0;
        for (unsigned at = 1;; at++) {
            struct cdc_buf out = CDC_BUF_INIT;
            memset(&error, 0, sizeof error);
            fake.fault = kind;
            fake.fault_at = at;
            fake.met = 0;
            fake.tolerated = false;
            fake.said.len = 0;
            int result = scenario(&out, &error);
            bool struck = fake.met >= at, same = out.len == whole.len;
            bool begins = out.len <= whole.len && (out.len == 0 || memcmp(out.data, whole.data, out.len) == 0);
            bool good = result == 0 ? same && begins && (fake.tolerated || !struck) && error.status == 0
                                    : begins && error.status != 0 && error.status != CDC_EXIT_INTERNAL;
            if (!good) {
                wrong++;
                printf("not ok - %s: %s, place %u: %s: result %d, status %d %s, %zu of %zu bytes%s\n", what,
                       kinds[kind], at, fake_struck, result, error.status, error.text, out.len, whole.len,
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
