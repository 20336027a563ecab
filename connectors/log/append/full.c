/* SPDX-License-Identifier: MIT */
/* Writing to a disk that may be full, and one that has failed. */
#include <errno.h>
#include <unistd.h>

#include "connectors/log/append/writer.h"
#include <cdc/file.h>
#include <cdc/retry.h>

#define WAIT_MS 200
#define TELL_MS 10000

int log_writer_wait_for_room(struct log_writer *writer, const char *what, int64_t *told, struct cdc_error *error)
{
    const struct log_append_settings *settings = writer->settings;
    int number = errno;

    if (settings->exit_when_full)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to write %s of \"%s\": %s", what, writer->folder.path,
                             strerror(number));
    int64_t now = cdc_clock_ms();
    if (*told == 0 || now - *told >= TELL_MS) {
        *told = now;
        cdc_log_write(settings->log, CDC_LOG_WARNING,
                      "no room for %s of \"%s\": %s; nothing is read until there is (hint: free some space)", what,
                      writer->folder.path, strerror(number));
    }
    if (settings->control->stop)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "no room for %s of \"%s\"; what was not stored comes again",
                             what, writer->folder.path);
    usleep(WAIT_MS * 1000);
    return 0;
}

static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT;
}

int log_writer_write_at(struct log_writer *writer, int fd, const void *data, size_t n, uint64_t at, const char *name,
                        struct cdc_error *error)
{
    int64_t told = 0;

    for (const char *p = data; n > 0;) {
        ssize_t done = pwrite(fd, p, n, (off_t)at);
        if (done > 0) {
            p += done;
            at += (uint64_t)done;
            n -= (size_t)done;
        } else if (done == 0 || is_full(errno)) {
            errno = done == 0 ? ENOSPC : errno;
            if (log_writer_wait_for_room(writer, name, &told, error) != 0)
                return -1;
        } else if (errno != EINTR) {
            return cdc_error_set(error, cdc_file_exit(errno), "unable to write %s of \"%s\": %s", name,
                                 writer->folder.path, strerror(errno));
        }
    }
    return 0;
}

/* Linux tells of an error once, and what it could not write may be read from its cache all the same: so the end goes back to what is
 * durable, and nothing more is written. It may tell late, of lines before that: so the next start writes all of the segment again. */
int log_writer_sync_failed(struct log_writer *writer, struct cdc_error *error)
{
    int number = errno;

    writer->failed = true;
    (void)!ftruncate(writer->data, (off_t)(writer->end - writer->start));
    (void)!ftruncate(writer->index, (off_t)writer->index_size);
    if (writer->head >= 0)
        log_head_doubt(writer->head);
    cdc_error_set(error, CDC_EXIT_IO, "the disk has failed under \"%s\": %s", writer->folder.path, strerror(number));
    return cdc_error_hint(error, "what was not stored comes again; look at the disk before the next start");
}
