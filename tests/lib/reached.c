/* SPDX-License-Identifier: MIT */
/* What a program reached, by test: linked into the programs that tests/mutate builds with -fsanitize-coverage=trace-pc, whose
 * basic blocks each call __sanitizer_cov_trace_pc first.
 *
 * REACHED_FOLDER, a text of the compiler's command line and no variable, since tests start tools in empty environments, gets
 * a file SUITE@NUMBER@PROGRAM: a byte for each byte of the program up to the end of its code, 1 where a call came back to.
 * The file is mapped, so it is right also when the process is killed. NUMBER is bats' number of the test in its suite; it is
 * empty before the first test, and so is SUITE outside of any.
 *
 * Calls of the system go past the C library: tests/lib/faults.c counts those that it sees. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef REACHED_FOLDER
#error "-DREACHED_FOLDER='\"/a/folder\"' is missing"
#endif

/* Of this program or shared library alone, by the linker. */
extern char __ehdr_start __attribute__((visibility("hidden")));
extern char etext __attribute__((visibility("hidden")));
extern char **environ;

static unsigned char *reached;

/* The value of NAME in an environment as /proc has it; NULL: not there. */
static const char *value_in(const char *block, size_t length, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = block; p < block + length; p += strlen(p) + 1) {
        if (strncmp(p, name, n) == 0 && p[n] == '=')
            return p + n + 1;
    }
    return NULL;
}

static size_t read_proc(long pid, const char *what, char *to, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, what);
    size_t length = 0;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0), n;
    while (fd >= 0 && length < size - 1 && (n = syscall(SYS_read, fd, to + length, size - 1 - length)) > 0)
        length += (size_t)n;
    if (fd >= 0)
        syscall(SYS_close, fd);
    to[length] = '\0';
    return length;
}

/* The file and the number that bats-exec-test was started with: what it exports does not show in its own /proc/PID/environ. */
static void from_arguments(const char *block, size_t length, const char **file, const char **number)
{
    bool seen = false;
    const char *before[2] = {NULL, NULL}; /* FILE NAME NUMBER */
    for (const char *p = block; p < block + length; p += strlen(p) + 1) {
        const char *slash = strrchr(p, '/'), *end = strrchr(p, '.');
        seen = seen || (slash != NULL && strcmp(slash, "/bats-exec-test") == 0);
        if (!seen || (before[0] == NULL && (end == NULL || strcmp(end, ".bats") != 0)))
            continue;
        if (before[1] != NULL) {
            *file = before[0];
            *number = p;
            return;
        }
        before[before[0] != NULL] = p;
    }
}

/* "SUITE@NUMBER" from the process' own environment, or else from its nearest parent that has it. */
static void test_name(char *to, size_t size)
{
    static char arguments[1 << 15], environment[1 << 17];
    const char *file = getenv("BATS_TEST_FILENAME"), *number = getenv("BATS_SUITE_TEST_NUMBER");
    for (long pid = getppid(); file == NULL && pid > 1;) {
        char stat[512];
        long parent = 0;
        from_arguments(arguments, read_proc(pid, "cmdline", arguments, sizeof arguments), &file, &number);
        size_t length = read_proc(pid, "environ", environment, sizeof environment);
        if (file == NULL && (number = value_in(environment, length, "BATS_SUITE_TEST_NUMBER")) != NULL)
            file = value_in(environment, length, "BATS_TEST_FILENAME");
        read_proc(pid, "stat", stat, sizeof stat);
        const char *end = strrchr(stat, ')');
        if (end == NULL || sscanf(end + 1, " %*c %ld", &parent) != 1)
            break;
        pid = parent;
    }
    const char *slash = file == NULL ? NULL : strrchr(file, '/');
    snprintf(to, size, "%s@%s", slash != NULL ? slash + 1 : "", number != NULL ? number : "");
}

/* The file's name of what this is linked into. */
static void object_name(char *to, size_t size)
{
    char path[4096] = "";
    Dl_info info;
    const char *name = dladdr(&__ehdr_start, &info) != 0 && info.dli_fname != NULL ? info.dli_fname : "";
    if (strstr(name, ".so") == NULL) { /* that of a program is what its caller calls it */
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        path[n < 0 ? 0 : n] = '\0';
        name = path;
    }
    const char *slash = strrchr(name, '/');
    snprintf(to, size, "%s", slash != NULL ? slash + 1 : name);
}

__attribute__((constructor(101))) static void begin(void)
{
    char test[256], object[256], path[4096];
    struct stat st;
    size_t size = (size_t)(&etext - &__ehdr_start);
    test_name(test, sizeof test);
    object_name(object, sizeof object);
    snprintf(path, sizeof path, "%s/%s@%s", REACHED_FOLDER, test, object);
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    if (fstat((int)fd, &st) == 0 && ((size_t)st.st_size == size || syscall(SYS_ftruncate, fd, size) == 0)) {
        syscall(SYS_fchmod, fd, 0666); /* tools run as several users */
        long at = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at > 0 || at < -4095)
            reached = (unsigned char *)at;
    }
    syscall(SYS_close, fd);
}

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    if (reached != NULL)
        reached[(char *)__builtin_return_address(0) - &__ehdr_start] = 1;
}
