/* SPDX-License-Identifier: MIT */
/* What a running loop obeys: set by signal handlers of the program. */
#ifndef CDC_CONTROL_H
#define CDC_CONTROL_H

#include <signal.h>

struct cdc_control {
    volatile sig_atomic_t stop;       /* 1: finish what is in hand and leave; 2: leave at once */
    volatile sig_atomic_t statistics; /* 1: log a line of statistics, then 0 */
    int wake_fd;                      /* readable once stop is set (stays readable); -1: none */
    int notice_fd;                    /* readable when statistics is set; -1: none */
};

#endif
