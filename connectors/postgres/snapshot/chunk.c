/* SPDX-License-Identifier: MIT */
/* Which rows are read next, and by whom. One session alone takes each table in one piece, unless a further attempt could go on inside
 * of it: COPY of a table is what the server does fastest, by an eighth. Several divide it by its blocks, so that one reads and another one writes; each takes about as many
 * blocks as have the rows that a session may keep. */
#include "connectors/postgres/snapshot/internal.h"

#define FIRST_STEP 32         /* blocks of a table of which nothing is known yet */
#define STEP_MAX (1u << 17)   /* 1 GB */
#define PARTS 16              /* commit lines of a chunk, about: a statement has its price */
#define ROWS_BYTES (3u << 20) /* of a chunk, about */

static bool is_divided(const struct snapshot_run *run, const struct snapshot_table *table)
{
    return table->has_blocks && (run->n_workers > 1 || (run->keeps_parts && table->may_keep));
}

static uint64_t largest(const struct snapshot_table *table)
{
    uint64_t blocks = 0;
    for (size_t i = 0; i < table->n_blocks; i++)
        if (table->blocks[i] > blocks)
            blocks = table->blocks[i];
    return blocks;
}

/* The block of each partition that about step blocks of all of them lie before, from that one on. */
static uint64_t end_of(const struct snapshot_table *table, uint64_t from, uint64_t step)
{
    uint64_t reach = 0;
    for (size_t i = 0; i < table->n_blocks; i++)
        reach += table->blocks[i] > from;
    return from + (reach > 1 && step / reach > 0 ? step / reach : reach > 1 ? 1 : step);
}

static void take_range(struct snapshot_run *run, const struct snapshot_table *table, struct snapshot_chunk *chunk)
{
    if (chunk->first && table->known > 0) {
        chunk->ranged = chunk->changed = true;
        chunk->last = false;
        chunk->upto = table->known;
        return;
    }
    uint64_t end = end_of(table, run->next.from, run->step), blocks = largest(table);
    chunk->from = run->next.from;
    chunk->upto = end < blocks ? end : UINT64_MAX;
    chunk->last = chunk->upto == UINT64_MAX;
    /* In one piece after all: the faster statement. */
    chunk->ranged = !chunk->first || !chunk->last;
}

static int claim(struct snapshot_worker *worker, struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    struct snapshot_chunk *next = &run->next, *chunk = &worker->chunk;
    while (next->table < run->n_tables && run->tables[next->table].skipped)
        next->table++;
    if (next->table == run->n_tables)
        return 0;
    const struct snapshot_table *table = &run->tables[next->table];
    int locked = worker == &run->workers[0] ? 1 : pg_snapshot_try_lock(worker, next->table, error);
    if (locked <= 0)
        return locked;
    *chunk = (struct snapshot_chunk){
        .number = next->number++, .table = next->table, .first = next->first, .upto = UINT64_MAX, .last = true};
    if (is_divided(run, table))
        take_range(run, table, chunk);
    next->first = chunk->last;
    next->table += chunk->last;
    next->from = chunk->last ? 0 : chunk->upto;
    if (chunk->last)
        run->step = FIRST_STEP;
    return 1;
}

int pg_snapshot_claim(struct snapshot_worker *worker, struct cdc_error *error)
{
    struct snapshot_run *run = worker->run;
    pthread_mutex_lock(&run->claims);
    if (run->step == 0)
        run->step = FIRST_STEP;
    int status = claim(worker, error);
    pthread_mutex_unlock(&run->claims);
    return status;
}

/* Rows of its blocks that do not leave now: an attempt before has them, or a condition kept them. */
static void tell_passed(struct snapshot_worker *worker)
{
    const struct snapshot_chunk *chunk = &worker->chunk;
    struct snapshot_table *table = &worker->run->tables[chunk->table];
    uint64_t blocks = largest(table), upto = chunk->upto < blocks ? chunk->upto : blocks;
    if (!chunk->ranged || (!chunk->changed && !table->where) || chunk->from >= upto)
        return;
    double rows = table->estimate * (double)(upto - chunk->from) / (double)blocks - (double)worker->chunk_rows;
    if (rows > 0)
        cdc_snapshot_progress_pass(&worker->run->progress, &table->part, rows);
}

/* In turn. */
void pg_snapshot_measure(struct snapshot_worker *worker)
{
    struct snapshot_run *run = worker->run;
    const struct snapshot_chunk *chunk = &worker->chunk;
    tell_passed(worker);
    if (!chunk->ranged || chunk->last || chunk->changed)
        return;
    uint64_t blocks = chunk->upto - chunk->from, wanted = blocks * 4;
    uint64_t bytes = worker->received;
    uint64_t rows = (uint64_t)run->settings->chunk_rows * PARTS; /* in one chunk */
    if (run->n_workers > 1 && bytes > 0 && blocks * ROWS_BYTES / bytes < wanted)
        wanted = blocks * ROWS_BYTES / bytes;
    if (worker->chunk_rows > 0 && blocks * rows / worker->chunk_rows < wanted)
        wanted = blocks * rows / worker->chunk_rows;
    wanted = wanted < 1 ? 1 : wanted > STEP_MAX ? STEP_MAX : wanted;
    pthread_mutex_lock(&run->claims);
    if (run->next.table == chunk->table)
        run->step = wanted;
    pthread_mutex_unlock(&run->claims);
}
