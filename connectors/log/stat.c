/* SPDX-License-Identifier: MIT */
/* What a log has, and where its readers are. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "connectors/log/file/index.h"
#include "connectors/log/file/place.h"
#include "connectors/log/log.h"
#include <cdc/findings.h>
#include <cdc/json.h>

static uint64_t size_of(const struct log_folder *folder, enum log_kind kind, uint64_t byte)
{
    char name[LOG_NAME_SIZE];
    struct stat file;

    return fstatat(folder->fd, log_name_make(name, kind, byte), &file, AT_SYMLINK_NOFOLLOW) == 0
               ? (uint64_t)file.st_size
               : 0;
}

static uint64_t size_on_disk(const struct log_folder *folder)
{
    static const enum log_kind kinds[] = {LOG_PLAIN, LOG_PACKED, LOG_INDEX, LOG_SALTS, LOG_SCHEMAS};
    uint64_t bytes = 0;

    for (size_t i = 0; i < folder->n; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            bytes += size_of(folder, kinds[k], folder->segments[i].start);
    for (size_t i = 0; i < folder->n_bases; i++)
        bytes += size_of(folder, LOG_BASE, folder->bases[i]);
    return bytes;
}

static void append_counts(const struct log_folder *folder, uint64_t end, struct cdc_buf *out)
{
    size_t sealed = 0, packed = 0;

    for (size_t i = 0; i < folder->n; i++) {
        sealed += folder->segments[i].sealed;
        packed += folder->segments[i].packed;
    }
    cdc_buf_printf(out,
                   "{\"id\":\"%s\",\"begin\":%" PRIu64 ",\"end\":%" PRIu64
                   ",\"segments\":%zu,\"sealed\":%zu,\"compressed\":%zu,\"disk_bytes\":%" PRIu64
                   ",\"redactable\":%s,\"writer\":%s,\"bases\":[",
                   folder->id, log_folder_begin(folder), end, folder->n, sealed, packed, size_on_disk(folder),
                   folder->redactable ? "true" : "false", folder->written ? "true" : "false");
    for (size_t i = 0; i < folder->n_bases; i++)
        cdc_buf_printf(out, "%s%" PRIu64, i > 0 ? "," : "", folder->bases[i]);
    cdc_buf_byte(out, ']');
}

static int append_sources(const struct log_folder *folder, uint64_t end, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span at;
    int found = log_find_positions(folder, end, &text, &at, error);

    cdc_buf_lit(out, ",\"sources\":");
    if (found >= 0)
        cdc_buf_span(out, at);
    cdc_buf_free(&text);
    return found < 0 ? -1 : 0;
}

static int append_reader(const struct log_folder *folder, uint64_t end, const char *file, bool first,
                         struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_offset offset = {.pos = NULL};
    char *path = NULL;
    uint64_t byte = log_folder_begin(folder);

    if (asprintf(&path, "%s/readers/%s", folder->path, file) < 0)
        return cdc_error_memory(error);
    int found = cdc_offset_read(path, LOG_READ_NAME, &offset, error);
    free(path);
    if (found < 0)
        return -1;
    if (found > 0)
        (void)log_pos_parse(offset.pos, &byte);
    cdc_offset_free(&offset);
    if (!first)
        cdc_buf_byte(out, ',');
    cdc_json_append_text(out, file, strlen(file) - strlen(".offset"));
    cdc_buf_printf(out, ":{\"byte\":%" PRIu64 ",\"lag_bytes\":%" PRIu64 "}", byte, end > byte ? end - byte : 0);
    return 0;
}

static int append_readers(const struct log_folder *folder, uint64_t end, struct cdc_buf *out, struct cdc_error *error)
{
    char *path = NULL;
    const char *name;
    bool first = true;
    int result = 0, more;

    if (asprintf(&path, "%s/readers", folder->path) < 0)
        return cdc_error_memory(error);
    DIR *dir = opendir(path);
    cdc_buf_lit(out, ",\"readers\":{");
    if (dir == NULL && errno != ENOENT)
        result = log_file_error(folder, "read", "readers", error);
    while (dir != NULL && result == 0 && (more = log_folder_next(folder, dir, &name, error)) != 0) {
        size_t n = more > 0 ? strlen(name) : 0;
        result = more < 0 ? -1 : 0;
        if (n <= 7 || strcmp(name + n - 7, ".offset") != 0)
            continue;
        result = append_reader(folder, end, name, first, out, error);
        first = false;
    }
    cdc_buf_byte(out, '}');
    if (dir != NULL)
        closedir(dir);
    free(path);
    return result;
}

/* Its end is what a reader may have now: what a crash has left behind that is none of it. */
static int stat_folder(struct log_folder *folder, struct cdc_buf *out, struct cdc_error *error)
{
    uint64_t end, head;

    if (log_folder_list(folder, error) != 0 || log_folder_limit(folder, &end, &head, error) != 0)
        return -1;
    append_counts(folder, end, out);
    if (append_sources(folder, end, out, error) != 0 || append_readers(folder, end, out, error) != 0)
        return -1;
    cdc_buf_byte(out, '}');
    return 0;
}

static void as_text(struct cdc_buf *out, struct cdc_span object)
{
    struct cdc_json_iter iter, inner;
    struct cdc_span name, value, key;

    cdc_json_iter_begin(&iter, object);
    while (cdc_json_next_member(&iter, &name, &value)) {
        cdc_buf_span(out, name);
        if (cdc_json_type(value) != CDC_JSON_OBJECT) {
            cdc_buf_byte(out, ' ');
            cdc_buf_span(out, cdc_json_type(value) == CDC_JSON_STRING ? cdc_json_string_raw(value) : value);
        }
        cdc_buf_byte(out, '\n');
        cdc_json_iter_begin(&inner, value);
        while (cdc_json_next_member(&inner, &key, &value)) {
            cdc_buf_lit(out, "  ");
            cdc_buf_span(out, key);
            cdc_buf_byte(out, ' ');
            cdc_buf_span(out, value);
            cdc_buf_byte(out, '\n');
        }
    }
}

int log_stat(const char *path, bool json, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf object = CDC_BUF_INIT;
    struct log_folder folder;
    int result = log_folder_open(&folder, path, error) == 0 ? stat_folder(&folder, &object, error) : -1;

    if (result == 0 && object.failed)
        result = cdc_error_memory(error);
    if (result == 0 && json) {
        cdc_buf_append_buf(out, &object);
        cdc_buf_byte(out, '\n');
    } else if (result == 0) {
        as_text(out, cdc_span(object.data, object.len));
    }
    cdc_buf_free(&object);
    log_folder_close(&folder);
    return result;
}
