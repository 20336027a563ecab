/* SPDX-License-Identifier: MIT */
/* Which rows are read next, and by whom. One worker alone takes each table in one piece. Several divide it into chunks
 * (and so does one of a part of the rows), whose ends the server finds in the primary key while the rows before are still on their way. */
#include "connectors/mysql/snapshot/internal.h"

/* No end: the rest of the table. */
static int find_end(struct my_worker *worker, struct cdc_error *error)
{
    const struct my_key *key = &my_worker_table(worker)->key;
    struct my_range *range = &worker->chunk.range;
    my_key_value_clear(&range->upto);
    /* One worker alone gains nothing by chunks, but where a condition keeps rows back: then a chunk's end is something that a
     * further attempt can go on from. Without a key there are none. */
    if (key->n == 0 || (worker->run->n_workers == 1 && !key->condition))
        return 0;
    return my_scan_find_key(worker->mysql, key, &range->after, worker->run->settings->chunk_rows, &range->upto, error);
}

static int claim(struct my_worker *worker, struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    struct my_chunk *next = &run->next, *chunk = &worker->chunk;
    if (next->table == run->n_tables)
        return 0;
    /* The claims are under one lock, also while the server looks for the end: the chunk after begins where this one
     * ends. */
    chunk->number = next->number++;
    chunk->table = next->table;
    chunk->first = next->first;
    my_key_value_copy(&chunk->range.after, &next->range.after);
    if (find_end(worker, error) < 0)
        return -1;
    chunk->last = chunk->range.upto.n == 0;
    next->first = chunk->last;
    next->table += chunk->last;
    my_key_value_copy(&next->range.after, &chunk->range.upto);
    return chunk->range.after.parts.failed || next->range.after.parts.failed ? cdc_error_memory(error) : 1;
}

int my_chunk_claim(struct my_worker *worker, struct cdc_error *error)
{
    pthread_mutex_lock(&worker->run->claims);
    int status = claim(worker, error);
    pthread_mutex_unlock(&worker->run->claims);
    return status;
}
