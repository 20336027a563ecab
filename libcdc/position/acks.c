/* SPDX-License-Identifier: MIT */
/* Acknowledgements: the smallest position of all sinks, read from their offset files. The files are the whole
 * protocol between a source and its sinks: no socket, nothing that has to be running. Of
 *
 *   cdc-sink-sqlite.offset   "pos":"0000000016B374D8.FFFFFFFFFF.1"
 *   cdc-sink-http.offset     "pos":"0000000016B37000.FFFFFFFFFF.1"
 *
 * the second counts: the database keeps its log from there on, for the slower sink. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cdc/file.h>
#include <cdc/json.h>
#include <cdc/offset.h>

struct ack {
    char *path;
    struct timespec changed; /* of the file when it was read */
    ino_t inode;
    struct cdc_offset offset; /* pos NULL: none yet */
};

struct cdc_acks {
    char *name, *dir;
    struct ack *acks;
    size_t count;
    char **others; /* offset files in dir that are of sources */
    size_t n_others;
};

/* A path stays in the list once it was seen, even if its file goes: a sink whose file was removed has no position, so
 * nothing is confirmed any more, which is safe. Forgetting it would confirm what it has not stored. */
static int add_path(struct cdc_acks *acks, const char *path)
{
    for (size_t i = 0; i < acks->count; i++)
        if (strcmp(acks->acks[i].path, path) == 0)
            return 0;
    struct ack *grown = realloc(acks->acks, (acks->count + 1) * sizeof *grown);
    if (grown == NULL)
        return -1;
    acks->acks = grown;
    memset(&grown[acks->count], 0, sizeof *grown);
    if ((grown[acks->count].path = strdup(path)) == NULL)
        return -1;
    acks->count++;
    return 0;
}

struct cdc_acks *cdc_acks_new(const char *name, const char *const *files, size_t n, const char *state_dir,
                              struct cdc_error *error)
{
    struct cdc_acks *acks = calloc(1, sizeof *acks);
    bool ok = acks != NULL && (acks->name = strdup(name)) != NULL;

    if (ok && state_dir != NULL)
        ok = (acks->dir = strdup(state_dir)) != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = add_path(acks, files[i]) == 0;
    if (!ok) {
        cdc_acks_free(acks);
        cdc_error_memory(error);
        return NULL;
    }
    return acks;
}

void cdc_acks_free(struct cdc_acks *acks)
{
    if (acks == NULL)
        return;
    for (size_t i = 0; i < acks->count; i++) {
        cdc_offset_free(&acks->acks[i].offset);
        free(acks->acks[i].path);
    }
    for (size_t i = 0; i < acks->n_others; i++)
        free(acks->others[i]);
    free(acks->others);
    free(acks->acks);
    free(acks->name);
    free(acks->dir);
    free(acks);
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static bool is_known(const struct cdc_acks *acks, const char *path)
{
    for (size_t i = 0; i < acks->count; i++)
        if (strcmp(acks->acks[i].path, path) == 0)
            return true;
    for (size_t i = 0; i < acks->n_others; i++)
        if (strcmp(acks->others[i], path) == 0)
            return true;
    return false;
}

/* Read once: a file stays the tool's that made it (offset.c), and a source replaces its own five times a second. */
static int add_other(struct cdc_acks *acks, const char *path)
{
    char **grown = realloc(acks->others, (acks->n_others + 1) * sizeof *grown);
    if (grown == NULL)
        return -1;
    acks->others = grown;
    if ((grown[acks->n_others] = strdup(path)) == NULL)
        return -1;
    acks->n_others++;
    return 0;
}

/* What cdc-log appends is stored as well; what it reads is a source. */
static bool is_sink(const char *tool)
{
    return strncmp(tool, "cdc-sink-", 9) == 0 || strcmp(tool, "cdc-log-append") == 0;
}

/* The folder holds the offset files of all tools of the pipeline: what the source itself or a snapshot has is no ack. Whose
 * a file is stands in it, since --offset-file gives it any name: with two sinks of one kind,
 *
 *   cdc-sink-http.offset, search.offset     "tool":"cdc-sink-http"     both count
 *   pg-cdc-shop.offset                      "tool":"pg-cdc"            does not */
static int consider(struct cdc_acks *acks, const char *path, struct cdc_error *error)
{
    char *tool;

    if (is_known(acks, path))
        return 0;
    int found = cdc_offset_read_tool(path, &tool, error);
    if (found <= 0)
        return found; /* gone since the folder was read */
    int added = is_sink(tool) ? add_path(acks, path) : add_other(acks, path);
    free(tool);
    return added == 0 ? 0 : cdc_error_memory(error);
}

static int unreadable(const struct cdc_acks *acks, struct cdc_error *error)
{
    return cdc_error_set(error, cdc_file_exit(errno), "unable to read state folder \"%s\": %s", acks->dir,
                         strerror(errno));
}

/* Sinks that came up since: their files are looked for at every read. */
static int scan_folder(struct cdc_acks *acks, struct cdc_error *error)
{
    DIR *folder = opendir(acks->dir);
    struct dirent *item;
    int result = 0;

    if (folder == NULL)
        return errno == ENOENT ? 0 : unreadable(acks, error);
    while (result == 0 && (errno = 0, item = readdir(folder)) != NULL) {
        char path[4096];
        if (!ends_in(item->d_name, ".offset"))
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", acks->dir, item->d_name) >= sizeof path)
            result = cdc_error_set(error, CDC_EXIT_CONFIG, "state folder \"%s\": the path is too long", acks->dir);
        else
            result = consider(acks, path, error);
    }
    /* A sink that is not seen would lose what is confirmed without it. */
    if (result == 0 && errno != 0)
        result = unreadable(acks, error);
    closedir(folder);
    return result;
}

static int read_one(struct cdc_acks *acks, struct ack *ack, struct cdc_error *error)
{
    struct stat status;
    struct cdc_offset fresh;

    if (stat(ack->path, &status) != 0) {
        if (errno != ENOENT)
            return cdc_error_set(error, cdc_file_exit(errno), "unable to look at \"%s\": %s", ack->path,
                                 strerror(errno));
        cdc_offset_free(&ack->offset);
        ack->inode = 0;
        return 0;
    }
    /* Files are replaced, never changed in place: a new one has a new inode or time. */
    /* An inode may be used again, and two files may be written within one tick of the file system's clock. Should
     * both happen at once, we go on with an older position: too small, so that the database keeps a little more log
     * than it must, until the next save. */
    if (ack->inode == status.st_ino && ack->changed.tv_sec == status.st_mtim.tv_sec &&
        ack->changed.tv_nsec == status.st_mtim.tv_nsec)
        return 0;
    /* Read without its lock, which the sink holds: rename makes sure that it is one whole file, the old or the new
     * one. */
    int found = cdc_offset_read(ack->path, acks->name, &fresh, error);
    if (found < 0)
        return -1;
    cdc_offset_free(&ack->offset);
    if (found == 1)
        ack->offset = fresh;
    ack->inode = status.st_ino;
    ack->changed = status.st_mtim;
    return 0;
}

/* A list of files is complete only when each has a position: a sink that has not begun yet would lose what is confirmed
 * without it. */
int cdc_acks_read(struct cdc_acks *acks, const struct cdc_offset **offset, struct cdc_error *error)
{
    const struct cdc_offset *smallest = NULL;
    bool complete = true;

    *offset = NULL;
    if (acks->dir != NULL && scan_folder(acks, error) != 0)
        return -1;
    for (size_t i = 0; i < acks->count; i++) {
        if (read_one(acks, &acks->acks[i], error) != 0)
            return -1;
        const struct cdc_offset *one = &acks->acks[i].offset;
        if (one->pos == NULL)
            complete = false;
        /* Positions sort as text, whatever the database (cdc/pos.h). */
        else if (smallest == NULL || strcmp(one->pos, smallest->pos) < 0)
            smallest = one;
    }
    *offset = complete ? smallest : NULL;
    return 0;
}

int cdc_acks_passed(struct cdc_acks *acks, const char *pos, struct cdc_error *error)
{
    const struct cdc_offset *acked = NULL;

    if (pos == NULL || acks == NULL)
        return pos != NULL;
    if (cdc_acks_read(acks, &acked, error) != 0)
        return -1;
    return acked != NULL && strcmp(acked->pos, pos) >= 0;
}

size_t cdc_acks_count(const struct cdc_acks *acks)
{
    return acks->count;
}

const struct cdc_offset *cdc_acks_offset(const struct cdc_acks *acks, size_t index)
{
    return acks->acks[index].offset.pos != NULL ? &acks->acks[index].offset : NULL;
}

const char *cdc_acks_path(const struct cdc_acks *acks, size_t index)
{
    return acks->acks[index].path;
}

char *cdc_acks_list(const struct cdc_acks *acks)
{
    struct cdc_buf json = CDC_BUF_INIT;

    cdc_buf_byte(&json, '[');
    for (size_t i = 0; i < acks->count; i++) {
        cdc_buf_text(&json, i > 0 ? "," : "");
        cdc_json_append_text(&json, acks->acks[i].path, strlen(acks->acks[i].path));
    }
    cdc_buf_append(&json, "]", 2);
    if (!json.failed)
        return json.data;
    cdc_buf_free(&json);
    return NULL;
}

static bool list_has(const char *list, const char *path)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    bool found = false;

    cdc_json_iter_begin(&iter, cdc_span_text(list));
    while (!found && cdc_json_next_element(&iter, &value)) {
        struct cdc_span raw = cdc_json_string_raw(value);
        found = raw.p != NULL && cdc_json_raw_is(raw, cdc_span_text(path));
    }
    return found;
}

bool cdc_acks_have_other(const struct cdc_acks *acks, const char *list)
{
    for (size_t i = 0; acks != NULL && i < acks->count; i++)
        if (!list_has(list, acks->acks[i].path))
            return true;
    return false;
}
