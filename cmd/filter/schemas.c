/* SPDX-License-Identifier: MIT */
#include "cmd/filter/schemas.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/hash.h>
#include <cdc/line.h>

static uint64_t hash_of(const struct cdc_event *event)
{
    const struct cdc_span parts[] = {event->name, event->db, event->schema, event->table};
    uint64_t hash = CDC_HASH_INIT;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = cdc_hash_byte(cdc_hash_span(hash, parts[i]), 0xff);
    return hash;
}

static bool is_same_table(const struct schemas *schemas, size_t i, const struct cdc_event *event)
{
    struct cdc_event other;
    struct cdc_error ignored = {0};

    return schemas_event(schemas, i, &other, &ignored) == 0 && cdc_span_equal(other.name, event->name) &&
           cdc_span_equal(other.db, event->db) && cdc_span_equal(other.schema, event->schema) &&
           cdc_span_equal(other.table, event->table);
}

static int add(struct schemas *schemas, const struct cdc_event *event, struct cdc_error *error)
{
    uint64_t hash = hash_of(event);
    size_t i = 0;

    while (i < schemas->n && (schemas->hashes[i] != hash || !is_same_table(schemas, i, event)))
        i++;
    if (i == schemas->n) {
        struct cdc_buf *lines = realloc(schemas->lines, (i + 1) * sizeof *lines);
        if (lines != NULL)
            schemas->lines = lines;
        uint64_t *hashes = lines != NULL ? realloc(schemas->hashes, (i + 1) * sizeof *hashes) : NULL;
        if (hashes == NULL)
            return cdc_error_memory(error);
        schemas->hashes = hashes;
        hashes[i] = hash;
        lines[i] = (struct cdc_buf)CDC_BUF_INIT;
        schemas->n++;
    }
    schemas->lines[i].len = 0;
    cdc_buf_span(&schemas->lines[i], event->line);
    return schemas->lines[i].failed ? cdc_error_memory(error) : 0;
}

static int take_event(struct schemas *schemas, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_event event;

    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    return event.op == CDC_OP_SCHEMA && event.table.p != NULL ? add(schemas, &event, error) : 0;
}

static int take_line(struct schemas *schemas, const struct filter_look *look, struct cdc_span line,
                     struct cdc_buf *events, struct cdc_error *error)
{
    if (look->convert == NULL)
        return take_event(schemas, line, error);
    events->len = 0;
    if (look->convert(look->context, line, events, error) != 0)
        return -1;
    if (events->failed)
        return cdc_error_memory(error);
    for (size_t at = 0; at < events->len;) {
        const char *p = events->data + at, *lf = memchr(p, '\n', events->len - at);
        if (take_event(schemas, cdc_span(p, (size_t)(lf - p)), error) != 0)
            return -1;
        at += (size_t)(lf - p) + 1;
    }
    return 0;
}

static int read_lines(struct schemas *schemas, const struct filter_look *look, struct cdc_line_reader *reader,
                      const char *path, struct cdc_error *error)
{
    struct cdc_buf events = CDC_BUF_INIT;
    int result = 0;

    while (result == 0 && !look->program->control.stop) {
        struct cdc_span line;
        enum cdc_line_result got = cdc_line_reader_next(reader, &line, error);
        if (got == CDC_LINE_END)
            break;
        if (got == CDC_LINE_AGAIN)
            cdc_line_reader_wait(reader, look->program->control.wake_fd, 1000);
        else if (got == CDC_LINE_TOO_LONG)
            result = cdc_error_set(error, CDC_EXIT_DATA, "the line is longer than --max-line");
        else
            result = got == CDC_LINE_OK ? take_line(schemas, look, line, &events, error) : -1;
    }
    if (result != 0 && error->status == CDC_EXIT_DATA)
        cdc_error_prefix(error, "line %" PRIu64 " of %s", cdc_line_reader_number(reader), path);
    cdc_buf_free(&events);
    return result;
}

static int read_from(struct schemas *schemas, const struct filter_look *look, int fd, const char *path,
                     struct cdc_error *error)
{
    struct cdc_line_reader *reader = cdc_line_reader_new(fd, look->max_line, error);
    int result = reader != NULL ? read_lines(schemas, look, reader, path, error) : -1;

    cdc_line_reader_free(reader);
    return result;
}

int schemas_read(struct schemas *schemas, const struct filter_look *look, struct cdc_error *error)
{
    if (look->files.count == 0)
        return isatty(STDIN_FILENO) ? 0 : read_from(schemas, look, STDIN_FILENO, "the input", error);
    for (size_t i = 0; i < look->files.count; i++) {
        const char *path = look->files.items[i];
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return cdc_error_set(error, cdc_file_exit(errno), "unable to read \"%s\": %s", path, strerror(errno));
        int result = read_from(schemas, look, fd, path, error);
        close(fd);
        if (result != 0)
            return -1;
    }
    return 0;
}

void schemas_free(struct schemas *schemas)
{
    for (size_t i = 0; i < schemas->n; i++)
        cdc_buf_free(&schemas->lines[i]);
    free(schemas->lines);
    free(schemas->hashes);
}

int schemas_event(const struct schemas *schemas, size_t i, struct cdc_event *event, struct cdc_error *error)
{
    return cdc_event_parse(event, schemas->lines[i].data, schemas->lines[i].len, error);
}
