/* SPDX-License-Identifier: MIT */
/* The journal of moves. A row whose key changes takes along the columns that
 * the log did not carry: they are read from the document under the old id,
 * which is then deleted. Should the line come again after a crash, that
 * document is gone, or another row's, and all lines of a transaction may bear
 * the same version: nothing in the index says what the columns were. So they
 * are kept here, durably, before the old document goes, until the offset has
 * passed the line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/http/internal.h"
#include <cdc/hash.h>
#include <cdc/line.h>

struct entry { /* a line of a run before */
    uint64_t hash;
    uint64_t place;
};
struct highest { /* the newest line kept for a source */
    char *name, *pos;
};

struct moves {
    int fd;
    char *path;
    uint64_t size;
    struct cdc_buf pending; /* after size, not written yet */
    struct entry *entries;
    size_t n, cap;
    struct highest *highest;
    size_t n_highest;
    bool passed;
};

static int failure(const struct moves *moves, const char *what, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_IO, "%s: cannot %s: %s", moves->path, what, strerror(errno));
    return cdc_error_hint(error, "make room, or check the disk, and start again");
}

static uint64_t hash_of(struct cdc_span name, struct cdc_span pos)
{
    return cdc_hash_span(cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, name), 0xff), pos);
}

/* Remembers pos as the newest of its source: lines come in order. */
static int note(struct moves *moves, struct cdc_span raw_name, struct cdc_span raw_pos, struct cdc_error *error)
{
    char *name = cdc_json_text(raw_name, NULL), *pos = cdc_json_text(raw_pos, NULL);
    size_t i = 0;

    if (name == NULL || pos == NULL)
        goto memory;
    while (i < moves->n_highest && strcmp(moves->highest[i].name, name) != 0)
        i++;
    if (i == moves->n_highest) {
        struct highest *more = realloc(moves->highest, (i + 1) * sizeof *more);
        if (more == NULL)
            goto memory;
        moves->highest = more;
        moves->n_highest++;
        more[i] = (struct highest){name, pos};
        return 0;
    }
    free(name);
    if (strcmp(pos, moves->highest[i].pos) > 0) {
        free(moves->highest[i].pos);
        moves->highest[i].pos = pos;
    } else {
        free(pos);
    }
    return 0;
memory:
    free(name);
    free(pos);
    return cdc_error_memory(error);
}

static int load_line(struct moves *moves, struct cdc_span line, uint64_t place, struct cdc_error *error)
{
    struct cdc_span name, pos;

    if (cdc_json_validate(line.p, line.n, NULL) != 0 || cdc_json_type(line) != CDC_JSON_OBJECT ||
        (name = cdc_json_member_raw(line, "name")).p == NULL || (pos = cdc_json_member_raw(line, "pos")).p == NULL)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "%s is damaged at byte %llu", moves->path,
                             (unsigned long long)place);
    if (moves->n == moves->cap) {
        size_t cap = moves->cap == 0 ? 64 : 2 * moves->cap;
        struct entry *more = realloc(moves->entries, cap * sizeof *more);
        if (more == NULL)
            return cdc_error_memory(error);
        moves->entries = more;
        moves->cap = cap;
    }
    moves->entries[moves->n++] = (struct entry){hash_of(name, pos), place};
    return note(moves, name, pos, error);
}

static int load(struct moves *moves, struct cdc_error *error)
{
    struct cdc_line_reader *reader = cdc_line_reader_new(moves->fd, (size_t)1 << 30, error);
    struct cdc_span line;
    enum cdc_line_result got = CDC_LINE_ERROR;
    int result = reader != NULL ? 0 : -1;

    while (result == 0 && (got = cdc_line_reader_next(reader, &line, error)) == CDC_LINE_OK) {
        result = load_line(moves, line, cdc_line_reader_offset(reader), error);
        moves->size = cdc_line_reader_offset(reader) + line.n + 1;
    }
    if (result == 0 && got != CDC_LINE_END)
        result = cdc_error_set(error, CDC_EXIT_CONFIG, "%s cannot be read", moves->path);
    cdc_line_reader_free(reader);
    /* A cut last line was never relied on: nothing is sent before the sync. */
    if (result == 0 && ftruncate(moves->fd, (off_t)moves->size) != 0)
        result = failure(moves, "shorten it", error);
    return result;
}

static int by_hash(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

struct moves *moves_open(const char *path, struct cdc_error *error)
{
    struct moves *moves = calloc(1, sizeof *moves);
    char nameless[] = "/tmp/cdc-moves-XXXXXX";

    if (moves == NULL || (moves->path = strdup(path != NULL ? path : nameless)) == NULL) {
        free(moves);
        cdc_error_memory(error);
        return NULL;
    }
    moves->fd =
        path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : mkostemp(nameless, O_CLOEXEC);
    if (moves->fd < 0) {
        failure(moves, "open it", error);
    } else if (path == NULL) {
        unlink(nameless);
        return moves;
    } else if (load(moves, error) == 0) {
        if (moves->n > 0)
            qsort(moves->entries, moves->n, sizeof *moves->entries, by_hash);
        return moves;
    }
    moves_free(moves);
    return NULL;
}

void moves_free(struct moves *moves)
{
    if (moves == NULL)
        return;
    if (moves->fd >= 0)
        close(moves->fd);
    for (size_t i = 0; i < moves->n_highest; i++) {
        free(moves->highest[i].name);
        free(moves->highest[i].pos);
    }
    free(moves->highest);
    free(moves->entries);
    cdc_buf_free(&moves->pending);
    free(moves->path);
    free(moves);
}

/* The line at place, into line. */
static int read_line(struct moves *moves, uint64_t place, struct cdc_buf *line, struct cdc_error *error)
{
    line->len = 0;
    for (;;) {
        if (!cdc_buf_room(line, 65536))
            return cdc_error_memory(error);
        ssize_t n = pread(moves->fd, line->data + line->len, 65536, (off_t)(place + line->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? cdc_error_set(error, CDC_EXIT_IO, "%s was cut", moves->path)
                          : failure(moves, "read it", error);
        char *end = memchr(line->data + line->len, '\n', (size_t)n);
        line->len += (size_t)n;
        if (end != NULL)
            return line->len = (size_t)(end - line->data), 0;
    }
}

int moves_read(struct moves *moves, uint64_t place, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf line = CDC_BUF_INIT;
    int result = moves_sync(moves, error) == 0 ? read_line(moves, place, &line, error) : -1;

    if (result == 0)
        cdc_buf_span(out, cdc_json_member(cdc_span(line.data, line.len), "rest"));
    cdc_buf_free(&line);
    return result;
}

int moves_find(struct moves *moves, struct cdc_span name, struct cdc_span pos, struct cdc_buf *out,
               struct cdc_error *error)
{
    struct entry wanted = {hash_of(name, pos), 0};
    struct cdc_buf line = CDC_BUF_INIT;
    int result = 0;

    if (moves->n == 0)
        return 0;
    const struct entry *entry = bsearch(&wanted, moves->entries, moves->n, sizeof wanted, by_hash);
    while (entry != NULL && entry > moves->entries && entry[-1].hash == wanted.hash)
        entry--;
    for (; result == 0 && entry != NULL && entry < moves->entries + moves->n && entry->hash == wanted.hash; entry++) {
        if (read_line(moves, entry->place, &line, error) != 0) {
            result = -1;
            break;
        }
        struct cdc_span text = cdc_span(line.data, line.len);
        if (cdc_span_equal(cdc_json_member_raw(text, "name"), name) &&
            cdc_span_equal(cdc_json_member_raw(text, "pos"), pos)) {
            cdc_buf_span(out, cdc_json_member(text, "rest"));
            result = 1;
        }
    }
    cdc_buf_free(&line);
    return result;
}

int moves_add(struct moves *moves, struct cdc_span name, struct cdc_span pos, struct cdc_span rest, uint64_t *place,
              struct cdc_error *error)
{
    *place = moves->size + moves->pending.len;
    cdc_buf_lit(&moves->pending, "{\"name\":\"");
    cdc_buf_span(&moves->pending, name);
    cdc_buf_lit(&moves->pending, "\",\"pos\":\"");
    cdc_buf_span(&moves->pending, pos);
    cdc_buf_lit(&moves->pending, "\",\"rest\":");
    cdc_buf_span(&moves->pending, rest);
    cdc_buf_lit(&moves->pending, "}\n");
    if (moves->pending.failed)
        return cdc_error_memory(error);
    return note(moves, name, pos, error);
}

int moves_sync(struct moves *moves, struct cdc_error *error)
{
    size_t done = 0;

    if (moves->pending.len == 0)
        return 0;
    while (done < moves->pending.len) {
        ssize_t n =
            pwrite(moves->fd, moves->pending.data + done, moves->pending.len - done, (off_t)(moves->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failure(moves, "write it", error);
        done += (size_t)n;
    }
    if (fdatasync(moves->fd) != 0)
        return failure(moves, "sync it", error);
    moves->size += done;
    moves->pending.len = 0;
    return 0;
}

void moves_delivered(struct moves *moves, const struct cdc_offset_file *offsets)
{
    bool passed = moves->n_highest > 0;

    for (size_t i = 0; passed && i < moves->n_highest; i++) {
        const struct cdc_offset *offset = cdc_offset_file_get(offsets, moves->highest[i].name);
        passed =
            offset != NULL && cdc_span_compare(cdc_span_text(offset->pos), cdc_span_text(moves->highest[i].pos)) >= 0;
    }
    moves->passed = passed;
}

int moves_begin(struct moves *moves, struct cdc_error *error)
{
    if (!moves->passed)
        return 0;
    for (size_t i = 0; i < moves->n_highest; i++) {
        free(moves->highest[i].name);
        free(moves->highest[i].pos);
    }
    moves->n_highest = moves->n = 0;
    moves->size = 0;
    moves->passed = false;
    return ftruncate(moves->fd, 0) == 0 ? 0 : failure(moves, "shorten it", error);
}
