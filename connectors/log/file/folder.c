/* SPDX-License-Identifier: MIT */
/* A log's folder: what log it is, and which segments it has. It may be listed while a segment is sealed, compressed or removed, so what
 * does not fit together is looked at again before it is an error. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "connectors/log/file/folder.h"
#include "connectors/log/file/index.h"
#include <cdc/file.h>
#include <cdc/json.h>

#define FORMAT 1
#define META_MAX ((size_t)64 << 10)
#define LIST_TRIES 20
#define LIST_PAUSE_NS 10000000L

/* -- meta.json ----------------------------------------------------------------- */

static int not_a_log(const struct log_folder *folder, const char *why, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" %s", folder->path, why);
}

/* All that is in it can be found elsewhere, and the chain tells whether the id is right. */
static int damaged_meta(const struct log_folder *folder, struct cdc_error *error)
{
    not_a_log(folder, "is a damaged log: its meta.json cannot be read", error);
    return cdc_error_hint(error,
                          "write it again: {\"format\":1,\"id\":\"ID\",\"redactable\":false}, with the \"log\" that "
                          "the first line of an .idx file has as ID, and true where there are .salt files; then "
                          "cdc-log verify");
}

static int take_meta(struct log_folder *folder, struct cdc_span text, struct cdc_error *error)
{
    int64_t format = 0;
    struct cdc_span redactable =
        cdc_json_validate(text.p, text.n, NULL) == 0 ? cdc_json_member(text, "redactable") : cdc_span(NULL, 0);

    /* Taken for another kind of log, it would be appended to without salts. */
    if (!cdc_span_is(redactable, "true") && !cdc_span_is(redactable, "false"))
        return damaged_meta(folder, error);
    if (!cdc_json_int64(cdc_json_member(text, "format"), &format) ||
        !cdc_json_member_copy(text, "id", folder->id, sizeof folder->id) || strlen(folder->id) != LOG_ID)
        return damaged_meta(folder, error);
    if (format != FORMAT)
        return not_a_log(folder, "is a log of a newer format", error);
    folder->redactable = cdc_span_is(redactable, "true");
    return 0;
}

/* 1; 0: there is none. -1. */
static int read_meta(struct log_folder *folder, struct cdc_error *error)
{
    struct cdc_error why = {0};
    char text[META_MAX];
    int fd = log_file_open(folder, "meta.json", O_RDONLY, &why);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0) {
        *error = why;
        return -1;
    }
    ssize_t n = pread(fd, text, sizeof text, 0);
    int result = n < 0 ? log_file_error(folder, "read", "meta.json", error)
                       : take_meta(folder, cdc_span(text, (size_t)n), error);
    close(fd);
    return result < 0 ? -1 : 1;
}

static int write_meta(struct log_folder *folder, bool redactable, struct cdc_error *error)
{
    unsigned char random[LOG_ID / 2];
    struct cdc_buf text = CDC_BUF_INIT;
    char *path = NULL, created[32];
    time_t now = time(NULL);
    struct tm utc;

    if (RAND_bytes(random, sizeof random) != 1)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no random bytes");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(folder->id + 2 * i, 3, "%02x", random[i]);
    gmtime_r(&now, &utc);
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cdc_buf_printf(&text, "{\"format\":%d,\"id\":\"%s\",\"created\":\"%s\",\"redactable\":%s}\n", FORMAT, folder->id,
                   created, redactable ? "true" : "false");
    folder->redactable = redactable;
    int result = text.failed || asprintf(&path, "%s/meta.json", folder->path) < 0
                     ? cdc_error_memory(error)
                     : cdc_file_replace(path, text.data, text.len, 0600, true, error);
    free(path);
    cdc_buf_free(&text);
    return result;
}

/* -- opening ------------------------------------------------------------------- */

static int open_path(struct log_folder *folder, const char *path, struct cdc_error *error)
{
    *folder = (struct log_folder){.path = strdup(path), .fd = -1};
    if (folder->path == NULL)
        return cdc_error_memory(error);
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd >= 0)
        return 0;
    return cdc_error_set(error, cdc_file_exit(errno), "unable to open the log \"%s\": %s", path, strerror(errno));
}

int log_folder_open(struct log_folder *folder, const char *path, struct cdc_error *error)
{
    if (open_path(folder, path, error) != 0)
        return -1;
    int found = read_meta(folder, error);
    return found == 0 ? not_a_log(folder, "is no log: it has no meta.json", error) : found < 0 ? -1 : 0;
}

/* What may be in a folder before meta.json is: of a start that was ended, or of tools that keep their files there. */
static bool is_harmless(const char *name)
{
    size_t n = strlen(name);

    return name[0] == '.' || strcmp(name, LOG_LOCK_APPEND) == 0 || strcmp(name, LOG_LOCK_MAINTAIN) == 0 ||
           strcmp(name, "lost+found") == 0 || strcmp(name, "meta.json.tmp") == 0 || strstr(name, ".offset") != NULL ||
           (n > 5 && strcmp(name + n - 5, ".lock") == 0);
}

static int check_empty(const struct log_folder *folder, struct cdc_error *error)
{
    DIR *dir = opendir(folder->path);
    const char *name;
    int result = 0, more;

    if (dir == NULL)
        return log_file_error(folder, "read", ".", error);
    while (result == 0 && (more = log_folder_next(folder, dir, &name, error)) != 0)
        if (more < 0) {
            result = -1;
        } else if (!is_harmless(name)) {
            result = cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is no log: it has no meta.json, but \"%s\"",
                                   folder->path, name);
            cdc_error_hint(error, "a log is begun in a folder that is empty, or is not there yet");
        }
    closedir(dir);
    return result;
}

/* Of the folder itself as well: the file can be removed. Where the file system has no such lock, the file's counts alone. */
static int take_lock(struct log_folder *folder, int *lock, struct cdc_error *error)
{
    *lock = log_lock(folder, LOG_LOCK_APPEND, error);
    if (*lock < 0)
        return -1;
    if (flock(folder->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return 0;
    close(*lock);
    *lock = -1;
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "another process appends to the log \"%s\"", folder->path);
}

static int make_folder(struct log_folder *folder, const char *path, int *lock, struct cdc_error *error)
{
    *lock = -1;
    *folder = (struct log_folder){.fd = -1};
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to make the log \"%s\": %s", path, strerror(errno));
    if (open_path(folder, path, error) != 0 || take_lock(folder, lock, error) != 0)
        return -1;
    return 0;
}

/* Before there is a meta.json, whoever has made the folder: that may have been a start that did not come as far as this. */
static int sync_name(const struct log_folder *folder, struct cdc_error *error)
{
    int fd = openat(folder->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 ? fsync(fd) == 0 || errno == EINVAL : errno == EACCES || errno == EPERM;
    int saved = errno;

    if (fd >= 0)
        close(fd);
    if (good)
        return 0;
    return cdc_error_set(error, cdc_file_exit(saved), "unable to make the log \"%s\": %s", folder->path,
                         strerror(saved));
}

int log_folder_make(struct log_folder *folder, const char *path, bool redactable, int *lock, struct cdc_error *error)
{
    if (make_folder(folder, path, lock, error) != 0)
        return -1;
    int found = read_meta(folder, error);
    if (found != 0)
        return found < 0 ? -1 : 0;
    return check_empty(folder, error) == 0 && sync_name(folder, error) == 0 ? write_meta(folder, redactable, error)
                                                                            : -1;
}

int log_folder_begin_copy(struct log_folder *folder, const char *path, int *lock, struct cdc_error *error)
{
    if (make_folder(folder, path, lock, error) != 0)
        return -1;
    if (faccessat(folder->fd, "meta.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return not_a_log(folder, "is a log already", error);
    return check_empty(folder, error) == 0 ? sync_name(folder, error) : -1;
}

void log_folder_close(struct log_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    free(folder->path);
    free(folder->segments);
    free(folder->bases);
    *folder = (struct log_folder){.fd = -1};
}

int log_folder_check_there(const struct log_folder *folder, struct cdc_error *error)
{
    struct stat ours, named;

    if (fstat(folder->fd, &ours) == 0 && stat(folder->path, &named) == 0 && ours.st_ino == named.st_ino &&
        ours.st_dev == named.st_dev)
        return 0;
    cdc_error_set(error, CDC_EXIT_IO, "the log \"%s\" was moved or replaced while it was in use", folder->path);
    return cdc_error_hint(error, "start again, once the log is where it is to stay");
}

/* -- listing ------------------------------------------------------------------- */

static struct log_segment *segment_of(struct log_folder *folder, uint64_t start, struct cdc_error *error)
{
    for (size_t i = folder->n; i-- > 0;)
        if (folder->segments[i].start == start)
            return &folder->segments[i];
    struct log_segment *grown = realloc(folder->segments, (folder->n + 1) * sizeof *grown);
    if (grown == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    folder->segments = grown;
    grown[folder->n] = (struct log_segment){.start = start, .end = start};
    return &grown[folder->n++];
}

static int add_base(struct log_folder *folder, uint64_t byte, struct cdc_error *error)
{
    uint64_t *grown = realloc(folder->bases, (folder->n_bases + 1) * sizeof *grown);

    if (grown == NULL)
        return cdc_error_memory(error);
    folder->bases = grown;
    grown[folder->n_bases++] = byte;
    return 0;
}

static int add_file(struct log_folder *folder, const char *name, struct cdc_error *error)
{
    uint64_t byte;
    enum log_kind kind = log_name_parse(name, &byte);

    if (kind == LOG_OTHER || kind == LOG_BASE || kind == LOG_SALTS || kind == LOG_SCHEMAS)
        return 0;
    if (kind == LOG_BASE_INDEX) { /* it is renamed into place after the base itself */
        char base[LOG_NAME_SIZE];
        return faccessat(folder->fd, log_name_make(base, LOG_BASE, byte), F_OK, AT_SYMLINK_NOFOLLOW) == 0
                   ? add_base(folder, byte, error)
                   : 0;
    }
    struct log_segment *segment = segment_of(folder, byte, error);
    if (segment == NULL)
        return -1;
    segment->plain |= kind == LOG_PLAIN;
    segment->packed |= kind == LOG_PACKED;
    segment->indexed |= kind == LOG_INDEX;
    return 0;
}

static int by_start(const void *a, const void *b)
{
    uint64_t one = ((const struct log_segment *)a)->start, other = ((const struct log_segment *)b)->start;
    return one < other ? -1 : one > other;
}

static int by_number(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return one < other ? -1 : one > other;
}

int log_folder_names(struct log_folder *folder, struct cdc_error *error)
{
    DIR *dir = opendir(folder->path);
    const char *name;
    int result = 0, more;

    if (dir == NULL)
        return log_file_error(folder, "read", ".", error);
    folder->n = folder->n_bases = 0;
    while (result == 0 && (more = log_folder_next(folder, dir, &name, error)) != 0)
        result = more < 0 ? -1 : add_file(folder, name, error);
    closedir(dir);
    if (folder->n > 0)
        qsort(folder->segments, folder->n, sizeof *folder->segments, by_start);
    if (folder->n_bases > 0)
        qsort(folder->bases, folder->n_bases, sizeof *folder->bases, by_number);
    return result;
}

/* -- checking ------------------------------------------------------------------ */

static int wrong(const struct log_folder *folder, uint64_t byte, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the log \"%s\" is damaged: %s (segment %020" PRIu64 ")", folder->path, why,
                  byte);
    return cdc_error_hint(
        error, "restore what is missing from a copy; \"cdc-log repair\" writes what is good into a new folder");
}

int log_folder_check_first(const struct log_folder *folder, const struct log_segment *segment,
                           const unsigned char before[LOG_HASH], struct cdc_error *error)
{
    struct log_index index;
    struct log_commit first;
    struct log_chain chain;

    if (segment->start == 0 && before == NULL) {
        if (log_chain_open(&chain, folder->id, error) != 0)
            return -1;
        before = chain.value;
        log_chain_free(&chain);
    }
    if (log_index_open(&index, folder, LOG_INDEX, segment->start, error) != 0)
        return -1;
    int found = log_index_next(&index, &first, error);
    int result = found < 0 ? -1 : 0;
    if (found == 0 || (found == 1 && (first.kind != LOG_SEGMENT_LINE || first.end != segment->start)))
        result = wrong(folder, segment->start, "a commit journal does not begin with its segment line", error);
    else if (found == 1 && !cdc_span_is(first.log, folder->id))
        result = wrong(folder, segment->start, "a segment is of another log", error);
    else if (found == 1 && before != NULL && memcmp(first.chain, before, LOG_HASH) != 0)
        result = wrong(folder, segment->start, "a segment does not follow what is before it: the hash chain is another",
                       error);
    log_index_close(&index);
    return result;
}

/* *last: of the segment before, and of this one after. */
static int check_segment(struct log_folder *folder, size_t i, struct cdc_buf *text, struct log_commit *last,
                         struct cdc_error *error)
{
    struct log_segment *segment = &folder->segments[i];
    bool newest = i + 1 == folder->n;

    if (i > 0 && segment->start != segment[-1].end)
        return wrong(folder, segment->start,
                     segment->start > segment[-1].end ? "a segment before this one is missing"
                                                      : "this segment overlaps the one before it",
                     error);
    if (!segment->indexed)
        return newest ? 0 : wrong(folder, segment->start, "its commit journal is missing", error);
    if (log_folder_check_first(folder, segment, i > 0 && segment[-1].indexed ? last->chain : NULL, error) != 0)
        return -1;
    int found = log_index_last(folder, segment->start, text, last, error);
    if (found <= 0)
        return found < 0 ? -1 : wrong(folder, segment->start, "its commit journal has no valid line", error);
    segment->sealed = last->kind == LOG_SEAL_LINE;
    segment->end = last->end;
    segment->ts = last->ts;
    segment->n = segment->sealed ? last->n : 0;
    if (segment->end < segment->start)
        return wrong(folder, segment->start, "its commit journal ends before it begins", error);
    if (!segment->sealed && !newest)
        return wrong(folder, segment->start, "it is not sealed, though another one follows", error);
    if (segment->end > segment->start && !segment->plain && !segment->packed)
        return wrong(folder, segment->start, "its lines are missing", error);
    return 0;
}

int log_folder_set_begin(struct log_folder *folder, uint64_t begin, struct cdc_error *error)
{
    size_t gone = 0;

    while (gone < folder->n && folder->segments[gone].start < begin)
        gone++;
    folder->n -= gone;
    if (gone > 0)
        memmove(folder->segments, folder->segments + gone, folder->n * sizeof *folder->segments);
    return folder->n == 0 || folder->segments[0].start == begin
               ? 0
               : wrong(folder, folder->segments[0].start, "the segment before this one, its first, is missing", error);
}

static int list_once(struct log_folder *folder, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit last = {.end = 0};
    uint64_t begin = 0;
    /* begin only grows: read first, no segment of now is taken for a missing one's successor. */
    int result = log_begin_read(folder, &begin, error);

    if (result == 0)
        result = log_folder_names(folder, error);
    if (result == 0)
        result = log_folder_set_begin(folder, begin, error);
    for (size_t i = 0; result == 0 && i < folder->n; i++)
        result = check_segment(folder, i, &text, &last, error);
    cdc_buf_free(&text);
    return result;
}

int log_folder_list(struct log_folder *folder, struct cdc_error *error)
{
    for (int i = 1;; i++) {
        struct cdc_error why = {0};
        if (list_once(folder, &why) == 0)
            return 0;
        bool may_change = why.status == CDC_EXIT_CONFIG || why.status == CDC_EXIT_LOST;
        if (!may_change || i == LIST_TRIES) {
            if (error != NULL)
                *error = why;
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = LIST_PAUSE_NS}, NULL);
    }
}

const struct log_segment *log_folder_find(const struct log_folder *folder, uint64_t byte)
{
    for (size_t i = folder->n; i-- > 0;)
        if (folder->segments[i].start <= byte)
            return byte <= folder->segments[i].end ? &folder->segments[i] : NULL;
    return NULL;
}

uint64_t log_folder_begin(const struct log_folder *folder)
{
    return folder->n > 0 ? folder->segments[0].start : 0;
}

uint64_t log_folder_end(const struct log_folder *folder)
{
    return folder->n > 0 ? folder->segments[folder->n - 1].end : 0;
}
