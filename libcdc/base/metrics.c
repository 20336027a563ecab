/* SPDX-License-Identifier: MIT */
/* Counters as Prometheus text and as one line. The file is for the textfile collector of node_exporter, which reads
 * it at a time of its own: so it is replaced whole, but without fsync, since figures need not outlive a power cut. */
#include <cdc/file.h>
#include <cdc/metrics.h>

/* One row a figure: the text file, with its HELP and TYPE lines, is made of this table alone. */
struct series {
    const char *name, *type, *help;
    size_t offset;
};
static const struct series all[] = {
#define COUNTER(member, help)                                                                                          \
    {                                                                                                                  \
        "cdc_" #member "_total", "counter", help, offsetof(struct cdc_metrics, member)                                 \
    }
#define GAUGE(name, member, help)                                                                                      \
    {                                                                                                                  \
        name, "gauge", help, offsetof(struct cdc_metrics, member)                                                      \
    }
    COUNTER(lines_in, "Lines read."),
    COUNTER(lines_out, "Lines written."),
    COUNTER(bytes_in, "Bytes read."),
    COUNTER(bytes_out, "Bytes written."),
    COUNTER(changes, "Change lines handled."),
    COUNTER(commits, "Transaction ends handled."),
    COUNTER(duplicates, "Re-delivered lines that were dropped."),
    COUNTER(skipped, "Bad or refused lines passed over by choice."),
    COUNTER(retries, "Attempts that were repeated."),
    COUNTER(errors, "Errors that were met."),
    COUNTER(unconvertible, "Values given as base64 because they were not valid text."),
    COUNTER(json_texts, "JSON documents given as a string because readers would refuse them."),
    GAUGE("cdc_confirmed_seq", seq, "seq of the last confirmed position."),
    GAUGE("cdc_lag_bytes", lag_bytes, "Bytes of log not confirmed yet; -1: unknown."),
    GAUGE("cdc_lag_milliseconds", lag_ms, "For so long changes may have waited to be confirmed; -1: unknown."),
};
static const struct series of_snapshots[] = {
    GAUGE("cdc_snapshot_tables", snapshot_tables, "Tables that the snapshot reads."),
    GAUGE("cdc_snapshot_tables_done", snapshot_tables_done, "Those of them that are read."),
    GAUGE("cdc_snapshot_rows", snapshot_rows, "Rows that the snapshot has written."),
    GAUGE("cdc_snapshot_expected_rows", snapshot_rows_expected, "About so many rows it reads; 0: unknown."),
    GAUGE("cdc_snapshot_bytes", snapshot_bytes, "Bytes that the snapshot has written."),
    GAUGE("cdc_snapshot_left_seconds", snapshot_seconds_left, "Until all rows are read, about; -1: unknown."),
};

/* A label value (Prometheus text format): backslash, quote and line feed are escaped. */
static void label(struct cdc_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            cdc_buf_byte(out, '\\');
        if (*text == '\n')
            cdc_buf_lit(out, "\\n");
        else
            cdc_buf_byte(out, *text);
    }
}

static void append_series(struct cdc_buf *out, const struct series *series, size_t n, const struct cdc_metrics *metrics,
                          const char *tool, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        /* All members are 64 bits wide. Counters are unsigned and gauges signed; they read the same below 2^63. */
        memcpy(&value, (const char *)metrics + series[i].offset, sizeof value);
        cdc_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s{tool=\"", series[i].name, series[i].help, series[i].name,
                       series[i].type, series[i].name);
        label(out, tool);
        cdc_buf_lit(out, "\",name=\"");
        label(out, name);
        cdc_buf_lit(out, "\"} ");
        cdc_buf_i64(out, value);
        cdc_buf_byte(out, '\n');
    }
}

void cdc_metrics_text(struct cdc_buf *out, const struct cdc_metrics *metrics, const char *tool, const char *name)
{
    append_series(out, all, sizeof all / sizeof *all, metrics, tool, name);
    if (metrics->snapshot_tables > 0)
        append_series(out, of_snapshots, sizeof of_snapshots / sizeof *of_snapshots, metrics, tool, name);
}

int cdc_metrics_save(const char *path, const struct cdc_metrics *metrics, const char *tool, const char *name,
                     struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_metrics_text(&text, metrics, tool, name);
    int result =
        text.failed ? cdc_error_memory(error) : cdc_file_replace(path, text.data, text.len, 0644, false, error);
    cdc_buf_free(&text);
    return result;
}

void cdc_metrics_line(struct cdc_buf *out, const struct cdc_metrics *m)
{
    cdc_buf_printf(out,
                   "lines in %llu, lines out %llu, bytes in %llu, bytes out %llu, changes %llu, commits %llu, "
                   "duplicates %llu, skipped %llu, retries %llu, seq %lld",
                   (unsigned long long)m->lines_in, (unsigned long long)m->lines_out, (unsigned long long)m->bytes_in,
                   (unsigned long long)m->bytes_out, (unsigned long long)m->changes, (unsigned long long)m->commits,
                   (unsigned long long)m->duplicates, (unsigned long long)m->skipped, (unsigned long long)m->retries,
                   (long long)m->seq);
    if (m->lag_bytes >= 0)
        cdc_buf_printf(out, ", lag %lld bytes", (long long)m->lag_bytes);
    if (m->lag_ms >= 0)
        cdc_buf_printf(out, ", lag %lld ms", (long long)m->lag_ms);
}
