/* SPDX-License-Identifier: MIT */
/* The thread stays when nobody waits any more: both have the question, and who comes last frees it. */
#include <cdc/lookup.h>

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct cdc_lookup {
    char *host;
    struct addrinfo *found;
    int done_fd, status;
    atomic_bool done; /* orders the answer before who reads it; to C, a descriptor does not */
    atomic_int owners;
};

void cdc_lookup_leave(struct cdc_lookup *lookup)
{
    if (lookup == NULL || atomic_fetch_sub(&lookup->owners, 1) > 1)
        return;
    if (lookup->done_fd >= 0)
        close(lookup->done_fd);
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    free(lookup->host);
    free(lookup);
}

static void *look_up(void *context)
{
    struct cdc_lookup *lookup = context;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

    lookup->status = getaddrinfo(lookup->host, NULL, &hints, &lookup->found);
    atomic_store(&lookup->done, true);
    (void)eventfd_write(lookup->done_fd, 1);
    cdc_lookup_leave(lookup);
    return NULL;
}

struct cdc_lookup *cdc_lookup_ask(const char *host)
{
    pthread_attr_t detached;
    pthread_t thread;
    struct cdc_lookup *lookup = calloc(1, sizeof *lookup);

    if (lookup == NULL)
        return NULL;
    lookup->host = strdup(host);
    lookup->done_fd = eventfd(0, EFD_CLOEXEC);
    atomic_init(&lookup->owners, 2);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    bool asked =
        lookup->host != NULL && lookup->done_fd >= 0 && pthread_create(&thread, &detached, look_up, lookup) == 0;
    pthread_attr_destroy(&detached);
    if (asked)
        return lookup;
    atomic_store(&lookup->owners, 1);
    cdc_lookup_leave(lookup);
    return NULL;
}

int cdc_lookup_fd(const struct cdc_lookup *lookup)
{
    return lookup->done_fd;
}

bool cdc_lookup_done(const struct cdc_lookup *lookup)
{
    return atomic_load(&lookup->done);
}

int cdc_lookup_answer(const struct cdc_lookup *lookup, const struct addrinfo **found)
{
    if (found != NULL)
        *found = lookup->found;
    return lookup->status;
}
