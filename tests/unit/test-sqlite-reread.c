/* SPDX-License-Identifier: MIT */
/* Random rounds: tables whose rows and columns have changed without lines are read again, in attempts that are broken off and in
 * chunks, between changes that the log has. The sink gets the lines in pieces, from the first one again each time, and is killed
 * at any write. After each run the tables are those of one moment, and the stored position says of which. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connectors/sqlite/sqlite.h"

static int failures;
static char dir[32] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static uint64_t random_state = 11;
static unsigned below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

/* -- a process that is killed at one of its writes ------------------------------------------------ */

static unsigned writes_left; /* 0: it is not */

static void count_write(void)
{
    if (writes_left > 0 && --writes_left == 0)
        kill(getpid(), SIGKILL);
}

/* Syncs are not done: nothing is asked of the disk here. */
int fsync(int fd)
{
    (void)fd;
    count_write();
    return 0;
}
int fdatasync(int fd)
{
    (void)fd;
    count_write();
    return 0;
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    count_write();
    return syscall(SYS_pwrite64, fd, data, n, at);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    count_write();
    return syscall(SYS_pwrite64, fd, data, n, at);
}

/* -- tables --------------------------------------------------------------------------------------- */

#define TABLES 4
#define POOL 6
#define ROWS 9
/* The columns of a table are some of c0 ... c5; the first n_key of them are its key. The last one is text, and always there. */
struct form {
    unsigned n, column[POOL], n_key;
    bool text[POOL];
};
struct content {
    bool there;
    struct form form;
    unsigned n, row[ROWS][POOL]; /* by number of the column in the pool; 0 is null */
};
static struct content source[TABLES], visible[TABLES];
static bool reading[TABLES], stale[TABLES], new_form[TABLES];

static struct form some_form(void)
{
    struct form form = {.n = 0};
    for (unsigned i = 0; i < POOL; i++) {
        form.text[i] = i == POOL - 1 || below(2) == 0;
        if (i == POOL - 1 || below(3) > 0)
            form.column[form.n++] = i;
    }
    /* In any order. */
    for (unsigned i = form.n - 1; i > 0; i--) {
        unsigned j = below(i + 1), column = form.column[i];
        form.column[i] = form.column[j];
        form.column[j] = column;
    }
    form.n_key = below(3);
    if (form.n_key > form.n)
        form.n_key = form.n;
    return form;
}

static void some_row(const struct content *content, unsigned *row)
{
    for (unsigned i = 0; i < content->form.n; i++) {
        unsigned column = content->form.column[i];
        row[column] = i < content->form.n_key ? 1 + below(4) : below(5);
    }
}

/* The row with the key, or, without a key, with the values; content->n: none. */
static unsigned find(const struct content *content, const unsigned *row)
{
    const struct form *form = &content->form;
    unsigned n = form->n_key > 0 ? form->n_key : form->n;
    for (unsigned k = 0; k < content->n; k++) {
        bool same = true;
        for (unsigned i = 0; i < n; i++)
            same &= content->row[k][form->column[i]] == row[form->column[i]];
        if (same)
            return k;
    }
    return content->n;
}

static void insert(struct content *content, const unsigned *row)
{
    unsigned k = content->form.n_key > 0 ? find(content, row) : content->n;
    if (k == content->n && content->n < ROWS)
        content->n++;
    if (k < ROWS)
        memcpy(content->row[k], row, sizeof content->row[k]);
}

static void delete (struct content *content, const unsigned *row)
{
    unsigned k = find(content, row);
    if (k < content->n)
        memmove(content->row[k], content->row[--content->n], sizeof content->row[k]);
}

/* Another form and other rows, of which the log says nothing. */
static void change_silently(unsigned t)
{
    struct content *content = &source[t];
    new_form[t] |= !content->there || below(2) == 0;
    if (!content->there || new_form[t])
        content->form = some_form();
    if (!content->there || new_form[t] || below(3) == 0)
        content->n = 0;
    content->there = true;
    for (unsigned i = below(ROWS); i > 0; i--) {
        unsigned row[POOL] = {0};
        some_row(content, row);
        if (content->n < ROWS)
            insert(content, row);
    }
    stale[t] = true;
}

/* -- lines ------------------------------------------------------------------------------------------ */

static struct cdc_buf input;
#define LINES 4000
static size_t ends[LINES]; /* of the lines in the input */
static unsigned n_lines, seq, number;
/* Of lines that are boundaries, or end a read: their position, and what readers see when all up to there is stored. */
static char positions[LINES][32], *states[LINES];
static bool is_end[LINES];

static void append_content(struct cdc_buf *out, unsigned t, const struct content *content)
{
    char lines[ROWS][100];
    cdc_buf_printf(out, "t%u:%s", t, content->there ? "" : " none");
    for (unsigned i = 0; content->there && i < POOL; i++)
        for (unsigned j = 0; j < content->form.n; j++)
            if (content->form.column[j] == i)
                cdc_buf_printf(out, " c%u %s", i, content->form.text[i] ? "TEXT" : "INT");
    cdc_buf_byte(out, '\n');
    for (unsigned k = 0; content->there && k < content->n; k++) {
        size_t n = 0;
        for (unsigned i = 0; i < POOL; i++)
            for (unsigned j = 0; j < content->form.n; j++)
                if (content->form.column[j] == i)
                    n += (size_t)snprintf(lines[k] + n, sizeof lines[k] - n,
                                          content->row[k][i] == 0 ? "NULL|"
                                          : content->form.text[i] ? "'v%u'|"
                                                                  : "%u|",
                                          content->row[k][i]);
    }
    qsort(lines, content->there ? content->n : 0, sizeof lines[0], (int (*)(const void *, const void *))strcmp);
    for (unsigned k = 0; content->there && k < content->n; k++)
        cdc_buf_printf(out, "%s\n", lines[k]);
}

static void end_line(bool state, bool end)
{
    cdc_buf_byte(&input, '\n');
    ends[n_lines] = input.len;
    free(states[n_lines]);
    states[n_lines] = NULL;
    is_end[n_lines] = end;
    snprintf(positions[n_lines], sizeof positions[0], "%08u.%08u", seq, number);
    if (state) {
        struct cdc_buf text = CDC_BUF_INIT;
        for (unsigned t = 0; t < TABLES; t++)
            append_content(&text, t, &visible[t]);
        cdc_buf_byte(&text, '\0');
        states[n_lines] = text.data;
    }
    n_lines++;
}

static void begin_line(const char *op, int t)
{
    cdc_buf_printf(&input, "{\"op\":\"%s\",\"pos\":\"%08u.%08u\",\"seq\":%u,\"source\":{\"connector\":\"postgresql\",",
                   op, seq, ++number, seq);
    cdc_buf_lit(&input, "\"name\":\"n\",\"db\":\"d\"");
    if (t >= 0)
        cdc_buf_printf(&input, ",\"schema\":\"public\",\"table\":\"t%d\"", t);
    cdc_buf_byte(&input, '}');
}

static void commit(void)
{
    begin_line("commit", -1);
    cdc_buf_lit(&input, ",\"events\":1}");
    end_line(true, false);
    seq++;
    number = 0;
}

static void truncate_line(unsigned t, const char *read)
{
    begin_line("t", (int)t);
    cdc_buf_printf(&input, "%s}", read);
    end_line(false, false);
}

static void schema_line(unsigned t, const struct form *form, bool end)
{
    begin_line("schema", (int)t);
    cdc_buf_lit(&input, ",\"columns\":[");
    for (unsigned i = 0; i < form->n; i++)
        cdc_buf_printf(&input, "%s{\"name\":\"c%u\",\"type\":\"%s\"}", i > 0 ? "," : "", form->column[i],
                       form->text[form->column[i]] ? "text" : "integer");
    cdc_buf_lit(&input, "],\"key_columns\":[");
    for (unsigned i = 0; i < form->n_key; i++)
        cdc_buf_printf(&input, "%s\"c%u\"", i > 0 ? "," : "", form->column[i]);
    cdc_buf_printf(&input, "]%s}", end ? ",\"read\":\"end\"" : "");
    end_line(end, end);
}

static void append_object(const struct form *form, const unsigned *row, unsigned n)
{
    for (unsigned i = 0; row != NULL && i < n; i++) {
        unsigned column = form->column[i], value = row[column];
        cdc_buf_printf(&input, "%s\"c%u\":", i > 0 ? "," : "{", column);
        cdc_buf_printf(&input, value == 0 ? "null" : form->text[column] ? "\"v%u\"" : "%u", value);
    }
    cdc_buf_text(&input, row == NULL || n == 0 ? "null" : "}");
}

static void row_line(const char *op, unsigned t, const struct form *form, const unsigned *old, const unsigned *new)
{
    begin_line(op, (int)t);
    cdc_buf_lit(&input, ",\"key\":");
    append_object(form, new != NULL ? new : old, form->n_key);
    cdc_buf_lit(&input, ",\"before\":");
    append_object(form, old, form->n);
    cdc_buf_lit(&input, ",\"after\":");
    append_object(form, new, form->n);
    cdc_buf_byte(&input, '}');
    end_line(false, false);
}

/* The log goes on: one change of a table that is not stale, or of one that is as nobody knows. */
static void change(unsigned t)
{
    struct content *content = &source[t], *seen = &visible[t];
    unsigned row[POOL] = {0}, old[POOL] = {0};

    reading[t] = false; /* what was read of it is dropped */
    some_row(content, row);
    if (below(20) == 0) {
        truncate_line(t, "");
        content->n = seen->n = 0;
    } else if (content->n == 0 || (below(2) == 0 && content->n < ROWS - 1 && find(content, row) == content->n)) {
        if (seen->n >= ROWS || content->n >= ROWS || (content->form.n_key > 0 && find(content, row) < content->n))
            return;
        row_line("c", t, &content->form, NULL, row);
        insert(content, row);
        insert(seen, row);
    } else {
        memcpy(old, content->row[below(content->n)], sizeof old);
        for (unsigned i = 0; i < content->form.n_key; i++)
            row[content->form.column[i]] = old[content->form.column[i]];
        bool update = below(2) == 0, here = find(seen, old) < seen->n;
        row_line(update ? "u" : "d", t, &content->form, old, update ? row : NULL);
        delete (content, old);
        delete (seen, old);
        /* Without a key, an update of a row that is not there changes none. */
        if (update && (here || content->form.n_key > 0))
            insert(seen, row);
        if (update)
            insert(content, row);
    }
}

static void append_log(void)
{
    for (unsigned t = 0; t < TABLES; t++)
        if (visible[t].there && !new_form[t])
            schema_line(t, &visible[t].form, false);
    for (unsigned i = below(4); i > 0; i--) {
        for (unsigned k = 1 + below(6); k > 0; k--) {
            unsigned t = below(TABLES);
            /* Of one with another form no lines come before it is read. */
            if (!visible[t].there || new_form[t] || n_lines >= LINES - 200)
                continue;
            change(t);
            /* The changes of a stale table need not fit what is here, and so have no order among themselves that keeps keys apart
             * within a transaction. */
            if (stale[t])
                commit();
        }
        commit();
    }
}

/* An attempt at the tables that are stale, whole or broken off somewhere, maybe in several chunks. */
static void append_attempt(bool whole)
{
    for (unsigned t = 0; t < TABLES; t++) {
        const struct content *content = &source[t];
        if (!stale[t])
            continue;
        truncate_line(t, ",\"read\":\"begin\"");
        reading[t] = true;
        schema_line(t, &content->form, false);
        for (unsigned k = 0; k < content->n; k++) {
            if (!whole && below(12) == 0)
                return commit();
            row_line("r", t, &content->form, NULL, content->row[k]);
            if (below(4) == 0)
                commit();
        }
        visible[t] = *content;
        stale[t] = reading[t] = new_form[t] = false;
        schema_line(t, &content->form, true);
        if (below(2) == 0)
            commit();
    }
    commit();
}

static void append_episode(void)
{
    append_log();
    for (unsigned t = 0; t < TABLES; t++)
        if (below(3) == 0)
            change_silently(t);
    for (unsigned i = below(3); i > 0; i--) {
        append_attempt(false);
        /* Between two attempts the tables may change, or the source gives up, and the log goes on. */
        if (below(3) == 0)
            append_log();
        for (unsigned t = 0; t < TABLES; t++)
            if (stale[t] && below(3) == 0)
                change_silently(t);
    }
    append_attempt(true);
    append_log();
}

/* -- runs --------------------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[4][64];
    static unsigned next;
    char *one = path[next++ % 4];
    snprintf(one, sizeof path[0], "%s/%s", dir, name);
    return one;
}

static int deliver(int fd, int64_t batch, struct cdc_error *error)
{
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_log log = {0};
    const char *fts[] = {"t2:c5"};
    char path[64];
    snprintf(path, sizeof path, "%s", path_of("db"));
    struct lite_settings settings = {path, "{table}", {fts, 1}, &log, &control, 0};
    struct cdc_sink_settings loop = {.input_fd = fd,
                                     .max_line = 1 << 20,
                                     .batch_events = batch,
                                     .batch_ms = 100000,
                                     .on_error = "stop",
                                     .tool = "cdc-sink-sqlite"};
    struct cdc_offset_file *offsets = cdc_offset_file_open(path_of("db.offset"), "cdc-sink-sqlite", error);
    struct lite_sink *sink = offsets != NULL ? lite_sink_open(&settings, error) : NULL;
    int result = -1;
    if (sink != NULL && lite_sink_sync_offsets(sink, offsets, error) == 0)
        result = cdc_sink_run(&lite_sink_ops, sink, &loop, offsets, &control, &log, error);
    lite_sink_free(sink);
    cdc_offset_file_free(offsets);
    return result;
}

/* The first n lines in a process of its own, which is killed at one of its writes (0: at none). Its status is what a program
 * would exit with. */
static void run(unsigned n, unsigned killed_at)
{
    int fd = open(path_of("input"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), status = 0;
    size_t size = n > 0 ? ends[n - 1] : 0;
    int64_t batch = 1 + below(12);
    check(fd >= 0 && write(fd, input.data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0, "lines");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct cdc_error error = {0};
        writes_left = killed_at;
        int result = deliver(fd, batch, &error);
        if (result != 0 && error.status != CDC_EXIT_TEMPORARY)
            printf("not ok - status %d: %s\n", error.status, error.text);
        fflush(stdout);
        _exit(result == 0 ? 0 : error.status);
    }
    check(child > 0 && waitpid(child, &status, 0) == child, "a run");
    check(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL && killed_at > 0
                              : WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CDC_EXIT_TEMPORARY,
          "its exit status");
    close(fd);
}

static sqlite3 *open_database(void)
{
    sqlite3 *db = NULL;
    check(sqlite3_open_v2(path_of("db"), &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, "the database is opened");
    return db;
}

static void append_answer(struct cdc_buf *out, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        cdc_buf_text(out, text != NULL ? text : "");
    }
    sqlite3_finalize(statement);
}

/* As append_content. The column `note` is somebody's. */
static void append_table(struct cdc_buf *out, sqlite3 *db, unsigned t)
{
    struct cdc_buf names = CDC_BUF_INIT;
    char sql[300];

    snprintf(sql, sizeof sql,
             "SELECT group_concat(' ' || name || ' ' || iif(type = 'INTEGER', 'INT', type), '') FROM (SELECT * FROM "
             "pragma_table_info('t%u') WHERE name <> 'note' ORDER BY name)",
             t);
    cdc_buf_printf(out, "t%u:", t);
    size_t before = out->len;
    append_answer(out, db, sql);
    bool there = out->len > before;
    cdc_buf_text(out, there ? "\n" : " none\n");
    snprintf(
        sql, sizeof sql,
        "SELECT group_concat('quote(' || name || ') || ''|''', ' || ') FROM (SELECT * FROM pragma_table_info('t%u') "
        "WHERE name <> 'note' ORDER BY name)",
        t);
    append_answer(&names, db, sql);
    struct cdc_buf query = CDC_BUF_INIT;
    cdc_buf_printf(&query, "SELECT x || char(10) FROM (SELECT %.*s AS x FROM t%u) ORDER BY x", (int)names.len,
                   names.data, t);
    cdc_buf_byte(&query, '\0');
    if (there)
        append_answer(out, db, query.data);
    cdc_buf_free(&names);
    cdc_buf_free(&query);
}

/* The line that the stored position is of; first: nothing is stored of these. */
static unsigned stored_line(const char *pos)
{
    for (unsigned i = n_lines; i-- > 0;)
        if (states[i] != NULL && strcmp(positions[i], pos) == 0)
            return i;
    return 0;
}

/* What is there is what readers see after the stored line; or after the ends of reads that came directly after it. */
static bool is_one_moment(const char *what)
{
    struct cdc_buf found = CDC_BUF_INIT, pos = CDC_BUF_INIT;
    sqlite3 *db = open_database();

    append_answer(&pos, db, "SELECT pos FROM cdc_offsets");
    for (unsigned t = 0; t < TABLES; t++)
        append_table(&found, db, t);
    cdc_buf_byte(&found, '\0');
    cdc_buf_byte(&pos, '\0');
    unsigned stored = stored_line(pos.data);
    bool same = strcmp(found.data, states[stored]) == 0;
    for (unsigned i = stored + 1; !same && i < n_lines && is_end[i]; i++)
        same = strcmp(found.data, states[i]) == 0;
    if (!same)
        printf("not ok - %s, stored %s, wanted\n%sfound\n%slines\n%.*s", what, pos.data, states[stored], found.data,
               (int)input.len, input.data);
    bool indexed = sqlite3_table_column_metadata(db, "main", "t2_fts", "c5", NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
    check(!indexed || sqlite3_exec(db, "INSERT INTO t2_fts(t2_fts, rank) VALUES('integrity-check', 1)", NULL, NULL,
                                   NULL) == SQLITE_OK,
          "the index is in step with its table");
    /* Somebody adds to the copy what is to stay. */
    sqlite3_exec(db, "ALTER TABLE t0 ADD COLUMN note; CREATE INDEX t0_note ON t0(note)", NULL, NULL, NULL);
    sqlite3_exec(db, "CREATE TRIGGER t1_any AFTER UPDATE ON t1 BEGIN SELECT 1; END", NULL, NULL, NULL);
    sqlite3_close(db);
    cdc_buf_free(&found);
    cdc_buf_free(&pos);
    return same;
}

static bool nothing_is_left(void)
{
    struct cdc_buf found = CDC_BUF_INIT;
    sqlite3 *db = open_database();
    append_answer(&found, db, "SELECT name FROM sqlite_master WHERE name GLOB 'cdc_read_*'");
    append_answer(&found, db, "SELECT table_name FROM cdc_reads WHERE state = 'open'");
    sqlite3_close(db);
    bool none = found.len == 0;
    cdc_buf_free(&found);
    return none;
}

/* An episode: its lines in some runs that are broken off or killed, and in the end all of them. */
static void try_episode(unsigned episode)
{
    char what[40];
    unsigned first = n_lines;

    append_episode();
    for (unsigned i = below(6); i > 0 && failures == 0; i--) {
        unsigned n = first + below(n_lines - first + 1), killed_at = below(3) > 0 ? 1 + below(60) : 0;
        run(n, killed_at);
        snprintf(what, sizeof what, "episode %u, %u lines, %u", episode, n, killed_at);
        failures += !is_one_moment(what);
    }
    run(n_lines, 0);
    snprintf(what, sizeof what, "episode %u", episode);
    failures += !is_one_moment(what);
    check(nothing_is_left(), "no read is open after the last one has ended");
}

int main(int argc, char **argv)
{
    unsigned episodes = argc > 1 ? (unsigned)atoi(argv[1]) : 60, episode = 0;

    if (argc > 2)
        random_state = (uint64_t)atoi(argv[2]);
    if (access("/dev/shm", W_OK) == 0)
        snprintf(dir, sizeof dir, "/dev/shm/cdc-unit-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    seq = 100;
    commit(); /* before it, nothing is there */
    run(n_lines, 0);
    for (; episode < episodes && failures == 0; episode++) {
        /* The lines of before come again for a while. */
        if (n_lines > LINES / 2 || below(3) == 0) {
            input.len = 0;
            n_lines = number = 0;
            seq++;
            commit();
            run(n_lines, 0);
        }
        try_episode(episode);
    }
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    for (unsigned i = 0; i < LINES; i++)
        free(states[i]);
    cdc_buf_free(&input);
    if (failures == 0)
        printf("ok - SQLite: %u episodes of tables that are read again\n", episode);
    return failures != 0;
}
