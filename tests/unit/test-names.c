/* SPDX-License-Identifier: MIT */
/* Sets of names: each is found, spelled in either way, among many and among names that look alike. */
#include <stdio.h>
#include <string.h>

#include <cdc/names.h>

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static void test_escapes(void)
{
    struct cdc_names plain = {0}, raw = {0};

    check(cdc_names_find(&plain, cdc_span_text("a")) == SIZE_MAX, "nothing is in an empty set");
    check(cdc_names_find_in_raw(&raw, cdc_span_text("a")) == SIZE_MAX, "nothing is in an empty raw set");
    check(cdc_names_add(&plain, cdc_span_text("caf\xc3\xa9"), 1) == 0, "add");
    check(cdc_names_add(&plain, cdc_span_text("a\\u0062"), 2) == 0, "add a backslash");
    check(cdc_names_add(&plain, cdc_span_text(""), 3) == 0, "add an empty name");
    check(cdc_names_add(&plain, cdc_span_text("caf\xc3\xa9"), 4) == 0, "add it again");
    check(cdc_names_find(&plain, cdc_span_text("caf\\u00e9")) == 1, "an escape stands for a character");
    check(cdc_names_find(&plain, cdc_span_text("caf\xc3\xa9")) == 1, "as it is, the first number");
    check(cdc_names_find(&plain, cdc_span_text("a\\u0062")) == SIZE_MAX, "ab is no name with a backslash");
    check(cdc_names_find(&plain, cdc_span_text("a\\\\u0062")) == 2, "a backslash is escaped");
    check(cdc_names_find_plain(&plain, cdc_span_text("a\\u0062")) == 2, "as it is");
    check(cdc_names_find(&plain, cdc_span_text("")) == 3, "the empty name");
    check(cdc_names_add_raw(&raw, cdc_span_text("caf\\u00e9"), 5) == 0, "add raw");
    check(cdc_names_add_raw(&raw, cdc_span_text("caf\xc3\xa9"), 6) == 0 && raw.n == 1, "one name in two spellings");
    check(cdc_names_find_in_raw(&raw, cdc_span_text("caf\xc3\xa9")) == 5, "in a raw set, as it is");
    check(cdc_names_find_raw(&raw, cdc_span_text("caf\xc3\xa9")) == 5, "in a raw set, of another line");
    cdc_names_free(&plain);
    cdc_names_free(&raw);
}

#define MANY 20000
static void test_many(void)
{
    static char texts[MANY][16];
    struct cdc_names names = {0};
    bool found = true, strange = false;

    for (size_t i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof texts[i], "c%zu", i * 2);
        check(cdc_names_add(&names, cdc_span_text(texts[i]), i) == 0, "add one of many");
    }
    for (size_t i = 0; i < MANY; i++) {
        char odd[16];
        snprintf(odd, sizeof odd, "c%zu", i * 2 + 1);
        found = found && cdc_names_find(&names, cdc_span_text(texts[i])) == i;
        strange = strange || cdc_names_find(&names, cdc_span_text(odd)) != SIZE_MAX;
    }
    check(found, "all are found");
    check(!strange, "others are not");
    cdc_names_free(&names);
    check(names.n == 0 && cdc_names_find(&names, cdc_span_text("c0")) == SIZE_MAX, "empty again");
}

int main(void)
{
    test_escapes();
    test_many();
    return failures != 0;
}
