/* SPDX-License-Identifier: MIT */
/* The columns that tables had, by point; their file; and what of them fits a TABLE_MAP. */
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/schema/columns.h"
#include "connectors/mysql/schema/history.h"
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <stdio.h>
#include <zlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/failing-calls.h"

static int failures;
static char path[] = "/tmp/cdc-unit-XXXXXX";
static const struct my_history_synced mark = {7, {"binlog.000003", 1234}};

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
}

static struct my_point at(uint64_t number, uint64_t statements)
{
    return (struct my_point){number, statements};
}

static struct my_history *history_of(const char *name)
{
    struct cdc_error error = {0};
    return my_history_new(path, name, &error);
}

static void add(struct my_history *history, const char *table, struct my_point from, const char *columns)
{
    struct cdc_error error = {0};
    check(my_history_add(history, "d", table, from, cdc_span_text(columns), &error) == 0, "columns are added");
}

static bool is(const struct my_history *history, const char *table, struct my_point point, const char *want)
{
    struct cdc_span got = my_history_find(history, "d", table, point);
    return want ? got.p && cdc_span_is(got, want) : !got.p;
}

static void alter(struct my_history *history, const char *sql, struct my_point point)
{
    my_history_alter(history, cdc_span_text(sql), cdc_span_text("d"), point);
}

/* -- points -------------------------------------------------------------------------------- */

static void test_points(void)
{
    struct cdc_error error = {0};
    struct my_history *history = history_of("n");
    check(my_history_begin(history, "s", true, &error) == 0, "a history begins");
    add(history, "t", at(5, 0), "[1]");
    check(is(history, "t", at(5, 0), "[1]") && is(history, "t", at(900, 3), "[1]"), "columns hold from their point on");
    check(is(history, "t", at(4, 9), NULL) && is(history, "u", at(5, 0), NULL), "and not before it, nor elsewhere");
    alter(history, "alter table u add t_x int", at(8, 1));
    check(is(history, "t", at(8, 1), "[1]"), "a statement on another table changes nothing");
    alter(history, "ALTER TABLE `T` ADD x int", at(9, 1));
    check(is(history, "t", at(9, 0), "[1]") && is(history, "t", at(9, 1), NULL) && is(history, "t", at(10, 0), NULL),
          "a statement that names the table ends them");
    add(history, "t", at(9, 1), "[2]");
    alter(history, "ALTER TABLE `T` ADD x int", at(9, 1));
    check(is(history, "t", at(9, 0), "[1]") && is(history, "t", at(9, 1), "[2]"),
          "the same statement, read again, ends what was before it only");
    alter(history, "drop table t", at(12, 1));
    my_history_confirm(history, 8);
    check(is(history, "t", at(9, 0), "[1]"), "what may be read again is kept");
    my_history_confirm(history, 9);
    check(is(history, "t", at(9, 0), NULL) && is(history, "t", at(11, 0), "[2]"), "what may not is let go of");
    my_history_forget(history, cdc_span_text("create index i on t (a)"));
    check(is(history, "t", at(11, 0), NULL), "all of a table is forgotten");
    my_history_free(history);
}

static void test_bound(void)
{
    struct cdc_error error = {0};
    struct my_history *history = history_of("n");
    char *large = malloc(1 << 20);
    memset(large, ' ', 1 << 20);
    large[0] = '[';
    large[(1 << 20) - 2] = ']';
    large[(1 << 20) - 1] = '\0';
    my_history_begin(history, "s", true, &error);
    for (int i = 0; i < 12; i++)
        my_history_add(history, "d", "t", at((uint64_t)i, 0), cdc_span_text(large), &error);
    check(my_history_is_full(history) && error.status == 0, "what is kept is bounded");
    free(large);
    my_history_free(history);
}

/* -- the file -------------------------------------------------------------------------------- */

/* The token that the offset file would have. */
static struct cdc_span token_of(struct my_history *history)
{
    static char token[64];
    snprintf(token, sizeof token, "%s", my_history_state(history) + strlen("{\"schema\":\""));
    token[strcspn(token, "\"")] = '\0';
    return cdc_span_text(token);
}

static int load(const char *name, const char *server, struct cdc_span token, struct my_history **history,
                struct cdc_error *error)
{
    struct my_history_synced got;
    *history = history_of(name);
    int result = my_history_load(*history, server, token, &got, error);
    if (result > 0)
        check(got.number == mark.number && got.coord.position == mark.coord.position &&
                  strcmp(got.coord.file, mark.coord.file) == 0,
              "the place of the file is its own");
    return result;
}

static int status_of(const char *name, const char *server, struct cdc_span token)
{
    struct cdc_error error = {0};
    struct my_history *history;
    int result = load(name, server, token, &history, &error);
    my_history_free(history);
    return result < 0 ? (int)error.status : result;
}

static void spoil(long offset, char with)
{
    FILE *file = fopen(path, "r+");
    if (file && fseek(file, offset, SEEK_SET) == 0)
        fputc(with, file);
    if (file)
        fclose(file);
}

static void test_spoilt(struct cdc_span token)
{
    struct cdc_error error = {0};
    struct stat status;
    if (stat(path, &status) != 0)
        return;
    size_t good = 0, n = (size_t)status.st_size;
    char *bytes = malloc(n);
    FILE *file = fopen(path, "r");
    good = file ? fread(bytes, 1, n, file) : 0;
    if (file)
        fclose(file);
    bool all = good == n;
    for (size_t i = 0; i < n; i++) {
        spoil((long)i, (char)(bytes[i] ^ 1));
        all &= status_of("n", "s", token) == CDC_EXIT_CONFIG;
        spoil((long)i, bytes[i]);
    }
    check(all, "no bit of it may differ");
    all = status_of("n", "s", token) == 1;
    for (size_t i = n; i > 0; i--)
        all &= truncate(path, (off_t)i - 1) == 0 && status_of("n", "s", token) == CDC_EXIT_CONFIG;
    check(all, "nor may its end be missing");
    struct my_history *history = history_of("n");
    my_history_begin(history, "s", true, &error);
    check(my_history_save(history, &mark, &error) < 0 && error.status == CDC_EXIT_CONFIG,
          "a file that is not ours is not written over");
    my_history_free(history);
    free(bytes);
}

/* The file with another text in place of the first `from`, and the sum that is right for it. */
static void rewrite(const struct cdc_buf *good, const char *from, const char *to)
{
    struct cdc_buf text = CDC_BUF_INIT;
    const char *end = memrchr(good->data, '\n', good->len - 1), *at = memmem(good->data, good->len, from, strlen(from));
    check(at != NULL && end != NULL && at < end, from);
    if (at == NULL || end == NULL)
        return;
    cdc_buf_append(&text, good->data, (size_t)(at - good->data));
    cdc_buf_text(&text, to);
    cdc_buf_append(&text, at + strlen(from), (size_t)(end + 1 - at) - strlen(from));
    cdc_buf_printf(&text, "{\"crc32\":%lu}\n", crc32_z(0, (const Bytef *)text.data, text.len));
    FILE *file = fopen(path, "w");
    check(file != NULL && fwrite(text.data, 1, text.len, file) == text.len && fclose(file) == 0, "rewritten");
    cdc_buf_free(&text);
}

/* Whole, and yet not what we write: a newer program's, another pipeline's, edited by hand. */
static void test_foreign(struct cdc_span token)
{
    static const char *const edits[][2] = {{"\"format\":1", "\"format\":2"}, {"\"format\":1", "\"format\":\"1\""},
                                           {"mysql-binlog", "pg-cdc"},       {"\"name\":\"n\"", "\"name\":\"m\""},
                                           {"\"generation\"", "\"g\""},      {"\"number\":", "\"number\":-"},
                                           {"\"number\"", "\"n\""},          {"\"position\":", "\"position\":-"},
                                           {"\"position\"", "\"p\""},        {"\"file\"", "\"f\""}};
    struct cdc_buf good = CDC_BUF_INIT;
    char bytes[4096];
    FILE *file = fopen(path, "r");
    for (size_t n; file != NULL && (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
        cdc_buf_append(&good, bytes, n);
    if (file != NULL)
        fclose(file);
    rewrite(&good, "\"format\":1", "\"format\": 1");
    check(status_of("n", "s", token) == 1, "a blank is no damage");
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        rewrite(&good, edits[i][0], edits[i][1]);
        check(status_of("n", "s", token) == CDC_EXIT_CONFIG, edits[i][1]);
    }
    rewrite(&good, "\"format\":1", "\"format\":1");
    check(status_of("n", "s", token) == 1, "as it was");
    cdc_buf_free(&good);
}

static void test_file(void)
{
    struct cdc_error error = {0};
    struct stat status;
    struct my_history *history = history_of("n"), *again;
    my_history_begin(history, "s", false, &error);
    check(my_history_save(history, &mark, &error) == 0 && access(path, F_OK) != 0, "no file without a need");
    add(history, "t", at(5, 0), "[[\"a\\\"\",\"int\",null,2]]");
    add(history, "u", at(6, 1), "[]");
    alter(history, "alter table t drop column x", at(7, 2));
    check(my_history_save(history, &mark, &error) == 0 && stat(path, &status) == 0 && (status.st_mode & 0777) == 0600,
          "it is saved, for its owner only");
    struct cdc_span token = token_of(history);
    check(load("n", "s", token, &again, &error) == 1, "it is read");
    check(is(again, "t", at(5, 0), "[[\"a\\\"\",\"int\",null,2]]") &&
              is(again, "t", at(7, 1), "[[\"a\\\"\",\"int\",null,2]]") && is(again, "t", at(7, 2), NULL) &&
              is(again, "u", at(99, 0), "[]") && is(again, "u", at(6, 0), NULL),
          "and says the same");
    check(my_history_is_of(again, "s") && strcmp(my_history_state(again), my_history_state(history)) == 0,
          "and is the same");
    add(again, "v", at(9, 0), "[]");
    check(my_history_save(again, &mark, &error) == 0 && status_of("n", "s", token) == 1, "a newer one is taken");
    char newer[64];
    snprintf(newer, sizeof newer, "%s", token_of(again).p);
    my_history_free(again);
    add(history, "w", at(9, 0), "[]");
    check(status_of("n", "s", cdc_span_text(newer)) == 1, "the newest, too");
    newer[strlen(newer) - 1] = '9';
    check(status_of("n", "s", cdc_span_text(newer)) == 0, "an older one is not");
    newer[0] = newer[0] == 'f' ? '0' : 'f';
    check(status_of("n", "s", cdc_span_text(newer)) == 0 && status_of("n", "s", cdc_span_text("")) == 0,
          "nor one of another beginning");
    check(status_of("n", "other", token) == 0, "nor one of another server");
    check(status_of("m", "s", token) == CDC_EXIT_CONFIG, "one of another pipeline is an error");
    test_foreign(token);
    test_spoilt(token);
    my_history_free(history);
    unlink(path);
}

/* -- any one call fails ---------------------------------------------------------------------- */

static char begun_token[64];

static void begin_file(void)
{
    struct cdc_error error = {0};
    struct my_history *history = history_of("n");
    unlink(path);
    my_history_begin(history, "s", true, &error);
    add(history, "t", at(5, 0), "[[\"a\",\"int\",null,2]]");
    check(my_history_save(history, &mark, &error) == 0, "a file to begin with");
    snprintf(begun_token, sizeof begun_token, "%s", token_of(history).p);
    my_history_free(history);
}

/* What a stream does: it takes the file, reads on, and keeps what it has learned. */
static int run_file(struct cdc_error *error)
{
    struct my_history_synced synced;
    memory_begin();
    struct my_history *history = my_history_new(path, "n", error);
    int result = history ? my_history_load(history, "s", cdc_span_text(begun_token), &synced, error) : -1;
    if (result > 0) {
        my_history_alter(history, cdc_span_text("alter table d.t drop column a"), cdc_span_text("d"), at(7, 2));
        result = my_history_add(history, "d", "u", at(8, 0), cdc_span_text("[]"), error);
        result = result == 0 ? my_history_save(history, &mark, error) : -1;
    }
    my_history_free(history);
    memory_end();
    return result;
}

static bool file_is_done(void)
{
    struct cdc_error error = {0};
    struct my_history_synced synced;
    struct my_history *history = history_of("n");
    bool done = my_history_load(history, "s", cdc_span_text(begun_token), &synced, &error) == 1 &&
                is(history, "t", at(7, 1), "[[\"a\",\"int\",null,2]]") && is(history, "t", at(7, 2), NULL) &&
                is(history, "u", at(8, 0), "[]");
    my_history_free(history);
    return done;
}

/* -- fitting ----------------------------------------------------------------------------------- */

static int fits(struct my_column *columns, size_t n, const char *text, bool signs)
{
    struct cdc_error error = {0};
    const char *why = NULL;
    char db[] = "d", name[] = "t";
    struct my_table table = {.db = db, .name = name, .columns = columns, .n_columns = n, .has_signs = signs};
    int result = my_columns_apply(cdc_span_text(text), &table, MY_FLAVOR_MYSQL, &why, &error);
    return result == 0 && !why ? -2 : result;
}

static int fits_one(struct my_column column, const char *type, const char *collation, bool signs)
{
    struct cdc_buf text = CDC_BUF_INIT;
    my_columns_add(&text, "c", type, collation, 0);
    my_columns_end(&text);
    cdc_buf_byte(&text, '\0');
    int result = fits(&column, 1, text.data, signs);
    my_column_free(&column);
    cdc_buf_free(&text);
    return result;
}

#define COLUMN(...) ((struct my_column){__VA_ARGS__})

static void test_fits(void)
{
    const struct my_charset *latin1 = my_charset_named("latin1");
    check(fits(NULL, 0, "[]", false) == 1 && fits(NULL, 0, "[[\"a\",\"int\",null,0]]", false) == 0, "count");
    struct my_column two[] = {{.type = MY_TYPE_LONG}, {.type = MY_TYPE_LONG}};
    check(fits(two, 2, "[[\"a\",\"int\",null,0]]", false) == 0, "one too few");
    my_column_free(&two[0]);
    my_column_free(&two[1]);
    check(fits_one(COLUMN(.type = MY_TYPE_LONG), "int(11)", NULL, false) == 1 &&
              fits_one(COLUMN(.type = MY_TYPE_LONG), "bigint", NULL, false) == 0,
          "type");
    check(fits_one(COLUMN(.type = MY_TYPE_LONG, .nullable = true), "int(11)", NULL, false) == 0, "NULL");
    check(fits_one(COLUMN(.type = MY_TYPE_LONG), "int unsigned", NULL, true) == 0 &&
              fits_one(COLUMN(.type = MY_TYPE_LONG), "int unsigned", NULL, false) == 1,
          "sign");
    check(fits_one(COLUMN(.type = MY_TYPE_VARCHAR, .metadata = 40), "varchar(10)", "utf8mb4_bin", false) == 1 &&
              fits_one(COLUMN(.type = MY_TYPE_VARCHAR, .metadata = 40), "varchar(20)", "utf8mb4_bin", false) == 0,
          "length");
    check(fits_one(COLUMN(.type = MY_TYPE_VARCHAR, .metadata = 10, .charset = latin1), "varchar(10)",
                   "latin1_swedish_ci", false) == 1 &&
              fits_one(COLUMN(.type = MY_TYPE_VARCHAR, .metadata = 10, .charset = latin1), "varchar(10)",
                       "latin2_general_ci", false) == 0,
          "charset");
    check(fits_one(COLUMN(.type = MY_TYPE_DECIMAL, .metadata = 10 | 3 << 8), "decimal(10,3)", NULL, false) == 1 &&
              fits_one(COLUMN(.type = MY_TYPE_DECIMAL, .metadata = 10 | 3 << 8), "decimal(10,2)", NULL, false) == 0,
          "digits");
    check(fits_one(COLUMN(.type = MY_TYPE_DATETIME2, .metadata = 3), "datetime(3)", NULL, false) == 1 &&
              fits_one(COLUMN(.type = MY_TYPE_DATETIME2, .metadata = 3), "datetime", NULL, false) == 0,
          "digits of a second");
    check(fits_one(COLUMN(.type = MY_TYPE_BLOB, .metadata = 3), "mediumtext", "latin1_bin", false) == 1 &&
              fits_one(COLUMN(.type = MY_TYPE_BLOB, .metadata = 3), "text", "latin1_bin", false) == 0,
          "size of a blob");
    check(fits_one(COLUMN(.type = MY_TYPE_ENUM, .metadata = 1), "enum('?')", "utf8mb4_bin", false) == 0 &&
              fits_one(COLUMN(.type = MY_TYPE_ENUM, .metadata = 1), "enum('?')", "latin1_bin", false) == 1,
          "a label that may be another one");
    struct my_column number[] = {{.type = MY_TYPE_LONG}};
    check(fits(number, 1, "[7]", false) == 0 && fits(number, 1, "[[\"a\",\"int\"]]", false) == 0, "what is none");
    struct my_column label[] = {{.type = MY_TYPE_ENUM, .metadata = 1}};
    check(fits(label, 1, "[[\"e\",\"enum('it''s','b,c')\",\"latin1_bin\",5]]", false) == 0, "NULL of labels");
    label[0].nullable = true;
    check(fits(label, 1, "[[\"e\",\"enum('it''s','b,c')\",\"latin1_bin\",5]]", false) == 1 && label[0].n_labels == 2 &&
              cdc_span_is(label[0].labels[0], "it's") && cdc_span_is(label[0].labels[1], "b,c") && !label[0].key &&
              label[0].generated,
          "labels");
    my_column_free(&label[0]);
}

/* -- MariaDB's JSON ------------------------------------------------------------------------------ */

#define TEXT(name) "[\"" name "\",\"longtext\",null,1]"
#define JSON(name) "[\"" name "\",\"json\",null,1]"
#define OTHER(name) "[\"" name "\",\"int\",null,1]"

/* Where something is not known of before, it is as the caller says. */
static void keeps(const char *what, const char *before, const char *now, int otherwise_not, int otherwise)
{
    struct cdc_error error = {0};
    const struct cdc_span list = before ? cdc_span_text(before) : cdc_span(NULL, 0);
    check(my_columns_keep_json(list, cdc_span_text(now), false, &error) == otherwise_not &&
              my_columns_keep_json(list, cdc_span_text(now), true, &error) == otherwise && error.status == 0,
          what);
}

static void test_keeps_json(void)
{
    keeps("the same", "[" OTHER("i") "," TEXT("a") "," JSON("b") "]", "[" TEXT("a") "," JSON("b") "]", 1, 1);
    keeps("a text that became JSON", "[" TEXT("a") "," JSON("b") "]", "[" JSON("a") "," JSON("b") "]", 0, 0);
    keeps("JSON that became text, its name in capitals", "[" JSON("a") "]", "[" OTHER("i") "," TEXT("A") "]", 0, 0);
    keeps("one that came, one that went", "[" JSON("a") "]", "[" JSON("b") "]", 1, 1);
    keeps("one that had another type", "[" OTHER("a") "]", "[" JSON("a") "]", 1, 1);
    keeps("one of which only the name is known", "[[\"a\"]," TEXT("b") "]", "[" TEXT("a") "," TEXT("b") "]", 0, 1);
    keeps("one that is known beside it", "[[\"a\"]," TEXT("b") "]", "[" TEXT("a") "," JSON("b") "]", 0, 0);
    keeps("nothing is known", NULL, "[" OTHER("i") "," TEXT("a") "]", 0, 1);
    keeps("nothing is known, and no text is there", NULL, "[" OTHER("i") "]", 1, 1);
    keeps("no table any more", "[" JSON("a") "]", "[]", 1, 1);
}

int main(void)
{
    if (!mkdtemp(path) || rmdir(path) != 0)
        return 1;
    test_points();
    test_bound();
    test_file();
    failures += calls_sweep(&(struct calls_case){"a file of columns", begin_file, run_file, file_is_done, NULL}) != 0;
    unlink(path);
    test_fits();
    test_keeps_json();
    return failures != 0;
}
