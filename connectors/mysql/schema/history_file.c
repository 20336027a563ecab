/* SPDX-License-Identifier: MIT */
/* The history's file: a line of JSON for the whole, one for each table and time, and one with a checksum of those before:
 *   {"format":1,"tool":"mysql-binlog","name":"p","id":"...","generation":3,"server":"...","number":7,"file":"b.1","position":4}
 *   {"db":"d","table":"t","from":[5,0],"end":[7,1],"columns":[["id","int(11)",null,2]]}
 *   {"db":"d","table":"t","from":[7,1],"derived":true,"columns":[["id","int(11)",null,2],["added"]]}
 *   {"crc32":123456789} */
#include "connectors/mysql/schema/internal.h"

#include <cdc/file.h>
#include <cdc/json.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define FORMAT 1
#define FILE_MAX_BYTES ((size_t)64 << 20) /* far above any real one */

char *my_history_state(struct my_history *history)
{
    if (!history->path || !history->begun)
        return NULL;
    snprintf(history->state, sizeof history->state, "{\"schema\":\"%016llx.%llu\"}", (unsigned long long)history->id,
             (unsigned long long)history->generation);
    return history->state;
}

/* -- writing ------------------------------------------------------------------------------ */

static void append_text(struct cdc_buf *out, const char *name, const char *value)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, value, strlen(value));
}

static void append_number(struct cdc_buf *out, const char *name, uint64_t value)
{
    cdc_buf_text(out, name);
    cdc_buf_u64(out, value);
}

static void append_point(struct cdc_buf *out, const char *name, struct my_point point)
{
    append_number(out, name, point.number);
    append_number(out, ",", point.statements);
    cdc_buf_byte(out, ']');
}

static void append_all(const struct my_history *history, const struct my_history_synced *synced, struct cdc_buf *out)
{
    cdc_buf_printf(out, "{\"format\":%d,\"tool\":\"mysql-binlog\"", FORMAT);
    append_text(out, ",\"name\":", history->name);
    cdc_buf_printf(out, ",\"id\":\"%016llx\"", (unsigned long long)history->id);
    append_number(out, ",\"generation\":", history->generation);
    append_text(out, ",\"server\":", history->server);
    append_number(out, ",\"number\":", synced->number);
    append_text(out, ",\"file\":", synced->coord.file);
    append_number(out, ",\"position\":", synced->coord.position);
    cdc_buf_lit(out, "}\n");
    for (size_t i = 0; i < history->n; i++) {
        const struct my_version *version = &history->versions[i];
        append_text(out, "{\"db\":", version->db);
        append_text(out, ",\"table\":", version->table);
        append_point(out, ",\"from\":[", version->from);
        if (version->ended)
            append_point(out, ",\"end\":[", version->end);
        if (version->derived)
            cdc_buf_lit(out, ",\"derived\":true");
        cdc_buf_lit(out, ",\"columns\":");
        cdc_buf_span(out, version->columns);
        cdc_buf_lit(out, "}\n");
    }
    /* The file is replaced as a whole, so this finds disks that lie and hands that edited, not torn writes. */
    uLong sum = out->failed ? 0 : crc32_z(0, (const Bytef *)out->data, out->len);
    append_number(out, "{\"crc32\":", sum);
    cdc_buf_lit(out, "}\n");
}

/* -- reading ------------------------------------------------------------------------------- */

static int damaged(const struct my_history *history, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "file \"%s\" is not usable: %s", history->path, why);
    return cdc_error_hint(error,
                          "restore it from a backup with the offset file, or remove it: then the log alone tells "
                          "which columns its tables had");
}

static int read_whole(const struct my_history *history, int fd, struct cdc_buf *text, struct cdc_error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to read \"%s\": %s", history->path, strerror(errno));
    if (!S_ISREG(status.st_mode) || (size_t)status.st_size > FILE_MAX_BYTES)
        return damaged(history, "it is no regular file of a sensible size", error);
    if (!cdc_buf_room(text, (size_t)status.st_size + 1))
        return cdc_error_memory(error);
    for (ssize_t n = 1; n > 0 && text->len < (size_t)status.st_size; text->len += (size_t)n) {
        n = read(fd, text->data + text->len, (size_t)status.st_size - text->len);
        if (n < 0 && errno != EINTR)
            return cdc_error_set(error, CDC_EXIT_IO, "unable to read \"%s\": %s", history->path, strerror(errno));
        n = n < 0 ? 0 : n;
    }
    return 0;
}

/* 1, 0: there is none, or -1. */
static int read_file(const struct my_history *history, struct cdc_buf *text, struct cdc_error *error)
{
    int fd = cdc_file_open(history->path, O_RDONLY, 0, "file of columns", error);
    if (fd < 0 && errno == ENOENT) {
        cdc_error_clear(error);
        return 0;
    }
    if (fd < 0)
        return -1;
    int result = read_whole(history, fd, text, error);
    close(fd);
    return result == 0 ? 1 : -1;
}

static bool take_number(struct cdc_span object, const char *name, uint64_t *value)
{
    int64_t number = -1;
    *value = 0;
    if (!cdc_json_int64(cdc_json_member(object, name), &number) || number < 0)
        return false;
    *value = (uint64_t)number;
    return true;
}

static bool take_point(struct cdc_span object, const char *name, struct my_point *point)
{
    struct cdc_json_iter iter;
    struct cdc_span value = cdc_json_member(object, name), part;
    int64_t numbers[2] = {-1, -1};
    if (cdc_json_type(value) != CDC_JSON_ARRAY)
        return false;
    cdc_json_iter_begin(&iter, value);
    for (int i = 0; i < 2; i++)
        if (!cdc_json_next_element(&iter, &part) || !cdc_json_int64(part, &numbers[i]) || numbers[i] < 0)
            return false;
    *point = (struct my_point){(uint64_t)numbers[0], (uint64_t)numbers[1]};
    return true;
}

/* The next line without its LF; false at the end. */
static bool next_line(struct cdc_span *rest, struct cdc_span *line)
{
    const char *lf = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    if (!lf)
        return false;
    *line = cdc_span(rest->p, (size_t)(lf - rest->p));
    *rest = cdc_span(lf + 1, rest->n - line->n - 1);
    return true;
}

/* Every line is whole, and the last one has the checksum of the others: rest becomes those. */
static bool is_whole(struct cdc_span *rest)
{
    struct cdc_error ignored = {0};
    struct cdc_span left = *rest, line = {NULL, 0};
    uint64_t sum;
    const char *last = NULL;
    while (next_line(&left, &line)) {
        last = line.p;
        if (cdc_json_validate(line.p, line.n, &ignored) < 0)
            return false;
    }
    if (!last || left.n > 0 || !take_number(line, "crc32", &sum))
        return false;
    *rest = cdc_span(rest->p, (size_t)(last - rest->p));
    return crc32_z(0, (const Bytef *)rest->p, rest->n) == sum;
}

static int take_version(struct my_history *history, struct cdc_span line, struct cdc_error *error)
{
    struct my_point from, end = {0, 0};
    errno = 0;
    char *db = cdc_json_member_text(line, "db"), *table = cdc_json_member_text(line, "table");
    struct cdc_span columns = cdc_json_member(line, "columns");
    bool ended = cdc_json_member(line, "end").p != NULL;
    int result = 0;
    if (!db || !table || cdc_json_type(columns) != CDC_JSON_ARRAY || !take_point(line, "from", &from) ||
        (ended && !take_point(line, "end", &end))) {
        result = errno == ENOMEM ? cdc_error_memory(error) : damaged(history, "a line of it lacks something", error);
    } else {
        struct my_version *version = my_history_new_version(history, db, table, columns);
        if (version) {
            version->from = from;
            version->end = end;
            version->ended = ended;
            version->derived = cdc_json_member(line, "derived").p != NULL;
        } else {
            result = cdc_error_memory(error);
        }
    }
    free(db);
    free(table);
    return result;
}

/* "ID.GENERATION" */
static bool token_fits(struct cdc_span token, struct cdc_span head, uint64_t generation)
{
    struct cdc_span id = cdc_json_member_raw(head, "id");
    char digits[24] = "";
    if (!id.p || id.n != 16 || token.n <= 17 || token.n - 17 >= sizeof digits || token.p[16] != '.' ||
        memcmp(id.p, token.p, 16) != 0)
        return false;
    memcpy(digits, token.p + 17, token.n - 17);
    /* The history is saved before the offset file. Killed between the two, the token is one generation behind, and
     * the newer file holds all the same: what it knows of later statements ends later. An older file than the token
     * lacks statements that were read, and is not taken. */
    return strtoull(digits, NULL, 10) <= generation;
}

static int take_head(struct my_history *history, const char *server, struct cdc_span token, struct cdc_span head,
                     struct my_history_synced *synced, struct cdc_error *error)
{
    uint64_t format;
    bool fits = cdc_json_member_copy(head, "file", synced->coord.file, sizeof synced->coord.file);
    if (!take_number(head, "format", &format) || !cdc_json_member_is(head, "tool", "mysql-binlog"))
        return damaged(history, "it is of another kind", error);
    if (format != FORMAT)
        return damaged(history, "it has another format version; a newer program wrote it", error);
    if (!cdc_json_member_is(head, "name", history->name))
        return damaged(history, "it belongs to another pipeline", error);
    if (!fits || !take_number(head, "generation", &history->generation) ||
        !take_number(head, "number", &synced->number) || !take_number(head, "position", &synced->coord.position))
        return damaged(history, "its first line lacks something", error);
    if (!cdc_json_member_is(head, "server", server) || !token_fits(token, head, history->generation))
        return 0;
    history->id = strtoull(cdc_json_member_raw(head, "id").p, NULL, 16);
    snprintf(history->server, sizeof history->server, "%s", server);
    return 1;
}

static int take_file(struct my_history *history, const char *server, struct cdc_span token, struct cdc_span text,
                     struct my_history_synced *synced, struct cdc_error *error)
{
    struct cdc_span line;
    if (!is_whole(&text) || !next_line(&text, &line))
        return damaged(history, "its checksum is wrong", error);
    int result = take_head(history, server, token, line, synced, error);
    while (result > 0 && next_line(&text, &line))
        if (take_version(history, line, error) < 0)
            result = -1;
    history->begun = history->is_ours = result > 0;
    return result;
}

int my_history_load(struct my_history *history, const char *server, struct cdc_span token,
                    struct my_history_synced *synced, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    int result = history->path ? read_file(history, &text, error) : 0;
    memset(synced, 0, sizeof *synced);
    if (result > 0)
        result = take_file(history, server, token, cdc_span(text.data, text.len), synced, error);
    cdc_buf_free(&text);
    return result;
}

/* -- loading and saving ------------------------------------------------------------------ */

/* A file that was not taken may be anybody's. */
static int check_ours(struct my_history *history, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct my_history_synced synced = {0};
    struct cdc_span all, head;
    int result = read_file(history, &text, error);
    if (result > 0) {
        /* take_head sets it from the file, which is about to be replaced. */
        uint64_t generation = history->generation;
        all = cdc_span(text.data, text.len);
        result = is_whole(&all) && next_line(&all, &head)
                     ? take_head(history, history->server, cdc_span(NULL, 0), head, &synced, error)
                     : damaged(history, "its checksum is wrong", error);
        history->generation = generation;
    }
    cdc_buf_free(&text);
    history->is_ours = result >= 0;
    return result < 0 ? -1 : 0;
}

int my_history_save(struct my_history *history, const struct my_history_synced *synced, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    if (!history->changed || !history->path)
        return 0;
    if (!history->is_ours && check_ours(history, error) < 0)
        return -1;
    history->generation++;
    append_all(history, synced, &text);
    int result =
        text.failed ? cdc_error_memory(error) : cdc_file_replace(history->path, text.data, text.len, 0600, true, error);
    cdc_buf_free(&text);
    if (result == 0)
        history->changed = false;
    return result;
}
