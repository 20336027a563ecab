/* SPDX-License-Identifier: MIT */
/* What the server is, whether its log can be read, and where it begins and ends. */
#include "connectors/mysql/session/server.h"
#include "connectors/mysql/session/session.h"

#include <cdc/hash.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENCRYPTION_HEADER = 512 };

static unsigned version_number(const char *text)
{
    unsigned major = 0, minor = 0, patch = 0;
    sscanf(text, "%u.%u.%u", &major, &minor, &patch);
    return major * 10000 + minor * 100 + patch;
}

char *my_server_variable(MYSQL *mysql, const char *name, struct cdc_error *error)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SHOW GLOBAL VARIABLES LIKE '%s'", name);
    MYSQL_RES *result = my_session_query(mysql, sql, "cannot read the server's settings", error);
    if (!result)
        return NULL;
    MYSQL_ROW row = mysql_fetch_row(result);
    char *value = strdup(row && row[1] ? row[1] : "");
    mysql_free_result(result);
    if (!value)
        cdc_error_memory(error);
    return value;
}

/* 1 when the variable has that value, 0 when not, -1 on errors. */
static int variable_is(MYSQL *mysql, const char *name, const char *expected, struct cdc_error *error)
{
    char *value = my_server_variable(mysql, name, error);
    int result = value ? strcasecmp(value, expected) == 0 : -1;
    free(value);
    return result;
}

/* MariaDB's version can be set to any text (some set it to MySQL's for old clients), so a variable tells that only
 * MariaDB has. */
int my_server_flavor(MYSQL *mysql, enum my_flavor *flavor, struct cdc_error *error)
{
    char *domain = my_server_variable(mysql, "gtid_domain_id", error);
    if (!domain)
        return -1;
    *flavor = *domain ? MY_FLAVOR_MARIADB : MY_FLAVOR_MYSQL;
    free(domain);
    return 0;
}

static int read_version(MYSQL *mysql, struct my_server *server, struct cdc_error *error)
{
    char *version = my_session_value(mysql, "SELECT VERSION()", "cannot ask for the server's version", error);
    if (!version)
        return error->status ? -1 : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server tells no version");
    server->version = version_number(version);
    free(version);
    return my_server_flavor(mysql, &server->flavor, error);
}

static int check_log(MYSQL *mysql, struct cdc_error *error)
{
    int on = variable_is(mysql, "log_bin", "ON", error);
    if (on < 0)
        return -1;
    if (!on) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "the server writes no binary log");
        return cdc_error_hint(error, "put log_bin and server_id into its configuration, [mysqld], and start it again");
    }
    int row = variable_is(mysql, "binlog_format", "ROW", error);
    if (row == 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "the server's binlog_format is not ROW");
        return cdc_error_hint(error,
                              "SET GLOBAL binlog_format = ROW; and in its configuration; sessions must reconnect");
    }
    return row < 0 ? -1 : 0;
}

char *my_server_name(MYSQL *mysql, enum my_flavor flavor, struct cdc_error *error)
{
    char *name = flavor == MY_FLAVOR_MYSQL
                     ? my_server_variable(mysql, "server_uuid", error)
                     : my_session_value(mysql, "SELECT CONCAT(@@server_id, '/', @@hostname, ':', @@port)",
                                        "cannot ask which server it is", error);
    if (name && *name)
        return name;
    free(name);
    if (!error->status)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server does not tell which it is");
    return NULL;
}

int my_server_check_name(MYSQL *mysql, enum my_flavor flavor, const char *name, struct cdc_error *error)
{
    char *own = my_server_name(mysql, flavor, error);
    if (!own)
        return -1;
    int result = 0;
    if (strcmp(own, name) != 0) {
        cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "another server answers than a moment ago: %.120s instead of %.120s",
                      own, name);
        result =
            cdc_error_hint(error, "where the URL leads to several servers, name one of them, or have the balancer keep "
                                  "all connections at one");
    }
    free(own);
    return result;
}

/* A MariaDB that is built with Galera has its variables, too, when it is in no cluster. */
int my_server_cluster(MYSQL *mysql, enum my_cluster *cluster, struct cdc_error *error)
{
    int on = variable_is(mysql, "wsrep_on", "ON", error);
    int same = on > 0 ? variable_is(mysql, "wsrep_gtid_mode", "ON", error) : 0;
    *cluster = on <= 0 ? MY_CLUSTER_NONE : same > 0 ? MY_CLUSTER_SAME_GTIDS : MY_CLUSTER_OWN_GTIDS;
    return on < 0 || same < 0 ? -1 : 0;
}

int my_server_read(MYSQL *mysql, struct my_server *server, struct cdc_error *error)
{
    memset(server, 0, sizeof *server);
    if (read_version(mysql, server, error) < 0 || check_log(mysql, error) < 0)
        return -1;
    int full = variable_is(mysql, "binlog_row_metadata", "FULL", error);
    /* ON_PERMISSIVE and OFF_PERMISSIVE mix transactions with and without GTIDs: a set would not say where we are. */
    int gtid = server->flavor == MY_FLAVOR_MARIADB ? 1 : variable_is(mysql, "gtid_mode", "ON", error);
    int unchecked = variable_is(mysql, "binlog_checksum", "NONE", error);
    int as_typed = variable_is(mysql, "lower_case_table_names", "0", error);
    if (full < 0 || gtid < 0 || unchecked < 0 || as_typed < 0)
        return -1;
    server->lower_case_names = as_typed == 0;
    server->checksums = unchecked == 0;
    server->full_metadata = full > 0;
    server->gtid = gtid > 0;
    char *name = my_server_name(mysql, server->flavor, error);
    if (!name)
        return -1;
    snprintf(server->uuid, sizeof server->uuid, "%s", name);
    snprintf(server->own_name, sizeof server->own_name, "%s", name);
    free(name);
    return 0;
}

/* The server's set without the line breaks that it prints after each UUID:
 *      3e11fa47-...-80e0:1-5,\n4c09bb12-...-91aa:1-77 */
static char *gtid_value(MYSQL *mysql, const char *sql, struct cdc_error *error)
{
    char *value = my_session_value(mysql, sql, "cannot read the server's GTIDs", error);
    if (!value)
        return error->status ? NULL : strdup("");
    char *to = value;
    for (const char *p = value; *p; p++)
        if (*p != '\n' && *p != ' ')
            *to++ = *p;
    *to = '\0';
    return value;
}

/* SHOW MASTER STATUS is a syntax error from MySQL 8.4 on, its successor is there since 8.2. MariaDB keeps the old name. */
static const char *end_statement(const struct my_server *server)
{
    bool renamed = server->flavor == MY_FLAVOR_MYSQL && server->version >= 80200;
    return renamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
}

bool my_server_log_is_off(MYSQL *mysql, const struct my_server *server)
{
    if (mysql_query(mysql, end_statement(server)) != 0)
        return mysql_errno(mysql) == ER_NO_BINARY_LOGGING;
    MYSQL_RES *result = mysql_store_result(mysql);
    bool off = result && mysql_num_rows(result) == 0;
    mysql_free_result(result);
    return off;
}

static int take_coord(MYSQL_RES *result, const char *position, struct my_coord *coord, struct cdc_error *error)
{
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    memset(coord, 0, sizeof *coord);
    if (!row || !row[0] || !row[1]) {
        if (error->status == 0)
            my_session_log_off_error(error, CDC_EXIT_CONFIG);
        return -1;
    }
    snprintf(coord->file, sizeof coord->file, "%s", row[0]);
    coord->position = strtoull(position ? position : row[1], NULL, 10);
    return 0;
}

int my_server_end(MYSQL *mysql, const struct my_server *server, struct my_coord *coord, char **gtids,
                  struct cdc_error *error)
{
    const char *sql =
        server->flavor == MY_FLAVOR_MARIADB ? "SELECT @@GLOBAL.gtid_binlog_pos" : "SELECT @@GLOBAL.gtid_executed";
    /* First the set, then the coordinates: what is committed between is read twice at the most, never passed over. */
    *gtids = gtid_value(mysql, sql, error);
    if (!*gtids)
        return -1;
    MYSQL_RES *result = my_session_query(mysql, end_statement(server), "cannot ask for the end of the log", error);
    int status = take_coord(result, NULL, coord, error);
    mysql_free_result(result);
    if (status == 0)
        return 0;
    free(*gtids);
    *gtids = NULL;
    return -1;
}

/* UTC: of a local time there are two of an hour each autumn. */
int my_server_clock(MYSQL *mysql, int64_t *ms, struct cdc_error *error)
{
    static const char what[] = "cannot ask for the server's time";
    char *value = my_session_value(mysql, "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000",
                                   what, error);
    if (error->status)
        return -1;
    char *end = value;
    *ms = value ? strtoll(value, &end, 10) : 0;
    bool good = value && end != value && *end == '\0';
    free(value);
    return good ? 0 : cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the answer is no number", what);
}

/* Nothing in a set needs an escape: hexadecimal digits, names of tags, ':', ',' and '-'. */
static void append_set(struct cdc_buf *out, const char *set)
{
    const char *quote = *set == '@' ? "" : "'";
    cdc_buf_printf(out, "%s%s%s", quote, set, quote);
}

int my_server_is_subset(MYSQL *mysql, const char *a, const char *b, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "SELECT GTID_SUBSET(");
    append_set(&sql, a);
    cdc_buf_lit(&sql, ", ");
    append_set(&sql, b);
    cdc_buf_append(&sql, ")", 2);
    if (sql.failed) {
        cdc_buf_free(&sql);
        return cdc_error_memory(error);
    }
    char *value = my_session_value(mysql, sql.data, "cannot compare GTID sets", error);
    cdc_buf_free(&sql);
    if (!value)
        return error->status ? -1 : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server does not compare GTID sets");
    int result = strcmp(value, "1") == 0;
    free(value);
    return result;
}

int my_server_gtids_at(MYSQL *mysql, const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_lit(&sql, "SELECT BINLOG_GTID_POS(");
    my_session_append_literal(&sql, mysql, coord->file);
    cdc_buf_printf(&sql, ", %llu)", (unsigned long long)coord->position);
    cdc_buf_byte(&sql, '\0');
    *gtids = sql.failed ? NULL : my_session_value(mysql, sql.data, "cannot read the server's GTIDs", error);
    if (sql.failed)
        cdc_error_memory(error);
    cdc_buf_free(&sql);
    return *gtids ? 1 : error->status ? -1 : 0;
}

static MYSQL_RES *list_files(MYSQL *mysql, struct cdc_error *error)
{
    return my_session_query(mysql, "SHOW BINARY LOGS", "cannot list the log's files", error);
}

/* MySQL's size of an encrypted file has the header with its key in it, and positions do not:
 *
 *     binlog.000007 | 986 | Yes      the last event ends at 474 */
uint64_t my_server_file_end(MYSQL_RES *files, MYSQL_ROW row)
{
    uint64_t size = row[1] ? strtoull(row[1], NULL, 10) : 0;
    bool encrypted = mysql_num_fields(files) > 2 && row[2] && strcmp(row[2], "Yes") == 0;
    return encrypted && size >= ENCRYPTION_HEADER ? size - ENCRYPTION_HEADER : size;
}

int my_server_oldest(MYSQL *mysql, const struct my_server *server, struct my_coord *coord, char **gtids,
                     struct cdc_error *error)
{
    *gtids = server->flavor == MY_FLAVOR_MYSQL && server->gtid ? gtid_value(mysql, "SELECT @@GLOBAL.gtid_purged", error)
                                                               : strdup("");
    if (!*gtids)
        return error->status ? -1 : cdc_error_memory(error);
    MYSQL_RES *result = list_files(mysql, error);
    int status = take_coord(result, "4", coord, error);
    mysql_free_result(result);
    if (status == 0)
        return 0;
    free(*gtids);
    *gtids = NULL;
    return -1;
}

static int unreadable_file(const char *file, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "the server cannot open its log file %s", file);
    return cdc_error_hint(error, "its error log says why; where the file was removed, take a new snapshot");
}

int my_server_find(MYSQL *mysql, const struct my_coord *coord, enum my_standing *standing, struct cdc_error *error)
{
    /* SHOW BINARY LOGS lists name and size, the oldest file first. A file of our name that is shorter than our
     * position is another one: after a RESET names begin anew at 000001. */
    struct my_coord file = {"", 0};
    bool first = true, unreadable = false;
    MYSQL_RES *result = list_files(mysql, error);
    if (!result)
        return -1;
    *standing = MY_STANDS_NOWHERE;
    if (mysql_num_rows(result) == 0) {
        mysql_free_result(result);
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server lists no file of its log");
    }
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL; first = false) {
        if (!row[0] || !row[1]) {
            mysql_free_result(result);
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server's list of the log's files has gaps");
        }
        snprintf(file.file, sizeof file.file, "%s", row[0]);
        file.position = my_server_file_end(result, row);
        bool same = strcmp(row[0], coord->file) == 0;
        if (same && file.position >= coord->position)
            *standing = MY_STANDS_IN_FILE;
        else if (same && file.position == 0) /* each file has four bytes at least: the server cannot open it */
            unreadable = true;
        else if (!same && first && my_coord_compare(coord, &file) < 0)
            *standing = MY_STANDS_BEFORE;
    }
    mysql_free_result(result);
    return unreadable ? unreadable_file(coord->file, error) : 0;
}

int my_server_next_file(MYSQL *mysql, const char *file, struct my_coord *next, struct cdc_error *error)
{
    /* Each file begins with four bytes (FE 'b' 'i' 'n'), so its first event is at 4. */
    struct my_coord here = {"", 4};
    memset(next, 0, sizeof *next);
    snprintf(here.file, sizeof here.file, "%s", file);
    MYSQL_RES *result = list_files(mysql, error);
    if (!result)
        return -1;
    for (MYSQL_ROW row; !next->file[0] && (row = mysql_fetch_row(result)) != NULL;) {
        struct my_coord other = {"", 4};
        snprintf(other.file, sizeof other.file, "%s", row[0] ? row[0] : "");
        if (my_coord_compare(&other, &here) > 0)
            *next = other;
    }
    mysql_free_result(result);
    return 0;
}

int my_server_bytes_after(MYSQL *mysql, const struct my_coord *coord, int64_t *bytes, struct cdc_error *error)
{
    MYSQL_RES *result = list_files(mysql, error);

    if (!result)
        return -1;
    *bytes = -1;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        uint64_t end = my_server_file_end(result, row);
        if (*bytes >= 0)
            *bytes += (int64_t)end;
        else if (row[0] && strcmp(row[0], coord->file) == 0)
            *bytes = end > coord->position ? (int64_t)(end - coord->position) : 0;
    }
    mysql_free_result(result);
    return 0;
}

uint32_t my_replica_id(uint32_t given, const char *name)
{
    char host[256] = "";
    if (given != 0)
        return given;
    gethostname(host, sizeof host - 1);
    /* Of two readers with one number the server ends the older, each time the other connects; so two pipelines must
     * not share a number, and the same one must keep it. The high bit keeps clear of the small numbers that people
     * give their replicas. */
    uint64_t hash = cdc_hash_byte(cdc_hash_text(CDC_HASH_INIT, host), '/');
    return cdc_hash_fold(cdc_hash_text(hash, name)) | UINT32_C(0x80000000);
}
