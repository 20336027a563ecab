/* SPDX-License-Identifier: MIT */
/* Retention: whole sealed segments, the oldest first. The log begins after them from the moment that "begin" says so; their files go
 * after that, and those that were left when a trim was killed go with the next one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "connectors/log/compact/compact.h"
#include "connectors/log/compact/readers.h"
#include "connectors/log/file/base.h"

#define WARN_TENTHS 8 /* of what is allowed */

struct trimming {
    const struct log_trim_settings *settings;
    struct log_trim_counts *counts;
    struct log_folder folder;
    struct log_readers readers;
    uint64_t base; /* up to where one stands for the lines */
    uint64_t end;
    int64_t now;
    bool warned, quiet; /* quiet: it is only looked, and nobody told */
};

/* -- which segments go ------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* When its newest line was appended. Times in the journal never run backwards, so after a clock that was a year ahead all are of then:
 * the time of the file tells better. */
static int64_t time_of(const struct trimming *trimming, const struct log_segment *segment)
{
    char name[LOG_NAME_SIZE];
    struct stat file;

    if (segment->ts <= trimming->now ||
        fstatat(trimming->folder.fd, log_name_make(name, LOG_INDEX, segment->start), &file, AT_SYMLINK_NOFOLLOW) != 0)
        return segment->ts;
    return (int64_t)file.st_mtim.tv_sec * 1000;
}

static bool is_old(const struct trimming *trimming, const struct log_segment *segment)
{
    return trimming->settings->retain_ms >= 0 && segment->ts > 0 &&
           trimming->now - time_of(trimming, segment) > trimming->settings->retain_ms;
}

/* Of the lines from the segment on, are there more than that? */
static bool exceeds(const struct trimming *trimming, const struct log_segment *segment, int64_t bytes)
{
    return bytes >= 0 && trimming->end > segment->start && trimming->end - segment->start > (uint64_t)bytes;
}

static const struct log_reader *slowest(const struct trimming *trimming)
{
    return trimming->readers.n > 0 ? &trimming->readers.items[0] : NULL;
}

static bool is_held(const struct trimming *trimming, const struct log_segment *segment)
{
    const struct log_reader *reader = slowest(trimming);

    return segment->end > trimming->base || (reader != NULL && reader->byte < segment->end);
}

static void tell_held(struct trimming *trimming, const struct log_segment *segment)
{
    const struct log_reader *reader = slowest(trimming);
    const struct cdc_log *log = trimming->settings->log;

    if (trimming->quiet)
        return;
    trimming->counts->held_segments++;
    trimming->counts->held_bytes += segment->end - segment->start;
    if (trimming->warned)
        return;
    trimming->warned = true;
    if (reader != NULL && reader->byte < segment->end)
        cdc_log_write(log, CDC_LOG_WARNING,
                      "the log \"%s\" keeps lines beyond its retention for reader \"%s\", which is %" PRIu64
                      " bytes behind its end",
                      trimming->folder.path, reader->name, trimming->end - reader->byte);
    else
        cdc_log_write(log, CDC_LOG_WARNING,
                      "the log \"%s\" keeps lines beyond its retention: no base stands for them (cdc-log compact)",
                      trimming->folder.path);
}

static void tell_lost(const struct trimming *trimming, const struct log_segment *segment)
{
    const struct cdc_log *log = trimming->settings->log;

    if (trimming->quiet)
        return;
    for (size_t i = 0; i < trimming->readers.n && trimming->readers.items[i].byte < segment->end; i++)
        cdc_log_write(log, CDC_LOG_ERROR,
                      "the log \"%s\" is larger than --retain-hard: lines that reader \"%s\" has not read are removed",
                      trimming->folder.path, trimming->readers.items[i].name);
    if (segment->end > trimming->base)
        cdc_log_write(log, CDC_LOG_ERROR,
                      "the log \"%s\" is larger than --retain-hard: lines that no base stands for are removed",
                      trimming->folder.path);
}

/* How many of the segments go, from the first one on. */
static size_t choose(struct trimming *trimming)
{
    const struct log_trim_settings *settings = trimming->settings;
    const struct log_folder *folder = &trimming->folder;
    size_t n = 0, due = 0;

    for (; due + 1 < folder->n && folder->segments[due].sealed; due++) {
        const struct log_segment *segment = &folder->segments[due];
        bool hard = exceeds(trimming, segment, settings->retain_hard);
        if (!hard && !is_old(trimming, segment) && !exceeds(trimming, segment, settings->retain_bytes))
            break;
        if (!is_held(trimming, segment) && n == due) {
            n++;
        } else if (hard) {
            tell_lost(trimming, segment);
            n = due + 1;
        } else {
            tell_held(trimming, segment);
        }
    }
    return n;
}

/* Once the lines are gone, nothing else has their rows: a base that stands for them is read before. A damaged one stands for none. How many
 * may go at most. */
static size_t check_base(struct trimming *trimming)
{
    struct cdc_error why = {0};

    trimming->quiet = true;
    size_t n = choose(trimming);
    if (n > 0 && trimming->base > 0 && log_base_check(&trimming->folder, trimming->base, &why) != 0) {
        cdc_log_write(trimming->settings->log, CDC_LOG_ERROR, "base-%020" PRIu64 " of the log \"%s\": %s",
                      trimming->base, trimming->folder.path, why.text);
        trimming->base = 0;
        n = choose(trimming);
    }
    trimming->quiet = false;
    return n;
}

/* -- a reader that falls behind ------------------------------------------------------------------ */

static void warn_near(const struct trimming *trimming, int64_t limit, const char *option)
{
    const struct log_reader *reader = slowest(trimming);

    if (reader == NULL || limit < 0 || trimming->warned || trimming->end <= reader->byte ||
        (trimming->end - reader->byte) / 10 < (uint64_t)limit / 100 * WARN_TENTHS)
        return;
    cdc_log_write(trimming->settings->log, CDC_LOG_WARNING,
                  "reader \"%s\" of the log \"%s\" is %" PRIu64 " bytes behind its end: %s is %" PRId64, reader->name,
                  trimming->folder.path, trimming->end - reader->byte, option, limit);
}

/* -- doing it ------------------------------------------------------------------------------------- */

/* All files of segments below. */
static int remove_files(const struct log_folder *folder, uint64_t begin, struct cdc_error *error)
{
    DIR *dir = opendir(folder->path);
    const char *name;
    int more, result = dir != NULL ? 0 : log_file_error(folder, "read", ".", error);

    while (result == 0 && (more = log_folder_next(folder, dir, &name, error)) != 0) {
        uint64_t start;
        enum log_kind kind = more > 0 ? log_name_parse(name, &start) : LOG_OTHER;
        result = more < 0 ? -1 : 0;
        if (kind == LOG_OTHER || kind == LOG_BASE || kind == LOG_BASE_INDEX || start >= begin)
            continue;
        if (unlinkat(folder->fd, name, 0) != 0 && errno != ENOENT)
            result = log_file_error(folder, "remove", name, error);
    }
    if (dir != NULL)
        closedir(dir);
    return result;
}

/* The log begins after those that go. 0 or -1 */
static int set_begin(struct trimming *trimming, size_t most, struct cdc_error *error)
{
    const struct log_segment *segments = trimming->folder.segments;

    log_readers_free(&trimming->readers);
    if (log_readers_list(&trimming->readers, &trimming->folder, error) != 0)
        return -1;
    size_t n = choose(trimming);
    n = n < most ? n : most; /* a reader may have moved on, past what nobody has checked the base for */
    warn_near(trimming, trimming->settings->retain_hard, "--retain-hard");
    warn_near(trimming, trimming->settings->retain_bytes, "--retain-bytes");
    for (size_t i = 0; i < n; i++) {
        trimming->counts->segments++;
        trimming->counts->bytes += segments[i].end - segments[i].start;
    }
    return n > 0 ? log_begin_write(&trimming->folder, segments[n].start, error) : 0;
}

static int run(struct trimming *trimming, struct cdc_error *error)
{
    struct log_folder *folder = &trimming->folder;
    uint64_t begin, head;

    if (log_folder_list(folder, error) != 0 || log_folder_limit(folder, &trimming->end, &head, error) != 0 ||
        log_readers_list(&trimming->readers, folder, error) != 0)
        return -1;
    /* Segments that have come since it was listed are after those that may go. */
    if (trimming->end < log_folder_begin(folder))
        trimming->end = log_folder_begin(folder);
    trimming->base = folder->n_bases > 0 ? folder->bases[folder->n_bases - 1] : 0;
    trimming->now = trimming->settings->now != 0 ? trimming->settings->now : now_ms();
    size_t most = check_base(trimming);
    int moment = log_moment_begin(folder, error);
    if (moment < 0)
        return -1;
    int result = set_begin(trimming, most, error);
    close(moment);
    if (result != 0 || log_begin_read(folder, &begin, error) != 0)
        return -1;
    return begin > 0 ? remove_files(folder, begin, error) : 0;
}

int log_trim(const struct log_trim_settings *settings, struct log_trim_counts *counts, struct cdc_error *error)
{
    struct trimming trimming = {.settings = settings, .counts = counts};
    int lock = -1, result = -1;

    *counts = (struct log_trim_counts){.segments = 0};
    if (log_folder_open(&trimming.folder, settings->path, error) == 0 &&
        (lock = log_lock(&trimming.folder, LOG_LOCK_MAINTAIN, error)) >= 0)
        result = run(&trimming, error);
    log_readers_free(&trimming.readers);
    log_folder_close(&trimming.folder);
    if (lock >= 0)
        close(lock);
    return result;
}
