/* SPDX-License-Identifier: MIT */
/* Files of prepared XA transactions: which one an outcome belongs to, when it goes, and what is read again. */
#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/xa.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/value/flavor.h"
#include "tests/unit/binlog-events.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/cdc-unit-XXXXXX";
static char folder[64];

static struct cdc_span id(const char *xid)
{
    return cdc_span(xid, strlen(xid));
}

/* A transaction of events of type 1, 2, ..., each with that body. */
static void prepare(struct my_xa *xa, const char *xid, uint64_t number, const char *content, int events)
{
    struct cdc_error error = {0};
    bool good = my_xa_begin(xa, &error) == 0 && my_xa_is_open(xa);
    for (int i = 1; i <= events; i++) {
        struct my_event_header header = {.type = (uint8_t)i};
        struct cdc_bytes bytes = {.p = (const uint8_t *)content, .end = (const uint8_t *)content + strlen(content)};
        good &= my_xa_add(xa, &header, bytes, &error) == 0;
    }
    good &= my_xa_prepare(xa, id(xid), number, &error) == 0 && !my_xa_is_open(xa);
    if (!good)
        check(false, error.text);
}

/* What the transaction of that number finds under that id: bodies must be `content`; NULL: nothing. */
static bool has(struct my_xa *xa, const char *xid, uint64_t number, const char *content, int events)
{
    struct cdc_error error = {0};
    const uint8_t *data;
    size_t n;
    int found = my_xa_open(xa, id(xid), number, &error), type = 0, got;
    if (content == NULL || found != 1)
        return content == NULL && found == 0;
    while ((got = my_xa_next(xa, &data, &n, &error)) == 1) {
        size_t size = MY_EVENT_HEADER_SIZE + strlen(content);
        if (n != size || data[4] != ++type || (data[9] | data[10] << 8 | data[11] << 16) != (int)size ||
            memcmp(data + MY_EVENT_HEADER_SIZE, content, strlen(content)) != 0)
            return false;
    }
    bool good = got == 0 && type == events && n == strlen(xid) && memcmp(data, xid, n) == 0;
    my_xa_abandon(xa);
    return good;
}

static int names_left = -1; /* until a folder cannot be read on; -1: it can */

struct dirent *readdir(DIR *open)
{
    struct dirent *(*call)(DIR *);
    *(void **)&call = dlsym(RTLD_NEXT, "readdir");
    if (names_left == 0) {
        errno = EIO;
        return NULL;
    }
    names_left -= names_left > 0;
    return call(open);
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

static void plant(const char *name, const char *content, size_t n)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    check(file != NULL && fwrite(content, 1, n, file) == n && fclose(file) == 0, "a file is planted");
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

/* What is not seen in the folder is not what was never prepared, and an older one of that id is another one. */
static void test_unreadable(void)
{
    struct my_xa *xa = begin();
    struct cdc_error error = {0};
    prepare(xa, "a", 10, "first", 2);
    prepare(xa, "b", 11, "other", 3);
    prepare(xa, "a", 20, "second", 1);
    for (int names = 0; names < 5; names++) { /* . and .. as well */
        error = (struct cdc_error){0};
        names_left = names;
        int found = my_xa_open(xa, id("a"), 25, &error);
        names_left = -1;
        my_xa_abandon(xa);
        check(found == -1 && error.status == CDC_EXIT_IO, "a folder that cannot be read");
        error = (struct cdc_error){0};
        names_left = names;
        check(my_xa_start(xa, 30, &error) == -1 && error.status == CDC_EXIT_IO, "nor at a start");
        names_left = -1;
    }
    check(has(xa, "a", 25, "second", 1), "read again, all is there");
    my_xa_free(xa);
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
    plant("notes", "mine", 4);
    plant("00000000000000zz.0000000000000099", "mine", 4);
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

/* -- as the decoder reads a log -- */

static int decode(struct my_decoder *decoder, uint8_t type, struct cdc_error *error)
{
    struct cdc_buf inside = CDC_BUF_INIT;
    cdc_buf_append(&inside, body.data, body.len);
    build(type, inside.data, inside.len, 0, false);
    cdc_buf_free(&inside);
    int result = my_decoder_take(decoder, (const uint8_t *)body.data, body.len, &text, error);
    while (result == 1)
        result = my_decoder_more(decoder, &text, error);
    return result;
}

static int statement(struct my_decoder *decoder, const char *sql, struct cdc_error *error)
{
    start();
    put(77, 8);
    put(0, 4);
    put(MY_GTID_TRANSACTIONAL, 1);
    put(0, 1);
    put(76, 8);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID, error);
    put_query("", "d", sql);
    return result == 0 ? decode(decoder, MY_EVENT_QUERY, error) : result;
}

/* XA START, a row of t(a int), and XA PREPARE of the id 'a','',1, or with one_phase XA COMMIT ONE PHASE. */
static int prepare_row(struct my_decoder *decoder, bool one_phase, struct cdc_error *error)
{
    int result = statement(decoder, "XA START X'61',X'',1", error);
    start();
    put_hex("12000000000001000164000174000103000004020161");
    result = result == 0 ? decode(decoder, MY_EVENT_TABLE_MAP, error) : result;
    start();
    put_hex("120000000000010001ff0005000000");
    result = result == 0 ? decode(decoder, MY_EVENT_WRITE_ROWS_V1, error) : result;
    put_query("", "d", "XA END X'61',X'',1");
    result = result == 0 ? decode(decoder, MY_EVENT_QUERY, error) : result;
    start();
    put(one_phase, 1);
    put(1, 4);
    put(1, 4);
    put(0, 4);
    put_text("a");
    return result == 0 ? decode(decoder, MY_EVENT_XA_PREPARE, error) : result;
}

static struct my_decoder *new_decoder(void)
{
    struct my_decoder_settings settings = {.pipeline = "p", .flavor = MY_FLAVOR_MARIADB, .xa_folder = folder};
    struct my_coord coord = {"binlog.000001", 4};
    struct my_decoder *decoder = my_decoder_new(&settings, NULL);
    if (!decoder || my_decoder_start(decoder, 1, "", &coord, NULL) < 0)
        abort();
    text.len = 0;
    return decoder;
}

static bool has_text(const char *what)
{
    return memmem(text.data, text.len, what, strlen(what)) != NULL;
}

static void test_decoder(void)
{
    my_xa_free(begin());
    struct cdc_error error = {0};
    struct my_decoder *decoder = new_decoder();
    check(prepare_row(decoder, false, &error) == 0 && !has_text("\"op\":\"c\"") && has_text("\"events\":0}"),
          "prepared: no row yet");
    text.len = 0;
    check(statement(decoder, "XA COMMIT X'62',X'',1", &error) < 0 && error.status == CDC_EXIT_LOST &&
              !has_text("\"c\""),
          "another id was never prepared");
    my_decoder_free(decoder);

    my_xa_free(begin());
    error = (struct cdc_error){0};
    decoder = new_decoder();
    check(prepare_row(decoder, false, &error) == 0, "prepared");
    text.len = 0;
    check(statement(decoder, "XA COMMIT X'61', X'' ,1", &error) == 0 && has_text("\"op\":\"c\"") &&
              has_text("\"after\":{\"a\":5}") && has_text("\"events\":1}"),
          "committed, with spaces in the id");
    check(prepare_row(decoder, false, &error) == 0, "the id once more");
    text.len = 0;
    check(statement(decoder, "XA ROLLBACK X'61',X'',1", &error) == 0 && !has_text("\"op\":\"c\"") &&
              has_text("\"events\":0}"),
          "rolled back");
    text.len = 0;
    check(prepare_row(decoder, true, &error) == 0 && has_text("\"op\":\"c\"") && has_text("\"events\":1}"),
          "in one phase");
    my_decoder_free(decoder);
}

/* Names have only a hash of the id. */
static void test_same_hash(void)
{
    my_xa_free(begin());
    struct cdc_error error = {0};
    struct my_decoder *decoder = new_decoder();
    char command[256];
    check(prepare_row(decoder, false, &error) == 0, "prepared");
    snprintf(command, sizeof command,
             "cd %s && for file in *; do head -c -1 $file >new && printf , >>new && mv new $file; done", folder);
    check(system(command) == 0, "the id in the file is another one");
    text.len = 0;
    check(statement(decoder, "XA COMMIT X'61',X'',1", &error) < 0 && error.status == CDC_EXIT_CONFIG &&
              !has_text("\"op\":\"commit\""),
          "its rows are not taken for those");
    my_decoder_free(decoder);
}

int main(void)
{
    char command[64];
    if (mkdtemp(dir) == NULL)
        return 1;
    test_outcome();
    test_unreadable();
    test_start_again();
    test_files();
    test_damaged();
    test_decoder();
    test_same_hash();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    return finish();
}
