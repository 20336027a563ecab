/* SPDX-License-Identifier: MIT */
/* SQL expressions, and the decimals and dates in them. The first byte chooses: what is parsed must not go beyond its end, and
 * computing must keep the rules of arithmetic. */
#include "tests/fuzz/fuzz.h"

#include "connectors/sqlite/syntax/decimal.h"
#include "connectors/sqlite/syntax/moment.h"
#include "connectors/sqlite/syntax/syntax.h"

static void try_expression(const char *text)
{
    struct tree tree = {.root = NULL};
    struct cdc_error error = {0};

    if (tree_parse(&tree, text, &error) != 0 && error.status == 0)
        abort();
    tree_free(&tree);
}

static bool parse_buf(struct decimal *number, const struct cdc_buf *text)
{
    return decimal_parse(number, cdc_span(text->data, text->len));
}

/* (a + b) - b is a, and a * b is b * a. */
static void try_decimals(struct cdc_span text)
{
    struct cdc_buf sum = CDC_BUF_INIT, back = CDC_BUF_INIT, one = CDC_BUF_INIT, two = CDC_BUF_INIT;
    const char *blank = memchr(text.p, ' ', text.n), *why = NULL;
    struct decimal a, b, c, d;

    if (blank != NULL && decimal_parse(&a, cdc_span(text.p, (size_t)(blank - text.p))) &&
        decimal_parse(&b, cdc_span(blank + 1, text.n - (size_t)(blank + 1 - text.p))) && a.kind == DECIMAL_FINITE &&
        b.kind == DECIMAL_FINITE) {
        if (decimal_compare(&a, &b) != -decimal_compare(&b, &a))
            abort();
        if (decimal_add(&sum, &a, &b, &why) && (!parse_buf(&c, &sum) || !decimal_subtract(&back, &c, &b, &why) ||
                                                !parse_buf(&d, &back) || decimal_compare(&a, &d) != 0))
            abort();
        if (decimal_multiply(&one, &a, &b, &why) && (!decimal_multiply(&two, &b, &a, &why) || !parse_buf(&c, &one) ||
                                                     !parse_buf(&d, &two) || decimal_compare(&c, &d) != 0))
            abort();
        (void)decimal_divide(&two, &a, &b, 5, &why);
    }
    cdc_buf_free(&sum);
    cdc_buf_free(&back);
    cdc_buf_free(&one);
    cdc_buf_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char key[MOMENT_MAX];

    if (size == 0 || size > 5000)
        return 0;
    uint8_t *copy = exact_copy(data + 1, size - 1);
    struct cdc_span span = {(const char *)copy, size - 1};
    char *text = cdc_span_copy(span);
    switch (data[0] % 3) {
    case 0: try_decimals(span); break;
    case 1: (void)moment_key(key, span); break;
    default: try_expression(text);
    }
    free(text);
    free(copy);
    return 0;
}
