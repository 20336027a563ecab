/* SPDX-License-Identifier: MIT */
#include "connectors/http/client/kept.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Numbers of sockets that were closed are given to others, so that there are never more than were open at one time. */
bool http_kept_add(struct http_kept *kept, int socket)
{
    for (size_t i = 0; i < kept->n; i++)
        if (kept->sockets[i] == socket)
            return true;
    int *sockets = realloc(kept->sockets, (kept->n + 1) * sizeof *sockets);
    if (sockets == NULL)
        return false;
    kept->sockets = sockets;
    sockets[kept->n++] = socket;
    return true;
}

/* 0: it is none of these sockets any more. */
static int local_port(int socket)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;

    if (getsockname(socket, (struct sockaddr *)&address, &size) != 0)
        return 0;
    return address.ss_family == AF_INET    ? ntohs(((const struct sockaddr_in *)&address)->sin_port)
           : address.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&address)->sin6_port)
                                           : 0;
}

bool http_kept_has_bytes(const struct http_kept *kept, int port)
{
    char byte;

    for (size_t i = 0; i < kept->n; i++)
        if (local_port(kept->sockets[i]) == port &&
            recv(kept->sockets[i], &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) > 0)
            return true;
    return false;
}

void http_kept_free(struct http_kept *kept)
{
    free(kept->sockets);
    *kept = (struct http_kept){NULL, 0};
}
