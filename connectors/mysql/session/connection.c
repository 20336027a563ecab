/* SPDX-License-Identifier: MIT */
/* Connections, and statements on them. */
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/session/url.h"

#include <errmsg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_SECONDS 10
#define READ_SECONDS 60 /* a dump has heartbeats every second: silence means that the server is gone */

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
    /* The library must not reconnect by itself: the new session would lack the variables, the transaction and the
     * locks of the old one, and nobody would know. */
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

/* MySQL from 8.0.30 on may be told not to show the primary keys that it makes, which the log has all the same. MariaDB and
 * older releases take what it says of that for a comment. */
static const char setup[] = "SET SESSION time_zone = '+00:00', sql_mode = '', wait_timeout = 86400"
                            "/*!80030 , show_gipk_in_create_table_and_information_schema = ON */";

static MYSQL *connect_to(const struct my_session_settings *settings, const struct my_url *url, struct cdc_error *error)
{
    MYSQL *mysql = NULL;
    enum tls tls = first_tls(url);
    if (check_mode(url, error) < 0)
        return NULL;
    while (!mysql && !error->status)
        mysql = login(settings, url, &tls, error);
    /* UTC, since TIMESTAMP values are printed in the session's zone and logged in UTC; no sql_mode, or ANSI_QUOTES
     * and NO_BACKSLASH_ESCAPES would change what our statements mean. */
    if (!mysql || (check_tls(mysql, url, error) == 0 &&
                   my_session_execute(mysql, setup, "cannot set up the session", error) == 0))
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

void my_session_append_literal(struct cdc_buf *out, MYSQL *mysql, const char *text)
{
    size_t n = strlen(text);
    cdc_buf_byte(out, '\'');
    /* At worst each byte gets a backslash, and a NUL follows. */
    if (cdc_buf_room(out, 2 * n + 1))
        out->len += mysql_real_escape_string(mysql, out->data + out->len, text, n);
    cdc_buf_byte(out, '\'');
}

void my_session_append_table(struct cdc_buf *out, const char *db, const char *table)
{
    my_session_append_identifier(out, db);
    cdc_buf_byte(out, '.');
    my_session_append_identifier(out, table);
}
