/* SPDX-License-Identifier: MIT */
/* Types and values: how a column of the source is declared, and how its JSON values are bound, so that SQLite changes
 * none of them. */
#ifndef LITE_VALUE_H
#define LITE_VALUE_H

#include <sqlite3.h>

#include <cdc/json.h>

/* How values of a column are stored. SQLite's affinities convert values on their way in, so each kind is declared
 * with the one affinity that leaves its values alone. */
enum lite_kind {
    LITE_KIND_INTEGER, /* affinity INTEGER: 64-bit signed integers and booleans */
    LITE_KIND_REAL,    /* affinity REAL; NaN and the infinities stay text */
    LITE_KIND_TEXT,    /* affinity TEXT: everything else, numeric included */
    LITE_KIND_JSON,    /* affinity TEXT: the JSON text of the value */
    LITE_KIND_BYTES,   /* affinity BLOB: base64 is decoded */
    LITE_KIND_BIT,     /* affinity BLOB (none): MySQL's bit(1) is 1 or 0, PostgreSQL's is text */
    LITE_KIND_ANY      /* affinity BLOB (none): unsigned 64-bit integers, as text where they do not fit */
};

/* type: as the source's database names it. */
enum lite_kind lite_value_kind(struct cdc_span type);
/* What the column is declared as; alone: it is the whole primary key. */
const char *lite_value_declared(enum lite_kind kind, bool alone);
/* Stands for JSON's null, which is the text null, and not SQL's NULL. */
extern const struct cdc_span lite_json_null;
/* Binds value (p NULL: NULL). 0, or -1 with *reason when the value does not fit the column, or SQLite's code. Decoded
 * values are appended to scratch, which must have room for them: it must not move while values are bound. */
int lite_value_bind(struct cdc_buf *scratch, sqlite3_stmt *statement, int index, enum lite_kind kind,
                    struct cdc_span value, const char **reason);

#endif
