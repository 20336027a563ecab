/* SPDX-License-Identifier: MIT */
/* Many tables that are made one after the other. For each CREATE TABLE SQLite reads all of sqlite_master, and goes through all
 * tables that it has in memory: 20,000 tables took half a minute. So, once that many were made in a transaction, the rows of
 * the others in sqlite_master go into a temporary table, and come back before the transaction ends:
 *
 *   sqlite_master                  temp.cdc_aside
 *   cdc_tables, cdc_columns ...    t1 ... t199       t200 is the newest
 *   t200
 *
 * What SQLite has in memory is read again each time (writable_schema=RESET), so that it knows no table whose row it would not find:
 * to reach one of those is "no such table", and never a change of half of the schema. Rows keep their rowids; the newest ones stay, so
 * that the next table gets a rowid after all of them. Names are looked up in both. All of it is one transaction: what is killed,
 * rolled back or read by others has the schema as it was, or whole. A commit with tables aside is refused by a hook.
 *
 * A line of a table that is aside brings all of them back, and so does whatever else is done than to make tables and to apply
 * rows to them. */
#include "connectors/sqlite/sink/internal.h"

#define MANY                                                                                                           \
    200 /* tables in a row, before the others go aside: by then it has cost about as much as bringing them back */

#define OWN "'cdc_offsets', 'cdc_tables', 'cdc_meta', 'cdc_reads', 'cdc_part_reads', 'cdc_columns'"

static int refuse_commit(void *context)
{
    const struct lite_sink *sink = context;

    return sink->aside.rows > 0;
}

int lite_aside_open(struct lite_sink *sink, struct cdc_error *error)
{
    sqlite3_commit_hook(sink->db.handle, refuse_commit, sink);
    return lite_database_exec(&sink->db,
                              "CREATE TEMP TABLE cdc_aside (id INTEGER PRIMARY KEY, type, name COLLATE NOCASE, "
                              "tbl_name, rootpage, sql); CREATE INDEX temp.cdc_aside_name ON cdc_aside(name)",
                              error);
}

/* -- may it be done at all? ------------------------------------------------------------ */

/* May sqlite_master be written? Not where a build of SQLite, or somebody's setting in it, defends it. */
static bool is_writable(struct lite_sink *sink)
{
    sqlite3_stmt *statement = NULL;
    bool on = sqlite3_exec(sink->db.handle, "PRAGMA writable_schema=ON", NULL, NULL, NULL) == SQLITE_OK;
    int code =
        on ? sqlite3_prepare_v2(sink->db.handle, "DELETE FROM main.sqlite_master WHERE 0", -1, &statement, NULL) : 1;

    sqlite3_finalize(statement);
    sqlite3_exec(sink->db.handle, "PRAGMA writable_schema=OFF", NULL, NULL, NULL);
    return code == SQLITE_OK;
}

/* A virtual table may keep changes of the transaction in memory, which is let go. A trigger on one of our own tables names others.
 * With auto_vacuum, roots of tables may move. */
static int has_obstacle(struct lite_sink *sink, bool *obstacle, struct cdc_error *error)
{
    int64_t moves, others;

    if (lite_database_number(&sink->db, "PRAGMA auto_vacuum", &moves, error) != 0 ||
        lite_database_number(&sink->db,
                             "SELECT count(*) FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%' OR "
                             "(type = 'trigger' AND tbl_name COLLATE NOCASE IN (" OWN "))",
                             &others, error) != 0)
        return -1;
    *obstacle = moves != 0 || others != 0;
    return 0;
}

/* Looked at once in a transaction: nobody else changes the schema meanwhile, and what we make is no obstacle. */
static int is_possible(struct lite_sink *sink, struct cdc_error *error)
{
    struct lite_aside *aside = &sink->aside;
    bool obstacle = sink->settings->fts.count > 0;

    if (aside->looked)
        return aside->possible;
    if (!obstacle && has_obstacle(sink, &obstacle, error) != 0)
        return -1;
    aside->looked = true;
    aside->possible = !obstacle && is_writable(sink);
    return aside->possible;
}

/* -- there and back ---------------------------------------------------------------------- */

/* Changes sqlite_master by what is in db.sql, and by a second statement, which is to delete as many rows as that inserts: *rows.
 * The schema is read anew in any case. */
static int move(struct lite_sink *sink, const char *delete, int64_t *rows, struct cdc_error *error)
{
    sqlite3 *handle = sink->db.handle;
    int result = lite_database_exec(&sink->db, "PRAGMA writable_schema=ON", error);

    if (result == 0)
        result = lite_database_exec_made(&sink->db, error);
    *rows = sqlite3_changes(handle);
    if (result == 0)
        result = lite_database_exec(&sink->db, delete, error);
    if (result == 0 && sqlite3_changes(handle) != *rows)
        result = cdc_error_set(error, CDC_EXIT_INTERNAL, "%s: rows of sqlite_master were lost", sink->db.path);
    /* Writing it ends, whatever has failed. */
    return lite_database_exec(&sink->db, "PRAGMA writable_schema=RESET", error) == 0 ? result : -1;
}

/* All but our own, and the newest one. */
static int put_aside(struct lite_sink *sink, const struct lite_table *newest, struct cdc_error *error)
{
    struct cdc_buf *sql = &sink->db.sql, delete = CDC_BUF_INIT;
    int64_t moved;

    cdc_buf_lit(&delete, "DELETE FROM main.sqlite_master WHERE tbl_name COLLATE NOCASE NOT IN (" OWN ", ");
    lite_database_quote_text(&delete, newest->source.target);
    cdc_buf_lit(&delete, ")\0");
    if (delete.failed)
        return cdc_error_memory(error);
    sql->len = 0;
    cdc_buf_lit(sql, "INSERT INTO temp.cdc_aside SELECT rowid, type, name, tbl_name, rootpage, sql ");
    cdc_buf_text(sql, delete.data + strlen("DELETE "));
    sink->aside.used = true;
    sink->aside.rows++; /* whatever fails from here on, there is no commit */
    int result = move(sink, delete.data, &moved, error);
    cdc_buf_free(&delete);
    if (result != 0)
        return -1;
    sink->aside.rows += moved - 1;
    cdc_log_write(sink->db.log, CDC_LOG_DEBUG, "%lld rows of sqlite_master are aside while more tables are made",
                  (long long)sink->aside.rows);
    return 0;
}

static int bring_back(struct lite_sink *sink, struct cdc_error *error)
{
    struct lite_aside *aside = &sink->aside;
    struct cdc_buf *sql = &sink->db.sql;
    int64_t moved, ours;

    aside->made = 0;
    aside->batch++;
    sql->len = 0;
    cdc_buf_lit(sql, "INSERT INTO main.sqlite_master (rowid, type, name, tbl_name, rootpage, sql) "
                     "SELECT id, type, name, tbl_name, rootpage, sql FROM temp.cdc_aside ORDER BY id");
    if (move(sink, "DELETE FROM temp.cdc_aside", &moved, error) != 0)
        return -1;
    if (moved != aside->rows)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "%s: rows of sqlite_master were lost", sink->db.path);
    /* Has SQLite read it now: what it does not understand is not to be committed. */
    if (lite_database_number(&sink->db, "SELECT count(*) FROM cdc_meta", &ours, error) != 0)
        return -1;
    aside->rows = 0;
    return 0;
}

/* -- for the others ------------------------------------------------------------------------ */

void lite_aside_begin(struct lite_sink *sink)
{
    sink->aside.looked = sink->aside.used = false;
    sink->aside.made = 0;
}

int lite_aside_made(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    struct lite_aside *aside = &sink->aside;

    if (++aside->made >= MANY) {
        int possible = is_possible(sink, error);
        if (possible < 0 || (possible && put_aside(sink, table, error) != 0))
            return -1;
        aside->made = 0;
        aside->batch++;
    }
    table->batch = aside->batch;
    return 0;
}

int lite_aside_end(struct lite_sink *sink, struct cdc_error *error)
{
    return sink->aside.rows > 0 ? bring_back(sink, error) : 0;
}

/* 1, 0, -1. A table, an index or a view: they share their names. */
static int is_aside(struct lite_sink *sink, const char *name, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(&sink->db, "SELECT 1 FROM temp.cdc_aside WHERE name = ?1", error);

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read the schema", error);
    return code == SQLITE_ROW;
}

int lite_aside_reach(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    if (sink->aside.rows == 0)
        return 0;
    bool is_read = lite_reads_is_open(table) || table->parts != NULL;
    if (!is_read && table->batch == sink->aside.batch)
        return 0;
    int aside = is_read || table->source.owned ? 1 : is_aside(sink, table->source.target, error);
    if (aside == 0)
        table->batch = sink->aside.batch; /* it is to be made */
    return aside > 0 ? bring_back(sink, error) : aside;
}

int lite_aside_taken_back(struct lite_sink *sink, struct cdc_error *error)
{
    struct lite_aside *aside = &sink->aside;

    if (!aside->used)
        return 0;
    /* As of the savepoint, which may be older than what was moved since: so is what is in memory. */
    if (lite_database_exec(&sink->db, "PRAGMA writable_schema=RESET", error) != 0 ||
        lite_database_number(&sink->db, "SELECT count(*) FROM temp.cdc_aside", &aside->rows, error) != 0)
        return -1;
    return lite_aside_end(sink, error);
}

void lite_aside_forget(struct lite_sink *sink)
{
    if (sink->aside.used)
        sqlite3_exec(sink->db.handle, "PRAGMA writable_schema=RESET", NULL, NULL, NULL);
    sink->aside.used = false;
    sink->aside.rows = 0;
}
