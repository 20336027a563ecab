/* SPDX-License-Identifier: MIT */
/* The operations of the sink loop. One SQLite transaction holds everything
 * between two deliveries, offsets included. */
#include <stdlib.h>

#include "connectors/sqlite/internal.h"

#define SCRATCH_KEEP ((size_t)1 << 20)

struct sqlite_sink *sqlite_sink_open(const struct sqlite_settings *settings, struct cdc_error *error)
{
    struct sqlite_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    sink->settings = settings;
    sink->log = settings->log;
    sink->schema_version = -1;
    if (sqlite_fts_check(settings, error) != 0 || sqlite_database_open(sink, error) != 0) {
        sqlite_sink_free(sink);
        return NULL;
    }
    return sink;
}

void sqlite_sink_free(struct sqlite_sink *sink)
{
    if (sink == NULL)
        return;
    while (sink->tables != NULL) {
        struct sqlite_table *table = sink->tables;
        sink->tables = table->next;
        sqlite_table_free(table);
    }
    cdc_buf_free(&sink->scratch);
    cdc_buf_free(&sink->sql);
    sqlite3_close(sink->db); /* rolls an open transaction back */
    free(sink);
}

/* The table may be one that this run has no schema line for: then only its name counts. */
static int empty_table(struct sqlite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_buf name = CDC_BUF_INIT;
    int result = sqlite_begin(sink, error) == 0 ? sqlite_table_name(sink, event, &name, error) : -1;
    int64_t there = 0;

    if (result == 0) {
        sink->sql.len = 0;
        cdc_buf_lit(&sink->sql, "SELECT count(*) FROM cdc_tables WHERE table_name = ");
        sqlite_quote_text(&sink->sql, name.data);
        cdc_buf_byte(&sink->sql, '\0');
        result = sink->sql.failed ? cdc_error_memory(error) : sqlite_pragma_number(sink, sink->sql.data, &there, error);
    }
    sink->sql.len = 0;
    if (result == 0 && there > 0) {
        cdc_buf_lit(&sink->sql, "DELETE FROM ");
        sqlite_quote(&sink->sql, name.data);
        result = sqlite_exec_buffer(sink, error);
    }
    cdc_buf_free(&name);
    return result;
}

static int row(struct sqlite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct sqlite_table *table = sqlite_table_find(sink, event);

    if (table == NULL)
        return cdc_sink_reject(&sink->context, event->line,
                               "a row before the schema line of its table: the stream must keep its schema lines",
                               error);
    if (sqlite_begin(sink, error) != 0 || (table->pending && sqlite_table_apply(sink, table, error) != 0))
        return -1;
    return sqlite_row(sink, table, event, error);
}

static int event_op(void *context, const struct cdc_event *event, struct cdc_error *error)
{
    struct sqlite_sink *sink = context;
    int result = 0;

    if (cdc_event_has_row(event))
        result = row(sink, event, error);
    else if (event->op == CDC_OP_SCHEMA)
        result = sqlite_table_define(sink, event, error);
    else if (event->op == CDC_OP_TRUNCATE)
        result = empty_table(sink, event, error);
    if (sink->scratch.cap > SCRATCH_KEEP) {
        sink->scratch.len = 0;
        cdc_buf_shrink(&sink->scratch, SCRATCH_KEEP);
    }
    return result;
}

static int deliver(void *context, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    struct sqlite_sink *sink = context;

    if (sqlite_begin(sink, error) != 0 || sqlite_save_offsets(sink, offsets, error) != 0 ||
        sqlite_fts_remember(sink, error) != 0)
        return -1;
    int code = sqlite3_exec(sink->db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return sqlite_db_error(sink, code, "cannot commit", error);
    sink->in_transaction = sink->has_boundary = false;
    return 0;
}

/* A savepoint: what comes after it can be taken back alone. */
static int boundary(void *context, struct cdc_error *error)
{
    struct sqlite_sink *sink = context;
    const char *sql = sink->has_boundary ? "RELEASE complete; SAVEPOINT complete" : "SAVEPOINT complete";

    if (!sink->in_transaction)
        return 0;
    int code = sqlite3_exec(sink->db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return sqlite_db_error(sink, code, "cannot set a savepoint", error);
    sink->has_boundary = true;
    return 0;
}

/* Definitions that were applied in the transaction are looked at again; so far nothing comes after a discard. */
static void discard(void *context)
{
    struct sqlite_sink *sink = context;

    for (struct sqlite_table *table = sink->tables; table != NULL; table = table->next) {
        sqlite_table_forget_statements(table);
        table->pending = true;
    }
    sink->schema_version = -1;
    if (sink->has_boundary &&
        sqlite3_exec(sink->db, "ROLLBACK TO complete; RELEASE complete", NULL, NULL, NULL) == SQLITE_OK) {
        sink->has_boundary = false;
        return; /* what came before the savepoint is still to be delivered */
    }
    if (sink->in_transaction)
        sqlite3_exec(sink->db, "ROLLBACK", NULL, NULL, NULL);
    sink->in_transaction = sink->has_boundary = false;
}

const struct cdc_sink_ops sqlite_sink_ops = {event_op, deliver, discard, boundary};
