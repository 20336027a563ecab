/* SPDX-License-Identifier: MIT */
/* What the source loop and the sink loop share. */
#include <unistd.h>

#include "libcdc/loop/loop.h"
#include <cdc/retry.h>

#define METRICS_MS 5000

static void log_statistics(struct loop_report *report)
{
    struct cdc_buf line = CDC_BUF_INIT;
    char bytes[16];

    report->control->statistics = 0;
    if (report->control->notice_fd >= 0)
        while (read(report->control->notice_fd, bytes, sizeof bytes) > 0)
            continue;
    cdc_metrics_line(&line, report->metrics);
    if (!line.failed)
        cdc_log(report->log, CDC_LOG_INFO, "%.*s", (int)line.len, line.data);
    cdc_buf_free(&line);
}

void loop_report(struct loop_report *report, bool last)
{
    struct cdc_error error = {0};

    if (report->control->statistics)
        log_statistics(report);
    if (report->metrics_file == NULL)
        return;
    int64_t now = cdc_clock_ms();
    if (!last && now < report->next_save)
        return;
    report->next_save = now + METRICS_MS;
    /* Figures are worth a warning, never a stop. */
    if (cdc_metrics_save(report->metrics_file, report->metrics, report->tool, report->name, &error) != 0)
        cdc_log(report->log, CDC_LOG_WARNING, "%s", error.text);
}
