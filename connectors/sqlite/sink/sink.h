/* SPDX-License-Identifier: MIT */
/* SQLite as a destination: a table per source table, and the offsets in the
 * same transaction as the rows, so that each change is applied exactly once. */
#ifndef LITE_SINK_H
#define LITE_SINK_H

#include <cdc/offset.h>
#include <cdc/options.h>
#include <cdc/sink.h>

struct lite_sink;

struct lite_settings {
    const char *path;
    const char *table_name;     /* pattern with {db} {schema} {table} {name} */
    struct cdc_option_list fts; /* TABLE:COLUMN[,COLUMN...] */
    const struct cdc_log *log;
    const struct cdc_control *control;
    int64_t retry_max; /* while the database is locked at the start; -1: for ever */
};

extern const struct cdc_sink_ops lite_sink_ops;
/* BORROWS settings. RETURNS NEW. */
struct lite_sink *lite_sink_open(const struct lite_settings *settings, struct cdc_error *error);
/* At the end of a run that came to its end: warns of settings that name no table, when a table has come. */
void lite_sink_report(struct lite_sink *sink);
void lite_sink_free(struct lite_sink *sink);
/* The database knows better than the offset file: its entries replace those of the file, which is saved;
 * what other pipelines have moved is known and stays theirs. A new file gets the positions that were in the one of that
 * name, for the source to find before the first line. CONFIG when
 * the file is ahead of the database (deleted, or restored from a backup): going on would leave a gap. */
int lite_sink_sync_offsets(struct lite_sink *sink, struct cdc_offset_file *offsets, struct cdc_error *error);

#endif
