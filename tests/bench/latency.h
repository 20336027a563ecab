/* SPDX-License-Identifier: MIT */
/* Starts a receiver, then commits single rows 20 ms apart, each with a mark of
 * its own, and prints for each the microseconds until the mark was read from
 * the receiver, from COMMIT's return and from its sending. A thread of its own
 * reads, so that a line which comes while COMMIT still returns gets the time it
 * came at. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char seen[1 << 20];
static size_t seen_n;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

struct reader {
    int fd, found;
    char mark[64];
    double at;
    sem_t wanted, done;
};

/* Reads until the mark is there; false after five seconds. */
static int wait_for(int fd, const char *mark)
{
    double limit = now() + 5e6;
    seen_n = 0;
    while (now() < limit) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 100) <= 0)
            continue;
        if (seen_n > sizeof seen / 2)
            seen_n = 0;
        ssize_t n = read(fd, seen + seen_n, sizeof seen - seen_n);
        if (n <= 0)
            return 0;
        seen_n += (size_t)n;
        if (memmem(seen, seen_n, mark, strlen(mark)))
            return 1;
    }
    return 0;
}

static void *read_marks(void *context)
{
    struct reader *reader = context;
    for (;;) {
        sem_wait(&reader->wanted);
        if (reader->mark[0] == 0)
            return NULL;
        reader->found = wait_for(reader->fd, reader->mark);
        reader->at = now();
        sem_post(&reader->done);
    }
}

/* insert commits one row with the mark: 1, or 0 when it failed. Returns the exit status. */
static int measure_latency(int count, char **command, int (*insert)(void *context, const char *mark), void *context)
{
    int pipes[2];
    if (pipe(pipes) < 0)
        return 71;
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 1);
        close(pipes[0]);
        close(pipes[1]);
        execvp(command[0], command);
        _exit(127);
    }
    close(pipes[1]);
    struct reader reader = {.fd = pipes[0]};
    pthread_t thread;
    sem_init(&reader.wanted, 0, 0);
    sem_init(&reader.done, 0, 0);
    if (pthread_create(&thread, NULL, read_marks, &reader) != 0)
        return 71;
    int status = 0;
    /* The first one waits for the receiver to be up. */
    for (int i = 0; i <= count && status == 0; i++) {
        struct timespec pause = {.tv_nsec = 20000000};
        snprintf(reader.mark, sizeof reader.mark, "mark-%ld-%06d-end", (long)getpid(), i);
        sem_post(&reader.wanted);
        nanosleep(&pause, NULL);
        double sent = now();
        if (!insert(context, reader.mark)) {
            status = 70;
            break;
        }
        double returned = now();
        sem_wait(&reader.done);
        if (!reader.found)
            status = 69;
        else if (i > 0)
            printf("%.1f %.1f\n", reader.at - returned, reader.at - sent);
    }
    reader.mark[0] = 0;
    sem_post(&reader.wanted);
    kill(child, SIGTERM);
    close(pipes[0]);
    waitpid(child, NULL, 0);
    return status;
}

#endif
