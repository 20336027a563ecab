/* SPDX-License-Identifier: MIT */
/* The file is only ever appended to, a line an index; of two lines for one index the later counts:
 *
 *   {"index":"shop-orders","uuid":"dJ3vXo1vQ1e2Zp0xNq8k9A"}
 *
 * Killed before the sync, the offset has not moved: the documents come again, and the line with them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/http/elasticsearch/index_ids.h"
#include <cdc/file.h>
#include <cdc/hash.h>
#include <cdc/json.h>
#include <cdc/line.h>

#define LONGEST_LINE 4096 /* a name has 255 bytes, an id 22 */

struct entry {
    char *index, *id;
};

struct es_index_ids {
    int fd; /* -1: no file */
    char *path;
    uint64_t size;
    struct cdc_buf pending; /* after size, not written yet */
    struct entry *slots;    /* open addressing, n_slots a power of two, at most half full */
    size_t n, n_slots;
};

static int failure(const struct es_index_ids *ids, const char *what, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_IO, "%s: cannot %s: %s", ids->path, what, strerror(errno));
    return cdc_error_hint(error, "make room, or check the disk, and start again");
}

static struct entry *slot_of(const struct es_index_ids *ids, const char *index)
{
    size_t i = cdc_hash_fold(cdc_hash_text(CDC_HASH_INIT, index));

    while (ids->slots[i & (ids->n_slots - 1)].index != NULL &&
           strcmp(ids->slots[i & (ids->n_slots - 1)].index, index) != 0)
        i++;
    return &ids->slots[i & (ids->n_slots - 1)];
}

static int grow(struct es_index_ids *ids, struct cdc_error *error)
{
    struct entry *old = ids->slots;
    size_t n = ids->n_slots, wanted = n == 0 ? 64 : 2 * n;

    if (2 * ids->n < n)
        return 0;
    if ((ids->slots = calloc(wanted, sizeof *old)) == NULL) {
        ids->slots = old;
        return cdc_error_memory(error);
    }
    ids->n_slots = wanted;
    for (size_t i = 0; i < n; i++)
        if (old[i].index != NULL)
            *slot_of(ids, old[i].index) = old[i];
    free(old);
    return 0;
}

/* TAKES both texts, which may be NULL: no memory. */
static int put(struct es_index_ids *ids, char *index, char *id, struct cdc_error *error)
{
    if (index == NULL || id == NULL || grow(ids, error) != 0) {
        free(index);
        free(id);
        return cdc_error_memory(error);
    }
    struct entry *entry = slot_of(ids, index);
    ids->n += entry->index == NULL;
    free(entry->index);
    free(entry->id);
    *entry = (struct entry){index, id};
    return 0;
}

const char *es_index_ids_get(const struct es_index_ids *ids, const char *index)
{
    return ids->n > 0 ? slot_of(ids, index)->id : NULL;
}

int es_index_ids_note(struct es_index_ids *ids, const char *index, struct cdc_span id, struct cdc_error *error)
{
    if (ids->fd >= 0) {
        cdc_buf_lit(&ids->pending, "{\"index\":");
        cdc_json_append_text(&ids->pending, index, strlen(index));
        cdc_buf_lit(&ids->pending, ",\"uuid\":");
        cdc_json_append_text(&ids->pending, id.p, id.n);
        cdc_buf_lit(&ids->pending, "}\n");
        if (ids->pending.failed)
            return cdc_error_memory(error);
    }
    return put(ids, strdup(index), cdc_span_copy(id), error);
}

int es_index_ids_sync(struct es_index_ids *ids, struct cdc_error *error)
{
    size_t done = 0;

    if (ids->pending.len == 0)
        return 0;
    if (cdc_file_check_there(ids->fd, ids->path, "file of index ids", error) != 0)
        return -1;
    while (done < ids->pending.len) {
        ssize_t n = pwrite(ids->fd, ids->pending.data + done, ids->pending.len - done, (off_t)(ids->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failure(ids, "write it", error);
        done += (size_t)n;
    }
    if (fdatasync(ids->fd) != 0)
        return failure(ids, "sync it", error);
    ids->size += done;
    ids->pending.len = 0;
    return 0;
}

/* -- reading ------------------------------------------------------------------------- */

static int load_line(struct es_index_ids *ids, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_span index, id;

    if (cdc_json_validate(line.p, line.n, NULL) != 0 || (index = cdc_json_member_raw(line, "index")).p == NULL ||
        (id = cdc_json_member_raw(line, "uuid")).p == NULL)
        return 1;
    return put(ids, cdc_json_text(index, NULL), cdc_json_text(id, NULL), error);
}

/* A tail that a power cut left was never relied on: it is NUL bytes, or has no end. */
static int load_lines(struct es_index_ids *ids, struct cdc_line_reader *reader, struct cdc_error *error)
{
    struct cdc_span line;
    enum cdc_line_result got;

    while ((got = cdc_line_reader_next(reader, &line, error)) == CDC_LINE_OK) {
        int result = load_line(ids, line, error);
        if (result < 0)
            return -1;
        if (result == 1 && memchr(line.p, '\0', line.n) != NULL)
            return 0;
        if (result == 1)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "%s is damaged at byte %llu", ids->path,
                                 (unsigned long long)cdc_line_reader_offset(reader));
        ids->size = cdc_line_reader_offset(reader) + line.n + 1;
    }
    return got == CDC_LINE_END ? 0 : cdc_error_set(error, CDC_EXIT_CONFIG, "%s cannot be read", ids->path);
}

static int load(struct es_index_ids *ids, struct cdc_error *error)
{
    struct cdc_line_reader *reader = cdc_line_reader_new(ids->fd, LONGEST_LINE, error);
    int result = reader != NULL ? load_lines(ids, reader, error) : -1;

    cdc_line_reader_free(reader);
    if (result == 0 && ftruncate(ids->fd, (off_t)ids->size) != 0)
        result = failure(ids, "shorten it", error);
    if (result == 0 && cdc_file_sync_folder(ids->path) != 0)
        result = failure(ids, "sync its folder", error);
    return result;
}

struct es_index_ids *es_index_ids_open(const char *path, struct cdc_error *error)
{
    struct es_index_ids *ids = calloc(1, sizeof *ids);

    if (ids != NULL)
        ids->fd = -1;
    if (ids == NULL || (path != NULL && (ids->path = strdup(path)) == NULL)) {
        es_index_ids_free(ids);
        cdc_error_memory(error);
        return NULL;
    }
    if (path == NULL)
        return ids;
    ids->fd = cdc_file_open(path, O_RDWR | O_CREAT, 0600, "file of index ids", error);
    if (ids->fd >= 0 && load(ids, error) == 0)
        return ids;
    es_index_ids_free(ids);
    return NULL;
}

void es_index_ids_free(struct es_index_ids *ids)
{
    if (ids == NULL)
        return;
    if (ids->fd >= 0)
        close(ids->fd);
    for (size_t i = 0; i < ids->n_slots; i++) {
        free(ids->slots[i].index);
        free(ids->slots[i].id);
    }
    free(ids->slots);
    cdc_buf_free(&ids->pending);
    free(ids->path);
    free(ids);
}
