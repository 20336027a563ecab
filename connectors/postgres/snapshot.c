/* SPDX-License-Identifier: MIT */
/* The first copy of the tables, read at the slot's consistent point X. An attempt
 * that broke off is made again with a newer snapshot and the same X: the log that follows from X
 * says of each row what became of it, so that the copy is exact once the log has passed the attempt's own moment. */
#include "connectors/postgres/postgres.h"

#include <cdc/json.h>
#include <cdc/line.h>
#include <cdc/pattern.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define FLUSH_BYTES ((size_t)64 << 10)
#define STOP_MS 5000 /* for a slow reader to take the rest of a line after a signal */
#define MAX_ATTEMPT 0xFFFFu

/* What the offset file keeps. */
struct state {
    bool creating; /* the slot was about to be made */
    bool has_point, finished;
    uint64_t point;   /* X */
    unsigned attempt; /* the last one that began to write */
    char *written;    /* pos of the last commit of a whole attempt, or NULL */
    char *identity;   /* JSON object */
};

struct source_table {
    struct pg_table *table;
    char kind;    /* r, or p of a partitioned table */
    char *filter; /* of rows, SQL, or NULL */
    bool generated;
    double estimate; /* rows */
};

struct run {
    const struct pg_snapshot_settings *settings;
    struct pg_settings *pg;
    struct cdc_offset_file *offsets;
    struct cdc_acks *acks;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct state state;
    struct pg_identity identity;
    PGconn *sql;
    struct cdc_writer *writer;
    struct source_table *tables;
    size_t n_tables;
    struct pg_cell *cells;
    struct cdc_buf fixed;       /* of a table's rows: from behind pos up to the row */
    struct cdc_buf source_head; /* of commit lines */
    char last_pos[64];          /* of the last commit line */
    int64_t ts_ms;
    uint64_t lines;  /* numbers pos */
    uint64_t rows, chunk; /* in all, and since the last commit line */
    double estimate;
    int64_t began, next_look;
};

/* -- state ----------------------------------------------------------------- */

static void state_clear(struct state *state)
{
    free(state->written);
    free(state->identity);
    memset(state, 0, sizeof *state);
}

static char *copy_string(struct cdc_span object, const char *name)
{
    struct cdc_span raw = cdc_json_string_raw(cdc_json_member(object, name));
    return raw.p ? cdc_span_copy(raw) : NULL;
}

static bool is_true(struct cdc_span object, const char *name)
{
    return cdc_span_is(cdc_json_member(object, name), "true");
}

static int state_read(struct run *run, struct cdc_error *error)
{
    const struct cdc_offset *offset = cdc_offset_file_get(run->offsets, run->pg->name);
    struct state *state = &run->state;
    state_clear(state);
    if (!offset || !offset->state)
        return 0;
    struct cdc_span object = cdc_span_text(offset->state);
    struct cdc_span identity = cdc_json_member(object, "identity");
    int64_t attempt = 0;
    char *point = copy_string(object, "consistent_point");
    state->creating = is_true(object, "creating");
    state->finished = is_true(object, "finished");
    state->written = copy_string(object, "written");
    state->identity = identity.p ? cdc_span_copy(identity) : NULL;
    state->has_point = point && pg_lsn_parse(point, &state->point);
    bool good = state->has_point == (point != NULL) && (!state->finished || state->has_point);
    free(point);
    if (cdc_json_member(object, "attempt").p)
        good = good && cdc_json_int64(cdc_json_member(object, "attempt"), &attempt) && attempt >= 0 && attempt <= MAX_ATTEMPT;
    state->attempt = (unsigned)attempt;
    if (good)
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "offset file %s: the state of the snapshot \"%s\" is damaged",
                         cdc_offset_file_path(run->offsets), run->pg->name);
}

static void state_json(struct cdc_buf *out, const struct state *state)
{
    char text[24];
    cdc_buf_lit(out, "{\"identity\":");
    cdc_buf_text(out, state->identity ? state->identity : "null");
    if (state->creating)
        cdc_buf_lit(out, ",\"creating\":true");
    if (state->has_point) {
        pg_lsn_format(text, state->point);
        cdc_buf_printf(out, ",\"consistent_point\":\"%s\",\"attempt\":%u", text, state->attempt);
    }
    if (state->written)
        cdc_buf_printf(out, ",\"written\":\"%s\"", state->written);
    cdc_buf_text(out, state->finished ? ",\"finished\":true}" : ",\"finished\":false}");
    cdc_buf_byte(out, '\0');
}

/* Durable when it returns. */
static int state_save(struct run *run, struct cdc_error *error)
{
    struct cdc_buf json = CDC_BUF_INIT;
    char start[64] = "";
    struct cdc_buf pos = {start, 0, sizeof start, false};
    if (run->state.has_point) { /* not empty: pg-cdc then knows that the slot was made before, and makes no other */
        pg_pos_snapshot(&pos, run->state.point, run->state.attempt, 0);
        cdc_buf_byte(&pos, '\0');
    }
    state_json(&json, &run->state);
    if (json.failed) {
        cdc_buf_free(&json);
        return cdc_error_memory(error);
    }
    struct cdc_offset offset = {
        .pos = run->state.written ? run->state.written : start,
        .seq = (int64_t)run->state.point,
        .lines = run->rows,
        .source = NULL,
        .state = json.data,
    };
    int result = cdc_offset_file_set(run->offsets, run->pg->name, &offset, error);
    cdc_buf_free(&json);
    return result < 0 ? -1 : cdc_offset_file_save(run->offsets, error);
}

/* Written is not stored: with acks the snapshot is finished when they have passed its last commit. 1: finished. */
static int check_finished(struct run *run, struct cdc_error *error)
{
    struct state *state = &run->state;
    const struct cdc_offset *acked = NULL;
    if (state->finished) {
        cdc_log(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is finished already", run->pg->name);
        return 1;
    }
    if (!state->written)
        return 0;
    if (run->acks) {
        if (cdc_acks_read(run->acks, &acked, error) < 0)
            return -1;
        if (!acked || strcmp(acked->pos, state->written) < 0)
            return 0;
    }
    state->finished = true;
    if (state_save(run, error) < 0)
        return -1;
    cdc_log(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is stored and finished", run->pg->name);
    return 1;
}

/* -- the session ----------------------------------------------------------- */

static int stopped(struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped by a signal: the snapshot is incomplete");
    return cdc_error_hint(error, "start the same command again: it begins the snapshot again");
}

/* What the catalogs said is true no more: another attempt sees the new state. */
static bool is_changed_table(const PGresult *result)
{
    static const char *const states[] = {"42P01", "42703", "3F000", "42809", "40001", "55000"};
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    for (size_t i = 0; state && i < sizeof states / sizeof *states; i++)
        if (strcmp(state, states[i]) == 0)
            return true;
    return false;
}

static int query_error(struct run *run, const PGresult *result, const char *what, struct cdc_error *error)
{
    if (!result || !is_changed_table(result))
        return pg_result_error(run->sql, result, what, error);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s: %s", what, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    return cdc_error_hint(error, "a table was changed while the snapshot was read; it begins again");
}

/* Waits for input of the server while output leaves. */
static int wait_input(struct run *run, struct cdc_error *error)
{
    if (cdc_writer_flush(run->writer, error) < 0)
        return -1;
    bool pending = cdc_writer_pending(run->writer) != 0;
    struct pollfd fds[3] = {
        {PQsocket(run->sql), POLLIN, 0},
        {run->control->wake_fd, POLLIN, 0},
        {pending ? cdc_writer_fd(run->writer) : -1, POLLOUT, 0},
    };
    (void)poll(fds, 3, 1000);
    if (run->control->stop)
        return stopped(error);
    if (fds[0].revents && !PQconsumeInput(run->sql))
        return pg_result_error(run->sql, NULL, "the connection broke", error);
    return 0;
}

/* Runs a command that may take long; a signal ends the wait. NULL on errors. RETURNS NEW (PQclear) */
static PGresult *command(struct run *run, const char *text, ExecStatusType expected, const char *what, struct cdc_error *error)
{
    if (!PQsendQuery(run->sql, text)) {
        pg_result_error(run->sql, NULL, what, error);
        return NULL;
    }
    while (PQisBusy(run->sql))
        if (wait_input(run, error) < 0)
            return NULL;
    PGresult *result = PQgetResult(run->sql);
    if (PQresultStatus(result) == expected)
        return result;
    query_error(run, result, what, error);
    PQclear(result);
    return NULL;
}

static int finish_command(struct run *run, const char *what, struct cdc_error *error)
{
    PGresult *result;
    int status = 0;
    for (;;) {
        while (PQisBusy(run->sql))
            if (wait_input(run, error) < 0)
                return -1;
        if ((result = PQgetResult(run->sql)) == NULL)
            return status;
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            status = query_error(run, result, what, error);
        PQclear(result);
    }
}

static int execute(struct run *run, const char *text, const char *what, struct cdc_error *error)
{
    PGresult *result = command(run, text, PGRES_COMMAND_OK, what, error);
    if (!result)
        return -1;
    PQclear(result);
    return finish_command(run, what, error);
}

/* A catalog query. NULL on errors. RETURNS NEW (PQclear) */
static PGresult *query(struct run *run, const char *text, int n, const char *const *values, const char *what, struct cdc_error *error)
{
    PGresult *result = PQexecParams(run->sql, text, n, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    query_error(run, result, what, error);
    PQclear(result);
    return NULL;
}

/* -- beginning ------------------------------------------------------------- */

/* Reads happen in one transaction. snapshot: the one that was exported with the slot; NULL: what is there now. */
static int begin(struct run *run, const char *snapshot, struct cdc_error *error)
{
    static const char opening[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off";
    char text[256] = "";
    if (execute(run, opening, "cannot begin the snapshot's transaction", error) < 0)
        return -1;
    if (snapshot) {
        struct cdc_buf import = {text, 0, sizeof text, false};
        char *literal = PQescapeLiteral(run->sql, snapshot, strlen(snapshot));
        if (!literal || strlen(literal) > 128) {
            PQfreemem(literal);
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server exported a snapshot without a proper name");
        }
        cdc_buf_lit(&import, "SET TRANSACTION SNAPSHOT ");
        cdc_buf_append(&import, literal, strlen(literal) + 1);
        PQfreemem(literal);
        if (execute(run, text, "cannot import the slot's snapshot", error) < 0)
            return -1;
    }
    PGresult *result = query(run, "SELECT floor(extract(epoch FROM transaction_timestamp()) * 1000)::int8", 0, NULL,
                             "cannot read the server's clock", error);
    if (!result)
        return -1;
    run->ts_ms = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return 0;
}

static int state_set_identity(struct run *run, struct cdc_error *error)
{
    struct cdc_buf json = CDC_BUF_INIT;
    pg_identity_json(&json, &run->identity);
    cdc_buf_byte(&json, '\0');
    if (json.failed) {
        cdc_buf_free(&json);
        return cdc_error_memory(error);
    }
    free(run->state.identity);
    run->state.identity = json.data;
    return 0;
}

static int identify(struct run *run, PGconn *replication, struct cdc_error *error)
{
    memset(&run->identity, 0, sizeof run->identity);
    if (pg_identify(replication, &run->identity, error) < 0)
        return -1;
    size_t n = strnlen(run->pg->slot, sizeof run->identity.slot - 1);
    memcpy(run->identity.slot, run->pg->slot, n);
    return 0;
}

/* The attempt's number is stored before its first line, or two attempts could share a pos. What an older one wrote says nothing
 * of this one. */
static int begin_attempt(struct run *run, struct cdc_error *error)
{
    struct state *state = &run->state;
    if (state->attempt >= MAX_ATTEMPT) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%u attempts at the snapshot of \"%s\" have failed", state->attempt, run->pg->name);
        return cdc_error_hint(error, "drop slot \"%s\" (pg-cdc --drop), remove the pipeline's offset files, and begin anew", run->pg->slot);
    }
    state->attempt++;
    state->creating = false;
    free(state->written);
    state->written = NULL;
    return state_save(run, error);
}

static int create_slot(struct run *run, PGconn *replication, struct cdc_error *error)
{
    struct state *state = &run->state;
    char snapshot[64] = "", text[24];
    if (identify(run, replication, error) < 0 || state_set_identity(run, error) < 0)
        return -1;
    state->creating = true;
    if (state_save(run, error) < 0)
        return -1;
    if (pg_slot_create(replication, run->pg, &state->point, snapshot, error) < 0) {
        struct cdc_error ignored = {0};
        state->creating = cdc_error_is_transient(error); /* then it may be there all the same */
        if (!state->creating)
            (void)state_save(run, &ignored);
        return -1;
    }
    state->has_point = true;
    state->attempt = 0;
    pg_lsn_format(text, state->point);
    cdc_log(run->log, CDC_LOG_INFO, "created slot \"%s\" at %s", run->pg->slot, text);
    if (begin_attempt(run, error) < 0) /* X is durable before the first row */
        return -1;
    return begin(run, snapshot, error);
}

/* What the role may not read is found before a slot is made that nobody would use. */
static const char unreadable_sql[] =
    "SELECT n.nspname, c.relname, row_security_active(c.oid) FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname "
    "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename WHERE p.pubname = $1 AND (row_security_active(c.oid) "
    "OR NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'SELECT')) ORDER BY 1, 2";

static bool is_selected(const struct run *run, const char *schema, const char *table)
{
    const struct pg_settings *pg = run->pg;
    return cdc_table_selected(pg->tables.items, pg->tables.count, pg->exclude.items, pg->exclude.count, cdc_span_text(schema),
                              cdc_span_text(table));
}

static int check_privileges(struct run *run, struct cdc_error *error)
{
    const char *values[1] = {run->pg->publication};
    PGresult *result = query(run, unreadable_sql, 1, values, "cannot check the privileges", error);
    int status = result ? 0 : -1;
    for (int i = 0; status == 0 && i < PQntuples(result); i++) {
        const char *schema = PQgetvalue(result, i, 0), *table = PQgetvalue(result, i, 1);
        if (!is_selected(run, schema, table))
            continue;
        bool policy = PQgetvalue(result, i, 2)[0] == 't';
        cdc_error_set(error, CDC_EXIT_PERMISSION, "role \"%s\" may not read %stable %s.%s", PQuser(run->sql),
                      policy ? "all rows of " : "", schema, table);
        status = cdc_error_hint(error, policy ? "row level security hides rows from it: ALTER ROLE \"%s\" BYPASSRLS; or exclude the table"
                                              : "GRANT SELECT on the table and USAGE on its schema to \"%s\", or exclude the table",
                                PQuser(run->sql));
    }
    PQclear(result);
    return status;
}

/* The connection that made the slot holds the snapshot until it is imported, and no longer. */
static int first_attempt(struct run *run, struct cdc_error *error)
{
    if (run->pg->no_create) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" does not exist, and --no-create forbids to make it", run->pg->slot);
        return cdc_error_hint(error, "a snapshot needs a slot of its own making: run once without --no-create");
    }
    if (pg_publication_ensure(run->sql, run->pg, run->log, error) < 0 || check_privileges(run, error) < 0)
        return -1;
    PGconn *replication = pg_connect(run->pg, true, error);
    if (!replication)
        return -1;
    int result = create_slot(run, replication, error);
    PQfinish(replication);
    return result;
}

static int lost(struct run *run, const char *why, struct cdc_error *error)
{
    char text[24];
    pg_lsn_format(text, run->state.point);
    cdc_error_set(error, CDC_EXIT_LOST, "slot \"%s\" %s: the snapshot that was begun at %s cannot be completed", run->pg->slot, why, text);
    return cdc_error_hint(error, "take a new one: run pg-cdc --drop, remove the offset files of the pipeline, and start again");
}

static int check_publication(struct run *run, struct cdc_error *error)
{
    const char *values[1] = {run->pg->publication};
    PGresult *result = query(run, "SELECT 1 FROM pg_publication WHERE pubname = $1", 1, values, "cannot look for the publication", error);
    if (!result)
        return -1;
    bool exists = PQntuples(result) != 0;
    PQclear(result);
    if (exists)
        return 0;
    cdc_error_set(error, CDC_EXIT_LOST, "publication \"%s\" is gone: the log since the snapshot began cannot be read", run->pg->publication);
    return cdc_error_hint(error, "take a new snapshot: run pg-cdc --drop, remove the offset files of the pipeline, and start again");
}

static int check_identity(struct run *run, struct cdc_error *error)
{
    PGconn *replication = pg_connect(run->pg, true, error);
    if (!replication)
        return -1;
    int result = identify(run, replication, error);
    if (result == 0)
        result = pg_identity_check(replication, &run->identity, run->state.identity, run->state.point, error);
    PQfinish(replication);
    return result < 0 ? -1 : state_set_identity(run, error);
}

/* The slot is there already, by an earlier attempt: same X, newer snapshot. */
static int next_attempt(struct run *run, const struct pg_slot *slot, struct cdc_error *error)
{
    struct state *state = &run->state;
    if (!state->has_point) { /* killed between making the slot and storing X: nobody has read from it */
        state->point = slot->confirmed_flush;
        state->has_point = true;
        state->attempt = 0;
    }
    if (!slot->exists)
        return lost(run, "does not exist any more", error);
    if (slot->lost)
        return lost(run, "was invalidated by the server", error);
    if (slot->confirmed_flush > state->point)
        return lost(run, "has been read past the snapshot's position", error);
    if (check_publication(run, error) < 0 || check_identity(run, error) < 0 || begin(run, NULL, error) < 0)
        return -1;
    if (begin_attempt(run, error) < 0)
        return -1;
    if (state->attempt > 1)
        cdc_log(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" begins again, attempt %u", run->pg->name, state->attempt);
    return 0;
}

static int foreign_slot(struct run *run, struct cdc_error *error)
{
    const char *path = cdc_offset_file_path(run->offsets);
    cdc_error_set(error, CDC_EXIT_CONFIG, "slot \"%s\" exists, but offset file %s knows of no snapshot that made it", run->pg->slot,
                  path ? path : "(none)");
    return cdc_error_hint(error, "name the right file (--offset-file, --state-dir); or, for a new snapshot, run pg-cdc --drop, "
                                 "remove the offset files of the pipeline, and start again");
}

static int begin_any(struct run *run, struct cdc_error *error)
{
    struct pg_slot slot;
    const struct state *state = &run->state;
    if (pg_slot_read(run->sql, run->pg->slot, &slot, error) < 0)
        return -1;
    if (!state->has_point && !slot.exists)
        return first_attempt(run, error);
    if (!state->has_point && !state->creating)
        return foreign_slot(run, error);
    return next_attempt(run, &slot, error);
}

/* -- tables ---------------------------------------------------------------- */

#define TABLES_SQL(more)                                                                                        \
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, "                                           \
    "CASE c.relkind WHEN 'p' THEN (SELECT coalesce(sum(greatest(l.reltuples, 0)), 0) "                          \
    "FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf) "                       \
    "ELSE greatest(c.reltuples, 0) END, " more " FROM pg_publication_tables p "                                 \
    "JOIN pg_namespace n ON n.nspname = p.schemaname "                                                          \
    "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename WHERE p.pubname = $1 ORDER BY 2, 3"

/* In the order of the columns, as the stream has them: generated ones are absent unless (18) the publication lists them. */
static const char columns_sql[] =
    "SELECT a.attname, a.atttypid, a.atttypmod, a.attgenerated <> '', CASE WHEN c.relreplident = 'f' THEN true ELSE EXISTS "
    "(SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) "
    "AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate ELSE false END) END "
    "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped "
    "AND CASE WHEN $2::name[] IS NULL THEN a.attgenerated = '' ELSE a.attname = ANY ($2::name[]) AND (a.attgenerated = '' OR $3::bool) END "
    "ORDER BY a.attnum";

static int read_columns(struct run *run, struct source_table *source, const char *names, struct cdc_error *error)
{
    struct pg_table *table = source->table;
    char oid[16];
    struct cdc_buf text = {oid, 0, sizeof oid, false};
    cdc_buf_u64(&text, table->oid);
    cdc_buf_byte(&text, '\0');
    const char *values[3] = {oid, names, PQserverVersion(run->sql) >= 180000 ? "t" : "f"};
    PGresult *result = query(run, columns_sql, 3, values, "cannot list the columns", error);
    if (!result)
        return -1;
    int n = PQntuples(result);
    table->columns = calloc((size_t)n + 1, sizeof *table->columns);
    bool good = table->columns != NULL;
    for (int i = 0; good && i < n; i++) {
        struct pg_column *column = &table->columns[table->n_columns++];
        column->name = strdup(PQgetvalue(result, i, 0));
        column->type_oid = (uint32_t)strtoul(PQgetvalue(result, i, 1), NULL, 10);
        column->typmod = (int32_t)strtol(PQgetvalue(result, i, 2), NULL, 10);
        column->type = pg_type_of(column->type_oid);
        column->nullable = true;
        source->generated = source->generated || PQgetvalue(result, i, 3)[0] == 't';
        column->identity = PQgetvalue(result, i, 4)[0] == 't';
        good = column->name != NULL;
    }
    PQclear(result);
    return good ? 0 : cdc_error_memory(error);
}

static const char *value_or_null(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static int add_table(struct run *run, const PGresult *list, int row, struct cdc_error *error)
{
    struct source_table *source = &run->tables[run->n_tables++];
    struct pg_table *table = calloc(1, sizeof *table);
    const char *filter = value_or_null(list, row, 6);
    source->table = table;
    if (!table)
        return cdc_error_memory(error);
    table->oid = (uint32_t)strtoul(PQgetvalue(list, row, 0), NULL, 10);
    table->schema = strdup(PQgetvalue(list, row, 1));
    table->name = strdup(PQgetvalue(list, row, 2));
    source->kind = PQgetvalue(list, row, 3)[0];
    table->replica_identity = PQgetvalue(list, row, 4)[0];
    source->estimate = strtod(PQgetvalue(list, row, 5), NULL);
    source->filter = filter ? strdup(filter) : NULL;
    run->estimate += source->estimate;
    if (!table->schema || !table->name || (filter && !source->filter))
        return cdc_error_memory(error);
    if (read_columns(run, source, value_or_null(list, row, 7), error) < 0 || pg_table_describe(run->sql, table, error) < 0 ||
        pg_table_prepare(table, run->pg->name, PQdb(run->sql), error) < 0)
        return -1;
    if (!table->has_key)
        cdc_log(run->log, CDC_LOG_WARNING, "table %s.%s has no key: should the snapshot begin again, its rows are delivered twice",
                table->schema, table->name);
    return 0;
}

static int list_tables(struct run *run, struct cdc_error *error)
{
    const struct pg_settings *pg = run->pg;
    const char *values[1] = {pg->publication};
    bool v15 = PQserverVersion(run->sql) >= 150000;
    PGresult *list = query(run, v15 ? TABLES_SQL("p.rowfilter, p.attnames") : TABLES_SQL("NULL, NULL"), 1, values,
                           "cannot list the publication's tables", error);
    if (!list)
        return -1;
    int n = PQntuples(list), result = 0;
    run->tables = calloc((size_t)n + 1, sizeof *run->tables);
    if (!run->tables)
        result = cdc_error_memory(error);
    for (int i = 0; result == 0 && i < n; i++)
        if (is_selected(run, PQgetvalue(list, i, 1), PQgetvalue(list, i, 2)))
            result = add_table(run, list, i, error);
    PQclear(list);
    if (result == 0 && run->n_tables == 0)
        cdc_log(run->log, CDC_LOG_WARNING, "publication \"%s\" has no table that is selected: the snapshot is empty", pg->publication);
    return result;
}

static void append_identifier(struct run *run, struct cdc_buf *out, const char *name)
{
    char *quoted = PQescapeIdentifier(run->sql, name, strlen(name));
    if (quoted)
        cdc_buf_text(out, quoted);
    else
        out->failed = true;
    PQfreemem(quoted);
}

/* `ONLY "s"."t"`: rows of tables that inherit are their own; a partitioned table has none but those. */
static void append_table(struct run *run, struct cdc_buf *out, const struct source_table *source, bool only)
{
    if (only && source->kind != 'p')
        cdc_buf_lit(out, "ONLY ");
    append_identifier(run, out, source->table->schema);
    cdc_buf_byte(out, '.');
    append_identifier(run, out, source->table->name);
}

/* What a rewrite (ALTER TABLE, TRUNCATE) leaves is not visible to older snapshots: such a table would look empty, and the log
 * does not tell its rows again. So all are locked, lightly, and none may have been rewritten since the snapshot. */
static const char rewritten_sql[] =
    "WITH o AS (SELECT unnest($1::oid[]) AS oid), r AS (SELECT oid FROM o UNION SELECT t.relid FROM o, pg_partition_tree(o.oid) t) "
    "SELECT n.nspname, c.relname FROM r JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid) LIMIT 1";

static int check_rewritten(struct run *run, const char *oids, struct cdc_error *error)
{
    PGresult *result = query(run, rewritten_sql, 1, &oids, "cannot check the tables", error);
    if (!result)
        return -1;
    int status = 0;
    if (PQntuples(result) != 0) {
        cdc_error_set(error, CDC_EXIT_TEMPORARY, "table %s.%s was rewritten or dropped since the snapshot was taken",
                      PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
        status = cdc_error_hint(error, "the snapshot begins again");
    }
    PQclear(result);
    return status;
}

static int lock_tables(struct run *run, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT, oids = CDC_BUF_INIT;
    int result = 0;
    cdc_buf_byte(&oids, '{');
    for (size_t i = 0; result == 0 && i < run->n_tables; i++) {
        text.len = 0;
        cdc_buf_lit(&text, "LOCK TABLE ");
        append_table(run, &text, &run->tables[i], true);
        cdc_buf_append(&text, " IN ACCESS SHARE MODE", sizeof " IN ACCESS SHARE MODE");
        cdc_buf_text(&oids, i ? "," : "");
        cdc_buf_u64(&oids, run->tables[i].table->oid);
        result = text.failed ? cdc_error_memory(error) : execute(run, text.data, "cannot lock a table against changes of its form", error);
    }
    cdc_buf_append(&oids, "}", 2);
    if (result == 0)
        result = oids.failed ? cdc_error_memory(error) : check_rewritten(run, oids.data, error);
    cdc_buf_free(&text);
    cdc_buf_free(&oids);
    return result;
}

/* -- lines ----------------------------------------------------------------- */

static void append_pos(struct run *run, struct cdc_buf *out)
{
    pg_pos_snapshot(out, run->state.point, run->state.attempt, ++run->lines);
}

static void schema_line(struct run *run, const struct pg_table *table)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    append_pos(run, &pos);
    pg_table_schema_line(cdc_writer_buf(run->writer), table, cdc_span(text, pos.len), run->state.point, run->ts_ms);
    run->metrics->lines_out++;
}

static void numbers(struct run *run, struct cdc_buf *out)
{
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, run->state.point);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, run->ts_ms);
    cdc_buf_lit(out, ",\"source\":");
}

/* last: the very last line of the attempt. */
static void commit_line(struct run *run, bool last)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    struct cdc_buf pos = {run->last_pos, 0, sizeof run->last_pos, false};
    append_pos(run, &pos);
    cdc_buf_byte(&pos, '\0');
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    cdc_buf_text(out, run->last_pos);
    numbers(run, out);
    cdc_buf_append(out, run->source_head.data, run->source_head.len);
    pg_source_tail(out, run->ts_ms, 0, run->state.point, last ? "last" : "true");
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, run->chunk);
    cdc_buf_lit(out, "}\n");
    run->chunk = 0;
    run->metrics->commits++;
    run->metrics->lines_out++;
}

static void prepare_rows(struct run *run, const struct pg_table *table)
{
    struct cdc_buf *fixed = &run->fixed;
    fixed->len = 0;
    numbers(run, fixed);
    cdc_buf_append(fixed, table->source_head.data, table->source_head.len);
    pg_source_tail(fixed, run->ts_ms, 0, run->state.point, "true");
    cdc_buf_text(fixed, table->has_key ? ",\"key\":" : ",\"before\":null,\"after\":");
}

static void row_line(struct run *run, const struct pg_table *table)
{
    struct cdc_buf *out = cdc_writer_buf(run->writer);
    const struct pg_value_style *style = &run->pg->style;
    cdc_buf_lit(out, "{\"op\":\"r\",\"pos\":\"");
    append_pos(run, out);
    cdc_buf_append(out, run->fixed.data, run->fixed.len);
    if (table->has_key) {
        pg_row_append(out, table, run->cells, PG_ROW_KEY, style, &run->metrics->unconvertible);
        cdc_buf_lit(out, ",\"before\":null,\"after\":");
    }
    pg_row_append(out, table, run->cells, PG_ROW_ALL, style, &run->metrics->unconvertible);
    cdc_buf_lit(out, "}\n");
    run->rows++;
    run->chunk++;
    run->metrics->changes++;
    run->metrics->lines_out++;
}

/* -- COPY ------------------------------------------------------------------ */

static int octal(const char *p, const char *end, char *c)
{
    int n = 0, value = 0;
    for (; n < 3 && p + n < end && p[n] >= '0' && p[n] <= '7'; n++)
        value = value * 8 + p[n] - '0';
    *c = (char)value;
    return n;
}

/* COPY's escapes, in place: what comes out is never longer. Returns its length. */
static size_t unescape(char *field, size_t n)
{
    static const char letters[] = "bfnrtv", meanings[] = "\b\f\n\r\t\v";
    char *to = field;
    const char *p = field, *end = field + n;
    while (p < end) {
        if (*p != '\\' || p + 1 >= end) {
            *to++ = *p++;
            continue;
        }
        p++;
        const char *letter = memchr(letters, *p, sizeof letters - 1);
        if (letter) {
            *to++ = meanings[letter - letters];
            p++;
        } else if (*p >= '0' && *p <= '7') {
            p += octal(p, end, to);
            to++;
        } else {
            *to++ = *p++;
        }
    }
    return (size_t)(to - field);
}

static int split_row(struct run *run, const struct pg_table *table, char *row, size_t n, struct cdc_error *error)
{
    bool escapes = memchr(row, '\\', n) != NULL;
    char *p = row, *end = row + n;
    size_t found = 0;
    for (; found < table->n_columns && p <= end; found++) {
        struct pg_cell *cell = &run->cells[found];
        char *tab = memchr(p, '\t', (size_t)(end - p));
        size_t length = (size_t)((tab ? tab : end) - p);
        cell->p = p;
        cell->kind = escapes && length == 2 && p[0] == '\\' && p[1] == 'N' ? 'n' : 't';
        cell->n = (uint32_t)(escapes ? unescape(p, length) : length);
        p += length + 1;
    }
    if (found == table->n_columns && (p == end + 1 || (found == 0 && n == 0)))
        return 0;
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a row with another number of columns", table->schema, table->name);
}

static void show_progress(struct run *run, const struct pg_table *table, int64_t now)
{
    double seconds = (double)(now - run->began) / 1000.0;
    double rate = seconds > 0 ? (double)run->rows / seconds : 0;
    double left = run->estimate - (double)run->rows;
    if (run->estimate > 0 && left > 0 && rate > 0)
        cdc_log(run->log, CDC_LOG_INFO, "%s.%s: %llu of about %.0f rows, %.0f %%, %.0f rows/s, %.0f s left", table->schema, table->name,
                (unsigned long long)run->rows, run->estimate, 100.0 * (double)run->rows / run->estimate, rate, left / rate);
    else
        cdc_log(run->log, CDC_LOG_INFO, "%s.%s: %llu rows, %.0f rows/s", table->schema, table->name, (unsigned long long)run->rows, rate);
}

/* Now and then: statistics that were asked for, and progress. */
static void look_around(struct run *run, const struct pg_table *table)
{
    int64_t now = cdc_clock_ms();
    run->metrics->bytes_out = cdc_writer_written(run->writer);
    if (run->control->statistics) {
        struct cdc_buf line = CDC_BUF_INIT;
        run->control->statistics = 0;
        cdc_metrics_line(&line, run->metrics);
        if (!line.failed)
            cdc_log(run->log, CDC_LOG_INFO, "%.*s", (int)line.len, line.data);
        cdc_buf_free(&line);
    }
    if (!run->settings->progress || now < run->next_look)
        return;
    show_progress(run, table, now);
    run->next_look = now + 1000;
}

static int drain(struct run *run, struct cdc_error *error)
{
    int result = cdc_writer_drain(run->writer, run->control->wake_fd, error);
    return result == 1 || (result == 0 && run->control->stop) ? stopped(error) : result;
}

static int take_row(struct run *run, const struct pg_table *table, char *row, int n, struct cdc_error *error)
{
    if (n > 0 && row[n - 1] == '\n')
        n--;
    if (split_row(run, table, row, (size_t)n, error) < 0)
        return -1;
    row_line(run, table);
    if (run->chunk >= (uint64_t)run->settings->chunk_rows)
        commit_line(run, false);
    if (cdc_writer_pending(run->writer) < FLUSH_BYTES)
        return run->control->stop ? stopped(error) : 0;
    look_around(run, table);
    return drain(run, error);
}

static int read_rows(struct run *run, const struct pg_table *table, struct cdc_error *error)
{
    for (;;) {
        char *row = NULL;
        int n = PQgetCopyData(run->sql, &row, 1);
        if (n == -1)
            return 0;
        if (n < -1)
            return pg_result_error(run->sql, NULL, "reading the rows of a table failed", error);
        int result = n == 0 ? wait_input(run, error) : take_row(run, table, row, n, error);
        PQfreemem(row);
        if (n == 0)
            look_around(run, table);
        if (result < 0)
            return -1;
    }
}

/* The short form is the faster one; it takes neither filters nor partitions nor generated columns. */
static void copy_statement(struct run *run, struct cdc_buf *out, const struct source_table *source)
{
    const struct pg_table *table = source->table;
    bool simple = source->kind == 'r' && !source->filter && !source->generated && table->n_columns != 0;
    cdc_buf_lit(out, "COPY ");
    if (simple)
        append_table(run, out, source, false);
    cdc_buf_text(out, simple ? " (" : "(SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(out, i ? "," : "");
        append_identifier(run, out, table->columns[i].name);
    }
    if (!simple) {
        cdc_buf_lit(out, " FROM ");
        append_table(run, out, source, true);
    }
    if (source->filter) {
        cdc_buf_lit(out, " WHERE ");
        cdc_buf_text(out, source->filter);
    }
    cdc_buf_append(out, ") TO STDOUT", sizeof ") TO STDOUT");
}

static int read_table(struct run *run, const struct source_table *source, struct cdc_error *error)
{
    const struct pg_table *table = source->table;
    struct cdc_buf text = CDC_BUF_INIT;
    char what[160];
    snprintf(what, sizeof what, "cannot read table %s.%s", table->schema, table->name);
    free(run->cells);
    run->cells = calloc(table->n_columns + 1, sizeof *run->cells);
    copy_statement(run, &text, source);
    prepare_rows(run, table);
    schema_line(run, table);
    PGresult *result = NULL;
    if (!run->cells || text.failed || run->fixed.failed)
        cdc_error_memory(error);
    else
        result = command(run, text.data, PGRES_COPY_OUT, what, error);
    cdc_buf_free(&text);
    if (!result)
        return -1;
    PQclear(result);
    if (read_rows(run, table, error) < 0 || finish_command(run, what, error) < 0)
        return -1;
    commit_line(run, false);
    return 0;
}

/* -- the whole ------------------------------------------------------------- */

static int copy_all(struct run *run, struct cdc_error *error)
{
    run->began = cdc_clock_ms();
    run->next_look = run->began + 1000;
    for (size_t i = 0; i < run->n_tables; i++)
        if (read_table(run, &run->tables[i], error) < 0)
            return -1;
    commit_line(run, true);
    if (execute(run, "COMMIT", "cannot end the snapshot's transaction", error) < 0 || drain(run, error) < 0)
        return -1;
    return cdc_writer_sync(run->writer, error);
}

static int written(struct run *run, struct cdc_error *error)
{
    struct state *state = &run->state;
    state->written = strdup(run->last_pos);
    if (!state->written)
        return cdc_error_memory(error);
    state->finished = run->acks == NULL;
    run->metrics->seq = (int64_t)state->point;
    if (state_save(run, error) < 0)
        return -1;
    cdc_log(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is written: %llu rows of %zu tables in %.1f s%s", run->pg->name,
            (unsigned long long)run->rows, run->n_tables, (double)(cdc_clock_ms() - run->began) / 1000.0,
            run->acks ? "; finished once its sinks have stored it" : "");
    return 0;
}

static int attempt(struct run *run, struct cdc_error *error)
{
    run->sql = pg_connect(run->pg, false, error);
    if (!run->sql)
        return -1;
    if (pg_settings_resolve(run->sql, run->pg, error) < 0)
        return -1;
    pg_source_head(&run->source_head, run->pg->name, PQdb(run->sql));
    if (run->source_head.failed)
        return cdc_error_memory(error);
    if (begin_any(run, error) < 0 || list_tables(run, error) < 0 || lock_tables(run, error) < 0 || copy_all(run, error) < 0)
        return -1;
    return written(run, error);
}

/* Lines leave whole: after an error too, and for a while after a signal. */
static void finish_output(struct run *run)
{
    struct cdc_error ignored = {0};
    int64_t deadline = cdc_clock_ms() + STOP_MS;
    if (cdc_writer_drain(run->writer, run->control->wake_fd, &ignored) <= 0)
        return;
    while (cdc_writer_pending(run->writer) != 0 && run->control->stop < 2 && cdc_clock_ms() < deadline) {
        struct pollfd fd = {cdc_writer_fd(run->writer), POLLOUT, 0};
        (void)poll(&fd, 1, 100);
        if (cdc_writer_flush(run->writer, &ignored) < 0)
            return;
    }
}

static void run_free(struct run *run)
{
    for (size_t i = 0; i < run->n_tables; i++) {
        pg_table_free(run->tables[i].table);
        free(run->tables[i].filter);
    }
    free(run->tables);
    free(run->cells);
    cdc_buf_free(&run->fixed);
    cdc_buf_free(&run->source_head);
    PQfinish(run->sql);
    cdc_writer_free(run->writer);
    state_clear(&run->state);
}

int pg_snapshot_run(const struct pg_snapshot_settings *settings, struct cdc_offset_file *offsets, struct cdc_acks *acks,
                    struct cdc_control *control, struct cdc_metrics *metrics, const struct cdc_log *log, struct cdc_error *error)
{
    struct run run = {
        .settings = settings, .pg = settings->settings, .offsets = offsets, .acks = acks, .control = control, .metrics = metrics, .log = log,
    };
    int result = state_read(&run, error);
    if (result == 0)
        result = check_finished(&run, error);
    if (result == 0) {
        run.writer = cdc_writer_new(settings->output_fd, error);
        result = run.writer ? attempt(&run, error) : -1;
        if (run.writer)
            finish_output(&run);
    }
    run_free(&run);
    return result < 0 ? -1 : 0;
}
