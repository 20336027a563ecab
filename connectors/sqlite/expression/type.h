/* SPDX-License-Identifier: MIT */
/* What a value is, as far as comparing and computing go. SQLite has values with types, and columns that nearly have them:
 * without this, '9.5' would be greater than '10', and a text never equal to a number. */
#ifndef EXPRESSION_TYPE_H
#define EXPRESSION_TYPE_H

#include <stdbool.h>

enum lite_type {
    LITE_TYPE_NULL,
    LITE_TYPE_BOOL,    /* 0 or 1 */
    LITE_TYPE_INTEGER, /* 64 bits */
    LITE_TYPE_DECIMAL, /* its text, or an integer: exact */
    LITE_TYPE_REAL,    /* a double; NaN is a text */
    LITE_TYPE_TEXT,    /* ordered by its bytes */
    LITE_TYPE_OPAQUE,  /* a text whose order is not its bytes': an enum, an interval */
    LITE_TYPE_TIME,    /* a date, or date and time (moment.h) */
    LITE_TYPE_BYTES,
    LITE_TYPE_JSON, /* its text */
    LITE_TYPE_ANY   /* taken out of a JSON document */
};

struct lite_column_type {
    enum lite_type type;
    bool padded; /* char(n) of PostgreSQL: blanks at its end do not count */
    bool zoned;  /* a time in UTC, with Z */
    bool whole;  /* an unsigned integer of 64 bits, which lines have as a number */
};

/* type: as the source's database names it. */
struct lite_column_type lite_type_of_column(const char *type, bool mysql);
bool lite_type_is_number(enum lite_type type);   /* BOOL to REAL */
bool lite_type_is_text(enum lite_type type);     /* TEXT, OPAQUE, JSON */
const char *lite_type_name(enum lite_type type); /* for messages: "a number" */

#endif
