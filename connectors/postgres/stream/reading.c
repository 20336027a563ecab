/* SPDX-License-Identifier: MIT */
/* Tables that are read again while the stream goes on (pgoutput/live.h): what people ask for. All others wait for no longer than it
 * takes to read one piece; which is the whole table where its key is of another kind (whole.c). An example of what is kept of it, in our
 * own state, before its first
 * line leaves, and after its last one:
 *
 *      "again":[{"at":"POS of the first line","tables":[{"db":"shop","schema":"public","table":"t"}],"attempt":3,"written":null}]
 *      ...                                                                                              "written":"POS of the last commit"
 *
 * So it is with tables that are stale: they are in that list from the moment that this is known, with a position that no line has, and
 * their changes are withheld until their read begins. No order of the log is lost by that: the first piece is read once all
 * transactions have ended that were open or over when it was the table's turn, so it shows whatever was withheld before, and those that
 * come between are noted as for any piece. Nothing is held back in memory. The form that the catalogs show is taken for the copy's with
 * the first piece, in its transaction; until all sinks have the last line the list says that the copy has another one.
 *
 * A start that finds one which not all sinks have stored begins it anew, after the position of the foremost sink, and withholds the
 * table's changes until then: sinks may be anywhere in it, and take the table as it comes from the new first line on. */
#include "connectors/postgres/stream/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/schema/describe.h"
#include "connectors/postgres/schema/locks.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <cdc/request.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 60000 /* for transactions that were open when the table was asked for */
#define STEP_MS 100
#define RETRY_MS 5000
#define ASK_MS 5    /* for the end of the log, while a piece is to be passed */
#define PIECE_MS 20 /* of time, and */
#define PIECE_BYTES ((size_t)4 << 20)
enum { ROWS_FIRST = 16, ROWS_MAX = 10000, RESTARTS_MAX = 5 };
#define ASKED_MAX 64 /* stale at a time: where all tables are, one round for all of them costs less */

/* -- what is kept ------------------------------------------------------------------------------------------ */

void pg_reading_clear(struct pg_reading *reading)
{
    cdc_stale_clear(&reading->asked);
    cdc_stale_clear(&reading->open);
    cdc_rounds_clear(&reading->rounds);
    pg_live_clear(&reading->live);
    pg_whole_clear(reading);
    pg_table_free(reading->table);
    free(reading->schema);
    free(reading->name);
    free(reading->form);
    PQfinish(reading->sql);
    *reading = (struct pg_reading){.phase = PG_READING_NONE};
}

static bool is_possible(const struct pg_stream *stream)
{
    return stream->heal.on && stream->settings.acks && stream->settings.state_dir;
}

int pg_reading_load(struct pg_stream *stream, struct cdc_error *error)
{
    if (stream->reading.loaded || !is_possible(stream))
        return 0;
    const struct cdc_offset *entry = cdc_offset_file_get(stream->settings.offsets, stream->pg->name);
    stream->reading.loaded = true;
    return cdc_rounds_read(&stream->reading.rounds, cdc_span_text(entry ? entry->state : NULL), error);
}

static void remove_rounds(struct cdc_rounds *rounds, const char *db, const char *schema, const char *name)
{
    for (size_t i = 0; i < rounds->n; i++)
        cdc_stale_remove(&rounds->items[i].of, db, schema, name);
    cdc_rounds_prune(rounds);
}

/* What a run before has begun, cdc-snapshot reads. */
static int hand_over(struct pg_stream *stream, const struct cdc_stale *tables, struct cdc_error *error)
{
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        if (pg_heal_mark(stream, table->schema, table->table, table->why, error) < 0)
            return -1;
        remove_rounds(&stream->reading.rounds, table->db, table->schema, table->table);
    }
    return pg_heal_plan(stream, error) < 0 ? -1 : pg_heal_save(stream, error);
}

/* A run with an end may come to that before a table is read; and what conditions a snapshot was taken with is its command line's
 * to say. */
static bool is_left_to_snapshot(const struct pg_stream *stream)
{
    struct cdc_span snapshot = cdc_span_text(stream->settings.start->snapshot);
    return stream->settings.until || stream->settings.max_events > 0 ||
           (snapshot.p && cdc_json_member(snapshot, "partial").p);
}

static int keep_open(struct pg_stream *stream, const struct cdc_stale *tables, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        if (cdc_stale_has(&stream->heal.mark, table->db, table->schema, table->table))
            continue;
        if (cdc_stale_add(&reading->asked, table->db, table->schema, table->table, table->why, error) < 0 ||
            cdc_stale_add(&reading->open, table->db, table->schema, table->table, table->why, error) < 0)
            return -1;
    }
    return 0;
}

int pg_reading_begin(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_stale none = {.at = NULL};
    bool left = is_left_to_snapshot(stream);
    if (reading->begun || !is_possible(stream))
        return 0;
    for (size_t i = 0; i < reading->rounds.n; i++)
        if (reading->rounds.items[i].attempt.number > reading->attempt)
            reading->attempt = reading->rounds.items[i].attempt.number;
    reading->attempt = reading->attempt < CDC_ATTEMPT_MAX ? reading->attempt + 1 : 1;
    if (cdc_rounds_reopen(&reading->rounds, &none, stream->settings.acks, error) < 0)
        return -1;
    int result = none.n == 0 ? 0 : left ? hand_over(stream, &none, error) : keep_open(stream, &none, error);
    cdc_stale_clear(&none);
    reading->begun = !left;
    return result;
}

void pg_reading_attach(struct pg_stream *stream)
{
    struct pg_reading *reading = &stream->reading;
    if (stream->decoder)
        pgoutput_set_live(stream->decoder, reading->name ? &reading->live : NULL, &reading->open);
}

/* The table is another one's to read from here on, or was read. */
static void forget(struct pg_stream *stream)
{
    struct pg_reading *reading = &stream->reading;
    if (stream->decoder)
        pgoutput_set_live(stream->decoder, NULL, &reading->open);
    pg_live_clear(&reading->live);
    pg_whole_clear(reading);
    pg_table_free(reading->table);
    reading->table = NULL;
    free(reading->schema);
    free(reading->name);
    free(reading->form);
    reading->schema = reading->name = reading->form = NULL;
    reading->restarts = 0;
    reading->phase = PG_READING_NONE;
}

/* Begins anew, from the table's first row. What the log brings of it meanwhile does not come, if lines are out. */
static void restart(struct pg_stream *stream, const char *why)
{
    struct pg_reading *reading = &stream->reading;
    cdc_log_write(stream->log, CDC_LOG_INFO, "table \"%s\".\"%s\" is read again from its beginning: %s",
                  reading->schema, reading->name, why);
    reading->live.broken = reading->live.begun || reading->live.broken ? why : NULL;
    reading->live.begun = reading->live.all_read = reading->live.has_done = reading->live.has_read = false;
    pg_visible_clear(&reading->live.visible);
    pg_whole_clear(reading);
    if (reading->phase == PG_READING_ROWS) { /* in the middle of a COPY */
        PQfinish(reading->sql);
        reading->sql = NULL;
    }
    pg_table_free(reading->table);
    reading->table = NULL;
    free(reading->form);
    reading->form = NULL;
    reading->phase = PG_READING_NONE;
    reading->due = cdc_clock_ms() + STEP_MS;
    reading->restarts++;
}

void pg_reading_disconnected(struct pg_stream *stream)
{
    struct pg_reading *reading = &stream->reading;
    if (reading->name && reading->phase != PG_READING_NONE)
        restart(stream, "the connection broke");
}

/* What is stale in another way is read once the stream has ended. */
static void leave(struct pg_stream *stream, const char *schema, const char *name)
{
    struct pg_reading *reading = &stream->reading;
    const char *db = stream->identity.database;
    cdc_stale_remove(&reading->asked, db, schema, name);
    cdc_stale_remove(&reading->open, db, schema, name);
    remove_rounds(&reading->rounds, db, schema, name);
    if (reading->name && strcmp(reading->name, name) == 0 && strcmp(reading->schema, schema) == 0)
        forget(stream);
}

/* -- which tables can be --------------------------------------------------------------------------------------- */

static int open_session(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (reading->sql && PQstatus(reading->sql) == CONNECTION_OK)
        return 0;
    PQfinish(reading->sql);
    reading->sql = pg_connect_beside(stream->pg, stream->replication, NULL, error);
    return reading->sql ? pg_query_run(reading->sql, "SET synchronous_commit = local; SET lock_timeout = 200",
                                       "cannot prepare the session", error)
                        : -1;
}

static const char key_sql[] =
    "SELECT a.attname AS name, a.atttypid AS type FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN "
    "pg_index i "
    "ON i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate CROSS JOIN LATERAL "
    "unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY k(number, place) JOIN pg_attribute a ON "
    "a.attrelid = "
    "c.oid AND a.attnum = k.number WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r' AND c.relreplident = "
    "'d' ORDER "
    "BY k.place";

/* Names of the key's columns belong to the table. 1; 0: it is not of that kind; -1. */
static int read_key(struct pg_reading *reading, struct cdc_error *error)
{
    enum { INT8 = 20, INT2 = 21, INT4 = 23, UUID = 2950 };
    static const char what[] = "cannot read the key of a table";
    struct pg_live *live = &reading->live;
    PGresult *result =
        pg_query_rows(reading->sql, key_sql, 2, (const char *const[]){reading->schema, reading->name}, what, error);
    int n = result ? PQntuples(result) : -1;
    bool good = n > 0 && n <= PG_LIVE_KEY_MAX;
    live->n_key = 0;
    for (int i = 0; good && i < n; i++) {
        int type = atoi(PQgetvalue(result, i, 1));
        live->is_uuid[i] = type == UUID;
        good = type == INT8 || type == INT2 || type == INT4 || type == UUID;
        live->column[i] = NULL;
        for (size_t c = 0; c < reading->table->n_columns; c++)
            if (reading->table->columns[c].key &&
                strcmp(reading->table->columns[c].name, PQgetvalue(result, i, 0)) == 0)
                live->column[i] = reading->table->columns[c].name;
        good = good && live->column[i];
        live->n_key++;
    }
    size_t keys = 0;
    for (size_t c = 0; good && c < reading->table->n_columns; c++)
        keys += reading->table->columns[c].key;
    PQclear(result);
    return n < 0 ? -1 : good && keys == live->n_key;
}

static const struct pg_catalog_table *find_table(const struct pg_catalog *catalog, const char *schema, const char *name)
{
    for (size_t i = 0; i < catalog->n; i++)
        if (strcmp(catalog->tables[i].name, name) == 0 && strcmp(catalog->tables[i].schema, schema) == 0)
            return &catalog->tables[i];
    return NULL;
}

static bool is_readable(const struct pg_catalog_table *found)
{
    return found && found->listed && !found->under_root && (found->kind == 'r' || found->kind == 'p') &&
           found->persistence == 'p' && found->readable && !found->hidden && !found->unlike && !found->nullable_key &&
           !found->columnless && !found->detaching;
}

static bool is_plain(const struct pg_catalog_table *found)
{
    return found->kind == 'r' && !found->filter && !found->lists_columns;
}

/* 1, 0: it has no column, -1 */
static int take_source(struct pg_reading *reading, const struct pg_catalog_table *found, bool generated,
                       struct cdc_error *error)
{
    char *filter = found->filter ? strdup(found->filter) : NULL;
    if (found->filter && !filter)
        return cdc_error_memory(error);
    reading->source = (struct pg_scan_source){
        .table = reading->table, .partitioned = found->kind == 'p', .filter = filter, .generated = generated};
    return reading->table->n_columns > 0;
}

/* In pieces by the key, or in one? */
static int take_way(struct pg_reading *reading, const struct pg_catalog_table *found, struct cdc_error *error)
{
    int keyed = reading->table->has_key && is_plain(found) ? read_key(reading, error) : 0;
    reading->live.whole = keyed == 0;
    return keyed < 0 ? -1 : 1;
}

/* From here on its rows are as this form has them. A copy has others until all are read, and is not taken for one that has these:
 * the table is in our state until then (note_round). */
static int take_shape(struct pg_stream *stream, const struct pg_catalog *catalog, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_stale only = {.at = NULL};
    struct pg_shapes *shapes = &stream->heal.shapes;
    int result = cdc_stale_add(&only, stream->identity.database, reading->schema, reading->name, "", error);
    if (result == 0)
        result = pg_shapes_take(shapes, reading->sql, stream->pg, catalog, &only, error);
    cdc_stale_clear(&only);
    struct pg_shape *shape = result == 0 ? pg_shapes_find(shapes, reading->schema, reading->name) : NULL;
    if (shape)
        shape->own = true;
    return result < 0 ? -1 : 1;
}

/* Describes it. taken: for its rows, in their transaction. 1; 0: it cannot be read so; -1. */
static int describe(struct pg_stream *stream, bool taken, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_catalog catalog;
    bool generated = false;
    int result = pg_catalog_read(reading->sql, stream->pg->publication, 200, &catalog, error);
    const struct pg_catalog_table *found = result == 0 ? find_table(&catalog, reading->schema, reading->name) : NULL;
    pg_whole_clear(reading);
    pg_table_free(reading->table);
    reading->table = NULL;
    if (result == 0 && is_readable(found)) {
        reading->table = pg_describe_table(reading->sql, found, &generated, error);
        bool ready =
            reading->table && pg_table_prepare(reading->table, stream->pg->name, stream->identity.database, error) == 0;
        result = ready ? take_source(reading, found, generated, error) : -1;
        if (result > 0)
            result = take_way(reading, found, error);
    }
    if (result > 0 && taken)
        result = take_shape(stream, &catalog, error);
    pg_catalog_free(&catalog);
    if (result == 0) {
        pg_table_free(reading->table);
        reading->table = NULL;
    }
    return result;
}

static int take_current(struct pg_reading *reading, const char *schema, const char *name, struct cdc_error *error)
{
    reading->schema = strdup(schema);
    reading->name = strdup(name);
    reading->live.schema = reading->schema;
    reading->live.name = reading->name;
    return reading->schema && reading->name ? 0 : cdc_error_memory(error);
}

int pg_reading_ask(struct pg_stream *stream, const struct cdc_stale_table *table, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    const struct cdc_stale_table *asked = cdc_stale_find(&reading->asked, table->db, table->schema, table->table);
    if (!reading->begun || stream->on_standby || stream->converts || stream->heal.mark.n > 0)
        return 0;
    if (asked && (strcmp(asked->why, table->why) == 0 || (reading->name && reading->live.begun)))
        return 1; /* a later request for one that has begun waits for its end */
    if (asked)
        cdc_stale_remove(&reading->asked, table->db, table->schema, table->table);
    return cdc_stale_add(&reading->asked, table->db, table->schema, table->table, table->why, error) < 0 ? -1 : 1;
}

static uint64_t place(const struct pg_stream *stream)
{
    return stream->wal_end > stream->boundary_lsn ? stream->wal_end : stream->boundary_lsn;
}

/* -- tables that are stale ------------------------------------------------------------------------------------------ */

/* It is in our state from now on, as one that not all sinks have. line: of its position, which no other round has. */
static int note_round(struct pg_stream *stream, const char *schema, const char *name, uint64_t line,
                      struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_stale mark = {.at = NULL};
    struct cdc_buf pos = CDC_BUF_INIT;
    pg_pos_round(&pos, place(stream), reading->attempt, line);
    cdc_buf_byte(&pos, '\0');
    mark.at = pos.data;
    int result =
        pos.failed ? cdc_error_memory(error) : cdc_stale_add(&mark, stream->identity.database, schema, name, "", error);
    struct cdc_round *round =
        result == 0 ? cdc_rounds_begin(&reading->rounds, &mark, place(stream), stream->pg->name, "", error) : NULL;
    cdc_stale_clear(&mark);
    if (!round)
        return -1;
    round->attempt.number = reading->attempt;
    stream->heal.unsaved = true;
    return 0;
}

static bool is_current(const struct pg_reading *reading, const char *schema, const char *name)
{
    return reading->name && strcmp(reading->name, name) == 0 && strcmp(reading->schema, schema) == 0;
}

bool pg_reading_withholds(const struct pg_stream *stream, const char *schema, const char *name)
{
    const struct pg_reading *reading = &stream->reading;
    return cdc_stale_has(&reading->open, stream->identity.database, schema, name) ||
           (is_current(reading, schema, name) && reading->live.broken);
}

static int withhold(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                    struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    const char *db = stream->identity.database;
    if (cdc_stale_add(&reading->asked, db, schema, name, why, error) < 0 ||
        cdc_stale_add(&reading->open, db, schema, name, why, error) < 0 ||
        note_round(stream, schema, name, ++reading->line, error) < 0)
        return -1;
    if (is_current(reading, schema, name))
        reading->live.broken = "it was altered";
    cdc_log_write(stream->log, CDC_LOG_INFO, "table \"%s\".\"%s\" is to be read again: %s", schema, name, why);
    pg_reading_attach(stream);
    return 1;
}

int pg_reading_take(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                    struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (!reading->begun || stream->on_standby || stream->converts || stream->heal.mark.n > 0)
        return 0;
    if (pg_reading_withholds(stream, schema, name))
        return 1;
    if (is_current(reading, schema, name) && reading->live.begun) {
        restart(stream, why);
        return 1;
    }
    return reading->asked.n < ASKED_MAX ? withhold(stream, schema, name, why, error) : 0;
}

/* -- pieces ------------------------------------------------------------------------------------------------------ */

/* Rows are fetched a few at a time: those of before do not tell how large the next ones are. */
enum { FETCH = 16, FETCHES = ROWS_MAX / FETCH + 1 };

struct piece {
    struct pg_visible visible;
    PGresult *rows[FETCHES];
    size_t n_fetched;
    bool is_other; /* the table has another form than was described */
    bool last;     /* no row is after these */
    size_t limit, n, bytes;
};

static void piece_free(struct piece *piece)
{
    pg_visible_clear(&piece->visible);
    for (size_t i = 0; i < piece->n_fetched; i++)
        PQclear(piece->rows[i]);
}

static const char look_sql[] = "SELECT pg_current_snapshot() AS xids, pg_current_wal_insert_lsn() AS lsn, (SELECT "
                               "concat_ws(' ', c.oid, c.relfilenode, "
                               "c.xmin, (SELECT sum(hashint8(a.xmin::text::int8 * 2048 + a.attnum)) FROM pg_attribute "
                               "a WHERE a.attrelid = c.oid AND "
                               "a.attnum > 0)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
                               "n.nspname = $1 AND c.relname = $2) AS "
                               "form";

static PGresult *ask_form(struct pg_reading *reading, struct cdc_error *error)
{
    static const char what[] = "cannot look at a table that is read again";
    PGresult *result =
        pg_query_rows(reading->sql, look_sql, 2, (const char *const[]){reading->schema, reading->name}, what, error);
    if (!result || PQntuples(result) == 1)
        return result;
    PQclear(result);
    cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s", what);
    return NULL;
}

/* Before it is described. */
static int take_form(struct pg_reading *reading, struct cdc_error *error)
{
    PGresult *result = ask_form(reading, error);
    if (!result)
        return -1;
    free(reading->form);
    reading->form = strdup(PQgetvalue(result, 0, 2));
    PQclear(result);
    return reading->form ? 0 : cdc_error_memory(error);
}

/* What the piece sees of the log, and the table's form. The position is asked for after the snapshot was taken (visible.h). */
static int look(struct pg_stream *stream, struct piece *piece, struct cdc_error *error)
{
    PGresult *result = ask_form(&stream->reading, error);
    if (!result)
        return -1;
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "{\"lsn\":");
    cdc_json_append_text(&text, PQgetvalue(result, 0, 1), strlen(PQgetvalue(result, 0, 1)));
    cdc_buf_lit(&text, ",\"xids\":");
    cdc_json_append_text(&text, PQgetvalue(result, 0, 0), strlen(PQgetvalue(result, 0, 0)));
    cdc_buf_byte(&text, '}');
    piece->is_other = strcmp(stream->reading.form, PQgetvalue(result, 0, 2)) != 0;
    int status =
        text.failed ? cdc_error_memory(error) : pg_visible_parse(&piece->visible, cdc_span(text.data, text.len), error);
    cdc_buf_free(&text);
    PQclear(result);
    return status;
}

static void append_key(struct cdc_buf *out, const struct pg_live *live)
{
    for (size_t i = 0; i < live->n_key; i++) {
        cdc_buf_text(out, i ? "," : "");
        pg_query_identifier(out, live->column[i]);
    }
}

static void append_bound(struct cdc_buf *out, const struct pg_reading *reading)
{
    const struct pg_live *live = &reading->live;
    if (!live->has_read)
        return;
    cdc_buf_lit(out, " WHERE (");
    append_key(out, live);
    cdc_buf_lit(out, ") > (");
    for (size_t i = 0; i < live->n_key; i++) {
        const uint64_t *words = &live->read.words[2 * i];
        cdc_buf_text(out, i ? "," : "");
        if (live->is_uuid[i])
            cdc_buf_printf(out, "'%016llx%016llx'", (unsigned long long)words[0], (unsigned long long)words[1]);
        else
            cdc_buf_printf(out, "'%lld'", (long long)(words[0] ^ (UINT64_C(1) << 63)));
    }
    cdc_buf_byte(out, ')');
}

static int open_rows(struct pg_reading *reading, const struct piece *piece, struct cdc_error *error)
{
    const struct pg_table *table = reading->table;
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "DECLARE piece NO SCROLL CURSOR FOR SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(&text, i ? "," : "");
        pg_query_identifier(&text, table->columns[i].name);
    }
    cdc_buf_lit(&text, " FROM ONLY ");
    pg_query_table(&text, table->schema, table->name);
    append_bound(&text, reading);
    cdc_buf_lit(&text, " ORDER BY ");
    append_key(&text, &reading->live);
    cdc_buf_printf(&text, " LIMIT %zu", piece->limit);
    cdc_buf_byte(&text, '\0');
    int status = text.failed ? cdc_error_memory(error)
                             : pg_query_run(reading->sql, text.data, "cannot read a table again", error);
    cdc_buf_free(&text);
    return status;
}

static size_t bytes_of(const PGresult *rows)
{
    size_t bytes = 0;
    for (int row = 0; row < PQntuples(rows); row++)
        for (int i = 0; i < PQnfields(rows); i++)
            bytes += (size_t)PQgetlength(rows, row, i);
    return bytes;
}

static int fetch_rows(const struct pg_reading *reading, struct piece *piece, struct cdc_error *error)
{
    while (!piece->last && piece->n < piece->limit && piece->bytes < PIECE_BYTES) {
        size_t most = piece->limit - piece->n < FETCH ? piece->limit - piece->n : FETCH;
        char text[48];
        snprintf(text, sizeof text, "FETCH FORWARD %zu FROM piece", most);
        PGresult *rows = pg_query_rows(reading->sql, text, 0, NULL, "cannot read a table again", error);
        if (!rows)
            return -1;
        piece->rows[piece->n_fetched++] = rows;
        piece->n += (size_t)PQntuples(rows);
        piece->bytes += bytes_of(rows);
        piece->last = (size_t)PQntuples(rows) < most;
    }
    return 0;
}

static void end_transaction(struct pg_reading *reading)
{
    struct cdc_error ignored = {0};
    if (reading->sql && PQstatus(reading->sql) == CONNECTION_OK)
        (void)pg_query_run(reading->sql, "ROLLBACK", "", &ignored);
}

/* All that is read of a piece, with a commit record of our own after it in the log, so that the log comes to what it has seen. 1;
 * 0: it is too early, or the table has another form; -1. */
static int read_piece(struct pg_stream *stream, struct piece *piece, struct cdc_error *error)
{
    static const char what[] = "cannot read a table again";
    struct pg_reading *reading = &stream->reading;
    bool first = !reading->live.begun;
    struct cdc_buf lock = CDC_BUF_INIT;
    cdc_buf_lit(&lock, "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = 200; LOCK TABLE ");
    cdc_buf_text(&lock, reading->source.partitioned ? "" : "ONLY ");
    pg_query_table(&lock, reading->schema, reading->name);
    cdc_buf_append(&lock, " IN ACCESS SHARE MODE", sizeof " IN ACCESS SHARE MODE");
    int status = lock.failed ? cdc_error_memory(error) : pg_query_run(reading->sql, lock.data, what, error);
    cdc_buf_free(&lock);
    if (status < 0 || look(stream, piece, error) < 0)
        return -1;
    if (piece->is_other || !pg_live_is_whole(&reading->live, &piece->visible))
        return 0;
    /* It may have been altered since it was looked at: the lock keeps it as it is now. */
    int can = first ? describe(stream, true, error) : 1;
    if (can <= 0) {
        reading->live.broken = can == 0 ? "it has become another one" : reading->live.broken;
        return can;
    }
    if (reading->live.whole)
        return pg_whole_begin(reading, error) < 0 ? -1 : 1;
    if (open_rows(reading, piece, error) < 0 || fetch_rows(reading, piece, error) < 0)
        return -1;
    PGresult *result = pg_query_rows(reading->sql, "SELECT pg_current_xact_id()", 0, NULL, what, error);
    PQclear(result);
    return result && pg_query_run(reading->sql, "COMMIT", what, error) == 0 ? 1 : -1;
}

static void take_cells(const struct pg_table *table, const PGresult *rows, int row, struct pg_cell *cells)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        bool null = PQgetisnull(rows, row, (int)i);
        cells[i] = (struct pg_cell){.p = PQgetvalue(rows, row, (int)i),
                                    .n = (uint32_t)PQgetlength(rows, row, (int)i),
                                    .kind = null ? 'n' : 't'};
    }
}

static struct pg_live_lines lines_of(struct pg_stream *stream)
{
    struct pg_reading *reading = &stream->reading;
    return (struct pg_live_lines){.decoder = stream->decoder,
                                  .table = reading->table,
                                  .lsn = place(stream),
                                  .since = reading->since,
                                  .attempt = reading->attempt,
                                  .line = &reading->line,
                                  .ts_ms = cdc_clock_wall_ms()};
}

static void lines_are_out(struct pg_stream *stream, const struct pg_live_lines *lines)
{
    stream->heal.after_round = lines->lsn;
    stream->last_line = cdc_clock_ms();
    if (lines->lsn > stream->boundary_lsn)
        stream->boundary_lsn = lines->lsn;
}

/* The next piece is as large as this one would have been in the time for one. */
static void learn(struct pg_reading *reading, int64_t took, const struct piece *piece)
{
    size_t most = ROWS_MAX, each = piece->n > 0 ? piece->bytes / piece->n : 0;
    if (each > 0 && PIECE_BYTES / (each + 1) < most)
        most = PIECE_BYTES / (each + 1);
    if (took < PIECE_MS / 2)
        reading->rows *= 2;
    else if (took > PIECE_MS)
        reading->rows /= 2;
    if (reading->rows > most)
        reading->rows = most;
    if (reading->rows < ROWS_FIRST)
        reading->rows = most < ROWS_FIRST ? most + 1 : ROWS_FIRST;
}

/* last: the key of the last one. */
static int write_rows(const struct pg_reading *reading, const PGresult *rows, struct pg_live_lines *lines,
                      struct pg_cell *cells, struct pg_live_key *last, struct cdc_buf *out, struct cdc_error *error)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        take_cells(reading->table, rows, i, cells);
        if (!pg_live_key_of(&reading->live, reading->table, cells, last))
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a row of table \"%s\".\"%s\" has no key", reading->schema,
                                 reading->name);
        pg_live_row_line(lines, cells, out);
    }
    return 0;
}

static int write_piece(struct pg_stream *stream, struct piece *piece, bool first, struct cdc_buf *out,
                       struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_live_lines lines = lines_of(stream);
    struct pg_live_key last = {{0}};
    size_t before = out->len;
    int status = 0;
    struct pg_cell *cells = calloc(reading->table->n_columns + 1, sizeof *cells);
    if (!cells)
        return cdc_error_memory(error);
    if (first)
        pg_live_begin_lines(&lines, out);
    for (size_t i = 0; status == 0 && i < piece->n_fetched; i++)
        status = write_rows(reading, piece->rows[i], &lines, cells, &last, out, error);
    free(cells);
    if (status < 0) {
        out->len = before;
        return -1;
    }
    pg_live_commit_line(&lines, out);
    lines_are_out(stream, &lines);
    pg_live_take_piece(&reading->live, piece->last ? NULL : &last, &piece->visible);
    reading->total += piece->n;
    return 0;
}

/* -- the steps ----------------------------------------------------------------------------------------------------- */

/* The request is ours from here on. */
static int settle(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_reading *reading = &stream->reading;
    const struct cdc_stale_table *table =
        cdc_stale_find(&reading->asked, stream->identity.database, reading->schema, reading->name);
    struct cdc_stale one = {.at = NULL};
    int result = table ? cdc_stale_add(&one, table->db, table->schema, table->table, table->why, error) : 0;
    if (result == 0)
        result = cdc_request_settle(&one, stream->settings.state_dir, stream->pg->name, error);
    cdc_stale_clear(&one);
    return result;
}

/* Before the first line: a start that finds this begins anew. */
static int note_begin(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_reading *reading = &stream->reading;
    if (note_round(stream, reading->schema, reading->name, reading->line + 1, error) < 0)
        return -1;
    return pg_heal_save(stream, error) < 0 ? -1 : settle(stream, error);
}

static int note_end(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_round *round = &reading->rounds.items[reading->rounds.n - 1];
    free(round->attempt.written);
    round->attempt.written = strdup(pgoutput_boundary(stream->decoder)->pos);
    if (!round->attempt.written)
        return cdc_error_memory(error);
    stream->heal.unsaved = true;
    return pg_heal_save(stream, error);
}

static bool is_after(const char *pos, const char *other)
{
    return !other || strcmp(pos, other) > 0;
}

/* Its lines come after all that any sink has, or that sink would drop them; and after the rows of the snapshot. */
static int is_after_all(struct pg_stream *stream, struct cdc_error *error)
{
    const struct cdc_start *start = stream->settings.start;
    const struct cdc_acks *acks = stream->settings.acks;
    const struct cdc_offset *boundary = pgoutput_boundary(stream->decoder), *ignored;
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    uint64_t point = pg_heal_consistent_point(stream);
    if (cdc_acks_read(stream->settings.acks, &ignored, error) < 0)
        return -1;
    pg_pos_round(&pos, place(stream), stream->reading.attempt, stream->reading.line + 1);
    cdc_buf_byte(&pos, '\0');
    bool after = place(stream) > point && is_after(text, start->own.pos) && is_after(text, start->from.pos) &&
                 is_after(text, boundary ? boundary->pos : NULL);
    for (size_t i = 0; i < cdc_acks_count(acks); i++)
        after = after && is_after(text, cdc_acks_offset(acks, i) ? cdc_acks_offset(acks, i)->pos : NULL);
    for (size_t i = 0; i < start->rounds.n; i++)
        after = after && is_after(text, start->rounds.items[i].of.at) &&
                is_after(text, start->rounds.items[i].attempt.written);
    for (size_t i = 0; i < stream->reading.rounds.n; i++)
        after = after && is_after(text, stream->reading.rounds.items[i].of.at) &&
                is_after(text, stream->reading.rounds.items[i].attempt.written);
    return after;
}

/* A table in one piece: its rows come in the steps after this one. */
static void begin_rows(struct pg_stream *stream, struct piece *piece, struct cdc_buf *out)
{
    struct pg_live_lines lines = lines_of(stream);
    pg_live_begin_lines(&lines, out);
    pg_live_commit_line(&lines, out);
    lines_are_out(stream, &lines);
    pg_live_take_piece(&stream->reading.live, NULL, &piece->visible);
    stream->reading.phase = PG_READING_ROWS;
}

static int ask_end(struct pg_stream *stream, struct cdc_error *error)
{
    stream->reading.phase = PG_READING_PASSES;
    (void)poll(NULL, 0, 2); /* the walsender comes to our commit meanwhile, and then says so at once */
    stream->reading.asked_at = cdc_clock_ms();
    return pg_status_send(stream, true, error);
}

static int piece_step(struct pg_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    int64_t began = cdc_clock_ms();
    bool first = !reading->live.begun;
    struct piece piece = {.limit = reading->rows};
    int got = read_piece(stream, &piece, error);
    if (got <= 0)
        end_transaction(reading);
    if (got == 0 && piece.is_other)
        restart(stream, "its form has changed");
    else if (got == 0 && first && !reading->table)
        restart(stream, "it has become another one");
    if (got == 0)
        reading->due = cdc_clock_ms() + STEP_MS / 2;
    if (got > 0 && first) {
        reading->since = place(stream);
        reading->live.broken = NULL;
        cdc_stale_remove(&reading->open, stream->identity.database, reading->schema, reading->name);
        got = note_begin(stream, error) < 0 ? -1 : 1;
    }
    if (got > 0 && reading->live.whole) {
        begin_rows(stream, &piece, out);
    } else if (got > 0) {
        got = write_piece(stream, &piece, first, out, error);
        learn(reading, cdc_clock_ms() - began, &piece);
        reading->phase = PG_READING_PASSES;
        if (got == 0)
            got = ask_end(stream, error);
    }
    piece_free(&piece);
    return got < 0 ? -1 : 0;
}

static int end_step(struct pg_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_live_lines lines = lines_of(stream);
    pg_live_end_line(&lines, out);
    pg_live_commit_line(&lines, out);
    lines_are_out(stream, &lines);
    if (note_end(stream, error) < 0)
        return -1;
    cdc_log_write(stream->log, CDC_LOG_INFO,
                  "table \"%s\".\"%s\" is read again: %llu rows in %.1f s, while the log went on", reading->schema,
                  reading->name, (unsigned long long)reading->total,
                  (double)(cdc_clock_ms() - reading->began) / 1000.0);
    cdc_stale_remove(&reading->asked, stream->identity.database, reading->schema, reading->name);
    forget(stream);
    return 0;
}

/* A new transaction's id is greater than all that there are by now. (xmax of a snapshot is not: it comes after the last one that has
 * ended, and one that waits for a standby may be later.) */
static int take_bound(struct pg_reading *reading, struct cdc_error *error)
{
    PGresult *result =
        pg_query_rows(reading->sql, "SELECT pg_current_xact_id()", 0, NULL, "cannot ask for transactions", error);
    if (!result)
        return -1;
    snprintf(reading->until, sizeof reading->until, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return 0;
}

/* 1: all transactions that were open then have ended. */
static int has_settled(struct pg_reading *reading, struct cdc_error *error)
{
    PGresult *result = pg_query_rows(reading->sql, "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8",
                                     1, (const char *const[]){reading->until}, "cannot ask for transactions", error);
    if (!result)
        return -1;
    bool settled = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return settled;
}

/* The next table, or the one that is to begin anew. 1: it cannot be read so. */
static int first_step(struct pg_stream *stream, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (!reading->name &&
        take_current(reading, reading->asked.tables[0].schema, reading->asked.tables[0].table, error) < 0)
        return -1;
    if (open_session(stream, error) < 0)
        return -1;
    if (reading->restarts > RESTARTS_MAX || stream->converts || stream->on_standby)
        return 1;
    int can = take_form(reading, error) < 0 ? -1 : describe(stream, false, error);
    if (can <= 0)
        return can < 0 ? -1 : 1;
    /* From where on the fields of a composite are what they are now, a round tells. */
    if (reading->table->n_composites > 0 && pg_reading_withholds(stream, reading->schema, reading->name))
        return 1;
    if (!reading->live.broken &&
        cdc_stale_has(&reading->open, stream->identity.database, reading->schema, reading->name))
        reading->live.broken = "not all sinks have what was read";
    pg_reading_attach(stream);
    reading->rows = ROWS_FIRST;
    reading->total = 0;
    reading->began = cdc_clock_ms();
    reading->phase = PG_READING_SETTLES;
    return take_bound(reading, error);
}

int pg_reading_give_up(struct pg_stream *stream, const char *schema, const char *name, const char *why,
                       struct cdc_error *error)
{
    char *of = strdup(schema), *table = strdup(name), *cause = strdup(why); /* they may be ours */
    int result = of && table && cause ? pg_heal_mark(stream, of, table, cause, error) : cdc_error_memory(error);
    if (result == 0)
        leave(stream, of, table);
    free(of);
    free(table);
    free(cause);
    return result < 0 || pg_heal_plan(stream, error) < 0 ? -1 : pg_heal_save(stream, error);
}

/* The stream ends, and cdc-snapshot reads it. */
static int give_up(struct pg_stream *stream, struct cdc_error *error)
{
    const struct pg_reading *reading = &stream->reading;
    const struct cdc_stale_table *table =
        cdc_stale_find(&reading->asked, stream->identity.database, reading->schema, reading->name);
    return pg_reading_give_up(stream, reading->schema, reading->name, table ? table->why : "it was asked for", error);
}

static int settle_step(struct pg_stream *stream, struct cdc_buf *out, int64_t now, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    reading->due = now + STEP_MS;
    int settled = has_settled(reading, error);
    if (settled == 0 && now - reading->began > SETTLE_MS)
        return give_up(stream, error);
    if (settled <= 0)
        return settled;
    int after = is_after_all(stream, error);
    if (after <= 0) {
        struct cdc_error ignored = {0};
        if (after == 0) /* a log that stands still comes no further by itself */
            PQclear(pg_query_rows(reading->sql, "SELECT pg_current_xact_id()", 0, NULL, "", &ignored));
        return after;
    }
    return piece_step(stream, out, error);
}

static int pass_step(struct pg_stream *stream, struct cdc_buf *out, int64_t now, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (reading->live.broken) {
        restart(stream, reading->live.broken);
        return 0;
    }
    if (!pg_live_passed(&reading->live, place(stream))) {
        if (now - reading->asked_at < ASK_MS)
            return 0;
        reading->asked_at = now;
        return pg_status_send(stream, true, error);
    }
    return reading->live.all_read ? end_step(stream, out, error) : piece_step(stream, out, error);
}

static int step(struct pg_stream *stream, struct cdc_buf *out, int64_t now, struct cdc_error *error)
{
    switch (stream->reading.phase) {
    case PG_READING_SETTLES: return settle_step(stream, out, now, error);
    case PG_READING_PASSES: return pass_step(stream, out, now, error);
    case PG_READING_ROWS: return 0;
    case PG_READING_NONE: break;
    }
    int can = first_step(stream, error);
    return can > 0 ? give_up(stream, error) : can;
}

/* The run ends at W: what is in the mark is read after it, all else is begun anew. */
static int leave_all(struct pg_stream *stream, struct cdc_error *error)
{
    const struct cdc_stale *mark = &stream->heal.mark;
    size_t n = stream->reading.asked.n;
    for (size_t i = 0; n > 0 && i < mark->n; i++)
        leave(stream, mark->tables[i].schema, mark->tables[i].table);
    if (stream->reading.asked.n == n)
        return 0;
    stream->heal.unsaved = true;
    return pg_heal_save(stream, error);
}

/* What was appended is whole; then it is what is kept that failed. */
static int take_failure(struct pg_stream *stream, const struct cdc_error *failed, bool appended,
                        struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    if (failed->status == CDC_EXIT_INTERNAL || appended) {
        *error = *failed;
        return -1;
    }
    cdc_log_write(stream->log, CDC_LOG_WARNING, "a table that is to be read again waits: %s", failed->text);
    if (reading->name)
        restart(stream, "it could not be read");
    PQfinish(reading->sql);
    reading->sql = NULL;
    reading->due = cdc_clock_ms() + RETRY_MS;
    return 0;
}

int pg_reading_step(struct pg_stream *stream, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct cdc_error failed = {0};
    int64_t now = cdc_clock_ms();
    if (stream->heal.mark.n > 0)
        return leave_all(stream, error);
    if ((reading->asked.n == 0 && reading->phase == PG_READING_NONE) || stream->ended || now < reading->due ||
        pgoutput_in_transaction(stream->decoder) || pgoutput_is_expecting(stream->decoder))
        return 0;
    size_t before = out->len;
    if (step(stream, out, now, &failed) == 0)
        return 0;
    return take_failure(stream, &failed, out->len != before, error);
}

bool pg_reading_has_rows(const struct pg_stream *stream)
{
    return stream->reading.phase == PG_READING_ROWS && !stream->ended && !stream->heal.done;
}

int pg_reading_rows(struct pg_stream *stream, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct pg_reading *reading = &stream->reading;
    struct pg_live_lines lines = lines_of(stream);
    struct cdc_error failed = {0};
    size_t before = out->len;
    if (stream->heal.mark.n > 0)
        return leave_all(stream, error) < 0 ? -1 : 1;
    int last = pg_whole_rows(reading, &lines, out, limit, &failed);
    stream->last_receive = cdc_clock_ms(); /* we do not listen */
    if (last < 0) {
        out->len = before;
        return take_failure(stream, &failed, false, error) < 0 ? -1 : 1;
    }
    reading->total += lines.events;
    if (lines.events > 0)
        pg_live_commit_line(&lines, out);
    lines_are_out(stream, &lines);
    return last > 0 && ask_end(stream, error) < 0 ? -1 : 1;
}
