/* SPDX-License-Identifier: MIT */
/* Files that are replaced whole or not at all, whenever the power goes:
 *
 *   write PATH.tmp     killed here: PATH is the old file, PATH.tmp is made anew by the next try
 *   fsync PATH.tmp     without it, the rename could reach the disk before the bytes: PATH would be empty after a power cut
 *   rename             from here on PATH is the new file to everybody
 *   fsync the folder   without it, a power cut could bring the old file back
 *
 * The last step matters to a source: what it confirms after that, the database forgets for good. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/file.h>

int cdc_file_exit(int number)
{
    switch (number) {
    case EACCES:
    case EPERM:
    case EROFS: return CDC_EXIT_PERMISSION;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG: return CDC_EXIT_CONFIG;
    default: return CDC_EXIT_IO;
    }
}

int cdc_file_write(int fd, const void *data, size_t n)
{
    for (const char *p = data; n > 0;) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return -1;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

int cdc_file_open(const char *path, int flags, unsigned mode, const char *what, struct cdc_error *error)
{
    struct stat file;
    /* O_NONBLOCK: to open a FIFO waits for its other end. */
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    bool known = fd >= 0 && fstat(fd, &file) == 0;
    int saved = errno;
    if (known && S_ISREG(file.st_mode))
        return fd;
    /* ELOOP: a link; ENXIO: a FIFO or socket; EISDIR. */
    if (known || saved == ELOOP || saved == ENXIO || saved == EISDIR)
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s \"%s\" is %s", what, path,
                      !known && saved == ELOOP ? "a symbolic link, which is not followed" : "no regular file");
    else
        cdc_error_set(error, cdc_file_exit(saved), "unable to open %s \"%s\": %s", what, path, strerror(saved));
    if (fd >= 0)
        close(fd);
    errno = known ? EINVAL : saved;
    return -1;
}

int cdc_file_check_there(int fd, const char *path, const char *what, struct cdc_error *error)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && status.st_nlink > 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_IO, "%s \"%s\" was removed while it was in use", what, path);
    return cdc_error_hint(error, "leave it where it is, and start again");
}

/* What has the name already goes, and is not written to: a rest of ours, or what somebody has planted in a folder that
 * others may write to (a link, a FIFO, a file that he can read). */
int cdc_file_create(const char *path, unsigned mode)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return -1;
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
}

static int write_file(const char *path, const void *data, size_t n, unsigned mode, bool durable)
{
    int fd = cdc_file_create(path, mode);
    if (fd < 0)
        return -1;
    /* The mode of open is subject to the umask. */
    bool ok = fchmod(fd, mode) == 0 && cdc_file_write(fd, data, n) == 0 && (!durable || fsync(fd) == 0);
    int saved = errno;
    /* NFS may report only here that the disk is full. */
    if (close(fd) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    if (!ok)
        unlink(path);
    errno = saved;
    return ok ? 0 : -1;
}

/* The folder that holds path, or with `above` the one that holds that. */
static int open_folder(const char *path, bool above)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path), size = n + sizeof "./..";
    char *folder = malloc(size);
    if (folder == NULL)
        return -1;
    snprintf(folder, size, "%.*s%s", n > 0 ? (int)n : 1, n > 0 ? path : ".", above ? "/.." : "");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int saved = errno;
    free(folder);
    errno = saved;
    return fd;
}

static int sync_and_close(int fd)
{
    int result = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

int cdc_file_sync_folder(const char *path)
{
    int fd = open_folder(path, false);
    return fd < 0 ? -1 : sync_and_close(fd);
}

int cdc_file_sync_parent(const char *path)
{
    int fd = open_folder(path, true);
    if (fd < 0)
        return errno == EACCES || errno == EPERM ? 0 : -1;
    return sync_and_close(fd) == 0 || errno == EINVAL ? 0 : -1;
}

int cdc_file_write_again(int fd, off_t from, off_t to)
{
    char block[65536];

    while (from < to) {
        size_t most = to - from < (off_t)sizeof block ? (size_t)(to - from) : sizeof block;
        ssize_t n = pread(fd, block, most, from), written = 0;
        if (n == 0)
            errno = EIO; /* it is shorter than we were told */
        if (n > 0)
            written = pwrite(fd, block, (size_t)n, from);
        if (n == 0 || ((n < 0 || written < 0) && errno != EINTR))
            return -1;
        from += written > 0 ? written : 0;
    }
    return 0;
}

int cdc_file_replace(const char *path, const void *data, size_t n, unsigned mode, bool durable, struct cdc_error *error)
{
    size_t size = strlen(path) + 5;
    char *temporary = malloc(size);
    int result = 0;

    if (temporary == NULL)
        return cdc_error_memory(error);
    snprintf(temporary, size, "%s.tmp", path);
    if (write_file(temporary, data, n, mode, durable) != 0)
        /* PATH.tmp beside PATH, not in /tmp: a rename works within one file system only. */
        result = cdc_error_set(error, cdc_file_exit(errno), "unable to write \"%s\": %s", temporary, strerror(errno));
    else if (rename(temporary, path) != 0 || (durable && cdc_file_sync_folder(path) != 0))
        result = cdc_error_set(error, cdc_file_exit(errno), "unable to replace \"%s\": %s", path, strerror(errno));
    free(temporary);
    return result;
}

off_t cdc_file_last_line_end(int fd, off_t n)
{
    char block[4096];

    while (n > 0) {
        size_t size = n < (off_t)sizeof block ? (size_t)n : sizeof block;
        if (pread(fd, block, size, n - (off_t)size) != (ssize_t)size)
            return -1;
        const char *lf = memrchr(block, '\n', size);
        if (lf != NULL)
            return n - (off_t)size + (lf - block) + 1;
        n -= (off_t)size;
    }
    return 0;
}
