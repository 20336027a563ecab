/* SPDX-License-Identifier: MIT */
/* Numbers of transactions over failovers: renumberings that are added, confirmed, written, read and merged. */
#include "connectors/mysql/decoder/numbering.h"

#include <cdc/json.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
}

static void add(struct my_numbering *numbering, uint64_t after, uint64_t from)
{
    if (my_numbering_add(numbering, (struct my_renumbering){after, from}, NULL) < 0)
        check(false, "a renumbering is added");
}

static void says(const char *what, const struct my_numbering *numbering, const char *expected)
{
    struct cdc_buf text = CDC_BUF_INIT;
    my_numbering_append(&text, numbering);
    cdc_buf_byte(&text, '\0');
    bool good = !text.failed && strcmp(text.data, expected) == 0;
    check(good, what);
    if (!good)
        printf("#  got %s\n# want %s\n", text.data, expected);
    cdc_buf_free(&text);
}

static void test_counting(void)
{
    struct my_numbering numbering = {.n = 0};
    check(my_numbering_after(&numbering, 7) == 8, "without renumberings: one by one");
    add(&numbering, 10, 1000);
    add(&numbering, 1005, 2000);
    check(my_numbering_after(&numbering, 9) == 10 && my_numbering_after(&numbering, 10) == 1000 &&
              my_numbering_after(&numbering, 1000) == 1001 && my_numbering_after(&numbering, 1005) == 2000,
          "a renumbering comes after its transaction");
    check(my_numbering_is_counted(&numbering, 10) && !my_numbering_is_counted(&numbering, 11) &&
              !my_numbering_is_counted(&numbering, 999) && my_numbering_is_counted(&numbering, 1000),
          "between both ends of a renumbering nothing is counted");
    check(my_numbering_newest(&numbering) == 2000, "where the newest one leads");
    says("as text", &numbering, ",\"renumbered\":[[10,1000],[1005,2000]]");
    my_numbering_confirm(&numbering, 10);
    check(numbering.n == 2, "a renumbering right after the position is still to come");
    my_numbering_confirm(&numbering, 1000);
    says("one that was taken goes", &numbering, ",\"renumbered\":[[1005,2000]]");
    add(&numbering, 1003, 3000);
    says("a renumbering before another one replaces it", &numbering, ",\"renumbered\":[[1003,3000]]");
    my_numbering_confirm(&numbering, 5000);
    says("none is no text", &numbering, "");
}

static void test_most(void)
{
    struct my_numbering numbering = {.n = 0};
    struct cdc_error error = {0};
    for (uint64_t i = 0; i < MY_RENUMBERINGS_MAX; i++)
        add(&numbering, 100 * i + 5, 100 * i + 100);
    check(my_numbering_add(&numbering, (struct my_renumbering){UINT64_C(1) << 40, UINT64_C(1) << 41}, &error) < 0 &&
              error.status == CDC_EXIT_CONFIG && numbering.n == MY_RENUMBERINGS_MAX,
          "more than there is room for: an error, and none is forgotten");
}

static void test_merging(void)
{
    struct my_numbering one = {.n = 0}, other = {.n = 0};
    add(&one, 100, 1000);
    add(&other, 100, 1000);
    add(&other, 1005, 2000);
    my_numbering_merge(&one, &other, NULL);
    says("what both know is one renumbering", &one, ",\"renumbered\":[[100,1000],[1005,2000]]");
    struct my_numbering older = {.n = 0}, newer = {.n = 0};
    add(&older, 100, 1000);
    add(&newer, 50, 3000);
    my_numbering_merge(&newer, &older, NULL);
    says("the newer one counts anew what the older one had counted", &newer, ",\"renumbered\":[[50,3000]]");
    my_numbering_merge(&older, &newer, NULL);
    says("whichever of the two is asked", &older, ",\"renumbered\":[[50,3000]]");
}

static bool reads(const char *source, struct my_numbering *numbering)
{
    return cdc_json_validate(source, strlen(source), NULL) == 0 && my_numbering_read(cdc_span_text(source), numbering);
}

static void test_reading(void)
{
    static const char *const damaged[] = {
        "{\"renumbered\":1}",        "{\"renumbered\":{}}",          "{\"renumbered\":[1,2]}",
        "{\"renumbered\":[[1]]}",    "{\"renumbered\":[[1,2,3]]}",   "{\"renumbered\":[[2,2]]}",
        "{\"renumbered\":[[-1,2]]}", "{\"renumbered\":[[1,\"2\"]]}", "{\"renumbered\":[[1,20],[18,30]]}",
    };
    struct my_numbering numbering;
    check(reads("{\"renumbered\":[[10,1000],[999,2000]]}", &numbering), "what was written is read");
    says("and says the same", &numbering, ",\"renumbered\":[[10,1000],[999,2000]]");
    check(reads("{\"gtids\":\"\"}", &numbering) && numbering.n == 0, "a source without renumberings");
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        check(!reads(damaged[i], &numbering), damaged[i]);
    struct cdc_buf many = CDC_BUF_INIT;
    cdc_buf_lit(&many, "{\"renumbered\":[");
    for (int i = 0; i <= MY_RENUMBERINGS_MAX; i++)
        cdc_buf_printf(&many, "%s[%d,%d]", i ? "," : "", 10 * i + 9, 10 * i + 19);
    cdc_buf_lit(&many, "]}");
    cdc_buf_byte(&many, '\0');
    check(!many.failed && !reads(many.data, &numbering), "more than there is room for");
    cdc_buf_free(&many);
}

int main(void)
{
    test_counting();
    test_most();
    test_merging();
    test_reading();
    return failures != 0;
}
