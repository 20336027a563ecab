/* SPDX-License-Identifier: MIT */
/* What an expression could do besides computing is taken away: the authorizer lets it call functions and nothing else, the clock
 * stands, results have a size, and work has an end. */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/sqlite/expression/engine.h"
#include "connectors/sqlite/expression/functions.h"
#include <cdc/hash.h>

#define LENGTH_MAX (16 << 20)
#define STEPS 1000000 /* of SQLite's machine, between two calls; an expression without loops never has as many */

static int authorize(void *engine, int action, const char *one, const char *two, const char *three, const char *four)
{
    (void)engine;
    (void)one;
    (void)three;
    (void)four;
    if (action == SQLITE_SELECT)
        return SQLITE_OK;
    return action == SQLITE_FUNCTION && functions_allow(two) ? SQLITE_OK : SQLITE_DENY;
}

/* The first call may be one of steps that runs before have made. */
static int look_at_work(void *context)
{
    struct lite_engine *engine = context;

    return ++engine->calls > 2;
}

static int no_time(sqlite3_vfs *vfs, double *days)
{
    ((struct lite_engine *)vfs->pAppData)->clock_was_read = true;
    *days = 0;
    return SQLITE_ERROR;
}

static int no_time_64(sqlite3_vfs *vfs, sqlite3_int64 *milliseconds)
{
    ((struct lite_engine *)vfs->pAppData)->clock_was_read = true;
    *milliseconds = 0;
    return SQLITE_ERROR;
}

static int open_database(struct lite_engine *engine)
{
    const sqlite3_vfs *own = sqlite3_vfs_find(NULL);

    if (own == NULL)
        return SQLITE_ERROR;
    engine->clock = *own;
    snprintf(engine->name, sizeof engine->name, "cdc-%p", (void *)engine);
    engine->clock.zName = engine->name;
    engine->clock.pNext = NULL;
    engine->clock.pAppData = engine;
    engine->clock.xCurrentTime = no_time;
    engine->clock.xCurrentTimeInt64 = no_time_64;
    int code = sqlite3_vfs_register(&engine->clock, 0);
    if (code != SQLITE_OK)
        return code;
    return sqlite3_open_v2(":memory:", &engine->database,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX,
                           engine->name);
}

static int restrict_database(struct lite_engine *engine)
{
    sqlite3 *database = engine->database;
    int code = functions_register(database);

    if (code == SQLITE_OK)
        code = sqlite3_set_authorizer(database, authorize, engine);
    sqlite3_progress_handler(database, STEPS, look_at_work, engine);
    sqlite3_limit(database, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
    sqlite3_limit(database, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(database, SQLITE_LIMIT_WORKER_THREADS, 0);
    return code;
}

struct lite_engine *lite_engine_new(struct cdc_error *error)
{
    struct lite_engine *engine = calloc(1, sizeof *engine);

    if (engine == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    int code = open_database(engine);
    if (code == SQLITE_OK)
        code = restrict_database(engine);
    if (code == SQLITE_OK)
        return engine;
    if (code == SQLITE_NOMEM)
        cdc_error_memory(error);
    else
        cdc_error_set(error, CDC_EXIT_INTERNAL, "SQLite does not start: %s", sqlite3_errstr(code));
    lite_engine_free(engine);
    return NULL;
}

void lite_engine_free(struct lite_engine *engine)
{
    if (engine == NULL)
        return;
    sqlite3_close(engine->database);
    sqlite3_vfs_unregister(&engine->clock);
    cdc_buf_free(&engine->scratch);
    free(engine);
}

void engine_limit(struct lite_engine *engine, size_t bytes)
{
    bool high = bytes > LENGTH_MAX / 2;

    if (!high && !engine->limit_is_high)
        return;
    size_t limit = high ? bytes * 2 : LENGTH_MAX;
    sqlite3_limit(engine->database, SQLITE_LIMIT_LENGTH, limit > 1000000000 ? 1000000000 : (int)limit);
    engine->limit_is_high = high;
}

/* -- statements -------------------------------------------------------------------------------- */

static struct statement **bucket_of(struct lite_engine *engine, const char *sql)
{
    return &engine->statements[cdc_hash_fold(cdc_hash_text(CDC_HASH_INIT, sql)) % STATEMENT_BUCKETS];
}

static int prepare(struct lite_engine *engine, struct statement *statement, struct cdc_error *error)
{
    int code =
        sqlite3_prepare_v3(engine->database, statement->sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->handle, NULL);

    if (code == SQLITE_NOMEM)
        return cdc_error_memory(error);
    return code == SQLITE_OK ? 0 : cdc_error_set(error, CDC_EXIT_CONFIG, "%s", sqlite3_errmsg(engine->database));
}

static struct statement *add(struct lite_engine *engine, const char *sql, struct cdc_error *error)
{
    struct statement *statement = calloc(1, sizeof *statement), **bucket = bucket_of(engine, sql);

    if (statement == NULL || (statement->sql = strdup(sql)) == NULL) {
        free(statement);
        cdc_error_memory(error);
        return NULL;
    }
    if (prepare(engine, statement, error) != 0) {
        free(statement->sql);
        free(statement);
        return NULL;
    }
    statement->next = *bucket;
    return *bucket = statement;
}

struct statement *engine_statement(struct lite_engine *engine, const char *sql, bool *is_new, struct cdc_error *error)
{
    struct statement *statement = *bucket_of(engine, sql);

    while (statement != NULL && strcmp(statement->sql, sql) != 0)
        statement = statement->next;
    *is_new = statement == NULL;
    if (statement == NULL)
        statement = add(engine, sql, error);
    if (statement != NULL)
        statement->uses++;
    return statement;
}

void engine_release(struct lite_engine *engine, struct statement *statement)
{
    if (statement == NULL || --statement->uses > 0)
        return;
    struct statement **at = bucket_of(engine, statement->sql);
    while (*at != statement)
        at = &(*at)->next;
    *at = statement->next;
    sqlite3_finalize(statement->handle);
    free(statement->sql);
    free(statement);
}
