/* SPDX-License-Identifier: MIT */
/* Connections to PostgreSQL, and what its errors mean to us. */
#include "connectors/postgres/postgres.h"

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

/* libpq's own words may quote a piece of the URL, and with it of the password: they are
 * repeated only where there is none. */
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
    /* An @ or letters where none belong are the rest of a password that was not encoded.
     */
    const char *host = option_value(*options, "host"), *port = option_value(*options, "port");
    const char *database = option_value(*options, "dbname");
    if ((host && strchr(host, '@')) || (port && port[strspn(port, "0123456789,")]) ||
        (database && strchr(database, '@') && !option_value(*options, "user")))
        result = url_error(url, NULL, error);
    return result;
}

struct parameters {
    const char *keyword[16], *value[16];
    size_t n;
};

static void add_parameter(struct parameters *parameters, const char *keyword, const char *value)
{
    parameters->keyword[parameters->n] = keyword;
    parameters->value[parameters->n++] = value;
}

/* Whatever stands before the URL is a default that it overrides; what stands behind it is
 * ours. */
static void fill_parameters(struct parameters *p, const struct pg_settings *settings, bool replication)
{
    static const char *const defaults[][2] = {{"keepalives_idle", "10"},
                                              {"keepalives_interval", "5"},
                                              {"keepalives_count", "3"},
                                              {"tcp_user_timeout", "30000"}};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        add_parameter(p, defaults[i][0], defaults[i][1]);
    add_parameter(p, "fallback_application_name", settings->tool);
    if (settings->url && *settings->url)
        add_parameter(p, "dbname", settings->url);
    add_parameter(p, "client_encoding", "UTF8");
    if (replication)
        add_parameter(p, "replication", "database");
    add_parameter(p, NULL, NULL);
}

/* The verbose form of a server's message carries "SEVERITY:  SQLSTATE: text" whatever
 * the language; libpq offers no other way to the state of a failed connection. */
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

/* One line, without the state, the place in the server's source and the last line break.
 */
static void clean_message(struct cdc_buf *out, const char *message, size_t n)
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

static int status_of_sqlstate(const char *state)
{
    static const struct {
        const char *prefix;
        int status;
    } map[] = {{"28", CDC_EXIT_PERMISSION},     {"42501", CDC_EXIT_PERMISSION}, {"08P01", CDC_EXIT_PROTOCOL},
               {"08", CDC_EXIT_UNAVAILABLE},    {"57P0", CDC_EXIT_UNAVAILABLE}, {"57014", CDC_EXIT_TEMPORARY},
               {"53400", CDC_EXIT_CONFIG},      {"53", CDC_EXIT_UNAVAILABLE},   {"55006", CDC_EXIT_UNAVAILABLE},
               {"55P03", CDC_EXIT_UNAVAILABLE}, {"40", CDC_EXIT_UNAVAILABLE},   {"XX", CDC_EXIT_PROTOCOL},
               {"58", CDC_EXIT_PROTOCOL},       {"P0", CDC_EXIT_PROTOCOL}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (strncmp(state, map[i].prefix, strlen(map[i].prefix)) == 0)
            return map[i].status;
    return CDC_EXIT_CONFIG;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int connect_error(PGconn *connection, struct cdc_error *error)
{
    const char *message = PQerrorMessage(connection);
    char state[6] = "";
    const char *at = find_sqlstate(message, state);
    int status = at ? status_of_sqlstate(state) : CDC_EXIT_UNAVAILABLE;
    if (!at && PQconnectionNeedsPassword(connection))
        status = CDC_EXIT_PERMISSION;
    if (!at && (starts_with(message, "invalid ") || starts_with(message, "definition of service")))
        status = CDC_EXIT_CONFIG;
    struct cdc_buf text = CDC_BUF_INIT;
    if (at) { /* "host …: FATAL:  28P01: text": what stands before and behind the state */
        clean_message(&text, message, (size_t)(at - message) + 1);
        cdc_buf_byte(&text, ' ');
        clean_message(&text, at + 10, strlen(at + 10));
    } else {
        clean_message(&text, message, strlen(message));
    }
    cdc_buf_byte(&text, '\0');
    cdc_error_set(error, status, "cannot connect: %s", text.failed ? "out of memory" : text.data);
    cdc_buf_free(&text);
    if (strcmp(state, "3D000") == 0)
        cdc_error_hint(error, "name an existing database at the end of the URL");
    else if (strcmp(state, "42501") == 0)
        cdc_error_hint(error, "ALTER ROLE \"%s\" REPLICATION;", PQuser(connection));
    else if (status == CDC_EXIT_PERMISSION)
        cdc_error_hint(error, "check user and password (PGPASSWORD, ~/.pgpass) and the server's "
                              "pg_hba.conf");
    return -1;
}

static int connect_timeout_ms(const PQconninfoOption *url, const PQconninfoOption *env)
{
    const char *seconds = user_value(url, env, "connect_timeout");
    const char *host = user_value(url, env, "host");
    long n = seconds ? strtol(seconds, NULL, 10) : CONNECT_SECONDS;
    long hosts = 1;
    if (n <= 0 || n > 3600)
        n = seconds && n <= 0 ? 3600 : CONNECT_SECONDS;
    for (; host && *host; host++)
        hosts += *host == ',';
    return (int)(n * (hosts > 100 ? 100 : hosts) * 1000);
}

/* Drives a connection that was begun; asynchronously, so that the server's messages come
 * in their verbose form and a signal ends the wait. */
static int wait_connected(PGconn *connection, const struct pg_settings *settings, int timeout_ms,
                          struct cdc_error *error)
{
    int64_t deadline = cdc_clock_ms() + timeout_ms;
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED)
            return connect_error(connection, error);
        int64_t left = deadline - cdc_clock_ms();
        if (left <= 0)
            return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "cannot connect: no answer from %s within %d s",
                                 PQhost(connection), timeout_ms / 1000);
        const struct cdc_control *control = settings->control;
        struct pollfd fds[2] = {{PQsocket(connection), want == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0},
                                {control ? control->wake_fd : -1, POLLIN, 0}};
        int n = poll(fds, 2, (int)left);
        if (control && control->stop)
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while connecting");
        if (n > 0 && fds[0].revents)
            want = PQconnectPoll(connection);
    }
    return 0;
}

/* The pins of PG_SESSION_OPTIONS as SET statements: unlike the startup option they leave
 * whatever options a URL, a service file or the environment brought, and win over ALTER
 * ROLE and ALTER DATABASE too. Besides: names that are always qualified; no timeout of a
 * role ends a long snapshot; row level security raises an error where it would leave out
 * rows; warnings come. */
static int pin_session(PGconn *connection, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    for (const char *p = PG_SESSION_OPTIONS; (p = strstr(p, "-c ")) != NULL;) {
        p += 3;
        size_t name = strcspn(p, "="), value = strcspn(p + name, " ");
        cdc_buf_printf(&sql, "SET %.*s = '%.*s';", (int)name, p, (int)value - 1, p + name + 1);
        p += name + value;
    }
    cdc_buf_lit(&sql, "SET search_path = ''; SET statement_timeout = 0; SET lock_timeout = 0;"
                      "SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0;"
                      "SET row_security = off; SET client_min_messages = warning");
    cdc_buf_byte(&sql, '\0');
    if (sql.failed) {
        cdc_buf_free(&sql);
        return cdc_error_memory(error);
    }
    PGresult *result = PQexec(connection, sql.data);
    int status = PQresultStatus(result) == PGRES_COMMAND_OK
                     ? 0
                     : pg_result_error(connection, result, "cannot prepare the session", error);
    PQclear(result);
    cdc_buf_free(&sql);
    return status;
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

PGconn *pg_connect(const struct pg_settings *settings, bool replication, struct cdc_error *error)
{
    PQconninfoOption *url = NULL, *env = PQconndefaults();
    struct parameters parameters = {.n = 0};
    PGconn *connection = NULL;
    int result = parse_url(settings->url ? settings->url : "", &url, error);
    if (result == 0) {
        fill_parameters(&parameters, settings, replication);
        connection = PQconnectStartParams(parameters.keyword, parameters.value, 1);
        if (!connection)
            result = cdc_error_memory(error);
    }
    if (result == 0) {
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
        PQsetNoticeReceiver(connection, ignore_notice, NULL);
        result = PQstatus(connection) == CONNECTION_BAD
                     ? connect_error(connection, error)
                     : wait_connected(connection, settings, connect_timeout_ms(url, env), error);
    }
    if (result == 0) {
        PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
        result = check_version(connection, error);
    }
    if (result == 0)
        result = pin_session(connection, error);
    PQconninfoFree(url);
    PQconninfoFree(env);
    if (result == 0)
        return connection;
    PQfinish(connection);
    return NULL;
}

int pg_result_error(PGconn *connection, const PGresult *result, const char *what, struct cdc_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    struct cdc_buf message = CDC_BUF_INIT;
    if (text) {
        clean_message(&message, text, strlen(text));
        const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
        if (detail) {
            cdc_buf_lit(&message, ": ");
            clean_message(&message, detail, strlen(detail));
        }
    } else {
        const char *own = PQerrorMessage(connection);
        clean_message(&message, own, strlen(own));
    }
    cdc_buf_byte(&message, '\0');
    /* Without a state the error is libpq's own: the connection broke (PQstatus may not
     * know yet). */
    int status = state ? status_of_sqlstate(state) : CDC_EXIT_UNAVAILABLE;
    cdc_error_set(error, status, "%s: %s", what, message.failed ? "out of memory" : message.data);
    const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
    if (hint)
        cdc_error_hint(error, "%s", hint);
    cdc_buf_free(&message);
    return -1;
}
