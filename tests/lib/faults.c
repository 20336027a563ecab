/* SPDX-License-Identifier: MIT */
/* A library for LD_PRELOAD that makes one system call of a tool go wrong, or ends the tool there, and knows what a
 * power cut would leave of a folder. tests/lib/faults.bash uses it.
 *
 *   FAULTS_COUNTS=FILE   how often each kind of call was made is kept in FILE (see struct counts): a first run without a
 *                        fault tells how many places there are
 *   FAULTS_CALL=KIND     read, write, sync, rename, open, connect or memory: the kind that goes wrong; to stop at, or be killed at,
 *                        also remove, look (whether a file is there, what a folder has), lock, and any of all these but memory ...
 *   FAULTS_AT=N          ... at its Nth call, counted from 1
 *   FAULTS_HOW=error     it fails, once, with what a disk or a peer would say (the default)
 *              short     half of it is done (read and write)
 *              kill      the process gets SIGKILL instead of the call
 *              stop      the process gets SIGSTOP before the call, which is made as ever once it goes on
 *              forget    sync: it fails, and what the file has since its last sync is in the cache of the kernel alone, which
 *                        takes it for written: no later sync brings it to the disk, but only another write; a cache that lets go of
 *                        it (posix_fadvise) has what is on the disk. Needs FAULTS_ROOT.
 *   FAULTS_TRACE=FILE    where in the program the fault struck is written to FILE
 *   FAULTS_ROOT=DIR      with FAULTS_SHADOW=DIR: of the files below ROOT, what was synced is kept in SHADOW: the bytes of a
 *                        file as of its last fsync, the names in a folder as of the folder's. tests/lib/power-cut.py makes
 *                        ROOT what it would be after a power cut.
 *
 * memory counts the calls of the tool's own code only: what a library does without memory is the library's to test. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { READ, WRITE, SYNC, RENAME, OPEN, CONNECT, MEMORY, REMOVE, LOOK, LOCK, ANY, KINDS };
static const char *const kind_names[KINDS] = {"read",   "write",  "sync", "rename", "open", "connect",
                                              "memory", "remove", "look", "lock",   "any"};

/* The file of FAULTS_COUNTS, mapped: so it is right also when the process is killed. */
struct counts {
    atomic_ullong calls[KINDS];
};
static struct counts private_counts;
static struct counts *counts = &private_counts;
static int fault_kind = -1;
static unsigned long long fault_at;
static enum { FAIL, SHORTEN, KILL, STOP, FORGET } fault_how;
static char root[PATH_MAX], shadow[PATH_MAX];
static const char *trace;
static uintptr_t text_begin, text_end; /* of the program itself */

static int find_text(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size, (void)data;
    /* The first entry is the program. */
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
            text_begin = info->dlpi_addr + p->p_vaddr;
            text_end = text_begin + p->p_memsz;
        }
    }
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *call = getenv("FAULTS_CALL"), *at = getenv("FAULTS_AT"), *how = getenv("FAULTS_HOW");
    const char *file = getenv("FAULTS_COUNTS"), *dir = getenv("FAULTS_ROOT"), *copy = getenv("FAULTS_SHADOW");
    if (file != NULL) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, sizeof *counts) != 0)
            abort();
        counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (counts == MAP_FAILED)
            abort();
        syscall(SYS_close, fd);
    }
    dl_iterate_phdr(find_text, NULL);
    void *frame[1];
    trace = getenv("FAULTS_TRACE");
    backtrace(frame, 1); /* the first call loads a library */
    if (dir != NULL && copy != NULL && (realpath(dir, root) == NULL || realpath(copy, shadow) == NULL))
        abort();
    fault_how = how != NULL && strcmp(how, "kill") == 0     ? KILL
                : how != NULL && strcmp(how, "stop") == 0   ? STOP
                : how != NULL && strcmp(how, "short") == 0  ? SHORTEN
                : how != NULL && strcmp(how, "forget") == 0 ? FORGET
                                                            : FAIL;
    fault_at = at != NULL ? strtoull(at, NULL, 10) : 0;
    for (int i = 0; call != NULL && i < KINDS; i++)
        if (strcmp(call, kind_names[i]) == 0)
            fault_kind = i;
}

static void tell_where(void)
{
    void *frames[24];
    int fd =
        trace != NULL ? (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return;
    backtrace_symbols_fd(frames, backtrace(frames, 24), fd);
    syscall(SYS_close, fd);
}

/* Whether this call is the one. Does not come back from a kill. */
static bool due(enum kind kind)
{
    unsigned long long n = atomic_fetch_add(&counts->calls[kind], 1) + 1;
    unsigned long long all = kind == MEMORY ? 0 : atomic_fetch_add(&counts->calls[ANY], 1) + 1;
    if (fault_kind == ANY ? all != fault_at : (int)kind != fault_kind || n != fault_at)
        return false;
    if (fault_how == KILL)
        kill(getpid(), SIGKILL);
    tell_where();
    if (fault_how == STOP)
        kill(getpid(), SIGSTOP);
    return fault_how != STOP;
}

static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* due() for calls on a descriptor: what the kernel would say for a broken disk, a full one, or a peer that is gone.
 * *n becomes smaller where the call is only to be shortened. */
static bool transfer_fails(enum kind kind, int fd, size_t *n)
{
    if (!due(kind))
        return false;
    if (fault_how == SHORTEN) {
        *n = (*n + 1) / 2;
        return false;
    }
    /* A connection that is broken stays so, for the other side as well. */
    bool socket = is_socket(fd);
    if (socket)
        shutdown(fd, SHUT_RDWR);
    errno = socket ? ECONNRESET : kind == READ ? EIO : ENOSPC;
    return true;
}

ssize_t read(int fd, void *data, size_t n)
{
    return transfer_fails(READ, fd, &n) ? -1 : syscall(SYS_read, fd, data, n);
}

ssize_t __read_chk(int fd, void *data, size_t n, size_t size);
ssize_t __read_chk(int fd, void *data, size_t n, size_t size)
{
    (void)size;
    return read(fd, data, n);
}

ssize_t pread(int fd, void *data, size_t n, off_t at)
{
    return transfer_fails(READ, fd, &n) ? -1 : syscall(SYS_pread64, fd, data, n, at);
}

ssize_t pread64(int fd, void *data, size_t n, off64_t at)
{
    return pread(fd, data, n, at);
}

ssize_t recv(int fd, void *data, size_t n, int flags)
{
    return transfer_fails(READ, fd, &n) ? -1 : syscall(SYS_recvfrom, fd, data, n, flags, NULL, NULL);
}

ssize_t __recv_chk(int fd, void *data, size_t n, size_t size, int flags);
ssize_t __recv_chk(int fd, void *data, size_t n, size_t size, int flags)
{
    (void)size;
    return recv(fd, data, n, flags);
}

static void remember(int fd, off_t at, ssize_t n);

ssize_t write(int fd, const void *data, size_t n)
{
    if (transfer_fails(WRITE, fd, &n))
        return -1;
    ssize_t done = syscall(SYS_write, fd, data, n);
    if (done > 0 && root[0] != '\0')
        remember(fd, lseek(fd, 0, SEEK_CUR) - done, done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    if (transfer_fails(WRITE, fd, &n))
        return -1;
    ssize_t done = syscall(SYS_pwrite64, fd, data, n, at);
    if (done > 0 && root[0] != '\0')
        remember(fd, at, done);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return pwrite(fd, data, n, at);
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
    return transfer_fails(WRITE, fd, &n) ? -1 : syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    size_t all = (size_t)n;
    return transfer_fails(WRITE, fd, &all) ? -1 : syscall(SYS_writev, fd, parts, (int)all);
}

int connect(int fd, const struct sockaddr *address, socklen_t n)
{
    if (due(CONNECT)) {
        errno = ECONNREFUSED;
        return -1;
    }
    return (int)syscall(SYS_connect, fd, address, n);
}

/* ---- What a power cut leaves ---- */

/* Names a file for good: numbers of inodes are used again, with another time of birth. */
static bool file_id(int fd, char *id, size_t size)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0)
        return false;
    snprintf(id, size, "%llu-%lld.%u", (unsigned long long)st.stx_ino, (long long)st.stx_btime.tv_sec,
             st.stx_btime.tv_nsec);
    return true;
}

static bool below_root(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (root[0] == '\0' || n < 0)
        return false;
    path[n] = '\0';
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int shadow_open(const char *prefix, const char *id, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.%s.new", shadow, prefix, id);
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void shadow_done(int to, const char *path)
{
    char final[PATH_MAX];
    snprintf(final, sizeof final, "%.*s", (int)(strlen(path) - 4), path);
    syscall(SYS_close, to);
    if (syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, final, 0) != 0)
        abort();
}

/* ---- What the kernel has forgotten to write ---- */

#define PAGE 4096

/* lost.ID: a byte for each page of the file, 1 where it is on no disk. -1: there are none. */
static int lost_open(const char *id, int flags)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/lost.%s", shadow, id);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static int synced_open(const char *id)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/file.%s", shadow, id);
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

/* The page; zeros where the file has none. Its length. */
static ssize_t page_of(int fd, off_t page, char data[PAGE])
{
    memset(data, 0, PAGE);
    return fd < 0 ? 0 : syscall(SYS_pread64, fd, data, (size_t)PAGE, page * PAGE);
}

/* What the file has and no sync has brought to the disk is lost there. */
static void forget(int fd)
{
    char id[96], link[64], now[PAGE], synced[PAGE];
    struct stat st;

    if (!below_root(fd) || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !file_id(fd, id, sizeof id))
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int from = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    int lost = lost_open(id, O_RDWR | O_CREAT), before = synced_open(id);
    if (from < 0 || lost < 0)
        abort();
    for (off_t page = 0; page_of(from, page, now) > 0; page++) {
        page_of(before, page, synced);
        if (memcmp(now, synced, PAGE) != 0 && syscall(SYS_pwrite64, lost, "\1", (size_t)1, page) != 1)
            abort();
    }
    syscall(SYS_close, from);
    syscall(SYS_close, lost);
    if (before >= 0)
        syscall(SYS_close, before);
}

/* Written again: the next sync brings these pages to the disk. */
static void remember(int fd, off_t at, ssize_t n)
{
    char id[96];
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !below_root(fd) || !file_id(fd, id, sizeof id))
        return;
    int lost = lost_open(id, O_RDWR);
    for (off_t page = at / PAGE; lost >= 0 && page <= (at + n - 1) / PAGE; page++)
        if (syscall(SYS_pwrite64, lost, "", (size_t)1, page) != 1)
            abort();
    if (lost >= 0)
        syscall(SYS_close, lost);
}

/* Of a copy of what the file has now: the pages that are lost are as they were synced last. */
static void without_lost(int copy, const char *id)
{
    char mark, page[PAGE];
    struct stat st;
    int lost = lost_open(id, O_RDONLY), before = lost >= 0 ? synced_open(id) : -1;

    if (lost < 0)
        return;
    if (fstat(copy, &st) != 0)
        abort();
    for (off_t at = 0, i = 0; at < st.st_size && syscall(SYS_pread64, lost, &mark, (size_t)1, i) == 1;
         at += PAGE, i++) {
        ssize_t n = st.st_size - at < PAGE ? st.st_size - at : PAGE;
        page_of(before, i, page);
        if (mark == 1 && syscall(SYS_pwrite64, copy, page, (size_t)n, at) != n)
            abort();
    }
    syscall(SYS_close, lost);
    if (before >= 0)
        syscall(SYS_close, before);
}

/* The cache lets go of the file: what is lost is not there any more. */
int posix_fadvise(int fd, off_t from, off_t n, int advice)
{
    char id[96], link[64];
    struct stat st;

    (void)from, (void)n;
    if (advice != POSIX_FADV_DONTNEED || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !below_root(fd) ||
        !file_id(fd, id, sizeof id))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int file = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC);
    if (file >= 0) {
        without_lost(file, id);
        syscall(SYS_close, file);
    }
    return 0;
}

static void keep_file(int fd, const char *id)
{
    char path[PATH_MAX], link[64], data[65536];
    /* Opened anew: the descriptor may be for writing only. */
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int from = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    int to = shadow_open("file", id, path, sizeof path);
    if (from < 0 || to < 0)
        abort();
    for (ssize_t n; (n = syscall(SYS_read, from, data, sizeof data)) > 0;)
        if (syscall(SYS_write, to, data, n) != n)
            abort();
    syscall(SYS_close, from);
    without_lost(to, id);
    shadow_done(to, path);
}

/* A line for each name: "ID NAME". */
static void keep_folder(int fd, const char *id)
{
    char path[PATH_MAX], link[64], line[NAME_MAX + 128], entry_id[96];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    DIR *dir = opendir(link);
    int to = shadow_open("folder", id, path, sizeof path);
    if (dir == NULL || to < 0)
        abort();
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int file = (int)syscall(SYS_openat, fd, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
        if (file < 0 && errno == ENOENT)
            continue; /* another thread has removed it meanwhile */
        if (file < 0 || !file_id(file, entry_id, sizeof entry_id))
            abort();
        syscall(SYS_close, file);
        int n = snprintf(line, sizeof line, "%s %s\n", entry_id, entry->d_name);
        if (syscall(SYS_write, to, line, n) != n)
            abort();
    }
    closedir(dir);
    shadow_done(to, path);
}

static void keep_one(int fd)
{
    struct stat st;
    char id[96];
    if (!below_root(fd) || fstat(fd, &st) != 0 || !file_id(fd, id, sizeof id))
        return;
    if (S_ISDIR(st.st_mode))
        keep_folder(fd, id);
    else if (S_ISREG(st.st_mode))
        keep_file(fd, id);
}

static void keep(int fd)
{
    static atomic_flag keeping = ATOMIC_FLAG_INIT;

    while (atomic_flag_test_and_set(&keeping)) /* two threads may sync the same folder */
        ;
    keep_one(fd);
    atomic_flag_clear(&keeping);
}

static int sync_call(long number, int fd)
{
    if (due(SYNC)) {
        if (fault_how == FORGET)
            forget(fd);
        errno = EIO;
        return -1;
    }
    int result = (int)syscall(number, fd);
    if (result == 0)
        keep(fd);
    return result;
}

static void keep_tree(const char *path)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char inner[PATH_MAX];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < (int)sizeof inner)
            keep_tree(inner);
    }
    if (dir != NULL)
        closedir(dir);
    keep(fd);
    syscall(SYS_close, fd);
}

/* All that is below the root. */
int syncfs(int fd)
{
    if (due(SYNC)) {
        errno = EIO;
        return -1;
    }
    int result = (int)syscall(SYS_syncfs, fd);
    if (result == 0 && root[0] != '\0')
        keep_tree(root);
    return result;
}

int fsync(int fd)
{
    return sync_call(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_call(SYS_fdatasync, fd);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    if (due(RENAME)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

/* ---- Where a process stops, or is killed, and none of these fails ---- */

int unlinkat(int folder, const char *path, int flags)
{
    (void)due(REMOVE);
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int fstatat(int folder, const char *path, struct stat *st, int flags)
{
    (void)due(LOOK);
    return (int)syscall(SYS_newfstatat, folder, path, st, flags);
}

int stat(const char *path, struct stat *st)
{
    return fstatat(AT_FDCWD, path, st, 0);
}

int lstat(const char *path, struct stat *st)
{
    return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

/* The same call, with and without the 64 in its name. */
int fstatat64(int folder, const char *path, struct stat64 *st, int flags)
{
    (void)due(LOOK);
    return (int)syscall(SYS_newfstatat, folder, path, st, flags);
}

int stat64(const char *path, struct stat64 *st)
{
    return fstatat64(AT_FDCWD, path, st, 0);
}

int faccessat(int folder, const char *path, int mode, int flags)
{
    static int (*real)(int, const char *, int, int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "faccessat");
    (void)due(LOOK);
    return real(folder, path, mode, flags);
}

struct dirent *readdir(DIR *dir)
{
    static struct dirent *(*real)(DIR *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "readdir");
    (void)due(LOOK);
    return real(dir);
}

/* x86-64 and arm64 have one form of it. */
struct dirent64 *readdir64(DIR *dir)
{
    return (struct dirent64 *)(void *)readdir(dir);
}

int flock(int fd, int how)
{
    (void)due(LOCK);
    return (int)syscall(SYS_flock, fd, how);
}

static int fcntl_call(int fd, int command, void *argument)
{
    if (command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK)
        (void)due(LOCK);
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

#define ARGUMENT_OF(command, argument)                                                                                 \
    va_list list;                                                                                                      \
    va_start(list, command);                                                                                           \
    void *argument = va_arg(list, void *);                                                                             \
    va_end(list);

int fcntl(int fd, int command, ...)
{
    ARGUMENT_OF(command, argument)
    return fcntl_call(fd, command, argument);
}

int fcntl64(int fd, int command, ...)
{
    ARGUMENT_OF(command, argument)
    return fcntl_call(fd, command, argument);
}

/* ---- open, and memory ---- */

static int open_call(int folder, const char *path, int flags, mode_t mode)
{
    if (due(OPEN)) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define MODE_OF(flags, mode)                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                                      \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode = va_arg(list, mode_t);                                                                                   \
        va_end(list);                                                                                                  \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open_call(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open_call(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open_call(folder, path, flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_call(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
    return open_call(AT_FDCWD, path, flags, 0);
}

static bool memory_fails(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    if (at < text_begin || at >= text_end || !due(MEMORY))
        return false;
    errno = ENOMEM;
    return true;
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);

void *malloc(size_t n)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return memory_fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, n);
}

/* These take memory inside the C library, which would not be counted. */
char *strdup(const char *text)
{
    if (memory_fails(__builtin_return_address(0)))
        return NULL;
    size_t n = strlen(text) + 1;
    char *copy = __libc_malloc(n);
    return copy == NULL ? NULL : memcpy(copy, text, n);
}

char *strndup(const char *text, size_t n)
{
    if (memory_fails(__builtin_return_address(0)))
        return NULL;
    n = strnlen(text, n);
    char *copy = __libc_malloc(n + 1);
    if (copy != NULL) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}
