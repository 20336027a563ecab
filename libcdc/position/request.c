/* SPDX-License-Identifier: MIT */
/* Requests to read tables again. Two change the file: cdc-snapshot --again adds, the stream takes out what its mark has. Each reads it,
 * and replaces it, with the lock beside it held, or one of them would undo what the other did:
 *
 *   stream          reads {a}, saves the mark a
 *   cdc-snapshot                                reads {a}, writes {a, b}
 *   stream          takes out a: {b}, and not the whole file */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/json.h>
#include <cdc/request.h>
#include <cdc/retry.h>

enum { LARGEST = 1 << 28, WAIT_MS = 5000, STEP_MS = 20 };

/* DIR/cdc-snapshot-NAME and suffix, in place of that of an offset file. */
static char *path_with(const char *state_dir, const char *name, const char *suffix)
{
    char *offset = cdc_state_path(state_dir, "cdc-snapshot", name);
    size_t n = offset != NULL ? strlen(offset) - strlen(".offset") : 0, size = n + strlen(suffix) + 1;
    char *path = offset != NULL ? malloc(size) : NULL;

    if (path != NULL)
        snprintf(path, size, "%.*s%s", (int)n, offset, suffix);
    free(offset);
    return path;
}

char *cdc_request_path(const char *state_dir, const char *name)
{
    return path_with(state_dir, name, ".again");
}

/* -- the lock -- */

static int in_use(const char *path, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "\"%s\" is locked by another process", path);
    return cdc_error_hint(error, "start the same command again");
}

/* wait: for a while; else TEMPORARY at once. The descriptor, to be closed; or -1. */
static int lock(const char *state_dir, const char *name, bool wait, struct cdc_error *error)
{
    char *path = path_with(state_dir, name, ".again.lock");
    int64_t end = cdc_clock_ms() + (wait ? WAIT_MS : 0);

    if (path == NULL)
        return cdc_error_memory(error);
    int fd = cdc_file_open(path, O_RDWR | O_CREAT, 0600, "lock file", error);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool held = errno == EWOULDBLOCK || errno == EINTR;
        if (held && cdc_clock_ms() < end) {
            (void)poll(NULL, 0, STEP_MS);
            continue;
        }
        if (held)
            in_use(path, error);
        else
            cdc_error_set(error, CDC_EXIT_IO, "unable to lock \"%s\": %s", path, strerror(errno));
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

/* -- the file -- */

static int damaged(const char *path, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is damaged, or of a newer version", path);
    return cdc_error_hint(error, "remove it, and ask again (cdc-snapshot --again)");
}

static int parse(struct cdc_stale *asked, const struct cdc_buf *text, const char *path, struct cdc_error *error)
{
    struct cdc_span object = {text->data, text->len};
    struct cdc_error ignored = {0};
    int64_t format = 0;

    if (text->len == 0 || cdc_json_validate(text->data, text->len, &ignored) != 0 ||
        cdc_json_type(object) != CDC_JSON_OBJECT || !cdc_json_int64(cdc_json_member(object, "format"), &format) ||
        format != 1)
        return damaged(path, error);
    if (cdc_stale_read(asked, object, error) == 0)
        return 0;
    return error->status == CDC_EXIT_CONFIG ? damaged(path, error) : -1;
}

/* 1: there is one; 0; -1. */
static int read_text(struct cdc_buf *text, const char *path, struct cdc_error *error)
{
    struct cdc_error failed = {0};
    int fd = cdc_file_open(path, O_RDONLY, 0, "file", &failed);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0) {
        *error = failed;
        return -1;
    }
    for (;;) {
        char block[4096];
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            cdc_error_set(error, CDC_EXIT_IO, "unable to read \"%s\": %s", path, strerror(errno));
        if (n > 0)
            cdc_buf_append(text, block, (size_t)n);
        if (n > 0 && !text->failed && text->len < LARGEST)
            continue;
        close(fd);
        return n < 0 ? -1 : text->failed ? cdc_error_memory(error) : 1;
    }
}

static int read_at(struct cdc_stale *asked, const char *path, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    int found = read_text(&text, path, error);

    cdc_stale_clear(asked);
    if (found > 0)
        found = parse(asked, &text, path, error);
    cdc_buf_free(&text);
    return found < 0 ? -1 : 0;
}

int cdc_request_read(struct cdc_stale *asked, const char *state_dir, const char *name, struct cdc_error *error)
{
    char *path = cdc_request_path(state_dir, name);
    int result = path != NULL ? read_at(asked, path, error) : cdc_error_memory(error);

    free(path);
    return result;
}

static int write_at(const struct cdc_stale *asked, const char *path, const char *name, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    char nowhere[] = "-"; /* the stream decides */
    struct cdc_stale placed = *asked;

    placed.at = nowhere;
    cdc_buf_lit(&text, "{\"format\":1,\"name\":");
    cdc_json_append_text(&text, name, strlen(name));
    cdc_stale_append(&text, &placed);
    cdc_buf_lit(&text, "}\n");
    int result = text.failed ? cdc_error_memory(error) : cdc_file_replace(path, text.data, text.len, 0600, true, error);
    cdc_buf_free(&text);
    return result;
}

static int remove_file(const char *path, struct cdc_error *error)
{
    if ((unlink(path) != 0 && errno != ENOENT) || cdc_file_sync_folder(path) != 0)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to remove \"%s\": %s", path, strerror(errno));
    return 0;
}

/* -- what is asked for -- */

static void write_why(char *why, size_t size)
{
    int64_t now = cdc_clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    char at[32];
    struct tm tm;

    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
    snprintf(why, size, "asked for at %s.%03dZ", at, (int)(now % 1000));
}

/* What is asked for now counts, with its own time; then all else that was asked for before. */
static int add_all(struct cdc_stale *all, const struct cdc_stale *tables, const char *why, struct cdc_error *error)
{
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        if (cdc_stale_add(all, table->db, table->schema, table->table, why != NULL ? why : table->why, error) != 0)
            return -1;
    }
    return 0;
}

int cdc_request_add(const char *state_dir, const char *name, const struct cdc_stale *tables, struct cdc_error *error)
{
    struct cdc_stale before = {.at = NULL}, all = {.at = NULL};
    char why[64], *path = cdc_request_path(state_dir, name);
    int fd = path != NULL ? lock(state_dir, name, true, error) : cdc_error_memory(error);
    int result = fd < 0 ? -1 : read_at(&before, path, error);

    write_why(why, sizeof why);
    if (result == 0)
        result = add_all(&all, tables, why, error);
    if (result == 0)
        result = add_all(&all, &before, NULL, error);
    if (result == 0)
        result = write_at(&all, path, name, error);
    if (fd >= 0)
        close(fd);
    cdc_stale_clear(&before);
    cdc_stale_clear(&all);
    free(path);
    return result;
}

static int keep_others(struct cdc_stale *kept, const struct cdc_stale *now, const struct cdc_stale *asked,
                       struct cdc_error *error)
{
    for (size_t i = 0; i < now->n; i++) {
        const struct cdc_stale_table *table = &now->tables[i];
        const struct cdc_stale_table *done = cdc_stale_find(asked, table->db, table->schema, table->table);
        if (done != NULL && strcmp(done->why, table->why) == 0)
            continue;
        if (cdc_stale_add(kept, table->db, table->schema, table->table, table->why, error) != 0)
            return -1;
    }
    return 0;
}

int cdc_request_settle(const struct cdc_stale *asked, const char *state_dir, const char *name, struct cdc_error *error)
{
    struct cdc_stale now = {.at = NULL}, kept = {.at = NULL};
    struct cdc_error held = {0};

    if (asked->n == 0)
        return 0;
    int fd = lock(state_dir, name, false, &held);
    if (fd < 0 && held.status == CDC_EXIT_TEMPORARY)
        return 0;
    if (fd < 0) {
        *error = held;
        return -1;
    }
    char *path = cdc_request_path(state_dir, name);
    int result = path == NULL ? cdc_error_memory(error) : read_at(&now, path, error);
    if (result == 0)
        result = keep_others(&kept, &now, asked, error);
    if (result == 0 && kept.n < now.n)
        result = kept.n > 0 ? write_at(&kept, path, name, error) : remove_file(path, error);
    close(fd);
    cdc_stale_clear(&now);
    cdc_stale_clear(&kept);
    free(path);
    return result;
}
