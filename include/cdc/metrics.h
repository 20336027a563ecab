/* SPDX-License-Identifier: MIT */
/* Counters, and the Prometheus text file of --metrics-file. */
#ifndef CDC_METRICS_H
#define CDC_METRICS_H

#include <cdc/buf.h>
#include <cdc/error.h>

struct cdc_metrics {
    uint64_t lines_in, lines_out, bytes_in, bytes_out;
    uint64_t changes, commits, duplicates, skipped, retries, errors, unconvertible, json_texts;
    int64_t seq;       /* of the last confirmed position */
    int64_t lag_bytes; /* -1: unknown */
    int64_t lag_ms;    /* -1: unknown */
    int64_t lag_since; /* since 1970: lag_ms is counted from then on, as long as it is set; 0 */
    /* Of a snapshot, in this attempt. They are in the file where there are tables to be read. */
    int64_t snapshot_tables, snapshot_tables_done, snapshot_rows, snapshot_rows_expected, snapshot_bytes;
    int64_t snapshot_seconds_left; /* -1: unknown */
};

/* Appends the exposition text; tool and name become labels. */
void cdc_metrics_text(struct cdc_buf *out, const struct cdc_metrics *metrics, const char *tool, const char *name);
/* Writes it atomically to path. */
int cdc_metrics_save(const char *path, const struct cdc_metrics *metrics, const char *tool, const char *name,
                     struct cdc_error *error);
/* Appends one line of statistics, as SIGUSR1 shows it. */
void cdc_metrics_line(struct cdc_buf *out, const struct cdc_metrics *metrics);

#endif
