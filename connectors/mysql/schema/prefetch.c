/* SPDX-License-Identifier: MIT */
/* When columns are asked for before a row needs them, and when what is known of them is read and written. */
#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/numbering.h"
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/schema/history.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/stream/internal.h"
#include "connectors/mysql/stream/stream.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256      /* tables whose columns are read before the log is searched */
#define LOCKED_MAX 3   /* tables that are locked for long, each of which costs a second */
#define REST_MS 1000   /* between two looks, at the least */
#define REST_FACTOR 10 /* as many times as long as the last look took */

static bool same_server(const struct my_stream *stream)
{
    return strcmp(stream->start.server_uuid, stream->server.uuid) == 0;
}

/* -- at the start ---------------------------------------------------------------------------- */

static void forget_named(void *context, struct cdc_span sql)
{
    my_history_forget(context, sql);
}

/* Where the offset file is, in the log: it is saved after the history, so that is in step there. */
static bool own_mark(const struct cdc_offset *own, struct my_history_synced *mark)
{
    struct cdc_span source = cdc_span_text(own->source ? own->source : "{}"), file;
    int64_t position = 0;
    file = cdc_json_string_raw(cdc_json_member(source, "file"));
    memset(mark, 0, sizeof *mark);
    if (!my_pos_number(own->pos, &mark->number) || !file.p || file.n >= sizeof mark->coord.file ||
        memchr(file.p, '\\', file.n) || !cdc_json_int64(cdc_json_member(source, "pos"), &position) || position < 4)
        return false;
    memcpy(mark->coord.file, file.p, file.n);
    mark->coord.position = (uint64_t)position;
    return true;
}

/* Statements between the mark and the start were read by nobody who kept count of them. 1; 0: it cannot be told; -1. */
static int close_gap(struct my_stream *stream, struct my_history_synced mark, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    struct my_history_synced own;
    if (own_mark(stream->settings.own, &own) && own.number > mark.number)
        mark = own;
    if (start->number <= mark.number)
        return 1;
    if (!mark.coord.file[0] || !start->coord.file[0] || mark.coord.position > UINT32_MAX)
        return 0;
    if (my_schema_search(stream, &mark.coord, &start->coord, error) < 0) {
        if (cdc_error_is_transient(error))
            return -1;
        cdc_error_clear(error);
        return 0;
    }
    my_schema_each(&stream->schema, forget_named, stream->history);
    return 1;
}

/* 1: what was kept holds here; 0: it does not; -1. */
static int take_kept(struct my_stream *stream, bool resumes, struct cdc_error *error)
{
    const struct cdc_offset *own = stream->settings.own;
    struct cdc_span source, token, uuid;
    struct my_history_synced mark;
    if (!resumes || !own || !own->source || !own->state || !same_server(stream))
        return 0;
    source = cdc_span_text(own->source);
    uuid = cdc_json_string_raw(cdc_json_member(source, "server_uuid"));
    token = cdc_json_string_raw(cdc_json_member(cdc_span_text(own->state), "schema"));
    if (!token.p || !cdc_json_raw_is(uuid, cdc_span_text(stream->server.uuid)))
        return 0;
    int loaded = my_history_load(stream->history, stream->server.uuid, token, &mark, error);
    return loaded > 0 ? close_gap(stream, mark, error) : loaded;
}

static int begin(struct my_stream *stream, bool resumes, struct cdc_error *error)
{
    const char *uuid = stream->server.uuid;
    if (my_history_is_of(stream->history, uuid))
        return 0; /* the same process has read all since then */
    int kept = stream->has_start ? 0 : take_kept(stream, resumes, error);
    if (kept != 0)
        return kept < 0 ? -1 : 0;
    /* What is kept of another server stays until something is known of this one: reading may go back there. */
    bool keep = !stream->server.full_metadata && same_server(stream);
    return my_history_begin(stream->history, uuid, keep, error);
}

int my_schema_connect(struct my_stream *stream, bool resumes, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    my_schema_forget(&stream->schema);
    if (begin(stream, resumes, error) < 0)
        return -1;
    stream->look = !stream->server.full_metadata;
    if (!stream->look || !start->coord.file[0])
        return 0;
    int result = my_schema_prefetch(stream, &start->coord,
                                    (struct my_point){my_numbering_after(&start->numbering, start->number), 0}, error);
    stream->next_look = 0;
    return result;
}

/* -- a look at all tables ----------------------------------------------------------------------- */

struct found {
    struct my_table table; /* db and name */
    struct cdc_buf columns;
};

struct look {
    struct my_stream *stream;
    const struct my_coord *coord;
    struct my_point point;
    struct found *found; /* BATCH */
    size_t n;
    struct my_coord end; /* of the log, when the last one was read */
    unsigned locked;
};

static void clear(struct look *look)
{
    for (size_t i = 0; i < look->n; i++) {
        free(look->found[i].table.db);
        free(look->found[i].table.name);
        cdc_buf_free(&look->found[i].columns);
    }
    look->n = 0;
}

/* What no statement names from the place up to the end holds at the place. */
static int keep_found(struct look *look, struct cdc_error *error)
{
    struct my_stream *stream = look->stream;
    int result = look->n > 0 ? my_schema_search(stream, look->coord, &look->end, error) : 0;
    for (size_t i = 0; result == 0 && i < look->n; i++) {
        const struct found *found = &look->found[i];
        if (!my_schema_is_named(&stream->schema, found->table.name, look->coord))
            result = my_history_add(stream->history, found->table.db, found->table.name, look->point,
                                    cdc_span(found->columns.data, found->columns.len), error);
    }
    clear(look);
    return result;
}

/* One that cannot be read now is asked for when a row of it comes. */
static int ask(struct look *look, const char *db, const char *name, struct cdc_error *error)
{
    struct found *found = &look->found[look->n];
    struct cdc_error gone = {0};
    *found = (struct found){.table = {.db = strdup(db), .name = strdup(name)}};
    look->n++;
    if (!found->table.db || !found->table.name)
        return cdc_error_memory(error);
    int64_t begun = cdc_clock_ms();
    if (my_schema_ask(look->stream, &found->table, &found->columns, &look->end, &gone) == 0)
        return 0;
    look->locked += cdc_clock_ms() - begun >= 1000;
    look->n--;
    free(found->table.db);
    free(found->table.name);
    cdc_buf_free(&found->columns);
    return cdc_error_is_transient(&gone) ? cdc_error_set(error, gone.status, "%s", gone.text) : 0;
}

static int ask_for_all(struct look *look, MYSQL_RES *result, struct cdc_error *error)
{
    const struct my_stream_settings *settings = &look->stream->settings;
    const struct my_history *history = look->stream->history;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        if (!row[0] || !row[1] || look->locked >= LOCKED_MAX || my_history_is_full(history) ||
            !cdc_selection_has_table(&settings->selection, row[0], row[1]) ||
            my_history_find(history, row[0], row[1], look->point).p)
            continue;
        if (ask(look, row[0], row[1], error) < 0 || (look->n == BATCH && keep_found(look, error) < 0))
            return -1;
    }
    return keep_found(look, error);
}

static int look_at_all(struct look *look, struct cdc_error *error)
{
    static const char list[] =
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM "
        "VERSIONED') AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema')";
    MYSQL *sql = look->stream->sql;
    if (my_session_execute(sql, "SET SESSION lock_wait_timeout = 1", "cannot limit waits", error) < 0)
        return -1;
    MYSQL_RES *result = my_session_query(sql, list, "cannot list the tables", error);
    int status = result ? ask_for_all(look, result, error) : -1;
    mysql_free_result(result);
    if (status == 0)
        status = my_session_execute(sql, "SET SESSION lock_wait_timeout = DEFAULT", "cannot limit waits", error);
    return status;
}

int my_schema_prefetch(struct my_stream *stream, const struct my_coord *coord, struct my_point point,
                       struct cdc_error *error)
{
    struct look look = {.stream = stream, .coord = coord, .point = point};
    int64_t begun = cdc_clock_ms();
    if (coord->position > UINT32_MAX)
        return 0;
    look.found = calloc(BATCH, sizeof *look.found);
    if (!look.found)
        return cdc_error_memory(error);
    int result = my_stream_ensure_sql(stream, error) < 0 ? -1 : look_at_all(&look, error);
    clear(&look);
    free(look.found);
    stream->look = false;
    stream->next_look = cdc_clock_ms() + REST_MS + REST_FACTOR * (cdc_clock_ms() - begun);
    if (result == 0 || cdc_error_is_transient(error) || error->status == CDC_EXIT_INTERNAL)
        return result;
    cdc_log(stream->log, CDC_LOG_INFO, "columns are not read ahead: %s", error->text);
    cdc_error_clear(error);
    return my_session_execute(stream->sql, "SET SESSION lock_wait_timeout = DEFAULT", "cannot limit waits", error);
}

/* -- while reading -------------------------------------------------------------------------------- */

void my_schema_altered(void *context, struct cdc_span sql)
{
    struct my_stream *stream = context;
    my_history_alter(stream->history, sql, my_decoder_point(stream->decoder));
    stream->look = !stream->server.full_metadata;
}

int my_schema_prefetch_if_due(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_coord *coord = my_decoder_coord(stream->decoder);
    if (!stream->look || stream->more || my_decoder_in_transaction(stream->decoder) || !coord->file[0] ||
        (!stream->ended && cdc_clock_ms() < stream->next_look))
        return 0;
    return my_schema_prefetch(stream, coord, my_decoder_point(stream->decoder), error);
}

int my_schema_save(struct my_stream *stream, struct cdc_error *error)
{
    struct my_history_synced mark = {.number = my_decoder_point(stream->decoder).number - 1,
                                     .coord = *my_decoder_coord(stream->decoder)};
    return my_history_save(stream->history, &mark, error);
}
