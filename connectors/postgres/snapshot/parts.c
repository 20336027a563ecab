/* SPDX-License-Identifier: MIT */
/* What a further attempt need not read again. Lines leave in the order of tables and blocks, so that a commit line says which tables
 * are whole, and up to which block one is read; once all sinks have stored that line, these rows stay as they are.
 *
 * The argument, for a table of which blocks [0,B) were read in view V1, and the rest in V2, later. A row version keeps its place
 * (ctid) for life, so long as the table keeps its file. Read in V2 are
 *      from block B on     all versions that V2 sees
 *      before B            those that V2 sees and V1 did not: their xmin had not ended in V1
 * (The second: a row that was read in neither view, since it lay after B and was moved before it by an UPDATE, which came without
 * its large values.) What V2 sees before B and is not read again, V1 saw, and it was read. So each row of V2 was read, as V2 sees it or later
 * overwritten by that; what is too much are keys of V1 that are gone or have moved by V2. The log therefore brings the table's
 * changes from V1 on (its base), and not only from V2 on: a key that none of these touches is right already; of one that some touch,
 * the last one decides. A change may come without large values (TOAST), and takes those of the row of that key, which are right
 * unless a later change has them: but for a row that moves to another key, whose values may be another row's by then. The
 * stream then has the table read again (pgoutput/parts.c). An UPDATE whose row is not there yet may make one that lacks values; the
 * DELETE that explains it comes before V2.
 * With V3 it is the same: of [0,B), where both V1 and V2 have been read, what V2 did not see is read (its edge).
 *
 * Ids: a frozen version still has its xmin. "Had not ended in V" is taken as: is not older than the oldest that was running in V,
 * which reads a few too many; and no view is older than 2^30 transactions, so that ids compare. A commit that a crash of the server
 * takes back (synchronous_commit = off) gives its id to another one: so a view is kept once the log is flushed up to it (flush.c).
 *
 * All is read again of a table that has no key, was rewritten, altered, or published otherwise; of which other rows are wanted
 * (--where); and where a sink has joined since. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/hash.h>
#include <cdc/json.h>
#include <cdc/retry.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_MS 1000  /* between two that are saved: each costs two fsyncs */
#define PENDING_MAX 8 /* of one table that are not stored yet */
#define AGE_MAX (UINT64_C(1) << 30)

/* -- views -------------------------------------------------------------------------------- */

static bool xids_of(const char *view, uint64_t *xmin, uint64_t *xmax)
{
    char text[64];
    struct cdc_span xids = cdc_json_member_raw(cdc_span_text(view), "xids");
    size_t n = xids.p ? xids.n : 0;
    if (n >= sizeof text)
        n = sizeof text - 1;
    if (n > 0)
        memcpy(text, xids.p, n);
    text[n] = '\0';
    return sscanf(text, "%" SCNu64 ":%" SCNu64, xmin, xmax) == 2;
}

static bool is_comparable(const char *view, const char *now)
{
    uint64_t xmin, xmax, now_xmin, now_xmax;
    return xids_of(view, &xmin, &xmax) && xids_of(now, &now_xmin, &now_xmax) && xmax <= now_xmax &&
           now_xmax - xmin < AGE_MAX;
}

/* The view of this attempt. 1, with *view; 0: it cannot be kept; -1 */
static int own_view(struct snapshot_run *run, char **view, struct cdc_error *error)
{
    const struct snapshot_state *state = &run->state;
    *view = NULL;
    if (state->attempt.number == 1 && !state->read_at) {
        struct cdc_buf json = CDC_BUF_INIT;
        cdc_buf_printf(&json, "{\"xids\":\"%s\"}", run->xids ? run->xids : "");
        cdc_buf_byte(&json, '\0');
        *view = json.failed ? NULL : json.data;
        return *view ? 1 : cdc_error_memory(error);
    }
    /* A standby has no position to give. */
    if (!state->read_at)
        return 0;
    *view = strdup(state->read_at);
    return *view ? 1 : cdc_error_memory(error);
}

/* -- sinks -------------------------------------------------------------------------------- */

int pg_snapshot_parts_check_sinks(struct snapshot_run *run, struct cdc_error *error)
{
    const char *sinks = run->state.parts.sinks;
    int lack = run->acks && sinks ? cdc_attempt_check_sinks(run->acks, sinks, run->kept_pos, error) : 0;
    if (lack <= 0)
        return lack;
    struct cdc_error ignored = {0};
    pg_snapshot_parts_clear(&run->state.parts);
    (void)pg_snapshot_state_save(run, &ignored);
    return -1;
}

/* -- what is there ------------------------------------------------------------------------- */

/* Of all that must be as it was. */
static int form_of(struct snapshot_run *run, struct snapshot_table *table, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    const struct pg_shape *shape = pg_shapes_find(&run->state.shapes, table->table->schema, table->table->name);
    const struct cdc_value_format *format = &run->pg->format;
    pg_scan_statement(&text, &table->source, NULL);
    cdc_buf_printf(&text, "%s %d %d %d %d %d", run->identity.system_identifier, (int)run->identity.timeline,
                   (int)format->int64_as_string, (int)format->decimal_as_number, (int)table->table->has_key,
                   (int)run->workers[0].converts);
    cdc_buf_text(&text, shape && shape->is ? shape->is : "");
    cdc_buf_text(&text, run->state.shapes.publication ? run->state.shapes.publication : "");
    if (text.failed) {
        cdc_buf_free(&text);
        return cdc_error_memory(error);
    }
    snprintf(table->form, sizeof table->form, "%016" PRIX64, cdc_hash_bytes(CDC_HASH_INIT, text.data, text.len));
    table->may_keep = shape && shape->is && table->table->has_key;
    cdc_buf_free(&text);
    return 0;
}

/* The newest that all sinks have stored. */
static const struct snapshot_part *stored_part(const struct snapshot_parts *parts, const struct pg_table *table,
                                               const char *acked)
{
    for (size_t i = parts->n; acked && i > 0; i--) {
        const struct snapshot_part *part = &parts->items[i - 1];
        if (strcmp(part->pos, acked) <= 0 && strcmp(part->table, table->name) == 0 &&
            strcmp(part->schema, table->schema) == 0)
            return part;
    }
    return NULL;
}

static int copy_part(struct snapshot_parts *to, const struct snapshot_part *from, struct cdc_error *error)
{
    struct snapshot_part *part = pg_snapshot_parts_add(to);
    if (!part)
        return cdc_error_memory(error);
    *part = *from;
    part->schema = strdup(from->schema);
    part->table = strdup(from->table);
    if (part->schema && part->table)
        return 0;
    pg_snapshot_part_free(part);
    to->n--; /* what is kept of the others is saved all the same */
    return cdc_error_memory(error);
}

/* The number of a view in the new list; views that nobody has go. */
static size_t keep_view(struct snapshot_parts *kept, const struct snapshot_parts *old, size_t *numbers, size_t view)
{
    if (numbers[view] == 0)
        numbers[view] = pg_snapshot_parts_add_view(kept, strdup(old->views[view]));
    return numbers[view];
}

static int keep_part(struct snapshot_run *run, struct snapshot_table *table, struct snapshot_parts *kept,
                     size_t *numbers, const struct snapshot_part *part, struct cdc_error *error)
{
    const struct snapshot_parts *old = &run->state.parts;
    size_t base = keep_view(kept, old, numbers, part->base), edge = keep_view(kept, old, numbers, part->edge);
    if (base == 0 || edge == 0)
        return cdc_error_memory(error);
    if (copy_part(kept, part, error) < 0)
        return -1;
    kept->items[kept->n - 1].base = table->base = base - 1;
    kept->items[kept->n - 1].edge = table->edge = edge - 1;
    if (strcmp(part->pos, run->kept_pos) > 0)
        memcpy(run->kept_pos, part->pos, sizeof run->kept_pos);
    table->skipped = part->whole;
    table->known = part->whole ? 0 : part->upto;
    table->kept = true;
    run->progress.estimate -= part->whole ? table->estimate : 0;
    run->progress.tables -= part->whole;
    return 0;
}

static int keep_parts(struct snapshot_run *run, struct snapshot_parts *kept, const char *view, struct cdc_error *error)
{
    const struct snapshot_parts *old = &run->state.parts;
    const struct cdc_offset *acked = NULL;
    size_t *numbers = calloc(old->n_views + 1, sizeof *numbers);
    if (!numbers)
        return cdc_error_memory(error);
    int status = cdc_acks_read(run->acks, &acked, error);
    bool usable = status == 0 && !run->republished && !pg_snapshot_parts_lack_sink(run);
    for (size_t i = 0; status == 0 && i < run->n_tables; i++) {
        struct snapshot_table *table = &run->tables[i];
        status = form_of(run, table, error);
        const struct snapshot_part *part =
            usable && table->may_keep ? stored_part(old, table->table, acked ? acked->pos : NULL) : NULL;
        if (status == 0 && part && strcmp(part->form, table->form) == 0 &&
            is_comparable(old->views[part->base], view) && is_comparable(old->views[part->edge], view))
            status = keep_part(run, table, kept, numbers, part, error);
    }
    free(numbers);
    return status;
}

static void tell(const struct snapshot_run *run)
{
    size_t skipped = 0, begun = 0;
    for (size_t i = 0; i < run->n_tables; i++) {
        skipped += run->tables[i].skipped;
        begun += run->tables[i].kept && !run->tables[i].skipped;
    }
    if (skipped + begun > 0)
        cdc_log_write(run->log, CDC_LOG_INFO, "what is stored is not read again: %zu of %zu tables whole, %zu in part",
                      skipped, run->n_tables, begun);
}

int pg_snapshot_parts_begin(struct snapshot_run *run, struct cdc_error *error)
{
    struct snapshot_parts kept = {.n = 0};
    char *view = NULL;
    int status = 0;
    if (run->acks && run->settings->state_dir && !run->stream_began)
        status = own_view(run, &view, error);
    if (status > 0)
        status = keep_parts(run, &kept, view, error);
    else if (status == 0) {
        pg_snapshot_parts_clear(&run->state.parts);
        return 0;
    }
    if (status == 0 && kept.n > 0 && !(kept.sinks = cdc_acks_list(run->acks)))
        status = cdc_error_memory(error);
    if (status == 0) {
        size_t n = pg_snapshot_parts_add_view(&kept, view);
        view = NULL;
        run->view = n - 1;
        status = n > 0 ? 0 : cdc_error_memory(error);
    }
    free(view);
    pg_snapshot_parts_clear(&run->state.parts);
    run->state.parts = kept;
    if (status < 0)
        return -1;
    run->keeps_parts = true;
    run->saved = cdc_clock_ms();
    tell(run);
    return 0;
}

/* -- what is read -------------------------------------------------------------------------- */

void pg_snapshot_parts_condition(const struct snapshot_run *run, const struct snapshot_table *table,
                                 struct cdc_buf *out)
{
    uint64_t xmin = 0, xmax = 0;
    (void)xids_of(run->state.parts.views[table->edge], &xmin, &xmax);
    cdc_buf_printf(out, " AND age(xmin) <= age('%" PRIu32 "'::xid)", (uint32_t)xmin);
}

static size_t count_pending(const struct snapshot_parts *parts, const struct pg_table *table)
{
    size_t n = 0;
    for (size_t i = parts->n; i > 0 && strcmp(parts->items[i - 1].table, table->name) == 0 &&
                              strcmp(parts->items[i - 1].schema, table->schema) == 0;
         i--)
        n++;
    return n;
}

/* Of one table only the newest that is stored is of use, and those after it. */
static void drop_old(struct snapshot_parts *parts, const char *acked)
{
    size_t n = 0;
    for (size_t i = 0; i < parts->n; i++) {
        struct snapshot_part *part = &parts->items[i], *before = n > 0 ? &parts->items[n - 1] : NULL;
        if (before && acked && strcmp(part->pos, acked) <= 0 && strcmp(before->table, part->table) == 0 &&
            strcmp(before->schema, part->schema) == 0) {
            pg_snapshot_part_free(before);
            n--;
        }
        parts->items[n++] = *part;
    }
    parts->n = n;
}

static int add(struct snapshot_worker *worker, struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    const struct snapshot_chunk *chunk = &worker->chunk;
    const struct snapshot_table *table = &run->tables[chunk->table];
    struct snapshot_part part = {.schema = table->table->schema,
                                 .table = table->table->name,
                                 .base = table->kept ? table->base : run->view,
                                 .edge = run->view,
                                 .whole = chunk->last,
                                 .upto = chunk->upto};
    memcpy(part.form, table->form, sizeof part.form);
    memcpy(part.pos, run->last_pos, sizeof part.pos);
    return copy_part(&run->state.parts, &part, error);
}

/* Lines first, then what says that they are there. */
static int save(struct snapshot_worker *worker, struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    const struct cdc_offset *acked = NULL;
    if (cdc_snapshot_drain(run->writer, run->control, error) < 0 || cdc_writer_sync(run->writer, error) < 0 ||
        cdc_acks_read(run->acks, &acked, error) < 0)
        return -1;
    drop_old(&run->state.parts, acked ? acked->pos : NULL);
    if (pg_snapshot_state_save(run, error) < 0)
        return -1;
    run->saved = cdc_clock_ms();
    return 0;
}

int pg_snapshot_parts_keep(struct snapshot_worker *worker, struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    const struct snapshot_table *table = &run->tables[worker->chunk.table];
    if (!run->keeps_parts || !table->may_keep)
        return 0;
    if (pg_snapshot_parts_check_sinks(run, error) < 0)
        return -1;
    bool due = cdc_clock_ms() - run->saved >= SAVE_MS;
    if (!worker->chunk.last && (!due || count_pending(&run->state.parts, table->table) >= PENDING_MAX))
        return 0;
    if (add(worker, error) < 0)
        return -1;
    return due ? save(worker, error) : 0;
}
