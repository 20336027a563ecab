/* SPDX-License-Identifier: MIT */
/* What becomes of a program's work when one call that it makes fails, for each call in turn: as no-memory.h, and besides those
 * that take memory also those that read, write, sync and look at files. A test may add calls of its own (call_fails). Included by
 * one file of a program. */
#ifndef FAILING_CALLS_H
#define FAILING_CALLS_H

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/no-memory.h"

static bool calls_fail; /* these as well, and not only memory */
/* Where nothing is asked of the disk but that it is quick: a sync is counted, and not done. Not all programs set it. */
__attribute__((unused)) static bool disk_is_slow;

static int descriptors_kept; /* what runs have opened and not closed */
static bool calls_shorten;   /* each write and read does half of what it is asked for */

#if MEMORY_CAN_FAIL
#ifdef __clang__ /* it sees the definitions of the C library's headers, which check sizes, in place of these */
#pragma clang diagnostic ignored "-Wstatic-in-inline"
#endif

/* Not static: where the C library's own read() is an inline function (_FORTIFY_SOURCE), clang takes ours for one too, and such
 * may not call what is static. */
size_t shortened(const void *caller, size_t n);
bool call_fails(const void *caller, int code);

size_t shortened(const void *caller, size_t n)
{
    return calls_shorten && memory_counts && memory_is_ours(caller) ? (n + 1) / 2 : n;
}
#define SHORTENED(n) shortened(__builtin_return_address(0), n)

/* Is it this call that fails? Then with that errno. */
bool call_fails(const void *caller, int code)
{
    if (!calls_fail || !memory_fails(caller))
        return false;
    errno = code;
    return true;
}

/* The call of that name in the C library. */
static void *true_call(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

#define FAILS(number) call_fails(__builtin_return_address(0), number)

ssize_t read(int fd, void *data, size_t n)
{
    return FAILS(EIO) ? -1 : syscall(SYS_read, fd, data, SHORTENED(n));
}

ssize_t __read_chk(int fd, void *data, size_t n, size_t size);
ssize_t __read_chk(int fd, void *data, size_t n, size_t size)
{
    (void)size;
    return FAILS(EIO) ? -1 : syscall(SYS_read, fd, data, SHORTENED(n));
}

ssize_t pread(int fd, void *data, size_t n, off_t at)
{
    return FAILS(EIO) ? -1 : syscall(SYS_pread64, fd, data, n, at);
}

ssize_t __pread_chk(int fd, void *data, size_t n, off_t at, size_t size);
ssize_t __pread_chk(int fd, void *data, size_t n, off_t at, size_t size)
{
    (void)size;
    return FAILS(EIO) ? -1 : syscall(SYS_pread64, fd, data, n, at);
}

ssize_t write(int fd, const void *data, size_t n)
{
    return FAILS(ENOSPC) ? -1 : syscall(SYS_write, fd, data, SHORTENED(n));
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return FAILS(ENOSPC) ? -1 : syscall(SYS_pwrite64, fd, data, SHORTENED(n), at);
}

off_t lseek(int fd, off_t at, int whence)
{
    return FAILS(EIO) ? -1 : syscall(SYS_lseek, fd, at, whence);
}

int fsync(int fd)
{
    return FAILS(EIO) ? -1 : disk_is_slow ? 0 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return FAILS(EIO) ? -1 : disk_is_slow ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t n)
{
    return FAILS(EIO) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

int fchmod(int fd, mode_t mode)
{
    return FAILS(EIO) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int rename(const char *from, const char *to)
{
    return FAILS(EIO) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int fstat(int fd, struct stat *status)
{
    int (*call)(int, struct stat *);
    *(void **)&call = true_call("fstat");
    return FAILS(EIO) ? -1 : call(fd, status);
}

int stat(const char *path, struct stat *status)
{
    int (*call)(const char *, struct stat *);
    *(void **)&call = true_call("stat");
    return FAILS(EIO) ? -1 : call(path, status);
}

DIR *opendir(const char *path)
{
    DIR *(*call)(const char *);
    *(void **)&call = true_call("opendir");
    return FAILS(EMFILE) ? NULL : call(path);
}

struct dirent *readdir(DIR *folder)
{
    struct dirent *(*call)(DIR *);
    *(void **)&call = true_call("readdir");
    return FAILS(EIO) ? NULL : call(folder);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    return FAILS(EMFILE) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return FAILS(EMFILE) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}
#endif

/* begin: makes all as it is before the work. run: the work; 0 or -1 with an error. is_done: is all there that is to be there after
 * it? What is wrong there is printed. */
struct calls_case {
    const char *what;
    void (*begin)(void);
    int (*run)(struct cdc_error *error);
    bool (*is_done)(void);
    int (*repair)(struct cdc_error *error); /* the work once more; NULL: run */
};

/* How many descriptors are open, of those that a test comes to. Not sockets: a test's own server closes them when it likes. */
static inline int descriptors_open(void)
{
    struct stat status;
    int n = 0;
    for (int fd = 0; fd < 64; fd++)
        n += fstat(fd, &status) == 0 && !S_ISSOCK(status.st_mode);
    return n;
}

/* What a fault that passes by may end with: peer gone, no memory, input or output error, try again. */
static inline bool passes_by(int status)
{
    return status == CDC_EXIT_UNAVAILABLE || status == CDC_EXIT_INTERNAL || status == CDC_EXIT_IO ||
           status == CDC_EXIT_TEMPORARY;
}

static inline int calls_run(int run(struct cdc_error *error), long place, struct cdc_error *error)
{
    memset(error, 0, sizeof *error);
    memory_calls = 0;
    memory_fails_at = place;
    calls_fail = true;
    int before = descriptors_open();
    int result = run(error);
    memory_end();
    calls_fail = false;
    memory_fails_at = 0;
    descriptors_kept += descriptors_open() - before;
    return result;
}

/* Where one call fails, the work is done all the same, or ends with the status of a fault that passes by; the same work once
 * more, and all is there. Returns how many places were wrong. */
static inline size_t calls_sweep(const struct calls_case *one)
{
    struct cdc_error error;
    size_t wrong = 0;

    one->begin();
    if (calls_run(one->run, 0, &error) != 0 || !one->is_done()) {
        printf("not ok - %s: without a fault: %s\n", one->what, error.text);
        return 1;
    }
    long places = memory_calls;
    size_t leaked = memory_leaked();
    if (leaked > 0) {
        printf("not ok - %s: without a fault: %zu leaks\n", one->what, leaked);
        wrong++;
    }
    one->begin();
    calls_shorten = true;
    bool whole = calls_run(one->run, 0, &error) == 0 && one->is_done();
    calls_shorten = false;
    if (!whole) {
        printf("not ok - %s: with half of each read and write: %s\n", one->what, error.text);
        wrong++;
    }
    (void)memory_leaked();
    for (long place = 1; place <= places; place++) {
        one->begin();
        int result = calls_run(one->run, place, &error);
        bool good =
            result == 0 ? error.status == 0 && one->is_done() : passes_by(error.status) && error.text[0] != '\0';
        if (!good)
            printf("not ok - %s: call %ld of %ld fails: result %d, status %d %s\n", one->what, place, places, result,
                   error.status, error.text);
        if ((leaked = memory_leaked()) > 0) {
            printf("not ok - %s: call %ld of %ld fails: %zu leaks\n", one->what, place, places, leaked);
            good = false;
        }
        struct cdc_error again;
        bool repaired = calls_run(one->repair != NULL ? one->repair : one->run, 0, &again) == 0 && one->is_done();
        if (!repaired)
            printf(
                "not ok - %s: call %ld of %ld has failed (result %d, status %d %s), and not all is there after another "
                "run: %s\n",
                one->what, place, places, result, error.status, error.text, again.text);
        wrong += !good || !repaired;
    }
    if (places == 0 && MEMORY_CAN_FAIL) {
        printf("not ok - %s: makes no call\n", one->what);
        wrong++;
    }
    if (descriptors_kept != 0) {
        printf("not ok - %s: %d descriptors stay open\n", one->what, descriptors_kept);
        descriptors_kept = 0;
        wrong++;
    }
    if (wrong == 0)
        printf("ok - %s: any of %ld calls may fail\n", one->what, places);
    return wrong;
}

#endif
