/* SPDX-License-Identifier: MIT */
/* The operations of the source loop. Lines pass by the block, and are looked at only where the run ends within a batch. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "connectors/log/read/internal.h"
#include <cdc/event.h>
#include <cdc/retry.h>

/* -- opening ------------------------------------------------------------------------- */

static int set_until(struct log_read *read, struct cdc_error *error)
{
    const char *until = read->settings->until;

    read->exact = read->settings->max_events > 0;
    if (until != NULL && strcmp(until, "now") != 0) {
        if (!read_is_time(until, &read->until_ms))
            read->until_pos = until;
        read->exact = true;
    }
    (void)error;
    return 0;
}

struct log_read *log_read_open(const struct log_read_settings *settings, struct cdc_error *error)
{
    struct log_read *read = calloc(1, sizeof *read);

    if (read == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    read->settings = settings;
    read->watch = -1;
    read->known = cdc_offset_file_memory("cdc-log-read", error);
    bool good = read->known != NULL && log_folder_open(&read->folder, settings->path, error) == 0 &&
                set_until(read, error) == 0;
    if (good && settings->acks)
        good = (read->relay = cdc_relay_new(settings->ack_files, settings->n_ack_files, settings->state_dir, error)) !=
               NULL;
    if (good)
        return read;
    log_read_close(read);
    return NULL;
}

static void disconnect(void *source)
{
    struct log_read *read = source;

    if (read->open)
        log_cursor_close(&read->cursor);
    read->open = false;
    log_base_close(read->base);
    read->base = NULL;
    if (read->watch >= 0)
        close(read->watch);
    read->watch = -1;
}

void log_read_close(void *source)
{
    struct log_read *read = source;

    if (read == NULL)
        return;
    disconnect(read);
    log_folder_close(&read->folder);
    cdc_relay_free(read->relay);
    cdc_offset_file_free(read->known);
    cdc_offset_free(&read->boundary);
    cdc_buf_free(&read->schemas);
    cdc_buf_free(&read->state);
    cdc_buf_free(&read->at);
    free(read);
}

/* -- how far -------------------------------------------------------------------------- */

/* 0; -1: what was stored once is not there. */
static int look_at_limit(struct log_read *read, struct cdc_error *error)
{
    uint64_t head;

    if (log_folder_check_there(&read->folder, error) != 0 ||
        log_folder_limit(&read->folder, &read->limit, &head, error) != 0)
        return -1;
    if (read->open)
        log_cursor_limit(&read->cursor, read->limit);
    if (read->head < head)
        read->head = head;
    return 0;
}

/* No writer lives, all is read, and the log ends before what it once had. Where the reader ends is not where the log does: more may have
 * come since it began, and its writer may have ended. */
static int check_end(struct log_read *read, struct cdc_error *error)
{
    if (read->folder.written || read->cursor.at >= read->head)
        return 0;
    if (look_at_limit(read, error) != 0)
        return -1;
    if (read->folder.written || read->limit >= read->head)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the log \"%s\" ends at byte %llu, and was stored up to byte %llu",
                  read->folder.path, (unsigned long long)read->limit, (unsigned long long)read->head);
    return cdc_error_hint(
        error, "in a copy that was made while the log was written, remove the file \"head\"; else it is damaged");
}

static bool has_place(const struct cdc_offset *kept)
{
    return kept != NULL && kept->pos[0] != '\0';
}

/* A registered reader that is new holds all of the log until it is known where it begins, and with a base until that is stored. */
static int hold_all(struct log_read *read, struct cdc_error *error)
{
    struct cdc_offset_file *offsets = read->settings->offsets;
    char none[] = "";
    const struct cdc_offset nowhere = {.pos = none};

    if (!read->settings->registered || has_place(cdc_offset_file_get(offsets, LOG_READ_NAME)))
        return 0;
    if (cdc_offset_file_set(offsets, LOG_READ_NAME, &nowhere, error) != 0 || cdc_offset_file_save(offsets, error) != 0)
        return -1;
    log_moment_pass(&read->folder);
    return 0;
}

/* One that was refused is none. */
static void give_up_hold(struct log_read *read)
{
    struct cdc_offset_file *offsets = read->settings->offsets;

    if (read->settings->registered && !has_place(cdc_offset_file_get(offsets, LOG_READ_NAME)))
        cdc_offset_file_withdraw(offsets);
}

/* The place where this run began holds retention from now on. */
static int register_start(struct log_read *read, uint64_t byte, struct cdc_error *error)
{
    struct cdc_offset_file *offsets = read->settings->offsets;
    const struct cdc_offset *kept = cdc_offset_file_get(offsets, LOG_READ_NAME);
    unsigned char chain[LOG_HASH];
    char pos[LOG_DIGITS + 1];

    if (!read->settings->registered || has_place(kept))
        return 0;
    int found = log_chain_at(&read->folder, byte, chain, error);
    if (found < 0)
        return -1;
    read->state.len = 0;
    log_state_append(&read->state, read->folder.id, chain);
    cdc_buf_byte(&read->state, '\0');
    log_pos_make(pos, byte);
    const struct cdc_offset place = {.pos = pos, .seq = (int64_t)byte, .state = read->state.data};
    if (read->state.failed)
        return cdc_error_memory(error);
    return cdc_offset_file_set(offsets, LOG_READ_NAME, &place, error) == 0 ? cdc_offset_file_save(offsets, error) : -1;
}

/* The positions where it begins: what changes after them is of this run. */
static int know_start(struct log_read *read, uint64_t byte, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit commit;
    static const unsigned char none[LOG_HASH];
    int found = byte > 0 ? log_find_byte(&read->folder, byte - 1, &text, &commit, error) : 0;

    if (found == 1 && commit.end == byte)
        found = read_note_place(read, byte, commit.at, none, true, error);
    cdc_buf_free(&text);
    cdc_offset_free(&read->boundary);
    return found < 0 ? -1 : 0;
}

#define BASE_TRIES 10

/* The base may be replaced by a newer one between the two looks: then that is opened. */
static int open_base(struct log_read *read, uint64_t *byte, struct cdc_error *error)
{
    for (int i = 1;; i++) {
        struct cdc_error why = {0};
        read->base = log_base_open(&read->folder, *byte, &why);
        if (read->base != NULL)
            return 0;
        if (why.status != CDC_EXIT_LOST || i == BASE_TRIES) {
            *error = why;
            return -1;
        }
        if (log_folder_list(&read->folder, error) != 0)
            return -1;
        *byte = read->folder.n_bases > 0 ? read->folder.bases[read->folder.n_bases - 1] : *byte;
    }
}

/* A source describes each table before its first row of a run: what was said before the place is said again. */
static int take_schemas(struct log_read *read, uint64_t byte, struct cdc_error *error)
{
    struct log_schemas schemas = {.items = NULL};
    int result = log_schemas_before(&schemas, &read->folder, byte, error);

    read->schemas.len = 0;
    log_schemas_append(&read->schemas, &schemas);
    log_schemas_free(&schemas);
    return result == 0 && read->schemas.failed ? cdc_error_memory(error) : result;
}

static int begin(struct log_read *read, const struct cdc_offset *from, struct cdc_error *error)
{
    uint64_t byte;
    bool base;

    if (log_folder_list(&read->folder, error) != 0 || look_at_limit(read, error) != 0 ||
        read_find_start(read, from, &byte, &base, error) != 0)
        return -1;
    read->end =
        read->settings->follow || read->until_pos != NULL || read->until_ms != 0 ? UINT64_MAX : read_log_end(read);
    if (base && (open_base(read, &byte, error) != 0 || read_check_base(read, error) != 0))
        return -1;
    if (log_cursor_open(&read->cursor, &read->folder, byte, error) != 0)
        return -1;
    read->open = true;
    log_cursor_limit(&read->cursor, read->limit);
    if (know_start(read, byte, error) != 0 || (!base && take_schemas(read, byte, error) != 0) ||
        (!base && register_start(read, byte, error) != 0))
        return -1;
    /* Only a hint: without it, the loop asks every 100 ms all the same. */
    read->watch = read->settings->follow ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
    if (read->watch >= 0)
        (void)inotify_add_watch(read->watch, read->settings->path, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
    cdc_log_write(read->settings->log, CDC_LOG_INFO, "reading \"%s\" from byte %llu%s", read->folder.path,
                  (unsigned long long)byte, base ? ", after the base before it" : "");
    return 0;
}

#define BEGIN_TRIES 10

/* Retention may remove lines while it is looked where to begin, and nothing was given out yet: then that is looked for again. What was found
 * may be after lines that were meant, as segments that go meanwhile are passed over. */
static bool has_moved(const struct log_read *read)
{
    uint64_t begin;

    return log_begin_read(&read->folder, &begin, NULL) == 0 && begin > log_folder_begin(&read->folder);
}

static int connect_op(void *source, const struct cdc_offset *from, struct cdc_error *error)
{
    struct log_read *read = source;

    if (hold_all(read, error) != 0)
        return -1;
    for (int i = 1;; i++) {
        struct cdc_error why = {0};
        bool found = begin(read, from, &why) == 0;
        bool again = (found ? !read->settings->registered && !has_place(from) : why.status == CDC_EXIT_LOST) &&
                     i < BEGIN_TRIES && has_moved(read);
        if (found && !again)
            return 0;
        disconnect(read);
        if (again)
            continue;
        give_up_hold(read);
        *error = why;
        return -1;
    }
}

/* -- reading -------------------------------------------------------------------------- */

static int read_base(struct log_read *read, struct cdc_buf *out, struct cdc_error *error)
{
    int more = log_base_read(read->base, out, error);
    unsigned char chain[LOG_HASH];

    read->inside = more > 0;
    if (more != 0)
        return more;
    const struct log_base *base = log_base_of(read->base);
    int known = log_chain_at(&read->folder, base->end, chain, error);
    if (known == 1)
        known = read_note_place(read, base->end, base->at, chain, false, error);
    log_base_close(read->base);
    read->base = NULL;
    return known < 0 ? -1 : 1;
}

static int end_batch(struct log_read *read, struct cdc_error *error)
{
    read->inside = false;
    return read_note_place(read, read->cursor.at, read->cursor.commit.at, read->cursor.commit.chain, false, error);
}

static int read_block(struct log_read *read, struct cdc_buf *out, struct cdc_error *error)
{
    int got = log_cursor_read(&read->cursor, out, error);

    if (got <= 0)
        return got;
    read->inside = !read->cursor.ended_batch;
    return read->cursor.ended_batch && end_batch(read, error) != 0 ? -1 : 1;
}

/* -- an end within a batch --------------------------------------------------------------- */

static bool is_last(struct log_read *read, const struct cdc_event *event)
{
    bool boundary = event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT;

    if (cdc_event_has_row(event) || event->op == CDC_OP_TRUNCATE || event->op == CDC_OP_MESSAGE)
        read->events++;
    if (!boundary)
        return false;
    return (read->settings->max_events > 0 && read->events >= (uint64_t)read->settings->max_events) ||
           (read->until_pos != NULL && cdc_span_compare(event->pos, cdc_span_text(read->until_pos)) >= 0) ||
           (read->until_ms != 0 && event->ts_ms >= read->until_ms);
}

/* A place between two batches of the journal: the chain is computed. */
static int note_inner_place(struct log_read *read, uint64_t byte, const struct cdc_event *event,
                            struct cdc_error *error)
{
    unsigned char chain[LOG_HASH];
    char *name = event->name.p != NULL ? cdc_json_text(event->name, NULL) : strdup("");
    char *pos = cdc_json_text(event->pos, NULL);
    int result =
        name == NULL || pos == NULL ? cdc_error_memory(error) : log_chain_at(&read->folder, byte, chain, error);

    if (result == 1 && read->relay != NULL)
        result = cdc_relay_passed(read->relay, name, pos, error) == 0 ? 1 : -1;
    if (result == 1)
        result = read_note_place(read, byte, cdc_span(read->at.data, read->at.len), chain, false, error);
    free(name);
    free(pos);
    return result < 0 ? -1 : 0;
}

static int read_lines(struct log_read *read, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_span line;
    uint64_t at;
    int got = log_cursor_line(&read->cursor, &line, &at, error);

    if (got <= 0)
        return got;
    uint64_t changes = read->events;
    read->inside = true;
    cdc_buf_span(out, line);
    cdc_buf_byte(out, '\n');
    if (cdc_event_parse(&event, line.p, line.n, NULL) == 0)
        read->ended = is_last(read, &event);
    read->settings->metrics->changes += read->events - changes;
    at += line.n + 1;
    if (at == read->cursor.at && read->cursor.ended_batch)
        return end_batch(read, error) == 0 ? 1 : -1;
    if (!read->ended)
        return 1;
    read->inside = false;
    return note_inner_place(read, at, &event, error) == 0 ? 1 : -1;
}

static bool at_end(const struct log_read *read)
{
    return read->ended || (read->base == NULL && read->cursor.at >= read->end && !read->inside);
}

/* The hints themselves say nothing that is not looked at anyway. */
static void drain_watch(const struct log_read *log)
{
    char hints[4096];
    ssize_t n;

    do
        n = log->watch >= 0 ? read(log->watch, hints, sizeof hints) : -1;
    while (n > 0);
}

static enum cdc_source_result read_op(void *source, struct cdc_buf *out, size_t limit, struct cdc_error *error)
{
    struct log_read *read = source;
    size_t before = out->len;
    int got = 1;

    drain_watch(read);
    cdc_buf_append_buf(out, &read->schemas);
    read->schemas.len = 0;
    while (got == 1 && out->len < limit && !at_end(read)) {
        got = read->base != NULL ? read_base(read, out, error)
              : read->exact      ? read_lines(read, out, error)
                                 : read_block(read, out, error);
        if (got == 0 && !read->asked) { /* head may have moved on since */
            read->asked = true;
            got = look_at_limit(read, error) == 0 ? 1 : -1;
        } else if (got != 0) {
            read->asked = false;
        }
    }
    read->settings->metrics->bytes_in += out->len - before;
    if (got < 0)
        return CDC_SOURCE_ERROR;
    if (at_end(read))
        return read->ended || check_end(read, error) == 0 ? CDC_SOURCE_END : CDC_SOURCE_ERROR;
    read->caught_up = got == 0;
    read->asked = false;
    if (got > 0)
        return CDC_SOURCE_MORE;
    if (check_end(read, error) != 0)
        return CDC_SOURCE_ERROR;
    return CDC_SOURCE_IDLE;
}

/* -- the rest --------------------------------------------------------------------------- */

static int descriptor(void *source, short *events)
{
    const struct log_read *read = source;

    *events = read->watch >= 0 ? POLLIN : 0;
    return read->watch;
}

static int tick(void *source, struct cdc_buf *out, bool blocked, struct cdc_error *error)
{
    (void)source, (void)out, (void)blocked, (void)error;
    return 0;
}

static int confirm(void *source, const struct cdc_offset *offset, struct cdc_error *error)
{
    (void)source, (void)offset, (void)error;
    return 0;
}

static const struct cdc_offset *boundary(void *source)
{
    const struct log_read *read = source;
    return read->boundary.pos != NULL ? &read->boundary : NULL;
}

static bool between(void *source)
{
    const struct log_read *read = source;
    return !read->inside;
}

static bool caught_up(void *source)
{
    const struct log_read *read = source;
    return read->caught_up;
}

static int acked(void *source, const struct cdc_offset **offset, struct cdc_error *error)
{
    struct log_read *read = source;
    return cdc_relay_stored(read->relay, offset, error);
}

const struct cdc_source_ops log_read_ops = {.connect = connect_op,
                                            .disconnect = disconnect,
                                            .descriptor = descriptor,
                                            .read = read_op,
                                            .tick = tick,
                                            .confirm = confirm,
                                            .boundary = boundary,
                                            .between = between,
                                            .caught_up = caught_up,
                                            .acked = acked};
