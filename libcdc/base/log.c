/* SPDX-License-Identifier: MIT */
/* Messages go through the program's callback. */
#include <stdarg.h>
#include <stdio.h>

#include <cdc/log.h>

void cdc_log_write(const struct cdc_log *log, enum cdc_log_level level, const char *format, ...)
{
    /* Enough for an error (1024), its hint (512) and a few names. A longer text is truncated: a message is not worth
     * an allocation, which could itself fail while running out of memory is being reported. */
    char text[2048];
    va_list arguments;

    if (log == NULL || log->write == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log->write(log->context, level, text);
}
