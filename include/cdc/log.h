/* SPDX-License-Identifier: MIT */
/* Messages leave the library through a callback; the program decides where
 * they go. A NULL log is silent. */
#ifndef CDC_LOG_H
#define CDC_LOG_H

#include <cdc/error.h>

enum cdc_log_level { CDC_LOG_ERROR, CDC_LOG_WARNING, CDC_LOG_INFO, CDC_LOG_DEBUG };

struct cdc_log {
    void (*write)(void *context, enum cdc_log_level level, const char *text);
    void *context;
};

/* Formats one message (at most 2 KiB) and hands it over. */
void cdc_log_write(const struct cdc_log *log, enum cdc_log_level level, const char *format, ...) CDC_PRINTF(3, 4);

#endif
