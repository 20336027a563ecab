/* SPDX-License-Identifier: MIT */
/* How a connection is made: which hosts are tried in which order, how long each, what an error is taken for. With a libpq that is
 * made up: addresses that end in 1 take a connection, those in 2 are silent, those in 3 refuse. */
#include "connectors/postgres/session/connection.h"

#include <cdc/buf.h>
#include <dlfcn.h>
#include <libpq-events.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

/* -- names, the clock, and waits -- */

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    static const char *const known[][3] = {
        {"one", "10.0.0.1"}, {"silent", "10.0.0.2"}, {"refuses", "10.0.0.3"}, {"both", "10.0.0.2", "10.1.0.1"}};
    int (*call)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&call = dlsym(RTLD_NEXT, "getaddrinfo");
    (void)service;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i][0]) == 0) {
            int status = call(known[i][1], NULL, hints, found);
            return status != 0 || !known[i][2] ? status : call(known[i][2], NULL, hints, &(*found)->ai_next);
        }
    return EAI_NONAME;
}

static int64_t now_ms;
static struct cdc_control control;
static int64_t stop_at;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000};
    return 0;
}

static bool is_silent;
static int longest_wait, wake_fd, notice_fd;

/* Under a name of its own: of poll's a compiler knows that it reads nothing. */
int our_poll(struct pollfd *fds, nfds_t n, int ms) __asm__("poll");
int our_poll(struct pollfd *fds, nfds_t n, int ms)
{
    if (n != 5)
        return (int)syscall(SYS_poll, fds, n, ms);
    longest_wait = ms > longest_wait ? ms : longest_wait;
    wake_fd = fds[1].fd;
    notice_fd = fds[4].fd;
    fds[0].revents = (short)(is_silent ? 0 : fds[0].events);
    now_ms += is_silent ? ms : 0;
    if (stop_at && now_ms >= stop_at)
        control.stop = 1;
    return !is_silent;
}

/* -- libpq -- */

static struct cdc_buf said;
static const char *defaults, *refusal;
static bool needs_password, broken_at_once;
static int version, opened;
static const char *encoding;

struct pg_conn {
    char host[200], address[200], port[100], timeout[16];
    size_t at;
    bool broken, asked, has_result;
    void *instance;
    PGEventProc event;
};

static void item(const char *list, size_t i, char to[64])
{
    for (; i > 0 && list; i--) {
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    snprintf(to, 64, "%.*s", list ? (int)strcspn(list, ",") : 0, list ? list : "");
}

static void take(char *to, size_t room, const char *from)
{
    if (from)
        snprintf(to, room, "%s", from);
}

PGconn *PQconnectStartParams(const char *const *keywords, const char *const *values, int expand)
{
    PGconn *connection = calloc(1, sizeof *connection);
    PQconninfoOption *options = PQconninfoParse(defaults, NULL);
    bool asked = false;
    for (PQconninfoOption *option = options; option && option->keyword; option++) {
        take(connection->host, 200, strcmp(option->keyword, "host") == 0 ? option->val : NULL);
        take(connection->address, 200, strcmp(option->keyword, "hostaddr") == 0 ? option->val : NULL);
        take(connection->port, 100, strcmp(option->keyword, "port") == 0 ? option->val : NULL);
        take(connection->timeout, 16, strcmp(option->keyword, "connect_timeout") == 0 ? option->val : NULL);
    }
    PQconninfoFree(options);
    for (size_t i = 0; keywords[i]; i++) {
        take(connection->host, 200, strcmp(keywords[i], "host") == 0 ? values[i] : NULL);
        take(connection->address, 200, strcmp(keywords[i], "hostaddr") == 0 ? values[i] : NULL);
        take(connection->port, 100, strcmp(keywords[i], "port") == 0 ? values[i] : NULL);
        asked |= strcmp(keywords[i], "sslmode") == 0;
    }
    opened++;
    is_silent = false;
    connection->broken = asked || broken_at_once;
    if (asked)
        return connection;
    for (size_t i = 0; keywords[i]; i++)
        cdc_buf_printf(&said, "%s%s=%s", i ? " " : "", keywords[i], values[i]);
    cdc_buf_printf(&said, " %d\n", expand);
    return connection;
}

char *PQhost(const PGconn *connection)
{
    static char text[64];
    item(connection->host, connection->at, text);
    return text;
}
char *PQhostaddr(const PGconn *connection)
{
    static char text[64];
    item(connection->address, connection->at, text);
    return text;
}
char *PQport(const PGconn *connection)
{
    static char text[64];
    item(connection->port, strchr(connection->port, ',') ? connection->at : 0, text);
    return text;
}
PostgresPollingStatusType PQconnectPoll(PGconn *connection)
{
    const char *address = PQhostaddr(connection);
    char last = *address ? address[strlen(address) - 1] : '1';
    is_silent = last == '2';
    if (last == '1')
        return PGRES_POLLING_OK;
    if (last == '2')
        return PGRES_POLLING_READING;
    if (strchr(connection->address, ',') && *(strrchr(connection->address, ',') + 1) &&
        (PQhostaddr(connection), connection->at++, *PQhostaddr(connection)))
        return PGRES_POLLING_WRITING;
    connection->broken = true;
    return PGRES_POLLING_FAILED;
}
PQconninfoOption *PQconninfo(PGconn *connection)
{
    char text[700];
    snprintf(text, sizeof text, "host='%s' hostaddr='%s' port='%s' connect_timeout='%s'", connection->host,
             connection->address, connection->port, connection->timeout);
    return PQconninfoParse(text, NULL);
}
void PQfinish(PGconn *connection)
{
    if (connection && connection->event)
        connection->event(PGEVT_CONNDESTROY, &(PGEventConnDestroy){connection}, NULL);
    opened -= connection != NULL;
    free(connection);
}
ConnStatusType PQstatus(const PGconn *connection)
{
    return connection->broken ? CONNECTION_BAD : CONNECTION_OK;
}
int PQsocket(const PGconn *connection)
{
    (void)connection;
    return -1;
}
int PQserverVersion(const PGconn *connection)
{
    (void)connection;
    return version;
}
char *PQdb(const PGconn *connection)
{
    (void)connection;
    return "db";
}
char *PQuser(const PGconn *connection)
{
    (void)connection;
    return "u";
}
char *PQerrorMessage(const PGconn *connection)
{
    (void)connection;
    return (char *)refusal;
}
int PQconnectionNeedsPassword(const PGconn *connection)
{
    (void)connection;
    return needs_password;
}
const char *PQparameterStatus(const PGconn *connection, const char *name)
{
    (void)connection;
    return strcmp(name, "server_encoding") == 0 ? encoding : NULL;
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
int PQregisterEventProc(PGconn *connection, PGEventProc event, const char *name, void *context)
{
    (void)name, (void)context;
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
    (void)event;
    return connection->instance;
}
int PQsendQuery(PGconn *connection, const char *sql)
{
    cdc_buf_printf(&said, "%.33s\n", sql);
    connection->has_result = true;
    return 1;
}
int PQisBusy(PGconn *connection)
{
    (void)connection;
    return 0;
}
PGresult *PQgetResult(PGconn *connection)
{
    bool has = connection->has_result;
    connection->has_result = false;
    return has ? PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK) : NULL;
}

/* -- runs -- */

static void begin(const char *options)
{
    defaults = options;
    refusal = "no";
    needs_password = broken_at_once = is_silent = false;
    version = 150000;
    encoding = "UTF8";
    said.len = 0;
    now_ms = stop_at = longest_wait = 0;
    control = (struct cdc_control){.wake_fd = 71, .notice_fd = 72};
}

static PGconn *attempt(const char *url, bool *full, struct cdc_error *error)
{
    const struct pg_settings settings = {.url = url, .tool = "tool", .control = &control};
    *error = (struct cdc_error){0};
    return full ? pg_connect_beside(&settings, NULL, full, error) : pg_connect(&settings, false, error);
}

static bool has(const char *part)
{
    return said.len > 0 && memmem(said.data, said.len, part, strlen(part)) != NULL;
}

/* Which hosts are given to libpq, attempt by attempt; how it ends, and when. */
static const struct hosts {
    const char *options, *given[4];
    int status;
    int64_t ms;
    const char *says;
} hosts[] = {
    {"", {"client_encoding"}, 0, 0, ""},
    {"host=/run port=1", {"host=/run hostaddr= port=1"}, 0, 0, ""},
    {"host=@x port=1", {"host=@x hostaddr= port=1"}, 0, 0, ""},
    {"host=one port=1", {"host=one hostaddr=10.0.0.1 port=1"}, 0, 0, ""},
    {"host=both port=7",
     {"host=both,both hostaddr=10.0.0.2,10.1.0.1 port=7,7", "host=both hostaddr=10.1.0.1 port=7"},
     0,
     10000,
     ""},
    {"host=silent port=7 connect_timeout=3",
     {"host=silent hostaddr=10.0.0.2 port=7"},
     CDC_EXIT_UNAVAILABLE,
     3000,
     "no answer from silent within 3 s"},
    {"host=silent,one port=7,8",
     {"host=silent,one hostaddr=10.0.0.2,10.0.0.1 port=7,8", "host=one hostaddr=10.0.0.1 port=8"},
     0,
     10000,
     ""},
    {"host=refuses,silent,one port=7",
     {"host=refuses,silent,one hostaddr=10.0.0.3,10.0.0.2,10.0.0.1 port=7,7,7",
      "host=refuses,one hostaddr=10.0.0.3,10.0.0.1 port=7,7"},
     0,
     10000,
     ""},
    {"host=none,one port=7", {"host=one hostaddr=10.0.0.1 port=7"}, 0, 0, ""},
    {"host=none,nobody port=7", {NULL}, CDC_EXIT_UNAVAILABLE, 0, "could not translate host name \"none\" to address"},
    {"host=none hostaddr=10.0.0.1 port=7", {"host=none hostaddr=10.0.0.1 port=7"}, 0, 0, ""},
    {"hostaddr=10.0.0.2,10.0.0.1 port=7",
     {"host=, hostaddr=10.0.0.2,10.0.0.1 port=7,7", "host= hostaddr=10.0.0.1 port=7"},
     0,
     10000,
     ""},
    /* what does not fit together is libpq's to refuse */
    {"host=one,silent hostaddr=10.0.0.1 port=7", {"client_encoding"}, 0, 0, ""},
    {"host=one hostaddr=10.0.0.1,10.0.0.2 port=7", {"client_encoding"}, 0, 0, ""},
    {"host=one,silent port=7,8,9", {"client_encoding"}, CDC_EXIT_CONFIG + 1000, 0, ""},
    {"host=refuses port=7", {"host=refuses hostaddr=10.0.0.3 port=7"}, CDC_EXIT_UNAVAILABLE, 0, "cannot connect: no"},
    {"host=silent port=7 connect_timeout=0",
     {"host=silent hostaddr=10.0.0.2 port=7"},
     CDC_EXIT_UNAVAILABLE,
     3600000,
     "within 3600 s"},
    {"host=silent port=7 connect_timeout=3600",
     {"host=silent hostaddr=10.0.0.2 port=7"},
     CDC_EXIT_UNAVAILABLE,
     3600000,
     "within 3600 s"},
    {"host=silent port=7 connect_timeout=1",
     {"host=silent hostaddr=10.0.0.2 port=7"},
     CDC_EXIT_UNAVAILABLE,
     1000,
     "within 1 s"},
};

static void test_hosts(void)
{
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct cdc_error error;
        begin(hosts[i].options);
        PGconn *connection = attempt("postgresql://", NULL, &error);
        size_t lines = 0, wanted = 0;
        bool good = hosts[i].status > 1000 || (error.status == hosts[i].status && now_ms == hosts[i].ms &&
                                               (connection != NULL) == (error.status == 0));
        for (size_t at = 0; at < said.len; at++)
            lines += said.len - at > 16 && memcmp(said.data + at, "keepalives_idle=", 16) == 0;
        for (; wanted < 4 && hosts[i].given[wanted]; wanted++)
            good = good && has(hosts[i].given[wanted]);
        good = good && lines == wanted &&
               (strcmp(hosts[i].given[0] ? hosts[i].given[0] : "", "client_encoding") != 0 || !has(" host="));
        check(good && strstr(error.text, hosts[i].says), hosts[i].options);
        if (!good)
            printf("# %d %s, %ld ms\n%.*s", error.status, error.text, (long)now_ms, (int)said.len, said.data);
        PQfinish(connection);
        check(opened == 0, "no connection is left");
    }
}

/* What libpq said, what it is taken for, and what people read. */
static const struct refusal {
    const char *message;
    bool needs_password;
    int status;
    bool full;
    const char *text, *hint;
} refusals[] = {
    {"refused\n", false, CDC_EXIT_UNAVAILABLE, false, "cannot connect: refused", ""},
    {"no password\n", true, CDC_EXIT_PERMISSION, false, "cannot connect: no password", "check user and password"},
    {"invalid port\n", false, CDC_EXIT_CONFIG, false, "cannot connect: invalid port", ""},
    {"definition of service \"x\" not found\n", false, CDC_EXIT_CONFIG, false, "cannot connect: definition", ""},
    {"an invalid port\n", false, CDC_EXIT_UNAVAILABLE, false, "cannot connect: an invalid port", ""},
    {"host h: FATAL:  28P01: bad password\n", false, CDC_EXIT_PERMISSION, false,
     "cannot connect: host h: FATAL: bad password", "check user and password"},
    {"FATAL:  53300: too many\n", false, CDC_EXIT_UNAVAILABLE, true, "cannot connect: FATAL: too many", ""},
    {"FATAL:  53301: too many\n", false, CDC_EXIT_UNAVAILABLE, false, "cannot connect: FATAL: too many", ""},
    {"FATAL:  3D000: no database\n", false, CDC_EXIT_CONFIG, false, "cannot connect: FATAL: no database",
     "name an existing database"},
    {"FATAL:  42501: no\n", false, CDC_EXIT_PERMISSION, false, "cannot connect: FATAL: no",
     "ALTER ROLE \"u\" REPLICATION;"},
    {"FATAL:  57P03: starts\n", false, CDC_EXIT_UNAVAILABLE, false, "cannot connect: FATAL: starts", ""},
    {"FATAL:  28P01 no state\n", false, CDC_EXIT_UNAVAILABLE, false, "cannot connect: FATAL:  28P01 no state", ""},
    {"FATAL:  28p01: no state\n", false, CDC_EXIT_UNAVAILABLE, false, "cannot connect: FATAL:  28p01: no state", ""},
    {"FATAL:  28P01:no state\n", false, CDC_EXIT_UNAVAILABLE, false, "cannot connect: FATAL:  28P01:no state", ""},
    {"h:  x: FATAL:  28P01: no\n", false, CDC_EXIT_PERMISSION, false, "cannot connect: h:  x: FATAL: no",
     "check user and password"},
};

static void test_refusals(void)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        for (int at_once = 0; at_once < 2; at_once++) {
            struct cdc_error error;
            bool full = false;
            begin(at_once ? "host=one port=7" : "host=refuses port=7");
            refusal = refusals[i].message;
            needs_password = refusals[i].needs_password;
            broken_at_once = at_once;
            PGconn *connection = attempt("postgresql://", i % 2 ? NULL : &full, &error);
            bool good = !connection && error.status == refusals[i].status &&
                        strncmp(error.text, refusals[i].text, strlen(refusals[i].text)) == 0 &&
                        (refusals[i].hint[0] ? strstr(error.hint, refusals[i].hint) != NULL : !error.hint[0]) &&
                        (i % 2 || full == refusals[i].full) && opened == 0;
            check(good, refusals[i].text);
            if (!good)
                printf("# %d %s (%s) %d\n", error.status, error.text, error.hint, full);
        }
}

static const struct url {
    const char *url;
    int status;
    const char *text;
} urls[] = {
    {"", 0, ""},
    {"db", 0, ""},
    {"host=h", 0, ""},
    {"postgresql://u@h/db", 0, ""},
    {"postgres://u@h/db", 0, ""},
    {"postgresql://u@h:1,h:2/db", 0, ""},
    {"mysql://h/db", CDC_EXIT_USAGE, "cannot be read: it is no postgresql:// URL"},
    {"mysql://u@h/db", CDC_EXIT_USAGE, "the connection URL cannot be read"},
    {"postgresql://h/50%off", CDC_EXIT_USAGE, "cannot be read: invalid percent-encoded token"},
    {"postgresql://u:50%off@h/db", CDC_EXIT_USAGE, "the connection URL cannot be read"},
    {"password=50 nonsense=1", CDC_EXIT_USAGE, "the connection URL cannot be read"},
    {"nonsense=1", CDC_EXIT_USAGE, "cannot be read: invalid connection option"},
    {"postgresql://u:p@w@h/db", CDC_EXIT_USAGE, "the connection URL cannot be read"},
    {"postgresql://u:p/w@h", CDC_EXIT_USAGE, "the connection URL cannot be read"},
    {"postgresql://h/w@h", CDC_EXIT_USAGE, "the connection URL cannot be read"},
    {"postgresql://u@h/w@h", 0, ""},
    {"postgresql://h:1a/db", CDC_EXIT_USAGE, "the connection URL cannot be read"},
};

static void test_urls(void)
{
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct cdc_error error;
        bool exact = strchr(urls[i].text, ':') == NULL && urls[i].status != 0;
        begin("host=one port=7");
        PGconn *connection = attempt(urls[i].url, NULL, &error);
        bool good = error.status == urls[i].status && (connection != NULL) == (error.status == 0) &&
                    (exact ? strcmp(error.text, urls[i].text) == 0 : strstr(error.text, urls[i].text) != NULL);
        check(good, urls[i].url);
        if (!good)
            printf("# %d %s\n", error.status, error.text);
        PQfinish(connection);
    }
}

static void test_sessions(void)
{
    struct cdc_error error = {0};
    struct pg_settings settings = {.url = "postgresql://u@h/db", .tool = "tool"};
    begin("host=one port=7");
    PGconn *connection = pg_connect(&settings, true, &error);
    check(connection && cdc_span_is(cdc_span(said.data, said.len),
                                    "keepalives_idle=10 keepalives_interval=5 keepalives_count=3 "
                                    "tcp_user_timeout=30000 fallback_application_name=tool dbname=postgresql://u@h/db "
                                    "host=one hostaddr=10.0.0.1 port=7 client_encoding=UTF8 replication=database 1\n"
                                    "SET statement_timeout = 0; SET lo\n"),
          "what a replication connection is given");
    PQfinish(connection);
    begin("host=one port=7");
    settings.url = NULL;
    encoding = "SQL_ASCII";
    version = 170000;
    connection = pg_connect(&settings, false, &error);
    check(connection && has("fallback_application_name=tool host=one") && !has("replication=") &&
              has(" 1\nSET transaction_timeout = 0\nSET statement_timeout = 0; SET lo\nSET client_encoding = "
                  "'SQL_ASCII'\n"),
          "what a session is given, and asked");
    /* beside it: its host alone, of whatever others there are */
    said.len = 0;
    defaults = "host=silent,one port=7";
    PGconn *beside = pg_connect_beside(&settings, connection, NULL, &error);
    check(beside && has(" host=one hostaddr=10.0.0.1 port=7 ") && !has("silent"), "one beside it");
    PQfinish(beside);
    PQfinish(connection);
    for (version = 139999; version <= 140000; version++) {
        int tried = version;
        begin("host=one port=7");
        version = tried;
        error = (struct cdc_error){0};
        connection = pg_connect(&settings, false, &error);
        check((connection != NULL) == (version == 140000) && error.status == (connection ? 0 : CDC_EXIT_CONFIG),
              "the oldest version");
        PQfinish(connection);
        version = tried;
    }
    /* a signal */
    begin("host=silent,one port=7");
    stop_at = 2000;
    check(!attempt("", NULL, &error) && error.status == CDC_EXIT_TEMPORARY && now_ms == 2000 && longest_wait == 1000 &&
              wake_fd == 71 && notice_fd == -1,
          "a signal ends the wait");
    begin("host=one port=7");
    control.stop = 1;
    check(!attempt("", NULL, &error) && error.status == CDC_EXIT_TEMPORARY, "and whatever comes after it");
    check(opened == 0, "no connection is left");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    setenv("PGHOST", "", 1);
    unsetenv("PGPORT");
    unsetenv("PGREQUIREAUTH");
    unsetenv("PGSERVICE");
    test_hosts();
    test_refusals();
    test_urls();
    test_sessions();
    cdc_buf_free(&said);
    return failures ? 1 : 0;
}
