/* SPDX-License-Identifier: MIT */
/* Files of prepared XA transactions: which one an outcome belongs to, when it goes, and what is read again. */
#include "connectors/mysql/decoder/xa.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";
static char folder[64];

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
}

static struct cdc_span id(const char *text)
{
    return cdc_span(text, strlen(text));
}

/* A transaction of events of type 1, 2, ..., each with that body. */
static void prepare(struct my_xa *xa, const char *xid, uint64_t number, const char *body, int events)
{
    struct cdc_error error = {0};
    bool good = my_xa_begin(xa, &error) == 0 && my_xa_is_open(xa);
    for (int i = 1; i <= events; i++) {
        struct my_event_header header = {.type = (uint8_t)i};
        struct cdc_bytes bytes = {.p = (const uint8_t *)body, .end = (const uint8_t *)body + strlen(body)};
        good &= my_xa_add(xa, &header, bytes, &error) == 0;
    }
    good &= my_xa_prepare(xa, id(xid), number, &error) == 0 && !my_xa_is_open(xa);
    if (!good)
        check(false, error.text);
}

/* What the transaction of that number finds under that id: bodies must be `body`; NULL: nothing. */
static bool has(struct my_xa *xa, const char *xid, uint64_t number, const char *body, int events)
{
    struct cdc_error error = {0};
    const uint8_t *data;
    size_t n;
    int found = my_xa_open(xa, id(xid), number, &error), type = 0, got;
    if (body == NULL || found != 1)
        return body == NULL && found == 0;
    while ((got = my_xa_next(xa, &data, &n, &error)) == 1) {
        size_t size = MY_EVENT_HEADER_SIZE + strlen(body);
        if (n != size || data[4] != ++type || (data[9] | data[10] << 8 | data[11] << 16) != (int)size ||
            memcmp(data + MY_EVENT_HEADER_SIZE, body, strlen(body)) != 0)
            return false;
    }
    bool good = got == 0 && type == events && n == strlen(xid) && memcmp(data, xid, n) == 0;
    my_xa_abandon(xa);
    return good;
}

static int files(void)
{
    DIR *open = opendir(folder);
    int n = 0;
    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;)
        n += entry->d_name[0] != '.';
    if (open != NULL)
        closedir(open);
    return n;
}

static void put(const char *name, const char *text, size_t n)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    check(file != NULL && fwrite(text, 1, n, file) == n && fclose(file) == 0, "a file is planted");
}

static struct my_xa *begin(void)
{
    char command[128];
    struct cdc_error error = {0};
    snprintf(folder, sizeof folder, "%s/xa", dir);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    check(system(command) == 0, "an empty folder");
    return my_xa_new(folder, &error);
}

static void test_outcome(void)
{
    struct my_xa *xa = begin();
    struct cdc_error error = {0};
    check(has(xa, "a", 5, NULL, 0) && my_xa_finish(xa, id("a"), 5, &error) == 0 && my_xa_start(xa, 5, &error) == 0,
          "nothing was ever prepared");
    my_xa_confirm(xa, 5);
    prepare(xa, "a", 10, "first", 2);
    prepare(xa, "b", 11, "other", 3);
    prepare(xa, "a", 20, "second", 1); /* the id is used again */
    check(has(xa, "a", 9, NULL, 0), "an outcome before it is of another one");
    check(has(xa, "a", 10, "first", 2), "in one phase");
    check(has(xa, "a", 19, "first", 2), "the latest before the outcome");
    check(has(xa, "a", 20, "second", 1) && has(xa, "a", 1000, "second", 1), "the second of that id");
    check(has(xa, "b", 12, "other", 3) && has(xa, "c", 12, NULL, 0), "each id has its own");
    check(my_xa_finish(xa, id("a"), 15, &error) == 0 && my_xa_finish(xa, id("a"), 16, &error) == 0 && files() == 3,
          "an outcome");
    my_xa_confirm(xa, 14);
    check(has(xa, "a", 15, "first", 2), "which is not confirmed yet: its lines may have to come again");
    my_xa_confirm(xa, 15);
    check(has(xa, "a", 15, NULL, 0) && files() == 2, "confirmed: it goes");
    check(has(xa, "a", 20, "second", 1) && has(xa, "b", 12, "other", 3), "and no other");
    my_xa_confirm(xa, 1000);
    check(files() == 2, "without an outcome, they stay for ever");
    check(my_xa_finish(xa, id("b"), 30, &error) == 0 && my_xa_finish(xa, id("a"), 40, &error) == 0, "outcomes");
    my_xa_confirm(xa, 30);
    check(files() == 1 && has(xa, "b", 30, NULL, 0), "one is confirmed");
    my_xa_free(xa);
    xa = my_xa_new(folder, &error);
    my_xa_confirm(xa, 39);
    check(files() == 1, "after a restart too");
    my_xa_confirm(xa, 40);
    check(files() == 0, "the other one");
    my_xa_free(xa);
}

static void test_start_again(void)
{
    struct my_xa *xa = begin();
    struct cdc_error error = {0};
    prepare(xa, "a", 10, "a", 1);
    prepare(xa, "b", 11, "b", 1);
    prepare(xa, "c", 16, "c", 1);
    check(my_xa_finish(xa, id("a"), 15, &error) == 0 && my_xa_finish(xa, id("b"), 16, &error) == 0, "outcomes");
    put("notes", "mine", 4);
    put("00000000000000zz.0000000000000099", "mine", 4);
    check(my_xa_start(xa, 15, &error) == 0, "again after 15");
    check(has(xa, "c", 100, NULL, 0), "what was prepared later is forgotten");
    my_xa_confirm(xa, 16);
    check(has(xa, "a", 100, NULL, 0), "an outcome up to there stays one");
    check(has(xa, "b", 100, "b", 1), "a later one is taken back");
    check(files() == 3, "files of others stay");
    /* Read again, it takes the place of the old one, which had its outcome already. */
    prepare(xa, "d", 20, "old", 1);
    check(my_xa_finish(xa, id("d"), 21, &error) == 0, "an outcome");
    prepare(xa, "d", 20, "new", 1);
    check(has(xa, "d", 21, "new", 1), "the one that was read again");
    my_xa_free(xa);
}

static void test_files(void)
{
    struct my_xa *xa = begin();
    struct cdc_error error = {0};
    struct my_event_header header = {.type = 9};
    struct cdc_bytes bytes = {.p = (const uint8_t *)"left", .end = (const uint8_t *)"left" + 4};
    char *large = malloc(200001);
    memset(large, 'x', 200000);
    large[200000] = '\0';
    prepare(xa, "large", 1, large, 3);
    check(has(xa, "large", 1, large, 3), "more than is written at once");
    check(my_xa_begin(xa, &error) == 0 && my_xa_add(xa, &header, bytes, &error) == 0, "one that never ends");
    my_xa_abandon(xa);
    check(!my_xa_is_open(xa), "is forgotten");
    prepare(xa, "a", 2, "a", 1);
    check(has(xa, "a", 2, "a", 1), "and nothing of it is in the next one");
    prepare(xa, "", 3, "", 1);
    check(has(xa, "", 3, "", 1), "nothing as an id, nothing as a body");
    free(large);
    my_xa_free(xa);
}

/* Each way to end too early, and a length that no record has. */
static void test_damaged(void)
{
    struct my_xa *xa = begin();
    struct cdc_error error = {0};
    char path[512] = "";
    prepare(xa, "a", 7, "body", 1);
    DIR *open = opendir(folder);
    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;)
        if (entry->d_name[0] != '.')
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    closedir(open);
    /* 4 + 19 + 4 bytes are the event, 4 + 1 the id. */
    static const long lengths[] = {31, 30, 28, 26, 22, 4, 3, 1, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const uint8_t *data;
        size_t n;
        int got = 1;
        error = (struct cdc_error){0};
        check(truncate(path, lengths[i]) == 0, "truncated");
        if (my_xa_open(xa, id("a"), 7, &error) == 1)
            while ((got = my_xa_next(xa, &data, &n, &error)) == 1)
                ;
        check(got == -1 && error.status == CDC_EXIT_CONFIG, "damage is told");
        my_xa_abandon(xa);
    }
    my_xa_free(xa);
}

int main(void)
{
    char command[64];
    if (mkdtemp(dir) == NULL)
        return 1;
    test_outcome();
    test_start_again();
    test_files();
    test_damaged();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    return failures != 0;
}
