/* SPDX-License-Identifier: MIT */
/* The result of an expression becomes a value of a line, written as the source would write one of that column. */
#include <math.h>
#include <stdlib.h>

#include "connectors/sqlite/syntax/decimal.h"
#include "connectors/sqlite/expression/functions.h"
#include "connectors/sqlite/expression/program.h"

struct result {
    const struct lite_output *output;
    struct cdc_buf *out;
    int type;             /* SQLite's */
    struct cdc_span text; /* of TEXT and BLOB */
    int64_t integer;
    double real;
    const char *why; /* set: it does not fit */
};

static void take(struct result *result, sqlite3_stmt *statement)
{
    result->type = sqlite3_column_type(statement, 0);
    switch (result->type) {
    case SQLITE_INTEGER: result->integer = sqlite3_column_int64(statement, 0); break;
    case SQLITE_FLOAT: result->real = sqlite3_column_double(statement, 0); break;
    case SQLITE_TEXT: result->text.p = (const char *)sqlite3_column_text(statement, 0); break;
    case SQLITE_BLOB: result->text.p = sqlite3_column_blob(statement, 0); break;
    default: break;
    }
    if (result->type == SQLITE_TEXT || result->type == SQLITE_BLOB)
        result->text.n = (size_t)sqlite3_column_bytes(statement, 0);
    if (result->text.p == NULL) /* of no bytes */
        result->text = cdc_span("", 0);
}

static void append_quoted(struct cdc_buf *out, struct cdc_span digits)
{
    cdc_buf_byte(out, '"');
    cdc_buf_span(out, digits);
    cdc_buf_byte(out, '"');
}

static void append_integer(struct result *result, int64_t value)
{
    const int64_t exact = INT64_C(1) << 53;
    bool quoted = result->output->integers_are_texts && (value > exact || value < -exact);

    if (quoted)
        cdc_buf_byte(result->out, '"');
    cdc_buf_i64(result->out, value);
    if (quoted)
        cdc_buf_byte(result->out, '"');
}

static void write_bool(struct result *result)
{
    if (result->type != SQLITE_INTEGER || (result->integer != 0 && result->integer != 1))
        result->why = "is neither true nor false";
    else
        cdc_buf_text(result->out, result->integer ? "true" : "false");
}

/* A whole number of a decimal or of a double is one, too. */
static void write_integer(struct result *result)
{
    int64_t integer;

    if (result->type == SQLITE_INTEGER)
        append_integer(result, result->integer);
    else if (result->type == SQLITE_FLOAT && fabs(result->real) < 9007199254740992.0 &&
             result->real == (double)(int64_t)result->real)
        append_integer(result, (int64_t)result->real);
    else if (result->type == SQLITE_TEXT && cdc_json_int64(result->text, &integer))
        append_integer(result, integer);
    else
        result->why = "is no integer";
}

/* Digits as JSON's numbers have them: no plus, no leading zeros or point. */
static bool is_json_number(struct cdc_span text)
{
    return text.n > 0 && cdc_json_validate(text.p, text.n, NULL) == 0;
}

static void write_decimal(struct result *result)
{
    struct cdc_buf digits = CDC_BUF_INIT;
    struct decimal number;

    if (result->type == SQLITE_INTEGER)
        cdc_buf_i64(&digits, result->integer);
    else if (result->type == SQLITE_FLOAT)
        functions_append_real(&digits, result->real);
    else
        cdc_buf_span(&digits, result->text);
    struct cdc_span text = cdc_span(digits.data != NULL ? digits.data : "", digits.len);
    bool whole = result->output->type.whole;
    if (result->type == SQLITE_BLOB || !decimal_parse(&number, text))
        result->why = "is no number";
    else if (whole && memchr(text.p, '.', text.n) != NULL)
        result->why = "is no integer";
    else if ((whole ? !result->output->integers_are_texts || text.n < 16 : result->output->decimals_are_numbers) &&
             is_json_number(text))
        cdc_buf_span(result->out, text);
    else
        append_quoted(result->out, text);
    result->out->failed |= digits.failed;
    cdc_buf_free(&digits);
}

static void write_real(struct result *result)
{
    struct decimal number;

    if (result->type == SQLITE_INTEGER)
        cdc_buf_i64(result->out, result->integer);
    else if (result->type == SQLITE_FLOAT && isfinite(result->real))
        functions_append_real(result->out, result->real);
    else if (result->type == SQLITE_FLOAT)
        cdc_buf_text(result->out, result->real < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    else if (result->type == SQLITE_TEXT && decimal_parse(&number, result->text) && number.kind != DECIMAL_FINITE)
        append_quoted(result->out, result->text);
    else
        result->why = "is no double";
}

static void write_bytes(struct result *result)
{
    if (result->type != SQLITE_BLOB) {
        result->why = "is no bytes";
        return;
    }
    cdc_buf_byte(result->out, '"');
    cdc_buf_base64(result->out, result->text.p, result->text.n);
    cdc_buf_byte(result->out, '"');
}

static void write_json(struct result *result, bool *json_null)
{
    if (result->type == SQLITE_INTEGER) {
        cdc_buf_i64(result->out, result->integer);
    } else if (result->type == SQLITE_FLOAT && isfinite(result->real)) {
        functions_append_real(result->out, result->real);
    } else if (result->type != SQLITE_TEXT || cdc_json_validate(result->text.p, result->text.n, NULL) != 0) {
        result->why = "is no JSON";
    } else {
        size_t start = result->out->len;
        cdc_json_append_compact(result->out, result->text);
        *json_null =
            !result->out->failed && cdc_span_is(cdc_span(result->out->data + start, result->out->len - start), "null");
    }
}

static void write_text(struct result *result)
{
    struct cdc_buf digits = CDC_BUF_INIT;

    if (result->type == SQLITE_TEXT || result->type == SQLITE_BLOB) {
        (void)cdc_json_append_text(result->out, result->text.p, result->text.n);
        return;
    }
    if (result->type == SQLITE_INTEGER)
        cdc_buf_i64(&digits, result->integer);
    else
        functions_append_real(&digits, result->real);
    append_quoted(result->out, cdc_span(digits.data != NULL ? digits.data : "", digits.len));
    result->out->failed |= digits.failed;
    cdc_buf_free(&digits);
}

/* SQLite's functions put a blank where lines have a T, and know no zone. */
static void write_time(struct result *result)
{
    struct cdc_span text = result->text;
    bool has_time = text.n > 11 && text.p[10] == ' ' && text.p[11] != 'B';

    if (result->type != SQLITE_TEXT) {
        result->why = "is no date or time";
        return;
    }
    if (!has_time || memchr(text.p, 'B', text.n) != NULL ||
        text.p[0] == '0') { /* BC and 0000-00-00 are the server's texts */
        cdc_json_append_string(result->out, text.p, text.n);
        return;
    }
    size_t start = result->out->len;
    cdc_json_append_string(result->out, text.p, text.n);
    if (result->out->failed)
        return;
    result->out->data[start + 11] = 'T';
    if (result->output->type.zoned && text.p[text.n - 1] != 'Z') {
        result->out->len--;
        cdc_buf_text(result->out, "Z\"");
    }
}

static void write_value(struct result *result, bool *json_null)
{
    switch (result->output->type.type) {
    case LITE_TYPE_BOOL: write_bool(result); break;
    case LITE_TYPE_INTEGER: write_integer(result); break;
    case LITE_TYPE_DECIMAL: write_decimal(result); break;
    case LITE_TYPE_REAL: write_real(result); break;
    case LITE_TYPE_BYTES: write_bytes(result); break;
    case LITE_TYPE_JSON: write_json(result, json_null); break;
    case LITE_TYPE_TIME: write_time(result); break;
    default: write_text(result);
    }
}

int lite_program_append(const struct lite_program *program, const struct lite_output *output, struct cdc_buf *out,
                        bool *json_null, struct cdc_error *error)
{
    struct result result = {.output = output, .out = out};

    *json_null = false;
    take(&result, program->statement);
    if (result.type == SQLITE_NULL)
        cdc_buf_lit(out, "null");
    else
        write_value(&result, json_null);
    if (out->failed)
        return cdc_error_memory(error);
    if (result.why != NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "\"%.100s\": the result %s", program->text, result.why);
    return 0;
}
