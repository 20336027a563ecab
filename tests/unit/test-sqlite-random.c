/* SPDX-License-Identifier: MIT */
/* Random changes of random tables: after each run, SQLite's tables hold the rows that a source would hold. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "connectors/sqlite/sqlite.h"
#include "tests/unit/failing-calls.h"
#include "tests/unit/random-source.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* -- runs -------------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[4][64];
    static unsigned next;
    char *one = path[next++ % 4];
    snprintf(one, sizeof path[0], "%s/%s", dir, name);
    return one;
}

static void deliver(const char *on_error)
{
    struct cdc_error error = {0};
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_log log = {0};
    char path[64];
    int fd = open(path_of("input"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, input.data, input.len) == (ssize_t)input.len && lseek(fd, 0, SEEK_SET) == 0, "lines");
    snprintf(path, sizeof path, "%s", path_of("db"));
    struct lite_settings settings = {path, "{table}", {NULL, 0}, &log, &control, 0};
    struct cdc_sink_settings loop = {.input_fd = fd,
                                     .max_line = 1 << 20,
                                     .batch_events = 1 + below(30),
                                     .batch_ms = 100000,
                                     .on_error = on_error,
                                     .tool = "cdc-sink-sqlite"};
    struct cdc_offset_file *offsets = cdc_offset_file_open(path_of("db.offset"), "cdc-sink-sqlite", &error);
    struct lite_sink *sink = offsets != NULL ? lite_sink_open(&settings, &error) : NULL;
    check(sink != NULL && lite_sink_sync_offsets(sink, offsets, &error) == 0 &&
              cdc_sink_run(&lite_sink_ops, sink, &loop, offsets, &control, &log, &error) == 0,
          error.text[0] != '\0' ? error.text : "a run");
    lite_sink_free(sink);
    cdc_offset_file_free(offsets);
    close(fd);
}

static void append_table(struct cdc_buf *out, sqlite3 *db, const char *table)
{
    char *lines[64], sql[64];
    size_t n = 0;
    sqlite3_stmt *statement = NULL;
    snprintf(sql, sizeof sql, "SELECT a, b, v, w FROM \"%s\"", table);
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql);
    while (statement != NULL && n < 64 && sqlite3_step(statement) == SQLITE_ROW) {
        const char *text[N_COLUMNS];
        for (int i = 0; i < N_COLUMNS; i++) {
            text[i] = (const char *)sqlite3_column_text(statement, i);
            text[i] = text[i] != NULL ? text[i] : "~";
        }
        if (asprintf(&lines[n], "%s|%s|%s|%s", text[0], text[1], text[2], text[3]) >= 0)
            n++;
    }
    sqlite3_finalize(statement);
    append_sorted(out, lines, n);
}

static bool is_same(unsigned run)
{
    sqlite3 *db = NULL;
    bool all = true;
    check(sqlite3_open_v2(path_of("db"), &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, "the database is opened");
    for (int kind = 0; kind < KINDS; kind++) {
        struct cdc_buf wanted = CDC_BUF_INIT, found = CDC_BUF_INIT;
        append_model(&wanted, (enum kind)kind);
        append_table(&found, db, tables[kind]);
        bool same = cdc_span_equal(cdc_span(wanted.data, wanted.len), cdc_span(found.data, found.len));
        if (!same)
            printf("not ok - run %u, table %s, wanted\n%.*sfound\n%.*slines\n%.*s", run, tables[kind], (int)wanted.len,
                   wanted.data, (int)found.len, found.data, (int)input.len, input.data);
        all &= same;
        cdc_buf_free(&wanted);
        cdc_buf_free(&found);
    }
    sqlite3_close(db);
    return all;
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    disk_is_slow = true;
    unsigned run = 0;
    begin_lines(100);
    for (; run < 200 && failures == 0; run++) {
        /* Now and then, the lines of the runs before come again. */
        if (below(3) > 0)
            begin_lines(transaction);
        append_changes();
        deliver(below(2) == 0 ? "stop" : "skip");
        failures += !is_same(run);
    }
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    cdc_buf_free(&input);
    if (failures == 0)
        printf("ok - SQLite: %u runs of random changes\n", run);
    return failures != 0;
}
