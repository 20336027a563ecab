/* SPDX-License-Identifier: MIT */
/* Texts of numbers are compared as they stand, without memory. For a sum both become arrays of digits with as many digits
 * after the point: 1.10 and 20 are 110 and 2000 with a scale of 2. */
#include <stdlib.h>

#include "connectors/sqlite/syntax/decimal.h"

#define DIGITS_MAX ((int64_t)200000) /* PostgreSQL's numeric has up to 147455 */
#define WORK_MAX ((size_t)100000000) /* steps of one product: a moment, not minutes */

/* -- text ------------------------------------------------------------------------ */

static char digit_of(const struct decimal *number, size_t i)
{
    return i < number->whole.n ? number->whole.p[i] : number->fraction.p[i - number->whole.n];
}

static size_t count_digits(struct cdc_span text)
{
    size_t n = 0;

    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
        n++;
    return n;
}

static bool is_word(struct cdc_span text, const char *word)
{
    if (text.n != strlen(word))
        return false;
    for (size_t i = 0; i < text.n; i++)
        if ((text.p[i] | 0x20) != word[i])
            return false;
    return true;
}

static bool parse_special(struct decimal *number, struct cdc_span text)
{
    if (is_word(text, "nan"))
        number->kind = DECIMAL_NAN;
    else if (is_word(text, "infinity") || is_word(text, "inf"))
        number->kind = DECIMAL_INFINITE;
    else
        return false;
    return true;
}

/* After the e. */
static bool parse_power(struct decimal *number, struct cdc_span text)
{
    bool negative = text.n > 0 && text.p[0] == '-';
    size_t at = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+');

    if (at == text.n || count_digits(cdc_span(text.p + at, text.n - at)) != text.n - at)
        return false;
    for (; at < text.n; at++)
        if (number->power < 1000000000) /* far beyond DIGITS_MAX: more makes no difference */
            number->power = number->power * 10 + (text.p[at] - '0');
    if (negative)
        number->power = -number->power;
    return true;
}

/* Where the digits that count begin and end, and what the first one stands for. */
static void measure(struct decimal *number)
{
    size_t first = 0, end = number->whole.n + number->fraction.n;

    while (first < end && digit_of(number, first) == '0')
        first++;
    while (end > first && digit_of(number, end - 1) == '0')
        end--;
    if (first == end)
        first = end = 0;
    number->first = first;
    number->end = end;
    number->exponent = (int64_t)number->whole.n - (int64_t)first + number->power;
}

bool decimal_parse(struct decimal *number, struct cdc_span text)
{
    *number = (struct decimal){.kind = DECIMAL_FINITE};
    if (text.n > 0 && (text.p[0] == '-' || text.p[0] == '+')) {
        number->negative = text.p[0] == '-';
        text = cdc_span(text.p + 1, text.n - 1);
    }
    size_t n = count_digits(text);
    number->whole = cdc_span(text.p, n);
    if (n < text.n && text.p[n] == '.') {
        number->fraction.p = text.p + n + 1;
        number->fraction.n = count_digits(cdc_span(text.p + n + 1, text.n - n - 1));
        n += 1 + number->fraction.n;
    }
    if (number->whole.n + number->fraction.n == 0)
        return parse_special(number, text);
    if (n < text.n && (text.p[n] | 0x20) == 'e') {
        if (!parse_power(number, cdc_span(text.p + n + 1, text.n - n - 1)))
            return false;
        n = text.n;
    }
    measure(number);
    return n == text.n;
}

/* -- comparing --------------------------------------------------------------------- */

static int compare_size(const struct decimal *a, const struct decimal *b)
{
    if (a->end == 0 || b->end == 0)
        return (a->end != 0) - (b->end != 0);
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    size_t i = a->first, k = b->first;
    for (; i < a->end && k < b->end; i++, k++)
        if (digit_of(a, i) != digit_of(b, k))
            return digit_of(a, i) < digit_of(b, k) ? -1 : 1;
    return (i < a->end) - (k < b->end);
}

static int sign_of(const struct decimal *number)
{
    if (number->kind == DECIMAL_FINITE && number->end == 0)
        return 0;
    return number->negative ? -1 : 1;
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    if (a->kind == DECIMAL_NAN || b->kind == DECIMAL_NAN)
        return (a->kind == DECIMAL_NAN) - (b->kind == DECIMAL_NAN);
    int sign = sign_of(a);
    if (sign != sign_of(b))
        return sign < sign_of(b) ? -1 : 1;
    if (a->kind != DECIMAL_FINITE || b->kind != DECIMAL_FINITE)
        return sign * ((a->kind != DECIMAL_FINITE) - (b->kind != DECIMAL_FINITE));
    return sign * compare_size(a, b);
}

/* -- arrays of digits ---------------------------------------------------------------- */

struct digits {
    char *d;  /* 0 to 9, the highest first; owned */
    size_t n; /* never 0 */
    size_t scale;
    bool negative;
};

static const char *const too_long = "a number has too many digits";
const char *const decimal_no_memory = "out of memory";

static bool make(struct digits *digits, size_t n, const char **why)
{
    digits->n = n;
    digits->d = calloc(n, 1);
    if (digits->d == NULL)
        *why = decimal_no_memory;
    return digits->d != NULL;
}

/* So many digits after the point, of which the text has no more. */
static bool spread(struct digits *digits, const struct decimal *number, size_t scale, const char **why)
{
    int64_t whole = number->exponent > 0 && number->end > 0 ? number->exponent : 1;

    *digits = (struct digits){.scale = scale, .negative = number->negative};
    if (whole > DIGITS_MAX || scale > (size_t)DIGITS_MAX)
        return *why = too_long, false;
    if (!make(digits, (size_t)whole + scale, why))
        return false;
    int64_t at = whole - number->exponent;
    for (size_t i = number->first; i < number->end; i++)
        digits->d[(size_t)at++] = (char)(digit_of(number, i) - '0');
    return true;
}

/* The digits after the point that a number has, as it is written: 1.10 has two. */
static bool scale_of(const struct decimal *number, size_t *scale, const char **why)
{
    int64_t n = (int64_t)number->fraction.n - number->power;

    if (n > DIGITS_MAX)
        return *why = too_long, false;
    *scale = n > 0 ? (size_t)n : 0;
    return true;
}

static void print(struct cdc_buf *out, const struct digits *digits)
{
    size_t whole = digits->n - digits->scale, at = 0;
    bool zero = true;

    for (size_t i = 0; zero && i < digits->n; i++)
        zero = digits->d[i] == 0;
    if (digits->negative && !zero)
        cdc_buf_byte(out, '-');
    while (at + 1 < whole && digits->d[at] == 0)
        at++;
    if (whole == 0)
        cdc_buf_byte(out, '0');
    for (; at < digits->n; at++) {
        if (at == whole)
            cdc_buf_byte(out, '.');
        cdc_buf_byte(out, (char)('0' + digits->d[at]));
    }
}

/* -- sums ------------------------------------------------------------------------------ */

static char from_end(const struct digits *digits, size_t i)
{
    return i < digits->n ? digits->d[digits->n - 1 - i] : 0;
}

static int compare_digits(const struct digits *a, const struct digits *b)
{
    for (size_t i = a->n > b->n ? a->n : b->n; i-- > 0;)
        if (from_end(a, i) != from_end(b, i))
            return from_end(a, i) < from_end(b, i) ? -1 : 1;
    return 0;
}

/* sum = a + sign * b, where a is not the smaller one when they are subtracted. */
static void add_digits(struct digits *sum, const struct digits *a, const struct digits *b, int sign)
{
    int carry = 0;

    for (size_t i = 0; i < sum->n; i++) {
        int digit = from_end(a, i) + sign * from_end(b, i) + carry;
        carry = digit > 9 ? 1 : digit < 0 ? -1 : 0;
        sum->d[sum->n - 1 - i] = (char)(digit - 10 * carry);
    }
}

static bool add_finite(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, const char **why)
{
    struct digits one = {.d = NULL}, two = {.d = NULL}, sum = {.d = NULL};
    size_t scale_a, scale_b;
    bool good = scale_of(a, &scale_a, why) && scale_of(b, &scale_b, why);

    if (good) {
        size_t scale = scale_a > scale_b ? scale_a : scale_b;
        good = spread(&one, a, scale, why) && spread(&two, b, scale, why) &&
               make(&sum, (one.n > two.n ? one.n : two.n) + 1, why);
        sum.scale = scale;
    }
    if (good) {
        bool swap = one.negative != two.negative && compare_digits(&one, &two) < 0;
        const struct digits *larger = swap ? &two : &one, *other = swap ? &one : &two;
        add_digits(&sum, larger, other, one.negative == two.negative ? 1 : -1);
        sum.negative = larger->negative;
        print(out, &sum);
    }
    free(one.d);
    free(two.d);
    free(sum.d);
    return good;
}

static bool append_special(struct cdc_buf *out, bool nan, bool negative)
{
    cdc_buf_text(out, nan ? "NaN" : negative ? "-Infinity" : "Infinity");
    return true;
}

bool decimal_add(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, const char **why)
{
    bool far_a = a->kind == DECIMAL_INFINITE, far_b = b->kind == DECIMAL_INFINITE;

    if (a->kind == DECIMAL_FINITE && b->kind == DECIMAL_FINITE)
        return add_finite(out, a, b, why);
    bool nan = !(far_a || far_b) || a->kind == DECIMAL_NAN || b->kind == DECIMAL_NAN ||
               (far_a && far_b && a->negative != b->negative);
    return append_special(out, nan, far_a ? a->negative : b->negative);
}

bool decimal_subtract(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, const char **why)
{
    struct decimal minus = *b;

    minus.negative = !b->negative;
    return decimal_add(out, a, &minus, why);
}

/* -- products and quotients ------------------------------------------------------------ */

static bool multiply_digits(struct digits *product, const struct digits *a, const struct digits *b, const char **why)
{
    if (a->n > WORK_MAX / b->n)
        return *why = too_long, false;
    if (!make(product, a->n + b->n, why))
        return false;
    for (size_t i = a->n; i-- > 0;) {
        int carry = 0;
        for (size_t k = b->n; k-- > 0;) {
            int digit = product->d[i + k + 1] + a->d[i] * b->d[k] + carry;
            product->d[i + k + 1] = (char)(digit % 10);
            carry = digit / 10;
        }
        product->d[i] = (char)(product->d[i] + carry);
    }
    product->scale = a->scale + b->scale;
    product->negative = a->negative != b->negative;
    return true;
}

static bool spread_all(struct digits *digits, const struct decimal *number, const char **why)
{
    size_t scale;

    return scale_of(number, &scale, why) && spread(digits, number, scale, why);
}

bool decimal_multiply(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, const char **why)
{
    struct digits one = {.d = NULL}, two = {.d = NULL}, product = {.d = NULL};

    if (a->kind != DECIMAL_FINITE || b->kind != DECIMAL_FINITE) /* infinity times 0 is NaN */
        return append_special(out, a->kind == DECIMAL_NAN || b->kind == DECIMAL_NAN || sign_of(a) * sign_of(b) == 0,
                              a->negative != b->negative);
    bool good = spread_all(&one, a, why) && spread_all(&two, b, why) && multiply_digits(&product, &one, &two, why);
    if (good)
        print(out, &product);
    free(one.d);
    free(two.d);
    free(product.d);
    return good;
}

/* rest is one digit longer than by, and smaller than 10 * by: how often by goes into it, which is taken off. */
static char take_off(struct digits *rest, const struct digits *by)
{
    char times = 0;

    while (compare_digits(rest, by) >= 0) {
        add_digits(rest, rest, by, -1);
        times++;
    }
    return times;
}

static void push(struct digits *rest, char digit)
{
    memmove(rest->d, rest->d + 1, rest->n - 1);
    rest->d[rest->n - 1] = digit;
}

static void add_one(struct digits *digits)
{
    for (size_t i = digits->n; i-- > 0 && ++digits->d[i] > 9;)
        digits->d[i] = 0;
}

/* Schoolbook division, a digit at a time, with as many digits as the quotient has; half away from zero. */
static bool divide_digits(struct digits *quotient, const struct digits *a, const struct digits *b, const char **why)
{
    struct digits rest = {.d = NULL};
    size_t n = a->n - a->scale + b->scale + quotient->scale;

    if (n > WORK_MAX / 10 / (b->n + 1))
        return *why = too_long, false;
    if (!make(quotient, n + 1, why) || !make(&rest, b->n + 1, why))
        return false;
    for (size_t i = 0; i < n; i++) {
        push(&rest, i < a->n ? a->d[i] : 0);
        quotient->d[i + 1] = take_off(&rest, b);
    }
    push(&rest, n < a->n ? a->d[n] : 0);
    if (take_off(&rest, b) >= 5)
        add_one(quotient);
    free(rest.d);
    return true;
}

bool decimal_divide(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, size_t scale,
                    const char **why)
{
    struct digits one = {.d = NULL}, two = {.d = NULL}, quotient = {.scale = scale};

    if (a->kind == DECIMAL_FINITE && b->kind == DECIMAL_INFINITE) {
        cdc_buf_byte(out, '0');
        return true;
    }
    if (a->kind != DECIMAL_FINITE || b->kind != DECIMAL_FINITE)
        return append_special(out, a->kind == DECIMAL_NAN || b->kind != DECIMAL_FINITE, a->negative != b->negative);
    if (b->end == 0)
        return *why = "division by zero", false;
    bool good = spread_all(&one, a, why) && spread_all(&two, b, why) && divide_digits(&quotient, &one, &two, why);
    quotient.negative = one.negative != two.negative;
    if (good)
        print(out, &quotient);
    free(one.d);
    free(two.d);
    free(quotient.d);
    return good;
}

bool decimal_round(struct cdc_buf *out, const struct decimal *a, size_t scale, const char **why)
{
    static const struct decimal one = {.kind = DECIMAL_FINITE, .whole = {"1", 1}, .end = 1, .exponent = 1};

    return decimal_divide(out, a, &one, scale, why);
}
