/* SPDX-License-Identifier: MIT */
/* Names of hosts. getaddrinfo knows no end but its own, which may be a minute. So a thread calls it, and stays behind when
 * nobody waits any more: both have the question, and who comes last frees it. */
#include "connectors/postgres/session/lookup.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct question {
    char *host;
    struct addrinfo *found;
    int done_fd, status;
    atomic_bool done; /* orders the answer before who reads it; to C, a descriptor does not */
    atomic_int owners;
};

static void leave(struct question *question)
{
    if (atomic_fetch_sub(&question->owners, 1) > 1)
        return;
    if (question->done_fd >= 0)
        close(question->done_fd);
    if (question->found)
        freeaddrinfo(question->found);
    free(question->host);
    free(question);
}

static void *look_up(void *context)
{
    struct question *question = context;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    question->status = getaddrinfo(question->host, NULL, &hints, &question->found);
    atomic_store(&question->done, true);
    (void)eventfd_write(question->done_fd, 1);
    leave(question);
    return NULL;
}

/* RETURNS NEW (leave); NULL: no memory, or no thread. */
static struct question *ask(const char *host)
{
    pthread_attr_t detached;
    pthread_t thread;
    struct question *question = calloc(1, sizeof *question);
    if (!question)
        return NULL;
    question->host = strdup(host);
    question->done_fd = eventfd(0, EFD_CLOEXEC);
    atomic_init(&question->owners, 2);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    bool asked = question->host && question->done_fd >= 0 && pthread_create(&thread, &detached, look_up, question) == 0;
    pthread_attr_destroy(&detached);
    if (asked)
        return question;
    atomic_store(&question->owners, 1);
    leave(question);
    return NULL;
}

static int wait_for(const struct question *question, const struct cdc_control *control, struct cdc_error *error)
{
    struct pollfd fds[3] = {{question->done_fd, POLLIN, 0},
                            {control ? control->wake_fd : -1, POLLIN, 0},
                            {control && control->waiting ? control->notice_fd : -1, POLLIN, 0}};
    for (;;) {
        int n = poll(fds, 3, 1000);
        if (n > 0 && fds[0].revents && atomic_load(&question->done))
            return 0;
        if (control)
            cdc_control_waiting(control, "the name server");
        if (control && control->stop)
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while the name \"%.120s\" was looked up",
                                 question->host);
    }
}

static int read_answer(const struct question *question, struct cdc_buf *out, struct cdc_error *error)
{
    char text[NI_MAXHOST];
    int status = question->status, n = 0;
    for (const struct addrinfo *found = question->found; status == 0 && found; found = found->ai_next) {
        status = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
        if (status == 0)
            cdc_buf_text(out, n++ > 0 ? "," : "");
        if (status == 0)
            cdc_buf_text(out, text);
    }
    if (status == 0)
        return out->failed ? cdc_error_memory(error) : 0;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                         "cannot connect: could not translate host name \"%.120s\" to address: %s", question->host,
                         gai_strerror(status));
}

int pg_lookup(const char *host, const struct cdc_control *control, struct cdc_buf *out, struct cdc_error *error)
{
    struct question *question = ask(host);
    if (!question)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "cannot connect: no thread to look up the name \"%.120s\"",
                             host);
    int status = wait_for(question, control, error);
    if (status == 0)
        status = read_answer(question, out, error);
    leave(question);
    return status;
}
