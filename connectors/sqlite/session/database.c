/* SPDX-License-Identifier: MIT */
/* The connection: settings, errors, transactions, and the offsets that are
 * stored with the rows. */
#include <stdio.h>
#include <stdlib.h>

#include <cdc/retry.h>

#include "connectors/sqlite/internal.h"

static int exit_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR: return CDC_EXIT_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return CDC_EXIT_TEMPORARY;
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
    case SQLITE_LOCKED: return "another process holds a lock on the database; end its transaction and start again";
    case SQLITE_NOTADB: return "name another file, or remove this one if it may go";
    case SQLITE_CORRUPT: return "restore the database, or remove it with its offset file and take a new snapshot";
    case SQLITE_CANTOPEN: return "the folder must exist and be writable";
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return "the user must be able to write the database file and its folder";
    default: return NULL;
    }
}

int sqlite_db_error(struct sqlite_sink *sink, int code, const char *what, struct cdc_error *error)
{
    const char *text = sink->db != NULL ? sqlite3_errmsg(sink->db) : sqlite3_errstr(code);

    if ((code & 0xff) == SQLITE_NOMEM)
        return cdc_error_memory(error);
    cdc_error_set(error, exit_of(code), "%s: %s: %s", sink->settings->path, what, text);
    if (hint_of(code) != NULL)
        cdc_error_hint(error, "%s", hint_of(code));
    return -1;
}

bool sqlite_is_value_error(int code)
{
    int base = code & 0xff;
    return base == SQLITE_CONSTRAINT || base == SQLITE_MISMATCH || base == SQLITE_TOOBIG;
}

int sqlite_exec(struct sqlite_sink *sink, const char *sql, struct cdc_error *error)
{
    int code = sqlite3_exec(sink->db, sql, NULL, NULL, NULL);
    char what[80];

    if (code == SQLITE_OK)
        return 0;
    snprintf(what, sizeof what, "%.60s", sql);
    return sqlite_db_error(sink, code, what, error);
}

int sqlite_exec_buffer(struct sqlite_sink *sink, struct cdc_error *error)
{
    cdc_buf_byte(&sink->sql, '\0');
    if (sink->sql.failed)
        return cdc_error_memory(error);
    int result = sqlite_exec(sink, sink->sql.data, error);
    sink->sql.len = 0;
    return result;
}

static sqlite3_stmt *prepare(struct sqlite_sink *sink, const char *sql, unsigned flags, struct cdc_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v3(sink->db, sql, -1, flags, &statement, NULL);

    if (code != SQLITE_OK) {
        char what[80];
        snprintf(what, sizeof what, "%.60s", sql);
        sqlite_db_error(sink, code, what, error);
        return NULL;
    }
    return statement;
}

sqlite3_stmt *sqlite_prepare(struct sqlite_sink *sink, bool keep, struct cdc_error *error)
{
    cdc_buf_byte(&sink->sql, '\0');
    if (sink->sql.failed) {
        cdc_error_memory(error);
        return NULL;
    }
    sink->sql.len = 0;
    return prepare(sink, sink->sql.data, keep ? SQLITE_PREPARE_PERSISTENT : 0, error);
}

sqlite3_stmt *sqlite_prepare_text(struct sqlite_sink *sink, const char *sql, struct cdc_error *error)
{
    return prepare(sink, sql, 0, error);
}

int sqlite_pragma_number(struct sqlite_sink *sink, const char *sql, int64_t *number, struct cdc_error *error)
{
    sqlite3_stmt *statement = sqlite_prepare_text(sink, sql, error);

    if (statement == NULL)
        return -1;
    int code = sqlite3_step(statement);
    *number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return sqlite_db_error(sink, code, sql, error);
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

void sqlite_quote(struct cdc_buf *out, const char *name)
{
    quote(out, name, '"');
}

void sqlite_quote_text(struct cdc_buf *out, const char *text)
{
    quote(out, text, '\'');
}

/* A commit must be on the disk before the offset file says so: WAL with synchronous=FULL. The cache is bounded; what a
 * large transaction changes beyond it goes into the WAL early. */
static const char *const open_statements[] = {
    "PRAGMA busy_timeout=5000",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=OFF",
    "PRAGMA cache_size=-8192",
    "PRAGMA mmap_size=0",
    "PRAGMA temp_store=FILE",
    "PRAGMA journal_size_limit=67108864",
    "CREATE TABLE IF NOT EXISTS cdc_offsets(name TEXT PRIMARY KEY, pos TEXT NOT NULL, seq INTEGER NOT NULL, lines "
    "INTEGER"
    " NOT NULL, source TEXT, state TEXT)",
    "CREATE TABLE IF NOT EXISTS cdc_tables(table_name TEXT PRIMARY KEY COLLATE NOCASE, name TEXT NOT NULL, db TEXT NOT "
    "NULL,"
    " schema TEXT NOT NULL, source_table TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS cdc_meta(key TEXT PRIMARY KEY, value)",
};

int sqlite_database_open(struct sqlite_sink *sink, struct cdc_error *error)
{
    int code = sqlite3_open_v2(sink->settings->path, &sink->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int64_t newer;

    if (code != SQLITE_OK)
        return sqlite_db_error(sink, code, "cannot open the database", error);
    for (size_t i = 0; i < sizeof open_statements / sizeof open_statements[0]; i++)
        if (sqlite_exec(sink, open_statements[i], error) != 0)
            return -1;
    if (sqlite_pragma_number(sink, "SELECT count(*) FROM cdc_meta WHERE key = 'format' AND value > 1", &newer, error) !=
        0)
        return -1;
    if (newer > 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "%s was written by a newer version of this tool",
                             sink->settings->path);
    return sqlite_exec(sink, "INSERT OR IGNORE INTO cdc_meta VALUES('format', 1)", error);
}

/* IMMEDIATE: the write lock is taken here or not at all, so that nothing later can fail for it. */
int sqlite_begin(struct sqlite_sink *sink, struct cdc_error *error)
{
    struct cdc_retry retry;

    if (sink->in_transaction)
        return 0;
    cdc_retry_init(&retry, sink->context.settings != NULL ? sink->context.settings->retry_max : -1);
    for (;;) {
        int code = sqlite3_exec(sink->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (code == SQLITE_OK)
            break;
        int64_t wait = (code & 0xff) == SQLITE_BUSY ? cdc_retry_next(&retry) : -1;
        if (wait < 0)
            return sqlite_db_error(sink, code, "cannot begin a transaction", error);
        if (retry.attempts == 1)
            cdc_log(sink->log, CDC_LOG_WARNING, "%s is locked by another process; trying again", sink->settings->path);
        if (sink->context.metrics != NULL)
            sink->context.metrics->retries++;
        if (cdc_retry_wait(wait, sink->context.control != NULL ? sink->context.control->wake_fd : -1))
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while %s was locked", sink->settings->path);
    }
    sink->in_transaction = true;
    return sqlite_fts_after_vacuum(sink, error);
}

static int bind_text_or_null(sqlite3_stmt *statement, int index, const char *text)
{
    return text != NULL ? sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC)
                        : sqlite3_bind_null(statement, index);
}

int sqlite_save_offsets(struct sqlite_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    sqlite3_stmt *statement = sqlite_prepare_text(
        sink, "INSERT OR REPLACE INTO cdc_offsets(name, pos, seq, lines, source, state) VALUES(?1,?2,?3,?4,?5,?6)",
        error);
    int code = SQLITE_DONE;

    if (statement == NULL)
        return -1;
    for (size_t i = 0; i < cdc_offset_file_count(offsets) && code == SQLITE_DONE; i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        const struct cdc_offset *offset = cdc_offset_file_get(offsets, name);
        bind_text_or_null(statement, 1, name);
        bind_text_or_null(statement, 2, offset->pos);
        sqlite3_bind_int64(statement, 3, offset->seq);
        sqlite3_bind_int64(statement, 4, (int64_t)offset->lines);
        bind_text_or_null(statement, 5, offset->source);
        bind_text_or_null(statement, 6, offset->state);
        code = sqlite3_step(statement);
        sqlite3_reset(statement);
    }
    if (code != SQLITE_DONE)
        sqlite_db_error(sink, code, "cannot store the offset", error);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : -1;
}

static char *column_copy(sqlite3_stmt *statement, int index)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);
    return text != NULL ? strdup(text) : NULL;
}

/* A file ahead of its database has confirmed to the source what is not stored here. */
static int check_ahead(struct sqlite_sink *sink, const struct cdc_offset_file *offsets, const char *name,
                       const char *pos, struct cdc_error *error)
{
    const struct cdc_offset *offset = cdc_offset_file_get(offsets, name);

    if (offset == NULL || cdc_span_compare(cdc_span_text(offset->pos), cdc_span_text(pos)) <= 0)
        return 0;
    const char *path = cdc_offset_file_path(offsets);
    cdc_error_set(error, CDC_EXIT_CONFIG, "offset file %s is ahead of database %s (source \"%s\": %s after \"%s\")",
                  path != NULL ? path : "(memory)", sink->settings->path, name, offset->pos, pos);
    return cdc_error_hint(
        error, "the database was removed or is an old copy; bring it back, or remove both, and take a new snapshot");
}

static int take_row(struct sqlite_sink *sink, sqlite3_stmt *statement, struct cdc_offset_file *offsets,
                    struct cdc_error *error)
{
    char *name = column_copy(statement, 0);
    struct cdc_offset offset = {column_copy(statement, 1), sqlite3_column_int64(statement, 2),
                                (uint64_t)sqlite3_column_int64(statement, 3), column_copy(statement, 4),
                                column_copy(statement, 5)};
    int result = -1;

    if (name == NULL || offset.pos == NULL)
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: damaged row in cdc_offsets", sink->settings->path);
    else if (check_ahead(sink, offsets, name, offset.pos, error) == 0)
        result = cdc_offset_file_set(offsets, name, &offset, error);
    cdc_offset_free(&offset);
    free(name);
    return result;
}

static int check_known(struct sqlite_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    sqlite3_stmt *statement = sqlite_prepare_text(sink, "SELECT 1 FROM cdc_offsets WHERE name = ?1", error);
    int result = statement != NULL ? 0 : -1;

    for (size_t i = 0; result == 0 && i < cdc_offset_file_count(offsets); i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        if (sqlite3_step(statement) == SQLITE_DONE)
            result = check_ahead(sink, offsets, name, "", error);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return result;
}

int sqlite_sink_sync_offsets(struct sqlite_sink *sink, struct cdc_offset_file *offsets, struct cdc_error *error)
{
    if (check_known(sink, offsets, error) != 0)
        return -1;
    sqlite3_stmt *statement =
        sqlite_prepare_text(sink, "SELECT name, pos, seq, lines, source, state FROM cdc_offsets", error);
    if (statement == NULL)
        return -1;
    int code, result = 0;
    while (result == 0 && (code = sqlite3_step(statement)) != SQLITE_DONE)
        result = code == SQLITE_ROW ? take_row(sink, statement, offsets, error)
                                    : sqlite_db_error(sink, code, "cannot read cdc_offsets", error);
    sqlite3_finalize(statement);
    return result == 0 ? cdc_offset_file_save(offsets, error) : -1;
}
