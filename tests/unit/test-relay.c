/* SPDX-License-Identifier: MIT */
/* Acknowledgements of a relay: which of its places the sinks have. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/relay.h>

static int failures;
static char dir[] = "/tmp/cdc-unit-XXXXXX";

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* A sink's file with the positions of one or two names; NULL: none of that one. */
static void store(const char *file, const char *shop, const char *stock)
{
    char path[128];
    struct cdc_error error = {0};

    snprintf(path, sizeof path, "%s/%s.offset", dir, file);
    struct cdc_offset_file *offsets = cdc_offset_file_open(path, "cdc-sink-test", &error);
    struct cdc_offset at = {.pos = (char *)shop, .seq = 1};
    if (shop != NULL)
        check(cdc_offset_file_set(offsets, "shop", &at, &error) == 0, error.text);
    at.pos = (char *)stock;
    if (stock != NULL)
        check(cdc_offset_file_set(offsets, "stock", &at, &error) == 0, error.text);
    check(offsets != NULL && cdc_offset_file_save(offsets, &error) == 0, error.text);
    cdc_offset_file_free(offsets);
}

static void place(struct cdc_relay *relay, int number, const char *shop, const char *stock)
{
    struct cdc_error error = {0};
    char pos[32];

    snprintf(pos, sizeof pos, "%08d", number);
    struct cdc_offset offset = {.pos = pos};
    check((shop == NULL || cdc_relay_passed(relay, "shop", shop, &error) == 0) &&
              (stock == NULL || cdc_relay_passed(relay, "stock", stock, &error) == 0) &&
              cdc_relay_place(relay, &offset, &error) == 0,
          "a place is noted");
}

/* Is it the newest place that is stored, and new? NULL: there is none. */
static bool stored(struct cdc_relay *relay, const char *pos)
{
    struct cdc_error error = {0};
    const struct cdc_offset *at = NULL;

    if (cdc_relay_stored(relay, &at, &error) != 0)
        return false;
    return pos != NULL ? at != NULL && strcmp(at->pos, pos) == 0 : at == NULL;
}

static void test_names(void)
{
    struct cdc_error error = {0};
    struct cdc_relay *relay = cdc_relay_new(NULL, 0, dir, &error);

    check(relay != NULL, "a relay");
    place(relay, 1, "a1", NULL);
    check(stored(relay, NULL), "without a sink nothing is stored");
    store("one", "a1", NULL);
    check(stored(relay, "00000001") && stored(relay, NULL), "a place that is stored is told once");
    place(relay, 2, "a2", "b1");
    place(relay, 3, "a3", NULL);
    store("one", "a9", NULL);
    check(stored(relay, NULL), "a place waits for each of its names");
    store("one", "a9", "b1");
    check(stored(relay, "00000003"), "and the newest of several is told");
    store("two", "a3", "b1");
    place(relay, 4, "a4", NULL);
    check(stored(relay, NULL), "and for each sink");
    store("two", "a4", "b1");
    check(stored(relay, "00000004"), "until all have it");
    check(cdc_relay_has(relay, "shop", "a4", &error) == 1 && cdc_relay_has(relay, "shop", "a5", &error) == 0,
          "a position of a name is asked for");
    cdc_relay_free(relay);
}

/* Far more places than are kept: those that are forgotten take nothing that they ask for with them. */
static void test_many(void)
{
    struct cdc_error error = {0};
    struct cdc_relay *relay = cdc_relay_new(NULL, 0, dir, &error);
    char pos[32];

    store("one", "a0", "b0");
    store("two", "a0", "b0");
    place(relay, 0, "c0", "c1"); /* only here, of stock */
    for (int i = 1; i <= 5000; i++) {
        snprintf(pos, sizeof pos, "d%08d", i);
        place(relay, i, pos, NULL);
    }
    store("one", "d00005000", "b0");
    store("two", "d00005000", "b0");
    check(stored(relay, NULL), "what a forgotten place asks of another name still holds");
    store("one", "d00004000", "c1");
    store("two", "d00005000", "c1");
    const struct cdc_offset *at = NULL;
    check(cdc_relay_stored(relay, &at, &error) == 0 && at != NULL && strcmp(at->pos, "00004000") <= 0 &&
              strcmp(at->pos, "00002000") > 0,
          "never more than is stored, nor much less");
    store("one", "d00005000", "c1");
    check(stored(relay, "00005000"), "the newest place is never forgotten");
    cdc_relay_free(relay);
}

int main(void)
{
    char command[128];

    if (mkdtemp(dir) == NULL)
        return 1;
    test_names();
    test_many();
    snprintf(command, sizeof command, "rm -r %s", dir);
    check(system(command) == 0, "the folder is removed");
    return failures != 0;
}
