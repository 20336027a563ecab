/* SPDX-License-Identifier: MIT */
/* Capped exponential backoff with jitter, and the monotonic clock. */
#ifndef CDC_RETRY_H
#define CDC_RETRY_H

#include <cdc/control.h>
#include <cdc/log.h>
#include <stdbool.h>
#include <stdint.h>

struct cdc_retry {
    int64_t attempts; /* since the last success */
    int64_t maximum;  /* -1: for ever */
    uint64_t random;
};

int64_t cdc_clock_ms(void);      /* monotonic */
int64_t cdc_clock_wall_ms(void); /* since 1970, UTC */
void cdc_retry_init(struct cdc_retry *retry, int64_t maximum);
/* Milliseconds to wait before the next attempt (100 ms .. 30 s, jittered); -1 when the attempts are used up. */
int64_t cdc_retry_next(struct cdc_retry *retry);
void cdc_retry_success(struct cdc_retry *retry);
/* After an attempt that failed with error: reports it and sleeps. 0: error is cleared, try again; 1: stopped by a
 * signal, before or meanwhile; -1: the error is none that time heals, or the attempts are used up. reader_fd: the pipe
 * that the lines go to, or -1: when its reader goes away meanwhile, -1 with IO and no text (cdc_writer_flush). */
int cdc_retry_sleep(struct cdc_retry *retry, const struct cdc_control *control, int reader_fd,
                    const struct cdc_log *log, struct cdc_error *error);
/* Sleeps; true when a signal to stop came before the time was over, or was there already. what: see cdc/control.h. */
bool cdc_retry_wait(int64_t ms, const struct cdc_control *control, const char *what);

#endif
