/* SPDX-License-Identifier: MIT */
/* Decimal numbers of any length, exactly: SQLite has doubles and 64-bit integers only, and 0.1 + 0.2 is not 0.3 in
 * doubles. NaN and the infinities are PostgreSQL's: NaN equals itself and is greater than all. */
#ifndef SYNTAX_DECIMAL_H
#define SYNTAX_DECIMAL_H

#include <cdc/buf.h>

enum decimal_kind { DECIMAL_FINITE, DECIMAL_INFINITE, DECIMAL_NAN };

/* The text of a number, taken apart: the digits of `whole` and `fraction` one after the other are
 * 0.d1d2d3... times 10^exponent, from the first digit that is not 0 on. BORROWS the text. */
struct decimal {
    enum decimal_kind kind;
    bool negative;
    struct cdc_span whole, fraction;
    size_t first, end; /* the digits between the zeros at both ends; both 0: the number is 0 */
    int64_t exponent;
    int64_t power; /* as written after e */
};

/* "-1.10", "1e3", "NaN", "Infinity". false: it is no such text. */
bool decimal_parse(struct decimal *number, struct cdc_span text);
/* <0, 0, >0. */
int decimal_compare(const struct decimal *a, const struct decimal *b);

/* What *why is where there was no memory: this very pointer. */
extern const char *const decimal_no_memory;
/* These append the text of the result, as many digits after the point as a sum or a product has. false: there is none
 * (too many digits to be worked on, a division by zero, infinity minus infinity), and *why says so. */
bool decimal_add(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, const char **why);
bool decimal_subtract(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, const char **why);
bool decimal_multiply(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, const char **why);
/* With so many digits (at most 10000) after the point, half away from zero. */
bool decimal_divide(struct cdc_buf *out, const struct decimal *a, const struct decimal *b, size_t scale,
                    const char **why);
bool decimal_round(struct cdc_buf *out, const struct decimal *a, size_t scale, const char **why);

#endif
