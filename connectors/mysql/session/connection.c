/* SPDX-License-Identifier: MIT */
/* URLs, connections and errors of the client library. */
#include "connectors/mysql/session/session.h"

#include <errmsg.h>
#include <errno.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_SECONDS 10
#define READ_SECONDS 60 /* heartbeats come every second: silence means that the server is gone */

/* -- URLs ----------------------------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %41 is A. RETURNS NEW; NULL without memory or with a damaged escape. */
static char *decode(const char *p, size_t n)
{
    char *text = malloc(n + 1), *to = text;
    for (size_t i = 0; text && i < n; i++) {
        if (p[i] != '%') {
            *to++ = p[i];
            continue;
        }
        int high = i + 2 < n ? hex(p[i + 1]) : -1, low = i + 2 < n ? hex(p[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            free(text);
            return NULL;
        }
        *to++ = (char)(high << 4 | low);
        i += 2;
    }
    if (text)
        *to = '\0';
    return text;
}

static int set(char **target, const char *p, size_t n, struct cdc_error *error)
{
    free(*target);
    *target = decode(p, n);
    return *target ? 0 : cdc_error_set(error, CDC_EXIT_USAGE, "the URL holds a damaged %% escape");
}

static int parse_port(struct my_url *url, const char *p, size_t n, struct cdc_error *error)
{
    unsigned port = 0;
    for (size_t i = 0; i < n && port < 65536; i++)
        port = p[i] >= '0' && p[i] <= '9' ? port * 10 + (unsigned)(p[i] - '0') : 65536;
    if (port == 0 || port > 65535)
        return cdc_error_set(error, CDC_EXIT_USAGE, "the URL's port is no number from 1 to 65535");
    url->port = port;
    return 0;
}

/* host, host:port, [::1]:port */
static int parse_host(struct my_url *url, const char *p, size_t n, struct cdc_error *error)
{
    const char *end = p + n, *colon;
    if (n > 0 && *p == '[') {
        const char *close = memchr(p, ']', n);
        if (!close)
            return cdc_error_set(error, CDC_EXIT_USAGE, "the URL's host has no closing bracket");
        if (set(&url->host, p + 1, (size_t)(close - p - 1), error) < 0)
            return -1;
        colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
    } else {
        colon = memchr(p, ':', n);
        size_t host = colon ? (size_t)(colon - p) : n;
        if (host > 0 && set(&url->host, p, host, error) < 0)
            return -1;
    }
    return colon ? parse_port(url, colon + 1, (size_t)(end - colon - 1), error) : 0;
}

static int parse_parameter(struct my_url *url, const char *p, size_t n, struct cdc_error *error)
{
    const struct {
        const char *name;
        char **target;
    } known[] = {
        {"socket", &url->socket},     {"ssl-mode", &url->ssl_mode}, {"ssl-ca", &url->ssl_ca},
        {"ssl-cert", &url->ssl_cert}, {"ssl-key", &url->ssl_key},   {"server-public-key-path", &url->public_key},
    };
    const char *equals = memchr(p, '=', n);
    size_t name = equals ? (size_t)(equals - p) : n;
    for (size_t i = 0; equals && i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == name && memcmp(p, known[i].name, name) == 0)
            return set(known[i].target, equals + 1, n - name - 1, error);
    cdc_error_set(error, CDC_EXIT_USAGE, "the URL's parameter \"%.*s\" is not known", (int)(name < 40 ? name : 40), p);
    return cdc_error_hint(error, "socket, ssl-mode, ssl-ca, ssl-cert, ssl-key, server-public-key-path are");
}

static int parse_parameters(struct my_url *url, const char *p, struct cdc_error *error)
{
    while (*p) {
        size_t n = strcspn(p, "&");
        if (n > 0 && parse_parameter(url, p, n, error) < 0)
            return -1;
        p += n + (p[n] == '&');
    }
    return 0;
}

static int parse_authority(struct my_url *url, const char *p, size_t n, struct cdc_error *error)
{
    const char *at = memrchr(p, '@', n);
    if (at) {
        size_t login = (size_t)(at - p);
        const char *colon = memchr(p, ':', login);
        size_t user = colon ? (size_t)(colon - p) : login;
        if ((user > 0 && set(&url->user, p, user, error) < 0) ||
            (colon && set(&url->password, colon + 1, login - user - 1, error) < 0))
            return -1;
        n -= login + 1;
        p = at + 1;
    }
    return parse_host(url, p, n, error);
}

int my_url_parse(struct my_url *url, const char *text, struct cdc_error *error)
{
    memset(url, 0, sizeof *url);
    if (!*text)
        return 0;
    const char *p = strncmp(text, "mysql://", 8) == 0      ? text + 8
                    : strncmp(text, "mariadb://", 10) == 0 ? text + 10
                                                           : NULL;
    if (!p) {
        cdc_error_set(error, CDC_EXIT_USAGE, "the URL does not begin with mysql:// or mariadb://");
        return cdc_error_hint(error, "mysql://user@host:3306/database");
    }
    size_t authority = strcspn(p, "/?");
    if (parse_authority(url, p, authority, error) < 0)
        return -1;
    p += authority;
    if (*p == '/') {
        size_t db = strcspn(++p, "?");
        if (db > 0 && set(&url->db, p, db, error) < 0)
            return -1;
        p += db;
    }
    return *p == '?' ? parse_parameters(url, p + 1, error) : 0;
}

void my_url_free(struct my_url *url)
{
    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    char *all[] = {url->user,     url->password, url->host,     url->db,      url->socket,
                   url->ssl_mode, url->ssl_ca,   url->ssl_cert, url->ssl_key, url->public_key};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    memset(url, 0, sizeof *url);
}

/* -- errors ------------------------------------------------------------------------------ */

/* 1236 stands for everything that a dump can meet; the text tells what. */
static int dump_error(const char *text, const char *what, struct cdc_error *error)
{
    if (strstr(text, "server_uuid/server_id") || strstr(text, "same server")) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: another reader of the log has our server id: %s", what, text);
        return cdc_error_hint(error, "is this pipeline running twice? Else give one of them its own --server-id");
    }
    cdc_error_set(error, CDC_EXIT_LOST, "%s: %s", what, text);
    return cdc_error_hint(error, "the position is not in the server's log any more: take a new snapshot");
}

static int status_of(unsigned number)
{
    switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case 1698: /* access denied by a plugin */
    case 3118: /* account locked */ return CDC_EXIT_PERMISSION;
    case ER_BAD_DB_ERROR: return CDC_EXIT_CONFIG;
    case ER_CON_COUNT_ERROR:
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case 1927: /* connection killed */
    case ER_QUERY_INTERRUPTED:
    case ER_LOCK_WAIT_TIMEOUT: return CDC_EXIT_UNAVAILABLE;
    default:
        return number == 0 || (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) ? CDC_EXIT_UNAVAILABLE
                                                                                 : CDC_EXIT_PROTOCOL;
    }
}

/* A certificate that is refused is refused the next time, too; a handshake that was cut may succeed. */
static bool is_about_certificates(unsigned number, const char *text)
{
    return number == CR_SSL_CONNECTION_ERROR && (strcasestr(text, "certificate") || strcasestr(text, "verif") ||
                                                 strcasestr(text, "no such file") || strcasestr(text, "private key"));
}

int my_session_error_of(unsigned number, const char *text, const char *what, struct cdc_error *error)
{
    if (is_about_certificates(number, text)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", what, text);
        return cdc_error_hint(error,
                              "ssl-ca names the authority that signed the server's certificate, which must be "
                              "made out to the host that is connected to; ssl-cert and ssl-key are the client's");
    }
    if (number == ER_MASTER_FATAL_ERROR_READING_BINLOG)
        return dump_error(text, what, error);
    if (number == 4052) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: another reader of the log has our server id", what);
        return cdc_error_hint(error, "is this pipeline running twice? Else give one of them its own --server-id");
    }
    return cdc_error_set(error, status_of(number), "%s: %s", what, text[0] ? text : "the connection was closed");
}

int my_session_error(MYSQL *mysql, const char *what, struct cdc_error *error)
{
    return my_session_error_of(mysql_errno(mysql), mysql_error(mysql), what, error);
}

/* -- connecting ---------------------------------------------------------------------------- */

static bool is_mode(const struct my_url *url, const char *mode)
{
    return strcasecmp(url->ssl_mode ? url->ssl_mode : "PREFERRED", mode) == 0;
}

enum tls { TLS_OFF, TLS_ON, TLS_VERIFIED };

/* The library asks for TLS where it is told to, and goes on without it where the server has none; but then it hands out the
 * password as it is (caching_sha2_password, up to 3.3.20 at least), unless the certificate was to be verified. So that is
 * tried first, whatever is asked for: it fails before anything secret is sent. */
static enum tls first_tls(const struct my_url *url)
{
    return is_mode(url, "DISABLED") ? TLS_OFF : TLS_VERIFIED;
}

/* What to try after that; false: nothing else. */
static bool next_tls(const struct my_url *url, unsigned number, const char *text, enum tls *tls)
{
    bool preferred = is_mode(url, "PREFERRED"), has_none = strstr(text, "not support") != NULL;
    if (*tls != TLS_VERIFIED || number != CR_SSL_CONNECTION_ERROR || (!preferred && !is_mode(url, "REQUIRED")) ||
        (has_none && !preferred))
        return false;
    *tls = has_none ? TLS_OFF : TLS_ON;
    return true;
}

static int check_mode(const struct my_url *url, struct cdc_error *error)
{
    static const char *const modes[] = {"DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (is_mode(url, modes[i]))
            return 0;
    return cdc_error_set(error, CDC_EXIT_USAGE,
                         "ssl-mode is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY");
}

static void tls_options(MYSQL *mysql, const struct my_url *url, enum tls tls)
{
    my_bool ask = tls != TLS_OFF, check = tls == TLS_VERIFIED;
    if (ask && (url->ssl_ca || url->ssl_cert || url->ssl_key))
        mysql_ssl_set(mysql, url->ssl_key, url->ssl_cert, url->ssl_ca, NULL, NULL);
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &ask);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &check);
    if (url->public_key)
        mysql_options(mysql, MYSQL_SERVER_PUBLIC_KEY, url->public_key);
}

static int check_tls(MYSQL *mysql, const struct my_url *url, struct cdc_error *error)
{
    if (is_mode(url, "PREFERRED") || is_mode(url, "DISABLED") || mysql_get_ssl_cipher(mysql))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the connection is not encrypted, and ssl-mode asks for it");
    return cdc_error_hint(error, "set up TLS at the server, or say ssl-mode=PREFERRED");
}

static void plain_options(MYSQL *mysql, const struct my_session_settings *settings)
{
    unsigned connect = CONNECT_SECONDS, wait = READ_SECONDS;
    my_bool reconnect = 0;
    if (settings->defaults_file)
        mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, settings->defaults_file);
    mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, settings->tool);
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &wait);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &wait);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &reconnect);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", settings->tool);
}

static int login_error(MYSQL *mysql, const struct my_url *url, struct cdc_error *error)
{
    char what[200];
    snprintf(what, sizeof what, "unable to connect to %.120s",
             url->host     ? url->host
             : url->socket ? url->socket
                           : "the server");
    if (mysql_errno(mysql) == CR_SSL_CONNECTION_ERROR && strstr(mysql_error(mysql), "not support")) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", what, mysql_error(mysql));
        return cdc_error_hint(error, "set up TLS at the server, or say ssl-mode=PREFERRED");
    }
    return my_session_error(mysql, what, error);
}

/* RETURNS NEW; NULL with *error, or without it when *tls is to be tried. */
static MYSQL *login(const struct my_session_settings *settings, const struct my_url *url, enum tls *tls,
                    struct cdc_error *error)
{
    const char *password = url->password ? url->password : settings->password;
    MYSQL *mysql = mysql_init(NULL);
    if (!mysql) {
        cdc_error_memory(error);
        return NULL;
    }
    plain_options(mysql, settings);
    tls_options(mysql, url, *tls);
    if (mysql_real_connect(mysql, url->host, url->user, password, url->db, url->port, url->socket, 0))
        return mysql;
    if (!next_tls(url, mysql_errno(mysql), mysql_error(mysql), tls))
        login_error(mysql, url, error);
    mysql_close(mysql);
    return NULL;
}

static MYSQL *connect_to(const struct my_session_settings *settings, const struct my_url *url, struct cdc_error *error)
{
    MYSQL *mysql = NULL;
    enum tls tls = first_tls(url);
    if (check_mode(url, error) < 0)
        return NULL;
    while (!mysql && !error->status)
        mysql = login(settings, url, &tls, error);
    if (!mysql || (check_tls(mysql, url, error) == 0 &&
                   my_session_execute(mysql, "SET SESSION time_zone = '+00:00', sql_mode = '', wait_timeout = 86400",
                                      "cannot set up the session", error) == 0))
        return mysql;
    mysql_close(mysql);
    return NULL;
}

MYSQL *my_session_connect(const struct my_session_settings *settings, struct cdc_error *error)
{
    struct my_url url;
    if (settings->defaults_file && access(settings->defaults_file, R_OK) != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "unable to read option file %s: %s", settings->defaults_file,
                      strerror(errno));
        return NULL;
    }
    MYSQL *mysql = my_url_parse(&url, settings->url, error) == 0 ? connect_to(settings, &url, error) : NULL;
    my_url_free(&url);
    return mysql;
}

MYSQL_RES *my_session_query(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    if (mysql_query(mysql, sql) != 0) {
        my_session_error(mysql, what, error);
        return NULL;
    }
    MYSQL_RES *result = mysql_store_result(mysql);
    if (!result && mysql_errno(mysql) != 0)
        my_session_error(mysql, what, error);
    return result;
}

int my_session_execute(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    if (mysql_query(mysql, sql) != 0)
        return my_session_error(mysql, what, error);
    MYSQL_RES *result = mysql_store_result(mysql);
    mysql_free_result(result);
    return 0;
}

char *my_session_value(MYSQL *mysql, const char *sql, const char *what, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(mysql, sql, what, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    char *value = row && row[0] ? strdup(row[0]) : NULL;
    mysql_free_result(result);
    return value;
}

void my_session_append_identifier(struct cdc_buf *out, const char *name)
{
    cdc_buf_byte(out, '`');
    for (; *name; name++) {
        if (*name == '`')
            cdc_buf_byte(out, '`');
        cdc_buf_byte(out, *name);
    }
    cdc_buf_byte(out, '`');
}

void my_session_append_table(struct cdc_buf *out, const char *db, const char *table)
{
    my_session_append_identifier(out, db);
    cdc_buf_byte(out, '.');
    my_session_append_identifier(out, table);
}
