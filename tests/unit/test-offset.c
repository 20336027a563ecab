/* SPDX-License-Identifier: MIT */
/* Offset files and acknowledgements. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/json.h>
#include <cdc/offset.h>

#include "tests/unit/no-memory.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    if (file != NULL) {
        fputs(text, file);
        fclose(file);
    }
}

static void store(const char *name, const char *tool, const char *pos)
{
    struct cdc_error error = {0};
    struct cdc_offset_file *file = cdc_offset_file_open(path_of(name), tool, &error);
    struct cdc_offset offset = {(char *)(uintptr_t)pos, 5, 7, (char *)(uintptr_t) "{\"lsn\":9223372036854775807}",
                                NULL};
    check(file != NULL && cdc_offset_file_set(file, "shop", &offset, &error) == 0 &&
              cdc_offset_file_save(file, &error) == 0,
          "an offset is stored");
    cdc_offset_file_free(file);
}

static int open_status(const char *name, const char *tool)
{
    struct cdc_error error = {0};
    struct cdc_offset_file *file = cdc_offset_file_open(path_of(name), tool, &error);
    cdc_offset_file_free(file);
    return error.status;
}

#define FIRST "\"format\":1,\"tool\":\"cdc-sink-a\""
#define FILE_OF(entry) "{" FIRST ",\"offsets\":{\"x\":" entry "}}"

static void test_file(void)
{
    struct cdc_error error = {0};
    struct cdc_offset offset;
    struct stat status;

    check(open_status("a.offset", "cdc-sink-a") == 0 && access(path_of("a.offset"), F_OK) != 0 &&
              access(path_of("a.offset.lock"), F_OK) != 0,
          "what was opened and never saved leaves nothing");
    struct cdc_offset_file *made = cdc_offset_file_open(path_of("a.offset"), "cdc-sink-a", &error);
    check(made != NULL && cdc_offset_file_is_new(made) && cdc_offset_file_save(made, &error) == 0 &&
              access(path_of("a.offset"), F_OK) == 0,
          "a new file is made by a save");
    cdc_offset_file_withdraw(made);
    check(access(path_of("a.offset"), F_OK) != 0, "and withdrawn");
    check(cdc_offset_file_save(made, &error) == 0, "and made again");
    cdc_offset_file_free(made);
    made = cdc_offset_file_open(path_of("a.offset"), "cdc-sink-a", &error);
    check(made != NULL && !cdc_offset_file_is_new(made), "now there is one");
    cdc_offset_file_withdraw(made);
    check(access(path_of("a.offset"), F_OK) == 0, "which is not taken away");
    cdc_offset_file_free(made);
    check(cdc_offset_read(path_of("a.offset"), "shop", &offset, &error) == 0, "an empty file confirms nothing");
    store("a.offset", "cdc-sink-a", "0A");
    check(cdc_offset_read(path_of("a.offset"), "shop", &offset, &error) == 1 && strcmp(offset.pos, "0A") == 0 &&
              offset.seq == 5 && offset.lines == 7 && strcmp(offset.source, "{\"lsn\":9223372036854775807}") == 0,
          "what was stored is read");
    cdc_offset_free(&offset);
    check(stat(path_of("a.offset"), &status) == 0 && (status.st_mode & 0777) == 0600, "mode 0600");
    struct cdc_offset_file *held = cdc_offset_file_open(path_of("a.offset"), "cdc-sink-a", &error);
    check(held != NULL && open_status("a.offset", "cdc-sink-a") == CDC_EXIT_TEMPORARY, "a second holder is refused");
    cdc_offset_file_free(held);
    check(open_status("a.offset", "cdc-sink-b") == CDC_EXIT_CONFIG, "a foreign file is refused");
    static const char *const damaged[] = {"",
                                          "{",
                                          "[]",
                                          "{\"format\":1}",
                                          "{\"format\":2,\"tool\":\"cdc-sink-a\",\"offsets\":{}}",
                                          "{\"format\":0,\"tool\":\"cdc-sink-a\",\"offsets\":{}}",
                                          "{\"format\":\"1\",\"tool\":\"cdc-sink-a\",\"offsets\":{}}",
                                          "{\"tool\":\"cdc-sink-a\",\"offsets\":{}}",
                                          "{\"format\":1,\"tool\":1,\"offsets\":{}}",
                                          "{\"format\":1,\"offsets\":{}}",
                                          "{\"format\":1,\"tool\":\"cdc-sink-a\",\"offsets\":[]}",
                                          "{\"format\":1,\"tool\":\"cdc-sink-a\"}",
                                          FILE_OF("{\"pos\":1,\"seq\":1}"),
                                          FILE_OF("{\"seq\":1}"),
                                          FILE_OF("{\"pos\":\"0A\"}"),
                                          FILE_OF("{\"pos\":\"0A\",\"seq\":-1}"),
                                          FILE_OF("{\"pos\":\"0A\",\"seq\":1.0}"),
                                          FILE_OF("{\"pos\":\"0A\",\"seq\":\"1\"}"),
                                          FILE_OF("{\"pos\":\"0A\",\"pos\":\"0B\",\"seq\":1}"),
                                          FILE_OF("[]")};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct cdc_error why = {0};
        write_file("d.offset", damaged[i]);
        check(open_status("d.offset", "cdc-sink-a") == CDC_EXIT_CONFIG, "a damaged file is refused");
        check(cdc_offset_read(path_of("d.offset"), "x", &offset, &why) == -1 && why.status == CDC_EXIT_CONFIG &&
                  strncmp(why.text, "offset file \"/tmp/cdc-unit-", 27) == 0,
              "and as an acknowledgement, by its name");
    }
    /* The same JSON in another shape, as an editor leaves it. */
    write_file("d.offset",
               "\n {\n  " FIRST
               ",\n  \"offsets\": {\n    \"x\": {\"pos\": \"0A\",\n \"seq\": 0, \"source\": {\n\"lsn\": 1}}}}\n\n");
    check(cdc_offset_read(path_of("d.offset"), "x", &offset, &error) == 1 && strcmp(offset.pos, "0A") == 0 &&
              offset.seq == 0 && strcmp(offset.source, "{\"lsn\":1}") == 0 && offset.state == NULL,
          "white space is no damage");
    cdc_offset_free(&offset);
    unlink(path_of("d.offset"));
}

/* What lines brought is not ours to judge: whatever JSON it is, it is written and read again as it came. */
static void test_any_source(void)
{
    static const char *const sources[] = {
        "{\"a\":1,\"a\":2}",
        "{\"a\":\"\\u0000\",\"\\u0000\":1}",
        "{\"lsn\":18446744073709551616,\"r\":1e999}",
        "{\"state\":{\"source\":{\"pos\":1}},\"offsets\":{\"n\":1,\"n\":2}}",
    };
    struct cdc_error error = {0};
    struct cdc_offset read;

    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct cdc_offset offset = {(char *)(uintptr_t) "0A", 5, 7, (char *)(uintptr_t)sources[i],
                                    (char *)(uintptr_t)sources[i]};
        struct cdc_offset_file *file = cdc_offset_file_open(path_of("s.offset"), "t", &error);
        check(file != NULL && cdc_offset_file_set(file, "shop", &offset, &error) == 0 &&
                  cdc_offset_file_save(file, &error) == 0,
              "any source is stored");
        cdc_offset_file_free(file);
        check(open_status("s.offset", "t") == 0, "and its file opened again");
        bool got = cdc_offset_read(path_of("s.offset"), "shop", &read, &error) == 1;
        check(got && strcmp(read.source, sources[i]) == 0 && strcmp(read.state, sources[i]) == 0, "it is as it came");
        if (got)
            cdc_offset_free(&read);
        unlink(path_of("s.offset"));
    }
    write_file("s.offset", "{\"format\":1,\"tool\":\"t\",\"offsets\":{\"n\":{\"pos\":\"1\",\"seq\":1},"
                           "\"n\":{\"pos\":\"2\",\"seq\":2}}}");
    check(open_status("s.offset", "t") == CDC_EXIT_CONFIG, "two entries of one name are refused");
    write_file("s.offset",
               " {\"format\":1, \"tool\":\"t\",\n \"offsets\": {\"n\": {\"pos\":\"1\",\"seq\":1,\"state\":{} ,"
               "\"state\":{}}}}\n");
    check(open_status("s.offset", "t") == CDC_EXIT_CONFIG, "and so are two states");
    unlink(path_of("s.offset"));
}

/* What is said to be one that can be kept, the file can be read with again. */
static void test_kept(void)
{
    struct cdc_error error = {0};
    int deepest = 0;

    for (int depth = 100; depth < 140; depth++) {
        char source[400] = "{\"a\":";
        for (int i = 1; i < depth; i++)
            strcat(source, "[");
        for (int i = 1; i < depth; i++)
            strcat(source, "]");
        strcat(source, "}");
        if (cdc_offset_why_not_kept(cdc_span_text(source), cdc_span_text("shop")) != NULL)
            continue;
        deepest = depth;
        struct cdc_offset offset = {(char *)(uintptr_t) "0A", 5, 7, source, NULL};
        struct cdc_offset_file *file = cdc_offset_file_open(path_of("k.offset"), "t", &error);
        check(file != NULL && cdc_offset_file_set(file, "shop", &offset, &error) == 0 &&
                  cdc_offset_file_save(file, &error) == 0,
              "a nested source is stored");
        cdc_offset_file_free(file);
        check(open_status("k.offset", "t") == 0, "and its file opened again");
        unlink(path_of("k.offset"));
    }
    check(deepest == CDC_JSON_DEPTH - 3, "as deep as a file can have it");
    char *wide = calloc(1, 4000);
    if (wide == NULL)
        return;
    strcpy(wide, "{\"a\":[");
    for (int i = 0; i < 500; i++)
        strcat(wide, i > 0 ? ",[1,2]" : "[1,2]");
    strcat(wide, "]}");
    check(cdc_offset_why_not_kept(cdc_span_text(wide), cdc_span_text("shop")) == NULL, "many beside one another");
    free(wide);
    check(cdc_offset_why_not_kept(cdc_span_text("{}"), cdc_span_text("a\\u0000b")) != NULL, "a name with a NUL");
    check(cdc_offset_why_not_kept(cdc_span_text("{}"), cdc_span_text("a\\\\u0000b")) == NULL, "one without");
    check(cdc_offset_why_not_kept(cdc_span("", (size_t)5 << 20), cdc_span_text("a")) != NULL, "a long source");
}

/* Positions that a destination has and this file has not are known, and written by whoever moved them. */
static void test_known(void)
{
    struct cdc_error error = {0};
    struct cdc_offset offset = {(char *)(uintptr_t) "0C", 9, 3, (char *)(uintptr_t) "{\"a\":1}",
                                (char *)(uintptr_t) "{\"s\":1}"};
    const struct cdc_offset *got;
    struct cdc_offset_file *file = cdc_offset_file_open(path_of("k.offset"), "t", &error);
    check(file != NULL && cdc_offset_file_know(file, "west", &offset, NULL, &error) == 0 &&
              !cdc_offset_file_owns(file, "west") && !cdc_offset_file_owns(file, "east"),
          "known, not ours");
    check(cdc_offset_file_holder(file, "west") == NULL &&
              cdc_offset_file_know(file, "west", &offset, "/w.offset", &error) == 0 &&
              strcmp(cdc_offset_file_holder(file, "west"), "/w.offset") == 0,
          "who has it");
    check((got = cdc_offset_file_get(file, "west")) != NULL && strcmp(got->pos, "0C") == 0 && got->seq == 9, "its pos");
    check(cdc_offset_file_save(file, &error) == 0 && cdc_offset_read(path_of("k.offset"), "west", &offset, &error) == 0,
          "it is not written");
    offset = (struct cdc_offset){.pos = (char *)(uintptr_t) "0D", .seq = 10, .lines = 4};
    check(cdc_offset_file_set(file, "west", &offset, &error) == 0 && cdc_offset_file_owns(file, "west") &&
              cdc_offset_file_holder(file, "west") == NULL,
          "now it is ours");
    check(cdc_offset_file_know(file, "west", &offset, NULL, &error) == 0 && cdc_offset_file_owns(file, "west"),
          "and stays so");
    check(cdc_offset_file_save(file, &error) == 0, "saved");
    struct cdc_offset read;
    check(cdc_offset_read(path_of("k.offset"), "west", &read, &error) == 1 && strcmp(read.pos, "0D") == 0 &&
              read.seq == 10 && read.lines == 4 && strcmp(read.source, "{\"a\":1}") == 0 &&
              strcmp(read.state, "{\"s\":1}") == 0,
          "it is written; source and state are those of before");
    cdc_offset_free(&read);
    offset.source = (char *)(uintptr_t) "{";
    check(cdc_offset_file_set(file, "west", &offset, &error) == 0 && cdc_offset_file_save(file, &error) != 0 &&
              error.status == CDC_EXIT_INTERNAL,
          "what could not be read again is not written");
    check(cdc_offset_read(path_of("k.offset"), "west", &read, &error) == 1, "and the old file stays");
    cdc_offset_free(&read);
    cdc_offset_file_free(file);
}

/* What a copy takes over: another place's source goes, the tool's own state stays. */
static void test_copy(void)
{
    struct cdc_error error = {0};
    struct cdc_offset target = {0};
    struct cdc_offset one = {(char *)(uintptr_t) "0A", 1, 2, (char *)(uintptr_t) "{\"a\":1}",
                             (char *)(uintptr_t) "{\"s\":1}"};
    struct cdc_offset other = {(char *)(uintptr_t) "0B", 3, 4, NULL, NULL};
    check(cdc_offset_copy(&target, &one, &error) == 0 && strcmp(target.pos, "0A") == 0 && target.seq == 1 &&
              target.lines == 2 && strcmp(target.source, "{\"a\":1}") == 0 && strcmp(target.state, "{\"s\":1}") == 0,
          "a copy");
    check(cdc_offset_copy(&target, &other, &error) == 0 && strcmp(target.pos, "0B") == 0 && target.seq == 3 &&
              target.lines == 4 && target.source == NULL && strcmp(target.state, "{\"s\":1}") == 0,
          "of another place");
    cdc_offset_free(&target);
}

static void test_names(void)
{
    char *path = cdc_state_path("dir", "pg-cdc", "a/b/c"), *bare = cdc_state_path("dir", "cdc-sink-a", NULL);
    check(strcmp(path, "dir/pg-cdc-a_b_c.offset") == 0, "a name with slashes stays in the folder");
    check(strcmp(bare, "dir/cdc-sink-a.offset") == 0, "a file without a name");
    free(path);
    free(bare);
    char target[128];
    snprintf(target, sizeof target, "%s", path_of("a.offset"));
    check(symlink(target, path_of("l.offset")) == 0 && open_status("l.offset", "cdc-sink-a") == CDC_EXIT_CONFIG,
          "a link would be replaced");
    check(unlink(path_of("l.offset")) == 0, "the link is removed");
    check(mkfifo(path_of("f.offset"), 0600) == 0 && open_status("f.offset", "cdc-sink-a") == CDC_EXIT_CONFIG,
          "a FIFO is none");
    unlink(path_of("f.offset"));
    check(mkdir(path_of("m.offset.lock"), 0700) == 0 && open_status("m.offset", "cdc-sink-a") != 0 &&
              access(path_of("m.offset"), F_OK) != 0,
          "without its lock, a file is not touched");
}

/* A sink that was seen goes on to count when its file is gone, and files that are named when they never were there. */
static void test_acks_stay(void)
{
    struct cdc_error error = {0};
    const struct cdc_offset *offset;
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, dir, &error);
    store("cdc-sink-x.offset", "cdc-sink-x", "03");
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && cdc_acks_passed(acks, "03", &error) == 1 &&
              cdc_acks_passed(acks, "04", &error) == 0 && cdc_acks_passed(acks, NULL, &error) == 0,
          "what they have passed");
    check(cdc_acks_passed(NULL, "04", &error) == 1 && cdc_acks_passed(NULL, NULL, &error) == 0, "written is stored");
    size_t count = cdc_acks_count(acks);
    unlink(path_of("cdc-sink-x.offset"));
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset == NULL && cdc_acks_count(acks) == count,
          "a sink whose file is removed has nothing, and counts");
    check(cdc_acks_passed(acks, "00", &error) == 0, "nothing is passed");
    cdc_acks_free(acks);
    char missing[128], present[128];
    snprintf(missing, sizeof missing, "%s", path_of("missing"));
    store("cdc-sink-x.offset", "cdc-sink-x", "03");
    snprintf(present, sizeof present, "%s", path_of("cdc-sink-x.offset"));
    acks = cdc_acks_new("shop", (const char *const[]){present, missing}, 2, NULL, &error);
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset == NULL && cdc_acks_count(acks) == 2, "a file to come");
    check(cdc_acks_offset(acks, 0) != NULL && strcmp(cdc_acks_offset(acks, 0)->pos, "03") == 0 &&
              cdc_acks_offset(acks, 1) == NULL,
          "each by itself");
    cdc_acks_free(acks);
    acks = cdc_acks_new("shop", (const char *const[]){present}, 1, NULL, &error);
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && strcmp(offset->pos, "03") == 0, "one alone");
    write_file("cdc-sink-x.offset", "{");
    check(cdc_acks_read(acks, &offset, &error) != 0 && error.status == CDC_EXIT_CONFIG, "damage is no position");
    cdc_acks_free(acks);
    error = (struct cdc_error){0};
    acks = cdc_acks_new("shop", NULL, 0, path_of("none"), &error);
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset == NULL && cdc_acks_count(acks) == 0, "no folder yet");
    cdc_acks_free(acks);
    unlink(present);
}

/* A snapshot keeps which sinks it began with: one that comes since has none of its rows. */
static void test_acks_known(void)
{
    struct cdc_error error = {0};
    const char *const two[] = {"/a \"b\"", "/c"}, *const three[] = {"/c", "/a \"b\"", "/d"};
    struct cdc_acks *known = cdc_acks_new("shop", two, 2, NULL, &error);
    struct cdc_acks *fewer = cdc_acks_new("shop", two + 1, 1, NULL, &error);
    struct cdc_acks *more = cdc_acks_new("shop", three, 3, NULL, &error);
    struct cdc_acks *none = cdc_acks_new("shop", NULL, 0, NULL, &error);
    check(known && fewer && more && none, "sinks");
    char *list = cdc_acks_list(known), *empty = cdc_acks_list(none);
    check(list && strcmp(list, "[\"/a \\\"b\\\"\",\"/c\"]") == 0 && empty && strcmp(empty, "[]") == 0, "their list");
    check(!cdc_acks_have_other(known, list) && !cdc_acks_have_other(fewer, list) && !cdc_acks_have_other(NULL, list) &&
              !cdc_acks_have_other(none, empty),
          "no other one");
    check(cdc_acks_have_other(more, list) && cdc_acks_have_other(fewer, empty), "another one");
    free(list);
    free(empty);
    cdc_acks_free(known);
    cdc_acks_free(fewer);
    cdc_acks_free(more);
    cdc_acks_free(none);
}

/* --offset-file gives a sink's file any name: whose it is stands in it. */
static void test_acks_by_tool(void)
{
    struct cdc_error error = {0};
    const struct cdc_offset *offset;
    char folder[128];
    snprintf(folder, sizeof folder, "%s", path_of("state"));
    check(mkdir(folder, 0700) == 0, "a folder");
    store("state/cdc-sink-a.offset", "cdc-sink-a", "0A");
    store("state/second.offset", "cdc-sink-a", "05");
    store("state/mine.offset", "pg-cdc", "01");
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, folder, &error);
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && strcmp(offset->pos, "05") == 0 &&
              cdc_acks_count(acks) == 2,
          "a sink's file of another name counts, a source's does not");
    store("state/second.offset", "cdc-sink-a", "06");
    store("state/mine.offset", "pg-cdc", "02");
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && strcmp(offset->pos, "06") == 0,
          "and is read again");
    write_file("state/third.offset", "{\"format\":1,");
    check(cdc_acks_read(acks, &offset, &error) != 0 && error.status == CDC_EXIT_CONFIG,
          "one that may be a sink's is not passed over");
    cdc_acks_free(acks);
    const char *const names[] = {"cdc-sink-a", "second", "mine"};
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "state/%s.offset", names[i]);
        unlink(path_of(name));
        snprintf(name, sizeof name, "state/%s.offset.lock", names[i]);
        unlink(path_of(name));
    }
    unlink(path_of("state/third.offset"));
    rmdir(folder);
}

static void test_acks(void)
{
    struct cdc_error error = {0};
    const struct cdc_offset *offset;
    struct cdc_acks *acks = cdc_acks_new("shop", NULL, 0, dir, &error);

    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && strcmp(offset->pos, "0A") == 0, "one sink");
    store("cdc-sink-b.offset", "cdc-sink-b", "09");
    store("pg-cdc-shop.offset", "pg-cdc", "01");
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && strcmp(offset->pos, "09") == 0,
          "the smallest of two sinks, no source");
    store("cdc-sink-b.offset", "cdc-sink-b", "0B");
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && strcmp(offset->pos, "0A") == 0,
          "a change is seen");
    struct cdc_offset_file *third = cdc_offset_file_open(path_of("cdc-sink-c.offset"), "cdc-sink-c", &error);
    check(third != NULL && cdc_offset_file_save(third, &error) == 0, "a new sink");
    cdc_offset_file_free(third);
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset == NULL, "a sink without a position confirms nothing");
    store("cdc-sink-c.offset", "cdc-sink-c", "0C");
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && strcmp(offset->pos, "0A") == 0,
          "now it has one");
    unlink(path_of("cdc-sink-b.offset"));
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset == NULL, "a file that is gone confirms nothing");
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset == NULL, "nor at the next look");
    cdc_acks_free(acks);
    acks = cdc_acks_new("shop", NULL, 0, dir, &error);
    check(cdc_acks_read(acks, &offset, &error) == 0 && offset != NULL && strcmp(offset->pos, "0A") == 0,
          "started again, a sink that was taken out does not count");
    cdc_acks_free(acks);
}

static void append_offset(struct cdc_buf *out, const char *name, const struct cdc_offset *offset)
{
    cdc_buf_printf(out, "%s %s %lld %llu %s %s\n", name, offset->pos, (long long)offset->seq,
                   (unsigned long long)offset->lines, offset->source ? offset->source : "-",
                   offset->state ? offset->state : "-");
}

/* Two positions are stored, read again by their owner, by a source as acknowledgements, and one is moved. */
static int store_all(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_offset a = {(char *)(uintptr_t) "0A", 5, 7, (char *)(uintptr_t) "{\"lsn\":1}",
                           (char *)(uintptr_t) "{\"s\":[]}"};
    struct cdc_offset b = {(char *)(uintptr_t) "0B", 6, 8, NULL, NULL};
    struct cdc_offset read = {0};
    const struct cdc_offset *acked = NULL;
    char path[128];

    snprintf(path, sizeof path, "%s", path_of("n.offset"));
    unlink(path);
    memory_begin();
    struct cdc_offset_file *file = cdc_offset_file_open(path, "t", error), *again = NULL;
    struct cdc_acks *acks = NULL;
    int result = file != NULL && cdc_offset_file_set(file, "a", &a, error) == 0 &&
                         cdc_offset_file_know(file, "b", &b, "/x.offset", error) == 0 &&
                         cdc_offset_file_set(file, "b", &b, error) == 0 && cdc_offset_file_save(file, error) == 0
                     ? 0
                     : -1;
    cdc_offset_file_free(file);
    if (result == 0 && (again = cdc_offset_file_open(path, "t", error)) == NULL)
        result = -1;
    if (result == 0 && cdc_offset_read(path, "a", &read, error) != 1)
        result = -1;
    if (result == 0 && ((acks = cdc_acks_new("b", (const char *const[]){path}, 1, NULL, error)) == NULL ||
                        cdc_acks_read(acks, &acked, error) != 0))
        result = -1;
    memory_end();
    if (result == 0) {
        append_offset(out, "a", &read);
        append_offset(out, "b", cdc_offset_file_get(again, "b"));
        append_offset(out, "acked", acked);
    }
    cdc_offset_free(&read);
    cdc_offset_file_free(again);
    cdc_acks_free(acks);
    return result;
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    failures += memory_sweep("offset files", store_all) != 0;
    test_file();
    test_any_source();
    test_kept();
    test_known();
    test_copy();
    test_names();
    test_acks_stay();
    test_acks_by_tool();
    test_acks_known();
    char from[128];
    snprintf(from, sizeof from, "%s", path_of("a.offset"));
    check(rename(from, path_of("cdc-sink-a.offset")) == 0, "renamed");
    test_acks();
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - offset files\n");
    return failures != 0;
}
