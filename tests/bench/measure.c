/* SPDX-License-Identifier: MIT */
/* measure INPUT OUTPUT COMMAND...: runs it between the two files and prints wall
 * and CPU seconds and peak RSS in KiB. Small, because a child's peak begins
 * with what its parent had. OUTPUT `|FILE` puts a pipe before the file, as a
 * user's pipeline has it: a second process reads it into FILE, and the wall
 * clock stops when all of it was read. CPU and RSS are the command's alone. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static int create(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

/* What `cat >path` does, with its block of 128 KiB. */
static void copy(int in, const char *path)
{
    static char block[128 << 10];
    ssize_t n;
    int out = create(path);
    if (out < 0)
        _exit(74);
    while ((n = read(in, block, sizeof block)) > 0)
        if (write(out, block, (size_t)n) != n)
            _exit(74);
    _exit(n < 0 ? 74 : 0);
}

/* The end to write to of a pipe whose reader runs; -1. */
static int start_reader(const char *path, pid_t *reader)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0 || (*reader = fork()) < 0)
        return -1;
    if (*reader == 0) {
        close(ends[1]);
        copy(ends[0], path);
    }
    close(ends[0]);
    return ends[1];
}

int main(int argc, char **argv)
{
    struct timespec a, b;
    struct rusage usage;
    int status, read_status = 0;
    pid_t reader = 0;
    if (argc < 4)
        return 64;
    clock_gettime(CLOCK_MONOTONIC, &a);
    int out = argv[2][0] == '|' ? start_reader(argv[2] + 1, &reader) : create(argv[2]);
    pid_t child = out < 0 ? -1 : fork();
    if (child == 0) {
        int in = open(argv[1], O_RDONLY);
        if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
            _exit(74);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    close(out);
    if (child < 0 || wait4(child, &status, 0, &usage) < 0)
        return 70;
    if (reader > 0 && (waitpid(reader, &read_status, 0) < 0 || read_status != 0))
        return 74;
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.4f %.4f %ld\n", (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9,
           seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
