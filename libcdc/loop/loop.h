/* SPDX-License-Identifier: MIT */
/* What the source loop and the sink loop share: statistics on request and the metrics file. */
#ifndef LOOP_H
#define LOOP_H

#include <cdc/control.h>
#include <cdc/log.h>
#include <cdc/metrics.h>

struct loop_report {
    const char *metrics_file, *tool, *name;
    const struct cdc_metrics *metrics;
    struct cdc_control *control;
    const struct cdc_log *log;
    int64_t next_save;
};
/* Called once a turn: SIGUSR1's line, and the metrics file every 5 s (or when last). */
void loop_report(struct loop_report *report, bool last);

#endif
