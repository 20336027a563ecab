/* SPDX-License-Identifier: MIT */
/* The files beside the offset file of cdc-sink-http: the journal of key changes, and the ids of the indexes. */
#include <stdlib.h>

#include <cdc/offset.h>

#include "connectors/http/elasticsearch/index_ids.h"
#include "connectors/http/elasticsearch/key_changes.h"
#include "tests/unit/failing-calls.h"

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";
static char path[64];

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static void write_file(const char *text, size_t n)
{
    FILE *file = fopen(path, "w");
    check(file != NULL && fwrite(text, 1, n, file) == n && fclose(file) == 0, "the file is written");
}

static size_t read_file(char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t n = file != NULL ? fread(text, 1, size - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[n] = '\0';
    return n;
}

static struct cdc_span s(const char *text)
{
    return cdc_span_text(text);
}

static void forget(void)
{
    unlink(path);
}

/* -- key changes -- */

#define ENTRY(name, pos, rest) "{\"name\":\"" name "\",\"pos\":\"" pos "\",\"rest\":" rest "}\n"
static const char two_entries[] = ENTRY("shop", "01", "{\"a\":1}") ENTRY("s2", "02", "{\"b\":[2]}");

static void found_is(struct es_key_changes *changes, const char *name, const char *pos, const char *expected)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int found = es_key_changes_find(changes, s(name), s(pos), &out, &error);

    check(found == (expected != NULL) &&
              (expected == NULL ? out.len == 0 : cdc_span_is(cdc_span(out.data, out.len), expected)),
          expected != NULL ? expected : "nothing is found");
    cdc_buf_free(&out);
}

static struct es_key_changes *opened(void)
{
    struct cdc_error error = {0};
    struct es_key_changes *changes = es_key_changes_open(path, &error);
    check(changes != NULL, "the journal is opened");
    return changes;
}

/* A source's position, for es_key_changes_delivered. */
static struct cdc_offset_file *offsets_of(const char *const *pairs)
{
    struct cdc_error error = {0};
    struct cdc_offset_file *file = cdc_offset_file_memory("t", &error);
    for (; *pairs != NULL; pairs += 2) {
        struct cdc_offset offset = {(char *)(uintptr_t)pairs[1], 1, 1, NULL, NULL};
        check(cdc_offset_file_set(file, pairs[0], &offset, &error) == 0, "an offset");
    }
    return file;
}

/* Is the journal emptied once these positions are saved? */
static bool empties(const char *const *pairs)
{
    struct cdc_error error = {0};
    struct es_key_changes *changes = opened();
    struct cdc_offset_file *offsets = offsets_of(pairs);
    char text[512];

    es_key_changes_delivered(changes, offsets);
    check(read_file(text, sizeof text) == strlen(two_entries), "nothing goes before the positions are saved");
    check(es_key_changes_begin(changes, &error) == 0, "begun");
    bool empty = read_file(text, sizeof text) == 0;
    found_is(changes, "shop", "01", empty ? NULL : "{\"a\":1}");
    es_key_changes_free(changes);
    cdc_offset_file_free(offsets);
    return empty;
}

static void test_passed(void)
{
    static const struct {
        const char *const pairs[5];
        bool empties;
    } cases[] = {
        {{"shop", "01", "s2", "02", NULL}, true},
        {{"shop", "03", "s2", "04", NULL}, true},
        {{"shop", "00", "s2", "02", NULL}, false},
        {{"shop", "01", "s2", "01", NULL}, false},
        {{"shop", "01", NULL}, false},
        {{"s2", "02", NULL}, false},
        {{NULL}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file(two_entries, strlen(two_entries));
        check(empties(cases[i].pairs) == cases[i].empties, "emptied when all of its lines are passed");
    }
    /* The newest line of a source counts, also one of this run. */
    struct cdc_error error = {0};
    uint64_t place;
    write_file(two_entries, strlen(two_entries));
    struct es_key_changes *changes = opened();
    struct cdc_offset_file *offsets = offsets_of((const char *const[]){"shop", "04", "s2", "02", NULL});
    check(es_key_changes_add(changes, s("shop"), s("05"), s("{}"), &place, &error) == 0 &&
              place == strlen(two_entries) && es_key_changes_sync(changes, &error) == 0,
          "a line more");
    es_key_changes_delivered(changes, offsets);
    char text[512];
    check(es_key_changes_begin(changes, &error) == 0 && read_file(text, sizeof text) > strlen(two_entries),
          "which is not passed");
    cdc_offset_file_free(offsets);
    offsets = offsets_of((const char *const[]){"shop", "05", "s2", "02", NULL});
    es_key_changes_delivered(changes, offsets);
    check(es_key_changes_begin(changes, &error) == 0 && read_file(text, sizeof text) == 0, "and now it is");
    /* The next ones begin at the front again. */
    check(es_key_changes_add(changes, s("shop"), s("06"), s("{\"c\":3}"), &place, &error) == 0 && place == 0 &&
              es_key_changes_sync(changes, &error) == 0 &&
              read_file(text, sizeof text) == strlen(ENTRY("shop", "06", "{\"c\":3}")),
          "the next one");
    es_key_changes_delivered(changes, offsets);
    check(es_key_changes_begin(changes, &error) == 0 && read_file(text, sizeof text) > 0, "stays until it is passed");
    cdc_offset_file_free(offsets);
    es_key_changes_free(changes);
}

/* What is found of a journal with that after two sound lines; how long it is then. -1: refused as damaged. */
static int after_tail(const char *tail, size_t n)
{
    char text[1024];
    struct cdc_error error = {0};
    size_t whole = strlen(two_entries);

    memcpy(text, two_entries, whole);
    memcpy(text + whole, tail, n);
    write_file(text, whole + n);
    struct es_key_changes *changes = es_key_changes_open(path, &error);
    if (changes == NULL) {
        check(error.status == CDC_EXIT_CONFIG, "a damaged journal is refused");
        return -1;
    }
    found_is(changes, "shop", "01", "{\"a\":1}");
    found_is(changes, "s2", "02", "{\"b\":[2]}");
    found_is(changes, "s2", "01", NULL);
    found_is(changes, "shop", "03", NULL);
    es_key_changes_free(changes);
    return (int)read_file(text, sizeof text) - (int)whole;
}

#define TAIL(text) after_tail(text, sizeof text - 1)
static void test_tails(void)
{
    check(TAIL("") == 0, "no tail");
    check(TAIL("{\"name\":\"shop\",\"pos\":\"03\",\"re") == 0, "a torn line goes");
    check(TAIL("\0\0\0\0\0\0") == 0 && TAIL("\0\0\0\n") == 0 && TAIL("\0\n\0\0\n\0") == 0, "NUL bytes go");
    check(TAIL("{\"name\":\"shop\",\"pos\":\"0\0\0\n") == 0, "and with them the beginning of a line");
    check(TAIL("{\"na\n") == 0, "half a last line with an LF was not synced either");
    check(TAIL("{\"na\n\0\0\n") == 0, "nor was it with NUL bytes after it");
    check(TAIL("{\"na\n{\"name\":\"s\",\"pos\":\"4\",\"rest\":{}}\n") == -1, "damage before a sound line");
    check(TAIL("[]\n{}\n") == -1 && TAIL("{\"name\":\"s\",\"pos\":\"4\"}\n{}\n") == -1, "lines of another kind");
    check(TAIL("{\"name\":\"s\",\"rest\":{}}\n{}\n") == -1 && TAIL("{\"pos\":\"4\",\"rest\":{}}\n{}\n") == -1,
          "no name, no pos");
    check(TAIL("{\"name\":\"s\",\"pos\":\"4\",\"rest\":[]}\n{}\n") == -1, "columns are an object");
    check(TAIL("{\"name\":\"s\",\"pos\":\"4\",\"rest\":{}}\n") ==
              (int)strlen("{\"name\":\"s\",\"pos\":\"4\",\"rest\":{}}\n"),
          "a sound one stays");
}

/* Many entries, and some for one position, of two sources. */
static void test_many(void)
{
    struct cdc_error error = {0};
    struct es_key_changes *changes;
    char pos[16], rest[100000];
    uint64_t place, places[300];

    forget();
    changes = opened();
    for (int i = 0; i < 300; i++) {
        snprintf(pos, sizeof pos, "%04d", i * 7 % 300);
        int n = snprintf(rest, sizeof rest, "{\"i\":%d,\"x\":\"", i * 7 % 300);
        size_t size = i == 5 ? 90000 : i == 6 ? 65536 - 50 : 3;
        memset(rest + n, 'x', size);
        memcpy(rest + n + size, "\"}", 3);
        check(es_key_changes_add(changes, s("shop"), s(pos), s(rest), &places[i], &error) == 0, "added");
        if (i % 2 == 0)
            check(es_key_changes_add(changes, s("west"), s(pos), s("{\"w\":1}"), &place, &error) == 0, "added");
        if (i % 100 == 50)
            check(es_key_changes_sync(changes, &error) == 0, "synced");
    }
    for (int i = 299; i >= 0; i--) {
        struct cdc_buf out = CDC_BUF_INIT;
        snprintf(pos, sizeof pos, "{\"i\":%d,", i * 7 % 300);
        check(es_key_changes_read(changes, places[i], &out, &error) == 0 && out.len > strlen(pos) &&
                  memcmp(out.data, pos, strlen(pos)) == 0 && out.data[out.len - 1] == '}',
              "what was just added is read, synced or not");
        cdc_buf_free(&out);
    }
    found_is(changes, "shop", "0000", NULL); /* of this run: its place is known */
    es_key_changes_free(changes);
    changes = opened();
    for (int i = 0; i < 300; i++) {
        struct cdc_buf out = CDC_BUF_INIT;
        snprintf(pos, sizeof pos, "%04d", i * 7 % 300);
        snprintf(rest, sizeof rest, "{\"i\":%d,", i * 7 % 300);
        check(es_key_changes_find(changes, s("shop"), s(pos), &out, &error) == 1 &&
                  memcmp(out.data, rest, strlen(rest)) == 0,
              "a later run finds it");
        cdc_buf_free(&out);
        found_is(changes, "west", pos, i % 2 == 0 ? "{\"w\":1}" : NULL);
    }
    es_key_changes_free(changes);
    changes = es_key_changes_open(NULL, &error);
    check(changes != NULL && es_key_changes_add(changes, s("shop"), s("01"), s("{\"n\":1}"), &place, &error) == 0,
          "without a file");
    struct cdc_buf out = CDC_BUF_INIT;
    check(es_key_changes_read(changes, place, &out, &error) == 0 &&
              cdc_span_is(cdc_span(out.data, out.len), "{\"n\":1}"),
          "it is read again in the same run");
    cdc_buf_free(&out);
    es_key_changes_free(changes);
}

static void test_removed(void)
{
    struct cdc_error error = {0};
    uint64_t place;
    forget();
    struct es_key_changes *changes = opened();
    struct es_index_ids *ids;
    check(es_key_changes_add(changes, s("a"), s("1"), s("{}"), &place, &error) == 0, "added");
    forget();
    check(es_key_changes_sync(changes, &error) != 0 && error.status == CDC_EXIT_IO, "a journal that was removed");
    es_key_changes_free(changes);
    error = (struct cdc_error){0};
    ids = es_index_ids_open(path, &error);
    check(ids != NULL && es_index_ids_note(ids, "i", s("u"), "{}", &error) == 0, "noted");
    forget();
    check(es_index_ids_sync(ids, &error) != 0 && error.status == CDC_EXIT_IO, "a file of ids that was removed");
    es_index_ids_free(ids);
}

static void begin_changes(void)
{
    static const char text[] = ENTRY("shop", "01", "{\"a\":1}") "{\"name\":\"shop\",\"po";
    write_file(text, sizeof text - 1);
}

/* A start with what a kill left, a lookup, two lines more, and a journal that is emptied at the end. */
static int run_changes(struct cdc_error *error)
{
    static const char *const positions[] = {"shop", "01", NULL};
    struct cdc_offset_file *offsets = offsets_of(positions);
    struct cdc_buf found = CDC_BUF_INIT, added = CDC_BUF_INIT;
    uint64_t place, next;
    bool old;

    memory_begin();
    struct es_key_changes *changes = es_key_changes_open(path, error);
    int result = changes != NULL ? es_key_changes_find(changes, s("shop"), s("01"), &found, error) : -1;
    old = result == 1; /* not after a run that came to its end */
    if (result >= 0)
        result = es_key_changes_add(changes, s("shop"), s("02"), s("{\"b\":2}"), &place, error) == 0 &&
                         es_key_changes_add(changes, s("west"), s("01"), s("{\"c\":3}"), &next, error) == 0 &&
                         es_key_changes_read(changes, next, &added, error) == 0
                     ? 0
                     : -1;
    if (result == 0 && (old ? !cdc_span_is(cdc_span(found.data, found.len), "{\"a\":1}") : found.len != 0) &&
        !found.failed)
        result = cdc_error_set(error, CDC_EXIT_DATA, "other columns were found");
    if (result == 0 && !added.failed && !cdc_span_is(cdc_span(added.data, added.len), "{\"c\":3}"))
        result = cdc_error_set(error, CDC_EXIT_DATA, "other columns were read");
    if (found.failed || added.failed)
        result = cdc_error_memory(error);
    if (result == 0)
        result = es_key_changes_sync(changes, error);
    if (result == 0) {
        es_key_changes_delivered(changes, offsets);
        result = es_key_changes_begin(changes, error);
    }
    memory_end();
    es_key_changes_free(changes);
    cdc_buf_free(&found);
    cdc_buf_free(&added);
    cdc_offset_file_free(offsets);
    return result;
}

/* Twice where a run was repeated after it had kept them. */
static bool changes_done(void)
{
    char text[1024];
    struct cdc_error error = {0};
    read_file(text, sizeof text);
    struct es_key_changes *changes = es_key_changes_open(path, &error);
    if (changes == NULL)
        return printf("# %s\n", error.text), false;
    int before = failures;
    found_is(changes, "shop", "01", "{\"a\":1}");
    found_is(changes, "shop", "02", "{\"b\":2}");
    found_is(changes, "west", "01", "{\"c\":3}");
    es_key_changes_free(changes);
    return failures == before;
}

/* An empty journal that is to be emptied: what cannot be shortened says so. */
static int run_emptied(struct cdc_error *error)
{
    struct cdc_offset_file *offsets = offsets_of((const char *const[]){"shop", "01", "s2", "02", NULL});
    memory_begin();
    struct es_key_changes *changes = es_key_changes_open(path, error);
    int result = changes != NULL ? 0 : -1;
    if (result == 0) {
        es_key_changes_delivered(changes, offsets);
        result = es_key_changes_begin(changes, error);
    }
    memory_end();
    es_key_changes_free(changes);
    cdc_offset_file_free(offsets);
    return result;
}

static void begin_emptied(void)
{
    write_file(two_entries, strlen(two_entries));
}

static bool is_emptied(void)
{
    char text[64];
    return read_file(text, sizeof text) == 0;
}

static int run_nameless(struct cdc_error *error)
{
    struct cdc_buf out = CDC_BUF_INIT;
    uint64_t place;
    memory_begin();
    struct es_key_changes *changes = es_key_changes_open(NULL, error);
    int result = changes != NULL && es_key_changes_add(changes, s("a"), s("1"), s("{\"n\":1}"), &place, error) == 0
                     ? es_key_changes_read(changes, place, &out, error)
                     : -1;
    if (result == 0 && out.failed)
        result = cdc_error_memory(error);
    memory_end();
    if (result == 0 && !cdc_span_is(cdc_span(out.data, out.len), "{\"n\":1}"))
        result = cdc_error_set(error, CDC_EXIT_DATA, "other columns");
    es_key_changes_free(changes);
    cdc_buf_free(&out);
    return result;
}

static bool always(void)
{
    return true;
}

/* -- ids of indexes -- */

static void test_ids(void)
{
    struct cdc_error error = {0};
    char index[32], id[32], source[64], text[32768];

    forget();
    for (int run = 0; run < 2; run++) {
        struct es_index_ids *ids = es_index_ids_open(path, &error);
        check(ids != NULL && (run > 0) == (es_index_ids_get(ids, "i7") != NULL), "opened");
        for (int i = 0; i < 150; i++) {
            snprintf(index, sizeof index, "i%d", i);
            snprintf(id, sizeof id, "u%d", i);
            snprintf(source, sizeof source, "{\"table\":\"t\\n%d\"}", i);
            if (run == 0) {
                check(es_index_ids_get(ids, index) == NULL && es_index_ids_home(ids, source) == NULL, "none yet");
                check(es_index_ids_note(ids, index, s(id), source, &error) == 0, "noted");
            }
            const char *got = es_index_ids_get(ids, index), *home = es_index_ids_home(ids, source);
            check(got != NULL && strcmp(got, id) == 0 && home != NULL && strcmp(home, index) == 0, "there");
            if (i == 70)
                check(es_index_ids_sync(ids, &error) == 0, "synced");
        }
        check(es_index_ids_get(ids, "i150") == NULL && es_index_ids_home(ids, "{}") == NULL, "and no other");
        check(es_index_ids_sync(ids, &error) == 0, "synced");
        es_index_ids_free(ids);
    }
    /* The later of two lines counts. */
    struct es_index_ids *ids = es_index_ids_open(path, &error);
    check(es_index_ids_read(ids, "i7") == NULL && es_index_ids_note_read(ids, "i7", "{\"seq\":1}", &error) == 0 &&
              es_index_ids_note_read(ids, "i7", "{\"seq\":2}", &error) == 0 &&
              es_index_ids_note_read(ids, "unseen", "{\"seq\":3}", &error) == 0,
          "where a read began");
    check(es_index_ids_note(ids, "i7", s("new"), "{\"table\":\"t\\n8\"}", &error) == 0 &&
              es_index_ids_sync(ids, &error) == 0,
          "noted again");
    es_index_ids_free(ids);
    ids = es_index_ids_open(path, &error);
    check(strcmp(es_index_ids_get(ids, "i7"), "new") == 0 && strcmp(es_index_ids_get(ids, "i8"), "u8") == 0 &&
              strcmp(es_index_ids_home(ids, "{\"table\":\"t\\n8\"}"), "i7") == 0,
          "the later one counts");
    check(strcmp(es_index_ids_read(ids, "i7"), "{\"seq\":2}") == 0 && es_index_ids_read(ids, "i8") == NULL &&
              strcmp(es_index_ids_read(ids, "unseen"), "{\"seq\":3}") == 0 && es_index_ids_get(ids, "unseen") == NULL,
          "the later begin of a read, also in an index whose id is not known");
    es_index_ids_free(ids);
    check(read_file(text, sizeof text) > 1000, "all of it is in the file");
    ids = es_index_ids_open(path, &error);
    check(es_index_ids_cluster(ids) == NULL && es_index_ids_note_cluster(ids, "one", &error) == 0 &&
              es_index_ids_note_cluster(ids, "two\"", &error) == 0 && strcmp(es_index_ids_cluster(ids), "two\"") == 0 &&
              es_index_ids_sync(ids, &error) == 0,
          "the cluster");
    es_index_ids_free(ids);
    ids = es_index_ids_open(path, &error);
    check(strcmp(es_index_ids_cluster(ids), "two\"") == 0 && strcmp(es_index_ids_get(ids, "i8"), "u8") == 0,
          "as it was noted last");
    es_index_ids_free(ids);
    ids = es_index_ids_open(NULL, &error);
    check(es_index_ids_note(ids, "i", s("u"), "{}", &error) == 0 && strcmp(es_index_ids_get(ids, "i"), "u") == 0 &&
              es_index_ids_sync(ids, &error) == 0,
          "without a file");
    es_index_ids_free(ids);
}

static int ids_after_tail(const char *tail, size_t n)
{
    static const char whole[] =
        "{\"index\":\"i\",\"uuid\":\"u\",\"source\":{\"a\":1}}\n{\"index\":\"old\",\"uuid\":\"v\"}\n";
    char text[1024];
    struct cdc_error error = {0};

    memcpy(text, whole, sizeof whole - 1);
    memcpy(text + sizeof whole - 1, tail, n);
    write_file(text, sizeof whole - 1 + n);
    struct es_index_ids *ids = es_index_ids_open(path, &error);
    if (ids == NULL) {
        check(error.status == CDC_EXIT_CONFIG, "a damaged file is refused");
        return -1;
    }
    check(strcmp(es_index_ids_get(ids, "i"), "u") == 0 && strcmp(es_index_ids_get(ids, "old"), "v") == 0 &&
              strcmp(es_index_ids_home(ids, "{\"a\":1}"), "i") == 0,
          "what is before the tail");
    es_index_ids_free(ids);
    return (int)read_file(text, sizeof text) - (int)sizeof whole + 1;
}

#define IDS_TAIL(text) ids_after_tail(text, sizeof text - 1)
static void test_id_tails(void)
{
    check(IDS_TAIL("") == 0 && IDS_TAIL("{\"index\":\"x\",\"uu") == 0, "a torn line goes");
    check(IDS_TAIL("\0\0\n") == 0 && IDS_TAIL("\0") == 0 && IDS_TAIL("{\"index\":\"x\"\0\0\n{}\n") == 0,
          "NUL bytes go");
    check(IDS_TAIL("{\"index\":\"x\"}\n") == -1 && IDS_TAIL("{\"uuid\":\"x\"}\n") == -1 && IDS_TAIL("{\n") == -1,
          "damage");
}

static void begin_ids(void)
{
    static const char text[] = "{\"index\":\"i\",\"uuid\":\"u\",\"source\":{\"a\":1}}\n{\"index\":\"old";
    write_file(text, sizeof text - 1);
}

static int run_ids(struct cdc_error *error)
{
    memory_begin();
    struct es_index_ids *ids = es_index_ids_open(path, error);
    int result = ids != NULL && es_index_ids_note(ids, "j", s("v"), "{\"b\":2}", error) == 0
                     ? es_index_ids_sync(ids, error)
                     : -1;
    memory_end();
    es_index_ids_free(ids);
    return result;
}

static bool ids_done(void)
{
    struct cdc_error error = {0};
    struct es_index_ids *ids = es_index_ids_open(path, &error);
    bool done = ids != NULL && strcmp(es_index_ids_get(ids, "i"), "u") == 0 && es_index_ids_get(ids, "j") != NULL &&
                strcmp(es_index_ids_get(ids, "j"), "v") == 0 && es_index_ids_home(ids, "{\"b\":2}") != NULL &&
                strcmp(es_index_ids_home(ids, "{\"b\":2}"), "j") == 0 &&
                strcmp(es_index_ids_home(ids, "{\"a\":1}"), "i") == 0;
    es_index_ids_free(ids);
    return done;
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/file", dir);
    test_passed();
    test_tails();
    test_many();
    test_removed();
    test_ids();
    test_id_tails();
    failures += calls_sweep(&(struct calls_case){"key changes", begin_changes, run_changes, changes_done, NULL}) != 0;
    failures +=
        calls_sweep(&(struct calls_case){"key changes, emptied", begin_emptied, run_emptied, is_emptied, NULL}) != 0;
    failures +=
        calls_sweep(&(struct calls_case){"key changes without a file", forget, run_nameless, always, NULL}) != 0;
    failures += calls_sweep(&(struct calls_case){"ids of indexes", begin_ids, run_ids, ids_done, NULL}) != 0;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    check(system(command) == 0, "cleaned up");
    if (failures == 0)
        printf("ok - files of an index\n");
    return failures != 0;
}
