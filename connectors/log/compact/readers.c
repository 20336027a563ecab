/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/log/compact/readers.h"
#include <cdc/json.h>

#define SUFFIX ".offset"
#define MOST ((size_t)16 << 20) /* of an offset file */

void log_readers_free(struct log_readers *readers)
{
    for (size_t i = 0; i < readers->n; i++)
        free(readers->items[i].name);
    free(readers->items);
    *readers = (struct log_readers){NULL, 0};
}

static int damaged(const struct log_folder *folder, const char *name, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s/readers/%s\" is no offset file of a reader", folder->path, name);
    return cdc_error_hint(error, "remove it where that reader is given up: the log is kept for it");
}

static int read_file(int folder, const char *name, struct cdc_buf *out)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd >= 0 ? 1 : -1;

    out->len = 0;
    while (n > 0 && out->len < MOST && cdc_buf_room(out, 4096)) {
        n = read(fd, out->data + out->len, out->cap - out->len);
        out->len += n > 0 ? (size_t)n : 0;
        if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (fd >= 0)
        close(fd);
    return n < 0 ? -1 : 0;
}

/* pos is the byte, in 20 digits; "" before the first one. */
static bool take_pos(struct cdc_span raw, uint64_t *byte)
{
    char text[LOG_DIGITS + 8];

    if (raw.p == NULL || raw.n == 0) {
        *byte = 0;
        return raw.p != NULL;
    }
    if (raw.n != LOG_DIGITS)
        return false;
    snprintf(text, sizeof text, "%.*s.idx", LOG_DIGITS, raw.p);
    return log_name_parse(text, byte) == LOG_INDEX;
}

/* The least of its positions. */
static bool take_offsets(struct cdc_span text, uint64_t *byte)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool any = false;

    *byte = 0;
    if (cdc_json_validate(text.p, text.n, NULL) != 0 ||
        cdc_json_type(cdc_json_member(text, "offsets")) == CDC_JSON_NONE)
        return false;
    cdc_json_iter_begin(&iter, cdc_json_member(text, "offsets"));
    while (cdc_json_next_member(&iter, &name, &value)) {
        uint64_t one;
        if (!take_pos(cdc_json_member_raw(value, "pos"), &one))
            return false;
        *byte = !any || one < *byte ? one : *byte;
        any = true;
    }
    return true;
}

static int add(struct log_readers *readers, const char *name, uint64_t byte, struct cdc_error *error)
{
    struct log_reader *larger = realloc(readers->items, (readers->n + 1) * sizeof *larger);

    if (larger == NULL)
        return cdc_error_memory(error);
    readers->items = larger;
    char *copy = strndup(name, strlen(name) - strlen(SUFFIX));
    if (copy == NULL)
        return cdc_error_memory(error);
    readers->items[readers->n++] = (struct log_reader){copy, byte};
    return 0;
}

static int take(struct log_readers *readers, const struct log_folder *folder, int fd, const char *name,
                struct cdc_buf *text, struct cdc_error *error)
{
    size_t n = strlen(name), suffix = strlen(SUFFIX);
    uint64_t byte;

    if (n <= suffix || strcmp(name + n - suffix, SUFFIX) != 0)
        return 0;
    if (read_file(fd, name, text) != 0)
        return errno == ENOENT ? 0 : log_file_error(folder, "read the offset files of", "readers", error);
    if (text->failed)
        return cdc_error_memory(error);
    if (!take_offsets(cdc_span(text->data, text->len), &byte))
        return damaged(folder, name, error);
    return add(readers, name, byte, error);
}

static int by_byte(const void *a, const void *b)
{
    const struct log_reader *one = a, *other = b;

    if (one->byte != other->byte)
        return one->byte < other->byte ? -1 : 1;
    return strcmp(one->name, other->name);
}

int log_readers_list(struct log_readers *readers, const struct log_folder *folder, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    char path[PATH_MAX];
    const char *name;
    int result = 0, more;

    *readers = (struct log_readers){NULL, 0};
    if ((size_t)snprintf(path, sizeof path, "%s/readers", folder->path) >= sizeof path)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the path of the log is too long");
    DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT ? 0 : log_file_error(folder, "read", "readers", error);
    while (result == 0 && (more = log_folder_next(folder, dir, &name, error)) != 0)
        result = more < 0 ? -1 : take(readers, folder, dirfd(dir), name, &text, error);
    closedir(dir);
    cdc_buf_free(&text);
    if (readers->n > 1)
        qsort(readers->items, readers->n, sizeof *readers->items, by_byte);
    return result;
}
