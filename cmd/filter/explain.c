/* SPDX-License-Identifier: MIT */
/* --explain: what becomes of each table whose schema line is there, as JSON or for people. */
#include <string.h>

#include "cmd/filter/schemas.h"

#include <cdc/json.h>

#define COLUMNS 4

/* Bytes from names must not steer a terminal. */
static void append_plain(struct cdc_buf *out, struct cdc_span raw)
{
    struct cdc_buf text = CDC_BUF_INIT;

    cdc_json_unescape(&text, raw);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            cdc_buf_byte(out, ' ');
        else
            cdc_buf_byte(out, text.data[i]);
    out->failed |= text.failed;
    cdc_buf_free(&text);
}

static void append_list(struct cdc_buf *out, struct cdc_span list)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    bool first = true;

    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item); first = false) {
        if (!first)
            cdc_buf_lit(out, "; ");
        append_plain(out, cdc_json_string_raw(item));
    }
}

static void append_table_name(struct cdc_buf *out, struct cdc_span object)
{
    struct cdc_span schema = cdc_json_member_raw(object, "schema"), db = cdc_json_member_raw(object, "db");

    if (schema.p != NULL || db.p != NULL) {
        append_plain(out, schema.p != NULL ? schema : db);
        cdc_buf_byte(out, '.');
    }
    append_plain(out, cdc_json_member_raw(object, "table"));
}

static void append_cell(struct cdc_buf *out, struct cdc_span column, int which)
{
    struct cdc_span name = cdc_json_member_raw(column, "column"), after = cdc_json_member_raw(column, "becomes");

    switch (which) {
    case 0:
        if (name.p != NULL)
            append_plain(out, name);
        else
            cdc_buf_byte(out, '-');
        break;
    case 1:
        if (after.p != NULL)
            append_plain(out, after);
        else
            cdc_buf_byte(out, '-');
        break;
    case 2: append_plain(out, cdc_json_member_raw(column, "clear")); break;
    default: append_list(out, cdc_json_member(column, "how")); break;
    }
}

static size_t width(struct cdc_span text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return n;
}

static void append_row(struct cdc_buf *out, const struct cdc_buf cells[COLUMNS], const size_t widths[COLUMNS])
{
    cdc_buf_lit(out, "  ");
    for (int k = 0; k < COLUMNS; k++) {
        struct cdc_span text = cdc_span(cells[k].data, cells[k].len);
        cdc_buf_span(out, text);
        for (size_t n = width(text); k + 1 < COLUMNS && n < widths[k] + 2; n++)
            cdc_buf_byte(out, ' ');
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        out->len--;
    cdc_buf_byte(out, '\n');
}

/* First how wide the columns are, then the rows. */
static void append_columns(struct cdc_buf *out, struct cdc_span columns)
{
    static const char *const heads[COLUMNS] = {"COLUMN", "LEAVES AS", "CLEAR", "HOW"};
    struct cdc_buf cells[COLUMNS] = {CDC_BUF_INIT, CDC_BUF_INIT, CDC_BUF_INIT, CDC_BUF_INIT};
    size_t widths[COLUMNS] = {6, 9, 5, 3};
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < COLUMNS; k++) {
            cells[k].len = 0;
            cdc_buf_text(&cells[k], heads[k]);
        }
        if (pass == 1)
            append_row(out, cells, widths);
        for (cdc_json_iter_begin(&iter, columns); cdc_json_next_element(&iter, &column);) {
            for (int k = 0; k < COLUMNS; k++) {
                cells[k].len = 0;
                append_cell(&cells[k], column, k);
                size_t n = width(cdc_span(cells[k].data, cells[k].len));
                widths[k] = n > widths[k] ? n : widths[k];
            }
            if (pass == 1)
                append_row(out, cells, widths);
        }
    }
    for (int k = 0; k < COLUMNS; k++) {
        out->failed |= cells[k].failed;
        cdc_buf_free(&cells[k]);
    }
}

static void append_people(struct cdc_buf *out, struct cdc_span object)
{
    struct cdc_span becomes = cdc_json_member(object, "becomes"), rows = cdc_json_member(object, "rows");

    append_table_name(out, object);
    if (cdc_json_is_null(becomes)) {
        cdc_buf_lit(out, " does not leave: ");
        append_list(out, rows);
        cdc_buf_lit(out, "\n\n");
        return;
    }
    cdc_buf_lit(out, " leaves as ");
    append_table_name(out, becomes);
    if (rows.n > 2) {
        cdc_buf_lit(out, ", ");
        append_list(out, rows);
    }
    cdc_buf_byte(out, '\n');
    append_columns(out, cdc_json_member(object, "columns"));
    cdc_buf_byte(out, '\n');
}

static int explain_one(struct cdc_filter *filter, const struct schemas *schemas, size_t i, struct cdc_buf *object,
                       struct cdc_error *error)
{
    struct cdc_event event;

    object->len = 0;
    return schemas_event(schemas, i, &event, error) == 0 ? cdc_filter_explain(filter, &event, object, error) : -1;
}

/* Twice: what tables that are brought together become is known once all of them have come. */
static int explain_all(const struct filter_look *look, struct cdc_filter *filter, const struct schemas *schemas,
                       struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf object = CDC_BUF_INIT;
    int result = 0;

    for (size_t i = 0; result == 0 && i < schemas->n; i++)
        result = explain_one(filter, schemas, i, &object, error);
    if (look->json)
        cdc_buf_lit(out, "{\"tables\":[");
    for (size_t i = 0; result == 0 && i < schemas->n; i++) {
        result = explain_one(filter, schemas, i, &object, error);
        if (result == 0 && look->json && i > 0)
            cdc_buf_lit(out, ",\n");
        if (result == 0 && look->json)
            cdc_buf_span(out, cdc_span(object.data, object.len));
        else if (result == 0)
            append_people(out, cdc_span(object.data, object.len));
    }
    if (look->json)
        cdc_buf_lit(out, "]}\n");
    cdc_buf_free(&object);
    return result;
}

int look_explain(const struct filter_look *look, struct cdc_error *error)
{
    struct schemas schemas = {.n = 0};
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_filter *filter = look->open(look->context, error);
    int result = filter != NULL ? schemas_read(&schemas, look, error) : -1;

    if (result == 0 && schemas.n == 0)
        result = cdc_error_set(error, CDC_EXIT_DATA, "--explain found no schema line in its input");
    if (result == 0)
        result = explain_all(look, filter, &schemas, &out, error);
    if (result == 0)
        result = program_write(&out, error);
    else
        cdc_buf_free(&out);
    look->close(look->context);
    schemas_free(&schemas);
    return result;
}
