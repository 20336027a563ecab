/* SPDX-License-Identifier: MIT */
/* What a running loop obeys: set by signal handlers of the program.
 *
 * stop is 1 after the first SIGTERM or SIGINT, which all loops look at. At 2, after the second one, these do not wait
 * any longer for the end of a transaction or for a reader: the loops of a source (libcdc/loop/source.c), and of sinks
 * and stages (stop_is_due, libcdc/loop/report.c), cdc_writer_finish, and the reading of files
 * (connectors/mysql/file.c). Waits between attempts end at the first. A source or stage that leaves its reader without
 * some lines, or inside a transaction, exits 75; else the status is the same after either.
 *
 * The handler: on_stop in cmd/program/program.c. */
#ifndef CDC_CONTROL_H
#define CDC_CONTROL_H

#include <signal.h>

struct cdc_control {
    volatile sig_atomic_t stop;       /* 1: finish what is in hand and leave; 2: leave at once */
    volatile sig_atomic_t statistics; /* 1: log a line of statistics, then 0 */
    int wake_fd;                      /* readable once stop is set (stays readable); -1: none */
    int notice_fd;                    /* readable when statistics is set; -1: none */
    /* Set by a loop for as long as it runs; NULL: none. Whoever waits calls it (cdc_control_waiting) at least every
     * second: statistics and the metrics file go on, and a stop that takes more than two seconds says for what. */
    void (*waiting)(void *context, const char *what);
    void *context; /* of waiting */
    /* The same where no loop runs. Waits end at the first signal all the same. */
    void (*watching)(void *context, const char *what);
    void *watcher; /* its context */
};

/* To be called within a wait. what: "the reader of the output". */
static inline void cdc_control_waiting(const struct cdc_control *control, const char *what)
{
    if (control->waiting != 0)
        control->waiting(control->context, what);
    else if (control->watching != 0)
        control->watching(control->watcher, what);
}

#endif
