/* SPDX-License-Identifier: MIT */
/* Capped exponential backoff with jitter: at most 0.1, 0.2, 0.4, ... 25.6, 30, 30 s. Long enough that a server that
 * comes up is not overrun, short enough that a pipeline goes on soon after it. */
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cdc/retry.h>

#define FIRST_MS 100
#define LONGEST_MS 30000
#define LOOK_MS 100 /* between two looks around during a wait */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t cdc_clock_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t cdc_clock_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

void cdc_retry_init(struct cdc_retry *retry, int64_t maximum)
{
    retry->attempts = 0;
    retry->maximum = maximum;
    /* Sources that a supervisor starts in the same millisecond still differ in their process id. */
    retry->random = (uint64_t)cdc_clock_wall_ms() ^ (uint64_t)getpid() << 32;
}

int64_t cdc_retry_next(struct cdc_retry *retry)
{
    if (retry->maximum >= 0 && retry->attempts >= retry->maximum)
        return -1;
    int64_t longest = FIRST_MS;
    for (int64_t i = 0; i < retry->attempts && longest < LONGEST_MS; i++)
        longest *= 2;
    if (longest > LONGEST_MS)
        longest = LONGEST_MS;
    retry->attempts++;
    /* A linear congruential generator: jitter needs no better one, and the library keeps no state of its own. */
    retry->random = retry->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    /* The high bits: the low ones of such a generator repeat after a few steps. */
    /* Between half and all of it, so that many clients do not come back at once. */
    return longest / 2 + (int64_t)(retry->random >> 33) % (longest / 2 + 1);
}

void cdc_retry_success(struct cdc_retry *retry)
{
    retry->attempts = 0;
}

enum waited { TIME_IS_OVER, STOPPED, READER_GONE };

/* A descriptor of -1 is passed over by poll. */
static enum waited wait_for(int64_t ms, const struct cdc_control *control, int reader_fd, const char *what)
{
    int64_t until = cdc_clock_ms() + ms;

    for (;;) {
        int64_t left = until - cdc_clock_ms();
        /* Nothing is asked of the pipe: POLLERR, its reader is gone, comes unasked. notice_fd is emptied by
         * control->waiting; without that it would stay readable. */
        struct pollfd pollers[3] = {{.fd = control->wake_fd, .events = POLLIN},
                                    {reader_fd, 0, 0},
                                    {.fd = control->waiting != NULL ? control->notice_fd : -1, .events = POLLIN}};
        if (left <= 0)
            return TIME_IS_OVER;
        if (control->stop)
            return STOPPED;
        cdc_control_waiting(control, what);
        /* An interrupted poll (EINTR) is no end of the wait: the handler has set control->stop if we are to stop. */
        if (poll(pollers, 3, (int)(left > LOOK_MS ? LOOK_MS : left)) > 0 && pollers[1].revents != 0)
            return READER_GONE;
    }
}

bool cdc_retry_wait(int64_t ms, const struct cdc_control *control, const char *what)
{
    return wait_for(ms, control, -1, what) == STOPPED;
}

int cdc_retry_sleep(struct cdc_retry *retry, const struct cdc_control *control, int reader_fd,
                    const struct cdc_log *log, struct cdc_error *error)
{
    /* Once a signal came, wake_fd stays readable and every wait would end at once: no further attempt. */
    if (control->stop)
        return 1;
    int64_t wait = cdc_error_is_transient(error) ? cdc_retry_next(retry) : -1;
    if (wait < 0)
        return -1;
    cdc_log_write(log, CDC_LOG_WARNING, "%s; trying again in %.1f s", error->text, (double)wait / 1000);
    enum waited waited = wait_for(wait, control, reader_fd, "the next attempt");
    if (waited == STOPPED)
        return 1;
    cdc_error_clear(error);
    return waited == READER_GONE ? cdc_error_set(error, CDC_EXIT_IO, "%s", "") : 0;
}
