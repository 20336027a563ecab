/* SPDX-License-Identifier: MIT */
/* The file of refused lines, whatever is in it, and then events: up to a NUL byte the input is the file, and behind it there is a line
 * an event, taken in, and refused where its first byte is '!'. A file that cannot be read is damaged (78), and no other error; what is
 * known of each event is the same after the file was opened again. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cdc/exit.h>

#include "libcdc/loop/refused.h"

static char path[64];

static void put_file(const uint8_t *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        exit(1);
    close(fd);
}

/* The first byte of a line says only what is done with it. */
static int parse(struct cdc_event *event, const uint8_t *line, size_t n)
{
    return n > 1 && cdc_event_parse(event, (const char *)line + 1, n - 1, NULL) == 0 && cdc_event_has_row(event) &&
                   event->pos.n > 0 && event->name.p != NULL
               ? 0
               : -1;
}

static void take(struct refused *refused, const uint8_t *line, size_t n, uint64_t number)
{
    struct cdc_event event;

    if (n < 2 || cdc_event_parse(&event, (const char *)line + 1, n - 1, NULL) != 0)
        return;
    if (refused_touch(refused, &event, number, NULL) != 0 ||
        (line[0] == '!' && refused_note(refused, event.line, number, NULL) != 0))
        abort();
}

static enum refused_state look(struct refused *refused, const uint8_t *line, size_t n)
{
    struct cdc_event event;
    struct cdc_span schema;
    size_t entry;

    if (parse(&event, line, n) != 0)
        return REFUSED_UNKNOWN;
    enum refused_state state = refused_look(refused, &event, &entry, &schema);
    if ((unsigned)state >= REFUSED_STATES)
        abort();
    return state;
}

/* What is done: 0: taken, 1: looked at, where states becomes what is found, 2: looked at, where it must be what states has. */
static void all_lines(struct refused *refused, const uint8_t *data, size_t size, uint8_t *states, int what)
{
    uint64_t number = 1;

    for (const uint8_t *p = data, *end = data + size, *lf; p < end; p = lf + (lf < end), number++) {
        lf = memchr(p, '\n', (size_t)(end - p));
        lf = lf != NULL ? lf : end;
        size_t n = (size_t)(lf - p);
        if (what == 0)
            take(refused, p, n, number);
        else if (what == 1)
            states[p - data] = (uint8_t)look(refused, p, n);
        else if (states[p - data] != (uint8_t)look(refused, p, n))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t n = nul != NULL ? (size_t)(nul - data) : size;
    struct cdc_error error = {0};
    struct refused *refused;

    if (path[0] == '\0')
        snprintf(path, sizeof path, "%s/fuzz-refused.%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
                 getpid());
    put_file(data, n);
    if (refused_open(&refused, path, &(struct refused_settings){.keeps = true}, &error) != 0) {
        if (error.status != CDC_EXIT_CONFIG)
            abort();
    } else {
        const uint8_t *lines = nul != NULL ? nul + 1 : data + n;
        size_t rest = size - (size_t)(lines - data);
        uint8_t *copy = exact_copy(lines, rest), *states = exact_copy(lines, rest);
        all_lines(refused, copy, rest, states, 0);
        all_lines(refused, copy, rest, states, 1);
        refused_free(refused);
        if (refused_open(&refused, path, &(struct refused_settings){.keeps = true}, NULL) != 0)
            abort();
        all_lines(refused, copy, rest, states, 2);
        refused_free(refused);
        free(copy);
        free(states);
    }
    unlink(path);
    return 0;
}
