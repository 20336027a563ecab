/* SPDX-License-Identifier: MIT */
/* The sink of SQLite, from its lines to its rows, where any one call fails: of SQLite, for memory, for its files. */
#include <sqlite3.h>
#include <stdlib.h>

#include "connectors/sqlite/sqlite.h"
#include "tests/unit/event-lines.h"
#include "tests/unit/failing-calls.h"

static int failures;
static char dir[32] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* -- SQLite's calls, made by the sink ---------------------------------------------- */

#if MEMORY_CAN_FAIL
#define LITE(name, type, parameters, arguments, code)                                                                  \
    type name parameters                                                                                               \
    {                                                                                                                  \
        static type(*call) parameters;                                                                                 \
        if (call == NULL)                                                                                              \
            *(void **)&call = true_call(#name);                                                                        \
        return FAILS(EIO) ? code : call arguments;                                                                     \
    }
LITE(sqlite3_step, int, (sqlite3_stmt * s), (s), SQLITE_IOERR)
LITE(sqlite3_prepare_v3, int, (sqlite3 * d, const char *q, int n, unsigned f, sqlite3_stmt **s, const char **e),
     (d, q, n, f, s, e), SQLITE_IOERR)
LITE(sqlite3_exec, int, (sqlite3 * d, const char *q, int (*f)(void *, int, char **, char **), void *c, char **e),
     (d, q, f, c, e), SQLITE_IOERR)
LITE(sqlite3_open_v2, int, (const char *p, sqlite3 **d, int f, const char *v), (p, d, f, v), SQLITE_IOERR)
LITE(sqlite3_busy_handler, int, (sqlite3 * d, int (*f)(void *, int), void *c), (d, f, c), SQLITE_NOMEM)
LITE(sqlite3_bind_text64, int,
     (sqlite3_stmt * s, int i, const char *t, sqlite3_uint64 n, void (*f)(void *), unsigned char e), (s, i, t, n, f, e),
     SQLITE_NOMEM)
LITE(sqlite3_bind_blob64, int, (sqlite3_stmt * s, int i, const void *t, sqlite3_uint64 n, void (*f)(void *)),
     (s, i, t, n, f), SQLITE_NOMEM)
LITE(sqlite3_bind_double, int, (sqlite3_stmt * s, int i, double n), (s, i, n), SQLITE_NOMEM)
#endif

/* -- lines -- */

#define T_SCHEMA                                                                                                       \
    SCHEMA(COLUMN("id", "integer") "," COLUMN("name", "text") "," COLUMN("big", "text") "," COLUMN(                    \
               "x", "double precision") "," COLUMN("b", "bytea") "," COLUMN("j", "jsonb"),                             \
           "\"id\"")

/* What is there before the work. */
static void first_lines(void)
{
    begin_lines(100);
    line("schema", "t", T_SCHEMA);
    for (int i = 1; i <= 4; i++) {
        char members[256];
        snprintf(members, sizeof members,
                 ROW("{\"id\":%d}", "null",
                     "{\"id\":%d,\"name\":\"n%d\",\"big\":\"b%d\",\"x\":1.5,\"b\":\"AQI=\",\"j\":{\"a\":1}}"),
                 i, i, i, i);
        line("c", "t", members);
    }
    line("schema", "keyless", SCHEMA(COLUMN("a", "integer") "," COLUMN("b", "text"), ""));
    for (int i = 0; i < 3; i++)
        line("c", "keyless", ROW("null", "null", "{\"a\":1,\"b\":\"same\"}"));
    line("c", "keyless", ROW("null", "null", "{\"a\":2,\"b\":null}"));
    line("schema", "f", SCHEMA(COLUMN("id", "text") "," COLUMN("word", "text") "," COLUMN("more", "text"), "\"id\""));
    line("c", "f", ROW("{\"id\":\"1\"}", "null", "{\"id\":\"1\",\"word\":\"apple\",\"more\":\"red\"}"));
    line("c", "f", ROW("{\"id\":\"2\"}", "null", "{\"id\":\"2\",\"word\":\"pear\",\"more\":\"green\"}"));
    line("schema", "w", SCHEMA(COLUMN("id", "integer") "," COLUMN("v", "text"), "\"id\""));
    line("c", "w", ROW("{\"id\":1}", "null", "{\"id\":1,\"v\":\"one\"}"));
    line("c", "w", ROW("{\"id\":2}", "null", "{\"id\":2,\"v\":\"two\"}"));
    line("c", "w", ROW("{\"id\":3}", "null", "{\"id\":3,\"v\":\"three\"}"));
    line("schema", "gone", SCHEMA(COLUMN("id", "integer"), "\"id\""));
    line("c", "gone", ROW("{\"id\":1}", "null", "{\"id\":1}"));
    commit();
}

/* Each kind of change, a key that moves through others, tables that are made, extended and made anew. */
static void more_lines(void)
{
    begin_lines(200);
    line("schema", "t", T_SCHEMA);
    line("schema", "keyless", SCHEMA(COLUMN("a", "integer") "," COLUMN("b", "text"), ""));
    line("c", "t",
         ROW("{\"id\":5}", "null",
             "{\"id\":5,\"name\":\"n\\n5\",\"big\":\"b5\",\"x\":\"NaN\",\"b\":null,\"j\":null}") ",\"json_null\":["
                                                                                                 "\"j\"]");
    line("u", "t",
         ROW("{\"id\":1}", "null", "{\"id\":1,\"name\":\"again\"}") ",\"unchanged\":[\"big\",\"x\",\"b\",\"j\"]");
    line("u", "t",
         ROW("{\"id\":12}", "{\"id\":2}",
             "{\"id\":12,\"name\":\"moved\"}") ",\"unchanged\":[\"big\",\"x\",\"b\",\"j\"]");
    line("d", "t", ROW("{\"id\":3}", "{\"id\":3}", "null"));
    line("u", "keyless", ROW("null", "{\"a\":1,\"b\":\"same\"}", "{\"a\":9,\"b\":\"same\"}"));
    line("d", "keyless", ROW("null", "{\"a\":2,\"b\":null}", "null"));
    line("t", "gone", "\"key\":null");
    commit();
    line("schema", "w", SCHEMA(COLUMN("id", "integer") "," COLUMN("v", "text"), "\"id\""));
    line("u", "w", ROW("{\"id\":2}", "{\"id\":1,\"v\":\"one\"}", "{\"id\":2,\"v\":\"one\"}"));
    line("u", "w", ROW("{\"id\":2}", "{\"id\":2,\"v\":\"one\"}", "{\"id\":2,\"v\":\"uno\"}"));
    line("u", "w", ROW("{\"id\":3}", "{\"id\":2,\"v\":\"two\"}", "{\"id\":3,\"v\":\"two\"}"));
    line("d", "w", ROW("{\"id\":3}", "{\"id\":3,\"v\":\"three\"}", "null"));
    commit();
    /* The row that it meets waits, and is back when it goes on. */
    line("u", "w", ROW("{\"id\":3}", "{\"id\":2,\"v\":\"uno\"}", "{\"id\":3,\"v\":\"uno\"}"));
    line("u", "w", ROW("{\"id\":4}", "{\"id\":3,\"v\":\"uno\"}", "{\"id\":4,\"v\":\"uno\"}"));
    commit();
    line("schema", "f", SCHEMA(COLUMN("id", "text") "," COLUMN("word", "text") "," COLUMN("more", "text"), "\"id\""));
    line("u", "f", ROW("{\"id\":\"1\"}", "null", "{\"id\":\"1\",\"word\":\"cherry\",\"more\":\"red\"}"));
    line("schema", "f",
         SCHEMA(
             COLUMN("id", "integer") "," COLUMN("word", "text") "," COLUMN("more", "text") "," COLUMN("extra", "text"),
             "\"id\",\"word\""));
    line("c", "f",
         ROW("{\"id\":3,\"word\":\"plum\"}", "null", "{\"id\":3,\"word\":\"plum\",\"more\":\"blue\",\"extra\":\"e\"}"));
    line("schema", "u", SCHEMA(COLUMN("id", "integer"), "\"id\""));
    commit();
    line("c", "t", ROW("{\"id\":6}", "null", "{\"id\":6,\"name\":\"six\"}"));
    commit();
}

/* -- a run ------------------------------------------------------------------------------ */

static bool first_fts = true;
static const char *on_error = "stop";

static const char *path_of(const char *name)
{
    static char path[4][64];
    static unsigned next;
    char *one = path[next++ % 4];
    snprintf(one, sizeof path[0], "%s/%s", dir, name);
    return one;
}

/* The first n bytes of the lines. */
static int deliver(size_t n, struct cdc_error *error)
{
    FILE *file = fopen(path_of("input"), "w");
    check(file != NULL && fwrite(input.data, 1, n, file) == n && fclose(file) == 0, "the lines are written");
    const char *fts[] = {first_fts ? "f:word" : "public.f:word,more"};
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_log log = {0};
    char path[64];
    snprintf(path, sizeof path, "%s", path_of("db"));
    struct lite_settings settings = {path, "{table}", {fts, 1}, &log, &control, 0};
    struct cdc_sink_settings loop = {.input_fd =
                                         (int)syscall(SYS_openat, AT_FDCWD, path_of("input"), O_RDONLY | O_CLOEXEC),
                                     .max_line = 1 << 20,
                                     .batch_events = 8,
                                     .batch_ms = 100000,
                                     .on_error = on_error,
                                     .tool = "cdc-sink-sqlite"};
    int result = -1;

    memory_begin();
    struct cdc_offset_file *offsets = cdc_offset_file_open(path_of("db.offset"), "cdc-sink-sqlite", error);
    struct lite_sink *sink = offsets != NULL ? lite_sink_open(&settings, error) : NULL;
    if (sink != NULL && lite_sink_sync_offsets(sink, offsets, error) == 0)
        result = cdc_sink_run(&lite_sink_ops, sink, &loop, offsets, &control, &log, error);
    lite_sink_free(sink);
    cdc_offset_file_free(offsets);
    memory_end();
    close(loop.input_fd);
    return result;
}

/* The work: once up to the middle of the last transaction, where the input ends, and then all of it. */
static int run(struct cdc_error *error)
{
    const char *last = memrchr(input.data, '\n', input.len - 1);
    int result = deliver((size_t)(last - input.data) + 1, error);

    /* 0: a run before has stored all of it. */
    if (result != 0 && strstr(error->text, "inside a transaction") == NULL)
        return -1;
    *error = (struct cdc_error){0};
    return deliver(input.len, error);
}

/* -- what is there afterwards ------------------------------------------------------------ */

static void append_rows(sqlite3 *db, struct cdc_buf *out, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql);
    while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            cdc_buf_printf(out, "%d:%s|", sqlite3_column_type(statement, i), text != NULL ? text : "NULL");
        }
        cdc_buf_byte(out, '\n');
    }
    sqlite3_finalize(statement);
}

static void append_content(struct cdc_buf *out)
{
    static const char *const questions[] = {
        "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' AND name NOT LIKE '%_fts_%' ORDER BY name",
        "SELECT * FROM t ORDER BY id",
        "SELECT * FROM keyless ORDER BY a, b",
        "SELECT * FROM f ORDER BY id",
        "SELECT * FROM w ORDER BY id",
        "SELECT * FROM gone",
        "SELECT * FROM u",
        "SELECT rowid FROM f_fts WHERE f_fts MATCH 'cherry OR plum' ORDER BY rowid",
        "SELECT rowid FROM f_fts WHERE f_fts MATCH 'apple'",
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
        "SELECT * FROM cdc_tables ORDER BY table_name",
        "SELECT * FROM cdc_offsets ORDER BY name",
        "SELECT key, value FROM cdc_meta WHERE key <> 'schema_version' ORDER BY key",
        "SELECT (SELECT value FROM cdc_meta WHERE key = 'schema_version') = schema_version FROM pragma_schema_version",
    };
    sqlite3 *db = NULL;
    check(sqlite3_open_v2(path_of("db"), &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, "the database is opened");
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        append_rows(db, out, questions[i]);
    check(sqlite3_exec(db, "INSERT INTO f_fts(f_fts, rank) VALUES('integrity-check', 1)", NULL, NULL, NULL) ==
              SQLITE_OK,
          "the index is in step with its table");
    sqlite3_close(db);
    struct cdc_error error = {0};
    struct cdc_offset offset = {0};
    if (cdc_offset_read(path_of("db.offset"), "n", &offset, &error) == 1)
        cdc_buf_printf(out, "offset %s %d %d %s %s\n", offset.pos, (int)offset.seq, (int)offset.lines,
                       offset.source != NULL ? offset.source : "-", offset.state != NULL ? offset.state : "-");
    cdc_offset_free(&offset);
}

static struct cdc_buf expected;

static bool is_done(void)
{
    struct cdc_buf found = CDC_BUF_INIT;
    int before = failures;

    append_content(&found);
    if (expected.len == 0)
        cdc_buf_append_buf(&expected, &found);
    bool same = found.len == expected.len && memcmp(found.data, expected.data, found.len) == 0;
    if (!same)
        printf("# expected\n%.*s# found\n%.*s", (int)expected.len, expected.data, (int)found.len, found.data);
    cdc_buf_free(&found);
    return same && failures == before;
}

/* The two files after the first lines; of no bytes: there are none. */
static struct cdc_buf first_database, first_offset;

static void write_file(const char *name, const struct cdc_buf *content)
{
    FILE *file = content->len > 0 ? fopen(path_of(name), "w") : NULL;
    unlink(content->len > 0 ? "" : path_of(name));
    if (content->len > 0)
        check(file != NULL && fwrite(content->data, 1, content->len, file) == content->len && fclose(file) == 0, name);
}

static void read_file(const char *name, struct cdc_buf *content)
{
    FILE *file = fopen(path_of(name), "r");
    for (int c; file != NULL && (c = getc(file)) != EOF;)
        cdc_buf_byte(content, (char)c);
    check(file != NULL && fclose(file) == 0, name);
}

static void begin(void)
{
    unlink(path_of("db-wal"));
    unlink(path_of("db-shm"));
    write_file("db", &first_database);
    write_file("db.offset", &first_offset);
}

/* -- */

static void make_first(void)
{
    struct cdc_error error = {0};
    first_lines();
    check(deliver(input.len, &error) == 0, "the first lines are delivered");
    if (error.status != 0)
        printf("# %s\n", error.text);
    read_file("db", &first_database);
    read_file("db.offset", &first_offset);
}

static void begin_nothing(void)
{
    cdc_buf_free(&first_database);
    cdc_buf_free(&first_offset);
    begin();
}

static bool rows_are(const char *sql, const char *wanted)
{
    sqlite3 *db = NULL;
    struct cdc_buf rows = CDC_BUF_INIT;
    check(sqlite3_open_v2(path_of("db"), &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK, "the database is opened");
    append_rows(db, &rows, sql);
    sqlite3_close(db);
    bool same = cdc_span_is(cdc_span(rows.data, rows.len), wanted);
    if (!same)
        printf("# expected %s# found %.*s", wanted, (int)rows.len, rows.data);
    cdc_buf_free(&rows);
    return same;
}

static bool first_is_done(void)
{
    return rows_are(
        "SELECT count(*), (SELECT count(*) FROM keyless), (SELECT count(*) FROM f), (SELECT count(*) FROM w), (SELECT "
        "count(*) FROM gone), (SELECT count(*) FROM f_fts WHERE f_fts MATCH 'pear') FROM t",
        "1:4|1:4|1:2|1:3|1:1|1:1|\n");
}

/* Input that ends inside a transaction, after one that is not delivered yet. */
static void some_torn_lines(void)
{
    begin_lines(200);
    line("schema", "t", T_SCHEMA);
    line("c", "t", ROW("{\"id\":5}", "null", "{\"id\":5,\"name\":\"n5\"}"));
    commit();
    line("d", "t", ROW("{\"id\":1}", "{\"id\":1}", "null"));
    line("schema", "u", SCHEMA(COLUMN("id", "integer"), "\"id\""));
    line("c", "u", ROW("{\"id\":1}", "null", "{\"id\":1}"));
    commit();
}

static bool torn_are_done(void)
{
    return rows_are("SELECT group_concat(id), (SELECT count(*) FROM u) FROM t", "3:2,3,4,5|1:1|\n");
}

/* Of few lines: each has a savepoint of its own here, and one is refused, whose row leaves its old key all the same. */
static void some_bad_lines(void)
{
    begin_lines(200);
    line("schema", "t", T_SCHEMA);
    line("c", "t", ROW("{\"id\":5}", "null", "{\"id\":5,\"name\":\"n5\"}"));
    line("c", "t", ROW("{\"id\":7}", "null", "{\"id\":7,\"x\":\"1.5\"}"));
    line("u", "t",
         ROW("{\"id\":4}", "{\"id\":1}", "{\"id\":4,\"name\":\"moved\",\"big\":null,\"x\":null,\"b\":\"no\",\"j\":1}"));
    line("d", "t", ROW("{\"id\":3}", "{\"id\":3}", "null"));
    commit();
}

static bool bad_are_skipped(void)
{
    return rows_are("SELECT group_concat(id || coalesce(name, '-')) FROM t", "3:2n2,4n4,5n5|\n");
}

/* Two tables are read again: one with an index, whose key has changed, in another form; one with the same key. And one that was not
 * there, and one whose read the log breaks off. */
static void some_reads(void)
{
#define F_NOW SCHEMA(COLUMN("id", "text") "," COLUMN("word", "text") "," COLUMN("extra", "integer"), "\"word\"")
#define W_NOW SCHEMA(COLUMN("id", "integer") "," COLUMN("v", "text") "," COLUMN("n", "integer"), "\"id\"")
    begin_lines(200);
    line("t", "f", "\"read\":\"begin\"");
    line("schema", "f", F_NOW);
    line("r", "f", ROW("{\"word\":\"apple\"}", "null", "{\"id\":\"1\",\"word\":\"apple\",\"extra\":1}"));
    commit();
    line("r", "f", ROW("{\"word\":\"cherry\"}", "null", "{\"id\":\"1\",\"word\":\"cherry\",\"extra\":2}"));
    line("schema", "f", F_NOW ",\"read\":\"end\"");
    line("t", "w", "\"read\":\"begin\"");
    line("schema", "w", W_NOW);
    line("r", "w", ROW("{\"id\":1}", "null", "{\"id\":1,\"v\":\"ghost\",\"n\":0}"));
    commit();
    line("t", "w", "\"read\":\"begin\"");
    line("schema", "w", W_NOW);
    line("r", "w", ROW("{\"id\":2}", "null", "{\"id\":2,\"v\":\"two\",\"n\":2}"));
    line("r", "w", ROW("{\"id\":4}", "null", "{\"id\":4,\"v\":\"four\",\"n\":4}"));
    commit();
    line("schema", "w", W_NOW ",\"read\":\"end\"");
    line("t", "u", "\"read\":\"begin\"");
    line("schema", "u", SCHEMA(COLUMN("id", "integer"), ""));
    line("r", "u", ROW("null", "null", "{\"id\":1}"));
    line("schema", "u", SCHEMA(COLUMN("id", "integer"), "") ",\"read\":\"end\"");
    line("t", "gone", "\"read\":\"begin\"");
    line("schema", "gone", SCHEMA(COLUMN("id", "integer"), "\"id\""));
    line("r", "gone", ROW("{\"id\":7}", "null", "{\"id\":7}"));
    commit();
    line("c", "gone", ROW("{\"id\":9}", "null", "{\"id\":9}"));
    commit();
}

static bool reads_are_done(void)
{
    return rows_are("SELECT (SELECT group_concat(id || word || extra) FROM f), (SELECT group_concat(id || v || n) FROM "
                    "w), (SELECT group_concat(id) FROM u), (SELECT group_concat(id) FROM gone), (SELECT count(*) FROM "
                    "f_fts WHERE f_fts MATCH 'pear'), (SELECT count(*) FROM f_fts WHERE f_fts MATCH 'cherry'), (SELECT "
                    "group_concat(name) FROM pragma_table_info('f')), (SELECT count(*) FROM sqlite_master WHERE name "
                    "GLOB 'cdc_read_*'), (SELECT group_concat(state || table_name) FROM cdc_reads)",
                    "3:1apple1,1cherry2|3:2two2,4four4|3:1|3:1,9|1:0|1:1|3:id,word,extra|1:0|3:endedf,endedw,endedu,"
                    "brokengone|\n");
}

static int run_once(struct cdc_error *error)
{
    return deliver(input.len, error);
}

int main(void)
{
    /* Memory, where there is such a folder: databases are made some thousand times. */
    if (access("/dev/shm", W_OK) == 0)
        snprintf(dir, sizeof dir, "/dev/shm/cdc-unit-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    disk_is_slow = true;
    make_first();
    first_fts = false;
    more_lines();
    failures += calls_sweep(&(struct calls_case){"changes", begin, run_once, is_done, NULL}) != 0;
    first_fts = true;
    some_torn_lines();
    failures += calls_sweep(&(struct calls_case){"a torn transaction", begin, run, torn_are_done, run_once}) != 0;
    some_reads();
    failures +=
        calls_sweep(&(struct calls_case){"tables that are read again", begin, run_once, reads_are_done, NULL}) != 0;
    on_error = "skip";
    some_bad_lines();
    failures += calls_sweep(&(struct calls_case){"bad lines", begin, run_once, bad_are_skipped, NULL}) != 0;
    on_error = "stop";
    first_fts = true;
    first_lines();
    failures += calls_sweep(&(struct calls_case){"a new database", begin_nothing, run_once, first_is_done, NULL}) != 0;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    cdc_buf_free(&input);
    cdc_buf_free(&expected);
    if (failures == 0)
        printf("ok - SQLite\n");
    return failures != 0;
}
