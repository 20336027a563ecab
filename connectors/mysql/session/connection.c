/* SPDX-License-Identifier: MIT */
/* Connections: what the URL and the option files ask for, and how far a server is trusted with the password. */
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/session/url.h"
#include "connectors/mysql/session/wait.h"

#include <errmsg.h>
#include <errno.h>
#include <stdatomic.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECT_SECONDS 10
#define READ_SECONDS 60 /* a dump has heartbeats every second: silence means that the server is gone */
#define DEFAULT_PORT 3306

/* -- TLS ------------------------------------------------------------------------------------ */

enum mode { MODE_DISABLED, MODE_PREFERRED, MODE_REQUIRED, MODE_VERIFIED };

/* What is tried: without TLS; where the server has it, and with nothing that gives the password away where it has not;
 * with any certificate; with one that can be verified. */
enum tls { TLS_OFF, TLS_SCRAMBLE, TLS_ON, TLS_VERIFIED };

/* The server wants a password that a scramble does not prove (MySQL's caching_sha2_password): the next connection of this
 * process does not offer one first. */
static atomic_bool scramble_refused;

static int read_mode(const struct my_url *url, enum mode *mode, struct cdc_error *error)
{
    static const struct {
        const char *name;
        enum mode mode;
    } modes[] = {{"DISABLED", MODE_DISABLED},
                 {"PREFERRED", MODE_PREFERRED},
                 {"REQUIRED", MODE_REQUIRED},
                 {"VERIFY_CA", MODE_VERIFIED},
                 {"VERIFY_IDENTITY", MODE_VERIFIED}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcasecmp(url->ssl_mode ? url->ssl_mode : "PREFERRED", modes[i].name) == 0) {
            *mode = modes[i].mode;
            return 0;
        }
    return cdc_error_set(error, CDC_EXIT_USAGE,
                         "ssl-mode is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY");
}

/* An option file may ask for more than the URL does, never for less: its ssl-verify-server-cert=1 turns PREFERRED and
 * REQUIRED into VERIFY_IDENTITY, its ssl-enforce PREFERRED into REQUIRED. DISABLED is what the URL says itself. */
static enum mode strengthen(enum mode mode, MYSQL *mysql)
{
    my_bool enforce = 0, verify = 0;
    mysql_get_option(mysql, MYSQL_OPT_SSL_ENFORCE, &enforce);
    mysql_get_option(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (mode == MODE_DISABLED)
        return mode;
    return verify ? MODE_VERIFIED : enforce && mode == MODE_PREFERRED ? MODE_REQUIRED : mode;
}

/* The library asks for TLS where it is told to, and goes on without it where the server has none; but then it hands out the
 * password as it is (caching_sha2_password, up to 3.3.20 at least), unless the certificate was to be verified. So PREFERRED
 * offers at first only what no stranger can use, which is all that MariaDB asks for by default: one connection, whatever TLS
 * the server has. Otherwise it is tried with verification, whatever is asked for: that fails before anything secret is sent,
 * but a server without TLS, or with a certificate of its own, notes a broken handshake. */
static enum tls first_tls(enum mode mode)
{
    if (mode == MODE_DISABLED)
        return TLS_OFF;
    return mode == MODE_PREFERRED && !atomic_load(&scramble_refused) ? TLS_SCRAMBLE : TLS_VERIFIED;
}

/* What to try after that failed; false: nothing. */
static bool next_tls(enum mode mode, unsigned number, const char *text, enum tls *tls)
{
    bool has_none = strstr(text, "not support") != NULL;
    if (*tls == TLS_SCRAMBLE && number == CR_PLUGIN_NOT_ALLOWED) {
        atomic_store(&scramble_refused, true);
        *tls = TLS_VERIFIED;
        return true;
    }
    if (*tls != TLS_VERIFIED || number != CR_SSL_CONNECTION_ERROR || mode == MODE_VERIFIED ||
        (has_none && mode != MODE_PREFERRED))
        return false;
    *tls = has_none ? TLS_OFF : TLS_ON;
    return true;
}

static int check_tls(MYSQL *mysql, enum mode mode, struct cdc_error *error)
{
    if (mode == MODE_PREFERRED || mode == MODE_DISABLED || mysql_get_ssl_cipher(mysql))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the connection is not encrypted, and ssl-mode asks for it");
    return cdc_error_hint(error, "set up TLS at the server, or say ssl-mode=PREFERRED");
}

/* After the option files: what the URL says wins. A CA of the URL is the only one that counts, and where it asks for a
 * certificate that can be verified no fingerprint takes the place of that. */
static void certificate_options(MYSQL *mysql, const struct my_url *url, bool verified)
{
    if (url->ssl_ca) {
        mysql_options(mysql, MYSQL_OPT_SSL_CA, url->ssl_ca);
        mysql_options(mysql, MYSQL_OPT_SSL_CAPATH, NULL);
    }
    if (url->ssl_cert || url->ssl_key) {
        mysql_options(mysql, MYSQL_OPT_SSL_CERT, url->ssl_cert);
        mysql_options(mysql, MYSQL_OPT_SSL_KEY, url->ssl_key);
    }
    if (verified && url->ssl_mode) {
        mysql_options(mysql, MARIADB_OPT_TLS_PEER_FP, NULL);
        mysql_options(mysql, MARIADB_OPT_TLS_PEER_FP_LIST, NULL);
    }
}

/* The library turns TLS on for each of these. */
static void no_certificates(MYSQL *mysql)
{
    static const enum mysql_option all[] = {
        MYSQL_OPT_SSL_CA,     MYSQL_OPT_SSL_CAPATH,    MYSQL_OPT_SSL_CERT,
        MYSQL_OPT_SSL_KEY,    MYSQL_OPT_SSL_CRL,       MYSQL_OPT_SSL_CRLPATH,
        MYSQL_OPT_SSL_CIPHER, MARIADB_OPT_TLS_PEER_FP, MARIADB_OPT_TLS_PEER_FP_LIST};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mysql_options(mysql, all[i], NULL);
}

static void tls_options(MYSQL *mysql, const struct my_url *url, enum mode mode, enum tls tls)
{
    my_bool ask = tls != TLS_OFF, check = tls == TLS_VERIFIED;
    if (ask)
        certificate_options(mysql, url, mode == MODE_VERIFIED);
    else
        no_certificates(mysql);
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &ask);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &check);
}

/* -- the password --------------------------------------------------------------------------------
 * Without TLS whoever answers may be anybody, and it is the server that chooses how the password is proved. So only what
 * keeps it secret is taken then: plugins that send a scramble, and those that wrap it in the server's RSA key where that key
 * is at hand, or the URL trusts the one that comes over the wire. */

static bool is_unix_socket(const MYSQL *mysql, const struct my_url *url)
{
    const char *host = url->host ? url->host : mysql->options.host;
    return (!host || !*host || strcmp(host, "localhost") == 0) && mysql->options.protocol != MYSQL_PROTOCOL_TCP;
}

/* The library asks the wire for a key when it cannot read the file. */
static int check_key_file(const char *path, struct cdc_error *error)
{
    struct stat file;
    if (stat(path, &file) == 0 && S_ISREG(file.st_mode) && file.st_size > 0 && access(path, R_OK) == 0)
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "unable to read the server's public key %s", path);
}

static int password_options(MYSQL *mysql, const struct my_url *url, enum tls tls, struct cdc_error *error)
{
    static const char scrambles[] = "mysql_native_password,client_ed25519,parsec,auth_gssapi_client",
                      with_key[] = "mysql_native_password,client_ed25519,parsec,auth_gssapi_client,"
                                   "caching_sha2_password,sha256_password";
    const char *key = NULL;
    if (url->public_key)
        mysql_options(mysql, MYSQL_SERVER_PUBLIC_KEY, url->public_key);
    mysql_get_option(mysql, MYSQL_SERVER_PUBLIC_KEY, &key);
    if (key && !url->get_public_key && check_key_file(key, error) < 0)
        return -1;
    if (tls <= TLS_SCRAMBLE && !is_unix_socket(mysql, url))
        mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH,
                      tls == TLS_OFF && (key || url->get_public_key) ? with_key : scrambles);
    return 0;
}

/* -- files ----------------------------------------------------------------------------------------- */

/* LOAD DATA LOCAL INFILE: a server may answer any statement with the name of a file that it wants to have. Never. */
static int refuse_file(void **handle, const char *name, void *context)
{
    (void)name, (void)context;
    *handle = NULL;
    return 1;
}
static int read_no_file(void *handle, char *data, unsigned n)
{
    (void)handle, (void)data, (void)n;
    return -1;
}
static void end_no_file(void *handle)
{
    (void)handle;
}
static int say_no_file(void *handle, char *text, unsigned n)
{
    (void)handle;
    snprintf(text, n, "the server asks for a file of this machine");
    return CR_UNKNOWN_ERROR;
}

static void refuse_files(MYSQL *mysql)
{
    unsigned no = 0;
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_set_local_infile_handler(mysql, refuse_file, read_no_file, end_no_file, say_no_file, NULL);
}

/* -- connecting ---------------------------------------------------------------------------- */

/* What option files may change. */
static void default_options(MYSQL *mysql, const struct my_session_settings *settings)
{
    unsigned connect = CONNECT_SECONDS, wait = READ_SECONDS;
    my_bool no = 0;
    if (settings->defaults_file)
        mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, settings->defaults_file);
    mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, settings->tool);
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &wait);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &wait);
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &no); /* what is on afterwards, a file has asked for */
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &no);
}

/* The library reads the option files first of all in mysql_real_connect, and what they say wins over what was set before.
 * So it is called twice: here with an empty list of hosts, at which it gives up once the files are read. */
static int read_option_files(MYSQL *mysql, struct cdc_error *error)
{
    const char *group = NULL;
    if (mysql_real_connect(mysql, ",", NULL, "", NULL, 0, NULL, CLIENT_REMEMBER_OPTIONS) ||
        (mysql_get_option(mysql, MYSQL_READ_DEFAULT_GROUP, &group), group))
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "this libmariadb does not read option files when it should");
    return 0;
}

/* What nobody may change. */
static void fixed_options(MYSQL *mysql, const struct my_session_settings *settings)
{
    /* The library must not reconnect by itself: the new session would lack the variables, the transaction and the
     * locks of the old one, and nobody would know. */
    my_bool reconnect = 0;
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &reconnect);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", settings->tool);
    refuse_files(mysql);
    my_wait_options(mysql);
}

/* "unable to connect to 10.0.0.7:3307", or to the socket: from the URL, or the option file, or where the library looks. */
static void name_peer(MYSQL *mysql, const struct my_url *url, char *what, size_t size)
{
    const char *host = url->host ? url->host : mysql->options.host;
    const char *socket = url->socket ? url->socket : mysql->options.unix_socket;
    unsigned port = url->port ? url->port : mysql->options.port;
    bool brackets = host && strchr(host, ':');
    if (is_unix_socket(mysql, url))
        snprintf(what, size, "unable to connect to %.150s", socket ? socket : "the server's socket");
    else
        snprintf(what, size, "unable to connect to %s%.150s%s:%u", brackets ? "[" : "", host ? host : "localhost",
                 brackets ? "]" : "", port ? port : DEFAULT_PORT);
}

static int login_error(MYSQL *mysql, const struct my_url *url, struct cdc_error *error)
{
    char what[200];
    unsigned number = mysql_errno(mysql);
    name_peer(mysql, url, what, sizeof what);
    if (number == CR_SSL_CONNECTION_ERROR && strstr(mysql_error(mysql), "not support")) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", what, mysql_error(mysql));
        return cdc_error_hint(error, "set up TLS at the server, or say ssl-mode=PREFERRED");
    }
    if (number == CR_PLUGIN_NOT_ALLOWED) {
        /* The library's text names another plugin than the one asked for. */
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "%s: the server asks for the password in a way that would give it away without TLS", what);
        return cdc_error_hint(error, "set up TLS at the server; or for caching_sha2_password say "
                                     "server-public-key-path=FILE, or get-server-public-key=true where nobody "
                                     "can come between");
    }
    (void)my_session_error(mysql, what, error);
    if (number == ER_BAD_DB_ERROR)
        return cdc_error_hint(error, "name an existing database at the end of the URL; if it was dropped, and a "
                                     "pipeline is to tell its sinks so, CREATE DATABASE it again, empty, and start "
                                     "the same line");
    if (number == ER_ACCESS_DENIED_ERROR)
        return cdc_error_hint(error, "correct user and password: in the URL, an option file, or MYSQL_PWD");
    return -1;
}

struct attempt {
    enum mode mode;
    enum tls tls;
    bool begun; /* tls is what to try, and not the first */
};

static int prepare(MYSQL *mysql, const struct my_session_settings *settings, const struct my_url *url,
                   struct attempt *attempt, struct cdc_error *error)
{
    default_options(mysql, settings);
    if (read_mode(url, &attempt->mode, error) < 0 || read_option_files(mysql, error) < 0)
        return -1;
    attempt->mode = strengthen(attempt->mode, mysql);
    if (!attempt->begun)
        attempt->tls = first_tls(attempt->mode);
    attempt->begun = true;
    fixed_options(mysql, settings);
    tls_options(mysql, url, attempt->mode, attempt->tls);
    return password_options(mysql, url, attempt->tls, error);
}

static int look_up(MYSQL *mysql, const struct my_url *url, struct cdc_error *error)
{
    if (url->socket || is_unix_socket(mysql, url))
        return 0;
    return my_wait_lookup(url->host ? url->host : mysql->options.host, error);
}

/* RETURNS NEW; NULL with *error, or without it when attempt says what is to be tried next. */
static MYSQL *login(const struct my_session_settings *settings, const struct my_url *url, struct attempt *attempt,
                    struct cdc_error *error)
{
    const char *password = url->password ? url->password : settings->password;
    MYSQL *mysql = mysql_init(NULL);
    if (!mysql) {
        cdc_error_memory(error);
        return NULL;
    }
    if (prepare(mysql, settings, url, attempt, error) == 0 && look_up(mysql, url, error) == 0) {
        if (mysql_real_connect(mysql, url->host, url->user, password, url->db, url->port, url->socket, 0))
            return mysql;
        if (!next_tls(attempt->mode, mysql_errno(mysql), mysql_error(mysql), &attempt->tls))
            login_error(mysql, url, error);
    }
    mysql_close(mysql);
    return NULL;
}

/* Settings of the server's and its init_connect are those of new sessions; none of them may change what our statements mean,
 * what they find, or the bytes of an answer:
 *     time_zone               TIMESTAMP values are printed in the session's zone, and logged in UTC
 *     sql_mode                ANSI_QUOTES and NO_BACKSLASH_ESCAPES: quotes would be others
 *     character_set_*         names with other than ASCII characters: init_connect = 'SET NAMES latin1', or a server that
 *                             does not take the client's charset (skip-character-set-client-handshake)
 *     sql_select_limit        an answer would be truncated without a word
 *     max_statement_time      (MariaDB; MySQL: max_execution_time) a long answer would be an error
 *     autocommit              a question would see what was there at the first one
 *     completion_type         RELEASE: COMMIT and ROLLBACK would end the session
 *     system_versioning_asof  (MariaDB 10.3) tables with versions would be as they were then
 *     show_gipk_...           (MySQL 8.0.30) the log has the primary keys that it makes all the same
 * Both read comments of their own versions only. */
static const char setup[] =
    "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, SESSION time_zone = '+00:00', SESSION sql_mode = '', "
    "SESSION wait_timeout = 86400, SESSION autocommit = 1, SESSION completion_type = 'NO_CHAIN', "
    "SESSION sql_big_selects = 1, SESSION sql_select_limit = 18446744073709551615"
    "/*M!100101 , SESSION max_statement_time = 0*//*M!100304 , SESSION system_versioning_asof = DEFAULT*/"
    "/*!50708 , SESSION max_execution_time = 0*/"
    "/*!80030 , SESSION show_gipk_in_create_table_and_information_schema = ON*/";

static MYSQL *connect_to(const struct my_session_settings *settings, const struct my_url *url, struct cdc_error *error)
{
    MYSQL *mysql = NULL;
    struct attempt attempt = {.begun = false};
    while (!mysql && !error->status)
        mysql = login(settings, url, &attempt, error);
    if (!mysql || (check_tls(mysql, attempt.mode, error) == 0 &&
                   my_session_execute(mysql, setup, "cannot set up the session", error) == 0))
        return mysql;
    mysql_close(mysql);
    return NULL;
}

MYSQL *my_session_connect(const struct my_session_settings *settings, struct cdc_error *error)
{
    struct my_url url;
    my_wait_obey(settings->control, settings->stop_at);
    if (settings->defaults_file && access(settings->defaults_file, R_OK) != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "unable to read option file %s: %s", settings->defaults_file,
                      strerror(errno));
        return NULL;
    }
    MYSQL *mysql = my_url_parse(&url, settings->url, error) == 0 ? connect_to(settings, &url, error) : NULL;
    my_url_free(&url);
    return mysql;
}

/* What the client library says of a server that did not: of names and sockets that it could not make itself it says other things. */
static bool is_silence(unsigned number)
{
    return number == CR_CONNECTION_ERROR || number == CR_CONN_HOST_ERROR || number == CR_SERVER_GONE_ERROR ||
           number == CR_SERVER_LOST || number == CR_SERVER_LOST_EXTENDED;
}

bool my_session_answers(const struct my_session_settings *settings)
{
    struct my_url url;
    struct attempt attempt = {.begun = false};
    struct cdc_error ignored = {0};
    bool answers = true;
    MYSQL *mysql = mysql_init(NULL);
    if (mysql && my_url_parse(&url, settings->url, &ignored) == 0) {
        const char *password = url.password ? url.password : settings->password;
        if (prepare(mysql, settings, &url, &attempt, &ignored) == 0 && look_up(mysql, &url, &ignored) == 0 &&
            !mysql_real_connect(mysql, url.host, url.user, password, url.db, url.port, url.socket, 0))
            answers = !is_silence(mysql_errno(mysql));
        my_url_free(&url);
    }
    if (mysql)
        mysql_close(mysql);
    return answers;
}
