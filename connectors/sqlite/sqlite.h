/* SPDX-License-Identifier: MIT */
/* SQLite as a destination: a table per source table, and the offsets in the
 * same transaction as the rows, so that each change is applied exactly once. */
#ifndef SQLITE_SINK_H
#define SQLITE_SINK_H

#include <cdc/offset.h>
#include <cdc/options.h>
#include <cdc/sink.h>

struct sqlite_sink;

struct sqlite_settings {
    const char *path;
    const char *table_name;     /* pattern with {db} {schema} {table} {name} */
    struct cdc_option_list fts; /* TABLE:COLUMN[,COLUMN...] */
    const struct cdc_log *log;
};

extern const struct cdc_sink_ops sqlite_sink_ops;
/* BORROWS settings. RETURNS NEW. */
struct sqlite_sink *sqlite_sink_open(const struct sqlite_settings *settings, struct cdc_error *error);
void sqlite_sink_free(struct sqlite_sink *sink);
/* The database knows better than the offset file: its entries replace those of the file, which is saved. CONFIG when
 * the file is ahead of the database (deleted, or restored from a backup): going on would leave a gap. */
int sqlite_sink_sync_offsets(struct sqlite_sink *sink, struct cdc_offset_file *offsets, struct cdc_error *error);

#endif
