/* SPDX-License-Identifier: MIT */
/* search FILE [--show]: an index server that takes everything at once: what is measured against it is the sink alone. Its port is
 * written to the file; with --show what is posted goes to stdout, so that one sees when it came. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 65536

static char made[ROOM] = "{}"; /* what the index was made from */
static int shown;

/* The header ends before the byte that is returned; 0: the connection does. */
static size_t read_header(int fd, char *buffer, size_t *n)
{
    for (*n = 0; *n < ROOM - 1;) {
        ssize_t got = read(fd, buffer + *n, ROOM - 1 - *n);
        if (got <= 0)
            return 0;
        *n += (size_t)got;
        buffer[*n] = '\0';
        char *end = strstr(buffer, "\r\n\r\n");
        if (end != NULL)
            return (size_t)(end - buffer) + 4;
    }
    return 0;
}

static void show(const char *text, size_t n)
{
    while (n > 0) {
        ssize_t put = write(STDOUT_FILENO, text, n);
        if (put <= 0)
            exit(1);
        text += put;
        n -= (size_t)put;
    }
}

static void show_body(int fd, size_t n)
{
    char text[ROOM];

    while (n > 0) {
        ssize_t got = read(fd, text, n < sizeof text ? n : sizeof text);
        if (got <= 0)
            return;
        show(text, (size_t)got);
        n -= (size_t)got;
    }
}

static void skip_body(int fd, size_t n)
{
    static char nowhere[1 << 20];

    while (n > 0) {
        ssize_t got = recv(fd, nowhere, n < sizeof nowhere ? n : sizeof nowhere, MSG_TRUNC);
        if (got <= 0)
            return;
        n -= (size_t)got;
    }
}

static void answer(int fd, const char *request)
{
    const char *body = "{\"errors\":false}", *status = "200 OK";
    char text[2 * ROOM], index[200] = "";

    (void)sscanf(request, "%*s /%199[^/? ]", index);
    if (strncmp(request, "GET / ", 6) == 0) {
        body = "{\"cluster_uuid\":\"bench\"}";
    } else if (strstr(request, "settings.index.uuid") != NULL) {
        snprintf(text, sizeof text, "{\"%s\":%.*s,\"settings\":{\"index\":{\"uuid\":\"bench\"}}}}", index,
                 (int)strlen(made) - 1, made);
        dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);
        return;
    } else if (strncmp(request, "GET ", 4) == 0) {
        status = "404 Not Found";
        body = "{\"error\":{\"type\":\"index_not_found_exception\"},\"status\":404}";
    }
    dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
}

static void *serve(void *context)
{
    int fd = (int)(intptr_t)context, on = 1;
    char *buffer = malloc(ROOM);
    size_t n, end;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while (buffer != NULL && (end = read_header(fd, buffer, &n)) > 0) {
        const char *length = strcasestr(buffer, "\r\nContent-Length:");
        size_t body = length != NULL && length < buffer + end ? strtoul(length + 17, NULL, 10) : 0;
        /* A body of that kind comes with its header, or right after it. */
        while (strncmp(buffer, "PUT ", 4) == 0 && body > n - end && body < ROOM / 2) {
            ssize_t got = read(fd, buffer + n, ROOM - 1 - n);
            if (got <= 0)
                break;
            n += (size_t)got;
        }
        if (strncmp(buffer, "PUT ", 4) == 0)
            snprintf(made, sizeof made, "%.*s", (int)body, buffer + end);
        if (shown)
            show(buffer + end, n - end);
        if (body > n - end)
            (shown ? show_body : skip_body)(fd, body - (n - end));
        answer(fd, buffer);
    }
    free(buffer);
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
    FILE *port = argc > 1 ? fopen(argv[1], "w") : NULL;

    shown = argc > 2 && strcmp(argv[2], "--show") == 0;
    if (port == NULL || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return 1;
    fprintf(port, "%d\n", ntohs(address.sin_port));
    fclose(port);
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
            return 1;
        pthread_detach(thread);
    }
    return 1;
}
