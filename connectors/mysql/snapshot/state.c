/* SPDX-License-Identifier: MIT */
/* What the snapshot's offset file keeps, and whether the snapshot is finished. */
#include "connectors/mysql/snapshot/internal.h"
#include "connectors/mysql/decoder/position.h"

#include <cdc/json.h>
#include <stdlib.h>

void my_snapshot_state_clear(struct my_snapshot_state *state)
{
    free(state->written);
    free(state->from.gtids);
    my_checkpoints_drop(state, NULL);
    memset(state, 0, sizeof *state);
}

/* RETURNS NEW: the unescaped string, or NULL. */
static char *copy_string(struct cdc_span object, const char *name)
{
    struct cdc_span raw = cdc_json_string_raw(cdc_json_member(object, name));
    struct cdc_buf text = CDC_BUF_INIT;
    if (!raw.p)
        return NULL;
    cdc_json_unescape(&text, raw);
    cdc_buf_byte(&text, '\0');
    if (!text.failed && strlen(text.data) == text.len - 1)
        return text.data;
    cdc_buf_free(&text);
    return NULL;
}

static bool read_text(struct cdc_span object, const char *name, char *to, size_t size)
{
    char *text = copy_string(object, name);
    size_t n = text ? strlen(text) : size;
    if (n < size)
        memcpy(to, text, n + 1);
    free(text);
    return n < size;
}

static bool read_coord(struct my_consistent_point *from, struct cdc_span object)
{
    int64_t position = -1, server_id = -1, created = 0; /* older versions did not write the last one */
    struct cdc_span file_created = cdc_json_member(object, "file_created");
    from->gtids = copy_string(object, "gtids");
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

static bool read_checkpoints(struct my_snapshot_state *state, struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span object;
    cdc_json_iter(&iter, array);
    while (array.p && cdc_json_next_element(&iter, &object)) {
        struct my_checkpoint *checkpoint = &state->checkpoints[state->n_checkpoints];
        if (state->n_checkpoints == MY_CHECKPOINTS ||
            !read_text(object, "pos", checkpoint->pos, sizeof checkpoint->pos))
            return false;
        checkpoint->json = (struct cdc_buf)CDC_BUF_INIT;
        cdc_buf_append(&checkpoint->json, object.p, object.n);
        state->n_checkpoints++;
    }
    return true;
}

static bool read_state(struct my_snapshot_state *state, struct cdc_span object)
{
    int64_t number = 0, attempt = 0;
    state->finished = cdc_span_is(cdc_json_member(object, "finished"), "true");
    state->written = copy_string(object, "written");
    bool good = cdc_json_int64(cdc_json_member(object, "number"), &number) && number > 0 &&
                cdc_json_int64(cdc_json_member(object, "attempt"), &attempt) && attempt >= 0 &&
                attempt <= (int64_t)CDC_SNAPSHOT_MAX_ATTEMPT;
    state->number = (uint64_t)number;
    state->attempt = (unsigned)attempt;
    state->has_start = good && read_coord(&state->from, cdc_json_member(object, "from")) &&
                       read_checkpoints(state, cdc_json_member(object, "points"));
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

static void append_text(struct cdc_buf *out, const char *name, const char *value)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, value, strlen(value));
}

static void append_created(struct cdc_buf *out, const struct my_consistent_point *from)
{
    if (from->file_created)
        cdc_buf_printf(out, ",\"file_created\":%u", (unsigned)from->file_created);
}

static void state_json(struct cdc_buf *out, const struct my_snapshot_state *state)
{
    const struct my_consistent_point *from = &state->from;
    cdc_buf_printf(out, "{\"number\":%llu,\"attempt\":%u", (unsigned long long)state->number, state->attempt);
    append_text(out, ",\"from\":{\"file\":", from->coord.file);
    cdc_buf_printf(out, ",\"pos\":%llu", (unsigned long long)from->coord.position);
    append_text(out, ",\"gtids\":", from->gtids);
    append_text(out, ",\"server_uuid\":", from->server_uuid);
    append_created(out, from);
    cdc_buf_printf(out, ",\"server_id\":%u}", (unsigned)from->server_id);
    if (state->written)
        append_text(out, ",\"written\":", state->written);
    for (size_t i = 0; i < state->n_checkpoints; i++) {
        cdc_buf_text(out, i ? "," : ",\"points\":[");
        cdc_buf_append(out, state->checkpoints[i].json.data, state->checkpoints[i].json.len);
    }
    cdc_buf_text(out, state->n_checkpoints > 0 ? "]" : "");
    cdc_buf_text(out, state->finished ? ",\"finished\":true}" : ",\"finished\":false}");
    cdc_buf_byte(out, '\0');
}

void my_snapshot_append_source(const struct my_snapshot *run, struct cdc_buf *out, const char *snapshot)
{
    my_table_source_head(out, run->server.flavor, run->settings->name, NULL, NULL);
    cdc_buf_append(out, run->tail.data, run->tail.len);
    cdc_buf_byte(out, '"');
    cdc_buf_text(out, snapshot);
    append_text(out, "\",\"gtids\":", run->state.from.gtids);
    if (run->state.from.server_uuid[0])
        append_text(out, ",\"server_uuid\":", run->state.from.server_uuid);
    append_created(out, &run->state.from);
    cdc_buf_byte(out, '}');
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
    if (run->tail.len > 0 && state->written) { /* mysql-binlog starts from it when there are no acks */
        my_snapshot_append_source(run, &source, "last");
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

int my_snapshot_is_finished(struct my_snapshot *run, struct cdc_error *error)
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
