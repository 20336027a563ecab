/* SPDX-License-Identifier: MIT */
/* Which rows are read next, and by whom. One reader alone takes each table in one piece. Several cut it into chunks, whose
 * ends the server finds in the primary key while the rows before are still on their way. */
#include "connectors/mysql/snapshot/internal.h"

#include <stdio.h>

void my_chunk_free(struct my_chunk *chunk)
{
    my_key_free(&chunk->after);
    my_key_free(&chunk->upto);
}

static void copy_key(struct snapshot_key *to, const struct snapshot_key *from)
{
    my_key_clear(to);
    cdc_buf_append(&to->values, from->values.data, from->values.len);
    to->n = from->n;
}

/* SELECT the key of the last row of the chunk. */
static void end_statement(struct cdc_buf *out, const struct my_snapshot *run, const struct my_snapshot_table *source,
                          const struct snapshot_key *after)
{
    static const struct snapshot_key none = {CDC_BUF_INIT, 0};
    cdc_buf_lit(out, "SELECT ");
    for (size_t i = 0; i < source->n_key; i++) {
        cdc_buf_text(out, i ? "," : "");
        my_session_append_identifier(out, source->table->columns[source->key[i]].name);
    }
    cdc_buf_lit(out, " FROM ");
    my_snapshot_append_name(out, source->table->db, source->table->name);
    my_key_clause(out, source, after, &none);
    cdc_buf_printf(out, " LIMIT 1 OFFSET %lld", (long long)run->settings->chunk_rows - 1);
    cdc_buf_byte(out, '\0');
}

static int take_end(struct snapshot_key *end, const struct my_snapshot_table *source, MYSQL_RES *result,
                    struct cdc_error *error)
{
    MYSQL_ROW row = mysql_fetch_row(result);
    const unsigned long *sizes = row ? mysql_fetch_lengths(result) : NULL;
    for (size_t i = 0; row && i < source->n_key; i++) {
        if (!row[i])
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a primary key that is NULL",
                                 source->table->db, source->table->name);
        my_key_append(end, &source->table->columns[source->key[i]], row[i], sizes[i]);
    }
    return end->values.failed ? cdc_error_memory(error) : 0;
}

/* No end: the rest of the table. */
static int find_end(struct my_worker *worker, const struct my_snapshot_table *source, struct cdc_error *error)
{
    struct my_chunk *chunk = &worker->chunk;
    struct cdc_buf sql = CDC_BUF_INIT;
    char what[200];
    my_key_clear(&chunk->upto);
    if (worker->run->n_workers == 1 || source->n_key == 0)
        return 0;
    snprintf(what, sizeof what, "cannot read table %.64s.%.64s", source->table->db, source->table->name);
    end_statement(&sql, worker->run, source, &chunk->after);
    int status = sql.failed ? cdc_error_memory(error) : 0;
    if (status == 0 && mysql_query(worker->mysql, sql.data) != 0)
        status = my_snapshot_error(worker->mysql, what, error);
    cdc_buf_free(&sql);
    MYSQL_RES *result = status == 0 ? mysql_store_result(worker->mysql) : NULL;
    if (status == 0)
        status = result ? take_end(&chunk->upto, source, result, error) : my_snapshot_error(worker->mysql, what, error);
    mysql_free_result(result);
    return status;
}

static int claim(struct my_worker *worker, struct cdc_error *error)
{
    struct my_snapshot *run = worker->run;
    struct my_chunk *next = &run->next, *chunk = &worker->chunk;
    if (next->table == run->n_tables)
        return 0;
    chunk->number = next->number++;
    chunk->table = next->table;
    chunk->first = next->first;
    copy_key(&chunk->after, &next->after);
    if (find_end(worker, &run->tables[chunk->table], error) < 0)
        return -1;
    chunk->last = chunk->upto.n == 0;
    next->first = chunk->last;
    next->table += chunk->last;
    copy_key(&next->after, &chunk->upto);
    return chunk->after.values.failed || next->after.values.failed ? cdc_error_memory(error) : 1;
}

int my_chunk_claim(struct my_worker *worker, struct cdc_error *error)
{
    pthread_mutex_lock(&worker->run->claims);
    int status = claim(worker, error);
    pthread_mutex_unlock(&worker->run->claims);
    return status;
}
