/* SPDX-License-Identifier: MIT */
/* Which offset file a position is in, kept in cdc_meta with the path that the database had then. So an offset file that was
 * removed is made anew with the positions that were in it, and not with those of another pipeline with the same database; and
 * a second sink of one source, which may be given other lines of it, does not take the position of the first for its own:
 *
 *   pg-cdc | tee >(cdc-filter -t orders | cdc-sink-sqlite --offset-file a.offset shop.db) |
 *       cdc-filter -t customers | cdc-sink-sqlite --offset-file b.offset shop.db
 *
 * The orders up to a place are no customers up to there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/sqlite/sink/internal.h"

/* The path from the root; the file itself need not be there. RETURNS NEW; NULL where it cannot be told. */
static char *absolute(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    char *real = folder != NULL ? realpath(folder, NULL) : NULL, *result = NULL;

    if (real != NULL && asprintf(&result, "%s/%s", real, slash != NULL ? slash + 1 : path) < 0)
        result = NULL;
    free(folder);
    free(real);
    return result;
}

/* kind: "offset_file:" or "database:". path: may be NULL, which notes nothing. */
static int note(struct lite_sink *sink, const char *kind, const char *name, const char *path, struct cdc_error *error)
{
    sqlite3_stmt *statement =
        path != NULL ? lite_database_prepare(&sink->db, "INSERT OR REPLACE INTO cdc_meta VALUES(?2 || ?1, ?3)", error)
                     : NULL;

    if (path == NULL)
        return 0;
    if (statement != NULL) {
        sqlite3_bind_text(statement, 2, kind, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, path, -1, SQLITE_STATIC);
    }
    return lite_sql_run(sink, statement, name, error);
}

int lite_holder_note(struct lite_sink *sink, const char *name, const char *path, struct cdc_error *error)
{
    char *file = absolute(path), *database = realpath(sink->db.path, NULL);
    int result =
        note(sink, "offset_file:", name, file, error) != 0 || note(sink, "database:", name, database, error) != 0 ? -1
                                                                                                                  : 0;

    free(file);
    free(database);
    return result;
}

static bool is_path(const char *noted, char *path)
{
    bool same = noted != NULL && path != NULL && strcmp(noted, path) == 0;

    free(path);
    return same;
}

/* Where nobody lets us look, it may be there: a sink that runs as another user. */
static bool is_gone(const char *path)
{
    return access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool lite_holder_is_ours(const struct cdc_offset_file *offsets, const struct lite_holder *holder, bool alone)
{
    const char *path = cdc_offset_file_path(offsets);

    if (!cdc_offset_file_is_new(offsets) || path == NULL)
        return false;
    return is_path(holder->file, absolute(path)) || (alone && (holder->file == NULL || is_gone(holder->file)));
}

bool lite_holder_is_other(const struct lite_sink *sink, const struct cdc_offset_file *offsets, const char *name,
                          const struct lite_holder *holder)
{
    const char *path = cdc_offset_file_path(offsets);
    struct cdc_offset theirs = {.pos = NULL};
    struct cdc_error ignored = {0};

    /* A copy of the database is no longer that of the file which it names. */
    if (path == NULL || holder->file == NULL || cdc_offset_file_owns(offsets, name) ||
        is_path(holder->file, absolute(path)) || !is_path(holder->database, realpath(sink->db.path, NULL)))
        return false;
    bool is_there = cdc_offset_read(holder->file, name, &theirs, &ignored) != 0;
    cdc_offset_free(&theirs);
    return is_there;
}
