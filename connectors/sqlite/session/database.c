/* SPDX-License-Identifier: MIT */
/* The connection: settings, errors, statements, transactions. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/sqlite/session/database.h"
#include "connectors/sqlite/session/disk.h"
#include <cdc/retry.h>

#define LOCKED_MS 5000
#define LOOK_MS 50
#define LOCK "another process' lock on the database"

static bool is_denied(int number)
{
    return number == EACCES || number == EROFS || number == EPERM;
}

static int why_not_accessible(const char *path, int mode)
{
    return access(path, mode) == 0 ? SQLITE_OK : is_denied(errno) ? SQLITE_PERM : SQLITE_CANTOPEN;
}

/* SQLite makes files in it, beside a database that is there as well. */
static int why_no_files_in_folder(const char *path)
{
    char *copy = strdup(path);
    int result = copy == NULL ? SQLITE_NOMEM : why_not_accessible(dirname(copy), W_OK | X_OK);

    free(copy);
    return result;
}

/* Its -wal and -shm, of another user's run. */
static int why_no_companion(const char *path, const char *suffix)
{
    char companion[PATH_MAX];
    struct stat st;

    snprintf(companion, sizeof companion, "%s%s", path, suffix);
    return stat(companion, &st) != 0 ? SQLITE_OK : why_not_accessible(companion, R_OK | W_OK);
}

/* Why a file could not be opened, or only for reading: SQLite says the same for a folder that is not there and for a system
 * that had no descriptor left, and its errno is that of a second try, for reading. So what lasts is looked for; the rest
 * passes by. */
static int why_not_opened(const char *path)
{
    struct stat st;
    int why = SQLITE_OK;

    if (stat(path, &st) == 0 || errno != ENOENT) {
        why = why_not_accessible(path, R_OK | W_OK);
        if (why == SQLITE_OK && !S_ISREG(st.st_mode))
            why = SQLITE_CANTOPEN;
    }
    if (why == SQLITE_OK)
        why = why_no_files_in_folder(path);
    if (why == SQLITE_OK)
        why = why_no_companion(path, "-wal");
    if (why == SQLITE_OK)
        why = why_no_companion(path, "-shm");
    return why != SQLITE_OK ? why : SQLITE_IOERR;
}

/* The code as a person must see it: malformed content is the disk's fault where the disk gave no answer. */
static int cause_of(struct lite_database *database, int code)
{
    if ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY)
        return why_not_opened(database->path);
    return (code & 0xff) == SQLITE_CORRUPT && lite_disk_failed() ? SQLITE_IOERR : code;
}

static int exit_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR: return CDC_EXIT_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: /* the WAL's index is as a writer left it that was stopped within a change of it */
        return CDC_EXIT_TEMPORARY;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return CDC_EXIT_PERMISSION;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_CANTOPEN:
    case SQLITE_ERROR: /* statements are ours: what fails is the shape of what is there already */
    case SQLITE_CONSTRAINT: return CDC_EXIT_CONFIG;
    default: return CDC_EXIT_INTERNAL;
    }
}

static const char *hint_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL: return "make room on the disk and start again; what was not committed is read again";
    case SQLITE_IOERR:
        return "check the disk and the file system, then start again; what was not committed is read again";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return "another process holds a lock on the database; end its transaction and start again";
    case SQLITE_NOTADB: return "name another file, or remove this one if it may go";
    case SQLITE_CORRUPT: return "restore the database, or remove it with its offset file and take a new snapshot";
    case SQLITE_CANTOPEN: return "the folder must exist and be writable";
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return "the user must be able to write the database file and its folder";
    default: return NULL;
    }
}

int lite_database_error(struct lite_database *database, int code, const char *what, struct cdc_error *error)
{
    const char *text = database->handle != NULL ? sqlite3_errmsg(database->handle) : sqlite3_errstr(code);
    int cause = cause_of(database, code);

    if (cause == SQLITE_IOERR && (code & 0xff) == SQLITE_CORRUPT)
        text = sqlite3_errstr(cause);
    code = cause;
    if ((code & 0xff) == SQLITE_NOMEM)
        return cdc_error_memory(error);
    cdc_error_set(error, exit_of(code), "%s: %s: %s", database->path, what, text);
    if (hint_of(code) != NULL)
        cdc_error_hint(error, "%s", hint_of(code));
    return -1;
}

bool lite_database_is_value_error(int code)
{
    int base = code & 0xff;
    return base == SQLITE_CONSTRAINT || base == SQLITE_MISMATCH || base == SQLITE_TOOBIG;
}

int lite_database_exec(struct lite_database *database, const char *sql, struct cdc_error *error)
{
    int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
    char what[80];

    if (code == SQLITE_OK)
        return 0;
    snprintf(what, sizeof what, "%.60s", sql);
    return lite_database_error(database, code, what, error);
}

int lite_database_exec_made(struct lite_database *database, struct cdc_error *error)
{
    cdc_buf_byte(&database->sql, '\0');
    if (database->sql.failed)
        return cdc_error_memory(error);
    int result = lite_database_exec(database, database->sql.data, error);
    database->sql.len = 0;
    return result;
}

static sqlite3_stmt *prepare(struct lite_database *database, const char *sql, unsigned flags, struct cdc_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v3(database->handle, sql, -1, flags, &statement, NULL);

    if (code != SQLITE_OK) {
        char what[80];
        snprintf(what, sizeof what, "%.60s", sql);
        lite_database_error(database, code, what, error);
        return NULL;
    }
    return statement;
}

sqlite3_stmt *lite_database_prepare_made(struct lite_database *database, bool keep, struct cdc_error *error)
{
    cdc_buf_byte(&database->sql, '\0');
    if (database->sql.failed) {
        cdc_error_memory(error);
        return NULL;
    }
    database->sql.len = 0;
    return prepare(database, database->sql.data, keep ? SQLITE_PREPARE_PERSISTENT : 0, error);
}

sqlite3_stmt *lite_database_prepare(struct lite_database *database, const char *sql, struct cdc_error *error)
{
    return prepare(database, sql, 0, error);
}

int lite_database_number(struct lite_database *database, const char *sql, int64_t *number, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(database, sql, error);

    if (statement == NULL)
        return -1;
    int code = sqlite3_step(statement);
    *number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return lite_database_error(database, code, sql, error);
    return 0;
}

static void quote(struct cdc_buf *out, const char *text, char mark)
{
    cdc_buf_byte(out, mark);
    for (; *text != '\0'; text++) {
        if (*text == mark)
            cdc_buf_byte(out, mark);
        cdc_buf_byte(out, *text);
    }
    cdc_buf_byte(out, mark);
}

void lite_database_quote(struct cdc_buf *out, const char *name)
{
    quote(out, name, '"');
}

void lite_database_quote_text(struct cdc_buf *out, const char *text)
{
    quote(out, text, '\'');
}

/* A commit must be on the disk before the offset file says so: WAL with synchronous=FULL. The cache is bounded; what a
 * large transaction changes beyond it goes into the WAL early. */
static const char *const settings[] = {
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=OFF",
    "PRAGMA cache_size=-8192",
    "PRAGMA mmap_size=0",
    "PRAGMA temp_store=FILE",
    "PRAGMA journal_size_limit=67108864",
};

/* What the WAL has is of a database that was removed: SQLite would take it for one of the new file, or fail at each start. */
static int check_no_wal(const char *path, struct cdc_error *error)
{
    char wal[PATH_MAX];
    struct stat st;

    snprintf(wal, sizeof wal, "%s-wal", path);
    /* Another sink may have made both since we looked. */
    if (stat(wal, &st) != 0 || st.st_size == 0 || stat(path, &st) == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s: the database is not there, and its %s-wal is", path, path);
    return cdc_error_hint(error, "put the database back; or, to begin anew, remove %s-wal and %s-shm, too", path, path);
}

/* SQLite would make it with what the umask leaves of 0644, beside offset files of 0600; its -wal and -shm get the mode of
 * the database. One that is there keeps its own, also one that another sink has made since we looked. */
static int make_file(const char *path, struct cdc_error *error)
{
    struct stat file;

    if (stat(path, &file) == 0)
        return S_ISREG(file.st_mode)
                   ? 0
                   : cdc_error_set(error, CDC_EXIT_CONFIG, "%s: cannot open the database: it is no file", path);
    bool absent = errno == ENOENT;
    if (absent && check_no_wal(path, error) < 0)
        return -1;
    /* Anything but that it is not there: SQLite will meet it, too. */
    int fd = absent ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd >= 0)
        close(fd);
    else if (absent && errno == EEXIST && lstat(path, &file) == 0 && S_ISLNK(file.st_mode))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "%s: cannot open the database: it is a link to nothing", path);
    return 0;
}

/* SQLite asks while somebody else has the lock: for 5 s, and no longer once we are to leave. In place of busy_timeout,
 * which would sleep through a signal. */
static int while_locked(void *context, int count)
{
    struct lite_database *database = context;
    int64_t now = cdc_clock_ms();

    if (count == 0)
        database->locked_since = now;
    if (now - database->locked_since >= LOCKED_MS || cdc_retry_wait(LOOK_MS, database->control, LOCK))
        return 0;
    return 1;
}

/* After code, of a statement that needs a lock: 0 to try it again, -1. */
static int wait_for_lock(struct lite_database *database, int code, const char *what, struct cdc_retry *retry,
                         const struct lite_patience *patience, struct cdc_error *error)
{
    bool locked = (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_PROTOCOL;
    int64_t wait = locked ? cdc_retry_next(retry) : -1;

    if (locked && patience->control->stop)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while %s was locked", database->path);
    if (locked && wait < 0) {
        cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "%s: %s: the database is locked", database->path, what);
        return cdc_error_hint(error, "%s", hint_of(SQLITE_BUSY));
    }
    if (wait < 0)
        return lite_database_error(database, code, what, error);
    if (retry->attempts == 1)
        cdc_log_write(database->log, CDC_LOG_WARNING, "%s is locked by another process; trying again", database->path);
    if (patience->retries != NULL)
        ++*patience->retries;
    if (cdc_retry_wait(wait, patience->control, LOCK))
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while %s was locked", database->path);
    return 0;
}

/* A statement that takes a lock, again and again until it has it. */
static int exec_patiently(struct lite_database *database, const char *sql, const char *what,
                          const struct lite_patience *patience, struct cdc_error *error)
{
    struct cdc_retry retry;
    int code;

    cdc_retry_init(&retry, patience->retry_max);
    while ((code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL)) != SQLITE_OK)
        if (wait_for_lock(database, code, what, &retry, patience, error) != 0)
            return -1;
    return 0;
}

/* In UTF-16 SQLite stores U+FFFD for U+FFFE and U+FFFF: two keys may become one. */
static int check_encoding(struct lite_database *database, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(database, "PRAGMA encoding", error);

    if (statement == NULL)
        return -1;
    int code = sqlite3_step(statement);
    const char *name = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    bool good = name != NULL && strcmp(name, "UTF-8") == 0;
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW)
        return lite_database_error(database, code, "cannot read the encoding", error);
    if (good)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s keeps text in UTF-16, in which some characters would become others",
                  database->path);
    return cdc_error_hint(error, "make the database anew, without PRAGMA encoding, and take a new snapshot");
}

/* Many builds of SQLite take a name that begins so for a URI, whatever the flags: "file:shop.db?mode=memory" would be a database
 * that is gone at the end. The path is that of a file. */
static int open_handle(struct lite_database *database)
{
    struct cdc_buf name = CDC_BUF_INIT;

    lite_disk_watch();
    cdc_buf_text(&name, strncmp(database->path, "file:", 5) == 0 ? "./" : "");
    cdc_buf_text(&name, database->path);
    cdc_buf_byte(&name, '\0');
    int code = name.failed ? SQLITE_NOMEM
                           : sqlite3_open_v2(name.data, &database->handle,
                                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    cdc_buf_free(&name);
    return code;
}

int lite_database_open(struct lite_database *database, const char *path, const struct lite_patience *patience,
                       const struct cdc_log *log, struct cdc_error *error)
{
    *database = (struct lite_database){.path = path, .log = log, .control = patience->control};
    if (make_file(path, error) < 0)
        return -1;
    int code = open_handle(database);

    if (code == SQLITE_OK)
        code = sqlite3_busy_handler(database->handle, while_locked, database);
    if (code != SQLITE_OK)
        return lite_database_error(database, code, "cannot open the database", error);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (exec_patiently(database, settings[i], "cannot open the database", patience, error) != 0)
            return -1;
    return check_encoding(database, error);
}

void lite_database_close(struct lite_database *database)
{
    sqlite3_close(database->handle); /* rolls an open transaction back */
    cdc_buf_free(&database->sql);
}

/* IMMEDIATE: the write lock is taken here or not at all, so that nothing later can fail for it. A backup may hold it for
 * minutes. */
int lite_database_begin(struct lite_database *database, const struct lite_patience *patience, struct cdc_error *error)
{
    if (exec_patiently(database, "BEGIN IMMEDIATE", "cannot begin a transaction", patience, error) != 0)
        return -1;
    database->in_transaction = true;
    return 0;
}

static int has_moved(const struct lite_database *database, const char *suffix, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s%s was removed or replaced while it was in use", database->path, suffix);
    return cdc_error_hint(error, "bring it back; or remove %s and its offset file, and take a new snapshot",
                          suffix[0] == '\0' ? "it" : "the database");
}

/* SQLite makes it once, and removes it when the last connection is closed. Where there is none, the database has another journal mode. */
static bool has_wal_moved(struct lite_database *database)
{
    const char *name = sqlite3_db_filename(database->handle, "main"); /* where a link leads */
    char wal[PATH_MAX];
    struct stat st;

    if (name == NULL || (size_t)snprintf(wal, sizeof wal, "%s-wal", name) >= sizeof wal)
        return false;
    bool is_there = stat(wal, &st) == 0;
    if (!is_there && errno != ENOENT)
        return false;
    if (database->wal == 0 && is_there)
        database->wal = st.st_ino;
    return database->wal != 0 && (!is_there || database->wal != st.st_ino);
}

/* A file that was removed stays what SQLite writes to until it is closed, and is gone then, whatever was committed. */
static int check_in_place(struct lite_database *database, struct cdc_error *error)
{
    int moved = 0;

    if (sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        return has_moved(database, "", error);
    return has_wal_moved(database) ? has_moved(database, "-wal", error) : 0;
}

int lite_database_commit(struct lite_database *database, struct cdc_error *error)
{
    int code = sqlite3_exec(database->handle, "COMMIT", NULL, NULL, NULL);

    if (code != SQLITE_OK)
        return lite_database_error(database, code, "cannot commit", error);
    database->in_transaction = false;
    return check_in_place(database, error);
}

void lite_database_roll_back(struct lite_database *database)
{
    if (database->in_transaction)
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    database->in_transaction = false;
}

int lite_database_lost_transaction(struct lite_database *database, const char *what, struct cdc_error *error)
{
    database->in_transaction = false;
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s: %s: a trigger has rolled back the whole transaction", database->path,
                  what);
    return cdc_error_hint(error, "let it use RAISE(ABORT, ...), which refuses the one row, and start again");
}
