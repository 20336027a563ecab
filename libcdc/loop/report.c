/* SPDX-License-Identifier: MIT */
/* What all loops share: figures, and how long a stop is waited for. */
#include <stdio.h>
#include <unistd.h>

#include "libcdc/loop/internal.h"
#include <cdc/retry.h>
#include <string.h>

#define METRICS_MS 5000
#define STOP_GRACE_MS 5000
#define TELL_MS 2000 /* a stop that takes longer says why */

/* The lag grows while nothing else happens. */
static struct cdc_metrics metrics_now(const struct loop_report *report)
{
    struct cdc_metrics metrics = *report->metrics;

    if (metrics.lag_since > 0 && (metrics.lag_ms = cdc_clock_wall_ms() - metrics.lag_since) < 0)
        metrics.lag_ms = 0;
    return metrics;
}

void loop_report_statistics(const struct loop_report *report)
{
    const struct cdc_metrics metrics = metrics_now(report);
    struct cdc_buf line = CDC_BUF_INIT;
    char bytes[16];

    if (!report->control->statistics)
        return;
    report->control->statistics = 0;
    /* The bytes that the signal handler wrote: left there, notice_fd would stay readable, and every poll would return
     * at once. */
    if (report->control->notice_fd >= 0)
        while (read(report->control->notice_fd, bytes, sizeof bytes) > 0)
            continue;
    cdc_metrics_line(&line, &metrics);
    if (!line.failed)
        cdc_log_write(report->log, CDC_LOG_INFO, "%.*s", (int)line.len, line.data);
    cdc_buf_free(&line);
    if (report->more != NULL)
        report->more(report->stage, report->log);
}

static void save_metrics(const struct loop_report *report)
{
    struct cdc_error error = {0};
    const struct cdc_metrics metrics = metrics_now(report);

    /* Figures are worth a warning, never a stop. */
    if (cdc_metrics_save(report->metrics_file, &metrics, report->tool, report->name, &error) != 0)
        cdc_log_write(report->log, CDC_LOG_WARNING, "%s", error.text);
}

/* Called with each line: what it needs for the rare case is apart, since an error alone is more to clear than a line takes. */
void loop_report_turn(struct loop_report *report, bool last)
{
    if (report->control->statistics)
        loop_report_statistics(report);
    if (report->metrics_file == NULL)
        return;
    int64_t now = cdc_clock_ms();
    if (!last && now < report->next_save)
        return;
    report->next_save = now + METRICS_MS;
    save_metrics(report);
}

void loop_report_removed(const struct cdc_log *log, const struct cdc_writer *writer)
{
    if (cdc_writer_removed(writer) > 0)
        cdc_log_write(log, CDC_LOG_WARNING,
                      "the output ended inside a line: its %zu bytes were removed, it comes again whole",
                      cdc_writer_removed(writer));
}

void loop_report_waiting(void *context, const char *what)
{
    struct loop_report *report = context;
    int64_t now = cdc_clock_ms();

    loop_report_turn(report, false);
    if (report->control->stop && report->stop_seen == 0)
        report->stop_seen = now;
    if (report->stop_seen == 0 || now - report->stop_seen < TELL_MS || strcmp(report->told, what) == 0)
        return;
    snprintf(report->told, sizeof report->told, "%s", what);
    cdc_log_write(report->log, CDC_LOG_INFO, "a signal came, still waiting for %s; a second one leaves at once",
                  report->told);
}

bool stop_is_due(const struct cdc_control *control, int64_t *deadline)
{
    if (!control->stop)
        return false;
    int64_t now = cdc_clock_ms();
    if (*deadline == 0)
        /* Counted from the first call after the signal, not from the signal. */
        *deadline = now + STOP_GRACE_MS;
    return control->stop >= 2 || now >= *deadline;
}
