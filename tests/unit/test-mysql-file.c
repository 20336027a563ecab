/* SPDX-License-Identifier: MIT */
/* Files of the binary log: a transaction that is larger than what is buffered, where any one call fails; differences of JSON
 * documents that are damaged. */
#include "connectors/mysql/mysql.h"
#include "tests/unit/binlog-events.h"
#include "tests/unit/failing-calls.h"

#include <cdc/control.h>
#include <cdc/metrics.h>

static char dir[] = "/tmp/cdc-unit-XXXXXX", path[64], next_path[64], output[64];
static bool two_files; /* the log goes on in another one */
static bool stays;     /* nothing is undone */
static struct cdc_buf file;

/* What is in body as an event of the file. */
static void add_event(uint8_t type)
{
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, 0, false);
    cdc_buf_append(&file, body.data, body.len);
    cdc_buf_free(&content);
}

static void add_query(const char *sql)
{
    put_query("", "d", sql);
    add_event(MY_EVENT_QUERY);
}

static void begin_file(const char *version)
{
    file.len = 0;
    cdc_buf_append(&file,
                   "\xfe"
                   "bin",
                   4);
    start();
    put(4, 2);
    put_text(version);
    while (body.len < 52)
        put(0, 1);
    put(0, 4);
    put(19, 1);
    for (int type = 1; type <= 164; type++)
        put(type == 2                  ? 13
            : type == 19               ? 8
            : type == 15               ? 221
            : type >= 23 && type <= 25 ? 8
            : type >= 30 && type <= 39 ? 10
                                       : 0,
            1);
    put(0, 1);
    put(0, 4);
    add_event(MY_EVENT_FORMAT);
}

static void write_file(const char *name)
{
    FILE *to = fopen(name, "w");
    if (to == NULL || fwrite(file.data, 1, file.len, to) != file.len || fclose(to) != 0)
        abort();
}

static int run(struct cdc_error *error)
{
    const char *const files[] = {path, next_path};
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_metrics metrics = {0};
    const struct cdc_log log = {0};
    const struct my_file_settings settings = {
        .files = files,
        .n_files = two_files ? 2 : 1,
        .name = "p",
        .output_fd = (int)syscall(SYS_openat, AT_FDCWD, output, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600)};
    memory_begin();
    int result = my_file_run(&settings, &control, &metrics, &log, error);
    memory_end();
    close(settings.output_fd);
    return result;
}

static void read_output(void)
{
    FILE *from = fopen(output, "r");
    text.len = 0;
    for (int c; from && (c = getc(from)) != EOF;)
        cdc_buf_byte(&text, (char)c);
    if (from)
        fclose(from);
    cdc_buf_byte(&text, '\0');
}

static size_t count(const char *what)
{
    size_t n = 0;
    for (const char *p = text.data; (p = strstr(p, what)); p++)
        n++;
    return n;
}

/* -- a large transaction -- */

static void begin_transaction(unsigned number)
{
    start();
    put(number, 8);
    put(0, 4);
    put(4, 1); /* transactional */
    put(0, 6);
    add_event(MY_EVENT_MARIADB_GTID);
}

static void end_transaction(void)
{
    start();
    put(42, 8);
    add_event(MY_EVENT_XID);
}

/* Rows of t(a int). */
static void add_rows(unsigned value, size_t n)
{
    start();
    put_hex("12000000000001000164000174000103000004020161");
    add_event(MY_EVENT_TABLE_MAP);
    start();
    put_hex("120000000000010001ff");
    for (size_t i = 0; i < n; i++) {
        put(0, 1);
        put(value, 4);
    }
    add_event(MY_EVENT_WRITE_ROWS_V1);
}

/* Another file, with a row. */
static void next_file(void)
{
    begin_file("10.11.6-MariaDB");
    begin_transaction(7);
    add_rows(8, 1);
    end_transaction();
    write_file(next_path);
}

/* 700 rows, 3500 that may be undone, and one. */
static void large_transaction(void)
{
    begin_file("10.11.6-MariaDB");
    begin_transaction(6);
    add_rows(5, 700);
    add_query("SAVEPOINT a");
    for (int i = 0; i < 5; i++)
        add_rows(6, 700);
    add_query(stays ? "SAVEPOINT b" : "ROLLBACK TO a");
    add_rows(7, 1);
    end_transaction();
    write_file(path);
    next_file();
}

static bool is_decoded(void)
{
    read_output();
    bool done = count("\"after\":{\"a\":5}}") == 700 && count("\"after\":{\"a\":6}}") == (stays ? 3500 : 0) &&
                count("\"after\":{\"a\":7}}") == 1 && count(stays ? "\"events\":4201}\n" : "\"events\":701}\n") == 1 &&
                count("\"after\":{\"a\":8}}") == two_files;
    if (!done)
        printf("# %zu, %zu, %zu\n", count("\"a\":5"), count("\"a\":6"), count("\"a\":7"));
    return done;
}

/* Events of any size, which begin and end anywhere in what is read at once: a row after each. */
static void test_sizes(void)
{
    struct cdc_error error = {0};
    begin_file("10.11.6-MariaDB");
    begin_transaction(6);
    for (unsigned i = 1; i <= 30; i++) {
        start();
        for (unsigned n = 0; n < i * 9973; n++)
            put('x', 1);
        add_event(MY_EVENT_MARIADB_ANNOTATE_ROWS);
        add_rows(i, 1);
    }
    end_transaction();
    write_file(path);
    check(run(&error) == 0, error.text);
    read_output();
    const char *at = text.data;
    for (unsigned i = 1; at && i <= 30; i++) {
        char row[40];
        snprintf(row, sizeof row, "\"after\":{\"a\":%u}}", i);
        at = strstr(at, row);
    }
    check(at && count("\"after\"") == 30, "rows between events of any size");
}

/* Of d.tNUMBER(a int). */
static void add_map(unsigned number)
{
    char name[16];
    int n = snprintf(name, sizeof name, "t%u", number);
    start();
    put(number, 6);
    put_hex("0100016400");
    put((uint64_t)n, 1);
    put_text(name);
    put_hex("000103000004020161");
    add_event(MY_EVENT_TABLE_MAP);
}

static void add_row_of(unsigned number)
{
    start();
    put(number, 6);
    put_hex("010001ff00");
    put(number, 4);
    add_event(MY_EVENT_WRITE_ROWS_V1);
}

/* A statement that names many tables before its rows, some of which are known, and some not: the known ones stay. */
static void test_tables(void)
{
    struct cdc_error error = {0};
    begin_file("10.11.6-MariaDB");
    begin_transaction(6);
    for (unsigned i = 1; i <= 50; i++) {
        add_map(i);
        add_row_of(i);
    }
    end_transaction();
    begin_transaction(7);
    for (unsigned i = 1; i <= 1000; i++)
        add_map(i);
    for (unsigned i = 1; i <= 50; i++)
        add_row_of(i);
    end_transaction();
    write_file(path);
    check(run(&error) == 0, "many tables");
    if (error.status)
        printf("# %s\n", error.text);
    read_output();
    check(count("\"after\"") == 100 && count("\"op\":\"schema\"") == 50, "a schema line of each, once, and its rows");
}

/* A row of t(a geometry) after one that is whole: what of its value cannot be is refused, and nothing of it is a line. */
static void test_damaged_value(void)
{
    struct cdc_error error = {0};
    begin_file("10.11.6-MariaDB");
    begin_transaction(6);
    start();
    put_hex("120000000000010001640001740001ff01020004020161");
    add_event(MY_EVENT_TABLE_MAP);
    start();
    put_hex("120000000000010001ff"
            "000500000000000a"
            "0002000102");
    add_event(MY_EVENT_WRITE_ROWS_V1);
    end_transaction();
    write_file(path);
    check(run(&error) < 0 && error.status == CDC_EXIT_PROTOCOL && strstr(error.text, "a geometry without its SRID"),
          "a value that is damaged");
    read_output();
    check(count("\n") == count("}\n") && count("\"after\"") <= 1 && count("\"op\":\"commit\"") == 0,
          "nothing of its row is a line");
}

/* -- differences of documents -- */

#define ROWS                                                                                                           \
    "12000000000001000200"                                                                                             \
    "02ffff"
#define BEFORE "00010000000d0000000001000c000b00010005020061" /* 1, {"a":2} */
#define AFTER                                                                                                          \
    "00010000000500000002"                                                                                             \
    "03242e61" /* 1, without $.a */

/* A row of t(i int, j json) that is changed; n: bytes of the event, SIZE_MAX: all. The result of the run. */
static int change(const char *rows, size_t n, struct cdc_error *error)
{
    begin_file("8.0.36");
    start();
    put(1, 1);
    put_hex("3e11fa4771ca11e19e33c80aa9429562");
    put(7, 8);
    add_event(MY_EVENT_ANONYMOUS_GTID);
    add_query("BEGIN");
    start();
    put_hex("1200000000000100016400017400"
            "02"
            "03f5"
            "0104"
            "03"
            "040401690"
            "16a");
    add_event(MY_EVENT_TABLE_MAP);
    start();
    put_hex(rows);
    body.len = n < body.len ? n : body.len;
    add_event(MY_EVENT_PARTIAL_UPDATE_ROWS);
    start();
    put(42, 8);
    add_event(MY_EVENT_XID);
    write_file(path);
    memset(error, 0, sizeof *error);
    int result = run(error);
    read_output();
    return result;
}

static void test_partial(void)
{
    static const char *const damaged[] = {"0201", "03", "0301", "fb01", "00fb", "ff01"};
    struct cdc_error error;
    check(change(ROWS BEFORE "0101" AFTER, SIZE_MAX, &error) == 0 &&
              count("\"before\":{\"i\":1,\"j\":{\"a\":2}},\"after\":{\"i\":1,\"j\":{}}") == 1,
          "a document that is changed in part");
    if (error.status)
        printf("# %s\n", error.text);
    size_t whole = strlen(ROWS BEFORE "0101" AFTER) / 2, head = strlen(ROWS) / 2, refused = 0;
    for (size_t n = head + 1; n < whole; n++) {
        bool is = change(ROWS BEFORE "0101" AFTER, n, &error) < 0 && error.status == CDC_EXIT_PROTOCOL &&
                  count("{\"op\":\"u\"") == 0;
        if (!is)
            printf("# %zu of %zu bytes: %s %s\n", n, whole, error.text, text.data);
        refused += is;
    }
    check(refused == whole - head - 1, "truncated, it is refused");
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        char rows[300];
        snprintf(rows, sizeof rows, ROWS BEFORE "%s" AFTER, damaged[i]);
        check(change(rows, SIZE_MAX, &error) < 0 && error.status == CDC_EXIT_PROTOCOL && count("{\"op\":\"u\"") == 0,
              damaged[i]);
    }
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(next_path, sizeof next_path, "%s/next", dir);
    snprintf(output, sizeof output, "%s/lines", dir);
    failures += (int)calls_sweep(&(struct calls_case){"a file", large_transaction, run, is_decoded, NULL});
    two_files = true;
    failures += (int)calls_sweep(&(struct calls_case){"two files", large_transaction, run, is_decoded, NULL});
    two_files = false;
    stays = true;
    failures += (int)calls_sweep(&(struct calls_case){"savepoints", large_transaction, run, is_decoded, NULL});
    test_sizes();
    test_damaged_value();
    test_tables();
    test_partial();
    unlink(path);
    unlink(next_path);
    unlink(output);
    rmdir(dir);
    cdc_buf_free(&file);
    return finish();
}
