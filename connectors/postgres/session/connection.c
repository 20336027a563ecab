/* SPDX-License-Identifier: MIT */
/* Connections to PostgreSQL. */
#include "connectors/postgres/session/connection.h"

#include "connectors/postgres/session/database_name.h"
#include "connectors/postgres/session/hosts.h"
#include "connectors/postgres/session/query.h"
#include "connectors/postgres/session/wait.h"
#include "connectors/postgres/session/watch.h"

#include <cdc/retry.h>
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_SECONDS 10 /* for one host, unless connect_timeout says otherwise */

static bool looks_like_uri(const char *url)
{
    return strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0;
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val && *options->val ? options->val : NULL;
    return NULL;
}

/* What the user asked for: in the URL, else in the environment. */
static const char *user_value(const PQconninfoOption *url, const PQconninfoOption *env, const char *keyword)
{
    const char *value = option_value(url, keyword);
    return value ? value : option_value(env, keyword);
}

/* libpq's own words may quote a piece of the URL, and with it of the password (invalid percent-encoded token:
 * "50%off"). They are repeated only where the URL holds no secret. */
static int url_error(const char *url, const char *reason, struct cdc_error *error)
{
    bool secret = strchr(url, '@') || strstr(url, "password");
    cdc_error_set(error, CDC_EXIT_USAGE, "the connection URL cannot be read%s%s", secret || !reason ? "" : ": ",
                  secret || !reason ? "" : reason);
    return cdc_error_hint(error, "write postgresql://user@host:port/database; special characters in user "
                                 "or password as %%40 (@), %%2F (/), %%3A (:)");
}

static int parse_url(const char *url, PQconninfoOption **options, struct cdc_error *error)
{
    *options = NULL;
    if (!looks_like_uri(url) && !strchr(url, '='))
        return strstr(url, "://") ? url_error(url, "it is no postgresql:// URL", error)
                                  : 0; /* empty, or a database's name */
    char *reason = NULL;
    *options = PQconninfoParse(url, &reason);
    int result = *options ? 0 : url_error(url, reason, error);
    PQfreemem(reason);
    /* An @ or letters where none belong are the rest of a password that was not encoded: postgresql://u:p/w@host is
     * host u, port p and database w@host for libpq, which would name them in its error. */
    const char *host = option_value(*options, "host"), *port = option_value(*options, "port");
    const char *database = option_value(*options, "dbname");
    if ((host && strchr(host, '@')) || (port && port[strspn(port, "0123456789,")]) ||
        (database && strchr(database, '@') && !option_value(*options, "user")))
        result = url_error(url, NULL, error);
    return result;
}

/* -- one go through the hosts -- */

struct parameters {
    const char *keyword[20], *value[20];
    size_t n;
};

static void add_parameter(struct parameters *parameters, const char *keyword, const char *value)
{
    parameters->keyword[parameters->n] = keyword;
    parameters->value[parameters->n++] = value;
}

/* libpq takes the last value of a keyword. So what stands before the URL is a default that it overrides, and what
 * stands after it is ours: a client_encoding in the URL would change the text of every value. */
static void fill_parameters(struct parameters *p, const struct pg_settings *settings, bool replication,
                            const struct pg_hosts *hosts)
{
    /* A server that vanished (power, a firewall that forgot the connection) sends nothing, not even a reset: 10 s +
     * 3 * 5 s without an answer end the connection. tcp_user_timeout (ms) does so while data of ours is
     * unacknowledged. */
    static const char *const defaults[][2] = {{"keepalives_idle", "10"},
                                              {"keepalives_interval", "5"},
                                              {"keepalives_count", "3"},
                                              {"tcp_user_timeout", "30000"}};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        add_parameter(p, defaults[i][0], defaults[i][1]);
    add_parameter(p, "fallback_application_name", settings->tool);
    if (settings->url && *settings->url)
        add_parameter(p, "dbname", settings->url);
    if (hosts->primary)
        add_parameter(p, "target_session_attrs", "any");
    if (hosts->known) {
        add_parameter(p, "host", hosts->list[PG_HOST].data);
        add_parameter(p, "hostaddr", hosts->list[PG_ADDRESS].data);
        add_parameter(p, "port", hosts->list[PG_PORT].data);
    }
    add_parameter(p, "client_encoding", "UTF8");
    if (replication)
        add_parameter(p, "replication", "database");
    add_parameter(p, NULL, NULL);
}

/* The verbose form of a server's message carries "SEVERITY:  SQLSTATE: text" whatever the language, as in
 *      FATAL:  28P01: password authentication failed for user "u"
 * libpq offers no other way to the state of a failed connection: there is no PGresult to ask. */
static const char *find_sqlstate(const char *message, char state[6])
{
    for (const char *p = message; (p = strstr(p, ":  ")) != NULL; p++) {
        size_t n = 0;
        while (n < 5 && (isdigit((unsigned char)p[3 + n]) || isupper((unsigned char)p[3 + n])))
            n++;
        if (n == 5 && p[8] == ':' && p[9] == ' ') {
            memcpy(state, p + 3, 5);
            state[5] = '\0';
            return p;
        }
    }
    return NULL;
}

/* Of an attempt to connect that failed. */
struct outcome {
    bool silent;   /* the host that it was at did not answer in time */
    bool answered; /* a server refused */
    bool full;     /* for it has no connection left for us */
    bool closed;   /* for its database takes none now */
};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What libpq says of encryption that cannot be had as the URL asks for it, of certificates and keys, and of what is written in the
 * URL (fe-connect.c, fe-secure*.c, fe-auth.c): no retry cures that. */
static const char *const fixed_by_hand[] = {"server does not support SSL",
                                            "GSSAPI encryption required",
                                            "support GSSAPI encryption, but it was required",
                                            "channel binding required",
                                            "authentication method requirement",
                                            "certificate verify failed",
                                            "does not match host name",
                                            "host name from server certificate",
                                            "host name must be specified",
                                            "root certificate file",
                                            "certificate file",
                                            "private key",
                                            "alert unknown ca",
                                            "alert certificate",
                                            "alert bad certificate",
                                            "invalid integer value"};

static bool needs_a_person(const char *text, size_t n)
{
    for (size_t i = 0; i < sizeof fixed_by_hand / sizeof *fixed_by_hand; i++)
        if (memmem(text, n, fixed_by_hand[i], strlen(fixed_by_hand[i])))
            return true;
    return false;
}

/* Of several hosts each that was tried has its line (after such an error libpq tries no other one). One that is away for a moment
 * may take us when it is back:
 *      connection to server at "db1" ..., port 5432 failed: Connection refused
 *      connection to server at "db2" ..., port 5432 failed: server does not support SSL, but SSL was required */
static bool all_need_a_person(const char *message)
{
    static const char begin[] = "connection to server ";
    const char *at = strstr(message, begin);
    bool all = at != NULL;
    while (at && all) {
        const char *next = strstr(at + sizeof begin - 1, begin);
        all = needs_a_person(at, next ? (size_t)(next - at) : strlen(at));
        at = next;
    }
    return all;
}

/* Of libpq's own errors, without a word of a server. */
static int own_status(PGconn *connection, const char *message)
{
    /* About what it was told: the texts are those of fe-connect.c. */
    if (starts_with(message, "invalid ") || starts_with(message, "definition of service") || all_need_a_person(message))
        return CDC_EXIT_CONFIG;
    return PQconnectionNeedsPassword(connection) ? CDC_EXIT_PERMISSION : CDC_EXIT_UNAVAILABLE;
}

/* ALTER DATABASE ... ALLOW_CONNECTIONS false: for maintenance, as a server that stops. A database that a DROP has left half done has the
 * same state, from another place. */
static bool is_closed(const char *state, const char *place)
{
    return strcmp(state, "55000") == 0 && place && strstr(place, "CheckMyDatabase");
}

static int connect_error(PGconn *connection, struct outcome *outcome, struct cdc_error *error)
{
    const char *message = PQerrorMessage(connection);
    char state[6] = "";
    const char *at = find_sqlstate(message, state);
    outcome->answered = at != NULL;
    outcome->full = at && strcmp(state, "53300") == 0;
    const char *place = at ? strstr(at, "\nLOCATION:") : NULL;
    outcome->closed = at && is_closed(state, place);
    int status = at ? pg_query_status_of(state, place, at) : own_status(connection, message);
    if (outcome->closed)
        status = CDC_EXIT_UNAVAILABLE;
    struct cdc_buf text = CDC_BUF_INIT;
    if (at) { /* "host …: FATAL:  28P01: text": what stands before and after the state */
        pg_query_clean(&text, message, (size_t)(at - message) + 1);
        cdc_buf_byte(&text, ' ');
        pg_query_clean(&text, at + 10, strlen(at + 10));
    } else {
        pg_query_clean(&text, message, strlen(message));
    }
    cdc_buf_byte(&text, '\0');
    cdc_error_set(error, status, "cannot connect: %s", text.failed ? "out of memory" : text.data);
    cdc_buf_free(&text);
    if (strcmp(state, "3D000") == 0)
        cdc_error_hint(error, "name an existing database at the end of the URL");
    else if (strcmp(state, "42501") == 0)
        cdc_error_hint(error, "ALTER ROLE \"%s\" REPLICATION;", PQuser(connection));
    else if (!at && all_need_a_person(message))
        cdc_error_hint(error, "check what the URL asks of the connection (sslmode, certificates), and the server's "
                              "certificate");
    else if (status == CDC_EXIT_PERMISSION)
        cdc_error_hint(error, "check user and password (PGPASSWORD, ~/.pgpass) and the server's "
                              "pg_hba.conf");
    return -1;
}

/* libpq honours connect_timeout only in its blocking calls; we connect with PQconnectPoll, so it is kept here. As in
 * libpq it counts for each host of a list, and 0 or less means for ever: an hour, for us. */
static int connect_timeout_ms(PGconn *connection)
{
    PQconninfoOption *options = PQconninfo(connection);
    const char *seconds = option_value(options, "connect_timeout");
    long n = seconds ? strtol(seconds, NULL, 10) : CONNECT_SECONDS;
    PQconninfoFree(options);
    if (n <= 0 || n > 3600)
        n = 3600;
    return (int)(n * 1000);
}

/* Which of its hosts and addresses libpq is at. */
static void where(PGconn *connection, char text[512])
{
    const char *host = PQhost(connection), *address = PQhostaddr(connection), *port = PQport(connection);
    snprintf(text, 512, "%.200s %.60s %.20s", host ? host : "", address ? address : "", port ? port : "");
}

/* Drives a connection that was begun; asynchronously, so that the server's messages come in their verbose form (the
 * verbosity can be set only once there is a PGconn) and a signal ends the wait. To begin with WRITING is what libpq
 * asks for. The socket is read anew each time: with several hosts it changes. */
static int wait_connected(PGconn *connection, struct pg_watch *watch, const struct pg_settings *settings,
                          struct outcome *outcome, struct cdc_error *error)
{
    int timeout_ms = connect_timeout_ms(connection);
    int64_t deadline = cdc_clock_ms() + timeout_ms;
    char host[512], now_at[512];
    where(connection, host);
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED)
            return connect_error(connection, outcome, error);
        if (watch && pg_watch_follow(watch, connection, error) < 0)
            return -1;
        where(connection, now_at);
        if (strcmp(host, now_at) != 0) {
            memcpy(host, now_at, sizeof host);
            deadline = cdc_clock_ms() + timeout_ms;
        }
        int64_t left = deadline - cdc_clock_ms();
        outcome->silent = left <= 0;
        if (left <= 0)
            return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "cannot connect: no answer from %s within %d s",
                                 PQhost(connection), timeout_ms / 1000);
        const struct cdc_control *control = settings->control;
        struct pollfd fds[5] = {{PQsocket(connection), want == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0},
                                {control ? control->wake_fd : -1, POLLIN, 0},
                                {-1, 0, 0},
                                {-1, 0, 0},
                                {control && control->waiting ? control->notice_fd : -1, POLLIN, 0}};
        if (watch)
            pg_watch_poll(watch, fds + 2);
        int n = poll(fds, 5, left < 1000 ? (int)left : 1000);
        if (control)
            cdc_control_waiting(control, "a connection to the server");
        if (control && control->stop)
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while connecting");
        if (n > 0 && watch && pg_watch_pass(watch, fds + 2, error) < 0)
            return -1;
        if (n > 0 && fds[0].revents)
            want = PQconnectPoll(connection);
    }
    return watch ? pg_watch_end(watch, connection, error) : 0;
}

/* As SET statements, which unlike the startup option leave whatever options a URL, a service file or the environment
 * brought, and win over ALTER ROLE and ALTER DATABASE too. First the timeouts: none of a role ends a long snapshot, or
 * these statements. Then what would change the text of values or of our own statements, and what a transaction is. Besides:
 * names that are always qualified; row level security raises an error where it would omit rows; warnings come; catalog
 * queries are run and not compiled (which takes a second, and many on a busy machine). */
static const char pins[] =
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    "SET idle_session_timeout = 0;"
    "SET datestyle = 'ISO'; SET intervalstyle = 'iso_8601'; SET timezone = 'UTC'; SET extra_float_digits = '3';"
    "SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET quote_all_identifiers = off;"
    "SET standard_conforming_strings = on; SET transform_null_equals = off; SET array_nulls = on;"
    "SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off;"
    "SET default_transaction_deferrable = off;"
    "SET search_path = ''; SET row_security = off; SET client_min_messages = warning; SET jit = off";
/* Since 17. */
static const char pins_17[] = "SET transaction_timeout = 0";

static int pin(PGconn *connection, struct cdc_error *error)
{
    static const char what[] = "cannot prepare the session";
    if (PQserverVersion(connection) >= 170000 && pg_query_run(connection, pins_17, what, error) < 0)
        return -1;
    return pg_query_run(connection, pins, what, error);
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

static int check_version(PGconn *connection, struct cdc_error *error)
{
    int version = PQserverVersion(connection);
    if (version >= 140000)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the server is PostgreSQL %d; 14 or later is needed", version / 10000);
    return -1;
}

/* A database in SQL_ASCII holds bytes of which nobody knows the characters. The server would not convert them, but end
 * whatever has bytes that are no UTF-8 with an error. */
static bool has_no_encoding(PGconn *connection)
{
    const char *encoding = PQparameterStatus(connection, "server_encoding");
    return encoding && strcmp(encoding, "SQL_ASCII") == 0;
}

/* One go through the hosts. NULL only without memory. */
static PGconn *start(const struct pg_settings *settings, bool replication, const struct pg_hosts *hosts, bool watched,
                     struct outcome *outcome, struct cdc_error *error)
{
    struct parameters parameters = {.n = 0};
    struct pg_watch watch;
    *outcome = (struct outcome){0};
    fill_parameters(&parameters, settings, replication, hosts);
    PGconn *connection = PQconnectStartParams(parameters.keyword, parameters.value, 1);
    if (!connection) {
        cdc_error_memory(error);
        return NULL;
    }
    PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(connection, ignore_notice, NULL);
    pg_watch_init(&watch);
    if (PQstatus(connection) == CONNECTION_BAD)
        connect_error(connection, outcome, error);
    else
        wait_connected(connection, watched ? &watch : NULL, settings, outcome, error);
    pg_watch_free(&watch);
    return connection;
}

/* What URL, environment and service file come to, only libpq knows. It tells of a connection, also of one that has failed
 * before anything was asked or sent: this one has an sslmode that there is none. A connection whose options cannot be read
 * has no hosts; the real one has the error. */
static int find_hosts(const struct pg_settings *settings, bool replication, struct pg_hosts *hosts,
                      struct cdc_error *error)
{
    struct parameters parameters = {.n = 0};
    fill_parameters(&parameters, settings, replication, hosts);
    parameters.n--;
    add_parameter(&parameters, "sslmode", "none, to be told the hosts");
    add_parameter(&parameters, NULL, NULL);
    PGconn *connection = PQconnectStartParams(parameters.keyword, parameters.value, 1);
    PQconninfoOption *options = PQconninfo(connection);
    int status = connection ? pg_hosts_find(hosts, options, settings->control, error) : cdc_error_memory(error);
    PQconninfoFree(options);
    PQfinish(connection);
    return status;
}

/* The hosts to try: those of among, where it knows some, or that of beside. Either may be NULL. */
static int choose_hosts(const struct pg_settings *settings, bool replication, const PGconn *beside,
                        const struct pg_hosts *among, struct pg_hosts *hosts, struct cdc_error *error)
{
    if (among && among->known)
        return pg_hosts_copy(hosts, among, error);
    return beside ? pg_hosts_at(hosts, beside, error) : find_hosts(settings, replication, hosts, error);
}

/* Tries them. RETURNS NEW, with error->status 0; else NULL. */
static PGconn *open_any(const struct pg_settings *settings, bool replication, const PGconn *beside,
                        const struct pg_hosts *among, struct outcome *outcome, struct cdc_error *error)
{
    PQconninfoOption *url = NULL, *env = PQconndefaults();
    struct pg_hosts hosts = {.known = false};
    struct cdc_error own = {0};
    PGconn *connection = NULL;
    bool again = parse_url(settings->url ? settings->url : "", &url, &own) == 0 &&
                 choose_hosts(settings, replication, beside, among, &hosts, &own) == 0;
    bool watched = !user_value(url, env, "require_auth");
    *outcome = (struct outcome){0};
    bool silent = false; /* a host: it may take us later */
    while (again) {
        cdc_error_clear(&own);
        connection = start(settings, replication, &hosts, watched, outcome, &own);
        if (silent && !outcome->answered && own.status == CDC_EXIT_CONFIG)
            own.status = CDC_EXIT_UNAVAILABLE;
        silent = silent || outcome->silent;
        again = connection && outcome->silent && pg_hosts_next(&hosts, connection);
        if (connection && own.status != 0) {
            PQfinish(connection);
            connection = NULL;
        }
    }
    pg_hosts_free(&hosts);
    PQconninfoFree(url);
    PQconninfoFree(env);
    if (own.status != 0 && error && error->status == 0)
        *error = own;
    return connection;
}

/* For waits on a connection that has become silent (wait.h). What refuses us is there. */
static bool answers(const void *context)
{
    const struct pg_settings *settings = context;
    struct cdc_error ignored = {0};
    struct outcome outcome;
    PGconn *connection = open_any(settings, false, NULL, NULL, &outcome, &ignored);
    bool there = connection != NULL || outcome.answered;
    PQfinish(connection);
    return there;
}

static int prepare(PGconn *connection, const struct pg_settings *settings, struct cdc_error *error)
{
    const struct pg_waiter waiter = {settings->control, answers, settings};
    PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
    if (check_version(connection, error) < 0 || pg_wait_attach(connection, &waiter, error) < 0 ||
        pin(connection, error) < 0)
        return -1;
    if (has_no_encoding(connection) &&
        pg_query_run(connection, "SET client_encoding = 'SQL_ASCII'", "cannot prepare the session", error) < 0)
        return -1;
    return pg_database_name_learn(connection, error);
}

static PGconn *open_prepared(const struct pg_settings *settings, bool replication, const PGconn *beside,
                             const struct pg_hosts *among, struct outcome *outcome, struct cdc_error *error)
{
    PGconn *connection = open_any(settings, replication, beside, among, outcome, error);
    if (!connection || prepare(connection, settings, error) == 0)
        return connection;
    PQfinish(connection);
    return NULL;
}

PGconn *pg_connect(const struct pg_settings *settings, bool replication, struct cdc_error *error)
{
    return pg_connect_among(settings, replication, NULL, error);
}

/* "Too many walsenders" passes, unless none is allowed: the same error, whose words may be in any language. */
static void refuse_disabled(const struct pg_settings *settings, const struct pg_hosts *hosts, struct cdc_error *error)
{
    static const char what[] = "cannot ask for max_wal_senders";
    struct cdc_error ignored = {0};
    struct outcome outcome;
    PGconn *sql = open_prepared(settings, false, NULL, hosts, &outcome, &ignored);
    PGresult *result = sql ? pg_query_rows(sql, "SHOW max_wal_senders", 0, NULL, what, &ignored) : NULL;
    bool disabled = result && PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "0") == 0;
    PQclear(result);
    PQfinish(sql);
    if (!disabled)
        return;
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_CONFIG, "the server allows no replication connection: max_wal_senders is 0");
    cdc_error_hint(error, "ALTER SYSTEM SET max_wal_senders = 10; and restart the server");
}

PGconn *pg_connect_among(const struct pg_settings *settings, bool replication, const struct pg_hosts *hosts,
                         struct cdc_error *error)
{
    struct outcome outcome;
    struct cdc_error own = {0};
    PGconn *connection = open_prepared(settings, replication, NULL, hosts, &outcome, &own);
    if (!connection && replication && outcome.full)
        refuse_disabled(settings, hosts, &own);
    if (own.status != 0 && error && error->status == 0)
        *error = own;
    return connection;
}

PGconn *pg_connect_walsender(const struct pg_settings *settings, const PGconn *sql, struct cdc_error *error)
{
    struct pg_hosts hosts = {.known = false};
    PGconn *connection = pg_hosts_at(&hosts, sql, error) < 0 ? NULL : pg_connect_among(settings, true, &hosts, error);
    pg_hosts_free(&hosts);
    return connection;
}

PGconn *pg_connect_suited(const struct pg_settings *settings, pg_suits *suits, void *context, struct cdc_error *error)
{
    struct pg_hosts hosts = {.known = false};
    struct cdc_error ignored = {0};
    PGconn *first = pg_connect(settings, false, error), *at = first, *found = first;
    int more = first ? pg_hosts_others(&hosts, first, &ignored) : 0;
    while (more > 0 || (at && at != first)) {
        cdc_error_clear(&ignored);
        bool suitable = at && suits(context, at, &ignored) > 0;
        if (suitable)
            found = at;
        if (at != first && !suitable)
            PQfinish(at);
        at = NULL;
        if (suitable || more <= 0)
            break;
        at = pg_connect_among(settings, false, &hosts, &ignored);
        more = at ? pg_hosts_others(&hosts, at, &ignored) : 0;
    }
    if (found != first)
        PQfinish(first);
    pg_hosts_free(&hosts);
    return found;
}

PGconn *pg_connect_beside(const struct pg_settings *settings, const PGconn *beside, bool *full, struct cdc_error *error)
{
    struct outcome outcome;
    PGconn *connection = open_prepared(settings, false, beside, NULL, &outcome, error);
    if (full)
        *full = outcome.full || outcome.closed;
    return connection;
}

bool pg_is_standby(const PGconn *connection)
{
    const char *standby = PQparameterStatus(connection, "in_hot_standby");
    return standby && strcmp(standby, "on") == 0;
}
