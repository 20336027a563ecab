/* SPDX-License-Identifier: MIT */
/* What the snapshot's offset file keeps, and whether the snapshot is finished. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/decoder/position.h"

#include <stdlib.h>

void my_snapshot_state_clear(struct my_snapshot_state *state)
{
    free(state->written);
    free(state->from.gtids);
    my_checkpoints_drop_but(&state->checkpoints, NULL);
    memset(state, 0, sizeof *state);
}

/* RETURNS NEW: the text of a member, or NULL. */
static char *copy_text(struct cdc_span object, const char *name)
{
    struct cdc_span raw = cdc_json_string_raw(cdc_json_member(object, name));
    size_t n = 0;
    char *text = raw.p ? cdc_json_text(raw, &n) : NULL;
    if (text && strlen(text) == n)
        return text;
    free(text);
    return NULL;
}

static bool read_text(struct cdc_span object, const char *name, char *to, size_t size)
{
    char *text = copy_text(object, name);
    size_t n = text ? strlen(text) : size;
    if (n < size)
        memcpy(to, text, n + 1);
    free(text);
    return n < size;
}

static bool read_point(struct my_consistent_point *from, struct cdc_span object)
{
    int64_t position = -1, server_id = -1, created = 0; /* older versions did not write the last one */
    struct cdc_span file_created = cdc_json_member(object, "file_created");
    from->gtids = copy_text(object, "gtids");
    bool good = from->gtids && cdc_json_int64(cdc_json_member(object, "pos"), &position) && position >= 0 &&
                cdc_json_int64(cdc_json_member(object, "server_id"), &server_id) && server_id >= 0 &&
                server_id <= UINT32_MAX && read_text(object, "file", from->coord.file, sizeof from->coord.file) &&
                read_text(object, "server_uuid", from->server_uuid, sizeof from->server_uuid) &&
                (!file_created.p || cdc_json_int64(file_created, &created)) && created >= 0 && created <= UINT32_MAX;
    from->coord.position = (uint64_t)position;
    from->server_id = (uint32_t)server_id;
    from->file_created = (uint32_t)created;
    return good;
}

static bool read_state(struct my_snapshot_state *state, struct cdc_span object)
{
    int64_t number = 0, attempt = 0;
    state->finished = cdc_span_is(cdc_json_member(object, "finished"), "true");
    state->written = copy_text(object, "written");
    bool good = cdc_json_int64(cdc_json_member(object, "number"), &number) && number > 0 &&
                cdc_json_int64(cdc_json_member(object, "attempt"), &attempt) && attempt >= 0 &&
                attempt <= (int64_t)CDC_SNAPSHOT_MAX_ATTEMPT;
    state->number = (uint64_t)number;
    state->attempt = (unsigned)attempt;
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
    if (offset->state && read_state(&run->state, cdc_span_text(offset->state)))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "offset file %s: the state of \"%s\" is damaged, or of a snapshot of another kind of database",
                  cdc_offset_file_path(run->offsets), run->settings->name);
    return cdc_error_hint(error, "name the right file (--offset-file, --state-dir, --name)");
}

static void state_json(struct cdc_buf *out, const struct my_snapshot_state *state)
{
    const struct my_consistent_point *from = &state->from;
    cdc_buf_printf(out, "{\"number\":%llu,\"attempt\":%u", (unsigned long long)state->number, state->attempt);
    my_snapshot_append_member(out, ",\"from\":{\"file\":", from->coord.file);
    cdc_buf_printf(out, ",\"pos\":%llu", (unsigned long long)from->coord.position);
    my_snapshot_append_member(out, ",\"gtids\":", from->gtids);
    my_snapshot_append_member(out, ",\"server_uuid\":", from->server_uuid);
    if (from->file_created)
        cdc_buf_printf(out, ",\"file_created\":%u", (unsigned)from->file_created);
    cdc_buf_printf(out, ",\"server_id\":%u}", (unsigned)from->server_id);
    if (state->written)
        my_snapshot_append_member(out, ",\"written\":", state->written);
    if (state->checkpoints.n > 0) {
        cdc_buf_lit(out, ",\"points\":");
        my_checkpoints_append(out, &state->checkpoints);
    }
    cdc_buf_text(out, state->finished ? ",\"finished\":true}" : ",\"finished\":false}");
    cdc_buf_byte(out, '\0');
}

int my_snapshot_state_save(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_snapshot_state *state = &run->state;
    struct cdc_buf json = CDC_BUF_INIT, source = CDC_BUF_INIT;
    char start[64] = "";
    struct cdc_buf pos = {start, 0, sizeof start, false};
    my_pos_snapshot(&pos, state->number, state->attempt, 0, 0);
    cdc_buf_byte(&pos, '\0');
    state_json(&json, state);
    if (run->source_tail.len > 0 && state->written) { /* mysql-binlog starts from it when there are no acks */
        my_lines_append_source(&source, run, "last");
        cdc_buf_byte(&source, '\0');
    }
    struct cdc_offset offset = {
        .pos = state->written ? state->written : start,
        .seq = (int64_t)state->number,
        .lines = run->progress.rows,
        .source = source.data,
        .state = json.data,
    };
    int result = json.failed || source.failed ? cdc_error_memory(error)
                                              : cdc_offset_file_set(run->offsets, run->settings->name, &offset, error);
    cdc_buf_free(&json);
    cdc_buf_free(&source);
    return result < 0 ? -1 : cdc_offset_file_save(run->offsets, error);
}

int my_snapshot_state_is_finished(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_snapshot_state *state = &run->state;
    if (state->finished) {
        cdc_log(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is finished already", run->settings->name);
        return 1;
    }
    int stored = cdc_snapshot_is_stored(run->acks, state->written, error);
    if (stored <= 0)
        return stored;
    state->finished = true;
    if (my_snapshot_state_save(run, error) < 0)
        return -1;
    cdc_log(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is stored and finished", run->settings->name);
    return 1;
}
