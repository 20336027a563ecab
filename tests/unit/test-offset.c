/* SPDX-License-Identifier: MIT */
/* Offset files and acknowledgements. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/offset.h>

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

static void test_file(void)
{
    struct cdc_error error = {0};
    struct cdc_offset offset;
    struct stat status;

    check(open_status("a.offset", "cdc-sink-a") == 0 && access(path_of("a.offset"), F_OK) == 0,
          "a file is made at once");
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
    static const char *const damaged[] = {
        "",
        "{",
        "[]",
        "{\"format\":1}",
        "{\"format\":2,\"tool\":\"cdc-sink-a\",\"offsets\":{}}",
        "{\"format\":1,\"tool\":\"cdc-sink-a\",\"offsets\":{\"x\":{\"pos\":1,\"seq\":1}}}"};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        write_file("d.offset", damaged[i]);
        check(open_status("d.offset", "cdc-sink-a") == CDC_EXIT_CONFIG, "a damaged file is refused");
    }
    unlink(path_of("d.offset"));
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
    check(open_status("cdc-sink-c.offset", "cdc-sink-c") == 0, "a new sink");
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

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    test_file();
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
