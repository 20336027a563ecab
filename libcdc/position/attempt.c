/* SPDX-License-Identifier: MIT */
/* One try at the rows of the tables, and what of it must survive a crash. What the next start finds after a kill
 *
 *   before cdc_attempt_begin is saved    the old number: no line has the new one yet
 *   while rows are written               "attempt":3, no "written": attempt 4 begins at the first row
 *   after the last commit was written    "written":"...": no further attempt, only the sinks are waited for
 *   after the sinks have stored it       "finished":true, or the acks say so: nothing is left to do */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/attempt.h>
#include <cdc/json.h>

void cdc_attempt_clear(struct cdc_attempt *attempt)
{
    free(attempt->written);
    *attempt = (struct cdc_attempt){.written = NULL};
}

bool cdc_attempt_read(struct cdc_attempt *attempt, struct cdc_span state)
{
    struct cdc_span number = cdc_json_member(state, "attempt");
    int64_t value = 0;

    cdc_attempt_clear(attempt);
    attempt->finished = cdc_span_is(cdc_json_member(state, "finished"), "true");
    struct cdc_span written = cdc_json_member_raw(state, "written");
    attempt->written = cdc_json_member_text(state, "written");
    if (written.p != NULL && attempt->written == NULL)
        return false;
    /* Not taken for 0: with the numbers of an older attempt, new lines would look like duplicates, and the sinks
     * would drop them. */
    if (number.p != NULL && (!cdc_json_int64(number, &value) || value < 0 || value > (int64_t)CDC_ATTEMPT_MAX))
        return false;
    attempt->number = (unsigned)value;
    (void)cdc_json_member_copy(state, "output", attempt->output, sizeof attempt->output);
    return true;
}

void cdc_attempt_append(struct cdc_buf *out, const struct cdc_attempt *attempt)
{
    if (attempt->written != NULL) {
        cdc_buf_lit(out, ",\"written\":");
        cdc_json_append_text(out, attempt->written, strlen(attempt->written));
        if (attempt->output[0] != '\0')
            cdc_buf_printf(out, ",\"output\":\"%s\"", attempt->output);
    }
    cdc_buf_text(out, attempt->finished ? ",\"finished\":true}" : ",\"finished\":false}");
}

int cdc_attempt_begin(struct cdc_attempt *attempt, const char *name, const char *hint, struct cdc_error *error)
{
    if (attempt->number >= CDC_ATTEMPT_MAX) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%u attempts at the snapshot of \"%s\" have failed", attempt->number,
                      name);
        return cdc_error_hint(error, "%s", hint);
    }
    /* What the attempt before has written is not complete without this one's rows: it counts no more. */
    attempt->number++;
    free(attempt->written);
    attempt->written = NULL;
    return 0;
}

/* An anonymous one is "pipe:[1234]" or "socket:[1234]"; where that cannot be read, it may have a name. */
static bool may_have_name(int fd)
{
    char path[32], target[16];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof target);
    return n < 8 || (memcmp(target, "pipe:[", 6) != 0 && memcmp(target, "socket:[", 8) != 0);
}

/* When a process began, in ticks since the machine did: the 22nd field of its stat, of which the second, the name in brackets,
 * may hold anything. 0: not known. */
static unsigned long long started(pid_t pid)
{
    char path[32], text[1024];
    unsigned long long ticks = 0;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    for (int field = 2; p != NULL && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p != NULL)
        ticks = strtoull(p + 1, NULL, 10);
    return ticks;
}

static void name_output(int fd, pid_t opener, char output[CDC_OUTPUT_SIZE])
{
    struct stat file;

    output[0] = '\0';
    if (fd < 0 || fstat(fd, &file) != 0 || !(S_ISFIFO(file.st_mode) || S_ISSOCK(file.st_mode)))
        return;
    int n = snprintf(output, CDC_OUTPUT_SIZE, "%" PRIx64 ":%" PRIx64, (uint64_t)file.st_dev, (uint64_t)file.st_ino);
    if (may_have_name(fd))
        (void)snprintf(output + n, CDC_OUTPUT_SIZE - (size_t)n, ":%ld:%llu", (long)opener, started(opener));
}

void cdc_attempt_output(int fd, char output[CDC_OUTPUT_SIZE])
{
    name_output(fd, getppid(), output);
}

bool cdc_attempt_is_output(const char *output, int fd)
{
    char by_parent[CDC_OUTPUT_SIZE], by_us[CDC_OUTPUT_SIZE];

    name_output(fd, getppid(), by_parent);
    name_output(fd, getpid(), by_us);
    return strcmp(output, by_parent) == 0 || strcmp(output, by_us) == 0;
}

int cdc_attempt_end(struct cdc_attempt *attempt, const char *pos, int output_fd, const struct cdc_acks *acks,
                    struct cdc_error *error)
{
    /* Nobody to wait for: with --ack=stdout, written is stored, wherever the reader puts it. */
    cdc_attempt_output(acks != NULL ? output_fd : -1, attempt->output);
    free(attempt->written);
    attempt->written = strdup(pos);
    attempt->finished = acks == NULL;
    return attempt->written != NULL ? 0 : cdc_error_memory(error);
}

int cdc_attempt_check(struct cdc_attempt *attempt, struct cdc_acks *acks, const struct cdc_offset *kept,
                      const char *name, const struct cdc_log *log, struct cdc_error *error)
{
    const struct cdc_offset *ignored;

    if (attempt->finished) {
        cdc_log_write(log, CDC_LOG_INFO, "the snapshot of \"%s\" is finished already", name);
        return 1;
    }
    if (acks != NULL &&
        (cdc_acks_read(acks, &ignored, error) != 0 || cdc_acks_check_origin(acks, name, kept, error) != 0))
        return -1;
    int stored = cdc_acks_passed(acks, attempt->written, error);
    if (stored <= 0)
        return stored;
    attempt->finished = true;
    cdc_log_write(log, CDC_LOG_INFO, "the snapshot of \"%s\" is stored and finished", name);
    return 2;
}

int cdc_attempt_save(const struct cdc_attempt *attempt, struct cdc_offset_file *offsets, const char *name,
                     const struct cdc_offset *kept, struct cdc_error *error)
{
    struct cdc_offset offset = *kept;

    offset.seq = (int64_t)attempt->origin;
    /* Until all is written, kept->pos stands, which is before the first row: whoever starts a stream meanwhile sees
     * that a snapshot was begun, and refuses (start.c). */
    if (attempt->written != NULL)
        offset.pos = attempt->written;
    return cdc_offset_file_set(offsets, name, &offset, error) == 0 ? cdc_offset_file_save(offsets, error) : -1;
}

int cdc_attempt_check_sinks(struct cdc_acks *acks, const char *sinks, const char *kept_pos, struct cdc_error *error)
{
    const struct cdc_offset *acked;

    if (cdc_acks_read(acks, &acked, error) != 0)
        return -1;
    /* A sink that was set back to a backup says so when it begins: a moment after us. */
    if (acked != NULL && strcmp(acked->pos, kept_pos) >= 0 && !cdc_acks_have_other(acks, sinks))
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "a sink has come, or was set back, that has not the rows which an attempt before has read");
    cdc_error_hint(error, "the snapshot begins again");
    return 1;
}
