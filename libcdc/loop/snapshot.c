/* SPDX-License-Identifier: MIT */
/* What the snapshots of all databases share: how one ends early, and what it shows while it runs. Rows that were
 * written stay written; it is the end that must be right: whole lines, and a status that tells `cdc-snapshot && exec
 * pg-cdc` not to go on. */
#include "libcdc/loop/internal.h"
#include <cdc/snapshot.h>

#include <cdc/exit.h>
#include <cdc/retry.h>
#include <poll.h>
#include <string.h>

#define LOOK_MS 20 /* at the files of the sinks */
#define BEAT_MS 10000
#define SAY_FIRST_MS 2000
#define SAY_AGAIN_MS 30000
#define STOP_MS 5000 /* for a slow reader to take the rest of a line after a signal */

int cdc_snapshot_stopped(struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped by a signal: the snapshot is incomplete");
    return cdc_error_hint(error, "start the same command again");
}

void cdc_snapshot_finish_output(struct cdc_writer *writer, const struct cdc_control *control)
{
    struct cdc_error ignored = {0};
    /* Without a signal there is time: the next attempt writes to the same pipe, and must not begin inside a line. */
    (void)cdc_writer_drain(writer, control, &ignored);
    (void)cdc_writer_finish(writer, control, STOP_MS, &ignored);
}

int cdc_snapshot_drain(struct cdc_writer *writer, const struct cdc_control *control, struct cdc_error *error)
{
    /* 1: a signal came before all was out. 0 with stop set: all is out, but a signal came meanwhile; without this
     * test a fast reader would keep the snapshot from ever noticing it. */
    int result = cdc_writer_drain(writer, control, error);
    return result == 1 || (result == 0 && control->stop) ? cdc_snapshot_stopped(error) : result;
}

static bool reader_is_gone(const struct cdc_writer *writer)
{
    /* POLLERR comes unasked. */
    struct pollfd reader = {cdc_writer_is_pipe(writer) ? cdc_writer_fd(writer) : -1, 0, 0};

    return poll(&reader, 1, 0) > 0 && reader.revents != 0;
}

/* The offset file of a sink that has not stored pos; NULL: there is none, or no sink. */
static const char *first_before(const struct cdc_acks *acks, const char *pos)
{
    for (size_t i = 0; i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *offset = cdc_acks_offset(acks, i);
        if (offset == NULL || strcmp(offset->pos, pos) < 0)
            return cdc_acks_path(acks, i);
    }
    return NULL;
}

int cdc_snapshot_wait_stored(const struct cdc_writer *writer, struct cdc_control *control, struct cdc_acks *acks,
                             const char *pos, const struct cdc_snapshot_beat *beat, const struct cdc_log *log,
                             struct cdc_error *error)
{
    int64_t next = cdc_clock_ms() + SAY_FIRST_MS, next_beat = cdc_clock_ms() + BEAT_MS;
    int stored;

    while ((stored = cdc_acks_passed(acks, pos, error)) == 0) {
        if (reader_is_gone(writer))
            return cdc_error_set(error, CDC_EXIT_IO, "%s", "");
        if (cdc_retry_wait(LOOK_MS, control, "the sinks to store what was read"))
            return cdc_snapshot_stopped(error);
        if (cdc_clock_ms() >= next_beat) {
            if (beat->write(beat->context, error) != 0)
                return -1;
            next_beat = cdc_clock_ms() + BEAT_MS;
        }
        if (cdc_clock_ms() < next)
            continue;
        const char *slow = first_before(acks, pos);
        cdc_log_write(log, CDC_LOG_INFO, "waiting for the sink%s%s to store what was read", slow != NULL ? " of " : "s",
                      slow != NULL ? slow : "");
        next = cdc_clock_ms() + SAY_AGAIN_MS;
    }
    return stored < 0 ? -1 : 0;
}
