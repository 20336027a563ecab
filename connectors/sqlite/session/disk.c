/* SPDX-License-Identifier: MIT */
/* SQLite's own system calls for reading, with an eye on errno. Its last one can be asked for of the database's file alone, and not of the
 * -wal, which a killed run leaves and the next one reads. */
#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "connectors/sqlite/session/disk.h"

static atomic_bool failed;
static ssize_t (*own_read)(int, void *, size_t);
static ssize_t (*own_pread)(int, void *, size_t, off_t);
static ssize_t (*own_pread64)(int, void *, size_t, int64_t);

static ssize_t note(ssize_t got)
{
    if (got < 0 && (errno == EIO || errno == ENXIO))
        failed = true;
    return got;
}

static ssize_t noted_read(int fd, void *to, size_t n)
{
    return note(own_read(fd, to, n));
}

static ssize_t noted_pread(int fd, void *to, size_t n, off_t from)
{
    return note(own_pread(fd, to, n, from));
}

static ssize_t noted_pread64(int fd, void *to, size_t n, int64_t from)
{
    return note(own_pread64(fd, to, n, from));
}

/* One that SQLite was built without is not there. */
static void take(sqlite3_vfs *vfs, const char *name, sqlite3_syscall_ptr noted)
{
    if (vfs->xGetSystemCall(vfs, name) != NULL)
        vfs->xSetSystemCall(vfs, name, noted);
}

void lite_disk_watch(void)
{
    static bool watching;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    if (watching || vfs == NULL || vfs->iVersion < 3 || vfs->xSetSystemCall == NULL)
        return;
    watching = true;
    own_read = (ssize_t(*)(int, void *, size_t))vfs->xGetSystemCall(vfs, "read");
    own_pread = (ssize_t(*)(int, void *, size_t, off_t))vfs->xGetSystemCall(vfs, "pread");
    own_pread64 = (ssize_t(*)(int, void *, size_t, int64_t))vfs->xGetSystemCall(vfs, "pread64");
    take(vfs, "read", (sqlite3_syscall_ptr)noted_read);
    take(vfs, "pread", (sqlite3_syscall_ptr)noted_pread);
    take(vfs, "pread64", (sqlite3_syscall_ptr)noted_pread64);
}

bool lite_disk_failed(void)
{
    return failed;
}
