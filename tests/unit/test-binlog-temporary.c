/* SPDX-License-Identifier: MIT */
/* The list of sessions' temporary tables: kept, written into positions and read again. */
#include "connectors/mysql/decoder/temporary.h"

#include <cdc/json.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
}

static const struct my_temporary_owner one = {1, 7}, other = {1, 4294967295}, replica = {2, 7};

static void says(const char *what, const struct my_temporaries *temporaries, const char *expected)
{
    struct cdc_buf text = CDC_BUF_INIT;
    my_temporaries_append(&text, temporaries);
    cdc_buf_byte(&text, '\0');
    bool good = !text.failed && strcmp(text.data, expected) == 0;
    check(good, what);
    if (!good)
        printf("#  got %s\n# want %s\n", text.data, expected);
    cdc_buf_free(&text);
}

static void test_list(void)
{
    struct my_temporaries list = {0}, copy = {0};
    struct cdc_error error = {0};
    int result = my_temporaries_add(&list, one, "d", "t\"\xc3\xa4", &error);
    result |= my_temporaries_add(&list, one, "d", "t\"\xc3\xa4", &error);
    result |= my_temporaries_add(&list, other, "d", "u", &error);
    check(result == 0 && list.n == 2, "one that is made twice is there once");
    check(my_temporaries_has(&list, other, "d", "u") && !my_temporaries_has(&list, one, "d", "u") &&
              !my_temporaries_has(&list, replica, "d", "t\"\xc3\xa4") && !my_temporaries_has(&list, other, "e", "u"),
          "whose it is");
    static const char text[] = ",\"temporary\":[[1,7,\"d\",\"t\\\"\xc3\xa4\"],[1,4294967295,\"d\",\"u\"]]";
    says("as text", &list, text);
    check(my_temporaries_copy(&copy, &list, &error) == 0, "a copy");
    my_temporaries_remove(&list, one, "d", "t\"\xc3\xa4");
    my_temporaries_remove(&list, one, "d", "nothing");
    says("without the first", &list, ",\"temporary\":[[1,4294967295,\"d\",\"u\"]]");
    says("the copy has it", &copy, text);
    my_temporaries_clear(&list);
    says("none is no text", &list, "");
    char source[256];
    snprintf(source, sizeof source, "{\"gtids\":\"\"%s}", text);
    check(my_temporaries_read(&list, cdc_span_text(source), &error) == 0, "read again");
    says("read and written again", &list, text);
    check(my_temporaries_read(&list, cdc_span_text("{}"), &error) == 0 && list.n == 0, "a position without any");
    my_temporaries_clear(&copy);
}

static void test_damaged(void)
{
    static const char *const sources[] = {
        "{\"temporary\":{}}",
        "{\"temporary\":[1]}",
        "{\"temporary\":[[1,7,\"d\"]]}",
        "{\"temporary\":[[1,7,\"d\",8]]}",
        "{\"temporary\":[[1,-7,\"d\",\"t\"]]}",
        "{\"temporary\":[[4294967296,7,\"d\",\"t\"]]}",
        "{\"temporary\":[[1,7,\"d\",\"a\\u0000b\"]]}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct my_temporaries list = {0};
        struct cdc_error error = {0};
        check(my_temporaries_read(&list, cdc_span_text(sources[i]), &error) < 0 && error.status == CDC_EXIT_CONFIG &&
                  list.n == 0,
              sources[i]);
    }
}

static void test_most(void)
{
    struct my_temporaries list = {0};
    struct cdc_error error = {0};
    int result = 0;
    for (uint32_t i = 0; i < MY_TEMPORARIES_MAX && result == 0; i++)
        result = my_temporaries_add(&list, (struct my_temporary_owner){1, i}, "d", "t", &error);
    check(result == 0 && list.n == MY_TEMPORARIES_MAX, "as many as there may be");
    check(my_temporaries_add(&list, one, "d", "t", &error) == 0, "one that is there is not one more");
    check(my_temporaries_add(&list, replica, "d", "t", &error) < 0 && error.status == CDC_EXIT_CONFIG, "one too many");
    my_temporaries_clear(&list);
}

int main(void)
{
    test_list();
    test_damaged();
    test_most();
    return failures > 0;
}
