/* SPDX-License-Identifier: MIT */
/* Numbers come as SQLite's integers and doubles, and as texts, which are decimals. An integer beyond 64 bits is an error and
 * not a double; a decimal with a double is a double, as SQL has it; NULL with anything is NULL. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "connectors/sqlite/syntax/decimal.h"
#include "connectors/sqlite/expression/functions.h"
#include "connectors/sqlite/syntax/moment.h"
#include <cdc/json.h>

#define PATTERN_MAX 50000 /* bytes, as SQLite has it: longer ones could take hours */

struct number {
    int type; /* SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_NULL */
    int64_t integer;
    double real;
    struct decimal decimal; /* of an integer, too */
    char digits[24];
};

static void fail(sqlite3_context *context, struct cdc_span text, const char *why)
{
    char message[160];

    snprintf(message, sizeof message, "\"%.*s\" %s", (int)(text.n < 60 ? text.n : 60), text.n > 0 ? text.p : "", why);
    sqlite3_result_error(context, message, -1);
}

/* Why there is no result. */
static void refuse(sqlite3_context *context, const char *why)
{
    if (why == decimal_no_memory)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_error(context, why, -1);
}

static struct cdc_span text_of(sqlite3_value *value)
{
    const char *p = (const char *)sqlite3_value_text(value);

    return cdc_span(p != NULL ? p : "", (size_t)sqlite3_value_bytes(value));
}

static bool take_number(sqlite3_context *context, sqlite3_value *value, struct number *number)
{
    number->type = sqlite3_value_type(value);
    switch (number->type) {
    case SQLITE_INTEGER:
        number->integer = sqlite3_value_int64(value);
        snprintf(number->digits, sizeof number->digits, "%lld", (long long)number->integer);
        return decimal_parse(&number->decimal, cdc_span_text(number->digits));
    case SQLITE_FLOAT: number->real = sqlite3_value_double(value); return true;
    case SQLITE_NULL: return true;
    case SQLITE_TEXT:
        if (decimal_parse(&number->decimal, text_of(value)))
            return true;
        fail(context, text_of(value), "is no number");
        return false;
    default: sqlite3_result_error(context, "bytes are no number", -1); return false;
    }
}

/* A finite text's number is rounded to a double, as CAST says. SQLite's texts have a NUL at their end, and no program calls
 * setlocale: the point is a point. */
static double real_of_text(struct cdc_span text, const struct decimal *decimal)
{
    if (decimal->kind == DECIMAL_INFINITE)
        return decimal->negative ? -INFINITY : INFINITY;
    return strtod(text.p, NULL);
}

static double real_of(sqlite3_value *value, const struct number *number)
{
    return number->type == SQLITE_INTEGER ? (double)number->integer
           : number->type == SQLITE_FLOAT ? number->real
                                          : real_of_text(text_of(value), &number->decimal);
}

static bool is_nan(const struct number *number)
{
    return number->type == SQLITE_TEXT && number->decimal.kind == DECIMAL_NAN;
}

/* SQLite takes a NaN for NULL. */
static void result_real(sqlite3_context *context, double value)
{
    if (isnan(value))
        sqlite3_result_text(context, "NaN", 3, SQLITE_STATIC);
    else
        sqlite3_result_double(context, value);
}

static void result_text(sqlite3_context *context, const struct cdc_buf *text)
{
    if (text->failed)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text64(context, text->len > 0 ? text->data : "", text->len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* -- comparing ----------------------------------------------------------------------------- */

static int compare_reals(double a, double b)
{
    return (a > b) - (a < b);
}

static int compare_numbers(sqlite3_value **values, const struct number *a, const struct number *b)
{
    if (is_nan(a) || is_nan(b))
        return is_nan(a) - is_nan(b);
    if (a->type == SQLITE_FLOAT || b->type == SQLITE_FLOAT)
        return compare_reals(real_of(values[0], a), real_of(values[1], b));
    if (a->type == SQLITE_INTEGER && b->type == SQLITE_INTEGER)
        return (a->integer > b->integer) - (a->integer < b->integer);
    return decimal_compare(&a->decimal, &b->decimal);
}

static void compare(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number a, b;

    (void)n;
    if (take_number(context, values[0], &a) && take_number(context, values[1], &b) && a.type != SQLITE_NULL &&
        b.type != SQLITE_NULL)
        sqlite3_result_int(context, compare_numbers(values, &a, &b));
}

/* min() and max() of several: NULL where one is. */
static void least(sqlite3_context *context, int n, sqlite3_value **values, int sign)
{
    int best = 0;

    for (int i = 0; i < n; i++) {
        sqlite3_value *pair[2] = {values[best], values[i]};
        struct number a, b;
        if (!take_number(context, pair[0], &a) || !take_number(context, pair[1], &b) || a.type == SQLITE_NULL ||
            b.type == SQLITE_NULL)
            return;
        if (sign * compare_numbers(pair, &a, &b) > 0)
            best = i;
    }
    sqlite3_result_value(context, values[best]);
}

static void minimum(sqlite3_context *context, int n, sqlite3_value **values)
{
    least(context, n, values, 1);
}

static void maximum(sqlite3_context *context, int n, sqlite3_value **values)
{
    least(context, n, values, -1);
}

/* -- sums ------------------------------------------------------------------------------------ */

typedef bool decimal_function(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, const char **why);

struct operation {
    bool (*integers)(int64_t a, int64_t b, int64_t *result); /* false: beyond 64 bits, or none */
    double (*reals)(double a, double b);
    decimal_function *decimals; /* NULL: none */
};

static bool add_integers(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}
static bool subtract_integers(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_sub_overflow(a, b, result);
}
static bool multiply_integers(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_mul_overflow(a, b, result);
}
static bool divide_integers(int64_t a, int64_t b, int64_t *result)
{
    if (b == -1)
        return subtract_integers(0, a, result);
    *result = a / b;
    return true;
}
static bool rest_of_integers(int64_t a, int64_t b, int64_t *result)
{
    *result = b == -1 ? 0 : a % b;
    return true;
}
static double add_reals(double a, double b)
{
    return a + b;
}
static double subtract_reals(double a, double b)
{
    return a - b;
}
static double multiply_reals(double a, double b)
{
    return a * b;
}
static double divide_reals(double a, double b)
{
    return a / b;
}

static void run_decimals(sqlite3_context *context, decimal_function *function, const struct number *a,
                         const struct number *b)
{
    struct cdc_buf text = CDC_BUF_INIT;
    const char *why = "a quotient of decimals has no last digit: use decimal_div()";

    if (function == NULL || !function(&text, &a->decimal, &b->decimal, &why))
        refuse(context, why);
    else
        result_text(context, &text);
    cdc_buf_free(&text);
}

static bool is_zero(sqlite3_value *value, const struct number *number)
{
    return !is_nan(number) && real_of(value, number) == 0;
}

static void compute(sqlite3_context *context, sqlite3_value **values, const struct operation *operation, bool divides)
{
    struct number a, b;
    int64_t integer;

    if (!take_number(context, values[0], &a) || !take_number(context, values[1], &b) || a.type == SQLITE_NULL ||
        b.type == SQLITE_NULL)
        return;
    if (divides && is_zero(values[1], &b))
        sqlite3_result_error(context, "division by zero", -1);
    else if (a.type == SQLITE_FLOAT || b.type == SQLITE_FLOAT) {
        if (is_nan(&a) || is_nan(&b))
            result_real(context, NAN);
        else if (operation->reals != NULL)
            result_real(context, operation->reals(real_of(values[0], &a), real_of(values[1], &b)));
        else
            result_real(context, fmod(real_of(values[0], &a), real_of(values[1], &b)));
    } else if (a.type == SQLITE_TEXT || b.type == SQLITE_TEXT) {
        run_decimals(context, operation->decimals, &a, &b);
    } else if (operation->integers(a.integer, b.integer, &integer)) {
        sqlite3_result_int64(context, integer);
    } else {
        sqlite3_result_error(context, "an integer beyond 64 bits", -1);
    }
}

static void add(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    compute(context, values, &(const struct operation){add_integers, add_reals, decimal_add}, false);
}

static void subtract(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    compute(context, values, &(const struct operation){subtract_integers, subtract_reals, decimal_subtract}, false);
}

static void multiply(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    compute(context, values, &(const struct operation){multiply_integers, multiply_reals, decimal_multiply}, false);
}

static void divide(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    compute(context, values, &(const struct operation){divide_integers, divide_reals, NULL}, true);
}

static void rest(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    compute(context, values, &(const struct operation){rest_of_integers, NULL, NULL}, true);
}

static void result_minus(sqlite3_context *context, struct number *number)
{
    static const struct decimal zero = {.kind = DECIMAL_FINITE, .whole = {"0", 1}};
    struct number nothing = {.type = SQLITE_TEXT, .decimal = zero};
    int64_t integer;

    if (number->type == SQLITE_FLOAT)
        sqlite3_result_double(context, -number->real);
    else if (number->type == SQLITE_TEXT)
        run_decimals(context, decimal_subtract, &nothing, number);
    else if (number->type == SQLITE_INTEGER && subtract_integers(0, number->integer, &integer))
        sqlite3_result_int64(context, integer);
    else if (number->type == SQLITE_INTEGER)
        sqlite3_result_error(context, "an integer beyond 64 bits", -1);
}

static void minus(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number number;

    (void)n;
    if (take_number(context, values[0], &number))
        result_minus(context, &number);
}

static int sign_of(sqlite3_value *value, const struct number *number)
{
    if (is_nan(number))
        return 0;
    if (number->type == SQLITE_FLOAT)
        return compare_reals(number->real, 0);
    return is_zero(value, number) && number->decimal.end == 0 ? 0 : number->decimal.negative ? -1 : 1;
}

static void sign(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number number;

    (void)n;
    if (take_number(context, values[0], &number) && number.type != SQLITE_NULL)
        sqlite3_result_int(context, sign_of(values[0], &number));
}

static void absolute(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number number;

    (void)n;
    if (!take_number(context, values[0], &number))
        return;
    if (number.type != SQLITE_NULL && sign_of(values[0], &number) < 0)
        result_minus(context, &number);
    else
        sqlite3_result_value(context, values[0]);
}

/* -- rounding -------------------------------------------------------------------------------- */

static bool take_digits(sqlite3_context *context, sqlite3_value *value, size_t *digits)
{
    int64_t n = sqlite3_value_int64(value);

    if (sqlite3_value_type(value) == SQLITE_NULL)
        return false;
    if (n < 0 || n > 10000) {
        sqlite3_result_error(context, "the number of digits must be from 0 to 10000", -1);
        return false;
    }
    *digits = (size_t)n;
    return true;
}

static void round_real(sqlite3_context *context, double value, size_t digits)
{
    char text[400];

    if (!isfinite(value) || fabs(value) >= 4503599627370496.0 || digits > 17) { /* 2^52: nothing behind the point */
        sqlite3_result_double(context, value);
        return;
    }
    snprintf(text, sizeof text, "%.*f", (int)digits, value);
    sqlite3_result_double(context, strtod(text, NULL));
}

static void round_number(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number number;
    struct cdc_buf text = CDC_BUF_INIT;
    const char *why = NULL;
    size_t digits = 0;

    if (!take_number(context, values[0], &number) || number.type == SQLITE_NULL ||
        (n > 1 && !take_digits(context, values[1], &digits)))
        return;
    if (number.type == SQLITE_INTEGER)
        sqlite3_result_int64(context, number.integer);
    else if (number.type == SQLITE_FLOAT)
        round_real(context, number.real, digits);
    else if (!decimal_round(&text, &number.decimal, digits, &why))
        refuse(context, why);
    else
        result_text(context, &text);
    cdc_buf_free(&text);
}

static void quotient(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number a, b;
    struct cdc_buf text = CDC_BUF_INIT;
    const char *why = NULL;
    size_t digits;

    (void)n;
    if (!take_number(context, values[0], &a) || !take_number(context, values[1], &b) || a.type == SQLITE_NULL ||
        b.type == SQLITE_NULL || !take_digits(context, values[2], &digits))
        return;
    if (a.type == SQLITE_FLOAT || b.type == SQLITE_FLOAT)
        why = "decimal_div() is for decimals and integers";
    if (why != NULL || !decimal_divide(&text, &a.decimal, &b.decimal, digits, &why))
        refuse(context, why);
    else
        result_text(context, &text);
    cdc_buf_free(&text);
}

/* -- casts -------------------------------------------------------------------------------------- */

void functions_append_real(struct cdc_buf *out, double value)
{
    char text[40];

    if (!isfinite(value)) {
        cdc_buf_text(out, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    cdc_buf_text(out, text);
}

static void cast_text(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct cdc_buf text = CDC_BUF_INIT;

    (void)n;
    switch (sqlite3_value_type(values[0])) {
    case SQLITE_FLOAT:
        functions_append_real(&text, sqlite3_value_double(values[0]));
        result_text(context, &text);
        break;
    case SQLITE_INTEGER:
        cdc_buf_i64(&text, sqlite3_value_int64(values[0]));
        result_text(context, &text);
        break;
    case SQLITE_BLOB:
        sqlite3_result_text64(context, sqlite3_value_blob(values[0]), (sqlite3_uint64)sqlite3_value_bytes(values[0]),
                              SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    default: sqlite3_result_value(context, values[0]);
    }
    cdc_buf_free(&text);
}

static void cast_real(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number number;

    (void)n;
    if (!take_number(context, values[0], &number) || number.type == SQLITE_NULL)
        return;
    result_real(context, is_nan(&number) ? NAN : real_of(values[0], &number));
}

static void cast_decimal(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number number;
    struct cdc_buf text = CDC_BUF_INIT;

    (void)n;
    if (!take_number(context, values[0], &number))
        return;
    if (number.type == SQLITE_FLOAT) {
        functions_append_real(&text, number.real);
        result_text(context, &text);
    } else {
        sqlite3_result_value(context, values[0]);
    }
    cdc_buf_free(&text);
}

/* What is behind the point is cut off, as SQLite does. */
static void result_whole(sqlite3_context *context, struct cdc_span text)
{
    const char *point = memchr(text.p, '.', text.n);
    int64_t integer;

    if (point != NULL)
        text.n = (size_t)(point - text.p);
    if (cdc_json_int64(text, &integer))
        sqlite3_result_int64(context, integer);
    else
        sqlite3_result_error(context, "an integer beyond 64 bits", -1);
}

static void cast_integer(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct number number;
    struct cdc_buf text = CDC_BUF_INIT;
    const char *why = NULL;
    static const struct decimal zero = {.kind = DECIMAL_FINITE, .whole = {"0", 1}};

    (void)n;
    if (!take_number(context, values[0], &number))
        return;
    if (number.type == SQLITE_INTEGER) {
        sqlite3_result_int64(context, number.integer);
    } else if (number.type == SQLITE_FLOAT) {
        if (!isfinite(number.real) || fabs(number.real) >= 9223372036854775808.0)
            sqlite3_result_error(context, "an integer beyond 64 bits", -1);
        else
            sqlite3_result_int64(context, (int64_t)number.real);
    } else if (number.type == SQLITE_TEXT) {
        if (number.decimal.kind != DECIMAL_FINITE)
            sqlite3_result_error(context, "NaN and the infinities are no integers", -1);
        else if (!decimal_add(&text, &number.decimal, &zero, &why)) /* without exponent */
            refuse(context, why);
        else
            result_whole(context, cdc_span(text.data, text.len));
    }
    cdc_buf_free(&text);
}

static void moment(sqlite3_context *context, int n, sqlite3_value **values)
{
    char key[MOMENT_MAX];

    (void)n;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL)
        return;
    if (moment_key(key, text_of(values[0])))
        sqlite3_result_text(context, key, -1, SQLITE_TRANSIENT);
    else
        fail(context, text_of(values[0]), "is no date or time that could be compared");
}

/* -- texts -------------------------------------------------------------------------------------- */

/* The value itself, for what would take a NUL for its end. */
static void whole(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct cdc_span text = {NULL, 0};

    (void)n;
    if (sqlite3_value_type(values[0]) == SQLITE_TEXT)
        text = text_of(values[0]);
    if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL)
        sqlite3_result_error(context, "a text has a NUL, where length, substr, GLOB and COLLATE would take its end",
                             -1);
    else
        sqlite3_result_value(context, values[0]);
}

/* -- times --------------------------------------------------------------------------------------- */

/* A time in whole milliseconds. SQLite's functions round to these, and the last half of one would be the next second, day or year. */
static void milliseconds(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct cdc_span text = sqlite3_value_type(values[0]) == SQLITE_TEXT ? text_of(values[0]) : cdc_span(NULL, 0);
    const char *point = text.n > 0 ? memchr(text.p, '.', text.n) : NULL, *end = text.p + text.n, *rest = point;

    (void)n;
    while (rest != NULL && ++rest < end && *rest >= '0' && *rest <= '9')
        ;
    if (point == NULL || rest - point <= 4) {
        sqlite3_result_value(context, values[0]);
        return;
    }
    char *cut = sqlite3_mprintf("%.*s%.*s", (int)(point + 4 - text.p), text.p, (int)(end - rest), rest);
    if (cut != NULL)
        sqlite3_result_text(context, cut, -1, sqlite3_free);
    else
        sqlite3_result_error_nomem(context);
}

/* What SQLite's function has made of its arguments, the first value. It knows the years 0 to 9999, and makes NULL of what it does not
 * know, as if nothing had been there. */
static void known_time(sqlite3_context *context, int n, sqlite3_value **values)
{
    bool is_null = false;

    for (int i = 1; i < n; i++)
        is_null = is_null || sqlite3_value_type(values[i]) == SQLITE_NULL;
    if (sqlite3_value_type(values[0]) != SQLITE_NULL || is_null)
        sqlite3_result_value(context, values[0]);
    else
        fail(context, text_of(values[1]), "is no time that date functions know, or they cannot do that with it");
}

/* JSON becomes a text: of a string what is in it, of null NULL. */
static void unquoted(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct cdc_span json = text_of(values[0]), raw = cdc_json_string_raw(json);
    struct cdc_buf text = CDC_BUF_INIT;

    (void)n;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL || cdc_json_is_null(json))
        return;
    if (raw.p != NULL) {
        cdc_json_unescape(&text, raw);
        result_text(context, &text);
    } else {
        sqlite3_result_value(context, values[0]);
    }
    cdc_buf_free(&text);
}

/* How many bytes the character at p has. */
static size_t character(const char *p, const char *end)
{
    size_t n = 1;

    while (p + n < end && ((unsigned char)p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static bool is_same(const char *a, size_t n, const char *b, size_t m, bool nocase)
{
    return n == m && (memcmp(a, b, n) == 0 || (nocase && n == 1 && strncasecmp(a, b, 1) == 0));
}

/* 1, 0; -1: the pattern ends with the escape. */
static int matches(struct cdc_span text, struct cdc_span pattern, struct cdc_span escape, bool nocase)
{
    const char *t = text.p, *p = pattern.p, *t_end = t + text.n, *p_end = p + pattern.n;
    const char *back_t = NULL, *back_p = NULL; /* where the last % takes one more character */

    for (;;) {
        bool escaped = escape.n > 0 && (size_t)(p_end - p) >= escape.n && memcmp(p, escape.p, escape.n) == 0;
        const char *c = escaped ? p + escape.n : p;
        if (escaped && c == p_end)
            return -1;
        if (!escaped && p < p_end && *p == '%') {
            back_p = ++p;
            back_t = t;
            continue;
        }
        if (p == p_end && t == t_end)
            return 1;
        if (t < t_end && c < p_end) {
            size_t have = character(t, t_end), want = character(c, p_end);
            if ((!escaped && *c == '_') || is_same(t, have, c, want, nocase)) {
                t += have;
                p = c + want;
                continue;
            }
        }
        if (back_p == NULL || back_t == t_end)
            return 0;
        t = back_t += character(back_t, t_end);
        p = back_p;
    }
}

static void like_as(sqlite3_context *context, sqlite3_value **values, bool nocase)
{
    for (int i = 0; i < 3; i++)
        if (sqlite3_value_type(values[i]) == SQLITE_NULL)
            return;
    struct cdc_span pattern = text_of(values[1]), escape = text_of(values[2]);
    if (pattern.n > PATTERN_MAX || (escape.n > 0 && character(escape.p, escape.p + escape.n) != escape.n)) {
        sqlite3_result_error(
            context, pattern.n > PATTERN_MAX ? "a pattern is too long" : "ESCAPE is one character, or none", -1);
        return;
    }
    int result = matches(text_of(values[0]), pattern, escape, nocase);
    if (result < 0)
        sqlite3_result_error(context, "a pattern ends with the character of its ESCAPE", -1);
    else
        sqlite3_result_int(context, result);
}

/* As PostgreSQL has it: case matters. */
static void like(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    like_as(context, values, false);
}

/* As MySQL's and MariaDB's default collations have it, for the letters of ASCII. */
static void like_nocase(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    like_as(context, values, true);
}

/* -- all of them --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int arguments;
    void (*function)(sqlite3_context *context, int n, sqlite3_value **values);
} ours[] = {{"cdc_compare", 2, compare},
            {"cdc_min", -1, minimum},
            {"cdc_max", -1, maximum},
            {"cdc_add", 2, add},
            {"cdc_subtract", 2, subtract},
            {"cdc_multiply", 2, multiply},
            {"cdc_divide", 2, divide},
            {"cdc_remainder", 2, rest},
            {"cdc_minus", 1, minus},
            {"cdc_abs", 1, absolute},
            {"cdc_sign", 1, sign},
            {"cdc_round", 1, round_number},
            {"cdc_round", 2, round_number},
            {"cdc_quotient", 3, quotient},
            {"cdc_text", 1, cast_text},
            {"cdc_real", 1, cast_real},
            {"cdc_decimal", 1, cast_decimal},
            {"cdc_integer", 1, cast_integer},
            {"cdc_moment", 1, moment},
            {"cdc_unquoted", 1, unquoted},
            {"cdc_whole", 1, whole},
            {"cdc_milliseconds", 1, milliseconds},
            {"cdc_known_time", -1, known_time},
            {"cdc_like", 3, like},
            {"cdc_like_nocase", 3, like_nocase}};

int functions_register(sqlite3 *database)
{
    int code = SQLITE_OK;

    for (size_t i = 0; code == SQLITE_OK && i < sizeof ours / sizeof ours[0]; i++)
        code = sqlite3_create_function_v2(database, ours[i].name, ours[i].arguments,
                                          SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                          ours[i].function, NULL, NULL, NULL);
    return code;
}

bool functions_allow(const char *name)
{
    static const char *const refused[] = {
        "load_extension", "random",  "randomblob",    "zeroblob",          "readfile",   "writefile",       "edit",
        "fts3_tokenizer", "changes", "total_changes", "last_insert_rowid", "sqlite_log", "sqlite_source_id"};

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (strcmp(name, refused[i]) == 0)
            return false;
    return true;
}
