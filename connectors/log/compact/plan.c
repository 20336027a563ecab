/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdc/file.h>

#include "connectors/log/compact/plan.h"
#include "connectors/log/compact/sorter.h"

#define LEAST_MEMORY 32 /* so few for the sake of tests */
#define NOTES 4096      /* that are gathered for one write */

/* Number of a line and its action, in one: actions are below 16. */
struct notes {
    int fd;
    size_t n;
    uint64_t *items;
};

struct log_plan {
    const char *folder;
    unsigned char *actions; /* of one window, two lines in a byte */
    uint64_t lines, window; /* lines of a window */
    struct notes *files;    /* of all windows; NULL: there is but one */
    size_t n_files, loaded; /* the one whose actions are there; SIZE_MAX: none */
};

static int failed(const struct log_plan *plan, const char *what, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_IO, "cannot %s a temporary file in %s: %s", what, plan->folder,
                         strerror(errno));
}

void log_plan_free(struct log_plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; plan->files != NULL && i < plan->n_files; i++) {
        if (plan->files[i].fd >= 0)
            close(plan->files[i].fd);
        free(plan->files[i].items);
    }
    free(plan->files);
    free(plan->actions);
    free(plan);
}

static int make_files(struct log_plan *plan, struct cdc_error *error)
{
    plan->files = calloc(plan->n_files, sizeof *plan->files);
    if (plan->files == NULL)
        return cdc_error_memory(error);
    for (size_t i = 0; i < plan->n_files; i++)
        plan->files[i].fd = -1;
    for (size_t i = 0; i < plan->n_files; i++) {
        plan->files[i].items = malloc(NOTES * sizeof *plan->files[i].items);
        if (plan->files[i].items == NULL)
            return cdc_error_memory(error);
        plan->files[i].fd = log_scratch_open(plan->folder, error);
        if (plan->files[i].fd < 0)
            return -1;
    }
    return 0;
}

struct log_plan *log_plan_new(const char *folder, size_t memory, uint64_t lines, struct cdc_error *error)
{
    struct log_plan *plan = calloc(1, sizeof *plan);

    if (plan == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    plan->folder = folder;
    plan->lines = lines + 1;
    plan->window = plan->lines;
    plan->n_files = 1;
    memory = memory > LEAST_MEMORY ? memory : LEAST_MEMORY;
    if (plan->window / 2 > memory) {
        plan->window = (uint64_t)memory * 2;
        plan->n_files = (size_t)((plan->lines + plan->window - 1) / plan->window);
    }
    plan->actions = calloc(1, (size_t)(plan->window / 2 + 1));
    plan->loaded = plan->n_files > 1 ? SIZE_MAX : 0;
    if (plan->actions == NULL || (plan->n_files > 1 && make_files(plan, error) != 0)) {
        cdc_error_memory(error);
        log_plan_free(plan);
        return NULL;
    }
    return plan;
}

static void put(struct log_plan *plan, uint64_t at, unsigned action)
{
    plan->actions[at / 2] = (unsigned char)(plan->actions[at / 2] | action << (at % 2 * 4));
}

static int write_notes(const struct log_plan *plan, struct notes *notes, struct cdc_error *error)
{
    if (notes->n > 0 && cdc_file_write(notes->fd, notes->items, notes->n * sizeof *notes->items) != 0)
        return failed(plan, "write", error);
    notes->n = 0;
    return 0;
}

int log_plan_set(struct log_plan *plan, uint64_t number, unsigned action, struct cdc_error *error)
{
    if (plan->files == NULL) {
        put(plan, number, action);
        return 0;
    }
    struct notes *notes = &plan->files[number / plan->window];
    notes->items[notes->n++] = number << 4 | action;
    return notes->n == NOTES ? write_notes(plan, notes, error) : 0;
}

static int load(struct log_plan *plan, size_t window, struct cdc_error *error)
{
    struct notes *notes = &plan->files[window];
    off_t at = 0;

    if (write_notes(plan, notes, error) != 0)
        return -1;
    memset(plan->actions, 0, (size_t)(plan->window / 2 + 1));
    for (;;) {
        ssize_t n = pread(notes->fd, notes->items, NOTES * sizeof *notes->items, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(plan, "read", error);
        if (n == 0)
            break;
        for (size_t i = 0; i < (size_t)n / sizeof *notes->items; i++)
            put(plan, (notes->items[i] >> 4) % plan->window, notes->items[i] & 15);
        at += n;
    }
    plan->loaded = window;
    return 0;
}

int log_plan_get(struct log_plan *plan, uint64_t number, struct cdc_error *error)
{
    size_t window = (size_t)(number / plan->window);

    if (window != plan->loaded && load(plan, window, error) != 0)
        return -1;
    return plan->actions[number % plan->window / 2] >> (number % 2 * 4) & 15;
}
