/* SPDX-License-Identifier: MIT */
/* Heads of positions, attempts at a snapshot, and where a source begins. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cdc/attempt.h>
#include <cdc/pos.h>
#include <cdc/start.h>
#include <fcntl.h>

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* -- positions -- */

static void test_pos(void)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t number = 0, ordinal = 0;
    cdc_pos_head(&out, 0x16B374D8, 3);
    cdc_buf_lit(&out, "h00000001");
    cdc_buf_byte(&out, '\0');
    check(!out.failed && strcmp(out.data, "0000000016B374D8.0000000003.h00000001") == 0, "a head is written");
    const char *tail = cdc_pos_parse(out.data, &number, &ordinal);
    check(tail != NULL && strcmp(tail, "h00000001") == 0 && number == 0x16B374D8 && ordinal == 3, "and read");
    /* Every text that is shorter is none; each in memory of its own, so that a sanitizer sees a read beyond it. */
    for (size_t n = 0; n <= 16 + 1 + 10 + 1; n++) {
        char *part = strndup(out.data, n);
        check(part != NULL && cdc_pos_parse(part, &number, &ordinal) == NULL, "a part of a head is no head");
        free(part);
    }
    check(cdc_pos_parse("0000000016b374d8.0000000003.1", &number, &ordinal) == NULL, "lower case is none of ours");
    cdc_buf_free(&out);
}

/* -- attempts -- */

/* Is it finished? One sink is there, after all of it, with a line of server b. */
static int attempt_of(struct cdc_attempt *attempt, const char *source, struct cdc_error *error)
{
    const struct cdc_offset stored = {
        .pos = (char *)(uintptr_t) "pz",
        .source = (char *)(uintptr_t) "{\"connector\":\"mysql\",\"server_uuid\":\"b\",\"gtids\":\"b:1-9\"}"};
    const struct cdc_offset kept = {.pos = attempt->written, .source = (char *)(uintptr_t)source};
    char *path = cdc_state_path(dir, "cdc-sink-a", NULL);
    struct cdc_offset_file *file = cdc_offset_file_open(path, "cdc-sink-a", error);
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, dir, error);
    int result = -2;
    if (file != NULL && acks != NULL && cdc_offset_file_set(file, "shop", &stored, error) == 0 &&
        cdc_offset_file_save(file, error) == 0)
        result = cdc_attempt_check(attempt, acks, &kept, "shop", NULL, error);
    cdc_acks_free(acks);
    cdc_offset_file_free(file);
    unlink(path);
    free(path);
    return result;
}

static void test_attempt(void)
{
    struct cdc_error error = {0};
    struct cdc_attempt attempt = {.origin = 42}, again = {0};
    struct cdc_offset_file *file = cdc_offset_file_memory("t", &error);
    struct cdc_buf state = CDC_BUF_INIT;
    check(cdc_attempt_begin(&attempt, "shop", "", &error) == 0 && attempt.number == 1, "a first attempt");
    check(cdc_attempt_end(&attempt, "p9", -1, NULL, &error) == 0 && attempt.finished,
          "without acks, written is stored");
    cdc_buf_printf(&state, "{\"attempt\":%u", attempt.number);
    cdc_attempt_append(&state, &attempt);
    cdc_buf_byte(&state, '\0');
    check(strcmp(state.data, "{\"attempt\":1,\"written\":\"p9\",\"finished\":true}") == 0, "its state");
    check(cdc_attempt_read(&again, cdc_span_text(state.data)) && again.number == 1 && again.finished &&
              strcmp(again.written, "p9") == 0,
          "is read again");
    struct cdc_offset kept = {.pos = (char *)(uintptr_t) "p0", .state = state.data};
    check(cdc_attempt_save(&attempt, file, "shop", &kept, &error) == 0, "it is saved");
    const struct cdc_offset *saved = cdc_offset_file_get(file, "shop");
    check(saved != NULL && strcmp(saved->pos, "p9") == 0 && saved->seq == 42, "by the pos that was written");
    check(cdc_attempt_check(&again, NULL, &kept, "shop", NULL, &error) == 1, "it was finished before");
    again.finished = false;
    check(attempt_of(&again, "{\"connector\":\"mysql\",\"server_uuid\":\"a\",\"gtids\":\"a:1\"}", &error) < 0 &&
              error.status == CDC_EXIT_CONFIG && strstr(error.text, "has the lines of another server") != NULL,
          "a sink that has another server's lines has stored nothing of ours");
    cdc_error_clear(&error);
    check(!again.finished && attempt_of(&again, NULL, &error) == 2 && again.finished,
          "where the server is not known, it has");
    again.finished = false;
    check(attempt_of(&again, "{\"connector\":\"mysql\",\"server_uuid\":\"b\",\"gtids\":\"b:1\"}", &error) == 2,
          "and where it is the same");
    check(cdc_attempt_begin(&again, "shop", "", &error) == 0 && again.written == NULL && again.number == 2,
          "a further attempt forgets what was written");
    again.number = CDC_ATTEMPT_MAX;
    check(cdc_attempt_begin(&again, "shop", "start anew", &error) < 0 && error.status == CDC_EXIT_CONFIG &&
              strcmp(error.hint, "start anew") == 0,
          "pos has no digits for more");
    check(!cdc_attempt_read(&again, cdc_span_text("{\"attempt\":65536}")), "such a number is damage");
    check(!cdc_attempt_read(&again, cdc_span_text("{\"attempt\":\"1\"}")), "and so is a text");
    cdc_attempt_clear(&attempt);
    cdc_attempt_clear(&again);
    cdc_offset_file_free(file);
    cdc_buf_free(&state);
}

/* -- where a source begins -- */

static void store_source(const char *tool, const char *pos, const char *state, const char *source)
{
    struct cdc_error error = {0};
    bool sink = strncmp(tool, "cdc-sink", 8) == 0;
    char *path = cdc_state_path(dir, tool, sink ? NULL : "shop");
    unlink(path);
    struct cdc_offset_file *file = cdc_offset_file_open(path, tool, &error);
    struct cdc_offset offset = {
        .pos = (char *)(uintptr_t)pos, .state = (char *)(uintptr_t)state, .source = (char *)(uintptr_t)source};
    check(file != NULL && (*pos == '\0' || cdc_offset_file_set(file, "shop", &offset, &error) == 0) &&
              cdc_offset_file_save(file, &error) == 0,
          "an offset file is made");
    cdc_offset_file_free(file);
    free(path);
}

static void store(const char *tool, const char *pos, const char *state)
{
    store_source(tool, pos, state, NULL);
}

static void forget(const char *tool)
{
    char *path = cdc_state_path(dir, tool, strncmp(tool, "cdc-sink", 8) == 0 ? NULL : "shop");
    unlink(path);
    free(path);
}

static int output_fd = -1;   /* of the stream that is to begin */
static size_t sinks_decided; /* of the start that was decided last */
static char source_decided[64];

/* kind: of the start that is decided, or -1; status: of the error then. from: its pos, NULL: none. */
static void decides(const char *own, bool with_acks, int kind, int status, const char *from, const char *what)
{
    struct cdc_error error = {0};
    struct cdc_start start;
    struct cdc_offset offset = {.pos = (char *)(uintptr_t)own, .state = (char *)(uintptr_t) "{\"s\":1}"};
    struct cdc_offset_file *file = cdc_offset_file_memory("pg-cdc", &error);
    struct cdc_acks *acks = with_acks ? cdc_acks_new("shop", NULL, 0, dir, &error) : NULL;
    if (own != NULL)
        check(cdc_offset_file_set(file, "shop", &offset, &error) == 0, "own offset");
    int result = cdc_start_decide(&start, file, acks, dir, "shop", output_fd, &error);
    if (kind < 0)
        check(result < 0 && error.status == status, what);
    else
        check(result == 0 && (int)start.kind == kind &&
                  (from == NULL ? start.from.pos == NULL : start.from.pos != NULL && strcmp(start.from.pos, from) == 0),
              what);
    if (kind == CDC_START_RESUME && own != NULL)
        check(start.from.state != NULL && strcmp(start.from.state, "{\"s\":1}") == 0, "our own state stays");
    sinks_decided = start.sinks;
    snprintf(source_decided, sizeof source_decided, "%s",
             result == 0 && start.from.source != NULL ? start.from.source : "");
    cdc_start_free(&start);
    cdc_acks_free(acks);
    cdc_offset_file_free(file);
}

static void needs_sinks(const char *own, bool expected, const char *what)
{
    struct cdc_error error = {0};
    struct cdc_offset offset = {.pos = (char *)(uintptr_t)own};
    struct cdc_offset_file *file = cdc_offset_file_memory("pg-cdc", &error);
    if (own != NULL)
        check(cdc_offset_file_set(file, "shop", &offset, &error) == 0, "own offset");
    check(cdc_start_needs_sinks(file, dir, "shop", output_fd, &error) == expected, what);
    cdc_offset_file_free(file);
}

static void test_start(void)
{
    decides(NULL, false, CDC_START_FIRST, 0, NULL, "nothing is there: a first start");
    decides(NULL, true, CDC_START_FIRST, 0, NULL, "nor a sink");
    decides("p5", false, CDC_START_RESUME, 0, "p5", "after our own position");
    decides("p5", true, -1, CDC_EXIT_LOST, NULL, "no sink has what was confirmed");
    store("cdc-sink-sqlite", "", NULL);
    decides("p5", true, -1, CDC_EXIT_LOST, NULL, "the sink has no position");
    decides(NULL, true, CDC_START_FIRST, 0, NULL, "a sink without a position, as before the first line");
    store("cdc-sink-sqlite", "p3", NULL);
    decides("p5", true, CDC_START_RESUME, 0, "p3", "the sinks' position, not our own");
    decides(NULL, true, CDC_START_RESUME, 0, "p3", "theirs alone");
    store("cdc-snapshot", "p1", "{\"attempt\":1,\"finished\":false}");
    decides("p5", true, -1, CDC_EXIT_CONFIG, NULL, "a snapshot that is not complete");
    store("cdc-snapshot", "p1", "{\"attempt\":1,\"written\":\"p1\",\"finished\":false}");
    decides(NULL, true, CDC_START_RESUME, 0, "p3", "what is stored counts more than the snapshot");
    forget("cdc-sink-sqlite");
    decides(NULL, true, CDC_START_SNAPSHOT, 0, "p1", "a snapshot, and no sink yet");
    decides(NULL, false, CDC_START_SNAPSHOT, 0, "p1", "a snapshot alone");
    decides("p5", false, CDC_START_RESUME, 0, "p5", "a snapshot, and a run after it");
    forget("cdc-snapshot");
}

/* The pipe of a snapshot's rows may have ended before its sinks had them. */
static void test_output(void)
{
    char state[400], output[CDC_OUTPUT_SIZE], none[CDC_OUTPUT_SIZE];
    int ours[2], other[2], file = open(dir, O_RDONLY | O_CLOEXEC);
    struct cdc_attempt attempt = {.written = NULL};
    struct cdc_error error = {0};
    struct cdc_buf made = CDC_BUF_INIT;

    check(pipe(ours) == 0 && pipe(other) == 0 && file >= 0, "pipes");
    cdc_attempt_output(file, none);
    check(none[0] == '\0', "no pipe");
    check(cdc_attempt_begin(&attempt, "shop", "", &error) == 0, "an attempt");
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, dir, &error);
    check(cdc_attempt_end(&attempt, "p4", ours[1], acks, &error) == 0 && !attempt.finished, "written, not stored");
    cdc_acks_free(acks);
    cdc_attempt_output(ours[1], output);
    check(output[0] != '\0' && strcmp(attempt.output, output) == 0, "the pipe is kept");
    cdc_buf_lit(&made, "{\"attempt\":1");
    cdc_attempt_append(&made, &attempt);
    cdc_buf_byte(&made, '\0');
    snprintf(state, sizeof state, "%s", made.data);
    check(cdc_attempt_read(&attempt, cdc_span_text(state)) && strcmp(attempt.output, output) == 0, "and read again");
    cdc_attempt_clear(&attempt);
    cdc_buf_free(&made);

    store("cdc-snapshot", "p4", state);
    store("cdc-sink-sqlite", "p3", NULL);
    output_fd = other[1];
    decides(NULL, true, -1, CDC_EXIT_TEMPORARY, NULL, "another pipe, and the sink has not all of it");
    decides("p3", true, -1, CDC_EXIT_TEMPORARY, NULL, "a run that has confirmed some of it");
    decides("p5", true, -1, CDC_EXIT_LOST, NULL, "a run that has confirmed all of it, which the sink lacks");
    needs_sinks(NULL, true, "the sinks are to have all of it");
    decides(NULL, false, CDC_START_SNAPSHOT, 0, "p4", "written is stored");
    output_fd = ours[1];
    decides(NULL, true, CDC_START_RESUME, 0, "p3", "the same pipe");
    needs_sinks(NULL, false, "what is in it comes to each sink");
    store_source("cdc-snapshot", "p4", state, "{\"file\":\"b.2\"}");
    store_source("cdc-sink-sqlite", "p3", NULL, "{\"file\":\"b.1\"}");
    decides(NULL, true, CDC_START_RESUME, 0, "p3", "in the pipe is the rest of the rows");
    check(strcmp(source_decided, "{\"file\":\"b.2\"}") == 0, "which the log goes on from");
    store_source("cdc-sink-sqlite", "p5", NULL, "{\"file\":\"b.1\"}");
    decides(NULL, true, CDC_START_RESUME, 0, "p5", "after them");
    check(strcmp(source_decided, "{\"file\":\"b.1\"}") == 0, "the sink has come from there");
    store("cdc-snapshot", "p4", state);
    store("cdc-sink-sqlite", "p3", NULL);
    needs_sinks("p1", true, "but not what was confirmed before");
    output_fd = file;
    decides(NULL, true, -1, CDC_EXIT_TEMPORARY, NULL, "a file");
    store("cdc-snapshot", "p4", "{\"attempt\":-1,\"written\":\"p4\",\"finished\":false}");
    decides(NULL, true, -1, CDC_EXIT_CONFIG, NULL, "a damaged state");
    store("cdc-snapshot", "p4", state);
    output_fd = -1;
    decides(NULL, true, CDC_START_RESUME, 0, "p3", "it is only asked");
    output_fd = other[1];
    store("cdc-sink-sqlite", "p4", NULL);
    decides(NULL, true, CDC_START_RESUME, 0, "p4", "the sink has all of it");
    check(sinks_decided == 1, "and another sink would be one too many");

    char *end = strstr(state, "\"finished\":false");
    check(end != NULL, "the state's end");
    if (end != NULL)
        snprintf(end, sizeof state - (size_t)(end - state), "\"finished\":true}");
    store("cdc-snapshot", "p4", state);
    decides(NULL, true, CDC_START_RESUME, 0, "p4", "finished, by the sink that has it");
    check(sinks_decided == 1, "and by no other");
    store("cdc-sink-http", "", NULL);
    decides(NULL, true, -1, CDC_EXIT_LOST, NULL, "finished, and a second sink has nothing of it");
    forget("cdc-sink-http");
    forget("cdc-sink-sqlite");
    decides(NULL, true, -1, CDC_EXIT_LOST, NULL, "finished, and the sink that had it is gone");
    store("cdc-snapshot", "p4", "{\"attempt\":1,\"written\":\"p4\",\"finished\":true}");
    decides(NULL, true, CDC_START_SNAPSHOT, 0, "p4", "written into a file, which gives it to any sink");
    needs_sinks(NULL, false, "and to those that come");
    forget("cdc-snapshot");
    close(file);
    for (size_t i = 0; i < 2; i++) {
        close(ours[i]);
        close(other[i]);
    }
}

/* In a child process, whose parent we are. */
static bool is_output_in_child(const char *output, int fd)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(cdc_attempt_is_output(output, fd));
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* Of a child process, as cdc-snapshot is one of the shell that becomes pg-cdc. */
static void output_of_child(int fd, char output[CDC_OUTPUT_SIZE])
{
    int ends[2], status;
    check(pipe(ends) == 0, "a pipe");
    pid_t child = fork();
    if (child == 0) {
        cdc_attempt_output(fd, output);
        _exit(write(ends[1], output, CDC_OUTPUT_SIZE) != CDC_OUTPUT_SIZE);
    }
    check(child > 0 && read(ends[0], output, CDC_OUTPUT_SIZE) == CDC_OUTPUT_SIZE && waitpid(child, &status, 0) == child,
          "a child");
    close(ends[0]);
    close(ends[1]);
}

/* Numbers of processes come again: so it has when that one began, too, the 22nd field of its stat. */
static void check_opener(const char *output)
{
    char path[64], wanted[64];
    unsigned long long ticks = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)getppid());
    FILE *file = fopen(path, "r");
    check(file != NULL &&
              fscanf(file,
                     "%*d (%*[^)]) %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                     &ticks) == 1,
          "when our parent began");
    if (file != NULL)
        fclose(file);
    snprintf(wanted, sizeof wanted, ":%ld:%llu", (long)getppid(), ticks);
    size_t n = strlen(wanted), all = strlen(output);
    check(ticks > 0 && all > n && strcmp(output + all - n, wanted) == 0, "is told of a pipe with a name");
}

static void test_named_pipe(void)
{
    char path[64], output[CDC_OUTPUT_SIZE], childs[CDC_OUTPUT_SIZE];
    int unnamed[2];
    snprintf(path, sizeof path, "%s/fifo", dir);
    check(mkfifo(path, 0600) == 0 && pipe(unnamed) == 0, "pipes");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cdc_attempt_output(fd, output);
    check_opener(output);
    output_of_child(fd, childs);
    check(strcmp(output, childs) != 0, "a pipe with a name is told by who has opened it");
    check(cdc_attempt_is_output(output, fd), "a sibling of ours");
    check(cdc_attempt_is_output(childs, fd), "a shell that has become us");
    check(is_output_in_child(childs, fd), "a child after a child");
    check(!is_output_in_child(output, fd), "another one's run, of the same name");
    check(!cdc_attempt_is_output(output, unnamed[1]), "another pipe");
    cdc_attempt_output(unnamed[1], output);
    output_of_child(unnamed[1], childs);
    check(strcmp(output, childs) == 0 && is_output_in_child(output, unnamed[1]), "without a name it is told by itself");
    close(fd);
    close(unnamed[0]);
    close(unnamed[1]);
}

int main(void)
{
    char command[64];
    if (mkdtemp(dir) == NULL)
        return 1;
    test_pos();
    test_attempt();
    test_start();
    test_output();
    test_named_pipe();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - positions, attempts, starts\n");
    return failures != 0;
}
