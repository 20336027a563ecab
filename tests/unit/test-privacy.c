/* SPDX-License-Identifier: MIT */
/* The privacy step, line by line: what each setting makes of a line, what is refused, and that no message has a value in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/privacy.h>

#include "tests/unit/no-memory.h"

static int failures;
static char folder[] = "/tmp/cdc-privacy-XXXXXX", key_path[64], store_path[64];

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

#define LIST(...)                                                                                                      \
    {                                                                                                                  \
        (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                          \
    }
#define SECRET "5ecr3t-value"
#define SOURCE                                                                                                         \
    "\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\",\"schema\":\"app\",\"table\":\"t\"}"
#define HEAD(op) "{\"op\":\"" op "\",\"pos\":\"1\",\"seq\":1,\"ts_ms\":1," SOURCE
#define COLUMN(name, type) "{\"name\":\"" name "\",\"type\":\"" type "\",\"nullable\":false,\"generated\":false}"
#define COLUMNS                                                                                                        \
    HEAD("schema")                                                                                                     \
    ",\"columns\":[" COLUMN("id", "bigint") "," COLUMN("a", "enum('" SECRET "','b')") "," COLUMN(                      \
        "b", "varchar(30)") "],"                                                                                       \
                            "\"key_columns\":["                                                                        \
                            "\"id\"]}"

/* One run: a filter with the step alone. */
struct run {
    struct cdc_privacy *privacy;
    struct cdc_filter *filter;
    struct cdc_filter_step step;
    struct cdc_error error;
    struct cdc_buf out;
};

static bool begin(struct run *run, const struct cdc_privacy_settings *settings)
{
    *run = (struct run){.privacy = NULL};
    run->privacy = cdc_privacy_new(settings, &run->error);
    if (run->privacy == NULL)
        return false;
    run->step = cdc_privacy_step(run->privacy);
    const struct cdc_filter_settings filter = {.steps = &run->step, .n_steps = 1};
    run->filter = cdc_filter_new(&filter, &run->error);
    return run->filter != NULL;
}

static void end(struct run *run)
{
    cdc_filter_free(run->filter);
    cdc_privacy_free(run->privacy);
    cdc_buf_free(&run->out);
}

/* What came of the line is in run->out. */
static int take(struct run *run, const char *line)
{
    struct cdc_event event;

    run->out.len = 0;
    cdc_error_clear(&run->error);
    if (cdc_event_parse(&event, line, strlen(line), &run->error) != 0)
        return -2;
    int result = cdc_filter_event(run->filter, &event, &run->out, &run->error);
    if (cdc_privacy_settle(run->privacy, &run->error) != 0)
        return -3;
    if (cdc_buf_room(&run->out, 1)) /* so that it can be searched as a text */
        run->out.data[run->out.len] = '\0';
    return result;
}

/* After the schema line. expected: without its LF; "": dropped; "65", "78": an error with that status. */
static void becomes(struct cdc_privacy_settings settings, const char *line, const char *expected)
{
    struct run run;
    int wanted = strlen(expected) == 2 ? atoi(expected) : 0;
    bool begun = begin(&run, &settings) && take(&run, COLUMNS) >= 0;
    int result = begun ? take(&run, line) : -3;
    bool good = wanted != 0 ? result == -1 && run.error.status == wanted && strstr(run.error.text, SECRET) == NULL
                            : result == (*expected != '\0') && run.out.len == strlen(expected) + (*expected != '\0') &&
                                  memcmp(run.out.data, expected, strlen(expected)) == 0;

    check(good, line);
    if (!good)
        printf("  wanted  %s\n  got     %d %.*s %d %s\n", expected, result, (int)run.out.len,
               run.out.len > 0 ? run.out.data : "", run.error.status, run.error.text);
    end(&run);
}

/* The same of another schema line, first of all. */
static void schema_becomes(struct cdc_privacy_settings settings, const char *line, const char *expected)
{
    struct run run;
    int wanted = strlen(expected) == 2 ? atoi(expected) : 0;
    int result = begin(&run, &settings) ? take(&run, line) : -3;
    bool good = wanted != 0 ? result == -1 && run.error.status == wanted
                            : result == 1 && run.out.len == strlen(expected) + 1 &&
                                  memcmp(run.out.data, expected, strlen(expected)) == 0;

    check(good, line);
    if (!good)
        printf("  wanted  %s\n  got     %d %.*s %d %s\n", expected, result, (int)run.out.len,
               run.out.len > 0 ? run.out.data : "", run.error.status, run.error.text);
    end(&run);
}

#define PRIVACY(...) ((struct cdc_privacy_settings){__VA_ARGS__})
#define MASK(...) PRIVACY(.mask = LIST(__VA_ARGS__), .mask_key = NULL)
#define ROW(op, before, after) HEAD(op) ",\"key\":{\"id\":1},\"before\":" before ",\"after\":" after "}"
#define C(after) ROW("c", "null", after)

static void test_masks(void)
{
    becomes(MASK("a=null"), C("{\"id\":1,\"a\":\"" SECRET "\",\"b\":\"x\"}"), C("{\"id\":1,\"a\":null,\"b\":\"x\"}"));
    becomes(MASK("app.t:a=redact"), C("{\"a\":\"" SECRET "\",\"\\u0061\":1}"),
            C("{\"a\":\"***\",\"\\u0061\":\"***\"}"));
    becomes(MASK("a=redact"), C("{\"a\":null,\"b\":1e400}"), C("{\"a\":null,\"b\":1e400}"));
    becomes(MASK("a,b=partial"), C("{\"a\":\"12345678\",\"b\":\"1234567\"}"), C("{\"a\":\"****5678\",\"b\":\"****\"}"));
    becomes(MASK("a,b=partial"), C("{\"a\":\"\\u00e9t\xc3\xa9t\xc3\xa9t\\\"\xc3\xa9\\n\",\"b\":\"\"}"),
            C("{\"a\":\"****t\\\"\xc3\xa9\\n\",\"b\":\"****\"}"));
    becomes(MASK("a,b=partial"), C("{\"a\":1234567890.25,\"b\":{\"base64\":\"AAAAAAAAAAAAAAAA\"}}"),
            C("{\"a\":\"****0.25\",\"b\":\"****\"}"));
    becomes(MASK("a=partial", "b=redact"), ROW("u", "{\"a\":[1,2,3,4,5,6,7],\"b\":true}", "{\"id\":1,\"b\":false}"),
            ROW("u", "{\"a\":\"****\",\"b\":\"***\"}", "{\"id\":1,\"b\":\"***\"}"));
    /* Of another table nothing is touched, whatever it has. */
    becomes(MASK("other:a=null"), " { \"op\":\"c\", \"x\" :1," SOURCE ",\"after\":{\"a\":1}}",
            " { \"op\":\"c\", \"x\" :1," SOURCE ",\"after\":{\"a\":1}}");
    becomes(MASK("a=null", "b=null"), ROW("d", "{\"id\":1,\"a\":2}", "null"),
            ROW("d", "{\"id\":1,\"a\":null}", "null"));
}

static void test_hash(void)
{
    struct cdc_privacy_settings hash = {.mask = LIST("id,a,b=hash"), .mask_key = key_path};
    struct run run;

    check(begin(&run, &hash) && take(&run, COLUMNS) == 1, "hash");
    check(take(&run, HEAD("c") ",\"key\":{\"id\":7},\"after\":{\"id\":\"7\",\"a\":7,\"b\":\"\\u0037\"}}") == 1, "hash");
    char *first = strstr(run.out.data, "\"id\":\""), *at = first;
    int same = 0;
    for (; at != NULL && (at = strstr(at + 1, "\":\"")) != NULL;)
        same += memcmp(at + 3, first + 6, 64) == 0 && at[67] == '"';
    check(same == 4, "a text, a number and an escape are one value, in a key as in a row");
    check(take(&run, C("{\"a\":\"{\\\"base64\\\":\\\"AA==\\\"}\",\"b\":{\"base64\":\"AA==\"}}")) == 1 &&
              memcmp(strstr(run.out.data, "\"a\":") + 5, strstr(run.out.data, "\"b\":") + 5, 64) != 0,
          "bytes are not the text that reads so");
    end(&run);
}

static void test_only(void)
{
    struct cdc_privacy_settings only = {.only = LIST("app.t:id,b")},
                                both = {.only = LIST("id,a"), .mask = LIST("a=redact")};

    becomes(only, ROW("u", "{\"id\":1,\"a\":\"" SECRET "\"}", "{\"id\":1,\"a\":\"" SECRET "\",\"b\":2,\"new\":3}"),
            ROW("u", "{\"id\":1}", "{\"id\":1,\"b\":2}"));
    becomes(only, C("{\"a\":1}"), C("{}"));
    becomes(both, C("{\"id\":1,\"a\":\"" SECRET "\",\"b\":2}"), C("{\"id\":1,\"a\":\"***\"}"));
    becomes(
        only,
        HEAD("u") ",\"key\":{\"id\":1},\"after\":{\"id\":1},\"unchanged\":[\"a\",\"b\"],\"json_null\":[\"a\",\"b\"],"
                  "\"json_null_old\":[\"a\"]}",
        HEAD("u") ",\"key\":{\"id\":1},\"after\":{\"id\":1},\"unchanged\":[\"b\"],\"json_null\":[\"b\"],"
                  "\"json_null_old\":[]}");
    schema_becomes(only, COLUMNS,
                   HEAD("schema") ",\"columns\":[" COLUMN("id", "bigint") "," COLUMN(
                       "b", "varchar(30)") "],\"key_columns\":[\"id\"]}");
    schema_becomes(PRIVACY(.only = LIST("t:b")), COLUMNS, "78"); /* without the key */
    schema_becomes(PRIVACY(.only = LIST("t:id,c")), COLUMNS, "78");
    schema_becomes(PRIVACY(.only = LIST("t:id,c"), .allow_unknown = true), COLUMNS,
                   HEAD("schema") ",\"columns\":[" COLUMN("id", "bigint") "],\"key_columns\":[\"id\"]}");
    becomes(only, "{\"op\":\"c\",\"source\":{\"name\":\"n\",\"schema\":\"app\",\"table\":\"u\"},\"after\":{\"id\":1}}",
            "");
    becomes(only, "{\"op\":\"schema\",\"source\":{\"name\":\"n\",\"table\":\"u\"},\"columns\":[]}", "");
    becomes(only, "{\"op\":\"c\",\"source\":{\"name\":\"n\"},\"after\":{\"id\":1,\"b\":\"" SECRET "\"}}", "65");
    becomes(only, HEAD("t") ",\"x\":\"" SECRET "\"}", HEAD("t") "}");
    becomes(only, "{\"op\":\"t\",\"source\":{\"name\":\"n\",\"db\":\"app\"},\"except\":[\"t\",\"u\"]}",
            "{\"op\":\"t\",\"source\":{\"name\":\"n\",\"db\":\"app\"},\"except\":[\"t\"]}");
    becomes(only, "{\"op\":\"t\",\"source\":{\"name\":\"n\",\"db\":\"other\"}}", "");
}

/* Where else a value could be. */
static void test_places(void)
{
    struct cdc_privacy_settings mask = MASK("a=null");

    becomes(mask, "{\"op\":\"m\",\"source\":{\"name\":\"n\"},\"message\":{\"content\":\"" SECRET "\"}}", "");
    becomes(mask, "{\"op\":\"ddl\",\"source\":{\"name\":\"n\",\"db\":\"d\"},\"ddl\":\"alter " SECRET "\",\"db\":\"d\"}",
            "{\"op\":\"ddl\",\"source\":{\"name\":\"n\",\"db\":\"d\"},\"ddl\":\"\",\"db\":\"d\"}");
    becomes(mask, "{\"op\":\"?\"," SOURCE ",\"after\":{\"a\":\"" SECRET "\"}}", "65");
    /* A member that is repeated, one that is not known, one of other lines. */
    becomes(mask,
            HEAD("c") ",\"after\":{\"a\":\"" SECRET "\"},\"old\":\"" SECRET "\",\"ddl\":\"" SECRET
                      "\",\"columns\":[\"" SECRET "\"],\"after\":{\"a\":1}}",
            HEAD("c") ",\"after\":{\"a\":null}}");
    becomes(
        mask,
        "{\"op\":\"c\",\"source\":{\"name\":\"n\",\"db\":\"d\",\"schema\":\"app\",\"table\":\"t\",\"query\":\"" SECRET
        "\",\"x\":{\"y\":\"" SECRET "\"},\"lsn\":1},\"after\":{}}",
        "{\"op\":\"c\",\"source\":{\"name\":\"n\",\"db\":\"d\",\"schema\":\"app\",\"table\":\"t\",\"lsn\":1},\"after\":"
        "{}}");
    /* What the type of the column says, and a default. */
    schema_becomes(
        mask,
        HEAD("schema") ",\"columns\":[{\"name\":\"a\",\"type\":\"enum('" SECRET "')\",\"base_type\":\"" SECRET
                       "\",\"nullable\":false,\"generated\":false,\"default\":\"" SECRET "\"}],\"x\":\"" SECRET "\"}",
        HEAD("schema") ",\"columns\":[{\"name\":\"a\",\"type\":\"text\",\"nullable\":true,\"generated\":false}]}");
}

static void test_schema(void)
{
    static const char *const kinds[] = {"id=null", "t:id=redact", "*.t:id=partial"};
    struct run run;

    for (size_t i = 0; i < 3; i++)
        schema_becomes(MASK(kinds[i]), COLUMNS, "78");
    schema_becomes(MASK("t:c=null"), COLUMNS, "78");
    schema_becomes(MASK("a=null", "t:a=redact"), COLUMNS, "78");
    /* A row before it, and one whose key the schema line does not have. */
    schema_becomes(MASK("a=null"), C("{\"a\":1}"), "65");
    becomes(MASK("a=redact"), HEAD("c") ",\"key\":{\"a\":1},\"after\":{\"a\":1}}", "78");
    /* A column that has another name from now on. */
    struct cdc_privacy_settings mask = MASK("a=null");
    check(begin(&run, &mask) && take(&run, COLUMNS) == 1 &&
              take(&run, HEAD("schema") ",\"columns\":[" COLUMN("id", "bigint") "," COLUMN("mail", "text") "]}") ==
                  -1 &&
              run.error.status == CDC_EXIT_CONFIG,
          "a column that is masked has gone: 78");
    end(&run);
    struct cdc_privacy_settings tokens = {.tokenize = LIST("a,b"), .mask_key = key_path};
    schema_becomes(tokens, COLUMNS,
                   HEAD("schema") ",\"columns\":[" COLUMN("id", "bigint") "," COLUMN("a", "text") "," COLUMN(
                       "b", "varchar(30)") "],\"key_columns\":[\"id\"]}");
    becomes(tokens, C("{\"b\":\"x1\"}"), "65");
    becomes(tokens, C("{\"b\":true}"), "65");
    becomes(tokens, C("{\"b\":null,\"a\":\"\"}"), C("{\"b\":null,\"a\":\"\"}"));
}

/* -- encryption ------------------------------------------------------------------------------ */

#define DOCUMENT "{\"id\":1,\"a\":\"" SECRET "\\u00e9\",\"b\":null}"

/* The lines of an encrypted stream, decrypted by another run. */
static void test_encryption(void)
{
    struct cdc_privacy_settings encrypt = {.encrypt = LIST("t:a,b"), .subject = LIST("id"), .key_store = store_path};
    struct cdc_privacy_settings decrypt = {.decrypt = true, .key_store = store_path};
    static const char *const lines[] = {C(DOCUMENT),
                                        HEAD("u") ",\"key\":{\"id\":1},\"before\":" DOCUMENT ",\"after\":" DOCUMENT
                                                  ",\"json_null\":[\"id\",\"b\"],\"json_null_old\":[\"b\"]}",
                                        ROW("d", "{\"id\":1}", "null")};
    struct run one, two;
    char schema[1024], line[4096];

    check(begin(&one, &encrypt) && begin(&two, &decrypt) && take(&one, COLUMNS) == 1, "encrypt");
    snprintf(schema, sizeof schema, "%.*s", (int)one.out.len - 1, one.out.data);
    check(strstr(schema, SECRET) == NULL && strstr(schema, "\"encrypted\":{\"type\":\"enum\"}") != NULL &&
              strstr(schema, "\"encrypted\":{\"type\":\"varchar(30)\"}") != NULL,
          "the schema line says what it was, without the labels of an enum");
    check(take(&two, schema) == 1 && strstr(two.out.data, "\"type\":\"varchar(30)\",\"nullable\":true") != NULL,
          "and decrypted what it is");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        check(take(&one, lines[i]) == 1, lines[i]);
        snprintf(line, sizeof line, "%.*s", (int)one.out.len - 1, one.out.data);
        check(strstr(line, SECRET) == NULL, "encrypted");
        check(take(&two, line) == 1 && two.out.len == strlen(lines[i]) + 1 &&
                  memcmp(two.out.data, lines[i], strlen(lines[i])) == 0,
              "decrypted, byte for byte");
    }
    /* In another column, it does not open. */
    take(&one, C("{\"id\":1,\"a\":\"" SECRET "\"}"));
    char *name = memmem(one.out.data, one.out.len, "\"a\":{", 5);
    name[1] = 'b';
    snprintf(line, sizeof line, "%.*s", (int)one.out.len - 1, one.out.data);
    check(take(&two, line) == -1 && two.error.status == CDC_EXIT_DATA, "moved into another column");
    check(take(&two, C("{\"a\":\"" SECRET "\"}")) == -1 && strstr(two.error.text, SECRET) == NULL, "not encrypted");
    check(
        take(&two, C("{\"a\":{\"enc\":1,\"kid\":\"../../../../../../etc/passwd00\",\"n\":\"AAAA\",\"c\":\"AAAA\"}}")) ==
                -1 &&
            two.error.status == CDC_EXIT_DATA,
        "a name of a key that is none");
    end(&one);
    end(&two);
}

static void test_subjects(void)
{
    struct cdc_privacy_settings encrypt = {.encrypt = LIST("a"), .subject = LIST("b"), .key_store = store_path};
    struct cdc_privacy_settings key = {.encrypt = LIST("a"), .subject = LIST("id"), .key_store = store_path};

    becomes(encrypt, C("{\"id\":1,\"a\":\"" SECRET "\"}"), "78"); /* no subject in the line */
    becomes(encrypt, ROW("u", "{\"a\":\"" SECRET "\"}", "{\"b\":1}"), "78");
    becomes(encrypt, ROW("u", "{\"b\":2}", "{\"b\":1}"), ROW("u", "{\"b\":2}", "{\"b\":1}"));
    becomes(encrypt, HEAD("u") ",\"key\":{\"id\":1},\"before\":{\"b\":2},\"after\":{\"b\":1},\"unchanged\":[\"a\"]}",
            "78");
    becomes(encrypt, HEAD("d") ",\"before\":{\"b\":2},\"after\":null}", "78"); /* no key */
    schema_becomes(PRIVACY(.encrypt = LIST("id"), .subject = LIST("b"), .key_store = store_path), COLUMNS, "78");
    schema_becomes(PRIVACY(.encrypt = LIST("a"), .subject = LIST("x"), .key_store = store_path), COLUMNS, "78");
    schema_becomes(PRIVACY(.encrypt = LIST("a"), .subject = LIST("u:b"), .key_store = store_path), COLUMNS, "78");
    /* The key says it where the row does not, but not of the old row of an update. */
    struct run run;
    check(begin(&run, &key) && take(&run, COLUMNS) == 1 && take(&run, C("{\"a\":1}")) == 1 &&
              take(&run, ROW("d", "{\"a\":1}", "null")) == 1 && take(&run, ROW("u", "{\"a\":1}", "{\"id\":1}")) == -1,
          "the subject is of the key");
    end(&run);
}

static int syncs, sync_fails_at; /* 0: never */

int fsync(int fd)
{
    if (++syncs != sync_fails_at)
        return (int)syscall(SYS_fsync, fd);
    errno = EIO;
    return -1;
}

/* A run that was killed has made it, and may not have waited for its folder, nor for that one's: a line that leaves with it before the disk
 * has both may be the only place that speaks of it. */
static void test_key_of_another_run(void)
{
    struct cdc_privacy_settings encrypt = {.encrypt = LIST("a"), .subject = LIST("id"), .key_store = store_path};
    static const char line[] = C("{\"id\":77,\"a\":5}");
    struct run run;

    check(begin(&run, &encrypt) && take(&run, COLUMNS) == 1 && take(&run, line) == 1, "a run makes a key");
    end(&run);
    syncs = 0;
    check(begin(&run, &encrypt) && take(&run, COLUMNS) == 1 && take(&run, line) == 1, "another one uses it");
    end(&run);
    int all = syncs;
    check(all >= 2, "what it has not made itself it brings to the disk");
    for (int at = 1; at <= all; at++) {
        sync_fails_at = at;
        syncs = 0;
        check(begin(&run, &encrypt) && take(&run, COLUMNS) == 1 && take(&run, line) < 0 &&
                  run.error.status == CDC_EXIT_IO,
              "no line leaves with a key that may not be on the disk");
        sync_fails_at = 0;
        end(&run);
    }
}

static void test_forget(void)
{
    struct cdc_privacy_settings encrypt = {.encrypt = LIST("a"), .subject = LIST("id"), .key_store = store_path};
    struct cdc_privacy_settings decrypt = {.decrypt = true, .key_store = store_path};
    struct cdc_key_store *store = cdc_key_store_open(store_path, NULL);
    struct run one, two;
    char line[2048];
    bool had;

    check(begin(&one, &encrypt) && begin(&two, &decrypt) && take(&one, COLUMNS) == 1, "encrypt");
    snprintf(line, sizeof line, "%.*s", (int)one.out.len - 1, one.out.data);
    take(&two, line);
    check(take(&one, C("{\"id\":\"f\\u006frgotten\",\"a\":5}")) == 1, "encrypt");
    snprintf(line, sizeof line, "%.*s", (int)one.out.len - 1, one.out.data);
    check(cdc_key_store_forget(store, cdc_span_text("forgotten"), &had, NULL) == 0 && had, "a key is destroyed");
    check(cdc_key_store_forget(store, cdc_span_text("forgotten"), &had, NULL) == 0 && !had, "again");
    check(cdc_key_store_forget(store, cdc_span_text("unknown"), &had, NULL) == 0 && !had, "one that has no key");
    check(take(&two, line) == 1 && strstr(two.out.data, "\"a\":null") != NULL, "what it was is null");
    end(&one);
    check(begin(&one, &encrypt) && take(&one, COLUMNS) == 1, "encrypt again");
    check(take(&one, C("{\"id\":\"forgotten\",\"a\":5}")) == 1 && strstr(one.out.data, "\"a\":null") != NULL,
          "stays forgotten");
    check(take(&one, C("{\"id\":\"unknown\",\"a\":5}")) == 1 && strstr(one.out.data, "\"a\":null") != NULL,
          "also one that came later");
    end(&one);
    end(&two);
    cdc_key_store_close(store);
}

/* -- settings ---------------------------------------------------------------------------------- */

static void refuses(struct cdc_privacy_settings settings, int status, const char *what)
{
    struct cdc_error error = {0};
    struct cdc_privacy *privacy = cdc_privacy_new(&settings, &error);
    check(privacy == NULL && error.status == status, what);
    if (privacy == NULL && error.status != status)
        printf("  %d %s\n", error.status, error.text);
    cdc_privacy_free(privacy);
}

static void test_settings(void)
{
    static const char *const masks[] = {"",        "a",       "=null",   "a=",        "a=Null",   ":a=null",
                                        "t:=null", "a,=null", ",a=null", "a,,b=null", "\xff=null"};
    static const char *const lists[] = {"", "t:", ":a", "a,", ",a", "a,,b", "\xff"};

    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++)
        refuses(MASK("x=null", masks[i]), CDC_EXIT_USAGE, masks[i]);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        refuses(PRIVACY(.only = LIST(lists[i])), CDC_EXIT_USAGE, lists[i]);
        refuses(PRIVACY(.tokenize = LIST(lists[i]), .mask_key = key_path), CDC_EXIT_USAGE, lists[i]);
        refuses(PRIVACY(.encrypt = LIST(lists[i]), .subject = LIST("a"), .key_store = store_path), CDC_EXIT_USAGE,
                lists[i]);
    }
    refuses(PRIVACY(.encrypt = LIST("a"), .subject = LIST("a,b"), .key_store = store_path), CDC_EXIT_USAGE,
            "two subjects");
    refuses(MASK("a=hash"), CDC_EXIT_USAGE, "hash without a key");
    refuses(PRIVACY(.tokenize = LIST("a")), CDC_EXIT_USAGE, "tokens without a key");
    refuses(PRIVACY(.mask = LIST("a=null"), .mask_key = key_path), CDC_EXIT_USAGE, "a key without use");
    refuses(PRIVACY(.encrypt = LIST("a"), .key_store = store_path), CDC_EXIT_USAGE, "no subject");
    refuses(PRIVACY(.encrypt = LIST("a"), .subject = LIST("a")), CDC_EXIT_USAGE, "no store");
    refuses(PRIVACY(.subject = LIST("a")), CDC_EXIT_USAGE, "a subject without use");
    refuses(PRIVACY(.decrypt = true), CDC_EXIT_USAGE, "decrypt without a store");
    refuses(PRIVACY(.decrypt = true, .only = LIST("a"), .key_store = store_path), CDC_EXIT_USAGE, "decrypt and only");
    refuses(PRIVACY(.only = LIST("a"), .key_store = store_path), CDC_EXIT_USAGE, "a store without use");
}

static void write_text(const char *path, const char *text, unsigned mode)
{
    (void)unlink(path);
    check(cdc_file_replace(path, text, strlen(text), mode, false, NULL) == 0, path);
}

static void test_key_files(void)
{
    static const char good[] = "0101010101010101010101010101010101010101010101010101010101010101";
    char path[128], link_path[128], text[80];
    struct cdc_privacy_settings hash = {.mask = LIST("a=hash"), .mask_key = path};
    struct cdc_error error = {0};

    snprintf(path, sizeof path, "%s/other.key", folder);
    snprintf(link_path, sizeof link_path, "%s/link.key", folder);
    refuses(hash, CDC_EXIT_CONFIG, "no file");
    for (unsigned mode = 0601; mode < 0700; mode = mode == 0601 ? 0602 : mode * 2 - 0600) {
        write_text(path, good, mode);
        refuses(hash, CDC_EXIT_CONFIG, "open to others");
    }
    for (size_t n = 0; n < 70; n++)
        if (n != 64) {
            snprintf(text, sizeof text, "%.*s", (int)n,
                     "0101010101010101010101010101010101010101010101010101010101010101aaaaaa");
            write_text(path, text, 0600);
            refuses(hash, CDC_EXIT_CONFIG, "not a key");
        }
    snprintf(text, sizeof text, "%s\n", good);
    write_text(path, text, 0600);
    struct cdc_privacy *privacy = cdc_privacy_new(&hash, &error);
    check(privacy != NULL, "a key with a line feed");
    cdc_privacy_free(privacy);
    check(symlink(path, link_path) == 0, "link");
    refuses(PRIVACY(.mask = LIST("a=hash"), .mask_key = link_path), CDC_EXIT_CONFIG, "a link");
    text[0] = 'x';
    write_text(path, text, 0600);
    refuses(hash, CDC_EXIT_CONFIG, "not hexadecimal");
    unlink(path);
    unlink(link_path);
}

/* -- no memory ----------------------------------------------------------------------------------- */

static int all_kinds(struct cdc_buf *out, struct cdc_error *error)
{
    static const char *const lines[] = {
        COLUMNS, ROW("u", "{\"id\":1,\"a\":\"x\\n\",\"b\":\"1234-5678\"}", "{\"id\":1,\"a\":null,\"b\":\"abcdef\"}"),
        "{\"op\":\"t\",\"source\":{\"name\":\"n\",\"db\":\"app\"},\"except\":[\"t\",\"u\"]}"};
    struct cdc_privacy_settings settings = {
        .only = LIST("t:id,a,b"), .mask = LIST("a=hash"), .tokenize = LIST("b"), .mask_key = key_path};
    struct cdc_buf line = CDC_BUF_INIT;
    struct cdc_event event;
    int result = 0;

    memory_begin();
    struct cdc_privacy *privacy = cdc_privacy_new(&settings, error);
    struct cdc_filter_step step = {.event = NULL};
    struct cdc_filter_settings filter_settings = {.steps = &step, .n_steps = 1};
    if (privacy != NULL)
        step = cdc_privacy_step(privacy);
    struct cdc_filter *filter = privacy != NULL ? cdc_filter_new(&filter_settings, error) : NULL;
    memory_end();
    for (size_t i = 0; filter != NULL && result >= 0 && i < sizeof lines / sizeof *lines; i++) {
        cdc_buf_free(&line);
        if (cdc_event_parse(&event, lines[i], strlen(lines[i]), error) != 0)
            break;
        memory_begin();
        result = cdc_filter_event(filter, &event, &line, error);
        memory_end();
        if (result == 1)
            cdc_buf_append_buf(out, &line);
    }
    cdc_buf_free(&line);
    cdc_filter_free(filter);
    cdc_privacy_free(privacy);
    return filter == NULL || result < 0 ? -1 : 0;
}

static int a_store(struct cdc_buf *out, struct cdc_error *error)
{
    bool had;

    memory_begin();
    struct cdc_key_store *store = cdc_key_store_open(store_path, error);
    int result = store != NULL ? cdc_key_store_forget(store, cdc_span_text("nobody"), &had, error) : -1;
    cdc_key_store_close(store);
    memory_end();
    if (result == 0)
        cdc_buf_lit(out, "forgotten");
    return result;
}

int main(void)
{
    static const char key[] = "0101010101010101010101010101010101010101010101010101010101010101\n";

    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(key_path, sizeof key_path, "%s/key", folder);
    snprintf(store_path, sizeof store_path, "%s/store", folder);
    write_text(key_path, key, 0600);
    check(cdc_key_store_make(store_path, NULL) == 0, "a store");
    check(cdc_key_store_make(store_path, NULL) != 0, "no second one");
    failures += memory_sweep("privacy", all_kinds) != 0;
    failures += memory_sweep("key store", a_store) != 0;
    test_masks();
    test_hash();
    test_only();
    test_places();
    test_schema();
    test_encryption();
    test_subjects();
    test_key_of_another_run();
    test_forget();
    test_settings();
    test_key_files();
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        failures++;
    if (failures == 0)
        printf("ok - privacy\n");
    return failures != 0;
}
