/* SPDX-License-Identifier: MIT */
/* The files of a log's folder, its locks, and its head. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/folder.h"
#include <cdc/bytes.h>
#include <cdc/file.h>

#define HEAD_SIZE 12
#define HEAD_TRIES 10

int log_file_error(const struct log_folder *folder, const char *what, const char *name, struct cdc_error *error)
{
    int number = errno;

    cdc_error_set(error, cdc_file_exit(number), "unable to %s \"%s/%s\": %s", what, folder->path, name,
                  strerror(number));
    errno = number;
    return -1;
}

/* O_NONBLOCK: to open a FIFO waits for its other end. */
int log_file_open(const struct log_folder *folder, const char *name, int flags, struct cdc_error *error)
{
    struct stat file;
    int fd = openat(folder->fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);

    if (fd < 0 && errno != ELOOP && errno != ENXIO && errno != EISDIR)
        return log_file_error(folder, "open", name, error);
    int result = fd >= 0 ? fstat(fd, &file) : 0;
    if (fd >= 0 && result == 0 && S_ISREG(file.st_mode))
        return fd;
    int number = errno;
    if (fd >= 0)
        close(fd);
    errno = number;
    if (result != 0) /* a file system far away may have lost it: that passes by */
        return log_file_error(folder, "look at", name, error);
    errno = EINVAL;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s/%s\" is no regular file", folder->path, name);
}

/* Its segment was there when the folder was listed. */
static void tell_trimmed(const struct log_folder *folder, const char *name, uint64_t begin, struct cdc_error *error)
{
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_LOST, "\"%s/%s\" was removed by retention: the log begins at byte %" PRIu64,
                  folder->path, name, begin);
}

int log_part_open(const struct log_folder *folder, enum log_kind kind, uint64_t byte, int flags,
                  struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    uint64_t begin;
    int fd = log_file_open(folder, log_name_make(name, kind, byte), flags, error);
    bool missing = fd < 0 && errno == ENOENT && kind != LOG_BASE && kind != LOG_BASE_INDEX;

    if (missing && log_begin_read(folder, &begin, NULL) == 0 && byte < begin)
        tell_trimmed(folder, name, begin, error);
    if (missing)
        errno = ENOENT;
    return fd;
}

int log_folder_sync(const struct log_folder *folder, struct cdc_error *error)
{
    return fsync(folder->fd) == 0 ? 0 : log_file_error(folder, "sync", ".", error);
}

int log_folder_next(const struct log_folder *folder, DIR *dir, const char **name, struct cdc_error *error)
{
    errno = 0;
    const struct dirent *entry = readdir(dir);
    if (entry == NULL)
        return errno != 0 ? log_file_error(folder, "read", ".", error) : 0;
    *name = entry->d_name;
    return 1;
}

int log_file_rename(const struct log_folder *folder, const char *temporary, const char *name, struct cdc_error *error)
{
    if (renameat(folder->fd, temporary, folder->fd, name) != 0)
        return log_file_error(folder, "replace", name, error);
    return log_folder_sync(folder, error);
}

/* -- locks ------------------------------------------------------------------- */

/* Of the open file description and not of the process: it can be asked for without being taken, and does not go when another descriptor
 * of the file is closed. */
static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

static int lock_failed(const struct log_folder *folder, const char *name, int fd, struct cdc_error *error)
{
    struct flock other = whole_file();
    int number = errno;

    bool is_shared = fcntl(fd, F_OFD_GETLK, &other) == 0 && other.l_type == F_RDLCK;
    close(fd);
    errno = number;
    if (number != EAGAIN && number != EACCES)
        return log_file_error(folder, "lock", name, error);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "another process %s the log \"%s\"",
                  is_shared                            ? "repairs"
                  : strcmp(name, LOG_LOCK_APPEND) == 0 ? "appends to"
                                                       : "maintains",
                  folder->path);
    return -1;
}

int log_lock(const struct log_folder *folder, const char *name, struct cdc_error *error)
{
    struct flock lock = whole_file();
    int fd = log_file_open(folder, name, O_RDWR | O_CREAT, error);

    if (fd < 0)
        return -1;
    return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? fd : lock_failed(folder, name, fd, error);
}

/* Who may not write to the folder makes no lock file, and where there is none nobody has it. */
int log_lock_share(const struct log_folder *folder, const char *name, int *lock, struct cdc_error *error)
{
    struct flock shared = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct cdc_error why = {0};

    *lock = log_file_open(folder, name, O_RDONLY | O_CREAT, &why);
    if (*lock < 0 && faccessat(folder->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return 0;
    if (*lock < 0) {
        *error = why;
        return -1;
    }
    if (fcntl(*lock, F_OFD_SETLK, &shared) == 0)
        return 0;
    int fd = *lock;
    *lock = -1;
    return lock_failed(folder, name, fd, error);
}

/* A lock that is shared is none of a writer. */
int log_lock_is_held(const struct log_folder *folder, const char *name, struct cdc_error *error)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct cdc_error ignored = {0};
    int fd = log_file_open(folder, name, O_RDONLY, &ignored);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return log_file_error(folder, "open", name, error);
    int result = fcntl(fd, F_OFD_GETLK, &lock);
    close(fd);
    return result != 0 ? log_file_error(folder, "ask the lock of", name, error) : lock.l_type != F_UNLCK;
}

#define MOMENT_TRIES 500
#define MOMENT_PAUSE_NS 10000000L

static int wait_for_moment(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

    for (int i = 0; i < MOMENT_TRIES; i++) {
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
            return 0;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = MOMENT_PAUSE_NS}, NULL);
    }
    return -1;
}

int log_moment_begin(const struct log_folder *folder, struct cdc_error *error)
{
    int fd = log_file_open(folder, LOG_LOCK_BEGIN, O_RDWR | O_CREAT, error);

    if (fd < 0 || wait_for_moment(fd, F_WRLCK) == 0)
        return fd;
    close(fd);
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "a reader of the log \"%s\" is about to begin", folder->path);
}

void log_moment_pass(const struct log_folder *folder)
{
    struct cdc_error ignored = {0};
    int fd = log_file_open(folder, LOG_LOCK_BEGIN, O_RDONLY, &ignored);

    if (fd < 0)
        return; /* nothing was ever trimmed */
    (void)wait_for_moment(fd, F_RDLCK);
    close(fd);
}

/* -- head --------------------------------------------------------------------- */

int log_head_write(int fd, uint64_t byte)
{
    unsigned char head[HEAD_SIZE];

    for (int i = 0; i < 8; i++)
        head[i] = (unsigned char)(byte >> (8 * i));
    uint32_t crc = log_crc32c(0, head, 8);
    for (int i = 0; i < 4; i++)
        head[8 + i] = (unsigned char)(crc >> (8 * i));
    for (size_t done = 0; done < sizeof head;) {
        ssize_t n = pwrite(fd, head + done, sizeof head - done, (off_t)done);
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return -1;
        }
        done += (size_t)n;
    }
    return 0;
}

/* A byte after it, so that a reader sees the same head. */
void log_head_doubt(int fd)
{
    (void)!pwrite(fd, "?", 1, HEAD_SIZE);
}

bool log_head_is_doubted(const struct log_folder *folder)
{
    struct stat status;

    return fstatat(folder->fd, "head", &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_size > HEAD_SIZE;
}

int log_head_trust(int fd)
{
    return ftruncate(fd, HEAD_SIZE);
}

/* It may be read while it is written: then its CRC is wrong for a moment. */
int log_head_read(const struct log_folder *folder, uint64_t *byte, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    unsigned char head[HEAD_SIZE];
    int fd = log_file_open(folder, "head", O_RDONLY, &ignored), found = 0;

    *byte = 0;
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return log_file_error(folder, "open", "head", error);
    for (int i = 0; i < HEAD_TRIES && found == 0; i++) {
        ssize_t n = pread(fd, head, sizeof head, 0);
        found = n < 0 ? log_file_error(folder, "read", "head", error)
                      : n == (ssize_t)sizeof head && cdc_little_endian(head + 8, 4) == log_crc32c(0, head, 8);
    }
    close(fd);
    if (found > 0)
        *byte = cdc_little_endian(head, 8);
    return found;
}

#define BEGIN_SIZE (LOG_DIGITS + 1)

int log_begin_read(const struct log_folder *folder, uint64_t *byte, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    char text[BEGIN_SIZE + LOG_NAME_SIZE];
    int fd = log_file_open(folder, "begin", O_RDONLY, &ignored);

    *byte = 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : log_file_error(folder, "open", "begin", error);
    ssize_t n = pread(fd, text, BEGIN_SIZE + 1, 0);
    close(fd);
    if (n < 0)
        return log_file_error(folder, "read", "begin", error);
    if (n == BEGIN_SIZE && text[LOG_DIGITS] == '\n') {
        memcpy(text + LOG_DIGITS, ".idx", sizeof ".idx"); /* it is what the name of its first segment begins with */
        if (log_name_parse(text, byte) == LOG_INDEX)
            return 0;
    }
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s/begin\" is damaged: it has the name of the first segment",
                         folder->path);
}

int log_begin_write(const struct log_folder *folder, uint64_t byte, struct cdc_error *error)
{
    char name[LOG_NAME_SIZE], path[PATH_MAX];

    log_name_make(name, LOG_INDEX, byte);
    name[LOG_DIGITS] = '\n';
    if ((size_t)snprintf(path, sizeof path, "%s/begin", folder->path) >= sizeof path)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the path of the log is too long");
    return cdc_file_replace(path, name, BEGIN_SIZE, 0600, true, error);
}
