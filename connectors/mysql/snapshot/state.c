/* SPDX-License-Identifier: MIT */
/* What the snapshot's offset file keeps, and whether the snapshot is finished. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/decoder/position.h"

#include <errno.h>
#include <stdlib.h>

void my_snapshot_state_clear(struct my_snapshot_state *state)
{
    cdc_attempt_clear(&state->attempt);
    cdc_rounds_clear(&state->rounds);
    free(state->from.gtids);
    my_seen_clear(&state->seen);
    free(state->selection);
    my_checkpoints_drop_but(&state->checkpoints, NULL);
    free(state->sinks);
    memset(state, 0, sizeof *state);
}

bool my_consistent_point_is_mariadb(const struct my_consistent_point *from)
{
    return from->server_uuid[0] == '\0' || strchr(from->server_uuid, '/') != NULL;
}

static bool read_point(struct my_consistent_point *from, struct cdc_span object)
{
    int64_t position = -1, server_id = -1, created = 0; /* older versions did not write the last one */
    struct cdc_span file_created = cdc_json_member(object, "file_created");
    from->gtids = cdc_json_member_text(object, "gtids");
    bool good = from->gtids && cdc_json_int64(cdc_json_member(object, "pos"), &position) && position >= 0 &&
                cdc_json_int64(cdc_json_member(object, "server_id"), &server_id) && server_id >= 0 &&
                server_id <= UINT32_MAX &&
                cdc_json_member_copy(object, "file", from->coord.file, sizeof from->coord.file) &&
                cdc_json_member_copy(object, "server_uuid", from->server_uuid, sizeof from->server_uuid) &&
                (!file_created.p || cdc_json_int64(file_created, &created)) && created >= 0 && created <= UINT32_MAX;
    from->coord.position = (uint64_t)position;
    from->server_id = (uint32_t)server_id;
    from->file_created = (uint32_t)created;
    return good;
}

static bool read_state(struct my_snapshot_state *state, struct cdc_span object)
{
    int64_t number = 0;
    bool good = cdc_attempt_read(&state->attempt, object) && cdc_json_member(object, "attempt").p &&
                cdc_json_int64(cdc_json_member(object, "number"), &number) && number > 0;
    state->attempt.origin = (uint64_t)number;
    struct cdc_span sinks = cdc_json_member(object, "sinks");
    if (sinks.p && !(state->sinks = cdc_span_copy(sinks)))
        return false; /* errno says why */
    struct cdc_span selection = cdc_json_member(object, "selection");
    state->selection = selection.p ? cdc_span_copy(selection) : NULL;
    good = good && (!selection.p || state->selection);
    state->has_start = good && read_point(&state->from, cdc_json_member(object, "from")) &&
                       my_checkpoints_read(&state->checkpoints, cdc_json_member(object, "points"));
    return state->has_start;
}

int my_snapshot_state_read(struct my_snapshot *run, struct cdc_error *error)
{
    const struct cdc_offset *offset = cdc_offset_file_get(run->offsets, run->settings->name);
    my_snapshot_state_clear(&run->state);
    if (!offset || (!offset->state && !*offset->pos))
        return 0;
    errno = 0;
    if (offset->state && read_state(&run->state, cdc_span_text(offset->state)))
        return my_seen_read(&run->state.seen, cdc_span_text(offset->state), error) < 0
                   ? -1
                   : cdc_rounds_read(&run->state.rounds, cdc_span_text(offset->state), error);
    if (errno == ENOMEM)
        return cdc_error_memory(error);
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "offset file %s: the state of \"%s\" is damaged, or of a snapshot of another kind of database",
                  cdc_offset_file_path(run->offsets), run->settings->name);
    return cdc_error_hint(error, "name the right file (--offset-file, --state-dir, --name)");
}

/* For instance
 *      {"number":1764...,"attempt":2,"from":{"file":"b.000007","pos":4711,"gtids":"...","server_uuid":"...","server_id":1},
 *       "points":[{"pos":"...","db":"d","table":"t","tables":"...","after":["7"]}],"sinks":["/var/lib/shop/cdc-sink-sqlite.offset"],
 *       "written":null,"finished":false} */
static void state_json(struct cdc_buf *out, const struct my_snapshot_state *state)
{
    const struct my_consistent_point *from = &state->from;
    cdc_buf_printf(out, "{\"number\":%llu,\"attempt\":%u", (unsigned long long)state->attempt.origin,
                   state->attempt.number);
    my_snapshot_append_member(out, ",\"from\":{\"file\":", from->coord.file);
    cdc_buf_printf(out, ",\"pos\":%llu", (unsigned long long)from->coord.position);
    my_snapshot_append_member(out, ",\"gtids\":", from->gtids);
    my_snapshot_append_member(out, ",\"server_uuid\":", from->server_uuid);
    if (from->file_created)
        cdc_buf_printf(out, ",\"file_created\":%u", (unsigned)from->file_created);
    cdc_buf_printf(out, ",\"server_id\":%u}", (unsigned)from->server_id);
    my_seen_append(out, &state->seen);
    if (state->checkpoints.n > 0) {
        cdc_buf_lit(out, ",\"points\":");
        my_checkpoints_append(out, &state->checkpoints);
    }
    if (state->sinks) {
        cdc_buf_lit(out, ",\"sinks\":");
        cdc_buf_text(out, state->sinks);
    }
    if (state->selection) {
        cdc_buf_lit(out, ",\"selection\":");
        cdc_buf_text(out, state->selection);
    }
    cdc_rounds_append(out, &state->rounds);
    cdc_attempt_append(out, &state->attempt);
    cdc_buf_byte(out, '\0');
}

int my_snapshot_state_save(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_snapshot_state *state = &run->state;
    struct cdc_buf json = CDC_BUF_INIT, source = CDC_BUF_INIT;
    char start[64] = "";
    struct cdc_buf pos = {start, 0, sizeof start, false};
    my_pos_snapshot(&pos, state->attempt.origin, state->attempt.number, 0, 0);
    cdc_buf_byte(&pos, '\0');
    state_json(&json, state);
    if (run->source_tail.len > 0 && state->attempt.written &&
        !run->again) { /* mysql-binlog starts from it when there are no acks */
        my_lines_append_source(&source, run, "last");
        cdc_buf_byte(&source, '\0');
    }
    const struct cdc_offset *entry = run->again ? cdc_offset_file_get(run->offsets, run->settings->name) : NULL;
    const struct cdc_offset kept = {
        .pos = start, .lines = entry ? entry->lines : run->progress.rows, .source = source.data, .state = json.data};
    int result = json.failed || source.failed
                     ? cdc_error_memory(error)
                     : cdc_attempt_save(&state->attempt, run->offsets, run->settings->name, &kept, error);
    cdc_buf_free(&json);
    cdc_buf_free(&source);
    return result;
}

/* The source object of a line, as far as it names the server. */
static void append_server(struct cdc_buf *out, const struct my_consistent_point *from)
{
    cdc_buf_text(out, my_consistent_point_is_mariadb(from) ? "{\"connector\":\"mariadb\"" : "{\"connector\":\"mysql\"");
    my_snapshot_append_member(out, ",\"gtids\":", from->gtids);
    if (from->server_uuid[0])
        my_snapshot_append_member(out, ",\"server_uuid\":", from->server_uuid);
    cdc_buf_append(out, "}", sizeof "}");
}

int my_snapshot_state_is_finished(struct my_snapshot *run, struct cdc_error *error)
{
    const struct cdc_offset *entry = cdc_offset_file_get(run->offsets, run->settings->name);
    struct cdc_buf source = CDC_BUF_INIT;
    if (run->state.has_start)
        append_server(&source, &run->state.from);
    struct cdc_offset kept = {.pos = entry ? entry->pos : "", .source = source.data};
    int result = source.failed
                     ? cdc_error_memory(error)
                     : cdc_attempt_check(&run->state.attempt, run->acks, &kept, run->settings->name, run->log, error);
    cdc_buf_free(&source);
    if (result == 2)
        return my_snapshot_state_save(run, error) < 0 ? -1 : 1;
    return result;
}
