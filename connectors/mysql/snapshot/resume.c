/* SPDX-License-Identifier: MIT */
/* Where a further attempt goes on. Lines leave in the order of tables and keys, so one key of one table, at a commit line
 * that is stored, says what is read: tables a, b, c and a checkpoint in b after key 7 mean that a and b up to 7 are there.
 * Rows after it are read later than those before, which the log makes good since its rows are whole. Tables that were
 * altered, made or dropped meanwhile, or chosen otherwise, are another order: then all is read again. */
#include "connectors/mysql/snapshot/internal.h"

#include <cdc/hash.h>
#include <cdc/pos.h>
#include <cdc/retry.h>
#include <stdlib.h>

#define CHECKPOINT_MS 1000 /* between two that are kept: each costs two fsyncs */

bool my_resume_is_due(const struct my_snapshot *run)
{
    return !run->again && cdc_clock_ms() - run->saved >= CHECKPOINT_MS;
}

/* -- what the order was ------------------------------------------------------------------------ */

/* With its NUL, which keeps the texts apart. */
static void hash_text(uint64_t *hash, const char *text)
{
    *hash = cdc_hash_bytes(*hash, text, strlen(text) + 1);
}

/* Of all that must be as it was: the tables up to this one, their columns, and which rows are read. */
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
        if (source->condition)
            hash_text(&hash, source->condition);
        for (size_t j = 0; j < source->key.n; j++)
            hash_text(&hash, my_key_column(&source->key, j)->name);
    }
    cdc_buf_hex(out, hash, 16);
}

/* -- keeping ------------------------------------------------------------------------------ */

static void checkpoint_json(struct cdc_buf *out, const struct my_snapshot *run, size_t table,
                            const struct my_key_value *key)
{
    my_snapshot_append_member(out, "{\"pos\":", run->last_pos);
    my_snapshot_append_member(out, ",\"db\":", run->tables[table].table->db);
    my_snapshot_append_member(out, ",\"table\":", run->tables[table].table->name);
    cdc_buf_lit(out, ",\"tables\":\"");
    append_fingerprint(out, run, table);
    cdc_buf_printf(out, "\",\"rows\":%.0f", run->tables[table].part.passed);
    const char *part = key ? key->parts.data : NULL;
    for (size_t i = 0; key && i < key->n; i++, part += strlen(part) + 1)
        my_snapshot_append_member(out, i ? "," : ",\"after\":[", part);
    cdc_buf_text(out, key ? "]}" : "}");
}

/* Of what is stored only the latest is of use. */
static int drop_old(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_checkpoints *all = &run->state.checkpoints;
    int stored = 0;
    while (all->n > 1 && (stored = cdc_acks_passed(run->acks, all->items[1].pos, error)) > 0)
        my_checkpoints_drop_first(all);
    return stored;
}

/* -- sinks --------------------------------------------------------------------------------- */

/* Is there one that has only what came after the rows which an attempt did not read again? */
static bool lacks_sink(const struct my_snapshot *run)
{
    return run->state.sinks && cdc_acks_have_other(run->acks, run->state.sinks);
}

static int list_sinks(struct my_snapshot *run, struct cdc_error *error)
{
    free(run->state.sinks);
    run->state.sinks = cdc_acks_list(run->acks);
    return run->state.sinks ? 0 : cdc_error_memory(error);
}

static void forget_points(struct my_snapshot *run)
{
    my_checkpoints_drop_but(&run->state.checkpoints, NULL);
    free(run->state.sinks);
    run->state.sinks = NULL;
    run->kept_pos[0] = '\0';
}

int my_resume_check_sinks(struct my_snapshot *run, struct cdc_error *error)
{
    int lack =
        run->acks && run->state.sinks ? cdc_attempt_check_sinks(run->acks, run->state.sinks, run->kept_pos, error) : 0;
    if (lack <= 0)
        return lack;
    struct cdc_error ignored = {0};
    forget_points(run);
    (void)my_snapshot_state_save(run, &ignored);
    return -1;
}

/* -- keeping ------------------------------------------------------------------------------- */

int my_resume_keep(struct my_worker *worker, const struct my_key_value *key, struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    if (!run->whole_images) /* no further attempt can be made */
        return 0;
    if (key && key->parts.failed)
        return cdc_error_memory(error);
    if (my_resume_check_sinks(run, error) < 0)
        return -1;
    struct my_checkpoint *checkpoint = my_checkpoints_add(&run->state.checkpoints);
    memcpy(checkpoint->pos, run->last_pos, sizeof checkpoint->pos);
    checkpoint_json(&checkpoint->json, run, worker->chunk.table, key);
    if (checkpoint->json.failed)
        return cdc_error_memory(error);
    /* Lines first, then the checkpoint that says they are there. Killed between the two, the one before counts, and
     * some rows come twice, with higher positions. */
    if (drop_old(run, error) < 0 || cdc_writer_sync(run->writer, error) < 0 || my_snapshot_state_save(run, error) < 0)
        return -1;
    run->saved = cdc_clock_ms();
    return 0;
}

/* -- going on ------------------------------------------------------------------------------ */

static bool is_table(const struct my_snapshot_table *source, struct cdc_span json)
{
    return cdc_json_member_is(json, "db", source->table->db) && cdc_json_member_is(json, "table", source->table->name);
}

static bool is_as_it_was(const struct my_snapshot *run, size_t table, struct cdc_span json)
{
    char text[17];
    struct cdc_buf now = {text, 0, sizeof text, false};
    append_fingerprint(&now, run, table);
    return cdc_json_raw_is(cdc_json_member_raw(json, "tables"), cdc_span(text, now.len));
}

static bool read_key(struct my_key_value *key, const struct my_snapshot_table *source, struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    my_key_value_clear(key);
    cdc_json_iter_begin(&iter, array);
    while (cdc_json_next_element(&iter, &value)) {
        struct cdc_span raw = cdc_json_string_raw(value);
        if (!raw.p || key->n == source->key.n || !my_key_value_restore(key, my_key_column(&source->key, key->n), raw))
            return false;
    }
    return key->n == source->key.n && key->n > 0;
}

/* That many of the table's rows are read. */
static void take_rows(struct my_snapshot *run, struct my_snapshot_table *source, struct cdc_span json)
{
    int64_t rows = 0; /* an older version did not write it */
    if (cdc_json_int64(cdc_json_member(json, "rows"), &rows) && rows > 0)
        cdc_snapshot_progress_pass(&run->progress, &source->part, (double)rows);
}

/* What there is to do. */
static void set_progress(struct my_snapshot *run)
{
    run->progress.estimate = 0;
    for (size_t i = run->next.table; i < run->n_tables; i++)
        run->progress.estimate += run->tables[i].part.estimate;
    run->progress.tables = run->n_tables - run->next.table;
}

static void begin_with_first(struct my_snapshot *run)
{
    my_range_free(&run->next.range);
    run->next = (struct my_chunk){.number = 1, .first = true};
    run->progress.passed = 0;
    for (size_t i = 0; i < run->n_tables; i++)
        run->tables[i].part.passed = 0;
    set_progress(run);
}

static bool go_on(struct my_snapshot *run, struct cdc_span json)
{
    size_t table = 0;
    struct cdc_span after = cdc_json_member(json, "after");
    while (table < run->n_tables && !is_table(&run->tables[table], json))
        table++;
    if (table == run->n_tables || !is_as_it_was(run, table, json))
        return false;
    if (after.p && !read_key(&run->next.range.after, &run->tables[table], after)) {
        my_key_value_clear(&run->next.range.after);
        return false;
    }
    run->next.table = after.p ? table : table + 1;
    if (after.p)
        take_rows(run, &run->tables[table], json);
    cdc_log_write(run->log, CDC_LOG_INFO,
                  "what was stored before is not read again: the snapshot goes on %s table %s.%s",
                  after.p ? "inside of" : "after", run->tables[table].table->db, run->tables[table].table->name);
    return true;
}

int my_resume_begin(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_checkpoints *all = &run->state.checkpoints;
    size_t i = all->n;
    int stored = 0;
    begin_with_first(run);
    if (run->again) /* all of it, as it is now */
        return 0;
    /* The latest that every sink has stored: rows after it may be in a pipe that is gone. That they are our server's positions
     * the run's begin has seen (my_snapshot_state_is_finished). */
    while (i > 0 && (stored = cdc_acks_passed(run->acks, all->items[i - 1].pos, error)) == 0)
        i--;
    if (stored < 0)
        return -1;
    const struct my_checkpoint *checkpoint = i > 0 && !lacks_sink(run) ? &all->items[i - 1] : NULL;
    if (checkpoint && !go_on(run, cdc_span(checkpoint->json.data, checkpoint->json.len))) {
        cdc_log_write(run->log, CDC_LOG_INFO,
                      "tables were altered or chosen otherwise since the attempt before: all are read again");
        checkpoint = NULL;
    }
    set_progress(run);
    if (!checkpoint) {
        forget_points(run);
        return 0;
    }
    memcpy(run->kept_pos, checkpoint->pos, sizeof run->kept_pos);
    my_checkpoints_drop_but(all, checkpoint);
    return run->acks ? list_sinks(run, error) : 0;
}

void my_resume_discard(struct my_snapshot *run)
{
    begin_with_first(run);
    forget_points(run);
}

/* -- reading all again -------------------------------------------------------------------- */

bool my_resume_reads_keyless(const struct my_snapshot *run)
{
    for (size_t i = run->next.table; i < run->n_tables; i++)
        if (!run->tables[i].table->has_key)
            return true;
    return false;
}

/* Its lines are of the log after the first attempt's point; or it has what is before a snapshot of that name. */
static bool is_in_our_log(const struct my_snapshot *run, const struct cdc_offset *offset)
{
    uint64_t number, ordinal;
    const char *tail = offset ? cdc_pos_parse(offset->pos, &number, &ordinal) : NULL;
    return tail && number >= run->state.attempt.origin && (ordinal != 0 || *tail != 'a');
}

/* A sink that is in the log already would miss what is between its place and the new point. */
static int check_sinks(struct my_snapshot *run, struct cdc_error *error)
{
    const struct cdc_offset *ignored;
    if (run->acks && cdc_acks_read(run->acks, &ignored, error) < 0)
        return -1;
    for (size_t i = 0; run->acks && i < cdc_acks_count(run->acks); i++) {
        if (!is_in_our_log(run, cdc_acks_offset(run->acks, i)))
            continue;
        cdc_error_set(error, CDC_EXIT_LOST,
                      "the snapshot of \"%s\" cannot be completed: tables without a key are to be read again, and the "
                      "sink of \"%s\" has gone on to the log",
                      run->settings->name, cdc_acks_path(run->acks, i));
        return cdc_error_hint(error,
                              "take a new one: remove the offset files of the pipeline and the copies, and start "
                              "again");
    }
    return 0;
}

int my_resume_forget(struct my_snapshot *run, struct cdc_error *error)
{
    if (check_sinks(run, error) < 0)
        return -1;
    my_resume_discard(run);
    cdc_log_write(run->log, CDC_LOG_INFO,
                  "a table without a key is to be read again: all are, as of a new point of the log");
    return 0;
}
