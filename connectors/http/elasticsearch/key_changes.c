/* SPDX-License-Identifier: MIT */
/* The journal of key changes. A row whose key changes takes along the columns that the log did not carry: they are
 * read from the document under the old id, which is then deleted. Should the line come again after a crash, that
 * document is gone, or another row's, and all lines of a transaction may bear the same version: nothing in the index
 * says what the columns were. So they are kept here, durably, before the old document goes, until the offset has
 * passed the line. A line of it:
 *
 *   {"name":"shop","pos":"0000000016B374D8.0000000003.1","rest":{"note":"a long text"}}
 *
 *   killed before the sync             nothing was sent: the document is still under the old id
 *   killed after it, whatever was sent  the line comes again, and finds its columns here
 *   the power fails before the sync    what is there of the tail may be truncated, or NUL bytes: nothing relied on it (load)
 *   the offset has passed the line     the journal is emptied (es_key_changes_begin) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/http/elasticsearch/key_changes.h"
#include <cdc/file.h>
#include <cdc/hash.h>
#include <cdc/json.h>
#include <cdc/line.h>

/* Of each line only a hash and where it is: the columns, long texts mostly, stay on the disk until they are asked
 * for. */
struct entry { /* a line of a run before */
    uint64_t hash;
    uint64_t place;
};
struct highest { /* the newest line kept for a source */
    char *name, *pos;
};

struct es_key_changes {
    int fd;
    char *path;
    bool lasts; /* path is its name */
    uint64_t size;
    struct cdc_buf pending; /* after size, not written yet */
    struct entry *entries;
    size_t n, cap;
    struct highest *highest;
    size_t n_highest;
    bool passed;
};

static int failure(const struct es_key_changes *changes, const char *what, struct cdc_error *error)
{
    cdc_error_set(error, cdc_file_exit(errno), "%s: cannot %s: %s", changes->path, what, strerror(errno));
    return cdc_error_hint(error, "make room, or check the disk, and start again");
}

/* The one without a name is meant to have none. */
static int check_there(const struct es_key_changes *changes, struct cdc_error *error)
{
    return changes->lasts ? cdc_file_check_there(changes->fd, changes->path, "journal of key changes", error) : 0;
}

/* By pos alone: a source's name may be spelled in another way when the line comes again, pos is plain. */
static uint64_t hash_of(struct cdc_span pos)
{
    return cdc_hash_span(CDC_HASH_INIT, pos);
}

/* Remembers pos as the newest of its source: lines come in order. */
static int note(struct es_key_changes *changes, struct cdc_span raw_name, struct cdc_span raw_pos,
                struct cdc_error *error)
{
    char *name = cdc_json_text(raw_name, NULL), *pos = cdc_json_text(raw_pos, NULL);
    size_t i = 0;

    if (name == NULL || pos == NULL)
        goto memory;
    while (i < changes->n_highest && strcmp(changes->highest[i].name, name) != 0)
        i++;
    if (i == changes->n_highest) {
        struct highest *more = realloc(changes->highest, (i + 1) * sizeof *more);
        if (more == NULL)
            goto memory;
        changes->highest = more;
        changes->n_highest++;
        more[i] = (struct highest){name, pos};
        return 0;
    }
    free(name);
    if (strcmp(pos, changes->highest[i].pos) > 0) {
        free(changes->highest[i].pos);
        changes->highest[i].pos = pos;
    } else {
        free(pos);
    }
    return 0;
memory:
    free(name);
    free(pos);
    return cdc_error_memory(error);
}

/* A line that was written whole. */
static bool is_sound(struct cdc_span line, struct cdc_span *name, struct cdc_span *pos)
{
    if (cdc_json_validate(line.p, line.n, NULL) != 0 || cdc_json_type(line) != CDC_JSON_OBJECT)
        return false;
    *name = cdc_json_member_raw(line, "name");
    *pos = cdc_json_member_raw(line, "pos");
    return name->p != NULL && pos->p != NULL && cdc_json_type(cdc_json_member(line, "rest")) == CDC_JSON_OBJECT;
}

static int load_line(struct es_key_changes *changes, struct cdc_span name, struct cdc_span pos, uint64_t place,
                     struct cdc_error *error)
{
    if (changes->n == changes->cap) {
        size_t cap = changes->cap == 0 ? 64 : 2 * changes->cap;
        struct entry *more = realloc(changes->entries, cap * sizeof *more);
        if (more == NULL)
            return cdc_error_memory(error);
        changes->entries = more;
        changes->cap = cap;
    }
    changes->entries[changes->n++] = (struct entry){hash_of(pos), place};
    return note(changes, name, pos, error);
}

/* A file system may make a file longer before the bytes are there: after a power cut they are NUL, which no line has. From
 * there on nothing was synced. Any other damage before the last line is one of what was relied on. */
static int check_torn(const struct es_key_changes *changes, struct cdc_line_reader *reader, struct cdc_span line,
                      struct cdc_error *error)
{
    uint64_t place = cdc_line_reader_offset(reader);
    enum cdc_line_result got;

    if (memchr(line.p, '\0', line.n) != NULL)
        return 0;
    while ((got = cdc_line_reader_next(reader, &line, error)) == CDC_LINE_OK && memchr(line.p, '\0', line.n) != NULL)
        continue;
    if (got == CDC_LINE_END)
        return 0;
    return got == CDC_LINE_ERROR ? -1
                                 : cdc_error_set(error, CDC_EXIT_CONFIG, "%s is damaged at byte %llu", changes->path,
                                                 (unsigned long long)place);
}

static int load_lines(struct es_key_changes *changes, struct cdc_line_reader *reader, struct cdc_error *error)
{
    struct cdc_span line, name, pos;
    enum cdc_line_result got;

    while ((got = cdc_line_reader_next(reader, &line, error)) == CDC_LINE_OK) {
        uint64_t place = cdc_line_reader_offset(reader);
        if (!is_sound(line, &name, &pos))
            return check_torn(changes, reader, line, error);
        if (load_line(changes, name, pos, place, error) != 0)
            return -1;
        /* After the last whole line. */
        changes->size = place + line.n + 1;
    }
    return got == CDC_LINE_END ? 0 : cdc_error_set(error, CDC_EXIT_CONFIG, "%s cannot be read", changes->path);
}

static int load(struct es_key_changes *changes, struct cdc_error *error)
{
    struct cdc_line_reader *reader = cdc_line_reader_new(changes->fd, (size_t)1 << 30, error);
    int result = reader != NULL ? load_lines(changes, reader, error) : -1;

    cdc_line_reader_free(reader);
    /* A truncated last line was never relied on: nothing is sent before the sync. */
    if (result == 0 && ftruncate(changes->fd, (off_t)changes->size) != 0)
        result = failure(changes, "shorten it", error);
    /* What was there to be read may not be on the disk: that run was killed, or ended, before its sync was done. */
    if (result == 0 && (cdc_file_write_again(changes->fd, 0, (off_t)changes->size) != 0 || fdatasync(changes->fd) != 0))
        result = failure(changes, "sync it", error);
    /* Its name as well: without it, a power cut would leave no journal. */
    if (result == 0 && cdc_file_sync_folder(changes->path) != 0)
        result = failure(changes, "sync its folder", error);
    return result;
}

static int by_hash(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

struct es_key_changes *es_key_changes_open(const char *path, struct cdc_error *error)
{
    struct es_key_changes *changes = calloc(1, sizeof *changes);
    /* Without an offset file the position does not outlive the run, and the journal need not either: a file in /tmp
     * without a name. Still a file and not memory, since a transaction may change a million keys. */
    char nameless[] = "/tmp/cdc-key-changes-XXXXXX";

    if (changes == NULL || (changes->path = strdup(path != NULL ? path : nameless)) == NULL) {
        free(changes);
        cdc_error_memory(error);
        return NULL;
    }
    changes->lasts = path != NULL;
    changes->fd = path != NULL ? cdc_file_open(path, O_RDWR | O_CREAT, 0600, "journal of key changes", error)
                               : mkostemp(nameless, O_CLOEXEC);
    if (changes->fd < 0) {
        if (path == NULL)
            failure(changes, "open it", error);
    } else if (path == NULL) {
        unlink(nameless);
        return changes;
    } else if (load(changes, error) == 0) {
        if (changes->n > 0)
            qsort(changes->entries, changes->n, sizeof *changes->entries, by_hash);
        return changes;
    }
    es_key_changes_free(changes);
    return NULL;
}

void es_key_changes_free(struct es_key_changes *changes)
{
    if (changes == NULL)
        return;
    if (changes->fd >= 0)
        close(changes->fd);
    for (size_t i = 0; i < changes->n_highest; i++) {
        free(changes->highest[i].name);
        free(changes->highest[i].pos);
    }
    free(changes->highest);
    free(changes->entries);
    cdc_buf_free(&changes->pending);
    free(changes->path);
    free(changes);
}

/* The line at place, into line. */
static int read_line(struct es_key_changes *changes, uint64_t place, struct cdc_buf *line, struct cdc_error *error)
{
    line->len = 0;
    for (;;) {
        if (!cdc_buf_room(line, 65536))
            return cdc_error_memory(error);
        ssize_t n = pread(changes->fd, line->data + line->len, 65536, (off_t)(place + line->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? cdc_error_set(error, CDC_EXIT_IO, "%s was truncated", changes->path)
                          : failure(changes, "read it", error);
        char *end = memchr(line->data + line->len, '\n', (size_t)n);
        line->len += (size_t)n;
        if (end != NULL)
            return line->len = (size_t)(end - line->data), 0;
    }
}

int es_key_changes_read(struct es_key_changes *changes, uint64_t place, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf line = CDC_BUF_INIT;
    int result = es_key_changes_sync(changes, error) == 0 ? read_line(changes, place, &line, error) : -1;

    if (result == 0)
        cdc_buf_span(out, cdc_json_member(cdc_span(line.data, line.len), "rest"));
    cdc_buf_free(&line);
    return result;
}

int es_key_changes_find(struct es_key_changes *changes, struct cdc_span name, struct cdc_span pos, struct cdc_buf *out,
                        struct cdc_error *error)
{
    struct entry wanted = {hash_of(pos), 0};
    struct cdc_buf line = CDC_BUF_INIT;
    int result = 0;

    if (changes->n == 0)
        return 0;
    const struct entry *entry = bsearch(&wanted, changes->entries, changes->n, sizeof wanted, by_hash);
    /* bsearch finds any of several entries with one hash; name and pos decide. */
    while (entry != NULL && entry > changes->entries && entry[-1].hash == wanted.hash)
        entry--;
    for (; result == 0 && entry != NULL && entry < changes->entries + changes->n && entry->hash == wanted.hash;
         entry++) {
        if (read_line(changes, entry->place, &line, error) != 0) {
            result = -1;
            break;
        }
        struct cdc_span text = cdc_span(line.data, line.len);
        if (cdc_json_raw_equal(cdc_json_member_raw(text, "name"), name) &&
            cdc_span_equal(cdc_json_member_raw(text, "pos"), pos)) {
            cdc_buf_span(out, cdc_json_member(text, "rest"));
            result = 1;
        }
    }
    cdc_buf_free(&line);
    return result;
}

int es_key_changes_add(struct es_key_changes *changes, struct cdc_span name, struct cdc_span pos, struct cdc_span rest,
                       uint64_t *place, struct cdc_error *error)
{
    /* Known before it is written: pending goes to the end of the file as it is. */
    *place = changes->size + changes->pending.len;
    cdc_buf_lit(&changes->pending, "{\"name\":\"");
    cdc_buf_span(&changes->pending, name);
    cdc_buf_lit(&changes->pending, "\",\"pos\":\"");
    cdc_buf_span(&changes->pending, pos);
    cdc_buf_lit(&changes->pending, "\",\"rest\":");
    cdc_buf_span(&changes->pending, rest);
    cdc_buf_lit(&changes->pending, "}\n");
    if (changes->pending.failed)
        return cdc_error_memory(error);
    return note(changes, name, pos, error);
}

int es_key_changes_sync(struct es_key_changes *changes, struct cdc_error *error)
{
    size_t done = 0;

    if (changes->pending.len == 0)
        return 0;
    if (check_there(changes, error) != 0)
        return -1;
    while (done < changes->pending.len) {
        ssize_t n = pwrite(changes->fd, changes->pending.data + done, changes->pending.len - done,
                           (off_t)(changes->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failure(changes, "write it", error);
        done += (size_t)n;
    }
    /* size is part of what fdatasync makes durable, since the bytes could not be read without it. */
    if (fdatasync(changes->fd) != 0)
        return failure(changes, "sync it", error);
    changes->size += done;
    changes->pending.len = 0;
    return 0;
}

void es_key_changes_delivered(struct es_key_changes *changes, const struct cdc_offset_file *offsets)
{
    /* All or nothing: the journal is short, and is emptied as a whole once no line in it can come again. */
    bool passed = changes->n_highest > 0;

    for (size_t i = 0; passed && i < changes->n_highest; i++) {
        const struct cdc_offset *offset = cdc_offset_file_get(offsets, changes->highest[i].name);
        passed =
            offset != NULL && cdc_span_compare(cdc_span_text(offset->pos), cdc_span_text(changes->highest[i].pos)) >= 0;
    }
    /* Not emptied here: the offsets are not saved yet, and a crash before that brings the lines again. */
    changes->passed = passed;
}

int es_key_changes_begin(struct es_key_changes *changes, struct cdc_error *error)
{
    if (!changes->passed)
        return 0;
    for (size_t i = 0; i < changes->n_highest; i++) {
        free(changes->highest[i].name);
        free(changes->highest[i].pos);
    }
    changes->n_highest = changes->n = 0;
    changes->size = 0;
    changes->passed = false;
    return ftruncate(changes->fd, 0) == 0 ? 0 : failure(changes, "shorten it", error);
}
