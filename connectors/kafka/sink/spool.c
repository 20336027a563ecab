/* SPDX-License-Identifier: MIT */
/* A batch that is larger than memory should hold: mapped from a file that has no name, so that nothing of it is left after a crash. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "connectors/kafka/sink/internal.h"

static int open_file(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    char *path;

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    if (asprintf(&path, "%s/cdc-sink-kafka-XXXXXX", folder) < 0) /* a file system without nameless files */
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    free(path);
    return fd;
}

/* The room is there before it is written to: of a mapping, a full disk is a signal. */
static void *map(struct kafka_spool *spool, size_t n)
{
    if (!spool->open && (spool->fd = open_file(spool->folder)) < 0)
        return NULL;
    spool->open = true;
    int code = posix_fallocate(spool->fd, (off_t)spool->size, (off_t)n);
    if (code != 0) {
        errno = code;
        return NULL;
    }
    void *memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, spool->fd, (off_t)spool->size);
    if (memory == MAP_FAILED)
        return NULL;
    spool->size += n;
    return memory;
}

void *kafka_spool_map(struct kafka_spool *spool, size_t n)
{
    void *memory = map(spool, n);

    if (memory == NULL)
        spool->failed = errno != 0 ? errno : EIO;
    return memory;
}

void *kafka_spool_grow(struct kafka_spool *spool, void *memory, size_t n, size_t more)
{
    int code = posix_fallocate(spool->fd, (off_t)spool->size, (off_t)more);
    void *grown = code == 0 ? mremap(memory, n, n + more, MREMAP_MAYMOVE) : MAP_FAILED;

    if (grown == MAP_FAILED) {
        spool->failed = code != 0 ? code : errno;
        return NULL;
    }
    spool->size += more;
    return grown;
}

void kafka_spool_let_go(void *memory, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)madvise(memory, n / page * page, MADV_DONTNEED);
}

void kafka_spool_empty(struct kafka_spool *spool)
{
    if (spool->open && ftruncate(spool->fd, 0) == 0)
        spool->size = 0;
}

void kafka_spool_close(struct kafka_spool *spool)
{
    if (spool->open)
        close(spool->fd);
    spool->open = false;
}
