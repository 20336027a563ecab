/* SPDX-License-Identifier: MIT */
/* What the snapshot's offset file keeps, and whether the snapshot is finished. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/pgoutput/position.h"

#include <cdc/json.h>
#include <stdlib.h>

void pg_snapshot_state_clear(struct snapshot_state *state)
{
    free(state->written);
    free(state->identity);
    free(state->read_at);
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

int pg_snapshot_state_read(struct snapshot_run *run, struct cdc_error *error)
{
    const struct cdc_offset *offset = cdc_offset_file_get(run->offsets, run->pg->name);
    struct snapshot_state *state = &run->state;
    pg_snapshot_state_clear(state);
    if (!offset || !offset->state)
        return 0;
    struct cdc_span object = cdc_span_text(offset->state);
    struct cdc_span identity = cdc_json_member(object, "identity");
    struct cdc_span read_at = cdc_json_member(object, "read_at");
    int64_t attempt = 0;
    char *point = copy_string(object, "consistent_point");
    state->creating = is_true(object, "creating");
    state->finished = is_true(object, "finished");
    state->written = copy_string(object, "written");
    state->identity = identity.p ? cdc_span_copy(identity) : NULL;
    state->read_at = read_at.p ? cdc_span_copy(read_at) : NULL;
    state->has_point = point && pg_lsn_parse(point, &state->point);
    bool good = state->has_point == (point != NULL) && (!state->finished || state->has_point);
    free(point);
    if (cdc_json_member(object, "attempt").p)
        good = good && cdc_json_int64(cdc_json_member(object, "attempt"), &attempt) && attempt >= 0 &&
               attempt <= (int64_t)CDC_ATTEMPT_MAX;
    state->attempt = (unsigned)attempt;
    if (good)
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "offset file %s: the state of the snapshot \"%s\" is damaged",
                         cdc_offset_file_path(run->offsets), run->pg->name);
}

static void state_json(struct cdc_buf *out, const struct snapshot_state *state)
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
    if (state->read_at)
        cdc_buf_printf(out, ",\"read_at\":%s", state->read_at);
    if (state->written)
        cdc_buf_printf(out, ",\"written\":\"%s\"", state->written);
    cdc_buf_text(out, state->finished ? ",\"finished\":true}" : ",\"finished\":false}");
    cdc_buf_byte(out, '\0');
}

int pg_snapshot_state_save(struct snapshot_run *run, struct cdc_error *error)
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
        .lines = run->progress.rows,
        .source = NULL,
        .state = json.data,
    };
    int result = cdc_offset_file_set(run->offsets, run->pg->name, &offset, error);
    cdc_buf_free(&json);
    return result < 0 ? -1 : cdc_offset_file_save(run->offsets, error);
}

int pg_snapshot_check_finished(struct snapshot_run *run, struct cdc_error *error)
{
    struct snapshot_state *state = &run->state;
    if (state->finished) {
        cdc_log_write(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is finished already", run->pg->name);
        return 1;
    }
    int stored = cdc_acks_passed(run->acks, state->written, error);
    if (stored <= 0)
        return stored;
    state->finished = true;
    if (pg_snapshot_state_save(run, error) < 0)
        return -1;
    cdc_log_write(run->log, CDC_LOG_INFO, "the snapshot of \"%s\" is stored and finished", run->pg->name);
    return 1;
}
