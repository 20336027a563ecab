/* SPDX-License-Identifier: MIT */
/* Capped exponential backoff with jitter. */
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cdc/retry.h>

#define FIRST_MS 100
#define LONGEST_MS 30000

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
    retry->random = retry->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    /* Between half and all of it, so that many clients do not come back at once. */
    return longest / 2 + (int64_t)(retry->random >> 33) % (longest / 2 + 1);
}

void cdc_retry_success(struct cdc_retry *retry)
{
    retry->attempts = 0;
}

bool cdc_retry_wait(int64_t ms, int wake_fd)
{
    int64_t until = cdc_clock_ms() + ms;

    for (;;) {
        int64_t left = until - cdc_clock_ms();
        struct pollfd poller = {wake_fd, POLLIN, 0};
        if (left <= 0)
            return false;
        int ready = poll(&poller, wake_fd >= 0 ? 1 : 0, (int)(left > 60000 ? 60000 : left));
        if (ready > 0)
            return true;
    }
}
