/* SPDX-License-Identifier: MIT */
/* The rows of the tables, by COPY, as lines: of a whole attempt, and of a round. */
#include "connectors/postgres/snapshot/internal.h"

#include "connectors/postgres/session/names.h"
#include "connectors/postgres/session/slot.h"

#include <cdc/retry.h>
#include <stdio.h>

static int take_row(struct snapshot_run *run, const struct pg_scan *scan, struct cdc_error *error)
{
    const struct pg_table *table = scan->table;
    if (pg_row_check_key(table, scan->cells, error) < 0)
        return -1;
    pg_snapshot_row_line(run, table, scan->cells);
    /* A sink keeps what comes until a commit line: without them a large table would be one transaction. */
    if (run->chunk >= (uint64_t)run->settings->chunk_rows)
        pg_snapshot_commit_line(run, false);
    if (cdc_writer_pending(run->writer) < CDC_SNAPSHOT_FLUSH_BYTES)
        return run->control->stop ? cdc_snapshot_stopped(error) : 0;
    cdc_snapshot_look_around(&run->progress, run->writer, table->schema, table->name);
    return cdc_snapshot_drain(run->writer, run->control, error);
}

static int read_rows(struct snapshot_run *run, const struct pg_scan_source *source, struct cdc_error *error)
{
    struct pg_scan scan;
    int result = pg_scan_begin(&scan, run->sql, source, error);
    run->wait.endless = true;
    while (result == 0) {
        enum pg_scan_result next = pg_scan_next(&scan, error);
        if (next == PG_SCAN_END)
            break;
        if (next == PG_SCAN_ROW) {
            result = take_row(run, &scan, error);
            continue;
        }
        result = next == PG_SCAN_WAIT ? pg_snapshot_wait_input(run, error) : -1;
    }
    pg_scan_end(&scan);
    return result;
}

static int read_table(struct snapshot_run *run, const struct snapshot_table *source, struct cdc_error *error)
{
    const struct pg_table *table = source->table;
    struct cdc_buf text = CDC_BUF_INIT;
    char what[160];
    snprintf(what, sizeof what, "cannot read table %s.%s", table->schema, table->name);
    run->at = table;
    pg_scan_statement(&text, &source->source, NULL);
    pg_snapshot_prepare_rows(run, table);
    if (run->of.again)
        pg_snapshot_truncate_line(run, table);
    pg_snapshot_schema_line(run, table, false);
    if (!run->of.again && run->of.number > 1)
        pg_snapshot_truncate_line(run, table);
    PGresult *result = NULL;
    if (text.failed || run->fixed.failed)
        cdc_error_memory(error);
    else
        result = pg_snapshot_command(run, text.data, PGRES_COPY_OUT, what, error);
    cdc_buf_free(&text);
    if (!result)
        return -1;
    PQclear(result);
    if (read_rows(run, &source->source, error) < 0 || pg_snapshot_finish_command(run, what, error) < 0)
        return -1;
    if (run->of.again)
        pg_snapshot_schema_line(run, table, true);
    pg_snapshot_commit_line(run, false);
    return 0;
}

static int copy_all(struct snapshot_run *run, struct cdc_error *error)
{
    run->progress.began = cdc_clock_ms();
    run->progress.next = run->progress.began + 1000;
    for (size_t i = 0; i < run->n_tables; i++)
        if (read_table(run, &run->tables[i], error) < 0)
            return -1;
    /* The very last line, also where no table has a row: the snapshot is finished when sinks have passed it. */
    pg_snapshot_commit_line(run, true);
    if (pg_snapshot_execute(run, "COMMIT", "cannot end the snapshot's transaction", error) < 0 ||
        cdc_snapshot_drain(run->writer, run->control, error) < 0)
        return -1;
    return cdc_writer_sync(run->writer, error);
}

/* A standby without the slot may not be where one can be made. */
static int suits(void *context, PGconn *sql, struct cdc_error *error)
{
    const struct snapshot_run *run = context;
    struct pg_slot slot;
    if (!pg_is_standby(sql))
        return 1;
    if (pg_slot_read(sql, run->pg->slot, &slot, error) < 0 || (slot.exists && !slot.synced))
        return slot.exists && !slot.synced;
    return PQserverVersion(sql) >= 160000 && run->state.attempt.origin == 0
               ? pg_names_publication_exists(sql, run->pg->publication, error)
               : 0;
}

int pg_snapshot_connect(struct snapshot_run *run, struct cdc_error *error)
{
    run->sql = pg_connect_suited(run->pg, suits, run, error);
    if (!run->sql)
        return -1;
    pg_source_head(&run->source_head, run->pg->name, PQdb(run->sql));
    if (run->source_head.failed)
        return cdc_error_memory(error);
    int converts = pg_encoding_ask(run->sql, run->pg, &run->encoding, error);
    run->converts = converts > 0;
    return converts < 0 ? -1 : 0;
}

int pg_snapshot_read_tables(struct snapshot_run *run, struct cdc_error *error)
{
    return pg_snapshot_lock_tables(run, error) < 0 || copy_all(run, error) < 0 ? -1 : 0;
}
