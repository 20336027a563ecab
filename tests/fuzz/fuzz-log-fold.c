/* SPDX-License-Identifier: MIT */
/* Any lines fold, with little memory and with much, to the same lines; these are events, and fold as well. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdlib.h>

#include <cdc/event.h>

#include "connectors/log/compact/fold.h"

struct lines {
    struct cdc_span text;
    size_t at;
    char *copy; /* of the line: nothing is read behind it */
};

static int rewind_lines(void *context, struct cdc_error *error)
{
    struct lines *lines = context;
    (void)error;
    lines->at = 0;
    return 0;
}

static int next_line(void *context, struct cdc_span *line, struct cdc_error *error)
{
    struct lines *lines = context;
    struct cdc_event event;
    (void)error;
    while (lines->at < lines->text.n) {
        const char *p = lines->text.p + lines->at, *lf = memchr(p, '\n', lines->text.n - lines->at);
        size_t n = lf != NULL ? (size_t)(lf - p) : lines->text.n - lines->at;
        lines->at += n + 1;
        if (cdc_event_parse(&event, p, n, NULL) != 0)
            continue; /* none of a log */
        free(lines->copy);
        lines->copy = malloc(n + 1);
        memcpy(lines->copy, p, n);
        *line = cdc_span(lines->copy, n);
        return 1;
    }
    return 0;
}

static int take_line(void *context, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_event event;
    (void)error;
    if (cdc_event_parse(&event, line.p, line.n, NULL) != 0)
        abort();
    cdc_buf_span(context, line);
    cdc_buf_byte(context, '\n');
    return 0;
}

/* Returns whether these are lines of a log; it says so of all or of none of them. */
static bool fold(struct cdc_span text, size_t memory, struct cdc_buf *out)
{
    struct lines lines = {text, 0, NULL};
    struct log_fold_input input = {rewind_lines, next_line, &lines};
    struct log_fold_settings settings = {.folder = "/tmp", .memory = memory, .keep_messages = true, .keep_ddl = true};
    struct log_fold_counts counts;
    struct cdc_error error = {0};

    out->len = 0;
    int result = log_fold(&settings, &input, take_line, out, &counts, &error);
    if (result != 0 && error.status != CDC_EXIT_DATA)
        abort();
    free(lines.copy);
    return result == 0;
}

static void same(const struct cdc_buf *a, const struct cdc_buf *b)
{
    if (a->len != b->len || (a->len > 0 && memcmp(a->data, b->data, a->len) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cdc_buf one = CDC_BUF_INIT, other = CDC_BUF_INIT;

    bool good = fold(cdc_span((const char *)data, size), 1 << 20, &one);
    if (fold(cdc_span((const char *)data, size), 1, &other) != good)
        abort();
    if (good) {
        same(&one, &other);
        /* Not to the same lines: of a table with lines that no source writes less may be known then. Those of a source fold to
         * themselves (tests/unit/test-log-compact.c). */
        if (!fold(cdc_span(one.data, one.len), 1 << 20, &other))
            abort();
    }
    cdc_buf_free(&one);
    cdc_buf_free(&other);
    return 0;
}
