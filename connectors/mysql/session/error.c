/* SPDX-License-Identifier: MIT */
/* What the errors of server and client library mean: an exit status, and what the user can do. */
#include "connectors/mysql/session/dump.h"
#include "connectors/mysql/session/session.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <string.h>

#define DUMP_FAILED ER_MASTER_FATAL_ERROR_READING_BINLOG /* 1236 */
#define SAME_ID 4052

static bool says(const char *text, const char *const *phrases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasestr(text, phrases[i]))
            return true;
    return false;
}

/* A file that is listed, and cannot be opened now: not one that was purged, of which they say "could not find". A log that was turned
 * off a moment ago (my_server_log_is_off). A disk that does not read, no memory. */
static bool may_pass(const char *text)
{
    static const char *const phrases[] = {"Could not open log file", "Binary log is not open",
                                          "I/O error reading log event", "memory allocation failed reading log event"};
    return says(text, phrases, sizeof phrases / sizeof *phrases);
}

/* Of MySQL and MariaDB. Whoever keeps the keys may be away for a while. */
static bool has_no_key(const char *text)
{
    static const char *const phrases[] = {"decrypt", "encryption key"};
    return says(text, phrases, sizeof phrases / sizeof *phrases);
}

/* MariaDB, which looks for a GTID at the heads of its files, and finds there what is none: with a wrong key, say. */
static bool is_unreadable(const char *text)
{
    static const char *const phrases[] = {"Could not read GTID list event",
                                          "Could not read format description log event"};
    return says(text, phrases, sizeof phrases / sizeof *phrases);
}

enum my_dump_fault my_dump_fault_of(unsigned number, const char *text)
{
    /* Everything that is wrong with a position comes as 1236, and only the text says what. MariaDB has a number
     * (4052) for a second reader with our server_id, MySQL one more text. */
    if (number != DUMP_FAILED)
        return number == SAME_ID ? MY_DUMP_SAME_ID : MY_DUMP_NO_FAULT;
    if (strstr(text, "server_uuid/server_id") || strstr(text, "same server"))
        return MY_DUMP_SAME_ID;
    if (strstr(text, "truncated in the middle of event"))
        return MY_DUMP_TORN_FILE;
    if (strstr(text, "anonymous transaction"))
        return MY_DUMP_ANONYMOUS;
    if (has_no_key(text))
        return MY_DUMP_NO_KEY;
    if (is_unreadable(text))
        return MY_DUMP_UNREADABLE;
    return may_pass(text) ? MY_DUMP_NO_FAULT : MY_DUMP_LOST;
}

/* What passes by itself is UNAVAILABLE, and tried again: limits of connections, shutdowns, broken connections, locks; and so is
 * what is not known (a cluster's node that is not ready, a disk that is full): a reader that is stopped for good falls silent.
 * What a statement of ours is refused for, is refused the next time, too. */
static int status_of(unsigned number, bool *known)
{
    *known = true;
    switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_MUST_CHANGE_PASSWORD:
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
    case 1698: /* access denied by a plugin */
    case 3118: /* account locked */
    case 4151: /* the same of MariaDB */ return CDC_EXIT_PERMISSION;
    case ER_BAD_DB_ERROR:
    case ER_NOT_SUPPORTED_AUTH_MODE:
    case 3159: /* connections without TLS are prohibited */ return CDC_EXIT_CONFIG;
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_USER_LIMIT_REACHED:
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case 1927: /* connection killed */
    case 4031: /* connection closed, since it was idle */
    case ER_QUERY_INTERRUPTED:
    case DUMP_FAILED: /* of a file that cannot be opened */
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_LOCK_DEADLOCK: return CDC_EXIT_UNAVAILABLE;
    case ER_PARSE_ERROR:
    case ER_SYNTAX_ERROR:
    case ER_BAD_FIELD_ERROR:
    case ER_NO_SUCH_TABLE:
    case ER_SP_DOES_NOT_EXIST:
    case ER_UNKNOWN_SYSTEM_VARIABLE:
    case ER_NOT_SUPPORTED_YET:
    case ER_TRUNCATED_WRONG_VALUE:
    case ER_WRONG_VALUE: return CDC_EXIT_PROTOCOL;
    default:
        /* Below 1000: of files, as the system says it ("Permission denied"). */
        *known = number < 1000 || (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR);
        return CDC_EXIT_UNAVAILABLE;
    }
}

bool my_session_error_passes(unsigned number)
{
    bool known;
    return status_of(number, &known) == CDC_EXIT_UNAVAILABLE && known;
}

/* A certificate that is refused is refused the next time, too; a handshake that broke off may succeed. */
static bool is_about_certificates(unsigned number, const char *text)
{
    return number == CR_SSL_CONNECTION_ERROR && (strcasestr(text, "certificate") || strcasestr(text, "verif") ||
                                                 strcasestr(text, "no such file") || strcasestr(text, "private key"));
}

/* The position stands. Without the key the server may get it, with a wrong one it must be started again. */
static int key_error(enum my_dump_fault fault, const char *text, const char *what, struct cdc_error *error)
{
    if (fault == MY_DUMP_NO_KEY) {
        cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "%s: the server cannot decrypt its log: %s", what, text);
        return cdc_error_hint(error,
                              "it needs the keys that the log was written with, and goes on once it has them: its "
                              "error log says more");
    }
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s: the server cannot read its log: %s", what, text);
    return cdc_error_hint(error, "it has other keys than the log was written with, or a file of the log is damaged: "
                                 "its error log says more; once it can read it, start the same line again");
}

/* text: NULL where it says no more than the fault does. */
static int dump_error(enum my_dump_fault fault, const char *text, const char *what, struct cdc_error *error)
{
    if (fault == MY_DUMP_SAME_ID) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: another reader of the log has our server id%s%s", what,
                      text ? ": " : "", text ? text : "");
        return cdc_error_hint(error, "is this pipeline running twice? Else give one of them its own --server-id");
    }
    if (fault == MY_DUMP_ANONYMOUS) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", what, text);
        return cdc_error_hint(error, "transactions without GTIDs are read while gtid_mode is less than ON: SET GLOBAL "
                                     "gtid_mode = ON_PERMISSIVE; until the tool has read them");
    }
    if (fault == MY_DUMP_NO_KEY || fault == MY_DUMP_UNREADABLE)
        return key_error(fault, text, what, error);
    cdc_error_set(error, CDC_EXIT_LOST, "%s: %s", what, text);
    return cdc_error_hint(error,
                          "the position is not in the server's log any more: take a new snapshot (remove the offset "
                          "files of the pipeline and the copies, and begin with cdc-snapshot)");
}

int my_session_log_off_error(struct cdc_error *error, int status)
{
    cdc_error_set(
        error, status,
        "the server has turned its binary log off, for it could not write it: what was changed since is in no "
        "log");
    return cdc_error_hint(error, "its error log says why; start the server again%s",
                          status == CDC_EXIT_LOST
                              ? ", and take a new snapshot (remove the offset files of the pipeline "
                                "and the copies, and begin with cdc-snapshot)"
                              : "");
}

int my_session_error_of(unsigned number, const char *text, const char *what, struct cdc_error *error)
{
    if (is_about_certificates(number, text)) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s", what, text);
        return cdc_error_hint(error,
                              "ssl-ca names the authority that signed the server's certificate, which must be "
                              "made out to the host that is connected to; ssl-cert and ssl-key are the client's");
    }
    enum my_dump_fault fault = my_dump_fault_of(number, text);
    if (fault != MY_DUMP_NO_FAULT)
        return dump_error(fault, number == DUMP_FAILED ? text : NULL, what, error);
    if (number == ER_NO_BINARY_LOGGING) {
        my_session_log_off_error(error, CDC_EXIT_CONFIG);
        return cdc_error_prefix(error, "%s", what);
    }
    bool known;
    int status = status_of(number, &known);
    if (strstr(text, "init_connect command failed")) {
        cdc_error_set(error, status, "%s: %s (the server's error %u)", what, text, number);
        return cdc_error_hint(error,
                              "what the server's init_connect says must work for this user, too; it is not run for one "
                              "with CONNECTION_ADMIN (MariaDB: CONNECTION ADMIN)");
    }
    if (!known)
        return cdc_error_set(error, status, "%s: %s (the server's error %u)", what, text, number);
    return cdc_error_set(error, status, "%s: %s", what, text[0] ? text : "the connection was closed");
}

int my_session_error(MYSQL *mysql, const char *what, struct cdc_error *error)
{
    return my_session_error_of(mysql_errno(mysql), mysql_error(mysql), what, error);
}
