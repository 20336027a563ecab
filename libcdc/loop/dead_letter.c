/* SPDX-License-Identifier: MIT */
/* Refused lines, kept for a person to look at, one JSON object each:
 *
 *   {"reason":"at byte offset 512 of the input: bad JSON at byte 17 ...","line":"{\"op\":\"c\", ..."}
 *
 * The offset moves past a refused line, so it never comes again: this file is then the only place that has it. Where it must not be seen
 * (redacted), "line" is null, and "of" says which one it was, in the form of an event without its row. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcdc/loop/internal.h"
#include <cdc/file.h>
#include <cdc/json.h>

struct dead_letter {
    int fd;
    char *path;
    struct cdc_buf buf;
    bool dirty;
};

static const char begin[] = "{\"reason\":";
#define BEGIN_N (sizeof begin - 1)
#define LOOK_MS 10
#define LOCKED_MS 5000

static int io_error(const struct dead_letter *file, struct cdc_error *error)
{
    return cdc_error_set(error, cdc_file_exit(errno), "unable to write dead-letter file \"%s\": %s", file->path,
                         strerror(errno));
}

/* The letters would be lost in a file that is replaced (an offset file), and would damage a database. */
static int refuse_foreign(const struct dead_letter *file, struct cdc_error *error)
{
    char head[BEGIN_N];
    ssize_t n = pread(file->fd, head, sizeof head, 0);

    if (n < 0)
        return io_error(file, error);
    if (memcmp(head, begin, (size_t)n) == 0) /* also of a letter that was torn early */
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is not empty, and no dead-letter file", file->path);
    return cdc_error_hint(error, "name a file that is not there yet, or one that has dead letters only");
}

/* A disk that is full, or a kill, may leave a letter without its end. Its line was not passed over, since the offset moves
 * after the sync only: it comes again, and what is there of it goes. Anything else that has no LF at its end, which
 * somebody else wrote, gets one: so does a letter where another sink has the file open, which may be writing it. */
static int repair_end(struct dead_letter *file, bool alone, struct cdc_error *error)
{
    char head[BEGIN_N];
    off_t size = lseek(file->fd, 0, SEEK_END), end = size < 0 ? -1 : cdc_file_last_line_end(file->fd, size);
    ssize_t n = end < 0 ? -1 : pread(file->fd, head, sizeof head, end);

    if (n < 0)
        return io_error(file, error);
    if (end == size)
        return 0;
    bool ours = alone && n == (ssize_t)sizeof head && memcmp(head, begin, sizeof head) == 0;
    if (ours ? ftruncate(file->fd, end) != 0 : cdc_file_write(file->fd, "\n", 1) != 0)
        return io_error(file, error);
    return 0;
}

/* Each sink that has the file open shares its lock; one that is alone with it has it to itself while it looks at the end. */
static int share(struct dead_letter *file, struct cdc_error *error)
{
    for (int waited = 0; flock(file->fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK; waited += LOOK_MS) {
        if (waited >= LOCKED_MS)
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "dead-letter file \"%s\" is locked by another process",
                                 file->path);
        (void)poll(NULL, 0, LOOK_MS);
    }
    return 0;
}

static int open_file(struct dead_letter *file, struct cdc_error *error)
{
    /* Appended to: lines of earlier runs are still somebody's work. 0600, as it holds rows. */
    file->fd = cdc_file_open(file->path, O_RDWR | O_CREAT | O_APPEND, 0600, "dead-letter file", error);
    if (file->fd < 0)
        return -1;
    /* The folder too: a file that is new would be gone after a power cut, with what the offset has passed over. */
    if (cdc_file_sync_folder(file->path) != 0)
        return io_error(file, error);
    bool alone = flock(file->fd, LOCK_EX | LOCK_NB) == 0;
    return refuse_foreign(file, error) == 0 && repair_end(file, alone, error) == 0 ? share(file, error) : -1;
}

/* Whoever has worked through the letters may remove their file while we run: the next ones go into a new one. Those that
 * went with it before they were durable come again, since the offset has not passed over them. */
static int check_removed(const struct dead_letter *file, const struct stat *ours, struct cdc_error *error)
{
    if (ours->st_nlink > 0 || !file->dirty)
        return 0;
    cdc_error_set(error, CDC_EXIT_IO, "dead-letter file \"%s\" was removed with lines that are not stored yet",
                  file->path);
    return cdc_error_hint(error, "start again: they come again");
}

/* Or rename it, as logrotate does. Those that are in it stay there; the next ones go where the user looks for them. */
static int follow_path(struct dead_letter *file, struct cdc_error *error)
{
    struct stat ours, named;

    if (fstat(file->fd, &ours) != 0)
        return io_error(file, error);
    bool same = stat(file->path, &named) == 0 && named.st_dev == ours.st_dev && named.st_ino == ours.st_ino;
    if (same && ours.st_nlink > 0)
        return 0;
    if (check_removed(file, &ours, error) != 0)
        return -1;
    if (file->dirty && fsync(file->fd) != 0)
        return io_error(file, error);
    file->dirty = false;
    close(file->fd);
    return open_file(file, error);
}

int dead_letter_open(struct dead_letter **result, const char *path, struct cdc_error *error)
{
    *result = NULL;
    if (path == NULL)
        return 0;
    struct dead_letter *file = calloc(1, sizeof *file);
    if (file == NULL || (file->path = strdup(path)) == NULL) {
        free(file);
        return cdc_error_memory(error);
    }
    if (open_file(file, error) == 0)
        return *result = file, 0;
    dead_letter_close(file);
    return -1;
}

/* Another one that has the file open may have left a part of a letter since, where the disk was full: ours must not be on its line.
 * 1, 0, -1. */
static int is_torn(const struct dead_letter *file, struct cdc_error *error)
{
    off_t size = lseek(file->fd, 0, SEEK_END);
    char last = '\n';

    return size < 0 || (size > 0 && pread(file->fd, &last, 1, size - 1) < 0) ? io_error(file, error) : last != '\n';
}

/* After a line feed, which is written where it is needed. */
static void begin_letter(struct dead_letter *file, const char *reason)
{
    file->buf.len = 0;
    cdc_buf_lit(&file->buf, "\n{\"reason\":");
    cdc_json_append_message(&file->buf, reason);
    cdc_buf_lit(&file->buf, ",\"line\":");
}

static int end_letter(struct dead_letter *file, struct cdc_error *error)
{
    cdc_buf_lit(&file->buf, "}\n");
    if (file->buf.failed)
        return cdc_error_memory(error);
    if (follow_path(file, error) != 0)
        return -1;
    int torn = is_torn(file, error);
    if (torn < 0)
        return -1;
    size_t from = torn ? 0 : 1;
    /* Written at once, so that `tail -f` shows it; durable with dead_letter_sync, once for a whole delivery. */
    if (cdc_file_write(file->fd, file->buf.data + from, file->buf.len - from) != 0)
        return io_error(file, error);
    file->dirty = true;
    return 0;
}

int dead_letter_write(struct dead_letter *file, struct cdc_span line, const char *reason, struct cdc_error *error)
{
    if (file == NULL)
        return 0;
    begin_letter(file, reason);
    /* Longer than --max-line: its bytes were passed over and are gone. */
    if (line.p == NULL)
        cdc_buf_lit(&file->buf, "null");
    else
        cdc_json_append_text(&file->buf, line.p, line.n);
    return end_letter(file, error);
}

/* Which line it was, for who may look at the source. */
static void append_names(struct cdc_buf *out, const struct cdc_event *event)
{
    const struct {
        const char *name;
        struct cdc_span raw;
    } members[] = {{"name", event->name}, {"db", event->db}, {"schema", event->schema}, {"table", event->table}};
    bool first = true;

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (members[i].raw.p != NULL) {
            cdc_buf_printf(out, "%s\"%s\":\"", first ? "" : ",", members[i].name);
            cdc_buf_span(out, members[i].raw);
            cdc_buf_byte(out, '"');
            first = false;
        }
}

int dead_letter_write_redacted(struct dead_letter *file, struct cdc_span line, const char *reason,
                               struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_error ignored = {0};

    if (file == NULL)
        return 0;
    begin_letter(file, reason);
    cdc_buf_lit(&file->buf, "null");
    if (line.p != NULL && cdc_event_parse(&event, line.p, line.n, &ignored) == 0 && event.op != CDC_OP_UNKNOWN &&
        event.pos.p != NULL) {
        cdc_buf_lit(&file->buf, ",\"of\":{\"op\":\"");
        cdc_buf_span(&file->buf, event.op_text);
        cdc_buf_lit(&file->buf, "\",\"pos\":\"");
        cdc_buf_span(&file->buf, event.pos);
        cdc_buf_lit(&file->buf, "\",\"source\":{");
        append_names(&file->buf, &event);
        cdc_buf_lit(&file->buf, "}}");
    }
    return end_letter(file, error);
}

int dead_letter_sync(struct dead_letter *file, struct cdc_error *error)
{
    struct stat ours;

    if (file == NULL || !file->dirty)
        return 0;
    if (fstat(file->fd, &ours) != 0 || fsync(file->fd) != 0)
        return io_error(file, error);
    if (check_removed(file, &ours, error) != 0)
        return -1;
    file->dirty = false;
    return 0;
}

void dead_letter_close(struct dead_letter *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    cdc_buf_free(&file->buf);
    free(file->path);
    free(file);
}
