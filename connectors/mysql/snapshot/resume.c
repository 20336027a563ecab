/* SPDX-License-Identifier: MIT */
/* Where a further attempt goes on. Lines leave in the order of tables and keys, so one place in that order, behind a
 * commit line that is stored, says what is read; rows behind it are read later than those before, which the log makes
 * good since its rows are whole. Tables that were altered, made or dropped meanwhile, or chosen otherwise, are another
 * order: then all is read again. */
#include "connectors/mysql/snapshot/internal.h"

#include <cdc/hash.h>
#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>

#define POINT_MS 1000 /* between two that are kept: each costs two fsyncs */

bool my_checkpoint_is_due(const struct my_snapshot *run)
{
    return cdc_clock_ms() - run->saved >= POINT_MS;
}

void my_checkpoints_drop(struct my_snapshot_state *state, const struct my_checkpoint *but)
{
    struct my_checkpoint kept = {.pos = ""};
    for (size_t i = 0; i < state->n_checkpoints; i++)
        if (&state->checkpoints[i] == but)
            kept = *but;
        else
            cdc_buf_free(&state->checkpoints[i].json);
    state->checkpoints[0] = kept;
    state->n_checkpoints = kept.json.data ? 1 : 0;
}

/* -- what the order was ------------------------------------------------------------------------ */

/* With its NUL, which keeps the texts apart. */
static void hash_text(uint64_t *hash, const char *text)
{
    *hash = cdc_hash_bytes(*hash, text, strlen(text) + 1);
}

/* Of all that must be as it was: the tables up to this one, and their columns. */
static void append_fingerprint(struct cdc_buf *out, const struct my_snapshot *run, size_t last)
{
    uint64_t hash = CDC_HASH_INIT;
    for (size_t i = 0; i <= last; i++) {
        const struct my_snapshot_table *source = &run->tables[i];
        hash_text(&hash, source->table->db);
        hash_text(&hash, source->table->name);
        hash_text(&hash, source->created);
        for (size_t j = 0; j < source->table->n_columns; j++) {
            hash_text(&hash, source->table->columns[j].name);
            hash_text(&hash, source->table->columns[j].type_name);
        }
        for (size_t j = 0; j < source->n_key; j++)
            hash_text(&hash, source->table->columns[source->key[j]].name);
    }
    cdc_buf_hex(out, hash, 16);
}

/* -- keeping ------------------------------------------------------------------------------ */

static void append_member(struct cdc_buf *out, const char *name, const char *text)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, text, strlen(text));
}

static void checkpoint_json(struct cdc_buf *out, const struct my_snapshot *run, size_t table,
                            const struct snapshot_key *key)
{
    append_member(out, "{\"pos\":", run->last_pos);
    append_member(out, ",\"db\":", run->tables[table].table->db);
    append_member(out, ",\"table\":", run->tables[table].table->name);
    cdc_buf_lit(out, ",\"tables\":\"");
    append_fingerprint(out, run, table);
    cdc_buf_lit(out, "\"");
    const char *value = key ? key->values.data : NULL;
    for (size_t i = 0; key && i < key->n; i++, value += strlen(value) + 1)
        append_member(out, i ? "," : ",\"after\":[", value);
    cdc_buf_text(out, key ? "]}" : "}");
}

/* Full: every other one goes, so that those that are left reach far back still. */
static struct my_checkpoint *new_checkpoint(struct my_snapshot_state *state)
{
    if (state->n_checkpoints == MY_CHECKPOINTS) {
        state->n_checkpoints = 0;
        for (size_t i = 0; i < MY_CHECKPOINTS; i++)
            if (i % 2 == 0)
                cdc_buf_free(&state->checkpoints[i].json);
            else
                state->checkpoints[state->n_checkpoints++] = state->checkpoints[i];
    }
    struct my_checkpoint *checkpoint = &state->checkpoints[state->n_checkpoints++];
    *checkpoint = (struct my_checkpoint){.json = CDC_BUF_INIT};
    return checkpoint;
}

/* Of what is stored only the latest is of use. */
static int drop_old(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_snapshot_state *state = &run->state;
    int stored = 0;
    while (state->n_checkpoints > 1 &&
           (stored = cdc_snapshot_is_stored(run->acks, state->checkpoints[1].pos, error)) > 0) {
        cdc_buf_free(&state->checkpoints[0].json);
        memmove(state->checkpoints, state->checkpoints + 1, --state->n_checkpoints * sizeof *state->checkpoints);
    }
    return stored;
}

int my_checkpoint_keep(struct my_worker *worker, const struct snapshot_key *key, struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    if (!run->whole_images) /* no further attempt can be made */
        return 0;
    struct my_checkpoint *checkpoint = new_checkpoint(&run->state);
    memcpy(checkpoint->pos, run->last_pos, sizeof checkpoint->pos);
    checkpoint_json(&checkpoint->json, run, worker->chunk.table, key);
    if (checkpoint->json.failed || (key && key->values.failed))
        return cdc_error_memory(error);
    if (drop_old(run, error) < 0 || cdc_writer_sync(run->writer, error) < 0 || my_snapshot_state_save(run, error) < 0)
        return -1;
    run->saved = cdc_clock_ms();
    return 0;
}

/* -- going on ------------------------------------------------------------------------------ */

static bool is_table(const struct my_snapshot_table *source, struct cdc_span json)
{
    return cdc_json_raw_is(cdc_json_string_raw(cdc_json_member(json, "db")), cdc_span_text(source->table->db)) &&
           cdc_json_raw_is(cdc_json_string_raw(cdc_json_member(json, "table")), cdc_span_text(source->table->name));
}

static bool is_as_it_was(const struct my_snapshot *run, size_t table, struct cdc_span json)
{
    char text[17];
    struct cdc_buf now = {text, 0, sizeof text, false};
    append_fingerprint(&now, run, table);
    return cdc_json_raw_is(cdc_json_string_raw(cdc_json_member(json, "tables")), cdc_span(text, now.len));
}

static bool read_key(struct snapshot_key *key, const struct my_snapshot_table *source, struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    my_key_clear(key);
    cdc_json_iter(&iter, array);
    while (cdc_json_next_element(&iter, &value)) {
        struct cdc_span raw = cdc_json_string_raw(value);
        if (!raw.p || key->n == source->n_key ||
            !my_key_restore(key, &source->table->columns[source->key[key->n]], raw))
            return false;
    }
    return key->n == source->n_key && key->n > 0;
}

static bool go_on(struct my_snapshot *run, struct cdc_span json)
{
    size_t table = 0;
    struct cdc_span after = cdc_json_member(json, "after");
    while (table < run->n_tables && !is_table(&run->tables[table], json))
        table++;
    if (table == run->n_tables || !is_as_it_was(run, table, json))
        return false;
    if (after.p && !read_key(&run->next.after, &run->tables[table], after)) {
        my_key_clear(&run->next.after);
        return false;
    }
    run->next.table = after.p ? table : table + 1;
    for (size_t i = 0; i < run->next.table; i++)
        run->progress.estimate -= run->tables[i].estimate;
    cdc_log(run->log, CDC_LOG_INFO, "what was stored before is not read again: the snapshot goes on %s table %s.%s",
            after.p ? "inside of" : "behind", run->tables[table].table->db, run->tables[table].table->name);
    return true;
}

int my_snapshot_resume(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_snapshot_state *state = &run->state;
    size_t i = state->n_checkpoints;
    int stored = 0;
    run->next = (struct my_chunk){.number = 1, .first = true};
    while (i > 0 && (stored = cdc_snapshot_is_stored(run->acks, state->checkpoints[i - 1].pos, error)) == 0)
        i--;
    if (stored < 0)
        return -1;
    const struct my_checkpoint *checkpoint = i > 0 ? &state->checkpoints[i - 1] : NULL;
    if (checkpoint && !go_on(run, cdc_span(checkpoint->json.data, checkpoint->json.len))) {
        cdc_log(run->log, CDC_LOG_INFO,
                "tables were altered or chosen otherwise since the attempt before: all are read again");
        checkpoint = NULL;
    }
    my_checkpoints_drop(state, checkpoint);
    return 0;
}
