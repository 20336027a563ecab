/* SPDX-License-Identifier: MIT */
/* The operations of the sink loop. One SQLite transaction holds everything between two deliveries, offsets included:
 *
 *   BEGIN IMMEDIATE, rows, offsets     killed: SQLite rolls back, everything comes again
 *   COMMIT                             killed: the rows are there; the database's offset is ahead of the file's, and the next
 *                                      start takes it from the database (lite_sink_sync_offsets)
 *   offset file saved                  the source may have its log forgotten up to here */
#include <stdlib.h>

#include "connectors/sqlite/sink/internal.h"

#define SCRATCH_KEEP ((size_t)1 << 20)

/* Opens the database, with our own tables in it: in one transaction, as another process may hold its lock for long. */
static int open_database(struct lite_sink *sink, struct cdc_error *error)
{
    const struct lite_settings *settings = sink->settings;
    const struct lite_patience patience = {settings->retry_max, settings->control, NULL};

    return lite_database_open(&sink->db, settings->path, &patience, settings->log, error) == 0 &&
                   lite_database_begin(&sink->db, &patience, error) == 0 && lite_state_open(sink, error) == 0
               ? lite_database_commit(&sink->db, error)
               : -1;
}

struct lite_sink *lite_sink_open(const struct lite_settings *settings, struct cdc_error *error)
{
    struct lite_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    sink->settings = settings;
    sink->schema_version = sink->n_reads = -1;
    cdc_tables_init(&sink->tables, sizeof(struct lite_table), lite_table_release, &lite_target_ops, sink);
    sink->tables.need_whole = true;
    sink->tables.check = lite_table_check;
    if (lite_fts_check_settings(settings, error) != 0 || open_database(sink, error) != 0 ||
        lite_aside_open(sink, error) != 0 || lite_reads_report(sink, error) != 0) {
        lite_sink_free(sink);
        return NULL;
    }
    return sink;
}

void lite_sink_free(struct lite_sink *sink)
{
    if (sink == NULL)
        return;
    cdc_tables_free(&sink->tables);
    lite_sql_free_kept(sink);
    lite_database_close(&sink->db);
    lite_state_free(sink);
    cdc_buf_free(&sink->scratch);
    cdc_buf_free(&sink->plain.others);
    free(sink);
}

void lite_sink_report(struct lite_sink *sink)
{
    if (sink->tables_described > 0 && !sink->db.in_transaction)
        lite_fts_report(sink);
}

static bool begins_read(const struct cdc_event *event)
{
    return cdc_span_is(event->read, "begin") || cdc_span_is(event->read, "live");
}

/* Rows of one of several tables that are one here. A read of the whole is of before they were. */
static int empty_part(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                      const struct cdc_part *part, struct cdc_error *error)
{
    if (lite_reads_is_open(table) && lite_read_break_off(sink, table, false, error) != 0)
        return -1;
    if (!begins_read(event))
        return lite_parts_empty(sink, table, part, cdc_event_ends_read(event), error);
    if (part->value.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "\"part\" of a table that is read again names more than one");
    if (lite_parts_enter(table, part, error) != 0)
        return -1;
    int result = lite_read_begin(sink, table, event, error);
    lite_parts_leave(table);
    return result;
}

/* The table may be one that this run has no schema line for: its name and its owner suffice. dropped: with its database, so that no
 * end of a read comes; nor does one where the table has gone while it was read. */
static int empty_table(struct lite_sink *sink, const struct cdc_event *event, bool dropped, struct cdc_error *error)
{
    struct cdc_part part;
    int of_part = cdc_part_read(&part, event, error);
    struct lite_table *table = of_part >= 0 ? (struct lite_table *)cdc_tables_of(&sink->tables, event, error) : NULL;

    if (table == NULL || lite_reads_look(sink, table, error) != 0)
        return -1;
    dropped |= cdc_event_ends_read(event);
    if (of_part == 1)
        return empty_part(sink, table, event, &part, error);
    table->waiting = 0; /* rows that wait are of the table as well */
    if (lite_parts_break_off_all(sink, table, error) != 0)
        return -1;
    if (begins_read(event))
        return lite_read_begin(sink, table, event, error);
    if (lite_reads_is_open(table) && table->read_live && !dropped)
        return lite_read_empty(sink, table, error);
    if (lite_reads_is_open(table) && lite_read_break_off(sink, table, true, error) != 0)
        return -1;
    if (!table->source.owned) /* nothing of it is here */
        return 0;
    if (lite_sql_begin(sink, error) != 0)
        return -1;
    sink->db.sql.len = 0;
    cdc_buf_lit(&sink->db.sql, "DELETE FROM ");
    lite_database_quote(&sink->db.sql, table->source.target);
    return lite_database_exec_made(&sink->db, error);
}

static int empty_table_of(struct lite_sink *sink, const struct cdc_event *event, const char *schema, const char *table,
                          struct cdc_error *error)
{
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct cdc_event one;
    int result = cdc_event_of_table(event, schema, table, &scratch, &one, error);

    if (result > 0)
        result = empty_table(sink, &one, true, error);
    cdc_buf_free(&scratch);
    return result;
}

/* Of a database that was dropped, the tables that are here. */
static int empty_database(struct lite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT; /* "schema\0table\0" ... */
    int result = lite_state_list_tables(sink, event, &names, error);

    for (const char *p = names.data; result == 0 && p != NULL && p < names.data + names.len;) {
        const char *table = p + strlen(p) + 1;
        result = empty_table_of(sink, event, p, table, error);
        p = table + strlen(table) + 1;
    }
    cdc_buf_free(&names);
    return result;
}

static int empty(struct lite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    if (lite_aside_end(sink, error) != 0)
        return -1;
    return cdc_event_is_of_database(event) ? empty_database(sink, event, error)
                                           : empty_table(sink, event, false, error);
}

/* A row of an open read waits in a table of its own. */
static int read_row(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                    struct cdc_error *error)
{
    return lite_sql_begin(sink, error) == 0 && lite_read_settle(sink, table, error) == 0
               ? lite_rows_apply(sink, table, event, error)
               : -1;
}

static int row_of(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                  struct cdc_error *error)
{
    if (lite_reads_is_open(table) && (event->op == CDC_OP_READ || table->read_live))
        return read_row(sink, table, event, error);
    if (lite_reads_is_open(table) && lite_read_break_off(sink, table, false, error) != 0)
        return -1;
    if ((event->op == CDC_OP_READ && lite_state_check_snapshot(sink, table, event, error) != 0) ||
        lite_sql_begin(sink, error) != 0 || lite_table_settle(sink, table, error) != 0)
        return -1;
    return lite_rows_apply(sink, table, event, error);
}

static int row(struct lite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct lite_table *table = (struct lite_table *)cdc_tables_of(&sink->tables, event, error);

    if (table == NULL)
        return -1;
    if (table->source.columns == NULL)
        return cdc_sink_reject(&sink->context, event->line,
                               "a row before the schema line of its table: the stream must keep its schema lines",
                               error);
    if (lite_reads_look(sink, table, error) != 0 || lite_aside_reach(sink, table, error) != 0)
        return -1;
    lite_parts_enter_row(table, event);
    int result = row_of(sink, table, event, error);
    lite_parts_leave(table);
    return result;
}

static int define_in(struct lite_sink *sink, struct lite_table *table, const struct cdc_event *event,
                     struct cdc_error *error)
{
    if ((event->read.p != NULL || table->part != NULL) && lite_aside_end(sink, error) != 0)
        return -1;
    if (lite_table_define(sink, event, error) != 0)
        return -1;
    return cdc_span_is(event->read, "end") ? lite_read_end(sink, table, event, error) : 0;
}

static int define_table(struct lite_sink *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_part part;
    int of_part = cdc_part_read(&part, event, error);
    struct lite_table *table = of_part >= 0 ? (struct lite_table *)cdc_tables_of(&sink->tables, event, error) : NULL;

    if (table == NULL || lite_reads_look(sink, table, error) != 0 || lite_aside_reach(sink, table, error) != 0)
        return -1;
    if (of_part == 1 && part.value.p != NULL && lite_parts_enter(table, &part, error) != 0)
        return -1;
    int result = define_in(sink, table, event, error);
    lite_parts_leave(table);
    return result;
}

static int event_op(void *context, const struct cdc_event *event, struct cdc_error *error)
{
    struct lite_sink *sink = context;
    int result = 0;

    if (cdc_event_has_row(event))
        result = row(sink, event, error);
    else if (event->op == CDC_OP_SCHEMA)
        result = define_table(sink, event, error);
    else if (event->op == CDC_OP_TRUNCATE)
        result = empty(sink, event, error);
    if (sink->scratch.cap > SCRATCH_KEEP) {
        sink->scratch.len = 0;
        cdc_buf_shrink(&sink->scratch, SCRATCH_KEEP);
    }
    return result;
}

static int deliver(void *context, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    struct lite_sink *sink = context;

    if (sink->lost) /* the offsets would be ahead of the rows */
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "what was not stored comes again");
    /* Begun even without a row: a heartbeat moves the offset alone. */
    if (lite_sql_begin(sink, error) != 0 || lite_table_settle_all(sink, error) != 0 ||
        lite_aside_end(sink, error) != 0 || lite_state_save_offsets(sink, offsets, error) != 0 ||
        lite_fts_remember(sink, error) != 0 || lite_database_commit(&sink->db, error) != 0)
        return -1;
    sink->has_boundary = false;
    sink->transaction++;
    return 0;
}

/* A savepoint: what comes after it can be taken back alone. */
static int boundary(void *context, struct cdc_error *error)
{
    struct lite_sink *sink = context;
    const char *sql = sink->has_boundary ? "RELEASE complete; SAVEPOINT complete" : "SAVEPOINT complete";

    sink->transaction++;
    if (!sink->db.in_transaction)
        return 0;
    int code = sqlite3_exec(sink->db.handle, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return lite_database_error(&sink->db, code, "cannot set a savepoint", error);
    sink->has_boundary = true;
    return 0;
}

static int take_back(struct lite_sink *sink)
{
    struct cdc_error ignored = {0};
    int code = sqlite3_exec(sink->db.handle, "ROLLBACK TO complete", NULL, NULL, NULL);

    return code == SQLITE_OK ? lite_aside_taken_back(sink, &ignored) : -1;
}

/* Tables that were created or changed in the transaction are looked at again; so far nothing comes after a discard. */
static void discard(void *context)
{
    struct lite_sink *sink = context;

    for (size_t i = 0; i < sink->tables.n; i++) {
        struct lite_table *table = (struct lite_table *)sink->tables.items[i];
        lite_table_forget_statements(table);
        /* The next delivery makes no table for a schema line of a read that is taken back. */
        table->missing &= !lite_reads_is_open(table);
        lite_reads_forget(table);
        table->pending = true;
    }
    cdc_tables_recheck(&sink->tables);
    sink->schema_version = sink->n_reads = -1;
    sink->transaction++;
    if (sink->has_boundary) {
        /* It stays open: what waited for another source is taken in now, and may have to be taken back as well, before it
         * has set a boundary of its own. */
        if (take_back(sink) == 0)
            return;        /* what came before the savepoint is still to be delivered */
        sink->lost = true; /* for good: a trigger has ended the transaction */
    }
    lite_database_roll_back(&sink->db);
    lite_aside_forget(sink);
    sink->has_boundary = false;
}

const struct cdc_sink_ops lite_sink_ops = {
    .event = event_op, .deliver = deliver, .discard = discard, .boundary = boundary};
