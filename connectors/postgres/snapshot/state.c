/* SPDX-License-Identifier: MIT */
/* What the snapshot's offset file keeps, and whether the snapshot is finished. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/pgoutput/position.h"

#include <cdc/json.h>
#include <errno.h>
#include <stdlib.h>

void pg_snapshot_state_clear(struct snapshot_state *state)
{
    cdc_attempt_clear(&state->attempt);
    free(state->identity);
    free(state->read_at);
    free(state->publication);
    pg_shapes_clear(&state->shapes);
    cdc_rounds_clear(&state->rounds);
    pg_snapshot_parts_clear(&state->parts);
    memset(state, 0, sizeof *state);
}

static char *copy_member(struct cdc_span object, const char *name)
{
    struct cdc_span value = cdc_json_member(object, name);
    return value.p ? cdc_span_copy(value) : NULL;
}

int pg_snapshot_state_read(struct snapshot_run *run, struct cdc_error *error)
{
    const struct cdc_offset *offset = cdc_offset_file_get(run->offsets, run->pg->name);
    struct snapshot_state *state = &run->state;
    pg_snapshot_state_clear(state);
    if (!offset || !offset->state)
        return 0;
    struct cdc_span object = cdc_span_text(offset->state);
    errno = 0;
    bool good = cdc_attempt_read(&state->attempt, object);
    char *point = cdc_json_member_text(object, "consistent_point");
    state->creating = cdc_span_is(cdc_json_member(object, "creating"), "true");
    state->partial = cdc_span_is(cdc_json_member(object, "partial"), "true");
    state->identity = copy_member(object, "identity");
    state->read_at = copy_member(object, "read_at");
    state->publication = copy_member(object, "publication");
    state->has_point = point && pg_lsn_parse(point, &state->attempt.origin);
    good = pg_snapshot_parts_read(&state->parts, cdc_json_member(object, "read")) && good;
    good = good && state->has_point == (point != NULL) && (!state->attempt.finished || state->has_point);
    free(point);
    if (errno == ENOMEM)
        return cdc_error_memory(error);
    if (good &&
        (cdc_rounds_read(&state->rounds, object, error) < 0 ||
         pg_shapes_read(&state->shapes, cdc_json_member(object, "shapes"), (struct cdc_span){NULL, 0}, error) < 0))
        return cdc_error_prefix(error, "offset file %s", cdc_offset_file_path(run->offsets));
    if (good)
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "offset file %s: the state of the snapshot \"%s\" is damaged",
                         cdc_offset_file_path(run->offsets), run->pg->name);
}

/* For instance
 *      {"identity":{...},"consistent_point":"0/16B3748","attempt":2,"read_at":{...},"written":null,"finished":false}
 *      {"identity":{...},"creating":true,...}      the slot was about to be made */
static void state_json(struct cdc_buf *out, const struct snapshot_state *state)
{
    char text[24];
    cdc_buf_lit(out, "{\"identity\":");
    cdc_buf_text(out, state->identity ? state->identity : "null");
    if (state->creating)
        cdc_buf_lit(out, ",\"creating\":true");
    if (state->partial)
        cdc_buf_lit(out, ",\"partial\":true");
    if (state->has_point) {
        pg_lsn_format(text, state->attempt.origin);
        cdc_buf_printf(out, ",\"consistent_point\":\"%s\",\"attempt\":%u", text, state->attempt.number);
    }
    if (state->read_at)
        cdc_buf_printf(out, ",\"read_at\":%s", state->read_at);
    if (state->publication)
        cdc_buf_printf(out, ",\"publication\":%s", state->publication);
    if (state->shapes.known) {
        cdc_buf_lit(out, ",\"shapes\":");
        pg_shapes_append(out, &state->shapes, true);
    }
    pg_snapshot_parts_append(out, &state->parts, state->attempt.finished);
    cdc_rounds_append(out, &state->rounds);
    cdc_attempt_append(out, &state->attempt);
    cdc_buf_byte(out, '\0');
}

int pg_snapshot_state_save(struct snapshot_run *run, struct cdc_error *error)
{
    struct snapshot_state *state = &run->state;
    struct cdc_buf json = CDC_BUF_INIT;
    state->partial |= run->settings->where && run->settings->where->count > 0;
    char start[64] = "";
    struct cdc_buf pos = {start, 0, sizeof start, false};
    if (state->has_point) { /* not empty: pg-cdc then knows that the slot was made before, and makes no other */
        pg_pos_snapshot(&pos, state->attempt.origin, state->attempt.number, 0);
        cdc_buf_byte(&pos, '\0');
    }
    state_json(&json, state);
    const struct cdc_offset kept = {.pos = start, .lines = run->progress.rows, .state = json.data};
    int result = json.failed ? cdc_error_memory(error)
                             : cdc_attempt_save(&state->attempt, run->offsets, run->pg->name, &kept, error);
    cdc_buf_free(&json);
    return result;
}

/* The source object of a line, as far as it names the server. */
static void append_server(struct cdc_buf *out, const char *identity)
{
    struct cdc_span system = cdc_json_member(cdc_span_text(identity), "system_identifier");
    cdc_buf_lit(out, "{\"connector\":\"postgresql\",\"system_id\":");
    cdc_buf_span(out, system);
    cdc_buf_append(out, "}", sizeof "}");
}

int pg_snapshot_check_finished(struct snapshot_run *run, struct cdc_error *error)
{
    const struct cdc_offset *entry = cdc_offset_file_get(run->offsets, run->pg->name);
    struct cdc_buf source = CDC_BUF_INIT;
    if (run->state.identity)
        append_server(&source, run->state.identity);
    struct cdc_offset kept = {.pos = entry ? entry->pos : "", .source = source.data};
    int result = source.failed
                     ? cdc_error_memory(error)
                     : cdc_attempt_check(&run->state.attempt, run->acks, &kept, run->pg->name, run->log, error);
    cdc_buf_free(&source);
    if (result == 2 && pg_snapshot_parts_lack_sink(run)) {
        run->state.attempt.finished = false;
        pg_snapshot_parts_clear(&run->state.parts);
        return 0;
    }
    if (result == 2)
        return pg_snapshot_state_save(run, error) < 0 ? -1 : 1;
    return result;
}
