/* SPDX-License-Identifier: MIT */
/* What the sink keeps in the database beside the rows: offsets, who owns a table, numbers of its own. All of it moves
 * in the transaction of the rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/sqlite/sink/internal.h"

static const char *const own_tables[] = {
    "CREATE TABLE IF NOT EXISTS cdc_offsets(name TEXT PRIMARY KEY, pos TEXT NOT NULL, seq INTEGER NOT NULL, lines "
    "INTEGER"
    " NOT NULL, source TEXT, state TEXT)",
    "CREATE TABLE IF NOT EXISTS cdc_tables(table_name TEXT PRIMARY KEY COLLATE NOCASE, name TEXT NOT NULL, db TEXT NOT "
    "NULL,"
    " schema TEXT NOT NULL, source_table TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS cdc_tables_source ON cdc_tables(source_table, schema, db, name)",
    "CREATE TABLE IF NOT EXISTS cdc_meta(key TEXT PRIMARY KEY, value)",
    "CREATE TABLE IF NOT EXISTS cdc_reads(table_name TEXT PRIMARY KEY COLLATE NOCASE, state TEXT NOT NULL, pos TEXT "
    "NOT "
    "NULL, number INTEGER NOT NULL, is_new INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS cdc_reads_number ON cdc_reads(number)",
    "CREATE TABLE IF NOT EXISTS cdc_part_reads(table_name TEXT NOT NULL COLLATE NOCASE, part TEXT NOT NULL, "
    "part_column "
    "TEXT NOT NULL, state TEXT NOT NULL, pos TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(table_name, part))",
    "CREATE TABLE IF NOT EXISTS cdc_columns(table_name TEXT PRIMARY KEY COLLATE NOCASE, names TEXT NOT NULL)",
};

int lite_state_open(struct lite_sink *sink, struct cdc_error *error)
{
    int64_t newer;

    for (size_t i = 0; i < sizeof own_tables / sizeof own_tables[0]; i++)
        if (lite_database_exec(&sink->db, own_tables[i], error) != 0)
            return -1;
    if (lite_database_number(&sink->db, "SELECT count(*) FROM cdc_meta WHERE key = 'format' AND value > 1", &newer,
                             error) != 0)
        return -1;
    /* An older program would not know what the newer one's columns mean. */
    if (newer > 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "%s was written by a newer version of this tool", sink->db.path);
    return lite_database_exec(&sink->db, "INSERT OR IGNORE INTO cdc_meta VALUES('format', 1)", error);
}

/* -- owners of tables ----------------------------------------------------------- */

static int read_owner(sqlite3_stmt *statement, struct cdc_table_id *owner, struct cdc_error *error)
{
    char **parts[] = {&owner->name, &owner->db, &owner->schema, &owner->table};

    for (int i = 0; i < 4; i++) {
        const char *text = (const char *)sqlite3_column_text(statement, i);
        if ((*parts[i] = strdup(text != NULL ? text : "")) == NULL)
            return cdc_error_memory(error);
    }
    return 1;
}

int lite_state_owner(void *context, const char *target, struct cdc_table_id *owner, struct cdc_error *error)
{
    struct lite_sink *sink = context;
    sqlite3_stmt *statement = lite_sql_keep(
        sink, LITE_KEPT_OWNER, "SELECT name, db, schema, source_table FROM cdc_tables WHERE table_name = ?1", error);
    int result = 0;

    if (statement == NULL)
        return -1;
    sqlite3_bind_text(statement, 1, target, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        result = read_owner(statement, owner, error);
    else if (code != SQLITE_DONE)
        result = lite_database_error(&sink->db, code, "cannot read cdc_tables", error);
    sqlite3_reset(statement);
    return result;
}

int lite_state_claim(void *context, const char *target, const struct cdc_table_id *owner, struct cdc_error *error)
{
    struct lite_sink *sink = context;
    const char *const parts[] = {target, owner->name, owner->db, owner->schema, owner->table};
    sqlite3_stmt *statement =
        lite_sql_keep(sink, LITE_KEPT_CLAIM, "INSERT OR REPLACE INTO cdc_tables VALUES(?1,?2,?3,?4,?5)", error);

    if (statement == NULL)
        return -1;
    for (int i = 1; i < 5; i++)
        sqlite3_bind_text(statement, i + 1, parts[i], -1, SQLITE_STATIC);
    return lite_sql_run_kept(sink, statement, target, error);
}

int lite_state_list_tables(struct lite_sink *sink, const struct cdc_event *event, struct cdc_buf *names,
                           struct cdc_error *error)
{
    char *db = cdc_json_text(event->db, NULL),
         *name = cdc_json_text(event->name.p ? event->name : cdc_span("", 0), NULL);
    sqlite3_stmt *statement = lite_database_prepare(
        &sink->db, "SELECT schema, source_table FROM cdc_tables WHERE db = ?1 AND name = ?2", error);
    int code = SQLITE_DONE, result = statement == NULL ? -1 : db == NULL || name == NULL ? cdc_error_memory(error) : 0;

    if (result == 0) {
        sqlite3_bind_text(statement, 1, db, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, name, -1, SQLITE_STATIC);
        while ((code = sqlite3_step(statement)) == SQLITE_ROW)
            for (int i = 0; i < 2; i++) {
                const char *text = (const char *)sqlite3_column_text(statement, i);
                cdc_buf_append(names, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1);
            }
    }
    sqlite3_finalize(statement);
    free(db);
    free(name);
    if (result == 0 && code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read cdc_tables", error);
    return result == 0 && names->failed ? cdc_error_memory(error) : result;
}

int lite_state_unclaim(struct lite_sink *sink, struct lite_table *table, struct cdc_error *error)
{
    table->source.owned = false;
    return lite_sql_run(sink, lite_database_prepare(&sink->db, "DELETE FROM cdc_tables WHERE table_name = ?1", error),
                        table->source.target, error);
}

static int is_elsewhere(struct lite_sink *sink, const char *target, const char *there, const struct cdc_table_id *id,
                        struct cdc_error *error)
{
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "%s: the rows of %s.%s.%s (source \"%s\") are in table \"%s\"; by --table-name it is \"%s\" now, which "
        "would lack them",
        sink->db.path, id->db, id->schema, id->table, id->name, there, target);
    return cdc_error_hint(error, "use the name that it had; or remove %s and its offset file, and take a new snapshot",
                          sink->db.path);
}

int lite_state_check_new(struct lite_sink *sink, const char *target, const struct cdc_table_id *id,
                         struct cdc_error *error)
{
    const char *const parts[] = {id->table, id->schema, id->db, id->name, target};
    sqlite3_stmt *statement = lite_sql_keep(
        sink, LITE_KEPT_NEW,
        "SELECT table_name FROM cdc_tables WHERE source_table = ?1 AND schema = ?2 AND db = ?3 AND name = ?4 AND "
        "table_name <> ?5",
        error);
    int result = 0;

    if (statement == NULL)
        return -1;
    for (int i = 0; i < 5; i++)
        sqlite3_bind_text(statement, i + 1, parts[i], -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        result = is_elsewhere(sink, target, (const char *)sqlite3_column_text(statement, 0), id, error);
    else if (code != SQLITE_DONE)
        result = lite_database_error(&sink->db, code, "cannot read cdc_tables", error);
    sqlite3_reset(statement);
    return result;
}

/* -- offsets ---------------------------------------------------------------------- */

static int bind_text_or_null(sqlite3_stmt *statement, int index, const char *text)
{
    return text != NULL ? sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC)
                        : sqlite3_bind_null(statement, index);
}

/* -- what the database has: another pipeline with the same database moves its own */

void lite_state_free(struct lite_sink *sink)
{
    for (size_t i = 0; i < sink->n_positions; i++) {
        free(sink->positions[i].name);
        free(sink->positions[i].pos);
    }
    free(sink->positions);
}

static struct lite_position *position_of(const struct lite_sink *sink, const char *name)
{
    for (size_t i = 0; i < sink->n_positions; i++)
        if (strcmp(sink->positions[i].name, name) == 0)
            return &sink->positions[i];
    return NULL;
}

bool lite_state_is_stored(const struct lite_sink *sink, const char *name, struct cdc_span pos)
{
    const struct lite_position *position = position_of(sink, name);
    return position != NULL && cdc_span_compare(pos, cdc_span_text(position->pos)) <= 0;
}

/* The position of that name is the one that the database has: it is written when it has moved on. */
static int keep_position(struct lite_sink *sink, const char *name, const char *pos, struct cdc_error *error)
{
    struct lite_position *position = position_of(sink, name);
    char *copy = strdup(pos);

    if (position == NULL && copy != NULL) {
        struct lite_position *positions = realloc(sink->positions, (sink->n_positions + 1) * sizeof *positions);
        if (positions != NULL) {
            sink->positions = positions;
            positions[sink->n_positions] = (struct lite_position){strdup(name), NULL, false};
            if (positions[sink->n_positions].name != NULL)
                position = &positions[sink->n_positions++];
        }
    }
    if (position == NULL || copy == NULL) {
        free(copy);
        return cdc_error_memory(error);
    }
    free(position->pos);
    position->pos = copy;
    return 0;
}

static bool has_moved(const struct lite_sink *sink, const char *name, const char *pos)
{
    const struct lite_position *position = position_of(sink, name);
    return position == NULL || strcmp(position->pos, pos) != 0;
}

/* Positions of a snapshot, in all of its attempts, begin with the place in the log from which the stream goes on:
 *
 *   0000000004C1E2C8.0000000000.a0001.000000000002     a row, of the first attempt
 *   0000000004C1E430.0000000001.1                      stored: the copy has come further, by the log
 *   000000000479A980.0000000000.a0001.000000000002     a row of a snapshot that was taken anew
 *
 * What comes again of the same snapshot, once something of the log is stored, is before that. */
int lite_state_check_snapshot(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                              struct cdc_error *error)
{
    uint64_t number, ordinal;

    if (event->pos.n < CDC_POS_NUMBER_DIGITS || memcmp(table->snapshot, event->pos.p, CDC_POS_NUMBER_DIGITS) == 0)
        return 0;
    const struct lite_position *stored = position_of(sink, table->source.id.name);
    char *pos = cdc_span_copy(event->pos);
    const char *tail = pos != NULL ? cdc_pos_parse(pos, &number, &ordinal) : "";
    bool of_ours = tail != NULL && *tail == 'a'; /* rows of other tools begin as they like */
    bool of_another = of_ours && stored != NULL && cdc_pos_parse(stored->pos, &number, &ordinal) != NULL &&
                      memcmp(stored->pos, pos, CDC_POS_NUMBER_DIGITS) < 0;
    bool no_memory = pos == NULL;

    free(pos);
    if (no_memory)
        return cdc_error_memory(error);
    if (!of_another) {
        memcpy(table->snapshot, event->pos.p, CDC_POS_NUMBER_DIGITS);
        return 0;
    }
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "%s has the rows of an earlier snapshot of source \"%s\": those that have gone since would stay",
                  sink->db.path, table->source.id.name);
    return cdc_error_hint(error, "remove %s and its offset file, and start again", sink->db.path);
}

/* One database may be given to two copies of a pipeline, each with an offset file of its own: their lines are the same, and a
 * row without a key would be stored twice. What one of them stored meanwhile is seen here, in the transaction that would
 * store it again. */
static int check_unmoved(struct lite_sink *sink, sqlite3_stmt *statement, const char *name, struct cdc_error *error)
{
    const struct lite_position *known = position_of(sink, name);

    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    const char *pos = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    bool same = pos != NULL ? known != NULL && strcmp(known->pos, pos) == 0 : known == NULL;
    sqlite3_reset(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return lite_database_error(&sink->db, code, "cannot read cdc_offsets", error);
    if (same)
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "%s: another process has changed the position of source \"%s\" in it; nothing is stored twice",
                  sink->db.path, name);
    return cdc_error_hint(error, "end one of the two pipelines: in one database a source has one sink");
}

static int check_all_unmoved(struct lite_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(&sink->db, "SELECT pos FROM cdc_offsets WHERE name = ?1", error);
    int result = statement != NULL ? 0 : -1;

    for (size_t i = 0; result == 0 && i < cdc_offset_file_count(offsets); i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        if (has_moved(sink, name, cdc_offset_file_get(offsets, name)->pos))
            result = check_unmoved(sink, statement, name, error);
    }
    sqlite3_finalize(statement);
    return result;
}

static int note_holder(struct lite_sink *sink, struct lite_position *position, const char *path,
                       struct cdc_error *error)
{
    if (path == NULL || position->noted)
        return 0;
    position->noted = true;
    return lite_holder_note(sink, position->name, path, error);
}

int lite_state_save_offsets(struct lite_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(
        &sink->db, "INSERT OR REPLACE INTO cdc_offsets(name, pos, seq, lines, source, state) VALUES(?1,?2,?3,?4,?5,?6)",
        error);
    int code = SQLITE_DONE;

    if (statement == NULL || check_all_unmoved(sink, offsets, error) != 0) {
        sqlite3_finalize(statement);
        return -1;
    }
    for (size_t i = 0; i < cdc_offset_file_count(offsets) && code == SQLITE_DONE; i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        const struct cdc_offset *offset = cdc_offset_file_get(offsets, name);
        if (!has_moved(sink, name, offset->pos))
            continue;
        bind_text_or_null(statement, 1, name);
        bind_text_or_null(statement, 2, offset->pos);
        sqlite3_bind_int64(statement, 3, offset->seq);
        sqlite3_bind_int64(statement, 4, (int64_t)offset->lines);
        bind_text_or_null(statement, 5, offset->source);
        bind_text_or_null(statement, 6, offset->state);
        code = sqlite3_step(statement);
        sqlite3_reset(statement);
        if (code == SQLITE_DONE &&
            (keep_position(sink, name, offset->pos, error) != 0 ||
             note_holder(sink, position_of(sink, name), cdc_offset_file_path(offsets), error) != 0)) {
            sqlite3_finalize(statement);
            return -1;
        }
    }
    if (code != SQLITE_DONE)
        lite_database_error(&sink->db, code, "cannot store the offset", error);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : -1;
}

/* A copy of the text in *copy, NULL where it is NULL. false: no memory. */
static bool column_copy(sqlite3_stmt *statement, int index, char **copy)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);

    *copy = text != NULL ? strdup(text) : NULL;
    return *copy != NULL || sqlite3_column_type(statement, index) == SQLITE_NULL;
}

/* A file ahead of its database has confirmed to the source what is not stored here. */
static int check_ahead(struct lite_sink *sink, const struct cdc_offset_file *offsets, const char *name, const char *pos,
                       struct cdc_error *error)
{
    const struct cdc_offset *offset = cdc_offset_file_get(offsets, name);

    if (offset == NULL || cdc_span_compare(cdc_span_text(offset->pos), cdc_span_text(pos)) <= 0)
        return 0;
    const char *path = cdc_offset_file_path(offsets);
    cdc_error_set(error, CDC_EXIT_CONFIG, "offset file %s is ahead of database %s (source \"%s\": %s after \"%s\")",
                  path != NULL ? path : "(memory)", sink->db.path, name, offset->pos, pos);
    return cdc_error_hint(
        error, "the database was removed or is an old copy; bring it back, or remove both, and take a new snapshot");
}

/* alone: the database has no other position. */
static int take_in(struct lite_sink *sink, struct cdc_offset_file *offsets, const char *name,
                   const struct cdc_offset *offset, const struct lite_holder *holder, bool alone,
                   struct cdc_error *error)
{
    bool other = lite_holder_is_other(sink, offsets, name, holder);
    int result = lite_holder_is_ours(offsets, holder, alone)
                     ? cdc_offset_file_set(offsets, name, offset, error)
                     : cdc_offset_file_know(offsets, name, offset, other ? holder->file : NULL, error);

    return result != 0 ? -1 : keep_position(sink, name, offset->pos, error);
}

static int take_offset(struct lite_sink *sink, sqlite3_stmt *statement, struct cdc_offset_file *offsets,
                       struct cdc_error *error)
{
    char *name;
    struct cdc_offset offset = {.seq = sqlite3_column_int64(statement, 2),
                                .lines = (uint64_t)sqlite3_column_int64(statement, 3)};
    bool whole = column_copy(statement, 0, &name);
    whole &= column_copy(statement, 1, &offset.pos);
    whole &= column_copy(statement, 4, &offset.source);
    whole &= column_copy(statement, 5, &offset.state);
    const struct lite_holder holder = {(const char *)sqlite3_column_text(statement, 6),
                                       (const char *)sqlite3_column_text(statement, 7)};
    int result = -1;

    if (!whole)
        cdc_error_memory(error);
    else if (name == NULL || offset.pos == NULL)
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: damaged row in cdc_offsets", sink->db.path);
    else if (check_ahead(sink, offsets, name, offset.pos, error) == 0)
        result = take_in(sink, offsets, name, &offset, &holder, sqlite3_column_int(statement, 8) == 1, error);
    cdc_offset_free(&offset);
    free(name);
    return result;
}

/* The offset file has a source that the database has never heard of: the database was removed and made anew. */
static int check_known(struct lite_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    sqlite3_stmt *statement = lite_database_prepare(&sink->db, "SELECT 1 FROM cdc_offsets WHERE name = ?1", error);
    int result = statement != NULL ? 0 : -1;

    for (size_t i = 0; result == 0 && i < cdc_offset_file_count(offsets); i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        int code = sqlite3_step(statement);
        if (code == SQLITE_DONE)
            result = check_ahead(sink, offsets, name, "", error);
        else if (code != SQLITE_ROW)
            result = lite_database_error(&sink->db, code, "cannot read cdc_offsets", error);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return result;
}

int lite_sink_sync_offsets(struct lite_sink *sink, struct cdc_offset_file *offsets, struct cdc_error *error)
{
    if (check_known(sink, offsets, error) != 0)
        return -1;
    sqlite3_stmt *statement = lite_database_prepare(&sink->db,
                                                    "SELECT name, pos, seq, lines, source, state, " LITE_HOLDER_COLUMNS
                                                    ", (SELECT count(*) FROM cdc_offsets) FROM "
                                                    "cdc_offsets",
                                                    error);
    if (statement == NULL)
        return -1;
    int code, result = 0;
    while (result == 0 && (code = sqlite3_step(statement)) != SQLITE_DONE)
        result = code == SQLITE_ROW ? take_offset(sink, statement, offsets, error)
                                    : lite_database_error(&sink->db, code, "cannot read cdc_offsets", error);
    sqlite3_finalize(statement);
    /* A new file is made by the loop. */
    return result == 0 && !cdc_offset_file_is_new(offsets) ? cdc_offset_file_save(offsets, error) : result;
}
